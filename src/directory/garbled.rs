//! Entries without one readable unique id, where one person is looked for (E5).

use super::connect::Connection;
use super::disabled;
use super::entry::RawEntry;
use super::error::DirectoryError;
use super::mapping::UserMapping;
use super::paging::{self, Search};
use super::searches::Searches;
use super::settings::Scope;
use super::understand::{Key, key, skip};
use crate::clock::Timestamp;
use crate::roster::skipped::DISABLED_UNREADABLE;
use crate::roster::{Dn, Enabled, Skip};

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

    /// The row of somebody who has access, and whose entry cannot be understood: if the entry is disabled, it says so. The
    /// user stays as it is all the same (E5), so somebody has to know.
    pub(super) fn of_somebody_in(&self, entry: &RawEntry<'_>, skip: Skip, now: Timestamp) -> Skip {
        let (Enabled::No(test), _) = disabled::judge(&self.disabled, entry, now) else { return skip };
        let detail = format!(
            "the entry is disabled ({test}), but cannot be understood: {}; the state stays as it is: correct the entry, or take \
             access away with `rosterd users delete`",
            skip.detail
        );
        Skip { reason: DISABLED_UNREADABLE.into(), detail, ..skip }
    }
}

/// The entry at a DN, if it stands within bases and filter and has no readable unique id: it shields the user whose DN it
/// bears. `now` where that user has access.
///
/// # Errors
/// When the search does not come to its end.
pub(super) async fn at(
    connection: &mut Connection,
    searches: &Searches,
    (dn, now): (&str, Option<Timestamp>),
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
        found = mapping.unidentified(entry).map(|skip| match now {
            Some(now) => mapping.of_somebody_in(entry, skip, now),
            None => skip,
        });
    })
    .await?;
    Ok(found)
}
