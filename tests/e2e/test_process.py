"""The processes: how they start, what they refuse, what they may do, how they die and come back."""
import contextlib
import http.client
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import server as installation
from lorawan import Device
from server import SLOW, Server, alive, code, executable, free_port, join_req, run_tests

JOIN_EUI = "70b3d57ed0001234"
KEY = bytes.fromhex("4f3e2d1c0b1a29384756657483920a1b")
ROOT = os.geteuid() == 0
SANITIZED = os.environ.get("KEYWARD_SANITIZE", "none") not in ("", "none")
IDLE_MEMORY_KIB = 30 * 1024

# Sets the format in the store's meta table, as a later version would have.
SET_FORMAT = r"""
#include <lmdb.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	unsigned char value[] = {0, 0, 0, 99};
	MDB_val name = {6, "format"}, data = {sizeof(value), value}, old;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi meta;

	return argc != 2 || mdb_env_create(&env) || mdb_env_set_maxdbs(env, 16) ||
	       mdb_env_open(env, argv[1], 0, 0600) || mdb_txn_begin(env, NULL, 0, &txn) ||
	       mdb_dbi_open(txn, "meta", 0, &meta) || mdb_get(txn, meta, &name, &old) ||
	       mdb_put(txn, meta, &name, &data, 0) || mdb_txn_commit(txn);
}
"""


def fill(server, number=1, version="1.0.4"):
    """A network server and a device; gives token and device."""
    device = Device(f"0004a30b001c06{number:02x}", JOIN_EUI, version, KEY)
    token = server.add_ns("ours", "--net-id", "000013", "--any-device")
    server.import_rows([[JOIN_EUI, device.dev_eui.hex(), version, KEY.hex(), ""]])
    return token, device


def joins(server, token, device):
    """One join that must go well; gives its JoinNonce."""
    nonce = device.dev_nonce
    status, answer, _ = server.post(join_req(device), token)
    assert status == 200 and code(answer) == "Success", (status, answer)
    return device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, "000013")["join_nonce"]


def daemon(server, *args, conf=None):
    """Run keywardd to its end."""
    return subprocess.run(
        [executable("keywardd"), "-c", str(conf or server.conf), *args], capture_output=True,
        text=True, stdin=subprocess.DEVNULL, timeout=20 * SLOW)


def refuses(server, *words, args=(), conf=None):
    """keywardd does not start, and says why in these words."""
    start = time.monotonic()
    done = daemon(server, *args, conf=conf)
    assert done.returncode == 1, f"exit status {done.returncode}: {done.stderr}"
    for word in words:
        assert word in done.stderr, f"{word!r} is not in: {done.stderr}"
    assert time.monotonic() - start < 5 * SLOW, "it took long to say so"
    return done.stderr


def wait_for(what, condition, seconds=10):
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def other_conf(server, name, **changes):
    """A copy of the configuration with other values."""
    text = server.conf.read_text()
    for key, value in changes.items():
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
    path = server.folder / name
    path.write_text(text)
    return path


@contextlib.contextmanager
def stopped_server(**options):
    """A store with a device in it, and keywardd stopped; gives (server, token, device)."""
    with Server(**options) as server:
        token, device = fill(server)
        joins(server, token, device)
        server.stop()
        yield server, token, device


# ---- what keywardd refuses to start with ----


def test_second_keywardd_on_the_same_store():
    with Server() as server:
        token, device = fill(server)
        second = other_conf(server, "second.conf", listen=f"127.0.0.1:{free_port()}",
                            socket=server.folder / "second.sock")
        refuses(server, "is in use by another keywardd", f"pid {server.process.pid}", conf=second)
        assert joins(server, token, device) == 1, "the first goes on"
        server.kill()
        server.start()  # what kill -9 leaves behind is not in the way
        assert joins(server, token, device) == 2


def test_second_keywardd_on_the_same_admin_socket():
    with Server() as server:
        second = other_conf(server, "second.conf", listen=f"127.0.0.1:{free_port()}",
                            path=server.folder / "second-store")
        subprocess.run([executable("keyward"), "-c", str(second), "init"], check=True,
                       capture_output=True)
        refuses(server, "admin socket", "in use", "running already", conf=second)
        assert "PROCESS" in server.cli("status"), "the first still answers"


