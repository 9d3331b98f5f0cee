"""Whatever arrives gets an error and no more: the same devices join after it, no nonce is lost.

Every test runs its own daemon. The bad requests carry the DevNonce that the device uses next, so a
nonce that one of them used up is seen by Bench.fine().
"""
import json
import random
import sys
import time

from lorawan import cmac, Device
from server import SLOW, code, join_req, run_tests
from wire import (
    APP_KEY, BODY_MAX, HEX_FIELDS, JOIN_EUI, MALFORMED, NWK_KEY, OLD_KEY, REPLAYED, Bench, head,
    Wire,
)


def test_not_json():
    with Bench() as bench:
        good = json.dumps(bench.req(bench.old))
        for octets in (
                b"", b" ", b"\n", b"{", b"}", b"[", b"{}", b"{}{}", b"hello", b"\0", b"\0" * 100,
                b"NaN", b"'", b'"', b'"\\', b"{'MessageType':'JoinReq'}", b"\xff\xfe\xfd",
                b"<xml/>", b"a=1&b=2", good[:-1].encode(), (good + "}").encode(),
                (good + good).encode(), (good + "x").encode(), b"\xef\xbb\xbf" + good.encode(),
                good.encode("utf-16"), good.encode("utf-16-le"), good.replace(":", "=").encode(),
                good.replace(",", ",,").encode(), good.replace("{", "{,").encode(),
                good.replace("}", ",}").encode(), good.replace('"', "").encode(),
                good.replace("4711", "04711").encode(), good.replace("4711", "0x12").encode(),
                good.replace("4711", "+1").encode(), good.replace("4711", "NaN").encode(),
                good.replace("4711", "Infinity").encode(), good.replace("4711", "1e999").encode(),
                good.replace("4711", "4711 /* a number */").encode(),
                random.Random(1).randbytes(2000), random.Random(2).randbytes(BODY_MAX)):
            bench.unreadable(octets)
        # Cut off anywhere.
        link = bench.server.connect()
        for length in range(len(good)):
            bench.unreadable(good[:length], connection=link)
        link.close()
        bench.fine()


def test_json_that_is_no_object():
    with Bench() as bench:
        good = bench.req(bench.old)
        for value in ([], [good], [[good]], 0, 1, -1, 1.5, True, False, None, "", "JoinReq",
                      json.dumps(good)):
            bench.unreadable(json.dumps(value))
        bench.fine()


def test_damaged_octets():
    """One octet of a good request is another: never a session, never silence."""
    chance = random.Random(3)
    with Bench() as bench:
        good = json.dumps(bench.req(bench.old)).encode()
        link = bench.server.connect()
        accepts = set()
        for at in range(len(good)):
            damaged = bytearray(good)
            while damaged[at] == good[at]:
                damaged[at] = chance.randrange(256)
            status, answer, _ = bench.post(bytes(damaged), connection=link)
            assert status in (200, 400), f"{bytes(damaged)}: HTTP {status}"
            if status == 200 and code(answer) == "Success":
                accepts.add(answer["PHYPayload"])
        link.close()
        # A blank that became another or a digit of DevAddr leaves a good request. It is answered,
        # but the frame is the same, so there is one Join-accept.
        assert len(accepts) <= 1, f"{len(accepts)} Join-accepts for one Join-request"
        bench.old.dev_nonce += len(accepts)
        bench.old.last_join_nonce += len(accepts)
        bench.fine()


