//! attestation/source
