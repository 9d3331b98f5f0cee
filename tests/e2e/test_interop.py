"""JoinReq as ChirpStack and The Things Stack write it, and answers as strictly as they read them.

The bodies and headers are those of the two programs' clients; the readers of the conformance suite
fail where theirs do. One test for each thing on which the two differ, then both through every way of
delivering keys.
"""
import base64
import contextlib
import json
import pathlib
import random
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

from lorawan import Device, encrypt, unwrap
from server import SLOW, Server, run_tests

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "conformance"))
from readers import (  # noqa: E402
    THREE_KEYS, Refused, chirpstack_reads, chirpstack_reads_home, no_doubles, things_reads,
    things_reads_app_s_key, things_reads_home)

JOIN_EUI = "70b3d57ed0001234"
NET_ID = "000013"
NS_ID = "ec656e0000000181"
VERSIONS = ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.1"]
DEV_ADDR = "2600abcd"
CF_LIST = "184f84e85684b85e84886684586e8400"
KEKS = {size: bytes((7 * size + i) % 251 for i in range(size)) for size in (16, 24, 32)}
AS_KEK = bytes.fromhex("d05a7be91c2648f3a07fc4d19b3e5827")
CHANCE = random.Random(20)


# How the two write


def chirpstack_body(device, nonce, **changes):
    """Lower case, Backend Interfaces 1.0, a random TransactionID, no blanks."""
    new = device.version == "1.1"
    body = {
        "ProtocolVersion": "1.0",
        "SenderID": NET_ID,
        "ReceiverID": device.join_eui.hex(),
        "TransactionID": CHANCE.randrange(2 ** 32),
        "MessageType": "JoinReq",
        "MACVersion": "1.1.0" if new else device.version,
        "PHYPayload": device.join_request(nonce).hex(),
        "DevEUI": device.dev_eui.hex(),
        "DevAddr": DEV_ADDR,
        "DLSettings": "80" if new else "00",
        "RxDelay": 1,
    }
    return dict(body, **changes)


def things_body(device, nonce, protocol="1.1", **changes):
    """Upper case, TransactionID 0, SenderNSID in 1.1 only, MACVersion without a patch of 0."""
    new = device.version == "1.1"
    body = {
        "ProtocolVersion": protocol,
        "TransactionID": 0,
        "MessageType": "JoinReq",
        "SenderID": NET_ID.upper(),
        "SenderNSID": NS_ID.upper(),
        "ReceiverID": device.join_eui.hex().upper(),
        "MACVersion": "1.0" if device.version == "1.0.0" else device.version,
        "PHYPayload": device.join_request(nonce).hex().upper(),
        "DevEUI": device.dev_eui.hex().upper(),
        "DevAddr": DEV_ADDR.upper(),
        "DLSettings": "80" if new else "00",
        "RxDelay": 5,
        "CFList": CF_LIST.upper(),
    }
    if protocol == "1.0":
        del body["SenderNSID"]
    return dict(body, **changes)


def chirpstack_octets(body, token, host, path="/", *lines):
    data = json.dumps(body, separators=(",", ":")).encode()
    head = [f"POST {path} HTTP/1.1", "content-type: application/json",
            f"authorization: Bearer {token}", "accept: */*", f"host: {host}",
            f"content-length: {len(data)}", *lines, "", ""]
    return "\r\n".join(head).encode() + data


def things_octets(body, token, host, path="/", *lines):
    data = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    head = [f"POST {path} HTTP/1.1", f"Host: {host}",
            "User-Agent: TheThingsStack/3.32.1-dev (linux/amd64)", f"Content-Length: {len(data)}",
            f"Authorization: Bearer {token}", "Content-Type: application/json",
            f"Traceparent: 00-{CHANCE.randbytes(16).hex()}-{CHANCE.randbytes(8).hex()}-01",
            "Accept-Encoding: gzip", *lines, "", ""]
    return "\r\n".join(head).encode() + data


