"""Bad RejoinReq, AppSKeyReq, HomeNSReq and ErrorNotif: an error and no more, and all goes on.

As test_bad_input.py does for JoinReq: every test runs its own daemon, and after it every procedure
works as if nothing had been.
"""
import json
import random
import sys

from network import (
    AS_ID, NET_ID, PARTNER_ID, PROTOCOLS, Home, Mobile, app_s_key_req, error_notif, home_ns_req,
    rejoin_req)
from server import code, run_tests
from wire import MALFORMED, Wire, request

HEADER_FIELDS = ("SenderID", "ReceiverID", "TransactionID", "MessageType")
HEX_FIELDS = {"PHYPayload": None, "DevEUI": 8, "DevAddr": 4, "DLSettings": 1, "CFList": 16,
              "SessionKeyID": 16}
SESSION_ID_MAX = 128
WRONG_TYPES = (True, False, 17, -1, 1.5, 10 ** 12, [], {}, ["00"], {"a": 1})


class Town(Home):
    """A device in a session, its networks and its application server."""

    def __enter__(self):
        super().__enter__()
        self.app = self.add_as("app", AS_ID, "--app-s-key-in-clear")
        self.partner = self.server.add_ns("partner", "--net-id", PARTNER_ID)
        self.set(self.device, "--as-id", AS_ID, "--roaming", PARTNER_ID)
        self.join()
        self.name, self.key = self.device.session_key_id, self.device.session["AppSKey"]
        self.tokens = {"RejoinReq": self.token, "AppSKeyReq": self.app, "HomeNSReq": self.partner,
                       "ErrorNotif": self.token}
        self.link = self.server.connect()
        self.before, self.pids = self.state(), self.server.children()
        return self

    def __exit__(self, *error):
        self.link.close()
        super().__exit__(*error)

    def each(self, *types):
        """A good message of each kind in both protocol versions."""
        for protocol in PROTOCOLS:
            for kind in (0, 1, 2):
                frame, _ = self.device.rejoin(kind, 40)
                yield rejoin_req(self.device, frame, protocol,
                                 CFList="184f84e85684b85e84886684586e8400")
            yield app_s_key_req(self.device, self.name, protocol)
            yield home_ns_req(self.device, PARTNER_ID, protocol)
            yield error_notif(self.device, NET_ID, protocol)

    def send(self, text, kind):
        return self.server.post(text, self.tokens[kind], connection=self.link)

    def bad(self, body, wanted, why):
        """Refused with that code; an ErrorNotif is acknowledged whatever is in it."""
        if body["MessageType"] == "ErrorNotif":
            status, answer, _ = self.send(body, "ErrorNotif")
            assert status == 200 and answer is None, f"{why}: HTTP {status} {answer}"
        else:
            answer = self.refused(body, wanted, self.tokens[body["MessageType"]],
                                  connection=self.link)
            assert "AppSKey" not in answer and "HNetID" not in answer, f"{why}: {answer}"

    def unreadable(self, body, kind, why):
        text = body if isinstance(body, (bytes, str)) else json.dumps(body)
        status, answer, _ = self.send(text, kind)
        assert status == 400 and answer is None, f"{why}: HTTP {status} {answer}"

    def fine(self):
        """Nothing is stored of it, no process began anew, and every procedure does its work."""
        assert self.state() == self.before, f"{self.before} became {self.state()}"
        assert self.server.children() == self.pids, \
            f"processes were {self.pids}, are {self.server.children()}"
        self.goes_on()

    def goes_on(self):
        for kind in (0, 1, 2):
            self.rejoin(kind)
        answer = self.succeeded(app_s_key_req(self.device, self.name), self.app)
        assert self.opened(answer["AppSKey"]) == self.key
        answer = self.succeeded(home_ns_req(self.device), self.partner)
        assert answer["HNetID"] == NET_ID
        assert self.post(error_notif(self.device))[0] == 200


def members(good):
    """The members of a message that its procedure reads, but for the header."""
    return [name for name in good
            if name not in HEADER_FIELDS and name not in ("ProtocolVersion", "Result")]


def test_missing_null_and_empty():
    with Town() as town:
        for good in town.each():
            kind, malformed = good["MessageType"], MALFORMED[good["ProtocolVersion"]]
            for name in HEADER_FIELDS:
                without = {key: value for key, value in good.items() if key != name}
                for why, body in (("missing", without), ("null", dict(good, **{name: None})),
                                  ("empty", dict(good, **{name: ""}))):
                    town.unreadable(body, kind, f"{kind}: {name} {why}")
            for value in (None, "", "3.0", "1", "1.0.0", 1.0, 1, [], {}):
                town.bad(dict(good, ProtocolVersion=value), "InvalidProtocolVersion", value)
            for name in members(good):
                without = {key: value for key, value in good.items() if key != name}
                for why, body in (("missing", without), ("null", dict(good, **{name: None})),
                                  ("empty", dict(good, **{name: ""})),
                                  ("of another case", dict(without, **{name.lower(): good[name]})),
                                  ("another", dict(without, **{name + " ": good[name]}))):
                    if name != "CFList":
                        town.bad(body, malformed, f"{kind}: {name} {why}")
        town.fine()


