//! The one door through which text from the directory reaches a terminal.
//!
//! A name may hold escape sequences that repaint the screen, line breaks that forge a line, or marks that turn the
//! reading order round. Nothing of that kind is printed raw, on a terminal or not.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use crate::daemon::log::line::hazardous;

/// The widest value shown in running text, in columns; longer ones end in `…`.
pub const LONGEST: usize = 160;

/// Text that is safe to print: hazardous characters written as Rust writes them (`\n`, `\u{1b}`).
pub fn text(raw: &str) -> Cow<'_, str> {
    if !raw.contains(hazardous) {
        return Cow::Borrowed(raw);
    }
    let mut safe = String::with_capacity(raw.len() + 8);
    for c in raw.chars() {
        if hazardous(c) {
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Safe text of at most `columns` columns; what is cut off is replaced by `…`.
///
/// Marks of no width count too, four to a column, so that a pile of accents is cut as well.
pub fn cut(raw: &str, columns: usize) -> Cow<'_, str> {
    let safe = text(raw);
    if safe.width() <= columns && safe.chars().count() <= columns.saturating_mul(4) {
        return safe;
    }
    let room = columns.saturating_sub(1);
    let mut used = 0;
    let mut kept = String::new();
    for (n, c) in safe.chars().enumerate() {
        used += c.width().unwrap_or(0);
        if used > room || n >= room.saturating_mul(4) {
            break;
        }
        kept.push(c);
    }
    while kept.width() > room {
        kept.pop();
    }
    if columns > 0 {
        kept.push('…');
    }
    Cow::Owned(kept)
}

/// A value in running text: safe, and cut at [`LONGEST`].
pub fn value(raw: &str) -> Cow<'_, str> {
    cut(raw, LONGEST)
}

/// Any text: nothing hazardous comes through, it is no wider than asked for, and safe text stays what it is.
#[cfg(any(test, fuzzing))]
pub fn fuzz(data: &[u8]) {
    let Ok(raw) = std::str::from_utf8(data.get(1..).unwrap_or_default()) else { return };
    let columns = usize::from(data.first().copied().unwrap_or_default());
    let safe = text(raw);
    assert!(!safe.contains(hazardous), "{raw:?}");
    assert!(!safe.chars().any(char::is_control), "{raw:?}");
    assert_eq!(text(&safe), safe, "{raw:?}");
    let short = cut(raw, columns);
    assert!(!short.contains(hazardous) && short.width() <= columns, "{raw:?} in {columns} columns: {short:?}");
    assert!(short.chars().count() <= columns * 4 + 1, "{raw:?} in {columns} columns: {short:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_line_breaks_and_bidi_marks_never_come_through() {
        assert_eq!(text("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(text("a\nb\r\tc\0"), "a\\nb\\r\\tc\\u{0}");
        assert_eq!(text("\u{202e}gpj.exe\u{2069}"), "\\u{202e}gpj.exe\\u{2069}");
        assert_eq!(text("\u{9b}31m \u{7f}\u{2028}\u{feff}\u{e0041}"), "\\u{9b}31m \\u{7f}\\u{2028}\\u{feff}\\u{e0041}");
        assert_eq!(text("Adèle Ωμέγα 李 👩\u{200d}💻"), "Adèle Ωμέγα 李 👩\u{200d}💻");
    }

    #[test]
    fn long_values_are_cut_by_columns_not_by_bytes() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("李李李李", 6), "李李…");
        assert_eq!(cut("abc", 0), "");
        let pile = format!("a{}", "\u{301}".repeat(10_000));
        assert!(cut(&pile, 10).chars().count() <= 40);
    }

    proptest::proptest! {
        #[test]
        fn no_input_at_all_puts_a_hazardous_character_out(raw in ".*", columns in 0_usize..200) {
            proptest::prop_assert!(!text(&raw).contains(hazardous));
            let cut = cut(&raw, columns);
            proptest::prop_assert!(!cut.contains(hazardous));
            proptest::prop_assert!(cut.width() <= columns);
        }
    }
}
