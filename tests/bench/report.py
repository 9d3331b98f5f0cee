"""A run in words: tables as Markdown, which reads well in a terminal, too."""
from figures import disk_floor, figures, of_size, row_of

COMMAND = "tests/bench/run"


def bound(value):
    return f"{value:,}"


def ms(us):
    return f"{us / 1000:.2f}"


def number(value):
    if isinstance(value, float) and abs(value) < 100:
        return f"{value:.2f}"
    return f"{round(value):,}"


def exact(value):
    """Three digits at least: one just below its bound must not look as if it were reached."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def mib(memory):
    return "only root can see it" if memory is None else (
        f"{memory['pss_mib']} MiB, {memory['anonymous_mib']} without mapped files")


def table(head, rows):
    """Numbers to the right, other columns to the left, as wide as they must be."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    left = [not any(row[i][:1].isdigit() for row in rows) for i in range(len(head))]
    left[0] = True
    line = [":" + "-" * (width - 1) if is_left else "-" * (width - 1) + ":"
            for width, is_left in zip(widths, left)]

    def one(cells):
        return "| " + " | ".join(cell.ljust(width) if is_left else cell.rjust(width)
                                 for cell, width, is_left in zip(cells, widths, left)) + " |"

    return "\n".join([one(head), one(line), *map(one, rows)])


def figure_table(results):
    rows = []
    for figure in figures(results):
        value = "" if figure.value is None else f"{exact(figure.value)} {figure.unit}".strip()
        rows.append([figure.words, bound(figure.must), bound(figure.goal), value, figure.verdict])
    return table(["figure", "must", "goal", "measured", ""], rows)


LATENCIES = ["p50 ms", "p99 ms", "p99.9 ms", "max ms"]


def latencies(result):
    return [ms(result[name]) for name in ("p50_us", "p99_us", "p999_us", "max_us")]


def size_table(results):
    rows = []
    for size in results["sizes"]:
        row = row_of(size["rows"], 64)
        after = size["memory_after_load"]
        idle = size["idle_memory"]
        rows.append([
            f"{size['devices']:,}", number(row["joins_per_s"]), number(row["ratio"]),
            *latencies(row)[:3], number(row["front_us"]), number(row["vault_us"]),
            round(1000 * size["start_s"]), round(1000 * size["start_cold_s"]),
            "-" if idle is None else idle["anonymous_mib"],
            "-" if after is None else after["anonymous_mib"],
            round(size["disk_bytes"] / size["devices"])])
    return table(["devices", "joins/s", "ratio", *LATENCIES[:3], "front µs", "vault µs", "start ms",
                  "cold ms", "idle MiB", "after MiB", "octets"], rows)


def join_table(size):
    """Beside both floors: HTTP without joining, the same commits without HTTP."""
    rows = []
    for row in size["rows"]:
        disk = disk_floor(size, row)
        rows.append([row["connections"], number(row["joins_per_s"]), number(row["floor_per_s"]),
                     number(row["ratio"]), row["joins_per_commit"], number(disk),
                     number(row["joins_per_s"] / disk), *latencies(row)])
    return table(["connections", "joins/s", "HTTP floor/s", "ratio", "joins/commit", "disk floor/s",
                  "ratio", *LATENCIES], rows)


def spread(row):
    """Of the rounds that the row is the middle one of."""
    def ends(name, write):
        values = [one[name] for one in row["rounds"]]
        return f"{write(min(values))} to {write(max(values))}"

    return (f"With {row['connections']} connections the middle one of {len(row['rounds'])} rounds, by its "
            f"ratio: joins/s {ends('joins_per_s', number)}, ratio {ends('ratio', number)}, p50 "
            f"{ends('p50_us', ms)} ms, p99 {ends('p99_us', ms)} ms.")


def disk_table(size):
    rows = [[batch["size"], number(batch["per_s"]), *latencies(batch)]
            for batch in size["disk"]["batches"]]
    return table(["joins/commit", "disk floor/s", *LATENCIES], rows)


def other_table(size):
    rows = [["open loop, 64 connections", f"{size['open']['per_s']:,} of {size['open']['rate']:,}",
             "-", *latencies(size["open"])]]
    for name, key in (("flood of unknown devices", "unknown"), ("flood of wrong MICs", "wrong_mic")):
        flood = size[key]
        rows.append([name, number(flood["per_s"]), number(flood["ratio"]), *latencies(flood)])
    if "fronts" in size:
        rows.append(["joins, two fronts, 64 connections", number(size["fronts"]["joins_per_s"]),
                     "-", *latencies(size["fronts"])])
    return table(["load", "per s", "over HTTP floor", *LATENCIES], rows)


def tls_table(size):
    rows = [[row["kind"], row["connections"], number(row["floor_per_s"]),
             number(row["joins_per_s"]), number(row["ratio"]), *latencies(row)]
            for row in size["tls"]]
    return table(["TLS", "connections", "TLS floor/s", "joins/s", "ratio", *LATENCIES], rows)


def size_text(size):
    opened = size["open"]
    return f"""## {size['devices']:,} devices

{join_table(size)}

{spread(row_of(size['rows'], 64))}

{disk_table(size)}

One flush of the disk takes {ms(size['disk']['flush']['p50_us'])} ms (p50), \
{ms(size['disk']['flush']['p99_us'])} ms (p99). Folding {size['disk']['folded']:,} devices took \
{size['disk']['fold_s']:.1f} s.

{other_table(size)}

Open loop: {opened['late']:,} sent over a millisecond late, {opened['unsent']:,} not at all. Memory: \
{mib(size['idle_memory'])} idle; {mib(size['memory_after_load'])} after the load. Disk: \
{size['disk_bytes'] / 2**20:,.1f} MiB before the first join. Start: {size['start_s']:.2f} s, out of a cold \
page cache {size['start_cold_s']:.2f} s.
"""


def text(results, plot=None):
    """A whole page. `plot`: address of the picture, if there is one."""
    machine = results["machine"]
    main = of_size(results, results["main_devices"])
    imported = results["import"]
    parts = [f"""# A run of the benchmark

Written by `{results['command']}` on {results['date']}: {machine['cores']} cores ({machine['model']}), \
{machine['memory_gib']} GiB, {results['file_system']}, Linux {machine['kernel']}, {results['buildtype']} build; \
the load generator runs on the same cores. Load average of the machine before the run: \
{machine['load_average']:.2f}; {results['took_s'] / 60:.0f} minutes. How to read it: \
[performance.md](performance.md).

## Figures

Told for {main['devices']:,} devices unless the line says otherwise.

{figure_table(results)}

`init` to the first answered join: {results['init_to_first_join_s']:.2f} s. Import: {imported['rows']:,} rows in \
{imported['seconds']:.1f} s. Checked in full: {main['fully_checked']:,} joins, all right.

## Cost against the number of devices

"""]
    if plot is not None:
        parts.append(f"![Cost against the number of devices]({plot})\n\n")
    parts.append(f"""64 kept connections; processor time of one join; start with a warm and a cold page cache; \
memory without mapped files; octets on the disk for each device before it ever joined.

{size_table(results)}

## TLS, {main['devices']:,} devices

{tls_table(main)}

""")
    parts.append("\n".join(size_text(size) for size in results["sizes"]))
    return "".join(parts)
