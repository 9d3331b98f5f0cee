"""Who is who: every way to show it, on its own and against the other ones, and what is not enough."""
import base64
import contextlib
import http.client
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import warnings

from certificates import Authority, fingerprint
from commands import add_device, fails
from server import SLOW, Server, code, join_req, run_tests
from stub_ns import wait_for
from wire import Wire, request, text_of

DAY_S = 24 * 60 * 60


def client_context(server, name=None, version=None):
    """That of a client with the certificate of that name."""
    context = ssl.create_default_context(cafile=server.folder / "tls.pem")
    context.check_hostname = False
    if name is not None:
        context.load_cert_chain(server.folder / f"{name}.pem", server.folder / f"{name}.key")
    if version is not None:
        with warnings.catch_warnings():  # those not to be used are to be refused
            warnings.simplefilter("ignore", DeprecationWarning)
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
    return context


def outcome(status, answer):
    return code(answer) if status == 200 else status


def ask(server, device, client=None, authorization=None, link=None, **changes):
    """A join; gives the ResultCode, or the HTTP status if that is not 200."""
    body = join_req(device, device.dev_nonce, **changes)
    head = {} if authorization is None else {"Authorization": authorization}
    own = link is None
    if own:
        link = server.connect() if not server.tls else http.client.HTTPSConnection(
            "127.0.0.1", server.port, context=client_context(server, client), timeout=20 * SLOW)
    try:
        status, answer, _ = server.post(body, headers=head, connection=link)
    finally:
        if own:
            link.close()
    if status == 200 and code(answer) == "Success":
        device.read_accept(bytes.fromhex(answer["PHYPayload"]), device.dev_nonce,
                           changes.get("net_id", "000013"))
        device.dev_nonce += 1
    return outcome(status, answer)


def peer_of_last(server):
    """The name in the log of who asked last; the line may follow the answer."""
    def lines():
        return [line for line in server.new_log().splitlines() if "JoinReq answered" in line]

    wait_for("a line", lines)
    return re.search(r" peer=(\S*)", lines()[-1]).group(1)


def trusting(*authorities, server, lines=()):
    """Before the first start: the CAs of client certificates."""
    bundle = server.folder / "clients.pem"
    bundle.write_text("".join(ca.pem.read_text() for ca in authorities))
    server.conf.write_text(server.conf.read_text() + "\n".join(
        ["[server]", f"tls_client_ca = {bundle}", *lines]) + "\n")
    return server


def secret(server, text):
    path = server.folder / "secret"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def test_by_fingerprint():
    server = Server(tls=True)
    ca = Authority(server)
    for name, how in {"a": {}, "b": dict(eku="clientAuth"), "other": {},
                      "ended": dict(start=-10, end=-1), "early": dict(start=1),
                      "for-servers": dict(eku="serverAuth"), "both": dict(
                          eku="serverAuth,clientAuth"), "alone": dict(selfsigned=True),
                      "twin": dict(subject="/CN=a")}.items():
        ca.issue(name, **how)
    with server:
        device = add_device(server)
        pinned = ("a", "early", "for-servers")
        args = [arg for name in pinned for arg in ("--certificate", server.folder / f"{name}.pem")]
        server.cli("ns", "add", "home", "--net-id", "000013", "--any-device", *args)
        for net_id, name in (("000024", "b"), ("000035", "both"), ("000046", "alone")):
            server.cli("ns", "add", f"ns-{name}", "--net-id", net_id, "--any-device",
                       "--certificate", server.folder / f"{name}.pem")
        wanted = {"a": "Success", "ended": 401, "early": 401, "for-servers": 401, "other": 401,
                  "twin": 401, None: 401}
        for name, result in wanted.items():
            assert ask(server, device, name) == result, name
        for net_id, name in (("000024", "b"), ("000035", "both"), ("000046", "alone")):
            assert ask(server, device, name, net_id=net_id) == "Success", name
            assert peer_of_last(server) == f"ns-{name}"
            # A peer is not another one because it says so.
            assert ask(server, device, name) == "UnknownSender", name
        assert ask(server, device, "a", net_id="000024") == "UnknownSender"
        for name, peer in (("a", "home"), ("b", "ns-b")):
            assert fingerprint(server.folder / f"{name}.pem") in server.cli("ns", "show", peer)
        fails(server, "ns", "add", "ended", "--net-id", "000057", "--certificate",
              server.folder / "ended.pem", words="has ended")


