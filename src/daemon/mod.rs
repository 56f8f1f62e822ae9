//! When to run.

pub mod log;
pub mod schedule;
