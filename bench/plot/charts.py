# SPDX-License-Identifier: BSD-3-Clause
"""Charts in a Picture: lines over a logarithmic axis, and rows with bars or marks. Medians are drawn, and each
repeat is a dot."""
import math
import statistics
from collections import namedtuple

from picture import WIDTH, text_width

Box = namedtuple("Box", "x0 y0 x1 y1")  # of the plot itself: axes' labels are outside
Axis = namedtuple("Axis", "title ticks at")  # ticks: [(value, label)], at: value -> pixel
Series = namedtuple("Series", "label colour points")  # points: [(x, [value of each repeat])]
Row = namedtuple("Row", "label colour values text")  # values: of each repeat; text "" takes the median's
Part = namedtuple("Part", "name colour value")

ROW, BAR, HEAD = 28, 18, 30  # heights


def figure(value):
    """A number as people read it: three digits, or all of those before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):,.10g}"


def linear(highest, start, end, title, most=6):
    """An axis from 0 to a round number that is not below the highest value; most: about so many ticks."""
    rough = (highest or 1) / most
    unit = 10 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= rough * (1 - 1e-9))
    count = math.ceil((highest or 1) / step - 1e-9)
    ticks = [(i * step, f"{round(i * step, 9):,.10g}") for i in range(count + 1)]
    return Axis(title, ticks, lambda v: start + (end - start) * v / (count * step))


def logarithmic(ticks, lowest, highest, start, end, title):
    span = math.log10(highest / lowest)
    return Axis(title, ticks, lambda v: start + (end - start) * math.log10(v / lowest) / span)


def decades(lowest, highest):
    """Powers of ten around both."""
    first, last = math.floor(math.log10(lowest) + 1e-9), math.ceil(math.log10(highest) - 1e-9)
    return [10.0 ** e for e in range(first, max(last, first + 1) + 1)]


def draw_y(p, box, axis):
    for value, label in axis.ticks:
        p.line(box.x0, axis.at(value), box.x1, axis.at(value), "grid")
        p.text(box.x0 - 8, axis.at(value) + 4, label, "small dim", "end")
    p.text(20, (box.y0 + box.y1) / 2, axis.title, "small", "middle", turn=True)


def draw_x(p, box, axis, grid=True):
    """A label may have a second line, after \\n. -> the bottom of it all"""
    lines = max(label.count("\n") for _, label in axis.ticks)
    for value, label in axis.ticks:
        if grid:
            p.line(axis.at(value), box.y0, axis.at(value), box.y1, "grid")
        for i, part in enumerate(label.split("\n")):
            p.text(axis.at(value), box.y1 + 18 + 15 * i, part, "small dim", "middle")
    p.text((box.x0 + box.x1) / 2, box.y1 + 38 + 15 * lines, axis.title, "small", "middle")
    return box.y1 + 46 + 15 * lines


def spread(places, gap, lowest):
    """Moves labels apart: ys -> ys, in the same order, each gap below the one above, none below lowest if they fit."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for above, i in zip(order, order[1:]):
        moved[i] = max(moved[i], moved[above] + gap)
    limit = lowest
    for i in reversed(order):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - gap
    return moved


def draw_labels(p, box, ends):
    """ends: [(x, y, label, colour)] of lines; labels stand right of the box, each led to by a stroke of its line."""
    for (x, y, label, colour), at in zip(ends, spread([end[1] for end in ends], 17, box.y1)):
        p.path([(x, y), (box.x1 + 6, at), (box.x1 + 14, at)], f"line lead s{colour}")
        p.text(box.x1 + 18, at + 4, label, "small")


def line_box(top, height, labels):
    """Room for labels of axes on the left and of lines on the right."""
    return Box(98, top + 18, WIDTH - 36 - max(text_width(label, 12) for label in labels), top + 18 + height)


def draw_series(p, series, x_at, y_at):
    """-> (x, y) of the last median"""
    for x, values in series.points:
        for v in values:
            p.circle(x_at(x), y_at(v), 3, f"ghost f{series.colour}")
    medians = [(x_at(x), y_at(statistics.median(values))) for x, values in series.points]
    p.path(medians, f"line s{series.colour}")
    for x, y in medians:
        p.circle(x, y, 4, f"f{series.colour}")
    return medians[-1]


def lines(p, box, ticks, titles, series):
    """Values from 0 over a logarithmic axis whose ticks are the values measured. A single series has its medians
    written beside them. titles: of x and y. -> the bottom of it all"""
    highest = max(v for s in series for _, values in s.points for v in values)
    y = linear(highest * 1.06, box.y1, box.y0, titles[1])
    x = logarithmic(ticks, ticks[0][0], ticks[-1][0], box.x0 + 36, box.x1 - 30, titles[0])
    draw_y(p, box, y)
    bottom = draw_x(p, box, x, grid=False)
    p.line(box.x0, box.y1, box.x1, box.y1, "axis")
    draw_labels(p, box, [(*draw_series(p, s, x.at, y.at), s.label, s.colour) for s in series])
    if len(series) == 1:
        for value, values in series[0].points:
            p.text(x.at(value), y.at(max(values)) - 9, figure(statistics.median(values)), "value", "middle")
    return bottom


