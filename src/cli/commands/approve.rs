//! `rosterd approve RUN`

use crate::cli::args::Approve;
use crate::cli::commands::runs::{approved_by, held_ids, of_source, takes};
use crate::cli::commands::{Session, sync};
use crate::cli::failure::Failure;
use crate::cli::render::runs::Approved;
use crate::cli::render::status::{frozen_way_out, is_frozen, waiting};
use crate::cli::render::{counted, distance, moment, report};
use crate::clock::{Clock as _, Timestamp};
use crate::store::rows::{ChangeRow, Changes, RunRow};
use crate::store::{Action, Store, Trigger};
use crate::sync::{Report, Request};

/// Applies what a run held, and reports like `sync`; then what becomes of those who were let go, and what waits now.
pub async fn run(session: &mut Session, args: &Approve) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let number = args.run.0;
    let Some(row) = store.run_row(args.run).await? else {
        let runs = session.invocation("runs");
        return Err(Failure::Refused(format!("there is no run {number}; `{runs}` lists them")));
    };
    let held = store.held(args.run).await?.len();
    let source = &config.source.name;
    let runs = of_source(&*store, source).await?;
    let waits = waiting(&runs);
    let before = approved_by(&*store, &runs, number).await?;
    let over = frozen_no_more(session, &*store, source).await?;
    let now = waits_now(waits, over, session);
    let action = approvable(&row, source, (held, &now))?;
    match waits {
        None => return Err(settled(number, before)),
        // Absence is not believed meanwhile, whoever approves it (B5).
        Some(run) if is_frozen(run) => {
            let says = format!("run {number} cannot be approved now; nothing was done. {now}");
            return Err(Failure::Refused(says));
        }
        Some(run) if run.id != number => {
            if let Some(by) = before {
                let says = format!("run {number} was approved already: {}; nothing was done. {now}", by.carried_out());
                return Err(Failure::Refused(says));
            }
        }
        Some(_) => {}
    }
    let request = Request {
        trigger: Trigger::Command,
        action,
        approve: Some(args.run),
        insist: session.on_terminal(),
        expects: None,
    };
    let ended = sync::make(session, &config, &*store, sync::Run::Whole(request), args.wait).await;
    let told = match &ended {
        Ok(report) => Some(afterwards(session, &*store, (source, report), (number, held)).await?),
        Err(_) => None,
    };
    let status = sync::tell(session, &ended?)?;
    if !session.screen.json {
        told.iter().flatten().try_for_each(|line| session.screen.done(line))?;
    }
    Ok(status)
}

/// What comes of an approval: the dates, the way back, and what waits now.
async fn afterwards(
    session: &Session,
    store: &dyn Store,
    (source, report): (&str, &Report),
    (number, held): (i64, usize),
) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    let changes = match report.run {
        Some(run) => store.change_rows(&Changes::OfRun(run.0), u32::MAX).await?,
        None => Vec::new(),
    };
    let took = takes(&changes, &held_ids(store, number).await?);
    if !took && report.plan.held.is_empty() {
        let says = match (held, &report.incomplete) {
            (_, Some(_)) => format!("Nothing of run {number} was done, because this run was not complete either."),
            // A doubt was approved, not departures.
            (0, None) => {
                format!("What run {number} doubted is accepted from now on; nothing and nobody had to go for it.")
            }
            (_, None) => format!("Nobody and nothing that run {number} held would go any more, or it is gone by now."),
        };
        lines.push(says);
    }
    lines.extend(dates(&changes, session.clock.now()));
    lines.extend(way_back(session, &changes));
    let ours = report.run.map(|run| run.0);
    let runs = of_source(store, source).await?;
    match waiting(&runs) {
        // The report says how to go on.
        Some(run) if Some(run.id) == ours => {}
        now => {
            let over = frozen_no_more(session, store, source).await?;
            lines.push(format!("{}.", waits_now(now, over, session)));
        }
    }
    Ok(lines)
}

/// Nothing waits: what a run held once is no reason to let the same people go when they are missing another time (B1).
fn settled(number: i64, before: Option<Approved<'_>>) -> Failure {
    let why = match before {
        Some(approved) => approved.carried_out(),
        None => "a later run looked again and ended well".to_owned(),
    };
    Failure::Refused(format!(
        "nothing of what run {number} held waits any more: {why}. If the same people would go again, the next run holds \
         them again, and that run is the one to approve"
    ))
}

/// Which run waits for a person.
fn waits_now(run: Option<&RunRow>, over: bool, session: &Session) -> String {
    match run {
        Some(run) if is_frozen(run) => {
            let way_out = frozen_way_out(over, &|words| session.invocation(words));
            format!("Run {} took nothing away because the source was frozen, and {way_out}", run.id)
        }
        Some(RunRow { id: run, .. }) => {
            format!("Run {run} is the one that waits now: {}", session.invocation(&format!("runs show {run}")))
        }
        None => "Nothing waits for approval now".to_owned(),
    }
}

