//! Looking vanished people up by unique id, outside bases and filter, so that the reason of a departure is a cause
//! and not a guess (L2).

use std::collections::{BTreeMap, BTreeSet};

use super::connect::Connection;
use super::disabled;
use super::entry::RawEntry;
use super::error::DirectoryError;
use super::mapping::UserMapping;
use super::paging::{self, Search, Sink};
use super::read::{ROOT, check_base};
use super::reference::is_outside;
use super::searches::{Pass, Searches};
use super::settings::Scope;
use super::understand::{Key, key, key_assertion};
use crate::clock::Timestamp;
use crate::roster::filter::escape;
use crate::roster::{Dn, Enabled, LookUp, UniqueId};

/// Ids in one filter.
const BATCH: usize = 100;
/// The longest filter.
const MAX_FILTER: usize = 64 << 10;

/// Looks people up by unique id under `source.base_dn`, and under those of `users.base_dns` that do not lie there. Every
/// id gets an answer, in the order given; what cannot be judged says why.
pub async fn look_up(
    connection: &mut Connection,
    searches: &Searches,
    keys: &[UniqueId],
    now: Timestamp,
) -> Vec<(UniqueId, LookUp)> {
    let (Some(mapping), Some(pass)) = (searches.mapping().users.as_ref(), searches.users.as_ref()) else {
        return unjudged(keys, "users are switched off");
    };
    let mut judged = Vec::with_capacity(keys.len());
    let places = places(searches, pass);
    // Without the base objects, "not found" would prove nothing.
    let mut trouble = None;
    for (key, place) in places.iter().filter(|_| !keys.is_empty()) {
        trouble = match trouble {
            None => check_base(&mut connection.wire, key, place).await.err(),
            some => some,
        };
    }
    for batch in batches(keys, mapping) {
        if trouble.is_none() {
            match look_up_batch(connection, searches, (mapping, pass, &places), batch, now).await {
                Ok(found) => {
                    judged.extend(found);
                    continue;
                }
                // The connection is still good after a result code; the next batch may do better.
                Err(error @ DirectoryError::Search { .. }) => {
                    judged.extend(unjudged(batch, &error.to_string()));
                    continue;
                }
                Err(error) => trouble = Some(error),
            }
        }
        let says = trouble.as_ref().map(ToString::to_string).unwrap_or_default();
        judged.extend(unjudged(batch, &says));
    }
    judged
}

/// Whether most of these people are in this directory, whatever it is called: found by ids that only servers give (I9).
pub async fn are_there(connection: &mut Connection, searches: &Searches, keys: &[UniqueId], now: Timestamp) -> bool {
    if !searches.mapping().users.as_ref().is_some_and(UserMapping::server_given) {
        return false;
    }
    let found = look_up(connection, searches, keys, now).await;
    let there = found.iter().filter(|(_, found)| !matches!(found, LookUp::Gone | LookUp::Unjudged { .. })).count();
    there > keys.len() / 2
}

/// Whether none of these people is in this directory, and it answers that they are not (I9).
pub async fn none_is_there(
    connection: &mut Connection,
    searches: &Searches,
    keys: &[UniqueId],
    now: Timestamp,
) -> bool {
    let found = look_up(connection, searches, keys, now).await;
    let gone = found.iter().any(|(_, found)| *found == LookUp::Gone);
    gone && found.iter().all(|(_, found)| matches!(found, LookUp::Gone | LookUp::Unjudged { .. }))
}

/// Where people are looked for, and the key that says so.
fn places<'s>(searches: &'s Searches, pass: &'s Pass) -> Vec<(&'static str, &'s str)> {
    let root = Dn::parse(&searches.base_dn);
    let below = |base: &str| root.as_ref().zip(Dn::parse(base)).is_some_and(|(root, base)| base.is_under(root));
    let bases = pass.bases.iter().map(String::as_str).filter(|base| !below(base));
    std::iter::once((ROOT, &*searches.base_dn)).chain(bases.map(|base| ("users.base_dns", base))).collect()
}

fn unjudged(keys: &[UniqueId], says: &str) -> Vec<(UniqueId, LookUp)> {
    keys.iter().map(|key| (key.clone(), LookUp::Unjudged { says: says.to_owned() })).collect()
}