class Site:
    """A join server with a ChirpStack, a Things Stack and devices of all versions."""

    def __init__(self, tls=False, keks=None, fronts=1, delivery=("inline", "inline-id"),
                 settings=""):
        self.server = Server(tls=tls, fronts=fronts, settings=settings)
        self.delivery = delivery
        self.kek_size = keks
        self.keks = {f"ns-kek-{keks}": KEKS[keks]} if keks else {}
        self.link = None
        self.devices = {}
        for number, version in enumerate(VERSIONS):
            root = bytes(16 * number + i for i in range(16))
            nwk = bytes(b ^ 0xa5 for b in root) if version == "1.1" else None
            self.devices[version] = Device(f"0004a30b001c05{number:02x}", JOIN_EUI, version, root,
                                           nwk)

    def __enter__(self):
        self.server.__enter__()
        args = ["--net-id", NET_ID, "--any-device"]
        if self.kek_size:
            args += ["--kek-label", f"ns-kek-{self.kek_size}",
                     "--kek-file", self.kek_file(KEKS[self.kek_size])]
        self.chirpstack_token = self.server.add_ns(
            "chirpstack", *args, "--app-s-key", self.delivery[0])
        self.things_token = self.server.add_ns(
            "things", *args, "--ns-id", NS_ID, "--app-s-key", self.delivery[1])
        self.server.import_rows([
            [JOIN_EUI, d.dev_eui.hex(), d.version, d.app_key.hex(),
             d.nwk_key.hex() if d.nwk_key else ""] for d in self.devices.values()])
        return self

    def __exit__(self, *error):
        self.hang_up()
        self.server.__exit__(*error)

    def kek_file(self, kek):
        path = self.server.folder / "kek"
        path.write_text(kek.hex() + "\n")
        path.chmod(0o600)
        return path

    @property
    def host(self):
        return f"localhost:{self.server.port}"

    def connect(self, protocols=None, client=None):
        link = socket.create_connection(("127.0.0.1", self.server.port), timeout=10 * SLOW)
        if self.server.tls:
            context = ssl.create_default_context(cafile=str(self.server.folder / "tls.pem"))
            if protocols:
                context.set_alpn_protocols(protocols)
            if client:
                context.load_cert_chain(self.server.folder / f"{client}.pem",
                                        self.server.folder / f"{client}.key")
            link = context.wrap_socket(link, server_hostname="localhost")
        return link

    def hang_up(self):
        if self.link is not None:
            self.link.close()
            self.link = None

    def chirpstack_sends(self, body, path="/", lines=()):
        """On one connection for all requests."""
        if self.link is None:
            self.link = self.connect()
        self.link.sendall(chirpstack_octets(body, self.chirpstack_token, self.host, path, *lines))
        status, _, octets = take_answer(self.link)
        return status, octets

    def things_sends(self, body, path="/", lines=()):
        """On a new connection for each."""
        with contextlib.closing(self.connect(["h2", "http/1.1"])) as link:
            link.sendall(things_octets(body, self.things_token, self.host, path, *lines))
            status, _, octets = take_answer(link)
            return status, octets

    def chirpstack(self, body, **how):
        return chirpstack_reads(*self.chirpstack_sends(body, **how), body, self.keks)

    def things(self, body, **how):
        return things_reads(*self.things_sends(body, **how), body, self.keks)

    def joins(self, device, dialect, **changes):
        """The device joins; its keys are those that the network server got."""
        session = self.session(device, dialect, **changes)
        self.accepted(device, session)
        return session

    def session(self, device, dialect, **changes):
        if dialect == "chirpstack":
            return self.chirpstack(chirpstack_body(device, device.dev_nonce, **changes))
        return self.things(things_body(device, device.dev_nonce, dialect[-3:], **changes))

    def accepted(self, device, session):
        last = device.last_join_nonce
        keys = device.read_accept(session.accept, device.dev_nonce, NET_ID)
        assert keys["join_nonce"] == last + 1, f"JoinNonce {keys['join_nonce']} after {last}"
        device.dev_nonce += 1
        for name in THREE_KEYS:
            mine = keys.get(name) or keys["NwkSKey"]
            assert session.keys[name].hex() == mine, \
                f"{device.version}: {name} {session.keys[name].hex()} is not {mine}"
        session.device_app_s_key = keys["AppSKey"]
        return keys

    def both(self):
        """Every device in every dialect."""
        for device in self.devices.values():
            for dialect in DIALECTS:
                yield device, dialect


DIALECTS = ["chirpstack", "things 1.0", "things 1.1"]