def test_one_that_ends_meanwhile():
    """What was found out about a certificate is kept for a minute, but not beyond its end."""
    server = Server(tls=True)
    ca = Authority(server)
    with trusting(ca, server=server):
        device = add_device(server)
        server.cli("ns", "add", "home", "--net-id", "000013", "--any-device", "--ca", ca.pem,
                   "--subject", "brief")
        lives = 6 * SLOW
        ends = time.time() + lives
        ca.issue("brief", end=(lives - 60) / DAY_S)
        server.cli("ns", "set", "home", "--certificate", server.folder / "brief.pem")
        link = http.client.HTTPSConnection(
            "127.0.0.1", server.port, context=client_context(server, "brief"), timeout=20 * SLOW)
        good = 0
        while time.time() < ends - 2:
            assert ask(server, device, link=link) == "Success"
            good += 1
            time.sleep(0.2)
        assert good > 3
        time.sleep(max(0, ends + 2 - time.time()))
        assert ask(server, device, link=link) == 401
        link.close()


def test_by_ca_and_subject():
    server = Server(tls=True)
    ca, same = Authority(server, "ca", "/O=Ours/CN=Root"), Authority(server, "same",
                                                                     "/O=Ours/CN=Root")
    untold = Authority(server, "untold")
    names = {  # each of the CA, of another CA with its name, and of one that is not in the bundle
        "dns": (dict(subject="/CN=x", san="DNS:one.example,DNS:NS.Example.ORG"), "ns.example.org"),
        "uri": (dict(subject="/CN=x", san="URI:urn:ns:Seven"), "urn:ns:Seven"),
        "cn": (dict(subject="/O=Us/CN=Common.Example"), "common.example"),
        "dn": (dict(subject="/C=CH/O=Whole/CN=ns"), "CN=ns,O=Whole,C=CH"),
    }
    for name, (how, _) in names.items():
        ca.issue(name, **how)
        same.issue(f"{name}-same", **how)
        untold.issue(f"{name}-untold", **how)
        ca.issue(f"{name}-alone", selfsigned=True, **how)
    ca.issue("cn-hidden", subject="/CN=common.example", san="DNS:else.example")
    ca.issue("uri-case", san="URI:urn:ns:seven")
    ca.issue("dns-part", san="DNS:a.ns.example.org")
    ca.issue("ended", san="DNS:ns.example.org", start=-10, end=-1)
    ca.issue("early", san="DNS:ns.example.org", start=1)
    ca.issue("for-servers", san="DNS:ns.example.org", eku="serverAuth")
    ca.issue("dn-more", subject="/C=CH/O=Whole/O=More/CN=ns")
    with trusting(ca, same, server=server):
        device = add_device(server)
        net_ids = dict(zip(names, ("000013", "000024", "000035", "000046")))
        for name, (_, subject) in names.items():
            server.cli("ns", "add", name, "--net-id", net_ids[name], "--any-device", "--ca",
                       ca.pem, "--subject", subject)
        for name, net_id in net_ids.items():
            assert ask(server, device, name, net_id=net_id) == "Success", name
            assert peer_of_last(server) == name
            other = net_ids["dns" if name != "dns" else "cn"]
            assert ask(server, device, name, net_id=other) == "UnknownSender", name
            for wrong in ("same", "untold", "alone"):
                assert ask(server, device, f"{name}-{wrong}", net_id=net_id) == 401, (name, wrong)
        for name, of in (("cn-hidden", "cn"), ("uri-case", "uri"), ("dns-part", "dns"),
                         ("ended", "dns"), ("early", "dns"), ("for-servers", "dns"),
                         ("dn-more", "dn")):
            assert ask(server, device, name, net_id=net_ids[of]) == 401, name
        # The same name under the other CA is another peer.
        server.cli("ns", "add", "theirs", "--net-id", "000013", "--any-device", "--ca", same.pem,
                   "--subject", "ns.example.org")
        assert ask(server, device, "dns-same") == "Success" and peer_of_last(server) == "theirs"
        assert ask(server, device, "dns") == "Success" and peer_of_last(server) == "dns"
        # A CA that is taken out of the bundle vouches for nobody any more.
        (server.folder / "clients.pem").write_text(same.pem.read_text())
        server.process.send_signal(signal.SIGHUP)
        wait_for("the new bundle", lambda: "info front: the PEM files were read again"
                 in server.new_log())
        assert ask(server, device, "dns") == 401
        assert ask(server, device, "dns-same") == "Success"


