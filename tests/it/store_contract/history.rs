//! Runs, sources, and what is remembered from one run to the next.

use std::collections::BTreeMap;

use rosterd::plan::{BrakeKind, Counts, Held, Loss, Proof};
use rosterd::roster::{Digest, PendingReason};
use rosterd::store::rows::{Changes, Feed};
use rosterd::store::{
    Action, Freeze, Holder, Outcome, RefusedBind, RunEnd, RunId, RunStart, SourceRecord, Stamp, StoreError, Trigger,
};
use serde_json::json;

use super::fixture::{Fixture, SOURCE, day, flag, person};
use super::on_both_stores;

const KEEP: std::time::Duration = std::time::Duration::from_secs(60);

fn start(day_number: i64) -> RunStart {
    RunStart {
        source: SOURCE.to_owned(),
        trigger: Trigger::Schedule,
        action: Action::All,
        mode: "full",
        at: day(day_number),
    }
}

fn end(day_number: i64) -> RunEnd {
    RunEnd {
        outcome: Outcome::Ok,
        at: day(day_number),
        counts: Counts::default(),
        error: None,
        cause: None,
        server: Some("ldaps://dc1.example.com".to_owned()),
        held: vec![],
        coverage: None,
        basis: None,
        proof: None,
    }
}

fn refused(day_number: i64) -> RefusedBind {
    RefusedBind { at: day(day_number), password: Digest::of(day_number.to_string()), says: format!("why {day_number}") }
}

/// Everything that makes reading fast and writing safe.
async fn made(fixture: &Fixture) -> Vec<serde_json::Value> {
    let sql = if fixture.is_sqlite() {
        "SELECT name FROM sqlite_schema WHERE type IN ('index', 'trigger') ORDER BY name"
    } else {
        "SELECT indexname AS name FROM pg_indexes WHERE schemaname = current_schema() ORDER BY indexname"
    };
    fixture.column(sql).await
}

