//! The change feed: `seq` in order of commit (B3).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rosterd::store::Stamp;
use rosterd::store::rows::Changes;

use super::fixture::{Fixture, SOURCE, day, person};
use super::on_both_stores;

const WRITERS: usize = 8;
const BATCHES: usize = 12;

on_both_stores! {
    async fn a_reader_who_resumes_misses_nothing_and_sees_nothing_twice(fixture: Fixture) {
        let done = Arc::new(AtomicBool::new(false));
        let reader = {
            let (store, done) = (fixture.store.clone(), done.clone());
            tokio::spawn(async move {
                let mut seen: Vec<(i64, String)> = Vec::new();
                loop {
                    let finished = done.load(Ordering::SeqCst);
                    let after = seen.last().map_or(0, |(seq, _)| *seq);
                    let rows = store.change_rows(&Changes::Since(after), 7).await.unwrap();
                    let more = !rows.is_empty();
                    seen.extend(rows.into_iter().map(|row| (row.seq, row.user_id.unwrap())));
                    if finished && !more {
                        return seen;
                    }
                }
            })
        };
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let (store, names) = (fixture.store.clone(), fixture.names.clone());
            writers.spawn(async move {
                for batch in 0..BATCHES {
                    let changes: Vec<_> =
                        (0..5).map(|n| person(&format!("w{writer}b{batch}n{n}")).change()).collect();
                    let stamp = Stamp { run: None, source: SOURCE, at: day(0), names: &names, leases: &[] };
                    store.apply_users(stamp, &changes).await.unwrap();
                }
            });
        }
        writers.join_all().await;
        done.store(true, Ordering::SeqCst);
        let seen = reader.await.unwrap();
        let total = WRITERS * BATCHES * 5;
        assert_eq!(seen.len(), total);
        assert_eq!(seen.iter().map(|(_, user)| user).collect::<BTreeSet<_>>().len(), total);
        let numbers: Vec<i64> = seen.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(numbers, (1..=i64::try_from(total).unwrap()).collect::<Vec<_>>(), "no gap, in order");
        assert_eq!(fixture.store.version().await.unwrap(), numbers[total - 1]);
    }

    async fn a_write_without_an_event_gives_the_store_another_version(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let version = fixture.store.version().await.unwrap();
        let mark = super::fixture::mark("v2");
        fixture.apply(day(0), &[super::fixture::change(ada, "ada", vec![], Some(mark))]).await;
        assert!(fixture.store.version().await.unwrap() > version);
        let version = fixture.store.version().await.unwrap();
        fixture.apply(day(0), &[]).await;
        assert_eq!(fixture.store.version().await.unwrap(), version, "nothing was written");
    }
}

#[tokio::test]
async fn postgres_tells_listeners_at_the_commit() {
    let Some(fixture) = Fixture::postgres().await else { return };
    let mut listener = sqlx::postgres::PgListener::connect(&fixture.settings.url).await.unwrap();
    listener.listen("rosterd").await.unwrap();
    fixture.add(day(0), person("ada")).await;
    let told = tokio::time::timeout(std::time::Duration::from_secs(5), listener.recv()).await.unwrap().unwrap();
    assert_eq!(told.payload(), fixture.store.version().await.unwrap().to_string());
}
