# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154,SC2034
#
# Connections of layer 4, for bench/lib.sh and the cases l4 and l4-connections.

l4_endpoints=64 l4_port=5000

# Documents and settings of a Weir with room for a million flows.
l4_start() {
	local i protocol
	namespace=l4 huge=true documents=("$dir/l4.yaml")
	weir_limits='flows: 2097152, connections: 1024'
	for protocol in UDP TCP; do
		cat <<-YAML
			apiVersion: networking.istio.io/v1
			kind: Gateway
			metadata: {name: ${protocol,,}}
			spec:
			  servers:
			  - port: {number: $l4_port, name: ${protocol,,}, protocol: $protocol}
			    hosts: ["*"]
			---
		YAML
	done >"$dir/l4.yaml"
	cat >>"$dir/l4.yaml" <<-YAML
		apiVersion: networking.istio.io/v1
		kind: VirtualService
		metadata: {name: l4}
		spec:
		  hosts: [l4.example.com]
		  gateways: [udp, tcp]
		  tcp:
		  - route:
		    - destination: {host: backends}
		---
		apiVersion: networking.istio.io/v1
		kind: DestinationRule
		metadata: {name: backends}
		spec:
		  host: backends
		  trafficPolicy:
		    loadBalancer: {simple: ROUND_ROBIN}
		---
		apiVersion: networking.istio.io/v1
		kind: ServiceEntry
		metadata: {name: backends}
		spec:
		  hosts: [backends.l4.svc.cluster.local]
		  ports:
		  - {number: $l4_port, name: l4, protocol: TCP}
		  resolution: STATIC
		  endpoints:
	YAML
	for ((i = 0; i < l4_endpoints; i++)); do
		echo "  - {address: 10.77.1.$((11 + i))}"
	done >>"$dir/l4.yaml"
}

# l4_load ARGUMENT...
l4_load() {
	load_start --port "$l4_port" --endpoints "$l4_endpoints" --sources 32 --seconds "$((seconds + 1))" "$@"
	load_steady 90
}

# l4_on_weir ARGUMENT...: counters "before" and "after"; what Weir lost, or sent wrong, fails it
l4_on_weir() {
	weir_start
	l4_load "$@"
	sleep 0.2
	counters before
	sample
	counters after
	load_end
	weir_stop
}

# Busy cycles per packet are those of one received and sent on.
l4_figures() {
	local n
	n=$(delta before after RX_PKTS)
	[ "$n" -gt 0 ] || n=1
	echo "packets/s=$(load_value packets/s)" \
		"busy_cycles/packet=$(calc "$(delta before after BUSY_CYCLES) / $n" %.0f)" \
		"of_it_in_the_driver=$(calc "$(delta before after DRIVER_CYCLES) / $n" %.0f)" \
		"worker_busy_%=$(calc "100 * $(delta before after BUSY_CYCLES) / $n * $(load_value packets/s) / $tsc_mhz / 1e6" %.0f)" \
		"packets/turn=$(calc "$n / ($(delta before after LOOPS) - $(delta before after IDLE_LOOPS))" %.0f)" \
		"lost=$(load_value lost)" "generator_idle_%=$(load_value idle_turns_percent)"
}

l4_packets() {
	l4_on_weir --l4 "$1" --connections "$2" "${@:3}"
	# shellcheck disable=SC2046 # words
	record $(l4_figures)
}

l4_connections() {
	l4_on_weir --l4 connect --connections "$1"
	# shellcheck disable=SC2046 # words
	record "connections/s=$(load_value connections/s)" \
		"busy_cycles/connection=$(calc "$(delta before after BUSY_CYCLES) / ($(delta before after FLOWS_OPENED) + 1)" %.0f)" \
		"of_it_in_the_driver=$(calc "$(delta before after DRIVER_CYCLES) / ($(delta before after FLOWS_OPENED) + 1)" %.0f)" \
		"packets/s=$(load_value packets/s)" "lost=$(load_value lost)" \
		"pushed_out=$(delta before after FLOWS_PUSHED_OUT)" "ports_used_again=$(delta before after FLOW_RESTS)" \
		"generator_idle_%=$(load_value idle_turns_percent)"
}

# l4_mirror MODE FLOWS: testpmd between the two ports instead of Weir
l4_mirror() {
	local i
	rm -f "$dir"/*.sock
	pmd_devices=(--vdev "net_memif1,role=server,id=0,socket=$dir/back.sock,socket-abstract=no,rsize=11")
	pmd_start between "${workers##*,}" server "$dir/edge.sock" --port-topology=paired --forward-mode="$1"
	pmd_devices=()
	pmd_say between start
	l4_load --l4 udp --plain --connections "$2"
	sleep "$((seconds + 1))"
	for ((i = 0; i < 40; i++)); do
		grep -q '^idle_turns' "$dir/load.out" && break
		sleep 0.05
	done
	pmd_stop between
	load_end
	pmd_end between
	record "packets/s=$(load_value packets/s)" "busy_cycles/packet=$(pmd_cycles between)" "lost=$(load_value lost)" \
		"generator_idle_%=$(load_value idle_turns_percent)"
}

l4_setting() {
	setting "frames of 64 bytes (60 and the check sequence); $l4_endpoints endpoints, clients on 32 addresses, limits.flows 2,097,152; 1,024 packets on their way; every 16th that arrives was looked at: addresses, ports, both checksums, its flow's endpoint and source port"
}
