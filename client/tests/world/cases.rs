//! Statements that are broken in one place each, and what must fail.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

use sha2::{Digest, Sha256};
use stoa_attestation::channel::{Seen, Switches, Transition};
use stoa_attestation::{Anchor, ReferenceValue, SgxReference};
use stoa_synthetic::{Flip, Knobs, Platform, PlatformTcb, Tee};

use super::{DAY, Key, MANIFEST, NOW, World, at, count, history, params, self_signed, signed_by};

/// What is changed, how, and which checks must fail with which code.
pub type Case = (&'static str, fn(&mut World), &'static str);

pub const CASES: &[Case] = &[
    // hardware
    (
        "a byte of the quote's body changed",
        |w| w.flip_evidence = Some(120),
        "hardware: quote-signature-invalid",
    ),
    (
        "a byte of the attestation key changed",
        |w| {
            w.platform = w.platform.with_knobs(Knobs {
                flip: Some(Flip { byte: 500, mask: 1 }),
                ..Knobs::default()
            })
        },
        "hardware: qe-report-data-differs",
    ),
    (
        "no collateral",
        |w| w.collateral.clear(),
        "hardware: collateral-malformed",
    ),
    (
        "collateral of the other TEE",
        |w| w.collateral = w.platform.collateral_json(Tee::Tdx, at(NOW)),
        "hardware: collateral-tee-differs",
    ),
    (
        "collateral that ended",
        |w| w.collateral = w.platform.collateral_json(Tee::Sgx, at(NOW - 40 * DAY)),
        "hardware: collateral-expired",
    ),
    (
        "a platform that is out of date",
        |w| out_of_date(w),
        "hardware: tcb-not-accepted",
    ),
    (
        "a platform that is not listed",
        |w| w.reference.tcb.platforms = Some(vec!["00".repeat(16)]),
        "hardware: platform-not-listed",
    ),
    (
        "a platform below the minimum",
        |w| w.reference.tcb.minimum.pce_svn = Some(u16::MAX),
        "hardware: tcb-below-minimum",
    ),
    (
        "a family that is not listed",
        |w| w.reference.tcb.families = Some(vec![]),
        "hardware: family-not-listed",
    ),
    (
        "evidence under a root that the client does not trust",
        |w| w.anchors = vec![Anchor::intel()],
        "hardware: root-untrusted",
    ),
    (
        "evidence under another synthetic root",
        |w| w.anchors = vec![other_anchor()],
        "hardware: root-untrusted",
    ),
    // code
    (
        "another measurement",
        |w| w.identity.mrenclave[0] ^= 1,
        "code: measurement-differs",
    ),
    (
        "another signer",
        |w| by_signer(w, [0xbc; 32], 3, 5),
        "code: measurement-differs",
    ),
    (
        "another product",
        |w| by_signer(w, [0xbb; 32], 4, 5),
        "code: measurement-differs",
    ),
    (
        "a version that is too old",
        |w| by_signer(w, [0xbb; 32], 3, 6),
        "code: measurement-differs",
    ),
    (
        "a debug enclave",
        |w| w.identity.debug = true,
        "code: debug-not-accepted",
    ),
    (
        "a production enclave where debug is wanted",
        |w| w.reference.tcb.debug = true,
        "code: debug-not-accepted",
    ),
    (
        "a debug enclave and no reference",
        |w| {
            w.identity.debug = true;
            w.reference.identities.clear();
        },
        "code: debug-not-accepted",
    ),
    // switches
    (
        "one switch more",
        |w| w.state.security_digest = weakened(w),
        "switches: security-digest-differs",
    ),
    (
        "another insecure root among the switches",
        |w| w.state.security_digest = Switches::insecure_trust_root(&[1; 32]).digest(),
        "switches: security-digest-differs",
    ),
    (
        "another digest than the reference names",
        |w| w.reference.security_digest = Some([1; 48]),
        "switches: security-digest-differs",
    ),
    // session
    (
        "a quote over another session key",
        |w| w.quoted_session = Some(Key::new().spki()),
        "session key: binding-differs",
    ),
    (
        "a quote over another root",
        |w| w.quoted_root = Some([1; 32]),
        "session key: binding-differs",
    ),
    (
        "a quote over another security digest",
        |w| w.quoted_digest = Some(Switches::none().digest()),
        "session key: binding-differs",
    ),
    // signature and nonce
    (
        "signed by another key",
        |w| w.signs_instead = Some(Key::new()),
        "signature: binding-differs",
    ),
    (
        "signed for another nonce",
        |w| w.signed_nonce = Some([6; 32]),
        "signature: binding-differs",
    ),
    (
        "a body that was changed after it was signed",
        |w| w.tamper = Some(Box::new(|body| body.marbles[0].live = 0)),
        "signature: binding-differs",
    ),
    (
        "a body signed for another nonce",
        |w| {
            w.answered = [6; 32];
            w.signed_nonce = Some([5; 32]);
        },
        "nonce: nonce-differs",
    ),
    (
        "the answer to another request",
        |w| w.answered = [6; 32],
        "signature: binding-differs, nonce: nonce-differs",
    ),
    // time
    (
        "a quote that is 301 s old",
        |w| w.quoted_at = w.now - 301,
        "time: session-key-stale",
    ),
    (
        "a quote from the future",
        |w| w.quoted_at = w.now + 301,
        "time: session-key-stale",
    ),
    (
        "a coordinator whose clock is 301 s behind",
        |w| w.state.time = w.now - 301,
        "time: clock-differs",
    ),
    (
        "a coordinator whose clock is 301 s ahead",
        |w| w.state.time = w.now + 301,
        "time: clock-differs",
    ),
    // state
    (
        "a body that restates another time",
        |w| w.edit = Some(Box::new(|body| body.time += 1)),
        "state: statement-inconsistent",
    ),
    // connection
    (
        "a connection with another key",
        |w| other_leaf(w),
        "connection: binding-differs",
    ),
    (
        "a leaf of the right key that the root did not issue",
        |w| w.tls_leaf = self_signed(&params("coordinator", false, NOW - DAY, NOW + DAY), &w.leaf),
        "connection: mesh-certificate-differs",
    ),
    (
        "a leaf that the issuing CA issued",
        |w| {
            w.tls_leaf = signed_by(
                &params("coordinator", false, NOW - DAY, NOW + DAY),
                &w.leaf,
                &params("issuing", true, NOW, NOW),
                &w.issuing,
            )
        },
        "connection: mesh-certificate-differs",
    ),
    (
        "a leaf that ended",
        |w| w.tls_leaf = leaf_until(w, NOW),
        "connection: mesh-certificate-expired",
    ),
    (
        "a leaf that is a CA",
        |w| {
            w.tls_leaf = signed_by(
                &params("coordinator", true, NOW - DAY, NOW + DAY),
                &w.leaf,
                &params("root", true, NOW, NOW),
                &w.root,
            )
        },
        "connection: mesh-certificate-differs",
    ),
    // root CA
    (
        "a root of another key",
        |w| w.chain[1] = self_signed(&params("root", true, NOW - DAY, NOW + DAY), &Key::new()),
        "root CA: mesh-certificate-differs",
    ),
    (
        "a root that is no CA",
        |w| w.chain[1] = self_signed(&params("root", false, NOW - DAY, NOW + DAY), &w.root),
        "root CA: mesh-certificate-differs",
    ),
    (
        "a root that ended",
        |w| w.chain[1] = self_signed(&params("root", true, NOW - DAY, NOW), &w.root),
        "root CA: mesh-certificate-expired",
    ),
    (
        "a root that another key signed",
        |w| {
            w.chain[1] = signed_by(
                &params("root", true, NOW - DAY, NOW + DAY),
                &w.root,
                &params("root", true, NOW, NOW),
                &Key::new(),
            )
        },
        "root CA: mesh-certificate-differs",
    ),
    (
        "an issuing CA of another key",
        |w| w.chain[0] = issuing(&Key::new(), w),
        "root CA: mesh-certificate-differs",
    ),
    (
        "an issuing CA that another key signed",
        |w| {
            w.chain[0] = signed_by(
                &params("issuing", true, NOW - DAY, NOW + DAY),
                &w.issuing,
                &params("root", true, NOW, NOW),
                &Key::new(),
            )
        },
        "root CA: mesh-certificate-differs",
    ),
    (
        "no issuing CA",
        |w| {
            w.chain.remove(0);
        },
        "root CA: mesh-certificate-differs",
    ),
    (
        "a certificate behind another",
        |w| {
            let more = w.chain[1].clone();
            w.chain[0].extend(more);
        },
        "root CA: mesh-certificate-differs",
    ),
    // manifest
    (
        "another manifest than the one that was given",
        |w| w.wanted_manifest = Some([MANIFEST, b" "].concat()),
        "manifest: manifest-differs",
    ),
    (
        "a manifest that is not the signed one",
        |w| w.manifest.push(b' '),
        "manifest: statement-inconsistent",
    ),
    (
        "a manifest that is left out",
        |w| {
            w.edit = Some(Box::new(|body| {
                body.manifest.clear();
                body.marbles.clear();
            }))
        },
        "manifest: statement-inconsistent",
    ),
    (
        "nothing in force",
        |w| w.without_manifest(),
        "manifest: manifest-differs",
    ),
    (
        "recovery",
        |w| w.in_recovery(),
        "manifest: manifest-differs",
    ),
    // history
    (
        "a history without its first entry",
        |w| {
            w.history.remove(0);
        },
        "history: history-malformed",
    ),
    (
        "a history without its last entry",
        |w| {
            w.history.pop();
        },
        "history: history-differs",
    ),
    (
        "an empty history",
        |w| w.history.clear(),
        "history: history-differs",
    ),
    (
        "another manifest in the past",
        |w| w.history[0].manifest_sha256[0] ^= 1,
        "history: history-differs",
    ),
    (
        "another time in the past",
        |w| w.history[0].time += 1,
        "history: history-differs",
    ),
    (
        "a gap in the epochs",
        |w| w.history[1].epoch = 3,
        "history: history-malformed",
    ),
    (
        "a history that ends in another manifest",
        |w| w.rewrite_history(history(&[[1; 32], [2; 32]])),
        "history: history-differs",
    ),
    (
        "a history in which time runs back",
        |w| w.rewrite_history(backwards()),
        "history: history-differs",
    ),
    // marbles
    (
        "more marbles than the manifest allows",
        |w| w.marbles[0].live = 3,
        "marbles: marbles-differ",
    ),
    (
        "a marble that the manifest does not have",
        |w| w.marbles.push(count("spy", 1, None)),
        "marbles: marbles-differ",
    ),
    (
        "another budget than the manifest's",
        |w| w.marbles[0].budget = Some(9),
        "marbles: marbles-differ",
    ),
    // memory
    (
        "an earlier sequence than was seen",
        |w| w.seen = Some(seen(w, 42)),
        "memory: history-went-back",
    ),
    (
        "another head at the sequence that was seen",
        |w| {
            w.seen = Some(Seen {
                head: [1; 32],
                ..seen(w, 41)
            })
        },
        "memory: history-went-back",
    ),
    (
        "another mesh than was seen",
        |w| {
            w.seen = Some(Seen {
                root: [1; 32],
                ..seen(w, 1)
            })
        },
        "memory: mesh-differs",
    ),
    (
        "collateral of before what was seen",
        |w| {
            w.seen = Some(seen(w, 41));
            w.collateral_seen = w.floors_at(w.now + 3600);
        },
        "memory: collateral-went-back",
    ),
    (
        "recovery, where a mesh was seen",
        |w| {
            w.seen = Some(seen(w, 41));
            w.in_recovery();
            w.wanted_manifest = None;
        },
        "memory: mesh-differs",
    ),
];

