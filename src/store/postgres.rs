//! Postgres: what differs from SQLite. Everything else is in `shared/`.

use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgArguments, PgConnectOptions};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Transaction};
use uuid::Uuid;

use super::Settings;
use super::bulk::{Cell, Rows};
use super::error::{Fault, StoreError, explain as explain_error};
use super::unreturned::Unreturned;

pub(super) type Db = sqlx::Postgres;
pub(super) type Row = sqlx::postgres::PgRow;
pub(super) type Connection = sqlx::PgConnection;
pub(super) type Statement = Query<'static, Db, PgArguments>;
/// UUIDs are of type uuid.
pub(super) type Guid = Uuid;

/// `IN (…)` for a list bound as one value, see [`any_list`].
macro_rules! any_of {
    ($parameter:literal) => {
        concat!("= ANY(", $parameter, ")")
    };
}

/// A JSON object with another one laid over it; null takes a key away.
macro_rules! merged {
    ($object:literal, $patch:literal) => {
        concat!(
            "(",
            $object,
            " || ",
            $patch,
            ") - ARRAY(SELECT key FROM jsonb_each(",
            $patch,
            ") WHERE value = 'null'::jsonb)"
        )
    };
}

/// The database's clock in milliseconds.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}

#[path = "shared/mod.rs"]
#[expect(clippy::duplicate_mod, reason = "the SQL is written once and compiled for each database")]
mod shared;

/// Every reader sees one state of the store.
pub(super) const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Says that rosterd itself writes, and reads the counters.
pub(super) const OPEN_WRITE: &str = "SELECT seq, last_user, last_group, last_run, last_conflict, \
     set_config('rosterd.writing', 'on', true) FROM rd_store";
/// Writes the counters back, and lets listeners know at the commit.
pub(super) const CLOSE_WRITE: &str = "UPDATE rd_store SET seq = $1, last_user = $2, last_group = $3, last_run = $4, \
     last_conflict = $5 RETURNING pg_notify('rosterd', seq::text)";

/// The names of all that a first sync makes late.
pub(super) const MADE: &str = "SELECT indexname::text FROM pg_indexes WHERE schemaname = current_schema()";
/// What it makes late besides. One bearer an address (A3) is kept by the primary key of `rd_addresses`, which stays.
pub(super) const LATE_TOO: &[(&str, &str, &str)] = &[(
    "rd_addresses_user",
    "DROP INDEX rd_addresses_user",
    "CREATE INDEX rd_addresses_user ON rd_addresses (user_id)",
)];

/// How long connecting may take, retries included.
const CONNECT: Duration = Duration::from_secs(10);
/// Rows a statement.
const CHUNK: usize = 10_000;

/// A roster in a Postgres database.
pub(super) struct Database {
    pub pool: sqlx::PgPool,
    pub name: String,
    pub unreturned: Unreturned,
}

impl Database {
    /// A store in this database; connects once to see that it can.
    pub async fn new(settings: &Settings) -> Result<Self, StoreError> {
        let unreadable = |source: sqlx::Error| StoreError::Open {
            store: "in Postgres".to_owned(),
            says: format!("store.url is not understood ({source}); it looks like postgres://user@host:5432/database"),
            source: None,
        };
        let mut options = PgConnectOptions::from_str(&settings.url).map_err(unreadable)?;
        if let Some(password) = &settings.password {
            options = options.password(password.expose_secret());
        }
        let options = options.application_name("rosterd").disable_statement_logging();
        let name = name(&options);
        let failed = |says, source| StoreError::Open { store: name.clone(), says, source };
        match tokio::time::timeout(CONNECT, options.connect()).await {
            Err(_) => {
                return Err(failed(
                    "the server does not answer within 10 s".to_owned(),
                    Some(sqlx::Error::PoolTimedOut),
                ));
            }
            Ok(Err(error)) => return Err(failed(explain_error(&error), Some(error))),
            Ok(Ok(connection)) => drop(connection.close().await),
        }
        let pool = PoolOptions::new().max_connections(4).acquire_timeout(CONNECT).connect_lazy_with(options);
        Ok(Self { pool, name, unreturned: Unreturned::default() })
    }