def take_answer(link):
    """(status, headers in lower case, octets) of one answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = link.recv(65536)
        assert piece, f"closed after {data!r}"
        data += piece
    head, _, octets = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith("HTTP/1.1 "), lines[0]
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    while len(octets) < length:
        piece = link.recv(65536)
        assert piece, f"closed after {len(octets)} of {length} octets"
        octets += piece
    return int(lines[0].split()[1]), headers, octets


def refused_with(code, function, *args, **how):
    try:
        session = function(*args, **how)
    except Refused as refusal:
        assert refusal.code == code, f"{refusal.code} instead of {code}: {refusal.answer}"
        return refusal.answer
    raise AssertionError(f"not refused: {session.answer}")


# What the request says


def test_row_url():
    paths = ("/lrwan/join", "/api/v1/rens/rens-1::2/lbi_joinreq", "/interop/join")
    with Site(settings="[server]\npaths = " + " ".join(paths)) as site:
        for path in ("/", *paths):
            for device, dialect in site.both():
                if dialect == "chirpstack":
                    body = chirpstack_body(device, device.dev_nonce)
                    site.accepted(device, site.chirpstack(body, path=path))
                else:
                    body = things_body(device, device.dev_nonce, dialect[-3:])
                    site.accepted(device, site.things(body, path=path))


def test_row_http_version():
    """Keep-alive on the one side, a new TLS connection per request with ALPN on the other."""
    for tls in (False, True):
        with Site(tls=tls) as site:
            device = site.devices["1.0.3"]
            for _ in range(30):
                site.joins(device, "chirpstack")
            first = site.link
            site.joins(device, "chirpstack")
            assert site.link is first, "the connection was not kept"
            with contextlib.ExitStack() as stack:
                for number in range(30):  # and left open, as its client does
                    protocols = (["h2", "http/1.1"], ["http/1.1"], None)[number % 3]
                    link = stack.enter_context(contextlib.closing(site.connect(protocols)))
                    if tls:
                        assert link.selected_alpn_protocol() in (None, "http/1.1")
                        assert link.version() in ("TLSv1.2", "TLSv1.3"), link.version()
                    body = things_body(device, device.dev_nonce)
                    link.sendall(things_octets(body, site.things_token, site.host))
                    status, _, octets = take_answer(link)
                    site.accepted(device, things_reads(status, octets, body))
            # Asked to close, it closes.
            with contextlib.closing(site.connect()) as link:
                body = chirpstack_body(device, device.dev_nonce)
                link.sendall(chirpstack_octets(body, site.chirpstack_token, site.host, "/",
                                               "connection: close"))
                status, _, octets = take_answer(link)
                site.accepted(device, chirpstack_reads(status, octets, body))
                assert link.recv(1) == b"", "not closed"


def test_row_request_headers():
    with Site() as site:
        device = site.devices["1.0.4"]
        for kind in ("application/json", "application/json; charset=utf-8",
                     "application/json;charset=UTF-8", "Application/Json", None):
            body = things_body(device, device.dev_nonce)
            octets = things_octets(body, site.things_token, site.host, "/",
                                   "X-Custom: a value", "X-Empty:", "Via: 1.1 proxy",
                                   "X-Forwarded-For: 192.0.2.1", "Tracestate: a=b")
            line = b"" if kind is None else f"Content-Type: {kind}\r\n".encode()
            octets = octets.replace(b"Content-Type: application/json\r\n", line)
            with contextlib.closing(site.connect()) as link:
                link.sendall(octets)
                status, headers, text = take_answer(link)
            site.accepted(device, things_reads(status, text, body))
            assert "content-encoding" not in headers, headers
            assert headers["content-type"].startswith("application/json"), headers
            assert int(headers["content-length"]) == len(text), headers


def test_row_auth():
    """The one passes an Authorization value on verbatim, the other has it among its `headers`."""
    with Site() as site:
        for device, dialect in site.both():
            site.joins(device, dialect)
        device = site.devices["1.0.3"]
        for octets in (chirpstack_octets(chirpstack_body(device, 999), "wrong", site.host),
                       things_octets(things_body(device, 999), "wrong", site.host),
                       chirpstack_octets(chirpstack_body(device, 999), "", site.host)):
            with contextlib.closing(site.connect()) as link:
                link.sendall(octets)
                status, headers, text = take_answer(link)
                assert status == 401 and text == b"", f"HTTP {status} {text}"
                assert "www-authenticate" in headers, headers
        site.joins(device, "chirpstack")


def authorized(site, octets, value, client=None):
    """One request with another value of Authorization (None: none), or a client certificate."""
    line = b"" if value is None else b"Authorization: " + value.encode() + b"\r\n"
    octets = re.sub(rb"(?i)\r\nauthorization: [^\r]*\r\n", lambda _: b"\r\n" + line, octets,
                    count=1)
    with contextlib.closing(site.connect(client=client)) as link:
        link.sendall(octets)
        status, _, text = take_answer(link)
        return status, text


def test_row_auth_basic_and_any_value():
    """`basic-auth` of the one, an `authorization_header` with any scheme of the other."""
    with Site() as site:
        path = site.server.folder / "basic"
        path.write_text("things:pass-word-0123\n")
        path.chmod(0o600)
        site.server.cli("ns", "set", "things", "--basic-file", path)
        site.server.cli("ns", "set", "chirpstack", "--authorization-file", "-",
                        text="ApiKey chirpstack-0123456789\n")
        basic = "Basic " + base64.b64encode(b"things:pass-word-0123").decode()
        device = site.devices["1.1"]
        for protocol in ("1.0", "1.1"):
            body = things_body(device, device.dev_nonce, protocol)
            octets = things_octets(body, "", site.host)
            site.accepted(device, things_reads(*authorized(site, octets, basic), body))
        body = chirpstack_body(device, device.dev_nonce)
        octets = chirpstack_octets(body, "", site.host)
        for wrong in (basic[:-4], "ApiKey chirpstack-012345678", "chirpstack-0123456789", None):
            assert authorized(site, octets, wrong) == (401, b""), wrong
        session = chirpstack_reads(
            *authorized(site, octets, "ApiKey chirpstack-0123456789"), body)
        site.accepted(device, session)


def test_row_auth_client_certificate():
    """Both can show one, without any Authorization; a wrong one is nobody's."""
    with Site(tls=True) as site:
        for name in ("chirpstack", "things", "nobody"):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-days", "40", "-subj", f"/CN={name}",
                 "-keyout", site.server.folder / f"{name}.key",
                 "-out", site.server.folder / f"{name}.pem"], check=True, capture_output=True)
            if name != "nobody":
                site.server.cli("ns", "set", name, "--token-file", "", "--certificate",
                                site.server.folder / f"{name}.pem")
        for device in site.devices.values():
            body = chirpstack_body(device, device.dev_nonce)
            octets = chirpstack_octets(body, "", site.host)
            for client in (None, "nobody"):
                assert authorized(site, octets, None, client) == (401, b""), client
            site.accepted(device, chirpstack_reads(
                *authorized(site, octets, None, "chirpstack"), body))
            for protocol in ("1.0", "1.1"):
                body = things_body(device, device.dev_nonce, protocol)
                octets = things_octets(body, "", site.host)
                assert authorized(site, octets, None)[0] == 401
                site.accepted(device, things_reads(
                    *authorized(site, octets, None, "things"), body))


def things_app_s_key_body(device, session_key_id, protocol, **changes):
    """As its Application Server writes it: no SenderNSID in either version."""
    body = {
        "ProtocolVersion": protocol,
        "TransactionID": 0,
        "MessageType": "AppSKeyReq",
        "SenderID": "as.example",
        "ReceiverID": device.join_eui.hex().upper(),
        "DevEUI": device.dev_eui.hex().upper(),
        "SessionKeyID": session_key_id.upper(),
    }
    return dict(body, **changes)


def test_row_app_s_key_req():
    """The Things Stack's Application Server fetches AppSKey, on a path of its own."""
    for kek in (None, AS_KEK):
        with Site(settings="[server]\npaths = / /app-s-key", delivery=("fetch", "fetch")) as site:
            site.server.cli("as", "add", "app", "--as-id", "as.example", "--token-file", "-",
                            "--app-s-key-in-clear", text="token-of-app-0123456789abcdef\n")
            keks = {}
            if kek:
                keks["as-kek-2026"] = kek
                site.server.cli("kek", "add", "--as", "app", "--kek-label", "as-kek-2026",
                                "--kek-file", site.kek_file(kek))
            for device in site.devices.values():
                site.server.cli("device", "set", device.dev_eui.hex(), "--as-id", "as.example")

            def fetch(body, path="/"):
                with contextlib.closing(site.connect(["h2", "http/1.1"])) as link:
                    link.sendall(things_octets(body, "token-of-app-0123456789abcdef", site.host,
                                               path))
                    status, _, octets = take_answer(link)
                assert octets.isascii() and b"\\" not in octets and b"null" not in octets, octets
                return things_reads_app_s_key(status, octets, body, keks)

            for device, dialect in site.both():
                session = site.joins(device, dialect)
                name = session.answer["SessionKeyID"]
                for protocol in ("1.0", "1.1"):
                    for path in ("/", "/app-s-key"):
                        key = fetch(things_app_s_key_body(device, name, protocol), path)
                        assert key.hex() == session.device_app_s_key, f"{dialect} {device.version}"
                    # What it makes up for a join without SessionKeyID is never sent; if it were:
                    body = things_app_s_key_body(device, "00" * 16, protocol)
                    refused_with("UnknownDevEUI", fetch, body)


