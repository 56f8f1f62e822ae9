//! Values that a domain controller hands out in ranges (E4): the program and the fake directory, whole runs.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::fake::{ACCOUNT, Act, At, Entry, Fake, Kind, Tree};
use crate::support::program::Site;
use crate::support::server::Server;

const BASE: &str = "dc=example,dc=com";

fn dn(name: &str) -> String {
    format!("CN={name},OU=people,{BASE}")
}

fn group_dn(name: &str) -> String {
    format!("CN={name},OU=groups,{BASE}")
}

/// The last number of a SID, and of an objectGUID.
fn numbered(number: u32) -> (Vec<u8>, Vec<u8>) {
    let sid = [&[1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0][..], &number.to_le_bytes()].concat();
    (sid, [&number.to_be_bytes()[..], &[7; 12]].concat())
}

fn user(number: u32, name: &str) -> Entry {
    let (sid, guid) = numbered(number);
    Entry::new(dn(name))
        .with_all("objectClass", ["top", "person", "organizationalPerson", "user"])
        .with("objectCategory", "person")
        .with("cn", name)
        .with("sAMAccountName", name)
        .with("mail", format!("{name}@example.com"))
        .with("userAccountControl", "512")
        .with("accountExpires", "0")
        .with("primaryGroupID", "513")
        .with("objectSid", sid)
        .with("objectGUID", guid)
}

/// A group of so many: `first`, people whom nobody knows, `last`.
fn group(number: u32, name: &str, size: usize, (first, last): (&str, &str)) -> Entry {
    let (sid, guid) = numbered(number);
    let others = (2..size).map(|number| dn(&format!("stranger{number:06}")));
    let members = std::iter::once(dn(first)).chain(others).chain([dn(last)]);
    let entry = Entry::new(group_dn(name)).with("objectClass", "group").with("cn", name);
    entry.with("objectSid", sid).with("objectGUID", guid).with_all("member", members)
}

fn tree(entries: impl IntoIterator<Item = Entry>) -> Tree {
    let mut tree = Tree::default();
    tree.add(Entry::new(BASE).with("objectClass", "domain").with("objectGUID", [1; 16]));
    for unit in ["people", "groups"] {
        tree.add(Entry::new(format!("OU={unit},{BASE}")).with("objectClass", "organizationalUnit"));
    }
    tree.add(Entry::new(ACCOUNT).with("objectClass", "organizationalRole"));
    entries.into_iter().for_each(|entry| _ = tree.add(entry));
    tree
}

fn members(site: &Site, group: &str) -> Vec<String> {
    let shown = site.json(&["groups", "show", group]);
    let name = |member: &Value| member["username"].as_str().unwrap().to_owned();
    shown["members"].as_array().unwrap().iter().map(name).collect()
}

/// E4, G1, R1: in a list of any length the last one is a member as the first is.
/// Faults: C1.
#[test]
fn a_group_of_any_size_is_read_to_the_end() {
    let sizes = [1_499, 1_500, 1_501, 5_001, 100_000];
    let groups = sizes.map(|size| group(size, &format!("g{size}"), size as usize, ("ada", "bob")));
    let fake = Fake::start(Kind::active_directory(), tree([user(1, "ada"), user(2, "bob")].into_iter().chain(groups)));
    let mut site = Site::of_fake(&fake);
    site.set("[role]", &format!("name = \"admin\"\ngroups = [\"{}\"]\n", group_dn("g5001")));
    site.expect(0, &["sync"]);
    for size in sizes {
        assert_eq!(members(&site, &format!("g{size}")), ["ada", "bob"]);
    }
    let role = |who: &str| site.user(who).unwrap()["role"].clone();
    assert_eq!((role("ada"), role("bob")), (json!("admin"), json!("admin")));
    assert!(site.expect(0, &["sync"]).out.contains("nothing to do"), "U3");
    // The last one of the longest list goes.
    fake.tree().find_mut(&group_dn("g100000")).unwrap().attributes.last_mut().unwrap().1.pop();
    site.expect(0, &["sync"]);
    assert_eq!(members(&site, "g100000"), ["ada"]);
    assert_eq!(members(&site, "g5001"), ["ada", "bob"]);
}

