//! What the operator decides: the checked settings that the rules need.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use crate::roster::AttributeUse;
use crate::roster::{Domain, FieldId, FieldNames};

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
    /// Whether a person without any address is left out (U10).
    pub address_required: bool,
    /// How long after the deletion somebody who is re-created is re-linked; `None` = nobody ever is (I5).
    pub relink_within: Option<Duration>,
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
}

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
    /// Whether a domain is managed (D1).
    pub fn manages(&self, domain: &Domain) -> bool {
        self.managed.as_ref().is_none_or(|managed| managed.contains(domain))
    }
}
