"""AppSKeyReq: an application server fetches the AppSKey of a session, which is the device's own."""
import json
import os
import random
import signal
import sys
import threading
import time

from commands import fails
from network import (
    AS_ID, NET_ID, PROTOCOLS, Home, Mobile, app_s_key_req, error_notif, home_ns_req, rejoin_req,
    same_but)
from server import SLOW, code, join_req, run_tests
from wire import HEADER

VERSIONS = ("1.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.1")
KEKS = {16: bytes(range(40, 56)), 24: bytes(range(60, 84)), 32: bytes(range(100, 132))}
OTHER_AS = "as2.example"


class Fetching(Home):
    """Devices of an application server that fetches its keys; `clear`: without a KEK."""

    def __init__(self, *args, clear=True, devices=None, **how):
        super().__init__(*args, devices=devices, **how)
        self.clear = ["--app-s-key-in-clear"] if clear else []

    def __enter__(self):
        super().__enter__()
        self.app_token = self.add_as("app", AS_ID, *self.clear)
        for device in self.devices:
            self.set(device, "--as-id", AS_ID)
        return self

    def fetch(self, device, session_key_id, protocol="1.1", token=None, as_id=AS_ID, label=None,
              **changes):
        """The AppSKey, of an answer that is complete and names what was asked for."""
        body = app_s_key_req(device, session_key_id, protocol, as_id, **changes)
        answer = self.succeeded(body, token or self.app_token)
        assert answer["DevEUI"] == body["DevEUI"], answer
        assert answer["SessionKeyID"] == body["SessionKeyID"], answer
        assert set(answer) <= HEADER | {"Result", "DevEUI", "SessionKeyID", "AppSKey"}, answer
        assert answer["AppSKey"].get("KEKLabel") == label, answer
        return self.opened(answer["AppSKey"])

    def unknown(self, device, session_key_id, token=None, as_id=AS_ID, protocol="1.1", **changes):
        body = app_s_key_req(device, session_key_id, protocol, as_id, **changes)
        return self.refused(body, "UnknownDevEUI", token or self.app_token)


def test_every_version():
    """After joins of every version and rejoins of every type, in both protocol versions."""
    devices = [Mobile(number, version) for number, version in enumerate(VERSIONS)]
    with Fetching(devices=devices) as home:
        seen = set()

        def fetched(device):
            assert device.session_key_id not in seen
            seen.add(device.session_key_id)
            for protocol in PROTOCOLS:
                for form in (str.lower, str.upper, lambda text: "0x" + text):
                    got = home.fetch(device, form(device.session_key_id), protocol,
                                     DevEUI=form(device.eui))
                    assert got == device.session["AppSKey"], device.version

        for device in devices:
            for protocol in PROTOCOLS:
                answer = home.join(device, protocol)
                # Of a device with an application server, only the name of the key is told.
                assert "AppSKey" not in answer, answer
                fetched(device)
        device = devices[-1]
        home.join(device, MACVersion="1.0.4", DLSettings="00")  # a 1.0 network: from NwkKey
        fetched(device)
        home.join(device)
        for protocol in PROTOCOLS:
            for kind in (0, 1, 2):
                assert "AppSKey" not in home.rejoin(kind, device, protocol)
                fetched(device)
        home.events("AppSKey of the session with JoinNonce 10 was given to app")


def test_wrapped():
    """Under KEKs of every length; under the current one, whatever it was at the join."""
    with Fetching(clear=False) as home:
        home.join()
        device = home.device
        for size, kek in KEKS.items():
            label = f"as-kek-{size}"
            home.add_kek("as", "app", label, kek)
            for _ in range(2):
                for protocol in PROTOCOLS:
                    got = home.fetch(device, device.session_key_id, protocol, label=label)
                    assert got == device.session["AppSKey"]
                home.rejoin(0)
        home.cli("kek", "retire", "--as", "app", "--kek-label", "as-kek-16")
        assert home.fetch(device, device.session_key_id, label="as-kek-32")
        # Permission to be told in the clear does not undo a KEK.
        home.cli("as", "set", "app", "--app-s-key-in-clear")
        got = home.fetch(device, device.session_key_id, label="as-kek-32")
        assert got == device.session["AppSKey"]


def test_kek_of_the_network_server():
    """The one of the network server has nothing to do with what the application server gets."""
    with Fetching() as home:
        home.add_kek("ns", "home", "ns-kek", KEKS[16])
        home.join()
        got = home.fetch(home.device, home.device.session_key_id)
        assert got == home.device.session["AppSKey"]


