"""keyward ns test: every step, good and broken; the device is gone afterwards whatever happens."""
import contextlib
import http.server
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from commands import devices, fails
from server import SLOW, Server, executable, run_tests

NET_ID = "000013"
NS_ID = "ec656e0000000181"
DEV_EUI = "026b657977617264"
KEK = "000102030405060708090a0b0c0d0e0f"
NO_SECRET = (re.compile(r"\b[0-9a-fA-F]{32}\b"), re.compile(r"[\w-]{43}"))


def steps_of(out):
    return {step["step"]: step for step in json.loads(out)}


def run(server, *args, status=0, gone=True):
    """A test in JSON; gives its steps by name, and checks what holds for every test."""
    done = server.cli("--json", "ns", "test", *args, check=False)
    assert done.returncode == status, f"{args}: {done.returncode}: {done.stdout}{done.stderr}"
    for secret in NO_SECRET:
        found = secret.search(done.stdout + done.stderr)
        assert not found, f"{args}: printed {found}"
    for path in server.folder.glob("*.token"):
        assert path.read_text().strip() not in done.stdout + done.stderr, "token printed"
    if gone:
        assert DEV_EUI not in devices(server), f"{args}: the device is still there"
    return steps_of(done.stdout)


def results(steps, *names):
    return [steps[name]["result"] for name in names]


def fails_at(server, step, *args, words, credential=None):
    """The test must fail at this step, in these words, and at none before it."""
    steps = run(server, "home", *(credential or token_file(server)), *args, status=1)
    for name, other in steps.items():
        if name == step:
            break
        assert other["result"] in ("ok", "not_seen"), (name, other)
    found = steps[step]
    assert found["result"] == "failed", found
    said = found["text"] + " " + found.get("help", "")
    for word in [words] if isinstance(words, str) else words:
        assert word in said, f"{word!r} is not in: {said}"
    return steps


def token_file(server, name="home"):
    return "--token-file", server.folder / f"{name}.token"


def secret_file(server, name, text):
    path = server.folder / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def add_home(server, *args):
    server.add_ns("home", "--net-id", NET_ID, *args)


GOOD = ("configuration", "TCP", "credential", "device", "HTTP", "sender", "version", "header",
        "join", "MIC", "KEK", "AppSKey", "repeat", "forged", "time", "clean-up")


def all_good(steps, tls):
    assert results(steps, *GOOD) == ["ok"] * len(GOOD), steps
    assert steps["TLS"]["result"] == ("ok" if tls else "not_seen"), steps["TLS"]
    assert "answer" not in steps


def test_good():
    with Server() as server:
        add_home(server)
        steps = run(server, "home")
        all_good(steps, tls=False)
        assert f"http://127.0.0.1:{server.port}/" in steps["configuration"]["text"]
        assert "made for this test" in steps["credential"]["text"]
        assert "accepted as home" in steps["sender"]["text"]
        assert "MACVersion 1.0.4" in steps["version"]["text"]
        assert "in the clear" in steps["KEK"]["text"]
        assert "inline-id" in steps["AppSKey"]["text"]
        steps = run(server, "home", *token_file(server), "--lorawan-version", "1.1")
        all_good(steps, tls=False)
        assert "MACVersion 1.1" in steps["version"]["text"]


def test_in_words():
    with Server() as server:
        add_home(server)
        out = server.cli("ns", "test", "home", *token_file(server))
        lines = out.splitlines()
        assert lines[-1] == "All is good." and len(lines) == len(GOOD) + 2, out
        assert all(line[0] in "\u2713-" for line in lines[:-1]), out
        done = server.cli("ns", "test", "home", *token_file(server), "--net-id", "000014",
                          check=False)
        assert done.returncode == 1 and "All is good" not in done.stdout
        assert "\u2717 sender         UnknownSender\n" in done.stdout, done.stdout
        assert "- MIC            not run\n" in done.stdout