/// At most 100 ids and 64 kB of filter each.
fn batches<'k>(keys: &'k [UniqueId], mapping: &UserMapping) -> Vec<&'k [UniqueId]> {
    let mut batches = Vec::new();
    let (mut start, mut length) = (0, 0);
    for (at, key) in keys.iter().enumerate() {
        let more = term(key, mapping).len();
        if at - start == BATCH || (at > start && length + more > MAX_FILTER) {
            batches.extend(keys.get(start..at));
            (start, length) = (at, 0);
        }
        length += more;
    }
    batches.extend(keys.get(start..).filter(|rest| !rest.is_empty()));
    batches
}

fn term(key: &UniqueId, mapping: &UserMapping) -> String {
    format!("({}={})", mapping.unique_id.base(), escape(&key_assertion(key, &mapping.unique_id)))
}

/// One entry that was found.
struct Found {
    dn: Option<Dn>,
    shown: String,
    enabled: Enabled,
}

struct ById<'a> {
    mapping: &'a UserMapping,
    /// `source.outside`, the server's naming contexts, and the base: what a reference is judged by.
    searches: &'a Searches,
    naming_contexts: &'a [String],
    place: &'a str,
    now: Timestamp,
    found: BTreeMap<UniqueId, Vec<Found>>,
    referred: bool,
}

impl Sink for ById<'_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        if let Key::One(key) = key(entry, &self.mapping.unique_id) {
            let shown = entry.shown_dn();
            let (enabled, _) = disabled::judge(&self.mapping.disabled, entry, self.now);
            self.found.entry(key).or_default().push(Found { dn: Dn::parse(&shown), shown, enabled });
        }
    }

    fn reference(&mut self, urls: Vec<String>) {
        let searches = self.searches;
        self.referred |= !is_outside(&urls, &searches.outside, self.naming_contexts, self.place);
    }
}

async fn look_up_batch(
    connection: &mut Connection,
    searches: &Searches,
    (mapping, pass, places): (&UserMapping, &Pass, &[(&str, &str)]),
    keys: &[UniqueId],
    now: Timestamp,
) -> Result<Vec<(UniqueId, LookUp)>, DirectoryError> {
    let any_of = |keys: &mut dyn Iterator<Item = &UniqueId>| {
        format!("(|{})", keys.map(|key| term(key, mapping)).collect::<String>())
    };
    let by_id = |place: &str, filter: String| {
        let search = searches.search(pass, place);
        Search { scope: Scope::Subtree, filter, without: Vec::new(), ..search }
    };
    let doing = "looking vanished people up by unique id";
    let contexts = connection.about.naming_contexts.clone();
    let none = |place| ById {
        mapping,
        searches,
        naming_contexts: &contexts,
        place,
        now,
        found: BTreeMap::new(),
        referred: false,
    };
    let (mut all, mut matching) = (none(""), none(""));
    for (_, place) in places {
        (all.place, matching.place) = (place, place);
        paging::all(&mut connection.wire, &by_id(place, any_of(&mut keys.iter())), doing, &mut all).await?;
        if !all.found.is_empty() {
            let filter = format!("(&{}{})", pass.filter, any_of(&mut all.found.keys()));
            paging::all(&mut connection.wire, &by_id(place, filter), doing, &mut matching).await?;
        }
    }
    let matching: BTreeSet<UniqueId> = matching.found.into_keys().collect();
    let judge = |key: &UniqueId| match all.found.get(key).map(Vec::as_slice) {
        None | Some([]) if all.referred => {
            LookUp::Unjudged { says: "the server refers a part of source.base_dn to another one".to_owned() }
        }
        None | Some([]) => LookUp::Gone,
        Some([found]) => verdict(found, pass, matching.contains(key)),
        Some([first, second, ..]) => LookUp::Unjudged {
            says: format!("several entries bear this unique id: `{}` and `{}`", first.shown, second.shown),
        },
    };
    Ok(keys.iter().map(|key| (key.clone(), judge(key))).collect())
}

/// Of several reasons the first: disabled, moved out, filtered out.
fn verdict(found: &Found, pass: &Pass, matches: bool) -> LookUp {
    let dn = found.shown.clone();
    match (&found.dn, &found.enabled) {
        (_, Enabled::No(_)) => LookUp::Disabled { dn },
        (None, _) => LookUp::Unjudged { says: format!("its DN `{dn}` cannot be understood") },
        (Some(place), _) if !pass.covers(place) => LookUp::MovedOut { dn },
        (Some(_), _) if !matches => LookUp::FilteredOut { dn },
        (Some(_), _) => LookUp::InScope { dn },
    }
}
