//! One person at a time (S4).

use serde_json::{Value, json};

use super::{BASE, dn, on_both, people, person};
use crate::support::program::Site;
use crate::support::slapd::{Options, Slapd};

fn group_dn(name: &str) -> String {
    format!("cn={name},ou=groups,{BASE}")
}

fn group(name: &str, members: &[&str]) -> String {
    let members: String = members.iter().map(|name| format!("member: {name}\n")).collect();
    format!("dn: {}\nobjectClass: groupOfNames\ncn: {name}\n{members}\n", group_dn(name))
}

fn members(slapd: &Slapd, name: &str, members: &[&str]) {
    let members: String = members.iter().map(|name| format!("member: {name}\n")).collect();
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nreplace: member\n{members}\n", group_dn(name)));
}

fn modify(slapd: &Slapd, uid: &str, change: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{change}\n", dn(uid)));
}

fn remove(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn(uid)));
}

fn groups_of(site: &Site, who: &str) -> Vec<String> {
    let user = site.json(&["users", "show", who]);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let show = |row: &Value| format!("{} {}", text(row, "name"), text(row, "via"));
    user["groups"].as_array().unwrap().iter().map(show).collect()
}

/// The kinds of the last run's changes, and how it was recorded.
fn last(site: &Site) -> (Vec<String>, String) {
    let run = site.json(&["runs", "list"])[0].clone();
    let shown = site.json(&["runs", "show", &run["id"].to_string()]);
    let kinds = shown["changes"].as_array().unwrap().iter();
    let kinds = kinds.map(|change| change["kind"].as_str().unwrap().to_owned()).collect();
    (
        kinds,
        format!(
            "{} {} {}",
            run["action"].as_str().unwrap(),
            run["mode"].as_str().unwrap(),
            run["outcome"].as_str().unwrap()
        ),
    )
}

const LOCK: &str = "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z";

/// RSA-1, OKV-3, OKV-25, S4: a move, a change, a departure and a return of one person at once, and of nobody else;
/// somebody unknown is looked for in the directory and added.
#[test]
fn one_person_is_looked_at_and_nobody_else() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob", "cy"]));
        slapd.ldif(&group("staff", &[&dn("ada"), &dn("bob")]));
        site.expect(0, &["sync"]);
        let others = |site: &Site| -> Vec<String> {
            let kept =
                |line: &String| !line.contains("\"ada\"") && !line.starts_with("staff") && !line.starts_with("team");
            site.content().into_iter().filter(kept).collect()
        };
        let before = others(&site);
        // Much happens, to others as well.
        slapd.ldif(&format!("dn: ou=sales,ou=people,{BASE}\nobjectClass: organizationalUnit\nou: sales\n"));
        let to = format!("newrdn: uid=ada\ndeleteoldrdn: 0\nnewsuperior: ou=sales,ou=people,{BASE}");
        slapd.ldif(&format!("dn: {}\nchangetype: modrdn\n{to}\n", dn("ada")));
        let moved = format!("uid=ada,ou=sales,ou=people,{BASE}");
        slapd.ldif(&format!("dn: {moved}\nchangetype: modify\nreplace: givenName\ngivenName: Augusta\n"));
        modify(slapd, "bob", "replace: givenName\ngivenName: Robert");
        remove(slapd, "cy");
        slapd.ldif(&person("dan"));
        members(slapd, "staff", &[&dn("bob")]);
        slapd.ldif(&group("team", &[&moved, &dn("dan")]));
        let said = site.expect(0, &["sync", "--user", "ada@example.com"]);
        assert!(said.out.contains(&format!("ada: found at `{moved}`")), "{said:?}");
        let (kinds, run) = last(&site);
        assert_eq!(run, "person person ok");
        assert_eq!(kinds, ["user.moved", "user.updated", "membership.removed", "group.added", "membership.added"],);
        assert_eq!(site.user("ada").unwrap()["given_name"], "Augusta");
        assert_eq!(groups_of(&site, "ada"), ["team direct"]);
        assert_eq!(others(&site), before);
        // Nothing is left of it for a second time.
        site.expect(0, &["sync", "--user", "ada"]);
        assert_eq!(last(&site).0, [""; 0]);
        // Gone, and only this one is missed; there is no date but the usual one.
        let said = site.expect(0, &["sync", "--user", "cy"]);
        assert!(
            said.out.contains("no entry with this unique id is visible") && said.out.contains("1 flagged"),
            "{said:?}"
        );
        let cy = site.user("cy").unwrap();
        assert_eq!((&cy["state"], &cy["pending_reason"]), (&json!("pending"), &json!("gone")));
        // Disabled, and back.
        slapd.ldif(&format!("dn: {moved}\nchangetype: modify\n{LOCK}\n"));
        site.expect(0, &["sync", "--user", &moved]);
        assert_eq!(site.user("ada").unwrap()["pending_reason"], "disabled");
        slapd.ldif(&format!("dn: {moved}\nchangetype: modify\ndelete: pwdAccountLockedTime\n"));
        site.expect(0, &["sync", "--user", "ada"]);
        assert_eq!((site.state("ada"), groups_of(&site, "ada")), ("active".into(), vec!["team direct".to_owned()]));
        // Unknown to the store: found by name, by mail, by DN, by unique id.
        site.expect(0, &["sync", "--user", "dan@example.com"]);
        assert_eq!((site.state("dan"), groups_of(&site, "dan")), ("active".into(), vec!["team direct".to_owned()]));
        for (uid, who) in [("eve", "EVE".to_owned()), ("fay", dn("fay"))] {
            slapd.ldif(&person(uid));
            site.expect(0, &["sync", "--user", &who]);
            assert_eq!(site.state(uid), "active");
        }
        assert_eq!(site.user("bob").unwrap()["given_name"], Value::Null, "nobody else");
        // A whole run has only the others left to do.
        site.expect(0, &["sync"]);
        assert_eq!(last(&site).0, ["user.updated"]);
        site.expect(0, &["plan"]);
    });
}