def test_wrong_types_of_every_field():
    values = [True, False, 17, -1, 1.5, 10 ** 12, "zz", "0", [], {}, ["00"], {"a": 1}, None, ""]
    with Bench() as bench:
        for good in bench.each():
            good = dict(good, SenderToken="0a", ReceiverToken="0b", SenderNSID="0102030405060708",
                        CFList="00" * 16)
            protocol = good["ProtocolVersion"]
            link = bench.server.connect()
            for name in good:
                for value in values:
                    body = dict(good, **{name: value})
                    why = f"{name} = {value!r} in {protocol}"
                    if name in ("SenderToken", "ReceiverToken", "SenderNSID", "CFList"):
                        if value in (None, ""):
                            continue  # as good as absent
                        if name == "SenderNSID" and protocol == "1.0":
                            continue  # is ignored there
                        wanted = MALFORMED[protocol]
                        if name == "CFList" and value == "":
                            wanted = "FrameSizeError"
                        bench.refused(body, wanted, why=why, connection=link)
                    elif name == "ProtocolVersion":
                        bench.refused(body, "InvalidProtocolVersion", why=why, connection=link)
                    elif name == "TransactionID" and value == 17 and value is not True:
                        continue
                    elif name == "SenderID" and value in ("zz", "0"):
                        bench.refused(body, "UnknownSender", why=why, connection=link)
                    elif name == "ReceiverID" and value in ("zz", "0"):
                        bench.refused(body, "UnkownReceiver", why=why, connection=link)
                    elif name in ("SenderID", "ReceiverID", "TransactionID", "MessageType"):
                        bench.unreadable(json.dumps(body), why=why, connection=link)
                    elif name == "RxDelay" and value == "0":
                        continue  # old peers write it so
                    else:
                        bench.refused(body, MALFORMED[protocol], why=why, connection=link)
            link.close()
        bench.fine()


def nested(levels, opening, closing, middle=""):
    return opening * levels + middle + closing * levels


def test_deep_nesting():
    with Bench() as bench:
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            for levels in (33, 1000, 100000):
                text = nested(levels, opening, closing, "1")
                status = 413 if len(text) > BODY_MAX else 400
                bench.unreadable(text, why=f"{levels} levels alone", status=status)
                inside = json.dumps(bench.req(bench.old))[:-1] + ', "Extra": ' + text + "}"
                status = 413 if len(inside) > BODY_MAX else 400
                bench.unreadable(inside, why=f"{levels} levels inside", status=status)
            for levels in (33, 1000, 5000):
                bench.unreadable(opening * levels, why=f"{levels} levels never closed")
        # As many brackets in a string are none, and ten levels harm nobody.
        for extra in ('"' + "[{" * 5000 + '"', '"' + '\\"[' * 5000 + '"', nested(10, "[", "]"),
                      nested(10, '{"a":', "}", "[]"), nested(31, "[", "]")):
            body = json.dumps(bench.req(bench.old))[:-1] + ', "Extra": ' + extra + "}"
            status, answer, _ = bench.post(body)
            assert status == 200 and code(answer) == "Success", f"{extra[:40]}: {status} {answer}"
            bench.accepted(bench.old, answer)
        bench.fine()


def padded(body, size):
    """The body with an unknown member that makes it just so long."""
    text = json.dumps(dict(body, Padding=""))
    return json.dumps(dict(body, Padding="x" * (size - len(text))))


def test_body_sizes():
    with Bench() as bench:
        for size in (BODY_MAX + 1, BODY_MAX + 2, 40000, 100000, 900000):
            body = padded(bench.req(bench.old), size)
            assert len(body) == size
            bench.unreadable(body, why=f"{size} octets", status=413)
        for size in (BODY_MAX - 1, BODY_MAX):
            status, answer, _ = bench.post(padded(bench.req(bench.old), size))
            assert status == 200 and code(answer) == "Success", f"{size} octets: {status} {answer}"
            bench.accepted(bench.old, answer)
        # Announced only: an answer comes without the body.
        for announced in (2 << 20, 1 << 31, 1 << 40, (1 << 63) - 1):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, f"Content-Length: {announced}"))
                assert wire.answer()[0] == 413, f"{announced} octets announced"
        with Wire(bench.server) as wire:
            wire.send(head(bench.token, "Content-Length: 40000", "Expect: 100-continue"))
            assert wire.answer()[0] == 413, "expected 413 in place of 100"
        bench.fine()


