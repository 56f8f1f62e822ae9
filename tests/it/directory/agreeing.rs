//! The fake directory tells the truth: it and a real OpenLDAP with the same entries look the same to the program, and
//! what it is told to do wrong is what the program sees.

use std::fmt::Write as _;

use rosterd::directory::{Finding, Scope, Stored};
use rosterd::roster::{LookUp, UniqueId};

use super::*;
use crate::support::fake::{ACCOUNT, Act, At, Entry, Fake, Kind, PASSWORD, Paging, Tree};

const BASE: &str = "dc=example,dc=com";

fn uuid(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-00000000abcd")
}

/// Below the units that every test server has.
fn entries() -> Vec<Entry> {
    let person = |number: usize, uid: &str, unit: &str| {
        Entry::new(format!("uid={uid},ou={unit},{BASE}"))
            .with_all("objectClass", ["inetOrgPerson", "rosterMailUser"])
            .with("uid", uid)
            .with("cn", uid)
            .with("sn", format!("Of {uid}"))
            .with("entryUUID", uuid(number))
    };
    let group = |number: usize, cn: &str| {
        Entry::new(format!("cn={cn},ou=groups,{BASE}"))
            .with("objectClass", "groupOfNames")
            .with("cn", cn)
            .with("entryUUID", uuid(number))
            .with("createTimestamp", "20260101000000Z")
    };
    vec![
        person(1, "ada", "people")
            .with_all("mail", ["ada@example.com", "a.l@example.com"])
            .with_all("proxyAddresses", ["smtp:lovelace@example.com", "SMTP:ada@example.com", "x500:/o=x"])
            .with_all("description", ["Zweite", "Ähnlich"]),
        person(2, "bob", "people").with("mail", "not an address"),
        person(3, "cy", "people").with("mail", "cy@example.com").with("pwdAccountLockedTime", "000001010000Z"),
        person(4, "dee", "services").with("mail", "dee@example.com"),
        person(5, "eve", "people"),
        Entry::new(format!("cn=Odd\\2C One,ou=people,{BASE}"))
            .with_all("objectClass", ["inetOrgPerson", "rosterMailUser"])
            .with_all("uid", ["odd", "one"])
            .with("cn", "Odd, One")
            .with("sn", "O")
            .with("entryUUID", uuid(6)),
        group(11, "crew").with_all("member", [format!("UID=Ada,OU=people,{BASE}"), format!("uid=nobody,{BASE}")]),
        group(12, "staff").with("member", format!("cn=crew,ou=groups,{BASE}")),
    ]
}

/// A tree as the real server begins with, and these entries.
fn tree(entries: &[Entry]) -> Tree {
    let mut tree = Tree::default();
    tree.add(Entry::new(BASE).with("objectClass", "domain").with("dc", "example").with("entryUUID", uuid(100)));
    for (number, unit) in ["people", "groups", "services", "policies"].into_iter().enumerate() {
        let entry = Entry::new(format!("ou={unit},{BASE}")).with("objectClass", "organizationalUnit");
        tree.add(entry.with("ou", unit).with("entryUUID", uuid(101 + number)));
    }
    tree.add(Entry::new(ACCOUNT).with("objectClass", "organizationalRole").with("cn", "rosterd"));
    entries.iter().cloned().for_each(|entry| _ = tree.add(entry));
    tree
}

fn ldif(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        writeln!(text, "dn: {}", entry.dn).unwrap();
        for (name, values) in &entry.attributes {
            values.iter().for_each(|value| writeln!(text, "{name}: {}", String::from_utf8_lossy(value)).unwrap());
        }
        text.push('\n');
    }
    text
}

struct Both {
    fake: Fake,
    slapd: Slapd,
    password: tempfile::NamedTempFile,
}

impl Both {
    fn start(entries: &[Entry]) -> Option<Self> {
        let mut slapd = Slapd::start(Options::default())?;
        slapd.load(&ldif(entries));
        let password = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(password.path(), PASSWORD).unwrap();
        Some(Self { fake: Fake::start(Kind::openldap(), tree(entries)), slapd, password })
    }

    /// The same settings for both.
    fn settings(&self, page_size: u32) -> [Settings; 2] {
        let real = Settings { page_size, ..settings(&self.slapd, self.slapd.url()) };
        let (dn, file) = (ACCOUNT.to_owned(), PasswordSource::File(self.password.path().to_owned()));
        let bind = Bind::Simple { dn, password: file };
        [real.clone(), Settings { urls: vec![url(&self.fake.url())], bind, ..real }]
    }

    /// What anybody says, without whose words they are.
    fn anonymous(&self, said: &str) -> String {
        said.replace(self.slapd.url(), "URL").replace(&self.fake.url(), "URL")
    }
}

