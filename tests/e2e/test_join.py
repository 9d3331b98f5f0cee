"""Joins of every version, checked by a device that shares no code with the product."""
import sys

from lorawan import Device, unwrap
from server import Server, code, join_req, run_tests

KEY_1 = bytes.fromhex("a1b2c3d4e5f60718293a4b5c6d7e8f91")
KEY_2 = bytes.fromhex("0f1e2d3c4b5a69788796a5b4c3d2e1f2")
VERSIONS = ["1.0", "1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.1", "1.1.0"]
JOIN_EUI = "70b3d57ed0001234"


def devices():
    made = []
    for number, version in enumerate(VERSIONS):
        app = bytes(b ^ number for b in KEY_1)
        nwk = bytes(b ^ number for b in KEY_2) if version.startswith("1.1") else None
        made.append(Device(f"0004a30b001c05{number:02x}", JOIN_EUI, version, app, nwk))
    return made


def rows(made):
    return [
        [JOIN_EUI, d.dev_eui.hex(), d.version, d.app_key.hex(), d.nwk_key.hex() if d.nwk_key else ""]
        for d in made
    ]


def check(device, body, answer, nonce):
    assert code(answer) == "Success", answer
    assert answer["MessageType"] == "JoinAns"
    assert answer["SenderID"] == body["ReceiverID"] and answer["ReceiverID"] == body["SenderID"]
    assert answer["TransactionID"] == body["TransactionID"]
    keys = device.read_accept(bytes.fromhex(answer["PHYPayload"]), nonce, body["SenderID"])
    for name, value in keys.items():
        if name not in ("join_nonce", "AppSKey"):
            assert answer[name]["AESKey"] == value, name
    return keys


def test_every_version_joins_twice():
    made = devices()
    with Server() as server:
        token = server.add_ns("ours", "--net-id", "000013", "--any-device")
        server.import_rows(rows(made))
        for device in made:
            for nonce in (0, 5):
                body = join_req(device, nonce)
                status, answer, _ = server.post(body, token)
                assert status == 200
                keys = check(device, body, answer, nonce)
                assert answer["AppSKey"] == {"AESKey": keys["AppSKey"]}
                assert len(answer["SessionKeyID"]) >= 16
                assert keys["join_nonce"] == (1 if nonce == 0 else 2)


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
