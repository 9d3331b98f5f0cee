"""Whatever arrives gets an error and no more: the same devices join after it, no nonce is lost.

Every test runs its own daemon. The bad requests carry the DevNonce that the device uses next, so a
nonce that one of them used up is seen by Bench.fine().
"""
import base64
import contextlib
import json
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time
import warnings

from lorawan import Device, cmac
from server import SLOW, Server, code, join_req, run_tests

JOIN_EUI = "70b3d57ed0001234"
APP_KEY = bytes.fromhex("a1b2c3d4e5f60718293a4b5c6d7e8f91")
NWK_KEY = bytes.fromhex("0f1e2d3c4b5a69788796a5b4c3d2e1f2")
OLD_KEY = bytes.fromhex("3c6ef372a54ff53a510e527f9b05688c")
MALFORMED = {"1.0": "MalformedRequest", "1.1": "MalformedMessage"}
REPLAYED = {"1.0": "JoinReqFailed", "1.1": "FrameReplayed"}
CODES_1_0 = {
    "Success", "MICFailed", "JoinReqFailed", "NoRoamingAgreement", "DevRoamingDisallowed",
    "RoamingActDisallowed", "ActivationDisallowed", "UnknownDevEUI", "UnknownDevAddr",
    "UnknownSender", "UnkownReceiver", "Deferred", "XmitFailed", "InvalidFPort",
    "InvalidProtocolVersion", "StaleDeviceProfile", "MalformedRequest", "FrameSizeError", "Other"}
CODES_1_1 = CODES_1_0 - {"MalformedRequest"} | {"NoAction", "FrameReplayed", "MalformedMessage"}
HEADER = {"ProtocolVersion", "SenderID", "ReceiverID", "TransactionID", "MessageType",
          "ReceiverToken", "ReceiverNSID"}
HEX_FIELDS = {"PHYPayload": 23, "DevEUI": 8, "DevAddr": 4, "DLSettings": 1, "CFList": 16}
BODY_MAX = 32 * 1024


class Bench:
    """A server with two network servers and a device of either kind."""

    def __init__(self, *ns_args, **how):
        self.server = Server(**how)
        self.ns_args = ns_args or ("--any-device",)
        self.old = Device("0004a30b001c0503", JOIN_EUI, "1.0.3", OLD_KEY)
        self.new = Device("0004a30b001c0511", JOIN_EUI, "1.1", APP_KEY, NWK_KEY)
        self.devices = [self.old, self.new]

    def __enter__(self):
        self.server.__enter__()
        self.token = self.server.add_ns("ours", "--net-id", "000013", *self.ns_args)
        self.their_token = self.server.add_ns("theirs", "--net-id", "00002d", "--any-device")
        self.server.import_rows([
            [JOIN_EUI, d.dev_eui.hex(), d.version, d.app_key.hex(),
             d.nwk_key.hex() if d.nwk_key else ""] for d in self.devices])
        self.pids = self.server.children()
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)

    def req(self, device, **changes):
        """A JoinReq with the DevNonce that the device uses next; None leaves a member out."""
        return join_req(device, device.dev_nonce, **changes)

    def each(self):
        """Both devices in both protocol versions."""
        for device in self.devices:
            for protocol in ("1.0", "1.1"):
                yield self.req(device, ProtocolVersion=protocol)

    def post(self, body, token=None, **how):
        return self.server.post(body, token or self.token, **how)

    def refused(self, body, wanted, token=None, why=None, **how):
        """The request gets a complete answer with that code and nothing else."""
        status, answer, _ = self.post(body, token, **how)
        wanted = {wanted} if isinstance(wanted, str) else set(wanted)
        shown = f"{why or body}: HTTP {status} {answer}"
        assert status == 200 and answer is not None, shown
        assert code(answer) in wanted, f"{code(answer)} instead of {wanted}: {shown}"
        message = json.loads(body) if isinstance(body, (bytes, str)) else body
        check_refusal(message, answer, shown)
        return answer

    def unreadable(self, body, why=None, status=400, **how):
        """The request gets an HTTP error without a body."""
        seen, answer, _ = self.post(body, **how)
        assert seen == status and answer is None, f"{why or body!r}: HTTP {seen} {answer}"

    def join(self, device, **changes):
        body = self.req(device, **changes)
        status, answer, _ = self.post(body)
        assert status == 200 and code(answer) == "Success", f"{body}: HTTP {status} {answer}"
        return self.accepted(device, answer)

    def accepted(self, device, answer):
        """The device takes the Join-accept and finds its JoinNonce one above the last."""
        last = device.last_join_nonce
        keys = device.read_accept(bytes.fromhex(answer["PHYPayload"]), device.dev_nonce, "000013")
        assert keys["join_nonce"] == last + 1, \
            f"{device.version}: JoinNonce {keys['join_nonce']} after {last}"
        device.dev_nonce += 1
        for name, value in keys.items():
            if name != "join_nonce" and name in answer:
                assert answer[name]["AESKey"] == value, f"{device.version}: {name}"
        return keys

    def fine(self):
        """Both devices join as if nothing had been, and no process had to be started anew."""
        for device in self.devices:
            self.join(device)
        assert self.server.children() == self.pids, \
            f"processes were {self.pids}, are {self.server.children()}"

    def state(self):
        """What is stored of the devices, but for the count of refusals."""
        found = {}
        for device in self.devices:
            found[device.version] = self.server.json("device", "show", device.dev_eui.hex())
            del found[device.version]["joins_refused"]
        return found


def check_refusal(message, answer, shown):
    protocol = message.get("ProtocolVersion")
    protocol = protocol if protocol in ("1.0", "1.1") else "1.1"
    assert answer["ProtocolVersion"] == protocol, shown
    assert answer["SenderID"] == message["ReceiverID"], shown
    assert answer["ReceiverID"] == message["SenderID"], shown
    assert answer["TransactionID"] == message["TransactionID"], shown
    assert answer["MessageType"] == message["MessageType"][:-3] + "Ans", shown
    assert set(answer) <= HEADER | {"Result"}, shown
    assert set(answer["Result"]) <= {"ResultCode", "Description"}, shown
    known = CODES_1_0 if protocol == "1.0" else CODES_1_1
    assert code(answer) in known, f"not a code of that version: {shown}"


class Wire:
    """A connection on which anything can be sent."""

    def __init__(self, server, context=None):
        self.link = socket.create_connection(("127.0.0.1", server.port), timeout=20 * SLOW)
        if context is not None:
            self.link = context.wrap_socket(self.link, server_hostname="localhost")
        self.file = self.link.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()
        self.link.close()

    def send(self, octets):
        """False if the other side has closed."""
        try:
            self.link.sendall(octets)
            return True
        except (ConnectionError, ssl.SSLError):
            return False

    def end(self):
        with contextlib.suppress(OSError):
            self.link.shutdown(socket.SHUT_WR)

    def answer(self):
        """(status, octets of the body) of the next answer; (None, b"") if there is none."""
        try:
            line = self.file.readline()
            if not line.startswith(b"HTTP/1.1 "):
                assert line == b"", f"not an HTTP answer: {line!r}"
                return None, b""
            length = 0
            while True:
                field = self.file.readline().strip()
                if not field:
                    break
                name, _, value = field.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            return int(line.split()[1]), self.file.read(length)
        except ConnectionError:
            return None, b""

    def answer_if_any(self):
        """The same for a request that is not complete: the server may also go on waiting."""
        self.link.settimeout(0.5 * SLOW)
        try:
            return self.answer()
        except TimeoutError:
            return None, b""


def text_of(body):
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def head(token, *lines, method="POST", path="/"):
    """The header of a request, without Content-Length."""
    first = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json",
             f"Authorization: Bearer {token}"]
    return "".join(line + "\r\n" for line in [*first, *lines, ""]).encode("latin-1")


def request(token, body, *lines, **how):
    octets = text_of(body)
    return head(token, f"Content-Length: {len(octets)}", *lines, **how) + octets


def success(answer):
    status, octets = answer
    assert status == 200, f"HTTP {status} {octets!r}"
    message = json.loads(octets)
    assert code(message) == "Success", message
    return message


