//! `Secrets`: what the coordinator makes for the mesh.
//!
//! Keys: MarbleRun's (docs/reference/manifest.md). Of `Cert`, a Go x509.Certificate in JSON, the subject's common name and
//! organization, the DNS names and the addresses are served; everything else in it is refused by name.
//! Does not live here: making them (`mesh`), reading them in a template (`template`).

use core::net::IpAddr;

use crate::fault::{Path, Sink, quoted};
use crate::fields::{Fields, Shape, not_served};
use crate::json::Value;
use crate::limits::{LIST_MAX, SYMMETRIC_KEY_BITS_MAX, VALID_FOR_DAYS_MAX};
use crate::names;
use crate::suggest;

/// A certificate secret is valid for a year unless the manifest says otherwise.
pub const VALID_FOR_DAYS_DEFAULT: u32 = 365;

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretKind {
    /// Random bytes.
    SymmetricKey {
        /// 8 to 65536, a multiple of 8.
        bits: u32,
    },
    /// A certificate of the mesh with an ECDSA key.
    CertEcdsa {
        /// 256 (P-256) or 384 (P-384).
        bits: u32,
    },
    /// A certificate of the mesh with an Ed25519 key.
    CertEd25519,
}

/// A secret as the manifest defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretDefinition {
    /// What it is.
    pub kind: SecretKind,
    /// One for the whole mesh; else one for each instance of a marble.
    pub shared: bool,
    /// What its certificate says. At its defaults for a symmetric key.
    pub certificate: CertificateTemplate,
}

/// What the certificate of a secret says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateTemplate {
    /// `Cert.Subject.CommonName`
    pub common_name: Option<String>,
    /// `Cert.Subject.Organization`
    pub organization: Vec<String>,
    /// `Cert.DNSNames`
    pub dns_names: Vec<String>,
    /// `Cert.IPAddresses`
    pub ip_addresses: Vec<IpAddr>,
    /// Days from now on, 1 to 3650.
    pub valid_for_days: u32,
}

