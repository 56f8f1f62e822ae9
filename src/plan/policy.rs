//! What the operator decides: the checked settings that the rules need.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use crate::roster::AttributeUse;
use crate::roster::account::written;
use crate::roster::{Address, Domain, FieldId, FieldNames};

/// A delay before deletion (L3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delay {
    /// That long after the first flag.
    After(Duration),
    /// Locked out, never deleted.
    Never,
}

/// The brake's limits (B1). A kind is held when more than `at_least` *and* more than `percent` of those with access
/// would go, or more than `at_most`, within `window`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Brake {
    /// Percent of the people with access.
    pub percent: f64,
    /// Up to this many are never held by the percentage.
    pub at_least: u64,
    /// More than this many are always held.
    pub at_most: u64,
    /// Departures are summed over this long.
    pub window: Duration,
}

/// The checked settings that decide about people and groups.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// Name of the source.
    pub source: String,
    /// Fields that the directory gives, by id; only these are ever touched (U2).
    pub mapped: BTreeSet<FieldId>,
    /// Names of the extra fields.
    pub names: FieldNames,
    /// What each mapped attribute (lower case) is used for.
    pub uses: BTreeMap<String, BTreeSet<AttributeUse>>,
    /// Managed domains; `None` = every domain (D1).
    pub managed: Option<BTreeSet<Domain>>,
    /// Whether the primary address is the identity (I6).
    pub by_address: bool,
    /// Whether a person without any address is left out (U10).
    pub address_required: bool,
    /// How long after the deletion somebody who is re-created is re-linked; `None` = nobody ever is (I5).
    pub relink_within: Option<Duration>,
    /// The unique id is a configured attribute, which nobody but people keep unique (I7).
    pub configured_id: bool,
    /// Delay for people who are gone (L3).
    pub delay: Delay,
    /// Delay for people who are disabled (L3).
    pub disabled_delay: Delay,
    /// No date lies nearer than this after a change of reason (L2).
    pub minimum: Duration,
    /// The brake.
    pub brake: Brake,
    /// What memberships mean, and which groups there are.
    pub groups: GroupPolicy,
    /// What groups give beside memberships.
    pub rights: Rights,
    /// What becomes of an entry whose primary address a manual account has (M2).
    pub on_match: OnMatch,
    /// What somebody who comes in gets beside, once (U1); no mapped field.
    pub defaults: Vec<(FieldId, String)>,
}

/// Roles and grants, and the groups that give them (R1-R3).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rights {
    /// Where mapped groups are looked for, each once.
    pub places: Vec<Place>,
    /// Highest first.
    pub roles: Vec<Mapped>,
    /// Privileges.
    pub grants: Vec<Mapped>,
    /// The role of people whom no mapped group gives one; without roles, of new people only.
    pub default_role: Option<String>,
    /// Whether people without any mapped role or grant are left out (R3).
    pub required: bool,
}

/// Where a mapped group is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// By DN; the unique id first seen there holds (R4).
    Dn(String),
    /// By this filter.
    Filter(String),
}

impl Place {
    /// The DN or the filter.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Dn(text) | Self::Filter(text) => text,
        }
    }
}

/// A role or a privilege, and the groups that give it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// Name of the role or privilege.
    pub name: String,
    /// Positions in [`Rights::places`].
    pub places: Vec<usize>,
}

/// What becomes of an entry whose primary address a manual account has (M2).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum OnMatch {
    /// The account gets what the entry says, and stays manual.
    #[default]
    Supplement,
    /// The directory owns the account from now on.
    Adopt,
    /// The entry is left out.
    Skip,
}

written!(OnMatch { Supplement = "supplement", Adopt = "adopt", Skip = "skip" });

/// What memberships mean, and which groups there are (G4, G5, G6).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct GroupPolicy {
    /// Members of a group in a group count, too.
    pub flatten: bool,
    /// One group a user; `None` = as many as there are.
    pub one: Option<OneGroup>,
    /// Groups that nobody is in are left out.
    pub drop_empty: bool,
}

/// Which one group a user has (G5). Names are folded ([`crate::roster::address::fold`]).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OneGroup {
    /// Best first.
    pub priority: Vec<String>,
    /// The group of those who have none.
    pub default: Option<String>,
}

impl Policy {
    /// Whether the domain of an address is managed (D1).
    pub fn manages(&self, address: &Address) -> bool {
        self.managed.as_ref().is_none_or(|managed| managed.contains(&address.domain()))
    }

    /// The attributes that are used for something, lower case.
    pub fn attributes(&self, used: AttributeUse) -> impl Iterator<Item = &str> {
        self.uses.iter().filter(move |(_, uses)| uses.contains(&used)).map(|(name, _)| name.as_str())
    }
}
