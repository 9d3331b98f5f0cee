"""Values of requests: what a case writes as {"$name": …} becomes what goes on the wire."""
import random

REMOVE = object()


class NoValue(Exception):
    """An earlier answer does not have what this request is made of."""


class Frame:
    """A frame of a device, and what is needed to judge the answer to it."""

    def __init__(self, octets, nonce, rejoin):
        self.octets, self.nonce, self.rejoin = octets, nonce, rejoin


class Builder:
    """Builds the values of one step; `scene` is the case that runs (see run.py)."""

    def __init__(self, scene, peer):
        self.scene, self.peer = scene, peer
        self.frame = None

    def build(self, value):
        if isinstance(value, list):
            return [self.build(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, wanted = next(iter(value.items()))
            if name.startswith("$"):
                return getattr(self, "make_" + name[1:])(wanted)
        built = {name: self.build(item) for name, item in value.items()}
        return {name: item for name, item in built.items() if item is not REMOVE}

    def device(self, wanted):
        if isinstance(wanted, dict):
            return self.scene.fixture.device(wanted["of"]), wanted["member"]
        return self.scene.device, wanted

    def make_remove(self, _):
        return REMOVE

    def make_protocol(self, _):
        return self.scene.protocol

    def make_device(self, wanted):
        device, member = self.device(wanted)
        if member == "dl_settings":
            return "80" if device.version == "1.1" else "00"
        return device.entry["lorawan_version" if member == "version" else member]

    def make_peer(self, wanted):
        peer = self.peer
        if isinstance(wanted, dict):
            peer, wanted = self.scene.fixture.peer(wanted["of"]), wanted["member"]
        return peer.get(wanted, REMOVE)

    def make_ns_id(self, _):
        """SenderNSID: of network servers, since 1.1."""
        return self.peer.get("ns_id", REMOVE) if self.scene.protocol == "1.1" else REMOVE

    def make_random(self, bits):
        return random.randrange(2 ** bits)

    def make_answer(self, wanted):
        """A member of the answer to an earlier step."""
        body = self.scene.steps[wanted["step"] - 1].body
        if not isinstance(body.get(wanted["member"]), str):
            raise NoValue(f"the answer to step {wanted['step']} has no {wanted['member']}")
        return body[wanted["member"]]

    def make_request(self, wanted):
        """A member of the request of an earlier step, or all of it."""
        earlier = self.scene.steps[wanted["step"] - 1]
        self.frame = self.frame or earlier.frame
        return earlier.request[wanted["member"]]

    def make_upper(self, value):
        return self.build(value).upper()

    def make_lower(self, value):
        return self.build(value).lower()

    def make_mixed(self, value):
        """Every second digit in upper case."""
        text = self.build(value)
        return "".join(c.upper() if i % 2 else c for i, c in enumerate(text))

    def make_0x(self, value):
        return "0x" + self.build(value)

    def make_reversed(self, value):
        return bytes.fromhex(self.build(value))[::-1].hex()

    def make_times(self, wanted):
        return wanted["text"] * wanted["count"]

    def make_frame(self, wanted):
        """
        A PHYPayload. type "join" (dev_nonce) or "rejoin" (kind, rj_count, net_id), of `device` if
        not of the case's; mic "forged" or "other key"; mhdr another first octet; length cut or
        filled to.
        """
        device = self.scene.fixture.device(wanted["device"]) if "device" in wanted \
            else self.scene.device
        if wanted["type"] == "join":
            nonce, kind = device.take_nonce(wanted.get("dev_nonce", "next")), None
            octets = device.join_request(nonce)
        else:
            octets, nonce, kind = self.rejoin(device, wanted)
        octets = bytearray(octets)
        if wanted.get("mic") == "forged":
            octets[-1] ^= 1
        elif wanted.get("mic") == "other key":
            octets[-4:] = device.signed(device.app_key, bytes(octets[:-4]))
        if "mhdr" in wanted:
            octets[0] = int(wanted["mhdr"], 16)
            octets[-4:] = device.signed(device.root, bytes(octets[:-4]))
        if "length" in wanted:
            octets = octets[:wanted["length"]].ljust(wanted["length"], b"\0")
        self.frame = Frame(bytes(octets), nonce, kind)
        return self.frame.octets.hex()

    def rejoin(self, device, wanted):
        kind = wanted["kind"]
        count = device.take_rj_count(kind, wanted.get("rj_count", "next"))
        if kind == 1:
            return device.rejoin_request(1, count), count, 1
        net_id = self.build(wanted.get("net_id", {"$peer": "net_id"}))
        key = bytes.fromhex((device.session or {}).get("SNwkSIntKey", "00" * 16))
        return device.rejoin_request(kind, count, net_id, key), count, kind
