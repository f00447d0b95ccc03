# SPDX-License-Identifier: BSD-3-Clause
"""An SVG picture of 800 px: shapes, text, colours for light and dark pages. Coordinates are pixels, y grows downwards.

Colours are those of Okabe and Ito, which colour-blind people can tell apart; colour c is an index into them."""
from xml.sax.saxutils import escape

WIDTH = 800
LIGHT = ["#0072b2", "#d55e00", "#009e73", "#b0568c", "#e69f00", "#56b4e9"]
DARK = ["#4fa8e0", "#f0803c", "#2bc495", "#e39cc5", "#f2b632", "#b5e0ff"]

STYLE = """\
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1f2328}
.title{font-size:17px;font-weight:600}.dim{fill:#59636e}.small{font-size:12px}.caption{font-size:11px;fill:#59636e}
.value{font-size:12px;paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}
.head{font-weight:600}.bg{fill:#fff;stroke:#d0d7de}.grid{stroke:#e4e8ec}.axis{stroke:#8c959f}
.line{fill:none;stroke-width:2}.lead{stroke-width:1}.on{fill:#fff}.ink{fill:#1f2328}
.whisker{stroke:#1f2328;stroke-width:2}.dot{fill:#1f2328;fill-opacity:.75;stroke:#fff}.ghost{fill-opacity:.5}
"""
STYLE_DARK = """\
text{fill:#e6edf3}.dim,.caption{fill:#9198a1}.bg{fill:#0d1117;stroke:#30363d}.value{stroke:#0d1117}
.grid{stroke:#21262d}.axis{stroke:#6e7681}.whisker{stroke:#e6edf3}
.dot{fill:#e6edf3;stroke:#0d1117}.on,.ink{fill:#0d1117}
"""


def colours(values):
    return "".join(f".f{i}{{fill:{v}}}.s{i}{{stroke:{v}}}" for i, v in enumerate(values)) + "\n"


def px(value):
    """A coordinate, to a tenth of a pixel."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def text_width(text, size=13):
    """A generous guess, in pixels: there are no fonts here to ask."""
    return sum(0.3 if c in " .,:;'|ilI()/-" else 0.9 if c in "mwMW%" else 0.58 for c in text) * size


class Picture:
    def __init__(self, title, subtitle, desc):
        self.shapes, self.title, self.desc = [], title, desc
        self.text(20, 32, title, "title")
        self.top = 48
        for line in subtitle.split("\n"):
            self.text(20, self.top + 4, line, "dim")
            self.top += 18

    def text(self, x, y, text, kind="", anchor="start", turn=False):
        kind = f' class="{kind}"' if kind else ""
        place = f' transform="rotate(-90 {px(x)} {px(y)})"' if turn else ""
        anchor = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self.shapes.append(f'<text x="{px(x)}" y="{px(y)}"{kind}{anchor}{place}>{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, kind):
        self.shapes.append(f'<line x1="{px(x1)}" y1="{px(y1)}" x2="{px(x2)}" y2="{px(y2)}" class="{kind}"/>')

    def rect(self, x, y, width, height, kind):
        self.shapes.append(f'<rect x="{px(x)}" y="{px(y)}" width="{px(width)}" height="{px(height)}" class="{kind}"/>')

    def circle(self, x, y, r, kind):
        self.shapes.append(f'<circle cx="{px(x)}" cy="{px(y)}" r="{r}" class="{kind}"/>')

    def path(self, points, kind):
        places = " ".join(f"{px(x)},{px(y)}" for x, y in points)
        self.shapes.append(f'<polyline points="{places}" class="{kind}"/>')

    def finish(self, bottom, captions):
        """-> the text of the SVG; bottom: of what is drawn, captions: lines below it"""
        for caption in captions:
            self.text(20, bottom + 16, caption, "caption")
            bottom += 16
        height = px(bottom + 16)
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            'role="img" aria-labelledby="title desc">',
            f'<title id="title">{escape(self.title)}</title>',
            f'<desc id="desc">{escape(self.desc)}</desc>',
            f"<style>\n{STYLE}{colours(LIGHT)}@media (prefers-color-scheme:dark){{",
            f"{STYLE_DARK}{colours(DARK)}}}\n</style>",
            f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{px(bottom + 15)}" rx="6" class="bg"/>',
            *self.shapes, "</svg>", ""])
