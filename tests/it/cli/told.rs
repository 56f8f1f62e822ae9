//! What an operator is told of people who are left out, left as before, or withheld, without looking into the store.

use super::real::{BASE, dn, has, narrow, people, person};
use crate::support::program::{Said, Site};
use crate::support::slapd::{Options, Slapd};

fn modify(slapd: &Slapd, uid: &str, change: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{change}\n\n", dn(uid)));
}

/// None of the words is there.
#[track_caller]
fn lacks(said: &Said, words: &[&str]) {
    for word in words {
        assert!(!said.out.contains(word) && !said.err.contains(word), "{word}\n{}\n{}", said.out, said.err);
    }
}

/// U8, U9: of whom nobody can tell whether the entry is disabled, who is in stays, and is told by every command, with the
/// attribute, the value and the remedy; `check` counts them beforehand.
#[test]
fn who_may_be_disabled_is_told_everywhere() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let one = |uid: &str| person(uid, &format!("{uid}@example.com"), "employeeNumber: 512\n");
    slapd.ldif(&["ada", "bob", "cy"].map(one).concat());
    let mut site = Site::new(&slapd);
    let test = "[[users.disabled]]\nattribute = \"employeeNumber\"\nbits = 2\n";
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n{test}"));
    site.expect(0, &["sync"]);
    has(&site.expect(0, &["check"]), &["`employeenumber` is there in 3 of the 3 entries looked at, and disables 0"]);
    lacks(&site.expect(0, &["status"]), &["Maybe disabled"]);
    modify(&slapd, "ada", "replace: employeeNumber\nemployeeNumber: odd");
    modify(&slapd, "bob", "delete: employeeNumber");
    let words = ["Maybe disabled: 2 people; a disabled test cannot be judged, the state stays as it was (U8)."];
    has(&site.expect(0, &["plan"]), &words);
    has(&site.expect(0, &["sync"]), &words);
    has(&site.expect(0, &["sync"]), &words);
    has(&site.expect(0, &["status"]), &["Maybe disabled 2 people; a disabled test cannot"]);
    let skipped = site.json(&["plan"])["skipped"].clone();
    let ada = skipped.as_array().unwrap().iter().find(|skip| skip["dn"] == dn("ada")).unwrap();
    assert_eq!((&ada["reason"], &ada["rule"]), (&"unreadable".into(), &"U8".into()));
    let value = "`employeenumber` is `odd`, not a whole number; correct it in the directory";
    has(&site.expect(0, &["users", "show", "ada"]), &["maybe disabled: unreadable (U8)", value, "has access"]);
    has(&site.expect(0, &["explain", "ada"]), &["cannot be judged, so the state stays as it is", value]);
    let hidden = "`employeenumber`, where bit 2 would say so, is missing, or the bind account may not read it";
    let said = site.expect(0, &["explain", "bob"]);
    has(&said, &[hidden]);
    assert!(said.out.lines().last().unwrap().contains("nobody can tell whether the entry is disabled"), "{said:?}");
    has(
        &site.expect(0, &["check"]),
        &["warn  disabled-test   the test on `employeenumber` cannot be judged for 2 of the 3 entries looked at"],
    );
    // A test on what nobody has disables nobody.
    site.set(
        "users",
        &format!(
            "base_dns = [\"ou=people,{BASE}\"]\n[[users.disabled]]\nattribute = \"employeeType\"\nvalues = [\"left\"]\n"
        ),
    );
    has(
        &site.expect(0, &["check"]),
        &["none of the 3 entries looked at has `employeetype`, so that the test disables nobody"],
    );
    // It can be told again.
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n{test}"));
    modify(&slapd, "ada", "replace: employeeNumber\nemployeeNumber: 514");
    modify(&slapd, "bob", "replace: employeeNumber\nemployeeNumber: 512");
    lacks(&site.expect(0, &["sync"]), &["Maybe disabled"]);
    assert_eq!((site.state("ada").as_str(), site.state("bob").as_str()), ("pending", "active"));
}

