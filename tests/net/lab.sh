# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034 # its users read some variables
#
# The lab: network namespaces, veth pairs, real nginx servers and a Weir between them. A library for
# ./demo and for the scenarios in this folder; needs root and bash.
#
#   namespace client           namespace weir                 namespace switch     namespaces v1, v2, ...
#   +-------------+       +-----------------------+          +--------------+       +--------------+
#   | curl, wrk   | veth  | DPDK port   DPDK port | veth     |    bridge    | veth  | nginx        |
#   | eth0 -------|-------|-- edge        back ---|----------|-- up      N -|-------|- eth0        |
#   +-------------+       +-----------------------+          +--------------+       +--------------+
#   10.77.0.2/24           10.77.0.1/24  10.77.1.1/24                                10.77.1.11, .12, ...
#   fd77::2/64             fd77::1/64    fd77:1::1/64                                fd77:1::11, ::12, ...
#
# The worker runs on the last CPU, everything else on the others. Interfaces have these plain names
# because each lives in a namespace of its own; the namespaces carry this process's number. Whatever
# happens, lab_down ends the programs that were started here (by their process numbers) and removes the
# namespaces.
#
#   lab_up v1 v2              namespaces, links, and a server in each namespace named
#   lab_weir [--workers N] [--driver D] [--extra YAML]      start Weir and wait until it answers
#   apply FILE|-              give it documents          ctl ...    any weirctl command
#   get PATH [curl options]   a request from the client  in_ns NS COMMAND...
#   want WHAT GOT EXPECTED    assertion                  fail WHAT  end with a message
#   lab_account               every received packet is in one counter
#
# LAB_BAD_EDGE and LAB_BAD_BACK, when set before lab_up, make the wire of that port a bad one: "LOSS
# DUPLICATE REORDER [VLAN]", the first three in 1/10,000 of the frames.

LAB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_BUILD=${LAB_BUILD:-$LAB_ROOT/build}
LAB_DRIVER=${LAB_DRIVER:-af_packet}
LAB_HUGE=${LAB_HUGE:-false}
LAB_HOST=httpbin.sample-app.svc.cluster.local
LAB_VIP=10.77.0.1
LAB_VIP6=fd77::1

lab_name=weir$$
lab_dir=
lab_pids=()
lab_spaces=()
weir_pid=

# ---- programs and namespaces ------------------------------------------------------------------

lab_cpus() {
	local n
	n=$(nproc)
	lab_worker_cpu=$((n - 1))
	lab_other_cpus=0
	if [ "$n" -gt 1 ]; then
		lab_other_cpus=0-$((n - 2))
	fi
}

# Run a command in a namespace. Only the network is another one: /sys stays as it is.
in_ns() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$lab_name-$ns" taskset -c "$lab_other_cpus" "$@"
}

in_client() {
	in_ns client "$@"
}

# Start a program in a namespace, in a session of its own so that Ctrl-C reaches only us, who then end
# it in order. Its number is in $! and in lab_pids.
lab_spawn() {
	local ns=$1 log=$2
	shift 2
	setsid nsenter --net="/run/netns/$lab_name-$ns" "$@" >>"$log" 2>&1 </dev/null &
	lab_pids+=($!)
	disown $!
}

lab_space() {
	local ns=$1
	ip netns add "$lab_name-$ns"
	lab_spaces+=("$ns")
	ip -n "$lab_name-$ns" link set lo up
}

# lab_link NS1 IF1 NS2 IF2: whole packets with right checksums, as on a wire.
lab_link() {
	ip -n "$lab_name-$1" link add "$2" type veth peer name "$4" netns "$lab_name-$3"
	local ns ifname
	for ns in "$1 $2" "$3 $4"; do
		read -r ns ifname <<<"$ns"
		nsenter --net="/run/netns/$lab_name-$ns" \
			ethtool -K "$ifname" tx off tso off gso off gro off >/dev/null
		ip -n "$lab_name-$ns" link set dev "$ifname" up
	done
}

