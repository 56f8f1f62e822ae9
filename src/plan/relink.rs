//! Deleted and re-added in the directory: whether a newcomer is somebody the store knows by another unique id (I5).

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::plan::acts;
use crate::plan::people::{Comer, People};
use crate::plan::{
    Act, BrakeKind, Conflict, ConflictId, ConflictKind, Held, Hold, Loss, Policy, UserChange, UserRef, View,
};
use crate::roster::address::fold;
use crate::roster::{
    Account, Address, AddressKey, Claim, Digest, FieldId, LookUp, Origin, Person, Positions, State, UniqueId, UserId,
};

/// So many people of one run are re-linked without asking: a re-imported directory has new ids for everybody.
const MOST: usize = 5;

/// The people of this source whose entry is proven to be gone, and tombstones.
#[derive(Default)]
pub(super) struct Absent<'a> {
    /// By primary address, or the one that is remembered: the living first, then the last deleted.
    by_address: HashMap<AddressKey, Vec<&'a Account>>,
    /// By folded username, only the living.
    by_name: HashMap<String, &'a Account>,
}

/// What of a newcomer is compared.
struct Newcomer<'a> {
    key: &'a UniqueId,
    address: Option<AddressKey>,
    /// Folded.
    name: Option<String>,
}

/// What a newcomer and somebody absent have in common.
enum Shared {
    Address(AddressKey),
    Name(String),
}

/// Whom a newcomer may be.
enum Likeness<'a> {
    /// Address and username are the same.
    Same(&'a Account),
    /// Only this is the same, or it is too long ago, or nobody is to be re-linked.
    Maybe(&'a Account, Shared),
}

impl<'a> Newcomer<'a> {
    fn outside(comer: &'a Comer) -> Self {
        let address = comer.wish.primary.as_ref().map(Address::key);
        Self { key: &comer.person.key, address, name: comer.person.fields.first(FieldId::USERNAME).map(fold) }
    }

    /// Somebody who is in already.
    fn inside(account: &'a Account) -> Option<Self> {
        let key = account.key.as_ref().filter(|_| !account.state.tombstone())?;
        Some(Self { key, address: address_of(account), name: name_of(account) })
    }
}

impl<'a> Absent<'a> {
    /// Those whom newcomers can be taken for; nobody when there is no newcomer.
    pub fn among(view: &'a View, policy: &Policy, proven: bool, people: &[Box<Person>], waiting: &Positions) -> Self {
        let mut absent = Self::default();
        let ours = |account: &&Account| account.source == policy.source && account.origin == Origin::Directory;
        let here = view.accounts.values().filter(ours).filter(|account| match account.state {
            // Whoever remembers an address that is the identity is found by it (I6).
            State::Deleted => account.former.is_some() && !policy.by_address,
            State::Dormant => false,
            _ => proven && view.look_ups.get(&account.id) == Some(&LookUp::Gone),
        });
        let candidates: Vec<&Account> = here.collect();
        if candidates.is_empty() {
            return absent;
        }
        let read: HashSet<Digest> = people.iter().map(|person| person.key.digest()).collect();
        for account in candidates {
            let key = account.key.as_ref().map(|key| key.digest());
            let is_waiting = |key| view.index.position(key).is_some_and(|at| waiting.contains(at));
            if key.is_some_and(|key| read.contains(&key) || is_waiting(key)) {
                continue;
            }
            if let Some(address) = address_of(account) {
                absent.by_address.entry(address).or_default().push(account);
            }
            if let Some(name) = name_of(account).filter(|_| account.state != State::Deleted) {
                absent.by_name.insert(name, account);
            }
        }
        for alike in absent.by_address.values_mut() {
            alike.sort_by_key(|account| (Reverse(account.since()), Reverse(account.id)));
        }
        absent
    }

    fn is_empty(&self) -> bool {
        self.by_address.is_empty() && self.by_name.is_empty()
    }

    /// The address among those that may become a newcomer's primary by which somebody absent with the same username is
    /// known (A1).
    pub fn remembered(&self, claims: &[Claim], name: Option<&str>) -> Option<AddressKey> {
        if self.by_address.is_empty() {
            return None;
        }
        let name = fold(name?);
        let same = |account: &&Account| name_of(account).as_ref() == Some(&name);
        let known = |key: &AddressKey| self.by_address.get(key).is_some_and(|alike| alike.iter().any(same));
        claims.iter().filter_map(Claim::primary_key).find(known)
    }

    /// Of those whom no other newcomer is.
    fn likeness(&self, one: &Newcomer, people: &People, taken: &HashMap<UserId, bool>) -> Option<Likeness<'a>> {
        let (view, policy) = (people.view, people.policy);
        let Newcomer { key, address, name } = one;
        let apart = |account: &&&Account| {
            !taken.contains_key(&account.id) && !view.two_people.contains(&(account.id, (*key).clone()))
        };
        let alike = address.as_ref().and_then(|address| self.by_address.get(address));
        let mut alike = alike.into_iter().flatten().filter(apart).copied();
        if policy.by_address {
            return alike.next().map(Likeness::Same);
        }
        let in_time = |account: &Account| match (policy.relink_within, &account.former) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(within), Some(former)) => former.since + within >= people.now,
        };
        let same = |account: &&Account| name.is_some() && name_of(account) == *name && in_time(account);
        if let Some(account) = alike.clone().find(same) {
            return Some(Likeness::Same(account));
        }
        let by_address = alike.next().zip(address.clone()).map(|(it, address)| (it, Shared::Address(address)));
        let by_name = || {
            let account = self.by_name.get(name.as_deref()?).filter(apart)?;
            Some((*account, Shared::Name(name.clone()?)))
        };
        by_address.or_else(by_name).map(|(account, shared)| Likeness::Maybe(account, shared))
    }
}

