//! The synthetic vendor's certificates and CRLs: root, PCK CA, TCB signer, PCK leaf; names and extensions as the real
//! ones have them.
//!
//! Source: Intel SGX PCK Certificate and CRL Profile Specification, 1.5 (profiles), 2 (CRLs); RFC 5280.
//! Does not live here: the SGX extension's bytes (`extension`), JSON collateral (`tcb`).

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CustomExtension, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyIdMethod,
    KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::extension::{PlatformFacts, SGX_EXTENSION, sgx_extension};
use crate::key::VendorKey;
use crate::knobs::{Knobs, PckCa, PlatformTcb, Revoked};

const ROOT_NAME: &str = "Intel SGX Root CA";
const TCB_SIGNER_NAME: &str = "Intel SGX TCB Signing";
const PCK_NAME: &str = "Intel SGX PCK Certificate";
/// Verifiers read the common names; whoever reads a certificate by eye sees the organisation.
const ORGANISATION: &str = "Synthetic vendor of Stoa, not Intel";

/// Where the root CRL can be had, as it stands in each certificate of the root; no such host exists.
pub const ROOT_CRL_URL: &str = "http://synthetic.invalid/IntelSGXRootCA.der";

/// One certificate and its PEM.
#[derive(Debug, Clone)]
pub(crate) struct Cert {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
}

/// Keys and certificates that every platform of one seed shares.
#[derive(Debug, Clone)]
pub(crate) struct Vendor {
    root_key: VendorKey,
    pck_ca_key: VendorKey,
    pck_ca: PckCa,
    pub(crate) tcb_signer_key: VendorKey,
    pub(crate) root: Cert,
    pub(crate) pck_ca_cert: Cert,
    pub(crate) tcb_signer: Cert,
    tcb_signer_serial: SerialNumber,
    pck_ca_serial: SerialNumber,
}

impl Vendor {
    pub(crate) fn seeded(seed: &[u8; 32], pck_ca: PckCa) -> Self {
        let root_key = VendorKey::seeded(seed, "stoa/synthetic/key/root/1");
        let pck_ca_key = VendorKey::seeded(
            seed,
            &format!("stoa/synthetic/key/pck-ca-{}/1", pck_ca.name()),
        );
        let tcb_signer_key = VendorKey::seeded(seed, "stoa/synthetic/key/tcb-signer/1");

        let root_params = authority(ROOT_NAME, &root_key, 1, date_time_ymd(2049, 12, 31));
        let root = issue(root_params.self_signed(&root_key));
        let root_issuer = Issuer::from_params(&root_params, &root_key);

        let pck_ca_params = authority(
            pck_ca_name(pck_ca),
            &pck_ca_key,
            0,
            date_time_ymd(2049, 12, 31),
        );
        let tcb_signer_params = signer(TCB_SIGNER_NAME, &tcb_signer_key, "tcb-signer");
        let serial_of = |params: &CertificateParams| {
            params
                .serial_number
                .clone()
                .expect("authority() and signer() set a serial number")
        };
        Self {
            pck_ca_cert: issue(pck_ca_params.signed_by(&pck_ca_key, &root_issuer)),
            tcb_signer: issue(tcb_signer_params.signed_by(&tcb_signer_key, &root_issuer)),
            tcb_signer_serial: serial_of(&tcb_signer_params),
            pck_ca_serial: serial_of(&pck_ca_params),
            root,
            root_key,
            pck_ca_key,
            pck_ca,
            tcb_signer_key,
        }
    }

    /// Leaf for the platform's provisioning certification key.
    pub(crate) fn pck(&self, key: &VendorKey, facts: &PlatformFacts, knobs: &Knobs) -> Cert {
        let mut params = signer(PCK_NAME, key, "pck");
        params.serial_number = Some(pck_serial(key, knobs.tcb));
        params.crl_distribution_points = vec![CrlDistributionPoint {
            uris: vec![format!(
                "http://synthetic.invalid/sgx/certification/v4/pckcrl?ca={}&encoding=der",
                self.pck_ca.name()
            )],
        }];
        params.custom_extensions = vec![CustomExtension::from_oid_content(
            SGX_EXTENSION,
            sgx_extension(facts),
        )];
        if let Some(end) = knobs.pck_not_after {
            params.not_after = date(end);
        }
        let ca_params = authority(
            pck_ca_name(self.pck_ca),
            &self.pck_ca_key,
            0,
            date_time_ymd(2049, 12, 31),
        );
        let issuer = Issuer::from_params(&ca_params, &self.pck_ca_key);
        issue(params.signed_by(key, &issuer))
    }

    /// DER of the root's CRL, valid from `window.0` to `window.1`.
    pub(crate) fn root_crl(&self, knobs: &Knobs, window: (UnixTime, UnixTime)) -> Vec<u8> {
        let mut serials = Vec::new();
        if knobs.revoked.contains(&Revoked::PckCa) {
            serials.push(self.pck_ca_serial.clone());
        }
        if knobs.revoked.contains(&Revoked::TcbSigner) {
            serials.push(self.tcb_signer_serial.clone());
        }
        let params = authority(ROOT_NAME, &self.root_key, 1, date_time_ymd(2049, 12, 31));
        crl(
            &Issuer::from_params(&params, &self.root_key),
            &self.root_key,
            serials,
            window,
        )
    }

