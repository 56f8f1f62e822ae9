//! What a run will do, as a value: it is printed by `plan`, applied by `sync`, and compared by tests.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::plan::{
    Conflict, ConflictId, Counts, Frozen, GroupChange, GroupCounts, HandAct, Hold, LateClock, Loss, MappedGroups,
    RightsAct, RightsCounts, Since, Via, Without,
};
use crate::roster::account::written;
use crate::roster::{
    Address, Digest, FieldId, FieldNames, Fields, Origin, PendingReason, Skip, Skipped, State, Tally, UniqueId, UserId,
};

/// The store's row number of a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupId(pub i64);

/// A user that the store has, or one that this plan adds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum UserRef {
    /// In the store.
    Known(UserId),
    /// Added by this plan; the digest of the unique id.
    New(Digest),
}

/// A group that the store has, or one that this plan adds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GroupRef {
    /// In the store.
    Known(GroupId),
    /// Added by this plan; the digest of the unique id.
    New(Digest),
}

/// The kinds of departure that the brake counts apart (B1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BrakeKind {
    /// Users that are missing, for whatever reason but `disabled`.
    Missing,
    /// Users that are disabled.
    Disabled,
    /// Users whose domain is no longer managed (D2).
    Domains,
    /// Aliases lost by people who stay.
    Aliases,
    /// Memberships lost by people who stay.
    Memberships,
    /// Roles and grants lost.
    Rights,
    /// People re-linked to the users they were before (I5).
    Relinks,
}

written!(BrakeKind {
    Missing = "missing",
    Disabled = "disabled",
    Domains = "domains",
    Aliases = "aliases",
    Memberships = "memberships",
    Rights = "roles-and-grants",
    Relinks = "re-links",
});

/// One field's change; `None` is "no value".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldChange {
    /// Which field; `None` stands for the primary address.
    pub field: Option<FieldId>,
    /// Value in the store.
    pub before: Option<Box<str>>,
    /// Value the directory gives.
    pub after: Option<Box<str>>,
}

/// What a new user starts with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewUser {
    /// The directory's unique id.
    pub key: UniqueId,
    /// DN.
    pub dn: Box<str>,
    /// One value a field.
    pub fields: Fields,
    /// Primary address, unless `users.address = "optional"` and there is none.
    pub primary: Option<Address>,
    /// Aliases in folded order.
    pub aliases: Box<[Address]>,
    /// Role (R1).
    pub role: Option<Box<str>>,
}

