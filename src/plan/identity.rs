//! The primary address as the identity (I6): another address is another user, and the one of before is parked.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use crate::plan::departures;
use crate::plan::people::{Comer, People};
use crate::plan::policy::AttributeUse;
use crate::plan::wishes::Wish;
use crate::plan::{Act, BrakeKind, Held, Loss, Mark, UserChange, UserRef};
use crate::roster::{
    Account, AddressKey, Claim, Digest, LookUp, Origin, Person, Positions, Reading, State, UniqueId, UserId,
};

/// Those who remember an address, and whose entry is still there; nobody where unique ids are the identity.
#[derive(Default)]
pub(super) struct Bearers<'a> {
    by_address: HashMap<AddressKey, Vec<&'a Account>>,
    /// Unique ids of entries that were seen in this run, whatever they say.
    seen: HashSet<Digest>,
    taken: HashSet<UserId>,
}

/// Who an entry's user is, once its address is another one.
#[derive(Clone, Copy)]
pub(super) enum Heir<'a> {
    /// Somebody new.
    New,
    /// Somebody dormant or deleted whose address it is.
    Known(&'a Account),
}

/// Who has an address that no living user of the entry has.
enum Found<'a> {
    Heir(Heir<'a>),
    /// A partial read does not tell whether the former bearer's entry is still there.
    Unsure,
}

/// The unique id somebody dormant or deleted had.
fn bore(account: &Account) -> Option<&UniqueId> {
    account.key.as_ref().or_else(|| account.former.as_ref()?.key.as_ref())
}

impl<'a> Bearers<'a> {
    pub fn among(people: &People<'a>, read: &[Box<Person>], reading: &Reading) -> Self {
        let (view, policy) = (people.view, people.policy);
        if !policy.by_address {
            return Self::default();
        }
        let mut bearers = Self { seen: read.iter().map(|person| person.key.digest()).collect(), ..Self::default() };
        let skipped = reading.skips.iter().filter_map(|skip| UniqueId::new(skip.unique_id.as_deref()?));
        bearers.seen.extend(skipped.map(|key| key.digest()));
        let ours = |one: &&Account| one.source == policy.source && one.origin == Origin::Directory;
        for account in view.accounts.values().filter(ours).filter(|account| account.state.tombstone()) {
            let former = account.former.as_ref().and_then(|former| former.address.clone());
            if let Some(address) = former {
                let key = bore(account).map(UniqueId::digest);
                let there = |seen: &Positions, key| view.index.position(key).is_some_and(|at| seen.contains(at));
                if let Some(key) = key.filter(|key| there(&reading.unchanged, *key) || there(&reading.waiting, *key)) {
                    bearers.seen.insert(key);
                }
                bearers.by_address.entry(address).or_default().push(account);
            }
        }
        for alike in bearers.by_address.values_mut() {
            alike.sort_by_key(|one| (one.state == State::Deleted, Reverse(one.since()), Reverse(one.id)));
        }
        bearers
    }

    /// The address among those that may become the primary by which somebody is remembered (A1).
    pub fn remembered(&self, claims: &[Claim]) -> Option<AddressKey> {
        if self.by_address.is_empty() {
            return None;
        }
        claims.iter().filter_map(Claim::primary_key).find(|key| self.by_address.contains_key(key))
    }

    /// Of several who remember an address the one with the entry's unique id, else the last one whose entry is not there
    /// any more.
    fn heir(&mut self, address: &AddressKey, key: &UniqueId, proven: bool) -> Found<'a> {
        let alike = self.by_address.get(address).map(Vec::as_slice).unwrap_or_default();
        let free = |one: &&&Account| !self.taken.contains(&one.id);
        let same = alike.iter().filter(free).find(|one| bore(one) == Some(key));
        let away = |one: &&&Account| bore(one).is_none_or(|key| !self.seen.contains(&key.digest()));
        let heir = match same.or_else(|| alike.iter().filter(free).find(away)) {
            Some(_) if same.is_none() && !proven => return Found::Unsure,
            Some(account) => *account,
            None => return Found::Heir(Heir::New),
        };
        self.taken.insert(heir.id);
        Found::Heir(Heir::Known(heir))
    }
}

impl<'a> Heir<'a> {
    fn account(self) -> Option<&'a Account> {
        match self {
            Self::New => None,
            Self::Known(account) => Some(account),
        }
    }

    /// The user this is after the run.
    pub fn user(self, key: &UniqueId) -> UserRef {
        self.account().map_or_else(|| UserRef::New(key.digest()), |account| UserRef::Known(account.id))
    }
}

/// What an entry's address makes of the user its unique id belongs to.
pub(super) enum Identity<'a> {
    /// The same user as ever.
    Same,
    /// Another user, once nobody contests the address.
    Other(Heir<'a>),
    /// Another one, which a partial read does not decide: the address stays what it is.
    Later,
    /// Nobody yet, for the same reason.
    Nobody,
}

