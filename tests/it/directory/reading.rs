//! What a read brings (E1-E6, U8, G1-G3).

use rosterd::directory::{DisabledTest, Stored, Verdict, probe};
use rosterd::roster::{Digest, Dn, FieldId, Known, MemberRef, State, UserId};

use super::*;

/// What the store would keep of everybody who was read.
fn remembered(snapshot: &Snapshot) -> Index {
    let known = |(number, person): (i64, &rosterd::roster::Person)| Known {
        manual: false,
        id: UserId(number),
        key: person.key.digest(),
        dn: Dn::digest_of(&person.dn),
        fingerprint: Some(person.fingerprint),
        review_at: person.review_at,
        state: State::Active,
        reason: None,
        delete_after: None,
    };
    Index::new((1..).zip(&snapshot.reading().people).map(|(number, person)| known((number, &**person))).collect())
}

/// VIPRE-9, UNBLU-23, E1, G1, VIPRE-21, UNBLU-39
#[tokio::test]
async fn people_and_groups_are_read_over_many_pages() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(700);
    let snapshot = read(&slapd, &settings(&slapd, slapd.url())).await.unwrap();
    let reading = snapshot.complete().expect("complete").reading();
    assert_eq!((reading.people.len(), reading.groups.len(), reading.entries), (700, 35, 735));
    assert!(reading.skips.is_empty(), "{:?}", reading.skips);
    let ada = reading.people.iter().find(|person| &*person.dn == "uid=u00042,ou=people,dc=example,dc=com").unwrap();
    assert_eq!(ada.fields.first(FieldId::USERNAME), Some("u00042"));
    assert_eq!(ada.fields.first(FieldId::SURNAME), Some("Surname42"));
    assert_eq!(ada.enabled.as_str(), "yes");
    assert_eq!(ada.claims.len(), 2, "mail is among proxyAddresses, too");
    let team = reading.groups.iter().find(|group| &*group.name == "team-0002").unwrap();
    assert_eq!(team.members.len(), 20);
    assert!(team.whole && team.members.contains(&MemberRef::Dn(Dn::digest_of(&ada.dn))));
    assert_eq!((reading.coverage[""], reading.coverage["mail"], reading.coverage["o"]), (700, 700, 0));
    assert_eq!(reading.coverage.len(), 15, "every attribute asked for is counted: {:?}", reading.coverage);
    let log = slapd.log();
    assert!(log.find("BIND dn=\"cn=rosterd").unwrap() < log.find("ou=groups").unwrap(), "the bind comes first");
    assert!(log.find("ou=groups").unwrap() < log.rfind("ou=people").unwrap(), "groups come first");
    assert!(!log.contains("attr=*") && !log.contains("userPassword"), "only mapped attributes are asked for");
}

/// U3, UNBLU-14
#[tokio::test]
async fn what_did_not_change_is_only_marked_as_read() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(250);
    let settings = settings(&slapd, slapd.url());
    let users = users(&slapd);
    let again = async |users: &UserSettings, index: &Index| {
        read_with(&settings, (Some(users), None), index, &Watcher::default()).await.unwrap()
    };
    let first = again(&users, &Index::default()).await;
    let index = remembered(&first);
    let second = again(&users, &index).await;
    assert_eq!((second.reading().people.len(), second.reading().unchanged.len()), (0, 250));
    assert_eq!(second.complete().unwrap().missing(&index).count(), 0);
    slapd.ldif(
        "dn: uid=u00007,ou=people,dc=example,dc=com\nchangetype: modify\nreplace: sn\nsn: Married\n\n\
         dn: uid=u00008,ou=people,dc=example,dc=com\nchangetype: delete\n\n\
         dn: uid=u00009,ou=people,dc=example,dc=com\nchangetype: modrdn\nnewrdn: uid=nine\ndeleteoldrdn: 1\n",
    );
    let third = again(&users, &index).await;
    let differing: Vec<_> = third.reading().people.iter().map(|person| &*person.dn).collect();
    assert_eq!(differing.len(), 2, "{differing:?}");
    assert_eq!(third.reading().unchanged.len(), 247);
    assert_eq!(third.complete().unwrap().missing(&index).count(), 1);
    let remapped = UserSettings { attributes: single("notes", "title"), ..users };
    assert_eq!(again(&remapped, &index).await.reading().unchanged.len(), 0, "another mapping, another look");
}

