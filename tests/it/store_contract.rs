//! One suite for both stores: whatever holds on SQLite holds on Postgres.

mod errors;
mod feed;
pub mod fixture;
mod groups;
mod history;
mod leases;
mod lists;
mod people;
mod rights;
mod schema;
mod window;

/// Makes each function a test on SQLite and one on Postgres; both take a fresh, migrated store.
macro_rules! on_both_stores {
    ($($(#[$meta:meta])* async fn $name:ident($fixture:ident: Fixture) $body:block)+) => {
        $(async fn $name($fixture: Fixture) $body)+

        mod on_sqlite {
            $($(#[$meta])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() {
                super::$name(crate::store_contract::fixture::Fixture::sqlite().await).await;
            })+
        }

        mod on_postgres {
            $($(#[$meta])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() {
                if let Some(fixture) = crate::store_contract::fixture::Fixture::postgres().await {
                    super::$name(fixture).await;
                }
            })+
        }
    };
}
pub(crate) use on_both_stores;
