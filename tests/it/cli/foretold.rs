//! What is foretold of one person, or of a run that waits: no more than is known, and with the way back.

use super::real::{BASE, dn, has, narrow, people, person};
use crate::support::program::{Said, Site};
use crate::support::slapd::{Options, Slapd};

const EVERYBODY: &str = "(objectClass=inetOrgPerson)";

fn remove(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n\n", dn(uid)));
}

/// None of the words is there.
#[track_caller]
fn lacks(said: &Said, words: &[&str]) {
    for word in words {
        assert!(!said.out.contains(word) && !said.err.contains(word), "{word}\n{}\n{}", said.out, said.err);
    }
}

fn last_line(said: &Said) -> &str {
    said.out.lines().last().unwrap_or_default()
}

/// B1, E2: `explain` promises no departure that a whole run would hold, or not believe; it says what is known of that, how
/// to mend it, and that `sync --user` is stopped by nothing; which itself says so, before and after.
#[test]
fn a_departure_that_a_run_would_hold_is_not_promised() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    narrow(&mut site, "(uid=u0*)");
    let changed = "since run 1, the last that ended well: `users.filter` was not set and is";
    let alone = "takes access away now, for this person alone; no brake stops that.";
    let said = site.expect(0, &["explain", "u15"]);
    has(&said, &["if not held    takes access away (filtered-out)", "decides together with everybody else", changed]);
    assert!(
        last_line(&said).starts_with("A whole run takes access away unless too many would lose something"),
        "{said:?}"
    );
    has(&said, &["If it is a mistake, correct users.filter, or the entry, and run `rosterd sync`.", alone]);
    lacks(&said, &["The next run does"]);
    // A filter that matches nobody is not believed.
    narrow(&mut site, "(uid=nobody)");
    let said = site.expect(0, &["explain", "u15"]);
    has(&said, &["changes nothing", "the search found no user at all, but the store has 20 users"]);
    assert!(last_line(&said).starts_with("No run takes anything from this person as it is"), "{said:?}");
    site.expect(5, &["sync"]);
    has(&site.expect(0, &["explain", "u15"]), &["run 2 waits for a person: "]);
    // Held: with how many others, and the way out.
    narrow(&mut site, "(uid=u0*)");
    site.expect(4, &["sync"]);
    let said = site.expect(0, &["explain", "u15"]);
    has(&said, &["run 3 would have taken access (filtered-out) and held that", "if let go      takes access away"]);
    has(&said, &["`rosterd approve 3` lets it go, and 9 others with this one; if it is a mistake, correct", alone]);
    // Somebody who is not among them, by the same kind: the brake holds this one by now, with no look at anybody else.
    narrow(&mut site, "(&(uid=u0*)(!(uid=u05)))");
    has(&site.expect(0, &["explain", "u05"]), &["run 3 holds 10 people and waits for a person; this one is not among"]);
    // Put right: nothing is left of it.
    narrow(&mut site, EVERYBODY);
    let said = site.expect(0, &["explain", "u15"]);
    assert!(last_line(&said).starts_with("What run 3 held is over for this person"), "{said:?}");
    // Asked for one person all the same.
    narrow(&mut site, "(uid=u0*)");
    let said = site.expect(0, &["sync", "--user", "u15"]);
    assert!(said.err.contains("warning: run 3 holds what this person and 9 others would lose; no brake"), "{said:?}");
    has(&said, &["1 flagged", "If it was not meant: put the directory or the configuration right; access comes back"]);
    let said = site.expect(0, &["explain", "u15"]);
    has(&said, &["Then `rosterd sync` gives access back, under the same id"]);
    narrow(&mut site, EVERYBODY);
    has(&site.expect(0, &["sync"]), &["1 restored"]);
    assert_eq!(site.count("active"), 20);
}

fn lock(slapd: &Slapd, uid: &str) {
    let lock = "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z";
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{lock}\n\n", dn(uid)));
}

fn last_cause(site: &Site) -> serde_json::Value {
    site.json(&["runs", "list"])[0]["cause"].clone()
}

