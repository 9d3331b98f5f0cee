"""SIGHUP: new TLS files are taken while clients go on, and unusable ones are not."""
import contextlib
import http.client
import os
import re
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

from lorawan import Device
from server import SLOW, Server, code, executable, join_req, run_tests

JOIN_EUI = "70b3d57ed0001234"
KEY = bytes.fromhex("4f3e2d1c0b1a29384756657483920a1b")
RELOADED = "the PEM files were read again; all else"


def wait_for(what, condition, seconds=10):
    deadline = time.monotonic() + seconds * SLOW
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def openssl(*args, text=None):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, input=text)


def make_certificate(folder, name, days=365, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    """A certificate for localhost and its key; gives the two as octets."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    openssl("req", "-x509", "-newkey", *kind, "-nodes", "-days", days, "-subj", f"/CN={name}",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out",
            certificate)
    return certificate.read_bytes(), key.read_bytes()


def put(path, octets, mode=None):
    """Replace a file as certbot does: another file under the same name."""
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(octets)
    fresh.chmod(mode or 0o600)
    fresh.rename(path)


def install(server, pair):
    put(server.folder / "tls.pem", pair[0])
    put(server.folder / "tls.key", pair[1])


def shown(server):
    """The certificate that a new connection is shown, as octets of PEM."""
    pem = ssl.get_server_certificate(("127.0.0.1", server.port), timeout=20 * SLOW)
    return "".join(pem.split())


def text(pair):
    return "".join(pair[0].decode().split())


def hang_up(server, words=RELOADED):
    """SIGHUP; until keywardd has said these words once more."""
    before = server.new_log().count(words)
    server.process.send_signal(signal.SIGHUP)
    wait_for(f"{words!r} in the log: {server.new_log()}",
             lambda: server.new_log().count(words) > before)


def wait_shown(server, pair, what):
    wait_for(what, lambda: shown(server) == text(pair))


def unverified():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Asker(threading.Thread):
    """Joins over and over, on one connection or on a new one each; nothing may fail."""

    def __init__(self, server, token, device, keeps):
        super().__init__()
        self.server, self.token, self.device, self.keeps = server, token, device, keeps
        self.done = 0
        self.stopping = False
        self.problem = None

    def connect(self):
        return http.client.HTTPSConnection("127.0.0.1", self.server.port, context=unverified(),
                                           timeout=20 * SLOW)

    def run(self):
        link = self.connect()
        try:
            while not self.stopping:
                status, answer, _ = self.server.post(join_req(self.device), self.token,
                                                     connection=link)
                assert status == 200 and code(answer) == "Success", (status, answer)
                self.done += 1
                if not self.keeps:
                    link.close()
                    link = self.connect()
        except Exception as problem:  # told by the thread that waits for this one
            self.problem = problem
        finally:
            link.close()


@contextlib.contextmanager
def asked(server, count):
    """Under load of so many clients, every second one with a connection that it keeps."""
    token = server.add_ns("ours", "--net-id", "000013", "--any-device")
    devices = [Device(f"0004a30b001c08{i:02x}", JOIN_EUI, "1.0.4", bytes(b ^ i for b in KEY))
               for i in range(count)]
    server.import_rows([[JOIN_EUI, d.dev_eui.hex(), d.version, d.app_key.hex(), ""]
                        for d in devices])
    askers = [Asker(server, token, device, i % 2 == 0) for i, device in enumerate(devices)]
    for asker in askers:
        asker.start()
    try:
        yield askers
    finally:
        for asker in askers:
            asker.stopping = True
        for asker in askers:
            asker.join()
    for asker in askers:
        assert asker.problem is None, f"a request failed: {asker.problem!r}"


def all_go_on(askers):
    before = [asker.done for asker in askers]
    wait_for("requests go on", lambda: all(a.done > b + 2 or a.problem is not None
                                           for a, b in zip(askers, before)))


def test_no_request_is_lost():
    with Server(tls=True, fronts=2) as server:
        pairs = [make_certificate(server.folder, f"number-{i}") for i in range(4)]
        with asked(server, 4) as askers:
            all_go_on(askers)
            children = server.children()
            for pair in pairs:
                install(server, pair)
                hang_up(server)
                wait_shown(server, pair, "the new certificate is shown")
                all_go_on(askers)
                # Each front has its own: so many new connections meet both.
                for _ in range(16):
                    assert shown(server) == text(pair), "an old certificate is shown"
            for _ in range(20):  # as fast as they can be sent
                server.process.send_signal(signal.SIGHUP)
            all_go_on(askers)
            hang_up(server)
        # One that checks files may be on its way out.
        assert set(children.values()) <= set(server.children().values()), "a child was started again"
        log = server.new_log()
        assert " error " not in log, log
        assert "tls_certificate tls_key" in log and "read by a restart" in log, log


def test_kept_connections_keep_their_certificate():
    with Server(tls=True) as server:
        old = shown(server)
        with socket.create_connection(("127.0.0.1", server.port)) as link:
            kept = unverified().wrap_socket(link, server_hostname="localhost")
            fresh = make_certificate(server.folder, "fresh")
            install(server, fresh)
            hang_up(server)
            wait_shown(server, fresh, "the new certificate is shown")
            kept.sendall(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert kept.recv(100).startswith(b"HTTP/1.1 4"), "the connection is served"
            seen = ssl.DER_cert_to_PEM_cert(kept.getpeercert(binary_form=True))
            assert "".join(seen.split()) == old


def test_unusable_files_change_nothing():
    with Server(tls=True) as server:
        first = make_certificate(server.folder, "first")
        other = make_certificate(server.folder, "other")
        ed25519 = make_certificate(server.folder, "ed25519", kind=("ed25519",))
        locked = openssl("ec", "-aes128", "-passout", "pass:secret",
                         text=first[1]).stdout
        der = openssl("x509", "-outform", "DER", text=first[0]).stdout
        install(server, first)
        hang_up(server)
        wait_shown(server, first, "the first certificate is shown")
        children = server.children()
        cases = [
            ("tls_key", (other[0], first[1]), "not the key of the first certificate"),
            ("tls_key", (first[0], other[1]), "not the key of the first certificate"),
            ("tls_certificate", (b"-----BEGIN", other[1]), "not a PEM certificate chain"),
            ("tls_certificate", (other[0][:-40], other[1]), "not a PEM certificate chain"),
            ("tls_certificate", (other[0] + other[0][:100], other[1]), "not a PEM certificate"),
            ("tls_certificate", (b"", other[1]), "is empty"),
            ("tls_certificate", (der, other[1]), "is not PEM"),
            ("tls_certificate", (b"\n" * (1024 * 1024 + 1), other[1]), "larger than"),
            ("tls_key", (other[0], b""), "is empty"),
            ("tls_key", (other[0], other[1][:60]), "not a PEM private key"),
            ("tls_key", (first[0], locked), "without a passphrase"),
            ("tls_key", ed25519, "neither RSA nor EC"),
        ]
        for option, pair, words in cases:
            install(server, pair)
            start = len(server.new_log())
            hang_up(server, "the PEM files are not usable; those of before stay in use")
            said = server.new_log()[start:]
            assert option in said and words in said, f"{option}, {words!r} not in: {said}"
            assert " error " in said and RELOADED not in said, said
            assert shown(server) == text(first), (option, words)
        put(server.folder / "tls.pem", first[0])
        put(server.folder / "tls.key", first[1], 0o644)
        hang_up(server, "chmod o= ")
        (server.folder / "tls.pem").unlink()
        hang_up(server, "tls_certificate: cannot read")
        (server.folder / "tls.pem").mkdir()
        hang_up(server, "tls.pem is not a file")
        (server.folder / "tls.pem").rmdir()
        # One that checks files may be on its way out.
        assert set(children.values()) <= set(server.children().values()), "a child was started again"
        # A front that starts while the files are unusable gets those of before.
        os.kill(children["front"], signal.SIGKILL)
        wait_for("the front is back", lambda: "child serves again" in server.new_log())
        assert shown(server) == text(first)
        put(server.folder / "tls.pem", other[0])
        put(server.folder / "tls.key", other[1], 0o640)
        hang_up(server)
        wait_shown(server, other, "good files are taken afterwards")
        assert "a group can reach a private key" in server.new_log(), server.new_log()
        for secret in (first[1], other[1]):
            line = secret.decode().splitlines()[1]
            assert line not in server.new_log(), "a key is in the log"


def test_front_started_again_shows_the_new_one():
    with Server(tls=True) as server:
        for number in range(3):
            pair = make_certificate(server.folder, f"number-{number}")
            install(server, pair)
            front = server.children()["front"]
            hang_up(server)
            os.kill(front, signal.SIGKILL)
            wait_for("the front is back", lambda: server.new_log().count("child serves again")
                     == number + 1)
            assert shown(server) == text(pair)
        # SIGHUP while the front is away or starts: it has the new one in any case.
        pair = make_certificate(server.folder, "last")
        install(server, pair)
        os.kill(server.children()["front"], signal.SIGKILL)
        for _ in range(50):
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        wait_for("the front is back", lambda: server.new_log().count("child serves again") == 4)
        wait_shown(server, pair, "the new certificate is shown")
        assert server.new_log().count("child died") == 4, server.new_log()


def test_all_files_and_the_check():
    with Server() as server:
        ours = make_certificate(server.folder, "ours")
        for name, octets in (("us.pem", ours[0]), ("us.key", ours[1]), ("peers.pem", ours[0] * 3)):
            put(server.folder / name, octets)
        lines = ["[server]", "trusted_proxies = 10.0.0.0/8 ::1", "tls_client_ca = peers.pem",
                 "answer_certificate = us.pem", "answer_key = us.key", "answer_ca = peers.pem"]
        server.stop()
        server.conf.write_text(server.conf.read_text() + "\n".join(lines) + "\n")

        def check():
            return subprocess.run([executable("keywardd"), "-c", server.conf, "-t"],
                                  capture_output=True, text=True, timeout=60)

        assert check().returncode == 0, check().stderr
        server.start()
        hang_up(server)
        assert "tls_client_ca answer_certificate answer_key answer_ca" in server.new_log()
        for option, name in (("tls_client_ca", "peers.pem"), ("answer_certificate", "us.pem"),
                             ("answer_key", "us.key")):
            path = server.folder / name
            kept = path.read_bytes()
            put(path, b"nothing of use\n")
            hang_up(server, f"a PEM file is not usable option={option}")
            done = check()
            assert done.returncode == 1 and f"option={option}" in done.stderr, done.stderr
            server.stop()
            server.start(wait=False)
            assert server.process.wait(20 * SLOW) == 1, "it does not start with them"
            assert f"option={option}" in server.new_log(), server.new_log()
            put(path, kept)
            server.start()


def test_nothing_to_reload():
    with Server(settings="[server]\nanswer_ca =") as server:
        hang_up(server, "SIGHUP: no PEM file is configured")
        server.conf.write_text("nonsense\n")  # is not read again
        hang_up(server, "SIGHUP: no PEM file is configured")
        assert server.process.poll() is None


def test_children_ignore_sighup():
    with Server() as server:
        children = server.children()
        for pid in children.values():
            os.kill(pid, signal.SIGHUP)
        hang_up(server, "SIGHUP: ")
        time.sleep(0.2)
        # One that checks files may be on its way out.
        assert set(children.values()) <= set(server.children().values()), "a child was started again"


def test_expiry_is_told():
    with Server(tls=True) as server:  # a certificate of 30 days
        wait_for("a warning", lambda: "expires soon" in server.new_log())
        assert re.search("days=(29|30)\n", server.new_log()), server.new_log()
        server.stop()
        install(server, make_certificate(server.folder, "long", 32))
        server.start()
        server.post({}, "nobody", connection=http.client.HTTPSConnection(
            "127.0.0.1", server.port, context=unverified(), timeout=20))
        assert "expire" not in server.new_log(), server.new_log()
        install(server, make_certificate(server.folder, "short", 3))
        hang_up(server)
        wait_for("a warning after SIGHUP",
                 lambda: re.search("days=[23]\n", server.new_log()))


def test_front_cannot_change_what_the_next_one_reads():
    if os.geteuid() != 0:
        print("skipped: only root sees other processes' descriptors")
        return
    with Server(tls=True) as server:
        folder = pathlib.Path(f"/proc/{server.children()['front']}/fd")
        held = {fd: os.readlink(fd) for fd in folder.iterdir()}
        texts = [fd for fd, where in held.items() if "memfd:keyward-" in where]
        assert len(texts) == 6, held
        for fd in texts:
            assert fd.open("rb").read(10) in (b"-----BEGIN", b"\0" * 10), held[fd]
            info = (folder.parent / "fdinfo" / fd.name).read_text()
            flags = int(info.split("flags:\t")[1].split()[0], 8)
            assert flags & os.O_ACCMODE == os.O_RDONLY, (held[fd], info)
            with contextlib.suppress(PermissionError):  # even root cannot write
                with fd.open("r+b", buffering=0) as again:
                    again.write(b"x")
                raise AssertionError(f"{held[fd]} can be written to")
            assert fd.stat().st_mode & 0o777 == 0o600, held[fd]
        for name, pid in server.children().items():
            if name != "front":
                others = [os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
                assert not any("tls" in where or "answer" in where for where in others), others


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
