//! rosterd keeps an application's user roster in step with an LDAP directory, and owes nobody a wrong removal.
//!
//! ```text
//!   directory/  --->  roster::Snapshot --+
//!   (ldap3)                              |
//!                                        +-->  plan/  -->  Plan  -->  store/  -->  views, change feed
//!   store/      --->  Index, Accounts  --+     (pure)                 (sqlx)
//!   (sqlx)
//!                    sync.rs is one run of this; daemon/ decides when; cli/ is what people type
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`clock`] | the one place that reads the clock and the environment |
//! | [`roster`] | nouns: people, groups, addresses; what the directory said and what the store knows |
//! | [`plan`] | verbs: what a run decides, as plain functions of directory, store, policy and time |
//! | [`directory`] | the only place that names ldap3 |
//! | [`store`] | the only place that names sqlx |
//! | [`config`] | one TOML file to checked values, or every problem at once |
//! | [`sync`] | one run: read, plan, brake, apply, record |
//! | [`daemon`] | when to run: schedules, signals, systemd |
//! | [`cli`] | what people type, and what they are shown |
//!
//! House rules: decide in plain functions, act at the edges; time and chance are arguments; a wrong state cannot be
//! built. `docs/rules.md` numbers the rules that code and tests name.

pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod directory;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod plan;
pub mod roster;
pub mod store;
pub mod sync;
