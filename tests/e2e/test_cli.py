"""The command line: help, usage, init, status, simulate and what reaches the terminal."""
import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

from certificates import openssl
from commands import (
    JOIN_EUI, KEY, NWK_KEY, ROOT, add_device, ask, dev_eui, fails, keyward, row, seal, table,
    tts, write,
)
from lorawan import Device
from server import SLOW, code, executable, free_port, join_req, run_tests, Server

COMMANDS = """
    init|status|backup|restore|check|events|simulate|intake certificate|dns zone
    device import|device add|device list|device show|device set|device block|device unblock
    device remove|device reset-nonces
    ns add|ns list|ns show|ns set|ns remove|ns test|as add|as list|as show|as set|as remove
    kek add|kek list|kek retire
"""
COMMANDS = [command.strip() for command in re.split(r"[|\n]", COMMANDS) if command.strip()]


# ---- help and usage ----


def test_help_has_examples():
    top = keyward("--help")
    assert top.returncode == 0 and "Usage: keyward" in top.stdout and "Examples:" in top.stdout
    assert keyward("-h").stdout == top.stdout
    version = keyward("--version")
    assert version.returncode == 0 and re.fullmatch(r"keyward \d+\.\d+\.\d+\n", version.stdout)
    for command in COMMANDS:
        words = command.split()
        done = keyward(*words, "--help")
        assert done.returncode == 0 and not done.stderr, (command, done.stderr)
        assert done.stdout.startswith("Usage: keyward"), (command, done.stdout)
        assert re.search(r"\nExamples?:\n", done.stdout), f"{command}: no example"
        examples = done.stdout.split("Example")[1].replace("--json ", "")
        assert f"keyward {command}" in examples, (command, examples)
        assert keyward(*words, "-h").stdout == done.stdout
        if len(words) == 2:
            group = keyward(words[0], "--help")
            assert group.returncode == 0 and words[1] in group.stdout, (command, group.stdout)
            assert group.stdout.startswith(f"Usage: keyward [-c FILE] [--json] {words[0]} COMMAND")
            listed = next(line for line in top.stdout.splitlines()
                          if line.startswith(f"  {words[0]} "))
            assert words[1] in listed or "..." in listed or words[1] in ("certificate", "zone"), \
                f"{command} is not in keyward --help: {listed}"
        assert words[0] in top.stdout, f"{words[0]} is not in keyward --help"


def test_usage_errors():
    eui = "0004a30b001c0530"
    cases = [
        ([], "which command"),
        (["nonsense"], "nonsense"),
        (["--nonsense"], "--nonsense"),
        (["-c"], "-c"),
        (["device"], "which command"),
        (["device", "nonsense"], "nonsense"),
        (["init", "x"], "x: not expected"),
        (["status", "--nonsense"], "unknown option --nonsense"),
        (["device", "import"], "FILE is missing"),
        (["device", "import", "a", "b"], "b: not expected"),
        (["device", "import", "a", "--net-id", "13"], "--net-id"),
        (["device", "import", "a", "--ns-id", "13"], "--ns-id"),
        (["device", "import", "a", "--app-s-key", "plain"], "--app-s-key"),
        (["device", "add", "--dev-eui", eui, "--lorawan-version", "1.1"], "--join-eui is missing"),
        (["device", "add", "--join-eui", eui, "--lorawan-version", "1.1"], "--dev-eui is missing"),
        (["device", "add", "--join-eui", eui, "--dev-eui", eui], "--lorawan-version is missing"),
        (["device", "add", "--join-eui", eui, "--dev-eui", eui, "--lorawan-version", "1.2"],
         "--lorawan-version"),
        (["device", "add", "--join-eui", "12"], "--join-eui"),
        (["device", "list", "--limit", "0"], "--limit"),
        (["device", "list", "--limit", "-1"], "--limit"),
        (["device", "list", "--limit", "9x"], "--limit"),
        (["device", "show"], "DEVEUI is missing"),
        (["device", "show", "12"], "16 hexadecimal digits"),
        (["device", "block", eui, eui], "not expected"),
        (["device", "set", eui], "nothing to change"),
        (["device", "set", eui, "--nonsense"], "--nonsense"),
        (["device", "set", eui, "--name"], "--name needs a value"),
        (["device", "remove"], "DEVEUI is missing"),
        (["device", "reset-nonces", "zz"], "16 hexadecimal digits"),
        (["ns", "add"], "NAME is missing"),
        (["ns", "add", "x", "--token"], "--net-id is missing"),
        (["ns", "add", "x", "--net-id", "000013"], "--token"),
        (["ns", "add", "x", "--net-id", "000013", "--token", "--token-file", "f"], "exclude"),
        (["ns", "add", "x", "--net-id", "000013", "--token", "--kek-label", "l"], "--kek-file"),
        (["ns", "add", "x", "--net-id", "000013", "--token", "--kek-file", "f"], "--kek-label"),
        (["ns", "add", "x", "--net-id", "000013", "--token", "--join-eui", "7/99"], "--join-eui"),
        (["ns", "add", "x", "--net-id", "000013", "--subject", "s"], "--ca"),
        (["kek", "add", "--ns", "x", "--kek-label", "l"], "--kek-file"),
        (["kek", "retire", "--kek-label", "l"], "--ns"),
        (["ns", "test"], "NAME is missing"),
        (["ns", "set", "x"], "nothing to change"),
        (["as", "add", "x"], "--as-id is missing"),
        (["as", "show"], "NAME is missing"),
        (["events", "--device", "1"], "16 hexadecimal digits"),
        (["events", "--limit", "0"], "--limit"),
        (["backup"], "a FILE"),
        (["restore"], "the FILE of a backup"),
        (["restore", "--nonce-margin", "1", "f"], "1024"),
        (["intake"], "which command"),
        (["simulate"], "--url is missing"),
    ]
    for args, words in cases:
        done = keyward("-c", "/nonexistent/keyward.conf", *args) if args[:1] != ["-c"] \
            else keyward(*args)
        assert done.returncode == 2, f"{args}: exit status {done.returncode}: {done.stderr}"
        assert words in done.stderr, f"{args}: {words!r} is not in: {done.stderr}"
        assert not done.stdout, f"{args}: {done.stdout}"


