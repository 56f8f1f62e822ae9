//! Who is there: people and groups are counted as they are read, with what they have and where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::super::entry::{AttributeName, RawEntry};
use super::super::mapping::UserMapping;
use super::super::paging::Sink;
use super::super::reference::is_outside;
use super::super::understand::{Key, key};
use super::{Found, People};
use crate::clock::Timestamp;
use crate::roster::{Address, Digest, Dn, Enabled, Person, UniqueId};

/// Entries that are looked at, at most; a page more may come.
const ENOUGH: u64 = 100_000;
/// Unique ids that servers give, each where the kind's own is missing.
pub const IDS: &[&str] = &["entryUUID", "objectGUID", "nsUniqueId", "ipaUniqueID", "ibm-entryUUID", "GUID"];
/// What people sign in with, where the kind's own attribute is missing.
pub const NAMES: &[&str] = &["uid", "sAMAccountName", "cn"];
/// Attributes that hold further addresses, beside the kind's own.
pub const ALIASES: &[&str] = &["mailAlternateAddress", "mailLocalAddress", "mailAlias", "gosaMailAlternateAddress"];

/// What is the same for people and groups.
pub struct Tally {
    base: Dn,
    written: String,
    naming_contexts: Vec<String>,
    read: u64,
    /// By normalised name: the container as written, and how many are below it.
    places: BTreeMap<String, (String, u64)>,
    references: BTreeSet<String>,
}

impl Tally {
    pub fn new(base: &str, naming_contexts: &[String]) -> Self {
        Self {
            base: Dn::parse(base).unwrap_or_default(),
            written: base.to_owned(),
            naming_contexts: naming_contexts.to_vec(),
            read: 0,
            places: BTreeMap::new(),
            references: BTreeSet::new(),
        }
    }

    fn place(&mut self, dn: &str) {
        let container = container(dn, &self.base).unwrap_or(&self.written);
        let key = Dn::parse(container).map(|dn| dn.normalized()).unwrap_or_default();
        self.places.entry(key).or_insert_with(|| (container.to_owned(), 0)).1 += 1;
    }

    fn refer(&mut self, urls: &[String]) {
        if !is_outside(urls, &[], &self.naming_contexts, &self.written) {
            self.references.extend(urls.first().cloned());
        }
    }

    fn flow(&self) -> ControlFlow<()> {
        if self.read >= ENOUGH { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    pub fn found(self, filter: String) -> Found {
        let mut places: Vec<(String, u64)> = self.places.into_values().collect();
        places.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Found { filter, read: self.read, whole: self.read < ENOUGH, places, references: self.references, trouble: None }
    }
}

/// The ancestor of an entry that lies directly below the base, as written; `None` when that is the entry itself.
fn container<'a>(dn: &'a str, base: &Dn) -> Option<&'a str> {
    let below = |rest: &&str| Dn::parse(rest).is_some_and(|it| it.depth() == base.depth() + 1 && it.is_under(base));
    dn.rmatch_indices(',').filter_map(|(at, _)| dn.get(at + 1..)).map(str::trim_start).find(below)
}

/// Takes groups.
pub struct GroupCensus(pub Tally);

impl Sink for GroupCensus {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        self.0.read += 1;
        self.0.place(&entry.shown_dn());
    }

    fn reference(&mut self, urls: Vec<String>) {
        self.0.refer(&urls);
    }

    fn batch(&mut self) -> ControlFlow<()> {
        self.0.flow()
    }

    fn may_break(&self) -> bool {
        true
    }
}

/// Takes people.
pub struct PeopleCensus<'a> {
    users: &'a UserMapping,
    now: Timestamp,
    /// Who reads: an account that is also a person says nothing about where people are.
    account: Option<Dn>,
    tally: Tally,
    names: Vec<AttributeName>,
    people: People,
}

