# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154 # lab.sh sets what begins with lab_
#
# A virtual machine with Debian's cloud kernel, an emulated IOMMU and emulated network cards, whose root is a RAM disk
# made of this host's programs: nothing is installed into it and it reaches no network but the lab's. A library for
# tests/vm/run, on top of tests/net/lab.sh.
#
#   namespace client        namespace weir                                              namespace switch
#   +------------+    +--------------------------------------------------------+    +------------+
#   | curl  eth0 |----| edge = br-edge = tap-edge --+  QEMU                     |    |  v1, v2:   |
#   +------------+    |                             +-- e1000e   \              |    |  nginx     |
#                     |                                 0000:00:03.0 \          |    |            |
#                     |                                               weir      |    |            |
#                     |                             +-- vmxnet3      /          |    |            |
#                     | back = br-back = tap-back --+   0000:00:04.0            |----| up         |
#                     |                                 vmxnet3 0000:00:05.0: the guest's own way out, without a cable
#                     +--------------------------------------------------------+    +------------+
#
#   vm_kernel          download Debian's kernel once, unpack it: $vm_dir/kernel
#   vm_root            make the RAM disk: $vm_dir/root.gz
#   vm_start APPEND [-device intel-iommu ...]   boot with APPEND on the kernel's command line; wait until the guest answers
#   guest COMMAND      run a line of bash in the guest: its output and its exit status
#   vm_stop            power off
#
# VM_EDGE and VM_BACK name other models of QEMU's for the two cards, VM_MORE_PMDS drivers of DPDK for them.
# VM_VNET=on: their frames may be as long as those of the kernel, which cuts them when they leave it.

vm_dir=$LAB_BUILD/vm
vm_pid=

# The kernel that Debian's metapackage names now: $package; fails when the package lists are missing.
vm_newest() {
	package=$(apt-cache depends linux-image-cloud-amd64 2>>"$vm_dir/kernel.log" | sed -n 's/.*Depends: \(linux-image-\)/\1/p' | sed -n 1p)
}

# Fails when the lists are missing or older than the archive.
vm_download() {
	vm_newest && (cd "$vm_dir" && apt-get -q -o APT::Sandbox::User=root download "$package") >>"$vm_dir/kernel.log" 2>&1
}

