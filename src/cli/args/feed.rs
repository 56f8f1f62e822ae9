//! The words of `rosterd changes`.

use clap::Args;

/// What stands below the help of `rosterd changes`.
pub const EXAMPLES: &str = "\
Every change has a number, in the order in which changes were made. Whoever
remembers the number of the last one, and goes on behind it, misses nothing
and sees nothing twice. What was dropped meanwhile (history.keep) is told, and
ends with 1: then read the roster as a whole and go on from `last` in the view
roster_feed.

With --json each change is an object in a line of its own.

Examples:
  rosterd changes --since 4711
  rosterd changes --follow
  rosterd changes --since 4711 --follow --json";

/// Arguments of `changes`.
#[derive(Args, Debug)]
pub struct Changes {
    /// Only what came after the change with this number [default: all that is kept; with --follow only what comes]
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(i64).range(0..))]
    pub since: Option<i64>,
    /// Go on, with each change as soon as it is made, until stopped
    #[arg(long)]
    pub follow: bool,
}
