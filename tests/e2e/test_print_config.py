"""What --print-config prints is used as it stands: a device joins with nothing else."""
import json
import pathlib
import ssl
import sys
import tomllib
import urllib.request

from commands import ROOT, add_device, fails, keyward
from server import Server, code, join_req, run_tests

sys.path.insert(0, str(ROOT / "tests" / "cli"))
import yaml_subset  # noqa: E402

NET_ID = "000013"


def post(url, headers, body, ca_file):
    request = urllib.request.Request(url, json.dumps(body).encode(),
                                     {"Content-Type": "application/json", **headers})
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https") else None
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        return json.load(answer)


def serves(prefix, eui):
    first, bits = prefix.split("/")
    return (int(first, 16) ^ eui) >> 64 - int(bits) == 0


def join_as_chirpstack(server, text, device):
    """As ChirpStack does it: the first prefix that fits, its URL, its header as it is."""
    eui = int.from_bytes(device.join_eui, "big")
    table = next(table for table in tomllib.loads(text)["join_server"]["servers"]
                 if serves(table["join_eui_prefix"], eui))
    ca_file = str(server.folder / "tls.pem") if table["ca_cert"] else None
    headers = {"Authorization": table["authorization_header"]}
    return post(table["server"], headers, join_req(device, device.dev_nonce), ca_file)


def join_as_tts(server, text, device):
    servers, js, _ = yaml_subset.load_all(text)
    eui = int.from_bytes(device.join_eui, "big")
    assert any(serves(prefix, eui) for prefix in servers["join-servers"][0]["join-euis"])
    path = "/" + js["paths"]["join"] if "paths" in js else ""
    url = f"{js.get('scheme', 'https')}://{js['fqdn']}:{js['port']}{path}"
    extra = {"ProtocolVersion": js["protocol"].removeprefix("BI")}
    if "sender-ns-id" in js:
        extra["SenderNSID"] = js["sender-ns-id"]
    ca_file = str(server.folder / "tls.pem") if "tls" in js else None
    body = join_req(device, device.dev_nonce, **extra)
    return post(url, js["headers"], body, ca_file)


def test_chirpstack_over_tls():
    with Server(tls=True) as server:
        device = add_device(server)
        text = server.cli("ns", "add", "home", "--net-id", NET_ID, "--token", "--any-device",
                          "--app-s-key", "inline", "--join-eui",
                          "70b3d57ed0000000-70b3d57ed0ffffff", "--print-config", "chirpstack")
        assert f'server = "https://127.0.0.1:{server.port}/"' in text
        answer = join_as_chirpstack(server, text, device)
        assert code(answer) == "Success" and "SessionKeyID" not in answer, answer


def test_tts_with_ns_id():
    with Server() as server:
        device = add_device(server)
        text = server.cli("ns", "add", "things", "--net-id", NET_ID, "--ns-id",
                          "ec656e0000000181", "--token", "--any-device", "--app-s-key",
                          "inline-id", "--print-config", "tts")
        assert "CHECK: a loopback address" in text
        answer = join_as_tts(server, text, device)
        assert code(answer) == "Success" and answer["SessionKeyID"], answer
        assert answer["ProtocolVersion"] == "1.1"


def test_nothing_else_on_standard_output():
    with Server() as server:
        done = server.cli("ns", "add", "home", "--net-id", NET_ID, "--token", "--print-config",
                          "chirpstack", check=False)
        token = tomllib.loads(done.stdout)["join_server"]["servers"][0]["authorization_header"]
        assert len(token) == len("Bearer ") + 43, token
        assert "network server home added" in done.stderr
        assert token.removeprefix("Bearer ") not in done.stderr
        assert "warning" in done.stderr and "--app-s-key inline" in done.stderr


def test_show_and_set():
    with Server() as server:
        device = add_device(server)
        server.add_ns("home", "--net-id", NET_ID, "--any-device", "--app-s-key", "inline",
                      "--join-eui", "70b3d57ed0001234")
        url = f"http://localhost:{server.port}/"
        text = server.cli("ns", "show", "home", "--print-config", "chirpstack", "--url", url)
        table = tomllib.loads(text)["join_server"]["servers"][0]
        assert table["server"] == url and "REPLACE" in table["authorization_header"]
        assert table["join_eui_prefix"] == "70b3d57ed0001234/64"
        text = server.cli("ns", "set", "home", "--token", "--print-config", "chirpstack",
                          "--url", url)
        assert code(join_as_chirpstack(server, text, device)) == "Success"
        fails(server, "ns", "show", "absent", "--print-config", "tts", words="no network server of this")


def test_nothing_is_added_for_a_wrong_word():
    with Server() as server:
        for words in (["--print-config", "chirp"], ["--print-config", "tts", "--url", "js"]):
            fails(server, "ns", "add", "home", "--net-id", NET_ID, "--token", *words,
                  words="--print-config" if len(words) == 2 else "--url", status=2)
        fails(server, "ns", "show", "home", words="no network server of this")


def url_for(*lines):
    """The URL that a configuration makes, and what is said about it. No server runs."""
    with Server() as server:
        server.add_ns("home", "--net-id", NET_ID, "--app-s-key", "inline")
        conf = pathlib.Path(server.folder / "other.conf")
        conf.write_text("\n".join(["[admin]", f"socket = {server.socket}", "[server]", *lines]))
        done = keyward("-c", conf, "ns", "show", "home", "--print-config", "chirpstack")
        assert done.returncode == 0, done.stderr
        table = tomllib.loads(done.stdout)["join_server"]["servers"][0]
        remark = [line for line in done.stdout.splitlines() if line.startswith("# CHECK")]
        return table["server"], remark[0]


def test_url_from_the_configuration():
    tls = ("tls_certificate = a.pem", "tls_key = a.key")
    for lines, url, remark in (
            ([], "http://127.0.0.1:8003/", "loopback"),
            (["listen = [::1]:8004"], "http://[::1]:8004/", "loopback"),
            (["listen = 0.0.0.0:8003", *tls], "https://0.0.0.0:8003/", "stands for all"),
            (["listen = [::]:8003", *tls], "https://[::]:8003/", "stands for all"),
            (["listen = 192.0.2.1:8003", *tls], "https://192.0.2.1:8003/", "certificate"),
            (["listen = 192.0.2.1:8003", "trusted_proxies = 192.0.2.2"],
             "http://192.0.2.1:8003/", "behind a proxy")):
        got = url_for(*lines)
        assert got[0] == url and remark in got[1], (lines, got)


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
