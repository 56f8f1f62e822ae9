//! Real servers for the tests.

pub mod postgres;
pub mod slapd;
