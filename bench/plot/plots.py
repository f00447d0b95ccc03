# SPDX-License-Identifier: BSD-3-Clause
"""The plots: which rows and columns of which case each one shows. A plot is a function of {case: Result} that gives
the text of an SVG, or raises Missing when the files do not have what it shows."""
import math
import re
import statistics

import charts
from charts import Axis, Box, Part, Row, Series, figure
from picture import WIDTH, Picture, text_width

BUSY, DRIVER = "busy_cycles/request", "of_it_in_the_driver"
DOTS = "Dots: each repeat. "


class Missing(Exception):
    """What is not in the files given."""


def case(results, name):
    if name not in results:
        raise Missing(f"no result of {name}")
    return results[name]


def median_text(series):
    """For people who cannot see the plot."""
    texts = []
    for s in series:
        texts.append(f"{s.label}: " + ", ".join(f"{figure(statistics.median(v))} at {x:,g}" for x, v in s.points))
    return "; ".join(texts)


def numbered(result, pattern, column):
    """[(number in the row's name, found, values)] of rows that match and have the column, sorted"""
    points = []
    for row in result.rows:
        found, values = re.fullmatch(pattern, row), result.repeats(row, column)
        if found and values and int(found.group(1).replace(",", "")) > 0:
            points.append((int(found.group(1).replace(",", "")), found, values))
    return sorted(points, key=lambda point: point[0])


def line_points(result, pattern, column):
    """A line needs two points."""
    points = numbered(result, pattern, column)
    if len({n for n, _, _ in points}) < 2:
        raise Missing(f"{result.path} has less than two rows with {column}")
    return points


# ---- what a request costs -----------------------------------------------------------------------------


def request_parts(result, split):
    """What the median of the case's one row consists of. split: the driver's part is known for every bar."""
    whole = statistics.median(result.repeats(result.case, BUSY))
    if not split:
        return [Part("Weir and the driver", 0, whole)]
    inside = statistics.median(result.repeats(result.case, DRIVER))
    return [Part("in the driver", 4, inside), Part("Weir's own", 0, whole - inside)]


def request(results):
    labels = {"keepalive": "connections kept", "close": "a connection each"}
    shown = [results[name] for name in labels if name in results and results[name].repeats(name, BUSY)]
    if not shown:
        raise Missing(f"no result of keepalive or close with {BUSY}")
    split = all(result.repeats(result.case, DRIVER) for result in shown)
    parts = {labels[result.case]: request_parts(result, split) for result in shown}
    whole = {label: sum(part.value for part in of) for label, of in parts.items()}
    rows = [Row(labels[r.case], 0, r.repeats(r.case, BUSY), f"{figure(whole[labels[r.case]])} cycles") for r in shown]
    desc = "; ".join(f"{label}: " + ", ".join(f"{q.name} {figure(q.value)}" for q in of) for label, of in parts.items())
    p = Picture("What a request costs a worker", f"Time stamp counter cycles, memif ports. Bars: medians. {DOTS}", desc)
    places, bottom = charts.place_rows(rows, p.top + 30)
    box = Box(150, p.top + 22, WIDTH - 30, bottom + 6)
    charts.draw_row_labels(p, places, box.x0)
    end, axis = charts.bars(p, places, box, "busy cycles per request", lambda row: parts[row.label])
    name_parts(p, parts[max(whole, key=whole.get)], axis, p.top + 14)
    return p.finish(end, [result.source() for result in shown])


def name_parts(p, parts, axis, y):
    """Each part's name above the rows, over where it lies in the longest bar, or behind the name before."""
    start, free = 0, 0
    for part in parts:
        x = max(axis.at(start), free)
        p.rect(x, y - 9, 10, 10, f"f{part.colour}")
        p.text(x + 15, y, part.name, "small")
        start, free = start + part.value, x + 30 + text_width(part.name, 12)


# The steps in the order of a packet's way; each is a row of the table of bench/micro.
STEPS = [
    ("parse a packet, checksum in software", "net_parse, TCP over IPv4, sum in software"),
    ("find the connection, the same again", "4 k connections, one"),
    ("find the connection, any of 64 k", "64 k connections, any"),
    ("parse a request of 302 bytes", "parse request, library, 302 bytes"),
    ("find the host", "host, exact"),
    ("find the rule, 1 of 10 prefixes", "10 prefixes, direct"),
    ("find the rule, 1 of 1,000 prefixes", "1000 prefixes"),
    ("pick the version, 90/10", "pick_next, 90/10"),
    ("choose an endpoint, least requests of 64", "balance_pick, LEAST_REQUEST of 64"),
    ("write the request", "write request, library"),
    ("parse the response's head", "parse response, nginx"),
    ("write the response's head", "write response, nginx"),
    ("send 1,460 bytes, checksum in software", "net_send_tcp, 1,460 bytes, sum not known"),
]