def never_accepted(answer, shown):
    """An HTTP error, a closed connection or a refusal: anything but a session."""
    status, octets = answer
    if status == 200:
        message = json.loads(octets)
        assert code(message) != "Success" and "PHYPayload" not in message, f"{shown}: {message}"
    else:
        assert status is None or 400 <= status < 500 or status in (501, 505), \
            f"{shown}: HTTP {status}"


# The body


def test_not_json():
    with Bench() as bench:
        good = json.dumps(bench.req(bench.old))
        for octets in (
                b"", b" ", b"\n", b"{", b"}", b"[", b"{}", b"{}{}", b"hello", b"\0", b"\0" * 100,
                b"NaN", b"'", b'"', b'"\\', b"{'MessageType':'JoinReq'}", b"\xff\xfe\xfd",
                b"<xml/>", b"a=1&b=2", good[:-1].encode(), (good + "}").encode(),
                (good + good).encode(), (good + "x").encode(), b"\xef\xbb\xbf" + good.encode(),
                good.encode("utf-16"), good.encode("utf-16-le"), good.replace(":", "=").encode(),
                good.replace(",", ",,").encode(), good.replace("{", "{,").encode(),
                good.replace("}", ",}").encode(), good.replace('"', "").encode(),
                good.replace("4711", "04711").encode(), good.replace("4711", "0x12").encode(),
                good.replace("4711", "+1").encode(), good.replace("4711", "NaN").encode(),
                good.replace("4711", "Infinity").encode(), good.replace("4711", "1e999").encode(),
                good.replace("4711", "4711 /* a number */").encode(),
                random.Random(1).randbytes(2000), random.Random(2).randbytes(BODY_MAX)):
            bench.unreadable(octets)
        # Cut off anywhere.
        link = bench.server.connect()
        for length in range(len(good)):
            bench.unreadable(good[:length], connection=link)
        link.close()
        bench.fine()


def test_json_that_is_no_object():
    with Bench() as bench:
        good = bench.req(bench.old)
        for value in ([], [good], [[good]], 0, 1, -1, 1.5, True, False, None, "", "JoinReq",
                      json.dumps(good)):
            bench.unreadable(json.dumps(value))
        bench.fine()


def test_damaged_octets():
    """One octet of a good request is another: never a session, never silence."""
    chance = random.Random(3)
    with Bench() as bench:
        good = json.dumps(bench.req(bench.old)).encode()
        link = bench.server.connect()
        accepts = set()
        for at in range(len(good)):
            damaged = bytearray(good)
            while damaged[at] == good[at]:
                damaged[at] = chance.randrange(256)
            status, answer, _ = bench.post(bytes(damaged), connection=link)
            assert status in (200, 400), f"{bytes(damaged)}: HTTP {status}"
            if status == 200 and code(answer) == "Success":
                accepts.add(answer["PHYPayload"])
        link.close()
        # A blank that became another or a digit of DevAddr leaves a good request. It is answered,
        # but the frame is the same, so there is one Join-accept.
        assert len(accepts) <= 1, f"{len(accepts)} Join-accepts for one Join-request"
        bench.old.dev_nonce += len(accepts)
        bench.old.last_join_nonce += len(accepts)
        bench.fine()


def test_wrong_types_of_every_field():
    values = [True, False, 17, -1, 1.5, 10 ** 12, "zz", "0", [], {}, ["00"], {"a": 1}, None, ""]
    with Bench() as bench:
        for good in bench.each():
            good = dict(good, SenderToken="0a", ReceiverToken="0b", SenderNSID="0102030405060708",
                        CFList="00" * 16)
            protocol = good["ProtocolVersion"]
            link = bench.server.connect()
            for name in good:
                for value in values:
                    body = dict(good, **{name: value})
                    why = f"{name} = {value!r} in {protocol}"
                    if name in ("SenderToken", "ReceiverToken", "SenderNSID", "CFList"):
                        if value in (None, ""):
                            continue  # as good as absent
                        if name == "SenderNSID" and protocol == "1.0":
                            continue  # is ignored there
                        wanted = MALFORMED[protocol]
                        if name == "CFList" and value == "":
                            wanted = "FrameSizeError"
                        bench.refused(body, wanted, why=why, connection=link)
                    elif name == "ProtocolVersion":
                        bench.refused(body, "InvalidProtocolVersion", why=why, connection=link)
                    elif name == "TransactionID" and value == 17 and value is not True:
                        continue
                    elif name == "SenderID" and value in ("zz", "0"):
                        bench.refused(body, "UnknownSender", why=why, connection=link)
                    elif name == "ReceiverID" and value in ("zz", "0"):
                        bench.refused(body, "UnkownReceiver", why=why, connection=link)
                    elif name in ("SenderID", "ReceiverID", "TransactionID", "MessageType"):
                        bench.unreadable(json.dumps(body), why=why, connection=link)
                    elif name == "RxDelay" and value == "0":
                        continue  # old peers write it so
                    else:
                        bench.refused(body, MALFORMED[protocol], why=why, connection=link)
            link.close()
        bench.fine()


def nested(levels, opening, closing, middle=""):
    return opening * levels + middle + closing * levels


def test_deep_nesting():
    with Bench() as bench:
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            for levels in (33, 1000, 100000):
                text = nested(levels, opening, closing, "1")
                status = 413 if len(text) > BODY_MAX else 400
                bench.unreadable(text, why=f"{levels} levels alone", status=status)
                inside = json.dumps(bench.req(bench.old))[:-1] + ', "Extra": ' + text + "}"
                status = 413 if len(inside) > BODY_MAX else 400
                bench.unreadable(inside, why=f"{levels} levels inside", status=status)
            for levels in (33, 1000, 5000):
                bench.unreadable(opening * levels, why=f"{levels} levels never closed")
        # As many brackets in a string are none, and ten levels harm nobody.
        for extra in ('"' + "[{" * 5000 + '"', '"' + '\\"[' * 5000 + '"', nested(10, "[", "]"),
                      nested(10, '{"a":', "}", "[]"), nested(31, "[", "]")):
            body = json.dumps(bench.req(bench.old))[:-1] + ', "Extra": ' + extra + "}"
            status, answer, _ = bench.post(body)
            assert status == 200 and code(answer) == "Success", f"{extra[:40]}: {status} {answer}"
            bench.accepted(bench.old, answer)
        bench.fine()


def padded(body, size):
    """The body with an unknown member that makes it just so long."""
    text = json.dumps(dict(body, Padding=""))
    return json.dumps(dict(body, Padding="x" * (size - len(text))))


def test_body_sizes():
    with Bench() as bench:
        for size in (BODY_MAX + 1, BODY_MAX + 2, 40000, 100000, 900000):
            body = padded(bench.req(bench.old), size)
            assert len(body) == size
            bench.unreadable(body, why=f"{size} octets", status=413)
        for size in (BODY_MAX - 1, BODY_MAX):
            status, answer, _ = bench.post(padded(bench.req(bench.old), size))
            assert status == 200 and code(answer) == "Success", f"{size} octets: {status} {answer}"
            bench.accepted(bench.old, answer)
        # Announced only: an answer comes without the body.
        for announced in (2 << 20, 1 << 31, 1 << 40, (1 << 63) - 1):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, f"Content-Length: {announced}"))
                assert wire.answer()[0] == 413, f"{announced} octets announced"
        with Wire(bench.server) as wire:
            wire.send(head(bench.token, "Content-Length: 40000", "Expect: 100-continue"))
            assert wire.answer()[0] == 413, "expected 413 in place of 100"
        bench.fine()


def test_missing_fields():
    with Bench() as bench:
        for good in bench.each():
            protocol = good["ProtocolVersion"]
            for name in good:
                body = {key: value for key, value in good.items() if key != name}
                if name in ("SenderID", "ReceiverID", "TransactionID", "MessageType"):
                    bench.unreadable(json.dumps(body), why=f"without {name}")
                elif name == "ProtocolVersion":
                    bench.refused(body, "InvalidProtocolVersion")
                else:
                    bench.refused(body, MALFORMED[protocol], why=f"without {name} in {protocol}")
                # Names are case-sensitive: in another case it is another member.
                for other in (name.lower(), name.upper(), name + " ", name[:-1]):
                    status, answer, _ = bench.post(dict(body, **{other: good[name]}))
                    assert status == 400 or code(answer) in (
                        MALFORMED[protocol], "InvalidProtocolVersion"), f"{other}: {answer}"
        bench.unreadable("{}")
        bench.fine()


