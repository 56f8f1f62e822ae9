//! What an operator is told: who, why, since when, what to type next.

use serde_json::Value;

use super::real::{dn, has, narrow, people, person};
use crate::support::program::{Site, mounted, said, source};
use crate::support::slapd::{Options, Slapd};

fn modify(slapd: &Slapd, uid: &str, change: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{change}\n\n", dn(uid)));
}

fn remove(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n\n", dn(uid)));
}

fn number(value: &Value) -> String {
    value["id"].to_string()
}

/// A4, U9: whoever goes without an address finds both parties, the cause, since when, and the commands that settle it,
/// as much as the present owner does; and typing them settles it.
#[test]
fn a_claimant_is_told_who_has_it_and_what_to_do() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    modify(&slapd, "u02", "replace: mail\nmail: u01@example.com");
    site.expect(0, &["sync"]);
    let conflict = number(&site.json(&["conflicts"])[0]);
    let claimant = format!("rosterd explain {}", dn("u02"));
    let words = [
        "address-taken  u01@example.com",
        "present owner: u01 (active)",
        "cause: claimed by `u02`",
        "meanwhile: whoever claims it keeps everything else",
        "since: 20",
        &claimant,
        "`u01`, the present owner: to give it away",
        "rosterd sync ",
    ];
    for shown in [&["users", "show", "u02"][..], &["users", "show", "u01"], &["conflicts", "show", &conflict]] {
        has(&site.expect(0, shown), &words);
    }
    let shown = site.json(&["users", "show", "u02"]);
    assert_eq!(shown["conflicts"][0]["claimed_by"][0]["user"], "u02", "{shown}");
    assert!(site.json(&["users", "show", "u00"])["conflicts"].as_array().unwrap().is_empty());
    has(&site.expect(0, &["status"]), &["Waits for you  1 conflict: rosterd conflicts --config "]);
    modify(&slapd, "u01", "replace: mail\nmail: other@example.com");
    site.expect(0, &["sync"]);
    assert_eq!(site.user("u02").unwrap()["primary_address"], "u01@example.com");
    has(&site.expect(0, &["status"]), &["Waits for you  nothing"]);
}

/// B1: the held run says whose number it is, who went already, and the way out when it was a mistake; an approval says
/// what becomes of those who were let go, and a second one what waits now.
#[test]
fn a_held_run_is_followed_to_its_end() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    for uid in ["u18", "u19"] {
        remove(&slapd, uid);
    }
    site.expect(0, &["sync"]);
    narrow(&mut site, "(uid=u0*)");
    let said = "10 of 20 people who had access when brake.window began would be without it (2 of them already";
    let mistake = "put the configuration or the directory right";
    has(&site.expect(4, &["plan"]), &[said, "; now 8 filtered-out", "Already went within brake.window: u18, u19"]);
    has(&site.expect(4, &["sync"]), &[said, "Already went within brake.window: u18, u19", mistake]);
    let held = site.expect(0, &["runs", "show", "3"]);
    has(&held, &[said, "already went within brake.window: u18, u19", mistake, "If it is right: rosterd approve 3"]);
    has(&site.expect(0, &["status"]), &[said, mistake, "run 3 held 8 people: u10"]);
    assert!(site.expect(0, &["approve", "--help"]).out.contains("Nothing has to be approved"));

    let done = site.expect(0, &["approve", "3"]);
    has(
        &done,
        &[
            "8 people have no access from now on, and are deleted after 20",
            "(in 14 days)",
            "rosterd conflicts ignore N",
            "Nothing waits for approval now.",
        ],
    );
    has(&site.expect(0, &["runs", "show", "4"]), &["approved  what run 3 held"]);
    assert_eq!(site.json(&["runs", "show", "4"])["approves"], 3);
    let old = site.expect(0, &["runs", "show", "3"]);
    has(&old, &["It was approved: run 4 did it."]);
    assert!(!old.out.contains("approve 3"), "{old:?}");
    let again = site.expect(1, &["approve", "3"]);
    assert!(again.err.contains("nothing of what run 3 held waits any more: run 4 did it"), "{again:?}");
    let refused = site.expect(1, &["approve", "1"]);
    assert!(refused.err.contains("there is nothing to approve. Nothing waits for approval now"), "{refused:?}");

    narrow(&mut site, "(uid=u09)");
    site.expect(4, &["sync"]);
    let refused = site.expect(1, &["approve", "1"]);
    assert!(refused.err.contains("Run 5 is the one that waits now: rosterd runs show 5"), "{refused:?}");
    has(&site.expect(0, &["runs", "show", "3"]), &["It was approved"]);
    // The way out, as it is told: put it right, sync, and nothing has to be approved.
    narrow(&mut site, "(objectClass=inetOrgPerson)");
    has(&site.expect(0, &["sync"]), &["8 restored"]);
    has(&site.expect(0, &["runs", "show", "5"]), &["nothing of this waits any more"]);
    // Nor is it accepted for another time.
    narrow(&mut site, "(uid=u09)");
    let refused = site.expect(1, &["approve", "5"]);
    assert!(refused.err.contains("a later run looked again and ended well"), "{refused:?}");
    site.expect(4, &["sync"]);
}