    /// DER of the PCK CA's CRL; `pck_key` is the key whose certificates a revocation names.
    pub(crate) fn pck_crl(
        &self,
        pck_key: &VendorKey,
        knobs: &Knobs,
        window: (UnixTime, UnixTime),
    ) -> Vec<u8> {
        let serials = if knobs.revoked.contains(&Revoked::Pck) {
            PlatformTcb::LEVELS
                .into_iter()
                .chain([PlatformTcb::BelowAllLevels])
                .map(|status| pck_serial(pck_key, status))
                .collect()
        } else {
            Vec::new()
        };
        let params = authority(
            pck_ca_name(self.pck_ca),
            &self.pck_ca_key,
            0,
            date_time_ymd(2049, 12, 31),
        );
        crl(
            &Issuer::from_params(&params, &self.pck_ca_key),
            &self.pck_ca_key,
            serials,
            window,
        )
    }

    /// PEM, TCB signer then root: the issuer chain of TCB info and QE identity.
    pub(crate) fn tcb_signer_chain(&self) -> String {
        format!("{}{}", self.tcb_signer.pem, self.root.pem)
    }

    /// PEM, PCK CA then root: the issuer chain of the PCK CRL.
    pub(crate) fn pck_ca_chain(&self) -> String {
        format!("{}{}", self.pck_ca_cert.pem, self.root.pem)
    }
}

fn pck_ca_name(ca: PckCa) -> &'static str {
    match ca {
        PckCa::Platform => "Intel SGX PCK Platform CA",
        PckCa::Processor => "Intel SGX PCK Processor CA",
    }
}

fn authority(
    name: &str,
    key: &VendorKey,
    path_len: u8,
    not_after: OffsetDateTime,
) -> CertificateParams {
    let mut params = base(name, key, name);
    params.not_after = not_after;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_len));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn signer(name: &str, key: &VendorKey, serial_label: &str) -> CertificateParams {
    let mut params = base(name, key, serial_label);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::ContentCommitment,
    ];
    params
}

fn base(name: &str, key: &VendorKey, serial_label: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let printable = |text: &str| {
        DnValue::PrintableString(text.try_into().expect("two capital letters are printable"))
    };
    params.distinguished_name.push(DnType::CommonName, name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, ORGANISATION);
    params
        .distinguished_name
        .push(DnType::LocalityName, "Santa Clara");
    params
        .distinguished_name
        .push(DnType::StateOrProvinceName, "CA");
    params
        .distinguished_name
        .push(DnType::CountryName, printable("US"));
    // Fixed dates, so that a simulation may put `now` anywhere between 2019 and 2049.
    params.not_before = date_time_ymd(2018, 5, 21);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.serial_number = Some(serial(key, serial_label));
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.id());
    params.crl_distribution_points = vec![CrlDistributionPoint {
        uris: vec![ROOT_CRL_URL.to_owned()],
    }];
    params
}

fn serial(key: &VendorKey, label: &str) -> SerialNumber {
    let mut hash = Sha256::new();
    hash.update(key.x_y());
    hash.update(label);
    SerialNumber::from(serial_of_hash(&hash.finalize().into()))
}

/// 16 bytes, positive and never zero.
pub(crate) fn serial_of_hash(hash: &[u8; 32]) -> Vec<u8> {
    let mut bytes = hash[..16].to_vec();
    bytes[0] = (bytes[0] & 0x7F) | 0x40;
    bytes
}

fn pck_serial(key: &VendorKey, status: PlatformTcb) -> SerialNumber {
    serial(key, &format!("pck/{}", status.name()))
}

fn crl(
    issuer: &Issuer<'_, &VendorKey>,
    issuer_key: &VendorKey,
    serials: Vec<SerialNumber>,
    window: (UnixTime, UnixTime),
) -> Vec<u8> {
    let (issued, next) = window;
    CertificateRevocationListParams {
        this_update: date(issued.as_secs()),
        next_update: date(next.as_secs()),
        // Rises with the issue date, as CRL numbers must (RFC 5280, 5.2.3).
        crl_number: SerialNumber::from(issued.as_secs()),
        issuing_distribution_point: None,
        revoked_certs: serials
            .into_iter()
            .map(|serial_number| RevokedCertParams {
                serial_number,
                revocation_time: date(issued.as_secs()),
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            })
            .collect(),
        key_identifier_method: KeyIdMethod::PreSpecified(issuer_key.id()),
    }
    .signed_by(issuer)
    .expect("the issuer may sign CRLs and next update is after issue")
    .der()
    .to_vec()
}

fn issue(result: Result<rcgen::Certificate, rcgen::Error>) -> Cert {
    let certificate =
        result.expect("names, serial and key of the synthetic vendor are well-formed");
    Cert {
        der: certificate.der().clone(),
        pem: certificate.pem(),
    }
}

/// Unix seconds as a date, clamped to the years that X.509 can say.
pub(crate) fn date(unix_secs: u64) -> OffsetDateTime {
    let latest = date_time_ymd(9999, 12, 31);
    i64::try_from(unix_secs)
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
        .unwrap_or(latest)
        .min(latest)
}

/// Seconds as pki-types' time.
pub(crate) fn unix(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}
