//! Collects what a read brings: whom it saw, who differs, who waits (E3, E5).

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use foldhash::HashMap;

use super::codes::printable;
use super::entry::RawEntry;
use super::mapping::{GroupMapping, UserMapping};
use super::paging::Sink;
use super::read::Progress;
use super::reference::is_outside;
use super::searches::Searches;
use super::understand::{Key, PrimaryGroup, key, primary_group, skip};
use crate::clock::Timestamp;
use crate::roster::{Digest, Dn, Group, Incomplete, Index, Known, Passes, Person, Reading, Skip, State, UniqueId};

/// What has been read so far.
pub struct Collector<'a> {
    searches: &'a Searches,
    users: Option<&'a UserMapping>,
    groups: Option<&'a GroupMapping>,
    index: &'a Index,
    now: Timestamp,
    progress: &'a dyn Progress,
    naming_contexts: Vec<String>,
    reading: Reading,
    people: Later<Box<Person>>,
    group_entries: Later<Group>,
    /// Configured ids that two entries bear (I7).
    twice: HashSet<Digest>,
    /// Users by DN, made when the first entry without a readable id needs it.
    by_dn: Option<Vec<(Digest, usize)>>,
    /// How many people have each asked attribute, in the mapping's order.
    coverage: Vec<u64>,
    covered: u64,
    user_entries: u64,
    present: Vec<bool>,
    /// What was found on the way that makes the read incomplete; the first.
    pub incomplete: Option<Incomplete>,
}

/// Entries by unique id; of two the later one counts (E3).
struct Later<T> {
    at: HashMap<Digest, usize>,
    items: Vec<Option<T>>,
}

impl<T> Later<T> {
    fn new() -> Self {
        Self { at: HashMap::default(), items: Vec::new() }
    }

    fn get(&self, key: Digest) -> Option<&T> {
        self.items.get(*self.at.get(&key)?)?.as_ref()
    }

    fn put(&mut self, key: Digest, item: T) {
        self.remove(key);
        self.at.insert(key, self.items.len());
        self.items.push(Some(item));
    }

    fn remove(&mut self, key: Digest) -> Option<T> {
        let at = self.at.remove(&key)?;
        self.items.get_mut(at)?.take()
    }

    fn into_items(self) -> Vec<T> {
        self.items.into_iter().flatten().collect()
    }
}

impl<'a> Collector<'a> {
    pub fn new(
        searches: &'a Searches,
        index: &'a Index,
        now: Timestamp,
        progress: &'a dyn Progress,
        naming_contexts: &[String],
    ) -> Self {
        let users = searches.mapping().users.as_ref();
        Self {
            searches,
            users,
            groups: searches.mapping().groups.as_ref(),
            index,
            now,
            progress,
            naming_contexts: naming_contexts.to_vec(),
            reading: Reading::default(),
            people: Later::new(),
            group_entries: Later::new(),
            twice: HashSet::new(),
            by_dn: None,
            coverage: vec![0; users.map_or(0, |users| users.asked.len())],
            covered: 0,
            user_entries: 0,
            present: Vec::new(),
            incomplete: None,
        }
    }

    /// Whether not a single entry was read.
    pub fn is_empty(&self) -> bool {
        self.reading.entries == 0
    }

    /// Whether anybody's DN is another one than the store knows.
    pub fn somebody_moved(&self) -> bool {
        self.people.items.iter().flatten().any(|person| {
            let known = self.index.find(person.key.digest());
            known.is_some_and(|known| known.dn != Dn::digest_of(&person.dn))
        })
    }

    /// Drops the groups, to be read again.
    pub fn forget_groups(&mut self) {
        self.reading.entries = self.user_entries;
        self.reading.waiting_groups.clear();
        self.group_entries = Later::new();
    }