def test_row_home_ns_req():
    """ChirpStack asks in 1.0 and lower case, The Things Stack in its own way."""
    with Site(settings="[server]\npaths = / /home-ns") as site:
        site.server.cli("ns", "set", "chirpstack", "--net-id", "00002d")
        for device in site.devices.values():
            site.joins(device, "things 1.1")
            body = {"ProtocolVersion": "1.0", "SenderID": "00002d", "ReceiverID": JOIN_EUI,
                    "TransactionID": CHANCE.randrange(2 ** 32), "MessageType": "HomeNSReq",
                    "DevEUI": device.dev_eui.hex()}
            site.hang_up()
            try:
                chirpstack_reads_home(*site.chirpstack_sends(body), body)
            except Refused as refusal:
                assert refusal.code == "NoRoamingAgreement", refusal.answer
            else:
                raise AssertionError("told to a network that is not on the list")
            site.server.cli("device", "set", device.dev_eui.hex(), "--roaming", "00002d")
            assert chirpstack_reads_home(*site.chirpstack_sends(body), body).hex() == NET_ID
            for protocol in ("1.0", "1.1"):
                body = {"ProtocolVersion": protocol, "TransactionID": 0,
                        "MessageType": "HomeNSReq", "SenderID": NET_ID,
                        "SenderNSID": NS_ID.upper(), "ReceiverID": JOIN_EUI.upper(),
                        "DevEUI": device.dev_eui.hex().upper()}
                if protocol == "1.0":
                    del body["SenderNSID"]
                status, octets = site.things_sends(body, path="/home-ns")
                assert things_reads_home(status, octets, body).hex() == NET_ID
                home_ns_id = json.loads(octets).get("HNSID")
                assert home_ns_id == (NS_ID if protocol == "1.1" else None), octets


def test_row_time_out():
    """They give up after 5 and 10 s; the device's window is open after 5 s. A second is far off."""
    for tls in (False, True):
        with Site(tls=tls) as site:
            slowest = 0
            for device, dialect in site.both():
                for _ in range(3):
                    begun = time.monotonic()
                    site.session(device, dialect)
                    slowest = max(slowest, time.monotonic() - begun)
                    device.dev_nonce += 1
            assert slowest < 1 * SLOW, f"{slowest:.2f} s for an answer"


def test_row_protocol_version():
    with Site() as site:
        for device, dialect in site.both():
            session = site.joins(device, dialect)
            expected = "1.1" if dialect == "things 1.1" else "1.0"
            assert session.answer["ProtocolVersion"] == expected, session.answer


def test_row_transaction_id():
    """Always 0 or always another: neither means anything."""
    with Site() as site:
        for device in site.devices.values():
            for _ in range(3):
                session = site.joins(device, "things 1.1")
                assert session.answer["TransactionID"] == 0, session.answer
            for number in (0, 1, 2 ** 31, 2 ** 32 - 1, 2930842317):
                session = site.joins(device, "chirpstack", TransactionID=number)
                assert session.answer["TransactionID"] == number, session.answer


def test_row_message_type():
    with Site() as site:
        for device, dialect in site.both():
            session = site.joins(device, dialect)
            assert session.answer["MessageType"] == "JoinAns", session.answer
        body = chirpstack_body(device, device.dev_nonce, DevEUI="0102030405060708")
        answer = refused_with("MalformedRequest", site.chirpstack, body)
        assert answer["MessageType"] == "JoinAns", answer


def test_row_sender_id_case():
    with Site() as site:
        site.server.cli("ns", "set", "chirpstack", "--net-id", "60abcd")
        device = site.devices["1.0.2"]
        for sender in ("60abcd", "60ABCD", "60aBcD", "0x60abcd", "0x60ABCD", "0X60ABCD"):
            body = chirpstack_body(device, device.dev_nonce, SenderID=sender)
            session = site.chirpstack(body)
            assert session.answer["ReceiverID"] == sender, session.answer
            keys = device.read_accept(session.accept, device.dev_nonce, "60abcd")
            assert session.keys["FNwkSIntKey"].hex() == keys["NwkSKey"]
            device.dev_nonce += 1


def test_row_sender_ns_id():
    """Always there in 1.1, never in 1.0; the registered one must come, in any case."""
    with Site() as site:
        for device in site.devices.values():
            session = site.joins(device, "things 1.0")
            assert "ReceiverNSID" not in session.answer, session.answer
            for ns_id in (NS_ID.upper(), NS_ID, "0x" + NS_ID):
                session = site.joins(device, "things 1.1", SenderNSID=ns_id)
                assert session.answer["ReceiverNSID"] == ns_id, session.answer
            body = things_body(device, device.dev_nonce)
            refused_with("UnknownSender", site.things, dict(body, SenderNSID="EC656E0000000182"))
            del body["SenderNSID"]
            refused_with("UnknownSender", site.things, body)
            # A network server without a registered one may write any, or none.
            site.joins(device, "chirpstack", ProtocolVersion="1.1", SenderNSID="0102030405060708")
            site.joins(device, "chirpstack", ProtocolVersion="1.1")


def test_row_receiver_id():
    with Site() as site:
        for device, dialect in site.both():
            for receiver in (JOIN_EUI, JOIN_EUI.upper(), "0x" + JOIN_EUI):
                session = site.joins(device, dialect, ReceiverID=receiver)
                assert session.answer["SenderID"] == receiver, session.answer
                assert session.answer["ReceiverID"] == NET_ID, session.answer


def test_row_mac_version():
    spellings = {"1.0.0": ("1.0", "1.0.0"), "1.1": ("1.1", "1.1.0", "1.1.1", "1.1.2")}
    with Site() as site:
        for device, dialect in site.both():
            for version in spellings.get(device.version, (device.version,)):
                site.joins(device, dialect, MACVersion=version)


def test_row_phy_payload():
    with Site() as site:
        for device, dialect in site.both():
            frame = device.join_request(device.dev_nonce)
            assert len(frame) == 23
            site.joins(device, dialect, PHYPayload=frame.hex().upper())
            frame = device.join_request(device.dev_nonce)
            site.joins(device, dialect, PHYPayload=frame.hex())
            for length in (22, 24):
                octets = (device.join_request(device.dev_nonce) + b"\0")[:length]
                refused_with("FrameSizeError", site.session, device, dialect,
                             PHYPayload=octets.hex())


