//! Verbs: what a run decides, as plain functions of directory, store, policy and time.
//!
//! Nothing here waits, logs, or reads a clock.

pub mod change;
pub mod policy;

pub use change::*;
pub use policy::Policy;
