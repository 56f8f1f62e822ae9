//! The command line on a real directory and a real store.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::support::program::{Said, Site, said, source, wait_until};
use crate::support::slapd::{Options, Slapd};

pub(super) const BASE: &str = "dc=example,dc=com";

/// Commands that only look, and end with 0 whatever the store holds.
const LOOKS: [&[&str]; 6] = [&["status"], &["runs"], &["users"], &["groups"], &["conflicts"], &["config", "print"]];

pub(super) fn dn(uid: &str) -> String {
    format!("uid={uid},ou=people,{BASE}")
}

/// LDIF of one person; `mail` may be empty.
pub(super) fn person(uid: &str, mail: &str, more: &str) -> String {
    let mail = if mail.is_empty() { String::new() } else { format!("mail: {mail}\n") };
    format!(
        "dn: {}\nobjectClass: inetOrgPerson\nobjectClass: rosterMailUser\nuid: {uid}\ncn: {uid}\nsn: {uid}\n{mail}{more}\n",
        dn(uid)
    )
}

pub(super) fn people(count: usize) -> String {
    (0..count).map(|n| person(&format!("u{n:02}"), &format!("u{n:02}@example.com"), "")).collect()
}

fn sales(member: &str) -> String {
    format!("dn: cn=sales,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: sales\nmember: {}\n\n", dn(member))
}

/// Only the people that match, from now on.
pub(super) fn narrow(site: &mut Site, filter: &str) {
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\nfilter = \"{filter}\"\n"));
}

pub(super) fn has(said: &Said, words: &[&str]) {
    for word in words {
        assert!(said.out.contains(word), "{word}\n{}\n{}", said.out, said.err);
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// VIPRE-23, COVATA-19: The contract's exit status: 0, 3, 4, 5 and 1 (2 and 78 need no server; 6 has a test of its
/// own).
#[test]
fn plan_and_sync_end_with_the_status_of_what_they_found() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&(people(20) + &sales("u00")));
    let mut site = Site::new(&slapd);
    let plan = site.expect(3, &["plan"]);
    has(&plan, &["New people", "+ u00", "Plan: 20 to add.\nGroups: 1 to add; memberships: 1 to add.\n"]);
    assert_eq!(site.json(&["users"]), Value::Array(vec![]), "a plan changes nothing");
    assert!(!site.path("roster.db").exists(), "it does not even create the store");
    let done = site.expect(0, &["sync"]);
    has(&done, &["Done: 20 added.\nGroups: 1 added; memberships: 1 added.\n"]);
    assert_eq!(done.err, "reading groups\nreading users\napplying\n", "no terminal, so plain lines");
    has(&site.expect(0, &["plan"]), &["Plan: nothing to do.\n"]);

    narrow(&mut site, "(uid=u0*)");
    let held = "10 of 20 people who had access";
    has(
        &site.expect(4, &["plan"]),
        &[held, "Held: they keep access", "! u10 would lose access", "; 10 people held.\n"],
    );
    has(&site.expect(4, &["sync"]), &[held, "u10, u11", "rosterd runs show 2", "rosterd approve 2"]);

    narrow(&mut site, "(uid=nobody)");
    has(&site.expect(5, &["plan"]), &["Incomplete (no-users)"]);
    has(&site.expect(5, &["sync"]), &["Incomplete (no-users)", "Nobody is taken for missing"]);
    assert_eq!(site.count("active"), 20);

    slapd.kill();
    for words in [&["plan"], &["sync"], &["check"]] {
        let failed = site.expect(1, words);
        assert!(format!("{}{}", failed.out, failed.err).contains(slapd.url()), "names the server: {failed:?}");
    }
    for words in LOOKS {
        site.expect(0, words);
    }
}

