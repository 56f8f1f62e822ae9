//! The primary address as the identity (I6).

use serde_json::{Value, json};

use super::{BASE, dn, on_both, people};
use crate::support::program::Site;
use crate::support::slapd::Slapd;

fn mail(slapd: &Slapd, uid: &str, mail: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nreplace: mail\nmail: {mail}@example.com\n", dn(uid)));
}

#[track_caller]
fn is_quiet(site: &Site) {
    let before = site.content();
    site.expect(0, &["plan"]);
    site.expect(0, &["sync"]);
    assert_eq!(site.content(), before);
}

fn by_id(site: &Site, id: &Value) -> Value {
    site.json(&["users", "show", id.as_str().unwrap()])
}

/// COVATA-31, COVATA-37, COVATA-38, I6: a changed address is a new account at the next sync; the old one is parked with its
/// content and never deleted; when the address comes back the first account is used again, the interim one no longer.
#[test]
fn another_address_is_another_user() {
    on_both(|slapd, mut site| {
        site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\nidentity = \"address\"\n"));
        site.set("deletion", "minimum = \"0d\"\ndelay = \"0d\"\n");
        let members = format!("member: {}\nmember: {}\n", dn("ada"), dn("bob"));
        let staff = format!("dn: cn=staff,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: staff\n{members}\n");
        slapd.ldif(&(people(&["ada", "bob", "cy"]) + &staff));
        site.expect(0, &["sync"]);
        let first = site.user("ada").unwrap()["id"].clone();
        site.expect(0, &["rules", "allow", "ada", "*@friends.example"]);
        mail(slapd, "ada", "countess");
        let old = "add: proxyAddresses\nproxyAddresses: smtp:ada@example.com\n";
        slapd.ldif(&format!("dn: {}\nchangetype: modify\n{old}", dn("ada")));
        let planned = site.expect(3, &["plan"]);
        assert!(planned.out.contains("dormant: the entry is `countess@example.com` now"), "{planned:?}");
        site.expect(0, &["sync"]);
        let parked = by_id(&site, &first);
        assert_eq!(
            (&parked["state"], &parked["access"], &parked["delete_after"]),
            (&json!("dormant"), &json!(false), &json!(null))
        );
        assert_eq!((&parked["username"], &parked["primary_address"]), (&json!(null), &json!("ada@example.com")));
        let second = site.user("countess@example.com").unwrap();
        assert_ne!(second["id"], first);
        assert_eq!((&second["username"], &second["aliases"]), (&json!("ada"), &json!(["ada@example.com"])));
        assert_eq!(site.json(&["groups", "list"])[0]["members"], 2);
        assert_eq!(by_id(&site, &second["id"])["groups"][0]["name"], "staff");
        is_quiet(&site);
        assert_eq!(by_id(&site, &first)["state"], "dormant", "no date is ever due");
        slapd.ldif(&format!("dn: {}\nchangetype: modify\ndelete: proxyAddresses\n", dn("ada")));
        mail(slapd, "ada", "ada");
        site.expect(0, &["sync"]);
        let back = site.user("ada").unwrap();
        assert_eq!(
            (&back["id"], &back["state"], &back["primary_address"]),
            (&first, &json!("active"), &json!("ada@example.com"))
        );
        assert_eq!(site.json(&["rules", "list", "ada"])[0]["pattern"], "*@friends.example");
        assert_eq!(by_id(&site, &first)["groups"][0]["name"], "staff");
        assert_eq!(by_id(&site, &second["id"])["state"], "dormant");
        is_quiet(&site);
        // Found by the remembered address; deleted and erased like anybody.
        assert_eq!(site.json(&["users", "show", "countess@example.com"])["id"], second["id"]);
        site.expect(0, &["users", "delete", "countess@example.com", "--transfer-to", "ada", "--yes"]);
        is_quiet(&site);
        mail(slapd, "ada", "countess");
        site.expect(0, &["sync"]);
        assert_eq!(site.user("countess@example.com").unwrap()["id"], second["id"], "of the deleted the same id (L7)");
        is_quiet(&site);
        mail(slapd, "ada", "ada");
        site.expect(0, &["sync"]);
        site.expect(0, &["users", "delete", "countess@example.com", "--yes"]);
        site.expect(0, &["users", "erase", second["id"].as_str().unwrap(), "--yes"]);
        mail(slapd, "ada", "countess");
        site.expect(0, &["sync"]);
        assert_ne!(site.user("countess@example.com").unwrap()["id"], second["id"]);
        // Gone and due at once; another entry has the address now, under another name.
        slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("cy")));
        mail(slapd, "bob", "cy");
        let cy = site.user("cy").unwrap()["id"].clone();
        site.expect(0, &["sync"]);
        site.expect(0, &["sync"]);
        assert_eq!(site.user("cy@example.com").unwrap()["id"], cy);
        is_quiet(&site);
    });
}
