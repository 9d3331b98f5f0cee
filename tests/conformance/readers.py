"""
Models of two network servers' readers, as strict as the programs are.

ChirpStack v4 reads with serde: exact names and types, strings without escapes, words from a list.
The Things Stack v3 reads with Go's encoding/json and types that check lengths.
"""
import json
import re

from lorawan import unwrap

THREE_KEYS = ["FNwkSIntKey", "SNwkSIntKey", "NwkSEncKey"]

# ChirpStack's lists of words; one that is missing here is an error of parsing there.
CHIRPSTACK_CODES = {
    "Success", "MICFailed", "JoinReqFailed", "NoRoamingAgreement", "DevRoamingDisallowed",
    "RoamingActDisallowed", "ActivationDisallowed", "UnknownDevEUI", "UnknownDevAddr",
    "UnknownSender", "UnknownReceiver", "UnkownReceiver", "Deferred", "XmitFailed", "InvalidFPort",
    "InvalidProtocolVersion", "StaleDeviceProfile", "MalformedRequest", "FrameSizeError", "Other"}
CHIRPSTACK_TYPES = {"JoinReq", "JoinAns", "RejoinReq", "RejoinAns", "AppSKeyReq", "AppSKeyAns",
                    "HomeNSReq", "HomeNSAns", "PRStartReq", "PRStartAns", "PRStopReq", "PRStopAns",
                    "HRStartReq", "HRStartAns", "HRStopReq", "HRStopAns", "XmitDataReq",
                    "XmitDataAns", "ProfileReq", "ProfileAns"}
THINGS_NOT_FOUND = {"UnknownDevEUI", "UnknownDevAddr", "UnknownSender", "UnkownReceiver",
                    "UnknownReceiver"}


class Unreadable(AssertionError):
    """The client would have failed to read this."""


class Refused(Exception):
    """A readable answer that is no Success."""

    def __init__(self, answer):
        super().__init__(str(answer))
        self.answer = answer
        self.code = answer["Result"]["ResultCode"]


class Session:
    """What a network server has after a JoinAns: keys by name, and whether it can read payloads."""

    def __init__(self, answer, keys, app_s_key, end_to_end):
        self.answer, self.keys = answer, keys
        self.app_s_key, self.end_to_end = app_s_key, end_to_end
        self.accept = bytes.fromhex(answer["PHYPayload"])


def need(condition, why, octets):
    if not condition:
        raise Unreadable(f"{why}: {octets!r}")


# ChirpStack


def no_doubles(pairs):
    names = [name for name, _ in pairs]
    need(len(names) == len(set(names)), "a member twice", names)
    return dict(pairs)