def test_missing_fields():
    with Bench() as bench:
        for good in bench.each():
            protocol = good["ProtocolVersion"]
            for name in good:
                body = {key: value for key, value in good.items() if key != name}
                if name in ("SenderID", "ReceiverID", "TransactionID", "MessageType"):
                    bench.unreadable(json.dumps(body), why=f"without {name}")
                elif name == "ProtocolVersion":
                    bench.refused(body, "InvalidProtocolVersion")
                else:
                    bench.refused(body, MALFORMED[protocol], why=f"without {name} in {protocol}")
                # Names are case-sensitive: in another case it is another member.
                for other in (name.lower(), name.upper(), name + " ", name[:-1]):
                    status, answer, _ = bench.post(dict(body, **{other: good[name]}))
                    assert status == 400 or code(answer) in (
                        MALFORMED[protocol], "InvalidProtocolVersion"), f"{other}: {answer}"
        bench.unreadable("{}")
        bench.fine()


def test_doubled_fields():
    """Two readings of one message: refused, wherever the second value stands and whatever it is."""
    with Bench() as bench:
        for good in bench.each():
            for name, value in good.items():
                for second in (value, None, "", 0, "00"):
                    member = f"{json.dumps(name)}: {json.dumps(second)}"
                    text = json.dumps(good)
                    bench.unreadable("{" + member + "," + text[1:], why=f"{name} doubled in front")
                    bench.unreadable(text[:-1] + "," + member + "}", why=f"{name} doubled behind")
                escaped = "".join(f"\\u{ord(c):04x}" for c in name)
                bench.unreadable(f'{text[:-1]},"{escaped}":{json.dumps(value)}' + "}",
                                 why=f"{name} doubled in escapes")
        bench.fine()


def test_bad_hexadecimal():
    with Bench() as bench:
        for good in bench.each():
            protocol = good["ProtocolVersion"]
            good["CFList"] = "184f84e85684b85e84886684586e8400"
            link = bench.server.connect()
            for name, size in HEX_FIELDS.items():
                right = good[name]
                for value in (
                        right[:-1], right + "0", "0x" + right[:-1], "x" + right, "0x",
                        "0x0x" + right,
                        "0x0x" + right[4:], right[:-1] + "g", "G" + right[1:], " " + right,
                        right + " ", right[:-1] + " ", right + "\n", right + "h", "-" + right[1:],
                        "+" + right[1:], right[:-1] + "\uff11", "\u0661" * (2 * size),
                        "-".join(right[i:i + 2] for i in range(0, 2 * size, 2)) + "-",
                        ":".join(right[i:i + 2] for i in range(0, 2 * size, 2)) + ":",
                        right + right + "00", right[2:], "00" * (size + 1),
                        "0x" + "00" * (size + 1),
                        "00" * 2000):
                    wanted = {MALFORMED[protocol]}
                    if name in ("PHYPayload", "CFList"):
                        wanted.add("FrameSizeError")
                    bench.refused(dict(good, **{name: value}), wanted,
                                  why=f"{name} = {value!r} in {protocol}", connection=link)
            for value in ("0", "0g", "000", "0x", "00000000000000", " 000013", "0x00001",
                          "000013 "):
                bench.refused(dict(good, SenderID=value), "UnknownSender", connection=link)
                bench.refused(dict(good, ReceiverID=value), "UnkownReceiver", connection=link)
            for name in ("SenderToken", "ReceiverToken"):
                for value in ("0", "0g", "0x0", "00" * 129, "zz"):
                    bench.refused(dict(good, **{name: value}), MALFORMED[protocol], connection=link)
            link.close()
        bench.fine()


def test_0x_is_accepted():
    with Bench() as bench:
        for prefix in ("0x", "0X", ""):
            for device in bench.devices:
                good = bench.req(device, CFList="184f84e85684b85e84886684586e8400")
                for name in [*HEX_FIELDS, "SenderID", "ReceiverID"]:
                    good[name] = prefix + good[name].upper()
                status, answer, _ = bench.post(good)
                assert status == 200 and code(answer) == "Success", f"{good}: {answer}"
                assert answer["ReceiverID"] == good["SenderID"], answer
                bench.accepted(device, answer)
        bench.fine()


