//! The SGX extension of a PCK certificate, DER.
//!
//! Source: Intel SGX PCK Certificate and CRL Profile Specification, 1.5.1 and Table 1 (OID 1.2.840.113741.1.13.1).

use crate::knobs::PckCa;

/// 1.2.840.113741.1.13.1 as arcs.
pub(crate) const SGX_EXTENSION: &[u64] = &[1, 2, 840, 113_741, 1, 13, 1];

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const ENUMERATED: u8 = 0x0A;
const SEQUENCE: u8 = 0x30;

/// What a PCK certificate says of its platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlatformFacts {
    pub(crate) ppid: [u8; 16],
    /// Also the 16 component SVNs: octet i is component i + 1.
    pub(crate) cpu_svn: [u8; 16],
    pub(crate) pce_svn: u16,
    pub(crate) pce_id: [u8; 2],
    pub(crate) fmspc: [u8; 6],
    /// Platform CA only.
    pub(crate) instance_id: [u8; 16],
    pub(crate) ca: PckCa,
}

/// The extension's content: a SEQUENCE of (OID, value).
pub(crate) fn sgx_extension(facts: &PlatformFacts) -> Vec<u8> {
    let mut tcb = Vec::new();
    for (arc, svn) in (1_u64..).zip(facts.cpu_svn) {
        tcb.extend(pair(&[2, arc], &integer(u16::from(svn))));
    }
    tcb.extend(pair(&[2, 17], &integer(facts.pce_svn)));
    tcb.extend(pair(&[2, 18], &tlv(OCTET_STRING, &facts.cpu_svn)));

    let mut content = Vec::new();
    content.extend(pair(&[1], &tlv(OCTET_STRING, &facts.ppid)));
    content.extend(pair(&[2], &tlv(SEQUENCE, &tcb)));
    content.extend(pair(&[3], &tlv(OCTET_STRING, &facts.pce_id)));
    content.extend(pair(&[4], &tlv(OCTET_STRING, &facts.fmspc)));
    // SGX type: 0 standard, 1 scalable.
    let sgx_type = u8::from(facts.ca == PckCa::Platform);
    content.extend(pair(&[5], &tlv(ENUMERATED, &[sgx_type])));
    if facts.ca == PckCa::Platform {
        content.extend(pair(&[6], &tlv(OCTET_STRING, &facts.instance_id)));
        // Dynamic platform, cached keys, SMT.
        let flags: Vec<u8> = (1..=3)
            .flat_map(|arc| pair(&[7, arc], &tlv(BOOLEAN, &[0x00])))
            .collect();
        content.extend(pair(&[7], &tlv(SEQUENCE, &flags)));
    }
    tlv(SEQUENCE, &content)
}

fn pair(tail: &[u64], value: &[u8]) -> Vec<u8> {
    let mut body = oid(tail);
    body.extend_from_slice(value);
    tlv(SEQUENCE, &body)
}

fn oid(tail: &[u64]) -> Vec<u8> {
    // The first two arcs, 1.2, share an octet: 40 * 1 + 2 (X.690, 8.19.4).
    let mut body = vec![42];
    for &arc in SGX_EXTENSION[2..].iter().chain(tail) {
        let mut septets = vec![(arc & 0x7F) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            septets.push((rest & 0x7F) as u8 | 0x80);
            rest >>= 7;
        }
        body.extend(septets.iter().rev());
    }
    tlv(OID, &body)
}

fn integer(value: u16) -> Vec<u8> {
    let [high, low] = value.to_be_bytes();
    let body: &[u8] = match (high, low) {
        (0, 0..=0x7F) => &[low],
        (0..=0x7F, _) => &[high, low],
        _ => &[0, high, low],
    };
    tlv(INTEGER, body)
}

/// Tag, length, content; lengths up to 65 535, which is more than any caller has.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len())
        .expect("the whole extension has some 500 bytes")
        .to_be_bytes();
    let mut out = vec![tag];
    match (high, low) {
        (0, 0..=0x7F) => out.push(low),
        (0, _) => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_shortest_and_positive() {
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(integer(255), [2, 2, 0, 255]);
        assert_eq!(integer(256), [2, 2, 1, 0]);
        assert_eq!(integer(0x8000), [2, 3, 0, 0x80, 0]);
    }

    #[test]
    fn oid_of_the_fmspc_has_the_bytes_of_real_certificates() {
        assert_eq!(hex::encode(oid(&[4])), "060a2a864886f84d010d0104");
    }

    #[test]
    fn long_lengths_take_two_octets() {
        assert_eq!(tlv(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(tlv(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
