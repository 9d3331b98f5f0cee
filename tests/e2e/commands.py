"""What the tests of the command line share: one installation and what is done to it."""
import json
import pathlib
import subprocess

from lorawan import Device
from server import SLOW, code, executable, join_req

ROOT = pathlib.Path(__file__).resolve().parents[2]
JOIN_EUI = "70b3d57ed0001234"
KEY = bytes.fromhex("8e4c1f7a2b3d5069f8e7d6c5b4a39281")
NWK_KEY = bytes.fromhex("19a2b3c4d5e6f708192a3b4c5d6e7f80")
HEAD = "join_eui,dev_eui,lorawan_version,app_key,nwk_key,name"


def keyward(*args, text=None, env=None):
    """Run keyward without a server."""
    return subprocess.run([executable("keyward"), *map(str, args)], input=text,
                          capture_output=True, text=True, timeout=60 * SLOW, env=env,
                          stdin=None if text is not None else subprocess.DEVNULL)


def fails(server, *args, words, status=1, text=None):
    """A command that must be refused, in these words; gives what it said."""
    done = server.cli(*args, text=text, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == status, f"{args}: exit status {done.returncode}: {said}"
    for word in [words] if isinstance(words, str) else words:
        assert word in done.stderr, f"{args}: {word!r} is not in: {said}"
    return said


def dev_eui(number):
    return f"0004a30b{number:08x}"


def row(number, **changes):
    """A line of CSV."""
    fields = {"join_eui": JOIN_EUI, "dev_eui": dev_eui(number), "version": "1.0.3",
              "app_key": (KEY[:12] + number.to_bytes(4, "big")).hex(), "nwk_key": "", "name": ""}
    fields.update(changes)
    return ",".join(fields.values())


def table(*rows):
    return "\n".join([HEAD, *rows]) + "\n"


def devices(server):
    """Every device of the store, by DevEUI."""
    found = {}
    for line in server.cli("--json", "device", "list").splitlines():
        for device in json.loads(line)["devices"]:
            assert device["dev_eui"] not in found, "listed twice"
            found[device["dev_eui"]] = device
    return found


def add_device(server, number=1, version="1.0.3", *args):
    """A device with the usual key; gives it as the one that joins."""
    text = f"app_key={KEY.hex()}\n" + (f"nwk_key={NWK_KEY.hex()}\n" if version == "1.1" else "")
    server.cli("device", "add", "--join-eui", JOIN_EUI, "--dev-eui", dev_eui(number),
               "--lorawan-version", version, *args, text=text)
    return Device(dev_eui(number), JOIN_EUI, version, KEY, NWK_KEY if version == "1.1" else None)


def ask(server, token, device, nonce=None, **changes):
    """A join; gives the ResultCode, or the HTTP status if that is not 200."""
    nonce = device.dev_nonce if nonce is None else nonce
    device.dev_nonce = max(device.dev_nonce, nonce + 1)
    body = join_req(device, nonce, **changes)
    status, answer, _ = server.post(body, token)
    if status == 200 and code(answer) == "Success":
        device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, body["SenderID"])
    return code(answer) if status == 200 else status


def without_secrets(text):
    for key in (KEY, NWK_KEY):
        assert key.hex()[:24] not in text.lower(), f"a key is in: {text}"
    return text


def tts(number, version="MAC_V1_0_3", **changes):
    """A device as ttn-lw-cli exports it."""
    keys = {"app_key": {"key": (KEY[:12] + number.to_bytes(4, "big")).hex().upper()}}
    if version.startswith("MAC_V1_1"):
        keys["nwk_key"] = {"key": NWK_KEY.hex().upper()}
    device = {
        "ids": {"device_id": f"eui-{dev_eui(number)}",
                "application_ids": {"application_id": "field"},
                "dev_eui": dev_eui(number).upper(), "join_eui": JOIN_EUI.upper()},
        "created_at": "2026-01-02T03:04:05.678Z", "updated_at": "2026-01-02T03:04:05.678Z",
        "name": f"sensor {number}", "lorawan_version": version,
        "lorawan_phy_version": "PHY_V1_0_3_REV_A", "supports_join": True, "root_keys": keys,
        "last_dev_nonce": 17, "used_dev_nonces": [1, 2]}
    device.update(changes)
    return device


SEAL = ["-encrypt", "-binary", "-aes-256-gcm"]


def seal(server, text, *args, form="DER", recipient=None):
    """An envelope made by stock OpenSSL."""
    intake = server.folder / "intake.pem"
    if not intake.exists():
        intake.write_text(server.cli("intake", "certificate"))
    done = subprocess.run(
        ["openssl", "cms", *(args or SEAL), "-outform", form, "-recip", str(recipient or intake),
         "-keyopt", "ecdh_kdf_md:sha256"],
        input=text.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def write(server, name, octets):
    path = server.folder / name
    path.write_bytes(octets)
    return path