/// E5, U8: an entry that cannot be understood and is disabled leaves its user as it is, and everybody who looks is told; it is
/// told no longer when the entry is enabled, and ends access when it can be understood.
#[test]
fn a_disabled_entry_that_cannot_be_understood_is_told() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let one = |uid: &str| person(uid, &format!("{uid}@example.com"), &format!("employeeNumber: {uid}-7\n"));
    slapd.ldif(&["ada", "bob", "cy", "dee", "eve"].map(one).concat());
    let mut site = Site::new(&slapd);
    let mapped = "[users.attributes]\nunique_id = \"employeeNumber\"\n";
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n{mapped}"));
    site.expect(0, &["sync"]);
    let locked = "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z";
    modify(&slapd, "ada", "add: uid\nuid: ada2");
    site.expect(0, &["sync"]);
    lacks(&site.expect(0, &["status"]), &["Maybe disabled"]);
    modify(&slapd, "ada", locked);
    modify(&slapd, "bob", "delete: employeeNumber");
    modify(&slapd, "bob", locked);
    modify(&slapd, "cy", "add: uid\nuid: cy2");
    modify(&slapd, "dee", "delete: employeeNumber");
    // Somebody who is not in.
    slapd.ldif(&one("fay"));
    modify(&slapd, "fay", "add: uid\nuid: fay2");
    modify(&slapd, "fay", locked);
    let words =
        "Maybe disabled: 2 people; the entry is disabled, but cannot be understood, the state stays as it was (E5)";
    has(&site.expect(0, &["plan"]), &[words, "Stay as they were: 2 people", "Left out: 1 person"]);
    has(
        &site.expect(0, &["plan", "--all"]),
        &["! ada: maybe disabled, disabled-unreadable (E5): the entry is disabled ("],
    );
    has(&site.expect(0, &["sync"]), &[words]);
    let before = site.content();
    has(&site.expect(0, &["sync"]), &[words, "Stay as they were: 2 people"]);
    assert_eq!(site.content(), before);
    has(&site.expect(0, &["status"]), &["Maybe disabled 2 people; the entry is disabled, but"]);
    for (who, why) in [("ada", "`uid` has 2 values"), ("bob", "there is no readable `employeenumber`")] {
        let test = "the entry is disabled (`pwdaccountlockedtime` is `000001010000Z`)";
        has(
            &site.expect(0, &["users", "show", who]),
            &["maybe disabled: disabled-unreadable (E5)", test, why, "has access"],
        );
        let said = site.expect(0, &["explain", who]);
        has(&said, &[test, why]);
        assert!(
            said.out.lines().last().unwrap().starts_with("In, with access, although the entry is disabled"),
            "{said:?}"
        );
        has(&site.expect(0, &["sync", "--user", who]), &[test, why]);
        assert_eq!(site.state(who), "active");
    }
    let rows = site.json(&["plan"])["skipped"].clone();
    let of = |uid: &str| rows.as_array().unwrap().iter().filter(|row| row["dn"] == dn(uid)).count();
    assert_eq!(["ada", "bob", "cy", "dee", "fay"].map(of), [1; 5], "{rows}");
    // Enabled again, but as little to be understood.
    modify(&slapd, "ada", "delete: pwdAccountLockedTime");
    has(&site.expect(0, &["sync"]), &["Maybe disabled: 1 person", "Stay as they were: 3 people"]);
    // Understood again.
    modify(&slapd, "ada", "delete: uid\nuid: ada2");
    modify(&slapd, "bob", "add: employeeNumber\nemployeeNumber: bob-7");
    lacks(&site.expect(0, &["sync"]), &["Maybe disabled"]);
    assert_eq!((site.state("ada").as_str(), site.state("bob").as_str()), ("active", "pending"));
    site.expect(0, &["sync"]);
    let shown = site.expect(0, &["users", "show", "ada"]);
    lacks(&shown, &["disabled-unreadable"]);
}

