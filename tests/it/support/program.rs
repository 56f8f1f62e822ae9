//! The real program on a real directory: one configuration in a folder of its own.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use sqlx::Connection as _;
use tempfile::TempDir;

use super::fake::{ACCOUNT, Fake, PASSWORD};
use super::server::Server;

/// A configured program.
pub struct Site {
    folder: TempDir,
    /// Whole tables that replace those of [`Site::new`], by their header.
    config: Vec<(String, String)>,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Site {
    /// A configuration for the server with an SQLite store in a folder of its own.
    pub fn new(slapd: &Server) -> Self {
        let mut site = Self::begun();
        site.set("source", &source(slapd, slapd.url(), ""));
        let base = slapd.base();
        site.set("users", &format!("base_dns = [\"ou=people,{base}\"]\n"));
        site.set("groups", &format!("base_dns = [\"ou=groups,{base}\"]\n"));
        site
    }

    /// The same for a fake directory with `dc=example,dc=com`; nothing is said of users and groups.
    pub fn of_fake(fake: &Fake) -> Self {
        let mut site = Self::begun();
        let password = site.path("password");
        std::fs::write(&password, PASSWORD).unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        let (url, file) = (fake.url(), password.display());
        site.set(
            "source",
            &format!(
                "name = \"corp\"\nurls = [\"{url}\"]\nbind_dn = \"{ACCOUNT}\"\nbind_password_file = \"{file}\"\n\
                 base_dn = \"dc=example,dc=com\"\n"
            ),
        );
        site
    }

    fn begun() -> Self {
        let mut site = Self { folder: TempDir::new().unwrap(), config: Vec::new() };
        site.set("deletion", "minimum = \"0d\"\ndelay = \"14d\"\n");
        site.set("brake", "at_least = 5\n");
        site.set("store", &format!("url = \"sqlite://{}\"\n", site.path("roster.db").display()));
        site.set("metrics", "listen = \"\"\n");
        site
    }

    /// A file in the site's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("rosterd.toml")
    }

    /// Takes a table out of the file.
    pub fn unset(&mut self, table: &str) {
        self.config.retain(|(name, _)| name != table);
        self.write();
    }

    /// Replaces a table (`source`, `users`, `[schedule]` for an array) and writes the file anew.
    pub fn set(&mut self, table: &str, body: &str) {
        self.config.retain(|(name, _)| name != table);
        self.config.push((table.to_owned(), body.to_owned()));
        self.write();
    }

    fn write(&self) {
        let text: String = self.config.iter().map(|(name, body)| format!("[{name}]\n{body}\n")).collect();
        std::fs::write(self.config(), text).unwrap();
    }

