"""The suite itself: it finds every fault of a wrong join server, and none in a right one."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
import cases  # noqa: E402
import station  # noqa: E402
import stub_crypto  # noqa: E402
import stub_http  # noqa: E402

# Fault of the stub, and the cases among which at least one must fail because of it.
FAULTS = {
    "no-mic": "joinreq/mic-*",
    "nonce-before-mic": "joinreq/mic-forged-burns-nothing/*",
    "join-nonce-0": "joinreq/accept/*",
    "join-nonce-stands": "joinreq/join-nonce-grows*",
    "replays": "joinreq/repeated*",
    "remembers-10": "joinreq/replayed-much-later",
    "repeats-by-frame": "joinreq/replayed-with-other-parameters/*",
    "race": "joinreq/at-once/*",
    "first-above-0": "joinreq/first-dev-nonce-0/*",
    "counts-random": "joinreq/dev-nonce-random/*",
    "draws-counters": "joinreq/dev-nonce-lower/*",
    "version-by-contains": "dialect-chirpstack/join/*",
    "keys-by-registration": "joinreq/new-device-in-old-network/*",
    "disagreement": "joinreq/new-device-opt-neg-contradicts/*",
    "old-as-new": "joinreq/old-device-as-new@*",
    "keys-swapped": "joinreq/accept/*",
    "app-s-key-from-nwk-key": "joinreq/accept/*",
    "a-key-missing": "joinreq/accept/*",
    "both-kinds-of-keys": "joinreq/accept/*",
    "address-reversed": "joinreq/accept/*",
    "net-id-zero": "joinreq/accept/*",
    "delay-fixed": "joinreq/rx-delay/*",
    "delay-of-one-octet": "joinreq/rx-delay-wrong/*",
    "no-cf-list": "joinreq/cf-list/*",
    "any-cf-list": "joinreq/cf-list-length/*",
    "any-length": "joinreq/frame-length/*",
    "any-mhdr": "joinreq/frame-type/*",
    "message-eui": "joinreq/dev-eui-contradicts/*",
    "any-network": "joinreq/not-its-home*",
    "blocked-joins": "joinreq/blocked@*",
    "no-lifetime": "joinreq/lifetime@*",
    "session-id-fixed": "joinreq/session-key-id-of-each@*",
    "network-keys-clear": "delivery/network-keys-wrapped/*",
    "app-s-key-clear": "delivery/app-s-key-wrapped/*",
    "clear-without-kek": "delivery/no-kek@*",
    "empty-label": "delivery/no-label-in-the-clear@*",
    "never-fetch": "delivery/app-s-key/*",
    "id-always": "delivery/app-s-key/*",
    "null-id": "dialect-chirpstack/join/*",
    "null-description": "dialect-chirpstack/refusal*",
    "escapes": "dialect-chirpstack/join/*",
    "small-success": "joinreq/accept/*",
    "frame-replayed-in-1.0": "joinreq/repeated-after-a-join/*",
    "malformed-message-in-1.0": "joinreq/member-missing/*",
    "refusals-400": "joinreq/unknown-device/*",
    "leaks-root-key": "joinreq/mic-forged/*",
    "leaks-token": "joinreq/accept/*",
    "no-upper": "header/identifier-spelling/*",
    "no-0x": "header/identifier-spelling/*",
    "ids-not-swapped": "joinreq/accept/*",
    "transaction-fixed": "header/transaction-id/*",
    "protocol-fixed": "joinreq/accept/*",
    "no-token": "header/sender-token/*",
    "no-ns-id": "header/ns-id-returned/*",
    "any-sender": "header/sender-not-its-credential/*",
    "any-receiver": "header/receiver-unknown/*",
    "no-authentication": "header/credential/*",
    "answers-answers": "header/answer-nobody-waits-for/*",
    "any-method": "transport/method/*",
    "any-size": "transport/too-large",
    "no-chunks": "transport/chunked",
    "no-charset": "transport/content-type/*",
    "text-plain": "transport/content-type-of-answers/*",
    "closes": "transport/connection-kept",
    "rejoin-keys-of-1.0": "rejoinreq/accept/*",
    "rejoin-under-nwk-key": "rejoinreq/accept/*",
    "rj-count-1-free": "rejoinreq/rj-count-1-*",
    "no-mic-1": "rejoinreq/mic-forged-1",
    "no-mic-0": "rejoinreq/mic-forged/*",
    "any-rejoin-net-id": "rejoinreq/net-id-contradicts/*",
    "rejoin-of-1.0": "rejoinreq/mac-version-1.0/*",
    "any-as": "appskeyreq/another-as/*",
    "newest-session": "appskeyreq/earlier-session/*",
    "tells": "appskeyreq/nothing-to-probe@*",
    "home-for-all": "homensreq/no-agreement/*",
    "home-reversed": "homensreq/home/*",
    "home-ns-id-in-1.0": "homensreq/home-ns-id-not-in-1.0",
    "answers-notification": "errornotif/*",
}


# Of the LoRaMac-node device: what it sent and accepted, and the keys that it derived.
NWK_KEY = bytes.fromhex("a1b2c3d4e5f60718293a4b5c6d7e8f90")
APP_KEY = bytes.fromhex("0f1e2d3c4b5a69788796a5b4c3d2e1f0")
JOIN_1_0 = ("00341200d07ed5b37030051c000ba30400020009ece777",
            "205f9b87dc0e90b8a48269a8c117910a67e7aef7837aa04abf3ed546e3f5c12419",
            "672d9d91cdaea79b5badfb954303eae3", "dff4db9938f83a0a6b9d12dc19890c06")
JOIN_1_1 = ("00341200d07ed5b37030051c000ba3040011009f79e3c9", "20025d18e52b5be751c1d21ab95798eeda",
            "bf621b90442374d5fa052babdad7689a", "fb0a174bcb025a70e2b6a9efd1301442")
REJOIN_0 = ("c0000a056030051c000ba304000100be6a0a6e", "20b53f26e6c42a406496a775754ef4eda1",
            "724cf4c77608bc2cce1495770847f702", "1249a86a6eeef480201bf3d8ce3fef86")
REJOIN_1 = ("c001341200d07ed5b37030051c000ba3040003027777c297",
            "201ca6439cb9327c0fd3b0434e2501c387",
            "29431c934db7df4e9ec8ed79bda909a7", "b3916dcb95c0c0f4eec5bfd017fbfcf3")


def load_program():
    loader = importlib.machinery.SourceFileLoader("conform", str(HERE / "conform"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("conform", loader))
    loader.exec_module(module)
    return module


CONFORM = load_program()


def run(url, *args, state=None):
    """(exit status, report) of a strict run in this process."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as out:
        status = CONFORM.main(["--url", url, "--state", state or f"{folder}/state", "--strict",
                               "--json", *args])
    return status, json.loads(out.getvalue())


