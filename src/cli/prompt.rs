//! Questions that a person answers at the terminal.

use std::io::{self, BufRead as _, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::escape;

/// Asks for a line; what is typed is shown.
pub fn line(err: &mut dyn Write, question: &str) -> io::Result<String> {
    write!(err, "{}: ", escape::text(question))?;
    err.flush()?;
    read()
}

/// Asks for a password; what is typed is not shown. `None` when the person breaks off.
pub async fn password(err: &mut dyn Write, question: &str) -> io::Result<Option<String>> {
    // Before the question: what is typed from then on counts.
    let hidden = Hidden::begin()?;
    write!(err, "{}: ", escape::text(question))?;
    err.flush()?;
    let typed = tokio::task::spawn_blocking(read);
    let answer = tokio::select! {
        typed = typed => typed.map_err(io::Error::other)?.map(Some),
        _ = tokio::signal::ctrl_c() => Ok(None),
    };
    drop(hidden);
    writeln!(err)?;
    answer
}

fn read() -> io::Result<String> {
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let line = answer.strip_suffix('\n').unwrap_or(&answer);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// While it lives, the terminal does not show what is typed; what was typed before is dropped at both ends.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing better can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
