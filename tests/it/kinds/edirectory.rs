//! eDirectory, as far as it can be had: its root DSE, its ids and its login attributes on the fake.

use crate::support::desk::Desk;
use crate::support::fake::{ACCOUNT, Entry, Fake, Kind, PASSWORD, Syntax, Tree};

const BASE: &str = "dc=example,dc=com";
const NAMES: [&str; 7] = ["ada", "bob", "cy", "dan", "eve", "fay", "gus"];

fn dn(name: &str) -> String {
    format!("cn={name},ou=people,{BASE}")
}

fn edirectory() -> Fake {
    let mut kind = Kind { operational: &["GUID"], ..Kind::openldap() };
    kind.schema.retain(|(name, _)| *name != "entryUUID");
    kind.schema.extend([
        ("GUID", Syntax::Bytes),
        ("loginDisabled", Syntax::Text),
        ("loginExpirationTime", Syntax::Time),
        ("loginIntruderResetTime", Syntax::Time),
        ("lockedByIntruder", Syntax::Text),
        ("loginAllowedTimeMap", Syntax::Bytes),
    ]);
    let texts = |values: &[&str]| values.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    kind.root.retain(|(name, _)| *name != "objectClass");
    kind.root.push(("vendorName", texts(&["NetIQ Corporation"])));
    kind.root.push(("vendorVersion", texts(&["LDAP Agent for NetIQ eDirectory 9.2.4 (40204.22)"])));
    let mut tree = Tree::default();
    tree.add(Entry::new(BASE).with("objectClass", "domain").with("GUID", [9; 16]));
    for unit in ["people", "services"] {
        tree.add(Entry::new(format!("ou={unit},{BASE}")).with("objectClass", "organizationalUnit"));
    }
    for (number, name) in (1_u8..).zip(NAMES) {
        let entry = Entry::new(dn(name)).with("objectClass", "inetOrgPerson").with("cn", name).with("uid", name);
        let entry = entry.with("sn", name).with("mail", format!("{name}@example.com")).with("loginDisabled", "FALSE");
        tree.add(entry.with("GUID", [number; 16]));
    }
    Fake::start(kind, tree)
}

/// Replaces an attribute.
fn set(fake: &Fake, name: &str, attribute: &str, value: &[u8]) {
    let mut tree = fake.tree();
    let entry = tree.find_mut(&dn(name)).unwrap();
    entry.attributes.retain(|(known, _)| known != attribute);
    entry.add(attribute, value);
}

fn states(desk: &Desk) -> Vec<String> {
    let all = desk.with_it(0, &["users", "list", "--json"]).out;
    let all: Vec<serde_json::Value> = serde_json::from_str(&all).unwrap();
    let one = |user: &serde_json::Value| {
        format!("{} {}", user["username"].as_str().unwrap(), user["state"].as_str().unwrap())
    };
    let mut all: Vec<String> = all.iter().map(one).collect();
    all.sort();
    all
}

/// U8: an account that was disabled, or whose time is over, is disabled; a lockout after wrong passwords, hours at which
/// nobody may log in, and a time that has not come are not.
/// Faults: E9.
#[test]
fn login_attributes_are_judged_without_being_configured() {
    let fake = edirectory();
    let desk = Desk::new();
    desk.init(0, (&fake.url(), ACCOUNT, PASSWORD), &["--domain", "example.com", "--out", "rosterd.toml"]);
    assert!(desk.written().contains("unique_id = \"GUID\""), "{}", desk.written());
    set(&fake, "gus", "loginDisabled", b"TRUE");
    desk.works();
    let id = desk.with_it(0, &["explain", "01010101-0101-0101-0101-010101010101"]).out;
    assert!(id.contains(&dn("ada")), "{id}");
    let active: Vec<String> = NAMES[..6].iter().map(|name| format!("{name} active")).collect();
    assert_eq!(states(&desk), active);

    set(&fake, "ada", "loginDisabled", b"TRUE");
    set(&fake, "bob", "loginExpirationTime", b"20200101000000Z");
    set(&fake, "cy", "loginExpirationTime", b"20990101000000Z");
    set(&fake, "dan", "lockedByIntruder", b"TRUE");
    set(&fake, "dan", "loginIntruderResetTime", b"20200101000000Z");
    set(&fake, "eve", "loginAllowedTimeMap", &[0; 42]);
    set(&fake, "gus", "loginDisabled", b"FALSE");
    fake.tree().remove(&dn("fay"));
    desk.with_it(0, &["sync"]);
    let states = states(&desk);
    assert_eq!(
        states,
        ["ada pending", "bob pending", "cy active", "dan active", "eve active", "fay pending", "gus active"]
    );
    let why = desk.with_it(0, &["explain", "bob"]).out;
    assert!(why.contains("`loginexpirationtime` is `20200101000000Z`, which is past"), "{why}");
}
