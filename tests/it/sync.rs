//! The main job, by the real program on a real OpenLDAP, into both stores.

mod again;
mod anew;
mod by_hand;
mod crossing;
mod erasing;
mod identity;
mod manual;
mod mapping;
mod one;
mod settling;
mod sharing;
mod sources;
mod switches;

use std::time::Duration;

use crate::support::postgres;
use crate::support::program::{Site, source};
use crate::support::proxy::{Fault, Proxy};
use crate::support::slapd::{Options, Slapd};

pub const BASE: &str = "dc=example,dc=com";

pub fn dn(uid: &str) -> String {
    format!("uid={uid},ou=people,{BASE}")
}

fn person(uid: &str) -> String {
    format!(
        "dn: {}\nobjectClass: inetOrgPerson\nobjectClass: rosterMailUser\nuid: {uid}\ncn: {uid}\nsn: {uid}\n\
         mail: {uid}@example.com\n\n",
        dn(uid)
    )
}

pub fn people(uids: &[&str]) -> String {
    uids.iter().map(|uid| person(uid)).collect()
}

/// The same story on SQLite and, where it is installed, on Postgres.
pub fn on_both(story: impl Fn(&Slapd, Site)) {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    story(&slapd, Site::new(&slapd));
    if let Some(server) = postgres::server("sync on Postgres") {
        slapd.load("");
        let mut site = Site::new(&slapd);
        site.set("store", &format!("url = \"{}\"\n", server.url(&server.database())));
        story(&slapd, site);
    }
}

/// VIPRE-1, VIPRE-3, VIPRE-6, VIPRE-10, VIPRE-11, VIPRE-18, VIPRE-32, VIPRE-35, VIPRE-36, COVATA-1, COVATA-7, RSA-1,
/// RSA-2, RSA-12, OKV-2, U1-U4, I3, L2, L5
/// Faults: D1.
#[test]
fn a_day_at_the_office() {
    on_both(|slapd, site| {
        let group = format!(
            "dn: cn=staff,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: staff\nmember: {}\nmember: {}\n\n",
            dn("ada"),
            dn("bob")
        );
        slapd.ldif(&format!("{}{group}", people(&["ada", "bob", "cy"])));
        site.expect(0, &["sync"]);
        assert_eq!(site.count("active"), 3);
        let ada = site.user("ada").unwrap();
        assert_eq!(
            (&ada["access"], &ada["origin"], &ada["source"]),
            (&true.into(), &"directory".into(), &"corp".into())
        );
        // A second run writes nothing.
        let before = site.json(&["runs", "show", "1"]);
        site.expect(0, &["plan"]);
        site.expect(0, &["sync"]);
        let run = &site.json(&["runs", "list"])[0];
        for number in ["added", "updated", "moved", "flagged", "restored", "deleted"] {
            assert_eq!(run[number], 0, "{number}: {run} after {before}");
        }
        // Rename, move, alias.
        slapd.ldif(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=ada.l\ndeleteoldrdn: 1\n", dn("ada")));
        slapd.ldif(&format!("dn: ou=sales,ou=people,{BASE}\nobjectClass: organizationalUnit\nou: sales\n"));
        slapd.ldif(&format!(
            "dn: {}\nchangetype: modrdn\nnewrdn: uid=bob\ndeleteoldrdn: 0\nnewsuperior: ou=sales,ou=people,{BASE}\n",
            dn("bob")
        ));
        slapd.ldif(&format!("dn: {}\nchangetype: modify\nadd: proxyAddresses\nproxyAddresses: smtp:cyrus@example.com\nproxyAddresses: x500:/o=x\n", dn("cy")));
        site.expect(3, &["plan"]);
        site.expect(0, &["sync"]);
        assert_eq!(site.user("ada.l").unwrap()["id"], ada["id"], "I3: the same user");
        assert_eq!(site.user("bob").unwrap()["dn"], format!("uid=bob,ou=sales,ou=people,{BASE}"));
        assert_eq!(site.user("cy").unwrap()["aliases"], serde_json::json!(["cyrus@example.com"]));
        assert_eq!(site.json(&["groups", "list"])[0]["members"], 2);
        site.expect(0, &["plan"]);
        // Disabled: out at once, back when enabled.
        let lock = |value: &str| format!("dn: {}\nchangetype: modify\n{value}\n", dn("cy"));
        slapd.ldif(&lock("replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z"));
        site.expect(0, &["sync"]);
        let cy = site.user("cy").unwrap();
        assert_eq!(
            (&cy["state"], &cy["access"], &cy["pending_reason"]),
            (&"pending".into(), &false.into(), &"disabled".into())
        );
        assert!(cy["delete_after"].is_string() && cy["flagged_at"].is_string());
        site.expect(0, &["plan"]);
        slapd.ldif(&lock("delete: pwdAccountLockedTime"));
        site.expect(0, &["sync"]);
        assert_eq!(site.state("cy"), "active");
        // Gone.
        slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("cy")));
        site.expect(0, &["sync"]);
        assert_eq!(site.user("cy").unwrap()["pending_reason"], "gone");
        site.expect(0, &["plan"]);
    });
}

