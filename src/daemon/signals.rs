//! What signals ask for.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::sync::mpsc;

/// What somebody asks of a running daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGUSR1: Sync Now (S4).
    SyncNow,
    /// SIGHUP: read the configuration again (S5).
    Reload,
    /// SIGTERM or SIGINT: stop (S5); the name of the signal.
    Stop(&'static str),
}

/// The signals of this process, or of a test.
#[derive(Debug)]
pub struct Signals(mpsc::Receiver<Signal>);

impl Signals {
    /// Takes over SIGUSR1, SIGHUP, SIGTERM and SIGINT of this process, for good. From here on none of them ends it.
    /// Must be called within a tokio runtime.
    pub fn install() -> io::Result<Self> {
        let streams = Streams {
            user: signal(SignalKind::user_defined1())?,
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        let (sender, signals) = Self::channel();
        tokio::spawn(streams.forward(sender));
        Ok(signals)
    }

    /// Signals that somebody else sends.
    pub fn channel() -> (mpsc::Sender<Signal>, Self) {
        let (sender, receiver) = mpsc::channel(16);
        (sender, Self(receiver))
    }

    /// The next signal; waits for ever when nobody can send one any more.
    pub async fn next(&mut self) -> Signal {
        match self.0.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

struct Streams {
    user: Stream,
    hangup: Stream,
    terminate: Stream,
    interrupt: Stream,
}

impl Streams {
    async fn forward(mut self, to: mpsc::Sender<Signal>) {
        loop {
            let signal = tokio::select! {
                // A stop overtakes a storm of other signals.
                biased;
                Some(()) = self.terminate.recv() => Signal::Stop("SIGTERM"),
                Some(()) = self.interrupt.recv() => Signal::Stop("SIGINT"),
                Some(()) = self.hangup.recv() => Signal::Reload,
                Some(()) = self.user.recv() => Signal::SyncNow,
                else => return,
            };
            if to.send(signal).await.is_err() {
                return;
            }
        }
    }
}
