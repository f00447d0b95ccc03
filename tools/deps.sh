# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034 # its users read the lists
#
# The Debian 12 packages that Weir wants, and how ./demo and ./check install those that are missing.
# This is the one list; docs/install.md shows it.

# to build weir and weirctl
deps_build="gcc libc6-dev meson ninja-build pkg-config libdpdk-dev libhyperscan-dev libpcre2-dev libyaml-dev
	libjansson-dev libjemalloc-dev libuv1-dev libmicrohttpd-dev libcmocka-dev"
# for the lab of namespaces: servers, clients, links
deps_lab="iproute2 netbase ethtool iputils-ping procps util-linux nginx-light libnginx-mod-http-echo curl jq
	wrk nghttp2-client socat python3"
# for ./check beside both
deps_check="clang clang-format-14 libclang-rt-14-dev bash-completion mandoc shellcheck dwarves valgrind lua5.4"

# for ./check vm beside all of these; Debian's kernel for the guest is unpacked, not installed (tests/vm/vm.sh)
deps_vm="qemu-system-x86 busybox-static cpio kmod"

# for bench beside the first two: whom Weir is compared with, and dpdk-testpmd
deps_bench="haproxy dpdk-dev"

# Those of the packages named that are not installed.
deps_missing() {
	local p
	for p in "$@"; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || echo "$p"
	done
}

# nginx's package starts a server on the machine's port 80 when it is installed; nobody asked for that.
deps_policy=/usr/sbin/policy-rc.d
deps_no_services() {
	[ -e "$deps_policy" ] && return
	printf '#!/bin/sh\nexit 101\n' >"$deps_policy"
	chmod 755 "$deps_policy"
	trap 'rm -f "$deps_policy"' EXIT
	trap 'exit 130' INT TERM HUP
}

# deps_install LOG PACKAGE...: in a subshell, so that its traps are its own; one line per step on
# standard output.
deps_install() (
	log=$1
	shift
	deps_no_services
	export DEBIAN_FRONTEND=noninteractive
	echo "reading the package lists"
	apt-get update >>"$log" 2>&1 || true
	echo "fetching"
	apt-get install -y --no-install-recommends --download-only "$@" >>"$log" 2>&1 || exit 1
	echo "unpacking and setting up"
	apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1
)
