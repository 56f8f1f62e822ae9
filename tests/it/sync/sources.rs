//! Sources that are frozen, renamed, given up (B5, I9, S6).

use serde_json::json;

use super::{BASE, dn, on_both, people, person};
use crate::support::program::{Site, source};
use crate::support::slapd::{Options, Slapd};

fn remove(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn(uid)));
}

fn lock(slapd: &Slapd, uid: &str) {
    let lock = "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z";
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{lock}\n", dn(uid)));
}

/// B5: what absence says waits, and due deletions; additions and a disabled test that was read apply; it ends by hand.
#[test]
fn a_frozen_source_loses_nobody_who_is_only_missing() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob", "cy", "di"]));
        site.set("deletion", "delay = \"0d\"\nminimum = \"0d\"\ndisabled_delay = \"14d\"\n");
        site.expect(0, &["sync"]);
        lock(slapd, "di");
        site.expect(0, &["sync"]);
        let said = site.expect(0, &["freeze", "--for", "2h", "DC patching"]);
        assert!(said.out.contains("`corp` is frozen until "), "{said:?}");
        assert!(site.expect(0, &["status"]).out.contains("DC patching"));
        assert_eq!(site.json(&["status"])["frozen"]["reason"], "DC patching");
        remove(slapd, "ada");
        remove(slapd, "di");
        lock(slapd, "bob");
        slapd.ldif(&person("eve"));
        let planned = site.expect(4, &["plan"]);
        let said = site.expect(4, &["sync"]);
        for text in [&planned.out, &said.out] {
            assert!(text.contains("(DC patching): 1 person is missing (ada), and nothing"), "{text}");
            assert!(text.contains("freeze --off"), "{text}");
        }
        let states = |site: &Site| ["ada", "bob", "cy", "di", "eve"].map(|who| site.state(who));
        assert_eq!(states(&site), ["active", "pending", "active", "pending", "active"]);
        assert_eq!(site.json(&["runs", "list"])[0]["outcome"], "held");
        let before = site.content();
        site.expect(4, &["sync"]);
        assert_eq!(site.content(), before, "a run straight after it changes nothing");
        site.expect(0, &["freeze", "--off"]);
        assert!(site.expect(0, &["freeze", "--off"]).out.contains("was not frozen"));
        assert_eq!(site.json(&["status"])["frozen"], json!(null));
        site.expect(0, &["sync"]);
        assert_eq!(site.user("ada"), None, "deleted at once, as configured");
    });
}

/// B5: due deletions wait in every kind of run, and with the source switched off; a freeze ends by itself.
#[test]
fn a_frozen_source_deletes_nobody_who_is_due() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob"]));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    remove(&slapd, "ada");
    site.expect(0, &["sync"]);
    site.by_hand("UPDATE rd_users SET delete_after = 1 WHERE state = 'pending'");
    site.expect(0, &["freeze"]);
    for arguments in [&["sync"][..], &["sync", "--only", "cleanup"], &["plan", "--only", "cleanup"]] {
        let said = site.expect(4, arguments);
        assert!(said.out.contains("1 deletion is due"), "{said:?}");
    }
    site.set("source", &source(&slapd, slapd.url(), "enabled = false\n"));
    assert!(site.expect(0, &["sync"]).out.contains("1 deletion is due"));
    assert_eq!(site.state("ada"), "pending");
    site.by_hand("UPDATE rd_freezes SET until = 1");
    site.expect(0, &["sync"]);
    assert_eq!(site.user("ada"), None);
    for bad in [&["freeze", "--for", "soon"][..], &["freeze", "--for", "31d"], &["freeze", "--for", "1h", "--off"]] {
        site.expect(2, bad);
    }
}

