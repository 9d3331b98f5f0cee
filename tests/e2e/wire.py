"""Bad requests over the wire: a bench of devices that must join after each of them, and raw sockets."""
import contextlib
import json
import socket
import ssl

from lorawan import Device
from server import SLOW, code, join_req, Server

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
    # Who fetches a key is told again which one.
    echoed = {"DevEUI", "SessionKeyID"} if message["MessageType"] == "AppSKeyReq" else set()
    assert set(answer) <= HEADER | {"Result"} | echoed, shown
    for name in echoed & set(answer):
        assert answer[name] == message[name], shown
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

