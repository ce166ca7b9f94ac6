//! A whole made-up world under made-up keys: PKI, revocation lists, TCB info, QE identity, quote. Every part is a plain
//! value that a test changes before it is written and signed, so what it gives is well signed and wrong in one place.
//!
//! Independent of the code under test, and of the synthetic TEE: nothing of either is used to write.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stoa_attestation::{
    Anchor, Claims, Collateral, Evidence, Expected, Invalid, Kind, NoMemo, Trust, Verified,
};

use super::der::{
    OID_AKI, OID_BASIC, OID_CRL_NUMBER, OID_SGX, OID_SKI, bits, ecdsa_sha256, extension, integer,
    key_usage, name, octets, oid, seq, spki, time, tlv,
};
use super::{ALGORITHMS, Vector};

/// 2025-06-22T10:32:27Z, the time of most vectors.
pub const NOW: u64 = 1_750_588_347;
pub const DAY: u64 = 86_400;

pub const DIGITAL_SIGNATURE: u8 = 0x80;
pub const CERT_AND_CRL_SIGN: u8 = 0x06;

/// Keys by number: the same number is the same key, for ever.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyNumber(pub u8);

pub const ROOT: KeyNumber = KeyNumber(1);
pub const PCK_CA: KeyNumber = KeyNumber(2);
pub const PCK: KeyNumber = KeyNumber(3);
pub const TCB_SIGNER: KeyNumber = KeyNumber(4);
pub const ATTESTATION: KeyNumber = KeyNumber(5);
pub const OTHER: KeyNumber = KeyNumber(6);

impl KeyNumber {
    fn key(self) -> SigningKey {
        SigningKey::from_slice(&[self.0; 32]).unwrap()
    }

    pub fn point(self) -> [u8; 65] {
        let key = self.key();
        let point = key.verifying_key().to_sec1_point(false);
        point.as_bytes().try_into().unwrap()
    }

    pub fn id(self) -> Vec<u8> {
        Sha256::digest(self.point())[..20].to_vec()
    }

    pub fn sign_der(self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key().sign(message);
        signature.to_der().as_bytes().to_vec()
    }

    pub fn sign_raw(self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key().sign(message);
        signature.to_bytes().to_vec()
    }
}

#[derive(Clone)]
pub struct Cert {
    pub version: u8,
    pub serial: Vec<u8>,
    pub subject: String,
    pub issuer: String,
    pub from: u64,
    pub until: u64,
    pub key: KeyNumber,
    pub signer: KeyNumber,
    pub issuer_id: Vec<u8>,
    /// `None`: no CA. `Some(None)`: a CA without path length.
    pub ca: Option<Option<u8>>,
    pub usage: u8,
    pub sgx: Option<Vec<u8>>,
    /// Whole extensions, appended.
    pub more: Vec<Vec<u8>>,
    /// Overrides the algorithm inside the signed part.
    pub inner_algorithm: Vec<u8>,
    pub outer_algorithm: Vec<u8>,
    pub behind: Vec<u8>,
    pub spki: Vec<u8>,
}

impl Cert {
    fn new(serial: u8, subject: &str, key: KeyNumber, issuer: &str, signer: KeyNumber) -> Self {
        Self {
            version: 2,
            serial: vec![0x80, serial],
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            from: NOW - 400 * DAY,
            until: NOW + 400 * DAY,
            key,
            signer,
            issuer_id: signer.id(),
            ca: None,
            usage: DIGITAL_SIGNATURE,
            sgx: None,
            more: Vec::new(),
            inner_algorithm: ecdsa_sha256(),
            outer_algorithm: ecdsa_sha256(),
            behind: Vec::new(),
            spki: spki(&key.point()),
        }
    }

    fn authority(mut self, path_len: Option<u8>) -> Self {
        self.ca = Some(path_len);
        self.usage = CERT_AND_CRL_SIGN;
        self
    }

