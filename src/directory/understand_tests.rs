use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::entry::tests::encoded;
use super::super::mapping::{Mapping, MappingError};
use super::super::settings::{AttributeOverrides, DisabledTest, GroupSettings, Kind, Scope, UserSettings};
use super::*;

type Attributes<'a> = [(&'a str, &'a [&'a [u8]])];

fn settings() -> UserSettings {
    UserSettings {
        base_dns: vec!["dc=x".to_owned()],
        scope: Scope::Subtree,
        filter: None,
        primary: vec!["mail".to_owned(), "proxyAddresses".to_owned()],
        attributes: AttributeOverrides::default(),
        disabled: None,
    }
}

fn mapping(users: &UserSettings) -> UserMapping {
    Mapping::resolve(Kind::OpenLdap, Some(users), None).unwrap().users.unwrap()
}

fn now() -> Timestamp {
    Timestamp::parse("2026-06-01T00:00:00Z").unwrap()
}

fn read(users: &UserMapping, attributes: &Attributes<'_>) -> (Result<Person, Skip>, Vec<Skip>) {
    let content = encoded(b"uid=ada,dc=x", attributes);
    let entry = RawEntry::parse(&content).unwrap();
    let mut skips = Vec::new();
    let id = UniqueId::new("id-1").unwrap();
    let fingerprint = users.fingerprint(&entry, Digest::of("salt"), &mut Vec::new());
    (users.person(&entry, &id, fingerprint, now(), &mut skips), skips)
}

fn claims(users: &UserMapping, attributes: &Attributes<'_>) -> Vec<String> {
    let shown = |claim: &Claim| {
        let kind = match claim.kind {
            ClaimKind::Primary(rank) => format!("primary {rank}"),
            ClaimKind::Alias => "alias".to_owned(),
        };
        match &claim.value {
            Ok(address) => format!("{kind} {address}"),
            Err(text) => format!("{kind} malformed `{text}`"),
        }
    };
    read(users, attributes).0.unwrap().claims.iter().map(shown).collect()
}

/// A1, A2, VIPRE-6
/// Faults: F5.
#[test]
fn prefixes_decide_what_an_address_can_become() {
    let users = mapping(&settings());
    let values: &[&[u8]] = &[
        b"SMTP:Ada@x.example",
        b"smtp:a@x.example",
        b"Smtp:b@x.example",
        b"plain@x.example",
        b"x500:/o=x/cn=ada",
        b"SIP:ada@x.example",
        b"sip:c@x.example",
        b"eum:1;phone-context=x",
    ];
    assert_eq!(
        claims(&users, &[("proxyAddresses", values)]),
        ["primary 1 Ada@x.example", "alias a@x.example", "alias b@x.example", "alias plain@x.example",]
    );
    assert_eq!(
        claims(&users, &[("mail", &[b"B@x.example", b"a@x.example", b"b@x.example"])]),
        ["primary 0 a@x.example", "primary 0 B@x.example",]
    );
    let twice: &[&[u8]] = &[b"SMTP:ada@x.example", b"smtp:Ada@x.example"];
    assert_eq!(
        claims(&users, &[("mail", &[b"ada@x.example"]), ("proxyAddresses", twice)]),
        ["primary 0 ada@x.example", "alias Ada@x.example"]
    );
}

/// A1, A6
#[test]
fn an_empty_mail_or_a_bare_prefix_is_malformed_and_not_absent() {
    let users = mapping(&settings());
    assert_eq!(claims(&users, &[("mail", &[b""])]), ["primary 0 malformed ``"]);
    assert_eq!(claims(&users, &[("proxyAddresses", &[b"SMTP:"])]), ["primary 1 malformed `SMTP:`"]);
    assert_eq!(claims(&users, &[("mail", &[b"a b@x.example"])]), ["primary 0 malformed `a b@x.example`"]);
    assert_eq!(claims(&users, &[("mail", &[b"\xff@x.example"])]), ["primary 0 malformed `\u{fffd}@x.example`"]);
    assert!(claims(&users, &[]).is_empty());
}

