//! A private OpenLDAP.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::server::{Server, script};
pub use super::server::{installed, left_out};

/// What is not usual about a server.
#[derive(Clone, Default, Debug)]
pub struct Options {
    /// Entries a search may return, whether paged or not; `None` = unlimited.
    pub size_limit: Option<u32>,
    /// Further lines for the database part of `slapd.conf`, such as `limits dn.exact="…" size.pr=500`.
    pub limits: String,
    /// Further `access to …` lines, tried before the usual ones.
    pub access: String,
    /// Which certificate it shows.
    pub certificate: Certificate,
    /// The address that it listens on, instead of 127.0.0.1; its URLs do not tell.
    pub listen: Option<&'static str>,
    /// LDIF to load before it serves, below the base tree. Overlays do not see it: no `memberOf` comes of it.
    pub ldif: String,
}

/// A server certificate, for `localhost`, 127.0.0.1 and ::1, signed by [`Slapd::ca`], unless said otherwise.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Certificate {
    /// As it should be.
    #[default]
    Good,
    /// Signed by `other-ca.pem`.
    Other,
    /// Until 2021-01-01.
    Expired,
    /// For `ldap.elsewhere.example`.
    WrongName,
}

impl Certificate {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "server",
            Self::Other => "other",
            Self::Expired => "expired",
            Self::WrongName => "wrong-name",
        }
    }
}

/// A running server.
pub struct Slapd(Server);

impl Deref for Slapd {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Slapd {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

impl Slapd {
    /// A server with `options`; `None`, and a line that says so, where OpenLDAP is not installed.
    pub fn start(options: Options) -> Option<Self> {
        Server::installed(&["slapd", "ldapsearch", "ldapmodify", "openssl"], "slapd ldap-utils openssl")?;
        let mut script = Command::new(script("openldap"));
        script.env("PORT", "0");
        script.env("CERT", options.certificate.name());
        script.envs(options.listen.map(|address| ("LISTEN", address)));
        if let Some(limit) = options.size_limit {
            script.env("SIZELIMIT", limit.to_string());
        }
        script.env("LIMITS", &options.limits).env("ACCESS", &options.access);
        let mut slapd = Self(Server::attend(script, "slapd-"));
        if !options.ldif.is_empty() {
            slapd.load(&options.ldif);
        }
        Some(slapd)
    }

    /// `ldaps://localhost:PORT`; listens on 127.0.0.1 only.
    pub fn ldaps(&self) -> &str {
        self.fact("ldaps")
    }

    /// `ldapi://%2F…`; SASL EXTERNAL as this user is [`Self::bind_dn`].
    pub fn ldapi(&self) -> &str {
        self.fact("ldapi")
    }

    /// The CA that signed its certificate.
    pub fn ca(&self) -> PathBuf {
        self.tls("ca.pem")
    }

    /// A file of the certificates: `other-ca.pem` (signed [`Certificate::Other`] alone), `client.pem` and `client.key` (SASL EXTERNAL as
    /// [`Self::bind_dn`]).
    pub fn tls(&self, name: &str) -> PathBuf {
        Path::new(self.fact("tls")).join(name)
    }

    /// Shows another certificate from now on; the server is away for a moment.
    pub fn show(&mut self, certificate: Certificate) {
        self.order(&format!("show {}", certificate.name()));
    }

    /// What it has logged since the first start: connections, and searches with filter, base and attributes.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join("slapd.log")).unwrap_or_default()).into_owned()
    }

    /// Replaces all data by the base tree and `ldif`; the server is away for a moment. The quick way to many entries.
    pub fn load(&mut self, ldif: &str) {
        let file = self.folder.join("load.ldif");
        std::fs::write(&file, ldif).expect("the folder takes files");
        self.order(&format!("load {}", file.display()));
        std::fs::remove_file(&file).expect("it was written");
    }

    /// Replaces all data by `count` people and a group for every twenty of them; see [`people`].
    pub fn load_people(&mut self, count: usize) {
        let ldif = people(self.base(), count);
        self.load(&ldif);
    }

    /// Sets all its data aside, as a backup does.
    pub fn back_up(&mut self) {
        self.copy_data("db", "backup");
    }

    /// Puts the data back that were set aside.
    pub fn restore(&mut self) {
        self.copy_data("backup", "db");
    }