/// S4: none, or several: refused with what was searched, the candidates named; nothing is done.
#[test]
fn nobody_is_guessed() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    slapd.ldif(&people(&["ada", "bob"]));
    site.expect(0, &["sync"]);
    let before = site.content();
    let refused = |site: &Site, who: &str, words: &[&str]| {
        let said = site.expect(1, &["sync", "--user", who]);
        for word in words {
            assert!(said.err.contains(word), "{word}: {said:?}");
        }
        assert_eq!(site.content(), before);
    };
    refused(&site, "nobody", &["nobody is `nobody`", &format!("ou=people,{BASE}"), "unique id, username or mail"]);
    refused(&site, "a*", &["nobody is `a*`"]);
    assert!(site.expect(2, &["sync", "--user", ""]).err.contains("WHO is empty"));
    assert_eq!(site.content(), before);
    let twin = |uid: &str| person(uid).replace(&format!("mail: {uid}@"), "mail: shared@");
    slapd.ldif(&[twin("dan"), twin("eve")].concat());
    refused(&site, "shared@example.com", &["2 entries are `shared@example.com`", &dn("dan"), &dn("eve")]);
    // Outside bases and filter nobody is found, and somebody left out is said to be.
    slapd.ldif(&format!(
        "dn: uid=svc,ou=services,{BASE}\nobjectClass: inetOrgPerson\nuid: svc\ncn: s\nsn: s\nmail: svc@example.com\n"
    ));
    refused(&site, "svc", &["nobody is `svc`"]);
    slapd.ldif(&format!("dn: {}\nobjectClass: inetOrgPerson\nuid: gus\ncn: g\nsn: g\n", dn("gus")));
    let said = site.expect(0, &["sync", "--user", "gus"]);
    assert!(said.out.contains("1 no-address"), "{said:?}");
    assert_eq!(site.content(), before);
    // Several users of the store are listed.
    slapd.ldif(&person("cy"));
    site.expect(0, &["sync", "--user", "cy"]);
    remove(&slapd, "cy");
    site.expect(0, &["sync", "--user", "cy"]);
    slapd.ldif(&person("cy").replace("cy@example.com", "cyrus@example.com"));
    site.expect(0, &["sync", "--user", "cyrus@example.com"]);
    let said = site.expect(1, &["sync", "--user", "cy"]);
    assert!(said.err.contains("2 users are `cy`"), "{said:?}");
    site.expect(2, &["sync", "--user", "ada", "--only", "users"]);
    // The state of the source is not that of one person.
    let status = site.json(&["status"]);
    assert_eq!(status["healthy"], true, "{status}");
    site.set("users", "enabled = false\n");
    let said = site.expect(1, &["sync", "--user", "ada"]);
    assert!(said.err.contains("users.enabled = false"), "{said:?}");
}

