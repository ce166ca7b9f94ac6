//! The synthetic vendor of SNP: ARK and ASK (RSA of 4096 bits), the VCEKs of its chips, and its revocation list, as AMD's
//! key service has them.
//!
//! The two keys are random, not of the platform's seed: RSA keys can't be had from a seed without making them anew at each
//! start, which takes seconds. The platform's folder keeps them.
//! Source: AMD 57230, 2 and 3.1; RFC 5280; RFC 4055 (RSASSA-PSS).
//! Does not live here: the chip (`snp`), HTTP (`pccs`), files (`folder`).

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA384};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::date_time_ymd;
use rustls_pki_types::UnixTime;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::der::{bits, extension, integer, name, octets, oid, sequence, time, tlv};
use crate::knobs::Revoked;
use crate::pki::{date, serial_of_hash};
use crate::snp::Chip;

const ARK_NAME: &str = "ARK-Milan";
const ASK_NAME: &str = "SEV-Milan";
const VCEK_NAME: &str = "SEV-VCEK";
const PRODUCT_NAME: &str = "Milan-B0";
/// Whoever reads a certificate by eye sees it.
const ORGANISATION: &str = "Synthetic vendor of Stoa, not AMD";
const ARK_SERIAL: [u8; 3] = [1, 0, 0];
const ASK_SERIAL: [u8; 3] = [1, 0, 1];

const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const OID_MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
const OID_SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const OID_SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const OID_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const OID_BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const OID_CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const OID_AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
/// 1.3.6.1.4.1.3704.1.
const OID_AMD: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01];
/// keyCertSign and cRLSign, keyCertSign alone; digitalSignature (with the unused bits in front).
const USAGE_ARK: [u8; 2] = [1, 0x06];
const USAGE_ASK: [u8; 2] = [2, 0x04];
const USAGE_VCEK: [u8; 2] = [7, 0x80];
/// PSS salt, in bytes.
const SALT_LEN: u8 = 48;

/// No key could be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no RSA key of 4096 bits, or none that can be used")]
pub struct NoRsaKey;

/// ARK and ASK with their certificates.
pub struct SnpVendor {
    ark: RsaKey,
    ask: RsaKey,
    ark_der: Vec<u8>,
    ask_der: Vec<u8>,
}

/// What a folder keeps of a vendor: private keys (PKCS #8) and certificates (DER).
pub struct SnpVendorParts {
    /// PKCS #8.
    pub ark: Zeroizing<Vec<u8>>,
    /// PKCS #8.
    pub ask: Zeroizing<Vec<u8>>,
    /// Self-signed.
    pub ark_certificate: Vec<u8>,
    /// Issued by the ARK.
    pub ask_certificate: Vec<u8>,
}

impl SnpVendor {
    /// A new vendor. Takes seconds.
    ///
    /// # Errors
    /// [`NoRsaKey`].
    pub fn generate() -> Result<Self, NoRsaKey> {
        let key = || RsaKey::generate(KeySize::Rsa4096).map_err(|_| NoRsaKey);
        let (ark, ask) = (key()?, key()?);
        let authority = |subject, serial: &[u8], of: &RsaKey, usage, path_len: Option<u8>| {
            let mut constraints = vec![vec![0x01, 0x01, 0xff]];
            constraints.extend(path_len.map(|len| integer(&[len])));
            let extensions = [
                extension(OID_BASIC_CONSTRAINTS, true, &sequence(&constraints)),
                extension(OID_KEY_USAGE, true, &tlv(0x03, usage)),
                extension(OID_SUBJECT_KEY_ID, false, &octets(&key_id(of))),
            ];
            certificate(&ark, ARK_NAME, subject, serial, rsa_spki(of), &extensions)
        };
        let ark_der = authority(ARK_NAME, &ARK_SERIAL, &ark, &USAGE_ARK, None)?;
        let ask_der = authority(ASK_NAME, &ASK_SERIAL, &ask, &USAGE_ASK, Some(0))?;
        Ok(Self {
            ark_der,
            ask_der,
            ark,
            ask,
        })
    }

    /// A vendor that was kept.
    ///
    /// # Errors
    /// [`NoRsaKey`].
    pub fn from_parts(parts: SnpVendorParts) -> Result<Self, NoRsaKey> {
        let key = |pkcs8: &[u8]| RsaKey::from_pkcs8(pkcs8).map_err(|_| NoRsaKey);
        Ok(Self {
            ark: key(&parts.ark)?,
            ask: key(&parts.ask)?,
            ark_der: parts.ark_certificate,
            ask_der: parts.ask_certificate,
        })
    }

    /// What must be kept to have it again.
    ///
    /// # Errors
    /// [`NoRsaKey`].
    pub fn parts(&self) -> Result<SnpVendorParts, NoRsaKey> {
        let pkcs8 = |key: &RsaKey| {
            let der = key.as_der().map_err(|_| NoRsaKey)?;
            Ok(Zeroizing::new(der.as_ref().to_vec()))
        };
        Ok(SnpVendorParts {
            ark: pkcs8(&self.ark)?,
            ask: pkcs8(&self.ask)?,
            ark_certificate: self.ark_der.clone(),
            ask_certificate: self.ask_der.clone(),
        })
    }

    /// The ARK, PEM: what `--insecure-trust-root` takes.
    #[must_use]
    pub fn root_pem(&self) -> String {
        pem(&self.ark_der)
    }

