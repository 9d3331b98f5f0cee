"""`keyward events`: the join log in words, in pages, and followed."""
import json
import re
import signal
import subprocess
import sys
import threading
import time

from commands import JOIN_EUI, KEY, NWK_KEY, add_device, ask, dev_eui
from lorawan import Device
from server import SLOW, code, executable, join_req, run_tests, Server


def test_events():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        other = server.add_ns("other", "--net-id", "60002D")
        device = add_device(server, 1, "1.0.4")
        random = add_device(server, 2, "1.0.3")
        for nonce in (17, 23):
            assert ask(server, token, device, nonce) == "Success"
        assert ask(server, token, device, 17, DevAddr="26011bdb") == "JoinReqFailed"
        assert ask(server, token, random, 5) == "Success"
        assert ask(server, token, random, 5, DevAddr="26011bdb") == "JoinReqFailed"
        assert ask(server, other, random, 6, net_id="60002D") == "ActivationDisallowed"
        wrong = Device(dev_eui(2), JOIN_EUI, "1.0.3", NWK_KEY)
        for nonce in (7, 8, 9):
            assert ask(server, token, wrong, nonce) == "MICFailed"
        for number in (50, 51):
            stranger = Device(dev_eui(number), JOIN_EUI, "1.0.3", KEY)
            assert ask(server, token, stranger) == "UnknownDevEUI"
        time.sleep(1.5)
        log = server.cli("events")
        for words in (
                "joined network 000013 with DevNonce 17; JoinNonce 1",
                "joined network 000013 with DevNonce 23; JoinNonce 2",
                "DevNonce 17 was already used; the device must send a higher one; "
                "last accepted 23",
                "DevNonce 5 was already used; the device must send one that it has never used",
                f'"device set {dev_eui(2)} --net-id 60002d" allows it',
                "the MIC is wrong", f'"device show {dev_eui(2)}"'):
            assert words in log, f"{words!r} is not in: {log}"
        assert dev_eui(50) not in log and dev_eui(51) not in log, "strangers are not stored"
        assert server.json("status")["joins"]["unknown_devices"] == 2
        mic = [line for line in log.splitlines() if "MIC" in line]
        assert len(mic) == 1 and mic[0].count("(3 times)") == 1, mic
        # One line an entry: time, DevEUI, sender, words; the newest last.
        lines = log.splitlines()
        for line in lines:
            assert re.match(r"\d{4}-\d\d-\d\dT\S+Z  [0-9a-f]{16}  \S+  \S", line), line
        # The command that the log names is one that helps.
        server.cli("device", "set", dev_eui(2), "--net-id", "60002d")
        assert ask(server, other, random, 10, net_id="60002D") == "Success"
        # By device, by number, as JSON.
        mine = server.cli("events", "--device", dev_eui(1)).splitlines()
        assert len(mine) == 3 and all(dev_eui(1) in line for line in mine), mine
        assert "already used" in mine[-1]
        last = server.cli("events", "--limit", "1").splitlines()
        assert len(last) == 1 and "joined network 60002d" in last[0], last
        assert server.cli("events", "--device", dev_eui(50)) == ""
        events = server.json("events", "--device", dev_eui(1))["events"]
        assert [event["kind"] for event in events] == ["accepted", "accepted", "refused"]
        assert (events[2]["dev_nonce"], events[2]["last_dev_nonce"]) == (17, 23), events[2]
        assert [event["sequence"] for event in events] == sorted(e["sequence"] for e in events)


