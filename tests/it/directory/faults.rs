//! Reads that end early never prove anybody's absence (E1, E2).

use tokio::time::Instant;

use super::*;

fn cause(snapshot: &Snapshot) -> &str {
    snapshot.incomplete().map_or("complete", |why| why.cause)
}

/// E1
/// Faults: A1.
#[tokio::test]
async fn a_size_limit_that_paging_does_not_lift_makes_the_read_incomplete() {
    let Some(mut slapd) = Slapd::start(Options { size_limit: Some(500), ..Options::default() }) else { return };
    slapd.load_people(700);
    for page_size in [100, 0] {
        let settings = Settings { page_size, ..settings(&slapd, slapd.url()) };
        let snapshot = read(&slapd, &settings).await.unwrap();
        assert_eq!((snapshot.reading().people.len(), cause(&snapshot)), (500, "size-limit"));
        let says = &snapshot.incomplete().unwrap().says;
        assert!(says.contains("code 4") && says.contains("limits dn.exact"), "{says}");
        assert_eq!(snapshot.reading().groups.len(), 35, "groups were within the limit");
    }
}

/// E1
/// Faults: A5.
#[tokio::test]
async fn pages_shrink_to_what_the_server_takes() {
    let limits =
        "limits dn.exact=\"cn=rosterd,ou=services,dc=example,dc=com\" size.soft=1000 size.hard=1000 size.pr=30 \
                  size.prtotal=unlimited"
            .to_owned();
    let Some(mut slapd) = Slapd::start(Options { limits, ..Options::default() }) else { return };
    slapd.load_people(200);
    let snapshot = read(&slapd, &settings(&slapd, slapd.url())).await.unwrap();
    assert_eq!((snapshot.reading().people.len(), cause(&snapshot)), (200, "complete"));
}

/// E1
/// Faults: B22.
#[tokio::test]
async fn a_server_that_may_not_page_is_read_without() {
    let limits =
        "limits dn.exact=\"cn=rosterd,ou=services,dc=example,dc=com\" size=unlimited size.prtotal=disabled".to_owned();
    let Some(mut slapd) = Slapd::start(Options { limits, ..Options::default() }) else { return };
    slapd.load_people(200);
    let error = read(&slapd, &settings(&slapd, slapd.url())).await.unwrap_err();
    assert!(error.to_string().contains("pagedResults control not allowed"), "{error}");
    let unpaged = Settings { page_size: 0, ..settings(&slapd, slapd.url()) };
    let snapshot = read(&slapd, &unpaged).await.unwrap();
    assert_eq!((snapshot.reading().people.len(), cause(&snapshot)), (200, "complete"));
}

/// E1
#[tokio::test]
async fn a_server_that_freezes_is_given_up() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(2000);
    let users = users(&slapd);
    let freeze = || slapd.stop();
    for (read_timeout, run_timeout, key) in
        [(1, 60, "source.read_timeout"), (60, 2, "the run took longer than 2 s (source.run_timeout)")]
    {
        let timeouts = (Duration::from_secs(read_timeout), Duration::from_secs(run_timeout));
        let settings = Settings { read_timeout: timeouts.0, run_timeout: timeouts.1, ..settings(&slapd, slapd.url()) };
        let watcher = Watcher { at: 100, act: Some(&freeze), ..Watcher::default() };
        let begun = Instant::now();
        let snapshot = read_with(&settings, (Some(&users), None), &Index::default(), &watcher).await;
        slapd.cont();
        let snapshot = snapshot.unwrap();
        assert_eq!(cause(&snapshot), "timeout");
        assert!(snapshot.incomplete().unwrap().says.contains(key), "{:?}", snapshot.incomplete());
        assert!((100..2000).contains(&snapshot.reading().people.len()), "what was read is there");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

/// E1
#[tokio::test]
async fn a_server_that_dies_while_it_is_read_ends_the_read() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(2000);
    let (settings, users) = (settings(&slapd, slapd.ldaps()), users(&slapd));
    let slapd = std::sync::Mutex::new(slapd);
    let kill = || slapd.lock().unwrap().kill();
    let watcher = Watcher { at: 100, act: Some(&kill), ..Watcher::default() };
    let snapshot = read_with(&settings, (Some(&users), None), &Index::default(), &watcher).await.unwrap();
    assert_eq!(cause(&snapshot), "connection-lost");
    assert!((100..2000).contains(&snapshot.reading().people.len()));
    let error = read_with(&settings, (Some(&users), None), &Index::default(), &Watcher::default()).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("connection refused"), "{error}");
}