on_both_stores! {
    async fn nothing_is_put_off_for_few_people_or_where_somebody_is(fixture: Fixture) {
        let all = made(&fixture).await;
        let store = &fixture.store;
        let run = store.begin_run(&start(0), &[]).await.unwrap();
        let few: Vec<_> = (0..10).map(|n| person(&format!("few{n}")).change()).collect();
        fixture.apply(day(0), &few[..1]).await;
        assert_eq!(made(&fixture).await, all, "for few people nothing is put off");
        store.finish_run(run, &end(0), &[]).await.unwrap();
        let many: Vec<_> = (0..5_000).map(|n| person(&format!("many{n}")).change()).collect();
        fixture.apply(day(0), &many).await;
        assert_eq!(made(&fixture).await, all, "nor where somebody is");
    }

    async fn a_first_sync_makes_its_indexes_at_the_end(fixture: Fixture) {
        let all = made(&fixture).await;
        let store = &fixture.store;
        let people: Vec<_> = (0..5_000).map(|n| person(&format!("p{n}")).change()).collect();
        let run = store.begin_run(&start(0), &[]).await.unwrap();
        fixture.apply(day(0), &people).await;
        assert!(made(&fixture).await.len() < all.len(), "put off");
        // The process died: the next run, or whoever opens the store to write, makes them.
        store.migrate().await.unwrap();
        assert_eq!(made(&fixture).await, all);
        store.finish_run(run, &end(0), &[]).await.unwrap();
        assert_eq!(made(&fixture).await, all);
    }

    async fn the_end_and_the_beginning_of_a_run_make_what_is_missing(fixture: Fixture) {
        let all = made(&fixture).await;
        let store = &fixture.store;
        let run = store.begin_run(&start(0), &[]).await.unwrap();
        fixture.by_hand("DROP INDEX rd_users_username").await;
        store.finish_run(run, &end(0), &[]).await.unwrap();
        assert_eq!(made(&fixture).await, all);
        fixture.by_hand("DROP INDEX rd_changes_user").await;
        store.begin_run(&start(1), &[]).await.unwrap();
        assert_eq!(made(&fixture).await, all);
    }

    async fn a_run_is_recorded_from_beginning_to_end(fixture: Fixture) {
        let store = &fixture.store;
        store.acquire("source:corp", &Holder::this_process(), KEEP).await.unwrap();
        let run = store.begin_run(&start(0), &[]).await.unwrap();
        assert_eq!(run, RunId(1));
        assert_eq!(store.run_row(run).await.unwrap().unwrap().outcome, "running");
        let counts = Counts { entries: 9, added: 8, updated: 7, moved: 6, flagged: 5, restored: 4, deleted: 3, conflicts: 2, skipped: 1, dormant: 0 };
        let ended = RunEnd { outcome: Outcome::Incomplete, counts, error: Some("the server stopped".to_owned()),
            cause: Some("size-limit".to_owned()), proof: Some(Proof { users: Some(9), ..Proof::default() }), ..end(1) };
        store.finish_run(run, &ended, &[]).await.unwrap();
        let view = fixture.rows("SELECT * FROM roster_runs").await.remove(0);
        for (column, value) in [
            ("id", json!(1)), ("source", json!(SOURCE)), ("trigger", json!("schedule")), ("action", json!("all")),
            ("mode", json!("full")), ("outcome", json!("incomplete")), ("entries", json!(9)), ("added", json!(8)),
            ("updated", json!(7)), ("moved", json!(6)), ("flagged", json!(5)), ("restored", json!(4)),
            ("deleted", json!(3)), ("conflicts", json!(2)), ("skipped", json!(1)), ("error", json!("the server stopped")),
        ] {
            assert_eq!(view[column], value, "{column}");
        }
        let row = store.run_row(run).await.unwrap().unwrap();
        assert_eq!(row.proof, ended.proof);
        assert_eq!((row.cause.as_deref(), row.server.as_deref()), (Some("size-limit"), Some("ldaps://dc1.example.com")));
        assert_eq!((row.started_at.clone(), row.finished_at.clone()), (day(0).to_string(), Some(day(1).to_string())));
        store.finish_run(run, &RunEnd { outcome: Outcome::Failed, ..end(2) }, &[]).await.unwrap();
        assert_eq!(store.run_row(run).await.unwrap().unwrap(), row, "of two ends the first counts");
        assert_eq!(store.run_row(RunId(99)).await.unwrap(), None);
        let error = store.finish_run(RunId(99), &end(1), &[]).await.unwrap_err();
        assert!(matches!(error, StoreError::Inconsistent { .. }), "{error:?}");
    }

    async fn a_run_that_never_ended_is_marked_as_interrupted_by_the_next(fixture: Fixture) {
        let store = &fixture.store;
        store.begin_run(&start(0), &[]).await.unwrap();
        store.acquire("source:other", &Holder::this_process(), KEEP).await.unwrap();
        store.begin_run(&RunStart { source: "other".to_owned(), ..start(0) }, &[]).await.unwrap();
        let third = store.begin_run(&start(1), &[]).await.unwrap();
        store.finish_run(third, &end(1), &[]).await.unwrap();
        let outcomes: Vec<_> = store.run_rows(None, 9).await.unwrap().into_iter().map(|row| (row.id, row.outcome)).collect();
        let expected = [(3, "ok"), (2, "running"), (1, "interrupted")].map(|(id, outcome)| (id, outcome.to_owned()));
        assert_eq!(outcomes, expected);
        assert_eq!(store.run_rows(Some(SOURCE), 1).await.unwrap()[0].id, 3);
        assert_eq!(store.run_row(RunId(1)).await.unwrap().unwrap().finished_at, Some(day(1).to_string()));
    }

    /// B1: what `approve` needs
    async fn what_a_run_held_is_remembered(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let run = fixture.store.begin_run(&start(0), &[]).await.unwrap();
        let held = vec![Held { user: ada, label: "ada".into(), kind: BrakeKind::Disabled, loses: Loss::Access(PendingReason::Disabled) }];
        let ended = RunEnd { outcome: Outcome::Held, held: held.clone(), ..end(0) };
        fixture.store.finish_run(run, &ended, &[]).await.unwrap();
        assert_eq!(fixture.store.held(run).await.unwrap(), held);
        assert_eq!(fixture.store.held(RunId(7)).await.unwrap(), []);
    }

    /// B1, E7, L10: what the last runs rested on, by outcome; older ones are dropped
    async fn what_a_run_rested_on_is_kept_for_the_next(fixture: Fixture) {
        let store = &fixture.store;
        let (ok, held, incomplete) = (Outcome::Ok, Outcome::Held, Outcome::Incomplete);
        let last = async |among: &[Outcome]| store.basis(SOURCE, among).await.unwrap().map(|(run, basis)| (run.0, basis.server));
        assert_eq!(last(&[ok, held, incomplete]).await, None);
        for (n, outcome) in [ok, incomplete, held, incomplete, Outcome::Failed].into_iter().enumerate() {
            let run = store.begin_run(&start(0), &[]).await.unwrap();
            let basis = rosterd::plan::Basis { server: format!("server {n}"), ..Default::default() };
            let basis = (outcome != Outcome::Failed).then_some(basis);
            store.finish_run(run, &RunEnd { outcome, basis, ..end(0) }, &[]).await.unwrap();
        }
        assert_eq!(last(&[ok]).await, Some((1, "server 0".to_owned())));
        assert_eq!(last(&[ok, held]).await, Some((3, "server 2".to_owned())));
        assert_eq!(last(&[ok, held, incomplete]).await, Some((4, "server 3".to_owned())));
        let kept = "SELECT id FROM rd_runs WHERE basis IS NOT NULL ORDER BY id";
        assert_eq!(json!(fixture.rows(kept).await), json!([{ "id": 1 }, { "id": 3 }, { "id": 4 }]));
        let run = store.begin_run(&start(0), &[]).await.unwrap();
        store.finish_run(run, &RunEnd { basis: Some(Default::default()), ..end(0) }, &[]).await.unwrap();
        assert_eq!(json!(fixture.rows(kept).await), json!([{ "id": 6 }]));
        assert_eq!(store.basis("other", &[ok]).await.unwrap(), None);
    }

    /// E2: the last complete run counts, whatever came after it
    async fn coverage_is_that_of_the_last_complete_run(fixture: Fixture) {
        let store = &fixture.store;
        assert!(store.coverage(SOURCE).await.unwrap().is_empty());
        for counts in [vec![("", 10), ("mail", 10), ("title", 4)], vec![("", 9), ("mail", 8)]] {
            let coverage: BTreeMap<String, u64> = counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
            let run = store.begin_run(&start(0), &[]).await.unwrap();
            store.finish_run(run, &RunEnd { coverage: Some(coverage.clone()), ..end(0) }, &[]).await.unwrap();
            assert_eq!(store.coverage(SOURCE).await.unwrap(), coverage);
        }
        let run = store.begin_run(&start(1), &[]).await.unwrap();
        store.finish_run(run, &RunEnd { outcome: Outcome::Incomplete, ..end(1) }, &[]).await.unwrap();
        assert_eq!(store.coverage(SOURCE).await.unwrap()["mail"], 8);
        assert!(store.coverage("other").await.unwrap().is_empty());
    }

    /// I9
    async fn sources_are_registered_by_name(fixture: Fixture) {
        let record = |name: &str, bases: &str| SourceRecord {
            name: name.to_owned(), directory: "dc=example,dc=com".to_owned(), bases: bases.to_owned(), retired: None, reads: None,
        };
        for source in [record("other", "a"), record("corp", "a\nb"), record("corp", "c")] {
            fixture.store.put_source(&source, &[]).await.unwrap();
        }
        assert_eq!(fixture.store.sources().await.unwrap(), [record("corp", "c"), record("other", "a")]);
        let version = fixture.store.version().await.unwrap();
        fixture.store.put_source(&record("corp", "c"), &[]).await.unwrap();
        assert_eq!(fixture.store.version().await.unwrap(), version, "nothing differs");
    }

    /// I9, S6: no table keeps the old name, whichever has one.
    async fn a_source_is_renamed_everywhere_and_given_up(fixture: Fixture) {
        let store = &fixture.store;
        let corp = SourceRecord {
            name: SOURCE.to_owned(), directory: "d".to_owned(), bases: "b".to_owned(), retired: None, reads: None,
        };
        store.put_source(&corp, &[]).await.unwrap();
        let ada = fixture.add(day(0), person("ada")).await;
        fixture.add_group(day(0), "staff", &[ada]).await;
        let run = store.begin_run(&start(0), &[]).await.unwrap();
        let coverage = BTreeMap::from([("mail".to_owned(), 1)]);
        store.finish_run(run, &RunEnd { coverage: Some(coverage), ..end(0) }, &[]).await.unwrap();
        store.put_refused_bind(SOURCE, Some(&refused(1)), &[]).await.unwrap();
        let freeze = Freeze { since: day(1), until: day(2), reason: "patching".to_owned() };
        store.put_freeze(SOURCE, Some(&freeze), &[]).await.unwrap();
        let tables = if fixture.is_sqlite() {
            "SELECT m.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' \
             AND c.name = 'source' ORDER BY 1"
        } else {
            "SELECT table_name::text FROM information_schema.columns WHERE column_name = 'source' \
             AND table_name LIKE 'rd!_%' ESCAPE '!' ORDER BY 1"
        };
        let with_source: Vec<_> = fixture.column(tables).await;
        store.rename_source(SOURCE, "head", &[]).await.unwrap();
        for table in &with_source {
            let sql = format!("SELECT count(*) AS n FROM {} WHERE source = '{SOURCE}'", table.as_str().unwrap());
            assert_eq!(fixture.column(sql.leak()).await, [json!(0)], "{table}");
        }
        assert_eq!(store.freeze("head").await.unwrap(), Some(freeze));
        assert_eq!(store.index("head").await.unwrap().len(), 1);
        store.retire_source("head", day(3), &[]).await.unwrap();
        let head = SourceRecord { name: "head".to_owned(), retired: Some(day(3)), ..corp };
        assert_eq!(store.sources().await.unwrap(), [head]);
        store.put_freeze("head", None, &[]).await.unwrap();
        assert_eq!(store.freeze("head").await.unwrap(), None);
    }

    /// E9
    async fn a_refused_bind_is_remembered_until_it_is_forgotten(fixture: Fixture) {
        let store = &fixture.store;
        assert_eq!(store.refused_bind(SOURCE).await.unwrap(), None);
        for refused in [Some(refused(1)), Some(refused(2)), None] {
            store.put_refused_bind(SOURCE, refused.as_ref(), &[]).await.unwrap();
            assert_eq!(store.refused_bind(SOURCE).await.unwrap(), refused);
            assert_eq!(store.refused_bind("other").await.unwrap(), None);
        }
    }

    async fn old_history_is_dropped_and_numbers_are_never_given_again(fixture: Fixture) {
        let store = &fixture.store;
        let mut last = None;
        for (n, name) in ["ada", "bob", "eve"].into_iter().enumerate() {
            let at = i64::try_from(n).unwrap();
            let run = store.begin_run(&start(at), &[]).await.unwrap();
            let stamp = Stamp { run: Some(run), ..fixture.stamp(day(at), &[]) };
            last = Some(store.apply_users(stamp, &[person(name).change()]).await.unwrap()[0].1);
            let held = vec![Held { user: last.unwrap(), label: name.into(), kind: BrakeKind::Missing, loses: Loss::Access(PendingReason::Gone) }];
            store.finish_run(run, &RunEnd { held, ..end(at) }, &[]).await.unwrap();
        }
        assert_eq!(store.forget_history(day(2), &[]).await.unwrap(), 2);
        assert_eq!(store.change_rows(&Changes::Since(0), 9).await.unwrap().len(), 1);
        assert_eq!(store.run_rows(None, 9).await.unwrap().iter().map(|row| row.id).collect::<Vec<_>>(), [3]);
        assert_eq!(store.forget_history(day(99), &[]).await.unwrap(), 1);
        assert_eq!(store.run_rows(None, 9).await.unwrap().len(), 1, "the last run stays");
        assert_eq!(store.begin_run(&start(9), &[]).await.unwrap(), RunId(4));
        let version = store.version().await.unwrap();
        fixture.apply(day(9), &[flag(last.unwrap(), "eve", day(9), None)]).await;
        assert_eq!(store.change_rows(&Changes::Since(0), 9).await.unwrap()[0].seq, version + 1);
        assert_eq!(store.forget_history(day(2), &[]).await.unwrap(), 0);
    }

    async fn the_feed_says_how_far_back_it_goes(fixture: Fixture) {
        let store = &fixture.store;
        let dropped = async || store.feed().await.unwrap().dropped;
        assert_eq!(store.feed().await.unwrap(), Feed { dropped: 0, last: 0 });
        fixture.add(day(1), person("ada")).await;
        fixture.add(day(5), person("bob")).await;
        // A clock that was set back makes no hole: what comes before something that is kept stays.
        fixture.add(day(1), person("eve")).await;
        let seqs: Vec<i64> = store.change_rows(&Changes::Since(0), 9).await.unwrap().iter().map(|row| row.seq).collect();
        assert_eq!(store.forget_history(day(1), &[]).await.unwrap(), 0);
        assert_eq!(dropped().await, 0);
        assert_eq!(store.forget_history(day(3), &[]).await.unwrap(), 1);
        assert_eq!(dropped().await, seqs[0]);
        assert_eq!(store.change_rows(&Changes::Since(dropped().await), 9).await.unwrap().len(), 2);
        assert_eq!(store.forget_history(day(9), &[]).await.unwrap(), 2);
        assert_eq!(dropped().await, seqs[2]);
        assert_eq!(store.forget_history(day(9), &[]).await.unwrap(), 0);
        assert_eq!((dropped().await, store.feed().await.unwrap().last), (seqs[2], store.version().await.unwrap()));
    }

    async fn changes_are_found_by_run(fixture: Fixture) {
        let run = fixture.store.begin_run(&start(0), &[]).await.unwrap();
        let stamp = Stamp { run: Some(run), ..fixture.stamp(day(0), &[]) };
        fixture.store.apply_users(stamp, &[person("ada").change()]).await.unwrap();
        fixture.add(day(0), person("bob")).await;
        let rows = fixture.store.change_rows(&Changes::OfRun(run.0), 9).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].run_id, rows[0].at.as_str()), (Some(1), day(0).to_string().as_str()));
        assert_eq!(fixture.store.change_rows(&Changes::Since(0), 1).await.unwrap().len(), 1, "the limit");
    }
}
