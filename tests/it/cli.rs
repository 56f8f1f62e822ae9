//! The command line, by the real binary: words, exit status, what goes where.

mod changes;
mod departing;
mod explained;
mod foretold;
mod real;
mod told;
mod words;

use std::process::{Command, Output, Stdio};

/// The program with nothing of this process's environment that could change what it does.
fn rosterd(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
    command.args(words).stdin(Stdio::null());
    for name in ["ROSTERD_CONFIG", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "JOURNAL_STREAM", "COLUMNS"] {
        command.env_remove(name);
    }
    command
}

struct Said {
    status: i32,
    out: String,
    err: String,
}

fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Said {
        status: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// Every command that needs a configuration, as typed.
const COMMANDS: [&[&str]; 41] = [
    &["changes", "--since", "1"],
    &["run"],
    &["sync"],
    &["sync", "--only", "cleanup", "--full", "--wait"],
    &["plan"],
    &["plan", "--only", "groups"],
    &["check"],
    &["status"],
    &["runs"],
    &["runs", "list"],
    &["runs", "show", "1"],
    &["users"],
    &["users", "list"],
    &["users", "show", "ada"],
    &["users", "add", "--origin", "manual", "--username", "ada", "--address", "ada@example.com"],
    &["users", "set", "ada", "x=1"],
    &["users", "delete", "ada"],
    &["users", "restore", "ada"],
    &["users", "erase", "ada"],
    &["groups"],
    &["groups", "show", "sales"],
    &["conflicts"],
    &["conflicts", "list"],
    &["conflicts", "show", "1"],
    &["conflicts", "delete", "1"],
    &["conflicts", "ignore", "1"],
    &["rules", "list", "ada"],
    &["rules", "allow", "ada", "x"],
    &["rules", "deny", "ada", "x"],
    &["rules", "remove", "ada", "x"],
    &["freeze"],
    &["freeze", "--for", "4h", "DC patching"],
    &["freeze", "--off"],
    &["source"],
    &["source", "list"],
    &["source", "rename", "corp", "head-office"],
    &["source", "retire", "--force"],
    &["approve", "1"],
    &["migrate"],
    &["config", "print"],
    &["config", "validate"],
];

#[test]
fn words_that_make_no_sense_end_with_2_and_say_why_on_standard_error() {
    let wrong: [&[&str]; 14] = [
        &[],
        &["frobnicate"],
        &["explain"],
        &["freeze", "--for", "soon"],
        &["sync", "--only", "everything"],
        &["sync", "--user", "ada", "--only", "users"],
        &["runs", "show"],
        &["runs", "show", "last"],
        &["runs", "--limit", "0"],
        &["users", "show"],
        &["users", "list", "--state", "gone"],
        &["approve"],
        &["config"],
        &["--color", "sometimes", "status"],
    ];
    for words in wrong {
        let said = said(&mut rosterd(words));
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{words:?}: {}", said.err);
        assert!(!said.err.is_empty(), "{words:?}");
    }
}

#[test]
fn a_daemon_has_nothing_to_say_in_json() {
    let said = said(&mut rosterd(&["run", "--json"]));
    assert_eq!(said.status, 2);
    assert!(said.err.contains("[log] format"), "{}", said.err);
}

/// UNBLU-10
#[test]
fn a_configuration_that_is_not_there_is_refused_by_every_command_with_78() {
    for words in COMMANDS {
        for place in [0, words.len()] {
            let mut all = words.to_vec();
            all.splice(place..place, ["--config", "/nonexistent/rosterd.toml"]);
            let said = said(&mut rosterd(&all));
            assert_eq!((said.status, said.out.as_str()), (78, ""), "{all:?}: {}", said.err);
            assert!(said.err.contains("/nonexistent/rosterd.toml"), "{all:?}: {}", said.err);
        }
    }
}

#[test]
fn the_configuration_is_found_by_argument_before_environment_before_the_usual_place() {
    let environment = said(rosterd(&["status"]).env("ROSTERD_CONFIG", "/nonexistent/environment.toml"));
    assert!(environment.err.contains("/nonexistent/environment.toml"), "{}", environment.err);
    let both = ["status", "--config", "/nonexistent/argument.toml"];
    let both = said(rosterd(&both).env("ROSTERD_CONFIG", "/nonexistent/environment.toml"));
    assert!(both.err.contains("/nonexistent/argument.toml"), "{}", both.err);
    let empty = said(rosterd(&["status"]).env("ROSTERD_CONFIG", ""));
    // Whoever has a configuration in the usual place gets an answer from it.
    assert!(empty.status == 0 || empty.err.contains("/etc/rosterd/rosterd.toml"), "{}", empty.err);
}

#[test]
fn a_name_that_forges_the_screen_is_shown_escaped() {
    let said = said(&mut rosterd(&["--config", "/nonexistent/\u{1b}[2J\u{202e}\n.toml", "--color", "never", "status"]));
    assert_eq!(said.status, 78);
    assert!(!said.err.contains('\u{1b}') && !said.err.contains('\u{202e}'), "{:?}", said.err);
}

#[test]
fn help_and_version_go_to_standard_output_and_end_with_0() {
    for words in [vec!["--help"], vec!["-h"], vec!["help"], vec!["sync", "--help"], vec!["users", "show", "--help"]] {
        let said = said(&mut rosterd(&words));
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{words:?}");
        assert!(said.out.contains("Usage: rosterd"), "{words:?}: {}", said.out);
    }
    let version = said(&mut rosterd(&["--version"]));
    assert_eq!((version.status, version.out), (0, format!("rosterd {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_help_of_every_command_reads_like_this() {
    let mut all = String::new();
    let mut seen: Vec<Vec<&str>> = Vec::new();
    for words in std::iter::once(&[] as &[&str]).chain(COMMANDS).chain([&["config"] as &[&str], &["init"]]) {
        let words: Vec<&str> = words.iter().copied().take_while(|word| !word.starts_with('-')).collect();
        let words: Vec<&str> =
            words.into_iter().filter(|word| !["1", "ada", "sales", "x", "x=1"].contains(word)).collect();
        if seen.contains(&words) {
            continue;
        }
        let mut asked = words.clone();
        asked.push("--help");
        let said = said(&mut rosterd(&asked));
        all.push_str(&format!("$ rosterd {}\n{}\n", asked.join(" "), said.out));
        seen.push(words);
    }
    insta::assert_snapshot!("help", all);
}

#[test]
fn help_fits_a_terminal_of_80_columns() {
    for words in std::iter::once(&[] as &[&str]).chain(COMMANDS).chain([&["config"] as &[&str], &["init"]]) {
        let words: Vec<&str> = words.iter().copied().take_while(|word| !word.starts_with('-')).collect();
        let said = said(rosterd(&words).arg("--help").env("COLUMNS", "80"));
        for line in said.out.lines() {
            // Clap does not fold what a command looks like.
            assert!(line.chars().count() <= 80 || line.starts_with("Usage:"), "{words:?}: {line}");
        }
    }
}

#[test]
fn a_reader_who_closes_the_pipe_is_no_error() {
    let mut child = rosterd(&["--help"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn colour_is_for_those_who_ask_for_it() {
    let refused = ["status", "--config", "/nonexistent/rosterd.toml", "--color"];
    let coloured = |when: &str| said(rosterd(&refused).arg(when)).err.contains("\u{1b}[");
    assert!(coloured("always"));
    assert!(!coloured("never"));
    assert!(!coloured("auto"), "no terminal, no colour");
    let usage = said(rosterd(&["frobnicate", "--color", "always"]).env("NO_COLOR", "1"));
    assert!(usage.err.contains("\u{1b}["), "said on purpose, on the command line");
}
