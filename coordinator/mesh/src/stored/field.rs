//! Writing `LP` fields twice: once to measure, once for good; and the fields that events and snapshots share.
//!
//! Does not live here: reading `LP` (`stoa_attestation::lp`), the order of fields (`event`, `snapshot`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stoa_attestation::channel::limits::MARBLE_TYPE_BYTES_MAX;
use stoa_attestation::lp::Reader;
use stoa_attestation::{FLOOR_NUMBER_BYTES_MAX, Floors, Mark};
use stoa_manifest::Manifest;
use zeroize::Zeroizing;

use super::Damaged;
use crate::ca::Certified;
use crate::certificate::{CERTIFICATE_BYTES_MAX, Certificate};
use crate::keys::{KeyKind, KeyMaterial};
use crate::secret::{Secret, SecretValue};

/// Largest private key in bytes (PKCS #8; P-384 has 185).
const KEY_BYTES_MAX: usize = 16 * 1024;
/// Largest secret in bytes.
const SECRET_BYTES_MAX: usize = 64 * 1024;
/// Largest text in bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// Largest manifest in bytes that a journal may hold.
const MANIFEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most entries of a map.
const ENTRIES_MAX: u64 = 1 << 20;

const SECRET_SYMMETRIC: u8 = 1;
const SECRET_CERTIFICATE: u8 = 2;

/// Where fields go.
pub(super) trait Put {
    /// Takes bytes as they are.
    fn raw(&mut self, bytes: &[u8]);

