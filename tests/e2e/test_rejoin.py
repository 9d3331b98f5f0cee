"""Rejoins of the types 0, 1 and 2, judged by a device that shares no code with the product."""
import os
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from lorawan import cmac
from network import (
    NET_ID, PARTNER_ID, PROTOCOLS, STRANGER_ID, THREE_KEYS, Home, Mobile, rejoin_req, same_but)
from server import SLOW, code, join_req, run_tests
from wire import JOIN_EUI, MALFORMED, REPLAYED

KINDS = (0, 1, 2)
CF_LIST = "184f84e85684b85e84886684586e8400"


def nobody_changed(home, before):
    assert home.state() == before, f"{before} became {home.state()}"


def test_every_type():
    """A new session each time: keys, SessionKeyID and JoinNonce that were never there."""
    with Home() as home:
        seen, last = set(), 0
        for protocol in PROTOCOLS:
            home.join(protocol=protocol)
            for kind in (0, 1, 2, 2, 0, 1, 1, 0, 2):
                answer = home.rejoin(kind, protocol=protocol)
                keys = home.device.session
                assert keys["join_nonce"] > last
                last = keys["join_nonce"]
                found = [keys[name] for name in THREE_KEYS] + [
                    keys["AppSKey"], answer["SessionKeyID"], answer["PHYPayload"]]
                assert not seen & set(found) and len(set(found)) == 6, "not new"
                seen |= set(found)
                assert "NwkSKey" not in answer and type(answer["Lifetime"]) is int, answer
                assert answer["AppSKey"] == {"AESKey": keys["AppSKey"]}, answer
        home.events("rejoined network 000013 (type 0) with RJcount0 0; JoinNonce 2",
                    "rejoined network 000013 (type 1) with RJcount1 0; JoinNonce 3",
                    "rejoined network 000013 (type 2) with RJcount0 0; JoinNonce 4",
                    "rejoined network 000013 (type 1) with RJcount1 5; JoinNonce 18")


def test_what_the_network_chose():
    """DevAddr, DLSettings, RxDelay and CFList of the RejoinReq stand in the Join-accept."""
    with Home() as home:
        home.join()
        for kind in KINDS:
            for changes in ({"DevAddr": "26ffeedd", "DLSettings": "b7", "RxDelay": 15},
                            {"DLSettings": "80", "RxDelay": 0, "CFList": CF_LIST}):
                answer = home.rejoin(kind, **changes)
                clear = home.device.open_accept(bytes.fromhex(answer["PHYPayload"]), kind)
                assert clear[6:10][::-1].hex() == changes.get("DevAddr", "26011bda")
                assert clear[10:12] == bytes([int(changes["DLSettings"], 16), changes["RxDelay"]])
                assert clear[12:-4].hex() == changes.get("CFList", ""), clear.hex()


def test_repeated_in_the_window():
    """The identical request gets the identical answer, also from a vault that was killed."""
    with Home(settings="[join]\nrepeat_window = 3600") as home:
        home.join()
        for protocol in PROTOCOLS:
            for kind in KINDS:
                frame, count = home.device.rejoin(kind)
                body = rejoin_req(home.device, frame, protocol)
                first = home.succeeded(body)
                before = home.state()
                for number in range(3):
                    # TransactionID says nothing about what is a repetition.
                    again = home.succeeded(dict(body, TransactionID=100 + number))
                    assert same_but(again, "TransactionID") == same_but(first, "TransactionID")
                home.crash()
                again = home.succeeded(body)
                assert again == first, f"{again} after {first}"
                nobody_changed(home, before)
                for changes in ({"DevAddr": "26011bdb"}, {"RxDelay": 2}, {"DLSettings": "81"},
                                {"CFList": CF_LIST}):
                    home.refused(dict(body, **changes), REPLAYED[protocol])
                nobody_changed(home, before)
                name = f"RJcount{kind % 2} {count}"
                home.events(f"repeated: network 000013 asked again with {name} and got the same",
                            f"{name} was already used")
                home.accepted(home.device, first, count, kind)


def test_repeated_after_the_window():
    with Home(settings="[join]\nrepeat_window = 1") as home:
        home.join()
        for protocol in PROTOCOLS:
            for kind in KINDS:
                frame, count = home.device.rejoin(kind)
                body = rejoin_req(home.device, frame, protocol)
                first = home.succeeded(body)
                before = home.state()
                time.sleep(1.1)
                home.refused(body, REPLAYED[protocol])
                nobody_changed(home, before)
                home.accepted(home.device, first, count, kind)


