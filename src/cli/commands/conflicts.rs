//! `rosterd conflicts`

use crate::cli::args::ConflictsList;
use crate::cli::commands::Session;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::conflicts::{list as print_list, show as print_one, value};
use crate::clock::Clock as _;
use crate::plan::{Claimant, ConflictKind};
use crate::store::Store;
use crate::store::rows::{ConflictRow, Which};

/// Lists what waits for a person.
pub async fn list(session: &mut Session, args: &ConflictsList) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let mut rows = store.conflict_rows(!args.all).await?;
    tell_returners(&*store, &mut rows).await?;
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
    let mut row = find(session, &*store, number).await?;
    tell_returners(&*store, std::slice::from_mut(&mut row)).await?;
    let (command, now) = (session.commands(), session.clock.now());
    if session.screen.json {
        session.screen.json(&value(&row, &command))?;
    } else {
        print_one(session.screen.out(), &row, now, &command)?;
    }
    Ok(exit::DONE)
}

/// Of those who are back, but wait in `pending` for a name that somebody else has, the cause is that (L5), and no longer
/// what they were flagged for.
pub async fn tell_returners(store: &dyn Store, rows: &mut [ConflictRow]) -> Result<(), Failure> {
    let is = |row: &ConflictRow, kind: ConflictKind| row.kind == kind.as_str() && row.status == "open";
    let waits = |row: &ConflictRow| is(row, ConflictKind::PendingDeletion) && row.waits_since.is_some();
    if !rows.iter().any(waits) {
        return Ok(());
    }
    let contested = store.conflict_rows(true).await?;
    for taken in contested.iter().filter(|row| is(row, ConflictKind::UsernameTaken)) {
        let holder = Claimant::owner_in(&taken.detail).unwrap_or("somebody else");
        for claimant in Claimant::named_in(&taken.detail) {
            let users = store.user_rows(&Which::Who(claimant.dn)).await?;
            let hers = |row: &&mut ConflictRow| users.iter().any(|user| row.user_id.as_ref() == Some(&user.id));
            for row in rows.iter_mut().filter(|row| waits(row)).filter(hers) {
                row.detail = format!(
                    "is there and enabled again, and waits for the username `{}`, which belongs to {holder}; the date stands \
                     still until that is settled (conflict {})",
                    taken.subject, taken.id
                );
            }
        }
    }
    Ok(())
}

/// The conflict with a number, or a refusal that says where the numbers are.
pub async fn find(session: &Session, store: &dyn Store, number: i64) -> Result<ConflictRow, Failure> {
    let rows = store.conflict_rows(false).await?;
    rows.into_iter().find(|row| row.id == number).ok_or_else(|| {
        let all = session.invocation("conflicts");
        Failure::Refused(format!("there is no conflict {number}; `{all}` lists them"))
    })
}
