"""A home network and its application server, and devices that keep their sessions: shared by
the tests of the procedures beyond joining."""
import hashlib
import json
import time

from lorawan import Device, unwrap
from server import SLOW, Server, code, join_req
from wire import JOIN_EUI, check_refusal

NET_ID, PARTNER_ID, STRANGER_ID = "000013", "00002d", "60050a"
AS_ID = "as1.example"
THREE_KEYS = ("FNwkSIntKey", "SNwkSIntKey", "NwkSEncKey")
PROTOCOLS = ("1.0", "1.1")


class Mobile(Device):
    """A device that keeps its session and counts its Rejoin-requests (LoRaWAN 1.1, 6.2.4)."""

    def __init__(self, number, version="1.1", join_eui=JOIN_EUI):
        root = hashlib.sha256(f"device {number}".encode()).digest()
        new = version.startswith("1.1")
        super().__init__(f"0004a30b001c{number:04x}", join_eui, version, root[:16],
                         root[16:] if new else None)
        self.session = {}
        self.session_key_id = None
        self.rj_count_0 = self.rj_count_1 = 0

    @property
    def eui(self):
        return self.dev_eui.hex()

    def row(self):
        return [self.join_eui.hex(), self.eui, self.version, self.app_key.hex(),
                self.nwk_key.hex() if self.nwk_key else ""]

    def rejoin(self, kind, count=None, net_id=NET_ID, key=None):
        """The next Rejoin-request of that type, or one with that RJcount: (frame, RJcount)."""
        if count is None:
            count = self.rj_count_1 if kind == 1 else self.rj_count_0
            self.rj_count_1 += kind == 1
            self.rj_count_0 += kind != 1
        key = key or bytes.fromhex(self.session.get("SNwkSIntKey", "00" * 16))
        return self.rejoin_request(kind, count, net_id, key), count

    def take(self, answer, nonce, net_id=NET_ID, rejoin=None):
        """Take the Join-accept of an answer: the device is in the new session then."""
        keys = self.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, net_id, rejoin)
        self.session, self.rj_count_0 = keys, 0
        self.session_key_id = answer.get("SessionKeyID")
        return keys


