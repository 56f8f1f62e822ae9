//! The words of the command line.

mod feed;
mod groups;
mod init;
mod people;
mod sources;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};

use crate::clock;
use crate::store::{Action, RunId};

pub use feed::*;
pub use groups::*;
pub use init::*;
pub use people::*;
pub use sources::*;

/// Where the configuration is when nobody says otherwise.
const DEFAULT_CONFIG: &str = "/etc/rosterd/rosterd.toml";

/// Keeps an application's user roster in step with an LDAP directory.
#[derive(Parser, Debug)]
#[command(name = "rosterd", version, arg_required_else_help = true)]
#[command(after_help = QUESTIONS, max_term_width = 110)]
pub struct Cli {
    /// The configuration [default: $ROSTERD_CONFIG, else /etc/rosterd/rosterd.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
    /// Print JSON instead of text: a list is one array, one thing is one object
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Colour: auto (the default; NO_COLOR is respected), always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Everywhere")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub color: ColorChoice,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const QUESTIONS: &str = "\
Four questions, and what answers each (by address, username, DN or id):
  Why is she not in?           rosterd explain ada@example.com
  Why is he locked out?        rosterd explain bob
  Who has this address?        rosterd users show sales@example.com
  What will tonight's run do?  rosterd plan

And when something has to be done:
  Is all well, what waits?     rosterd status, then rosterd conflicts
  A run is held: look, accept  rosterd runs show 17, then rosterd approve 17
  She needs access at once     rosterd sync --user ada@example.com

`rosterd COMMAND --help` explains a command, with examples.

Exit status:
  0 done   1 failed   2 usage   3 changes pending (plan)   4 held by the brake
  5 incomplete run   6 another process is running the sync
  78 configuration refused";

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the daemon, in the foreground
    #[command(after_help = "\
Signals: SIGUSR1 sync now, SIGHUP read the configuration again, SIGTERM or
SIGINT stop.

Example, as a systemd service of Type=notify:
  ExecStart=/usr/bin/rosterd run --config /etc/rosterd/rosterd.toml")]
    Run,
    /// Make one run now
    #[command(after_help = "\
Ends with 4 when the brake holds departures: `rosterd runs show RUN` lists
them, `rosterd approve RUN` applies them. Ends with 5 when the directory could
not be read to the end: then nobody lost anything.

Without a terminal, and with [log] format set to text, json or journald, the
log is written to standard error instead of plain progress lines.

With --user one person is looked up, with this person's groups, and what is
found is applied: no brake holds it, and nobody else is touched. When a run
holds what this person would lose, a warning says so. Somebody whom the store
does not know is looked for in the directory, by DN, unique id, username and
mail.

Example, everything now, after the run that may be going on:
  rosterd sync --wait
Example, somebody who wants to sign in now:
  rosterd sync --user ada@example.com")]
    Sync(Sync),
    /// Show what a run would do, person by person, and change nothing
    #[command(after_help = "\
Signs: + added or gained, ~ changed, - lost or removed, ! held, contested or
not judged.

Ends with 0 when nothing would change, 3 when something would, 4 when the
brake would hold part of it, 5 when the directory could not be read to the
end.

Example, what tonight's run will do; `rosterd status` says when it is:
  rosterd plan
Example, who would be flagged, for a script:
  rosterd plan --json |
    jq -r '.users[] | select(.acts[].kind == \"user.flagged\") | .label'
Example, exactly this and nothing else, later:
  rosterd plan --out tonight.json
  rosterd sync --plan tonight.json")]
    Plan(Plan),
    /// Check configuration, store, servers and schedules, step by step
    #[command(after_help = "\
Every step is a line that begins with ok, warn or fail. A fail makes the exit
status 1.

Example, before a new configuration goes live:
  rosterd check --config /etc/rosterd/rosterd.toml.new")]
    Check,
    /// Look at a directory and write a configuration that fits it
    #[command(after_help = "\
Finds out what kind of server it is, where the directory begins, where people
and groups are and what they have, and says beside each line of the
configuration what it found. It uses TLS wherever the server offers it, asks
for the password on a terminal, and changes nothing in the directory.

With --out a password that was typed goes into the file bind-password beside
the configuration. Without it the configuration goes to standard output.

Examples:
  rosterd init ldaps://dc1.example.com --bind-dn rosterd@example.com
    --domain example.com --out rosterd.toml
  rosterd init ldap.example.com --ca-file ca.pem
    --bind-dn cn=rosterd,ou=services,dc=example,dc=com > rosterd.toml
Then:
  rosterd check --config rosterd.toml")]
    Init(Box<Init>),
    /// Healthy or not and since when, last and next runs, what waits for a person
    #[command(after_help = "\
Ends with 0 whenever the state could be shown; scripts look at `healthy`.

Example, for a monitoring check:
  rosterd status --json | jq -e .healthy

See also: `rosterd plan` (what the next run will do), `rosterd runs` (what the
last ones did).")]
    Status,
    /// The history of runs, and what one run changed
    #[command(after_help = "\
Examples:
  rosterd runs
  rosterd runs show 17

See also: `rosterd approve RUN`, when a run ended held.")]
    Runs(Runs),
    /// The change feed: what happened, in order
    #[command(after_help = feed::EXAMPLES)]
    Changes(Changes),
    /// The people of the roster, one of them with everything, and changes by hand
    #[command(after_help = "\
Examples:
  rosterd users
  rosterd users list --state pending
  rosterd users show ada@example.com
  rosterd users delete bob --transfer-to ada@example.com
  rosterd users restore bob

See also: `rosterd explain WHO` (why somebody is in or not), `rosterd
conflicts` (what waits).")]
    Users(Users),
    /// The groups of the roster, and who is in one of them
    #[command(after_help = "\
Groups made by hand hold whomever you put into them, and survive every run.
Who is in a group of the directory is changed there.

Examples:
  rosterd groups
  rosterd groups show sales
  rosterd groups add testers
  rosterd groups member add testers ada@example.com")]
    Groups(Groups),
    /// What waits for a person: pending deletions and contested names, and what settles them
    #[command(after_help = "\
Examples:
  rosterd conflicts
  rosterd conflicts delete 3
  rosterd conflicts ignore 3

See also: `rosterd explain WHO` (one person, rule by rule).")]
    Conflicts(Conflicts),
    /// The allow and deny entries of one user
    #[command(after_help = "\
They survive every run, are frozen while the user is pending, and end with the
user. An entry for a pattern takes the place of one of the other kind.

Examples:
  rosterd rules list ada
  rosterd rules allow ada '*@partner.example'
  rosterd rules deny ada spam@partner.example
  rosterd rules remove ada spam@partner.example")]
    Rules(Rules),
    /// Privileges: those that groups give, and those given by hand
    #[command(after_help = "\
What groups give comes and goes with the directory. What is given by hand
survives every run, and is frozen while the user is pending.

Examples:
  rosterd grants
  rosterd grants add ada wallet-read
  rosterd grants remove ada wallet-read")]
    Grants(Grants),
    /// Why somebody is in, or is not: rule by rule, reading the directory now
    #[command(after_help = "\
Looks at store and directory and changes nothing: entry, filter, disabled
test, addresses and who has them, groups, roles, dates, where each value comes
from, what the next run does, and what to do if that is not what was wanted.
Without the directory it says what the store knows, and ends with 1.

Each line begins with ok, note or stops: what stops is why. The last line says
what to do.

Example, why is she not in:
  rosterd explain ada@example.com
Example, why is he locked out:
  rosterd explain bob

See also: `rosterd users show WHO` (what the store has, and who has an
address), `rosterd sync --user WHO` (read this one person anew, at once).")]
    Explain {
        /// Address, alias, username, DN, id or unique id, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Accept what a run held, and apply it now
    #[command(after_help = "\
Applies the held departures of that run to those people who, looked at again,
still depart; whoever joined them since is counted anew. Also accepts that a
search that found nobody, or an attribute that vanished, is right.

Was it a mistake, do not approve: put the configuration or the directory right
and run `rosterd sync`. Nothing has to be approved then, what was held is
forgotten, and who was flagged meanwhile comes back. The same undoes an
approval that was a mistake: whoever the directory shows again, comes back.

Whoever is flagged has no access from then on and is deleted by the date that
is told at the end; before it `rosterd conflicts ignore N` keeps somebody.

Example, after `rosterd runs show 17` was read:
  rosterd approve 17")]
    Approve(Approve),
    /// Believe no absence for a while: during work on the directory
    #[command(after_help = "\
Until it ends, nobody is missed, nothing is taken away by absence, and no due
deletion is carried out. Additions, changes and returns are applied, and people
who are disabled in the directory still lose access. It ends by itself, or with
--off; given again, the new end holds, also when it is earlier.

While somebody is missing, `sync` and `plan` end with 4, because something
waits; `status` stays healthy.

Examples:
  rosterd freeze --for 4h 'DC patching'
  rosterd freeze --off")]
    Freeze(Freeze),
    /// The sources of the store; rename one, or give one up
    #[command(after_help = "\
Examples:
  rosterd source
  rosterd source rename corp head-office
  rosterd source retire --force")]
    Source(Source),
    /// Create the store, or bring its schema up to date
    #[command(after_help = "\
`sync`, `approve` and `run` do the same before they begin; this one is for
doing it on purpose, after a backup.

Example:
  rosterd migrate")]
    Migrate,
    /// Show or check the configuration
    #[command(after_help = "\
Examples:
  rosterd config print
  rosterd config validate --config /etc/rosterd/rosterd.toml.new")]
    Config(Config),
}

/// Arguments of `sync`.
#[derive(Args, Debug)]
pub struct Sync {
    /// Do only this much: users, groups, all, or cleanup (due deletions)
    #[arg(long, value_name = "WHAT", value_enum, default_value = "all", hide_possible_values = true)]
    pub only: Only,
    /// Only this person: id, unique id, DN, username, primary address or alias, matched exactly
    #[arg(long, value_name = "WHO", conflicts_with_all = ["only", "full"])]
    pub user: Option<String>,
    /// Read everything, even where changes alone would do (this version always does)
    #[arg(long)]
    pub full: bool,
    /// Wait while another process is running the sync of this source
    #[arg(long)]
    pub wait: bool,
    /// Do exactly what `plan --out FILE` saved, or nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "full"])]
    pub plan: Option<PathBuf>,
}

/// Arguments of `plan`.
#[derive(Args, Debug)]
pub struct Plan {
    /// Look at only this much: users, groups, all, or cleanup (due deletions)
    #[arg(long, value_name = "WHAT", value_enum, default_value = "all", hide_possible_values = true)]
    pub only: Only,
    /// Save it beside, for `sync --plan FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Show every line, however many there are
    #[arg(long)]
    pub all: bool,
}

/// How much of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Only {
    /// People
    Users,
    /// Groups and memberships
    Groups,
    /// Groups, then people
    All,
    /// Due deletions
    Cleanup,
}