/// D3, L6: somebody flagged is found by the address that the entry has now, and somebody deleted by the last one.
#[test]
fn somebody_is_found_by_the_address_of_the_entry_and_by_the_last_one() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let mut site = Site::new(&slapd);
    site.set("domains", "managed = [\"example.com\"]\n");
    site.expect(0, &["sync"]);
    modify(&slapd, "u01", "replace: mail\nmail: u01@elsewhere.example");
    remove(&slapd, "u02");
    site.expect(0, &["sync"]);
    site.expect(0, &["users", "delete", "u02", "--yes"]);
    let moved = site.expect(0, &["users", "show", "U01@elsewhere.example"]);
    has(&moved, &["state: pending, no access", "unmanaged-domain", "u01@example.com  (primary)"]);
    assert!(moved.err.contains("the entry of this user has it now"), "{moved:?}");
    for who in ["u02@example.com", "u02"] {
        let deleted = site.expect(0, &["users", "show", who]);
        assert!(deleted.out.contains("state: deleted") && deleted.err.contains("who is deleted"), "{deleted:?}");
    }
    site.expect(1, &["users", "show", "u03"]);
}

/// E2, E1: `check` fails where `sync` would, names each fault once, and blames nothing else for it.
#[test]
fn check_names_the_fault_and_not_what_comes_of_it() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let mut site = Site::new(&slapd);
    narrow(&mut site, "(uid=nobody)");
    has(&site.expect(0, &["check"]), &["warn  users           nothing found with filter `(uid=nobody)`; correct"]);
    narrow(&mut site, "(uid=u*)");
    site.expect(0, &["sync"]);
    narrow(&mut site, "(uid=nobody)");
    site.expect(5, &["sync"]);
    has(
        &site.expect(1, &["check"]),
        &["fail  users           nothing found with filter `(uid=nobody)`, but the store has 3 users of this source"],
    );
    site.set("users", "base_dns = [\"ou=peeple,dc=example,dc=com\"]\n");
    let base = site.expect(1, &["check"]);
    has(&base, &["fail  base            users.base_dns `ou=peeple,", ", 1 fail"]);
    assert!(!base.out.contains("users.filter"), "{base:?}");
    narrow(&mut site, "(uid=u*)");
    site.set("users.attributes", "unique_id = \"entriUUID\"\nmail = \"maill\"\n");
    let schema = site.expect(1, &["check"]);
    has(&schema, &["unique_id names the attribute `entriuuid`", "mail names the attribute `maill`", ", 2 fail"]);
    assert!(!schema.out.contains("cannot be understood") && !schema.out.contains("users.filter"), "{schema:?}");
}

/// E1, L2: without the DN under which everybody is looked for, nobody who leaves could be judged; every command says so.
#[test]
fn a_misspelt_root_is_told_and_takes_nobody_away() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let mut site = Site::new(&slapd);
    site.set("users", "base_dns = [\"ou=people,dc=example,dc=com\"]\n");
    site.expect(0, &["sync"]);
    let proof = ["bound as `dn:cn=rosterd,", "3 user entries and 0 group entries, every page to the last, under"];
    has(&site.expect(0, &["runs", "show", "1"]), &proof);
    has(&site.expect(0, &["status"]), &["  proof: bound as `dn:cn=", "; source.base_dn is the object "]);
    let right = source(&slapd, slapd.url(), "");
    site.set("source", &right.replace("base_dn = \"dc=example,", "base_dn = \"ou=nowhere,dc=example,"));
    remove(&slapd, "u01");
    let says = "source.base_dn `ou=nowhere,dc=example,dc=com`";
    let check = site.expect(1, &["check"]);
    has(&check, &["fail  base            source.base_dn `ou=nowhere,", ", 1 fail"]);
    assert_eq!(format!("{check:?}").matches("does not lie under").count(), 2, "once a key: {check:?}");
    for words in [&["plan"][..], &["sync"], &["status"], &["runs", "show", "2"], &["explain", "u01"]] {
        let said = site.run(words);
        assert!(said.out.contains(says) || said.err.contains(says), "{words:?}: {said:?}");
    }
    has(&site.expect(0, &["users", "show", "u01"]), &["active"]);
    assert!(site.json(&["runs", "show", "2"])["proof"].is_null(), "an incomplete run has no proof");
    site.set("source", &right);
    has(&site.expect(0, &["sync"]), &["1 flagged"]);
    has(&site.expect(0, &["runs", "show", "3"]), &["1 vanished person looked up by unique id: 1 gone"]);
}