/// A1
#[test]
fn users_primary_sets_the_order() {
    let of = |primary: &[&str], aliases: Option<Vec<String>>| {
        let primary = primary.iter().map(|name| (*name).to_owned()).collect();
        let attributes = AttributeOverrides { aliases, ..AttributeOverrides::default() };
        mapping(&UserSettings { primary, attributes, ..settings() })
    };
    let entry: &Attributes<'_> = &[
        ("mail", &[b"m@x.example"]),
        ("proxyAddresses", &[b"SMTP:p@x.example"]),
        ("mainMail", &[b"main@x.example", b"smtp:other@x.example"]),
    ];
    assert_eq!(
        claims(&of(&["proxyAddresses", "mail"], None), entry),
        ["primary 0 p@x.example", "primary 1 m@x.example"]
    );
    assert_eq!(claims(&of(&["proxyaddresses"], None), entry), ["primary 0 p@x.example", "alias m@x.example"]);
    assert_eq!(
        claims(&of(&["mainMail", "mail"], None), entry),
        ["primary 0 main@x.example", "primary 1 m@x.example", "alias other@x.example", "alias p@x.example",]
    );
    assert_eq!(claims(&of(&["mail", "proxyAddresses"], Some(vec![])), entry), ["primary 0 m@x.example"]);
}

/// E5
#[test]
fn what_cannot_be_understood_is_left_out_with_a_reason() {
    let users = mapping(&settings());
    let refused = |attributes: &Attributes<'_>| {
        let skip = read(&users, attributes).0.unwrap_err();
        assert_eq!((&*skip.reason, &*skip.rule, skip.unique_id.as_deref()), ("unreadable", "E5", Some("id-1")));
        skip.detail.split("; its address is ").next().unwrap().to_owned()
    };
    let asked = read(&users, &[("uid", &[b"b", b"a"]), ("mail", &[b"b@x.example", b"a@x.example"])]).0.unwrap_err();
    assert!(asked.detail.ends_with("`a`, `b`; its address is `a@x.example`"), "{asked:?}");
    assert_eq!(refused(&[("uid", &[b"b", b"a"])]), "`uid` has 2 values where one is needed: `a`, `b`");
    assert_eq!(refused(&[("uid", &[b"\xff"])]), "`uid` is not text (UTF-8)");
    assert_eq!(refused(&[("sn", &[b"a\0b"])]), "`sn` is not text (UTF-8)");
    assert!(refused(&[("uid", &[b"a\x1b[31m"])]).contains("control characters"));
    let many: Vec<Vec<u8>> = (0..1001).map(|n| format!("{n}@x.example").into_bytes()).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    assert_eq!(refused(&[("proxyAddresses", &many)]), "`proxyaddresses` has more than 1000 values");
    assert!(refused(&[("description", &[&[b'x'; (64 << 10) + 1]])]).contains("more than 64 kB"));
    assert!(refused(&[("mail;range=0-0", &[b"a@x.example"])]).contains("only a part"));
    let (person, skips) = read(&users, &[("sn", &[b"\xff", b"Lovelace"]), ("uid", &[b"ada"])]);
    assert_eq!(person.unwrap().fields.first(FieldId::SURNAME), Some("Lovelace"));
    assert_eq!(skips.len(), 1, "the value that was left out is told");
    assert_eq!(skips[0].reason, "unreadable-value");
}

/// E6, I2
/// Faults: F13, F14.
#[test]
fn the_unique_id_has_one_written_encoding() {
    let name = |text: &str| AttributeName::parse(text).unwrap();
    let of = |attribute: &str, values: &[&[u8]]| {
        let content = encoded(b"cn=x", &[(attribute, values)]);
        key(&RawEntry::parse(&content).unwrap(), &name(attribute))
    };
    let id = |text: &str| Key::One(UniqueId::new(text).unwrap());
    let upper = b"B6068B0A-E66A-11F1-BAFF-B9DB5D8868E7";
    assert_eq!(of("entryUUID", &[upper]), id("b6068b0a-e66a-11f1-baff-b9db5d8868e7"));
    let bytes: Vec<u8> = (1..=16).collect();
    assert_eq!(of("objectGUID", &[&bytes]), id("04030201-0605-0807-090a-0b0c0d0e0f10"));
    let Key::One(guid) = of("objectGUID", &[&bytes]) else { panic!("one id") };
    assert_eq!(key_assertion(&guid, &name("objectGUID")), bytes);
    assert_eq!(of("GUID", &[&bytes]), id("01020304-0506-0708-090a-0b0c0d0e0f10"), "eDirectory");
    let Key::One(guid) = of("GUID", &[&bytes]) else { panic!("one id") };
    assert_eq!(key_assertion(&guid, &name("GUID")), bytes);
    assert_eq!(of("employeeNumber", &[b"007"]), id("007"));
    for unreadable in [&b""[..], b"\xff", b"a\nb"] {
        assert_eq!(of("employeeNumber", &[unreadable]), Key::None);
    }
    assert_eq!(of("employeeNumber", &[]), Key::None);
    assert!(matches!(of("employeeNumber", &[b"1", b"2"]), Key::Many(keys) if keys.len() == 2));
}