/// L3, L6, VIPRE-34: with a delay of "0d" at once, and never below the minimum.
#[test]
fn a_due_deletion_leaves_a_tombstone() {
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        site.set("deletion", "minimum = \"0d\"\ndelay = \"0d\"\n");
        slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("ada")));
        site.expect(0, &["sync"]);
        let all = site.json(&["users", "list"]);
        let gone = all.as_array().unwrap().iter().find(|user| user["state"] == "deleted").unwrap();
        assert!(gone["username"].is_null() && gone["primary_address"].is_null() && gone["access"] == false);
        site.set("deletion", "delay = \"1d\"\n");
        site.expect(78, &["sync"]);
    });
}

/// E1, E2: limits, an empty answer and a lost right take nothing from anybody.
#[test]
fn an_incomplete_read_misses_nobody() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(60);
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let before = site.content();
    // A filter that matches nobody.
    let base = slapd.base().to_owned();
    site.set("users", &format!("base_dns = [\"ou=people,{base}\"]\nfilter = \"(uid=nobody)\"\n"));
    let said = site.expect(5, &["sync"]);
    assert!(said.out.contains("no user") || said.err.contains("no user"), "{said:?}");
    assert_eq!(site.content(), before);
    // A limit of the server that paging does not lift.
    let limited = Options { size_limit: Some(25), ..Options::default() };
    let Some(mut small) = Slapd::start(limited) else { return };
    small.load_people(60);
    let mut site = Site::new(&small);
    site.set("source", &source(&small, small.url(), "page_size = 10"));
    let said = site.expect(5, &["sync"]);
    assert!(format!("{said:?}").contains("limit"), "{said:?}");
    assert_eq!(site.count("pending"), 0);
    assert!(site.count("active") > 0, "what was read is applied");
}

/// B1: held with exit status 4, shown, approved.
/// Faults: G10.
#[test]
fn a_mass_departure_is_held_until_somebody_approves() {
    on_both(|slapd, mut site| {
        let uids: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
        slapd.ldif(&people(&uids.iter().map(String::as_str).collect::<Vec<_>>()));
        site.expect(0, &["sync"]);
        let base = slapd.base().to_owned();
        site.set(
            "users",
            &format!(
                "base_dns = [\"ou=people,{base}\"]\nfilter = \"(&(objectClass=inetOrgPerson)(|(uid=u0*)(uid=u10)))\"\n"
            ),
        );
        site.expect(4, &["plan"]);
        let said = site.expect(4, &["sync"]);
        let text = format!("{}{}", said.out, said.err);
        assert!(text.contains("9 of 20") && text.contains("rosterd approve"), "{text}");
        assert_eq!(site.count("active"), 20);
        let run = site.json(&["runs", "list"])[0]["id"].to_string();
        site.expect(0, &["approve", &run]);
        assert_eq!((site.count("active"), site.count("pending")), (11, 9));
        assert_eq!(site.user("u15").unwrap()["pending_reason"], "filtered-out");
        site.expect(0, &["sync"]);
    });
}

