//! What administrators settle: deleting, keeping, restoring, rules (L8, L4, U5).

use serde_json::{Value, json};

use super::{dn, on_both, people, person};
use crate::support::program::{Said, Site};
use crate::support::slapd::{Options, Slapd};

fn remove(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn(uid)));
}

fn lock(slapd: &Slapd, uid: &str, change: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{change}\n", dn(uid)));
}

const LOCK: &str = "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z";
const UNLOCK: &str = "delete: pwdAccountLockedTime";

/// The number of somebody's open or ignored flag.
#[track_caller]
fn conflict(site: &Site, user: &str) -> String {
    let all = site.json(&["conflicts", "list", "--all"]);
    let of = |row: &&Value| row["subject"] == user && row["status"] != "resolved";
    all.as_array().unwrap().iter().find(of).unwrap_or_else(|| panic!("{user}: {all}"))["id"].to_string()
}

#[track_caller]
fn refused(site: &Site, arguments: &[&str], words: &[&str]) -> Said {
    let before = site.content();
    let said = site.expect(1, arguments);
    for word in words {
        assert!(said.err.contains(word), "{word}: {said:?}");
    }
    assert_eq!(site.content(), before, "nothing half done");
    said
}

fn changes(site: &Site, who: &str) -> Vec<(String, Value)> {
    let user = site.json(&["users", "show", who]);
    let history = user["history"].as_array().unwrap().clone();
    history.iter().map(|change| (change["kind"].as_str().unwrap().to_owned(), change["run_id"].clone())).collect()
}

/// VIPRE-40, COVATA-9, OKV-28, L8: deleted before the date, from the list of conflicts or by name, and the rules and
/// whatever the application hands over go to somebody else.
#[test]
fn an_administrator_deletes_during_the_delay_and_hands_over() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob", "cy"]));
        site.expect(0, &["sync"]);
        site.expect(0, &["rules", "allow", "bob", "*@partner.example"]);
        site.expect(0, &["rules", "deny", "bob", "spam@partner.example"]);
        remove(slapd, "bob");
        remove(slapd, "cy");
        site.expect(0, &["sync"]);
        let (bob, cy, ada) = (
            conflict(&site, "bob"),
            conflict(&site, "cy"),
            site.user("ada").unwrap()["id"].as_str().unwrap().to_owned(),
        );
        let listed = site.expect(0, &["conflicts"]);
        for word in [
            "pending-deletion  bob",
            "user: bob (pending)",
            "cause: bob has no access: gone",
            "since: 20",
            "due: 20",
            &format!("conflicts delete {bob}"),
            &format!("conflicts ignore {cy}"),
        ] {
            assert!(listed.out.contains(word), "{word}: {}", listed.out);
        }
        refused(&site, &["conflicts", "delete", &bob, "--transfer-to", "cy"], &["`cy`", "who is pending"]);
        refused(&site, &["conflicts", "delete", &bob, "--transfer-to", "bob"], &["cannot hand over to the same user"]);
        let id = site.json(&["conflicts", "show", &bob])["user_id"].as_str().unwrap().to_owned();
        let done = site.expect(0, &["conflicts", "delete", &bob, "--transfer-to", "ada"]);
        assert!(done.out.contains("Done: `bob` deleted, handing over to `ada`."), "{done:?}");
        let gone = site.json(&["users", "show", &id]);
        assert_eq!(
            (&gone["state"], &gone["transferred_to"], &gone["username"]),
            (&json!("deleted"), &json!(ada), &Value::Null)
        );
        let rules = site.json(&["rules", "list", "ada"]);
        let patterns: Vec<_> = rules.as_array().unwrap().iter().map(|rule| (&rule["kind"], &rule["pattern"])).collect();
        assert_eq!(
            patterns,
            [(&json!("allow"), &json!("*@partner.example")), (&json!("deny"), &json!("spam@partner.example"))]
        );
        let last = changes(&site, &id).pop().unwrap();
        assert_eq!(last, ("user.deleted".to_owned(), Value::Null), "recorded, without a run");
        refused(&site, &["conflicts", "delete", &bob], &["is resolved already: the user is deleted now"]);
        refused(&site, &["users", "delete", &id], &["is deleted already", "users restore"]);
        site.expect(0, &["users", "delete", "cy", "--yes"]);
        assert_eq!((site.count("active"), site.count("deleted")), (1, 2));
        assert_eq!(site.json(&["conflicts"]), json!([]));
        // The next run has nothing to say to it.
        site.expect(0, &["plan"]);
    });
}

