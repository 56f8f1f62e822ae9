//! Another directory in the place of the one of before, and one that was made anew (I9, I5); a store that was restored.

use serde_json::Value;

use super::{BASE, dn, people, person};
use crate::support::program::{Site, source};
use crate::support::slapd::{Options, Slapd};

fn staff(uids: &[&str]) -> String {
    let members: String = uids.iter().map(|uid| format!("member: {}\n", dn(uid))).collect();
    format!("dn: cn=staff,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: staff\n{members}\n")
}

fn remove(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n\n", dn(uid)));
}

fn modify(slapd: &Slapd, uid: &str, change: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{change}\n\n", dn(uid)));
}

fn last_run(site: &Site) -> Value {
    site.json(&["runs", "list"])[0].clone()
}

const ANOTHER: &str = "source.base_dn is another object than in run ";

/// I9, B1: a directory with the same suffix and other people takes nothing from anybody, however few they are, and lets
/// nobody in; with the right one back, all is as before.
#[test]
fn another_directory_of_the_same_name_takes_nothing_and_lets_nobody_in() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let Some(other) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&(people(&["ada", "bob", "cy", "di"]) + &staff(&["ada", "bob"])));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    remove(&slapd, "di");
    site.expect(0, &["sync"]);
    site.by_hand("UPDATE rd_users SET delete_after = 1 WHERE state = 'pending'");
    let before = (site.rights(), site.content());
    other.ldif(&(people(&["tess", "tim"]) + &staff(&["tess"])));
    site.set("source", &source(&other, other.url(), ""));
    for command in [&["plan"][..], &["sync"], &["sync", "--only", "users"], &["sync", "--only", "groups"], &["sync"]] {
        let said = site.expect(4, command);
        assert!(said.out.contains(ANOTHER) && said.out.contains("set it back"), "{command:?}: {said:?}");
        assert!(said.out.contains("`source.urls` was"), "{command:?}: {said:?}");
        assert_eq!((site.rights(), site.content()), before, "{command:?}");
    }
    let run = last_run(&site);
    assert_eq!((&run["outcome"], &run["cause"]), (&"held".into(), &"base-changed".into()), "{run}");
    let held = site.json(&["runs", "show", &run["id"].to_string()])["held"].clone();
    assert_eq!(held.as_array().unwrap().len(), 3, "{held}");
    site.expect(0, &["sync", "--only", "cleanup"]);
    for who in ["ada", "tess"] {
        let said = site.expect(78, &["sync", "--user", who]);
        assert!(said.err.contains(ANOTHER), "{said:?}");
        assert!(site.run(&["explain", who]).out.contains(ANOTHER));
    }
    assert_eq!((site.rights(), site.content()), before);
    let said = site.expect(1, &["check"]).out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(ANOTHER) && said.contains("every run is held (base-changed)"), "{said}");
    assert!(!said.contains("that the roster has of this source"), "{said}");
    site.set("source", &source(&slapd, slapd.url(), ""));
    assert!(!site.run(&["check"]).out.contains(ANOTHER));
    site.expect(0, &["sync"]);
    assert_eq!((site.count("active"), site.user("di")), (3, None), "who was due is due");
    assert!(site.expect(0, &["sync"]).out.contains("nothing to do"));
}

