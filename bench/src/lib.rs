//! What an activation costs the coordinator, in units that travel between machines.
//!
//! Unit V = CPU of one ECDSA P-256 verification, measured in the same run. Real processes on loopback: the coordinator's
//! CPU is read from /proc for its own process, so that clients on the same cores don't count. Nothing here is asserted
//! as a time: figures go to standard output and to a JSON file.

pub mod cpu;
pub mod judge;
pub mod load;
pub mod mesh;
pub mod report;

use std::time::Duration;

/// How long to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Activations one after the other, for the cost of one.
    pub activations: usize,
    /// Per rate.
    pub window: Duration,
    /// Restarts, of which the median counts.
    pub restarts: usize,
}

impl Scale {
    /// Seconds in all.
    pub const QUICK: Self = Self {
        activations: 100,
        window: Duration::from_secs(2),
        restarts: 3,
    };
    /// A minute or two.
    pub const FULL: Self = Self {
        activations: 1000,
        window: Duration::from_secs(10),
        restarts: 9,
    };
}
