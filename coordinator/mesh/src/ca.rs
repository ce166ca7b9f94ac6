//! The certificate authority: what stands in a certificate (template), whether it may (validator), and its signature (signer).
//!
//! Three functions, one after the other; only what `validate` let through can reach `sign`. The templates say what
//! is wanted, the validator judges it by limits that its caller takes from the manifest and the issuer, not from the
//! template.
//!
//! Source: RFC 5280, 4.1 and 4.2; SPIFFE X.509-SVID, 2 to 4; docs/protocol/attest-1.md, section 5 (the private extension).
//! Does not live here: which marble gets a leaf (`admit`, `machine`), private keys (`keys`).

use core::net::IpAddr;

use rand_core::CryptoRng;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};
use stoa_attestation::channel::LEAF_RECEIPT_OID_DER;
use stoa_manifest::{Attribute, ExtendedKeyUsage, KeyUsage};
use time::OffsetDateTime;

use crate::certificate::{Certificate, SERIAL_BYTES, key_identifier};
use crate::keys::{KeyKind, KeyMaterial, Keys, Subject};
use crate::not_certified::{
    COMMON_NAME_BYTES_MAX, LEAF_LIFETIME_SECS_MIN, NAMES_MAX, NotCertified,
};
use crate::patch::{self, Patch, PatchingSigner};

#[cfg(test)]
mod tests;

/// Life of the root CA in seconds: 10 years of 365 days.
pub const ROOT_LIFETIME_SECS: u64 = 10 * 365 * DAY_SECS;
/// Life of an issuing CA in seconds: 90 days.
pub const ISSUING_LIFETIME_SECS: u64 = 90 * DAY_SECS;
/// Life of the leaf of the coordinator's client port in seconds: 90 days.
pub const COORDINATOR_LEAF_LIFETIME_SECS: u64 = 90 * DAY_SECS;
/// How far a certificate's first second lies before the moment of issue, so that a peer whose clock is behind accepts it.
///
/// The attested channel tolerates the same difference of clocks (docs/protocol/attest-1.md, section 4).
pub const BACKDATE_SECS: u64 = 300;
/// Longest DNS name in bytes (RFC 1035, 2.3.4).
pub const DNS_NAME_BYTES_MAX: usize = 253;

const DAY_SECS: u64 = 24 * 60 * 60;

/// A certificate with the private key that it certifies: a CA of the mesh, or a certificate secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    certificate: Certificate,
    key: KeyMaterial,
}

impl Certified {
    /// Joins a certificate and the key that it certifies.
    pub(crate) fn new(certificate: Certificate, key: KeyMaterial) -> Self {
        Self { certificate, key }
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its private key.
    pub(crate) fn key(&self) -> &KeyMaterial {
        &self.key
    }
}

/// What a certificate is for; decides its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The root CA, self-signed.
    Root,
    /// An issuing CA, below the root, above leaves only.
    Issuing,
    /// The leaf of the coordinator's client port, below the root.
    Coordinator,
    /// A marble's leaf, below the issuing CA.
    Marble,
    /// A certificate secret of the manifest.
    Secret,
}

/// What is to stand in a certificate; nothing has judged it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) role: Role,
    pub(crate) common_name: String,
    /// The rest of the subject, and usages, of a certificate secret; empty for the other roles.
    pub(crate) wishes: Wishes,
    pub(crate) dns_names: Vec<String>,
    pub(crate) ip_addresses: Vec<IpAddr>,
    pub(crate) uri: Option<String>,
    pub(crate) spki: Vec<u8>,
    pub(crate) serial: [u8; SERIAL_BYTES],
    /// The moment of issue, Unix time; validity begins [`BACKDATE_SECS`] before.
    pub(crate) issued_at: u64,
    /// Last second in which it is valid, Unix time.
    pub(crate) not_after: u64,
    /// The value of the private extension, DER, as `LeafReceipt::extension_value` makes it.
    pub(crate) receipt: Option<Vec<u8>>,
}

/// What a manifest may wish for a certificate secret beside its names and dates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Each attribute at most once.
    pub(crate) attributes: Vec<(Attribute, String)>,
    /// Empty: digital signature.
    pub(crate) key_usages: Vec<KeyUsage>,
    /// Empty: server and client.
    pub(crate) extended_key_usages: Vec<ExtendedKeyUsage>,
}

