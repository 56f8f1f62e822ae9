//! What is known of the directory, and whether it is still the same one (I9).

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::directory::connect::Connection;
use crate::directory::look_up::none_is_there;
use crate::directory::searches::Searches;
use crate::directory::standing::Standing;
use crate::roster::{Index, UniqueId};

/// What the store has of this source already.
#[derive(Clone, Default, Debug)]
pub struct Stored {
    /// Directory users with access.
    pub users: u64,
    /// Active directory groups.
    pub groups: u64,
    /// Its people.
    pub people: Index,
    /// How many people had each attribute at the last complete run; empty before the first (E2).
    pub coverage: BTreeMap<String, u64>,
    /// Which directory its name stands for, and some of its people (I9).
    pub directory: Option<(String, Vec<UniqueId>)>,
    /// The unique id of the base object at the last complete run.
    pub base: Option<String>,
}

/// Another object stands at `source.base_dn` than at the last complete run, and nobody of then is found by unique id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stranger {
    /// The configured unique id, which tells nothing, because another directory may repeat it (I2): nobody was looked for.
    pub configured: Option<String>,
}

/// Looks for the people of before where the base object is another one.
pub(super) async fn stranger(
    connection: &mut Connection,
    searches: &Searches,
    (stored, standing): (&Stored, &Standing),
    now: Timestamp,
) -> Option<Stranger> {
    let (before, base) = stored.base.as_ref().zip(standing.base.as_ref())?;
    let (_, people) = stored.directory.as_ref().filter(|(_, people)| before != base && !people.is_empty())?;
    let configured = searches.mapping().users.as_ref().filter(|users| !users.server_given());
    let configured = configured.map(|users| users.unique_id.as_str().to_owned());
    let another = configured.is_some() || none_is_there(connection, searches, people, now).await;
    another.then_some(Stranger { configured })
}
