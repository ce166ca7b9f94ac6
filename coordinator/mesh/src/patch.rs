//! Putting right what rcgen writes in the place of something that it can't write, before it is signed.
//!
//! rcgen's object identifiers have 64-bit arcs and ours has 127 bits; its P-521 comes only with a crypto library. Each is
//! written as something of equal length that stands in for it, and replaced in the bytes to be signed and in the result.
//! Does not live here: what stands in for what (`ca`, `keys`).

use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};

/// Bytes that stand in, and the right ones, of equal length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patch {
    stand_in: Vec<u8>,
    right: Vec<u8>,
}

impl Patch {
    /// A patch; it never applies if the lengths differ.
    pub(crate) fn new(stand_in: Vec<u8>, right: Vec<u8>) -> Self {
        Self { stand_in, right }
    }

    /// The bytes with the right ones in the place of the stand-in; nothing if it is not there exactly once.
    pub(crate) fn applied(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let windows = bytes.windows(self.stand_in.len()).enumerate();
        let mut places = windows.filter(|(_, window)| *window == self.stand_in);
        let (place, _) = places.next()?;
        if places.next().is_some() || self.stand_in.len() != self.right.len() {
            return None;
        }
        let end = place + self.right.len();
        Some([&bytes[..place], &self.right, &bytes[end..]].concat())
    }
}

/// The bytes with all patches; nothing if one does not apply.
pub(crate) fn all(patches: &[Patch], bytes: &[u8]) -> Option<Vec<u8>> {
    let whole = Some(bytes.to_vec());
    patches
        .iter()
        .fold(whole, |bytes, patch| patch.applied(&bytes?))
}

/// Signs what rcgen wrote after putting it right: the signature must cover the certificate as it will be.
pub(crate) struct PatchingSigner<'a> {
    pub(crate) signer: Box<dyn SigningKey + 'a>,
    pub(crate) patches: &'a [Patch],
}

impl PublicKeyData for PatchingSigner<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.signer.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.signer.algorithm()
    }
}

impl SigningKey for PatchingSigner<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        // The certificate would be refused afterwards all the same; nothing is signed for it.
        let right = all(self.patches, message).ok_or(rcgen::Error::RemoteKeyError)?;
        self.signer.sign(&right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_applies_to_exactly_one_place() {
        let patch = Patch::new(b"ab".to_vec(), b"xy".to_vec());
        assert_eq!(patch.applied(b"-ab-"), Some(b"-xy-".to_vec()));
        for none in [&b"-"[..], b"", b"abab", b"ab--ab"] {
            assert_eq!(patch.applied(none), None);
        }
        assert_eq!(
            Patch::new(b"ab".to_vec(), b"x".to_vec()).applied(b"ab"),
            None
        );
        assert_eq!(all(&[], b"ab"), Some(b"ab".to_vec()));
    }
}
