"""Bad HTTP and bad TLS: credentials, methods, bodies, connections, floods."""
import base64
import contextlib
import json
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time
import warnings

from server import SLOW, code, join_req, run_tests
from wire import BODY_MAX, Bench, head, never_accepted, request, success, text_of, Wire


def test_wrong_tokens():
    with Bench() as bench:
        token = bench.token
        basic = base64.b64encode(f"ours:{token}".encode()).decode()
        for good in bench.each():
            for value in (None, "", " ", "Bearer", "Bearer ", "Bearer  ", f"Bearer {token}x",
                          f"Bearer x{token}", f"Bearer {token[:-1]}", f"Bearer {token.upper()}",
                          f"Bearer {token} {token}", f"Bearer {token},{token}", f"Bearer{token}",
                          f"Bearer:{token}", f"Bearer={token}", f'Bearer "{token}"',
                          f"Bear {token}",
                          f"Bearer Bearer {token}", token, f"Token {token}", f"Basic {basic}",
                          f"Basic {token}", f"Digest username={token}", "Bearer " + "x" * 4000,
                          "Bearer \x7f", "Bearer \xe9", "Bearer 0", "Bearer " + "0" * 64):
                headers = {} if value is None else {"Authorization": value}
                status, answer, seen = bench.server.post(good, headers=headers)
                assert status == 401 and answer is None, f"{value!r}: HTTP {status} {answer}"
                assert "WWW-Authenticate" in seen, seen
            # Whatever else is wrong with a request: 401 says nothing about it.
            for body in (dict(good, DevEUI="00"), dict(good, SenderID="00002d"),
                         dict(good, ReceiverID="00"), dict(good, ProtocolVersion="2"),
                         dict(good, MessageType="NonsenseReq"), dict(good, CFList="00")):
                status, answer, _ = bench.server.post(body, "wrong")
                assert status == 401 and answer is None, f"{body}: HTTP {status} {answer}"
            assert "request refused from=127.0.0.1 status=401" in bench.server.new_log()
            with Wire(bench.server) as wire:
                wire.send(request("x" * 60000, good))
                never_accepted(wire.answer(), "a token of 60000 characters")
        # The scheme's name is not case-sensitive (RFC 9110, 11.1).
        for device in bench.devices:
            for scheme in ("bearer", "BEARER", "Bearer ", "Bearer\t"):
                body = bench.req(device)
                status, answer, _ = bench.server.post(
                    body, headers={"Authorization": f"{scheme} {token}"})
                assert status == 200 and code(answer) == "Success", f"{scheme}: {status} {answer}"
                bench.accepted(device, answer)
        bench.fine()


def test_two_authorization_headers():
    """One that is wrong is not made good by a second, nor does one borrow the other's networks."""
    with Bench() as bench:
        for good in bench.each():
            for first, second in (("wrong", bench.token), ("", bench.token),
                                  (bench.their_token, bench.token), ("wrong", "wrong")):
                with Wire(bench.server) as wire:
                    wire.send(request(first, good, f"Authorization: Bearer {second}"))
                    never_accepted(wire.answer(), f"{first}, then {second}")
        bench.fine()


def test_a_removed_peer_is_a_stranger():
    with Bench() as bench:
        link = bench.server.connect()
        status, answer, _ = bench.post(bench.req(bench.old), connection=link)
        bench.accepted(bench.old, answer)
        path = bench.server.folder / "next.token"
        path.write_text("another-token-0123456789abcdef\n")
        path.chmod(0o600)
        bench.server.cli("ns", "set", "ours", "--token-file", path)
        status, answer, _ = bench.post(bench.req(bench.old), connection=link)
        assert status == 401 and answer is None, f"the old token: HTTP {status} {answer}"
        link.close()
        bench.token = "another-token-0123456789abcdef"
        bench.fine()


# HTTP


