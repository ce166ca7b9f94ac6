//! SNP evidence and collateral under an ARK of the tests, to be changed in one place and signed again.

use std::fs;
use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PSS_SHA384,
};
use stoa_attestation::{
    Anchor, Claims, Collateral, Evidence, Expected, Invalid, Kind, NoMemo, Trust, Verified,
};

use super::der::{
    OID_AKI, OID_BASIC, OID_CRL_NUMBER, OID_SKI, bits, extension, integer, key_usage, name, octets,
    oid, seq, time as der_time, tlv,
};
use super::forge::pem;
use super::{ALGORITHMS, root, snp, time};

/// RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt of 48 bytes.
const PSS_HEX: &str = "304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130";
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.3.6.1.4.1.3704.1.
const AMD: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01];
const CERT_SIGN: u8 = 0x04;
const CRL_SIGN: u8 = 0x02;

/// Whose key signs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    Ark,
    Ask,
}

struct Keys {
    ark: RsaKey,
    ask: RsaKey,
    vek: EcdsaKeyPair,
    other: EcdsaKeyPair,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        ark: RsaKey::generate(KeySize::Rsa4096).unwrap(),
        ask: RsaKey::generate(KeySize::Rsa4096).unwrap(),
        vek: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
        other: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
    })
}

fn rsa(signer: Signer) -> &'static RsaKey {
    match signer {
        Signer::Ark => &keys().ark,
        Signer::Ask => &keys().ask,
    }
}

fn rsa_spki(signer: Signer) -> Vec<u8> {
    let key = bits(rsa(signer).public_key().as_ref());
    seq(&[seq(&[oid(RSA), vec![5, 0]]), key])
}

fn sign(signer: Signer, message: &[u8]) -> Vec<u8> {
    let key = rsa(signer);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PSS_SHA384,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .unwrap();
    signature
}

fn signed(tbs: Vec<u8>, signer: Signer) -> Vec<u8> {
    let signature = bits(&sign(signer, &tbs));
    seq(&[tbs, hex::decode(PSS_HEX).unwrap(), signature])
}

/// One certificate; everything of it can be changed.
#[derive(Clone)]
pub struct Cert {
    pub subject: String,
    pub issuer: String,
    pub signer: Signer,
    pub serial: Vec<u8>,
    pub from: u64,
    pub until: u64,
    pub spki: Vec<u8>,
    pub extensions: Vec<Vec<u8>>,
}

impl Cert {
    pub fn der(&self) -> Vec<u8> {
        let tbs = seq(&[
            tlv(0xa0, &integer(&[2])),
            integer(&self.serial),
            hex::decode(PSS_HEX).unwrap(),
            name(&self.issuer),
            seq(&[der_time(self.from), der_time(self.until)]),
            name(&self.subject),
            self.spki.clone(),
            tlv(0xa3, &seq(&self.extensions)),
        ]);
        signed(tbs, self.signer)
    }

    pub fn pem(&self) -> String {
        pem(&self.der())
    }
}

/// A revocation list.
#[derive(Clone)]
pub struct List {
    pub issuer: String,
    pub signer: Signer,
    pub key_id: Vec<u8>,
    pub number: Option<Vec<u8>>,
    pub from: u64,
    pub until: u64,
    pub revoked: Vec<Vec<u8>>,
}

impl List {
    fn der(&self) -> Vec<u8> {
        let mut parts = vec![
            integer(&[1]),
            hex::decode(PSS_HEX).unwrap(),
            name(&self.issuer),
            der_time(self.from),
            der_time(self.until),
        ];
        let rows = self.revoked.iter();
        let rows: Vec<_> = rows
            .map(|serial| seq(&[integer(serial), der_time(self.from)]))
            .collect();
        if !rows.is_empty() {
            parts.push(seq(&rows));
        }
        let mut extensions = vec![extension(OID_AKI, false, &seq(&[tlv(0x80, &self.key_id)]))];
        if let Some(number) = &self.number {
            extensions.push(extension(OID_CRL_NUMBER, false, &integer(number)));
        }
        parts.push(tlv(0xa0, &seq(&extensions)));
        signed(seq(&parts), self.signer)
    }
}

