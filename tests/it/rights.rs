//! Roles, grants and local groups, by the real program on a real OpenLDAP, into both stores.

use serde_json::Value;

use crate::support::program::Site;
use crate::support::slapd::Slapd;
use crate::sync::{BASE, dn, on_both, people};

fn group_dn(name: &str) -> String {
    format!("cn={name},ou=groups,{BASE}")
}

fn group(name: &str, members: &[&str]) -> String {
    let members: String = members.iter().map(|name| format!("member: {}\n", dn(name))).collect();
    format!("dn: {}\nobjectClass: groupOfNames\ncn: {name}\n{members}\n", group_dn(name))
}

fn set(slapd: &Slapd, name: &str, members: &[&str]) {
    let members: String = members.iter().map(|name| format!("member: {}\n", dn(name))).collect();
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nreplace: member\n{members}\n", group_dn(name)));
}

fn delete(slapd: &Slapd, name: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", group_dn(name)));
}

/// Roles and grants by DN.
fn map(site: &mut Site, roles: &[(&str, &str)], grants: &[(&str, &str)]) {
    let table = |key: &str, name: &str, group: &str| format!("{key} = \"{name}\"\ngroups = [\"{}\"]\n", group_dn(group));
    for (at, (name, group)) in roles.iter().enumerate() {
        site.set_nth("role", at, &table("name", name, group));
    }
    for (at, (name, group)) in grants.iter().enumerate() {
        site.set_nth("grant", at, &table("privilege", name, group));
    }
}

/// The users settings of a site, and more.
fn users(site: &mut Site, more: &str) {
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n{more}"));
}

fn role(site: &Site, who: &str) -> Value {
    site.user(who).unwrap()["role"].clone()
}

/// Every grant as it is shown: `ada wallet`, `ada wallet local`.
fn grants(site: &Site) -> Vec<String> {
    let all = site.json(&["grants", "list"]);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let show = |row: &Value| {
        let local = if row["via"] == "local" { " local" } else { "" };
        format!("{} {}{local}", text(row, "username"), text(row, "privilege"))
    };
    all.as_array().unwrap().iter().map(show).collect()
}

/// A run that ends well and leaves nothing for a second one.
#[track_caller]
fn sync(site: &Site) -> String {
    let said = site.expect(0, &["sync"]);
    site.expect(0, &["plan"]);
    said.out
}

/// UNBLU-15, UNBLU-28, UNBLU-29, UNBLU-38, UNBLU-43, COVATA-20, OKV-6, OKV-20, R1
#[test]
fn groups_give_roles_by_dn_and_by_filter_also_without_teams() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob", "cy", "dan"]));
        slapd.ldif(&[group("admins", &["ada"]), group("leads", &["ada", "bob"]), group("staff", &["cy"])].concat());
        site.set("groups", "enabled = false\n");
        users(&mut site, "default_role = \"guest\"\n");
        map(&mut site, &[("admin", "admins"), ("lead", "leads")], &[]);
        let filter = format!(
            "name = \"user\"\nidentifier = \"staff\"\nfilter = \"(&(objectClass=groupOfNames)(cn=%role%))\"\n\
             base_dn = \"ou=groups,{BASE}\"\nscope = \"onelevel\"\nmembers = [\"member\"]\n"
        );
        site.set_nth("role", 2, &filter);
        sync(&site);
        let all = |site: &Site| ["ada", "bob", "cy", "dan"].map(|who| role(site, who).as_str().unwrap().to_owned());
        assert_eq!(all(&site), ["admin", "lead", "user", "guest"]);
        assert!(site.json(&["groups", "list"]).as_array().unwrap().is_empty());
        // Nobody's entry changes.
        set(slapd, "admins", &["cy"]);
        set(slapd, "staff", &["dan"]);
        let said = site.expect(3, &["plan"]);
        assert!(said.out.contains("role             admin -> lead"), "{}", said.out);
        let said = sync(&site);
        assert!(said.contains("Roles: 3 changed."), "{said}");
        assert_eq!(all(&site), ["lead", "lead", "admin", "user"]);
        let feed = site.json(&["runs", "show", "2"]).to_string();
        assert!(feed.contains("\"role.changed\"") && feed.contains("\"rule\":\"R1\""), "{feed}");
        // By hand it does not last.
        site.by_hand("UPDATE rd_users SET role = 'emperor' WHERE username = 'ada'");
        sync(&site);
        assert_eq!(role(&site, "ada"), "lead");
        // One who moved meanwhile is still in the group, by whichever DN it names.
        slapd.ldif(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=ada.l\ndeleteoldrdn: 1\n", dn("ada")));
        sync(&site);
        assert_eq!(role(&site, "ada.l"), "lead");
        let check = site.expect(0, &["check"]);
        assert!(check.out.contains("mapped-group"), "{}", check.out);
    });
}