# lab_wire NS1 IF1 NS2 IF2 [LOSS DUPLICATE REORDER [VLAN]]: a link, or with rates (in 1/10,000) a bad one,
# which goes through a namespace of its own. VLAN: the tag that frames carry on the second half.
lab_wire() {
	local middle=bad-$2
	if [ $# = 4 ]; then
		lab_link "$@"
		return
	fi
	lab_space "$middle"
	lab_sysctl "$middle" net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	lab_link "$1" "$2" "$middle" near
	lab_link "$middle" far "$3" "$4"
	lab_spawn "$middle" "$lab_dir/lossy.log" taskset -c "$lab_other_cpus" \
		"$(lab_program tests/lossy)" near far "$5" "$6" "$7" 1 ${8:+"$8"}
}

lab_address() {
	local ns=$1 a
	shift
	for a in "$@"; do
		case $a in
		*:*) ip -n "$lab_name-$ns" addr add "$a" dev eth0 nodad ;;
		*) ip -n "$lab_name-$ns" addr add "$a" dev eth0 ;;
		esac
	done
}

lab_sysctl() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$lab_name-$ns" sysctl -qw "$@"
}

# lab_up SERVER...
lab_up() {
	local server
	[ "$(id -u)" = 0 ] || fail "the lab needs root"
	lab_cpus
	lab_dir=$(mktemp -d "/tmp/weir-lab.$$.XXXXXX")
	trap lab_down EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	ulimit -n 200000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
	for server in client weir switch; do
		lab_space "$server"
	done
	lab_sysctl weir net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	lab_sysctl switch net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	lab_sysctl client net.ipv6.conf.default.accept_ra=0 net.ipv4.tcp_tw_reuse=1 \
		net.ipv4.ip_local_port_range="1024 65535"
	# shellcheck disable=SC2086
	lab_wire client eth0 weir edge ${LAB_BAD_EDGE:-}
	lab_address client 10.77.0.2/24 fd77::2/64
	ip -n "$lab_name-switch" link add br0 type bridge forward_delay 0
	ip -n "$lab_name-switch" link set dev br0 up
	# shellcheck disable=SC2086
	lab_wire weir back switch up ${LAB_BAD_BACK:-}
	ip -n "$lab_name-switch" link set dev up master br0
	for server in "$@"; do
		lab_server "$server"
	done
}

# End everything that was started, in order: Weir, then the rest; then the namespaces.
lab_clean() {
	local pid ns
	for pid in $weir_pid "${lab_pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	for pid in $weir_pid "${lab_pids[@]}"; do
		lab_wait_gone "$pid" 50 || kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	for ns in "${lab_spaces[@]}"; do
		ip netns pids "$lab_name-$ns" | xargs -r kill -KILL 2>/dev/null
		ip netns del "$lab_name-$ns"
	done
	lab_pids=() lab_spaces=() weir_pid=
	if [ -n "${LAB_KEEP_FILES:-}" ]; then
		echo "files: $lab_dir"
	else
		rm -rf "$lab_dir"
	fi
}

# What was there when a scenario failed: all that one would ask for next.
lab_autopsy() {
	local ns
	if [ -n "$weir_pid" ] && kill -0 "$weir_pid" 2>/dev/null; then
		echo "--- counters and ends:"
		ctl -t 2 counters 2>&1 | awk '{ print $1, $3 }' | paste -sd' '
		ctl -t 2 drops 2>&1 | awk '{ print $1, $3 }' | paste -sd' '
	fi
	for ns in "${lab_spaces[@]}"; do
		echo "--- connections of $ns:"
		in_ns "$ns" ss -Htino 2>/dev/null | head -8
	done
	echo "--- the end of weir's log:"
	tail -20 "$lab_dir/weir.log"
}

# The end of a scenario, however it comes.
lab_down() {
	local status=$?
	set +e
	trap - EXIT ERR
	trap '' INT TERM HUP
	if [ "$status" != 0 ] && [ -s "$lab_dir/weir.log" ] && [ -z "${LAB_QUIET:-}" ]; then
		lab_autopsy >&2
	fi
	lab_clean
	exit "$status"
}

