#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# weirctl with a real control plane on a data plane without packets: the tutorial, and what its pages
# do not show. usage: daemon.sh WEIR_CTRL_TEST WEIRCTL SOURCE_ROOT
set -u
daemon=$1 weirctl=$(realpath "$2") root=$3
dir=$(mktemp -d) pid=''
trap '[ -n "$pid" ] && kill "$pid" && wait "$pid"; rm -rf "$dir"' EXIT
PATH=$(dirname "$weirctl"):$PATH
export WEIR_SOCKET=$dir/control.sock

fail() {
	echo "FAILED: $*" >&2
	cat "$dir/log" >&2
	exit 1
}

# want CODE COMMAND...: the exit code; what it prints is in $dir/out
want() {
	local code=$1 got=0
	shift
	"$@" >"$dir/out" 2>&1 || got=$?
	[ "$got" = "$code" ] || fail "$* ends with $got, not $code: $(cat "$dir/out")"
}

shows() {
	grep -q -- "$1" "$dir/out" || fail "no \"$1\" in: $(cat "$dir/out")"
}

is() {
	[ "$(cat "$dir/out")" = "$1" ] || fail "not \"$1\" but: $(cat "$dir/out")"
}

cat >"$dir/weir.yaml" <<YAML
ports: [{name: edge, device: net_null0, addresses: [10.77.0.1/24]}]
state: {directory: $dir/state}
control: {socket: $dir/control.sock}
metrics: {address: ""}
YAML
"$daemon" -c "$dir/weir.yaml" >"$dir/log" 2>&1 &
pid=$!
for ((i = 0; i < 100; i++)); do
	weirctl status >"$dir/out" 2>&1 && break
	sleep 0.05
done
shows serving

mkdir "$dir/tutorial"
(cd "$dir/tutorial" && "$root/tests/net/tutorial.py" --no-traffic "$root/docs/tutorial-canary.md") || fail tutorial

want 0 weirctl apply -n sample-app -f "$dir/tutorial/service.yaml" -f "$dir/tutorial/canary.yaml"
shows "virtualservice.networking.istio.io/httpbin created"
want 0 weirctl apply -n sample-app -f "$dir/tutorial/service.yaml" -f "$dir/tutorial/canary.yaml"
shows "virtualservice.networking.istio.io/httpbin unchanged"
want 0 weirctl diff -n sample-app -f "$dir/tutorial/canary.yaml"
want 0 weirctl apply -n sample-app --dry-run -f "$dir/tutorial/stable.yaml"
shows "httpbin configured (dry run)"
want 1 weirctl diff -n sample-app -f "$dir/tutorial/stable.yaml"
# What get prints is what apply takes.
want 0 weirctl get all -n sample-app -o yaml
cp "$dir/out" "$dir/all.yaml"
want 0 weirctl diff -f "$dir/all.yaml"
want 0 weirctl get all -n sample-app -o json
cp "$dir/out" "$dir/all.json"
want 0 weirctl diff -f "$dir/all.json"
want 0 weirctl get vs,dr -A -o name
shows "^virtualservice.networking.istio.io/httpbin$"
want 1 weirctl get vs nobody
# A bad file: each error once, with its place, as validate says it.
want 1 weirctl apply -f "$root/tests/cli/data/bad/syntax.yaml"
is "$root/tests/cli/data/bad/syntax.yaml:2:2: error: a '[' list goes on without ',' or ']'; close it"
want 1 weirctl validate -f "$root/tests/cli/data/bad/fields.yaml"
said=$(grep error: "$dir/out")
want 1 weirctl apply -f "$root/tests/cli/data/bad/fields.yaml"
is "$said"
want 2 weirctl get nonsense
want 0 weirctl describe vs/httpbin -n sample-app
shows "90.00%"
want 0 weirctl describe dr/httpbin -n sample-app
shows "10.77.1.12:8080"
want 0 weirctl describe we/httpbin-v1 -n sample-app
shows "subset\||v1|"
want 0 weirctl stats -n sample-app -o name
shows "^sample-app/httpbin/canary$"
want 1 weirctl delete vs nobody -n sample-app
want 0 weirctl drops -A
want 0 weirctl counters -A
want 0 weirctl drain --wait -t 5
shows draining
want 0 weirctl undrain
shows serving
want 2 weirctl reload
want 0 weirctl version
shows protocol
want 0 weirctl route GET http://httpbin.example.com/
want 1 weirctl route GET http://other.example.com/
want 0 weirctl route GET httpbin.example.com:8080/x -n sample-app -f "$dir/tutorial/service.yaml" -f "$dir/tutorial/canary.yaml"
want 2 weirctl route GET http://httpbin.example.com/ -f /nonexistent

# Arguments that JSON cannot carry are refused, not left out.
want 2 weirctl apply -n $'sample\xff' -f "$dir/tutorial/canary.yaml"
shows "argument 3 is not UTF-8 text"
cp "$dir/tutorial/canary.yaml" "$dir/"$'na\xffme.yaml'
mkdir "$dir/odd"
mv "$dir/"$'na\xffme.yaml' "$dir/odd/"
want 2 weirctl validate -f "$dir/odd"
shows "the name of the file"
mkdir "$dir/pipes"
mkfifo "$dir/pipes/a.yaml"
want 2 timeout 5 weirctl validate -f "$dir/pipes"
shows "a.yaml: it is not a file"

# Connections: what became of servers, rules and subsets.
want 0 weirctl apply -f "$root/tests/cli/data/l4.yaml"
want 0 weirctl describe gw edge
shows 'default/edge/db  .* 5432   tcp  .* default/db/tcp\[1\]'
shows 'default/edge/quic  .* 443   quic'
want 0 weirctl describe vs db
shows 'default/db/tcp\[1\]   default/edge/db .* outbound|5432|v2|db.default.svc.cluster.local by gue   *1.00%'
shows 'default/db/tls\[0\]   default/edge/tls .* by stream'
want 0 weirctl describe dr db
shows 'outbound|5432|v2|db.default.svc.cluster.local   \[2001:db8::2\]:5432'
want 0 weirctl route tcp://192.0.2.1:5432
want 0 weirctl delete -f "$root/tests/cli/data/l4.yaml"

# Output that cannot be written is a failure, and never goes into another file instead.
want 5 bash -c 'exec weirctl status >&-'
shows "cannot write: Bad file descriptor"
want 5 bash -c 'exec weirctl status >/dev/full'
shows "cannot write: No space left on device"
# A watch ends with its terminal, also when nobody tells it that the terminal is gone.
if python3 -c 'import pty; pty.openpty()' 2>/dev/null; then # a machine without devpts has none
want 5 timeout 10 python3 -c '
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.environ["TERM"] = "xterm"
    os.execvp("weirctl", ["weirctl", "stats", "--watch=0.1"])
os.read(terminal, 1)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))'
fi
