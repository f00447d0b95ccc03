#!/bin/bash
# What the shells complete. usage: completion.sh WEIRCTL
weirctl=$(realpath "$1") bad=0
PATH=$(dirname "$weirctl"):$PATH
export WEIR_SOCKET=/nonexistent

expect() { # WANTED LINE...: the words that complete the line, each in a line of WANTED
	local wanted=$1
	shift
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_weirctl
	[[ "${COMPREPLY[*]}" == "$wanted" ]] && return
	echo "bash: \"$*\" completes to \"${COMPREPLY[*]}\", not \"$wanted\""
	bad=1
}

script=$("$weirctl" completion bash) || exit 1
eval "$script"
expect "drops drain" weirctl dr
expect "--dry-run" weirctl apply -n x --dr
expect "virtualservice" weirctl get vi
expect "json" weirctl -o json get vs -o js
expect "bash zsh fish" weirctl completion ""
expect "" weirctl get vs ""
expect "--namespace" weirctl stats -s sock --n
for shell in zsh fish; do
	command -v $shell >/dev/null || continue
	"$weirctl" completion $shell | $shell -n /dev/stdin || { echo "$shell: syntax"; bad=1; }
done
exit $bad