# lab_wait_gone PID TENTHS
lab_wait_gone() {
	local i
	for ((i = 0; i < $2; i++)); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

# ---- servers ----------------------------------------------------------------------------------

# The address of a server by its number: v1 is 10.77.1.11 and fd77:1::11.
lab_server_address() {
	echo "10.77.1.$((10 + ${1//[!0-9]/}))"
}

lab_nginx_conf() {
	local server=$1 dir=$lab_dir/$1 module=/usr/lib/nginx/modules/ngx_http_echo_module.so
	cat <<-CONF
		load_module $module;
		daemon off;
		worker_processes 1;
		worker_rlimit_nofile 65536;
		pid $dir/pid;
		error_log $dir/error.log warn;
		events { worker_connections 32768; }
		http {
			log_format short '\$request_method \$request_uri \$status \$connection_requests';
			access_log $dir/access.log short;
			client_body_temp_path $dir/body;
			client_max_body_size 0;
			client_body_buffer_size 256k;
			proxy_temp_path $dir/t1; fastcgi_temp_path $dir/t2; uwsgi_temp_path $dir/t3; scgi_temp_path $dir/t4;
			keepalive_requests 10000000;
			keepalive_timeout 300s;
			default_type text/plain;
			server {
				listen 8080 backlog=8192;
				listen [::]:8080 backlog=8192;
				add_header x-version $server always;
				root $dir/files;
				location / { return 200 "$server\n"; }
				location /fast { access_log off; return 200 "$server\n"; }
				location /echo { echo -n \$echo_client_request_headers; }
				location /slow { echo_sleep 3; echo $server; }
				location /file/ { alias $dir/files/; }
				location /put/ { alias $dir/files/; dav_methods PUT; access_log off; }
				location /mirror { echo_read_request_body; echo_request_body; }
				location = /204 { return 204; }
				location = /500 { return 500; }
			}
		}
	CONF
}

lab_server() {
	local server=$1 address
	address=$(lab_server_address "$server")
	mkdir -p "$lab_dir/$server/files"
	chmod 755 "$lab_dir" "$lab_dir/$server"
	chmod 777 "$lab_dir/$server/files"
	lab_space "$server"
	lab_sysctl "$server" net.ipv6.conf.default.accept_ra=0 net.core.somaxconn=8192
	lab_link "$server" eth0 switch "$server"
	ip -n "$lab_name-switch" link set dev "$server" master br0
	lab_address "$server" "$address/24" "fd77:1::${address##*.}/64"
	ip -n "$lab_name-$server" route add 10.77.0.0/24 via 10.77.1.1
	lab_server_start "$server"
}

lab_server_start() {
	local server=$1
	lab_nginx_conf "$server" >"$lab_dir/$server/nginx.conf"
	lab_spawn "$server" "$lab_dir/$server/log" taskset -c "$lab_other_cpus" \
		nginx -p "$lab_dir/$server" -c "$lab_dir/$server/nginx.conf" -e "$lab_dir/$server/error.log"
	echo $! >"$lab_dir/$server/started"
	lab_until "nginx $server" 50 in_ns "$server" curl -sf -o /dev/null http://127.0.0.1:8080/fast
}

# End a server at once, as a crash does.
lab_server_kill() {
	local pids
	pids=$(ip netns pids "$lab_name-$1")
	# shellcheck disable=SC2086
	kill -KILL $pids
	lab_wait_gone "$(cat "$lab_dir/$1/started")" 50 || fail "nginx $1 does not end"
}

# Requests that the server logged, whose line matches a pattern.
lab_served() {
	grep -c -- "${2:-.}" "$lab_dir/$1/access.log" || true
}

# ---- Weir -------------------------------------------------------------------------------------

lab_program() {
	local p
	for p in "$LAB_BUILD/ctrl/$1" "$LAB_BUILD/ctrl/cli/$1" "$LAB_BUILD/$1"; do
		[ -x "$p" ] && echo "$p" && return
	done
	fail "$1 is not built in $LAB_BUILD (meson setup build && ninja -C build)"
}

# How the DPDK port number I gets at interface IF.
lab_device() {
	case $LAB_DRIVER in
	af_packet) echo "net_af_packet$1,iface=$2,blocksz=4096,framesz=2048,framecnt=4096,qdisc_bypass=1" ;;
	af_xdp) echo "net_af_xdp$1,iface=$2" ;;
	*) fail "no driver $LAB_DRIVER" ;;
	esac
}

