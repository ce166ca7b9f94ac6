"""The decode cases: for each structure good ones at the edge of what is allowed, and bad ones just over it."""

from attest1 import (EVIDENCE_MAX, KINDS_MAX, MARBLE_TYPE_MAX, NEW_SPKI_MAX, POSSESSION_MAX, SIGNATURE_MAX, lp)
from cases import SPKI, TIME, fixed, snp_evidence, tpm_evidence, u

# Each structure in pieces; a case replaces pieces by name, so that it differs from a good one in just that.
HELLO = {"label": b"stoa/hello/1", "version": u(2, 1), "role": u(1, 1), "nonce": fixed("client nonce", 32),
         "kinds": u(2, 2) + u(2, 1), "marble_type": b"store", "instance": fixed("instance", 16), "purpose": u(1, 1)}
SERVER_HELLO = HELLO | {"role": u(1, 2), "nonce": fixed("server nonce", 32), "marble_type": b"", "instance": b""}
STATE = {"label": b"stoa/state/1", "state": u(1, 3), "sequence": u(8, 41), "head": fixed("head", 32),
         "manifest": fixed("manifest", 32), "transition": fixed("transition", 32), "root": fixed("root", 32),
         "issuing": fixed("issuing", 32), "leaf": fixed("leaf", 32), "owner": fixed("owner", 32),
         "digest": fixed("digest", 48), "witness": b"none", "time": u(8, TIME)}
STATE_2 = STATE | {"state": u(1, 2), "manifest": b"", "transition": b"", "issuing": b""}
STATE_1 = STATE_2 | {"state": u(1, 1), "root": b"", "owner": b""}
BODY_3 = {"kind": u(2, 1), "evidence": fixed("quote", 96), "session_spki": SPKI["session"], "quoted_at": u(8, TIME),
          "state": lp(*STATE.values()), "collateral": b'{"vector":"collateral"}',
          "signature": fixed("signature", SIGNATURE_MAX)}
BODY_4 = {"kind": u(2, 2), "evidence": fixed("quote", 80), "new_spki": SPKI["new"], "possession": fixed("proof", 71)}
MAC = {"mac": fixed("mac", 48)}

GOOD, BAD = b"\x01", b"\x00"


def of(pieces: dict, **other: bytes) -> bytes:
    assert set(other) <= set(pieces), f"no such piece: {set(other) - set(pieces)}"
    return lp(*(pieces | other).values())


def framing(pieces: dict):
    """What is refused in every structure."""
    whole = of(pieces)
    yield "as it should be", GOOD, whole
    yield "nothing at all", BAD, b""
    yield "a trailing byte", BAD, whole + b"\x00"
    yield "an empty field after the last", BAD, whole + lp(b"")
    yield "the last byte missing", BAD, whole[:-1]
    yield "the last field missing", BAD, lp(*list(pieces.values())[:-1])
    yield "cut inside the first length", BAD, whole[:3]
    yield "a length of four gigabytes", BAD, b"\xff\xff\xff\xff" + whole[4:]
    yield "a length that is one too large", BAD, (int.from_bytes(whole[:4], "big") + 1).to_bytes(4, "big") + whole[4:]
    yield "wrapped in one more length", BAD, lp(whole)


def hellos(pieces: dict):
    other_role = u(1, 3 - pieces["role"][0])
    sixteen = b"".join(u(2, kind) for kind in range(1, KINDS_MAX + 1))
    yield "renew", GOOD, of(pieces, purpose=u(1, 2))
    yield "another label", BAD, of(pieces, label=b"stoa/hello/2")
    yield "version 0", BAD, of(pieces, version=u(2, 0))
    yield "version 2", BAD, of(pieces, version=u(2, 2))
    yield "version of one byte", BAD, of(pieces, version=u(1, 1))
    yield "version of four bytes", BAD, of(pieces, version=u(4, 1))
    yield "the other side's role", BAD, of(pieces, role=other_role)
    yield "role 0", BAD, of(pieces, role=u(1, 0))
    yield "nonce of 31 bytes", BAD, of(pieces, nonce=fixed("nonce", 31))
    yield "nonce of 33 bytes", BAD, of(pieces, nonce=fixed("nonce", 33))
    yield "no nonce", BAD, of(pieces, nonce=b"")
    yield "no kinds", BAD, of(pieces, kinds=b"")
    yield "one kind", GOOD, of(pieces, kinds=u(2, 1))
    yield "half a kind", BAD, of(pieces, kinds=u(2, 1) + b"\x00")
    yield "a kind twice", BAD, of(pieces, kinds=u(2, 1) + u(2, 2) + u(2, 1))
    yield "an unknown kind twice", BAD, of(pieces, kinds=u(2, 1) + u(2, 9) + u(2, 9))
    yield "unknown kinds are skipped", GOOD, of(pieces, kinds=u(2, 0xFFFF) + u(2, 0) + u(2, 1) + u(2, 5))
    yield "16 kinds", GOOD, of(pieces, kinds=sixteen)
    yield "17 kinds", BAD, of(pieces, kinds=sixteen + u(2, KINDS_MAX + 1))
    for purpose, word in ((0, "none"), (3, "coordinator"), (4, "peer-join"), (5, "recover"), (6, "verify-bundle"), (7, "unknown")):
        yield f"purpose {purpose}, {word}", BAD, of(pieces, purpose=u(1, purpose))
    yield "purpose of two bytes", BAD, of(pieces, purpose=u(2, 1))


