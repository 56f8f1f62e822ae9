//! People who change sources: an entry that moved to where another source of the same directory reads (I8).
//!
//! The source that sees the person takes the user over once the other one surely misses it: because the entry lies
//! outside the other one's bases, or because the other one says so. Who is seen by both stays with the first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::plan::findings::Findings;
use crate::plan::matching;
use crate::plan::people::{Comer, People};
use crate::plan::wishes::Wish;
use crate::plan::{Act, Conflict, ConflictKind, StoredGrant, StoredMembership, UserRef, View};
use crate::roster::{Account, Digest, Dn, LookUp, PendingReason, Person, Skip, State, UniqueId, UserId};

/// A source whose last complete run is older does not make anybody wait: a weekly schedule, and a day.
const LIVE: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// Why entries are left out whose user another source has.
const OVERLAP: &str = "overlap";

/// Another source of the same directory that knows people by the same unique id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// Where it looks for users.
    pub bases: Vec<Dn>,
    /// Whether it was given up (S6).
    pub retired: bool,
    /// Whether its groups give roles (R1).
    pub gives_roles: bool,
    /// When its last complete run of users began.
    pub last_complete: Option<Timestamp>,
}

/// What the directory gives some users.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Holdings {
    /// Memberships but local ones, in order of group, then user.
    pub memberships: Vec<StoredMembership>,
    /// Role of those who have one.
    pub roles: Vec<(UserId, Box<str>)>,
    /// Grants but local ones, in order of user.
    pub grants: Vec<StoredGrant>,
}

/// What a plan needs to know of other sources of the same directory; empty in a store with one source.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Neighbours {
    /// The other sources.
    pub sources: Vec<Neighbour>,
    /// Their users who have the unique id of an entry that is unknown here, by its digest.
    pub users: Vec<(Digest, UserId)>,
    /// People whom their own source misses and leaves to whoever sees them.
    pub left: BTreeSet<(String, UniqueId)>,
    /// People of this source whom a neighbour sees as well.
    pub seen: BTreeSet<(String, UniqueId)>,
    /// Since when this source leaves somebody to others.
    pub leaving: BTreeMap<UniqueId, Timestamp>,
    /// What the directory gives [`Self::users`].
    pub holdings: Holdings,
}

impl Neighbour {
    fn is_live(&self, now: Timestamp) -> bool {
        !self.retired && self.last_complete.is_some_and(|at| at + LIVE >= now)
    }

    fn covers(&self, place: &Dn) -> bool {
        self.bases.iter().any(|base| place.is_under(base))
    }
}

impl Neighbours {
    fn named(&self, source: &str) -> Option<&Neighbour> {
        self.sources.iter().find(|one| one.name == source)
    }

    /// Whether the role of somebody who comes from there was given by its groups.
    pub(super) fn gave_role(&self, source: &str) -> bool {
        self.named(source).is_some_and(|one| one.gives_roles)
    }
}

/// Whether a row of `roster_skipped` says that its source leaves somebody to others.
pub fn leaves(rule: &str, reason: &str) -> bool {
    rule == "I8" && reason != OVERLAP
}

/// Who an unknown entry belongs to elsewhere.
pub(super) enum Elsewhere<'a> {
    /// The user comes over.
    Comes(&'a Account),
    /// Another source sees the entry as well, and keeps the user.
    Stays(&'a Account),
}

impl<'a> Elsewhere<'a> {
    /// Whether the user has, or had last, the address that an entry asks for (I6).
    pub fn has_address(&self, wish: &Wish) -> bool {
        let account = self.account();
        let former = account.former.as_ref().and_then(|former| former.address.clone());
        let present = account.primary().map(|address| address.key()).or(former);
        wish.primary.as_ref().is_some_and(|wished| Some(wished.key()) == present)
    }

    /// The user as the other source has it.
    pub fn account(&self) -> &'a Account {
        match self {
            Self::Comes(account) | Self::Stays(account) => account,
        }
    }
}

impl<'a> People<'a> {
    /// Somebody who may be in, and whom another source has: the user comes over, or stays there.
    pub(super) fn come_over(&mut self, person: Box<Person>, wish: Wish, elsewhere: Option<Elsewhere<'a>>) {
        match elsewhere {
            None => {}
            Some(Elsewhere::Stays(account)) => {
                self.decided.places.pop();
                self.decided.findings.overlap(&person, account, &self.policy.source);
            }
            Some(Elsewhere::Comes(account)) => {
                if let Some((_, user)) = self.decided.places.last_mut() {
                    *user = UserRef::Known(account.id);
                }
                if matching::is_manual(account) {
                    self.supplement(person, wish, account, None);
                } else {
                    let account = Some(account);
                    self.comers.push(Comer { crosses: true, ..Comer::new(person, wish, account) });
                }
            }
        }
    }

