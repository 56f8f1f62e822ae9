use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;
use crate::config::{Environment, load_in};
use crate::directory::survey::{Base, People};
use crate::directory::{About, Bind, PasswordSource, Settings, Typed};

fn settings() -> Settings {
    Settings {
        name: String::new(),
        urls: vec![ServerUrl::Ldaps { host: "dc1.example.com".to_owned(), port: 636 }.into()],
        starttls: false,
        cleartext: false,
        ca_file: None,
        client_certificate: None,
        bind: Bind::Simple {
            dn: "cn=rosterd,dc=example,dc=com".to_owned(),
            password: PasswordSource::Typed(Typed::new("hunter2").unwrap()),
        },
        base_dn: "dc=example,dc=com".to_owned(),
        kind: None,
        page_size: 1000,
        page_rate: 0,
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(60),
        run_timeout: Duration::from_secs(1800),
        outside: Vec::new(),
        must_see: Vec::new(),
    }
}

fn survey(people: People) -> Survey {
    let about = About {
        server: "ldaps://dc1.example.com:636".to_owned(),
        kind: Kind::OpenLdap,
        vendor: "Open\nLDAP\u{1b}[2J # \"".to_owned(),
        naming_contexts: vec!["dc=example,dc=com".to_owned()],
        default_context: None,
        directory_id: String::new(),
        authorized_as: None,
        pages: true,
        controls: std::collections::BTreeSet::new(),
        certificate: None,
        clock: None,
        read_only: false,
        schema: None,
    };
    let base = Base { dn: "dc=example,dc=com".to_owned(), why: Why::Only };
    Survey {
        settings: settings(),
        about,
        base,
        people,
        groups: Found { filter: "(cn=*)".to_owned(), ..Found::default() },
    }
}

/// People who all have what one needs.
fn people(count: u64) -> People {
    let found = Found { filter: "(uid=*)".to_owned(), read: count, whole: true, ..Found::default() };
    let has = ["entryuuid", "uid", "mail"].map(|name| (name.to_owned(), count));
    let domains = BTreeMap::from([("example.com".to_owned(), count)]);
    People { found, has: BTreeMap::from(has), domains, ..People::default() }
}

/// What is written for them; it loads.
#[track_caller]
fn written(survey: &Survey, domains: &[&str]) -> Proposal {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
    let choices = Choices {
        name: None,
        password_file: Some("bind-password".to_owned()),
        domains: domains.iter().map(|name| Domain::parse(name).unwrap()).collect(),
        store: None,
        now,
    };
    let proposal = proposal(survey, &[], &choices);
    let (file, secret) = (folder.path().join("rosterd.toml"), folder.path().join("bind-password"));
    std::fs::write(&file, &proposal.text).unwrap();
    std::fs::write(&secret, "hunter2").unwrap();
    std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let surroundings = Environment { variables: Vec::new(), credentials: None, now };
    let loaded = load_in(&file, &surroundings);
    assert!(loaded.is_ok(), "{:?}\n{}", loaded.err(), proposal.text);
    assert!(!proposal.text.contains("hunter2"));
    proposal
}

#[track_caller]
fn says(text: &str, words: &str) {
    let unfolded = text.replace("\n# ", " ");
    assert!(text.contains(words) || unfolded.contains(words), "{words}\n{text}");
}

#[test]
fn a_directory_without_surprises_is_written_without_warnings() {
    let made = written(&survey(people(3)), &[]);
    assert_eq!(made.warnings, Vec::<String>::new());
    says(&made.text, "name = \"example\"");
    says(&made.text, "managed = [\"example.com\"]");
    says(&made.text, "# unique_id = \"entryUUID\"");
    assert!(made.text.lines().all(|line| !line.chars().any(char::is_control)), "whatever a server calls itself");
    assert!(made.text.lines().filter(|line| !line.contains(" = ")).all(|line| line.chars().count() <= WIDTH));
}

#[test]
fn what_needs_a_look_is_a_warning_in_the_file_and_beside_it() {
    let cut = |mut people: People| {
        people.found.trouble = Some("the server said code 4".to_owned());
        people
    };
    let open = |mut survey: Survey| {
        survey.settings.urls = vec![ServerUrl::Ldap { host: "dc1.example.com".to_owned(), port: 389 }.into()];
        survey.settings.cleartext = true;
        survey
    };
    let nameless = People { has: BTreeMap::from([("uid".to_owned(), 2)]), ..people(3) };
    for (survey, words) in [
        (survey(People::default()), "Nobody was found under `dc=example,dc=com`"),
        (survey(cut(people(3))), "no run will be complete until that is settled: the server said code 4"),
        (survey(nameless), "Nobody shows entryUUID"),
        (survey(People { unreadable: 2, ..people(3) }), "2 of them cannot be understood"),
        (open(survey(people(3))), "travel over the network in clear text"),
    ] {
        let made = written(&survey, &[]);
        assert_eq!(made.warnings.len(), 1, "{:?}", made.warnings);
        says(&made.warnings[0], words);
        says(&made.text, &format!("(!) {}", made.warnings[0]));
    }
}

/// D1: what is given holds; what was found is said.
#[test]
fn domains_are_those_given_else_those_found_unless_there_are_too_many() {
    let mut several = people(3);
    several.domains.insert("example.org".to_owned(), 2);
    let made = written(&survey(several.clone()), &[]);
    says(&made.text, "example.com (3), example.org (2). Take out what is not yours");
    says(&made.text, "managed = [\"example.com\", \"example.org\"]");
    let made = written(&survey(several), &["example.com", "example.net"]);
    says(&made.text, "managed = [\"example.com\", \"example.net\"]");
    says(&made.text, "Left out are people with primary addresses in example.org (2).");
    assert_eq!(made.warnings, ["Nobody who was found has a primary address in example.net."]);
    let many = (0..=DOMAINS).map(|n| (format!("d{n}.example"), 1)).collect();
    let made = written(&survey(People { domains: many, ..people(51) }), &[]);
    says(&made.text, "People have primary addresses in 51 domains");
    says(&made.text, "\n# managed = [\"example.com\"]");
}

#[test]
fn an_id_that_nobody_has_is_replaced_by_another_or_by_a_name_that_everybody_has() {
    let having = |names: &[(&str, u64)]| {
        let has = names.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        written(&survey(People { has, ..people(3) }), &[])
    };
    let other = having(&[("nsuniqueid", 3), ("uid", 3)]);
    says(&other.text, "# everybody; nobody has entryUUID");
    says(&other.text, "[groups.attributes]\nunique_id = \"nsUniqueId\"");
    let name = having(&[("uid", 3)]);
    says(&name.text, "unique_id = \"uid\"");
    assert!(!name.text.contains("[groups.attributes]"), "groups have no such name: {}", name.text);
    says(&having(&[("entryuuid", 3), ("cn", 3)]).text, "username = \"cn\"");
}