/// A snapshot in words.
fn told(snapshot: &Result<Snapshot, DirectoryError>) -> String {
    match snapshot {
        Err(error) => error.to_string(),
        Ok(snapshot) => {
            let reading = snapshot.reading();
            let people: Vec<_> = reading.people.iter().collect();
            let rest = (&reading.groups, &reading.skips, &reading.coverage, reading.entries, snapshot.incomplete());
            format!("{people:#?}\n{rest:#?}")
        }
    }
}

fn cause(snapshot: &Snapshot) -> &str {
    snapshot.incomplete().map_or("complete", |why| why.cause)
}

async fn findings(settings: &Settings, users: &UserSettings, groups: &GroupSettings) -> Vec<Finding> {
    directory::probe(settings, Some(users), (Some(groups), None), (None, Stored::default()), &SystemClock)
        .await
        .findings
}

/// E1: reading, in pages of any size, and everything that a look at the configuration finds.
#[tokio::test]
async fn the_fake_and_a_real_server_are_read_alike() {
    let Some(both) = Both::start(&entries()) else { return };
    let (users, groups) = (users(&both.slapd), groups(&both.slapd));
    let missing = UserSettings { base_dns: vec![format!("ou=berlin,ou=people,{BASE}")], ..users.clone() };
    let filtered = UserSettings {
        filter: Some("(&(objectClass=inetOrgPerson)(|(mail=*EXAMPLE.com)(uid>=o))(!(sn=of  CY)))".to_owned()),
        base_dns: vec![BASE.to_owned()],
        ..users.clone()
    };
    let narrow = UserSettings { scope: Scope::OneLevel, base_dns: vec![BASE.to_owned()], ..users.clone() };
    let misspelt = UserSettings { attributes: single("surname", "surName2"), ..users.clone() };
    for users in [users, filtered, narrow, missing, misspelt] {
        for page_size in [0, 1, 2, 1000] {
            let mut said = Vec::new();
            for settings in both.settings(page_size) {
                let asked = (Some(&users), Some(&groups));
                let snapshot = read_with(&settings, asked, &Index::default(), &Watcher::default()).await;
                said.push(both.anonymous(&told(&snapshot)));
            }
            assert_eq!(said[0], said[1], "{users:?} in pages of {page_size}");
        }
        let mut said = Vec::new();
        for settings in both.settings(2) {
            let mut found = findings(&settings, &users, &groups).await;
            // How long something takes is nothing to agree about, nor what else a server can do, or when it did it.
            found.retain(|finding| !["index", "controls", "clock"].contains(&finding.step));
            for finding in found.iter_mut().filter(|finding| finding.step == "pace") {
                finding.text = finding.text.split(", ").skip(1).collect();
            }
            said.push(both.anonymous(&format!("{found:#?}")));
        }
        assert_eq!(said[0], said[1], "{users:?}");
    }
}

/// L2: looking people up; E9: a wrong password.
#[tokio::test]
async fn the_fake_and_a_real_server_look_people_up_alike() {
    let Some(both) = Both::start(&entries()) else { return };
    let keys: Vec<UniqueId> = [1, 3, 4, 6, 77].map(|number| UniqueId::new(&uuid(number)).unwrap()).into();
    let filter = Some("(&(objectClass=inetOrgPerson)(!(uid=odd)))".to_owned());
    let users = UserSettings { filter, ..users(&both.slapd) };
    let (mut said, mut refusals) = (Vec::new(), Vec::new());
    for settings in both.settings(2) {
        let mut connection = connect(&settings).await.unwrap();
        let about = connection.about();
        let about =
            (about.kind, about.vendor.clone(), about.pages, about.authorized_as.clone(), about.directory_id.clone());
        let searches = Searches::new(&settings, Some(&users), None, about.0).unwrap();
        let found = directory::look_up(&mut connection, &searches, &keys, now()).await;
        said.push((about, found));
        std::fs::write(both.password.path(), "wrong").unwrap();
        let Bind::Simple { dn, .. } = settings.bind.clone() else { panic!("a simple bind") };
        let bind = Bind::Simple { dn, password: PasswordSource::File(both.password.path().to_owned()) };
        refusals.push(both.anonymous(&refused(&Settings { bind, ..settings }).await.1));
        std::fs::write(both.password.path(), PASSWORD).unwrap();
    }
    assert_eq!(said[0], said[1]);
    assert!(said[0].1.iter().any(|(_, found)| *found == LookUp::Gone), "{said:?}");
    assert_eq!(refusals[0], refusals[1]);
}

