//! Making secrets: the shared ones when a manifest is set, those of one instance when it is activated or renewed.
//!
//! Certificate secrets are signed by the root, not by the issuing CA: a program that presents one has no chain to
//! present with it, and the manifest may ask for a longer life than an issuing CA has. None can hold a SPIFFE ID or
//! sign another certificate, so none can be taken for a marble's leaf.
//!
//! Does not live here: how a symmetric one is derived (`derive`), how templates name them (`provision`).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

use rand_core::CryptoRng;
use stoa_manifest::{CertificateTemplate, Manifest, SecretDefinition, SecretKind, Source, rotates};
use zeroize::Zeroizing;

use crate::ca::{Certified, Limits, Role, Signer, Template, Wishes, serial};
use crate::derive;
use crate::identity::Instance;
use crate::issue::{generate, issue};
use crate::keys::{KeyKind, Keys};
use crate::refusal::Refusal;
use crate::secret::{DerivationSecret, Secret};
use crate::state::Policy;

const DAY_SECS: u64 = 24 * 60 * 60;
/// Common name of a certificate secret that names neither a common name nor exactly one DNS name.
const COMMON_NAME_DEFAULT: &str = "Stoa generated certificate";
/// DNS name of a certificate secret that has no name at all; 127.0.0.1 and ::1 come with it.
const DNS_NAME_DEFAULT: &str = "localhost";

/// What certificate secrets are made with.
#[derive(Clone, Copy)]
pub(crate) struct Issuing<'a> {
    pub(crate) root: &'a Certified,
    pub(crate) keys: &'a dyn Keys,
    pub(crate) now: u64,
}

/// Makes every shared secret of a manifest.
pub(crate) fn shared(
    manifest: &Manifest,
    issuing: &Issuing<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<BTreeMap<String, Secret>, Refusal> {
    make(manifest.secrets(), issuing, rng)
}

/// Makes those of the secrets that are shared and not a user's.
fn make<'a>(
    secrets: impl IntoIterator<Item = (&'a String, &'a SecretDefinition)>,
    issuing: &Issuing<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<BTreeMap<String, Secret>, Refusal> {
    let mut made = BTreeMap::new();
    let shared = secrets
        .into_iter()
        .filter(|(_, definition)| definition.source == Source::Shared);
    for (name, definition) in shared {
        let secret = match symmetric_bytes(definition) {
            Some(bytes) => {
                let mut key = Zeroizing::new(vec![0; bytes]);
                rng.fill_bytes(&mut key);
                Secret::Symmetric(key)
            }
            None => Secret::Certificate(certificate(name, definition, issuing, rng)?),
        };
        made.insert(name.clone(), secret);
    }
    Ok(made)
}

/// The shared secrets after an update.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Those in force.
    pub(crate) shared: BTreeMap<String, Secret>,
    /// Of those that were made anew under a definition of the same kind, the ones before.
    pub(crate) previous: BTreeMap<String, Secret>,
    /// A new root secret, if the update makes one.
    pub(crate) derivation: Option<DerivationSecret>,
}

/// What an update leaves of the shared secrets, and makes anew: what is defined as before stays, but for certificates
/// that are past half of their life, and for symmetric keys if there is a new root secret.
pub(crate) fn updated(
    policy: &Policy,
    manifest: &Manifest,
    issuing: &Issuing<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<Kept, Refusal> {
    let mut kept = Kept::default();
    let mut anew = Vec::new();
    let rotates = rotates(&policy.manifest, manifest);
    if rotates {
        let mut derivation = Zeroizing::new([0; 32]);
        rng.fill_bytes(derivation.as_mut_slice());
        kept.derivation = Some(DerivationSecret(derivation));
    }
    let outlived = |secret: &Secret| {
        aged(secret, issuing.now) || rotates && matches!(secret, Secret::Symmetric(_))
    };
    for (name, definition) in manifest.secrets() {
        let before = policy.manifest.secrets().get(name);
        match policy.shared.get(name) {
            Some(secret) if before == Some(definition) && !outlived(secret) => {
                kept.shared.insert(name.clone(), secret.clone());
            }
            old => {
                let same_kind = before.is_some_and(|before| before.kind == definition.kind);
                if let Some(old) = old.filter(|_| same_kind) {
                    kept.previous.insert(name.clone(), old.clone());
                }
                anew.push((name, definition));
            }
        }
    }
    kept.shared.extend(make(anew, issuing, rng)?);
    Ok(kept)
}

/// Whether a certificate is past half of its life.
fn aged(secret: &Secret, now: u64) -> bool {
    match secret {
        Secret::Symmetric(_) => false,
        Secret::Certificate(certified) => {
            let certificate = certified.certificate();
            certificate.not_before().midpoint(certificate.not_after()) < now
        }
    }
}

/// Whose secrets are made.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) derivation: &'a DerivationSecret,
    /// Empty if the secrets do not depend on it, which no marble's name is.
    pub(crate) marble: &'a str,
    pub(crate) instance: &'a Instance,
}