def test_row_dev_eui_and_dev_addr():
    with Site() as site:
        for device, dialect in site.both():
            for form in (str.upper, str.lower, lambda text: "0x" + text):
                session = site.session(device, dialect, DevEUI=form(device.dev_eui.hex()),
                                       DevAddr=form(DEV_ADDR))
                clear = clear_accept(device, session)
                assert clear[6:10][::-1].hex() == DEV_ADDR, clear.hex()
                site.accepted(device, session)
            code = "MalformedMessage" if dialect == "things 1.1" else "MalformedRequest"
            for changes in ({"DevEUI": "0004A30B001C05FF"}, {"DevEUI": device.dev_eui[::-1].hex()},
                            {"DevAddr": DEV_ADDR[:-2]}, {"DevAddr": ""}):
                refused_with(code, site.session, device, dialect, **changes)


def clear_accept(device, session):
    accept = session.accept
    return b"".join(encrypt(device.root, accept[i:i + 16]) for i in range(1, len(accept), 16))


def test_row_dl_settings():
    with Site() as site:
        for device, dialect in site.both():
            new = device.version == "1.1"
            for settings in ("00", "13", "7f") if not new else ("80", "93", "FF", "ff"):
                session = site.session(device, dialect, DLSettings=settings)
                clear = clear_accept(device, session)
                assert clear[10] == int(settings, 16), clear.hex()
                site.accepted(device, session)
                assert ("NwkSKey" in session.answer) != new, session.answer
            for settings in ("80", "ff") if not new else ("00", "7F"):
                refused_with("JoinReqFailed", site.session, device, dialect, DLSettings=settings)
        # A device of 1.1 in a network of 1.0: everything from NwkKey.
        device = site.devices["1.1"]
        for dialect in DIALECTS:
            session = site.joins(device, dialect, MACVersion="1.0.4", DLSettings="00")
            assert "NwkSKey" in session.answer and "FNwkSIntKey" not in session.answer


def test_row_rx_delay():
    with Site() as site:
        for device, dialect in site.both():
            for delay in (0, 1, 5, 15):
                session = site.session(device, dialect, RxDelay=delay)
                assert clear_accept(device, session)[11] == delay
                site.accepted(device, session)


def test_row_cf_list():
    """16 octets as they are; left out or empty there is none."""
    lists = (CF_LIST, CF_LIST.upper(), "00" * 16, "ff" * 15 + "01",
             "0102030405060708090a0b0c0d0e0f10")
    with Site() as site:
        for device, dialect in site.both():
            for text in lists:
                session = site.session(device, dialect, CFList=text)
                assert clear_accept(device, session)[12:28] == bytes.fromhex(text)
                site.accepted(device, session)
            for absent in ("", None):
                session = site.joins(device, dialect, CFList=absent)
                assert len(session.accept) == 17, session.answer
        device = site.devices["1.0.3"]
        body = things_body(device, device.dev_nonce)
        del body["CFList"]
        session = site.things(body)
        assert len(session.accept) == 17, session.answer
        site.accepted(device, session)


# What the answer says


def refusals(site, device, dialect):
    """(code in 1.0, code in 1.1, changes) of requests that are refused."""
    frame = device.join_request(device.dev_nonce)
    stranger = Device("0004a30b001c05fe", JOIN_EUI, device.version, device.app_key, device.nwk_key)
    elsewhere = Device(device.dev_eui.hex(), "0102030405060708", device.version, device.app_key,
                       device.nwk_key)
    yield "MICFailed", "MICFailed", {"PHYPayload": (frame[:-1] + bytes([frame[-1] ^ 1])).hex()}
    yield "UnknownDevEUI", "UnknownDevEUI", {
        "PHYPayload": stranger.join_request(0).hex(), "DevEUI": stranger.dev_eui.hex()}
    yield "UnkownReceiver", "UnkownReceiver", {
        "PHYPayload": elsewhere.join_request(0).hex(), "ReceiverID": elsewhere.join_eui.hex()}
    yield "UnknownSender", "UnknownSender", {"SenderID": "000014"}
    yield "MalformedRequest", "MalformedMessage", {"MACVersion": "1.7"}
    yield "MalformedRequest", "MalformedMessage", {"RxDelay": 16}
    yield "MalformedRequest", "MalformedMessage", {"DLSettings": "0"}
    yield "FrameSizeError", "FrameSizeError", {"CFList": "00"}
    yield "InvalidProtocolVersion", None, {"ProtocolVersion": "3.0"}
    if device.dev_nonce > 0:
        yield "JoinReqFailed", "FrameReplayed", {
            "PHYPayload": device.join_request(0).hex(), "DevAddr": "26001111"}


def every_refusal(site):
    for device, dialect in site.both():
        site.joins(device, dialect)
        for code_1_0, code_1_1, changes in refusals(site, device, dialect):
            code = code_1_1 if dialect == "things 1.1" else code_1_0
            if code is None or ("ProtocolVersion" in changes and dialect != "chirpstack"):
                continue
            yield device, dialect, code, changes


def test_row_http_status():
    """200 also for what is refused: neither reads the body of a 4xx."""
    with Site() as site:
        for device, dialect, _, changes in every_refusal(site):
            if dialect == "chirpstack":
                body = chirpstack_body(device, device.dev_nonce, **changes)
                status, octets = site.chirpstack_sends(body)
            else:
                body = things_body(device, device.dev_nonce, dialect[-3:], **changes)
                status, octets = site.things_sends(body)
            assert status == 200 and octets, f"{changes}: HTTP {status} {octets}"


