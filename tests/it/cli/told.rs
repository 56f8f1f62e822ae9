//! What an operator is told of people who are left out, left as before, or withheld, without looking into the store.

use super::real::{BASE, dn, has, person};
use crate::support::program::{Said, Site};
use crate::support::slapd::{Options, Slapd};

fn modify(slapd: &Slapd, uid: &str, change: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: modify\n{change}\n\n", dn(uid)));
}

/// None of the words is there.
#[track_caller]
fn lacks(said: &Said, words: &[&str]) {
    for word in words {
        assert!(!said.out.contains(word) && !said.err.contains(word), "{word}\n{}\n{}", said.out, said.err);
    }
}

/// U8, U9: of whom nobody can tell whether the entry is disabled, who is in stays, and is told by every command, with the
/// attribute, the value and the remedy; `check` counts them beforehand.
#[test]
fn who_may_be_disabled_is_told_everywhere() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let one = |uid: &str| person(uid, &format!("{uid}@example.com"), "employeeNumber: 512\n");
    slapd.ldif(&["ada", "bob", "cy"].map(one).concat());
    let mut site = Site::new(&slapd);
    let test = "[[users.disabled]]\nattribute = \"employeeNumber\"\nbits = 2\n";
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n{test}"));
    site.expect(0, &["sync"]);
    has(&site.expect(0, &["check"]), &["`employeenumber` is there in 3 of the 3 entries looked at, and disables 0"]);
    lacks(&site.expect(0, &["status"]), &["Maybe disabled"]);
    modify(&slapd, "ada", "replace: employeeNumber\nemployeeNumber: odd");
    modify(&slapd, "bob", "delete: employeeNumber");
    let words = ["Maybe disabled: 2 people; a disabled test cannot be judged, the state stays as it was (U8)."];
    has(&site.expect(0, &["plan"]), &words);
    has(&site.expect(0, &["sync"]), &words);
    has(&site.expect(0, &["sync"]), &words);
    has(&site.expect(0, &["status"]), &["Maybe disabled 2 people; a disabled test cannot"]);
    let skipped = site.json(&["plan"])["skipped"].clone();
    let ada = skipped.as_array().unwrap().iter().find(|skip| skip["dn"] == dn("ada")).unwrap();
    assert_eq!((&ada["reason"], &ada["rule"]), (&"unreadable".into(), &"U8".into()));
    let value = "`employeenumber` is `odd`, not a whole number; correct it in the directory";
    has(&site.expect(0, &["users", "show", "ada"]), &["maybe disabled: unreadable (U8)", value, "has access"]);
    has(&site.expect(0, &["explain", "ada"]), &["cannot be judged, so the state stays as it is", value]);
    let hidden = "`employeenumber`, where bit 2 would say so, is missing, or the bind account may not read it";
    let said = site.expect(0, &["explain", "bob"]);
    has(&said, &[hidden]);
    assert!(said.out.lines().last().unwrap().contains("nobody can tell whether the entry is disabled"), "{said:?}");
    has(
        &site.expect(0, &["check"]),
        &["warn  disabled-test   the test on `employeenumber` cannot be judged for 2 of the 3 entries looked at"],
    );
    // A test on what nobody has disables nobody.
    site.set(
        "users",
        &format!(
            "base_dns = [\"ou=people,{BASE}\"]\n[[users.disabled]]\nattribute = \"employeeType\"\nvalues = [\"left\"]\n"
        ),
    );
    has(
        &site.expect(0, &["check"]),
        &["none of the 3 entries looked at has `employeetype`, so that the test disables nobody"],
    );
    // It can be told again.
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n{test}"));
    modify(&slapd, "ada", "replace: employeeNumber\nemployeeNumber: 514");
    modify(&slapd, "bob", "replace: employeeNumber\nemployeeNumber: 512");
    lacks(&site.expect(0, &["sync"]), &["Maybe disabled"]);
    assert_eq!((site.state("ada").as_str(), site.state("bob").as_str()), ("pending", "active"));
}
