"""Backup while joins go on, and restore: no JoinNonce comes twice, and what is no backup is refused."""
import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import socketserver
import subprocess
import sys
import threading
import time

from network import NET_ID, Home, Mobile, rejoin_req
from server import SLOW, Server, alive, code, executable, join_req, run_tests
from test_crash import JOIN_EUI, Worker, patient
from test_secrets import search

MARGIN = 131072
LONG_WINDOW = "[join]\nrepeat_window = 3600"  # an identical request would be repeated all the while
REPLAYED = "FrameReplayed"


def take(server, name="store.backup", *args):
    path = server.folder / name
    server.cli("backup", *args, path)
    return path


def restore(server, path, *args):
    """Stop, restore over the store, start again; what the command says."""
    server.stop()
    said = server.json("restore", "--force", *args, path)
    server.start()
    return said


def refused(server, *words, args=("restore", "--force"), path=None, text=None):
    """The command fails, and says why in these words."""
    done = server.cli(*args, path, check=False, text=text)
    assert done.returncode == 1, done
    for word in words:
        assert word in done.stderr, (word, done.stderr)
    return done.stderr


def join(home, device, seen, **changes):
    """The device joins and takes the answer; its JoinNonce was in none before."""
    nonce = device.dev_nonce
    device.dev_nonce += 1
    body = join_req(device, nonce, ProtocolVersion="1.1", **changes)
    keys = device.take(home.succeeded(body), nonce)  # which checks that JoinNonce is greater
    note(seen, device, keys)
    return body, keys


def note(seen, device, keys):
    assert (device.eui, keys["join_nonce"]) not in seen, "a JoinNonce came back"
    seen[device.eui, keys["join_nonce"]] = True
    key = keys.get("NwkSKey") or keys["FNwkSIntKey"]
    assert key not in seen, "session keys came back"
    seen[key] = True


def rejoin(home, device, kind, seen):
    frame, count = device.rejoin(kind)
    keys = device.take(home.succeeded(rejoin_req(device, frame)), count, rejoin=kind)
    note(seen, device, keys)


def test_devices_across_a_restore():
    devices = [Mobile(1, "1.0.3"), Mobile(2, "1.0.4"), Mobile(3, "1.1"), Mobile(4, "1.1")]
    never, later = Mobile(5, "1.0.4"), Mobile(6, "1.0.3")
    seen = {}
    with Home(devices=[*devices, never], settings=LONG_WINDOW) as home:
        before = {}
        for device in devices:
            join(home, device, seen)
            before[device.eui] = join(home, device, seen)[0]
        rejoin(home, devices[3], 1, seen)
        rejoin(home, devices[3], 0, seen)
        backup = take(home.server)

        lost, lost_keys = {}, {}
        home.server.import_rows([later.row()])
        for device in [*devices, never, later]:
            for _ in range(3):
                lost[device.eui], lost_keys[device.eui] = join(home, device, seen)
        rejoin(home, devices[3], 1, seen)
        rejoin(home, devices[3], 2, seen)

        said = restore(home.server, backup)
        assert said["epoch"] == 2 and said["advanced"] == MARGIN, said
        assert said["exhausted"] == said["damaged"] == 0, said
        assert home.server.json("status")["store"]["epoch"] == 2

        # What the backup knows is used; the answers of then are not repeated either.
        for device in devices:
            home.refused(before[device.eui], REPLAYED)
        # The session that this rejoin is from was lost with the store.
        frame, _ = devices[3].rejoin(0)
        home.refused(rejoin_req(devices[3], frame), "MICFailed")
        rejoin(home, devices[3], 1, seen)

        # A Join-request from after the backup: it may be captured and sent again. It gets keys that
        # nobody has had, once.
        home.server.import_rows([later.row()])
        for device in [*devices[:3], never, later]:
            answer = home.succeeded(lost[device.eui])
            keys = device.read_accept(bytes.fromhex(answer["PHYPayload"]), device.dev_nonce - 1, NET_ID)
            note(seen, device, keys)
            assert keys["AppSKey"] != lost_keys[device.eui]["AppSKey"]
            home.refused(dict(lost[device.eui], DevAddr="26011bdb"), REPLAYED)
        for device in [*devices, never, later]:
            join(home, device, seen)
        rejoin(home, devices[3], 0, seen)

        # The same backup once more: beyond what the first restore has given out.
        said = restore(home.server, backup)
        assert said["epoch"] == 3 and said["advanced"] == 2 * MARGIN, said
        home.server.import_rows([later.row()])
        for device in [*devices, never, later]:
            join(home, device, seen)
        home.crash()
        for device in devices:
            join(home, device, seen)
        rejoin(home, devices[3], 2, seen)