/// S3, the contract's exit status 6
#[test]
fn a_second_sync_names_the_first_or_waits_for_it() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    slapd.stop();
    let quiet = |words: &[&str]| site.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let first = quiet(&["sync"]);
    let going_on = || (site.json(&["runs"])[0]["outcome"] == "running").then_some(());
    wait_until(Duration::from_secs(10), going_on).expect("the first one has begun");
    let busy = site.expect(6, &["sync"]);
    for word in [format!("process {} on ", first.id()), "since 20".to_owned(), "--wait".to_owned()] {
        assert!(busy.err.contains(&word), "{word}: {busy:?}");
    }
    assert_eq!(busy.out, "");
    let patient = quiet(&["sync", "--wait"]);
    std::thread::sleep(Duration::from_millis(1_500));
    slapd.cont();
    let (first, pid) = (first.wait_with_output().unwrap(), busy.err.clone());
    assert_eq!(first.status.code(), Some(0), "{pid}");
    let patient = said(&patient.wait_with_output().unwrap());
    assert_eq!(patient.code, 0, "{patient:?}");
    assert_eq!(patient.err.matches("waiting for process").count(), 1, "said once: {patient:?}");
    assert_eq!(site.json(&["runs"])[0]["id"], 3);
}

/// B1
#[test]
fn what_is_held_is_shown_and_can_be_approved_once_somebody_read_it() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    narrow(&mut site, "(uid=u0*)");
    site.expect(4, &["sync"]);

    let status = site.expect(0, &["status"]);
    has(&status, &["NOT HEALTHY since", "run 2 held 10 people: u10, u11", "rosterd approve 2"]);
    let status = site.json(&["status"]);
    assert_eq!((&status["healthy"], &status["waiting"]["run"]), (&Value::Bool(false), &2.into()));
    has(&site.expect(0, &["runs"]), &["held", "20 added"]);
    has(&site.expect(0, &["runs", "show", "2"]), &["Held: 10 people (missing)", "! u10", "rosterd approve 2"]);
    assert_eq!(site.json(&["runs", "show", "2"])["held"].as_array().unwrap().len(), 10);

    for (run, says) in [("1", "held nothing"), ("99", "there is no run 99")] {
        let refused = site.expect(1, &["approve", run]);
        assert!(refused.err.contains(says), "{refused:?}");
    }
    has(&site.expect(0, &["approve", "2"]), &["Done: 10 flagged."]);
    has(&site.expect(0, &["runs", "show", "3"]), &["- user.flagged", "u15", "pending_reason=filtered-out", "(L2)"]);
    has(&site.expect(0, &["status"]), &["healthy since", "10 active, 10 pending", "Waits for you  nothing"]);
    let u15 = site.expect(0, &["users", "show", "u15"]);
    has(&u15, &["state: pending, no access", "filtered-out", "deleted after: 20", "settled by:", "run 3 "]);
}

/// VIPRE-15, OKV-29: WHO of the contract, in every one of its ways.
#[test]
fn somebody_is_found_in_every_way_and_nobody_is_guessed() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&person("ada", "ada@example.com", "proxyAddresses: smtp:countess@example.com\n"));
    slapd.ldif(&(person("bob", "bob@example.com", "") + &person("eve", "", "")));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let ada = site.user("ada").unwrap();
    let text = |key: &str| ada[key].as_str().unwrap().to_owned();
    let ways = [
        text("id"),
        text("unique_id"),
        dn("ada"),
        "ADA".into(),
        "Ada@Example.com".into(),
        "countess@example.com".into(),
    ];
    for who in ways {
        assert_eq!(site.json(&["users", "show", &who])["id"], ada["id"], "{who}");
    }
    let nobody = site.expect(1, &["users", "show", "ad"]);
    assert!(nobody.out.is_empty() && nobody.err.contains("no user has `ad`"), "{nobody:?}");
    for who in ["eve", &dn("eve")] {
        let left_out = site.expect(1, &["users", "show", who]);
        assert!(left_out.err.contains("no-address (A1)"), "{left_out:?}");
    }
    // The name of somebody pending is free for a newcomer: then two people bear it.
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n\n", dn("bob")));
    site.expect(0, &["sync"]);
    slapd.ldif(&person("bob", "robert@example.com", ""));
    site.expect(0, &["sync"]);
    let both = site.expect(1, &["users", "show", "bob"]);
    has(&both, &["bob@example.com", "robert@example.com"]);
    assert!(both.err.contains("2 users are `bob`"), "{both:?}");
    assert_eq!(site.json(&["users", "show", "bob"]).as_array().unwrap().len(), 2);
}