/// B5: what a freeze withholds is named, and is not approved: `status` and `approve` say the same, before and after it ended.
#[test]
fn what_a_freeze_withholds_waits_for_its_end() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    narrow(&mut site, "(uid=u0*)");
    site.expect(4, &["sync"]);
    has(&site.expect(0, &["status"]), &["run 2 held 10 people: u10", "rosterd approve 2 --config "]);
    site.expect(0, &["freeze", "--for", "2h", "DC patching"]);
    let missing = "10 people are missing (u10, u11, u12, u13, u14, u15, u16, u17, u18, u19), and nothing is taken away";
    has(&site.expect(4, &["plan"]), &[missing]);
    let said = site.expect(4, &["sync"]);
    has(&said, &[missing]);
    lacks(&said, &["0 deletions", "approve"]);
    let waits = "there is nothing to approve: the freeze ends by itself, or with rosterd freeze --off ";
    let status = site.expect(0, &["status"]);
    has(&status, &[missing, waits]);
    lacks(&status, &["rosterd approve"]);
    for run in ["2", "3"] {
        let refused = site.expect(1, &["approve", run]);
        assert!(
            refused.err.contains("Run 3 took nothing away because the source was frozen")
                && refused.err.contains(waits),
            "{refused:?}"
        );
    }
    assert_eq!(site.json(&["runs"]).as_array().unwrap().len(), 3, "no run was made");
    site.expect(0, &["freeze", "--off"]);
    let over = "the freeze is over, and the next run decides";
    has(&site.expect(0, &["status"]), &[over]);
    assert!(site.expect(1, &["approve", "3"]).err.contains(over));
    site.expect(4, &["sync"]);
    has(&site.expect(0, &["status"]), &["run 4 held 10 people", "rosterd approve 4 --config "]);
}

/// E5: of an entry that cannot be understood, `explain` and `sync --user` give the reason, by name, DN or address, also where
/// its unique id is what cannot be read; its user stays as before in a run about one person, too.
#[test]
fn an_entry_that_cannot_be_understood_is_explained() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let one = |uid: &str| person(uid, &format!("{uid}@example.com"), &format!("employeeNumber: {uid}-7\n"));
    slapd.ldif(&["ada", "bob"].map(one).concat());
    let mut site = Site::new(&slapd);
    let users = |id: &str| format!("base_dns = [\"ou=people,{BASE}\"]\n[users.attributes]\nunique_id = \"{id}\"\n");
    site.set("users", &users("employeeNumber"));
    site.expect(0, &["sync"]);
    slapd.ldif(&["cy", "di"].map(one).concat());
    modify(&slapd, "ada", "delete: employeeNumber");
    modify(&slapd, "cy", "delete: employeeNumber");
    modify(&slapd, "bob", "add: uid\nuid: second");
    modify(&slapd, "di", "add: uid\nuid: other");
    let (none, two) = ("there is no readable `employeenumber`", "`uid` has 2 values where one is needed: ");
    for (who, why) in [("ada", none), ("ada@example.com", none), ("cy@example.com", none), ("bob", two), ("di", two)] {
        let said = site.expect(0, &["explain", who]);
        has(&said, &["cannot be understood: ", why]);
        assert!(said.out.lines().last().unwrap().starts_with("Correct the entry"), "{who}: {said:?}");
    }
    let refused = site.expect(1, &["sync", "--user", "cy"]);
    assert!(refused.err.contains(none) && refused.err.contains("nothing was done"), "{refused:?}");
    for (who, why) in [("ada", none), ("bob", two)] {
        has(&site.expect(0, &["sync", "--user", who]), &[why]);
        assert_eq!(site.state(who), "active", "{who} stays as before");
    }
    site.expect(0, &["sync"]);
    // By address, too, what the last run left out is found.
    for who in ["cy", "di"] {
        let nobody = site.expect(1, &["users", "show", &format!("{who}@example.com")]);
        assert!(nobody.err.contains(&format!("left out {}", dn(who))), "{nobody:?}");
    }
    assert_eq!((site.state("ada").as_str(), site.state("bob").as_str()), ("active", "active"));
}

