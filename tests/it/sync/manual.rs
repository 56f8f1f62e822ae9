//! Accounts that no directory gives, and values set by hand (M1-M3, U2, S1).

use serde_json::{Value, json};

use super::{BASE, dn, on_both, people, person};
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

/// VIPRE-13, VIPRE-14, M2, M3: the entry with the address gives name, phone, notes, aliases and groups, and whatever
/// becomes of it takes none of that away.
#[test]
fn a_manual_account_is_supplemented_from_the_directory() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada"]));
        site.expect(0, &["sync"]);
        site.expect(0, &["users", "add", "--origin", "smtp", "--username", "relay", "--address", "guest@example.com"]);
        site.expect(0, &["users", "set", "relay", "company=Ours", "mobile=1", "notes=ours"]);
        let entry = person("guest").trim_end_matches('\n').to_owned()
            + "\nmobile: 2\ndescription: theirs\nproxyAddresses: smtp:visitor@example.com\n\n";
        let staff =
            format!("dn: cn=staff,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: staff\nmember: {}\n\n", dn("guest"));
        slapd.ldif(&(entry + &staff));
        let plan = site.expect(3, &["plan"]);
        assert!(plan.out.contains("stays smtp, supplemented by the entry with the same address"), "{}", plan.out);
        site.expect(0, &["sync"]);
        let relay = site.user("relay").unwrap();
        let seen = ["origin", "username", "primary_address", "surname", "mobile", "notes", "company", "dn"]
            .map(|key| relay[key].clone());
        let wanted =
            ["smtp", "relay", "guest@example.com", "guest", "2", "theirs", "Ours", &dn("guest")].map(Value::from);
        assert_eq!(seen, wanted);
        assert_eq!(relay["aliases"], json!(["visitor@example.com"]));
        assert_eq!(site.json(&["groups"])[0]["members"], 1);
        site.expect(0, &["plan"]);
        refused(&site, 1, &["users", "set", "relay", "mobile=3"], "comes from the directory");
        let before = site.user("relay").unwrap();
        for change in ["modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z", "delete"] {
            slapd.ldif(&format!("dn: {}\nchangetype: {change}\n", dn("guest")));
            site.expect(0, &["sync"]);
            assert_eq!(site.user("relay").unwrap(), before, "{change}");
        }
        // Deleted and re-added in the directory: the account goes on with the new entry.
        slapd.ldif(&(person("guest").trim_end_matches('\n').to_owned() + "\nmobile: 4\n\n"));
        site.expect(0, &["sync"]);
        let again = site.user("relay").unwrap();
        assert_eq!((&again["id"], &again["mobile"], &again["origin"]), (&before["id"], &json!("4"), &json!("smtp")));
        assert_ne!(again["unique_id"], before["unique_id"]);
        site.expect(0, &["plan"]);
        site.expect(0, &["users", "set", "relay", "username=guest"]);
    });
}

/// M2: `adopt` and `skip`.
#[test]
fn a_manual_account_is_adopted_or_its_entry_left_out() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada"]));
        site.expect(0, &["sync"]);
        site.expect(0, &GUEST);
        slapd.ldif(&person("guest").replace("guest@example.com", "guest@visitors.example"));
        let users = |how: &str| format!("base_dns = [\"ou=people,{BASE}\"]\non_match = \"{how}\"\n");
        site.set("users", &users("skip"));
        let before = site.user("guest").unwrap();
        site.expect(0, &["sync"]);
        assert_eq!(site.user("guest").unwrap(), before);
        let plan = site.json(&["plan"]).to_string();
        assert!(plan.contains("matched"), "{plan}");
        site.set("users", &users("adopt"));
        site.expect(0, &["sync"]);
        let guest = site.user("guest").unwrap();
        assert_eq!(
            (&guest["id"], &guest["origin"], &guest["surname"]),
            (&before["id"], &json!("directory"), &json!("guest"))
        );
        site.expect(0, &["plan"]);
        slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("guest")));
        site.expect(0, &["sync"]);
        assert_eq!(site.state("guest"), "pending", "the directory owns it now");
    });
}