/// E1
/// Faults: G1.
#[tokio::test]
async fn a_missing_base_is_named_with_how_far_it_exists() {
    let access = "access to dn.subtree=\"ou=groups,dc=example,dc=com\" by * none".to_owned();
    let Some(mut slapd) = Slapd::start(Options { access, ..Options::default() }) else { return };
    slapd.load_people(20);
    let settings = settings(&slapd, slapd.url());
    let with = |base: &str| UserSettings { base_dns: vec![base.to_owned()], ..users(&slapd) };
    for (base, expected) in [
        ("ou=berlin,ou=people,dc=example,dc=com", "only `ou=people,dc=example,dc=com` does"),
        ("ou=groups,dc=example,dc=com", "may not see it"),
        ("no dn", "not a valid DN"),
    ] {
        let watcher = Watcher::default();
        let error = read_with(&settings, (Some(&with(base)), None), &Index::default(), &watcher).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains("users.base_dns") && text.contains(base), "{text}");
    }
    // one of several: the others are read, and nobody is missed
    let mut users = users(&slapd);
    users.base_dns.push("ou=berlin,dc=example,dc=com".to_owned());
    let watcher = Watcher::default();
    let snapshot = read_with(&settings, (Some(&users), None), &Index::default(), &watcher).await.unwrap();
    assert_eq!((snapshot.reading().people.len(), cause(&snapshot)), (20, "base"));
}

/// E10
/// Faults: G4.
#[tokio::test]
async fn a_canary_that_is_not_there_makes_the_read_incomplete() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(20);
    let canary = |uid: &str| vec![format!("uid={uid},ou=people,dc=example,dc=com")];
    let seen = Settings { must_see: canary("u00001"), ..settings(&slapd, slapd.url()) };
    assert_eq!(cause(&read(&slapd, &seen).await.unwrap()), "complete");
    let unseen = Settings { must_see: canary("canary"), ..seen };
    assert_eq!(cause(&read(&slapd, &unseen).await.unwrap()), "must-see");
}

/// E1
/// Faults: G6.
#[tokio::test]
async fn an_unknown_attribute_is_named_with_its_key() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let settings = settings(&slapd, slapd.url());
    let filter = Some("(&(objectClass=inetOrgPerson)(employeTyp=x))".to_owned());
    for (users, key, attribute) in [
        (UserSettings { filter, ..users(&slapd) }, "users.filter", "employeTyp"),
        (
            UserSettings { attributes: single("surname", "surName2"), ..users(&slapd) },
            "users.attributes.surname",
            "surname2",
        ),
    ] {
        let watcher = Watcher::default();
        let error = read_with(&settings, (Some(&users), None), &Index::default(), &watcher).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(key) && text.contains(attribute), "{text}");
    }
    let known = UserSettings { attributes: single("surname", "SurName"), ..users(&slapd) };
    read_with(&settings, (Some(&known), None), &Index::default(), &Watcher::default()).await.unwrap();
}

/// E1
/// Faults: A15, H11.
#[tokio::test]
async fn a_reference_inside_the_scope_is_incomplete_unless_listed() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load(&format!(
        "{}\ndn: ou=branch,ou=people,dc=example,dc=com\nobjectClass: referral\nobjectClass: extensibleObject\n\
         ou: branch\nref: ldap://branch.example.net/ou=people,dc=branch\n",
        person("ada", "mail: ada@example.com\n")
    ));
    let settings = settings(&slapd, slapd.url());
    let snapshot = read(&slapd, &settings).await.unwrap();
    assert_eq!((snapshot.reading().people.len(), cause(&snapshot)), (1, "reference"));
    assert!(snapshot.incomplete().unwrap().says.contains("branch.example.net"));
    let listed = Settings { outside: vec!["ldap://branch.example.net".to_owned()], ..settings.clone() };
    assert_eq!(cause(&read(&slapd, &listed).await.unwrap()), "complete");
    // a base that is itself elsewhere
    let users = UserSettings { base_dns: vec!["ou=branch,ou=people,dc=example,dc=com".to_owned()], ..users(&slapd) };
    let watcher = Watcher::default();
    let error = read_with(&settings, (Some(&users), None), &Index::default(), &watcher).await.unwrap_err();
    assert!(error.to_string().contains("refers to another"), "{error}");
}

/// COVATA-43
#[tokio::test]
async fn the_page_rate_is_kept() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(40);
    let settings = Settings { page_size: 10, page_rate: 5, ..settings(&slapd, slapd.url()) };
    let users = users(&slapd);
    let begun = Instant::now();
    let snapshot = read_with(&settings, (Some(&users), None), &Index::default(), &Watcher::default()).await.unwrap();
    assert_eq!(cause(&snapshot), "complete");
    assert!(begun.elapsed() >= Duration::from_millis(600), "four pages, three pauses of 200 ms");
}