def place_rows(rows, top):
    """rows: Row, or a text, which is a heading. -> ([(y of the middle, row)], bottom)"""
    places = []
    for row in rows:
        high = HEAD if isinstance(row, str) else ROW
        places.append((top + high / 2 + (4 if isinstance(row, str) else 0), row))
        top += high
    return places, top


def draw_row_labels(p, places, right):
    """Labels end at right, headings begin at the left."""
    for y, row in places:
        if isinstance(row, str):
            p.text(20, y + 4, row, "head")
        else:
            p.text(right - 10, y + 4, row.label, "", "end")


def draw_bar(p, x_at, y, row, parts):
    """parts: what the median consists of, from 0 on; their numbers stand inside where they fit."""
    start = 0
    for part in parts:
        left, right = x_at(start), x_at(start + part.value)
        p.rect(left, y - BAR / 2, right - left, BAR, f"f{part.colour}")
        text = figure(part.value)
        if len(parts) > 1 and text_width(text, 12) + 8 < right - left:
            p.text((left + right) / 2, y + 4, text, "small " + ("on" if part.colour < 4 else "ink"), "middle")
        start += part.value
    lane = BAR / 2 + 1 if len(parts) > 1 else 0  # numbers are inside: dots on the edge below
    for v in row.values:
        p.circle(x_at(v), y + lane, 2.5, "dot")
    p.text(x_at(max([start, *row.values])) + 9, y + 4, row.text or figure(start), "value")


def bars(p, places, box, title, parts_of=None):
    """Bars from 0; parts_of: row -> [Part], else a bar has its row's colour. -> the bottom of it all"""
    rows = [row for _, row in places if isinstance(row, Row)]
    widest = max(text_width(row.text or figure(max(row.values)), 12) for row in rows) + 14
    axis = linear(max(v for row in rows for v in row.values), box.x0, box.x1 - widest, title, (box.x1 - box.x0) // 85)
    box = box._replace(x1=axis.at(axis.ticks[-1][0]))
    bottom = draw_x(p, box, axis)
    for y, row in places:
        if isinstance(row, Row):
            whole = [Part("", row.colour, statistics.median(row.values))]
            draw_bar(p, axis.at, y, row, parts_of(row) if parts_of else whole)
    p.line(box.x0, box.y0, box.x0, box.y1, "axis")
    return bottom, axis


def marks(p, places, box, axis, worst):
    """On a logarithmic axis a bar has no beginning: a mark at the median, a line to the worst. worst: {label: value}"""
    bottom = draw_x(p, box, axis)
    for y, row in places:
        middle, end = axis.at(statistics.median(row.values)), axis.at(worst[row.label])
        p.line(middle, y, end, y, f"line s{row.colour}")
        p.line(end, y - 6, end, y + 6, f"line s{row.colour}")
        for v in row.values:
            p.circle(axis.at(v), y, 3, f"ghost f{row.colour}")
        p.circle(middle, y, 5, f"f{row.colour}")
        p.text(end + 9, y + 4, row.text, "value")
    return bottom


def draw_curve(p, points, colour, x_at, y_at):
    """Steps of a histogram: points closer than half a pixel are one. -> (x, y) of the last"""
    kept = []
    for x, y in ((x_at(x), y_at(y)) for x, y in points):
        if not kept or abs(x - kept[-1][0]) + abs(y - kept[-1][1]) >= 0.5:
            kept.append((x, y))
    p.path(kept, f"line s{colour}")
    return kept[-1]


def spans(p, places, box, title, ends):
    """Bars with a line between two values. ends: {label: (low, high)}. -> the bottom of it all"""
    rows = [row for _, row in places]
    widest = max(text_width(row.text, 12) for row in rows) + 14
    axis = linear(max(high for _, high in ends.values()), box.x0, box.x1 - widest, title)
    bottom = draw_x(p, box._replace(x1=axis.at(axis.ticks[-1][0])), axis)
    for y, row in places:
        low, high = ends[row.label]
        p.rect(box.x0, y - BAR / 2, axis.at(row.values[0]) - box.x0, BAR, f"f{row.colour}")
        p.line(axis.at(low), y, axis.at(high), y, "whisker")
        p.text(axis.at(max(high, row.values[0])) + 8, y + 4, row.text, "value")
    p.line(box.x0, box.y0, box.x0, box.y1, "axis")
    return bottom