/// RSA-10, E1, U8: a server that stops answering at any moment never leads to a flag.
#[test]
fn a_server_that_stops_answering_at_any_page_flags_nobody() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(100);
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let before = site.content();
    let through = |site: &mut Site, limit: u64, fault: Fault| {
        let proxy = Proxy::start(slapd.url(), limit, fault);
        let url = proxy.url.clone();
        site.set(
            "source",
            &source(&slapd, &url, "page_size = 10\nread_timeout = \"300ms\"\nconnect_timeout = \"300ms\""),
        );
        (site.run(&["sync"]), proxy.passed())
    };
    let (said, whole) = through(&mut site, u64::MAX, Fault::Cut);
    assert_eq!(said.code, 0, "{said:?}");
    for step in 0..40 {
        let limit = whole * step / 40 + step;
        for fault in [Fault::Cut, Fault::Freeze] {
            if matches!(fault, Fault::Freeze) && step % 4 != 0 {
                continue;
            }
            let (said, _) = through(&mut site, limit, fault);
            assert!([1, 5].contains(&said.code), "{fault:?} after {limit} of {whole}: {said:?}");
            assert_eq!(site.content(), before, "{fault:?} after {limit} of {whole}");
        }
    }
    site.set("source", &source(&slapd, slapd.url(), ""));
    site.expect(0, &["sync"]);
    assert_eq!(site.content(), before);
}

/// U9, E5, A6: every kind of odd entry is handled or skipped with a reason, and everybody else is synchronised.
#[test]
fn odd_entries_cost_nobody_else_anything() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob"]));
        slapd.ldif(&format!(
            "dn: uid=nomail,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: nomail\ncn: n\nsn: n\n\n\
             dn: uid=bad,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: bad\ncn: n\nsn: n\nmail: not an address\n\n\
             dn: cn=Evil\\2C \\22Comma\\22 \\3D \\5C,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: evil\ncn: Evil, \"Comma\" = \\\nsn: n\nmail: evil@example.com\ndisplayName:: G1szMW1yZWQbWzBtCg==\n\n\
             dn: cn=two,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: two1\nuid: two2\ncn: two\nsn: n\nmail: two@example.com\n\n"
        ));
        site.expect(0, &["sync"]);
        assert_eq!(site.count("active"), 3);
        let evil = site.user("evil").unwrap();
        assert!(evil["display_name"].as_str().unwrap().contains("red"));
        let listed = site.expect(0, &["users", "list"]);
        assert!(!listed.out.contains('\u{1b}'), "no escape sequence reaches the terminal");
        let plan = site.json(&["plan"]);
        let skipped = plan.to_string();
        for reason in ["no-address", "malformed-address", "unreadable"] {
            assert!(skipped.contains(reason), "{reason}: {skipped}");
        }
    });
}

/// S3: a second process says who is at it and ends with 6.
#[test]
fn a_second_sync_of_the_same_source_says_so() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(20);
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let proxy = Proxy::start(slapd.url(), 3_000, Fault::Freeze);
    site.set("source", &source(&slapd, &proxy.url, "page_size = 5\nread_timeout = \"4s\""));
    let mut first = site
        .command(&["sync"])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1_000));
    let said = site.expect(6, &["sync"]);
    assert!(said.err.contains(&first.id().to_string()), "names the process: {said:?}");
    assert!([Some(1), Some(5)].contains(&first.wait().unwrap().code()));
    assert_eq!(site.count("active"), 20);
}

/// E9, H4: a refused bind is named, and not repeated without a terminal.
/// Faults: H4, H13.
#[test]
fn a_refused_bind_is_named_and_not_repeated() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    let wrong = site.path("wrong");
    std::fs::write(&wrong, "wrong-password\n").unwrap();
    std::fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let table =
        source(&slapd, slapd.url(), "").replace(slapd.password_file().to_str().unwrap(), wrong.to_str().unwrap());
    site.set("source", &table);
    let said = site.expect(1, &["sync"]);
    assert!(said.err.contains(slapd.bind_dn()) && !said.err.contains("wrong-password"), "{said:?}");
    let binds = || slapd.log().matches("BIND dn=").count();
    let tried = binds();
    let said = site.expect(1, &["sync"]);
    assert!(said.err.contains("refused"), "{said:?}");
    assert_eq!(binds(), tried, "no second try within fifteen minutes");
    std::fs::write(&wrong, slapd.password()).unwrap();
    site.expect(0, &["sync"]);
}
