//! JSON that is safe to look at in a terminal.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::cli::escape;

/// Writes one value, indented, with a line break at the end.
///
/// JSON itself escapes only C0 controls; here everything [`escape::hazardous`] is written as `\uXXXX`, which every
/// reader of JSON takes for the same character.
pub fn write<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(&mut *out, Safe(PrettyFormatter::new()));
    value.serialize(&mut serializer)?;
    writeln!(out)
}

/// Writes one value as one line.
pub fn line<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Safe(CompactFormatter)))?;
    writeln!(out)
}

/// An array whose elements are made one at a time, while they are written.
pub struct Stream<F>(pub F);

impl<F, I> Serialize for Stream<F>
where
    F: Fn() -> I,
    I: Iterator<Item = Value>,
{
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// A formatter with one more kind of escape.
struct Safe<F>(F);

impl<F: Formatter> Formatter for Safe<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        if !fragment.contains(escape::hazardous) {
            return out.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            if escape::hazardous(c) {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            } else {
                write!(out, "{c}")?;
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }
    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }
    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }
    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }
    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }
    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn json_keeps_every_value_and_shows_nothing_hazardous(key in ".*", text in ".*") {
            let value = serde_json::json!({ key: [text, 1, null] });
            let mut out = Vec::new();
            write(&mut out, &value).unwrap();
            let out = String::from_utf8(out).unwrap();
            proptest::prop_assert!(!out.replace('\n', "").contains(escape::hazardous));
            proptest::prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), value.clone());
            let mut out = Vec::new();
            line(&mut out, &value).unwrap();
            let out = String::from_utf8(out).unwrap();
            proptest::prop_assert!(!out.strip_suffix('\n').unwrap().contains(escape::hazardous));
            proptest::prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), value);
        }
    }
}
