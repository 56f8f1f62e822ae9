//! A private PostgreSQL, started once for the whole test binary; each test gets a database of its own.
//!
//! A small shell stands between: it starts the server, waits until this process is gone, however it ended, stops
//! the server and removes its folder. Nothing is left behind, not even by SIGKILL.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::slapd::left_out;

/// The password of the user `guarded`, the only one who needs one.
pub const PASSWORD: &str = "kept-in-the-dark";

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    /// Who may run the server, when we are root; PostgreSQL refuses to.
    user: Option<(u32, u32)>,
}

/// The server of this test binary; `None`, said aloud, where PostgreSQL is not installed.
pub fn server(suite: &str) -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    let server = SERVER.get_or_init(|| programs().map(|programs| Postgres::start(&programs))).as_ref();
    if server.is_none() {
        left_out(suite, "PostgreSQL is not installed");
    }
    server
}

/// The newest folder with `initdb` and `postgres`.
fn programs() -> Option<PathBuf> {
    let complete = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let version = |folder: &PathBuf| folder.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let packaged = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let packaged = packaged.map(|entry| entry.path().join("bin")).filter(complete).max_by_key(version);
    let path = rosterd::clock::environment("PATH").unwrap_or_default();
    packaged.or_else(|| std::env::split_paths(&path).find(complete))
}

/// Another server of the same making, for tests that stop it.
pub fn another() -> Option<Postgres> {
    programs().map(|programs| Postgres::start(&programs))
}

impl Postgres {
    fn start(programs: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("rosterd-pg-").tempdir().expect("a folder can be made").keep();
        let user = rustix::process::getuid().is_root().then(|| nobody("postgres").or_else(|| nobody("nobody")));
        let user = user.map(|found| found.expect("root needs a user to run PostgreSQL as"));
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).expect("root may");
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("bound").port();
        let server = Self { programs: programs.to_owned(), folder, port, databases: AtomicU32::new(0), user };
        let data = server.folder.join("data");
        let made = server
            .as_user("initdb")
            .args(["--auth=trust", "--username=rosterd", "--no-sync", "--encoding=UTF8", "--no-locale", "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let rules =
            "host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\nlocal all all trust\n";
        std::fs::write(data.join("pg_hba.conf"), rules).expect("pg_hba.conf can be written");
        server.attend(&data);
        server.psql("postgres", &format!("CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'"));
        server
    }

    /// Starts the server below a shell that outlives this process for as long as it takes to clean up.
    fn attend(&self, data: &Path) {
        let script = r#"
            parent=$1 folder=$2; shift 2
            "$@" >"$folder/log" 2>&1 & server=$!
            while kill -0 "$parent" 2>/dev/null && kill -0 "$server" 2>/dev/null; do sleep 0.2; done
            kill -QUIT "$server" 2>/dev/null; wait "$server"; rm -rf "$folder""#;
        let server = self.as_user("postgres");
        let mut shell = Command::new("setsid");
        shell.args(["sh", "-c", script, "sh", &std::process::id().to_string()]).arg(&self.folder);
        shell.arg(server.get_program()).args(server.get_args()).arg("-D").arg(data).arg("-k").arg(&self.folder);
        shell.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        shell.args(["-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200"]);
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = shell.spawn().expect("setsid runs");
        std::thread::spawn(move || child.wait());
        let ready = || self.program("pg_isready").arg("-q").status().is_ok_and(|status| status.success());
        for _ in 0..300 {
            if ready() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("PostgreSQL does not start: {log}");
    }

    /// A program of PostgreSQL, as the user that may run it.
    fn as_user(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let Some((uid, gid)) = self.user else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]).arg(program);
        command.current_dir("/");
        command
    }

    /// A client program, told where the server is.
    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "rosterd"]);
        command.env_remove("PGDATABASE").env_remove("PGOPTIONS");
        command
    }

    /// Runs SQL; returns what psql prints, a row a line and columns between tabs.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let mut command = self.program("psql");
        command.args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
        let done = command.output().expect("psql runs");
        assert!(done.status.success(), "psql: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// The name of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name} OWNER rosterd"));
        name
    }

    /// `store.url` of a database, over loopback; nobody but `guarded` needs a password.
    pub fn url(&self, database: &str) -> String {
        self.url_as("rosterd", database)
    }

    /// The same for another user.
    pub fn url_as(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same over the unix socket.
    pub fn socket_url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={}&user=rosterd", self.folder.display(), self.port)
    }

    /// Stops the server at once, as an administrator who is in a hurry would.
    pub fn stop(&self) {
        let mut command = self.as_user("pg_ctl");
        // Not waited for here: the folder with the process id goes away as soon as the server has ended.
        let done = command.args(["stop", "-m", "fast", "-W", "-D"]).arg(self.folder.join("data")).output();
        assert!(done.expect("pg_ctl runs").status.success(), "the server cannot be told to stop");
        let gone = || self.program("pg_isready").arg("-q").status().is_ok_and(|status| status.code() == Some(2));
        let ended = super::program::wait_until(Duration::from_secs(20), || gone().then_some(()));
        assert!(ended.is_some(), "the server does not stop");
    }
}

/// The number of a user and of its group.
fn nobody(user: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(user))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
