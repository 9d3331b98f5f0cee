"""Overload: each attack runs while another peer joins devices, all of whose joins must be answered."""
import contextlib
import http.client
import json
import os
import pathlib
import resource
import select
import signal
import socket
import sys
import threading
import time

from network import Mobile, error_notif
from server import SLOW, Server, code, join_req, run_tests

HEAVY = "KEYWARD_OVERLOAD" in os.environ  # 10,000 idle connections instead of 1,000
IDLE = 10_000 if HEAVY else 1_000
LIMIT = IDLE * 6 // 10
PER_ADDRESS = IDLE // 5
REQUEST_S = 2
SETTINGS = f"""[server]
connections = {LIMIT}
connections_per_address = {PER_ADDRESS}
request_timeout = {REQUEST_S}
"""
HEAD = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
MEMORY_MIB = 64  # what a front may have more after an attack than before


def until(condition, what, seconds=20):
    """Wait for a condition; gives what it gave."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.05)


def connect(server, address="127.0.0.2"):
    """From another address of the loopback than the normal peer has."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=20 * SLOW,
                                    source_address=(address, 0))


def is_closed(link):
    """Whether the other side has closed; what it said is read."""
    try:
        while select.select([link], [], [], 0)[0]:
            if not link.recv(65536):
                return True
    except ConnectionError:
        return True
    return False


def left_open(links):
    return [link for link in links if not is_closed(link)]


class Joiner(threading.Thread):
    """The normal peer: joins one device after the other, on kept and on new connections."""

    def __init__(self, world):
        super().__init__()
        self.world, self.ending, self.error = world, threading.Event(), None
        self.joins = 0

    def run(self):
        kept = self.world.server.connect()
        try:
            while not self.ending.is_set():
                for connection in (kept, None):
                    self.world.join(self.world.devices[self.joins % 2], connection)
                    self.joins += 1
        except Exception as error:  # shown by the test
            self.error = error
        finally:
            kept.close()

    def __enter__(self):
        self.start()
        return self

    def more(self, count=4):
        """Wait for so many further joins."""
        wanted = self.joins + count
        until(lambda: self.joins >= wanted or self.error, "joins of the normal peer")
        if self.error:
            raise self.error

    def __exit__(self, *error):
        self.ending.set()
        self.join()
        if self.error and error[0] is None:
            raise self.error


