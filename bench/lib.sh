# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034 # its users read the settings
#
# What the cases of bench/run share: Weir between two memif ports, the generator (bench/load) as clients and
# servers on another CPU, counters, medians, tables, the result file. bench/run sources it, then a case.
#
# Settings a case may change before weir_start: documents, namespace, workers, weir_limits, edge_addresses, huge.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
# shellcheck source=bench/testpmd.sh
. "$here/testpmd.sh"

# ---- options of bench/run, with their defaults --------------------------------------------------

seconds=5 repeats=3 connections=128 builds=$root/build-release idle_sleep=200us profile=0 save=1

# ---- what a case may set --------------------------------------------------------------------------

documents=("$root/docs/examples/canary-90-10.yaml") # applied at start
namespace=sample-app
workers=$(($(nproc) - 1))    # CPUs of Weir's workers, with commas
other_cpu=0                  # CPU of the generator and all else
weir_limits=''               # inside limits: {...}
weir_memory=''               # inside memory: {...}, after a comma
weir_times=''                # inside times: {...}, after a comma
edge_addresses=10.77.0.1/24  # with commas
edge_gateway=''              # for clients of other networks; any address of the edge's will do
weir_splice=''               # splice.min_body
huge=false                   # true: 2 MiB pages, when 400 are free
during=''                    # function that runs while load_measure samples, for about $seconds
anchor=1                     # 1: rounds() begin with what a mirror costs on this machine now
rows=()                      # by row(), for rounds()
settings=()                  # lines of the result file, by setting()

tsc_mhz=$(awk '/^bogomips/ {printf "%.0f", $3 / 2; exit}' /proc/cpuinfo)
canary_host=httpbin.sample-app.svc.cluster.local

# ---- a case's life --------------------------------------------------------------------------------

fail() {
	echo "bench/run $case_name: $*" >&2
	exit 1
}

setting() {
	settings+=("$*")
}

