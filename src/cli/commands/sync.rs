//! `rosterd sync`

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::args::Sync;
use crate::cli::commands::{Session, by_hand, saved, users};
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::progress::{Expected, Shown};
use crate::cli::render::{counted, moment, report};
use crate::clock;
use crate::config::{Config, LogFormat};
use crate::daemon;
use crate::plan::Loss;
use crate::plan::explain::Waits;
use crate::roster::State;
use crate::store::{Outcome, Store, Trigger};
use crate::sync::one::{Who, sync_one};
use crate::sync::{self, Report, Request, SyncError};

/// How often a busy source is asked for again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes one run now.
pub async fn run(session: &mut Session, args: &Sync) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let (trigger, insist) = (Trigger::Command, session.on_terminal());
    if let Some(who) = &args.user {
        let who = by_hand::sought(&*store, &config, who).await?;
        let who = whom(session, &*store, who).await?;
        warn_of_held(session, (&*store, &config.source.name), &who).await?;
        return perform(session, &config, &*store, Run::Person(who, insist), args.wait).await;
    }
    let (action, expects) = match &args.plan {
        None => (args.only.into(), None),
        Some(path) => {
            let (action, expected) = saved::read(session, (&config, &*store), path).await?;
            (action, Some(expected))
        }
    };
    let request = Request { trigger, action, approve: None, insist, expects };
    perform(session, &config, &*store, Run::Whole(request), args.wait).await
}

/// What is to be run.
pub enum Run {
    /// Everybody.
    Whole(Request),
    /// One person, who may be tried for at once although the bind was refused a moment ago (E9).
    Person(Who, bool),
}

/// The user who is WHO, or somebody whom the store does not know; several are listed, none is guessed.
pub async fn whom(session: &mut Session, store: &dyn Store, who: &str) -> Result<Who, Failure> {
    let known = by_hand::known(session, store, who).await?;
    Ok(known.map_or_else(|| Who::Unknown(who.to_owned()), Who::User))
}

/// Says that a run holds what somebody would lose: no brake stops what is asked for one person (S4).
async fn warn_of_held(session: &mut Session, (store, source): (&dyn Store, &str), who: &Who) -> Result<(), Failure> {
    let Who::User(user) = who else { return Ok(()) };
    let waits = users::waits(store, source, Some(*user)).await?;
    let Some(Waits { run, held, people, .. }) = waits.filter(|waits| !waits.held.is_empty()) else { return Ok(()) };
    if held.iter().all(|held| held.loses == Loss::Relink) {
        return Ok(());
    }
    let others = match people.saturating_sub(1) {
        0 => String::new(),
        others => format!(" and {}", counted(others, "other", "others")),
    };
    let says = format!(
        "warning: run {run} holds what this person{others} would lose; no brake stops what is asked for one person"
    );
    Ok(session.screen.say(&says)?)
}

/// Makes one run and reports it; the answer is the exit status.
pub async fn perform(
    session: &mut Session,
    config: &Config,
    store: &dyn Store,
    run: Run,
    wait: bool,
) -> Result<u8, Failure> {
    let ended = make(session, config, store, run, wait).await;
    tell(session, &ended?)
}

/// Makes one run, and waits for another one if that is wanted.
pub async fn make(
    session: &mut Session,
    config: &Config,
    store: &dyn Store,
    run: Run,
    wait: bool,
) -> Result<Report, Failure> {
    let _log = logs(session, config).then(|| daemon::log::init(config.log.format, &config.log.level));
    let stop = stop_on_signals()?;
    let progress = progress(session, config, store).await?;
    let mut waiting = false;
    let report = loop {
        let ended = match &run {
            Run::Whole(request) => sync::sync(config, store, &session.clock, *request, &progress, &stop).await,
            Run::Person(who, insist) => sync_one(config, store, &session.clock, (who, *insist), &progress, &stop).await,
        };
        match ended {
            Err(SyncError::Busy { holder, since }) if wait => {
                if !waiting {
                    let since = moment(since);
                    let says = format!(
                        "waiting for process {} on {}, which has been at it since {since}",
                        holder.pid, holder.host
                    );
                    session.screen.say(&says)?;
                    waiting = true;
                }
                tokio::select! {
                    () = tokio::time::sleep(PATIENCE) => {}
                    () = stop.cancelled() => break Err(SyncError::Stopped),
                }
            }
            other => break other,
        }
    };
    progress.clear();
    Ok(report?)
}

/// Says what a run did; the answer is the exit status.
pub fn tell(session: &mut Session, report: &Report) -> Result<u8, Failure> {
    if session.screen.json {
        session.screen.json(&report::value(report))?;
    } else {
        let commands = |words: &str| session.invocation(words);
        let mut text = Vec::new();
        report::print(&mut text, report, &commands)?;
        io::Write::write_all(session.screen.out(), &text)?;
    }
    Ok(exit_code(report))
}

/// The exit status of a run that ended; the gravest that holds.
pub fn exit_code(report: &Report) -> u8 {
    match report.outcome {
        Outcome::Failed | Outcome::Interrupted => exit::FAILED,
        _ if report.incomplete.is_some() => exit::INCOMPLETE,
        Outcome::Incomplete => exit::INCOMPLETE,
        Outcome::Held => exit::HELD,
        Outcome::Ok | Outcome::Running => exit::DONE,
    }
}

/// Whether a command on no terminal writes the log: under systemd, or when a format was chosen on purpose.
pub fn logs(session: &Session, config: &Config) -> bool {
    let journal = clock::environment("JOURNAL_STREAM").is_some();
    !session.screen.interactive && (journal || config.log.format != LogFormat::Auto)
}

/// A bar on a terminal; lines elsewhere, unless the log tells.
pub async fn progress(session: &Session, config: &Config, store: &dyn Store) -> Result<Shown, Failure> {
    if session.screen.interactive {
        return Ok(Shown::bar(expected(config, store).await?));
    }
    Ok(if logs(session, config) { Shown::Nothing } else { Shown::lines(io::stderr()) })
}

async fn expected(config: &Config, store: &dyn Store) -> Result<Expected, Failure> {
    let users = store.user_counts(Some(&config.source.name)).await?;
    let users = users.iter().filter(|(state, _)| *state != State::Deleted).map(|(_, n)| n).sum();
    let groups = store.group_rows().await?;
    let ours = groups.iter().filter(|group| group.source.as_deref() == Some(config.source.name.as_str()));
    Ok(Expected { users, groups: ours.count() as u64 })
}

/// A token that SIGINT and SIGTERM cancel: the run stops between two transactions.
fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind).map_err(Failure::Runtime)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
}
