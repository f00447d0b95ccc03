#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# No two writers on one cache line: asks the object files (pahole, of package dwarves) where the members of every
# struct lie that several threads use. usage: cachelines.sh [BUILD]; exits 1 on any offence, 77 without pahole.
#
# The table below is the list of those structs, all that ARCHITECTURE.md ("Threads") names:
#
#   part   OBJECT STRUCT WRITER MEMBER...   the members that WRITER writes while workers run. Two writers' members
#                                           never share a line. A member that nobody has named is an offence, so
#                                           a new one has to be thought about. * stands for all.
#   each   OBJECT STRUCT BYTES              an element for each worker: as long as a multiple of BYTES, and aligned
#
# Writers: none (before the workers start), publish (ctrl, with a publication), ctrl, one (the worker whose it is),
# each (elements that are "each"), end (while the program ends), producer and consumer of a ring.
build=${1:-$(dirname "$0")/../build}
command -v pahole >/dev/null || { echo "pahole is not installed (package dwarves)"; exit 77; }

table() {
	cat <<-'TABLE'
		part io_dataplane publish publish current qsbr n_workers
		part io_dataplane publish ctrl tsc retired
		part io_dataplane publish each taken
		each io_dataplane taken 128
		part io_dataplane loop_shared none node publish clock spin_us draining stopping n_running
		part io_dataplane loop_shared end n_reset
		part io_dataplane snapshot none generation n_listeners n_workers listeners scratch
		part io_dataplane snapshot each inflight
		part io_dataplane snapshot ctrl owner
		each io_dataplane inflight 128
		part io_dataplane loop one *
		part core_worker worker one *
		each io_dataplane loop 128
		part io_publish rte_rcu_qsbr publish token acked_token
		part io_publish rte_rcu_qsbr none num_elems num_threads max_threads
		part io_publish rte_rcu_qsbr each qsbr_cnt
		each io_publish rte_rcu_qsbr_cnt 64
		part io_handoff rte_ring none name flags memzone size mask capacity
		part io_handoff rte_ring producer prod
		part io_handoff rte_ring consumer cons
		part io_handoff rte_ring unused pad0 pad1 pad2
		part io_pool rte_mempool_cache one *
		each io_pool rte_mempool_cache 64
	TABLE
}

object() {
	for folder in weirio weircore; do
		file=$build/dataplane/lib$folder.a.p/$1.c.o
		[ -f "$file" ] && echo "$file" && return
	done
}

# Lines "NAME OFFSET BYTES" of the members, and "= SIZE ALIGN". Members of a union count as the union does.
layout() {
	pahole -C "$2" "$(object "$1")" 2>/dev/null | awk '
		/^\tunion \{/ { nested = 1; next }
		nested && /^\t\t/ { if (!name) { name = $0; sub(/ +__attribute__.*/, "", name); sub(/;.*/, "", name)
			sub(/.*[ \t*]/, "", name); sub(/\[.*/, "", name) } next }
		nested && /^\t\}/ { sub(/.*\/\*/, ""); print name, $1, $2; nested = 0; name = ""; next }
		/^\t.*;.*\/\* *[0-9]+ +[0-9]+ \*\// {
			rest = $0; sub(/.*\/\* */, "", rest); split(rest, n, " ")
			name = $0; sub(/;.*/, "", name); sub(/ +__attribute__.*/, "", name); sub(/\[.*/, "", name)
			sub(/.*[ \t*]/, "", name); print name, n[1], n[2]; name = "" }
		/\/\* size: / { size = $3 + 0 }
		/^\}/ { align = 8; if (match($0, /__aligned__\([0-9]+/)) align = substr($0, RSTART + 12, RLENGTH - 12)
			print "=", size, align + 0 }'
}

# judge STRUCT: the parts of a struct on standard input, then its layout
judge() {
	awk -v s="$1" '
		$1 == "part" { for (i = 5; i <= NF; i++) writer[$i] = $4; next }
		$1 == "=" { next }
		{ w = $1 in writer ? writer[$1] : writer["*"]; met[$1] = 1; n++
		  if (!w) { print s ": nobody says who writes " $1; bad = 1; next }
		  if (w == "unused") next
		  for (line = int($2 / 64); line <= int(($2 + ($3 ? $3 : 1) - 1) / 64); line++) {
			if (line in owner && owner[line] != w) {
				print s ": " $1 " (" w ") is on one line with " first[line] " (" owner[line] ")"; bad = 1 }
			owner[line] = w; first[line] = $1 } }
		END { for (m in writer) if (m != "*" && !(m in met)) { print s ": has no member " m; bad = 1 }
		      if (!n) { print s ": is not in the object file"; bad = 1 }
		      exit bad }'
}

bad=0
for s in $(table | awk '$1 == "part" { print $2 ":" $3 }' | sort -u); do
	{ table | grep "^part ${s%:*} ${s#*:} "; layout "${s%:*}" "${s#*:}"; } | judge "${s#*:}" || bad=1
done
for s in $(table | awk '$1 == "each" { print $2 ":" $3 ":" $4 }'); do
	name=${s#*:} bytes=${s##*:}
	name=${name%:*}
	layout "${s%%:*}" "$name" | awk -v s="$name" -v b="$bytes" '
		$1 == "=" { seen = 1; if ($2 % b || $3 % b) { print s ": " $2 " bytes, aligned to " $3 "; neighbours meet within " b; bad = 1 } }
		END { if (!seen) print s ": is not in the object file"; exit bad || !seen }' || bad=1
done
exit $bad