    /// PEM, ASK then ARK, as the KDS answers it.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        pem(&self.ask_der) + &pem(&self.ark_der)
    }

    /// DER of the certificate of a chip's VCEK.
    pub(crate) fn vcek(&self, chip: &Chip) -> Vec<u8> {
        let number = |number: u8| integer(&[number]);
        let [boot_loader, tee, snp, microcode] = chip.tcb.0;
        let amd: [(&[u8], Vec<u8>); 11] = [
            (&[1], number(0)),
            (&[2], tlv(0x16, PRODUCT_NAME.as_bytes())),
            (&[3, 1], number(boot_loader)),
            (&[3, 2], number(tee)),
            (&[3, 4], number(0)),
            (&[3, 5], number(0)),
            (&[3, 6], number(0)),
            (&[3, 7], number(0)),
            (&[3, 3], number(snp)),
            (&[3, 8], number(microcode)),
            (&[4], chip.id.to_vec()),
        ];
        let mut extensions = vec![extension(OID_KEY_USAGE, true, &tlv(0x03, &USAGE_VCEK))];
        let amd = amd.iter();
        extensions
            .extend(amd.map(|(rest, value)| extension(&[OID_AMD, rest].concat(), false, value)));
        let spki = sequence(&[sequence(&[oid(OID_EC), oid(OID_P384)]), bits(chip.vcek())]);
        let (serial, issuer) = (vcek_serial(chip), ASK_NAME);
        certificate(&self.ask, issuer, VCEK_NAME, &serial, spki, &extensions)
            .expect("the key signed the chain already")
    }

    /// DER of the ARK's list, issued at `window.0`; the next is due at `window.1`.
    pub(crate) fn crl(
        &self,
        chip: &Chip,
        revoked: &[Revoked],
        window: (UnixTime, UnixTime),
    ) -> Vec<u8> {
        let issued = date(window.0.as_secs());
        let mut serials: Vec<Vec<u8>> = Vec::new();
        if revoked.contains(&Revoked::Ask) {
            serials.push(ASK_SERIAL.to_vec());
        }
        if revoked.contains(&Revoked::Vcek) {
            serials.push(vcek_serial(chip));
        }
        let rows: Vec<Vec<u8>> = serials
            .iter()
            .map(|serial| sequence(&[integer(serial), time(issued)]))
            .collect();
        let mut parts = vec![
            integer(&[1]),
            pss(),
            name(ARK_NAME, ORGANISATION),
            time(issued),
            time(date(window.1.as_secs())),
        ];
        // An empty list is left away (RFC 5280, 5.1.2.6).
        if !rows.is_empty() {
            parts.push(sequence(&rows));
        }
        let key_id = sequence(&[tlv(0x80, &key_id(&self.ark))]);
        // Rises with the issue date, as CRL numbers must (RFC 5280, 5.2.3).
        let number = integer(&window.0.as_secs().to_be_bytes());
        let extensions = [
            extension(OID_AUTHORITY_KEY_ID, false, &key_id),
            extension(OID_CRL_NUMBER, false, &number),
        ];
        parts.push(tlv(0xa0, &sequence(&extensions)));
        signed(sequence(&parts), &self.ark).expect("the key signed the chain already")
    }
}

impl fmt::Debug for SnpVendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnpVendor(<secret>)")
    }
}

fn certificate(
    signer: &RsaKey,
    issuer: &str,
    subject: &str,
    serial: &[u8],
    spki: Vec<u8>,
    extensions: &[Vec<u8>],
) -> Result<Vec<u8>, NoRsaKey> {
    // Fixed dates, so that a simulation may put `now` anywhere in between.
    let dates: [OffsetDateTime; 2] = [date_time_ymd(2018, 5, 21), date_time_ymd(2049, 12, 31)];
    let tbs = sequence(&[
        tlv(0xa0, &integer(&[2])),
        integer(serial),
        pss(),
        name(issuer, ORGANISATION),
        sequence(&dates.map(time)),
        name(subject, ORGANISATION),
        spki,
        tlv(0xa3, &sequence(extensions)),
    ]);
    signed(tbs, signer)
}

fn signed(tbs: Vec<u8>, signer: &RsaKey) -> Result<Vec<u8>, NoRsaKey> {
    let mut signature = vec![0; signer.public_modulus_len()];
    let random = SystemRandom::new();
    signer
        .sign(&RSA_PSS_SHA384, &random, &tbs, &mut signature)
        .map_err(|_| NoRsaKey)?;
    Ok(sequence(&[tbs, pss(), bits(&signature)]))
}

/// RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt of 48 bytes.
fn pss() -> Vec<u8> {
    let sha384 = sequence(&[oid(OID_SHA384), vec![0x05, 0x00]]);
    let parameters = [
        tlv(0xa0, &sha384),
        tlv(0xa1, &sequence(&[oid(OID_MGF1), sha384.clone()])),
        tlv(0xa2, &integer(&[SALT_LEN])),
    ];
    sequence(&[oid(OID_PSS), sequence(&parameters)])
}

fn rsa_spki(key: &RsaKey) -> Vec<u8> {
    let algorithm = sequence(&[oid(OID_RSA), vec![0x05, 0x00]]);
    sequence(&[algorithm, bits(key.public_key().as_ref())])
}

fn key_id(key: &RsaKey) -> Vec<u8> {
    Sha256::digest(key.public_key().as_ref())[..20].to_vec()
}

fn vcek_serial(chip: &Chip) -> Vec<u8> {
    serial_of_hash(&Sha256::digest(chip.vcek()).into())
}

fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: String = text
        .as_bytes()
        .chunks(64)
        .flat_map(|line| line.iter().map(|byte| char::from(*byte)).chain(['\n']))
        .collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}
