//! The current time: the only place of the coordinator that asks the machine's clock.
//!
//! Everything below takes `now` as an argument. That `now` never runs behind the newest durable record is the
//! machine's rule (`mesh`), not this file's.

use rustls::pki_types::UnixTime;

/// Where `now` comes from.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970-01-01T00:00:00Z, as the host says.
    fn now(&self) -> UnixTime;
}

/// The host's clock. In a TEE it is the host's word: expiry is judged against it, never secrecy.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime::now()
    }
}
