//! The tests that need more than one module, in one binary. `support` has the servers.

mod architecture;
mod cli;
mod config;
mod daemon;
mod demo_world;
mod directory;
mod kill;
mod plan_rules;
mod store_contract;
mod support;
mod sync;