/// I9: a new name for the same directory is refused with the command that makes it right.
/// Faults: D14.
#[test]
fn a_source_gets_another_name_with_everything_that_is_its() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        remove(slapd, "bob");
        site.expect(0, &["sync"]);
        let id = site.user("ada").unwrap()["id"].clone();
        site.set("source", &source(slapd, slapd.url(), "").replace("\"corp\"", "\"head-office\""));
        for command in ["sync", "plan"] {
            let refused = site.expect(78, &[command]);
            assert!(refused.err.contains("rosterd source rename corp head-office"), "{refused:?}");
        }
        assert!(site.expect(1, &["check"]).out.contains("rosterd source rename corp head-office"));
        let unknown = site.expect(1, &["source", "rename", "crop", "head-office"]);
        assert!(unknown.err.contains("there is no source `crop`"), "{unknown:?}");
        let said = site.expect(0, &["source", "rename", "corp", "head-office"]);
        assert!(said.out.contains("set source.name = \"head-office\""), "{said:?}");
        let sources = site.json(&["source"]);
        assert_eq!(sources[0]["name"], "head-office");
        assert_eq!(sources[0]["users"], json!({ "active": 1, "pending": 1 }));
        site.expect(0, &["plan"]);
        site.expect(0, &["sync"]);
        let ada = site.user("ada").unwrap();
        assert_eq!((&ada["id"], &ada["source"]), (&id, &json!("head-office")));
        site.set("source", &source(slapd, slapd.url(), ""));
        site.expect(78, &["sync"]);
    });
}

/// I9: before the base object was read nobody comes in, and nothing is kept that would stand in the way of the right one.
#[test]
fn a_misspelt_base_of_a_first_sync_is_corrected_and_all_is_well() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob"]));
        let misspelt =
            source(slapd, slapd.url(), "").replace(&format!("base_dn = \"{BASE}\""), "base_dn = \"dc=exmaple,dc=com\"");
        site.set("source", &misspelt);
        for command in [&["plan"][..], &["sync"], &["sync", "--user", "ada"], &["sync", "--only", "cleanup"]] {
            let refused = site.expect(1, command);
            assert!(refused.err.contains("source.base_dn `dc=exmaple,dc=com` cannot be read"), "{refused:?}");
            assert!(refused.err.contains("correct source.base_dn"), "{refused:?}");
        }
        assert_eq!(site.content(), Vec::<String>::new(), "the bases of users and groups are right, but nobody is in");
        assert_eq!(site.json(&["source"]), json!([]));
        assert!(site.expect(1, &["check"]).out.contains("correct source.base_dn"));
        site.set("source", &source(slapd, slapd.url(), ""));
        site.expect(0, &["check"]);
        site.expect(0, &["sync"]);
        assert_eq!(site.count("active"), 2);
        let before = site.content();
        site.expect(0, &["sync"]);
        assert_eq!(site.content(), before);
    });
}

/// I9: a source that knows nobody yet may be any directory; one with people only the one where most of them are found.
#[test]
fn a_source_is_known_by_its_people_when_its_directory_is_called_something_else() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    let directory = |site: &Site| site.json(&["source"])[0]["directory"].clone();
    let elsewhere = "UPDATE rd_sources SET directory = 'dc=former,dc=com'";
    site.expect(0, &["sync"]);
    site.by_hand(elsewhere);
    site.expect(0, &["check"]);
    site.expect(0, &["sync"]);
    assert_eq!(directory(&site), BASE, "nobody is in yet");
    slapd.ldif(&people(&["ada", "bob", "cy"]));
    site.expect(0, &["sync"]);
    site.by_hand(elsewhere);
    remove(&slapd, "ada");
    site.expect(0, &["check"]);
    site.expect(3, &["plan"]);
    assert_eq!(directory(&site), "dc=former,dc=com", "a plan changes nothing");
    site.expect(0, &["sync"]);
    assert_eq!((directory(&site), site.state("ada")), (json!(BASE), "pending".to_owned()));
    // The same names in a directory that gave them other ids.
    slapd.load(&people(&["ada", "bob", "cy"]));
    site.by_hand(elsewhere);
    let before = site.content();
    for (code, command) in [(1, &["check"][..]), (78, &["plan"]), (78, &["sync"]), (78, &["sync", "--user", "bob"])] {
        let said = site.expect(code, command);
        // On a terminal's width, what `check` says is folded.
        let text = format!("{}{}", said.out, said.err).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains("(dc=former,dc=com, now dc=example,dc=com), and its people are not found here"),
            "{text}"
        );
        assert!(text.contains("`rosterd source retire corp --force`"), "{text}");
    }
    assert_eq!((site.content(), directory(&site)), (before, json!("dc=former,dc=com")));
    // What the message says works: the former people go by their dates, and the same names come in under another source.
    site.set("deletion", "delay = \"0d\"\nminimum = \"0d\"\n");
    site.expect(0, &["source", "retire", "corp", "--force"]);
    site.set("source", &source(&slapd, slapd.url(), "").replace("\"corp\"", "\"corp2\""));
    site.expect(0, &["sync"]);
    site.expect(0, &["sync"]);
    let bob = site.user("bob").unwrap();
    assert_eq!((&bob["state"], &bob["source"], site.count("active")), (&json!("active"), &json!("corp2"), 2));
    assert_eq!(site.user("ada").unwrap()["source"], "corp", "who was flagged before has her own date");
}