def chirpstack_hex(message, name, octets, lengths=None):
    value = message[name]
    need(isinstance(value, str) and re.fullmatch("([0-9a-fA-F]{2})*", value),
         f"{name} is not hexadecimal", octets)
    need(lengths is None or len(value) // 2 in lengths, f"length of {name}", octets)
    return bytes.fromhex(value)


def chirpstack_key(message, name, keks, octets):
    envelope = message[name]
    need(isinstance(envelope, dict) and "AESKey" in envelope, f"{name} is no envelope", octets)
    label = envelope.get("KEKLabel", "")
    need(isinstance(label, str), "KEKLabel", octets)
    if label == "":
        return chirpstack_hex(envelope, "AESKey", octets, (16,))
    need(label in keks and len(keks[label]) == 16, f"no KEK of 16 octets is named {label}", octets)
    key = unwrap(keks[label], chirpstack_hex(envelope, "AESKey", octets, (24,)))
    need(key is not None, f"{name} does not unwrap", octets)
    return key


def chirpstack_message(status, octets, body):
    """The header and Result of any answer. Raises Refused or Unreadable."""
    need(not 400 <= status < 600, f"HTTP {status}", octets)
    need(b"\\" not in octets, "an escape in a borrowed string", octets)
    message = json.loads(octets.decode("utf-8"), object_pairs_hook=no_doubles)
    need(b"null" not in octets, "a null", octets)
    for name in ("ProtocolVersion", "SenderID", "ReceiverID", "MessageType"):
        need(isinstance(message.get(name), str), name, octets)
    number = message.get("TransactionID")
    need(type(number) is int and 0 <= number < 2 ** 32, "TransactionID is no u32", octets)
    need(number == body["TransactionID"], "an answer to another transaction", octets)
    need(message["MessageType"] in CHIRPSTACK_TYPES, "unknown MessageType", octets)
    wanted = body["MessageType"][:-3] + "Ans"
    need(message["MessageType"] == wanted, f"not a {wanted}", octets)
    for name in ("SenderToken", "ReceiverToken", "SessionKeyID"):
        if name in message:
            chirpstack_hex(message, name, octets)
    result = message.get("Result")
    need(isinstance(result, dict), "no Result: it would count as Success", octets)
    need(result.get("ResultCode") in CHIRPSTACK_CODES, "unknown ResultCode", octets)
    need(isinstance(result.get("Description", ""), str), "Description", octets)
    if result["ResultCode"] != "Success":
        raise Refused(message)
    return message


def chirpstack_reads(status, octets, body, keks=None):
    """A JoinAns: the Session. Raises Refused or Unreadable."""
    keks = keks or {}
    message = chirpstack_message(status, octets, body)
    lifetime = message.get("Lifetime", 0)
    need(type(lifetime) is int and lifetime >= 0, "Lifetime", octets)
    chirpstack_hex(message, "PHYPayload", octets, (17, 33))
    keys = {}
    if "NwkSKey" in message:
        keys = dict.fromkeys(THREE_KEYS, chirpstack_key(message, "NwkSKey", keks, octets))
    for name in THREE_KEYS:
        if name in message:
            keys[name] = chirpstack_key(message, name, keks, octets)
    need(len(keys) == 3, "a network key is missing: unwrap() panics", octets)
    app, wrapped = None, False
    if "AppSKey" in message:
        wrapped = message["AppSKey"].get("KEKLabel", "") != ""
        app = chirpstack_hex(message["AppSKey"], "AESKey", octets, (24,) if wrapped else (16,))
    return Session(message, keys, app, wrapped or message.get("SessionKeyID", "") != "")


def chirpstack_reads_home(status, octets, body):
    """A HomeNSAns: the NetID. Raises Refused or Unreadable."""
    message = chirpstack_message(status, octets, body)
    need("HNetID" in message, "no HNetID", octets)
    return chirpstack_hex(message, "HNetID", octets, (3,))


# The Things Stack


def things_hex(value, octets, lengths):
    """Its types EUI64, NetID, KeyEnvelope ... take either case and trim 0x."""
    need(isinstance(value, str), "not a string", octets)
    value = value[2:] if value.startswith("0x") else value
    need(re.fullmatch("([0-9a-fA-F]{2})*", value), "not hexadecimal", octets)
    need(len(value) // 2 in lengths, f"{len(value) // 2} octets", octets)
    return bytes.fromhex(value)


def things_key(envelope, keks, octets):
    label = envelope.get("KEKLabel", "")
    if label == "":
        return things_hex(envelope["AESKey"], octets, (16,))
    need(label in keks, f"KEK {label} is not in the vault", octets)
    key = unwrap(keks[label], things_hex(envelope["AESKey"], octets, (24,)))
    need(key is not None, "does not unwrap", octets)
    return key


def things_message(status, octets, body):
    """The header and Result of any answer. Raises Refused or Unreadable."""
    need(200 <= status < 300, f"HTTP {status}", octets)
    message = json.loads(octets)
    need(isinstance(message, dict), "no object", octets)
    need(message.get("ProtocolVersion") == body["ProtocolVersion"], "ProtocolVersion", octets)
    number = message.get("TransactionID")
    need(type(number) is int and 0 <= number < 2 ** 32, "TransactionID is no uint32", octets)
    wanted = body["MessageType"][:-3] + "Ans"
    need(message.get("MessageType") == wanted, "MessageType", octets)
    if "SenderID" in message:
        things_hex(message["SenderID"], octets, (8,))
    if "ReceiverID" in message and wanted != "AppSKeyAns":
        things_hex(message["ReceiverID"], octets, (3,))
    if "ReceiverNSID" in message:
        things_hex(message["ReceiverNSID"], octets, (8,))
    result = message.get("Result")
    need(isinstance(result, dict) and isinstance(result.get("ResultCode"), str), "Result", octets)
    if result["ResultCode"] != "Success":
        raise Refused(message)
    return message


def things_reads(status, octets, body, keks=None):
    """A JoinAns: the Session. Raises Refused or Unreadable."""
    keks = keks or {}
    message = things_message(status, octets, body)
    things_hex(message.get("PHYPayload"), octets, (17, 33))
    lifetime = message.get("Lifetime", 0)
    need(type(lifetime) is int and 0 <= lifetime < 2 ** 32, "Lifetime", octets)
    need("NwkSKey" in message or all(name in message for name in THREE_KEYS),
         "a network key is missing: nil is dereferenced", octets)
    if body["MACVersion"].startswith("1.1"):
        need(all(name in message for name in THREE_KEYS), "a key is missing: nil", octets)
        keys = {name: things_key(message[name], keks, octets) for name in THREE_KEYS}
    else:
        need("NwkSKey" in message, "no NwkSKey: nil", octets)
        keys = dict.fromkeys(THREE_KEYS, things_key(message["NwkSKey"], keks, octets))
    app = None
    if "AppSKey" in message:
        wrapped = message["AppSKey"].get("KEKLabel", "") != ""
        app = things_hex(message["AppSKey"]["AESKey"], octets, (24,) if wrapped else (16,))
    session_id = things_hex(message.get("SessionKeyID", ""), octets, range(2049))
    need(app is not None or session_id, "no way to the AppSKey", octets)
    return Session(message, keys, app, None)


def things_reads_app_s_key(status, octets, body, keks=None):
    """An AppSKeyAns: the key. Raises Refused or Unreadable."""
    message = things_message(status, octets, body)
    need("AppSKey" in message, "no AppSKey: nil", octets)
    return things_key(message["AppSKey"], keks or {}, octets)


def things_reads_home(status, octets, body):
    """A HomeNSAns: the NetID. Raises Refused or Unreadable."""
    message = things_message(status, octets, body)
    if "HNSID" in message:
        things_hex(message["HNSID"], octets, (8,))
    return things_hex(message.get("HNetID"), octets, (3,))
