//! Certificates of the vendors' chains: DER to [`Certificate`], and the check of one link.
//!
//! Sources: RFC 5280, section 4; Intel SGX PCK Certificate and CRL Profile Specification, 1.3 to 1.5; AMD 57230. Chains have a
//! fixed shape, so there is no path building: each certificate stands at a known place and is checked against its issuer.
//! Does not live here: the vendors' own extensions (`pck`, `vek`), revocation lists (`crl`), dates (judged at each use, in `verify`).

use std::collections::BTreeMap;

use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate, X509Name};
use x509_parser::x509::AlgorithmIdentifier;
use x509_parser::{der_parser::oid, oid_registry};

use crate::dates::{Window, unix_time};
use crate::der::tlv;
use crate::invalid::{Invalid, Role};
use crate::signatures::{Algorithm, Key, Signatures};

/// What a certificate may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct KeyUsage {
    pub(crate) digital_signature: bool,
    pub(crate) cert_sign: bool,
    pub(crate) crl_sign: bool,
}

/// One certificate, read; its signature is checked by [`Certificate::check_issued_by`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) role: Role,
    pub(crate) der: Vec<u8>,
    tbs: Vec<u8>,
    signature: Vec<u8>,
    /// Without leading zeros.
    pub(crate) serial: Vec<u8>,
    /// DER of the name.
    pub(crate) subject: Vec<u8>,
    /// DER of the name.
    pub(crate) issuer: Vec<u8>,
    pub(crate) common_name: String,
    pub(crate) issuer_common_name: String,
    pub(crate) window: Window,
    pub(crate) key: Key,
    pub(crate) is_ca: bool,
    pub(crate) path_len: Option<u32>,
    pub(crate) usage: KeyUsage,
    pub(crate) subject_key_id: Option<Vec<u8>>,
    pub(crate) authority_key_id: Option<Vec<u8>>,
    /// Contents of 1.2.840.113741.1.13.1.
    pub(crate) sgx_extension: Option<Vec<u8>>,
    /// Contents of the extensions under 1.3.6.1.4.1.3704.1, by the rest of their OID: `3.8`.
    pub(crate) amd_extensions: BTreeMap<String, Vec<u8>>,
}

/// AlgorithmIdentifier of ECDSA with SHA-256 (RFC 5758, 3.2): 1.2.840.10045.4.3.2 without parameters.
const ECDSA_SHA256_DER: [u8; 12] = [
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];
/// AlgorithmIdentifier of RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt of 48 bytes (RFC 4055, 3.1).
const RSA_PSS_SHA384_DER: [u8; 67] =
    *b"\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34\
\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\
\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\
\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\
\xa2\x03\x02\x01\x30";
/// The same with the default trailer field written out, as AMD's older certificates have it.
const RSA_PSS_SHA384_TRAILER_DER: [u8; 72] =
    *b"\x30\x46\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x39\
\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\
\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\
\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\
\xa2\x03\x02\x01\x30\xa3\x03\x02\x01\x01";

impl Certificate {
    pub(crate) fn parse(role: Role, der: &[u8]) -> Result<Self, Invalid> {
        let malformed = |cause: String| Invalid::CertificateMalformed { role, cause };
        let (rest, cert) = X509Certificate::from_der(der)
            .map_err(|cause| malformed(format!("is no certificate in DER: {cause}")))?;
        if !rest.is_empty() {
            return Err(malformed(format!(
                "has {} bytes behind its end",
                rest.len()
            )));
        }
        if cert.version().0 != 2 {
            return Err(malformed(format!(
                "is of X.509 version {}, wanted 3",
                cert.version().0 + 1
            )));
        }
        let profile = Profile::of(role);
        signature_algorithm(&cert.signature_algorithm, profile.signed).map_err(malformed)?;
        if cert.signature_algorithm != cert.tbs_certificate.signature {
            return Err(malformed(
                "names two different signature algorithms".to_owned(),
            ));
        }
        let signature = whole_bytes(&cert.signature_value).map_err(malformed)?;
        let tbs = cert.tbs_certificate.as_ref();
        check_outer(der, tbs, &signature, profile.signed).map_err(malformed)?;
        let key = Key::from_spki(cert.public_key().raw)
            .filter(|key| key.name() == profile.key)
            .ok_or_else(|| malformed(format!("has a public key that is not {}", profile.key)))?;
        let window = Window {
            from: time(cert.validity().not_before.timestamp()).map_err(malformed)?,
            until: time(cert.validity().not_after.timestamp()).map_err(malformed)?,
        };
        let extensions = Extensions::read(role, &cert).map_err(malformed)?;
        Ok(Self {
            role,
            tbs: cert.tbs_certificate.as_ref().to_vec(),
            signature,
            serial: serial(cert.raw_serial()),
            subject: cert.subject().as_raw().to_vec(),
            issuer: cert.issuer().as_raw().to_vec(),
            common_name: common_name(cert.subject()).map_err(malformed)?,
            issuer_common_name: common_name(cert.issuer()).map_err(malformed)?,
            window,
            key,
            is_ca: extensions.is_ca,
            path_len: extensions.path_len,
            usage: extensions.usage,
            subject_key_id: extensions.subject_key_id,
            authority_key_id: extensions.authority_key_id,
            sgx_extension: extensions.sgx,
            amd_extensions: extensions.amd,
            der: der.to_vec(),
        })
    }

