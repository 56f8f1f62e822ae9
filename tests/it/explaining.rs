//! Why somebody is in, or is not: `explain`, and where the values of `users show` come from.

use serde_json::{Value, json};

use crate::support::program::{Said, Site, source};
use crate::support::slapd::{Options, Slapd};
use crate::sync::{BASE, dn, on_both, people};

const LOCK: &str = "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z";

fn modify(slapd: &Slapd, dn: &str, change: &str) {
    slapd.ldif(&format!("dn: {dn}\nchangetype: modify\n{change}\n"));
}

fn remove(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn(uid)));
}

/// Explains somebody; every word has to be there, and nothing may have changed in the store.
#[track_caller]
fn explain(site: &Site, code: i32, who: &str, words: &[&str]) -> Said {
    let before = (site.content(), site.json(&["runs", "list"]), site.json(&["conflicts", "list", "--all"]));
    let said = site.expect(code, &["explain", who]);
    for word in words {
        assert!(said.out.contains(word) || said.err.contains(word), "{word}:\n{}{}", said.out, said.err);
    }
    let after = (site.content(), site.json(&["runs", "list"]), site.json(&["conflicts", "list", "--all"]));
    assert_eq!(before, after, "nothing is changed");
    said
}

fn last_line(said: &Said) -> &str {
    said.out.lines().last().unwrap_or_default()
}

/// Who is in, with every rule, and where each value comes from.
#[test]
fn somebody_who_is_in_is_explained() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob"]));
        modify(slapd, &dn("ada"), "add: proxyAddresses\nproxyAddresses: smtp:sales@example.com");
        modify(slapd, &dn("bob"), "add: proxyAddresses\nproxyAddresses: smtp:sales@example.com");
        slapd.ldif(&format!(
            "dn: cn=staff,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: staff\nmember: {}\n\n",
            dn("ada")
        ));
        site.set("[role]", &format!("name = \"admin\"\ngroups = [\"cn=staff,ou=groups,{BASE}\"]\n"));
        site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n[users.defaults]\nplan = \"standard\"\n"));
        site.expect(0, &["sync"]);
        modify(slapd, &dn("ada"), "replace: givenName\ngivenName: Augusta");
        site.expect(0, &["sync"]);
        let id = site.user("ada").unwrap()["id"].as_str().unwrap().to_owned();
        let staff = format!("`admin` by `cn=staff,ou=groups,{BASE}`");
        let place = format!("`{}`, unique id", dn("ada"));
        let said = explain(
            &site,
            0,
            "ada@example.com",
            &[
                &format!("`ada` (id {id}) is active: has access"),
                &place,
                "it lies within users.base_dns and matches users.filter",
                "none holds",
                "ada@example.com (primary): has it",
                "`ada`: bears it",
                &staff,
                "`staff`",
                "changes nothing",
                "Values (run 1, 20",
                "where nothing else is said)",
                "givenname, run 2",
                "standard  (users.defaults)",
            ],
        );
        assert!(last_line(&said).starts_with("In, with access."), "{said:?}");
        // The other one misses the address, and is told who has it.
        let (has, misses) = match site.user("ada").unwrap()["aliases"].as_array().unwrap().is_empty() {
            true => ("bob", "ada"),
            false => ("ada", "bob"),
        };
        explain(&site, 0, misses, &[&format!("sales@example.com (alias): belongs to `{has}`"), "address-taken"]);
        // What the next run will do.
        modify(slapd, &dn("ada"), "replace: sn\nsn: Lovelace");
        let said = explain(&site, 0, &id, &["updates surname"]);
        assert!(last_line(&said).contains(&format!("rosterd sync --user '{id}'")), "{said:?}");
        modify(slapd, &dn("ada"), LOCK);
        explain(
            &site,
            0,
            "ada",
            &["holds: `pwdaccountlockedtime` is `000001010000Z`: no access", "takes access away (disabled)"],
        );
        site.expect(0, &["sync"]);
        let said = explain(&site, 0, "ada", &["is pending: no access", "disabled since"]);
        assert!(last_line(&said).starts_with("Enable the entry"), "{said:?}");
        let json = site.json(&["explain", "ada"]);
        assert_eq!((&json["user"]["state"], &json["error"]), (&json!("pending"), &Value::Null));
        let rules: Vec<&str> =
            json["findings"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect();
        assert!(
            ["L1", "I2", "I4", "U8", "A3", "U7", "R1", "G1", "L2"].iter().all(|rule| rules.contains(rule)),
            "{rules:?}"
        );
    });
}

