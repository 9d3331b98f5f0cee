"""Asynchronous answers: a request is acknowledged at once and the answer posted to the peer's URL,
and whatever that URL does, the other peers' joins go on."""
import contextlib
import os
import pathlib
import signal
import sys
import threading
import time

from certificates import Authority, der
from commands import add_device, without_secrets
from server import SLOW, Server, code, free_port, join_req, run_tests
from stub_ns import Network, serving, silent, wait_for
from wire import Wire, request

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "conformance"))
from readers import Refused, chirpstack_reads  # noqa: E402

PER_TARGET_MAX = 1024
DEADLINE_S = 5
LEAVE_S = 1.5


def start_with(server, *lines):
    """Before the first start: more lines in [server]."""
    server.conf.write_text(server.conf.read_text() + "\n".join(["[server]", *lines]) + "\n")
    return server


def send(server, token, body, connection=None):
    """A request whose answer is posted: acknowledged, and nothing said."""
    status, answer, headers = server.post(body, token, connection=connection)
    assert status == 200 and answer is None, (status, answer)
    assert headers.get("Content-Length") == "0", headers
    return body


def counts(server):
    fronts = server.json("status")["fronts"]
    return fronts["answers_posted"], fronts["answers_failed"]


def wait_counts(server, posted, failed):
    wait_for(lambda: f"{counts(server)} instead of {posted, failed}: {server.new_log()}",
             lambda: counts(server) == (posted, failed), 15)


def failures(server, number):
    return [line for line in server.new_log().splitlines()
            if "an answer could not be posted" in line and f"txn={number} " in line]


class Others(threading.Thread):
    """Another peer, answered at once, that joins over and over. Where a connection breaks it asks
    again on a new one, as network servers do."""

    def __init__(self, server, token, device, repeats=0):
        super().__init__()
        self.server, self.token, self.device, self.repeats = server, token, device, repeats
        self.done = 0
        self.stopping = False
        self.problem = None

    def once(self, link):
        body = join_req(self.device, self.device.dev_nonce)
        status, answer, _ = self.server.post(body, self.token, connection=link)
        assert status == 200 and code(answer) == "Success", (status, answer)
        self.device.read_accept(bytes.fromhex(answer["PHYPayload"]), self.device.dev_nonce,
                                "000013")
        self.device.dev_nonce += 1
        self.done += 1

    def run(self):
        link = self.server.connect()
        try:
            while not self.stopping:
                try:
                    self.once(link)
                except OSError:
                    self.repeats -= 1
                    if self.repeats < 0:
                        raise
                    link.close()
        except Exception as problem:  # told by the thread that waits for this one
            self.problem = problem
        finally:
            link.close()


@contextlib.contextmanager
def others_join(server, number=900, **how):
    """While this goes on, another peer's joins do, each at once, and at least ten of them."""
    token = server.add_ns(f"other-{number}", "--net-id", "000013", "--any-device")
    others = Others(server, token, add_device(server, number), **how)
    others.start()
    try:
        yield others
        enough = others.done + 10
        wait_for(lambda: f"others join: {others.done}: {others.problem!r}",
                 lambda: others.done >= enough or others.problem)
    finally:
        others.stopping = True
        others.join()
    assert others.problem is None, f"another peer's join failed: {others.problem!r}"


