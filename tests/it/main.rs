//! The tests that need more than one module, in one binary. `support` has the servers.

// Marks helpers as test code for the lints, which look for this attribute.
#![cfg(test)]

mod architecture;
mod brake;
mod checking;
mod cli;
mod config;
mod coverage;
mod daemon;
mod demo;
mod directory;
mod directory_contract;
mod domain_servers;
mod explaining;
mod grouping;
mod init;
mod kill;
mod kinds;
mod ranges;
mod reliability;
mod rights;
mod store_contract;
mod support;
mod sync;
mod whole;
