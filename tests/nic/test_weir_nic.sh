#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# weir-nic on made-up machines: folders that look like /sys and /proc, and a made-up kernel, a script that does to them
# what the kernel does when a file of sysfs is written. usage: test_weir_nic.sh [WEIR] (the program, to check what
# profile writes)
set -u
here=$(cd "$(dirname "$0")" && pwd)
nic=$here/../../drivers-cfg/weir-nic
work=$(mktemp -d /tmp/weir-test-nic.XXXXXX)
trap 'rm -rf "$work"' EXIT
[ -z "${1:-}" ] || ln -s "$(realpath "$1")" "$work/weir"
export PATH=$work:$PATH
unset SSH_CONNECTION WEIR_DRIVERS_CFG
n_tests=0 n_failed=0 case_name=

# ---- machines ---------------------------------------------------------------------------------

# put FILE TEXT, below the machine's root
put() {
	mkdir -p "$R/$(dirname "$1")"
	printf '%s\n' "$2" >"$R/$1"
}

# A machine with an IOMMU, hugepages, vfio to be loaded, and no card.
machine() {
	case_name=$1
	R=$(mktemp -d "$work/machine.XXXX")
	export WEIR_NIC_ROOT=$R
	mkdir -p "$R"/sys/{class/net,bus/pci/devices,bus/pci/drivers,kernel/iommu_groups,module} "$R/proc/self"
	touch "$R/sys/bus/pci/drivers_probe"
	put proc/cpuinfo 'flags : fpu sse4_1 sse4_2'
	put proc/sys/kernel/osrelease 6.1.0-test
	put proc/net/route 'Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT'
	put proc/net/tcp '  sl  local_address rem_address   st'
	put proc/net/ipv6_route ''
	put proc/mounts 'bpf /sys/fs/bpf bpf rw 0 0'
	put proc/self/limits 'Max locked memory         unlimited            unlimited            bytes'
	put lib/modules/6.1.0-test/modules.dep 'kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko'
	put sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 512
	put sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 512
	put sys/devices/system/cpu/present 0-7
	put sys/devices/system/cpu/online 0-7
	put sys/devices/system/cpu/isolated 2-7
	node 0 0-7 512
	local lib
	for lib in ice i40e mlx5 e1000 vmxnet3; do
		put "usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_$lib.so" ''
	done
	put lib/firmware/intel/ice/ddp/ice.pkg ''
	: >"$R/ip-addr"
	cat >"$R/kernel" <<-'KERNEL'
		#!/bin/bash
		# The made-up kernel.
		R=$WEIR_NIC_ROOT
		echo "$*" >>"$R/log"
		case $1 in
		modprobe)
			[ -e "$R/modprobe-fails" ] && exit 1
			case $* in *vfio-pci*) mkdir -p "$R/sys/bus/pci/drivers/vfio-pci" "$R/sys/module/vfio/parameters" "$R/sys/module/vfio_iommu_type1" ;; esac
			;;
		wrote)
			case $3 in
			*/driver/unbind)
				d=$R/sys/bus/pci/devices/$2
				rm -f "$d/driver" "$3"
				[ ! -d "$d/net" ] || { mv "$d/net" "$d/net-away"; for i in "$d"/net-away/*; do rm "$R/sys/class/net/${i##*/}"; done; }
				;;
			*/drivers_probe)
				d=$R/sys/bus/pci/devices/$2
				want=$(cat "$d/driver_override")
				[ -n "$want" ] || want=$(cat "$d/own-driver")
				[ -e "$R/refuses-$want" ] && exit
				ln -s "../../drivers/$want" "$d/driver"
				[ "$want" = vfio-pci ] || [ ! -d "$d/net-away" ] || { mv "$d/net-away" "$d/net"; for i in "$d"/net/*; do ln -s "../../bus/pci/devices/$2/net/${i##*/}" "$R/sys/class/net/${i##*/}"; done; }
				;;
			esac
			;;
		esac
	KERNEL
	chmod +x "$R/kernel"
}

# node N CPUS HUGEPAGES
node() {
	put "sys/devices/system/node/node$1/cpulist" "$2"
	put "sys/devices/system/node/node$1/hugepages/hugepages-2048kB/nr_hugepages" "$3"
}

