//! Why evidence or collateral is not genuine: one variant for each link that can break.
//!
//! The order of the variants is the order of the checks in docs/protocol/dcap.md, then that of docs/protocol/snp.md.
//! Does not live here: what a policy refuses in genuine evidence (`policy::Refusal`).

use core::fmt;

use rustls_pki_types::UnixTime;
use stoa_explain::Explain;

use crate::dates::Utc;
use crate::kind::Kind;
use crate::product::{Product, SnpTcb, VekKind};

/// A certificate, named by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// The trust anchor.
    Root,
    /// The CA between the root and the platform's certificate (Platform CA or Processor CA).
    PckCa,
    /// The platform's certificate, leaf of the chain inside the quote.
    Pck,
    /// The signer of the TCB info.
    TcbInfoSigner,
    /// The signer of the QE identity (with Intel the same certificate).
    QeIdentitySigner,
    /// AMD's root of a product, the trust anchor.
    Ark,
    /// The CA between ARK and VEK: ASK, or ASVK for VLEKs.
    Ask,
    /// What signs SNP reports: VCEK (of a chip) or VLEK (of a provider).
    Vek,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Root => "root certificate",
            Role::PckCa => "PCK CA certificate",
            Role::Pck => "PCK certificate",
            Role::TcbInfoSigner => "certificate that signs the TCB info",
            Role::QeIdentitySigner => "certificate that signs the QE identity",
            Role::Ark => "ARK certificate",
            Role::Ask => "ASK certificate",
            Role::Vek => "VEK certificate",
        })
    }
}

/// A certificate chain, named by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Chain {
    /// In the quote's certification data: PCK certificate, PCK CA, root.
    Quote,
    /// `pck_crl_issuer_chain`: PCK CA, root.
    PckCrl,
    /// `tcb_info_issuer_chain`: signer, root.
    TcbInfo,
    /// `qe_identity_issuer_chain`: signer, root.
    QeIdentity,
    /// A file with a trust anchor: one certificate.
    Anchor,
    /// `ask_ark_chain`: ASK or ASVK, ARK.
    Amd,
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Chain::Quote => "certificate chain of the quote",
            Chain::PckCrl => "certificate chain of the PCK CRL",
            Chain::TcbInfo => "certificate chain of the TCB info",
            Chain::QeIdentity => "certificate chain of the QE identity",
            Chain::Anchor => "file of the trust anchor",
            Chain::Amd => "certificate chain of the ASK",
        })
    }
}

/// A certificate revocation list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CrlName {
    /// The root's, which revokes CAs and signers.
    Root,
    /// The PCK CA's, which revokes platforms.
    Pck,
    /// The ARK's, which revokes ASKs and VEKs.
    Ark,
}

impl fmt::Display for CrlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CrlName::Root => "root CRL",
            CrlName::Pck => "PCK CRL",
            CrlName::Ark => "ARK CRL",
        })
    }
}

/// A signed object with dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dated {
    /// The TCB info (issueDate, nextUpdate).
    TcbInfo,
    /// The QE identity (issueDate, nextUpdate).
    QeIdentity,
    /// A revocation list (thisUpdate, nextUpdate).
    Crl(CrlName),
    /// A certificate (notBefore, notAfter).
    Certificate(Role),
}

impl fmt::Display for Dated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dated::TcbInfo => f.write_str("TCB info"),
            Dated::QeIdentity => f.write_str("QE identity"),
            Dated::Crl(name) => name.fmt(f),
            Dated::Certificate(role) => role.fmt(f),
        }
    }
}

/// The part of a platform that a TCB status is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TcbPart {
    /// CPU, microcode, PCE and, with TDX, the components of TEE_TCB_SVN.
    Platform,
    /// The TDX module with which the TD was launched (TEE_TCB_SVN).
    TdxModule,
    /// The platform with the TDX module of now (TEE_TCB_SVN2).
    CurrentPlatform,
    /// The TDX module of now (TEE_TCB_SVN2).
    CurrentTdxModule,
    /// The quoting enclave.
    QuotingEnclave,
}

