//! `tests/demo`, whole: what a newcomer is shown, and that nothing stays behind.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::slapd::{installed, left_out};

fn demo(arguments: &[&str], folder: &Path) -> Output {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo"))
        .args(arguments)
        .env("ROSTERD_BIN", env!("CARGO_BIN_EXE_rosterd"))
        .env("TMPDIR", folder)
        .env_remove("ROSTERD_CONFIG")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What has to be seen, in this order; text is compared with its line breaks taken out.
const STORY: [&str; 40] = [
    "rosterd check",
    "0 fail",
    "rosterd plan",
    "exit status 3: changes are pending",
    "rosterd run",
    "Everybody with access, and who is not in and why",
    "FROM roster_users WHERE access",
    "FROM roster_skipped",
    "A hire, found by the schedule",
    "arrived by schedule",
    "A rename, asked for with SIGUSR1",
    "arrived by signal",
    "the same user, the same id",
    "A move, asked for with rosterd sync",
    "arrived by command",
    "An alias, found by the schedule",
    "FROM roster_addresses",
    "Disabled: access ends at once",
    "user.flagged",
    "Return: enabled again",
    "1 restored",
    // A held mass departure by mistake: what, how many of how many, who, why, and the two commands.
    "A mistake: the filter is changed",
    "Held by the brake: 225 of 320 people who had access when brake.window began would be without it",
    "They keep access until a person decides: aadler, abrandt,",
    "`users.filter` was not set and is \"(&(objectClass=inetOrgPerson)(title=Engineer))\"",
    "To see it: rosterd runs show ",
    "If it is right: rosterd approve ",
    "exit status 4: held",
    "nobody lost access",
    "The way out of a mistake",
    "Done: nothing to do.",
    "nothing was lost",
    "Gone: the entry is deleted",
    "arrived by schedule",
    "user.deleted",
    "The same on purpose: rosterd approve",
    "Held by the brake: 44 of 320 people",
    "Done: 43 flagged.",
    "What happened, in the store's own words",
    "healthy since",
];

/// The demo shows hire, rename, move, alias, disable, return, delayed deletion, and a held mass departure with both ways
/// out, by schedule, by SIGUSR1 and by `sync`; it ends by itself and leaves nothing.
#[test]
fn the_demo_tells_the_whole_story_and_cleans_up() {
    for program in ["slapd", "ldapmodify", "openssl", "sqlite3"] {
        if !installed(program) {
            return left_out("the demo", &format!("{program} is not installed"));
        }
    }
    let folder = tempfile::TempDir::new().unwrap();
    let output = demo(&[], folder.path());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    let lines: Vec<&str> = out.lines().map(|line| line.trim().trim_start_matches("| ")).collect();
    let text = lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = text.as_str();
    for wanted in STORY {
        let Some((_, after)) = rest.split_once(wanted) else { panic!("not shown, or not there: {wanted}\n{out}") };
        rest = after;
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the demo's folder stays");
}

#[test]
fn the_demo_says_what_it_does_without_doing_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let help = demo(&["--help"], folder.path());
    let out = String::from_utf8_lossy(&help.stdout);
    assert_eq!((help.status.code(), help.stderr.len()), (Some(0), 0), "{out}");
    assert!(out.contains("tests/demo --keep") && out.contains("a mistake"), "{out}");
    let wrong = demo(&["--hepl"], folder.path());
    assert_eq!((wrong.status.code(), wrong.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--hepl"));
}