def test_posted():
    with Network() as network, Server() as server:
        device = add_device(server)
        token = server.add_ns("home", "--net-id", "000013", "--any-device", "--answer-url",
                              network.url)
        for protocol in ("1.0", "1.1"):
            number = 70 + len(protocol) + device.dev_nonce
            body = send(server, token, join_req(device, device.dev_nonce, TransactionID=number,
                                                ProtocolVersion=protocol))
            post = network.wait(number)
            answer = post.message
            assert post.path == "/answers?to=us", post.path
            assert post.headers["Content-Type"] == "application/json", post.headers.items()
            assert post.headers["Content-Length"] == str(len(post.octets)), post.headers.items()
            assert "Authorization" not in post.headers and "Expect" not in post.headers
            assert answer["ProtocolVersion"] == protocol and answer["MessageType"] == "JoinAns"
            assert answer["SenderID"] == body["ReceiverID"], answer
            assert answer["ReceiverID"] == "000013" and answer["TransactionID"] == number, answer
            assert code(answer) == "Success", answer
            keys = device.read_accept(bytes.fromhex(answer["PHYPayload"]), device.dev_nonce,
                                      "000013")
            assert answer["NwkSKey"]["AESKey"] == keys["NwkSKey"], "the device's key"
            device.dev_nonce += 1
        # Asked again, the same is posted again.
        send(server, token, {**body, "TransactionID": 99})
        again = network.wait(99).message
        assert {**again, "TransactionID": number} == answer, (again, answer)
        # Refusals are posted, too, whatever they are.
        good = join_req(device, device.dev_nonce)
        wrong_mic = good["PHYPayload"][:-8] + "00000000"
        cases = [("MICFailed", {"PHYPayload": wrong_mic}),
                 ("JoinReqFailed", {"PHYPayload": device.join_request(0).hex()}),
                 ("UnknownDevEUI", {"DevEUI": "00" * 8}),
                 ("UnknownSender", {"SenderID": "000042"}),
                 ("MalformedRequest", {"PHYPayload": "xx"})]
        for number, (wanted, changes) in enumerate(cases, 200):
            send(server, token, {**good, **changes, "TransactionID": number})
            seen = network.wait(number).message
            if wanted == "UnknownDevEUI":
                assert code(seen) in (wanted, "MalformedRequest"), seen
            else:
                assert code(seen) == wanted, (wanted, seen)
            assert "PHYPayload" not in seen and "AppSKey" not in seen, seen
        # Who is nobody is told so at once, and nothing is posted.
        before = len(network.posts)
        for stranger in ("nobody-0123456789abcdef", None):
            status, answer, _ = server.post(good, stranger)
            assert (status, answer) == (401, None)
        status, answer, _ = server.post("{", token)
        assert (status, answer) == (400, None)
        wait_counts(server, before, 0)
        assert len(network.posts) == before == 3 + len(cases)
        assert "answers posted" in server.cli("status"), server.cli("status")
        log = without_secrets(server.new_log())
        assert log.count("answer posted") == before and "to=us" not in log, log
        for key in keys.values():
            assert not isinstance(key, str) or key not in log, "a session key is in the log"
        # Without the URL answers are given at once again.
        server.cli("ns", "set", "home", "--answer-url", "")
        status, answer, _ = server.post(good, token)
        assert status == 200 and code(answer) == "Success"
        assert len(network.posts) == before


def test_chirpstack_with_async_timeout():
    """It takes the acknowledgement, whatever its body, and waits for the TransactionID."""
    with Network() as network, Server() as server:
        device = add_device(server)
        token = server.add_ns("chirp", "--net-id", "000013", "--any-device", "--app-s-key",
                              "inline", "--answer-url", network.url)
        body = send(server, token, join_req(device, 5, TransactionID=2 ** 32 - 1))
        session = chirpstack_reads(200, network.wait(2 ** 32 - 1).octets, body)
        wanted = device.read_accept(session.accept, 5, "000013")
        assert session.keys["SNwkSIntKey"].hex() == wanted["NwkSKey"]
        assert session.app_s_key.hex() == wanted["AppSKey"] and not session.end_to_end
        body = send(server, token, join_req(device, 5, TransactionID=8,
                                            PHYPayload=body["PHYPayload"][:-2] + "00"))
        try:
            chirpstack_reads(200, network.wait(8).octets, body)
        except Refused as refused:
            assert refused.code == "MICFailed"
        else:
            raise AssertionError("it was not refused")
        text = server.cli("ns", "show", "chirp", "--print-config", "chirpstack", "--url",
                          "http://127.0.0.1:8003/")
        assert 'async_timeout = "0s"' not in text.replace('="', '= "'), text