    /// The user of another source who has the unique id of an unknown entry: a living one, else the last deleted.
    pub(super) fn elsewhere(&self, person: &Person) -> Option<Elsewhere<'a>> {
        let neighbours = &self.view.neighbours;
        let key = person.key.digest();
        let from = neighbours.users.partition_point(|(other, _)| *other < key);
        let same = neighbours.users.get(from..)?.iter().take_while(|(other, _)| *other == key);
        let accounts = same.filter_map(|(_, user)| self.view.accounts.get(user));
        let account = accounts.filter(|one| one.state != State::Dormant).max_by_key(|one| (one.since(), one.id))?;
        let source = neighbours.named(&account.source)?;
        let missed = match (account.state, account.reason) {
            (State::Deleted, _) => true,
            (State::Pending, Some(reason)) => is_absence(reason),
            _ => false,
        };
        let outside = Dn::parse(&person.dn).is_some_and(|place| !source.covers(&place));
        let left = || neighbours.left.contains(&(account.source.clone(), person.key.clone()));
        let comes = missed || source.retired || outside || left();
        Some(if comes { Elsewhere::Comes(account) } else { Elsewhere::Stays(account) })
    }

    /// Where to somebody vanished is left: to sources that read where the entry is now, until each of them had a
    /// complete run. `None` when nobody else can be expected to see the person.
    pub(super) fn left_to_others(&self, account: &Account, found: Option<&LookUp>) -> Option<Skip> {
        let (reason, dn) = match found? {
            LookUp::MovedOut { dn } => (PendingReason::MovedOut, dn),
            LookUp::FilteredOut { dn } => (PendingReason::FilteredOut, dn),
            _ => return None,
        };
        let neighbours = &self.view.neighbours;
        if neighbours.sources.is_empty() || !account.state.access() {
            return None;
        }
        let (place, key) = (Dn::parse(dn)?, account.key.as_ref()?);
        let seen = |one: &Neighbour| neighbours.seen.contains(&(one.name.clone(), key.clone()));
        let may_see = |one: &&Neighbour| {
            one.is_live(self.now) && one.covers(&place) && (reason == PendingReason::MovedOut || seen(one))
        };
        let others: Vec<&Neighbour> = neighbours.sources.iter().filter(may_see).collect();
        let since = neighbours.leaving.get(key).copied().unwrap_or(self.now);
        let waits = others.iter().any(|one| one.last_complete.is_none_or(|at| at < since));
        let names = others.iter().map(|one| format!("`{}`", one.name)).collect::<Vec<_>>().join(" and ");
        waits.then(|| Skip {
            dn: dn.clone(),
            unique_id: Some(key.to_string()),
            reason: reason.as_str().into(),
            rule: "I8".into(),
            detail: format!(
                "no longer seen by this source, and left to {names}, whose bases hold the entry, now at `{dn}`: nothing is \
                 taken away before the next complete run there"
            ),
        })
    }
}

/// Whether a reason says that the source no longer sees the entry.
fn is_absence(reason: PendingReason) -> bool {
    use PendingReason::{FilteredOut, Gone, MovedOut, SourceRemoved};
    matches!(reason, Gone | MovedOut | FilteredOut | SourceRemoved)
}

/// The act of coming over, with the memberships that are left behind.
pub(super) fn crossed(comer: &Comer, view: &View, source: &str) -> Option<Act> {
    let account = comer.account.filter(|_| comer.crosses)?;
    let memberships = view.neighbours.holdings.memberships.iter().filter(|one| one.user == account.id);
    Some(Act::Crossed {
        key: comer.person.key.clone(),
        source: (account.source.as_str().into(), source.into()),
        dn: (account.dn.as_deref().map(Into::into), comer.person.dn.clone()),
        from: account.state,
        leaves: memberships.map(|one| (one.group, one.via)).collect(),
    })
}

impl Findings {
    /// Two sources see one entry: the first keeps the user.
    fn overlap(&mut self, person: &Person, account: &Account, source: &str) {
        let (first, who) = (&account.source, account.label());
        let detail = format!(
            "`{who}` ({}) is seen by source `{source}`, but belongs to source `{first}`, whose bases hold the entry as well \
         and which keeps the user; it is settled when one of the two no longer sees the entry: narrow users.base_dns or \
         users.filter of one of them",
            person.dn
        );
        let subject = person.key.to_string();
        let owner = Some(UserRef::Known(account.id));
        let skip = Skip {
            dn: person.dn.to_string(),
            unique_id: Some(subject.clone()),
            reason: OVERLAP.into(),
            rule: "I8".into(),
            detail: format!("belongs to source `{first}`, which keeps the user"),
        };
        self.add_skips([skip]);
        self.stands(Conflict { kind: ConflictKind::Overlap, subject, owner, detail, other: None });
    }
}

impl View {
    /// Counts what the directory gives those who may come over among what it gives this source's people.
    pub fn with_holdings(&mut self) {
        let holdings = &mut self.neighbours.holdings;
        if holdings.grants.is_empty() && holdings.roles.is_empty() {
            return;
        }
        self.roles.extend(holdings.roles.drain(..));
        self.grants.append(&mut holdings.grants);
        self.grants.sort_unstable();
    }

    /// People who may come over in this run.
    pub(super) fn crossing(&self) -> HashMap<UserId, &str> {
        let users = self.neighbours.users.iter();
        users.filter_map(|(_, user)| Some((*user, self.accounts.get(user)?.source.as_str()))).collect()
    }
}
