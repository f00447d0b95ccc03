#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# ./demo as a user runs it.
#
#   demo.sh whole         it says what it has to say, in under a minute, and leaves nothing
#   demo.sh interrupted   Ctrl-C at three moments: nothing is left either
#   demo.sh kept          --keep stays until it is ended, and leaves nothing then
#   demo.sh unprivileged  without root it says so in one line
set -u
cd "$(dirname "$0")/../.." || exit 1

fail() {
	echo "FAILED: $*"
	exit 1
}

# What a demo could leave: namespaces, its folder, programs in it.
left() {
	ip netns list | grep -E "^weir$1-"
	ls -d /tmp/weir-lab."$1".* 2>/dev/null
	pgrep -af "weir-lab\.$1\."
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
	for after in 0.5 2 4; do
		setsid env --default-signal=INT ./demo >/dev/null 2>&1 </dev/null &
		pid=$!
		sleep "$after"
		kill -INT -- "-$pid" 2>/dev/null || fail "after $after s it was over already"
		wait "$pid"
		nothing_left "$pid"
	done
}

kept() {
	local pid out i
	out=$(mktemp)
	setsid ./demo --keep >"$out" 2>&1 </dev/null &
	pid=$!
	for ((i = 0; i < 120; i++)); do
		grep -q 'To end it' "$out" && break
		sleep 0.5
	done
	[ "$i" -lt 120 ] || fail "it does not come to stay: $(tail -20 "$out")"
	sleep 1
	kill -0 "$pid" || fail "it does not stay"
	kill -TERM "$pid"
	wait "$pid"
	rm -f "$out"
	nothing_left "$pid"
}

unprivileged() {
	local out
	out=$(setpriv --reuid=65534 --regid=65534 --clear-groups ./demo 2>&1) && fail "it runs without root"
	[ "$(wc -l <<<"$out")" = 1 ] || fail "not one line: $out"
}

case ${1:-} in
whole | interrupted | kept | unprivileged) "$1" ;;
*) fail "usage: $0 whole|interrupted|kept|unprivileged" ;;
esac
