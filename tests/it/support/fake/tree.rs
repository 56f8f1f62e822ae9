//! What a fake directory holds.

use std::collections::BTreeMap;

/// How the values of an attribute are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    Text,
    Dn,
    Number,
    /// GeneralizedTime.
    Time,
    Bytes,
}

/// The relative names of a DN, as they are compared, from the entry to the root.
pub fn names(dn: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut characters = dn.chars().peekable();
    while let Some(one) = characters.next() {
        let last = all.last_mut().unwrap();
        match one {
            ',' => all.push(String::new()),
            '\\' => match characters.next() {
                Some(high) if high.is_ascii_hexdigit() => {
                    let low = characters.next().unwrap_or('0');
                    let code = high.to_digit(16).unwrap_or(0) * 16 + low.to_digit(16).unwrap_or(0);
                    last.extend(['\\', char::from_u32(code).unwrap_or('\0')]);
                }
                other => last.extend(std::iter::once('\\').chain(other)),
            },
            one => last.push(one),
        }
    }
    let mut all: Vec<String> = all.iter().map(|one| one.trim().to_lowercase().replace(" = ", "=")).collect();
    all.retain(|one| !one.is_empty());
    all
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub dn: String,
    /// In the order in which they are sent.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    pub fn new(dn: impl Into<String>) -> Self {
        Self { dn: dn.into(), attributes: Vec::new() }
    }

    /// With one more value.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.add(name, value);
        self
    }

    /// With several values.
    pub fn with_all<V: AsRef<[u8]>>(mut self, name: &str, values: impl IntoIterator<Item = V>) -> Self {
        values.into_iter().for_each(|value| self.add(name, value));
        self
    }

    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref().to_vec();
        match self.attributes.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, values)) => values.push(value),
            None => self.attributes.push((name.to_owned(), vec![value])),
        }
    }

    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(&[], |(_, values)| values)
    }
}

/// Entries in the order in which a search brings them; an entry keeps its place when it changes.
#[derive(Clone, Default, Debug)]
pub struct Tree {
    pub entries: BTreeMap<u64, Entry>,
    last: u64,
}

impl Tree {
    /// Adds an entry behind all others.
    pub fn add(&mut self, entry: Entry) -> u64 {
        self.last += 1;
        self.entries.insert(self.last, entry);
        self.last
    }

    /// How many entries were ever added.
    pub fn added(&self) -> u64 {
        self.last
    }

    /// Puts an entry into a place of its own.
    pub fn put(&mut self, at: u64, entry: Entry) {
        self.last = self.last.max(at);
        self.entries.insert(at, entry);
    }

    pub fn find(&self, dn: &str) -> Option<&Entry> {
        let wanted = names(dn);
        self.entries.values().find(|entry| names(&entry.dn) == wanted)
    }

    pub fn find_mut(&mut self, dn: &str) -> Option<&mut Entry> {
        let wanted = names(dn);
        self.entries.values_mut().find(|entry| names(&entry.dn) == wanted)
    }

    pub fn remove(&mut self, dn: &str) -> Option<Entry> {
        let wanted = names(dn);
        let at = self.entries.iter().find(|(_, entry)| names(&entry.dn) == wanted).map(|(at, _)| *at)?;
        self.entries.remove(&at)
    }
}

#[test]
fn dns_compare_by_their_names() {
    assert_eq!(names("uid=Ada, OU=People,dc=Example"), ["uid=ada", "ou=people", "dc=example"]);
    assert_eq!(names("cn=a\\2cb,dc=x"), names("cn=a\\,b, dc=X"));
    assert!(names("").is_empty());
}