def test_every_length_of_phypayload():
    with Bench() as bench:
        for device in bench.devices:
            for protocol in ("1.0", "1.1"):
                frame = device.join_request(device.dev_nonce)
                link = bench.server.connect()
                for length in range(301):
                    if length == 23:
                        continue
                    octets = (frame + bytes(range(256)) + frame)[:length]
                    body = bench.req(device, ProtocolVersion=protocol)
                    body["PHYPayload"] = octets.hex()
                    wanted = MALFORMED[protocol] if length == 0 else "FrameSizeError"
                    bench.refused(body, wanted, why=f"{length} octets in {protocol}",
                                  connection=link)
                link.close()
        bench.fine()


def test_every_mhdr():
    """Only 00 is a Join-request; the MIC is right for each."""
    with Bench() as bench:
        for device in bench.devices:
            for protocol in ("1.0", "1.1"):
                frame = device.join_request(device.dev_nonce)
                link = bench.server.connect()
                for mhdr in range(1, 256):
                    octets = bytes([mhdr]) + frame[1:-4]
                    body = bench.req(device, ProtocolVersion=protocol,
                                     phy=octets + cmac(device.root, octets)[:4])
                    bench.refused(body, MALFORMED[protocol], why=f"MHDR {mhdr:02x}",
                                  connection=link)
                link.close()
        bench.fine()


def test_unknown_versions():
    with Bench() as bench:
        for device in bench.devices:
            for version in ("1.2", "2.0", "0.9", "1", "1.", "1.0.0", "1.1.0", "1.0 ", " 1.0",
                            "1.00",
                            "v1.0", "1,0", "10", "1.10", "1.0\n", "", "x" * 5000, 1.0, 1, None):
                body = dict(bench.req(device), ProtocolVersion=version)
                answer = bench.refused(body, "InvalidProtocolVersion")
                assert answer["ProtocolVersion"] == "1.1", answer
            for protocol in ("1.0", "1.1"):
                for version in ("1.2", "2.0", "0.9", "1.0.5", "1.0.99", "1", "1.", "1.1.", "1.0.",
                                "01.1", "1.01", "1.1.0.0", "1,1", "1.1 ", " 1.1", "1.1\n", "-1.1",
                                "1.1x", "x", "1.0.x", "1..1", ".1", "999999999999.1",
                                "1.99999999999", "1.0.4294967295", "x" * 5000):
                    body = bench.req(device, ProtocolVersion=protocol, MACVersion=version)
                    bench.refused(body, MALFORMED[protocol])
        bench.fine()


def test_unknown_message_types():
    with Bench() as bench:
        for good in bench.each():
            protocol = good["ProtocolVersion"]
            for kind in ("PRStartReq", "PRStopReq", "HRStartReq", "HRStopReq", "ProfileReq",
                         "XmitDataReq", "XmitLocReq", "NonsenseReq", "rejoinReq", "AppSKeyreqReq",
                         "HomeNsReq", "joinReq", "xJoinReq", "JoinReqReq", "J" * 29 + "Req"):
                bench.refused(dict(good, MessageType=kind), MALFORMED[protocol])
            for kind in ("JoinAns", "RejoinAns", "AppSKeyAns", "HomeNSAns", "errorNotif",
                         "PRStartNotif", "", "Req", "joinreq", "JOINREQ", "JoinReq ", " JoinReq", "Join Req", "JoinReq\n", "JoinRe",
                         "Join\u00e9Req", 'Join"Req', "Join\\Req", "J" * 30 + "Req",
                         "J" * 5000 + "Req"):
                bench.unreadable(json.dumps(dict(good, MessageType=kind)), why=kind)
        bench.fine()


