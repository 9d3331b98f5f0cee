"""How network servers and application servers show who they are, and the generations of their KEKs."""
import base64
import hashlib
import http.client
import json
import os
import re
import ssl
import subprocess
import sys

from commands import add_device, fails
from lorawan import unwrap
from server import code, join_req, run_tests, Server


def secret(server, name, text):
    path = server.folder / name
    path.write_text(text)
    path.chmod(0o600)
    return path


def certificate(server, name, *args, days=40):
    """A certificate and its key; gives the path and the SHA-256."""
    path = server.folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", str(days), "-subj", f"/CN={name}", *args, "-keyout",
         server.folder / f"{name}.key", "-out", path], check=True, capture_output=True)
    return path, hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()


def issued(server, ca, name, san):
    """A certificate of a CA."""
    path = server.folder / f"{name}.pem"
    certificate(server, name)
    subprocess.run(
        ["openssl", "req", "-x509", "-CA", server.folder / f"{ca}.pem", "-CAkey",
         server.folder / f"{ca}.key", "-key", server.folder / f"{name}.key", "-days", "40",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName={san}", "-addext",
         "basicConstraints=critical,CA:FALSE", "-out", path], check=True, capture_output=True)
    return path


def join(server, device, authorization=None, client=None):
    """A join with a value of Authorization or a client certificate; gives the ResultCode or the
    HTTP status."""
    nonce = device.dev_nonce
    head = {} if authorization is None else {"Authorization": authorization}
    link = None
    if server.tls:
        context = ssl.create_default_context(cafile=server.folder / "tls.pem")
        if client is not None:
            context.load_cert_chain(server.folder / f"{client}.pem",
                                    server.folder / f"{client}.key")
        link = http.client.HTTPSConnection("localhost", server.port, timeout=30, context=context)
    device.dev_nonce += 1
    status, answer, _ = server.post(join_req(device, nonce), headers=head, connection=link)
    if link is not None:
        link.close()
    if status == 200 and code(answer) == "Success":
        device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, "000013")
    return code(answer) if status == 200 else status


def kinds(server, name):
    return [shown["kind"] for shown in server.json("ns", "show", name)["credentials"]]


def test_values_of_authorization():
    with Server() as server:
        device = add_device(server)
        path = secret(server, "basic", "user:pass-word-0123\n")
        value = base64.b64encode(b"user:pass-word-0123").decode()
        server.cli("ns", "add", "home", "--net-id", "000013", "--any-device", "--basic-file", path)
        assert join(server, device, f"Basic {value}") == "Success"
        assert join(server, device, f"bAsIc  {value} ") == "Success"
        for wrong in (f"Bearer {value}", f"Basic {value}=", f"Basic {value.lower()}", value,
                      "Basic", ""):
            assert join(server, device, wrong) == 401, wrong
        # Another value instead.
        server.cli("ns", "set", "home", "--authorization-file", "-", text="X-Key 0123456789 ab\n")
        assert join(server, device, f"Basic {value}") == 401
        assert join(server, device, "X-KEY 0123456789 ab") == "Success"
        assert join(server, device, "X-Key 0123456789  ab") == 401
        assert kinds(server, "home") == ["authorization"]
        # A bearer token in such a file is a token.
        server.cli("ns", "set", "home", "--authorization-file", "-",
                   text="bearer token-0123456789abcdef\n")
        assert sorted(kinds(server, "home")) == ["authorization", "token"]
        assert join(server, device, "Bearer token-0123456789abcdef") == "Success"
        assert join(server, device, "x-key 0123456789 ab") == "Success"
        # Each is taken away by an empty value, and holds no longer, also after a new start.
        server.cli("ns", "set", "home", "--authorization-file", "")
        assert join(server, device, "x-key 0123456789 ab") == 401
        assert kinds(server, "home") == ["token"]
        server.cli("ns", "set", "home", "--basic-file", path, "--token-file", "")
        server.stop()
        server.start()
        assert join(server, device, "Bearer token-0123456789abcdef") == 401
        assert join(server, device, f"Basic {value}") == "Success"
        # Nothing of it is ever shown.
        everything = server.log_path.read_text()
        for args in (["ns", "list"], ["ns", "show", "home"], ["status"], ["events"]):
            everything += server.cli(*args) + server.cli("--json", *args)
        digest = hashlib.sha256(f"basic {value}".encode()).hexdigest()
        for word in ("pass-word-0123", value, "0123456789 ab", "token-0123456789", digest):
            assert word not in everything, word
        # One value for two would make them one.
        fails(server, "ns", "add", "twin", "--net-id", "000024", "--basic-file", path,
              words="credential")


