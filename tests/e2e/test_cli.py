"""The command line: every command, as text and as JSON, its exit statuses and what it says."""
import base64
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from lorawan import Device, cmac, unwrap
from server import SLOW, Server, code, executable, free_port, join_req, run_tests

ROOT = pathlib.Path(__file__).resolve().parents[2]
JOIN_EUI = "70b3d57ed0001234"
KEY = bytes.fromhex("8e4c1f7a2b3d5069f8e7d6c5b4a39281")
NWK_KEY = bytes.fromhex("19a2b3c4d5e6f708192a3b4c5d6e7f80")
HEAD = "join_eui,dev_eui,lorawan_version,app_key,nwk_key,name"

COMMANDS = """
    init|status|events|simulate|intake certificate
    device import|device add|device list|device show|device set|device block|device unblock
    device remove|device reset-nonces
    ns add|ns list|ns show|ns set|ns remove|as add|as list|as show|as set|as remove
"""
COMMANDS = [command.strip() for command in re.split(r"[|\n]", COMMANDS) if command.strip()]


def keyward(*args, text=None, env=None):
    """Run keyward without a server."""
    return subprocess.run([executable("keyward"), *map(str, args)], input=text,
                          capture_output=True, text=True, timeout=60 * SLOW, env=env,
                          stdin=None if text is not None else subprocess.DEVNULL)


def fails(server, *args, words, status=1, text=None):
    """A command that must be refused, in these words; gives what it said."""
    done = server.cli(*args, text=text, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == status, f"{args}: exit status {done.returncode}: {said}"
    for word in [words] if isinstance(words, str) else words:
        assert word in done.stderr, f"{args}: {word!r} is not in: {said}"
    return said


def dev_eui(number):
    return f"0004a30b{number:08x}"


def row(number, **changes):
    """A line of CSV."""
    fields = {"join_eui": JOIN_EUI, "dev_eui": dev_eui(number), "version": "1.0.3",
              "app_key": (KEY[:12] + number.to_bytes(4, "big")).hex(), "nwk_key": "", "name": ""}
    fields.update(changes)
    return ",".join(fields.values())


def table(*rows):
    return "\n".join([HEAD, *rows]) + "\n"


def devices(server):
    """Every device of the store, by DevEUI."""
    found = {}
    for line in server.cli("--json", "device", "list").splitlines():
        for device in json.loads(line)["devices"]:
            assert device["dev_eui"] not in found, "listed twice"
            found[device["dev_eui"]] = device
    return found


def add_device(server, number=1, version="1.0.3", *args):
    """A device with the usual key; gives it as the one that joins."""
    text = f"app_key={KEY.hex()}\n" + (f"nwk_key={NWK_KEY.hex()}\n" if version == "1.1" else "")
    server.cli("device", "add", "--join-eui", JOIN_EUI, "--dev-eui", dev_eui(number),
               "--lorawan-version", version, *args, text=text)
    return Device(dev_eui(number), JOIN_EUI, version, KEY, NWK_KEY if version == "1.1" else None)


def ask(server, token, device, nonce=None, **changes):
    """A join; gives the ResultCode, or the HTTP status if that is not 200."""
    nonce = device.dev_nonce if nonce is None else nonce
    device.dev_nonce = max(device.dev_nonce, nonce + 1)
    body = join_req(device, nonce, **changes)
    status, answer, _ = server.post(body, token)
    if status == 200 and code(answer) == "Success":
        device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, body["SenderID"])
    return code(answer) if status == 200 else status


def without_secrets(text):
    for key in (KEY, NWK_KEY):
        assert key.hex()[:24] not in text.lower(), f"a key is in: {text}"
    return text


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
        (["ns", "add", "x", "--net-id", "000013", "--certificate", "f"], "not supported"),
        (["ns", "add", "x", "--net-id", "000013", "--token", "--answer-url", "u"], "not supported"),
        (["ns", "test", "x"], "not supported"),
        (["ns", "set", "x"], "nothing to change"),
        (["as", "add", "x"], "--as-id is missing"),
        (["as", "show"], "NAME is missing"),
        (["events", "--device", "1"], "16 hexadecimal digits"),
        (["events", "--limit", "0"], "--limit"),
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
        found = re.findall(r"\*((?:device|ns|as|intake) [a-z-]+|init|status|events)\*", line)
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
        key = re.match(r"(\w+) =", line)
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
                assert words[0] not in ("device", "ns", "as", "intake"), (page.name, words)
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
                         "mic_failures": 1, "missing_keks": 0}, joins
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


# ---- import ----


