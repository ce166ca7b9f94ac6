//! Secrets of one connection: what the exporter gives, and the finishes made with it.
//!
//! Nothing here is printed, and all of it is wiped when it is dropped.
//! Source: docs/protocol/attest-1.md, sections 2, 4 and 6; RFC 8446, 7.5 (exporter); RFC 5869, 2.3 (HKDF-Expand);
//! RFC 2104 (HMAC).

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha384};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::keys::key_id;
use super::names::Role;
use crate::lp::{self, Writer};

/// The exporter's label; its context has zero length, its output 48 bytes.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-stoa-attest-1";

/// Bytes that are taken from the exporter.
pub const EXPORTER_BYTES: usize = 48;

/// What TLS says about one connection, taken once, right after the handshake.
pub struct TlsFacts {
    /// `X`: the exporter's 48 bytes for [`EXPORTER_LABEL`] with a zero-length context.
    pub exporter: [u8; EXPORTER_BYTES],
    /// SPKI of the server's leaf, the first certificate of its chain, byte by byte as it stands there.
    pub server_spki: Vec<u8>,
    /// SPKI of the client's leaf, likewise.
    pub client_spki: Vec<u8>,
}

impl TlsFacts {
    pub(super) fn server_leaf(&self) -> [u8; 32] {
        key_id(&self.server_spki)
    }

    pub(super) fn client_leaf(&self) -> [u8; 32] {
        key_id(&self.client_spki)
    }
}

impl Drop for TlsFacts {
    fn drop(&mut self) {
        self.exporter.zeroize();
    }
}

impl fmt::Debug for TlsFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFacts")
            .field("exporter", &format_args!("<secret>"))
            .field("server_leaf", &hex::encode(self.server_leaf()))
            .field("client_leaf", &hex::encode(self.client_leaf()))
            .finish()
    }
}

/// `E_client`, `E_server` and `E_finish` of one connection.
pub struct SessionSecrets {
    /// `E_client`: stands in the marble's report data, and is signed by a new key.
    pub client: Zeroizing<[u8; 48]>,
    /// `E_server`: is signed by the session key.
    pub server: Zeroizing<[u8; 48]>,
    /// `E_finish`: key of the finishes.
    pub finish: Zeroizing<[u8; 48]>,
}

impl SessionSecrets {
    /// From `X` and `T`, the hash of both Hellos.
    #[must_use]
    pub fn derive(exporter: &[u8; EXPORTER_BYTES], hellos: &[u8; 48]) -> Self {
        let expand = |label: &str| {
            let info = Writer::new().field(label.as_bytes()).field(hellos).finish();
            let mut out = Zeroizing::new([0; 48]);
            Hkdf::<Sha384>::from_prk(exporter)
                .expect("48 bytes are as many as SHA-384 has, so enough for a key of HKDF")
                .expand(&info, out.as_mut_slice())
                .expect("48 bytes are below 255 times 48, the most that HKDF expands");
            out
        };
        Self {
            client: expand("stoa/attest/1 client"),
            server: expand("stoa/attest/1 server"),
            finish: expand("stoa/attest/1 finish"),
        }
    }

    /// The MAC of one side over the hash of the bodies before it.
    #[must_use]
    pub fn finish_mac(&self, role: Role, bodies: &[u8; 48]) -> [u8; 48] {
        let mut mac = Hmac::<Sha384>::new_from_slice(self.finish.as_slice())
            .expect("HMAC takes a key of any length");
        mac.update(&Writer::new().u8(role.number()).field(bodies).finish());
        mac.finalize().into_bytes().into()
    }

    /// Compares a MAC that was received, in constant time.
    pub(super) fn finish_is(&self, role: Role, bodies: &[u8; 48], received: &[u8; 48]) -> bool {
        self.finish_mac(role, bodies).ct_eq(received).into()
    }
}

impl fmt::Debug for SessionSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecrets(<secret>)")
    }
}

/// The running hash over the bodies of the frames, each with its length in front.
#[derive(Clone)]
pub(super) struct Transcript(Sha384);

impl Transcript {
    pub(super) fn new() -> Self {
        Self(Sha384::new())
    }

    /// Adds one body, as it travelled.
    pub(super) fn add(&mut self, body: &[u8]) {
        // Not through a Writer, which would copy body 7 with its secrets.
        self.0.update(lp::length(body));
        self.0.update(body);
    }

    /// The hash so far.
    pub(super) fn hash(&self) -> [u8; 48] {
        self.0.clone().finalize().into()
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transcript({})", hex::encode(self.hash()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let facts = TlsFacts {
            exporter: [0xab; 48],
            server_spki: vec![1],
            client_spki: vec![2],
        };
        let printed = format!("{facts:?}");
        assert!(
            printed.contains("exporter: <secret>")
                && !printed.contains("abab")
                && !printed.contains("171")
        );
        let secrets = SessionSecrets::derive(&[0xab; 48], &[0; 48]);
        assert_eq!(format!("{secrets:?}"), "SessionSecrets(<secret>)");
    }

    #[test]
    fn every_secret_and_finish_has_its_own_label() {
        let secrets = SessionSecrets::derive(&[1; 48], &[2; 48]);
        assert_ne!(secrets.client, secrets.server);
        assert_ne!(secrets.client, secrets.finish);
        assert_ne!(secrets.server, secrets.finish);
        assert_ne!(
            secrets.finish_mac(Role::Client, &[3; 48]),
            secrets.finish_mac(Role::Server, &[3; 48])
        );
        assert!(secrets.finish_is(
            Role::Client,
            &[3; 48],
            &secrets.finish_mac(Role::Client, &[3; 48])
        ));
        assert!(!secrets.finish_is(
            Role::Server,
            &[3; 48],
            &secrets.finish_mac(Role::Client, &[3; 48])
        ));
    }

    #[test]
    fn the_transcript_of_two_bodies_is_not_that_of_one_joined() {
        let (mut two, mut one) = (Transcript::new(), Transcript::new());
        two.add(b"ab");
        two.add(b"c");
        one.add(b"abc");
        assert_ne!(two.hash(), one.hash());
    }
}
