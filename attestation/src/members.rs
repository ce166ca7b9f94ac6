//! What collateral of every vendor is made of: chains in PEM, bytes in hex.
//!
//! Does not live here: which members there are, and who must have signed them (`collateral`, `snp_collateral`).

use crate::invalid::{Chain, Invalid, Role};
use crate::pem;
use crate::x509::Certificate;

/// The certificates of a chain of exactly this shape.
pub(crate) fn chain<const N: usize>(
    chain: Chain,
    text: &[u8],
    roles: [Role; N],
) -> Result<[Certificate; N], Invalid> {
    let ders = pem::certificates(text).map_err(|cause| Invalid::ChainMalformed { chain, cause })?;
    if ders.len() != N {
        return Err(Invalid::ChainIncomplete {
            chain,
            wanted: N,
            found: ders.len(),
        });
    }
    let certificates = roles
        .iter()
        .zip(&ders)
        .map(|(role, der)| Certificate::parse(*role, der))
        .collect::<Result<Vec<_>, _>>()?;
    certificates
        .try_into()
        .map_err(|found: Vec<_>| Invalid::ChainIncomplete {
            chain,
            wanted: N,
            found: found.len(),
        })
}

/// A member of the JSON that is bytes in hex.
pub(crate) fn hex_member(field: &'static str, text: &str) -> Result<Vec<u8>, Invalid> {
    hex::decode(text).map_err(|cause| Invalid::CollateralMalformed {
        field,
        cause: format!("is no hex: {cause}"),
    })
}