impl From<Only> for Action {
    fn from(only: Only) -> Self {
        match only {
            Only::Users => Self::Users,
            Only::Groups => Self::Groups,
            Only::All => Self::All,
            Only::Cleanup => Self::Cleanup,
        }
    }
}

/// Arguments of `runs`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Runs {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    #[command(flatten)]
    list: RunsList,
}

/// What to show of the runs.
#[derive(Subcommand, Clone, Debug)]
pub enum RunsCommand {
    /// The runs, newest first (the default)
    List(RunsList),
    /// One run: its numbers, what it changed, what it held
    #[command(after_help = "\
Example:
  rosterd runs show 17")]
    Show {
        /// Number of the run, as `rosterd runs` lists it
        #[arg(value_name = "RUN", value_parser = run_number)]
        run: RunId,
    },
}

/// How many runs to list.
#[derive(Args, Clone, Debug)]
pub struct RunsList {
    /// List at most this many [default: 50 as text, all as JSON]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

impl Runs {
    /// The command, `list` when none is given.
    pub fn command(self) -> RunsCommand {
        self.command.unwrap_or(RunsCommand::List(self.list))
    }
}

/// Arguments of `approve`.
#[derive(Args, Debug)]
pub struct Approve {
    /// Number of the run that held something, as `rosterd runs` lists it
    #[arg(value_name = "RUN", value_parser = run_number)]
    pub run: RunId,
    /// Wait while another process is running the sync of this source
    #[arg(long)]
    pub wait: bool,
}

/// Arguments of `config`.
#[derive(Args, Debug)]
pub struct Config {
    /// Which of the two.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What to do with the configuration.
#[derive(Subcommand, Clone, Copy, Debug)]
pub enum ConfigCommand {
    /// The configuration in effect, defaults and environment included, secrets left out
    Print,
    /// Say whether the configuration is accepted, or every problem at once
    Validate,
}

impl Cli {
    /// The configuration file: the argument, else `ROSTERD_CONFIG`, else the default place.
    pub fn config_path(&self) -> PathBuf {
        let environment = || clock::environment("ROSTERD_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        self.config.clone().or_else(environment).unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG))
    }
}

/// How a person calls this program with the same configuration: `rosterd approve 17`, with `--config FILE` when it was
/// given, quoted for a shell.
pub fn invocation(config: Option<&Path>, words: &str) -> String {
    match config.map(|path| path.to_string_lossy()) {
        None => format!("rosterd {words}"),
        Some(path) => format!("rosterd {words} --config {}", quoted(&path)),
    }
}

/// One word as a shell takes it.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

fn run_number(text: &str) -> Result<RunId, String> {
    text.parse().map(RunId).map_err(|_| "a run is a whole number, as `rosterd runs` lists it".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_may_stand_before_or_after_the_command() {
        for words in [["--config", "x.toml", "users", "show", "ada"], ["users", "show", "ada", "--config", "x.toml"]] {
            let cli = Cli::try_parse_from(std::iter::once("rosterd").chain(words)).unwrap();
            assert_eq!(cli.config_path(), PathBuf::from("x.toml"));
        }
    }

    #[test]
    fn a_command_that_is_shown_can_be_typed() {
        assert_eq!(invocation(None, "approve 17"), "rosterd approve 17");
        assert_eq!(invocation(Some(Path::new("/tmp/x.toml")), "plan"), "rosterd plan --config /tmp/x.toml");
        assert_eq!(invocation(Some(Path::new("a b'c")), "plan"), r"rosterd plan --config 'a b'\''c'");
    }
}
