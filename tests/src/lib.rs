//! Programs of the tests that are neither marbles nor coordinators: attackers.

pub mod attacker;
pub mod impostor;
pub mod relay;
