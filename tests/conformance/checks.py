"""What must hold of an answer beyond its form: each check gives a text if it does not."""
import readers
from lorawan import unwrap
from match import MISSING, hex_octets, shown

THREE_KEYS = readers.THREE_KEYS
NETWORK_KEYS = [*THREE_KEYS, "NwkSKey"]


def accepted(scene, step, wanted):
    """The device accepts the Join-accept, and it says what the network server asked for."""
    frame = hex_octets(step.body.get("PHYPayload"))
    if not frame or step.frame is None:
        return "no Join-accept"
    request = dict(step.request)
    net_id = (hex_octets(request["SenderID"]) or b"").hex()
    try:
        clear, step.keys = scene.device.accept(frame, step.frame.nonce, net_id, step.frame.rejoin)
    except AssertionError as error:
        return f"the device refuses the Join-accept: {error}"
    scene.fixture_saved()
    settings = int(request["DLSettings"], 16) if wanted is True else int(wanted, 16)
    cf_list = hex_octets(request.get("CFList") or "") or b""
    said = {"DevAddr": clear[6:10][::-1], "DLSettings": clear[10:11], "RxDelay": clear[11:12],
            "CFList": clear[12:-4]}
    asked = {"DevAddr": hex_octets(request["DevAddr"]), "DLSettings": bytes([settings]),
             "RxDelay": bytes([int(request["RxDelay"])]), "CFList": cf_list}
    for name, value in asked.items():
        if said[name] != value:
            return f"{name} in the Join-accept: expected {value.hex()}, got {said[name].hex()}"
    return None


def opened(envelope, keks, wrapped):
    """(key, None) or (None, what is wrong with the KeyEnvelope)."""
    if not isinstance(envelope, dict):
        return None, f"no KeyEnvelope: {shown(envelope)}"
    label, octets = envelope.get("KEKLabel", ""), hex_octets(envelope.get("AESKey"))
    if octets is None:
        return None, f"AESKey is not hexadecimal: {shown(envelope.get('AESKey'))}"
    if not wrapped:
        if label or len(octets) != 16:
            return None, "expected a key in the clear, got one that is wrapped"
        return octets, None
    if not isinstance(label, str) or label not in keks:
        return None, f"KEKLabel: expected {' or '.join(keks)}, got {shown(label)}"
    key = unwrap(keks[label], octets) if len(octets) == 24 else None
    return key, None if key else "AESKey does not unwrap with the KEK"


def compare(envelope, keks, wrapped, expected, name):
    key, wrong = opened(envelope, keks, wrapped)
    if wrong:
        return f"{name}: {wrong}"
    if key.hex() != expected:
        return f"{name} is not the one that the device derived"
    return None


def network_keys(scene, step, wanted):
    """The keys of that session and no others; wanted: "clear" or "wrapped" for the sender."""
    if step.keys is None:
        return "no session to compare network keys with"
    expected = [name for name in NETWORK_KEYS if name in step.keys]
    keks = scene.fixture.keks(step.peer["name"])
    for name in NETWORK_KEYS:
        if name not in expected and name in step.body:
            return f"{name} is there and belongs to another kind of session"
    for name in expected:
        wrong = compare(step.body.get(name), keks, wanted == "wrapped", step.keys[name], name)
        if wrong:
            return wrong
    return None


def app_s_key(scene, step, wanted):
    """The way of delivery: inline, inline-id, wrapped, fetch; "any" that reaches the AS."""
    there, id_there = "AppSKey" in step.body, bool(step.body.get("SessionKeyID"))
    envelope = step.body.get("AppSKey")
    label = envelope.get("KEKLabel", "") if isinstance(envelope, dict) else ""
    if step.keys is None:
        return "no session to compare AppSKey with"
    if wanted == "any":
        if not there and not id_there:
            return "neither AppSKey nor SessionKeyID"
        wanted = ("wrapped" if label else "inline-id" if id_there else "inline") \
            if there else "fetch"
    if id_there != (wanted != "inline"):
        return f"SessionKeyID: expected it {'absent' if id_there else 'there'} for {wanted}"
    if there != (wanted != "fetch"):
        return f"AppSKey: expected it {'absent' if there else 'there'} for {wanted}"
    if not there:
        return None
    return compare(envelope, application_keks(scene), wanted == "wrapped",
                   step.keys["AppSKey"], "AppSKey")


def application_keks(scene):
    return scene.fixture.keks(scene.device.entry.get("as", "as"))


def fetched(scene, step, wanted):
    """The AppSKey of an AppSKeyAns is that of step `of`; how: "wrapped", "clear" or "any"."""
    keys, envelope = scene.steps[wanted["of"] - 1].keys, step.body.get("AppSKey")
    if keys is None:
        return "no session to compare AppSKey with"
    wrapped = wanted["how"] == "wrapped"
    if wanted["how"] == "any":
        wrapped = isinstance(envelope, dict) and bool(envelope.get("KEKLabel"))
    return compare(envelope, application_keks(scene), wrapped, keys["AppSKey"], "AppSKey")


def same_as(scene, step, wanted):
    """Members are those of the answer to another step."""
    other = scene.steps[wanted["step"] - 1].body
    for name in wanted["members"]:
        one, two = step.body.get(name, MISSING), other.get(name, MISSING)
        if one != two:
            return f"{name}: expected as in step {wanted['step']}, got {shown(one)}"
    return None


def differs_from(scene, step, wanted):
    other = scene.steps[wanted["step"] - 1].body
    for name in wanted["members"]:
        if step.body.get(name, MISSING) == other.get(name, MISSING):
            return f"{name}: expected another than in step {wanted['step']}"
    return None


def accepts_in_all(_, step, wanted):
    """Of the answers to a crowd so many different Join-accepts, in all."""
    accepts = {str(twin.body["PHYPayload"]) for twin in step.twins if "PHYPayload" in twin.body}
    return None if len(accepts) == wanted else f"{len(accepts)} different Join-accepts"


def within_seconds(_, step, wanted):
    return None if step.answer.seconds <= wanted else f"{step.answer.seconds:.1f} s for an answer"


READERS = {
    ("chirpstack", "JoinReq"): readers.chirpstack_reads,
    ("chirpstack", "HomeNSReq"): readers.chirpstack_reads_home,
    ("the-things-stack", "JoinReq"): readers.things_reads,
    ("the-things-stack", "AppSKeyReq"): readers.things_reads_app_s_key,
    ("the-things-stack", "HomeNSReq"): readers.things_reads_home,
}


def readable_by(scene, step, wanted):
    """A model of that program's reader takes the answer, a refusal included."""
    read = READERS[wanted, step.request["MessageType"]]
    args = [step.answer.status, step.answer.octets, step.request]
    if step.request["MessageType"] != "HomeNSReq":
        args.append(scene.fixture.keks(step.peer["name"]))
    try:
        session = read(*args)
    except readers.Refused:
        return None
    except (readers.Unreadable, ValueError, KeyError, AttributeError, TypeError) as error:
        return f"{wanted} cannot read the answer: {str(error).split(': b')[0]}"
    if wanted == "chirpstack" and step.request["MessageType"] == "JoinReq":
        if scene.device.entry["delivery"] == "inline" and session.end_to_end:
            return "chirpstack would take the device for end-to-end encrypted"
    return None


CHECKS = {
    "accepted": accepted,
    "network-keys": network_keys,
    "app-s-key": app_s_key,
    "fetched": fetched,
    "same-as": same_as,
    "differs-from": differs_from,
    "accepts-in-all": accepts_in_all,
    "within-seconds": within_seconds,
    "readable-by": readable_by,
}
