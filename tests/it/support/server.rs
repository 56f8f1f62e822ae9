//! A private server of some kind: its script's `attend` for as long as a [`Server`] lives.
//!
//! The server ends with the value, and with this process however it ends: the script sees the end of its input, and
//! the kernel kills the server when the script is gone. Any number may run at once.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};

/// A running server.
pub struct Server {
    script: Child,
    /// `None` once dropped: the end of its input is what the script waits for.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    facts: Vec<(String, String)>,
    pub folder: PathBuf,
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

/// A script that sets servers up.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(name)
}

/// A folder that is made once and shared by every test binary and process until the script changes.
pub fn made_once(script: &Path, what: &str, last: &str, make: impl FnOnce(&Path) -> Command) -> PathBuf {
    let stamp = blake3::hash(&std::fs::read(script).expect("the script is there")).to_hex();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{what}-{}", &stamp[..16]));
    if folder.join(last).exists() {
        return folder;
    }
    std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR")).expect("target/tmp can be made");
    let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let done = make(made.path()).status().expect("bash is there");
    assert!(done.success(), "no {what}: {done}");
    // another process may have been first; its own is as good
    let _ = std::fs::rename(made.path(), &folder);
    assert!(folder.join(last).exists(), "{} is not there", folder.display());
    folder
}

/// Certificates for every server.
pub fn certificates() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let script = script("openldap");
        made_once(&script, "tls", "client.pem", |folder| {
            let mut command = Command::new(&script);
            command.arg("tls").arg(folder);
            command
        })
    })
}

/// A domain, provisioned once.
fn domain() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let script = script("samba-ad");
        made_once(&script, "domain", "private/sam.ldb", |folder| {
            let mut command = Command::new(&script);
            command.arg("template").arg(folder);
            command
        })
    })
}

impl Server {
    /// A Samba AD domain controller; `None`, and a line that says so, where it is not installed.
    pub fn samba() -> Option<Self> {
        Self::samba_with("no")
    }

    /// The same, refusing binds in clear text as domain controllers do.
    pub fn strict_samba() -> Option<Self> {
        Self::samba_with("yes")
    }

    fn samba_with(strong: &str) -> Option<Self> {
        let needed = ["samba", "samba-tool", "ldapmodify"];
        Self::installed(&needed, "samba-ad-dc samba-ad-provision samba-dsdb-modules ldap-utils")?;
        let mut command = Command::new(script("samba-ad"));
        command.env("TEMPLATE", domain()).env("STRONG", strong);
        Some(Self::attend(command, "samba-"))
    }

    /// A 389 Directory Server; `None`, and a line that says so, where it is not installed.
    pub fn ds389() -> Option<Self> {
        Self::installed(&["ns-slapd", "ldapmodify"], "389-ds-base ldap-utils")?;
        Some(Self::attend(Command::new(script("ds389")), "ds389-"))
    }

    /// `None`, and a line that says so, where one of the programs is missing.
    pub fn installed(programs: &[&str], packages: &str) -> Option<()> {
        let Some(missing) = programs.iter().find(|program| !installed(program)) else { return Some(()) };
        let suite = std::thread::current().name().unwrap_or("tests with real servers").to_owned();
        left_out(&suite, &format!("{missing} is not installed (Debian: {packages})"));
        None
    }

    /// Starts a script in a folder of its own, and waits until the server serves.
    pub fn attend(mut script: Command, prefix: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir().expect("a folder in /tmp").keep();
        script.arg("attend").env("DIR", &folder).env("TLS", certificates());
        let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash is there");
        let orders = script.stdin.take();
        let answers = BufReader::new(script.stdout.take().expect("it was piped"));
        let mut server = Self { script, orders, answers, facts: Vec::new(), folder };
        server.listen();
        server
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

    /// Has the script do something.
    pub fn order(&mut self, line: &str) {
        let orders = self.orders.as_mut().expect("it is there until drop");
        writeln!(orders, "{line}").expect("the script takes orders");
        self.listen();
    }

    /// What the script said of the server.
    pub fn fact(&self, key: &str) -> &str {
        let found = self.facts.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("the script did not say {key}"))
    }

    /// `ldap://127.0.0.1:PORT`; offers StartTLS.
    pub fn url(&self) -> &str {
        self.fact("url")
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

    fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args([
            "-H",
            self.fact("admin_url"),
            "-x",
            "-D",
            self.admin_dn(),
            "-y",
            self.fact("admin_password_file"),
        ]);
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

    /// Its process.
    pub fn pid(&self) -> Pid {
        self.fact("pid").parse().ok().and_then(Pid::from_raw).expect("a process id")
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the server runs");
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

    /// Starts it again on the same ports with the same data, ending it first in an orderly way if it runs.
    pub fn restart(&mut self) {
        self.order("stop");
        self.order("serve");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.script.wait();
    }
}
