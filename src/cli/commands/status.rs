//! `rosterd status`

use crate::cli::commands::Session;
use crate::cli::commands::runs::of_source;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::status::{Facts, print, value, waiting};
use crate::clock::Clock as _;
use crate::store::RunId;

/// Shows how the source is doing.
pub async fn run(session: &mut Session) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let source = config.source.name.as_str();
    let runs = of_source(&*store, source).await?;
    let held = match waiting(&runs) {
        Some(run) => store.held(RunId(run.id)).await?,
        None => Vec::new(),
    };
    let now = session.clock.now();
    let freeze = store.freeze(source).await?.filter(|freeze| freeze.until > now);
    let facts = Facts {
        source,
        enabled: config.enabled,
        runs: &runs,
        schedules: &config.schedules,
        people: &store.user_counts(Some(source)).await?,
        conflicts: &store.conflict_rows(true).await?,
        skipped: &store.skip_rows(Some(source)).await?,
        held: &held,
        store: &session.store_name(&*store),
        freeze: freeze.as_ref(),
        now,
    };
    if session.screen.json {
        session.screen.json(&value(&facts))?;
    } else {
        let mut text = Vec::new();
        print(&mut text, &facts, &|words| session.invocation(words))?;
        session.screen.out().write_all(&text)?;
    }
    Ok(exit::DONE)
}
