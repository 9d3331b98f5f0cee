"""Known root keys, KEKs and tokens are searched for wherever they must not be."""
import os
import pathlib
import signal
import sys
import time

from lorawan import Device, unwrap
from network import (
    AS_ID, PARTNER_ID, Home, Mobile, app_s_key_req, home_ns_req, rejoin_req)
from server import Server, alive, code, join_req, run_tests
from wire import Wire, head

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
    # The same again, which is there already, and rows that are wrong: error texts.
    for args in ([JOIN_EUI, new.dev_eui.hex(), "1.1", APP_KEY.hex(), NWK_KEY.hex()],
                 [JOIN_EUI, new.dev_eui.hex(), "1.1", NWK_KEY.hex(), APP_KEY.hex()],
                 ["12", old.dev_eui.hex(), "1.0.3", OLD_KEY.hex(), ""],
                 [JOIN_EUI, "0004a30b001c0504", "1.0.3", OLD_KEY.hex() + "ff", ""],
                 [JOIN_EUI, "0004a30b001c0505", "1.0.3", OLD_KEY.hex()[:-1] + "x", ""]):
        head = "join_eui,dev_eui,lorawan_version,app_key,nwk_key\n"
        done = server.cli("device", "import", "-", text=head + ",".join(args) + "\n", check=False)
        assert done.returncode == (0 if "1 already there" in done.stdout else 1), done.stderr
        said += done.stdout + done.stderr
    assert said.count("1 already there") == 1, said
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
            # The search itself works: it finds what the front is being told just now.
            with Wire(server) as wire:
                wire.send(head(token, "Content-Length: 100") + b'{"DevEUI": "0004a30b001c05')
                time.sleep(0.5)
                assert any(b'{"DevEUI": "0004a30b001c05' in piece
                           for piece in memory(children["front"]))
        server.stop()
        for path in server.folder.rglob("*"):
            if path.is_file():
                search(str(path), path.read_bytes(), secrets)
        del vault


class Household(Home):
    """Every procedure, KEKs that come and go, and all that was said and answered meanwhile."""

    def __init__(self, **how):
        super().__init__(devices=[Mobile(1), Mobile(3, "1.0.3")], **how)
        self.said = []
        self.sessions = {}  # name to octets of the keys of sessions, as the devices derived them
        self.retired = {}

    def cli(self, *args, **how):
        printed = super().cli(*args, **how)
        self.said.append(printed)
        return printed

    def post(self, body, token=None, **how):
        status, answer, head = super().post(body, token, **how)
        if "SessionKeyID" not in body or status != 200:
            self.said.append(f"{answer} {head}")
        return status, answer, head

    def accepted(self, device, *args, **how):
        keys = super().accepted(device, *args, **how)
        self.sessions.update({
            f"{name} {device.eui} {keys['join_nonce']}": bytes.fromhex(value)
            for name, value in keys.items() if name != "join_nonce"})
        return keys

    def root_keys(self):
        keys = {f"AppKey {device.version}": device.app_key for device in self.devices}
        return dict(keys, **{"NwkKey 1.1": self.device.nwk_key})

    def lifetime_keys(self):
        return {"JSIntKey": self.device.lifetime_key(6), "JSEncKey": self.device.lifetime_key(5)}

    def all_keks(self):
        return {f"KEK {label}": kek for label, kek in {**self.keks, **self.retired}.items()}

    def live(self):
        """Joins, rejoins and AppSKeyReqs under one KEK after the other, and what is refused."""
        device = self.device
        self.app_token = self.add_as("app", AS_ID)
        self.partner = self.server.add_ns("partner", "--net-id", PARTNER_ID)
        for each in self.devices:
            self.set(each, "--as-id", AS_ID, "--app-s-key", "wrapped", "--roaming", PARTNER_ID)
        for number, size in enumerate((16, 24, 32)):
            for kind, name in (("ns", "home"), ("as", "app")):
                self.add_kek(kind, name, f"{name}-{size}", os.urandom(size))
            for each in self.devices:
                self.join(each)
                self.fetch(each)
            for rejoin in (0, 1, 2):
                self.rejoin(rejoin)
                self.fetch(device)
            frame, _ = device.rejoin(number, 60)
            forged = frame[:-1] + bytes([frame[-1] ^ 1])
            self.refused(rejoin_req(device, forged), "MICFailed")
            self.refused(app_s_key_req(device, "00" * 16), "UnknownDevEUI", self.app_token)
            self.succeeded(home_ns_req(device), self.partner)
            if number:
                for kind, name in (("ns", "home"), ("as", "app")):
                    label = f"{name}-{(16, 24)[number - 1]}"
                    self.cli("kek", "retire", f"--{kind}", name, "--kek-label", label)
                    self.retired[label] = self.keks.pop(label)
        # Without a KEK: refused, with a word in the log.
        self.retired["app-32"] = self.keks.pop("app-32")
        self.cli("kek", "retire", "--as", "app", "--kek-label", "app-32", "--force")
        self.refused(app_s_key_req(device, device.session_key_id), "Other", self.app_token)
        self.refused(rejoin_req(device, device.rejoin(1)[0]), "JoinReqFailed")
        for words in (["status"], ["events", "--limit", "1000"], ["ns", "show", "home"],
                      ["as", "show", "app"], ["kek", "list", "--ns", "home"],
                      ["kek", "list", "--as", "app"], ["device", "show", device.eui],
                      ["device", "list"], ["ns", "list"], ["as", "list"]):
            self.cli(*words)
            self.cli("--json", *words)

    def fetch(self, device):
        answer = self.succeeded(app_s_key_req(device, device.session_key_id), self.app_token)
        assert self.opened(answer["AppSKey"]) == device.session["AppSKey"]


