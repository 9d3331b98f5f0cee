"""AES and LoRaWAN joining in plain Python: a second opinion that shares nothing with the product.

Written from FIPS-197, RFC 4493, RFC 3394 and the LoRaWAN 1.0.4 and 1.1 texts.
"""
import functools


def _tables():
    box, value = [0] * 256, 1
    logs, powers = [0] * 256, [0] * 256
    for exponent in range(255):
        powers[exponent], logs[value] = value, exponent
        value ^= (value << 1) ^ (0x11B if value & 0x80 else 0)
        value &= 0xFF
    for byte in range(256):
        inverse = powers[(255 - logs[byte]) % 255] if byte else 0
        x = inverse
        for shift in range(1, 5):
            x ^= (inverse << shift | inverse >> (8 - shift)) & 0xFF
        box[byte] = x ^ 0x63
    return box, [box.index(i) for i in range(256)], logs, powers


_BOX, _UNBOX, _LOGS, _POWERS = _tables()


def _times(a, b):
    return _POWERS[(_LOGS[a] + _LOGS[b]) % 255] if a and b else 0


_MIX = {k: [_times(k, i) for i in range(256)] for k in (2, 3, 9, 11, 13, 14)}


@functools.lru_cache(maxsize=256)
def _schedule(key):
    words = [list(key[i : i + 4]) for i in range(0, len(key), 4)]
    count, constant = len(words), 1
    for i in range(count, 4 * (count + 7)):
        word = list(words[-1])
        if i % count == 0:
            word = [_BOX[b] for b in word[1:] + word[:1]]
            word[0] ^= constant
            constant = _times(constant, 2)
        elif count > 6 and i % count == 4:
            word = [_BOX[b] for b in word]
        words.append([a ^ b for a, b in zip(words[i - count], word)])
    return [sum(words[i : i + 4], []) for i in range(0, len(words), 4)]


def _mix(state, a, b, c, d):
    out = []
    for col in range(0, 16, 4):
        s = state[col : col + 4]
        for row in range(4):
            out.append(
                a[s[row]] ^ b[s[(row + 1) % 4]] ^ c[s[(row + 2) % 4]] ^ d[s[(row + 3) % 4]]
            )
    return out


_ONE = list(range(256))