fn address_of(account: &Account) -> Option<AddressKey> {
    match &account.former {
        Some(former) => former.address.clone(),
        None => account.primary().map(|address| address.key()),
    }
}

fn name_of(account: &Account) -> Option<String> {
    match &account.former {
        Some(former) => former.username.clone(),
        None => account.fields.get(&FieldId::USERNAME).map(|name| fold(name)),
    }
}

impl<'a> People<'a> {
    /// Gives newcomers the users they were before; who is re-linked leaves no more. Too many wait for a person, and
    /// both sides stay as they are.
    pub(super) fn relink(&mut self, absent: &Absent<'a>) {
        if absent.is_empty() {
            return;
        }
        let mut taken: HashMap<UserId, bool> = HashMap::new();
        let mut same: Vec<(usize, &'a Account)> = Vec::new();
        let newcomers = || self.comers.iter().enumerate().filter(|(_, comer)| comer.account.is_none());
        for (at, comer) in newcomers() {
            if let Some(Likeness::Same(account)) = absent.likeness(&Newcomer::outside(comer), self, &taken) {
                taken.insert(account.id, !self.view.approval.relinks.contains(&account.id));
                same.push((at, account));
            }
        }
        // Only now is it known whom the others may be.
        let found: HashSet<usize> = same.iter().map(|(at, _)| *at).collect();
        let maybe: Vec<Conflict> = newcomers()
            .filter(|(at, _)| !found.contains(at))
            .filter_map(|(_, comer)| match absent.likeness(&Newcomer::outside(comer), self, &taken)? {
                Likeness::Maybe(account, shared) => {
                    let called = acts::called(&comer.person, &comer.wish);
                    Some(resemblance((&called, &comer.person.dn, &comer.person.key), account, shared))
                }
                Likeness::Same(_) => None,
            })
            .collect();
        maybe.into_iter().for_each(|conflict| self.decided.findings.stands(conflict));
        self.ask_about_earlier(absent, &taken);
        let counted = taken.values().filter(|counted| **counted).count();
        let holds = counted > MOST;
        taken.values_mut().for_each(|counted| *counted &= holds);
        self.leavers.retain(|leaver| !taken.contains_key(&leaver.account.id));
        if holds {
            self.hold_relinks(counted);
        }
        let mut relinked: HashMap<UserRef, UserRef> = HashMap::new();
        let mut waiting: HashSet<usize> = HashSet::new();
        for (at, account) in same {
            let Some(comer) = self.comers.get_mut(at) else { continue };
            if taken.get(&account.id) == Some(&true) {
                waiting.insert(at);
                let (label, user) = (account.label().into(), account.id);
                let (kind, loses) = (BrakeKind::Relinks, Loss::Relink);
                self.decided.findings.waits_for_approval(&comer.person, &account.label());
                self.decided.held.push(Held { user, label, kind, loses });
                self.decided.frozen.push(user);
            } else {
                relinked.insert(UserRef::New(comer.person.key.digest()), UserRef::Known(account.id));
                (comer.account, comer.relinked) = (Some(account), true);
            }
        }
        let mut at = 0..;
        self.comers.retain(|_| at.next().is_none_or(|at| !waiting.contains(&at)));
        self.stand_for(&relinked);
    }

    /// Newcomers whom no run could ask about: nobody was proven gone when they came in, or the run was cut off.
    fn ask_about_earlier(&mut self, absent: &Absent<'a>, taken: &HashMap<UserId, bool>) {
        if self.policy.by_address {
            return;
        }
        for account in self.view.unasked.iter().filter_map(|id| self.view.accounts.get(id)) {
            let Some(one) = Newcomer::inside(account).filter(|_| account.origin == Origin::Directory) else { continue };
            let (old, shared) = match absent.likeness(&one, self, taken) {
                Some(Likeness::Maybe(old, shared)) => (old, shared),
                Some(Likeness::Same(old)) => match one.address.clone() {
                    Some(address) => (old, Shared::Address(address)),
                    None => continue,
                },
                None => continue,
            };
            if old.id != account.id {
                let dn = account.dn.as_deref().unwrap_or_default();
                self.decided.findings.stands(resemblance((&account.label(), dn, one.key), old, shared));
            }
        }
    }

    fn hold_relinks(&mut self, would_go: usize) {
        let of = self.view.index.with_access() as u64;
        let says = format!(
            "{would_go} new entries have address and username of people who are gone: more than {MOST} would be \
             re-linked in one run; a directory that was imported anew has new unique ids for everybody"
        );
        self.decided.holds.push(Hold::new(BrakeKind::Relinks, (would_go as u64, of), says, []));
    }
}

/// Says the same whether the old one is already deleted or not, so that it is not worded anew every run.
fn resemblance((newcomer, dn, key): (&str, &str, &UniqueId), account: &Account, shared: Shared) -> Conflict {
    let (what, subject) = match shared {
        Shared::Address(address) => ("primary address", address.to_string()),
        Shared::Name(name) => ("username", name),
    };
    let detail = format!(
        "`{newcomer}` ({dn}, unique id {key}) has the same {what} as `{}` (id {}), who is no longer in the directory; \
         `rosterd conflicts relink` says that they are one person, `rosterd conflicts delete` that they are two; it \
         closes by itself when the old one's entry is back, or the newcomer is deleted or stays out",
        account.label(),
        account.uuid
    );
    let owner = Some(UserRef::Known(account.id));
    Conflict { kind: ConflictKind::MaybeSamePerson, subject, owner, detail, other: Some(key.clone()) }
}

/// Whether a resemblance is over with this run: the old one is deleted in it, only the name was the same, and the
/// newcomer stays outside; or the newcomer was in and goes. The next run, which sees a tombstone, would open none (U3).
pub(super) fn is_over(view: &View, changes: &[UserChange]) -> impl Fn(&Conflict) -> bool {
    let deleted = having(changes, Act::deletes);
    let back = having(changes, comes_back);
    let new: HashSet<UserRef> =
        changes.iter().map(|change| change.subject).filter(|subject| matches!(subject, UserRef::New(_))).collect();
    move |conflict| {
        let (Some(UserRef::Known(old)), Some(key)) = (conflict.owner, &conflict.other) else { return false };
        if conflict.kind != ConflictKind::MaybeSamePerson {
            return false;
        }
        if let Some(known) = view.index.find(key.digest()).filter(|known| known.state != State::Deleted) {
            let one = UserRef::Known(known.id);
            return deleted.contains(&one) || back.contains(&one);
        }
        let address = view.accounts.get(&old).and_then(address_of).map(|address| address.to_string());
        address.as_ref() != Some(&conflict.subject)
            && deleted.contains(&UserRef::Known(old))
            && !new.contains(&UserRef::New(key.digest()))
    }
}

/// Whether somebody who was gone is there again, or bears another unique id.
fn comes_back(act: &Act) -> bool {
    matches!(act, Act::Revived(_) | Act::Relinked { .. })
}

/// Whom an act of some kind is about.
fn having(changes: &[UserChange], wanted: fn(&Act) -> bool) -> HashSet<UserRef> {
    changes.iter().filter(|change| change.acts.iter().any(wanted)).map(|change| change.subject).collect()
}

/// The open `maybe-same-person` conflicts that still stand although the newcomer is in by now: the old one is still gone
/// or deleted, and the newcomer is not deleted.
pub(super) fn lasting(view: &View, changes: &[UserChange]) -> BTreeSet<ConflictId> {
    let open = view.conflicts.iter().filter(|open| open.conflict.kind == ConflictKind::MaybeSamePerson);
    let open: Vec<_> = open.collect();
    if open.is_empty() {
        return BTreeSet::new();
    }
    let states: HashMap<UserId, State> = view.index.iter().map(|known| (known.id, known.state)).collect();
    let deleted_now = having(changes, Act::deletes);
    let back_now = having(changes, comes_back);
    let stands = |conflict: &Conflict| {
        let (Some(UserRef::Known(old)), Some(key)) = (conflict.owner, &conflict.other) else { return false };
        let in_store = view.index.find(key.digest()).is_some_and(|known| {
            // A newcomer who is re-linked in this run bears that unique id no more.
            let one = UserRef::Known(known.id);
            known.state != State::Deleted && !deleted_now.contains(&one) && !back_now.contains(&one)
        });
        let deleted = states.get(&old) == Some(&State::Deleted);
        let back = back_now.contains(&UserRef::Known(old));
        in_store && !back && (deleted || view.look_ups.contains_key(&old))
    };
    open.into_iter().filter(|open| stands(&open.conflict)).map(|open| open.id).collect()
}
