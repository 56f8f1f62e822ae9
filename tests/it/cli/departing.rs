//! What is told of people who go, who are held back, and who are still there after all.

use super::real::{BASE, dn, has, narrow, people, person};
use crate::support::program::{Said, Site, source};
use crate::support::slapd::{Options, Slapd};

fn modify(slapd: &Slapd, uid: &str, change: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{change}\n\n", dn(uid)));
}

fn remove(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n\n", dn(uid)));
}

#[track_caller]
fn lacks(said: &Said, words: &[&str]) {
    for word in words {
        assert!(!said.out.contains(word), "{word}\n{}\n{}", said.out, said.err);
    }
}

/// D2, B1: of a domain that is no longer managed it is said, before anybody approves, that its people are deleted at once,
/// with their rules; nothing of that is said to be a move of theirs (D3).
#[test]
fn a_held_domain_is_told_before_it_is_let_go() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let old = |n| format!("u{n:02}@old.example");
    let all: String = (0..8).map(|n| person(&format!("u{n:02}"), &old(n), "")).collect();
    let rest: String = (8..20).map(|n| person(&format!("u{n:02}"), &format!("u{n:02}@example.com"), "")).collect();
    slapd.ldif(&(all + &rest));
    let mut site = Site::new(&slapd);
    site.set("domains", "managed = [\"example.com\", \"old.example\"]\n");
    site.expect(0, &["sync"]);
    site.set("domains", "managed = [\"example.com\"]\n");
    let whole = "and would be deleted at once, without the delay, and their rules with them";
    let each = "would be deleted at once, rules too: `old.example` is no longer managed";
    let moved = &["the address moved to a domain"][..];
    for command in [&["plan"][..], &["sync"], &["status"], &["runs", "show", "2"]] {
        let code = if ["plan", "sync"].contains(&command[0]) { 4 } else { 0 };
        let said = site.expect(code, command);
        has(&said, &[whole]);
        lacks(&said, moved);
        if ["plan", "runs"].contains(&command[0]) {
            has(&said, &[each, "u03"]);
        }
    }
    has(&site.expect(0, &["users", "show", "u03"]), &[each, "the brake holds it"]);
    let explained = site.expect(0, &["explain", "u03"]);
    has(
        &explained,
        &["run 2 would have deleted the person at once, rules too", "deletes the person at once, rules too"],
    );
    lacks(&explained, &["would have taken access (unmanaged-domain)"]);
    assert_eq!(site.json(&["runs", "show", "2"])["held"][0]["pending_reason"], "unmanaged-domain");
    assert_eq!(site.json(&["runs", "show", "2"])["held"][0]["loses"], "everything, at once");
    has(&site.expect(0, &["approve", "2"]), &["8 deleted"]);
}

/// S4: what one person's run doubts is not approved, and it says what helps instead; who was taken in this way is no
/// longer told to be held.
#[test]
fn a_run_of_one_person_advises_what_helps() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    narrow(&mut site, "(uid=nobody)");
    let said = site.expect(5, &["sync", "--user", "u01"]);
    lacks(&said, &["rosterd approve"]);
    has(&said, &["(no-users)", "rosterd sync --config "]);
    narrow(&mut site, "(uid=u0*)");
    site.expect(4, &["sync"]);
    has(&site.expect(0, &["users", "show", "u10"]), &["but the brake holds it: see run 3"]);
    let said = site.expect(0, &["sync", "--user", "u10"]);
    lacks(&said, &["rosterd approve"]);
    lacks(&site.expect(0, &["users", "show", "u10"]), &["brake holds"]);
    has(&site.expect(0, &["status"]), &["run 3 held 9 people"]);
    has(&site.expect(0, &["users", "show", "u11"]), &["but the brake holds it: see run 3"]);
}

