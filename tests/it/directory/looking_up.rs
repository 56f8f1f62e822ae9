//! Why somebody vanished: looked up by unique id, outside bases and filter (L2).

use rosterd::roster::{LookUp, UniqueId};

use super::*;

async fn looked_up(slapd: &Slapd, users: &UserSettings, keys: &[UniqueId]) -> Vec<LookUp> {
    looked_up_by(&settings(slapd, slapd.url()), users, keys).await
}

async fn looked_up_by(settings: &Settings, users: &UserSettings, keys: &[UniqueId]) -> Vec<LookUp> {
    let mut connection = connect(settings).await.unwrap();
    let searches = Searches::new(settings, Some(users), None, connection.about().kind).unwrap();
    let found = directory::look_up(&mut connection, &searches, keys, now()).await;
    assert!(found.iter().map(|(key, _)| key).eq(keys), "in the order asked");
    found.into_iter().map(|(_, found)| found).collect()
}

fn id_of(slapd: &Slapd, uid: &str) -> UniqueId {
    let found = slapd.search(&["-b", slapd.base(), &format!("(uid={uid})"), "entryUUID"]);
    let (_, id) = found.split_once("entryUUID: ").unwrap();
    UniqueId::new(id.lines().next().unwrap()).unwrap()
}

/// RSA-8, L2, I4
/// Faults: D2.
#[tokio::test]
async fn the_reason_is_a_cause() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let elsewhere = person("moved", "").replace("ou=people", "ou=services");
    let filtered = person("filtered", "").replace("objectClass: inetOrgPerson\n", "objectClass: account\n");
    let filtered: String = filtered
        .lines()
        .filter(|line| !line.starts_with("sn:") && !line.starts_with("cn:"))
        .map(|line| format!("{line}\n"))
        .collect();
    let locked = person("locked", "pwdAccountLockedTime: 000001010000Z\n").replace("ou=people", "ou=services");
    for ldif in [elsewhere, filtered, locked, person("here", "")] {
        slapd.ldif(&ldif);
    }
    let gone = UniqueId::new("00000000-0000-4000-8000-000000000000").unwrap();
    let odd = UniqueId::new("not*a(uuid)").unwrap();
    let keys =
        [id_of(&slapd, "moved"), id_of(&slapd, "filtered"), id_of(&slapd, "locked"), id_of(&slapd, "here"), gone, odd];
    let dn = |uid: &str, ou: &str| format!("uid={uid},ou={ou},dc=example,dc=com");
    assert_eq!(
        looked_up(&slapd, &users(&slapd), &keys).await,
        [
            LookUp::MovedOut { dn: dn("moved", "services") },
            LookUp::FilteredOut { dn: dn("filtered", "people") },
            LookUp::Disabled { dn: dn("locked", "services") },
            LookUp::InScope { dn: dn("here", "people") },
            LookUp::Gone,
            LookUp::Gone,
        ]
    );
    let one_level = UserSettings { base_dns: vec![slapd.base().to_owned()], scope: Scope::OneLevel, ..users(&slapd) };
    let found = looked_up(&slapd, &one_level, &keys[3..4]).await;
    assert_eq!(found, [LookUp::MovedOut { dn: dn("here", "people") }], "below, but not one level below");
}

/// I4, E3: a base that does not lie under `source.base_dn` is looked into as well.
#[tokio::test]
async fn bases_beside_the_root_are_looked_into() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    for ldif in [person("here", ""), person("moved", "").replace("ou=people", "ou=services")] {
        slapd.ldif(&ldif);
    }
    let beside = Settings { base_dn: format!("ou=services,{}", slapd.base()), ..settings(&slapd, slapd.url()) };
    let keys = [id_of(&slapd, "here"), id_of(&slapd, "moved")];
    let users = UserSettings { filter: Some("(uid=nobody)".into()), ..users(&slapd) };
    let dn = |uid: &str, ou: &str| format!("uid={uid},ou={ou},dc=example,dc=com");
    let found = looked_up_by(&beside, &users, &keys).await;
    assert_eq!(
        found,
        [LookUp::FilteredOut { dn: dn("here", "people") }, LookUp::MovedOut { dn: dn("moved", "services") },]
    );
    let hidden = UserSettings { base_dns: vec!["ou=nowhere,dc=example,dc=com".into()], ..users };
    let found = looked_up_by(&beside, &hidden, &keys).await;
    assert!(matches!(&found[0], LookUp::Unjudged { says } if says.contains("users.base_dns")), "{found:?}");
}

/// L2
/// Faults: C13.
#[tokio::test]
async fn many_are_looked_up_in_batches() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(250);
    let found = slapd.search(&["-b", slapd.base(), "(uid=*)", "entryUUID"]);
    let keys: Vec<_> =
        found.lines().filter_map(|line| line.strip_prefix("entryUUID: ")).filter_map(UniqueId::new).collect();
    assert_eq!(keys.len(), 250);
    let found = looked_up(&slapd, &users(&slapd), &keys).await;
    assert!(found.iter().all(|found| matches!(found, LookUp::InScope { .. })));
    let searches = slapd.log().matches("SRCH base=\"dc=example,dc=com\" scope=2").count();
    assert!((6..12).contains(&searches), "{searches} searches for 250 people");
}

/// L2
#[tokio::test]
async fn without_the_base_object_nobody_is_gone() {
    let access = "access to dn.base=\"dc=example,dc=com\" by * none".to_owned();
    let Some(slapd) = Slapd::start(Options { access, ..Options::default() }) else { return };
    let gone = UniqueId::new("00000000-0000-4000-8000-000000000000").unwrap();
    let found = looked_up(&slapd, &users(&slapd), &[gone]).await;
    assert!(matches!(&found[0], LookUp::Unjudged { says } if says.contains("source.base_dn")), "{found:?}");
}
