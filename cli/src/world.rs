//! The outside world of one command: clock and random bytes.

use std::time::SystemTime;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use rustls_pki_types::UnixTime;

use crate::failure::Refused;

/// The system's clock.
pub(crate) fn now() -> Result<UnixTime, Refused> {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| Refused::ClockUnset)?;
    Ok(UnixTime::since_unix_epoch(since))
}

/// A fresh nonce.
pub(crate) fn nonce() -> Result<[u8; 32], Refused> {
    let mut nonce = [0; 32];
    SystemRandom::new()
        .fill(&mut nonce)
        .map_err(|_| Refused::RandomnessUnavailable)?;
    Ok(nonce)
}