/// What a certificate may hold at most, by manifest, admission and issuer; made independently of the template.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits<'a> {
    pub(crate) dns_names: &'a [String],
    pub(crate) ip_addresses: &'a [IpAddr],
    pub(crate) uri: Option<&'a str>,
    /// The last second that whatever admitted the holder is good for.
    pub(crate) not_after: u64,
    /// `None` for the root.
    pub(crate) issuer: Option<&'a Certificate>,
}

/// A template that [`validate`] let through.
#[derive(Debug)]
pub(crate) struct Content {
    template: Template,
    subject: Subject,
    not_before: u64,
}

/// A random serial number: 16 bytes, positive, never shorter.
///
/// The two upper bits are 01, which leaves 126 random ones (RFC 5280, 4.1.2.2 asks for positive, at most 20 bytes).
pub(crate) fn serial(rng: &mut dyn CryptoRng) -> [u8; SERIAL_BYTES] {
    let mut serial = [0; SERIAL_BYTES];
    rng.fill_bytes(&mut serial);
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

/// Judges a template by its role and by limits that do not come from it.
///
/// # Errors
/// [`NotCertified`] names the first thing that may not stand in the certificate.
pub(crate) fn validate(template: Template, limits: &Limits<'_>) -> Result<Content, NotCertified> {
    let subject = Subject::from_spki(&template.spki).ok_or(NotCertified::KeyUnknown {
        spki_bytes: template.spki.len(),
    })?;
    let leaf_key = matches!(subject.kind(), KeyKind::EcdsaP256 | KeyKind::Ed25519);
    if template.role == Role::Marble && !leaf_key {
        return Err(NotCertified::KeyKind {
            kind: subject.kind(),
        });
    }
    if template.serial[0] & 0xc0 != 0x40 {
        return Err(NotCertified::Serial {
            first: template.serial[0],
        });
    }
    if !matches!(template.common_name.len(), 1..=COMMON_NAME_BYTES_MAX) {
        return Err(NotCertified::CommonName {
            bytes: template.common_name.len(),
        });
    }
    if template.role != Role::Secret && template.wishes != Wishes::default() {
        return Err(NotCertified::Wishes {
            role: format!("{:?}", template.role),
        });
    }
    validate_names(&template, limits)?;
    validate_dates(&template, limits)?;
    if template.receipt.is_some() != (template.role == Role::Marble) {
        return Err(NotCertified::Receipt {
            role: format!("{:?}", template.role),
        });
    }
    let issuer_start = limits.issuer.map_or(0, Certificate::not_before);
    let not_before = template
        .issued_at
        .saturating_sub(BACKDATE_SECS)
        .max(issuer_start);
    Ok(Content {
        template,
        subject,
        not_before,
    })
}

fn validate_names(template: &Template, limits: &Limits<'_>) -> Result<(), NotCertified> {
    let count = template.dns_names.len() + template.ip_addresses.len();
    if count > NAMES_MAX {
        return Err(NotCertified::TooManyNames { count });
    }
    for name in &template.dns_names {
        if !is_dns_name(name) {
            return Err(NotCertified::NameMalformed { name: name.clone() });
        }
        if !limits.dns_names.contains(name) {
            return Err(NotCertified::NameNotAllowed { name: name.clone() });
        }
    }
    for address in &template.ip_addresses {
        if !limits.ip_addresses.contains(address) {
            return Err(NotCertified::NameNotAllowed {
                name: address.to_string(),
            });
        }
    }
    if template.uri.as_deref() != limits.uri {
        return Err(NotCertified::NameNotAllowed {
            name: template.uri.clone().unwrap_or_default(),
        });
    }
    Ok(())
}

fn validate_dates(template: &Template, limits: &Limits<'_>) -> Result<(), NotCertified> {
    let Template {
        issued_at,
        not_after,
        ..
    } = *template;
    let issuer_end = limits.issuer.map_or(u64::MAX, Certificate::not_after);
    let issuer_start = limits.issuer.map_or(0, Certificate::not_before);
    let last = limits.not_after.min(issuer_end);
    if not_after > last {
        return Err(NotCertified::TooLong { not_after, last });
    }
    if issued_at < issuer_start {
        return Err(NotCertified::BeforeIssuer {
            issued_at,
            issuer_start,
        });
    }
    if not_after < issued_at.saturating_add(LEAF_LIFETIME_SECS_MIN) {
        return Err(NotCertified::TooShort {
            issued_at,
            not_after,
        });
    }
    Ok(())
}

/// Whether a name is a DNS name as certificates may hold it: letters, digits, dashes and underscores in labels of 1 to 63,
/// no wildcard.
///
/// Source: RFC 1123, 2.1; RFC 5280, 4.2.1.6; the underscore is the manifest's allowance.
pub(crate) fn is_dns_name(name: &str) -> bool {
    let label_ok = |label: &str| {
        matches!(label.len(), 1..=63)
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    matches!(name.len(), 1..=DNS_NAME_BYTES_MAX)
        && name.split('.').all(label_ok)
        && name.parse::<IpAddr>().is_err()
}

/// Who signs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signer<'a> {
    /// The certified key itself: the root.
    Itself(&'a KeyMaterial),
    /// A CA of the mesh.
    Authority(&'a Certified),
}

/// Signs a validated template and reads the result back.
///
/// # Errors
/// [`NotCertified::Signing`] if the private key can't be used, [`NotCertified::Encoding`] if what came out is not what
/// was asked for.
pub(crate) fn sign(
    content: &Content,
    signer: Signer<'_>,
    keys: &dyn Keys,
) -> Result<Certificate, NotCertified> {
    let (key, issuer_name) = match signer {
        Signer::Itself(key) => (key, content.template.common_name.as_str()),
        Signer::Authority(authority) => (authority.key(), authority.certificate().common_name()),
    };
    let issuer_subject = Subject::from_spki(&key.spki).ok_or(NotCertified::KeyUnknown {
        spki_bytes: key.spki.len(),
    })?;
    let params = parameters(content)?;
    let mut issuer_params = CertificateParams::default();
    issuer_params.distinguished_name = name(issuer_name, &[]);
    issuer_params.key_identifier_method =
        KeyIdMethod::PreSpecified(key_identifier(&issuer_subject));
    let patches = patches(content);
    let issuer_key = PatchingSigner {
        signer: keys.signer(key).map_err(NotCertified::Signing)?,
        patches: &patches,
    };
    let signed = params
        .signed_by(
            &content.subject,
            &Issuer::from_params(&issuer_params, &issuer_key),
        )
        .map_err(|error| NotCertified::Encoding {
            cause: error.to_string(),
        })?;
    let der = patch::all(&patches, signed.der()).ok_or_else(|| NotCertified::Encoding {
        cause: "what is to be put right in it was not found exactly once".to_owned(),
    })?;
    let certificate = Certificate::from_der(&der).map_err(|error| NotCertified::Encoding {
        cause: error.to_string(),
    })?;
    if certificate.spki() != content.template.spki {
        return Err(NotCertified::Encoding {
            cause: "the key in it is not the one to be certified".to_owned(),
        });
    }
    Ok(certificate)
}

/// The rcgen parameters of a validated template. Everything that rcgen would choose itself is set: serial, dates, key
/// identifiers.
fn parameters(content: &Content) -> Result<CertificateParams, NotCertified> {
    let Content {
        template,
        subject,
        not_before,
    } = content;
    let encoding = |cause: String| NotCertified::Encoding { cause };
    let date = |time: u64| {
        i64::try_from(time)
            .ok()
            .and_then(|time| OffsetDateTime::from_unix_timestamp(time).ok())
            .ok_or_else(|| encoding(format!("{time} is no date")))
    };
    let ia5 = |text: &str| {
        text.try_into()
            .map_err(|error: rcgen::Error| encoding(format!("`{text}`: {error}")))
    };
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&template.serial));
    params.not_before = date(*not_before)?;
    params.not_after = date(template.not_after)?;
    params.distinguished_name = name(&template.common_name, &template.wishes.attributes);
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(subject));
    params.use_authority_key_identifier_extension = true;
    if let Some(uri) = &template.uri {
        params.subject_alt_names.push(SanType::URI(ia5(uri)?));
    }
    for dns in &template.dns_names {
        params.subject_alt_names.push(SanType::DnsName(ia5(dns)?));
    }
    params.subject_alt_names.extend(
        template
            .ip_addresses
            .iter()
            .copied()
            .map(SanType::IpAddress),
    );
    match template.role {
        Role::Root | Role::Issuing => {
            let below = if template.role == Role::Root { 1 } else { 0 };
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
            params.key_usages = vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyCertSign,
                KeyUsagePurpose::CrlSign,
            ];
        }
        Role::Coordinator | Role::Marble | Role::Secret => {
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
        }
    }
    let wishes = &template.wishes;
    if !wishes.key_usages.is_empty() {
        params.key_usages = wishes.key_usages.iter().map(key_usage).collect();
    }
    if !wishes.extended_key_usages.is_empty() {
        let usages = wishes.extended_key_usages.iter();
        params.extended_key_usages = usages.map(extended_key_usage).collect();
    }
    if let Some(receipt) = &template.receipt {
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(
                &STAND_IN_ARCS,
                receipt.clone(),
            ));
    }
    Ok(params)
}

