//! Entries without one readable unique id, where one person is looked for (E5).

use super::connect::Connection;
use super::entry::RawEntry;
use super::error::DirectoryError;
use super::mapping::UserMapping;
use super::paging::{self, Search};
use super::searches::Searches;
use super::settings::Scope;
use super::understand::{Key, key, skip};
use crate::roster::{Dn, Skip};

impl UserMapping {
    /// Why an entry has no unique id to be known by, as a row of `roster_skipped`; `None` when it has one.
    pub(super) fn unidentified(&self, entry: &RawEntry<'_>) -> Option<Skip> {
        let name = self.unique_id.as_str();
        let (reason, detail) = match key(entry, &self.unique_id) {
            Key::One(_) => return None,
            Key::None => ("no-unique-id", format!("there is no readable `{name}`")),
            Key::Many(keys) => ("unreadable", format!("`{name}` has {} values where one is needed", keys.len())),
        };
        Some(skip(entry, None, reason, detail + &self.asks_for(entry)))
    }
}

/// The entry at a DN, if it stands within bases and filter and has no readable unique id: it shields the user whose DN it
/// bears.
///
/// # Errors
/// When the search does not come to its end.
pub(super) async fn at(
    connection: &mut Connection,
    searches: &Searches,
    dn: &str,
) -> Result<Option<Skip>, DirectoryError> {
    let (Some(mapping), Some(pass)) = (searches.mapping().users.as_ref(), searches.users.as_ref()) else {
        return Ok(None);
    };
    if !Dn::parse(dn).is_some_and(|dn| dn.depth() > 0 && pass.covers(&dn)) {
        return Ok(None);
    }
    let attributes: Vec<&str> = pass.attributes.iter().map(String::as_str).collect();
    let search = Search::once(dn, Scope::Base, &pass.filter, &attributes);
    let mut found = None;
    paging::one(&mut connection.wire, &search, "looking at where one person stood", |entry| {
        found = mapping.unidentified(entry);
    })
    .await?;
    Ok(found)
}
