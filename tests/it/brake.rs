//! The brake, by the real program on a real OpenLDAP, into both stores (B1, B2, E7, L10).

use std::os::unix::fs::PermissionsExt as _;

use crate::support::program::Site;
use crate::support::proxy::{Fault, Proxy};
use crate::support::slapd::{Options, Slapd, installed, left_out};
use crate::sync::{BASE, dn, on_both, people};

fn many(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("u{n:02}")).collect()
}

/// So many people, each with an alias, and one group of them all.
fn load(slapd: &Slapd, count: usize) -> Vec<String> {
    let names = many(count);
    let uids: Vec<&str> = names.iter().map(String::as_str).collect();
    slapd.ldif(&people(&uids));
    names.iter().for_each(|uid| alias(slapd, uid, "add"));
    let members: String = names.iter().map(|uid| format!("member: {}\n", dn(uid))).collect();
    slapd.ldif(&format!("dn: cn=staff,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: staff\n{members}"));
    names
}

fn alias(slapd: &Slapd, uid: &str, how: &str) {
    let value = format!("proxyAddresses: smtp:{uid}.alias@example.com");
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{how}: proxyAddresses\n{value}\n", dn(uid)));
}

fn set_staff(slapd: &Slapd, names: &[String]) {
    let members: String = names.iter().map(|uid| format!("member: {}\n", dn(uid))).collect();
    slapd.ldif(&format!("dn: cn=staff,ou=groups,{BASE}\nchangetype: modify\nreplace: member\n{members}\n"));
}

fn aliases(site: &Site) -> usize {
    let all = site.json(&["users", "list"]);
    all.as_array().unwrap().iter().map(|user| user["aliases"].as_array().unwrap().len()).sum()
}

fn members(site: &Site) -> u64 {
    site.json(&["groups", "list"])[0]["members"].as_u64().unwrap()
}

/// UNBLU-40, B1: lost aliases and memberships are held apart, the rest of the run is applied, a second run changes nothing,
/// and `approve` lets those go who still lose them.
#[test]
fn lost_aliases_and_memberships_are_held_until_somebody_approves() {
    on_both(|slapd, site| {
        let names = load(slapd, 40);
        site.expect(0, &["sync"]);
        names[..6].iter().for_each(|uid| alias(slapd, uid, "delete"));
        set_staff(slapd, &names[25..]);
        slapd.ldif(&people(&["zoe"]));
        let plan = site.expect(4, &["plan"]);
        assert!(plan.out.contains("6 of 40 aliases") && plan.out.contains("25 of 40 memberships"), "{plan:?}");
        let said = site.expect(4, &["sync"]);
        assert!(said.out.contains("6 of 40 aliases that people with access had"), "{said:?}");
        assert_eq!((aliases(&site), members(&site), site.state("zoe")), (40, 40, "active".into()));
        let run = site.json(&["runs", "list"])[0]["id"].to_string();
        let shown = site.expect(0, &["runs", "show", &run]).out;
        assert!(shown.contains("alias u00.alias@example.com") && shown.contains("group staff"), "{shown}");
        let held = site.json(&["runs", "show", &run]);
        assert_eq!(held["changes"].as_array().unwrap().len(), 1, "zoe: {held}");
        site.expect(4, &["sync"]);
        let again = site.json(&["runs", "list"])[0]["id"].to_string();
        assert_eq!(site.json(&["runs", "show", &again])["changes"], serde_json::json!([]));
        // One has it back, one more loses it: only those who were held go, and the newcomer is one of few.
        alias(slapd, "u05", "add");
        alias(slapd, "u10", "delete");
        site.expect(0, &["approve", &again]);
        assert_eq!((aliases(&site), members(&site)), (34, 15));
        site.expect(0, &["plan"]);
    });
}

fn last_run(site: &Site) -> serde_json::Value {
    site.json(&["runs", "list"])[0].clone()
}