/// One thing that happens to one user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// A new user (U1).
    Added(NewUser),
    /// Deleted and re-added in the directory: the user goes on under another unique id (I5).
    Relinked {
        /// The unique id of before.
        before: UniqueId,
        /// The unique id of now.
        after: UniqueId,
        /// State before.
        from: State,
    },
    /// A tombstone comes back with its internal id (L7).
    Revived(NewUser),
    /// Mapped fields or the primary address change (U2, A1).
    Updated(Box<[FieldChange]>),
    /// Comes over from another source of the same directory (I8).
    Crossed {
        /// The unique id, which stays.
        key: UniqueId,
        /// Name of the source before, and now.
        source: (Box<str>, Box<str>),
        /// DN before, if it is still known, and now.
        dn: (Option<Box<str>>, Box<str>),
        /// State before.
        from: State,
        /// Memberships that are left behind: the new source gives its own.
        leaves: Box<[(GroupId, Via)]>,
    },
    /// The entry has another address and so another user from now on (I6): dormant, and out of the way.
    Parted {
        /// The unique id, which the heir has now.
        key: UniqueId,
        /// State before; a tombstone stays one.
        from: State,
        /// The address the entry has now.
        address: Box<str>,
        /// Whose user the entry is.
        heir: UserRef,
        /// The kind the brake counts it under; `None` when the person had no access, or a person approved it.
        counted: Option<BrakeKind>,
    },
    /// Somebody dormant whose address is back (I6).
    Woken {
        /// The entry's unique id.
        key: UniqueId,
        /// Its DN.
        dn: Box<str>,
    },
    /// The DN changed (I3).
    Moved {
        /// DN in the store.
        before: Box<str>,
        /// DN in the directory.
        after: Box<str>,
    },
    /// An alias is gained (A2).
    AliasAdded(Address),
    /// An alias is lost (A2).
    AliasRemoved {
        /// Which.
        address: Address,
        /// Whether the brake counts it; false when it becomes the primary, or a person approved it.
        counted: bool,
    },
    /// Access ends, deletion is scheduled (L2); or the reason of somebody pending changes.
    Flagged {
        /// State before: active, kept, or pending when only the reason changes.
        from: State,
        /// The new reason.
        reason: PendingReason,
        /// When first flagged.
        flagged_at: Timestamp,
        /// When deleted at the earliest; `None` = never.
        delete_after: Option<Timestamp>,
        /// The kind the brake counts this under; `None` when not counted (only a reason changes, or approved).
        counted: Option<BrakeKind>,
        /// What is known of the cause: where the entry is now, or which test holds.
        detail: Box<str>,
    },
    /// Pending or kept, and nothing speaks against the person any more (L5, L8).
    Restored {
        /// State before.
        from: State,
        /// Why it was pending.
        reason: Option<PendingReason>,
    },
    /// The delay is over (L6).
    Deleted {
        /// Why it was pending.
        reason: Option<PendingReason>,
    },
    /// A role or a grant changes (R1, R2).
    Rights(RightsAct),
    /// The domain of the primary address is no longer managed (D2).
    Removed {
        /// State before.
        from: State,
        /// The domain.
        domain: Box<str>,
        /// The kind the brake counts it under; `None` when the person had no access, or a person approved it.
        counted: Option<BrakeKind>,
    },
    /// A manual account and an entry with its address belong together from now on (M2).
    Linked {
        /// The entry's unique id.
        key: UniqueId,
        /// Its DN.
        dn: Box<str>,
        /// Where the account came from.
        from: Origin,
        /// Where it comes from now: the same, or the directory that adopts it.
        to: Origin,
    },
    /// What a person did, not a run.
    ByHand(HandAct),
}

impl Act {
    /// Whether a run deletes the person by it.
    pub fn deletes(&self) -> bool {
        matches!(self, Self::Deleted { .. } | Self::Removed { .. })
    }