fn name(common_name: &str, attributes: &[(Attribute, String)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (attribute, value) in attributes {
        // X.520; rcgen has no names for the last three.
        let kind = match attribute {
            Attribute::Country => DnType::CountryName,
            Attribute::Organization => DnType::OrganizationName,
            Attribute::OrganizationalUnit => DnType::OrganizationalUnitName,
            Attribute::Locality => DnType::LocalityName,
            Attribute::Province => DnType::StateOrProvinceName,
            Attribute::StreetAddress => DnType::CustomDnType(vec![2, 5, 4, 9]),
            Attribute::PostalCode => DnType::CustomDnType(vec![2, 5, 4, 17]),
            Attribute::SerialNumber => DnType::CustomDnType(vec![2, 5, 4, 5]),
        };
        name.push(kind, value.as_str());
    }
    name.push(DnType::CommonName, common_name);
    name
}

fn key_usage(usage: &KeyUsage) -> KeyUsagePurpose {
    match usage {
        KeyUsage::DigitalSignature => KeyUsagePurpose::DigitalSignature,
        KeyUsage::ContentCommitment => KeyUsagePurpose::ContentCommitment,
        KeyUsage::KeyEncipherment => KeyUsagePurpose::KeyEncipherment,
        KeyUsage::DataEncipherment => KeyUsagePurpose::DataEncipherment,
        KeyUsage::KeyAgreement => KeyUsagePurpose::KeyAgreement,
    }
}

fn extended_key_usage(usage: &ExtendedKeyUsage) -> ExtendedKeyUsagePurpose {
    match usage {
        ExtendedKeyUsage::Any => ExtendedKeyUsagePurpose::Any,
        ExtendedKeyUsage::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsage::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsage::CodeSigning => ExtendedKeyUsagePurpose::CodeSigning,
        ExtendedKeyUsage::EmailProtection => ExtendedKeyUsagePurpose::EmailProtection,
        ExtendedKeyUsage::TimeStamping => ExtendedKeyUsagePurpose::TimeStamping,
        ExtendedKeyUsage::OcspSigning => ExtendedKeyUsagePurpose::OcspSigning,
    }
}

/// What rcgen is told instead: its arcs are 64-bit numbers and ours has 127. Two arcs of 9 and 10 bytes take the same room.
const STAND_IN_ARCS: [u64; 4] = [2, 25, 1 << 62, 1 << 63];
/// [`STAND_IN_ARCS`] in DER. No UTF-8 text can hold these bytes, and no honest key or hash will.
const STAND_IN_OID: &[u8; 22] =
    b"\x06\x14\x69\xc0\x80\x80\x80\x80\x80\x80\x80\x00\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00";

/// All that rcgen can't write as it has to be.
fn patches(content: &Content) -> Vec<Patch> {
    let receipt = content
        .template
        .receipt
        .as_ref()
        .map(|_| Patch::new(STAND_IN_OID.to_vec(), LEAF_RECEIPT_OID_DER.to_vec()));
    receipt
        .into_iter()
        .chain(content.subject.curve_to_patch())
        .collect()
}