impl<'a> People<'a> {
    /// Whom the address of an entry makes of its user; `wish` is what it asks for, and nothing speaks against it.
    pub(super) fn identity(
        &self,
        bearers: &mut Bearers<'a>,
        (person, wish): (&Person, &Wish),
        account: Option<&Account>,
    ) -> Identity<'a> {
        let Some(wished) = wish.primary.as_ref().filter(|_| self.policy.by_address).map(|address| address.key()) else {
            return Identity::Same;
        };
        let present = match account {
            Some(account) if account.origin != Origin::Directory && !account.state.tombstone() => {
                return Identity::Same;
            }
            Some(account) if account.state.tombstone() => account.former.as_ref().and_then(|it| it.address.clone()),
            Some(account) => account.primary().map(|address| address.key()),
            None => None,
        };
        let vanished = self.view.has_vanished(self.policy, AttributeUse::Addresses);
        if present.as_ref() == Some(&wished) || (account.is_some() && (present.is_none() || vanished)) {
            return Identity::Same;
        }
        let living = account.is_some_and(|account| !account.state.tombstone());
        if living && (!self.proven || self.goes_now(&wished)) {
            return Identity::Later;
        }
        match bearers.heir(&wished, &person.key, self.proven) {
            Found::Unsure => Identity::Nobody,
            Found::Heir(Heir::New) if account.is_none() => Identity::Same,
            Found::Heir(heir) => Identity::Other(heir),
        }
    }

    /// Whether the present owner of an address is gone and deleted in this very run: the next one finds the tombstone.
    fn goes_now(&self, address: &AddressKey) -> bool {
        let owner = self.view.owners.get(address).and_then(|owner| self.view.accounts.get(owner));
        let gone = owner.filter(|owner| self.view.look_ups.get(&owner.id) == Some(&LookUp::Gone));
        gone.is_some_and(|owner| match owner.state {
            State::Pending => owner.due().is_some_and(|due| due <= self.now),
            _ => departures::after(self.policy.delay, self.now).is_some_and(|due| due <= self.now),
        })
    }

    /// Sorts somebody whose address makes another user of the entry.
    pub(super) fn become_other(
        &mut self,
        (person, wish): (Box<Person>, Wish),
        account: Option<&'a Account>,
        identity: Identity<'a>,
    ) {
        let mut comer = Comer::new(person, wish, account);
        match identity {
            Identity::Same => {}
            Identity::Later => comer.defer(),
            Identity::Nobody => {
                self.decided.findings.not_proven(&comer.person);
                return;
            }
            Identity::Other(heir) if account.is_some() => comer.heir = Some(heir),
            Identity::Other(heir) => {
                let user = heir.user(&comer.person.key);
                if let Some((_, place)) = self.decided.places.last_mut() {
                    *place = user;
                }
                comer.take(heir);
            }
        }
        self.comers.push(comer);
    }

    /// Those who would be dormant, as far as they have access and nobody approved it (B1).
    pub(super) fn parting(&self) -> impl Iterator<Item = (BrakeKind, UserId)> {
        let parting = self.comers.iter().filter(|comer| self.parts(comer));
        parting.filter_map(|comer| Some((BrakeKind::Missing, comer.account?.id)))
    }

    fn parts(&self, comer: &Comer) -> bool {
        let counted = |account: &&Account| account.state.access() && !self.view.approval.people.contains(&account.id);
        comer.heir.is_some() && comer.account.as_ref().is_some_and(counted)
    }

    /// Leaves their addresses to those who may not part.
    pub(super) fn hold_parting(&mut self) {
        let held: Vec<bool> = self.comers.iter().map(|comer| self.parts(comer)).collect();
        for (comer, _) in self.comers.iter_mut().zip(held).filter(|(_, held)| *held) {
            comer.defer();
            if let Some(account) = comer.account {
                let (user, label) = (account.id, account.label().into());
                self.decided.held.push(Held { user, label, kind: BrakeKind::Missing, loses: Loss::Dormant });
            }
        }
    }

    /// The user of before is parked, and the comer is the heir; nothing when the address is contested.
    pub(super) fn part(&self, comer: &mut Comer<'a>, lost: bool) -> Option<UserChange> {
        let (heir, account) = (comer.heir.take()?, comer.account?);
        if lost {
            return None;
        }
        let act = Act::Parted {
            key: comer.person.key.clone(),
            from: account.state,
            address: comer.wish.primary.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            heir: heir.user(&comer.person.key),
            counted: (account.state.access() && !self.view.approval.people.contains(&account.id))
                .then_some(BrakeKind::Missing),
        };
        comer.take(heir);
        let mark = Mark { fingerprint: None, review_at: None, reasons_seen: Vec::new(), waits_since: None };
        let mark = (account.state != State::Deleted).then_some(mark);
        let (subject, label) = (UserRef::Known(account.id), account.label().into());
        Some(UserChange { subject, label, unit: 0, acts: vec![act], mark })
    }
}

impl<'a> Comer<'a> {
    /// Somebody with nothing special.
    pub fn new(person: Box<Person>, wish: Wish, account: Option<&'a Account>) -> Self {
        let wish = Box::new(wish);
        Self { person, wish, account, kept_on: false, relinked: false, crosses: false, heir: None, deferred: false }
    }

    /// Goes on as the heir.
    fn take(&mut self, heir: Heir<'a>) {
        self.account = heir.account();
        self.relinked = self.account.is_some_and(|one| one.key.as_ref().is_some_and(|key| *key != self.person.key));
    }

    /// Keeps the present address for now.
    fn defer(&mut self) {
        let present = self.account.and_then(Account::primary).cloned();
        self.wish.aliases.retain(|alias| Some(alias.key()) != present.as_ref().map(|address| address.key()));
        (self.wish.primary, self.heir, self.deferred) = (present, None, true);
    }
}
