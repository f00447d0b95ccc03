#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The pages speak of what is there: every relative link leads to a file, and every path of this
# repository that a page names exists. usage: links.sh [SOURCE_ROOT]
# shellcheck disable=SC2013,SC2015,SC2016
cd "${1:-$(dirname "$0")/..}" || exit 1
bad=0

say() {
	echo "$1: $2 is not there"
	bad=1
}

# Folders of the tree, as a path in prose begins: "dataplane/core/net.c", "docs/limits.md".
folders='bench|ctrl|dataplane|docs|drivers-cfg|tests|tools'

for page in *.md $(find docs bench -name '*.md'); do
	here=$(dirname "$page")
	# [text](target), without what stands behind #
	for target in $(grep -o ']([^)]*)' "$page" | sed 's/^](//; s/)$//; s/#.*//'); do
		case $target in
		*://* | mailto:*) ;;
		*) [ -e "$here/$target" ] || say "$page" "$target" ;;
		esac
	done
	# [text](#heading) and [text](page#heading): GitHub's anchor of a heading
	for target in $(grep -o ']([^)]*#[^)]*)' "$page" | sed 's/^](//; s/)$//'); do
		case $target in *://*) continue ;; esac
		file=${target%%#*}
		file=${file:+$here/$file}
		sed -n 's/^##* //p' "${file:-$page}" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g' |
			grep -qxF -- "${target#*#}" || say "$page" "$target"
	done
	for path in $(grep -oE "(^|[ (\`])($folders)/[A-Za-z0-9_./*-]*" "$page" | sed 's/^[ (`]//; s/[.,]*$//'); do
		# a name with * stands for several
		# shellcheck disable=SC2086
		set -- $path
		[ -e "$1" ] || [ -e "$here/$1" ] || say "$page" "$path"
	done
done

# A page of ARCHITECTURE.md's reading order that no longer has its file would mislead most.
for name in $(grep -oE '`[a-z0-9_]+\.(c|h|def)`' ARCHITECTURE.md | tr -d '`' | sort -u); do
	[ -n "$(find dataplane ctrl tests -name "$name")" ] || say ARCHITECTURE.md "$name"
done
for folder in ctrl ctrl/* dataplane/*/; do
	folder=${folder%/}
	[ -d "$folder" ] && [ "$folder" != dataplane/api ] || continue
	grep -q "^| ${folder}[ /|]" ARCHITECTURE.md || { echo "ARCHITECTURE.md: says nothing about $folder/"; bad=1; }
done
exit $bad
