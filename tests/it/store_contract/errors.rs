//! What an operator is told when the store is not as it should be. No password stands in any of it.

use std::error::Error as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rosterd::store::{Settings, StoreError, open};
use secrecy::SecretString;
use sqlx::{Connection as _, SqliteConnection};

use super::fixture::{Fixture, SOURCE, day, person};
use crate::support::postgres;

fn sqlite_at(path: &Path) -> Settings {
    Settings { url: format!("sqlite://{}", path.display()), password: None }
}

/// Text, causes and debug form.
fn everything(error: &StoreError) -> String {
    let mut text = format!("{error} | {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(" | {error} | {error:?}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&sqlite_at(&folder.path().join("no/where/roster.db"))).await.unwrap();
    let error = store.migrate().await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("no/where does not exist; create it"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.db");
    std::fs::write(&path, "this is a letter to my mother, and certainly longer than a header of a database".repeat(20))
        .unwrap();
    let error = open(&sqlite_at(&path)).await.unwrap().migrate().await.unwrap_err();
    assert!(error.to_string().contains("is not an SQLite database; look at store.url"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_store_without_schema_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.db");
    let store = open(&sqlite_at(&path)).await.unwrap();
    let missing = store.index(SOURCE).await.unwrap_err();
    assert!(missing.to_string().contains("look whether it exists (`rosterd migrate` creates it)"), "{missing}");
    std::fs::write(&path, "").unwrap();
    let empty = store.index(SOURCE).await.unwrap_err();
    assert!(empty.to_string().contains("it has no schema yet; run `rosterd migrate`"), "{empty}");
}

#[tokio::test]
async fn a_locked_store_is_waited_for_and_then_named() {
    let fixture = Fixture::sqlite().await;
    let path = fixture.settings.url.strip_prefix("sqlite://").unwrap().to_owned();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let file = options.get_filename().display().to_string();
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "how long it waits is what is tested")]
    let began = Instant::now();
    let error = fixture.try_apply(day(0), &[person("ada").change()]).await.unwrap_err();
    assert!(began.elapsed() > Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(error.to_string().contains("locked by another process for more than 5 s"), "{error}");
    assert!(error.to_string().contains(&format!("`fuser {file}`")), "{error}");
    assert!(error.is_transient());
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    fixture.add(day(0), person("ada")).await;
}

#[tokio::test]
async fn other_urls_are_refused_without_being_repeated() {
    for url in ["mysql://root:hunter2@db/roster", "sqlite://", "postgres://rosterd:hunter2@[::1/roster"] {
        let error = open(&Settings { url: url.to_owned(), password: None }).await.err().expect("refused");
        assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
        assert!(!everything(&error).contains("hunter2"), "{error:?}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn what_postgres_refuses_is_named_with_the_remedy() {
    let Some(server) = postgres::server("store errors on Postgres") else { return };
    let database = server.database();
    let secret = |password: &str| Some(SecretString::from(password.to_owned()));

    let missing = open(&Settings { url: server.url("nowhere"), password: None }).await.err().unwrap();
    assert!(missing.to_string().contains("the database does not exist; create it with `createdb`"), "{missing}");
    assert!(!missing.is_transient());

    let url = server.url_as("guarded", &database);
    let refused = open(&Settings { url: url.clone(), password: secret("hunter2") }).await.err().unwrap();
    assert!(refused.to_string().contains("refuses this user or password"), "{refused}");
    assert!(!everything(&refused).contains("hunter2"), "{refused:?}");
    assert!(!refused.is_transient());

    let right = Settings { url: url.clone(), password: secret(postgres::PASSWORD) };
    let store = open(&right).await.unwrap();
    assert_eq!(store.describe(), url);
    assert!(!format!("{right:?}").contains(postgres::PASSWORD));
    let forbidden = store.migrate().await.unwrap_err();
    assert!(forbidden.to_string().contains("lacks a right"), "{forbidden}");
    assert!(!everything(&forbidden).contains(postgres::PASSWORD));

    let empty = open(&Settings { url: server.socket_url(&database), password: None }).await.unwrap();
    let error = empty.index(SOURCE).await.unwrap_err();
    assert!(error.to_string().contains("it has no schema yet; run `rosterd migrate`"), "{error}");
    // Who may not write is told so by looking alone.
    let says = store.hindrance().await.unwrap().unwrap();
    assert!(says.contains("may not make tables in the schema"), "{says}");
    assert_eq!(empty.hindrance().await.unwrap(), None);
    empty.migrate().await.unwrap();
    assert_eq!(empty.hindrance().await.unwrap(), None);
    server.psql(&database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO guarded");
    let says = store.hindrance().await.unwrap().unwrap();
    assert!(says.contains("may not write rd_addresses, ") && says.contains("INSERT, UPDATE and DELETE"), "{says}");
    server.psql(&database, "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guarded");
    assert_eq!(store.hindrance().await.unwrap(), None);
    server
        .psql(&database, &format!("ALTER ROLE guarded IN DATABASE {database} SET default_transaction_read_only = on"));
    let store = open(&right).await.unwrap();
    assert!(store.hindrance().await.unwrap().unwrap().contains("read-only"));
}

#[tokio::test]
async fn a_postgres_that_goes_away_is_a_passing_trouble() {
    let Some(server) = postgres::another() else {
        crate::support::slapd::left_out("Postgres that goes away", "PostgreSQL is not installed");
        return;
    };
    let settings = Settings { url: server.url(&server.database()), password: None };
    let store = open(&settings).await.unwrap();
    store.migrate().await.unwrap();
    server.stop();
    let error = store.index(SOURCE).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let error = open(&settings).await.err().unwrap();
    assert!(error.to_string().contains("look whether PostgreSQL runs"), "{error}");
    assert!(error.is_transient(), "{error:?}");
}
