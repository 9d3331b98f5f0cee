"""HomeNSReq: whose a device is, told to those who may know; ErrorNotif, and messages not for us."""
import json
import re
import sys
import time

from network import (
    AS_ID, NET_ID, PARTNER_ID, PROTOCOLS, STRANGER_ID, Home, Mobile, error_notif, home_ns_req,
    same_but)
from server import code, run_tests
from wire import HEADER, MALFORMED

NS_ID = "70b3d57ed0fe0001"
OTHER_NS_ID = "70b3d57ed0fe0002"
# Requests of the Backend Interfaces that are not for a join server.
NOT_FOR_US = ("PRStartReq", "PRStopReq", "HRStartReq", "HRStopReq", "ProfileReq", "XmitDataReq",
              "XmitLocReq", "JoinAcceptReq", "Req" * 2, "XReq")
# Answers and notifications: nothing that is answered.
NOT_REQUESTS = ("JoinAns", "RejoinAns", "AppSKeyAns", "HomeNSAns", "PRStartAns", "PRStopAns",
                "HRStartAns", "HRStopAns", "ProfileAns", "XmitDataAns", "ErrorNotifAns",
                "PRStartNotif", "Req", "", "joinreq", "HOMENSREQ", "ErrorNotification", "Join Req",
                "x" * 33 + "Req")


class Abroad(Home):
    """A home network, one that its devices may visit, and one that they may not."""

    def __enter__(self):
        super().__enter__()
        self.partner = self.server.add_ns("partner", "--net-id", PARTNER_ID)
        self.stranger = self.server.add_ns("stranger", "--net-id", STRANGER_ID, "--any-device")
        return self

    def told(self, net_id, token, device=None, protocol="1.1", home=NET_ID, ns_id=None, **changes):
        body = home_ns_req(device or self.device, net_id, protocol, **changes)
        answer = self.succeeded(body, token)
        assert answer["HNetID"] == home, answer
        assert answer.get("HNSID") == (ns_id if protocol == "1.1" else None), answer
        assert set(answer) <= HEADER | {"Result", "HNetID", "HNSID"}, answer
        return answer

    def not_told(self, net_id, token, wanted="NoRoamingAgreement", device=None):
        for protocol in PROTOCOLS:
            body = home_ns_req(device or self.device, net_id, protocol)
            answer = self.refused(body, wanted, token)
            assert NET_ID not in same_but(answer, "ReceiverID"), answer


def test_roaming_list():
    """Those on the list and the home network itself; nobody else, and not before."""
    with Abroad() as home:
        device = home.device
        home.set(device, "--net-id", NET_ID)
        for joined in (False, True):
            for protocol in PROTOCOLS:
                home.told(NET_ID, home.token, protocol=protocol)
            home.not_told(PARTNER_ID, home.partner)
            home.set(device, "--roaming", PARTNER_ID, "--roaming", "0000aa")
            for protocol in PROTOCOLS:
                for form in (str.upper, str.lower, lambda text: "0x" + text):
                    home.told(form(PARTNER_ID), home.partner, protocol=protocol,
                              DevEUI=form(device.eui))
            # --any-device is about joins.
            home.not_told(STRANGER_ID, home.stranger)
            home.set(device, "--roaming", "")
            home.not_told(PARTNER_ID, home.partner)
            if not joined:
                home.join()
        home.events("network 00002d was told the home network of the device",
                    'network 60050a is not on the roaming list; "device set 0004a30b001c0001 '
                    '--roaming 60050a"')


def test_sender_id():
    """A network asks under its own NetIDs only: the roaming list helps no liar."""
    with Abroad() as home:
        home.set(home.device, "--net-id", NET_ID, "--roaming", PARTNER_ID)
        app = home.add_as()
        for protocol in PROTOCOLS:
            for token, sender in ((home.stranger, PARTNER_ID), (home.stranger, NET_ID),
                                  (home.partner, NET_ID), (home.partner, STRANGER_ID),
                                  (home.partner, "partner"), (app, AS_ID), (app, PARTNER_ID)):
                body = home_ns_req(home.device, sender, protocol)
                home.refused(body, "UnknownSender", token)
            assert home.post(home_ns_req(home.device), "of nobody at all")[0] == 401
            body = home_ns_req(home.device, PARTNER_ID, protocol, ReceiverID="0102030405060708")
            home.refused(body, "UnkownReceiver", home.partner)


def test_unknown_device():
    with Abroad() as home:
        home.set(home.device, "--roaming", PARTNER_ID)
        for token, net_id in ((home.token, NET_ID), (home.partner, PARTNER_ID),
                              (home.stranger, STRANGER_ID)):
            home.not_told(net_id, token, "UnknownDevEUI", Mobile(99))


