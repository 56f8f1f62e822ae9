//! Why something that a person asks for is not done, said so that the person knows what to do instead.

use std::fmt;

use crate::roster::State;

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
    /// Rules can be handed only to somebody with access.
    NoHeir { heir: String, state: State },
    /// Rules cannot be handed to the one who goes.
    OwnHeir { who: String },
    /// Rules are frozen while pending (L4).
    Frozen { who: String },
    /// A pattern nobody can use.
    Pattern { says: &'static str },
    /// The entry is there already, or is not there.
    Rule { who: String, pattern: String, there: bool },
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
            Self::NoHeir { heir, state } => {
                write!(f, "nothing can be handed over to {heir}, who is {state}; name somebody with access")
            }
            Self::OwnHeir { who } => write!(f, "`{who}` cannot hand over to the same user; name somebody else"),
            Self::Frozen { who } => write!(
                f,
                "the rules of `{who}` are frozen while the user is pending; settle that first, `rosterd conflicts` says how"
            ),
            Self::Pattern { says } => write!(f, "a pattern {says}"),
            Self::Rule { who, pattern, there: true } => write!(f, "`{who}` has the entry `{pattern}` already"),
            Self::Rule { who, pattern, there: false } => {
                write!(f, "`{who}` has no entry `{pattern}`; `rosterd rules list` shows those there are")
            }
        }
    }
}

impl std::error::Error for Refusal {}