def test_certificates():
    with Server(tls=True) as server:
        device = add_device(server)
        first, first_digest = certificate(server, "first")
        second, second_digest = certificate(server, "second", days=20)
        said = server.cli("ns", "add", "home", "--net-id", "000013", "--any-device",
                          "--certificate", first)
        assert f"SHA-256 {first_digest}" in said, said
        assert join(server, device, client="first") == "Success"
        assert join(server, device, client="second") == 401
        assert join(server, device) == 401
        # Both, while the one is exchanged for the other; then the new one alone.
        server.cli("ns", "set", "home", "--certificate", first, "--certificate", second)
        shown = server.json("ns", "show", "home")["credentials"]
        assert [item["sha256"] for item in shown] == [first_digest, second_digest], shown
        assert all(item["kind"] == "certificate" and item["not_after"] for item in shown), shown
        assert join(server, device, client="first") == "Success"
        assert join(server, device, client="second") == "Success"
        status = server.json("status")
        assert status["peers"]["certificate_peer"] == "home", status
        assert status["peers"]["certificate_expires"] == shown[1]["not_after"], status
        assert any("home" in text and re.search("ends in (19|20) days", text)
                   for text in status["warnings"]), status["warnings"]
        server.cli("ns", "set", "home", "--certificate", second)
        server.stop()
        server.start()
        assert join(server, device, client="first") == 401
        assert join(server, device, client="second") == "Success"
        text = server.cli("ns", "show", "home")
        assert second_digest in text and first_digest not in text, text
        server.cli("ns", "set", "home", "--token", "--certificate", "")
        assert kinds(server, "home") == ["token"]
        assert join(server, device, client="second") == 401


def test_subjects():
    with Server(tls=True) as server:
        device = add_device(server)
        ca, ca_digest = certificate(server, "ca", "-addext", "keyUsage=critical,keyCertSign")
        issued(server, "ca", "good", "DNS:NS.Example.ORG")
        issued(server, "ca", "other", "DNS:other.example.org")
        certificate(server, "self", "-addext", "subjectAltName=DNS:ns.example.org")
        server.conf.write_text(server.conf.read_text().replace(
            "[keystore]", f"tls_client_ca = {ca}\n[keystore]"))
        server.stop()
        server.start()
        said = server.cli("ns", "add", "home", "--net-id", "000013", "--any-device", "--ca", ca,
                          "--subject", "ns.EXAMPLE.org")
        assert ca_digest in said and "tls_client_ca" in said, said
        shown = server.json("ns", "show", "home")["credentials"]
        assert shown == [{"kind": "subject", "ca_sha256": ca_digest, "name": "ns.example.org"}]
        assert "ns.example.org" in server.cli("ns", "show", "home")
        assert join(server, device, client="good") == "Success"
        assert join(server, device, client="other") == 401
        assert join(server, device, client="self") == 401
        server.cli("ns", "set", "home", "--subject", "", "--token")
        assert kinds(server, "home") == ["token"]
        assert join(server, device, client="good") == 401


def test_answer_url():
    with Server() as server:
        server.add_ns("home", "--net-id", "000013")
        for url in ("https://ns.example/answers?a=b", "http://127.0.0.1:9000/"):
            server.cli("ns", "set", "home", "--answer-url", url)
            assert server.json("ns", "show", "home")["answer_url"] == url
            assert url in server.cli("ns", "show", "home")
        for url, words in (("http://ns.example/", "https"), ("ns.example", "https"),
                           ("https://user:secret@ns.example/", "password"),
                           ("https://ns.example/" + "x" * 255, "255")):
            said = fails(server, "ns", "set", "home", "--answer-url", url,
                         words=["answer_url", words])
            assert "secret" not in said, said
        assert server.json("ns", "show", "home")["answer_url"] == "http://127.0.0.1:9000/"
        server.cli("ns", "set", "home", "--answer-url", "")
        assert server.json("ns", "show", "home")["answer_url"] is None


