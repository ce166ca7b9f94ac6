//! Names of what this mesh certifies: trust domain, SPIFFE ID, instance.
//!
//! Source: SPIFFE ID and SPIFFE Verifiable Identity Document, 2.1 and 2.2; docs/protocol/attest-1.md, sections 1 and 3.
//! Does not live here: DNS names (they are the manifest's).

use stoa_attestation::channel::key_id;

/// Length in bytes of an instance's name, as in the leaf and in attest-1's Hello.
pub(crate) const INSTANCE_BYTES: usize = 16;
/// An instance of a marble, by the name it goes by.
pub type Instance = [u8; INSTANCE_BYTES];
/// Bytes of K(root SPKI) that name a mesh without a name.
const TRUST_DOMAIN_KEY_BYTES: usize = 16;

/// The trust domain: the manifest's `Config.MeshName`, else `<32 hex of SHA-256 of the root's SPKI>.stoa`.
pub(crate) fn trust_domain(mesh_name: Option<&str>, root_spki: &[u8]) -> String {
    match mesh_name {
        Some(name) => name.to_owned(),
        None => format!(
            "{}.stoa",
            hex::encode(&key_id(root_spki)[..TRUST_DOMAIN_KEY_BYTES])
        ),
    }
}

/// `spiffe://<trust domain>/<marble>/<instance, lower-case hex>`.
pub(crate) fn spiffe_id(trust_domain: &str, marble: &str, instance: &Instance) -> String {
    format!("spiffe://{trust_domain}/{marble}/{}", hex::encode(instance))
}

/// The instance of a key that proposed none: the first half of K(SPKI), so that a retry gets the same.
pub(crate) fn instance_of(spki: &[u8]) -> Instance {
    let mut instance = [0; INSTANCE_BYTES];
    instance.copy_from_slice(&key_id(spki)[..INSTANCE_BYTES]);
    instance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mesh_without_a_name_is_named_by_its_root_key() {
        let domain = trust_domain(None, b"spki");
        assert_eq!(domain.len(), 32 + ".stoa".len());
        assert!(domain.starts_with(&hex::encode(&key_id(b"spki")[..4])));
        assert_eq!(trust_domain(Some("bank.example"), b"spki"), "bank.example");
    }

    #[test]
    fn a_spiffe_id_names_marble_and_instance() {
        assert_eq!(
            spiffe_id("bank.example", "signer", &[0xab; INSTANCE_BYTES]),
            "spiffe://bank.example/signer/abababababababababababababababab"
        );
    }
}