    /// Everything that was read, in order.
    pub fn finish(self, passes: Passes) -> Reading {
        let mut reading = self.reading;
        reading.passes = passes;
        reading.people = self.people.into_items();
        reading.people.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        reading.groups = self.group_entries.into_items();
        reading.groups.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        // Members whom only their own entries name are not known when no user was read (G3).
        if !passes.users && self.users.is_some_and(|users| users.member_of.is_some()) {
            reading.groups.iter_mut().for_each(|group| group.whole = false);
        }
        reading.member_of.sort_unstable();
        reading.member_of.dedup();
        // Of two entries the later one counts (E3); the sort keeps their order.
        reading.primary.reverse();
        reading.primary.sort_by_key(|(_, user)| *user);
        reading.primary.dedup_by_key(|(_, user)| *user);
        reading.skips.sort_unstable();
        reading.skips.dedup();
        if let Some(users) = self.users.filter(|_| passes.users) {
            let names = users.asked.iter().map(|name| name.as_str().to_owned());
            reading.coverage = names.zip(self.coverage).collect::<BTreeMap<_, _>>();
            reading.coverage.insert(String::new(), self.covered);
        }
        reading
    }

    fn user(&mut self, users: &UserMapping, entry: &RawEntry<'_>) {
        self.reading.entries += 1;
        self.user_entries += 1;
        match key(entry, &users.unique_id) {
            Key::One(key) => self.identified(users, entry, &key),
            Key::None => {
                let bearers = self.shield(entry);
                if bearers.is_empty() && users.server_given() {
                    self.unidentified(entry, users.unique_id.as_str());
                }
                self.garbled(users, entry, (None, &bearers));
            }
            Key::Many(keys) => {
                let mut bearers = self.shield(entry);
                let mut bearer = None;
                for key in &keys {
                    let Some(position) = self.index.position(key.digest()) else { continue };
                    self.reading.waiting.insert(position);
                    bearers.push(position);
                    bearer = bearer.or(Some(key));
                }
                self.garbled(users, entry, (bearer, &bearers));
            }
        }
    }

    fn identified(&mut self, users: &UserMapping, entry: &RawEntry<'_>, key: &UniqueId) {
        let digest = key.digest();
        let position = self.index.position(digest);
        let fingerprint = users.fingerprint(entry, self.searches.salt(), &mut self.present);
        if let Some(name) = &users.member_of {
            let groups = entry.values(name).map(|group| Dn::digest_of(&String::from_utf8_lossy(group)));
            self.reading.member_of.extend(groups.map(|group| (group, digest)));
        }
        self.primary(users, entry, digest);
        if !self.was_seen(digest, position) {
            self.cover();
        } else if !users.server_given() && self.earlier_dn(digest, position) != Some(Dn::digest_of(&entry.shown_dn())) {
            self.same_id_twice(entry, key, position);
            return;
        }
        self.people.remove(digest);
        let known = position.and_then(|position| self.index.get(position).map(|known| (position, known)));
        if let Some((position, known)) = known {
            self.reading.unchanged.remove(position);
            self.reading.waiting.remove(position);
            let due = known.review_at.is_some_and(|at| at <= self.now);
            if known.state == State::Active && known.fingerprint == Some(fingerprint) && !due {
                self.reading.unchanged.insert(position);
                return;
            }
        }
        match users.person(entry, key, fingerprint, self.now, &mut self.reading.skips) {
            Ok(person) => self.people.put(digest, Box::new(person)),
            Err(skip) => {
                let skip = match known {
                    Some((_, known)) if known.is_of_directory_with_access() => {
                        users.of_somebody_in(entry, skip, self.now)
                    }
                    _ => skip,
                };
                self.reading.skips.push(skip);
                if let Some((position, _)) = known {
                    self.reading.waiting.insert(position);
                }
            }
        }
    }

    /// Notes an entry without one readable unique id, and whose it is, as far as that can be told (E5).
    fn garbled(&mut self, users: &UserMapping, entry: &RawEntry<'_>, (key, bearers): (Option<&UniqueId>, &[usize])) {
        let mut bearers = bearers.iter().filter_map(|position| self.index.get(*position));
        let has_access = bearers.any(Known::is_of_directory_with_access);
        if let Some(skip) = users.unidentified(entry) {
            let skip = Skip { unique_id: key.map(ToString::to_string), ..skip };
            let skip = if has_access { users.of_somebody_in(entry, skip, self.now) } else { skip };
            self.reading.skips.push(skip);
        }
        self.cover_unidentified(users, entry);
    }

