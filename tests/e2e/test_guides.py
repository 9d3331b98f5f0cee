"""The guides are followed: their `sh run` blocks as they stand, in order, and then a device joins."""
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tomllib
import urllib.request

from commands import ROOT, KEY, JOIN_EUI, dev_eui, row, table
from lorawan import Device
from server import BUILD, SLOW, Server, run_tests
from test_interop import chirpstack_body, things_body
from test_print_config import serves

sys.path[:0] = [str(ROOT / "tests" / "cli"), str(ROOT / "tests" / "conformance")]
import yaml_subset  # noqa: E402
from readers import chirpstack_reads, things_reads  # noqa: E402

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


def ask(url, headers, body, ca):
    """HTTP status and octets, as the network server gets them; it waits 5 s."""
    request = urllib.request.Request(url, json.dumps(body).encode(),
                                     {"Content-Type": "application/json", **headers})
    context = ssl.create_default_context(cafile=str(ca))
    with urllib.request.urlopen(request, timeout=5 * SLOW, context=context) as answer:
        return answer.status, answer.read()


def check_session(guide, session):
    """The device accepts what the network server would send it, and both have the same keys."""
    keys = guide.device.read_accept(session.accept, 1, NET_ID)
    assert set(value.hex() for value in session.keys.values()) == {keys["NwkSKey"]}
    assert session.app_s_key.hex() == keys["AppSKey"]
    assert "joined network" in guide.server.cli("events")


def test_chirpstack():
    """A stub that goes by the printed configuration alone, and reads answers as ChirpStack does."""
    with Guide("chirpstack.md") as guide:
        guide.follow()
        printed = guide.folder / "chirpstack-keyward.toml"
        assert printed.stat().st_mode & 0o077 == 0
        config = tomllib.loads(printed.read_text())
        entry = next(entry for entry in config["join_server"]["servers"]
                     if serves(entry["join_eui_prefix"], int(JOIN_EUI, 16)))
        # What the guide has the operator write beside it, with the digits of the KEK's file.
        text = (ROOT / "docs" / "chirpstack.md").read_text()
        labels = re.findall(r'(?m)^\[\[keks\]\]\nlabel = "(.+)"$', text)
        body = chirpstack_body(guide.device, 1)
        session = chirpstack_reads(
            *ask(entry["server"], {"Authorization": entry["authorization_header"]}, body,
                 guide.folder / "etc" / "ca" / "ca.pem"),
            body, dict.fromkeys(labels, guide.kek("chirpstack")))
        assert session.answer["NwkSKey"]["KEKLabel"] == "chirpstack-2026"
        assert not session.end_to_end, "ChirpStack would not decrypt"
        check_session(guide, session)


def test_the_things_stack():
    with Guide("the-things-stack.md") as guide:
        guide.follow()
        printed = guide.folder / "things.yml"
        assert printed.stat().st_mode & 0o077 == 0
        servers, js, _ = yaml_subset.load_all(printed.read_text())
        assert serves(servers["join-servers"][0]["join-euis"][0], int(JOIN_EUI, 16))
        assert js["tls"] == {"root-ca": "keyward-ca.pem"} and js["protocol"] == "BI1.0"
        body = things_body(guide.device, 1, "1.0")
        session = things_reads(
            *ask(f"https://{js['fqdn']}:{js['port']}", js["headers"], body,
                 guide.folder / "etc" / "ca" / "ca.pem"),
            body, {"things-2026": guide.kek("things")})
        assert session.answer["NwkSKey"]["KEKLabel"] == "things-2026"
        assert session.answer["SessionKeyID"], "it could not fetch the AppSKey"
        check_session(guide, session)


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
