//! What people do by hand, in the log: the command, and who typed it.

use crate::cli::args::{
    Command, ConflictsCommand, GrantsCommand, GroupsCommand, RulesCommand, SourceCommand, UsersCommand,
};
use crate::cli::commands::Session;
use crate::cli::commands::sync::logs;
use crate::clock;
use crate::config::LogFormat;
use crate::daemon;

/// Whether a command changes the store beside the runs that the schedule makes.
pub fn changes_by_hand(command: &Command) -> bool {
    match command {
        Command::Users(args) => !matches!(args.clone().command(), UsersCommand::List(_) | UsersCommand::Show { .. }),
        Command::Rules(args) => !matches!(args.command, RulesCommand::List { .. }),
        Command::Groups(args) => !matches!(args.clone().command(), GroupsCommand::List | GroupsCommand::Show { .. }),
        Command::Grants(args) => !matches!(args.clone().command(), GrantsCommand::List),
        Command::Conflicts(args) => {
            !matches!(args.clone().command(), ConflictsCommand::List(_) | ConflictsCommand::Show { .. })
        }
        Command::Source(args) => !matches!(args.clone().command(), SourceCommand::List),
        Command::Approve(_) | Command::Freeze(_) => true,
        Command::Run
        | Command::Sync(_)
        | Command::Plan(_)
        | Command::Check
        | Command::Init(_)
        | Command::Status
        | Command::Runs(_)
        | Command::Changes(_)
        | Command::Explain { .. }
        | Command::Migrate
        | Command::Config(_) => false,
    }
}

/// A command on its way, to be logged when it is done.
pub struct Witness(Option<Said>);

struct Said {
    command: String,
    by: String,
}

/// Starts the log where a command has one: in the journal, or where a format was chosen on purpose.
pub fn begin(session: &Session) -> Witness {
    // A configuration that is refused is said by the command itself.
    let Ok(config) = session.config() else { return Witness(None) };
    if !logs(session, &config) && config.log.format != LogFormat::Journald {
        return Witness(None);
    }
    daemon::log::init(config.log.format, &config.log.level);
    Witness(Some(Said { command: command(session.words()), by: user() }))
}

impl Witness {
    /// Says that it was done.
    pub fn done(self) {
        let Some(Said { command, by }) = self.0 else { return };
        tracing::info!(event = "command.done", command, by, "`rosterd {command}` was done by {by}");
    }
}

/// The words as typed, without the values that are set, which are personal, and without where the configuration is.
fn command(words: &[String]) -> String {
    let mut told = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            _ if word == "--config" => drop(words.next()),
            Some(("--config", _)) => {}
            Some((name, _)) => told.push(format!("{name}=…")),
            None => told.push(word.clone()),
        }
    }
    told.join(" ")
}

/// The user of the operating system: name and number; with sudo, who asked for it, too.
fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    let name = name.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"));
    match clock::environment("SUDO_USER").filter(|asked| uid == 0 && !asked.is_empty()) {
        Some(asked) => format!("{name}, for {asked}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_set_are_not_told() {
        let words = ["--config", "x.toml", "users", "set", "guest", "notes=private", "--json"];
        let words: Vec<String> = words.map(str::to_owned).to_vec();
        assert_eq!(command(&words), "users set guest notes=… --json");
        assert_eq!(command(&["--config=x.toml".to_owned(), "freeze".to_owned()]), "freeze");
    }

    #[test]
    fn this_user_has_a_number() {
        assert!(user().contains(&format!("uid {}", rustix::process::getuid().as_raw())));
    }
}