# card PCI VENDOR DEVICE DRIVER IFACE [NODE]; driver and interface may be empty
card() {
	local d=sys/bus/pci/devices/$1 group
	put "$d/class" 0x020000
	put "$d/vendor" "0x$2"
	put "$d/device" "0x$3"
	put "$d/numa_node" "${6:-0}"
	put "$d/driver_override" ''
	put "$d/own-driver" "$4"
	put "$d/modalias" "pci:v0000$2"
	group=$(find "$R/sys/kernel/iommu_groups" -mindepth 1 -maxdepth 1 | wc -l)
	mkdir -p "$R/sys/kernel/iommu_groups/$group/devices"
	ln -s "../../../../bus/pci/devices/$1" "$R/sys/kernel/iommu_groups/$group/devices/$1"
	ln -s "../../../../kernel/iommu_groups/$group" "$R/$d/iommu_group"
	if [ -n "$4" ]; then
		mkdir -p "$R/sys/bus/pci/drivers/$4"
		ln -s "../../drivers/$4" "$R/$d/driver"
	fi
	if [ -n "$5" ]; then
		put "$d/net/$5/operstate" up
		ln -s "../../../$1" "$R/$d/net/$5/device"
		ln -s "../../bus/pci/devices/$1/net/$5" "$R/sys/class/net/$5"
	fi
}

address() {
	echo "2: $1    $([[ $2 == *:* ]] && echo inet6 || echo inet) $2 scope global $1" >>"$R/ip-addr"
}

default_route() {
	printf '%s\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n' "$1" >>"$R/proc/net/route"
}

# ---- assertions -------------------------------------------------------------------------------

# want CODE ARGUMENT...: run weir-nic; its output is in $out
want() {
	local code=$1 rc=0
	shift
	out=$("$nic" "$@" 2>&1) || rc=$?
	n_tests=$((n_tests + 1))
	[ "$rc" = "$code" ] || failed "weir-nic $* ends with $rc, not $code"
}

failed() {
	n_failed=$((n_failed + 1))
	printf 'FAILED: %s: %s; it said:\n%s\n' "$case_name" "$1" "$out"
}

shows() {
	grep -qE -- "$1" <<<"$out" || failed "no \"$1\""
}

hides() {
	! grep -qE -- "$1" <<<"$out" || failed "there is \"$1\""
}

driver_is() {
	local d
	d=$(basename "$(readlink "$R/sys/bus/pci/devices/$1/driver" 2>/dev/null)")
	[ "$d" = "$2" ] || failed "$1 has driver \"$d\", not \"$2\""
}

log_has() {
	grep -qE -- "$1" "$R/log" 2>/dev/null || failed "the kernel was not told \"$1\""
}

untouched() {
	[ ! -e "$R/log" ] || failed "the kernel was told: $(paste -sd ';' "$R/log")"
}

# ---- usage ------------------------------------------------------------------------------------

machine usage
want 2
shows 'usage: weir-nic COMMAND'
want 0 --help
shows 'A new machine'
for c in list check bind unbind profile facts; do
	want 0 "$c" --help
	shows "^usage: weir-nic $c"
	want 0 help "$c"
	want 2 "$c" --nonsense
	shows "does not know \"--nonsense\""
done
want 2 polish
shows 'no command "polish".*weir-nic --help'
want 2 help polish
want 2 bind
shows 'weir-nic bind 0000:01:00.0'
want 2 unbind 01:00.0 --no-iommu
want 2 profile --workers none
want 2 profile --port
want 0 facts
shows '^mlx5 +bifurcated +splice'
want 0 facts ice
shows 'DDP package'
shows 'trap:'
want 1 facts purple
shows 'no family or card "purple"'

# ---- list -------------------------------------------------------------------------------------

machine 'no card'
want 0 list
shows 'no network card'