# The kernel's package is unpacked, not installed: this host keeps the kernel that it boots.
vm_kernel() {
	local package
	mkdir -p "$vm_dir"
	: >"$vm_dir/kernel.log"
	if ! vm_newest || [ ! -f "$vm_dir/kernel/boot/vmlinuz-${package#linux-image-}" ]; then
		rm -rf "$vm_dir/kernel" "$vm_dir"/linux-image-*.deb
		vm_download || { apt-get -q update >>"$vm_dir/kernel.log" 2>&1 && vm_download; } ||
			fail "linux-image-cloud-amd64 cannot be downloaded: $(tail -1 "$vm_dir/kernel.log")"
		dpkg-deb -x "$vm_dir"/linux-image-*.deb "$vm_dir/kernel"
		depmod -b "$vm_dir/kernel" "${package#linux-image-}"
		rm -f "$vm_dir"/linux-image-*.deb
	fi
	vm_release=${package#linux-image-}
}

# vm_take FILE...: copy programs and libraries with all that they are linked with, to where they are here
vm_take() {
	local f
	for f; do
		mkdir -p "$vm_root$(dirname "$f")"
		cp -L "$f" "$vm_root$f"
	done
	# shellcheck disable=SC2046
	for f in $(ldd "$@" 2>/dev/null | grep -o '/[^ ]*\.so[^ )]*' | sort -u); do
		[ -e "$vm_root$f" ] && continue
		mkdir -p "$vm_root$(dirname "$f")"
		cp -L "$f" "$vm_root$f"
	done
}

# What weir-nic, weir and the drivers of the two cards need, and nothing else.
vm_root() {
	local module f pmds
	vm_root=$vm_dir/root
	rm -rf "$vm_root"
	mkdir -p "$vm_root"/{bin,dev,proc,sys,tmp,run,root,etc/weir/routing,usr/bin,usr/share/weir} "$vm_root/lib/modules/$vm_release"
	cp /bin/busybox "$vm_root/bin/busybox"
	vm_take /bin/bash
	mv "$vm_root/bin/bash" "$vm_root/usr/bin/bash"
	ln -sf /usr/bin/bash "$vm_root/bin/bash"
	vm_take "$(lab_program weir)" "$(lab_program weirctl)"
	mv "$vm_root$(lab_program weir)" "$vm_root$(lab_program weirctl)" "$vm_root/usr/bin/"
	cp "$LAB_ROOT/drivers-cfg/weir-nic" "$vm_root/usr/bin/"
	mkdir -p "$vm_root/usr/share/weir/drivers-cfg"
	cp "$LAB_ROOT"/drivers-cfg/*.yaml "$vm_root/usr/share/weir/drivers-cfg/"
	pmds=$(echo /usr/lib/x86_64-linux-gnu/dpdk/pmds-*)
	for f in bus_pci bus_vdev mempool_ring net_e1000 net_virtio net_vmxnet3 ${VM_MORE_PMDS:-}; do
		vm_take "$(compgen -G "$pmds/librte_$f.so.*" | sort | head -1)"
		ln -sf "$(basename "$(compgen -G "$pmds/librte_$f.so.*" | sort | head -1)")" "$vm_root$pmds/librte_$f.so"
	done
	# One file each, as on a Debian: loaded by two paths, a bus of DPDK's would register twice.
	for f in "$vm_root$pmds"/*.so.*; do
		[ ! -e "$vm_root/lib/x86_64-linux-gnu/${f##*/}" ] || ln -sf "$pmds/${f##*/}" "$vm_root/lib/x86_64-linux-gnu/${f##*/}"
	done
	[ -z "${VM_MORE_PROGRAMS:-}" ] || vm_take $VM_MORE_PROGRAMS
	for module in vfio vfio_iommu_type1 vfio_virqfd vfio-pci vfio-pci-core irqbypass vmxnet3; do
		f=$(cd "$vm_dir/kernel" && find "lib/modules/$vm_release" -name "$module.ko*" | head -1)
		[ -n "$f" ] || continue
		mkdir -p "$vm_root/$(dirname "$f")"
		cp "$vm_dir/kernel/$f" "$vm_root/$f"
	done
	cp "$vm_dir/kernel/lib/modules/$vm_release"/modules.{builtin,order} "$vm_root/lib/modules/$vm_release/"
	depmod -b "$vm_root" "$vm_release" 2>/dev/null
	cp "$LAB_ROOT/tests/vm/init" "$vm_root/init"
	ln -sf lib/x86_64-linux-gnu "$vm_root/lib64" 2>/dev/null
	[ -e "$vm_root/lib64/ld-linux-x86-64.so.2" ] || { rm -f "$vm_root/lib64"; mkdir -p "$vm_root/lib64"; cp -L /lib64/ld-linux-x86-64.so.2 "$vm_root/lib64/"; }
	(cd "$vm_root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$vm_dir/root.gz"
}

# A tap in namespace weir, on one bridge with an end of the lab's wires.
vm_tap() {
	local ns=$lab_name-weir
	ip -n "$ns" link add "br-$1" type bridge forward_delay 0
	ip -n "$ns" tuntap add dev "tap-$1" mode tap
	ip -n "$ns" link set dev "$1" master "br-$1"
	ip -n "$ns" link set dev "tap-$1" master "br-$1"
	ip -n "$ns" link set dev "br-$1" up
	ip -n "$ns" link set dev "tap-$1" up
}

# vm_start APPEND QEMU-ARGUMENT...
vm_start() {
	local append=$1
	shift
	setsid nsenter --net="/run/netns/$lab_name-weir" qemu-system-x86_64 -machine q35,accel=tcg,kernel-irqchip=split -cpu max \
		-smp 2 -m 1280 -nodefaults -no-user-config -display none -no-reboot \
		-kernel "$vm_dir/kernel/boot/vmlinuz-$vm_release" -initrd "$vm_dir/root.gz" \
		-append "console=ttyS0 quiet panic=-1 hugepages=160 $append" \
		-serial "file:$lab_dir/console.log" -chardev "socket,id=ctl,path=$lab_dir/guest.sock,server=on,wait=on" -serial chardev:ctl \
		"$@" \
		-netdev tap,id=edge,ifname=tap-edge,script=no,downscript=no,vnet_hdr=${VM_VNET:-off} \
		-device "${VM_EDGE:-e1000e},netdev=edge,bus=pcie.0,addr=3,mac=52:54:00:77:00:03" \
		-netdev tap,id=back,ifname=tap-back,script=no,downscript=no,vnet_hdr=${VM_VNET:-off} \
		-device "${VM_BACK:-vmxnet3},netdev=back,bus=pcie.0,addr=4,mac=52:54:00:77:00:04" \
		-netdev hubport,id=own,hubid=7 -device vmxnet3,netdev=own,bus=pcie.0,addr=5,mac=52:54:00:77:00:05 \
		>"$lab_dir/qemu.log" 2>&1 </dev/null &
	vm_pid=$!
	lab_pids+=("$vm_pid")
	lab_until "QEMU starts" 100 test -S "$lab_dir/guest.sock"
	coproc GUEST { exec socat -t 600 - "UNIX-CONNECT:$lab_dir/guest.sock"; }
	# shellcheck disable=SC2153 # coproc sets it
	lab_pids+=("$GUEST_PID")
	local line
	while IFS= read -r -t 240 line <&"${GUEST[0]}"; do
		[[ $line == *'<<READY>>'* ]] && return
	done
	fail "the guest does not boot: $(tail -n 5 "$lab_dir/console.log"; tail -n 5 "$lab_dir/qemu.log")"
}

# guest COMMAND: what it prints on standard output; its exit status
guest() {
	local line
	printf '%s\n' "$1" >&"${GUEST[1]}"
	while IFS= read -r -t 300 line <&"${GUEST[0]}"; do
		line=${line%$'\r'}
		if [[ $line =~ ^'<<RC '([0-9]+)'>>'$ ]]; then
			return "${BASH_REMATCH[1]}"
		fi
		printf '%s\n' "$line"
	done
	fail "the guest does not answer to: $1"
}

vm_stop() {
	# shellcheck disable=SC2154 # coproc sets it
	local socat=$GUEST_PID
	printf 'poweroff -f\n' >&"${GUEST[1]}"
	lab_wait_gone "$vm_pid" 200 || kill "$vm_pid"
	lab_wait_gone "$socat" 50 || kill "$socat"
	wait "$socat" 2>/dev/null || true
	rm -f "$lab_dir/guest.sock"
}
