//! The receipt in every leaf: whose it is, and where the journal stood when its content was fixed.
//!
//! Because the root's chain signs it, nobody can invent a journal position; a marble that renews and a coordinator
//! that meets one of its own leaves both compare (attest-1.md 5, "History went back").
//! Does not live here: issuing leaves (`mesh`).
//! Source: docs/protocol/attest-1.md, section 5; RFC 5280, 4.1.2.9 (extensions); X.690, 8.7 (OCTET STRING).

use x509_parser::certificate::X509Certificate;

use super::error::{ChannelError, Malformed};
use super::limits;
use crate::der::tlv;
use crate::lp::{LpFault, Reader, Writer};

const LABEL: &str = "stoa/leaf/1";

/// OID 2.25.147696428006881390482647275495470285271 in DER, tag and length included; the last arc has 127 bits.
pub const LEAF_RECEIPT_OID_DER: [u8; 22] = [
    0x06, 0x14, 0x69, 0x81, 0xde, 0x9d, 0xa6, 0x87, 0xca, 0xba, 0x92, 0xb4, 0x97, 0x9a, 0xbf, 0x8a,
    0xf1, 0xc0, 0xf2, 0xe9, 0x83, 0x57,
];
/// Bytes of tag and length in front of the OID's content.
const OID_HEADER_BYTES: usize = 2;
/// The same OID in dotted form.
pub const LEAF_RECEIPT_OID: &str = "2.25.147696428006881390482647275495470285271";
/// Tag of an OCTET STRING in DER.
const OCTET_STRING: u8 = 0x04;

/// Content of the private extension of a marble's leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafReceipt {
    /// The marble's type, as the manifest names it.
    pub marble_type: String,
    /// The instance.
    pub instance: [u8; 16],
    /// Epoch of the manifest that admitted it.
    pub epoch: u64,
    /// When its evidence was appraised, Unix seconds.
    pub attested_at: u64,
    /// The journal's sequence number when the leaf's content was fixed.
    pub sequence: u64,
    /// The journal's head at that moment.
    pub head: [u8; 32],
}

impl LeafReceipt {
    /// The leaf is of this type, and of this instance if one is given.
    pub(super) fn check_names(
        &self,
        marble_type: &str,
        instance: Option<&[u8; 16]>,
    ) -> Result<(), ChannelError> {
        if self.marble_type != marble_type {
            return Err(ChannelError::LeafNotValid {
                what: "its marble type",
                got: self.marble_type.clone(),
                wanted: marble_type.to_owned(),
            });
        }
        match instance {
            Some(wanted) if *wanted != self.instance => Err(ChannelError::LeafNotValid {
                what: "its instance",
                got: hex::encode(self.instance),
                wanted: hex::encode(wanted),
            }),
            _ => Ok(()),
        }
    }

