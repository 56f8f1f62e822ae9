//! Leases and fencing (S3).

use std::process::Command;
use std::time::Duration;

use rosterd::clock::SystemClock;
use rosterd::store::{Acquired, Action, Holder, Lease, RunStart, Stamp, StoreError, Trigger};
use serde_json::json;

use super::fixture::{Fixture, SOURCE, day, person};
use super::on_both_stores;

const KEEP: Duration = Duration::from_secs(60);

fn yes(acquired: Acquired) -> Lease {
    match acquired {
        Acquired::Yes(lease) => lease,
        Acquired::HeldBy { holder, .. } => panic!("held by {holder:?}"),
    }
}

/// A process of this machine that ended.
fn dead() -> Holder {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    Holder { pid: child.id(), ..Holder::this_process() }
}

/// A process of another machine, which nobody here can judge.
fn elsewhere() -> Holder {
    Holder { host: "db2".to_owned(), realm: "another boot".to_owned(), pid: 1, started: 1 }
}

fn start() -> RunStart {
    RunStart { source: SOURCE.to_owned(), trigger: Trigger::Command, action: Action::All, mode: "full", at: day(0) }
}

on_both_stores! {
    async fn a_living_holder_keeps_its_lease(fixture: Fixture) {
        let us = Holder::this_process();
        let lease = yes(fixture.store.acquire("source:corp", &us, KEEP).await.unwrap());
        assert_eq!(lease, Lease { scope: "source:corp".to_owned(), fence: 1 });
        match fixture.store.acquire("source:corp", &elsewhere(), KEEP).await.unwrap() {
            Acquired::HeldBy { holder, since } => {
                assert_eq!(holder, us);
                assert!(since.millis() > day(0).millis());
            }
            other => panic!("{other:?}"),
        }
        yes(fixture.store.acquire("turn", &elsewhere(), KEEP).await.unwrap());
    }

    async fn a_dead_holder_loses_its_lease_at_once(fixture: Fixture) {
        let lost = yes(fixture.store.acquire("turn", &dead(), KEEP).await.unwrap());
        let ours = yes(fixture.store.acquire("turn", &Holder::this_process(), KEEP).await.unwrap());
        assert!(ours.fence > lost.fence);
        let error = fixture.store.renew(&lost, KEEP).await.unwrap_err();
        assert!(matches!(&error, StoreError::Fenced { scope } if scope == "turn"), "{error:?}");
        fixture.store.renew(&ours, KEEP).await.unwrap();
    }

    /// OKV-12
    async fn a_lease_that_is_not_renewed_in_time_is_taken_over(fixture: Fixture) {
        let store = &fixture.store;
        let lost = yes(store.acquire("turn", &elsewhere(), Duration::from_millis(300)).await.unwrap());
        store.renew(&lost, Duration::from_millis(600)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(350)).await;
        assert!(matches!(store.acquire("turn", &dead(), KEEP).await.unwrap(), Acquired::HeldBy { .. }), "renewed");
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(yes(store.acquire("turn", &dead(), KEEP).await.unwrap()).fence > lost.fence);
    }

    async fn a_lease_given_back_is_free_and_never_given_out_with_the_same_number(fixture: Fixture) {
        let store = &fixture.store;
        let first = yes(store.acquire("turn", &Holder::this_process(), KEEP).await.unwrap());
        store.release(&first).await.unwrap();
        store.release(&first).await.unwrap();
        let second = yes(store.acquire("turn", &Holder::this_process(), KEEP).await.unwrap());
        assert!(second.fence > first.fence);
        store.release(&first).await.unwrap();
        store.renew(&second, KEEP).await.unwrap();
    }

    /// A run whose process is dead, or did not renew its lease in time, is interrupted for whoever looks.
    async fn a_run_that_nobody_is_at_is_interrupted_before_anybody_marks_it(fixture: Fixture) {
        let store = &fixture.store;
        let outcome = async || store.run_rows(None, 1).await.unwrap()[0].outcome.clone();
        for (holder, keep, first) in [
            (elsewhere(), Duration::from_millis(400), "running"),
            (Holder::this_process(), Duration::from_millis(400), "running"),
            (dead(), KEEP, "interrupted"),
        ] {
            let lease = [yes(store.acquire("source:corp", &holder, keep).await.unwrap())];
            let run = store.begin_run(&start(), &lease).await.unwrap();
            assert_eq!(outcome().await, first);
            tokio::time::sleep(Duration::from_millis(450)).await;
            assert_eq!(outcome().await, "interrupted");
            assert_eq!(store.run_row(run).await.unwrap().unwrap().outcome, "interrupted");
        }
    }

    /// What was cut off is settled by the next daemon, and made up for until a run that begins after it.
    async fn what_was_cut_off_is_settled_and_made_up_for(fixture: Fixture) {
        let store = &*fixture.store;
        let cut_off = async || rosterd::sync::cut_off(store, &SystemClock, SOURCE).await.unwrap();
        assert_eq!(cut_off().await, None, "there was no run");
        let lease = [yes(store.acquire("source:corp", &Holder::this_process(), KEEP).await.unwrap())];
        store.begin_run(&start(), &lease).await.unwrap();
        assert_eq!(cut_off().await, None, "its process lives");
        store.release(&lease[0]).await.unwrap();

        let lease = [yes(store.acquire("source:corp", &elsewhere(), Duration::from_millis(400)).await.unwrap())];
        store.begin_run(&RunStart { action: Action::Groups, ..start() }, &lease).await.unwrap();
        assert_eq!(cut_off().await, Some(Action::Groups), "nobody can tell whether its process lives");
        tokio::time::sleep(Duration::from_millis(450)).await;

        let lease = [yes(store.acquire("source:corp", &dead(), KEEP).await.unwrap())];
        store.begin_run(&RunStart { action: Action::Users, ..start() }, &lease).await.unwrap();
        let person = RunStart { action: Action::Person, mode: "person", ..start() };
        for _ in 0..2 {
            assert_eq!(cut_off().await, Some(Action::Users));
            let outcomes = fixture.column("SELECT outcome FROM roster_runs WHERE finished_at IS NOT NULL").await;
            assert!(outcomes.len() >= 3 && outcomes.iter().all(|outcome| outcome == "interrupted"), "{outcomes:?}");
            store.begin_run(&person, &[]).await.unwrap();
        }
    }

    async fn only_one_of_many_gets_a_lease(fixture: Fixture) {
        let mut tasks = tokio::task::JoinSet::new();
        for pid in 0..8 {
            let store = fixture.store.clone();
            let holder = Holder { realm: format!("boot {pid}"), ..elsewhere() };
            tasks.spawn(async move { store.acquire("turn", &holder, KEEP).await.unwrap() });
        }
        let all = tasks.join_all().await;
        assert_eq!(all.iter().filter(|acquired| matches!(acquired, Acquired::Yes(_))).count(), 1, "{all:?}");
    }

    async fn a_writer_whose_lease_was_taken_over_writes_nothing(fixture: Fixture) {
        let store = &fixture.store;
        let lost = [yes(store.acquire("source:corp", &dead(), KEEP).await.unwrap())];
        store.apply_users(fixture.stamp(day(0), &lost), &[person("ada").change()]).await.unwrap();
        let run = store.begin_run(&start(), &lost).await.unwrap();
        let version = store.version().await.unwrap();
        let turn = yes(store.acquire("turn", &Holder::this_process(), KEEP).await.unwrap());
        let ours = yes(store.acquire("source:corp", &Holder::this_process(), KEEP).await.unwrap());

        let late = [turn.clone(), lost[0].clone()];
        let stamp = Stamp { run: Some(run), ..fixture.stamp(day(0), &late) };
        let none = std::collections::HashMap::new();
        let refused = [
            store.apply_users(stamp, &[person("bob").change()]).await.err(),
            store.apply_groups(stamp, &[super::fixture::group_added("staff", vec![])], &none).await.err(),
            store.apply_findings(stamp, &[], &[], &[], &none).await.err(),
            store.begin_run(&start(), &late).await.err(),
            store.forget_history(day(9), &late).await.err(),
        ];
        for error in refused {
            let error = error.expect("a late writer is refused");
            assert!(matches!(&error, StoreError::Fenced { scope } if scope == "source:corp"), "{error:?}");
            assert!(!error.is_transient());
        }
        assert_eq!(store.version().await.unwrap(), version);
        assert_eq!(fixture.column("SELECT username FROM roster_users").await, [json!("Ada")]);
        assert_eq!(fixture.column("SELECT outcome FROM roster_runs").await, [json!("running")]);

        let both = [turn, ours];
        store.apply_users(fixture.stamp(day(0), &both), &[person("bob").change()]).await.unwrap();
    }
}