    /// Notes whose primary group it is (G3).
    fn primary(&mut self, users: &UserMapping, entry: &RawEntry<'_>, user: Digest) {
        let Some(names) = &users.primary_group else { return };
        match primary_group(entry, names) {
            PrimaryGroup::None => {}
            PrimaryGroup::Unreadable => _ = self.reading.primary_unknown.insert(user),
            PrimaryGroup::Sid(sid) => self.reading.primary.push((Digest::of(&sid), user)),
        }
    }

    fn was_seen(&self, key: Digest, position: Option<usize>) -> bool {
        let seen = |at| self.reading.unchanged.contains(at) || self.reading.waiting.contains(at);
        position.is_some_and(seen) || self.people.get(key).is_some() || self.twice.contains(&key)
    }

    /// DN of the entry with this id that was read before; `None` when it is not known any more.
    fn earlier_dn(&self, key: Digest, position: Option<usize>) -> Option<Digest> {
        let differing = self.people.get(key).map(|person| Dn::digest_of(&person.dn));
        let unchanged = position.filter(|at| self.reading.unchanged.contains(*at));
        differing.or_else(|| unchanged.and_then(|at| self.index.get(at)).map(|known| known.dn))
    }

    /// Two entries bear one configured id: neither is applied, and their user waits (I7).
    fn same_id_twice(&mut self, entry: &RawEntry<'_>, key: &UniqueId, position: Option<usize>) {
        let reason = |detail: String, dn: String| Skip {
            dn,
            unique_id: Some(key.to_string()),
            reason: "duplicate-id".into(),
            rule: "I7".into(),
            detail,
        };
        let detail = format!("another entry bears the unique id `{key}` too; neither is applied");
        if let Some(earlier) = self.people.remove(key.digest()) {
            self.reading.skips.push(reason(detail.clone(), earlier.dn.into()));
        }
        self.reading.skips.push(reason(detail, entry.shown_dn()));
        self.twice.insert(key.digest());
        if let Some(position) = position {
            self.reading.unchanged.remove(position);
            self.reading.waiting.insert(position);
        }
    }

    /// Lets the user wait whose stored DN this entry bears (E5), and says who that is.
    fn shield(&mut self, entry: &RawEntry<'_>) -> Vec<usize> {
        let index = self.index;
        let by_dn = self.by_dn.get_or_insert_with(|| {
            let living = index.iter().enumerate().filter(|(_, known)| !known.state.tombstone());
            let mut by_dn: Vec<_> = living.map(|(position, known)| (known.dn, position)).collect();
            by_dn.sort_unstable();
            by_dn
        });
        let dn = Dn::digest_of(&entry.shown_dn());
        // Two may bear it in the store: one has moved away, the other took the place.
        let from = by_dn.partition_point(|(other, _)| *other < dn);
        let bearers = by_dn.iter().skip(from).take_while(|(other, _)| *other == dn).map(|(_, position)| *position);
        let bearers: Vec<usize> = bearers.collect();
        bearers.iter().for_each(|position| self.reading.waiting.insert(*position));
        bearers
    }

    fn unidentified(&mut self, entry: &RawEntry<'_>, attribute: &str) {
        self.incomplete.get_or_insert_with(|| Incomplete {
            cause: "no-unique-id",
            says: format!(
                "the entry `{}` shows no `{attribute}`, which the server gives to every entry, so that nobody can say \
                 whose it is; grant the bind account the right to read `{attribute}`",
                printable(&entry.shown_dn())
            ),
            attribute: Some(attribute.to_owned()),
        });
    }

    fn cover_unidentified(&mut self, users: &UserMapping, entry: &RawEntry<'_>) {
        users.fingerprint(entry, self.searches.salt(), &mut self.present);
        self.cover();
    }

    fn cover(&mut self) {
        self.covered += 1;
        for (count, present) in self.coverage.iter_mut().zip(&self.present) {
            *count += u64::from(*present);
        }
    }

