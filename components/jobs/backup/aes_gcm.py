"""Open what AES-256-GCM has sealed (FIPS 197, NIST SP 800-38D). The image's Python has no such cipher.

It opens single rows: it is neither fast nor constant in time, and needs to be neither in a pod of its own.
"""

import hmac

_BLOCK = 16


class Unauthentic(Exception):
    """The tag does not fit: a different key, or changed text."""


def unseal(key: bytes, nonce: bytes, text: bytes, tag: bytes) -> bytes:
    """Return the plain text. Raises Unauthentic."""
    keys = _expanded(key)
    start = int.from_bytes(nonce + b"\0\0\0\1", "big")
    hashed = _ghash(int.from_bytes(_encrypted(keys, bytes(_BLOCK)), "big"), text)
    wanted = hashed ^ int.from_bytes(_encrypted(keys, start.to_bytes(_BLOCK, "big")), "big")
    if not hmac.compare_digest(wanted.to_bytes(_BLOCK, "big"), tag):
        raise Unauthentic
    plain = bytearray()
    for offset in range(0, len(text), _BLOCK):
        start += 1
        stream = _encrypted(keys, start.to_bytes(_BLOCK, "big"))
        plain += bytes(a ^ b for a, b in zip(text[offset : offset + _BLOCK], stream, strict=False))
    return bytes(plain)


def _ghash(subkey: int, text: bytes) -> int:
    padded = text + bytes(-len(text) % _BLOCK) + (8 * len(text)).to_bytes(_BLOCK, "big")
    result = 0
    for offset in range(0, len(padded), _BLOCK):
        result = _product(result ^ int.from_bytes(padded[offset : offset + _BLOCK], "big"), subkey)
    return result


def _product(left: int, right: int) -> int:
    """Multiply in the field of GCM, whose bits run from the left."""
    result = 0
    for bit in range(127, -1, -1):
        if left >> bit & 1:
            result ^= right
        right = right >> 1 ^ (0xE1 << 120 if right & 1 else 0)
    return result


def _doubled(byte: int) -> int:
    return byte << 1 & 0xFF ^ (0x1B if byte & 0x80 else 0)


def _substitutions() -> bytes:
    box = bytearray(256)
    p = q = 1
    while True:
        p ^= _doubled(p)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        turned = (q << 8 | q) & 0xFFFF
        box[p] = (q ^ turned >> 7 ^ turned >> 6 ^ turned >> 5 ^ turned >> 4) & 0xFF ^ 0x63
        if p == 1:
            box[0] = 0x63
            return bytes(box)


_BOX = _substitutions()


def _expanded(key: bytes) -> list[bytes]:
    words = [key[at : at + 4] for at in range(0, 32, 4)]
    constant = 1
    while len(words) < 60:
        word = words[-1]
        if len(words) % 8 == 0:
            word = bytes(_BOX[byte] for byte in word[1:] + word[:1])
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = _doubled(constant)
        elif len(words) % 8 == 4:
            word = bytes(_BOX[byte] for byte in word)
        words.append(bytes(a ^ b for a, b in zip(words[-8], word, strict=True)))
    return [b"".join(words[at : at + 4]) for at in range(0, 60, 4)]


def _encrypted(keys: list[bytes], block: bytes) -> bytes:
    state = bytes(a ^ b for a, b in zip(block, keys[0], strict=True))
    for number, key in enumerate(keys[1:], 1):
        state = bytes(_BOX[state[(at + 4 * (at % 4)) % 16]] for at in range(16))  # SubBytes and ShiftRows
        if number < len(keys) - 1:
            state = b"".join(_mixed(state[at : at + 4]) for at in range(0, 16, 4))
        state = bytes(a ^ b for a, b in zip(state, key, strict=True))
    return state


def _mixed(column: bytes) -> bytes:
    whole = column[0] ^ column[1] ^ column[2] ^ column[3]
    return bytes(column[at] ^ whole ^ _doubled(column[at] ^ column[(at + 1) % 4]) for at in range(4))
