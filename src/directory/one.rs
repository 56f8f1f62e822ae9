//! Reading one person, and the groups that concern this person, without reading anybody else (S4).
//!
//! Lists of members are not asked for: that a search for groups with this member finds a group says the same.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::{Collector, UserSink};
use super::connect::Connection;
use super::entry::{AttributeName, RawEntry};
use super::error::DirectoryError;
use super::garbled;
use super::mapped;
use super::mapping::{GroupMapping, is_sid};
use super::paging::{self, Search, Sink};
use super::place::{Place, Watching};
use super::ranges;
use super::read::{Progress, must_see, readable_bases};
use super::reference::is_outside;
use super::schema;
use super::searches::{Pass, Searches};
use super::session::Done;
use super::settings::Scope;
use super::understand::{Key, is_short, key, key_assertion, names_by_username};
use crate::clock::Timestamp;
use crate::roster::address::fold;
use crate::roster::filter::escape;
use crate::roster::{
    Before, Digest, Dn, Giver, Group, Incomplete, Index, Known, MemberRef, Passes, Reading, Skip, Snapshot, UniqueId,
};

/// Ids in one filter.
const BATCH: usize = 100;

/// What is looked for around one person.
#[derive(Clone, Default, Debug)]
pub struct Circle {
    /// Groups that the person is in by the store: they are looked at, whether they still name the person or not.
    pub groups: Vec<UniqueId>,
    /// The name of the group for those who are in no other (G5).
    pub default_group: Option<String>,
    /// The unique id that holds under each mapped place, in order (R4).
    pub mapped: Vec<Option<UniqueId>>,
    /// Groups in groups count (G4).
    pub flatten: bool,
}

/// What was read of one person.
pub struct OnePerson {
    reading: Reading,
    trouble: Option<Incomplete>,
    place: Option<Place>,
}

impl OnePerson {
    /// Reads the person with this unique id, within bases and filter. `index` holds nobody else.
    ///
    /// # Errors
    /// While nothing was read; later trouble makes the snapshot partial.
    pub async fn read(
        connection: &mut Connection,
        searches: &Searches,
        (index, key): (&Index, &UniqueId),
        now: Timestamp,
        progress: &dyn Progress,
    ) -> Result<Self, DirectoryError> {
        schema::check(connection, searches).await?;
        let mut trouble = None;
        let passes = Passes { users: true, groups: false };
        let (Some(mapping), Some(pass)) = (searches.mapping().users.as_ref(), searches.users.as_ref()) else {
            return Ok(Self { reading: Reading::default(), trouble, place: None });
        };
        let filter = format!("(&{}{})", pass.filter, id_term(&mapping.unique_id, key));
        let bases = readable_bases(connection, &[pass], &mut trouble).await?;
        must_see(connection, searches, &mut trouble).await?;
        let mut collector = Collector::new(searches, index, now, progress, &connection.about.naming_contexts);
        let mut place = None;
        for (pass, base) in bases {
            let search = Search { filter: filter.clone(), ..searches.search(pass, &base) };
            let inner = UserSink::new(&mut collector, &base);
            let mut sink = Watching { inner, mapping, place: &mut place };
            let (wire, id) = (&mut connection.wire, &mapping.unique_id);
            let ended = ranges::all(wire, &search, id, "reading one person", &mut sink).await;
            let Err(error) = ended else { continue };
            if collector.is_empty() {
                return Err(error);
            }
            trouble.get_or_insert_with(|| error.incomplete());
        }
        let trouble = trouble.or_else(|| collector.incomplete.take());
        Ok(Self { reading: collector.finish(passes), trouble, place })
    }

    /// The entry that was read, unless it is as it was when it was applied.
    pub fn person(&self) -> Option<&crate::roster::Person> {
        self.reading.people.first().map(|person| &**person)
    }

