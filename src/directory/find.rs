//! Which entries are the person somebody asks for (S4).

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::connect::Connection;
use super::entry::RawEntry;
use super::error::DirectoryError;
use super::mapping::UserMapping;
use super::paging::{self, Search, Sink};
use super::read::{ROOT, check_base};
use super::searches::{Pass, Searches};
use super::settings::Scope;
use super::understand::{Key, is_binary, key, key_assertion};
use crate::roster::filter::escape;
use crate::roster::{Address, Dn, FieldId, UniqueId};

/// An entry that may be the person asked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Found {
    /// Unique id.
    pub key: UniqueId,
    /// Where it stands.
    pub dn: String,
}

/// The entries that are WHO.
#[derive(Clone, Default, Debug)]
pub struct Finds {
    /// Those with a unique id, each once.
    pub found: Vec<Found>,
    /// Those without one that can be read: DN, and why.
    pub garbled: Vec<String>,
}

/// Looks for entries that are WHO by DN, unique id, username or mail, each once: within bases and filter, or
/// `anywhere` under `source.base_dn`.
///
/// # Errors
/// When a base object cannot be read, or a search does not come to its end: then nobody knows who else it is.
pub async fn find(
    connection: &mut Connection,
    searches: &Searches,
    (who, anywhere): (&str, bool),
) -> Result<Finds, DirectoryError> {
    let (Some(mapping), Some(pass)) = (searches.mapping().users.as_ref(), searches.users.as_ref()) else {
        return Ok(Finds::default());
    };
    let root = Pass {
        bases: vec![searches.base_dn.clone()],
        scope: Scope::Subtree,
        filter: "(objectClass=*)".to_owned(),
        aside: Vec::new(),
        ..pass.clone()
    };
    let (pass, key) = if anywhere { (&root, ROOT) } else { (pass, "users.base_dns") };
    let mut found = Entries { mapping, found: BTreeSet::new(), garbled: BTreeSet::new() };
    let terms = terms(who, mapping);
    for base in &pass.bases {
        check_base(&mut connection.wire, key, base).await?;
        if terms.is_empty() {
            continue;
        }
        let filter = format!("(&{}(|{terms}))", pass.filter);
        let attributes = vec![mapping.unique_id.as_str().to_owned()];
        let search = Search { filter, attributes, ..searches.search(pass, base) };
        paging::all(&mut connection.wire, &search, "looking for one person", &mut found).await?;
    }
    if Dn::parse(who).is_some_and(|dn| dn.depth() > 0 && pass.covers(&dn)) {
        let search = Search::once(who, Scope::Base, &pass.filter, &[mapping.unique_id.as_str()]);
        paging::one(&mut connection.wire, &search, "looking for one person by DN", |entry| found.entry(entry)).await?;
    }
    Ok(Finds { found: found.found.into_iter().collect(), garbled: found.garbled.into_iter().collect() })
}

/// Whether anybody at all is within bases and filter; the first page that shows somebody is the last one asked for.
///
/// # Errors
/// When a base object cannot be read, or a search ends before anybody was found.
pub async fn anybody(connection: &mut Connection, searches: &Searches) -> Result<bool, DirectoryError> {
    any(connection, searches, (searches.users.as_ref(), "users.base_dns", "looking for anybody")).await
}

/// The same of groups.
///
/// # Errors
/// As [`anybody`].
pub async fn any_group(connection: &mut Connection, searches: &Searches) -> Result<bool, DirectoryError> {
    any(connection, searches, (searches.groups.as_ref(), "groups.base_dns", "looking for any group")).await
}

/// Whether anybody within bases and filter shows an attribute; no more than one entry is asked for.
///
/// # Errors
/// As [`anybody`].
pub async fn anybody_shows(
    connection: &mut Connection,
    searches: &Searches,
    attribute: &str,
) -> Result<bool, DirectoryError> {
    let pass = searches
        .users
        .as_ref()
        .map(|pass| Pass { filter: format!("(&{}({attribute}=*))", pass.filter), ..pass.clone() });
    any(connection, searches, (pass.as_ref(), "users.base_dns", "looking for anybody who shows an attribute")).await
}

async fn any(
    connection: &mut Connection,
    searches: &Searches,
    (pass, key, doing): (Option<&Pass>, &'static str, &str),
) -> Result<bool, DirectoryError> {
    for (pass, base) in pass.iter().flat_map(|pass| pass.bases.iter().map(move |base| (pass, base))) {
        check_base(&mut connection.wire, key, base).await?;
        let (attributes, page_size) = (vec!["1.1".to_owned()], searches.page_size.min(1));
        let search = Search { attributes, page_size, ..searches.search(pass, base) };
        let mut first = First(false);
        paging::all(&mut connection.wire, &search, doing, &mut first).await?;
        if first.0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an entry came.
struct First(bool);

impl Sink for First {
    fn entry(&mut self, _: &RawEntry<'_>) {
        self.0 = true;
    }

    fn reference(&mut self, _: Vec<String>) {}

    fn batch(&mut self) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn may_break(&self) -> bool {
        true
    }
}

/// The filters of which one has to match.
fn terms(who: &str, mapping: &UserMapping) -> String {
    let value = escape(who.as_bytes());
    let mut terms = String::new();
    let binary = is_binary(&mapping.unique_id);
    if let Some(id) = UniqueId::new(who).filter(|_| !binary || uuid::Uuid::try_parse(who).is_ok()) {
        let id = escape(&key_assertion(&id, &mapping.unique_id));
        terms.push_str(&format!("({}={id})", mapping.unique_id.base()));
    }
    for (_, name) in mapping.fields.iter().filter(|(field, _)| *field == FieldId::USERNAME) {
        terms.push_str(&format!("({}={value})", name.base()));
    }
    if Address::parse(who).is_some() {
        for source in &mapping.addresses {
            let name = source.attribute.base();
            terms.push_str(&format!("({name}={value})"));
            if source.prefixed {
                terms.push_str(&format!("({name}=SMTP:{value})({name}=smtp:{value})"));
            }
        }
    }
    terms
}

struct Entries<'a> {
    mapping: &'a UserMapping,
    found: BTreeSet<Found>,
    garbled: BTreeSet<String>,
}

impl Sink for Entries<'_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        if let Key::One(key) = key(entry, &self.mapping.unique_id) {
            self.found.insert(Found { key, dn: entry.shown_dn() });
        } else if let Some(skip) = self.mapping.unidentified(entry) {
            self.garbled.insert(format!("`{}` cannot be understood: {}", skip.dn, skip.detail));
        }
    }

    fn reference(&mut self, _: Vec<String>) {}
}
