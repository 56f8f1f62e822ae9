//! Configuration files, good and bad. `data/config/*.toml` are read from a folder of their own, beside the files they
//! name; what is said about each stands beside it in `*.txt`. `ROSTERD_BLESS=1` writes those anew.

mod values;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rosterd::clock::{Timestamp, environment};
use rosterd::config::{Config, Environment, Problems, When, load_in, missing_from_example, reference};
use rosterd::directory::{Bind, DisabledTest, PasswordSource, ServerUrl};
use rosterd::plan::policy::Delay;
use rosterd::roster::FieldNames;
use rosterd::store::Action;
use secrecy::ExposeSecret;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> PathBuf {
    repository().join("tests/it/data/config")
}

fn surroundings(variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        credentials: None,
        now: Timestamp::parse("2026-06-01T00:00:00Z").unwrap(),
    }
}

/// A folder with every case and the files that cases name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(cases()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "toml") {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let put = |name: &str, content: &[u8], mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    let long = "x".repeat(1025);
    for (name, content, mode) in [
        ("good-password", "hunter2\n", 0o600),
        ("read-only-password", "hunter2\r\n", 0o400),
        ("world-readable-password", "hunter2\n", 0o644),
        ("group-readable-password", "hunter2\n", 0o640),
        ("empty-password", "", 0o600),
        ("blank-password", " \t\n", 0o600),
        ("long-password", long.as_str(), 0o600),
        ("no-certificate.pem", "nothing\n", 0o644),
        ("broken-certificate.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", 0o644),
    ] {
        put(name, content.as_bytes(), mode);
    }
    put("binary-password", &[0xff, 0xfe], 0o600);
    let pair = rcgen::generate_simple_self_signed(["dc1.example.com".to_owned()]).unwrap();
    put("ca.pem", pair.cert.pem().as_bytes(), 0o644);
    put("client.key", pair.signing_key.serialize_pem().as_bytes(), 0o600);
    put("open.key", pair.signing_key.serialize_pem().as_bytes(), 0o644);
    std::fs::create_dir(folder.path().join("a-folder")).unwrap();
    folder
}

/// Reads a text as a configuration beside the files of [`folder`].
fn read_with(text: &str, environment: &Environment) -> Result<Config, Problems> {
    let folder = folder();
    let path = folder.path().join("rosterd.toml");
    std::fs::write(&path, text).unwrap();
    load_in(&path, environment)
}

fn read(text: &str) -> Result<Config, Problems> {
    read_with(text, &surroundings(&[]))
}

/// The smallest configuration there is.
const SMALL: &str = "[source]\nurls = [\"ldapi://%2Frun%2Fslapd%2Fldapi\"]\nbase_dn = \"dc=example,dc=com\"\n";

/// What is said about one case, with the folder written as `DIR`.
fn said(folder: &Path, name: &str) -> String {
    let told = match load_in(&folder.join(name), &surroundings(&[])) {
        Ok(config) => config.notes.iter().map(|note| format!("note: {note}\n")).collect(),
        Err(problems) => format!("{problems}\n"),
    };
    told.replace(&format!("{}/", folder.display()), "DIR/")
}