    /// SHA-256 of the DER.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// Issuer's name, key id and signature. Dates and revocation are other checks.
    pub(crate) fn check_issued_by(
        &self,
        issuer: &Certificate,
        signatures: &mut Signatures<'_>,
    ) -> Result<(), Invalid> {
        if self.issuer != issuer.subject {
            return Err(self.differs("issuer", &issuer.common_name, &self.issuer_common_name));
        }
        if let (Some(wanted), Some(found)) = (&issuer.subject_key_id, &self.authority_key_id)
            && wanted != found
        {
            return Err(self.differs(
                "authority key id",
                &hex::encode(wanted),
                &hex::encode(found),
            ));
        }
        if signatures.check(&issuer.key, &self.tbs, &self.signature) {
            return Ok(());
        }
        Err(Invalid::CertificateSignature { role: self.role })
    }

    /// It holds at `now`.
    pub(crate) fn check_window(&self, now: UnixTime) -> Result<(), Invalid> {
        let (role, window) = (self.role, self.window);
        if window.begins_after(now) {
            return Err(Invalid::CertificateNotYetValid {
                role,
                from: window.from,
                now,
            });
        }
        if window.ended_before(now) {
            return Err(Invalid::CertificateExpired {
                role,
                until: window.until,
                now,
            });
        }
        Ok(())
    }

    /// A CA that signs certificates and revocation lists.
    pub(crate) fn check_is_ca(&self) -> Result<(), Invalid> {
        if !self.is_ca {
            return Err(self.differs("basic constraints", "CA", "no CA"));
        }
        if !(self.usage.cert_sign && self.usage.crl_sign) {
            return Err(self.differs(
                "key usage",
                "keyCertSign and cRLSign",
                &self.usage.to_string(),
            ));
        }
        Ok(())
    }

    /// A CA with path length 0: it signs certificates of leaves only.
    pub(crate) fn check_issues_leaves(&self) -> Result<(), Invalid> {
        if self.path_len == Some(0) {
            return Ok(());
        }
        let found = self
            .path_len
            .map_or("none".to_owned(), |len| len.to_string());
        Err(self.differs("path length", "0", &found))
    }

    /// A certificate that signs data and no certificates.
    pub(crate) fn check_is_leaf(&self) -> Result<(), Invalid> {
        if self.is_ca {
            return Err(self.differs("basic constraints", "no CA", "CA"));
        }
        if !self.usage.digital_signature || self.usage.cert_sign || self.usage.crl_sign {
            return Err(self.differs(
                "key usage",
                "digitalSignature, no keyCertSign, no cRLSign",
                &self.usage.to_string(),
            ));
        }
        Ok(())
    }

    pub(crate) fn check_common_name(&self, phrase: &str) -> Result<(), Invalid> {
        if self.common_name.contains(phrase) {
            return Ok(());
        }
        Err(self.differs(
            "common name",
            &format!("one with `{phrase}`"),
            &format!("`{}`", self.common_name),
        ))
    }

    pub(crate) fn differs(&self, field: &'static str, wanted: &str, found: &str) -> Invalid {
        Invalid::CertificateProfile {
            role: self.role,
            field,
            wanted: wanted.to_owned(),
            found: found.to_owned(),
        }
    }
}

impl core::fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names: Vec<&str> = [
            (self.digital_signature, "digitalSignature"),
            (self.cert_sign, "keyCertSign"),
            (self.crl_sign, "cRLSign"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect();
        f.write_str(if names.is_empty() {
            "none of these"
        } else {
            ""
        })?;
        f.write_str(&names.join(", "))
    }
}

/// What a certificate at a place is signed with, and what key it has.
struct Profile {
    signed: Algorithm,
    key: &'static str,
}

impl Profile {
    fn of(role: Role) -> Self {
        let (signed, key) = match role {
            Role::Ark | Role::Ask => (Algorithm::RsaPssSha384, "RSA of 4096 bits"),
            Role::Vek => (Algorithm::RsaPssSha384, "P-384"),
            _ => (Algorithm::EcdsaP256Sha256, "P-256"),
        };
        Self { signed, key }
    }
}

