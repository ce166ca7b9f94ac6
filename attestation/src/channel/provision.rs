//! The chain in frame 7 against the coordinator that was verified in frame 3.
//!
//! Source: docs/protocol/attest-1.md, section 3 ("7's chain agrees with frame 3's state bytes"); RFC 5280, 4.1 and 6.1.
//! The chain has one shape (leaf, issuing CA, root), so there is no path building.

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::check::key_unknown;
use super::error::ChannelError;
use super::keys::{NotVerified, PublicKey, key_id};
use super::leaf::{LEAF_RECEIPT_OID, LeafReceipt};
use super::limits::CLOCK_DIFFERENCE_SECS_MAX;
use super::state::StateBytes;
use crate::signatures::Algorithm;
use crate::x509::signature_algorithm;

/// What the chain of this session must say.
pub(super) struct WantedChain<'a> {
    /// The verified coordinator's, in state 3.
    pub(super) state: &'a StateBytes,
    /// SPKI of the key that this session proved.
    pub(super) certified: &'a [u8],
    pub(super) marble_type: &'a str,
    /// `None` if the coordinator was to choose.
    pub(super) instance: Option<&'a [u8; 16]>,
}

/// Judges leaf and issuing CA (`chain`) against the session, under the root of `trust` that the state bytes name.
pub(super) fn check_chain(
    wanted: &WantedChain<'_>,
    chain: &[Vec<u8>],
    trust: &[Vec<u8>],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    now: UnixTime,
) -> Result<LeafReceipt, ChannelError> {
    let [leaf, issuing] = chain else {
        return Err(not_valid(
            "its chain's length",
            chain.len(),
            "2 (leaf and issuing CA)",
        ));
    };
    let (leaf, issuing) = (parse("the leaf", leaf)?, parse("the issuing CA", issuing)?);
    check_key("its key, K,", &leaf, Some(key_id(wanted.certified)))?;
    check_key("the issuing CA's key, K,", &issuing, wanted.state.issuing())?;
    let root = find_root(trust, wanted.state)?;

    check_issued("the leaf", &leaf, &issuing, algorithms)?;
    check_issued("the issuing CA", &issuing, &root, algorithms)?;
    check_ca("the leaf's basic constraints", &leaf, false)?;
    check_ca("the issuing CA's basic constraints", &issuing, true)?;
    check_dates(&leaf, now)?;
    check_dates(&issuing, now)?;
    let receipt = LeafReceipt::from_certificate(&leaf)?
        .ok_or_else(|| not_valid("its receipt", "not there", LEAF_RECEIPT_OID))?;
    receipt.check_names(wanted.marble_type, wanted.instance)?;
    Ok(receipt)
}

fn parse<'a>(what: &'static str, der: &'a [u8]) -> Result<X509Certificate<'a>, ChannelError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok((rest, _)) => Err(not_valid(
            what,
            format!("followed by {} bytes", rest.len()),
            "one certificate in DER",
        )),
        Err(cause) => Err(not_valid(what, cause, "a certificate in DER")),
    }
}

fn find_root<'a>(
    trust: &'a [Vec<u8>],
    state: &StateBytes,
) -> Result<X509Certificate<'a>, ChannelError> {
    let mut found = Vec::new();
    for der in trust {
        let root = parse("a root of the trust bundle", der)?;
        let key = key_id(root.public_key().raw);
        if state.root() == Some(key) {
            return Ok(root);
        }
        found.push(hex::encode(key));
    }
    Err(not_valid(
        "the trust bundle, K of its roots,",
        format!("[{}]", found.join(", ")),
        shown(state.root()),
    ))
}

fn check_key(
    what: &'static str,
    certificate: &X509Certificate<'_>,
    wanted: Option<[u8; 32]>,
) -> Result<(), ChannelError> {
    let got = key_id(certificate.public_key().raw);
    if wanted == Some(got) {
        return Ok(());
    }
    Err(not_valid(what, hex::encode(got), shown(wanted)))
}

fn check_issued(
    what: &'static str,
    certificate: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Result<(), ChannelError> {
    if certificate.issuer().as_raw() != issuer.subject().as_raw() {
        return Err(not_valid(
            "an issuer's name",
            certificate.issuer(),
            issuer.subject(),
        ));
    }
    signature_algorithm(&certificate.signature_algorithm, Algorithm::EcdsaP256Sha256)
        .map_err(|cause| not_valid(what, cause, "a signature of the house"))?;
    let spki = issuer.public_key().raw;
    let key = match PublicKey::from_spki(spki) {
        Some(key @ PublicKey::P256(_)) => key,
        _ => return Err(key_unknown("an issuer's key", spki)),
    };
    let signature = &certificate.signature_value.data;
    key.verify(certificate.tbs_certificate.as_ref(), signature, algorithms)
        .map_err(|no| match no {
            NotVerified::NoAlgorithm { name } => ChannelError::AlgorithmMissing { name },
            NotVerified::Signature { .. } => not_valid(
                what,
                "signed by another key",
                format!("signed by {}", hex::encode(key_id(spki))),
            ),
        })
}

fn check_ca(
    what: &'static str,
    certificate: &X509Certificate<'_>,
    wanted: bool,
) -> Result<(), ChannelError> {
    if certificate.is_ca() == wanted {
        return Ok(());
    }
    let name = |is_ca| if is_ca { "CA" } else { "no CA" };
    Err(not_valid(what, name(!wanted), name(wanted)))
}

/// The coordinator's clock may be ahead of ours by as much as frame 3 allowed.
fn check_dates(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), ChannelError> {
    let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
    let (from, until) = (
        seconds(certificate.validity().not_before),
        seconds(certificate.validity().not_after),
    );
    let now = now.as_secs();
    if from <= now.saturating_add(CLOCK_DIFFERENCE_SECS_MAX) && now <= until {
        return Ok(());
    }
    let subject = certificate.subject();
    Err(not_valid(
        "a validity",
        format!("{from} to {until} (Unix seconds) of `{subject}`"),
        format!("around {now}"),
    ))
}

fn shown(key: Option<[u8; 32]>) -> String {
    key.map_or_else(|| "none".to_owned(), hex::encode)
}

fn not_valid(what: &'static str, got: impl ToString, wanted: impl ToString) -> ChannelError {
    ChannelError::LeafNotValid {
        what,
        got: got.to_string(),
        wanted: wanted.to_string(),
    }
}