/// COVATA-15, COVATA-16, OKV-18, OKV-19, OKV-26, S6: sources are listed, and one with users is given up only by force; then nobody of it has access, the name
/// is refused, and whoever works on the store deletes its people by their dates.
#[test]
fn a_source_is_given_up_by_force_only() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&format!("dn: ou=partners,{BASE}\nobjectClass: organizationalUnit\nou: partners\n\n"));
    let partner = format!("uid=pia,ou=partners,{BASE}");
    slapd.ldif(&(people(&["ada", "bob", "cy"]) + &person("pia").replace(&dn("pia"), &partner)));
    let mut ours = Site::new(&slapd);
    let mut theirs = Site::new(&slapd);
    theirs.set("source", &source(&slapd, slapd.url(), "").replace("\"corp\"", "\"partners\""));
    theirs.set("users", &format!("base_dns = [\"ou=partners,{BASE}\"]\n"));
    theirs.set("groups", "enabled = false\n");
    theirs.set("store", &format!("url = \"sqlite://{}\"\n", ours.path("roster.db").display()));
    ours.set("deletion", "delay = \"7d\"\n");
    ours.expect(0, &["sync"]);
    theirs.expect(0, &["sync"]);
    remove(&slapd, "cy");
    ours.expect(0, &["sync"]);
    let cy = ours.json(&["conflicts"])[0]["id"].to_string();
    ours.expect(0, &["conflicts", "ignore", &cy]);
    let before = ours.content();
    let refused = ours.expect(1, &["source", "retire"]);
    assert!(refused.err.contains("still has users (2 active, 1 kept)"), "{refused:?}");
    assert!(refused.err.contains("source retire corp --force"), "{refused:?}");
    assert_eq!(ours.content(), before, "nothing was done");
    let listed = ours.expect(0, &["source"]);
    assert!(listed.out.contains("corp      in use  2 active, 1 kept"), "{listed:?}");
    let said = ours.expect(0, &["source", "retire", "--force"]);
    assert!(said.out.contains("2 people and 0 groups lost access; 1 stays, kept on purpose"), "{said:?}");
    let ada = ours.user("ada").unwrap();
    assert_eq!((&ada["state"], &ada["pending_reason"]), (&json!("pending"), &json!("source-removed")));
    assert_eq!((ours.state("cy"), theirs.state("pia")), ("kept".to_owned(), "active".to_owned()));
    for command in ["sync", "plan"] {
        let refused = ours.expect(78, &[command]);
        assert!(refused.err.contains("was retired on "), "{refused:?}");
    }
    assert_eq!(ours.daemon().end(std::time::Duration::from_secs(20)), Some(78), "the daemon refuses it, too");
    let again = ours.expect(1, &["source", "retire", "--force"]);
    assert!(again.err.contains("was retired already"), "{again:?}");
    theirs.expect(0, &["sync"]);
    assert_eq!(ours.state("ada"), "pending", "not due yet");
    ours.by_hand("UPDATE rd_users SET delete_after = 1 WHERE state = 'pending'");
    theirs.expect(0, &["sync"]);
    assert_eq!((ours.user("ada"), ours.user("bob")), (None, None));
    assert_eq!((ours.state("cy"), theirs.state("pia")), ("kept".to_owned(), "active".to_owned()));
    // The directory can be read again under another name.
    ours.set("source", &source(&slapd, slapd.url(), "").replace("\"corp\"", "\"corp2\""));
    ours.expect(0, &["sync"]);
    assert_eq!(ours.user("ada").unwrap()["source"], "corp2");
}
