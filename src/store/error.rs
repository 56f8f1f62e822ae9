//! What can go wrong with the store, said so that an operator knows what to do.

use thiserror::Error;

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
    #[error("another process took over {scope}; nothing more is written here")]
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
    /// Whether trying again later may help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::Statement { .. })
    }
}