#[test]
fn what_is_shown_has_the_columns_of_the_views() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&(people(2) + &sales("u00")));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let columns = |text: &'static str| text.split(", ").collect::<BTreeSet<_>>();
    let users = columns(
        "id, source, origin, unique_id, dn, username, user_principal_name, primary_address, display_name, given_name, \
         surname, home_phone, mobile, company, department, notes, role, state, access, pending_reason, flagged_at, \
         delete_after, transferred_to, extra, created_at, updated_at",
    );
    let user = &site.json(&["users", "list"])[0];
    assert!(keys(user).is_superset(&users) && user["aliases"].is_array(), "{user}");
    let runs = columns(
        "id, source, trigger, action, mode, outcome, started_at, finished_at, entries, added, updated, moved, flagged, \
         restored, deleted, conflicts, skipped, error",
    );
    assert!(keys(&site.json(&["runs", "list"])[0]).is_superset(&runs));
    let changes = columns("seq, run_id, at, kind, user_id, group_id, before, after, rule");
    let run = site.json(&["runs", "show", "1"]);
    assert!(keys(&run).is_superset(&runs) && keys(&run["changes"][0]) == changes, "{run}");
    let groups = columns("id, source, origin, unique_id, dn, name, state, created_at");
    assert!(keys(&site.json(&["groups", "list"])[0]).is_superset(&groups));
    let sales = site.json(&["groups", "show", "Sales"]);
    assert!(keys(&sales).is_superset(&groups) && sales["members"][0]["username"] == "u00", "{sales}");
    let shown = site.expect(0, &["groups", "show", &format!("cn=sales,ou=groups,{BASE}")]);
    has(&shown, &["state: active", "u00@example.com"]);
    let plan = site.json(&["plan"]);
    assert_eq!((&plan["pending"], &plan["users"]), (&Value::Bool(false), &Value::Array(vec![])));
}

#[test]
fn a_name_full_of_escapes_reaches_nobody_raw() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    // "\e[31mred\n\u{202e}\u{9b}2J", which LDIF wants in base 64.
    slapd.ldif(&person("evil", "evil@example.com", "displayName:: G1szMW1yZWQK4oCuwpsySg==\n"));
    let site = Site::new(&slapd);
    let hazards = |text: &str| text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'));
    let commands: [&[&str]; 7] =
        [&["plan"], &["check"], &["sync"], &["users"], &["users", "show", "evil"], &["runs", "show", "1"], &["status"]];
    for words in commands {
        for json in [&["--color", "never"] as &[&str], &["--color", "never", "--json"]] {
            let said = site.run(&[words, json].concat());
            assert!(!hazards(&said.out) && !hazards(&said.err), "{words:?}: {said:?}");
        }
    }
    let name = site.user("evil").unwrap()["display_name"].as_str().unwrap().to_owned();
    assert_eq!(name, "\u{1b}[31mred\n\u{202e}\u{9b}2J", "JSON keeps the value itself");
    has(&site.expect(0, &["users"]), &[r"\u{1b}[31mred\n\u{202e}\u{9b}2J"]);
}

#[test]
fn a_reader_who_leaves_stops_the_output_and_not_the_sync() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(40));
    let site = Site::new(&slapd);
    for (words, code) in [(&["plan"] as &[&str], 3), (&["sync"], 0), (&["users"], 0), (&["users", "--json"], 0)] {
        let mut child = site.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let left = said(&child.wait_with_output().unwrap());
        assert_eq!(left.code, code, "{words:?}: {left:?}");
        assert!(!left.err.contains("error") && !left.err.contains("panicked"), "{words:?}: {left:?}");
    }
    assert_eq!(site.count("active"), 40);
}