def client_hellos():
    yield "activate without an instance", GOOD, of(HELLO, instance=b"")
    yield "renew without an instance", BAD, of(HELLO, instance=b"", purpose=u(1, 2))
    yield "instance of 15 bytes", BAD, of(HELLO, instance=fixed("instance", 15))
    yield "instance of 17 bytes", BAD, of(HELLO, instance=fixed("instance", 17))
    yield "no marble type", BAD, of(HELLO, marble_type=b"")
    yield "marble type of one byte", GOOD, of(HELLO, marble_type=b"s")
    yield "marble type of 255 bytes", GOOD, of(HELLO, marble_type=b"s" * MARBLE_TYPE_MAX)
    yield "marble type of 256 bytes", BAD, of(HELLO, marble_type=b"s" * (MARBLE_TYPE_MAX + 1))
    yield "marble type in UTF-8", GOOD, of(HELLO, marble_type="zähler".encode())
    yield "marble type in Latin-1", BAD, of(HELLO, marble_type="zähler".encode("latin-1"))
    yield "marble type with a surrogate", BAD, of(HELLO, marble_type=b"s\xed\xa0\x80")
    yield "marble type in overlong UTF-8", BAD, of(HELLO, marble_type=b"s\xc0\xaf")


def server_hellos():
    yield "a marble type", BAD, of(SERVER_HELLO, marble_type=b"store")
    yield "an instance", BAD, of(SERVER_HELLO, instance=fixed("instance", 16))


def evidence(pieces: dict):
    report, vek = fixed("report", 40), fixed("vek", 30)
    tpm = [fixed("tpm" + str(n), 24) for n in range(6)]
    yield "kind tdx-dcap", GOOD, of(pieces, kind=u(2, 2))
    yield "kind 0", BAD, of(pieces, kind=u(2, 0))
    yield "kind 5", BAD, of(pieces, kind=u(2, 5))
    yield "kind of one byte", BAD, of(pieces, kind=u(1, 1))
    yield "no evidence", BAD, of(pieces, evidence=b"")
    yield "evidence of 64 KiB", GOOD, of(pieces, evidence=bytes(EVIDENCE_MAX))
    yield "evidence of 64 KiB and a byte", BAD, of(pieces, evidence=bytes(EVIDENCE_MAX + 1))
    yield "snp", GOOD, of(pieces, kind=u(2, 3), evidence=snp_evidence("decode"))
    yield "snp without VEK", GOOD, of(pieces, kind=u(2, 3), evidence=lp(report, b""))
    yield "snp without report", BAD, of(pieces, kind=u(2, 3), evidence=lp(b"", vek))
    yield "snp with one field", BAD, of(pieces, kind=u(2, 3), evidence=lp(report))
    yield "snp with three fields", BAD, of(pieces, kind=u(2, 3), evidence=lp(report, vek, b""))
    yield "snp, raw report", BAD, of(pieces, kind=u(2, 3), evidence=report)
    yield "tpm", GOOD, of(pieces, kind=u(2, 4), evidence=tpm_evidence("decode"))
    yield "tpm with both lists", GOOD, of(pieces, kind=u(2, 4), evidence=lp(*tpm))
    yield "tpm with five fields", BAD, of(pieces, kind=u(2, 4), evidence=lp(*tpm[:5]))
    yield "tpm with seven fields", BAD, of(pieces, kind=u(2, 4), evidence=lp(*tpm, b""))
    yield "tpm with a trailing byte", BAD, of(pieces, kind=u(2, 4), evidence=lp(*tpm) + b"\x00")
    for missing, name in enumerate(("TPMS_ATTEST", "signature", "AK", "PCR values")):
        holed = [b"" if n == missing else part for n, part in enumerate(tpm)]
        yield f"tpm without {name}", BAD, of(pieces, kind=u(2, 4), evidence=lp(*holed))


def bodies_3():
    yield "no collateral", GOOD, of(BODY_3, collateral=b"")
    yield "no session key", BAD, of(BODY_3, session_spki=b"")
    yield "quoted_at of four bytes", BAD, of(BODY_3, quoted_at=u(4, 1))
    yield "no quoted_at", BAD, of(BODY_3, quoted_at=b"")
    yield "no state bytes", BAD, of(BODY_3, state=b"")
    yield "state bytes with a trailing byte", BAD, of(BODY_3, state=of(STATE) + b"\x00")
    yield "state bytes of a witness that does not exist", BAD, of(BODY_3, state=of(STATE, witness=b"paper"))
    yield "state bytes of 1 KiB and a byte", BAD, of(BODY_3, state=bytes(1025))
    yield "signature of 72 bytes", GOOD, of(BODY_3, signature=bytes(SIGNATURE_MAX))
    yield "signature of 73 bytes", BAD, of(BODY_3, signature=bytes(SIGNATURE_MAX + 1))
    yield "no signature", BAD, of(BODY_3, signature=b"")


