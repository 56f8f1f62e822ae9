//! `rosterd users`

use std::collections::BTreeSet;

use crate::cli::args::UsersList;
use crate::cli::commands::conflicts::tell_returners;
use crate::cli::commands::{Session, by_hand, runs};
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::provenance::{self, attributes_last_read};
use crate::cli::render::report;
use crate::cli::render::status::{is_frozen, waiting};
use crate::cli::render::users::{View, absent, list as print_list, show as print_one, value};
use crate::clock::Clock as _;
use crate::plan::explain::Waits;
use crate::plan::{BrakeKind, Claimant, ConflictKind, Held};
use crate::roster::UserId;
use crate::roster::address::fold;
use crate::store::rows::{Changes, ConflictRow, SkipRow, UserRow, Which};
use crate::store::{Action, RunId, Store};

/// How far back a run that holds somebody is looked for.
const RUNS: u32 = 200;

/// Lists everybody.
pub async fn list(session: &mut Session, args: &UsersList) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let mut users = store.user_rows(&Which::All).await?;
    if !args.state.is_empty() {
        users.retain(|user| args.state.iter().any(|state| state.as_str() == user.state));
    }
    if session.screen.json {
        session.screen.json(&users)?;
    } else if users.is_empty() {
        session.screen.say("nobody")?;
    } else {
        let columns = session.screen.columns;
        print_list(session.screen.out(), &users, columns)?;
    }
    Ok(exit::DONE)
}

/// Shows one user; several matches are listed, none is guessed.
pub async fn show(session: &mut Session, who: &str) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let mut found = store.user_rows(&Which::Who(who.to_owned())).await?;
    if found.is_empty() {
        found = formerly_or_soon(session, &*store, who).await?;
    }
    let user = match found.as_slice() {
        [user] => user,
        [] => return Err(Failure::Refused(nobody(&*store, who).await?)),
        several => {
            if session.screen.json {
                session.screen.json(several)?;
            } else {
                let columns = session.screen.columns;
                print_list(session.screen.out(), several, columns)?;
            }
            let says = format!("{} users are `{who}`; say which one by id, unique id or DN", several.len());
            return Err(Failure::Refused(says));
        }
    };
    let history = store.change_rows(&Changes::OfUser(user.id.clone()), u32::MAX).await?;
    let mut conflicts = store.conflict_rows(true).await?;
    conflicts.retain(|conflict| concerns(conflict, user));
    if !session.screen.json {
        tell_returners(&*store, &mut conflicts).await?;
    }
    let mut left_out = store.skip_rows(user.source.as_str().into()).await?;
    left_out.retain(|skip| skip.unique_id == user.unique_id && skip.unique_id.is_some());
    let attributes = attributes_last_read(&config, &store.coverage(&config.source.name).await?);
    let known = store.users_who(&user.id).await?.pop();
    let waits = waits(&*store, &user.source, known).await?;
    let view = View {
        user,
        values: &provenance::of(user, &history, &attributes),
        left_out: &left_out,
        waits: waits.as_ref().filter(|waits| !waits.held.is_empty()),
        groups: &store.user_groups(&user.id).await?,
        grants: &store.grant_rows(Some(&user.id)).await?,
        history: &history,
        conflicts: &conflicts,
        names: &runs::names(&*store, &history).await?,
        now: session.clock.now(),
        command: &session.commands(),
        columns: session.screen.columns,
    };
    if session.screen.json {
        session.screen.json(&value(&view))?;
    } else {
        print_one(session.screen.out(), &view)?;
    }
    Ok(exit::DONE)
}

/// Who is not WHO, but was until deleted; or who waits for deletion because the entry has this address now (D3).
async fn formerly_or_soon(session: &mut Session, store: &dyn Store, who: &str) -> Result<Vec<UserRow>, Failure> {
    if let Some(deleted) = by_hand::deleted(session, store, who).await? {
        let row = by_hand::row(store, &by_hand::account(store, deleted).await?).await?;
        session.screen.say(&format!("`{who}` was the name or address of somebody who is deleted"))?;
        return Ok(row.into_iter().collect());
    }
    let mut conflicts = store.conflict_rows(true).await?;
    conflicts.retain(|row| row.kind == ConflictKind::PendingDeletion.as_str() && names(&row.detail, &fold(who)));
    let [ConflictRow { user_id: Some(user), .. }] = conflicts.as_slice() else { return Ok(Vec::new()) };
    let found = store.user_rows(&Which::Who(user.clone())).await?;
    if !found.is_empty() {
        session.screen.say(&format!("`{who}` is not in the roster: the entry of this user has it now"))?;
    }
    Ok(found)
}

/// Whether a sentence names something, given folded.
fn names(sentence: &str, what: &str) -> bool {
    sentence.split(|c: char| c.is_whitespace() || "`\"'<>,;()".contains(c)).any(|word| fold(word) == what)
}