def test_no_home_yet():
    """A device that names no network has a home once it has joined; until then there is none."""
    with Abroad() as home:
        device = home.device
        home.not_told(PARTNER_ID, home.partner)
        home.not_told(NET_ID, home.token)
        home.set(device, "--roaming", PARTNER_ID)
        home.not_told(PARTNER_ID, home.partner, "ActivationDisallowed")
        home.events("the home network is not known")
        home.join()
        for protocol in PROTOCOLS:
            home.told(PARTNER_ID, home.partner, protocol=protocol)
            home.told(NET_ID, home.token, protocol=protocol)
        home.not_told(STRANGER_ID, home.stranger)
        # It joins elsewhere: that is its home then.
        home.join(token=home.stranger, SenderID=STRANGER_ID)
        home.told(PARTNER_ID, home.partner, home=STRANGER_ID)
        home.told(STRANGER_ID, home.stranger, home=STRANGER_ID)
        home.not_told(NET_ID, home.token)
        home.crash()
        home.told(PARTNER_ID, home.partner, home=STRANGER_ID)


def test_several_networks():
    """Of those that may join the device: the one that did last, before that the first."""
    with Abroad() as home:
        device = home.device
        home.set(device, "--net-id", STRANGER_ID, "--net-id", NET_ID, "--roaming", PARTNER_ID)
        home.told(PARTNER_ID, home.partner, home=STRANGER_ID)
        home.told(NET_ID, home.token, home=STRANGER_ID)
        home.join()
        home.told(PARTNER_ID, home.partner)
        home.told(STRANGER_ID, home.stranger)
        # One that may not join it any more is not its home.
        home.set(device, "--net-id", STRANGER_ID)
        home.told(PARTNER_ID, home.partner, home=STRANGER_ID)
        home.not_told(NET_ID, home.token)


def test_h_ns_id():
    """In 1.1 only: what the device says, else that of the network server that joined it last."""
    with Abroad() as home:
        device = home.device
        home.set(device, "--roaming", PARTNER_ID)
        home.join()
        home.told(PARTNER_ID, home.partner)
        home.cli("ns", "set", "home", "--ns-id", NS_ID)
        for protocol in PROTOCOLS:
            home.told(PARTNER_ID, home.partner, protocol=protocol, ns_id=NS_ID)
        home.set(device, "--ns-id", OTHER_NS_ID)
        for protocol in PROTOCOLS:
            home.told(PARTNER_ID, home.partner, protocol=protocol, ns_id=OTHER_NS_ID)
        home.set(device, "--ns-id", "")
        home.told(PARTNER_ID, home.partner, ns_id=NS_ID)
        # One that the asking network has registered, it must send.
        home.cli("ns", "set", "partner", "--ns-id", OTHER_NS_ID)
        home.told(PARTNER_ID, home.partner, protocol="1.0")
        body = home_ns_req(device)
        home.refused(body, "UnknownSender", home.partner)
        home.refused(dict(body, SenderNSID=NS_ID), "UnknownSender", home.partner)
        answer = home.told(PARTNER_ID, home.partner, ns_id=NS_ID, SenderNSID=OTHER_NS_ID)
        assert answer["ReceiverNSID"] == OTHER_NS_ID, answer


def test_changes_nothing():
    with Abroad() as home:
        home.set(home.device, "--roaming", PARTNER_ID)
        home.join()
        before = home.state()
        link = home.server.connect()
        for number in range(100):
            home.succeeded(home_ns_req(home.device, TransactionID=number), home.partner,
                           connection=link)
            home.refused(home_ns_req(home.device, STRANGER_ID, TransactionID=number),
                         "NoRoamingAgreement", home.stranger, connection=link)
        link.close()
        home.events("was told the home network", "is not on the roaming list")
        assert home.state() == before
        home.rejoin(0)


def logged(home, words):
    """The lines of the log that were written with these words."""
    return [line for line in home.server.new_log().splitlines() if words in line]


