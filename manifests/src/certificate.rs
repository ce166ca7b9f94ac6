//! `Secrets.<name>.Cert`: what the certificate of a secret says.
//!
//! Keys: Go's `x509.Certificate` in JSON (docs/reference/manifest.md). What only Go's reader makes something of must say
//! nothing; what would make a CA of it is never served.
//! Does not live here: issuing it (`mesh`).

use core::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::dates;
use crate::fault::{Path, Sink, quoted};
use crate::fields::{Fields, not_served};
use crate::json::{Number, Value};
use crate::keys::{CERTIFICATE, NAME, Serving};
use crate::limits::{LIST_MAX, SUBJECT_BYTES_MAX};
use crate::names;

/// A certificate secret is valid for a year unless the manifest says otherwise.
pub const VALID_FOR_DAYS_DEFAULT: u32 = 365;

/// What the certificate of a secret says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateTemplate {
    /// `Cert.Subject.CommonName`
    pub common_name: Option<String>,
    /// The rest of `Cert.Subject`, in the order of the format.
    pub attributes: Vec<(Attribute, String)>,
    /// `Cert.DNSNames`
    pub dns_names: Vec<String>,
    /// `Cert.IPAddresses`
    pub ip_addresses: Vec<IpAddr>,
    /// `Cert.KeyUsage`; empty is the default, digital signature.
    pub key_usages: Vec<KeyUsage>,
    /// `Cert.ExtKeyUsage`; empty is the default, server and client.
    pub extended_key_usages: Vec<ExtendedKeyUsage>,
    /// Days from now on, 1 to 3650.
    pub valid_for_days: u32,
    /// Its last second, Unix time, in the place of `valid_for_days`.
    pub not_after: Option<u64>,
}

/// An attribute of a subject beside its common name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// C
    Country,
    /// O
    Organization,
    /// OU
    OrganizationalUnit,
    /// L
    Locality,
    /// ST
    Province,
    /// 2.5.4.9
    StreetAddress,
    /// 2.5.4.17
    PostalCode,
    /// 2.5.4.5
    SerialNumber,
}

/// What a key may be used for (RFC 5280, 4.2.1.3), without what a CA does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUsage {
    /// Bit 0.
    DigitalSignature,
    /// Bit 1.
    ContentCommitment,
    /// Bit 2.
    KeyEncipherment,
    /// Bit 3.
    DataEncipherment,
    /// Bit 4.
    KeyAgreement,
}

/// What a certificate is for (RFC 5280, 4.2.1.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtendedKeyUsage {
    /// Anything.
    Any,
    /// A TLS server.
    ServerAuth,
    /// A TLS client.
    ClientAuth,
    /// Signing code.
    CodeSigning,
    /// Protecting mail.
    EmailProtection,
    /// Signing times.
    TimeStamping,
    /// Signing OCSP answers.
    OcspSigning,
}

impl Default for CertificateTemplate {
    fn default() -> Self {
        Self {
            common_name: None,
            attributes: Vec::new(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            key_usages: Vec::new(),
            extended_key_usages: Vec::new(),
            valid_for_days: VALID_FOR_DAYS_DEFAULT,
            not_after: None,
        }
    }
}

impl CertificateTemplate {
    pub(crate) fn read(&mut self, value: &Value, path: &Path, sink: &mut Sink) {
        if let Value::Text(text) = value {
            // MarbleRun also takes the DER of a whole certificate here.
            match STANDARD.decode(text) {
                Ok(der) if der.is_empty() => {}
                Ok(_) => not_served(path, "is a certificate in base64", sink),
                Err(error) => sink.fault(
                    path,
                    format!("is not base64: {error}"),
                    "write an object with Subject, DNSNames and IPAddresses",
                ),
            }
            return;
        }
        let fields = Fields::open(value, path, &CERTIFICATE, sink);
        self.subject(&fields.object("Subject", &NAME, sink), sink);
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
        self.key_usages = key_usages(&fields, sink);
        self.extended_key_usages = extended_key_usages(&fields, sink);
        self.not_after = dates::field(&fields, "NotAfter", sink);
        let later = CERTIFICATE.keys.iter();
        for key in later.filter(|key| key.serving == Serving::Later) {
            fields.shape(key, sink);
        }
    }

