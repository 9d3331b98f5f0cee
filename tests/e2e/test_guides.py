"""The guides are followed: their `sh run` blocks as they stand, in order, and then a device joins."""
import os
import re
import shutil
import subprocess
import sys
import tomllib

from commands import ROOT, KEY, JOIN_EUI, dev_eui, row, table
from lorawan import Device, unwrap
from server import BUILD, SLOW, Server, code, join_req, run_tests
from test_print_config import post, serves

sys.path.insert(0, str(ROOT / "tests" / "cli"))
import yaml_subset  # noqa: E402

NET_ID = "000013"


class Guide:
    """An installation that comes into being by what a guide says."""

    def __init__(self, page):
        self.blocks = re.findall(r"(?ms)^```sh run\n(.*?)^```$", (ROOT / "docs" / page).read_text())
        self.server = Server()
        self.folder = self.server.folder
        self.server.conf = self.folder / "etc" / "keyward.conf"
        self.server.socket = self.folder / "admin.sock"
        (self.folder / "devices.csv").write_text(table(row(1, app_key=KEY.hex())))
        self.device = Device(dev_eui(1), JOIN_EUI, "1.0.3", KEY)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def here(self, text):
        """What must differ on a machine on which tests run: names, port, and where things lie."""
        changes = (("host=js.example.com", "host=localhost"),
                   ("etc=/etc/keyward", f"etc={self.folder}/etc"),
                   ("listen = 0.0.0.0:8003", f"listen = 127.0.0.1:{self.server.port}"),
                   ("https://$host:8003/", f"https://$host:{self.server.port}/"),
                   ("tls_key = tls/server.key\n", "tls_key = tls/server.key\n"
                    f"[keystore]\npath = {self.folder}/store\nmap_size = 256M\n"
                    f"master_key = file:{self.folder}/etc/master.key\n"
                    f"[admin]\nsocket = {self.server.socket}\n"))
        for old, new in changes:
            text = text.replace(old, new)
        return text

    def follow(self):
        """Run every block, each in a shell with the names of the first; start the server when the
        configuration has been checked."""
        env = {**os.environ, "PATH": f"{BUILD}/cli:{BUILD}/js:{os.environ['PATH']}"}
        names = self.here(self.blocks[0])
        for block in self.blocks[1:]:
            done = subprocess.run(["bash", "-euc", names + self.here(block)], cwd=self.folder,
                                  env=env, capture_output=True, text=True, timeout=60 * SLOW)
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
            if "keywardd -c $conf -t" in block:
                self.server.start()
        assert self.server.process is not None, "no block checks the configuration"

    def kek(self, name):
        return bytes.fromhex((self.folder / "etc" / f"{name}.kek").read_text())


def check_keys(device, answer, label, kek):
    """The keys that the answer holds are those of the device."""
    keys = device.read_accept(bytes.fromhex(answer["PHYPayload"]), 1, NET_ID)
    wrapped = answer["NwkSKey"]
    assert wrapped["KEKLabel"] == label, wrapped
    assert unwrap(kek, bytes.fromhex(wrapped["AESKey"])).hex() == keys["NwkSKey"]
    assert answer["AppSKey"]["AESKey"].lower() == keys["AppSKey"]
    assert "KEKLabel" not in answer["AppSKey"]


def test_chirpstack():
    with Guide("chirpstack.md") as guide:
        guide.follow()
        printed = guide.folder / "chirpstack-keyward.toml"
        assert printed.stat().st_mode & 0o077 == 0
        entry = tomllib.loads(printed.read_text())["join_server"]["servers"][0]
        assert serves(entry["join_eui_prefix"], int(JOIN_EUI, 16))
        answer = post(entry["server"], {"Authorization": entry["authorization_header"]},
                      join_req(guide.device, 1), str(guide.folder / "etc" / "ca" / "ca.pem"))
        assert code(answer) == "Success", answer
        check_keys(guide.device, answer, "chirpstack-2026", guide.kek("chirpstack"))
        assert "SessionKeyID" not in answer, "ChirpStack would not decrypt"
        assert "joined network" in guide.server.cli("events")


def test_the_things_stack():
    with Guide("the-things-stack.md") as guide:
        guide.follow()
        printed = guide.folder / "things.yml"
        assert printed.stat().st_mode & 0o077 == 0
        servers, js, _ = yaml_subset.load_all(printed.read_text())
        assert serves(servers["join-servers"][0]["join-euis"][0], int(JOIN_EUI, 16))
        assert js["tls"] == {"root-ca": "keyward-ca.pem"} and js["protocol"] == "BI1.0"
        answer = post(f"https://{js['fqdn']}:{js['port']}", js["headers"],
                      join_req(guide.device, 1), str(guide.folder / "etc" / "ca" / "ca.pem"))
        assert code(answer) == "Success" and answer["SessionKeyID"], answer
        check_keys(guide.device, answer, "things-2026", guide.kek("things"))


def test_configurations_in_the_guides_are_real():
    """The examples in the text are what is printed, with the secret left out."""
    with Guide("chirpstack.md") as guide:
        text = (ROOT / "docs" / "chirpstack.md").read_text()
        example = re.search(r"(?ms)^```toml\n(\[\[join_server.servers\]\].*?)^```$", text)[1]
        guide.follow()
        printed = tomllib.loads((guide.folder / "chirpstack-keyward.toml").read_text())
        printed = printed["join_server"]["servers"][0]
        shown = tomllib.loads(example)["join_server"]["servers"][0]
        assert shown.keys() == printed.keys()
        for key in shown.keys() - {"server", "authorization_header"}:
            assert shown[key] == printed[key], key


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
