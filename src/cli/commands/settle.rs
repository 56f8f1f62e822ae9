//! `rosterd users delete|restore`, `rosterd conflicts delete|ignore` (L8)

use crate::cli::args::Deletion;
use crate::cli::commands::by_hand::{Intent, account, carry_out, one, one_or_deleted};
use crate::cli::commands::{Session, conflicts, resemblance};
use crate::cli::failure::Failure;
use crate::config::Config;
use crate::plan::ConflictKind;
use crate::plan::by_hand::{self, Heir, Rivals};
use crate::roster::address::fold;
use crate::roster::{Account, FieldId, Origin, State, UserId};
use crate::store::Store;
use crate::store::rows::{ChangeRow, Changes, ConflictRow};
use crate::sync::SyncError;

/// Deletes somebody now.
pub async fn delete(session: &mut Session, who: &str, args: &Deletion) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let user = one_or_deleted(session, &*store, who).await?;
    delete_user(session, &config, &*store, user, args).await
}

/// Deletes whoever a conflict is about.
pub async fn delete_flagged(session: &mut Session, number: i64, args: &Deletion) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let row = conflicts::find(session, &*store, number).await?;
    if row.kind == ConflictKind::MaybeSamePerson.as_str() {
        return resemblance::settle(session, &config, &*store, &row, false).await;
    }
    let user = flagged(session, &*store, number, "delete").await?;
    delete_user(session, &config, &*store, user, args).await
}

async fn delete_user(
    session: &mut Session,
    config: &Config,
    store: &dyn Store,
    user: UserId,
    args: &Deletion,
) -> Result<u8, Failure> {
    let heir = match &args.transfer_to {
        Some(heir) => Some(one(session, store, heir).await?),
        None => None,
    };
    let decide = async |store: &dyn Store| {
        let (account, rules) = (account(store, user).await?, store.rules(user).await?);
        let heir = match heir {
            Some(heir) => Some((self::account(store, heir).await?, store.rules(heir).await?)),
            None => None,
        };
        let to = heir.as_ref().map(|(account, rules)| Heir { account, rules });
        let changes = by_hand::delete(&account, &rules, to)?;
        let label = account.label();
        let to = heir.map(|(heir, _)| format!(", handing over to `{}`", heir.label())).unwrap_or_default();
        Ok(Intent {
            asks: Some(format!("delete `{label}` ({}) now{to}?", account.state)),
            warns: comes_back(&account, config),
            done: format!("Done: `{label}` deleted{to}."),
            changes,
            account: Some(account),
        })
    };
    carry_out(session, config, store, (args.yes, &config.names()), decide).await
}

/// What a deletion in the store does not end (U5).
fn comes_back(account: &Account, config: &Config) -> Option<String> {
    let back = account.origin == Origin::Directory && account.state == State::Active && config.enabled;
    back.then(|| {
        format!(
            "`{}` is active in the directory, so the next run adds the user back, without rules and memberships made \
             here (U5); disable or delete the entry there to make it last",
            account.label()
        )
    })
}

/// Gives access back to somebody pending or deleted.
pub async fn restore(session: &mut Session, who: &str) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let user = one_or_deleted(session, &*store, who).await?;
    let decide = async |store: &dyn Store| {
        let account = account(store, user).await?;
        let former = account.former.as_deref();
        let name = former.and_then(|former| former.username.as_ref()).or(account.fields.get(&FieldId::USERNAME));
        let name = bearer(store, name.map(String::as_str)).await?;
        let address = match former.and_then(|former| former.address.clone()) {
            Some(address) => first(store, store.owners(&[address]).await?).await?,
            None => None,
        };
        let rivals = Rivals { name: name.as_ref(), address: address.as_ref() };
        let change = by_hand::restore(&account, rivals)?;
        Ok(kept(account, change))
    };
    carry_out(session, &config, &*store, (true, &config.names()), decide).await
}

