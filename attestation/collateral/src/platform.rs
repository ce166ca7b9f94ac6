//! Which collateral: the platforms that vendors publish for, as sources, caches and bundles name them.
//!
//! Does not live here: reading a platform out of evidence (`stoa-attestation`).

use core::fmt;
use core::str::FromStr;

use stoa_attestation::{Kind, UnverifiedPlatform};

use crate::error::CollateralError;

/// The PCK CAs, as the PCS names them in `pckcrl?ca=`.
const CAS: [&str; 2] = ["platform", "processor"];

/// An Intel platform: one set of collateral is for all machines of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    /// SGX or TDX.
    pub kind: Kind,
    /// Family, 6 bytes.
    pub fmspc: [u8; 6],
    /// `platform` or `processor`.
    pub ca: &'static str,
}

impl From<&UnverifiedPlatform> for Platform {
    fn from(platform: &UnverifiedPlatform) -> Self {
        Self {
            kind: platform.kind,
            fmspc: platform.fmspc,
            ca: platform.ca,
        }
    }
}

impl Platform {
    /// For messages: `sgx-dcap FMSPC 00906ed50000 (platform CA)`.
    #[must_use]
    pub fn words(&self) -> String {
        format!(
            "{} FMSPC {} ({} CA)",
            self.kind.name(),
            hex::encode(self.fmspc),
            self.ca
        )
    }

    /// `sgx` or `tdx`, as in the PCS's paths.
    pub(crate) fn tee(&self) -> Result<&'static str, CollateralError> {
        match self.kind {
            Kind::SgxDcap => Ok("sgx"),
            Kind::TdxDcap => Ok("tdx"),
            other => Err(CollateralError::KindUnknown { kind: other.name() }),
        }
    }
}

/// `sgx:00906ed50000:platform`, which [`Platform::from_str`] reads.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tee = self.tee().unwrap_or(self.kind.name());
        write!(f, "{tee}:{}:{}", hex::encode(self.fmspc), self.ca)
    }
}

impl FromStr for Platform {
    type Err = CollateralError;

    fn from_str(text: &str) -> Result<Self, CollateralError> {
        let malformed = |cause: &'static str| CollateralError::PlatformMalformed {
            text: text.to_owned(),
            cause,
        };
        let mut parts = text.split(':');
        let (Some(tee), Some(fmspc), Some(ca), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("it has not three parts"));
        };
        let kind = match tee {
            "sgx" => Kind::SgxDcap,
            "tdx" => Kind::TdxDcap,
            _ => return Err(malformed("its first part is neither sgx nor tdx")),
        };
        let mut bytes = [0; 6];
        hex::decode_to_slice(fmspc, &mut bytes)
            .map_err(|_| malformed("its second part is no FMSPC, 12 hex digits"))?;
        let ca = CAS
            .into_iter()
            .find(|known| *known == ca)
            .ok_or_else(|| malformed("its third part is neither platform nor processor"))?;
        Ok(Self {
            kind,
            fmspc: bytes,
            ca,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_platform_is_read_as_it_is_written_and_nothing_else_is_one() {
        for text in ["sgx:00906ed50000:platform", "tdx:b0c06f000000:processor"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "sgx",
            "sgx:00906ed50000",
            "sev:00906ed50000:platform",
            "sgx:00906ed5000:platform",
            "sgx:00906ed50000:root",
            "sgx:00906ed50000:platform:x",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