    fn group(&mut self, groups: &GroupMapping, entry: &RawEntry<'_>) {
        self.reading.entries += 1;
        let dn = || Dn::digest_of(&entry.shown_dn());
        let key = match key(entry, &groups.unique_id) {
            Key::One(key) => key,
            Key::None => {
                let detail = format!("there is no readable `{}`", groups.unique_id.as_str());
                self.reading.skips.push(skip(entry, None, "no-unique-id", detail));
                self.reading.waiting_groups.insert(dn());
                if groups.server_given() {
                    self.unidentified(entry, groups.unique_id.as_str());
                }
                return;
            }
            Key::Many(keys) => {
                let detail = format!("`{}` has {} values where one is needed", groups.unique_id.as_str(), keys.len());
                self.reading.skips.push(skip(entry, None, "unreadable", detail));
                self.reading.waiting_groups.extend(keys.iter().map(UniqueId::digest).chain([dn()]));
                return;
            }
        };
        let digest = key.digest();
        match groups.group(entry, key) {
            Ok(group) => {
                self.reading.skips.extend(groups.without_sid(entry, &group.key));
                self.reading.waiting_groups.remove(&digest);
                self.reading.waiting_groups.remove(&dn());
                self.group_entries.put(digest, group);
            }
            Err(skip) => {
                self.reading.skips.push(skip);
                self.group_entries.remove(digest);
                self.reading.waiting_groups.extend([digest, dn()]);
            }
        }
    }

    fn reference(&mut self, base: &str, urls: &[String]) {
        if is_outside(urls, &self.searches.outside, &self.naming_contexts, base) {
            tracing::debug!(event = "source.reference_outside", urls = ?urls);
            return;
        }
        let first = urls.first().map(String::as_str).unwrap_or_default();
        self.incomplete.get_or_insert_with(|| Incomplete {
            cause: "reference",
            says: format!(
                "the server refers a part of `{base}` to `{}`, which is not read; if that part is not ours, list it in \
                 source.outside",
                printable(first)
            ),
            attribute: None,
        });
    }
}

/// Takes the entries of a users pass.
pub struct UserSink<'c, 'a> {
    collector: &'c mut Collector<'a>,
    base: String,
}

/// Takes entries of people of whom nothing but the primary group is asked for.
pub struct PrimarySink<'c, 'a> {
    collector: &'c mut Collector<'a>,
    base: String,
}

/// Takes the entries of a groups pass.
pub struct GroupSink<'c, 'a> {
    collector: &'c mut Collector<'a>,
    base: String,
}

impl<'c, 'a> UserSink<'c, 'a> {
    pub fn new(collector: &'c mut Collector<'a>, base: &str) -> Self {
        Self { collector, base: base.to_owned() }
    }
}

impl<'c, 'a> PrimarySink<'c, 'a> {
    pub fn new(collector: &'c mut Collector<'a>, base: &str) -> Self {
        Self { collector, base: base.to_owned() }
    }
}

impl<'c, 'a> GroupSink<'c, 'a> {
    pub fn new(collector: &'c mut Collector<'a>, base: &str) -> Self {
        Self { collector, base: base.to_owned() }
    }
}

impl Sink for UserSink<'_, '_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        if let Some(users) = self.collector.users {
            self.collector.user(users, entry);
        }
    }

    fn reference(&mut self, urls: Vec<String>) {
        self.collector.reference(&self.base, &urls);
    }

    fn batch(&mut self) -> ControlFlow<()> {
        self.collector.progress.entries("users", self.collector.user_entries);
        ControlFlow::Continue(())
    }
}

impl Sink for PrimarySink<'_, '_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        if let Some(users) = self.collector.users
            && let Key::One(key) = key(entry, &users.unique_id)
        {
            self.collector.primary(users, entry, key.digest());
        }
    }

    fn reference(&mut self, urls: Vec<String>) {
        self.collector.reference(&self.base, &urls);
    }
}

impl Sink for GroupSink<'_, '_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        if let Some(groups) = self.collector.groups {
            self.collector.group(groups, entry);
        }
    }

    fn reference(&mut self, urls: Vec<String>) {
        self.collector.reference(&self.base, &urls);
    }

    fn batch(&mut self) -> ControlFlow<()> {
        self.collector.progress.entries("groups", self.collector.reading.entries);
        ControlFlow::Continue(())
    }
}