/// A Milan chip, its certificates and its guest's report.
#[derive(Clone)]
pub struct SnpWorld {
    pub now: u64,
    pub ark: Cert,
    pub ask: Cert,
    pub vek: Cert,
    /// AMD's extensions of the VEK: the rest of the OID, and the value.
    pub amd: Vec<(Vec<u8>, Vec<u8>)>,
    pub crl: Option<List>,
    pub report: Vec<u8>,
    /// The report is signed by a key that no certificate has.
    pub other_key: bool,
    pub carries_vek: bool,
    pub vek_in_collateral: bool,
    pub expected: Option<[u8; 64]>,
}

impl SnpWorld {
    pub fn milan() -> Self {
        let now = 1_780_272_000;
        let (from, until) = (now - 1_000_000, now + 1_000_000);
        let ca = |path_len: Option<u8>, usage: u8, id: u8| {
            let mut constraints = vec![vec![0x01, 0x01, 0xff]];
            constraints.extend(path_len.map(|len| integer(&[len])));
            vec![
                extension(OID_BASIC, true, &seq(&constraints)),
                key_usage(usage),
                extension(OID_SKI, false, &octets(&[id; 20])),
            ]
        };
        let cert = |subject: &str, issuer: &str, signer, serial, spki, extensions| Cert {
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            signer,
            serial: vec![serial],
            from,
            until,
            spki,
            extensions,
        };
        let report = fs::read(root().join("snp/01-milan/report.bin")).unwrap();
        let number = |n: u8| integer(&[n]);
        let part = |n: u8| vec![3, n];
        let amd = vec![
            (vec![1], number(0)),
            (vec![2], tlv(0x16, b"Milan-B0")),
            (part(1), number(4)),
            (part(2), number(0)),
            (part(4), number(0)),
            (part(5), number(0)),
            (part(6), number(0)),
            (part(7), number(0)),
            (part(3), number(24)),
            (part(8), number(219)),
            (vec![4], report[0x1a0..0x1e0].to_vec()),
        ];
        let vek = keys().vek.public_key().as_ref();
        let vek_spki = seq(&[seq(&[oid(EC), oid(P384)]), bits(vek)]);
        Self {
            now,
            ark: cert(
                "ARK-Milan",
                "ARK-Milan",
                Signer::Ark,
                1,
                rsa_spki(Signer::Ark),
                ca(None, CERT_SIGN | CRL_SIGN, 1),
            ),
            ask: cert(
                "SEV-Milan",
                "ARK-Milan",
                Signer::Ark,
                2,
                rsa_spki(Signer::Ask),
                ca(Some(0), CERT_SIGN, 2),
            ),
            vek: cert("SEV-VCEK", "SEV-Milan", Signer::Ask, 3, vek_spki, vec![]),
            amd,
            crl: Some(List {
                issuer: "ARK-Milan".to_owned(),
                signer: Signer::Ark,
                key_id: vec![1; 20],
                number: Some(vec![7]),
                from,
                until,
                revoked: vec![vec![9]],
            }),
            report,
            other_key: false,
            carries_vek: true,
            vek_in_collateral: false,
            expected: None,
        }
    }