/// E1, E2, E3: whatever a server does wrong, the read says so, and what was read before is there.
#[tokio::test]
async fn whatever_the_fake_does_wrong_makes_the_read_incomplete() {
    let people = format!("ou=people,{BASE}");
    let person = |number: usize| {
        let uid = format!("u{number:02}");
        let entry = Entry::new(format!("uid={uid},{people}")).with("objectClass", "inetOrgPerson").with("uid", &uid);
        entry.with("mail", format!("{uid}@example.com")).with("entryUUID", uuid(number))
    };
    let entries: Vec<Entry> = (0..20).map(person).collect();
    let fake = Fake::start(Kind::openldap(), tree(&entries));
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), PASSWORD).unwrap();
    let settings = fake_settings(&fake, password.path());
    let second = || At::below(&people).page(2);
    let all = || At::below(&people);
    let cases: [(At, Act, &str, usize); 19] = [
        (second(), Act::Close, "connection-lost", 6),
        (second().entries(3), Act::Close, "connection-lost", 9),
        (second().entries(3), Act::Tear, "connection-lost", 9),
        (second().entries(1), Act::Stall, "timeout", 7),
        (second(), Act::Answer(1, "no"), "search-failed", 6),
        (second().entries(2), Act::Answer(3, ""), "time-limit", 8),
        (second().entries(2), Act::Answer(4, ""), "size-limit", 8),
        (second(), Act::Answer(11, ""), "admin-limit", 6),
        (second(), Act::Answer(12, ""), "paging", 6),
        (second().entries(9), Act::Answer(51, ""), "busy", 12),
        (second(), Act::Answer(52, ""), "unavailable", 6),
        (second(), Act::Answer(53, ""), "unwilling", 6),
        (second(), Act::Answer(80, ""), "search-failed", 6),
        (second(), Act::NoControl, "paging", 12),
        (all(), Act::SameCookie, "paging", 12),
        (all(), Act::FromTheStart, "paging", 6),
        (second(), Act::Refer("ldap://other.example.net/ou=x,ou=people,dc=example,dc=com"), "reference", 20),
        (all(), Act::Twice, "complete", 20),
        (all(), Act::Hide(vec![format!("uid=u07,{people}")]), "complete", 19),
    ];
    for (at, act, cause, read) in cases {
        fake.always(at, act);
        let users = fake_users();
        let snapshot = read_with(&settings, (Some(&users), None), &Index::default(), &Watcher::default()).await;
        let snapshot = snapshot.unwrap();
        let why = self::cause(&snapshot);
        let log = fake.log();
        assert_eq!((why, snapshot.reading().people.len()), (cause, read), "{log:?} {:?}", snapshot.incomplete());
        assert!(fake.repair() > 0, "it happened: {cause}");
    }
    for (at, act) in [
        (At::connect(), Act::Close),
        (At::bind(), Act::Close),
        (At::bind(), Act::Answer(49, "")),
        (At::object(&people), Act::Answer(32, "")),
        (At::object(&people), Act::Nothing),
        (all(), Act::Close),
    ] {
        fake.always(at, act);
        let users = fake_users();
        let read = read_with(&settings, (Some(&users), None), &Index::default(), &Watcher::default()).await;
        assert!(read.is_err(), "nothing was read");
        assert!(fake.repair() > 0);
    }
}

/// E1: what a server does that cannot page, and what becomes of entries that change between two pages.
#[tokio::test]
async fn the_fake_can_be_unable_to_page_and_can_change_meanwhile() {
    let people = format!("ou=people,{BASE}");
    let person = |number: usize| {
        let uid = format!("u{number:02}");
        let entry = Entry::new(format!("uid={uid},{people}")).with("objectClass", "inetOrgPerson").with("uid", &uid);
        entry.with("entryUUID", uuid(number))
    };
    let entries: Vec<Entry> = (0..20).map(person).collect();
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), PASSWORD).unwrap();
    let asked = fake_users();
    for (paging, read) in [(Paging::Refused, None), (Paging::Ignored, Some(("paging", 20)))] {
        let fake = Fake::start(Kind { paging, ..Kind::openldap() }, tree(&entries));
        let settings = fake_settings(&fake, password.path());
        let snapshot = read_with(&settings, (Some(&asked), None), &Index::default(), &Watcher::default()).await;
        let found = snapshot.as_ref().ok().map(|snapshot| (cause(snapshot), snapshot.reading().people.len()));
        assert_eq!(found, read, "{paging:?}");
        let whole = Settings { page_size: 0, ..settings };
        let snapshot = read_with(&whole, (Some(&asked), None), &Index::default(), &Watcher::default()).await.unwrap();
        assert_eq!((cause(&snapshot), snapshot.reading().people.len()), ("complete", 20), "{paging:?}");
    }
    let fake = Fake::start(Kind::openldap(), tree(&entries));
    let dn = move |uid: &str| format!("uid={uid},ou=people,{BASE}");
    let change = move |tree: &mut Tree| {
        tree.remove(&dn("u15")).unwrap();
        tree.find_mut(&dn("u16")).unwrap().dn = dn("moved");
        tree.add(Entry { dn: dn("late"), ..tree.find(&dn("u00")).unwrap().clone() });
    };
    fake.once(At::below(&people).page(2), Act::Do(std::sync::Arc::new(change)));
    let settings = fake_settings(&fake, password.path());
    let snapshot = read_with(&settings, (Some(&asked), None), &Index::default(), &Watcher::default()).await.unwrap();
    let dns: Vec<_> = snapshot.reading().people.iter().map(|one| one.dn.to_string()).collect();
    assert_eq!((cause(&snapshot), dns.len()), ("complete", 19));
    for (uid, there) in [("u15", false), ("u16", false), ("moved", true), ("u00", false), ("late", true)] {
        assert_eq!(dns.iter().any(|dn| dn.contains(uid)), there, "{uid}: {dns:?}");
    }
}

