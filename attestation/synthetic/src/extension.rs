//! The SGX extension of a PCK certificate, DER.
//!
//! Source: Intel SGX PCK Certificate and CRL Profile Specification, 1.5.1 and Table 1 (OID 1.2.840.113741.1.13.1).

use crate::der::{integer, octets, oid, sequence, tlv};
use crate::knobs::PckCa;

/// 1.2.840.113741.1.13.1 as arcs.
pub(crate) const SGX_EXTENSION: &[u64] = &[1, 2, 840, 113_741, 1, 13, 1];

const BOOLEAN: u8 = 0x01;
const ENUMERATED: u8 = 0x0A;

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
    let components = (1_u64..).zip(facts.cpu_svn);
    let mut tcb: Vec<_> = components
        .map(|(arc, component)| pair(&[2, arc], svn(u16::from(component))))
        .collect();
    tcb.push(pair(&[2, 17], svn(facts.pce_svn)));
    tcb.push(pair(&[2, 18], octets(&facts.cpu_svn)));

    let mut content = vec![
        pair(&[1], octets(&facts.ppid)),
        pair(&[2], sequence(&tcb)),
        pair(&[3], octets(&facts.pce_id)),
        pair(&[4], octets(&facts.fmspc)),
    ];
    // SGX type: 0 standard, 1 scalable.
    let sgx_type = u8::from(facts.ca == PckCa::Platform);
    content.push(pair(&[5], tlv(ENUMERATED, &[sgx_type])));
    if facts.ca == PckCa::Platform {
        content.push(pair(&[6], octets(&facts.instance_id)));
        // Dynamic platform, cached keys, SMT.
        let flags = [1, 2, 3].map(|arc| pair(&[7, arc], tlv(BOOLEAN, &[0x00])));
        content.push(pair(&[7], sequence(&flags)));
    }
    sequence(&content)
}

fn pair(tail: &[u64], value: Vec<u8>) -> Vec<u8> {
    sequence(&[sgx_oid(tail), value])
}

fn sgx_oid(tail: &[u64]) -> Vec<u8> {
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
    oid(&body)
}

fn svn(value: u16) -> Vec<u8> {
    integer(&value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_shortest_and_positive() {
        assert_eq!(svn(0), [2, 1, 0]);
        assert_eq!(svn(127), [2, 1, 127]);
        assert_eq!(svn(128), [2, 2, 0, 128]);
        assert_eq!(svn(255), [2, 2, 0, 255]);
        assert_eq!(svn(256), [2, 2, 1, 0]);
        assert_eq!(svn(0x8000), [2, 3, 0, 0x80, 0]);
    }

    #[test]
    fn oid_of_the_fmspc_has_the_bytes_of_real_certificates() {
        assert_eq!(hex::encode(sgx_oid(&[4])), "060a2a864886f84d010d0104");
    }

    #[test]
    fn long_lengths_take_two_octets() {
        assert_eq!(tlv(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(tlv(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