def bodies_4():
    yield "neither new key nor possession", GOOD, of(BODY_4, new_spki=b"", possession=b"")
    yield "new key without possession", BAD, of(BODY_4, possession=b"")
    yield "possession without new key", BAD, of(BODY_4, new_spki=b"")
    yield "new key of 512 bytes", GOOD, of(BODY_4, new_spki=bytes(NEW_SPKI_MAX))
    yield "new key of 513 bytes", BAD, of(BODY_4, new_spki=bytes(NEW_SPKI_MAX + 1))
    yield "possession of 512 bytes", GOOD, of(BODY_4, possession=bytes(POSSESSION_MAX))
    yield "possession of 513 bytes", BAD, of(BODY_4, possession=bytes(POSSESSION_MAX + 1))


def macs():
    yield "MAC of 47 bytes", BAD, lp(bytes(47))
    yield "MAC of 49 bytes", BAD, lp(bytes(49))
    yield "no MAC", BAD, lp(b"")
    yield "MAC without its length", BAD, bytes(48)


def states():
    key = fixed("key", 32)
    yield "no owner", GOOD, of(STATE, owner=b"")
    yield "state 2", GOOD, of(STATE_2)
    yield "state 2 without owner", GOOD, of(STATE_2, owner=b"")
    yield "state 1", GOOD, of(STATE_1)
    yield "state 1, journal unreadable", GOOD, of(STATE_1, sequence=u(8, 0), head=bytes(32))
    yield "state 0", BAD, of(STATE, state=u(1, 0))
    yield "state 4", BAD, of(STATE, state=u(1, 4))
    yield "state of two bytes", BAD, of(STATE, state=u(2, 3))
    yield "another label", BAD, of(STATE, label=b"stoa/state/2")
    yield "sequence of four bytes", BAD, of(STATE, sequence=u(4, 41))
    yield "no head", BAD, of(STATE, head=b"")
    yield "head of 31 bytes", BAD, of(STATE, head=bytes(31))
    for name in ("manifest", "transition", "root", "issuing", "leaf"):
        yield f"state 3 without {name}", BAD, of(STATE, **{name: b""})
        yield f"{name} of 48 bytes", BAD, of(STATE, **{name: bytes(48)})
    yield "owner of 31 bytes", BAD, of(STATE, owner=bytes(31))
    yield "state 2 without root", BAD, of(STATE_2, root=b"")
    yield "state 2 without leaf", BAD, of(STATE_2, leaf=b"")
    for name in ("manifest", "transition", "issuing"):
        yield f"state 2 with {name}", BAD, of(STATE_2, **{name: key})
    for name in ("manifest", "transition", "root", "issuing", "owner"):
        yield f"state 1 with {name}", BAD, of(STATE_1, **{name: key})
    yield "state 1 without leaf", BAD, of(STATE_1, leaf=b"")
    yield "digest of 32 bytes", BAD, of(STATE, digest=bytes(32))
    yield "no digest", BAD, of(STATE, digest=b"")
    yield "witness etcd", GOOD, of(STATE, witness=b"etcd")
    yield "witness tpm-nv", GOOD, of(STATE, witness=b"tpm-nv")
    yield "no witness", BAD, of(STATE, witness=b"")
    yield "witness in capitals", BAD, of(STATE, witness=b"None")
    yield "witness with a zero byte", BAD, of(STATE, witness=b"none\x00")
    yield "time of four bytes", BAD, of(STATE, time=u(4, 1))
    yield "no time", BAD, of(STATE, time=b"")


STRUCTURES = (
    ("client_hello", HELLO, (lambda: hellos(HELLO), client_hellos)),
    ("server_hello", SERVER_HELLO, (lambda: hellos(SERVER_HELLO), server_hellos)),
    ("body_3", BODY_3, (lambda: evidence(BODY_3), bodies_3)),
    ("body_4", BODY_4, (lambda: evidence(BODY_4), bodies_4)),
    ("body_5", MAC, (macs,)),
    ("body_6", MAC, (macs,)),
    ("state_bytes", STATE, (states,)),
)


def cases() -> list[tuple[dict, bytes]]:
    """Each decode case without outputs, and what it is meant to come to."""
    out = []
    for structure, pieces, groups in STRUCTURES:
        rows = [*framing(pieces), *(row for group in groups for row in group())]
        for name, accept, data in rows:
            out.append(({"name": f"decode {structure}: {name}", "flow": "decode",
                         "inputs": {"structure": structure.encode(), "bytes": data}}, accept))
    return out
