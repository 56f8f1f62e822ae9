//! `rosterd conflicts`

use crate::cli::args::ConflictsList;
use crate::cli::commands::Session;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::conflicts::{list as print_list, show as print_one, value};
use crate::clock::Clock as _;
use crate::store::Store;
use crate::store::rows::ConflictRow;

/// Lists what waits for a person.
pub async fn list(session: &mut Session, args: &ConflictsList) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let rows = store.conflict_rows(!args.all).await?;
    let (command, now) = (session.commands(), session.clock.now());
    if session.screen.json {
        let rows: Vec<_> = rows.iter().map(|row| value(row, &command)).collect();
        session.screen.json(&rows)?;
    } else if rows.is_empty() {
        session.screen.say("no conflict")?;
    } else {
        print_list(session.screen.out(), &rows, now, &command)?;
    }
    Ok(exit::DONE)
}

/// Shows one conflict, whatever its status.
pub async fn show(session: &mut Session, number: i64) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let row = find(session, &*store, number).await?;
    let (command, now) = (session.commands(), session.clock.now());
    if session.screen.json {
        session.screen.json(&value(&row, &command))?;
    } else {
        print_one(session.screen.out(), &row, now, &command)?;
    }
    Ok(exit::DONE)
}

/// The conflict with a number, or a refusal that says where the numbers are.
pub async fn find(session: &Session, store: &dyn Store, number: i64) -> Result<ConflictRow, Failure> {
    let rows = store.conflict_rows(false).await?;
    rows.into_iter().find(|row| row.id == number).ok_or_else(|| {
        let all = session.invocation("conflicts");
        Failure::Refused(format!("there is no conflict {number}; `{all}` lists them"))
    })
}