/// U8
/// Faults: E12.
#[test]
fn the_kind_s_disabled_tests_are_replaced_by_the_configured_ones() {
    let users = mapping(&settings());
    let enabled =
        |users: &UserMapping, attributes: &Attributes<'_>| read(users, attributes).0.unwrap().enabled.as_str();
    assert_eq!(enabled(&users, &[("pwdAccountLockedTime", &[b"000001010000Z"])]), "no");
    assert_eq!(enabled(&users, &[("pwdAccountLockedTime", &[b"20260101000000Z"])]), "yes", "failed log-ins");
    assert_eq!(enabled(&users, &[("shadowExpire", &[b"100"])]), "no");
    let left = DisabledTest::Values { attribute: "employeeType".to_owned(), values: vec!["Left".to_owned()] };
    let users = mapping(&UserSettings { disabled: Some(vec![left]), ..settings() });
    assert_eq!(enabled(&users, &[("pwdAccountLockedTime", &[b"000001010000Z"])]), "yes");
    assert_eq!(enabled(&users, &[("employeeType", &[b"LEFT"])]), "no");
}

/// U6, VIPRE-9
#[test]
fn only_mapped_attributes_are_asked_for_and_passwords_never() {
    let asked = |users: &UserSettings| {
        mapping(users).asked.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        asked(&settings()),
        "departmentnumber description displayname entryuuid givenname homephone mail mobile o proxyaddresses \
         pwdaccountlockedtime shadowexpire sn uid"
    );
    let single = BTreeMap::from([("notes".to_owned(), String::new()), ("company".to_owned(), "ou".to_owned())]);
    let extra = BTreeMap::from([("badge".to_owned(), "employeeNumber".to_owned())]);
    let attributes = AttributeOverrides { single, extra, aliases: Some(vec![]), ..Default::default() };
    let changed = UserSettings { attributes, disabled: Some(vec![]), ..settings() };
    assert_eq!(
        asked(&changed),
        "departmentnumber displayname employeenumber entryuuid givenname homephone mail mobile ou sn uid"
    );
    for secret in ["userPassword", "UNICODEPWD", "userPassword;binary", "sambaNTPassword"] {
        let extra = BTreeMap::from([("x".to_owned(), secret.to_owned())]);
        let attributes = AttributeOverrides { extra, ..AttributeOverrides::default() };
        let users = UserSettings { attributes, ..settings() };
        let refused = Mapping::resolve(Kind::OpenLdap, Some(&users), None).unwrap_err();
        assert!(matches!(refused, MappingError::Secret { .. }), "{secret}");
        let users = UserSettings { filter: Some(format!("({}=x)", secret.split(';').next().unwrap())), ..settings() };
        assert!(Mapping::resolve(Kind::OpenLdap, Some(&users), None).is_err(), "{secret}");
    }
    let single = BTreeMap::from([("unique_id".to_owned(), String::new())]);
    let attributes = AttributeOverrides { single, ..AttributeOverrides::default() };
    let refused = Mapping::resolve(Kind::OpenLdap, Some(&UserSettings { attributes, ..settings() }), None).unwrap_err();
    assert!(matches!(refused, MappingError::NoUniqueId { .. }));
}

