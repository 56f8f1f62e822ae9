//! Real servers for the tests, and the real program.

pub mod desk;
pub mod dns;
pub mod fake;
pub mod postgres;
pub mod program;
pub mod proxy;
pub mod server;
pub mod slapd;
