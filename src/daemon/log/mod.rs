//! The log: one line an event, with a stable `event` field, the same fields in every format.
//!
//! Lines go to stderr (or to journald's own socket), so that stdout stays for what was asked for. A value that came
//! from a directory can hold anything: nothing that acts on a terminal or forges a line is ever written raw, and
//! long values are cut ([`mod@line`]).
//!
//! What this program says is logged from the level of the configuration on; what its dependencies say (by `tracing`
//! or by `log`), from errors on, because what they warn of is told by this program where it matters; from `debug` on, their
//! warnings as well.

mod journald;
pub mod line;

use std::io::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::{Clock, SystemClock, environment};
use crate::config::LogFormat;

pub use journald::Journal;
use line::Line;

/// How lines are written; [`LogFormat::Auto`] resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For people.
    Text,
    /// One object a line.
    Json,
    /// journald's native protocol, fields as journal fields named `ROSTERD_…`.
    Journald,
}

/// Which format `auto` means: text on a terminal, journald when stderr is the journal's, else JSON.
pub fn resolve(format: LogFormat, terminal: bool, journal: bool) -> Format {
    match format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
        LogFormat::Journald => Format::Journald,
        LogFormat::Auto if terminal => Format::Text,
        LogFormat::Auto if journal => Format::Journald,
        LogFormat::Auto => Format::Json,
    }
}

/// Whether stderr is a stream to journald: `$JOURNAL_STREAM` names its device and inode (systemd.exec(5)).
fn stderr_is_journal() -> bool {
    let Some(named) = environment("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Starts the log of this process, bridges the `log` records of dependencies, and logs panics.
///
/// `level` is `error`, `warn`, `info`, `debug` or `trace`; anything else counts as `info`. Where journald is asked for
/// and cannot be reached, lines are JSON on stderr. Only the first call of a process has an effect.
pub fn init(format: LogFormat, level: &str) -> Handle {
    let terminal = io::IsTerminal::is_terminal(&io::stderr());
    let (sink, trouble) = match resolve(format, terminal, stderr_is_journal()) {
        Format::Journald => match Journal::open() {
            Ok(journal) => (Sink::Journal(journal), None),
            Err(error) => (Sink::Lines { json: true, to: Box::new(|| Box::new(io::stderr())) }, Some(error)),
        },
        Format::Json => (Sink::Lines { json: true, to: Box::new(|| Box::new(io::stderr())) }, None),
        Format::Text => (Sink::Lines { json: false, to: Box::new(|| Box::new(io::stderr())) }, None),
    };
    // The bridge takes over the level it finds, for good: it has to find the widest one of dependencies.
    let (filter, reload) = reload::Layer::new(levels("debug"));
    let layer = Events { clock: Arc::new(SystemClock), sink };
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().is_ok();
    let handle = Handle { reload };
    handle.set_level(level);
    if started {
        std::panic::set_hook(Box::new(|panic| {
            let at = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(event = "panic", at_code = at, "{}", panicked(panic.payload()));
        }));
    }
    if let Some(error) = trouble {
        let error = error.to_string();
        tracing::warn!(event = "log.journald", error, "cannot reach journald, logging JSON to stderr");
    }
    handle
}

/// What a panic said.
pub fn panicked(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("internal error: {}", text.unwrap_or("a panic without a text"))
}

/// What is logged at a level: this program from there on, everything else from errors on, or from warnings on where
/// details are wanted.
fn levels(level: &str) -> Targets {
    let ours = LevelFilter::from_str(level).unwrap_or(LevelFilter::INFO);
    let theirs = if ours >= LevelFilter::DEBUG { LevelFilter::WARN } else { LevelFilter::ERROR };
    Targets::new().with_target("rosterd", ours).with_default(ours.min(theirs))
}

/// Changes the level of a running log.
#[derive(Clone, Debug)]
pub struct Handle {
    reload: reload::Handle<Targets, Registry>,
}

impl Handle {
    /// Logs from this level on; anything but a level's name counts as `info`.
    pub fn set_level(&self, level: &str) {
        // It fails only when the log is gone, and then nobody reads it.
        let _ = self.reload.reload(levels(level));
    }
}

/// A layer that writes every event as one line of text or JSON to what `to` opens.
pub fn lines<W: Write + 'static>(
    json: bool,
    clock: Arc<dyn Clock>,
    to: impl Fn() -> W + Send + Sync + 'static,
) -> Events {
    Events { clock, sink: Sink::Lines { json, to: Box::new(move || Box::new(to())) } }
}

/// A layer that sends every event to journald.
pub fn journal(clock: Arc<dyn Clock>, to: Journal) -> Events {
    Events { clock, sink: Sink::Journal(to) }
}

/// The layer that [`lines`] and [`journal`] make.
pub struct Events {
    clock: Arc<dyn Clock>,
    sink: Sink,
}

enum Sink {
    Lines { json: bool, to: Box<dyn Fn() -> Box<dyn Write> + Send + Sync> },
    Journal(Journal),
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Events {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event, self.clock.now());
        // A log that cannot be written has nowhere to say so.
        let _ = match &self.sink {
            Sink::Lines { json: true, to } => to().write_all(line.json().as_bytes()),
            Sink::Lines { json: false, to } => to().write_all(line.text().as_bytes()),
            Sink::Journal(journal) => journal.send(&line),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_text_on_a_terminal_journald_under_systemd_else_json() {
        for (terminal, journal, format) in [
            (true, false, Format::Text),
            (true, true, Format::Text),
            (false, true, Format::Journald),
            (false, false, Format::Json),
        ] {
            assert_eq!(resolve(LogFormat::Auto, terminal, journal), format);
        }
        assert_eq!(resolve(LogFormat::Text, false, true), Format::Text);
        assert_eq!(resolve(LogFormat::Json, true, true), Format::Json);
        assert_eq!(resolve(LogFormat::Journald, true, false), Format::Journald);
    }

    #[test]
    fn the_level_is_ours_and_dependencies_speak_from_errors_on() {
        use tracing::Level;
        let info = levels("info");
        assert!(info.would_enable("rosterd::sync", &Level::INFO));
        assert!(!info.would_enable("rosterd::sync", &Level::DEBUG));
        assert!(info.would_enable("log", &Level::ERROR));
        assert!(!info.would_enable("ldap3::conn", &Level::WARN));
        assert!(!info.would_enable("sqlx::query", &Level::INFO));
        assert!(!levels("debug").would_enable("sqlx::query", &Level::DEBUG));
        assert!(levels("debug").would_enable("rosterd", &Level::DEBUG));
        assert!(levels("debug").would_enable("ldap3::conn", &Level::WARN));
        assert!(!levels("error").would_enable("log", &Level::WARN));
        assert!(levels("loud").would_enable("rosterd", &Level::INFO));
    }
}
