# SPDX-License-Identifier: BSD-3-Clause
"""The result files of bench/run: rows with their repeats, curves, profile."""
import os
import re
import statistics


def blocks(text):
    """-> (heading of the section, lines) of each fenced block"""
    title, block = "", None
    for line in text.splitlines():
        if line.startswith("```"):
            if block is not None:
                yield title, block
            block = [] if block is None else None
        elif block is not None:
            block.append(line)
        elif line.startswith("## "):
            title = line[3:]


class Result:
    def __init__(self, path):
        self.path = path
        self.name, self.date = "", ""
        self.rows = []  # (row, {figure: [each repeat]}), in the file's order
        self.curves = []  # (name, [(percentile, us)])
        self.profile = []  # (program or library, symbol, percent of samples)
        with open(path, encoding="utf-8") as f:
            self._read(f.read())

    @property
    def source(self):
        return f"{os.path.basename(self.path)}, {self.date}"

    def _read(self, text):
        head = re.match(r"# (\S+), (\d{4}-\d{2}-\d{2})\n", text)
        if not head:
            raise ValueError(f"{self.path}: no title as bench/run writes it (# NAME, DATE)")
        self.name, self.date = head.groups()
        for title, block in blocks(text):
            if title == "All repeats":
                self._read_repeats(block)
            elif title.startswith("Curve: "):
                points = [line.split() for line in block if line.strip()]
                self.curves.append((title[len("Curve: "):], [(float(p[0]), float(p[1])) for p in points]))
            elif title.startswith("Where the worker was"):
                self._read_profile(block)

    def _read_repeats(self, block):
        values = {}
        for line in block:
            found = re.match(r"(.+?) {2,}(\d+) {2,}(\S+=.*)", line)
            if not found:
                continue
            figures = values.setdefault(found.group(1), {})
            for word in found.group(3).split():
                name, _, value = word.partition("=")
                try:
                    figures.setdefault(name, []).append(float(value))
                except ValueError:
                    pass  # a figure that this row does not have
        self.rows = list(values.items())

    def _read_profile(self, block):
        for line in block:
            found = re.match(r" *([\d.]+)% +(\S+) +(\S+)$", line)
            if found:
                self.profile.append((found.group(2), found.group(3), float(found.group(1))))

    def median(self, figure):
        """Of the first row that has it; None when none has."""
        for _, figures in self.rows:
            if figures.get(figure):
                return statistics.median(figures[figure])
        return None
