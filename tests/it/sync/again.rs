//! Deleted and re-added in the directory: the same person by another unique id (I5).

use serde_json::Value;

use super::{BASE, dn, on_both, people, person};
use crate::support::program::Site;
use crate::support::slapd::Slapd;

fn delete(slapd: &Slapd, uids: &[&str]) {
    slapd.ldif(&uids.iter().map(|uid| format!("dn: {}\nchangetype: delete\n\n", dn(uid))).collect::<String>());
}

fn conflicts(site: &Site, kind: &str) -> Vec<Value> {
    let all = site.json(&["conflicts", "list"]);
    all.as_array().unwrap().iter().filter(|one| one["kind"] == kind).cloned().collect()
}

/// RSA-3, I5: deleted and re-added elsewhere is the same user, in the directory's groups as before.
#[test]
fn a_move_by_delete_and_re_add_keeps_the_user() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob"]));
        let sales = format!("ou=sales,ou=people,{BASE}");
        slapd.ldif(&format!("dn: {sales}\nobjectClass: organizationalUnit\nou: sales\n"));
        site.expect(0, &["sync"]);
        let before = site.user("ada").unwrap();
        delete(slapd, &["ada"]);
        let moved = person("ada").replace(&dn("ada"), &format!("uid=ada,{sales}"));
        slapd.ldif(&moved);
        let plan = site.expect(3, &["plan"]);
        assert!(plan.out.contains("keeps the id (I5)"), "{plan:?}");
        site.expect(0, &["sync"]);
        let after = site.user("ada").unwrap();
        assert_eq!((&after["id"], &after["state"]), (&before["id"], &"active".into()));
        assert_ne!(after["unique_id"], before["unique_id"]);
        let told = site.json(&["runs", "show", "2"]).to_string();
        assert!(told.contains("user.relinked") && told.contains("\"I5\"") && !told.contains("user.flagged"), "{told}");
        site.expect(0, &["plan"]);
        // Pending in between.
        slapd.ldif(&format!("dn: uid=ada,{sales}\nchangetype: delete\n"));
        site.expect(0, &["sync"]);
        assert_eq!(site.state("ada"), "pending");
        slapd.ldif(&person("ada"));
        site.expect(0, &["sync"]);
        assert_eq!((&site.user("ada").unwrap()["id"], site.state("ada")), (&before["id"], "active".into()));
        site.expect(0, &["plan"]);
    });
}

/// I5, L7: a tombstone within `relink_within`; later, and with `relink = "never"`, a person is asked.
/// Faults: D3.
#[test]
fn somebody_deleted_and_re_created_later_is_re_linked_or_asked_about() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob", "cy", "dan"]));
        site.expect(0, &["sync"]);
        let (ada, bob) = (site.user("ada").unwrap(), site.user("bob").unwrap());
        site.set("deletion", "minimum = \"0d\"\ndelay = \"0d\"\n");
        delete(slapd, &["ada", "bob"]);
        site.expect(0, &["sync"]);
        assert_eq!(site.count("deleted"), 2);
        slapd.ldif(&person("ada"));
        site.expect(0, &["sync"]);
        assert_eq!(site.user("ada").unwrap()["id"], ada["id"]);
        let users = |more: &str| format!("base_dns = [\"ou=people,{BASE}\"]\n{more}\n");
        site.set("users", &users("relink = \"never\""));
        slapd.ldif(&person("bob"));
        site.expect(0, &["sync"]);
        assert_ne!(site.user("bob").unwrap()["id"], bob["id"]);
        let open = conflicts(&site, "maybe-same-person");
        assert_eq!(open.len(), 1, "{open:?}");
        assert_eq!((&open[0]["subject"], &open[0]["user_id"]), (&"bob@example.com".into(), &bob["id"]));
        site.expect(0, &["plan"]);
    });
}

/// I5, B1: a re-imported directory is held, and everybody keeps access; `approve` re-links them.
/// Faults: D4.
#[test]
fn a_re_imported_directory_is_held_and_approved() {
    on_both(|slapd, site| {
        let all = ["u1", "u2", "u3", "u4", "u5", "u6", "u7"];
        slapd.ldif(&people(&all));
        let members: String = all.iter().map(|uid| format!("member: {}\n", dn(uid))).collect();
        slapd.ldif(&format!("dn: cn=staff,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: staff\n{members}"));
        site.expect(0, &["sync"]);
        let before = site.content();
        let ids: Vec<Value> = all.iter().map(|uid| site.user(uid).unwrap()["id"].clone()).collect();
        delete(slapd, &all[..6]);
        slapd.ldif(&people(&all[..6]));
        site.expect(4, &["plan"]);
        let said = site.expect(4, &["sync"]);
        assert!(format!("{said:?}").contains("re-linked in one run"), "{said:?}");
        assert_eq!((site.content(), site.count("active")), (before, 7));
        assert_eq!(site.json(&["runs", "list"])[0]["skipped"], 6);
        site.expect(4, &["sync"]);
        // With the entries their memberships went; the store keeps them, until the directory's word counts again.
        let back: String = all[..6].iter().map(|uid| format!("member: {}\n", dn(uid))).collect();
        slapd.ldif(&format!("dn: cn=staff,ou=groups,{BASE}\nchangetype: modify\nadd: member\n{back}"));
        site.expect(0, &["approve", "3"]);
        let after: Vec<Value> = all.iter().map(|uid| site.user(uid).unwrap()["id"].clone()).collect();
        assert_eq!((ids, site.count("active")), (after, 7));
        assert_eq!(site.json(&["groups", "list"])[0]["members"], 7);
        site.expect(0, &["plan"]);
    });
}

