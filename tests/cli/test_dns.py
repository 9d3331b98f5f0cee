"""`keyward dns zone`, resolved as a name server would. argv: the keyward executable."""
import ipaddress
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

KEYWARD = sys.argv[1]
ALLIANCE = "joineuis.lora-alliance.org."
random.seed(7)


def run(*words, status=0):
    done = subprocess.run([KEYWARD, *words], capture_output=True, text=True, check=False)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr


def parse(text):
    """Absolute names to lists of (type, data). Anything that is no record or comment fails."""
    records = {}
    for line in text.splitlines():
        if line.startswith(";"):
            continue
        name, ttl, kind, what, data = line.split("\t")
        assert name.endswith(".") and ttl.isdigit() and kind == "IN", line
        records.setdefault(name.lower(), []).append((what, data))
    return records


def resolve(records, name):
    """RFC 4592: the name itself, else the wildcard right below the closest name that exists."""
    if name in records:
        return records[name]
    exists = set()
    for owner in records:
        labels = owner.split(".")
        exists.update(".".join(labels[i:]) for i in range(len(labels)))
    if name in exists:
        return None
    labels = name.split(".")
    closest = next(i for i in range(len(labels)) if ".".join(labels[i:]) in exists)
    return records.get("*." + ".".join(labels[closest:]))


def name_of(eui, domain):
    return ".".join(reversed(f"{eui:016x}")) + "." + domain


def bounds(text):
    if "/" in text:
        first, bits = text.split("/")
        return int(first, 16), int(first, 16) | (1 << 64 - int(bits)) - 1
    first, _, last = text.partition("-")
    return int(first, 16), int(last or first, 16)


def samples(ranges):
    """JoinEUIs inside and around: every edge, every place where a digit changes, random ones."""
    found = {0, (1 << 64) - 1}
    for first, last in ranges:
        for edge in (first, last):
            for shift in range(64):
                found.update(edge + sign * (1 << shift) for sign in (-1, 0, 1))
        found.update(random.randint(first, last) for _ in range(300))
        if last - first < 3000:
            found.update(range(max(first - 40, 0), last + 40))
    found.update(random.getrandbits(64) for _ in range(100))
    return [eui for eui in found if 0 <= eui < 1 << 64]


def check_ranges(texts, *more, domain=ALLIANCE, want=("NAPTR",)):
    words = [word for text in texts for word in ("--join-eui", text)]
    records = parse(run("dns", "zone", *words, *more))
    ranges = [bounds(text) for text in texts]
    for eui in samples(ranges):
        inside = any(first <= eui <= last for first, last in ranges)
        got = resolve(records, name_of(eui, domain))
        assert (got is not None) == inside, (texts, f"{eui:016x}", got)
        if inside:
            assert sorted({what for what, _ in got}) == sorted(want), got
    check_with_bind(run("dns", "zone", *words, *more), domain)
    return records


