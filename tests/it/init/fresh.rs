//! Nothing is typed but URL, account, password and domain.

use super::*;
use crate::support::fake::{ACCOUNT, Act, At, Entry, Fake, Kind, PASSWORD, Paging, Tree};
use crate::support::server::Server;
use crate::support::slapd::{Options, Slapd, people};

const BASE: &str = "dc=example,dc=com";

/// Issue: URL, account, password and domain; a fresh directory with a few people.
#[test]
fn openldap_is_synchronised_with_what_init_wrote() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load(&people(BASE, 40));
    let desk = Desk::new();
    let who = (slapd.url(), slapd.bind_dn(), slapd.password());
    let said = desk.init(0, who, &["--domain", "example.com", "--out", "rosterd.toml"]);
    assert!(said.err.contains("40 people and 2 groups under dc=example,dc=com"), "{}", said.err);
    assert!(said.err.contains("rosterd check --config"), "{}", said.err);
    assert_eq!(said.out, "");
    insta::assert_snapshot!("openldap", desk.shown(slapd.url()));
    assert!(desk.written().contains("# TLS was tried first: TLS with ldap://127.0.0.1"), "{}", desk.written());
    let aloud = "warning: The server offers TLS, but its certificate is not trusted, so the password";
    assert!(said.err.contains(aloud) && said.err.contains("name its CA with --ca-file"), "{}", said.err);
    assert!(!desk.written().contains(slapd.password()));
    desk.works();
    assert_eq!(desk.people().len(), 40);
    let lines = effective(&desk, &desk.path("rosterd.toml"));
    std::fs::write(desk.path("all.toml"), spelt_out(&desk.written())).unwrap();
    let all = effective(&desk, &desk.path("all.toml"));
    for line in &lines {
        assert!(line.starts_with('#') || all.contains(line), "what is said to hold does not: {line}\n{all:#?}");
    }
}

/// E8: TLS is used wherever it is offered.
#[test]
fn openldap_is_reached_by_tls_by_socket_and_by_its_host_alone() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load(&people(BASE, 3));
    let ca = slapd.ca();
    let ca = ca.to_str().unwrap();
    let port = slapd.ldaps().rsplit_once(':').unwrap().1.to_owned();
    let starttls = slapd.url().replace("127.0.0.1", "localhost");
    let host = format!("localhost:{port}");
    for (url, key) in [
        (slapd.ldaps(), format!("urls = [\"{}\"]", slapd.ldaps())),
        (starttls.as_str(), "starttls = true".to_owned()),
        (host.as_str(), format!("urls = [\"{}\"]", slapd.ldaps())),
    ] {
        let desk = Desk::new();
        let who = (url, slapd.bind_dn(), slapd.password());
        desk.init(0, who, &["--ca-file", ca, "--out", "rosterd.toml"]);
        let text = desk.written();
        assert!(text.contains(&key) && text.contains(&format!("ca_file = \"{ca}\"")), "{url}: {text}");
        assert!(text.contains("certificate `CN=localhost`"), "{text}");
        desk.works();
        assert_eq!(desk.people().len(), 3);
    }
    let desk = Desk::new();
    desk.expect(0, &["init", slapd.ldapi(), "--out", "rosterd.toml"]);
    assert!(desk.written().contains("# bind_dn = \"\""), "{}", desk.written());
    desk.works();
    assert_eq!(desk.people().len(), 3);
    assert_eq!(desk.files().first().map(String::as_str), Some("roster.db"), "no password: {:?}", desk.files());
}

#[test]
fn samba_is_synchronised_with_what_init_wrote() {
    let Some(server) = Server::samba() else { return };
    let user = |name: &str| {
        format!(
            "dn: CN={name},OU=people,DC=example,DC=test\nchangetype: add\nobjectClass: user\nsAMAccountName: {name}\n\
             userPrincipalName: {name}@example.test\nsn: Test\nmail: {name}@example.com\nuserAccountControl: 512\n\n"
        )
    };
    server.ldif(&[user("ada"), user("bob")].concat());
    let desk = Desk::new();
    // Only the user's name: the domain is the server's.
    let said = desk.init(
        0,
        (server.url(), "rosterd", server.password()),
        &["--domain", "example.com", "--out", "rosterd.toml"],
    );
    assert!(said.err.contains("kind `active-directory`"), "{}", said.err);
    insta::assert_snapshot!("samba", desk.shown(server.url()));
    desk.works();
    assert_eq!(desk.people(), ["ada", "bob"]);
}

