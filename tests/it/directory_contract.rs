//! What holds for every directory, run over real ones and over the fake: what differs is data ([`ground::Words`]).

mod ground;

use serde_json::{Value, json};

use crate::support::program::Site;
use ground::Ground;

macro_rules! on {
    ($($module:ident),*) => {
        $(mod $module {
            use super::*;

            #[test]
            fn everybody_is_read_page_by_page_once_and_a_second_run_writes_nothing() {
                super::reads(&Ground::$module);
            }

            #[test]
            fn people_are_followed_through_what_happens_to_them() {
                super::follows(&Ground::$module);
            }

            #[test]
            fn what_goes_wrong_is_named_and_changes_nobody() {
                super::fails(&Ground::$module);
            }
        })*
    };
}

on!(openldap, samba, ds389, fake, fake_domain);

fn states(site: &Site) -> Vec<String> {
    let all = site.json(&["users", "list"]);
    let text = |user: &Value, key: &str| user[key].as_str().unwrap_or("-").to_owned();
    let one = |user: &Value| format!("{} {}", text(user, "primary_address"), text(user, "state"));
    let mut all: Vec<String> = all.as_array().unwrap().iter().map(one).collect();
    all.sort();
    all
}

fn members(site: &Site, group: &str) -> Vec<String> {
    let shown = site.json(&["groups", "show", group]);
    let one =
        |member: &Value| format!("{} {}", member["primary_address"].as_str().unwrap(), member["via"].as_str().unwrap());
    let mut all: Vec<String> = shown["members"].as_array().unwrap().iter().map(one).collect();
    all.sort();
    all
}

/// Runs, and then once more: which has nothing to do (U3).
fn settled(site: &Site, arguments: &[&str]) {
    site.expect(0, arguments);
    assert!(site.expect(0, &["sync"]).out.contains("nothing to do"), "U3");
}

/// E1, U1, U3, G3, I4: escapes in a DN, more people than a page has, a group in a group, somebody locked.
fn reads(start: &dyn Fn() -> Option<Ground>) {
    let Some(ground) = start() else { return };
    let many: Vec<String> = (0..10).map(|number| format!("p{number}")).collect();
    ground.hire(&many.iter().map(String::as_str).collect::<Vec<_>>());
    ground.hire(&["Ada, Byron", "bob"]);
    ground.lock("bob");
    ground.form("crew", &["p0", "p1", "bob"]);
    ground.form("all", &["@crew", "Ada, Byron"]);
    let mut site = ground.site();
    settled(&site, &["sync"]);
    let mut expected: Vec<String> = many.iter().map(|name| format!("{name}@example.com active")).collect();
    expected.insert(0, "ada.byron@example.com active".to_owned());
    assert_eq!(states(&site), expected);
    assert_eq!(members(&site, "crew"), ["p0@example.com direct", "p1@example.com direct"]);
    assert_eq!(members(&site, "all"), ["ada.byron@example.com direct"]);
    site.set("groups", &format!("base_dns = [\"ou=groups,{}\"]\nnested = \"flatten\"\n", ground.words.base));
    settled(&site, &["sync"]);
    assert_eq!(
        members(&site, "all"),
        ["ada.byron@example.com direct", "p0@example.com nested", "p1@example.com nested"]
    );
    let check = site.expect(0, &["check"]).out;
    for words in [
        ground.words.kind,
        "12 entries match",
        "2 entries match",
        "12 user entries and 2 group entries, every page to the last",
    ] {
        assert!(check.contains(words), "{words}\n{check}");
    }
    let run = site.json(&["runs", "show", "1"]);
    assert_eq!(
        (&run["outcome"], &run["proof"]["users"], &run["proof"]["groups"]),
        (&json!("ok"), &json!(12), &json!(2)),
        "{run}"
    );
    let explained = site.expect(0, &["explain", "bob@example.com"]).out;
    assert!(
        explained.contains("disabled test") && explained.contains("Enable the entry in the directory"),
        "{explained}"
    );
}

