"""What --print-config prints, read as ChirpStack and The Things Stack read it.
argv: the driver, which prints for a peer given as JSON."""
import base64
import copy
import json
import pathlib
import random
import subprocess
import sys
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import yaml_subset  # noqa: E402

DRIVER = sys.argv[1]
NONE, BEARER, FIXED, BASIC = range(4)
SERVER_KEYS = {"join_eui_prefix", "server", "async_timeout", "ca_cert", "tls_cert", "tls_key",
               "authorization_header"}
# Every key that ChirpStack knows in these places.
CHIRPSTACK = {"join_server": {"servers"}, "keks": {"label", "kek"},
              "backend_interfaces": {"bind", "ca_cert", "tls_cert", "tls_key"}}
JS_KEYS = {"fqdn", "port", "scheme", "protocol", "sender-ns-id", "paths", "basic-auth", "headers",
           "tls"}
TEXTS = ['say "hi"', "back\\slash", "line\nend\t\r", "\x01\x7f", "\u0085\u2028\u202e", "naïve Ω",
         "\U0001f511", "# no comment", "{{ .x }}", "a: b", "' or", "[[keks]]", "%s%n"]
random.seed(11)


def peer(keks=(), answer_url=None, client_certificate=False, **more):
    """What the admin API says of a network server, with the rest under "more"."""
    kinds = ["token"] + ["certificate"] * client_certificate
    return {"name": "home", "net_ids": ["000013"], "ns_id": None,
            "credentials": [{"kind": kind} for kind in kinds], "keks": list(keks),
            "answer_url": answer_url, "join_eui_ranges": ["70b3d57ed0000000/40"],
            "app_s_key": "inline", "more": {"url": "https://js.example.com:8003/", **more}}


def run(kind, described, status=0):
    done = subprocess.run([DRIVER, kind], input=json.dumps(described), capture_output=True,
                          text=True, check=False)
    assert done.returncode == status, (described, done)
    assert done.stdout.isascii() and "\r" not in done.stdout
    return done.stdout, done.stderr


def chirpstack(described):
    text, said = run("chirpstack", described)
    read = tomllib.loads(text)
    for section, keys in CHIRPSTACK.items():
        tables = read.get(section, {})
        for table in tables if isinstance(tables, list) else [tables]:
            assert set(table) <= keys, (section, table)
    assert set(read) <= set(CHIRPSTACK), read
    for server in read["join_server"]["servers"]:
        assert set(server) == SERVER_KEYS, server
    return read, text, said


def tts(described):
    text, said = run("tts", described)
    servers, js, cluster = yaml_subset.load_all(text)
    assert set(servers) == {"join-servers"}
    for server in servers["join-servers"]:
        assert set(server) == {"file", "join-euis"} and server["file"] == "./keyward.yml"
    assert set(js) <= JS_KEYS, js
    assert set(js.get("paths", {})) <= {"join", "rejoin", "app-s-key", "home-ns"}
    assert set(js.get("tls", {})) <= {"root-ca", "certificate", "key"}
    assert set(cluster) <= {"ns", "as", "key-vault"}
    for part in ("ns", "as"):
        assert cluster[part] == {"interop": {"config-source": "directory",
                                             "directory": "/etc/ttn-lw-stack/interop"}}
    return servers["join-servers"], js, cluster, text, said


def covered(prefixes):
    """The ranges that prefixes cover, united."""
    spans = []
    for text in prefixes:
        eui, bits = text.split("/")
        first, size = int(eui, 16), 1 << 64 - int(bits)
        assert first % size == 0 and len(eui) == 16, text
        spans.append((first, first + size - 1))
    assert len(set(spans)) == len(spans)
    out = []
    for first, last in sorted(spans):
        if out and out[-1][1] + 1 == first:
            first = out.pop()[0]
        out.append((first, last))
    return out


def test_chirpstack_plain():
    read, text, said = chirpstack(peer(secret="abcDEF-_123"))
    assert read == {"join_server": {"servers": [{
        "join_eui_prefix": "70b3d57ed0000000/40", "server": "https://js.example.com:8003/",
        "async_timeout": "0s", "ca_cert": "/etc/chirpstack/certs/keyward-ca.pem", "tls_cert": "",
        "tls_key": "", "authorization_header": "Bearer abcDEF-_123"}]}}, read
    assert said == "" and "WARNING" not in text and '[network] net_id must be "000013"' in text


