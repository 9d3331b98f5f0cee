"""A real keywardd in a temporary directory, and what the tests do with it."""
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = pathlib.Path(os.environ.get("KEYWARD_BUILD", "build")).resolve()
# Whoever runs the tests may have these ignored, as nohup and jobs in the background have; what is started
# here is to hear them.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
SLOW = 5 if "address" in os.environ.get("KEYWARD_SANITIZE", "") else 1


def executable(name):
    for folder in ("js", "cli", "tests/bench"):
        path = BUILD / folder / name
        if path.exists():
            return str(path)
    raise FileNotFoundError(f"{name} in {BUILD}")


def free_port():
    """A port below those that the kernel gives to outgoing connections: none of another test's
    connections can have taken it by the time the server listens."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        with contextlib.closing(socket.socket()) as probe:
            try:
                probe.bind(("", random.randrange(10_000, max(first, 20_000))))
                return probe.getsockname()[1]
            except OSError:
                continue


class Failed(Exception):
    """A command that ended with another status than 0."""

    def __init__(self, status, out, err):
        super().__init__(f"exit status {status}\n{out}\n{err}")
        self.status, self.out, self.err = status, out, err


class Server:
    """One installation: configuration, store, and a keywardd that can be started and killed."""

    def __init__(self, tls=False, fronts=1, level="info", settings="", map_size="256M"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keyward-"))
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.tls = tls
        self.process = None
        self.crashes = False  # a sanitizer's report of a crash opens files
        self.log_path = self.folder / "log"
        self.log_start = 0
        self.socket = self.folder / "admin.sock"
        lines = [
            "[server]",
            f"listen = 127.0.0.1:{self.port}",
            f"processes = {fronts}",
        ]
        if tls:
            self.make_certificate()
            lines += [f"tls_certificate = {self.folder}/tls.pem", f"tls_key = {self.folder}/tls.key"]
        lines += [
            "[keystore]",
            f"path = {self.folder}/store",
            f"master_key = file:{self.folder}/master.key",
            f"map_size = {map_size}",
            "[admin]",
            f"socket = {self.socket}",
            "[log]",
            f"level = {level}",
            settings,
        ]
        self.conf = self.folder / "keyward.conf"
        self.conf.write_text("\n".join(lines) + "\n")

    def make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.folder / "tls.key",
             "-out", self.folder / "tls.pem"],
            check=True, capture_output=True)

    def __enter__(self):
        self.cli("init")
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()
        if error[0] is None and not (self.crashes and SLOW > 1):
            self.none_refused()
        if error[0] is None or "KEYWARD_KEEP" not in os.environ:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, wait=True):
        """Start keywardd and wait until it says that it is ready."""
        log = open(self.log_path, "ab")
        self.log_start = self.log_path.stat().st_size
        self.process = subprocess.Popen(
            [executable("keywardd"), "-c", str(self.conf)], stdout=log, stderr=log,
            stdin=subprocess.DEVNULL)
        log.close()
        if not wait:
            return
        deadline = time.monotonic() + 10 * SLOW
        while " ready" not in self.new_log():
            if self.process.poll() is not None:
                raise AssertionError("keywardd ended: " + self.new_log())
            if time.monotonic() > deadline:
                raise AssertionError("keywardd is not ready: " + self.new_log())
            time.sleep(0.01)

    def stop(self):
        """Ask keywardd to end, as systemd does."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10 * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("keywardd did not end on SIGTERM: " + self.new_log())
        self.process = None

    def none_refused(self):
        """Whatever the test did: the processes asked for no system call that they may not make."""
        for line in self.log_path.read_text(errors="replace").splitlines():
            assert "system call" not in line, line

    def kill(self):
        """kill -9 of keywardd; its children must go with it."""
        children = self.children()
        self.process.kill()
        self.process.wait()
        self.process = None
        deadline = time.monotonic() + 5 * SLOW
        while any(alive(pid) for pid in children.values()):
            assert time.monotonic() < deadline, "children outlive keywardd"
            time.sleep(0.005)

    def new_log(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def children(self):
        """Name to process id of the children, e.g. {"vault": 17, "front": 18, "portal": 19}."""
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                text = path.read_text()
                name = text[text.index("(") + 1 : text.rindex(")")]
                fields = text[text.rindex(")") + 2 :].split()
                if int(fields[1]) == self.process.pid and fields[0] not in "ZX":
                    key = name.replace("keyward-", "")
                    while key in found:
                        key += "+"
                    found[key] = int(path.parent.name)
        return found

    def cli(self, *args, text=None, check=True):
        """Run `keyward -c CONF ARGS`; gives standard output, raises Failed."""
        done = subprocess.run(
            [executable("keyward"), "-c", str(self.conf), *map(str, args)],
            input=text, capture_output=True, text=True, timeout=120 * SLOW)
        if check and done.returncode != 0:
            raise Failed(done.returncode, done.stdout, done.stderr)
        return done.stdout if check else done

    def json(self, *args):
        return json.loads(self.cli("--json", *args))

    def add_ns(self, name, *args):
        """Register a network server; gives its token."""
        token = f"token-of-{name}-0123456789abcdef"
        path = self.folder / f"{name}.token"
        path.write_text(token + "\n")
        path.chmod(0o600)
        self.cli("ns", "add", name, "--token-file", path, *args)
        return token

    def import_rows(self, rows, *args):
        """Import CSV rows (join_eui, dev_eui, version, app_key, nwk_key)."""
        head = "join_eui,dev_eui,lorawan_version,app_key,nwk_key\n"
        text = head + "".join(",".join(row) + "\n" for row in rows)
        return self.cli("device", "import", "-", *args, text=text)

    def connect(self):
        if self.tls:
            context = ssl.create_default_context(cafile=str(self.folder / "tls.pem"))
            return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def post(self, body, token=None, path="/", headers=None, connection=None, method="POST"):
        """POST a message; gives (status, JSON or None, headers)."""
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        head = {"Content-Type": "application/json"}
        if token is not None:
            head["Authorization"] = "Bearer " + token
        head.update(headers or {})
        link = connection or self.connect()
        try:
            link.request(method, path, data, head)
            answer = link.getresponse()
            text = answer.read()
            parsed = json.loads(text) if text else None
            return answer.status, parsed, dict(answer.getheaders())
        finally:
            if connection is None:
                link.close()


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def join_req(device, dev_nonce=None, net_id="000013", phy=None, **changes):
    """The body of a JoinReq as an operator's network server would write it."""
    phy = phy or device.join_request(dev_nonce)
    new = device.version.startswith("1.1")
    body = {
        "ProtocolVersion": "1.0",
        "SenderID": net_id,
        "ReceiverID": device.join_eui.hex(),
        "TransactionID": 4711,
        "MessageType": "JoinReq",
        "MACVersion": device.version,
        "PHYPayload": phy.hex(),
        "DevEUI": device.dev_eui.hex(),
        "DevAddr": "26011bda",
        "DLSettings": "80" if new else "00",
        "RxDelay": 1,
    }
    body.update(changes)
    return {key: value for key, value in body.items() if value is not None}


def code(answer):
    return answer["Result"]["ResultCode"]


def run_tests(names):
    """Run the test_* functions of a file in order; one line each; exit status."""
    failed = 0
    wanted = sys.argv[1:]
    for name, function in list(names.items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        start = time.monotonic()
        try:
            function()
        except Exception:  # every failure is shown, and the next test runs
            failed += 1
            print(f"[  FAILED  ] {name}")
            traceback.print_exc(file=sys.stdout)
        else:
            print(f"[       OK ] {name} ({time.monotonic() - start:.1f} s)")
        sys.stdout.flush()
    return 1 if failed else 0
