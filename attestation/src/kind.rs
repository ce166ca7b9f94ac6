//! Kinds of evidence.
//!
//! Source: docs/protocol/attest-1.md, section 1.
//! Does not live here: what evidence of a kind looks like (`evidence`, `quote`).

use core::fmt;

/// A kind of evidence, as its number travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// 1: SGX DCAP quote, raw.
    SgxDcap,
    /// 2: TDX DCAP quote, raw.
    TdxDcap,
    /// 3: AMD SEV-SNP report and its certificate.
    Snp,
    /// 4: TPM 2.0 quote with its logs. Not verified by this version.
    Tpm,
}

impl Kind {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Kind::SgxDcap => 1,
            Kind::TdxDcap => 2,
            Kind::Snp => 3,
            Kind::Tpm => 4,
        }
    }

    /// The kind with that number on the wire.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Kind::SgxDcap),
            2 => Some(Kind::TdxDcap),
            3 => Some(Kind::Snp),
            4 => Some(Kind::Tpm),
            _ => None,
        }
    }

    /// `sgx-dcap`, `tdx-dcap`, `snp` or `tpm`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::SgxDcap => "sgx-dcap",
            Kind::TdxDcap => "tdx-dcap",
            Kind::Snp => "snp",
            Kind::Tpm => "tpm",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
