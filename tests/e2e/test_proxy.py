"""TLS that ends at a proxy: who the client is stands in a header, which counts from the proxy's
address only, in the one form that is configured, and for that one request."""
import base64
import contextlib
import http.client
import itertools
import re
import socket
import sys
import time
import urllib.parse

from certificates import Authority, der, fingerprint
from commands import add_device
from server import SLOW, Server, code, join_req, run_tests
from wire import Wire, text_of

PROXY = "127.0.0.9"  # any address in 127/8 is this machine's


def rfc9440(pem, chain=()):
    found = {"Client-Cert": f":{base64.b64encode(der(pem)).decode()}:"}
    if chain:
        found["Client-Cert-Chain"] = ", ".join(
            f":{base64.b64encode(der(one)).decode()}:" for one in chain)
    return found


def nginx(pem, chain=(), name="X-SSL-Client-Cert"):
    """$ssl_client_escaped_cert; it passes on no chain."""
    return {name: urllib.parse.quote(pem.read_text(), safe="")}


def short(pem, chain=()):
    return nginx(pem, chain, "X-SSL-Cert")


def traefik(pem, chain=()):
    """passTLSClientCert with pem: BASE64 without the lines of PEM, the chain behind commas."""
    text = ",".join(base64.b64encode(der(one)).decode() for one in (pem, *chain))
    return {"X-Forwarded-Tls-Client-Cert": urllib.parse.quote(text)}


FORMS = {"Client-Cert": rfc9440, "X-SSL-Client-Cert": nginx, "X-SSL-Cert": short,
         "X-Forwarded-Tls-Client-Cert": traefik}


@contextlib.contextmanager
def installed(header, everywhere=False):
    """A server behind a proxy, two peers known by certificate and one by the name in its own;
    gives server, folder's certificates by name, and a device."""
    server = Server()
    ca = Authority(server)
    certificates = {name: ca.issue(name, eku="clientAuth") for name in ("a", "b", "stranger")}
    certificates["named"] = ca.issue("named", san="DNS:ns.example.org")
    certificates["ended"] = ca.issue("ended", san="DNS:ns.example.org", start=-9, end=-1)
    certificates["for-servers"] = ca.issue("for-servers", san="DNS:ns.example.org",
                                           eku="serverAuth")
    certificates["self"] = ca.issue("self", san="DNS:ns.example.org", selfsigned=True)
    certificates["ca"] = ca.pem
    text = server.conf.read_text()
    if everywhere:
        text = text.replace(f"listen = 127.0.0.1:{server.port}", f"listen = 0.0.0.0:{server.port}")
    lines = ["[server]", f"trusted_proxies = 10.99.0.0/16 {PROXY}", f"tls_client_ca = {ca.pem}"]
    lines += [f"proxy_header = {header}"] if header else []
    server.conf.write_text(text + "\n".join(lines) + "\n")
    with server:
        for name, net_id in (("a", "000013"), ("b", "000024")):
            server.cli("ns", "add", name, "--net-id", net_id, "--any-device", "--certificate",
                       certificates[name])
        server.cli("ns", "add", "named", "--net-id", "000035", "--any-device", "--ca", ca.pem,
                   "--subject", "ns.example.org")
        yield server, certificates, add_device(server)


def dial(server, source=PROXY, to="127.0.0.1"):
    return http.client.HTTPConnection(to, server.port, timeout=20 * SLOW,
                                      source_address=(source, 0))


def ask(server, device, headers, net_id="000013", source=PROXY, link=None, to="127.0.0.1"):
    """A join; gives the ResultCode, or the HTTP status if that is not 200."""
    own = link is None
    link = dial(server, source, to) if own else link
    try:
        status, answer, _ = server.post(join_req(device, device.dev_nonce, net_id=net_id),
                                        headers=headers, connection=link)
    finally:
        if own:
            link.close()
    if status == 200 and code(answer) == "Success":
        device.read_accept(bytes.fromhex(answer["PHYPayload"]), device.dev_nonce, net_id)
        device.dev_nonce += 1
    return code(answer) if status == 200 else status


