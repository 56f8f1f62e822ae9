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

/// Roles by DN of a group, or in words of their own.
fn roles(site: &mut Site, all: &[(&str, &str)]) {
    let by_dn = |name: &str, group: &str| format!("name = \"{name}\"\ngroups = [\"{}\"]\n", group_dn(group));
    let role =
        |(name, group): &(&str, &str)| if group.contains('=') { (*group).to_owned() } else { by_dn(name, group) };
    site.set("[role]", &all.iter().map(role).collect::<Vec<_>>().join("\n[[role]]\n"));
}

fn grant(site: &mut Site, privilege: &str, group: &str) {
    site.set("[grant]", &format!("privilege = \"{privilege}\"\ngroups = [\"{}\"]\n", group_dn(group)));
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

/// UNBLU-15, UNBLU-26, UNBLU-28, UNBLU-29, UNBLU-38, UNBLU-43, COVATA-20, OKV-6, OKV-20, R1
#[test]
fn groups_give_roles_by_dn_and_by_filter_also_without_teams() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob", "cy", "dan"]));
        slapd.ldif(&[group("admins", &["ada"]), group("leads", &["ada", "bob"]), group("staff", &["cy"])].concat());
        site.set("groups", "enabled = false\n");
        users(&mut site, "default_role = \"guest\"\n");
        let filter = format!(
            "name = \"user\"\nidentifier = \"staff\"\nfilter = \"(&(objectClass=groupOfNames)(cn=%role%))\"\n\
             base_dn = \"ou=groups,{BASE}\"\nscope = \"onelevel\"\nmembers = [\"member\"]\n"
        );
        roles(&mut site, &[("admin", "admins"), ("lead", "leads"), ("user", &filter)]);
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
        if site.path("roster.db").exists() {
            site.by_hand("UPDATE rd_users SET role = 'emperor' WHERE username = 'ada'");
        }
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
        roles(&mut site, &[("admin", "admins")]);
        grant(&mut site, "wallet", "wallets");
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
        assert_eq!(
            (site.state("bob"), grants(&site)),
            ("active".into(), vec!["bob wallet".into(), "cy wallet".into()])
        );
    });
}

/// OKV-21, R4, B1
#[test]
fn a_mapped_group_that_is_gone_or_replaced_waits_for_a_person() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob", "eve"]));
        slapd.ldif(&[group("admins", &["ada"]), group("staff", &["ada", "bob"])].concat());
        roles(&mut site, &[("admin", "admins"), ("user", "staff")]);
        grant(&mut site, "wallet", "admins");
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

/// OKV-4, OKV-8, OKV-11, OKV-15, OKV-16, OKV-29, R2
#[test]
fn grants_of_groups_and_of_people_together() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob"]));
        slapd.ldif(&[group("old", &["ada"]), group("young", &["ada", "bob"])].concat());
        let both = format!("[\"{}\", \"{}\"]", group_dn("young"), group_dn("old"));
        let only = format!("[[grant]]\nprivilege = \"root\"\ngroups = {both}\ndirectory_only = true\n");
        site.set("[grant]", &format!("privilege = \"wallet\"\ngroups = {both}\n{only}"));
        sync(&site);
        assert_eq!(grants(&site), ["ada root", "ada wallet", "bob root", "bob wallet"]);
        // Shown with the group that was created first; its id is that of the group.
        let via = |site: &Site, who: &str| {
            let all = site.json(&["users", "show", who])["grants"].clone();
            let one = all.as_array().unwrap().iter().find(|row| row["privilege"] == "wallet").unwrap().clone();
            one["via"].clone()
        };
        let id = |site: &Site, name: &str| site.json(&["groups", "show", name])["id"].clone();
        assert_eq!((via(&site, "ada"), via(&site, "bob")), (id(&site, "old"), id(&site, "young")));
        let gives = site.json(&["groups", "show", "old"])["gives"].clone();
        assert_eq!(gives, serde_json::json!(["grant wallet", "grant root"]));
        // By hand: it survives every run, counts beside what groups give, and is recorded without a run.
        site.expect(0, &["grants", "add", "bob", "reports"]);
        site.expect(0, &["grants", "add", "ada", "wallet"]);
        assert!(site.expect(1, &["grants", "add", "ada", "root"]).err.contains("directory only"));
        assert!(site.expect(1, &["grants", "add", "bob", "reports"]).err.contains("already"));
        set(slapd, "old", &["bob"]);
        set(slapd, "young", &["bob"]);
        let said = sync(&site);
        assert!(said.contains("grants: 2 removed") || said.contains("Grants: 2 removed"), "{said}");
        assert_eq!(grants(&site), ["ada wallet local", "bob reports local", "bob root", "bob wallet"]);
        assert_eq!(via(&site, "bob"), id(&site, "old"));
        let shown = site.expect(0, &["users", "show", "bob"]).out;
        assert!(shown.contains("wallet  (by cn=old") && shown.contains("reports  (by local)"), "{shown}");
        let history = site.json(&["users", "show", "bob"])["history"].to_string();
        assert!(history.contains("grant.added") && history.contains("\"run_id\":null"), "{history}");
        // Frozen while pending, and there again on return.
        let lock = |value: &str| format!("dn: {}\nchangetype: modify\n{value}\n", dn("bob"));
        slapd.ldif(&lock("replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z"));
        sync(&site);
        assert_eq!(grants(&site), ["ada wallet local"]);
        assert!(site.expect(1, &["grants", "remove", "bob", "reports"]).err.contains("frozen"));
        slapd.ldif(&lock("delete: pwdAccountLockedTime"));
        sync(&site);
        assert_eq!(grants(&site).len(), 4);
        site.expect(0, &["grants", "remove", "bob", "reports"]);
        assert_eq!(site.expect(1, &["grants", "remove", "bob", "wallet"]).err.matches("no local grant").count(), 1);
        assert_eq!(grants(&site), ["ada wallet local", "bob root", "bob wallet"]);
    });
}

