#!/usr/bin/env python3
"""Judges a saved bundle (docs/protocol/bundle.md) without any of Stoa's code.

    audit.py BUNDLE --reference coordinator.json --anchor ROOT.pem [--manifest FILE] [--at UNIX] [--seen ROOT:SEQ:HEAD]

Prints one line of JSON: {"verdict": "verified" | "not verified" | "facts only", "failed": [check, ..]}; exits 0 only if
verified. Written from the pages docs/protocol/bundle.md, attest-1.md and dcap.md. Needs the package `cryptography`.
Judges SGX evidence (kind 1, quote version 3); any other kind fails the check `hardware`.
"""

import argparse
import base64
import binascii
import datetime
import hashlib
import json
import re
import struct
import sys

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

STALE_S = 300
PEM = re.compile(b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)
CRL_NUMBER = x509.oid.ExtensionOID.CRL_NUMBER
SGX_OID = "1.2.840.113741.1.13.1"
CHECKS = ("hardware", "code", "switches", "session key", "signature", "nonce", "time", "state", "connection", "root CA", "manifest",
          "history", "marbles", "memory")


class Fault(Exception):
    pass


def need(holds, cause):
    if not holds:
        raise Fault(cause)


# --- bytes -----------------------------------------------------------------------------------------------------------

def unbase64(text, urlsafe=False):
    """Canonical base64: padded (RFC 4648, 4), or base64url without padding."""
    need(isinstance(text, str), "base64 must be a string")
    try:
        if urlsafe:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            again = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        else:
            raw = base64.b64decode(text, validate=True)
            again = base64.b64encode(raw).decode()
    except (binascii.Error, ValueError) as error:
        raise Fault(f"no base64: {error}") from error
    need(again == text, "base64 is not canonical")
    return raw


def lp(*fields):
    return b"".join(struct.pack(">I", len(field)) + field for field in fields)


def un_lp(data):
    fields, at = [], 0
    while at < len(data):
        need(at + 4 <= len(data), "LP is cut off")
        (length,) = struct.unpack_from(">I", data, at)
        at += 4
        need(at + length <= len(data), "LP is cut off")
        fields.append(data[at:at + length])
        at += length
    return fields


def no_twins(pairs):
    keys = [key for key, _ in pairs]
    need(len(set(keys)) == len(keys), "a member stands twice")
    return dict(pairs)


def read_json(data):
    try:
        return json.loads(data, object_pairs_hook=no_twins)
    except (ValueError, UnicodeDecodeError) as error:
        raise Fault(f"no JSON: {error}") from error


def h(data):
    return hashlib.sha384(data).digest()


def key_id(spki):
    return hashlib.sha256(spki).digest()


def spki_of(certificate):
    return certificate.public_key().public_bytes(serialization.Encoding.DER,
                                                 serialization.PublicFormat.SubjectPublicKeyInfo)


def ecdsa(public_key, signature, message):
    try:
        public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        return True
    except (InvalidSignature, ValueError):
        return False


def raw_ecdsa(public_key, signature, message):
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    return ecdsa(public_key, utils.encode_dss_signature(r, s), message)


def p256(xy):
    return ec.EllipticCurvePublicNumbers(int.from_bytes(xy[:32], "big"), int.from_bytes(xy[32:], "big"),
                                         ec.SECP256R1()).public_key()


def seconds(moment):
    return int(moment.replace(tzinfo=datetime.timezone.utc).timestamp())


def window(certificate):
    begins = getattr(certificate, "not_valid_before_utc", None) or certificate.not_valid_before
    ends = getattr(certificate, "not_valid_after_utc", None) or certificate.not_valid_after
    return seconds(begins), seconds(ends)


def crl_window(crl):
    begins = getattr(crl, "last_update_utc", None) or crl.last_update
    ends = getattr(crl, "next_update_utc", None) or crl.next_update
    need(ends is not None, "a CRL has no nextUpdate")
    return seconds(begins), seconds(ends)


