//! What entries may say that must not be misread: members, identities, account states, values, names.

use super::ground::{BASE, GROUPS, Ground, PEOPLE, STAFF, account, account_entry, guid, person, sid, uid_entry};
use super::{HELD, INCOMPLETE, SCRIPT, Script};
use crate::support::fake::{Act, At, Entry, Fake};

/// Replaces an attribute of an entry; without values it is gone.
fn set(fake: &Fake, dn: &str, name: &str, values: &[&[u8]]) {
    let mut tree = fake.tree();
    let entry = tree.find_mut(dn).unwrap();
    entry.attributes.retain(|(known, _)| known != name);
    values.iter().for_each(|value| entry.add(name, value));
}

/// The same for everybody on a domain controller.
fn set_all(fake: &Fake, name: &str, value: &str) {
    (1..=12).for_each(|number| set(fake, &account(number), name, &[value.as_bytes()]));
}

/// For each of the twelve another value.
fn set_each(fake: &Fake, name: &str, values: &[&str]) {
    for (number, value) in (1..=12).zip(values.iter().cycle()) {
        set(fake, &account(number), name, &[value.as_bytes()]);
    }
}

fn add(fake: &Fake, entry: Entry) {
    fake.tree().add(entry);
}

/// Puts an entry with another distinguished name in the place of one.
fn rename(fake: &Fake, from: &str, to: &str) {
    fake.tree().find_mut(from).unwrap().dn = to.to_owned();
}

const AD: Script = Script { ground: Ground::ActiveDirectory, ..SCRIPT };