def plain(*args):
    """(exit status, standard output) of a run in this process, as text."""
    with contextlib.redirect_stdout(io.StringIO()) as out, \
            contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            status = CONFORM.main(list(args))
        except SystemExit as end:
            status = end.code
    return status, out.getvalue() + err.getvalue()


def not_passed(report):
    return [f"{case['name']}: {case['result']}: {'; '.join(case['differences'])}"
            for case in report["cases"] if case["result"] != "passed"]


def test_a_right_server_passes():
    with stub_http.running() as (url, server):
        status, report = run(url)
    assert status == 0 and not not_passed(report), "\n".join(not_passed(report))
    # A fault that is in the stub and not in the list would be tested by nobody.
    assert server.asked == set(FAULTS), server.asked ^ set(FAULTS)


def test_every_fault_is_found():
    missed = []
    for fault, glob in FAULTS.items():
        with stub_http.running(fault) as (url, server):
            status, report = run(url, "--case", glob)
        failed = [case for case in report["cases"] if case["result"] == "FAILED"]
        if status != 1 or not failed:
            missed.append(f"{fault}: not found by {glob}")
        if fault not in server.asked:
            missed.append(f"{fault}: the stub does not know it")
    assert not missed, "\n".join(missed)


def test_again_with_the_state_and_without():
    """With its counters the next run passes; without, counting devices are replays."""
    with stub_http.running() as (url, _), tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            status, report = run(url, "--case", "joinreq/accept/*", state=f"{folder}/state")
            assert status == 0, not_passed(report)
        status, report = run(url, "--case", "joinreq/accept/1.1@1.0")
        assert status == 1, "a DevNonce used before was accepted"
        status, report = run(url, "--case", "joinreq/first-dev-nonce-0/*", state=f"{folder}/state")
        status, report = run(url, "--case", "joinreq/first-dev-nonce-0/*", state=f"{folder}/state")
        assert status == 2 and report["totals"]["skipped"] == 2, report


def vector_device(version, **keys):
    memory = {"dev_nonce": 1, "used": [], "join_nonce": 0, "rj_count_1": 515, "joined": False}
    entry = {"name": "x", "dev_eui": "0004a30b001c0530", "join_eui": "70b3d57ed0001234",
             "lorawan_version": version, **{name: key.hex() for name, key in keys.items()}}
    return station.Station(entry, memory)