def test_row_error_codes():
    with Site() as site:
        seen = set()
        for device, dialect, code, changes in every_refusal(site):
            answer = refused_with(code, site.session, device, dialect, **changes)
            seen.add((answer["ProtocolVersion"], code))
        assert ("1.1", "FrameReplayed") in seen and ("1.1", "MalformedMessage") in seen, seen
        assert ("1.0", "JoinReqFailed") in seen and ("1.0", "MalformedRequest") in seen, seen
        for word in ("FrameReplayed", "MalformedMessage", "NoAction"):
            assert ("1.0", word) not in seen, seen
        for device, dialect in site.both():
            site.joins(device, dialect)


def test_row_answer_sender_and_receiver_id():
    """Swapped, as the strings that came, also on errors."""
    with Site() as site:
        for device, dialect, code, changes in every_refusal(site):
            answer = refused_with(code, site.session, device, dialect, **changes)
            mine = chirpstack_body(device, 0) if dialect == "chirpstack" else things_body(device, 0)
            mine.update(changes)
            assert answer["SenderID"] == mine["ReceiverID"], answer
            assert answer["ReceiverID"] == mine["SenderID"], answer


def test_row_answer_transaction_id():
    with Site() as site:
        for device, dialect, code, changes in every_refusal(site):
            for number in (0, 2 ** 32 - 1):
                answer = refused_with(code, site.session, device, dialect, TransactionID=number,
                                      **changes)
                assert answer["TransactionID"] == number, answer


def test_row_result():
    """Always an object: ChirpStack takes none for Success."""
    with Site() as site:
        for device, dialect in site.both():
            session = site.joins(device, dialect)
            assert session.answer["Result"] == {"ResultCode": "Success"}, session.answer
        for device, dialect, code, changes in every_refusal(site):
            result = refused_with(code, site.session, device, dialect, **changes)["Result"]
            assert result["ResultCode"] == code, result
            assert set(result) <= {"ResultCode", "Description"} and result.get("Description", "x")


def walk(value, path=""):
    yield path, value
    if isinstance(value, dict):
        for name, member in value.items():
            yield from walk(member, f"{path}.{name}")


NAMES = {"ProtocolVersion", "SenderID", "ReceiverID", "TransactionID", "MessageType",
         "ReceiverToken", "ReceiverNSID", "Result", "PHYPayload", "Lifetime", "NwkSKey",
         "FNwkSIntKey", "SNwkSIntKey", "NwkSEncKey", "AppSKey", "SessionKeyID"}


def strictly_written(octets):
    """ASCII, no escapes, nothing empty, nothing null, known names, lower-case hexadecimal."""
    assert octets.isascii() and b"\\" not in octets and b"0x" not in octets.lower(), octets
    message = json.loads(octets, object_pairs_hook=no_doubles)
    assert set(message) <= NAMES, f"unknown members: {set(message) - NAMES}"
    for path, value in walk(message):
        assert value not in (None, "", {}, []), f"{path} is empty: {octets}"
    for name in ("PHYPayload", "SessionKeyID"):
        if name in message:
            assert re.fullmatch("[0-9a-f]+", message[name]), octets
    for name in NAMES:
        if name.endswith("Key") and name in message:
            assert set(message[name]) <= {"KEKLabel", "AESKey"}, octets
            assert re.fullmatch("[0-9a-f]+", message[name]["AESKey"]), octets
    return message


def test_row_json_parser():
    """serde reads exact names only, borrows strings, and knows no null in place of nothing."""
    with Site() as site:
        for device in site.devices.values():
            for send, body in ((site.chirpstack_sends, chirpstack_body(device, 1)),
                               (site.things_sends, things_body(device, 2, "1.0")),
                               (site.things_sends, things_body(device, 3, "1.1")),
                               (site.chirpstack_sends, chirpstack_body(device, 1,
                                                                       DevAddr="00000000")),
                               (site.things_sends, things_body(device, 3, "1.1", RxDelay=99)),
                               (site.chirpstack_sends, chirpstack_body(device, 4,
                                                                       SenderToken="0aFF"))):
                status, octets = send(body)
                assert status == 200, f"HTTP {status} {octets}"
                message = strictly_written(octets)
                if "SenderToken" in body:
                    assert message["ReceiverToken"] == "0aFF", message
        # What a client may write for "nothing": null, "", {} and members of its own.
        device = site.devices["1.1"]
        device.dev_nonce = device.last_join_nonce = 0
        for extra in ({"CFList": None}, {"SenderToken": None, "ReceiverToken": ""},
                      {"VSExtension": {}}, {"VSExtension": {"VendorID": "EC656E",
                                                            "Object": {"a": [1]}}},
                      {"Unknown": {"PHYPayload": "00"}, "phypayload": "00", "deveui": None}):
            device.dev_nonce = 10 + device.last_join_nonce
            session = site.session(device, "chirpstack", **extra)
            keys = device.read_accept(session.accept, device.dev_nonce, NET_ID)
            assert keys["FNwkSIntKey"] == session.keys["FNwkSIntKey"].hex()


def test_row_answer_phy_payload():
    with Site() as site:
        for device, dialect in site.both():
            assert len(site.joins(device, dialect, CFList=CF_LIST).accept) == 33
            assert len(site.joins(device, dialect, CFList="").accept) == 17


def test_row_keys_1_0_and_1_1():
    """NwkSKey alone, or all three and never NwkSKey: a missing one brings either server down."""
    with Site() as site:
        for device, dialect in site.both():
            session = site.joins(device, dialect)
            names = {name for name in session.answer if name.startswith(("Nwk", "FNwk", "SNwk"))}
            assert names == (set(THREE_KEYS) if device.version == "1.1" else {"NwkSKey"}), names


def test_row_key_envelope():
    """KEKLabel only where the key is wrapped; the same label for all network keys."""
    for size in (None, 16):
        with Site(keks=size) as site:
            for device, dialect in site.both():
                session = site.joins(device, dialect)
                for name, value in session.answer.items():
                    if name in THREE_KEYS or name == "NwkSKey":
                        wanted = {"AESKey"} if size is None else {"AESKey", "KEKLabel"}
                        assert set(value) == wanted, f"{name}: {value}"
                assert set(session.answer["AppSKey"]) == {"AESKey"}, session.answer