/// E3
#[tokio::test]
async fn an_entry_found_under_two_bases_counts_once() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(40);
    let bases = vec![slapd.base().to_owned(), format!("ou=people,{}", slapd.base())];
    let users = UserSettings { base_dns: bases, ..users(&slapd) };
    let settings = settings(&slapd, slapd.url());
    let snapshot = read_with(&settings, (Some(&users), None), &Index::default(), &Watcher::default()).await.unwrap();
    assert_eq!((snapshot.reading().people.len(), snapshot.reading().entries), (40, 80));
    assert_eq!(snapshot.reading().coverage[""], 40);
    let index = remembered(&snapshot);
    let snapshot = read_with(&settings, (Some(&users), None), &index, &Watcher::default()).await.unwrap();
    assert_eq!(snapshot.reading().unchanged.len(), 40);
    // the same of an id that the configuration chose is two people under one id
    slapd.ldif(&[person("a", "employeeNumber: 7\n"), person("b", "employeeNumber: 7\n")].join("\n"));
    let users = UserSettings {
        filter: Some("(employeeNumber=*)".to_owned()),
        attributes: single("unique_id", "employeeNumber"),
        ..users
    };
    let snapshot = read_with(&settings, (Some(&users), None), &Index::default(), &Watcher::default()).await.unwrap();
    assert!(snapshot.reading().people.is_empty());
    assert!(snapshot.reading().skips.iter().all(|skip| skip.reason == "duplicate-id"));
}

/// E5, A6
/// Faults: F9.
#[tokio::test]
async fn awkward_entries_are_skipped_with_a_reason_and_everybody_else_is_read() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    let many: String = (0..10_000).map(|n| format!("proxyAddresses: smtp:a{n}@example.com\n")).collect();
    // "\xff" and a name with an escape sequence, in base64
    let ldif = [
        person("plain", "mail: plain@example.com\n"),
        person("nomail", ""),
        person("many", &many),
        person("bytes", "audio:: /w==\nmail: bytes@example.com\n"),
        person("control", "displayName:: G1szMW1yZWQ=\nmail: control@example.com\n"),
        person("two", "uid: zwei\nmail: two@example.com\n"),
        "dn: cn=Smith\\2C \\22Ada\\22 \\+ x\\3Dy\\5C\\C4\\8D \\#1,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\n\
         cn:: U21pdGgsICJBZGEiICsgeD15XMSNICMx\nsn: Smith\nuid: smith\nmail: smith@example.com\n"
            .to_owned(),
        "dn: cn=odd,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: odd\ncn: strange\n\
         member: uid=plain,ou=people,dc=example,dc=com\n"
            .to_owned(),
        "dn: cn=fine,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: fine\n\
         member: CN=Smith\\, \\\"ada\\\" \\+ X\\=y\\\\\\C4\\8D \\231, OU=People,dc=example,dc=com\n"
            .to_owned(),
    ];
    slapd.load(&ldif.join("\n"));
    let (settings, groups) = (settings(&slapd, slapd.url()), groups(&slapd));
    // an attribute of which OpenLDAP takes any bytes
    let users = UserSettings { attributes: single("notes", "audio"), ..users(&slapd) };
    let both = (Some(&users), Some(&groups));
    let snapshot = read_with(&settings, both, &Index::default(), &Watcher::default()).await.unwrap();
    let reading = snapshot.complete().expect("nobody stops the run").reading();
    let mut names: Vec<_> = reading.people.iter().filter_map(|p| p.fields.first(FieldId::USERNAME)).collect();
    names.sort_unstable();
    assert_eq!(names, ["control", "nomail", "plain", "smith"]);
    let mut skipped: Vec<_> = reading.skips.iter().map(|skip| (skip.dn.as_str(), &*skip.reason)).collect();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        [
            ("cn=odd,ou=groups,dc=example,dc=com", "unreadable"),
            ("uid=bytes,ou=people,dc=example,dc=com", "unreadable"),
            ("uid=many,ou=people,dc=example,dc=com", "unreadable"),
            ("uid=two,ou=people,dc=example,dc=com", "unreadable"),
        ]
    );
    let smith = reading.people.iter().find(|p| p.fields.first(FieldId::USERNAME) == Some("smith")).unwrap();
    assert_eq!(*reading.groups[0].members, [MemberRef::Dn(Dn::digest_of(&smith.dn))]);
    assert_eq!(reading.waiting_groups.len(), 2, "its unique id and its DN");
}

