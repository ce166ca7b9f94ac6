//! "Hardware, speak": evidence and sealing keys from the TEE that this process runs in.
//!
//! [`Tee::open`] gives a [`Source`]; [`seal`] makes from its keys what Stoa seals with. Standard library only: a source
//! blocks, so servers ask it on a thread that may.
//! Does not live here: what evidence means (`stoa-attestation`), the synthetic TEE itself (`stoa-synthetic`).

mod error;
pub mod gramine;
pub mod seal;
mod socket;
mod survey;

use std::path::PathBuf;
use std::str::FromStr;

use stoa_attestation::Kind;
use zeroize::Zeroizing;

pub use error::SourceError;
pub use socket::{EXCHANGE_TIME_MAX, SocketTee, TeeInfo};
pub use survey::Interface;

/// A TEE that can be asked. Calls block and may come from several threads at once.
pub trait Source: Send + Sync {
    /// The kind of the evidence that it makes.
    fn kind(&self) -> Kind;

    /// Fresh evidence over `report_data`, in the wire form of docs/protocol/attest-1.md, section 1; at most 64 KiB.
    ///
    /// # Errors
    /// [`SourceError`] with the failing step.
    fn evidence(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, SourceError>;

    /// The TEE's own key under `policy` for the purpose that `id` names; the same for the same code (or signer), machine
    /// and id, for ever.
    ///
    /// # Errors
    /// [`SourceError`] with the failing step.
    fn sealing_key(
        &self,
        policy: SealPolicy,
        id: &[u8; 32],
    ) -> Result<Zeroizing<[u8; 32]>, SourceError>;

    /// Whether this is real hardware: then nothing may be believed under an insecure trust root.
    fn is_hardware(&self) -> bool;
}

/// What a sealing key is bound to, beside the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SealPolicy {
    /// The very code: another measurement gets another key.
    Measurement,
    /// Signer, product and security version: another build of the same version by the same signer gets the same key.
    Signer,
}

/// Where a TEE is, as `--tee` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tee {
    /// The socket of the synthetic TEE.
    Socket(PathBuf),
}

/// Names of hardware.
const HARDWARE: [&str; 3] = ["gramine", "tdx", "snp"];

impl Tee {
    /// Whether `spec` names hardware, served by this version or not.
    #[must_use]
    pub fn names_hardware(spec: &str) -> bool {
        HARDWARE.contains(&spec)
    }

    /// Opens the TEE that `spec` names: `socket:PATH`.
    ///
    /// # Errors
    /// [`SourceError::Unknown`] or [`SourceError::NotSupported`] for the name, else what the device says.
    pub fn open(spec: &str) -> Result<Box<dyn Source>, SourceError> {
        match spec.parse()? {
            Self::Socket(path) => Ok(Box::new(SocketTee::open(path)?)),
        }
    }
}

impl FromStr for Tee {
    type Err = SourceError;

    fn from_str(spec: &str) -> Result<Self, SourceError> {
        match HARDWARE.iter().find(|name| **name == spec) {
            Some(name) => Err(SourceError::NotSupported { name }),
            None => match spec.strip_prefix("socket:") {
                Some(path) if !path.is_empty() => Ok(Self::Socket(path.into())),
                _ => Err(SourceError::Unknown {
                    spec: spec.to_owned(),
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use stoa_explain::Explain as _;

    use super::*;

    #[test]
    fn only_a_socket_is_a_tee_and_hardware_is_refused_by_name() {
        assert_eq!(
            "socket:/run/tee".parse::<Tee>().unwrap(),
            Tee::Socket("/run/tee".into())
        );
        for (spec, code) in [
            ("gramine", "tee-not-supported"),
            ("tdx", "tee-not-supported"),
            ("snp", "tee-not-supported"),
            ("socket:", "tee-unknown"),
            ("/run/tee", "tee-unknown"),
            ("Socket:/run/tee", "tee-unknown"),
            ("", "tee-unknown"),
        ] {
            assert_eq!(spec.parse::<Tee>().unwrap_err().code(), code, "{spec}");
        }
    }

    #[test]
    fn a_socket_that_is_not_there_is_refused_with_its_path() {
        let error = Tee::open("socket:/nonexistent/tee.sock").err().unwrap();
        assert_eq!(error.code(), "tee-unreachable");
        assert!(
            error.to_string().contains("/nonexistent/tee.sock"),
            "{error}"
        );
        assert!(error.to_string().contains("connecting"), "{error}");
    }
}
