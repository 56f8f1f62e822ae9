//! People who change sources (I8).

use serde_json::{Value, json};

use super::{BASE, dn, people, person};
use crate::support::postgres;
use crate::support::program::{Site, source};
use crate::support::slapd::{Options, Slapd};

/// Two sources of one directory, `corp` with ou=people and `partners` with ou=partners, on one store.
fn on_both(story: impl Fn(&Slapd, Site, Site)) {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    let (ours, theirs) = (Site::new(&slapd), Site::new(&slapd));
    let store = format!("url = \"sqlite://{}\"\n", ours.path("roster.db").display());
    let told = |slapd: &Slapd, mut ours: Site, mut theirs: Site, store: &str| {
        slapd.ldif(&format!("dn: ou=partners,{BASE}\nobjectClass: organizationalUnit\nou: partners\n\n"));
        ours.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\nfilter = \"(cn=staff)\"\n"));
        theirs.set("source", &source(slapd, slapd.url(), "").replace("\"corp\"", "\"partners\""));
        theirs.set("users", &format!("base_dns = [\"ou=partners,{BASE}\"]\n"));
        theirs.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\nfilter = \"(cn=guests)\"\n"));
        [&mut ours, &mut theirs].into_iter().for_each(|site| site.set("store", store));
        story(slapd, ours, theirs);
    };
    told(&slapd, ours, theirs, &store);
    if let Some(server) = postgres::server("people who change sources, on Postgres") {
        slapd.load("");
        let store = format!("url = \"{}\"\n", server.url(&server.database()));
        told(&slapd, Site::new(&slapd), Site::new(&slapd), &store);
    }
}

fn partner(uid: &str) -> String {
    format!("uid={uid},ou=partners,{BASE}")
}

fn group(name: &str, members: &[&str]) -> String {
    let members: String = members.iter().map(|dn| format!("member: {dn}\n")).collect();
    format!("dn: cn={name},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {name}\n{members}\n")
}

fn rename(from: &str, uid: &str, to: &str) -> String {
    format!("dn: {from}\nchangetype: modrdn\nnewrdn: uid={uid}\ndeleteoldrdn: 0\nnewsuperior: {to}\n\n")
}

fn groups_of(site: &Site, who: &str) -> Vec<String> {
    let groups = site.json(&["users", "show", who])["groups"].clone();
    groups.as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect()
}

/// A run that leaves everything as it is, and says so.
#[track_caller]
fn is_quiet(site: &Site) {
    let before = (site.content(), site.json(&["conflicts", "list"]));
    site.expect(0, &["plan"]);
    site.expect(0, &["sync"]);
    assert_eq!((site.content(), site.json(&["conflicts", "list"])), before);
    let run = site.json(&["runs", "list"])[0]["id"].to_string();
    assert_eq!(site.json(&["runs", "show", &run])["changes"], json!([]));
}

/// RSA-5, RSA-11, RSA-13, RSA-17, I8: an entry that moved to where another source reads is the same user there, as soon
/// as that one runs: id, rules, aliases and local groups stay, memberships are those the new source gives; the old one
/// neither misses nor counts the person.
#[test]
fn a_user_goes_with_the_entry_to_the_source_that_sees_it_first() {
    on_both(|slapd, ours, theirs| {
        slapd.ldif(&(people(&["ada", "bob"]) + &person("pia").replace(&dn("pia"), &partner("pia"))));
        slapd.ldif(&group("staff", &[&dn("ada"), &dn("bob")]));
        slapd.ldif(&group("guests", &[&partner("pia")]));
        let alias = "add: proxyAddresses\nproxyAddresses: smtp:countess@example.com\n";
        slapd.ldif(&format!("dn: {}\nchangetype: modify\n{alias}", dn("ada")));
        ours.expect(0, &["sync"]);
        theirs.expect(0, &["sync"]);
        let ada = ours.user("ada").unwrap();
        ours.expect(0, &["rules", "allow", "ada", "*@friends.example"]);
        ours.expect(0, &["groups", "add", "chess"]);
        ours.expect(0, &["groups", "member", "add", "chess", "ada"]);
        slapd.ldif(&rename(&dn("ada"), "ada", &format!("ou=partners,{BASE}")));
        let guest =
            format!("dn: cn=guests,ou=groups,{BASE}\nchangetype: modify\nadd: member\nmember: {}\n", partner("ada"));
        slapd.ldif(&guest);
        let planned = theirs.expect(3, &["plan"]);
        assert!(planned.out.contains("comes over from source `corp`, keeps the id (I8)"), "{planned:?}");
        assert!(planned.out.contains("1 group of `corp`"), "{planned:?}");
        theirs.expect(0, &["sync"]);
        let now = theirs.user("ada").unwrap();
        assert_eq!((&now["id"], &now["source"], &now["dn"]), (&ada["id"], &json!("partners"), &json!(partner("ada"))));
        assert_eq!((&now["state"], &now["aliases"]), (&json!("active"), &json!(["countess@example.com"])));
        assert_eq!(groups_of(&theirs, "ada"), ["chess", "guests"]);
        assert_eq!(theirs.json(&["rules", "list", "ada"])[0]["pattern"], "*@friends.example");
        let changes = theirs.json(&["users", "show", "ada"])["history"].clone();
        let of = |kind: &str| changes.as_array().unwrap().iter().rfind(|one| one["kind"] == kind).cloned().unwrap();
        let moved = of("user.moved");
        assert_eq!(moved["before"], json!({ "source": "corp", "dn": dn("ada") }));
        assert_eq!(moved["after"], json!({ "source": "partners", "dn": partner("ada") }));
        assert_eq!((&moved["rule"], &moved["user_id"]), (&json!("I8"), &ada["id"]));
        assert_eq!(of("membership.removed")["rule"], "I8");
        is_quiet(&theirs);
        is_quiet(&ours);
        assert_eq!(ours.json(&["runs", "list"])[0]["flagged"], 0);
        is_quiet(&theirs);
        // And back.
        slapd.ldif(&rename(&partner("ada"), "ada", &format!("ou=people,{BASE}")));
        ours.expect(0, &["sync"]);
        let back = ours.user("ada").unwrap();
        assert_eq!((&back["id"], &back["source"]), (&ada["id"], &json!("corp")));
        is_quiet(&theirs);
        is_quiet(&ours);
    });
}