machine 'cards of several kinds'
card 0000:01:00.0 8086 1592 ice eth1 1
card 0000:02:00.0 8086 1572 vfio-pci '' 0
card 0000:03:00.0 1234 5678 odd eth3 0
card 0000:04:00.0 15b3 101d mlx5_core eth4 1
node 1 8-15 512
address eth1 192.0.2.5/24
address eth1 fe80::1/64
default_route eth4
put sys/bus/pci/devices/0000:05:00.0/class 0x030000
mkdir -p "$R/proc/77/fd" "$R/proc/78/fd" "$R/sys/bus/pci/devices/0000:04:00.0/infiniband_verbs/uverbs0"
put proc/77/comm weir
put proc/78/comm other
ln -s /dev/vfio/1 "$R/proc/77/fd/12"
ln -s /dev/infiniband/uverbs0 "$R/proc/77/fd/13"
ln -s /dev/vfio/11 "$R/proc/78/fd/3"
ln -s /dev/null "$R/proc/78/fd/4"
want 0 list
shows '^PCI +INTERFACE +DRIVER +DPDK +LINK +NUMA +PROFILE +USE'
shows '^0000:01:00.0 +eth1 +ice +net_ice +up +1 +ice: vfio-pci, steer +192.0.2.5/24$'
shows '^0000:02:00.0 +- +vfio-pci +net_i40e +- +0 +i40e: vfio-pci, steer +weir \(pid 77\)$'
shows '^0000:03:00.0 +eth3 +odd +\? +up +0 +none +free$'
shows '^0000:04:00.0 +eth4 +mlx5_core +mlx5_pci +up +1 +mlx5: bifurcated, splice +default route weir \(pid 77\)$'
hides '0000:05:00.0'
want 0 list --no-headers
hides INTERFACE
rm -rf "$R/proc/77"
want 0 list
shows '0000:02:00.0 .*free, bound for user space'

# ---- check ------------------------------------------------------------------------------------

machine 'a good machine'
card 0000:01:00.0 8086 1592 ice eth1
mkdir -p "$R/sys/bus/pci/drivers/vfio-pci" "$R/sys/module/vfio_iommu_type1"
put sys/devices/system/cpu/cpu1/cpufreq/scaling_governor performance
want 0 check --strict
shows '0 bad, 0 slow'
want 0 check --quiet
hides '^ok'
rm -r "$R/sys/module/vfio_iommu_type1"
want 1 check
shows '^BAD .*vfio_iommu_type1, is not'

machine 'everything is wrong'
card 0000:01:00.0 8086 1592 ice eth1 1
card 0000:02:00.0 15b3 101d mlx5_core eth2 0
card 0000:03:00.0 1234 5678 odd eth3 0
card 0000:04:00.0 1d0f ec20 ena eth4 0
node 1 8-15 0
rm -r "${R:?}/sys/kernel/iommu_groups" "${R:?}/lib"
put proc/cpuinfo 'flags : fpu'
put proc/mounts ''
put proc/self/limits 'Max locked memory         8388608            8388608            bytes'
put proc/sys/kernel/numa_balancing 1
put sys/devices/system/cpu/isolated ''
put sys/devices/system/cpu/cpu1/cpufreq/scaling_governor powersave
put sys/bus/pci/devices/0000:01:00.0/current_link_speed '8.0 GT/s PCIe'
put sys/bus/pci/devices/0000:01:00.0/max_link_speed '16.0 GT/s PCIe'
put sys/bus/pci/devices/0000:01:00.0/current_link_width 8
put sys/bus/pci/devices/0000:01:00.0/max_link_width 16
want 1 check
shows '^BAD .*no SSE 4.2'
shows '^slow  NUMA node 1 has a card and no hugepages'
shows '^BAD .*the IOMMU is off'
shows 'intel_iommu=on iommu=pt'
shows 'update-grub'
shows '^BAD .*no module vfio-pci'
shows '^BAD .*ice: the firmware file /lib/firmware/intel/ice/ddp/ice.pkg is not there'
shows 'apt-get install firmware-misc-nonfree'
shows '^BAD .*mlx5: .*not loaded: mlx5_core mlx5_ib ib_uverbs'
shows '^BAD .*ena: DPDK.s driver librte_net_ena.so is not installed'
shows '0000:03:00.0 \(0x1234:0x5678\): Weir has no profile'
shows '^slow  locked memory is limited to 8388608'
shows '^slow  bpffs is not mounted'
shows '^slow .*governor powersave'
shows '^slow  no CPU is isolated'
shows 'isolcpus=2-7'
shows '^slow  NUMA balancing'
shows '0000:01:00.0 is on NUMA node 1: take workers from CPUs 8-15'
shows '^slow  0000:01:00.0: the PCIe link runs at 8.0 GT/s PCIe x8; the card can do 16.0 GT/s PCIe x16'
put sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 0
put sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 0
want 1 check
shows '^BAD .*no hugepages'
shows 'vm.nr_hugepages = 512'
put sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 512
put sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 100
want 1 check
shows '^slow  hugepages: 1024 MiB, of which only 200 MiB are free'
put proc/cpuinfo 'vendor_id : AuthenticAMD'
want 1 check
shows 'amd_iommu=on'
put proc/cpuinfo 'flags : hypervisor sse4_2'
want 1 check
shows 'no IOMMU in this virtual machine'
put sys/module/vfio/parameters/enable_unsafe_noiommu_mode Y
want 1 check
shows "^slow  no IOMMU, and vfio's unsafe mode is on"