/// S4, B1, R4: no brake and no standing hold stops one confirmed person; of roles and grants what holds now is given
/// and taken.
#[test]
fn no_brake_holds_one_confirmed_person() {
    on_both(|slapd, mut site| {
        let uids: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
        slapd.ldif(&people(&uids.iter().map(String::as_str).collect::<Vec<_>>()));
        slapd.ldif(&group("admins", &[&dn("u00"), &dn("u19"), &dn("u18")]));
        slapd.ldif(&group("wallets", &[&group_dn("admins"), &dn("u01")]));
        site.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\nnested = \"flatten\"\n"));
        site.set("[role]", &format!("name = \"admin\"\ngroups = [\"{}\"]\n", group_dn("admins")));
        site.set("[grant]", &format!("privilege = \"wallet\"\ngroups = [\"{}\"]\n", group_dn("wallets")));
        site.expect(0, &["sync"]);
        assert_eq!(groups_of(&site, "u19"), ["admins direct", "wallets nested"]);
        let rights = |site: &Site, who: &str| {
            let user = site.json(&["users", "show", who]);
            (user["role"].clone(), user["grants"].as_array().unwrap().len())
        };
        // Nothing differs.
        for who in ["u19", "u01", "u02"] {
            site.expect(0, &["sync", "--user", who]);
            assert_eq!(last(&site).0, [""; 0], "{who}");
        }
        for uid in &uids[10..] {
            remove(slapd, uid);
        }
        site.expect(4, &["sync"]);
        site.expect(0, &["sync", "--user", "u19"]);
        assert_eq!((site.state("u19"), site.count("pending")), ("pending".to_owned(), 1));
        assert_eq!(rights(&site, "u19").0, "admin", "frozen (L4)");
        // The others are still held; the one who went is not counted, but was there when the window began.
        let said = site.expect(4, &["sync"]);
        assert!(said.out.contains("9 of 20"), "{said:?}");
        // Out of a group, roles and grants follow; into one as well.
        members(slapd, "admins", &[&dn("u18"), &dn("u02")]);
        site.expect(0, &["sync", "--user", "u00"]);
        assert_eq!((rights(&site, "u00"), groups_of(&site, "u00").len()), ((Value::Null, 0), 0));
        site.expect(0, &["sync", "--user", "u02"]);
        assert_eq!(rights(&site, "u02"), (json!("admin"), 1));
        assert_eq!(groups_of(&site, "u02"), ["admins direct", "wallets nested"]);
        let entries = site.json(&["runs", "list"])[0]["entries"].as_i64().unwrap();
        assert!(entries <= 6, "nobody else is read: {entries}");
        // Another group under the mapped DN gives nothing, but holds nothing of one person either.
        slapd.ldif(&format!("dn: {}\nchangetype: delete\n", group_dn("admins")));
        site.expect(0, &["sync", "--user", "u02"]);
        assert_eq!(rights(&site, "u02"), (Value::Null, 0));
    });
}

