//! Why a command did not do what it was asked to.

use std::error::Error as _;
use std::io::{self, Write};

use thiserror::Error;

use crate::cli::render::{moment, told};
use crate::cli::{escape, exit, style};
use crate::config::Problems;
use crate::daemon::DaemonError;
use crate::store::StoreError;
use crate::sync::SyncError;

/// Why a command ended early.
#[derive(Debug, Error)]
pub enum Failure {
    /// The configuration is refused; every problem is told.
    #[error("the configuration is refused")]
    Config(Problems),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// What was asked for is not there, or may not be done; the sentence says what to do.
    #[error("{0}")]
    Refused(String),
    /// The arguments make no sense together.
    #[error("{0}")]
    Usage(String),
    /// The output cannot be written (a closed pipe is no failure).
    #[error("cannot write the output")]
    Output(#[from] io::Error),
    /// Threads or the event loop cannot be had.
    #[error("cannot start the runtime; look at the limits of this process (ulimit -u, ulimit -n)")]
    Runtime(#[source] io::Error),
    /// The log has told it; only the exit status is left to say.
    #[error("the log says why")]
    Logged(u8),
    /// The daemon did not start.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
}

impl Failure {
    /// The exit status.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => exit::CONFIG,
            Self::Usage(_) => exit::USAGE,
            Self::Sync(error) => error.exit_code(),
            Self::Logged(status) => *status,
            Self::Store(_) | Self::Refused(_) | Self::Output(_) | Self::Runtime(_) | Self::Daemon(_) => exit::FAILED,
        }
    }

    /// Says it, escaped, with every cause beneath; `command` turns `sync` into what a person types.
    pub fn tell(&self, err: &mut dyn Write, command: &dyn Fn(&str) -> String) -> io::Result<()> {
        let alarm = style::ALARM;
        if let Self::Logged(_) = self {
            return Ok(());
        }
        if let Self::Config(problems) = self {
            for problem in problems.iter() {
                writeln!(err, "{}", escape::text(&problem.to_string()))?;
            }
        }
        let mut said = self.says(command);
        writeln!(err, "{alarm}error{alarm:#}: {}", told(&said))?;
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // What a driver repeats of its cause differs in case, or in the number of the error.
            let bare = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
            if !said.to_lowercase().contains(&bare) {
                writeln!(err, "  because: {}", escape::text(&text))?;
                said = text;
            }
            cause = error.source();
        }
        Ok(())
    }

    fn says(&self, command: &dyn Fn(&str) -> String) -> String {
        match self {
            Self::Config(problems) => match problems.iter().count() {
                1 => format!("{self} for one problem"),
                n => format!("{self} for {n} problems"),
            },
            Self::Sync(SyncError::Busy { holder, since }) => format!(
                "another process is running the sync of this source: process {} on {}, since {}; --wait waits for it",
                holder.pid,
                holder.host,
                moment(*since)
            ),
            Self::Sync(error @ SyncError::BindRefusedBefore { .. }) => {
                error.to_string().replace("`rosterd sync`", &format!("`{}`", command("sync")))
            }
            _ => self.to_string(),
        }
    }
}
