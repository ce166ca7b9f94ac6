//! Which collateral: the platforms that vendors publish for, as sources, caches and bundles name them.
//!
//! Does not live here: reading a platform out of evidence (`stoa-attestation`).

use core::fmt;
use core::str::FromStr;

use stoa_attestation::{
    Collateral, Evidence, Invalid, Kind, Product, SnpTcb, UnverifiedChip, UnverifiedPlatform,
    VekKind,
};

use crate::error::CollateralError;

/// The PCK CAs, as the PCS names them in `pckcrl?ca=`.
const CAS: [&str; 2] = ["platform", "processor"];

/// What one set of collateral is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Platform {
    /// All machines of one model.
    Intel {
        /// SGX or TDX.
        kind: Kind,
        /// Family, 6 bytes.
        fmspc: [u8; 6],
        /// `platform` or `processor`.
        ca: &'static str,
    },
    /// All chips of one product, or one of them.
    Amd {
        /// Whose chain and list.
        product: Product,
        /// What signs the reports.
        signer: VekKind,
        /// Whose certificate is wanted too; `None` if the evidence carries one.
        chip: Option<Chip>,
    },
}

/// One chip at one TCB: it has a key of its own, and a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chip {
    /// Hardware id, 64 bytes; 8 with Turin.
    pub id: Vec<u8>,
    /// REPORTED_TCB.
    pub tcb: SnpTcb,
}

impl From<&UnverifiedPlatform> for Platform {
    fn from(platform: &UnverifiedPlatform) -> Self {
        Self::Intel {
            kind: platform.kind,
            fmspc: platform.fmspc,
            ca: platform.ca,
        }
    }
}

impl From<&UnverifiedChip> for Platform {
    fn from(chip: &UnverifiedChip) -> Self {
        let id = &chip.chip_id[..chip.product.chip_id_len()];
        let masked = id.iter().all(|byte| *byte == 0);
        // VLEKs are given to their provider alone, and of a masked chip nothing can be asked for.
        let can_be_had = chip.signer == VekKind::Vcek && !masked;
        Self::Amd {
            product: chip.product,
            signer: chip.signer,
            chip: (can_be_had && !chip.carries_vek).then(|| Chip {
                id: id.to_vec(),
                tcb: chip.reported_tcb,
            }),
        }
    }
}

impl Platform {
    /// The platform that evidence claims to be of. Nothing of it is verified.
    ///
    /// # Errors
    /// The evidence does not say it.
    pub fn of_evidence(evidence: &Evidence) -> Result<Self, Invalid> {
        match evidence.unverified_chip()? {
            Some(chip) => Ok(Self::from(&chip)),
            None => evidence.unverified_platform().map(|p| Self::from(&p)),
        }
    }

    /// For messages: `sgx-dcap FMSPC 00906ed50000 (platform CA)`, `snp Milan (VCEK), chip 59790fb1c39f35c1..`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Intel { kind, fmspc, ca } => {
                let fmspc = hex::encode(fmspc);
                format!("{} FMSPC {fmspc} ({ca} CA)", kind.name())
            }
            Self::Amd {
                product,
                signer,
                chip,
            } => {
                let chip = chip.as_ref().map(|chip| {
                    let id = hex::encode(&chip.id[..chip.id.len().min(8)]);
                    format!(", chip {id}.. at {}", chip.tcb)
                });
                let chip = chip.unwrap_or_default();
                format!("snp {product} ({signer}){chip}")
            }
        }
    }

    /// What evidence it is of.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Intel { kind, .. } => *kind,
            Self::Amd { .. } => Kind::Snp,
        }
    }

    /// Is this collateral this platform's?
    ///
    /// # Errors
    /// What it is instead, in words.
    pub fn check(&self, collateral: &Collateral) -> Result<(), String> {
        let fits = match self {
            Self::Intel { kind, fmspc, .. } => {
                collateral.kind() == *kind && collateral.fmspc() == Some(*fmspc)
            }
            Self::Amd {
                product,
                signer,
                chip,
            } => {
                let of_chip = chip
                    .as_ref()
                    .is_none_or(|chip| collateral.chip() == Some((chip.id.as_slice(), chip.tcb)));
                (collateral.product(), collateral.signer()) == (Some(*product), Some(*signer))
                    && of_chip
            }
        };
        if fits {
            return Ok(());
        }
        let found = match (collateral.fmspc(), collateral.product()) {
            (Some(fmspc), _) => format!("FMSPC {}", hex::encode(fmspc)),
            (None, Some(product)) => match collateral.chip() {
                Some((id, tcb)) => format!("{product}, chip {} at {tcb}", hex::encode(id)),
                None => format!("{product} without a chip"),
            },
            (None, None) => "nothing that is known".to_owned(),
        };
        let kind = collateral.kind().name();
        Err(format!(
            "it is that of {kind} {found}, not of {}",
            self.words()
        ))
    }
}

