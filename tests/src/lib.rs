//! Programs of the tests that are neither marbles nor coordinators: attackers.

pub mod relay;