/// VIPRE-41, L8: kept with access until none of the reasons holds, however the reason changes.
/// Faults: D15.
#[test]
fn an_administrator_keeps_somebody_flagged() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        refused(&site, &["conflicts", "ignore", "99"], &["there is no conflict 99", "lists them"]);
        lock(slapd, "bob", LOCK);
        site.expect(0, &["sync"]);
        let number = conflict(&site, "bob");
        let done = site.expect(0, &["conflicts", "ignore", &number]);
        assert!(done.out.contains("Done: `bob` kept, with access."), "{done:?}");
        let bob = site.user("bob").unwrap();
        assert_eq!(
            (&bob["state"], &bob["access"], &bob["pending_reason"], &bob["delete_after"]),
            (&json!("kept"), &json!(true), &Value::Null, &Value::Null)
        );
        refused(&site, &["conflicts", "ignore", &number], &["is ignored already"]);
        refused(&site, &["users", "restore", "bob"], &["is kept, neither pending nor deleted"]);
        assert_eq!(site.json(&["conflicts"]), json!([]), "nothing waits for a person");
        site.expect(0, &["plan"]);
        site.expect(0, &["sync"]);
        // Another reason: still kept.
        remove(slapd, "bob");
        site.expect(0, &["sync"]);
        assert_eq!(site.state("bob"), "kept");
        lock(slapd, "ada", LOCK);
        site.expect(0, &["sync"]);
        site.expect(0, &["conflicts", "ignore", &conflict(&site, "ada")]);
        lock(slapd, "ada", UNLOCK);
        site.expect(0, &["sync"]);
        assert_eq!(site.state("ada"), "active", "no reason is left");
        lock(slapd, "ada", LOCK);
        site.expect(0, &["sync"]);
        assert_eq!(site.state("ada"), "pending", "and a new one is a new flag");
        site.expect(0, &["conflicts", "delete", &number]);
        assert_eq!(site.count("deleted"), 1, "somebody kept is deleted by hand");
    });
}

/// L8, U7: neither kept nor restored while the name belongs to somebody else.
#[test]
fn nobody_is_kept_whose_name_belongs_to_somebody_else() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        let id = site.user("bob").unwrap()["id"].as_str().unwrap().to_owned();
        remove(slapd, "bob");
        site.expect(0, &["sync"]);
        let number = conflict(&site, "bob");
        slapd.ldif(&person("bob").replace("bob@example.com", "robert@example.com"));
        site.expect(0, &["sync"]);
        let names = ["the username `bob` belongs to `bob` (robert@example.com)"];
        refused(&site, &["conflicts", "ignore", &number], &names);
        refused(&site, &["users", "restore", &id], &names);
        refused(&site, &["users", "delete", "bob"], &["2 users are `bob`"]);
        site.expect(0, &["conflicts", "delete", &number]);
        refused(&site, &["users", "restore", &id], &names);
        remove(slapd, "bob");
        site.expect(0, &["sync"]);
        site.expect(0, &["users", "delete", "robert@example.com"]);
        site.expect(0, &["users", "restore", &id]);
        let bob = site.user("bob").unwrap();
        assert_eq!(
            (&bob["state"], &bob["id"], &bob["primary_address"]),
            (&json!("kept"), &json!(id), &json!("bob@example.com"))
        );
        refused(&site, &["users", "restore", "robert@example.com"], &names[..0]);
        // I5: whether the two were one person is no question any more.
        site.expect(0, &["sync"]);
        site.expect(0, &["plan"]);
    });
}

/// VIPRE-42, U5: a warning says that the next run adds back who is deleted by hand, and it does: the same id, without
/// the rules.
/// Faults: D5.
#[test]
fn who_is_active_in_the_directory_comes_back() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        site.expect(0, &["rules", "allow", "ada", "x"]);
        let before = site.user("ada").unwrap();
        let said = site.expect(0, &["users", "delete", "ada"]);
        assert!(said.err.contains("the next run adds the user back"), "{said:?}");
        assert_eq!(site.count("deleted"), 1);
        site.expect(3, &["plan"]);
        site.expect(0, &["sync"]);
        let after = site.user("ada").unwrap();
        assert_eq!((&after["id"], &after["primary_address"]), (&before["id"], &before["primary_address"]));
        assert_eq!(site.json(&["rules", "list", "ada"]), json!([]));
        site.expect(0, &["plan"]);
        // VIPRE-27, S1: with the source switched off nobody comes back, and nothing warns.
        let source = crate::support::program::source(slapd, slapd.url(), "enabled = false");
        site.set("source", &source);
        let said = site.expect(0, &["users", "delete", "ada"]);
        assert_eq!(said.err, "");
        site.expect(0, &["sync"]);
        assert_eq!(site.count("deleted"), 1);
    });
}

