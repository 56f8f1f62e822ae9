//! `explain`, `users show` and `conflicts` of people whose state is no usual one.

use super::real::{BASE, dn, has, people, person};
use crate::support::program::{Said, Site, source};
use crate::support::slapd::{Options, Slapd};

const LOCK: &str = "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z";

fn modify(slapd: &Slapd, uid: &str, change: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{change}\n\n", dn(uid)));
}

fn remove(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n\n", dn(uid)));
}

/// A person at a DN that does not name the username.
fn placed(cn: &str, uid: &str, mail: &str) -> String {
    format!(
        "dn: cn={cn},ou=people,{BASE}\nobjectClass: inetOrgPerson\nobjectClass: rosterMailUser\nuid: {uid}\ncn: {cn}\n\
         sn: {uid}\nmail: {mail}\n\n"
    )
}

fn last_line(said: &Said) -> &str {
    said.out.lines().last().unwrap_or_default()
}

#[track_caller]
fn lacks(said: &Said, words: &[&str]) {
    for word in words {
        assert!(!said.out.contains(word), "{word}\n{}\n{}", said.out, said.err);
    }
}

/// D2, U8: somebody locked while the brake holds that everybody goes with a domain loses access by the lock, and waits.
#[test]
fn a_lock_beside_a_held_domain_is_explained() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(12));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    site.set("domains", "managed = [\"other.example\"]\n");
    site.expect(4, &["sync"]);
    has(&site.run(&["explain", "u01"]), &["The brake holds this, and nothing is lost"]);
    modify(&slapd, "u01", LOCK);
    let said = site.run(&["explain", "u01"]);
    has(&said, &["takes access away (disabled), while the brake holds the domain", "but access goes with the lock"]);
    lacks(&said, &["nothing is lost"]);
    site.expect(4, &["sync"]);
    assert_eq!(site.state("u01"), "pending");
    let said = site.run(&["explain", "u01"]);
    has(&said, &["The brake holds this, and the person stays, without access", "`rosterd approve "]);
    lacks(&said, &["is over for this person", "nothing is lost"]);
}

/// I6: somebody dormant is not deleted; who the entry is now, and what wakes the user, is said.
#[test]
fn somebody_dormant_is_explained() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let mut site = Site::new(&slapd);
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\nidentity = \"address\"\n"));
    site.expect(0, &["sync"]);
    let id = site.user("u01").unwrap()["id"].as_str().unwrap().to_owned();
    modify(&slapd, "u01", "replace: mail\nmail: other@example.com");
    site.expect(0, &["sync"]);
    for who in [&*id, "u01@example.com"] {
        let said = site.expect(0, &["explain", who]);
        has(&said, &["is dormant since 20", "the entry is `other@example.com` now, which is the user `u01`"]);
        lacks(&said, &["was deleted on", "no entry under users.base_dns"]);
        let advice = last_line(&said);
        assert!(advice.starts_with("Dormant, and never deleted by a date"), "{said:?}");
        assert!(advice.contains("u01@example.com") && advice.contains("primary address"), "{said:?}");
    }
    let said = site.expect(0, &["users", "show", &id]);
    has(&said, &["because: the entry's address is now `other@example.com`, which is another user", "since: 20"]);
}