def help_options(*words):
    """The options that --help of a command knows."""
    text = keyward(*words, "--help").stdout
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) | {"--help", "--json", "--config"}


def scdoc(name):
    """The text of a man page's source without its escapes."""
    return (ROOT / "docs" / name).read_text().replace("\\\\", "\\").replace("\\_", "_")


def test_man_page_of_keyward():
    text = scdoc("keyward.1.scd")
    said = set(re.findall(r"\*(--[a-z][a-z-]+)\*", text))
    known = {option for command in COMMANDS for option in help_options(*command.split())}
    known |= help_options()
    assert said, "no option is found in the manual page"
    assert said <= known, f"in the manual page, not in --help: {said - known}"
    assert known - {"--config"} <= said, f"in --help, not in the manual page: {known - said}"
    # Each command has its entry, and each entry's options are the command's.
    section = text[text.index("# COMMANDS"):text.index("# EXIT STATUS")]
    entries = [line for line in section.splitlines() if re.match(r"\*[^-]", line)]
    names = set()
    for line in entries:
        found = re.findall(r"\*((?:device|ns|as|kek|intake|dns) [a-z-]+|init|status|events|backup|restore|check)\*", line)
        names |= set(found)
        for option in re.findall(r"\*(--[a-z][a-z-]+)\*", line) if len(found) == 1 else []:
            assert option in help_options(*found[0].split()), (found[0], option)
    assert names == set(COMMANDS) - {"simulate"}, names ^ (set(COMMANDS) - {"simulate"})
    simulate = text[text.index("# SIMULATE"):text.index("# EXIT STATUS")]
    wrong = set(re.findall(r"\*(--[a-z][a-z-]+)\*", simulate)) - help_options("simulate")
    assert not wrong, f"simulate: {wrong}"
    missing = help_options("simulate") - {"--help", "--config"} \
        - set(re.findall(r"--[a-z][a-z-]+", simulate))
    assert not missing, f"simulate: not in the manual page: {missing}"


def test_man_page_of_keywardd():
    said = set(re.findall(r"\*(--?[a-z][a-z-]*)\*", scdoc("keywardd.8.scd")))
    done = subprocess.run([executable("keywardd"), "--help"], capture_output=True, text=True)
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", done.stdout))
    assert done.returncode == 0
    assert said == known, f"manual page and --help differ in {said ^ known}"