/// OKV-10, UNBLU-5, UNBLU-17, G9, G7
#[test]
fn local_groups_hold_anybody_and_survive_every_run() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob"]));
        slapd.ldif(&group("staff", &["ada"]));
        sync(&site);
        site.expect(0, &["groups", "add", "testers"]);
        assert!(site.expect(1, &["groups", "add", "Staff"]).err.contains("already"));
        site.expect(0, &["groups", "member", "add", "testers", "bob"]);
        site.expect(0, &["groups", "member", "add", "testers", "ada"]);
        assert!(site.expect(1, &["groups", "member", "add", "testers", "ada"]).err.contains("already"));
        let refused = site.expect(1, &["groups", "member", "add", "staff", "bob"]);
        assert!(refused.err.contains("group of the directory"), "{refused:?}");
        assert_eq!(site.expect(1, &["groups", "delete", "staff", "--yes"]).out, "");
        let members = |site: &Site, name: &str| {
            let shown = site.json(&["groups", "show", name]);
            let all = shown["members"].as_array().unwrap().clone();
            let show = |one: &Value| format!("{} {}", one["username"].as_str().unwrap(), one["via"].as_str().unwrap());
            all.iter().map(show).collect::<Vec<_>>()
        };
        // Groups read, left out for good, and read again: the local one stays, as do teams that are left out (G7).
        sync(&site);
        site.set("groups", "enabled = false\n");
        set(slapd, "staff", &["bob"]);
        sync(&site);
        assert_eq!(members(&site, "testers"), ["ada local", "bob local"]);
        assert_eq!(members(&site, "staff"), ["ada direct"]);
        site.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\nassign = \"one\"\nempty = \"drop\"\n"));
        sync(&site);
        assert_eq!(members(&site, "testers"), ["ada local", "bob local"]);
        assert_eq!(members(&site, "staff"), ["bob direct"]);
        // Frozen while pending, there again on return.
        let lock = |value: &str| format!("dn: {}\nchangetype: modify\n{value}\n", dn("bob"));
        slapd.ldif(&lock("replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z"));
        sync(&site);
        assert_eq!(members(&site, "testers"), ["ada local"]);
        assert!(site.expect(1, &["groups", "member", "remove", "testers", "bob"]).err.contains("frozen"));
        slapd.ldif(&lock("delete: pwdAccountLockedTime"));
        sync(&site);
        site.expect(0, &["groups", "member", "remove", "testers", "ada"]);
        assert_eq!(members(&site, "testers"), ["bob local"]);
        let history = site.json(&["users", "show", "ada"])["history"].to_string();
        assert!(history.contains("\"rule\":\"G9\"") && history.contains("\"run_id\":null"), "{history}");
        site.expect(0, &["groups", "delete", "testers"]);
        assert!(site.json(&["users", "show", "bob"])["groups"].as_array().unwrap().len() == 1);
        sync(&site);
    });
}