/// I2, I7, RSA-4: a configured id survives a new entry; two entries with one value of it are a conflict that both keep,
/// until one of them bears another.
#[test]
fn two_entries_with_one_configured_id_are_a_conflict() {
    on_both(|slapd, mut site| {
        let numbered =
            |uid: &str, number: &str| person(uid).trim_end().to_owned() + "\nemployeeNumber: " + number + "\n\n";
        slapd.ldif(&(numbered("ada", "1") + &numbered("bob", "2")));
        let source_of_ids = "[users.attributes]\nunique_id = \"employeeNumber\"\n";
        site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n{source_of_ids}"));
        site.expect(0, &["sync"]);
        let before = site.content();
        let id = site.user("ada").unwrap()["id"].clone();
        slapd.ldif(&numbered("eve", "1"));
        site.expect(0, &["sync"]);
        assert_eq!(site.content(), before, "neither is applied");
        let open = conflicts(&site, "duplicate-id");
        assert_eq!((open.len(), &open[0]["subject"], &open[0]["user_id"]), (1, &"1".into(), &id));
        let detail = open[0]["detail"].as_str().unwrap();
        assert!(detail.contains(&dn("ada")) && detail.contains(&dn("eve")), "{detail}");
        site.expect(0, &["plan"]);
        slapd.ldif(&format!("dn: {}\nchangetype: modify\nreplace: employeeNumber\nemployeeNumber: 3\n", dn("eve")));
        site.expect(0, &["sync"]);
        assert!(conflicts(&site, "duplicate-id").is_empty() && site.state("eve") == "active");
        delete(slapd, &["ada"]);
        slapd.ldif(&numbered("ada", "1").replace("ada@", "a.doe@"));
        site.expect(0, &["sync"]);
        assert_eq!((&site.user("ada").unwrap()["id"], site.state("ada")), (&id, "active".into()));
        site.expect(0, &["plan"]);
    });
}