/// U3
#[test]
fn the_fingerprint_hangs_on_content_and_mapping_and_on_nothing_else() {
    let users = mapping(&settings());
    let of = |users: &UserMapping, dn: &[u8], attributes: &Attributes<'_>, salt: &str| {
        let content = encoded(dn, attributes);
        users.fingerprint(&RawEntry::parse(&content).unwrap(), Digest::of(salt), &mut Vec::new())
    };
    let entry: &Attributes<'_> = &[("mail", &[b"a", b"b"]), ("sn", &[b"c"])];
    let first = of(&users, b"cn=x", entry, "");
    assert_eq!(first, of(&users, b"cn=x", &[("SN", &[b"c"]), ("MAIL", &[b"b"]), ("mail", &[b"a"])], ""));
    assert_eq!(first, of(&users, b"cn=x", &[("mail", &[b"a", b"b"]), ("sn", &[b"c"]), ("cn", &[b"unmapped"])], ""));
    for other in [
        of(&users, b"cn=y", entry, ""),
        of(&users, b"cn=x", entry, "another policy"),
        of(&users, b"cn=x", &[("mail", &[b"a"]), ("sn", &[b"c"])], ""),
        of(&users, b"cn=x", &[("mail", &[b"ab"]), ("sn", &[b"c"])], ""),
        of(&users, b"cn=x", &[("mail", &[b"a", b"b"]), ("givenName", &[b"c"])], ""),
        of(&users, b"cn=x", &[("mail", &[b"a", b"b"]), ("sn", &[b"C"])], ""),
    ] {
        assert_ne!(first, other);
    }
    let single = BTreeMap::from([("notes".to_owned(), "title".to_owned())]);
    let attributes = AttributeOverrides { single, ..AttributeOverrides::default() };
    let remapped = Mapping::resolve(Kind::OpenLdap, Some(&UserSettings { attributes, ..settings() }), None).unwrap();
    assert_ne!(remapped.digest(), Mapping::resolve(Kind::OpenLdap, Some(&settings()), None).unwrap().digest());
}

/// G3
#[test]
fn members_are_named_by_dn_or_by_username() {
    let groups = GroupSettings::below("dc=x");
    let groups = Mapping::resolve(Kind::OpenLdap, None, Some(&groups)).unwrap().groups.unwrap();
    let of = |attributes: &Attributes<'_>| {
        let content = encoded(b"cn=g,dc=x", attributes);
        groups.group(&RawEntry::parse(&content).unwrap(), UniqueId::new("g1").unwrap())
    };
    let group = of(&[
        ("cn", &[b"Admins"]),
        ("member", &[b"UID=Ada, dc=X", b"uid=ada,dc=x", b""]),
        ("uniqueMember", &[b"uid=bob,dc=x#'0101'B"]),
        ("memberUid", &[b"Eve"]),
    ])
    .unwrap();
    let mut expected = [
        MemberRef::Dn(Dn::digest_of("uid=ada,dc=x")),
        MemberRef::Dn(Dn::digest_of("uid=bob,dc=x")),
        MemberRef::Username(Digest::of("eve")),
    ];
    expected.sort();
    assert_eq!(*group.members, expected);
    assert!(group.whole);
    assert!(!of(&[("cn", &[b"g"]), ("member;range=0-1", &[b"a=b", b"c=d"])]).unwrap().whole);
    assert!(of(&[("cn", &[b"g", b"h"])]).is_err());
    assert!(of(&[("cn", &[b"\xff"])]).is_err());
    assert!(of(&[]).is_err());
}

/// S-1-5-21-1-2-3 and one more number.
fn sid(last: u32) -> Vec<u8> {
    let head = [1, 5, 0, 0, 0, 0, 0, 5];
    [&head[..], &[21_u32, 1, 2, 3, last].map(u32::to_le_bytes).concat()].concat()
}

/// G3: the SID of the primary group is the person's own with another last number; what cannot be told is no answer.
#[test]
fn a_primary_group_is_told_by_sid_and_number() {
    let names = ["objectSid", "primaryGroupID"].map(|name| AttributeName::parse(name).unwrap());
    let of = |sids: &[&[u8]], numbers: &[&[u8]]| {
        let content = encoded(b"cn=ada", &[("objectSid", sids), ("primaryGroupId", numbers)]);
        primary_group(&RawEntry::parse(&content).unwrap(), &names.clone().into())
    };
    let (ada, bob) = (sid(1_104), sid(1_105));
    assert_eq!(of(&[&ada], &[b"513"]), PrimaryGroup::Sid(sid(513)));
    assert_eq!(of(&[&ada], &[b"4294967295"]), PrimaryGroup::Sid(sid(u32::MAX)));
    assert_eq!(of(&[], &[]), PrimaryGroup::None);
    let mut short = ada.clone();
    short.pop();
    let long = [&ada[..], &[0; 4]].concat();
    let revision = [&[2], &ada[1..]].concat();
    let odd: [&[&[u8]]; 8] =
        [&[], &[b""], &[b"\x01"], &[&short], &[&long], &[&revision], &[&[1, 0, 0, 0, 0, 0, 0, 5]], &[&ada, &bob]];
    for sids in odd {
        assert_eq!(of(sids, &[b"513"]), PrimaryGroup::Unreadable, "{sids:?}");
    }
    let odd: [&[&[u8]]; 7] = [&[], &[b""], &[b"-1"], &[b"x"], &[b"\xff"], &[b"4294967296"], &[b"513", b"514"]];
    for numbers in odd {
        assert_eq!(of(&[&ada], numbers), PrimaryGroup::Unreadable, "{numbers:?}");
    }
}

