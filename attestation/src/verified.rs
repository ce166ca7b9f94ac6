//! The proof that something was checked.
//!
//! Does not live here: any check. Who calls [`Verified::new`] has just made all of them.

use core::ops::Deref;

/// Checked: by [`crate::Evidence::verify`] or [`crate::UnverifiedCollateral::verify`], the only places that can make one.
///
/// The field is private and there is no test constructor: tests make real evidence with the synthetic TEE.
#[derive(Debug, Clone)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) fn new(checked: T) -> Self {
        Self(checked)
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
