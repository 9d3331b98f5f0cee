"""Thousands of TLS connections, good and bad, leave nothing behind in the server."""
import contextlib
import errno
import json
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import time

from server import SLOW, Server, executable, run_tests

SANITIZED = SLOW > 1
GOOD = 2000 if SANITIZED else 10000  # answered requests on connections of their own
BAD = GOOD // 10                     # of each kind
HELD = 100                           # connections left open at a time
AT_ONCE = 16
DEVICES = 4 * AT_ONCE * 8
IDLE_TIMEOUT_S = 30                  # of the front
LEAK = 1024                          # octets a connection that would be found

# What a freed block costs in a sanitized build must not be taken for a leak, nor hide one when it is
# given back later.
if SANITIZED:
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + (
        ":quarantine_size_mb=1:allocator_release_to_os_interval_ms=-1")


def wait_for(what, condition, seconds):
    deadline = time.monotonic() + seconds * SLOW
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmRSS of {pid}")


def descriptors(server):
    """How many each process has; of others' processes only root can see them."""
    found = {"keywardd": server.process.pid, **server.children()}
    return {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in found.items()}


def seen(server):
    return descriptors(server) if os.geteuid() == 0 else None


class Load:
    """joinload beside the test: every request a handshake of its own."""

    nonce = 1

    def __init__(self, server, count, *words, unknown=False):
        self.count = count
        self.process = subprocess.Popen(
            [executable("joinload"), "--json", "--connect", f"localhost:{server.port}", "--ca",
             server.folder / "tls.pem", "--new-connections", "--connections", str(AT_ONCE // 2),
             "--token-file", server.folder / "ours.token", "--devices", str(DEVICES), "--mode",
             "unknown" if unknown else "joins", "--first-nonce", str(Load.nonce), "--count",
             str(count), *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        Load.nonce += 0 if unknown else count // DEVICES + 1

    def answered(self):
        out, err = self.process.communicate(timeout=300 * SLOW)
        result = json.loads(out.splitlines()[0])
        assert self.process.returncode == 0 and result["right"] == self.count, (out, err)
        return result


def context_of(server, shows=False):
    context = ssl.create_default_context(cafile=str(server.folder / "tls.pem"))
    if shows:
        context.load_cert_chain(server.folder / "tls.pem", server.folder / "tls.key")
    return context


def reach(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20 * SLOW)


def hold(server, context):
    """A request that is answered, on a connection that the client then forgets to close."""
    with reach(server) as link:
        kept = context.wrap_socket(link, server_hostname="localhost")
    kept.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
    assert kept.recv(100).startswith(b"HTTP/1.1 "), "no answer"
    return kept


def hold_all(server, count):
    contexts = [context_of(server), context_of(server, shows=True)]
    return [hold(server, contexts[i % 2]) for i in range(count)]


def reset(link):
    """Close it as a client that died: RST, no goodbye."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()


def client_hello(context):
    outgoing = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def abort(server, hello, number):
    """Go away in the middle of the handshake: within the ClientHello, after it, and after having read
    part of what the server says; with FIN or RST by turns."""
    link = reach(server)
    part = (1, 5, len(hello) // 2, len(hello) - 1, len(hello), len(hello))[number % 6]
    link.sendall(hello[:part])
    if number % 6 == 5:
        assert link.recv(7)[:1] == b"\x16", "a handshake record"
    if number % 2 == 0:
        reset(link)
    else:
        link.close()


GARBAGE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x00" * 64,
    b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",  # a ClientHello of one octet
    b"\x16\x03\x01\xff\xff" + b"\xff" * 200,      # a record larger than any
    b"\x15\x03\x03\x00\x02\x02\x28",              # an alert
    b"\x17\x03\x03\x00\x10" + b"\xa5" * 16,       # data before any handshake
    b"\x80\x2e\x01\x03\x01",                      # as SSL 2.0 began
)


def spoil(server, number):
    """No handshake at all, and wait until the server has had enough of it."""
    with reach(server) as link:
        link.sendall(GARBAGE[number % len(GARBAGE)])
        try:
            link.shutdown(socket.SHUT_WR)
            while link.recv(4096):
                pass
        except OSError as error:
            assert error.errno in (errno.ENOTCONN, errno.ECONNRESET), error


def storm(server, good, bad, held):
    """So many good connections; beside them so many bad ones of each kind, and some left open."""
    certificate = ("--certificate", server.folder / "tls.pem", "--key", server.folder / "tls.key")
    part = good // 4
    # Joins one after the other: the DevNonces of two loads would overtake each other.
    pairs = ((((), False), (("--tls-1.2",), True)),
             ((certificate, False), ((*certificate, "--resume"), True)))
    hello = client_hello(context_of(server))
    kept = hold_all(server, held)
    for pair in pairs:
        loads = [Load(server, part, *words, unknown=unknown) for words, unknown in pair]
        for i in range(bad // 2):
            abort(server, hello, i)
            spoil(server, i)
        for load, (words, _) in zip(loads, pair):
            wanted = part - AT_ONCE // 2 if "--resume" in words else 0
            assert load.answered()["resumed"] == wanted, "sessions resumed"
    let_go(kept)


def let_go(kept):
    for i, link in enumerate(kept):
        if i % 2 == 0:
            reset(link)
        else:
            link.close()


def settled(server, before):
    """All connections have gone from the server."""
    if before is not None:
        wait_for(lambda: f"descriptors stay: {before}, now {descriptors(server)}",
                 lambda: descriptors(server) == before, 10)
    else:
        print("descriptors are not looked at: only root sees those of other processes")
        time.sleep(2 * SLOW)


def prepared(server):
    server.add_ns("ours", "--net-id", "000013", "--any-device")
    devices = server.folder / "devices.csv"
    subprocess.run([executable("joinload"), "--write-devices", devices, "--devices", str(DEVICES)],
                   check=True)
    server.cli("device", "import", devices)


def test_nothing_is_left_behind():
    print(f"{GOOD} good handshakes, {2 * BAD} bad ones, {HELD} connections held open"
          f"{'; 10000 in a build without sanitizers' if SANITIZED else ''}")
    with Server(tls=True, level="notice") as server:
        prepared(server)
        children = server.children()
        start = seen(server)
        # The first of each kind fill caches and the heap as far as it is needed at a time.
        for _ in range(2):
            storm(server, GOOD // 10, BAD // 10, HELD)
            settled(server, start)
        before = resident(children["front"])
        storm(server, GOOD, BAD, HELD)
        settled(server, start)
        grown = resident(children["front"]) - before
        connections = GOOD + 2 * BAD + HELD
        print(f"resident memory of the front: {before // 1024} KiB, and {grown // 1024} KiB more "
              f"after {connections} connections")
        assert grown < connections * LEAK // 2, f"the front has grown by {grown} octets"
        assert server.children() == children, "nothing was started again"
        assert "child died" not in server.new_log(), server.new_log()


def test_forgotten_connections_are_closed():
    with Server(tls=True, level="notice") as server:
        start = seen(server)
        kept = hold_all(server, HELD)
        silent = [reach(server) for _ in range(HELD)]  # never say a word
        begun = time.monotonic()
        if start is not None:
            open_now = {**start, "front": start["front"] + 2 * HELD}
            settled(server, open_now)  # so what is counted are connections
        for link in silent + kept:
            link.settimeout(IDLE_TIMEOUT_S + 20 * SLOW)
            with contextlib.suppress(ConnectionResetError):
                while link.recv(4096):
                    pass
        took = time.monotonic() - begun
        assert took > IDLE_TIMEOUT_S / 2, f"closed after {took:.1f} s: clients may pause longer"
        for link in silent + kept:
            link.close()
        settled(server, start)


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
