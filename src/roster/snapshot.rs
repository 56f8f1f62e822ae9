//! One whole read of the directory, and the proof that it was whole.
//!
//! Only a [`Complete`] snapshot can say that somebody is missing. It is made by `Snapshot::judge` from the ends of all
//! passes, and nothing outside this crate can make one (E1):
//!
//! ```compile_fail
//! let complete = rosterd::roster::Complete { inner: () };
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::roster::{Digest, Dn, Group, Index, Known, MemberRef, Persons, Skip, Sought, UniqueId, UserId};

/// Why a read does not prove who is absent (E1, E2). The text says what happened, where, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incomplete {
    /// A stable word: `size-limit`, `connection-lost`, `no-users`, `no-groups`, `attribute-vanished`, `reference`, …
    pub cause: &'static str,
    /// One sentence for the operator, with the remedy.
    pub says: String,
    /// The attribute that vanished, for `attribute-vanished`.
    pub attribute: Option<String>,
}

impl Incomplete {
    /// The cause where no user at all was found.
    pub const NO_USERS: &'static str = "no-users";
    /// The cause where no group at all was found.
    pub const NO_GROUPS: &'static str = "no-groups";
    /// The cause where nobody shows an attribute that many had.
    pub const VANISHED: &'static str = "attribute-vanished";
    /// The cause where the server knows less than the one of the last complete run.
    pub const BEHIND: &'static str = "server-behind";

    /// No user at all was found, although the store has so many with access (E2).
    pub fn no_users(users: u64) -> Self {
        let says = format!(
            "the search found no user at all, but the store has {users} users of this source; look at users.base_dns, \
             users.filter and the rights of the bind account"
        );
        Self { cause: Self::NO_USERS, says, attribute: None }
    }

    /// No group at all was found, although the store has so many (E2).
    pub fn no_groups(groups: u64) -> Self {
        let says = format!(
            "the search found no group at all, but the store has {groups} groups of this source; look at \
             groups.base_dns, groups.filter and the rights of the bind account"
        );
        Self { cause: Self::NO_GROUPS, says, attribute: None }
    }
}

/// What one finished read of a directory holds besides its people.
#[derive(Clone, Default, Debug)]
pub struct Reading {
    /// Entries that are new or differ from what was applied, in order of unique id; the later of two counts (E3).
    pub people: Persons,
    /// Groups, in order of unique id.
    pub groups: Vec<Group>,
    /// What looking for the mapped groups found, in the order of the policy's places; empty unless users were read and
    /// groups are mapped (R1, R2).
    pub mapped: Vec<Sought>,
    /// Positions in the index whose entry was read and equals what was applied.
    pub unchanged: Positions,
    /// Positions whose entry was read but not understood: they wait (E5).
    pub waiting: Positions,
    /// Groups whose entry was read but not understood: digests of the unique id, where one could be read, and of the
    /// normalised DN. They are not missing (E5).
    pub waiting_groups: BTreeSet<Digest>,
    /// Memberships that users name themselves (memberOf): digest of the group's DN, the user's unique id (G3).
    pub member_of: Vec<(Digest, Digest)>,
    /// Primary groups: digest of the group's SID, the user's unique id, in order of users (G3).
    pub primary: Vec<(Digest, Digest)>,
    /// Users whose entry has a primary group that cannot be told: digests of the unique id (G3).
    pub primary_unknown: BTreeSet<Digest>,
    /// Entries and values that were left out while reading.
    pub skips: Vec<Skip>,
    /// How many user entries had each mapped attribute (lower case), and under `""` how many there were at all.
    pub coverage: BTreeMap<String, u64>,
    /// User and group entries read.
    pub entries: u64,
    /// Whether users, and whether groups, were asked for at all.
    pub passes: Passes,
}

impl Reading {
    /// Whether any group names members by username.
    pub fn names_members_by_username(&self) -> bool {
        let by_name = |members: &[MemberRef]| members.iter().any(|member| matches!(member, MemberRef::Username(_)));
        let mut givers = self.mapped.iter().flat_map(|sought| sought.there.iter().chain(&sought.elsewhere));
        self.groups.iter().any(|group| by_name(&group.members)) || givers.any(|giver| by_name(&giver.members))
    }