/// Who is not in: disabled, without an address, outside bases or filter, in no managed domain, contested, never there.
#[test]
fn somebody_who_is_not_in_is_explained() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    slapd.ldif(&people(&["ada", "bob", "cy", "dan", "eve"]));
    modify(&slapd, &dn("bob"), LOCK);
    modify(&slapd, &dn("cy"), "delete: mail");
    modify(&slapd, &dn("dan"), "replace: mail\nmail: dan@elsewhere.example");
    modify(&slapd, &dn("eve"), "replace: mail\nmail: ada@example.com");
    slapd.ldif(&format!(
        "dn: uid=svc,ou=services,{BASE}\nobjectClass: inetOrgPerson\nuid: svc\ncn: s\nsn: s\nmail: svc@example.com\n"
    ));
    slapd.ldif(&format!("dn: {}\nobjectClass: account\nuid: robot\n", dn("robot")));
    site.set("domains", "managed = [\"example.com\"]\n");
    // Before the first run, too.
    let said = site.expect(0, &["explain", "ada"]);
    assert!(said.out.contains("somebody new") && said.out.contains("adds the person"), "{said:?}");
    assert!(last_line(&said).contains("rosterd sync --user 'ada'"), "{said:?}");
    site.expect(0, &["sync"]);
    let none = "the store knows nobody as";
    for (who, words, advice) in [
        (
            "bob",
            vec![none, "disabled test  holds: `pwdaccountlockedtime`", "disabled: a disabled test holds"],
            "Enable the entry",
        ),
        ("cy", vec![none, "no address that can be the primary"], "Give the entry a mail"),
        ("dan@elsewhere.example", vec![none, "not in domains.managed"], "Add the domain"),
        ("eve", vec![none, "ada@example.com (primary): belongs to `ada`", "address-taken"], "Take the address"),
        ("svc@example.com", vec![none, "lies outside of users.base_dns"], "Move the entry under"),
        ("robot", vec![none, "does not match users.filter"], "Change the entry"),
        ("nobody", vec![none, "no entry under users.base_dns or source.base_dn"], "Look at the spelling"),
    ] {
        let said = explain(&site, 0, who, &words);
        assert!(last_line(&said).starts_with(advice), "{who}: {said:?}");
    }
    // Several are listed, none is guessed.
    let shared = |uid: &str| people(&[uid]).replace(&format!("mail: {uid}@"), "mail: shared@");
    slapd.ldif(&[shared("fay"), shared("gus")].concat());
    explain(&site, 1, "shared@example.com", &["2 entries are", &dn("fay"), &dn("gus")]);
}