/// B1: whoever looks at a held run, wherever, is told what, how many of how many, the first names, what changed since the
/// last run that ended well, and both commands; also of the second held run, and never a secret.
#[test]
fn a_held_run_says_what_changed() {
    on_both(|slapd, mut site| {
        let names = load(slapd, 20);
        site.expect(0, &["sync"]);
        let filter = "(&(objectClass=inetOrgPerson)(|(uid=u0*)(uid=u10)))";
        site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\nfilter = \"{filter}\"\n"));
        let plan = site.expect(4, &["plan"]).out;
        assert!(plan.contains("`users.filter` was"), "{plan}");
        site.expect(4, &["sync"]);
        let said = site.expect(4, &["sync"]).out;
        let run = last_run(&site)["id"].to_string();
        let status = site.expect(0, &["status"]).out;
        let shown = site.expect(0, &["runs", "show", &run]).out;
        for text in [&said, &status, &shown] {
            assert!(
                text.contains("9 of 20 people who had access when brake.window began would be without it"),
                "{text}"
            );
            assert!(text.contains("u11") && text.contains("u12"), "{text}");
            assert!(text.contains("`users.filter` was") && text.contains("(uid=u10)"), "{text}");
            assert!(text.contains("ince run 1"), "{text}");
            assert!(text.contains(&format!("approve {run}")), "{text}");
            assert!(!text.contains("password"), "{text}");
        }
        assert!(
            said.contains(&format!("runs show {run}")) && status.contains(&format!("runs show {run}")),
            "{said}{status}"
        );
        let json = site.json(&["sync"]);
        assert_eq!(json["since"]["run"], 1, "{json}");
        let changes = json["since"]["changes"].to_string();
        assert!(
            changes.contains("users.filter") && changes.contains("the search found 11 users instead of 20"),
            "{changes}"
        );
        // The people themselves left.
        site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n"));
        site.expect(0, &["sync"]);
        names[..6].iter().for_each(|uid| alias(slapd, uid, "delete"));
        let said = site.expect(4, &["sync"]).out;
        assert!(said.contains("neither configuration nor server changed"), "{said}");
    });
}

/// RSA-10, E7: a server whose data were restored from a backup shows less than it had; nobody is missed for it until it has
/// caught up, or a person says that it is right.
/// Faults: I10.
#[test]
fn a_restored_backup_deletes_nobody() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob"]));
    slapd.back_up();
    slapd.ldif(&people(&["cy", "dan"]));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let lock = "changetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z";
    slapd.ldif(&format!("dn: {}\n{lock}\n\ndn: {}\nchangetype: delete\n", dn("bob"), dn("ada")));
    site.expect(0, &["sync"]);
    slapd.restore();
    let said = site.expect(5, &["sync"]).out;
    assert!(said.contains("restored from a backup") && said.contains("rosterd approve"), "{said}");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("2 people stay without access until it is settled or approved: `ada`, `bob`"), "{said}");
    assert_eq!((site.count("active"), last_run(&site)["cause"].as_str()), (2, Some("server-behind")));
    for who in ["ada", "bob"] {
        let one = site.expect(5, &["sync", "--user", who]).out;
        assert!(one.contains("restored from a backup") && site.state(who) == "pending", "{one}");
        let said = site.run(&["explain", who]).out;
        assert!(!said.contains("gives access back") && said.contains("nobody is restored by it"), "{said}");
    }
    site.expect(5, &["plan"]);
    let one = site.expect(5, &["sync", "--user", "cy"]).out;
    assert!(one.contains("restored from a backup") && site.state("cy") == "active", "S4: {one}");
    site.expect(5, &["sync"]);
    let run = last_run(&site)["id"].to_string();
    site.expect(0, &["sync", "--only", "cleanup"]);
    site.expect(0, &["approve", &run]);
    assert_eq!((site.count("active"), site.count("pending")), (2, 2));
    site.expect(0, &["sync"]);
    site.expect(0, &["plan"]);
}

