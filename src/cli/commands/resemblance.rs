//! `rosterd conflicts relink|delete` on `maybe-same-person` (I5)

use crate::cli::commands::{Session, conflicts};
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::conflicts::value;
use crate::clock::Clock as _;
use crate::config::Config;
use crate::plan::{ConflictId, ConflictKind};
use crate::store::Store;
use crate::store::rows::ConflictRow;
use crate::sync::by_hand;

/// Says that the two are one person.
pub async fn relink(session: &mut Session, number: i64) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let row = conflicts::find(session, &*store, number).await?;
    settle(session, &config, &*store, &row, true).await
}

/// Settles an open `maybe-same-person`: one person, or two.
pub async fn settle(
    session: &mut Session,
    config: &Config,
    store: &dyn Store,
    row: &ConflictRow,
    one_person: bool,
) -> Result<u8, Failure> {
    let (number, subject, kind) = (row.id, &row.subject, &row.kind);
    let show = session.invocation(&format!("conflicts show {number}"));
    if *kind != ConflictKind::MaybeSamePerson.as_str() {
        let says = "asks about no two people, so there is nobody to re-link";
        return Err(Failure::Refused(format!("conflict {number} ({kind} `{subject}`) {says}; see `{show}`")));
    }
    let at = session.clock.now();
    let scope = (row.source.as_str(), at, &config.names());
    if row.status != "open" || !by_hand::settle_resemblance(store, scope, ConflictId(number), one_person).await? {
        return Err(Failure::Refused(format!("conflict {number} (`{subject}`) is settled already; see `{show}`")));
    }
    if session.screen.json {
        let row = conflicts::find(session, store, number).await?;
        let command = session.commands();
        session.screen.json(&value(&row, &command))?;
    } else {
        let done = if one_person { "one person, by the id of before" } else { "two people" };
        let done = format!("Done: conflict {number} (`{subject}`) is settled: {done}.");
        session.screen.done(&done)?;
    }
    Ok(exit::DONE)
}