#[test]
fn ds389_is_synchronised_with_what_init_wrote() {
    let Some(server) = Server::ds389() else { return };
    let user = |name: &str| {
        format!(
            "dn: uid={name},ou=people,{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\n\
             sn: Test\nmail: {name}@example.com\n\n"
        )
    };
    let group = format!("dn: cn=devs,ou=groups,{BASE}\nchangetype: add\nobjectClass: groupOfNames\ncn: devs\n\n");
    server.ldif(&[user("ada"), user("bob"), group].concat());
    let desk = Desk::new();
    std::fs::copy(server.fact("ca"), desk.path("ca.pem")).unwrap();
    let who = (server.fact("ldaps"), server.bind_dn(), server.password());
    let said = desk.init(0, who, &["--domain", "example.com", "--ca-file", "ca.pem", "--out", "rosterd.toml"]);
    assert!(said.err.contains("kind `389ds`"), "{}", said.err);
    insta::assert_snapshot!("ds389", desk.shown(server.fact("ldaps")));
    desk.works();
    assert_eq!(desk.people(), ["ada", "bob"]);
}

/// Nobody is there yet: the configuration is by kind, and people come in when they are made.
#[test]
fn an_empty_directory_is_configured_by_kind() {
    let Some(server) = Server::ds389() else { return };
    let desk = Desk::new();
    let who = (server.url(), server.bind_dn(), server.password());
    let said = desk.init(0, who, &["--domain", "example.com", "--out", "rosterd.toml"]);
    assert!(said.err.contains("warning: Nobody was found under `dc=example,dc=com`"), "{}", said.err);
    let text = desk.written();
    assert!(text.contains("# filter = \"(|(objectClass=inetOrgPerson)(objectClass=nsPerson))\""), "{text}");
    desk.works();
    server.ldif(&format!(
        "dn: uid=ada,ou=people,{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: ada\ncn: ada\nsn: Test\n\
         mail: ada@example.com\n\n"
    ));
    desk.with_it(0, &["sync"]);
    assert_eq!(desk.people(), ["ada"]);
}