pub fn out_of_date(world: &mut World) {
    world.platform = world.platform.with_knobs(Knobs {
        tcb: PlatformTcb::OutOfDate,
        ..Knobs::default()
    });
    world.collateral = world.platform.collateral_json(Tee::Sgx, at(NOW));
}

pub fn other_anchor() -> Anchor {
    Anchor::insecure_from_pem(Platform::seeded([8; 32], Knobs::default()).root_pem()).unwrap()
}

pub fn by_signer(world: &mut World, signer: [u8; 32], product: u16, version: u16) {
    world.reference.identities = vec![ReferenceValue::Sgx(SgxReference {
        unique_id: None,
        signer_id: Some(signer),
        product_id: Some(product),
        security_version: Some(version),
        ..SgxReference::default()
    })];
}

pub fn weakened(world: &World) -> [u8; 48] {
    let mut switches = Switches::insecure_trust_root(&world.anchors[1].sha256());
    switches.set("allow-everything", "1").unwrap();
    switches.digest()
}

pub fn other_leaf(world: &mut World) {
    let root = params("root", true, NOW, NOW);
    world.tls_leaf = signed_by(
        &params("coordinator", false, NOW - DAY, NOW + DAY),
        &Key::new(),
        &root,
        &world.root,
    );
}

pub fn leaf_until(world: &World, until: u64) -> Vec<u8> {
    let root = params("root", true, NOW, NOW);
    signed_by(
        &params("coordinator", false, NOW - DAY, until),
        &world.leaf,
        &root,
        &world.root,
    )
}

pub fn issuing(key: &Key, world: &World) -> Vec<u8> {
    let root = params("root", true, NOW, NOW);
    signed_by(
        &params("issuing", true, NOW - DAY, NOW + DAY),
        key,
        &root,
        &world.root,
    )
}

pub fn backwards() -> Vec<Transition> {
    let mut entries = history(&[[1; 32], Sha256::digest(MANIFEST).into()]);
    entries[1].time = entries[0].time - 1;
    entries
}

pub fn seen(world: &World, sequence: u64) -> Seen {
    Seen {
        root: world.root.id(),
        sequence,
        head: world.state.head,
    }
}