pub const SCRIPTS: &[Script] = &[
    Script {
        name: "C4 the primary group is hidden",
        act: |f| f.always(At::default(), Act::Without(vec!["primaryGroupID"])),
        ends: &[0, 5],
        ..AD
    },
    Script {
        name: "C4 the group's SID is hidden",
        act: |f| f.always(At::below(GROUPS), Act::Without(vec!["objectSid"])),
        ends: &[0, 5],
        ..AD
    },
    Script {
        name: "C5 groups in a circle",
        config: &[("groups", "base_dns = [\"ou=groups,dc=example,dc=com\"]\nnested = \"flatten\"\n")],
        act: |f| {
            let [admins, empty] = ["admins", "base"].map(|name| format!("cn={name},{GROUPS}"));
            f.tree().find_mut(&admins).unwrap().add("member", &empty);
            f.tree().find_mut(&empty).unwrap().add("member", &admins);
        },
        ..SCRIPT
    },
    Script {
        name: "C9 a member of another forest",
        act: |f| {
            let other = format!("CN=S-1-5-21-1-2-3-1104,CN=ForeignSecurityPrincipals,{BASE}");
            f.tree().find_mut(STAFF).unwrap().add("member", other);
        },
        ..AD
    },
    Script {
        name: "C10 a conflict object",
        act: |f| {
            let mut entry = account_entry(1);
            entry.dn = format!("cn=p01\\0ACNF:3f2504e0-4f89-11d3-9a0c-0305e82c3301,{PEOPLE}");
            entry.attributes.retain(|(name, _)| name != "objectGUID" && name != "name");
            add(f, entry.with("objectGUID", guid(501)).with("name", "p01\nCNF:3f2504e0-4f89-11d3-9a0c-0305e82c3301"));
        },
        ..AD
    },
    Script {
        name: "C12 computers and trusts",
        act: |f| {
            for (number, name) in [(601, "PC01$"), (602, "OTHER$")] {
                add(
                    f,
                    Entry::new(format!("cn={name},{PEOPLE}"))
                        .with_all("objectClass", ["top", "person", "organizationalPerson", "user", "computer"])
                        .with("objectCategory", "computer")
                        .with("sAMAccountName", name)
                        .with("mail", "p01@example.com")
                        .with("userAccountControl", "4096")
                        .with("objectGUID", guid(number)),
                );
            }
        },
        ..AD
    },
    Script { name: "D1 renamed", act: |f| rename(f, &person(9), &format!("uid=nine,{PEOPLE}")), ..SCRIPT },
    Script {
        name: "D1 moved below",
        act: |f| {
            add(f, Entry::new(format!("ou=sales,{PEOPLE}")).with("objectClass", "organizationalUnit"));
            rename(f, &person(10), &format!("uid=p10,ou=sales,{PEOPLE}"));
        },
        ..SCRIPT
    },
    Script {
        name: "D3 deleted and made again",
        act: |f| set(f, &person(5), "entryUUID", &[b"000000f5-0000-4000-8000-0000000000aa"]),
        ..SCRIPT
    },
    Script {
        name: "D4 everybody has a new id",
        act: |f| {
            for number in 1..=12 {
                let id = format!("{number:08x}-0000-4000-9000-0000000000aa");
                set(f, &person(number), "entryUUID", &[id.as_bytes()]);
            }
        },
        ends: HELD,
        ..SCRIPT
    },
    Script { name: "D7 another SID", act: |f| set(f, &account(8), "objectSid", &[&sid(2008)]), ..AD },
    Script {
        name: "D9 an alias entry",
        act: |f| {
            add(
                f,
                Entry::new(format!("uid=other,{PEOPLE}"))
                    .with_all("objectClass", ["alias", "extensibleObject"])
                    .with("uid", "p01")
                    .with("entryUUID", "000000f9-0000-4000-8000-0000000000aa")
                    .with("aliasedObjectName", person(1)),
            );
        },
        ..SCRIPT
    },
    Script { name: "D10 two claim an address", act: |f| set(f, &person(2), "mail", &[b"p01@example.com"]), ..SCRIPT },
    Script { name: "D10 two claim a name", act: |f| add(f, twin()), ..SCRIPT },
    Script {
        name: "E1 other bits",
        act: |f| set_each(f, "userAccountControl", &["66048", "544", "262656", "4260352", "590336", "16843264"]),
        ..AD
    },
    Script { name: "E2 locked out for a while", act: |f| set_all(f, "userAccountControl", "528"), ..AD },
    Script { name: "E2 an expired password", act: |f| set_all(f, "userAccountControl", "8389120"), ..AD },
    Script { name: "E3 an old lockout", act: |f| set_all(f, "lockoutTime", "133500000000000000"), ..AD },
    Script { name: "E4 zero is never", act: |f| set_all(f, "accountExpires", "0"), ..AD },
    Script {
        name: "E4 far away is never",
        act: |f| set_each(f, "accountExpires", &["9223372036854775806", "2650467743999999999", "3000000000000000000"]),
        ..AD
    },
    Script {
        name: "E7 locked by wrong passwords",
        act: |f| {
            for number in 1..=5 {
                set(f, &person(number), "pwdAccountLockedTime", &[b"20260601120000Z"]);
            }
        },
        ..SCRIPT
    },
    Script {
        name: "E8 never, in three ways",
        act: |f| {
            for (number, days) in [(1, "-1"), (2, "0"), (3, "99999")] {
                set(f, &person(number), "shadowExpire", &[days.as_bytes()]);
            }
        },
        ..SCRIPT
    },
    Script {
        name: "E10 the state is hidden",
        act: |f| f.always(At::default(), Act::Without(vec!["userAccountControl"])),
        ends: &[0, 5],
        ..AD
    },
    Script { name: "E10 the state of one is hidden", act: |f| set(f, &account(3), "userAccountControl", &[]), ..AD },
    Script { name: "E10 the expiry of one is hidden", act: |f| set(f, &account(3), "accountExpires", &[]), ..AD },
    Script {
        name: "E11 a day that is none",
        act: |f| {
            for (number, days) in [(1, "soon"), (2, "20260101000000Z"), (3, "")] {
                set(f, &person(number), "shadowExpire", &[days.as_bytes()]);
            }
        },
        ..SCRIPT
    },
    Script { name: "E11 no number", act: |f| set_each(f, "accountExpires", &["never", "", "1e9", "0x0"]), ..AD },
    Script {
        name: "F1 members spelt otherwise",
        act: |f| {
            let mut all: Vec<String> =
                (3..=8).map(|number| format!("UID = P{number:02} , OU=People,DC=Example, dc=com")).collect();
            all.extend([
                "uid=\\70\\301,ou=people,dc=example,dc=com".to_owned(),
                "0.9.2342.19200300.100.1.1=#0403503032,2.5.4.11=people,dc=EXAMPLE,dc=com".to_owned(),
            ]);
            let all: Vec<&[u8]> = all.iter().map(String::as_bytes).collect();
            set(f, STAFF, "member", &all);
        },
        ..SCRIPT
    },
    Script {
        name: "F2 names in capitals",
        act: |f| {
            for entry in f.tree().entries.values_mut() {
                entry.attributes.iter_mut().for_each(|(name, _)| *name = name.to_uppercase());
            }
        },
        ..SCRIPT
    },
    Script {
        name: "F3 names with options",
        act: |f| {
            for number in 1..=12 {
                let mut tree = f.tree();
                let entry = tree.find_mut(&person(number)).unwrap();
                entry.add("mail;lang-ja", "other@example.com");
                entry.add("uid;x-old", "other");
                entry.add("sn;lang-ja", "山田");
            }
        },
        ..SCRIPT
    },
    Script {
        name: "F4 values in another order",
        act: |f| {
            let mut tree = f.tree();
            for (_, values) in tree.entries.values_mut().flat_map(|entry| &mut entry.attributes) {
                values.reverse();
            }
        },
        ..SCRIPT
    },
    Script {
        name: "F5 proxy addresses of other kinds",
        act: |f| {
            for name in ["x500:/o=x/cn=p", "X400:c=us", "sip:p@example.com", "EUM:1;phone-context=x", "SPO:SPO_1@SPO_2"]
            {
                (1..=12).for_each(|number| f.tree().find_mut(&account(number)).unwrap().add("proxyAddresses", name));
            }
        },
        ..AD
    },
    Script {
        name: "F6 addresses in another case",
        act: |f| {
            for number in 1..=12 {
                let mail = format!("P{number:02}@Example.COM");
                set(f, &person(number), "mail", &[mail.as_bytes()]);
            }
        },
        ..SCRIPT
    },
    Script {
        name: "F9 mail that is not UTF-8",
        act: |f| set(f, &person(1), "mail", &[b"Gr\xf6\xdfe@example.com"]),
        ..SCRIPT
    },
    Script { name: "F9 a name that is not UTF-8", act: |f| set(f, &person(1), "sn", &[b"Gr\xf6\xdfe"]), ..SCRIPT },
    Script { name: "F9 a username that is not UTF-8", act: |f| set(f, &person(1), "uid", &[b"p\xf6"]), ..SCRIPT },
    Script { name: "F10 NUL in a name", act: |f| set(f, &person(1), "sn", &[b"a\0b"]), ..SCRIPT },
    Script { name: "F10 NUL in an address", act: |f| set(f, &person(1), "mail", &[b"p01\0@example.com"]), ..SCRIPT },
    Script {
        name: "F11 empty and blank",
        act: |f| {
            for (number, mail) in [(1, &b""[..]), (2, b" "), (3, b"\t"), (4, b"\n")] {
                set(f, &person(number), "mail", &[mail]);
            }
        },
        ..SCRIPT
    },
    Script { name: "F12 a megabyte", act: |f| set(f, &person(1), "sn", &[&[b'x'; 1 << 20]]), ..SCRIPT },
    Script {
        name: "F12 five thousand addresses",
        act: |f| {
            let all: Vec<String> = (0..5000).map(|number| format!("smtp:x{number}@example.com")).collect();
            let all: Vec<&[u8]> = all.iter().map(String::as_bytes).collect();
            set(f, &person(1), "proxyAddresses", &all);
        },
        ..SCRIPT
    },
    Script { name: "F15 an empty id", act: |f| set(f, &person(1), "entryUUID", &[b""]), ends: &[0, 5], ..SCRIPT },
    Script { name: "F15 no id, and moved", act: |f| nameless(f), ends: INCOMPLETE, ..SCRIPT },
    Script {
        name: "F15 two ids",
        act: |f| f.tree().find_mut(&person(1)).unwrap().add("entryUUID", "000000f1-0000-4000-8000-0000000000aa"),
        ends: &[0, 5],
        ..SCRIPT
    },
    Script {
        name: "B6 one value that is not UTF-8",
        act: |f| f.tree().find_mut(&person(1)).unwrap().add("proxyAddresses", b"smtp:\xff@example.com"),
        ..SCRIPT
    },
    Script {
        name: "B7 an attribute twice, in two cases",
        act: |f| {
            for number in 1..=12 {
                let mut tree = f.tree();
                let entry = tree.find_mut(&person(number)).unwrap();
                let (_, values) = entry.attributes.iter_mut().find(|(name, _)| name == "proxyAddresses").unwrap();
                let one = values.pop().unwrap();
                entry.attributes.push(("PROXYADDRESSES".to_owned(), vec![one]));
            }
        },
        ..SCRIPT
    },
    Script {
        name: "G13 most members are gone",
        act: |f| set(f, STAFF, "member", &[person(1).as_bytes()]),
        ends: HELD,
        ..SCRIPT
    },
    Script {
        name: "G14 half are disabled",
        act: |f| {
            for number in 1..=6 {
                set(f, &account(number), "userAccountControl", &[b"514"]);
            }
        },
        ends: HELD,
        ..AD
    },
    Script {
        name: "G14 half have no address",
        act: |f| {
            for number in 1..=6 {
                set(f, &person(number), "mail", &[]);
                set(f, &person(number), "proxyAddresses", &[]);
            }
        },
        ends: HELD,
        ..SCRIPT
    },
];

/// Somebody new with the username of somebody known.
fn twin() -> Entry {
    let mut entry = uid_entry(1);
    entry.dn = format!("cn=twin,{PEOPLE}");
    entry.attributes.retain(|(name, _)| !["entryUUID", "mail", "proxyAddresses"].contains(&name.as_str()));
    entry.with("entryUUID", "000000fa-0000-4000-8000-0000000000aa").with("mail", "twin@example.com")
}

/// Somebody who has no id any more, at another place.
fn nameless(fake: &Fake) {
    set(fake, &person(1), "entryUUID", &[]);
    rename(fake, &person(1), &format!("uid=elsewhere,{PEOPLE}"));
}
