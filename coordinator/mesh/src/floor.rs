//! The time floor: what is past already, whatever the clock says.
//!
//! It is the newest of the times of all events and of the dates that vendors signed in collateral that was seen. A clock
//! that is a little behind is taken at the floor; one that is far behind is not worked with.
//!
//! Does not live here: the floor itself (`state`), clocks (`server`).

use rustls_pki_types::UnixTime;

use crate::refusal::Refusal;

/// How far the clock may be behind the time floor, in seconds: as far as verifiers let two clocks differ.
pub const CLOCK_BEHIND_SECS_MAX: u64 = stoa_attestation::channel::limits::CLOCK_DIFFERENCE_SECS_MAX;

/// The time to work at: the clock's, or the floor if the clock is a little behind it. Unix time, as `floor` is.
///
/// # Errors
/// [`Refusal::ClockBehind`] beyond [`CLOCK_BEHIND_SECS_MAX`]: what is issued then would be of another time than everybody
/// else's.
pub fn in_time(now: UnixTime, floor: u64) -> Result<u64, Refusal> {
    let now = now.as_secs();
    if now.saturating_add(CLOCK_BEHIND_SECS_MAX) < floor {
        return Err(Refusal::ClockBehind {
            now,
            floor,
            limit: CLOCK_BEHIND_SECS_MAX,
        });
    }
    Ok(now.max(floor))
}
