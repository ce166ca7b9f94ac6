//! AMD's products, the two kinds of key that sign SNP reports, and TCB versions: what report and certificate must agree on.
//!
//! Sources: AMD 56860 (CPUID_FAM_ID and CPUID_MOD_ID of ATTESTATION_REPORT, SIGNING_KEY, TCB_VERSION); AMD 57230, 3.1.
//! Does not live here: the report (`snp`), the certificate's extensions (`vek`).

use core::fmt;

/// A family of chips with one ARK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Product {
    /// EPYC 7003.
    Milan,
    /// EPYC 9004, 8004 and 97x4.
    Genoa,
    /// EPYC 9005.
    Turin,
}

impl Product {
    /// All of them.
    pub const ALL: [Product; 3] = [Product::Milan, Product::Genoa, Product::Turin];

    /// As the KDS and the names of CAs spell it: `Milan`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Product::Milan => "Milan",
            Product::Genoa => "Genoa",
            Product::Turin => "Turin",
        }
    }

    /// The product with this name, as CAs and the KDS spell it.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|product| product.name() == name)
    }

    /// From CPUID's combined family and model.
    #[must_use]
    pub fn of_cpu(family: u8, model: u8) -> Option<Self> {
        match (family, model) {
            (0x19, 0x00..=0x0f) => Some(Product::Milan),
            (0x19, 0x10..=0x1f | 0xa0..=0xaf) => Some(Product::Genoa),
            (0x1a, 0x00..=0x11) => Some(Product::Turin),
            _ => None,
        }
    }

    /// From a VEK's product name, which has the stepping behind a hyphen: `Milan-B0`. Bergamo and Siena are of Genoa's ARK.
    pub(crate) fn of_certificate(name: &str) -> Option<Self> {
        let name = name.split_once('-').map_or(name, |(name, _)| name);
        match name {
            "Bergamo" | "Siena" => Some(Product::Genoa),
            name => Self::of_name(name),
        }
    }

    /// Bytes of a chip id that mean something; the rest is zero.
    #[must_use]
    pub fn chip_id_len(self) -> usize {
        match self {
            Product::Milan | Product::Genoa => 64,
            Product::Turin => 8,
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What signed a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VekKind {
    /// The key of one chip at one TCB.
    Vcek,
    /// The key of one cloud provider at one TCB.
    Vlek,
}

impl VekKind {
    /// `vcek` or `vlek`, as in the KDS's paths.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            VekKind::Vcek => "vcek",
            VekKind::Vlek => "vlek",
        }
    }
}

impl fmt::Display for VekKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VekKind::Vcek => "VCEK",
            VekKind::Vlek => "VLEK",
        })
    }
}

/// The security versions of a platform's firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SnpTcb {
    /// FMC firmware; `None` before Turin.
    pub fmc: Option<u8>,
    /// PSP boot loader.
    pub boot_loader: u8,
    /// PSP operating system.
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Lowest microcode patch level of all cores.
    pub microcode: u8,
}

impl SnpTcb {
    /// From TCB_VERSION in the layout of `product`.
    #[must_use]
    pub fn of(product: Product, version: [u8; 8]) -> Self {
        let [first, second, third, fourth, _, _, snp, microcode] = version;
        match product {
            Product::Milan | Product::Genoa => Self {
                fmc: None,
                boot_loader: first,
                tee: second,
                snp,
                microcode,
            },
            Product::Turin => Self {
                fmc: Some(first),
                boot_loader: second,
                tee: third,
                snp: fourth,
                microcode,
            },
        }
    }
}

/// `boot loader 4, TEE 0, SNP 24, microcode 219`, with `FMC 1, ` in front if there is one.
impl fmt::Display for SnpTcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fmc) = self.fmc {
            write!(f, "FMC {fmc}, ")?;
        }
        write!(
            f,
            "boot loader {}, TEE {}, SNP {}, microcode {}",
            self.boot_loader, self.tee, self.snp, self.microcode
        )
    }
}
