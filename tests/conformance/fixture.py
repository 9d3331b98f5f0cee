"""What the server under test must be provisioned with: peers and devices, and who they are here."""
import base64
import csv
import io
import json
import pathlib

from station import Station

DEFAULT = pathlib.Path(__file__).resolve().parent / "fixture.json"
COLUMNS = ["join_eui", "dev_eui", "lorawan_version", "app_key", "nwk_key", "name"]


class Lacking(Exception):
    """A case needs something that the fixture does not have."""


class Fixture:
    def __init__(self, path, memory):
        data = json.loads(pathlib.Path(path or DEFAULT).read_text())
        self.peers = data["peers"]
        for name, peer in self.peers.items():
            peer["name"] = name
        self.devices = {entry["name"]: Station(entry, memory.of(entry["dev_eui"]))
                        for entry in data["devices"]}
        self.secrets = dict(self.find_secrets())

    def peer(self, name):
        if name not in self.peers:
            raise Lacking(f"the fixture has no peer {name}")
        return self.peers[name]

    def device(self, name):
        if name not in self.devices:
            raise Lacking(f"the fixture has no device {name}")
        device = self.devices[name]
        for peer in (device.entry["home"], device.entry.get("as"), *device.entry.get("roaming", [])):
            if peer is not None:
                self.peer(peer)
        return device

    def check(self, needs):
        """What a case says that it needs: "device.roaming" and the like; raises Lacking."""
        for need in needs:
            owner, _, member = need.partition(".")
            if owner in self.peers:
                found = self.peers[owner].get(member) if member else True
            else:
                found = self.device(owner).entry.get(member) if member else True
                self.device(owner)
            if not found:
                raise Lacking(f"{owner} has no {member} in the fixture")

    def keks(self, *names):
        """KEKs of peers by label."""
        found = [self.peers[name].get("kek") for name in names if name in self.peers]
        return {kek["label"]: bytes.fromhex(kek["key"]) for kek in found if kek}

    def find_secrets(self):
        """(text, name) of all that must not be in any answer: hexadecimal and base64."""
        for name, device in self.devices.items():
            for key_name, octets in device.secrets().items():
                yield from spellings(octets, f"{key_name} of {name}")
        for name, peer in self.peers.items():
            if "kek" in peer:
                yield from spellings(bytes.fromhex(peer["kek"]["key"]), f"the KEK of {name}")
            if "authorization" in peer:
                yield peer["authorization"].split()[-1].lower(), f"the credential of {name}"

    def leaked(self, octets):
        """The name of a secret that is in these octets, or None."""
        text = octets.decode("latin-1").lower()
        return next((name for secret, name in self.secrets.items() if secret in text), None)

    def rows(self):
        for device in self.devices.values():
            if not device.entry.get("absent"):
                yield {column: device.entry.get(column, "") for column in COLUMNS}

    def printed(self, form):
        """The devices as a file that join servers import."""
        if form == "json":
            return json.dumps(list(self.rows()), indent=2) + "\n"
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        return out.getvalue()


def spellings(octets, name):
    yield octets.hex(), name
    # Base64 in lower case, as leaked() compares; a match by chance needs 22 characters.
    yield base64.b64encode(octets).decode().rstrip("=").lower(), name
