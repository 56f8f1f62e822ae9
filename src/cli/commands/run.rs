//! `rosterd run`

use std::sync::Arc;

use crate::cli::commands::Session;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::clock::SystemClock;
use crate::daemon;
use crate::sync::source::in_use;

/// Runs the daemon until it is told to stop.
pub async fn run(session: &mut Session) -> Result<u8, Failure> {
    if session.screen.json {
        let says = "`run` shows nothing that could be JSON; for a log in JSON set [log] format = \"json\"";
        return Err(Failure::Usage(says.to_owned()));
    }
    let config = session.config_loudly()?;
    let log = daemon::log::init(config.log.format, &config.log.level);
    let store = session.store(&config).await?;
    in_use(&*store, &config.source.name).await?;
    let path = session.path().to_owned();
    daemon::run(&path, config, store, Arc::new(SystemClock), log).await?;
    Ok(exit::DONE)
}