    /// The event's name, which is also the `kind` of the change in `roster_changes`.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Added(_) => "user.added",
            Self::Relinked { .. } => "user.relinked",
            Self::Revived(_) => "user.revived",
            Self::Updated(_) => "user.updated",
            Self::Parted { from: State::Deleted, .. } => "user.updated",
            Self::Parted { .. } => "user.dormant",
            Self::Woken { .. } => "user.woken",
            Self::Moved { .. } | Self::Crossed { .. } => "user.moved",
            Self::AliasAdded(_) => "alias.added",
            Self::AliasRemoved { .. } => "alias.removed",
            Self::Flagged { .. } => "user.flagged",
            Self::Restored { .. } => "user.restored",
            Self::Deleted { .. } | Self::Removed { .. } => "user.deleted",
            Self::Rights(act) => act.event(),
            Self::Linked { .. } => "user.linked",
            Self::ByHand(act) => act.event(),
        }
    }

    /// The rule that decides it.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Added(_) => "U1",
            Self::Relinked { .. } => "I5",
            Self::Revived(_) => "L7",
            Self::Updated(_) => "U2",
            Self::Moved { .. } => "I3",
            Self::Crossed { .. } => "I8",
            Self::Parted { .. } | Self::Woken { .. } => "I6",
            Self::AliasAdded(_) | Self::AliasRemoved { .. } => "A2",
            Self::Flagged { .. } => "L2",
            Self::Restored { .. } => "L5",
            Self::Deleted { .. } => "L6",
            Self::Removed { .. } => "D2",
            Self::Rights(act) => act.rule(),
            Self::Linked { .. } => "M2",
            Self::ByHand(act) => act.rule(),
        }
    }

    /// `before` and `after` of the change feed; `None` where there is nothing to show.
    pub fn before_after(&self, names: &FieldNames) -> (Option<Value>, Option<Value>) {
        match self {
            Self::Added(new) | Self::Revived(new) => (None, Some(new.to_json(names))),
            Self::Updated(changes) => {
                let side = |pick: fn(&FieldChange) -> &Option<Box<str>>| {
                    let name = |change: &FieldChange| change.name(names).to_owned();
                    Some(changes.iter().map(|change| (name(change), json!(pick(change)))).collect::<Map<_, _>>().into())
                };
                (side(|change| &change.before), side(|change| &change.after))
            }
            Self::Relinked { before, after, .. } => {
                (Some(json!({ "unique_id": before.as_str() })), Some(json!({ "unique_id": after.as_str() })))
            }
            Self::Parted { key, from: State::Deleted, .. } => {
                (Some(json!({ "unique_id": key.as_str() })), Some(json!({ "unique_id": null })))
            }
            Self::Parted { key, from, address, .. } => (
                Some(json!({ "state": from.as_str(), "unique_id": key.as_str() })),
                Some(
                    json!({ "state": State::Dormant.as_str(), "detail": format!("the entry's address is now `{address}`") }),
                ),
            ),
            Self::Woken { key, dn } => (
                Some(json!({ "state": State::Dormant.as_str() })),
                Some(json!({ "state": State::Active.as_str(), "unique_id": key.as_str(), "dn": dn })),
            ),
            Self::Crossed { source, dn, .. } => {
                (Some(json!({ "source": source.0, "dn": dn.0 })), Some(json!({ "source": source.1, "dn": dn.1 })))
            }
            Self::Moved { before, after } => (Some(json!({ "dn": before })), Some(json!({ "dn": after }))),
            Self::AliasAdded(address) => (None, Some(json!({ "address": address.as_str() }))),
            Self::AliasRemoved { address, .. } => (Some(json!({ "address": address.as_str() })), None),
            Self::Flagged { from, reason, delete_after, detail, .. } => (
                Some(json!({ "state": from.as_str() })),
                Some(json!({
                    "state": State::Pending.as_str(),
                    "pending_reason": reason.as_str(),
                    "delete_after": delete_after.map(|at| at.to_string()),
                    "detail": detail,
                })),
            ),
            Self::Restored { from, reason } => (
                Some(json!({ "state": from.as_str(), "pending_reason": reason.map(PendingReason::as_str) })),
                Some(json!({ "state": State::Active.as_str() })),
            ),
            Self::Removed { from, domain, .. } => (
                Some(json!({ "state": from.as_str(), "domain": domain })),
                Some(json!({ "state": State::Deleted.as_str() })),
            ),
            Self::Deleted { reason } => (
                Some(json!({ "state": State::Pending.as_str(), "pending_reason": reason.map(PendingReason::as_str) })),
                Some(json!({ "state": State::Deleted.as_str() })),
            ),
            Self::Rights(act) => act.before_after(),
            Self::Linked { key, dn, from, to } => {
                let after = json!({ "origin": to.as_str(), "unique_id": key.as_str(), "dn": dn });
                (Some(json!({ "origin": from.as_str() })), Some(after))
            }
            Self::ByHand(act) => act.before_after(names),
        }
    }
}

impl FieldChange {
    /// The column or extra name; the primary address is `primary_address`.
    pub fn name<'a>(&self, names: &'a FieldNames) -> &'a str {
        self.field.map_or("primary_address", |field| names.name(field))
    }
}

impl NewUser {
    fn to_json(&self, names: &FieldNames) -> Value {
        let mut all: Map<String, Value> = Map::new();
        all.insert("dn".into(), json!(self.dn));
        all.insert("unique_id".into(), json!(self.key.as_str()));
        all.insert("primary_address".into(), json!(self.primary.as_ref().map(Address::as_str)));
        all.insert("aliases".into(), json!(self.aliases.iter().map(Address::as_str).collect::<Vec<_>>()));
        for (field, value) in self.fields.iter() {
            all.insert(names.name(field).into(), json!(value));
        }
        if let Some(role) = &self.role {
            all.insert("role".into(), json!(role));
        }
        Value::Object(all)
    }
}

