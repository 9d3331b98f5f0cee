"""Cost against the number of devices as a picture (SVG), with nothing but text."""
import math
from xml.sax.saxutils import escape

from figures import disk_floor, row_of

COLOURS = ("#0b6fa4", "#d1495b", "#3a7d44", "#8a5a9e", "#b7791f")
WIDTH, HEIGHT = 360, 256  # of a panel, axes and legend included
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 34, 66
COLUMNS = 3
MARGIN = 12
GAP = 20
TITLE = 40
INK, FAINT = "#1f2933", "#d9dee4"


def short(value):
    """1k, 2.5M, 300, 0.05"""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def line_ticks(top):
    """From 0 to not below `top` in four to eight round steps."""
    raw = max(top, 1e-9) / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    count = math.ceil(top / step - 1e-9) or 1
    return [float(f"{step * i:.6g}") for i in range(count + 1)]


def log_ticks(low, high):
    """1, 2, 5 of each decade, decades alone if there are many; from below `low` to above `high`."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if len(decades) > 4 else (1, 2, 5)
    ticks = [float(f"{factor}e{decade}") for decade in decades for factor in factors]
    first = max((tick for tick in ticks if tick <= low), default=ticks[0])
    last = min((tick for tick in ticks if tick >= high), default=ticks[-1])
    return [tick for tick in ticks if first <= tick <= last]


class Panel:
    """One diagram; `series` are pairs of a name and points (devices, value)."""

    def __init__(self, title, unit, series, log=False):
        self.title, self.unit, self.log = title, unit, log
        self.series = [(name, [(x, y) for x, y in points if y is not None])
                       for name, points in series]
        self.series = [(name, points) for name, points in self.series if points]
        values = [y for _, points in self.series for _, y in points] or [1]
        if log:
            positive = [value for value in values if value > 0] or [1]
            self.ticks = log_ticks(min(positive), max(positive))
            if len(self.ticks) == 1:
                self.ticks.append(self.ticks[0] * 10)
        else:
            self.ticks = line_ticks(max(values))

    def y(self, value):
        low, high = self.ticks[0], self.ticks[-1]
        if self.log:
            value = max(value, low)
            share = math.log(value / low) / math.log(high / low)
        else:
            share = (value - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def draw(self, x_of, devices):
        out = [f'<text x="{LEFT - 30}" y="18" class="title">{escape(self.title)}'
               f'<tspan class="unit" dx="6">{escape(self.unit)}</tspan></text>']
        for tick in self.ticks:
            y = self.y(tick)
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                       'class="grid"/>')
            out.append(f'<text x="{LEFT - 8}" y="{y + 3.5:.1f}" text-anchor="end">{short(tick)}'
                       '</text>')
        base = HEIGHT - BOTTOM
        for count in devices:
            x = x_of(count)
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}" class="axis"/>')
            out.append(f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{short(count)}'
                       '</text>')
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}" class="axis"/>')
        out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{base + 30}" text-anchor="middle" '
                   'class="unit">devices</text>')
        for number, (name, points) in enumerate(self.series):
            out += self.draw_series(x_of, COLOURS[number], points)
        return out + list(self.legend())

    def draw_series(self, x_of, colour, points):
        places = [(x_of(x), self.y(y), x, y) for x, y in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in places)
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for x, y, count, value in places:
            yield (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"><title>'
                   f'{count:,} devices: {value:g} {escape(self.unit)}</title></circle>')

    def legend(self):
        """Below the axis, as many to a line as fit."""
        x, y = LEFT - 30, HEIGHT - 18
        for number, (name, _) in enumerate(self.series):
            width = 32 + 6.2 * len(name)
            if x + width > WIDTH and number > 0:
                x, y = LEFT - 30, y + 14
            yield (f'<line x1="{x:.0f}" x2="{x + 14:.0f}" y1="{y - 3.5}" y2="{y - 3.5}" '
                   f'stroke="{COLOURS[number]}" stroke-width="3"/>')
            yield f'<text x="{x + 18:.0f}" y="{y}">{escape(name)}</text>'
            x += width


def points(results, value):
    return [(size["devices"], value(size)) for size in results["sizes"]]


def of_row(connections, name, scale=1):
    def value(size):
        row = row_of(size["rows"], connections)
        return row[name] * scale if row else None
    return value


def of_memory(when):
    return lambda size: size[when]["anonymous_mib"] if size[when] else None


def panels(results):
    def disk(size):
        return disk_floor(size, row_of(size["rows"], 64))

    def at(value):
        return points(results, value)

    return [
        Panel("Rate", "per s", [
            ("HTTP floor", at(of_row(64, "floor_per_s"))), ("disk floor", at(disk)),
            ("joins, 64 connections", at(of_row(64, "joins_per_s"))),
            ("joins, 1", at(of_row(1, "joins_per_s")))], log=True),
        Panel("Latency, 64 connections, closed loop", "ms", [
            ("p50", at(of_row(64, "p50_us", 1e-3))), ("p99", at(of_row(64, "p99_us", 1e-3))),
            ("p99.9", at(of_row(64, "p999_us", 1e-3))),
            ("p50 of 1 alone", at(of_row(1, "p50_us", 1e-3)))], log=True),
        Panel("Latency, open loop at half the rate", "ms", [
            (name, at(lambda size, key=key: size["open"][key] / 1000))
            for name, key in (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"))],
            log=True),
        Panel("Processor time of a join, 64 connections", "µs", [
            ("front", at(of_row(64, "front_us"))), ("vault", at(of_row(64, "vault_us")))]),
        Panel("Memory beyond the page cache", "MiB", [
            ("idle", at(of_memory("idle_memory"))),
            ("after the load", at(of_memory("memory_after_load")))]),
        Panel("Start", "ms", [
            ("warm page cache", at(lambda size: 1000 * size["start_s"])),
            ("cold", at(lambda size: 1000 * size["start_cold_s"]))]),
    ]


def svg(results):
    devices = [size["devices"] for size in results["sizes"]]
    low, high = math.log(devices[0]), math.log(devices[-1])

    def x_of(count):
        share = (math.log(count) - low) / (high - low) if high > low else 0.5
        return LEFT + 10 + share * (WIDTH - LEFT - RIGHT - 20)

    drawn = panels(results)
    width = 2 * MARGIN + COLUMNS * WIDTH
    height = TITLE + MARGIN + math.ceil(len(drawn) / COLUMNS) * (HEIGHT + GAP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           f'width="{width}" height="{height}" role="img">',
           "<title>Keyward: cost against the number of devices</title>",
           "<style>text{font:11px system-ui,sans-serif;fill:" + INK + "}.title{font-size:13px;"
           "font-weight:600}.title .unit{font-size:11px;font-weight:400}.head{font-size:16px;font-weight:600}.unit{fill:#52606d}.grid{stroke:"
           + FAINT + "}.axis{stroke:" + INK + "}</style>",
           f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
           f'<text x="{MARGIN + 16}" y="28" class="head">Keyward: cost against the number of devices'
           f'</text><text x="{width - MARGIN - 16}" y="28" text-anchor="end" class="unit">'
           f'{escape(caption(results))}</text>']
    for number, panel in enumerate(drawn):
        x = MARGIN + number % COLUMNS * WIDTH
        y = TITLE + number // COLUMNS * (HEIGHT + GAP)
        out.append(f'<g transform="translate({x},{y})">')
        out += panel.draw(x_of, devices)
        out.append("</g>")
    return "\n".join([*out, "</svg>\n"])


def caption(results):
    machine = results["machine"]
    return (f"{results['date']}, {machine['cores']} cores, {results['file_system']}, "
            "load generator on the same machine")