    /// Begins to write: from here to the commit nobody else does.
    pub async fn begin(&self) -> Result<Transaction<'static, Db>, Fault> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT one FROM rd_store FOR UPDATE").execute(&mut *transaction).await?;
        Ok(transaction)
    }

    /// The server looks after its log itself.
    pub fn copy_log_back(&self) {}

    /// Ends all connections.
    pub async fn close_pools(&self) {
        self.pool.close().await;
    }

    /// Whether there is nothing to read versions from.
    pub async fn is_empty(&self) -> Result<bool, Fault> {
        Ok(sqlx::query_scalar("SELECT to_regclass('rd_migrations') IS NULL").fetch_one(&self.pool).await?)
    }

    /// Why the database cannot be written: the rights of the user on schema and tables, and whether it is a standby.
    pub async fn cannot_be_written(&self) -> Result<Option<String>, Fault> {
        const LACKS: &str = "SELECT coalesce(string_agg(quote_ident(c.relname), ', ' ORDER BY c.relname), '') \
             FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' \
             AND c.relname LIKE 'rd\\_%' AND c.relname <> 'rd_migrations' \
             AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') \
             AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))";
        let remedy = "let the user in store.url own the database, or grant";
        let read_only: bool =
            sqlx::query_scalar("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean")
                .fetch_one(&self.pool)
                .await?;
        if read_only {
            return Ok(Some(
                "the server is read-only (a standby, or default_transaction_read_only); use the primary".into(),
            ));
        }
        if self.is_empty().await? {
            let may: bool =
                sqlx::query_scalar("SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")
                    .fetch_one(&self.pool)
                    .await?;
            let says = || format!("the user may not make tables in the schema; {remedy} CREATE on the schema");
            return Ok((!may).then(says));
        }
        let lacks: String = sqlx::query_scalar(LACKS).fetch_one(&self.pool).await?;
        let says = || format!("the user may not write {lacks}; {remedy} SELECT, INSERT, UPDATE and DELETE on them");
        Ok((!lacks.is_empty()).then(says))
    }

    /// Applies what is missing; other processes wait.
    pub async fn migrate(&self, migrations: &Migrator) -> Result<(), Fault> {
        // A connection of its own: when a migration fails, the migrator keeps its lock for the session.
        let mut connection = self.pool.acquire().await?.detach();
        let done = migrations.run_direct(None, &mut connection, false).await.map_err(migration_failed);
        drop(connection.close().await);
        done
    }
}

/// What messages call the store: everything but the password.
fn name(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |at| at.display().to_string());
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("postgres://{}@{host}:{}/{database}", options.get_username(), options.get_port())
}

/// The migrations of this dialect.
pub(super) fn migrations() -> Migrator {
    sqlx::migrate!("migrations/postgres")
}

fn migration_failed(error: sqlx::migrate::MigrateError) -> Fault {
    match error {
        sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
            error.into()
        }
        other => Fault::Sql(sqlx::Error::Migrate(Box::new(other))),
    }
}

/// A UUID as it is stored.
pub(super) fn to_guid(uuid: Uuid) -> Guid {
    uuid
}

/// A stored UUID.
pub(super) fn from_guid(guid: Guid) -> Uuid {
    guid
}

/// The form in which [`any_of`] takes a list.
pub(super) fn any_list<T: Clone>(items: &[T]) -> Vec<T> {
    items.to_vec()
}

/// One column of many rows, as an array.
enum Array {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Digest(Vec<Option<[u8; 16]>>),
    Guid(Vec<Uuid>),
    Json(Vec<Option<String>>),
}