def files_of(server):
    return [path for path in server.folder.rglob("*") if path.is_file()]


def test_every_procedure():
    """Root keys, JSIntKey, JSEncKey and KEKs after rejoins, AppSKeyReq and changes of KEKs; session
    keys in no file and no log, and wrapped wherever they were sent."""
    with Household(level="debug") as home:
        home.live()
        secrets = {**home.root_keys(), **home.lifetime_keys(), **home.all_keks()}
        assert len(home.sessions) > 30 and len(home.all_keks()) == 6
        search("what was printed and answered", "".join(home.said).encode(),
               {**secrets, **home.sessions})
        time.sleep(1.5)  # the fold and the join log's refusals
        for path in files_of(home.server):
            search(str(path), path.read_bytes(), {**secrets, **home.sessions})
        if os.geteuid() == 0:
            children = home.server.children()
            del children["vault"]
            children["keywardd"] = home.server.process.pid
            for name, pid in children.items():
                for piece in memory(pid):
                    search(f"the memory of {name}", piece, secrets)
        home.crash()
        home.refused(app_s_key_req(home.device, home.device.session_key_id), "Other",
                     home.app_token)
        home.server.stop()
        for path in files_of(home.server):
            search(str(path), path.read_bytes(), {**secrets, **home.sessions})


def test_vault_forgets():
    """Keys of sessions are derived, sent and wiped: the vault keeps none of them, nor root keys."""
    if os.geteuid() != 0:
        return
    with Household(map_size="16M") as home:
        home.live()
        time.sleep(1.5)
        # JSIntKey was used last; and now, for a MIC that is wrong, a root key.
        forged = join_req(home.device, 60000)
        forged["PHYPayload"] = forged["PHYPayload"][:-2] + "00"
        home.refused(forged, "MICFailed")
        secrets = {**home.root_keys(), **home.lifetime_keys(), **home.sessions}
        pieces = list(memory(home.server.children()["vault"]))
        # The search itself works: the vault remembers the names of network servers.
        assert any(b"partner" in piece for piece in pieces)
        for piece in pieces:
            for name, secret in secrets.items():
                assert secret not in piece, f"{name} is in the memory of the vault"


def test_session_keys_in_the_clear():
    """Also where no KEK is agreed: in the answers, and nowhere else."""
    with Household(level="debug") as home:
        home.add_as("app", AS_ID, "--app-s-key-in-clear")
        home.app_token = "token-of-app-0123456789abcdef"
        home.set(home.device, "--as-id", AS_ID, "--app-s-key", "inline-id")
        home.join()
        for kind in (0, 1, 2, 0, 1, 2):
            home.rejoin(kind)
            home.fetch(home.device)
        time.sleep(1.5)
        secrets = {**home.root_keys(), **home.lifetime_keys(), **home.sessions}
        assert len(home.sessions) == 7 * 4
        for path in files_of(home.server):
            search(str(path), path.read_bytes(), secrets)
        home.server.stop()
        for path in files_of(home.server):
            search(str(path), path.read_bytes(), secrets)
        # They were there to be found.
        assert home.device.session["AppSKey"] in "".join(home.said)


def test_no_core_is_left():
    with Server() as server:
        fill(server)
        server.crashes = True
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