/// U9: `plan --all` and `runs show` say who was left out and why, faults first; `status`, `runs show` and `plan` give people and
/// values apart in JSON, with what waits, and when the next deletions are due.
#[test]
fn who_is_left_out_is_listed() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let lock = "pwdAccountLockedTime: 000001010000Z\n";
    let broken = "proxyAddresses: smtp:no address\n";
    slapd.ldif(&(people(2) + &person("ada", "ada@example.com", broken) + &person("eve", "", "")));
    slapd.ldif(&person("fay", "fay@example.com", ""));
    modify(&slapd, "fay", "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    let site = Site::new(&slapd);
    let shows = |said: &Said| {
        has(said, &["! eve: left out, no-address (A1): no address that can be the primary; uid=eve,"]);
        has(
            said,
            &["! ada: came in without, malformed-address (A6): ", "! fay: left out, disabled (U4): a disabled test"],
        );
        let at = |name: &str| said.out.find(&format!("! {name}: ")).unwrap();
        assert!(at("eve") < at("ada") && at("ada") < at("fay"), "{said:?}");
    };
    let short = site.expect(3, &["plan"]);
    has(&short, &["  --all says who, and why."]);
    lacks(&short, &["! eve"]);
    shows(&site.expect(3, &["plan", "--all"]));
    site.expect(0, &["sync"]);
    let run = site.expect(0, &["runs", "show", "1"]);
    shows(&run);
    has(&run, &["skipped   Left out: 2 people (1 disabled, 1 no-address)", "          Came in without: 1 value"]);
    let by = serde_json::json!({ "left_out": 2, "without": 1, "as_before": 0, "maybe_disabled": 0 });
    let shown = site.json(&["runs", "show", "1"]);
    assert_eq!((&shown["skipped"], &shown["skipped_by"]), (&3.into(), &by));
    let status = site.json(&["status"]);
    assert_eq!((&status["skipped"], &status["skipped_by"], &status["waiting"]), (&3.into(), &by, &().into()));
    // Of an earlier run only the number is kept.
    modify(&slapd, "u01", "replace: mail\nmail: u00@example.com");
    modify(&slapd, "u00", &format!("replace: pwdAccountLockedTime\n{}", lock.trim()));
    site.expect(0, &["sync"]);
    has(&site.expect(0, &["runs", "show", "1"]), &["skipped   3 people left out, or values"]);
    assert!(site.json(&["runs", "show", "1"])["skipped_by"].is_null());
    let status = site.json(&["status"]);
    let waits = serde_json::json!({ "run": null, "outcome": null, "approvable": false, "held": [], "conflicts": 1 });
    assert_eq!(status["waiting"], waits, "{status}");
    let next = status["next"].as_array().unwrap().last().unwrap();
    assert_eq!((&next["action"], &next["deletions"], &next["later"]), (&"deletion".into(), &1.into(), &0.into()));
    assert!(next["next"].as_str().unwrap().starts_with("20"), "{next}");
}

/// S4, I5: somebody deleted and re-added is the same one, also when asked for alone, by the old name or DN; nothing is taken
/// away for the moment between.
#[test]
fn somebody_re_added_is_found_by_the_new_entry() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let id = site.user("u01").unwrap()["id"].clone();
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n\n", dn("u01")));
    slapd.ldif(&person("u01", "u01@example.com", ""));
    let explained = site.expect(0, &["explain", "u01"]);
    has(&explained, &["deleted and re-added: it goes on as the user who had"]);
    assert!(!explained.out.contains("takes access away"), "{explained:?}");
    for who in [dn("u01"), "u01@example.com".to_owned()] {
        let said = site.expect(0, &["sync", "--user", &who]);
        assert!(!said.out.contains("flagged"), "{said:?}");
        let user = site.user("u01").unwrap();
        assert_eq!((&user["id"], &user["state"]), (&id, &"active".into()), "{user}");
    }
    has(&site.expect(0, &["sync"]), &["nothing to do"]);
}

