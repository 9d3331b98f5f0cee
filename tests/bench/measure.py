"""What is measured, in which order: figures that are compared are taken side by side."""
import json
import pathlib
import sys
import time

from installation import NET_ID, Certificate, Failed, Floor, Installation

CONNECTIONS = (1, 16, 64, 256)
SPREAD = 3  # devices that joinload wants for each connection
MANY = 64
ROUNDS = 5  # with MANY connections: the machine is others', too
TLS_NEW = 16
MAIN_DEVICES = 1_000_000  # of the figures that are told for one size
CHECKED = 1000
NO_LIMIT = "100000000"
OPEN_SHARE = 0.5  # of the joins/s that 64 connections reached
OPEN_TIMES = 2    # longer than other phases: p99.9 wants many


def say(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def latencies(result):
    return {name: result[name] for name in ("p50_us", "p90_us", "p99_us", "p999_us", "max_us")}


class Size:
    """All that is measured with one number of devices; DevNonces never come twice."""

    def __init__(self, tools, folder, devices, seconds):
        self.main = Installation(tools, folder, devices)
        self.tools = tools
        self.devices = devices
        self.seconds = seconds
        self.nonce = 1

    def say(self, text):
        say(f"{self.devices} devices: {text}")

    def prepare(self):
        """Devices, the disk floor and a start, warm and cold. Leaves keywardd running."""
        main = self.main
        self.say("filling the store")
        main.start()
        main.register()
        main.stop()
        took = main.fill()
        result = {"devices": self.devices, "fill_per_s": round(self.devices / max(took, 0.001)),
                  "disk_bytes": main.disk_bytes()}
        self.say("disk floor")
        result["disk"] = main.diskload(self.nonce, 1000 * self.seconds // 2)
        self.nonce += result["disk"]["rounds"]
        self.say("start")
        main.forget_pages()
        result["start_cold_s"] = round(main.start(), 3)
        main.stop()
        result["start_s"] = round(main.start(), 3)
        time.sleep(1)
        result["idle_memory"] = main.memory()
        return result

    def floor(self, floor, connections, *words):
        return floor.load(self.devices, "--connections", connections, "--duration",
                          max(1, self.seconds // 2), "--count", NO_LIMIT, *words)

    def joins(self, connections, seconds, *words):
        result = self.main.load("--connections", connections, "--duration", seconds, "--count",
                                NO_LIMIT, "--first-nonce", self.nonce, *words)
        self.nonce += result["answered"] // self.devices + 1
        return result

    def row(self, floor, connections, *words):
        """Joins beside the fixed answer. The floor before and after: what changes around us is in
        both; and not while the vault still folds what the joins left."""
        before = self.floor(floor, connections, *words)
        commits = self.main.status()["store"]["commits"]
        busy = self.main.processor_s()
        joins = self.joins(connections, self.seconds, *words)
        busy = {name: seconds - busy.get(name, 0)
                for name, seconds in self.main.processor_s().items()}
        commits = self.main.status()["store"]["commits"] - commits
        folding = self.main.wait_folded()
        after = self.floor(floor, connections, *words)
        base = (before["per_s"] + after["per_s"]) / 2
        return {"connections": connections, "floor_per_s": round(base),
                "floor_p50_us": before["p50_us"], "joins_per_s": round(joins["per_s"]),
                **latencies(joins), "ratio": round(joins["per_s"] / base, 3),
                "front_us": round(busy["keyward-front"] * 1e6 / joins["answered"], 1),
                "vault_us": round(busy["keyward-vault"] * 1e6 / joins["answered"], 1),
                "joins_per_commit": round(joins["answered"] / max(1, commits), 1),
                "fold_wait_s": round(folding, 2),
                "answered": joins["answered"], "resumed": joins["resumed"]}

    def rounds(self, floor, connections):
        """The middle one of several rows, by its ratio; and how far apart they were."""
        rows = [self.row(floor, connections) for _ in range(ROUNDS if connections == MANY else 1)]
        rows.sort(key=lambda row: row["ratio"])
        return {**rows[len(rows) // 2], "rounds": [
            {name: row[name] for name in ("ratio", "joins_per_s", "p50_us", "p99_us")}
            for row in rows]}

    def flood(self, floor, mode):
        self.say(f"flood, {mode}")
        before = self.floor(floor, MANY)
        flood = self.main.load("--mode", mode, "--connections", MANY, "--duration", self.seconds,
                               "--count", NO_LIMIT, "--first-nonce", self.nonce)
        self.main.wait_folded()
        after = self.floor(floor, MANY)
        base = (before["per_s"] + after["per_s"]) / 2
        return {"connections": MANY, "floor_per_s": round(base), "per_s": round(flood["per_s"]),
                **latencies(flood), "ratio": round(flood["per_s"] / base, 3)}

    def open_loop(self, joins_per_s):
        """Latency at a rate that the server can stand, counted from when a request was due."""
        rate = max(1, round(joins_per_s * OPEN_SHARE))
        self.say(f"open loop, {rate}/s")
        result = self.joins(MANY, OPEN_TIMES * self.seconds, "--rate", rate)
        self.main.wait_folded()
        return {"connections": MANY, "rate": rate, "per_s": round(result["per_s"]),
                **latencies(result), "late": result["late"], "unsent": result["unsent"]}

    def serve(self, floor):
        """Everything over plain HTTP."""
        self.say("warming up")
        self.floor(floor, MANY)
        self.joins(MANY, 1)
        self.main.wait_folded()
        rows = []
        for connections in CONNECTIONS:
            if connections * SPREAD <= self.devices:
                self.say(f"{connections} connections")
                rows.append(self.rounds(floor, connections))
        many = next(row for row in rows if row["connections"] == MANY)
        result = {"rows": rows, "open": self.open_loop(many["joins_per_s"]),
                  "unknown": self.flood(floor, "unknown"),
                  "wrong_mic": self.flood(floor, "wrong-mic")}
        result["memory_after_load"] = self.main.memory()
        return result

    def more_fronts(self):
        """The same again with two processes that speak HTTP."""
        self.say("two fronts")
        self.main.stop()
        self.main.configure(fronts=2)
        self.main.start()
        result = self.joins(MANY, self.seconds)
        self.main.wait_folded()
        return {"fronts": 2, "connections": MANY, "joins_per_s": round(result["per_s"]),
                **latencies(result)}

    def tls(self):
        """All over TLS; each kind beside the fixed answer reached the same way."""
        main = self.main
        client = Certificate(main.folder, "client")
        certificate = Certificate(main.folder, "server")
        main.stop()
        main.configure(certificate)
        main.start()
        floor = Floor(self.tools, certificate)
        try:
            return [self.tls_row(floor, *kind) for kind in tls_kinds(certificate, client)]
        finally:
            floor.stop()

    def tls_row(self, floor, name, connections, *words):
        self.say(f"TLS, {name}")
        row = self.row(floor, connections, *words)
        wanted = row["answered"] - connections if "--resume" in words else 0
        if row["resumed"] < wanted or (wanted == 0 and row["resumed"] != 0):
            raise Failed(f"TLS, {name}: {row['resumed']} sessions resumed of {row['answered']} "
                         "connections")
        return {"kind": name, **row}

    def verify(self):
        """Joins whose every octet is checked, which joinload has no time for; over TLS by now."""
        main = self.main
        self.say("checking answers in full")
        out = self.tools.run("keyward", "simulate", "--json", "--url",
                             f"https://localhost:{main.port}/", "--ca", main.certificate.pem,
                             "--devices", main.write_csv(min(CHECKED, self.devices)), "--net-id",
                             NET_ID, "--token-file", main.token, "--dev-nonce", self.nonce,
                             "--count", CHECKED, "--connections", 16)
        return json.loads(out)["right"]


def tls_kinds(certificate, client):
    tls = ("--tls", "--ca", certificate.pem)
    new = (*tls, "--new-connections")
    return (("kept", MANY, *tls),
            ("new, full handshake", TLS_NEW, *new),
            ("new, client certificate", TLS_NEW, *new, "--certificate", client.pem, "--key",
             client.key),
            ("new, resumed", TLS_NEW, *new, "--resume"))


def first_join(tools, folder):
    """Seconds from `init` to the first answered join, as a new user goes."""
    say("first join")
    begun = time.monotonic()
    small = Installation(tools, folder, SPREAD)
    try:
        small.start()
        small.register()
        small.import_devices()
        small.load("--connections", 1, "--count", 1)
        return round(time.monotonic() - begun, 3)
    finally:
        small.remove()


def import_rate(tools, folder, rows):
    """Sealed rows a second, sorted, through the command line into an empty store."""
    say(f"importing {rows} devices")
    main = Installation(tools, folder, rows)
    try:
        main.start()
        took = main.import_devices()
        return {"rows": rows, "seconds": round(took, 2), "per_s": round(rows / took),
                "memory_after": main.memory()}
    finally:
        main.remove()


def measure_size(tools, folder, devices, seconds, main):
    """One number of devices; the main one also over TLS and with two fronts."""
    size = Size(tools, folder, devices, seconds)
    try:
        result = size.prepare()
        floor = Floor(tools)
        try:
            result.update(size.serve(floor))
        finally:
            floor.stop()
        if main:
            result["fronts"] = size.more_fronts()
            result["tls"] = size.tls()
            result["fully_checked"] = size.verify()
        return result
    finally:
        size.main.remove()


def main_size(sizes):
    """That of the figures told for one: a million, or what comes nearest below."""
    below = [size for size in sizes if size <= MAIN_DEVICES]
    return max(below) if below else min(sizes)


def measure(tools, folder, sizes, seconds, import_rows):
    results = {"init_to_first_join_s": first_join(tools, folder),
               "import": import_rate(tools, folder, import_rows),
               "main_devices": main_size(sizes), "seconds": seconds, "sizes": []}
    for devices in sorted(sizes):
        results["sizes"].append(measure_size(tools, folder, devices, seconds,
                                             devices == results["main_devices"]))
    say("")
    return results


def file_system(folder):
    """Kind of file system: figures of one in memory say nothing about a disk."""
    best = ("", "unknown")
    where_is = str(pathlib.Path(folder).resolve())
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        where, kind = line.split()[1:3]
        inside = where_is == where or where_is.startswith(where.rstrip("/") + "/")
        if inside and len(where) >= len(best[0]):
            best = (where, kind)
    return best[1]