/// E5
#[tokio::test]
async fn somebody_who_cannot_be_understood_any_more_waits() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load(&[person("ada", "employeeNumber: 1\n"), person("bob", "employeeNumber: 2\n")].join("\n"));
    let settings = settings(&slapd, slapd.url());
    let users = UserSettings { attributes: single("unique_id", "employeeNumber"), ..users(&slapd) };
    let first = read_with(&settings, (Some(&users), None), &Index::default(), &Watcher::default()).await.unwrap();
    let index = remembered(&first);
    slapd.ldif(
        "dn: uid=ada,ou=people,dc=example,dc=com\nchangetype: modify\nadd: uid\nuid: second\n\n\
         dn: uid=bob,ou=people,dc=example,dc=com\nchangetype: modify\ndelete: employeeNumber\n",
    );
    let second = read_with(&settings, (Some(&users), None), &index, &Watcher::default()).await.unwrap();
    let reading = second.reading();
    assert_eq!((reading.people.len(), reading.unchanged.len(), reading.waiting.len()), (0, 0, 2));
    assert_eq!(second.complete().unwrap().missing(&index).count(), 0, "both were seen");
    let mut reasons: Vec<_> = reading.skips.iter().map(|skip| &*skip.reason).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["no-unique-id", "unreadable"]);
}

/// E5
/// Faults: F15.
#[tokio::test]
async fn a_hidden_entry_uuid_makes_the_read_incomplete() {
    let access = "access to dn.subtree=\"ou=people,dc=example,dc=com\" attrs=entryUUID by * none".to_owned();
    let Some(mut slapd) = Slapd::start(Options { access, ..Options::default() }) else { return };
    slapd.load_people(20);
    let snapshot = read(&slapd, &settings(&slapd, slapd.url())).await.unwrap();
    let why = snapshot.incomplete().expect("incomplete");
    assert_eq!((why.cause, why.attribute.as_deref()), ("no-unique-id", Some("entryuuid")));
}

/// U8, VIPRE-4
#[tokio::test]
async fn disabled_tests_are_judged_and_say_when_they_change() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    let shadow =
        |uid: &str, day: u32| person(uid, &format!("shadowExpire: {day}\n")).replace("rosterMailUser", "shadowAccount");
    slapd.load(
        &[
            person("locked", "pwdAccountLockedTime: 000001010000Z\n"),
            person("failed", "pwdAccountLockedTime: 20260101000000Z\n"),
            shadow("over", 100),
            shadow("later", 20700),
        ]
        .join("\n"),
    );
    let settings = settings(&slapd, slapd.url());
    let states = async |users: &UserSettings| {
        let snapshot = read_with(&settings, (Some(users), None), &Index::default(), &Watcher::default()).await.unwrap();
        let mut states: Vec<_> = snapshot
            .reading()
            .people
            .iter()
            .map(|p| (p.label(), p.enabled.as_str(), p.review_at.map(|at| at.to_string())))
            .collect();
        states.sort_by(|a, b| a.0.cmp(&b.0));
        states
    };
    let row = |name: &str, enabled, at: Option<&str>| (name.to_owned(), enabled, at.map(str::to_owned));
    assert_eq!(
        states(&users(&slapd)).await,
        [
            row("failed", "yes", None),
            row("later", "yes", Some("2026-09-04T00:00:00.000Z")),
            row("locked", "no", None),
            row("over", "no", None),
        ]
    );
    let test = DisabledTest::Filter { filter: "(&(uid=f*)(objectClass=inetOrgPerson))".to_owned() };
    let configured = UserSettings { disabled: Some(vec![test]), ..users(&slapd) };
    let disabled: Vec<_> = states(&configured).await.into_iter().filter(|row| row.1 == "no").collect();
    assert_eq!(disabled, [row("failed", "no", None)]);
}