def test_generations_of_keks():
    with Server() as server:
        device = add_device(server)
        token = server.add_ns("home", "--net-id", "000013", "--any-device")
        keks = {label: os.urandom(octets) for label, octets in
                (("2025", 16), ("a/b c", 24), ("..", 32))}

        def wrapped_under():
            nonce = device.dev_nonce
            device.dev_nonce += 1
            _, answer, _ = server.post(join_req(device, nonce), token)
            if code(answer) != "Success":
                return code(answer)
            wanted = device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, "000013")
            label = answer["NwkSKey"]["KEKLabel"]
            opened = unwrap(keks[label], bytes.fromhex(answer["NwkSKey"]["AESKey"]))
            assert opened.hex() == wanted["NwkSKey"]
            return label

        everything = ""
        for label, kek in keks.items():
            path = secret(server, "kek", kek.hex())
            said = server.cli("kek", "add", "--ns", "home", "--kek-label", label, "--kek-file", path)
            everything += said
            assert f"KEK {label} of network server home added" in said, said
            assert wrapped_under() == label
        listed = server.json("kek", "list", "--ns", "home")
        assert [kek["label"] for kek in listed["keks"]] == list(keks), listed
        assert [kek["octets"] for kek in listed["keks"]] == [16, 24, 32], listed
        assert [kek["current"] for kek in listed["keks"]] == [False, False, True], listed
        assert listed["kek_missing"] is False and all(kek["created"] for kek in listed["keks"])
        text = server.cli("kek", "list", "--ns", "home").splitlines()
        assert text[0].split() == ["LABEL", "CURRENT", "OCTETS", "CREATED"], text
        assert text[2].startswith("a/b c") and " no " in text[2] and " yes " in text[3], text
        shown = server.cli("ns", "show", "home")
        assert shown.count("(current)") == 1 and "(current)" in \
            [line for line in shown.splitlines() if " .., 32 octets" in line][0], shown
        # A label is given once.
        fails(server, "kek", "add", "--ns", "home", "--kek-label", "2025", "--kek-file",
              secret(server, "kek", "5a" * 16), words="label")
        # The old ones go; the current one only with --force.
        said = server.cli("kek", "retire", "--ns", "home", "--kek-label", "a/b c")
        assert said == "KEK a/b c of network server home retired\n", said
        fails(server, "kek", "retire", "--ns", "home", "--kek-label", "a/b c", words="label")
        fails(server, "kek", "retire", "--ns", "home", "--kek-label", "..", words="force")
        assert wrapped_under() == ".."
        done = server.cli("kek", "retire", "--ns", "home", "--kek-label", "..", "--force",
                          check=False)
        assert done.returncode == 0 and "keyward kek add --ns home" in done.stderr, done
        server.stop()
        server.start()
        assert wrapped_under() == "JoinReqFailed"
        assert server.json("kek", "list", "--ns", "home")["kek_missing"] is True
        assert "MISSING" in server.cli("ns", "list")
        status = server.json("status")
        assert status["peers"]["keks_missing"] == 1, status
        assert any("keyward kek add" in text for text in status["warnings"]), status
        server.cli("kek", "add", "--ns", "home", "--kek-label", "..", "--kek-file",
                   secret(server, "kek", keks[".."].hex()))
        assert wrapped_under() == ".."
        assert server.json("status")["peers"]["keks_missing"] == 0
        # Application servers have theirs.
        server.cli("as", "add", "app", "--as-id", "as.example", "--token", "--app-s-key-in-clear")
        assert server.json("as", "show", "app")["app_s_key_in_clear"] is True
        server.cli("as", "set", "app", "--no-app-s-key-in-clear")
        assert server.json("as", "show", "app")["app_s_key_in_clear"] is False
        server.cli("kek", "add", "--as", "app", "--kek-label", "2025", "--kek-file",
                   secret(server, "kek", keks["2025"].hex()))
        assert json.loads(server.cli("--json", "kek", "list", "--as", "app"))["keks"][0]["current"]
        fails(server, "kek", "list", "--as", "home", words="no application server of this name")
        fails(server, "kek", "add", "--ns", "nobody", "--kek-label", "l", "--kek-file",
              server.folder / "kek", words="no network server of this name")
        for args in (["kek", "list", "--ns", "home"], ["ns", "show", "home"], ["ns", "list"]):
            everything += server.cli(*args) + server.cli("--json", *args)
        everything += server.log_path.read_text()
        for kek in keks.values():
            assert kek.hex() not in everything.lower()


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
