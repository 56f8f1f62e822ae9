//! A private OpenLDAP: `tests/support/openldap attend` for as long as a [`Slapd`] lives.
//!
//! The server ends with the value, and with this process however it ends: the script sees the end of its input, and
//! the kernel kills the server when the script is gone. Any number may run at once.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};

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
    /// LDIF to load before it serves, below the base tree. Overlays do not see it: no `memberOf` comes of it.
    pub ldif: String,
}

/// A server certificate, for `localhost`, 127.0.0.1 and ::1 unless said otherwise, signed by [`Slapd::ca`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Certificate {
    /// As it should be.
    #[default]
    Good,
    /// Until 2021-01-01.
    Expired,
    /// For `ldap.elsewhere.example`.
    WrongName,
}

/// A running server.
pub struct Slapd {
    script: Child,
    /// `None` once dropped: the end of its input is what the script waits for.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    facts: Vec<(String, String)>,
    folder: PathBuf,
}

/// Says on standard error that a suite is left out, or fails when `ROSTERD_TEST_REQUIRE=1`.
pub fn left_out(suite: &str, why: &str) {
    let required = rosterd::clock::environment("ROSTERD_TEST_REQUIRE").as_deref() == Some("1");
    assert!(!required, "left out: {suite}: {why}, but ROSTERD_TEST_REQUIRE=1");
    // past the capture of the test harness, so that it is seen
    let _ = std::io::stderr().write_all(format!("left out: {suite}: {why}\n").as_bytes());
}

/// Whether a program can be run.
pub fn installed(program: &str) -> bool {
    let path = rosterd::clock::environment("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]).any(|folder| Path::new(folder).join(program).is_file())
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/openldap")
}

/// Certificates, made once and shared by every test binary and process until the script changes.
pub fn certificates() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let stamp = blake3::hash(&std::fs::read(script()).expect("the script is there")).to_hex();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{}", &stamp[..16]));
        if folder.join("client.pem").exists() {
            return folder;
        }
        std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR")).expect("target/tmp can be made");
        let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
        let done = Command::new(script()).arg("tls").arg(made.path()).status().expect("bash is there");
        assert!(done.success(), "no certificates: {done}");
        // another process may have been first; its certificates are as good
        let _ = std::fs::rename(made.path(), &folder);
        assert!(folder.join("client.pem").exists(), "{} is not there", folder.display());
        folder
    })
}

impl Slapd {
    /// A server with `options`; `None`, and a line that says so, where OpenLDAP is not installed.
    pub fn start(options: Options) -> Option<Self> {
        for program in ["slapd", "ldapsearch", "ldapmodify", "openssl"] {
            if !installed(program) {
                let suite = std::thread::current().name().unwrap_or("tests with OpenLDAP").to_owned();
                left_out(&suite, &format!("{program} is not installed (Debian: slapd ldap-utils openssl)"));
                return None;
            }
        }
        let folder = tempfile::Builder::new().prefix("slapd-").tempdir().expect("a folder in /tmp").keep();
        let mut script = Command::new(script());
        script.arg("attend").env("DIR", &folder).env("PORT", "0").env("TLS", certificates());
        script.env(
            "CERT",
            match options.certificate {
                Certificate::Good => "server",
                Certificate::Expired => "expired",
                Certificate::WrongName => "wrong-name",
            },
        );
        if let Some(limit) = options.size_limit {
            script.env("SIZELIMIT", limit.to_string());
        }
        script.env("LIMITS", &options.limits).env("ACCESS", &options.access);
        let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash is there");
        let orders = script.stdin.take();
        let answers = BufReader::new(script.stdout.take().expect("it was piped"));
        let mut slapd = Self { script, orders, answers, facts: Vec::new(), folder };
        slapd.listen();
        if !options.ldif.is_empty() {
            slapd.load(&options.ldif);
        }
        Some(slapd)
    }

    fn listen(&mut self) {
        loop {
            let mut line = String::new();
            let read = self.answers.read_line(&mut line).expect("the script answers in text");
            assert!(read > 0, "the script ended; see its words above");
            match line.trim_end().split_once('=') {
                Some((key, value)) => {
                    self.facts.retain(|(known, _)| known != key);
                    self.facts.push((key.to_owned(), value.to_owned()));
                }
                None if line == "ready\n" => return,
                None => panic!("the script said {line:?}"),
            }
        }
    }

    fn order(&mut self, line: &str) {
        let orders = self.orders.as_mut().expect("it is there until drop");
        writeln!(orders, "{line}").expect("the script takes orders");
        self.listen();
    }

    fn fact(&self, key: &str) -> &str {
        let found = self.facts.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("the script did not say {key}"))
    }

    /// `ldap://127.0.0.1:PORT`; offers StartTLS.
    pub fn url(&self) -> &str {
        self.fact("url")
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

    /// A file of the certificates: `other-ca.pem` (signed nothing), `client.pem` and `client.key` (SASL EXTERNAL as
    /// [`Self::bind_dn`]).
    pub fn tls(&self, name: &str) -> PathBuf {
        Path::new(self.fact("tls")).join(name)
    }

    /// The suffix, with `ou=people`, `ou=groups`, `ou=services` and `ou=policies` below.
    pub fn base(&self) -> &str {
        self.fact("base")
    }

    /// A service account that reads everything but passwords; limits apply to it.
    pub fn bind_dn(&self) -> &str {
        self.fact("binddn")
    }

    /// Its password.
    pub fn password(&self) -> &str {
        self.fact("password")
    }

    /// A file (0600) with its password.
    pub fn password_file(&self) -> PathBuf {
        PathBuf::from(self.fact("password_file"))
    }

    /// Who may write; no limit applies.
    pub fn admin_dn(&self) -> &str {
        self.fact("admindn")
    }

    /// What it has logged since the first start: connections, and searches with filter, base and attributes.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join("slapd.log")).unwrap_or_default()).into_owned()
    }

    fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-H", self.ldapi(), "-x", "-D", self.admin_dn(), "-y", self.fact("admin_password_file")]);
        command
    }

    /// Applies LDIF (`changetype: …`, or entries to add) as the administrator.
    ///
    /// # Panics
    /// When the server refuses any of it.
    pub fn ldif(&self, text: &str) {
        let mut tool = self.tool("ldapmodify");
        let mut tool = tool
            .args(["-a"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ldapmodify is installed");
        tool.stdin.take().expect("it was piped").write_all(text.as_bytes()).expect("ldapmodify reads");
        let done = tool.wait_with_output().expect("ldapmodify ends");
        assert!(done.status.success(), "ldapmodify: {}\n{text}", String::from_utf8_lossy(&done.stderr));
    }

    /// Runs `ldapsearch -LLL` with `arguments` (after the usual ones) as the administrator.
    pub fn search(&self, arguments: &[&str]) -> String {
        let done = self.tool("ldapsearch").args(["-LLL", "-o", "ldif-wrap=no"]).args(arguments).output();
        let done = done.expect("ldapsearch is installed");
        assert!(done.status.success(), "ldapsearch: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
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

    fn signal(&self, signal: Signal) {
        let pid = self.fact("pid").parse().ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the server runs");
    }

    /// Freezes the server: connections are accepted by the kernel, and nothing is answered.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Thaws it.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it as a crash would; [`Self::restart`] brings it back.
    pub fn kill(&mut self) {
        self.order("kill");
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

    /// Starts it again on the same ports with the same data, ending it first in an orderly way if it runs.
    pub fn restart(&mut self) {
        self.order("stop");
        self.order("serve");
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.script.wait();
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
