//! Verbs: what a run decides, as plain functions of directory, store, policy and time.
//!
//! Nothing here waits, logs, or reads a clock.

pub mod change;
mod contest;
pub mod policy;
pub mod view;

pub use change::*;
pub use policy::Policy;
pub use view::{Needs, RecentDepartures, StoredGroup, View, doubt};
