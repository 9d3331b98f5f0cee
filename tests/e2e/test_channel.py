"""A front or a portal that was taken over shuts down its channel to the vault: it is ended, the next one
gets a new channel, and nobody else notices."""
import contextlib
import http.client
import os
import pathlib
import re
import signal
import sys
import tempfile
import time

import taken_over
from lorawan import Device
from server import Server, code, join_req, run_tests
from stub_ns import wait_for

JOIN_EUI = "70b3d57ed0001234"
KEY = bytes.fromhex("1f2e3d4c5b6a79880716253443526170")
SHUT = "the channel between a child and the vault was shut down"
CONNECTIONS = 32  # all of them with one of two fronts: once in 2,000,000,000 times
SETTLED_MS = 5000


class Bench:
    """A server with two fronts, a device that joins, and what to tell the intruders."""

    def __init__(self, server, orders):
        self.server = server
        self.orders = orders
        self.device = Device("0004a30b001c0902", JOIN_EUI, "1.0.4", KEY)
        self.token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        server.import_rows([[JOIN_EUI, self.device.dev_eui.hex(), "1.0.4", KEY.hex(), ""]])

    def join(self, connection=None):
        status, answer, _ = self.server.post(join_req(self.device), self.token,
                                             connection=connection)
        assert status == 200 and code(answer) == "Success", (status, answer)

    def served(self):
        """Who asks is served by each front: many new connections."""
        with self.connections() as connections:
            assert len(connections) == CONNECTIONS

    @contextlib.contextmanager
    def connections(self):
        """Kept ones, with both fronts, each after a join."""
        with contextlib.ExitStack() as stack:
            links = []
            for _ in range(CONNECTIONS):
                link = self.server.connect()
                stack.callback(link.close)
                self.join(link)
                links.append(link)
            yield links

    def shut(self, name, way):
        """Until keywardd has ended the child."""
        pid = self.server.children()[name]
        before = self.server.new_log().count(SHUT)
        taken_over.order(self.orders, f"of-{pid}", way)
        self.await_log(lambda log: log.count(SHUT) > before)
        wait_for(f"{name} goes on", lambda: pid not in self.server.children().values(), 15)
        return pid

    def await_log(self, condition):
        wait_for(lambda: self.server.new_log(), lambda: condition(self.server.new_log()), 15)

    def back(self, name, old):
        """There is another one in its place."""
        def is_back():
            now = self.server.children()
            return old not in now.values() and sorted(now) == ["front", "front+", "portal", "vault"]
        wait_for(lambda: f"{name} is not back\n{self.server.new_log()}", is_back, 15)

    def others(self, old):
        return {pid for pid in self.server.children().values() if pid != old}


@contextlib.contextmanager
def bench():
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as after:
        build = taken_over.installation.BUILD
        after.callback(setattr, taken_over.installation, "BUILD", build)
        orders = taken_over.install(pathlib.Path(folder))
        with Server(fronts=2) as server:
            yield Bench(server, orders)


def go_on(bench, links):
    """A join on each of the kept connections; those with the front that lives answer. @return how many
    were broken"""
    broken = 0
    for link in links:
        try:
            bench.join(link)
        except (OSError, http.client.HTTPException):
            broken += 1
    return broken


def test_front():
    with bench() as b:
        for number, way in enumerate(taken_over.WAYS):
            name = ("front", "front+")[number % 2]
            others = b.others(b.server.children()[name])
            with b.connections() as links:
                start = time.monotonic()
                old = b.shut(name, way)
                broken = go_on(b, links)
            assert 0 < broken < CONNECTIONS, f"{broken} connections were broken"
            b.back(name, old)
            b.served()
            took = time.monotonic() - start
            assert others < set(b.server.children().values()), "another process was ended, too"
            assert b.server.new_log().count(SHUT) == number + 1, b.server.new_log()
            print(f"{way}: both fronts serve after {took:.1f} s; {broken} connections were with {name}")
        status = b.server.json("status")
        assert sum(p["restarts"] for p in status["processes"]) == len(taken_over.WAYS), status


def test_portal():
    with bench() as b:
        for number, way in enumerate(taken_over.WAYS):
            others = b.others(b.server.children()["portal"])
            old = b.shut("portal", way)
            b.served()
            b.back("portal", old)
            b.server.cli("status")
            assert others < set(b.server.children().values()), "another process was ended, too"
            assert b.server.new_log().count(SHUT) == number + 1, b.server.new_log()


def test_vault_dies_before_it_has_the_channel():
    with bench() as b:
        vault = b.server.children()["vault"]
        os.kill(vault, signal.SIGSTOP)
        old = b.shut("front", "SHUT_RDWR")
        b.back("front", old)
        with contextlib.suppress(ProcessLookupError):  # it was killed for being stuck
            os.kill(vault, signal.SIGKILL)
        b.back("vault", vault)
        b.await_log(lambda log: re.search("child serves again child=vault", log))
        b.served()


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_again_and_again():
    """Each new front does it at once: it is given less and less opportunity, and the vault goes on."""
    with bench() as b:
        vault, portal = b.server.children()["vault"], b.server.children()["portal"]
        b.served()
        taken_over.order(b.orders, "each-front", "SHUT_RDWR")
        b.shut("front", "SHUT_RDWR")
        b.await_log(lambda log: log.count("child died") >= 5)
        used, start = cpu_s(b.server.process.pid), time.monotonic()
        time.sleep(1)
        used, elapsed = cpu_s(b.server.process.pid) - used, time.monotonic() - start
        assert used < elapsed / 2, f"keywardd worked for {used:.2f} of {elapsed:.2f} s"
        (b.orders / "each-front").unlink()
        deaths = [(int(lived), int(delay)) for lived, delay in re.findall(
            r"child died.*lived_ms=(\d+) restart_in_ms=(\d+)", b.server.new_log())]
        assert len(deaths) >= 5, b.server.new_log()
        for (_, shorter), (lived, longer) in zip(deaths, deaths[1:]):
            assert lived >= SETTLED_MS or longer >= min(1.5 * shorter, 10000), deaths
        b.await_log(lambda log: log.rindex("child started") > log.rindex("child died"))
        b.served()
        now = b.server.children()
        assert (now["vault"], now["portal"]) == (vault, portal), b.server.new_log()


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