/// What is remembered of an entry beside its fields, once it was applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Set when everything the entry says was applied; `None` makes the next run look again.
    pub fingerprint: Option<Digest>,
    /// When an unchanged entry has to be looked at again.
    pub review_at: Option<Timestamp>,
    /// Reasons seen since the first flag; empty while active.
    pub reasons_seen: Vec<PendingReason>,
    /// [`crate::roster::Account::waits_since`]
    pub waits_since: Option<Timestamp>,
}

/// Everything that happens to one user in one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserChange {
    /// Who.
    pub subject: UserRef,
    /// What a person calls this user.
    pub label: Box<str>,
    /// Changes with the same unit hand addresses or names to each other and are never split (A5, B3).
    /// A plan's changes are in order of unit.
    pub unit: u32,
    /// What happens, in order; empty when only the mark is new.
    pub acts: Vec<Act>,
    /// The new mark; `None` leaves the stored one.
    pub mark: Option<Mark>,
}

/// A departure that the brake holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Who.
    pub user: UserId,
    /// What a person calls this user.
    pub label: Box<str>,
    /// The kind it is counted under.
    pub kind: BrakeKind,
    /// What would be lost.
    pub loses: Loss,
}

/// All that a run does.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Plan {
    /// Users, in order of unit.
    pub users: Vec<UserChange>,
    /// Groups, in order of name.
    pub groups: Vec<GroupChange>,
    /// Conflicts to open.
    pub opened: Vec<Conflict>,
    /// Open conflicts whose parties are others now.
    pub reworded: Vec<Conflict>,
    /// Conflicts to close because their cause is gone.
    pub resolved: Vec<ConflictId>,
    /// The whole of `roster_skipped` for this source after the run.
    pub skips: Vec<Skip>,
    /// What became of each of these, in their order.
    pub fates: Vec<Skipped>,
    /// How many of these are people who are left out, and values that people come in without.
    pub skipped: BTreeMap<Skipped, Tally>,
    /// Departures that wait for a person.
    pub held: Vec<Held>,
    /// Why, a kind.
    pub holds: Vec<Hold>,
    /// People who could not be judged: label and reason (L2).
    pub unjudged: Vec<(Box<str>, String)>,
    /// Labels of people whose entries give access back, but for a doubt about what was read (E2, E7).
    pub barred: Vec<Box<str>>,
    /// Members that are no user of the store, by group name (G3).
    pub strangers: BTreeMap<String, u64>,
    /// People without any group although there is to be a default one (G5).
    pub without: Option<Without>,
    /// What waits because the source is frozen (B5).
    pub frozen: Option<Frozen>,
    /// What changed since the last run that ended well, when something is held (B1).
    pub since: Option<Since>,
    /// Deletions that wait because the clock is not believed (L10).
    pub late: Option<LateClock>,
    /// The numbers.
    pub counts: Counts,
    /// How many people are pending deletion after the run.
    pub pending: u64,
    /// The numbers of groups and memberships.
    pub group_counts: GroupCounts,
    /// What was found out about mapped groups (R4).
    pub mapped: MappedGroups,
    /// The numbers of roles and grants.
    pub rights: RightsCounts,
}

impl Plan {
    /// Whether this user goes on with another entry than before (I5).
    pub fn relinks(&self, user: UserId) -> bool {
        let relinks = |change: &&UserChange| change.acts.iter().any(|act| matches!(act, Act::Relinked { .. }));
        self.users.iter().filter(relinks).any(|change| change.subject == UserRef::Known(user))
    }

    /// Whether applying it would change anything that anybody can see.
    pub fn is_empty(&self) -> bool {
        self.users.iter().all(|change| change.acts.is_empty())
            && self.groups.is_empty()
            && self.opened.is_empty()
            && self.reworded.is_empty()
            && self.resolved.is_empty()
            && self.mapped.acts.is_empty()
    }
}