def encrypt(key, block):
    rounds = _schedule(key)
    state = [a ^ b for a, b in zip(block, rounds[0])]
    for number, round_key in enumerate(rounds[1:], 1):
        state = [_BOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if number < len(rounds) - 1:
            state = _mix(state, _MIX[2], _MIX[3], _ONE, _ONE)
        state = [a ^ b for a, b in zip(state, round_key)]
    return bytes(state)


def decrypt(key, block):
    rounds = _schedule(key)
    state = [a ^ b for a, b in zip(block, rounds[-1])]
    for number in range(len(rounds) - 2, -1, -1):
        state = [_UNBOX[state[(i - 4 * (i % 4)) % 16]] for i in range(16)]
        state = [a ^ b for a, b in zip(state, rounds[number])]
        if number:
            state = _mix(state, _MIX[14], _MIX[11], _MIX[13], _MIX[9])
    return bytes(state)


def cmac(key, message):
    def double(block):
        number = int.from_bytes(block, "big") << 1
        if number >> 128:
            number = (number & ((1 << 128) - 1)) ^ 0x87
        return number.to_bytes(16, "big")

    k1 = double(encrypt(key, bytes(16)))
    blocks = [message[i : i + 16] for i in range(0, len(message), 16)] or [b""]
    last = blocks.pop()
    if len(last) == 16:
        last = bytes(a ^ b for a, b in zip(last, k1))
    else:
        padded = last + b"\x80" + bytes(15 - len(last))
        last = bytes(a ^ b for a, b in zip(padded, double(k1)))
    state = bytes(16)
    for block in blocks + [last]:
        state = encrypt(key, bytes(a ^ b for a, b in zip(state, block)))
    return state


def unwrap(kek, wrapped):
    """RFC 3394; None if the integrity value is wrong."""
    a, r = wrapped[:8], [wrapped[i : i + 8] for i in range(8, len(wrapped), 8)]
    for j in range(5, -1, -1):
        for i in range(len(r), 0, -1):
            t = (int.from_bytes(a, "big") ^ (len(r) * j + i)).to_bytes(8, "big")
            block = decrypt(kek, t + r[i - 1])
            a, r[i - 1] = block[:8], block[8:]
    return b"".join(r) if a == b"\xa6" * 8 else None


class Device:
    """A LoRaWAN device: makes Join-requests and reads Join-accepts as a device does."""

    def __init__(self, dev_eui, join_eui, version, app_key, nwk_key=None):
        self.dev_eui, self.join_eui = bytes.fromhex(dev_eui), bytes.fromhex(join_eui)
        self.version = version
        self.app_key, self.nwk_key = app_key, nwk_key
        self.last_join_nonce = 0
        self.dev_nonce = 0

    @property
    def root(self):
        return self.nwk_key or self.app_key

    def join_request(self, dev_nonce=None):
        if dev_nonce is None:
            dev_nonce = self.dev_nonce
            self.dev_nonce += 1
        frame = b"\0" + self.join_eui[::-1] + self.dev_eui[::-1] + dev_nonce.to_bytes(2, "little")
        return frame + cmac(self.root, frame)[:4]

    def lifetime_key(self, first):
        """JSEncKey is 5, JSIntKey is 6 (LoRaWAN 1.1, 6.1.1.4)."""
        return encrypt(self.root, bytes([first]) + self.dev_eui[::-1] + bytes(7))

    def rejoin_request(self, kind, rj_count, net_id=None, s_nwk_s_int_key=None):
        """A Rejoin-request; types 0 and 2 need the NetID and a key of the session they are sent in."""
        count = rj_count.to_bytes(2, "little")
        if kind == 1:
            frame = b"\xc0\x01" + self.join_eui[::-1] + self.dev_eui[::-1] + count
            return frame + cmac(self.lifetime_key(6), frame)[:4]
        frame = bytes([0xC0, kind]) + bytes.fromhex(net_id)[::-1] + self.dev_eui[::-1] + count
        return frame + cmac(s_nwk_s_int_key, frame)[:4]

    def open_accept(self, accept, rejoin=None):
        """What is inside a Join-accept, from JoinNonce to MIC; of an answer to a rejoin if said."""
        key = self.root if rejoin is None else self.lifetime_key(5)
        return b"".join(encrypt(key, accept[i : i + 16]) for i in range(1, len(accept), 16))

    def read_accept(self, accept, dev_nonce, net_id, rejoin=None):
        """
        Check a Join-accept and derive the keys; raises AssertionError if it is not right. For the
        answer to a Rejoin-request of type `rejoin`, its RJcount stands in the place of DevNonce.
        """
        assert accept[0] == 0x20 and len(accept) in (17, 33), "frame"
        clear = self.open_accept(accept, rejoin)
        body, mic = b"\x20" + clear[:-4], clear[-4:]
        join_nonce = int.from_bytes(clear[0:3], "little")
        opt_neg = rejoin is not None or (self.nwk_key is not None and bool(clear[10] & 0x80))
        nonce = dev_nonce.to_bytes(2, "little")
        if opt_neg:
            kind = bytes([0xFF if rejoin is None else rejoin])
            expected = cmac(self.lifetime_key(6), kind + self.join_eui[::-1] + nonce + body)[:4]
        else:
            expected = cmac(self.root, body)[:4]
        assert mic == expected, "MIC of the Join-accept"
        assert rejoin is None or clear[10] & 0x80, "OptNeg in the answer to a rejoin"
        assert clear[3:6][::-1].hex() == net_id.lower(), "NetID"
        assert join_nonce > self.last_join_nonce, f"JoinNonce {join_nonce} <= {self.last_join_nonce}"
        self.last_join_nonce = join_nonce

        def derive(key, first, middle):
            return encrypt(key, (bytes([first]) + clear[0:3] + middle + nonce).ljust(16, b"\0")).hex()

        keys = {"join_nonce": join_nonce}
        if opt_neg:
            eui = self.join_eui[::-1]
            keys["FNwkSIntKey"] = derive(self.nwk_key, 1, eui)
            keys["SNwkSIntKey"] = derive(self.nwk_key, 3, eui)
            keys["NwkSEncKey"] = derive(self.nwk_key, 4, eui)
            keys["AppSKey"] = derive(self.app_key, 2, eui)
        else:
            keys["NwkSKey"] = derive(self.root, 1, clear[3:6])
            keys["AppSKey"] = derive(self.root, 2, clear[3:6])
        return keys