impl<'a> PeopleCensus<'a> {
    pub fn new(users: &'a UserMapping, tally: Tally, account: &str, now: Timestamp) -> Self {
        let more = IDS.iter().chain(NAMES).chain(ALIASES).filter_map(|name| AttributeName::parse(name));
        let mut names: Vec<AttributeName> = users.asked.iter().cloned().chain(more).collect();
        names.sort();
        names.dedup();
        let account = Dn::parse(account).filter(|dn| dn.depth() > 0);
        Self { users, now, account, tally, names, people: People::default() }
    }

    /// What to ask for.
    pub fn attributes(&self) -> Vec<String> {
        self.names.iter().map(|name| name.as_str().to_owned()).collect()
    }

    pub fn people(self, filter: String) -> People {
        People { found: self.tally.found(filter), ..self.people }
    }

    /// The person behind an entry; the unique id is looked at by itself.
    fn person(&self, entry: &RawEntry<'_>) -> Option<Person> {
        let key = match key(entry, &self.users.unique_id) {
            Key::One(key) => key,
            _ => UniqueId::new("-")?,
        };
        self.users.person(entry, &key, Digest::of(""), self.now, &mut Vec::new()).ok()
    }
}

impl Sink for PeopleCensus<'_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        let dn = entry.shown_dn();
        if self.account.is_some() && self.account == Dn::parse(&dn) {
            self.people.account = true;
            return;
        }
        self.tally.read += 1;
        self.tally.place(&dn);
        for name in &self.names {
            let is_id = IDS.iter().any(|id| id.eq_ignore_ascii_case(name.as_str()));
            let is_alias = ALIASES.iter().any(|alias| alias.eq_ignore_ascii_case(name.as_str()));
            let has = match (is_id, is_alias) {
                (true, _) => matches!(key(entry, name), Key::One(_)),
                (_, true) => entry.values(name).any(is_address),
                _ => entry.values(name).next().is_some(),
            };
            if has {
                *self.people.has.entry(name.as_str().to_owned()).or_default() += 1;
            }
        }
        let Some(person) = self.person(entry) else {
            self.people.unreadable += 1;
            return;
        };
        self.people.disabled += u64::from(matches!(person.enabled, Enabled::No(_)));
        match person.primary_domain() {
            Some(domain) => *self.people.domains.entry(domain.to_string()).or_default() += 1,
            None => self.people.without += 1,
        }
    }

    fn reference(&mut self, urls: Vec<String>) {
        self.tally.refer(&urls);
    }

    fn batch(&mut self) -> ControlFlow<()> {
        self.tally.flow()
    }

    fn may_break(&self) -> bool {
        true
    }
}

fn is_address(value: &[u8]) -> bool {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let bare = text.split_once(':').filter(|(prefix, _)| prefix.eq_ignore_ascii_case("smtp")).map_or(text, |it| it.1);
    Address::parse(bare).is_some()
}

/// Counts entries, up to the end of a page.
#[derive(Default)]
pub struct Count(pub u64);

impl Sink for Count {
    fn entry(&mut self, _: &RawEntry<'_>) {
        self.0 += 1;
    }

    fn reference(&mut self, _: Vec<String>) {}

    fn batch(&mut self) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn may_break(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_below_the_base_is_found_in_any_spelling() {
        let base = Dn::parse("dc=example,dc=com").unwrap();
        for (dn, found) in [
            ("uid=ada,ou=People,DC=example,dc=com", Some("ou=People,DC=example,dc=com")),
            ("uid=ada,ou=x,ou=people, dc=example, dc=com", Some("ou=people, dc=example, dc=com")),
            ("cn=A\\, B,ou=a\\,b,dc=example,dc=com", Some("ou=a\\,b,dc=example,dc=com")),
            ("uid=ada,dc=example,dc=com", None),
            ("dc=example,dc=com", None),
            ("uid=ada,ou=people,dc=other", None),
        ] {
            assert_eq!(container(dn, &base), found, "{dn}");
        }
    }
}
