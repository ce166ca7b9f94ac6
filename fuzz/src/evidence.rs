//! Quotes, reports and collateral, up to the end of the verification.
//!
//! Signatures would stop a changed input at the first check, so here every signature is good: what comes behind the checks
//! must be sound for whoever holds a vendor's key, too. Accepting is no finding here; attestation/tests/mutations.rs has that.

use std::sync::LazyLock;

use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use stoa_attestation::policy::{TcbPolicy, appraise};
use stoa_attestation::{Anchor, Collateral, Evidence, Expected, Invalid, Kind, NoMemo, Trust};

use crate::seeds;

/// Bytes of the length before the quote in an input of [`verify`].
pub(crate) const LENGTH_BYTES: usize = 4;

/// Accepts every signature: what the holder of all keys could send.
#[derive(Debug)]
struct AnySignature {
    public_key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
}

/// The three that evidence is signed with.
static ANY: [AnySignature; 3] = [
    AnySignature {
        public_key: alg_id::ECDSA_P256,
        signature: alg_id::ECDSA_SHA256,
    },
    AnySignature {
        public_key: alg_id::ECDSA_P384,
        signature: alg_id::ECDSA_SHA384,
    },
    AnySignature {
        public_key: alg_id::RSA_ENCRYPTION,
        signature: alg_id::RSA_PSS_SHA384,
    },
];

static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[&ANY[0], &ANY[1], &ANY[2]];

impl SignatureVerificationAlgorithm for AnySignature {
    fn verify_signature(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.public_key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// Every kind, and what tells a kind from the bytes.
pub(crate) fn parse(bytes: &[u8]) {
    for kind in [Kind::SgxDcap, Kind::TdxDcap, Kind::Snp, Kind::Tpm] {
        if let Ok(evidence) = Evidence::parse(kind, bytes) {
            let _ = evidence.unverified_platform();
            let _ = evidence.unverified_chip();
            let _ = format!("{:?}", evidence.unverified_body());
        }
    }
    let _ = Evidence::detect(bytes);
    let _ = Evidence::parse_openenclave(bytes);
}

/// `quote length (u32, big endian) | quote | collateral`.
pub(crate) fn verify(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return;
    };
    let Ok(length) = usize::try_from(u32::from_be_bytes(*length)) else {
        return;
    };
    if let Some((quote, collateral)) = rest.split_at_checked(length) {
        judge(quote, collateral);
    }
}

/// The collateral alone.
pub(crate) fn collateral(bytes: &[u8]) {
    let _ = Collateral::parse(bytes).and_then(|parsed| parsed.verify(&trust()));
}

/// The whole way: parse, verify, appraise. Whether it was gone to the end.
pub(crate) fn judge(quote: &[u8], collateral: &[u8]) -> bool {
    judged(quote, collateral).is_ok()
}

fn judged(quote: &[u8], collateral: &[u8]) -> Result<(), Invalid> {
    let evidence = Evidence::detect(quote)?;
    let collateral = Collateral::parse(collateral)?.verify(&trust())?;
    let expected = Expected::bound(*evidence.unverified_body().report_data())?;
    // The vectors are of several years: each is judged when its collateral begins to hold.
    let now = collateral.valid_from();
    let claims = evidence.verify(&expected, &trust(), &collateral, now)?;
    let _ = appraise(&claims, &[], &TcbPolicy::default(), now);
    Ok(())
}

fn trust() -> Trust<'static> {
    static ANCHORS: LazyLock<Vec<Anchor>> = LazyLock::new(seeds::anchors);
    Trust {
        anchors: &ANCHORS,
        algorithms: ALGORITHMS,
        seen: &NoMemo,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Else the checks behind the signatures would never be reached, and nothing would say so.
    #[test]
    fn genuine_evidence_goes_to_the_end_and_so_does_much_that_is_signed_by_nobody() {
        let vectors = seeds::vectors();
        let ended: Vec<&str> = vectors
            .iter()
            .filter(|vector| judge(&vector.quote, &vector.collateral))
            .map(|vector| vector.name.as_str())
            .collect();
        assert!(
            ended.len() >= 40,
            "{} of {}: {ended:?}",
            ended.len(),
            vectors.len()
        );
        assert!(
            ended.iter().any(
                |name| name.contains("quote-signature") || name.contains("report-data-flipped")
            ),
            "{ended:?}"
        );
    }
}