def test_tts_plain():
    described = peer(secret="abcDEF-_123")
    described["app_s_key"] = "inline-id"
    servers, js, cluster, text, said = tts(described)
    assert servers == [{"file": "./keyward.yml", "join-euis": ["70B3D57ED0000000/40"]}]
    assert js == {"fqdn": "js.example.com", "port": 8003, "protocol": "BI1.0",
                  "headers": {"Authorization": "Bearer abcDEF-_123"},
                  "tls": {"root-ca": "keyward-ca.pem"}}, js
    assert "key-vault" not in cluster and said == "" and "WARNING" not in text
    assert 'ns.net-id must be "000013"' in text
    for header in ("# File 1 of 3: config.yml", "# File 2 of 3: keyward.yml", "# File 3 of 3: "):
        assert header in text


def test_ranges():
    """Every range is cut into prefixes that cover it and nothing else."""
    ranges = [["0000000000000000/0"], [], ["70b3d57ed0001234"],
              ["0000000000000001-fffffffffffffffe"], ["70b3d57ed0000000/37"],
              ["fffffffffffffff0-ffffffffffffffff", "0000000000000000-0000000000000004"]]
    for _ in range(20):
        first, last = sorted(random.getrandbits(random.choice([8, 40, 64])) for _ in range(2))
        ranges.append([f"{first:016x}-{last:016x}"])
    for texts in ranges:
        described = peer()
        described["join_eui_ranges"] = texts
        want = []
        for text in texts or ["0000000000000000/0"]:
            first, _, rest = text.replace("/", "-").partition("-")
            first = int(first, 16)
            size = 1 << 64 - int(rest) if "/" in text else None
            want.append((first, first + size - 1 if size else int(rest or text, 16)))
        read, chirp_text, _ = chirpstack(described)
        prefixes = [server["join_eui_prefix"] for server in read["join_server"]["servers"]]
        servers, _, _, tts_text, _ = tts(described)
        assert covered(prefixes) == sorted(want), (texts, prefixes)
        assert covered(servers[0]["join-euis"]) == sorted(want), (texts, servers)
        narrows = "keyward ns set NAME --join-eui RANGE"
        assert (narrows in chirp_text.replace("\n# ", " ")) == (not texts), chirp_text
        assert (narrows in tts_text.replace("\n# ", " ")) == (not texts), tts_text


def test_authorization():
    basic = "Basic " + base64.b64encode("user:pass wörd".encode()).decode()
    for more, header, tts_part in (
            ({"authorization": BEARER, "secret": "t"}, "Bearer t", ("headers", "Bearer t")),
            ({"authorization": FIXED, "secret": "Key x=y"}, "Key x=y", ("headers", "Key x=y")),
            ({"authorization": BASIC, "user": "user", "secret": "pass wörd"}, basic,
             ("basic-auth", {"username": "user", "password": "pass wörd"})),
            ({"authorization": NONE, "client_certificate": True}, "", None)):
        read, _, said = chirpstack(peer(**more))
        assert read["join_server"]["servers"][0]["authorization_header"] == header, read
        _, js, _, _, _ = tts(peer(**more))
        if tts_part is None:
            assert "headers" not in js and "basic-auth" not in js
        elif tts_part[0] == "headers":
            assert js["headers"] == {"Authorization": tts_part[1]} and "basic-auth" not in js
        else:
            assert js["basic-auth"] == tts_part[1] and "headers" not in js
        assert "no credential" not in said
    for kind in ("chirpstack", "tts"):
        text, said = run(kind, peer(authorization=NONE))
        assert "no credential" in said and "keyward ns set home --token" in said, said
        assert "keyward ns set home --token" in text.replace("\n# ", " ")


def test_what_is_not_known_is_replaced():
    for authorization in (BEARER, FIXED, BASIC):
        described = peer(authorization=authorization, keks=[{"label": "l", "current": True}])
        read, _, _ = chirpstack(described)
        server = read["join_server"]["servers"][0]
        assert server["authorization_header"].removeprefix("Bearer ").startswith("REPLACE")
        assert read["keks"][0]["kek"].startswith("REPLACE")
        _, js, cluster, _, _ = tts(described)
        values = {**js.get("headers", {}), **js.get("basic-auth", {}),
                  **cluster["key-vault"]["static"]}
        for value in values.values():
            assert value.removeprefix("Bearer ").startswith("REPLACE"), value