/// VIPRE-37, VIPRE-38, L4, L5, L6: entries survive a flag and every run, stand still while pending, and end with the
/// user.
#[test]
fn rules_are_frozen_while_pending_and_end_with_the_user() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        site.expect(0, &["rules", "deny", "bob", "*@partner.example"]);
        site.expect(0, &["rules", "allow", "bob", "*@partner.example"]);
        refused(&site, &["rules", "allow", "bob", "*@partner.example"], &["has the entry `*@partner.example` already"]);
        refused(&site, &["rules", "deny", "bob", "a\nb"], &["has no control characters"]);
        refused(&site, &["rules", "deny", "nobody", "x"], &["no user has `nobody`"]);
        let rules = || site.json(&["rules", "list", "bob@example.com"]);
        let before = rules();
        assert_eq!((&before[0]["kind"], before.as_array().unwrap().len()), (&json!("allow"), 1));
        lock(slapd, "bob", LOCK);
        site.expect(0, &["sync"]);
        assert_eq!(rules(), before);
        for words in [["rules", "deny", "bob", "x"], ["rules", "remove", "bob", "*@partner.example"]] {
            refused(&site, &words, &["frozen while the user is pending"]);
        }
        lock(slapd, "bob", UNLOCK);
        site.expect(0, &["sync"]);
        assert_eq!(rules(), before, "L5");
        site.expect(0, &["rules", "remove", "bob", "*@partner.example"]);
        refused(&site, &["rules", "remove", "bob", "*@partner.example"], &["has no entry"]);
        site.expect(0, &["rules", "deny", "bob", "x"]);
        remove(slapd, "bob");
        site.expect(0, &["sync"]);
        site.expect(0, &["conflicts", "delete", &conflict(&site, "bob")]);
        slapd.ldif(&person("bob"));
        site.expect(0, &["sync"]);
        assert_eq!(rules(), json!([]));
    });
}

/// L8, S3: of two administrators the second one is told what the first one did; on a terminal a question is asked, and
/// only there.
#[test]
fn the_second_administrator_gets_a_clear_answer() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob", "cy"]));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    for uid in ["bob", "cy"] {
        remove(&slapd, uid);
    }
    site.expect(0, &["sync"]);
    let number = conflict(&site, "bob");
    // Whoever is kept may still be deleted, so only two of a kind exclude each other in either order.
    let both: Vec<_> = ["delete", "delete"]
        .into_iter()
        .map(|verb| site.command(&["conflicts", verb, &number]).stderr(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    let ended: Vec<_> =
        both.into_iter().map(|child| crate::support::program::said(&child.wait_with_output().unwrap())).collect();
    assert_eq!(ended.iter().filter(|said| said.code == 0).count(), 1, "{ended:?}");
    let second = ended.iter().find(|said| said.code != 0).unwrap();
    let clear = ["already", "in the meantime", "not pending"];
    assert!(clear.iter().any(|word| second.err.contains(word)), "{second:?}");
    // On a terminal.
    let typed = |answer: &str| {
        let command = format!("{} --config {} users delete cy", env!("CARGO_BIN_EXE_rosterd"), site.config().display());
        let mut child = std::process::Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), answer.as_bytes()).unwrap();
        crate::support::program::said(&child.wait_with_output().unwrap())
    };
    let no = typed("n\n");
    assert!(
        no.code == 1 && no.out.contains("delete `cy` (pending) now? [y/N]") && no.out.contains("nothing was done"),
        "{no:?}"
    );
    assert_eq!(site.state("cy"), "pending");
    let yes = typed("y\n");
    assert!(yes.code == 0 && yes.out.contains("`cy` deleted"), "{yes:?}");
    assert!(site.user("cy").is_none());
}
