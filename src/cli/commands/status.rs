//! `rosterd status`

use crate::cli::commands::Session;
use crate::cli::commands::runs::{count_dormant, of_source};
use crate::cli::commands::users::still_held;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::status::{Facts, lasts, print, value, waiting};
use crate::clock::Clock as _;
use crate::store::RunId;

/// Shows how the source is doing.
pub async fn run(session: &mut Session) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let source = config.source.name.as_str();
    let mut runs = of_source(&*store, source).await?;
    let shown: Vec<i64> = lasts(&runs).into_iter().filter_map(|(_, run)| Some(run?.id)).collect();
    count_dormant(&*store, &config, runs.iter_mut().filter(|run| shown.contains(&run.id))).await?;
    let held = match waiting(&runs) {
        Some(run) => still_held(&*store, run.id, store.held(RunId(run.id)).await?).await?,
        None => Vec::new(),
    };
    let now = session.clock.now();
    let freeze = store.freeze(source).await?.filter(|freeze| freeze.until > now);
    let facts = Facts {
        source,
        enabled: config.enabled,
        retired: store.sources().await?.into_iter().find(|one| one.name == source).and_then(|one| one.retired),
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
