//! Users set and read secrets: what they hand over is judged before it goes to the writer, who they are in both places.
//!
//! Does not live here: whose right it is (`approve`), the bytes in the journal (`stored`), templates (`render`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use stoa_manifest::{Action, SecretDefinition, SecretKind};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::approve;
use crate::caller::Caller;
use crate::certificate::CERTIFICATE_BYTES_MAX;
use crate::keys::{KeyKind, Keys, Subject};
use crate::refusal::Refusal;
use crate::secret::SecretValue;
use crate::view::View;

/// Largest plain secret that a user can set, in bytes.
pub const PLAIN_SECRET_BYTES_MAX: usize = 64 * 1024;
/// Largest private key that a user can set, in bytes (PKCS #8; RSA 4096 has about 2400).
pub const PRIVATE_KEY_BYTES_MAX: usize = 16 * 1024;
/// What all secrets that users set may have together, in bytes: a snapshot with all of them fits one record.
pub const USER_SECRETS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A value as a user hands it over. Which of the three must be there follows from the secret's type.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// A symmetric key, or plain bytes.
    pub key: Option<Zeroizing<Vec<u8>>>,
    /// A certificate, DER.
    pub certificate: Option<Vec<u8>>,
    /// Its private key, PKCS #8 DER.
    pub private: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("key", &self.key.as_ref().map(|_| "<secret>"))
            .field("certificate", &self.certificate.as_ref().map(Vec::len))
            .field("private", &self.private.as_ref().map(|_| "<secret>"))
            .finish()
    }
}

/// A user sets secrets, all of them or none.
#[derive(Debug, Clone)]
pub struct SetSecrets {
    /// Epoch in force when it was prepared: another manifest may define them in another way.
    pub(crate) epoch: u64,
    pub(crate) caller: Caller,
    pub(crate) secrets: BTreeMap<String, SecretValue>,
}

impl SetSecrets {
    /// Whether `caller` could set some secret: nobody else's body is read.
    ///
    /// # Errors
    /// [`Refusal::StateNotAccepting`] before the first manifest, [`Refusal::UserUnknown`], [`Refusal::NotPermitted`].
    pub fn may(view: &View, caller: &Caller) -> Result<(), Refusal> {
        let manifest = view.manifest().ok_or(Refusal::StateNotAccepting {
            state: view.state(),
        })?;
        approve::permitted(manifest, caller, Action::WriteSecret, &[], "any secret").map(|_| ())
    }

    /// Judges who asks, then each value by what the manifest in force says of its secret.
    ///
    /// # Errors
    /// [`Refusal::StateNotAccepting`] before the first manifest; [`Refusal::UserUnknown`], [`Refusal::NotPermitted`];
    /// [`Refusal::SecretUnfit`] with what the value must be.
    pub fn prepare(
        view: &View,
        given: BTreeMap<String, Given>,
        caller: Caller,
        keys: &dyn Keys,
    ) -> Result<Self, Refusal> {
        let policy = view.policy().ok_or(Refusal::StateNotAccepting {
            state: view.state(),
        })?;
        let names: Vec<&str> = given.keys().map(String::as_str).collect();
        if names.is_empty() {
            return Err(Refusal::NoSecretsNamed);
        }
        approve::permitted(
            &policy.manifest,
            &caller,
            Action::WriteSecret,
            &names,
            "secret",
        )?;
        let mut secrets = BTreeMap::new();
        for (name, given) in given {
            let definition = policy.manifest.secrets().get(&name);
            let value = definition
                .ok_or_else(|| "the manifest does not have it".to_owned())
                .and_then(|definition| fitted(definition, given, keys));
            let value = value.map_err(|cause| Refusal::SecretUnfit {
                secret: name.clone(),
                cause,
            })?;
            secrets.insert(name, value);
        }
        Ok(Self {
            epoch: policy.epoch,
            caller,
            secrets,
        })
    }
}

/// A user reads secrets, all of them or none.
#[derive(Debug, Clone)]
pub struct ReadSecrets {
    /// Which.
    pub names: BTreeSet<String>,
    /// Who asks.
    pub caller: Caller,
}