def test_https():
    with contextlib.ExitStack() as stack:
        server = Server()
        ca, other, clients = (Authority(server, name) for name in ("ca", "other", "clients"))
        local = "DNS:localhost,IP:127.0.0.1"
        hosts = {
            "good": (ca, dict(san=local)),
            "asking": (ca, dict(san=local)),
            "stranger": (other, dict(san=local)),
            "ended": (ca, dict(san=local, start=-20, end=-1)),
            "early": (ca, dict(san=local, start=2)),
            "elsewhere": (ca, dict(san="DNS:ns.example.org")),
            "self": (ca, dict(san=local, selfsigned=True)),
        }
        ours = clients.issue("ours", eku="clientAuth")
        start_with(server, f"answer_ca = {ca.pem}", f"answer_certificate = {ours}",
                   f"answer_key = {clients.folder}/ours.key")
        stubs = {}
        for name, (issuer, how) in hosts.items():
            pem = issuer.issue(name, **how)
            context = serving(pem, pem.with_suffix(".key"),
                              clients.pem if name == "asking" else None)
            stubs[name] = stack.enter_context(Network(context=context, host="localhost"))
        stack.enter_context(server)
        bad = [name for name in hosts if name not in ("good", "asking")]
        with others_join(server):
            for number, name in enumerate(hosts, 10):
                token = server.add_ns(name, "--net-id", "000013", "--any-device", "--answer-url",
                                      stubs[name].url)
                send(server, token, join_req(add_device(server, number), TransactionID=number))
            wait_counts(server, 2, len(bad))
        for number, name in enumerate(hosts, 10):
            said = failures(server, number)
            if name in bad:
                assert stubs[name].posts == [], f"{name} got an answer"
                assert len(said) == 1 and "attempts=1" in said[0], (name, said)
                assert "certificate" in said[0] or "SSL" in said[0], (name, said)
                assert stubs[name].url.split("/answers")[0] in said[0], (name, said)
            else:
                assert code(stubs[name].of(number)[0].message) == "Success" and said == [], said
        assert stubs["good"].posts[0].certificate is None
        assert stubs["asking"].posts[0].certificate == der(ours), "our certificate is shown"
        without_secrets(server.new_log())


def test_bad_urls():
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        server = enter(Server())
        hanging, closed = enter(silent()), free_port()
        target = enter(Network())
        stubs = {"500": enter(Network(500)), "404": enter(Network(404)),
                 "302": enter(Network(302, Location=target.url)),
                 "flaky": enter(Network(503, 429, 200)), "slow": enter(Network(delay=30))}
        cases = {  # the reason in the log, and after how many attempts
            "hangs": (hanging, "no answer in time", 1),
            "refuses": (f"http://127.0.0.1:{closed}/", "connect", 3),
            "302": (stubs["302"].url, "redirects are not followed", 1),
            "500": (stubs["500"].url, "HTTP status 500", 3),
            "404": (stubs["404"].url, "HTTP status 404", 1),
            "slow": (stubs["slow"].url, "no answer in time", 1),
            "own": (f"http://127.0.0.1:{server.port}/", "HTTP status 401", 1),
            "nowhere": ("https://js.name.invalid/", "", None),
            "flaky": (stubs["flaky"].url, None, 3),
        }
        with others_join(server) as others:
            for number, (name, (url, _, _)) in enumerate(cases.items(), 10):
                token = server.add_ns(name, "--net-id", "000013", "--any-device", "--answer-url",
                                      url)
                start = time.monotonic()
                send(server, token, join_req(add_device(server, number), TransactionID=number))
                assert time.monotonic() - start < DEADLINE_S / 2 * SLOW, f"{name}: not at once"
            before = others.done
            wait_counts(server, 1, len(cases) - 1)
            assert others.done > before + 10, "joins go on meanwhile"
        for number, (name, (url, reason, attempts)) in enumerate(cases.items(), 10):
            said = failures(server, number)
            if reason is None:
                assert said == [], (name, said)
                continue
            assert len(said) == 1 and reason in said[0], (name, said)
            assert attempts is None or f"attempts={attempts} " in said[0], (name, said)
            assert "reason=" in said[0] and url.split("?")[0].rsplit("/", 1)[0] in said[0], said
            took = int(said[0].split("took_ms=")[1].split()[0])
            assert took < DEADLINE_S * 1000 + 1000 * SLOW, (name, said)
        for name, attempts in (("500", 3), ("404", 1), ("302", 1), ("flaky", 3), ("slow", 1)):
            posts = stubs[name].posts
            assert len(posts) == attempts, (name, len(posts))
            assert len({post.octets for post in posts}) == 1, "the same each time"
            assert posts[-1].at - posts[0].at < DEADLINE_S, name
        assert target.posts == [], "a redirect was followed"
        text = server.cli("status").splitlines()
        assert [line.split()[-1] for line in text if "given up" in line] == \
            [str(len(cases) - 1)], text
        without_secrets(server.new_log())


