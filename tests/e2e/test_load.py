"""The load generator itself: each kind of load, and that its open loop omits nothing."""
import concurrent.futures
import contextlib
import json
import selectors
import socket
import subprocess
import sys
import threading
import time

from server import SLOW, Server, executable, run_tests

DEVICES = 256
FEW = 6
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def joinload(*words, status=0):
    """Run it; gives its result and what it says on standard error."""
    done = subprocess.run([executable("joinload"), "--json", *map(str, words)], text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=120 * SLOW)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout else None, done.stderr


class Stub:
    """An HTTP server of one thread that answers after `work(number of the request)`."""

    def __init__(self, work=lambda number: None, answers_each=None):
        self.work = work
        self.answers_each = answers_each  # of a connection, which is closed then
        self.number = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.woken, self.wake = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.wake.close()
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.woken:
                    return
                if key.fileobj is self.listener:
                    link = self.listener.accept()[0]
                    self.selector.register(link, selectors.EVENT_READ, [b"", 0])
                else:
                    self.receive(key.fileobj, key.data)

    def receive(self, link, state):
        got = b""
        with contextlib.suppress(OSError):
            got = link.recv(65536)
        state[0] += got
        head, _, body = state[0].partition(b"\r\n\r\n")
        if got and len(body) < int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 1):
            return
        if got:
            state[0] = b""
            state[1] += 1
            self.number += 1
            self.work(self.number)
            with contextlib.suppress(OSError):  # nobody waits for it any more
                link.sendall(ANSWER)
        if not got or state[1] == self.answers_each:
            self.selector.unregister(link)
            link.close()


def load(stub, *words, status=0):
    return joinload("--connect", f"127.0.0.1:{stub.port}", "--devices", DEVICES, "--mode", "fixed",
                    *words, status=status)[0]


def an_open_loop_keeps_its_rate():
    with Stub() as stub:
        result = load(stub, "--rate", 200, "--duration", 2, "--connections", 4)
        assert stub.number == 400
    assert result["answered"] == result["right"] == 400 and result["unsent"] == 0, result
    assert result["rate"] == 200 and result["seconds"] > 1.9, result


def a_stall_is_charged_with_all_that_was_due():
    def stall(number):
        if number == 300:
            time.sleep(0.4)

    with Stub(stall) as stub:
        result = load(stub, "--rate", 500, "--duration", 2, "--connections", 4)
    # 25 of the 1000 fell due in its first 50 ms. One connection at a time would have met it once.
    assert result["answered"] == 1000 and result["p99_us"] > 350_000, result
    assert result["p999_us"] > 390_000 and result["max_us"] >= 400_000, result
    assert result["late"] >= 100, result


def a_closed_loop_meets_a_stall_once_a_connection():
    with Stub(lambda number: time.sleep(0.3 if number == 50 else 0)) as stub:
        result = load(stub, "--count", 100, "--connections", 1)
    assert result["answered"] == 100 and result["max_us"] >= 300_000, result
    assert result["rate"] == 0 and result["late"] == 0, result


def what_is_sent_too_late_counts_from_its_moment():
    with Stub(lambda number: time.sleep(0.005)) as stub:
        result = load(stub, "--rate", 400, "--duration", 1, "--connections", 4)
    # At most 200 a second are answered: the 200th was due after 0.5 s, the 400th after 1 s.
    assert result["answered"] == 400 and result["unsent"] == 0, result
    assert result["p50_us"] >= 480_000 and result["max_us"] >= 990_000, result


def what_is_not_sent_at_all_counts():
    with Stub(lambda number: time.sleep(0.25)) as stub:
        result = load(stub, "--rate", 1000, "--duration", 1, "--connections", 1, status=1)
        assert stub.number == result["answered"] < 100, result
    assert result["answered"] + result["unsent"] == 1000, result
    assert result["p50_us"] >= 10_000_000, result


def no_answer_ends_it():
    ended = threading.Event()
    with Stub(lambda number: ended.wait(60 * SLOW)) as stub:
        try:
            result, said = joinload("--connect", f"127.0.0.1:{stub.port}", "--devices", DEVICES,
                                    "--mode", "fixed", "--connections", 1, "--rate", 1, "--count", 1,
                                    status=1)
        finally:
            ended.set()
    assert result["answered"] == 0 and "no answer for 10 s" in said, said


def test_when_requests_are_sent_and_from_when_they_count():
    """All wait more than they work, and are true however slow the machine is: at the same time."""
    tests = (an_open_loop_keeps_its_rate, a_stall_is_charged_with_all_that_was_due,
             a_closed_loop_meets_a_stall_once_a_connection,
             what_is_sent_too_late_counts_from_its_moment, what_is_not_sent_at_all_counts,
             no_answer_ends_it)
    with concurrent.futures.ThreadPoolExecutor(len(tests)) as pool:
        for done in [pool.submit(test) for test in tests]:
            done.result()


def test_connections_that_end_are_opened_anew():
    with Stub(answers_each=5) as stub:
        result = load(stub, "--rate", 100, "--count", 50, "--connections", 2, status=1)
        assert stub.number == result["answered"] > 0
    assert result["broken"] > 0 and result["answered"] + result["broken"] >= 50, result


