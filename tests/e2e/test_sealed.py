"""Envelopes made by hand: stock `openssl cms` to the intake certificate, good, bad and tampered."""
import base64
import http.client
import json
import os
import re
import socket
import subprocess
import sys

from commands import (
    NWK_KEY, ROOT, dev_eui, devices, fails, row, seal, table, tts, without_secrets, write,
)
from server import SLOW, executable, run_tests, Server


def blocks_of(page, language):
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", (ROOT / "docs" / page).read_text())


def test_sealed_by_the_book():
    """docs/provisioning.md to the letter."""
    blocks = [block for block in blocks_of("provisioning.md", "sh") if "openssl cms" in block]
    assert len(blocks) == 2, blocks
    with Server() as server:
        folder = server.folder / "line"
        folder.mkdir()
        wrapper = folder / "keyward"
        wrapper.write_text(f'#!/bin/sh\nexec {executable("keyward")} -c {server.conf} "$@"\n')
        wrapper.chmod(0o755)
        env = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}")
        (folder / "devices.csv").write_text(table(*[row(n) for n in range(3)]))
        done = subprocess.run(["bash", "-ec", blocks[0]], cwd=folder, env=env, capture_output=True,
                              text=True)
        assert done.returncode == 0 and "3 devices added" in done.stdout, (done.stdout, done.stderr)
        (folder / "devices.cms").unlink()
        (folder / "devices.csv").write_text(table(*[row(n) for n in range(10, 1610)]))
        done = subprocess.run(["bash", "-ec", blocks[1]], cwd=folder, env=env, capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stderr
        sealed = folder / "devices.cms"
        assert sealed.read_text().count("BEGIN CMS") == 4
        done = server.cli("device", "import", sealed, "--net-id", "000013")
        assert done == "1600 devices added\n", done
        assert len(devices(server)) == 1603
        assert server.json("device", "show", dev_eui(1609))["net_ids"] == ["000013"]
        # The file says what an auditor would look for.
        shown = subprocess.run(["openssl", "cms", "-cmsout", "-print", "-noout", "-inform", "PEM",
                                "-in", str(sealed)], capture_output=True, text=True).stdout
        assert "authEnvelopedData" in shown and "aes-256-gcm" in shown, shown[:500]


def test_sealed_der_pem_and_several():
    with Server() as server:
        der = write(server, "a.cms", seal(server, table(row(1), row(2))))
        assert server.cli("device", "import", der, "--dry-run") == "2 devices could be added\n"
        assert devices(server) == {}
        assert server.cli("device", "import", der) == "2 devices added\n"
        pem = write(server, "b.cms", seal(server, json.dumps(tts(3)), form="PEM"))
        assert server.cli("device", "import", pem) == "1 device added\n"
        octets = seal(server, table(row(4)))
        done = subprocess.run([executable("keyward"), "-c", str(server.conf), "device", "import",
                               "-"], input=octets, capture_output=True)
        assert done.returncode == 0 and b"1 device added" in done.stdout, done.stderr
        several = b"".join(seal(server, table(*[row(n + i) for i in range(300)]), form="PEM")
                           for n in (1000, 2000, 3000))
        assert server.cli("device", "import", write(server, "c.cms", several)) == \
            "900 devices added\n"
        assert len(devices(server)) == 904
        # A bad row in the second of three: nothing of the three, and the place is said.
        several = b"".join(seal(server, text, form="PEM") for text in (
            table(row(5001)), table(row(5002), row(1000, app_key=NWK_KEY.hex()), row(5003, app_key="12")),
            table(row(5004))))
        path = write(server, "d.cms", several)
        said = fails(server, "device", "import", path, words=[
            f"{path}: envelope 2:3: ", "already", f"{path}: envelope 2:4: ", "nothing was added"])
        assert "envelope 1" not in said and "envelope 3" not in said, said
        assert len(devices(server)) == 904
        done = server.cli("device", "import", path, "--skip-errors", check=False)
        assert "3 devices added, 2 refused" in done.stdout, done.stdout
        assert len(devices(server)) == 907
        without_secrets(said + done.stdout + done.stderr)


def other_certificate(server):
    path = server.folder / "other.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "3", "-subj", "/CN=other", "-keyout", server.folder / "other.key", "-out", path],
        check=True, capture_output=True)
    return path


