"""Makes and checks the test vectors of stoa-attest/1 (docs/protocol/attest-1.md, section 9).

    python3 make_vectors.py            writes vectors.json
    python3 make_vectors.py --check    computes every output of vectors.json again from its inputs, verifies the
                                       signatures, and checks the shape, the changed paths and their coverage

Needs Python 3.11 and the package `cryptography` (signatures and certificates only).
"""

import json
import pathlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import attest1
import cases
import decode_cases

FILE = pathlib.Path(__file__).with_name("vectors.json")
FORMAT = "stoa-attest-vectors/1"
# Section 9: each input is changed at least once, but for these.
NEVER_CHANGED = {f"{side}.{name}" for side in ("client_hello", "server_hello") for name in ("version", "role")}
NEVER_CHANGED |= {"server_hello.marble_type", "server_hello.instance"}
UNCOMPARED = ("signature", "possession")


def sign(spki: bytes, message: bytes) -> bytes:
    key = cases.PRIVATE[spki]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return key.sign(message)


def verified(spki: bytes, message: bytes, signature: bytes) -> bool:
    key = serialization.load_der_public_key(spki)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def outputs(case: dict, signature, possession) -> dict:
    if case["flow"] == "join":
        return attest1.join_outputs(case["inputs"], signature, possession)
    if case["flow"] == "statement":
        return attest1.statement_outputs(case["inputs"], signature)
    return attest1.decode_outputs(case["inputs"])


def to_hex(value):
    """Bytes to hex, through lists and objects."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [to_hex(item) for item in value]
    return {name: to_hex(item) for name, item in value.items()}


def from_hex(value):
    if isinstance(value, str):
        data = bytes.fromhex(value)
        assert data.hex() == value, f"not lowercase hex: {value[:40]}"
        return data
    if isinstance(value, list):
        return [from_hex(item) for item in value]
    return {name: from_hex(item) for name, item in value.items()}


def all_cases() -> list[dict]:
    out = []
    for case in cases.cases():
        inputs = case["inputs"]
        case["outputs"] = outputs(case, lambda message: sign(inputs["session_spki"], message),
                                  lambda message: sign(inputs["new_spki"], message))
        out.append(case)
    for case, meant in decode_cases.cases():
        case["outputs"] = outputs(case, None, None)
        assert case["outputs"]["accept"] == meant, f"{case['name']} is meant to be {meant.hex()}"
        out.append(case)
    return out


def write() -> None:
    made = [{name: to_hex(value) if name in ("inputs", "outputs") else value for name, value in case.items()}
            for case in all_cases()]
    FILE.write_text(json.dumps({"format": FORMAT, "cases": made}, indent=1) + "\n", encoding="ascii")
    print(f"{FILE.name}: {len(made)} cases")


# --- The check -------------------------------------------------------------------------------------------------------

def paths(inputs: dict, prefix: str = "") -> dict:
    """Every dotted input path with its value; a list is one path."""
    out = {}
    for name, value in inputs.items():
        if isinstance(value, dict):
            out |= paths(value, prefix + name + ".")
        else:
            out[prefix + name] = value
    return out


def faults_of(case: dict, bases: dict) -> list[str]:
    """What is wrong with one case of the file."""
    found = []
    members = {"name", "flow", "inputs", "outputs"} | ({"base", "changed"} if "base" in case else set())
    if set(case) != members:
        found.append(f"members {sorted(case)}, wanted {sorted(members)}")
    inputs, stated = from_hex(case["inputs"]), from_hex(case["outputs"])
    again = outputs(case | {"inputs": inputs}, lambda _: stated["signature"], lambda _: stated["possession"])
    if set(again) != set(stated):
        found.append(f"outputs {sorted(stated)}, wanted {sorted(again)}")
    found += [f"output {name} differs" for name in again if again[name] != stated.get(name)]

    if case["flow"] != "decode":
        if not verified(inputs["session_spki"], again["session_sig_input"], stated["signature"]):
            found.append("signature does not verify")
        if inputs.get("new_spki") and not verified(inputs["new_spki"], again["possession_input"], stated["possession"]):
            found.append("possession does not verify")
    if "base" in case:
        mine, its = paths(case["inputs"]), paths(bases[case["base"]]["inputs"])
        differ = sorted(path for path in mine if mine[path] != its.get(path))
        if set(mine) != set(its) or differ != sorted(case["changed"]):
            found.append(f"changed says {case['changed']}, what differs is {differ}")
    return [f"{case['name']}: {fault}" for fault in found]


def check() -> int:
    document = json.loads(FILE.read_text(encoding="ascii"))
    listed = document["cases"]
    found = [] if document["format"] == FORMAT and set(document) == {"format", "cases"} else ["format"]
    names = [case["name"] for case in listed]
    if len(set(names)) != len(names):
        found.append("a name stands twice")
    bases = {case["name"]: case for case in listed if "base" not in case and case["flow"] != "decode"}
    if set(bases) != {"activate", "renew", "statement"}:
        found.append(f"base cases are {sorted(bases)}")
    for case in listed:
        found += faults_of(case, bases)
    for name, base in bases.items():
        covered = {path for case in listed if case.get("base") == name for path in case["changed"]}
        never = set(paths(base["inputs"])) - covered - NEVER_CHANGED
        found += [f"{name}: no case changes {path}" for path in sorted(never)]
    made = {case["name"]: to_hex(case["inputs"]) for case in all_cases()}
    found += [f"{case['name']}: inputs are not those that the script makes" for case in listed
              if made.get(case["name"]) != case["inputs"]]
    found += [f"{name}: missing" for name in made if name not in names]
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{FILE.name}: {len(listed)} cases, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(check())
    if sys.argv[1:]:
        sys.exit(__doc__)
    write()
