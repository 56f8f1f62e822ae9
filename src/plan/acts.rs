//! What one person gets, once every contest is settled: the acts of a change, and the mark.

use crate::plan::contest::{Lost, Outcome, Participant, Winner, name_digest};
use crate::plan::crossing;
use crate::plan::findings::Findings;
use crate::plan::left::Left;
use crate::plan::matching;
use crate::plan::people::{Comer, People};
use crate::plan::wishes::Wish;
use crate::plan::{Act, ConflictKind, FieldChange, Mark, NewUser, Policy, UserChange, UserRef, View};
use crate::roster::address::fold;
use crate::roster::{Account, Address, AddressKey, Digest, Dn, FieldId, Fields, Person, State};

/// A change of somebody the store has.
pub(super) fn change(account: &Account, acts: Vec<Act>, mark: Mark) -> UserChange {
    // Of a tombstone nothing is remembered but who it was (L6).
    let deleted = acts.iter().any(Act::deletes);
    let mark = (!deleted).then_some(mark);
    UserChange { subject: UserRef::Known(account.id), label: account.label().into(), unit: 0, acts, mark }
}

/// What somebody who is not in yet will be called: like an account, by username, primary address or DN.
pub(super) fn called(person: &Person, wish: &Wish) -> String {
    let name = person.fields.first(FieldId::USERNAME).map(str::to_owned);
    name.or_else(|| wish.primary.as_ref().map(ToString::to_string)).unwrap_or_else(|| person.dn.to_string())
}

/// How somebody known comes to be this source's, or this entry's: over from another source (I8), or deleted and
/// re-added (I5).
fn arrived(comer: &Comer, people: &People<'_>) -> Option<Act> {
    let dormant = comer.account.is_some_and(|account| account.state == State::Dormant);
    let woken = || Act::Woken { key: comer.person.key.clone(), dn: comer.person.dn.clone() };
    let crossed = || crossing::crossed(comer, people.view, &people.policy.source);
    dormant.then(woken).or_else(crossed).or_else(|| relinked(comer))
}

/// The new unique id of somebody who was deleted and re-added (I5).
fn relinked(comer: &Comer) -> Option<Act> {
    let account = comer.account.filter(|_| comer.relinked)?;
    Some(Act::Relinked { before: account.key.clone()?, after: comer.person.key.clone(), from: account.state })
}

/// The move, if the DN is another one (I3); DNs that only look different are the same (E6).
pub(super) fn moved(account: &Account, dn: &str) -> Option<Act> {
    let before = account.dn.as_deref().unwrap_or_default();
    let moved = before != dn && Dn::digest_of(before) != Dn::digest_of(dn);
    moved.then(|| Act::Moved { before: before.into(), after: dn.into() })
}

/// The value a field should have: the stored one when it is among the entry's, else the smallest (E5); the stored
/// one when the attribute it comes from vanished from everybody (E2).
pub(super) fn wished(
    person: &Person,
    account: Option<&Account>,
    id: FieldId,
    policy: &Policy,
    view: &View,
) -> Option<String> {
    let stored = account.and_then(|account| account.field(id, &policy.names));
    if account.is_some() && view.field_vanished(policy, id) {
        return stored;
    }
    let keeps = stored.as_deref().is_some_and(|stored| person.fields.values(id).any(|value| value == stored));
    if keeps { stored } else { person.fields.first(id).map(str::to_owned) }
}

/// The update of mapped fields but the username, for somebody whose name and addresses are frozen (L4).
pub(super) fn plain_fields(person: &Person, account: &Account, policy: &Policy, view: &View) -> Option<Act> {
    let changes = field_changes(person, account, policy, view, false);
    (!changes.is_empty()).then(|| Act::Updated(changes.into_boxed_slice()))
}

fn field_changes(person: &Person, account: &Account, policy: &Policy, view: &View, name: bool) -> Vec<FieldChange> {
    let ids = policy.mapped.iter().copied().filter(|id| name || *id != FieldId::USERNAME);
    ids.filter_map(|id| {
        let before = account.field(id, &policy.names);
        let after = wished(person, Some(account), id, policy, view);
        let change = || FieldChange { field: Some(id), before: boxed(before.clone()), after: boxed(after.clone()) };
        (before != after).then(change)
    })
    .collect()
}