/// The value, if it is what the definition asks for; else what is wrong with it, without any of it.
fn fitted(
    definition: &SecretDefinition,
    given: Given,
    keys: &dyn Keys,
) -> Result<SecretValue, String> {
    let bits = match definition.kind {
        SecretKind::Plain => return bytes_of(given, None),
        SecretKind::SymmetricKey { bits } => return bytes_of(given, Some(bits as usize / 8)),
        SecretKind::CertEcdsa { bits } | SecretKind::CertRsa { bits } => bits,
        _ => 0,
    };
    let Given {
        key: None,
        certificate: Some(certificate),
        private,
    } = given
    else {
        return Err(
            "it is a certificate: give Cert, with Private or without, and no Key".to_owned(),
        );
    };
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        return Err(format!(
            "Cert has {} bytes; at most {CERTIFICATE_BYTES_MAX}",
            certificate.len()
        ));
    }
    let spki = match X509Certificate::from_der(&certificate) {
        Ok(([], parsed)) => parsed.public_key().raw.to_vec(),
        Ok((rest, _)) => return Err(format!("{} bytes follow the certificate", rest.len())),
        Err(error) => return Err(format!("Cert is no X.509 certificate: {error}")),
    };
    let kind = Subject::from_spki(&spki).map(|subject| subject.kind());
    let kind = kind
        .filter(|kind| fits(*kind, definition.kind, bits))
        .ok_or_else(|| {
            let found = kind.map_or_else(
                || "of no kind that is served".to_owned(),
                |kind| kind.to_string(),
            );
            format!(
                "the certificate's key is {found}; the manifest says {}",
                said(definition.kind)
            )
        })?;
    if let Some(private) = &private {
        if private.len() > PRIVATE_KEY_BYTES_MAX {
            return Err(format!(
                "Private has {} bytes; at most {PRIVATE_KEY_BYTES_MAX}",
                private.len()
            ));
        }
        let public = keys.public(kind, private);
        let public =
            public.map_err(|error| format!("Private is no PKCS #8 key of that kind: {error}"))?;
        if public != spki {
            return Err("Private is not the key of the certificate".to_owned());
        }
    }
    Ok(SecretValue::Certificate {
        certificate,
        spki,
        private,
    })
}

/// A key of exactly so many bytes, or any number up to the limit.
fn bytes_of(given: Given, exactly: Option<usize>) -> Result<SecretValue, String> {
    let Given {
        key: Some(key),
        certificate: None,
        private: None,
    } = given
    else {
        return Err("it is bytes: give Key, and neither Cert nor Private".to_owned());
    };
    let bytes = key.len();
    match exactly {
        Some(exactly) if exactly != bytes => Err(format!(
            "Key has {bytes} bytes; the manifest says {exactly}"
        )),
        None if !(1..=PLAIN_SECRET_BYTES_MAX).contains(&bytes) => Err(format!(
            "Key has {bytes} bytes; 1 to {PLAIN_SECRET_BYTES_MAX}"
        )),
        _ => Ok(SecretValue::Bytes(key)),
    }
}

/// Whether a key of this kind is what the manifest says; 0 bits are any.
fn fits(found: KeyKind, wanted: SecretKind, bits: u32) -> bool {
    let sized = |size| bits == 0 || bits == size;
    match (wanted, found) {
        (SecretKind::CertEcdsa { .. }, KeyKind::EcdsaP256) => sized(256),
        (SecretKind::CertEcdsa { .. }, KeyKind::EcdsaP384) => sized(384),
        (SecretKind::CertEcdsa { .. }, KeyKind::EcdsaP521) => sized(521),
        (SecretKind::CertRsa { .. }, KeyKind::Rsa2048) => sized(2048),
        (SecretKind::CertRsa { .. }, KeyKind::Rsa3072) => sized(3072),
        (SecretKind::CertRsa { .. }, KeyKind::Rsa4096) => sized(4096),
        (SecretKind::CertEd25519, KeyKind::Ed25519) => true,
        _ => false,
    }
}

/// A type with its size, as a manifest writes it.
fn said(kind: SecretKind) -> String {
    let sized = |name: &str, bits: u32| match bits {
        0 => name.to_owned(),
        bits => format!("{name} of {bits} bits"),
    };
    match kind {
        SecretKind::SymmetricKey { bits } => sized("symmetric-key", bits),
        SecretKind::CertEcdsa { bits } => sized("cert-ecdsa", bits),
        SecretKind::CertRsa { bits } => sized("cert-rsa", bits),
        SecretKind::CertEd25519 => "cert-ed25519".to_owned(),
        _ => "plain".to_owned(),
    }
}