    /// Takes the length in front of a field of `bytes` bytes that follows.
    fn length(&mut self, bytes: usize) {
        // No field reaches 4 GiB: what is stored was bounded when it was decided on, and reading it bounds it again.
        self.raw(&u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
    }

    fn field(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.raw(bytes);
    }

    fn u8(&mut self, number: u8) {
        self.field(&[number]);
    }

    fn u16(&mut self, number: u16) {
        self.field(&number.to_be_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.field(&number.to_be_bytes());
    }
}

impl Put for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts and keeps nothing.
#[derive(Debug, Default)]
pub(super) struct Measure(usize);

impl Measure {
    /// How many bytes would have been written.
    pub(super) fn bytes(&self) -> usize {
        self.0
    }
}

impl Put for Measure {
    fn raw(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// Takes a text of at most [`TEXT_BYTES_MAX`] bytes.
pub(super) fn text(reader: &mut Reader<'_>, what: &'static str) -> Result<String, Damaged> {
    let bytes = reader.field(what, TEXT_BYTES_MAX)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Damaged::Text { what })
}

/// Takes a marble's name.
pub(super) fn marble(reader: &mut Reader<'_>) -> Result<String, Damaged> {
    let bytes = reader.filled("marble", MARBLE_TYPE_BYTES_MAX)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Damaged::Text { what: "marble" })
}

/// Takes how many entries follow.
pub(super) fn count(reader: &mut Reader<'_>, what: &'static str) -> Result<u64, Damaged> {
    let got = reader.u64(what)?;
    if got > ENTRIES_MAX {
        return Err(Damaged::TooMany {
            what,
            got,
            limit: ENTRIES_MAX,
        });
    }
    Ok(got)
}

/// Takes a certificate.
pub(super) fn certificate(reader: &mut Reader<'_>) -> Result<Certificate, Damaged> {
    Ok(Certificate::from_der(
        reader.filled("certificate", CERTIFICATE_BYTES_MAX)?,
    )?)
}

pub(super) fn put_key(out: &mut dyn Put, key: &KeyMaterial) {
    out.u8(key.kind.number());
    out.field(&key.pkcs8);
    out.field(&key.spki);
}

fn key(reader: &mut Reader<'_>) -> Result<KeyMaterial, Damaged> {
    let number = reader.u8("kind of key")?;
    let kind = KeyKind::from_number(number).ok_or(Damaged::Unknown {
        what: "kind of key",
        got: u64::from(number),
    })?;
    let pkcs8 = Zeroizing::new(reader.filled("private key", KEY_BYTES_MAX)?.to_vec());
    let spki = reader.filled("public key", KEY_BYTES_MAX)?.to_vec();
    Ok(KeyMaterial { kind, pkcs8, spki })
}

pub(super) fn put_authority(out: &mut dyn Put, authority: &Certified) {
    out.field(authority.certificate().der());
    put_key(out, authority.key());
}

pub(super) fn authority(reader: &mut Reader<'_>) -> Result<Certified, Damaged> {
    let certificate = certificate(reader)?;
    Ok(Certified::new(certificate, key(reader)?))
}

/// `LP(epoch) LP(manifest)`.
pub(super) fn put_manifest(out: &mut dyn Put, epoch: u64, manifest: &Manifest) {
    out.u64(epoch);
    out.field(manifest.bytes());
}

pub(super) fn manifest(reader: &mut Reader<'_>) -> Result<(u64, Arc<Manifest>), Damaged> {
    let epoch = reader.u64("epoch")?;
    Ok((epoch, manifest_of(reader, epoch)?))
}

/// The bytes of a manifest alone; `epoch` is said of one that this version refuses.
pub(super) fn manifest_of(reader: &mut Reader<'_>, epoch: u64) -> Result<Arc<Manifest>, Damaged> {
    let bytes = reader.filled("manifest", MANIFEST_BYTES_MAX)?;
    let manifest = Manifest::parse(bytes).map_err(|faults| Damaged::Manifest { epoch, faults })?;
    Ok(Arc::new(manifest))
}

/// `LP(count)`, then for each `LP(name) LP(kind) ..`.
pub(super) fn put_secrets(out: &mut dyn Put, secrets: &BTreeMap<String, Secret>) {
    out.u64(secrets.len() as u64);
    for (name, secret) in secrets {
        out.field(name.as_bytes());
        match secret {
            Secret::Symmetric(bytes) => {
                out.u8(SECRET_SYMMETRIC);
                out.field(bytes);
            }
            Secret::Certificate(certified) => {
                out.u8(SECRET_CERTIFICATE);
                put_authority(out, certified);
            }
        }
    }
}

pub(super) fn secrets(reader: &mut Reader<'_>) -> Result<BTreeMap<String, Secret>, Damaged> {
    (0..count(reader, "secrets")?)
        .map(|_| {
            let name = text(reader, "name of a secret")?;
            let secret = match reader.u8("kind of secret")? {
                SECRET_SYMMETRIC => Secret::Symmetric(Zeroizing::new(
                    reader.filled("secret", SECRET_BYTES_MAX)?.to_vec(),
                )),
                SECRET_CERTIFICATE => Secret::Certificate(authority(reader)?),
                kind => {
                    return Err(Damaged::Unknown {
                        what: "kind of secret",
                        got: u64::from(kind),
                    });
                }
            };
            Ok((name, secret))
        })
        .collect()
}

/// `LP(count)`, then for each `LP(name) LP(kind) ..`: the bytes, or certificate, SPKI and private key or nothing.
pub(super) fn put_values(out: &mut dyn Put, values: &BTreeMap<String, SecretValue>) {
    out.u64(values.len() as u64);
    for (name, value) in values {
        out.field(name.as_bytes());
        match value {
            SecretValue::Bytes(bytes) => {
                out.u8(SECRET_SYMMETRIC);
                out.field(bytes);
            }
            SecretValue::Certificate {
                certificate,
                spki,
                private,
            } => {
                out.u8(SECRET_CERTIFICATE);
                out.field(certificate);
                out.field(spki);
                out.field(private.as_ref().map_or(&[], |key| key.as_slice()));
            }
        }
    }
}

pub(super) fn values(reader: &mut Reader<'_>) -> Result<BTreeMap<String, SecretValue>, Damaged> {
    (0..count(reader, "secrets of users")?)
        .map(|_| {
            let name = text(reader, "name of a secret")?;
            Ok((name, value(reader)?))
        })
        .collect()
}

fn value(reader: &mut Reader<'_>) -> Result<SecretValue, Damaged> {
    match reader.u8("kind of secret")? {
        SECRET_SYMMETRIC => {
            let bytes = reader.filled("secret", SECRET_BYTES_MAX)?.to_vec();
            Ok(SecretValue::Bytes(Zeroizing::new(bytes)))
        }
        SECRET_CERTIFICATE => {
            let certificate = reader
                .filled("certificate", CERTIFICATE_BYTES_MAX)?
                .to_vec();
            let spki = reader.filled("public key", KEY_BYTES_MAX)?.to_vec();
            let private = reader.field("private key", KEY_BYTES_MAX)?;
            Ok(SecretValue::Certificate {
                certificate,
                spki,
                private: (!private.is_empty()).then(|| Zeroizing::new(private.to_vec())),
            })
        }
        kind => Err(Damaged::Unknown {
            what: "kind of secret",
            got: u64::from(kind),
        }),
    }
}

/// `LP(count)`, then each `LP(name)`, in order.
pub(super) fn put_names(out: &mut dyn Put, names: &BTreeSet<String>) {
    out.u64(names.len() as u64);
    for name in names {
        out.field(name.as_bytes());
    }
}

pub(super) fn names(reader: &mut Reader<'_>) -> Result<BTreeSet<String>, Damaged> {
    (0..count(reader, "names")?)
        .map(|_| text(reader, "name"))
        .collect()
}

/// `LP(count)`, then for each `LP(name) LP(number) LP(issued)`.
pub(super) fn put_floors(out: &mut dyn Put, floors: &Floors) {
    out.u64(floors.marks().count() as u64);
    for (name, mark) in floors.marks() {
        out.field(name.as_bytes());
        out.field(&mark.number);
        out.u64(mark.issued);
    }
}

pub(super) fn floors(reader: &mut Reader<'_>) -> Result<Floors, Damaged> {
    let marks = (0..count(reader, "objects of collateral")?)
        .map(|_| {
            let name = text(reader, "name of an object of collateral")?;
            let mark = Mark {
                number: reader
                    .field("number of an object of collateral", FLOOR_NUMBER_BYTES_MAX)?
                    .to_vec(),
                issued: reader.u64("date of an object of collateral")?,
            };
            Ok((name, mark))
        })
        .collect::<Result<Vec<_>, Damaged>>()?;
    Ok(Floors::kept(marks))
}
