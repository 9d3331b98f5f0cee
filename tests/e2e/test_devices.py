"""`keyward device`: add, generate, list, show, set, block, remove, reset-nonces."""
import json
import re
import sys
import time

from commands import (
    JOIN_EUI, KEY, NWK_KEY, add_device, ask, dev_eui, devices, fails, row, table,
    without_secrets,
)
from lorawan import cmac, Device
from server import SLOW, code, join_req, run_tests, Server


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


def test_note_of_an_unknown_application_server():
    """An AS-ID that nobody has is said: the AppSKeys of what joins now go to nobody."""
    note = "note: no application server has the AS-ID as.example"
    with Server() as server:
        for number in range(20):  # more than a page
            server.cli("as", "add", f"other{number}", "--as-id", f"as{number}.example")

        def said(*args, text=None):
            done = server.cli("device", *args, text=text, check=False)
            assert done.returncode == 0, done.stderr
            return done.stderr

        with_as = ("--as-id", "as.example")
        new = ("add", "--join-eui", JOIN_EUI, "--lorawan-version", "1.0.4", "--generate", *with_as)
        assert note in said(*new, "--dev-eui", dev_eui(1))
        assert note in said("import", "-", *with_as, text=table(row(2)))
        assert note not in said("import", "-", "--dry-run", *with_as, text=table(row(3)))
        assert note in said("set", dev_eui(1), *with_as)
        assert note not in said("set", dev_eui(1), "--name", "x")
        assert note not in said("set", dev_eui(1), "--as-id", "")
        server.cli("as", "add", "zz", *with_as)
        assert note not in said("set", dev_eui(1), *with_as)
        assert note not in said("import", "-", *with_as, text=table(row(4)))


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