def test_row_app_s_key():
    """The one decrypts with a plain AppSKey, the other passes it on."""
    with Site() as site:
        for device, dialect in site.both():
            session = site.joins(device, dialect)
            assert session.app_s_key.hex() == session.device_app_s_key, session.answer
            if dialect == "chirpstack":
                assert not session.end_to_end, "ChirpStack would not decrypt"


def test_row_session_key_id():
    """For The Things Stack always, for a plain ChirpStack never; new for each join."""
    with Site() as site:
        seen = set()
        for device, dialect in site.both():
            for _ in range(2):
                session = site.joins(device, dialect)
                if dialect == "chirpstack":
                    assert "SessionKeyID" not in session.answer, session.answer
                    continue
                assert len(session.answer["SessionKeyID"]) >= 16, session.answer
                assert session.answer["SessionKeyID"] not in seen, "given twice"
                seen.add(session.answer["SessionKeyID"])


def test_row_lifetime():
    with Site() as site:
        for device, dialect in site.both():
            lifetime = site.joins(device, dialect).answer.get("Lifetime", 0)
            assert type(lifetime) is int and 0 <= lifetime < 2 ** 32, lifetime


# Everything at once


def every_version_delivered(mode, size, tls):
    """All versions in all dialects with one way to deliver the AppSKey and one KEK."""
    label = f"ns-kek-{size}" if size else None
    with Site(keks=size, delivery=(mode, mode), tls=tls) as site:
        site.server.cli("as", "add", "app", "--as-id", "as.example", "--kek-label", "as-kek-2026",
                        "--kek-file", site.kek_file(AS_KEK))
        for device in site.devices.values():
            site.server.cli("device", "set", device.dev_eui.hex(), "--as-id", "as.example")
        for device, dialect in site.both():
            if dialect == "chirpstack" and size in (24, 32):
                continue  # it knows KEKs of 16 octets only
            session = site.joins(device, dialect)
            answer, shown = session.answer, f"{dialect} {device.version} {mode}: {session.answer}"
            for name in THREE_KEYS + ["NwkSKey"]:
                if name in answer:
                    assert answer[name].get("KEKLabel") == label, shown
            assert ("SessionKeyID" in answer) == (mode != "inline"), shown
            assert ("AppSKey" in answer) == (mode != "fetch"), shown
            if mode in ("inline", "inline-id"):
                assert answer["AppSKey"] == {"AESKey": session.device_app_s_key}, shown
            if mode == "wrapped":
                assert answer["AppSKey"]["KEKLabel"] == "as-kek-2026", shown
                assert unwrap(AS_KEK, session.app_s_key).hex() == session.device_app_s_key, shown
            if dialect == "chirpstack":
                assert session.end_to_end == (mode != "inline"), shown


def test_every_version_inline():
    for size in (None, 16, 24, 32):
        every_version_delivered("inline", size, tls=size is None)


def test_every_version_inline_id():
    for size in (None, 16, 24, 32):
        every_version_delivered("inline-id", size, tls=size == 16)


def test_every_version_wrapped():
    for size in (None, 16, 24, 32):
        every_version_delivered("wrapped", size, tls=size == 24)


def test_every_version_fetch():
    for size in (None, 16, 24, 32):
        every_version_delivered("fetch", size, tls=size == 32)


def test_delivery_of_a_device():
    """The device's own setting wins over the network server's; without any, the AS decides."""
    with Site(delivery=("inline", "inline-id")) as site:
        site.server.cli("as", "add", "app", "--as-id", "as.example", "--kek-label", "as-kek",
                        "--kek-file", site.kek_file(AS_KEK))
        device = site.devices["1.1"]
        eui = device.dev_eui.hex()

        def seen(dialect):
            answer = site.joins(device, dialect).answer
            return {name for name in ("AppSKey", "SessionKeyID") if name in answer}

        for mode, wanted in (("inline", {"AppSKey"}), ("inline-id", {"AppSKey", "SessionKeyID"}),
                             ("fetch", {"SessionKeyID"})):
            site.server.cli("device", "set", eui, "--app-s-key", mode)
            for dialect in DIALECTS:
                assert seen(dialect) == wanted, f"{mode} in {dialect}"
        # Wrapped for an application server that is not there: refused, and no nonce is used up.
        site.server.cli("device", "set", eui, "--app-s-key", "wrapped")
        for dialect in DIALECTS:
            refused_with("JoinReqFailed", site.session, device, dialect)
        site.server.cli("device", "set", eui, "--as-id", "nobody.example")
        refused_with("JoinReqFailed", site.session, device, "things 1.1")
        site.server.cli("device", "set", eui, "--as-id", "as.example")
        session = site.joins(device, "things 1.1")
        assert session.answer["AppSKey"]["KEKLabel"] == "as-kek", session.answer
        site.server.cli("device", "set", eui, "--app-s-key", "default")
        assert seen("chirpstack") == {"AppSKey"}
        assert seen("things 1.1") == {"AppSKey", "SessionKeyID"}
        for name in ("chirpstack", "things"):
            site.server.cli("ns", "set", name, "--app-s-key", "default")
        for dialect in DIALECTS:  # the device has an AS
            assert seen(dialect) == {"SessionKeyID"}, dialect
        site.server.cli("device", "set", eui, "--as-id", "")
        for dialect in DIALECTS:  # and now it has none
            assert seen(dialect) == {"AppSKey", "SessionKeyID"}, dialect


def test_the_same_question_again():
    """A repetition may differ in TransactionID, case and connection: it gets the same session."""
    with Site() as site:
        for device, dialect in site.both():
            first = site.session(device, dialect)
            again = [site.session(device, dialect), site.session(device, dialect, TransactionID=99),
                     site.session(device, dialect, DevAddr=DEV_ADDR.upper()),
                     site.session(device, dialect, DevEUI="0x" + device.dev_eui.hex())]
            for session in again:
                for name in set(first.answer) | set(session.answer):
                    if name != "TransactionID":
                        assert session.answer[name] == first.answer[name], \
                            f"{name}: {session.answer} after {first.answer}"
            site.accepted(device, first)


