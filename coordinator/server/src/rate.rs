//! How often strangers may ask: a bucket for each address and one for all, in bounded memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Addresses that are remembered; when more ask, the longest silent ones are forgotten.
pub const ADDRESSES_MAX: usize = 4096;

/// Requests a second, and as many at once after a pause.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// From one address.
    pub per_address: u32,
    /// From all together.
    pub in_all: u32,
}

/// Which bucket was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// That of the address.
    Address,
    /// That of all.
    All,
}

/// Buckets under one [`Rate`].
pub struct Limiter {
    rate: Rate,
    state: Mutex<Buckets>,
}

struct Buckets {
    all: Bucket,
    addresses: HashMap<IpAddr, Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn full(size: u32, now: Instant) -> Self {
        Self {
            tokens: f64::from(size),
            filled: now,
        }
    }

    fn refill(&mut self, size: u32, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * f64::from(size)).min(f64::from(size));
        self.filled = now;
    }
}

impl Limiter {
    /// All buckets full.
    #[must_use]
    pub fn new(rate: Rate, now: Instant) -> Self {
        let all = Bucket::full(rate.in_all, now);
        Self {
            rate,
            state: Mutex::new(Buckets {
                all,
                addresses: HashMap::new(),
            }),
        }
    }

    /// What this limiter allows.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one token from both buckets, or says which is empty and takes none.
    ///
    /// # Errors
    /// [`Over`].
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<(), Over> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { all, addresses } = &mut *state;
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&address) {
            forget_the_longest_silent(addresses);
        }
        all.refill(self.rate.in_all, now);
        let own = addresses
            .entry(address)
            .or_insert_with(|| Bucket::full(self.rate.per_address, now));
        own.refill(self.rate.per_address, now);
        if own.tokens < 1.0 {
            return Err(Over::Address);
        }
        if all.tokens < 1.0 {
            return Err(Over::All);
        }
        own.tokens -= 1.0;
        all.tokens -= 1.0;
        Ok(())
    }
}

/// Halves the map, so that this is rare.
fn forget_the_longest_silent(addresses: &mut HashMap<IpAddr, Bucket>) {
    let mut times: Vec<_> = addresses.values().map(|bucket| bucket.filled).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    addresses.retain(|_, bucket| bucket.filled > median);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    fn address(last: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(0x7f00_0000 + last))
    }

    #[test]
    fn one_address_can_not_use_up_what_others_have() {
        let start = Instant::now();
        let limiter = Limiter::new(
            Rate {
                per_address: 3,
                in_all: 100,
            },
            start,
        );
        for _ in 0..3 {
            assert_eq!(limiter.take(address(1), start), Ok(()));
        }
        assert_eq!(limiter.take(address(1), start), Err(Over::Address));
        assert_eq!(limiter.take(address(2), start), Ok(()));
        assert_eq!(
            limiter.take(address(1), start + Duration::from_secs(1)),
            Ok(())
        );
    }

    #[test]
    fn all_together_are_capped_too() {
        let start = Instant::now();
        let limiter = Limiter::new(
            Rate {
                per_address: 10,
                in_all: 5,
            },
            start,
        );
        let passed = (0..20)
            .filter(|n| limiter.take(address(*n), start).is_ok())
            .count();
        assert_eq!(passed, 5);
        assert_eq!(limiter.take(address(99), start), Err(Over::All));
    }

    #[test]
    fn memory_stays_bounded_however_many_addresses_ask() {
        let start = Instant::now();
        let limiter = Limiter::new(
            Rate {
                per_address: 10,
                in_all: u32::MAX,
            },
            start,
        );
        for n in 0..(3 * ADDRESSES_MAX as u32) {
            let _ = limiter.take(address(n), start + Duration::from_micros(u64::from(n)));
        }
        assert!(limiter.state.lock().unwrap().addresses.len() <= ADDRESSES_MAX);
    }
}
