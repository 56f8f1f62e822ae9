//! Why somebody is in, or is not: what each rule says of one person, and what to do (`explain`).

mod advice;
mod states;
mod whole;
mod words;

use std::collections::HashSet;

use crate::plan::after::After;
use crate::plan::explain::states::NEVER_FLAGGED;
use crate::plan::explain::words::rule_of;
use crate::plan::one::known;
use crate::plan::policy::Place;
use crate::plan::{Act, Conflict, ConflictKind, Frozen, Plan, Policy, UserRef, View, wishes};
use crate::roster::account::written;
use crate::roster::address::fold;
use crate::roster::{
    Account, Address, Claim, ClaimKind, Dn, Enabled, FieldId, Incomplete, Index, LookUp, MemberRef, Origin, Person,
    Reading, Skip, Skipped, State,
};

pub use whole::{Waits, Whole, ends_access, hold_alone};

/// How a rule bears on the person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bearing {
    /// Nothing in the way.
    Fine,
    /// Keeps the person, or a part of what the entry says, out.
    Stops,
    /// Worth knowing.
    Note,
}

written!(Bearing { Fine = "ok", Stops = "stops", Note = "note" });

/// What one rule says of one person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The rule of `docs/rules.md`.
    pub rule: &'static str,
    /// What it is about, in a word or two.
    pub about: &'static str,
    /// How it bears on the person.
    pub bearing: Bearing,
    /// One sentence.
    pub says: String,
}

/// All that can be said of one person.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Explanation {
    /// In order of reading: store, entry, scope, status, addresses, name, groups, rights, dates, what the next run does.
    pub findings: Vec<Finding>,
    /// What to do if that is not what was wanted.
    pub advice: String,
}