/// B1, U3: on the day of the first sync shares are of what there was when it ended, so whoever comes later makes no room
/// for those who go.
#[test]
fn on_the_first_day_newcomers_make_no_room_for_leavers() {
    on_both(|slapd, mut site| {
        site.set("brake", "at_least = 1\npercent = 30\n");
        let names = load(slapd, 5);
        site.expect(0, &["sync"]);
        names[..2].iter().for_each(|uid| slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn(uid))));
        names[2..4].iter().for_each(|uid| alias(slapd, uid, "delete"));
        let more: Vec<String> = (0..30).map(|n| format!("new{n:02}")).collect();
        slapd.ldif(&people(&more.iter().map(String::as_str).collect::<Vec<_>>()));
        more.iter().for_each(|uid| alias(slapd, uid, "add"));
        for run in ["the run that adds them", "the next one"] {
            let said = site.expect(4, &["sync"]);
            assert!(said.out.contains("2 of 5 people") && said.out.contains("2 of 5 aliases"), "{run}: {said:?}");
            assert_eq!((site.count("active"), aliases(&site)), (35, 35), "{run}");
        }
    });
}

/// L10: a wall clock that jumps deletes nobody, in a run, by a clean-up, or while the source is switched off; it ends when
/// the clock is right again, or when somebody says that it is.
#[test]
fn a_clock_that_jumps_deletes_nobody() {
    if !installed("faketime") {
        return left_out("clock that jumps", "faketime is not installed (Debian: faketime)");
    }
    on_both(|slapd, mut site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("bob")));
        site.expect(0, &["sync"]);
        assert_eq!(site.state("bob"), "pending");
        for arguments in [&["plan"][..], &["sync"], &["sync"], &["sync", "--only", "cleanup"]] {
            let said = site.at("+20d", arguments);
            assert_eq!(said.code, 4, "{said:?}");
            assert!(said.out.contains("1 deletion is due, but the wall clock"), "{said:?}");
            assert_eq!(site.state("bob"), "pending");
        }
        let run = last_run(&site);
        assert_eq!((run["outcome"].as_str(), run["cause"].as_str()), (Some("held"), Some("clock")));
        site.set("source", &crate::support::program::source(slapd, slapd.url(), "enabled = false"));
        let off = site.at("+20d", &["sync"]);
        assert!(off.code == 0 && off.out.contains("1 deletion is due, but"), "{off:?}");
        assert_eq!(site.state("bob"), "pending");
        site.set("source", &crate::support::program::source(slapd, slapd.url(), ""));
        site.expect(0, &["sync"]);
        assert_eq!(site.at("+20d", &["sync"]).code, 4);
        let run = last_run(&site)["id"].to_string();
        let approved = site.at("+20d", &["approve", &run]);
        assert_eq!((approved.code, site.count("deleted")), (0, 1), "{approved:?}");
    });
}

/// L10: nobody is due: nothing is held, and the clock is believed again when it is right.
#[test]
fn a_clock_that_jumps_stops_nothing_else() {
    if !installed("faketime") {
        return left_out("clock that jumps", "faketime is not installed (Debian: faketime)");
    }
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada"]));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    slapd.ldif(&people(&["bob"]));
    assert_eq!(site.at("+20d", &["sync"]).code, 0);
    assert_eq!(site.state("bob"), "active");
    site.expect(0, &["sync"]);
}