def test_every_delivery():
    """Whatever way it came first: whoever has the SessionKeyID may ask again."""
    with Fetching(clear=False) as home:
        home.add_kek("as", "app", "as-kek", KEKS[16])
        for mode in ("inline-id", "wrapped", "fetch"):
            home.set(home.device, "--app-s-key", mode)
            home.join()
            for _ in range(3):
                got = home.fetch(home.device, home.device.session_key_id, label="as-kek")
                assert got == home.device.session["AppSKey"], mode


def test_missing_kek():
    """Neither wrapped nor allowed in the clear: refused, nothing told, and an alarm."""
    with Fetching(clear=False) as home:
        home.join()
        device = home.device
        for protocol in PROTOCOLS:
            body = app_s_key_req(device, device.session_key_id, protocol)
            answer = home.refused(body, "Other", home.app_token)
            assert "AppSKey" not in answer, answer
        log = home.server.new_log()
        assert log.count("the key encryption key is missing") == 2, log
        assert "keyward kek add --as NAME" in log, log
        status = home.server.json("status")
        assert status["joins"]["missing_keks"] == 2, status
        assert any("KEK is missing" in text for text in status["warnings"]), status
        home.events("the KEK of app is missing; \"kek add --as app")
        # Either way out.
        home.cli("as", "set", "app", "--app-s-key-in-clear")
        assert home.fetch(device, device.session_key_id) == device.session["AppSKey"]
        home.cli("as", "set", "app", "--no-app-s-key-in-clear")
        home.refused(app_s_key_req(device, device.session_key_id), "Other", home.app_token)
        home.add_kek("as", "app", "as-kek", KEKS[32])
        assert home.fetch(device, device.session_key_id,
                          label="as-kek") == device.session["AppSKey"]
        # One that had a KEK and lost it is not told in the clear, allowed or not.
        home.cli("kek", "retire", "--as", "app", "--kek-label", "as-kek", "--force")
        for permission in ("--no-app-s-key-in-clear", "--app-s-key-in-clear"):
            home.cli("as", "set", "app", permission)
            home.refused(app_s_key_req(device, device.session_key_id), "Other", home.app_token)
        assert home.server.json("status")["peers"]["keks_missing"] == 1


def test_last_ten():
    """Of joins and rejoins together; the eleventh is unknown, also after a restart."""
    with Fetching() as home:
        device = home.device
        home.join()
        sessions = [(device.session_key_id, device.session["AppSKey"])]

        def check():
            assert all(home.fetch(device, name) == key for name, key in sessions[-10:])
            for name, _ in sessions[:-10]:
                home.unknown(device, name)

        for number in range(14):
            home.rejoin(number % 3) if number % 4 else home.join()
            sessions.append((device.session_key_id, device.session["AppSKey"]))
            check()
        home.events("SessionKeyID is that of none of the last 10 sessions")
        time.sleep(1)  # the journal is folded
        check()
        home.crash()
        check()
        home.server.stop()
        home.server.start()
        check()


def raw(home, body, token):
    """The octets of the answer and its header, but for the date."""
    link = home.server.connect()
    link.request("POST", "/", json.dumps(body), {
        "Content-Type": "application/json", "Authorization": "Bearer " + token})
    answer = link.getresponse()
    head = sorted((name, value) for name, value in answer.getheaders() if name != "Date")
    octets = answer.read()
    link.close()
    return answer.status, head, octets


def test_one_refusal_for_all():
    """Whose a session is, and what is there at all, cannot be found out by asking."""
    other = Mobile(2)
    with Fetching(devices=[Mobile(1), other]) as home:
        device = home.device
        their_token = home.add_as("other", OTHER_AS, "--app-s-key-in-clear")
        home.join()
        mine = device.session_key_id
        home.set(other, "--as-id", OTHER_AS)
        home.join(other)
        nobody = Mobile(77)
        for protocol in PROTOCOLS:
            seen = {}
            for what, asked, name, token, as_id in (
                    ("a foreign session", device, mine, their_token, OTHER_AS),
                    ("another device's session", device, other.session_key_id, home.app_token,
                     AS_ID),
                    ("an unknown session", device, "00" * 16, home.app_token, AS_ID),
                    ("an unknown session of a foreign device", device, "11" * 16, their_token,
                     OTHER_AS),
                    ("an unknown device", nobody, mine, home.app_token, AS_ID),
                    ("a known session of an unknown device", nobody, other.session_key_id,
                     their_token, OTHER_AS),
                    ("octets of another length", device, mine[:-2], home.app_token, AS_ID),
                    ("one octet more", device, mine + "00", home.app_token, AS_ID)):
                body = app_s_key_req(asked, name, protocol, as_id)
                status, head, octets = raw(home, body, token)
                # What was asked is named again; all else is the same, octet for octet.
                for echo in (as_id, asked.eui, name):
                    assert octets.count(b'"%s"' % echo.encode()) == 1, octets
                    octets = octets.replace(b'"%s"' % echo.encode(), b'"?"')
                head = [(key, value) for key, value in head if key != "Content-Length"]
                seen[what] = (status, head, octets)
                answer = home.refused(body, "UnknownDevEUI", token)
                assert "AppSKey" not in answer
            assert len({str(value) for value in seen.values()}) == 1, seen
        # The operator sees which it was.
        log = home.events("the session was made for another application server than other",
                          "SessionKeyID is that of none of the last 10 sessions")
        assert "AppSKey of the session" not in log, log
        assert home.fetch(device, mine) == device.session["AppSKey"]
        assert home.fetch(other, other.session_key_id, token=their_token,
                          as_id=OTHER_AS) == other.session["AppSKey"]