    fn copy_data(&mut self, from: &str, to: &str) {
        self.order("stop");
        let _ = std::fs::remove_dir_all(self.folder.join(to));
        let done = Command::new("cp").arg("-a").arg(self.folder.join(from)).arg(self.folder.join(to)).status();
        assert!(done.expect("cp is there").success());
        self.order("serve");
    }
}

/// People `u00000…` with mail `u00000@example.com` and an alias `first.last.0@example.com`, in `ou=people`; groups
/// `team-0000…` of twenty in `ou=groups`. No `memberOf`.
pub fn people(base: &str, count: usize) -> String {
    use std::fmt::Write as _;
    let mut ldif = String::with_capacity(count * 400);
    for number in 0..count {
        let _ = write!(
            ldif,
            "dn: uid=u{number:05},ou=people,{base}\nobjectClass: inetOrgPerson\nobjectClass: rosterMailUser\n\
             uid: u{number:05}\ncn: Given{number} Surname{number}\ngivenName: Given{number}\nsn: Surname{number}\n\
             displayName: Given{number} Surname{number}\nmail: u{number:05}@example.com\n\
             proxyAddresses: SMTP:u{number:05}@example.com\n\
             proxyAddresses: smtp:given{number}.surname{number}@example.com\ndepartmentNumber: {}\n\n",
            number % 40
        );
    }
    for team in 0..count / 20 {
        let _ = write!(ldif, "dn: cn=team-{team:04},ou=groups,{base}\nobjectClass: groupOfNames\ncn: team-{team:04}\n");
        for number in team * 20..team * 20 + 20 {
            let _ = writeln!(ldif, "member: uid=u{number:05},ou=people,{base}");
        }
        ldif.push('\n');
    }
    ldif
}

#[test]
fn a_private_server_starts_serves_crashes_and_comes_back() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    let Some(other) = Slapd::start(Options { size_limit: Some(3), ..Options::default() }) else { return };
    assert_ne!(slapd.url(), other.url());

    slapd.load_people(40);
    let people = ["-b", "ou=people,dc=example,dc=com", "(uid=*)", "1.1"];
    assert_eq!(slapd.search(&people).matches("dn: ").count(), 40);
    slapd.ldif("dn: uid=u00001,ou=people,dc=example,dc=com\nchangetype: delete\n");
    slapd.kill();
    slapd.restart();
    let log = slapd.log();
    assert!(log.contains("slapd starting"), "{log}");
    assert_eq!(slapd.search(&people).matches("dn: ").count(), 39);
    assert_eq!(other.search(&people).matches("dn: ").count(), 0);

    let folder = slapd.folder.clone();
    drop(slapd);
    assert!(!folder.exists());
}

#[test]
fn every_way_in_is_the_service_account() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let who = |arguments: &[&str]| {
        let mut command = Command::new("ldapwhoami");
        command.args(arguments).env("LDAPTLS_CACERT", slapd.ca()).env("LDAPTLS_REQCERT", "demand");
        command.env("LDAPTLS_CERT", slapd.tls("client.pem")).env("LDAPTLS_KEY", slapd.tls("client.key"));
        String::from_utf8_lossy(&command.output().expect("ldapwhoami is installed").stdout).into_owned()
    };
    let password_file = slapd.password_file();
    let simple = ["-x", "-D", slapd.bind_dn(), "-y", password_file.to_str().expect("UTF-8")];
    let expected = format!("dn:{}\n", slapd.bind_dn());
    assert_eq!(who(&[&["-H", slapd.url()], &simple[..]].concat()), expected);
    assert_eq!(who(&[&["-H", slapd.url(), "-ZZ"], &simple[..]].concat()), expected);
    assert_eq!(who(&[&["-H", slapd.ldaps()], &simple[..]].concat()), expected);
    assert_eq!(who(&["-Q", "-Y", "EXTERNAL", "-H", slapd.ldaps()]), expected);
    assert_eq!(who(&["-Q", "-Y", "EXTERNAL", "-H", slapd.ldapi()]), expected);
}

#[test]
fn certificates_are_refused_for_the_reason_they_were_made_for() {
    let cases = [
        (Certificate::Good, "Verification: OK"),
        (Certificate::Expired, "certificate has expired"),
        (Certificate::WrongName, "hostname mismatch"),
    ];
    for (certificate, words) in cases {
        let Some(slapd) = Slapd::start(Options { certificate, ..Options::default() }) else { return };
        let mut command = Command::new("openssl");
        command.args(["s_client", "-verify_hostname", "localhost", "-CAfile"]).arg(slapd.ca());
        command.args(["-connect", &slapd.ldaps()["ldaps://".len()..]]);
        let done = command.stdin(Stdio::null()).output().expect("openssl is installed");
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(said.contains(words), "{certificate:?}: {said}");
    }
}

#[test]
fn a_frozen_server_is_silent_until_it_thaws() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let answers = |seconds: &str| {
        let mut command = Command::new("timeout");
        command.args([seconds, "ldapwhoami", "-x", "-H", slapd.url(), "-D", slapd.bind_dn(), "-w", slapd.password()]);
        command.output().expect("timeout is there").status.success()
    };
    slapd.stop();
    assert!(!answers("0.5"));
    slapd.cont();
    assert!(answers("30"));
}
