//! Who may have access, said a second time: from the directory as it is and the rules as they are written, by code
//! that shares nothing with the planner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::plan::policy::Delay;
use crate::plan::tests::world::{Entry, World};
use crate::plan::{BrakeKind, Conflict, ConflictKind, RecentDepartures};
use crate::roster::{Origin, PendingReason, State, UserId};

/// One user as anybody can see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub uuid: uuid::Uuid,
    pub manual: bool,
    pub key: Option<String>,
    pub dn: Option<String>,
    pub state: State,
    pub reason: Option<PendingReason>,
    pub due: Option<Timestamp>,
    /// Since when the date stands still (L5).
    pub waits: Option<Timestamp>,
    pub primary: Option<String>,
    pub addresses: BTreeSet<String>,
    pub name: Option<String>,
    /// What a tombstone is recognised by.
    pub former: (Option<String>, Option<String>),
}

pub type People = BTreeMap<UserId, Seen>;

/// Everybody in the store; addresses and names folded.
pub fn people(world: &World) -> People {
    let one = |account: &crate::roster::Account| Seen {
        uuid: account.uuid,
        manual: account.origin != Origin::Directory,
        key: account.key.as_ref().map(ToString::to_string),
        dn: account.dn.clone().filter(|_| !account.state.tombstone()),
        state: account.state,
        reason: account.reason,
        due: account.delete_after,
        waits: account.waits_since.filter(|_| account.state == State::Pending),
        primary: account.primary().map(|one| one.as_str().to_lowercase()),
        addresses: account.addresses.iter().map(|one| one.address.as_str().to_lowercase()).collect(),
        name: account.fields.get(&crate::roster::FieldId::USERNAME).map(|name| name.to_lowercase()),
        former: match &account.former {
            Some(former) => (former.address.as_ref().map(|one| one.as_str().to_lowercase()), former.username.clone()),
            None => (None, None),
        },
    };
    world.store.accounts.iter().map(|(id, account)| (*id, one(account))).collect()
}

/// What the directory says of somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing speaks against the person.
    Fine,
    /// One of L2's reasons, seen in the entry that was read, or found by its absence.
    Out { reason: PendingReason, read: bool },
    /// The domain of the primary is not managed any more (D2).
    Removed,
    /// Nobody can tell: unreadable, not shown though it is there, a mapped group that is gone.
    Unknown,
}

/// What one run could know.
#[derive(Clone, Debug)]
pub struct Round {
    /// Whether absence proves anything.
    pub proven: bool,
    /// Whether users were read at all.
    pub users: bool,
    /// Whether the run was cut off before its end.
    pub cut: bool,
    /// Whether addresses vanished from everybody (E2).
    pub veiled: bool,
    /// Whose departure a person approved.
    pub approved: BTreeSet<UserId>,
}

/// What is remembered of one departure.
#[derive(Clone, Debug)]
struct Leave {
    since: Timestamp,
    due: Option<Timestamp>,
    reason: PendingReason,
    seen: BTreeSet<PendingReason>,
}

#[derive(Clone, Default, Debug)]
pub struct Truth {
    pub managed: Option<BTreeSet<&'static str>>,
    known: People,
    leaves: BTreeMap<UserId, Leave>,
    /// When whose access changed, and what it was before.
    access: Vec<(Timestamp, UserId, bool)>,
    departed: Vec<(Timestamp, UserId, BrakeKind)>,
}

fn domain(address: &str) -> &str {
    address.split('@').next_back().unwrap()
}

fn well_formed(addresses: &[String]) -> Vec<String> {
    addresses.iter().filter(|one| one.contains('@')).map(|one| one.to_lowercase()).collect()
}

/// L3
fn delay(world: &World, reason: PendingReason) -> Option<Duration> {
    let disabled = reason == PendingReason::Disabled;
    match if disabled { world.policy.disabled_delay } else { world.policy.delay } {
        Delay::After(delay) => Some(delay),
        Delay::Never => None,
    }
}

impl Truth {
    /// Takes what was done by hand as it is.
    pub fn look(&mut self, world: &World) {
        let now = people(world);
        self.note(world.now, &now, &BTreeMap::new());
        self.leaves.retain(|id, _| now[id].state == State::Pending);
        self.known = now;
    }

    fn note(&mut self, at: Timestamp, now: &People, departed: &BTreeMap<UserId, BrakeKind>) {
        for (id, after) in now.iter().filter(|(_, after)| !after.manual) {
            let had = self.known.get(id).is_some_and(|before| before.state.access() && !before.manual);
            if had != after.state.access() {
                self.access.push((at, *id, had));
            }
        }
        self.departed.extend(departed.iter().map(|(id, kind)| (at, *id, *kind)));
    }

