//! Every person of a run: who comes in, what changes, who returns, who leaves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::clock::Timestamp;
use crate::plan::acts;
use crate::plan::crossing::Elsewhere;
use crate::plan::departures::{self, Departure, Flag};
use crate::plan::findings::Findings;
use crate::plan::identity::{Bearers, Heir, Identity};
use crate::plan::left::Left;
use crate::plan::matching::{self, Match};
use crate::plan::policy::AttributeUse;
use crate::plan::relink::Absent;
use crate::plan::rights::Entitled;
use crate::plan::units::Units;
use crate::plan::wishes::{self, Wish};
use crate::plan::{Act, BrakeKind, Held, Hold, Mark, Policy, UserChange, UserRef, View, brake};
use crate::roster::words::{number, plural};
use crate::roster::{
    Account, Address, Claim, Complete, Digest, Domain, FieldId, Known, PendingReason, Person, Persons, Positions,
    Reading, State, UserId,
};

/// What was decided about people.
#[derive(Default)]
pub(super) struct Decided {
    pub changes: Vec<UserChange>,
    pub findings: Findings,
    pub held: Vec<Held>,
    pub holds: Vec<Hold>,
    pub unjudged: Vec<(Box<str>, String)>,
    /// Labels of people to whom only a doubt about what was read does not give access back (E2, E7).
    pub barred: Vec<Box<str>>,
    /// Who stands at which DN in this run: digest of the DN, and the user.
    pub places: Vec<(Digest, UserRef)>,
    /// Whose memberships stay as they are because their re-linking is held (I5).
    pub frozen: Vec<UserId>,
}

/// Somebody whose entry was read and who is, or may come, in.
///
/// Boxed, so that what is worked off makes room for what comes out of it.
pub(super) struct Comer<'a> {
    pub person: Box<Person>,
    pub wish: Box<Wish>,
    /// The user of the store; a tombstone for somebody who comes back.
    pub account: Option<&'a Account>,
    /// A reason that an administrator chose to ignore still holds.
    pub kept_on: bool,
    /// The account is known by another unique id (I5).
    pub relinked: bool,
    /// The account is another source's until now (I8).
    pub crosses: bool,
    /// Who the entry's user is once it has the address it asks for (I6).
    pub heir: Option<Heir<'a>>,
    /// Not everything the entry says is applied in this run.
    pub deferred: bool,
}

/// Somebody who leaves, or stays away.
pub(super) struct Leaver<'a> {
    pub account: &'a Account,
    seen: Seen,
    departure: Departure,
}

/// What this run saw of a leaver's entry.
enum Seen {
    /// The entry was read; it says itself why the person has to leave.
    Read(Box<(Box<Person>, Wish)>),
    /// It was not in the search result; looking up found it here, or nowhere.
    Vanished(Option<String>),
    /// It was read and is the one that was applied; what it lacks does not stand in it.
    Unchanged,
}

pub(super) struct People<'a> {
    pub view: &'a View,
    pub policy: &'a Policy,
    pub now: Timestamp,
    /// Whether the read proves who is absent.
    pub proven: bool,
    /// Who is given a role or grant, where that is needed (R3).
    pub entitled: Option<Entitled>,
    /// Kinds of departure that the brake holds.
    held_kinds: Vec<BrakeKind>,
    /// Who keeps aliases that the entry does not list, because the brake holds their loss.
    keep_aliases: HashSet<UserId>,
    pub(super) comers: Vec<Comer<'a>>,
    /// Unknown entries whose primary address a manual account has.
    pub(super) matches: Vec<Match<'a>>,
    /// Whether there can be any.
    pub(super) any_unlinked: bool,
    /// Manual accounts whose entry is not there any more (M2).
    pub(super) deserted: HashSet<UserId>,
    pub(super) leavers: Vec<Leaver<'a>>,
    pub(super) decided: Decided,
}

impl<'a> People<'a> {
    pub fn new(view: &'a View, policy: &'a Policy, now: Timestamp, proven: bool) -> Self {
        let any_unlinked = view.accounts.values().any(matching::is_unlinked);
        Self {
            view,
            policy,
            now,
            proven,
            entitled: None,
            held_kinds: Vec::new(),
            keep_aliases: HashSet::new(),
            comers: Vec::new(),
            matches: Vec::new(),
            any_unlinked,
            deserted: HashSet::new(),
            leavers: Vec::new(),
            decided: Decided::default(),
        }
    }