def ask_raw(server, device, lines, source=PROXY):
    """The same with lines of the header as they are; gives the HTTP status."""
    octets = text_of(join_req(device, device.dev_nonce))
    wire = Wire.__new__(Wire)
    wire.link = socket.create_connection(("127.0.0.1", server.port), timeout=20 * SLOW,
                                         source_address=(source, 0))
    wire.file = wire.link.makefile("rb")
    with wire:
        head = ["POST / HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                f"Content-Length: {len(octets)}", *lines, "", ""]
        wire.send("\r\n".join(head).encode("latin-1") + octets)
        status, answer = wire.answer()
        if status == 200 and b'"Success"' in answer:
            device.dev_nonce += 1
        return status


def good_and_bad(header):
    write = FORMS[header or "Client-Cert"]
    with installed(header) as (server, certificates, device):
        joined = [("a", "000013"), ("b", "000024"), ("named", "000035")]
        for name, net_id in joined:
            shown = write(certificates[name])
            assert ask(server, device, shown, net_id) == "Success", name
            assert re.search(rf" peer={name} ", server.new_log().splitlines()[-1]), name
            chained = write(certificates[name], [certificates["ca"]])
            assert ask(server, device, chained, net_id) == "Success", f"{name} with its chain"
            lower = {key.lower(): value for key, value in shown.items()}
            assert ask(server, device, lower, net_id) == "Success", "the name in another case"
            other = "000013" if name != "a" else "000024"
            assert ask(server, device, shown, other) == "UnknownSender", name
            # The same from an address that was not declared: ignored.
            assert ask(server, device, shown, net_id, "127.0.0.1") == 401, name
            assert ask(server, device, shown, net_id, "127.0.0.8") == 401, name
        for name in ("stranger", "ended", "for-servers", "self", "ca"):
            for net_id in ("000013", "000035"):
                assert ask(server, device, write(certificates[name]), net_id) == 401, name
        assert ask(server, device, {}) == 401
        for key in write(certificates["a"]):
            assert ask(server, device, {key: ""}) == 401, "a client without a certificate"
        # The other forms' headers are no header at all here.
        for other, form in FORMS.items():
            if other != (header or "Client-Cert"):
                assert ask(server, device, form(certificates["a"])) == 401, other
                both = {**write(certificates["stranger"]), **form(certificates["a"])}
                assert ask(server, device, both) == 401, other
        # A form that does not belong to this header does not read.
        key = header or "Client-Cert"
        for other, form in FORMS.items():
            value = form(certificates["a"])[other]
            if form is not write and {form, write} != {nginx, short}:
                assert ask(server, device, {key: value}) == 400, f"{other} in {key}"
        hostile(server, device, key, write(certificates["a"])[key])
        assert ask(server, device, write(certificates["a"])) == "Success", "nothing is left of it"
        log = server.new_log()
        assert base64.b64encode(der(certificates["a"])).decode()[:40] not in log
        assert fingerprint(certificates["a"]) not in log


def hostile(server, device, key, value):
    """Nothing of this is a certificate; none of it ends a process."""
    pids = server.children()
    for wrong in (value[:-9], value[:40], "x", ":", "::", ":AAAA:", "%", "%zz", ",", ",,,", "=",
                  "-----BEGIN%20CERTIFICATE-----", value + ",x", "x" + value, value + value[:50],
                  ":" * 200, "A" * 4000, "\xff\xfe", "%00" * 20, '"' + value + '"'):
        assert ask_raw(server, device, [f"{key}: {wrong}"]) == 400, wrong[:60]
    # Twice is refused, be they alike or not, in any case.
    for second in (f"{key}: {value}", f"{key.upper()}: {value}", f"{key}: x", f"{key}:"):
        assert ask_raw(server, device, [f"{key}: {value}", second]) == 400, second[:60]
        assert ask_raw(server, device, [second, f"{key}: {value}"]) == 400, second[:60]
    # Lines that are no header of this name for a proxy, which therefore does not remove them.
    for lines in ([f"{key[:-2]}: {value}", f" {key[-2:]}"], [f"{key[:-2]}: {value}", f"\t{key[-2:]}"],
                  [f"{key} : {value}"], [f"{key}\t: {value}"], [f" {key}: {value}"],
                  [f"X: y\r{key}: {value}"], [f"X: y\n{key}: {value}"],
                  [f"X: y\r\r{key}: {value}"], [": y", f"{key}: {value}"],
                  [f"{key}:", f" {value}"], [f"X: y", f" {key}: {value}"]):
        assert ask_raw(server, device, lines) == 400, [line[:60] for line in lines]
    # A header beyond what a connection has room for is refused before anybody looks at it.
    assert ask_raw(server, device, [f"{key}: {'A' * 12000}"]) == 400
    assert ask_raw(server, device, [f"{key}: {'A' * 12000}"], "127.0.0.1") == 401
    for octets in (16384, 20480, 200000):
        for source in (PROXY, "127.0.0.1"):
            assert ask_raw(server, device, [f"{key}: {'A' * octets}"], source) == 431, octets
    assert server.children() == pids, "no process was started anew"


def test_rfc9440():
    good_and_bad("Client-Cert")


def test_default_is_rfc9440():
    good_and_bad(None)


def test_nginx():
    good_and_bad("X-SSL-Client-Cert")
    good_and_bad("X-SSL-Cert")


def test_traefik():
    good_and_bad("X-Forwarded-Tls-Client-Cert")


def test_chain_of_intermediates():
    """The name counts only if the chain in the header leads to the CA."""
    with installed("Client-Cert") as (server, certificates, device):
        root = Authority(server, "root")
        middle = Authority(server, "middle", by=root)
        leaf = middle.issue("leaf", san="DNS:leaf.example")
        server.stop()
        bundle = server.folder / "bundle.pem"
        bundle.write_text(root.pem.read_text())
        server.conf.write_text(server.conf.read_text().replace(
            f"tls_client_ca = {certificates['ca']}", f"tls_client_ca = {bundle}"))
        server.start()
        server.cli("ns", "add", "leaf", "--net-id", "000046", "--any-device", "--ca", root.pem,
                   "--subject", "leaf.example")
        assert ask(server, device, rfc9440(leaf, [middle.pem]), "000046") == "Success"
        assert ask(server, device, rfc9440(leaf, [root.pem, middle.pem]), "000046") == "Success"
        assert ask(server, device, rfc9440(leaf), "000046") == 401
        assert ask(server, device, rfc9440(leaf, [root.pem]), "000046") == 401
        chain = rfc9440(leaf, [middle.pem])["Client-Cert-Chain"]
        assert ask(server, device, {"Client-Cert-Chain": chain}, "000046") in (400, 401)
        shown = rfc9440(leaf)
        for wrong, status in (("x", 400), (":AAAA:", 400), (chain + ",", 400),
                              (", ".join([chain] * 9), 431)):
            seen = ask(server, device, {**shown, "Client-Cert-Chain": wrong}, "000046")
            assert seen == status, (wrong[:40], seen)
        lines = [f"{key}: {value}" for key, value in rfc9440(leaf, [middle.pem]).items()]
        assert ask_raw(server, device, [*lines, f"Client-Cert-Chain: {chain}"]) == 400


def test_many_names_do_not_fill_the_log():
    """A client of a CA writes what it likes into its chain: each is a new one to look at."""
    with installed("Client-Cert") as (server, certificates, device):
        ca = Authority(server, "many")
        named = ca.issue("nine", san=",".join(f"DNS:n{i}.example.org" for i in range(9)))
        pool = server.folder / "ca.pem"
        pool.write_text(pool.read_text() + ca.pem.read_text())
        server.stop()
        server.start()
        others = [certificates[name] for name in ("a", "b", "stranger", "ended", "self")]
        start, link = time.monotonic(), dial(server)
        for chain in itertools.permutations(others):
            assert ask(server, device, rfc9440(named, chain), link=link) == 401
        took = time.monotonic() - start
        lines = [line for line in server.new_log().splitlines() if "more names than" in line]
        assert 0 < len(lines) <= 10 * (took + 2), f"{len(lines)} lines in {took:.1f} s"


def test_clients_on_one_connection():
    with installed("X-SSL-Client-Cert") as (server, certificates, device):
        link = dial(server)
        a, b, stranger = (nginx(certificates[name]) for name in ("a", "b", "stranger"))
        link.connect()
        port = link.sock.getsockname()[1]
        for _ in range(5):
            assert ask(server, device, a, "000013", link=link) == "Success"
            assert ask(server, device, b, "000013", link=link) == "UnknownSender"
            assert ask(server, device, b, "000024", link=link) == "Success"
            assert ask(server, device, {}, "000024", link=link) == 401
            assert ask(server, device, stranger, "000013", link=link) == 401
            assert ask(server, device, a, "000024", link=link) == "UnknownSender"
        assert link.sock.getsockname()[1] == port, "it was one connection"
        link.close()
        # A token beside it: of the same peer it may be, of another one not.
        server.cli("ns", "set", "a", "--token-file", "-", text="token-of-a-0123456789abcdef\n")
        token = {"Authorization": "Bearer token-of-a-0123456789abcdef"}
        assert ask(server, device, {**a, **token}) == "Success"
        assert ask(server, device, {**b, **token}) == "UnknownSender"
        assert ask(server, device, token) == "Success"


def own_address():
    """One of this machine that is not loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        with contextlib.suppress(OSError):
            probe.connect(("192.0.2.200", 9))  # sends nothing
            found = probe.getsockname()[0]
            return None if found.startswith("127.") else found
    return None


def test_from_elsewhere():
    """Plain HTTP from an address that is neither the proxy's nor this machine's loopback."""
    address = own_address()
    if address is None:
        print("skipped: this machine has no address but loopback")
        return
    with installed("Client-Cert", everywhere=True) as (server, certificates, device):
        token = {"Authorization": "Bearer " + server.add_ns("t", "--net-id", "000013",
                                                            "--any-device")}
        for headers in ({}, token, rfc9440(certificates["a"])):
            assert ask(server, device, headers, source=address, to=address) == 403, headers
        assert "not in trusted_proxies" in server.new_log()
        assert ask(server, device, token, source="127.0.0.1") == "Success", "loopback"
        assert ask(server, device, rfc9440(certificates["a"])) == "Success", "the proxy"
        server.stop()
        server.conf.write_text(server.conf.read_text().replace(PROXY, f"{PROXY} {address}"))
        server.start()
        assert ask(server, device, rfc9440(certificates["a"]), source=address,
                   to=address) == "Success"
        assert ask(server, device, token, source=address, to=address) == "Success"


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