    /// Where the entry stands, if there is one within bases and filter.
    pub fn dn(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.dn.as_str())
    }

    /// Looks at the DN where somebody stood who was not found by unique id: an entry without one shields its user (E5).
    ///
    /// # Errors
    /// When the connection is of no use any more.
    pub async fn shield(
        &mut self,
        connection: &mut Connection,
        searches: &Searches,
        (index, key, dn): (&Index, &UniqueId, &str),
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let has_access = index.iter().any(Known::is_of_directory_with_access);
        let found = garbled::at(connection, searches, (dn, has_access.then_some(now))).await?;
        let Some(skip) = found.map(|skip| Skip { unique_id: Some(key.to_string()), ..skip }) else { return Ok(()) };
        self.place = Some(Place { dn: skip.dn.clone(), username: None, member_of: Vec::new(), primary: None });
        self.reading.skips.push(skip);
        (0..index.len()).for_each(|position| self.reading.waiting.insert(position));
        Ok(())
    }

    /// Why the entry cannot be understood, with where it stands.
    pub fn garbled(&self) -> Option<String> {
        let skip = self.reading.skips.first().filter(|_| self.reading.people.is_empty())?;
        Some(format!("`{}` cannot be understood: {}", skip.dn, skip.detail))
    }

    /// Reads the groups that name the person, or that the person names; nothing for somebody who was not read.
    ///
    /// # Errors
    /// When the connection is of no use any more.
    pub async fn read_groups(
        &mut self,
        connection: &mut Connection,
        searches: &Searches,
        (circle, teams): (&Circle, bool),
    ) -> Result<(), DirectoryError> {
        if !self.reading.waiting.is_empty() {
            return Ok(());
        }
        let Some(place) = self.place.take() else { return Ok(()) };
        let mapped = searches.mapped.as_ref();
        let wanted = teams || mapped.is_some_and(|mapped| mapped.flatten);
        let pass = searches.groups.as_ref().filter(|_| wanted);
        let mut within = vec![place.dn.clone()];
        if let Some((pass, mapping)) = pass.zip(searches.mapping().groups.as_ref()) {
            let bases = readable_bases(connection, &[pass], &mut self.trouble).await?;
            let bases = bases.into_iter().map(|(_, base)| base).collect();
            let mut walk = Walk { connection, searches, pass, mapping, bases, place: &place, groups: BTreeMap::new() };
            let ended = walk.all(circle, &mut self.reading).await;
            let groups = std::mem::take(&mut walk.groups);
            self.note(ended)?;
            within.extend(groups.values().filter(|held| held.named).map(|held| held.group.dn.to_string()));
            self.reading.groups = groups.into_values().map(|held| held.group).collect();
        }
        self.reading.passes.groups = teams && pass.is_some();
        if let Some(mapped) = mapped {
            let light = mapped.without_lists();
            let trouble = &mut self.trouble;
            let mut sought = mapped::read(connection, searches, Some(&light), &circle.mapped, trouble).await?;
            if !circle.flatten {
                within.truncate(1);
            }
            for (at, sought) in sought.iter_mut().enumerate() {
                for giver in sought.there.iter_mut().chain(&mut sought.elsewhere) {
                    let ended = name_member(connection, giver, mapped.members(at), (&place, &within)).await;
                    sought.read &= ended.is_ok();
                    self.note(ended)?;
                }
            }
            self.reading.mapped = sought;
        }
        self.place = Some(place);
        Ok(())
    }

    /// Whether groups were looked for, and none was found.
    pub fn has_no_group(&self) -> bool {
        self.reading.passes.groups && self.reading.groups.is_empty()
    }

    /// What was read, as far as it proves anything about this person.
    pub fn into_snapshot(self) -> Snapshot {
        let Self { reading, trouble, .. } = self;
        Snapshot::judge(reading, trouble.map_or(Ok(()), Err), &Before::default())
    }

    fn note(&mut self, ended: Result<(), DirectoryError>) -> Result<(), DirectoryError> {
        match ended {
            Ok(()) => Ok(()),
            Err(error) if error.leaves_connection() => {
                self.trouble.get_or_insert_with(|| error.incomplete());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn id_term(attribute: &AttributeName, key: &UniqueId) -> String {
    format!("({}={})", attribute.base(), escape(&key_assertion(key, attribute)))
}

/// A group around the person.
struct Around {
    group: Group,
    /// Whether the person is in it, directly or through others.
    named: bool,
}

/// Looks for groups, upwards from the person.
struct Walk<'w> {
    connection: &'w mut Connection,
    searches: &'w Searches,
    pass: &'w Pass,
    mapping: &'w GroupMapping,
    bases: Vec<String>,
    place: &'w Place,
    groups: BTreeMap<UniqueId, Around>,
}

impl Walk<'_> {
    async fn all(&mut self, circle: &Circle, reading: &mut Reading) -> Result<(), DirectoryError> {
        let mut terms: Vec<String> = circle.groups.iter().map(|key| id_term(&self.mapping.unique_id, key)).collect();
        let name = circle.default_group.as_ref();
        terms.extend(name.map(|name| format!("({}={})", self.mapping.name.base(), escape(name.as_bytes()))));
        let me = self.place.username.as_ref().map(|name| MemberRef::Username(Digest::of(fold(name))));
        for batch in terms.chunks(BATCH) {
            for mut group in self.search(&format!("(|{})", batch.concat()), None, reading).await? {
                let named = me.is_some_and(|me| group.members.contains(&me));
                only_primary(&mut group);
                self.put(group, named.then(|| self.place.dn.clone()).as_deref());
            }
        }
        let mut frontier = Vec::new();
        for dn in &self.place.member_of {
            if Dn::parse(dn).is_some_and(|dn| self.pass.covers(&dn)) {
                for mut group in self.search("", Some(dn), reading).await? {
                    // The entry of the person says it.
                    only_primary(&mut group);
                    frontier.push(group.dn.to_string());
                    self.groups.entry(group.key.clone()).or_insert(Around { group, named: true }).named = true;
                }
            }
        }
        let place = self.place;
        frontier.extend(self.parents(&place.dn, place.username.as_deref(), reading).await?);
        frontier.extend(self.primary(reading).await?);
        let already = self.groups.values().filter(|around| around.named).map(|around| around.group.dn.to_string());
        frontier.extend(already);
        let mut seen = BTreeSet::new();
        while let Some(dn) = frontier.pop().filter(|_| circle.flatten) {
            if seen.insert(Dn::digest_of(&dn)) {
                frontier.extend(self.parents(&dn, None, reading).await?);
            }
        }
        Ok(())
    }

    /// The groups that name a DN, or a username, as a member; their DNs.
    async fn parents(
        &mut self,
        dn: &str,
        username: Option<&str>,
        reading: &mut Reading,
    ) -> Result<Vec<String>, DirectoryError> {
        let Some(filter) = naming(&self.mapping.members, &[dn], username) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for mut group in self.search(&filter, None, reading).await? {
            only_primary(&mut group);
            found.push(group.dn.to_string());
            self.put(group, Some(dn));
        }
        Ok(found)
    }

    /// The primary group; its DN.
    async fn primary(&mut self, reading: &mut Reading) -> Result<Vec<String>, DirectoryError> {
        let attribute = self.mapping.members.iter().find(|name| is_sid(name));
        let Some((name, sid)) = attribute.zip(self.place.primary.as_ref()) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for mut group in self.search(&format!("({}={})", name.base(), escape(sid)), None, reading).await? {
            only_primary(&mut group);
            found.push(group.dn.to_string());
            let around = self.groups.entry(group.key.clone()).or_insert(Around { group, named: true });
            around.named = true;
        }
        Ok(found)
    }

    fn put(&mut self, group: Group, member: Option<&str>) {
        let around = self.groups.entry(group.key.clone()).or_insert(Around { group, named: false });
        let Some(member) = member else { return };
        let mut members: Vec<MemberRef> = around.group.members.to_vec();
        members.push(MemberRef::Dn(Dn::digest_of(member)));
        members.sort_unstable();
        members.dedup();
        (around.group.members, around.named) = (members.into(), true);
    }

    /// Groups within bases and filter, or at a DN; of members only those named by username.
    async fn search(
        &mut self,
        filter: &str,
        at: Option<&str>,
        reading: &mut Reading,
    ) -> Result<Vec<Group>, DirectoryError> {
        let mapping = self.mapping;
        let light = GroupMapping {
            members: mapping.members.iter().filter(|name| is_short(name)).cloned().collect(),
            ..mapping.clone()
        };
        let attributes = light.asked().iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
        let mut found = Groups { mapping: &light, reading, found: Vec::new(), referred: Vec::new() };
        let bases = at.map_or_else(|| self.bases.clone(), |dn| vec![dn.to_owned()]);
        for base in bases {
            let mut search = self.searches.search(self.pass, &base);
            search.attributes.clone_from(&attributes);
            let wire = &mut self.connection.wire;
            if at.is_some() {
                (search.scope, search.page_size) = (Scope::Base, 0);
                // A group that is not there any more is none.
                ranges::one(wire, &search, &mapping.unique_id, "reading a group", &mut found).await?;
                continue;
            }
            search.filter = format!("(&{}{filter})", self.pass.filter);
            let doing = "looking for the groups of one person";
            ranges::all(wire, &search, &mapping.unique_id, doing, &mut found).await?;
            let outside = |urls: &Vec<String>| {
                is_outside(urls, &self.searches.outside, &self.connection.about.naming_contexts, &base)
            };
            if !found.referred.iter().all(outside) {
                let doing = "looking for the groups of one person: the server refers a part to another one";
                return Err(Done { code: 10, ..Done::default() }.failure(&self.connection.wire, doing));
            }
        }
        Ok(found.found)
    }
}

struct Groups<'a> {
    mapping: &'a GroupMapping,
    reading: &'a mut Reading,
    found: Vec<Group>,
    referred: Vec<Vec<String>>,
}

