# SPDX-License-Identifier: BSD-3-Clause
"""Result files of bench/run and bench/micro/run, read strictly: what is not understood is Malformed, with file:line."""
import math
import os
import re
import statistics

ANCHOR = "(anchor: testpmd macswap)"


class Malformed(Exception):
    """One sentence for the user, which begins with file:line."""


class Result:
    """One file. rows: {row: [{column: number} of each repeat]}; curves: [(name, [(percentile, us)])];
    steps: {function: (warm, 10 %, 90 %, cold) cycles}, which only bench/micro/run writes."""

    def __init__(self, path, case, date):
        self.path, self.case, self.date = path, case, date
        self.commit, self.rows, self.curves, self.steps = "", {}, [], {}

    def repeats(self, row, column):
        """Values of all repeats that have this column; empty when there are none."""
        return [figures[column] for figures in self.rows.get(row, []) if column in figures]

    def source(self):
        """Where it comes from, in one line for the caption of a plot."""
        text = f"{os.path.basename(self.path)}: {self.date}, commit {self.commit}"
        counts = [len(repeats) for row, repeats in self.rows.items() if row != ANCHOR]
        if counts:
            text += f", {max(counts)} repeat{'s' if max(counts) > 1 else ''}"
        anchors = self.repeats(ANCHOR, "anchor_cycles/packet")
        if anchors:
            text += f", anchor {statistics.median(anchors):.0f} cycles/packet"
        return text


def number(text, place):
    """place: file:line, for the message."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Malformed(f'{place}: "{text}" is not a number')
    return value


def blocks(path, lines):
    """-> (heading, [(line number, line)]) of each fenced block"""
    heading, block, begin = "", None, 0
    for i, line in enumerate(lines, 1):
        if line.startswith("```"):
            if block is not None:
                yield heading, block
            block, begin = ([] if block is None else None), i
        elif block is not None:
            block.append((i, line))
        elif line.startswith("## "):
            heading = line[3:].strip()
    if block is not None:
        raise Malformed(f"{path}:{begin}: the block that begins here has no end (a line of ```)")


def read_repeats(result, block):
    for i, line in block:
        if not line.strip():
            continue
        place = f"{result.path}:{i}"
        found = re.fullmatch(r"(\S.*?)\s{2,}(\d+)((?:\s+\S+=\S*)+)\s*", line)
        if not found:
            raise Malformed(f"{place}: not a repeat (ROW  NUMBER  COLUMN=VALUE...)")
        figures = {}
        for word in found.group(3).split():
            name, value = word.split("=", 1)
            if value not in ("", "-"):  # the case had nothing to measure there
                figures[name] = number(value, place)
        result.rows.setdefault(found.group(1), []).append(figures)


def read_curve(result, name, block):
    points = []
    for i, line in block:
        place, words = f"{result.path}:{i}", line.split()
        if len(words) != 3:
            raise Malformed(f"{place}: not a point of a curve (PERCENTILE MICROSECONDS REQUESTS)")
        percentile, us, _ = (number(w, place) for w in words)
        if not 0 <= percentile <= 100 or us < 0:
            raise Malformed(f"{place}: a percentile is from 0 to 100, and no latency is below 0 us")
        points.append((percentile, us))
    result.curves.append((name, points))


def read_steps(result, block):
    """Tables of cycles: from a line that ends in "cold" to an empty one; other lines are not of a table."""
    inside = False
    for i, line in block:
        if re.search(r"\bwarm\s.*\bcold\s*$", line):
            inside = True
        elif not line.strip():
            inside = False
        elif inside:
            place = f"{result.path}:{i}"
            found = re.fullmatch(r"(\S.*?)\s+(\S+)\s+(\S+) -\s+(\S+)\s+(\S+)\s*", line)
            if not found:
                raise Malformed(f"{place}: not a row of cycles (FUNCTION WARM LOW - HIGH COLD)")
            result.steps[found.group(1)] = tuple(number(found.group(k), place) for k in range(2, 6))
    if not result.steps:
        raise Malformed(f'{result.path}:{block[0][0] if block else 1}: no table of cycles (headed "warm ... cold")')


def heading(path, lines):
    """-> (case, date); the case of bench/micro/run is "micro"; None for a file that a person has written"""
    found = re.fullmatch(r"# (.+), (\d{4}-\d{2}-\d{2})", lines[0].strip() if lines else "")
    if not found:
        raise Malformed(f"{path}:1: a result file begins with # CASE, YYYY-MM-DD")
    case = "micro" if found.group(1) == "Cycles per call" else found.group(1)
    return (case, found.group(2)) if re.fullmatch(r"[a-z0-9-]+", case) else None


def read(path):
    """-> Result, or None when the file is not in the form of bench/run or bench/micro/run"""
    try:
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise Malformed(f"{path}:1: cannot be read: {getattr(e, 'strerror', None) or 'not UTF-8'}") from e
    found = heading(path, lines)
    if not found:
        return None
    result = Result(path, *found)
    commit = re.search(r"^- commit ([^,\n]+)", "\n".join(lines), re.M)
    if not commit:
        raise Malformed(f'{path}:{min(3, len(lines))}: no line "- commit ..." says what was measured')
    result.commit = commit.group(1)
    for name, block in blocks(path, lines):
        if result.case == "micro":
            read_steps(result, block)
        elif name == "All repeats":
            read_repeats(result, block)
        elif name.startswith("Curve: "):
            read_curve(result, name[len("Curve: "):], block)
    if not result.rows and not result.steps:
        raise Malformed(f"{path}:{len(lines)}: no repeats (## All repeats, then a block between lines of ```)")
    return result


def newest(results):
    """{case: Result}: of several files of a case the latest date, and of one date the last given"""
    chosen = {}
    for r in results:
        if r.case not in chosen or r.date >= chosen[r.case].date:
            chosen[r.case] = r
    return chosen
