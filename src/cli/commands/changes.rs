//! `rosterd changes`

use std::time::Duration;

use crate::cli::args;
use crate::cli::commands::Session;
use crate::cli::commands::runs::names;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::change::subject;
use crate::cli::render::runs::line;
use crate::cli::render::{folded, to_the_second};
use crate::clock::Timestamp;
use crate::store::Store;
use crate::store::rows::{ChangeRow, Changes, Feed};

/// Rows read at once.
const PAGE: u32 = 5_000;
/// How often the store is asked for more.
const INTERVAL: Duration = Duration::from_millis(100);

/// Prints the feed behind a number; with `--follow` also what comes, until somebody stops it.
pub async fn run(session: &mut Session, args: &args::Changes) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let feed = store.feed().await?;
    let mut seen = match args.since {
        Some(seq) => seq,
        None if args.follow => feed.last,
        None => feed.dropped,
    };
    if seen > feed.last {
        return Err(Failure::Refused(unknown(seen, feed)));
    }
    loop {
        // Asked before: what comes while rows are read is not waited for.
        let version = store.version().await?;
        let rows = store.change_rows(&Changes::Since(seen), PAGE).await?;
        // Asked afterwards: what is dropped while rows are read shows.
        let feed = store.feed().await?;
        if feed.dropped > seen {
            return Err(Failure::Refused(too_late(seen, feed)));
        }
        show(session, &*store, &rows).await?;
        seen = rows.last().map_or(seen, |row| row.seq);
        if rows.len() == PAGE as usize {
            continue;
        }
        if !args.follow || session.screen.is_unread() {
            return Ok(exit::DONE);
        }
        while store.version().await? == version {
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

async fn show(session: &mut Session, store: &dyn Store, rows: &[ChangeRow]) -> Result<(), Failure> {
    if session.screen.json {
        for row in rows {
            session.screen.json_line(row)?;
        }
    } else if !rows.is_empty() {
        let names = names(store, rows).await?;
        let columns = session.screen.columns;
        for row in rows {
            let at = Timestamp::parse(&row.at).map_or_else(|| row.at.clone(), to_the_second);
            let said = format!("{:>6}  {at}  {}", row.seq, line(row, &format!("{:<20}", subject(row, &names))));
            writeln!(session.screen.out(), "{}", folded(&said, 8, columns))?;
        }
    }
    Ok(session.screen.flush()?)
}

/// What somebody is told who read less than what was dropped.
fn too_late(seen: i64, feed: Feed) -> String {
    format!(
        "changes up to {} were dropped since (history.keep), so some behind {seen} are missing; read the roster as a whole, \
         and then go on with --since {}",
        feed.dropped, feed.last
    )
}

/// What somebody is told who read more than there is.
fn unknown(seen: i64, feed: Feed) -> String {
    format!(
        "the last change has the number {}, so {seen} is from another store, or from before this one was restored from a \
         backup; read the roster as a whole, and then go on with --since {}",
        feed.last, feed.last
    )
}
