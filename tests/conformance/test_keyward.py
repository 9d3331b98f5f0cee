"""Keyward with the fixture provisioned by its command line must pass every case, --strict."""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
from fixture import Fixture  # noqa: E402
from provision_keyward import commands  # noqa: E402
from server import Server, run_tests  # noqa: E402
from station import Memory  # noqa: E402

class Site:
    """A server that knows the peers and devices of the fixture."""

    def __init__(self, tls=False):
        self.server = Server(tls=tls)
        self.fixture = Fixture(None, Memory(None, ""))

    def __enter__(self):
        self.server.__enter__()
        for args, text in commands(self.fixture):
            self.server.cli(*args, text=text + "\n")
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)

    def conform(self, *args):
        """(exit status, parsed report) of a strict run."""
        where = ["--url", f"http://127.0.0.1:{self.server.port}/"]
        if self.server.tls:
            where = ["--url", f"https://127.0.0.1:{self.server.port}/",
                     "--ca", self.server.folder / "tls.pem"]
        done = subprocess.run(
            [sys.executable, HERE / "conform", *where,
             "--state", self.server.folder / "conform.state", "--strict", "--json", *args],
            capture_output=True, text=True)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


def shown(cases):
    return "\n".join(f"{c['name']}: {c['result']}: {'; '.join(c['differences'])}" for c in cases)


def test_every_case_passes_and_none_is_skipped():
    with Site() as site:
        _, report = site.conform()
        others = [case for case in report["cases"] if case["result"] != "passed"]
        assert len(report["cases"]) > 300 and not others, "\n" + shown(others)


def test_again_and_again():
    """The counters go on from the state file; only what needs a new device is skipped."""
    with Site() as site:
        for run in range(3):
            status, report = site.conform("--case", "joinreq/*")
            others = [case for case in report["cases"] if case["result"] != "passed"]
            assert status == 0, "\n" + shown(others)
            wanted = {} if run == 0 else {"joinreq/first-dev-nonce-0/1.0.4",
                                          "joinreq/first-dev-nonce-0/1.1"}
            assert {case["name"] for case in others} == set(wanted), "\n" + shown(others)


def test_over_tls():
    """What ends early ends another way there, and is to be read all the same."""
    with Site(tls=True) as site:
        status, report = site.conform("--case", "transport/*")
        others = [case for case in report["cases"] if case["result"] != "passed"]
        assert status == 0 and len(report["cases"]) > 20, "\n" + shown(others)


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