def test_the_device_is_one():
    """The device of the suite makes and reads the frames that one in the field does."""
    old = vector_device("1.0.3", app_key=NWK_KEY)
    assert old.join_request(2).hex() == JOIN_1_0[0]
    _, keys = old.accept(bytes.fromhex(JOIN_1_0[1]), 2, "60050a", None)
    assert (keys["NwkSKey"], keys["AppSKey"]) == JOIN_1_0[2:]
    new = vector_device("1.1", app_key=APP_KEY, nwk_key=NWK_KEY)
    assert new.join_request(17).hex() == JOIN_1_1[0]
    for vector, kind in ((JOIN_1_1, None), (REJOIN_0, 0), (REJOIN_1, 1)):
        nonce = 17
        if kind is not None:
            nonce = new.take_rj_count(kind, "next")
            key = bytes.fromhex(JOIN_1_1[2])
            assert new.rejoin_request(kind, nonce, "60050a", key).hex() == vector[0]
        _, keys = new.accept(bytes.fromhex(vector[1]), nonce, "60050a", kind)
        assert (keys["SNwkSIntKey"], keys["AppSKey"]) == vector[2:], kind
    # RFC 3394, 4.1: 128 bits of key data with a 128-bit KEK.
    wrapped = stub_crypto.wrap(bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff"))
    assert wrapped.hex() == "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"


def refuses(device, frame, nonce, kind):
    try:
        device.accept(frame, nonce, "60050a", kind)
    except AssertionError:
        return True
    return False


def test_the_device_refuses():
    """A Join-accept with any bit wrong, for another request, or not newer than the last."""
    frame = bytes.fromhex(JOIN_1_1[1])
    for at in range(len(frame)):
        bad = bytearray(frame)
        bad[at] ^= 1
        device = vector_device("1.1", app_key=APP_KEY, nwk_key=NWK_KEY)
        assert refuses(device, bytes(bad), 17, None), at
    device = vector_device("1.1", app_key=APP_KEY, nwk_key=NWK_KEY)
    assert refuses(device, frame, 18, None)
    assert refuses(device, frame, 17, 0)
    device.accept(frame, 17, "60050a", None)
    assert refuses(device, frame, 17, None), "the same JoinNonce again"


def test_levels():
    """A should that fails is a warning, a may a note; --strict makes them failures."""
    with stub_http.running("no-lifetime", "no-mic-0") as (url, _), \
            tempfile.TemporaryDirectory() as folder:
        common = ["--url", url, "--state", f"{folder}/state"]
        status, text = plain(*common, "--case", "joinreq/lifetime@*")
        assert status == 0 and "2 warnings" in text, text
        status, text = plain(*common, "--case", "rejoinreq/mic-forged/*")
        assert status == 0 and "2 notes" in text, text
        status, text = plain(*common, "--case", "joinreq/lifetime@*", "--strict")
        assert status == 1 and "2 failed" in text, text


def test_what_is_not_provisioned_is_skipped():
    data = json.loads((HERE / "fixture.json").read_text())
    for name in ("as", "as-other", "foreign"):
        del data["peers"][name]
    data["devices"] = [d for d in data["devices"] if not d["name"].startswith("rejoin")]
    with stub_http.running() as (url, _), tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "fixture.json"
        path.write_text(json.dumps(data))
        status, report = run(url, "--fixture", str(path))
    results = {}
    for case in report["cases"]:
        results.setdefault(case["message"], set()).add(case["result"])
        if case["result"] == "skipped":
            assert "fixture" in case["differences"][0], case
    assert status == 0, not_passed(report)
    assert results["AppSKeyReq"] == results["RejoinReq"] - {"passed"} == {"skipped"}, results
    assert "passed" in results["JoinReq"] and "passed" in results["HomeNSReq"], results


def test_credentials_of_the_command_line():
    wrong = ["--header", "Authorization: Bearer nobody"]
    with stub_http.running() as (url, server), tempfile.TemporaryDirectory() as folder:
        common = ["--url", url, "--state", f"{folder}/state", "--case", "joinreq/accept/*"]
        status, text = plain(*common, *wrong)
        assert status == 1 and "every answer was 401" in text, text
        token = pathlib.Path(folder) / "token"
        value = server.fixture.peers["home"]["authorization"]
        token.write_text(value.removeprefix("Bearer ") + "\n")
        status, text = plain(*common, "--token-file", str(token))
        assert status == 0 and "401" not in text, text
        assert plain(*common, "--header", "Authorization: " + value)[0] == 0


def test_nothing_to_try():
    with stub_http.running() as (url, _):
        pass
    status, text = plain("--url", url, "--state", "")
    assert status == 2 and url in text, f"nobody listens: {text}"
    assert plain("--url", "ftp://x/")[0] == 2
    assert plain()[0] == 2
    assert plain("--url", url, "--certificate", "x")[0] == 2
    with stub_http.running() as (url, _):
        assert plain("--url", url, "--state", "", "--case", "no/such/case")[0] == 2


def test_lists_and_fixture():
    status, text = plain("--list", "--message", "homensreq", "--protocol", "1.1")
    assert status == 0 and "LoRaWAN Backend Interfaces 1.0, HomeNSReq" in text, text
    assert "joinreq/" not in text and "@1.0" not in text, text
    status, text = plain("--print-fixture", "csv")
    rows = text.strip().split("\n")
    assert status == 0 and rows[0].startswith("join_eui,dev_eui,lorawan_version,app_key"), rows[0]
    assert "absent" not in text and len(rows) == 1 + len(json.loads(plain(
        "--print-fixture", "json")[1]))


def test_fixture_has_keys_of_its_own():
    """No key, EUI or credential twice: a mixed-up device would pass unseen."""
    data = json.loads((HERE / "fixture.json").read_text())
    euis = [d["dev_eui"] for d in data["devices"]]
    keys = [d[name] for d in data["devices"] for name in ("app_key", "nwk_key") if name in d]
    keys += [p["kek"]["key"] for p in data["peers"].values() if "kek" in p]
    tokens = [p["authorization"] for p in data["peers"].values()]
    for values in (euis, keys, tokens):
        assert len(values) == len(set(values))


def refused_case(change):
    """The text for a file of cases with a case changed so."""
    with tempfile.TemporaryDirectory() as folder:
        case = {"name": "x", "source": "y", "why": "z", "level": "must",
                "steps": [{"raw": "", "expect": {"status": 400}}]}
        change(case)
        path = pathlib.Path(folder) / "a.json"
        path.write_text(json.dumps({"message": "m", "protocols": ["1.0"], "cases": [case]}))
        try:
            cases.load(folder)
        except cases.Wrong as error:
            return str(error)
    return None


def test_cases_are_checked():
    assert refused_case(lambda case: None) is None
    for change, word in (
            (lambda c: c.pop("source"), "source"),
            (lambda c: c.update(level="always"), "level"),
            (lambda c: c.update(sauce="x"), "sauce"),
            (lambda c: c["steps"][0].pop("expect"), "cannot fail"),
            (lambda c: c["steps"][0]["expect"].update(states=200), "states"),
            (lambda c: c["steps"][0]["expect"].update(any_of=[{"status": 1}]), "any_of"),
            (lambda c: c["steps"][0]["expect"].update(checks={"good": True}), "good"),
            (lambda c: c["steps"][0]["expect"].update(body={"a": {"$hexa": 2}}), "$hexa"),
            (lambda c: c["steps"][0].update(body={"a": {"$fame": {}}}), "$fame"),
            (lambda c: c["steps"][0].update({"$base": "nothing"}), "nothing")):
        assert word in (refused_case(change) or ""), (word, refused_case(change))


def test_no_answer_breaks_the_suite():
    """Whatever a server writes in the place of a member, cases fail and the run ends as it should."""
    members = ["SenderID", "TransactionID", "Result", "PHYPayload", "NwkSKey", "FNwkSIntKey",
               "AppSKey", "SessionKeyID", "HNetID", "Lifetime"]
    values = (None, "0x", [[]], {"ResultCode": {}, "AESKey": [], "KEKLabel": {}})
    chance = random.Random(7)

    def spoil(body):
        member = chance.choice(members)
        if member in body and chance.random() < 0.5:
            body[member] = chance.choice(values)

    with stub_http.running() as (url, server), tempfile.TemporaryDirectory() as folder:
        server.spoil = spoil
        for glob in ("dialect-*", "appskeyreq/key*", "homensreq/*", "rejoinreq/re*", "*/at-once/*"):
            status, report = run(url, "--case", glob, state=f"{folder}/state")
            assert status == 1 and report["totals"]["skipped"] == 0, (glob, report["totals"])
        server.spoil = lambda body: body.clear() or body.update({"Result": {"ResultCode": 0}})
        assert run(url, "--case", "joinreq/accept/*", state=f"{folder}/state")[0] == 1


def test_alone():
    """The folder and lorawan.py are all that it takes."""
    with stub_http.running() as (url, _), tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy"
        shutil.copytree(HERE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(HERE.parent / "e2e" / "lorawan.py", copy)
        done = subprocess.run([copy / "conform", "--url", url, "--case", "joinreq/accept/*"],
                              cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0 and "12 passed" in done.stdout, done.stdout + done.stderr
        assert (pathlib.Path(folder) / "conform.state").exists()


def run_tests(names):
    failed = 0
    for name, function in list(names.items()):
        if not name.startswith("test_") or (sys.argv[1:] and name not in sys.argv[1:]):
            continue
        start = time.monotonic()
        try:
            function()
        except Exception:  # every failure is shown, and the next test runs
            failed += 1
            print(f"[  FAILED  ] {name}")
            traceback.print_exc(file=sys.stdout)
        else:
            print(f"[       OK ] {name} ({time.monotonic() - start:.1f} s)")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