def test_margin_of_the_operator():
    with Home() as home:
        home.join()
        backup = take(home.server)
        said = restore(home.server, backup, "--nonce-margin", 5000)
        assert said["advanced"] == 5000, said
        assert home.state()["next_join_nonce"] == 5002
        for margin in ("1023", "4194305", "x", "-1", ""):
            done = home.server.cli("restore", "--nonce-margin", margin, backup, check=False)
            assert done.returncode == 2 and "--nonce-margin" in done.stderr, done


def test_backup_under_load():
    """Whatever moment a backup is of: joins answered before it began are in it, and it is one moment."""
    backups = []
    with Server(fronts=2) as server, Server() as other:
        token = server.add_ns("ours", "--net-id", NET_ID, "--any-device")
        fill = [Mobile(n) for n in range(500)]
        server.import_rows([device.row() for device in fill])
        workers = [Worker(server, token, number) for number in range(6)]
        server.import_rows([w.row() for w in workers])
        for worker in workers:
            worker.start()
        try:
            for number in range(2):
                counts = [len(w.accepted) for w in workers]
                deadline = time.monotonic() + 20 * SLOW
                while any(len(w.accepted) < n + 5 for w, n in zip(workers, counts)):
                    assert all(w.problem is None for w in workers), [w.problem for w in workers]
                    assert time.monotonic() < deadline, server.new_log()
                    time.sleep(0.005)
                known = [list(w.accepted) for w in workers]
                path = take(server, f"{number}.backup")
                backups.append((path, known, [w.sent for w in workers]))
        finally:
            for worker in workers:
                worker.stopping = True
            for worker in workers:
                worker.join()
        assert all(w.problem is None for w in workers), [w.problem for w in workers]

        for path, known, sent in backups:
            check_restored(server, other, path, token, workers, known, sent)