    /// Sorts the vanished by what looking them up found (L2).
    pub fn see_missing(&mut self, complete: &Complete) {
        for known in complete.missing(&self.view.index) {
            let Some(account) = self.view.accounts.get(&known.id) else { continue };
            let removed = departures::removed_domain(account, None, self.policy, self.view);
            if known.state == State::Kept && removed.is_none() {
                continue;
            }
            let found = self.view.look_ups.get(&known.id);
            if let Some(left) = self.left_to_others(account, found).filter(|_| removed.is_none()) {
                self.decided.unjudged.push((account.label().into(), left.detail.clone()));
                self.decided.findings.add_skips([left]);
                continue;
            }
            match found.and_then(departures::cause) {
                Some((reason, dn)) => {
                    let departure = self.with_domain(known, self.departure(known, reason, dn), removed);
                    let seen = Seen::Vanished(dn.map(str::to_owned));
                    self.leavers.push(Leaver { account, seen, departure });
                }
                None => {
                    let says = format!("not in the search result, but {}", departures::verdict(found));
                    self.decided.findings.unjudged(account, &says);
                    self.decided.unjudged.push((account.label().into(), says));
                }
            }
        }
    }

    /// Sorts those whose entry was read and is new or differs; returns whom newcomers may be.
    pub fn see_people(&mut self, people: Persons, reading: &Reading) -> Absent<'a> {
        let absent = Absent::among(self.view, self.policy, self.proven, &people, &reading.waiting);
        let mut bearers = Bearers::among(self, &people, reading);
        self.see_deserted(&people, reading);
        let twice = self.borne_twice();
        self.comers.reserve_exact(people.len());
        self.decided.places.reserve_exact(people.len());
        for mut person in people {
            if twice.contains(person.key.as_str()) {
                continue;
            }
            let known = self.view.index.find(person.key.digest());
            let account = known.and_then(|known| self.view.accounts.get(&known.id));
            if known.is_some() && account.is_none() {
                continue;
            }
            if self.may_be_double(&person, account) {
                self.decided.findings.may_be_double(&person, account);
                continue;
            }
            let user = known.map_or_else(|| UserRef::New(person.key.digest()), |known| UserRef::Known(known.id));
            self.decided.places.push((crate::roster::Dn::digest_of(&person.dn), user));
            let claims: Vec<Claim> = std::mem::take(&mut person.claims).into_vec();
            let elsewhere = if known.is_none() { self.elsewhere(&person) } else { None };
            let before = account.or(elsewhere.as_ref().map(Elsewhere::account));
            let remembered = match before {
                Some(account) => account.former.as_ref().and_then(|former| former.address.clone()),
                None => absent
                    .remembered(&claims, person.fields.first(FieldId::USERNAME))
                    .or_else(|| bearers.remembered(&claims)),
            };
            let wish = wishes::addresses(claims, self.present_primary(before), remembered.as_ref(), self.policy);
            let manual = account.is_some_and(matching::is_manual);
            let elsewhere = elsewhere.filter(|it| !self.policy.by_address || it.has_address(&wish));
            let lacks_role = !manual && self.entitled.as_ref().is_some_and(|entitled| entitled.lacks(user, account));
            let reason = departures::reason(&person, &wish, (account, lacks_role), self.policy, self.view);
            if departures::is_barred(&person, &wish, (account, lacks_role), self.policy, self.view) {
                self.decided.barred.extend(account.map(|account| Box::from(account.label())));
            }
            let is_out = |one: &Account| one.state == State::Deleted || (account.is_none() && !one.state.access());
            if self.view.behind && before.is_some_and(is_out) {
                continue;
            }
            match account {
                None if reason.is_none() && elsewhere.is_some() => self.come_over(person, wish, elsewhere),
                None if reason.is_none() && self.unlinked(&wish).is_some() => {
                    let account = self.unlinked(&wish);
                    self.matches.extend(account.map(|account| Match { person, wish, account }));
                }
                Some(account) if manual => self.supplement(person, wish, account, reason),
                _ => {
                    let comes = reason.is_none() && self.policy.by_address;
                    match comes.then(|| self.identity(&mut bearers, (&person, &wish), account)) {
                        None | Some(Identity::Same) => self.sort(person, wish, known, account, reason),
                        Some(identity) => self.become_other((person, wish), account, identity),
                    }
                }
            }
        }
        self.link();
        absent
    }

    /// Flags those whose entry is as it was, but who have no role any more (R3).
    pub fn see_without_role(&mut self, unchanged: &Positions) {
        let Some(entitled) = self.entitled.as_ref().filter(|_| self.proven) else { return };
        for (position, known) in self.view.index.iter().enumerate() {
            let Some(account) = self.view.accounts.get(&known.id) else { continue };
            // Manual accounts leave for no reason of the directory's (M3).
            if unchanged.contains(position) && !known.manual && entitled.lacks(UserRef::Known(known.id), Some(account))
            {
                let departure = self.departure(known, PendingReason::NoRole, None);
                self.leavers.push(Leaver { account, seen: Seen::Unchanged, departure });
            }
        }
    }

    fn present_primary(&self, account: Option<&'a Account>) -> Option<&'a Address> {
        account.filter(|account| account.state != State::Deleted).and_then(Account::primary)
    }

    pub(super) fn sort(
        &mut self,
        person: Box<Person>,
        wish: Wish,
        known: Option<&Known>,
        account: Option<&'a Account>,
        reason: Option<PendingReason>,
    ) {
        let removed = account.filter(|_| self.proven);
        let removed = removed.and_then(|it| departures::removed_domain(it, Some(&wish), self.policy, self.view));
        if let (Some(account), Some(known), Some(domain)) = (account, known, &removed) {
            let locked = reason.filter(|reason| *reason == PendingReason::Disabled);
            let mut departure =
                self.departure(known, locked.unwrap_or(PendingReason::UnmanagedDomain), Some(domain.as_str()));
            if locked.is_some() {
                departure.detail = departures::disabled(&person).into();
            }
            let departure = self.with_domain(known, departure, removed);
            self.leavers.push(Leaver { account, seen: Seen::Read(Box::new((person, wish))), departure });
            return;
        }
        let unproven = self.entitled.as_ref().is_some_and(|entitled| !entitled.proven);
        let findings = &mut self.decided.findings;
        match (account, known, reason) {
            (Some(account), ..) if account.state == State::Dormant => {}
            (None, ..) | (Some(Account { state: State::Deleted, .. }), ..) => {
                if findings.admit((&person, &wish), reason, (self.policy, self.view)) {
                    self.comers.push(Comer::new(person, wish, account));
                }
            }
            (Some(Account { state: State::Kept, .. }), _, Some(_)) => {
                self.comers.push(Comer { kept_on: true, ..Comer::new(person, wish, account) });
            }
            // Only a disabled test takes access on the word of a partial read (E1).
            (Some(account), _, Some(reason)) if !self.proven && reason != PendingReason::Disabled => {
                if account.state.access() {
                    self.comers.push(Comer { kept_on: true, ..Comer::new(person, wish, Some(account)) });
                }
            }
            // Neither in nor further out, and not deleted either, before all mapped groups were read (R3).
            (Some(account), _, Some(PendingReason::NoRole)) if account.state == State::Pending && unproven => {}
            (Some(account), Some(known), Some(reason)) => {
                let at = wish.unmanaged.as_ref().map(ToString::to_string);
                let mut departure = self.departure(known, reason, at.as_deref());
                if reason == PendingReason::Disabled {
                    departure.detail = departures::disabled(&person).into();
                }
                self.leavers.push(Leaver { account, seen: Seen::Read(Box::new((person, wish))), departure });
            }
            (Some(_), ..) => self.comers.push(Comer::new(person, wish, account)),
        }
    }

    /// Newcomers who turned out to be users of the store stand at their places as these.
    pub(super) fn stand_for(&mut self, became: &HashMap<UserRef, UserRef>) {
        for (_, user) in self.decided.places.iter_mut().filter(|_| !became.is_empty()) {
            *user = became.get(user).copied().unwrap_or(*user);
        }
    }

    fn departure(&self, known: &Known, reason: PendingReason, at: Option<&str>) -> Departure {
        let counted = known.state.access() && !self.view.approval.people.contains(&known.id);
        Departure { reason, removed: None, detail: departures::detail(reason, at), counted, waits: false }
    }

    /// A departure with its domain, if that is removed. Who was locked out while the domain was held is no smaller loss of
    /// the domain (D2, B1).
    fn with_domain(&self, known: &Known, departure: Departure, removed: Option<Domain>) -> Departure {
        let held = self.view.held_domains.contains(&known.id) && !self.view.approval.people.contains(&known.id);
        let counted = departure.counted || (removed.is_some() && held);
        Departure { removed, counted, ..departure }
    }

    /// Decides about everybody who was seen.
    pub fn decide(mut self, absent: &Absent<'a>) -> Decided {
        self.relink(absent);
        self.hold();
        self.keep_aliases = self.hold_aliases();
        let leavers = std::mem::take(&mut self.leavers);
        let comers = std::mem::take(&mut self.comers);
        let mut units = Units::default();
        let mut left = Left::default();
        for leaver in &leavers {
            let change = self.leave(leaver);
            left.note(leaver.account.id, &change);
            let node = units.node(leaver.account.id);
            units.place(node, change);
        }
        self.admit(comers, &left, &mut units);
        self.decided.changes = units.in_order();
        self.decided
    }

    /// Applies the brake: leavers of a held kind who are counted stay as they are (B1).
    fn hold(&mut self) {
        let counted = self.leavers.iter().filter(|leaver| leaver.departure.counted);
        let counted = counted.map(|leaver| (leaver.departure.kind(), leaver.account.id));
        let mut leaving: BTreeSet<(BrakeKind, UserId)> = counted.chain(self.parting()).collect();
        let mut holds = brake::holds(&leaving, self.policy, self.view);
        if holds.iter().any(|hold| hold.kind == BrakeKind::Domains) {
            leaving.extend(self.lock_out());
            holds = brake::holds(&leaving, self.policy, self.view);
        }
        for hold in holds.iter_mut().filter(|hold| hold.kind == BrakeKind::Missing) {
            hold.says.push_str(&self.causes());
        }
        self.decided.holds.extend(holds);
        self.held_kinds = self.decided.holds.iter().map(|hold| hold.kind).collect();
        if self.held_kinds.contains(&BrakeKind::Missing) {
            self.hold_parting();
        }
        let by_gone = self.leavers.iter().filter(|leaver| self.is_held_as_gone(leaver)).count() as u64;
        if by_gone > 0 {
            let of = self.view.index.with_access() as u64;
            let have = plural(by_gone, "has", "have");
            let (gone, all) = (number(by_gone), number(of));
            let says =
                format!("{gone} of {all} people with access {have} no role any more because a mapped group is gone");
            self.decided.holds.push(Hold::new(BrakeKind::Missing, (by_gone, of), says, []));
        }
        for leaver in &self.leavers {
            if self.is_held(leaver) {
                self.decided.held.push(leaver.departure.held(leaver.account));
            }
        }
    }

    /// A lock that was read applies also to those who go with a domain that is held: they are flagged, and wait for the
    /// rest (U8, D2). Returns whose lock counts.
    fn lock_out(&mut self) -> Vec<(BrakeKind, UserId)> {
        let locked = |leaver: &&mut Leaver| {
            let Departure { reason, removed, counted, .. } = &leaver.departure;
            *counted && removed.is_some() && *reason == PendingReason::Disabled
        };
        let mut leaving = Vec::new();
        for Leaver { account, departure, .. } in self.leavers.iter_mut().filter(locked) {
            self.decided.held.push(departure.held(account));
            *departure = Departure {
                removed: None,
                waits: true,
                counted: account.state.access(),
                reason: departure.reason,
                detail: std::mem::take(&mut departure.detail),
            };
            leaving.extend(departure.counted.then_some((BrakeKind::Disabled, account.id)));
        }
        leaving
    }

    /// For which reasons people would go whom the brake counts as missing: to be filtered out is not to be gone.
    fn causes(&self) -> String {
        let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
        let missing = |leaver: &&Leaver| leaver.departure.counted && leaver.departure.kind() == BrakeKind::Missing;
        for leaver in self.leavers.iter().filter(missing) {
            *causes.entry(leaver.departure.reason.as_str()).or_default() += 1;
        }
        let parting = self.parting().count() as u64;
        causes.extend((parting > 0).then_some(("dormant", parting)));
        let causes: Vec<String> = causes.into_iter().map(|(cause, n)| format!("{n} {cause}")).collect();
        format!("; now {}", causes.join(", "))
    }

    fn is_held(&self, leaver: &Leaver) -> bool {
        leaver.departure.counted && self.held_kinds.contains(&leaver.departure.kind()) || self.is_held_as_gone(leaver)
    }

    /// What the disappearance of a mapped group would strip is always held (R4).
    fn is_held_as_gone(&self, leaver: &Leaver) -> bool {
        let gone = self.entitled.as_ref().is_some_and(|entitled| entitled.by_gone);
        gone && leaver.departure.counted && leaver.departure.reason == PendingReason::NoRole
    }

    /// What happens to a leaver.
    fn leave(&mut self, leaver: &Leaver) -> UserChange {
        let account = leaver.account;
        let mut acts = Vec::new();
        match &leaver.seen {
            Seen::Read(read) => {
                let (person, _) = &**read;
                acts.extend(acts::plain_fields(person, account, self.policy, self.view));
                acts.extend(acts::moved(account, &person.dn));
            }
            Seen::Vanished(Some(dn)) => acts.extend(acts::moved(account, dn)),
            Seen::Vanished(None) | Seen::Unchanged => {}
        }
        if self.is_held(leaver) {
            self.values_of(leaver);
            // Groups list the entry where it is now (U3).
            if let Seen::Vanished(Some(dn)) = &leaver.seen {
                self.decided.places.push((crate::roster::Dn::digest_of(dn), UserRef::Known(account.id)));
            }
            let (reasons_seen, waits_since) = (account.reasons_seen.clone(), account.waits_since);
            let mark = Mark { fingerprint: None, review_at: None, reasons_seen, waits_since };
            return acts::change(account, acts, mark);
        }
        let departure = &leaver.departure;
        let flag = match &departure.removed {
            Some(domain) => {
                let (from, domain) = (account.state, domain.as_str().into());
                let counted = departure.counted.then(|| departure.kind());
                Flag { acts: vec![Act::Removed { from, domain, counted }], reasons_seen: Vec::new() }
            }
            None => {
                let proven = self.proven && self.view.least_now.is_none();
                departures::flag(account, departure, self.policy, (self.now, self.view.flagging(self.now)), proven)
            }
        };
        let deleted = flag.acts.last().is_some_and(Act::deletes);
        // From now on an unknown entry that may not come in (U3: the next run says the same).
        match &leaver.seen {
            Seen::Read(read) if deleted => {
                let lacks = |entitled: &Entitled| entitled.lacks(UserRef::Known(account.id), None);
                let lacks_role = self.entitled.as_ref().is_some_and(lacks);
                let reason = departures::reason(&read.0, &read.1, (None, lacks_role), self.policy, self.view);
                let reason = reason.or(Some(leaver.departure.reason));
                self.decided.findings.admit((&read.0, &read.1), reason, (self.policy, self.view));
            }
            Seen::Unchanged if deleted => self.decided.findings.without_role(account),
            _ => self.values_of(leaver),
        }
        acts.extend(flag.acts);
        // Only an entry that itself says why the person is out may go unread next time.
        let (fingerprint, review_at) = match &leaver.seen {
            _ if leaver.departure.waits => (None, None),
            Seen::Read(read) if self.view.vanished.is_empty() => (Some(read.0.fingerprint), read.0.review_at),
            Seen::Unchanged => (account.fingerprint, account.review_at),
            Seen::Read(_) | Seen::Vanished(_) => (None, None),
        };
        acts::change(account, acts, Mark { fingerprint, review_at, reasons_seen: flag.reasons_seen, waits_since: None })
    }

    /// Writes down the single values of a leaver's entry that are left out, and what cannot be judged of it.
    fn values_of(&mut self, leaver: &Leaver) {
        if let Seen::Read(read) = &leaver.seen {
            self.decided.findings.values(&read.0, &read.1.findings);
            self.decided.findings.maybe_disabled(&read.0);
        }
    }

    /// The primary address somebody should have: the wished one, else the present one; none when addresses are
    /// optional and a complete read shows none.
    pub(super) fn primary<'b>(&self, comer: &'b Comer, present: Option<&'b Address>) -> Option<&'b Address> {
        let gone = self.proven && !self.policy.address_required && comer.wish.gives_none;
        match &comer.wish.primary {
            _ if self.keeps_addresses(comer) => present,
            Some(wished) => Some(wished),
            None => present.filter(|_| !gone),
        }
    }

    /// Whether aliases that the entry does not list stay because the brake holds their loss (B1).
    pub(super) fn keeps_aliases(&self, comer: &Comer) -> bool {
        comer.account.is_some_and(|account| self.keep_aliases.contains(&account.id))
    }

    /// Whether the primary stays what it is because the attribute it comes from vanished from everybody (E2).
    pub(super) fn keeps_addresses(&self, comer: &Comer) -> bool {
        comer.account.is_some() && self.view.has_vanished(self.policy, AttributeUse::Addresses)
    }
}