class World:
    """A server with small limits, a normal peer and one that will misbehave."""

    def __enter__(self):
        self.server = Server(settings=SETTINGS)
        self.server.__enter__()
        self.token = self.server.add_ns("normal", "--net-id", "000013", "--any-device")
        self.bad_token = self.server.add_ns("bad", "--net-id", "00002d", "--any-device",
                                            "--rate", "1000000")
        self.devices = [Mobile(1, "1.0.3"), Mobile(2)]
        self.victim = Mobile(3, "1.0.4")
        self.server.import_rows([device.row() for device in [*self.devices, self.victim]])
        self.pids = self.server.children()
        for device in self.devices:
            self.join(device)
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)

    def join(self, device, connection=None):
        status, answer, _ = self.server.post(join_req(device, device.dev_nonce), self.token,
                                             connection=connection)
        assert status == 200 and code(answer) == "Success", (status, answer)
        device.take(answer, device.dev_nonce)
        device.dev_nonce += 1

    def status(self):
        return self.server.json("status")

    def front_memory_mib(self):
        text = pathlib.Path(f"/proc/{self.pids['front']}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    @contextlib.contextmanager
    def attacked(self):
        """The normal peer joins from before the attack until after it; all is as it was then."""
        memory = self.front_memory_mib()
        with Joiner(self) as joiner:
            joiner.more(2)
            yield joiner
            joiner.more()
        assert self.server.children() == self.pids
        until(lambda: self.status()["fronts"]["connections"] == 0, "connections closed")
        if SLOW == 1:  # else memory that was freed is kept to find its use
            assert self.front_memory_mib() < memory + MEMORY_MIB


@contextlib.contextmanager
def closing():
    links = []
    try:
        yield links
    finally:
        for link in links:
            link.close()


def test_idle_connections():
    with World() as world, closing() as links, world.attacked() as joiner:
        for number in range(IDLE):
            links.append(connect(world.server, f"127.0.0.{2 + number // (IDLE // 4)}"))
        joiner.more(10)
        seen = until(lambda: (fronts := world.status()["fronts"])["connections_refused"]
                     and fronts, "connections refused")
        assert seen["connections"] <= LIMIT + 64, seen
        until(lambda: len(left_open(links)) <= LIMIT, "connections closed")
        assert "too many from one address" in world.server.new_log()
        # Also while the limit is full: who comes is served, and the oldest goes.
        links.append(connect(world.server, "127.0.1.1"))
        joiner.more()
        for link in links:
            link.close()


def test_slow_clients():
    starts = [HEAD.encode(), b"P", b"", (HEAD + "Content-Length: 30000\r\n\r\n{").encode()]
    with World() as world, closing() as links, world.attacked() as joiner:
        for number in range(80):
            link = connect(world.server)
            link.sendall(starts[number % 4])
            links.append(link)
        begun = time.monotonic()
        # An octet now and then does not help.
        while left := left_open(links):
            for link in left:
                with contextlib.suppress(OSError):
                    link.send(b"a")
            assert time.monotonic() < begun + (REQUEST_S + 10) * SLOW, f"{len(left)} still open"
            time.sleep(0.2)
        assert time.monotonic() >= begun + REQUEST_S * 0.9
        until(lambda: world.status()["fronts"]["connections_timed_out"] >= 80, "counted")
        joiner.more()


def flood(world, start, piece, pieces):
    """Send far more than anybody takes, on a few connections, until they are closed."""
    with world.attacked() as joiner, closing() as links:
        for _ in range(8):
            link = connect(world.server)
            links.append(link)
            with contextlib.suppress(ConnectionError):
                link.sendall(start)
                for _ in range(pieces):
                    link.sendall(piece)
        until(lambda: not left_open(links), "flooding connections closed")
        joiner.more()


def test_header_and_body_floods():
    with World() as world:
        flood(world, HEAD.encode(), b"X-Fill: " + 1000 * b"a" + b"\r\n", 400)
        flood(world, (HEAD + "Content-Length: 40000000\r\n\r\n").encode(), 65536 * b" ", 100)
        flood(world, (HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode(),
              b"10000\r\n" + 65536 * b" " + b"\r\n", 100)


def test_pipelining():
    count = 2000
    one = (HEAD + "Content-Length: 2\r\n\r\n{}").encode()
    with World() as world, world.attacked() as joiner, closing() as links:
        link = connect(world.server)
        links.append(link)
        sender = threading.Thread(target=link.sendall, args=(count * one,))
        sender.start()
        joiner.more()
        got = b""
        while got.count(b"HTTP/1.1 ") < count:
            piece = link.recv(1 << 20)
            assert piece, f"closed after {got.count(b'HTTP/1.1 ')}"
            got += piece
        sender.join()
        assert got.count(b"HTTP/1.1 401 ") == count, got[:200]
        # Refused ones are logged, but not each of them.
        lines = world.server.new_log().count("status=401")
        assert 10 <= lines <= count // 2, lines
        until(lambda: world.server.post({})[0] == 401 and
              "some were left out" in world.server.new_log(), "how many were not")


class Flooder(threading.Thread):
    """Asks the same again and again on one connection; counts what comes back."""

    def __init__(self, world, token, body, seconds):
        super().__init__()
        self.world, self.token, self.body = world, token, json.dumps(body)
        self.until, self.statuses, self.last = time.monotonic() + seconds, {}, None

    def run(self):
        link = http.client.HTTPConnection("127.0.0.1", self.world.server.port, timeout=20 * SLOW,
                                          source_address=("127.0.0.2", 0))
        while time.monotonic() < self.until:
            status, answer, head = self.world.server.post(self.body, self.token, connection=link)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status == 503:
                self.last = answer, head
        link.close()


def flood_as_peer(world, body, seconds=2, threads=4):
    flooders = [Flooder(world, world.bad_token, body, seconds) for _ in range(threads)]
    for flooder in flooders:
        flooder.start()
    for flooder in flooders:
        flooder.join()
    total = {}
    for flooder in flooders:
        for status, count in flooder.statuses.items():
            total[status] = total.get(status, 0) + count
    return total, [flooder.last for flooder in flooders if flooder.last]


def test_one_peer_floods():
    rate, burst = 5, 10
    with World() as world, world.attacked():
        world.server.cli("ns", "set", "bad", "--rate", f"{rate}/{burst}")
        shown = world.server.json("ns", "show", "bad")
        assert (shown["rate"], shown["burst"]) == (rate, burst)
        for protocol in ("1.0", "1.1"):
            body = join_req(world.victim, 1, net_id="00002d", phy=bytes(23),
                            ProtocolVersion=protocol)
            begun = time.monotonic()
            total, refusals = flood_as_peer(world, body)
            took = time.monotonic() - begun
            assert 1 <= total[200] <= burst + rate * took + 1, (total, took)
            assert total[503] > 0 and set(total) == {200, 503}, total
            for answer, head in refusals:
                assert head["Retry-After"] == "1"
                assert code(answer) == "Other", answer
                assert answer["ProtocolVersion"] == protocol
                assert answer["TransactionID"] == body["TransactionID"]
                assert answer["MessageType"] == "JoinAns"
        # What has no answer is refused without one.
        total, refusals = flood_as_peer(world, error_notif(world.victim, sender="00002d"), seconds=1)
        assert total[503] > 0 and set(total) <= {200, 503}, total
        for answer, head in refusals:
            assert answer is None and head["Retry-After"] == "1", (answer, head)
        status = world.status()
        assert status["joins"]["rate_refused"] >= total[503]
        assert any("bad were refused: it asked more" in text for text in status["warnings"])
        assert "over the rate of the peer" in world.server.new_log()
        world.server.cli("ns", "set", "bad", "--rate", "default")
        assert world.server.json("ns", "show", "bad")["rate"] is None
        total, _ = flood_as_peer(world, body, seconds=0.5)
        assert set(total) == {200}, total


def alarms(world):
    events = world.server.json("events", "--device", world.victim.eui, "--limit", "1000")["events"]
    return [event for event in events if event["kind"] == "alarm"], len(events)


def test_guessing_and_replays():
    """An alarm, few entries, and the device joins in the middle of it."""
    with World() as world, world.attacked():
        wrong = bytearray(world.victim.join_request(500))
        wrong[-1] ^= 1
        body = join_req(world.victim, net_id="00002d", phy=bytes(wrong))
        total, _ = flood_as_peer(world, body, seconds=1)
        assert set(total) == {200} and total[200] > 20, total
        world.join(world.victim)
        found = until(lambda: alarms(world)[0], "an alarm")
        assert len(found) == 1 and found[0]["code"] == "MIC", found
        assert found[0]["text"].startswith("MIC guessing: 20 wrong MICs in "), found
        assert "from NetID 00002d (bad)" in found[0]["text"], found
        replayed = join_req(world.victim, net_id="00002d", phy=world.victim.join_request(0))
        total, _ = flood_as_peer(world, replayed, seconds=1)
        assert set(total) == {200} and total[200] > 20, total
        world.join(world.victim)
        found = until(lambda: len(alarms(world)[0]) == 2 and alarms(world)[0], "two alarms")
        assert {event["code"] for event in found} == {"MIC", "REPLAY"}, found
        assert alarms(world)[1] < 20, "entries of the join log"
        joins = world.status()["joins"]
        assert (joins["mic_alarms"], joins["replay_alarms"]) == (1, 1)
        warnings = " ".join(world.status()["warnings"])
        assert "MIC guessing" in warnings and "replay flood" in warnings, warnings
        assert world.server.new_log().count("MIC guessing: wrong MICs") == 1


def test_too_late_is_not_worked_on():
    """What the front has given up on is not done afterwards: the DevNonce stays free."""
    with World() as world:
        device = world.devices[0]
        body = join_req(device, device.dev_nonce)
        os.kill(world.pids["vault"], signal.SIGSTOP)
        try:
            status, answer, head = world.server.post(body, world.token)
        finally:
            os.kill(world.pids["vault"], signal.SIGCONT)
        assert status == 503 and answer is None and head["Retry-After"] == "1", (status, answer)
        until(lambda: world.status()["joins"]["late_refused"] == 1, "refused by the vault")
        world.join(device)


def test_limits_of_descriptors_are_said():
    settings = "[server]\nconnections = 1000000\n"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with Server(settings=settings) as server:
        said = "may not open so many descriptors" in server.new_log()
        may_raise = os.geteuid() == 0
        assert said or may_raise or hard >= 1_000_400, server.new_log()
        assert server.json("status")["fronts"]["count"] == 1


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.exit(run_tests(globals()))


if __name__ == "__main__":
    main()
