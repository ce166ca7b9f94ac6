"""Shares of a known key, from docs/reference/recovery.md, section 1; standard library only. Prints what recover.rs holds."""
import hashlib, hmac, struct

def lp(*fields): return b"".join(struct.pack(">I", len(f)) + f for f in fields)

def expand(key, info, length):  # RFC 5869, no salt
    prk, block, out, n = hmac.new(bytes(32), key, hashlib.sha256).digest(), b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([n]), hashlib.sha256).digest()
        out, n = out + block, n + 1
    return out[:length]

def mul(a, b):  # GF(2^8) modulo 0x11b
    product = 0
    while b:
        if b & 1: product ^= a
        a, b = (a << 1) ^ (0x11B if a & 0x80 else 0), b >> 1
    return product

key, threshold, count = bytes(range(32)), 3, 5
holders = [f for n in range(count) for f in (b"h%03d" % n, bytes([n]) * 4)]
terms = hashlib.sha256(lp(b"stoa/recovery-terms/1", bytes([threshold]), *holders)).digest()
c = expand(key, lp(b"stoa/recovery-polynomial/1", terms), 32 * (threshold - 1))
print(terms.hex(), hashlib.sha256(c).hexdigest())
for x in range(1, count + 1):
    value = bytearray(key)
    power = 1
    for j in range(threshold - 1):
        power = mul(power, x)
        for i in range(32): value[i] ^= mul(c[32 * j + i], power)
    print((b"STOASHAR" + struct.pack(">HBB", 1, threshold, x) + b"\x0d" * 8 + b"\x20" * 32 + bytes(value)).hex())
