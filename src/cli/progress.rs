//! How far the reading of the directory is: a bar on a terminal, plain lines elsewhere.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::cli::render::number;
use crate::directory::Progress;

/// A plain line each time this many entries more were read.
const STEP: u64 = 10_000;
/// How often the bar moves while nothing is heard.
const TICK: Duration = Duration::from_millis(120);

/// How many entries of each kind the store leads us to expect.
#[derive(Clone, Copy, Default, Debug)]
pub struct Expected {
    /// Users.
    pub users: u64,
    /// Groups.
    pub groups: u64,
}

impl Expected {
    fn of(self, pass: &str) -> u64 {
        if pass == "groups" { self.groups } else { self.users }
    }
}

/// What is shown while a run goes on.
pub enum Shown {
    /// A bar on standard error.
    Bar(Bar),
    /// A line now and then.
    Lines(Lines),
    /// Nothing: the log tells.
    Nothing,
}

impl Shown {
    /// A bar that is drawn at once.
    pub fn bar(expected: Expected) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(style("{spinner} {msg}"));
        bar.set_message("connecting");
        bar.enable_steady_tick(TICK);
        Self::Bar(Bar { bar, expected, doing: Mutex::new("") })
    }

    /// Lines on a stream.
    pub fn lines(out: impl Write + Send + 'static) -> Self {
        Self::Lines(Lines(Mutex::new(LinesState { out: Box::new(out), doing: String::new(), told: 0 })))
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.bar.finish_and_clear();
        }
    }
}

impl Progress for Shown {
    fn entries(&self, pass: &'static str, so_far: u64) {
        match self {
            Self::Bar(bar) => bar.entries(pass, so_far),
            Self::Lines(lines) => lines.tell(&format!("reading {pass}"), so_far),
            Self::Nothing => {}
        }
    }

    fn applied(&self, so_far: u64, of: u64) {
        match self {
            Self::Bar(bar) => bar.show("applying", so_far, of),
            Self::Lines(lines) => lines.tell("applying", so_far),
            Self::Nothing => {}
        }
    }
}

/// A bar; one for each pass, in the same line.
pub struct Bar {
    bar: ProgressBar,
    expected: Expected,
    doing: Mutex<&'static str>,
}

impl Bar {
    fn entries(&self, pass: &'static str, so_far: u64) {
        let doing = if pass == "groups" { "reading groups" } else { "reading users" };
        self.show(doing, so_far, self.expected.of(pass));
    }

    fn show(&self, doing: &'static str, so_far: u64, expected: u64) {
        let mut current = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != doing {
            *current = doing;
            self.bar.set_message(doing);
            match expected {
                0 => self.bar.set_style(style("{spinner} {msg}: {human_pos}, {rate}")),
                expected => {
                    self.bar.set_length(expected);
                    self.bar.set_style(style("{msg} [{wide_bar}] {human_pos} of about {human_len}, {rate}"));
                }
            }
            self.bar.reset();
        }
        if self.bar.length().is_some_and(|length| length < so_far) {
            self.bar.set_length(so_far);
        }
        self.bar.set_position(so_far);
    }
}

/// A template; the plain bar when it does not parse.
fn style(template: &str) -> ProgressStyle {
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        // A rate that cannot be shown is left out.
        let _ = write!(out, "{:.0} a second", state.per_sec());
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("rate", rate)
}

/// Plain lines.
pub struct Lines(Mutex<LinesState>);

struct LinesState {
    out: Box<dyn Write + Send>,
    doing: String,
    told: u64,
}

impl Lines {
    fn tell(&self, doing: &str, so_far: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Progress that cannot be shown is no reason to stop.
        if state.doing != doing {
            state.doing = doing.to_owned();
            state.told = 0;
            let _ = writeln!(state.out, "{doing}");
        }
        if so_far / STEP > state.told / STEP {
            state.told = so_far;
            let _ = writeln!(state.out, "{doing}: {}", number(so_far));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn without_a_terminal_progress_is_a_line_now_and_then() {
        let paper = Paper::default();
        let shown = Shown::lines(paper.clone());
        for (pass, so_far) in [("groups", 3), ("users", 1_000), ("users", 9_999), ("users", 10_000), ("users", 35_000)]
        {
            shown.entries(pass, so_far);
        }
        shown.applied(2_000, 40_000);
        shown.applied(12_000, 40_000);
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "reading groups\nreading users\nreading users: 10,000\nreading users: 35,000\napplying\napplying: 12,000\n"
        );
    }
}