    pub fn der(&self) -> Vec<u8> {
        let basic = match self.ca {
            None => seq(&[]),
            Some(None) => seq(&[tlv(0x01, &[0xff])]),
            Some(Some(len)) => seq(&[tlv(0x01, &[0xff]), integer(&[len])]),
        };
        let mut extensions = vec![
            extension(OID_AKI, false, &seq(&[tlv(0x80, &self.issuer_id)])),
            extension(OID_SKI, false, &octets(&self.key.id())),
            key_usage(self.usage),
            extension(OID_BASIC, true, &basic),
        ];
        extensions.extend(self.sgx.as_ref().map(|sgx| extension(OID_SGX, false, sgx)));
        extensions.extend(self.more.clone());
        let tbs = seq(&[
            tlv(0xa0, &integer(&[self.version])),
            integer(&self.serial),
            self.inner_algorithm.clone(),
            name(&self.issuer),
            seq(&[time(self.from), time(self.until)]),
            name(&self.subject),
            self.spki.clone(),
            tlv(0xa3, &seq(&extensions)),
        ]);
        let signature = bits(&self.signer.sign_der(&tbs));
        [
            seq(&[tbs, self.outer_algorithm.clone(), signature]),
            self.behind.clone(),
        ]
        .concat()
    }

    pub fn pem(&self) -> String {
        pem(&self.der())
    }
}

pub fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

#[derive(Clone)]
pub struct List {
    pub issuer: String,
    pub signer: KeyNumber,
    pub issuer_id: Option<Vec<u8>>,
    pub number: Option<Vec<u8>>,
    pub from: u64,
    pub until: Option<u64>,
    /// Serial, and whole entry extensions.
    pub revoked: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    pub more: Vec<Vec<u8>>,
    pub version: Option<u8>,
    pub outer_algorithm: Vec<u8>,
    pub behind: Vec<u8>,
}

impl List {
    fn new(issuer: &str, signer: KeyNumber) -> Self {
        Self {
            issuer: issuer.to_owned(),
            signer,
            issuer_id: Some(signer.id()),
            number: Some(vec![1]),
            from: NOW - DAY,
            until: Some(NOW + 30 * DAY),
            revoked: vec![(vec![0x77], Vec::new())],
            more: Vec::new(),
            version: Some(1),
            outer_algorithm: ecdsa_sha256(),
            behind: Vec::new(),
        }
    }

    pub fn der(&self) -> Vec<u8> {
        let mut tbs: Vec<Vec<u8>> = self
            .version
            .iter()
            .map(|version| integer(&[*version]))
            .collect();
        tbs.extend([ecdsa_sha256(), name(&self.issuer), time(self.from)]);
        tbs.extend(self.until.map(time));
        let entries: Vec<Vec<u8>> = self
            .revoked
            .iter()
            .map(|(serial, extensions)| {
                let mut entry = vec![integer(serial), time(NOW - 2 * DAY)];
                if !extensions.is_empty() {
                    entry.push(seq(extensions));
                }
                seq(&entry)
            })
            .collect();
        if !entries.is_empty() {
            tbs.push(seq(&entries));
        }
        let mut extensions = Vec::new();
        extensions.extend(
            self.number
                .as_ref()
                .map(|number| extension(OID_CRL_NUMBER, false, &integer(number))),
        );
        let id = self.issuer_id.as_ref();
        extensions.extend(id.map(|id| extension(OID_AKI, false, &seq(&[tlv(0x80, id)]))));
        extensions.extend(self.more.clone());
        tbs.push(tlv(0xa0, &seq(&extensions)));
        let tbs = seq(&tbs);
        let signature = bits(&self.signer.sign_der(&tbs));
        [
            seq(&[tbs, self.outer_algorithm.clone(), signature]),
            self.behind.clone(),
        ]
        .concat()
    }
}

/// The SGX extension of a PCK certificate.
#[derive(Clone)]
pub struct Sgx {
    pub components: [u8; 16],
    pub cpu_svn: [u8; 16],
    pub pce_svn: u8,
    pub pceid: [u8; 2],
    pub fmspc: [u8; 6],
    pub platform_ca: bool,
}

impl Sgx {
    pub fn der(&self) -> Vec<u8> {
        let element = |path: &[u8], value: Vec<u8>| seq(&[oid(&[OID_SGX, path].concat()), value]);
        let mut tcb: Vec<Vec<u8>> = (1u8..=16)
            .map(|n| element(&[2, n], integer(&[self.components[usize::from(n) - 1]])))
            .collect();
        tcb.push(element(&[2, 17], integer(&[self.pce_svn])));
        tcb.push(element(&[2, 18], octets(&self.cpu_svn)));
        let mut parts = vec![
            element(&[1], octets(&[0xaa; 16])),
            element(&[2], seq(&tcb)),
            element(&[3], octets(&self.pceid)),
            element(&[4], octets(&self.fmspc)),
            element(&[5], tlv(0x0a, &[1])),
        ];
        if self.platform_ca {
            parts.push(element(&[6], octets(&[0xbb; 16])));
            let flags = [1, 2, 3].map(|n| element(&[7, n], tlv(0x01, &[0xff])));
            parts.push(element(&[7], seq(&flags)));
        }
        seq(&parts)
    }
}

