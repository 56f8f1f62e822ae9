//! Reads the groups that give roles and grants: by DN, by the unique id known under it, or by filter (R1, R2, R4).

use super::connect::Connection;
use super::disabled::generalized_time;
use super::entry::{AttributeName, RawEntry};
use super::error::DirectoryError;
use super::mapping::{self, GroupMapping, MappingError};
use super::paging::{Search, Sink};
use super::ranges;
use super::read::{ROOT, check_base};
use super::reference::is_outside;
use super::searches::Searches;
use super::settings::{MappedPlace, MappedSettings, Scope};
use super::understand::{Key, is_short, key, key_assertion, members};
use crate::roster::filter::escape;
use crate::roster::{Giver, Incomplete, Sought, UniqueId};

/// Where mapped groups are looked for, resolved for one kind of server.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    /// Members of groups in them count, too.
    pub flatten: bool,
    unique_id: AttributeName,
    created: Option<AttributeName>,
    places: Vec<PlaceSearch>,
}

#[derive(Clone, Debug)]
struct PlaceSearch {
    base: String,
    filter: Option<(String, Scope)>,
    members: Vec<AttributeName>,
}

impl Mapped {
    pub fn new(groups: &GroupMapping, settings: &MappedSettings) -> Result<Self, MappingError> {
        let place = |place: &MappedPlace| {
            let members = match &place.members {
                Some(names) => {
                    let names = names.iter().map(|name| mapping::attribute("role.members", name));
                    names.collect::<Result<_, _>>()?
                }
                None => groups.members.clone(),
            };
            let filter = place
                .filter
                .as_ref()
                .map(|(text, scope)| mapping::filter("role.filter", text).map(|filter| (filter.to_string(), *scope)));
            Ok(PlaceSearch { base: place.base.clone(), filter: filter.transpose()?, members })
        };
        Ok(Self {
            flatten: settings.flatten,
            unique_id: groups.unique_id.clone(),
            created: AttributeName::parse("createTimestamp"),
            places: settings.places.iter().map(place).collect::<Result<_, MappingError>>()?,
        })
    }

    /// The DNs and filters, in order.
    pub fn shown(&self) -> Vec<String> {
        let shown = |place: &PlaceSearch| {
            place.filter.as_ref().map_or_else(|| place.base.clone(), |(filter, _)| filter.clone())
        };
        self.places.iter().map(shown).collect()
    }

    /// The same without lists of members, but for the short ones.
    pub fn without_lists(&self) -> Self {
        let mut light = self.clone();
        light.places.iter_mut().for_each(|place| place.members.retain(is_short));
        light
    }

    /// The attributes that list the members of a group at one place.
    pub fn members(&self, at: usize) -> &[AttributeName] {
        self.places.get(at).map(|place| place.members.as_slice()).unwrap_or_default()
    }

    fn attributes(&self, place: &PlaceSearch) -> Vec<String> {
        let all = [&self.unique_id].into_iter().chain(&self.created).chain(&place.members);
        all.map(|name| name.as_str().to_owned()).collect()
    }
}

/// Looks for every mapped group; `known` are the unique ids that hold under the places, in order. What cannot be read
/// makes the read incomplete.
///
/// # Errors
/// When the connection is of no use any more.
pub(super) async fn read(
    connection: &mut Connection,
    searches: &Searches,
    mapped: Option<&Mapped>,
    known: &[Option<UniqueId>],
    trouble: &mut Option<Incomplete>,
) -> Result<Vec<Sought>, DirectoryError> {
    let mut found = Vec::new();
    let Some(mapped) = mapped else { return Ok(found) };
    for (at, place) in mapped.places.iter().enumerate() {
        let known = known.get(at).and_then(Option::as_ref);
        let sought = match &place.filter {
            None => by_dn(connection, searches, mapped, place, known).await,
            Some((filter, scope)) => by_filter(connection, searches, mapped, place, (filter, *scope)).await,
        };
        found.push(match sought {
            Ok(sought) => sought,
            Err(error) if error.leaves_connection() => {
                trouble.get_or_insert_with(|| error.incomplete());
                Sought::default()
            }
            Err(error) => return Err(error),
        });
    }
    Ok(found)
}

