//! What a run has to know of other sources of the same directory (I8).

use crate::clock::Timestamp;
use crate::directory::Searches;
use crate::plan::crossing::leaves;
use crate::plan::{ConflictKind, Neighbour, Neighbours};
use crate::roster::{Dn, Index, Snapshot, UniqueId, UserId};
use crate::store::rows::SkipRow;
use crate::store::{Reads, SourceRecord, Store, StoreError};

/// Whom the configured source reads.
pub(super) fn reads(searches: &Searches, bases: &[String], gives_roles: bool) -> Option<Reads> {
    let unique_id = searches.mapping().users.as_ref()?.unique_id.as_str().to_ascii_lowercase();
    Some(Reads { bases: bases.to_vec(), unique_id, gives_roles })
}

/// The other sources whose entries are of the same directory, and known by the same unique id.
pub(super) fn of(ours: &SourceRecord, known: Vec<SourceRecord>) -> Vec<SourceRecord> {
    let id = |source: &SourceRecord| Some(source.reads.as_ref()?.unique_id.clone());
    let Some(unique_id) = id(ours) else { return Vec::new() };
    let same = |one: &SourceRecord| {
        one.name != ours.name && one.directory == ours.directory && id(one).as_deref() == Some(&unique_id)
    };
    known.into_iter().filter(same).collect()
}

/// Loads what a plan needs of them: of entries unknown here who has them there, of people missed here who sees them.
pub(super) async fn load(
    store: &dyn Store,
    source: &str,
    others: &[SourceRecord],
    (snapshot, index): (&Snapshot, &Index),
) -> Result<Neighbours, StoreError> {
    let mut neighbours = Neighbours::default();
    if others.is_empty() {
        return Ok(neighbours);
    }
    for one in others {
        let reads = one.reads.as_ref();
        neighbours.sources.push(Neighbour {
            name: one.name.clone(),
            bases: reads.iter().flat_map(|reads| &reads.bases).filter_map(|base| Dn::parse(base)).collect(),
            retired: one.retired.is_some(),
            gives_roles: reads.is_some_and(|reads| reads.gives_roles),
            last_complete: store.last_complete(&one.name).await?,
        });
    }
    let missing = snapshot.complete().is_some_and(|complete| complete.missing(index).next().is_some());
    if missing {
        neighbours.leaving = leaving(store, source).await?.into_iter().collect();
        for one in others {
            let overlaps = store.open_conflicts(&one.name).await?.into_iter().map(|open| open.conflict);
            let overlaps = overlaps.filter(|conflict| conflict.kind == ConflictKind::Overlap);
            let keys = overlaps.filter_map(|conflict| UniqueId::new(&conflict.subject));
            neighbours.seen.extend(keys.map(|key| (one.name.clone(), key)));
        }
    }
    let unknown = snapshot.reading().people.iter().filter(|person| index.find(person.key.digest()).is_none());
    let unknown: Vec<UniqueId> = unknown.map(|person| person.key.clone()).collect();
    let names: Vec<String> = others.iter().map(|one| one.name.clone()).collect();
    neighbours.users = store.bearing(&names, &unknown).await?;
    if !neighbours.users.is_empty() {
        for name in names {
            let left = leaving(store, &name).await?;
            neighbours.left.extend(left.into_iter().map(|(key, _)| (name.clone(), key)));
        }
        let users: Vec<UserId> = neighbours.users.iter().map(|(_, user)| *user).collect();
        neighbours.holdings = store.holdings(&users).await?;
    }
    Ok(neighbours)
}

/// Whom a source leaves to others, and since when.
async fn leaving(store: &dyn Store, source: &str) -> Result<Vec<(UniqueId, Timestamp)>, StoreError> {
    let rows = store.skip_rows(Some(source)).await?;
    let leaving = rows.iter().filter(|row| leaves(&row.rule, &row.reason));
    let one = |row: &SkipRow| Some((UniqueId::new(row.unique_id.as_deref()?)?, Timestamp::parse(&row.seen_at)?));
    Ok(leaving.filter_map(one).collect())
}