/// E2, S4: nobody is taken for gone, by `sync --user` neither, while nobody at all is found; what `explain` says before is
/// what happens. Whom looking up shows to be disabled goes all the same.
#[test]
fn a_search_that_finds_nobody_takes_nothing_from_one_person() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let members: String = (0..20).map(|n| format!("member: {}\n", dn(&format!("u{n:02}")))).collect();
    slapd.ldif(&format!("dn: cn=staff,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: staff\n{members}\n"));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    remove(&slapd, "u19");
    site.expect(0, &["sync"]);
    site.by_hand("UPDATE rd_users SET delete_after = 1 WHERE state = 'pending'");
    remove(&slapd, "u18");
    let before = site.rights();
    narrow(&mut site, "(uid=nobody)");
    let words = "the search found no user at all, but the store has 19 users of this source; look at users.base_dns";
    assert!(site.expect(5, &["sync"]).out.contains(words));
    // Filtered out, gone, and gone and due.
    for who in ["u15", "u18", "u19"] {
        let said = site.expect(0, &["explain", who]);
        has(&said, &["changes nothing", words]);
        let promise =
            "No run takes anything from this person as it is, `rosterd sync --user` neither. Correct users.filter";
        assert!(last_line(&said).starts_with(promise), "{said:?}");
        lacks(&said, &["takes access away", "deletes the person"]);
        let said = site.expect(5, &["sync", "--user", who]);
        has(&said, &[words]);
        assert_eq!((site.rights(), last_cause(&site)), (before.clone(), "no-users".into()), "{who}");
        assert_eq!(site.count("pending"), 1);
    }
    // What is read needs no proof.
    lock(&slapd, "u13");
    let said = site.expect(0, &["explain", "u13"]);
    has(&said, &["if believed    takes access away (disabled)", "not believed   nobody at all is found"]);
    assert!(last_line(&said).starts_with("No whole run takes access away as it is."), "{said:?}");
    has(&said, &["takes access away now, for this person alone"]);
    has(&site.expect(0, &["sync", "--user", "u13"]), &["1 flagged"]);
    // The same of groups.
    narrow(&mut site, EVERYBODY);
    site.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\nfilter = \"(cn=nothing)\"\n"));
    let before = site.rights();
    let words = "the search found no group at all, but the store has 1 groups of this source";
    has(&site.expect(0, &["explain", "u12"]), &["changes nothing", words]);
    has(&site.expect(5, &["sync", "--user", "u12"]), &[words]);
    assert_eq!((site.rights(), last_cause(&site)), (before, "no-groups".into()));
    site.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\n"));
    // With the filter put right, absence counts again.
    has(&site.expect(0, &["sync", "--user", "u18"]), &["1 flagged"]);
    has(&site.expect(0, &["sync", "--user", "u19"]), &["1 deleted"]);
}

/// B1, B5: who goes when as many went already as may go in a window is held, and said to be; a freeze withholds.
#[test]
fn what_the_window_and_a_freeze_withhold_is_foretold() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let mut site = Site::new(&slapd);
    site.set("brake", "at_least = 2\n");
    site.expect(0, &["sync"]);
    remove(&slapd, "u18");
    remove(&slapd, "u19");
    site.expect(0, &["sync"]);
    remove(&slapd, "u17");
    let said = site.expect(0, &["explain", "u17"]);
    has(
        &said,
        &["whole run      holds this: 3 of 20 people who had access", "(2 of them already went within brake.window)"],
    );
    assert!(last_line(&said).starts_with("The next run holds this, and nothing is lost before `rosterd approve`."));
    site.expect(0, &["freeze", "--for", "2h"]);
    let said = site.expect(0, &["explain", "u17"]);
    lacks(&said, &["takes access away"]);
    assert!(last_line(&said).starts_with("Nothing is taken away before the freeze ends."), "{said:?}");
    site.expect(0, &["freeze", "--off"]);
    site.expect(4, &["sync"]);
    assert_eq!(site.state("u17"), "active");
}