def test_two_credentials_at_once():
    server = Server(tls=True)
    ca = Authority(server)
    for name in ("a", "b", "nobody"):
        ca.issue(name)
    with server:
        device = add_device(server)
        tokens = {}
        for name, net_id in (("a", "000013"), ("b", "000024")):
            tokens[name] = "Bearer " + server.add_ns(
                name, "--net-id", net_id, "--any-device", "--certificate",
                server.folder / f"{name}.pem")
        assert ask(server, device, "a", tokens["a"]) == "Success"
        assert ask(server, device, "b", tokens["b"], net_id="000024") == "Success"
        # Whose is it? Nobody's, whichever name it gives itself.
        for client, token in (("a", "b"), ("b", "a")):
            for net_id in ("000013", "000024"):
                assert ask(server, device, client, tokens[token],
                           net_id=net_id) == "UnknownSender", (client, token, net_id)
        # One that is nobody's takes nothing away.
        assert ask(server, device, "nobody", tokens["a"]) == "Success"
        assert ask(server, device, "a", "Bearer nobody-0123456789abcdef") == "Success"
        assert ask(server, device, "nobody", "Bearer nobody-0123456789abcdef") == 401


def test_authorization():
    with Server() as server:
        device = add_device(server)
        server.cli("ns", "add", "basic", "--net-id", "000013", "--any-device", "--basic-file",
                   secret(server, "user:pass:word-0123"))
        server.cli("ns", "add", "fixed", "--net-id", "000024", "--any-device",
                   "--authorization-file", secret(server, "Key-Of-Ours 0123456789abcdef"))
        token = server.add_ns("token", "--net-id", "000035", "--any-device")
        basic = base64.b64encode(b"user:pass:word-0123").decode()
        good = {"000013": [f"Basic {basic}", f"basic {basic}", f"BASIC   {basic}", f"Basic\t{basic}",
                           f"  Basic {basic}  "],
                "000024": ["Key-Of-Ours 0123456789abcdef", "key-of-ours  0123456789abcdef"],
                "000035": [f"Bearer {token}", f"bEARER {token}", f"Bearer    {token} "]}
        for net_id, values in good.items():
            for value in values:
                assert ask(server, device, None, value, net_id=net_id) == "Success", value
        for value in (f"Bearer {token}x", f"Bearer {token[:-1]}", f"Bearer {token.upper()}",
                      f"Bearer{token}", f"Bearer {token} {token}", token, f"Bearer: {token}",
                      f"Basic {token}", f"Bearer {basic}", "Key-Of-Ours 0123456789ABCDEF",
                      "Key-Of-Ours", "Bearer", "Bearer ", "", "Basic " + "A" * 5000,
                      f"Bearer {token}, Bearer {token}"):
            assert ask(server, device, None, value, net_id="000035") == 401, value
        # Two of them are refused even where both are good: who reads the first and who the last?
        for second in (f"Bearer {token}", f"Basic {basic}", "Bearer nobody-0123456789abcdef", ""):
            with Wire(server) as wire:
                body = join_req(device, device.dev_nonce, net_id="000035")
                wire.send(request(token, body, f"Authorization: {second}"))
                assert wire.answer() == (400, b""), second
        everything = server.new_log()
        for word in (token, basic, "0123456789abcdef", "pass:word"):
            assert word not in everything, "a credential is in the log"