/// B2: a saved plan is applied when directory and store still give it, whatever time it is, and refused with the reason and
/// the right command when they do not, or when it is of another store, source or configuration; nothing is half done.
#[test]
fn a_saved_plan_is_applied_only_while_it_is_the_same() {
    on_both(|slapd, mut site| {
        let file = site.path("plan.json");
        let file = file.to_str().unwrap();
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(3, &["plan", "--out", file]);
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        site.expect(0, &["sync", "--plan", file]);
        assert_eq!(site.count("active"), 2);
        let refused = |site: &Site, words: &str| {
            let (content, runs) = (site.content(), site.json(&["runs", "list"]).as_array().unwrap().len());
            let said = site.expect(1, &["sync", "--plan", file]);
            assert!(said.err.contains(words) && said.err.contains("plan --out"), "{said:?}");
            assert_eq!(site.content(), content, "nothing is done");
            site.json(&["runs", "list"]).as_array().unwrap().len() - runs
        };
        assert_eq!(refused(&site, "of another store"), 0, "made for an empty store");
        slapd.ldif(&people(&["cy"]));
        slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("bob")));
        let said = site.expect(3, &["plan", "--out", file]);
        assert!(said.err.contains("sync --plan"), "{said:?}");
        let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(saved["plan"]["users"].as_array().unwrap().len(), 2, "{saved}");
        // The directory changed meanwhile.
        let note =
            |text: &str| format!("dn: {}\nchangetype: modify\nreplace: description\ndescription: {text}\n", dn("ada"));
        slapd.ldif(&note("hello"));
        assert_eq!(refused(&site, "no longer give the plan"), 1);
        assert_eq!(last_run(&site)["outcome"], "failed");
        // The store did.
        site.expect(3, &["plan", "--out", file]);
        site.expect(0, &["users", "delete", "ada"]);
        assert_eq!(refused(&site, "no longer give the plan"), 1);
        // Another configuration, another source, no plan at all.
        site.expect(3, &["plan", "--out", file]);
        site.set("brake", "percent = 20\n");
        assert_eq!(refused(&site, "other now: brake.percent"), 0);
        site.set("brake", "");
        let text = std::fs::read_to_string(file).unwrap();
        for (from, to, words) in [
            ("\"source\": \"corp\"", "\"source\": \"other\"", "of the source `other`"),
            ("\"rosterd_plan\": 1", "\"rosterd_plan\": 2", "in another form"),
            ("{", "", "is no plan"),
        ] {
            std::fs::write(file, text.replacen(from, to, 1)).unwrap();
            assert_eq!(refused(&site, words), 0);
        }
        std::fs::write(file, text).unwrap();
        site.expect(0, &["sync", "--plan", file]);
        assert_eq!(
            (site.state("cy"), site.state("bob"), site.state("ada")),
            ("active".into(), "pending".into(), "active".into())
        );
        site.expect(0, &["plan"]);
        site.expect(2, &["sync", "--plan", file, "--only", "users"]);
        site.expect(1, &["sync", "--plan", "/nowhere/plan.json"]);
    });
}

/// I5: whoever is due, and would be re-linked if there were not so many, is not deleted by a clean-up, and not with the source
/// switched off, until a person decides.
#[test]
fn a_clean_up_deletes_nobody_whose_re_link_is_held() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let names = many(80);
    let uids: Vec<&str> = names.iter().map(String::as_str).collect();
    slapd.ldif(&people(&uids));
    let mut site = Site::new(&slapd);
    site.set("deletion", "minimum = \"0d\"\ndelay = \"1s\"\n");
    site.expect(0, &["sync"]);
    uids[..7].iter().for_each(|uid| slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn(uid))));
    site.expect(0, &["sync"]);
    slapd.ldif(&people(&uids[..7]));
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    site.expect(4, &["sync"]);
    assert_eq!((site.count("pending"), site.count("deleted")), (7, 0));
    let run = last_run(&site)["id"].to_string();
    site.expect(0, &["sync", "--only", "cleanup"]);
    site.set("source", &crate::support::program::source(&slapd, slapd.url(), "enabled = false"));
    site.expect(0, &["sync"]);
    assert_eq!((site.count("pending"), site.count("deleted")), (7, 0));
    site.set("source", &crate::support::program::source(&slapd, slapd.url(), ""));
    site.expect(0, &["approve", &run]);
    assert_eq!((site.count("active"), site.count("deleted")), (80, 0));
}

