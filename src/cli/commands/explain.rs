//! `rosterd explain`

use crate::cli::commands::{Session, by_hand, users};
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::provenance;
use crate::cli::render::explain::{View, print, value};
use crate::clock::Clock as _;
use crate::roster::UserId;
use crate::store::rows::{Changes, UserRow};
use crate::store::{Store, StoreError};
use crate::sync::explain::{Question, examine};

/// Says why somebody is in, or is not, and changes nothing. Several matches are listed, none is guessed.
pub async fn run(session: &mut Session, who: &str) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let who = by_hand::sought(&*store, &config, who).await?;
    let user = by_hand::known(session, &*store, who).await?;
    let tombstone = match user {
        Some(_) => None,
        None => by_hand::deleted(session, &*store, who).await?,
    };
    let asked_for = row(&*store, user).await?;
    let waits = users::waits(&*store, &config.source.name, user).await?;
    let question = Question { who, user, tombstone, waits, insist: session.on_terminal() };
    let examined = examine(&config, &*store, &session.clock, &question, &Silent).await?;
    let row = if examined.user == user { asked_for } else { row(&*store, examined.user).await? };
    let attributes = match &examined.uses {
        Some(uses) => provenance::attributes(uses, &examined.names),
        None => provenance::attributes_last_read(&config, &store.coverage(&config.source.name).await?),
    };
    let values = match &row {
        Some(row) => {
            let history = store.change_rows(&Changes::OfUser(row.id.clone()), u32::MAX).await?;
            provenance::of(row, &history, &attributes)
        }
        None => Vec::new(),
    };
    let now = session.clock.now();
    let view =
        View { who, user: row.as_ref(), examined: &examined, values: &values, now, columns: session.screen.columns };
    if session.screen.json {
        session.screen.json(&value(&view))?;
    } else {
        print(session.screen.out(), &view)?;
    }
    Ok(examined.error.as_ref().map_or(exit::DONE, crate::sync::SyncError::exit_code))
}

async fn row(store: &dyn Store, user: Option<UserId>) -> Result<Option<UserRow>, StoreError> {
    let Some(user) = user else { return Ok(None) };
    let Some(account) = store.accounts(&[user]).await?.pop() else { return Ok(None) };
    by_hand::row(store, &account).await
}

/// Two or three entries need no progress bar.
struct Silent;

impl crate::directory::Progress for Silent {
    fn entries(&self, _: &'static str, _: u64) {}
}