/// A report of an enclave, field by field.
#[derive(Clone)]
pub struct Report(pub [u8; 384]);

impl Report {
    pub fn new(mr_signer: u8, prod_id: u16, svn: u16) -> Self {
        let mut report = [0; 384];
        report[..16].copy_from_slice(&[2; 16]);
        report[48] = 0x05;
        report[64..96].copy_from_slice(&[0x11; 32]);
        report[128..160].copy_from_slice(&[mr_signer; 32]);
        report[256..258].copy_from_slice(&prod_id.to_le_bytes());
        report[258..260].copy_from_slice(&svn.to_le_bytes());
        Self(report)
    }
}

#[derive(Clone)]
pub struct World {
    pub kind: Kind,
    pub now: u64,
    pub root: Cert,
    pub pck_ca: Cert,
    pub pck: Cert,
    pub tcb_signer: Cert,
    pub qe_signer: Cert,
    /// The CA in `pck_crl_issuer_chain`.
    pub crl_ca: Cert,
    pub root_crl: List,
    pub pck_crl: List,
    pub tcb_info: Value,
    pub tcb_info_key: KeyNumber,
    pub qe_identity: Value,
    pub qe_identity_key: KeyNumber,
    pub sgx: Sgx,
    pub version: u16,
    pub body_type: u16,
    /// The enclave's or the TD's report.
    pub body: Vec<u8>,
    pub qe_report: Report,
    pub qe_auth_data: Vec<u8>,
    /// Replaces the last 32 bytes of the QE report's data.
    pub qe_report_data_tail: [u8; 32],
    pub qe_report_key: KeyNumber,
    pub quote_key: KeyNumber,
    /// Behind the signature data.
    pub behind: Vec<u8>,
    /// Roots under which the collateral and the evidence are verified.
    pub anchor: Cert,
}

pub const ROOT_NAME: &str = "Forged SGX Root CA";
pub const CA_NAME: &str = "Forged SGX PCK Platform CA";
pub const FMSPC: [u8; 6] = [0x90, 0xc0, 0x6f, 0, 0, 0];

impl World {
    pub fn sgx() -> Self {
        let mut body = Report::new(0x22, 7, 3).0;
        body[320..].copy_from_slice(&[0x33; 64]);
        let levels = json!([
            level(2, 11, None, "UpToDate"),
            level(1, 5, None, "OutOfDate")
        ]);
        let tcb_info = json!({
            "id": "SGX", "version": 3, "issueDate": utc(NOW - DAY), "nextUpdate": utc(NOW + 29 * DAY),
            "fmspc": hex::encode_upper(FMSPC), "pceId": "0000", "tcbType": 0, "tcbEvaluationDataNumber": 17,
            "tcbLevels": levels,
        });
        Self::new(Kind::SgxDcap, 3, 1, body.to_vec(), tcb_info, "QE", 0x8c, 1)
    }

    /// A TD of TDX 1.0 in a quote of version 4.
    pub fn tdx() -> Self {
        let mut body = vec![0; 584];
        body[..16].copy_from_slice(&tdx_svn(4, 1, 2));
        // SEPT_VE_DISABLE is bit 28.
        body[123] = 0x10;
        body[136..184].copy_from_slice(&[0x44; 48]);
        body[520..].copy_from_slice(&[0x33; 64]);
        let module = |isv_svn: u8, status: &str| json!({"tcb": {"isvsvn": isv_svn}, "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": status});
        let zeros = ["00".repeat(48), "00".repeat(8), "FF".repeat(8)];
        let tcb_info = json!({
            "id": "TDX", "version": 3, "issueDate": utc(NOW - DAY), "nextUpdate": utc(NOW + 29 * DAY),
            "fmspc": hex::encode_upper(FMSPC), "pceId": "0000", "tcbType": 0, "tcbEvaluationDataNumber": 17,
            "tdxModule": {"mrsigner": zeros[0], "attributes": zeros[1], "attributesMask": zeros[2]},
            "tdxModuleIdentities": [{
                "id": "TDX_01", "mrsigner": zeros[0], "attributes": zeros[1], "attributesMask": zeros[2],
                "tcbLevels": [module(4, "UpToDate"), module(2, "OutOfDate")],
            }],
            "tcbLevels": [
                level(2, 11, Some(tdx_svn(4, 0, 2)), "UpToDate"),
                level(1, 5, Some(tdx_svn(3, 0, 1)), "OutOfDate"),
            ],
        });
        Self::new(Kind::TdxDcap, 4, 2, body, tcb_info, "TD_QE", 0xdc, 2)
    }