/// I9, I5: a directory that was made anew with the same people is held, the base object named as the cause, however few they
/// are; approved, they go on under their ids, whoever is not there any more goes, and whoever is new comes in.
/// Faults: G3.
#[test]
fn a_directory_that_was_made_anew_is_held_and_approved() {
    for count in [3, 9] {
        let Some(mut slapd) = Slapd::start(Options::default()) else { return };
        let names: Vec<String> = (0..count).map(|n| format!("u{n}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        slapd.ldif(&(people(&all) + &staff(&all)));
        let site = Site::new(&slapd);
        site.expect(0, &["sync"]);
        let before = site.rights();
        let id = |uid: &str| site.user(uid).unwrap()["id"].clone();
        let ids: Vec<Value> = all.iter().map(|uid| id(uid)).collect();
        let stay = &all[..count - 1];
        slapd.load(&(people(stay) + &person("zoe") + &staff(stay)));
        site.expect(4, &["plan"]);
        for _ in 0..2 {
            let said = site.expect(4, &["sync"]);
            let alike = format!("{} new entries have address and username of people who are gone", count - 1);
            let another = format!("{ANOTHER}1 (unique id ");
            assert!(said.out.contains(&another) && said.out.contains(&alike), "{said:?}");
            assert!(said.out.contains("was made anew, or restored"), "{said:?}");
            assert_eq!((site.rights(), site.user("zoe")), (before.clone(), None));
        }
        let approved = site.run(&["approve", "3"]);
        // Groups that were made anew, too, are others: what they give counts apart (B1).
        if approved.code == 4 {
            assert!(approved.out.contains("memberships"), "{approved:?}");
            site.expect(0, &["approve", "4"]);
        }
        let now: Vec<Value> = all.iter().map(|uid| id(uid)).collect();
        assert_eq!((now, site.count("active"), site.state("zoe")), (ids, count, "active".to_owned()), "{approved:?}");
        let gone = site.user(all[count - 1]).unwrap();
        assert_eq!((&gone["state"], &gone["pending_reason"]), (&"pending".into(), &"gone".into()), "{gone}");
        assert!(site.expect(0, &["sync"]).out.contains("nothing to do"));
        site.expect(0, &["sync", "--user", "zoe"]);
    }
}

/// I9, I2: a configured unique id can be another person's in another directory of the same suffix: nobody of it comes in, and
/// nobody goes on as somebody else, before a person says that it is right.
#[test]
fn a_configured_unique_id_does_not_make_another_directory_the_same() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let Some(other) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob", "cy"]));
    other.ldif(&people(&["ada", "bob", "tim"]));
    let mut site = Site::new(&slapd);
    site.set("users.attributes", "unique_id = \"uid\"\n");
    site.expect(0, &["sync"]);
    let id = site.user("ada").unwrap()["id"].clone();
    let before = (site.rights(), site.content());
    site.set("source", &source(&other, other.url(), ""));
    for command in [&["plan"][..], &["sync"]] {
        let said = site.expect(4, command);
        let why = "another directory may give the same `uid` to other people";
        assert!(said.out.contains(ANOTHER) && said.out.contains(why), "{command:?}: {said:?}");
        assert_eq!((site.rights(), site.content()), before, "{command:?}");
    }
    let run = last_run(&site)["id"].to_string();
    let held = site.json(&["runs", "show", &run])["held"].clone();
    assert_eq!((held.as_array().unwrap().len(), &held[0]["label"]), (1, &"cy".into()), "the others go on: {held}");
    site.expect(78, &["sync", "--user", "tim"]);
    site.expect(0, &["approve", &run]);
    assert_eq!((site.user("ada").unwrap()["id"].clone(), site.state("cy")), (id, "pending".to_owned()));
    assert_eq!(site.state("tim"), "active");
    assert!(site.expect(0, &["sync"]).out.contains("nothing to do"));
}

/// I9: where people are found by unique id it is the same directory, whatever became of the base object.
#[test]
fn another_base_object_over_the_same_people_changes_nothing() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob", "cy"]));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    site.by_hand("UPDATE rd_runs SET basis = json_set(basis, '$.base', 'former')");
    remove(&slapd, "cy");
    site.expect(0, &["sync"]);
    assert_eq!((site.count("active"), site.state("cy")), (2, "pending".to_owned()));
}

/// Every command lets go of its store, whether it ended well or not: one file is all of it, and may be copied.
#[test]
fn no_command_leaves_anything_beside_the_store() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada"]));
    let site = Site::new(&slapd);
    let commands: [(i32, &[&str]); 13] = [
        (0, &["migrate"]),
        (0, &["sync"]),
        (0, &["plan"]),
        (0, &["check"]),
        (0, &["status"]),
        (0, &["explain", "ada"]),
        (0, &["users", "list"]),
        (1, &["users", "show", "nobody"]),
        (0, &["rules", "allow", "ada", "*@partner.example"]),
        (0, &["runs", "show", "1"]),
        (1, &["approve", "99"]),
        (0, &["conflicts"]),
        (0, &["changes", "--since", "0"]),
    ];
    for (status, words) in commands {
        site.expect(status, words);
        let beside = ["roster.db-wal", "roster.db-shm"].map(|name| site.path(name).exists());
        assert_eq!(beside, [false; 2], "{words:?}");
    }
}

