#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# ./demo as a user runs it.
#
#   demo.sh whole         it says what it has to say, in under a minute, and leaves nothing
#   demo.sh interrupted   Ctrl-C at three moments: nothing is left either
set -u
cd "$(dirname "$0")/../.." || exit 1

fail() {
	echo "FAILED: $*"
	exit 1
}

# What a demo could leave: namespaces, its folder, programs in it.
left() {
	ip netns list | grep -E "^weir$1-" || true
	pgrep -af "weir-lab\..*$1" || true
}

nothing_left() {
	local i rest
	for i in 1 2 3 4 5 6 7 8 9 10; do
		rest=$(left "$1")
		[ -n "$rest" ] || return 0
		sleep 0.5
	done
	fail "left behind: $rest"
}

whole() {
	local out pid began=$SECONDS
	out=$(mktemp)
	./demo >"$out" 2>&1 </dev/null &
	pid=$!
	wait "$pid" || fail "exit status $?: $(tail -20 "$out")"
	[ $((SECONDS - began)) -lt 60 ] || fail "it took $((SECONDS - began)) seconds"
	for text in "exactly 900 and 100" "no request failed" "exactly 70/30 from the change on" \
		"in effect on every core" "weirctl route" "weirctl status"; do
		grep -q "$text" "$out" || fail "\"$text\" is not there: $(cat "$out")"
	done
	rm -f "$out"
	nothing_left "$pid"
}

interrupted() {
	local pid after
	for after in 1 3 5; do
		setsid env --default-signal=INT ./demo >/dev/null 2>&1 </dev/null &
		pid=$!
		sleep "$after"
		kill -INT -- "-$pid" 2>/dev/null || fail "after $after s it was over already"
		wait "$pid"
		nothing_left "$pid"
	done
}

case ${1:-} in
whole | interrupted) "$1" ;;
*) fail "usage: $0 whole|interrupted" ;;
esac