def test_the_command_that_helps():
    """Several rules refuse with one result code; the log names the rule, and what is said to help
    does not shut anybody out unsaid."""
    with Server() as server:
        ours = server.add_ns("ours", "--net-id", "000013", "--any-device")
        other = server.add_ns("other", "--net-id", "60002D", "--join-eui", "ffffffffffffff00/56")
        device = add_device(server)
        assert ask(server, other, device, 1, net_id="60002D") == "ActivationDisallowed"
        time.sleep(1.5)
        assert '"ns set other --join-eui RANGE"' in server.cli("events")
        server.cli("ns", "set", "other", "--join-eui", "")
        assert ask(server, other, device, 2, net_id="60002D") == "ActivationDisallowed"
        time.sleep(1.5)
        assert '--net-id 60002d" allows it alone' in server.cli("events", "--limit", "1")
        server.cli("device", "set", dev_eui(1), "--net-id", "60002d")
        assert ask(server, other, device, 3, net_id="60002D") == "Success"
        assert ask(server, ours, device, 4) == "ActivationDisallowed", "alone"
        server.cli("device", "set", dev_eui(1), "--net-id", "60002d", "--net-id", "000013")
        assert ask(server, ours, device, 5) == "Success"
        server.cli("device", "set", dev_eui(1), "--ns-id", "0000000000000007")
        assert ask(server, ours, device, 6) == "ActivationDisallowed"
        time.sleep(1.5)
        log = server.cli("events", "--limit", "1")
        assert f'"device show {dev_eui(1)}" and "ns show ours"' in log, log
        server.cli("ns", "set", "ours", "--ns-id", "0000000000000007")
        assert ask(server, ours, device, 7) == "Success"
        assert ask(server, ours, device, 8, ProtocolVersion="1.1",
                   SenderNSID="0000000000000008") == "UnknownSender"
        time.sleep(1.5)
        assert '"ns set ours --ns-id E"' in server.cli("events", "--limit", "1")


def test_events_in_pages():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        device, other = add_device(server, 1, "1.0.4"), add_device(server, 2, "1.0.4")
        link = server.connect()
        for nonce in range(150):
            for who in (device, other) if nonce % 3 == 0 else (device,):
                _, answer, _ = server.post(join_req(who, nonce), token, connection=link)
                assert code(answer) == "Success"
        link.close()
        assert len(server.cli("events").splitlines()) == 20
        assert len(server.cli("events", "--limit", "1000").splitlines()) == 200
        lines = server.cli("events", "--limit", "130", "--device", dev_eui(1)).splitlines()
        nonces = [int(re.search(r"DevNonce (\d+)", line).group(1)) for line in lines]
        assert nonces == list(range(20, 150)), nonces


class Follower:
    """keyward events --follow, and what it has printed."""

    def __init__(self, server, *args):
        self.process = subprocess.Popen(
            [executable("keyward"), "-c", str(server.conf), *args], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.lines = []
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def wait_for(self, words):
        deadline = time.monotonic() + 10 * SLOW
        while not any(words in line for line in self.lines):
            assert time.monotonic() < deadline, f"{words!r} is not in {self.lines}"
            time.sleep(0.02)

    def end(self, sign=signal.SIGINT):
        self.process.send_signal(sign)
        self.process.wait(10 * SLOW)
        self.thread.join()
        self.process.stdout.close()


def test_events_follow():
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        device, other = add_device(server, 1, "1.0.4"), add_device(server, 2, "1.0.4")
        assert ask(server, token, device, 1) == "Success"
        every = Follower(server, "events", "--follow")
        one = Follower(server, "events", "--follow", "--device", dev_eui(2))
        as_json = Follower(server, "--json", "events", "--follow", "--limit", "1")
        try:
            every.wait_for("DevNonce 1; JoinNonce 1")  # the past
            for nonce in range(2, 80):
                assert ask(server, token, device, nonce) == "Success"
            assert ask(server, token, other, 7) == "Success"
            assert ask(server, token, device, 3, DevAddr="26011bdb") == "JoinReqFailed"
            for follower in (every, as_json):
                follower.wait_for("DevNonce 3 was already used")
            one.wait_for("DevNonce 7; JoinNonce 1")
        finally:
            for follower in (every, one, as_json):
                follower.end()
        nonces = [int(n) for line in every.lines
                  for n in re.findall(rf"{dev_eui(1)}.*joined .* DevNonce (\d+)", line)]
        assert nonces == list(range(1, 80)), f"lost or doubled: {nonces}"
        assert all(dev_eui(2) in line for line in one.lines) and len(one.lines) == 1, one.lines
        seen = [event["sequence"] for line in as_json.lines for event in json.loads(line)["events"]]
        assert seen == list(range(seen[0], seen[0] + len(seen))), seen
        # It ends with a message when the server goes.
        gone = Follower(server, "events", "--follow")
        gone.wait_for("DevNonce 79")
        server.stop()
        assert gone.process.wait(10 * SLOW) == 1
        gone.thread.join()
        assert "keyward: " in gone.lines[-1], gone.lines[-1]
        gone.process.stdout.close()


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
