"""Matchers: what an answer must look like, member by member, without fixing what may vary."""
import re

# Words of LoRaWAN Backend Interfaces 1.0, "Valid values for ResultCode", and what 1.1 changed.
CODES_1_0 = {
    "Success", "MICFailed", "JoinReqFailed", "NoRoamingAgreement", "DevRoamingDisallowed",
    "RoamingActDisallowed", "ActivationDisallowed", "UnknownDevEUI", "UnknownDevAddr",
    "UnknownSender", "UnknownReceiver", "UnkownReceiver", "Deferred", "XmitFailed", "InvalidFPort",
    "InvalidProtocolVersion", "StaleDeviceProfile", "MalformedRequest", "FrameSizeError", "Other"}
CODES_1_1 = CODES_1_0 | {"NoAction", "FrameReplayed", "MalformedMessage"}
MISSING = object()


def hex_octets(value):
    """The octets of a hexadecimal string as Backend Interfaces write it, or None."""
    if not isinstance(value, str):
        return None
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    return bytes.fromhex(digits) if re.fullmatch("([0-9a-fA-F]{2})*", digits) else None


def same_id(one, other):
    """The same identifier: octets whatever the case and 0x, else the same text."""
    octets = hex_octets(one)
    return one == other if octets is None else octets == hex_octets(other)


def shown(value):
    if value is MISSING:
        return "absent"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class Matcher:
    """Compares one answer; `builder` gives the values of the step that it answers."""

    def __init__(self, builder, request):
        self.builder, self.request = builder, request

    def differences(self, expected, got, path=""):
        """Texts "path: expected …, got …"; none if it matches."""
        if isinstance(expected, dict):
            if len(expected) == 1 and next(iter(expected)).startswith("$"):
                name, wanted = next(iter(expected.items()))
                wrong = getattr(self, "match_" + name[1:])(wanted, got)
                if wrong is None:
                    return []
                return [f"{path or 'answer'}: expected {wrong}, got {shown(got)}"]
            if not isinstance(got, dict):
                return [f"{path or 'answer'}: expected an object, got {shown(got)}"]
            found = []
            for name, item in expected.items():
                below = f"{path}.{name}" if path else name
                found += self.differences(item, got.get(name, MISSING), below)
            return found
        if type(expected) is type(got) and expected == got:
            return []
        return [f"{path}: expected {shown(expected)}, got {shown(got)}"]

    # Each gives None if it matches, else words for what was expected.

    def match_absent(self, _, got):
        return None if got is MISSING else "it absent"

    def match_any(self, _, got):
        return "something" if got is MISSING else None

    def match_optional(self, wanted, got):
        if got is MISSING or not self.differences(wanted, got):
            return None
        return f"nothing or {wanted}"

    def match_one_of(self, wanted, got):
        if any(not self.differences(item, got) for item in wanted):
            return None
        return "one of " + ", ".join(map(str, wanted))

    def match_echo(self, member, got):
        expected = self.request.get(member, MISSING)
        return None if type(expected) is type(got) and expected == got else shown(expected)

    def match_same(self, member, got):
        """The identifier that the request has in that member."""
        expected = self.request.get(member, MISSING)
        return None if got is not MISSING and same_id(expected, got) else f"as {shown(expected)}"

    def match_is(self, wanted, got):
        expected = self.builder.build(wanted)
        return None if got is not MISSING and same_id(expected, got) else f"as {shown(expected)}"

    def match_hex(self, lengths, got):
        octets = hex_octets(got)
        lengths = [lengths] if isinstance(lengths, int) else lengths
        if octets is not None and len(octets) in lengths:
            return None
        return " or ".join(map(str, lengths)) + " octets in hexadecimal"

    def match_octets(self, wanted, got):
        """Hexadecimal of at least so many octets."""
        octets = hex_octets(got)
        good = octets is not None and len(octets) >= wanted
        return None if good else f"{wanted} octets or more in hexadecimal"

    def match_uint(self, bits, got):
        good = type(got) is int and 0 <= got < 2 ** bits
        return None if good else f"a number of {bits} bits"

    def match_text(self, _, got):
        return None if isinstance(got, str) else "a string"

    def match_starts(self, wanted, got):
        good = isinstance(got, str) and got.lower().startswith(wanted)
        return None if good else f"{wanted}…"
