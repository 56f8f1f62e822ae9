//! What can be switched, narrowed and waited for.

use std::time::Duration;

use super::{BASE, dn, on_both, people, person};
use crate::support::program::{Site, source};
use crate::support::slapd::{Options, Slapd};

fn leave(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn(uid)));
}

fn alias(uid: &str, address: &str) -> String {
    format!("dn: {}\nchangetype: modify\nadd: proxyAddresses\nproxyAddresses: smtp:{address}\n", dn(uid))
}

fn names(site: &Site) -> Vec<String> {
    let all = site.json(&["users", "list"]);
    let mut names: Vec<String> =
        all.as_array().unwrap().iter().filter_map(|user| user["username"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

/// VIPRE-27, VIPRE-28, VIPRE-29, VIPRE-48, COVATA-13, COVATA-15, COVATA-39, COVATA-40, COVATA-41, COVATA-42, OKV-18,
/// S1: switched off, nobody is added, changed, flagged or restored and everybody keeps access; who was pending is
/// deleted when due; switched on, it goes on.
#[test]
fn a_source_that_is_switched_off_stands_still_but_for_what_is_due() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob", "cy", "dan"]));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let bob = |change: &str| slapd.ldif(&format!("dn: {}\nchangetype: modify\n{change}\n", dn("bob")));
    bob("add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    site.expect(0, &["sync"]);
    site.set("deletion", "minimum = \"0d\"\ndelay = \"1s\"\n");
    leave(&slapd, "cy");
    site.expect(0, &["sync"]);
    let switched = |site: &mut Site, enabled: bool| {
        site.set("source", &source(&slapd, slapd.url(), &format!("enabled = {enabled}")));
    };
    switched(&mut site, false);
    slapd.ldif(&person("eve"));
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nreplace: sn\nsn: other\n", dn("ada")));
    bob("delete: pwdAccountLockedTime");
    leave(&slapd, "dan");
    std::thread::sleep(Duration::from_millis(1_100));
    site.expect(0, &["sync"]);
    assert_eq!(names(&site), ["ada", "bob", "dan"], "cy was due");
    assert_eq!((site.count("deleted"), site.state("bob"), site.state("dan")), (1, "pending".into(), "active".into()));
    let ada = site.user("ada").unwrap();
    assert_eq!((&ada["surname"], &ada["access"]), (&"ada".into(), &true.into()));
    switched(&mut site, true);
    site.set("deletion", "delay = \"14d\"\n");
    site.expect(0, &["sync"]);
    assert_eq!(names(&site), ["ada", "bob", "dan", "eve"]);
    assert_eq!((site.state("bob"), site.state("dan")), ("active".into(), "pending".into()));
    assert_eq!(site.user("ada").unwrap()["surname"], "other");
}

/// VIPRE-15, VIPRE-16, VIPRE-17, VIPRE-20, VIPRE-52, COVATA-29, D1: only managed domains bring people and aliases in; an alias
/// whose domain is no longer managed goes; `check` compares the domains of people with the managed ones.
#[test]
fn managed_domains_decide_who_is_in_and_which_aliases() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&(people(&["ada"]) + &person("eve").replace("eve@example.com", "eve@private.example")));
    slapd.ldif(&(alias("ada", "ada@example.org") + "\n" + &alias("ada", "ada@private.example") + "\n"));
    slapd.ldif(&alias("eve", "eve@example.com"));
    let mut site = Site::new(&slapd);
    site.set("domains", "managed = [\"example.com\", \"example.org\"]\n");
    site.expect(0, &["sync"]);
    assert_eq!(names(&site), ["ada"]);
    assert_eq!(site.user("ada").unwrap()["aliases"], serde_json::json!(["ada@example.org"]));
    let eve = site.expect(1, &["users", "show", "eve"]);
    assert!(eve.err.contains("unmanaged-domain (D1)"), "{eve:?}");
    let check = site.expect(0, &["check"]).out;
    let line = check.lines().find(|line| line.contains("private.example")).unwrap_or_default();
    assert!(line.starts_with("warn") && line.contains("not") && line.contains("managed"), "{check}");
    site.set("domains", "managed = [\"example.com\"]\n");
    site.expect(3, &["plan"]);
    site.expect(0, &["sync"]);
    assert_eq!(site.user("ada").unwrap()["aliases"], serde_json::json!([]));
    assert_eq!(site.state("ada"), "active");
}

/// UNBLU-3, UNBLU-4, UNBLU-18, UNBLU-33, G7: users and groups can be synchronised apart, by command and for good.
#[test]
fn users_alone_groups_alone_and_both() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let staff = |uid: &str| {
        format!("dn: cn={uid}s,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {uid}s\nmember: {}\n\n", dn(uid))
    };
    slapd.ldif(&(people(&["ada"]) + &staff("ada")));
    let mut site = Site::new(&slapd);
    let counts = |site: &Site| (site.count("active"), site.json(&["groups", "list"]).as_array().unwrap().len());
    site.expect(0, &["sync", "--only", "users"]);
    assert_eq!(counts(&site), (1, 0));
    site.expect(0, &["sync", "--only", "groups"]);
    assert_eq!(counts(&site), (1, 1));
    slapd.ldif(&(people(&["bob"]) + &staff("bob")));
    site.expect(0, &["sync", "--only", "groups"]);
    assert_eq!(counts(&site), (1, 2));
    site.expect(0, &["sync"]);
    assert_eq!(counts(&site), (2, 2));
    assert_eq!(site.json(&["groups", "show", "bobs"])["members"][0]["username"], "bob");
    slapd.ldif(&(people(&["cy"]) + &staff("cy")));
    site.set("groups", "enabled = false\n");
    site.expect(0, &["sync"]);
    assert_eq!(counts(&site), (3, 2));
    site.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\n"));
    site.set("users", "enabled = false\n");
    slapd.ldif(&people(&["dan"]));
    site.expect(0, &["sync"]);
    assert_eq!(counts(&site), (3, 3));
}