def steps(results):
    result = case(results, "micro")
    found = [(label, result.steps[name]) for label, name in STEPS if name in result.steps]
    if not found:
        raise Missing(f"{result.path} has no step of a request")
    rows = [Row(label, 0, [warm], f"{figure(warm)}   (cold {figure(cold)})") for label, (warm, _, _, cold) in found]
    p = Picture("Steps of a request, one by one", 
                "Cycles per call. Bars: warm (all in the first cache). Lines: 10 % to 90 % of the repeats.",
                "; ".join(f"{row.label}: {row.text}" for row in rows))
    places, bottom = charts.place_rows(rows, p.top + 4)
    box = Box(290, p.top, WIDTH - 20, bottom + 4)
    charts.draw_row_labels(p, places, box.x0)
    spans = {label: (low, high) for label, (_, low, high, _) in found}
    return p.finish(charts.spans(p, places, box, "time stamp counter cycles per call, warm", spans), [result.source()])


# ---- lines over a number --------------------------------------------------------------------------------


def rules(results):
    result = case(results, "rules")
    points = line_points(result, r"([\d,]+) rules?(?:, ([\d,]+) hosts?)?", "requests/s")
    ticks = []
    for n, found, _ in points:
        hosts = found.group(2) or "1"
        ticks.append((n, f"{n:,}\n{hosts} host{'s' if hosts != '1' else ''}"))
    series = [Series("Weir", 0, [(n, values) for n, _, values in points])]
    p = Picture("Requests per second by number of rules",
                f"One worker, memif ports, each response from its own rule. Line: medians. {DOTS}", median_text(series))
    box = charts.line_box(p.top, 270, [s.label for s in series])
    bottom = charts.lines(p, box, ticks, ("rules (logarithmic), and the hosts they are of", "requests/s"), series)
    return p.finish(bottom, [result.source()])


def connections(results):
    result = case(results, "connections")
    points = line_points(result, r"([\d,]+)", "requests/s")
    series = [Series("Weir", 0, [(n, values) for n, _, values in points])]
    p = Picture("Requests per second by number of connections",
                f"One worker, memif ports, 128 requests in flight over all connections in turn. Line: medians. {DOTS}",
                median_text(series))
    ticks = [(n, f"{n:,}") for n, _, _ in points]
    box = charts.line_box(p.top, 270, [s.label for s in series])
    bottom = charts.lines(p, box, ticks, ("open connections of clients (logarithmic)", "requests/s"), series)
    return p.finish(bottom, [result.source()])


BODY = r"[1-9]\d* [KM]iB"


def kib(row):
    number, unit = row.split()
    return int(number) * {"KiB": 1, "MiB": 1024}[unit]


def body_series(result, columns):
    """columns: [(column, label, colour)] -> [Series] over KiB, of those that the file has"""
    sizes = [row for row in result.rows if re.fullmatch(BODY, row)]
    series = []
    for column, label, colour in columns:
        points = sorted((kib(row), result.repeats(row, column)) for row in sizes if result.repeats(row, column))
        if len(points) > 1:
            series.append(Series(label, colour, points))
    if not series:
        raise Missing(f"{result.path} has less than two rows with {columns[0][0]}")
    return series


def bodies(results):
    result = case(results, "bodies")
    rate = body_series(result, [("body_Gbit/s", "measured", 0),
                                ("Gbit/s_at_100_%_busy", "at 100 % busy", 2)])
    cost = body_series(result, [("busy_cycles/KiB", "in all", 0), (DRIVER, "in the driver", 4)])
    p = Picture("Large responses",
                f"One worker, memif ports, MTU of 1,500 bytes, each byte checked. Lines: medians. {DOTS}",
                f"Gbit/s by KiB: {median_text(rate)}. Busy cycles per KiB: {median_text(cost)}")
    ticks = sorted((kib(row), row) for row in result.rows if re.fullmatch(BODY, row))
    bottom, labels = p.top, [s.label for s in rate + cost]
    for title, series in (("Gbit/s of body", rate), ("busy cycles per KiB", cost)):
        box = charts.line_box(bottom, 190, labels)
        bottom = charts.lines(p, box, ticks, ("body of a response (logarithmic)", title), series)
    return p.finish(bottom, [result.source()])


# ---- workers, changes -----------------------------------------------------------------------------------


