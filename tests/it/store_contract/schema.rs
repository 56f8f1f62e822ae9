//! Migrations, and the views column by column.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rosterd::store::{Acquired, Holder, Schema, Settings, StoreError, open};

use super::fixture::Fixture;
use super::on_both_stores;

const KEEP: std::time::Duration = std::time::Duration::from_secs(60);

/// `contract.md`, "What applications read", to the letter; `t` text, `u` UUID, `i` integer, `b` boolean, `z` time,
/// `j` JSON.
const VIEWS: &[(&str, &str)] = &[
    (
        "roster_users",
        "id:u source:t origin:t unique_id:t dn:t username:t user_principal_name:t primary_address:t display_name:t \
         given_name:t surname:t home_phone:t mobile:t company:t department:t notes:t role:t state:t access:b \
         pending_reason:t flagged_at:z delete_after:z transferred_to:t extra:j created_at:z updated_at:z",
    ),
    ("roster_addresses", "address:t user_id:u kind:t access:b"),
    ("roster_groups", "id:u source:t origin:t unique_id:t dn:t name:t state:t created_at:z"),
    ("roster_memberships", "group_id:u user_id:u via:t"),
    ("roster_grants", "user_id:u privilege:t via:t"),
    ("roster_rules", "user_id:u kind:t pattern:t"),
    ("roster_conflicts", "id:i kind:t subject:t user_id:u detail:t opened_at:z due_at:z status:t"),
    ("roster_skipped", "source:t dn:t unique_id:t reason:t rule:t detail:t seen_at:z"),
    (
        "roster_runs",
        "id:i source:t trigger:t action:t mode:t outcome:t started_at:z finished_at:z entries:i added:i updated:i \
         moved:i flagged:i restored:i deleted:i conflicts:i skipped:i error:t",
    ),
    ("roster_changes", "seq:i run_id:i at:z kind:t user_id:u group_id:u before:j after:j rule:t"),
    ("roster_feed", "dropped:i last:i"),
];

fn postgres_type(letter: &str) -> &'static str {
    match letter {
        "t" => "text",
        "u" => "uuid",
        "i" => "bigint",
        "b" => "boolean",
        "z" => "timestamp with time zone",
        "j" => "jsonb",
        other => panic!("{other}"),
    }
}

on_both_stores! {
    async fn the_views_have_exactly_the_columns_of_the_contract(fixture: Fixture) {
        let sql = if fixture.is_sqlite() {
            "SELECT m.name AS v, c.name AS n, '' AS t FROM sqlite_schema m, pragma_table_info(m.name) c \
             WHERE m.type = 'view' ORDER BY m.name, c.cid"
        } else {
            "SELECT table_name AS v, column_name AS n, data_type AS t FROM information_schema.columns \
             WHERE table_name LIKE 'roster!_%' ESCAPE '!' ORDER BY table_name, ordinal_position"
        };
        let mut expected: Vec<_> = VIEWS
            .iter()
            .flat_map(|(view, columns)| columns.split(' ').map(move |column| (*view, column.split_once(':').unwrap())))
            .map(|(view, (name, letter))| {
                let kind = if fixture.is_sqlite() { "" } else { postgres_type(letter) };
                (view.to_owned(), name.to_owned(), kind.to_owned())
            })
            .collect();
        expected.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let found: Vec<_> =
            fixture.rows(sql).await.iter().map(|row| (text(&row["v"]), text(&row["n"]), text(&row["t"]))).collect();
        assert_eq!(found, expected);
    }

    async fn every_view_is_there_and_empty_in_a_new_store(fixture: Fixture) {
        for sql in [
            "SELECT * FROM roster_users", "SELECT * FROM roster_addresses", "SELECT * FROM roster_groups",
            "SELECT * FROM roster_memberships", "SELECT * FROM roster_grants", "SELECT * FROM roster_rules",
            "SELECT * FROM roster_conflicts", "SELECT * FROM roster_skipped", "SELECT * FROM roster_runs",
            "SELECT * FROM roster_changes",
        ] {
            assert_eq!(fixture.rows(sql).await, [], "{sql}");
        }
        assert_eq!(VIEWS.len(), 11, "and roster_feed, which always has one row");
    }

    async fn migrating_again_changes_nothing(fixture: Fixture) {
        let id = fixture.store.id().await.unwrap();
        assert_eq!(id.get_version_num(), 4);
        assert_eq!(fixture.store.schema().await.unwrap(), Schema::Current);
        fixture.store.migrate().await.unwrap();
        let again = open(&fixture.settings).await.unwrap();
        again.migrate().await.unwrap();
        assert_eq!(again.id().await.unwrap(), id);
        assert_eq!(fixture.store.version().await.unwrap(), 0);
    }

    async fn a_newer_schema_is_refused(fixture: Fixture) {
        fixture.by_hand(
            "INSERT INTO rd_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'from the future', true, '', 0)",
        ).await;
        assert_eq!(fixture.store.schema().await.unwrap(), Schema::Newer);
        let error = fixture.store.migrate().await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 9999, known: 1..9999, .. }), "{error:?}");
        assert!(error.to_string().contains("run the newer rosterd"), "{error}");
        assert!(!error.is_transient());
        let says = error.to_string();
        // A program that has the store open since before writes no more, either: whoever writes begins with a lease.
        let error = fixture.store.acquire("source:corp", &Holder::this_process(), KEEP).await.unwrap_err();
        assert_eq!(error.to_string(), says);
        fixture.by_hand("DELETE FROM rd_migrations WHERE version = 9999").await;
        let again = fixture.store.acquire("source:corp", &Holder::this_process(), KEEP).await.unwrap();
        assert!(matches!(again, Acquired::Yes(_)), "{again:?}");
    }

    async fn several_may_migrate_at_once(fixture: Fixture) {
        fixture.by_hand("DROP TABLE rd_migrations").await;
        for statement in DROP_EVERYTHING {
            fixture.by_hand(statement).await;
        }
        if !fixture.is_sqlite() {
            fixture.by_hand("DROP FUNCTION rd_users_by_hand; DROP FUNCTION rd_addresses_by_hand; \
                             DROP FUNCTION rd_never_deleted").await;
        }
        assert_eq!(fixture.store.schema().await.unwrap(), Schema::Empty);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let settings = fixture.settings.clone();
            tasks.spawn(async move { open(&settings).await.unwrap().migrate().await });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
        assert_eq!(fixture.store.schema().await.unwrap(), Schema::Current);
    }
}

