//! A bind that was refused.

use crate::clock::Timestamp;
use crate::roster::Digest;

/// A bind that was refused, and is not repeated for a while (E9).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedBind {
    /// When.
    pub at: Timestamp,
    /// A digest that stands for the password.
    pub password: Digest,
    /// Why, in words; empty when an older program noted it.
    pub says: String,
}
