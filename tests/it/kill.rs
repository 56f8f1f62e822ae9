//! A process killed at any moment leaves a store that the next run repairs.

use std::process::Stdio;
use std::time::Duration;

use crate::support::program::Site;
use crate::support::slapd::{Options, Slapd};

const PEOPLE: usize = 10_000;

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
    let whole = began.elapsed();
    let expected = undisturbed.content();
    assert_eq!(expected.len(), PEOPLE + PEOPLE / 20);
    let rounds = std::env::var("ROSTERD_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let mut cut_off = 0;
    for (round, moment) in Moments(20_261_122).take(rounds).enumerate() {
        let site = Site::new(&slapd);
        let after = whole.mul_f64((moment % 1000) as f64 / 1000.0);
        let mut child = site.command(&["sync"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        cut_off += usize::from(child.try_wait().unwrap().is_none());
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