class Home:
    """A server, the network server `home` with its devices, and the means to ask as each peer."""

    def __init__(self, *ns_args, devices=None, **how):
        self.server = Server(**how)
        self.ns_args = ns_args or ("--any-device",)
        self.devices = [Mobile(1)] if devices is None else devices
        self.device = self.devices[0]
        self.keks = {}

    def __enter__(self):
        self.server.__enter__()
        self.token = self.server.add_ns("home", "--net-id", NET_ID, *self.ns_args)
        self.server.import_rows([device.row() for device in self.devices])
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)

    # What an operator does

    def cli(self, *args, **how):
        return self.server.cli(*args, **how)

    def add_as(self, name="app", as_id=AS_ID, *args, verb="add"):
        """Register an application server; gives its token."""
        token = f"token-of-{name}-0123456789abcdef"
        names = ("--as-id", as_id) if as_id else ()
        self.cli("as", verb, name, *names, "--token-file", "-", *args, text=token + "\n")
        return token

    def add_kek(self, kind, name, label, kek):
        self.keks[label] = kek
        self.cli("kek", "add", f"--{kind}", name, "--kek-label", label, "--kek-file", "-",
                 text=kek.hex() + "\n")

    def set(self, device, *args):
        self.cli("device", "set", device.eui, *args)

    def state(self, device=None):
        """What is stored of a device, but for the count of refusals."""
        found = self.server.json("device", "show", (device or self.device).eui)
        del found["joins_refused"]
        return found

    def events(self, *words):
        """The join log, once all these words are in it: refusals come up to a second late."""
        deadline = time.monotonic() + 5 * SLOW
        while True:
            found = self.cli("events", "--limit", "500")
            missing = [word for word in words if word not in found]
            if not missing:
                return found
            assert time.monotonic() < deadline, f"{missing} not in the join log:\n{found}"
            time.sleep(0.1)

    def crash(self):
        self.server.kill()
        self.server.start()

    # What peers do

    def post(self, body, token=None, **how):
        return self.server.post(body, token or self.token, **how)

    def ask(self, body, token=None, **how):
        """HTTP 200 and an answer to this request; gives it. Asks again where it was too often."""
        status, answer, _ = self.post(body, token, **how)
        while status == 503 and answer and "too many requests" in str(answer["Result"]):
            time.sleep(0.1)
            status, answer, _ = self.post(body, token, **how)
        shown = f"{body}: HTTP {status} {answer}"
        assert status == 200 and answer is not None, shown
        assert answer["MessageType"] == body["MessageType"][:-3] + "Ans", shown
        protocol = body.get("ProtocolVersion")
        assert answer["ProtocolVersion"] == (protocol if protocol in PROTOCOLS else "1.1"), shown
        assert answer["SenderID"] == body["ReceiverID"], shown
        assert answer["ReceiverID"] == body["SenderID"], shown
        assert answer["TransactionID"] == body["TransactionID"], shown
        return answer

    def refused(self, body, wanted, token=None, **how):
        """An answer with that code (or one of them) and nothing else."""
        answer = self.ask(body, token, **how)
        wanted = {wanted} if isinstance(wanted, str) else set(wanted)
        shown = f"{body}: {answer}"
        assert code(answer) in wanted, f"{code(answer)} instead of {wanted}: {shown}"
        check_refusal(body, answer, shown)
        return answer

    def succeeded(self, body, token=None, **how):
        answer = self.ask(body, token, **how)
        assert answer["Result"] == {"ResultCode": "Success"}, f"{body}: {answer}"
        return answer

    def join(self, device=None, protocol="1.1", token=None, **changes):
        """The device joins; gives the answer."""
        device = device or self.device
        nonce = device.dev_nonce
        device.dev_nonce += 1
        body = join_req(device, nonce, ProtocolVersion=protocol, **changes)
        answer = self.succeeded(body, token)
        self.accepted(device, answer, nonce, net_id=body["SenderID"])
        return answer

    def rejoin(self, kind, device=None, protocol="1.1", **changes):
        """The device sends the next Rejoin-request of that type; gives the answer."""
        device = device or self.device
        frame, count = device.rejoin(kind)
        answer = self.succeeded(rejoin_req(device, frame, protocol, **changes))
        self.accepted(device, answer, count, kind)
        return answer

    def accepted(self, device, answer, nonce, rejoin=None, net_id=NET_ID):
        """The device takes it: JoinNonce one above the last, and the keys that the answer has."""
        last = device.last_join_nonce
        keys = device.take(answer, nonce, net_id, rejoin)
        assert keys["join_nonce"] == last + 1, f"JoinNonce {keys['join_nonce']} after {last}"
        network = set(THREE_KEYS) if "FNwkSIntKey" in keys else {"NwkSKey"}
        got = {name for name in answer if name in THREE_KEYS or name == "NwkSKey"}
        assert got == network, answer
        for name in network:
            assert self.opened(answer[name]) == keys[name], f"{name}: {answer}"
        if "AppSKey" in answer:
            assert self.opened(answer["AppSKey"]) == keys["AppSKey"], answer
        return keys

    def opened(self, envelope):
        """The key of an envelope, which says by what it is wrapped."""
        octets = bytes.fromhex(envelope["AESKey"])
        if "KEKLabel" in envelope:
            octets = unwrap(self.keks[envelope["KEKLabel"]], octets)
            assert octets is not None, f"not wrapped by {envelope['KEKLabel']}"
        assert len(octets) == 16, envelope
        return octets.hex()


def rejoin_req(device, frame, protocol="1.1", net_id=NET_ID, **changes):
    """The body of a RejoinReq; None leaves a member out."""
    fields = {"MessageType": "RejoinReq", "ProtocolVersion": protocol, "MACVersion": "1.1",
              "DLSettings": "80"}
    return join_req(device, phy=frame, net_id=net_id, **dict(fields, **changes))


def app_s_key_req(device, session_key_id, protocol="1.1", as_id=AS_ID, **changes):
    """The body of an AppSKeyReq."""
    body = {
        "ProtocolVersion": protocol,
        "SenderID": as_id,
        "ReceiverID": device.join_eui.hex(),
        "TransactionID": 90210,
        "MessageType": "AppSKeyReq",
        "DevEUI": device.eui,
        "SessionKeyID": session_key_id,
    }
    body.update(changes)
    return {key: value for key, value in body.items() if value is not None}


def home_ns_req(device, net_id=PARTNER_ID, protocol="1.1", **changes):
    """The body of a HomeNSReq."""
    body = {
        "ProtocolVersion": protocol,
        "SenderID": net_id,
        "ReceiverID": device.join_eui.hex(),
        "TransactionID": 5,
        "MessageType": "HomeNSReq",
        "DevEUI": device.eui,
    }
    body.update(changes)
    return {key: value for key, value in body.items() if value is not None}


def error_notif(device, sender=NET_ID, protocol="1.1", **changes):
    """The body of an ErrorNotif."""
    body = {
        "ProtocolVersion": protocol,
        "SenderID": sender,
        "ReceiverID": device.join_eui.hex(),
        "TransactionID": 4711,
        "MessageType": "ErrorNotif",
        "Result": {"ResultCode": "InvalidProtocolVersion", "Description": "1.0 is supported"},
    }
    body.update(changes)
    return {key: value for key, value in body.items() if value is not None}


def same_but(answer, *names):
    """An answer without what may differ between two."""
    return json.dumps({key: value for key, value in answer.items() if key not in names})