async fn by_dn(
    connection: &mut Connection,
    searches: &Searches,
    mapped: &Mapped,
    place: &PlaceSearch,
    known: Option<&UniqueId>,
) -> Result<Sought, DirectoryError> {
    let doing = format!("reading the mapped group `{}`", place.base);
    let names = mapped.attributes(place);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let search = Search::once(&place.base, Scope::Base, "(objectClass=*)", &names);
    let mut givers = Givers::new(mapped, place, searches, connection);
    let wire = &mut connection.wire;
    let done = ranges::one(wire, &search, &mapped.unique_id, &doing, &mut givers).await?;
    if !matches!(done.code, 0 | 32) {
        return Err(done.failure(&*wire, doing));
    }
    let mut sought = givers.into_sought();
    let Some(known) = known.filter(|known| sought.there.iter().all(|giver| giver.key != **known)) else {
        return Ok(sought);
    };
    // The group that holds may have been renamed or moved (G2).
    check_base(&mut connection.wire, ROOT, &searches.base_dn).await?;
    let id = escape(&key_assertion(known, &mapped.unique_id));
    let filter = format!("({}={id})", mapped.unique_id.base());
    let elsewhere =
        search_for(connection, searches, mapped, place, (&searches.base_dn, &filter, Scope::Subtree)).await?;
    sought.read &= elsewhere.read;
    sought.elsewhere = elsewhere.there.into_iter().next();
    Ok(sought)
}

async fn by_filter(
    connection: &mut Connection,
    searches: &Searches,
    mapped: &Mapped,
    place: &PlaceSearch,
    (filter, scope): (&str, Scope),
) -> Result<Sought, DirectoryError> {
    check_base(&mut connection.wire, "role.base_dn", &place.base).await?;
    search_for(connection, searches, mapped, place, (&place.base, filter, scope)).await
}

async fn search_for(
    connection: &mut Connection,
    searches: &Searches,
    mapped: &Mapped,
    place: &PlaceSearch,
    (base, filter, scope): (&str, &str, Scope),
) -> Result<Sought, DirectoryError> {
    let search = Search {
        base: base.to_owned(),
        scope,
        filter: filter.to_owned(),
        attributes: mapped.attributes(place),
        page_size: searches.page_size,
        page_rate: searches.page_rate,
        without: Vec::new(),
    };
    let doing = format!("looking for a mapped group by `{filter}`");
    let mut givers = Givers::new(mapped, place, searches, connection);
    base.clone_into(&mut givers.base);
    ranges::all(&mut connection.wire, &search, &mapped.unique_id, &doing, &mut givers).await?;
    Ok(givers.into_sought())
}

/// Takes mapped groups.
struct Givers<'a> {
    mapped: &'a Mapped,
    place: &'a PlaceSearch,
    outside: &'a [String],
    naming_contexts: Vec<String>,
    base: String,
    found: Vec<Giver>,
    read: bool,
}

impl<'a> Givers<'a> {
    fn new(mapped: &'a Mapped, place: &'a PlaceSearch, searches: &'a Searches, connection: &Connection) -> Self {
        Self {
            mapped,
            place,
            outside: &searches.outside,
            naming_contexts: connection.about.naming_contexts.clone(),
            base: place.base.clone(),
            found: Vec::new(),
            read: true,
        }
    }

    fn into_sought(mut self) -> Sought {
        self.found.sort_by(|a, b| a.key.cmp(&b.key));
        self.found.dedup_by(|a, b| a.key == b.key);
        Sought { read: self.read, there: self.found, elsewhere: None }
    }
}

impl Sink for Givers<'_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        let Key::One(key) = key(entry, &self.mapped.unique_id) else {
            self.read = false;
            return;
        };
        let created = self.mapped.created.as_ref().and_then(|name| entry.values(name).find_map(generalized_time));
        let (members, whole) = members(entry, &self.place.members);
        self.found.push(Giver { key, dn: entry.shown_dn().into(), created, members, whole });
    }

    fn reference(&mut self, urls: Vec<String>) {
        self.read &= is_outside(&urls, self.outside, &self.naming_contexts, &self.base);
    }
}
