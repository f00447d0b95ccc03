#!/bin/sh
# The committed pages are what the tables say, and manual pages are well-formed.
# usage: pages.sh WEIRCTL_MANUAL SOURCE_ROOT
manual=$1 root=$2 bad=0
same() {
	"$manual" "$1" | diff -u "$root/$2" - || { echo "$2 is out of date: weirctl-manual $1 > $2"; bad=1; }
}
same mdoc docs/man/weirctl.1
same markdown docs/reference/weirctl.md
if command -v mandoc >/dev/null; then
	for page in "$root"/docs/man/*.[158]; do
		mandoc -Tlint -Wwarning "$page" || bad=1
	done
fi
exit $bad
