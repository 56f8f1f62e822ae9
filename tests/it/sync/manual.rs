//! Accounts that no directory gives, and values set by hand (M1-M3, U2, S1).

use serde_json::{Value, json};

use super::{dn, on_both, people};
use crate::support::program::{Site, source};

const GUEST: [&str; 8] =
    ["users", "add", "--origin", "manual", "--username", "guest", "--address", "Guest@Visitors.example"];

#[track_caller]
fn refused(site: &Site, code: i32, arguments: &[&str], word: &str) {
    let before = site.content();
    let said = site.expect(code, arguments);
    assert!(said.err.contains(word), "{word}: {said:?}");
    assert_eq!(site.content(), before, "nothing half done");
}

/// VIPRE-14, VIPRE-26, COVATA-5, M1, M3, A3, U7: made by hand in any domain, unless somebody has the address or bears
/// the name; no run flags it, whatever the directory has.
#[test]
fn accounts_are_made_by_hand() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.set("domains", "managed = [\"example.com\"]\n");
        site.expect(0, &["sync"]);
        let done =
            site.expect(0, &[&GUEST[..], &["--set", "surname=Visitor", "plan=basic", "--set", "mobile=1"]].concat());
        assert!(done.out.contains("Done: `guest` added (manual)."), "{done:?}");
        let guest = site.user("guest").unwrap();
        let seen = ["origin", "state", "access", "surname", "mobile", "unique_id", "primary_address", "extra"]
            .map(|key| guest[key].clone());
        let wanted = [
            json!("manual"),
            json!("active"),
            json!(true),
            json!("Visitor"),
            json!("1"),
            Value::Null,
            json!("Guest@Visitors.example"),
            json!({ "plan": "basic" }),
        ];
        assert_eq!(seen, wanted);
        let history = site.json(&["users", "show", "guest"])["history"].clone();
        assert_eq!(
            (&history[0]["kind"], &history[0]["rule"], &history[0]["run_id"]),
            (&json!("user.added"), &json!("M1"), &Value::Null)
        );
        let add = |origin: &'static str, name: &'static str, address: &'static str| {
            ["users", "add", "--origin", origin, "--username", name, "--address", address]
        };
        refused(
            &site,
            1,
            &add("smtp", "ADA", "new@x.example"),
            "the username `ADA`: it belongs to `ada` (ada@example.com)",
        );
        refused(
            &site,
            1,
            &add("smtp", "relay", "GUEST@visitors.example"),
            "the address `GUEST@visitors.example`: it belongs to `guest`",
        );
        refused(&site, 1, &add("smtp", "relay", "no address"), "is no address");
        refused(&site, 1, &add("smtp", " ", "new@x.example"), "visible characters");
        refused(&site, 2, &add("directory", "relay", "new@x.example"), "manual or smtp");
        refused(&site, 2, &[&GUEST[..], &["--set", "state=kept"]].concat(), "`state` cannot be set");
        let said = site.json(&add("smtp", "relay", "relay@example.com"));
        assert_eq!((&said["origin"], &said["username"]), (&json!("smtp"), &json!("relay")));
        for ldif in ["", &format!("dn: {}\nchangetype: delete\n", dn("bob"))] {
            if !ldif.is_empty() {
                slapd.ldif(ldif);
            }
            site.expect(0, &["sync"]);
            assert_eq!((site.state("guest"), site.state("relay")), ("active".into(), "active".into()));
        }
        // A manual account is deleted by hand only, and nobody brings it back.
        let said = site.expect(0, &["users", "delete", "guest"]);
        assert_eq!(said.err, "");
        site.expect(0, &["sync"]);
        assert!(site.user("guest").is_none());
    });
}

/// VIPRE-27, OKV-4, U2, S1, L4: what the directory gives cannot be set here, everything else can; with the source
/// switched off all of it can, and the first run afterwards puts the directory's values back.
#[test]
fn values_are_set_by_hand() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        site.expect(0, &GUEST);
        for value in ["surname=x", "username=x", "address=x@example.com", "mobile=1", "notes="] {
            refused(&site, 1, &["users", "set", "ada", value], "comes from the directory, so change it there");
        }
        refused(&site, 1, &["users", "set", "ada", "plan=gold", "surname=x"], "surname of `ada`");
        site.expect(0, &["users", "set", "ada", "plan=gold", "user_principal_name=ada@upn.example"]);
        let before = site.user("ada").unwrap();
        assert_eq!(
            (&before["extra"], &before["user_principal_name"]),
            (&json!({ "plan": "gold" }), &json!("ada@upn.example"))
        );
        site.expect(0, &["plan"]);
        let said = site.expect(0, &["users", "set", "ada", "plan=gold"]);
        assert!(said.out.contains("it is so already"), "{said:?}");
        site.expect(0, &["users", "set", "guest", "username=visitor", "address=visitor@example.com", "surname=V"]);
        let visitor = site.user("visitor").unwrap();
        assert_eq!((&visitor["primary_address"], &visitor["surname"]), (&json!("visitor@example.com"), &json!("V")));
        refused(&site, 1, &["users", "set", "visitor", "address=ada@example.com"], "it belongs to `ada`");
        refused(&site, 1, &["users", "set", "visitor", "username=Bob"], "it belongs to `bob`");
        refused(&site, 1, &["users", "set", "visitor", "username="], "cannot be taken away");
        refused(&site, 2, &["users", "set", "visitor", "notes=1", "notes=2"], "given twice");
        refused(&site, 2, &["users", "set", "visitor", "notes"], "FIELD=VALUE");
        site.expect(0, &["users", "set", "visitor", "surname="]);
        assert_eq!(site.user("visitor").unwrap()["surname"], Value::Null);
        // Switched off: everything is managed by hand, and comes back with the source.
        slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("bob")));
        site.expect(0, &["sync"]);
        let content = site.content();
        site.set("source", &source(slapd, slapd.url(), "enabled = false"));
        site.expect(0, &["users", "set", "ada", "surname=x", "address=countess@example.com"]);
        assert_eq!(site.user("ada").unwrap()["primary_address"], "countess@example.com");
        refused(&site, 1, &["users", "set", "bob", "username=robert"], "stands still while the user is pending");
        site.expect(0, &["users", "set", "bob", "notes=gone"]);
        site.expect(0, &["users", "set", "bob", "notes="]);
        site.set("source", &source(slapd, slapd.url(), ""));
        site.expect(0, &["sync"]);
        assert_eq!(site.content(), content);
    });
}