def test_wrong_types():
    with Town() as town:
        for good in town.each():
            kind, malformed = good["MessageType"], MALFORMED[good["ProtocolVersion"]]
            for value in WRONG_TYPES:
                for name in HEADER_FIELDS:
                    if name == "TransactionID" and value == 17:
                        continue
                    town.unreadable(dict(good, **{name: value}), kind, f"{kind}: {name} {value}")
                for name in members(good):
                    if name != "RxDelay" or type(value) is not int or not 0 <= value <= 15:
                        town.bad(dict(good, **{name: value}), malformed, f"{name} {value}")
                for name in ("SenderToken", "ReceiverToken"):
                    town.bad(dict(good, **{name: value}), malformed, f"{name} {value}")
        town.fine()


def test_bad_hexadecimal():
    with Town() as town:
        for good in town.each():
            kind, malformed = good["MessageType"], MALFORMED[good["ProtocolVersion"]]
            for name in members(good):
                if name not in HEX_FIELDS:
                    continue
                right = good[name]
                for value in (right[:-1], right + "0", "0x" + right[:-1], "x" + right, "0x",
                              "0x0x" + right, right[:-1] + "g", " " + right, right + " ",
                              right + "\n", right[:-1] + "\uff11",
                              "-".join(right[i:i + 2] for i in range(0, len(right), 2)) + "-",
                              "00" * 2000, "\u0661" * len(right)):
                    wanted = {malformed}
                    if name in ("PHYPayload", "CFList"):
                        wanted.add("FrameSizeError")
                    town.bad(dict(good, **{name: value}), wanted, f"{kind}: {name} = {value!r}")
                if name in ("DevEUI", "DevAddr", "DLSettings"):
                    for value in (right[2:] or "000", right + "00", right * 40):
                        town.bad(dict(good, **{name: value}), malformed, f"{name} = {value!r}")
            for name in ("SenderToken", "ReceiverToken", "SenderNSID"):
                if name != "SenderNSID" or good["ProtocolVersion"] == "1.1":
                    for value in ("0", "0g", "0x0", "00" * 129, "zz"):
                        town.bad(dict(good, **{name: value}), malformed, f"{name} = {value!r}")
        town.fine()


