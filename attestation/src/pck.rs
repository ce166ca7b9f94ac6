//! The SGX extension of a PCK certificate: which platform it is, and its security versions.
//!
//! Source: Intel SGX PCK Certificate and CRL Profile Specification, 1.3.5 (OID 1.2.840.113741.1.13.1 and below). Each
//! element stands there once, with its exact type and length; nothing else stands there.
//! Does not live here: the rest of the certificate (`x509`), whether the platform is up to date (`tcb`).

use crate::invalid::Invalid;
use crate::x509::Certificate;

/// DER contents of 1.2.840.113741.1.13.1.
const SGX_OID: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01];

const TAG_BOOLEAN: u8 = 0x01;
const TAG_INTEGER: u8 = 0x02;
const TAG_OCTET_STRING: u8 = 0x04;
const TAG_OID: u8 = 0x06;
const TAG_ENUMERATED: u8 = 0x0a;
const TAG_SEQUENCE: u8 = 0x30;

/// Which of Intel's two PCK CAs issued a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ca {
    /// For platforms with several packages, which register themselves.
    Platform,
    /// For single processors.
    Processor,
}

impl Ca {
    pub(crate) const WANTED: &'static str =
        "one with `SGX PCK Platform CA` or `SGX PCK Processor CA`";

    pub(crate) fn of_common_name(name: &str) -> Option<Self> {
        if name.contains("SGX PCK Platform CA") {
            Some(Ca::Platform)
        } else if name.contains("SGX PCK Processor CA") {
            Some(Ca::Processor)
        } else {
            None
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Ca::Platform => "platform",
            Ca::Processor => "processor",
        }
    }
}

/// What the certificate says of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// PPID: names the processor package.
    pub ppid: [u8; 16],
    /// Family, model, stepping and package configuration.
    pub fmspc: [u8; 6],
    /// Which provisioning enclave.
    pub pceid: [u8; 2],
    /// SVN of the 16 SGX TCB components when the certificate was made.
    pub components: [u8; 16],
    /// The same as CPUSVN.
    pub cpu_svn: [u8; 16],
    /// SVN of the provisioning enclave.
    pub pce_svn: u16,
    /// 0 standard, 1 scalable, 2 scalable with integrity.
    pub sgx_type: u8,
    /// PIID: names the platform instance; only from the Platform CA.
    pub piid: Option<[u8; 16]>,
    /// Packages may be added later; only from the Platform CA.
    pub dynamic_platform: Option<bool>,
    /// Intel keeps the platform's root keys; only from the Platform CA.
    pub cached_keys: Option<bool>,
    /// Hyperthreading is on; only from the Platform CA.
    pub smt_enabled: Option<bool>,
}

impl Platform {
    pub(crate) fn parse(ca: Ca, certificate: &Certificate) -> Result<Self, Invalid> {
        let malformed = |cause: String| Invalid::PckExtension { cause };
        let extension = certificate
            .sgx_extension
            .as_deref()
            .ok_or_else(|| malformed("is missing".to_owned()))?;
        Self::read(ca, extension).map_err(malformed)
    }

    fn read(ca: Ca, extension: &[u8]) -> Result<Self, String> {
        let mut top = Elements::read(whole(extension, TAG_SEQUENCE)?, &SGX_OID)?;
        let mut tcb = Elements::read(top.take(2, TAG_SEQUENCE)?, &[&SGX_OID[..], &[2]].concat())?;
        let mut components = [0; 16];
        for (at, component) in components.iter_mut().enumerate() {
            let number = at as u8 + 1;
            let value = integer(number, tcb.take(number, TAG_INTEGER)?)?;
            *component = u8::try_from(value)
                .map_err(|_| format!("component {number} is {value}, at most 255"))?;
        }
        let pce_svn = integer(17, tcb.take(17, TAG_INTEGER)?)?;
        let cpu_svn = tcb.octets(18)?;
        tcb.end()?;
        // Intel fills both from the same value. The levels are judged by the components; a certificate in which
        // the two differ says two things about one platform.
        if components != cpu_svn {
            return Err(format!(
                "components are {}, CPUSVN is {}; they must be equal",
                hex::encode(components),
                hex::encode(cpu_svn)
            ));
        }
        let mut platform = Self {
            ppid: top.octets(1)?,
            pceid: top.octets(3)?,
            fmspc: top.octets(4)?,
            components,
            cpu_svn,
            pce_svn,
            sgx_type: match top.take(5, TAG_ENUMERATED)? {
                [value @ 0..=2] => *value,
                other => {
                    return Err(format!(
                        "SGX type is {}, wanted 0, 1 or 2",
                        hex::encode(other)
                    ));
                }
            },
            piid: None,
            dynamic_platform: None,
            cached_keys: None,
            smt_enabled: None,
        };
        if ca == Ca::Platform {
            platform.piid = Some(top.octets(6)?);
            let mut flags =
                Elements::read(top.take(7, TAG_SEQUENCE)?, &[&SGX_OID[..], &[7]].concat())?;
            platform.dynamic_platform = flags.boolean(1)?;
            platform.cached_keys = flags.boolean(2)?;
            platform.smt_enabled = flags.boolean(3)?;
            flags.end()?;
        }
        top.end()?;
        Ok(platform)
    }
}