/// M2, M3: an account made by hand keeps access when the entry that supplemented it goes, or is disabled.
#[test]
fn a_manual_account_whose_entry_went_is_explained() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    for name in ["info", "desk"] {
        let address = format!("{name}@example.com");
        site.expect(0, &["users", "add", "--origin", "manual", "--username", name, "--address", &address]);
        slapd.ldif(&person(&format!("x{name}"), &address, ""));
    }
    site.expect(0, &["sync"]);
    has(&site.expect(0, &["explain", "info"]), &["uid=xinfo", "is active: has access"]);
    remove(&slapd, "xinfo");
    modify(&slapd, "xdesk", LOCK);
    for _ in 0..2 {
        let said = site.expect(0, &["explain", "info"]);
        has(&said, &["is active: has access", "note   entry", "an account made by hand is never flagged"]);
        assert!(last_line(&said).starts_with("In, with access, and made by hand"), "{said:?}");
        let said = site.expect(0, &["explain", "desk"]);
        has(
            &said,
            &["is active: has access", "holds: `pwdaccountlockedtime`", "an account made by hand is never flagged"],
        );
        lacks(&said, &["000001010000Z`: no access", "stops"]);
        site.expect(0, &["sync"]);
        assert_eq!((site.state("info"), site.state("desk")), ("active".to_owned(), "active".to_owned()));
    }
}

/// L5: somebody who is back, and waits for a name that somebody else has meanwhile, is not called disabled: it is said
/// who has the name, that the date stands still, and what settles it.
#[test]
fn a_returner_without_a_name_is_explained() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    modify(&slapd, "u01", LOCK);
    site.expect(0, &["sync"]);
    slapd.ldif(&placed("Second", "u01", "second@example.com"));
    site.expect(0, &["sync"]);
    assert_eq!(site.state("second@example.com"), "active");
    modify(&slapd, "u01", "delete: pwdAccountLockedTime");
    site.expect(0, &["sync"]);
    assert_eq!(site.state("u01@example.com"), "pending");
    let holder = format!("`u01` (cn=Second,ou=people,{BASE})");
    let said = site.expect(0, &["explain", "u01@example.com"]);
    has(&said, &["is there and enabled, and waits for the username `u01`", &holder, "the date stands still"]);
    lacks(&said, &["pending        disabled since"]);
    assert!(last_line(&said).starts_with("Give one of the two another username"), "{said:?}");
    let said = site.expect(0, &["users", "show", "u01@example.com"]);
    has(&said, &["because: there and enabled again, but waits for a username", &holder, "the date stands still"]);
    has(&said, &["settled by: another username for one of the two in the directory"]);
    lacks(&said, &["because: disabled", "enabling the entry"]);
    let said = site.expect(0, &["conflicts"]);
    has(&said, &["pending-deletion", "username-taken", &holder]);
    has(&said, &["is there and enabled again, and waits for the username `u01`", "the date stands still"]);
    let pending = said.out.split("pending-deletion").nth(1).unwrap().split("\n\n").next().unwrap();
    assert!(!pending.contains("a disabled test holds"), "{pending}");
    assert!(
        !pending.contains("conflicts ignore") && !pending.contains("due:"),
        "refused while the name is taken: {pending}"
    );
    let json = site.json(&["conflicts"]);
    let flag = json.as_array().unwrap().iter().find(|one| one["kind"] == "pending-deletion").unwrap();
    assert!(flag["detail"].as_str().unwrap().contains("the date stands still"), "{flag}");
    assert_eq!(flag["settled_by"].as_array().unwrap().len(), 1, "{flag}");
    lacks(&site.run(&["status"]), &["1 deletion"]);
    modify(&slapd, "u01", LOCK);
    let said = site.expect(0, &["explain", "u01@example.com"]);
    has(&said, &["leaves without access (disabled)"]);
    lacks(&said, &["takes access away"]);
    // Of somebody who is disabled all that is as ever.
    modify(&slapd, "u02", LOCK);
    site.expect(0, &["sync"]);
    has(&site.expect(0, &["users", "show", "u02"]), &["because: disabled", "enabling the entry"]);
    // A source that is given up settles nothing any more (S6).
    modify(&slapd, "u01", "delete: pwdAccountLockedTime");
    site.expect(0, &["sync"]);
    has(&site.expect(0, &["conflicts"]), &["username-taken"]);
    site.expect(0, &["source", "retire", "--force", "--yes"]);
    let said = site.expect(0, &["conflicts"]);
    has(&said, &["its source was retired", "no directory is read for it any more"]);
    lacks(&said, &["username-taken", "stands still", "source-removed (its source was retired); comes back"]);
    lacks(&site.run(&["users", "show", "u01@example.com"]), &["waits for a username"]);
}

