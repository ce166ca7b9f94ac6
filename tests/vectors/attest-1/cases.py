"""The inputs of the vectors: fixed keys, three base cases, one changed case for each input, and the decode cases.

Nothing here is random. The private keys come from public strings, so anyone can sign under them: they are good for
tests and for nothing else.
"""

import base64
import copy
import datetime
import hashlib
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import attest1
from attest1 import lp

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def fixed(label: str, size: int) -> bytes:
    """`size` fixed bytes that belong to `label`."""
    return hashlib.shake_256(b"stoa-attest-vectors/1 " + label.encode()).digest(size)


def p256(label: str):
    return ec.derive_private_key(1 + int.from_bytes(fixed("key " + label, 40), "big") % (P256_ORDER - 1), ec.SECP256R1())


def ed25519_key(label: str):
    return ed25519.Ed25519PrivateKey.from_private_bytes(fixed("key " + label, 32))


def spki(key) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


KEYS = {name: p256(name) for name in (
    "session", "session other", "server leaf", "server leaf other", "client leaf", "client leaf other", "root",
    "root other", "issuing", "issuing other", "owner", "owner other", "new", "new other", "trust root",
    "trust root other")}
KEYS |= {name: ed25519_key(name) for name in ("client leaf ed25519", "new ed25519")}
SPKI = {name: spki(key) for name, key in KEYS.items()}
PRIVATE = {SPKI[name]: key for name, key in KEYS.items()}