    fn subject(&mut self, subject: &Fields<'_>, sink: &mut Sink) {
        let fits = |text: &str| (1..=SUBJECT_BYTES_MAX).contains(&text.len());
        let common_name = subject.text("CommonName", sink);
        if let Some(name) = common_name.filter(|name| !fits(name)) {
            too_long(name, &subject.path("CommonName"), sink);
        }
        self.common_name = common_name.map(str::to_owned);
        for (attribute, key) in [
            (Attribute::Country, "Country"),
            (Attribute::Organization, "Organization"),
            (Attribute::OrganizationalUnit, "OrganizationalUnit"),
            (Attribute::Locality, "Locality"),
            (Attribute::Province, "Province"),
            (Attribute::StreetAddress, "StreetAddress"),
            (Attribute::PostalCode, "PostalCode"),
        ] {
            let texts = subject.texts(key, LIST_MAX, sink);
            if texts.len() > 1 {
                let what = format!("has {} entries, of which one could be kept", texts.len());
                not_served(&subject.path(key), &what, sink);
            }
            for (text, path) in texts {
                let letters = text.bytes().all(|byte| byte.is_ascii_uppercase());
                if attribute == Attribute::Country && !(text.len() == 2 && letters) {
                    let remedy = "write the two capitals of ISO 3166";
                    sink.fault(&path, format!("is {}", quoted(text)), remedy);
                } else if !fits(text) {
                    too_long(text, &path, sink);
                } else {
                    self.attributes.push((attribute, text.to_owned()));
                }
            }
        }
        if let Some(number) = subject.text("SerialNumber", sink) {
            let path = subject.path("SerialNumber");
            let printable =
                |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
            if !number.bytes().all(printable) {
                let remedy = "write letters, digits and '()+,-./:=?";
                sink.fault(&path, format!("is {}", quoted(number)), remedy);
            } else if !fits(number) {
                too_long(number, &path, sink);
            } else {
                let attribute = (Attribute::SerialNumber, number.to_owned());
                self.attributes.push(attribute);
            }
        }
    }
}

fn too_long(text: &str, path: &Path, sink: &mut Sink) {
    sink.fault(
        path,
        format!("has {} bytes", text.len()),
        format!("write 1 to {SUBJECT_BYTES_MAX}"),
    );
}

/// Go's bits.
fn key_usages(fields: &Fields<'_>, sink: &mut Sink) -> Vec<KeyUsage> {
    const BITS: [(u64, KeyUsage); 5] = [
        (1, KeyUsage::DigitalSignature),
        (2, KeyUsage::ContentCommitment),
        (4, KeyUsage::KeyEncipherment),
        (8, KeyUsage::DataEncipherment),
        (16, KeyUsage::KeyAgreement),
    ];
    const CA: u64 = 32 | 64;
    const ENCIPHER_ONLY: u64 = 128 | 256;
    const ALL: u64 = 511;
    let bits = fields.number("KeyUsage", ALL, sink).unwrap_or(0);
    let path = fields.path("KeyUsage");
    if bits & CA != 0 {
        let cause =
            format!("is {bits}: a secret that signs certificates or CRLs could stand for a marble");
        sink.fault(&path, cause, "take the bits 32 and 64 out");
    }
    if bits & ENCIPHER_ONLY != 0 {
        not_served(&path, &format!("is {bits} with the bits 128 or 256"), sink);
    }
    let set = BITS.into_iter().filter(|(bit, _)| bits & bit != 0);
    set.map(|(_, usage)| usage).collect()
}

/// Go's numbers.
fn extended_key_usages(fields: &Fields<'_>, sink: &mut Sink) -> Vec<ExtendedKeyUsage> {
    /// The last of Go's numbers.
    const KNOWN_MAX: u64 = 13;
    let path = fields.path("ExtKeyUsage");
    let list = match fields.value("ExtKeyUsage") {
        None => return Vec::new(),
        Some(Value::List(list)) if list.len() <= LIST_MAX => list,
        Some(other) => {
            let cause = format!("is {}", other.shown());
            sink.fault(&path, cause, "write a list of numbers, as [1, 2]");
            return Vec::new();
        }
    };
    let mut usages = Vec::new();
    for (at, value) in list.iter().enumerate() {
        usages.push(match value {
            Value::Number(Number::Natural(0)) => ExtendedKeyUsage::Any,
            Value::Number(Number::Natural(1)) => ExtendedKeyUsage::ServerAuth,
            Value::Number(Number::Natural(2)) => ExtendedKeyUsage::ClientAuth,
            Value::Number(Number::Natural(3)) => ExtendedKeyUsage::CodeSigning,
            Value::Number(Number::Natural(4)) => ExtendedKeyUsage::EmailProtection,
            Value::Number(Number::Natural(8)) => ExtendedKeyUsage::TimeStamping,
            Value::Number(Number::Natural(9)) => ExtendedKeyUsage::OcspSigning,
            Value::Number(Number::Natural(number)) if *number <= KNOWN_MAX => {
                not_served(&path.index(at), &format!("is {number}"), sink);
                continue;
            }
            other => {
                let cause = format!("is {}", other.shown());
                sink.fault(&path.index(at), cause, "write one of 0, 1, 2, 3, 4, 8, 9");
                continue;
            }
        });
    }
    usages
}