    /// A TD of TDX 1.5 in a quote of version 5, whose module of now has these versions.
    pub fn tdx15(tee_tcb_svn2: [u8; 16]) -> Self {
        let mut world = Self::tdx();
        world.version = 5;
        world.body_type = 3;
        world.body.extend(tee_tcb_svn2);
        world.body.extend([0; 48]);
        world
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "private, and the two callers stand above"
    )]
    fn new(
        kind: Kind,
        version: u16,
        body_type: u16,
        body: Vec<u8>,
        tcb_info: Value,
        qe_id: &str,
        qe_signer: u8,
        qe_prod_id: u16,
    ) -> Self {
        let signer = Cert::new(4, "Forged SGX TCB Signing", TCB_SIGNER, ROOT_NAME, ROOT);
        let ca = Cert::new(2, CA_NAME, PCK_CA, ROOT_NAME, ROOT).authority(Some(0));
        let root = Cert::new(1, ROOT_NAME, ROOT, ROOT_NAME, ROOT).authority(Some(1));
        Self {
            kind,
            now: NOW,
            pck: Cert::new(3, "Forged SGX PCK Certificate", PCK, CA_NAME, PCK_CA),
            crl_ca: ca.clone(),
            pck_ca: ca,
            tcb_signer: signer.clone(),
            qe_signer: signer,
            root_crl: List::new(ROOT_NAME, ROOT),
            pck_crl: List::new(CA_NAME, PCK_CA),
            tcb_info,
            tcb_info_key: TCB_SIGNER,
            qe_identity: json!({
                "id": qe_id, "version": 2, "issueDate": utc(NOW - DAY), "nextUpdate": utc(NOW + 29 * DAY),
                "tcbEvaluationDataNumber": 18, "miscselect": "00000000", "miscselectMask": "FFFFFFFF",
                "attributes": "01000000000000000000000000000000", "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
                "mrsigner": hex::encode_upper([qe_signer; 32]), "isvprodid": qe_prod_id,
                "tcbLevels": [qe_level(4, "UpToDate"), qe_level(2, "OutOfDate")],
            }),
            qe_identity_key: TCB_SIGNER,
            sgx: Sgx {
                components: [2; 16],
                cpu_svn: [2; 16],
                pce_svn: 11,
                pceid: [0; 2],
                fmspc: FMSPC,
                platform_ca: true,
            },
            version,
            body_type,
            body,
            qe_report: Report::new(qe_signer, qe_prod_id, 4),
            qe_auth_data: (0..32).collect(),
            qe_report_data_tail: [0; 32],
            qe_report_key: PCK,
            quote_key: ATTESTATION,
            behind: Vec::new(),
            anchor: root.clone(),
            root,
        }
    }

    pub fn collateral(&self) -> Vec<u8> {
        let root = self.root.pem();
        let (tcb_info, qe_identity) = (self.tcb_info.to_string(), self.qe_identity.to_string());
        self.collateral_of(&root, &tcb_info, &qe_identity)
    }

    /// With the signed texts given as they are.
    pub fn collateral_of(&self, root: &str, tcb_info: &str, qe_identity: &str) -> Vec<u8> {
        json!({
            "pck_crl_issuer_chain": format!("{}{root}", self.crl_ca.pem()),
            "root_ca_crl": hex::encode(self.root_crl.der()),
            "pck_crl": hex::encode(self.pck_crl.der()),
            "tcb_info_issuer_chain": format!("{}{root}", self.tcb_signer.pem()),
            "tcb_info": tcb_info,
            "tcb_info_signature": hex::encode(self.tcb_info_key.sign_raw(tcb_info.as_bytes())),
            "qe_identity_issuer_chain": format!("{}{root}", self.qe_signer.pem()),
            "qe_identity": qe_identity,
            "qe_identity_signature": hex::encode(self.qe_identity_key.sign_raw(qe_identity.as_bytes())),
        })
        .to_string()
        .into_bytes()
    }

    pub fn chain(&self) -> String {
        let mut pck = self.pck.clone();
        pck.sgx = pck.sgx.or_else(|| Some(self.sgx.der()));
        format!("{}{}{}", pck.pem(), self.pck_ca.pem(), self.root.pem())
    }

    pub fn quote(&self) -> Vec<u8> {
        self.quote_with_chain(&self.chain())
    }

    pub fn quote_with_chain(&self, chain: &str) -> Vec<u8> {
        let mut signed = self.version.to_le_bytes().to_vec();
        signed.extend(2u16.to_le_bytes());
        signed.extend(
            if self.kind == Kind::SgxDcap {
                0u32
            } else {
                0x81
            }
            .to_le_bytes(),
        );
        signed.extend([0; 4]);
        signed.extend(hex::decode("939a7233f79c4ca9940a0db3957f0607").unwrap());
        signed.extend([0x55; 20]);
        if self.version == 5 {
            signed.extend(self.body_type.to_le_bytes());
            signed.extend((self.body.len() as u32).to_le_bytes());
        }
        signed.extend(&self.body);

        let attestation_key = &ATTESTATION.point()[1..];
        let mut qe_report = self.qe_report.0;
        let hash = Sha256::new()
            .chain_update(attestation_key)
            .chain_update(&self.qe_auth_data)
            .finalize();
        qe_report[320..352].copy_from_slice(&hash);
        qe_report[352..].copy_from_slice(&self.qe_report_data_tail);
        let mut qe = qe_report.to_vec();
        qe.extend(self.qe_report_key.sign_raw(&qe_report));
        qe.extend((self.qe_auth_data.len() as u16).to_le_bytes());
        qe.extend(&self.qe_auth_data);
        qe.extend(5u16.to_le_bytes());
        qe.extend((chain.len() as u32).to_le_bytes());
        qe.extend(chain.as_bytes());

        let mut data = self.quote_key.sign_raw(&signed);
        data.extend(attestation_key);
        if self.version > 3 {
            data.extend(6u16.to_le_bytes());
            data.extend((qe.len() as u32).to_le_bytes());
        }
        data.extend(qe);
        let len = (data.len() as u32).to_le_bytes();
        [signed, len.to_vec(), data, self.behind.clone()].concat()
    }

    pub fn report_data(&self) -> [u8; 64] {
        let at = if self.kind == Kind::SgxDcap { 320 } else { 520 };
        self.body[at..at + 64].try_into().unwrap()
    }

    pub fn verify(&self) -> Result<Verified<Claims>, Invalid> {
        self.verify_bytes(&self.quote(), &self.collateral())
    }

    pub fn verify_bytes(
        &self,
        quote: &[u8],
        collateral: &[u8],
    ) -> Result<Verified<Claims>, Invalid> {
        let anchors = [Anchor::insecure_from_pem(&self.anchor.pem())?];
        let trust = Trust {
            anchors: &anchors,
            algorithms: ALGORITHMS,
            seen: &NoMemo,
        };
        let evidence = Evidence::parse(self.kind, quote)?;
        let collateral = Collateral::parse(collateral)?.verify(&trust)?;
        let expected = Expected::as_given(self.report_data());
        evidence.verify(&expected, &trust, &collateral, super::time(self.now))
    }

    /// The same as a vector, for what works on vectors.
    pub fn vector(&self, name: &str) -> Vector {
        Vector {
            name: name.to_owned(),
            verdict: Value::Null,
            kind: self.kind,
            quote: self.quote(),
            collateral: self.collateral(),
            anchor_pem: self.anchor.pem(),
            now: self.now,
        }
    }
}

pub fn utc(secs: u64) -> String {
    stoa_attestation::Utc(super::time(secs)).to_string()
}

pub fn tdx_svn(isv_svn: u8, version: u8, microcode: u8) -> [u8; 16] {
    let mut svn = [0; 16];
    svn[..3].copy_from_slice(&[isv_svn, version, microcode]);
    svn
}

pub fn components(svns: &[u8; 16]) -> Value {
    svns.iter()
        .map(|svn| json!({"svn": svn, "category": "BIOS"}))
        .collect()
}

/// A level whose 16 SGX components are all `svn`.
pub fn level(svn: u8, pce_svn: u16, tdx: Option<[u8; 16]>, status: &str) -> Value {
    let mut tcb = json!({"sgxtcbcomponents": components(&[svn; 16]), "pcesvn": pce_svn});
    if let Some(tdx) = tdx {
        tcb["tdxtcbcomponents"] = components(&tdx);
    }
    let id = format!("INTEL-SA-{svn:05}");
    json!({"tcb": tcb, "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": status, "advisoryIDs": [id]})
}

pub fn qe_level(isv_svn: u16, status: &str) -> Value {
    json!({"tcb": {"isvsvn": isv_svn}, "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": status})
}
