//! `rosterd runs`

use std::collections::BTreeSet;

use crate::cli::args::RunsList;
use crate::cli::commands::Session;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::change::Names;
use crate::cli::render::runs::{View, list as print_list, show as print_one, value};
use crate::store::rows::{ChangeRow, Changes, Which};
use crate::store::{RunId, Store};

/// How many runs are listed as text.
const LISTED: u32 = 50;
/// Up to this many people are asked for one by one, more all at once.
const FEW: usize = 50;

/// Lists the runs of every source, newest first.
pub async fn list(session: &mut Session, args: &RunsList) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let limit = args.limit.unwrap_or(if session.screen.json { u32::MAX } else { LISTED });
    let runs = store.run_rows(None, limit).await?;
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
    let Some(row) = store.run_row(run).await? else {
        let runs = session.invocation("runs");
        return Err(Failure::Refused(format!("there is no run {}; `{runs}` lists them", run.0)));
    };
    let changes = store.change_rows(&Changes::OfRun(run.0), u32::MAX).await?;
    let held = store.held(run).await?;
    let names = if session.screen.json { Names::default() } else { names(&*store, &changes).await? };
    let approve = session.invocation(&format!("approve {}", run.0));
    let view = View { run: &row, changes: &changes, held: &held, names: &names, approve: &approve };
    if session.screen.json {
        session.screen.json(&value(&view))?;
    } else {
        print_one(session.screen.out(), &view)?;
    }
    Ok(exit::DONE)
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