impl Sink for Groups<'_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        let dn = Dn::digest_of(&entry.shown_dn());
        let Key::One(key) = key(entry, &self.mapping.unique_id) else {
            self.reading.waiting_groups.insert(dn);
            return;
        };
        let digest = key.digest();
        self.reading.entries += 1;
        match self.mapping.group(entry, key) {
            Ok(group) => self.found.push(group),
            Err(skip) => {
                self.reading.skips.push(skip);
                self.reading.waiting_groups.extend([digest, dn]);
            }
        }
    }

    fn reference(&mut self, urls: Vec<String>) {
        self.referred.push(urls);
    }
}

/// Leaves a group with nobody but those whose primary group it is; who they are, their entries say.
fn only_primary(group: &mut Group) {
    group.members = group.members.iter().copied().filter(MemberRef::is_primary).collect();
}

/// A filter for groups that name one of these DNs, or the username; `None` when there is no such attribute.
fn naming(attributes: &[AttributeName], dns: &[&str], username: Option<&str>) -> Option<String> {
    let mut terms = String::new();
    for name in attributes {
        if names_by_username(name) {
            // The server may compare case by case, we do not.
            let mut names: Vec<String> = username.into_iter().flat_map(|name| [name.to_owned(), fold(name)]).collect();
            names.dedup();
            for value in names {
                terms.push_str(&format!("({}={})", name.base(), escape(value.as_bytes())));
            }
        } else if !is_sid(name) {
            for dn in dns {
                terms.push_str(&format!("({}={})", name.base(), escape(dn.as_bytes())));
            }
        }
    }
    (!terms.is_empty()).then(|| format!("(|{terms})"))
}

