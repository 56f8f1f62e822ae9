//! Manual accounts and the entries that belong to them (M2, M3).

use std::collections::{HashMap, HashSet};

use crate::plan::people::{Comer, People};
use crate::plan::policy::OnMatch;
use crate::plan::wishes::Wish;
use crate::plan::{Act, Policy, UserRef};
use crate::roster::{Account, Address, FieldId, Fields, Origin, PendingReason, Person, Reading, State, UniqueId};

/// An unknown entry and the manual account that has its primary address.
pub(super) struct Match<'a> {
    pub person: Box<Person>,
    pub wish: Wish,
    pub account: &'a Account,
}

/// Whether an account is supplemented by the directory at most. A tombstone is nobody's: if its entry is there, the
/// directory brings the person back (U5).
pub(super) fn is_manual(account: &Account) -> bool {
    account.origin != Origin::Directory && account.state != State::Deleted
}

/// Whether no entry belongs to a manual account yet.
pub(super) fn is_unlinked(account: &Account) -> bool {
    is_manual(account) && account.key.is_none()
}

/// The link between an account and the entry with its address.
pub(super) fn linked(account: &Account, person: &Person, policy: &Policy) -> Act {
    let to = if policy.on_match == OnMatch::Adopt { Origin::Directory } else { account.origin };
    Act::Linked { key: person.key.clone(), dn: person.dn.clone(), from: account.origin, to }
}

/// Makes an entry ask only for what it may give a manual account: username, primary and aliases of the account stay,
/// and so does every field that the entry has no value for; another address of the entry becomes an alias.
pub(super) fn keep_own(person: &mut Person, wish: &mut Wish, account: &Account, policy: &Policy) {
    let given = |id: FieldId| id != FieldId::USERNAME && person.fields.first(id).is_some();
    let own = policy.mapped.iter().filter(|id| !given(**id));
    let own: Vec<(FieldId, String)> = own.filter_map(|id| Some((*id, account.field(*id, &policy.names)?))).collect();
    let entry = person.fields.iter().filter(|(id, _)| given(*id)).map(|(id, value)| (id, value.to_owned()));
    person.fields = Fields::new(entry.chain(own));
    let present = account.primary().cloned();
    let mut aliases: Vec<Address> = account.aliases().cloned().collect();
    aliases.extend(wish.primary.take());
    aliases.append(&mut wish.aliases);
    let primary = present.as_ref().map(Address::key);
    aliases.retain(|alias| Some(alias.key()) != primary);
    // The account's own way of writing an address comes first, and stays.
    aliases.sort_by_key(Address::key);
    aliases.dedup_by_key(|alias| alias.key());
    (wish.primary, wish.aliases) = (present, aliases);
}

impl<'a> People<'a> {
    /// The manual account with the primary address that an entry wishes for.
    pub(super) fn unlinked(&self, wish: &Wish) -> Option<&'a Account> {
        let primary = wish.primary.as_ref().filter(|_| self.any_unlinked)?;
        let owner = self.view.owners.get(&primary.key())?;
        let account = self.view.accounts.get(owner)?;
        let same = account.primary().map(Address::key) == Some(primary.key());
        let free = is_unlinked(account) || self.deserted.contains(&account.id);
        (same && account.state.access() && free).then_some(account)
    }

    /// Notes the manual accounts whose entry a complete read did not show: another one may have been made for it.
    pub(super) fn see_deserted(&mut self, people: &[Box<Person>], reading: &Reading) {
        let linked = self.view.accounts.values().filter(|one| self.proven && is_manual(one));
        // Without a DN nothing ever linked it: somebody wrote the id by hand.
        let ours = linked.filter(|one| one.source == self.policy.source && one.dn.is_some());
        let seen = |key: &UniqueId| {
            let position = self.view.index.position(key.digest());
            people.binary_search_by(|person| person.key.cmp(key)).is_ok()
                || position.is_some_and(|at| reading.unchanged.contains(at) || reading.waiting.contains(at))
        };
        let deserted = ours.filter(|one| one.key.as_ref().is_some_and(|key| !seen(key))).map(|one| one.id);
        self.deserted = deserted.collect();
        self.any_unlinked |= !self.deserted.is_empty();
    }

    /// Of several entries with one manual account's address the lowest unique id is linked; the others contest (M2).
    pub(super) fn link(&mut self) {
        let mut matches = std::mem::take(&mut self.matches);
        matches.sort_by(|a, b| a.person.key.cmp(&b.person.key));
        let mut taken = HashSet::new();
        let mut linked = HashMap::new();
        for Match { person, wish, account } in matches {
            if self.policy.on_match == OnMatch::Skip {
                self.decided.findings.matched(&person, &account.label());
            } else if taken.insert(account.id) {
                linked.insert(UserRef::New(person.key.digest()), UserRef::Known(account.id));
                if self.policy.on_match == OnMatch::Adopt && account.key.is_none() {
                    self.comers.push(Comer::new(person, wish, Some(account)));
                } else {
                    self.supplement(person, wish, account, None);
                }
            } else {
                self.sort(person, wish, None, None, None);
            }
        }
        self.stand_for(&linked);
    }

    /// What the entry of a manual account adds to it; a reason to leave is none for somebody whom the directory does
    /// not own (M3), and leaves everything as it is.
    pub(super) fn supplement(
        &mut self,
        mut person: Box<Person>,
        mut wish: Wish,
        account: &'a Account,
        reason: Option<PendingReason>,
    ) {
        if reason.is_none() {
            keep_own(&mut person, &mut wish, account, self.policy);
            self.comers.push(Comer {
                kept_on: account.state == State::Kept,
                crosses: account.key.is_some() && account.source != self.policy.source,
                relinked: self.deserted.contains(&account.id),
                ..Comer::new(person, wish, Some(account))
            });
        }
    }
}