def test_the_same_frame_with_other_parameters():
    with Site() as site:
        for device, dialect in site.both():
            code = "FrameReplayed" if dialect == "things 1.1" else "JoinReqFailed"
            first = site.session(device, dialect)
            new = device.version == "1.1"
            other = "1.0.1" if device.version != "1.0.1" else "1.0.2"
            for changes in ({"DevAddr": "2600abce"}, {"DLSettings": "81" if new else "01"},
                            {"RxDelay": 2}, {"CFList": "00" * 16},
                            {"MACVersion": other, "DLSettings": "00"}):
                answer = refused_with(code, site.session, device, dialect, **changes)
                assert "PHYPayload" not in answer, answer
            # The other network server asks: its own question, so not the same.
            stranger = "things 1.1" if dialect == "chirpstack" else "chirpstack"
            refused_with("FrameReplayed" if stranger == "things 1.1" else "JoinReqFailed",
                         site.session, device, stranger)
            site.accepted(device, first)


def test_identical_requests_in_parallel():
    """Eight at once through two fronts: one JoinNonce, and answers alike to the last octet."""
    for tls in (False, True):
        with Site(fronts=2, tls=tls) as site:
            for device, dialect in list(site.both()) * 2:
                if dialect == "chirpstack":
                    body = chirpstack_body(device, device.dev_nonce)
                    octets = chirpstack_octets(body, site.chirpstack_token, site.host)
                else:
                    body = things_body(device, device.dev_nonce, dialect[-3:])
                    octets = things_octets(body, site.things_token, site.host)
                answers, failures = [], []
                gate = threading.Barrier(8)

                def ask(octets=octets, gate=gate, answers=answers, failures=failures):
                    try:
                        with contextlib.closing(site.connect()) as link:
                            gate.wait(20 * SLOW)
                            link.sendall(octets)
                            status, _, text = take_answer(link)
                            answers.append((status, text))
                    except Exception as error:  # shown by the test
                        failures.append(repr(error))

                threads = [threading.Thread(target=ask) for _ in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(30 * SLOW)
                assert not failures and len(answers) == 8, failures
                assert len(set(answers)) == 1, f"{len(set(answers))} answers: {set(answers)}"
                reads = chirpstack_reads if dialect == "chirpstack" else things_reads
                site.accepted(device, reads(*answers[0], body))
            for device in site.devices.values():
                shown = site.server.json("device", "show", device.dev_eui.hex())
                assert shown["next_join_nonce"] == device.last_join_nonce + 1, shown
                assert shown["dev_nonces_used"] == device.dev_nonce, shown


def test_csv_of_the_things_stack():
    """Semicolons, every column of its documentation, quotes and a spreadsheet's line ends."""
    columns = ("id;dev_eui;join_eui;name;description;lorawan_version;lorawan_phy_version;"
               "frequency_plan_id;brand_id;model_id;hardware_version;firmware_version;band_id;"
               "app_key;nwk_key;rx1_delay;supports_32_bit_f_cnt;supports_class_b;supports_class_c;"
               "vendor_id;vendor_profile_id;dev_addr;app_s_key;f_nwk_s_int_key;s_nwk_s_int_key;"
               "nwk_s_enc_key;last_f_cnt_up;last_n_f_cnt_down;last_a_f_cnt_down;"
               "last_conf_f_cnt_down").split(";")
    with Site() as site:
        devices = []
        lines = [";".join(columns)]
        for number, version in enumerate(VERSIONS):
            root = bytes(0x40 + 16 * number + i & 0xff for i in range(16))
            nwk = bytes(b ^ 0x5a for b in root) if version == "1.1" else None
            device = Device(f"70b3d57ed0fe00{number:02x}", "70b3d57ed0fe1234", version, root, nwk)
            devices.append(device)
            row = dict.fromkeys(columns, "")
            row.update({
                "id": f"eui-70b3d57ed0fe00{number:02x}", "dev_eui": device.dev_eui.hex().upper(),
                "join_eui": device.join_eui.hex().upper(), "name": f"Pump {number}",
                "lorawan_version": "MAC_V" + ("1_1" if nwk else version.replace(".", "_"))
                if version != "1.0.0" else "MAC_V1_0",
                "lorawan_phy_version": "PHY_V1_0_3_REV_A", "frequency_plan_id": "EU_863_870_TTN",
                "brand_id": "the-things-products", "model_id": "the-things-uno",
                "hardware_version": "1.0", "firmware_version": "quickstart",
                "band_id": "EU_863_870",
                "app_key": root.hex().upper(), "nwk_key": nwk.hex().upper() if nwk else "",
                "rx1_delay": "5", "supports_32_bit_f_cnt": "true", "supports_class_b": "false",
                "supports_class_c": "false", "vendor_id": "42", "vendor_profile_id": "1"})
            if number == 2:  # with a session, quotes and semicolons
                row.update({"name": '"Pump ""2""; cellar"', "description": '"a; b\r\nsecond line"',
                            "dev_addr": "2600ABCD", "app_s_key": "11" * 16,
                            "f_nwk_s_int_key": "22" * 16, "last_f_cnt_up": "17"})
            lines.append(";".join(row[name] for name in columns))
        path = site.server.folder / "end-devices.csv"
        path.write_bytes(("\r\n".join(lines) + "\r\n").encode())
        site.server.cli("device", "import", path)
        for device in devices:
            shown = site.server.json("device", "show", device.dev_eui.hex())
            assert shown["lorawan_version"] == device.version, shown
            for dialect in DIALECTS:
                site.joins(device, dialect)
        shown = site.server.json("device", "show", devices[2].dev_eui.hex())
        assert shown["name"] == 'Pump "2"; cellar', shown
        # Once more as it is: everything is there already, and nothing changes.
        done = site.server.cli("device", "import", path, check=False)
        assert done.returncode == 0, done
        assert done.stdout.startswith(f"0 devices added, {len(devices)} already there"), done
        for device in devices:
            site.joins(device, "things 1.1")


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