impl Array {
    fn starting_with(cell: Cell) -> Self {
        let mut array = match cell {
            Cell::Int(_) => Self::Int(Vec::new()),
            Cell::Text(_) => Self::Text(Vec::new()),
            Cell::Digest(_) => Self::Digest(Vec::new()),
            Cell::Guid(_) => Self::Guid(Vec::new()),
            Cell::Json(_) => Self::Json(Vec::new()),
        };
        array.push(cell);
        array
    }

    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Self::Int(items), Cell::Int(value)) => items.push(value),
            (Self::Text(items), Cell::Text(value)) => items.push(value),
            (Self::Digest(items), Cell::Digest(value)) => items.push(value.map(|digest| digest.to_bytes())),
            (Self::Guid(items), Cell::Guid(value)) => items.push(value),
            (Self::Json(items), Cell::Json(value)) => items.push(value),
            _ => debug_assert!(false, "a column with two kinds of cell"),
        }
    }

    /// The array's type, and what its elements are cast to.
    fn types(&self) -> (&'static str, &'static str) {
        match self {
            Self::Int(_) => ("bigint[]", ""),
            Self::Text(_) => ("text[]", ""),
            Self::Digest(_) => ("bytea[]", ""),
            Self::Guid(_) => ("uuid[]", ""),
            Self::Json(_) => ("text[]", "::jsonb"),
        }
    }

    fn bind(self, query: Statement) -> Statement {
        match self {
            Self::Int(items) => query.bind(items),
            Self::Text(items) | Self::Json(items) => query.bind(items),
            Self::Digest(items) => query.bind(items),
            Self::Guid(items) => query.bind(items),
        }
    }
}

/// Runs `head SELECT … tail` for all rows; columns are called `column1`, `column2`, ….
pub(super) async fn bulk(
    connection: &mut Connection,
    head: &'static str,
    rows: Rows,
    tail: &'static str,
) -> Result<(), Fault> {
    let (width, mut left) = (rows.width(), rows.len());
    let mut cells = rows.into_cells();
    let next = || {
        let chunk = left.min(CHUNK);
        left -= chunk;
        (chunk > 0).then(|| bind(head, width, cells.by_ref().take(width * chunk), tail))
    };
    shared::execute_each(connection, next).await
}

fn bind(head: &str, width: usize, mut cells: impl Iterator<Item = Cell>, tail: &str) -> Statement {
    let mut arrays: Vec<Array> = cells.by_ref().take(width).map(Array::starting_with).collect();
    for (at, cell) in cells.enumerate() {
        if let Some(array) = arrays.get_mut(at % width) {
            array.push(cell);
        }
    }
    let columns = |column: &dyn Fn(usize, &Array) -> String| {
        arrays.iter().enumerate().map(|(at, array)| column(at + 1, array)).collect::<Vec<_>>().join(", ")
    };
    let sql = format!(
        "{head} SELECT {} FROM UNNEST({}) AS r({}) {tail}",
        columns(&|at, array| format!("column{at}{}", array.types().1)),
        columns(&|at, array| format!("${at}::{}", array.types().0)),
        columns(&|at, _| format!("column{at}")),
    );
    arrays.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, array| array.bind(query))
}

/// What an SQLSTATE means, and what to do.
pub(super) fn explain(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" | "28000" => {
            "the server refuses this user or password; look at store.url, at the password and at pg_hba.conf"
        }
        "3D000" => "the database does not exist; create it with `createdb`, owned by the user in store.url",
        "42501" => "the user in store.url lacks a right; let it own the database, or grant what the message names",
        "42P01" => "it has no schema yet; run `rosterd migrate`",
        "53100" => "the server's disk is full; make room",
        "53300" => "the server has no connection left; raise max_connections or end idle ones",
        "25006" => "the server is read-only (a standby, or default_transaction_read_only); use the primary",
        "57P01" | "57P02" => "the server is shutting down; the next run tries again",
        "57P03" => "the server is starting or recovering; the next run tries again",
        "55P03" | "57014" => "it waited too long for another session's lock; look at pg_stat_activity",
        "23505" => "somebody else has this address, unique id or open conflict meanwhile; the next run looks again",
        _ => return None,
    })
}

/// Whether a failure with this SQLSTATE goes away by itself.
pub(super) fn passes(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    code.len() == 5 && (matches!(class, "08" | "40" | "53" | "57") || matches!(code, "55P03" | "23505"))
}