/// VIPRE-47, COVATA-18, OKV-18
#[test]
fn check_says_step_by_step_what_is_well_and_what_is_not() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let mut site = Site::new(&slapd);
    site.set("[schedule]", "cron = \"0 30 2 * * ?\"\ntimezone = \"Europe/Zurich\"\n");
    let well = site.expect(0, &["check"]);
    let steps: Vec<&str> = well.out.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    for step in ["configuration", "store", "server", "users", "schedule"] {
        assert!(steps.contains(&step), "{step}: {}", well.out);
    }
    has(&well, &["empty; the first sync creates what it needs", " 0 fail", "(Europe/Zurich)"]);
    site.expect(0, &["sync"]);
    has(&site.expect(0, &["check"]), &["the schema is current"]);
    site.set("source", &source(&slapd, slapd.url(), "").replace("corp", "crop"));
    let renamed = site.expect(1, &["check"]);
    assert!(renamed.out.lines().any(|line| line.starts_with("fail  source")), "I9: {}", renamed.out);
    site.set("source", &source(&slapd, slapd.url(), ""));
    let json = site.json(&["check"]);
    assert!(json.as_array().unwrap().iter().all(|step| step["verdict"] != "fail"), "{json}");
    site.set("source", &source(&slapd, slapd.url(), "").replace(slapd.bind_dn(), &format!("cn=wrong,{BASE}")));
    let wrong = site.expect(1, &["check"]);
    assert!(wrong.out.lines().any(|line| line.starts_with("fail  bind")), "{}", wrong.out);
    site.set("store", "url = \"sqlite:///proc/nowhere/roster.db\"\n");
    assert!(site.expect(1, &["check"]).out.lines().any(|line| line.starts_with("fail  store")));
    site.expect(1, &["status"]);
}

/// COVATA-15, OKV-18
#[test]
fn the_configuration_is_shown_without_secrets_and_accepted_or_refused() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    let print = site.expect(0, &["config", "print"]);
    has(&print, &["[source]", "page_size = 1000"]);
    assert!(!print.out.contains(slapd.password()), "{}", print.out);
    has(&site.expect(0, &["config", "validate"]), &["accepted"]);
    site.set("brake", "at_leest = 5\npercent = \"many\"\n");
    let refused = site.expect(78, &["config", "validate"]);
    assert_eq!(refused.out, "");
    for word in ["at_least", "percent", "2 problems"] {
        assert!(refused.err.contains(word), "{word}: {}", refused.err);
    }
    let refused = site.expect(78, &["config", "validate", "--json"]);
    let shown: Value = serde_json::from_str(&refused.out).unwrap();
    assert_eq!((&shown["accepted"], shown["problems"].as_array().unwrap().len()), (&Value::Bool(false), 2), "{shown}");
    assert_eq!(refused.err, "", "as JSON, and nowhere else");
}

#[test]
fn migrate_creates_the_store_once_and_says_from_where_to_where() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let site = Site::new(&slapd);
    has(&site.expect(0, &["migrate"]), &["migrated from empty to current"]);
    has(&site.expect(0, &["migrate"]), &["already current"]);
    assert_eq!(site.json(&["migrate"])["from"], "current");
}

/// S1
#[test]
fn a_source_that_is_switched_off_is_said_and_leaves_no_run() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let mut site = Site::new(&slapd);
    site.set("source", &source(&slapd, slapd.url(), "enabled = false"));
    has(&site.expect(0, &["sync"]), &["source.enabled = false"]);
    assert_eq!(site.json(&["runs"]), Value::Array(vec![]));
    has(&site.expect(0, &["status"]), &["source.enabled = false"]);
    site.expect(0, &["plan"]);
    site.expect(0, &["check"]);
}