lab_weir_yaml() {
	local workers=$1 extra=$2 list i
	list=$lab_worker_cpu
	for ((i = 1; i < workers; i++)); do
		list="$list, $lab_worker_cpu"
	done
	cat <<-YAML
		ports:
		- name: edge
		  device: $(lab_device 0 edge)
		  addresses: [10.77.0.1/24, "fd77::1/64"]
		- name: back
		  device: $(lab_device 1 back)
		  addresses: [10.77.1.1/24, "fd77:1::1/64"]
		workers: [$list]
		state:
		  directory: $lab_dir/state
		control:
		  socket: $lab_dir/control.sock
		metrics:
		  address: 127.0.0.1:9180
		memory:
		  hugepages: $LAB_HUGE
		  file_prefix: $lab_name
		$extra
	YAML
}

# lab_weir [--workers N] [--driver D] [--extra YAML]
lab_weir() {
	local workers=1 extra=
	while [ $# -gt 0 ]; do
		case $1 in
		--workers) workers=$2 ;;
		--driver) LAB_DRIVER=$2 ;;
		--extra) extra=$2 ;;
		*) fail "lab_weir: $1?" ;;
		esac
		shift 2
	done
	lab_weir_yaml "$workers" "$extra" >"$lab_dir/weir.yaml"
	lab_weir_start || fail "weir does not start"
}

# Start it with the present weir.yaml; false when it ends or does not answer.
lab_weir_start() {
	local program i
	program=$(lab_program weir)
	setsid nsenter --net="/run/netns/$lab_name-weir" "$program" -c "$lab_dir/weir.yaml" \
		>>"$lab_dir/weir.log" 2>&1 </dev/null &
	weir_pid=$!
	for ((i = 0; i < 300; i++)); do
		kill -0 "$weir_pid" 2>/dev/null || return 1
		ctl status >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}

# lab_weir_stop [SIGNAL]: end it and set weir_status to its exit status.
lab_weir_stop() {
	kill "-${1:-TERM}" "$weir_pid"
	weir_status=0
	wait "$weir_pid" 2>/dev/null || weir_status=$?
	weir_pid=
}

ctl() {
	"$(lab_program weirctl)" -s "$lab_dir/control.sock" "$@"
}

# apply FILE|- [options]; documents without a namespace go to sample-app
apply() {
	ctl apply -n sample-app --wait -f "$@" >"$lab_dir/apply.out" 2>&1 ||
		fail "apply is refused: $(cat "$lab_dir/apply.out")"
}

# Documents for the service httpbin with a subset for each server named.
lab_service() {
	local server
	cat <<-YAML
		apiVersion: networking.istio.io/v1
		kind: ServiceEntry
		metadata: {name: httpbin}
		spec:
		  hosts: [$LAB_HOST]
		  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
		  resolution: STATIC
		  workloadSelector: {labels: {app: httpbin}}
		---
		apiVersion: networking.istio.io/v1
		kind: DestinationRule
		metadata: {name: httpbin}
		spec:
		  host: $LAB_HOST
		  trafficPolicy: {loadBalancer: {simple: RANDOM}}
		  subsets:
		$(for server in "$@"; do echo "  - {name: $server, labels: {version: $server}}"; done)
	YAML
	for server in "$@"; do
		cat <<-YAML
			---
			apiVersion: networking.istio.io/v1
			kind: WorkloadEntry
			metadata: {name: httpbin-$server}
			spec:
			  address: $(lab_server_address "$server")
			  labels: {app: httpbin, version: $server}
		YAML
	done
}

