//! Whose entry is to be looked at when one person is asked for (S4).

use crate::directory::{self, Connection, Found, Searches};
use crate::roster::{Account, FieldId, Origin, UniqueId, UserId};
use crate::store::SourceRecord;
use crate::sync::one::Who;
use crate::sync::{Scene, SyncError};

/// How many candidates an error names.
const CANDIDATES: usize = 10;

/// The user, who has to belong to the configured source.
pub(super) async fn ours(scene: &Scene<'_>, user: UserId) -> Result<Account, SyncError> {
    let account = account(scene, user).await?;
    if account.source == scene.config.source.name {
        return Ok(account);
    }
    Err(of_another_source(&account, &scene.config.source.name))
}

/// The user, of whatever source.
pub(super) async fn account(scene: &Scene<'_>, user: UserId) -> Result<Account, SyncError> {
    let gone = || SyncError::Overtaken { who: user.0.to_string() };
    scene.store.accounts(&[user]).await?.pop().ok_or_else(gone)
}

/// The person is looked at with another configuration only.
pub(in crate::sync) fn of_another_source(account: &Account, ours: &str) -> SyncError {
    let (label, theirs) = (account.label(), &account.source);
    SyncError::Who {
        says: format!(
            "`{label}` belongs to the source `{theirs}`, this configuration is of `{ours}`; give the configuration of \
             that source"
        ),
    }
}

/// The username and the address of a user, each with the entries that have it; a search that does not come to its end is
/// left out.
pub(super) async fn namesakes(
    connection: &mut Connection,
    searches: &Searches,
    account: &Account,
) -> Vec<(String, Vec<Found>)> {
    let name = account.fields.get(&FieldId::USERNAME).cloned();
    let mut namesakes = Vec::new();
    for text in [name, account.primary().map(ToString::to_string)].into_iter().flatten() {
        if let Ok(finds) = directory::find(connection, searches, (&text, false)).await {
            namesakes.push((text, finds.found));
        }
    }
    namesakes
}

/// The unique id of the one entry that has both the username and the address of a user whose own entry is gone, and that
/// nobody in the store has (I5).
pub(super) async fn anew(
    scene: &Scene<'_>,
    namesakes: &[(String, Vec<Found>)],
    account: &Account,
) -> Result<Option<UniqueId>, SyncError> {
    let living = account.origin == Origin::Directory && !account.state.tombstone();
    let [(_, named), (_, addressed)] = namesakes else { return Ok(None) };
    let both: Vec<&Found> = addressed.iter().filter(|one| living && named.contains(one)).collect();
    let [one] = both.as_slice() else { return Ok(None) };
    let known = scene.store.users_who(one.key.as_str()).await?;
    Ok(known.is_empty().then(|| one.key.clone()))
}

/// The unique id of the entry to be read, and the user it belongs to.
///
/// The user of another source of the same directory may come over with the entry, which has to be found then (I8).
pub(super) async fn identify(
    scene: &Scene<'_>,
    (connection, searches): (&mut Connection, &Searches),
    (who, account): (&Who, Option<Account>),
    neighbours: &[SourceRecord],
) -> Result<(UniqueId, Option<Account>), SyncError> {
    let ours = |account: &Account| account.source == scene.config.source.name;
    let elsewhere = |account: &Account| neighbours.iter().any(|one| one.name == account.source);
    if let Some(theirs) = account.as_ref().filter(|account| !ours(account)) {
        let refused = || of_another_source(theirs, &scene.config.source.name);
        let key = theirs.key.clone().filter(|_| elsewhere(theirs)).ok_or_else(refused)?;
        let found = directory::find(connection, searches, (key.as_str(), false)).await?;
        return if found.found.iter().any(|one| one.key == key) { Ok((key, None)) } else { Err(refused()) };
    }
    let manual = account.as_ref().filter(|account| account.key.is_none());
    let text = match (who, manual) {
        (Who::Unknown(text), _) => text.clone(),
        // An entry with the address of a manual account belongs to it (M2).
        (Who::User(_), Some(manual)) => manual.primary().map(ToString::to_string).unwrap_or_default(),
        (Who::User(_), None) => {
            let key = account.as_ref().and_then(|account| account.key.clone());
            return key.map(|key| (key, account)).ok_or_else(|| SyncError::Who { says: String::new() });
        }
    };
    let found = directory::find(connection, searches, (&text, false)).await?;
    let pass = scene.config.users.as_ref();
    let bases = pass.map(|users| users.base_dns.join("`, `")).unwrap_or_default();
    match found.found.as_slice() {
        [one] => {
            let known = scene.store.users_who(one.key.as_str()).await?;
            let known = scene.store.accounts(&known).await?;
            match known.iter().find(|account| ours(account)).or(known.first()) {
                Some(theirs) if !ours(theirs) && !elsewhere(theirs) => {
                    Err(of_another_source(theirs, &scene.config.source.name))
                }
                known => Ok((one.key.clone(), known.filter(|account| ours(account)).cloned())),
            }
        }
        [] if !found.garbled.is_empty() => Err(SyncError::Who {
            says: format!("{}; nothing was done, correct the entry in the directory", found.garbled.join("; ")),
        }),
        [] => Err(SyncError::Who {
            says: match manual {
                Some(manual) => format!(
                    "`{}` is a {} account, and no entry under `{bases}` that matches the filter has its primary \
                     address; nothing was done",
                    manual.label(),
                    manual.origin
                ),
                None => format!(
                    "nobody is `{text}`: neither a user of the store, nor an entry under `{bases}` that matches the \
                     filter, by DN, unique id, username or mail; nothing was done; `rosterd explain {text}` says more"
                ),
            },
        }),
        several => Err(ambiguous(&text, several)),
    }
}

/// Several entries are WHO; none is guessed.
pub(in crate::sync) fn ambiguous(who: &str, several: &[Found]) -> SyncError {
    let named: Vec<String> =
        several.iter().take(CANDIDATES).map(|one| format!("`{}` (unique id {})", one.dn, one.key)).collect();
    let more = several.len().saturating_sub(CANDIDATES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (number, named) = (several.len(), named.join(", "));
    SyncError::Who {
        says: format!(
            "{number} entries are `{who}`: {named}{more}; nothing was done, say which one by DN or unique id"
        ),
    }
}
