"""The bytes of stoa-attest/1 in Python: docs/protocol/attest-1.md, and nothing else.

Section numbers are that page's. Written from the page alone, before and apart from the Rust in
attestation/src/channel, so that a misreading on one side shows as a difference. Pure functions over bytes;
keys, files and cases live in the two modules beside this one.
"""

import hashlib
import hmac

# Section 8, inclusive, of a field's content.
HELLO_MAX = 4 * 1024
EVIDENCE_MAX = 64 * 1024
NEW_SPKI_MAX = 512
POSSESSION_MAX = 512
COLLATERAL_MAX = 1024 * 1024
SIGNATURE_MAX = 72
STATE_MAX = 1024
BODY_3_MAX = 1152 * 1024
BODY_4_MAX = 80 * 1024
# Sections 1, 3 and 5.
KINDS_MAX = 16
MARBLE_TYPE_MAX = 255
KNOWN_KINDS = (1, 2, 3, 4)
WITNESSES = (b"none", b"etcd", b"tpm-nv")


# --- 1. Notation -----------------------------------------------------------------------------------------------------

def lp(*fields: bytes) -> bytes:
    """LP of each field, joined."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def h(data: bytes) -> bytes:
    return hashlib.sha384(data).digest()


def k(spki: bytes) -> bytes:
    """K(spki); empty for an absent key, because an absent thing is never hashed."""
    return hashlib.sha256(spki).digest() if spki else b""


# --- 4. Keys and report data -----------------------------------------------------------------------------------------

def expand(x: bytes, info: bytes) -> bytes:
    """HKDF-Expand-SHA384 to 48 bytes: one block of RFC 5869, 2.3."""
    return hmac.new(x, info + b"\x01", hashlib.sha384).digest()


def report_input(kind, direction, purpose, exporter, server_leaf, client_leaf, verifier_nonce, attester_nonce,
                 certified, bound) -> bytes:
    kem_key = b""
    return lp(b"stoa/report/1", kind, direction, purpose, exporter, k(server_leaf), k(client_leaf), verifier_nonce,
              attester_nonce, k(certified), kem_key, bound)


def session_bound(root_spki: bytes, digest: bytes, quoted_at: bytes) -> bytes:
    return h(lp(b"stoa/session/1", k(root_spki), digest, quoted_at))


# --- 5. State bytes --------------------------------------------------------------------------------------------------

def security_digest(switches: list[tuple[bytes, bytes]]) -> bytes:
    """Of (name, value) pairs, none of them at its default."""
    return h(lp(b"stoa/security/1", *(name + b"=" + value for name, value in sorted(switches))))


def transition_heads(history: list[tuple[bytes, bytes, bytes]]) -> list[bytes]:
    """Of (SHA-256 of the manifest, epoch, time), oldest first."""
    heads, head = [], bytes(32)
    for manifest_sha256, epoch, time in history:
        head = hashlib.sha256(lp(b"stoa/transition/1", head, manifest_sha256, epoch, time)).digest()
        heads.append(head)
    return heads


# --- 2 to 7. One case ------------------------------------------------------------------------------------------------

def hello_body(hello: dict) -> bytes:
    return lp(b"stoa/hello/1", hello["version"], hello["role"], hello["nonce"], b"".join(hello["kinds"]),
              hello["marble_type"], hello["instance"], hello["purpose"])


def shared_outputs(i: dict) -> dict:
    """What a Join and a statement have in common: everything that says who the coordinator is."""
    digest = security_digest([(s["name"], s["value"]) for s in i["switches"]])
    heads = transition_heads([(t["manifest_sha256"], t["epoch"], t["time"]) for t in i["history"]])
    state = lp(b"stoa/state/1", i["state"], i["sequence"], i["head"],
               hashlib.sha256(i["manifest"]).digest() if i["manifest"] else b"",
               heads[-1] if heads else b"",
               k(i["root_spki"]), k(i["issuing_spki"]), k(i["server_leaf_spki"]), k(i["owner_spki"]),
               digest, i["witness"], i["time"])
    bound = session_bound(i["root_spki"], digest, i["quoted_at"])
    report = report_input(i["kind"], b"\x02", b"\x03", b"", b"", b"", b"", b"", i["session_spki"], bound)
    return {
        "security_digest": digest,
        "transition_heads": heads,
        "state_bytes": state,
        "session_bound": bound,
        "coordinator_report_input": report,
        "coordinator_report_data": hashlib.sha512(report).digest(),
        "coordinator_qualifying_data": hashlib.sha256(report).digest(),
    }


def session_sig_input(purpose, e_server, t, server_leaf, client_leaf, client_nonce, server_nonce, state,
                      statement_body) -> bytes:
    return lp(b"stoa/session-sig/1", purpose, e_server, t, k(server_leaf), k(client_leaf), client_nonce, server_nonce,
              h(state), h(statement_body) if statement_body is not None else b"")


def join_outputs(i: dict, signature, possession) -> dict:
    """All outputs of a Join; `signature(input)` and `possession(input)` give the two signatures."""
    o = shared_outputs(i)
    client, server = i["client_hello"], i["server_hello"]
    body_1, body_2 = hello_body(client), hello_body(server)
    t = h(lp(body_1, body_2))
    e_client = expand(i["x"], lp(b"stoa/attest/1 client", t))
    e_server = expand(i["x"], lp(b"stoa/attest/1 server", t))
    e_finish = expand(i["x"], lp(b"stoa/attest/1 finish", t))

    sig_input = session_sig_input(client["purpose"], e_server, t, i["server_leaf_spki"], i["client_leaf_spki"],
                                  client["nonce"], server["nonce"], o["state_bytes"], None)
    sig = signature(sig_input)
    body_3 = lp(i["kind"], i["evidence"], i["session_spki"], i["quoted_at"], o["state_bytes"], i["collateral"], sig)

    possession_input = lp(b"stoa/key/1", e_client, t) if i["new_spki"] else b""
    proof = possession(possession_input) if i["new_spki"] else b""
    certified = i["new_spki"] or i["client_leaf_spki"]
    marble = report_input(i["marble_kind"], b"\x01", client["purpose"], e_client, i["server_leaf_spki"],
                          i["client_leaf_spki"], server["nonce"], client["nonce"], certified, h(lp(body_3)))
    body_4 = lp(i["marble_kind"], i["marble_evidence"], i["new_spki"], proof)

    def finish(role: bytes, *bodies: bytes) -> bytes:
        return hmac.new(e_finish, lp(role, h(lp(*bodies))), hashlib.sha384).digest()

    client_finish = finish(b"\x01", body_1, body_2, body_3, body_4)
    body_5 = lp(client_finish)
    server_finish = finish(b"\x02", body_1, body_2, body_3, body_4, body_5, i["body_7"])
    return o | {
        "session_sig_input": sig_input, "signature": sig,
        "possession_input": possession_input, "possession": proof,
        "client_hello": body_1, "server_hello": body_2,
        "t": t, "e_client": e_client, "e_server": e_server, "e_finish": e_finish,
        "marble_report_input": marble,
        "marble_report_data": hashlib.sha512(marble).digest(),
        "marble_qualifying_data": hashlib.sha256(marble).digest(),
        "body_3": body_3, "body_4": body_4,
        "client_finish": client_finish, "body_5": body_5,
        "server_finish": server_finish, "body_6": lp(server_finish),
    }


def statement_outputs(i: dict, signature) -> dict:
    o = shared_outputs(i)
    sig_input = session_sig_input(b"\x06", b"", b"", i["server_leaf_spki"], b"", i["nonce"], b"", o["state_bytes"],
                                  i["body"])
    return o | {"session_sig_input": sig_input, "signature": signature(sig_input)}


# --- Decoding: LP, limits and the rules of sections 3 and 5 ----------------------------------------------------------

class Refused(Exception):
    """The bytes are not what the structure says."""


def need(condition: bool, why: str) -> None:
    if not condition:
        raise Refused(why)


def fields(data: bytes, count: int) -> list[bytes]:
    """Exactly `count` LP fields and nothing after them."""
    out, at = [], 0
    for number in range(count):
        need(len(data) - at >= 4, f"no length for field {number}")
        size = int.from_bytes(data[at:at + 4], "big")
        at += 4
        need(size <= len(data) - at, f"field {number} states {size} bytes, {len(data) - at} are left")
        out.append(data[at:at + size])
        at += size
    need(at == len(data), "trailing bytes")
    return out


def number(field: bytes, width: int) -> int:
    need(len(field) == width, f"an integer of {len(field)} bytes, not {width}")
    return int.from_bytes(field, "big")


def decode_hello(data: bytes, role: int) -> None:
    need(len(data) <= HELLO_MAX, "too long")
    label, version, its_role, nonce, kinds, marble_type, instance, purpose = fields(data, 8)
    need(label == b"stoa/hello/1", "label")
    need(number(version, 2) == 1, "version")
    need(number(its_role, 1) == role, "role")
    need(len(nonce) == 32, "nonce")
    need(len(kinds) % 2 == 0 and 1 <= len(kinds) // 2 <= KINDS_MAX, "number of kinds")
    listed = [kinds[n:n + 2] for n in range(0, len(kinds), 2)]
    need(len(set(listed)) == len(listed), "duplicate kind")
    wanted = number(purpose, 1)
    need(wanted in (1, 2), "purpose")
    if role == 2:
        need(marble_type == b"" and instance == b"", "a field that must be empty")
        return
    need(1 <= len(marble_type) <= MARBLE_TYPE_MAX, "marble type")
    try:
        marble_type.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("marble type is no UTF-8") from error
    need(len(instance) == 16 or (instance == b"" and wanted == 1), "instance")


def decode_evidence(kind: bytes, evidence: bytes) -> None:
    need(number(kind, 2) in KNOWN_KINDS, "kind")
    need(1 <= len(evidence) <= EVIDENCE_MAX, "evidence")
    if number(kind, 2) == 3:
        report, _vek = fields(evidence, 2)
        need(report != b"", "empty report")
    if number(kind, 2) == 4:
        attest, signature, key, pcrs, _event_log, _ima = fields(evidence, 6)
        need(b"" not in (attest, signature, key, pcrs), "empty TPM field")


def decode_state(data: bytes) -> None:
    need(len(data) <= STATE_MAX, "too long")
    (label, state, sequence, head, manifest, transition, root, issuing, leaf, owner, digest, witness,
     time) = fields(data, 13)
    need(label == b"stoa/state/1", "label")
    need(number(state, 1) in (1, 2, 3), "state")
    number(sequence, 8)
    need(len(head) == 32 and len(leaf) == 32 and len(digest) == 48, "fixed widths")
    need(witness in WITNESSES, "witness")
    number(time, 8)
    in_force = number(state, 1) == 3
    founded = number(state, 1) >= 2
    for field, filled in ((manifest, in_force), (transition, in_force), (issuing, in_force), (root, founded)):
        need(len(field) == (32 if filled else 0), "a field that the state fills or empties")
    need(len(owner) in ((0, 32) if founded else (0,)), "owner")


def decode_body_3(data: bytes) -> None:
    need(len(data) <= BODY_3_MAX, "too long")
    kind, evidence, session_spki, quoted_at, state, collateral, signature = fields(data, 7)
    decode_evidence(kind, evidence)
    need(session_spki != b"", "session SPKI")
    number(quoted_at, 8)
    decode_state(state)
    need(len(collateral) <= COLLATERAL_MAX, "collateral")
    need(1 <= len(signature) <= SIGNATURE_MAX, "signature")


def decode_body_4(data: bytes) -> None:
    need(len(data) <= BODY_4_MAX, "too long")
    kind, evidence, new_spki, possession = fields(data, 4)
    decode_evidence(kind, evidence)
    need((new_spki == b"") == (possession == b""), "new SPKI and possession go together")
    need(len(new_spki) <= NEW_SPKI_MAX and len(possession) <= POSSESSION_MAX, "too long")


def decode_finish(data: bytes) -> None:
    (mac,) = fields(data, 1)
    need(len(mac) == 48, "MAC")


DECODERS = {
    "client_hello": lambda data: decode_hello(data, 1),
    "server_hello": lambda data: decode_hello(data, 2),
    "body_3": decode_body_3,
    "body_4": decode_body_4,
    "body_5": decode_finish,
    "body_6": decode_finish,
    "state_bytes": decode_state,
}


def decode_outputs(i: dict) -> dict:
    try:
        DECODERS[i["structure"].decode("ascii")](i["bytes"])
    except Refused:
        return {"accept": b"\x00"}
    return {"accept": b"\x01"}
