//! What happens to roles, grants and mapped groups, as values.

use serde_json::{Value, json};

use crate::plan::{Act, UserChange};
use crate::roster::{Digest, Dn, UniqueId, UserId};

/// A privilege that somebody has through a mapped group.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Grant {
    /// Name of the privilege.
    pub privilege: Box<str>,
    /// Unique id of the group it is shown with (R2).
    pub key: UniqueId,
    /// DN of that group when the grant was given.
    pub dn: Box<str>,
}

/// What happens to one user's role or to one of the grants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RightsAct {
    /// Another role, a first one, or none (R1).
    Role {
        /// Role in the store.
        before: Option<Box<str>>,
        /// Role now.
        after: Option<Box<str>>,
        /// Whether the brake counts it as a loss.
        counted: bool,
    },
    /// A privilege is gained (R2).
    Granted(Box<Grant>),
    /// A privilege is lost (R2).
    Revoked {
        /// What is lost.
        grant: Box<Grant>,
        /// Whether the brake counts it; false when a person approved it.
        counted: bool,
    },
    /// A privilege stays, and is shown with another group (R2).
    Shown {
        /// As it was.
        before: Box<Grant>,
        /// As it is now.
        after: Box<Grant>,
    },
    /// A person gives a privilege (R2).
    GivenByHand(Box<str>),
    /// A person takes a privilege away that was given so.
    TakenByHand(Box<str>),
}

impl RightsAct {
    /// The event's name.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Role { .. } => "role.changed",
            Self::Granted(_) | Self::GivenByHand(_) => "grant.added",
            Self::Revoked { .. } | Self::TakenByHand(_) => "grant.removed",
            Self::Shown { .. } => "grant.updated",
        }
    }

    /// The rule that decides it.
    pub fn rule(&self) -> &'static str {
        if matches!(self, Self::Role { .. }) { "R1" } else { "R2" }
    }

    /// `before` and `after` of the change feed.
    pub fn before_after(&self) -> (Option<Value>, Option<Value>) {
        match self {
            Self::Role { before, after, .. } => (Some(json!({ "role": before })), Some(json!({ "role": after }))),
            Self::Granted(grant) => (None, Some(grant.to_json())),
            Self::Revoked { grant, .. } => (Some(grant.to_json()), None),
            Self::Shown { before, after } => (Some(before.to_json()), Some(after.to_json())),
            Self::GivenByHand(privilege) => (None, Some(json!({ "privilege": privilege, "via": "local" }))),
            Self::TakenByHand(privilege) => (Some(json!({ "privilege": privilege, "via": "local" })), None),
        }
    }

    /// Whether the brake counts it as a loss.
    pub fn counted(&self) -> bool {
        matches!(self, Self::Role { counted: true, .. } | Self::Revoked { counted: true, .. })
    }

    /// The same after a person approved it.
    #[must_use]
    pub fn uncounted(mut self) -> Self {
        if let Self::Role { counted, .. } | Self::Revoked { counted, .. } = &mut self {
            *counted = false;
        }
        self
    }

    /// In a few words: `role admin -> user`, `grant wallet-read`.
    pub fn says(&self) -> String {
        match self {
            Self::Role { before, after, .. } => {
                let word = |role: &Option<Box<str>>| role.as_deref().unwrap_or("none").to_owned();
                format!("role {} -> {}", word(before), word(after))
            }
            Self::Granted(grant) | Self::Revoked { grant, .. } => format!("grant {}", grant.privilege),
            Self::GivenByHand(privilege) | Self::TakenByHand(privilege) => format!("grant {privilege}, local"),
            Self::Shown { before, after } => {
                format!("grant {}, by `{}` instead of `{}`", after.privilege, after.dn, before.dn)
            }
        }
    }

    /// What somebody loses by it, in a few words.
    pub fn loses(&self) -> String {
        match self {
            Self::Role { before: Some(role), after: None, .. } => format!("role {role}"),
            other => other.says(),
        }
    }
}

impl Grant {
    fn to_json(&self) -> Value {
        json!({ "privilege": self.privilege, "group": self.dn })
    }
}

/// A grant of the store that a mapped group gave.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StoredGrant {
    /// Who has it.
    pub user: UserId,
    /// What it is.
    pub grant: Grant,
}

/// The group that holds under a mapped DN (R4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownGroup {
    /// The DN, as the configuration wrote it.
    pub dn: String,
    /// The unique id first seen there, or approved since.
    pub key: UniqueId,
    /// Whether a person approved that it is gone.
    pub settled: bool,
}

/// What is remembered anew of mapped groups (R4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MappedAct {
    /// From now on this group holds under the DN.
    Remember {
        /// The mapped DN.
        dn: String,
        /// The group's unique id.
        key: UniqueId,
    },
    /// A person approved that the group is gone.
    Settle {
        /// The mapped DN.
        dn: String,
    },
    /// A group that was approved as gone is back.
    Return {
        /// The mapped DN.
        dn: String,
    },
    /// The DN left the configuration.
    Forget {
        /// The mapped DN.
        dn: String,
    },
}

/// What is the matter with one mapped group (R4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Broken {
    /// The DN or the filter.
    pub place: String,
    /// One sentence, with what to do.
    pub says: String,
}

/// What a run found out about mapped groups (R4).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MappedGroups {
    /// What is remembered anew.
    pub acts: Vec<MappedAct>,
    /// What has to be said.
    pub broken: Vec<Broken>,
    /// What a person accepts by approving the run.
    pub causes: Vec<String>,
}

/// What happens to roles and grants, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RightsCounts {
    /// People whose role changes, newcomers left out.
    pub roles: u64,
    /// Grants gained.
    pub granted: u64,
    /// Grants lost.
    pub revoked: u64,
}

impl RightsCounts {
    pub(in crate::plan) fn add(&mut self, change: &UserChange) {
        for act in &change.acts {
            match act {
                Act::Rights(RightsAct::Role { .. }) => self.roles += 1,
                Act::Rights(RightsAct::Granted(_)) => self.granted += 1,
                Act::Rights(RightsAct::Revoked { .. }) => self.revoked += 1,
                _ => {}
            }
        }
    }
}

/// What accepting that a group is gone, or that another one stands in its place, is called in a run's cause.
pub(super) fn cause(word: &str, dn: &str, key: &UniqueId) -> String {
    let what = Digest::of([Dn::digest_of(dn).to_bytes(), key.digest().to_bytes()].concat());
    format!("{word}:{what:?}")
}

/// A mapped group is gone.
pub(super) const GONE: &str = "mapped-gone";
/// Another group stands under a mapped DN.
pub(super) const OTHER: &str = "mapped-other";