def test_methods_paths_and_types():
    with Bench() as bench:
        good = json.dumps(bench.req(bench.old))
        for method in ("GET", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO", "post"):
            for body in ("", good):
                status, answer, headers = bench.post(body, method=method)
                assert status == 405 and answer is None, f"{method}: HTTP {status} {answer}"
                assert headers.get("Allow") == "POST", headers
        for path in ("/x", "//", "/index.html", "/..", "/%2e", "/%00", "/%00x", "/joinreq",
                     "/api/v1/status",
                     "/" + "a" * 3000, "/;x", "/\xe9".encode("latin-1").decode("latin-1")):
            with Wire(bench.server) as wire:
                wire.send(request(bench.token, good.encode(), path=path))
                status, octets = wire.answer()
                assert status in (404, 400) and octets == b"", f"{path}: HTTP {status} {octets}"
        for kind in ("text/plain", "application/xml", "application/jsonx", "text/json", "*/*",
                     "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                     "application/ json", "application", "json", ";", "application/json/x"):
            bench.unreadable(good, why=kind, status=415, headers={"Content-Type": kind})
        log = bench.server.new_log()
        for reason in ("the method is not POST", "Content-Type is not application/json"):
            assert f'reason="{reason}"' in log, f"no {reason!r} in the log"
        with Wire(bench.server) as wire:
            wire.send(request(bench.token, good.encode(), method="CONNECT", path="localhost:80"))
            never_accepted(wire.answer(), "CONNECT")
        for kind in ("application/json; charset=utf-8", "Application/JSON", " application/json ",
                     "application/json;charset=UTF-8"):
            status, answer, _ = bench.post(bench.req(bench.old), headers={"Content-Type": kind})
            assert status == 200 and code(answer) == "Success", f"{kind}: {status} {answer}"
            bench.accepted(bench.old, answer)
        for path in ("/?", "/?a=b", "/#x"):
            with Wire(bench.server) as wire:
                wire.send(request(bench.token, bench.req(bench.old), path=path))
                status, octets = wire.answer()
                assert status in (200, 404), f"{path}: HTTP {status} {octets}"
                if status == 200:
                    bench.accepted(bench.old, success((status, octets)))
        bench.fine()


def chunked(octets, size):
    out = b""
    for at in range(0, len(octets), size):
        piece = octets[at:at + size]
        out += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    return out + b"0\r\n\r\n"


def test_chunked_bodies():
    with Bench() as bench:
        coded = "Transfer-Encoding: chunked"
        for size in (1, 7, 100, 5000):
            for device in bench.devices:
                with Wire(bench.server) as wire:
                    for _ in range(2):
                        wire.send(head(bench.token, coded) +
                                  chunked(text_of(bench.req(device)), size))
                        bench.accepted(device, success(wire.answer()))
        body = text_of(bench.req(bench.old))
        for size in (1000, 40000):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, coded) + chunked(b" " * 40000, size))
                assert wire.answer() == (413, b""), f"40000 octets in chunks of {size}"
        piece = b"%x\r\n%s\r\n" % (len(body), body)
        for bad in (b"zz\r\n" + body, b"-1\r\n" + body, b"\r\n" + piece,
                    b"ffffffffffffffff\r\n" + body,
                    b"fffffffffffffffff\r\n" + body, b"%x\r\n%sXX0\r\n\r\n" % (len(body), body),
                    b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 1, body), b"0x10\r\n" + body,
                    piece + b"zz\r\n\r\n", b"0\r\n\r\n"):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, coded) + bad)
                wire.end()
                never_accepted(wire.answer_if_any(), bad[:60])
        # Not yet all of it: there is no answer.
        for part in (piece, piece + b"0\r\n", piece + b"0\r\nX: y\r\n"):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, coded) + part)
                wire.link.settimeout(0.2)
                try:
                    seen = wire.answer()
                except TimeoutError:
                    continue
                raise AssertionError(f"{part[-20:]}: {seen}")
        bench.fine()


