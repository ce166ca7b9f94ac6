//! Random bytes of the operating system, by the crypto library that the TEE runs.
//!
//! Made once and passed down as `&mut dyn CryptoRng`; nothing else in the coordinator draws randomness, but TLS, which
//! has its own.

use rand_core::{Infallible, TryCryptoRng, TryRng};

/// The system's generator. A generator that fails ends the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl OsRandom {
    /// Fills `bytes`, or ends the process: no key may be made from bytes that were not drawn.
    fn fill(bytes: &mut [u8]) {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            tracing::error!(
                event = "random.failed",
                "The random generator of the system failed"
            );
            std::process::abort();
        }
    }

    /// An array of fresh random bytes.
    #[must_use]
    pub fn array<const N: usize>() -> [u8; N] {
        let mut bytes = [0; N];
        Self::fill(&mut bytes);
        bytes
    }
}

impl TryRng for OsRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(Self::array()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(Self::array()))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        Self::fill(dst);
        Ok(())
    }
}

impl TryCryptoRng for OsRandom {}
