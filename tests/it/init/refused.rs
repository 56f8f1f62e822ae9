//! What `init` says when it cannot write a configuration: what is wrong, and what to do. Nothing is left half written.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use super::*;
use crate::support::fake::{ACCOUNT, Entry, Fake, Kind, PASSWORD, Tree};
use crate::support::server::Server;
use crate::support::slapd::{Certificate, Options, Slapd, people};

const OUT: &[&str] = &["--out", "rosterd.toml"];

/// Nothing was written.
#[track_caller]
fn nothing(desk: &Desk) {
    assert_eq!(desk.files(), Vec::<String>::new());
}

/// E8, E9: unreachable, not LDAP, an account that is refused.
#[test]
fn a_server_that_cannot_be_used_is_named_with_the_remedy() {
    let desk = Desk::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("ldap://127.0.0.1:{nobody}");
    let said = desk.init(1, (&url, ACCOUNT, PASSWORD), OUT);
    assert!(said.err.contains("connection refused") && said.err.contains("firewall"), "{}", said.err);
    let said = desk.init(1, ("ldaps://no-such-host.invalid", ACCOUNT, PASSWORD), OUT);
    assert!(said.err.contains("cannot resolve") && said.err.contains("check the URL"), "{}", said.err);
    let web = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", web.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in web.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    for (url, way) in [(url.clone(), "ldap"), (url.replace("ldap://", ""), "ldap")] {
        let said = desk.init(1, (&url, ACCOUNT, PASSWORD), OUT);
        let says =
            format!("{way}://{} is no LDAP server: it sent something that is not LDAP", url.replace("ldap://", ""));
        assert!(said.err.contains(&says) && said.err.contains("the port in the URL (usual are 636"), "{}", said.err);
        assert!(!said.err.contains("--cleartext"), "{}", said.err);
    }
    let said = desk.init(1, (&url.replace("ldap", "ldaps"), ACCOUNT, PASSWORD), OUT);
    assert!(
        said.err.contains("speaks no TLS on this port; use ldap://, or the port of ldaps (usually 636)"),
        "{}",
        said.err
    );
    let fake = Fake::start(Kind::openldap(), Tree::default());
    let said = desk.init(1, (&fake.url(), ACCOUNT, "wrong"), OUT);
    assert!(said.err.contains("code 49") && said.err.contains("check --bind-dn"), "{}", said.err);
    assert_eq!(fake.log().iter().filter(|line| line.contains("bind")).count(), 1, "E9: one try");
    nothing(&desk);
}

/// E8: the CA is named; a certificate that is not trusted does not lead to clear text over the network.
#[test]
fn a_certificate_that_is_not_trusted_is_named_with_its_ca() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let desk = Desk::new();
    let who = (slapd.ldaps(), slapd.bind_dn(), slapd.password());
    let said = desk.init(1, who, OUT);
    assert!(said.err.contains("CN=rosterd test ca") && said.err.contains("set --ca-file to this CA"), "{}", said.err);
    let said = desk.init(1, who, &["--ca-file", "nowhere.pem", "--out", "rosterd.toml"]);
    assert!(said.err.contains("--ca-file `nowhere.pem`: it does not exist"), "{}", said.err);
    let Some(expired) = Slapd::start(Options { certificate: Certificate::Expired, ..Options::default() }) else {
        return;
    };
    let ca = expired.ca();
    let who = (expired.ldaps(), expired.bind_dn(), expired.password());
    let said = desk.init(1, who, &["--ca-file", ca.to_str().unwrap(), "--out", "rosterd.toml"]);
    assert!(said.err.contains("has expired"), "{}", said.err);
    nothing(&desk);
}

