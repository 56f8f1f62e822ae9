//! The real program on a store in trouble: said once, at a level nobody switches off, and back when it was written.

use std::time::Duration;

use rustix::process::Signal;
use sqlx::Connection as _;

use super::program::person;
use crate::kill::{GONE, Mounted};
use crate::support::postgres;
use crate::support::program::{Daemon, Site, source};
use crate::support::slapd::{Options, Slapd};

const NOT_SOON: &str = "cron = \"0 0 0 1 1 ?\"\n";

fn site(slapd: &Slapd) -> Site {
    let mut site = Site::new(slapd);
    site.set("[schedule]", NOT_SOON);
    site
}

/// A daemon after its first run.
fn daemon(site: &Site) -> Daemon {
    let mut daemon = site.daemon();
    daemon.wait_for("daemon.started", 1);
    daemon.signal(Signal::USR1);
    daemon.wait_for("run.finished", 1);
    daemon
}

/// Asks for runs that cannot be written, and for one that can; what was said.
fn in_trouble(daemon: &mut Daemon, says: &str, over: impl FnOnce()) {
    for times in 1..=2 {
        daemon.signal(Signal::USR1);
        daemon.wait_for("run.retry", times);
    }
    // The question who is due next is asked after each run, and answered.
    std::thread::sleep(Duration::from_millis(300));
    let lost = daemon.events("store.unreachable");
    assert_eq!(lost.len(), 1, "said once\n{}", daemon.log());
    assert_eq!(lost[0]["level"], "error");
    assert!(lost[0]["error"].as_str().unwrap().contains(says), "{lost:?}");
    assert!(daemon.events("store.recovered").is_empty(), "nothing was written yet\n{}", daemon.log());
    over();
    daemon.signal(Signal::USR1);
    daemon.wait_for("run.finished", 2);
    daemon.wait_for("store.recovered", 1);
}

#[test]
fn a_locked_store_is_said_once_and_back_when_it_was_written() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let site = site(&slapd);
    let mut daemon = daemon(&site);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(site.path("roster.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut lock = runtime.block_on(sqlx::SqliteConnection::connect_with(&options)).unwrap();
    runtime.block_on(sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut lock)).unwrap();
    in_trouble(&mut daemon, "locked", || {
        runtime.block_on(sqlx::raw_sql("ROLLBACK").execute(&mut lock)).unwrap();
    });
}

#[test]
fn a_file_that_was_removed_or_replaced_is_said_also_to_who_reads_only_warnings() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = site(&slapd);
    let mut daemon = daemon(&site);
    let (file, away) = (site.path("roster.db"), site.path("away.db"));
    std::fs::rename(&file, &away).unwrap();
    in_trouble(&mut daemon, "removed or replaced", || std::fs::rename(&away, &file).unwrap());

    site.set("log", "level = \"warn\"\n");
    daemon.signal(Signal::HUP);
    std::fs::copy(&file, &away).unwrap();
    std::fs::rename(&away, &file).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    daemon.signal(Signal::USR1);
    daemon.wait_for("store.unreachable", 2);
    assert_eq!(daemon.events("sync.requested").len(), 4, "only warnings are logged by now\n{}", daemon.log());
}

#[test]
fn a_full_disk_is_said_once_and_back_when_a_run_was_written() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    let mut site = site(&slapd);
    let disk = site.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let Some(disk) = Mounted::tmpfs(&disk, "size=2m") else { return };
    site.set("store", &format!("url = \"sqlite://{}\"\n", disk.0.join("roster.db").display()));
    let mut daemon = daemon(&site);
    slapd.load_people(GONE);
    in_trouble(&mut daemon, "make room", || disk.remount("size=100m"));
    assert_eq!(site.count("active"), GONE);
}

#[test]
fn a_postgres_that_is_only_read_is_said_once_and_back_when_it_was_written() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let Some(postgres) = postgres::server("a read-only Postgres") else { return };
    let (mut site, database) = (site(&slapd), postgres.database());
    site.set("store", &format!("url = \"{}\"\n", postgres.url(&database)));
    let mut daemon = daemon(&site);
    let read_only = |word: &str| {
        postgres.psql("postgres", &format!("ALTER DATABASE {database} SET default_transaction_read_only = {word}"));
        let others = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
        postgres.psql("postgres", &others);
    };
    read_only("on");
    in_trouble(&mut daemon, "read-only", || read_only("off"));
}

/// S3: what the daemon could not give back while Postgres was away does not keep it out when Postgres is there again.
#[test]
fn a_daemon_does_not_stand_in_its_own_way_after_postgres_was_away() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    let Some(postgres) = postgres::server("Postgres away in the middle of a run") else { return };
    slapd.load_people(50);
    let (mut site, database) = (site(&slapd), postgres.database());
    site.set("store", &format!("url = \"{}\"\n", postgres.url(&database)));
    // Slow enough to be in the middle of it.
    site.set("source", &source(&slapd, slapd.url(), "page_size = 10\npage_rate = 1\n"));
    let mut daemon = site.daemon();
    daemon.wait_for("daemon.started", 1);
    daemon.signal(Signal::USR1);
    daemon.wait_for("run.started", 1);
    let connections = |word: &str| {
        postgres.psql("postgres", &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS {word}"));
    };
    connections("false");
    let others = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
    postgres.psql("postgres", &others);
    daemon.wait_for("run.failed", 1);
    daemon.wait_for("store.lease", 1);
    connections("true");
    daemon.signal(Signal::USR1);
    daemon.wait_for("run.finished", 1);
    assert!(!daemon.log().contains("another process"), "{}", daemon.log());
    assert_eq!(site.count("active"), 50);
}

/// A daemon that was started before the store was migrated by a newer program leaves it alone.
fn leaves_a_newer_schema_alone(site: &Site, slapd: &Slapd, by_hand: impl Fn(&'static str)) {
    let mut daemon = daemon(site);
    slapd.ldif(&person("ada", "QWRh"));
    by_hand(
        "INSERT INTO rd_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', true, '', 0)",
    );
    daemon.signal(Signal::USR1);
    let failed = daemon.wait_for("run.failed", 1);
    let refused = site.expect(1, &["users", "list"]).err;
    let says = failed[0]["error"].as_str().unwrap();
    assert!(says.contains("has schema 9999, newer than this program's") && refused.contains(says), "{says}\n{refused}");
    assert!(daemon.events("user.added").is_empty() && daemon.events("run.started").len() == 1, "{}", daemon.log());
    by_hand("DELETE FROM rd_migrations WHERE version = 9999");
    daemon.signal(Signal::USR1);
    daemon.wait_for("user.added", 1);
    daemon.wait_for("run.finished", 2);
    assert_eq!(site.count("active"), 1);
}

#[test]
fn a_daemon_leaves_a_newer_schema_alone() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let site = site(&slapd);
    leaves_a_newer_schema_alone(&site, &slapd, |sql| site.by_hand(sql));
}

#[test]
fn a_daemon_leaves_a_newer_schema_alone_on_postgres() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let Some(postgres) = postgres::server("a newer schema on Postgres") else { return };
    let (mut site, database) = (site(&slapd), postgres.database());
    site.set("store", &format!("url = \"{}\"\n", postgres.url(&database)));
    leaves_a_newer_schema_alone(&site, &slapd, |sql| drop(postgres.psql(&database, sql)));
}