/// E9: a refused password is not tried again without a person, by whatever command, nor by what only looks.
#[test]
fn a_refused_password_is_not_tried_again_by_any_command() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    site.set("source", &source(&slapd, slapd.url(), "").replace(slapd.bind_dn(), &format!("cn=wrong,{BASE}")));
    let refused = site.expect(1, &["plan"]);
    assert!(!refused.err.contains("the next try is at"), "{refused:?}");
    for command in ["sync", "plan", "check"] {
        let said = site.expect(1, &[command]);
        assert!(format!("{said:?}").contains("the next try is at"), "{command}: {said:?}");
        // `check` has no command of its own in it.
        assert!(command == "check" || said.err.contains("run `rosterd sync --config "), "{command}: {said:?}");
    }
    site.set("source", &source(&slapd, slapd.url(), ""));
    site.expect(0, &["check"]);
    site.expect(0, &["sync"]);
}

/// U4: somebody left out is found by the address, with the test that holds; somebody locked out is told which it is.
#[test]
fn a_disabled_person_is_told_which_test_holds() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let locked = "pwdAccountLockedTime: 000001010000Z\n";
    slapd.ldif(&(person("ada", "ada@example.com", "") + &person("bob", "bob@example.com", locked)));
    let site = Site::new(&slapd);
    has(&site.expect(0, &["sync"]), &["Done: 1 added.", "Left out: 1 person (1 disabled)."]);
    let test = "a disabled test holds: `pwdaccountlockedtime` is `000001010000Z`";
    let shown = site.expect(1, &["users", "show", "bob@example.com"]);
    assert!(shown.err.contains(test) && shown.err.contains("`rosterd explain bob@example.com`"), "{shown:?}");
    let explained = site.expect(0, &["explain", "bob@example.com"]);
    has(&explained, &["holds: `pwdaccountlockedtime` is `000001010000Z`: no access", "Enable the entry"]);
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nadd: pwdAccountLockedTime\n{locked}\n", dn("ada")));
    has(&site.expect(0, &["sync"]), &["Done: 1 flagged.", "1 conflict is open: nothing but people pending deletion."]);
    has(&site.expect(0, &["users", "show", "ada"]), &[&format!("because: disabled in the directory: {test}")]);
    has(&site.expect(0, &["explain", "ada"]), &["holds: `pwdaccountlockedtime` is `000001010000Z`: no access"]);
    has(&site.expect(0, &["status"]), &["1 deletion due", "Left out       1 person (1 disabled)"]);
    has(&site.expect(0, &["plan"]), &["Plan: nothing to do."]);
}

/// What is done by hand is one event: the command, without the values that are set, and who typed it.
#[test]
fn what_is_done_by_hand_is_logged_with_who_did_it() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&person("ada", "ada@example.com", ""));
    let mut site = Site::new(&slapd);
    site.set("log", "format = \"json\"\n");
    site.expect(0, &["sync"]);
    let by = format!("uid {}", rustix::process::getuid().as_raw());
    for words in [
        &["rules", "allow", "ada", "*@partner.example"][..],
        &["grants", "add", "ada", "wallet-read"],
        &["groups", "add", "testers"],
        &["groups", "member", "add", "testers", "ada"],
        &["users", "add", "--origin", "manual", "--username", "guest", "--address", "guest@example.com"],
        &["users", "set", "guest", "notes=private"],
        &["freeze", "--for", "1h", "patching"],
        &["freeze", "--off"],
        &["users", "delete", "ada", "--yes"],
    ] {
        let said = site.expect(0, words);
        let events = said.err.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let done: Vec<Value> = events.filter(|event| event["event"] == "command.done").collect();
        assert_eq!(done.len(), 1, "{words:?} {}", said.err);
        assert_eq!(done[0]["command"], words.join(" ").replace("notes=private", "notes=…"));
        assert!(done[0]["by"].as_str().unwrap().contains(&by), "{}", done[0]);
        assert!(!done[0].to_string().contains("private"));
    }
    assert!(!site.expect(0, &["users", "list"]).err.contains("command.done"), "looking is no event");
    let refused = site.expect(1, &["users", "delete", "nobody", "--yes"]);
    assert!(!refused.err.contains("command.done"), "{refused:?}");
}
