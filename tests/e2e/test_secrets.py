"""Known root keys, KEKs and tokens are searched for wherever they must not be."""
import os
import pathlib
import signal
import sys
import time

from lorawan import Device, unwrap
from server import Server, alive, code, join_req, run_tests

JOIN_EUI = "70b3d57ed0001234"
APP_KEY = bytes.fromhex("d7c0ffee5a17b00c9e3379b97f4a7c15")
NWK_KEY = bytes.fromhex("b5ad4eceda1ce2a9f1357aea2e62a9c5")
OLD_KEY = bytes.fromhex("9d39247e33776d4152b375aa8bf3c7d1")
KEK = bytes.fromhex("c3d2e1f0698badcfe10325476c4a2b19")
ROOT_KEYS = {"AppKey 1.1": APP_KEY, "NwkKey 1.1": NWK_KEY, "AppKey 1.0": OLD_KEY}


def forms(secret):
    """How octets might be written down."""
    text = secret.hex().encode()
    return [secret, secret[::-1], text, text.upper(), b"-".join(text[i:i + 2] for i in range(0, 32, 2))]


def search(where, octets, secrets):
    for name, secret in secrets.items():
        for form in forms(secret):
            assert form not in octets, f"{name} is in {where}"


def memory(pid):
    """Everything that a process can read of itself."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights = line.split()[:2]
        if not rights.startswith("r") or "[vvar" in line or "[vsyscall" in line:
            continue
        start, end = (int(x, 16) for x in span.split("-"))
        if end - start > 4 << 30:
            continue  # a sanitizer's shadow, or the map of the store, which is a file
        with open(f"/proc/{pid}/mem", "rb", 0) as mem:
            while start < end:
                try:
                    mem.seek(start)
                    piece = mem.read(min(end - start, 16 << 20))
                except OSError:
                    break
                if not piece:
                    break
                yield piece
                start += len(piece)


def fill(server):
    """A store with every kind of secret, and requests of every kind."""
    new = Device("0004a30b001c0511", JOIN_EUI, "1.1", APP_KEY, NWK_KEY)
    old = Device("0004a30b001c0503", JOIN_EUI, "1.0.3", OLD_KEY)
    kek = server.folder.parent / f"{server.folder.name}.kek"
    kek.write_text(KEK.hex() + "\n")
    kek.chmod(0o600)
    try:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device",
                              "--kek-label", "ns-2026", "--kek-file", kek)
    finally:
        kek.unlink()
    (server.folder / "ours.token").unlink()
    said = server.import_rows([[JOIN_EUI, new.dev_eui.hex(), "1.1", APP_KEY.hex(), NWK_KEY.hex()],
                               [JOIN_EUI, old.dev_eui.hex(), "1.0.3", OLD_KEY.hex(), ""]])
    # The same again, and a row that is wrong: error texts.
    for args in ([JOIN_EUI, new.dev_eui.hex(), "1.1", APP_KEY.hex(), NWK_KEY.hex()],
                 ["12", old.dev_eui.hex(), "1.0.3", OLD_KEY.hex(), ""],
                 [JOIN_EUI, "0004a30b001c0504", "1.0.3", OLD_KEY.hex() + "ff", ""],
                 [JOIN_EUI, "0004a30b001c0505", "1.0.3", OLD_KEY.hex()[:-1] + "x", ""]):
        head = "join_eui,dev_eui,lorawan_version,app_key,nwk_key\n"
        done = server.cli("device", "import", "-", text=head + ",".join(args) + "\n", check=False)
        assert done.returncode == 1
        said += done.stdout + done.stderr
    for nonce in range(20):
        for device in (new, old):
            body = join_req(device, nonce)
            _, answer, _ = server.post(body, token)
            assert code(answer) == "Success"
            said += str(answer)
            body["PHYPayload"] = body["PHYPayload"][:-2] + "00"
            said += str(server.post(body, token))
    said += str(server.post("{", token)) + str(server.post({"MessageType": "JoinReq"}, token))
    for command in (["status"], ["device", "list"], ["device", "show", new.dev_eui.hex()],
                    ["ns", "list"], ["ns", "show", "ours"], ["events"], ["intake", "certificate"]):
        said += server.cli(*command)
        if command[0] != "intake":
            said += server.cli("--json", *command)
    return token, said


def test_nowhere_but_in_the_vault():
    with Server(level="debug") as server:
        token, said = fill(server)
        secrets = dict(ROOT_KEYS, KEK=KEK)
        search("what was printed and answered", said.encode(), secrets)
        time.sleep(1.5)  # the fold and the join log's refusals
        for path in server.folder.rglob("*"):
            if path.is_file():
                search(str(path), path.read_bytes(), secrets)
                assert token.encode() not in path.read_bytes(), f"the token is in {path}"
        children = server.children()
        vault = children.pop("vault")
        if os.geteuid() == 0:
            children["keywardd"] = server.process.pid
            for name, pid in children.items():
                for piece in memory(pid):
                    search(f"the memory of {name}", piece, secrets)
            # The search itself works: the front holds what it was asked lately.
            assert any(b"0004a30b001c05" in piece for piece in memory(children["front"]))
        server.stop()
        for path in server.folder.rglob("*"):
            if path.is_file():
                search(str(path), path.read_bytes(), secrets)
        del vault


def test_no_core_is_left():
    with Server() as server:
        fill(server)
        for name in ("vault", "front", "portal"):
            pid = server.children()[name]
            os.kill(pid, signal.SIGSEGV)
            deadline = time.monotonic() + 10
            while alive(pid):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        for place in (server.folder, pathlib.Path.cwd(), server.folder / "store"):
            assert not list(place.glob("core*")), place


def test_master_key_file_is_private():
    with Server() as server:
        assert (server.folder / "master.key").stat().st_mode & 0o077 == 0
        assert (server.folder / "store").stat().st_mode & 0o077 == 0


def test_wrapped_under_the_kek():
    """The network keys come wrapped, and unwrap to what the device has."""
    with Server() as server:
        token, _ = fill(server)
        device = Device("0004a30b001c0511", JOIN_EUI, "1.1", APP_KEY, NWK_KEY)
        _, answer, _ = server.post(join_req(device, 100), token)
        keys = device.read_accept(bytes.fromhex(answer["PHYPayload"]), 100, "000013")
        for name in ("FNwkSIntKey", "SNwkSIntKey", "NwkSEncKey"):
            assert answer[name]["KEKLabel"] == "ns-2026"
            assert unwrap(KEK, bytes.fromhex(answer[name]["AESKey"])).hex() == keys[name]
        assert "KEKLabel" not in answer["AppSKey"]


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
