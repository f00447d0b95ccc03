# SPDX-License-Identifier: BSD-3-Clause
"""A chart as SVG text: frame, axes with units, lines with points, stacked bars, legend, caption. Colours follow
the reader's light or dark scheme."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 84, 28, 40, 92
KEYS_A_ROW = 2
LIGHT = ["#0969da", "#bc4c00", "#1a7f37", "#8250df", "#cf222e", "#0e7c86", "#9a6700", "#6e7781"]
DARK = ["#58a6ff", "#f0883e", "#3fb950", "#bc8cff", "#ff7b72", "#39c5cf", "#d29922", "#9198a1"]
COLOURS = len(LIGHT)


def series(palette):
    return "\n".join(f".line.s{i} {{ stroke: {c} }} .dot.s{i}, .bar.s{i}, .faint.s{i} {{ fill: {c} }}"
                     for i, c in enumerate(palette))


STYLE = f"""
text {{ font: 13px system-ui, sans-serif; fill: #24292f }}
.title {{ font-size: 16px; font-weight: 600 }} .small {{ font-size: 11px; fill: #57606a }}
.page {{ fill: #ffffff }} .axis {{ stroke: #57606a }} .grid {{ stroke: #d8dee4 }}
.line {{ fill: none; stroke-width: 2 }} .faint {{ opacity: .4 }}
{series(LIGHT)}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3 }} .small {{ fill: #9198a1 }}
.page {{ fill: #0d1117 }} .axis {{ stroke: #9198a1 }} .grid {{ stroke: #30363d }}
{series(DARK)}
}}
"""


def number(v):
    """1234567 -> 1.23 M, for people"""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(v) >= size:
            return f"{v / size:.3g} {unit}"
    return f"{v:.3g}"


class Axis:
    """Values to positions: linear from zero, or logarithmic."""

    def __init__(self, title, values, log=False, ticks=None):
        self.title, self.log = title, log
        low, high = min(values), max(values)
        if log:
            self.low, self.high = math.log10(low), math.log10(high)
            if self.low == self.high:
                self.low, self.high = self.low - 0.5, self.high + 0.5
            self.ticks = ticks or self._decades()
        else:
            step = self._step(high)
            self.low, self.high = 0, step * max(1, math.ceil(high / step))
            self.ticks = ticks or [(step * i, number(step * i)) for i in range(round(self.high / step) + 1)]

    def _decades(self):
        first, last = math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9)
        return [(10.0 ** e, number(10.0 ** e)) for e in range(first, last + 1)]

    @staticmethod
    def _step(high):
        base = 10 ** math.floor(math.log10(high / 5 or 1)) if high > 0 else 1
        return next(m * base for m in (1, 2, 5, 10) if m * base * 6 >= high)

    def part(self, v):
        v = math.log10(v) if self.log else v
        return (v - self.low) / (self.high - self.low)


class Chart:
    def __init__(self, title, source):
        self.title, self.source, self.body, self.legend = title, source, [], []

    def add(self, text):
        self.body.append(text)

    def text(self, x, y, words, css="", anchor="start", more=""):
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}"{more}>{escape(words)}</text>')

    def axes(self, x, y):
        self.x, self.y = x, y
        bottom = HEIGHT - BOTTOM
        for v, label in y.ticks:
            at = self.at_y(v)
            self.add(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
            self.text(LEFT - 8, at + 4, label, anchor="end")
        for v, label in x.ticks:
            at = self.at_x(v)
            self.add(f'<path class="axis" d="M{at:.1f} {bottom}v5"/>')
            self.text(at, bottom + 20, label, anchor="middle")
        self.add(f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}"/>')
        self.text((LEFT + WIDTH - RIGHT) / 2, bottom + 42, x.title, anchor="middle")
        middle = (TOP + bottom) / 2
        self.text(18, middle, y.title, anchor="middle", more=f' transform="rotate(-90 18 {middle:.1f})"')

    def at_x(self, v):
        return LEFT + self.x.part(v) * (WIDTH - LEFT - RIGHT)

    def at_y(self, v):
        return HEIGHT - BOTTOM - self.y.part(v) * (HEIGHT - BOTTOM - TOP)

    def line(self, name, points, repeats=(), dots=True):
        """points: (x, y); repeats: single measurements, drawn faintly."""
        css = f"s{len(self.legend) % COLOURS}"
        self.legend.append((css, name))
        path = "L".join(f"{self.at_x(x):.1f} {self.at_y(y):.1f}" for x, y in points)
        for x, y in repeats:
            self.add(f'<circle class="faint {css}" cx="{self.at_x(x):.1f}" cy="{self.at_y(y):.1f}" r="3"/>')
        self.add(f'<path class="line {css}" d="M{path}"/>')
        for x, y in points if dots else ():
            self.add(f'<circle class="dot {css}" cx="{self.at_x(x):.1f}" cy="{self.at_y(y):.1f}" r="4"/>')

    def stack(self, parts, total, unit):
        """One bar of (name, value), with a list of them beside it."""
        x, top, height = LEFT, TOP + 10, HEIGHT - TOP - BOTTOM + 30
        y = top
        for i, (name, value) in enumerate(parts):
            css, h = f"s{i % COLOURS}", height * value / total
            self.add(f'<rect class="bar {css}" x="{x}" y="{y:.1f}" width="150" height="{h:.1f}"/>')
            row = top + 14 + i * 24
            self.add(f'<rect class="bar {css}" x="{x + 200}" y="{row - 11}" width="14" height="14"/>')
            self.text(x + 224, row, f"{name}: {value:.0f} {unit}, {100 * value / total:.0f} %")
            y += h
        self.text(x + 75, y + 18, f"{total:.0f} {unit}", anchor="middle")

    def keys(self):
        """Legend under the frame; -> lines, and the height they take."""
        lines = []
        for i, (css, name) in enumerate(self.legend):
            x = LEFT + i % KEYS_A_ROW * (WIDTH - LEFT - RIGHT) // KEYS_A_ROW
            y = HEIGHT - BOTTOM + 68 + i // KEYS_A_ROW * 20
            lines.append(f'<rect class="bar {css}" x="{x}" y="{y - 7}" width="16" height="4"/>'
                         f'<text x="{x + 22}" y="{y}">{escape(name)}</text>')
        return lines, -(-len(self.legend) // KEYS_A_ROW) * 20

    def svg(self):
        keys, more = self.keys()
        height = HEIGHT + more
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{escape(self.title)}</title>", f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{height}"/>',
            f'<text x="{LEFT}" y="24" class="title">{escape(self.title)}</text>', *self.body, *keys,
            f'<text x="{LEFT}" y="{height - 12}" class="small">{escape(self.source)}</text>', "</svg>", ""])
