//! Why something that a person asks for is not done, said so that the person knows what to do instead.

use std::fmt;

use crate::roster::{Account, State};

/// Why something is not done; the text says what to do instead.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields are the words of the sentence")]
pub enum Refusal {
    /// It is deleted already.
    Deleted { who: String, id: String },
    /// Only what is pending can be ignored.
    NotPending { who: String, state: State },
    /// Only what is pending or deleted can be restored.
    NotGone { who: String, state: State },
    /// Somebody else bears the name, or has the address.
    Taken { who: String, what: &'static str, thing: String, by: String },
    /// Of an erased person nothing is left to be restored.
    NothingLeft { who: String },
    /// Only what is left of the deleted is erased.
    NotDeleted { who: String, state: State },
    /// Rules can be handed only to somebody with access.
    NoHeir { heir: String, state: State },
    /// Rules cannot be handed to the one who goes.
    OwnHeir { who: String },
    /// Rules, grants and memberships are frozen while pending (L4).
    Frozen { who: String, what: &'static str },
    /// The directory gives the field, and would take it back (U2).
    Mapped { who: String, field: String },
    /// Name and addresses stand still while somebody has no access.
    FrozenField { who: String, field: String, state: State },
    /// A value that cannot be.
    Value { field: String, says: &'static str },
    /// Somebody else has what is asked for (A3, U7).
    Claimed { who: String, what: &'static str, thing: String, by: String },
    /// A text nobody can use.
    Text { what: &'static str, says: String },
    /// The entry is there already, or is not there.
    Rule { who: String, pattern: String, there: bool },
    /// Something about grants or groups, in words of its own.
    Right { says: String },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted { who, id } => {
                write!(f, "`{who}` is deleted already; `rosterd users restore {id}` brings the user back")
            }
            Self::NotPending { who, state } => {
                write!(
                    f,
                    "`{who}` is {state}, not pending: there is no flag to ignore; `rosterd conflicts` lists who is"
                )
            }
            Self::NotGone { who, state } => {
                write!(f, "`{who}` is {state}, neither pending nor deleted: there is nothing to restore")
            }
            Self::Taken { who, what, thing, by } => write!(
                f,
                "`{who}` cannot have access again while the {what} `{thing}` belongs to {by}; change it there, or delete \
                 that user, and try again"
            ),
            Self::NothingLeft { who } => {
                write!(
                    f,
                    "nothing is left of `{who}` that could be restored; the next run adds whoever is in the directory"
                )
            }
            Self::NotDeleted { who, state } => write!(
                f,
                "`{who}` is {state}: only what is left of a deleted user is erased; `rosterd users delete {who}` comes first. \
                 Whoever is still in the directory is added again by the next run, deleted and erased or not: disable or \
                 delete the entry in the directory first"
            ),
            Self::NoHeir { heir, state } => {
                write!(f, "nothing can be handed over to {heir}, who is {state}; name somebody with access")
            }
            Self::OwnHeir { who } => write!(f, "`{who}` cannot hand over to the same user; name somebody else"),
            Self::Frozen { who, what } => write!(
                f,
                "the {what} of `{who}` are frozen while the user is pending; settle that first, `rosterd conflicts` says how"
            ),
            Self::Right { says } => f.write_str(says),
            Self::Mapped { who, field } => write!(
                f,
                "{field} of `{who}` comes from the directory, so change it there; it can be set here once \
                 users.attributes switches it off or source.enabled is false"
            ),
            Self::FrozenField { who, field, state } => {
                write!(f, "{field} of `{who}` stands still while the user is {state}; settle that first")
            }
            Self::Value { field, says } => write!(f, "{field} {says}"),
            Self::Claimed { who, what, thing, by } => {
                write!(f, "`{who}` cannot have the {what} `{thing}`: it belongs to {by}")
            }
            Self::Text { what, says } => write!(f, "{what} {says}"),
            Self::Rule { who, pattern, there: true } => write!(f, "`{who}` has the entry `{pattern}` already"),
            Self::Rule { who, pattern, there: false } => {
                write!(f, "`{who}` has no entry `{pattern}`; `rosterd rules list {who}` shows those there are")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// Whether rules, grants and memberships of somebody can be changed.
///
/// # Errors
/// While pending, when they are frozen (L4), and when deleted.
pub(super) fn editable(account: &Account, what: &'static str) -> Result<(), Refusal> {
    let who = account.label();
    match account.state {
        State::Pending => Err(Refusal::Frozen { who, what }),
        State::Deleted => Err(Refusal::Deleted { who, id: account.uuid.to_string() }),
        State::Active | State::Kept | State::Dormant => Ok(()),
    }
}

/// Whether a text that a person gives can be stored and told apart: `longest` in octets.
///
/// # Errors
/// When it is empty, too long, or has control characters.
pub(super) fn usable(what: &'static str, text: &str, longest: usize) -> Result<(), Refusal> {
    let says = match text {
        _ if text.trim().is_empty() => "needs at least one visible character".to_owned(),
        _ if text.chars().any(char::is_control) => "has no control characters".to_owned(),
        _ if text.len() > longest => format!("has at most {longest} octets"),
        _ => return Ok(()),
    };
    Err(Refusal::Text { what, says })
}