/// A4: a contested address whose owner is pending says when that ends.
#[test]
fn a_contested_address_says_when_its_owner_is_deleted() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("bob")));
        slapd.ldif(&people(&["eve"]).replace("eve@example.com", "bob@example.com"));
        site.expect(0, &["sync"]);
        let open = site.json(&["conflicts", "list"]);
        let taken = open.as_array().unwrap().iter().find(|one| one["kind"] == "address-taken").unwrap().clone();
        let due = site.user("bob").unwrap()["delete_after"].clone();
        assert!(due.is_string());
        assert_eq!(taken["due_at"], due, "{taken}");
    });
}

/// E7, L9: a clean-up asks no server that knows less than before.
#[test]
fn a_clean_up_believes_no_server_that_is_behind() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.back_up();
    slapd.ldif(&people(&["ada", "bob"]));
    let mut site = Site::new(&slapd);
    site.set("deletion", "minimum = \"0d\"\ndelay = \"1s\"\n");
    site.expect(0, &["sync"]);
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("bob")));
    site.expect(0, &["sync"]);
    slapd.restore();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let plan = site.expect(0, &["plan", "--only", "cleanup"]).out;
    assert!(plan.contains("knows changes of server id 000"), "{plan}");
    site.expect(0, &["sync", "--only", "cleanup"]);
    assert_eq!((site.state("bob"), site.count("deleted")), ("pending".into(), 0));
    site.set("source", &crate::support::program::source(&slapd, slapd.url(), "enabled = false"));
    let file = site.path("plan.json");
    let file = file.to_str().unwrap();
    site.expect(3, &["plan", "--out", file]);
    site.expect(0, &["sync", "--plan", file]);
    assert_eq!(site.count("deleted"), 1, "by the date alone");
    site.expect(1, &["sync", "--plan", file]);
}

/// RSA-10, E7: another server that has not caught up yet deletes nobody, and is read as usual once it has.
/// Faults: A17.
#[test]
fn a_replica_that_lags_deletes_nobody() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob"]));
    slapd.back_up();
    slapd.ldif(&people(&["cy"]));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    slapd.restore();
    let replica = Proxy::start(slapd.url(), u64::MAX, Fault::Cut);
    site.set("source", &crate::support::program::source(&slapd, &replica.url, ""));
    let said = site.expect(5, &["sync"]).out;
    assert!(said.contains("has not caught up yet"), "{said}");
    assert_eq!(site.count("active"), 3);
    slapd.ldif(&people(&["dan"]));
    site.expect(0, &["sync"]);
    assert_eq!((site.count("active"), site.state("cy")), (3, "pending".into()));
}

/// RSA-10, E7: another server that does not tell how far its replication has come proves nobody's absence before a second
/// run agrees, an hour later.
#[test]
fn another_server_that_does_not_tell_deletes_nobody_at_first() {
    if !installed("faketime") {
        return left_out("another server", "faketime is not installed (Debian: faketime)");
    }
    let options = Options { access: "access to attrs=contextCSN by * none\n".to_owned(), ..Options::default() };
    let Some(slapd) = Slapd::start(options) else { return };
    slapd.ldif(&people(&["ada", "bob"]));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let replica = Proxy::start(slapd.url(), u64::MAX, Fault::Cut);
    site.set("source", &crate::support::program::source(&slapd, &replica.url, ""));
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("bob")));
    slapd.ldif(&people(&["cy"]));
    let said = site.expect(5, &["sync"]).out;
    assert!(said.contains("is another server than") && said.contains("rosterd approve"), "{said}");
    assert_eq!((site.state("bob"), site.state("cy")), ("active".into(), "active".into()));
    site.expect(5, &["sync", "--user", "bob"]);
    assert_eq!(site.at("+30m", &["sync"]).code, 5);
    assert_eq!(site.state("bob"), "active");
    let done = site.at("+61m", &["sync"]);
    assert_eq!((done.code, site.state("bob")), (0, "pending".into()), "{done:?}");
    site.expect(0, &["plan"]);
}