def test_doubled_fields():
    """Two readings of one message: refused, wherever the second value stands and whatever it is."""
    with Bench() as bench:
        for good in bench.each():
            for name, value in good.items():
                for second in (value, None, "", 0, "00"):
                    member = f"{json.dumps(name)}: {json.dumps(second)}"
                    text = json.dumps(good)
                    bench.unreadable("{" + member + "," + text[1:], why=f"{name} doubled in front")
                    bench.unreadable(text[:-1] + "," + member + "}", why=f"{name} doubled behind")
                escaped = "".join(f"\\u{ord(c):04x}" for c in name)
                bench.unreadable(f'{text[:-1]},"{escaped}":{json.dumps(value)}' + "}",
                                 why=f"{name} doubled in escapes")
        bench.fine()


def test_bad_hexadecimal():
    with Bench() as bench:
        for good in bench.each():
            protocol = good["ProtocolVersion"]
            good["CFList"] = "184f84e85684b85e84886684586e8400"
            link = bench.server.connect()
            for name, size in HEX_FIELDS.items():
                right = good[name]
                for value in (
                        right[:-1], right + "0", "0x" + right[:-1], "x" + right, "0x",
                        "0x0x" + right,
                        "0x0x" + right[4:], right[:-1] + "g", "G" + right[1:], " " + right,
                        right + " ", right[:-1] + " ", right + "\n", right + "h", "-" + right[1:],
                        "+" + right[1:], right[:-1] + "\uff11", "\u0661" * (2 * size),
                        "-".join(right[i:i + 2] for i in range(0, 2 * size, 2)) + "-",
                        ":".join(right[i:i + 2] for i in range(0, 2 * size, 2)) + ":",
                        right + right + "00", right[2:], "00" * (size + 1),
                        "0x" + "00" * (size + 1),
                        "00" * 2000):
                    wanted = {MALFORMED[protocol]}
                    if name in ("PHYPayload", "CFList"):
                        wanted.add("FrameSizeError")
                    bench.refused(dict(good, **{name: value}), wanted,
                                  why=f"{name} = {value!r} in {protocol}", connection=link)
            for value in ("0", "0g", "000", "0x", "00000000000000", " 000013", "0x00001",
                          "000013 "):
                bench.refused(dict(good, SenderID=value), "UnknownSender", connection=link)
                bench.refused(dict(good, ReceiverID=value), "UnkownReceiver", connection=link)
            for name in ("SenderToken", "ReceiverToken"):
                for value in ("0", "0g", "0x0", "00" * 129, "zz"):
                    bench.refused(dict(good, **{name: value}), MALFORMED[protocol], connection=link)
            link.close()
        bench.fine()


def test_0x_is_accepted():
    with Bench() as bench:
        for prefix in ("0x", "0X", ""):
            for device in bench.devices:
                good = bench.req(device, CFList="184f84e85684b85e84886684586e8400")
                for name in [*HEX_FIELDS, "SenderID", "ReceiverID"]:
                    good[name] = prefix + good[name].upper()
                status, answer, _ = bench.post(good)
                assert status == 200 and code(answer) == "Success", f"{good}: {answer}"
                assert answer["ReceiverID"] == good["SenderID"], answer
                bench.accepted(device, answer)
        bench.fine()


def test_every_length_of_phypayload():
    with Bench() as bench:
        for device in bench.devices:
            for protocol in ("1.0", "1.1"):
                frame = device.join_request(device.dev_nonce)
                link = bench.server.connect()
                for length in range(301):
                    if length == 23:
                        continue
                    octets = (frame + bytes(range(256)) + frame)[:length]
                    body = bench.req(device, ProtocolVersion=protocol)
                    body["PHYPayload"] = octets.hex()
                    wanted = MALFORMED[protocol] if length == 0 else "FrameSizeError"
                    bench.refused(body, wanted, why=f"{length} octets in {protocol}",
                                  connection=link)
                link.close()
        bench.fine()


def test_every_mhdr():
    """Only 00 is a Join-request; the MIC is right for each."""
    with Bench() as bench:
        for device in bench.devices:
            for protocol in ("1.0", "1.1"):
                frame = device.join_request(device.dev_nonce)
                link = bench.server.connect()
                for mhdr in range(1, 256):
                    octets = bytes([mhdr]) + frame[1:-4]
                    body = bench.req(device, ProtocolVersion=protocol,
                                     phy=octets + cmac(device.root, octets)[:4])
                    bench.refused(body, MALFORMED[protocol], why=f"MHDR {mhdr:02x}",
                                  connection=link)
                link.close()
        bench.fine()


def test_unknown_versions():
    with Bench() as bench:
        for device in bench.devices:
            for version in ("1.2", "2.0", "0.9", "1", "1.", "1.0.0", "1.1.0", "1.0 ", " 1.0",
                            "1.00",
                            "v1.0", "1,0", "10", "1.10", "1.0\n", "", "x" * 5000, 1.0, 1, None):
                body = dict(bench.req(device), ProtocolVersion=version)
                answer = bench.refused(body, "InvalidProtocolVersion")
                assert answer["ProtocolVersion"] == "1.1", answer
            for protocol in ("1.0", "1.1"):
                for version in ("1.2", "2.0", "0.9", "1.0.5", "1.0.99", "1", "1.", "1.1.", "1.0.",
                                "01.1", "1.01", "1.1.0.0", "1,1", "1.1 ", " 1.1", "1.1\n", "-1.1",
                                "1.1x", "x", "1.0.x", "1..1", ".1", "999999999999.1",
                                "1.99999999999", "1.0.4294967295", "x" * 5000):
                    body = bench.req(device, ProtocolVersion=protocol, MACVersion=version)
                    bench.refused(body, MALFORMED[protocol])
        bench.fine()


def test_unknown_message_types():
    with Bench() as bench:
        for good in bench.each():
            protocol = good["ProtocolVersion"]
            for kind in ("RejoinReq", "AppSKeyReq", "HomeNSReq", "PRStartReq", "PRStopReq",
                         "HRStartReq", "HRStopReq", "ProfileReq", "XmitDataReq", "XmitLocReq",
                         "NonsenseReq", "joinReq", "xJoinReq", "JoinReqReq", "J" * 29 + "Req"):
                bench.refused(dict(good, MessageType=kind), MALFORMED[protocol])
            for kind in ("JoinAns", "RejoinAns", "ErrorNotif", "PRStartNotif", "", "Req", "joinreq",
                         "JOINREQ", "JoinReq ", " JoinReq", "Join Req", "JoinReq\n", "JoinRe",
                         "Join\u00e9Req", 'Join"Req', "Join\\Req", "J" * 30 + "Req",
                         "J" * 5000 + "Req"):
                bench.unreadable(json.dumps(dict(good, MessageType=kind)), why=kind)
        bench.fine()


def test_transaction_id_extremes():
    with Bench() as bench:
        for good in bench.each():
            text = json.dumps(good)
            for number in ("4294967296", "-1", "1.5", "1.0", '"1"', '"0"', "1e3", "1E0", "true",
                           "null",
                           "[1]", '{"a":1}', "1" + "0" * 30, "-4294967296", "9223372036854775807",
                           "9223372036854775808", "18446744073709551616", "-0.0", '""'):
                bench.unreadable(text.replace("4711", number), why=f"TransactionID {number}")
            for number in (0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1):
                answer = bench.refused(dict(good, TransactionID=number, RxDelay=16),
                                       MALFORMED[good["ProtocolVersion"]])
                assert answer["TransactionID"] == number
        for number in (0, 2 ** 32 - 1, 0):
            for device in bench.devices:
                body = bench.req(device, TransactionID=number)
                _, answer, _ = bench.post(body)
                assert code(answer) == "Success" and answer["TransactionID"] == number, answer
                bench.accepted(device, answer)
        bench.fine()