def workers(results):
    result = case(results, "workers")
    labels = [("1 worker", "1 worker"), ("2 processes", "2 processes, a worker each"),
              ("2 workers", "2 workers of one process")]
    rows = [Row(label, 0, result.repeats(name, BUSY), "") for name, label in labels if result.repeats(name, BUSY)]
    if not rows:
        raise Missing(f"{result.path} has no row with {BUSY}")
    p = Picture("What a second worker costs the first",
                f"Of the worker on the last CPU, memif ports. Bars: medians. {DOTS}",
                "; ".join(f"{row.label}: {figure(statistics.median(row.values))} cycles" for row in rows))
    places, bottom = charts.place_rows(rows, p.top + 4)
    box = Box(220, p.top, WIDTH - 30, bottom + 4)
    charts.draw_row_labels(p, places, box.x0)
    end, _ = charts.bars(p, places, box, "busy cycles per request")
    return p.finish(end, [result.source()])


def milliseconds(value):
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms" if value >= 1 else f"{value * 1000:g} us"


def apply(results):
    result = case(results, "apply")
    rows, worst = [], {}
    for name, label, column, colour in (
            ("weirctl apply --wait", "Weir, from publication to effect", "effect", 0),
            ("weirctl apply --wait", "Weir, apply and wait for effect", "request", 0),
            ("haproxy reload", "HAProxy, reload", "request", 1), ("nginx reload", "nginx, reload", "request", 2)):
        values, highest = result.repeats(name, f"{column}_median_ms"), result.repeats(name, f"{column}_worst_ms")
        if values and highest and min(values) > 0:
            middle, worst[label] = statistics.median(values), max(highest + values)
            rows.append(Row(label, colour, values, f"{readable(middle)}, worst {readable(worst[label])}"))
    if not rows:
        raise Missing(f"{result.path} has no row with times above 0")
    p = Picture("One change among 10,000 services",
                "Marks: median; bars to the right: the worst. Logarithmic: each line is ten times the one before.",
                "; ".join(f"{row.label}: {row.text}" for row in rows))
    places, bottom = charts.place_rows(rows, p.top + 4)
    box = Box(236, p.top, WIDTH - 170, bottom + 4)
    ends = charts.decades(min(min(row.values) for row in rows), max(worst.values()))
    axis = charts.logarithmic([(v, milliseconds(v)) for v in ends], ends[0], ends[-1], box.x0, box.x1,
                              "time until a change is in effect (logarithmic)")
    charts.draw_row_labels(p, places, box.x0)
    return p.finish(charts.marks(p, places, box, axis, worst), [result.source()])


def readable(ms):
    """Three digits and a unit."""
    return f"{figure(ms / 1000)} s" if ms >= 1000 else f"{figure(ms)} ms" if ms >= 1 else f"{figure(ms * 1000)} us"


# ---- latency ----------------------------------------------------------------------------------------------


LATENCY = """\
One worker, memif ports. Curves: the first repeat. Dots: each repeat. Open loop: a share of what it can do,
counted from when a request is due. Moments in which the generator itself stood still are in it."""


def curve_label(name, row):
    """Of a load in per cent: how much it is, which the curve's name tells."""
    rate = re.fullmatch(r"open loop, (\d+) requests/s", name)
    label = row or name
    return f"{label}: {figure(int(rate.group(1)) / 1000)} k/s" if rate and row else label


def latency_ends(result):
    """[(label, row, points)]: a curve is of the first repeat of a row, and written in the order of rows."""
    rows = [row for row in result.rows if row != "(anchor: testpmd macswap)"]
    rows = rows if len(rows) == len(result.curves) else [""] * len(result.curves)
    curves = []
    for (name, points), row in zip(result.curves, rows):
        points = [(x, y) for x, y in points if x < 100 and y > 0]
        if points:
            curves.append((curve_label(name, row), row, points))
    if not curves:
        raise Missing(f"{result.path} has no curve")
    return curves


def nines(percentile):
    """0 for the median's half, 1 for 90 %, 2 for 99 %: the axis of a tail"""
    return -math.log10(1 - percentile / 100)