def test_tls():
    with Server(tls=True) as server:
        add_home(server)
        steps = run(server, "home")
        all_good(steps, tls=True)
        assert "certificate for localhost 127.0.0.1 until" in steps["TLS"]["text"]
        steps = run(server, "home", *token_file(server))
        all_good(steps, tls=True)
        assert "the token in " in steps["credential"]["text"]
        ca = server.folder / "tls.pem"
        url = f"https://localhost:{server.port}/"
        all_good(run(server, "home", *token_file(server), "--url", url, "--ca", ca), tls=True)
        with Server(tls=True) as other:
            fails_at(server, "TLS", "--ca", other.folder / "tls.pem",
                     words=["NOT trusted", "--ca names"])
        fails_at(server, "TLS", "--ca", server.folder / "none.pem", words="none.pem")
        fails_at(server, "TLS", "--ca", server.conf, words="keyward.conf")


def test_certificate_by_name():
    """Listening on every address with a certificate for a name that nobody can resolve here."""
    with Server(tls=True) as server:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=js", "-addext",
             "subjectAltName=DNS:*.join.example,DNS:js.join.example", "-keyout",
             server.folder / "tls.key", "-out", server.folder / "tls.pem"],
            check=True, capture_output=True)
        server.conf.write_text(server.conf.read_text().replace("127.0.0.1:", "0.0.0.0:"))
        add_home(server)
        server.stop()
        server.start()
        steps = run(server, "home", *token_file(server))
        all_good(steps, tls=True)
        assert "https://js.join.example:" in steps["configuration"]["text"]
        assert "verified as js.join.example" in steps["TLS"]["text"]
        assert steps["TCP"]["text"] == f"127.0.0.1:{server.port}"
        fails_at(server, "TLS", "--url", f"https://127.0.0.1:{server.port}/",
                 words=["certificate for *.join.example js.join.example", "does not match"])


def test_credentials():
    with Server() as server:
        add_home(server)
        server.add_ns("other", "--net-id", NET_ID)
        wrong = secret_file(server, "wrong", "wrong-0123456789abcdef")
        fails_at(server, "sender", words=["nobody's", "keyward ns set home --token-file"],
                 credential=("--token-file", wrong))
        fails_at(server, "sender", words="accepted as other", credential=token_file(server, "other"))
        value = secret_file(server, "value", "Bearer " + (server.folder / "home.token").read_text())
        steps = run(server, "home", "--authorization-file", value)
        all_good(steps, tls=False)
        assert "the value of Authorization in" in steps["credential"]["text"]
        fails_at(server, "sender", words="keyward ns set home --basic-file",
                 credential=("--basic-file", secret_file(server, "basic", "user:password")))
        steps = fails_at(server, "credential", words="basic",
                         credential=("--basic-file", secret_file(server, "basic", "nobody")))
        assert steps["device"]["result"] == "not_run"
        wrong.chmod(0o644)
        fails_at(server, "credential", words="wrong", credential=("--token-file", wrong))


def certificate(server, name):
    """A self-signed client certificate; gives the options that show it."""
    pem, key = server.folder / f"{name}.pem", server.folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "30", "-subj", f"/CN={name}", "-addext",
         "extendedKeyUsage=clientAuth", "-keyout", key, "-out", pem],
        check=True, capture_output=True)
    return "--certificate", pem, "--key", key