/// I6: somebody made dormant is counted and told as that: no date is set, and nothing of the person is updated.
#[test]
fn dormant_has_a_word_of_its_own() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(8));
    let mut site = Site::new(&slapd);
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\nidentity = \"address\"\n"));
    site.expect(0, &["sync"]);
    modify(&slapd, "u01", "replace: mail\nmail: other@example.com");
    let planned = site.expect(3, &["plan"]);
    has(&planned, &["Dormant: access ends now, nothing is deleted", "Plan: 1 to add, 1 to make dormant."]);
    lacks(&planned, &["deletion is scheduled"]);
    has(&site.expect(0, &["sync"]), &["Done: 1 added, 1 made dormant."]);
    for command in [&["status"][..], &["runs"], &["runs", "show", "2"]] {
        has(&site.expect(0, command), &["1 added, 1 made dormant"]);
    }
    let run = site.json(&["runs", "show", "2"]);
    assert_eq!((&run["updated"], &run["dormant"]), (&0.into(), &1.into()), "{run}");
    modify(&slapd, "u01", "replace: mail\nmail: u01@example.com");
    has(&site.expect(3, &["plan"]), &["Plan: 1 to update, 1 to restore, 1 to make dormant."]);
    assert_eq!(site.json(&["sync"])["dormant"], 1);
}

/// B1: what is held is counted in people, once each, everywhere.
#[test]
fn held_people_are_counted_once() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(4));
    modify(&slapd, "u01", "add: proxyAddresses\nproxyAddresses: smtp:one@example.com");
    let member = |uid: &str| format!("member: {}\n", dn(uid));
    let group = format!("dn: cn=sales,ou=groups,{BASE}\n");
    slapd.ldif(&format!("{group}objectClass: groupOfNames\ncn: sales\n{}{}\n", member("u01"), member("u02")));
    let mut site = Site::new(&slapd);
    site.set("brake", "at_least = 0\npercent = 1\n");
    site.expect(0, &["sync"]);
    modify(&slapd, "u01", "delete: proxyAddresses");
    slapd.ldif(&format!("{group}changetype: modify\nreplace: member\n{}\n", member("u02")));
    has(&site.expect(4, &["plan"]), &["; 1 person held."]);
    has(&site.expect(4, &["sync"]), &["; 1 person held."]);
    has(&site.expect(0, &["status"]), &["run 2 held 1 person"]);
}

/// I9, B1: a run of groups alone that finds another directory says what it found, and neither that it read nothing nor an
/// empty list of people.
#[test]
fn a_run_of_groups_that_finds_another_directory_says_what_it_found() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let Some(other) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let group =
        format!("dn: cn=sales,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: sales\nmember: {}\n\n", dn("tess"));
    other.ldif(&(person("tess", "tess@example.com", "") + &group));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    site.set("source", &source(&other, other.url(), ""));
    for command in [&["plan", "--only", "groups"][..], &["sync", "--only", "groups"]] {
        let said = site.expect(4, command);
        has(
            &said,
            &[
                "source.base_dn is another object than in run 1",
                "nobody is taken away; of the people that are known",
                "1 entry read",
            ],
        );
        lacks(&said, &["0 entries read", "person decides: \n"]);
    }
    has(&site.expect(0, &["runs", "show", "2"]), &["rosterd approve 2"]);
}

/// B1: an approval that came after the way out was taken otherwise did not do what was held, whatever else it did.
#[test]
fn an_approval_that_came_too_late_did_not_do_it() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    narrow(&mut site, "(uid=u0*)");
    site.expect(4, &["sync"]);
    narrow(&mut site, "(objectClass=inetOrgPerson)");
    slapd.ldif(&person("zoe", "zoe@example.com", ""));
    modify(&slapd, "u01", "replace: sn\nsn: Other");
    has(&site.expect(0, &["approve", "2"]), &["1 added", "Nobody and nothing that run 2 held would go any more"]);
    let words = "run 3 looked again, and there was nothing left to do";
    let again = site.expect(1, &["approve", "2"]);
    assert!(again.err.contains(words), "{again:?}");
    has(&site.expect(0, &["runs", "show", "2"]), &[words]);
}

