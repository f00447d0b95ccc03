# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154,SC2034
#
# dpdk-testpmd (package dpdk-dev) over memif, for bench/lib.sh and the case testpmd.

declare -A pmd_pid pmd_in
pmd_devices=() # more of them: arguments for EAL
pmd_clean() {
	local n
	for n in "${!pmd_pid[@]}"; do
		end_pid "${pmd_pid[$n]}"
	done
	pmd_pid=()
}

# pmd_start NAME CPU ROLE SOCKET ARGUMENT...: its main thread reads a pipe that stays open, the other forwards
pmd_start() {
	local name=$1 cpu=$2 role=$3 socket=$4 fd i
	shift 4
	rm -f "$dir/$name.in"
	mkfifo "$dir/$name.in"
	exec {fd}<>"$dir/$name.in"
	pmd_in[$name]=$fd
	first stdbuf -oL dpdk-testpmd --no-huge -m 128 --no-pci --no-telemetry --log-level=error --iova-mode=va --no-shconf \
		--file-prefix "${dir##*/}-$name" --lcores "0@$other_cpu,1@$cpu" \
		--vdev "net_memif0,role=$role,id=0,socket=$socket,socket-abstract=no,rsize=11" "${pmd_devices[@]}" \
		-- --interactive --nb-cores=1 --rxd=2048 --txd=2048 --total-num-mbufs=16384 --port-topology=loop \
		--disable-link-check --record-core-cycles "$@" <"$dir/$name.in" >"$dir/$name.out" 2>&1 &
	pmd_pid[$name]=$!
	for ((i = 0; i < 400; i++)); do
		grep -q 'testpmd>' "$dir/$name.out" 2>/dev/null && return
		kill -0 "${pmd_pid[$name]}" 2>/dev/null || break
		sleep 0.05
	done
	fail "testpmd does not start: $(tail -5 "$dir/$name.out")"
}

# pmd_say NAME COMMAND
pmd_say() {
	echo "$2" >&"${pmd_in[$1]}"
}

# The link of memif is up a moment after both sides are there.
pmd_link() {
	local i
	for ((i = 0; i < 100; i++)); do
		pmd_say "$1" "show port info 0"
		sleep 0.1
		grep -q 'Link status: up' "$dir/$1.out" && return
	done
	fail "no link between testpmd and its other side"
}

# pmd_stop NAME: stops forwarding and waits for the totals
pmd_stop() {
	local i
	pmd_say "$1" stop
	for ((i = 0; i < 100; i++)); do
		grep -q '^Done\.' "$dir/$1.out" && return
		sleep 0.05
	done
	fail "testpmd does not stop"
}

# pmd_end NAME: the program; a memif port whose other side has gone forgets what it counted
pmd_end() {
	local fd=${pmd_in[$1]}
	pmd_say "$1" quit
	end_pid_when_done "${pmd_pid[$1]}"
	unset "pmd_pid[$1]"
	exec {fd}>&-
}

end_pid_when_done() {
	local i
	for ((i = 0; i < 60; i++)); do
		kill -0 "$1" 2>/dev/null || return
		sleep 0.05
	done
	end_pid "$1"
}

# pmd_total NAME RX|TX packets|dropped
pmd_total() {
	awk -v k="$2-$3:" '/Accumulated forward statistics/ {on = 1} on {for (i = 1; i < NF; i++) if ($i == k) {print $(i + 1); exit}}' "$dir/$1.out"
}

pmd_cycles() {
	sed -n 's/.*CPU cycles\/packet=\([0-9.]*\).*/\1/p' "$dir/$1.out" | tail -1
}

# pmd_mirror MODE SECONDS: one testpmd makes packets of 4,096 flows, another sends them back. Sets mirror_packets,
# mirror_cycles (of a packet, by testpmd's own record of its core, empty polls excluded) and mirror_lost.
pmd_mirror() {
	local sent
	pmd_start mirror "${workers##*,}" server "$dir/mirror.sock" --forward-mode="$1"
	pmd_start maker "$other_cpu" client "$dir/mirror.sock" --forward-mode=flowgen --flowgen-flows=4096
	pmd_link maker
	pmd_say mirror start
	pmd_say maker start
	sleep "$2"
	pmd_stop maker
	sleep 0.2
	pmd_stop mirror
	pmd_end maker
	pmd_end mirror
	sent=$(pmd_total maker TX packets)
	mirror_packets=$(pmd_total mirror TX packets)
	mirror_lost=$(pmd_total mirror TX dropped)
	mirror_cycles=$(pmd_cycles mirror)
	[ "$(pmd_total mirror RX packets)" = "$sent" ] || fail "the mirror got $(pmd_total mirror RX packets) of $sent packets"
	[ "$sent" -gt 1000 ] || fail "flowgen sent $sent packets"
}