def utc(text):
    need(isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text), f"no date: {text}")
    return seconds(datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


# --- certificates ----------------------------------------------------------------------------------------------------

def parse(der):
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise Fault(f"no certificate: {error}") from error
    need(certificate.public_bytes(serialization.Encoding.DER) == der, "a certificate has bytes around it")
    return certificate


def pems(text):
    found = PEM.findall(text)
    rest = PEM.sub(b"", text)
    need(not rest.strip(b"\r\n\0"), "text around certificates")
    return [x509.load_pem_x509_certificate(one) for one in found]


def is_ca(certificate):
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def issued_by(certificate, issuer):
    need(certificate.issuer == issuer.subject, f"{certificate.subject} names another issuer")
    need(ecdsa(issuer.public_key(), certificate.signature, certificate.tbs_certificate_bytes),
         f"{certificate.subject} is not signed by {issuer.subject}")


def common_name(certificate):
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return names[0].value if names else ""


def same_key(one, other):
    return one.subject == other.subject and spki_of(one) == spki_of(other)


# --- evidence --------------------------------------------------------------------------------------------------------

def read_quote(quote):
    need(len(quote) >= 436, "a quote is too short")
    version, key_type, tee = struct.unpack_from("<HHI", quote, 0)
    need((version, key_type, tee) == (3, 2, 0), "not an SGX quote of version 3")
    need(quote[12:28].hex() == "939a7233f79c4ca9940a0db3957f0607", "not Intel's quoting enclave")
    body = quote[48:432]
    (length,) = struct.unpack_from("<I", quote, 432)
    signature_data, behind = quote[436:436 + length], quote[436 + length:]
    need(len(signature_data) == length and not behind.strip(b"\0"), "lengths of the quote")
    (auth_length,) = struct.unpack_from("<H", signature_data, 576)
    auth = signature_data[578:578 + auth_length]
    kind, chain_length = struct.unpack_from("<HI", signature_data, 578 + auth_length)
    chain = signature_data[584 + auth_length:]
    need(len(auth) == auth_length and kind == 5 and len(chain) == chain_length, "certification data")
    return {
        "signed": quote[:432], "body": body, "signature": signature_data[:64], "key": signature_data[64:128],
        "qe_report": signature_data[128:512], "qe_signature": signature_data[512:576], "auth": auth,
        "chain": pems(chain),
    }


def der_items(data):
    """The elements of a DER value's contents: (tag, contents)."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at:at + count], "big")
            at += count
        yield tag, data[at:at + length]
        at += length


def pck_facts(certificate):
    """FMSPC, PCE id, the 16 components and PCESVN of the PCK certificate's SGX extension."""
    value = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(SGX_OID)).value.value
    facts = {}
    (_, sequence), = der_items(value)
    for _, pair in der_items(sequence):
        (_, oid), (_, content) = list(der_items(pair))
        facts[oid[-1]] = content
    tcb = {}
    for _, pair in der_items(facts[2]):
        (_, oid), (_, content) = list(der_items(pair))
        tcb[oid[-1]] = content
    components = [int.from_bytes(tcb[number], "big") for number in range(1, 17)]
    return {"ppid": facts[1], "fmspc": facts[4], "pceid": facts[3], "piid": facts.get(6), "components": components,
            "pce_svn": int.from_bytes(tcb[17], "big")}