/// Gone, moved out, deleted, restored; held by the brake; made by hand.
#[test]
fn somebody_who_was_in_is_explained() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob", "cy", "dan", "eve", "fay", "gus"]));
        site.expect(0, &["sync"]);
        remove(slapd, "ada");
        explain(&site, 0, "ada", &["no entry with this unique id is visible", "takes access away (gone)"]);
        site.expect(0, &["sync"]);
        let said = explain(&site, 0, "ada", &["gone since", "deleted after", "run 1"]);
        assert!(last_line(&said).contains("rosterd users restore"), "{said:?}");
        site.expect(0, &["users", "delete", "ada"]);
        let said = explain(&site, 0, "ada", &["was deleted on", "no entry with this unique id is visible"]);
        assert!(last_line(&said).contains("needs an entry"), "{said:?}");
        site.expect(0, &["users", "delete", "bob"]);
        let said =
            explain(&site, 0, "bob", &["was deleted on", "brings the person back under the internal id of before"]);
        assert!(last_line(&said).contains("rosterd sync --user"), "{said:?}");
        // Two who were called so: listed, none is guessed.
        slapd.ldif(&people(&["ada"]).replace("ada@example.com", "ada2@example.com"));
        site.expect(0, &["sync", "--user", "ada2@example.com"]);
        site.expect(0, &["users", "delete", "ada2@example.com"]);
        explain(&site, 1, "ada", &["2 users are `ada`"]);
        remove(slapd, "ada");
        let to = format!("newrdn: uid=cy\ndeleteoldrdn: 0\nnewsuperior: ou=services,{BASE}");
        slapd.ldif(&format!("dn: {}\nchangetype: modrdn\n{to}\n", dn("cy")));
        site.expect(0, &["sync"]);
        let said = explain(&site, 0, "cy", &["lies outside of users.base_dns", "moved-out since"]);
        assert!(last_line(&said).contains("Move the entry under") && last_line(&said).contains("restore"), "{said:?}");
        site.expect(0, &["users", "restore", "cy"]);
        explain(&site, 0, "cy", &["is kept: has access", "an administrator lets it be"]);
        let add = ["users", "add", "--origin", "manual", "--username", "info", "--address", "info@example.com"];
        site.expect(0, &add);
        let said = explain(&site, 0, "info", &["a manual account", "(by hand)"]);
        assert!(last_line(&said).contains("made by hand"), "{said:?}");
        // Held.
        site.set("brake", "at_least = 0\npercent = 1\n");
        remove(slapd, "dan");
        site.expect(4, &["sync"]);
        let run = site.json(&["runs", "list"])[0]["id"].to_string();
        let said = explain(&site, 0, "dan", &[&format!("run {run} would have taken access")]);
        assert!(last_line(&said).contains(&format!("rosterd approve {run}")), "{said:?}");
    });
}

/// Without the directory the store's side is said, with the reason and exit status 1; a refused bind is not repeated.
#[test]
fn without_the_directory_the_store_is_explained() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    slapd.ldif(&people(&["ada"]));
    site.expect(0, &["sync"]);
    slapd.kill();
    let said =
        explain(&site, 1, "ada", &["is active: has access", "it was not read", "Values (run 1, 20", "ada  (uid)"]);
    assert!(last_line(&said).starts_with("The directory could not be asked"), "{said:?}");
    let json = site.json(&["explain", "nobody"]);
    assert!(json["user"].is_null() && json["error"].as_str().unwrap().contains("127.0.0.1"), "{json}");
    slapd.restart();
    explain(&site, 0, "ada", &["changes nothing"]);
    site.set("source", &source(&slapd, slapd.url(), "enabled = false"));
    explain(&site, 0, "ada", &["source.enabled = false", "is active: has access"]);
    site.set("source", &source(&slapd, slapd.url(), "").replace("\"corp\"", "\"corporation\""));
    explain(&site, 1, "ada", &["belongs to the source `corp`"]);
}

/// `users show` says where each value comes from.
#[test]
fn each_value_tells_where_it_comes_from() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada"]));
        site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n[users.defaults]\nplan = \"standard\"\n"));
        site.expect(0, &["sync"]);
        modify(slapd, &dn("ada"), "replace: givenName\ngivenName: Augusta");
        site.expect(0, &["sync"]);
        site.expect(0, &["users", "set", "ada", "badge=7"]);
        let shown = site.json(&["users", "show", "ada"]);
        let of = |field: &str| {
            let all = shown["values"].as_array().unwrap();
            let one = all.iter().find(|one| one["field"] == field).unwrap_or_else(|| panic!("{field}: {shown}"));
            (one["from"].as_str().unwrap().to_owned(), one["attributes"].clone(), one["run_id"].clone())
        };
        assert_eq!(of("given_name"), ("directory".into(), json!(["givenname"]), json!(2)));
        assert_eq!(of("username"), ("directory".into(), json!(["uid"]), json!(1)));
        assert_eq!(of("primary_address"), ("directory".into(), json!(["mail", "proxyaddresses"]), json!(1)));
        assert_eq!(of("plan"), ("default".into(), json!([]), json!(1)));
        assert_eq!(of("badge"), ("hand".into(), json!([]), Value::Null));
        if site.path("roster.db").exists() {
            site.by_hand("UPDATE rd_users SET company = 'Engines' WHERE username = 'ada'");
            let text = site.expect(0, &["users", "show", "ada"]).out;
            assert!(text.contains("Engines  (not by rosterd: an application, or SQL)"), "{text}");
            assert!(text.contains("Augusta  (givenname, run 2, "), "{text}");
        }
    });
}
