//! The words of the commands about groups and grants.

use clap::{Args, Subcommand};

/// Arguments of `groups`.
#[derive(Args, Clone, Debug)]
pub struct Groups {
    #[command(subcommand)]
    command: Option<GroupsCommand>,
}

/// What to show of the groups.
#[derive(Subcommand, Clone, Debug)]
pub enum GroupsCommand {
    /// Every group with its number of members (the default)
    List,
    /// One group and its members
    #[command(after_help = "\
Example:
  rosterd groups show sales")]
    Show {
        /// Id, unique id, DN or name, matched exactly
        #[arg(value_name = "G")]
        group: String,
    },
    /// Make a local group
    Add {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Delete a local group
    Delete {
        /// Id or name, matched exactly
        #[arg(value_name = "G")]
        group: String,
        /// Do not ask on a terminal
        #[arg(long)]
        yes: bool,
    },
    /// Change who is in a local group
    Member {
        /// In or out.
        #[command(subcommand)]
        command: MemberCommand,
    },
}

/// Who goes into a local group, or out of it.
#[derive(Subcommand, Clone, Debug)]
pub enum MemberCommand {
    /// Put somebody into a local group
    Add(Member),
    /// Take somebody out of a local group
    Remove(Member),
}

/// Which group, and who.
#[derive(Args, Clone, Debug)]
pub struct Member {
    /// Id or name of the group, matched exactly
    #[arg(value_name = "G")]
    pub group: String,
    /// Id, unique id, DN, username, primary address or alias, matched exactly
    #[arg(value_name = "WHO")]
    pub who: String,
}

impl Groups {
    /// The command, `list` when none is given.
    pub fn command(self) -> GroupsCommand {
        self.command.unwrap_or(GroupsCommand::List)
    }
}

/// Arguments of `grants`.
#[derive(Args, Clone, Debug)]
pub struct Grants {
    #[command(subcommand)]
    command: Option<GrantsCommand>,
}

/// What to do with grants.
#[derive(Subcommand, Clone, Debug)]
pub enum GrantsCommand {
    /// Every grant of people with access, with the group that gives it (the default)
    List,
    /// Give somebody a privilege by hand
    Add {
        /// Id, unique id, DN, username, primary address or alias, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
        /// Name of the privilege
        #[arg(value_name = "PRIVILEGE")]
        privilege: String,
    },
    /// Take a privilege away that was given by hand
    Remove {
        /// Id, unique id, DN, username, primary address or alias, matched exactly
        #[arg(value_name = "WHO")]
        who: String,
        /// Name of the privilege
        #[arg(value_name = "PRIVILEGE")]
        privilege: String,
    },
}

impl Grants {
    /// The command, `list` when none is given.
    pub fn command(self) -> GrantsCommand {
        self.command.unwrap_or(GrantsCommand::List)
    }
}