/// S4, I8: one person at a time knows the neighbours as well: the old source leaves the person to the new one, which takes
/// the user over, by name or by DN, and leaves alone whom both see.
#[test]
fn one_person_goes_over_as_in_a_whole_run() {
    on_both(|slapd, ours, mut theirs| {
        slapd.ldif(&(people(&["ada", "bob", "cy"]) + &person("pia").replace(&dn("pia"), &partner("pia"))));
        ours.expect(0, &["sync"]);
        theirs.expect(0, &["sync"]);
        let id = |site: &Site, who: &str| site.user(who).unwrap()["id"].clone();
        let (ada, bob) = (id(&ours, "ada"), id(&ours, "bob"));
        let refused = theirs.expect(1, &["sync", "--user", "ada"]);
        assert!(refused.err.contains("belongs to the source `corp`"), "{refused:?}");
        for uid in ["ada", "bob"] {
            slapd.ldif(&rename(&dn(uid), uid, &format!("ou=partners,{BASE}")));
        }
        let left = ours.run(&["sync", "--user", "ada"]);
        assert_eq!(ours.state("ada"), "active", "left to the other source: {left:?}");
        theirs.expect(0, &["sync", "--user", "ada"]);
        theirs.expect(0, &["sync", "--user", &partner("bob")]);
        for (uid, id) in [("ada", ada), ("bob", bob)] {
            let now = theirs.user(uid).unwrap();
            assert_eq!((&now["id"], &now["source"], &now["state"]), (&id, &json!("partners"), &json!("active")));
        }
        theirs.expect(0, &["plan"]);
        ours.expect(0, &["sync"]);
        assert_eq!(ours.json(&["runs", "list"])[0]["flagged"], 0);
        // Both see the entry: the first keeps the user.
        theirs.set("users", &format!("base_dns = [\"ou=partners,{BASE}\", \"ou=people,{BASE}\"]\n"));
        theirs.run(&["sync", "--user", "cy"]);
        assert_eq!(theirs.user("cy").unwrap()["source"], "corp");
    });
}

