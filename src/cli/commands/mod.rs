//! What each command does.

pub mod approve;
pub mod by_hand;
pub mod changes;
pub mod check;
pub mod config;
pub mod conflicts;
pub mod explain;
pub mod freeze;
pub mod grants;
pub mod groups;
pub mod init;
pub mod local_groups;
pub mod manual;
pub mod migrate;
pub mod plan;
pub mod resemblance;
pub mod rules;
pub mod run;
pub mod runs;
mod saved;
#[cfg(any(test, fuzzing))]
pub use saved::fuzz as saved_plan;
pub mod settle;
pub mod source;
pub mod status;
pub mod sync;
pub mod users;
mod witness;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::{
    Cli, Command, ConflictsCommand, GrantsCommand, GroupsCommand, RulesCommand, RunsCommand, SourceCommand,
    UsersCommand, invocation,
};
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::clock::SystemClock;
use crate::config::{Config, load};
use crate::plan::RuleKind;
use crate::store::{self, Schema, Store, StoreError};

/// How long a store may take to let go.
const CLOSING: Duration = Duration::from_secs(5);

/// One command on its way: where it writes, and what it works on.
pub struct Session {
    /// Where output goes.
    pub screen: Screen,
    /// The machine's clock.
    pub clock: SystemClock,
    path: PathBuf,
    given: Option<PathBuf>,
    /// The command as it was typed, without the program's name.
    words: Vec<String>,
    /// Where an empty store is that stands in for one that is not there yet.
    stand_in: Option<(tempfile::TempDir, String)>,
    /// Every store that was opened.
    opened: Vec<Arc<dyn Store>>,
}

impl Session {
    /// The session that the arguments ask for.
    pub fn new(cli: &Cli, words: Vec<String>) -> Self {
        Self {
            screen: Screen::of_process(cli.color, cli.json),
            clock: SystemClock,
            stand_in: None,
            opened: Vec::new(),
            path: cli.config_path(),
            given: cli.config.clone(),
            words,
        }
    }