def test_client_certificate():
    read, text, _ = chirpstack(peer(client_certificate=True))
    server = read["join_server"]["servers"][0]
    assert server["tls_cert"] == "/etc/chirpstack/certs/home.pem"
    assert server["tls_key"] == "/etc/chirpstack/certs/home.key" and "PKCS#8" in text
    assert tts(peer(client_certificate=True))[1]["tls"] == {
        "root-ca": "keyward-ca.pem", "certificate": "home.pem", "key": "home.key"}
    paths = {"ca_file": "/a/ca", "certificate_file": "/a/cert", "key_file": "/a/key"}
    server = chirpstack(peer(client_certificate=True, **paths))[0]["join_server"]["servers"][0]
    assert [server[key] for key in ("ca_cert", "tls_cert", "tls_key")] == list(paths.values())
    tls = tts(peer(client_certificate=True, **paths))[1]["tls"]
    assert [tls[key] for key in ("root-ca", "certificate", "key")] == list(paths.values())


def test_plain_http():
    described = peer(client_certificate=True)
    described["more"]["url"] = "http://127.0.0.1:8003/lrwan/join"
    read, text, said = chirpstack(described)
    server = read["join_server"]["servers"][0]
    assert (server["ca_cert"], server["tls_cert"], server["tls_key"]) == ("", "", "")
    assert "needs an https URL" in said and "Plain HTTP" in text
    _, js, _, text, said = tts(described)
    assert js["scheme"] == "http" and js["fqdn"] == "127.0.0.1" and js["port"] == 8003
    assert "tls" not in js and js["paths"] == dict.fromkeys(
        ("join", "rejoin", "app-s-key", "home-ns"), "lrwan/join")
    assert "needs an https URL" in said and "Plain HTTP" in text


def test_urls():
    for url, host, port, path in (
            ("https://js.example.com", "js.example.com", 443, None),
            ("http://js.example.com/", "js.example.com", 80, None),
            ("https://[::]:1/", "[::]", 1, None),
            ("https://[2001:db8::1]:65535/a/b", "[2001:db8::1]", 65535, "a/b")):
        described = peer()
        described["more"]["url"] = url
        _, js, _, _, _ = tts(described)
        assert (js["fqdn"], js["port"], js.get("paths", {}).get("join")) == (host, port, path)
        assert chirpstack(described)[0]["join_server"]["servers"][0]["server"] == url
    for url in ("", "js.example.com", "ftp://a/", "https://", "https:///", "https://a:0/",
                "https://a:65536/", "https://a:/", "https://a:8x/", "https://u:p@a/",
                "https://a/?q", "https://a/#f", "https://a/ b", "https://a/\n", 'https://a/"',
                "https://[]/", "https://[:", "https://[::1", "https://[::1]x/", "https://ä.example/",
                "https://a/" + "x" * 256, "https://a:99999999999999999999/"):
        described["more"]["url"] = url
        run("tts", described, status=1)


def test_credentials():
    for kinds, wanted in ((["authorization"], "REPLACE: the Authorization value"),
                          (["authorization", "token"], "Bearer REPLACE"),
                          (["token", "authorization"], "Bearer REPLACE"), (["subject"], "")):
        described = {**peer(), "credentials": [{"kind": kind} for kind in kinds]}
        read, _, _ = chirpstack(described)
        header = read["join_server"]["servers"][0]["authorization_header"]
        assert header.startswith(wanted) and bool(header) == bool(wanted), (kinds, header)
        assert ("certificate" in tts(described)[1].get("tls", {})) == (kinds == ["subject"]), kinds


def test_keks():
    keks = [{"label": "home-2025", "octets": 16}, {"label": "home 2026", "octets": 16,
                                                   "current": True}]
    read, text, said = chirpstack(peer(keks=keks))
    assert [kek["label"] for kek in read["keks"]] == ["home-2025", "home 2026"] and said == ""
    first, second = text.split("[[keks]]")[:2]
    assert "older KEK" in first.splitlines()[-1] and "current KEK" in second.splitlines()[-1]
    cluster = tts(peer(keks=keks))[2]
    assert cluster["key-vault"]["provider"] == "static"
    assert list(cluster["key-vault"]["static"]) == ["home-2025", "home 2026"]
    keks[1]["octets"] = 32
    read, text, said = chirpstack(peer(keks=keks))
    assert [kek["label"] for kek in read["keks"]] == ["home-2025"]
    assert "not of 16 octets" in said and '# its label: "home 2026"' in text
    assert len(tts(peer(keks=keks))[2]["key-vault"]["static"]) == 2