/// The one algorithm that the place allows (RFC 5758, 3.2: no parameters; RFC 4055: [`check_outer`] has their bytes).
pub(crate) fn signature_algorithm(
    found: &AlgorithmIdentifier<'_>,
    wanted: Algorithm,
) -> Result<(), String> {
    let fits = match wanted {
        Algorithm::RsaPssSha384 => found.algorithm == oid_registry::OID_PKCS1_RSASSAPSS,
        _ => {
            found.algorithm == oid_registry::OID_SIG_ECDSA_WITH_SHA256 && found.parameters.is_none()
        }
    };
    if fits {
        return Ok(());
    }
    let wanted = match wanted {
        Algorithm::RsaPssSha384 => "1.2.840.113549.1.1.10 (RSASSA-PSS with SHA-384)",
        _ => "1.2.840.10045.4.3.2 (ECDSA with SHA-256, no parameters)",
    };
    Err(format!(
        "is signed with algorithm {}, wanted {wanted}",
        found.algorithm
    ))
}

/// What stands around the signed part is not signed: it must be its one encoding in DER (X.690, 10), so that nobody can
/// change a byte of it. Parameters are compared here, too: what is inside was compared with what is outside before.
pub(crate) fn check_outer(
    der: &[u8],
    signed: &[u8],
    signature: &[u8],
    algorithm: Algorithm,
) -> Result<(), String> {
    let known: &[&[u8]] = match algorithm {
        Algorithm::RsaPssSha384 => &[&RSA_PSS_SHA384_DER, &RSA_PSS_SHA384_TRAILER_DER],
        _ => &[&ECDSA_SHA256_DER],
    };
    let bits = tlv(0x03, &[&[0], signature].concat());
    let fits = |id: &&[u8]| tlv(0x30, &[signed, id, &bits].concat()) == der;
    if known.iter().any(fits) {
        return Ok(());
    }
    Err("has an outer structure that is not in DER".to_owned())
}

pub(crate) fn whole_bytes(bits: &x509_parser::asn1_rs::BitString<'_>) -> Result<Vec<u8>, String> {
    if bits.unused_bits != 0 {
        return Err(format!(
            "has a signature with {} unused bits",
            bits.unused_bits
        ));
    }
    Ok(bits.data.to_vec())
}

/// A serial number without the zeros in front, so that two encodings of one number are equal.
pub(crate) fn serial(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    bytes[first..].to_vec()
}

pub(crate) fn time(secs: i64) -> Result<UnixTime, String> {
    unix_time(secs).ok_or_else(|| format!("has a date {} s before 1970", secs.unsigned_abs()))
}

/// The only common name of a name; empty if it has none.
pub(crate) fn common_name(name: &X509Name<'_>) -> Result<String, String> {
    let mut names = name.iter_common_name();
    let Some(first) = names.next() else {
        return Ok(String::new());
    };
    if names.next().is_some() {
        return Err("has a name with two common names".to_owned());
    }
    first
        .as_str()
        .map(str::to_owned)
        .map_err(|cause| format!("has a common name that is no text: {cause}"))
}

/// What is taken from the extensions; unknown critical ones and duplicates are refused (RFC 5280, 4.2). A vendor's own are
/// known in the certificates that the vendor puts them into.
#[derive(Default)]
struct Extensions {
    is_ca: bool,
    path_len: Option<u32>,
    usage: KeyUsage,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    sgx: Option<Vec<u8>>,
    amd: BTreeMap<String, Vec<u8>>,
}

/// Where AMD's extensions stand.
const AMD_ARC: &str = "1.3.6.1.4.1.3704.1.";

impl Extensions {
    fn read(role: Role, cert: &X509Certificate<'_>) -> Result<Self, String> {
        let mut seen = Vec::new();
        let mut read = Self::default();
        for extension in cert.extensions() {
            if seen.contains(&&extension.oid) {
                return Err(format!("has extension {} twice", extension.oid));
            }
            seen.push(&extension.oid);
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(constraints) => {
                    read.is_ca = constraints.ca;
                    read.path_len = constraints.path_len_constraint;
                }
                ParsedExtension::KeyUsage(usage) => {
                    read.usage = KeyUsage {
                        digital_signature: usage.digital_signature(),
                        cert_sign: usage.key_cert_sign(),
                        crl_sign: usage.crl_sign(),
                    };
                }
                ParsedExtension::SubjectKeyIdentifier(id) => {
                    read.subject_key_id = Some(id.0.to_vec())
                }
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    read.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::CRLDistributionPoints(_) => {}
                ParsedExtension::ParseError { error } => {
                    return Err(format!(
                        "has extension {} that can't be read: {error}",
                        extension.oid
                    ));
                }
                _ => {
                    let amd = extension.oid.to_id_string();
                    let amd = amd.strip_prefix(AMD_ARC);
                    let value = || extension.value.to_vec();
                    match (role, amd) {
                        (Role::Pck, _) if extension.oid == oid!(1.2.840.113741.1.13.1) => {
                            read.sgx = Some(value());
                        }
                        (Role::Vek, Some(rest)) => {
                            read.amd.insert(rest.to_owned(), value());
                        }
                        _ if extension.critical => {
                            return Err(format!(
                                "has the unknown critical extension {}",
                                extension.oid
                            ));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(read)
    }
}
