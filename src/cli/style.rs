//! What colours mean. Every meaning is in the words too.

use anstyle::{AnsiColor, Effects, Style};

/// Gained.
pub const GAIN: Style = AnsiColor::Green.on_default();
/// Changed.
pub const CHANGE: Style = AnsiColor::Yellow.on_default();
/// Lost.
pub const LOSS: Style = AnsiColor::Red.on_default();
/// Held, contested, failed.
pub const ALARM: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
/// A heading.
pub const HEADING: Style = Style::new().effects(Effects::BOLD);
/// Of less interest.
pub const FAINT: Style = Style::new().effects(Effects::DIMMED);

/// What a state looks like.
pub fn of_state(state: &str) -> Style {
    match state {
        "active" => GAIN,
        "pending" => LOSS,
        "kept" => CHANGE,
        _ => FAINT,
    }
}