impl fmt::Display for TcbPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TcbPart::Platform => "platform",
            TcbPart::TdxModule => "TDX module",
            TcbPart::CurrentPlatform => "platform with its current TDX module",
            TcbPart::CurrentTdxModule => "current TDX module",
            TcbPart::QuotingEnclave => "quoting enclave",
        })
    }
}

/// Why evidence or its collateral is not genuine. Each variant is one check of docs/protocol/dcap.md.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// Check 0: more bytes than the limit.
    #[error("{what} has {len} bytes, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Check 0: the caller expects 64 zero bytes, which binds nothing.
    #[error("the expected report data is all zero and would bind the evidence to nothing")]
    ExpectedZero,
    /// Check 0: the caller passed no algorithm that the verification needs.
    #[error("none of the {passed} signature algorithms passed in is {wanted}")]
    AlgorithmMissing {
        /// The algorithm that is needed.
        wanted: &'static str,
        /// How many algorithms were passed.
        passed: usize,
    },
    /// Check 1: a kind that this verifier does not know yet.
    #[error("evidence of kind {kind} can't be verified by this version")]
    KindUnsupported {
        /// The kind asked for.
        kind: Kind,
    },
    /// Check 1: the quote is of another kind than its frame says.
    #[error("evidence is of kind {found}, wanted {wanted}")]
    KindDiffers {
        /// The kind asked for.
        wanted: Kind,
        /// The kind of the bytes.
        found: Kind,
    },
    /// Check 1: the OpenEnclave header around a quote.
    #[error("OpenEnclave header: {field} is {found}, wanted {wanted}")]
    OpenEnclave {
        /// The field of the header.
        field: &'static str,
        /// The only value that is accepted.
        wanted: u64,
        /// The value found.
        found: u64,
    },
    /// Check 1: a field or length of the quote or report.
    #[error("malformed evidence: {field} {cause}")]
    Malformed {
        /// The field.
        field: &'static str,
        /// What is wrong with it, with both values.
        cause: String,
    },
    /// Check 1.
    #[error("quote version {found} is not supported, wanted 3, 4 or 5")]
    QuoteVersion {
        /// The version found.
        found: u16,
    },
    /// Check 1.
    #[error("attestation key type {found} is not supported, wanted 2 (ECDSA P-256)")]
    AttestationKeyType {
        /// The type found.
        found: u16,
    },
    /// Check 1.
    #[error(
        "TEE type {found:#x} is not supported in a quote of version {version}, wanted {wanted}"
    )]
    TeeType {
        /// The version of the quote.
        version: u16,
        /// The type found.
        found: u32,
        /// The types that such a quote may have.
        wanted: &'static str,
    },
    /// Check 1.
    #[error("QE vendor is {found}, wanted 939a7233f79c4ca9940a0db3957f0607 (Intel)")]
    QeVendor {
        /// The vendor found, lowercase hex.
        found: String,
    },
    /// Check 1: quote version 5.
    #[error("quote body of type {found} is not supported with TEE type {tee:#x}, wanted {wanted}")]
    BodyType {
        /// The type of the body.
        found: u16,
        /// The TEE type of the header.
        tee: u32,
        /// The types that go with that TEE.
        wanted: &'static str,
    },
    /// Check 1.
    #[error("{place} certification data is of type {found}, wanted {wanted}")]
    CertificationData {
        /// `outer` or `inner`.
        place: &'static str,
        /// The only type that is accepted there.
        wanted: u16,
        /// The type found.
        found: u16,
    },
    /// Check 2: the collateral's JSON around the signed objects.
    #[error("malformed collateral: {field} {cause}")]
    CollateralMalformed {
        /// The member of the JSON.
        field: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// Checks 2, 3, 6, 7: a chain's text or number of certificates.
    #[error("{chain} {cause}")]
    ChainMalformed {
        /// Which chain.
        chain: Chain,
        /// What is wrong with it.
        cause: String,
    },
    /// Checks 2, 3, 6, 7.
    #[error("{chain} has {found} certificates, wanted {wanted}")]
    ChainIncomplete {
        /// Which chain.
        chain: Chain,
        /// How many certificates it must have.
        wanted: usize,
        /// How many it has.
        found: usize,
    },
    /// Checks 2, 3, 6, 7: no certificate in DER.
    #[error("{role}: {cause}")]
    CertificateMalformed {
        /// Which certificate.
        role: Role,
        /// What is wrong with it.
        cause: String,
    },
    /// Checks 2, 3, 6, 7: a certificate that is not what it should be at its place.
    #[error("{role}: {field} is {found}, wanted {wanted}")]
    CertificateProfile {
        /// Which certificate.
        role: Role,
        /// The field or extension.
        field: &'static str,
        /// What it must be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// Checks 2, 3, 6, 7.
    #[error("{chain} ends in a root with SHA-256 {found}, which is no trust anchor; the anchors are {}", anchors.join(", "))]
    RootUntrusted {
        /// Which chain.
        chain: Chain,
        /// SHA-256 of the root's DER, lowercase hex.
        found: String,
        /// Name and SHA-256 of each anchor tried.
        anchors: Vec<String>,
    },
    /// Check 2: the collateral was verified under an anchor that the caller does not trust.
    #[error("the collateral was verified under root {found}, which is no trust anchor here; the anchors are {}", anchors.join(", "))]
    CollateralAnchor {
        /// SHA-256 of the collateral's anchor, lowercase hex.
        found: String,
        /// Name and SHA-256 of each anchor of the caller.
        anchors: Vec<String>,
    },
    /// Checks 3, 6, 7.
    #[error("{role}: its signature is not by the key of its issuer")]
    CertificateSignature {
        /// Which certificate.
        role: Role,
    },
    /// Checks 2 and 6: no revocation list in DER, or one with parts that are not understood.
    #[error("{crl}: {cause}")]
    CrlMalformed {
        /// Which list.
        crl: CrlName,
        /// What is wrong with it.
        cause: String,
    },
    /// Checks 2 and 6.
    #[error("{crl}: issuer is {found}, wanted {wanted}")]
    CrlIssuer {
        /// Which list.
        crl: CrlName,
        /// The CA whose list it must be.
        wanted: String,
        /// The issuer named in the list.
        found: String,
    },
    /// Checks 2 and 6.
    #[error("{crl}: its signature is not by the key of its issuer")]
    CrlSignature {
        /// Which list.
        crl: CrlName,
    },
    /// Checks 2, 3, 6, 7.
    #[error("{role} with serial {serial} is revoked by the {crl}")]
    Revoked {
        /// Which certificate.
        role: Role,
        /// Its serial number, lowercase hex.
        serial: String,
        /// The list that names it.
        crl: CrlName,
    },
    /// Check 4.
    #[error("TCB info: its signature is not by the key of its signer")]
    TcbInfoSignature,
    /// Check 4.
    #[error("TCB info: {cause}")]
    TcbInfoMalformed {
        /// What is wrong with it.
        cause: String,
    },
    /// Check 4.
    #[error("TCB info has version {found}, wanted 3")]
    TcbInfoVersion {
        /// The version found.
        found: u32,
    },
    /// Checks 4 and 5: a status that is not known in that place.
    #[error("{object} names the unknown TCB status `{found}`; known there are {known}")]
    TcbStatusUnknown {
        /// The signed object.
        object: Dated,
        /// The status found.
        found: String,
        /// The statuses that may stand there.
        known: &'static str,
    },
    /// Check 5.
    #[error("QE identity: its signature is not by the key of its signer")]
    QeIdentitySignature,
    /// Check 5.
    #[error("QE identity: {cause}")]
    QeIdentityMalformed {
        /// What is wrong with it.
        cause: String,
    },
    /// Check 5: id and version do not go with the TEE.
    #[error("QE identity is {found}, wanted {wanted}")]
    QeIdentityTee {
        /// Id and versions that go with the TCB info.
        wanted: &'static str,
        /// Id and version found.
        found: String,
    },
    /// Check 8.
    #[error("collateral is for {found}, the evidence is of kind {wanted}")]
    CollateralTee {
        /// The evidence's kind.
        wanted: Kind,
        /// The kind that the collateral is for.
        found: Kind,
    },
    /// Check 6.
    #[error("PCK CRL is of another CA: it is of {found}, the quote's chain has {wanted}")]
    PckCrlOfOtherCa {
        /// Common name and key id of the CA in the quote.
        wanted: String,
        /// Common name and key id of the CA of the list.
        found: String,
    },
    /// Check 7.
    #[error("PCK certificate: SGX extension: {cause}")]
    PckExtension {
        /// What is wrong with it.
        cause: String,
    },
    /// Check 8.
    #[error("TCB info is for FMSPC {found}, the platform has {wanted}")]
    FmspcDiffers {
        /// The platform's, lowercase hex.
        wanted: String,
        /// The TCB info's, lowercase hex.
        found: String,
    },
    /// Check 8.
    #[error("TCB info is for PCE id {found}, the platform has {wanted}")]
    PceIdDiffers {
        /// The platform's, lowercase hex.
        wanted: String,
        /// The TCB info's, lowercase hex.
        found: String,
    },
    /// Check 9.
    #[error("QE report: its signature is not by the key of the PCK certificate")]
    QeReportSignature,
    /// Check 9.
    #[error(
        "QE report: report data is {found}, wanted {wanted} (hash of attestation key and authentication data, 32 zeros)"
    )]
    QeReportData {
        /// What the attestation key and the authentication data give, lowercase hex.
        wanted: String,
        /// What the report has, lowercase hex.
        found: String,
    },
    /// Check 10.
    #[error("quote: its signature is not by the attestation key")]
    QuoteSignature,
    /// Check 10: the evidence is genuine and about something else.
    #[error("report data is {found}, wanted {wanted}")]
    ReportDataDiffers {
        /// What the caller expects, lowercase hex.
        wanted: String,
        /// What the evidence has, lowercase hex.
        found: String,
    },
    /// Check 9.
    #[error("quoting enclave: {field} is {found}, wanted {wanted}")]
    QeDiffers {
        /// The field.
        field: &'static str,
        /// What the QE identity says.
        wanted: String,
        /// What the QE report has.
        found: String,
    },
    /// Check 11.
    #[error("TDX module: {field} is {found}, wanted {wanted}")]
    TdxModuleDiffers {
        /// The field.
        field: &'static str,
        /// What the TCB info says.
        wanted: String,
        /// What the report has.
        found: String,
    },
    /// Checks 9, 11, 12: older than all that the collateral lists.
    #[error("no TCB level fits the {part}: it has {found}, the lowest level wants {lowest}")]
    TcbLevelNone {
        /// The part without a level.
        part: TcbPart,
        /// Its security versions.
        found: String,
        /// The lowest level listed.
        lowest: String,
    },
    /// Check 12.
    #[error("the TCB of the {part} is revoked (status Revoked)")]
    TcbRevoked {
        /// The part whose level is revoked.
        part: TcbPart,
    },
    /// Check 13: a certificate of the evidence's own chain, or the root.
    #[error("{role} is valid from {}, now is {}", Utc(*from), Utc(*now))]
    CertificateNotYetValid {
        /// Which certificate.
        role: Role,
        /// notBefore.
        from: UnixTime,
        /// The time that the caller gave.
        now: UnixTime,
    },
    /// Check 13: a certificate of the evidence's own chain, or the root.
    #[error("{role} ended at {}, now is {}", Utc(*until), Utc(*now))]
    CertificateExpired {
        /// Which certificate.
        role: Role,
        /// notAfter.
        until: UnixTime,
        /// The time that the caller gave.
        now: UnixTime,
    },
    /// Check 13: no grace band may accept it.
    #[error("collateral: {object} is valid from {}, now is {}", Utc(*from), Utc(*now))]
    CollateralNotYetValid {
        /// Which object.
        object: Dated,
        /// Its first second.
        from: UnixTime,
        /// The time that the caller gave.
        now: UnixTime,
    },
    /// SNP, check 1.
    #[error("SNP report version {found} is not supported, wanted 2 to 5")]
    SnpReportVersion {
        /// The version found.
        found: u32,
    },
    /// SNP, check 1.
    #[error(
        "SNP signature algorithm {found} is not supported, wanted 1 (ECDSA P-384 with SHA-384)"
    )]
    SnpSignatureAlgorithm {
        /// The algorithm found.
        found: u32,
    },
    /// SNP, check 1: no key that could be known signed the report.
    #[error("SNP report: {field} is {found}, wanted {wanted}")]
    SnpSigningKey {
        /// SIGNING_KEY or MASK_CHIP_KEY.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: u32,
    },
    /// SNP, check 5: neither the evidence nor the collateral has the certificate that the report is verified with.
    #[error("no {wanted} certificate: the evidence carries none, and the collateral has none")]
    VekMissing {
        /// VCEK or VLEK, as the report says.
        wanted: VekKind,
    },
    /// SNP, check 5.
    #[error("VEK certificate: AMD's extensions: {cause}")]
    VekExtension {
        /// What is wrong with them.
        cause: String,
    },
    /// SNP, check 6.
    #[error("{part} is for a {found}, the report was signed by a {wanted}")]
    VekKindDiffers {
        /// The certificate or the collateral.
        part: &'static str,
        /// The report's.
        wanted: VekKind,
        /// The part's.
        found: VekKind,
    },
    /// SNP, check 7.
    #[error("SNP report: {found} is of no known product")]
    SnpProductUnknown {
        /// What stands where a product is told.
        found: String,
    },
    /// SNP, check 7.
    #[error("{part} is for {found}, the report is of {wanted}")]
    SnpProductDiffers {
        /// The certificate or the collateral.
        part: &'static str,
        /// The report's.
        wanted: Product,
        /// The part's.
        found: Product,
    },
    /// SNP, check 8.
    #[error("SNP report: its signature is not by the key of the VEK certificate")]
    ReportSignature,
    /// SNP, check 9.
    #[error("chip id of the report is {found}, the certificate's hardware id is {wanted}")]
    HardwareIdDiffers {
        /// The certificate's, lowercase hex.
        wanted: String,
        /// The report's, lowercase hex.
        found: String,
    },
    /// SNP, check 10.
    #[error("REPORTED_TCB is {found}, the certificate is for {wanted}")]
    ReportedTcbDiffers {
        /// The certificate's.
        wanted: SnpTcb,
        /// The report's.
        found: SnpTcb,
    },
}