/// What the directory says now.
#[derive(Clone, Debug)]
pub enum Entry<'a> {
    /// It could not be asked.
    Unreached(&'a str),
    /// It is not asked at all: why, and what that means.
    NotRead(&'a str, &'a str),
    /// No entry is the person asked for.
    Nowhere,
    /// Not within bases and filter; what looking up found.
    Outside(&'a LookUp),
    /// Within bases and filter, but it cannot be understood: which entry, and why.
    Unreadable(&'a str),
    /// Within bases and filter.
    Read(&'a Person),
}

/// What is known of one person.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// As it was asked.
    pub who: &'a str,
    /// The user of the store.
    pub account: Option<&'a Account>,
    /// The entry of the directory.
    pub entry: Entry<'a>,
    /// What was read around the person, and why it proves no absence.
    pub reading: Option<(&'a Reading, Option<&'a Incomplete>)>,
    /// The store's side.
    pub view: &'a View,
    /// What a run about this one person would do.
    pub plan: &'a Plan,
    /// What the operator decides.
    pub policy: &'a Policy,
    /// Somebody else who has the name or address of a person whose entry is gone, in a sentence that says so.
    pub successor: Option<&'a str>,
    /// Of somebody dormant, whose user the entry is now.
    pub heir: Option<&'a Account>,
    /// What is known of the runs that read everybody.
    pub whole: Whole,
}

/// Says of each rule what it decides about the person, and what to do about that.
pub fn explain(facts: &Facts<'_>) -> Explanation {
    let mut all = Explained { facts, findings: Vec::new() };
    all.store();
    all.entry();
    if let Entry::Read(person) = facts.entry {
        all.identity(person);
        all.enabled(person);
        all.addresses(person);
        all.username(person);
        all.rights();
        all.groups();
    }
    all.dates();
    all.open();
    all.next();
    let advice = all.advice();
    Explanation { findings: all.findings, advice }
}

struct Explained<'a> {
    facts: &'a Facts<'a>,
    findings: Vec<Finding>,
}

impl<'a> Explained<'a> {
    fn say(&mut self, rule: &'static str, about: &'static str, bearing: Bearing, says: impl Into<String>) {
        self.findings.push(Finding { rule, about, bearing, says: says.into() });
    }

    /// Whether the store has the person (L1, L6, M1).
    fn store(&mut self) {
        let Some(account) = self.facts.account else {
            return self.say("U1", "store", Bearing::Note, format!("the store knows nobody as `{}`", self.facts.who));
        };
        let (bearing, access) = match account.state.access() {
            true => (Bearing::Fine, "has access"),
            false => (Bearing::Stops, "no access"),
        };
        let origin = match account.origin {
            Origin::Directory => String::new(),
            other => format!(", a {other} account"),
        };
        let says = match &account.former {
            Some(former) if account.state == State::Dormant => {
                format!("`{}` (id {}) is dormant since {}: no access", account.label(), account.uuid, former.since)
            }
            Some(former) => {
                format!("`{}` (id {}) was deleted on {}", account.label(), account.uuid, former.since)
            }
            None => format!("`{}` (id {}{origin}) is {}: {access}", account.label(), account.uuid, account.state),
        };
        self.say("L1", "store", bearing, says);
    }

    /// Where the entry stands, and whether it is within bases and filter (I3, I4).
    fn entry(&mut self) {
        match self.facts.entry {
            Entry::Unreached(why) => self.say("E1", "directory", Bearing::Stops, format!("it was not read: {why}")),
            Entry::NotRead(why, _) => self.say("S1", "directory", Bearing::Note, format!("it is not read: {why}")),
            Entry::Nowhere if self.dormant().is_some() => self.say_heir(),
            Entry::Nowhere if self.is_manual() => {
                let says = format!("no entry has the address; {NEVER_FLAGGED}");
                self.say("M3", "entry", Bearing::Note, says);
            }
            Entry::Nowhere => {
                let says = "no entry under users.base_dns or source.base_dn is it by DN, unique id, username or mail";
                self.say("I2", "entry", Bearing::Stops, says);
            }
            Entry::Outside(found) => {
                let (about, says) = match found {
                    LookUp::Gone => {
                        let gone = crate::plan::GONE;
                        ("entry", self.facts.successor.unwrap_or(gone).to_owned())
                    }
                    LookUp::MovedOut { dn } => ("base", format!("the entry `{dn}` lies outside of users.base_dns")),
                    LookUp::FilteredOut { dn } => ("filter", format!("the entry `{dn}` does not match users.filter")),
                    LookUp::Disabled { dn } => {
                        ("base", format!("the entry `{dn}` is disabled, and outside of users.base_dns or users.filter"))
                    }
                    LookUp::InScope { dn } => ("entry", format!("the entry `{dn}` is in scope, but was not shown")),
                    LookUp::Unjudged { says } => ("entry", format!("looking it up gave no usable answer: {says}")),
                };
                match self.is_manual() {
                    true => self.say("M3", about, Bearing::Note, format!("{says}; {NEVER_FLAGGED}")),
                    false => self.say("I4", about, Bearing::Stops, says),
                }
            }
            Entry::Unreadable(why) => {
                let then = if self.facts.account.is_some() { "; its user stays as it is" } else { "" };
                self.say("E5", "entry", Bearing::Stops, format!("{why}{then}"));
            }
            Entry::Read(person) => {
                let says = format!("`{}`, unique id {}", person.dn, person.key);
                self.say("I2", "entry", Bearing::Fine, says);
                self.say("I4", "base, filter", Bearing::Fine, "it lies within users.base_dns and matches users.filter");
            }
        }
        if let Some((_, Some(why))) = self.facts.reading {
            let says = format!("the read proves nothing about who is absent, nothing is taken away: {}", why.says);
            self.say("E1", "proof", Bearing::Note, says);
        }
    }

    /// Whose entry it is (I2, I5, L7, M2).
    fn identity(&mut self, person: &Person) {
        let acts: Vec<&Act> = self.acts().collect();
        let relinked = acts.iter().find_map(|act| match act {
            Act::Relinked { before, .. } => Some(before),
            _ => None,
        });
        let (rule, says) = match (relinked, self.facts.account) {
            (Some(before), _) => ("I5", format!("deleted and re-added: it goes on as the user who had {before}")),
            (None, Some(account)) if account.state == State::Deleted => {
                ("L7", "the unique id is that of somebody deleted, whose internal id is used again".to_owned())
            }
            (None, Some(account)) if account.key.as_ref() == Some(&person.key) => {
                ("I2", format!("the unique id is that of `{}`", account.label()))
            }
            _ if acts.iter().any(|act| matches!(act, Act::Linked { .. })) => {
                ("M2", "it has the primary address of an account made by hand, and is linked with it".to_owned())
            }
            _ => ("I2", "no user has this unique id: somebody new".to_owned()),
        };
        self.say(rule, "identity", Bearing::Fine, says);
    }

    fn enabled(&mut self, person: &Person) {
        let until = person.review_at.map(|at| format!(", until {at}")).unwrap_or_default();
        match &person.enabled {
            Enabled::Yes => self.say("U8", "disabled test", Bearing::Fine, format!("none holds{until}")),
            Enabled::No(test) if self.is_manual() => {
                let says = format!("holds: {test}{until}; {NEVER_FLAGGED}");
                self.say("M3", "disabled test", Bearing::Note, says);
            }
            Enabled::No(test) => {
                self.say("U8", "disabled test", Bearing::Stops, format!("holds: {test}{until}: no access"));
            }
            Enabled::Unknown(doubt) => {
                let is_in = self.facts.account.is_some_and(|account| account.state != State::Deleted);
                let bearing = if is_in { Bearing::Note } else { Bearing::Stops };
                let then = if is_in { "the state stays as it is" } else { "nobody who may be disabled is let in" };
                let says = format!("cannot be judged, so {then}: {doubt}");
                self.say("U8", "disabled test", bearing, says);
            }
        }
    }

    /// The primary it gets, then each address: its domain, and who holds it (A1-A6, D1).
    fn addresses(&mut self, person: &Person) {
        let present = self.facts.account.and_then(Account::primary);
        let wish = wishes::addresses(person.claims.to_vec(), present, None, self.facts.policy);
        match (&wish.primary, &wish.unmanaged) {
            (Some(primary), _) => self.say("A1", "primary", Bearing::Fine, format!("it asks for {primary}")),
            (None, Some(address)) => {
                let says = format!("{address} is in `{}`, which is not in domains.managed", address.domain());
                self.say("D1", "domain", Bearing::Stops, says);
            }
            (None, None) if self.facts.policy.address_required => {
                self.say("A1", "primary", Bearing::Stops, "the entry has no address that can be the primary");
            }
            (None, None) => self.say("U10", "primary", Bearing::Note, "none, and none is required"),
        }
        // Two attributes may bring one address: the first, the higher claim, says it.
        let mut told = HashSet::new();
        let key = |claim: &Claim| claim.value.as_ref().map(Address::key).map_err(Clone::clone);
        for claim in person.claims.iter().filter(|claim| told.insert(key(claim))) {
            let kind = if claim.kind == ClaimKind::Alias { "alias" } else { "primary" };
            match &claim.value {
                Err(text) => self.say("A6", "address", Bearing::Stops, format!("`{text}` is no address")),
                Ok(address) => self.address(address, kind),
            }
        }
    }

    fn address(&mut self, address: &Address, kind: &str) {
        if !self.facts.policy.manages(address) {
            let says = format!("{address} ({kind}): `{}` is not in domains.managed", address.domain());
            return self.say("D1", "address", Bearing::Stops, says);
        }
        match self.facts.view.owners.get(&address.key()).copied() {
            None => self.say("A3", "address", Bearing::Fine, format!("{address} ({kind}): nobody has it")),
            Some(owner) if self.is_it(owner) => {
                self.say("A3", "address", Bearing::Fine, format!("{address} ({kind}): has it"));
            }
            Some(owner) => {
                let says = format!("{address} ({kind}): belongs to {}", self.named(owner));
                self.say("A4", "address", Bearing::Stops, says);
            }
        }
    }

    fn username(&mut self, person: &Person) {
        let Some(name) = person.fields.first(FieldId::USERNAME) else {
            return self.say("U7", "username", Bearing::Note, "the entry has none");
        };
        match self.facts.view.name_owners.get(&fold(name)).copied() {
            None => self.say("U7", "username", Bearing::Fine, format!("`{name}`: nobody with access bears it")),
            Some(owner) if self.is_it(owner) => {
                self.say("U7", "username", Bearing::Fine, format!("`{name}`: bears it"));
            }
            Some(owner) => {
                let says = format!("`{name}`: belongs to {}", self.named(owner));
                match self.facts.view.look_ups.get(&owner) {
                    Some(LookUp::Gone) => {
                        let says = format!("{says}, whose entry is gone: the name is free once that user is flagged");
                        self.say("U7", "username", Bearing::Note, says);
                    }
                    _ => self.say("U7", "username", Bearing::Stops, says),
                }
            }
        }
    }

    /// Roles and grants, and the groups that give them (R1-R4).
    fn rights(&mut self) {
        let rights = &self.facts.policy.rights;
        let by = |places: &[usize]| {
            let groups: Vec<String> = places.iter().flat_map(|place| self.givers(*place)).collect();
            (!groups.is_empty()).then(|| groups.join(" and "))
        };
        let mut given: Vec<(&'static str, &'static str, String)> = Vec::new();
        for role in &rights.roles {
            given.extend(by(&role.places).map(|by| ("R1", "role", format!("`{}` by {by}", role.name))));
        }
        for grant in &rights.grants {
            given.extend(by(&grant.places).map(|by| ("R2", "grant", format!("`{}` by {by}", grant.name))));
        }
        let none = given.is_empty();
        let has_role = given.iter().any(|(_, about, _)| *about == "role");
        for (rule, about, says) in given {
            self.say(rule, about, Bearing::Fine, says);
        }
        if let Some(role) = rights.default_role.as_ref().filter(|_| !has_role && !rights.roles.is_empty()) {
            self.say("R1", "role", Bearing::Note, format!("`{role}`, users.default_role: no mapped group gives one"));
        }
        if rights.required && none {
            self.say("R3", "role", Bearing::Stops, "no mapped group gives a role or a grant, and one is required");
        }
        for broken in &self.facts.plan.mapped.broken {
            self.say("R4", "mapped group", Bearing::Note, broken.says.clone());
        }
    }

    /// The groups at one mapped place that name the person.
    fn givers(&self, place: usize) -> Vec<String> {
        let Some((reading, _)) = self.facts.reading else { return Vec::new() };
        let Some(sought) = reading.mapped.get(place) else { return Vec::new() };
        let all = sought.there.iter().chain(&sought.elsewhere);
        let givers = all.filter(|giver| !giver.members.is_empty() || reading.is_named(&giver.dn));
        let by_filter = matches!(self.facts.policy.rights.places.get(place), Some(Place::Filter(_)));
        let found = if by_filter { " (found by the filter)" } else { "" };
        givers.map(|giver| format!("`{}`{found}", giver.dn)).collect()
    }

    /// The groups that name the person, or that a group is in which does (G1-G4).
    fn groups(&mut self) {
        let (Some((reading, _)), Entry::Read(person)) = (self.facts.reading, &self.facts.entry) else { return };
        if !reading.passes.groups {
            return;
        }
        let me = MemberRef::Dn(Dn::digest_of(&person.dn));
        let mut any = false;
        for group in &reading.groups {
            let (rule, how) = match (group.members.contains(&me), reading.is_named(&group.dn)) {
                (true, _) => ("G1", "names the person"),
                (false, true) => ("G3", "is named by the entry"),
                (false, false) if reading.is_primary(group) => ("G3", "is the person's primary group"),
                (false, false) if group.members.iter().all(MemberRef::is_primary) => continue,
                (false, false) => ("G4", "is around a group that names the person"),
            };
            any = true;
            self.say(rule, "group", Bearing::Fine, format!("`{}` ({}) {how}", group.name, group.dn));
        }
        if !any {
            self.say("G1", "group", Bearing::Note, "no group names the person");
        }
    }

    /// Since when somebody waits, why, and until when (L2, L8).
    fn dates(&mut self) {
        let Some(account) = self.facts.account else { return };
        if let Some((thing, holder)) = self.waits_for_a_name() {
            let says = format!(
                "is there and enabled, and waits for {thing}, which belongs to {holder}; the date stands still until that is \
                 settled"
            );
            self.say("L5", "pending", Bearing::Stops, says);
        } else if let (State::Pending, Some(reason)) = (account.state, account.reason) {
            let since = account.flagged_at.map(|at| format!(" since {at}")).unwrap_or_default();
            let until = account.delete_after.map_or_else(|| "never".to_owned(), |at| format!("after {at}"));
            self.say("L2", "pending", Bearing::Stops, format!("{reason}{since}; deleted {until}"));
        }
        if account.state == State::Kept {
            let says = match account.origin {
                Origin::Directory => {
                    "an administrator lets it be, whatever the entry says; active again when that is fine"
                }
                _ => "an administrator restored it; made by hand, it stays until it is deleted",
            };
            self.say("L8", "kept", Bearing::Note, says);
        }
        self.waits();
        if let Some(frozen) = &self.facts.plan.frozen {
            self.say("B5", "freeze", Bearing::Note, Frozen::says(frozen));
        }
    }

    /// Conflicts that name the person, and what is left out of the entry.
    fn open(&mut self) {
        let (conflicts, skips) = (self.conflicts(), self.skips());
        for (says, rule) in conflicts {
            self.say(rule, "conflict", Bearing::Note, says);
        }
        for skip in skips {
            let detail = if skip.detail.is_empty() { String::new() } else { format!(": {}", skip.detail) };
            let (about, bearing) = match self.becomes(skip) {
                Skipped::LeftOut => ("left out", Bearing::Stops),
                Skipped::AsBefore => ("as before", Bearing::Stops),
                Skipped::Without => ("came in without", Bearing::Note),
                Skipped::MaybeDisabled => ("maybe disabled", Bearing::Note),
            };
            self.say(rule_of(skip), about, bearing, format!("{}{detail}", skip.reason));
        }
    }

    /// What becomes of the person of whom something is skipped (U9).
    fn becomes(&self, skip: &Skip) -> Skipped {
        let index = Index::new(self.facts.account.and_then(known).into_iter().collect());
        After::of(self.facts.plan, &index).fate(skip)
    }

    /// Conflicts that concern the person, with the numbers of those that are open.
    pub(self) fn concerning(&self) -> impl Iterator<Item = (&Conflict, Option<i64>)> {
        let open = self.facts.view.conflicts.iter().map(|open| (&open.conflict, Some(open.id.0)));
        let new = self.facts.plan.opened.iter().map(|conflict| (conflict, None));
        open.chain(new).filter(|(conflict, _)| {
            let owner = matches!(conflict.owner, Some(UserRef::Known(user)) if self.is_it(user));
            let dns = [self.facts.account.and_then(|account| account.dn.as_deref()), self.dn()];
            let other = conflict.other.as_ref().is_some_and(|key| match self.facts.entry {
                Entry::Read(person) => person.key == *key,
                _ => false,
            });
            owner || other || dns.iter().flatten().any(|dn| conflict.detail.contains(dn))
        })
    }

    fn conflicts(&self) -> Vec<(String, &'static str)> {
        self.concerning()
            .map(|(conflict, number)| {
                let number = number.map_or_else(|| "will open".to_owned(), |number| format!("number {number}"));
                let rule = match conflict.kind {
                    ConflictKind::AddressTaken => "A4",
                    ConflictKind::UsernameTaken => "U7",
                    ConflictKind::MaybeSamePerson => "I5",
                    ConflictKind::DuplicateId => "I7",
                    ConflictKind::Overlap => "I8",
                    ConflictKind::PendingDeletion => "L2",
                };
                (format!("{} `{}` ({number}): {}", conflict.kind, conflict.subject, conflict.detail), rule)
            })
            .collect()
    }

    fn skips(&self) -> Vec<&'a Skip> {
        let key = match self.facts.entry {
            Entry::Read(person) => Some(person.key.as_str()),
            _ => self.facts.account.and_then(|account| account.key.as_ref()).map(|key| key.as_str()),
        };
        let ours = |skip: &&Skip| key.is_some() && skip.unique_id.as_deref() == key;
        self.facts.plan.skips.iter().filter(ours).collect()
    }

    pub(self) fn acts(&self) -> impl Iterator<Item = &'a Act> + use<'a> {
        self.facts.plan.users.iter().flat_map(|change| &change.acts)
    }

    fn is_it(&self, user: crate::roster::UserId) -> bool {
        self.facts.account.is_some_and(|account| account.id == user)
    }

    fn dn(&self) -> Option<&'a str> {
        match self.facts.entry {
            Entry::Read(person) => Some(&person.dn),
            _ => None,
        }
    }

    fn named(&self, user: crate::roster::UserId) -> String {
        let account = self.facts.view.accounts.get(&user);
        let until =
            account.filter(|account| account.state == State::Pending).map(|account| match account.delete_after {
                Some(at) => format!(", pending deletion until {at}"),
                None => ", pending and never deleted".to_owned(),
            });
        let name = account.map_or_else(|| format!("`user {}`", user.0), Account::told_apart);
        format!("{name}{}", until.unwrap_or_default())
    }
}