# A program of ours ends by its id: asked first, then for good.
end_pid() {
	local i pid=$1
	[ -n "$pid" ] || return 0
	kill "$pid" 2>/dev/null
	for ((i = 0; i < 100; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return 0
}

case_clean() {
	local status=$?
	trap '' INT TERM HUP
	pmd_clean
	end_pid "$load_pid"
	end_pid "$weir_pid"
	if [ "$status" != 0 ] && [ -s "$dir/weir.log" ]; then
		echo "the last lines of Weir's log:" >&2
		tail -5 "$dir/weir.log" >&2
	fi
	rm -rf "$dir"
	exit "$status"
}

# case_run NAME: in a subshell
case_run() {
	case_name=$1 weir_pid='' load_pid='' profiled=0 now_build=${builds%%,*}
	dir=$(mktemp -d /tmp/weir-bench.XXXXXX)
	trap case_clean EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	: >"$dir/raw"
	echo "$case_name: $(case_help "$case_name")"
	# shellcheck source=/dev/null
	. "$here/cases/$case_name"
	[ -s "$dir/raw" ] || fail "nothing was measured"
	echo
	table
	[ "$save" = 0 ] || result_file_write
	[ ! -f "$dir/perf.data" ] || [ "$save" = 1 ] || profile_tell
	exit 0
}

case_help() {
	sed -n '/^#!/d; /^# shellcheck/d; /^# SPDX/d; s/^# //p; /^#/!q' "$here/cases/$1" | head -1
}

# Only in the background: becomes the program, in a session of its own that goes before what else runs here.
first() {
	exec setsid sh -c 'echo -15 2>/dev/null >/proc/self/autogroup; exec "$@"' sh "$@"
}

# one_round REPEAT ROW FUNCTION [ARGUMENT...]: once for each build
one_round() {
	local b
	now_repeat=$1
	for b in ${builds//,/ }; do
		now_build=$b now_row=$2
		[ "$b" = "$builds" ] || now_row="$2 ${b##*/}"
		"${@:3}"
	done
}

profile_once() {
	[ "$profile" = 1 ] && [ "$profiled" = 0 ] || return 0
	profiled=1
	one_round profile "$@"
}

# repeat ROW FUNCTION [ARGUMENT...]: all repeats, at once; FUNCTION records its figures
repeat() {
	local i
	for ((i = 1; i <= repeats; i++)); do
		one_round "$i" "$@"
	done
	profile_once "$@"
}

# row ROW FUNCTION [ARGUMENT...]: to be measured by rounds
row() {
	rows+=("$(printf '%q ' "$@")")
}

# testpmd that only swaps MAC addresses between the same rings, for a second: the machine's speed at this moment.
anchor_row() {
	[ "$anchor" = 1 ] && command -v dpdk-testpmd >/dev/null || return 0
	now_row='(anchor: testpmd macswap)' now_repeat=$1
	pmd_mirror macswap 1
	record "anchor_cycles/packet=$mirror_cycles"
}

# All rows once, and again for each repeat, so that what changes on the machine meets all of them.
rounds() {
	local i r words
	for ((i = 1; i <= repeats; i++)); do
		anchor_row "$i"
		for r in "${rows[@]}"; do
			eval "words=($r)"
			one_round "$i" "${words[@]}"
		done
	done
	eval "words=(${rows[0]})"
	profile_once "${words[@]}"
	rows=()
}

# record NAME=VALUE...: figures of one repeat of the row at hand
record() {
	local f
	[ "$now_repeat" = profile ] && return
	printf '%s\t%s' "$now_row" "$now_repeat" >>"$dir/raw"
	for f in "$@"; do
		printf '\t%s' "$f" >>"$dir/raw"
	done
	echo >>"$dir/raw"
	printf '  %-22s %2s  %s\n' "$now_row" "$now_repeat" "$*"
}

# ---- Weir -------------------------------------------------------------------------------------------

ctl() {
	"$now_build/ctrl/cli/weirctl" -s "$dir/control.sock" "$@"
}

weir_yaml() {
	cat <<-YAML
		ports:
		- name: edge
		  device: net_memif0,role=server,id=0,socket=$dir/edge.sock,socket-abstract=no,rsize=11
		  addresses: [$edge_addresses]${edge_gateway:+
		  gateway: $edge_gateway}
		- name: back
		  device: net_memif1,role=server,id=0,socket=$dir/back.sock,socket-abstract=no,rsize=11
		  addresses: [10.77.1.1/24]
		workers: [$workers]
		state: {directory: $dir/state}
		control: {socket: $dir/control.sock, message_limit: 256Mi}
		metrics: {address: ""}
		memory: {hugepages: $huge, file_prefix: ${dir##*/}${weir_memory:+, $weir_memory}}
		limits: {$weir_limits}${weir_splice:+
		splice: {min_body: $weir_splice\}}
		times: {drain: 0s, idle_sleep: $idle_sleep${weir_times:+, $weir_times}}
	YAML
}

weir_start() {
	local i
	rm -rf "$dir/state" "$dir"/*.sock
	weir_yaml >"$dir/weir.yaml"
	first "$now_build/ctrl/weir" -c "$dir/weir.yaml" >"$dir/weir.log" 2>&1 </dev/null &
	weir_pid=$!
	for ((i = 0; i < 400; i++)); do
		kill -0 "$weir_pid" 2>/dev/null || fail "weir does not start"
		ctl status >/dev/null 2>&1 && break
		sleep 0.05
	done
	[ ${#documents[@]} = 0 ] || weir_apply "${documents[@]}"
}

# weir_apply FILE...: waits until every worker goes by them
weir_apply() {
	local f args=()
	for f in "$@"; do
		args+=(-f "$f")
	done
	ctl apply -t 5m -n "$namespace" --wait "${args[@]}" >"$dir/apply.out" 2>&1 || fail "apply is refused: $(tail -5 "$dir/apply.out")"
}

weir_stop() {
	end_pid "$weir_pid"
	weir_pid=''
}

# counters FILE: every counter of Weir, "NAME value" a line; counter FILE NAME reads one, delta A B NAME the growth
counters() {
	ctl counters -A -o json | jq -r '.counters[] | "\(.name) \(.sum)"' >"$dir/$1"
}

counter() {
	awk -v k="$2" '$1 == k {v = $2} END {print v + 0}' "$dir/$1"
}

delta() {
	awk -v k="$3" '$1 == k {v[FILENAME] = $2} END {print v[ARGV[2]] - v[ARGV[1]]}' "$dir/$1" "$dir/$2"
}

# calc EXPRESSION [FORMAT]: floating point
calc() {
	awk "BEGIN {printf \"${2:-%.3f}\", $1}"
}

# ---- the generator ------------------------------------------------------------------------------------

# load_start ARGUMENT...: in the background; its report goes to $dir/load.out
load_start() {
	: >"$dir/load.out"
	first taskset -c "$other_cpu" "$now_build/bench/load/load" --edge "$dir/edge.sock" --back "$dir/back.sock" \
		"$@" >"$dir/load.out" 2>&1 </dev/null &
	load_pid=$!
}

# load_steady [SECONDS]: until it says so
# shellcheck disable=SC2120 # cases give the argument
load_steady() {
	local i
	for ((i = 0; i < ${1:-20} * 20; i++)); do
		grep -q '^steady' "$dir/load.out" && return
		kill -0 "$load_pid" 2>/dev/null || break
		sleep 0.05
	done
	fail "the generator does not get going: $(tail -20 "$dir/load.out")"
}

# until it ends; a wrong or missing response fails the run
load_end() {
	wait "$load_pid" || {
		load_pid=''
		tail -30 "$dir/load.out" >&2
		fail "responses are wrong or missing"
	}
	load_pid=''
}

load_value() {
	awk -v k="$1" '$1 == k {print $2; exit}' "$dir/load.out"
}

# Between two looks at the counters: nothing, or what the case does meanwhile, which takes about $seconds.
sample() {
	[ -z "$during" ] || {
		"$during"
		return
	}
	[ "$now_repeat" = profile ] || {
		sleep "$((seconds - 1)).5"
		return
	}
	perf record -q -F 5000 -e cpu-clock -C "${workers##*,}" -o "$dir/perf.data" -- sleep "$seconds" >/dev/null 2>&1
}

# load_on_weir ARGUMENT...: the generator on the Weir that runs, which ends with it; counters "before" and "after"
load_on_weir() {
	local more=$((seconds + 1))
	[ "$now_repeat" = profile ] && more=$((seconds + 10)) # perf takes its time to begin
	load_start --connections "$connections" --seconds "$more" "$@"
	load_steady 120
	sleep 0.3
	counters before
	sample
	counters after
	load_end
	weir_stop
}

# What most cases do: the same on a new Weir.
load_measure() {
	weir_start
	load_on_weir "$@"
}

# Figures of load_measure for the tables: NAME=VALUE words
request_figures() {
	local n busy rps turns
	n=$(delta before after HTTP_REQUESTS)
	[ "$n" -gt 0 ] || n=1
	busy=$(calc "$(delta before after BUSY_CYCLES) / $n" %.0f)
	rps=$(load_value requests/s)
	turns=$(calc "($(delta before after LOOPS) - $(delta before after IDLE_LOOPS)) / $n" %.3f)
	echo "requests/s=$rps busy_cycles/request=$busy" \
		"of_it_in_the_driver=$(calc "$(delta before after DRIVER_CYCLES) / $n" %.0f)" \
		"packets/request=$(calc "($(delta before after RX_PKTS) + $(delta before after TX_PKTS)) / $n" %.2f)" \
		"worker_busy_%=$(calc "100 * $busy * $rps / $tsc_mhz / 1e6" %.0f)" \
		"busy_turns/request=$turns p50_us=$(load_value p50_us) p99_us=$(load_value p99_us)" \
		"p99.9_us=$(load_value p99.9_us) generator_idle_%=$(load_value idle_turns_percent)"
}

# ---- telling --------------------------------------------------------------------------------------------

# Medians: a line for each row, a column for each figure, both in the order in which they came.
table() {
	awk -F '\t' '
		function median(r, c,  i, j, n, x, v) {
			for (i = 1; i <= count[r]; i++) if ((r, c, i) in value) v[++n] = value[r, c, i]
			if (!n) return "-"
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { x = v[j]; v[j] = v[j - 1]; v[j - 1] = x }
			return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
		}
		{
			if (!($1 in count)) row[++rows] = $1
			count[$1]++
			for (i = 3; i <= NF; i++) {
				at = index($i, "="); name = substr($i, 1, at - 1)
				if (!(name in known)) { known[name] = 1; column[++columns] = name }
				value[$1, name, count[$1]] = substr($i, at + 1)
			}
		}
		END {
			line = "| |"; rule = "|---|"
			for (c = 1; c <= columns; c++) { name = column[c]; gsub("_", " ", name); line = line " " name " |"; rule = rule "--:|" }
			print line; print rule
			for (r = 1; r <= rows; r++) {
				line = "| " row[r] " |"
				for (c = 1; c <= columns; c++) line = line " " median(row[r], column[c]) " |"
				print line
			}
		}' "$dir/raw"
}

machine() {
	lscpu | awk -F: '/^Model name|^CPU\(s\)|^Hypervisor vendor|^L[23] cache/ { gsub(/^ +/, "", $2); printf "%s%s %s", sep, $1, $2; sep = "; " }'
	echo "; $(awk '/MemTotal/ {printf "%.0f GiB memory", $2 / 1048576}' /proc/meminfo); Linux $(uname -r)"
}

profile_tell() {
	perf report -i "$dir/perf.data" --comm rte-worker-1 --stdio --sort dso,symbol 2>/dev/null |
		awk '/%/ && $4 !~ /^0x/ && $1 + 0 >= 0.5 {printf "%7s  %-26s %s\n", $1, $2, $4}' | head -60
	echo
	perf report -i "$dir/perf.data" --comm rte-worker-1 --stdio --sort dso 2>/dev/null | awk '/%/ {printf "%7s  %s, all of it\n", $1, $2}'
}

build_options() {
	meson introspect "${builds##*,}" --buildoptions |
		jq -r '[.[] | select(.name == "buildtype" or .name == "b_lto") | "\(.name)=\(.value)"] | join(" ")'
}

result_file() {
	local s
	cat <<-TEXT
		# $case_name, $(date -u +%F)

		$(case_help "$case_name") Written by \`bench/run $case_name\`; bench/README.md says how to read it.

		- commit $(git -C "$root" rev-parse --short=12 HEAD)$(git -C "$root" diff --quiet HEAD -- . 2>/dev/null || echo ' with changes'), build $(build_options), DPDK $(pkg-config --modversion libdpdk)
		- machine: $(machine); time stamp counter $tsc_mhz MHz
		- Weir's workers on CPU $workers, the generator and all else on CPU $other_cpu; hugepages $huge; idle_sleep $idle_sleep; load average at the end $(cut -d' ' -f1-3 /proc/loadavg)
		- $seconds s, $repeats repeats; the table shows medians
	TEXT
	for s in "${settings[@]}"; do
		echo "- $s"
	done
	echo
	table
	[ ! -f "$dir/more.md" ] || cat "$dir/more.md"
	printf '\n## All repeats\n\n```\n'
	column -t -s "$(printf '\t')" "$dir/raw"
	printf '```\n'
	if [ -f "$dir/perf.data" ]; then
		printf '\n## Where the worker was (samples of its CPU, polling included)\n\n```\n'
		profile_tell
		printf '```\n'
	fi
}

result_file_write() {
	local result
	result=$root/bench/results/$(date -u +%F)-$case_name.md
	result_file >"$result"
	echo "written: ${result#"$root"/}"
}