def verify_collateral(collateral, anchor, now):
    """Signatures and revocations of docs/protocol/dcap.md, checks 2 to 6; returns what is needed of it."""
    text = {name: value for name, value in collateral.items() if isinstance(value, str)}
    for name in ("pck_crl_issuer_chain", "pck_crl", "root_ca_crl", "tcb_info_issuer_chain", "tcb_info",
                 "tcb_info_signature", "qe_identity_issuer_chain", "qe_identity", "qe_identity_signature"):
        need(name in text, f"the collateral has no {name}")
    ends = []

    def chain(name):
        certificates = pems(text[name].encode())
        need(len(certificates) == 2, f"{name} has {len(certificates)} certificates")
        leaf, root = certificates
        need(same_key(root, anchor), f"{name} does not lead to the anchor")
        issued_by(root, anchor)
        issued_by(leaf, anchor)
        ends.append(window(leaf))
        return leaf

    def crl(name, issuer):
        found = x509.load_der_x509_crl(bytes.fromhex(text[name]))
        need(found.issuer == issuer.subject, f"{name} is of another issuer")
        need(ecdsa(issuer.public_key(), found.signature, found.tbs_certlist_bytes), f"{name} is not signed by its CA")
        found.extensions.get_extension_for_oid(CRL_NUMBER)
        ends.append(crl_window(found))
        return found

    def signed(name, signer):
        message = text[name].encode()
        need(raw_ecdsa(signer.public_key(), bytes.fromhex(text[f"{name}_signature"]), message), f"{name} is not signed")
        content = read_json(message)
        ends.append((utc(content["issueDate"]), utc(content["nextUpdate"])))
        return content

    tcb_signer, qe_signer = chain("tcb_info_issuer_chain"), chain("qe_identity_issuer_chain")
    for signer in (tcb_signer, qe_signer):
        need("SGX TCB Signing" in common_name(signer) and not is_ca(signer), "the signer of TCB info is another one")
    pck_ca = chain("pck_crl_issuer_chain")
    need(is_ca(pck_ca), "the PCK CA is no CA")
    root_crl, pck_crl = crl("root_ca_crl", anchor), crl("pck_crl", pck_ca)
    for certificate in (anchor, tcb_signer, qe_signer, pck_ca):
        need(root_crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is None, "revoked by the root")
    tcb_info, qe_identity = signed("tcb_info", tcb_signer), signed("qe_identity", qe_signer)
    need(tcb_info["version"] == 3 and tcb_info["id"] == "SGX", "TCB info of another kind or version")
    need(qe_identity["version"] == 2 and qe_identity["id"] == "QE", "QE identity of another kind or version")
    need(all(begins <= now for begins, _ in ends), "collateral from the future")
    need(all(now <= until for _, until in ends), "collateral ended")
    return tcb_info, qe_identity, pck_ca, root_crl, pck_crl


def sgx_components(level):
    return [component["svn"] for component in level["tcb"]["sgxtcbcomponents"]]


