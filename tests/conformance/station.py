"""The devices of the fixture: they make frames, read Join-accepts, and remember their counters."""
import json
import os
import pathlib
import random

from lorawan import Device, cmac

COUNTING = ("1.0.4", "1.1")
NONCES = 2 ** 16


class Exhausted(Exception):
    """No DevNonce is left: the device needs new root keys."""


class Memory:
    """What devices must not forget from run to run, in a file, by address of the server."""

    def __init__(self, path, url):
        self.path = pathlib.Path(path) if path else None
        self.all = {}
        if self.path and self.path.exists():
            self.all = json.loads(self.path.read_text())
        self.devices = self.all.setdefault(url, {})

    def of(self, dev_eui):
        new = {"dev_nonce": 1, "used": [], "join_nonce": 0, "rj_count_1": 1, "joined": False}
        return self.devices.setdefault(dev_eui, new)

    def save(self):
        """Before a frame leaves: a counter used twice is a false alarm in the next run."""
        if self.path is None:
            return
        part = self.path.with_name(self.path.name + ".part")
        part.write_text(json.dumps(self.all, separators=(",", ":")) + "\n")
        os.replace(part, self.path)


class Station(Device):
    """A device of the fixture, with its counters and the session that it is in."""

    def __init__(self, entry, memory):
        super().__init__(entry["dev_eui"], entry["join_eui"], entry["lorawan_version"],
                         bytes.fromhex(entry["app_key"]),
                         bytes.fromhex(entry["nwk_key"]) if "nwk_key" in entry else None)
        self.entry, self.memory = entry, memory
        self.last_join_nonce = memory["join_nonce"]
        self.counting = self.version in COUNTING
        self.session = None
        self.rj_count_0 = 0
        self.sent_nonces = []

    @property
    def is_new(self):
        return not self.memory["joined"]

    def begin_case(self):
        self.session, self.rj_count_0, self.sent_nonces = None, 0, []

    def take_nonce(self, wanted):
        """
        A DevNonce. "next"; for devices that draw at random also "high" and "low" (of the unused
        ones); "skip" leaves some out, as lost frames do; "lower" is below the last of a counter;
        "again" is the one sent before; a number is itself.
        """
        if isinstance(wanted, int):
            nonce = wanted
        elif wanted == "again":
            nonce = self.sent_nonces[-1]
        elif wanted == "lower":
            nonce = self.sent_nonces[-1] - 1
        elif self.counting:
            nonce = self.memory["dev_nonce"] + (10 if wanted == "skip" else 0)
            if nonce >= NONCES:
                raise Exhausted(f"the DevNonces of {self.entry['name']} are used up")
            self.memory["dev_nonce"] = nonce + 1
        else:
            nonce = self.draw(wanted)
        self.sent_nonces.append(nonce)
        return nonce

    def draw(self, wanted):
        first, last = {"low": (0, NONCES // 2), "high": (NONCES // 2, NONCES)}.get(
            wanted, (0, NONCES))
        left = sorted(set(range(first, last)) - set(self.memory["used"]))
        if not left:
            raise Exhausted(f"the DevNonces of {self.entry['name']} are used up")
        nonce = random.choice(left)
        self.memory["used"].append(nonce)
        return nonce

    def take_rj_count(self, kind, wanted):
        """RJcount0 belongs to the session, RJcount1 to the device's life."""
        if kind == 1:
            last = self.memory["rj_count_1"] - 1
        else:
            last = self.rj_count_0
        if wanted == "again":
            return last
        if wanted == "lower":
            return last - 1
        if kind == 1:
            if last + 1 >= NONCES:
                raise Exhausted(f"RJcount1 of {self.entry['name']} is used up")
            self.memory["rj_count_1"] = last + 2
        else:
            self.rj_count_0 = last + 1
        return last + 1

    def accept(self, frame, nonce, net_id, rejoin):
        """Read a Join-accept as the device would; the clear octets and the keys of the session."""
        keys = self.read_accept(frame, nonce, net_id, rejoin)
        self.memory["join_nonce"] = self.last_join_nonce
        self.memory["joined"] = True
        self.session, self.rj_count_0 = keys, 0
        return self.open_accept(frame, rejoin), keys

    def signed(self, key, octets):
        """The MIC of a frame under another key than the right one, or of another frame."""
        return cmac(key, octets)[:4]

    def secrets(self):
        """Keys that no peer may ever see, by name."""
        found = {"app_key": self.app_key}
        if self.nwk_key:
            found.update(nwk_key=self.nwk_key, JSEncKey=self.lifetime_key(5),
                         JSIntKey=self.lifetime_key(6))
        return found