def certificate(subject: str, subject_spki: bytes, issuer: str, issuer_spki: bytes) -> bytes:
    """A CA certificate in DER; the signature is RFC 6979's, so the bytes are the same at each run."""
    def name(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
               .public_key(PRIVATE[subject_spki].public_key())
               .serial_number(int.from_bytes(fixed("serial " + subject + subject_spki.hex(), 15), "big") + 1)
               .not_valid_before(datetime.datetime(2026, 1, 1)).not_valid_after(datetime.datetime(2036, 1, 1))
               .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True))
    signed = builder.sign(PRIVATE[issuer_spki], hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(serialization.Encoding.DER)


def u(width: int, value: int) -> bytes:
    return value.to_bytes(width, "big")


# --- Base cases ------------------------------------------------------------------------------------------------------

TIME = 1_795_000_000
OTHER_MANIFEST = b'{"Packages":{"p":{"UniqueID":"' + b"22" * 32 + b'"}},"Marbles":{"store":{"Package":"p"}}}'
MANIFEST = b'{"Packages":{"p":{"UniqueID":"' + b"11" * 32 + b'"}},"Marbles":{"store":{"Package":"p"}}}'


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def history(last_manifest: bytes) -> list[dict]:
    return [{"manifest_sha256": fixed("first manifest", 32), "epoch": u(8, 1), "time": u(8, TIME - 90_000)},
            {"manifest_sha256": sha256(last_manifest), "epoch": u(8, 2), "time": u(8, TIME - 40_000)}]


def trust_root(label: str) -> tuple[bytes, dict]:
    """The DER of a trust anchor, and the switch that admits it."""
    der = certificate("insecure " + label, SPKI[label], "insecure " + label, SPKI[label])
    return der, {"name": b"insecure-trust-root", "value": hashlib.sha256(der).hexdigest().encode()}


ROOT_DER, ROOT_SWITCH = trust_root("trust root")
COORDINATOR = {
    "kind": u(2, 1), "evidence": fixed("coordinator quote", 96), "collateral": b'{"vector":"collateral"}',
    "quoted_at": u(8, TIME - 20), "session_spki": SPKI["session"], "server_leaf_spki": SPKI["server leaf"],
    "root_spki": SPKI["root"], "issuing_spki": SPKI["issuing"], "owner_spki": SPKI["owner"], "state": u(1, 3),
    "sequence": u(8, 41), "head": fixed("head", 32), "witness": b"none", "time": u(8, TIME), "manifest": MANIFEST,
    "history": history(MANIFEST), "switches": [ROOT_SWITCH], "trust_root_der": ROOT_DER,
}


def hello(role: int, nonce: bytes, kinds: list[int], marble_type: bytes, instance: bytes, purpose: int) -> dict:
    return {"version": u(2, 1), "role": u(1, role), "nonce": nonce, "kinds": [u(2, kind) for kind in kinds],
            "marble_type": marble_type, "instance": instance, "purpose": u(1, purpose)}


def join(purpose: int, new_spki: bytes) -> dict:
    return copy.deepcopy(COORDINATOR) | {
        "x": fixed("exporter", 48), "client_leaf_spki": SPKI["client leaf"], "new_spki": new_spki,
        "marble_kind": u(2, 2), "marble_evidence": fixed("marble quote", 80), "body_7": fixed("provision", 64),
        "client_hello": hello(1, fixed("client nonce", 32), [2, 1], b"store", fixed("instance", 16), purpose),
        "server_hello": hello(2, fixed("server nonce", 32), [1, 2], b"", b"", purpose),
    }


def statement_body(i: dict, live: int = 1) -> bytes:
    """The JSON of section 7 that says the same as the inputs do."""
    def b64(data):
        return base64.b64encode(data).decode()

    def named(spki_bytes, subject, issuer, issuer_spki):
        return [b64(certificate(subject, spki_bytes, issuer, issuer_spki))] if spki_bytes else []

    def integer(data):
        return int.from_bytes(data, "big")
    root, issuing = i["root_spki"], i["issuing_spki"]
    body = {
        "nonce": b64(i["nonce"]), "kind": integer(i["kind"]), "quoted_at": integer(i["quoted_at"]),
        "time": integer(i["time"]), "evidence": b64(i["evidence"]), "collateral": b64(i["collateral"]),
        "session_key": b64(i["session_spki"]), "state": b64(attest1.shared_outputs(i)["state_bytes"]),
        "manifest": b64(i["manifest"]),
        "chain": named(issuing, "issuing", "root", root) + named(root, "root", "root", root),
        "history": [{"manifest_sha256": t["manifest_sha256"].hex(), "epoch": integer(t["epoch"]),
                     "time": integer(t["time"])} for t in i["history"]],
        "marbles": [{"type": "store", "live": live, "budget": None}] if i["manifest"] else [],
        "refused": [], "legacy": None,
    }
    return json.dumps(body, separators=(",", ":")).encode()


def statement() -> dict:
    inputs = copy.deepcopy(COORDINATOR) | {"nonce": fixed("statement nonce", 32)}
    return inputs | {"body": statement_body(inputs)}


# --- Changed cases ---------------------------------------------------------------------------------------------------

def snp_evidence(label: str) -> bytes:
    return lp(fixed(label + " report", 40), fixed(label + " vek", 30))


def tpm_evidence(label: str) -> bytes:
    return lp(*(fixed(label + part, 24) for part in (" attest", " signature", " key", " pcrs")), b"", b"")


NO_MANIFEST = {"state": u(1, 2), "issuing_spki": b"", "manifest": b"", "history": []}
RECOVERY = NO_MANIFEST | {"state": u(1, 1), "root_spki": b"", "owner_spki": b""}
OTHER_DER, OTHER_SWITCH = trust_root("trust root other")
EARLIER_TIME = history(MANIFEST)
EARLIER_TIME[0]["time"] = u(8, TIME - 90_001)

# What is called what, and which inputs it changes: for Joins and statements.
SHARED = {
    "kind tdx-dcap": {"kind": u(2, 2)},
    "kind snp": {"kind": u(2, 3), "evidence": snp_evidence("coordinator")},
    "kind tpm": {"kind": u(2, 4), "evidence": tpm_evidence("coordinator")},
    "other evidence": {"evidence": fixed("coordinator quote other", 96)},
    "other collateral": {"collateral": b'{"vector":"other collateral"}'},
    "no collateral": {"collateral": b""},
    "quoted one second later": {"quoted_at": u(8, TIME - 19)},
    "other session key": {"session_spki": SPKI["session other"]},
    "other server leaf": {"server_leaf_spki": SPKI["server leaf other"]},
    "other root": {"root_spki": SPKI["root other"]},
    "other issuing CA": {"issuing_spki": SPKI["issuing other"]},
    "other owner": {"owner_spki": SPKI["owner other"]},
    "no owner": {"owner_spki": b""},
    "waiting for a manifest": NO_MANIFEST,
    "waiting for a manifest, no owner": NO_MANIFEST | {"owner_spki": b""},
    "recovery": RECOVERY,
    "recovery, journal unreadable": RECOVERY | {"sequence": u(8, 0), "head": bytes(32)},
    "next sequence": {"sequence": u(8, 42)},
    "other head": {"head": fixed("head other", 32)},
    "witness etcd": {"witness": b"etcd"},
    "witness tpm-nv": {"witness": b"tpm-nv"},
    "one second later": {"time": u(8, TIME + 1)},
    "other manifest": {"manifest": OTHER_MANIFEST, "history": history(OTHER_MANIFEST)},
    "other time in the history": {"history": EARLIER_TIME},
    "history of one": {"history": [{"manifest_sha256": sha256(MANIFEST), "epoch": u(8, 1), "time": u(8, TIME - 5)}]},
    "no switches": {"switches": [], "trust_root_der": b""},
    "other trust root": {"switches": [OTHER_SWITCH], "trust_root_der": OTHER_DER},
    "two switches out of order": {"switches": [{"name": b"zz-vector", "value": b"1"}, ROOT_SWITCH]},
    "names that sort by bytes": {"switches": [{"name": b"ab", "value": b"a=b c~"}, {"name": b"a-b", "value": b"1"},
                                              {"name": b"a", "value": b"2"}], "trust_root_der": b""},
}
JOIN = {
    "other exporter": {"x": fixed("exporter other", 48)},
    "other client leaf": {"client_leaf_spki": SPKI["client leaf other"]},
    "client leaf ed25519": {"client_leaf_spki": SPKI["client leaf ed25519"]},
    "marble kind sgx-dcap": {"marble_kind": u(2, 1)},
    "marble kind snp": {"marble_kind": u(2, 3), "marble_evidence": snp_evidence("marble"),
                        "client_hello.kinds": [u(2, 3)], "server_hello.kinds": [u(2, 1), u(2, 3)]},
    "marble kind tpm": {"marble_kind": u(2, 4), "marble_evidence": tpm_evidence("marble"),
                        "client_hello.kinds": [u(2, 4)], "server_hello.kinds": [u(2, 1), u(2, 4)]},
    "other marble evidence": {"marble_evidence": fixed("marble quote other", 80)},
    "other provision": {"body_7": fixed("provision other", 65)},
    "empty provision": {"body_7": b""},
    "other client nonce": {"client_hello.nonce": fixed("client nonce other", 32)},
    "other order of kinds": {"client_hello.kinds": [u(2, 1), u(2, 2)]},
    "unknown kind offered": {"client_hello.kinds": [u(2, 0xFFFF), u(2, 2), u(2, 1)]},
    "other marble type": {"client_hello.marble_type": "zähler".encode()},
    "other instance": {"client_hello.instance": fixed("instance other", 16)},
    "other server nonce": {"server_hello.nonce": fixed("server nonce other", 32)},
    "server accepts one kind": {"server_hello.kinds": [u(2, 2)]},
}
ACTIVATE = {
    "no instance proposed": {"client_hello.instance": b""},
    "renew without a new key": {"client_hello.purpose": u(1, 2), "server_hello.purpose": u(1, 2)},
    "renew with a new key": {"client_hello.purpose": u(1, 2), "server_hello.purpose": u(1, 2),
                             "new_spki": SPKI["new"]},
}
RENEW = {
    "other new key": {"new_spki": SPKI["new other"]},
    "new key ed25519": {"new_spki": SPKI["new ed25519"]},
    "no new key": {"new_spki": b""},
    "old key ed25519, new key p256": {"client_leaf_spki": SPKI["client leaf ed25519"]},
    "activate": {"client_hello.purpose": u(1, 1), "server_hello.purpose": u(1, 1), "new_spki": b""},
}
RENEW_SKIPS = ("client leaf ed25519",)  # stands in RENEW under a fuller name


def put(inputs: dict, path: str, value) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        inputs = inputs[parent]
    assert inputs[last] != value, f"{path} is not changed"
    inputs[last] = value


def changed(base: str, base_inputs: dict, name: str, changes: dict) -> dict:
    inputs = copy.deepcopy(base_inputs)
    for path, value in changes.items():
        put(inputs, path, copy.deepcopy(value))
    paths = sorted(changes)
    if base == "statement" and "body" not in changes:
        put(inputs, "body", statement_body(inputs))
        paths = sorted([*paths, "body"])
    return {"name": f"{base}: {name}", "flow": "statement" if base == "statement" else "join", "base": base,
            "changed": paths, "inputs": inputs}


def cases() -> list[dict]:
    """All cases without their outputs."""
    activate, renew, state = join(1, b""), join(2, SPKI["new"]), statement()
    out = [{"name": "activate", "flow": "join", "inputs": activate}]
    for name, changes in (SHARED | JOIN | ACTIVATE).items():
        out.append(changed("activate", activate, name, changes))
    out.append({"name": "renew", "flow": "join", "inputs": renew})
    for name, changes in (SHARED | JOIN | RENEW).items():
        if name not in RENEW_SKIPS:
            out.append(changed("renew", renew, name, changes))
    out.append({"name": "statement", "flow": "statement", "inputs": state})
    own = {"other nonce": {"nonce": fixed("statement nonce other", 32)},
           "one marble more in the body": {"body": statement_body(state, live=2)}}
    for name, changes in (SHARED | own).items():
        out.append(changed("statement", state, name, changes))
    return out