/// I8, L2: found first by the old source, nobody is flagged before the new one had a complete run; if that one does not
/// take the person, the flag comes then.
#[test]
fn the_old_source_waits_for_the_new_one() {
    on_both(|slapd, ours, mut theirs| {
        slapd.ldif(&(people(&["ada", "bob", "cy", "di"]) + &person("pia").replace(&dn("pia"), &partner("pia"))));
        ours.expect(0, &["sync"]);
        theirs.expect(0, &["sync"]);
        slapd.ldif(&rename(&dn("ada"), "ada", &format!("ou=partners,{BASE}")));
        slapd.ldif(&rename(&dn("bob"), "bob", &format!("ou=groups,{BASE}")));
        ours.expect(0, &["sync"]);
        assert_eq!(
            (ours.state("ada"), ours.state("bob")),
            ("active".into(), "pending".into()),
            "nobody reads ou=groups"
        );
        let waits = ours.run(&["plan"]);
        assert!(waits.out.contains("left to `partners`"), "{waits:?}");
        is_quiet(&ours);
        // A run that is not complete is none; the filter is not one that takes her, either.
        theirs.set(
            "source",
            &source(slapd, slapd.url(), "must_see = [\"cn=nobody,dc=example,dc=com\"]\n")
                .replace("\"corp\"", "\"partners\""),
        );
        theirs.set("users", &format!("base_dns = [\"ou=partners,{BASE}\"]\nfilter = \"(uid=pia)\"\n"));
        theirs.expect(5, &["sync"]);
        is_quiet(&ours);
        theirs.set("source", &source(slapd, slapd.url(), "").replace("\"corp\"", "\"partners\""));
        theirs.expect(0, &["sync"]);
        ours.expect(0, &["sync"]);
        assert_eq!(ours.user("ada").unwrap()["pending_reason"], "moved-out");
        is_quiet(&ours);
        // Taken at last: the flag ends with the move.
        theirs.set("users", &format!("base_dns = [\"ou=partners,{BASE}\"]\n"));
        let id = ours.user("ada").unwrap()["id"].clone();
        theirs.expect(0, &["sync"]);
        let ada = theirs.user("ada").unwrap();
        assert_eq!((&ada["id"], &ada["source"], &ada["state"]), (&id, &json!("partners"), &json!("active")));
        assert_eq!(ada["delete_after"], Value::Null);
        let open = theirs.json(&["conflicts", "list"]);
        assert!(open.as_array().unwrap().iter().all(|one| one["subject"] != "ada"), "{open}");
        is_quiet(&theirs);
        is_quiet(&ours);
        // Deleted by the one before the other sees the entry: the same id.
        slapd.ldif(&rename(&dn("cy"), "cy", &format!("ou=groups,{BASE}")));
        ours.expect(0, &["sync"]);
        let cy = ours.user("cy").unwrap()["id"].clone();
        let number = ours.json(&["conflicts", "list"]);
        let number = number.as_array().unwrap().iter().find(|one| one["subject"] == "cy").unwrap()["id"].to_string();
        ours.expect(0, &["conflicts", "delete", &number, "--yes"]);
        slapd.ldif(&rename(&format!("uid=cy,ou=groups,{BASE}"), "cy", &format!("ou=partners,{BASE}")));
        theirs.expect(0, &["sync"]);
        let back = theirs.user("cy").unwrap();
        assert_eq!((&back["id"], &back["source"], &back["state"]), (&cy, &json!("partners"), &json!("active")));
        is_quiet(&ours);
        is_quiet(&theirs);
    });
}

/// RSA-18, I8: an entry that two sources see stays with the first, under the conflict `overlap`, until the first does not
/// see it any more: then the other one has it, and nobody loses access in between.
#[test]
fn who_is_seen_by_two_sources_stays_with_the_first() {
    on_both(|slapd, mut ours, mut theirs| {
        slapd.ldif(&people(&["ada", "bob"]));
        ours.expect(0, &["sync"]);
        theirs.set("users", &format!("base_dns = [\"{BASE}\"]\nfilter = \"(uid=ada)\"\n"));
        theirs.expect(0, &["sync"]);
        let ada = ours.user("ada").unwrap();
        assert_eq!(ada["source"], "corp");
        let open = theirs.json(&["conflicts", "list"]);
        assert_eq!((&open[0]["kind"], &open[0]["user_id"]), (&json!("overlap"), &ada["id"]));
        for part in ["source `partners`", "source `corp`", "users.base_dns"] {
            assert!(open[0]["detail"].as_str().unwrap().contains(part), "{open}");
        }
        is_quiet(&theirs);
        is_quiet(&ours);
        ours.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\nfilter = \"(uid=bob)\"\n"));
        ours.expect(0, &["sync"]);
        assert_eq!(ours.state("ada"), "active", "left to the other one");
        is_quiet(&ours);
        theirs.expect(0, &["sync"]);
        let now = theirs.user("ada").unwrap();
        assert_eq!((&now["id"], &now["source"], &now["state"]), (&ada["id"], &json!("partners"), &json!("active")));
        assert_eq!(theirs.json(&["conflicts", "list"]).as_array().unwrap().len(), 0);
        is_quiet(&theirs);
        is_quiet(&ours);
        // Nobody else sees bob: out he goes, at once.
        ours.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\nfilter = \"(uid=nobody)\"\n"));
        let run = ours.expect(5, &["sync"]);
        assert!(run.out.contains("no user at all"), "{run:?}");
        let run = ours.json(&["runs", "list"])[0]["id"].to_string();
        ours.expect(0, &["approve", &run]);
        assert_eq!(ours.user("bob").unwrap()["pending_reason"], "filtered-out");
    });
}
