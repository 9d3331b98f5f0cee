"""kill -9 of the group and of each process, again and again under load: what was answered holds."""
import http.client
import json
import os
import random
import signal
import sys
import threading
import time

from lorawan import Device
from network import Mobile, rejoin_req
from server import SLOW, Server, code, join_req, run_tests

JOIN_EUI = "70b3d57ed0001234"
DEVICES = 6
SEED = int(os.environ.get("KEYWARD_SEED", "0")) or random.randrange(1, 1 << 30)


class Worker(threading.Thread):
    """One device that joins over and over, and remembers what it was answered."""

    def __init__(self, server, token, number):
        super().__init__()
        self.server, self.token = server, token
        version = "1.0.4" if number % 2 else "1.0.3"
        self.device = Device(f"0004a30b001c05{number:02x}", JOIN_EUI, version,
                             bytes([number + 1, 7, 99, 3]) * 3 + bytes([1, 2, 3, number]))
        self.accepted = []  # (body, JoinNonce)
        self.refusals = {"JoinReqFailed"}  # of what was accepted before
        self.sent = 0
        self.stopping = False
        self.problem = None

    def row(self):
        return [JOIN_EUI, self.device.dev_eui.hex(), self.device.version,
                self.device.app_key.hex(), ""]

    def begin(self):
        """What is done before there is any load."""

    def request(self):
        """The next request: its body and the nonce that the answer is for."""
        nonce = self.sent
        self.sent += 1
        return join_req(self.device, nonce), nonce

    def read(self, answer, nonce):
        return self.device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, "000013")

    def run(self):
        link = None
        while not self.stopping:
            body, nonce = self.request()
            try:
                link = link or self.server.connect()
                status, answer, _ = self.server.post(body, self.token, connection=link)
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                link = None
                time.sleep(0.01)
                continue
            try:
                self.take(status, answer, body, nonce)
            except AssertionError as problem:
                self.problem = problem
                return

    def take(self, status, answer, body, nonce):
        if status == 503 or (status == 200 and code(answer) == "Other"):
            return  # not answered; the number may be used up
        assert status == 200 and code(answer) == "Success", (status, answer)
        self.accepted.append((body, self.read(answer, nonce)["join_nonce"]))


class Rejoiner(Worker):
    """One device that rejoins over and over."""

    def __init__(self, server, token, number):
        super().__init__(server, token, number)
        self.kind = (1, 0, 1, 2)[number % 4]
        self.device = Mobile(number)
        if self.kind != 1:
            # A session is forgotten once ten newer ones were made.
            self.refusals = {"JoinReqFailed", "MICFailed"}

    def row(self):
        return self.device.row()

    def begin(self):
        _, answer, _ = self.server.post(join_req(self.device, 0), self.token)
        self.device.take(answer, 0)

    def request(self):
        frame, count = self.device.rejoin(self.kind)
        return rejoin_req(self.device, frame, "1.0"), count

    def read(self, answer, nonce):
        return self.device.take(answer, nonce, rejoin=self.kind)


def load(server, token, disturb, rounds, worker=Worker):
    workers = [worker(server, token, number) for number in range(DEVICES)]
    server.import_rows([w.row() for w in workers])
    for worker in workers:
        worker.begin()
    for worker in workers:
        worker.start()
    try:
        for _ in range(rounds):
            before = [len(w.accepted) for w in workers]
            deadline = time.monotonic() + 20 * SLOW
            # Every device gets through again before the next blow falls.
            while any(len(w.accepted) < n + 2 for w, n in zip(workers, before)):
                assert all(w.problem is None for w in workers), [w.problem for w in workers]
                assert time.monotonic() < deadline, "no joins after a restart\n" + server.new_log()
                time.sleep(0.005)
            time.sleep(random.random() * 0.05)
            disturb()
    finally:
        for worker in workers:
            worker.stopping = True
        for worker in workers:
            worker.join()
    assert all(w.problem is None for w in workers), [w.problem for w in workers]
    return workers


def patient(server, body, token):
    """Ask again while a process is being restarted."""
    deadline = time.monotonic() + 20 * SLOW
    while True:
        status, answer, _ = server.post(body, token)
        if status == 200 and code(answer) != "Other":
            return answer
        assert time.monotonic() < deadline, (status, answer)
        time.sleep(0.02)


def check_replays(server, token, workers):
    """No DevNonce or RJcount that was accepted is accepted again; JoinNonces only went up."""
    for worker in workers:
        join_nonces = [join_nonce for _, join_nonce in worker.accepted]
        assert join_nonces == sorted(set(join_nonces)), "a JoinNonce came back"
        for body, _ in worker.accepted[-40:] + worker.accepted[:5]:
            # Another DevAddr: so this is never the identical request.
            body = dict(body, DevAddr="26011bdb")
            answer = patient(server, body, token)
            assert code(answer) in worker.refusals, (body, answer)


def run(disturb_of, rounds, fronts=1, worker=Worker):
    random.seed(SEED)
    print(f"seed {SEED}")
    with Server(fronts=fronts) as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        workers = load(server, token, disturb_of(server), rounds, worker)
        check_replays(server, token, workers)
        server.kill()
        server.start()
        check_replays(server, token, workers)
        print(f"{sum(len(w.accepted) for w in workers)} joins, {rounds} kills")


def kill_group(server):
    def disturb():
        server.kill()
        server.start()

    return disturb


def test_group_killed_under_load():
    run(kill_group, 12)


def test_group_killed_under_rejoins():
    run(kill_group, 8, worker=Rejoiner)


def test_vault_killed_under_rejoins():
    run(kill_one("vault"), 8, fronts=2, worker=Rejoiner)


def kill_one(prefix):
    def disturb_of(server):
        def disturb():
            names = [name for name in server.children() if name.startswith(prefix)]
            if names:
                os.kill(server.children()[random.choice(names)], signal.SIGKILL)

        return disturb

    return disturb_of


def test_vault_killed_under_load():
    run(kill_one("vault"), 8)


def test_front_killed_under_load():
    run(kill_one("front"), 8, fronts=2)


def test_portal_killed_while_joins_go_on():
    run(kill_one("portal"), 4)


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
