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
        self.accepted = []  # (DevNonce, JoinNonce)
        self.sent = 0
        self.stopping = False
        self.problem = None

    def run(self):
        link = None
        while not self.stopping:
            nonce = self.sent
            self.sent += 1
            try:
                link = link or self.server.connect()
                body = join_req(self.device, nonce)
                status, answer, _ = self.server.post(body, self.token, connection=link)
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                link = None
                time.sleep(0.01)
                continue
            try:
                self.take(status, answer, nonce)
            except AssertionError as problem:
                self.problem = problem
                return

    def take(self, status, answer, nonce):
        if status == 503 or (status == 200 and code(answer) == "Other"):
            return  # not answered; the number may be used up
        assert status == 200 and code(answer) == "Success", (status, answer)
        keys = self.device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, "000013")
        self.accepted.append((nonce, keys["join_nonce"]))


def load(server, token, disturb, rounds):
    workers = [Worker(server, token, number) for number in range(DEVICES)]
    server.import_rows([[JOIN_EUI, w.device.dev_eui.hex(), w.device.version,
                         w.device.app_key.hex(), ""] for w in workers])
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
    """No DevNonce that was accepted is accepted again; JoinNonces only went up."""
    for worker in workers:
        join_nonces = [join_nonce for _, join_nonce in worker.accepted]
        assert join_nonces == sorted(set(join_nonces)), "a JoinNonce came back"
        for nonce, _ in worker.accepted[-40:] + worker.accepted[:5]:
            # Another DevAddr: so this is never the identical request.
            body = join_req(worker.device, nonce, DevAddr="26011bdb")
            answer = patient(server, body, token)
            assert code(answer) == "JoinReqFailed", (nonce, answer)


def run(disturb_of, rounds, fronts=1):
    random.seed(SEED)
    print(f"seed {SEED}")
    with Server(fronts=fronts) as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        workers = load(server, token, disturb_of(server), rounds)
        check_replays(server, token, workers)
        server.kill()
        server.start()
        check_replays(server, token, workers)
        print(f"{sum(len(w.accepted) for w in workers)} joins, {rounds} kills")


def test_group_killed_under_load():
    def disturb_of(server):
        def disturb():
            server.kill()
            server.start()

        return disturb

    run(disturb_of, 12)


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
