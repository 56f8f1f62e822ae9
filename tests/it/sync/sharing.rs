//! Several sources, and several hosts, on one store.

use std::time::Duration;

use super::{BASE, dn, people, person};
use crate::support::program::{Site, source};
use crate::support::slapd::{Options, Slapd};

/// VIPRE-54, COVATA-2, UNBLU-11, UNBLU-45, UNBLU-50, RSA-16, RSA-18, OKV-14, U7: each source looks at its own people only and
/// says whose they are; a name that two of them give stays with whom it belongs to, and everybody else goes on.
#[test]
fn sources_that_share_a_store_keep_out_of_each_other_s_way() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&format!("dn: ou=partners,{BASE}\nobjectClass: organizationalUnit\nou: partners\n\n"));
    let partner = |uid: &str| {
        let there = format!("uid={uid},ou=partners,{BASE}");
        person(uid).replace(&dn(uid), &there).replace("@example.com", "@partner.example")
    };
    slapd.ldif(&(people(&["ada", "bob"]) + &partner("ada") + &partner("pia")));
    let ours = Site::new(&slapd);
    let mut theirs = Site::new(&slapd);
    theirs.set("source", &source(&slapd, slapd.url(), "").replace("\"corp\"", "\"partners\""));
    theirs.set("users", &format!("base_dns = [\"ou=partners,{BASE}\"]\n"));
    theirs.set("groups", "enabled = false\n");
    theirs.set("store", &format!("url = \"sqlite://{}\"\n", ours.path("roster.db").display()));
    ours.expect(0, &["sync"]);
    theirs.expect(0, &["sync"]);
    let of = |name: &str| ours.user(name).map(|user| (user["source"].clone(), user["primary_address"].clone()));
    assert_eq!(of("ada"), Some(("corp".into(), "ada@example.com".into())));
    assert_eq!(of("pia"), Some(("partners".into(), "pia@partner.example".into())));
    assert_eq!(ours.count("active"), 3, "the other ada waits outside");
    let held = theirs.expect(1, &["users", "show", &format!("uid=ada,ou=partners,{BASE}")]);
    assert!(held.err.contains("username-taken"), "{held:?}");
    for site in [&ours, &theirs] {
        site.expect(0, &["plan"]);
    }
    slapd.ldif(&format!("dn: uid=pia,ou=partners,{BASE}\nchangetype: delete\n"));
    ours.expect(0, &["sync"]);
    assert_eq!(ours.state("pia"), "active", "not ours to miss");
    theirs.set("users", &format!("base_dns = [\"ou=partners,{BASE}\"]\nfilter = \"(uid=*)\"\n"));
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("ada")));
    theirs.expect(0, &["sync"]);
    assert_eq!((ours.state("ada"), ours.state("pia")), ("active".into(), "pending".into()));
}

/// OKV-12, OKV-13, OKV-30, S3: two hosts with one source and one store are one: what the first found holds for both.
#[test]
fn two_hosts_of_one_source_are_one() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob"]));
    let first = Site::new(&slapd);
    let mut second = Site::new(&slapd);
    second.set("source", &source(&slapd, &slapd.url().replace("127.0.0.1", "localhost"), ""));
    second.set("store", &format!("url = \"sqlite://{}\"\n", first.path("roster.db").display()));
    first.expect(0, &["sync"]);
    second.expect(0, &["plan"]);
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("ada")));
    second.expect(0, &["sync"]);
    assert_eq!((first.state("ada"), second.state("ada")), ("pending".into(), "pending".into()));
    first.expect(0, &["plan"]);
    first.expect(0, &["sync"]);
    assert_eq!(first.content(), second.content());
}

/// UNBLU-49, S3: sources of one store are applied one after another: a run waits while another one has the turn.
#[test]
fn runs_of_several_sources_take_turns() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada"]));
    let site = Site::new(&slapd);
    site.expect(0, &["migrate"]);
    // Another source's process, on a host that nobody here can ask, for two seconds.
    site.by_hand(
        "INSERT INTO rd_leases (scope, fence, held, host, realm, pid, started, since, until) \
         VALUES ('turn', 1, 1, 'db2', 'another boot', 1, 1, 0, (strftime('%s', 'now') + 3) * 1000)",
    );
    let mut run = site.command(&["sync"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(run.try_wait().unwrap().is_none(), "it waits");
    assert_eq!(site.count("active"), 0);
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(site.count("active"), 1);
}
