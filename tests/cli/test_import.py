"""What `keyward` sends, against an admin API that is played here. argv: the keyward executable."""
import http.server
import json
import os
import pathlib
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import urllib.parse

KEYWARD = sys.argv[1]
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="keyward-cli-"))
SOCKET = FOLDER / "admin.sock"
KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f90"

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs this may have it ignored


class Api(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    calls = []
    script = {}  # (method, path) -> (status, object), or a function of query and body


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):
        return ""

    def answer(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = (self.command, url.path.removeprefix("/api/v1"))
        Api.calls.append((*call, query, body))
        status, out = 404, {"error": {"code": "NOT_FOUND", "message": "there is no such thing"}}
        if call == ("GET", "/intake-certificate"):
            status, out = 200, (FOLDER / "intake.pem").read_bytes()
        elif call in Api.script:
            made = Api.script[call]
            status, out = made(query, body) if callable(made) else made
        text = out if isinstance(out, bytes) else json.dumps(out).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_DELETE = answer


def start():
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=intake", "-keyout", FOLDER / "intake.key",
         "-out", FOLDER / "intake.pem"], check=True, capture_output=True)
    (FOLDER / "keyward.conf").write_text(f"[admin]\nsocket = {SOCKET}\n")
    server = Api(str(SOCKET), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def opened(envelope, form="DER"):
    return subprocess.run(
        ["openssl", "cms", "-decrypt", "-binary", "-inform", form, "-inkey",
         FOLDER / "intake.key", "-recip", FOLDER / "intake.pem"],
        input=envelope, check=True, capture_output=True).stdout.decode()


def keyward(*words, status=0, stdin="", env=None):
    Api.calls.clear()
    done = subprocess.run([KEYWARD, "-c", FOLDER / "keyward.conf", *words], input=stdin,
                          capture_output=True, text=True, env=env)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    assert KEY not in done.stdout + done.stderr
    return done.stdout, done.stderr


def device_file(name, count, extra=""):
    path = FOLDER / name
    rows = [f"70B3D57ED0000001;{number:016X};1.0.3;{KEY};d{number}\n"
            for number in range(1, count + 1)]
    path.write_text("join_eui;dev_eui;lorawan_version;app_key;name\n\n" + "".join(rows) + extra)
    path.chmod(0o600)
    return str(path)


def take_all(query, body):
    rows = opened(body).count("\n") - 1
    return 200, {"rows": rows, "added": rows, "refused": 0, "errors": []}


def imports():
    return [call for call in Api.calls if call[1] == "/devices/import"]


def application_servers(*as_ids):
    return 200, {"application_servers": [{"as_id": as_id} for as_id in as_ids], "more": False}


def test_one_chunk_goes_once():
    Api.script = {("POST", "/devices/import"): take_all,
                  ("GET", "/application-servers"): application_servers("other", "as & b")}
    out, err = keyward("device", "import", device_file("one.csv", 3), "--net-id", "000013",
                       "--net-id", "60002D", "--as-id", "as & b", "--app-s-key", "fetch")
    assert out == "3 devices added\n" and err == "", (out, err)
    (call,) = imports()
    assert int(call[2].pop("run")[0]) > 0
    assert call[2] == {"net_id": ["000013", "60002D"], "as_id": ["as & b"],
                       "app_s_key": ["fetch"]}, call[2]
    assert KEY.encode() not in call[3]
    lines = opened(call[3]).splitlines()
    assert lines[0] == "join_eui,dev_eui,lorawan_version,app_key,nwk_key,name"
    assert lines[1] == f'70b3d57ed0000001,0000000000000001,1.0.3,{KEY},,"d1"', lines[1]


def test_twins_are_told_of():
    """The vault finds them; each is told once, when it is loaded, by its line in the file."""
    strict = []

    def answer(query, body):
        keys = [line.split(",")[1] for line in opened(body).splitlines()[1:]]
        strict.append("strict" in query)
        if "quiet" in query:
            assert "dry_run" in query, query
            return 200, {"rows": len(keys), "added": len(keys), "refused": 0, "errors": []}
        twins = [{"line": index + 2, "text": f"device {key}: another"} for index, key
                 in enumerate(keys) if int(key, 16) % 2 == 0]
        if strict[-1]:
            return 422, {"rows": len(keys), "added": 0, "refused": len(twins), "errors": twins}
        return 200, {"rows": len(keys), "added": len(keys), "refused": 0, "errors": [],
                     "warned": len(twins), "warnings": twins}

    Api.script = {("POST", "/devices/import"): answer}
    for rows in (30, 2500):
        path = device_file("twins.csv", rows)
        for dry in ([], ["--dry-run"]):
            out, err = keyward("device", "import", path, *dry)
            assert out == f"{rows} devices {'could be ' if dry else ''}added\n", out
            lines = [line for line in err.splitlines() if "warning: device" in line]
            assert len(lines) == min(20, rows // 2), err
            assert lines[1] == f"{path}:6: warning: device 0000000000000004: another", lines
            assert f"warning: {rows // 2} devices have a root key of another device" in err, err
            assert not any(strict)
            runs = {call[2]["run"][0] for call in imports()}
            assert len(runs) == 1 and runs != {"0"}, runs
        out, _ = keyward("--json", "device", "import", path)
        answer_read = json.loads(out)
        assert answer_read["warned"] == rows // 2
        assert len(answer_read["warnings"]) == min(1000, rows // 2)
        _, err = keyward("device", "import", path, "--strict", status=1)
        assert all(strict[-len(imports()):]) and "nothing was added" in err, err
        assert f"{path}:6: device 0000000000000004: another\n" in err, err
        strict.clear()


def test_twins_are_counted_beside_a_refusal():
    twins = [{"line": line, "text": "another"} for line in range(3, 28)]
    Api.script = {("POST", "/devices/import"): (422, {
        "rows": 30, "added": 0, "refused": 1, "errors": [{"line": 2, "text": "wrong"}],
        "warned": len(twins), "warnings": twins})}
    _, err = keyward("device", "import", device_file("both.csv", 30), status=1)
    assert "1 of 30 rows refused; nothing was added" in err, err
    assert err.count("warning: another") == 20, err
    assert "warning: 25 devices have a root key of another device, the first 20 are listed" in err, err


def test_unknown_as_id_is_noted():
    Api.script = {("POST", "/devices/import"): take_all,
                  ("GET", "/application-servers"): application_servers("other")}
    out, err = keyward("device", "import", device_file("one.csv", 3), "--as-id", "as & b")
    assert out == "3 devices added\n", out
    assert "no application server has the AS-ID as & b" in err, err


def test_many_are_tried_first():
    Api.script = {("POST", "/devices/import"): take_all}
    out, _ = keyward("device", "import", device_file("many.csv", 3500), "--net-id", "000013")
    assert out == "3500 devices added\n", out
    tried = [call for call in imports() if "dry_run" in call[2]]
    real = [call for call in imports() if "dry_run" not in call[2]]
    assert imports() == tried + real and len(real) == 4, (len(tried), len(real))
    # Sealed once: what is loaded is what was tried.
    assert [call[3] for call in tried] == [call[3] for call in real]
    for calls in (tried, real):
        numbers = [line.split(",")[1] for call in calls
                   for line in opened(call[3]).splitlines()[1:]]
        assert numbers == [f"{number:016x}" for number in range(1, 3501)]


def test_what_is_there_is_not_sent_again():
    def answer(query, body):
        rows = opened(body).splitlines()[1:]
        there = sum(int(row.split(",")[1], 16) <= 1500 for row in rows)
        return 200, {"rows": len(rows), "added": len(rows) - there, "already": there,
                     "refused": 0, "errors": []}

    Api.script = {("POST", "/devices/import"): answer}
    path = device_file("many.csv", 3500)
    out, _ = keyward("device", "import", path, "--net-id", "000013")
    assert out == "2000 devices added, 1500 already there\n", out
    numbers = [int(line.split(",")[1], 16) for call in imports() if "dry_run" not in call[2]
               for line in opened(call[3]).splitlines()[1:]]
    assert numbers == list(range(1001, 3501)), (numbers[0], numbers[-1], len(numbers))
    out, _ = keyward("--json", "device", "import", path, "--dry-run")
    answer = json.loads(out)
    assert (answer["added"], answer["already"]) == (2000, 1500), answer


def test_a_lost_server_says_how_to_go_on():
    loaded = []

    def answer(query, body):
        rows = opened(body).count("\n") - 1
        if "dry_run" not in query:
            if len(loaded) == 2:
                return 503, {"error": {"code": "CLOSED", "message": "the vault was started anew"}}
            loaded.append(rows)
        return 200, {"rows": rows, "added": rows, "refused": 0, "errors": []}

    Api.script = {("POST", "/devices/import"): answer}
    _, err = keyward("device", "import", device_file("many.csv", 3500), status=1)
    assert "the vault was started anew" in err, err
    assert "stopped when 2000 of 3500 devices were in; the same command again" in err, err


def refuse(line, total=None):
    def answer(query, body):
        rows = opened(body).splitlines()[1:]
        bad = [index + 2 for index, row in enumerate(rows)
               if int(row.split(",")[1], 16) in line]
        errors = [{"line": place, "text": "is there already\x1b[2J"} for place in bad]
        skip = "skip_errors" in query
        return 422 if bad and not skip else 200, {
            "rows": len(rows), "added": len(rows) - len(bad), "refused": len(bad),
            "errors": errors}
    return answer


def test_refusals_are_mapped_to_lines():
    Api.script = {("POST", "/devices/import"): refuse({1, 1270, 2499})}
    path = device_file("some.csv", 2500)
    out, err = keyward("device", "import", path, status=1)
    assert out == "" and all("dry_run" in call[2] for call in imports())
    # One header line and a blank one stand in front.
    for line in (3, 1272, 2501):
        assert f"{path}:{line}: is there already?[2J\n" in err, err
    assert "3 of 2500 rows refused; nothing was added" in err
    out, err = keyward("device", "import", path, "--skip-errors", status=1)
    assert out == "2497 devices added, 3 refused\n", out
    assert all("dry_run" not in call[2] for call in imports())
    out, _ = keyward("--json", "device", "import", path, "--dry-run", status=1)
    answer = json.loads(out)
    assert (answer["rows"], answer["refused"], answer["dry_run"]) == (2500, 3, True), answer
    assert [error["line"] for error in answer["errors"]] == [3, 1272, 2501]


def test_bad_lines_load_nothing():
    """The good lines are tried, so that all that is wrong is said at once."""
    Api.script = {("POST", "/devices/import"): take_all}
    path = device_file("bad.csv", 3, f"x;y;1.0.3;{KEY};\n70B3D57ED0000001;{5:016X};;{KEY}\n")
    _, err = keyward("device", "import", path, status=1)
    assert imports() and all("dry_run" in call[2] for call in imports())
    assert f"{path}:6: " in err and f"{path}:7: column lorawan_version" in err, err
    assert "2 of 5 rows refused; nothing was added" in err, err
    out, _ = keyward("device", "import", path, "--skip-errors", status=1)
    assert out == "3 devices added, 2 refused\n", out


def test_a_hangup():
    """It stops a load between two envelopes, unless whoever started it had it ignored, as nohup does."""
    path = device_file("many.csv", 3500)
    for ignored in (False, True):
        started = threading.Event()
        process = None

        def answer(query, body):
            started.wait()
            if "dry_run" not in query:
                process.send_signal(signal.SIGHUP)
            return take_all(query, body)

        Api.script = {("POST", "/devices/import"): answer}
        process = subprocess.Popen(
            [*(["nohup"] if ignored else []), KEYWARD, "-c", FOLDER / "keyward.conf", "device", "import",
             path, "--net-id", "000013"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.set()
        out, err = process.communicate()
        if ignored:
            assert process.returncode == 0 and out == "3500 devices added\n", (out, err)
        else:
            assert process.returncode == 1 and "stopped when 1000 of 3500" in err, (out, err)


def test_letters_are_the_same_in_every_locale():
    """In Turkish a small I has no dot."""
    locales = FOLDER / "locales"
    locales.mkdir()
    path = FOLDER / "capitals.csv"
    path.write_text("JOIN_EUI,DEV_EUI,LORAWAN_VERSION,APP_KEY\n"
                    f"70B3D57ED0000001,0000000000000001,1.0.3,{KEY}\n")
    path.chmod(0o600)
    Api.script = {("POST", "/devices/import"): take_all}
    for charset in ("UTF-8", "ISO-8859-9"):
        subprocess.run(["localedef", "-i", "tr_TR", "-f", charset, locales / f"tr_TR.{charset}"], check=True,
                       capture_output=True)
        env = {**os.environ, "LOCPATH": str(locales), "LC_ALL": f"tr_TR.{charset}",
               "ASAN_OPTIONS": "detect_leaks=0"}  # glibc keeps LOCPATH
        out, err = keyward("device", "import", str(path), "--net-id", "000013", env=env)
        assert (out, err) == ("1 device added\n", ""), (charset, out, err)


def test_envelopes_go_as_they_are():
    Api.script = {("POST", "/devices/import"): lambda query, body: (
        200, {"rows": 2, "added": 2, "refused": 0, "errors": []})}
    sealed = []
    for _ in range(2):
        sealed.append(subprocess.run(
            ["openssl", "cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "PEM", "-recip",
             FOLDER / "intake.pem", "-keyopt", "ecdh_kdf_md:sha256"], input=b"a,b\n", check=True,
            capture_output=True).stdout)
    path = FOLDER / "two.cms"
    path.write_bytes(b"".join(sealed))
    out, _ = keyward("device", "import", str(path), "--net-id", "000013")
    assert out == "4 devices added\n", out
    bodies = [call[3].strip() for call in imports()]
    assert bodies == [part.strip() for part in sealed + sealed]
    assert "dry_run" in imports()[1][2] and "dry_run" not in imports()[2][2]


def test_keys_of_one_device():
    Api.script = {("POST", "/devices/import"): take_all}
    add = ["device", "add", "--join-eui", "70B3D57ED0000001", "--dev-eui", "0004A30B001C0530",
           "--name", 'a "b"']
    out, _ = keyward(*add, "--lorawan-version", "1.0.4", stdin=KEY + "\n")
    assert out == "device 0004A30B001C0530 added\n", out
    (call,) = imports()
    assert opened(call[3]).splitlines()[1] == (
        f'70b3d57ed0000001,0004a30b001c0530,1.0.4,{KEY},,"a ""b"""')
    other = KEY[::-1]
    keyward(*add, "--lorawan-version", "1.1", stdin=f"nwk_key={other}\r\napp_key={KEY}\r\n")
    assert f",1.1,{KEY},{other}," in opened(imports()[0][3])
    for stdin, words in ((KEY, "two root keys"), (f"app_key={KEY}\napp_key={KEY}", "twice"),
                         (f"key={KEY}", "write app_key"), ("x" * 2000, "too long"),
                         (f"app_key={KEY}\nnwk_key={KEY}", "equal"), ("", "empty")):
        _, err = keyward(*add, "--lorawan-version", "1.1", stdin=stdin, status=1)
        assert words in err and not imports(), (stdin, err)


def test_token_and_kek():
    Api.script = {("POST", "/network-servers"): (201, {"name": "home"}),
                  ("PATCH", "/network-servers/home"): (200, {"name": "home"})}
    out, _ = keyward("ns", "add", "home", "--net-id", "000013", "--token", "--any-device")
    token = out.split("Authorization: Bearer ")[1].strip()
    assert len(token) == 43
    body = json.loads(Api.calls[-1][3])
    digest = subprocess.run(["sha256sum"], input=token, capture_output=True, text=True).stdout[:64]
    assert body == {"name": "home", "net_ids": ["000013"], "token_sha256": digest,
                    "any_device": True}, body
    keyward("ns", "set", "home", "--kek-label", "l", "--kek-file", "-", stdin=KEY + "\n")
    body = json.loads(Api.calls[-1][3])
    done = subprocess.run(["base64", "-d"], input=body["kek_envelope"].encode(),
                          capture_output=True, check=True).stdout
    plain = subprocess.run(
        ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey",
         FOLDER / "intake.key", "-recip", FOLDER / "intake.pem"], input=done, check=True,
        capture_output=True).stdout
    assert plain == bytes.fromhex(KEY) and body["kek_label"] == "l"
    keyward("ns", "set", "home", "--kek-label", "", "--net-id", "", "--no-any-device")
    assert json.loads(Api.calls[-1][3]) == {"kek_label": None, "net_ids": [], "any_device": False}


def test_answers_are_shown():
    device = {"dev_eui": "0004a30b001c0530", "join_eui": "70b3d57ed0000001", "name": "a\x1b]0;x\x07",
              "net_ids": ["000013", "60002d"], "blocked": False, "joins_accepted": 7,
              "lorawan_version": "1.0.3", "last_join": None}
    pages = iter([
        (200, {"devices": [device], "resume": "x", "more": True}),
        (200, {"devices": [dict(device, name="Pumpe \u00fc")], "resume": "y", "more": False})])
    Api.script = {("GET", "/devices"): lambda query, body: next(pages)}
    out, _ = keyward("device", "list")
    assert out.count("DEVEUI") == 1 and "a?]0;x?" in out and "Pumpe \u00fc" in out, out
    assert "\x1b" not in out and "000013 60002d" in out
    assert Api.calls[1][2]["after"] == ["x"]
    Api.script = {("GET", "/devices/0004a30b001c0530"): (200, device)}
    out, _ = keyward("device", "show", "00-04-A3-0B-00-1C-05-30")
    assert "joins accepted     7" in out and "\x1b" not in out, out
    out, _ = keyward("device", "show", "0004A30B001C0530", "--json")
    assert json.loads(out) == device
    _, err = keyward("device", "show", "0004A30B001C0531", status=1)
    assert err == "keyward: there is no such thing\n", err


def test_events():
    log = [{"sequence": number, "time": "T", "dev_eui": "d", "sender": None, "repeats": 1,
            "text": f"event {number}"} for number in range(200, 0, -1)]

    def answer(query, body):
        limit = int(query["limit"][0])
        assert limit <= 64 and query["newest"] == ["1"]
        after = int(query.get("after", ["201"])[0])
        page = [event for event in log if event["sequence"] < after][:limit]
        return 200, {"events": page, "resume": page[-1]["sequence"], "more": True}

    Api.script = {("GET", "/events"): answer}
    out, _ = keyward("events", "--limit", "150")
    lines = out.splitlines()
    assert len(lines) == 150 and lines[0].endswith("event 51") and lines[-1].endswith("event 200")


def main():
    start()
    failed = 0
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                print("ok", name)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print("not ok", name, type(error).__name__, error)
    shutil.rmtree(FOLDER)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