    /// The same with a Turin chip: another layout of certificate and TCB, another length of chip id.
    pub fn turin() -> Self {
        let mut world = Self::milan();
        let report = fs::read(root().join("snp/03-turin/report.bin")).unwrap();
        world.ark.subject = "ARK-Turin".to_owned();
        world.ark.issuer = "ARK-Turin".to_owned();
        world.ask.subject = "SEV-Turin".to_owned();
        world.ask.issuer = "ARK-Turin".to_owned();
        world.vek.issuer = "SEV-Turin".to_owned();
        let list = world.crl.as_mut().unwrap();
        list.issuer = "ARK-Turin".to_owned();
        // REPORTED_TCB: FMC, boot loader, TEE, SNP, microcode.
        let tcb = [0, 1, 2, 3, 7].map(|at| report[0x180 + at]);
        let parts: [(&[u8], u8); 8] = [
            (&[3, 9], tcb[0]),
            (&[3, 1], tcb[1]),
            (&[3, 2], tcb[2]),
            (&[3, 3], tcb[3]),
            (&[3, 5], 0),
            (&[3, 6], 0),
            (&[3, 7], 0),
            (&[3, 8], tcb[4]),
        ];
        world.amd = vec![
            (vec![1], integer(&[1])),
            (vec![2], tlv(0x16, b"Turin-C1")),
            (vec![4], report[0x1a0..0x1a8].to_vec()),
        ];
        let parts = parts.iter();
        world
            .amd
            .extend(parts.map(|(rest, number)| (rest.to_vec(), integer(&[*number]))));
        world.report = report;
        world
    }

    /// Sets an extension of AMD's.
    pub fn set(&mut self, rest: &[u8], value: &[u8]) {
        self.amd.retain(|(known, _)| known != rest);
        self.amd.push((rest.to_vec(), value.to_vec()));
    }

    pub fn vek_der(&self) -> Vec<u8> {
        let mut vek = self.vek.clone();
        let amd = self.amd.iter();
        vek.extensions
            .extend(amd.map(|(rest, value)| extension(&[AMD, rest].concat(), false, value)));
        vek.der()
    }

    pub fn evidence(&self) -> Vec<u8> {
        let mut report = self.report.clone();
        let key = match self.other_key {
            true => &keys().other,
            false => &keys().vek,
        };
        let signature = key.sign(&SystemRandom::new(), &report[..0x2a0]).unwrap();
        let signature = signature.as_ref();
        for (at, half) in [0x2a0, 0x2a0 + 72].into_iter().zip(signature.chunks(48)) {
            let little: Vec<u8> = half.iter().rev().copied().collect();
            report[at..at + 48].copy_from_slice(&little);
        }
        let vek = self.carries_vek.then(|| self.vek_der());
        snp::evidence(&report, &vek.unwrap_or_default())
    }

    pub fn collateral(&self) -> Vec<u8> {
        let chain = self.ask.pem() + &self.ark.pem();
        let crl = self.crl.as_ref().map(List::der).unwrap_or_default();
        let vek = self.vek_in_collateral.then(|| self.vek_der());
        snp::collateral(&chain, &crl, &vek.unwrap_or_default())
    }

    /// The ARK of the product that the world says it is of, as nobody changed it. Signed once: a signature takes long.
    pub fn honest_anchor(&self) -> &'static Anchor {
        static MILAN: OnceLock<Anchor> = OnceLock::new();
        static TURIN: OnceLock<Anchor> = OnceLock::new();
        let (anchor, world): (_, fn() -> Self) = match self.ark.subject.as_str() {
            "ARK-Turin" => (&TURIN, Self::turin),
            _ => (&MILAN, Self::milan),
        };
        anchor.get_or_init(|| Anchor::insecure_from_pem(&world().ark.pem()).unwrap())
    }

    pub fn verify(&self) -> Result<Verified<Claims>, Invalid> {
        self.verify_bytes(&self.evidence(), &self.collateral())
    }

    pub fn verify_bytes(
        &self,
        evidence: &[u8],
        collateral: &[u8],
    ) -> Result<Verified<Claims>, Invalid> {
        let trust = Trust {
            anchors: std::slice::from_ref(self.honest_anchor()),
            algorithms: ALGORITHMS,
            seen: &NoMemo,
        };
        let evidence = Evidence::parse(Kind::Snp, evidence)?;
        let collateral = Collateral::parse(collateral)?.verify(&trust)?;
        let own: [u8; 64] = self.report[0x50..0x90].try_into().unwrap();
        let expected = Expected::as_given(self.expected.unwrap_or(own));
        evidence.verify(&expected, &trust, &collateral, time(self.now))
    }
}
