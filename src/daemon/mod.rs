//! When to run.

pub mod log;