    /// The command, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
        command.arg("--config").arg(self.config()).args(arguments).stdin(Stdio::null());
        command
    }

    /// A command while the wall clock is another; the clock since boot is not.
    pub fn at(&self, offset: &str, arguments: &[&str]) -> Said {
        let command = self.command(arguments);
        let mut faked = Command::new("faketime");
        faked.args(["--exclude-monotonic", "-f", offset]).arg(command.get_program()).args(command.get_args());
        said(&faked.output().unwrap())
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        said(&self.command(arguments).output().unwrap())
    }

    /// Runs a command that has to end with this status.
    #[track_caller]
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, code, "rosterd {arguments:?}\n{}\n{}", said.out, said.err);
        said
    }

    /// The JSON a command shows.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("rosterd {arguments:?}: {error}\n{said:?}"))
    }

    /// One user by WHO; `None` when there is nobody.
    pub fn user(&self, who: &str) -> Option<Value> {
        let all = self.json(&["users", "list"]);
        let matches = |user: &&Value| ["username", "primary_address"].iter().any(|key| user[*key] == who);
        all.as_array().unwrap().iter().find(matches).cloned()
    }

    /// State of one user.
    #[track_caller]
    pub fn state(&self, who: &str) -> String {
        self.user(who).unwrap_or_else(|| panic!("no user {who}"))["state"].as_str().unwrap().to_owned()
    }

    /// How many users are in a state.
    pub fn count(&self, state: &str) -> usize {
        let all = self.json(&["users", "list"]);
        all.as_array().unwrap().iter().filter(|user| user["state"] == state).count()
    }

    /// Everything an application can see, without ids and times: what two stores of the same content have in common.
    pub fn content(&self) -> Vec<String> {
        let users = self.json(&["users", "list"]);
        let mut lines = Vec::new();
        for user in users.as_array().unwrap() {
            let mut user = user.as_object().unwrap().clone();
            for key in ["id", "created_at", "updated_at", "flagged_at", "delete_after"] {
                user.remove(key);
            }
            lines.push(Value::Object(user).to_string());
        }
        for group in self.json(&["groups", "list"]).as_array().unwrap() {
            let name = group["name"].as_str().unwrap();
            lines.push(format!("{name}: {} {}", group["state"], group["members"]));
        }
        lines.sort();
        lines
    }

    /// All that anybody has: states that mean access, addresses, memberships, roles and grants, and every tombstone, one a
    /// line. Whoever loses anything lacks a line.
    pub fn rights(&self) -> BTreeSet<String> {
        const SQL: &str = "
            SELECT 'access ' || id || ' ' || state FROM roster_users WHERE access = 1
            UNION ALL SELECT 'address ' || lower(address) || ' of ' || user_id FROM roster_addresses WHERE access = 1
            UNION ALL SELECT 'primary ' || lower(primary_address) || ' of ' || id FROM roster_users WHERE access = 1
            UNION ALL SELECT 'member ' || user_id || ' of ' || group_id FROM roster_memberships
            UNION ALL SELECT 'role ' || role || ' of ' || id FROM roster_users WHERE access = 1 AND role IS NOT NULL
            UNION ALL SELECT 'grant ' || privilege || ' of ' || user_id FROM roster_grants
            UNION ALL SELECT 'group ' || id || ' ' || state FROM roster_groups";
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("roster.db"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            let rows: Vec<(String,)> = sqlx::query_as(SQL).fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            rows.into_iter().map(|(line,)| line).collect()
        })
    }

    /// What an administrator does to the SQLite store by hand.
    pub fn by_hand(&self, sql: &'static str) {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("roster.db"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }

    /// Starts the daemon; its log goes to `daemon.log`.
    pub fn daemon(&self) -> Daemon {
        self.daemon_with(&[])
    }

    /// Starts the daemon in another environment.
    pub fn daemon_with(&self, environment: &[(&str, &Path)]) -> Daemon {
        let log = std::fs::File::create(self.path("daemon.log")).unwrap();
        let mut command = self.command(&["run"]);
        let child = command.envs(environment.iter().copied()).stderr(log).stdout(Stdio::null()).spawn().unwrap();
        Daemon { child, log: self.path("daemon.log") }
    }
}

/// `[source]` for a server.
pub fn source(slapd: &Server, url: &str, more: &str) -> String {
    format!(
        "name = \"corp\"\nurls = [\"{url}\"]\nbind_dn = \"{}\"\nbind_password_file = \"{}\"\nbase_dn = \"{}\"\n{more}\n",
        slapd.bind_dn(),
        slapd.password_file().display(),
        slapd.base()
    )
}

/// The command in a place where `mount` was done before, a line of shell with `place` as `$1`; nobody else sees it.
pub fn mounted(mount: &str, place: &Path, command: &Command) -> Command {
    let mut unshared = Command::new("unshare");
    let script = format!("{mount} && shift && exec \"$@\"");
    unshared.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(place);
    unshared.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    unshared.current_dir(command.get_current_dir().unwrap_or(Path::new("/")));
    unshared
}

pub fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    pub child: Child,
    log: PathBuf,
}

impl Daemon {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Log lines (JSON) of an event.
    pub fn events(&self, name: &str) -> Vec<Value> {
        let lines = self.log();
        lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|v| v["event"] == name)
            .collect()
    }

    /// Waits until an event was logged at least so many times.
    #[track_caller]
    pub fn wait_for(&mut self, name: &str, times: usize) -> Vec<Value> {
        let seen = wait_until(Duration::from_secs(20), || {
            let events = self.events(name);
            (events.len() >= times).then_some(events)
        });
        seen.unwrap_or_else(|| panic!("{name} was not logged {times} times:\n{}", self.log()))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, at most so long.
    pub fn end(&mut self, within: Duration) -> Option<i32> {
        wait_until(within, || self.child.try_wait().unwrap()).and_then(|status| status.code())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until there is an answer or the time is over.
#[expect(clippy::disallowed_methods, reason = "a test waits in real time")]
pub fn wait_until<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let began = std::time::Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if began.elapsed() > within {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