def verify_evidence(quote, collateral, anchor, now):
    """Genuine or a Fault. Returns body and TCB status; the report data is compared by the caller."""
    need(same_key(anchor, anchor) and window(anchor)[0] <= now <= window(anchor)[1], "the anchor ended")
    tcb_info, qe_identity, pck_ca, root_crl, pck_crl = verify_collateral(collateral, anchor, now)
    need(len(quote["chain"]) == 3, "the chain in the quote is not of three certificates")
    pck, ca, root = quote["chain"]
    need(same_key(root, anchor) and same_key(ca, pck_ca), "the chain in the quote is another one")
    issued_by(root, anchor)
    issued_by(ca, anchor)
    issued_by(pck, ca)
    need("SGX PCK Certificate" in common_name(pck) and not is_ca(pck) and is_ca(ca), "a certificate in another's place")
    need(root_crl.get_revoked_certificate_by_serial_number(ca.serial_number) is None, "the PCK CA is revoked")
    need(pck_crl.get_revoked_certificate_by_serial_number(pck.serial_number) is None, "the platform is revoked")
    for certificate in (pck, ca):
        begins, ends = window(certificate)
        need(begins <= now <= ends, "the platform's certificate ended")

    qe = quote["qe_report"]
    need(raw_ecdsa(pck.public_key(), quote["qe_signature"], qe), "the QE report is not signed by the PCK")
    bound = hashlib.sha256(quote["key"] + quote["auth"]).digest()
    need(qe[320:384] == bound + bytes(32), "the QE report is about another key")
    need(raw_ecdsa(p256(quote["key"]), quote["signature"], quote["signed"]), "the quote is not signed")

    facts = pck_facts(pck)
    need(facts["fmspc"].hex() == tcb_info["fmspc"].lower(), "TCB info for another FMSPC")
    need(facts["pceid"].hex() == tcb_info["pceId"].lower(), "TCB info for another PCE")
    mask = bytes.fromhex(qe_identity["attributesMask"])
    attributes = bytes(a & m for a, m in zip(qe[48:64], mask))
    need(attributes == bytes.fromhex(qe_identity["attributes"]), "the QE has other attributes")
    need(qe[128:160] == bytes.fromhex(qe_identity["mrsigner"]), "the QE has another signer")
    product, svn = struct.unpack_from("<HH", qe, 256)
    need(product == qe_identity["isvprodid"], "the QE is another product")
    qe_level = next((level for level in qe_identity["tcbLevels"] if svn >= level["tcb"]["isvsvn"]), None)
    need(qe_level is not None, "the QE is older than any level")

    levels = sorted(tcb_info["tcbLevels"], key=lambda level: (sgx_components(level), level["tcb"]["pcesvn"]), reverse=True)
    level = next((level for level in levels if facts["pce_svn"] >= level["tcb"]["pcesvn"]
                  and all(have >= want for have, want in zip(facts["components"], sgx_components(level)))), None)
    need(level is not None, "the platform is older than any level")
    status = level["tcbStatus"]
    if qe_level["tcbStatus"] != "UpToDate":
        status = {"UpToDate": "OutOfDate", "SWHardeningNeeded": "OutOfDate"}.get(status, status)
        status = status.replace("ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded")
        status = "OutOfDateConfigurationNeeded" if status == "ConfigurationNeeded" else status
    need("Revoked" not in (level["tcbStatus"], qe_level["tcbStatus"]), "revoked TCB")
    return quote["body"], status, facts


def check_code(body, reference):
    debug = bool(body[48] & 2)
    need(debug == bool(reference.get("debug")), "DEBUG differs")
    mrenclave, mrsigner = body[64:96].hex(), body[128:160].hex()
    product, svn = struct.unpack_from("<HH", body, 256)
    for identity in reference["identities"]:
        if identity["tee"] != "sgx":
            continue
        if identity.get("unique_id"):
            fits = identity["unique_id"].lower() == mrenclave
        else:
            fits = (identity["signer_id"].lower() == mrsigner and identity["product_id"] == product
                    and identity["security_version"] <= svn)
        if fits:
            return
    raise Fault("the measurement is none of the reference's")


# --- state, chain, history -------------------------------------------------------------------------------------------

def read_state(data):
    fields = un_lp(data)
    need(len(fields) == 13 and fields[0] == b"stoa/state/1", "state bytes")
    number = {"state": 1, "sequence": 8, "time": 8}
    names = ("state", "sequence", "head", "manifest", "transition", "root", "issuing", "leaf", "owner", "digest",
             "witness", "time")
    state = dict(zip(names, fields[1:]))
    for name, width in number.items():
        need(len(state[name]) == width, f"{name} in the state bytes")
        state[name] = int.from_bytes(state[name], "big")
    return state


def check_chain(chain, state, now):
    wanted = sum(bool(state[name]) for name in ("root", "issuing"))
    need(len(chain) == wanted, f"{len(chain)} certificates, wanted {wanted}")
    if not state["root"]:
        return
    root = parse(chain[-1])
    for certificate, name in ((root, "root"), (parse(chain[0]), "issuing")):
        if name == "issuing" and not state["issuing"]:
            continue
        need(key_id(spki_of(certificate)) == state[name], f"the {name} CA has another key")
        need(is_ca(certificate), f"the {name} CA is no CA")
        need(ecdsa(root.public_key(), certificate.signature, certificate.tbs_certificate_bytes),
             f"the {name} CA is not signed by the root")
        begins, ends = window(certificate)
        need(begins <= now <= ends, f"the {name} CA ended")