    /// Whether anybody's own entry names the group with this DN (G3).
    pub fn is_named(&self, dn: &str) -> bool {
        let dn = Dn::digest_of(dn);
        self.member_of.iter().any(|(group, _)| *group == dn)
    }

    /// Whether it is the primary group of anybody who was read (G3).
    pub fn is_primary(&self, group: &Group) -> bool {
        self.primary.iter().any(|(sid, _)| group.members.contains(&MemberRef::Primary(*sid)))
    }
}

/// Which passes a run makes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Passes {
    /// Users are read.
    pub users: bool,
    /// Groups are read.
    pub groups: bool,
}

/// A set of positions in an [`Index`].
#[derive(Clone, Default, Debug)]
pub struct Positions(Vec<u64>);

impl Positions {
    /// Adds a position.
    pub fn insert(&mut self, position: usize) {
        let word = position / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= 1 << (position % 64);
        }
    }

    /// Takes a position out again.
    pub fn remove(&mut self, position: usize) {
        if let Some(bits) = self.0.get_mut(position / 64) {
            *bits &= !(1 << (position % 64));
        }
    }

    /// Whether the position is in the set.
    pub fn contains(&self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|bits| bits & (1 << (position % 64)) != 0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }
}

/// A read that proves who is absent.
#[derive(Clone, Debug)]
pub struct Complete {
    reading: Reading,
}

/// A read that proves presence only.
#[derive(Clone, Debug)]
pub struct Partial {
    reading: Reading,
    why: Incomplete,
}

/// What a run knows of the directory.
#[derive(Clone, Debug)]
pub enum Snapshot {
    /// Everything was read.
    Complete(Complete),
    /// Something was not, or may not have been.
    Partial(Partial),
}

impl Snapshot {
    /// Judges a reading: `ended` is what stopped it early, if anything did.
    ///
    /// Only the reader of the directory may call this, with the outcome of every pass. Even a read that ended well
    /// is partial when it saw no user or no group where the store has some, or when an attribute that more than
    /// five and more than 10 % of the people had at the last complete run has vanished from everybody (E2), unless
    /// a person accepted exactly that (`accepted` holds causes, and `attribute-vanished:NAME`; B1).
    pub(crate) fn judge(reading: Reading, ended: Result<(), Incomplete>, before: &Before) -> Self {
        let verdict = ended.and_then(|()| before.check(&reading));
        match verdict {
            Ok(()) => Self::Complete(Complete { reading }),
            Err(why) => Self::Partial(Partial { reading, why }),
        }
    }

    /// What was read, complete or not.
    pub fn reading(&self) -> &Reading {
        match self {
            Self::Complete(complete) => &complete.reading,
            Self::Partial(partial) => &partial.reading,
        }
    }

    /// The same, for carrying it over to a newer index.
    pub(crate) fn reading_mut(&mut self) -> &mut Reading {
        match self {
            Self::Complete(complete) => &mut complete.reading,
            Self::Partial(partial) => &mut partial.reading,
        }
    }

    /// The same, for taking people out of it.
    pub fn into_reading(self) -> Reading {
        match self {
            Self::Complete(complete) => complete.reading,
            Self::Partial(partial) => partial.reading,
        }
    }

    /// Why the read is not complete.
    pub fn incomplete(&self) -> Option<&Incomplete> {
        match self {
            Self::Complete(_) => None,
            Self::Partial(partial) => Some(&partial.why),
        }
    }

    /// The complete read, if it is one.
    pub fn complete(&self) -> Option<&Complete> {
        match self {
            Self::Complete(complete) => Some(complete),
            Self::Partial(_) => None,
        }
    }

    /// The same read, no longer a proof of absence. There is no way back.
    pub fn doubted(self, why: Incomplete) -> Self {
        match self {
            Self::Complete(Complete { reading }) => Self::Partial(Partial { reading, why }),
            partial @ Self::Partial(_) => partial,
        }
    }
}