def test_import_as_spreadsheets_write_it():
    key = [f"{i:02x}" + KEY.hex()[2:] for i in range(10)]
    files = {
        "BOM, CRLF, semicolons, quotes": (
            "\ufeffjoin_eui;dev_eui;lorawan_version;app_key;nwk_key;name\r\n"
            f'"{JOIN_EUI}";"{dev_eui(1)}";"1.0.3";"{key[0]}";"";"pump; ""big"" one"\r\n'
            f'{JOIN_EUI.upper()};{dev_eui(2).upper()};MAC_V1_0_4;{key[1].upper()};;Füllstand\r\n'
            ";;;;;\r\n",
            {1: 'pump; "big" one', 2: "Füllstand"}),
        "tabs, other names, other order": (
            "name\tDevEUI\tAppEUI\tAppKey\tMAC version\n"
            f"a\t{dev_eui(3)}\t{JOIN_EUI}\t{key[2]}\t1.0.2\n",
            {3: "a"}),
        "sep= and text formulas": (
            "sep=;\r\njoin_eui;dev_eui;lorawan_version;app_key;name\r\n"
            f'="{JOIN_EUI}";="{dev_eui(4)}";1.0.3;\'{key[3]};b\r\n',
            {4: "b"}),
        "groups, 0x, C arrays": (
            "join_eui;dev_eui;lorawan_version;app_key\n"
            f"0x{JOIN_EUI};{'-'.join(re.findall('..', dev_eui(5)))};V1.0.3;"
            f"{':'.join(re.findall('..', key[4]))}\n"
            f"{JOIN_EUI};{':'.join(re.findall('..', dev_eui(6)))};LORAWAN_1_0_3;"
            f"\"{{ {', '.join('0x' + o for o in re.findall('..', key[5]))} }}\"\n",
            {5: None, 6: None}),
        "CR alone, no end of line, quoted line end": (
            f'{HEAD}\r{JOIN_EUI},{dev_eui(7)},1.1,{key[6]},{key[7]},"two\rlines"',
            {7: "two lines"}),
        "nwk_key only": (f"{HEAD}\n{JOIN_EUI},{dev_eui(8)},1.0.3,,{key[8]},\n", {8: None}),
    }
    with Server() as server:
        for number, (name, (text, expected)) in enumerate(files.items()):
            path = server.folder / f"{number}.csv"
            path.write_bytes(text.encode())
            path.chmod(0o600)
            said = server.cli("device", "import", path)
            count = len(expected)
            assert said == f"{count} device{'' if count == 1 else 's'} added\n", (name, said)
            found = devices(server)
            for number_of_device, wanted in expected.items():
                got = found[dev_eui(number_of_device)]["name"]
                assert got == wanted, f"{name}: {got!r}, not {wanted!r}"
        # The right keys: the KCV is that of the key in the file.
        kcv = {n: cmac(bytes.fromhex(key[k]), bytes(16))[:3].hex()
               for n, k in ((1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (7, 6), (8, 8))}
        for number, wanted in kcv.items():
            device = server.json("device", "show", dev_eui(number))
            assert device["app_key_kcv"] == wanted, (number, device, wanted)
        nwk = server.json("device", "show", dev_eui(7))["nwk_key_kcv"]
        assert nwk == cmac(bytes.fromhex(key[7]), bytes(16))[:3].hex(), nwk
        # A clear file that others may read is warned about.
        path.chmod(0o644)
        assert "chmod 600" in server.cli("device", "import", path, "--dry-run", check=False).stderr


BAD_ROWS = [
    (row(10, dev_eui="1.2E+15"), ["dev_eui", "1.2E+15", "number by a spreadsheet", "text"]),
    (row(10, dev_eui="4,3E+15").replace("4,3E+15", '"4,3E+15"'), ["number by a spreadsheet"]),
    (row(10, join_eui="7.1E+18"), ["join_eui", "number by a spreadsheet"]),
    (row(10, dev_eui="4a30b001c0530"), ["dev_eui", "13 hexadecimal digits"]),
    (row(10, dev_eui="04a30b001c0530"), ["dev_eui", "14 digits", "leading zeros"]),
    (row(10, dev_eui="004a30b001c0530"), ["dev_eui", "15 digits", "leading zeros"]),
    (row(10, dev_eui="0004a30b001c053g"), ["dev_eui", "16 hexadecimal digits"]),
    (row(10, dev_eui=""), ["dev_eui", "empty"]),
    (row(10, dev_eui="0" * 16), ["dev_eui", "zeros"]),
    (row(10, dev_eui="f" * 16), ["dev_eui", "ones"]),
    (row(10, dev_eui=KEY.hex()), ["dev_eui", "key in the wrong column"]),
    (row(11, join_eui=""), ["join_eui", "empty"]),
    (row(12, join_eui="0" * 16, version="1.0.4"), ["join_eui", "zeros", "1.0.4"]),
    (row(13, version=""), ["lorawan_version is missing", "1.0.3"]),
    (row(14, version="2.0"), ["lorawan_version", "2.0"]),
    (row(15, app_key=KEY.hex()[:31]), ["app_key", "31 hexadecimal digits", "32"]),
    (row(16, app_key=KEY.hex()[:30]), ["app_key", "30 hexadecimal digits"]),
    (row(17, app_key=KEY.hex() + "0"), ["app_key", "33 hexadecimal digits"]),
    (row(18, app_key=KEY.hex() * 2), ["app_key", "64 hexadecimal digits"]),
    (row(19, app_key=KEY.hex()[:31] + "x"), ["app_key", "no hexadecimal digit"]),
    (row(20, app_key="8.4E+31"), ["app_key", "number by a spreadsheet"]),
    (row(21, app_key=""), ["app_key", "empty"]),
    (row(22, app_key="0" * 32), ["app_key", "one octet repeated"]),
    (row(23, nwk_key=NWK_KEY.hex()), ["app_key", "nwk_key", "differ"]),
    (row(24, version="1.1"), ["nwk_key", "1.1 needs both"]),
    (row(25, version="1.1", nwk_key=row(25).split(",")[3]), ["equal"]),
    (row(26) + ",,,surplus", ["more fields"]),
    (row(27, name='"x"y'), ["quote"]),
    (row(1), ["dev_eui", "line 2 already"]),
]


def check_lines(said, expected, name):
    """Each line that is bad is reported once, with its number, and in these words."""
    reported = {}
    for line in said.splitlines():
        match = re.match(rf"{re.escape(name)}:(\d+): (.*)", line)
        if match:
            number = int(match.group(1))
            assert number not in reported, f"line {number} twice: {said}"
            reported[number] = match.group(2)
    assert set(reported) == set(expected), \
        f"reported {sorted(set(reported) - set(expected))} wrongly, " \
        f"not {sorted(set(expected) - set(reported))}\n{said[:3000]}"
    for number, words in expected.items():
        for word in words:
            got = reported[number]
            assert word in got, f"line {number}: {word!r} is not in {got!r}"


def test_import_says_what_is_wrong_and_where():
    rows = [row(1)] + [bad for bad, _ in BAD_ROWS] + [row(2)]
    expected = {3 + i: words for i, (_, words) in enumerate(BAD_ROWS)}
    with Server() as server:
        text = table(*rows)
        said = fails(server, "device", "import", "-", text=text, words="nothing was added")
        check_lines(said, expected, "standard input")
        without_secrets(said)
        assert f"{len(BAD_ROWS)} of {len(rows)} rows refused" in said, said
        assert devices(server) == {}, "something of a bad file was stored"
        done = server.cli("--json", "device", "import", "-", text=text, check=False)
        answer = json.loads(done.stdout)
        assert done.returncode == 1 and answer["added"] == 0, answer
        assert answer["rows"] == len(rows) and answer["refused"] == len(BAD_ROWS), answer
        assert {error["line"] for error in answer["errors"]} == set(expected), answer
        # The good rows alone.
        done = server.cli("device", "import", "-", "--skip-errors", text=text, check=False)
        assert f"2 devices added, {len(BAD_ROWS)} refused" in done.stdout, done.stdout
        check_lines(done.stderr, expected, "standard input")
        assert set(devices(server)) == {dev_eui(1), dev_eui(2)}
        # All of it again: the two are in the store now.
        done = server.cli("device", "import", "-", "--skip-errors", text=text, check=False)
        assert done.returncode == 1 and "0 devices added" in done.stdout, done.stdout
        there = {2: ["already"], len(rows) + 1: ["already"]}
        check_lines(done.stderr, {**expected, **there}, "standard input")


def test_import_notices():
    with Server() as server:
        text = "name,dev_eui,join_eui,frequency_plan_id,lorawan_version,app_key,rx1_delay\n"
        text += f"pump-7,{dev_eui(1)},{'0' * 16},EU_863_870,MAC_V1_0_2,{KEY.hex()},5\n"
        text += f"{'n' * 70},{dev_eui(2)},{JOIN_EUI},EU_863_870,MAC_V1_0_2,{KEY.hex()},5\n"
        done = server.cli("device", "import", "-", text=text)
        assert done == "2 devices added\n"
        for number in (1, 2):
            server.cli("device", "remove", dev_eui(number))
        done = server.cli("device", "import", "-", text=text, check=False)
        for words in ("column frequency_plan_id is ignored", "column rx1_delay is ignored",
                      "all zeros: kept", "names longer than 63"):
            assert words in done.stderr, f"{words!r} is not in: {done.stderr}"
        assert "column name" not in done.stderr
        found = devices(server)
        assert found[dev_eui(1)]["name"] == "pump-7" and found[dev_eui(2)]["name"] == "n" * 63
        # Without networks only an operator's own server can join them, and that is said.
        done = server.cli("device", "import", "-", text=table(row(3)), check=False)
        assert done.returncode == 0 and "--any-device" in done.stderr, done.stderr
        done = server.cli("device", "import", "-", "--net-id", "000013", "--net-id", "60002D",
                          "--as-id", "as.example", "--app-s-key", "wrapped", text=table(row(4)),
                          check=False)
        assert done.returncode == 0 and "--any-device" not in done.stderr, done.stderr
        device = server.json("device", "show", dev_eui(4))
        assert device["net_ids"] == ["000013", "60002d"], device
        assert (device["as_id"], device["app_s_key"]) == ("as.example", "wrapped"), device


def test_import_of_no_device_file():
    with Server() as server:
        def refused(octets, *words):
            path = server.folder / "file"
            path.write_bytes(octets if isinstance(octets, bytes) else octets.encode())
            path.chmod(0o600)
            fails(server, "device", "import", path, words=words)

        refused("", "empty")
        refused("\n\n", "empty")
        refused("nothing of this\nis a device\n", "file")
        refused(table().encode("utf-16"), "UTF-16")
        refused(table(), "no device")
        refused(table(row(1)).replace("dev_eui", "device", 1), "dev_eui")
        refused(table(row(1) + '"open', row(2)), "quote")
        refused('{"dev_eui": ', "not valid JSON")
        refused("PK\x03\x04" + "\0" * 100, "NUL")
        refused("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "PEM")
        nowhere = server.folder / "nowhere.csv"
        fails(server, "device", "import", nowhere, words=f"{nowhere}: No such file")
        fails(server, "device", "import", server.folder, words="directory")
        assert devices(server) == {}


def test_dry_run_stores_nothing():
    with Server() as server:
        for count in (3, 700):  # in one envelope, and in several
            text = table(*[row(1000 * count + i) for i in range(count)])
            assert server.cli("device", "import", "-", "--dry-run", text=text) == \
                f"{count} devices could be added\n"
            answer = json.loads(server.cli("--json", "device", "import", "-", "--dry-run",
                                           text=text))
            assert answer["added"] == count and answer["dry_run"] is True, answer
            assert devices(server) == {}
            server.cli("device", "import", "-", text=text)
            said = fails(server, "device", "import", "-", "--dry-run", text=text, words="already")
            check_lines(said, {i + 2: ["already"] for i in range(count)}, "standard input")
            for number in (1000 * count, 1000 * count + count - 1):
                server.cli("device", "show", dev_eui(number))
            server.cli("device", "remove", dev_eui(1000 * count))
            done = server.cli("device", "import", "-", "--skip-errors", "--dry-run", text=text,
                              check=False)
            assert f"1 device could be added, {count - 1} refused" in done.stdout, done.stdout
            assert len(devices(server)) == count - 1
            for number in range(1, count):
                if count == 3:
                    server.cli("device", "remove", dev_eui(1000 * count + number))


def test_line_numbers_beyond_the_first_chunk():
    conflicts = [2, 99, 100, 101, 102, 249, 251, 252, 253, 500, 501, 700, 999, 1000]
    wrong = {50: ["31 hexadecimal"], 103: ["31 hexadecimal"], 350: ["31 hexadecimal"],
             998: ["31 hexadecimal"], 1001: ["31 hexadecimal"]}
    with Server() as server:
        server.import_rows([row(line).split(",")[:5] for line in conflicts])
        # Row by row the line it stands on; blank lines and a quoted line end make it interesting.
        lines, line = [HEAD], 2
        numbers = {}
        for number in range(2, 1002):
            if number in (120, 640):
                lines.append("")
                line += 1
            numbers[number] = line
            if number == 400:
                lines.append(row(number, name='"two\nlines"'))
                line += 1
            elif number in wrong:
                lines.append(row(number, app_key=KEY.hex()[:31]))
            else:
                lines.append(row(number))
            line += 1
        text = "\n".join(lines) + "\n"
        there = {numbers[number]: ["already"] for number in conflicts}
        bad = {numbers[number]: words for number, words in wrong.items()}
        before = devices(server)
        for args in (["--dry-run"], []):
            said = fails(server, "device", "import", "-", *args, text=text,
                         words=f"{len(there) + len(bad)} of 1000 rows refused; nothing was added")
            check_lines(said, {**there, **bad}, "standard input")
            assert devices(server) == before, "something of a bad file was stored"
        done = server.cli("device", "import", "-", "--skip-errors", text=text, check=False)
        good = 1000 - len(there) - len(bad)
        assert f"{good} devices added, {len(there) + len(bad)} refused" in done.stdout, done.stdout
        check_lines(done.stderr, {**there, **bad}, "standard input")
        assert len(devices(server)) == good + len(there)


def test_import_of_20000_rows():
    with Server() as server:
        text = table(*[row(number) for number in range(20000)])
        start = time.monotonic()
        assert server.cli("device", "import", "-", text=text) == "20000 devices added\n"
        took = time.monotonic() - start
        print(f"20000 rows in {took:.2f} s")
        assert took < 20 * SLOW, took
        assert server.json("status")["store"]["devices"] == 20000
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        for number in (0, 9999, 19999):
            key = bytes.fromhex(row(number).split(",")[3])
            assert ask(server, token, Device(dev_eui(number), JOIN_EUI, "1.0.3", key)) == "Success"


def tts(number, version="MAC_V1_0_3", **changes):
    """A device as ttn-lw-cli exports it."""
    keys = {"app_key": {"key": (KEY[:12] + number.to_bytes(4, "big")).hex().upper()}}
    if version.startswith("MAC_V1_1"):
        keys["nwk_key"] = {"key": NWK_KEY.hex().upper()}
    device = {
        "ids": {"device_id": f"eui-{dev_eui(number)}",
                "application_ids": {"application_id": "field"},
                "dev_eui": dev_eui(number).upper(), "join_eui": JOIN_EUI.upper()},
        "created_at": "2026-01-02T03:04:05.678Z", "updated_at": "2026-01-02T03:04:05.678Z",
        "name": f"sensor {number}", "lorawan_version": version,
        "lorawan_phy_version": "PHY_V1_0_3_REV_A", "supports_join": True, "root_keys": keys,
        "last_dev_nonce": 17, "used_dev_nonces": [1, 2]}
    device.update(changes)
    return device


def test_json_of_the_things_stack():
    with Server() as server:
        forms = {
            "one": json.dumps(tts(1), indent=2),
            "lines": "\n".join(json.dumps(tts(n)) for n in (2, 3)) + "\n",
            "array": json.dumps([tts(4), tts(5, "MAC_V1_1")]),
            "flat": json.dumps([{"dev_eui": dev_eui(6), "join_eui": JOIN_EUI, "app_key": KEY.hex(),
                                 "lorawan_version": "1.0.4", "name": "flat"}]),
        }
        for name, text in forms.items():
            done = server.cli("device", "import", "-", text=text, check=False)
            assert done.returncode == 0, (name, done.stderr)
        found = devices(server)
        assert set(found) == {dev_eui(number) for number in range(1, 7)}
        assert found[dev_eui(1)]["name"] == "sensor 1", found[dev_eui(1)]
        assert found[dev_eui(5)]["lorawan_version"] == "1.1"
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        new = Device(dev_eui(5), JOIN_EUI, "1.1", KEY[:12] + (5).to_bytes(4, "big"), NWK_KEY)
        assert ask(server, token, new) == "Success"
        bad = json.dumps([tts(7), tts(8, "MAC_V9"), tts(9, root_keys={"app_key": {"key": "12"}}),
                          tts(10, root_keys={}), tts(7)], indent=1)
        done = server.cli("--json", "device", "import", "-", text=bad, check=False)
        answer = json.loads(done.stdout)
        assert done.returncode == 1 and answer["refused"] == 4 and answer["rows"] == 5, answer
        starts = [i + 1 for i, line in enumerate(bad.splitlines()) if line == " {"]
        assert [error["line"] for error in answer["errors"]] == starts[1:], (answer, starts)
        assert len(devices(server)) == 6


# ---- sealed by hand ----


SEAL = ["-encrypt", "-binary", "-aes-256-gcm"]


def seal(server, text, *args, form="DER", recipient=None):
    """An envelope made by stock OpenSSL."""
    intake = server.folder / "intake.pem"
    if not intake.exists():
        intake.write_text(server.cli("intake", "certificate"))
    done = subprocess.run(
        ["openssl", "cms", *(args or SEAL), "-outform", form, "-recip", str(recipient or intake),
         "-keyopt", "ecdh_kdf_md:sha256"],
        input=text.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def write(server, name, octets):
    path = server.folder / name
    path.write_bytes(octets)
    return path


def blocks_of(page, language):
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", (ROOT / "docs" / page).read_text())


def test_sealed_by_the_book():
    """docs/provisioning.md to the letter."""
    blocks = [block for block in blocks_of("provisioning.md", "sh") if "openssl cms" in block]
    assert len(blocks) == 2, blocks
    with Server() as server:
        folder = server.folder / "line"
        folder.mkdir()
        wrapper = folder / "keyward"
        wrapper.write_text(f'#!/bin/sh\nexec {executable("keyward")} -c {server.conf} "$@"\n')
        wrapper.chmod(0o755)
        env = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}")
        (folder / "devices.csv").write_text(table(*[row(n) for n in range(3)]))
        done = subprocess.run(["bash", "-ec", blocks[0]], cwd=folder, env=env, capture_output=True,
                              text=True)
        assert done.returncode == 0 and "3 devices added" in done.stdout, (done.stdout, done.stderr)
        (folder / "devices.cms").unlink()
        (folder / "devices.csv").write_text(table(*[row(n) for n in range(10, 1610)]))
        done = subprocess.run(["bash", "-ec", blocks[1]], cwd=folder, env=env, capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stderr
        sealed = folder / "devices.cms"
        assert sealed.read_text().count("BEGIN CMS") == 4
        done = server.cli("device", "import", sealed, "--net-id", "000013")
        assert done == "1600 devices added\n", done
        assert len(devices(server)) == 1603
        assert server.json("device", "show", dev_eui(1609))["net_ids"] == ["000013"]
        # The file says what an auditor would look for.
        shown = subprocess.run(["openssl", "cms", "-cmsout", "-print", "-noout", "-inform", "PEM",
                                "-in", str(sealed)], capture_output=True, text=True).stdout
        assert "authEnvelopedData" in shown and "aes-256-gcm" in shown, shown[:500]


def test_sealed_der_pem_and_several():
    with Server() as server:
        der = write(server, "a.cms", seal(server, table(row(1), row(2))))
        assert server.cli("device", "import", der, "--dry-run") == "2 devices could be added\n"
        assert devices(server) == {}
        assert server.cli("device", "import", der) == "2 devices added\n"
        pem = write(server, "b.cms", seal(server, json.dumps(tts(3)), form="PEM"))
        assert server.cli("device", "import", pem) == "1 device added\n"
        octets = seal(server, table(row(4)))
        done = subprocess.run([executable("keyward"), "-c", str(server.conf), "device", "import",
                               "-"], input=octets, capture_output=True)
        assert done.returncode == 0 and b"1 device added" in done.stdout, done.stderr
        several = b"".join(seal(server, table(*[row(n + i) for i in range(300)]), form="PEM")
                           for n in (1000, 2000, 3000))
        assert server.cli("device", "import", write(server, "c.cms", several)) == \
            "900 devices added\n"
        assert len(devices(server)) == 904
        # A bad row in the second of three: nothing of the three, and the place is said.
        several = b"".join(seal(server, text, form="PEM") for text in (
            table(row(5001)), table(row(5002), row(1000), row(5003, app_key="12")),
            table(row(5004))))
        path = write(server, "d.cms", several)
        said = fails(server, "device", "import", path, words=[
            f"{path}: envelope 2:3: ", "already", f"{path}: envelope 2:4: ", "nothing was added"])
        assert "envelope 1" not in said and "envelope 3" not in said, said
        assert len(devices(server)) == 904
        done = server.cli("device", "import", path, "--skip-errors", check=False)
        assert "3 devices added, 2 refused" in done.stdout, done.stdout
        assert len(devices(server)) == 907
        without_secrets(said + done.stdout + done.stderr)


def other_certificate(server):
    path = server.folder / "other.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "3", "-subj", "/CN=other", "-keyout", server.folder / "other.key", "-out", path],
        check=True, capture_output=True)
    return path


def test_envelopes_that_are_refused():
    with Server() as server:
        good = seal(server, table(row(1)))

        def refused(octets, *words):
            path = write(server, "bad.cms", octets)
            for args in ([], ["--dry-run"], ["--skip-errors"]):
                said = fails(server, "device", "import", path, *args, words=words)
            without_secrets(said)
            assert devices(server) == {}, "something was stored"

        for place in (len(good) - 40, len(good) - 5):
            tampered = bytearray(good)
            tampered[place] ^= 1
            refused(bytes(tampered), "envelope")
        refused(good[:-30], "CMS")
        refused(good + b"\0", "CMS")
        refused(b"\x30\x82\x01\x00" + os.urandom(256), "CMS")
        refused(seal(server, table(row(1)), recipient=other_certificate(server)),
                "not sealed to the intake certificate", "fetch the certificate again")
        refused(seal(server, table(row(1)), "-encrypt", "-binary", "-aes-256-cbc"), "AES-256-GCM")
        refused(seal(server, table(row(1)), "-encrypt", "-binary", "-aes-128-gcm"), "AES-256-GCM")
        refused(seal(server, table(*[row(n) for n in range(3000)])), "too long", "PEM")
        refused(seal(server, table(*[row(n) for n in range(2200)])), "octets", "several")
        refused(seal(server, table(row(1)), form="SMIME"), "DER")
        refused(seal(server, "this is no device file\n"), "no header line")
        refused(seal(server, table()), "no device")
        pem = seal(server, table(row(1)), form="PEM")
        refused(pem.replace(b"-----END CMS-----", b""), "envelope")
        refused(pem.replace(b"\n", b"\n!", 3), "envelope")
        # The good one, unchanged, still goes in.
        assert server.cli("device", "import", write(server, "good.cms", good)) == "1 device added\n"


def test_tampered_octets():
    """No octet of an envelope can be changed without being found out."""
    with Server() as server:
        good = seal(server, table(row(1)))
        connection = UnixConnection(server.socket)
        loaded = []
        for place in range(0, len(good), 1 if SLOW == 1 else 7):
            tampered = bytearray(good)
            tampered[place] ^= 0x20
            status, answer = connection.post("/api/v1/devices/import?dry_run=1", bytes(tampered))
            if status == 200 and answer["added"] == 1:
                loaded.append(place)
            elif status != 422:
                assert 400 <= status < 500 and answer["error"]["message"], (place, status, answer)
        # Labels (version, content type, names of the recipient) decide nothing; the rest is bound.
        nonce = good.index(bytes.fromhex("60864801650304012e")) + 9 + 4  # aes-256-gcm
        tag_length = nonce + 12
        wrapped = good.index(bytes.fromhex("60864801650304012d"))  # aes256-wrap, the content's key
        wrapped = good.index(b"\x04\x28", wrapped)
        ephemeral = good.index(bytes.fromhex("2a8648ce3d0201")) + 9
        bound = {*range(nonce, tag_length), *range(tag_length + 3, len(good)),
                 *range(wrapped, wrapped + 42), *range(ephemeral, ephemeral + 68)}
        assert not bound & set(loaded), sorted(bound & set(loaded))
        # A tag that was cut could be guessed.
        for length in (15, 12, 8, 4):
            cut = bytearray(good[:len(good) - 18] + bytes([4, length]) + good[-16:][:length])
            for place in (2, 19, 23):
                value = int.from_bytes(cut[place:place + 2], "big") - (16 - length)
                cut[place:place + 2] = value.to_bytes(2, "big")
            for told in (16, length):
                cut[tag_length + 2] = told
                status, answer = connection.post("/api/v1/devices/import?dry_run=1", bytes(cut))
                assert status == 400, (length, told, status, answer)
        assert server.json("status")["store"]["devices"] == 0


class UnixConnection:
    """HTTP on the admin socket."""

    def __init__(self, path):
        class Connection(http.client.HTTPConnection):
            def connect(self):
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.connect(str(path))

        self.connection = Connection("keyward")

    def post(self, path, body):
        self.connection.request("POST", path, body, {"Content-Type": "application/cms"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_intake_certificate():
    with Server() as server:
        pem = server.cli("intake", "certificate")
        assert pem.startswith("-----BEGIN CERTIFICATE-----\n"), pem
        assert pem.endswith("-----END CERTIFICATE-----\n") and pem.count("BEGIN") == 1
        base64.b64decode("".join(pem.splitlines()[1:-1]), validate=True)
        shown = subprocess.run(["openssl", "x509", "-noout", "-text", "-checkend", "31536000"],
                               input=pem, capture_output=True, text=True)
        assert shown.returncode == 0, shown.stderr
        for words in ("prime256v1", "Key Agreement", "CA:FALSE", "Keyward intake",
                      "ecdsa-with-SHA256"):
            assert words in shown.stdout, f"{words!r} is not in: {shown.stdout}"
        assert server.cli("intake", "certificate") == pem
        server.stop()
        server.start()
        assert server.cli("intake", "certificate") == pem, "it is the store's, not the process's"


# ---- devices ----


def test_device_add():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")

        def add(number, version, text, *args):
            return server.cli("device", "add", "--join-eui", JOIN_EUI, "--dev-eui", dev_eui(number),
                              "--lorawan-version", version, *args, text=text, check=False)

        good = [
            (1, "1.0.3", f"{KEY.hex()}\n"),
            (2, "1.0.3", f"app_key={KEY.hex()}\n"),
            (3, "1.0.4", f"nwk_key={KEY.hex().upper()}\r\n"),
            (4, "1.1", f"app_key={KEY.hex()}\nnwk_key={NWK_KEY.hex()}\n"),
            (5, "MAC_V1_0_2", f"\n0x{KEY.hex()}"),
        ]
        for number, version, text in good:
            done = add(number, version, text)
            assert done.returncode == 0 and done.stdout == f"device {dev_eui(number)} added\n", done
            version = version.replace("MAC_V1_0_2", "1.0.2")
            nwk = NWK_KEY if version == "1.1" else None
            assert ask(server, token, Device(dev_eui(number), JOIN_EUI, version, KEY, nwk)) == \
                "Success", number
            shown = server.json("device", "show", dev_eui(number))
            assert shown["app_key_kcv"] == cmac(KEY, bytes(16))[:3].hex(), shown
            assert shown["origin"] == "imported", shown
        bad = [
            ("1.0.3", "", "app_key"),
            ("1.0.3", KEY.hex()[:-1], "31 hexadecimal digits"),
            ("1.0.3", f"{KEY.hex()}\n{NWK_KEY.hex()}\n", "twice"),
            ("1.0.3", f"key={KEY.hex()}\n", "app_key=HEX"),
            ("1.0.3", f"app_key={KEY.hex()}\nnwk_key={NWK_KEY.hex()}\n", "differ"),
            ("1.1", f"{KEY.hex()}\n", "two root keys"),
            ("1.1", f"app_key={KEY.hex()}\n", "nwk_key"),
            ("1.1", f"app_key={KEY.hex()}\nnwk_key={KEY.hex()}\n", "equal"),
            ("1.0.3", "0" * 32, "one octet repeated"),
            ("1.0.3", "5" * 2000, "too long"),
        ]
        for version, text, words in bad:
            done = add(9, version, text)
            assert done.returncode == 1 and words in done.stderr, (text[:20], done.stderr)
            assert not done.stdout
            without_secrets(done.stderr)
        done = add(1, "1.0.3", KEY.hex())
        assert done.returncode == 1 and "already" in done.stderr, done.stderr
        assert len(devices(server)) == 5
        done = add(6, "1.0.4", KEY.hex(), "--name", 'pump, "7"', "--net-id", "000013", "--net-id",
                   "60002D", "--ns-id", "1122334455667788", "--as-id", "as.example", "--app-s-key",
                   "inline")
        assert done.returncode == 0, done.stderr
        shown = server.json("device", "show", dev_eui(6))
        wanted = {"name": 'pump, "7"', "net_ids": ["000013", "60002d"], "as_id": "as.example",
                  "ns_id": "1122334455667788", "app_s_key": "inline"}
        assert {name: shown[name] for name in wanted} == wanted, shown


def test_device_generate():
    with Server() as server:
        kcvs = set()
        for number, version in enumerate(("1.0.3", "1.0.4", "1.1")):
            args = ["device", "add", "--join-eui", JOIN_EUI, "--dev-eui", dev_eui(number),
                    "--lorawan-version", version, "--generate", "--name", "made", "--net-id",
                    "000013"]
            said = server.cli(*args)
            assert dev_eui(number) in said and "made in the vault" in said, said
            assert not re.search(r"[0-9a-fA-F]{32}", said), "a key is printed"
            fails(server, *args, words="registered already")
            shown = server.json("device", "show", dev_eui(number))
            assert shown["origin"] == "generated" and shown["net_ids"] == ["000013"], shown
            assert shown["name"] == "made" and shown["lorawan_version"] == version, shown
            assert (shown["nwk_key_kcv"] is not None) == (version == "1.1"), shown
            kcvs |= {shown["app_key_kcv"], shown["nwk_key_kcv"]}
        assert len(kcvs - {None}) == 4, kcvs
        done = server.cli("--json", *args[:5], dev_eui(7), *args[6:])
        assert json.loads(done)["dev_eui"] == dev_eui(7), done


def test_device_list_in_pages():
    with Server() as server:
        assert server.cli("device", "list").count("\n") <= 1, "at most a headline"
        count = 150
        server.import_rows([row(number).split(",")[:5] for number in range(count)])
        lines = server.cli("device", "list").splitlines()
        assert lines[0].split()[:3] == ["DEVEUI", "JOINEUI", "VERSION"], lines[0]
        assert [line.split()[0] for line in lines[1:]] == [dev_eui(n) for n in range(count)]
        pages = [json.loads(line) for line in server.cli("--json", "device", "list").splitlines()]
        assert [len(page["devices"]) for page in pages] == [64, 64, 22], pages
        assert [page["more"] for page in pages] == [True, True, False]
        for limit, wanted in ((1, 1), (64, 64), (65, 65), (128, 128), (149, 149), (9999, count)):
            lines = server.cli("device", "list", "--limit", limit).splitlines()
            assert len(lines) == wanted + 1, (limit, len(lines))
        server.import_rows([row(number).split(",")[:5] for number in range(count, 192)])
        assert len(devices(server)) == 192, "a multiple of a page"


def test_device_show():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        device = add_device(server, 1, "1.0.4", "--name", "Füllstand")
        empty = server.cli("device", "show", dev_eui(1))
        assert re.search(r"next JoinNonce +1\n", empty), empty
        assert ask(server, token, device, 5) == "Success"
        assert ask(server, token, device, 4) == "JoinReqFailed"
        for spelling in (dev_eui(1), dev_eui(1).upper(), "-".join(re.findall("..", dev_eui(1)))):
            text = server.cli("device", "show", spelling)
            for label, value in (("DevEUI", dev_eui(1)), ("name", "Füllstand"), ("blocked", "no"),
                                 ("AppKey KCV", cmac(KEY, bytes(16))[:3].hex()),
                                 ("DevNonce rule", "counter"), ("last DevNonce", "5"),
                                 ("next JoinNonce", "2"), ("joins accepted", "1"),
                                 ("last network", "000013")):
                assert re.search(rf"(?m)^{label} +{re.escape(value)}$", text), (label, text)
        without_secrets(text + server.cli("--json", "device", "show", dev_eui(1)))
        fails(server, "device", "show", dev_eui(2), words="no device with this DevEUI")
        for command in ("block", "unblock", "remove", "reset-nonces"):
            fails(server, "device", command, dev_eui(2), words="no device with this DevEUI")
        fails(server, "device", "set", dev_eui(2), "--name", "x",
              words="no device with this DevEUI")


def test_block_and_unblock():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        device = add_device(server)
        assert ask(server, token, device) == "Success"
        assert server.cli("device", "block", dev_eui(1)) == f"device {dev_eui(1)} blocked\n"
        assert ask(server, token, device) == "ActivationDisallowed"
        assert server.json("device", "show", dev_eui(1))["blocked"] is True
        assert "yes" in server.cli("device", "list").splitlines()[1]
        server.cli("device", "block", dev_eui(1))
        server.stop()
        server.start()
        assert ask(server, token, device) == "ActivationDisallowed", "after a restart"
        time.sleep(1.5)
        log = server.cli("events")
        help_ = f'"device unblock {dev_eui(1)}" lets it join again'
        assert f"the device is blocked; {help_}" in log, log
        assert server.cli("device", "unblock", dev_eui(1)) == f"device {dev_eui(1)} unblocked\n"
        assert ask(server, token, device) == "Success"


def test_device_set():
    with Server() as server:
        own = server.add_ns("own", "--net-id", "000013", "--any-device")
        other = server.add_ns("other", "--net-id", "60002D")
        device = add_device(server)
        show = lambda: server.json("device", "show", dev_eui(1))
        set_ = lambda *args: server.cli("device", "set", dev_eui(1), *args)
        assert ask(server, own, device) == "Success"
        assert ask(server, other, device, net_id="60002D") == "ActivationDisallowed"
        assert set_("--net-id", "60002D") == f"device {dev_eui(1)} changed\n"
        assert ask(server, other, device, net_id="60002D") == "Success"
        assert ask(server, own, device) == "ActivationDisallowed", "the list replaces the old one"
        set_("--net-id", "60002D", "--net-id", "000013")
        assert show()["net_ids"] == ["60002d", "000013"]
        assert ask(server, own, device) == "Success"
        set_("--net-id", "")
        assert show()["net_ids"] == []
        set_("--as-id", "as.example", "--app-s-key", "fetch", "--name", "pump 7", "--roaming",
             "000024", "--ns-id", "1122334455667788")
        wanted = {"as_id": "as.example", "app_s_key": "fetch", "name": "pump 7",
                  "roaming": ["000024"], "ns_id": "1122334455667788"}
        shown = show()
        assert {name: shown[name] for name in wanted} == wanted, shown
        assert shown["net_ids"] == [] and shown["blocked"] is False, "others are as they were"
        set_("--ns-id", "")
        status, answer, _ = server.post(join_req(device), own)
        assert code(answer) == "Success" and "AppSKey" not in answer, answer
        set_("--app-s-key", "inline", "--as-id", "")
        status, answer, _ = server.post(join_req(device), own)
        assert "AppSKey" in answer and "SessionKeyID" not in answer, answer
        set_("--name", "", "--roaming", "", "--app-s-key", "default")
        shown = show()
        assert (shown["name"], shown["roaming"], shown["app_s_key"], shown["as_id"]) == \
            (None, [], "default", None), shown
        # Values that are refused leave all as it was.
        fails(server, "device", "set", dev_eui(1), "--name", "x" * 64, words="name")
        fails(server, "device", "set", dev_eui(1), "--as-id", "ä", words="as_id")
        nine = [word for n in range(9) for word in ("--net-id", f"{n:06x}")]
        fails(server, "device", "set", dev_eui(1), *nine, words="at most 8", status=2)
        after = show()
        for name in (*wanted, "net_ids", "app_s_key", "blocked", "changed"):
            assert after[name] == shown[name], (name, after, shown)


def test_remove_and_add_again():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        device = add_device(server, 1, "1.0.4")
        for _ in range(3):
            assert ask(server, token, device) == "Success"
        assert server.cli("device", "remove", dev_eui(1)) == f"device {dev_eui(1)} removed\n"
        assert ask(server, token, device) in ("UnknownDevEUI", "UnkownReceiver")
        assert devices(server) == {} and server.json("status")["store"]["devices"] == 0
        fails(server, "device", "remove", dev_eui(1), words="no device")
        fails(server, "device", "show", dev_eui(1), words="no device")
        time.sleep(0.5 if SLOW == 1 else 2)  # the fold
        server.stop()
        server.start()
        device = add_device(server, 1, "1.0.4")
        device.last_join_nonce = 3
        assert ask(server, token, device, 100) == "Success", "JoinNonce went on"
        assert device.last_join_nonce == 4, device.last_join_nonce
        # Under another JoinEUI too.
        server.cli("device", "remove", dev_eui(1))
        server.import_rows([["70b3d57ed0009999", dev_eui(1), "1.0.4", KEY.hex(), ""]])
        moved = Device(dev_eui(1), "70b3d57ed0009999", "1.0.4", KEY)
        moved.last_join_nonce = 4
        assert ask(server, token, moved, 200) == "Success"
        assert moved.last_join_nonce == 5, moved.last_join_nonce


def test_reset_nonces():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        for number, version in ((1, "1.0.3"), (2, "1.0.4"), (3, "1.1")):
            device = add_device(server, number, version)
            assert ask(server, token, device, 7) == "Success"
            assert ask(server, token, device, 7, DevAddr="26011bdb") == "JoinReqFailed"
            said = server.cli("device", "reset-nonces", dev_eui(number))
            assert dev_eui(number) in said, said
            assert ask(server, token, device, 7, DevAddr="26011bdb") == "Success", version
            assert device.last_join_nonce == 2, "JoinNonce goes on"
            assert ask(server, token, device, 7, DevAddr="26011bdc") == "JoinReqFailed"
            server.stop()
            server.start()
            assert ask(server, token, device, 7, DevAddr="26011bdc") == "JoinReqFailed"
            assert ask(server, token, device, 8) == "Success"
            assert device.last_join_nonce == 3


# ---- peers ----


def test_network_servers():
    with Server() as server:
        device = add_device(server)
        said = server.cli("ns", "add", "home", "--net-id", "000013", "--token", "--any-device")
        assert "network server home added" in said, said
        token = re.search(r"Authorization: Bearer (\S+)\n", said).group(1)
        assert len(token) >= 43 and said.count(token) == 1, said
        assert ask(server, token, device) == "Success"
        for args in (["ns", "list"], ["ns", "show", "home"], ["status"], ["events"]):
            for json_or_not in ([], ["--json"]):
                assert token not in server.cli(*json_or_not, *args), "the token is shown again"
        assert token not in server.new_log()
        # With --json standard output is JSON alone.
        done = server.cli("--json", "ns", "add", "other", "--net-id", "60002D", "--token",
                          "--join-eui", "70b3d57ed0000000/40", "--join-eui", JOIN_EUI, "--ns-id",
                          "1122334455667788", "--app-s-key", "inline", check=False)
        peer = json.loads(done.stdout)
        assert peer["name"] == "other" and peer["net_ids"] == ["60002d"], peer
        assert peer["ns_id"] == "1122334455667788" and len(peer["join_eui_ranges"]) == 2, peer
        assert peer["app_s_key"] == "inline" and peer["any_device"] is False, peer
        assert "Bearer " in done.stderr, done.stderr
        text = server.cli("ns", "list").splitlines()
        assert [line.split()[0] for line in text] == ["NAME", "home", "other"], text
        assert "60002d" in server.cli("ns", "show", "other")
        # A new token; the old one no longer holds.
        said = server.cli("ns", "set", "home", "--token")
        assert "network server home changed" in said, said
        fresh = re.search(r"Bearer (\S+)", said).group(1)
        assert ask(server, token, device) == 401
        assert ask(server, fresh, device) == "Success"
        # Ranges, --no-any-device, taking away.
        server.cli("ns", "set", "home", "--join-eui", "0000000000000000/8")
        assert ask(server, fresh, device) == "ActivationDisallowed"
        server.cli("ns", "set", "home", "--join-eui", f"{JOIN_EUI}-{JOIN_EUI}")
        assert ask(server, fresh, device) == "Success"
        server.cli("ns", "set", "home", "--join-eui", "")
        assert server.json("ns", "show", "home")["join_eui_ranges"] == []
        assert ask(server, fresh, device) == "Success"
        server.cli("ns", "set", "home", "--no-any-device")
        assert ask(server, fresh, device) == "ActivationDisallowed"
        server.cli("ns", "set", "home", "--any-device", "--net-id", "000024", "--net-id", "000025")
        assert ask(server, fresh, device) == "UnknownSender"
        assert ask(server, fresh, device, net_id="000025") == "Success"
        # Names.
        fails(server, "ns", "add", "home", "--net-id", "000013", "--token", words="exists already")
        for name in ("", "a b", "a/b", "ä", "x" * 64, "..", "a\x1bb"):
            said = fails(server, "ns", "add", name, "--net-id", "000013", "--token",
                         words="keyward: ")
            assert "\x1b" not in said and "Bearer" not in said, repr(said)
        for command in ("show", "remove"):
            fails(server, "ns", command, "nobody", words="no peer of this name")
        fails(server, "ns", "set", "nobody", "--net-id", "000013", words="no peer of this name")
        assert server.cli("ns", "remove", "home") == "network server home removed\n"
        assert ask(server, fresh, device, net_id="000025") == 401
        fails(server, "ns", "show", "home", words="no peer of this name")
        server.stop()
        server.start()
        assert [peer["name"] for peer in server.json("ns", "list")["network_servers"]] == ["other"]


def test_many_network_servers():
    with Server() as server:
        for number in range(70):
            server.add_ns(f"ns{number:03}", "--net-id", f"{number:06x}")
        lines = server.cli("ns", "list").splitlines()
        assert [line.split()[0] for line in lines[1:]] == [f"ns{n:03}" for n in range(70)]
        device = add_device(server, 1, "1.0.3", "--net-id", "000045")
        assert ask(server, "token-of-ns069-0123456789abcdef", device, net_id="000045") == "Success"


def test_token_files():
    with Server() as server:
        device = add_device(server)
        path = server.folder / "token"

        def add(name, text, mode=0o600, file=None):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            path.chmod(mode)
            return server.cli("ns", "add", name, "--net-id", "000013", "--any-device",
                              "--token-file", file or path, check=False, text=None)

        for mode in (0o644, 0o640, 0o604, 0o660, 0o602):
            done = add("open", "token-0123456789abcdef", mode)
            assert done.returncode == 1 and "chmod 600" in done.stderr, (oct(mode), done.stderr)
            assert str(path) in done.stderr
        for text, words in (("short", "16 to 256"), ("", "16 to 256"), ("x" * 257, "16 to 256"),
                            ("two words are no token", "without blanks"),
                            ("one-0123456789abcdef\ntwo-0123456789abcdef\n", "one line"),
                            ("umlaut-ä-0123456789abcdef", "ASCII"),
                            (b"nul-\0-0123456789abcdef", "ASCII")):
            done = add("bad", text)
            assert done.returncode == 1 and words in done.stderr, (text, done.stderr)
            assert "0123456789" not in done.stderr, "a token is in an error text"
        assert add("bad", "x", file=server.folder / "nowhere").returncode == 1
        assert add("bad", "x", file=server.folder).returncode == 1
        assert server.json("ns", "list")["network_servers"] == []
        token = "token-0123456789abcdef"
        done = add("good", f"  {token}\r\n")
        assert done.returncode == 0 and token not in done.stdout + done.stderr, done
        assert ask(server, token, device) == "Success"
        # The same token for two would make them one.
        done = add("twin", token)
        assert done.returncode == 1 and "token" in done.stderr, done.stderr
        server.cli("ns", "set", "good", "--token-file", "-", text="other-0123456789abcdef\n")
        assert ask(server, token, device) == 401
        assert ask(server, "other-0123456789abcdef", device) == "Success"
        fails(server, "ns", "set", "good", "--token-file", "", words="--token-file", status=2)


def test_kek_files():
    with Server() as server:
        device = add_device(server)
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        path = server.folder / "kek"

        def give(text, mode=0o600, label="label-1"):
            path.write_text(text)
            path.chmod(mode)
            return server.cli("ns", "set", "ours", "--kek-label", label, "--kek-file", path,
                              check=False)

        for octets in (15, 17, 33, 0, 23, 31):
            done = give("5a" * octets)
            assert done.returncode == 1 and "32, 48 or 64" in done.stderr, (octets, done.stderr)
        assert give("5a" * 15 + "5x").returncode == 1
        assert give("5a" * 15 + "5").returncode == 1
        done = give("5a" * 16, 0o644)
        assert done.returncode == 1 and "chmod 600" in done.stderr, done.stderr
        assert server.json("ns", "show", "ours")["has_kek"] is False
        for octets in (16, 24, 32):
            kek = os.urandom(octets)
            done = give(kek.hex().upper() + "\n", label=f"label-{octets}")
            assert done.returncode == 0, done.stderr
            assert kek.hex() not in (done.stdout + done.stderr).lower()
            nonce = device.dev_nonce
            _, answer, _ = server.post(join_req(device), token)
            assert answer["NwkSKey"]["KEKLabel"] == f"label-{octets}", answer
            wanted = device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, "000013")
            wrapped = bytes.fromhex(answer["NwkSKey"]["AESKey"])
            assert unwrap(kek, wrapped).hex() == wanted["NwkSKey"]
            server.stop()
            server.start()
        shown = server.cli("ns", "show", "ours")
        assert "label-32" in shown and not re.search(r"[0-9a-f]{32}", shown), shown
        server.cli("ns", "set", "ours", "--kek-label", "")
        _, answer, _ = server.post(join_req(device), token)
        assert "KEKLabel" not in answer["NwkSKey"], answer
        server.cli("ns", "set", "ours", "--kek-label", "stdin", "--kek-file", "-",
                   text="5a" * 16)
        _, answer, _ = server.post(join_req(device), token)
        assert answer["NwkSKey"]["KEKLabel"] == "stdin", answer
        for label in ("x" * 64, "ä"):
            done = give("5a" * 16, label=label)
            assert done.returncode == 1 and "label" in done.stderr, done.stderr


def test_application_servers():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        kek = os.urandom(16)
        path = server.folder / "kek"
        path.write_text(kek.hex())
        path.chmod(0o600)
        done = server.cli("as", "add", "app", "--as-id", "as.example", check=False)
        assert done.returncode == 0 and "application server app added" in done.stdout, done
        assert "as set app --token" in done.stderr, "it has no token, and that is said"
        said = server.cli("as", "set", "app", "--token")
        own = re.search(r"Bearer (\S+)", said).group(1)
        device = add_device(server, 1, "1.0.3", "--as-id", "as.example")
        _, answer, _ = server.post(join_req(device), token)
        assert code(answer) == "Success" and "AppSKey" not in answer, "fetch is the default"
        assert ask(server, own, device) == "UnknownSender", "an AS may not join devices"
        # Wrapped without a KEK is refused, and the words help.
        server.cli("as", "set", "app", "--app-s-key", "wrapped")
        assert ask(server, token, device) == "JoinReqFailed"
        time.sleep(1.5)
        log = server.cli("events")
        assert "KEK is missing" in log and "--kek-label" in log, log
        assert any("KEK" in text for text in server.json("status")["warnings"])
        server.cli("as", "set", "app", "--kek-label", "as-1", "--kek-file", path)
        nonce = device.dev_nonce
        _, answer, _ = server.post(join_req(device), token)
        assert answer["AppSKey"]["KEKLabel"] == "as-1", answer
        wanted = device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, "000013")
        assert unwrap(kek, bytes.fromhex(answer["AppSKey"]["AESKey"])).hex() == wanted["AppSKey"]
        fails(server, "as", "add", "app", "--as-id", "x", words="exists already")
        fails(server, "as", "add", "twin", "--as-id", "as.example", words="AS-ID")
        server.cli("as", "add", "b", "--as-id", "b.example", "--app-s-key", "inline")
        lines = server.cli("as", "list").splitlines()
        assert [line.split()[:2] for line in lines[1:]] == \
            [["app", "as.example"], ["b", "b.example"]], lines
        assert [p["name"] for p in server.json("as", "list")["application_servers"]] == ["app", "b"]
        assert "as.example" in server.cli("as", "show", "app")
        assert server.json("as", "show", "b")["app_s_key"] == "inline"
        assert server.cli("as", "remove", "b") == "application server b removed\n"
        fails(server, "as", "show", "b", words="no peer of this name")
        # An NS and an AS may have one name: they are different collections.
        server.cli("as", "add", "ours", "--as-id", "c.example")
        assert server.json("ns", "show", "ours")["net_ids"] == ["000013"]


# ---- the join log ----


def test_events():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        other = server.add_ns("other", "--net-id", "60002D")
        device = add_device(server, 1, "1.0.4")
        random = add_device(server, 2, "1.0.3")
        for nonce in (17, 23):
            assert ask(server, token, device, nonce) == "Success"
        assert ask(server, token, device, 17, DevAddr="26011bdb") == "JoinReqFailed"
        assert ask(server, token, random, 5) == "Success"
        assert ask(server, token, random, 5, DevAddr="26011bdb") == "JoinReqFailed"
        assert ask(server, other, random, 6, net_id="60002D") == "ActivationDisallowed"
        wrong = Device(dev_eui(2), JOIN_EUI, "1.0.3", NWK_KEY)
        for nonce in (7, 8, 9):
            assert ask(server, token, wrong, nonce) == "MICFailed"
        for number in (50, 51):
            stranger = Device(dev_eui(number), JOIN_EUI, "1.0.3", KEY)
            assert ask(server, token, stranger) == "UnknownDevEUI"
        time.sleep(1.5)
        log = server.cli("events")
        for words in (
                "joined network 000013 with DevNonce 17; JoinNonce 1",
                "joined network 000013 with DevNonce 23; JoinNonce 2",
                "DevNonce 17 was already used; the device must send a higher one; "
                "last accepted 23",
                "DevNonce 5 was already used; the device must send one that it has never used",
                f'"device set {dev_eui(2)} --net-id 60002d" allows it',
                "the MIC is wrong", f'"device show {dev_eui(2)}"'):
            assert words in log, f"{words!r} is not in: {log}"
        assert dev_eui(50) not in log and dev_eui(51) not in log, "strangers are not stored"
        assert server.json("status")["joins"]["unknown_devices"] == 2
        mic = [line for line in log.splitlines() if "MIC" in line]
        assert len(mic) == 1 and mic[0].count("(3 times)") == 1, mic
        # One line an entry: time, DevEUI, sender, words; the newest last.
        lines = log.splitlines()
        for line in lines:
            assert re.match(r"\d{4}-\d\d-\d\dT\S+Z  [0-9a-f]{16}  \S+  \S", line), line
        # The command that the log names is one that helps.
        server.cli("device", "set", dev_eui(2), "--net-id", "60002d")
        assert ask(server, other, random, 10, net_id="60002D") == "Success"
        # By device, by number, as JSON.
        mine = server.cli("events", "--device", dev_eui(1)).splitlines()
        assert len(mine) == 3 and all(dev_eui(1) in line for line in mine), mine
        assert "already used" in mine[-1]
        last = server.cli("events", "--limit", "1").splitlines()
        assert len(last) == 1 and "joined network 60002d" in last[0], last
        assert server.cli("events", "--device", dev_eui(50)) == ""
        events = server.json("events", "--device", dev_eui(1))["events"]
        assert [event["kind"] for event in events] == ["accepted", "accepted", "refused"]
        assert (events[2]["dev_nonce"], events[2]["last_dev_nonce"]) == (17, 23), events[2]
        assert [event["sequence"] for event in events] == sorted(e["sequence"] for e in events)


def test_events_in_pages():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        device, other = add_device(server, 1, "1.0.4"), add_device(server, 2, "1.0.4")
        link = server.connect()
        for nonce in range(150):
            for who in (device, other) if nonce % 3 == 0 else (device,):
                _, answer, _ = server.post(join_req(who, nonce), token, connection=link)
                assert code(answer) == "Success"
        link.close()
        assert len(server.cli("events").splitlines()) == 20
        assert len(server.cli("events", "--limit", "1000").splitlines()) == 200
        lines = server.cli("events", "--limit", "130", "--device", dev_eui(1)).splitlines()
        nonces = [int(re.search(r"DevNonce (\d+)", line).group(1)) for line in lines]
        assert nonces == list(range(20, 150)), nonces


class Follower:
    """keyward events --follow, and what it has printed."""

    def __init__(self, server, *args):
        self.process = subprocess.Popen(
            [executable("keyward"), "-c", str(server.conf), *args], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.lines = []
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def wait_for(self, words):
        deadline = time.monotonic() + 10 * SLOW
        while not any(words in line for line in self.lines):
            assert time.monotonic() < deadline, f"{words!r} is not in {self.lines}"
            time.sleep(0.02)

    def end(self, sign=signal.SIGINT):
        self.process.send_signal(sign)
        self.process.wait(10 * SLOW)
        self.thread.join()
        self.process.stdout.close()


def test_events_follow():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        device, other = add_device(server, 1, "1.0.4"), add_device(server, 2, "1.0.4")
        assert ask(server, token, device, 1) == "Success"
        every = Follower(server, "events", "--follow")
        one = Follower(server, "events", "--follow", "--device", dev_eui(2))
        as_json = Follower(server, "--json", "events", "--follow", "--limit", "1")
        try:
            every.wait_for("DevNonce 1; JoinNonce 1")  # the past
            for nonce in range(2, 80):
                assert ask(server, token, device, nonce) == "Success"
            assert ask(server, token, other, 7) == "Success"
            assert ask(server, token, device, 3, DevAddr="26011bdb") == "JoinReqFailed"
            for follower in (every, as_json):
                follower.wait_for("DevNonce 3 was already used")
            one.wait_for("DevNonce 7; JoinNonce 1")
        finally:
            for follower in (every, one, as_json):
                follower.end()
        nonces = [int(n) for line in every.lines
                  for n in re.findall(rf"{dev_eui(1)}.*joined .* DevNonce (\d+)", line)]
        assert nonces == list(range(1, 80)), f"lost or doubled: {nonces}"
        assert all(dev_eui(2) in line for line in one.lines) and len(one.lines) == 1, one.lines
        seen = [event["sequence"] for line in as_json.lines for event in json.loads(line)["events"]]
        assert seen == list(range(seen[0], seen[0] + len(seen))), seen
        # It ends with a message when the server goes.
        gone = Follower(server, "events", "--follow")
        gone.wait_for("DevNonce 79")
        server.stop()
        assert gone.process.wait(10 * SLOW) == 1
        gone.thread.join()
        assert "keyward: " in gone.lines[-1], gone.lines[-1]
        gone.process.stdout.close()


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
        assert right == answered and 150 <= answered <= 201, said
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
            ",name", f",name\x1b[5m,\u202ename", 1)
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


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