#[test]
fn a_base_that_is_not_clear_is_asked_for() {
    let desk = Desk::new();
    let mut silent = Kind::openldap();
    silent.root.retain(|(name, _)| *name != "namingContexts");
    let fake = Fake::start(silent, Tree::default());
    let said = desk.init(1, (&fake.url(), ACCOUNT, PASSWORD), OUT);
    assert!(said.err.contains("no base was found") && said.err.contains("name the base with --base"), "{}", said.err);
    let mut several = Kind::openldap();
    let contexts = ["dc=example,dc=com", "dc=example,dc=org"];
    several.root.retain(|(name, _)| *name != "namingContexts");
    several.root.push(("namingContexts", contexts.map(str::to_owned).to_vec()));
    let mut tree = Tree::default();
    for base in contexts {
        tree.add(Entry::new(base).with("objectClass", "domain"));
        tree.add(Entry::new(format!("uid=ada,{base}")).with("objectClass", "inetOrgPerson").with("uid", "ada"));
    }
    let fake = Fake::start(several, tree);
    let said = desk.init(1, (&fake.url(), ACCOUNT, PASSWORD), OUT);
    assert!(said.err.contains("`dc=example,dc=com`, `dc=example,dc=org`, with people in several"), "{}", said.err);
    fake.tree().remove("uid=ada,dc=example,dc=com");
    let found = desk.init(0, (&fake.url(), ACCOUNT, PASSWORD), &["--json"]);
    assert!(found.out.contains("\"base_dn\": \"dc=example,dc=org\""), "{}", found.out);
    fake.tree().remove("uid=ada,dc=example,dc=org");
    let found = desk.init(0, (&fake.url(), ACCOUNT, PASSWORD), &["--json"]);
    assert!(found.out.contains("\"base_dn\": \"dc=example,dc=com\""), "that of the account: {}", found.out);
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let who = (slapd.url(), slapd.bind_dn(), slapd.password());
    let said = desk.init(1, who, &["--base", "ou=nowhere,dc=example,dc=com", "--out", "rosterd.toml"]);
    assert!(said.err.contains("only `dc=example,dc=com` does") && said.err.contains("correct --base"), "{}", said.err);
    nothing(&desk);
}

#[test]
fn words_that_are_missing_or_wrong_end_with_2_before_anything_is_sent() {
    let fake = Fake::start(Kind::openldap(), Tree::default());
    let url = fake.url();
    let desk = Desk::new();
    let wrong: [(&[&str], &str); 7] = [
        (&["init"], "<URL>"),
        (&["init", "http://dc1"], "is not a URL of a directory"),
        (&["init", &url], "is OpenLDAP for dc=example,dc=com; name the account to bind as with --bind-dn"),
        (&["init", &url, "--bind-dn", ACCOUNT], "--password-file"),
        (&["init", &url, "--bind-dn", "rosterd"], "is no DN"),
        (&["init", &url, "--base", "example"], "a base is written like"),
        (&["init", &url, "--store", "roster.db"], "is not a URL"),
    ];
    for (words, says) in wrong {
        let said = desk.expect(2, words);
        assert!(said.err.contains(says), "{words:?}: {}", said.err);
    }
    nothing(&desk);
    assert!(!fake.log().iter().any(|line| line.contains("bind")), "no password was sent");
}

#[test]
fn files_that_are_there_are_kept_unless_force_is_given() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load(&people("dc=example,dc=com", 3));
    let desk = Desk::new();
    let who = (slapd.url(), slapd.bind_dn(), slapd.password());
    std::fs::write(desk.path("rosterd.toml"), "mine\n").unwrap();
    let said = desk.init(1, who, OUT);
    assert!(said.err.contains("is there already; --force replaces it"), "{}", said.err);
    assert_eq!(desk.written(), "mine\n");
    std::fs::remove_file(desk.path("rosterd.toml")).unwrap();
    std::fs::write(desk.path("bind-password"), "mine\n").unwrap();
    let said = desk.init(1, who, OUT);
    assert!(said.err.contains("bind-password is there already"), "{}", said.err);
    assert_eq!(desk.files(), ["bind-password"]);
    desk.init(0, who, &["--out", "rosterd.toml", "--force"]);
    desk.works();
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("rosterd.toml") | 0o044, mode("bind-password")), (0o644, 0o600));
    // --config names the file as well; what is there is replaced on purpose only.
    let again = desk.init(1, who, &["--config", "rosterd.toml"]);
    assert!(again.err.contains("--force"), "{}", again.err);
    let nowhere = desk.init(1, who, &["--out", "nowhere/rosterd.toml"]);
    assert!(nowhere.err.contains("there is no folder"), "{}", nowhere.err);
}

/// Without a file the configuration, and nothing else, goes to standard output.
#[test]
fn the_configuration_goes_to_standard_output_or_comes_as_json() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load(&people("dc=example,dc=com", 3));
    let desk = Desk::new();
    let file = slapd.password_file();
    let words = ["init", slapd.url(), "--bind-dn", slapd.bind_dn(), "--password-file", file.to_str().unwrap()];
    let said = desk.expect(0, &words);
    nothing(&desk);
    assert!(said.err.contains("3 people and 0 groups"), "{}", said.err);
    std::fs::write(desk.path("rosterd.toml"), &said.out).unwrap();
    desk.works();
    let json = desk.expect(0, &[&words[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["kind"], &json["people"]), (&"openldap".into(), &3.into()));
    assert_eq!(json["toml"], said.out);
    std::fs::write(desk.path("open"), "x").unwrap();
    std::process::Command::new("chmod").arg("644").arg(desk.path("open")).status().unwrap();
    let open = desk.expect(1, &["init", slapd.url(), "--bind-dn", slapd.bind_dn(), "--password-file", "open"]);
    assert!(open.err.contains("chmod 0600"), "{}", open.err);
}