/// VIPRE-34, COVATA-22, COVATA-25, COVATA-44, UNBLU-24, UNBLU-47, E8, L3, S2
#[test]
fn every_bad_file_is_told_as_its_text_says() {
    let folder = folder();
    let bless = environment("ROSTERD_BLESS").is_some();
    let mut names: Vec<String> = std::fs::read_dir(cases())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml") && !name.starts_with("common"))
        .collect();
    names.sort();
    assert!(names.len() > 40, "the cases are gone");
    let mut wrong = Vec::new();
    for name in names {
        let expected = cases().join(&name).with_extension("txt");
        let said = said(folder.path(), &name);
        assert!(!said.is_empty(), "nothing is said about {name}");
        assert!(!said.contains("hunter2"), "{name} tells a password: {said}");
        if bless {
            std::fs::write(expected, said).unwrap();
        } else if std::fs::read_to_string(expected).unwrap_or_default() != said {
            wrong.push(format!("{name} now says:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_text_beside_the_cases_has_its_case() {
    for entry in std::fs::read_dir(cases()).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("toml").exists(), "{} has no case", path.display());
    }
}

/// Every problem of one file at once, each with its line and the nearest key.
#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let text = "[source]\nurl = [\"ldaps://dc1\"]\nbind_dn = \"cn=x,dc=example\"\npage_size = \"many\"\n\
                base_dn = \"dc=example\"\nca_file = \"missing.pem\"\nbind_password_file = \"world-readable-password\"\n\
                [deletion]\ndelay = \"3d\"\n\
                [[schedule]]\ncron = \"*/5 * * * *\"\n[[schedule]]\nevery = \"often\"\n[sore]\nx = 1\n";
    let shown = read(text).unwrap_err().to_string();
    let lines: Vec<&str> = shown.lines().collect();
    let expected = [
        ("rosterd.toml:2: source.url: ", "source.urls"),
        ("rosterd.toml:4: source.page_size: ", "whole number"),
        ("rosterd.toml:6: source.ca_file: ", "no such file"),
        ("rosterd.toml:7: source.bind_password_file: ", "chmod 600"),
        ("rosterd.toml:9: deletion.delay: ", "deletion.minimum (7d)"),
        ("rosterd.toml:11: schedule.cron: ", "\"0 */5 * * * *\""),
        ("rosterd.toml:13: schedule.every: ", "\"6h\""),
        ("rosterd.toml:14: sore: ", "store"),
    ];
    assert_eq!(lines.len(), expected.len(), "{shown}");
    for (line, (place, says)) in lines.iter().zip(expected) {
        assert!(line.contains(place) && line.contains(says), "{line} is not {place} … {says}");
    }
}

#[test]
fn a_small_file_is_enough_and_the_rest_has_its_default() {
    let config = read(SMALL).unwrap();
    assert_eq!(config.source.urls, [ServerUrl::Ldapi { path: "/run/slapd/ldapi".into() }.into()]);
    assert_eq!(config.source.bind, Bind::External);
    assert_eq!((config.source.page_size, config.source.read_timeout), (1000, Duration::from_secs(60)));
    assert_eq!(config.users.as_ref().unwrap().base_dns, ["dc=example,dc=com"]);
    assert_eq!(config.groups.as_ref().unwrap().base_dns, ["dc=example,dc=com"]);
    assert_eq!((config.managed.clone(), config.address_required), (None, true));
    let day = Duration::from_secs(86_400);
    assert_eq!(
        (config.delay, config.disabled_delay, config.minimum),
        (Delay::After(day * 14), Delay::After(day * 14), day * 7)
    );
    assert_eq!(
        (config.brake.percent, config.brake.at_least, config.brake.at_most, config.brake.window),
        (10.0, 5, 500, day)
    );
    assert_eq!(config.schedules.len(), 1);
    assert_eq!((&config.schedules[0].when, config.schedules[0].action), (&When::Every(day / 4), Action::All));
    assert_eq!(config.store.url, "sqlite:///var/lib/rosterd/roster.db");
    assert_eq!(config.history_keep, day * 400);
    assert!(config.notes.is_empty() && config.enabled);
}

#[test]
fn what_is_written_arrives() {
    let text = r#"
[source]
name = "corp"
urls = ["ldap://dc1.example.com", "ldap://[2001:db8::1]:1389"]
starttls = true
ca_file = "ca.pem"
bind_dn = "cn=rosterd,dc=example,dc=com"
bind_password_file = "read-only-password"
base_dn = "dc=example,dc=com"
page_rate = 5
outside = ["dc=child,dc=example,dc=com"]
[users]
base_dns = ["ou=people,dc=example,dc=com", "OU=Staff , DC=example,dc=com"]
address = "optional"
[users.attributes]
notes = ""
aliases = []
[users.attributes.extra]
cost_center = "employeeType"
[[users.disabled]]
attribute = "employeeType"
values = ["left"]
[[users.disabled]]
filter = "(&(a=b)(!(c=\\28)))"
[groups]
enabled = false
[domains]
managed = ["Example.COM", "müller.example"]
[deletion]
delay = "never"
disabled_delay = "0d"
minimum = "0d"
[brake]
percent = 2.5
[[schedule]]
cron = "0 */15 * * * ?"
action = "users"
timezone = "europe/zurich"
[[schedule]]
at = "@reboot"
[store]
url = "postgres://rosterd@db/roster"
password_file = "good-password"
"#;
    let config = read(text).unwrap();
    assert!(config.notes.is_empty(), "{:?}", config.notes);
    assert!(matches!(&config.source.bind, Bind::Simple { dn, password: PasswordSource::File(file) }
        if dn == "cn=rosterd,dc=example,dc=com" && file.ends_with("read-only-password") && file.is_absolute()));
    assert!(config.source.ca_file.as_ref().is_some_and(|file| file.is_absolute()));
    let users = config.users.as_ref().unwrap();
    assert_eq!(users.attributes.single.get("notes").map(String::as_str), Some(""));
    assert_eq!(users.attributes.single.get("mail"), None);
    assert_eq!(users.attributes.aliases, Some(Vec::new()));
    assert_eq!(users.attributes.extra["cost_center"], "employeeType");
    assert_eq!(users.disabled.as_ref().unwrap()[1], DisabledTest::Filter { filter: "(&(a=b)(!(c=\\28)))".into() });
    assert_eq!(config.groups, None);
    let managed: Vec<String> = config.managed.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(managed, ["example.com", "xn--mller-kva.example"]);
    assert_eq!((config.delay, config.disabled_delay), (Delay::Never, Delay::After(Duration::ZERO)));
    assert_eq!(config.schedules[0].text, "0 */15 * * * ? (Europe/Zurich)");
    assert_eq!((config.schedules[0].action, &config.schedules[1].when), (Action::Users, &When::Reboot));
    let after = Timestamp::parse("2026-06-01T10:01:00Z").unwrap();
    assert_eq!(config.schedules[0].next_after(after), Timestamp::parse("2026-06-01T10:15:00Z"));
    assert_eq!(config.schedules[1].next_after(after), None);
    assert_eq!(config.store.password.as_ref().unwrap().expose_secret(), "hunter2");
    let policy = config.policy(Default::default(), FieldNames::new(["cost_center"]), Default::default());
    assert_eq!((policy.source.as_str(), policy.address_required, policy.brake), ("corp", false, config.brake));
    assert!(!format!("{config:?}{}", config.render()).contains("hunter2"));
}

/// UNBLU-46, UNBLU-48
#[test]
fn a_common_file_comes_first_and_its_problems_bear_its_name() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("shared")).unwrap();
    std::fs::copy(path("good-password"), path("shared/password")).unwrap();
    std::fs::set_permissions(path("shared/password"), PermissionsExt::from_mode(0o600)).unwrap();
    let common = "[source]\nbase_dn = \"dc=common\"\npage_size = 7\nbind_dn = \"cn=x,dc=example\"\n\
                  bind_password_file = \"password\"\n[[schedule]]\nevery = \"1h\"\n";
    std::fs::write(path("shared/common.toml"), common).unwrap();
    let main = "include = [\"shared/common.toml\"]\n[source]\nurls = [\"ldaps://dc1\"]\nbase_dn = \"dc=example\"\n";
    std::fs::write(path("main.toml"), main).unwrap();
    let config = load_in(&path("main.toml"), &surroundings(&[])).unwrap();
    assert_eq!((config.source.base_dn.as_str(), config.source.page_size), ("dc=example", 7));
    assert_eq!(config.schedules[0].text, "every 1h");

    std::fs::write(path("shared/common.toml"), "[source]\npage_siz = 7\n").unwrap();
    let shown = load_in(&path("main.toml"), &surroundings(&[])).unwrap_err().to_string();
    assert!(shown.contains("shared/common.toml:2: source.page_siz: "), "{shown}");

    std::fs::write(path("shared/common.toml"), "include = [\"../main.toml\"]\n").unwrap();
    let shown = load_in(&path("main.toml"), &surroundings(&[])).unwrap_err().to_string();
    assert!(shown.contains("shared/common.toml:1: include: ") && shown.contains("again"), "{shown}");
}