impl Complete {
    /// The users of the index that this read did not see: not read unchanged, not read differing, not waiting.
    ///
    /// Deleted and dormant users are never missing. Empty when users were not asked for.
    pub fn missing<'a>(&'a self, index: &'a Index) -> impl Iterator<Item = &'a Known> {
        let reading = &self.reading;
        let present: std::collections::HashSet<UserId> =
            reading.people.iter().filter_map(|person| index.find(person.key.digest())).map(|known| known.id).collect();
        index.iter().enumerate().filter_map(move |(position, known)| {
            let seen = reading.unchanged.contains(position)
                || reading.waiting.contains(position)
                || present.contains(&known.id);
            (reading.passes.users && !seen && !known.manual && !known.state.tombstone()).then_some(known)
        })
    }

    /// What was read.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }
}

impl crate::roster::State {
    /// Whether the directory no longer decides about somebody in this state by absence.
    pub const fn tombstone(self) -> bool {
        matches!(self, Self::Deleted | Self::Dormant)
    }
}

/// What the store remembers of the last complete run, for telling "nobody" from "not shown" (E2).
#[derive(Clone, Default, Debug)]
pub struct Before {
    /// Directory users of this source that have access.
    pub users: u64,
    /// Directory groups of this source that are active.
    pub groups: u64,
    /// [`Reading::coverage`] of the last complete run.
    pub coverage: BTreeMap<String, u64>,
    /// The attributes that disabled tests look at, lower case (U8).
    pub tests: BTreeSet<String>,
    /// What a person accepted for this run: causes, or `attribute-vanished:NAME`.
    pub accepted: Vec<String>,
    /// The unique id that holds under each mapped place, in order; `None` where none was ever seen (R4).
    pub mapped: Vec<Option<UniqueId>>,
}

impl Before {
    fn accepted(&self, cause: &str) -> bool {
        self.accepted.iter().any(|accepted| accepted == cause)
    }

    fn check(&self, reading: &Reading) -> Result<(), Incomplete> {
        let now = |name: &str| reading.coverage.get(name).copied().unwrap_or(0);
        if reading.passes.users && now("") == 0 && self.users > 0 && !self.accepted(Incomplete::NO_USERS) {
            return Err(Incomplete::no_users(self.users));
        }
        if reading.passes.groups
            && reading.groups.is_empty()
            && self.groups > 0
            && !self.accepted(Incomplete::NO_GROUPS)
        {
            return Err(Incomplete::no_groups(self.groups));
        }
        match self.vanished(reading).next() {
            None => Ok(()),
            Some((name, had)) => Err(Incomplete {
                cause: Incomplete::VANISHED,
                says: format!(
                    "attribute `{name}`, which {had} people had at the last complete run, is missing from everybody \
                     now; look at the bind account's right to read it, and at [users.attributes]"
                ),
                attribute: Some(name.to_owned()),
            }),
        }
    }

    /// The attributes that a few had and nobody has now: that may be so, or they are hidden (E2).
    pub fn unseen(&self, reading: &Reading) -> BTreeMap<String, u64> {
        let doubted: BTreeSet<&str> = self.vanished(reading).map(|(name, _)| name).collect();
        let gone = |name: &str| reading.passes.users && reading.coverage.get(name) == Some(&0);
        let few = self.coverage.iter().filter(|(name, had)| **had > 0 && !name.is_empty() && gone(name));
        few.filter(|(name, _)| !doubted.contains(name.as_str())).map(|(name, had)| (name.clone(), *had)).collect()
    }

    /// The attributes that many had and nobody has now, and that no person accepted: more than five people and more
    /// than 10 % of them; of a disabled test more than five, as it is in its nature that few have what it looks at (E2).
    pub fn vanished<'a>(&'a self, reading: &'a Reading) -> impl Iterator<Item = (&'a str, u64)> {
        let people = self.coverage.get("").copied().unwrap_or(0);
        let asked = reading.passes.users && reading.coverage.get("").is_some_and(|read| *read > 0);
        self.coverage.iter().filter_map(move |(name, &had)| {
            let gone = reading.coverage.get(name) == Some(&0);
            let many = had > 5 && (had * 10 > people || self.tests.contains(name));
            let accepted = self.accepted(&format!("attribute-vanished:{name}"));
            (asked && !name.is_empty() && gone && many && !accepted).then_some((name.as_str(), had))
        })
    }
}