def test_device_moved():
    """To another application server: what was is the old one's, what comes the new one's."""
    with Fetching() as home:
        device = home.device
        their_token = home.add_as("other", OTHER_AS, "--app-s-key-in-clear")
        home.join()
        old = device.session_key_id, device.session["AppSKey"]
        home.set(device, "--as-id", OTHER_AS)
        home.rejoin(0)
        new = device.session_key_id, device.session["AppSKey"]

        def check():
            assert home.fetch(device, old[0]) == old[1]
            assert home.fetch(device, new[0], token=their_token, as_id=OTHER_AS) == new[1]
            home.unknown(device, old[0], their_token, OTHER_AS)
            home.unknown(device, new[0])

        check()
        home.crash()
        check()
        home.server.stop()
        home.server.start()
        check()
        # Nobody's: nobody gets it later either.
        home.set(device, "--as-id", "")
        home.join()
        lost = device.session_key_id
        home.set(device, "--as-id", AS_ID)
        home.unknown(device, lost)
        check()


def test_as_removed():
    """A new one of the same AS-ID is another: the sessions of the first are not its own."""
    with Fetching() as home:
        device = home.device
        home.join()
        name = device.session_key_id
        assert home.fetch(device, name) == device.session["AppSKey"]
        home.cli("as", "remove", "app")
        assert home.post(app_s_key_req(device, name), home.app_token)[0] == 401
        token = home.add_as("again", AS_ID, "--app-s-key-in-clear")
        home.unknown(device, name, token)
        home.rejoin(1)
        assert home.fetch(device, device.session_key_id, token=token) == device.session["AppSKey"]


def test_device_registered_anew():
    """The sessions of before were made with other root keys."""
    with Fetching(devices=[Mobile(1), Mobile(2)]) as home:
        device = home.device
        home.join()
        name, last = device.session_key_id, device.last_join_nonce
        home.cli("device", "remove", device.eui)
        home.unknown(device, name)
        time.sleep(0.01)
        home.server.import_rows([device.row()])
        home.set(device, "--as-id", AS_ID)
        home.unknown(device, name)
        device.last_join_nonce = last
        home.join()
        assert home.fetch(device, device.session_key_id) == device.session["AppSKey"]
        home.unknown(device, name)


def test_after_a_kill():
    """The session that an answer named is there, whatever was killed since."""
    with Fetching() as home:
        device = home.device
        for number in range(6):
            home.rejoin(number % 3) if number else home.join()
            if number % 2:
                home.crash()
            else:
                os.kill(home.server.children()["vault"], signal.SIGKILL)
            body = app_s_key_req(device, device.session_key_id)
            deadline = time.monotonic() + 10 * SLOW
            while True:
                status, answer, _ = home.post(body, home.app_token)
                if status == 200 and code(answer) != "Other":
                    break
                assert time.monotonic() < deadline, (status, answer)
                time.sleep(0.02)
            assert home.opened(answer["AppSKey"]) == device.session["AppSKey"]


def test_changes_nothing():
    """Asking uses no nonce and makes no session, however often."""
    with Fetching() as home:
        device = home.device
        home.join()
        before, counted = home.state(), home.server.json("status")["joins"]["accepted"]
        link = home.server.connect()
        body = app_s_key_req(device, device.session_key_id)
        answers = {same_but(home.succeeded(dict(body, TransactionID=number), home.app_token,
                                           connection=link), "TransactionID")
                   for number in range(300)}
        link.close()
        assert len(answers) == 1, answers
        home.events("was given to app")
        assert home.state() == before
        assert home.server.json("status")["joins"]["accepted"] == counted
        home.rejoin(0)