def test_utf8_and_control_characters():
    with Bench() as bench:
        for good in bench.each():
            # An identifier goes back as it came, so it holds nothing that would need an escape.
            for name in ("SenderID", "ReceiverID"):
                for value in ("\u0001", "000013\n", "\t000013", "00\u007f013", 'a"b', "a\\b",
                              "\u00e9",
                              "\u2028", "\U0001f680", "00001\uff13", "\u0000", "000013\u0000",
                              "x" * 129, "x" * 20000):
                    bench.unreadable(json.dumps(dict(good, **{name: value})),
                                     why=f"{name} {value!r}")
                    bench.unreadable(json.dumps(dict(good, **{name: value}), ensure_ascii=False)
                                     .encode(), why=f"{name} {value!r} unescaped")
                for value in ("as1.example", "x" * 128, "<script>", "' OR 1=1", "%s%n", "../..",
                              " "):
                    bench.refused(dict(good, **{name: value}),
                                  "UnknownSender" if name == "SenderID" else "UnkownReceiver")
            text = json.dumps(good)
            for member in ('"x":"\\u0000"', '"\\u0000":1', '"x":"\\ud800"', '"x":"\\ud800\\u0041"',
                           '"x":"\\udc00"', '"x":"\\x41"', '"x":"\\u12"', '"x":"\x01"', '"x":"\n"',
                           '"x":"\\"'):
                bench.unreadable(f"{text[:-1]},{member}}}", why=member)
            for octets in (b"\xff", b"\xc0\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                           b"\xf8\x88\x80\x80\x80", b"\xe2\x82", b"\x80", b"\0"):
                bench.unreadable(text[:-1].encode() + b',"x":"' + octets + b'"}', why=octets)
            bench.unreadable(text.encode() + b"\0")
            bench.unreadable(text.encode().replace(b"4711", b"4711\0"))
        for extra in ("\u00e9", "\U0001f680", "\u2028", "\ufeff", "\u0001\u001f\u007f"):
            for plain in (True, False):
                for device in bench.devices:
                    body = dict(bench.req(device), Note=extra, **{"Name " + extra: [extra]})
                    octets = json.dumps(body, ensure_ascii=plain).encode()
                    status, answer, _ = bench.post(octets)
                    assert status == 200 and code(answer) == "Success", f"{octets}: {answer}"
                    bench.accepted(device, answer)
        # Escapes where none are needed are still the same text.
        body = bench.req(bench.old)
        octets = json.dumps(body).replace('"JoinReq"', '"\\u004aoin\\u0052eq"').replace(
            '"000013"', '"\\u003000013"')
        _, answer, _ = bench.post(octets)
        assert code(answer) == "Success" and answer["ReceiverID"] == "000013", answer
        bench.accepted(bench.old, answer)
        bench.fine()


# What the message says


def test_unknown_devices():
    with Bench() as bench:
        strangers = [
            Device("0004a30b001c0504", JOIN_EUI, "1.0.3", OLD_KEY),
            Device("0004a30b001c0512", JOIN_EUI, "1.1", APP_KEY, NWK_KEY),
            Device("0000000000000000", JOIN_EUI, "1.0.3", OLD_KEY),
            Device("ffffffffffffffff", JOIN_EUI, "1.0.3", OLD_KEY)]
        before = bench.server.json("status")["store"]
        for device in strangers:
            for protocol in ("1.0", "1.1"):
                bench.refused(bench.req(device, ProtocolVersion=protocol), "UnknownDevEUI")
        time.sleep(1.5)
        after = bench.server.json("status")["store"]
        for name in ("events", "journal_records", "devices", "bytes"):
            assert after[name] == before[name], f"{name}: {before[name]}, then {after[name]}"
        for join_eui in ("70b3d57ed0001235", "0000000000000000", "ffffffffffffffff"):
            device = Device(bench.old.dev_eui.hex(), join_eui, "1.0.3", OLD_KEY)
            for protocol in ("1.0", "1.1"):
                answer = bench.refused(bench.req(device, ProtocolVersion=protocol),
                                       "UnkownReceiver")
                assert answer["SenderID"] == join_eui, answer
        bench.fine()


def test_message_and_frame_differ():
    with Bench() as bench:
        for good in bench.each():
            wanted = MALFORMED[good["ProtocolVersion"]]
            for other in bench.devices:
                if other.dev_eui.hex() != good["DevEUI"]:
                    bench.refused(dict(good, DevEUI=other.dev_eui.hex()), wanted)
            bench.refused(dict(good, DevEUI="0102030405060708"), wanted)
            bench.refused(dict(good, DevEUI=bytes.fromhex(good["DevEUI"])[::-1].hex()), wanted)
            frame = bytes.fromhex(good["PHYPayload"])
            swapped = frame[:1] + frame[9:17] + frame[1:9] + frame[17:]
            bench.refused(dict(good, PHYPayload=swapped.hex()), wanted)
            reverse = frame[:1] + frame[1:9][::-1] + frame[9:17][::-1] + frame[17:]
            bench.refused(dict(good, PHYPayload=reverse.hex()), wanted)
        bench.fine()


def test_every_forged_bit_of_the_mic():
    with Bench() as bench:
        before = bench.state()
        for good in bench.each():
            frame = bytes.fromhex(good["PHYPayload"])
            link = bench.server.connect()
            for bit in range(32):
                forged = bytearray(frame)
                forged[19 + bit // 8] ^= 1 << bit % 8
                bench.refused(dict(good, PHYPayload=forged.hex()), "MICFailed", connection=link)
            # Bits elsewhere: those of EUIs contradict the message, those of DevNonce spoil the MIC.
            for bit in range(8, 152):
                forged = bytearray(frame)
                forged[bit // 8] ^= 1 << bit % 8
                wanted = "MICFailed" if bit >= 136 else MALFORMED[good["ProtocolVersion"]]
                bench.refused(dict(good, PHYPayload=forged.hex()), wanted, connection=link)
            for mic in (b"\0\0\0\0", b"\xff\xff\xff\xff", frame[:18:-1]):
                forged = frame[:19] + mic
                bench.refused(dict(good, PHYPayload=forged.hex()), "MICFailed", connection=link)
            link.close()
        # With the other root key, and with the key of another device.
        frame = bench.new.join_request(bench.new.dev_nonce)[:19]
        for key in (APP_KEY, OLD_KEY, bytes(16)):
            bench.refused(bench.req(bench.new, phy=frame + cmac(key, frame)[:4]), "MICFailed")
        assert bench.state() == before, f"{before} became {bench.state()}"
        bench.fine()


def test_forged_frames_write_nothing():
    """A thousand of them: two entries of the join log and a count, and no nonce or session."""
    with Bench() as bench:
        bench.fine()
        time.sleep(0.5)
        before, store = bench.state(), bench.server.json("status")
        for device in bench.devices:
            link = bench.server.connect()
            for nonce in range(500):
                frame = device.join_request(device.dev_nonce + nonce)
                body = bench.req(device, phy=frame[:-1] + bytes([frame[-1] ^ 1]))
                bench.refused(body, "MICFailed", connection=link)
            link.close()
        time.sleep(2.5)
        after, now = bench.state(), bench.server.json("status")
        assert after == before, f"{before} became {after}"
        assert now["joins"]["accepted"] == store["joins"]["accepted"], now["joins"]
        assert now["joins"]["mic_failures"] == store["joins"]["mic_failures"] + 1000, now["joins"]
        grown = now["store"]["events"] - store["store"]["events"]
        assert 2 <= grown <= 100 * SLOW, f"{grown} entries of the join log for 1000 forged frames"
        bench.fine()


def test_replays():
    with Bench() as bench:
        for device in bench.devices:
            for protocol in ("1.0", "1.1"):
                first = bench.req(device, ProtocolVersion=protocol)
                bench.join(device, ProtocolVersion=protocol)
                # Another DevAddr: not the same question.
                bench.refused(dict(first, DevAddr="26011bdb"), REPLAYED[protocol])
                second = bench.req(device, ProtocolVersion=protocol)
                _, answer, _ = bench.post(second)
                bench.accepted(device, answer)
                for body in (first, dict(first, DevAddr="26011bdb")):
                    for _ in range(3):
                        bench.refused(body, REPLAYED[protocol])
                # The last one repeated as it was gives the same answer, and uses nothing up.
                _, again, _ = bench.post(second)
                assert again == answer, f"{again} is not {answer}"
        before = bench.state()
        for device in bench.devices:
            for nonce in range(device.dev_nonce):
                for protocol in ("1.0", "1.1"):
                    body = join_req(device, nonce, ProtocolVersion=protocol, RxDelay=2)
                    bench.refused(body, REPLAYED[protocol])
        assert bench.state() == before
        bench.fine()


def test_wrong_networks():
    with Bench("--join-eui", "70b3d57ed0000000/40", "--any-device") as bench:
        # SenderID is another network's: the credential decides.
        for good in bench.each():
            for sender in ("00002d", "000000", "000014", "ffffff", JOIN_EUI, "as1.example"):
                bench.refused(dict(good, SenderID=sender), "UnknownSender")
            bench.refused(good, "UnknownSender", bench.their_token)
            for receiver in ("70b3d57ed0001235", "0000000000000000", "00", "js.example", "000013"):
                bench.refused(dict(good, ReceiverID=receiver), "UnkownReceiver")
        # The device's own list of networks decides.
        for device in bench.devices:
            bench.server.cli("device", "set", device.dev_eui.hex(), "--net-id", "00002d")
        for good in bench.each():
            bench.refused(good, "ActivationDisallowed")
        for device in bench.devices:
            bench.server.cli("device", "set", device.dev_eui.hex(), "--net-id", "000013")
            bench.refused(bench.req(device, SenderID="00002d"), "ActivationDisallowed",
                          bench.their_token)
        bench.fine()
        # The ranges of the network server decide.
        bench.server.cli("ns", "set", "ours", "--join-eui", "0011223344556677")
        for good in bench.each():
            bench.refused(good, "ActivationDisallowed")
        bench.server.cli("ns", "set", "ours", "--join-eui", JOIN_EUI)
        bench.fine()
        # Not an operator's own server any more, and a device that names no network.
        bench.server.cli("ns", "set", "ours", "--no-any-device")
        bench.fine()
        for device in bench.devices:
            bench.server.cli("device", "set", device.dev_eui.hex(), "--net-id", "")
        for good in bench.each():
            bench.refused(good, "ActivationDisallowed")
        bench.server.cli("ns", "set", "ours", "--any-device")
        for device in bench.devices:
            bench.server.cli("device", "block", device.dev_eui.hex())
        for good in bench.each():
            bench.refused(good, "ActivationDisallowed")
        for device in bench.devices:
            bench.server.cli("device", "unblock", device.dev_eui.hex())
        bench.fine()


def test_wrong_ns_id():
    with Bench("--ns-id", "70b3d57ed0fe0001", "--any-device") as bench:
        for device in bench.devices:
            for ns_id in (None, "", "70b3d57ed0fe0002", "0000000000000000"):
                bench.refused(bench.req(device, ProtocolVersion="1.1", SenderNSID=ns_id),
                              "UnknownSender")
            for ns_id in ("70b3d57ed0fe00", "70b3d57ed0fe000100", "zz", 5, True, [], {}):
                bench.refused(bench.req(device, ProtocolVersion="1.1", SenderNSID=ns_id),
                              {"UnknownSender", "MalformedMessage"})
            bench.join(device, ProtocolVersion="1.1", SenderNSID="70b3d57ed0fe0001")
            # 1.0 does not have it: what stands there is nothing.
            for ns_id in (None, "000013", "zz", 5):
                bench.join(device, ProtocolVersion="1.0", SenderNSID=ns_id)
        bench.fine()


def test_versions_disagree():
    """Registered version, MACVersion and OptNeg: the seven rows."""
    with Bench() as bench:
        old_versions = ("1.0", "1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4")
        new_versions = ("1.1", "1.1.0", "1.1.1")
        for protocol in ("1.0", "1.1"):
            def refused(device, version, settings):
                bench.refused(bench.req(device, ProtocolVersion=protocol, MACVersion=version,
                                        DLSettings=settings), "JoinReqFailed",
                              why=f"{device.version} {version} {settings}")

            for version in old_versions:
                refused(bench.old, version, "80")
                refused(bench.old, version, "ff")
                refused(bench.new, version, "80")
            for version in new_versions:
                refused(bench.old, version, "00")
                refused(bench.old, version, "80")
                refused(bench.new, version, "00")
                refused(bench.new, version, "7f")
            for version in old_versions:
                for device in bench.devices:
                    body = bench.req(device, ProtocolVersion=protocol, MACVersion=version,
                                     DLSettings="7f")
                    _, answer, _ = bench.post(body)
                    assert code(answer) == "Success", f"{body}: {answer}"
                    keys = bench.accepted(device, answer)
                    assert set(keys) == {"join_nonce", "NwkSKey", "AppSKey"}
                    assert {name for name in answer if name.endswith("Key")} == \
                        {"NwkSKey", "AppSKey"}, answer
            for version in new_versions:
                body = bench.req(bench.new, ProtocolVersion=protocol, MACVersion=version,
                                 DLSettings="ff")
                _, answer, _ = bench.post(body)
                assert code(answer) == "Success", f"{body}: {answer}"
                bench.accepted(bench.new, answer)
                assert {name for name in answer if name.endswith("Key")} == \
                    {"FNwkSIntKey", "SNwkSIntKey", "NwkSEncKey", "AppSKey"}, answer
        bench.fine()


def test_rx_delay():
    with Bench() as bench:
        for good in bench.each():
            for value in (-1, 16, 255, 2 ** 31, 2 ** 63 - 1, 1.5, 1e300, "16", "-1", "1.5", "0x1",
                          "01 ",
                          "x", True, [1], {}, None, ""):
                bench.refused(dict(good, RxDelay=value), MALFORMED[good["ProtocolVersion"]])
            text = json.dumps(good)
            assert '"RxDelay": 1}' in text
            bench.unreadable(text.replace('"RxDelay": 1', '"RxDelay": 1' + "0" * 40))
        for value in [*range(16), "0", "15"]:
            bench.join(bench.old, RxDelay=value)
        bench.fine()


def test_order_of_the_checks():
    """Who may not ask learns nothing of devices; who has not the key learns nothing of nonces."""
    with Bench() as bench:
        bench.fine()
        for device in bench.devices:
            used = join_req(device, 0, ProtocolVersion="1.1", RxDelay=3)
            bench.refused(used, "FrameReplayed")
            frame = bytes.fromhex(used["PHYPayload"])
            bench.refused(dict(used, PHYPayload=(frame[:-1] + bytes([frame[-1] ^ 1])).hex()),
                          "MICFailed")
            # Versions that do not agree are not told without the key either.
            bench.refused(dict(used, PHYPayload=(frame[:-1] + bytes([frame[-1] ^ 1])).hex(),
                               MACVersion="1.1", DLSettings="00"), "MICFailed")
            stranger = Device("0004a30b001c0599", JOIN_EUI, device.version, OLD_KEY)
            for target in (device, stranger):
                bench.refused(join_req(target, 0, SenderID="00002d"), "UnknownSender")
        bench.fine()


# Who asks


def test_wrong_tokens():
    with Bench() as bench:
        token = bench.token
        basic = base64.b64encode(f"ours:{token}".encode()).decode()
        for good in bench.each():
            for value in (None, "", " ", "Bearer", "Bearer ", "Bearer  ", f"Bearer {token}x",
                          f"Bearer x{token}", f"Bearer {token[:-1]}", f"Bearer {token.upper()}",
                          f"Bearer {token} {token}", f"Bearer {token},{token}", f"Bearer{token}",
                          f"Bearer:{token}", f"Bearer={token}", f'Bearer "{token}"',
                          f"Bear {token}",
                          f"Bearer Bearer {token}", token, f"Token {token}", f"Basic {basic}",
                          f"Basic {token}", f"Digest username={token}", "Bearer " + "x" * 4000,
                          "Bearer \x7f", "Bearer \xe9", "Bearer 0", "Bearer " + "0" * 64):
                headers = {} if value is None else {"Authorization": value}
                status, answer, seen = bench.server.post(good, headers=headers)
                assert status == 401 and answer is None, f"{value!r}: HTTP {status} {answer}"
                assert "WWW-Authenticate" in seen, seen
            # Whatever else is wrong with a request: 401 says nothing about it.
            for body in (dict(good, DevEUI="00"), dict(good, SenderID="00002d"),
                         dict(good, ReceiverID="00"), dict(good, ProtocolVersion="2"),
                         dict(good, MessageType="NonsenseReq"), dict(good, CFList="00")):
                status, answer, _ = bench.server.post(body, "wrong")
                assert status == 401 and answer is None, f"{body}: HTTP {status} {answer}"
            with Wire(bench.server) as wire:
                wire.send(request("x" * 60000, good))
                never_accepted(wire.answer(), "a token of 60000 characters")
        # The scheme's name is not case-sensitive (RFC 9110, 11.1).
        for device in bench.devices:
            for scheme in ("bearer", "BEARER", "Bearer ", "Bearer\t"):
                body = bench.req(device)
                status, answer, _ = bench.server.post(
                    body, headers={"Authorization": f"{scheme} {token}"})
                assert status == 200 and code(answer) == "Success", f"{scheme}: {status} {answer}"
                bench.accepted(device, answer)
        bench.fine()


def test_two_authorization_headers():
    """One that is wrong is not made good by a second, nor does one borrow the other's networks."""
    with Bench() as bench:
        for good in bench.each():
            for first, second in (("wrong", bench.token), ("", bench.token),
                                  (bench.their_token, bench.token), ("wrong", "wrong")):
                with Wire(bench.server) as wire:
                    wire.send(request(first, good, f"Authorization: Bearer {second}"))
                    never_accepted(wire.answer(), f"{first}, then {second}")
        bench.fine()


def test_a_removed_peer_is_a_stranger():
    with Bench() as bench:
        link = bench.server.connect()
        status, answer, _ = bench.post(bench.req(bench.old), connection=link)
        bench.accepted(bench.old, answer)
        path = bench.server.folder / "next.token"
        path.write_text("another-token-0123456789abcdef\n")
        path.chmod(0o600)
        bench.server.cli("ns", "set", "ours", "--token-file", path)
        status, answer, _ = bench.post(bench.req(bench.old), connection=link)
        assert status == 401 and answer is None, f"the old token: HTTP {status} {answer}"
        link.close()
        bench.token = "another-token-0123456789abcdef"
        bench.fine()


# HTTP


def test_methods_paths_and_types():
    with Bench() as bench:
        good = json.dumps(bench.req(bench.old))
        for method in ("GET", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO", "post"):
            for body in ("", good):
                status, answer, headers = bench.post(body, method=method)
                assert status == 405 and answer is None, f"{method}: HTTP {status} {answer}"
                assert headers.get("Allow") == "POST", headers
        for path in ("/x", "//", "/index.html", "/..", "/%2e", "/%00", "/%00x", "/joinreq",
                     "/api/v1/status",
                     "/" + "a" * 3000, "/;x", "/\xe9".encode("latin-1").decode("latin-1")):
            with Wire(bench.server) as wire:
                wire.send(request(bench.token, good.encode(), path=path))
                status, octets = wire.answer()
                assert status in (404, 400) and octets == b"", f"{path}: HTTP {status} {octets}"
        for kind in ("text/plain", "application/xml", "application/jsonx", "text/json", "*/*",
                     "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                     "application/ json", "application", "json", ";", "application/json/x"):
            bench.unreadable(good, why=kind, status=415, headers={"Content-Type": kind})
        with Wire(bench.server) as wire:
            wire.send(request(bench.token, good.encode(), method="CONNECT", path="localhost:80"))
            never_accepted(wire.answer(), "CONNECT")
        for kind in ("application/json; charset=utf-8", "Application/JSON", " application/json ",
                     "application/json;charset=UTF-8"):
            status, answer, _ = bench.post(bench.req(bench.old), headers={"Content-Type": kind})
            assert status == 200 and code(answer) == "Success", f"{kind}: {status} {answer}"
            bench.accepted(bench.old, answer)
        for path in ("/?", "/?a=b", "/#x"):
            with Wire(bench.server) as wire:
                wire.send(request(bench.token, bench.req(bench.old), path=path))
                status, octets = wire.answer()
                assert status in (200, 404), f"{path}: HTTP {status} {octets}"
                if status == 200:
                    bench.accepted(bench.old, success((status, octets)))
        bench.fine()


def chunked(octets, size):
    out = b""
    for at in range(0, len(octets), size):
        piece = octets[at:at + size]
        out += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    return out + b"0\r\n\r\n"


def test_chunked_bodies():
    with Bench() as bench:
        coded = "Transfer-Encoding: chunked"
        for size in (1, 7, 100, 5000):
            for device in bench.devices:
                with Wire(bench.server) as wire:
                    for _ in range(2):
                        wire.send(head(bench.token, coded) +
                                  chunked(text_of(bench.req(device)), size))
                        bench.accepted(device, success(wire.answer()))
        body = text_of(bench.req(bench.old))
        for size in (1000, 40000):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, coded) + chunked(b" " * 40000, size))
                assert wire.answer() == (413, b""), f"40000 octets in chunks of {size}"
        piece = b"%x\r\n%s\r\n" % (len(body), body)
        for bad in (b"zz\r\n" + body, b"-1\r\n" + body, b"\r\n" + piece,
                    b"ffffffffffffffff\r\n" + body,
                    b"fffffffffffffffff\r\n" + body, b"%x\r\n%sXX0\r\n\r\n" % (len(body), body),
                    b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 1, body), b"0x10\r\n" + body,
                    piece + b"zz\r\n\r\n", b"0\r\n\r\n"):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, coded) + bad)
                wire.end()
                never_accepted(wire.answer_if_any(), bad[:60])
        # Not yet all of it: there is no answer.
        for part in (piece, piece + b"0\r\n", piece + b"0\r\nX: y\r\n"):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, coded) + part)
                wire.link.settimeout(0.2)
                try:
                    seen = wire.answer()
                except TimeoutError:
                    continue
                raise AssertionError(f"{part[-20:]}: {seen}")
        bench.fine()