impl Default for CertificateTemplate {
    fn default() -> Self {
        Self {
            common_name: None,
            organization: Vec::new(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            valid_for_days: VALID_FOR_DAYS_DEFAULT,
        }
    }
}

const SERVED: [&str; 5] = ["Type", "Size", "Shared", "ValidFor", "Cert"];
const LATER: [(&str, Shape); 3] = [
    ("UserDefined", Shape::Bool),
    ("Private", Shape::Any),
    ("Public", Shape::Any),
];

const CERT_SERVED: [&str; 3] = ["Subject", "DNSNames", "IPAddresses"];
const CERT_LATER: [(&str, Shape); 44] = [
    ("Raw", Shape::Any),
    ("RawTBSCertificate", Shape::Any),
    ("RawSubjectPublicKeyInfo", Shape::Any),
    ("RawSubject", Shape::Any),
    ("RawIssuer", Shape::Any),
    ("Signature", Shape::Any),
    ("SignatureAlgorithm", Shape::Number),
    ("PublicKeyAlgorithm", Shape::Number),
    ("PublicKey", Shape::Any),
    ("Version", Shape::Number),
    ("SerialNumber", Shape::Number),
    ("Issuer", Shape::Object),
    ("NotBefore", Shape::Time),
    ("NotAfter", Shape::Time),
    ("KeyUsage", Shape::Number),
    ("Extensions", Shape::List),
    ("ExtraExtensions", Shape::List),
    ("UnhandledCriticalExtensions", Shape::List),
    ("ExtKeyUsage", Shape::List),
    ("UnknownExtKeyUsage", Shape::List),
    ("BasicConstraintsValid", Shape::Bool),
    ("IsCA", Shape::Bool),
    ("MaxPathLen", Shape::Number),
    ("MaxPathLenZero", Shape::Bool),
    ("SubjectKeyId", Shape::Any),
    ("AuthorityKeyId", Shape::Any),
    ("OCSPServer", Shape::List),
    ("IssuingCertificateURL", Shape::List),
    ("EmailAddresses", Shape::List),
    ("URIs", Shape::List),
    ("PermittedDNSDomainsCritical", Shape::Bool),
    ("PermittedDNSDomains", Shape::List),
    ("ExcludedDNSDomains", Shape::List),
    ("PermittedIPRanges", Shape::List),
    ("ExcludedIPRanges", Shape::List),
    ("PermittedEmailAddresses", Shape::List),
    ("ExcludedEmailAddresses", Shape::List),
    ("PermittedURIDomains", Shape::List),
    ("ExcludedURIDomains", Shape::List),
    ("CRLDistributionPoints", Shape::List),
    ("PolicyIdentifiers", Shape::List),
    ("Policies", Shape::List),
    ("PolicyMappings", Shape::List),
    ("InhibitAnyPolicy", Shape::Number),
];

const SUBJECT_SERVED: [&str; 2] = ["CommonName", "Organization"];
const SUBJECT_LATER: [(&str, Shape); 9] = [
    ("Country", Shape::List),
    ("OrganizationalUnit", Shape::List),
    ("Locality", Shape::List),
    ("Province", Shape::List),
    ("StreetAddress", Shape::List),
    ("PostalCode", Shape::List),
    ("SerialNumber", Shape::Text),
    ("Names", Shape::List),
    ("ExtraNames", Shape::List),
];

/// The types of MarbleRun's manifests.
const TYPES: [&str; 5] = [
    "symmetric-key",
    "cert-ecdsa",
    "cert-ed25519",
    "cert-rsa",
    "plain",
];

impl SecretDefinition {
    /// Reads a secret; nothing if its kind could not be read.
    pub(crate) fn read(value: &Value, path: &Path, sink: &mut Sink) -> Option<Self> {
        let fields = Fields::open(value, path, &SERVED, &LATER, sink);
        let kind = kind(&fields, path, sink);
        let shared = fields.flag("Shared", sink);
        let mut certificate = CertificateTemplate {
            valid_for_days: valid_for_days(&fields, sink),
            ..CertificateTemplate::default()
        };
        if let Some(value) = fields.value("Cert") {
            certificate.read(value, &fields.path("Cert"), sink);
        }
        let kind = kind?;
        if matches!(kind, SecretKind::SymmetricKey { .. }) {
            let mut meaningless = |key| {
                sink.warn(
                    &fields.path(key),
                    "means nothing for a symmetric key",
                    "take it out",
                );
            };
            if certificate.valid_for_days != VALID_FOR_DAYS_DEFAULT {
                meaningless("ValidFor");
                certificate.valid_for_days = VALID_FOR_DAYS_DEFAULT;
            }
            if certificate != CertificateTemplate::default() {
                meaningless("Cert");
                certificate = CertificateTemplate::default();
            }
        }
        Some(Self {
            kind,
            shared,
            certificate,
        })
    }
}

fn kind(fields: &Fields<'_>, path: &Path, sink: &mut Sink) -> Option<SecretKind> {
    let size = fields.number("Size", u64::MAX, sink);
    let Some(text) = fields.text("Type", sink) else {
        if fields
            .value("Type")
            .is_none_or(|value| *value == Value::Text(String::new()))
        {
            let remedy = format!("write one of {}", TYPES[..3].join(", "));
            sink.fault(&path.key("Type"), "is missing", remedy);
        }
        return None;
    };
    let size_path = fields.path("Size");
    let is = format!("is {}", size.unwrap_or(0));
    if size.is_none() && fields.value("Size").is_some() {
        return None; // its fault is noted
    }
    let kind = match (text, size.unwrap_or(0)) {
        ("symmetric-key", bits) => {
            let allowed = (8..=SYMMETRIC_KEY_BITS_MAX).contains(&bits) && bits.is_multiple_of(8);
            match u32::try_from(bits) {
                Ok(bits) if allowed => SecretKind::SymmetricKey { bits },
                _ => {
                    let remedy = format!(
                        "write the bits of the key, a multiple of 8, 8 to {SYMMETRIC_KEY_BITS_MAX}"
                    );
                    sink.fault(&size_path, is, remedy);
                    return None;
                }
            }
        }
        ("cert-ecdsa", 256) => SecretKind::CertEcdsa { bits: 256 },
        ("cert-ecdsa", 384) => SecretKind::CertEcdsa { bits: 384 },
        ("cert-ecdsa", 224 | 521) => {
            not_served(&size_path, &is, sink);
            return None;
        }
        ("cert-ecdsa", _) => {
            sink.fault(&size_path, is, "write 256 or 384");
            return None;
        }
        ("cert-ed25519", 0) => SecretKind::CertEd25519,
        ("cert-ed25519", _) => {
            sink.fault(&size_path, is, "take it out: Ed25519 keys have one size");
            return None;
        }
        ("cert-rsa" | "plain", _) => {
            not_served(&fields.path("Type"), &format!("is {}", quoted(text)), sink);
            return None;
        }
        _ => {
            let remedy = suggest::remedy(text, TYPES).unwrap_or_default();
            sink.fault(&fields.path("Type"), format!("is {}", quoted(text)), remedy);
            return None;
        }
    };
    Some(kind)
}

/// `ValidFor`, where 0 is the default.
fn valid_for_days(fields: &Fields<'_>, sink: &mut Sink) -> u32 {
    let days = fields.number("ValidFor", VALID_FOR_DAYS_MAX, sink);
    match days.and_then(|days| u32::try_from(days).ok()) {
        None | Some(0) => VALID_FOR_DAYS_DEFAULT,
        Some(days) => days,
    }
}

impl CertificateTemplate {
    fn read(&mut self, value: &Value, path: &Path, sink: &mut Sink) {
        if let Value::Text(text) = value {
            // MarbleRun also takes the DER of a whole certificate here.
            if !text.is_empty() {
                not_served(path, "is a certificate in base64", sink);
            }
            return;
        }
        let fields = Fields::open(value, path, &CERT_SERVED, &CERT_LATER, sink);
        if let Some(subject) = fields.value("Subject") {
            let subject = Fields::open(
                subject,
                &fields.path("Subject"),
                &SUBJECT_SERVED,
                &SUBJECT_LATER,
                sink,
            );
            self.common_name = subject.text("CommonName", sink).map(str::to_owned);
            let organization = subject.texts("Organization", LIST_MAX, sink);
            self.organization = organization
                .iter()
                .map(|(text, _)| (*text).to_owned())
                .collect();
        }
        for (name, path) in fields.texts("DNSNames", LIST_MAX, sink) {
            match names::dns(name) {
                Ok(()) => self.dns_names.push(name.to_owned()),
                Err((cause, remedy)) => {
                    sink.fault(&path, format!("is {}: {cause}", quoted(name)), remedy)
                }
            }
        }
        for (text, path) in fields.texts("IPAddresses", LIST_MAX, sink) {
            match text.parse() {
                Ok(address) => self.ip_addresses.push(address),
                Err(_) => sink.fault(&path, format!("is {}", quoted(text)), "write an IP address"),
            }
        }
    }
}