def check_restored(server, other, path, token, workers, known, sent):
    shutil.copy(server.folder / "master.key", other.folder / "master.key")
    advanced = restore(other, path)["advanced"]
    for worker, accepted, most in zip(workers, known, sent):
        shown = other.json("device", "show", worker.device.dev_eui.hex())
        assert len(accepted) <= shown["joins_accepted"] <= most, (shown, len(accepted), most)
        assert shown["dev_nonces_used"] == shown["joins_accepted"], shown
        assert shown["next_join_nonce"] == shown["joins_accepted"] + 1 + advanced, shown
        for body, _ in accepted[-2:]:
            answer = patient(other, dict(body, DevAddr="26011bdb"), token)
            assert code(answer) == "JoinReqFailed", answer
        body = join_req(worker.device, 60000 + advanced // MARGIN)
        answer = patient(other, body, token)
        assert worker.device.last_join_nonce == worker.accepted[-1][1]
        assert code(answer) == "Success", answer
        clear = worker.device.open_accept(bytes.fromhex(answer["PHYPayload"]))
        # Beyond all that the first server has given out, also after the backup.
        assert int.from_bytes(clear[:3], "little") > worker.accepted[-1][1]


def test_what_is_refused():
    with Home() as home, Server() as other:
        server = home.server
        home.join()
        good = take(server)
        octets = good.read_bytes()
        bad = server.folder / "bad.backup"

        refused(server, "in use", "stop keywardd first", path=good)
        server.stop()
        refused(server, "there is a store", "--force", args=("restore",), path=good)
        refused(server, "No such file", path=server.folder / "none")

        def wrong(content, *words, args=("restore", "--check")):
            bad.write_bytes(content)
            said = refused(server, *words, "for the reason above", args=args, path=bad)
            assert "the store is damaged" not in said, said  # it is the backup that is

        wrong(octets[:-1], "cut short", args=("restore", "--force"))
        wrong(octets + b"\n", "behind the end")
        wrong(b"PK" + octets[2:], "no backup of Keyward")
        wrong(octets[:500] + bytes([octets[500] ^ 1]) + octets[501:], "damaged", args=("restore", "--force"))
        wrong(octets[:15] + b"\x63" + octets[16:], "newer Keyward")
        # SHA-256 made anew over a changed head.
        forged = octets[:31] + bytes([octets[31] ^ 1]) + octets[32:-64]
        wrong(forged + hashlib.sha256(forged).digest() + octets[-32:], "was changed", args=("restore", "--force"))

        other.stop()
        refused(other, "the master key is not the one", path=good)
        refused(other, "the master key is not the one", args=("restore", "--check"), path=good)
        shutil.move(other.folder / "master.key", other.folder / "moved")
        refused(other, "put the master key that belongs to the backup here", path=good)

        # Nothing of all this has touched the store.
        server.start()
        assert home.state()["next_join_nonce"] == 2
        home.join()
        names = {path.name for path in (server.folder / "store").iterdir()}
        assert not [name for name in names if "before" in name or "new" in name or name == "epoch"], names
        assert not list(pathlib.Path("/tmp").glob("keyward-check-*/*")), "a check left something"


def test_restore_killed():
    """kill -9 while the backup is being read: no store, or the one that was there."""
    with Home(devices=[Mobile(n) for n in range(1, 1200)]) as home:
        server = home.server
        home.join()
        path = take(server)
        octets = path.read_bytes()
        assert len(octets) > 150_000
        server.stop()
        store = server.folder / "store"
        for there in (False, True):
            for part in (len(octets) // 2,) if there else (100, len(octets) - 10):
                if not there:
                    (store / "data.mdb").unlink(missing_ok=True)
                kill_restore(server, octets[:part])
                names = {entry.name for entry in store.iterdir()}
                assert ("data.mdb" in names) == there, names
                assert not [name for name in names if "before" in name], names
            if not there:
                server.cli("restore", path)
            server.start()
            assert home.server.json("device", "show", home.device.eui)["next_join_nonce"] == 2 + MARGIN
            server.stop()
        server.start()
        device, nonce = home.device, home.device.dev_nonce
        answer = home.succeeded(join_req(device, nonce, ProtocolVersion="1.1"))
        device.take(answer, nonce)


def kill_restore(server, octets):
    """Give a restore the beginning of a backup, wait until it is at work with it, and kill all."""
    command = [executable("keyward"), "-c", str(server.conf), "restore", "--force", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    process.stdin.write(octets)
    process.stdin.flush()
    unfinished = server.folder / "store" / "data.mdb.new"
    deadline = time.monotonic() + 10 * SLOW
    while not unfinished.exists():
        assert process.poll() is None, "the restore has ended"
        assert time.monotonic() < deadline, "the restore does not begin"
        time.sleep(0.005)
    members = [process.pid, *children_of(process.pid)]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    while any(alive(pid) for pid in members):
        assert time.monotonic() < deadline, "the restore does not end"
        time.sleep(0.005)


def children_of(pid):
    return [int(word) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children")
            for word in path.read_text().split()]


def test_nothing_secret_in_it():
    with Home() as home:
        kek = bytes.fromhex("c3d2e1f0698badcfe10325476c4a2b19")
        home.add_as()
        home.add_kek("as", "app", "kek-1", kek)
        answer = home.join()
        path = take(home.server)
        assert path.stat().st_mode & 0o777 == 0o600
        session = {name: bytes.fromhex(home.device.session[name])
                   for name in ("FNwkSIntKey", "SNwkSIntKey", "NwkSEncKey", "AppSKey")}
        master = bytes.fromhex((home.server.folder / "master.key").read_text())
        search("the backup", path.read_bytes(), {
            "AppKey": home.device.app_key, "NwkKey": home.device.nwk_key, "KEK": kek,
            "token": home.token.encode(), "token's digest": hashlib.sha256(home.token.encode()).digest(),
            "master key": master, **session})
        # It would be found: this is in the clear.
        assert home.device.dev_eui in path.read_bytes()
        assert bytes.fromhex(answer["SessionKeyID"]) in path.read_bytes()


def test_files():
    with Home() as home:
        server = home.server
        said = server.cli("backup", server.folder / "a")
        assert "The master key is not in it" in said and "master.key" in said, said
        first = (server.folder / "a").read_bytes()
        refused(server, "--force", args=("backup",), path=server.folder / "a")
        assert (server.folder / "a").read_bytes() == first
        home.join()
        said = server.json("backup", "--force", server.folder / "a")
        assert said["octets"] == (server.folder / "a").stat().st_size > len(first), said
        refused(server, "no file", args=("backup", "--force"), path="/dev/null")
        refused(server, "No such file", args=("backup",), path=server.folder / "none" / "a")

        folder = server.folder / "many"
        folder.mkdir()
        server.cli("backup", folder)
        (named,) = folder.iterdir()
        assert named.name.startswith("keyward-") and named.name.endswith(".backup")
        # The same through pipes.
        through = subprocess.run(
            [executable("keyward"), "-c", str(server.conf), "backup", "-"], capture_output=True,
            timeout=60 * SLOW)
        assert through.returncode == 0 and b"master key" in through.stderr, through
        checked = subprocess.run(
            [executable("keyward"), "-c", str(server.conf), "restore", "--check", "-"],
            input=through.stdout, capture_output=True, timeout=60 * SLOW)
        assert checked.returncode == 0 and b"1 devices" in checked.stdout, checked
        assert server.cli("backup", check=False).returncode == 2

        # Standard streams that are closed: none of them becomes the backup.
        for stream in range(3):
            path = server.folder / f"closed-{stream}"
            done = subprocess.run([executable("keyward"), "-c", str(server.conf), "backup", path],
                                  capture_output=True, timeout=60 * SLOW,
                                  preexec_fn=lambda fd=stream: os.close(fd))  # pylint: disable=W1509
            assert done.returncode == (1 if stream == 1 else 0), (stream, done)
            assert (b"cannot write the output" in done.stderr) == (stream == 1), (stream, done)
            assert "1 devices" in server.cli("restore", "--check", path), stream
        # A name that is no UTF-8 is written as far as JSON has it.
        for name in (b"\xff", b"\xed\xa0\x80"):
            path = bytes(server.folder) + b"/" + name
            done = subprocess.run([executable("keyward"), "-c", str(server.conf), "--json", "backup", path],
                                  capture_output=True, timeout=60 * SLOW)
            said = json.loads(done.stdout)
            assert said["file"] == f"{server.folder}/" + "?" * len(name), (name, said)
            assert said["octets"] == os.stat(path).st_size, (name, said)

        server.stop()
        refused(server, "cannot reach keywardd", args=("backup",), path=server.folder / "b")
        assert not list(server.folder.glob("b*")), "something was left"


def test_one_at_a_time():
    with Home() as home:
        server = home.server

        def api(method, query=""):
            done = subprocess.run(
                ["curl", "-s", "-X", method, "--unix-socket", str(server.socket),
                 f"http://keyward/api/v1/backup{query}"], capture_output=True, check=True)
            return done.stdout

        begun = time.monotonic()
        assert b'"id"' in api("POST")
        done = server.cli("backup", server.folder / "file", check=False)
        if time.monotonic() - begun < 3:  # the vault lets another one in later than that
            assert done.returncode == 1 and "another backup is under way" in done.stderr, done
            assert not list(server.folder.glob("file*")), "something was left"
        deadline = time.monotonic() + 20 * SLOW
        while server.cli("backup", server.folder / "file", check=False).returncode != 0:
            assert time.monotonic() < deadline, "a backup that nobody fetches is in the way"
            time.sleep(0.2)
        for query in ("", "?id=1", "?id=1&offset=7", "?id=x", "?id=0&offset=0"):
            assert b'"error"' in api("GET", query), query
        home.join()


def test_vault_killed_during_a_backup():
    """A backup that lost its vault is none, and says so."""
    with Home() as home:
        server = home.server
        rows = [Mobile(n).row() for n in range(2, 2500)]
        server.import_rows(rows)
        command = [executable("keyward"), "-c", str(server.conf), "backup", "-"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout.read(48)[:8] == b"KWBACKUP"
        os.kill(server.children()["vault"], signal.SIGKILL)
        _, said = process.communicate(timeout=60 * SLOW)
        assert process.returncode == 1, said
        assert b"begin another one" in said or b"vault" in said, said
        body = join_req(home.device, 0)
        assert code(patient(server, body, home.token)) == "Success"


@contextlib.contextmanager
def in_place_of_the_portal(server, records, pieces):
    """Who answers at the admin socket with one piece after the other, and with nothing behind the last."""
    rest = iter(pieces)

    class Answer(http.server.BaseHTTPRequestHandler):
        wbufsize = -1  # head and body at once: nobody waits behind a body of no octets

        def answer(self, kind, octets):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def do_POST(self):
            begun = {"id": 7, "records": records, "time": "2026-01-02T03:04:05Z", "epoch": 1}
            self.answer("application/json", json.dumps(begun).encode())

        def do_GET(self):
            self.answer("application/octet-stream", next(rest, b""))

        def log_message(self, *words):
            pass

    server.socket.unlink(missing_ok=True)
    with socketserver.UnixStreamServer(str(server.socket), Answer) as portal:
        thread = threading.Thread(target=portal.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            portal.shutdown()
            thread.join()


def test_pieces_that_make_no_backup():
    """The command looks at what it writes: a file that is not whole does not get its name."""
    with Home() as home:
        server = home.server
        path = server.folder / "good"
        records = server.json("backup", path)["records"]
        octets = path.read_bytes()
        head, end = octets[:48], octets[-76:]
        block = octets[48:-76]
        assert int.from_bytes(block[:4], "big") == len(block) - 12, "more than one block"
        server.stop()
        wanted = server.folder / "wanted"
        early, none = "ended the backup too early", "a piece of a backup that is none"
        for pieces, words in (
                ([], early), ([head], early), ([head, block], early), ([head[:-1], block, end], none),
                ([head, block[:-1], end], none), ([head, block, end[:-1]], none),
                ([head, block, end, end], none), ([head, block, end, block], none)):
            with in_place_of_the_portal(server, records, pieces):
                refused(server, words, args=("backup",), path=wanted)
            assert not list(server.folder.glob("wanted*")), "something was left"
        with in_place_of_the_portal(server, records - 1, [head, block, end]):
            refused(server, none, args=("backup",), path=wanted)
        with in_place_of_the_portal(server, records, [head, block, end]):
            server.cli("backup", wanted)
        assert wanted.read_bytes() == octets
        server.socket.unlink()
        server.start()


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