/// Leaves a mapped group with the person as its only member, or with none; `within` are the DNs of the person and of
/// the groups around.
async fn name_member(
    connection: &mut Connection,
    giver: &mut Giver,
    attributes: &[AttributeName],
    (place, within): (&Place, &[String]),
) -> Result<(), DirectoryError> {
    let name = place.username.as_ref().map(|name| MemberRef::Username(Digest::of(fold(name))));
    let primary = place.primary.as_ref().map(|sid| MemberRef::Primary(Digest::of(sid)));
    let mut named = name.into_iter().chain(primary).any(|me| giver.members.contains(&me));
    for dns in within.chunks(BATCH) {
        let dns: Vec<&str> = dns.iter().map(String::as_str).collect();
        let Some(filter) = naming(attributes, &dns, place.username.as_deref()).filter(|_| !named) else { break };
        let search = Search::once(&giver.dn, Scope::Base, &filter, &["1.1"]);
        let doing = format!("looking for one person in `{}`", giver.dn);
        let done = paging::one(&mut connection.wire, &search, &doing, |_| named = true).await?;
        if done.code != 0 {
            return Err(done.failure(&connection.wire, doing));
        }
    }
    giver.members = if named { Box::from([MemberRef::Dn(Dn::digest_of(&place.dn))]) } else { Box::default() };
    Ok(())
}