def test_transaction_id_extremes():
    with Bench() as bench:
        for good in bench.each():
            text = json.dumps(good)
            for number in ("4294967296", "-1", "1.5", "1.0", '"1"', '"0"', "1e3", "1E0", "true",
                           "null",
                           "[1]", '{"a":1}', "1" + "0" * 30, "-4294967296", "9223372036854775807",
                           "9223372036854775808", "18446744073709551616", "-0.0", '""'):
                bench.unreadable(text.replace("4711", number), why=f"TransactionID {number}")
            for number in (0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1):
                answer = bench.refused(dict(good, TransactionID=number, RxDelay=16),
                                       MALFORMED[good["ProtocolVersion"]])
                assert answer["TransactionID"] == number
        for number in (0, 2 ** 32 - 1, 0):
            for device in bench.devices:
                body = bench.req(device, TransactionID=number)
                _, answer, _ = bench.post(body)
                assert code(answer) == "Success" and answer["TransactionID"] == number, answer
                bench.accepted(device, answer)
        bench.fine()


def test_utf8_and_control_characters():
    with Bench() as bench:
        for good in bench.each():
            # An identifier goes back as it came, so it holds nothing that would need an escape.
            for name in ("SenderID", "ReceiverID"):
                for value in ("\u0001", "000013\n", "\t000013", "00\u007f013", 'a"b', "a\\b",
                              "\u00e9",
                              "\u2028", "\U0001f680", "00001\uff13", "\u0000", "000013\u0000",
                              "x" * 129, "x" * 20000):
                    bench.unreadable(json.dumps(dict(good, **{name: value})),
                                     why=f"{name} {value!r}")
                    bench.unreadable(json.dumps(dict(good, **{name: value}), ensure_ascii=False)
                                     .encode(), why=f"{name} {value!r} unescaped")
                for value in ("as1.example", "x" * 128, "<script>", "' OR 1=1", "%s%n", "../..",
                              " "):
                    bench.refused(dict(good, **{name: value}),
                                  "UnknownSender" if name == "SenderID" else "UnkownReceiver")
            text = json.dumps(good)
            for member in ('"x":"\\u0000"', '"\\u0000":1', '"x":"\\ud800"', '"x":"\\ud800\\u0041"',
                           '"x":"\\udc00"', '"x":"\\x41"', '"x":"\\u12"', '"x":"\x01"', '"x":"\n"',
                           '"x":"\\"'):
                bench.unreadable(f"{text[:-1]},{member}}}", why=member)
            for octets in (b"\xff", b"\xc0\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                           b"\xf8\x88\x80\x80\x80", b"\xe2\x82", b"\x80", b"\0"):
                bench.unreadable(text[:-1].encode() + b',"x":"' + octets + b'"}', why=octets)
            bench.unreadable(text.encode() + b"\0")
            bench.unreadable(text.encode().replace(b"4711", b"4711\0"))
        for extra in ("\u00e9", "\U0001f680", "\u2028", "\ufeff", "\u0001\u001f\u007f"):
            for plain in (True, False):
                for device in bench.devices:
                    body = dict(bench.req(device), Note=extra, **{"Name " + extra: [extra]})
                    octets = json.dumps(body, ensure_ascii=plain).encode()
                    status, answer, _ = bench.post(octets)
                    assert status == 200 and code(answer) == "Success", f"{octets}: {answer}"
                    bench.accepted(device, answer)
        # Escapes where none are needed are still the same text.
        body = bench.req(bench.old)
        octets = json.dumps(body).replace('"JoinReq"', '"\\u004aoin\\u0052eq"').replace(
            '"000013"', '"\\u003000013"')
        _, answer, _ = bench.post(octets)
        assert code(answer) == "Success" and answer["ReceiverID"] == "000013", answer
        bench.accepted(bench.old, answer)
        bench.fine()


# What the message says


def test_unknown_devices():
    with Bench() as bench:
        strangers = [
            Device("0004a30b001c0504", JOIN_EUI, "1.0.3", OLD_KEY),
            Device("0004a30b001c0512", JOIN_EUI, "1.1", APP_KEY, NWK_KEY),
            Device("0000000000000000", JOIN_EUI, "1.0.3", OLD_KEY),
            Device("ffffffffffffffff", JOIN_EUI, "1.0.3", OLD_KEY)]
        before = bench.server.json("status")["store"]
        for device in strangers:
            for protocol in ("1.0", "1.1"):
                bench.refused(bench.req(device, ProtocolVersion=protocol), "UnknownDevEUI")
        time.sleep(1.5)
        after = bench.server.json("status")["store"]
        for name in ("events", "journal_records", "devices", "bytes"):
            assert after[name] == before[name], f"{name}: {before[name]}, then {after[name]}"
        for join_eui in ("70b3d57ed0001235", "0000000000000000", "ffffffffffffffff"):
            device = Device(bench.old.dev_eui.hex(), join_eui, "1.0.3", OLD_KEY)
            for protocol in ("1.0", "1.1"):
                answer = bench.refused(bench.req(device, ProtocolVersion=protocol),
                                       "UnkownReceiver")
                assert answer["SenderID"] == join_eui, answer
        bench.fine()


def test_message_and_frame_differ():
    with Bench() as bench:
        for good in bench.each():
            wanted = MALFORMED[good["ProtocolVersion"]]
            for other in bench.devices:
                if other.dev_eui.hex() != good["DevEUI"]:
                    bench.refused(dict(good, DevEUI=other.dev_eui.hex()), wanted)
            bench.refused(dict(good, DevEUI="0102030405060708"), wanted)
            bench.refused(dict(good, DevEUI=bytes.fromhex(good["DevEUI"])[::-1].hex()), wanted)
            frame = bytes.fromhex(good["PHYPayload"])
            swapped = frame[:1] + frame[9:17] + frame[1:9] + frame[17:]
            bench.refused(dict(good, PHYPayload=swapped.hex()), wanted)
            reverse = frame[:1] + frame[1:9][::-1] + frame[9:17][::-1] + frame[17:]
            bench.refused(dict(good, PHYPayload=reverse.hex()), wanted)
        bench.fine()


def test_every_forged_bit_of_the_mic():
    with Bench() as bench:
        before = bench.state()
        for good in bench.each():
            frame = bytes.fromhex(good["PHYPayload"])
            link = bench.server.connect()
            for bit in range(32):
                forged = bytearray(frame)
                forged[19 + bit // 8] ^= 1 << bit % 8
                bench.refused(dict(good, PHYPayload=forged.hex()), "MICFailed", connection=link)
            # Bits elsewhere: those of EUIs contradict the message, those of DevNonce spoil the MIC.
            for bit in range(8, 152):
                forged = bytearray(frame)
                forged[bit // 8] ^= 1 << bit % 8
                wanted = "MICFailed" if bit >= 136 else MALFORMED[good["ProtocolVersion"]]
                bench.refused(dict(good, PHYPayload=forged.hex()), wanted, connection=link)
            for mic in (b"\0\0\0\0", b"\xff\xff\xff\xff", frame[:18:-1]):
                forged = frame[:19] + mic
                bench.refused(dict(good, PHYPayload=forged.hex()), "MICFailed", connection=link)
            link.close()
        # With the other root key, and with the key of another device.
        frame = bench.new.join_request(bench.new.dev_nonce)[:19]
        for key in (APP_KEY, OLD_KEY, bytes(16)):
            bench.refused(bench.req(bench.new, phy=frame + cmac(key, frame)[:4]), "MICFailed")
        assert bench.state() == before, f"{before} became {bench.state()}"
        bench.fine()


def test_forged_frames_write_nothing():
    """A thousand of them: two entries of the join log and a count, and no nonce or session."""
    with Bench() as bench:
        bench.fine()
        time.sleep(0.5)
        before, store = bench.state(), bench.server.json("status")
        for device in bench.devices:
            link = bench.server.connect()
            for nonce in range(500):
                frame = device.join_request(device.dev_nonce + nonce)
                body = bench.req(device, phy=frame[:-1] + bytes([frame[-1] ^ 1]))
                bench.refused(body, "MICFailed", connection=link)
            link.close()
        time.sleep(2.5)
        after, now = bench.state(), bench.server.json("status")
        assert after == before, f"{before} became {after}"
        assert now["joins"]["accepted"] == store["joins"]["accepted"], now["joins"]
        assert now["joins"]["mic_failures"] == store["joins"]["mic_failures"] + 1000, now["joins"]
        grown = now["store"]["events"] - store["store"]["events"]
        assert 2 <= grown <= 100 * SLOW, f"{grown} entries of the join log for 1000 forged frames"
        bench.fine()


def test_replays():
    with Bench() as bench:
        for device in bench.devices:
            for protocol in ("1.0", "1.1"):
                first = bench.req(device, ProtocolVersion=protocol)
                bench.join(device, ProtocolVersion=protocol)
                # Another DevAddr: not the same question.
                bench.refused(dict(first, DevAddr="26011bdb"), REPLAYED[protocol])
                second = bench.req(device, ProtocolVersion=protocol)
                _, answer, _ = bench.post(second)
                bench.accepted(device, answer)
                for body in (first, dict(first, DevAddr="26011bdb")):
                    for _ in range(3):
                        bench.refused(body, REPLAYED[protocol])
                # The last one repeated as it was gives the same answer, and uses nothing up.
                _, again, _ = bench.post(second)
                assert again == answer, f"{again} is not {answer}"
        before = bench.state()
        for device in bench.devices:
            for nonce in range(device.dev_nonce):
                for protocol in ("1.0", "1.1"):
                    body = join_req(device, nonce, ProtocolVersion=protocol, RxDelay=2)
                    bench.refused(body, REPLAYED[protocol])
        assert bench.state() == before
        bench.fine()


def test_wrong_networks():
    with Bench("--join-eui", "70b3d57ed0000000/40", "--any-device") as bench:
        # SenderID is another network's: the credential decides.
        for good in bench.each():
            for sender in ("00002d", "000000", "000014", "ffffff", JOIN_EUI, "as1.example"):
                bench.refused(dict(good, SenderID=sender), "UnknownSender")
            bench.refused(good, "UnknownSender", bench.their_token)
            for receiver in ("70b3d57ed0001235", "0000000000000000", "00", "js.example", "000013"):
                bench.refused(dict(good, ReceiverID=receiver), "UnkownReceiver")
        # The device's own list of networks decides.
        for device in bench.devices:
            bench.server.cli("device", "set", device.dev_eui.hex(), "--net-id", "00002d")
        for good in bench.each():
            bench.refused(good, "ActivationDisallowed")
        for device in bench.devices:
            bench.server.cli("device", "set", device.dev_eui.hex(), "--net-id", "000013")
            bench.refused(bench.req(device, SenderID="00002d"), "ActivationDisallowed",
                          bench.their_token)
        bench.fine()
        # The ranges of the network server decide.
        bench.server.cli("ns", "set", "ours", "--join-eui", "0011223344556677")
        for good in bench.each():
            bench.refused(good, "ActivationDisallowed")
        bench.server.cli("ns", "set", "ours", "--join-eui", JOIN_EUI)
        bench.fine()
        # Not an operator's own server any more, and a device that names no network.
        bench.server.cli("ns", "set", "ours", "--no-any-device")
        bench.fine()
        for device in bench.devices:
            bench.server.cli("device", "set", device.dev_eui.hex(), "--net-id", "")
        for good in bench.each():
            bench.refused(good, "ActivationDisallowed")
        bench.server.cli("ns", "set", "ours", "--any-device")
        for device in bench.devices:
            bench.server.cli("device", "block", device.dev_eui.hex())
        for good in bench.each():
            bench.refused(good, "ActivationDisallowed")
        for device in bench.devices:
            bench.server.cli("device", "unblock", device.dev_eui.hex())
        bench.fine()


def test_wrong_ns_id():
    with Bench("--ns-id", "70b3d57ed0fe0001", "--any-device") as bench:
        for device in bench.devices:
            for ns_id in (None, "", "70b3d57ed0fe0002", "0000000000000000"):
                bench.refused(bench.req(device, ProtocolVersion="1.1", SenderNSID=ns_id),
                              "UnknownSender")
            for ns_id in ("70b3d57ed0fe00", "70b3d57ed0fe000100", "zz", 5, True, [], {}):
                bench.refused(bench.req(device, ProtocolVersion="1.1", SenderNSID=ns_id),
                              {"UnknownSender", "MalformedMessage"})
            bench.join(device, ProtocolVersion="1.1", SenderNSID="70b3d57ed0fe0001")
            # 1.0 does not have it: what stands there is nothing.
            for ns_id in (None, "000013", "zz", 5):
                bench.join(device, ProtocolVersion="1.0", SenderNSID=ns_id)
        bench.fine()


def test_versions_disagree():
    """Registered version, MACVersion and OptNeg: the seven rows."""
    with Bench() as bench:
        old_versions = ("1.0", "1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4")
        new_versions = ("1.1", "1.1.0", "1.1.1")
        for protocol in ("1.0", "1.1"):
            def refused(device, version, settings):
                bench.refused(bench.req(device, ProtocolVersion=protocol, MACVersion=version,
                                        DLSettings=settings), "JoinReqFailed",
                              why=f"{device.version} {version} {settings}")

            for version in old_versions:
                refused(bench.old, version, "80")
                refused(bench.old, version, "ff")
                refused(bench.new, version, "80")
            for version in new_versions:
                refused(bench.old, version, "00")
                refused(bench.old, version, "80")
                refused(bench.new, version, "00")
                refused(bench.new, version, "7f")
            for version in old_versions:
                for device in bench.devices:
                    body = bench.req(device, ProtocolVersion=protocol, MACVersion=version,
                                     DLSettings="7f")
                    _, answer, _ = bench.post(body)
                    assert code(answer) == "Success", f"{body}: {answer}"
                    keys = bench.accepted(device, answer)
                    assert set(keys) == {"join_nonce", "NwkSKey", "AppSKey"}
                    assert {name for name in answer if name.endswith("Key")} == \
                        {"NwkSKey", "AppSKey"}, answer
            for version in new_versions:
                body = bench.req(bench.new, ProtocolVersion=protocol, MACVersion=version,
                                 DLSettings="ff")
                _, answer, _ = bench.post(body)
                assert code(answer) == "Success", f"{body}: {answer}"
                bench.accepted(bench.new, answer)
                assert {name for name in answer if name.endswith("Key")} == \
                    {"FNwkSIntKey", "SNwkSIntKey", "NwkSEncKey", "AppSKey"}, answer
        bench.fine()


def test_rx_delay():
    with Bench() as bench:
        for good in bench.each():
            for value in (-1, 16, 255, 2 ** 31, 2 ** 63 - 1, 1.5, 1e300, "16", "-1", "1.5", "0x1",
                          "01 ",
                          "x", True, [1], {}, None, ""):
                bench.refused(dict(good, RxDelay=value), MALFORMED[good["ProtocolVersion"]])
            text = json.dumps(good)
            assert '"RxDelay": 1}' in text
            bench.unreadable(text.replace('"RxDelay": 1', '"RxDelay": 1' + "0" * 40))
        for value in [*range(16), "0", "15"]:
            bench.join(bench.old, RxDelay=value)
        bench.fine()


def test_order_of_the_checks():
    """Who may not ask learns nothing of devices; who has not the key learns nothing of nonces."""
    with Bench() as bench:
        bench.fine()
        for device in bench.devices:
            used = join_req(device, 0, ProtocolVersion="1.1", RxDelay=3)
            bench.refused(used, "FrameReplayed")
            frame = bytes.fromhex(used["PHYPayload"])
            bench.refused(dict(used, PHYPayload=(frame[:-1] + bytes([frame[-1] ^ 1])).hex()),
                          "MICFailed")
            # Versions that do not agree are not told without the key either.
            bench.refused(dict(used, PHYPayload=(frame[:-1] + bytes([frame[-1] ^ 1])).hex(),
                               MACVersion="1.1", DLSettings="00"), "MICFailed")
            stranger = Device("0004a30b001c0599", JOIN_EUI, device.version, OLD_KEY)
            for target in (device, stranger):
                bench.refused(join_req(target, 0, SenderID="00002d"), "UnknownSender")
        bench.fine()


# Who asks


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
