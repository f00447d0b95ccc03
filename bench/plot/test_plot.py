#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench/plot/plot: golden pictures, what every picture must have, and what is said of files that are not right.
Golden pictures are renewed by: bench/plot/plot -o bench/plot/golden bench/plot/golden/*.md"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

sys.dont_write_bytecode = True

from charts import linear, spread  # noqa: E402
from picture import text_width  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = sorted(glob.glob(f"{HERE}/golden/*.md"))
SVG = "{http://www.w3.org/2000/svg}"
SIZES = {"title": 17, "small": 12, "value": 12, "caption": 11}
failed = 0


def check(what, true, output=""):
    global failed
    if not true:
        failed += 1
        print(f"FAILED: {what}\n{output}")


def run(*args):
    done = subprocess.run([f"{HERE}/plot", *args], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def result(folder, case, rows, date="2026-01-02", more=""):
    """A file as bench/run writes it; rows: {row: text of the figures of each repeat}"""
    lines = [f"{row:28}  {i}  {figures}" for row, repeats in rows.items() for i, figures in enumerate(repeats, 1)]
    text = "\n".join([f"# {case}, {date}", "", "- commit abcdef012345, build x", more, "## All repeats", "", "```",
                      *lines, "```", ""])
    return write(f"{folder}/{date}-{case}.md", text)


def golden(folder):
    status, out = run("-o", folder, *GOLDEN)
    check("golden files are read", status == 0, out)
    check("a plot without data is skipped with a line", "skipped latency: no result of latency\n" in out, out)
    written = sorted(glob.glob(f"{folder}/*.svg"))
    kept = sorted(glob.glob(f"{HERE}/golden/*.svg"))
    names = [[os.path.basename(f) for f in files] for files in (written, kept)]
    check("the golden plots are made", names[0] == names[1], out)
    for made, old in zip(written, kept):
        check(f"{os.path.basename(old)} is what it was", read(made) == read(old), f"diff {made} {old}")


# ---- what every picture must have -----------------------------------------------------------------

CURVE = "## Curve: {}\n\nPercentile, microseconds, requests above it.\n\n```\n0 3.5 100\n50 9.5 50\n99.9 {} 1\n```\n"
FIGURES = {
    "connections": {"1000": "requests/s={}", "10000": "requests/s={}", "1000000": "requests/s={}",
                    "1000 idle": "RSS_MiB={}"},
    "bodies": {row: "body_Gbit/s={} busy_cycles/KiB={} of_it_in_the_driver={} Gbit/s_at_100_%_busy={}"
               for row in ("16 KiB", "128 KiB", "1 MiB")},
    "workers": {row: "busy_cycles/request={}" for row in ("1 worker", "2 processes", "2 workers")},
    "path": {f"{kind}, {proxy}": "requests/s={} its_CPU_us/request={}"
             for kind in ("keepalive", "close", "latency", "rules-1", "rules-100000")
             for proxy in ("weir", "weir-af_xdp", "haproxy", "nginx", "direct")},
    "latency": {row: "p50_us={} p90_us={} p99_us={} p99.9_us={} disturbed_%=-"
                for row in ("one in flight", "open loop, 25 %")},
}
DOTS = {"connections": 9, "bodies": 36, "workers": 9, "path": 72, "path-rules": 24, "latency": 24}


def all_results(folder):
    """A file of each case with three repeats; figures differ from repeat to repeat."""
    for case, rows in FIGURES.items():
        repeats = {row: [re.sub("{}", str(1000 + 17 * i + 3 * k), figures) for k in range(3)]
                   for i, (row, figures) in enumerate(rows.items())}
        more = CURVE.format("one in flight, idle_sleep 0s", 70) + CURVE.format("open loop, 4000 requests/s", 4000)
        yield result(folder, case, repeats, more=more if case == "latency" else "")


def extent(text):
    """(left, top, right, bottom) of a text that is not turned"""
    kinds = text.get("class", "").split()
    size = next((SIZES[kind] for kind in kinds if kind in SIZES), 13)
    width, x, y = text_width(text.text, size), float(text.get("x")), float(text.get("y"))
    left = x - {"middle": width / 2, "end": width}.get(text.get("text-anchor"), 0)
    return left, y - size * 0.75, left + width, y


def layout(name, root):
    """No text is cut off by the picture's edge, and none lies on another."""
    seen = []
    for text in root.iter(f"{SVG}text"):
        if text.get("transform"):
            continue
        left, top, right, bottom = extent(text)
        check(f'{name}: "{text.text}" is inside', left >= 4 and right <= 800 and bottom < float(root.get("height")),
              f"{left:.0f} to {right:.0f}")
        for l2, t2, r2, b2, other in seen:
            check(f'{name}: "{text.text}" is not on "{other}"', right <= l2 or r2 <= left or bottom <= t2 or b2 <= top)
        seen.append((left, top, right, bottom, text.text))


def picture(name, path):
    root = ET.fromstring(read(path))
    check(f"{name} is an image with a name for those who cannot see it", root.get("role") == "img" and
          root.find(f"{SVG}title").text and len(root.find(f"{SVG}desc").text) > 20)
    captions = [t.text for t in root.iter(f"{SVG}text") if t.get("class") == "caption"]
    check(f"{name} says where it is from",
          captions and re.match(r"\S+\.md: \d{4}-\d\d-\d\d, commit \w{12}", captions[0]))
    check(f"{name} is light and dark", "prefers-color-scheme:dark" in read(path))
    check(f"{name} is small", os.path.getsize(path) < 32768, f"{os.path.getsize(path)} bytes")
    layout(name, root)
    dots = [c for c in root.iter(f"{SVG}circle") if re.search(r"\b(dot|ghost)\b", c.get("class"))]
    check(f"{name} has a dot for each repeat", len(dots) == DOTS.get(name, len(dots)), f"{len(dots)} dots")


def pictures(folder):
    files = list(all_results(folder))
    status, out = run("-o", f"{folder}/a", *files, *GOLDEN, *glob.glob(f"{HERE}/../results/*-micro.md"))
    check("every plot is made", status == 0 and out.count("written") == 10 and "skipped" not in out, out)
    for path in sorted(glob.glob(f"{folder}/a/*.svg")):
        picture(os.path.basename(path)[:-4], path)
    run("-o", f"{folder}/b", *files)
    for path in glob.glob(f"{folder}/b/*.svg"):
        name = os.path.basename(path)
        check(f"{name} is the same again", read(path) == read(f"{folder}/a/{name}"))


def crowded(folder):
    """Things that would lie on one another."""
    file = result(folder, "keepalive", {"keepalive": ["busy_cycles/request=2000 of_it_in_the_driver=20"]})
    run("-o", folder, file)
    picture("a short part", f"{folder}/request.svg")
    check("labels give way downwards", spread([12, 10, 14], 17, 300) == [27, 10, 44])
    check("and upwards at the bottom", spread([290, 295], 17, 300) == [283, 300])
    for highest, last in ((0.7, "0.8"), (7, "8"), (10, "10"), (1234, "1,250"), (980000, "1,000,000")):
        ticks = linear(highest, 0, 100, "").ticks
        check(f"ticks to {highest} are round", ticks[0][1] == "0" and ticks[-1][1] == last, ticks)


def saved(folder):
    """Files of bench/results, which are the real thing."""
    status, out = run("-o", folder, *sorted(glob.glob(f"{HERE}/../results/*.md")))
    check("every saved result can be read", status == 0, out)
    for path in sorted(glob.glob(f"{folder}/*.svg")):
        picture(f"saved {os.path.basename(path)[:-4]}", path)


# ---- files that are not right ------------------------------------------------------------------------

FIGURE = "busy_cycles/request=7  p50_us=-"
GOOD = f"# keepalive, 2026-01-02\n\n- commit abc, x\n\n## All repeats\n\n```\nkeepalive  1  {FIGURE}\n```\n"
MICRO = "# Cycles per call, 2026-01-02\n\n- commit abc\n\n```\n{}\n```\n"
BAD = [
    ("empty", "", "1: a result file begins with # CASE, YYYY-MM-DD"),
    ("no heading", "keepalive\n", "1: a result file begins with # CASE, YYYY-MM-DD"),
    ("no commit", GOOD.replace("- commit", "- of"), '3: no line "- commit ..." says what was measured'),
    ("no repeats", GOOD[:GOOD.index("## All")], "4: no repeats (## All repeats, then a block between lines of ```)"),
    ("no end", GOOD[:-4], "7: the block that begins here has no end (a line of ```)"),
    ("no columns", GOOD.replace(FIGURE, ""), "8: not a repeat (ROW  NUMBER  COLUMN=VALUE...)"),
    ("a word without value", GOOD.replace("=7", ""), "8: not a repeat (ROW  NUMBER  COLUMN=VALUE...)"),
    ("no number", GOOD.replace("=7", "=7x"), '8: "7x" is not a number'),
    ("not finite", GOOD.replace("=7", "=inf"), '8: "inf" is not a number'),
    ("curve", GOOD + "\n## Curve: one\n\n```\n1.0 2.0\n```\n",
     "14: not a point of a curve (PERCENTILE MICROSECONDS REQUESTS)"),
    ("percentile", GOOD + "\n## Curve: one\n\n```\n101 2 3\n```\n",
     "14: a percentile is from 0 to 100, and no latency is below 0 us"),
    ("cycles", MICRO.format("   warm   10 % to 90 %  cold\nf 1 2 3"),
     "7: not a row of cycles (FUNCTION WARM LOW - HIGH COLD)"),
    ("no cycles", MICRO.format(""), '6: no table of cycles (headed "warm ... cold")'),
]


def malformed(folder):
    file = f"{folder}/bad.md"
    write(file, GOOD)
    status, out = run("-o", f"{folder}/out", file)
    check("the good one is good", status == 0 and "written" in out, out)
    for name, text, message in BAD:
        write(file, text)
        status, out = run("-o", f"{folder}/none", file)
        check(f"malformed, {name}: one sentence", (status, out) == (1, f"{file}:{message}\n"), out)
    check("nothing is written of a malformed file", not os.path.exists(f"{folder}/none"))
    status, out = run(f"{folder}/gone.md")
    message = f"{folder}/gone.md:1: cannot be read: No such file or directory\n"
    check("a file that is not there", (status, out) == (1, message), out)


def chosen(folder):
    old = result(folder, "rules", {"1 rule": ["requests/s=3"], "10 rules, 1 host": ["requests/s=2"]}, date="2026-01-01")
    new = result(folder, "rules", {"1 rule": ["requests/s=5"], "10 rules, 1 host": ["requests/s=4"]}, date="2026-01-03")
    by_hand = write(f"{folder}/hand.md", "# Some notes of mine, 2026-01-01\n")
    one = result(folder, "connections", {"1000": ["requests/s=3"], "10000": ["requests/s=-"]})
    status, out = run("-o", folder, new, old, by_hand, one)
    check("the newest of a case is shown", status == 0 and "2026-01-03-rules.md" in read(f"{folder}/rules.svg"), out)
    check("a file of another form is left out", f"left out {by_hand}: not in the form of" in out, out)
    check("one point is no line", f"skipped connections: {one} has less than two rows with requests/s\n" in out, out)


for part in (golden, pictures, crowded, saved, malformed, chosen):
    with tempfile.TemporaryDirectory(prefix="weir-plot-test.") as d:
        part(d)
sys.exit(failed > 0)