impl Explain for Invalid {
    fn code(&self) -> &'static str {
        match self {
            Invalid::TooLarge { .. } => "evidence-too-large",
            Invalid::ExpectedZero => "expected-report-data-zero",
            Invalid::AlgorithmMissing { .. } => "signature-algorithm-missing",
            Invalid::KindUnsupported { .. } => "evidence-kind-unsupported",
            Invalid::KindDiffers { .. } => "evidence-kind-differs",
            Invalid::OpenEnclave { .. } => "openenclave-header-invalid",
            Invalid::Malformed { .. } => "evidence-malformed",
            Invalid::QuoteVersion { .. } => "quote-version-unsupported",
            Invalid::AttestationKeyType { .. } => "attestation-key-type-unsupported",
            Invalid::TeeType { .. } => "tee-type-unsupported",
            Invalid::QeVendor { .. } => "qe-vendor-unknown",
            Invalid::BodyType { .. } => "quote-body-unsupported",
            Invalid::CertificationData { .. } => "certification-data-unsupported",
            Invalid::CollateralMalformed { .. } => "collateral-malformed",
            Invalid::ChainMalformed { .. } => "chain-malformed",
            Invalid::ChainIncomplete { .. } => "chain-incomplete",
            Invalid::CertificateMalformed { .. } => "certificate-malformed",
            Invalid::CertificateProfile { .. } => "certificate-profile-differs",
            Invalid::RootUntrusted { .. } => "root-untrusted",
            Invalid::CollateralAnchor { .. } => "collateral-anchor-differs",
            Invalid::CertificateSignature { role } => match role {
                Role::Pck => "pck-signature-invalid",
                Role::PckCa => "pck-ca-signature-invalid",
                Role::Root | Role::Ark => "root-signature-invalid",
                Role::Ask => "ask-signature-invalid",
                Role::Vek => "vek-signature-invalid",
                _ => "tcb-signer-signature-invalid",
            },
            Invalid::CrlMalformed { crl, .. } => match crl {
                CrlName::Root => "root-crl-malformed",
                CrlName::Pck => "pck-crl-malformed",
                CrlName::Ark => "ark-crl-malformed",
            },
            Invalid::CrlIssuer { crl, .. } => match crl {
                CrlName::Root => "root-crl-issuer-differs",
                CrlName::Pck => "pck-crl-issuer-differs",
                CrlName::Ark => "ark-crl-issuer-differs",
            },
            Invalid::CrlSignature { crl } => match crl {
                CrlName::Root => "root-crl-signature-invalid",
                CrlName::Pck => "pck-crl-signature-invalid",
                CrlName::Ark => "ark-crl-signature-invalid",
            },
            Invalid::Revoked { role, .. } => match role {
                Role::Root | Role::Ark => "root-revoked",
                Role::Ask => "ask-revoked",
                Role::Vek => "vek-revoked",
                Role::PckCa => "pck-ca-revoked",
                Role::Pck => "pck-revoked",
                Role::TcbInfoSigner | Role::QeIdentitySigner => "tcb-signer-revoked",
            },
            Invalid::TcbInfoSignature => "tcb-info-signature-invalid",
            Invalid::TcbInfoMalformed { .. } => "tcb-info-malformed",
            Invalid::TcbInfoVersion { .. } => "tcb-info-version-unsupported",
            Invalid::TcbStatusUnknown { .. } => "tcb-status-unknown",
            Invalid::QeIdentitySignature => "qe-identity-signature-invalid",
            Invalid::QeIdentityMalformed { .. } => "qe-identity-malformed",
            Invalid::QeIdentityTee { .. } => "qe-identity-tee-differs",
            Invalid::CollateralTee { .. } => "collateral-tee-differs",
            Invalid::PckCrlOfOtherCa { .. } => "pck-crl-other-ca",
            Invalid::PckExtension { .. } => "pck-extension-malformed",
            Invalid::FmspcDiffers { .. } => "fmspc-differs",
            Invalid::PceIdDiffers { .. } => "pce-id-differs",
            Invalid::QeReportSignature => "qe-report-signature-invalid",
            Invalid::QeReportData { .. } => "qe-report-data-differs",
            Invalid::QuoteSignature => "quote-signature-invalid",
            Invalid::ReportDataDiffers { .. } => "binding-differs",
            Invalid::QeDiffers { .. } => "qe-differs",
            Invalid::TdxModuleDiffers { .. } => "tdx-module-differs",
            Invalid::TcbLevelNone { .. } => "tcb-level-none",
            Invalid::TcbRevoked { .. } => "tcb-revoked",
            Invalid::CertificateNotYetValid { role, .. } => match role {
                Role::Pck => "pck-not-yet-valid",
                Role::PckCa => "pck-ca-not-yet-valid",
                Role::Ask => "ask-not-yet-valid",
                Role::Vek => "vek-not-yet-valid",
                _ => "root-not-yet-valid",
            },
            Invalid::CertificateExpired { role, .. } => match role {
                Role::Pck => "pck-expired",
                Role::PckCa => "pck-ca-expired",
                Role::Ask => "ask-expired",
                Role::Vek => "vek-expired",
                _ => "root-expired",
            },
            Invalid::CollateralNotYetValid { .. } => "collateral-not-yet-valid",
            Invalid::SnpReportVersion { .. } => "snp-report-version-unsupported",
            Invalid::SnpSignatureAlgorithm { .. } => "snp-signature-algorithm-unsupported",
            Invalid::SnpSigningKey { .. } => "snp-signing-key-unknown",
            Invalid::VekMissing { .. } => "vek-missing",
            Invalid::VekExtension { .. } => "vek-extension-malformed",
            Invalid::VekKindDiffers { .. } => "vek-kind-differs",
            Invalid::SnpProductUnknown { .. } => "snp-product-unknown",
            Invalid::SnpProductDiffers { .. } => "snp-product-differs",
            Invalid::ReportSignature => "report-signature-invalid",
            Invalid::HardwareIdDiffers { .. } => "hardware-id-differs",
            Invalid::ReportedTcbDiffers { .. } => "reported-tcb-differs",
        }
    }

    fn remedy(&self) -> Option<String> {
        stoa_explain::lookup(self.code()).map(|entry| entry.remedy.to_owned())
    }
}
