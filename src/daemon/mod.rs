//! When to run.

pub mod agenda;
pub mod log;
pub mod schedule;