    /// The command as it was typed, without the program's name.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Where the configuration is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration file as it was given on the command line.
    pub fn given(&self) -> Option<&Path> {
        self.given.as_deref()
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

    /// Opens a store as it is; it is closed when the command has ended.
    pub async fn open(&mut self, settings: &store::Settings) -> Result<Arc<dyn Store>, StoreError> {
        let store = store::open(settings).await?;
        self.opened.push(Arc::clone(&store));
        Ok(store)
    }

    /// Lets go of every store. Of SQLite's, one file is then all that is left, which can be copied.
    async fn close(&mut self) {
        for store in self.opened.drain(..) {
            // Everything is committed; a store that does not let go in time is closed by the end of the process.
            drop(tokio::time::timeout(CLOSING, store.close()).await);
        }
    }

    /// The store, created and brought up to date when it is not.
    pub async fn store(&mut self, config: &Config) -> Result<Arc<dyn Store>, Failure> {
        let store = self.open(&config.store).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// The store as it is, for commands that only show something: one that is empty or not there yet is not touched,
    /// an old one is not brought up to date.
    pub async fn store_to_read(&mut self, config: &Config) -> Result<Arc<dyn Store>, Failure> {
        let store = self.open(&config.store).await?;
        let name = store.describe().to_owned();
        match store.schema().await? {
            Schema::Current => Ok(store),
            Schema::Empty => {
                self.screen.say(&format!(
                    "the store {name} is empty, or not there yet: nothing was ever synchronised into it"
                ))?;
                self.empty_store(name).await
            }
            Schema::Old => {
                let migrate = self.invocation("migrate");
                let says = "has the schema of an older version; make a backup, then run";
                Err(Failure::Refused(format!("the store {name} {says} `{migrate}`")))
            }
            // Refused there, in words of its own.
            Schema::Newer => self.store(config).await,
        }
    }

    /// A store with nobody in it, which ends with the command.
    async fn empty_store(&mut self, name: String) -> Result<Arc<dyn Store>, Failure> {
        let (folder, _) = self.stand_in.insert((tempfile::tempdir()?, name));
        let url = format!("sqlite://{}", folder.path().join("empty.db").display());
        let store = self.open(&store::Settings { url, password: None }).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// What the configured store is called, also while a stand-in is shown.
    pub fn store_name(&self, store: &dyn Store) -> String {
        self.stand_in.as_ref().map_or_else(|| store.describe().to_owned(), |(_, name)| name.clone())
    }

    /// Whether the store that is shown is a stand-in for one that is still empty.
    pub fn shows_an_empty_store(&self) -> bool {
        self.stand_in.is_some()
    }

    /// Whether a person at a terminal asks, who may try a refused bind once more (E9).
    pub fn on_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// What a person types to run another command on the same configuration.
    pub fn invocation(&self, words: &str) -> String {
        invocation(self.given.as_deref(), words)
    }

    /// The same for whoever writes on the session's screen meanwhile.
    pub fn commands(&self) -> impl Fn(&str) -> String + use<> {
        let given = self.given.clone();
        move |words| invocation(given.as_deref(), words)
    }
}

/// Does what the command says; the answer is the exit status.
pub async fn dispatch(session: &mut Session, command: Command) -> Result<u8, Failure> {
    let witness = witness::changes_by_hand(&command).then(|| witness::begin(session));
    let ended = perform(session, command).await;
    session.close().await;
    if let (Some(witness), Ok(_)) = (witness, &ended) {
        witness.done();
    }
    ended
}

async fn perform(session: &mut Session, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run => run::run(session).await,
        Command::Sync(args) => sync::run(session, &args).await,
        Command::Plan(args) => plan::run(session, &args).await,
        Command::Check => check::run(session).await,
        Command::Init(args) => init::run(session, &args).await,
        Command::Status => status::run(session).await,
        Command::Runs(args) => match args.command() {
            RunsCommand::List(list) => runs::list(session, &list).await,
            RunsCommand::Show { run } => runs::show(session, run).await,
        },
        Command::Changes(args) => changes::run(session, &args).await,
        Command::Users(args) => match args.command() {
            UsersCommand::List(list) => users::list(session, &list).await,
            UsersCommand::Show { who } => users::show(session, &who).await,
            UsersCommand::Add(new) => manual::add(session, &new).await,
            UsersCommand::Set { who, values } => manual::set(session, &who, &values).await,
            UsersCommand::Delete { who, deletion } => settle::delete(session, &who, &deletion).await,
            UsersCommand::Erase { who, yes } => settle::erase(session, &who, yes).await,
            UsersCommand::Restore { who } => settle::restore(session, &who).await,
        },
        Command::Rules(args) => match args.command {
            RulesCommand::List { who } => rules::list(session, &who).await,
            RulesCommand::Allow { who, pattern } => rules::add(session, &who, RuleKind::Allow, &pattern).await,
            RulesCommand::Deny { who, pattern } => rules::add(session, &who, RuleKind::Deny, &pattern).await,
            RulesCommand::Remove { who, pattern } => rules::remove(session, &who, &pattern).await,
        },
        Command::Groups(args) => match args.command() {
            GroupsCommand::List => groups::list(session).await,
            GroupsCommand::Show { group } => groups::show(session, &group).await,
            GroupsCommand::Add { name } => local_groups::add(session, &name).await,
            GroupsCommand::Delete { group, yes } => local_groups::delete(session, &group, yes).await,
            GroupsCommand::Member { command } => local_groups::member(session, &command).await,
        },
        Command::Conflicts(args) => match args.command() {
            ConflictsCommand::List(list) => conflicts::list(session, &list).await,
            ConflictsCommand::Show { number } => conflicts::show(session, number).await,
            ConflictsCommand::Delete { number, deletion } => settle::delete_flagged(session, number, &deletion).await,
            ConflictsCommand::Ignore { number } => settle::ignore(session, number).await,
            ConflictsCommand::Relink { number } => resemblance::relink(session, number).await,
        },
        Command::Explain { who } => explain::run(session, &who).await,
        Command::Freeze(args) => freeze::run(session, &args).await,
        Command::Source(args) => match args.command() {
            SourceCommand::List => source::list(session).await,
            SourceCommand::Rename { old, new } => source::rename(session, &old, &new).await,
            SourceCommand::Retire { name, force, yes } => source::retire(session, name, force, yes).await,
        },
        Command::Grants(args) => match args.command() {
            GrantsCommand::List => grants::list(session).await,
            GrantsCommand::Add { who, privilege } => grants::add(session, &who, &privilege).await,
            GrantsCommand::Remove { who, privilege } => grants::remove(session, &who, &privilege).await,
        },
        Command::Approve(args) => approve::run(session, &args).await,
        Command::Migrate => migrate::run(session).await,
        Command::Config(args) => config::run(session, args.command),
    }
}
