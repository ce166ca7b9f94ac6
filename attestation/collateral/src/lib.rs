//! attestation/collateral