def check_history(history, state):
    head, before = b"", 0
    for number, entry in enumerate(history, 1):
        need(entry["epoch"] == number, "epochs do not run from 1")
        need(entry["time"] >= before, "time runs back")
        before = entry["time"]
        head = hashlib.sha256(lp(b"stoa/transition/1", head or bytes(32), bytes.fromhex(entry["manifest_sha256"]),
                                 struct.pack(">Q", number), struct.pack(">Q", entry["time"]))).digest()
    need(head == state["transition"], "the history ends elsewhere")
    last = bytes.fromhex(history[-1]["manifest_sha256"]) if history else b""
    need(last == state["manifest"], "the history ends in another manifest")


def check_marbles(counts, manifest):
    marbles = {}
    if manifest:
        top = {name.lower(): value for name, value in read_json(manifest).items()}
        for name, marble in (top.get("marbles") or {}).items():
            lower = {key.lower(): value for key, value in (marble or {}).items()}
            marbles[name] = lower.get("maxactivations") or None
    seen = set()
    for count in counts:
        name = count["type"]
        need(name in marbles and name not in seen, f"`{name}` is no marble of the manifest, or twice")
        seen.add(name)
        need(count["budget"] == marbles[name], f"`{name}` has another budget")
        need(marbles[name] is None or count["live"] <= marbles[name], f"too many of `{name}`")


def insecure_digest(anchor):
    der = anchor.public_bytes(serialization.Encoding.DER)
    return h(lp(b"stoa/security/1", b"insecure-trust-root=" + hashlib.sha256(der).hexdigest().encode()))


# --- the verdict -----------------------------------------------------------------------------------------------------