machine 'slow is not bad'
card 0000:01:00.0 8086 1592 ice eth1
want 0 check
shows '^slow  vfio-pci is not loaded'
want 1 check --strict

machine 'nobody wants vfio'
card 0000:02:00.0 15b3 101d mlx5_core eth2
mkdir -p "$R/sys/module/mlx5_core" "$R/sys/module/mlx5_ib" "$R/sys/module/ib_uverbs"
rm -r "$R/sys/kernel/iommu_groups"
want 0 check
shows 'no card here needs them'

# ---- bind -------------------------------------------------------------------------------------

machine 'bind'
card 0000:01:00.0 8086 1592 ice eth1
address eth1 192.0.2.5/24
want 0 bind 0000:01:00.0
shows 'would load vfio-pci'
shows 'would set eth1 down'
shows 'would let only vfio-pci have it'
shows 'would take it from ice'
shows 'the kernel loses 192.0.2.5/24 on eth1; in weir.yaml: addresses: \[192.0.2.5/24\]'
shows 'Nothing was changed; --yes does it'
untouched
driver_is 0000:01:00.0 ice
want 0 bind eth1 --yes
hides 'would|Nothing'
driver_is 0000:01:00.0 vfio-pci
log_has '^modprobe -a vfio-pci vfio_iommu_type1'
log_has '^ip link set dev eth1 down'
log_has '^wrote vfio-pci .*/driver_override'
log_has '^wrote 0000:01:00.0 .*/drivers_probe'
shows 'device: "0000:01:00.0"'
want 0 bind 01:00.0 --yes
shows 'bound to vfio-pci already'
want 0 unbind 01:00.0
shows 'would take it from vfio-pci'
driver_is 0000:01:00.0 vfio-pci
want 0 unbind 01:00.0 --yes
driver_is 0000:01:00.0 ice
shows 'ice has it, as eth1'
want 0 unbind eth1 --yes
shows 'with the kernel already \(ice\)'

machine 'what is no card'
card 0000:01:00.0 8086 1592 ice eth1
put sys/bus/pci/devices/0000:05:00.0/class 0x010802
mkdir -p "$R/sys/class/net/veth0"
want 1 bind purple
shows 'neither an interface nor a PCI address'
want 1 bind 0000:09:00.0
shows 'no device 0000:09:00.0'
want 1 bind 05:00.0 --yes
shows 'not a network card \(class 0x010802\)'
want 1 bind veth0
shows 'device: net_af_xdp0,iface=veth0'
want 1 bind 01:00.0 0000:09:00.0 --yes
driver_is 0000:01:00.0 vfio-pci

machine 'default route'
card 0000:01:00.0 8086 1592 ice eth1
card 0000:02:00.0 8086 1572 i40e eth2
default_route eth1
want 1 bind eth1 --yes
shows 'eth1 \(0000:01:00.0\) carries the default route'
shows 'ip route replace default via'
untouched
driver_is 0000:01:00.0 ice
want 1 bind 01:00.0 --yes
driver_is 0000:01:00.0 ice
want 1 bind eth1
shows 'default route'
want 0 bind eth2 --yes
driver_is 0000:02:00.0 vfio-pci

machine 'default route of IPv6'
card 0000:01:00.0 8086 1592 ice eth1
put proc/net/ipv6_route '00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo'
want 1 bind eth1 --yes
shows 'carries the default route'
untouched

machine 'default route through a bond and a VLAN'
card 0000:01:00.0 8086 1592 ice eth1
mkdir -p "$R/sys/class/net/bond0" "$R/sys/class/net/bond0.7"
ln -s ../bond0 "$R/sys/bus/pci/devices/0000:01:00.0/net/eth1/upper_bond0"
ln -s ../bond0.7 "$R/sys/class/net/bond0/upper_bond0.7"
default_route bond0.7
want 1 bind eth1 --yes
shows 'default route \(through bond0.7\)'
untouched