def latency(results):
    result = case(results, "latency")
    curves = latency_ends(result)
    tails = ((label, next((y for x, y in points if x >= 99), points[-1][1])) for label, _, points in curves)
    p = Picture("Latency, percentile by percentile", LATENCY,
                "; ".join(f"{label}: {figure(us)} us at 99 %" for label, us in tails))
    box = charts.line_box(p.top, 360, [label for label, _, _ in curves])
    seen = [y for _, row, points in curves for y in [y for _, y in points] + latency_dots(result, row, None)]
    ends = charts.decades(min(seen), max(seen))
    last = max(1, math.ceil(max(nines(points[-1][0]) for _, _, points in curves) - 1e-6))
    marks = [(50, "50 %")] + [(100 - 10 ** (2 - n), f"{100 - 10 ** (2 - n):.10g} %") for n in range(1, last + 1)]
    x = Axis("percentile: share of requests that were faster", marks,
             lambda v: box.x0 + (box.x1 - box.x0) * nines(v) / last)
    y = charts.logarithmic([(v, milliseconds(v / 1000)) for v in ends], ends[0], ends[-1], box.y1, box.y0,
                           "latency (logarithmic)")
    charts.draw_y(p, box, y)
    bottom = charts.draw_x(p, box, x)
    labels = []
    for i, (label, row, points) in enumerate(curves):
        for percentile in (50, 90, 99, 99.9):
            for v in latency_dots(result, row, percentile):
                p.circle(x.at(percentile), y.at(v), 3, f"ghost f{i % 6}")
        labels.append((*charts.draw_curve(p, points, i % 6, x.at, y.at), label, i % 6))
    charts.draw_labels(p, box, labels)
    return p.finish(bottom, [result.source()])


def latency_dots(result, row, percentile):
    """What all repeats had there; of all percentiles: None"""
    wanted = [percentile] if percentile else (50, 90, 99, 99.9)
    return [v for k in wanted for v in result.repeats(row, f"p{k:g}_us") if v > 0]


# ---- beside others ------------------------------------------------------------------------------------------

PROXIES = [("weir", "Weir, AF_PACKET", 0), ("weir-af_xdp", "Weir, AF_XDP", 5),
           ("haproxy", "HAProxy", 1), ("nginx", "nginx", 2)]
KINDS = [("keepalive", "connections kept"), ("close", "a connection each"), ("latency", "one connection")]


def path_rows(result, column):
    """Rows of each kind of connection that has the column, under its heading."""
    rows = []
    for kind, heading in KINDS:
        of_kind = [Row(label, colour, result.repeats(f"{kind}, {proxy}", column), "")
                   for proxy, label, colour in PROXIES if result.repeats(f"{kind}, {proxy}", column)]
        rows += [heading, *of_kind] if of_kind else []
    return rows


def path_text(result, panels):
    """For people who cannot see the plot."""
    texts = []
    for column, title in panels:
        rows = path_rows(result, column)
        texts.append(f"{title}: " + "; ".join(row if isinstance(row, str) else
                                              f"{row.label} {figure(statistics.median(row.values))}" for row in rows))
    return ". ".join(texts)


def path(results):
    result = case(results, "path")
    panels = (("requests/s", "requests/s"), ("its_CPU_us/request", "us of the proxy's CPU per request"))
    panels = [(column, title) for column, title in panels if path_rows(result, column)]
    if not panels:
        raise Missing(f"{result.path} has no row of keepalive, close or latency")
    p = Picture("Beside HAProxy and nginx",
                f"One worker against one thread on the same CPU, veth pairs, wrk. Bars: medians. {DOTS}",
                path_text(result, panels))
    left, wide, end = 170, (WIDTH - 175) // len(panels), 0
    for i, (column, title) in enumerate(panels):
        places, bottom = charts.place_rows(path_rows(result, column), p.top)
        box = Box(left + i * wide, p.top, left + (i + 1) * wide - 20, bottom + 4)
        if i == 0:
            charts.draw_row_labels(p, places, left)
        end = max(end, charts.bars(p, places, box, title)[0])
    return p.finish(end, [result.source()])


def path_rules(results):
    result = case(results, "path")
    series = []
    for proxy, label, colour in PROXIES:
        points = [(n, values) for n, _, values in numbered(result, r"rules-(\d+), " + re.escape(proxy), "requests/s")]
        if len(points) > 1:
            series.append(Series(label, colour, points))
    if not series:
        raise Missing(f"{result.path} has less than two rows of rules-N")
    p = Picture("Requests per second by number of rules, beside HAProxy",
                f"Veth pairs, wrk; HAProxy reads its rules from a map file. Lines: medians. {DOTS}",
                median_text(series))
    ticks = [(n, f"{n:,}") for n in sorted({n for s in series for n, _ in s.points})]
    box = charts.line_box(p.top, 270, [s.label for s in series])
    bottom = charts.lines(p, box, ticks, ("rules (logarithmic)", "requests/s"), series)
    return p.finish(bottom, [result.source()])


PLOTS = {"request": request, "steps": steps, "rules": rules, "connections": connections, "bodies": bodies,
         "workers": workers, "latency": latency, "apply": apply, "path": path, "path-rules": path_rules}
