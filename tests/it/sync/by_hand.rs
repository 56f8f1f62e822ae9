//! What is changed beside rosterd, and on which side.

use serde_json::json;

use super::{BASE, dn, people, person};
use crate::support::program::Site;
use crate::support::slapd::{Options, Slapd};

/// VIPRE-2, COVATA-12, UNBLU-13, OKV-4, U2, G1: whatever the directory says is put back, whoever changed it in the store.
#[test]
fn what_is_changed_in_the_store_by_hand_is_put_back() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let ada = person("ada").trim_end_matches('\n').to_owned() + "\nproxyAddresses: smtp:a.l@example.com\nmobile: 1\n\n";
    let staff =
        format!("dn: cn=staff,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: staff\nmember: {}\n\n", dn("ada"));
    slapd.ldif(&(ada + &person("bob") + &staff));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let before = site.content();
    for edit in [
        "UPDATE rd_users SET username = 'eve', surname = NULL, display_name = 'Eve', mobile = '2' WHERE id = 1",
        "UPDATE rd_addresses SET key = 'eve@example.com', address = 'eve@example.com' WHERE kind = 'primary' AND user_id = 1",
        "DELETE FROM rd_addresses WHERE kind = 'alias'",
        "INSERT INTO rd_addresses (key, user_id, kind, address) VALUES ('y@example.com', 2, 'alias', 'y@example.com')",
        "UPDATE rd_groups SET name = 'ours'",
        "DELETE FROM rd_memberships",
    ] {
        site.by_hand(edit);
        assert_ne!(site.content(), before, "{edit}");
        site.expect(3, &["plan"]);
        site.expect(0, &["sync"]);
        assert_eq!(site.content(), before, "{edit}");
    }
}

/// VIPRE-42, U5: who was deleted in the store is back with the next run, as the same user.
#[test]
fn somebody_deleted_in_the_store_is_added_back() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob"]));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let (id, before) = (site.user("ada").unwrap()["id"].clone(), site.content());
    site.by_hand(
        "DELETE FROM rd_addresses WHERE user_id = (SELECT id FROM rd_users WHERE username = 'ada'); \
         UPDATE rd_users SET state = 'deleted', username = NULL, dn = NULL WHERE username = 'ada'",
    );
    assert_eq!(site.count("deleted"), 1);
    site.expect(0, &["sync"]);
    assert_eq!((&site.user("ada").unwrap()["id"], site.content()), (&id, before));
}

/// COVATA-14, UNBLU-16, U2, L6: what an application keeps beside the mapped fields stays with the user.
#[test]
fn values_of_the_application_stay() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob"]));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    site.by_hand("UPDATE rd_users SET extra = '{\"own\":1}', role = 'admin' WHERE username = 'ada'");
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nreplace: sn\nsn: other\n", dn("ada")));
    site.expect(0, &["sync"]);
    let ada = site.user("ada").unwrap();
    assert_eq!(
        (&ada["surname"], &ada["extra"], &ada["role"]),
        (&json!("other"), &json!({ "own": 1 }), &json!("admin"))
    );
}

/// UNBLU-2: nothing is ever written to the directory.
#[test]
fn the_directory_is_only_read() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(20);
    let site = Site::new(&slapd);
    site.expect(0, &["check"]);
    site.expect(3, &["plan"]);
    site.expect(0, &["sync"]);
    site.by_hand("UPDATE rd_users SET surname = 'other'");
    site.expect(0, &["sync"]);
    let writes = |log: &str| [" ADD dn", " MOD dn", " MODRDN dn", " DEL dn"].iter().any(|word| log.contains(word));
    assert!(!writes(&slapd.log()), "{}", slapd.log());
    slapd.ldif(&format!("dn: uid=u00001,ou=people,{BASE}\nchangetype: delete\n"));
    assert!(writes(&slapd.log()), "or this test would prove nothing");
}

/// VIPRE-14, VIPRE-26, M3, A3: whatever becomes of an entry with the same name and address, an account that an
/// administrator or the mail flow made is left alone, and keeps its address.
/// Faults: D13.
#[test]
fn a_manual_account_is_left_alone() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada"]));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    site.by_hand(
        "INSERT INTO rd_users (id, source, origin, uuid, unique_id, unique_id_digest, username, username_key, notes, \
         created_at, updated_at) VALUES \
         (1001, 'corp', 'manual', '00000000-0000-4000-8000-000000001001', 'g', randomblob(16), 'guest', 'guest', 'ours', \
         1, 1), \
         (1002, 'corp', 'smtp', '00000000-0000-4000-8000-000000001002', 'r', randomblob(16), 'relay', 'relay', 'ours', \
         1, 1); \
         INSERT INTO rd_addresses (key, user_id, kind, address) VALUES \
         ('guest@example.com', 1001, 'primary', 'guest@example.com'), \
         ('relay@example.com', 1002, 'primary', 'relay@example.com'); \
         UPDATE rd_store SET last_user = 1002",
    );
    let ours = || ["guest", "relay"].map(|name| site.user(name).unwrap());
    let before = ours();
    assert_eq!((&before[0]["state"], &before[1]["origin"]), (&json!("active"), &json!("smtp")));
    let guest = |change: &str| format!("dn: {}\nchangetype: {change}\n", dn("guest"));
    for change in [
        String::new(),
        person("guest"),
        guest("modify\nreplace: description\ndescription: theirs"),
        guest("modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z"),
        guest("delete"),
    ] {
        if !change.is_empty() {
            slapd.ldif(&change);
        }
        site.expect(0, &["sync"]);
        assert_eq!(ours(), before, "{change}");
        assert_eq!(site.count("active"), 3, "{change}");
    }
}