/// `SEQUENCE OF SEQUENCE { OID, value }`, where each OID is a known prefix and one number.
struct Elements<'a> {
    prefix: Vec<u8>,
    left: Vec<(u8, u8, &'a [u8])>,
}

impl<'a> Elements<'a> {
    fn read(mut contents: &'a [u8], prefix: &[u8]) -> Result<Self, String> {
        let mut left: Vec<(u8, u8, &[u8])> = Vec::new();
        while !contents.is_empty() {
            let (element, rest) = tagged(contents, TAG_SEQUENCE)?;
            contents = rest;
            let (oid, value) = tagged(element, TAG_OID)?;
            let (tag, value, rest) = tlv(value)?;
            if !rest.is_empty() {
                return Err(format!(
                    "element {} has {} bytes behind its value",
                    hex::encode(oid),
                    rest.len()
                ));
            }
            let number = match oid.strip_prefix(prefix) {
                Some([number]) if *number < 0x80 => *number,
                _ => {
                    return Err(format!(
                        "has the unknown element {} below {}",
                        hex::encode(oid),
                        hex::encode(prefix)
                    ));
                }
            };
            if left.iter().any(|(other, ..)| *other == number) {
                return Err(format!(
                    "has element {number} below {} twice",
                    hex::encode(prefix)
                ));
            }
            left.push((number, tag, value));
        }
        Ok(Self {
            prefix: prefix.to_vec(),
            left,
        })
    }

    fn take(&mut self, number: u8, wanted: u8) -> Result<&'a [u8], String> {
        let (tag, value) = self.take_any(number).ok_or_else(|| {
            format!(
                "has no element {number} below {}",
                hex::encode(&self.prefix)
            )
        })?;
        if tag != wanted {
            return Err(format!(
                "element {number} has tag {tag:#04x}, wanted {wanted:#04x}"
            ));
        }
        Ok(value)
    }

    fn take_any(&mut self, number: u8) -> Option<(u8, &'a [u8])> {
        let at = self.left.iter().position(|(other, ..)| *other == number)?;
        let (_, tag, value) = self.left.remove(at);
        Some((tag, value))
    }

    fn octets<const N: usize>(&mut self, number: u8) -> Result<[u8; N], String> {
        let value = self.take(number, TAG_OCTET_STRING)?;
        value
            .try_into()
            .map_err(|_| format!("element {number} has {} bytes, wanted {N}", value.len()))
    }

    fn boolean(&mut self, number: u8) -> Result<Option<bool>, String> {
        match self.take_any(number) {
            None => Ok(None),
            Some((TAG_BOOLEAN, [0])) => Ok(Some(false)),
            Some((TAG_BOOLEAN, [0xff])) => Ok(Some(true)),
            Some((tag, value)) => Err(format!(
                "element {number} is no BOOLEAN: tag {tag:#04x}, {}",
                hex::encode(value)
            )),
        }
    }

    fn end(&self) -> Result<(), String> {
        match self.left.first() {
            None => Ok(()),
            Some((number, ..)) => Err(format!(
                "has the unknown element {number} below {}",
                hex::encode(&self.prefix)
            )),
        }
    }
}

/// A non-negative INTEGER of at most 16 bits, in its shortest form (X.690, 8.3).
fn integer(number: u8, value: &[u8]) -> Result<u16, String> {
    match value {
        [low @ 0..=0x7f] => Ok(u16::from(*low)),
        [0, low @ 0x80..=0xff] => Ok(u16::from(*low)),
        [high @ 1..=0x7f, low] => Ok(u16::from_be_bytes([*high, *low])),
        [0, high @ 0x80..=0xff, low] => Ok(u16::from_be_bytes([*high, *low])),
        other => Err(format!(
            "element {number} is no INTEGER of 0 to 65535: {}",
            hex::encode(other)
        )),
    }
}

fn whole(bytes: &[u8], tag: u8) -> Result<&[u8], String> {
    match tagged(bytes, tag)? {
        (contents, []) => Ok(contents),
        (_, rest) => Err(format!("has {} bytes behind its end", rest.len())),
    }
}

fn tagged(bytes: &[u8], wanted: u8) -> Result<(&[u8], &[u8]), String> {
    let (tag, contents, rest) = tlv(bytes)?;
    if tag != wanted {
        return Err(format!("has tag {tag:#04x} where {wanted:#04x} should be"));
    }
    Ok((contents, rest))
}

