"""A join server for the tests of the suite, right in everything but the faults switched on."""
import json
import os
import threading

from fixture import Fixture
from match import hex_octets
from readers import no_doubles
from station import Memory
from stub_crypto import Session, cmac, wrap

ANSWERED = ("JoinReq", "RejoinReq", "AppSKeyReq", "HomeNSReq")


class Refusal(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Bad(Exception):
    """An HTTP error without a body."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Record:
    """What the stub remembers of a device."""

    def __init__(self):
        self.nonces, self.join_nonce, self.rj_count_1 = [], 0, -1
        self.sessions, self.last = {}, None
        self.newest = None


class Stub:
    def __init__(self, faults=()):
        self.faults = set(faults)
        self.asked = set()
        self.spoil = None  # what is done to each answer before it leaves
        self.fixture = Fixture(None, Memory(None, ""))
        self.devices = {d.dev_eui: d for d in self.fixture.devices.values()
                        if not d.entry.get("absent")}
        self.records = {eui: Record() for eui in self.devices}
        self.lock = threading.Lock()

    def wrong(self, fault):
        self.asked.add(fault)
        return fault in self.faults

    # The message

    def answer(self, headers, octets):
        """(status, content type, octets) for a POST."""
        kind = headers.get("Content-Type", "application/json").split(";")[0].strip().lower()
        exact = headers.get("Content-Type") == "application/json"
        if kind != "application/json" or (self.wrong("no-charset") and not exact):
            raise Bad(415)
        peer = self.peer(headers)
        request = self.read(octets)
        with self.lock:
            if request["MessageType"] == "ErrorNotif" and not self.wrong("answers-notification"):
                return 200, "application/json", b""
            body = self.reply(peer, request)
        if self.spoil is not None:
            self.spoil(body)
        text = json.dumps(body)
        if self.wrong("escapes"):
            text = text.replace("Ans", "\\u0041ns")
        status = 400 if self.wrong("refusals-400") and body["Result"]["ResultCode"] != "Success" \
            else 200
        kind = "text/plain" if self.wrong("text-plain") else "application/json"
        return status, kind, text.encode()

    def peer(self, headers):
        value = headers.get("Authorization")
        for peer in self.fixture.peers.values():
            if peer["authorization"] == value:
                return peer
        if self.wrong("no-authentication"):
            return self.fixture.peers["home"]
        raise Bad(401)

    def read(self, octets):
        try:
            request = json.loads(octets.decode(), object_pairs_hook=no_doubles)
        except (ValueError, AssertionError, RecursionError) as error:
            raise Bad(400) from error
        if not isinstance(request, dict):
            raise Bad(400)
        number = request.get("TransactionID")
        name = request.get("MessageType")
        ids = (request.get("SenderID"), request.get("ReceiverID"), name)
        if not all(isinstance(item, str) and item for item in ids):
            raise Bad(400)
        if type(number) is not int or not 0 <= number < 2 ** 32:
            raise Bad(400)
        if name != "ErrorNotif" and not name.endswith("Req"):
            if not self.wrong("answers-answers"):
                raise Bad(400)
        return request

    def reply(self, peer, request):
        protocol = request.get("ProtocolVersion")
        self.new = protocol != "1.0"
        body = {
            "ProtocolVersion": protocol if protocol in ("1.0", "1.1") else "1.1",
            "SenderID": request["ReceiverID"],
            "ReceiverID": request["SenderID"],
            "TransactionID": request["TransactionID"],
            "MessageType": request["MessageType"][:-3] + "Ans",
        }
        if self.wrong("ids-not-swapped"):
            body.update(SenderID=request["SenderID"], ReceiverID=request["ReceiverID"])
        if self.wrong("transaction-fixed"):
            body["TransactionID"] = 1001010101
        if self.wrong("protocol-fixed"):
            body["ProtocolVersion"] = "1.0"
        if request.get("SenderToken") and not self.wrong("no-token"):
            body["ReceiverToken"] = request["SenderToken"]
        if request.get("SenderNSID") and self.new and not self.wrong("no-ns-id"):
            body["ReceiverNSID"] = request["SenderNSID"]
        try:
            if protocol not in ("1.0", "1.1"):
                raise Refusal("InvalidProtocolVersion")
            found = self.handle(peer, request)
            body["Result"] = {"ResultCode": "success" if self.wrong("small-success") else "Success"}
            body.update(found)
        except Refusal as refusal:
            body["Result"] = {"ResultCode": self.word(refusal.code)}
            if self.wrong("null-description"):
                body["Result"]["Description"] = None
            if self.wrong("leaks-root-key"):
                key = self.fixture.device("plain-1.0.3").app_key.hex().upper()
                body["Result"]["Description"] = f"MIC wrong under {key}"
        if self.wrong("leaks-token"):
            body["Debug"] = peer["authorization"]
        return body

    def word(self, code):
        if code == "Malformed":
            new = self.new or self.wrong("malformed-message-in-1.0")
            return "MalformedMessage" if new else "MalformedRequest"
        if code == "Replayed":
            new = self.new or self.wrong("frame-replayed-in-1.0")
            return "FrameReplayed" if new else "JoinReqFailed"
        return code

    def octets(self, value, lengths, code="Malformed"):
        if self.wrong("no-0x") and isinstance(value, str) and value.startswith("0x"):
            raise Refusal(code)
        if self.wrong("no-upper") and isinstance(value, str) and value != value.lower():
            raise Refusal(code)
        octets = hex_octets(value)
        if octets is None or len(octets) not in lengths:
            raise Refusal(code)
        return octets

    def handle(self, peer, request):
        name = request["MessageType"]
        if name not in ANSWERED:
            raise Refusal("Malformed")
        self.check_sender(peer, request)
        if not self.wrong("any-receiver"):
            receiver = self.octets(request["ReceiverID"], (8,), "UnkownReceiver")
            if receiver not in {d.join_eui for d in self.devices.values()}:
                raise Refusal("UnkownReceiver")
        token = request.get("SenderToken")
        if token:
            self.octets(token, range(129))
        return {"JoinReq": self.join, "RejoinReq": self.rejoin, "AppSKeyReq": self.app_s_key,
                "HomeNSReq": self.home}[name](peer, request)

    def check_sender(self, peer, request):
        asks_key = request["MessageType"] == "AppSKeyReq"
        if asks_key and self.wrong("any-sender"):
            return
        if asks_key:
            if peer.get("as_id") != request["SenderID"]:
                raise Refusal("UnknownSender")
            return
        sender = self.octets(request["SenderID"], (3,), "UnknownSender")
        known = [p for p in self.fixture.peers.values() if p.get("net_id") == sender.hex()]
        if not known or (known[0] is not peer and not self.wrong("any-sender")):
            raise Refusal("UnknownSender")
        if self.new and hex_octets(request.get("SenderNSID")) != bytes.fromhex(known[0]["ns_id"]):
            raise Refusal("UnknownSender")

    # The procedures

    def device(self, eui):
        if eui not in self.devices:
            raise Refusal("UnknownDevEUI")
        return self.devices[eui], self.records[eui]

    def mac_is_1_1(self, text):
        parts = text.split(".") if isinstance(text, str) else []
        if len(parts) not in (2, 3) or not all(part.isdigit() for part in parts):
            raise Refusal("Malformed")
        if parts[0] != "1" or parts[1] not in ("0", "1"):
            raise Refusal("Malformed")
        if self.wrong("version-by-contains"):
            return "1.0" not in text
        return parts[1] == "1"

    def fields(self, request):
        """(DevAddr, DLSettings, RxDelay, CFList), checked."""
        delay = request.get("RxDelay")
        if self.wrong("delay-of-one-octet") and type(delay) is int:
            delay &= 15
        if type(delay) is not int or not 0 <= delay <= 15:
            raise Refusal("Malformed")
        address = self.octets(request.get("DevAddr"), (4,))
        settings = self.octets(request.get("DLSettings"), (1,))[0]
        lengths = range(17) if self.wrong("any-cf-list") else (0, 16)
        cf_list = self.octets(request.get("CFList") or "", lengths, "FrameSizeError")
        return address, settings, delay, cf_list.ljust(16, b"\0") if cf_list else b""

    def frame(self, request, lengths):
        if hex_octets(request.get("PHYPayload")) is None:
            raise Refusal("Malformed")
        return self.octets(request["PHYPayload"], lengths, "FrameSizeError")

    def join(self, peer, request):
        lengths = range(23, 256) if self.wrong("any-length") else (23,)
        frame = self.frame(request, lengths)[:23]
        if frame[0] != 0 and not self.wrong("any-mhdr"):
            raise Refusal("Malformed")
        fields = self.fields(request)
        new = self.mac_is_1_1(request.get("MACVersion"))
        stated = self.octets(request.get("DevEUI"), (8,))
        if self.wrong("message-eui"):
            device, record = self.device(stated)
        else:
            device, record = self.device(frame[9:17][::-1])
            if stated != device.dev_eui:
                raise Refusal("Malformed")
        self.check_allowed(device, request)
        nonce = int.from_bytes(frame[17:19], "little")
        if self.wrong("nonce-before-mic"):
            self.check_nonce(device, record, nonce)
            record.nonces.append(nonce)
        if cmac(device.root, frame[:19])[:4] != frame[19:] and not self.wrong("no-mic"):
            raise Refusal("MICFailed")
        self.check_agreement(device, new, fields[1])
        if (again := self.again(record, request)) is not None:
            return again
        if self.wrong("race"):
            self.check_nonce(device, record, nonce)
            threading.Timer(1, record.nonces.append, [nonce]).start()
        elif not self.wrong("nonce-before-mic"):
            self.check_nonce(device, record, nonce)
            record.nonces.append(nonce)
        return self.session(peer, device, record, request, nonce, None, fields)

    def check_allowed(self, device, request):
        home = self.fixture.peers[device.entry["home"]]
        if hex_octets(request["SenderID"]).hex() != home["net_id"] and not self.wrong("any-network"):
            raise Refusal("ActivationDisallowed")
        if device.entry.get("blocked") and not self.wrong("blocked-joins"):
            raise Refusal("ActivationDisallowed")

    def check_agreement(self, device, new, settings):
        opt_neg = bool(settings & 0x80)
        if new and device.nwk_key is None and not self.wrong("old-as-new"):
            raise Refusal("JoinReqFailed")
        if new != opt_neg and not self.wrong("disagreement"):
            raise Refusal("JoinReqFailed")

    def check_nonce(self, device, record, nonce):
        if self.wrong("replays"):
            return
        if self.wrong("first-above-0") and not record.nonces and nonce == 0:
            raise Refusal("Replayed")
        counting = device.counting
        if self.wrong("counts-random"):
            counting = True
        if self.wrong("draws-counters"):
            counting = False
        used = record.nonces[-10:] if self.wrong("remembers-10") else record.nonces
        if nonce in used or (counting and used and nonce <= max(used)):
            raise Refusal("Replayed")

    def again(self, record, request):
        """The answer to the same request as last, or None."""
        members = ("PHYPayload", "DevAddr", "DLSettings", "RxDelay", "CFList", "MACVersion")
        asked = [request.get(name) for name in members]
        if self.wrong("repeats-by-frame"):
            asked = asked[:1]
        if record.last is not None and record.last[0] == asked and not self.wrong("replays"):
            return record.last[1]
        record.asked = asked
        return None

    def session(self, peer, device, record, request, nonce, kind, fields):
        mode = device.entry["delivery"]
        owner = self.fixture.peers.get(device.entry.get("as"), {})
        if mode == "wrapped" and "kek" not in owner:
            if not self.wrong("clear-without-kek"):
                raise Refusal("JoinReqFailed")
            mode = "inline-id"
        if not self.wrong("join-nonce-stands"):
            record.join_nonce += 1
        number = record.join_nonce - 1 if self.wrong("join-nonce-0") else record.join_nonce
        made = Session(device, self.wrong, number, hex_octets(request["SenderID"]), nonce, kind,
                       fields)
        name = b"\1" * 16 if self.wrong("session-id-fixed") else os.urandom(16)
        made.derived = made.keys()
        record.sessions[name] = record.newest = made
        record.last = record.asked, self.joined(peer, owner, mode, made, name)
        return record.last[1]

    def joined(self, peer, owner, mode, made, name):
        """The members of a successful answer."""
        body = {"PHYPayload": made.accept().hex(), "Lifetime": 0}
        if self.wrong("no-lifetime"):
            del body["Lifetime"]
        for key_name, key in made.derived.items():
            if key_name != "AppSKey":
                kek = None if self.wrong("network-keys-clear") else peer.get("kek")
                body[key_name] = self.envelope(key, kek)
        if self.wrong("a-key-missing"):
            body.pop("SNwkSIntKey", None)
        if self.wrong("both-kinds-of-keys") and made.opt_neg:
            body["NwkSKey"] = body["FNwkSIntKey"]
        if mode != "fetch" or self.wrong("never-fetch"):
            kek = owner.get("kek") if mode == "wrapped" else None
            if self.wrong("app-s-key-clear"):
                kek = None
            body["AppSKey"] = self.envelope(made.derived["AppSKey"], kek)
        if mode != "inline" or self.wrong("id-always"):
            body["SessionKeyID"] = name.hex()
        elif self.wrong("null-id"):
            body["SessionKeyID"] = None
        return body

    def envelope(self, key, kek):
        if kek:
            return {"KEKLabel": kek["label"], "AESKey": wrap(bytes.fromhex(kek["key"]), key).hex()}
        return {"KEKLabel": "", "AESKey": key.hex()} if self.wrong("empty-label") \
            else {"AESKey": key.hex()}

    def rejoin(self, peer, request):
        frame = self.frame(request, (19, 24))
        if frame[0] != 0xC0 or frame[1] not in (0, 1, 2):
            raise Refusal("Malformed")
        kind, one = frame[1], frame[1] == 1
        if len(frame) != (24 if one else 19):
            raise Refusal("FrameSizeError")
        fields = self.fields(request)
        new = self.mac_is_1_1(request.get("MACVersion"))
        at = 10 if one else 5
        device, record = self.device(frame[at:at + 8][::-1])
        if self.octets(request.get("DevEUI"), (8,)) != device.dev_eui:
            raise Refusal("Malformed")
        self.check_allowed(device, request)
        count = int.from_bytes(frame[at + 8:at + 10], "little")
        self.check_rejoin(device, record, request, frame, new, fields)
        if (again := self.again(record, request)) is not None:
            return again
        if one:
            if count <= record.rj_count_1 and not self.wrong("rj-count-1-free"):
                raise Refusal("Replayed")
            record.rj_count_1 = count
        else:
            if count <= record.newest.rj_count_0:
                raise Refusal("Replayed")
            record.newest.rj_count_0 = count
        return self.session(peer, device, record, request, count, kind, fields)

    def check_rejoin(self, device, record, request, frame, new, fields):
        if not new or not fields[1] & 0x80 or device.nwk_key is None:
            if not self.wrong("rejoin-of-1.0") or device.nwk_key is None:
                raise Refusal("JoinReqFailed")
        if frame[1] == 1:
            key = device.lifetime_key(6)
        else:
            if frame[2:5][::-1] != hex_octets(request["SenderID"]) \
                    and not self.wrong("any-rejoin-net-id"):
                raise Refusal("JoinReqFailed")
            if record.newest is None or not record.newest.opt_neg:
                raise Refusal("JoinReqFailed")
            key = record.newest.derived["SNwkSIntKey"]
        unchecked = self.wrong("no-mic-0") if frame[1] != 1 else self.wrong("no-mic-1")
        if cmac(key, frame[:-4])[:4] != frame[-4:] and not unchecked:
            asked = [request.get(name) for name in ("PHYPayload",)]
            if record.last is None or record.last[0][:1] != asked:
                raise Refusal("MICFailed")

    def app_s_key(self, peer, request):
        eui = self.octets(request.get("DevEUI"), (8,))
        name = hex_octets(request.get("SessionKeyID"))
        if not name:
            raise Refusal("Malformed")
        device, record = self.device(eui)
        owner = device.entry.get("as")
        if (owner is None or self.fixture.peers[owner] is not peer) and not self.wrong("any-as"):
            raise Refusal("ActivationDisallowed" if self.wrong("tells") else "UnknownDevEUI")
        made = record.newest if self.wrong("newest-session") else record.sessions.get(name)
        if made is None:
            raise Refusal("UnknownDevEUI")
        return {"DevEUI": request["DevEUI"], "SessionKeyID": request["SessionKeyID"],
                "AppSKey": self.envelope(made.derived["AppSKey"], peer.get("kek"))}

    def home(self, peer, request):
        device, _ = self.device(self.octets(request.get("DevEUI"), (8,)))
        listed = [self.fixture.peers[name] for name in device.entry.get("roaming", [])]
        if peer not in listed and not self.wrong("home-for-all"):
            raise Refusal("NoRoamingAgreement")
        home = self.fixture.peers[device.entry["home"]]
        net_id = bytes.fromhex(home["net_id"])[::-1].hex() if self.wrong("home-reversed") \
            else home["net_id"]
        return {"HNetID": net_id, **({"HNSID": home["ns_id"]}
                                     if self.new or self.wrong("home-ns-id-in-1.0") else {})}
