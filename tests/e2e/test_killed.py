"""Each process killed at each point of a request, and a vault that is stuck: who asks gets an answer or a
closed connection, the next join works, and no nonce comes back."""
import contextlib
import http.client
import json
import os
import signal
import sys
import time

from lorawan import Device
from server import SLOW, Server, code, join_req, run_tests
from stub_ns import silent, wait_for
from wire import Wire, request

JOIN_EUI = "70b3d57ed0001234"
KEY = bytes.fromhex("6d5c4b3a29180716f5e4d3c2b1a09f8e")
STUCK = "child is stuck"


class Bench:
    """A server, a device that joins, and what it was answered."""

    def __init__(self, server):
        self.server = server
        self.device = Device("0004a30b001c0901", JOIN_EUI, "1.0.4", KEY)
        self.token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        server.import_rows([[JOIN_EUI, self.device.dev_eui.hex(), "1.0.4", KEY.hex(), ""]])
        self.accepted = []
        self.join()

    def body(self, **changes):
        self.nonce = self.device.dev_nonce
        return join_req(self.device, **changes)

    def take(self, body, answer):
        """A whole answer: a session, whose JoinNonce is above all before, or a refusal of ours."""
        status, octets = answer
        if status is None or status == 503:
            return status
        message = json.loads(octets)
        assert status == 200 and code(message) in ("Success", "Other"), (status, message)
        if code(message) == "Success":
            self.device.read_accept(bytes.fromhex(message["PHYPayload"]), self.nonce, "000013")
            self.accepted.append(body)
        return code(message)

    def ask(self):
        """One join on a connection of its own."""
        body = self.body()
        with Wire(self.server) as wire:
            assert wire.send(request(self.token, body))
            return self.take(body, wire.answer())

    def join(self):
        """The next join works, as soon as the processes are back."""
        deadline = time.monotonic() + 20 * SLOW
        while True:
            body = self.body()
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, answer, _ = self.server.post(body, self.token)
                octets = json.dumps(answer).encode()
                if self.take(body, (status, octets)) == "Success":
                    return
            assert time.monotonic() < deadline, "no join\n" + self.server.new_log()
            time.sleep(0.02)

    def no_replay(self):
        for body in self.accepted:
            # Another DevAddr: so this is never the identical request.
            _, answer, _ = self.server.post(dict(body, DevAddr="26011bdb"), self.token)
            assert code(answer) == "JoinReqFailed", (body, answer)

    def kill(self, name):
        if name == "keywardd":
            self.server.kill()
            self.server.start()
        else:
            old = self.server.children()[name]
            os.kill(old, signal.SIGKILL)
            wait_for(lambda: f"{name} is not back\n{self.server.new_log()}",
                     lambda: self.server.children().get(name, old) != old, 15)

    def joins_noted(self):
        shown = self.server.json("device", "show", self.device.dev_eui.hex())
        return shown["joins_accepted"]


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it was killed meanwhile
            os.kill(pid, signal.SIGCONT)


def finish(bench, wire, body, rest, killed):
    """The rest of a request after a process was killed."""
    wire.send(rest)
    got = bench.take(body, wire.answer())
    if killed == "keywardd":
        assert got is None, got  # all died with their connections
    elif killed != "front":  # one that it had not accepted yet is the next one's
        assert got is not None, "the connection was closed"
    if killed == "portal":
        assert got in ("Success", 503), got


def before_it_is_read(bench, name):
    body = bench.body()
    with Wire(bench.server) as wire:
        bench.kill(name)
        finish(bench, wire, body, request(bench.token, body), name)


def in_its_body(bench, name):
    body = bench.body()
    octets = request(bench.token, body)
    with Wire(bench.server) as wire:
        assert wire.send(octets[:-200])
        time.sleep(0.1)  # it is read; if not, this is the point before
        bench.kill(name)
        finish(bench, wire, body, octets[-200:], name)