    /// Who went within the brake's window, and whose access changed in it (B1).
    pub fn recent(&self, world: &World) -> RecentDepartures {
        let since = begin(world);
        let departed = within(&self.departed, |one| one.0 < since);
        let departed = departed.iter().map(|(_, id, kind)| (*kind, *id)).collect();
        let mut recent = RecentDepartures { departed, ..RecentDepartures::default() };
        let mut first = BTreeMap::new();
        within(&self.access, |one| one.0 < since).iter().for_each(|(_, id, had)| _ = first.entry(*id).or_insert(*had));
        for (id, had) in first {
            let has = self.known[&id].state.access();
            recent.lost.extend((had && !has).then_some(id));
            recent.gained.extend((!had && has).then_some(id));
        }
        recent
    }

    /// Whether no run ended well yet since anybody has access: then shares are of those who have it by now, and more may go
    /// in the run after one that adds people (B1).
    pub fn is_young(&self, world: &World) -> bool {
        let had = |(id, one): (&UserId, &Seen)| {
            let first = within(&self.access, |one| one.0 < begin(world));
            let first = first.iter().find(|change| change.1 == *id).map(|change| change.2);
            first.unwrap_or(one.state.access() && !one.manual)
        };
        !self.known.iter().any(had)
    }

    fn manages(&self, address: &str) -> bool {
        self.managed.as_ref().is_none_or(|managed| managed.contains(domain(address)))
    }

    /// Whether somebody has a mapped role or grant; `None` when groups that are gone or not read may give one (R3).
    fn has_role(&self, world: &World, entry: &Entry) -> Option<bool> {
        let names = ["crew", "staff", "team", "guests"];
        let inside = |dn: &str, depth: usize| listed(world, dn, depth);
        let depth = if world.policy.groups.flatten { names.len() } else { 0 };
        if names.iter().any(|name| inside(&entry.dn, depth).contains(*name)) {
            return Some(true);
        }
        let trouble = |name: &&'static str| {
            is_gone(world, name) || world.cut_off.contains(*name) || world.garbled.contains(*name)
        };
        (!names.iter().any(trouble)).then_some(false)
    }

    /// What the directory says of somebody the store knows.
    pub fn verdict(&self, world: &World, seen: &Seen, round: &Round) -> Verdict {
        let key = seen.key.as_deref().unwrap_or_default();
        let foreign = seen.primary.as_ref().is_some_and(|primary| !self.manages(primary)) && !round.veiled;
        let removed = |verdict| if foreign && round.proven { Verdict::Removed } else { verdict };
        let out = |reason, read| Verdict::Out { reason, read };
        if world.unjudged.contains(key) && !world.people.get(key).is_some_and(|entry| shown(world, key, entry)) {
            return Verdict::Unknown;
        }
        let Some(entry) = world.people.get(key) else { return removed(out(PendingReason::Gone, false)) };
        if !shown(world, key, entry) {
            return match (entry.enabled, entry.in_base, entry.in_filter) {
                (true, true, true) => Verdict::Unknown,
                (false, ..) => removed(out(PendingReason::Disabled, false)),
                (true, false, _) => removed(out(PendingReason::MovedOut, false)),
                (true, true, false) => removed(out(PendingReason::FilteredOut, false)),
            };
        }
        // A partial read does not tell a move from a second entry with a configured id (I7).
        let moved = seen.dn.as_ref().is_some_and(|dn| *dn != entry.dn);
        let double = moved && world.policy.configured_id && !round.proven;
        if !entry.readable || entry.twin || double || was_twin(world, key, round) {
            return Verdict::Unknown;
        }
        let wished = well_formed(&entry.mail);
        let ours = wished.iter().any(|one| self.manages(one));
        let gives_none = entry.mail.is_empty() && !world.policy.address_required;
        // What nobody shows gives nobody back (E2).
        let nothing = round.veiled && entry.mail.is_empty() && entry.aliases.is_empty();
        let goes_on = match (seen.state, seen.reason) {
            (State::Kept, _) => Some(PendingReason::NoAddress),
            (_, reason @ Some(PendingReason::NoAddress | PendingReason::UnmanagedDomain)) => reason,
            _ => None,
        };
        let verdict = match () {
            () if !entry.enabled => out(PendingReason::Disabled, true),
            () if nothing && goes_on.is_some() => out(goes_on.unwrap(), true),
            () if self.nowhere(world, entry, round) => out(PendingReason::NoAddress, true),
            () if world.policy.rights.required && self.has_role(world, entry) != Some(true) => {
                match self.has_role(world, entry) {
                    Some(_) => out(PendingReason::NoRole, true),
                    None => Verdict::Unknown,
                }
            }
            () if !wished.is_empty() && !ours => out(PendingReason::UnmanagedDomain, true),
            () => Verdict::Fine,
        };
        if ours || gives_none { verdict } else { removed(verdict) }
    }

    fn nowhere(&self, world: &World, entry: &Entry, round: &Round) -> bool {
        world.policy.address_required && entry.mail.is_empty() && entry.aliases.is_empty() && !round.veiled
    }

    /// Whether an entry nobody knows, or of somebody deleted, may come in; `None` when nobody can tell.
    pub fn enters(&self, world: &World, (key, entry): (&str, &Entry), round: &Round) -> Option<bool> {
        let wished = well_formed(&entry.mail);
        let ours = wished.iter().any(|one| self.manages(one));
        let address = ours || (!world.policy.address_required && wished.is_empty());
        let twin = entry.twin || was_twin(world, key, round);
        let seen = shown(world, key, entry) && entry.readable && !twin;
        if !seen || !entry.enabled || !address {
            return Some(false);
        }
        if world.policy.rights.required { self.has_role(world, entry) } else { Some(true) }
    }

    /// Whether anybody else has, had or wants an address or the name of an entry.
    pub fn contested(&self, world: &World, key: &str, entry: &Entry) -> bool {
        let name = entry.uid.as_ref().map(|uid| uid.to_lowercase());
        let mine: BTreeSet<String> = well_formed(&entry.mail).into_iter().collect();
        let others = world.people.iter().filter(|(other, _)| *other != key).any(|(_, other)| {
            let same_name = other.uid.as_ref().map(|uid| uid.to_lowercase()) == name && name.is_some();
            same_name || well_formed(&[&other.mail[..], &other.aliases[..]].concat()).iter().any(|a| mine.contains(a))
        });
        let has = |one: &&Seen| {
            let address = one.addresses.iter().chain(&one.former.0).any(|address| mine.contains(address));
            address || (name.is_some() && [&one.name, &one.former.1].contains(&&name))
        };
        others || self.known.values().filter(|one| one.key.as_deref() != Some(key)).any(|one| has(&one))
    }

    /// Whether somebody's place may be taken by an entry with another unique id (I5).
    fn may_be_relinked(&self, world: &World, seen: &Seen) -> bool {
        let address = seen.primary.as_ref().or(seen.former.0.as_ref());
        let known = |key: &String| self.known.values().any(|one| one.key.as_ref() == Some(key));
        let alike = |entry: &Entry| address.is_some_and(|address| well_formed(&entry.mail).contains(address));
        world.people.iter().any(|(key, entry)| alike(entry) && !known(key))
    }
}