/// S4, E1, E10, B5, E9: without the proof nothing is taken, and a freeze withholds what absence says.
#[test]
fn one_person_is_missed_only_with_proof() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    slapd.ldif(&people(&["ada", "bob", "canary"]));
    site.expect(0, &["sync"]);
    remove(&slapd, "ada");
    let source = |more: &str| crate::support::program::source(&slapd, slapd.url(), more);
    site.set("source", &source(&format!("must_see = [\"{}\"]", dn("nobody"))));
    let said = site.expect(5, &["sync", "--user", "ada"]);
    assert!(said.out.contains("must-see") && site.state("ada") == "active", "{said:?}");
    modify(&slapd, "bob", "replace: givenName\ngivenName: Robert");
    site.expect(5, &["sync", "--user", "bob"]);
    assert_eq!(site.user("bob").unwrap()["given_name"], "Robert", "what was read is applied");
    site.set("source", &source(""));
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\", \"ou=elsewhere,{BASE}\"]\n"));
    let said = site.expect(5, &["sync", "--user", "ada"]);
    assert!(said.out.contains("ou=elsewhere") && site.state("ada") == "active", "{said:?}");
    site.set("users", &format!("base_dns = [\"ou=elsewhere,{BASE}\"]\n"));
    site.expect(1, &["sync", "--user", "ada"]);
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n"));
    // Frozen: absence waits, a disabled test does not.
    site.expect(0, &["freeze", "--for", "4h", "patching"]);
    let said = site.expect(4, &["sync", "--user", "ada"]);
    assert!(said.out.contains("Frozen") && site.state("ada") == "active", "{said:?}");
    let run = site.json(&["runs", "list"])[0]["id"].to_string();
    let said = site.expect(1, &["approve", &run]);
    assert!(said.err.contains("nothing to approve"), "{said:?}");
    modify(&slapd, "bob", LOCK);
    site.expect(0, &["sync", "--user", "bob"]);
    assert_eq!(site.state("bob"), "pending");
    site.expect(0, &["freeze", "--off"]);
    // Switched off: only a date that has passed counts (S1).
    site.set("source", &source("enabled = false"));
    let said = site.expect(0, &["sync", "--user", "bob"]);
    assert!(said.out.contains("source.enabled = false") && site.state("bob") == "pending", "{said:?}");
    site.expect(1, &["sync", "--user", "dan"]);
    site.by_hand("UPDATE rd_users SET delete_after = 1 WHERE username = 'bob'");
    site.expect(0, &["sync", "--user", "bob"]);
    assert_eq!(site.count("deleted"), 1);
    site.set("source", &source(""));
    site.expect(0, &["sync", "--user", "ada"]);
    assert_eq!(site.state("ada"), "pending");
    // E9: a refused bind is not repeated.
    let wrong = site.path("wrong");
    std::fs::write(&wrong, "wrong-password\n").unwrap();
    std::fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    site.set("source", &source("").replace(slapd.password_file().to_str().unwrap(), wrong.to_str().unwrap()));
    site.expect(1, &["sync", "--user", "ada"]);
    let tried = slapd.log().matches("BIND dn=").count();
    site.expect(1, &["sync", "--user", "ada"]);
    assert_eq!(slapd.log().matches("BIND dn=").count(), tried);
    // S6: given up.
    site.set("source", &source(""));
    site.expect(0, &["source", "retire", "--force", "--yes"]);
    site.expect(78, &["sync", "--user", "ada"]);
}