def check_with_bind(text, domain):
    checker = shutil.which("named-checkzone")
    if checker is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "zone"
        path.write_text(f"{domain} 60 IN SOA ns.example.net. root.example.net. 1 60 60 60 60\n"
                        f"{domain} 60 IN NS ns.example.net.\n" + text)
        done = subprocess.run([checker, "-i", "local", domain, str(path)], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ignoring" not in done.stdout, done.stdout


TARGET = ("--target", "js.example.com")


def test_ranges():
    for texts in (
            ["70b3d57ed0000000/40"],
            ["70b3d57ed0001234"],
            ["0000000000000000/0"],
            ["0000000000000000-000000000000002f"],
            ["fffffffffffffffe-ffffffffffffffff"],
            ["70b3d57ed0000000/37"],  # not whole digits
            ["70b3d57ed0001235-70b3d57ed0001abc"],
            ["00000000000000ff-0000000000010001"],
            # Overlapping, touching, one in another, given in any order.
            ["70b3d57ed0001234", "70b3d57ed0000000/40"],
            ["70b3d57ed0000010-70b3d57ed000001f", "70b3d57ed0000000-70b3d57ed000000f"],
            # One is missing between the two.
            ["70b3d57ed0000000-70b3d57ed000000e", "70b3d57ed0000010-70b3d57ed000001f"],
            ["ec656e0000000000/56", "70b3d57ed0000000/64", "0016c00000000000/24"]):
        check_ranges(texts, *TARGET)


def test_fewest_entries():
    def count(*texts):
        words = [word for text in texts for word in ("--join-eui", text)]
        return len(parse(run("dns", "zone", *words, *TARGET)))

    assert count("70b3d57ed0000000/40") == 1
    assert count("70b3d57ed0000000/38") == 4
    assert count("70b3d57ed0000000-70b3d57ed000000f", "70b3d57ed0000010-70b3d57ed000001f") == 2
    assert count(*[f"70b3d57ed000000{i:x}" for i in range(16)]) == 1


def test_naptr():
    """Under the domain of the LoRa Alliance: NAPTR alone; the SRV record is for another zone."""
    text = run("dns", "zone", "--join-eui", "70b3d57ed0001234", *TARGET, "--port", "8003",
               "--ttl", "600")
    name = "4.3.2.1.0.0.0.d.e.7.5.d.3.b.0.7." + ALLIANCE
    assert parse(text) == {
        name: [("NAPTR", '100 10 "S" "LWNS" "" _lwns._tcp.js.example.com.')]}, text
    assert f"{name}\t600\tIN" in text
    assert "; _lwns._tcp.js.example.com.\t600\tIN\tSRV\t0 0 8003 js.example.com.\n" in text
    assert "; NAPTR: for network servers" in text and "ChirpStack" not in text


def test_own_domain_addresses():
    records = check_ranges(["70b3d57ed0000000/38"], "--domain", "lora.example.com.", "--address",
                           "192.0.2.10", "--address", "2001:db8::10",
                           domain="lora.example.com.", want=("A", "AAAA", "NAPTR"))
    entry = resolve(records, name_of(0x70b3d57ed0000001, "lora.example.com."))
    assert ("A", "192.0.2.10") in entry and ("AAAA", "2001:db8::10") in entry
    pointer = dict(entry)["NAPTR"].split()[-1]
    assert dict(records[pointer]) == {"SRV": "0 0 443 js.lora.example.com."}
    assert sorted(records["js.lora.example.com."]) == [
        ("A", "192.0.2.10"), ("AAAA", "2001:db8::10")]


def test_own_domain_everything():
    """The wildcard of all JoinEUIs leaves the host and the SRV record what they are."""
    records = check_ranges(["0000000000000000/0"], "--domain", "lora.example.com", "--address",
                           "192.0.2.10", domain="lora.example.com.", want=("A", "NAPTR"))
    assert records["js.lora.example.com."] == [("A", "192.0.2.10")]
    assert records["_lwns._tcp.js.lora.example.com."] == [
        ("SRV", "0 0 443 js.lora.example.com.")]


def test_own_domain_cname():
    text = run("dns", "zone", "--join-eui", "70b3d57ed0001234", "--domain", "lora.example.com",
               *TARGET)
    name = "4.3.2.1.0.0.0.d.e.7.5.d.3.b.0.7.lora.example.com."
    assert parse(text) == {name: [("CNAME", "js.example.com.")]}, text
    assert 'resolve_join_eui_domain_suffix = ".lora.example.com"' in text
    check_ranges(["70b3d57ed0000000/38"], "--domain", "lora.example.com", *TARGET,
                 domain="lora.example.com.", want=("CNAME",))


def test_json():
    words = ["--join-eui", "70b3d57ed0000000/36", "--domain", "lora.example.com", "--address",
             "192.0.2.10", "--target", "js.example.net"]
    got = json.loads(run("--json", "dns", "zone", *words))
    assert got == json.loads(run("dns", "zone", *words, "--json"))
    assert got["zone"] == "lora.example.com" and got["ttl"] == 3600
    text = parse(run("dns", "zone", *words))
    assert {(r["name"], r["type"], r["data"]) for r in got["records"]} == {
        (name, what, data) for name, all_of in text.items() for what, data in all_of}
    assert got["elsewhere"] == [{"name": "_lwns._tcp.js.example.net.", "type": "SRV",
                                 "data": "0 0 443 js.example.net."}]
    for record in got["records"]:
        if record["type"] == "A":
            ipaddress.ip_address(record["data"])


def test_refusals():
    eui = ("--join-eui", "70b3d57ed0001234")
    long_label, long_name = "a" * 64, ".".join(["a" * 50] * 5)
    for words, said in (
            ([], "--join-eui is missing"),
            (["--join-eui", "70b3"], "16 digits"),
            (eui, "--target is missing"),
            ([*eui, *TARGET, "--address", "192.0.2.1"], "--address needs --domain"),
            ([*eui, "--domain", "a.example", "--address", "192.0.2.256"], "write 192.0.2.10"),
            ([*eui, "--domain", "a..example", *TARGET], "a domain name"),
            ([*eui, "--domain", "a example", *TARGET], "a domain name"),
            ([*eui, "--domain", "a\n.example", *TARGET], "a domain name"),
            ([*eui, "--domain", "-a.example", *TARGET], "a domain name"),
            ([*eui, "--domain", "a_b.example", *TARGET], "a domain name"),
            ([*eui, "--target", long_label], "a domain name"),
            ([*eui, "--target", long_name], "a domain name"),
            ([*eui, "--target", "."], "a domain name"),
            ([*eui, "--domain", "a.example", "--target", "js.a.example"], "--address is missing"),
            ([*eui, "--target", "js.JoinEUIs.lora-alliance.org"], "--address is missing"),
            ([*eui, "--domain", "a.example", "--target", "x.7.a.example", "--address",
              "192.0.2.1"], "a part of a JoinEUI"),
            ([*eui, *TARGET, "--port", "0"], "1 to 65535"),
            ([*eui, *TARGET, "--port", "65536"], "1 to 65535"),
            ([*eui, *TARGET, "--ttl", "99999999999999999999"], "1 to 604800"),
            ([*eui, *TARGET, "--ttl", "60s"], "1 to 604800"),
            ([*eui, *TARGET, "b"], "not expected"),
            (["--join-eui", "0000000000000001-fffffffffffffffe", *TARGET],
             "more than 256 entries"),
            ([*eui * 65, *TARGET], "at most 64"),
            ([*eui, "--domain", "a.example", *["--address", "192.0.2.1"] * 9], "at most 8")):
        message = run("dns", "zone", *words, status=2)
        assert said in message, (words, message)


for name, test in sorted(globals().copy().items()):
    if name.startswith("test_"):
        test()
