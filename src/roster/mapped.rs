//! Groups that give roles and grants, as a run found them (R1, R2, R4).

use crate::clock::Timestamp;
use crate::roster::{MemberRef, UniqueId};

/// A group that gives a role or a grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Giver {
    /// The directory's unique id.
    pub key: UniqueId,
    /// DN as the server wrote it.
    pub dn: Box<str>,
    /// When the directory says it was created; a right that several groups give is shown with the first of them (R2).
    pub created: Option<Timestamp>,
    /// Members as the entry lists them, sorted, without repeats.
    pub members: Box<[MemberRef]>,
    /// Whether every value of every member attribute was read.
    pub whole: bool,
}

/// What looking for one mapped group, by DN or by filter, found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Sought {
    /// Whether the search came to its end and everything it found could be understood.
    pub read: bool,
    /// What stands at the DN, or what the filter finds.
    pub there: Vec<Giver>,
    /// The group known under the DN, where it stands elsewhere now (G2).
    pub elsewhere: Option<Giver>,
}