/// S4, I5, L7, M2, A4: whoever is deleted and re-added is the same one, a tombstone comes back, an account made by hand
/// is linked; a contested address stays where it is.
#[test]
fn one_newcomer_is_who_a_run_would_take_the_newcomer_for() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob", "cy"]));
        slapd.ldif(&group("staff", &[&dn("ada"), &dn("bob")]));
        site.expect(0, &["sync"]);
        let id = |who: &str| site.user(who).unwrap()["id"].clone();
        let (ada, cy) = (id("ada"), id("cy"));
        remove(slapd, "ada");
        slapd.ldif(&person("ada"));
        members(slapd, "staff", &[&dn("ada"), &dn("bob")]);
        let said = site.expect(0, &["sync", "--user", &entry_id(slapd, "ada")]);
        assert_eq!((id("ada"), last(&site).0), (ada.clone(), vec!["user.relinked".to_owned()]), "{said:?}");
        assert_eq!(groups_of(&site, "ada"), ["staff direct"]);
        site.expect(0, &["users", "delete", "cy"]);
        site.expect(0, &["sync", "--user", "cy"]);
        assert_eq!(id("cy"), cy);
        // An address that somebody else has.
        slapd.ldif(&person("dan").replace("dan@example.com", "bob@example.com"));
        let said = site.expect(0, &["sync", "--user", "dan"]);
        assert!(said.out.contains("1 address-taken"), "{said:?}");
        assert!(site.user("dan").is_none());
        assert_eq!(site.json(&["conflicts", "list"])[0]["subject"], "bob@example.com");
        modify(slapd, "dan", "replace: mail\nmail: dan@example.com");
        site.expect(0, &["sync", "--user", "dan"]);
        assert_eq!(site.state("dan"), "active");
        site.expect(0, &["sync"]);
        assert_eq!(site.json(&["conflicts", "list"]), json!([]));
        // Made by hand, and linked once there is an entry.
        let add = ["users", "add", "--origin", "manual", "--username", "info", "--address", "info@example.com"];
        site.expect(0, &add);
        let said = site.expect(1, &["sync", "--user", "info"]);
        assert!(said.err.contains("manual account"), "{said:?}");
        slapd.ldif(&person("info"));
        site.expect(0, &["sync", "--user", "info"]);
        let info = site.user("info").unwrap();
        assert_eq!((&info["origin"], &info["dn"]), (&json!("manual"), &json!(dn("info"))));
        remove(slapd, "info");
        site.expect(0, &["sync", "--user", "info"]);
        assert_eq!(site.state("info"), "active", "M3");
        site.expect(0, &["plan"]);
    });
}

fn entry_id(slapd: &Slapd, uid: &str) -> String {
    let found = slapd.search(&["-b", BASE, &format!("(uid={uid})"), "entryUUID"]);
    let line = found.lines().find_map(|line| line.strip_prefix("entryUUID: "));
    line.unwrap_or_default().to_owned()
}