/// I5, B1: people whose re-linking is held lose nothing, and no command says that they would.
#[test]
fn held_re_links_are_no_lost_access() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    for n in 0..7 {
        let uid = format!("u{n:02}");
        remove(&slapd, &uid);
        slapd.ldif(&person(&uid, &format!("{uid}@example.com"), ""));
    }
    let lost = ["would lose access", "gone", "takes access away", "would have taken"];
    let plan = site.expect(4, &["plan"]);
    has(
        &plan,
        &[
            "7 new entries have address and username of people who are gone",
            "Held: they stay as they are, with access, and the new entries wait until a person decides",
            "! u00 would go on under the new entry, which has the same address and username",
        ],
    );
    lacks(&plan, &["would lose access"]);
    let said = site.expect(4, &["sync"]);
    has(&said, &["They keep what they have, access included, and the new entries wait, until a person decides: u00"]);
    lacks(&said, &["would lose"]);
    let shown = site.expect(0, &["runs", "show", "2"]);
    has(&shown, &["Held: 7 people (re-links); they kept access", "! u00                   re-linked"]);
    lacks(&site.expect(0, &["status"]), &["would lose", "without it"]);
    let shown = site.expect(0, &["users", "show", "u00"]);
    has(&shown, &["would be re-linked to a new entry, but the brake holds it: see run 2"]);
    lacks(&shown, &lost);
    let said = site.expect(0, &["explain", "u00"]);
    has(
        &said,
        &["run 2 would have gone on with the user under a new entry and held that", "if let go      goes on with"],
    );
    assert!(last_line(&said).starts_with("The person stays in, with access, and the new entry waits"), "{said:?}");
    let held = site.json(&["runs", "show", "2"])["held"][0].clone();
    assert_eq!((&held["kind"], &held["loses"]), (&"re-links".into(), &serde_json::Value::Null));
    site.expect(0, &["approve", "2"]);
    assert_eq!(site.count("active"), 20);
    has(&site.expect(0, &["sync"]), &["nothing to do"]);
}

/// B1, L5: an approval that was a mistake is undone by correcting the mistake, and everybody is told so who may need it;
/// one that came too late says what it did, and does not claim what it did not do.
#[test]
fn an_approval_tells_the_way_back() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(20));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    narrow(&mut site, "(uid=u0*)");
    let back = "nothing has to be approved; who went meanwhile, approved or not, comes back";
    has(&site.expect(4, &["sync"]), &[back]);
    has(&site.expect(0, &["status"]), &[back]);
    let done = site.expect(0, &["approve", "2"]);
    has(
        &done,
        &[
            "10 flagged",
            "Was it a mistake: put the configuration or the directory right, then `rosterd sync --config ",
            "everybody and everything that the directory shows comes back.",
            "To keep one of them, with access, whatever the directory says: `rosterd conflicts ignore N",
        ],
    );
    narrow(&mut site, EVERYBODY);
    has(&site.expect(0, &["sync"]), &["10 restored"]);
    assert_eq!(site.count("active"), 20);
    // The mistake is over before it is approved.
    narrow(&mut site, "(uid=u1*)");
    site.expect(4, &["sync"]);
    narrow(&mut site, EVERYBODY);
    let needless = site.expect(0, &["approve", "5"]);
    has(&needless, &["Nobody and nothing that run 5 held would go any more", "Nothing waits for approval now."]);
    lacks(&needless, &["Was it a mistake"]);
    let idle = "run 6 looked again, and there was nothing left to do";
    let refused = site.expect(1, &["approve", "5"]);
    assert!(refused.err.contains(idle) && !refused.err.contains("did it"), "{refused:?}");
    has(&site.expect(0, &["runs", "show", "5"]), &[&format!("It was approved: {idle}.")]);
    // What is gone for lack of a managed domain is deleted at once, and comes back the same way.
    site.set("domains", "managed = [\"other.example\"]\n");
    let run = 7;
    site.expect(4, &["sync"]);
    has(&site.expect(0, &["approve", &run.to_string()]), &["20 deleted", "under the same id but without rules"]);
    site.set("domains", "");
    site.expect(0, &["sync"]);
    assert_eq!(site.count("active"), 20);
}

/// B5: a freeze given again says which end holds; while it goes on, what waits for it is no fault, and afterwards nothing
/// speaks of it as if it went on.
#[test]
fn a_freeze_is_told_with_its_old_and_its_new_end() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    lacks(&site.expect(0, &["freeze", "--for", "4h", "DC patching"]), &["instead of", "earlier than"]);
    has(&site.expect(0, &["freeze", "--for", "1h"]), &["until 20", "earlier than the 20", "(DC patching) of before."]);
    has(
        &site.expect(0, &["freeze", "--for", "2h", "again"]),
        &["instead of the 20", "who is disabled in the directory still"],
    );
    has(&site.expect(0, &["freeze", "--help"]), &["still lose access", "also when it is earlier"]);
    remove(&slapd, "u02");
    // Something waits: that is its own exit status, and no fault of the source.
    site.expect(4, &["plan"]);
    site.expect(4, &["sync"]);
    let status = site.expect(0, &["status"]);
    assert!(status.out.starts_with("healthy since"), "{status:?}");
    assert_eq!(site.json(&["status"])["healthy"], true);
    has(&status, &["Why:            frozen until 20"]);
    site.expect(0, &["freeze", "--off"]);
    let status = site.expect(0, &["status"]);
    assert!(status.out.starts_with("NOT HEALTHY"), "{status:?}");
    has(
        &status,
        &["Why:            the source was frozen then, to end at 20", "1 person is missing (u02); nothing was taken"],
    );
    lacks(&status, &["frozen until", "--off"]);
    has(&site.expect(0, &["sync"]), &["1 flagged"]);
    assert!(site.expect(0, &["status"]).out.starts_with("healthy since"));
}

