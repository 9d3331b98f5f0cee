"""The pages and pictures of the benchmark, of results that are made up here."""
import copy
import pathlib
import sys
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import plot
import report
from figures import disk_floor, figures

LATENCIES = {"p50_us": 2000, "p90_us": 3000, "p99_us": 8000, "p999_us": 12345, "max_us": 20000}


def row(connections, joins, ratio, **changes):
    return {"connections": connections, "floor_per_s": round(joins / ratio), "floor_p50_us": 40,
            "joins_per_s": joins, **LATENCIES, "ratio": ratio, "front_us": 30.5, "vault_us": 20.5,
            "joins_per_commit": connections / 2, "fold_wait_s": 0.5, "answered": 3 * joins,
            "resumed": 0, "rounds": [
                {"ratio": ratio / 2, "joins_per_s": joins // 2, "p50_us": 1900, "p99_us": 7000},
                {"ratio": ratio, "joins_per_s": joins, "p50_us": 2000, "p99_us": 8000}],
            **changes}


def size(devices, **changes):
    memory = {"pss_mib": 12.5, "anonymous_mib": 6.5}
    return {
        "devices": devices, "fill_per_s": 200000, "disk_bytes": 160 * devices,
        "disk": {"flush": LATENCIES, "folded": 5, "fold_s": 0.25, "rounds": 1, "batches": [
            {"size": 1, "per_s": 1000.0, **LATENCIES}, {"size": 8, "per_s": 4000.0, **LATENCIES},
            {"size": 64, "per_s": 16000.0, **LATENCIES},
            {"size": 256, "per_s": 32000.0, **LATENCIES}]},
        "start_s": 0.15, "start_cold_s": 0.5, "idle_memory": memory, "memory_after_load": memory,
        "rows": [row(1, 1000, 0.05), row(64, 9000, 0.3)],
        "open": {"connections": 64, "rate": 4500, "per_s": 4499, **LATENCIES, "late": 17,
                 "unsent": 3},
        "unknown": {"connections": 64, "per_s": 20000, **LATENCIES, "ratio": 0.5},
        "wrong_mic": {"connections": 64, "per_s": 15000, **LATENCIES, "ratio": 0.4}, **changes}


def results(*sizes):
    main = size(1_000_000, fully_checked=1000,
                fronts={"fronts": 2, "connections": 64, "joins_per_s": 7000, **LATENCIES},
                tls=[row(64, 5000, 0.7, kind="kept"), row(16, 500, 0.79, kind="new, full handshake")])
    return {
        "command": "tests/bench/run", "date": "2026-01-02", "file_system": "ext4", "took_s": 300,
        "buildtype": "release", "init_to_first_join_s": 0.1, "main_devices": 1_000_000,
        "machine": {"cores": 2, "model": "A & B <C>", "memory_gib": 4, "kernel": "6",
                    "load_average": 0.5},
        "import": {"rows": 1000, "seconds": 0.1, "per_s": 60000},
        "sizes": sorted([main, *sizes], key=lambda one: one["devices"])}


class Figures(unittest.TestCase):
    def verdicts(self, *sizes):
        return {figure.words: figure.verdict for figure in figures(results(*sizes))}

    def test_each_bound_decides(self):
        found = self.verdicts(size(1000), size(10_000_000, start_s=2.01, rows=[row(64, 5000, 0.2)]))
        self.assertEqual(found, {
            "joins/s, 64 kept connections, over the HTTP floor": "reached",
            "p50 at 64 connections": "reached",
            "p99 at 64 connections": "reached",
            "p50 of one connection alone": "missed",
            "joins over the HTTP floor, 10,000,000 devices over 1,000,000": "missed",
            "TLS, kept connections, over the TLS floor": "goal reached",
            "TLS, a connection for each join, over the handshake floor": "missed",
            "refusals/s of unknown devices over the HTTP floor": "reached",
            "import of sealed rows": "reached",
            "start with 10,000,000 devices": "missed",
            "memory of all processes, idle, 1,000 devices": "goal reached",
            "memory beyond the page cache, idle, 10,000,000 devices": "goal reached",
        })

    def test_what_was_not_measured_is_not_reached(self):
        missing = [words for words, verdict in self.verdicts().items() if "not measured" in verdict]
        self.assertEqual(len(missing), 4)
        missing = [words for words, verdict
                   in self.verdicts(size(1000, idle_memory=None)).items() if "root" in verdict]
        self.assertEqual(len(missing), 2)

    def test_the_disk_floor_has_as_large_commits(self):
        one = size(1000)
        for commits, expected in ((0.5, 1000), (1, 1000), (8, 4000), (64, 16000), (256, 32000),
                                  (300, 32000)):
            self.assertAlmostEqual(disk_floor(one, {"joins_per_commit": commits}), expected)
        # Half-way from 8 in 2 ms to 64 in 4 ms.
        self.assertAlmostEqual(disk_floor(one, {"joins_per_commit": 36}), 36 / 0.003)


class Page(unittest.TestCase):
    def test_every_table_is_whole(self):
        for sizes in ((), (size(1000), size(10_000_000))):
            widths = []
            for line in report.text(results(*sizes)).splitlines():
                if line.startswith("|"):
                    widths.append(line.count("|"))
                elif widths:
                    self.assertEqual(len(set(widths)), 1, widths)
                    self.assertGreater(len(widths), 2)
                    widths = []

    def test_it_tells_the_tail_and_what_was_not_sent(self):
        page = report.text(results(), "cost.svg")
        self.assertIn("12.35", page)
        self.assertIn("17 sent over a millisecond late, 3 not at all", page)
        self.assertIn("![Cost against the number of devices](cost.svg)", page)

    def test_it_tells_how_far_apart_the_rounds_were(self):
        page = report.text(results(size(1000)))
        self.assertIn("of 2 rounds, by its ratio: joins/s 4,500 to 9,000, ratio 0.15 to 0.30, p50 1.90 to "
                      "2.00 ms, p99 7.00 to 8.00 ms.", page)

    def test_without_root(self):
        page = report.text(results(size(1000, idle_memory=None, memory_after_load=None)))
        self.assertIn("only root can see it", page)


class Picture(unittest.TestCase):
    def test_ticks_enclose_the_values(self):
        for value in (0.003, 0.9, 1, 7, 12.5, 99, 100, 101, 54321):
            ticks = plot.line_ticks(value)
            self.assertEqual(ticks[0], 0)
            self.assertTrue(ticks[-2] < value <= ticks[-1], (value, ticks))
            self.assertTrue(3 <= len(ticks) <= 9, ticks)
            for high in (value, 3 * value, 10 * value, 1e6 * value):
                ticks = plot.log_ticks(value, high)
                self.assertTrue(ticks[0] <= value and high <= ticks[-1], (value, high, ticks))

    def test_it_is_xml_with_every_panel(self):
        for sizes in ((), (size(1000), size(10_000_000, idle_memory=None))):
            made = results(*sizes)
            root = xml.fromstring(plot.svg(made))
            name = "{http://www.w3.org/2000/svg}"
            self.assertEqual(len(root.findall(name + "g")), 6)
            circles = root.findall(f".//{name}circle")
            # 4 + 4 + 3 + 2 + 2 + 2 lines; memory is missing of one size.
            self.assertEqual(len(circles), 17 * len(made["sizes"]) - (1 if sizes else 0))
            width, height = (float(root.get(side)) for side in ("width", "height"))
            for circle in circles:
                self.assertTrue(0 < float(circle.get("cx")) < width)
                self.assertTrue(0 < float(circle.get("cy")) < height)

    def test_more_is_higher(self):
        panel = plot.Panel("a", "b", [("c", [(1, 5), (10, 50)])])
        self.assertLess(panel.y(50), panel.y(5))
        panel = plot.Panel("a", "b", [("c", [(1, 5), (10, 50)])], log=True)
        self.assertLess(panel.y(50), panel.y(5))
        self.assertEqual(plot.Panel("a", "b", [("c", [(1, 0), (10, 0)])]).y(0), panel.y(panel.ticks[0]))

    def test_results_are_not_changed(self):
        made = results(size(1000))
        before = copy.deepcopy(made)
        plot.svg(made)
        report.text(made)
        self.assertEqual(made, before)


unittest.main()
