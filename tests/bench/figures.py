"""The figures that Keyward is to reach: what it must, what it should, what it did."""
import dataclasses

LARGE = 10_000_000
SMALL = 1_000


@dataclasses.dataclass
class Figure:
    words: str
    must: float
    goal: float
    value: float = None  # None: not measured in this run
    unit: str = ""
    more: bool = True    # the more the better
    why_not: str = ""

    def reaches(self, bound):
        return self.value >= bound if self.more else self.value <= bound

    @property
    def verdict(self):
        if self.value is None:
            return f"not measured: {self.why_not}"
        if self.reaches(self.goal):
            return "goal reached"
        return "reached" if self.reaches(self.must) else "missed"


def row_of(rows, connections):
    return next((row for row in rows if row["connections"] == connections), None)


def of_size(results, devices):
    return next((size for size in results["sizes"] if size["devices"] == devices), None)


def disk_floor(size, row):
    """Joins/s of the same commits without HTTP: as many in each as this row had. Between the sizes
    that were measured the time of a commit grows evenly."""
    wanted = row["joins_per_commit"]
    times = [(batch["size"], batch["size"] / batch["per_s"]) for batch in size["disk"]["batches"]]
    for (left, left_s), (right, right_s) in zip(times, times[1:]):
        if wanted <= right or right == times[-1][0]:
            share = min(max((wanted - left) / (right - left), 0), 1)
            joins = left + share * (right - left)
            return joins / (left_s + share * (right_s - left_s))
    return None


def tls_ratio(main, kind):
    return next(row["ratio"] for row in main["tls"] if row["kind"] == kind)


def scaling(results, main):
    """Joins over the HTTP floor at ten million devices, over the same at the main size."""
    large = of_size(results, LARGE)
    if large is None or main is large:
        return None
    return row_of(large["rows"], 64)["ratio"] / row_of(main["rows"], 64)["ratio"]


def idle_mib(size, kind):
    return size["idle_memory"][kind] if size is not None and size["idle_memory"] else None


def figures(results):
    """Of one run, in the order of the design."""
    main = of_size(results, results["main_devices"])
    large, small = of_size(results, LARGE), of_size(results, SMALL)
    many, alone = row_of(main["rows"], 64), row_of(main["rows"], 1)
    large_why, small_why = f"needs {LARGE:,} devices", f"needs {SMALL:,} devices, as root"
    return [
        Figure("joins/s, 64 kept connections, over the HTTP floor", 0.15, 0.40, many["ratio"]),
        Figure("p50 at 64 connections", 4, 1.5, many["p50_us"] / 1000, "ms", False),
        Figure("p99 at 64 connections", 10, 4, many["p99_us"] / 1000, "ms", False),
        Figure("p50 of one connection alone", 0.8, 0.35, alone["p50_us"] / 1000, "ms", False),
        Figure(f"joins over the HTTP floor, {LARGE:,} devices over {main['devices']:,}", 0.7, 0.9,
               scaling(results, main), why_not=large_why),
        Figure("TLS, kept connections, over the TLS floor", 0.3, 0.6, tls_ratio(main, "kept")),
        Figure("TLS, a connection for each join, over the handshake floor", 0.8, 0.95,
               tls_ratio(main, "new, full handshake")),
        Figure("refusals/s of unknown devices over the HTTP floor", 0.3, 0.6,
               main["unknown"]["ratio"]),
        Figure("import of sealed rows", 50_000, 200_000, results["import"]["per_s"], "rows/s"),
        Figure(f"start with {LARGE:,} devices", 2, 0.2, large and large["start_s"], "s", False,
               large_why),
        Figure(f"memory of all processes, idle, {SMALL:,} devices", 30, 15,
               idle_mib(small, "pss_mib"), "MiB", False, small_why),
        Figure(f"memory beyond the page cache, idle, {LARGE:,} devices", 200, 60,
               idle_mib(large, "anonymous_mib"), "MiB", False, large_why + ", as root"),
    ]