/// I5: somebody deleted and re-added under another name is asked about, with the number to answer; by `explain` for either.
#[test]
fn somebody_re_added_under_another_name_can_be_re_linked() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let id = site.user("u01").unwrap()["id"].clone();
    remove(&slapd, "u01");
    slapd.ldif(&person("ada", "u01@example.com", ""));
    let said = site.expect(0, &["explain", "u01"]);
    has(&said, &[&format!("but `{}` is `u01@example.com` now", dn("ada")), "if not held    takes access away (gone)"]);
    has(&said, &["If it is a mistake, give the new entry that is named above the username and the address of before"]);
    site.expect(0, &["sync"]);
    let conflicts = site.json(&["conflicts"]);
    let all = conflicts.as_array().unwrap();
    let number = all.iter().find(|one| one["kind"] == "maybe-same-person").unwrap()["id"].to_string();
    let relink = format!("Are they one person, deleted and re-added: `rosterd conflicts relink {number}` gives");
    for who in ["u01", "ada", "u01@example.com"] {
        let said = site.expect(0, &["explain", who]);
        assert!(last_line(&said).starts_with(&relink), "{who}: {said:?}");
    }
    site.expect(0, &["conflicts", "relink", &number]);
    site.expect(0, &["sync"]);
    let user = site.user("u01@example.com").unwrap();
    assert_eq!((&user["id"], &user["state"], &user["username"]), (&id, &"active".into(), &"ada".into()), "{user}");
    assert!(last_line(&site.expect(0, &["explain", "ada"])).starts_with("In, with access."));
    // Of somebody deleted, the question is known before the run that asks it.
    remove(&slapd, "u02");
    site.expect(0, &["sync"]);
    site.expect(0, &["users", "delete", "u02"]);
    slapd.ldif(&person("eve", "u02@example.com", ""));
    let said = site.expect(0, &["explain", "eve"]);
    assert!(last_line(&said).starts_with("The next run asks whether the two are one person"), "{said:?}");
    site.expect(0, &["sync"]);
    has(
        &site.expect(0, &["explain", "eve"]),
        &["Are they one person, deleted and re-added: `rosterd conflicts relink"],
    );
}

/// U8, A4: times in a plan are written for people, whatever the attribute counts in; and the two ways to keep somebody say
/// when to use which.
#[test]
fn a_plan_writes_times_for_people() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let one = |uid: &str| person(uid, &format!("{uid}@example.com"), "employeeNumber: 99991231000000Z\n");
    slapd.ldif(&["ada", "bob", "cy"].map(one).concat());
    let mut site = Site::new(&slapd);
    let test = "[[users.disabled]]\nattribute = \"employeeNumber\"\nexpired = true\n";
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n{test}"));
    site.expect(0, &["sync"]);
    slapd.ldif(&format!(
        "dn: {}\nchangetype: modify\nreplace: employeeNumber\nemployeeNumber: 20200101000000Z\n\n",
        dn("ada")
    ));
    has(&site.expect(3, &["plan"]), &["is `20200101000000Z`, which is past"]);
    site.expect(0, &["sync"]);
    // Who claims what somebody pending has is told until when.
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nreplace: mail\nmail: ada@example.com\n\n", dn("bob")));
    for said in [site.expect(3, &["plan"]), site.expect(3, &["plan", "--all"])] {
        has(&said, &["address-taken ada@example.com"]);
        assert!(!said.out.contains("T0") && !said.out.contains("000Z)"), "{said:?}");
        let raw =
            said.out.split_whitespace().any(|word| word.contains("-12-") && word.contains('T') && word.contains('Z'));
        assert!(!raw, "{said:?}");
    }
    has(
        &site.expect(0, &["users", "restore", "--help"]),
        &["does what `rosterd conflicts ignore N` does", "use neither"],
    );
    has(&site.expect(0, &["conflicts", "ignore", "--help"]), &["The same as `rosterd users restore WHO`"]);
}