machine 'ssh'
card 0000:01:00.0 8086 1592 ice eth1
card 0000:02:00.0 8086 1572 i40e eth2
address eth1 192.0.2.5/24
address eth2 198.51.100.7/24
want 0 bind eth1
put proc/net/tcp '  sl  local_address rem_address   st
   0: 050200C0:0016 010200C0:C350 01 0
   1: 076433C6:0016 010200C0:C350 0A 0
   2: 076433C6:01BB 010200C0:C350 01 0'
want 1 bind eth1 --yes
shows 'eth1 \(0000:01:00.0\) carries an ssh session'
shows 'ss -tn'
untouched
want 0 bind eth2
want 0 list
shows '0000:01:00.0 .* ssh 192.0.2.5/24$'
put proc/net/tcp ''
# a session of IPv4 on sshd's socket of IPv6, and one of IPv6
put proc/net/tcp6 '   0: 0000000000000000FFFF0000050200C0:0016 0000000000000000FFFF0000010200C0:C350 01 0'
want 1 bind eth1 --yes
shows 'ssh session'
put proc/net/tcp6 '   0: B80D0120000000000000000005000000:0016 B80D0120000000000000000006000000:C350 01 0'
want 0 bind eth1
address eth1 2001:db8::5/64
want 1 bind eth1 --yes
shows 'ssh session'
untouched
# sshd on another port: this session's own environment
put proc/net/tcp6 ''
want 0 bind eth2
export SSH_CONNECTION='203.0.113.1 50000 198.51.100.7 2222'
want 1 bind eth2 --yes
shows 'eth2 .*ssh session'
untouched
unset SSH_CONNECTION

machine 'no IOMMU'
card 0000:01:00.0 8086 1592 ice eth1
rm -r "$R/sys/kernel/iommu_groups" "$R/sys/bus/pci/devices/0000:01:00.0/iommu_group"
want 1 bind 01:00.0 --yes
shows 'no IOMMU for 0000:01:00.0'
shows 'intel_iommu=on'
shows -- '--no-iommu --yes'
driver_is 0000:01:00.0 ice
want 0 bind 01:00.0 --no-iommu
shows 'warning: there is no IOMMU'
shows "would switch vfio's unsafe mode on"
want 1 bind 01:00.0 --no-iommu --yes
shows 'CONFIG_VFIO_NOIOMMU'
driver_is 0000:01:00.0 ice
put sys/module/vfio/parameters/enable_unsafe_noiommu_mode N
want 0 bind 01:00.0 --no-iommu --yes
shows 'can write all memory of this host'
log_has '^wrote Y .*/enable_unsafe_noiommu_mode'
driver_is 0000:01:00.0 vfio-pci
want 0 unbind 01:00.0 --yes
put sys/module/vfio/parameters/enable_unsafe_noiommu_mode Y
want 0 bind 01:00.0 --yes
shows 'warning: there is no IOMMU'
driver_is 0000:01:00.0 vfio-pci

machine 'no module'
card 0000:01:00.0 8086 1592 ice eth1
rm -r "$R/lib/modules"
want 1 bind 01:00.0 --yes
shows 'the running kernel \(6.1.0-test\) has no module vfio-pci'
shows 'linux-image-amd64'
untouched

machine 'the module does not load'
card 0000:01:00.0 8086 1592 ice eth1
touch "$R/modprobe-fails"
want 1 bind 01:00.0 --yes
shows 'modprobe vfio-pci failed'
driver_is 0000:01:00.0 ice

machine 'vfio-pci does not take it'
card 0000:01:00.0 8086 1592 ice eth1
touch "$R/refuses-vfio-pci"
want 1 bind 01:00.0 --yes
shows 'vfio-pci did not take 0000:01:00.0'
shows 'given back to ice: now ice'
driver_is 0000:01:00.0 ice

machine 'the kernel driver is gone'
card 0000:01:00.0 8086 1592 vfio-pci ''
put sys/bus/pci/devices/0000:01:00.0/own-driver ice
touch "$R/refuses-ice"
want 1 unbind 01:00.0 --yes
shows 'no kernel driver took 0000:01:00.0; it wants one of: ice'

