//! journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), as far as lines of bounded length need it.
//!
//! Written here because values have to be escaped like everywhere else, and because a message must show the fields:
//! `journalctl` prints nothing but MESSAGE.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::line::{Line, Value};

/// A way to journald.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// journald of this machine.
    pub fn open() -> io::Result<Self> {
        Self::at(Path::new("/run/systemd/journal/socket"))
    }

    /// A journald that listens on a socket. Fails when nobody does.
    pub fn at(path: &Path) -> io::Result<Self> {
        let journal = Self { socket: UnixDatagram::unbound()?, path: path.to_owned() };
        // An empty datagram is ignored by journald; it shows whether somebody listens.
        journal.socket.send_to(&[], &journal.path)?;
        Ok(journal)
    }

    /// Sends one line. The socket is named anew each time, so that a restarted journald is found again.
    pub fn send(&self, line: &Line) -> io::Result<()> {
        self.socket.send_to(&datagram(line), &self.path).map(drop)
    }
}

fn datagram(line: &Line) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    put(&mut out, "PRIORITY", priority(line.level));
    put(&mut out, "SYSLOG_IDENTIFIER", "rosterd");
    put(&mut out, "MESSAGE", &line.summary());
    put(&mut out, "TARGET", &line.target);
    if let Some(event) = &line.event {
        put(&mut out, "ROSTERD_EVENT", event);
    }
    for (name, value) in &line.fields {
        let (Value::Text(value) | Value::Bare(value)) = value;
        put(&mut out, &format!("ROSTERD_{}", field_name(name)), &super::line::escaped(value));
    }
    out
}

/// syslog's severity (RFC 5424 section 6.2.1).
fn priority(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "3",
        tracing::Level::WARN => "4",
        tracing::Level::INFO => "6",
        tracing::Level::DEBUG | tracing::Level::TRACE => "7",
    }
}

/// Upper case letters, digits and underscores are all that journald takes.
fn field_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Values are escaped already, so that none holds a line feed and the short form `NAME=value` does.
fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    out.extend(value.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn fields_become_journal_fields_and_the_message_shows_them_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::at(&path).unwrap();
        journal
            .send(&Line {
                at: Timestamp::from_millis(0),
                level: tracing::Level::WARN,
                event: Some("run.held".to_owned()),
                target: "rosterd::sync".to_owned(),
                message: "held".to_owned(),
                fields: vec![
                    ("run", Value::Bare("7".to_owned())),
                    ("would.go", Value::Text("a\nPRIORITY=0\u{1b}".to_owned())),
                ],
            })
            .unwrap();
        let mut buffer = [0; 4096];
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 0);
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(
            std::str::from_utf8(&buffer[..length]).unwrap(),
            "PRIORITY=4\nSYSLOG_IDENTIFIER=rosterd\n\
             MESSAGE=run.held held run=7 would.go=\"a\\nPRIORITY=0\\u{1b}\"\n\
             TARGET=rosterd::sync\nROSTERD_EVENT=run.held\nROSTERD_RUN=7\n\
             ROSTERD_WOULD_GO=a\\nPRIORITY=0\\u{1b}\n"
        );
    }

    #[test]
    fn a_journald_that_is_not_there_is_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        Journal::at(&folder.path().join("nobody")).unwrap_err();
    }
}
