"""A whole Keyward in a temporary directory, and the same front without one."""
import contextlib
import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

PEM_FILES = 6
PEM_SIZE = 1024 * 1024 + 1  # as js/process.h has them
NET_ID = "000013"
START_S = 60
STOP_S = 60
FOLD_S = 300
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """The benchmark cannot go on; the text says why."""


def free_port():
    """A port that no outgoing connection can have taken by the time a server listens on it."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(10_000, max(first, 20_000))))
            return probe.getsockname()[1]


class Tools:
    """The executables of a build tree."""

    def __init__(self, build):
        self.build = build

    def path(self, name):
        for folder in ("js", "cli", "tests/bench"):
            path = self.build / folder / name
            if path.exists():
                return str(path)
        raise Failed(f"{name} is not in {self.build}: build it first")

    def run(self, name, *words):
        done = subprocess.run([self.path(name), *map(str, words)], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failed(f"{name} {' '.join(map(str, words))}: exit status {done.returncode}\n"
                         f"{done.stdout}{done.stderr}")
        return done.stdout

    def json(self, name, *words):
        return json.loads(self.run(name, *words))

    def joinload(self, *words):
        return self.json("joinload", "--json", *words)


class Certificate:
    """A certificate for itself (ECDSA, P-256) and its key, as files."""

    def __init__(self, folder, name):
        self.pem = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "90", "-subj", f"/CN={name}", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.key, "-out", self.pem],
            check=True, capture_output=True)


class Installation:
    """Configuration, store and keywardd in a directory of their own."""

    def __init__(self, tools, folder, devices):
        self.tools = tools
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keyward-bench-", dir=folder))
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.certificate = None
        self.process = None
        self.devices = devices
        self.store = self.folder / "store"
        self.master_key = self.folder / "master.key"
        self.token = self.folder / "token"
        self.log = self.folder / "log"
        self.conf = self.folder / "keyward.conf"
        self.configure()
        descriptor = os.open(self.token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(24).hex() + "\n")
        self.cli("init")

    def configure(self, certificate=None, fronts=1):
        """From the next start on; with a certificate all of HTTP is over TLS."""
        self.certificate = certificate
        tls = "" if certificate is None else (
            f"tls_certificate = {certificate.pem}\ntls_key = {certificate.key}\n")
        self.conf.write_text(
            f"[server]\nlisten = 127.0.0.1:{self.port}\nprocesses = {fronts}\n{tls}"
            f"[keystore]\npath = {self.store}\nmaster_key = file:{self.master_key}\n"
            f"[admin]\nsocket = {self.folder}/admin.sock\n"
            "[log]\nlevel = warning\n")

    def cli(self, *words):
        return self.tools.run("keyward", "-c", self.conf, *words)

    def status(self):
        return json.loads(self.cli("--json", "status"))

    def start(self):
        """Start keywardd; return the seconds until it serves."""
        begun = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.tools.path("keywardd"), "-c", str(self.conf)], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)
        while not self.serves():
            if self.process.poll() is not None or time.monotonic() > begun + START_S:
                raise Failed(f"keywardd does not start:\n{self.log.read_text()}")
            time.sleep(0.002)
        return time.monotonic() - begun

    def connect(self):
        link = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        if self.certificate is None:
            return link
        context = ssl.create_default_context(cafile=self.certificate.pem)
        with link:  # the TLS socket takes it over
            return context.wrap_socket(link, server_hostname="localhost")

    def serves(self):
        """Listeners are open before anybody serves them; an answer is what counts."""
        try:
            with self.connect() as http, socket.socket(socket.AF_UNIX) as admin:
                http.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                admin.settimeout(5)
                admin.connect(f"{self.folder}/admin.sock")
                admin.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: bench\r\n"
                              b"Connection: close\r\n\r\n")
                return http.recv(12) != b"" and admin.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False

    def register(self):
        self.cli("ns", "add", "bench", "--net-id", NET_ID, "--token-file", self.token,
                 "--any-device")

    def write_csv(self, devices):
        csv = self.folder / f"{devices}.csv"
        self.tools.run("joinload", "--write-devices", csv, "--devices", devices)
        return csv

    def import_devices(self):
        """Over the admin API, as an operator does; return the seconds."""
        csv = self.write_csv(self.devices)
        begun = time.monotonic()
        self.cli("device", "import", csv)
        took = time.monotonic() - begun
        csv.unlink()
        return took

    def fill(self):
        """Straight into the store of a keywardd that does not run; return the seconds."""
        return self.tools.json("fill", self.store, self.master_key, self.devices)["seconds"]

    def diskload(self, first_nonce, milliseconds):
        return self.tools.json("diskload", self.store, self.master_key, self.devices, first_nonce,
                               milliseconds)

    def load(self, *words):
        return self.tools.joinload("--connect", f"127.0.0.1:{self.port}", "--token-file",
                                   self.token, "--net-id", NET_ID, "--devices", self.devices,
                                   *words)

    def wait_folded(self):
        """Until the vault has nothing to do in the background; return the seconds."""
        begun = time.monotonic()
        while self.status()["store"]["journal_records"] > 0:
            if time.monotonic() > begun + FOLD_S:
                raise Failed(f"the journal is not folded after {FOLD_S} s")
            time.sleep(0.1)
        return time.monotonic() - begun

    def disk_bytes(self):
        return sum(path.stat().st_blocks * 512 for path in self.store.iterdir())

    def forget_pages(self):
        """Take the store out of the page cache, as after a boot; keywardd must not run."""
        for path in self.store.iterdir():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)

    def processes(self):
        """Process id to name and processor seconds: keywardd and what it started."""
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, ValueError):
                head, _, rest = path.read_text().rpartition(")")
                fields = rest.split()
                pid = int(path.parent.name)
                if self.process.pid in (pid, int(fields[1])):
                    name = head.partition("(")[2]
                    found[pid] = (name, (int(fields[11]) + int(fields[12])) / TICKS)
        return found

    def processor_s(self):
        """Processor seconds so far, by name of executable."""
        total = {}
        for name, seconds in self.processes().values():
            total[name] = total.get(name, 0) + seconds
        return total

    def memory(self):
        """PSS in MiB of all processes: in all, and without what only mirrors files."""
        total = private = 0
        try:
            for pid in self.processes():
                for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
                    elif line.startswith("Pss_Anon:"):
                        private += int(line.split()[1])
        except OSError:
            return None  # processes that hold keys can be looked into by root only
        return {"pss_mib": round(total / 1024, 1), "anonymous_mib": round(private / 1024, 1)}

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def read_only_memory(text):
    """A text as a front gets it from keywardd."""
    writable = os.memfd_create("keyward-bench")
    try:
        os.truncate(writable, PEM_SIZE)
        os.write(writable, text)
        return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(writable)


class Floor:
    """keyward-front with a fixed answer: what HTTP alone, or HTTP over TLS, can do here."""

    def __init__(self, tools, certificate=None):
        self.tools = tools
        self.port = free_port()
        listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        ready, tell = os.pipe()
        channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = tools.path("keyward-front")
        # Behind the channel come the PEM files: the certificate, its key, and none of the others.
        texts = [] if certificate is None else [certificate.pem.read_bytes(),
                                                certificate.key.read_bytes()]
        pem = [read_only_memory(text) for text in texts + [b""] * (PEM_FILES - len(texts))]
        # Numbers above those that the child wants, so that none is overwritten on the way.
        spare = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20)
                 for fd in (tell, channel.fileno(), *pem, listener.fileno())]
        for fd in pem:
            os.close(fd)
        moves = [(os.POSIX_SPAWN_DUP2, fd, 3 + i) for i, fd in enumerate(spare)]
        self.pid = os.posix_spawn(program, [program, "--fixed-answer", "--listeners", "1",
                                            "--log-level", "warning"],
                                  os.environ, file_actions=moves)
        os.close(tell)
        for fd in spare:
            os.close(fd)
        listener.close()
        self.sockets = (channel, other)
        if os.read(ready, 1) == b"":
            raise Failed("keyward-front --fixed-answer does not start")
        os.close(ready)

    def load(self, devices, *words):
        return self.tools.joinload("--connect", f"127.0.0.1:{self.port}", "--devices", devices,
                                   "--mode", "fixed", *words)

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