fn fake_settings(fake: &Fake, password: &std::path::Path) -> Settings {
    Settings {
        name: "test".to_owned(),
        urls: vec![url(&fake.url())],
        starttls: false,
        cleartext: false,
        ca_file: None,
        client_certificate: None,
        bind: Bind::Simple { dn: ACCOUNT.to_owned(), password: PasswordSource::File(password.to_owned()) },
        base_dn: BASE.to_owned(),
        kind: None,
        page_size: 6,
        page_rate: 0,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_millis(700),
        run_timeout: Duration::from_secs(60),
        outside: vec![],
        must_see: vec![],
    }
}

fn fake_users() -> UserSettings {
    UserSettings {
        base_dns: vec![format!("ou=people,{BASE}")],
        scope: Scope::Subtree,
        filter: None,
        primary: vec!["mail".to_owned(), "proxyAddresses".to_owned()],
        attributes: AttributeOverrides::default(),
        disabled: None,
    }
}

/// E4: what a domain controller does differently is data: binary ids, bits, ranges, pages that it cuts.
#[tokio::test]
async fn the_fake_can_be_a_domain_controller() {
    let users = |number: u32| {
        let cn = format!("u{number:04}");
        let entry = Entry::new(format!("CN={cn},OU=people,{BASE}"))
            .with_all("objectClass", ["top", "person", "organizationalPerson", "user"])
            .with("objectCategory", "person")
            .with("cn", &cn)
            .with("sAMAccountName", &cn)
            .with("mail", format!("{cn}@example.com"))
            .with("objectGUID", [&number.to_be_bytes()[..], &[0xff; 12]].concat());
        let entry = entry.with("accountExpires", "0");
        entry.with("userAccountControl", if number == 7 { "514" } else { "512" })
    };
    let team = Entry::new(format!("CN=all,OU=groups,{BASE}"))
        .with("objectClass", "group")
        .with("cn", "all")
        .with("objectGUID", [9; 16])
        .with("objectSid", [1, 1, 0, 0, 0, 0, 0, 5, 9, 0, 0, 0])
        .with_all("member", (0..1_700).map(|number| format!("CN=u{number:04},OU=people,{BASE}")));
    let mut entries: Vec<Entry> = (0..1_700).map(users).collect();
    entries.push(team);
    let fake = Fake::start(Kind::active_directory(), tree(&entries));
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), PASSWORD).unwrap();
    let settings = Settings { page_size: 5_000, ..fake_settings(&fake, password.path()) };
    let groups = GroupSettings::below(&format!("ou=groups,{BASE}"));
    let enabled = UserSettings {
        filter: Some("(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))".to_owned()),
        ..fake_users()
    };
    for (users, expected) in [(fake_users(), 1_700), (enabled, 1_699)] {
        let asked = (Some(&users), Some(&groups));
        let snapshot = read_with(&settings, asked, &Index::default(), &Watcher::default()).await.unwrap();
        assert_eq!((cause(&snapshot), snapshot.reading().people.len()), ("complete", expected));
        let disabled = snapshot.reading().people.iter().filter(|one| one.enabled != rosterd::roster::Enabled::Yes);
        assert_eq!(disabled.count(), expected - 1_699);
        let pages = fake.log().iter().filter(|line| line.contains(" 2 page ") && line.contains("people")).count();
        assert_eq!(pages, 2, "a page has 1,000 entries at most");
        let group = &snapshot.reading().groups[0];
        assert_eq!((group.whole, group.members.len()), (true, 1_701), "1,700 people, and whose primary group it is");
    }
}