    /// The fields, without the OCTET STRING around them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new()
            .field(LABEL.as_bytes())
            .field(self.marble_type.as_bytes())
            .field(&self.instance)
            .u64(self.epoch)
            .u64(self.attested_at)
            .u64(self.sequence)
            .field(&self.head)
            .finish()
    }

    /// Reads the fields.
    ///
    /// # Errors
    /// [`Malformed`] names the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let lp = Malformed::receipt;
        reader.label(LABEL).map_err(lp)?;
        let marble_type = reader
            .filled("marble type", limits::MARBLE_TYPE_BYTES_MAX)
            .map_err(lp)?;
        let receipt = Self {
            marble_type: super::hello::decode_type(marble_type)?,
            instance: reader.exact("instance").map_err(lp)?,
            epoch: reader.u64("epoch").map_err(lp)?,
            attested_at: reader.u64("attested at").map_err(lp)?,
            sequence: reader.u64("sequence").map_err(lp)?,
            head: reader.exact("head").map_err(lp)?,
        };
        reader.finish().map_err(lp)?;
        Ok(receipt)
    }

    /// The extension's value in DER: an OCTET STRING holding the fields.
    ///
    /// X.509 puts it into the OCTET STRING `extnValue`, as it does with every extension's value.
    #[must_use]
    pub fn extension_value(&self) -> Vec<u8> {
        tlv(OCTET_STRING, &self.encode())
    }

    /// Reads the extension's value, in DER as [`LeafReceipt::extension_value`] makes it.
    ///
    /// # Errors
    /// [`Malformed`] if it is not one OCTET STRING holding the fields.
    pub fn from_extension_value(value: &[u8]) -> Result<Self, Malformed> {
        let not_der = |left| {
            Malformed::receipt(LpFault::Short {
                field: "OCTET STRING",
                wanted: 2,
                left,
            })
        };
        let content = match value {
            [OCTET_STRING, 0x82, _, _, content @ ..]
            | [OCTET_STRING, 0x81, _, content @ ..]
            | [OCTET_STRING, _, content @ ..] => content,
            _ => return Err(not_der(value.len())),
        };
        let receipt = Self::decode(content)?;
        // One value has one encoding, so comparing judges length forms and trailing bytes at once.
        if receipt.extension_value() != value {
            return Err(not_der(value.len()));
        }
        Ok(receipt)
    }

    /// The receipt in a certificate, or `None` if it has no such extension.
    ///
    /// # Errors
    /// [`Malformed`] if the extension is there and can't be read.
    pub fn from_certificate(certificate: &X509Certificate<'_>) -> Result<Option<Self>, Malformed> {
        certificate
            .extensions()
            .iter()
            .find(|extension| extension.oid.as_bytes() == &LEAF_RECEIPT_OID_DER[OID_HEADER_BYTES..])
            .map(|extension| Self::from_extension_value(extension.value))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn receipt(type_bytes: usize) -> LeafReceipt {
        LeafReceipt {
            marble_type: "m".repeat(type_bytes),
            instance: [1; 16],
            epoch: 2,
            attested_at: 3,
            sequence: 4,
            head: [5; 32],
        }
    }

    #[test]
    fn receipts_of_every_length_are_read_back_and_change_in_no_byte() {
        for type_bytes in 1..=limits::MARBLE_TYPE_BYTES_MAX {
            let receipt = receipt(type_bytes);
            let value = receipt.extension_value();
            assert_eq!(LeafReceipt::from_extension_value(&value).unwrap(), receipt);
        }
    }

    #[test]
    fn a_value_cut_or_added_or_with_another_length_form_is_refused() {
        let value = receipt(1).extension_value();
        for end in 0..value.len() {
            assert!(
                LeafReceipt::from_extension_value(&value[..end]).is_err(),
                "cut at {end}"
            );
        }
        assert!(LeafReceipt::from_extension_value(&[value.as_slice(), b"\0"].concat()).is_err());
        let content = receipt(1).encode();
        let low = u8::try_from(content.len()).unwrap();
        for header in [
            [0x04, 0x82, 0, low].as_slice(),
            &[0x05, 0x81, low],
            &[0x04, 0x81, low ^ 1],
        ] {
            assert!(
                LeafReceipt::from_extension_value(&[header, &content].concat()).is_err(),
                "{header:02x?}"
            );
        }
    }

    #[test]
    fn the_oid_is_the_one_of_the_page() {
        let (_, oid) = x509_parser::der_parser::parse_der(&LEAF_RECEIPT_OID_DER).unwrap();
        let content = oid.as_oid().unwrap().as_bytes();
        let (joined, arc) = content.split_first().unwrap();
        assert_eq!(*joined, 2 * 40 + 25);
        let arc = arc
            .iter()
            .fold(0u128, |arc, byte| (arc << 7) | u128::from(byte & 0x7f));
        assert_eq!(format!("2.25.{arc}"), LEAF_RECEIPT_OID);
    }
}