fn boxed(text: Option<String>) -> Option<Box<str>> {
    text.map(String::into_boxed_str)
}

/// Hands out what the contest gave.
pub(super) struct Awards<'a> {
    pub outcome: &'a Outcome,
    pub participants: &'a [Participant],
    /// What each of them will be called, and where the entry stands.
    pub labels: &'a [(String, String)],
    pub people: &'a People<'a>,
    pub left: &'a Left,
}

impl Awards<'_> {
    /// What a comer gets; `None` when a newcomer has to wait outside. `at` is the place in the contest of those who
    /// took part in it.
    pub fn award(&self, at: Option<usize>, comer: Comer, findings: &mut Findings) -> Option<UserChange> {
        let lost = at.map_or_else(Lost::default, |at| self.outcome.lost(at));
        let contested = at.is_some_and(|at| self.contested(at, &comer, findings));
        let participant = at.and_then(|at| self.participants.get(at));
        let out = participant.is_some_and(|participant| lost.keeps_out(participant));
        findings.values(&comer.person, &comer.wish.findings);
        // A disabled test does nothing to an account made by hand (M3).
        if !comer.account.is_some_and(matching::is_manual) {
            findings.maybe_disabled(&comer.person);
        }
        match comer.account {
            None if out => None,
            Some(account) if out && account.state.tombstone() => None,
            Some(account) if out => Some(self.still_pending(account, &comer)),
            Some(account) if account.state != State::Deleted => Some(self.update(at, account, comer, lost, contested)),
            tombstone => Some(self.bring_in(at, comer, tombstone, contested)),
        }
    }

    /// Somebody new, or a tombstone that comes back with its internal id (L7).
    fn bring_in(&self, at: Option<usize>, comer: Comer, tombstone: Option<&Account>, contested: bool) -> UserChange {
        let arrived = arrived(&comer, self.people);
        let mut acts = Vec::with_capacity(1 + usize::from(arrived.is_some()));
        acts.extend(arrived);
        let (person, wish) = (*comer.person, *comer.wish);
        let mark = Mark {
            fingerprint: self.settled(contested, false).then_some(person.fingerprint),
            review_at: person.review_at,
            reasons_seen: Vec::new(),
            waits_since: None,
        };
        let label = called(&person, &wish).into();
        let aliases = match at {
            Some(_) => self.won(at, &wish.aliases).collect(),
            None => wish.aliases.into_boxed_slice(),
        };
        let subject = tombstone.map_or_else(|| UserRef::New(person.key.digest()), |account| UserRef::Known(account.id));
        let fields = with_defaults(singles(person.fields), &self.people.policy.defaults);
        let new = NewUser { key: person.key, dn: person.dn, fields, primary: wish.primary, aliases, role: None };
        acts.push(if tombstone.is_some() { Act::Revived(new) } else { Act::Added(new) });
        UserChange { subject, label, unit: 0, acts, mark: Some(mark) }
    }

    /// Somebody back whose name was given away meanwhile: stays pending, the date stands still (L5).
    fn still_pending(&self, account: &Account, comer: &Comer) -> UserChange {
        let (people, person) = (self.people, &comer.person);
        let fields = plain_fields(person, account, people.policy, people.view);
        let moved = moved(account, &person.dn).filter(|_| !comer.crosses);
        let acts = arrived(comer, people).into_iter().chain(fields).chain(moved).collect();
        let waits_since = account.waits_since.or(Some(people.now));
        let reasons_seen = account.reasons_seen.clone();
        change(account, acts, Mark { fingerprint: None, review_at: None, reasons_seen, waits_since })
    }

    /// Somebody known who is in: returns when pending, and gets what differs.
    fn update(&self, at: Option<usize>, account: &Account, comer: Comer, lost: Lost, contested: bool) -> UserChange {
        let people = self.people;
        let mut acts: Vec<Act> = arrived(&comer, people).into_iter().collect();
        if account.state == State::Pending || (account.state == State::Kept && !comer.kept_on) {
            acts.push(Act::Restored { from: account.state, reason: account.reason });
        }
        acts.extend(match account.key {
            _ if account.state == State::Dormant => None,
            Some(_) => moved(account, &comer.person.dn).filter(|_| !comer.crosses),
            None => Some(matching::linked(account, &comer.person, people.policy)),
        });
        let mut fields = field_changes(&comer.person, account, people.policy, people.view, !lost.name);
        let withheld = self.addresses(at, account, &comer, lost, &mut fields, &mut acts);
        if !fields.is_empty() {
            acts.push(Act::Updated(fields.into_boxed_slice()));
        }
        acts.sort_by_key(|act| matches!(act, Act::AliasAdded(_)));
        let settled = self.settled(contested, withheld) && !comer.kept_on && !comer.deferred;
        let mark = Mark {
            fingerprint: settled.then_some(comer.person.fingerprint),
            review_at: comer.person.review_at,
            reasons_seen: if comer.kept_on { account.reasons_seen.clone() } else { Vec::new() },
            waits_since: None,
        };
        change(account, acts, mark)
    }

    /// Primary and aliases of somebody known; true when an address was not taken away because the read is partial.
    fn addresses(
        &self,
        at: Option<usize>,
        account: &Account,
        comer: &Comer,
        lost: Lost,
        fields: &mut Vec<FieldChange>,
        acts: &mut Vec<Act>,
    ) -> bool {
        let present = account.primary();
        let primary = if lost.primary { present } else { self.people.primary(comer, present) };
        if primary != present {
            fields.push(FieldChange {
                field: None,
                before: present.map(|address| address.as_str().into()),
                after: primary.map(|address| address.as_str().into()),
            });
        }
        let primary_key = primary.map(Address::digest);
        let present_key = present.map(Address::digest);
        let stored: Vec<Digest> = account.aliases().map(Address::digest).collect();
        let wished: Vec<Digest> = comer.wish.aliases.iter().map(Address::digest).collect();
        let keep = !self.people.proven || self.people.keeps_addresses(comer);
        let keep_aliases = keep || self.people.keeps_aliases(comer);
        let counted = self.people.counts_aliases(account);
        let mut withheld = false;
        for alias in account.aliases() {
            let key = alias.digest();
            let becomes_primary = Some(key) == primary_key;
            let wins = self.wins(at, alias);
            if becomes_primary || !wins || !(keep_aliases || wished.contains(&key)) {
                acts.push(Act::AliasRemoved { address: alias.clone(), counted: counted && !becomes_primary });
            } else {
                withheld |= !wished.contains(&key);
            }
        }
        let old_primary = present.filter(|_| keep && primary_key != present_key).filter(|old| {
            withheld |= !wished.contains(&old.digest());
            !wished.contains(&old.digest())
        });
        let gained = self.won(at, &comer.wish.aliases).filter(|alias| {
            let key = alias.digest();
            Some(key) != primary_key && !stored.contains(&key)
        });
        acts.extend(gained.chain(old_primary.cloned()).map(Act::AliasAdded));
        withheld
    }

    fn won<'b>(&'b self, at: Option<usize>, addresses: &'b [Address]) -> impl Iterator<Item = Address> + 'b {
        addresses.iter().filter(move |address| self.wins(at, address)).cloned()
    }

    /// Whoever took no part in the contest wants nothing that anybody else wants.
    fn wins(&self, at: Option<usize>, address: &Address) -> bool {
        at.is_none_or(|at| self.outcome.wins(at, address.digest()))
    }

    /// Whether everything the entry says was applied, so that it need not be read again while it stays the same.
    fn settled(&self, contested: bool, withheld: bool) -> bool {
        !contested && !withheld && self.people.view.vanished.is_empty()
    }

    /// Writes down every contest this comer lost; true when there was one.
    ///
    /// What counts is who holds a thing in the end: somebody who waits for a name may miss the address as well.
    fn contested(&self, at: usize, comer: &Comer, findings: &mut Findings) -> bool {
        let Some(participant) = self.participants.get(at) else { return false };
        let taken = |thing: Digest| self.outcome.winner(thing).is_some() && !self.outcome.wins(at, thing);
        let lost = (participant.primary.is_some_and(taken), participant.name.is_some_and(taken));
        let who = (self.labels.get(at).map_or("?", |(label, _)| label.as_str()), &*comer.person.dn);
        let primary = comer.wish.primary.as_ref().filter(|_| lost.0).map(Address::key);
        let name = wished(&comer.person, comer.account, FieldId::USERNAME, self.people.policy, self.people.view);
        let name = name.map(|name| fold(&name)).filter(|_| lost.1);
        let holders = (
            primary.as_ref().and_then(|key| self.holder(key.digest())),
            name.as_deref().and_then(|name| self.holder(name_digest(name))),
        );
        let out = self.outcome.lost(at).keeps_out(participant);
        if out {
            let told = |holder: &Option<(UserRef, String)>| holder.as_ref().map(|(_, text)| text.clone());
            let (has_address, has_name) = (told(&holders.0), told(&holders.1));
            let address = primary.as_ref().map(AddressKey::as_str).zip(has_address.as_deref());
            findings.waits_outside(&comer.person, address, name.as_deref().zip(has_name.as_deref()));
        }
        let mut any = primary.is_some() || name.is_some();
        if let Some(primary) = &primary {
            findings.contest(ConflictKind::AddressTaken, primary.as_str(), who, "primary address", holders.0);
        }
        if let Some(name) = &name {
            findings.contest(ConflictKind::UsernameTaken, name, who, "username", holders.1);
        }
        if out {
            return true;
        }
        any |= self.outcome.lost(at) != Lost::default();
        for alias in &comer.wish.aliases {
            let key = alias.key();
            if !self.outcome.wins(at, key.digest()) {
                any = true;
                findings.contest(ConflictKind::AddressTaken, key.as_str(), who, "alias", self.holder(key.digest()));
            }
        }
        any
    }

    /// Who holds a thing, by name, and until when if that is known.
    fn holder(&self, thing: Digest) -> Option<(UserRef, String)> {
        match self.outcome.winner(thing)? {
            Winner::Participant(at) => {
                let participant = self.participants.get(at)?;
                let user = participant.user.map_or_else(|| UserRef::New(participant.key.digest()), UserRef::Known);
                let user = participant.heir.filter(|_| !self.outcome.lost(at).primary).unwrap_or(user);
                // Whoever has to wait in `pending` keeps what is frozen, and the date stands still (L5).
                let waits = participant.frozen.is_some() && self.outcome.lost(at).keeps_out(participant);
                let waits = if waits { ", who is pending and waits for a username" } else { "" };
                let (label, dn) = self.labels.get(at)?;
                Some((user, format!("`{label}` ({dn}){waits}")))
            }
            Winner::Bystander(user) => {
                let account = self.people.view.accounts.get(&user);
                let name =
                    account.map_or_else(|| format!("`user {}`", user.0), |account| self.left.told_apart(account));
                let until = match account.and_then(|account| self.left.pending_until(account)) {
                    Some(Some(at)) => format!(", who is pending deletion until {at}"),
                    Some(None) => ", who is pending and never deleted".into(),
                    None => String::new(),
                };
                Some((UserRef::Known(user), format!("{name}{until}")))
            }
        }
    }
}

/// With what somebody gets who comes in; of a tombstone nothing was left (U1, L7).
fn with_defaults(fields: Fields, defaults: &[(FieldId, String)]) -> Fields {
    if defaults.is_empty() {
        return fields;
    }
    let defaults = defaults.iter().map(|(id, value)| (*id, value.as_str()));
    Fields::new(fields.iter().chain(defaults))
}

/// One value a field, the smallest; the same allocation when there was only one anyway.
fn singles(fields: Fields) -> Fields {
    let mut last = None;
    let single = fields.iter().all(|(id, _)| last.replace(id) != Some(id));
    if single {
        return fields;
    }
    let mut last = None;
    Fields::new(fields.iter().filter(|(id, _)| last.replace(*id) != Some(*id)))
}

impl View {
    /// Whether the attribute a field comes from vanished from everybody (E2).
    fn field_vanished(&self, policy: &Policy, id: FieldId) -> bool {
        self.has_vanished(policy, crate::plan::policy::AttributeUse::Field(id))
    }
}