/// COVATA-26, COVATA-27, UNBLU-37, UNBLU-38, E3: bases, scopes and filters of users and of groups.
#[test]
fn bases_scopes_and_filters_say_who_is_read() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&format!("dn: ou=deep,ou=people,{BASE}\nobjectClass: organizationalUnit\nou: deep\n\n"));
    slapd.ldif(&format!("dn: ou=deep,ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: deep\n\n"));
    let group = |cn: &str, below: &str| {
        format!("dn: cn={cn},{below}ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {cn}\nmember: {}\n\n", dn("ada"))
    };
    slapd.ldif(&people(&["ada", "bob"]));
    slapd.ldif(&(group("near", "") + &group("far", "ou=deep,")));
    slapd.ldif(&person("cy").replace("uid=cy,ou=people", "uid=cy,ou=deep,ou=people"));
    let read = |users: &str, groups: &str| {
        let mut site = Site::new(&slapd);
        site.set("users", users);
        site.set("groups", groups);
        site.expect(0, &["sync"]);
        let groups = site.json(&["groups", "list"]);
        let groups: Vec<&str> =
            groups.as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
        (names(&site).join(" "), groups.join(" "))
    };
    let base = |unit: &str, more: &str| format!("base_dns = [\"{unit}{BASE}\"]\n{more}\n");
    let both = |users: &str, groups: &str| read(&base("ou=people,", users), &base("ou=groups,", groups));
    assert_eq!(both("", ""), ("ada bob cy".into(), "far near".into()));
    assert_eq!(both("scope = \"onelevel\"", "scope = \"onelevel\""), ("ada bob".into(), "near".into()));
    let one =
        read(&base("uid=bob,ou=people,", "scope = \"base\""), &base("cn=far,ou=deep,ou=groups,", "scope = \"base\""));
    assert_eq!(one, ("bob".into(), "far".into()));
    let member = format!("filter = \"(&(objectClass=inetOrgPerson)(memberOf=cn=near,ou=groups,{BASE}))\"");
    assert_eq!(both(&member, "filter = \"(cn=f*)\""), ("ada".into(), "far".into()));
    assert_eq!(both("filter = \"(mail=b*@example.com)\"", ""), ("bob".into(), "far near".into()));
    assert_eq!(read("", ""), ("ada bob cy".into(), "far near".into()), "source.base_dn is the root of both");
}

/// RSA-8, OKV-25, OKV-27, L6, L9: a clean-up by hand looks everybody up who is due, and deletes who is still gone.
#[test]
fn a_clean_up_deletes_who_is_due_and_still_gone() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob", "cy"]));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    site.set("deletion", "minimum = \"0d\"\ndelay = \"1s\"\n");
    leave(&slapd, "ada");
    let locked = |how: &str| format!("dn: {}\nchangetype: modify\n{how}\n", dn("bob"));
    slapd.ldif(&locked("add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z"));
    site.expect(0, &["sync"]);
    assert_eq!(site.count("pending"), 2);
    slapd.ldif(&locked("delete: pwdAccountLockedTime"));
    leave(&slapd, "cy");
    std::thread::sleep(Duration::from_millis(1_100));
    site.expect(0, &["sync", "--only", "cleanup"]);
    assert_eq!(site.count("deleted"), 1, "ada");
    assert_ne!(site.state("bob"), "deleted", "back in time");
    assert_eq!(site.state("cy"), "active", "a clean-up misses nobody");
}

/// VIPRE-19, D2: `plan` shows who goes with a domain, `sync` takes access and the address at once, and with the domain they
/// come back under their ids.
#[test]
fn a_domain_that_is_taken_away_takes_its_people_along() {
    on_both(|slapd, mut site| {
        slapd.ldif(&(people(&["ada"]) + &people(&["bob"]).replace("@example.com", "@partner.example")));
        site.set("domains", "managed = [\"example.com\", \"partner.example\"]\n");
        site.expect(0, &["sync"]);
        let bob = site.user("bob").unwrap()["id"].clone();
        site.set("domains", "managed = [\"example.com\"]\n");
        let plan = site.expect(3, &["plan"]);
        assert!(plan.out.contains("`partner.example` is no longer a managed domain (D2)"), "{plan:?}");
        site.expect(0, &["sync"]);
        assert_eq!((site.user("bob"), site.state("ada")), (None, "active".into()));
        let feed = site.json(&["runs", "show", "2"]).to_string();
        assert!(feed.contains("user.deleted") && feed.contains("\"D2\"") && !feed.contains("user.flagged"), "{feed}");
        assert_eq!(site.json(&["conflicts", "list", "--all"]), serde_json::json!([]));
        site.expect(0, &["plan"]);
        site.set("domains", "managed = [\"example.com\", \"partner.example\"]\n");
        site.expect(0, &["sync"]);
        assert_eq!(site.user("bob").unwrap()["id"], bob);
        site.expect(0, &["plan"]);
    });
}