def test_port_in_use():
    for fronts in (1, 2):
        with Server(fronts=fronts) as server:
            server.stop()
            with contextlib.closing(socket.socket()) as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind(("127.0.0.1", server.port))
                other.listen()
                refuses(server, f"cannot listen on 127.0.0.1:{server.port}", "in use")
            assert not server.socket.exists(), "no socket is left behind"
            server.start()


def test_wrong_master_key_and_the_right_one_again():
    with stopped_server() as (server, token, device):
        path = server.folder / "master.key"
        right = path.read_bytes()
        before = (server.folder / "store" / "data.mdb").read_bytes()
        path.write_text("5a" * 32 + "\n")
        refuses(server, "the master key is not the one of this store")
        assert (server.folder / "store" / "data.mdb").read_bytes() == before, "nothing was changed"
        path.write_text("not a key\n")
        refuses(server, "master key")
        path.write_bytes(right)
        server.start()
        assert joins(server, token, device) == 2


def test_master_key_file_must_be_private():
    with stopped_server() as (server, token, device):
        path = server.folder / "master.key"
        for mode in (0o644, 0o640, 0o604, 0o660):
            path.chmod(mode)
            said = refuses(server, str(path), "chmod 0600", f"{mode:04o}")
            assert said == refuses(server, args=["-t"]), "-t says the same"
        path.chmod(0o600)
        if ROOT:
            nobody = pwd.getpwnam("nobody").pw_uid
            os.chown(path, nobody, -1)
            said = refuses(server, str(path), "belongs to another user", "chown root")
            assert said == refuses(server, args=["-t"]), "-t says the same"
            os.chown(path, 0, -1)
        kept = path.rename(server.folder / "kept.key")
        refuses(server, "there is no master key file", str(path))
        path.symlink_to(kept)
        refuses(server, "symbolic link", str(path))
        path.unlink()
        path.mkdir()
        refuses(server, str(path), "not a file")
        path.rmdir()
        kept.rename(path)
        server.start()
        assert joins(server, token, device) == 2


def test_store_of_a_newer_version():
    compiler = shutil.which(os.environ.get("CC", "cc").split()[0]) or shutil.which("cc")
    if compiler is None:
        print("skipped: there is no C compiler")
        return
    with stopped_server() as (server, token, device):
        store = server.folder / "store"
        kept = server.folder / "kept"
        shutil.copytree(store, kept)
        source = server.folder / "set_format.c"
        source.write_text(SET_FORMAT)
        tool = server.folder / "set_format"
        subprocess.run([compiler, "-o", str(tool), str(source), "-llmdb"], check=True)
        subprocess.run([str(tool), str(store)], check=True)
        before = (store / "data.mdb").read_bytes()
        refuses(server, "newer Keyward", "format=99", str(store))
        assert (store / "data.mdb").read_bytes() == before, "nothing was changed"
        for name in ("data.mdb", "lock.mdb"):  # the octets, not the file, so that the owner stays
            (store / name).write_bytes((kept / name).read_bytes())
        server.start()
        assert joins(server, token, device) == 2


def test_store_that_is_missing_or_open_to_others():
    with stopped_server() as (server, token, device):
        store = server.folder / "store"
        kept = store.rename(server.folder / "kept")
        refuses(server, "there is no store at", "init", str(server.conf))
        refuses(server, "there is no store at", "init", args=["-t"])
        kept.rename(store)
        store.chmod(0o777)
        refuses(server, "others may write", "chmod 0700")
        store.chmod(0o700)
        if ROOT:
            owner = store.stat()
            os.chown(store, 0, 0)
            refuses(server, "does not belong to the user keyward-vault", "chown")
            os.chown(store, owner.st_uid, owner.st_gid)
        data = (store / "data.mdb").rename(server.folder / "data.kept")
        refuses(server, "init", str(store))
        data.rename(store / "data.mdb")
        server.start()
        assert joins(server, token, device) == 2


def check(server, *options):
    return subprocess.run([executable("keyward"), "-c", str(server.conf), *options, "check"],
                          capture_output=True, text=True)


