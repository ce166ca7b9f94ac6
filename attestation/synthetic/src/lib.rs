//! attestation/synthetic