/// Whether no freeze goes on.
async fn frozen_no_more(session: &Session, store: &dyn Store, source: &str) -> Result<bool, Failure> {
    let now = session.clock.now();
    Ok(store.freeze(source).await?.is_none_or(|freeze| freeze.until <= now))
}

/// How to take back what was let go by mistake: for everybody, and for one.
fn way_back(session: &Session, changes: &[ChangeRow]) -> Vec<String> {
    let went = |kinds: &[&str]| changes.iter().any(|change| kinds.contains(&change.kind.as_str()));
    if !went(&["user.flagged", "user.deleted", "alias.removed", "membership.removed", "role.changed", "grant.removed"])
    {
        return Vec::new();
    }
    let deleted = if went(&["user.deleted"]) { ", who was deleted under the same id but without rules" } else { "" };
    let sync = session.invocation("sync");
    let mut lines = vec![format!(
        "Was it a mistake: put the configuration or the directory right, then `{sync}`: everybody and everything that the \
         directory shows comes back{deleted}."
    )];
    if went(&["user.flagged"]) {
        let (list, ignore) = (session.invocation("conflicts"), session.invocation("conflicts ignore N"));
        lines.push(format!(
            "To keep one of them, with access, whatever the directory says: `{ignore}`; `{list}` lists them."
        ));
    }
    lines
}

/// When those who were flagged are deleted.
fn dates(changes: &[ChangeRow], now: Timestamp) -> Option<String> {
    let flagged = changes.iter().filter(|change| change.kind == "user.flagged");
    let dates: Vec<Option<Timestamp>> =
        flagged.map(|change| Timestamp::parse(change.after.as_ref()?.get("delete_after")?.as_str()?)).collect();
    let people = counted(dates.len() as u64, "person has", "people have");
    let first = dates.iter().min().copied()?;
    let told = |at: Timestamp| format!("{} ({})", moment(at), distance(at, now));
    let when = match (first, dates.iter().max().copied().flatten()) {
        (_, None) => "are never deleted by a date".to_owned(),
        (None, Some(last)) => format!("are deleted by {} at the latest, or never", told(last)),
        (Some(first), Some(last)) if moment(first) == moment(last) => format!("are deleted after {}", told(first)),
        (Some(first), Some(last)) => format!("are deleted between {} and {}", told(first), told(last)),
    };
    Some(format!("{people} no access from now on, and {when}."))
}

/// Whether there is anything to accept in a run; the action to repeat when there is.
fn approvable(row: &RunRow, source: &str, (held, waits): (usize, &str)) -> Result<Action, Failure> {
    let refuse = |says: String| Err(Failure::Refused(says));
    if row.source != source {
        return refuse(format!(
            "run {} is of source `{}`, this configuration is of `{source}`; give the configuration of that source",
            row.id, row.source
        ));
    }
    let accepted = row.cause.as_deref().is_some_and(report::acceptable);
    if held == 0 && !accepted {
        let outcome = &row.outcome;
        return refuse(format!("run {} ({outcome}) held nothing; there is nothing to approve. {waits}", row.id));
    }
    match Action::parse(&row.action) {
        // A freeze is not approved but ended.
        Some(Action::Person) => {
            refuse(format!("run {} was about one person; there is nothing to approve. {waits}", row.id))
        }
        Some(action) => Ok(action),
        None => refuse(format!("run {} has the action `{}`, which this program does not know", row.id, row.action)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::tests::run_row as row;

    /// B1
    #[test]
    fn only_a_run_of_this_source_that_held_something_can_be_approved() {
        let says =
            |row: &RunRow, held| approvable(row, "corp", (held, "Run 19 waits")).map_err(|refusal| refusal.to_string());
        let held = row(17, "held", "2026-01-15T12:00:00.000Z");
        assert_eq!(says(&held, 3), Ok(Action::All));
        assert_eq!(
            says(&row(17, "ok", "2026-01-15T12:00:00.000Z"), 0).unwrap_err(),
            "run 17 (ok) held nothing; there is nothing to approve. Run 19 waits"
        );
        let other = RunRow { source: "lab".to_owned(), ..held };
        assert!(says(&other, 3).unwrap_err().contains("is of source `lab`"));
    }

    /// B1, E2
    #[test]
    fn a_read_that_was_suspiciously_empty_can_be_approved_one_that_was_cut_off_cannot() {
        let incomplete =
            |cause: &str| RunRow { cause: Some(cause.to_owned()), ..row(17, "incomplete", "2026-01-15T12:00:00.000Z") };
        for cause in ["no-users", "no-groups", "attribute-vanished:mail", "unjudged"] {
            assert!(approvable(&incomplete(cause), "corp", (0, "")).is_ok(), "{cause}");
        }
        for cause in ["size-limit", "connection-lost"] {
            assert!(approvable(&incomplete(cause), "corp", (0, "")).is_err(), "{cause}");
        }
    }
}
