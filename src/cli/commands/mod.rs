//! What each command does.

pub mod approve;
pub mod check;
pub mod config;
pub mod groups;
pub mod migrate;
pub mod plan;
pub mod run;
pub mod runs;
pub mod status;
pub mod sync;
pub mod users;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::args::{Cli, Command, GroupsCommand, RunsCommand, UsersCommand, invocation};
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::clock::SystemClock;
use crate::config::{Config, load};
use crate::store::{self, Store};

/// One command on its way: where it writes, and what it works on.
pub struct Session {
    /// Where output goes.
    pub screen: Screen,
    /// The machine's clock.
    pub clock: SystemClock,
    path: PathBuf,
    given: Option<PathBuf>,
}

impl Session {
    /// The session that the arguments ask for.
    pub fn new(cli: &Cli) -> Self {
        Self {
            screen: Screen::of_process(cli.color, cli.json),
            clock: SystemClock,
            path: cli.config_path(),
            given: cli.config.clone(),
        }
    }

    /// Where the configuration is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration, or every problem in it.
    pub fn config(&self) -> Result<Config, Failure> {
        load(&self.path).map_err(Failure::Config)
    }

    /// The configuration, with what this version does not act on said as warnings.
    pub fn config_loudly(&mut self) -> Result<Config, Failure> {
        let config = self.config()?;
        for note in &config.notes {
            self.screen.say(&format!("warning: {note}"))?;
        }
        Ok(config)
    }

    /// The store, created and brought up to date when it is not.
    pub async fn store(&self, config: &Config) -> Result<Arc<dyn Store>, Failure> {
        let store = store::open(&config.store).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Whether a person at a terminal asks, who may try a refused bind once more (E9).
    pub fn on_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// What a person types to run another command on the same configuration.
    pub fn invocation(&self, words: &str) -> String {
        invocation(self.given.as_deref(), words)
    }
}

/// Does what the command says; the answer is the exit status.
pub async fn dispatch(session: &mut Session, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run => run::run(session).await,
        Command::Sync(args) => sync::run(session, &args).await,
        Command::Plan(args) => plan::run(session, &args).await,
        Command::Check => check::run(session).await,
        Command::Status => status::run(session).await,
        Command::Runs(args) => match args.command() {
            RunsCommand::List(list) => runs::list(session, &list).await,
            RunsCommand::Show { run } => runs::show(session, run).await,
        },
        Command::Users(args) => match args.command() {
            UsersCommand::List(list) => users::list(session, &list).await,
            UsersCommand::Show { who } => users::show(session, &who).await,
        },
        Command::Groups(args) => match args.command() {
            GroupsCommand::List => groups::list(session).await,
            GroupsCommand::Show { group } => groups::show(session, &group).await,
        },
        Command::Approve(args) => approve::run(session, &args).await,
        Command::Migrate => migrate::run(session).await,
        Command::Config(args) => config::run(session, args.command),
    }
}