/// S1, S6: a source that is switched off, or given up, is not one that cannot be reached.
#[test]
fn a_source_that_is_not_read_is_told_as_that() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    site.set("source", &source(&slapd, slapd.url(), "enabled = false"));
    let said = site.expect(0, &["explain", "u01"]);
    assert!(last_line(&said).starts_with("The source is switched off (source.enabled = false)"), "{said:?}");
    lacks(&said, &["could not be asked"]);
    site.set("source", &source(&slapd, slapd.url(), ""));
    site.expect(0, &["source", "retire", "--force", "--yes"]);
    let said = site.run(&["explain", "u01"]);
    has(&said, &["was retired on 20"]);
    assert!(last_line(&said).starts_with("The source was retired"), "{said:?}");
    assert!(last_line(&said).contains("rosterd users restore"), "{said:?}");
    lacks(&said, &["could not be asked", "rosterd check"]);
}

/// I5, A4: of somebody re-added under another name every conflict is foretold that the next run opens, and nothing else.
#[test]
fn every_conflict_is_foretold() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(8));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    // The address is the same, the username is not; and the other way round.
    remove(&slapd, "u01");
    remove(&slapd, "u02");
    slapd.ldif(&person("anew", "u01@example.com", ""));
    slapd.ldif(&placed("Second", "u02", "second@example.com"));
    let foretold = |who: &str| {
        let said = site.expect(0, &["explain", who]);
        let lines = said.out.lines().filter(|line| line.contains("(will open)"));
        let mut kinds: Vec<String> = lines.map(|line| line.split_whitespace().nth(2).unwrap().to_owned()).collect();
        kinds.sort();
        (kinds, said)
    };
    let (first, said) = foretold("anew");
    assert_eq!(first, ["address-taken", "maybe-same-person"], "{said:?}");
    assert!(last_line(&said).contains("one person"), "{said:?}");
    let (second, said) = foretold("second@example.com");
    assert_eq!(second, ["maybe-same-person"], "{said:?}");
    has(&said, &["adds the person"]);
    site.expect(0, &["sync"]);
    let conflicts = site.json(&["conflicts"]);
    let mut kinds: Vec<&str> = conflicts.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    let all = ["address-taken", "maybe-same-person", "maybe-same-person", "pending-deletion", "pending-deletion"];
    assert_eq!(kinds, all, "{conflicts}");
}

/// U7: the two who contest a username are called the same, so each is told with the place of the entry, or the address.
#[test]
fn both_parties_of_a_contested_username_can_be_told_apart() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    site.expect(0, &["users", "add", "--origin", "manual", "--username", "desk", "--address", "info@example.com"]);
    site.expect(0, &["sync"]);
    slapd.ldif(&placed("Second", "u01", "second@example.com"));
    slapd.ldif(&placed("Third", "desk", "third@example.com"));
    let first = format!("but it belongs to `u01` ({})", dn("u01"));
    let manual = "but it belongs to `desk` (info@example.com)";
    has(&site.expect(3, &["plan"]), &[&first, manual]);
    let by = format!("`u01`: belongs to `u01` ({})", dn("u01"));
    has(&site.expect(0, &["explain", "second@example.com"]), &[&by, &first]);
    site.expect(0, &["sync"]);
    has(&site.expect(0, &["conflicts"]), &[&first, manual, &format!("`u01` (cn=Second,ou=people,{BASE})")]);
    has(&site.expect(0, &["status"]), &[&first, manual]);
    let feed = site.expect(0, &["changes", "--since", "0", "--json"]);
    assert!(feed.out.contains(&first), "{feed:?}");
    // Nothing changes when nothing happens.
    has(&site.expect(0, &["plan"]), &["nothing to do"]);
}