def test_who_may_ask():
    """The credential says who is asking; a network server fetches no keys, nor an AS joins."""
    with Fetching() as home:
        device = home.device
        their_token = home.add_as("other", OTHER_AS, "--app-s-key-in-clear")
        home.join()
        before = home.state()
        for protocol in PROTOCOLS:
            body = app_s_key_req(device, device.session_key_id, protocol)
            assert home.post(body, "of nobody at all")[0] == 401
            # A network server, under any name.
            for sender in (AS_ID, NET_ID, "home"):
                home.refused(dict(body, SenderID=sender), "UnknownSender", home.token)
            # An application server under another's name, or one much like its own.
            home.refused(body, "UnknownSender", their_token)
            for sender in (OTHER_AS, AS_ID.upper(), AS_ID + ".", AS_ID[:-1], "0x" + AS_ID, NET_ID,
                           "app"):
                home.refused(dict(body, SenderID=sender), "UnknownSender", home.app_token)
            frame, _ = device.rejoin(1, 30)
            for other in (join_req(device, 77, ProtocolVersion=protocol),
                          rejoin_req(device, frame, protocol),
                          home_ns_req(device, NET_ID, protocol)):
                home.refused(other, "UnknownSender", home.app_token)
                home.refused(dict(other, SenderID=AS_ID), "UnknownSender", home.app_token)
            home.refused(dict(body, ReceiverID="0102030405060708"), "UnkownReceiver",
                         home.app_token)
            home.refused(dict(body, ReceiverID="elsewhere"), "UnkownReceiver", home.app_token)
            status, answer, _ = home.post(error_notif(device, AS_ID, protocol), home.app_token)
            assert status == 200 and answer is None
        assert home.state() == before
        # One without a credential cannot ask; taken away, it cannot any more.
        home.cli("as", "set", "app", "--token-file", "")
        assert home.post(body, home.app_token)[0] == 401


def test_blocked_device():
    """It may not join any more; the keys of its sessions are its application server's still."""
    with Fetching() as home:
        device = home.device
        home.join()
        home.cli("device", "block", device.eui)
        assert home.fetch(device, device.session_key_id) == device.session["AppSKey"]


def test_as_ids():
    """Any text: with blanks, as long as can be, one that looks like a NetID."""
    for as_id in ("a", NET_ID, "Application Server 1 / north; <&>", "x" * 63):
        with Home() as home:
            token = home.add_as("app", as_id, "--app-s-key-in-clear")
            home.set(home.device, "--as-id", as_id)
            home.join()
            answer = home.succeeded(
                app_s_key_req(home.device, home.device.session_key_id, as_id=as_id), token)
            assert answer["AppSKey"]["AESKey"] == home.device.session["AppSKey"]
            assert answer["ReceiverID"] == as_id
    with Home() as home:
        for as_id in ("x" * 64, "x" * 300, "line\nbreak", "tab\t", "Ger\u00e4t"):
            fails(home.server, "as", "add", "app", "--as-id", as_id, "--token", words="as_id")


def test_ns_id_in_the_request():
    """The Things Stack sends none in either version, others one of their own: neither counts."""
    with Fetching() as home:
        device = home.device
        home.join()
        for protocol in PROTOCOLS:
            for changes in ({}, {"SenderNSID": "70B3D57ED0FE0001"}, {"SenderNSID": ""},
                            {"DevAddr": "26011bda"}, {"VSExtension": {}},
                            {"SenderToken": "7f01"}):
                body = app_s_key_req(device, device.session_key_id, protocol, **changes)
                answer = home.succeeded(body, home.app_token)
                assert answer["AppSKey"] == {"AESKey": device.session["AppSKey"]}
                sent = changes.get("SenderNSID") if protocol == "1.1" else None
                assert answer.get("ReceiverNSID", "") == (sent or ""), answer
                assert answer.get("ReceiverToken") == changes.get("SenderToken"), answer


def test_while_joins_go_on():
    """Application servers and devices at the same time, over two fronts: nobody gets another's."""
    devices = [Mobile(number) for number in range(1, 7)]
    problems, fetched = [], []
    with Fetching(devices=devices, fronts=2) as home:
        for device in devices:
            home.join(device)

        def live(device):
            chance = random.Random(device.eui)
            known = {}
            try:
                for _ in range(25):
                    home.rejoin(chance.randrange(3), device)
                    known[device.session_key_id] = device.session["AppSKey"]
                    name = chance.choice(list(known)[-10:])
                    assert home.fetch(device, name) == known[name]
                    fetched.append(name)
            except Exception as problem:  # shown by the test
                problems.append(problem)

        threads = [threading.Thread(target=live, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, problems
        assert len(fetched) == 25 * len(devices)


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