/// What only looks works in a folder that cannot be written; what writes says what it needs, in words.
#[test]
fn who_may_only_read_may_look() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt as _;

    const NOBODY: u32 = 65_534;
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let mut site = Site::new(&slapd);
    let (program, password) = (site.path("program"), site.path("password"));
    std::fs::copy(env!("CARGO_BIN_EXE_rosterd"), &program).unwrap();
    std::fs::copy(slapd.password_file(), &password).unwrap();
    let from = source(&slapd, slapd.url(), "");
    site.set("source", &from.replace(slapd.password_file().to_str().unwrap(), password.to_str().unwrap()));
    site.expect(0, &["sync"]);
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let folder = site.path("");
    mode(&password, 0o600);
    mode(&site.path("roster.db"), 0o444);
    // Root may write everything, so somebody else has to look.
    let root = rustix::process::getuid().is_root();
    if root {
        chown(&password, Some(NOBODY), None).unwrap();
    }
    mode(&folder, 0o555);
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.arg("--config").arg(site.config()).args(words).stdin(std::process::Stdio::null());
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        said(&command.output().unwrap())
    };
    let looks = [&["status"][..], &["plan"], &["users", "show", "u01"], &["runs"], &["check"]];
    let looks = looks.map(|words| (words, run(words)));
    let sync = run(&["sync"]);
    mode(&folder, 0o755);
    for (words, said) in looks {
        let fails = words == ["check"];
        assert_eq!(said.code, i32::from(fails), "{words:?}: {said:?}");
        assert_eq!(said.out.contains("roster.db cannot be written by this user (uid "), fails, "{said:?}");
    }
    assert_eq!(sync.code, 1, "{sync:?}");
    assert!(sync.err.contains("it is read-only: ") && sync.err.contains("run as the owner of the file"), "{sync:?}");
    assert!(!sync.err.contains("lease"), "{sync:?}");
}

/// A file system that the kernel made read-only is nothing that rights could mend.
#[test]
fn a_store_on_a_file_system_that_is_read_only_says_so() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let run = |words: &[&str]| {
        let mount = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"";
        said(&mounted(mount, &site.path(""), &site.command(words)).output().unwrap())
    };
    let check = run(&["check"]);
    assert!(check.code == 1 && check.out.contains("is on a file system that is mounted read-only"), "{check:?}");
    let sync = run(&["sync"]);
    assert!(sync.code == 1 && sync.err.contains("it is read-only: its file system is mounted so"), "{sync:?}");
    assert_eq!(run(&["users", "list"]).code, 0);
}

/// U9, E5: who is left out, and what somebody came in without, are never called the same.
#[test]
fn people_left_out_and_values_left_out_have_words_of_their_own() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let broken = "proxyAddresses: smtp:no address\n";
    slapd.ldif(&(people(1) + &person("ada", "ada@example.com", broken) + &person("eve", "", "")));
    let site = Site::new(&slapd);
    let words = ["Left out: 1 person (1 no-address).", "Came in without: 1 value (1 malformed-address)."];
    has(&site.expect(3, &["plan"]), &words);
    has(&site.expect(0, &["sync"]), &words);
    has(&site.expect(0, &["plan"]), &words);
    has(&site.expect(0, &["status"]), &["Left out       1 person (1 no-", "Came in without 1 value (1 malformed-"]);
    has(&site.expect(0, &["users", "show", "ada"]), &["came in without, in the last run: malformed-address (A6)"]);
    let eve = site.expect(1, &["users", "show", "eve"]);
    assert!(eve.err.contains("left out uid=eve,"), "{eve:?}");
    // Whose entry cannot be understood any more stays as before, which is neither.
    modify(&slapd, "ada", "delete: proxyAddresses");
    modify(&slapd, "u00", "add: uid\nuid: second");
    has(&site.expect(0, &["sync"]), &["Stay as they were: 1 person (1 unreadable)."]);
    has(&site.expect(0, &["users", "show", "u00"]), &["as before, because the last run did not apply the entry: unre"]);
}

/// Names are sorted as people count, and those who are deleted come last; runs of one minute are told apart.
#[test]
fn lists_read_as_people_count() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let all = ["p10", "p9", "p2", "p1"].map(|uid| person(uid, &format!("{uid}@example.com"), ""));
    slapd.ldif(&all.concat());
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    remove(&slapd, "p1");
    site.expect(0, &["sync"]);
    site.expect(0, &["users", "delete", "p1", "--yes"]);
    let users = site.json(&["users", "list"]);
    let names: Vec<_> = users.as_array().unwrap().iter().map(|user| user["username"].as_str()).collect();
    assert_eq!(names, [Some("p2"), Some("p9"), Some("p10"), None]);
    let show = site.expect(0, &["users", "show", "p2"]);
    assert!(!show.out.contains("Z\n") && show.out.matches(" UTC").count() > 2, "one form of time: {show:?}");
}