/// Whether somebody is a party to a conflict: has what is contested, claims it, or is the newcomer it is about.
fn concerns(conflict: &ConflictRow, user: &UserRow) -> bool {
    let claims = |dn: &String| Claimant::named_in(&conflict.detail).iter().any(|claimant| claimant.dn == *dn);
    conflict.user_id.as_ref() == Some(&user.id)
        || (conflict.other.is_some() && conflict.other == user.unique_id)
        || (conflict.source == user.source && user.dn.as_ref().is_some_and(claims))
}

/// The run of a source that waits for a person, with what it holds of this user; a freeze ends by itself.
pub async fn waits(store: &dyn Store, source: &str, user: Option<UserId>) -> Result<Option<Waits>, Failure> {
    let runs = store.run_rows(Some(source), RUNS).await?;
    let Some(run) = waiting(&runs).filter(|run| !is_frozen(run)) else { return Ok(None) };
    let all = still_held(store, run.id, store.held(RunId(run.id)).await?).await?;
    let people: BTreeSet<UserId> = all.iter().map(|held| held.user).collect();
    let held = all.into_iter().filter(|held| Some(held.user) == user).collect();
    let says = report::without_commands(run.error.as_deref().unwrap_or_default()).to_owned();
    Ok(Some(Waits { run: run.id, says, held, people: people.len() as u64 }))
}

/// What is left of what a run held, once single people were taken at their word (S4): nobody loses one thing twice.
pub async fn still_held(store: &dyn Store, run: i64, held: Vec<Held>) -> Result<Vec<Held>, Failure> {
    let later = store.run_rows(None, RUNS).await?;
    let mut over = BTreeSet::new();
    for alone in later.iter().filter(|later| later.id > run && later.action == Action::Person.as_str()) {
        for change in store.change_rows(&Changes::OfRun(alone.id), u32::MAX).await? {
            let Some(user) = change.user_id.as_deref().filter(|_| !kinds_of(&change.kind).is_empty()) else { continue };
            for user in store.users_who(user).await? {
                over.extend(kinds_of(&change.kind).iter().map(|kind| (user, *kind)));
            }
        }
    }
    Ok(held.into_iter().filter(|held| !over.contains(&(held.user, held.kind))).collect())
}

/// Which of what a run may hold is over with a change.
fn kinds_of(change: &str) -> &'static [BrakeKind] {
    match change {
        "user.flagged" | "user.deleted" | "user.dormant" => {
            &[BrakeKind::Missing, BrakeKind::Disabled, BrakeKind::Domains]
        }
        "alias.removed" => &[BrakeKind::Aliases],
        "membership.removed" => &[BrakeKind::Memberships],
        "role.changed" | "grant.removed" => &[BrakeKind::Rights],
        "user.relinked" => &[BrakeKind::Relinks],
        _ => &[],
    }
}

/// Why there is no such user, as far as the last run tells.
pub async fn nobody(store: &dyn Store, who: &str) -> Result<String, Failure> {
    let skips = store.skip_rows(None).await?;
    let skips: Vec<&SkipRow> = skips.iter().filter(|skip| is_skipped(skip, who)).collect();
    let conflicts = store.conflict_rows(true).await?;
    let conflicts: Vec<&ConflictRow> = conflicts.iter().filter(|conflict| conflict.subject == fold(who)).collect();
    let reasons = absent(who, &skips, &conflicts).join("; ");
    Ok(format!("no user has `{who}` as id, unique id, DN, username, primary address or alias; {reasons}"))
}

/// Whether a skipped entry is the one somebody asks for: its DN, its unique id, the name in its DN, or a value told
/// in the detail.
fn is_skipped(skip: &SkipRow, who: &str) -> bool {
    let who = fold(who);
    let named = skip.dn.split_once('=').and_then(|(_, rest)| rest.split([',', '+']).next());
    if who.is_empty() {
        return false;
    }
    fold(&skip.dn) == who
        || skip.unique_id.as_deref().is_some_and(|id| fold(id) == who)
        || named.is_some_and(|name| fold(name.trim()) == who)
        || names(&skip.detail, &who)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_left_out_is_found_by_dn_id_name_or_address() {
        let skip = SkipRow {
            source: "corp".to_owned(),
            dn: "uid=Bob,ou=people,dc=example,dc=com".to_owned(),
            unique_id: Some("7d7d".to_owned()),
            reason: "malformed-address".to_owned(),
            rule: "A6".to_owned(),
            detail: "mail `bob@exa_mple.com` is no address".to_owned(),
            seen_at: "2026-01-15T12:00:00.000Z".to_owned(),
            is_user: false,
        };
        for who in ["UID=bob,ou=people,dc=example,dc=com", "7d7d", "bob", "bob@exa_mple.com"] {
            assert!(is_skipped(&skip, who), "{who}");
        }
        for who in ["bo", "people", "mail@example.com", ""] {
            assert!(!is_skipped(&skip, who), "{who}");
        }
    }
}