def test_answers():
    read, _, _ = chirpstack(peer(answer_url="https://chirpstack.example.com:9443/answers"))
    assert read["join_server"]["servers"][0]["async_timeout"] == "5s"
    assert read["backend_interfaces"] == {
        "bind": "0.0.0.0:9443", "ca_cert": "",
        "tls_cert": "/etc/chirpstack/certs/backend-interfaces.pem",
        "tls_key": "/etc/chirpstack/certs/backend-interfaces.key"}
    read, _, _ = chirpstack(peer(answer_url="http://127.0.0.1:9000/"))
    assert read["backend_interfaces"] == {"bind": "0.0.0.0:9000", "ca_cert": "", "tls_cert": "",
                                          "tls_key": ""}
    assert "backend_interfaces" not in chirpstack(peer(answer_url=""))[0]
    assert "--answer-url ''" in tts(peer(answer_url="http://127.0.0.1:9000/"))[4]


def test_delivery():
    """What ChirpStack or The Things Stack cannot work with is said on standard error too."""
    for mode, chirp, things in (("inline", "", ""), ("inline-id", "SessionKeyID", ""),
                                ("wrapped", "end-to-end", ""), ("fetch", "end-to-end", ""),
                                ("default", "SessionKeyID", ""), (None, "SessionKeyID", ""),
                                ("inline", "", "SessionKeyID")):
        described = peer()
        described["app_s_key"] = mode
        _, text, said = chirpstack(described)
        assert chirp in said and (said == "") == (chirp == ""), (mode, said)
        if chirp:
            assert "keyward ns set home --app-s-key inline" in said and "# WARNING: " in text
        _, _, _, text, said = tts(described)
        assert things in said and ("--app-s-key inline-id" in said) == (mode == "inline"), said
        assert ("keyward as add" in text.replace("\n# ", " ")) == (
            mode in ("default", "fetch", None)), (mode, text)


def test_ns_id():
    described = peer()
    described["ns_id"] = "70b3d57ed0fe0001"
    _, js, _, _, _ = tts(described)
    assert js["protocol"] == "BI1.1" and js["sender-ns-id"] == "70B3D57ED0FE0001"
    chirpstack(described)


def test_net_ids():
    described = peer()
    described["net_ids"] = ["000013", "60050a"]
    assert 'net_id must be "000013" or "60050a"' in chirpstack(described)[1]
    assert 'ns.net-id must be "000013" or "60050A"' in tts(described)[3]


def test_texts_survive():
    """Whatever a name, label, path or secret holds comes back as it was, and adds no line."""
    for text in TEXTS:
        described = peer(authorization=FIXED, secret=text, ca_file=text, client_certificate=True,
                         certificate_file=text, key_file=text, answer_url=text,
                         keks=[{"label": text, "octets": 16, "current": True},
                               {"label": text + "2", "octets": 24}])
        described["name"] = text
        read, _, _ = chirpstack(described)
        server = read["join_server"]["servers"][0]
        assert [server[key] for key in ("ca_cert", "tls_cert", "tls_key",
                                        "authorization_header")] == [text] * 4, server
        assert [kek["label"] for kek in read["keks"]] == [text]
        _, js, cluster, _, _ = tts(described)
        assert js["headers"] == {"Authorization": text}
        assert js["tls"] == {"root-ca": text, "certificate": text, "key": text}
        assert list(cluster["key-vault"]["static"]) == [text, text + "2"]


def test_answers_of_the_api():
    """What keywardd answers is input, too."""
    for name, value in (("name", None), ("net_ids", ["13"]), ("net_ids", [13]),
                        ("net_ids", ["000013"] * 9), ("ns_id", "1"),
                        ("join_eui_ranges", ["70b3"]), ("join_eui_ranges", [None]),
                        ("join_eui_ranges", ["70b3d57ed0000000/40"] * 9)):
        described = copy.deepcopy(peer())
        described[name] = value
        said = run("chirpstack", described, status=1)[1]
        assert f"{name} does not read" in said, said


for title, test in sorted(globals().copy().items()):
    if title.startswith("test_"):
        test()