/// OKV-13
#[test]
fn the_environment_wins_over_every_file() {
    let environment = surroundings(&[
        ("ROSTERD_CONFIG", "/etc/rosterd/rosterd.toml"),
        ("ROSTERD_LOG", "debug"),
        ("ROSTERD_TEST_REQUIRE__X", "1"),
        ("ROSTERD_SOURCE__URLS", "ldaps://dc1, ldaps://dc2"),
        ("ROSTERD_SOURCE__BIND_DN", "cn=rosterd,dc=example,dc=com"),
        ("ROSTERD_SOURCE__BIND_PASSWORD_FILE", "good-password"),
        ("ROSTERD_SOURCE__PAGE_SIZE", "5"),
        ("ROSTERD_USERS__BASE_DNS", "ou=people,dc=example,dc=com"),
        ("ROSTERD_USERS__ATTRIBUTES__MAIL", "rfc822Mailbox"),
        ("ROSTERD_USERS__ATTRIBUTES__EXTRA__COST_CENTER", "employeeType"),
        ("ROSTERD_GROUPS__BASE_DNS", r#"["ou=a,dc=example,dc=com", "ou=b,dc=example,dc=com"]"#),
        ("ROSTERD_GROUPS__ENABLED", "true"),
        ("ROSTERD_DOMAINS__MANAGED", "example.com,example.org"),
        ("ROSTERD_BRAKE__PERCENT", "12.5"),
        ("ROSTERD_SCHEDULE__0__EVERY", "5m"),
        ("ROSTERD_SCHEDULE__1__CRON", "0 0 3 * * ?"),
    ]);
    let config = read_with(SMALL, &environment).unwrap();
    assert_eq!(config.source.urls.len(), 2);
    assert!(matches!(config.source.bind, Bind::Simple { .. }));
    assert_eq!(config.source.page_size, 5);
    let users = config.users.as_ref().unwrap();
    assert_eq!(users.base_dns, ["ou=people,dc=example,dc=com"]);
    assert_eq!(users.attributes.single["mail"], "rfc822Mailbox");
    assert_eq!(users.attributes.extra["cost_center"], "employeeType");
    assert_eq!(config.groups.as_ref().unwrap().base_dns.len(), 2);
    assert_eq!(config.managed.as_ref().unwrap().len(), 2);
    assert_eq!(config.brake.percent, 12.5);
    let texts: Vec<&str> = config.schedules.iter().map(|schedule| schedule.text.as_str()).collect();
    assert_eq!(texts, ["every 5m", "0 0 3 * * ? (UTC)"]);
    assert!(config.notes.is_empty(), "{:?}", config.notes);
}

#[test]
fn variables_that_stand_for_no_key_are_told_and_passwords_are_not_repeated() {
    let environment = surroundings(&[
        ("ROSTERD_SOURCE__BIND_DNN", "hunter2"),
        ("ROSTERD_SOURCE__BIND_PASSWORD", "hunter2"),
        ("ROSTERD_SOURCE__PAGE_SIZE", "many"),
        ("ROSTERD_STORE__URL", "postgres://rosterd:hunter2@db/roster"),
        ("ROSTERD_SCHEDULE__7__EVERY", "5m"),
        ("ROSTERD_DELETON__DELAI", "20d"),
        ("ROSTERD_XYZZY__QQQ", "1"),
    ]);
    let shown = read_with(SMALL, &environment).unwrap_err().to_string();
    for expected in [
        "environment ROSTERD_SOURCE__BIND_DNN: source.bind_dnn: there is no such key; did you mean ROSTERD_SOURCE__BIND_DN?",
        "ROSTERD_SOURCE__BIND_PASSWORD: source.bind_password: a password never stands here",
        "ROSTERD_SOURCE__PAGE_SIZE: source.page_size: a string where a whole number is needed",
        "ROSTERD_STORE__URL: store.url: a URL takes no password",
        "ROSTERD_SCHEDULE__7__EVERY: schedule: there is no [[schedule]] number 7",
        "ROSTERD_DELETON__DELAI: deleton.delai: there is no such key; did you mean ROSTERD_DELETION__DELAY?",
        "ROSTERD_XYZZY__QQQ: xyzzy.qqq: there is no such key; known here: brake, deletion, domains, ",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    let config = read_with(SMALL, &surroundings(&[("ROSTERD_SOURCE_BIND_DN", "x")])).unwrap();
    assert!(config.notes[0].to_string().contains("did you mean ROSTERD_SOURCE__BIND_DN?"), "{:?}", config.notes);
}

#[test]
fn a_credential_is_looked_for_where_systemd_puts_it() {
    let folder = folder();
    let path = folder.path().join("rosterd.toml");
    let text = "[source]\nurls = [\"ldaps://dc1\"]\nbase_dn = \"dc=example\"\nbind_dn = \"cn=x,dc=example\"\n\
                bind_password_credential = \"good-password\"\n[store]\nurl = \"postgres://rosterd@db/roster\"\n\
                password_credential = \"good-password\"\n";
    std::fs::write(&path, text).unwrap();
    let mut environment = surroundings(&[]);
    let config = load_in(&path, &environment).unwrap();
    assert_eq!(config.notes.len(), 2, "{:?}", config.notes);
    environment.credentials = Some(folder.path().to_owned());
    // systemd grants the service's account by an access list, whose mask stands where the group's bits were.
    std::fs::set_permissions(folder.path().join("good-password"), PermissionsExt::from_mode(0o440)).unwrap();
    let config = load_in(&path, &environment).unwrap();
    assert_eq!(config.store.password.unwrap().expose_secret(), "hunter2");
    assert!(config.notes.is_empty());
    environment.credentials = Some(folder.path().join("a-folder"));
    let shown = load_in(&path, &environment).unwrap_err().to_string();
    assert!(shown.contains("toml:5: source.bind_password_credential: cannot read the password file"), "{shown}");
}

#[test]
fn what_is_printed_reads_the_same_again() {
    let folder = folder();
    for name in ["note-complete.toml", "note-later-features.toml", "note-base-outside.toml"] {
        let first = load_in(&folder.path().join(name), &surroundings(&[])).unwrap();
        let printed = first.render();
        let path = folder.path().join("printed.toml");
        std::fs::write(&path, &printed).unwrap();
        let again = load_in(&path, &surroundings(&[])).unwrap_or_else(|problems| panic!("{problems}\n{printed}"));
        assert_eq!(again.render(), printed);
        assert_eq!(again.source, first.source);
        assert_eq!((again.users, again.groups, again.schedules), (first.users, first.groups, first.schedules));
    }
}

/// UNBLU-10
#[test]
fn a_file_that_is_not_there_is_told_with_the_way_out() {
    let shown = load_in(Path::new("/nowhere/rosterd.toml"), &surroundings(&[])).unwrap_err().to_string();
    assert!(
        shown.starts_with(
            "/nowhere/rosterd.toml: cannot read the configuration: there is no such file; let `rosterd init URL --out FILE`"
        ),
        "{shown}"
    );
}

proptest::proptest! {
    #[test]
    fn no_file_makes_it_panic(text in "([a-z_]{0,9}|[\\[\\]{}=\"'#.,\\n -]|source|users|schedule|\\PC){0,60}") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rosterd.toml");
        std::fs::write(&path, &text).unwrap();
        if let Err(problems) = load_in(&path, &surroundings(&[("ROSTERD_USERS__PRIMARY", &text)])) {
            assert!(!problems.is_empty() && !problems.to_string().is_empty());
        }
    }
}

fn example() -> String {
    std::fs::read_to_string(repository().join("config/rosterd.example.toml")).unwrap()
}

#[test]
fn the_example_has_every_key_with_its_default() {
    assert_eq!(missing_from_example(&example()), Vec::<String>::new());
    let less = example().replace("# page_size = 1000", "# page_size = 999").replace("# managed = ", "# manage = ");
    assert_eq!(missing_from_example(&less).len(), 3, "{:?}", missing_from_example(&less));
}

#[test]
fn the_example_is_read_with_and_without_its_comments() {
    let config = read(&example().replace("/etc/rosterd/bind-password", "good-password")).unwrap();
    assert!(config.notes.is_empty(), "{:?}", config.notes);
    let small = read(SMALL).unwrap().render();
    let same = |text: &str| {
        let own = ["name = ", "urls = ", "bind_dn = ", "bind_password_file = "];
        text.lines().filter(|line| !own.iter().any(|key| line.starts_with(key))).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(same(&config.render()), same(&small), "the example asks for something else than the defaults");
}

#[test]
fn the_reference_has_every_key() {
    let path = repository().join("docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mark = text.find("<!-- From here on generated").unwrap();
    let end = mark + text[mark..].find('\n').unwrap() + 1;
    let expected = format!("{}{}", &text[..end], reference());
    if environment("ROSTERD_BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            text == expected,
            "docs/configuration.md is stale: ROSTERD_BLESS=1 cargo test the_reference_has_every_key"
        );
    }
}
