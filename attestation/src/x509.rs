//! Certificates of the DCAP chains: DER to [`Certificate`], and the check of one link.
//!
//! Sources: RFC 5280, section 4; Intel SGX PCK Certificate and CRL Profile Specification, 1.3 to 1.5. Chains have a
//! fixed shape, so there is no path building: each certificate stands at a known place and is checked against its issuer.
//! Does not live here: the SGX extension (`pck`), revocation lists (`crl`), dates (judged at each use, in `verify`).

use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate, X509Name};
use x509_parser::x509::AlgorithmIdentifier;
use x509_parser::{der_parser::oid, oid_registry};

use crate::dates::{Window, unix_time};
use crate::der::tlv;
use crate::invalid::{Invalid, Role};
use crate::signatures::{Key, Signatures};

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
}

/// AlgorithmIdentifier of ECDSA with SHA-256 (RFC 5758, 3.2): 1.2.840.10045.4.3.2 without parameters.
const ECDSA_SHA256_DER: [u8; 12] = [
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];

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
        signature_algorithm(&cert.signature_algorithm).map_err(malformed)?;
        if cert.signature_algorithm != cert.tbs_certificate.signature {
            return Err(malformed(
                "names two different signature algorithms".to_owned(),
            ));
        }
        let signature = whole_bytes(&cert.signature_value).map_err(malformed)?;
        check_outer(der, cert.tbs_certificate.as_ref(), &signature).map_err(malformed)?;
        let key = Key::from_spki(cert.public_key().raw)
            .ok_or_else(|| malformed("has a public key that is not on P-256".to_owned()))?;
        let window = Window {
            from: time(cert.validity().not_before.timestamp()).map_err(malformed)?,
            until: time(cert.validity().not_after.timestamp()).map_err(malformed)?,
        };
        let extensions = Extensions::read(&cert).map_err(malformed)?;
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

/// ECDSA with SHA-256 and nothing else (RFC 5758, 3.2: no parameters).
pub(crate) fn signature_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> Result<(), String> {
    if algorithm.algorithm == oid_registry::OID_SIG_ECDSA_WITH_SHA256
        && algorithm.parameters.is_none()
    {
        return Ok(());
    }
    Err(format!(
        "is signed with algorithm {}, wanted 1.2.840.10045.4.3.2 (ECDSA with SHA-256, no parameters)",
        algorithm.algorithm
    ))
}

/// What stands around the signed part is not signed: it must be its one encoding in DER (X.690, 10), so that nobody can
/// change a byte of it.
pub(crate) fn check_outer(der: &[u8], signed: &[u8], signature: &[u8]) -> Result<(), String> {
    let bits = tlv(0x03, &[&[0], signature].concat());
    if tlv(0x30, &[signed, &ECDSA_SHA256_DER, &bits].concat()) == der {
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

pub(crate) fn time(secs: i64) -> Result<rustls_pki_types::UnixTime, String> {
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

/// What is taken from the extensions; unknown critical ones and duplicates are refused (RFC 5280, 4.2).
#[derive(Default)]
struct Extensions {
    is_ca: bool,
    path_len: Option<u32>,
    usage: KeyUsage,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    sgx: Option<Vec<u8>>,
}

impl Extensions {
    fn read(cert: &X509Certificate<'_>) -> Result<Self, String> {
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
                _ if extension.oid == oid!(1.2.840.113741.1.13.1) => {
                    read.sgx = Some(extension.value.to_vec())
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
        Ok(read)
    }
}
