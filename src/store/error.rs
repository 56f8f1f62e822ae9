//! What can go wrong with the store, said so that an operator knows what to do.

use thiserror::Error;

use super::{postgres, sqlite};

/// A failure of the store; the text says what was attempted, on what, and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be opened or reached.
    #[error("cannot open the store {store}: {says}")]
    Open {
        /// Path or URL without password.
        store: String,
        /// What is wrong and what to do.
        says: String,
        /// The driver's error.
        #[source]
        source: Option<sqlx::Error>,
    },
    /// The schema was written by a newer program.
    #[error(
        "the store {store} has schema {found}, newer than this program's {known}; run the newer rosterd, or restore \
         the backup made before the upgrade"
    )]
    Newer {
        /// Path or URL without password.
        store: String,
        /// Version in the store.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
    /// Another process took the lease while this one was not looking (S3).
    #[error("another process took over {}; nothing more is written here", turn_at(scope))]
    Fenced {
        /// The lease's scope.
        scope: String,
    },
    /// Something in the store contradicts itself.
    #[error("the store contradicts itself: {table} {row}: {says}")]
    Inconsistent {
        /// Table.
        table: &'static str,
        /// Row.
        row: String,
        /// What is wrong.
        says: String,
    },
    /// A statement failed.
    #[error("cannot {doing} in the store {store}: {says}")]
    Statement {
        /// What was attempted: `apply 12 users`, `read the index`.
        doing: String,
        /// Path or URL without password.
        store: String,
        /// What is wrong and what to do (locked, full, read-only, gone, …).
        says: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
}

impl StoreError {
    /// Whether trying again later may help without anybody doing anything: the store is locked or full, or the
    /// server is away.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Open { source, .. } => source.as_ref().is_some_and(passes),
            Self::Statement { source, .. } => passes(source),
            Self::Newer { .. } | Self::Fenced { .. } | Self::Inconsistent { .. } => false,
        }
    }
}

impl StoreError {
    /// Whether nothing can be read or written, whatever is asked: the store is away, locked, full, read-only, or
    /// another one. Not when somebody was merely quicker, or what is stored contradicts itself.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Open { .. } => true,
            Self::Statement { source, .. } => !is_about_values(source),
            Self::Newer { .. } | Self::Fenced { .. } | Self::Inconsistent { .. } => false,
        }
    }
}

/// Whether a statement failed for what it wrote or read, in a store that works.
fn is_about_values(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => !matches!(database.kind(), sqlx::error::ErrorKind::Other),
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_) => true,
        _ => false,
    }
}

/// What the holder of a lease may do, for people.
pub(super) fn turn_at(scope: &str) -> String {
    scope.strip_prefix("source:").map_or_else(|| "writing".to_owned(), |source| format!("a run of `{source}`"))
}

/// What a query inside the store fails with, before it is known which call it belongs to.
#[derive(Debug)]
pub(super) enum Fault {
    /// The driver's error.
    Sql(sqlx::Error),
    /// A failure that already says everything.
    Said(StoreError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Said(error)
    }
}

impl Fault {
    /// The failure with what was attempted, and in which store.
    pub fn while_doing(self, doing: impl Into<String>, store: &str) -> StoreError {
        match self {
            Self::Said(error) => error,
            Self::Sql(source) => {
                let says = explain(&source).replace("FILE", store);
                StoreError::Statement { doing: doing.into(), store: store.to_owned(), says, source }
            }
        }
    }

    /// A row that cannot be what it says.
    pub fn inconsistent(table: &'static str, row: impl ToString, says: impl Into<String>) -> Self {
        Self::Said(StoreError::Inconsistent { table, row: row.to_string(), says: says.into() })
    }
}

/// What is wrong and what to do, in words.
pub(super) fn explain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            let known = match database.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                Some(_) => sqlite::explain(&code, database.message()),
                None => postgres::explain(&code),
            };
            known.map_or_else(|| database.message().to_owned(), str::to_owned)
        }
        sqlx::Error::Io(io) => {
            format!("the server cannot be reached ({io}); look whether PostgreSQL runs and at store.url")
        }
        sqlx::Error::Tls(tls) => {
            format!("TLS failed ({tls}); look at the server's certificate and at sslmode and sslrootcert in store.url")
        }
        sqlx::Error::PoolTimedOut => {
            "no connection could be had in time: the server does not answer, or all its connections are taken; look \
             whether PostgreSQL runs, at its max_connections, and at store.url"
                .to_owned()
        }
        sqlx::Error::ColumnDecode { index, source } => {
            format!("column {index} holds a value rosterd did not write: {source}")
        }
        other => other.to_string(),
    }
}

/// Whether an error goes away by itself.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            match database.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                Some(_) => sqlite::passes(&code),
                None => postgres::passes(&code),
            }
        }
        _ => false,
    }
}