def fleet(server):
    """A network server and the devices of joinload."""
    server.add_ns("load", "--net-id", "000013", "--any-device")
    csv = server.folder / "fleet.csv"
    subprocess.run([executable("joinload"), "--write-devices", csv, "--devices", str(DEVICES)],
                   check=True)
    server.cli("device", "import", csv)
    return ("--connect", f"localhost:{server.port}", "--token-file", server.folder / "load.token",
            "--devices", DEVICES, "--connections", 8)


def test_every_kind_of_load():
    with Server(level="notice") as server:
        common = fleet(server)
        nonce = 1
        for mode in ("joins", "unknown", "wrong-mic", "fixed"):
            for pace in ((), ("--rate", 100), ("--new-connections",),
                         ("--new-connections", "--rate", 100)):
                result = joinload(*common, "--mode", mode, "--first-nonce", nonce, "--count", 50,
                                  *pace)[0]
                assert result["right"] == result["answered"] == 50, (mode, pace, result)
                assert 0 < result["p50_us"] <= result["p90_us"] <= result["p99_us"], result
                assert result["p99_us"] <= result["p999_us"] <= result["max_us"], result
                nonce += mode in ("joins", "fixed")
        result = joinload(*common, "--first-nonce", 1, "--count", 50, status=1)[0]
        assert result["wrong"] > 0 and result["wrong_example"] == "JoinReqFailed", result


def test_over_tls():
    with Server(tls=True, level="notice") as server:
        common = (*fleet(server), "--ca", server.folder / "tls.pem", "--rate", 100, "--count", 50)
        assert joinload(*common)[0]["right"] == 50
        result = joinload(*common, "--first-nonce", 2, "--new-connections", "--resume")[0]
        assert result["right"] == 50 and result["resumed"] >= 42, result


def directly(server, name, *words, status=0):
    """A program that works on the store while no keywardd does."""
    done = subprocess.run([executable(name), server.folder / "store", server.folder / "master.key",
                           *map(str, words)], text=True, capture_output=True, timeout=120 * SLOW)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if status == 0 else done.stderr


def devices_of(server):
    """All that is told of each device, but for times."""
    told = []
    for device in server.json("device", "list")["devices"]:
        shown = server.json("device", "show", device["dev_eui"])
        told.append({key: value for key, value in shown.items()
                     if key not in ("created", "changed")})
    return told


def test_a_filled_store_is_an_imported_one():
    with Server(level="notice") as imported, Server(level="notice") as filled:
        csv = imported.folder / "fleet.csv"
        subprocess.run([executable("joinload"), "--write-devices", csv, "--devices", str(FEW)],
                       check=True)
        imported.cli("device", "import", csv)
        assert "another process" in directly(filled, "fill", FEW, status=1)
        filled.stop()
        assert directly(filled, "fill", FEW)["devices"] == FEW
        assert "already" in directly(filled, "fill", FEW, status=1)
        filled.start()
        expected = devices_of(imported)
        assert len(expected) == FEW and devices_of(filled) == expected, (expected,
                                                                         devices_of(filled))
        filled.stop()
        the_disk_floor_leaves_joins(filled)


def the_disk_floor_leaves_joins(server):
    result = directly(server, "diskload", FEW, 1, 20)
    assert [batch["size"] for batch in result["batches"]] == [1, 8, 64, 256], result
    for batch in (result["flush"], *result["batches"]):
        assert batch["p50_us"] <= batch["p99_us"] <= batch["p999_us"] <= batch["max_us"], result
        assert batch["max_us"] > 0, result
    assert result["folded"] == FEW, result
    assert not list((server.folder / "store").glob("*.tmp"))
    server.start()
    store = server.json("status")["store"]
    assert store["journal_records"] == 0 and store["events"] >= 1 + 8 + 64 + 256, store
    # Its DevNonces are used; those after them are not, with the same keys.
    server.add_ns("load", "--net-id", "000013", "--any-device")
    common = ("--connect", f"127.0.0.1:{server.port}", "--token-file", server.folder / "load.token",
              "--devices", FEW, "--connections", 1, "--count", FEW)
    assert joinload(*common, "--first-nonce", 1, status=1)[0]["right"] == 0
    assert joinload(*common, "--first-nonce", 1 + result["rounds"])[0]["right"] == FEW


def test_only_this_machine_and_only_so_much():
    good = ("--connect", "127.0.0.1:9", "--devices", DEVICES)
    for words in (("--connect", "192.0.2.1:80"), ("--connect", "example.org:80"),
                  ("--connect", "0.0.0.0:80"), ("--connect", "126.255.255.255:80"),
                  ("--connect", "[::1]:80"), ("--rate", 0), ("--rate", 1000001), ("--rate", "5x"),
                  ("--connections", 1025), ("--count", 100000001), ("--duration", 3601),
                  ("--devices", 100000001), ("--devices", 100), ("--mode", "flood")):
        result, said = joinload(*good, *words, status=2)
        assert result is None and said.startswith("joinload: "), (words, said)


sys.exit(run_tests(globals()))
