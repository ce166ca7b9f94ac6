//! Freshness bands: collateral that holds, that ends soon, that ended within the grace, that ended before.
//!
//! Does not live here: fetching newer collateral (stoa-collateral), the future (`verify` refuses what is not yet valid).

use core::time::Duration;

use rustls_pki_types::UnixTime;

use crate::claims::Dates;
use crate::invalid::Dated;
use crate::policy::TcbPolicy;
use crate::policy::refusal::Refusal;

/// In which band the collateral of genuine evidence is. What is past every band is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// All of it holds, and for longer than the policy's `warn`.
    Fresh,
    /// All of it holds; `object` ends within the policy's `warn`.
    Ending {
        /// The object that ends first.
        object: Dated,
        /// Its last second.
        until: UnixTime,
    },
    /// `object` ended; accepted because the policy gives grace.
    Grace {
        /// The object that ended first.
        object: Dated,
        /// Its last second.
        until: UnixTime,
        /// The last second of the grace.
        refused_after: UnixTime,
    },
}

/// The band of collateral with these dates.
///
/// # Errors
/// [`Refusal::CollateralExpired`] after the grace.
pub fn freshness(dates: &Dates, policy: &TcbPolicy, now: UnixTime) -> Result<Freshness, Refusal> {
    let first = dates
        .objects()
        .iter()
        .min_by_key(|(_, window)| window.until);
    let Some((object, window)) = first else {
        return Ok(Freshness::Fresh);
    };
    let (object, until) = (*object, window.until);
    let refused_after = later(until, policy.grace);
    if now > refused_after {
        return Err(Refusal::CollateralExpired {
            object,
            until,
            now,
            grace: policy.grace,
        });
    }
    if now > until {
        return Ok(Freshness::Grace {
            object,
            until,
            refused_after,
        });
    }
    if later(now, policy.warn) > until {
        return Ok(Freshness::Ending { object, until });
    }
    Ok(Freshness::Fresh)
}

fn later(time: UnixTime, by: Duration) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(
        time.as_secs().saturating_add(by.as_secs()),
    ))
}
