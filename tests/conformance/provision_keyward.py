#!/usr/bin/env python3
"""Provision a Keyward of your own, a test installation, with the fixture of this suite.

    provision_keyward.py [keyward -c keyward.conf]

The words are the command to run; without any it is `keyward`. test_keyward.py takes the same way.
"""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
from fixture import Fixture  # noqa: E402
from station import Memory  # noqa: E402


def peer_commands(name, peer):
    """Pairs of arguments and standard input: secrets are in no command line."""
    if peer["kind"] == "ns":
        ids = ["--net-id", peer["net_id"], "--ns-id", peer["ns_id"]]
    else:
        ids = ["--as-id", peer["as_id"]]
    yield [peer["kind"], "add", name, *ids, "--authorization-file", "-"], peer["authorization"]
    if "kek" in peer:
        yield (["kek", "add", "--" + peer["kind"], name, "--kek-label", peer["kek"]["label"],
                "--kek-file", "-"], peer["kek"]["key"])


def device_commands(fixture, entry):
    args = ["device", "set", entry["dev_eui"], "--net-id", fixture.peers[entry["home"]]["net_id"],
            "--app-s-key", entry["delivery"]]
    if "as" in entry:
        args += ["--as-id", fixture.peers[entry["as"]]["as_id"]]
    for name in entry.get("roaming", []):
        args += ["--roaming", fixture.peers[name]["net_id"]]
    yield args, ""
    if entry.get("blocked"):
        yield ["device", "block", entry["dev_eui"]], ""


def commands(fixture):
    for name, peer in fixture.peers.items():
        yield from peer_commands(name, peer)
    yield ["device", "import", "-"], fixture.printed("csv")
    for device in fixture.devices.values():
        if not device.entry.get("absent"):
            yield from device_commands(fixture, device.entry)


def main(keyward):
    for args, text in commands(Fixture(None, Memory(None, ""))):
        done = subprocess.run([*keyward, *args], input=text + "\n", text=True,
                              stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            print(f"provision_keyward: {' '.join([*keyward, *args])} failed", file=sys.stderr)
            return 1
    print("The peers and devices of the fixture are there.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["keyward"]))
