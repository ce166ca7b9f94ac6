//! Certificate revocation lists: DER to [`Crl`], and whose list it is.
//!
//! Sources: RFC 5280, sections 5 and 6.3.3; Intel SGX PCK Certificate and CRL Profile Specification, 1.6; AMD 57230, 2. Lists are
//! whole and direct: delta lists, indirect lists and distribution points are critical extensions and refused as such.
//! Does not live here: dates (judged at each use, in `verify`).

use std::collections::BTreeSet;

use x509_parser::prelude::{CertificateRevocationList, FromDer, ParsedExtension};

use crate::dates::Window;
use crate::invalid::{CrlName, Invalid};
use crate::signatures::{Algorithm, Signatures};
use crate::x509::{
    Certificate, check_outer, common_name, serial, signature_algorithm, time, whole_bytes,
};

/// A revocation list whose issuer and signature were checked.
#[derive(Debug, Clone)]
pub(crate) struct Crl {
    name: CrlName,
    pub(crate) window: Window,
    /// CRL number, as its magnitude without leading zeros.
    pub(crate) number: Vec<u8>,
    revoked: BTreeSet<Vec<u8>>,
}

impl Crl {
    pub(crate) fn verify(
        name: CrlName,
        der: &[u8],
        issuer: &Certificate,
        signatures: &mut Signatures<'_>,
    ) -> Result<Self, Invalid> {
        let malformed = |cause: String| Invalid::CrlMalformed { crl: name, cause };
        let (rest, list) = CertificateRevocationList::from_der(der)
            .map_err(|cause| malformed(format!("is no revocation list in DER: {cause}")))?;
        if !rest.is_empty() {
            return Err(malformed(format!(
                "has {} bytes behind its end",
                rest.len()
            )));
        }
        if list.version().map(|version| version.0) != Some(1) {
            return Err(malformed("is not of version 2".to_owned()));
        }
        let algorithm = match name {
            CrlName::Ark => Algorithm::RsaPssSha384,
            CrlName::Root | CrlName::Pck => Algorithm::EcdsaP256Sha256,
        };
        signature_algorithm(&list.signature_algorithm, algorithm).map_err(malformed)?;
        if list.signature_algorithm != list.tbs_cert_list.signature {
            return Err(malformed(
                "names two different signature algorithms".to_owned(),
            ));
        }
        let extensions = Extensions::read(&list).map_err(malformed)?;
        if list.issuer().as_raw() != issuer.subject {
            return Err(Invalid::CrlIssuer {
                crl: name,
                wanted: issuer.common_name.clone(),
                found: common_name(list.issuer()).map_err(malformed)?,
            });
        }
        let signature = whole_bytes(&list.signature_value).map_err(malformed)?;
        let tbs = list.tbs_cert_list.as_ref();
        check_outer(der, tbs, &signature, algorithm).map_err(malformed)?;
        if !signatures.check(&issuer.key, tbs, &signature) {
            return Err(Invalid::CrlSignature { crl: name });
        }
        if issuer.subject_key_id.as_deref() != Some(&extensions.authority_key_id) {
            return Err(Invalid::CrlIssuer {
                crl: name,
                wanted: format!(
                    "key {}",
                    issuer
                        .subject_key_id
                        .as_deref()
                        .map_or("without id".to_owned(), hex::encode)
                ),
                found: format!("key {}", hex::encode(&extensions.authority_key_id)),
            });
        }
        let until = list
            .next_update()
            .ok_or_else(|| malformed("has no nextUpdate".to_owned()))?;
        Ok(Self {
            name,
            window: Window {
                from: time(list.last_update().timestamp()).map_err(malformed)?,
                until: time(until.timestamp()).map_err(malformed)?,
            },
            number: extensions.number,
            revoked: revoked(&list).map_err(malformed)?,
        })
    }

    /// Whatever the reason in the entry, a certificate that is listed is revoked.
    pub(crate) fn check_not_revoked(&self, certificate: &Certificate) -> Result<(), Invalid> {
        if !self.revoked.contains(&certificate.serial) {
            return Ok(());
        }
        Err(Invalid::Revoked {
            role: certificate.role,
            serial: hex::encode(&certificate.serial),
            crl: self.name,
        })
    }
}

struct Extensions {
    authority_key_id: Vec<u8>,
    number: Vec<u8>,
}

impl Extensions {
    fn read(list: &CertificateRevocationList<'_>) -> Result<Self, String> {
        let (mut key_id, mut number, mut seen) = (None, None, Vec::new());
        for extension in list.extensions() {
            if seen.contains(&&extension.oid) {
                return Err(format!("has extension {} twice", extension.oid));
            }
            seen.push(&extension.oid);
            match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::CRLNumber(found) => number = Some(serial(&found.to_bytes_be())),
                ParsedExtension::ParseError { error } => {
                    return Err(format!(
                        "has extension {} that can't be read: {error}",
                        extension.oid
                    ));
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
        Ok(Self {
            authority_key_id: key_id.ok_or("has no authority key id")?,
            number: number.ok_or("has no CRL number")?,
        })
    }
}

fn revoked(list: &CertificateRevocationList<'_>) -> Result<BTreeSet<Vec<u8>>, String> {
    let mut serials = BTreeSet::new();
    for entry in list.iter_revoked_certificates() {
        let unknown = entry.extensions().iter().find(|ext| {
            ext.critical && !matches!(ext.parsed_extension(), ParsedExtension::ReasonCode(_))
        });
        if let Some(extension) = unknown {
            return Err(format!(
                "has an entry with the unknown critical extension {}",
                extension.oid
            ));
        }
        serials.insert(serial(entry.raw_serial()));
    }
    Ok(serials)
}