def audit(bundle, reference, anchor, manifest, now, seen):
    failed = []
    stored = read_json(bundle)
    need(stored.get("format") == 1, "a bundle of another format")
    nonce = unbase64(stored["nonce"], urlsafe=True)
    need(len(nonce) == 32, "a nonce has 32 bytes")
    body_bytes, signature = unbase64(stored["statement"]["body"]), unbase64(stored["statement"]["signature"])
    body = read_json(body_bytes)
    state_bytes = unbase64(body["state"])
    state = read_state(state_bytes)
    session_spki = unbase64(body["session_key"])
    stated_manifest = unbase64(body["manifest"])
    quoted_at = body["quoted_at"]

    def check(name, judge):
        try:
            return judge()
        except (Fault, KeyError, ValueError, IndexError, TypeError, struct.error, x509.ExtensionNotFound) as error:
            failed.append(name)
            print(f"{name}: {error!r}", file=sys.stderr)
            return None

    # Report data: what the quote must be about.
    bound = h(lp(b"stoa/session/1", state["root"], state["digest"], struct.pack(">Q", quoted_at)))
    wanted = hashlib.sha512(lp(b"stoa/report/1", struct.pack(">H", body["kind"]), b"\2", b"\3", b"", b"", b"", b"", b"",
                               key_id(session_spki), b"", bound)).digest()

    def genuine():
        need(body["kind"] == 1, "only SGX evidence is judged here")
        quote = read_quote(unbase64(body["evidence"]))
        collateral = read_json(unbase64(body["collateral"]))
        return verify_evidence(quote, collateral, anchor, now)

    evidence = check("hardware", genuine)
    if evidence is not None:
        measured, status, facts = evidence
        if measured[320:384] != wanted:
            failed.append("session key")
            evidence = None
        else:
            def accepted():
                allowed = reference.get("accepted_tcb") or ["UpToDate", "SWHardeningNeeded"]
                need(status == "UpToDate" or status in allowed, f"TCB status {status}")
                listed = reference.get("platforms")
                ids = [facts["ppid"].hex(), facts["piid"].hex() if facts["piid"] else None]
                need(listed is None or any(one in [entry.lower() for entry in listed] for one in ids if one), "platform")
            check("hardware", accepted)
            check("code", lambda: check_code(measured, reference))
            default = h(lp(b"stoa/security/1"))
            named = reference.get("security_digest")
            digests = [bytes.fromhex(named)] if named else [default, insecure_digest(anchor)]
            check("switches", lambda: need(state["digest"] in digests, "another security digest"))

    def signed():
        message = lp(b"stoa/session-sig/1", b"\6", b"", b"", state["leaf"], b"", nonce, b"", h(state_bytes), h(body_bytes))
        key = serialization.load_der_public_key(session_spki)
        need(isinstance(key, ec.EllipticCurvePublicKey), "the session key is on no curve")
        need(ecdsa(key, signature, message), "not signed by the session key")

    check("signature", signed)
    check("nonce", lambda: need(unbase64(body["nonce"]) == nonce, "another nonce"))

    def clock():
        need(abs(quoted_at - now) <= STALE_S, "the session key is stale")
        need(abs(state["time"] - now) <= STALE_S, "the clocks differ")

    check("time", clock)
    check("state", lambda: need(body["time"] == state["time"], "another time"))
    check("root CA", lambda: check_chain([unbase64(one) for one in body["chain"]], state, now))

    def connection():
        leaf = unbase64(stored["tls_leaf"])
        if not leaf:
            return
        leaf = parse(leaf)
        need(key_id(spki_of(leaf)) == state["leaf"], "the saved TLS leaf has another key")
        if not state["root"] or "root CA" in failed:
            return
        need(not is_ca(leaf), "the saved TLS leaf is a CA")
        root = parse(unbase64(body["chain"][-1]))
        need(ecdsa(root.public_key(), leaf.signature, leaf.tbs_certificate_bytes), "the TLS leaf is not by the root")
        need(window(leaf)[0] <= now <= window(leaf)[1], "the TLS leaf ended")

    check("connection", connection)

    def in_force():
        digest = hashlib.sha256(stated_manifest).digest() if stated_manifest else b""
        need(digest == state["manifest"], "the manifest is not the signed one")
        need(manifest is None or manifest == stated_manifest, "another manifest is in force")

    check("manifest", in_force)
    check("history", lambda: check_history(body["history"], state))
    if "manifest" not in failed or manifest is not None:
        check("marbles", lambda: check_marbles(body["marbles"], stated_manifest))

    def remembered():
        if seen is None:
            return
        root, sequence, head = seen
        need(state["root"] == root, "another mesh")
        need(state["sequence"] >= sequence, "the history went back")
        need(state["sequence"] > sequence or state["head"] == head, "another history")

    check("memory", remembered)
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle")
    parser.add_argument("--reference", required=True)
    parser.add_argument("--anchor", required=True)
    parser.add_argument("--manifest")
    parser.add_argument("--at", type=int)
    parser.add_argument("--seen")
    options = parser.parse_args()

    def content(path):
        with open(path, "rb") as file:
            return file.read()

    anchor = x509.load_pem_x509_certificate(content(options.anchor))
    reference = read_json(content(options.reference))
    manifest = content(options.manifest) if options.manifest else None
    bundle = content(options.bundle)
    seen = None
    if options.seen:
        root, sequence, head = options.seen.split(":")
        seen = bytes.fromhex(root), int(sequence), bytes.fromhex(head)
    # A saved statement is judged at the time at which it was fetched: it proves that time, not today.
    try:
        at = options.at if options.at is not None else read_json(bundle)["fetched_at"]
        failed = audit(bundle, reference, anchor, manifest, at, seen)
    except (Fault, KeyError, TypeError) as error:
        print(json.dumps({"verdict": "not verified", "failed": ["bundle"], "cause": repr(error)}))
        return 1
    if failed:
        print(json.dumps({"verdict": "not verified", "failed": sorted(set(failed), key=CHECKS.index)}))
        return 1
    print(json.dumps({"verdict": "facts only" if manifest is None else "verified", "failed": []}))
    return 0 if manifest is not None else 1


if __name__ == "__main__":
    sys.exit(main())