/// Tag, contents and what follows; lengths are definite, minimal and below 64 KiB (X.690, 8.1.3 and 10.1).
fn tlv(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), String> {
    let (tag, len, rest) = match bytes {
        [tag, len @ 0..=0x7f, rest @ ..] => (*tag, usize::from(*len), rest),
        [tag, 0x81, len @ 0x80..=0xff, rest @ ..] => (*tag, usize::from(*len), rest),
        [tag, 0x82, high @ 1..=0xff, low, rest @ ..] => {
            (*tag, usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => return Err("is no DER".to_owned()),
    };
    match rest.split_at_checked(len) {
        Some((contents, rest)) => Ok((tag, contents, rest)),
        None => Err(format!(
            "has an element of {len} bytes of which {} are there",
            rest.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
        let mut der = vec![tag];
        match contents.len() {
            len @ 0..=0x7f => der.push(len as u8),
            len @ 0x80..=0xff => der.extend([0x81, len as u8]),
            len => der.extend([0x82, (len >> 8) as u8, len as u8]),
        }
        der.extend(contents);
        der
    }

    fn element(path: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        let oid = der(TAG_OID, &[&SGX_OID[..], path].concat());
        der(TAG_SEQUENCE, &[oid, der(tag, value)].concat())
    }

    fn tcb(svn: u8) -> Vec<Vec<u8>> {
        let mut tcb: Vec<Vec<u8>> = (1..=16)
            .map(|n| element(&[2, n], TAG_INTEGER, &[if n == 1 { svn } else { 2 }]))
            .collect();
        tcb.push(element(&[2, 17], TAG_INTEGER, &[0, 0x80]));
        tcb.push(element(&[2, 18], TAG_OCTET_STRING, &[2; 16]));
        tcb
    }

    fn processor() -> Vec<Vec<u8>> {
        vec![
            element(&[1], TAG_OCTET_STRING, &[1; 16]),
            element(&[2], TAG_SEQUENCE, &tcb(2).concat()),
            element(&[3], TAG_OCTET_STRING, &[0; 2]),
            element(&[4], TAG_OCTET_STRING, &[4; 6]),
            element(&[5], TAG_ENUMERATED, &[0]),
        ]
    }

    fn read(ca: Ca, elements: &[Vec<u8>]) -> Result<Platform, String> {
        Platform::read(ca, &der(TAG_SEQUENCE, &elements.concat()))
    }

    #[test]
    fn reads_what_both_cas_write() {
        let platform = read(Ca::Processor, &processor()).unwrap();
        assert_eq!(
            (platform.fmspc, platform.pce_svn, platform.piid),
            ([4; 6], 128, None)
        );
        let mut elements = processor();
        elements.push(element(&[6], TAG_OCTET_STRING, &[6; 16]));
        let flags = [
            element(&[7, 1], TAG_BOOLEAN, &[0xff]),
            element(&[7, 3], TAG_BOOLEAN, &[0]),
        ]
        .concat();
        elements.push(element(&[7], TAG_SEQUENCE, &flags));
        let platform = read(Ca::Platform, &elements).unwrap();
        assert_eq!(platform.piid, Some([6; 16]));
        assert_eq!(
            (
                platform.dynamic_platform,
                platform.cached_keys,
                platform.smt_enabled
            ),
            (Some(true), None, Some(false))
        );
        assert!(
            read(Ca::Processor, &elements)
                .unwrap_err()
                .contains("unknown element 6")
        );
        assert!(
            read(Ca::Platform, &processor())
                .unwrap_err()
                .contains("no element 6")
        );
    }

    #[test]
    fn refuses_what_stands_there_twice_not_at_all_or_in_another_type() {
        for at in 0..5 {
            let mut missing = processor();
            missing.remove(at);
            assert!(read(Ca::Processor, &missing).is_err(), "without {at}");
            let mut twice = processor();
            twice.push(twice[at].clone());
            assert!(
                read(Ca::Processor, &twice).unwrap_err().contains("twice"),
                "{at} twice"
            );
        }
        for (at, wrong) in [
            (0, element(&[1], TAG_OCTET_STRING, &[1; 15])),
            (0, element(&[1], TAG_INTEGER, &[1; 16])),
            (1, element(&[2], TAG_SEQUENCE, &tcb(3).concat())),
            (1, element(&[2], TAG_SEQUENCE, &tcb(2)[1..].concat())),
            (4, element(&[5], TAG_ENUMERATED, &[3])),
            (4, element(&[8], TAG_ENUMERATED, &[0])),
        ] {
            let mut elements = processor();
            elements[at] = wrong;
            assert!(read(Ca::Processor, &elements).is_err());
        }
        let behind = [der(TAG_SEQUENCE, &processor().concat()), vec![0]].concat();
        assert!(Platform::read(Ca::Processor, &behind).is_err());
    }

    #[test]
    fn integers_have_one_form() {
        assert_eq!(integer(1, &[0]), Ok(0));
        assert_eq!(integer(1, &[0, 0xff]), Ok(255));
        assert_eq!(integer(1, &[0, 0xff, 0xff]), Ok(65535));
        for bad in [
            &[][..],
            &[0x80],
            &[0, 1],
            &[0, 1, 0],
            &[1, 0, 0],
            &[0xff, 0xff],
        ] {
            assert!(integer(1, bad).is_err(), "{bad:?}");
        }
    }
}