fn domain() -> Mapping {
    let groups = GroupSettings::below("dc=x");
    Mapping::resolve(Kind::ActiveDirectory, Some(&settings()), Some(&groups)).unwrap()
}

/// G3: in a domain a group stands for those whose primary group it is; without its SID nobody knows whose it is. A
/// person whose entry does not tell comes in all the same, and it is said.
#[test]
fn a_group_of_a_domain_has_a_sid() {
    let (users, groups) = (domain().users.unwrap(), domain().groups.unwrap());
    let of = |attributes: &Attributes<'_>| {
        let content = encoded(b"cn=g,dc=x", attributes);
        let (entry, key) = (RawEntry::parse(&content).unwrap(), UniqueId::new("g1").unwrap());
        let skip = groups.without_sid(&entry, &key);
        let group = groups.group(&entry, key).unwrap();
        (group.members.to_vec(), group.whole, skip.map(|skip| skip.reason.to_string()))
    };
    let devs = sid(1_200);
    let ada = MemberRef::Dn(Dn::digest_of("cn=ada,dc=x"));
    let all = vec![ada, MemberRef::Primary(Digest::of(&devs))];
    assert_eq!(of(&[("cn", &[b"devs"]), ("member", &[b"cn=ada,dc=x"]), ("objectSid", &[&devs])]), (all, true, None));
    let skipped = Some("unreadable-value".to_owned());
    assert_eq!(of(&[("cn", &[b"devs"]), ("member", &[b"cn=ada,dc=x"])]), (vec![ada], false, skipped));
    let (own, asked) = (sid(1_104), |name: &str| users.asked.iter().any(|one| one.as_str() == name));
    assert!(asked("objectsid") && asked("primarygroupid"));
    let (person, skips) = read(&users, &[("objectSid", &[&own]), ("primaryGroupID", &[b"513"])]);
    assert_eq!((person.is_ok(), skips.len()), (true, 0));
    let (person, skips) = read(&users, &[("objectSid", &[&own])]);
    assert_eq!((person.is_ok(), &*skips[0].reason), (true, "unreadable-value"));
}

proptest! {
    /// E5
    #[test]
    fn any_values_are_understood_or_refused_without_a_panic(
        values in prop::collection::vec((0_usize..14, prop::collection::vec(any::<u8>(), 0..12)), 0..12)
    ) {
        let users = mapping(&settings());
        let names: Vec<String> = users.asked.iter().map(|name| name.as_str().to_owned()).collect();
        let values: Vec<(&str, Vec<&[u8]>)> = values.iter().map(|(at, value)| (names[*at].as_str(), vec![value.as_slice()])).collect();
        let attributes: Vec<(&str, &[&[u8]])> = values.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let _ = read(&users, &attributes);
    }

    /// A1
    /// Faults: F4.
    #[test]
    fn the_order_of_values_changes_nothing(mut values in prop::collection::vec("(SMTP:|smtp:|x:)?[abAB]{1,2}@x.example", 0..8)) {
        let users = mapping(&settings());
        let of = |values: &[String]| {
            let values: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
            read(&users, &[("proxyAddresses", &values)]).0.unwrap()
        };
        let forward = of(&values);
        values.reverse();
        prop_assert_eq!(forward, of(&values));
    }
}

/// E6: what only looks like a UUID is asked for as the text that it is.
#[test]
fn an_id_is_asked_for_as_it_was_read() {
    let name = AttributeName::parse("objectGUID").unwrap();
    for value in
        [&b"0123456789abcdef"[..], b"666666666666f6666666666666666660", b"3f2504e0-4f89-11d3-9a0c-0305e82c3301"]
    {
        let read = |value: &[u8]| {
            let content = encoded(b"cn=x", &[("objectGUID", &[value])]);
            key(&RawEntry::parse(&content).unwrap(), &name)
        };
        let Key::One(id) = read(value) else { panic!("{value:?}") };
        assert_eq!(read(&key_assertion(&id, &name)), Key::One(id));
    }
}
