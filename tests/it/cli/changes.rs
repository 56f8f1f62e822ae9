//! `rosterd changes`: the feed for applications, on both stores.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use super::real::{dn, has, people};
use crate::support::postgres;
use crate::support::program::{Said, Site};
use crate::support::slapd::{Options, Slapd};

const COLUMNS: [&str; 9] = ["after", "at", "before", "group_id", "kind", "rule", "run_id", "seq", "user_id"];
/// Longer than any machine takes.
const SOON: Duration = Duration::from_secs(30);

/// Every line is one change.
#[track_caller]
fn lines(said: &Said) -> Vec<Value> {
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn seqs(changes: &[Value]) -> Vec<i64> {
    changes.iter().map(|change| change["seq"].as_i64().unwrap()).collect()
}

/// Somebody who reads on and on.
struct Follower {
    program: Child,
    heard: Receiver<Value>,
}

impl Follower {
    fn of(site: &Site, words: &[&str]) -> Self {
        let mut command = site.command(&[&["changes", "--follow", "--json"], words].concat());
        let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
        let (tell, heard) = channel();
        let lines = BufReader::new(program.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { program, heard }
    }

    fn next(&self) -> Value {
        self.heard.recv_timeout(SOON).expect("a change is told as soon as it is made")
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// The test has a directory, a configuration, and a way to change the store by hand.
fn on_both_stores(test: impl Fn(&Slapd, &Site, &dyn Fn(&'static str))) {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let site = Site::new(&slapd);
    test(&slapd, &site, &|sql| site.by_hand(sql));
    let Some(postgres) = postgres::server("the change feed on Postgres") else { return };
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(3));
    let mut site = Site::new(&slapd);
    let database = postgres.database();
    site.set("store", &format!("url = \"{}\"\n", postgres.url(&database)));
    test(&slapd, &site, &|sql| drop(postgres.psql(&database, sql)));
}

fn delete(slapd: &Slapd, uid: &str) {
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n\n", dn(uid)));
}

/// B3: whoever goes on behind the last number misses nothing and sees nothing twice.
#[test]
fn the_feed_is_read_on_from_where_somebody_was() {
    on_both_stores(|slapd, site, _| {
        site.expect(0, &["sync"]);
        let first = lines(&site.expect(0, &["changes", "--json"]));
        assert_eq!(first.len(), 3, "{first:?}");
        for change in &first {
            assert_eq!(change.as_object().unwrap().keys().collect::<Vec<_>>(), COLUMNS);
            assert_eq!(
                (&change["kind"], &change["rule"], &change["run_id"]),
                (&"user.added".into(), &"U1".into(), &1.into())
            );
        }
        let seen = *seqs(&first).last().unwrap();
        assert!(seqs(&first).is_sorted_by(|a, b| a < b));
        let words = ["changes", "--json", "--since", &seen.to_string()];
        assert_eq!(lines(&site.expect(0, &words)), Vec::<Value>::new());
        delete(slapd, "u02");
        site.expect(0, &["sync"]);
        let then = lines(&site.expect(0, &words));
        assert_eq!(then.iter().map(|change| &change["kind"]).collect::<Vec<_>>(), ["user.flagged"]);
        assert!(seqs(&then)[0] > seen);
        assert_eq!(lines(&site.expect(0, &["changes", "--json"])), [first, then].concat());
        has(&site.expect(0, &["changes", "--since", &seen.to_string()]), &["- user.flagged", "u02", "(L2)"]);
    });
}

/// B3: what is not there is never passed over in silence.
#[test]
fn who_missed_changes_or_reads_another_store_is_told() {
    on_both_stores(|_, site, by_hand| {
        site.expect(0, &["sync"]);
        let seen = seqs(&lines(&site.expect(0, &["changes", "--json"])));
        let before = site.expect(1, &["changes", "--since", "999"]);
        assert!(before.err.contains("999 is from another store, or from before this one was restored"), "{before:?}");
        by_hand("DELETE FROM rd_changes WHERE seq <= (SELECT min(seq) + 1 FROM rd_changes)");
        by_hand("UPDATE rd_store SET forgotten = (SELECT min(seq) - 1 FROM rd_changes)");
        let late = site.expect(1, &["changes", "--json", "--since", &seen[0].to_string()]);
        assert!(late.out.is_empty() && late.err.contains("were dropped since (history.keep)"), "{late:?}");
        assert!(late.err.contains("then go on with --since "), "{late:?}");
        let exact = lines(&site.expect(0, &["changes", "--json", "--since", &seen[1].to_string()]));
        assert_eq!(seqs(&exact), seen[2..]);
        assert_eq!(lines(&site.expect(0, &["changes", "--json"])), exact, "without a number: what is there");
    });
}

#[test]
fn changes_are_followed_as_they_are_made() {
    on_both_stores(|slapd, site, _| {
        site.expect(0, &["sync"]);
        let seen = seqs(&lines(&site.expect(0, &["changes", "--json"])));
        let all = Follower::of(site, &["--since", "0"]);
        let known: Vec<Value> = (0..3).map(|_| all.next()).collect();
        assert_eq!(seqs(&known), seen);
        let new = Follower::of(site, &[]);
        // It says nothing until something happens, so when it is there shows only by what happens.
        std::thread::sleep(Duration::from_secs(1));
        delete(slapd, "u01");
        site.expect(0, &["sync"]);
        site.expect(0, &["users", "restore", "u01"]);
        for follower in [&all, &new] {
            let heard = [follower.next(), follower.next()];
            assert_eq!(heard.each_ref().map(|change| change["kind"].as_str().unwrap()), ["user.flagged", "user.kept"]);
        }
        assert!(all.heard.try_recv().is_err() && new.heard.try_recv().is_err(), "nothing twice");
    });
}