def test_man_page_of_the_configuration():
    text = scdoc("keyward.conf.5.scd")
    said, section = set(), None
    for line in text.splitlines():
        heading = re.match(r"#+ (?:SECTION )?\[(\w+)\]", line)
        section = heading.group(1) if heading else section
        key = re.match(r"\*(\w+)\* = ", line)
        if key:
            said.add((section, key.group(1)))
    known, section = set(), None
    for line in (ROOT / "conf" / "keyward.conf").read_text().splitlines():
        heading = re.match(r"\[(\w+)\]", line)
        section = heading.group(1) if heading else section
        key = re.match(r";?(\w+) =", line)  # with ';': a default that depends on the machine
        if key:
            known.add((section, key.group(1)))
    assert said == known, f"manual page and example differ in {said ^ known}"
    with Server() as server:
        server.stop()
        text = server.conf.read_text()
        example = (ROOT / "conf" / "keyward.conf").read_text()
        for key in ("listen", "path", "master_key", "socket"):
            value = re.search(rf"(?m)^{key} = .*$", text).group(0)
            example = re.sub(rf"(?m)^{key} = .*$", value, example)
        server.conf.write_text(example)
        done = subprocess.run([executable("keywardd"), "-c", str(server.conf), "-t"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_commands_in_the_documentation_exist():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    seen = 0
    for page in pages:
        text = page.read_text().replace("\\\n", " ")
        start = r"(?m)(?:^ {4}|^|`)(?:sudo )?keyward (?:-c \S+ )?(?:--json )?"
        for words in re.findall(start + r"([a-z][^`\n#|]*)", text):
            words = words.split()
            name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
            if name not in COMMANDS:
                # Prose ("keyward is ...") is not a command, but its groups are.
                assert words[0] not in ("device", "ns", "as", "intake", "dns"), (page.name, words)
                continue
            known = help_options(*name.split())
            options = [word for word in words if re.fullmatch(r"--[a-z][a-z-]+", word)]
            for option in options:
                assert option in known, f"{page.name}: keyward {name} has no {option}"
            seen += 1
    assert seen > 10, f"only {seen} commands were found"


# ---- init, and a server that is not there ----


def test_init():
    server = Server()
    try:
        said = server.cli("init")
        for word in ("master key", "created", "store", "Next:", "ns add", "device import"):
            assert word in said, said
        assert f"-c {server.conf}" in said, "the next commands can be copied"
        files = [server.folder / "master.key", server.folder / "store" / "data.mdb"]
        before = [file.read_bytes() for file in files]
        fails(server, "init", words=["there is a store already", "not touched", "store"])
        assert [file.read_bytes() for file in files] == before, "something was overwritten"
        # A master key that is there is used: it may be that of a backup.
        shutil.rmtree(server.folder / "store")
        assert "used" in server.cli("init")
        assert files[0].read_bytes() == before[0]
        server.start()
        fails(server, "init", words="not touched")
        server.stop()
        # One that others may read is not.
        shutil.rmtree(server.folder / "store")
        files[0].chmod(0o644)
        fails(server, "init", words=str(files[0]))
        assert not files[1].exists()
        files[0].chmod(0o600)
        # A path that is misspelt is not built.
        text = server.conf.read_text()
        server.conf.write_text(text.replace(f"{server.folder}/store", f"{server.folder}/a/b/store"))
        fails(server, "init", words=f"{server.folder}/a/b")
        assert not (server.folder / "a").exists()
    finally:
        server.__exit__(None, None, None)


def test_daemon_that_is_not_running():
    with Server() as server:
        server.kill()  # the socket's file stays
        rows = table(row(1))
        for leave in (True, False):
            if not leave:
                server.socket.unlink(missing_ok=True)
            for args in (["status"], ["device", "list"], ["device", "show", dev_eui(1)],
                         ["device", "import", "-"], ["device", "block", dev_eui(1)],
                         ["ns", "add", "x", "--net-id", "000013", "--token"], ["ns", "list"],
                         ["as", "list"], ["events"], ["events", "--follow"],
                         ["intake", "certificate"], ["--json", "status"]):
                said = fails(server, *args, words=[str(server.socket), "is it running?"], text=rows)
                assert "Bearer" not in said, "a token was printed that does not hold"
        done = keyward("-c", server.folder / "nowhere.conf", "status")
        assert done.returncode == 1 and "nowhere.conf" in done.stderr, done.stderr


def test_output_that_cannot_be_written():
    with Server() as server, open("/dev/full", "w") as full:
        for args in (["status"], ["--json", "status"], ["device", "import", "--help"]):
            done = subprocess.run([executable("keyward"), "-c", str(server.conf), *args],
                                  stdout=full, stderr=subprocess.PIPE, text=True)
            assert done.returncode == 1, (args, done.returncode, done.stderr)
            assert "cannot write the output" in done.stderr, (args, done.stderr)


# ---- status ----


def test_status():
    with Server(fronts=2) as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        device = add_device(server)
        assert ask(server, token, device) == "Success"
        assert ask(server, token, device, 0, DevAddr="26011bdb") == "JoinReqFailed"
        assert ask(server, token, Device(dev_eui(99), JOIN_EUI, "1.0.3", KEY)) == "UnknownDevEUI"
        assert ask(server, token, Device(dev_eui(1), JOIN_EUI, "1.0.3", NWK_KEY), 7) == "MICFailed"
        body = join_req(device, 9)
        for _ in range(2):
            assert code(server.post(body, token)[1]) == "Success"
        deadline = time.monotonic() + 5 * SLOW
        while server.json("status")["fronts"]["requests"] < 6:
            assert time.monotonic() < deadline, server.json("status")["fronts"]
            time.sleep(0.1)
        status = server.json("status")
        joins = status["joins"]
        assert joins == {"accepted": 2, "repeated": 1, "refused": 3, "unknown_devices": 1,
                         "mic_failures": 1, "missing_keks": 0, "rate_refused": 0,
                         "late_refused": 0, "mic_alarms": 0, "replay_alarms": 0}, joins
        assert status["store"]["devices"] == 1 and status["store"]["peers"] == 1
        assert status["store"]["failed"] is False and status["warnings"] == []
        assert status["store"]["map_bytes"] == 256 << 20
        assert {p["name"] for p in status["processes"]} == {"vault", "portal", "front 1", "front 2"}
        assert {p["pid"] for p in status["processes"]} == set(server.children().values())
        assert status["fronts"]["count"] == 2 and status["fronts"]["requests"] == 6
        latency = status["fronts"]["latency_us"]
        assert latency["count"] == 6 and 0 < latency["p50"] <= latency["p99"] <= latency["max"]
        text = server.cli("status")
        for words in ("vault", "front 2", "joins accepted     2", "unknown devices  1", "wrong MIC",
                      "devices            1", "256.0 MiB", "p50", "commits"):
            assert words in text, f"{words!r} is not in: {text}"


# ---- simulate ----


def simulate(server, *args, check=True, text=None):
    return server.cli("simulate", "--url", f"http://127.0.0.1:{server.port}/", *args, check=check,
                      text=text)


def test_simulate_single_joins():
    versions = ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.1"]
    with Server() as server:
        server.add_ns("ours", "--net-id", "000013", "--any-device")
        token = server.folder / "ours.token"
        rows = [row(n, version=v, nwk_key=NWK_KEY.hex() if v == "1.1" else "")
                for n, v in enumerate(versions)]
        path = server.folder / "devices.csv"
        path.write_text(table(*rows))
        path.chmod(0o600)
        server.cli("device", "import", path)
        state = server.folder / "state"
        usual = ["--devices", path, "--state", state, "--net-id", "000013", "--token-file", token]
        said = simulate(server, *usual)
        assert said.count("Joined; everything is right.") == len(versions), said
        for word in ("Join-accept", "JoinNonce", "NwkSKey", "FNwkSIntKey", "AppSKey",
                     "the same in the device", "SessionKeyID"):
            assert word in said, f"{word!r} is not in: {said}"
        for number, version in enumerate(versions):
            answer = json.loads(server.cli(
                "--json", "simulate", "--url", f"http://127.0.0.1:{server.port}/", *usual,
                "--dev-eui", dev_eui(number)))
            assert answer["right"] is True and answer["result_code"] == "Success", answer
            assert answer["lorawan_version"] == version and answer["http_status"] == 200, answer
            assert answer["accept"]["join_nonce"] == 2, "the state file counts"
            assert all(key["equal"] for key in answer["keys"].values()), answer["keys"]
            wanted = {"AppSKey", "FNwkSIntKey", "SNwkSIntKey", "NwkSEncKey"} if version == "1.1" \
                else {"AppSKey", "NwkSKey"}
            assert set(answer["keys"]) == wanted, answer["keys"]
        for dialect, protocol in (("chirpstack", "1.0"), ("tts", "1.0"), ("tts", "1.1")):
            said = simulate(server, *usual, "--dialect", dialect, "--protocol", protocol)
            assert said.count("Joined; everything is right.") == len(versions), (dialect, said)
        # One device with its keys on standard input.
        key = row(3).split(",")[3]
        said = simulate(server, "--dev-eui", dev_eui(3), "--join-eui", JOIN_EUI,
                        "--lorawan-version", "1.0.3", "--keys", "-", "--net-id", "000013", "--token-file", token,
                        text=f"app_key={key}\n")
        assert "everything is right" in said, said
        # What --print-request prints is a command that works.
        said = simulate(server, *usual, "--dev-eui", dev_eui(4), "--print-request")
        line = [line for line in said.splitlines() if line.startswith("curl ")][0]
        if shutil.which("curl"):
            done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
            assert code(json.loads(done.stdout)) == "Success", (line, done.stdout, done.stderr)
        assert state.stat().st_mode & 0o077 == 0


def test_simulate_what_goes_wrong():
    with Server() as server:
        server.add_ns("ours", "--net-id", "000013", "--any-device")
        token = server.folder / "ours.token"
        add_device(server, 1, "1.0.4")
        usual = ["--dev-eui", dev_eui(1), "--join-eui", JOIN_EUI, "--lorawan-version", "1.0.4",
                 "--keys", "-", "--net-id", "000013"]
        key = f"app_key={KEY.hex()}\n"

        def goes_wrong(*args, words, text=key, usual=usual):
            done = simulate(server, *usual, *args, check=False, text=text)
            said = done.stdout + done.stderr
            assert done.returncode == 1, (done.returncode, said)
            for word in words:
                assert word in said, f"{word!r} is not in: {said}"
            return done

        good = ["--token-file", token, "--dev-nonce"]
        assert "is right" in simulate(server, *usual, *good, "5", text=key)
        wrong = server.folder / "wrong.token"
        wrong.write_text("not-the-token-0123456789\n")
        goes_wrong("--token-file", wrong, "--dev-nonce", "6", words=["401", "token"])
        goes_wrong("--dev-nonce", "6", words=["401", "token"])
        goes_wrong(*good, "5", "--dev-addr", "26011bdb", words=["JoinReqFailed", "Refused"])
        stranger = [dev_eui(9) if word == dev_eui(1) else word for word in usual]
        goes_wrong(*good, "7", words=["UnknownDevEUI", "usually means"], usual=stranger)
        goes_wrong(*good, "7", words=["MICFailed"], text=f"app_key={NWK_KEY.hex()}\n")
        goes_wrong(*good, "7", words=["32 hexadecimal digits"], text="app_key=12\n")
        goes_wrong("--token-file", token, words=["counts its DevNonces", "--state", "--dev-nonce"])
        goes_wrong(*good, "7", "--sender", "000099", words=["UnknownSender"])
        done = server.cli("--json", "simulate", "--url", f"http://127.0.0.1:{server.port}/",
                          *stranger, *good, "8", text=key, check=False)
        answer = json.loads(done.stdout)
        assert done.returncode == 1 and answer["right"] is False, answer
        assert answer["result_code"] == "UnknownDevEUI", answer
        port = free_port()
        done = server.cli("simulate", "--url", f"http://127.0.0.1:{port}/", *usual, *good, "9",
                          text=key, check=False)
        assert done.returncode == 1 and "No answer" in done.stdout, (done.stdout, done.stderr)
        assert ask(server, token.read_text().strip(), Device(dev_eui(1), JOIN_EUI, "1.0.4", KEY),
                   9) == "Success", "nothing above used it up"


def test_simulate_load():
    with Server(fronts=2) as server:
        server.add_ns("ours", "--net-id", "000013", "--any-device")
        path = server.folder / "devices.csv"
        path.write_text(table(*[
            row(n, version="1.1" if n % 2 else "1.0.3", nwk_key=NWK_KEY.hex() if n % 2 else "")
            for n in range(40)]))
        path.chmod(0o600)
        server.cli("device", "import", path)
        usual = ["--devices", path, "--state", server.folder / "state", "--net-id", "000013",
                 "--token-file", server.folder / "ours.token"]
        said = simulate(server, *usual, "--count", "500", "--connections", "8")
        assert "500 right of 500" in said and "8 connections" in said, said
        assert "p50" in said and "joins/s" in said, said
        answer = json.loads(server.cli(
            "--json", "simulate", "--url", f"http://127.0.0.1:{server.port}/", *usual, "--count",
            "500", "--connections", "8", "--fresh-connections"))
        assert answer["right"] == answer["answered"] == 500 and not answer["faults"], answer
        assert server.json("status")["joins"]["accepted"] == 1000
        said = simulate(server, *usual, "--rate", "200", "--duration", "1", "--connections", "4")
        right, answered = map(int, re.search(r"(\d+) right of (\d+)", said).groups())
        assert right == answered and 20 <= answered <= 201, said  # not faster; slower on a busy machine
        # A load that is refused is no success.
        server.cli("device", "block", dev_eui(0))
        done = simulate(server, *usual, "--count", "80", check=False)
        assert done.returncode == 1 and "78 right of 80" in done.stdout, done.stdout
        assert "ActivationDisallowed" in done.stdout, done.stdout
        # Elsewhere only on request.
        for host in ("192.0.2.1", "example.org", "0.0.0.0", "10.0.0.1", "127.0.0.1.example.org"):
            done = server.cli("simulate", "--url", f"http://{host}:{server.port}/", *usual,
                              "--count", "5", check=False)
            assert done.returncode == 2 and "this machine only" in done.stderr, (host, done.stderr)
        for args in (["--connections", "8"], ["--rate", "5"], ["--count", "0"],
                     ["--count", "5", "--print-request"], ["--count", "5", "--connections", "513"]):
            assert simulate(server, *usual, *args, check=False).returncode == 2, args


# ---- terminals ----


class TlsServer:
    """Takes connections by TLS and says nothing; gives its URL."""

    def __init__(self, certificate):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, certificate.with_suffix(".key"))

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()
        return f"https://127.0.0.1:{self.listener.getsockname()[1]}/"

    def serve(self):
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                link, _ = self.listener.accept()
                with contextlib.suppress(OSError), link:
                    self.context.wrap_socket(link, server_side=True).close()

    def __exit__(self, *error):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_control_characters_never_reach_the_terminal():
    evil = "\x1b[31mred\x1b]0;title\x07\x08\x7f\u009b31m\u202eabc\u2028x"
    steers = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

    def clean(text):
        assert not steers.search(text), repr(text)
        return text

    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        rows = [row(1, name=f'"{evil}"'), row(2)]
        path = server.folder / "evil.csv"
        path.write_text(table(*rows))
        server.cli("device", "import", path)
        server.cli("device", "import", "-", text=json.dumps(tts(3, name=evil)))
        for args in (["device", "list"], ["device", "show", dev_eui(1)], ["events"],
                     ["device", "show", dev_eui(3)], ["--json", "device", "list"]):
            text = server.cli(*args)
            if args[0] == "--json":  # for programs; but nothing that steers a terminal is kept
                assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), repr(text)
            else:
                clean(text)
        assert "red" in server.cli("device", "list")
        fails(server, "device", "set", dev_eui(1), "--name", "a\x1b[31mb", words="name")
        server.cli("device", "set", dev_eui(1), "--name", "a\u202eb\u2066c")
        clean(server.cli("device", "list"))
        # Column names, values and errors of a file.
        text = table(row(5), row(6, dev_eui="\x1b[31m"), row(7, version="\x1b[2J")).replace(
            ",name", ",name\x1b[5m,\u202ename", 1)
        done = server.cli("device", "import", "-", text=text, check=False)
        clean(done.stdout + done.stderr)
        assert done.returncode == 1
        sealed = write(server, "evil.cms", seal(server, text))
        done = server.cli("device", "import", sealed, check=False)
        clean(done.stdout + done.stderr)
        # What a network server sends does not reach it either.
        device = Device(dev_eui(2), JOIN_EUI, "1.0.3", bytes.fromhex(row(2).split(",")[3]))
        server.post(join_req(device, SenderID="\x1b[31m", MACVersion="\x1b[2J"), token)
        server.post(join_req(device, MACVersion="\x1b[2J"), token)
        time.sleep(1.5)
        clean(server.cli("events"))
        clean(server.new_log())
        # Nor does the certificate of a server.
        certificate = server.folder / "evil.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", "/CN=a\x1b]0;title\x07", "-keyout", server.folder / "evil.key", "-out", certificate)
        devices = write(server, "devices.csv", table(row(2)).encode())
        with TlsServer(certificate) as url:
            for args in ([], ["--count", "1"]):
                done = server.cli("simulate", "--url", url, "--ca", certificate, "--net-id", "000013",
                                  "--devices", devices, "--dev-eui", dev_eui(2), *args, check=False)
                said = clean(done.stdout + done.stderr)
                assert done.returncode == 1 and "a?]0;title?" in said, said


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
