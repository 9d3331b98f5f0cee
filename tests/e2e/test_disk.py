"""A full disk and a full store: joins are refused, nothing is lost, and with room it goes on."""
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

from lorawan import Device
from server import SLOW, Failed, Server, code, join_req, run_tests

JOIN_EUI = "70b3d57ed0001234"
KEY = bytes.fromhex("7d6c5b4a39281706f5e4d3c2b1a09f8e")
WORDS = "disk or store full"


class Skip(Exception):
    """Why something cannot be tried here."""


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")


@contextlib.contextmanager
def mounted(kind, place, size_kib):
    """A small file system; its directory belongs to root, mode 0700."""
    image = place.parent / f"{place.name}.img"
    place.mkdir()
    if kind == "tmpfs":
        run("mount", "-t", "tmpfs", "-o", f"size={size_kib}k,mode=0700", "tmpfs", place)
    else:
        with open(image, "wb") as file:
            file.truncate(size_kib * 1024)
        run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image)
        run("mount", "-o", "loop", image, place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def on_small_disk(kind, size_kib=4096):
    """An installation whose store is on a file system of its own."""
    server = Server()
    try:
        if os.geteuid() != 0:
            raise Skip("only root may mount")
        disk = server.folder / "disk"
        with mounted(kind, disk, size_kib):
            disk.chmod(0o755)
            text = server.conf.read_text()
            server.conf.write_text(text.replace(f"{server.folder}/store", f"{disk}/store"))
            server.cli("init")
            server.start()
            try:
                yield server, disk / "filler"
            finally:
                server.stop()
    finally:
        server.__exit__(*sys.exc_info())


def fill_disk(filler):
    """Take all room that is left."""
    with open(filler, "ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


class Joiner:
    """A device, and what it was answered."""

    def __init__(self, number):
        version = "1.0.4" if number % 2 else "1.0.3"
        self.device = Device(f"0004a30b001c08{number:02x}", JOIN_EUI, version,
                             bytes(b ^ number for b in KEY))
        self.accepted = []  # DevNonces
        self.refused = []

    def row(self):
        device = self.device
        return [JOIN_EUI, device.dev_eui.hex(), device.version, device.app_key.hex(), ""]

    def join(self, server, token, connection=None):
        """One join with a new DevNonce; whether it was accepted. Anything odd is a failure."""
        nonce = self.device.dev_nonce
        status, answer, _ = server.post(join_req(self.device), token, connection=connection)
        if status == 503 or (status == 200 and code(answer) == "Other"):
            assert answer is None or "PHYPayload" not in answer, answer
            assert answer is None or not any("Key" in name for name in answer), answer
            self.refused.append(nonce)
            return False
        assert status == 200 and code(answer) == "Success", (status, answer)
        self.device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, "000013")
        self.accepted.append(nonce)
        return True


def together(joiners, server, token, rounds):
    """All devices at once, so that commits hold several joins; stops early when all are refused."""
    problems = []

    def work(joiner):
        link = server.connect()
        try:
            for _ in range(rounds):
                if not joiner.join(server, token, link) and len(joiner.refused) > 3:
                    return
        except Exception as problem:
            problems.append(problem)
        finally:
            link.close()

    threads = [threading.Thread(target=work, args=[joiner]) for joiner in joiners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems


def check_replays(server, token, joiners):
    """What was accepted is not accepted again."""
    link = server.connect()
    for joiner in joiners:
        for nonce in joiner.accepted[-12:] + joiner.accepted[:2]:
            body = join_req(joiner.device, nonce, DevAddr="26011bdb")  # not the identical request
            status, answer, _ = server.post(body, token, connection=link)
            assert status == 200 and code(answer) == "JoinReqFailed", (nonce, answer)
    link.close()


def check_goes_on(server, token, joiners):
    """Every device joins; read_accept() wants a JoinNonce above the last."""
    for joiner in joiners:
        assert joiner.join(server, token), "refused though there is room\n" + server.new_log()
    check_replays(server, token, joiners)


def provision(server, count):
    token = server.add_ns("ours", "--net-id", "000013", "--any-device")
    joiners = [Joiner(number) for number in range(count)]
    server.import_rows([joiner.row() for joiner in joiners])
    for joiner in joiners:
        for _ in range(3):
            assert joiner.join(server, token)
    return token, joiners


def check_full(server, token, joiners):
    """Commits fail: nobody joins, and people are told."""
    deadline = time.monotonic() + 20 * SLOW
    status = server.json("status")
    while True:
        # A single join may still find a page that an earlier commit has given back.
        before = status["joins"]["accepted"]
        accepted = sum(joiner.join(server, token) for joiner in joiners)
        status = server.json("status")
        assert status["joins"]["accepted"] == before + accepted, "counted wrongly"
        if accepted == 0 and status["store"]["failed"] is True:
            break
        assert time.monotonic() < deadline, ("never full", accepted, status["store"])
    assert any(WORDS in text for text in status["warnings"]), status["warnings"]
    assert WORDS in server.cli("status"), "also as text"
    assert WORDS in server.new_log(), server.new_log()[-2000:]
    check_replays(server, token, joiners)
    # Reading goes on, and changes are refused with the reason.
    assert len(server.json("device", "list", "--limit", "64")["devices"]) >= len(joiners)
    server.cli("events")
    rows = [[JOIN_EUI, f"0004a30b001d{i:04x}", "1.0.3", os.urandom(16).hex(), ""]
            for i in range(200)]
    try:
        server.import_rows(rows)
    except Failed as failed:
        assert failed.status == 1 and WORDS in failed.err, (failed.out, failed.err)
    else:
        raise AssertionError("an import of 200 devices found room")


def test_disk_full():
    for kind in ("tmpfs", "ext4"):
        try:
            disk_full(kind)
        except Skip as reason:
            print(f"skipped on {kind}: {reason}")


def disk_full(kind):
    with on_small_disk(kind) as (server, filler):
        token, joiners = provision(server, 8)
        devices = server.json("status")["store"]["devices"]
        for turn in range(2):
            fill_disk(filler)
            for joiner in joiners:
                joiner.refused = []
            together(joiners, server, token, 3000)
            assert any(joiner.refused for joiner in joiners), "the disk was never full"
            check_full(server, token, joiners)
            before = server.children()
            if turn == 1:
                # Neither a death nor a restart while it is full loses anything.
                server.kill()
                server.start()
                check_replays(server, token, joiners)
                before = server.children()
                for joiner in joiners:
                    joiner.join(server, token)
            filler.unlink()
            check_goes_on(server, token, joiners)
            together(joiners, server, token, 5)
            check_goes_on(server, token, joiners)
            assert server.children() == before, "no restart is needed"
            status = server.json("status")
            assert status["store"]["failed"] is False, status["store"]
            # What was replayed here raises an alarm where the machine is fast.
            warnings = [text for text in status["warnings"] if "replay flood" not in text]
            assert not warnings, warnings
            assert status["store"]["devices"] == devices, "an import in part"
            server.stop()
            server.start()
            check_goes_on(server, token, joiners)
        print(f"{kind}: {sum(len(joiner.accepted) for joiner in joiners)} joins")


def test_disk_full_while_folding():
    """Joins that are only in the journal when the disk fills up are folded later, and not lost."""
    try:
        with on_small_disk("tmpfs") as (server, filler):
            token, joiners = provision(server, 64)
            fill_disk(filler)
            together(joiners, server, token, 20)
            assert any(joiner.refused for joiner in joiners), "the disk was never full"
            time.sleep(1)  # the fold tries, and refusals are to be written
            vault = server.children()["vault"]
            check_replays(server, token, joiners[:20])
            filler.unlink()
            check_goes_on(server, token, joiners)
            assert server.children()["vault"] == vault, "no restart is needed"
            os.kill(vault, signal.SIGKILL)
            server.kill()
            server.start()
            check_goes_on(server, token, joiners)
    except Skip as reason:
        print(f"skipped: {reason}")


def big_rows(start, count):
    return [[JOIN_EUI, f"0004a30c{start + i:08x}", "1.0.3", os.urandom(16).hex(), ""]
            for i in range(count)]


def test_map_full():
    with Server(map_size="16M") as server:
        token, joiners = provision(server, 8)
        added = len(joiners)
        # Imports in pieces until one does not fit any more, then smaller ones.
        for size in (8000, 250, 20):
            while True:
                try:
                    server.import_rows(big_rows(added, size))
                except Failed as failed:
                    assert WORDS in failed.err, failed.err
                    break
                added += size
                assert added < 200000, "the store is never full"
            added = server.json("status")["store"]["devices"]
        together(joiners, server, token, 5000)
        assert any(joiner.refused for joiner in joiners), "joins found room for ever"
        check_full(server, token, joiners)
        status = server.json("status")
        devices = status["store"]["devices"]
        assert any("map_size" in text for text in status["warnings"]), status["warnings"]
        server.kill()
        server.start()
        assert server.json("status")["store"]["devices"] == devices
        check_replays(server, token, joiners)
        server.stop()
        # As docs/operations.md says: a larger map and a restart.
        text = server.conf.read_text()
        server.conf.write_text(text.replace("map_size = 16M", "map_size = 32M"))
        server.start()
        status = server.json("status")
        assert status["store"]["devices"] == devices, "devices were lost"
        check_goes_on(server, token, joiners)
        together(joiners, server, token, 20)
        server.import_rows(big_rows(1 << 20, 500))
        assert server.json("status")["store"]["failed"] is False
        server.stop()
        server.start()
        check_goes_on(server, token, joiners)
        print(f"{devices} devices, {sum(len(joiner.accepted) for joiner in joiners)} joins")


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