def check_json(server, whole=False, read=True):
    """What `keyward --json check` says; it always says it, in one object."""
    done = check(server, "--json")
    said = json.loads(done.stdout)
    assert done.returncode == (0 if whole else 1), done
    assert (said["whole"], said["read"]) == (whole, read), done
    assert said["store"] == str(server.folder / "store") and (said["problems"] == []) == whole, said
    assert all(set(problem) == {"code", "table", "record", "text"} and problem["text"]
               for problem in said["problems"]), said
    if read:
        assert said["format"] >= 4 and said["epoch"] == 1 and said["pages"] > 8, said
    else:
        assert said["format"] is None and said["damaged"] is None, said
    return said


def test_damaged_store():
    with stopped_server() as (server, token, device):
        data = server.folder / "store" / "data.mdb"
        whole = data.read_bytes()
        pieces = {
            "empty": b"",
            "a piece of the first page": whole[:100],
            "one page": whole[:4096],
            "two pages": whole[:8192],
            "half": whole[:len(whole) // 2 // 4096 * 4096],
            "not at a page": whole[:len(whole) // 2 // 4096 * 4096 + 1000],
            "noise": os.urandom(len(whole)),
        }
        for name, piece in pieces.items():
            data.write_bytes(piece)
            said = refuses(server)
            assert "damaged" in said, (name, said)
            assert "Sanitizer" not in said, (name, said)
            if piece:
                assert data.read_bytes() == piece, (name, "it was written to")
            done = check(server)
            assert done.returncode == 1 and "check: " in done.stderr + done.stdout, (name, done)
            assert "restore a backup" in done.stderr, (name, done)
            said = check_json(server, read=False)
            assert said["problems"][-1]["code"] in ("DAMAGED", "PAGE", "ABSENT", "FAILED"), (name, said)
        data.write_bytes(whole)
        done = check(server)
        assert done.returncode == 0 and "the store is whole" in done.stdout, done
        assert "1 devices" in done.stdout, done
        server.start()
        assert joins(server, token, device) == 2
        done = check(server)
        assert done.returncode == 1 and "stop keywardd first" in done.stderr, done


def test_check_for_programs():
    with stopped_server() as (server, token, device):
        said = check_json(server, whole=True)
        assert (said["devices"], said["servers"], said["damaged"]) == (1, 1, 0), said
        data = server.folder / "store" / "data.mdb"
        whole = data.read_bytes()
        # An octet behind each place where the device's ID stands: in one it is of its registration.
        found = []
        for place in re.finditer(re.escape(device.join_eui + device.dev_eui), whole):
            at = place.end() + 8
            data.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
            words = check(server)
            if words.stdout.startswith("device "):
                said = check_json(server)
                found += said["problems"]
                assert said["damaged"] == 1, said
                assert found[0]["text"] in words.stdout, (said, words)
        assert [(problem["code"], problem["table"]) for problem in found] == [("RECORD", "device")]
        assert found[0]["record"].lower() == f"{device.join_eui.hex()} {device.dev_eui.hex()}", found
        data.write_bytes(whole)
        master = server.folder / "master.key"
        kept = master.read_text()
        master.write_text("0" * 64 + "\n")
        assert check_json(server, read=False)["problems"][0]["code"] == "MASTER_KEY"
        master.write_text(kept)
        master.chmod(0o644)
        assert check_json(server, read=False)["problems"][0]["code"] == "MASTER_FILE"
        master.chmod(0o600)
        server.start()
        said = check_json(server, read=False)
        assert [problem["code"] for problem in said["problems"]] == ["LOCKED"], said
        assert joins(server, token, device) >= 1


def test_vault_that_meets_a_damaged_page():
    """LMDB ends the process then; keywardd says what to do, and starts it again."""
    with stopped_server() as (server, token, device):
        server.start()
        os.kill(server.children()["vault"], signal.SIGABRT)
        deadline = time.monotonic() + 20 * SLOW
        while "run keyward check" not in server.new_log():
            assert time.monotonic() < deadline, "keywardd does not say what to do"
            time.sleep(0.05)


def test_configuration_errors_name_file_and_line():
    with stopped_server() as (server, _, _):
        good = server.conf.read_text()
        lines = good.splitlines()
        bad = server.folder / "bad.conf"
        cases = [
            ("[server]", "[server]\nlisen = 127.0.0.1:1", "lisen", 1),
            ("[keystore]", "[keystores]", "keystores", 0),
            ("[admin]", "[admin]\nlissten = 1", "lissten", 1),
            ("[log]", "[log]\ncolour = yes", "colour", 1),
            (f"listen = 127.0.0.1:{server.port}", "listen = 127.0.0.1:notaport", "listen", 0),
            ("map_size = 256M", "map_size = many", "map_size", 0),
            ("level = info", "level = loud", "level", 0),
        ]
        for old, new, word, below in cases:
            bad.write_text(good.replace(old, new, 1))
            line = lines.index(old) + 1 + below
            for args in ([], ["-t"]):
                refuses(server, str(bad), f":{line}", word, args=args, conf=bad)
            done = subprocess.run([executable("keyward"), "-c", str(bad), "status"],
                                  capture_output=True, text=True)
            assert done.returncode == 1 and f"{bad}:{line}" in done.stderr, done.stderr
        refuses(server, "nowhere.conf", conf=server.folder / "nowhere.conf")
        # Off loopback there is TLS or a proxy that is declared.
        bad.write_text(good.replace("127.0.0.1", "0.0.0.0", 1))
        refuses(server, "0.0.0.0", "tls_certificate", conf=bad)


def test_configuration_check():
    with stopped_server() as (server, _, _):
        done = daemon(server, "-t")
        assert done.returncode == 0, done.stderr
        assert "configuration is good" in done.stdout and str(server.conf) in done.stdout
        server.start()
        assert daemon(server, "-t").returncode == 0, "also while it runs"
        for args, status in ((["--help"], 0), (["--version"], 0), (["--nonsense"], 2), (["x"], 2)):
            assert daemon(server, *args).returncode == status, args


# ---- death and return ----


def test_each_child_comes_back_alone():
    with Server(fronts=2) as server:
        token, device = fill(server)
        for name in ("vault", "portal", "front", "front+"):
            before = server.children()
            os.kill(before[name], signal.SIGKILL)
            wait_for(f"{name} is not back", lambda: before[name] not in server.children().values()
                     and len(server.children()) == 4)
            after = server.children()
            kept = set(before.values()) - {before[name]}
            assert kept < set(after.values()), f"{name} died: {before}, then {after}"
            wait_for(f"no join after {name}", lambda: works(server, token, device))
            wait_for("the admin API", lambda: server.cli("status", check=False).returncode == 0)
        assert server.new_log().count("child died") == 4, server.new_log()
        status = server.json("status")
        assert sum(p["restarts"] for p in status["processes"]) == 4, status["processes"]
        assert any("was restarted" in text for text in status["warnings"]), status["warnings"]


def works(server, token, device):
    try:
        status, answer, _ = server.post(join_req(device), token)
    except (OSError, http.client.HTTPException):
        return False
    return status == 200 and code(answer) == "Success"


def test_back_off():
    with Server() as server:
        token, device = fill(server)
        others = {k: v for k, v in server.children().items() if k != "front"}
        last = None
        for _ in range(5):
            last = wait_for("front is back", lambda: server.children().get("front", last) != last
                            and server.children().get("front"))
            os.kill(last, signal.SIGKILL)
        wait_for("five deaths", lambda: server.new_log().count("child died") == 5)
        delays = re.findall(r"child died.*restart_in_ms=(\d+)", server.new_log())
        delays = [int(delay) for delay in delays]
        assert delays == sorted(set(delays)), delays
        for shorter, longer in zip(delays, delays[1:]):
            assert longer >= 1.5 * shorter, delays
        wait_for("joins again", lambda: works(server, token, device))
        after = server.children()
        assert {k: after[k] for k in others} == others, "only the front was started again"


def test_children_end_with_keywardd():
    with Server(fronts=2) as server:
        token, device = fill(server)
        for _ in range(2):
            joins(server, token, device)
            server.kill()  # asserts that the children go
            server.start()
        # Also where they do not listen: a stopped process is ended by the kernel.
        children = server.children()
        for pid in children.values():
            os.kill(pid, signal.SIGSTOP)
        server.kill()
        server.start()
        joins(server, token, device)


def test_reader_of_the_log_goes_away():
    """`keywardd | logger`: when logger dies, nobody hears the log, and joins go on."""
    with Server() as server:
        token, device = fill(server)
        server.stop()
        server.process = subprocess.Popen(
            [executable("keywardd"), "-c", str(server.conf)], stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        while b" ready" not in server.process.stderr.readline():
            assert server.process.poll() is None
        server.process.stderr.close()
        os.kill(server.children()["front"], signal.SIGKILL)  # keywardd has something to say
        wait_for("a join after the front's death", lambda: works(server, token, device))
        assert server.process.poll() is None


def test_started_without_standard_streams():
    """A descriptor of ours must not come where children write their log, or a store's file."""
    if not ROOT:
        print("skipped: only root sees other processes' descriptors")
        return
    with Server() as server:
        token, device = fill(server)
        server.stop()
        server.process = subprocess.Popen(
            ["bash", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', executable("keywardd"),
             str(server.conf)])
        wait_for("a join", lambda: works(server, token, device), 20)
        for name, pid in {"keywardd": server.process.pid, **server.children()}.items():
            held = descriptors(pid)
            assert [held.get(fd) for fd in range(3)] == ["/dev/null"] * 3, (name, held)


class Asker(threading.Thread):
    """Joins over and over on one connection; remembers how it was answered."""

    def __init__(self, server, token, device):
        super().__init__()
        self.server, self.token, self.device = server, token, device
        self.statuses = []
        self.longest = 0
        self.stopping = False
        self.problem = None

    def run(self):
        link = None
        while not self.stopping:
            start = time.monotonic()
            try:
                link = link or self.server.connect()
                status, answer, _ = self.server.post(join_req(self.device), self.token,
                                                     connection=link)
                if status == 200:
                    status = code(answer)
            except (ConnectionError, http.client.RemoteDisconnected):
                link, status = None, "closed"
                time.sleep(0.005)
            except Exception as problem:  # half an answer, for example
                self.problem = problem
                return
            self.statuses.append(status)
            self.longest = max(self.longest, time.monotonic() - start)


@contextlib.contextmanager
def asked(server, count):
    """Under load by so many devices."""
    token = server.add_ns("ours", "--net-id", "000013", "--any-device")
    devices = [Device(f"0004a30b001c07{i:02x}", JOIN_EUI, "1.0.4", bytes(b ^ i for b in KEY))
               for i in range(count)]
    server.import_rows([[JOIN_EUI, d.dev_eui.hex(), d.version, d.app_key.hex(), ""]
                        for d in devices])
    askers = [Asker(server, token, device) for device in devices]
    for asker in askers:
        asker.start()
    try:
        wait_for("load", lambda: all("Success" in a.statuses for a in askers))
        yield askers
    finally:
        for asker in askers:
            asker.stopping = True
        for asker in askers:
            asker.join()
    for asker in askers:
        assert asker.problem is None, repr(asker.problem)


def test_sigterm_under_load():
    for sign in (signal.SIGTERM, signal.SIGINT):
        with Server(fronts=2) as server:
            with asked(server, 8) as askers:
                children = server.children()
                start = time.monotonic()
                server.process.send_signal(sign)
                status = server.process.wait(10 * SLOW)
                took = time.monotonic() - start
                assert status == 0, (status, server.new_log())
                assert took < 3 * SLOW, f"{took:.1f} s"
                server.process = None
            seen = {status for asker in askers for status in asker.statuses}
            assert seen <= {"Success", "closed", 503, "Other"}, seen
            assert not any(alive(pid) for pid in children.values()), children
            assert not server.socket.exists(), "the admin socket is left"
            assert "stopped" in server.new_log(), server.new_log()


def test_stopped_vault():
    with Server() as server:
        token, device = fill(server)
        joins(server, token, device)
        vault = server.children()["vault"]
        os.kill(vault, signal.SIGSTOP)
        try:
            for _ in range(2):
                start = time.monotonic()
                status, _, headers = server.post(join_req(device), token)
                took = time.monotonic() - start
                assert status == 503, status
                assert "Retry-After" in headers, headers
                assert took < 3 * SLOW, f"{took:.1f} s"
        finally:
            # On a slow machine keywardd may have noticed: test_killed.py is about that.
            with contextlib.suppress(ProcessLookupError):
                os.kill(vault, signal.SIGCONT)
        wait_for("joins again", lambda: works(server, token, device), 3)
        log = server.new_log()
        assert "no answer from the vault in time" in log, log
        # Late answers went to nobody else: the next ones are each device's own.
        for _ in range(5):
            status, answer, _ = server.post(join_req(device), token)
            assert status == 200 and code(answer) == "Success"
            device.read_accept(bytes.fromhex(answer["PHYPayload"]), device.dev_nonce - 1, "000013")


# ---- what the processes may do ----


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def descriptors(pid):
    folder = pathlib.Path(f"/proc/{pid}/fd")
    return {int(fd.name): os.readlink(fd) for fd in folder.iterdir()}


def tcp_sockets(pid):
    inodes = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            lines = pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
            inodes |= {f"socket:[{line.split()[9]}]" for line in lines}
    return inodes


def test_children_are_locked_in():
    if not ROOT:
        print("skipped: only root sees other processes' descriptors and starts users of their own")
        return
    with Server(fronts=2) as server:
        token, device = fill(server)
        joins(server, token, device)
        children = server.children()
        users = {}
        for name, pid in children.items():
            status = status_of(pid)
            uids, gids = set(status["Uid"].split()), set(status["Gid"].split())
            assert len(uids) == 1 and "0" not in uids, (name, uids)
            assert len(gids) == 1 and "0" not in gids, (name, gids)
            assert "0" not in status["Groups"].split(), (name, status["Groups"])
            users[name.rstrip("+")] = uids.pop()
            for line in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                assert int(status[line], 16) == 0, (name, line, status[line])
            assert status["NoNewPrivs"] == "1", (name, status["NoNewPrivs"])
            # A filter of its own over that of keywardd.
            assert (status["Seccomp"], status["Seccomp_filters"]) == ("2", "2"), (name, status)
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            core = re.search(r"Max core file size +(\S+) +(\S+)", limits).groups()
            assert core == ("0", "0"), (name, core)
            # Not dumpable: what is below /proc/PID belongs to root.
            assert pathlib.Path(f"/proc/{pid}/fd").stat().st_uid == 0, name
            arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
            environment = pathlib.Path(f"/proc/{pid}/environ").read_text()
            assert "master" not in arguments and "KEYWARD" not in environment, name
        assert len(set(users.values())) == 3, users
        for role, uid in users.items():
            assert pwd.getpwuid(int(uid)).pw_name == f"keyward-{role}", users
        status = status_of(server.process.pid)
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), "keywardd itself"


def test_children_have_only_their_descriptors():
    if not ROOT:
        print("skipped: only root sees other processes' descriptors")
        return
    with Server(fronts=2) as server:
        token, device = fill(server)
        joins(server, token, device)
        time.sleep(0.5)  # connections are closed
        store = str(server.folder / "store")
        log = str(server.log_path)
        listeners = set()
        for name, pid in server.children().items():
            held = descriptors(pid)
            tcp = tcp_sockets(pid) & set(held.values())
            files = {where for where in held.values() if where.startswith("/")}
            assert held[0] == "/dev/null" and held[1] == held[2] == log, (name, held)
            assert not any("master" in where or "keyward.lock" in where for where in files), held
            if name == "vault":
                assert not tcp, (name, held)
                assert files <= {"/dev/null", log, store, f"{store}/data.mdb", f"{store}/lock.mdb"}
                sockets = [where for where in held.values() if where.startswith("socket:")]
                assert len(sockets) == 4, (name, held)  # keywardd, portal and two fronts
                continue
            assert not any(where.startswith(store) for where in files), (name, held)
            texts = {where for where in files if where.startswith("/memfd:keyward-")}
            assert files - texts == {"/dev/null", log}, (name, held)
            if name.startswith("front"):
                assert len(texts) == 6, (name, held)  # the PEM files, configured or not
                assert len(tcp) == 1, (name, held)
                listeners |= tcp
                # And channel, two of signals, epoll; for posts an epoll and a pair to wake it.
                assert len(held) == 17, (name, held)
            else:
                assert not texts, (name, held)
                assert not tcp, (name, held)
        assert len(listeners) == 2, "each front has a listener of its own"


def test_idle_memory_and_cpu():
    if not ROOT:
        print("skipped: only root sees other processes' memory")
        return

    def ticks(pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    with Server() as server:
        token, device = fill(server)
        joins(server, token, device)
        time.sleep(3)  # folding, the join log, reports
        pids = {**server.children(), "keywardd": server.process.pid}
        before = {name: ticks(pid) for name, pid in pids.items()}
        time.sleep(2)
        used = {name: ticks(pid) - before[name] for name, pid in pids.items()}
        assert all(count <= 2 for count in used.values()), f"busy while idle: {used}"
        memory = {}
        for name, pid in pids.items():
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            memory[name] = int(re.search(r"(?m)^Pss: +(\d+) kB", text).group(1))
        print(f"idle: {sum(memory.values())} KiB {memory}")
        if SANITIZED:
            print("skipped: memory is not judged under sanitizers")
            return
        assert sum(memory.values()) < IDLE_MEMORY_KIB, memory


def test_from_nothing_to_a_join():
    server = Server()
    try:
        start = time.monotonic()
        server.cli("init")
        made = time.monotonic()
        server.start()
        ready = time.monotonic()
        token, device = fill(server)
        filled = time.monotonic()
        joins(server, token, device)
        took = time.monotonic() - start
        print(f"init {made - start:.3f} s, start {ready - made:.3f} s, provisioning "
              f"{filled - ready:.3f} s; first join after {took:.3f} s")
        assert took < 5 * SLOW, took
    finally:
        server.__exit__(None, None, None)


# ---- not root ----


def copy_programs(folder):
    """The programs where everybody may run them, arranged as in a build tree."""
    for name in ("js/keywardd", "js/keyward-vault", "js/keyward-front", "js/keyward-portal",
                 "cli/keyward"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy2(installation.BUILD / name, folder / name)
        (folder / name).chmod(0o755)
        (folder / name).parent.chmod(0o755)
    folder.chmod(0o755)
    return folder


def as_user(name, function):
    """Run a function in a process of that user; an exception there fails here."""
    user = pwd.getpwnam(name)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
            os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
            os.chdir("/")
            function()
            status = 0
        except BaseException as problem:  # nothing may get out of this process
            print(f"as {name}: {problem!r}")
        finally:
            sys.stdout.flush()
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"it failed as {name}"


def unprivileged():
    assert os.geteuid() != 0
    with Server() as server:
        assert server.folder.stat().st_uid == os.geteuid()
        token, device = fill(server)
        assert joins(server, token, device) == 1
        for name, pid in server.children().items():
            status = status_of(pid)
            assert set(status["Uid"].split()) == {str(os.geteuid())}, (name, status["Uid"])
            assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0, name
            assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", name
            # Not dumpable: even the same user cannot look inside.
            for inside in ("mem", "maps", "environ"):
                try:
                    open(f"/proc/{pid}/{inside}", "rb").read(1)
                except PermissionError:
                    continue
                raise AssertionError(f"/proc/{pid}/{inside} of {name} can be read")
        assert server.socket.stat().st_mode & 0o077 == 0, oct(server.socket.stat().st_mode)
        assert (server.folder / "store").stat().st_mode & 0o077 == 0
        assert (server.folder / "master.key").stat().st_mode & 0o077 == 0
        again = server.cli("init", check=False)
        assert again.returncode == 1 and "not touched" in again.stderr, again.stderr
        server.cli("device", "add", "--join-eui", JOIN_EUI, "--dev-eui", "0004a30b001c0699",
                   "--lorawan-version", "1.1", "--generate")
        assert len(server.json("device", "list")["devices"]) == 2
        server.kill()
        server.start()
        assert joins(server, token, device) == 2
        os.kill(server.children()["vault"], signal.SIGKILL)
        wait_for("a join after the vault's death", lambda: works(server, token, device))
        server.process.terminate()
        assert server.process.wait(5 * SLOW) == 0


def test_not_root():
    if not ROOT:
        unprivileged()
        return
    programs = pathlib.Path(installation.tempfile.mkdtemp(prefix="keyward-programs-"))
    kept = installation.BUILD
    try:
        copy_programs(programs)
        installation.BUILD = programs
        as_user("nobody", unprivileged)
    finally:
        installation.BUILD = kept
        shutil.rmtree(programs)


def test_store_file_of_somebody_else():
    """Started as root, a store that the vault's user cannot open is refused."""
    if not ROOT:
        print("skipped: this is about starting as root")
        return
    with stopped_server() as (server, _, _):
        os.chown(server.folder / "store" / "data.mdb", 0, 0)
        said = refuses(server)
        assert "store" in said, said


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
