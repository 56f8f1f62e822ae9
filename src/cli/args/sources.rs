//! The words of the commands about sources: freeze, source.

use std::time::Duration;

use clap::{Args, Subcommand};

/// How long a freeze lasts when nobody says.
const FREEZE: &str = "4h";
/// A freeze ends by itself, and not so late that it is forgotten.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// Arguments of `freeze`.
#[derive(Args, Debug)]
pub struct Freeze {
    /// How long, from now: 30m, 4h, 2d
    #[arg(long = "for", value_name = "TIME", default_value = FREEZE, value_parser = span)]
    pub span: Duration,
    /// End it now
    #[arg(long, conflicts_with_all = ["span", "reason"])]
    pub off: bool,
    /// Why, for whoever looks at the status meanwhile
    #[arg(value_name = "REASON")]
    pub reason: Option<String>,
}

fn span(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).ok().filter(|span| !span.is_zero() && *span <= LONGEST);
    span.ok_or_else(|| "a time is written like 30m, 4h or 2d, and is at most 30d".to_owned())
}

/// Arguments of `source`.
#[derive(Args, Clone, Debug)]
pub struct Source {
    #[command(subcommand)]
    command: Option<SourceCommand>,
}

/// What to do with the sources of the store.
#[derive(Subcommand, Clone, Debug)]
pub enum SourceCommand {
    /// Every source of the store with its directory and its users (the default)
    List,
    /// Give a source, and all that is its, another name
    #[command(after_help = "\
Then set source.name in the configuration to the new name; until then `run`
and `sync` refuse to work.

Example:
  rosterd source rename corp head-office")]
    Rename {
        /// Its name so far
        #[arg(value_name = "OLD")]
        old: String,
        /// Its name from now on
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Give a source up for good
    #[command(after_help = "\
Refused while the source has users. With --force everybody active loses access
at once, with the reason `source-removed`, and is deleted after deletion.delay
by any process that works on this store. Who was kept on purpose stays. The
name is not used again.

Example:
  rosterd source retire --force")]
    Retire {
        /// Which one [default: source.name of the configuration]
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Flag the users it still has for deletion
        #[arg(long)]
        force: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl Source {
    /// The command, `list` when none is given.
    pub fn command(self) -> SourceCommand {
        self.command.unwrap_or(SourceCommand::List)
    }
}