def test_error_notif():
    """Taken from any peer, to be read in the log; nobody is answered and nothing changes."""
    with Abroad() as home:
        app = home.add_as()
        home.join()
        before, joins = home.state(), home.server.json("status")["joins"]
        count = 0
        for token, sender, peer in ((home.token, NET_ID, "home"), (home.partner, PARTNER_ID,
                                    "partner"), (app, AS_ID, "app")):
            for protocol in PROTOCOLS:
                for result in ("InvalidProtocolVersion", "MalformedMessage", "Other"):
                    body = error_notif(home.device, sender, protocol,
                                       Result={"ResultCode": result, "Description": "why\n"},
                                       TransactionID=5000 + count)
                    status, answer, head = home.post(body, token)
                    assert status == 200 and answer is None, f"HTTP {status} {answer}"
                    assert head["Content-Length"] == "0", head
                    lines = [line for line in logged(home, "ErrorNotif taken")
                             if f"txn={5000 + count}" in line]
                    assert len(lines) == 1, home.server.new_log()
                    assert f"peer={peer} " in lines[0] and f"result={result} " in lines[0], lines
                    count += 1
        # To whatever address, and with nothing that can be read in it.
        for changes in ({"ReceiverID": "0102030405060708"}, {"ReceiverID": "a server"},
                        {"Result": None}, {"Result": "Success"}, {"Result": {}},
                        {"Result": {"ResultCode": 7}}, {"Result": {"ResultCode": "x" * 500}},
                        {"Result": {"ResultCode": "a\nfake log line=1"}}, {"PHYPayload": "zz"},
                        {"DevEUI": 1}, {"ProtocolVersion": "3.0"}):
            status, answer, _ = home.post(error_notif(home.device, **changes))
            assert status == 200 and answer is None, f"{changes}: HTTP {status} {answer}"
        assert not re.search("^fake", home.server.new_log(), re.M)
        assert "fake log" not in home.server.new_log()
        assert home.state() == before
        time.sleep(1.2)
        assert home.state() == before and home.server.json("status")["joins"] == joins
        home.rejoin(0)


def test_error_notif_of_a_stranger():
    with Abroad() as home:
        for headers in ({}, {"Authorization": "Bearer of-nobody-at-all"},
                        {"Authorization": "Basic bm86Ym9keQ=="}):
            status, answer, head = home.server.post(error_notif(home.device), headers=headers)
            assert status == 401 and answer is None, f"HTTP {status} {answer}"
            assert "WWW-Authenticate" in head, head
        assert not logged(home, "ErrorNotif taken"), home.server.new_log()
        # A sender that is not the peer's own is nobody either: not taken for what it says.
        home.post(error_notif(home.device, NET_ID), home.partner)
        assert not [line for line in logged(home, "ErrorNotif taken") if "peer=home" in line]


def test_not_for_us():
    """Other requests get MalformedRequest or MalformedMessage in their own answer; the rest, 400."""
    with Abroad() as home:
        home.join()
        before = home.state()
        for protocol in PROTOCOLS:
            for name in NOT_FOR_US:
                body = home_ns_req(home.device, NET_ID, protocol, MessageType=name,
                                   PHYPayload="00", ULMetaData={"DevEUI": home.device.eui})
                answer = home.refused(body, MALFORMED[protocol])
                assert answer["MessageType"] == name[:-3] + "Ans", answer
                # Who asks comes first.
                assert home.post(body, "of nobody at all")[0] == 401
                home.refused(dict(body, SenderID=STRANGER_ID), "UnknownSender")
            for name in NOT_REQUESTS:
                body = home_ns_req(home.device, NET_ID, protocol, MessageType=name,
                                   Result={"ResultCode": "Success"}, HNetID=NET_ID)
                status, answer, _ = home.post(body)
                assert status == 400 and answer is None, f"{name}: HTTP {status} {answer}"
        assert home.state() == before
        home.rejoin(1)


def test_parallel_kinds():
    """Requests of every kind pipelined on one connection: each gets its own answer, in order."""
    with Abroad() as home:
        home.set(home.device, "--roaming", PARTNER_ID)
        home.join()
        bodies = []
        for number in range(60):
            kind = (home_ns_req, error_notif)[number % 3 == 2]
            bodies.append(kind(home.device, PARTNER_ID, PROTOCOLS[number % 2],
                               TransactionID=number))
        link = home.server.connect()
        link.connect()
        octets = b""
        for body in bodies:
            text = json.dumps(body).encode()
            octets += (f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       f"Authorization: Bearer {home.partner}\r\n"
                       f"Content-Length: {len(text)}\r\n\r\n").encode() + text
        link.sock.sendall(octets)
        file = link.sock.makefile("rb")
        for body in bodies:
            assert file.readline().startswith(b"HTTP/1.1 200")
            length = 0
            while (line := file.readline().strip()):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            text = file.read(length)
            if body["MessageType"] == "ErrorNotif":
                assert text == b"", text
            else:
                answer = json.loads(text)
                assert answer["TransactionID"] == body["TransactionID"], answer
                assert code(answer) == "Success" and answer["HNetID"] == NET_ID, answer
        file.close()
        link.close()


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