# lab_routes: a VirtualService for httpbin whose spec.http is read from standard input.
lab_routes() {
	cat <<-YAML
		---
		apiVersion: networking.istio.io/v1
		kind: VirtualService
		metadata: {name: httpbin}
		spec:
		  hosts: [$LAB_HOST]
		  http:
		$(sed 's/^/  /')
	YAML
}

# lab_split V1WEIGHT V2WEIGHT: routes that send everything to v1 and v2 in these shares
lab_split() {
	lab_routes <<-YAML
		- name: canary
		  route:
		  - {destination: {host: $LAB_HOST, subset: v1}, weight: $1}
		  - {destination: {host: $LAB_HOST, subset: v2}, weight: $2}
	YAML
}

# lab_to SUBSET: the route lines of one destination, to be put under a match
lab_to() {
	echo "route: [{destination: {host: $LAB_HOST, subset: $1}}]"
}

# ---- requests and assertions ------------------------------------------------------------------

# get PATH [curl options]: body on standard output
get() {
	local path=$1
	shift
	in_client curl -sS --fail-early --max-time 20 --connect-to "::$LAB_VIP:80" "$@" "http://$LAB_HOST$path"
}

# status PATH [curl options]: status code on standard output
status() {
	get "$@" -o /dev/null -w '%{http_code}'
}

# A header field of the response. header NAME PATH [curl options]
header() {
	local name=$1
	shift
	get "$@" -o /dev/null -D - | tr -d '\r' | sed -n "s/^$name: //Ip" | head -1
}

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# want WHAT GOT EXPECTED
want() {
	[ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"
}

# want_near WHAT GOT EXPECTED TOLERANCE
want_near() {
	local off=$(($2 - $3))
	[ "${off#-}" -le "$4" ] || fail "$1: got $2, expected $3 within $4"
}

# lab_until WHAT TENTHS COMMAND...: repeat until it succeeds
lab_until() {
	local what=$1 i tenths=$2
	shift 2
	for ((i = 0; i < tenths; i++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "$what: not within $((tenths / 10)) s"
}

# counter NAME: sum over the workers
counter() {
	ctl counters -A -o json | jq --arg n "$1" '.counters[] | select(.name == $n).sum'
}

# lab_ends NAME: packets that ended there, all workers together
lab_ends() {
	ctl drops -A -o json | jq --arg n "$1" '.ends[] | select(.name == $n).sum'
}

# picks DESTINATION-SUBSET: requests that the split of route canary sent to a subset since it began
picks() {
	ctl stats -o json | jq --arg s "$1" '[.routes[].destinations[]? | select(.subset == $s).requests] | add // 0'
}

lab_accounted() {
	ctl drops -A -o json | jq -e '.received == .ended and .received > 0'
}

# Every packet that was received is in exactly one counter. Some may be in flight: ask again.
lab_account() {
	[ -n "$weir_pid" ] || return 0
	lab_until "received = sum of ends ($(ctl drops -A -o json | jq -c '[.received, .ended]'))" 50 lab_accounted
}

# lab_transfers MEGABYTES: down, up, kept-alive requests, connections; all of it has to be right
lab_transfers() {
	local sum i
	{ lab_service v1; echo "- $(lab_to v1)" | lab_routes; } | apply -
	head -c "${1}000000" /dev/urandom >"$lab_dir/v1/files/big"
	chmod 644 "$lab_dir/v1/files/big"
	sum=$(sha256sum <"$lab_dir/v1/files/big")
	want "down" "$(get /file/big --max-time 60 | sha256sum)" "$sum"
	want "up, status" "$(status /put/up --max-time 60 -T "$lab_dir/v1/files/big")" 201
	want "up" "$(sha256sum <"$lab_dir/v1/files/up")" "$sum"
	want "requests" "$(get '/?[1-200]' --max-time 60 | grep -c '^v1$')" 200
	for ((i = 0; i < 50; i++)); do
		want "connection $i" "$(get /)" v1
	done
}