/// B2, U2: a stale plan file does not make the source unhealthy, and a name that is nearly a field's is questioned.
#[test]
fn slips_are_told_and_do_no_harm() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let file = site.path("plan.json");
    let file = file.to_str().unwrap();
    modify(&slapd, "u01", "replace: sn\nsn: Other");
    site.expect(3, &["plan", "--out", file]);
    modify(&slapd, "u02", "replace: sn\nsn: Other");
    site.expect(1, &["sync", "--plan", file]);
    let status = site.expect(0, &["status"]);
    has(&status, &["Last attempt   run 2", "failed"]);
    assert!(status.out.starts_with("healthy since"), "{status:?}");
    // Deleted and re-added: the new entry is named.
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n\n", dn("u02")));
    slapd.ldif(&person("u02", "other@example.com", ""));
    let said = site.expect(0, &["sync", "--user", "u02"]);
    has(&said, &[&format!("but `{}` is `u02` now: if that is the same person", dn("u02"))]);
    // A plan that takes the place of another one says so.
    let said = site.run(&["plan", "--out", file]);
    assert!(said.err.contains("in place of the file that was there"), "{said:?}");
    // A name that is nearly one of a field's.
    let add = ["users", "add", "--origin", "manual", "--username", "info", "--address", "info@example.com"];
    let said = site.expect(0, &[&add[..], &["--set", "displa_name=Info", "--set", "badge=7"]].concat());
    assert!(
        said.err.contains("`displa_name` is no field of users") && said.err.contains("did you mean `display_name`?"),
        "{said:?}"
    );
    assert!(!said.err.contains("badge"), "{said:?}");
    let said = site.expect(0, &["users", "set", "info", "depatment=Desk"]);
    assert!(said.err.contains("did you mean `department`?"), "{said:?}");
    // What is made by hand and restored is kept until it is deleted.
    site.expect(0, &["users", "delete", "info"]);
    site.expect(0, &["users", "restore", "info"]);
    has(&site.expect(0, &["users", "show", "info"]), &["settled by: nothing: it is made by hand"]);
}

/// A4, B1: what is settled is shown as settled; a run that was approved already is not approved again while another waits.
#[test]
fn what_is_over_is_told_as_over() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(40));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    modify(&slapd, "u01", "replace: mail\nmail: u00@example.com");
    site.expect(0, &["sync"]);
    modify(&slapd, "u01", "replace: mail\nmail: u01@example.com");
    site.expect(0, &["sync"]);
    let shown = site.expect(0, &["conflicts", "show", "1"]);
    has(&shown, &["status: resolved on 20", "owner then: u00", "cause then: claimed by `u01`", "opened: 20"]);
    lacks(&shown, &["present owner", "it is settled when"]);
    narrow(&mut site, "(|(uid=u0*)(uid=u1*)(uid=u2*))");
    site.expect(4, &["sync"]);
    site.expect(0, &["approve", "4"]);
    narrow(&mut site, "(|(uid=u0*)(uid=u1*))");
    site.expect(4, &["sync"]);
    let refused = site.expect(1, &["approve", "4"]);
    let says = "run 4 was approved already: run 5 did it; nothing was done. Run 6 is the one that waits now";
    assert!(refused.err.contains(says), "{refused:?}");
    assert_eq!(site.json(&["runs"]).as_array().unwrap().len(), 6, "no run was made");
    has(&site.expect(0, &["runs", "show", "4"]), &["It was approved: run 5 did it."]);
}

/// Every attribute that the schema does not know is named at once.
#[test]
fn unknown_attributes_are_named_together() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(1));
    let mut site = Site::new(&slapd);
    let mapped = "[users.attributes]\nmobile = \"mobil\"\nnotes = \"descripton\"\n";
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n{mapped}"));
    let said = site.expect(1, &["plan"]);
    assert!(said.err.contains("`mobil` (users.attributes.mobile), `descripton` (users.attributes.notes)"), "{said:?}");
}