/// UNBLU-44, OKV-7, R3
#[test]
fn whoever_has_no_mapped_group_is_left_out_and_flagged() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob", "cy"]));
        slapd.ldif(&[group("admins", &["ada"]), group("wallets", &["bob"])].concat());
        users(&mut site, "require_role = true\n");
        map(&mut site, &[("admin", "admins")], &[("wallet", "wallets")]);
        sync(&site);
        assert_eq!(site.count("active"), 2);
        let said = site.run(&["users", "show", "cy"]);
        assert!(said.err.contains("no-role") && said.err.contains("R3"), "{said:?}");
        set(slapd, "wallets", &["cy"]);
        sync(&site);
        let bob = site.user("bob").unwrap();
        assert_eq!((&bob["state"], &bob["pending_reason"]), (&"pending".into(), &"no-role".into()));
        assert_eq!(site.state("cy"), "active");
        set(slapd, "wallets", &["cy", "bob"]);
        sync(&site);
        assert_eq!((site.state("bob"), grants(&site)), ("active".into(), vec!["bob wallet".into(), "cy wallet".into()]));
    });
}

/// OKV-21, R4, B1
#[test]
fn a_mapped_group_that_is_gone_or_replaced_waits_for_a_person() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob", "eve"]));
        slapd.ldif(&[group("admins", &["ada"]), group("staff", &["ada", "bob"])].concat());
        map(&mut site, &[("admin", "admins"), ("user", "staff")], &[("wallet", "admins")]);
        sync(&site);
        let run = |site: &Site| site.json(&["runs", "list"])[0]["id"].to_string();
        // G2: renamed, it still gives.
        slapd.ldif(&format!("dn: {}\nchangetype: modrdn\nnewrdn: cn=chiefs\ndeleteoldrdn: 1\n", group_dn("admins")));
        sync(&site);
        assert_eq!(role(&site, "ada"), "admin");
        slapd.ldif(&format!("dn: {}\nchangetype: modrdn\nnewrdn: cn=admins\ndeleteoldrdn: 1\n", group_dn("chiefs")));
        // Gone: said, held, and the memberships go.
        delete(slapd, "admins");
        let check = site.run(&["check"]);
        assert!(check.out.contains("cn=admins") && check.out.contains("does not exist"), "{}", check.out);
        site.expect(4, &["plan"]);
        let said = site.expect(4, &["sync"]);
        let text = format!("{}{}", said.out, said.err);
        assert!(text.contains("mapped group") && text.contains("rosterd approve"), "{text}");
        assert_eq!((role(&site, "ada"), grants(&site)), ("admin".into(), vec!["ada wallet".into()]));
        site.expect(4, &["sync"]);
        // Another one under its name gives nothing.
        slapd.ldif(&group("admins", &["eve"]));
        let said = site.expect(4, &["sync"]);
        assert!(format!("{said:?}").contains("another one than before"), "{said:?}");
        assert!(role(&site, "eve").is_null());
        let held = run(&site);
        site.expect(0, &["approve", &held]);
        assert_eq!((role(&site, "ada"), role(&site, "eve")), ("user".into(), "admin".into()));
        assert_eq!(grants(&site), ["eve wallet"]);
        sync(&site);
        // Gone, and approved as gone: said ever after, held no more.
        delete(slapd, "admins");
        site.expect(4, &["sync"]);
        let held = run(&site);
        site.expect(0, &["approve", &held]);
        assert!(role(&site, "eve").is_null());
        let said = sync(&site);
        assert!(said.contains("does not exist"), "{said}");
    });
}
