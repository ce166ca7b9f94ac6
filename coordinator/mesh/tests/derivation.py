#!/usr/bin/env python3
"""Test vectors of docs/reference/derivation.md, from that page alone (standard library only).

Prints the JSON that stands beside this file as derivation.json.
"""
import hashlib
import hmac
import json


def lp(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def hkdf_sha512(secret: bytes, info: bytes, length: int) -> bytes:
    key = hmac.new(bytes(64), secret, hashlib.sha512).digest()
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha512).digest()
        out += block
        counter += 1
    return out[:length]


def derive(secret: bytes, marble: str, instance: bytes, name: str, length: int) -> bytes:
    info = (
        lp(b"stoa/secret") + lp(bytes([1])) + lp(marble.encode()) + lp(instance) + lp(name.encode())
        + lp(length.to_bytes(8, "big"))
    )
    return hkdf_sha512(secret, info, length)


cases = [
    (bytes(range(32)), "signer", bytes(range(16)), "key", 16),
    (bytes(range(32)), "signer", bytes(range(16)), "key", 32),
    (bytes(range(32)), "signer", bytes(range(1, 17)), "key", 32),
    (bytes(range(32)), "verifier", bytes(range(16)), "key", 32),
    (bytes(range(32)), "signer", bytes(range(16)), "other", 32),
    (bytes([255]) * 32, "signer", bytes(range(16)), "key", 32),
    (bytes(range(32)), "signer", bytes(16), "gr\u00fcn", 200),
    (bytes(range(32)), "", bytes(range(16)), "key", 32),
]
print(json.dumps({"format": "stoa-derivation/1", "vectors": [
    {"derivation_secret": s.hex(), "marble": m, "instance": i.hex(), "secret": n, "bytes": b, "derived": derive(s, m, i, n, b).hex()}
    for s, m, i, n, b in cases
]}, indent=1))
