//! Groups in groups, one group a user, and groups that nobody is in, by the real program on a real OpenLDAP.

use serde_json::Value;

use crate::support::program::Site;
use crate::support::slapd::{Options, Slapd};
use crate::sync::{BASE, dn, people};

fn group_dn(name: &str) -> String {
    format!("cn={name},ou=groups,{BASE}")
}

/// Members by uid; `@name` is a group.
fn member(name: &str) -> String {
    name.strip_prefix('@').map_or_else(|| dn(name), group_dn)
}

fn group(name: &str, members: &[&str]) -> String {
    let members: String = members.iter().map(|name| format!("member: {}\n", member(name))).collect();
    format!("dn: {}\nobjectClass: groupOfNames\ncn: {name}\n{members}\n", group_dn(name))
}

fn set(slapd: &Slapd, name: &str, members: &[&str]) {
    let members: String = members.iter().map(|name| format!("member: {}\n", member(name))).collect();
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nreplace: member\n{members}\n", group_dn(name)));
}

fn configure(site: &mut Site, more: &str) {
    site.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\n{more}"));
}

/// Every group with who is in it, as it is shown: `staff: ada, bob nested`.
fn groups(site: &Site) -> Vec<String> {
    let member = |one: &Value| match one["via"].as_str().unwrap() {
        "direct" => one["username"].as_str().unwrap().to_owned(),
        via => format!("{} {via}", one["username"].as_str().unwrap()),
    };
    let all = site.json(&["groups", "list"]);
    let active = all.as_array().unwrap().iter().filter(|group| group["state"] == "active");
    let show = |group: &Value| {
        let shown = site.json(&["groups", "show", group["id"].as_str().unwrap()]);
        let members: Vec<String> = shown["members"].as_array().unwrap().iter().map(member).collect();
        format!("{}: {}", group["name"].as_str().unwrap(), members.join(", "))
    };
    active.map(show).collect()
}

/// A run that ends well and leaves nothing for a second one.
#[track_caller]
fn sync(site: &Site) {
    site.expect(0, &["sync"]);
    site.expect(0, &["plan"]);
}

/// G4
/// Faults: C5.
#[test]
fn groups_in_groups_are_flattened_and_a_damaged_one_takes_nothing() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    // Six of nine memberships go in the end, on purpose.
    site.set("brake", "at_least = 6\n");
    slapd.ldif(&people(&["ada", "bob", "cy"]));
    slapd.ldif(&[group("all", &["@staff", "ada"]), group("staff", &["@devs", "bob"]), group("devs", &["cy"])].concat());
    set(&slapd, "devs", &["@all", "cy"]);
    sync(&site);
    assert_eq!(groups(&site), ["all: ada", "devs: cy", "staff: bob"]);
    configure(&mut site, "nested = \"flatten\"\n");
    sync(&site);
    let flat = ["all: ada, bob nested, cy nested", "devs: ada nested, bob nested, cy"];
    assert_eq!(groups(&site)[..2], flat);
    // A new reason is one change and shown before.
    set(&slapd, "all", &["@staff", "ada", "cy"]);
    let said = site.expect(3, &["plan"]);
    assert!(said.out.contains("cy (nested -> direct)") && said.out.contains("1 to change"), "{}", said.out);
    sync(&site);
    let feed = site.json(&["runs", "show", "3"]).to_string();
    assert!(feed.contains("membership.updated") && !feed.contains("membership.added"), "{feed}");
    // Renamed, with two names where one is needed: nobody knows who is in it, so that nobody leaves the groups above it.
    let rename = "changetype: modrdn\nnewrdn: cn=developers\ndeleteoldrdn: 0\n";
    slapd.ldif(&format!("dn: {}\n{rename}", group_dn("devs")));
    set(&slapd, "all", &["@staff", "cy"]);
    set(&slapd, "staff", &["@developers"]);
    let before = groups(&site);
    site.expect(0, &["sync"]);
    assert_eq!(groups(&site), before);
    slapd.ldif(&format!("dn: {}\nchangetype: modify\ndelete: cn\ncn: devs\n", group_dn("developers")));
    sync(&site);
    assert_eq!(groups(&site), ["all: cy", "developers: cy", "staff: cy nested"]);
}

/// G5, G6
#[test]
fn everybody_has_one_group_and_groups_without_anybody_are_left_out() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    slapd.ldif(&people(&["ada", "bob", "cy"]));
    slapd.ldif(&[group("admins", &["ada"]), group("guests", &["nobody"]), group("staff", &["ada", "bob"])].concat());
    let assigned = "assign = \"one\"\npriority = [\"Staff\"]\nempty = \"drop\"\n";
    configure(&mut site, &format!("{assigned}default_group = \"visitors\"\n"));
    let said = site.expect(0, &["sync"]);
    assert!(format!("{said:?}").contains("1 person is in no group"), "{said:?}");
    assert_eq!(site.json(&["plan"])["without_group"]["people"], 1);
    assert_eq!(groups(&site), ["staff: ada, bob"]);
    configure(&mut site, &format!("{assigned}default_group = \"guests\"\n"));
    sync(&site);
    assert_eq!(groups(&site), ["guests: cy", "staff: ada, bob"]);
    let id = |name: &str| site.json(&["groups", "show", name])["id"].clone();
    let guests = id("guests");
    set(&slapd, "staff", &["bob", "cy"]);
    sync(&site);
    assert_eq!(groups(&site), ["admins: ada", "staff: bob, cy"]);
    assert_eq!(site.json(&["groups", "show", "guests"])["state"], "deleted");
    // Somebody without a group again: the default group comes back.
    set(&slapd, "staff", &["bob"]);
    sync(&site);
    assert_eq!(groups(&site), ["admins: ada", "guests: cy", "staff: bob"]);
    assert_eq!(id("guests"), guests, "G6: it is the same group");
}
