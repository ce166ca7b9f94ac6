//! Each check of docs/protocol/dcap.md has a test here that turns red when the check is taken out: evidence and collateral
//! that are well signed and wrong in one place.

// A row that changes nothing is `()`, and tables of changes are tables of functions.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::no_effect,
    clippy::type_complexity
)]

#[path = "../support/mod.rs"]
mod support;

mod appraisal;
mod binding;
mod certificates;
mod collateral;
mod dates;
mod lists;
mod memo;
mod openenclave;
mod policy;
mod quote;
mod snp;
mod tcb;

use stoa_attestation::{Claims, Invalid, Verified};
use stoa_explain::Explain;

/// `genuine`, or the code of the error.
fn ending(result: &Result<Verified<Claims>, Invalid>) -> &'static str {
    match result {
        Ok(_) => "genuine",
        Err(invalid) => invalid.code(),
    }
}

/// One named test per row: start from a world, change one thing, see how it ends.
macro_rules! endings {
    ($($name:ident: $world:expr, |$w:ident| $change:expr => $wanted:literal;)*) => { $(
        #[test]
        fn $name() {
            let mut $w = $world;
            $change;
            let result = $w.verify();
            assert_eq!($crate::ending(&result), $wanted, "{:?}", result.err());
        }
    )* };
}
pub(crate) use endings;