/// `sgx:00906ed50000:platform`, `snp:milan:vcek`, or with chip and TCB (FMC of Turin, boot loader, TEE, SNP, microcode)
/// `snp:milan:vcek:HARDWAREID:4.0.24.219`; [`Platform::from_str`] reads them.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intel { kind, fmspc, ca } => {
                let tee = match kind {
                    Kind::TdxDcap => "tdx",
                    _ => "sgx",
                };
                write!(f, "{tee}:{}:{ca}", hex::encode(fmspc))
            }
            Self::Amd {
                product,
                signer,
                chip,
            } => {
                let product = product.name().to_lowercase();
                write!(f, "snp:{product}:{}", signer.path())?;
                match chip {
                    None => Ok(()),
                    Some(chip) => write!(f, ":{}:{}", hex::encode(&chip.id), dotted(&chip.tcb)),
                }
            }
        }
    }
}

impl FromStr for Platform {
    type Err = CollateralError;

    fn from_str(text: &str) -> Result<Self, CollateralError> {
        let malformed = |cause: &'static str| CollateralError::PlatformMalformed {
            text: text.to_owned(),
            cause,
        };
        let parts: Vec<&str> = text.split(':').collect();
        let read = match parts.as_slice() {
            ["sgx", fmspc, ca] => intel(Kind::SgxDcap, fmspc, ca),
            ["tdx", fmspc, ca] => intel(Kind::TdxDcap, fmspc, ca),
            ["snp", product, signer] => amd(product, signer, None),
            ["snp", product, signer, id, tcb] => amd(product, signer, Some((id, tcb))),
            [_, _, _] | [_, _, _, _, _] => Err("its first part is neither sgx, tdx nor snp"),
            _ => Err("it has not three parts, or with snp five"),
        };
        read.map_err(malformed)
    }
}

fn intel(kind: Kind, fmspc: &str, ca: &str) -> Result<Platform, &'static str> {
    let mut bytes = [0; 6];
    hex::decode_to_slice(fmspc, &mut bytes)
        .map_err(|_| "its second part is no FMSPC, 12 hex digits")?;
    let ca = CAS
        .into_iter()
        .find(|known| *known == ca)
        .ok_or("its third part is neither platform nor processor")?;
    Ok(Platform::Intel {
        kind,
        fmspc: bytes,
        ca,
    })
}

fn amd(product: &str, signer: &str, chip: Option<(&str, &str)>) -> Result<Platform, &'static str> {
    let product = Product::ALL
        .into_iter()
        .find(|known| known.name().to_lowercase() == product)
        .ok_or("its second part is neither milan, genoa nor turin")?;
    let signer = [VekKind::Vcek, VekKind::Vlek]
        .into_iter()
        .find(|known| known.path() == signer)
        .ok_or("its third part is neither vcek nor vlek")?;
    let chip = match chip {
        None => None,
        Some((id, tcb)) => Some(Chip {
            id: hex::decode(id)
                .ok()
                .filter(|id| id.len() == product.chip_id_len())
                .ok_or("its fourth part is no hardware id: 128 hex digits, with turin 16")?,
            tcb: undotted(product, tcb)
                .ok_or("its fifth part is no TCB: numbers with dots between them")?,
        }),
    };
    Ok(Platform::Amd {
        product,
        signer,
        chip,
    })
}

fn dotted(tcb: &SnpTcb) -> String {
    let fmc = tcb.fmc.map(|fmc| format!("{fmc}.")).unwrap_or_default();
    format!(
        "{fmc}{}.{}.{}.{}",
        tcb.boot_loader, tcb.tee, tcb.snp, tcb.microcode
    )
}

fn undotted(product: Product, text: &str) -> Option<SnpTcb> {
    let numbers: Vec<u8> = text
        .split('.')
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    let (fmc, rest) = match (product, numbers.as_slice()) {
        (Product::Turin, [fmc, rest @ ..]) => (Some(*fmc), rest),
        (_, rest) => (None, rest),
    };
    let [boot_loader, tee, snp, microcode] = *rest else {
        return None;
    };
    Some(SnpTcb {
        fmc,
        boot_loader,
        tee,
        snp,
        microcode,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_platform_is_read_as_it_is_written_and_nothing_else_is_one() {
        let (long, short) = ("ab".repeat(64), "cd".repeat(8));
        for text in [
            "sgx:00906ed50000:platform",
            "tdx:b0c06f000000:processor",
            "snp:milan:vcek",
            "snp:genoa:vlek",
            &format!("snp:milan:vcek:{long}:4.0.24.219"),
            &format!("snp:turin:vcek:{short}:1.1.1.4.81"),
        ] {
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
            "snp:rome:vcek",
            "snp:milan:pck",
            "snp:milan:vcek:00",
            "snp:milan:vcek:00:4.0.24.219",
            &format!("snp:milan:vcek:{long}:4.0.24"),
            &format!("snp:milan:vcek:{long}:4.0.24.256"),
            &format!("snp:turin:vcek:{short}:4.0.24.219"),
            &format!("snp:turin:vcek:{long}:1.1.1.4.81"),
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