/// Where the brake's window begins.
fn begin(world: &World) -> Timestamp {
    world.since.unwrap_or(world.now - world.policy.brake.window)
}

/// What stands behind the last one that is older.
pub fn within<T>(log: &[T], older: impl Fn(&T) -> bool) -> &[T] {
    let from = log.iter().rposition(older).map_or(0, |at| at + 1);
    &log[from..]
}

/// Whether a search brings an entry.
pub fn shown(world: &World, key: &str, entry: &Entry) -> bool {
    entry.in_base && entry.in_filter && !world.hidden.contains(key)
}

/// Whether a mapped group is gone, and nobody approved that (R4).
fn is_gone(world: &World, name: &str) -> bool {
    let known = world.store.mapped.get(&format!("cn={name},ou=groups,dc=example"));
    !world.groups.contains_key(name) && known.is_some_and(|known| !known.settled)
}

/// Whether two entries bore this id when everything was read last: a partial read may show the wrong one (I7).
fn was_twin(world: &World, key: &str, round: &Round) -> bool {
    let open = |one: &Conflict| one.kind == ConflictKind::DuplicateId && one.subject == key;
    !round.proven && world.store.conflicts.values().any(open)
}

/// Names of the groups that list a DN, and of those that list these.
fn listed(world: &World, dn: &str, depth: usize) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut wanted = vec![dn.to_owned()];
    for _ in 0..=depth {
        let lists = |members: &Vec<String>| members.iter().any(|one| wanted.contains(one));
        let more: Vec<String> = {
            let readable = world.groups.iter().filter(|(id, _)| !world.garbled.contains(*id));
            readable.filter(|(_, group)| lists(&group.1)).map(|(id, _)| id.clone()).collect()
        };
        wanted = more.iter().map(|id| format!("cn={id},ou=groups,dc=example")).collect();
        names.extend(more);
    }
    names
}

mod judge;