/// U8, L5
#[tokio::test]
async fn who_is_due_or_not_active_is_looked_at_again() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    let later = person("later", "shadowExpire: 20700\n").replace("rosterMailUser", "shadowAccount");
    slapd.load(&[later, person("ada", ""), person("bob", "")].join("\n"));
    let (settings, users) = (settings(&slapd, slapd.url()), users(&slapd));
    let first = read_with(&settings, (Some(&users), None), &Index::default(), &Watcher::default()).await.unwrap();
    let at = async |index: &Index, now: Timestamp, policy: &str| {
        let mut connection = connect(&settings).await.unwrap();
        let searches = Searches::new(&settings, Some(&users), None, connection.about().kind).unwrap();
        let searches = if policy.is_empty() { searches } else { searches.with_policy(policy) };
        let (before, watcher) = (Before::default(), Watcher::default());
        let read = directory::read(&mut connection, &searches, index, &before, USERS, now, &watcher).await.unwrap();
        let people = read.reading().people.iter().map(|person| (person.label(), person.enabled.as_str()));
        (people.collect::<Vec<_>>(), read.reading().unchanged.len())
    };
    let index = remembered(&first);
    let day = Timestamp::parse("2026-09-04T00:00:00Z").unwrap();
    assert_eq!(at(&index, day - Duration::from_secs(1), "").await, (vec![], 3));
    assert_eq!(at(&index, day, "").await, (vec![("later".to_owned(), "no")], 2));
    assert_eq!(at(&index, now(), "other domains are managed").await.1, 0);
    let bob = first.reading().people.iter().find(|person| person.label() == "bob").unwrap().key.digest();
    let state = |known: &Known| if known.key == bob { State::Pending } else { known.state };
    let index = Index::new(index.iter().map(|known| Known { state: state(known), ..*known }).collect());
    assert_eq!(at(&index, now(), "").await, (vec![("bob".to_owned(), "yes")], 2));
}

/// G3
#[tokio::test]
async fn memberships_can_be_named_by_the_users() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&person("ada", "mail: ada@example.com\n"));
    slapd.ldif(
        "dn: cn=team,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: team\n\
         member: uid=ada,ou=people,dc=example,dc=com\n",
    );
    let settings = settings(&slapd, slapd.url());
    let (users, mut groups) = (users(&slapd), groups(&slapd));
    groups.members = Some(vec!["memberOf".to_owned()]);
    let both = (Some(&users), Some(&groups));
    let snapshot = read_with(&settings, both, &Index::default(), &Watcher::default()).await.unwrap();
    let ada = &snapshot.reading().people[0];
    let team: Digest = Dn::digest_of("cn=team,ou=groups,dc=example,dc=com");
    assert_eq!(snapshot.reading().member_of, [(team, ada.key.digest())]);
    let again = read_with(&settings, both, &remembered(&snapshot), &Watcher::default()).await.unwrap();
    assert_eq!(again.reading().unchanged.len(), 1);
    assert_eq!(again.reading().member_of.len(), 1, "also of those who did not change");
}

/// E1, E2
#[tokio::test]
async fn an_empty_directory_is_complete_for_an_empty_store_only() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let settings = settings(&slapd, slapd.url());
    assert!(read(&slapd, &settings).await.unwrap().complete().is_some());
    let users = users(&slapd);
    let mut connection = connect(&settings).await.unwrap();
    let searches = Searches::new(&settings, Some(&users), None, connection.about().kind).unwrap();
    let before = Before { users: 3, ..Before::default() };
    let watcher = Watcher::default();
    let snapshot =
        directory::read(&mut connection, &searches, &Index::default(), &before, USERS, now(), &watcher).await.unwrap();
    assert_eq!(snapshot.incomplete().unwrap().cause, "no-users");
}

/// VIPRE-47, VIPRE-52, COVATA-18
#[tokio::test]
async fn a_probe_shows_every_step_samples_and_domains() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(30);
    let settings = settings(&slapd, slapd.ldaps());
    let (users, groups) = (users(&slapd), groups(&slapd));
    let managed = std::collections::BTreeSet::from([rosterd::roster::Domain::parse("example.org").unwrap()]);
    let found =
        probe(&settings, Some(&users), (Some(&groups), None), (Some(&managed), Stored::default()), &SystemClock).await;
    let of = |step: &str| found.findings.iter().filter(|it| it.step == step).collect::<Vec<_>>();
    assert!(found.findings.iter().all(|finding| finding.verdict != Verdict::Fail), "{:#?}", found.findings);
    assert_eq!(of("sample").len(), 5);
    assert!(of("sample")[0].text.contains("primary=u00000@example.com"), "{:?}", of("sample"));
    assert_eq!(found.domains, BTreeMap::from([("example.com".to_owned(), 30)]));
    assert_eq!(of("domain")[0].verdict, Verdict::Warn, "not managed");
    assert_eq!(of("base").len(), 3, "source.base_dn as well");
    assert!(of("tls")[0].text.contains("CN=localhost"));
    let wrong = UserSettings { base_dns: vec!["ou=nowhere,dc=example,dc=com".to_owned()], ..users };
    let found = probe(&settings, Some(&wrong), (Some(&groups), None), (None, Stored::default()), &SystemClock).await;
    assert!(found.findings.iter().any(|it| it.step == "base" && it.verdict == Verdict::Fail), "{:#?}", found.findings);
}