machine 'a shared IOMMU group'
card 0000:01:00.0 8086 1592 ice eth1
card 0000:01:00.1 8086 1592 ice eth2
rm "$R/sys/bus/pci/devices/0000:01:00.0/iommu_group"
ln -s ../../../../kernel/iommu_groups/1 "$R/sys/bus/pci/devices/0000:01:00.0/iommu_group"
mkdir -p "$R/sys/bus/pci/devices/0000:00:01.0" "$R/sys/bus/pci/drivers/pcieport"
ln -s ../../drivers/pcieport "$R/sys/bus/pci/devices/0000:00:01.0/driver"
ln -s ../../../../bus/pci/devices/0000:00:01.0 "$R/sys/kernel/iommu_groups/1/devices/0000:00:01.0"
want 1 bind 01:00.0 --yes
shows 'shares its IOMMU group with 0000:01:00.1 \(ice\)'
hides pcieport
untouched

machine 'a card that stays with the kernel'
card 0000:04:00.0 15b3 101d mlx5_core eth4
want 0 bind eth4 --yes
shows 'needs no binding: it stays with mlx5_core'
shows 'device: "0000:04:00.0"'
untouched

machine 'a card in use'
card 0000:01:00.0 8086 1592 vfio-pci ''
mkdir -p "$R/proc/77/fd"
put proc/77/comm weir
ln -s /dev/vfio/0 "$R/proc/77/fd/12"
want 1 unbind 01:00.0 --yes
shows 'in use by weir \(pid 77\)'
shows 'systemctl stop weir'
untouched

# ---- profile ----------------------------------------------------------------------------------

machine 'a profile'
card 0000:01:00.0 8086 1592 vfio-pci '' 1
card 0000:02:00.0 8086 1572 i40e eth2 0
node 0 0-3 512
node 1 4-7 512
put sys/devices/system/cpu/isolated 2-6
default_route eth2
want 0 profile
shows 'device: "0000:01:00.0"'
hides '0000:02:00.0'
shows 'rx_descs: 1024'
shows '^workers: \[4, 5, 6\]$'
shows 'NUMA node 1'
shows 'put yours here'
hides 'hugepages'
want 0 profile --workers 2 --address 198.51.100.1/24 --address 2001:db8::1/64 --gateway 198.51.100.254 -o "$work/made.yaml"
shows 'made.yaml: 1 port'
out=$(cat "$work/made.yaml")
shows 'addresses: \["198.51.100.1/24", "2001:db8::1/64"\]'
shows 'gateway: \["198.51.100.254"\]'
shows '^workers: \[4, 5\]$'
want 1 profile -o "$work/made.yaml"
shows 'exists and is left as it is'
put sys/devices/system/cpu/isolated ''
put sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 0
want 0 profile
shows '^workers: \[4, 5, 6, 7\]$'
shows 'hugepages: false'
want 1 profile --port purple
want 0 profile --port eth2 --port 01:00.0
shows 'name: edge1'
shows '0000:02:00.0 is not bound yet: weir-nic bind 0000:02:00.0 --yes'
shows '^workers: \[1, 2, 3\]$'

machine 'a profile of a card that hands packets over'
card 0000:01:00.0 15ad 07b0 vfio-pci ''
put sys/devices/system/cpu/isolated ''
want 0 profile
shows '^workers: \[1\]$'
shows '# if workers > 1:'

machine 'a profile with the addresses of the kernel'
card 0000:04:00.0 15b3 101d mlx5_core eth4
address eth4 203.0.113.9/24
want 0 profile
shows 'addresses: \["203.0.113.9/24"\]'
default_route eth4
want 1 profile
shows 'no card is free for Weir'

machine 'a profile by AF_XDP'
card 0000:01:00.0 8086 1592 ice eth1
want 0 profile
shows 'device: "net_af_xdp0,iface=|device: "0000:01:00.0"'

if [ -e "$work/weir" ]; then
	machine 'weir has the last word'
	card 0000:01:00.0 8086 1592 vfio-pci ''
	want 1 profile --address 300.1.2.3/24
	shows 'weir does not like the file'
	shows 'weir.yaml:[0-9]+:'
	want 0 profile --address 192.0.2.1/24 -o "$work/good.yaml"
	shows 'good by weir --check'
fi

if [ $n_failed -gt 0 ]; then
	echo "$n_failed of the assertions failed"
	exit 1
fi
echo "$n_tests runs of weir-nic, as they should be"
