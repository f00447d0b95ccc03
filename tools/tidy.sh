#!/bin/sh
# clang-tidy over the data plane and the control plane: mistakes, and the shape of functions (.clang-tidy).
# tools/tidy.sh [BUILD]: needs a configured build (build/ by default). Takes some minutes, so it is not in
# ./check; run it before a merge. Prints each offence, exits 1 on any.
build=${1:-build}
[ -f "$build/compile_commands.json" ] || { echo "tools/tidy.sh: no build in $build; run: meson setup $build" >&2; exit 2; }
out=$(run-clang-tidy-14 -j "$(nproc)" -p "$build" -quiet '/(dataplane|ctrl)/.*\.c$' 2>/dev/null | grep -E '(error|warning):')
[ -z "$out" ] || { printf '%s\n' "$out"; exit 1; }