/// E1, E4: where the rest cannot be read, the run is incomplete and takes nobody out; who was read joins.
#[test]
fn whoever_stands_in_a_part_that_cannot_be_read_stays() {
    let groups = || [group(1_700, "big", 1_600, ("ada", "bob")), group(1_800, "small", 2, ("ada", "bob"))];
    let people = || [user(1, "ada"), user(2, "bob"), user(3, "cy"), user(4, "dan")];
    let fake = Fake::start(Kind::active_directory(), tree(people().into_iter().chain(groups())));
    let mut site = Site::of_fake(&fake);
    site.set("brake", "at_least = 100\n");
    site.expect(0, &["sync"]);
    assert_eq!(members(&site, "big"), ["ada", "bob"]);
    let shift = |tree: &mut Tree| {
        let group = tree.find_mut(&group_dn("big")).unwrap();
        let members = &mut group.attributes.last_mut().unwrap().1;
        let stranger = dn(&format!("late{}", members.len()));
        members.insert(1, stranger.into_bytes());
    };
    let here = || At::object(&group_dn("big"));
    let cases: [(Act, &str); 6] = [
        (Act::Answer(50, ""), "code 50"),
        (Act::Nothing, "it is no longer there"),
        (Act::Hide(vec![group_dn("big")]), "it is no longer there"),
        (Act::Without(vec!["member"]), "not shown at all"),
        (Act::Close, "closed"),
        (Act::Do(Arc::new(shift)), "changed while they were read"),
    ];
    for (act, says) in cases {
        let mut change = fake.tree();
        let big = change.find_mut(&group_dn("big")).unwrap();
        let list = &mut big.attributes.last_mut().unwrap().1;
        list.retain(|member| *member != dn("bob").into_bytes());
        list[5] = dn("cy").into_bytes();
        let small = change.find_mut(&group_dn("small")).unwrap();
        small.attributes.last_mut().unwrap().1 = vec![dn("dan").into_bytes()];
        drop(change);
        fake.always(here(), act);
        let said = site.expect(5, &["sync"]);
        assert!(said.out.contains(says) || said.err.contains(says), "{says}: {said:?}");
        assert!(fake.repair() > 0, "{says}");
        assert_eq!(members(&site, "big"), ["ada", "bob", "cy"], "{says}");
        assert_eq!(members(&site, "small"), ["ada", "bob", "dan"], "{says}: an incomplete run takes nothing anywhere");
        // What the directory says from now on is what it said before.
        site.expect(0, &["sync"]);
        assert_eq!(members(&site, "big"), ["ada", "cy"], "{says}: E1 ends with the trouble");
        let mut change = fake.tree();
        for (at, one) in groups().into_iter().enumerate() {
            *change.find_mut(&group_dn(["big", "small"][at])).unwrap() = one;
        }
        drop(change);
        site.expect(0, &["sync"]);
        assert_eq!(members(&site, "big"), ["ada", "bob"], "{says}");
    }
    // The same for what a group gives.
    site.set("[role]", &format!("name = \"admin\"\ngroups = [\"{}\"]\n", group_dn("big")));
    site.expect(0, &["sync"]);
    fake.always(here(), Act::Without(vec!["member"]));
    let run = site.expect(5, &["sync"]);
    assert_eq!(site.user("bob").unwrap()["role"], "admin", "{run:?}");
}

