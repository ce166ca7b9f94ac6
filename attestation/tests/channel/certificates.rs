//! Certificates of a mesh in DER, with every field a test's to choose.

use stoa_attestation::channel::{LEAF_RECEIPT_OID_DER, LeafReceipt};

use crate::world::Key;

/// What a certificate says.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) subject: &'static str,
    pub(crate) issuer: &'static str,
    pub(crate) spki: Vec<u8>,
    pub(crate) ca: bool,
    /// UTCTime, `YYMMDDHHMMSSZ`.
    pub(crate) from: &'static str,
    pub(crate) until: &'static str,
    pub(crate) receipt: Option<LeafReceipt>,
}

/// Signs it.
pub(crate) fn certificate(spec: &Spec, signer: &Key) -> Vec<u8> {
    let algorithm = der(0x30, &[hex::decode("06082a8648ce3d040302").unwrap()]); // ecdsa-with-SHA256
    let mut extensions = Vec::new();
    if spec.ca {
        let constraints = der(0x30, &[der(0x01, &[vec![0xff]])]);
        let oid = hex::decode("0603551d13").unwrap();
        extensions.push(der(
            0x30,
            &[oid, der(0x01, &[vec![0xff]]), der(0x04, &[constraints])],
        ));
    }
    if let Some(receipt) = &spec.receipt {
        extensions.push(der(
            0x30,
            &[
                LEAF_RECEIPT_OID_DER.to_vec(),
                der(0x04, &[receipt.extension_value()]),
            ],
        ));
    }
    let validity = der(
        0x30,
        &[spec.from, spec.until].map(|time| der(0x17, &[time.as_bytes().to_vec()])),
    );
    let mut tbs = vec![
        der(0xa0, &[der(0x02, &[vec![2]])]),
        der(0x02, &[vec![1]]),
        algorithm.clone(),
        name(spec.issuer),
        validity,
        name(spec.subject),
        spec.spki.clone(),
    ];
    if !extensions.is_empty() {
        tbs.push(der(0xa3, &[der(0x30, &extensions)]));
    }
    let tbs = der(0x30, &tbs);
    let signature = der(0x03, &[vec![0], signer.sign(&tbs)]);
    der(0x30, &[tbs, algorithm, signature])
}

fn name(common_name: &str) -> Vec<u8> {
    let oid = hex::decode("0603550403").unwrap();
    der(
        0x30,
        &[der(
            0x31,
            &[der(
                0x30,
                &[oid, der(0x0c, &[common_name.as_bytes().to_vec()])],
            )],
        )],
    )
}

fn der(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match length {
        [0, low @ 0..0x80] => vec![tag, low],
        [0, low] => vec![tag, 0x81, low],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header, content].concat()
}