def while_the_vault_has_it(bench, name):
    body = bench.body()
    with Wire(bench.server) as wire, stopped(bench.server.children()["vault"]):
        assert wire.send(request(bench.token, body))
        time.sleep(0.2)  # it is in the channel
        if name == "portal":
            os.kill(bench.server.children()[name], signal.SIGKILL)
        else:
            bench.kill(name)
        got = bench.take(body, wire.answer())
        if name == "keywardd":
            assert got is None, got
        elif name != "front":
            # Before the front's deadline nobody can know: 503. A vault that starts anew may find it.
            assert got in (503, "Other", "Success"), got


def between_commit_and_answer(bench, name):
    """The front is stopped before the vault is let go on; so the answer lies in the channel."""
    for _ in range(20):
        before = bench.joins_noted()
        children = bench.server.children()
        body = bench.body()
        with Wire(bench.server) as wire:
            with stopped(children["front"]):
                with stopped(children["vault"]):
                    os.kill(children["front"], signal.SIGCONT)
                    assert wire.send(request(bench.token, body))
                    time.sleep(0.2 * SLOW)
                    os.kill(children["front"], signal.SIGSTOP)
                noted = time.monotonic() + 2 * SLOW
                while bench.joins_noted() == before and time.monotonic() < noted:
                    time.sleep(0.01)
                committed = bench.joins_noted() > before
                if committed:
                    bench.kill(name)
            got = bench.take(body, wire.answer())
        if committed:
            break  # else the front had not come so far: once more
    assert committed, "the vault commits nothing"
    if name in ("front", "keywardd"):
        assert got is None, got
        return
    # The answer was there before the vault died: it is a session.
    assert got in ("Success", "Other", 503), got


def while_posting(bench, name):
    with silent() as hanging:
        token = bench.server.add_ns(f"posted-{time.monotonic_ns()}", "--net-id", "000013",
                                    "--any-device", "--answer-url", hanging)
        bench.nonce = bench.device.dev_nonce
        status, answer, _ = bench.server.post(join_req(bench.device), token)
        assert status == 200 and answer is None, (status, answer)
        bench.kill(name)
        bench.join()


POINTS = (before_it_is_read, in_its_body, while_the_vault_has_it, between_commit_and_answer,
          while_posting)


def at_each_point(name):
    with Server() as server:
        bench = Bench(server)
        for point in POINTS:
            start = time.monotonic()
            point(bench, name)
            bench.join()
            print(f"{name} killed {point.__name__}: {time.monotonic() - start:.1f} s")
        bench.no_replay()
        server.kill()
        server.start()
        bench.no_replay()
        bench.join()


def test_front():
    at_each_point("front")


def test_vault():
    at_each_point("vault")


def test_portal():
    at_each_point("portal")


def test_keywardd():
    at_each_point("keywardd")


def test_stuck_vault():
    """Noticed by keywardd, killed and started again; meanwhile all are refused in time. One that has
    nothing to do is left alone."""
    with Server() as idle, Server() as server:
        bench = Bench(server)
        quiet = idle.children()["vault"]
        vault = server.children()["vault"]
        start = time.monotonic()
        with stopped(vault):
            refused = 0
            while STUCK not in server.new_log():
                asked = time.monotonic()
                got = bench.ask()
                took = time.monotonic() - asked
                refused += got == 503
                assert took < 4 * SLOW, f"{got} after {took:.1f} s"
                assert time.monotonic() - start < 20 + 10 * SLOW, "nobody noticed"
            noticed = time.monotonic() - start
        assert refused > 0
        assert noticed > 5, f"noticed after {noticed:.1f} s: a long turn would be killed"
        bench.join()
        assert server.children()["vault"] != vault
        bench.no_replay()
        log = server.new_log()
        assert log.count(STUCK) == 1 and "Killed" in log, log
        assert idle.children()["vault"] == quiet and STUCK not in idle.new_log(), idle.new_log()
        print(f"noticed after {noticed:.1f} s; {refused} refused meanwhile")


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