/// B1, L8: whom an administrator keeps, the brake no longer counts among those who went.
#[test]
fn the_brake_does_not_count_whom_somebody_keeps() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    for uid in ["u16", "u17", "u18", "u19"] {
        remove(&slapd, uid);
    }
    site.expect(0, &["sync"]);
    site.expect(0, &["users", "restore", "u18"]);
    site.expect(0, &["users", "restore", "u19"]);
    for uid in ["u12", "u13", "u14"] {
        remove(&slapd, uid);
    }
    let said = site.expect(0, &["sync"]);
    has(&said, &["3 flagged"]);
    remove(&slapd, "u11");
    has(&site.expect(4, &["sync"]), &["6 of 20 people who had access", "(5 of them already went within brake.window)"]);
}

/// B3, U5: erasing somebody who is still in the directory, or not deleted at all, says what comes of it.
#[test]
fn erasing_somebody_says_what_comes_of_it() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let active = site.expect(1, &["users", "erase", "u01", "--yes"]);
    for word in ["only what is left of a deleted user is erased", "disable or delete the entry in the directory first"]
    {
        assert!(active.err.contains(word), "{word}: {active:?}");
    }
    site.expect(0, &["users", "delete", "u01", "--yes"]);
    let erased = site.expect(0, &["users", "erase", "u01", "--yes"]);
    assert!(erased.err.contains("the next run adds the person again, as somebody new"), "{erased:?}");
    remove(&slapd, "u02");
    site.expect(0, &["sync", "--user", "u02"]);
    site.expect(0, &["users", "delete", "u02", "--yes"]);
    let erased = site.expect(0, &["users", "erase", "u02", "--yes"]);
    assert!(!erased.err.contains("the next run adds"), "{erased:?}");
}

/// R2: a grant that a group gives is not taken by hand, and the refusal names the group and what to do there.
#[test]
fn a_grant_of_a_group_names_the_group() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let group = format!("cn=wallets,ou=groups,{BASE}");
    slapd.ldif(&format!("dn: {group}\nobjectClass: groupOfNames\ncn: wallets\nmember: {}\n\n", dn("u01")));
    let mut site = Site::new(&slapd);
    site.set("[grant]", &format!("privilege = \"wallet\"\ngroups = [\"{group}\"]\n"));
    site.expect(0, &["sync"]);
    let refused = site.expect(1, &["grants", "remove", "u01", "wallet"]);
    for word in [&*format!("`{group}` gives"), "take the person out of that group in the directory"] {
        assert!(refused.err.contains(word), "{word}: {refused:?}");
    }
    let refused = site.expect(1, &["grants", "remove", "u02", "wallet"]);
    assert!(refused.err.contains("no local grant `wallet`") && !refused.err.contains("gives"), "{refused:?}");
}

/// S6: of a source that was given up, `status` says so, and promises no run.
#[test]
fn a_retired_source_is_told_as_that() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let mut site = Site::new(&slapd);
    site.set("[schedule]", "every = \"6h\"\naction = \"all\"\n");
    site.expect(0, &["sync"]);
    has(&site.expect(0, &["status"]), &["schedule `every 6h`"]);
    site.expect(0, &["source", "retire", "--force", "--yes"]);
    let said = site.expect(0, &["status"]);
    has(&said, &["source `corp` was retired on 20", "deleted by their dates", "3 deletions due"]);
    lacks(&said, &["schedule `", "Retry", "healthy since"]);
    let json = site.json(&["status"]);
    assert!(json["retired_at"].as_str().is_some_and(|at| at.starts_with("20")), "{json}");
    assert_eq!(json["next"].as_array().unwrap().len(), 1, "nothing but the deletions: {json}");
}
