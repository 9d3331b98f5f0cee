"""`keyward device import`: files in the clear, as people and other programs write them."""
import json
import re
import sys
import time

from commands import (
    HEAD, JOIN_EUI, KEY, NWK_KEY, ask, dev_eui, devices, fails, row, seal, table, tts,
    without_secrets, write,
)
from lorawan import cmac, Device
from server import SLOW, run_tests, Server


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


def shared(number, other):
    return f"device {dev_eui(number)}: device {dev_eui(other)} has the same root key"


def test_one_key_in_two_devices():
    """Told of with both names, or refused with --strict: then nothing is loaded."""
    key = NWK_KEY.hex()
    batch = [row(number) for number in range(1, 1501)]
    batch[0] = row(1, app_key=key)
    batch[1400] = row(1401, version="1.1", app_key=KEY.hex(), nwk_key=key)
    with Server() as server:
        path = server.folder / "batch.csv"
        path.write_text(table(*batch))
        path.chmod(0o600)
        # The two are in envelopes of their own.
        said = fails(server, "device", "import", path, "--strict",
                     words=[f"batch.csv:1402: {shared(1401, 1)}", "nothing was added"])
        assert said.count("same root key") == 1 and not devices(server), said
        said = server.cli("device", "import", path, "--dry-run", check=False)
        assert said.returncode == 0 and said.stdout == "1500 devices could be added\n", said
        assert said.stderr.count("same root key") == 1, said
        said = server.cli("device", "import", path, check=False)
        assert said.returncode == 0 and said.stdout == "1500 devices added\n", said
        assert f"batch.csv:1402: warning: {shared(1401, 1)}" in said.stderr, said
        assert "warning: 1 device has a root key of another device" in said.stderr, said
        without_secrets(said.stderr)
        assert not server.cli("device", "import", path, "--strict", check=False).stderr
        # One more from another file, as words and for programs, and by hand.
        again = table(row(2000, app_key=key))
        fails(server, "device", "import", "-", "--strict", text=again, words=shared(2000, 1))
        answer = json.loads(server.cli("--json", "device", "import", "-", text=again))
        assert (answer["added"], answer["warned"]) == (1, 1), answer
        assert answer["warnings"][0]["line"] == 2, answer
        assert shared(2000, 1) in answer["warnings"][0]["text"], answer
        said = server.cli("device", "add", "--join-eui", JOIN_EUI, "--dev-eui", dev_eui(2001),
                          "--lorawan-version", "1.0.3", text=f"app_key={key}\n", check=False)
        assert said.returncode == 0 and f"warning: {shared(2001, 1)}" in said.stderr, said
        # Envelopes that somebody else has sealed are one file, too.
        fresh = "5d" + key[2:]
        path = write(server, "two.pem", b"".join(
            seal(server, table(row(number, app_key=fresh)), form="PEM")
            for number in (3001, 3002)))
        fails(server, "device", "import", path, "--strict",
              words=["envelope 2:2: ", shared(3002, 3001), "nothing was added"])
        assert len(devices(server)) == 1502


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
        # All of it again: the two are in the store now, as they are in the file.
        done = server.cli("device", "import", "-", "--skip-errors", text=text, check=False)
        assert done.returncode == 1, done.stderr
        assert f"0 devices added, 2 already there, {len(BAD_ROWS)} refused" in done.stdout, \
            done.stdout
        check_lines(done.stderr, expected, "standard input")
        # And with another key.
        done = server.cli("device", "import", "-", text=table(row(1, app_key=NWK_KEY.hex())),
                          check=False)
        assert done.returncode == 1 and not done.stdout, done.stdout
        check_lines(done.stderr, {2: ["already", "another", "remove it first"]}, "standard input")


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


def import_levels(server):
    """Levels of the portal's lines about imports, since log_start."""
    return set(re.findall(r"(\w+) portal: devices import", server.new_log()))


def test_dry_run_stores_nothing():
    with Server() as server:
        for count in (3, 2300):  # in one envelope, and in several
            text = table(*[row(1000 * count + i) for i in range(count)])
            assert server.cli("device", "import", "-", "--dry-run", text=text) == \
                f"{count} devices could be added\n"
            answer = json.loads(server.cli("--json", "device", "import", "-", "--dry-run",
                                           text=text))
            assert answer["added"] == count and answer["dry_run"] is True, answer
            assert devices(server) == {}
            # What changes nothing is no notice, and a long file is checked in many pieces.
            assert import_levels(server) == {"info"}
            server.cli("device", "import", "-", text=text)
            assert "notice" in import_levels(server)
            server.log_start = server.log_path.stat().st_size
            assert server.cli("device", "import", "-", "--dry-run", text=text) == \
                f"0 devices could be added, {count} already there\n"
            other = table(*[row(1000 * count + i, app_key=NWK_KEY.hex()) for i in range(count)])
            said = fails(server, "device", "import", "-", "--dry-run", text=other,
                         words="another JoinEUI, version or key")
            check_lines(said, {i + 2: ["already"] for i in range(count)}, "standard input")
            for number in (1000 * count, 1000 * count + count - 1):
                server.cli("device", "show", dev_eui(number))
            server.cli("device", "remove", dev_eui(1000 * count))
            done = server.cli("device", "import", "-", "--skip-errors", "--dry-run", text=other,
                              check=False)
            assert f"1 device could be added, {count - 1} refused" in done.stdout, done.stdout
            assert server.cli("device", "import", "-", "--dry-run", text=text) == \
                f"1 device could be added, {count - 1} already there\n"
            assert len(devices(server)) == count - 1
            for number in range(1, count):
                if count == 3:
                    server.cli("device", "remove", dev_eui(1000 * count + number))


def test_line_numbers_beyond_the_first_chunk():
    conflicts = [2, 99, 100, 500, 999, 1000, 1001, 1002, 1003, 1700, 2002, 2003, 2004, 2499]
    wrong = {50: ["31 hexadecimal"], 998: ["31 hexadecimal"], 1350: ["31 hexadecimal"],
             2498: ["31 hexadecimal"], 2501: ["31 hexadecimal"]}
    with Server() as server:
        server.import_rows([row(line, app_key=NWK_KEY.hex()).split(",")[:5] for line in conflicts])
        # Row by row the line it stands on; blank lines and a quoted line end make it interesting.
        lines, line = [HEAD], 2
        numbers = {}
        for number in range(2, 2502):
            if number in (120, 1640):
                lines.append("")
                line += 1
            numbers[number] = line
            if number == 1400:
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
                         words=f"{len(there) + len(bad)} of 2500 rows refused; nothing was added")
            check_lines(said, {**there, **bad}, "standard input")
            assert devices(server) == before, "something of a bad file was stored"
        done = server.cli("device", "import", "-", "--skip-errors", text=text, check=False)
        good = 2500 - len(there) - len(bad)
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


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