/// S4, G3, G4, G5: groups that name people by username, groups that the entry names, one group a user with a default:
/// one person gets the same as from a whole run, and a second look finds nothing to do.
#[test]
fn one_person_is_in_the_groups_that_a_whole_run_would_give() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    slapd.ldif(&people(&["ada", "bob"]));
    let posix = |name: &str, number: u32, uids: &[&str]| {
        let members: String = uids.iter().map(|uid| format!("memberUid: {uid}\n")).collect();
        format!("dn: {}\nobjectClass: posixGroup\ncn: {name}\ngidNumber: {number}\n{members}\n", group_dn(name))
    };
    let by_name = "filter = \"(objectClass=posixGroup)\"\n[groups.attributes]\nmembers = [\"memberUid\"]\n";
    let groups = |site: &mut Site, more: &str| {
        site.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\n{more}"));
    };
    slapd.ldif(&[posix("staff", 1, &["ADA", "bob"]), posix("team", 2, &["bob"]), posix("rest", 3, &[])].concat());
    groups(&mut site, by_name);
    site.expect(0, &["sync"]);
    assert_eq!(groups_of(&site, "ada"), ["staff direct"]);
    site.expect(0, &["sync", "--user", "ada"]);
    assert_eq!(last(&site).0, [""; 0], "however the name is written");
    slapd.ldif(&format!("dn: {}\nchangetype: modify\ndelete: memberUid\nmemberUid: ADA\n", group_dn("staff")));
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nadd: memberUid\nmemberUid: ada\n", group_dn("team")));
    site.expect(0, &["sync", "--user", "ada"]);
    assert_eq!(groups_of(&site, "ada"), ["team direct"]);
    site.expect(0, &["plan"]);
    // One group a user: the best one, else the default one.
    groups(&mut site, &format!("assign = \"one\"\ndefault_group = \"rest\"\nempty = \"drop\"\n{by_name}"));
    site.expect(0, &["sync"]);
    assert_eq!(
        (groups_of(&site, "ada"), groups_of(&site, "bob")),
        (vec!["team direct".into()], vec!["staff direct".into()])
    );
    slapd.ldif(&format!("dn: {}\nchangetype: modify\ndelete: memberUid\nmemberUid: ada\n", group_dn("team")));
    site.expect(0, &["sync", "--user", "ada"]);
    assert_eq!(groups_of(&site, "ada"), ["rest direct"], "the group is made for who gets into it");
    assert_eq!(groups_of(&site, "bob"), ["staff direct"]);
    site.expect(0, &["sync", "--user", "ada"]);
    assert_eq!(last(&site).0, [""; 0]);
    // From the side of the entry, and through another group.
    slapd.ldif(&[group("crew", &[&dn("ada")]), group("ship", &[&group_dn("crew"), &dn("bob")])].concat());
    groups(&mut site, "nested = \"flatten\"\n[groups.attributes]\nmembers = [\"memberOf\", \"member\"]\n");
    site.expect(0, &["sync"]);
    assert_eq!(groups_of(&site, "ada"), ["crew direct", "ship nested"]);
    site.expect(0, &["sync", "--user", "ada"]);
    assert_eq!(last(&site).0, [""; 0]);
    members(&slapd, "crew", &[&dn("bob")]);
    site.expect(0, &["sync", "--user", "ada"]);
    assert_eq!((groups_of(&site, "ada").len(), groups_of(&site, "bob").len()), (0, 1));
}

/// E2, U8, S4: while a lock is shown of nobody any more, nobody who may be locked comes in, and nobody who was comes back, by
/// one person's run neither; a person who knows that it is right says so.
#[test]
fn a_lock_that_nobody_shows_lets_nobody_in_or_back() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let names: Vec<String> = (0..80).map(|n| format!("u{n:02}")).collect();
    slapd.ldif(&people(&names.iter().map(String::as_str).collect::<Vec<_>>()));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let all = |change: &str| {
        let one = |name: &String| format!("dn: {}\nchangetype: modify\n{change}\n\n", dn(name));
        slapd.ldif(&names[..6].iter().map(one).collect::<String>());
    };
    all("add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    site.expect(0, &["sync"]);
    all("delete: pwdAccountLockedTime");
    slapd.ldif(&person("zoe"));
    // Before any run of everybody has found it, too.
    for who in ["u00", "zoe"] {
        let said = site.run(&["explain", who]).out;
        assert!(!said.contains("gives access back") && !said.contains("adds the person"), "{said}");
        site.run(&["sync", "--user", who]);
    }
    assert_eq!((site.count("pending"), site.user("zoe")), (6, None));
    let said = site.expect(5, &["sync"]);
    assert!(said.out.contains("`pwdaccountlockedtime`"), "{said:?}");
    let barred = "6 people stay without access until it is settled or approved: `u00`, `u01`, `u02`, …";
    for said in [said.out, site.run(&["plan"]).out, site.run(&["status"]).out] {
        assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains(barred), "{said}");
    }
    let run = site.json(&["runs", "list"])[0]["id"].to_string();
    assert!(!site.run(&["explain", "u00"]).out.contains("gives access back"));
    for who in ["u00", "zoe"] {
        site.run(&["sync", "--user", who]);
    }
    assert_eq!((site.count("pending"), site.user("zoe")), (6, None));
    assert!(site.run(&["explain", "zoe"]).out.contains("`pwdaccountlockedtime` vanished from everybody"));
    site.expect(0, &["approve", &run]);
    assert_eq!((site.count("pending"), site.state("zoe")), (0, "active".to_owned()));
}