/// The symmetric ones of [`of_instance`] as they were derived before the last update.
pub(crate) fn of_instance_before<'a>(
    manifest: &Manifest,
    names: impl Iterator<Item = &'a str>,
    owner: &Owner<'_>,
    issuing: &Issuing<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<BTreeMap<String, Secret>, Refusal> {
    let symmetric = |name: &&str| {
        let definition = manifest.secrets().get(*name);
        definition.is_some_and(|definition| symmetric_bytes(definition).is_some())
    };
    of_instance(manifest, names.filter(symmetric), owner, issuing, rng)
}

/// Makes those secrets of one instance that `names` lists and that are neither shared nor a user's.
pub(crate) fn of_instance<'a>(
    manifest: &Manifest,
    names: impl Iterator<Item = &'a str>,
    owner: &Owner<'_>,
    issuing: &Issuing<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<BTreeMap<String, Secret>, Refusal> {
    let mut made = BTreeMap::new();
    for name in names {
        let Some(definition) = manifest
            .secrets()
            .get(name)
            .filter(|definition| definition.source == Source::Instance)
        else {
            continue;
        };
        if made.contains_key(name) {
            continue;
        }
        let secret = match symmetric_bytes(definition) {
            Some(bytes) => {
                let derived =
                    derive::symmetric(owner.derivation, owner.marble, owner.instance, name, bytes);
                Secret::Symmetric(derived.ok_or_else(|| Refusal::SecretNotMade {
                    secret: name.to_owned(),
                    cause: format!(
                        "{bytes} bytes are more than can be derived ({})",
                        derive::DERIVED_BYTES_MAX
                    ),
                })?)
            }
            None => Secret::Certificate(certificate(name, definition, issuing, rng)?),
        };
        made.insert(name.to_owned(), secret);
    }
    Ok(made)
}

fn symmetric_bytes(definition: &SecretDefinition) -> Option<usize> {
    match definition.kind {
        SecretKind::SymmetricKey { bits } => Some(bits as usize / 8),
        _ => None,
    }
}

fn certificate(
    name: &str,
    definition: &SecretDefinition,
    issuing: &Issuing<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<Certified, Refusal> {
    let not_made = |cause: String| Refusal::SecretNotMade {
        secret: name.to_owned(),
        cause,
    };
    let kind = match definition.kind {
        SecretKind::CertEcdsa { bits: 256 } => KeyKind::EcdsaP256,
        SecretKind::CertEcdsa { bits: 384 } => KeyKind::EcdsaP384,
        SecretKind::CertEcdsa { bits: 521 } => KeyKind::EcdsaP521,
        SecretKind::CertRsa { bits: 2048 } => KeyKind::Rsa2048,
        SecretKind::CertRsa { bits: 3072 } => KeyKind::Rsa3072,
        SecretKind::CertRsa { bits: 4096 } => KeyKind::Rsa4096,
        SecretKind::CertEd25519 => KeyKind::Ed25519,
        other => return Err(not_made(format!("{other:?} is no kind that is served"))),
    };
    let wanted = &definition.certificate;
    let holder = format!("secret `{name}`");
    let key = generate(issuing.keys, kind, &holder)?;
    let names = SubjectNames::of(wanted);
    let root_end = issuing.root.certificate().not_after();
    let lifetime = u64::from(wanted.valid_for_days) * DAY_SECS;
    let not_after = wanted
        .not_after
        .unwrap_or_else(|| issuing.now.saturating_add(lifetime))
        .min(root_end);
    let template = Template {
        role: Role::Secret,
        common_name: names.common_name,
        wishes: Wishes {
            attributes: wanted.attributes.clone(),
            key_usages: wanted.key_usages.clone(),
            extended_key_usages: wanted.extended_key_usages.clone(),
        },
        dns_names: names.dns.clone(),
        ip_addresses: names.ip.clone(),
        uri: None,
        spki: key.spki.clone(),
        serial: serial(rng),
        issued_at: issuing.now,
        not_after,
        receipt: None,
    };
    let limits = Limits {
        dns_names: &names.dns,
        ip_addresses: &names.ip,
        uri: None,
        not_after,
        issuer: Some(issuing.root.certificate()),
    };
    let certificate = issue(
        template,
        &limits,
        Signer::Authority(issuing.root),
        issuing.keys,
        &holder,
    )?;
    Ok(Certified::new(certificate, key))
}

/// The names of a certificate secret, with MarbleRun's defaults.
struct SubjectNames {
    common_name: String,
    dns: Vec<String>,
    ip: Vec<IpAddr>,
}

impl SubjectNames {
    fn of(wanted: &CertificateTemplate) -> Self {
        let (mut dns, mut ip) = (wanted.dns_names.clone(), wanted.ip_addresses.clone());
        let common_name = match (&wanted.common_name, dns.as_slice()) {
            (Some(name), _) => name.clone(),
            (None, [only]) => only.clone(),
            (None, _) => COMMON_NAME_DEFAULT.to_owned(),
        };
        if dns.is_empty() && ip.is_empty() {
            dns.push(DNS_NAME_DEFAULT.to_owned());
            ip.extend([
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]);
        }
        Self {
            common_name,
            dns,
            ip,
        }
    }
}
