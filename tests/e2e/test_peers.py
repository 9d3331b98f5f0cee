"""`keyward ns` and `keyward as`: records, tokens, KEKs, delivery."""
import json
import os
import re
import sys
import time

from commands import JOIN_EUI, add_device, ask, fails
from lorawan import unwrap
from server import code, join_req, run_tests, Server


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
            fails(server, "ns", command, "nobody", words="no network server of this name")
        fails(server, "ns", "set", "nobody", "--net-id", "000013", words="no network server of this name")
        assert server.cli("ns", "remove", "home") == "network server home removed\n"
        assert ask(server, fresh, device, net_id="000025") == 401
        fails(server, "ns", "show", "home", words="no network server of this name")
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
        assert done.returncode == 1 and "credential" in done.stderr, done.stderr
        server.cli("ns", "set", "good", "--token-file", "-", text="other-0123456789abcdef\n")
        assert ask(server, token, device) == 401
        assert ask(server, "other-0123456789abcdef", device) == "Success"
        server.cli("ns", "set", "good", "--token-file", "")
        assert ask(server, "other-0123456789abcdef", device) == 401
        assert server.json("ns", "show", "good")["has_token"] is False


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
        fails(server, "as", "show", "b", words="no application server of this name")
        # An NS and an AS may have one name: they are different collections.
        server.cli("as", "add", "ours", "--as-id", "c.example")
        assert server.json("ns", "show", "ours")["net_ids"] == ["000013"]


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
