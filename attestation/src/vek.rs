//! VCEK and VLEK certificates: DER to [`Vek`], with what AMD's extensions say.
//!
//! Source: AMD 57230, VCEK Certificate and KDS Interface Specification, 3.1 (extensions under 1.3.6.1.4.1.3704.1).
//! Does not live here: the chain above (`snp_collateral`), what must agree with the report (`snp_verify`).

use core::mem;
use std::collections::BTreeMap;

use crate::invalid::{Invalid, Role};
use crate::product::{Product, SnpTcb, VekKind};
use crate::x509::Certificate;

/// What AMD calls them (subject's common name).
const VCEK_NAME: &str = "SEV-VCEK";
const VLEK_NAME: &str = "SEV-VLEK";

/// The rest of each extension's OID behind 1.3.6.1.4.1.3704.1.
const STRUCT_VERSION: &str = "1";
const PRODUCT_NAME: &str = "2";
const BOOT_LOADER: &str = "3.1";
const TEE: &str = "3.2";
const SNP: &str = "3.3";
const MICROCODE: &str = "3.8";
const FMC: &str = "3.9";
const HARDWARE_ID: &str = "4";
const PROVIDER: &str = "5";
/// Components without a meaning yet: of the old layout, and of Turin's.
const SPARE_OLD: [&str; 4] = ["3.4", "3.5", "3.6", "3.7"];
const SPARE_TURIN: [&str; 3] = ["3.5", "3.6", "3.7"];

/// DER tags.
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const IA5_STRING: u8 = 0x16;

/// A certificate that reports are verified with, read; its signature is the chain's to check.
#[derive(Debug, Clone)]
pub(crate) struct Vek {
    pub(crate) certificate: Certificate,
    pub(crate) kind: VekKind,
    pub(crate) product: Product,
    pub(crate) tcb: SnpTcb,
    /// Of the chip, 64 bytes or 8; a VCEK has it.
    pub(crate) hardware_id: Option<Vec<u8>>,
    /// The cloud provider; a VLEK has it.
    pub(crate) provider: Option<String>,
}

impl Vek {
    /// The form of check 5 of docs/protocol/snp.md.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, Invalid> {
        let mut certificate = Certificate::parse(Role::Vek, der)?;
        let kind = match certificate.common_name.as_str() {
            VCEK_NAME => VekKind::Vcek,
            VLEK_NAME => VekKind::Vlek,
            other => {
                let wanted = format!("`{VCEK_NAME}` or `{VLEK_NAME}`");
                return Err(certificate.differs("common name", &wanted, &format!("`{other}`")));
            }
        };
        if certificate.is_ca || certificate.usage.cert_sign || certificate.usage.crl_sign {
            return Err(certificate.differs("basic constraints and key usage", "no CA", "CA"));
        }
        let mut extensions = Extensions(mem::take(&mut certificate.amd_extensions));
        let read = read(kind, &mut extensions).and_then(|read| extensions.end().map(|()| read));
        let (product, tcb, hardware_id, provider) =
            read.map_err(|cause| Invalid::VekExtension { cause })?;
        Ok(Self {
            certificate,
            kind,
            product,
            tcb,
            hardware_id,
            provider,
        })
    }
}

type Contents = (Product, SnpTcb, Option<Vec<u8>>, Option<String>);

fn read(kind: VekKind, extensions: &mut Extensions) -> Result<Contents, String> {
    let version = extensions.number(STRUCT_VERSION)?;
    let name = extensions.text(PRODUCT_NAME)?;
    let product = Product::of_certificate(&name)
        .ok_or_else(|| format!("product name is `{name}`, which is no known product"))?;
    let turin = product == Product::Turin;
    if version != u8::from(turin) {
        return Err(format!(
            "structure version is {version}, wanted {} for {product}",
            u8::from(turin)
        ));
    }
    let tcb = SnpTcb {
        fmc: if turin {
            Some(extensions.number(FMC)?)
        } else {
            None
        },
        boot_loader: extensions.number(BOOT_LOADER)?,
        tee: extensions.number(TEE)?,
        snp: extensions.number(SNP)?,
        microcode: extensions.number(MICROCODE)?,
    };
    let spare: &[&'static str] = if turin { &SPARE_TURIN } else { &SPARE_OLD };
    for name in spare {
        extensions.number(name)?;
    }
    let (hardware_id, provider) = match kind {
        VekKind::Vcek => (Some(extensions.hardware_id(product.chip_id_len())?), None),
        VekKind::Vlek => (None, Some(extensions.text(PROVIDER)?)),
    };
    Ok((product, tcb, hardware_id, provider))
}

/// The extensions that are not read yet.
struct Extensions(BTreeMap<String, Vec<u8>>);

impl Extensions {
    fn take(&mut self, name: &'static str) -> Result<Vec<u8>, String> {
        self.0
            .remove(name)
            .ok_or_else(|| format!("extension {name} is missing"))
    }

    /// INTEGER of 0 to 255.
    fn number(&mut self, name: &'static str) -> Result<u8, String> {
        let value = self.take(name)?;
        match value.as_slice() {
            [INTEGER, 1, number @ 0..=0x7f] | [INTEGER, 2, 0, number @ 0x80..=0xff] => Ok(*number),
            other => Err(format!(
                "extension {name} is {}, wanted an INTEGER of 0 to 255",
                hex::encode(other)
            )),
        }
    }

    /// IA5String.
    fn text(&mut self, name: &'static str) -> Result<String, String> {
        let value = self.take(name)?;
        let text = match value.as_slice() {
            [IA5_STRING, len @ 0..=0x7f, text @ ..] if usize::from(*len) == text.len() => {
                core::str::from_utf8(text)
                    .ok()
                    .filter(|text| text.is_ascii())
            }
            _ => None,
        };
        let wanted = || {
            format!(
                "extension {name} is {}, wanted an IA5String",
                hex::encode(&value)
            )
        };
        text.map(str::to_owned).ok_or_else(wanted)
    }

    /// `len` bytes, as they are or in an OCTET STRING.
    fn hardware_id(&mut self, len: usize) -> Result<Vec<u8>, String> {
        let value = self.take(HARDWARE_ID)?;
        let id = match value.as_slice() {
            [OCTET_STRING, inner, id @ ..] if usize::from(*inner) == len && id.len() == len => id,
            id => id,
        };
        if id.len() == len {
            return Ok(id.to_vec());
        }
        Err(format!(
            "hardware id has {} bytes, wanted {len}",
            value.len()
        ))
    }

    /// Nothing is left that nobody read.
    fn end(&self) -> Result<(), String> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("extension {name} is not of this layout")),
        }
    }
}
