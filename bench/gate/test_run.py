#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""That the gate of bench/gate/run can fail: counts beside records that somebody changed. Needs no build;
with "real" it also counts a program and doctors its record."""
import os
import subprocess
import sys
import tempfile

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")
GCC = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
failed = 0


def check(what, true, output=""):
    global failed
    if not true:
        failed += 1
        print(f"FAILED: {what}\n{output}")


def run(*args):
    done = subprocess.run([RUN, *args], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def write(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        f.writelines("\t".join(str(c) for c in row) + "\n" for row in rows)


def judged(folder, counts, records):
    write(f"{folder}/counts", counts)
    write(f"{folder}/records", records)
    return run("--counts", f"{folder}/counts", "--records", f"{folder}/records", "--report", f"{folder}/report")


def comparing(d):
    status, out = judged(d, [("a", 100.0)], [("a", 100.0, GCC)])
    check("the same passes", status == 0, out)
    status, out = judged(d, [("a", 102.9)], [("a", 100.0, GCC)])
    check("2.9 % more passes", status == 0, out)
    status, out = judged(d, [("a", 103.1), ("b", 5.0)], [("a", 100.0, GCC), ("b", 5.0, GCC)])
    check("3.1 % more fails", status == 1, out)
    check("and says which, by how much, and how to accept it",
          "FAILED: a: 103.1 instructions a call, 100.0 recorded: +3.1 %" in out and "--accept" in out, out)
    check("and does not name the other", "FAILED: b" not in out, out)
    with open(f"{d}/report", encoding="utf-8") as f:
        check("the report has a line for each", [line.split("\t")[:2] for line in f] == [["fail", "a"], ["pass", "b"]])
    status, out = judged(d, [("a", 90.0)], [("a", 100.0, GCC)])
    check("10 % less passes with a hint", status == 0 and "-10.0 %: better" in out, out)
    status, out = judged(d, [("a", 300.0)], [("a", 100.0, "gcc 1.0")])
    check("another compiler skips", status == 77 and "another compiler: gcc 1.0" in out, out)
    status, out = judged(d, [("a", 1.0), ("new", 1.0)], [("a", 1.0, GCC)])
    check("no record fails", status == 1 and "new: has no record" in out, out)
    status, out = judged(d, [("a", 1.0)], [("a", 1.0, GCC), ("gone", 1.0, GCC)])
    check("a record of nothing fails", status == 1 and "gone: has a record" in out, out)


def accepting(d):
    write(f"{d}/counts", [("a", 120.0), ("b", 7.0)])
    write(f"{d}/records", [("a", 100.0, GCC), ("gone", 1.0, GCC)])
    both = ["--counts", f"{d}/counts", "--records", f"{d}/records"]
    check("before accepting", run(*both)[0] == 1)
    status, out = run("--accept", *both)
    check("accepting says what changed", status == 0 and "a: 100.0 -> 120.0" in out, out)
    status, out = run(*both)
    check("after accepting", status == 0, out)


def real(d):
    records = f"{d}/real"
    status, out = run("--accept", "--records", records, "csum")
    check("csum is counted", status == 0, out)
    with open(records, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    check("there are counts", len(rows) > 3 and all(float(r[1]) > 0 for r in rows), str(rows))
    status, out = run("--records", records, "csum")
    check("a second count is the same", status == 0 and out.count("+0.0%") == len(rows), out)
    rows[0][1] = f"{float(rows[0][1]) * 0.9:.1f}"
    write(records, rows)
    status, out = run("--records", records, "csum")
    check("a doctored record fails", status == 1 and f"FAILED: {rows[0][0]}" in out, out)


with tempfile.TemporaryDirectory(prefix="weir-gate-test.") as d:
    comparing(d)
    accepting(d)
    if sys.argv[1:] == ["real"]:
        real(d)
sys.exit(failed > 0)