def processor_time(pid):
    """Seconds that a process has run so far."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_nothing_keeps_a_front_busy():
    """Requests that stop in any place wait, they do not work."""
    for tls in (False, True):
        with Bench(tls=tls) as bench, contextlib.ExitStack() as stack:
            context = None
            if tls:
                context = ssl.create_default_context(cafile=str(bench.server.folder / "tls.pem"))
            coded = head(bench.token, "Transfer-Encoding: chunked")
            whole = request(bench.token, bench.req(bench.old))
            for octets in (b"", b"POST /", whole[:60], whole[:-1], b"X: y\r\n" * 10000,
                           coded + b"5\r\nab", coded + b"5;x=" + b"y" * 1000,
                           coded + b"5;x=" + b"y" * 40000, coded + b"0\r\n" + b"X: y\r\n" * 5000,
                           head(bench.token, "Content-Length: 900000") + b" " * 800000):
                wire = stack.enter_context(Wire(bench.server, context))
                wire.send(octets)
            time.sleep(0.5 * SLOW)
            pid = bench.server.children()["front"]
            before = processor_time(pid)
            time.sleep(2)
            took = processor_time(pid) - before
            assert took < 0.2 * SLOW, f"the front worked {took:.2f} s of 2 s for nothing"
            bench.fine()


def test_two_ways_to_measure_a_body():
    """Where a request ends is never guessed: what hides behind it is no request."""
    with Bench() as bench:
        body = text_of(bench.req(bench.old))
        length = f"Content-Length: {len(body)}"
        coded = "Transfer-Encoding: chunked"
        hidden = request(bench.token, bench.req(bench.new))
        for lines, octets in (
                (["Content-Length: 5", coded], b"0\r\n\r\n"),
                ([coded, "Content-Length: 5"], b"0\r\n\r\n"),
                ([length, coded], body), ([length, coded], chunked(body, 100)),
                ([coded, coded], chunked(body, 100)), ([length, "Transfer-Encoding: gzip"], body),
                (["Transfer-Encoding: gzip"], body), (["Transfer-Encoding: xchunked"], body),
                (["Transfer-Encoding: chunked, gzip"], chunked(body, 100)),
                (["Transfer-Encoding: "], body), ([length, "Transfer-Encoding: identity"], body),
                ([length, "Transfer-Encoding : chunked"], body),
                ([length, "Transfer-Encoding\t: chunked"], body),
                ([length, "Transfer-Encoding:\r\n chunked"], body),
                ([length.replace(":", " :")], body), ([length.replace(":", ":\r\n")], body),
                ([length, ": x"], body), ([": x", length], body), ([length, "X: y\n"], body),
                ([length, "X: a\0b"], body), ([length, "X: a\rb"], body)):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, *lines) + octets + hidden)
                wire.end()
                seen = wire.answer()
                assert seen == (400, b""), f"{lines}: {seen}"
                seen = wire.answer()
                assert seen == (None, b""), f"{lines}: and then {seen}"
        bench.fine()


def test_content_length_lies():
    with Bench() as bench:
        body = text_of(bench.req(bench.old))
        right = len(body)
        for value in ("-1", "+5", "0x10", "abc", "1e3", "1.5", "", " ", "99999999999999999999999",
                      f"{right} {right}", f"{right}x", f"{right}, {right + 1}",
                      "18446744073709551616"):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, f"Content-Length: {value}") + body)
                wire.end()
                never_accepted(wire.answer_if_any(), f"Content-Length {value!r}")
        for first, second in ((right, right - 1), (right - 1, right), (0, right), (right, 0),
                              (right, right)):
            with Wire(bench.server) as wire:
                lengths = [f"Content-Length: {first}", f"Content-Length: {second}"]
                wire.send(head(bench.token, *lengths) + body)
                wire.end()
                seen = wire.answer()
                assert seen[0] == 400, f"{first} and {second}: {seen}"
                seen = wire.answer()
                assert seen == (None, b""), f"{first} and {second}: and then {seen}"
        # Too small: the body is cut off and its rest is no request.
        for less in (1, 2, right // 2, right - 1, right):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, f"Content-Length: {right - less}") + body)
                never_accepted(wire.answer(), f"{less} octets too many")
                never_accepted(wire.answer_if_any(), f"{less} octets too many, the rest")
        # Too large: the rest never comes.
        for more in (1, 1000, BODY_MAX - right):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, f"Content-Length: {right + more}") + body)
                wire.end()
                never_accepted(wire.answer_if_any(), f"{more} octets missing")
        # None at all: there is no body.
        with Wire(bench.server) as wire:
            wire.send(head(bench.token) + body)
            wire.end()
            for _ in range(2):
                never_accepted(wire.answer_if_any(), "no Content-Length")
        bench.fine()


def test_half_requests_and_dropped_connections():
    with Bench() as bench:
        whole = request(bench.token, bench.req(bench.old))
        for length in range(0, len(whole), 13):
            wire = Wire(bench.server)
            wire.send(whole[:length])
            if length % 2:  # RST in place of FIN
                wire.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.__exit__()
        for length in range(0, len(whole), 101):
            with Wire(bench.server) as wire:
                wire.send(whole[:length])
                wire.end()
                never_accepted(wire.answer_if_any(), f"{length} octets of {len(whole)}")
        bench.fine()
        # Whole requests whose sender does not wait: each uses at most its own nonce, and nobody
        # else notices.
        count = 30
        for device in bench.devices:
            for number in range(count):
                body = join_req(device, device.dev_nonce + number)
                wire = Wire(bench.server)
                wire.send(request(bench.token, body))
                if number % 2:
                    wire.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         struct.pack("ii", 1, 0))
                wire.__exit__()
        before = None
        while before != bench.state():
            before = bench.state()
            time.sleep(0.5 * SLOW)
        for device in bench.devices:
            shown = bench.server.json("device", "show", device.dev_eui.hex())
            used = shown["next_join_nonce"] - 1 - device.last_join_nonce
            assert 0 <= used <= count, f"{used} JoinNonces for {count} requests"
            device.last_join_nonce += used
            device.dev_nonce += count
        bench.fine()


def test_slow_bodies():
    with Bench() as bench:
        slow = []
        for device in bench.devices:
            wire = Wire(bench.server)
            slow.append((wire, device, request(bench.token, join_req(device, 1000))))
        for _, device, octets in slow:
            assert len(octets) < 700
        at = 0
        start = time.monotonic()
        while any(at < len(octets) for _, _, octets in slow):
            for wire, _, octets in slow:
                assert wire.send(octets[at:at + 1]) or at >= len(octets), "closed in between"
            at += 1
            time.sleep(0.002)
            if at % 100 == 0:
                for device in bench.devices:  # others are not kept waiting
                    begun = time.monotonic()
                    bench.join(device)
                    took = time.monotonic() - begun
                    assert took < 1 * SLOW, f"a join took {took:.1f} s next to a slow one"
        assert time.monotonic() - start > 0.5
        for wire, device, _ in slow:
            message = success(wire.answer())
            device.dev_nonce = 1000
            bench.accepted(device, message)
            wire.__exit__()
        bench.fine()


def test_pipelined_requests():
    with Bench() as bench:
        for count in (2, 10, 60):
            for device in bench.devices:
                octets = b"".join(
                    request(bench.token, join_req(device, device.dev_nonce + number,
                                                  TransactionID=number))
                    for number in range(count))
                with Wire(bench.server) as wire:
                    assert wire.send(octets)
                    for number in range(count):
                        message = success(wire.answer())
                        assert message["TransactionID"] == number, f"{number}: {message}"
                        bench.accepted(device, message)
        # A bad one among good ones spoils only itself.
        good = [bench.req(bench.old), bench.req(bench.new)]
        with Wire(bench.server) as wire:
            wire.send(request(bench.token, good[0]) + request("wrong", good[1]) +
                      request(bench.token, b"{") + request(bench.token,
                                                           dict(good[1], DevEUI="00")) +
                      request(bench.token, good[1]))
            bench.accepted(bench.old, success(wire.answer()))
            assert wire.answer() == (401, b"")
            assert wire.answer() == (400, b"")
            status, octets = wire.answer()
            assert status == 200 and code(json.loads(octets)) == "MalformedRequest", octets
            bench.accepted(bench.new, success(wire.answer()))
        bench.fine()


def test_500_idle_connections():
    with Bench() as bench:
        whole = request(bench.token, bench.req(bench.old))
        with contextlib.ExitStack() as stack:
            idle = [stack.enter_context(Wire(bench.server)) for _ in range(500)]
            for number, wire in enumerate(idle):  # silent, in the header, in the body
                wire.send(whole[:(0, 40, len(whole) - 1)[number % 3]])
            for _ in range(5):
                begun = time.monotonic()
                bench.fine()
                took = time.monotonic() - begun
                assert took < 2 * SLOW, f"two joins took {took:.1f} s next to 500 connections"
            deadline = time.monotonic() + 5 * SLOW
            while bench.server.json("status")["fronts"]["connections"] < 500:
                assert time.monotonic() < deadline, bench.server.json("status")["fronts"]
                time.sleep(0.2)
            # They were not forgotten: one goes on.
            idle[0].send(request(bench.token, bench.req(bench.new)))
            bench.accepted(bench.new, success(idle[0].answer()))
        bench.fine()


def test_header_floods():
    with Bench() as bench:
        body = text_of(bench.req(bench.old))
        length = f"Content-Length: {len(body)}"
        for lines in ([f"X-{n}: y" for n in range(10000)], [": "] * 5000, ["X: " + "y" * 100000],
                      ["X" * 100000 + ": y"], ["X: y", " folded"] * 5000,
                      ["Cookie: " + "a=b;" * 20000]):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, length, *lines) + body)
                wire.end()
                never_accepted(wire.answer_if_any(), f"{len(lines)} header lines, {lines[0][:20]}")
        for path in ("/" + "a" * 100000, "/?" + "a=b&" * 20000):
            with Wire(bench.server) as wire:
                wire.send(head(bench.token, length, path=path) + body)
                wire.end()
                never_accepted(wire.answer_if_any(), path[:20])
        # A header that never ends: it is cut off, and meanwhile others join.
        with Wire(bench.server) as wire:
            wire.send(b"POST / HTTP/1.1\r\n")
            sent = 0
            while sent < 4 << 20 and wire.send(b"X-Y: " + b"z" * 1000 + b"\r\n"):
                sent += 1007
            assert sent < 4 << 20, "4 MB of header were taken"
        # As many as fit are no matter.
        for count in (1, 20):
            with Wire(bench.server) as wire:
                wire.send(request(bench.token, bench.req(bench.old),
                                  *[f"X-Header-{n}: value {n}" for n in range(count)]))
                bench.accepted(bench.old, success(wire.answer()))
        bench.fine()


def behind_the_first_line(token, body):
    return request(token, body).split(b"\r\n", 1)[1]


def test_bad_request_lines():
    with Bench() as bench:
        body = text_of(bench.req(bench.old))
        rest = behind_the_first_line(bench.token, body)
        for line in (b"", b"\0", b"POST", b"POST /", b"POST  / HTTP/1.1", b"POST / HTTP/9.9",
                     b"POST / HTTP/1", b"POST / HTTP/", b"POST / JUNK/1.1", b" POST / HTTP/1.1",
                     b"POST\t/\tHTTP/1.1", b"P\0ST / HTTP/1.1", b"POST /\0 HTTP/1.1",
                     b"POST / HTTP/1.1\0", b"POST x HTTP/1.1", b"PRI * HTTP/2.0",
                     b"POST * HTTP/1.1",
                     b"\xff\xfe / HTTP/1.1", b"A" * 20000 + b" / HTTP/1.1", b"POST / HTTP/0.9",
                     b"POST http://elsewhere/ HTTP/1.1", b"GET", b"\x16\x03\x01\x02\x00"):
            with Wire(bench.server) as wire:
                wire.send(line + b"\r\n" + rest)
                wire.end()
                status, octets = wire.answer_if_any()
                if status == 200:  # taken for a good one: then it is answered as one
                    bench.accepted(bench.old, success((status, octets)))
                    body = text_of(bench.req(bench.old))
                    rest = behind_the_first_line(bench.token, body)
                else:
                    never_accepted((status, octets), line[:40])
        bench.fine()


def test_bad_header_lines():
    with Bench() as bench:
        body = text_of(bench.req(bench.old))
        plain = f"Content-Length: {len(body)}"
        for lines in ([f"Authorization: Bearer {bench.token}\0x"], ["Host: a", "Host: b"],
                      ["Authorization : Bearer x"]):
            octets = head("wrong", plain, *lines) + body
            with Wire(bench.server) as wire:
                wire.send(octets)
                wire.end()
                never_accepted(wire.answer_if_any(), lines)
        for token in ("\0" + bench.token, bench.token[:5] + "\0" + bench.token[5:],
                      bench.token + "\x01"):
            with Wire(bench.server) as wire:
                wire.send(request(token, body))
                wire.end()
                never_accepted(wire.answer_if_any(), repr(token))
        for line in ("NoColon", "\0: x", ": x", "X\0Y: z", "\x80\xff: \x80\xff", "X: \0", "X:"):
            with Wire(bench.server) as wire:
                wire.send(head("wrong", plain, line) + body)
                wire.end()
                never_accepted(wire.answer_if_any(), repr(line))
        for noise in range(50):
            with Wire(bench.server) as wire:
                wire.send(random.Random(noise).randbytes(1000) + b"\r\n\r\n")
                wire.end()
                never_accepted(wire.answer_if_any(), f"noise {noise}")
        bench.fine()


def test_bad_and_good_at_once():
    """Every kind of nuisance from many sides while the devices join."""
    chance = random.Random(4)
    with Bench(fronts=2) as bench:
        stop = threading.Event()
        failures = []
        good = json.dumps(bench.req(bench.old)).encode()
        forged = dict(bench.req(bench.new))
        forged["PHYPayload"] = forged["PHYPayload"][:-8] + "00000000"

        def disturb(kind):
            try:
                while not stop.is_set():
                    with Wire(bench.server) as wire:
                        if kind == 0:
                            wire.send(request("wrong", good))
                            never_accepted(wire.answer(), "wrong token")
                        elif kind == 1:
                            wire.send(request(bench.token, forged))
                            never_accepted(wire.answer(), "forged")
                        elif kind == 2:
                            wire.send(request(bench.token, b"[" * 20000))
                            never_accepted(wire.answer(), "deep")
                        elif kind == 3:
                            wire.send(request(bench.token, good)[:chance.randrange(500)])
                        else:
                            wire.send(request(bench.token, b" " * 100000))
                            never_accepted(wire.answer(), "large")
            except Exception as error:  # shown by the test
                failures.append(repr(error))

        threads = [threading.Thread(target=disturb, args=(kind % 5,)) for kind in range(10)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(30):
                bench.fine()
        finally:
            stop.set()
            for thread in threads:
                thread.join(30 * SLOW)
        assert not failures, failures[:3]
        bench.fine()


# TLS


def client_hello(version):
    """A ClientHello that offers this version at most, with what a server of 2024 might choose."""
    ciphers = bytes.fromhex("c009c00ac013c014c02bc02cc02fc030002f0035")
    extensions = bytes.fromhex("000a00080006001700180019" "000b00020100"
                               "000d000e000c040305030603040105010601")
    hello = (version.to_bytes(2, "big") + bytes(32) + b"\0" + len(ciphers).to_bytes(2, "big") +
             ciphers + b"\x01\0" + len(extensions).to_bytes(2, "big") + extensions)
    message = b"\x01" + len(hello).to_bytes(3, "big") + hello
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def first_octets(server, octets, end=False):
    with Wire(server) as wire:
        wire.send(octets)
        if end:
            wire.end()
        try:
            return wire.link.recv(4096)
        except ConnectionError:
            return b""


def test_tls_versions():
    with Bench(tls=True) as bench:
        seen = first_octets(bench.server, client_hello(0x0303))
        assert seen[:1] == b"\x16" and seen[9:11] == b"\x03\x03", f"TLS 1.2: {seen[:20].hex()}"
        for version in (0x0300, 0x0301, 0x0302):
            seen = first_octets(bench.server, client_hello(version))
            assert seen == b"" or seen[:1] == b"\x15", f"{version:04x}: {seen[:20].hex()}"
        warnings.simplefilter("ignore", DeprecationWarning)
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = ssl.create_default_context(cafile=str(bench.server.folder / "tls.pem"))
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            try:
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = version
            except (ValueError, ssl.SSLError):
                continue
            try:
                with Wire(bench.server, context) as wire:
                    raise AssertionError(f"connected with {wire.link.version()}")
            except (ssl.SSLError, ConnectionError):
                pass
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=str(bench.server.folder / "tls.pem"))
            context.minimum_version = context.maximum_version = version
            with Wire(bench.server, context) as wire:
                wire.send(request(bench.token, bench.req(bench.old)))
                bench.accepted(bench.old, success(wire.answer()))
        bench.fine()


def test_garbage_on_the_tls_port():
    with Bench(tls=True) as bench:
        good = request(bench.token, bench.req(bench.old))
        hello = client_hello(0x0303)
        for octets in (good, b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"\0" * 1000, b"\xff" * 1000,
                       b"\x16\x03\x01\xff\xff" + b"\0" * 70000, b"\x16\x03\x01\0\0" * 100,
                       b"\x80\x2e\x01\x00\x02" + b"\0" * 50, b"\x15\x03\x03\0\x02\x02\x28",
                       b"\x17\x03\x03\0\x10" + b"\0" * 16, b"\x14\x03\x03\0\x01\x01",
                       hello[:-1] + b"\xff" + hello, hello + hello, hello + good,
                       hello[:6] + b"\xff\xff\xff" + hello[9:], random.Random(5).randbytes(5000)):
            seen = first_octets(bench.server, octets, end=True)
            assert not seen.startswith(b"HTTP/"), f"{octets[:20]!r} was answered by {seen!r}"
        for length in range(0, len(hello), 7):
            seen = first_octets(bench.server, hello[:length], end=True)
            assert not seen.startswith(b"\x16"), f"{length} octets of a ClientHello: {seen.hex()}"
        bench.fine()
        # Garbage instead of records, once the connection stands; and half a request in it.
        context = ssl.create_default_context(cafile=str(bench.server.folder / "tls.pem"))
        for octets in (b"garbage", good, b"\x17\x03\x03\x01\0" + bytes(256)):
            with Wire(bench.server, context) as wire:
                raw = socket.socket(fileno=os.dup(wire.link.fileno()))
                raw.sendall(octets)
                raw.close()
                with contextlib.suppress(OSError):
                    never_accepted(wire.answer(), octets[:20])
        for length in (0, 1, 100, len(good) - 1):
            with Wire(bench.server, context) as wire:
                wire.send(good[:length])
        # Many that never finish their handshake.
        with contextlib.ExitStack() as stack:
            for number in range(100):
                wire = stack.enter_context(Wire(bench.server))
                wire.send(hello[:number])
            bench.fine()
        bench.fine()


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
