//! `rosterd run`

use std::sync::Arc;

use crate::cli::commands::Session;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::clock::SystemClock;
use crate::config::LogFormat;
use crate::daemon;
use crate::store::StoreError;
use crate::sync::chain;
use crate::sync::source::in_use;

/// What becomes of a daemon that cannot begin.
const ENDS: &str = "the daemon does not start";

/// Runs the daemon until it is told to stop.
///
/// What keeps it from starting is told to a person on a terminal, and to the log everywhere else.
pub async fn run(session: &mut Session) -> Result<u8, Failure> {
    if session.screen.json {
        let says = "`run` shows nothing that could be JSON; for a log in JSON set [log] format = \"json\"";
        return Err(Failure::Usage(says.to_owned()));
    }
    start(session).await.map_err(|failure| match session.screen.interactive {
        true => failure,
        false => logged(session, failure),
    })
}

async fn start(session: &mut Session) -> Result<u8, Failure> {
    let config = session.config_loudly()?;
    let log = daemon::log::init(config.log.format, &config.log.level);
    let store = session.store(&config).await?;
    in_use(&*store, &config.source.name).await?;
    let path = session.path().to_owned();
    daemon::run(&path, config, store, Arc::new(SystemClock), log).await?;
    Ok(exit::DONE)
}

/// Tells the log what keeps the daemon from starting, if there is an event for it.
fn logged(session: &Session, failure: Failure) -> Failure {
    let status = failure.exit_code();
    match failure {
        Failure::Config(problems) => {
            // Which format it asks for is not known.
            daemon::log::init(LogFormat::Auto, "info");
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            daemon::config_refused(session.path(), &problems, ENDS);
        }
        Failure::Store(error) | Failure::Daemon(daemon::DaemonError::Store(error)) => store_unreachable(&error),
        other => return other,
    }
    Failure::Logged(status)
}

fn store_unreachable(error: &StoreError) {
    let error = chain(error);
    tracing::error!(event = "store.unreachable", error, "{ENDS}");
}