/// I5: `conflicts relink` gives the newcomer the old id with all that either has; `conflicts delete` is the last word.
#[test]
fn a_person_says_whether_two_are_one() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob", "cy", "dan"]));
        let group = "objectClass: groupOfNames\ncn: staff";
        slapd.ldif(&format!("dn: cn=staff,ou=groups,{BASE}\n{group}\nmember: {}\n", dn("ada")));
        site.expect(0, &["sync"]);
        let id = |who: &str| site.user(who).unwrap()["id"].as_str().unwrap().to_owned();
        let (ada, bob, cy) = (id("ada"), id("bob"), id("cy"));
        site.expect(0, &["rules", "allow", "ada", "*@old.example"]);
        site.expect(0, &["grants", "add", "ada", "wallet-read"]);
        // The same username alone (ada, cy): somebody new. The same address alone (bob): waits outside.
        delete(slapd, &["ada", "bob", "cy"]);
        slapd.ldif(&person("ada").replace("ada@example.com", "a.doe@example.com"));
        slapd.ldif(
            &person("bob")
                .replace("uid: bob\n", "uid: bob\nuid: robert\n")
                .replace(&dn("bob"), &dn("robert"))
                .replace("uid: bob\n", ""),
        );
        slapd.ldif(&person("cy").replace("cy@example.com", "cyrus@example.com"));
        site.expect(0, &["sync"]);
        let open = conflicts(&site, "maybe-same-person");
        assert_eq!(open.len(), 3, "{open:?}");
        let number = |subject: &str| {
            let one = open.iter().find(|one| one["subject"] == subject).unwrap();
            assert!(one["settled_by"].to_string().contains("conflicts relink"), "{one}");
            one["id"].to_string()
        };
        let interim = id("a.doe@example.com");
        assert_ne!(interim, ada);
        site.expect(0, &["rules", "allow", "a.doe@example.com", "*@new.example"]);
        site.expect(0, &["grants", "add", "a.doe@example.com", "wallet-read"]);
        site.expect(0, &["conflicts", "relink", &number("ada")]);
        assert_eq!(site.json(&["grants", "list"]).as_array().unwrap().len(), 1);
        let now = site.user("a.doe@example.com").unwrap();
        assert_eq!(
            (&now["id"], &now["state"], &now["username"]),
            (&ada.as_str().into(), &"active".into(), &"ada".into())
        );
        let rules = site.json(&["rules", "list", "ada"]).to_string();
        assert!(rules.contains("*@old.example") && rules.contains("*@new.example"), "{rules}");
        let by_id = |id: &str| {
            let all = site.json(&["users", "list"]);
            all.as_array().unwrap().iter().find(|user| user["id"] == id).cloned().unwrap()
        };
        // One event for each thing that is another one now, so that a reader of the feed need not read anew.
        let told = site.json(&["users", "show", &ada])["history"].as_array().unwrap().clone();
        let kinds: Vec<&str> = told.iter().map(|change| change["kind"].as_str().unwrap()).collect();
        let from = kinds.iter().rposition(|kind| *kind == "user.relinked").unwrap();
        assert_eq!(
            kinds[from..],
            ["user.relinked", "user.restored", "user.updated", "rule.added", "conflict.resolved"],
            "{told:?}"
        );
        assert_eq!(told[from + 2]["before"], serde_json::json!({ "primary_address": "ada@example.com" }));
        assert_eq!(told[from + 2]["after"], serde_json::json!({ "primary_address": "a.doe@example.com" }));
        let left = by_id(&interim);
        assert_eq!((&left["state"], &left["transferred_to"]), (&"deleted".into(), &ada.as_str().into()));
        assert!(left["unique_id"].is_null());
        site.expect(0, &["conflicts", "relink", &number("bob@example.com")]);
        site.expect(0, &["conflicts", "delete", &number("cy")]);
        site.expect(1, &["conflicts", "relink", &number("cy")]);
        site.expect(0, &["sync"]);
        assert_eq!((id("robert"), site.state("robert")), (bob, "active".into()));
        assert_eq!(site.json(&["groups", "list"])[0]["members"], 1);
        assert!(conflicts(&site, "maybe-same-person").is_empty());
        assert_eq!(by_id(&cy)["state"], "pending", "the old cy is somebody else");
        site.expect(0, &["plan"]);
        site.expect(0, &["sync"]);
        assert_eq!(id("ada"), ada);
    });
}

/// I5, G3: whoever is re-linked stays in the groups that the entry itself names, in the same run.
#[test]
fn whoever_is_re_linked_stays_in_the_groups_the_entry_names() {
    on_both(|slapd, mut site| {
        site.set("groups.attributes", "members = [\"memberOf\"]\n");
        slapd.ldif(&people(&["ada", "bob"]));
        let group = format!("dn: cn=staff,ou=groups,{BASE}\n");
        let members = format!("member: {}\nmember: {}\n", dn("ada"), dn("bob"));
        slapd.ldif(&format!("{group}objectClass: groupOfNames\ncn: staff\n{members}"));
        site.expect(0, &["sync"]);
        assert_eq!(site.json(&["groups", "list"])[0]["members"], 2);
        delete(slapd, &["ada"]);
        slapd.ldif(&person("ada"));
        // The overlay writes memberOf only when the group is written.
        slapd.ldif(&format!("{group}changetype: modify\nreplace: member\nmember: {}\n", dn("bob")));
        slapd.ldif(&format!("{group}changetype: modify\nadd: member\nmember: {}\n", dn("ada")));
        site.expect(0, &["sync"]);
        let told = site.json(&["runs", "show", "2"]).to_string();
        assert!(told.contains("user.relinked") && !told.contains("membership."), "{told}");
        assert_eq!(site.json(&["groups", "list"])[0]["members"], 2);
        site.expect(0, &["plan"]);
    });
}

/// I5, B5: who came in while nobody could be proven gone is asked about by the first run that can tell.
#[test]
fn a_newcomer_of_a_run_that_proved_nothing_is_asked_about_later() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        delete(slapd, &["ada"]);
        site.expect(0, &["sync"]);
        site.expect(0, &["freeze", "--for", "2h", "DC patching"]);
        slapd.ldif(&person("ada").replace("mail: ada@", "mail: ada.doe@"));
        site.run(&["sync"]);
        assert_eq!((site.count("active"), site.count("pending")), (2, 1));
        assert_eq!(conflicts(&site, "maybe-same-person"), Vec::<Value>::new());
        site.expect(0, &["freeze", "--off"]);
        site.expect(0, &["sync"]);
        let open = conflicts(&site, "maybe-same-person");
        assert_eq!((open.len(), &open[0]["subject"]), (1, &"ada".into()), "{open:?}");
        site.expect(0, &["plan"]);
        site.expect(0, &["conflicts", "delete", &open[0]["id"].to_string()]);
        site.expect(0, &["plan"]);
    });
}