/// E4, A2, G3, S4: aliases and groups that an entry names come in ranges as well, also where one person is read.
/// Faults: C3.
#[test]
fn what_an_entry_names_in_ranges_is_read_to_the_end() {
    let teams: Vec<String> = (0..70).map(|number| format!("team{number:02}")).collect();
    let entry = user(1, "ada")
        .with_all("proxyAddresses", (0..65).map(|number| format!("smtp:ada{number:02}@example.com")))
        .with_all("memberOf", teams.iter().map(|name| group_dn(name)));
    let groups = teams.iter().zip(100..).map(|(name, number)| {
        let (sid, guid) = numbered(number);
        let entry = Entry::new(group_dn(name)).with("objectClass", "group").with("cn", name);
        entry.with("objectSid", sid).with("objectGUID", guid)
    });
    let kind = Kind { range: Some(30), ..Kind::active_directory() };
    let fake = Fake::start(kind, tree(std::iter::once(entry).chain(groups)));
    let mut site = Site::of_fake(&fake);
    site.set("groups", "[groups.attributes]\nmembers = [\"memberOf\"]\n");
    let explained = site.expect(0, &["explain", "ada"]).out;
    assert!(explained.contains("team69") && explained.contains("ada64@example.com"), "{explained}");
    let everything = |site: &Site| {
        let aliases = site.user("ada").unwrap()["aliases"].as_array().unwrap().len();
        let teams = site.json(&["groups", "list"]);
        let full = teams.as_array().unwrap().iter().filter(|team| team["members"] == 1);
        (aliases, full.count())
    };
    site.expect(0, &["sync", "--user", "ada"]);
    assert_eq!(everything(&site), (65, 70));
    assert!(site.expect(0, &["sync"]).out.contains("nothing to do"), "one person is read like everybody");
    // What is missing from the end is missing.
    let mut change = fake.tree();
    let ada = change.find_mut(&dn("ada")).unwrap();
    ada.attributes.iter_mut().filter(|(_, values)| values.len() > 60).for_each(|(_, values)| _ = values.pop());
    drop(change);
    site.expect(0, &["sync", "--user", "ada"]);
    assert_eq!(everything(&site), (64, 69));
    // Not read to the end, nothing is taken, by neither.
    fake.always(At::object(&dn("ada")), Act::Without(vec!["proxyAddresses"]));
    for command in [&["sync", "--user", "ada"][..], &["sync"]] {
        site.expect(5, command);
        assert_eq!(everything(&site), (64, 69));
    }
    fake.repair();
    assert!(site.expect(0, &["sync"]).out.contains("nothing to do"));
}

/// E4: a range may begin with a value that is known already; the fake and a real server answer alike. (Samba hands values
/// out in ranges to those who ask for one, and only to them.)
#[test]
fn a_range_may_begin_anywhere() {
    let Some(server) = Server::samba() else { return };
    let base = "DC=example,DC=test";
    let person = |number: usize| format!("CN=u{number:02},OU=people,{base}");
    let mut ldif: String = (0..12)
        .map(|number| {
            format!("dn: {}\nchangetype: add\nobjectClass: user\nsAMAccountName: u{number:02}\n\n", person(number))
        })
        .collect();
    let members: String = (0..12).map(|number| format!("member: {}\n", person(number))).collect();
    let group = format!("CN=all,OU=groups,{base}");
    ldif.push_str(&format!("dn: {group}\nchangetype: add\nobjectClass: group\nsAMAccountName: all\n{members}\n"));
    server.ldif(&ldif);
    let part = |range: &str| {
        let said = server.search(&["-b", &group, "-s", "base", "(objectClass=*)", &format!("member;range={range}")]);
        let values = said.lines().filter_map(|line| line.strip_prefix("member;range=")).map(str::to_owned);
        values.collect::<Vec<_>>()
    };
    let whole = part("0-*");
    let value = |line: &String| line.split_once(": ").unwrap().1.to_owned();
    assert_eq!(whole.len(), 12);
    let (first, rest) = (part("0-4"), part("4-*"));
    assert!(first.iter().all(|line| line.starts_with("0-4: ")) && rest.iter().all(|line| line.starts_with("4-*: ")));
    assert_eq!((first.len(), value(&first[4])), (5, value(&rest[0])));
    let joined: Vec<String> = first.iter().chain(&rest[1..]).map(value).collect();
    assert_eq!(joined, whole.iter().map(value).collect::<Vec<_>>());
}
