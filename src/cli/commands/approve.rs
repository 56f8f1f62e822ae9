//! `rosterd approve RUN`

use crate::cli::args::Approve;
use crate::cli::commands::{Session, sync};
use crate::cli::failure::Failure;
use crate::cli::render::report;
use crate::store::rows::RunRow;
use crate::store::{Action, Trigger};
use crate::sync::Request;

/// Applies what a run held, and reports like `sync`.
pub async fn run(session: &mut Session, args: &Approve) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let number = args.run.0;
    let Some(row) = store.run_row(args.run).await? else {
        let runs = session.invocation("runs");
        return Err(Failure::Refused(format!("there is no run {number}; `{runs}` lists them")));
    };
    let held = store.held(args.run).await?.len();
    let action = approvable(&row, &config.source.name, held)?;
    let request = Request {
        trigger: Trigger::Command,
        action,
        approve: Some(args.run),
        insist: session.on_terminal(),
        expects: None,
    };
    sync::perform(session, &config, &*store, sync::Run::Whole(request), args.wait).await
}

/// Whether there is anything to accept in a run; the action to repeat when there is.
fn approvable(row: &RunRow, source: &str, held: usize) -> Result<Action, Failure> {
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
        return refuse(format!(
            "run {} ({outcome}) held nothing; there is nothing to approve; `rosterd status` says what waits",
            row.id
        ));
    }
    match Action::parse(&row.action) {
        // A freeze is not approved but ended.
        Some(Action::Person) => refuse(format!("run {} was about one person; there is nothing to approve", row.id)),
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
        let says = |row: &RunRow, held| approvable(row, "corp", held).map_err(|refusal| refusal.to_string());
        let held = row(17, "held", "2026-01-15T12:00:00.000Z");
        assert_eq!(says(&held, 3), Ok(Action::All));
        assert_eq!(
            says(&row(17, "ok", "2026-01-15T12:00:00.000Z"), 0).unwrap_err(),
            "run 17 (ok) held nothing; there is nothing to approve; `rosterd status` says what waits"
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
            assert!(approvable(&incomplete(cause), "corp", 0).is_ok(), "{cause}");
        }
        for cause in ["size-limit", "connection-lost"] {
            assert!(approvable(&incomplete(cause), "corp", 0).is_err(), "{cause}");
        }
    }
}