def test_private_networks():
    """NetIDs 000000 and 000001 belong to anybody: the credential tells them apart."""
    server = Server(tls=True)
    ca = Authority(server)
    for name in ("east", "west", "north"):
        ca.issue(name, eku="clientAuth")
    with server:
        east, west = add_device(server, 1), add_device(server, 2)
        for name in ("east", "west", "north"):
            server.cli("ns", "add", name, "--net-id", "000000", "--net-id", "000001",
                       "--any-device", "--certificate", server.folder / f"{name}.pem")
        token = server.add_ns("south", "--net-id", "000001", "--any-device")
        for net_id in ("000000", "000001"):
            for name, device in (("east", east), ("west", west), ("north", east)):
                assert ask(server, device, name, net_id=net_id) == "Success", (name, net_id)
                assert peer_of_last(server) == name
        assert ask(server, west, None, f"Bearer {token}", net_id="000001") == "Success"
        assert peer_of_last(server) == "south"
        assert ask(server, west, None, f"Bearer {token}", net_id="000000") == "UnknownSender"
        # What belongs to one is not the other's.
        server.cli("ns", "set", "west", "--join-eui", "70b3d57ed0009999")
        assert ask(server, west, "west", net_id="000001") != "Success"
        assert ask(server, west, "east", net_id="000001") == "Success"


def test_ns_id():
    with Server() as server:
        device = add_device(server)
        token = "Bearer " + server.add_ns("home", "--net-id", "000013", "--ns-id",
                                          "70b3d57ed0000abc", "--any-device")
        new = dict(ProtocolVersion="1.1")
        assert ask(server, device, None, token, SenderNSID="70b3d57ed0000abc", **new) == "Success"
        assert ask(server, device, None, token, SenderNSID="70B3D57ED0000ABC", **new) == "Success"
        assert ask(server, device, None, token, **new) == "UnknownSender", "none given"
        assert ask(server, device, None, token) == "Success", "1.0 has none"
        assert ask(server, device, None, token, SenderNSID="70b3d57ed0000abd",
                   **new) == "UnknownSender"


def test_tls_versions():
    server = Server(tls=True)
    Authority(server).issue("home")
    with server:
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            try:
                with Wire(server, client_context(server, None, version)):
                    raise AssertionError(f"{version} is spoken")
            except (ssl.SSLError, ConnectionError) as error:
                # Not our own library that does not want to.
                words = ("EOF", "ALERT_PROTOCOL_VERSION", "reset")
                assert any(word in str(error) for word in words), error
        device = add_device(server)
        server.cli("ns", "add", "home", "--net-id", "000013", "--any-device", "--certificate",
                   server.folder / "home.pem")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for offered in (["http/1.1"], ["h2", "http/1.1"]):
                context = client_context(server, "home", version)
                context.set_alpn_protocols(offered)
                link = http.client.HTTPSConnection("127.0.0.1", server.port, context=context,
                                                   timeout=20 * SLOW)
                assert ask(server, device, link=link) == "Success", version
                assert link.sock.selected_alpn_protocol() == "http/1.1"
                assert link.sock.version() == version.name.replace("_", "."), link.sock.version()
                link.close()


