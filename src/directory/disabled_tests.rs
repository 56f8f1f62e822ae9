use proptest::prelude::*;

use super::super::entry::tests::encoded;
use super::*;

fn name(text: &str) -> AttributeName {
    AttributeName::parse(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn judged(test: &Test, attributes: &[(&str, &[u8])]) -> (&'static str, Option<Timestamp>) {
    let attributes: Vec<(&str, Vec<&[u8]>)> = attributes.iter().map(|(name, value)| (*name, vec![*value])).collect();
    let attributes: Vec<(&str, &[&[u8]])> = attributes.iter().map(|(name, values)| (*name, &values[..])).collect();
    let content = encoded(b"cn=x", &attributes);
    let (enabled, review) =
        judge(std::slice::from_ref(test), &RawEntry::parse(&content).unwrap(), at("2026-06-01T00:00:00Z"));
    (enabled.as_str(), review)
}

/// U8
/// Faults: E11.
#[test]
fn generalized_times_have_fractions_and_offsets() {
    for (text, expected) in [
        ("20260102030405Z", Some("2026-01-02T03:04:05Z")),
        ("20260102030405.5Z", Some("2026-01-02T03:04:05.500Z")),
        ("202601020304.5Z", Some("2026-01-02T03:04:30Z")),
        ("2026010203,25Z", Some("2026-01-02T03:15:00Z")),
        ("20260102030405+0130", Some("2026-01-02T01:34:05Z")),
        ("20260102030405-05", Some("2026-01-02T08:04:05Z")),
        ("20161231235960Z", Some("2016-12-31T23:59:59Z")),
        ("000001010000Z", Some("0000-01-01T00:00:00Z")),
        ("20260102030405", None),
        ("20261302030405Z", None),
        ("20260102030405.Z", None),
        ("20260102030405+2500", None),
        ("2026-01-02", None),
        ("", None),
    ] {
        assert_eq!(generalized_time(text.as_bytes()), expected.map(at), "{text}");
    }
}

/// U8
/// Faults: E8.
#[test]
fn shadow_expire_counts_days_and_zero_is_never() {
    let test = Test::Expired(name("shadowExpire"));
    assert_eq!(judged(&test, &[("shadowExpire", b"20600")]), ("no", None));
    let day = at("2026-06-02T00:00:00Z");
    let days = (day.millis() / 86_400_000).to_string();
    assert_eq!(judged(&test, &[("shadowExpire", days.as_bytes())]), ("yes", Some(day)));
    for never in [&b"0"[..], b"-1"] {
        assert_eq!(judged(&test, &[("shadowExpire", never)]), ("yes", None));
    }
    assert_eq!(judged(&test, &[]), ("yes", None));
    assert_eq!(judged(&test, &[("shadowExpire", b"soon")]), ("unknown", None));
}

/// U8
#[test]
fn account_expires_counts_from_1601_and_has_two_values_for_never() {
    let test = Test::Expired(name("accountExpires"));
    assert_eq!(judged(&test, &[]), ("unknown", None), "every user of a domain has it");
    let judged = |value: &str| judged(&test, &[("accountExpires", value.as_bytes())]);
    // 2026-05-31T22:00:00Z, as the server writes the end of a day in its own zone.
    assert_eq!(judged("134247384000000000"), ("no", None));
    let next = at("2026-06-01T22:00:00Z");
    assert_eq!(judged("134248248000000000"), ("yes", Some(next)));
    for never in ["0", "9223372036854775807", "9223372036854775000", "-1"] {
        assert_eq!(judged(never), ("yes", None), "{never}");
    }
    assert_eq!(judged("never"), ("unknown", None));
}

/// U8
#[test]
fn a_time_that_is_still_to_come_says_when() {
    let test = Test::Expired(name("validUntil"));
    assert_eq!(judged(&test, &[("validUntil", b"20260501000000Z")]), ("no", None));
    let later = at("2026-06-01T00:00:01Z");
    assert_eq!(judged(&test, &[("validUntil", b"20260601000001Z")]), ("yes", Some(later)));
}

/// U8, COVATA-35
#[test]
fn values_compare_without_case_and_bits_need_the_attribute() {
    let left = Test::Values(name("employeeType"), vec!["left".to_owned()]);
    assert_eq!(judged(&left, &[("employeetype", b"LEFT")]).0, "no");
    assert_eq!(judged(&left, &[("employeeType", b"here")]).0, "yes");
    assert_eq!(judged(&left, &[]).0, "yes");
    let uac = Test::Bits(name("userAccountControl"), 2);
    for (value, enabled) in [(&b"514"[..], "no"), (b"66050", "no"), (b"512", "yes"), (b"-2", "no"), (b"x", "unknown")] {
        assert_eq!(judged(&uac, &[("userAccountControl", value)]).0, enabled);
    }
    assert_eq!(judged(&uac, &[]).0, "unknown");
}

/// U8
#[test]
fn a_test_that_holds_names_attribute_and_value() {
    let filter = Filter::parse("(employeeType=left)").unwrap();
    let long = "x".repeat(100);
    for (test, attribute, value, says) in [
        (Test::Values(name("employeeType"), vec!["left".into()]), "employeeType", "Left", "`employeetype` is `Left`"),
        (
            Test::Bits(name("userAccountControl"), 2),
            "userAccountControl",
            "514",
            "`useraccountcontrol` is `514`, which has bit 2",
        ),
        (
            Test::Expired(name("shadowExpire")),
            "shadowExpire",
            "7",
            "`shadowexpire` is `7` (1970-01-08T00:00:00.000Z), which is past",
        ),
        (
            Test::Filter(filter, vec![name("employeeType")]),
            "employeeType",
            "left",
            "the entry matches `(employeeType=left)`",
        ),
        (Test::Values(name("title"), vec![long.clone()]), "title", &long, &format!("`title` is `{}…`", "x".repeat(80))),
    ] {
        let content = encoded(b"cn=x", &[(attribute, &[value.as_bytes()])]);
        let (enabled, _) = judge(&[test], &RawEntry::parse(&content).unwrap(), at("2026-06-01T00:00:00Z"));
        assert_eq!(enabled, Enabled::No(says.into()));
    }
}

/// U8
#[test]
fn a_test_that_cannot_be_judged_names_attribute_value_and_remedy() {
    let uac = || Test::Bits(name("userAccountControl"), 2);
    let shadow = || Test::Expired(name("shadowExpire"));
    let filter = Filter::parse("(userAccountControl:1.2.840.113556.1.4.803:=2)").unwrap();
    let filter = || Test::Filter(filter.clone(), vec![name("userAccountControl")]);
    let left = || Test::Values(name("employeeType"), vec!["left".into()]);
    for (tests, value, says) in [
        (vec![uac()], None, "`useraccountcontrol`, where bit 2 would say so, is missing, or the bind account may not"),
        (vec![uac()], Some(("userAccountControl", "odd")), "`useraccountcontrol` is `odd`, not a whole number; corr"),
        (vec![shadow()], Some(("shadowExpire", "soon")), "`shadowexpire` is `soon`, not a time; correct it in the d"),
        (vec![filter()], None, "the test `(userAccountControl:1.2.840.113556.1.4.803:=2)` needs what the entry lacks"),
        (vec![uac(), shadow()], Some(("shadowExpire", "soon")), "`useraccountcontrol`, where bit 2"),
    ] {
        let attributes: Vec<(&str, Vec<&[u8]>)> =
            value.iter().map(|(name, value)| (*name, vec![value.as_bytes()])).collect();
        let attributes: Vec<(&str, &[&[u8]])> = attributes.iter().map(|(name, values)| (*name, &**values)).collect();
        let content = encoded(b"cn=x", &attributes);
        let (enabled, _) = judge(&tests, &RawEntry::parse(&content).unwrap(), at("2026-06-01T00:00:00Z"));
        assert!(enabled.doubt().is_some_and(|doubt| doubt.starts_with(says)), "{says}: {enabled:?}");
    }
    // One that holds decides.
    let content = encoded(b"cn=x", &[("employeeType", &[b"left"])]);
    let entry = RawEntry::parse(&content).unwrap();
    assert_eq!(judge(&[uac(), left()], &entry, at("2026-06-01T00:00:00Z")).0.as_str(), "no");
}

/// U8
#[test]
fn a_filter_is_judged_on_the_entry() {
    let filter = Filter::parse("(&(employeeType=left)(!(title=boss)))").unwrap();
    let names = filter.attributes().into_iter().map(name).collect();
    let test = Test::Filter(filter, names);
    assert_eq!(judged(&test, &[("employeeType", b"left")]).0, "no");
    assert_eq!(judged(&test, &[("employeeType", b"left"), ("title", b"Boss")]).0, "yes");
}

/// U8
#[test]
fn a_test_covers_another_that_holds_only_where_it_does() {
    let values = |all: &[&str]| Test::Values(name("a"), all.iter().map(|one| (*one).to_owned()).collect());
    let bits = |bits| Test::Bits(name("a"), bits);
    assert!(values(&["x", "y"]).covers(&values(&["y"])) && !values(&["y"]).covers(&values(&["x", "y"])));
    assert!(bits(2).covers(&bits(6)) && !bits(6).covers(&bits(2)) && !bits(2).covers(&values(&["2"])));
    assert!(!Test::Expired(name("b")).covers(&Test::Expired(name("a"))));
}

proptest! {
    #[test]
    fn any_time_is_read_without_a_panic(text in "[0-9]{0,16}[.,]?[0-9]{0,30}[Z+-]?[0-9]{0,5}") {
        let _ = generalized_time(text.as_bytes());
    }
}
