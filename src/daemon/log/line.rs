//! One event as a line of text or JSON, with everything that could act on a reader's terminal escaped.

use std::fmt::Write as _;

use tracing::field::{Field, Visit};

use crate::clock::Timestamp;

/// The longest value, in bytes; what is longer is cut, and says how much is missing.
pub const LONGEST_VALUE: usize = 1024;
/// The longest message, in bytes.
pub const LONGEST_MESSAGE: usize = 4096;

/// A value of a field.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Text, as it came.
    Text(String),
    /// Anything that both formats write without quotes: a number, true, false, null.
    Bare(String),
}

/// One event, before it is written.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: tracing::Level,
    /// The stable name; the module for what has none, which is what dependencies say.
    pub event: Option<String>,
    /// The module that said it.
    pub target: String,
    /// One sentence for people.
    pub message: String,
    /// Everything else, in the order in which it was given.
    pub fields: Vec<(&'static str, Value)>,
}

impl Line {
    /// Collects the fields of an event.
    pub fn of(event: &tracing::Event<'_>, at: Timestamp) -> Self {
        let metadata = event.metadata();
        let mut line = Self {
            at,
            level: *metadata.level(),
            event: None,
            target: metadata.target().to_owned(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        line
    }

    /// The level in lower case.
    pub fn level(&self) -> &'static str {
        match self.level {
            tracing::Level::ERROR => "error",
            tracing::Level::WARN => "warn",
            tracing::Level::INFO => "info",
            tracing::Level::DEBUG => "debug",
            tracing::Level::TRACE => "trace",
        }
    }

    /// `AT LEVEL EVENT message key=value …` and a line feed.
    pub fn text(&self) -> String {
        format!("{} {:<5} {}\n", self.at, self.level(), self.summary())
    }

    /// The event's name, the message and the fields, without time and level: journald has its own.
    pub fn summary(&self) -> String {
        let mut out = String::with_capacity(256);
        escape(&mut out, self.event.as_deref().unwrap_or(&self.target));
        if !self.message.is_empty() {
            out.push(' ');
            escape(&mut out, &cut(&self.message, LONGEST_MESSAGE));
        }
        for (name, value) in &self.fields {
            let _ = write!(out, " {name}=");
            match value {
                Value::Bare(value) => out.push_str(value),
                Value::Text(value) => text_value(&mut out, &cut(value, LONGEST_VALUE)),
            }
        }
        out
    }

    /// One flat JSON object and a line feed: `at`, `level`, `event` (or `target`), the fields, `message`.
    pub fn json(&self) -> String {
        let mut out = String::with_capacity(256);
        let _ = write!(out, r#"{{"at":"{}","level":"{}","#, self.at, self.level());
        match &self.event {
            Some(event) => json_pair(&mut out, "event", event, LONGEST_VALUE),
            None => json_pair(&mut out, "target", &self.target, LONGEST_VALUE),
        }
        for (name, value) in &self.fields {
            // A dependency may name a field like one of ours; a key must not stand twice in an object.
            let name = match *name {
                "at" | "level" | "target" => format!("{name}_"),
                name => name.to_owned(),
            };
            match value {
                Value::Bare(value) => {
                    let _ = write!(out, r#","{name}":{value}"#);
                }
                Value::Text(value) => {
                    out.push(',');
                    json_pair(&mut out, &name, value, LONGEST_VALUE);
                }
            }
        }
        out.push(',');
        json_pair(&mut out, "message", &self.message, LONGEST_MESSAGE);
        out.push_str("}\n");
        out
    }

    fn take(&mut self, name: &'static str, value: Value) {
        match (name, value) {
            ("message", Value::Text(text) | Value::Bare(text)) => self.message = text,
            ("event", Value::Text(text)) => self.event = Some(text),
            // Where a bridged `log` record came from; its own metadata only says "log".
            ("log.target", Value::Text(text)) => self.target = text,
            ("log.module_path" | "log.file" | "log.line", _) => {}
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.take(field.name(), Value::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), Value::Text(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field.name(), Value::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field.name(), Value::Bare(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field.name(), Value::Bare(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let value = if value.is_finite() { format!("{value}") } else { "null".to_owned() };
        self.take(field.name(), Value::Bare(value));
    }
}

/// Whether a character may act on a terminal, forge a line, or hide what is written.
///
/// Controls (C0, C1, DEL), line and paragraph separators, bidirectional marks, invisible operators, the byte order
/// mark and language tags. Joiners (U+200C, U+200D) are letters of living scripts and pass.
pub fn hazardous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The beginning of a text, with how many bytes are missing behind it.
fn cut(text: &str, longest: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= longest {
        return text.into();
    }
    let kept = text.get(..text.floor_char_boundary(longest)).unwrap_or_default();
    format!("{kept}…(+{} bytes)", text.len() - kept.len()).into()
}

/// A value cut and escaped, without quotes.
pub(super) fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    escape(&mut out, &cut(value, LONGEST_VALUE));
    out
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        if hazardous(c) { plain(out, c) } else { out.push(c) }
    }
}

fn plain(out: &mut String, c: char) {
    let _ = write!(out, "{}", c.escape_default());
}

/// A value of a text line: in quotes where it would not be one word.
fn text_value(out: &mut String, value: &str) {
    let word = |c: char| !c.is_whitespace() && !hazardous(c) && !matches!(c, '"' | '\\' | '=');
    if !value.is_empty() && value.chars().all(word) {
        out.push_str(value);
        return;
    }
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if hazardous(c) => plain(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `"name":"value"` with the value cut, and every hazardous character as `\uXXXX`, which readers undo.
fn json_pair(out: &mut String, name: &str, value: &str, longest: usize) {
    let _ = write!(out, r#""{name}":""#);
    for c in cut(value, longest).chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if hazardous(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: Vec<(&'static str, Value)>, message: &str) -> Line {
        Line {
            at: Timestamp::from_millis(1_767_323_045_678),
            level: tracing::Level::INFO,
            event: Some("run.finished".to_owned()),
            target: "rosterd::sync".to_owned(),
            message: message.to_owned(),
            fields,
        }
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn text_and_json_carry_the_same_fields() {
        let line = line(
            vec![("run", Value::Bare("7".to_owned())), ("outcome", text("ok")), ("server", text("ldap 1"))],
            "run 7 is done",
        );
        assert_eq!(
            line.text(),
            "2026-01-02T03:04:05.678Z info  run.finished run 7 is done run=7 outcome=ok server=\"ldap 1\"\n"
        );
        assert_eq!(
            line.json(),
            concat!(
                r#"{"at":"2026-01-02T03:04:05.678Z","level":"info","event":"run.finished","run":7,"outcome":"ok","#,
                r#""server":"ldap 1","message":"run 7 is done"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn nothing_that_acts_on_a_terminal_or_forges_a_line_is_written_raw() {
        let evil = "a\u{1b}[2J\nb\r\u{9b}31m\u{7f}\u{202e}c\u{2028}d\u{e0041}";
        let line = line(vec![("dn", text(evil))], evil);
        for written in [line.text(), line.json(), line.summary() + "\n"] {
            let body = written.strip_suffix('\n').unwrap();
            assert!(!body.contains(hazardous), "{body:?}");
        }
        let parsed: serde_json::Value = serde_json::from_str(&line.json()).unwrap();
        assert_eq!(parsed["dn"], evil);
        assert_eq!(parsed["message"], evil);
    }

    #[test]
    fn a_value_cannot_pass_for_another_field() {
        let line = line(vec![("user", text("x access=true")), ("dn", text(r#"cn=a\,"b""#)), ("empty", text(""))], "m");
        assert!(line.text().ends_with(" m user=\"x access=true\" dn=\"cn=a\\\\,\\\"b\\\"\" empty=\"\"\n"), "{line:?}");
        let parsed: serde_json::Value = serde_json::from_str(&line.json()).unwrap();
        assert_eq!(parsed["dn"], r#"cn=a\,"b""#);
    }

    #[test]
    fn a_long_value_is_cut_at_a_character_and_says_how_much_is_missing() {
        let line = line(vec![("notes", text(&"ü".repeat(1000)))], &"m".repeat(5000));
        let parsed: serde_json::Value = serde_json::from_str(&line.json()).unwrap();
        assert_eq!(parsed["notes"], format!("{}…(+976 bytes)", "ü".repeat(512)));
        assert_eq!(parsed["message"], format!("{}…(+904 bytes)", "m".repeat(4096)));
        assert!(line.text().len() < 6000);
    }

    #[test]
    fn what_dependencies_say_has_a_target_and_no_key_twice() {
        let mut line = line(vec![("level", text("3")), ("at", Value::Bare("1".to_owned()))], "m");
        line.event = None;
        assert_eq!(
            line.json(),
            concat!(
                r#"{"at":"2026-01-02T03:04:05.678Z","level":"info","target":"rosterd::sync","level_":"3","at_":1,"#,
                r#""message":"m"}"#,
                "\n"
            )
        );
        assert!(line.text().contains(" rosterd::sync m "));
    }
}