/// B3, L9, I5: a store that was restored from an earlier copy has what a fresh one has, after one run, under the ids of
/// the copy; of those who were pending in it, whoever came back meanwhile stays, although the date is past.
/// Faults: I15.
#[test]
fn a_store_restored_from_an_earlier_copy_is_what_a_fresh_one_is() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let names: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    slapd.ldif(&(people(&all) + &staff(&all)));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    site.expect(0, &["rules", "allow", "u09", "*@partner.example"]);
    for uid in ["u08", "u09"] {
        remove(&slapd, uid);
    }
    modify(&slapd, "u10", "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    site.expect(0, &["sync"]);
    let id = |uid: &str| site.user(uid).unwrap()["id"].clone();
    let kept = ["u00", "u05", "u09", "u10"].map(|uid| (uid, id(uid)));
    let (store, copy) = (site.path("roster.db"), site.path("copy.db"));
    assert!(!site.path("roster.db-wal").exists(), "one file is all of it");
    std::fs::copy(&store, &copy).unwrap();
    // A week goes by.
    slapd.ldif(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=u00.new\ndeleteoldrdn: 1\n\n", dn("u00")));
    modify(&slapd, "u01", "add: proxyAddresses\nproxyAddresses: smtp:first@example.com");
    modify(&slapd, "u02", "replace: mail\nmail: second@example.com");
    modify(&slapd, "u03", "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    remove(&slapd, "u04");
    site.expect(0, &["sync"]);
    remove(&slapd, "u05");
    slapd.ldif(&people(&["u05", "u09"]));
    modify(&slapd, "u10", "delete: pwdAccountLockedTime");
    slapd.ldif(&(people(&["ann", "ben"])));
    let group = format!("dn: cn=staff,ou=groups,{BASE}\nchangetype: modify\n");
    slapd.ldif(&format!("{group}delete: member\nmember: {}\n-\nadd: member\nmember: {}\n\n", dn("u06"), dn("ann")));
    site.expect(0, &["sync"]);
    site.expect(0, &["sync"]);
    std::fs::copy(&copy, &store).unwrap();
    site.by_hand("UPDATE rd_users SET delete_after = 1 WHERE state = 'pending'");
    site.expect(0, &["sync"]);
    let fresh = Site::new(&slapd);
    fresh.expect(0, &["sync"]);
    let living = |site: &Site| {
        let mut lines = site.content();
        lines.retain(|line| !line.contains("\"state\":\"pending\"") && !line.contains("\"state\":\"deleted\""));
        lines
    };
    assert_eq!(living(&site), living(&fresh));
    let now = ["u00.new", "u05", "u09", "u10"].map(id);
    assert_eq!(now, kept.map(|(_, id)| id), "they are who they were");
    assert!(site.json(&["rules", "list", "u09"]).to_string().contains("*@partner.example"));
    assert_eq!((site.user("u08"), site.state("u03"), site.state("u04")), (None, "pending".into(), "pending".into()));
    assert!(site.expect(0, &["sync"]).out.contains("nothing to do"));
    // Whoever left since then leaves in one run, and the brake looks at that.
    names[11..].iter().for_each(|uid| remove(&slapd, uid));
    let run = site.expect(4, &["sync"]);
    assert!(run.out.contains("now 9 gone"), "{run:?}");
    std::fs::copy(&copy, &store).unwrap();
    let before = site.count("active");
    let run = site.expect(4, &["sync"]);
    assert!(run.out.contains("now 10 gone"), "{run:?}");
    assert_eq!(site.count("active"), before + 3, "two came, two came back, one is disabled; who is not there stays");
}