def memory_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"{pid} has no memory")


def ask_many(server, token, body, first, count, answers):
    """So many requests on one connection, one behind the other."""
    with Wire(server) as wire:
        octets = b"".join(request(token, {**body, "TransactionID": first + i})
                          for i in range(count))
        sender = threading.Thread(target=wire.send, args=(octets,))
        sender.start()
        for _ in range(count):
            headers = []
            line = wire.file.readline()
            while (field := wire.file.readline().strip()):
                headers.append(field.lower())
            answers.append((int(line.split()[1]), headers))
            assert b"content-length: 0" in headers, headers
        sender.join()


def test_queue_is_bounded():
    with silent() as url, Network() as network, Server() as server:
        device = add_device(server)
        token = server.add_ns("stuck", "--net-id", "000013", "--any-device", "--answer-url", url)
        fine = server.add_ns("fine", "--net-id", "000013", "--any-device", "--answer-url",
                             network.url)
        body = join_req(device, 1)
        send(server, token, body)  # all the others repeat it
        front = server.children()["front"]
        memory = memory_kib(front)
        answers = []
        with others_join(server):
            start = time.monotonic()
            askers = [threading.Thread(target=ask_many, args=(
                server, token, body, 10_000 + 100 * i, 100, answers)) for i in range(30)]
            for asker in askers:
                asker.start()
            send(server, fine, join_req(add_device(server, 2), TransactionID=77))
            assert code(network.wait(77).message) == "Success", "another URL has its own room"
            for asker in askers:
                asker.join()
            took = time.monotonic() - start
            grown = memory_kib(front) - memory
            assert len(answers) == 3000, len(answers)
            taken = sum(status == 200 for status, _ in answers)
            refused = [headers for status, headers in answers if status == 503]
            assert taken + len(refused) == 3000, {status for status, _ in answers}
            assert all(b"retry-after: 1" in headers for headers in refused), refused[0]
            # What was given up after 5 s has made room.
            rounds = 1 + int(took / DEADLINE_S)
            assert PER_TARGET_MAX - 1 <= taken <= PER_TARGET_MAX * rounds, (taken, took)
            assert rounds > 2 or refused, "nothing was refused"
            assert grown < 24 * 1024 * SLOW, f"{grown} KiB more"
            wait_counts(server, 1, 3001)
        assert memory_kib(front) - memory < 24 * 1024 * SLOW, "and stays so"
        assert server.children()["front"] == front, "the front lives"
        # It is served again afterwards: nothing of the line is left.
        server.cli("ns", "set", "stuck", "--answer-url", network.url)
        send(server, token, {**body, "TransactionID": 78})
        network.wait(78)