def test_no_renegotiation():
    with Server(tls=True) as server:
        def dialled():
            return subprocess.Popen(
                ["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{server.port}"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

        calm, eager = dialled(), dialled()
        seen = {}
        for client in (calm, eager):
            seen[client] = b""
            while b"---\n" not in seen[client][-40:] or b"Verify return" not in seen[client]:
                line = client.stdout.readline()
                assert line, seen[client]
                seen[client] += line
        eager.stdin.write(b"R\n")
        eager.stdin.flush()
        rest = eager.stdout.read()  # to the end: the server hangs up
        eager.wait(10 * SLOW)
        assert b"RENEGOTIATING" in rest and b"Verify return" not in rest, rest
        assert rest.count(b"BEGIN CERTIFICATE") == 0 and b"verify return" not in rest, rest
        assert calm.poll() is None, "who does not ask for it stays connected"
        calm.stdin.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        calm.stdin.flush()  # not closed: then it would not wait for the answer
        assert b"HTTP/1.1 405" in calm.stdout.read()
        calm.wait(10 * SLOW)
        for client in (calm, eager):
            client.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                client.stdin.close()


def raw_join(wire, device):
    octets = text_of(join_req(device, device.dev_nonce))
    wire.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
              b"Content-Length: %d\r\n\r\n" % len(octets) + octets)
    status, answer = wire.answer()
    if status == 200 and b"Success" in answer:
        device.dev_nonce += 1
        return "Success"
    return status


def test_resumed_sessions():
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        server = Server(tls=True)
        ca = Authority(server)
        ca.issue("home")
        ca.issue("next")
        with server:
            device = add_device(server)
            server.cli("ns", "add", "home", "--net-id", "000013", "--any-device", "--certificate",
                       server.folder / "home.pem")
            context = client_context(server, "home", version)

            def resumed(session):
                link = socket.create_connection(("127.0.0.1", server.port), timeout=20 * SLOW)
                wire = Wire.__new__(Wire)
                wire.link = context.wrap_socket(link, server_hostname="localhost", session=session)
                wire.file = wire.link.makefile("rb")
                return wire

            with Wire(server, context) as kept:
                assert raw_join(kept, device) == "Success"
                session = kept.link.session
                with resumed(session) as again:
                    assert again.link.session_reused, version
                    assert raw_join(again, device) == "Success", "the identity is kept"
                    assert raw_join(again, device) == "Success"
                    # The peer is shown another certificate from now on.
                    server.cli("ns", "set", "home", "--token", "--certificate", "")
                    assert raw_join(again, device) == 401, "a resumed connection"
                    assert raw_join(kept, device) == 401, "a kept connection"
                with resumed(session) as third:
                    assert raw_join(third, device) == 401, "a session resumed afterwards"
                server.cli("ns", "set", "home", "--certificate", server.folder / "home.pem")
                assert raw_join(kept, device) == "Success", "known again"
            # The identity is the session's, not that of who connects with it.
            server.cli("ns", "set", "home", "--certificate", server.folder / "next.pem")
            with resumed(session) as fourth:
                assert raw_join(fourth, device) == 401


def test_certificates_that_end():
    server = Server(tls=True)
    ca = Authority(server)
    ca.issue("tls", san="IP:127.0.0.1", end=10)
    ca.issue("soon", end=10)
    ca.issue("later", end=32)
    with server:
        server.cli("ns", "add", "later", "--net-id", "000013", "--certificate",
                   server.folder / "later.pem")
        said = server.json("status")["warnings"]
        assert len(said) == 1 and "this server ends in 10 days" in said[0], said
        wait_for("the log", lambda: "expires soon" in server.new_log())
        assert "days=10" in server.new_log(), server.new_log()
        server.cli("ns", "add", "soon", "--net-id", "000013", "--certificate",
                   server.folder / "soon.pem")
        said = server.json("status")["warnings"]
        assert len(said) == 2 and "certificate of soon ends in 10 days" in said[1], said
        assert "ends in 10 days" in server.cli("status")
        server.stop()
        # One of our own that has ended: told, and served all the same.
        ca.issue("tls", san="IP:127.0.0.1", start=-5, end=-1)
        server.start()
        wait_for("the log", lambda: "error front: the certificate of tls_certificate has expired"
                 in server.new_log())
        wait_for(lambda: server.json("status")["warnings"],
                 lambda: any("this server has ended" in text
                             for text in server.json("status")["warnings"]))
        context = client_context(server)
        context.verify_mode = ssl.CERT_NONE
        link = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
        assert ask(server, add_device(server), link=link) == 401
        link.close()


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
