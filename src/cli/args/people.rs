//! The words of the commands about people: users, conflicts, rules.

use clap::{Args, Subcommand};

use crate::roster::{Origin, State};

/// Arguments of `users`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Users {
    #[command(subcommand)]
    command: Option<UsersCommand>,
    #[command(flatten)]
    list: UsersList,
}

/// What to show of the users.
#[derive(Subcommand, Clone, Debug)]
pub enum UsersCommand {
    /// Everybody, with the aliases beneath each user (the default)
    #[command(after_help = "\
Example, who waits for deletion:
  rosterd users list --state pending")]
    List(UsersList),
    /// One user: fields, addresses, groups, state and what settles it, history
    #[command(after_help = "\
Somebody who is not in the roster is looked for among those the last run left
out, with the reason.

Example, who has this address:
  rosterd users show sales@example.com

See also: `rosterd explain WHO`, which reads the directory now and says why
somebody is in or not.")]
    Show {
        /// Id, unique id, DN, username, primary address or alias, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Make an account that no directory gives
    #[command(after_help = "\
The address has to be free, and the username, too; managed domains do not
matter here. Fields are those of `roster_users`, or any other name, which goes
to `extra`.

Example:
  rosterd users add --origin manual --username guest \\
    --address guest@example.com --set surname=Guest")]
    Add(NewUser),
    /// Set values of a user; an empty value takes one away
    #[command(after_help = "\
What comes from the directory is refused while source.enabled is true. Fields
are those of `roster_users`, `address` for the primary address, or any other
name, which goes to `extra`.

Examples:
  rosterd users set guest mobile='+41 79 000 00 00' plan=standard
  rosterd users set guest address=visitor@example.com notes=")]
    Set {
        /// Id, unique id, DN, username, primary address or alias, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
        /// What to set
        #[arg(value_name = "FIELD=VALUE", required = true, value_parser = assignment)]
        values: Vec<(String, String)>,
    },
    /// Delete somebody now, whatever the state; asks on a terminal
    #[command(after_help = "\
Whoever is still in the directory comes back with the next run, under the same
id and without the rules.

Examples:
  rosterd users delete bob
  rosterd users delete bob --transfer-to ada@example.com --yes")]
    Delete {
        /// Id, unique id, DN, username, primary address or alias, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
        /// How.
        #[command(flatten)]
        deletion: Deletion,
    },
    /// Give access back to somebody pending or deleted, who is then kept
    #[command(after_help = "\
For somebody pending it does what `rosterd conflicts ignore N` does, found by
name instead of by number: kept, with access, until no reason to leave is left.
Somebody deleted comes back by this command only, found by id, unique id, or
the last username or primary address; rules and aliases do not come back.
Refused while the username belongs to somebody else.

Were many flagged by mistake, use neither: put the directory or the
configuration right and run `rosterd sync`.

Example:
  rosterd users restore bob")]
    Restore {
        /// Id, unique id, DN, username, primary address or alias, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Remove what is left of a deleted user everywhere: tombstone, history, conflicts; asks on a terminal
    #[command(after_help = "\
The id stays, so that no other user ever gets it, and so do the dates of what
happened. Whoever comes back afterwards is somebody new.

Example:
  rosterd users erase bob")]
    Erase {
        /// Id, unique id, or the last username or primary address of a deleted user
        #[arg(value_name = "WHO")]
        who: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// An account that no directory gives.
#[derive(Args, Clone, Debug)]
pub struct NewUser {
    /// Who makes it: manual (an administrator) or smtp (mail flow)
    #[arg(long, value_name = "ORIGIN", value_parser = made_by)]
    pub origin: Origin,
    /// The username
    #[arg(long, value_name = "NAME")]
    pub username: String,
    /// The primary address
    #[arg(long, value_name = "ADDRESS")]
    pub address: String,
    /// A further value; may be given several times
    #[arg(long, value_name = "FIELD=VALUE", num_args = 1.., value_parser = assignment)]
    pub set: Vec<(String, String)>,
}

/// How to delete somebody.
#[derive(Args, Clone, Debug)]
pub struct Deletion {
    /// Hand the allow and deny entries over to this user, and record it for applications
    #[arg(long, value_name = "WHO")]
    pub transfer_to: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Which users to list.
#[derive(Args, Clone, Debug)]
pub struct UsersList {
    /// Only those in these states: active, pending, kept, dormant, deleted
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = state)]
    pub state: Vec<State>,
}

impl Users {
    /// The command, `list` when none is given.
    pub fn command(self) -> UsersCommand {
        self.command.unwrap_or(UsersCommand::List(self.list))
    }
}

/// Arguments of `conflicts`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Conflicts {
    #[command(subcommand)]
    command: Option<ConflictsCommand>,
    #[command(flatten)]
    list: ConflictsList,
}

/// What to do with conflicts.
#[derive(Subcommand, Clone, Debug)]
pub enum ConflictsCommand {
    /// The open ones, each with both parties, cause, dates and what settles it (the default)
    List(ConflictsList),
    /// One conflict, whatever its status
    #[command(after_help = "\
Example:
  rosterd conflicts show 3")]
    Show {
        /// Number of the conflict, as `rosterd conflicts` lists it
        #[arg(value_name = "N")]
        number: i64,
    },
    /// Delete a user who waits for deletion now; asks on a terminal
    #[command(after_help = "\
Example:
  rosterd conflicts delete 3 --transfer-to ada@example.com")]
    Delete {
        /// Number of the conflict, as `rosterd conflicts` lists it
        #[arg(value_name = "N")]
        number: i64,
        /// How.
        #[command(flatten)]
        deletion: Deletion,
    },
    /// Keep a user who waits for deletion, with access, until the reason ends
    #[command(after_help = "\
The same as `rosterd users restore WHO` for whoever is pending, by the number
that `rosterd conflicts` lists. Refused while the username belongs to somebody
else.

Were many flagged by mistake, put the directory or the configuration right and
run `rosterd sync` instead.

Example:
  rosterd conflicts ignore 3")]
    Ignore {
        /// Number of the conflict, as `rosterd conflicts` lists it
        #[arg(value_name = "N")]
        number: i64,
    },
    /// Say that a newcomer and somebody who is gone are one person: the old id goes on
    #[command(after_help = "\
Everything the newcomer has goes to the old user, who is the one the directory
knows from now on. `rosterd conflicts delete N` says that they are two people;
that is never asked again.

Example:
  rosterd conflicts relink 3")]
    Relink {
        /// Number of a `maybe-same-person`, as `rosterd conflicts` lists it
        #[arg(value_name = "N")]
        number: i64,
    },
}

/// Which conflicts to list.
#[derive(Args, Clone, Copy, Debug)]
pub struct ConflictsList {
    /// Those that were ignored or are resolved, too
    #[arg(long)]
    pub all: bool,
}

impl Conflicts {
    /// The command, `list` when none is given.
    pub fn command(self) -> ConflictsCommand {
        self.command.unwrap_or(ConflictsCommand::List(self.list))
    }
}

/// Arguments of `rules`.
#[derive(Args, Debug)]
pub struct Rules {
    /// What to do.
    #[command(subcommand)]
    pub command: RulesCommand,
}

/// What to do with the entries of a user.
#[derive(Subcommand, Clone, Debug)]
pub enum RulesCommand {
    /// All entries of a user
    List {
        /// Id, unique id, DN, username, primary address or alias, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Make an allow entry
    Allow {
        /// Id, unique id, DN, username, primary address or alias, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
        /// What is allowed, in the application's words
        #[arg(value_name = "PATTERN")]
        pattern: String,
    },
    /// Make a deny entry
    Deny {
        /// Id, unique id, DN, username, primary address or alias, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
        /// What is denied, in the application's words
        #[arg(value_name = "PATTERN")]
        pattern: String,
    },
    /// Take an entry away
    Remove {
        /// Id, unique id, DN, username, primary address or alias, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
        /// The pattern of the entry
        #[arg(value_name = "PATTERN")]
        pattern: String,
    },
}

fn state(text: &str) -> Result<State, String> {
    State::parse(text).ok_or_else(|| "a state is one of active, pending, kept, dormant, deleted".to_owned())
}

fn made_by(text: &str) -> Result<Origin, String> {
    let origin = Origin::parse(text).filter(|origin| *origin != Origin::Directory);
    origin.ok_or_else(|| "an account made by hand is manual or smtp".to_owned())
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (field, value) = text.split_once('=').ok_or("write FIELD=VALUE, like surname=Guest")?;
    Ok((field.trim().to_owned(), value.to_owned()))
}