/// Removes whatever is left of somebody deleted.
pub async fn erase(session: &mut Session, who: &str, yes: bool) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let user = one_or_deleted(session, &*store, who).await?;
    let decide = async |store: &dyn Store| {
        let account = account(store, user).await?;
        let change = by_hand::erase(&account)?;
        let history = store.change_rows(&Changes::OfUser(account.uuid.to_string()), u32::MAX).await?;
        let warns = added_anew(&account, &history).filter(|_| config.enabled);
        let asks = format!("erase for good what is left of `{who}` ({})?", account.uuid);
        let done = format!("Done: `{}` erased.", account.uuid);
        Ok(Intent { account: Some(account), changes: vec![change], asks: Some(asks), warns, done })
    };
    carry_out(session, &config, &*store, (yes, &config.names()), decide).await
}

/// What erasing does not end: an entry that is still in the directory (U5).
fn added_anew(account: &Account, history: &[ChangeRow]) -> Option<String> {
    let deleted = history.iter().rev().find(|change| change.kind == "user.deleted");
    let before = deleted.and_then(|change| change.before.as_ref()?.get("state")?.as_str());
    let was_there = before == Some(State::Active.as_str()) && account.origin == Origin::Directory;
    was_there.then(|| {
        "the person was active when deleted: if the entry is still in the directory, and enabled, the next run adds the person again, as somebody new under \
         another id; delete the entry there first to make it last"
            .to_owned()
    })
}

/// Ignores the flag that a conflict is about.
pub async fn ignore(session: &mut Session, number: i64) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let user = flagged(session, &*store, number, "ignore").await?;
    let decide = async |store: &dyn Store| {
        let account = account(store, user).await?;
        let name = bearer(store, account.fields.get(&FieldId::USERNAME).map(String::as_str)).await?;
        let change = by_hand::ignore(&account, Rivals { name: name.as_ref(), address: None })?;
        Ok(kept(account, change))
    };
    carry_out(session, &config, &*store, (true, &config.names()), decide).await
}

fn kept(account: Account, change: crate::plan::UserChange) -> Intent {
    let done = format!("Done: `{}` kept, with access.", change.label);
    Intent::plain(account, change, done)
}

/// Who bears a username, with access.
pub async fn bearer(store: &dyn Store, name: Option<&str>) -> Result<Option<Account>, SyncError> {
    match name {
        Some(name) => first(store, store.name_owners(&[fold(name)]).await?).await,
        None => Ok(None),
    }
}

/// Who is first among owners; nobody when there is none.
pub async fn first<T>(store: &dyn Store, owners: Vec<(T, UserId)>) -> Result<Option<Account>, SyncError> {
    match owners.first() {
        Some((_, owner)) => Ok(Some(account(store, *owner).await?)),
        None => Ok(None),
    }
}

/// The user of a `pending-deletion` that is not settled yet.
async fn flagged(session: &Session, store: &dyn Store, number: i64, verb: &str) -> Result<UserId, Failure> {
    let row = conflicts::find(session, store, number).await?;
    if let Some(says) = unfit(&row, verb) {
        return Err(Failure::Refused(format!(
            "{says}; see `{}`",
            session.invocation(&format!("conflicts show {number}"))
        )));
    }
    let user = match &row.user_id {
        Some(id) => store.users_who(id).await?.pop(),
        None => None,
    };
    user.ok_or_else(|| Failure::Refused(format!("conflict {number} names nobody any more")))
}

/// Why a conflict cannot be settled in this way.
fn unfit(row: &ConflictRow, verb: &str) -> Option<String> {
    let (number, kind, subject) = (row.id, &row.kind, &row.subject);
    if *kind != ConflictKind::PendingDeletion.as_str() {
        return Some(format!(
            "conflict {number} ({kind} `{subject}`) is no pending deletion, so there is nothing to {verb}"
        ));
    }
    match (row.status.as_str(), verb) {
        ("open", _) | ("ignored", "delete") => None,
        ("ignored", _) => Some(format!("conflict {number} (`{subject}`) is ignored already")),
        (status, _) => {
            let now = row.user_state.as_deref().unwrap_or("unknown");
            Some(format!("conflict {number} (`{subject}`) is {status} already: the user is {now} now"))
        }
    }
}
