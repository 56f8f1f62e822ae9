//! What people type, and what they are shown.
//!
//! [`args`] has the words, [`commands`] does what they say, [`render`] turns values into text or JSON and does nothing
//! else. Data goes to standard output, everything else to standard error. Exit status: see [`exit`].

pub mod args;
pub mod commands;
pub mod escape;
pub mod failure;
pub mod json;
pub mod progress;
pub mod prompt;
mod provenance;
pub mod render;
pub mod screen;
pub mod style;
pub mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::args::Cli;
use crate::cli::commands::Session;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;

/// What the exit status means; where several hold, the first of 78, 1, 5, 4, 3.
pub mod exit {
    /// Done, warnings included.
    pub const DONE: u8 = 0;
    /// Failed: server unreachable, bind refused, store trouble, or what was asked for is not there.
    pub const FAILED: u8 = 1;
    /// The arguments make no sense.
    pub const USAGE: u8 = 2;
    /// `plan`: a run would change something.
    pub const PENDING: u8 = 3;
    /// The brake holds departures.
    pub const HELD: u8 = 4;
    /// The directory was not read to the end.
    pub const INCOMPLETE: u8 = 5;
    /// Another process is running the sync of this source.
    pub const BUSY: u8 = 6;
    /// The configuration is refused.
    pub const CONFIG: u8 = 78;
}

/// The whole program: from arguments, the program's name first, to the exit status.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let grammar = Cli::command().color(wanted_color(&arguments));
    let parsed = grammar.try_get_matches_from(&arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => {
            let words = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
            ExitCode::from(run(cli, words.collect()))
        }
        Err(refusal) => {
            // A closed pipe is the reader's choice.
            let _ = refusal.print();
            ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(exit::USAGE))
        }
    }
}

/// `--color` as far as it can be told before the arguments are understood: help and usage errors obey it too.
fn wanted_color(arguments: &[OsString]) -> clap::ColorChoice {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let apart = words.windows(2).find_map(|pair| match pair {
        ["--color", when] => Some(*when),
        _ => None,
    });
    let joined = words.iter().find_map(|word| word.strip_prefix("--color="));
    match joined.or(apart) {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    }
}

fn run(cli: Cli, words: Vec<String>) -> u8 {
    let mut session = Session::new(&cli, words);
    let ended = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime).and_then(
        |runtime| {
            let ended = runtime.block_on(commands::dispatch(&mut session, cli.command));
            // A name look-up that nobody waits for any more must not hold the exit up.
            runtime.shutdown_background();
            ended
        },
    );
    let status = ended.and_then(|status| Ok(session.screen.flush().map(|()| status)?));
    status.unwrap_or_else(|failure| {
        let command = session.commands();
        tell(&mut session.screen, &failure, &command)
    })
}

/// Says what went wrong; when even that cannot be written, the exit status has to do.
fn tell(screen: &mut Screen, failure: &Failure, command: &dyn Fn(&str) -> String) -> u8 {
    let _ = screen.flush();
    let _ = failure.tell(screen.err(), command);
    failure.exit_code()
}
