#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench/plot/plot of a tiny result: its numbers, its place on the page, and the whole files as they were. Write
the files of bench/plot/test anew: bench/plot/plot --out bench/plot/test bench/plot/test/2026-01-02-rules.md"""
import os
import subprocess
import sys
import tempfile
import xml.dom.minidom

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from results import Result  # noqa: E402
from svg import Axis, number  # noqa: E402

failed = 0


def check(what, true):
    global failed
    if not true:
        failed += 1
        print(f"FAILED: {what}")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


result = Result(f"{HERE}/test/2026-01-02-rules.md")
check("name and date", (result.name, result.date) == ("rules", "2026-01-02"))
check("repeats", dict(result.rows)["1 rule"]["requests/s"] == [200000, 300000])
check("a figure that is not there", not dict(result.rows)["1,000 rules, 1 host"].get("busy_cycles/request"))
check("median", result.median("busy_cycles/request") == 2000)
check("curve", result.curves == [("one in flight", [(0, 4), (50, 6), (90, 8), (99, 40), (100, 100)])])
check("profile", [p[2] for p in result.profile] == [50, 25, 20, 5])
check("linear axis", Axis("", [0, 400]).part(200) == 0.5)
check("logarithmic axis", abs(Axis("", [1, 10000], log=True).part(100) - 0.5) < 1e-9)
check("numbers", [number(v) for v in (0, 12, 1000, 1.16e6)] == ["0", "12", "1 k", "1.16 M"])

with tempfile.TemporaryDirectory(prefix="weir-plot.") as d:
    done = subprocess.run([f"{HERE}/plot", "--out", d, result.path], capture_output=True, text=True)
    check(f"plot: {done.stderr}", done.returncode == 0)
    names = ["rules-cost.svg", "rules-latency.svg", "rules-requests.svg"]
    check("three plots", sorted(os.listdir(d)) == names)
    for name in names:
        text = read(f"{d}/{name}")
        xml.dom.minidom.parseString(text)
        check(f"{name} as it was", text == read(f"{HERE}/test/{name}"))
        check(f"{name} names its source", "2026-01-02-rules.md, 2026-01-02" in text)
    check("cost", "HTTP: 1000 cycles, 50 %" in read(f"{d}/rules-cost.svg"))
    other = f"{d}/other.md"
    with open(other, "w", encoding="utf-8") as f:
        f.write("# other, 2026-01-02\n")
    check("nothing to draw is a failure", subprocess.run([f"{HERE}/plot", "--out", d, other], capture_output=True).returncode == 1)
sys.exit(failed > 0)