def processor_time(pid):
    """Seconds that a process has run so far."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_nothing_keeps_a_front_busy():
    """Requests that stop in any place wait, they do not work."""
    for tls in (False, True):
        with Bench(tls=tls) as bench, contextlib.ExitStack() as stack:
            context = None
            if tls:
                context = ssl.create_default_context(cafile=str(bench.server.folder / "tls.pem"))
            coded = head(bench.token, "Transfer-Encoding: chunked")
            whole = request(bench.token, bench.req(bench.old))
            for octets in (b"", b"POST /", whole[:60], whole[:-1], b"X: y\r\n" * 10000,
                           coded + b"5\r\nab", coded + b"5;x=" + b"y" * 1000,
                           coded + b"5;x=" + b"y" * 40000, coded + b"0\r\n" + b"X: y\r\n" * 5000,
                           head(bench.token, "Content-Length: 900000") + b" " * 800000):
                wire = stack.enter_context(Wire(bench.server, context))
                wire.send(octets)
            time.sleep(0.5 * SLOW)
            pid = bench.server.children()["front"]
            before = processor_time(pid)
            time.sleep(2)
            took = processor_time(pid) - before
            assert took < 0.2 * SLOW, f"the front worked {took:.2f} s of 2 s for nothing"
            bench.fine()


def test_two_ways_to_measure_a_body():
    """Where a request ends is never guessed: what hides behind it is no request."""
    with Bench() as bench:
        body = text_of(bench.req(bench.old))
        length = f"Content-Length: {len(body)}"
        coded = "Transfer-Encoding: chunked"
        hidden = request(bench.token, bench.req(bench.new))
        for lines, octets in (
                (["Content-Length: 5", coded], b"0\r\n\r\n"),
                ([coded, "Content-Length: 5"], b"0\r\n\r\n"),
                ([length, coded], body), ([length, coded], chunked(body, 100)),
                ([coded, coded], chunked(body, 100)), ([length, "Transfer-Encoding: gzip"], body),
                (["Transfer-Encoding: gzip"], body), (["Transfer-Encoding: xchunked"], body),
                (["Transfer-Encoding: chunked, gzip"], chunked(body, 100)),
                (["Transfer-Encoding: "], body), ([length, "Transfer-Encoding: identity"], body)):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, *lines) + octets + hidden)
                wire.end()
                seen = wire.answer()
                assert seen == (400, b""), f"{lines}: {seen}"
                seen = wire.answer()
                assert seen == (None, b""), f"{lines}: and then {seen}"
        bench.fine()


def test_content_length_lies():
    with Bench() as bench:
        body = text_of(bench.req(bench.old))
        right = len(body)
        for value in ("-1", "+5", "0x10", "abc", "1e3", "1.5", "", " ", "99999999999999999999999",
                      f"{right} {right}", f"{right}x", f"{right}, {right + 1}",
                      "18446744073709551616"):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, f"Content-Length: {value}") + body)
                wire.end()
                never_accepted(wire.answer_if_any(), f"Content-Length {value!r}")
        for first, second in ((right, right - 1), (right - 1, right), (0, right), (right, 0),
                              (right, right)):
            with Wire(bench.server) as wire:
                lengths = [f"Content-Length: {first}", f"Content-Length: {second}"]
                wire.send(head(bench.token, *lengths) + body)
                wire.end()
                seen = wire.answer()
                assert seen[0] == 400, f"{first} and {second}: {seen}"
                seen = wire.answer()
                assert seen == (None, b""), f"{first} and {second}: and then {seen}"
        # Too small: the body is cut off and its rest is no request.
        for less in (1, 2, right // 2, right - 1, right):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, f"Content-Length: {right - less}") + body)
                never_accepted(wire.answer(), f"{less} octets too many")
                never_accepted(wire.answer_if_any(), f"{less} octets too many, the rest")
        # Too large: the rest never comes.
        for more in (1, 1000, BODY_MAX - right):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, f"Content-Length: {right + more}") + body)
                wire.end()
                never_accepted(wire.answer_if_any(), f"{more} octets missing")
        # None at all: there is no body.
        with Wire(bench.server) as wire:
            wire.send(head(bench.token) + body)
            wire.end()
            for _ in range(2):
                never_accepted(wire.answer_if_any(), "no Content-Length")
        bench.fine()


def test_half_requests_and_dropped_connections():
    with Bench() as bench:
        whole = request(bench.token, bench.req(bench.old))
        for length in range(0, len(whole), 13):
            wire = Wire(bench.server)
            wire.send(whole[:length])
            if length % 2:  # RST in place of FIN
                wire.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.__exit__()
        for length in range(0, len(whole), 101):
            with Wire(bench.server) as wire:
                wire.send(whole[:length])
                wire.end()
                never_accepted(wire.answer_if_any(), f"{length} octets of {len(whole)}")
        bench.fine()
        # Whole requests whose sender does not wait: each uses at most its own nonce, and nobody
        # else notices.
        count = 30
        for device in bench.devices:
            for number in range(count):
                body = join_req(device, device.dev_nonce + number)
                wire = Wire(bench.server)
                wire.send(request(bench.token, body))
                if number % 2:
                    wire.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         struct.pack("ii", 1, 0))
                wire.__exit__()
        before = None
        while before != bench.state():
            before = bench.state()
            time.sleep(0.5 * SLOW)
        for device in bench.devices:
            shown = bench.server.json("device", "show", device.dev_eui.hex())
            used = shown["next_join_nonce"] - 1 - device.last_join_nonce
            assert 0 <= used <= count, f"{used} JoinNonces for {count} requests"
            device.last_join_nonce += used
            device.dev_nonce += count
        bench.fine()


def test_slow_bodies():
    with Bench() as bench:
        slow = []
        for device in bench.devices:
            wire = Wire(bench.server)
            slow.append((wire, device, request(bench.token, join_req(device, 1000))))
        for _, device, octets in slow:
            assert len(octets) < 700
        at = 0
        start = time.monotonic()
        while any(at < len(octets) for _, _, octets in slow):
            for wire, _, octets in slow:
                assert wire.send(octets[at:at + 1]) or at >= len(octets), "closed in between"
            at += 1
            time.sleep(0.002)
            if at % 100 == 0:
                for device in bench.devices:  # others are not kept waiting
                    begun = time.monotonic()
                    bench.join(device)
                    took = time.monotonic() - begun
                    assert took < 1 * SLOW, f"a join took {took:.1f} s next to a slow one"
        assert time.monotonic() - start > 0.5
        for wire, device, _ in slow:
            message = success(wire.answer())
            device.dev_nonce = 1000
            bench.accepted(device, message)
            wire.__exit__()
        bench.fine()


def test_pipelined_requests():
    with Bench() as bench:
        for count in (2, 10, 60):
            for device in bench.devices:
                octets = b"".join(
                    request(bench.token, join_req(device, device.dev_nonce + number,
                                                  TransactionID=number))
                    for number in range(count))
                with Wire(bench.server) as wire:
                    assert wire.send(octets)
                    for number in range(count):
                        message = success(wire.answer())
                        assert message["TransactionID"] == number, f"{number}: {message}"
                        bench.accepted(device, message)
        # A bad one among good ones spoils only itself.
        good = [bench.req(bench.old), bench.req(bench.new)]
        with Wire(bench.server) as wire:
            wire.send(request(bench.token, good[0]) + request("wrong", good[1]) +
                      request(bench.token, b"{") + request(bench.token,
                                                           dict(good[1], DevEUI="00")) +
                      request(bench.token, good[1]))
            bench.accepted(bench.old, success(wire.answer()))
            assert wire.answer() == (401, b"")
            assert wire.answer() == (400, b"")
            status, octets = wire.answer()
            assert status == 200 and code(json.loads(octets)) == "MalformedRequest", octets
            bench.accepted(bench.new, success(wire.answer()))
        bench.fine()


def test_500_idle_connections():
    with Bench() as bench:
        whole = request(bench.token, bench.req(bench.old))
        with contextlib.ExitStack() as stack:
            idle = [stack.enter_context(Wire(bench.server)) for _ in range(500)]
            for number, wire in enumerate(idle):  # silent, in the header, in the body
                wire.send(whole[:(0, 40, len(whole) - 1)[number % 3]])
            for _ in range(5):
                begun = time.monotonic()
                bench.fine()
                took = time.monotonic() - begun
                assert took < 2 * SLOW, f"two joins took {took:.1f} s next to 500 connections"
            deadline = time.monotonic() + 5 * SLOW
            while bench.server.json("status")["fronts"]["connections"] < 500:
                assert time.monotonic() < deadline, bench.server.json("status")["fronts"]
                time.sleep(0.2)
            # They were not forgotten: one goes on.
            idle[0].send(request(bench.token, bench.req(bench.new)))
            bench.accepted(bench.new, success(idle[0].answer()))
        bench.fine()


def test_header_floods():
    with Bench() as bench:
        body = text_of(bench.req(bench.old))
        length = f"Content-Length: {len(body)}"
        for lines in ([f"X-{n}: y" for n in range(10000)], [": "] * 5000, ["X: " + "y" * 100000],
                      ["X" * 100000 + ": y"], ["X: y", " folded"] * 5000,
                      ["Cookie: " + "a=b;" * 20000]):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, length, *lines) + body)
                wire.end()
                never_accepted(wire.answer_if_any(), f"{len(lines)} header lines, {lines[0][:20]}")
        for path in ("/" + "a" * 100000, "/?" + "a=b&" * 20000):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, length, path=path) + body)
                wire.end()
                never_accepted(wire.answer_if_any(), path[:20])
        # A header that never ends: it is cut off, and meanwhile others join.
        with Wire(bench.server) as wire:
            wire.send(b"POST / HTTP/1.1\r\n")
            sent = 0
            while sent < 4 << 20 and wire.send(b"X-Y: " + b"z" * 1000 + b"\r\n"):
                sent += 1007
            assert sent < 4 << 20, "4 MB of header were taken"
        # As many as fit are no matter.
        for count in (1, 20):
            with Wire(bench.server) as wire:
                wire.send(request(bench.token, bench.req(bench.old),
                                  *[f"X-Header-{n}: value {n}" for n in range(count)]))
                bench.accepted(bench.old, success(wire.answer()))
        bench.fine()


def behind_the_first_line(token, body):
    return request(token, body).split(b"\r\n", 1)[1]


def test_bad_request_lines():
    with Bench() as bench:
        body = text_of(bench.req(bench.old))
        rest = behind_the_first_line(bench.token, body)
        for line in (b"", b"\0", b"POST", b"POST /", b"POST  / HTTP/1.1", b"POST / HTTP/9.9",
                     b"POST / HTTP/1", b"POST / HTTP/", b"POST / JUNK/1.1", b" POST / HTTP/1.1",
                     b"POST\t/\tHTTP/1.1", b"P\0ST / HTTP/1.1", b"POST /\0 HTTP/1.1",
                     b"POST / HTTP/1.1\0", b"POST x HTTP/1.1", b"PRI * HTTP/2.0",
                     b"POST * HTTP/1.1",
                     b"\xff\xfe / HTTP/1.1", b"A" * 20000 + b" / HTTP/1.1", b"POST / HTTP/0.9",
                     b"POST http://elsewhere/ HTTP/1.1", b"GET", b"\x16\x03\x01\x02\x00"):
            with Wire(bench.server) as wire:
                wire.send(line + b"\r\n" + rest)
                wire.end()
                status, octets = wire.answer_if_any()
                if status == 200:  # taken for a good one: then it is answered as one
                    bench.accepted(bench.old, success((status, octets)))
                    body = text_of(bench.req(bench.old))
                    rest = behind_the_first_line(bench.token, body)
                else:
                    never_accepted((status, octets), line[:40])
        bench.fine()


def test_bad_header_lines():
    with Bench() as bench:
        body = text_of(bench.req(bench.old))
        plain = f"Content-Length: {len(body)}"
        for lines in ([f"Authorization: Bearer {bench.token}\0x"], ["Host: a", "Host: b"],
                      ["Authorization : Bearer x"]):
            octets = head("wrong", plain, *lines) + body
            with Wire(bench.server) as wire:
                wire.send(octets)
                wire.end()
                never_accepted(wire.answer_if_any(), lines)
        for token in ("\0" + bench.token, bench.token[:5] + "\0" + bench.token[5:],
                      bench.token + "\x01"):
            with Wire(bench.server) as wire:
                wire.send(request(token, body))
                wire.end()
                never_accepted(wire.answer_if_any(), repr(token))
        for line in ("NoColon", "\0: x", ": x", "X\0Y: z", "\x80\xff: \x80\xff", "X: \0", "X:"):
            with Wire(bench.server) as wire:
                wire.send(head("wrong", plain, line) + body)
                wire.end()
                never_accepted(wire.answer_if_any(), repr(line))
        for noise in range(50):
            with Wire(bench.server) as wire:
                wire.send(random.Random(noise).randbytes(1000) + b"\r\n\r\n")
                wire.end()
                never_accepted(wire.answer_if_any(), f"noise {noise}")
        bench.fine()


def test_bad_and_good_at_once():
    """Every kind of nuisance from many sides while the devices join."""
    chance = random.Random(4)
    with Bench(fronts=2) as bench:
        stop = threading.Event()
        failures = []
        good = json.dumps(bench.req(bench.old)).encode()
        forged = dict(bench.req(bench.new))
        forged["PHYPayload"] = forged["PHYPayload"][:-8] + "00000000"

        def disturb(kind):
            try:
                while not stop.is_set():
                    with Wire(bench.server) as wire:
                        if kind == 0:
                            wire.send(request("wrong", good))
                            never_accepted(wire.answer(), "wrong token")
                        elif kind == 1:
                            wire.send(request(bench.token, forged))
                            never_accepted(wire.answer(), "forged")
                        elif kind == 2:
                            wire.send(request(bench.token, b"[" * 20000))
                            never_accepted(wire.answer(), "deep")
                        elif kind == 3:
                            wire.send(request(bench.token, good)[:chance.randrange(500)])
                        else:
                            wire.send(request(bench.token, b" " * 100000))
                            never_accepted(wire.answer(), "large")
            except Exception as error:  # shown by the test
                failures.append(repr(error))

        threads = [threading.Thread(target=disturb, args=(kind % 5,)) for kind in range(10)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(30):
                bench.fine()
        finally:
            stop.set()
            for thread in threads:
                thread.join(30 * SLOW)
        assert not failures, failures[:3]
        bench.fine()


# TLS


def client_hello(version):
    """A ClientHello that offers this version at most, with what a server of 2024 might choose."""
    ciphers = bytes.fromhex("c009c00ac013c014c02bc02cc02fc030002f0035")
    extensions = bytes.fromhex("000a00080006001700180019" "000b00020100"
                               "000d000e000c040305030603040105010601")
    hello = (version.to_bytes(2, "big") + bytes(32) + b"\0" + len(ciphers).to_bytes(2, "big") +
             ciphers + b"\x01\0" + len(extensions).to_bytes(2, "big") + extensions)
    message = b"\x01" + len(hello).to_bytes(3, "big") + hello
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def first_octets(server, octets, end=False):
    with Wire(server) as wire:
        wire.send(octets)
        if end:
            wire.end()
        try:
            return wire.link.recv(4096)
        except ConnectionError:
            return b""


def test_tls_versions():
    with Bench(tls=True) as bench:
        seen = first_octets(bench.server, client_hello(0x0303))
        assert seen[:1] == b"\x16" and seen[9:11] == b"\x03\x03", f"TLS 1.2: {seen[:20].hex()}"
        for version in (0x0300, 0x0301, 0x0302):
            seen = first_octets(bench.server, client_hello(version))
            assert seen == b"" or seen[:1] == b"\x15", f"{version:04x}: {seen[:20].hex()}"
        warnings.simplefilter("ignore", DeprecationWarning)
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = ssl.create_default_context(cafile=str(bench.server.folder / "tls.pem"))
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            try:
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = version
            except (ValueError, ssl.SSLError):
                continue
            try:
                with Wire(bench.server, context) as wire:
                    raise AssertionError(f"connected with {wire.link.version()}")
            except (ssl.SSLError, ConnectionError):
                pass
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=str(bench.server.folder / "tls.pem"))
            context.minimum_version = context.maximum_version = version
            with Wire(bench.server, context) as wire:
                wire.send(request(bench.token, bench.req(bench.old)))
                bench.accepted(bench.old, success(wire.answer()))
        bench.fine()


def test_garbage_on_the_tls_port():
    with Bench(tls=True) as bench:
        good = request(bench.token, bench.req(bench.old))
        hello = client_hello(0x0303)
        for octets in (good, b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"\0" * 1000, b"\xff" * 1000,
                       b"\x16\x03\x01\xff\xff" + b"\0" * 70000, b"\x16\x03\x01\0\0" * 100,
                       b"\x80\x2e\x01\x00\x02" + b"\0" * 50, b"\x15\x03\x03\0\x02\x02\x28",
                       b"\x17\x03\x03\0\x10" + b"\0" * 16, b"\x14\x03\x03\0\x01\x01",
                       hello[:-1] + b"\xff" + hello, hello + hello, hello + good,
                       hello[:6] + b"\xff\xff\xff" + hello[9:], random.Random(5).randbytes(5000)):
            seen = first_octets(bench.server, octets, end=True)
            assert not seen.startswith(b"HTTP/"), f"{octets[:20]!r} was answered by {seen!r}"
        for length in range(0, len(hello), 7):
            seen = first_octets(bench.server, hello[:length], end=True)
            assert not seen.startswith(b"\x16"), f"{length} octets of a ClientHello: {seen.hex()}"
        bench.fine()
        # Garbage instead of records, once the connection stands; and half a request in it.
        context = ssl.create_default_context(cafile=str(bench.server.folder / "tls.pem"))
        for octets in (b"garbage", good, b"\x17\x03\x03\x01\0" + bytes(256)):
            with Wire(bench.server, context) as wire:
                raw = socket.socket(fileno=os.dup(wire.link.fileno()))
                raw.sendall(octets)
                raw.close()
                with contextlib.suppress(OSError):
                    never_accepted(wire.answer(), octets[:20])
        for length in (0, 1, 100, len(good) - 1):
            with Wire(bench.server, context) as wire:
                wire.send(good[:length])
        # Many that never finish their handshake.
        with contextlib.ExitStack() as stack:
            for number in range(100):
                wire = stack.enter_context(Wire(bench.server))
                wire.send(hello[:number])
            bench.fine()
        bench.fine()


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
