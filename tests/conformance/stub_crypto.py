"""The server's half of joining, for the stub: Join-accepts, session keys, key wrap."""
from lorawan import cmac, decrypt, encrypt


def wrap(kek, key):
    """RFC 3394."""
    a, r = b"\xa6" * 8, [key[i:i + 8] for i in range(0, len(key), 8)]
    for j in range(6):
        for i in range(len(r)):
            block = encrypt(kek, a + r[i])
            t = (len(r) * j + i + 1).to_bytes(8, "big")
            a, r[i] = bytes(x ^ y for x, y in zip(block[:8], t)), block[8:]
    return a + b"".join(r)


class Session:
    """One Join-accept and what it makes, for a device of the fixture."""

    def __init__(self, device, wrong, join_nonce, net_id, nonce, kind, fields):
        self.device, self.wrong = device, wrong
        self.kind, self.nonce = kind, nonce.to_bytes(2, "little")
        self.join_nonce = join_nonce.to_bytes(3, "little")
        self.net_id = net_id[::-1]
        self.dev_addr, self.dl, self.delay, self.cf_list = fields
        self.opt_neg = bool(self.dl & 0x80)
        if wrong("keys-by-registration"):
            self.opt_neg = device.nwk_key is not None
        self.rj_count_0 = -1

    def body(self):
        address = self.dev_addr if self.wrong("address-reversed") else self.dev_addr[::-1]
        delay = 1 if self.wrong("delay-fixed") else self.delay
        net_id = bytes(3) if self.wrong("net-id-zero") else self.net_id
        cf_list = b"" if self.wrong("no-cf-list") else self.cf_list
        return b"\x20" + self.join_nonce + net_id + address + bytes([self.dl, delay]) + cf_list

    def accept(self):
        device, body = self.device, self.body()
        if self.opt_neg:
            kind = b"\xff" if self.kind is None else bytes([self.kind])
            start = kind + device.join_eui[::-1] + self.nonce
            mic = cmac(device.lifetime_key(6), start + body)[:4]
        else:
            mic = cmac(device.root, body)[:4]
        rejoin = self.kind is not None and not self.wrong("rejoin-under-nwk-key")
        key = device.lifetime_key(5) if rejoin else device.root
        clear = body[1:] + mic
        return b"\x20" + b"".join(decrypt(key, clear[i:i + 16]) for i in range(0, len(clear), 16))

    def keys(self):
        device = self.device
        old_layout = self.kind is not None and self.wrong("rejoin-keys-of-1.0")
        middle = device.join_eui[::-1] if self.opt_neg and not old_layout else self.net_id

        def derive(key, first):
            block = bytes([first]) + self.join_nonce + middle + self.nonce
            return encrypt(key, block.ljust(16, b"\0"))

        app = device.app_key if self.opt_neg and not self.wrong("app-s-key-from-nwk-key") \
            else device.root
        if not self.opt_neg:
            return {"NwkSKey": derive(device.root, 1), "AppSKey": derive(app, 2)}
        enc, s_int = (3, 4) if self.wrong("keys-swapped") else (4, 3)
        return {"FNwkSIntKey": derive(device.root, 1), "SNwkSIntKey": derive(device.root, s_int),
                "NwkSEncKey": derive(device.root, enc), "AppSKey": derive(app, 2)}