/// On a terminal the account and the password are asked for; the password is not shown.
#[test]
fn a_terminal_is_asked_for_account_and_password() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    if Server::installed(&["script"], "bsdutils").is_none() {
        return;
    }
    slapd.load(&people("dc=example,dc=com", 3));
    let desk = Desk::new();
    let line = format!("{} init {} --out rosterd.toml", env!("CARGO_BIN_EXE_rosterd"), slapd.url());
    let mut script = Command::new("timeout");
    let script = script.args(["60", "script", "-qec", &line, "/dev/null"]).current_dir(desk.folder.path());
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut seen = String::new();
    for (question, answer) in [("Account to bind as:", slapd.bind_dn()), ("Password of", slapd.password())] {
        let mut bytes = [0; 256];
        while !seen.contains(question) || !seen.trim_end_matches(' ').ends_with(':') {
            let read = screen.read(&mut bytes).unwrap();
            assert!(read > 0, "{seen}");
            seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        writeln!(keys, "{answer}").unwrap();
    }
    screen.read_to_string(&mut seen).unwrap();
    assert!(child.wait().unwrap().success(), "{seen}");
    assert!(!seen.contains(slapd.password()) && seen.contains("is written"), "{seen}");
    desk.works();
}

/// I9: two directories of one folder are not mixed up: the second is refused under the name and in the store of the first.
#[test]
fn two_directories_in_one_folder_do_not_share_name_and_store() {
    let (first, second) =
        (Fake::start(Kind::openldap(), Tree::default()), Fake::start(Kind::openldap(), Tree::default()));
    for fake in [&first, &second] {
        fake.tree().add(Entry::new("dc=example,dc=com").with("objectClass", "domain"));
    }
    let desk = Desk::new();
    desk.init(0, (&first.url(), ACCOUNT, PASSWORD), &["--out", "first.toml"]);
    let words = |more: &[&'static str]| {
        let url: &'static str = Box::leak(second.url().into_boxed_str());
        [&["init", url, "--bind-dn", ACCOUNT, "--password-file", "bind-password"][..], more].concat()
    };
    let files = desk.files();
    let said = desk.expect(1, &words(&["--out", "second.toml"]));
    assert!(said.err.contains("first.toml reads another directory, `dc=example,dc=com` of ldap://"), "{}", said.err);
    assert!(said.err.contains("as source `example` into the same store"), "{}", said.err);
    assert!(said.err.contains("--name") && said.err.contains("--store"), "{}", said.err);
    assert_eq!(desk.files(), files, "nothing is written");
    let said = desk.expect(0, &words(&[]));
    assert!(said.err.contains("warning: ") && said.err.contains("first.toml reads another directory"), "{}", said.err);
    desk.expect(0, &words(&["--out", "second.toml", "--name", "other"]));
    // The same directory again is no other one.
    desk.init(0, (&first.url(), ACCOUNT, PASSWORD), &["--out", "third.toml", "--force"]);
}

/// Files named with `..` are the same ones wherever somebody stands.
#[test]
fn files_are_written_with_their_whole_path() {
    let fake = Fake::start(Kind::openldap(), Tree::default());
    fake.tree().add(Entry::new("dc=example,dc=com").with("objectClass", "domain"));
    let desk = Desk::new();
    std::fs::create_dir(desk.path("sub")).unwrap();
    desk.init(0, (&fake.url(), ACCOUNT, PASSWORD), &["--out", "first.toml"]);
    let url = fake.url();
    let mut command = desk.command(&["init", &url, "--bind-dn", ACCOUNT, "--password-file", "../bind-password"]);
    let status = command.args(["--out", "../rosterd.toml"]).current_dir(desk.path("sub")).status().unwrap();
    assert!(status.success());
    let folder = std::fs::canonicalize(desk.folder.path()).unwrap();
    let folder = folder.display();
    for line in
        [format!("bind_password_file = \"{folder}/bind-password\""), format!("url = \"sqlite://{folder}/roster.db\"")]
    {
        assert!(desk.written().contains(&line), "{line}\n{}", desk.written());
    }
}

/// E8: a domain controller that wants TLS, with a certificate of a CA that is not known here.
#[test]
fn a_server_that_wants_tls_is_told_with_what_came_of_trying_it() {
    let Some(server) = Server::strict_samba() else { return };
    let desk = Desk::new();
    let said = desk.init(1, (server.url(), "rosterd", server.password()), OUT);
    assert!(said.err.contains("the server demands TLS"), "{}", said.err);
    assert!(said.err.contains("TLS was tried first") && said.err.contains("set --ca-file to this CA"), "{}", said.err);
    nothing(&desk);
}