def test_end_with_answers_under_way():
    with silent() as hanging, Network(delay=0.3) as slow:
        for url, delivered in ((slow.url, True), (hanging, False)):
            with Server() as server:
                token = server.add_ns("home", "--net-id", "000013", "--any-device",
                                      "--answer-url", url)
                devices = [add_device(server, number) for number in range(6)]
                for number, device in enumerate(devices, 30):
                    send(server, token, join_req(device, TransactionID=number))
                start = time.monotonic()
                server.process.send_signal(signal.SIGTERM)
                assert server.process.wait(20 * SLOW) == 0
                took = time.monotonic() - start
                assert took < LEAVE_S + 2 * SLOW, f"{took} s"
                assert server.new_log().count("answer posted") == (6 if delivered else 0)
                if delivered:
                    for number in range(30, 36):
                        assert code(slow.wait(number).message) == "Success"


def replace(path, source):
    path.with_suffix(".new").write_bytes(source.read_bytes())
    path.with_suffix(".new").chmod(0o600)
    path.with_suffix(".new").rename(path)


def test_new_files():
    server = Server()
    first, second = Authority(server, "first"), Authority(server, "second")
    san = "DNS:localhost,IP:127.0.0.1"
    contexts = {}
    for ca in (first, second):
        ca.issue(f"{ca.name}-ours")
        pem = ca.issue(f"{ca.name}-ns", san=san)
        contexts[ca] = serving(pem, pem.with_suffix(".key"), ca.pem)
    for name, source in (("use-ca.pem", first.pem), ("use.pem", server.folder / "first-ours.pem"),
                         ("use.key", server.folder / "first-ours.key")):
        replace(server.folder / name, source)
    start_with(server, "answer_ca = use-ca.pem", "answer_certificate = use.pem",
               "answer_key = use.key")
    with Network(context=contexts[first], delay=2) as old, \
            Network(context=contexts[second]) as new, server:
        device = add_device(server)
        tokens = {name: server.add_ns(name, "--net-id", "000013", "--any-device", "--answer-url",
                                      url) for name, url in (("old", old.url), ("new", new.url))}
        with others_join(server):
            send(server, tokens["old"], join_req(device, 1, TransactionID=1))
            for name, source in (("use-ca.pem", second.pem),
                                 ("use.pem", server.folder / "second-ours.pem"),
                                 ("use.key", server.folder / "second-ours.key")):
                replace(server.folder / name, source)
            server.process.send_signal(signal.SIGHUP)
            wait_for("the new files", lambda: "info front: the PEM files were read again"
                     in server.new_log())
            send(server, tokens["new"], join_req(device, 2, TransactionID=2))
            assert new.wait(2).certificate == der(server.folder / "second-ours.pem")
            assert old.wait(1).certificate == der(server.folder / "first-ours.pem")
            wait_counts(server, 2, 0)
            # And the old CA is no longer trusted.
            send(server, tokens["old"], join_req(device, 3, TransactionID=3))
            wait_counts(server, 2, 1)
            assert old.of(3) == [] and len(failures(server, 3)) == 1


def test_front_killed():
    with silent() as hanging, Network() as network, Server(fronts=2) as server:
        device = add_device(server)
        stuck = server.add_ns("stuck", "--net-id", "000013", "--any-device", "--answer-url",
                              hanging)
        token = server.add_ns("home", "--net-id", "000013", "--any-device", "--answer-url",
                              network.url)
        with others_join(server, 901, repeats=20), others_join(server, 902, repeats=20):
            for killed, name in enumerate(("front", "front+", "front"), 1):
                send(server, stuck, join_req(device, killed, TransactionID=killed))
                os.kill(server.children()[name], signal.SIGKILL)
                wait_for("it is back", lambda: server.new_log().count("child serves again")
                         == killed)
        for number in range(20, 28):  # both fronts post again
            send(server, token, join_req(device, number, TransactionID=number))
            assert code(network.wait(number).message) == "Success"


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