def test_repeated_after_another():
    """Only the last request can be a repetition."""
    with Home(settings="[join]\nrepeat_window = 3600") as home:
        home.join()
        for kind in KINDS:
            frame, _ = home.device.rejoin(kind)
            home.succeeded(rejoin_req(home.device, frame))
            home.device.last_join_nonce += 1  # that answer is lost
            home.rejoin(kind)
            home.refused(rejoin_req(home.device, frame), "FrameReplayed")
            home.rejoin(kind)


def test_forged_mic():
    """Any bit of the MIC, any octet, any wrong key: refused, and nothing is stored."""
    chance = random.Random(7)
    with Home() as home:
        home.join()
        device = home.device
        before = home.state()
        link = home.server.connect()
        for kind in KINDS:
            good, _ = device.rejoin(kind, 1)
            home.refused(rejoin_req(device, good[:-4] + bytes(4)), "MICFailed", connection=link)
        home.events("fits none of the last sessions of the device", "the MIC is wrong: the device")
        for kind in KINDS:
            protocol = PROTOCOLS[kind % 2]
            count = device.rj_count_1 if kind == 1 else device.rj_count_0
            good, _ = device.rejoin(kind, count)
            for bit in range(32):
                frame = bytearray(good)
                frame[-4 + bit // 8] ^= 1 << bit % 8
                home.refused(rejoin_req(device, bytes(frame), protocol), "MICFailed",
                             connection=link)
            for at in range(len(good)):
                frame = bytearray(good)
                frame[at] ^= chance.randrange(1, 256)
                answer = home.ask(rejoin_req(device, bytes(frame), protocol), connection=link)
                assert code(answer) not in ("Success", "Other"), f"octet {at}: {answer}"
            keys = [bytes(16), device.nwk_key, device.app_key, device.lifetime_key(5),
                    device.lifetime_key(6)]
            keys += [bytes.fromhex(device.session[name])
                     for name in (*THREE_KEYS, "AppSKey")]
            own = device.lifetime_key(6) if kind == 1 else bytes.fromhex(
                device.session["SNwkSIntKey"])
            assert good[-4:] == cmac(own, good[:-4])[:4] and own in keys
            for key in keys:
                if key != own:
                    frame = good[:-4] + cmac(key, good[:-4])[:4]
                    home.refused(rejoin_req(device, frame, protocol), "MICFailed",
                                 connection=link)
        link.close()
        home.events("MIC guessing: 20 wrong MICs")
        nobody_changed(home, before)
        home.crash()
        nobody_changed(home, before)
        for kind in KINDS:
            home.rejoin(kind)


def test_rj_count_1_for_life():
    """Never back: not in another session, not after a join, a restart or a kill."""
    with Home() as home:
        home.join()
        device = home.device

        def refused(*counts):
            before = home.state()
            for protocol in PROTOCOLS:
                for count in counts:
                    frame, _ = device.rejoin(1, count)
                    body = rejoin_req(device, frame, protocol, DevAddr="26011bdb")
                    home.refused(body, REPLAYED[protocol])
            nobody_changed(home, before)

        device.rj_count_1 = 5
        home.rejoin(1)
        refused(5, 4, 0)
        home.join()
        refused(5, 0)
        home.rejoin(0)
        refused(5, 1)
        home.crash()
        refused(5)
        home.cli("device", "reset-nonces", device.eui)  # DevNonces only
        refused(5)
        home.rejoin(1)
        device.rj_count_1 = 0xFFFE
        home.rejoin(1)
        home.rejoin(1)
        refused(0xFFFF, 0xFFFE, 0)
        home.events("RJcount1 0 was already used; the device must send a higher one; "
                    "last accepted 65535")
        home.rejoin(0)


def test_rj_count_0_of_a_session():
    """It only grows in one session, types 0 and 2 together, and starts again in the next."""
    with Home() as home:
        home.join()
        device = home.device
        for protocol in PROTOCOLS:
            for kind, count in ((0, 3), (2, 4), (0, 9)):  # the device hears none of the answers
                frame, _ = device.rejoin(kind, count)
                last = home.succeeded(rejoin_req(device, frame, protocol))
                device.last_join_nonce += 1
                before = home.state()
                for other, back in ((0, count), (2, count), (0, count - 1), (2, 0)):
                    frame, _ = device.rejoin(other, back)
                    home.refused(rejoin_req(device, frame, protocol, DevAddr="26011bdb"),
                                 REPLAYED[protocol])
                nobody_changed(home, before)
            device.last_join_nonce -= 1
            home.accepted(device, last, 9, 0)
            home.rejoin(0, protocol=protocol)  # RJcount0 is 0
            home.rejoin(2, protocol=protocol)
            home.crash()
            frame, _ = device.rejoin(0, 1)
            lost = home.succeeded(rejoin_req(device, frame, protocol))
            home.crash()
            frame, _ = device.rejoin(2, 1)
            home.refused(rejoin_req(device, frame, protocol), REPLAYED[protocol])
            home.accepted(device, lost, 1, 0)


def test_newest_session_never_used():
    """The device is in an older session than the newest: up to nine answers may have been lost."""
    with Home() as home:
        device = home.device
        for kind in (0, 2):
            home.join()
            for lost in range(9):
                if lost % 2:
                    frame, _ = device.rejoin(1)
                    body = rejoin_req(device, frame)
                else:
                    body = join_req(device, device.dev_nonce, ProtocolVersion="1.1")
                    device.dev_nonce += 1
                home.succeeded(body)
                device.last_join_nonce += 1
            home.rejoin(kind)
            # One more, and the session is forgotten.
            for lost in range(10):
                frame, _ = device.rejoin(1)
                home.succeeded(rejoin_req(device, frame))
                device.last_join_nonce += 1
            frame, _ = device.rejoin(kind)
            before = home.state()
            home.refused(rejoin_req(device, frame), "MICFailed")
            nobody_changed(home, before)
            home.rejoin(1)
            home.rejoin(kind)


def test_net_id_in_the_frame():
    """The network that the device says it is on: that of the sender, or one where it may roam."""
    with Home() as home:
        home.join()
        device = home.device
        for kind in (0, 2):
            for protocol in PROTOCOLS:
                before = home.state()
                for net_id in (STRANGER_ID, PARTNER_ID, NET_ID[4:] + NET_ID[:4]):
                    frame, _ = device.rejoin(kind, 100, net_id)
                    home.refused(rejoin_req(device, frame, protocol), "JoinReqFailed")
                nobody_changed(home, before)
                home.set(device, "--roaming", PARTNER_ID)
                frame, count = device.rejoin(kind, None, PARTNER_ID)
                answer = home.succeeded(rejoin_req(device, frame, protocol))
                home.accepted(device, answer, count, kind)
                frame, _ = device.rejoin(kind, 100, STRANGER_ID)
                home.refused(rejoin_req(device, frame, protocol), "JoinReqFailed")
                home.set(device, "--roaming", "")
        home.events("the NetID in the Rejoin-request is neither that of home nor on the roaming")
        home.rejoin(1)


def test_who_may_ask():
    with Home() as home:
        device = home.device
        home.join()
        theirs = home.server.add_ns("theirs", "--net-id", PARTNER_ID, "--any-device")
        app = home.add_as()
        home.set(device, "--net-id", NET_ID, "--roaming", PARTNER_ID, "--as-id", "as1.example")
        before = home.state()
        for kind in KINDS:
            for protocol in PROTOCOLS:
                body = rejoin_req(device, device.rejoin(kind, 50)[0], protocol)
                # A roaming partner may ask for the home of a device, not for its keys.
                home.refused(dict(body, SenderID=PARTNER_ID), "ActivationDisallowed", theirs)
                partner = rejoin_req(device, device.rejoin(kind, 50, PARTNER_ID)[0], protocol,
                                     PARTNER_ID)
                home.refused(partner, "ActivationDisallowed", theirs)
                home.refused(body, "UnknownSender", theirs)
                home.refused(dict(body, SenderID=STRANGER_ID), "UnknownSender")
                home.refused(body, "UnknownSender", app)
                home.refused(dict(body, SenderID="as1.example"), "UnknownSender", app)
                assert home.post(body, "no token of anybody")[0] == 401
                home.refused(dict(body, ReceiverID="0102030405060708"), {
                    "UnkownReceiver", MALFORMED[protocol]})
                stranger = Mobile(99)
                stranger.session = device.session
                home.refused(rejoin_req(stranger, stranger.rejoin(kind, 50)[0], protocol),
                             "UnknownDevEUI")
                home.refused(dict(body, DevEUI=stranger.eui), MALFORMED[protocol])
        nobody_changed(home, before)
        home.cli("device", "block", device.eui)
        for kind in KINDS:
            body = rejoin_req(device, device.rejoin(kind, 50)[0])
            home.refused(body, "ActivationDisallowed")
        home.cli("device", "unblock", device.eui)
        for kind in KINDS:
            home.rejoin(kind)


def test_join_eui_of_type_1():
    """The frame names the join server; ReceiverID has to agree, and the device has to be there."""
    other = "70b3d57ed0004321"
    with Home(devices=[Mobile(1), Mobile(2, join_eui=other)]) as home:
        home.join()
        home.join(home.devices[1])
        before = home.state()
        frame, _ = home.device.rejoin(1)
        home.refused(rejoin_req(home.device, frame, ReceiverID=other), "MalformedMessage")
        elsewhere = Mobile(1, join_eui=other)
        frame, _ = elsewhere.rejoin(1)
        home.refused(rejoin_req(elsewhere, frame), "UnknownDevEUI")
        home.refused(rejoin_req(elsewhere, frame, ReceiverID=JOIN_EUI), "MalformedMessage")
        nobody_changed(home, before)
        home.rejoin(1, home.devices[1])


def test_versions():
    """Only a device of 1.1 in a session of 1.1, asked for by a network of 1.1 with OptNeg."""
    old = [Mobile(10 + number, version)
           for number, version in enumerate(("1.0", "1.0.2", "1.0.3", "1.0.4"))]
    with Home(devices=[Mobile(1), *old]) as home:
        for device in old:
            home.join(device)
            device.nwk_key = device.app_key  # what it would sign with if it had one
            device.session = {"SNwkSIntKey": device.session["NwkSKey"]}
            before = home.state(device)
            for kind in KINDS:
                for changes in ({}, {"MACVersion": device.version},
                                {"MACVersion": device.version, "DLSettings": "00"}):
                    frame, _ = device.rejoin(kind)
                    home.refused(rejoin_req(device, frame, **changes), "JoinReqFailed")
            assert home.state(device) == before
        device = home.device
        home.join()
        before = home.state()
        for kind in KINDS:
            for protocol in PROTOCOLS:
                for changes in ({"DLSettings": "00"}, {"DLSettings": "7f"},
                                {"MACVersion": "1.0.3"}, {"MACVersion": "1.0.4"},
                                {"MACVersion": "1.0.3", "DLSettings": "00"}):
                    frame, _ = device.rejoin(kind, 7)
                    home.refused(rejoin_req(device, frame, protocol, **changes), "JoinReqFailed")
        nobody_changed(home, before)
        home.events("registered as LoRaWAN 1.1, but home sent MACVersion 1.0.3 with OptNeg")
        for version in ("1.1", "1.1.0", "1.1.1"):
            home.rejoin(0, MACVersion=version)
        # After a join in a network of 1.0 there is no session of 1.1 to rejoin from.
        key = bytes.fromhex(device.session["SNwkSIntKey"])
        home.join(MACVersion="1.0.3", DLSettings="00")
        before = home.state()
        for kind in KINDS:
            frame, _ = device.rejoin(kind, 7, key=key)
            home.refused(rejoin_req(device, frame), "JoinReqFailed")
        nobody_changed(home, before)
        home.events("the last session was not made with LoRaWAN 1.1 and OptNeg")
        home.join()
        for kind in KINDS:
            home.rejoin(kind)


def test_never_joined():
    """Without a session nothing can be right for types 0 and 2; type 1 needs one as well."""
    with Home() as home:
        before = home.state()
        for kind in KINDS:
            frame, _ = home.device.rejoin(kind, 0)
            home.refused(rejoin_req(home.device, frame), "JoinReqFailed")
        nobody_changed(home, before)
        home.join()
        home.rejoin(1)


def test_lengths_and_types():
    """From 0 to 40 octets, every MHDR, every type: only the three frames there are."""
    chance = random.Random(11)
    with Home() as home:
        home.join()
        device = home.device
        before = home.state()
        link = home.server.connect()
        for kind in range(4):
            for length in range(41):
                frame = (bytes([0xC0, kind]) + middle_of(device, kind)
                         + chance.randbytes(40))[:length]
                body = rejoin_req(device, frame or b"\xc0", PROTOCOLS[length % 2])
                if length == 0:
                    body["PHYPayload"] = ""
                malformed = MALFORMED[body["ProtocolVersion"]]
                wanted = {"FrameSizeError", malformed}
                if kind < 3 and length == (24 if kind == 1 else 19):
                    wanted = {"MICFailed"}
                elif length == 0:
                    wanted = {malformed}
                home.refused(body, wanted, connection=link)
        for kind in KINDS:
            good, _ = device.rejoin(kind, 9)
            for mhdr in range(256):
                if mhdr != 0xC0:
                    frame = bytes([mhdr]) + good[1:]
                    home.refused(rejoin_req(device, frame), {"MalformedMessage", "FrameSizeError"},
                                 connection=link)
            for other in range(256):
                if other not in KINDS:
                    frame = good[:1] + bytes([other]) + good[2:]
                    home.refused(rejoin_req(device, frame), {"MalformedMessage", "FrameSizeError"},
                                 connection=link)
            # A frame in the other's message.
            home.refused(rejoin_req(device, good, MessageType="JoinReq"),
                         {"MalformedMessage", "FrameSizeError"}, connection=link)
        home.refused(rejoin_req(device, device.join_request(77)),
                     {"MalformedMessage", "FrameSizeError"}, connection=link)
        link.close()
        nobody_changed(home, before)
        for kind in KINDS:
            home.rejoin(kind)


def middle_of(device, kind):
    """What stands between the type and the RJcount."""
    first = device.join_eui[::-1] if kind == 1 else bytes.fromhex(NET_ID)[::-1]
    return first + device.dev_eui[::-1]


def test_delivery_and_keks():
    """Network keys under the KEK of the network server, AppSKey as agreed, as after a join."""
    for size in (None, 16, 24, 32):
        with Home() as home:
            device = home.device
            home.join()
            app_kek = bytes(range(100, 116))
            home.add_as()
            home.add_kek("as", "app", "as-kek", app_kek)
            home.set(device, "--as-id", "as1.example")
            label = None
            if size:
                label = f"ns-kek-{size}"
                home.add_kek("ns", "home", label, bytes(range(size)))
            for mode in ("inline", "inline-id", "wrapped", "fetch"):
                home.set(device, "--app-s-key", mode)
                for kind in KINDS:
                    answer = home.rejoin(kind, protocol=PROTOCOLS[kind % 2])
                    shown = f"{mode} {size}: {answer}"
                    for name in THREE_KEYS:
                        assert answer[name].get("KEKLabel") == label, shown
                    assert ("SessionKeyID" in answer) == (mode != "inline"), shown
                    assert ("AppSKey" in answer) == (mode != "fetch"), shown
                    if "AppSKey" in answer:
                        wrapped = answer["AppSKey"].get("KEKLabel")
                        assert wrapped == ("as-kek" if mode == "wrapped" else None), shown


def test_missing_kek():
    """No key in the clear for want of a KEK: refused, nothing stored, and an alarm."""
    with Home() as home:
        device = home.device
        home.join()
        home.add_as()
        home.set(device, "--as-id", "as1.example", "--app-s-key", "wrapped")
        before = home.state()
        for kind in KINDS:
            frame, _ = device.rejoin(kind, 3)
            home.refused(rejoin_req(device, frame), "JoinReqFailed")
        nobody_changed(home, before)
        assert home.server.new_log().count("the key encryption key is missing") == 3
        status = home.server.json("status")
        assert status["joins"]["missing_keks"] == 3, status
        assert any("KEK is missing" in text for text in status["warnings"]), status
        home.add_kek("as", "app", "as-kek", bytes(range(16)))
        for kind in KINDS:
            home.rejoin(kind)


def test_identical_in_parallel():
    """The same request on many connections at once, over two fronts: one session."""
    with Home(fronts=2, settings="[join]\nrepeat_window = 3600") as home:
        home.join()
        device = home.device
        for kind in KINDS:
            frame, count = device.rejoin(kind)
            body = rejoin_req(device, frame)
            links = [home.server.connect() for _ in range(16)]
            for link in links:
                link.connect()
            answers = in_parallel([lambda link=link: home.succeeded(body, connection=link)
                                   for link in links])
            for link in links:
                link.close()
            assert len(answers) == 16 and all(answer == answers[0] for answer in answers)
            home.accepted(device, answers[0], count, kind)


def in_parallel(calls):
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_vault_killed_between():
    """Each answer was durable before it was given."""
    with Home() as home:
        home.join()
        for round_number in range(6):
            os.kill(home.server.children()["vault"], signal.SIGKILL)
            deadline = time.monotonic() + 10 * SLOW
            kind = KINDS[round_number % 3]
            frame, count = home.device.rejoin(kind)
            body = rejoin_req(home.device, frame)
            while True:
                status, answer, _ = home.post(body)
                if status == 200 and code(answer) != "Other":
                    break
                assert time.monotonic() < deadline, (status, answer)
                time.sleep(0.02)
            assert code(answer) == "Success", answer
            home.accepted(home.device, answer, count, kind)


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