def test_other_credentials():
    with Server(tls=True) as server:
        shown = certificate(server, "home")
        basic = secret_file(server, "basic", "user:password")
        server.cli("ns", "add", "home", "--net-id", NET_ID, *shown[:2], "--basic-file", basic)
        steps = run(server, "home", *shown)
        all_good(steps, tls=True)
        assert "the certificate in" in steps["credential"]["text"]
        fails_at(server, "sender", words="keyward ns set home --certificate",
                 credential=certificate(server, "other"))
        steps = run(server, "home", "--basic-file", basic)
        all_good(steps, tls=True)
        assert "user and password in" in steps["credential"]["text"]
        all_good(run(server, "home"), tls=True)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Where answers are posted to."""

    status, took = 200, None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).took.append(json.loads(body))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def receiver(status):
    kind = type("Receiver", (Receiver,), {"status": status, "took": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listener.server_port}/answers", kind.took
        listener.shutdown()


def test_answer_url():
    unseen = ("version", "header", "MIC", "KEK", "AppSKey", "repeat", "forged")
    with Server() as server, receiver(200) as (url, took), receiver(400) as (bad_url, _):
        add_home(server, "--answer-url", url)
        steps = run(server, "home")
        assert results(steps, *unseen) == ["not_seen"] * len(unseen), steps
        assert "acknowledged" in steps["HTTP"]["text"]
        assert "accepted as home" in steps["sender"]["text"]
        assert results(steps, "join", "answer", "time", "clean-up") == ["ok"] * 4, steps
        assert [answer["Result"]["ResultCode"] for answer in took] == ["Success"]
        assert url in steps["configuration"]["text"] and url in steps["answer"]["text"]
        steps = run(server, "home", "--join-eui", "1122334455667788")
        server.cli("ns", "set", "home", "--join-eui", "70b3d57ed0000000/40")
        steps = run(server, "home", "--join-eui", "1122334455667788", status=1)
        assert results(steps, "sender", "join") == ["ok", "failed"], steps
        assert "JoinEUI" in steps["join"]["help"] and "answer" not in steps
        said = server.cli("ns", "test", "home", *token_file(server)).splitlines()[-1]
        assert said == "All that can be seen from here is good.", said
        server.cli("ns", "set", "home", "--answer-url", bad_url)
        steps = run(server, "home", status=1)
        assert results(steps, "join", "answer") == ["ok", "failed"], steps
        assert "did not take the answer" in steps["answer"]["text"]
        server.cli("ns", "set", "home", "--answer-url", "")
        all_good(run(server, "home"), tls=False)


def test_token_is_for_a_test():
    """What stands for the network server is in memory, and nowhere once the next one is there."""
    with Server() as server:
        add_home(server)
        run(server, "home")
        shown = server.json("ns", "show", "home")
        assert [item["kind"] for item in shown["credentials"]] == ["token"], shown


def test_usage():
    with Server() as server:
        add_home(server)
        for args, words in (
                (["home", "--token-file", "a", "--basic-file", "b"], "at a time"),
                (["home", "--certificate", "a"], "--key go together"),
                (["home", "--dialect", "plain"], "--dialect"),
                (["home", "--protocol", "1.2"], "--protocol"),
                (["home", "--url", "js.example"], "--url"),
                (["home", "--lorawan-version", "2"], "--lorawan-version"),
                (["home", "--join-eui", "7"], "--join-eui"),
                ([], "NAME")):
            fails(server, "ns", "test", *args, words=words, status=2)


def test_peer():
    with Server() as server:
        add_home(server)
        steps = run(server, "absent", *token_file(server), status=1)
        assert "no network server is called absent" in steps["configuration"]["text"]
        assert steps["configuration"]["help"] == "keyward ns list"
        steps = fails_at(server, "sender", "--net-id", "000014",
                         words=["UnknownSender", "000014", "ns set home"])
        assert results(steps, "version", "forged") == ["not_run"] * 2
        server.cli("ns", "set", "home", "--net-id", NET_ID, "--net-id", "000014")
        all_good(run(server, "home", *token_file(server), "--net-id", "000014"), tls=False)


def test_ns_id():
    with Server() as server:
        add_home(server, "--ns-id", NS_ID)
        steps = run(server, "home", *token_file(server), "--dialect", "tts")
        all_good(steps, tls=False)
        assert "ProtocolVersion 1.1" in steps["version"]["text"]
        assert "TransactionID 0, ReceiverNSID" in steps["header"]["text"]
        steps = run(server, "home", *token_file(server), "--dialect", "chirpstack",
                    "--lorawan-version", "1.1")
        assert "ProtocolVersion 1.0 " in steps["version"]["text"]
        assert "MACVersion 1.1.0" in steps["version"]["text"]
        assert "ChirpStack leaves payloads encrypted" in steps["AppSKey"]["text"]
        fails_at(server, "sender", "--dialect", "chirpstack", "--protocol", "1.1",
                 words=["UnknownSender", "NSID"])
        server.cli("ns", "set", "home", "--app-s-key", "inline")
        steps = run(server, "home", *token_file(server), "--dialect", "chirpstack")
        assert "(inline)" in steps["AppSKey"]["text"] and "ChirpStack" not in str(steps)


def test_join_eui():
    with Server() as server:
        add_home(server, "--join-eui", "70b3d57ed0000000/40")
        steps = run(server, "home", *token_file(server))
        assert "JoinEUI 70b3d57ed0000000" in steps["device"]["text"]
        fails_at(server, "join", "--join-eui", "70b3d57ed1000000",
                 words=["ActivationDisallowed", "70b3d57ed1000000"])
        server.cli("ns", "set", "home", "--join-eui", "")
        server.import_rows([("1122334455667788", "0004a30b00000001", "1.0.3", KEK, "")])
        steps = run(server, "home", *token_file(server))
        assert "JoinEUI 1122334455667788" in steps["device"]["text"]


def test_kek():
    with Server() as server:
        add_home(server)
        right = secret_file(server, "kek", KEK)
        wrong = secret_file(server, "wrong", KEK[::-1])
        fails_at(server, "KEK", "--kek-file", right, words=["in the clear", "kek add --ns home"])
        server.cli("ns", "set", "home", "--kek-label", "home-2026", "--kek-file", right)
        for version in ("1.0.4", "1.1"):
            args = (*token_file(server), "--lorawan-version", version)
            steps = run(server, "home", *args)
            all_good(steps, tls=False)
            assert 'under "home-2026", not opened' in steps["KEK"]["text"]
            steps = run(server, "home", *args, "--kek-file", right)
            assert "opened, the same as the device's" in steps["KEK"]["text"]
            steps = fails_at(server, "KEK", "--kek-file", wrong, "--lorawan-version", version,
                             words=["does not open", "home-2026"])
            assert steps["AppSKey"]["result"] == "ok"
        args = ("--lorawan-version", "1.1", "--kek-file", right)
        for value, words in ((flip, "does not open"), ("00" * 16, "48 hexadecimal digits")):
            with Between(server, lambda n, a: put(a, value, "NwkSEncKey", "AESKey")) as between:
                fails_at(server, "KEK", "--url", between.url, *args, words=words)


def test_app_s_key():
    with Server() as server:
        add_home(server)
        server.cli("as", "add", "app", "--as-id", "as.example", "--kek-label", "app-2026",
                   "--kek-file", secret_file(server, "kek", KEK))
        args = ("home", *token_file(server), "--as-id", "as.example")
        assert "(fetch)" in run(server, *args)["AppSKey"]["text"]
        server.cli("ns", "set", "home", "--app-s-key", "wrapped")
        steps = run(server, *args)
        assert 'under "app-2026" of the application server (wrapped)' in steps["AppSKey"]["text"]
        fails_at(server, "join", words=["JoinReqFailed", "KEK"])


class Between:
    """A proxy that changes answers: change(number, answer) gives what goes back."""

    def __init__(self, server, change):
        handler = type("Handler", (Handler,), {"server_port": server.port, "change": change,
                                               "count": 0, "protocol_version": "HTTP/1.1"})
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"

    def __enter__(self):
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.http.shutdown()
        self.http.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        kind = type(self)
        kind.count += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        link = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=20)
        link.request("POST", "/", body, {"Content-Type": "application/json",
                                         "Authorization": self.headers["Authorization"]})
        answer = link.getresponse()
        changed = kind.change(kind.count, json.loads(answer.read()))
        status, data = changed if isinstance(changed, tuple) else (200, changed)
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *args):
        pass


def flip(text):
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def put(answer, value, *path):
    """Set a member of a good answer, or change what it is; others stay as they are."""
    at = answer
    for name in path[:-1]:
        at = at.get(name, {})
    if not callable(value):
        at[path[-1]] = value
    elif path[-1] in at:
        at[path[-1]] = value(at[path[-1]])
    return answer


def test_broken_answers():
    """Each step finds what it is there to find."""
    first = {}

    def always_the_first(number, answer):
        return first.setdefault("answer", answer) if number > 1 else first.update(
            answer=answer) or answer

    def slow(number, answer):
        time.sleep(5.2 if number == 2 else 0)
        return answer

    rows = (
        ("HTTP", lambda n, a: (404, b""), "404"),
        ("HTTP", lambda n, a: (200, b""), "nothing behind it"),
        ("HTTP", lambda n, a: (200, b"x" * 70000), "longer than"),
        ("sender", lambda n, a: (401, b""), "nobody's"),
        ("sender", lambda n, a: put(a, "UnknownSender", "Result", "ResultCode"), "UnknownSender"),
        ("version", lambda n, a: put(a, "1.1", "ProtocolVersion"), "1.1"),
        ("header", lambda n, a: b"[]", "JSON"),
        ("header", lambda n, a: put(a, None, "Extra"), "null"),
        ("header", lambda n, a: put(a, 1, "TransactionID"), "TransactionID"),
        ("header", lambda n, a: put(a, NET_ID, "SenderID"), "SenderID"),
        ("join", lambda n, a: put(a, "Other", "Result", "ResultCode"), "Other"),
        ("join", lambda n, a: put(a, -1, "Lifetime"), "Lifetime"),
        ("MIC", lambda n, a: put(a, flip, "PHYPayload"), "MIC"),
        ("KEK", lambda n, a: put(a, flip, "NwkSKey", "AESKey"), "NwkSKey"),
        ("KEK", lambda n, a: put(a, {"AESKey": "7"}, "NwkSKey"), "NwkSKey"),
        ("KEK", lambda n, a: {k: v for k, v in a.items() if k != "NwkSKey"}, "NwkSKey"),
        ("AppSKey", lambda n, a: put(a, flip, "AppSKey", "AESKey"), "AppSKey"),
        ("AppSKey", lambda n, a: put(a, {"AESKey": "7"}, "AppSKey"), "AppSKey"),
        ("AppSKey", lambda n, a: put(a, "x", "SessionKeyID"), "SessionKeyID"),
        ("repeat", lambda n, a: put(a, 2, "Lifetime") if n == 2 else a, "another answer"),
        ("forged", always_the_first, "Success"),
        ("time", slow, "5 s"))
    with Server() as server:
        add_home(server)
        for step, change, words in rows:
            with Between(server, change) as between:
                fails_at(server, step, "--url", between.url, words=words)


def test_elsewhere():
    """Another join server answers than the one whose admin socket is used."""
    with Server() as server, Server() as other:
        add_home(server)
        add_home(other)
        url = f"http://127.0.0.1:{other.port}/"
        fails_at(server, "sender", "--url", url, words=["join log", "--url leads to another"])


def test_down():
    with Server() as server:
        add_home(server)
        fails_at(server, "TCP", "--url", "http://127.0.0.1:1/", words="refused")
        server.stop()
        done = server.cli("--json", "ns", "test", "home", *token_file(server), check=False)
        steps = steps_of(done.stdout)
        assert done.returncode == 1 and steps["configuration"]["result"] == "failed", steps
        assert steps["clean-up"]["result"] == "not_run"
        assert "is it running?" in done.stderr


@contextlib.contextmanager
def silence():
    """A port that takes connections and never answers."""
    with contextlib.closing(socket.socket()) as quiet:
        quiet.bind(("127.0.0.1", 0))
        quiet.listen(8)
        yield f"http://127.0.0.1:{quiet.getsockname()[1]}/"


def start_test(server, url, *args):
    """A test that hangs in its request."""
    process = subprocess.Popen(
        [executable("keyward"), "-c", str(server.conf), "ns", "test", "home",
         *map(str, token_file(server)), "--url", url, *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 10 * SLOW
    while DEV_EUI not in devices(server):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no device"
        time.sleep(0.05)
    return process


def test_interrupted():
    with Server() as server, silence() as url:
        add_home(server)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = start_test(server, url)
            process.send_signal(number)
            out, err = process.communicate(timeout=8)
            assert process.returncode == -number, (process.returncode, out, err)
            assert "the device is removed" in out and "- HTTP           not run" in out, out
            assert DEV_EUI not in devices(server)
        all_good(run(server, "home", *token_file(server)), tls=False)


def test_killed():
    """What a killed test left behind is removed by the next one, wherever that goes."""
    with Server() as server, silence() as url:
        add_home(server)
        process = start_test(server, url)
        fails(server, "ns", "test", "home", words="another keyward ns test is under way")
        process.kill()
        process.communicate()
        assert DEV_EUI in devices(server)
        steps = run(server, "home", *token_file(server), "--join-eui", "1122334455667788")
        all_good(steps, tls=False)
        assert "left behind" in steps["device"]["text"]
        all_good(run(server, "home", *token_file(server)), tls=False)


def test_not_its_device():
    """A device that somebody else gave this DevEUI stays."""
    with Server() as server:
        add_home(server)
        server.import_rows([("1122334455667788", DEV_EUI, "1.0.3", KEK, "")])
        steps = run(server, "home", *token_file(server), status=1, gone=False)
        assert results(steps, "device", "HTTP", "clean-up") == ["failed", "not_run", "not_run"]
        assert DEV_EUI in devices(server)


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
