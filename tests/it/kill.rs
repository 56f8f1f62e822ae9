//! A process killed at any moment leaves a store that the next run repairs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::postgres;
use crate::support::program::{Site, said};
use crate::support::slapd::{Options, Slapd, left_out};

const PEOPLE: usize = 10_000;
/// Where what goes away is the store.
pub const GONE: usize = 4_000;

/// Small numbers that look random, the same in every run of the test.
struct Moments(u64);

impl Iterator for Moments {
    type Item = u64;
    fn next(&mut self) -> Option<u64> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(self.0 >> 33)
    }
}

/// B3: kill -9 at random moments of a first sync, and of one with many changes, of 10,000 people; the next run
/// brings the store to what an undisturbed one has, and the run after that writes nothing.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test's parameter, and a stop watch")]
fn a_kill_at_any_moment_is_repaired_by_the_next_run() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(PEOPLE);
    let undisturbed = Site::new(&slapd);
    let began = std::time::Instant::now();
    undisturbed.expect(0, &["sync"]);
    let mut whole = began.elapsed();
    let expected = undisturbed.content();
    assert_eq!(expected.len(), PEOPLE + PEOPLE / 20);
    let rounds = std::env::var("ROSTERD_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let mut cut_off = 0;
    for (round, moment) in Moments(20_261_122).take(rounds).enumerate() {
        let site = Site::new(&slapd);
        let after = whole.mul_f64((moment % 1000) as f64 / 1000.0);
        let mut child = site.command(&["sync"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        match child.try_wait().unwrap() {
            None => cut_off += 1,
            // The machine is quicker now than it was for the first one.
            Some(_) => whole = whole.min(after),
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let said = site.expect(0, &["sync"]);
        assert_eq!(site.content(), expected, "round {round}, killed after {after:?}\n{said:?}");
        let runs = site.json(&["runs", "list"]);
        let outcomes: Vec<&str> = runs.as_array().unwrap().iter().map(|run| run["outcome"].as_str().unwrap()).collect();
        assert!(outcomes.iter().skip(1).all(|outcome| ["interrupted", "ok"].contains(outcome)), "{outcomes:?}");
        let quiet = site.json(&["plan"]);
        assert_eq!(site.expect(0, &["plan"]).code, 0, "{quiet}");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(cut_off * 2 > rounds, "only {cut_off} of {rounds} runs were cut off");
}

/// B3, U9: Postgres goes away at random moments of a first sync; the run says so, nothing is half applied, and the
/// next run brings the store to what an undisturbed one has.
#[test]
fn a_postgres_that_goes_away_at_any_moment_is_repaired_by_the_next_run() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    let Some(postgres) = postgres::server("Postgres gone in the middle of a run") else { return };
    slapd.load_people(GONE);
    let mut cut_off = 0;
    for moment in Moments(7).take(6) {
        let (mut site, database) = (Site::new(&slapd), postgres.database());
        site.set("store", &format!("url = \"{}\"\n", postgres.url(&database)));
        site.expect(0, &["migrate"]);
        let child = site.command(&["sync"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(200 + moment % 1_500));
        let gone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                    AND pid <> pg_backend_pid()";
        postgres.psql(&database, gone);
        let ended = said(&child.wait_with_output().unwrap());
        assert!([0, 1].contains(&ended.code), "{ended:?}");
        if ended.code == 1 {
            cut_off += 1;
            assert!(ended.err.contains("postgres"), "it names the store: {ended:?}");
            let addresses = "SELECT count(*) FROM roster_users u WHERE primary_address IS NULL AND state = 'active'";
            assert_eq!(postgres.psql(&database, addresses).trim(), "0", "nobody is there by half");
        }
        site.expect(0, &["sync"]);
        assert_eq!(site.count("active"), GONE);
        site.expect(0, &["plan"]);
    }
    assert!(cut_off > 0, "no run was cut off");
}

/// B3: a disk that is full in the middle of a run ends it with the remedy; with room the next run finishes the work.
#[test]
fn a_disk_that_is_full_in_the_middle_of_a_run_is_named_and_the_next_run_goes_on() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(GONE);
    let mut site = Site::new(&slapd);
    let disk = site.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let Some(disk) = Mounted::tmpfs(&disk, "size=2m") else { return };
    site.set("store", &format!("url = \"sqlite://{}\"\n", disk.0.join("roster.db").display()));
    let full = site.expect(1, &["sync"]);
    assert!(full.err.contains("make room"), "{full:?}");
    disk.remount("size=100m");
    let outcomes = site.json(&["runs"]);
    assert!(outcomes.as_array().unwrap().iter().all(|run| run["outcome"] != "ok"), "{outcomes}");
    site.expect(0, &["sync"]);
    assert_eq!(site.count("active"), GONE);
    site.expect(0, &["plan"]);
}

/// A file system that goes with the test.
pub struct Mounted(pub PathBuf);

impl Mounted {
    pub fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        if !mount(at, options) {
            left_out("full disk", "this user may not mount a file system");
            return None;
        }
        Some(Self(at.to_owned()))
    }

    pub fn remount(&self, options: &str) {
        assert!(mount(&self.0, &format!("remount,{options}")));
    }
}

fn mount(at: &Path, options: &str) -> bool {
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).status();
    status.is_ok_and(|status| status.success())
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
