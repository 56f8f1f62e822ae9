//! What goes wrong on the way to the entries: connection, bind, limits, pages, ranges, base objects, rights, other servers.

use std::sync::Arc;

use super::ground::{BASE, GROUPS, Ground, PEOPLE, STAFF, account, person};
use super::{DOUBTFUL, FAILED, HELD, INCOMPLETE, SCRIPT, Script, WELL};
use crate::support::fake::{Act, At, Fake, Tree};

fn page(number: usize) -> At {
    At::below(PEOPLE).page(number)
}

/// A search of people that ends with a code on a page, after so many entries of it.
fn code(fake: &Fake, (at, entries): (usize, usize), code: u32, says: &'static str) {
    fake.always(page(at).entries(entries), Act::Answer(code, says));
}

fn bind(fake: &Fake, code: u32, says: &'static str) {
    fake.always(At::bind(), Act::Answer(code, says));
}

/// Something that changes when a place is reached.
fn meanwhile(fake: &Fake, at: At, change: fn(&mut Tree)) {
    fake.once(at, Act::Do(Arc::new(change)));
}

fn half() -> Vec<String> {
    (1..=6).map(person).collect()
}

pub const SCRIPTS: &[Script] = &[
    Script { name: "A1 unpaged", source: "page_size = 0", act: |f| code(f, (1, 5), 4, ""), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A1 at once", act: |f| code(f, (1, 0), 4, ""), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A2 second page", act: |f| code(f, (2, 3), 4, ""), ends: INCOMPLETE, ..SCRIPT },
    Script {
        name: "A2 groups",
        act: |f| f.always(At::below(GROUPS).entries(1), Act::Answer(4, "")),
        ends: DOUBTFUL,
        ..SCRIPT
    },
    Script {
        name: "A3 moved behind the reader",
        act: |f| {
            meanwhile(f, page(2), |tree| {
                let entry = tree.remove(&person(12)).unwrap();
                tree.put(50, entry);
            });
        },
        ..SCRIPT
    },
    Script {
        name: "A3 renamed behind the reader",
        act: |f| {
            meanwhile(f, page(3), |tree| {
                let mut entry = tree.remove(&person(12)).unwrap();
                entry.dn = format!("uid=p12,ou=sales,{PEOPLE}");
                tree.put(50, entry);
            });
        },
        ..SCRIPT
    },
    Script { name: "A4 first page", act: |f| code(f, (1, 3), 3, ""), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A4 last page", act: |f| code(f, (3, 99), 3, ""), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A5 first page", act: |f| code(f, (1, 0), 11, "admin limit exceeded"), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A5 second page", act: |f| code(f, (2, 1), 11, "admin limit exceeded"), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A6 second page", act: |f| code(f, (2, 0), 12, "time limit"), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A7 busy", act: |f| code(f, (2, 2), 51, "busy"), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A7 unavailable after everything", act: |f| code(f, (3, 99), 52, ""), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A7 other", act: |f| code(f, (3, 1), 80, "internal error"), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A8 between pages", act: |f| f.always(page(2), Act::Close), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A8 within a page", act: |f| f.always(page(3).entries(1), Act::Close), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A8 groups", act: |f| f.always(At::below(GROUPS), Act::Close), ends: DOUBTFUL, ..SCRIPT },
    Script { name: "A9 in a message", act: |f| f.always(page(2).entries(2), Act::Tear), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A9 in the first message", act: |f| f.always(page(1), Act::Tear), ends: DOUBTFUL, ..SCRIPT },
    Script {
        name: "A18 another server's cookie",
        act: |f| code(f, (2, 0), 2, "paged results cookie is invalid"),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "A10 an old cookie",
        act: |f| code(f, (2, 0), 53, "paged results cookie is invalid or old"),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "A10 a cookie of another controller",
        ground: Ground::ActiveDirectory,
        act: |f| {
            code(f, (2, 0), 12, "00000057: LdapErr: DSID-0C0907D8, comment: Error processing control, data 0, v4563")
        },
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "A11 too many searches",
        act: |f| code(f, (3, 0), 53, "too many paged searches"),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script { name: "A12 no control", act: |f| f.always(page(1), Act::NoControl), ends: INCOMPLETE, ..SCRIPT },
    Script { name: "A12 no control later", act: |f| f.always(page(2), Act::NoControl), ends: INCOMPLETE, ..SCRIPT },
    Script {
        name: "A13 the same cookie",
        act: |f| f.always(At::below(PEOPLE), Act::SameCookie),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "A13 from the start",
        act: |f| f.always(At::below(PEOPLE), Act::FromTheStart),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script { name: "A14 referral for a result", act: |f| code(f, (1, 0), 10, ""), ends: INCOMPLETE, ..SCRIPT },
    Script {
        name: "A15 a child domain",
        ground: Ground::ActiveDirectory,
        act: |f| f.always(page(1), Act::Refer("ldap://child.example.com/dc=child,dc=example,dc=com")),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "A15 the configuration context",
        ground: Ground::ActiveDirectory,
        act: |f| f.always(page(1), Act::Refer("ldap://example.com/CN=Configuration,DC=example,DC=com")),
        ..SCRIPT
    },
    Script {
        name: "A16 a reference on a later page",
        act: |f| f.always(page(2), Act::Refer("ldap://other.example.net/ou=x,ou=people,dc=example,dc=com")),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "B1 dropped on the second page",
        act: |f| f.always(page(2).entries(4), Act::Close),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script { name: "B2 a limit and a cookie", act: |f| code(f, (1, 99), 4, ""), ends: INCOMPLETE, ..SCRIPT },
    Script {
        name: "B5 the same cookie for groups",
        source: "page_size = 1",
        act: |f| f.always(At::below(GROUPS), Act::SameCookie),
        ends: DOUBTFUL,
        ..SCRIPT
    },
    Script {
        name: "B13 silent at the connection",
        act: |f| f.always(At::connect(), Act::Stall),
        ends: FAILED,
        ..SCRIPT
    },
    Script { name: "B13 silent at the bind", act: |f| f.always(At::bind(), Act::Stall), ends: FAILED, ..SCRIPT },
    Script {
        name: "B13 silent in a page",
        act: |f| f.always(page(2).entries(2), Act::Stall),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "C1 the rest of a range is refused",
        ground: Ground::ActiveDirectory,
        act: |f| f.always(At::object(STAFF), Act::Answer(1, "")),
        ends: DOUBTFUL,
        ..SCRIPT
    },
    Script {
        name: "C1 cut off within the ranges",
        ground: Ground::ActiveDirectory,
        act: |f| f.always(At::object(STAFF), Act::Close),
        ends: DOUBTFUL,
        ..SCRIPT
    },
    Script {
        name: "C2 a member joins between ranges",
        ground: Ground::ActiveDirectory,
        act: |f| {
            meanwhile(f, At::object(STAFF), |tree| {
                let members = tree.find_mut(STAFF).unwrap().attributes.iter_mut().find(|(name, _)| name == "member");
                members.unwrap().1.insert(0, account(9).into_bytes());
            });
        },
        ..SCRIPT
    },
    Script {
        name: "G1 the base is gone",
        act: |f| f.always(At::object(PEOPLE), Act::Answer(32, "")),
        ends: DOUBTFUL,
        ..SCRIPT
    },
    Script {
        name: "G1 the base is renamed",
        act: |f| {
            for entry in f.tree().entries.values_mut() {
                entry.dn = entry.dn.replace("ou=people", "ou=persons");
            }
        },
        ends: DOUBTFUL,
        ..SCRIPT
    },
    Script {
        name: "G2 the base is hidden",
        act: |f| f.always(At::object(PEOPLE), Act::Nothing),
        ends: DOUBTFUL,
        ..SCRIPT
    },
    Script {
        name: "G2 the groups' base is hidden",
        act: |f| f.always(At::object(GROUPS), Act::Nothing),
        ends: DOUBTFUL,
        ..SCRIPT
    },
    Script { name: "G4 half is hidden", act: |f| f.always(At::default(), Act::Hide(half())), ends: HELD, ..SCRIPT },
    Script {
        name: "G4 hidden from the search alone",
        act: |f| f.always(At::below(PEOPLE), Act::Hide(half())),
        ends: &[0, 4, 5],
        ..SCRIPT
    },
    Script {
        name: "G4 nobody can be looked up",
        act: |f| {
            f.always(page(1), Act::Hide(vec![person(1)]));
            f.always(At::below(BASE), Act::Answer(52, ""));
        },
        ends: &[0, 5],
        ..SCRIPT
    },
    Script {
        name: "G5 mail is hidden",
        act: |f| f.always(At::default(), Act::Without(vec!["mail"])),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "G5 the unique id is hidden",
        act: |f| f.always(At::default(), Act::Without(vec!["entryUUID"])),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "G5 usernames are hidden",
        ground: Ground::ActiveDirectory,
        act: |f| f.always(At::default(), Act::Without(vec!["sAMAccountName"])),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "G5 members are hidden",
        act: |f| f.always(At::default(), Act::Without(vec!["member"])),
        ends: &[4, 5],
        ..SCRIPT
    },
    Script {
        name: "G6 a filter with a typing error",
        config: &[("users", "base_dns = [\"ou=people,dc=example,dc=com\"]\nfilter = \"(uiid=*)\"\n")],
        ends: FAILED,
        ..SCRIPT
    },
    Script {
        name: "G6 a filter that nobody matches",
        config: &[("users", "base_dns = [\"ou=people,dc=example,dc=com\"]\nfilter = \"(employeeType=nobody)\"\n")],
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "G7 a filter that leaves half out",
        config: &[
            ("users", "base_dns = [\"ou=people,dc=example,dc=com\"]\nfilter = \"(uid=p0*)\"\n"),
            ("brake", "at_least = 2\n"),
        ],
        ends: HELD,
        ..SCRIPT
    },
    Script {
        name: "G7 another base",
        config: &[("users", "base_dns = [\"ou=former,dc=example,dc=com\"]\n")],
        ends: &[4, 5],
        ..SCRIPT
    },
    Script {
        name: "G8 half no longer match the filter",
        act: |f| {
            for number in 1..=6 {
                f.tree().find_mut(&person(number)).unwrap().attributes[0].1 = vec![b"organizationalPerson".to_vec()];
            }
        },
        ends: HELD,
        ..SCRIPT
    },
    Script {
        name: "G9 an empty replica",
        act: |f| f.always(At { below: Some(true), ..At::default() }, Act::Nothing),
        ends: DOUBTFUL,
        ..SCRIPT
    },
    Script {
        name: "G9 nobody yet",
        act: |f| f.tree().entries.retain(|_, entry| !entry.dn.starts_with("uid=")),
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "G9 no group yet",
        act: |f| f.tree().entries.retain(|_, entry| !entry.dn.ends_with(&format!(",{GROUPS}"))),
        ends: &[4, 5],
        ..SCRIPT
    },
    Script {
        name: "H2 an empty password file",
        source: "bind_password_file = \"/dev/null\"",
        ends: &[1, 78],
        ..SCRIPT
    },
    Script {
        name: "H2 no password file",
        source: "bind_password_file = \"/nowhere/password\"",
        ends: &[1, 78],
        ..SCRIPT
    },
    Script { name: "H3 bound as nobody", act: |f| bind(f, 1, "anonymous bind disallowed"), ends: FAILED, ..SCRIPT },
    Script { name: "H4 a wrong password", waits: true, act: |f| bind(f, 49, ""), ends: FAILED, ..SCRIPT },
    Script {
        name: "H4 an expired password",
        waits: true,
        ground: Ground::ActiveDirectory,
        act: |f| bind(f, 49, "80090308: LdapErr: DSID-0C09042F, comment: AcceptSecurityContext error, data 532, v4563"),
        ends: FAILED,
        ..SCRIPT
    },
    Script {
        name: "H4 a locked account",
        waits: true,
        ground: Ground::ActiveDirectory,
        act: |f| bind(f, 49, "80090308: LdapErr: DSID-0C09042F, comment: AcceptSecurityContext error, data 775, v4563"),
        ends: FAILED,
        ..SCRIPT
    },
    Script {
        name: "H4 grace logins are over",
        act: |f| bind(f, 53, "NDS error: log account expired (-220)"),
        ends: FAILED,
        ..SCRIPT
    },
    Script {
        name: "H5 signing is demanded",
        act: |f| bind(f, 8, "00002028: LdapErr: DSID-0C09023F"),
        ends: FAILED,
        ..SCRIPT
    },
    Script {
        name: "H5 confidentiality is demanded",
        act: |f| bind(f, 13, "confidentiality required"),
        ends: FAILED,
        ..SCRIPT
    },
    Script { name: "H7 StartTLS is refused", source: "starttls = true", ends: FAILED, ..SCRIPT },
    Script {
        name: "B21 StartTLS is refused after a while",
        source: "starttls = true",
        act: |f| f.always(At::connect(), Act::Close),
        ends: FAILED,
        ..SCRIPT
    },
    Script { name: "H8 no TLS at the port", source: "urls = [\"ldaps://127.0.0.1:PORT\"]", ends: FAILED, ..SCRIPT },
    Script {
        name: "H12 silent in the handshake",
        source: "urls = [\"ldaps://127.0.0.1:PORT\"]",
        act: |f| f.always(At::connect(), Act::Stall),
        ends: FAILED,
        ..SCRIPT
    },
    Script {
        name: "I10 a restored backup",
        act: |f| {
            let mut tree = f.tree();
            tree.find_mut(BASE).unwrap().attributes.retain(|(name, _)| name != "contextCSN");
            tree.find_mut(BASE).unwrap().add("contextCSN", "20260101000000.000000Z#000000#001#000000");
            tree.remove(&person(7));
        },
        ends: INCOMPLETE,
        ..SCRIPT
    },
    Script {
        name: "I9 the change number is not told any more",
        act: |f| f.always(At::object(BASE), Act::Without(vec!["contextCSN"])),
        ends: &[0, 5],
        ..SCRIPT
    },
];

/// A script that says nothing of itself is none.
#[test]
fn every_script_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<&str> = super::scripts().map(|script| script.name).collect();
    assert_eq!(names.len(), super::scripts().count());
    assert!(!names.contains(""));
    assert_eq!(WELL, [0]);
}