def test_session_key_ids():
    """Of any length that is hexadecimal: none but the right one is a session."""
    chance = random.Random(4)
    with Town() as town:
        for protocol in PROTOCOLS:
            for octets in range(1, SESSION_ID_MAX + 1):
                name = (town.name + chance.randbytes(SESSION_ID_MAX).hex())[:2 * octets]
                body = app_s_key_req(town.device, name, protocol)
                if octets == 16:
                    assert code(town.ask(body, town.app)) == "Success"
                else:
                    town.bad(body, "UnknownDevEUI", f"{octets} octets")
            for octets in (SESSION_ID_MAX + 1, 2048, 10000):
                body = app_s_key_req(town.device, "5a" * octets, protocol)
                town.bad(body, MALFORMED[protocol], f"{octets} octets")
            for bit in range(128):
                wrong = bytearray.fromhex(town.name)
                wrong[bit // 8] ^= 1 << bit % 8
                town.bad(app_s_key_req(town.device, wrong.hex(), protocol), "UnknownDevEUI", bit)
            for value in ("\x01" * 32, "ttn-lw-interop-generated:01ARZ3NDEKTSV4RRFFQ69G5FAV",
                          "'; DROP TABLE sessions", '"', "\\", "%s%n%x", "\u00e4" * 16):
                town.bad(app_s_key_req(town.device, value, protocol), MALFORMED[protocol], value)
        town.fine()


def test_as_ids():
    """What is no printable ASCII cannot be given back; what is, is just another AS-ID."""
    with Town() as town:
        for protocol in PROTOCOLS:
            good = app_s_key_req(town.device, town.name, protocol)
            unreadable = ["x" * 129, "x" * 300, "x" * 20000, "Ger\u00e4t", "\U0001f600",
                          AS_ID + "\0", AS_ID + '"', AS_ID + "\\", AS_ID + "\x7f", "\ud800"]
            for number in range(0x20):
                unreadable += [AS_ID + chr(number), chr(number) + AS_ID, chr(number)]
            for value in unreadable:
                town.unreadable(dict(good, SenderID=value), "AppSKeyReq", f"SenderID {value!r}")
                town.unreadable(dict(good, ReceiverID=value), "AppSKeyReq", f"{value!r}")
            for value in (AS_ID.upper(), AS_ID + " ", " " + AS_ID, AS_ID * 3, "x" * 63, "x" * 64,
                          "x" * 128, "%s%n", "../..", "<script>", "0", NET_ID):
                town.bad(dict(good, SenderID=value), "UnknownSender", f"SenderID {value!r}")
                town.bad(dict(good, ReceiverID=value), "UnkownReceiver", f"{value!r}")
        town.fine()


def test_doubled_fields():
    with Town() as town:
        for good in town.each():
            kind, text = good["MessageType"], json.dumps(good)
            for name, value in good.items():
                for second in (value, None, "", 0):
                    member = f"{json.dumps(name)}: {json.dumps(second)}"
                    town.unreadable("{" + member + "," + text[1:], kind, f"{name} twice")
                    town.unreadable(text[:-1] + "," + member + "}", kind, f"{name} twice")
        town.fine()


def test_cut_and_damaged():
    """Cut off anywhere, or one octet another: never somebody else's key, never silence."""
    chance = random.Random(5)
    with Town() as town:
        for good in town.each():
            if good["ProtocolVersion"] == "1.0":
                continue
            kind, text = good["MessageType"], json.dumps(good).encode()
            for length in range(0, len(text), 3):
                town.unreadable(text[:length], kind, f"{kind}: {length} octets")
            if kind == "RejoinReq":
                continue  # a damaged blank leaves a good one, which uses a nonce: see below
            for at in range(len(text)):
                damaged = bytearray(text)
                damaged[at] = chance.randrange(256)
                status, answer, _ = town.send(bytes(damaged), kind)
                assert status in (200, 400), f"{bytes(damaged)}: HTTP {status}"
                if answer is not None and "AppSKey" in answer:
                    assert answer["AppSKey"] == {"AESKey": town.key}, answer
        town.fine()
        # One frame with any other octet anywhere: one Join-accept at the most.
        for kind in (0, 1, 2):
            frame, count = town.device.rejoin(kind)
            text = json.dumps(rejoin_req(town.device, frame)).encode()
            accepts = {}
            for at in range(len(text)):
                damaged = bytearray(text)
                damaged[at] = chance.randrange(256)
                status, answer, _ = town.send(bytes(damaged), "RejoinReq")
                assert status in (200, 400), f"{bytes(damaged)}: HTTP {status}"
                if status == 200 and code(answer) == "Success":
                    accepts[answer["PHYPayload"]] = answer
            assert len(accepts) <= 1, f"{len(accepts)} Join-accepts for one Rejoin-request"
            town.device.rj_count_0 = count + 1 if kind != 1 else town.device.rj_count_0
            town.device.last_join_nonce += len(accepts)
        town.goes_on()


def test_what_does_not_belong():
    """Members of other messages, deep ones, very many: ignored, or refused as JSON."""
    with Town() as town:
        for good in town.each():
            if good["MessageType"] in ("RejoinReq", "ErrorNotif"):
                continue
            token = town.tokens[good["MessageType"]]
            for extra in ({"PHYPayload": "zz", "MACVersion": [], "RxDelay": "x", "CFList": 7},
                          {"Result": {"ResultCode": "Success"}, "AppSKey": {"AESKey": "00" * 16}},
                          {"VSExtension": {"VendorID": "EC656E", "Object": {"a": [1, 2, {}]}}},
                          {"Lifetime": -1, "HNetID": "ffffff", "HNSID": "0"},
                          {f"x{number}": number for number in range(1000)}):
                town.succeeded(dict(good, **extra), token, connection=town.link)
            deep = json.dumps(good)[:-1] + ',"x":' + "[" * 5000 + "]" * 5000 + "}"
            town.unreadable(deep, good["MessageType"], "5000 arrays")
        town.fine()


def test_devices_that_are_not_there():
    with Town() as town:
        for good in town.each():
            if good["MessageType"] == "ErrorNotif":
                continue
            for eui in ("0000000000000000", "ffffffffffffffff", Mobile(90).eui,
                        town.device.dev_eui[::-1].hex()):
                wanted = "UnknownDevEUI"
                if good["MessageType"] == "RejoinReq":
                    wanted = MALFORMED[good["ProtocolVersion"]]  # it contradicts the frame
                town.bad(dict(good, DevEUI=eui), wanted, eui)
        town.fine()


def test_on_one_connection():
    """Good and bad ones pipelined: each is answered, in order."""
    with Town() as town:
        good = app_s_key_req(town.device, town.name)
        with Wire(town.server) as wire:
            for number in range(50):
                wire.send(request(town.app, dict(good, TransactionID=number)) +
                          request(town.app, dict(good, TransactionID=number, SessionKeyID="0")) +
                          request(town.app, b"{"))
            for number in range(50):
                for wanted in ("Success", "MalformedMessage"):
                    status, octets = wire.answer()
                    answer = json.loads(octets)
                    assert status == 200 and code(answer) == wanted, answer
                    assert answer["TransactionID"] == number, answer
                assert wire.answer() == (400, b"")
        town.fine()


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
