//! What a run does to groups and to who is in them.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::plan::{GroupRef, UserRef, Via};
use crate::roster::{State, UniqueId, UserId};

/// What happens to one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupAct {
    /// A new group.
    Added {
        /// The directory's unique id.
        key: UniqueId,
        /// DN.
        dn: Box<str>,
        /// Name.
        name: Box<str>,
    },
    /// Name or DN changed (G2).
    Updated {
        /// Name before and after.
        name: (Box<str>, Box<str>),
        /// DN before and after.
        dn: (Box<str>, Box<str>),
    },
    /// Missing from a complete run (G6).
    Flagged {
        /// When.
        flagged_at: Timestamp,
        /// When deleted at the earliest; `None` = never.
        delete_after: Option<Timestamp>,
    },
    /// Back in the directory (G6).
    Restored {
        /// Pending or deleted.
        from: State,
    },
    /// The delay is over (G6).
    Deleted,
    /// Nobody is in it, and empty groups are left out (G6).
    Dropped {
        /// Active or pending.
        from: State,
    },
    /// A person makes a local group (G9).
    Made {
        /// Name.
        name: Box<str>,
    },
    /// A person deletes a local group (G9).
    Unmade,
}

impl GroupAct {
    /// The event's name.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Added { .. } | Self::Made { .. } => "group.added",
            Self::Updated { .. } => "group.updated",
            Self::Flagged { .. } => "group.flagged",
            Self::Restored { .. } => "group.restored",
            Self::Deleted | Self::Dropped { .. } | Self::Unmade => "group.deleted",
        }
    }

    /// The rule that decides it.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Added { .. } => "G1",
            Self::Updated { .. } => "G2",
            Self::Made { .. } | Self::Unmade => "G9",
            _ => "G6",
        }
    }

    /// `before` and `after` of the change feed.
    pub fn before_after(&self) -> (Option<Value>, Option<Value>) {
        match self {
            Self::Added { key, dn, name } => (None, Some(json!({ "name": name, "dn": dn, "unique_id": key.as_str() }))),
            Self::Updated { name, dn } => {
                (Some(json!({ "name": name.0, "dn": dn.0 })), Some(json!({ "name": name.1, "dn": dn.1 })))
            }
            Self::Flagged { delete_after, .. } => (
                Some(json!({ "state": State::Active.as_str() })),
                Some(json!({
                    "state": State::Pending.as_str(),
                    "delete_after": delete_after.map(|at| at.to_string()),
                })),
            ),
            Self::Restored { from } => {
                (Some(json!({ "state": from.as_str() })), Some(json!({ "state": State::Active.as_str() })))
            }
            Self::Dropped { from } => {
                (Some(json!({ "state": from.as_str() })), Some(json!({ "state": State::Deleted.as_str() })))
            }
            Self::Made { name } => (None, Some(json!({ "name": name, "origin": "local" }))),
            Self::Unmade => {
                (Some(json!({ "state": State::Active.as_str() })), Some(json!({ "state": State::Deleted.as_str() })))
            }
            Self::Deleted => {
                (Some(json!({ "state": State::Pending.as_str() })), Some(json!({ "state": State::Deleted.as_str() })))
            }
        }
    }
}

/// Everything that happens to one group and to who is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupChange {
    /// Which group.
    pub subject: GroupRef,
    /// Its name.
    pub name: Box<str>,
    /// What happens to the group itself.
    pub acts: Vec<GroupAct>,
    /// Who joins (G1); in order.
    pub joins: Vec<(UserRef, Via)>,
    /// Who leaves (G1, G8); in order.
    pub leaves: Vec<(UserId, Via)>,
    /// Those of them whose loss the brake counts (B1); in order.
    pub counted: Vec<UserId>,
    /// Who stays for another reason than before: the one before, the one now (G4).
    pub changed: Vec<(UserId, Via, Via)>,
}