/// I3, U8, L1, L2, L5, G6, S4: locked, unlocked, renamed, moved, moved out, out of a group, gone.
fn follows(start: &dyn Fn() -> Option<Ground>) {
    let Some(ground) = start() else { return };
    ground.hire(&["ada", "bob", "cy", "dan", "eve"]);
    ground.form("crew", &["ada", "bob", "cy"]);
    let site = ground.site();
    settled(&site, &["sync"]);
    let ids = |who: &str| site.user(who).unwrap()["id"].clone();
    let (ada, bob) = (ids("ada@example.com"), ids("bob@example.com"));
    ground.lock("ada");
    site.expect(0, &["sync", "--user", "ada@example.com"]);
    assert_eq!(site.user("ada@example.com").unwrap()["pending_reason"], "disabled");
    assert_eq!(site.state("bob@example.com"), "active");
    ground.unlock("ada");
    ground.rename("bob", "robert", "branch");
    ground.rename("cy", "cy", "former");
    ground.fire("dan");
    ground.set_members("crew", &["ada", "eve"]);
    settled(&site, &["sync"]);
    assert_eq!((ids("ada@example.com"), site.state("ada@example.com")), (ada, "active".to_owned()));
    let moved = site.user("bob@example.com").unwrap();
    assert_eq!((&moved["id"], &moved["state"]), (&bob, &json!("active")));
    assert!(moved["dn"].as_str().unwrap().to_lowercase().contains("=robert,ou=branch,"), "{moved}");
    for (who, reason) in [("cy@example.com", "moved-out"), ("dan@example.com", "gone")] {
        let user = site.user(who).unwrap();
        assert_eq!((&user["state"], &user["pending_reason"]), (&json!("pending"), &json!(reason)), "{who}");
    }
    assert_eq!(
        members(&site, "crew"),
        ["ada@example.com direct", "eve@example.com direct"],
        "{:?}",
        site.run(&["runs", "show", "4"])
    );
    let last = site.json(&["runs", "show", "4"]);
    assert_eq!(last["proof"]["looked_up"], json!({ "gone": 1, "moved-out": 1 }), "{last}");
    ground.hire(&["dan"]);
    site.expect(0, &["sync"]);
    assert_eq!(site.state("dan@example.com"), "active", "re-added under the same name and address (I5)");
}

/// E6, E8, E9: a frozen server, a wrong password, a filter that finds nobody, a base that is not there.
fn fails(start: &dyn Fn() -> Option<Ground>) {
    let Some(ground) = start() else { return };
    ground.hire(&["ada", "bob", "cy"]);
    let mut site = ground.site();
    settled(&site, &["sync"]);
    let before = states(&site);
    ground.fire("cy");
    ground.freeze();
    let said = site.expect(1, &["sync"]);
    assert!(said.err.contains("did not answer within"), "{said:?}");
    ground.thaw();
    assert_eq!(states(&site), before);
    let base = ground.words.base;
    for (bases, filter, code, words) in [
        ("ou=people", "(description=nobody)", 5, "found no user at all"),
        ("ou=nowhere", "", 5, "ou=nowhere"),
        ("ou=people", "(noSuchThing=*)", ground.words.unknown.0, ground.words.unknown.1),
    ] {
        let filter = if filter.is_empty() { String::new() } else { format!("filter = \"{filter}\"\n") };
        site.set("users", &format!("base_dns = [\"{bases},{base}\"]\n{filter}"));
        let said = site.run(&["sync"]);
        assert_eq!(said.code, code, "{said:?}");
        assert!(
            format!("{}{}", said.out, said.err).to_lowercase().contains(&words.to_lowercase()),
            "{words}\n{said:?}"
        );
        assert_eq!(states(&site), before, "{words}");
    }
    site.set("users", &format!("base_dns = [\"ou=people,{base}\"]\n"));
    settled(&site, &["sync"]);
    assert_eq!(states(&site), ["ada@example.com active", "bob@example.com active", "cy@example.com pending"]);
    let config = std::fs::read_to_string(site.config()).unwrap();
    let line = config.lines().find(|line| line.starts_with("bind_password_file")).unwrap();
    std::fs::write(line.split('"').nth(1).unwrap(), "wrong").unwrap();
    let said = site.expect(1, &["sync"]);
    assert!(said.err.contains("49"), "{said:?}");
}