/// A server's root DSE, as data.
fn kind(root: &[(&'static str, &[&str])], from: Kind) -> Kind {
    let texts = |values: &[&str]| values.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    Kind { root: root.iter().map(|(name, values)| (*name, texts(values))).collect(), ..from }
}

const PAGES: &[&str] = &["1.2.840.113556.1.4.319"];
const WHO_AM_I: &[&str] = &["1.3.6.1.4.1.4203.1.11.3"];

fn units(names: &[&str]) -> Tree {
    let mut tree = Tree::default();
    tree.add(Entry::new(BASE).with("objectClass", "domain").with("dc", "example"));
    for name in names {
        let (kind, value) = name.split(',').next().unwrap().split_once('=').unwrap();
        tree.add(Entry::new(format!("{name},{BASE}")).with("objectClass", "nsContainer").with(kind, value));
    }
    tree
}

fn person(number: usize, dn: &str, id: &str) -> Entry {
    let uid = dn.split(',').next().unwrap().split_once('=').unwrap().1;
    Entry::new(format!("{dn},{BASE}"))
        .with("objectClass", "inetOrgPerson")
        .with("uid", uid)
        .with("cn", uid)
        .with("sn", uid)
        .with("mail", format!("{uid}@example.com"))
        .with(id, format!("{number:08x}-0000-4000-8000-00000000abcd"))
}

/// The people and groups of FreeIPA are read, and not those who are staged or preserved, nor the compatible copies.
#[test]
fn freeipa_is_read_where_it_keeps_its_people() {
    let from = Kind { schema: Vec::new(), subschema: None, operational: &["memberOf"], ..Kind::openldap() };
    let root: &[(&str, &[&str])] = &[
        ("objectClass", &["top"]),
        ("vendorName", &["389 Project"]),
        ("ipaDomainLevel", &["1"]),
        ("namingContexts", &["cn=changelog", "dc=example,dc=com", "o=ipaca"]),
        ("defaultNamingContext", &["dc=example,dc=com"]),
        ("supportedControl", PAGES),
        ("supportedExtension", WHO_AM_I),
    ];
    let places = ["cn=accounts", "cn=users,cn=accounts", "cn=groups,cn=accounts", "cn=compat", "cn=users,cn=compat"];
    let mut tree = units(&places);
    tree.add(person(1, "uid=ada,cn=users,cn=accounts", "ipaUniqueID"));
    tree.add(person(2, "uid=old,cn=users,cn=compat", "ipaUniqueID"));
    let group = Entry::new(format!("cn=devs,cn=groups,cn=accounts,{BASE}")).with("objectClass", "ipaUserGroup");
    tree.add(
        group
            .with("cn", "devs")
            .with("ipaUniqueID", "g1")
            .with("member", format!("uid=ada,cn=users,cn=accounts,{BASE}")),
    );
    let fake = Fake::start(kind(root, from), tree);
    let desk = Desk::new();
    let said = desk.init(0, (&fake.url(), ACCOUNT, PASSWORD), &["--out", "rosterd.toml"]);
    assert!(said.err.contains("kind `freeipa`: 1 person and 1 group"), "{}", said.err);
    insta::assert_snapshot!("freeipa", desk.shown(&fake.url()));
    desk.works();
    assert_eq!(desk.people(), ["ada"]);
}

/// What a kind does not say is found: unique id, class of people, name, further addresses, a server that cannot page.
#[test]
fn a_server_that_is_like_no_other_is_described_as_it_is() {
    let from = Kind { schema: Vec::new(), subschema: None, paging: Paging::Refused, ..Kind::openldap() };
    let root: &[(&str, &[&str])] = &[
        ("vendorName", &["Sun Microsystems, Inc."]),
        ("namingContexts", &["o=netscaperoot", "dc=other", "dc=example,dc=com"]),
        ("supportedControl", PAGES),
        ("supportedExtension", WHO_AM_I),
    ];
    let mut tree = units(&["ou=staff", "ou=teams", "ou=services"]);
    // An account that is a person, too, says nothing about where people are.
    let account = Entry::new(ACCOUNT).with("objectClass", "person").with("cn", "rosterd").with("sn", "rosterd");
    tree.add(account.with("mail", "rosterd@example.com").with("nsUniqueId", "b6068b0a-e66a11f1-baffb9db-00000009"));
    tree.add(Entry::new("dc=other").with("objectClass", "domain").with("dc", "other"));
    for (number, cn) in ["Ada", "Bob"].into_iter().enumerate() {
        let entry = Entry::new(format!("cn={cn},ou=staff,{BASE}")).with("objectClass", "person").with("cn", cn);
        let entry = entry.with("sn", cn).with("mail", format!("{cn}@example.com"));
        let entry = entry.with("mailAlternateAddress", format!("{cn}.x@example.com"));
        tree.add(entry.with("nsUniqueId", format!("b6068b0a-e66a11f1-baffb9db-0000000{number}")));
    }
    let fake = Fake::start(kind(root, from), tree);
    fake.always(At::below(BASE), Act::Refer("ldap://child.example.com/dc=child,dc=example,dc=com"));
    let desk = Desk::new();
    let said = desk.init(0, (&fake.url(), ACCOUNT, PASSWORD), &["--out", "rosterd.toml"]);
    assert!(said.err.contains("refers to other servers"), "{}", said.err);
    insta::assert_snapshot!("generic", desk.shown(&fake.url()));
    desk.works();
    assert_eq!(desk.people(), ["Ada", "Bob"], "those under ou=staff");
    let all = desk.with_it(0, &["users", "list", "--json"]).out;
    assert!(all.contains("Ada.x@example.com"), "{all}");
}
