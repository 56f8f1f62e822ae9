//! `rosterd runs`

use std::collections::BTreeSet;

use crate::cli::args::RunsList;
use crate::cli::commands::Session;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::change::Names;
use crate::cli::render::runs::{Approved, View, list as print_list, show as print_one, value};
use crate::cli::render::status::waiting;
use crate::config::Config;
use crate::plan::approved_run;
use crate::roster::UserId;
use crate::store::rows::{ChangeRow, Changes, RunRow, Which};
use crate::store::{Action, Outcome, RunId, Store};

/// How many runs are listed as text.
const LISTED: u32 = 50;
/// How far back the last success, and what waits, are looked for.
const LOOKED_AT: u32 = 2_000;
/// Runs that brought more people in or back are not read to count the dormant: it was the first one.
const COUNTED: i64 = 5_000;
/// Up to this many people are asked for one by one, more all at once.
const FEW: usize = 50;

/// Lists the runs of every source, newest first.
pub async fn list(session: &mut Session, args: &RunsList) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let limit = args.limit.unwrap_or(if session.screen.json { u32::MAX } else { LISTED });
    let mut runs = store.run_rows(None, limit).await?;
    if !session.screen.json {
        count_dormant(&*store, &config, &mut runs).await?;
    }
    if session.screen.json {
        session.screen.json(&runs)?;
    } else if runs.is_empty() {
        session.screen.say("there was no run yet")?;
    } else {
        let columns = session.screen.columns;
        print_list(session.screen.out(), &runs, columns)?;
    }
    Ok(exit::DONE)
}

/// Shows one run.
pub async fn show(session: &mut Session, run: RunId) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let Some(mut row) = store.run_row(run).await? else {
        let runs = session.invocation("runs");
        return Err(Failure::Refused(format!("there is no run {}; `{runs}` lists them", run.0)));
    };
    let changes = store.change_rows(&Changes::OfRun(run.0), u32::MAX).await?;
    row.dormant = dormant(&changes);
    let held = store.held(run).await?;
    let names = if session.screen.json { Names::default() } else { names(&*store, &changes).await? };
    let runs = of_source(&*store, &row.source).await?;
    let left_out = match last_look(&*store, &row.source).await? == Some(row.id) {
        true => Some(store.skip_rows(Some(&row.source)).await?),
        false => None,
    };
    let view = View {
        left_out: left_out.as_deref(),
        run: &row,
        changes: &changes,
        held: &held,
        names: &names,
        approved_by: approved_by(&*store, &runs, row.id).await?,
        waits: waiting(&runs).map(|run| run.id),
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

/// Counts in the feed whom each of these runs made dormant (I6): only a run that gave somebody access did so, and only
/// where the address is the identity. Nobody is counted of a run that did so much that reading it all takes long.
pub async fn count_dormant<'r>(
    store: &dyn Store,
    config: &Config,
    runs: impl IntoIterator<Item = &'r mut RunRow>,
) -> Result<(), Failure> {
    for run in runs.into_iter().filter(|_| config.by_address) {
        if (1..=COUNTED).contains(&(run.added + run.restored)) {
            run.dormant = dormant(&store.change_rows(&Changes::OfRun(run.id), u32::MAX).await?);
        }
    }
    Ok(())
}

fn dormant(changes: &[ChangeRow]) -> Option<i64> {
    let dormant = changes.iter().filter(|change| change.kind == "user.dormant").count();
    i64::try_from(dormant).ok().filter(|dormant| *dormant > 0)
}

/// The last run of a source that came to its end: what it left out is what the store knows of.
async fn last_look(store: &dyn Store, source: &str) -> Result<Option<i64>, Failure> {
    let runs = store.run_rows(Some(source), LOOKED_AT).await?;
    let done = |run: &&RunRow| Outcome::parse(&run.outcome).is_some_and(|how| Outcome::DONE.contains(&how));
    Ok(runs.iter().find(done).map(|run| run.id))
}

/// The runs of a source that concern more than one person, newest first, as far back as what waits is looked for.
pub async fn of_source(store: &dyn Store, source: &str) -> Result<Vec<RunRow>, Failure> {
    let mut runs = store.run_rows(Some(source), LOOKED_AT).await?;
    // How one person was looked at says nothing about the source.
    runs.retain(|run| run.action != Action::Person.as_str());
    Ok(runs)
}

/// The run that was allowed to carry out what this one held, if it was approved: of several the first that did so, else
/// the first that could have.
pub async fn approved_by<'r>(store: &dyn Store, runs: &'r [RunRow], run: i64) -> Result<Option<Approved<'r>>, Failure> {
    let accepts = |later: &&RunRow| later.cause.as_deref().and_then(approved_run) == Some(run);
    let done = |later: &&RunRow| Outcome::parse(&later.outcome).is_some_and(|how| Outcome::COMPLETE.contains(&how));
    let able: Vec<&RunRow> = runs.iter().rev().filter(accepts).filter(done).collect();
    let held = if able.is_empty() { BTreeSet::new() } else { held_ids(store, run).await? };
    for later in &able {
        let changes = store.change_rows(&Changes::OfRun(later.id), u32::MAX).await?;
        if takes(&changes, &held) {
            return Ok(Some(Approved { run: later, did_it: true }));
        }
    }
    Ok(able.first().map(|run| Approved { run, did_it: false }))
}

/// The internal ids of those whom a run held.
pub async fn held_ids(store: &dyn Store, run: i64) -> Result<BTreeSet<String>, Failure> {
    let users: Vec<UserId> = store.held(RunId(run)).await?.iter().map(|held| held.user).collect();
    Ok(store.accounts(&users).await?.iter().map(|account| account.uuid.to_string()).collect())
}

/// What happens to somebody who was held.
const LOSSES: [&str; 8] = [
    "user.flagged",
    "user.deleted",
    "user.dormant",
    "user.relinked",
    "alias.removed",
    "membership.removed",
    "role.changed",
    "grant.removed",
];

/// Whether what was held is among changes: something that one of these people loses or is re-linked by; where nobody was
/// held, but a doubt accepted, anything.
pub fn takes(changes: &[ChangeRow], held: &BTreeSet<String>) -> bool {
    let ours = |change: &&ChangeRow| change.user_id.as_ref().is_some_and(|user| held.contains(user));
    match held.is_empty() {
        true => !changes.is_empty(),
        false => changes.iter().filter(ours).any(|change| LOSSES.contains(&change.kind.as_str())),
    }
}

/// What people call everybody and everything that changes speak of.
pub async fn names(store: &dyn Store, changes: &[ChangeRow]) -> Result<Names, Failure> {
    let mut names = Names::default();
    let users: BTreeSet<&String> = changes.iter().filter_map(|change| change.user_id.as_ref()).collect();
    if users.len() > FEW {
        names.users(&store.user_rows(&Which::All).await?);
    } else {
        for user in users {
            names.users(&store.user_rows(&Which::Who(user.clone())).await?);
        }
    }
    if changes.iter().any(|change| change.group_id.is_some()) {
        names.groups(&store.group_rows().await?);
    }
    Ok(names)
}