def test_envelopes_that_are_refused():
    with Server() as server:
        good = seal(server, table(row(1)))

        def refused(octets, *words):
            path = write(server, "bad.cms", octets)
            for args in ([], ["--dry-run"], ["--skip-errors"]):
                said = fails(server, "device", "import", path, *args, words=[*words, f"{path}: "])
            without_secrets(said)
            assert devices(server) == {}, "something was stored"

        for place in (len(good) - 40, len(good) - 5):
            tampered = bytearray(good)
            tampered[place] ^= 1
            refused(bytes(tampered), "envelope")
        refused(good[:-30], "CMS")
        refused(good + b"\0", "CMS")
        refused(b"\x30\x82\x01\x00" + os.urandom(256), "CMS")
        refused(seal(server, table(row(1)), recipient=other_certificate(server)),
                "not sealed to the intake certificate", "fetch the certificate again")
        refused(seal(server, table(row(1)), "-encrypt", "-binary", "-aes-256-cbc"), "AES-256-GCM")
        refused(seal(server, table(row(1)), "-encrypt", "-binary", "-aes-128-gcm"), "AES-256-GCM")
        refused(seal(server, table(*[row(n) for n in range(3000)])), "too long", "PEM")
        refused(seal(server, table(*[row(n) for n in range(2200)])), "octets", "several")
        refused(seal(server, table(row(1)), form="SMIME"), "DER")
        refused(seal(server, "this is no device file\n"), "no header line")
        refused(seal(server, table()), "no device")
        pem = seal(server, table(row(1)), form="PEM")
        refused(pem.replace(b"-----END CMS-----", b""), "envelope")
        refused(pem.replace(b"\n", b"\n!", 3), "envelope")
        # The good one, unchanged, still goes in.
        assert server.cli("device", "import", write(server, "good.cms", good)) == "1 device added\n"


def test_tampered_octets():
    """No octet of an envelope can be changed without being found out."""
    with Server() as server:
        good = seal(server, table(row(1)))
        connection = UnixConnection(server.socket)
        loaded = []
        for place in range(0, len(good), 1 if SLOW == 1 else 7):
            tampered = bytearray(good)
            tampered[place] ^= 0x20
            status, answer = connection.post("/api/v1/devices/import?dry_run=1", bytes(tampered))
            if status == 200 and answer["added"] == 1:
                loaded.append(place)
            elif status != 422:
                assert 400 <= status < 500 and answer["error"]["message"], (place, status, answer)
        # Labels (version, content type, names of the recipient) decide nothing; the rest is bound.
        nonce = good.index(bytes.fromhex("60864801650304012e")) + 9 + 4  # aes-256-gcm
        tag_length = nonce + 12
        wrapped = good.index(bytes.fromhex("60864801650304012d"))  # aes256-wrap, the content's key
        wrapped = good.index(b"\x04\x28", wrapped)
        ephemeral = good.index(bytes.fromhex("2a8648ce3d0201")) + 9
        bound = {*range(nonce, tag_length), *range(tag_length + 3, len(good)),
                 *range(wrapped, wrapped + 42), *range(ephemeral, ephemeral + 68)}
        assert not bound & set(loaded), sorted(bound & set(loaded))
        # A tag that was cut could be guessed.
        for length in (15, 12, 8, 4):
            cut = bytearray(good[:len(good) - 18] + bytes([4, length]) + good[-16:][:length])
            for place in (2, 19, 23):
                value = int.from_bytes(cut[place:place + 2], "big") - (16 - length)
                cut[place:place + 2] = value.to_bytes(2, "big")
            for told in (16, length):
                cut[tag_length + 2] = told
                status, answer = connection.post("/api/v1/devices/import?dry_run=1", bytes(cut))
                assert status == 400, (length, told, status, answer)
        assert server.json("status")["store"]["devices"] == 0


class UnixConnection:
    """HTTP on the admin socket."""

    def __init__(self, path):
        class Connection(http.client.HTTPConnection):
            def connect(self):
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.connect(str(path))

        self.connection = Connection("keyward")

    def post(self, path, body):
        self.connection.request("POST", path, body, {"Content-Type": "application/cms"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_intake_certificate():
    with Server() as server:
        pem = server.cli("intake", "certificate")
        assert pem.startswith("-----BEGIN CERTIFICATE-----\n"), pem
        assert pem.endswith("-----END CERTIFICATE-----\n") and pem.count("BEGIN") == 1
        base64.b64decode("".join(pem.splitlines()[1:-1]), validate=True)
        shown = subprocess.run(["openssl", "x509", "-noout", "-text", "-checkend", "31536000"],
                               input=pem, capture_output=True, text=True)
        assert shown.returncode == 0, shown.stderr
        for words in ("prime256v1", "Key Agreement", "CA:FALSE", "Keyward intake",
                      "ecdsa-with-SHA256"):
            assert words in shown.stdout, f"{words!r} is not in: {shown.stdout}"
        assert server.cli("intake", "certificate") == pem
        server.stop()
        server.start()
        assert server.cli("intake", "certificate") == pem, "it is the store's, not the process's"


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
