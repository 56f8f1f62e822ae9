//! Where output goes: data to standard output, everything else to standard error.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::AutoStream;
use clap::ColorChoice;
use serde::Serialize;

use crate::cli::{escape, json};

/// Both streams of the process, with what is known of them.
///
/// Whatever is written may carry styles; they are taken out where the stream or the person wants none. A reader who
/// closed the pipe (`| head`) is no error: what would follow is dropped in silence, and the command goes on.
pub struct Screen {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    unread: Arc<AtomicBool>,
    /// Columns of the terminal that standard output is; `None` when it is none.
    pub columns: Option<usize>,
    /// Whether standard error is a terminal.
    pub interactive: bool,
    /// Whether data is shown as JSON.
    pub json: bool,
}

impl Screen {
    /// The process's own streams.
    pub fn of_process(color: ColorChoice, json: bool) -> Self {
        let choice = stream_choice(color);
        let stdout = io::stdout();
        let columns = stdout.is_terminal().then(|| terminal_columns(&stdout)).flatten();
        let out = Quiet::new(BufWriter::new(AutoStream::new(stdout, choice)));
        Self {
            unread: Arc::clone(&out.closed),
            out: Box::new(out),
            err: Box::new(Quiet::new(AutoStream::new(io::stderr(), choice))),
            columns,
            interactive: io::stderr().is_terminal(),
            json,
        }
    }

    /// Data: what was asked for.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// Whether nobody reads standard output any more, as far as was noticed.
    pub fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Everything else: warnings, errors, progress.
    pub fn err(&mut self) -> &mut dyn Write {
        &mut *self.err
    }

    /// Prints one value as JSON.
    pub fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        json::write(&mut *self.out, value)
    }

    /// Prints one value as JSON in one line.
    pub fn json_line<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        json::line(&mut *self.out, value)
    }

    /// Says something on standard error, each line escaped.
    pub fn say(&mut self, lines: &str) -> io::Result<()> {
        for line in lines.lines() {
            writeln!(self.err, "{}", escape::text(line))?;
        }
        Ok(())
    }

    /// Says what was done, on standard output.
    pub fn done(&mut self, says: &str) -> io::Result<()> {
        writeln!(self.out, "{}", escape::text(says))
    }

    /// Writes out what is still buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.err.flush()
    }
}

/// What anstream calls clap's choice.
pub fn stream_choice(color: ColorChoice) -> anstream::ColorChoice {
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
}

fn terminal_columns(stream: &impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A writer that forgets everything once its reader is gone.
struct Quiet<W> {
    inner: W,
    closed: Arc<AtomicBool>,
}

impl<W: Write> Quiet<W> {
    fn new(inner: W) -> Self {
        Self { inner, closed: Arc::default() }
    }

    fn unless_closed<T>(&mut self, result: io::Result<T>, instead: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(instead)
            }
            other => other,
        }
    }
}

impl<W: Write> Write for Quiet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed.load(Ordering::Relaxed) {
            return Ok(bytes.len());
        }
        let written = self.inner.write(bytes);
        self.unless_closed(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let flushed = self.inner.flush();
        self.unless_closed(flushed, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_reader_who_left_is_no_error() {
        let mut quiet = Quiet::new(BufWriter::with_capacity(4, Closed));
        for _ in 0..3 {
            quiet.write_all(b"more than four bytes").unwrap();
        }
        quiet.flush().unwrap();
    }
}