const DROP_EVERYTHING: &[&str] = &[
    "DROP VIEW roster_users; DROP VIEW roster_addresses; DROP VIEW roster_groups; DROP VIEW roster_memberships; \
     DROP VIEW roster_grants; DROP VIEW roster_rules; DROP VIEW roster_conflicts; DROP VIEW roster_skipped; \
     DROP VIEW roster_runs; DROP VIEW roster_changes; DROP VIEW roster_feed",
    "DROP TABLE rd_held; DROP TABLE rd_memberships; DROP TABLE rd_rules; DROP TABLE rd_grants; DROP TABLE rd_freezes; DROP TABLE rd_mapped; \
     DROP TABLE rd_conflicts; DROP TABLE rd_addresses; DROP TABLE rd_users; DROP TABLE rd_groups; \
     DROP TABLE rd_runs; DROP TABLE rd_skipped; DROP TABLE rd_changes; DROP TABLE rd_coverage; \
     DROP TABLE rd_refused_binds; DROP TABLE rd_sources; DROP TABLE rd_leases; DROP TABLE rd_store",
];

#[test]
fn both_stores_have_migrations_of_the_same_numbers_and_names() {
    let names = |dialect: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect);
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}

fn sqlite_at(path: &Path) -> Settings {
    Settings { url: format!("sqlite://{}", path.display()), password: None }
}

#[tokio::test]
async fn asking_for_the_schema_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.db");
    let store = open(&sqlite_at(&path)).await.unwrap();
    assert_eq!(store.schema().await.unwrap(), Schema::Empty);
    assert!(store.version().await.is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_file_is_private_and_belongs_to_the_owner_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = rustix::process::getuid().is_root();
    if root {
        std::os::unix::fs::chown(folder.path(), Some(4711), Some(4712)).unwrap();
    }
    let path = folder.path().join("roster.db");
    open(&sqlite_at(&path)).await.unwrap().migrate().await.unwrap();
    let (file, owner) = (path.metadata().unwrap(), folder.path().metadata().unwrap());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert_eq!((file.uid(), file.gid()), (owner.uid(), owner.gid()));
    for suffix in ["-wal", "-shm"] {
        let beside = folder.path().join(format!("roster.db{suffix}"));
        if let Ok(beside) = beside.metadata() {
            assert_eq!((beside.permissions().mode() & 0o777, beside.uid()), (0o600, owner.uid()), "{suffix}");
        }
    }
}
