//! SQLite: what differs from Postgres. Everything else is in `shared/`.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use sqlx::migrate::Migrator;
use sqlx::pool::{PoolConnectionMetadata, PoolOptions};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Transaction};
use uuid::Uuid;

use super::bulk::{Cell, Rows};
use super::error::{Fault, StoreError};
use super::unreturned::Unreturned;

pub(super) type Db = sqlx::Sqlite;
pub(super) type Row = sqlx::sqlite::SqliteRow;
pub(super) type Connection = sqlx::SqliteConnection;
pub(super) type Statement = Query<'static, Db, SqliteArguments>;
/// UUIDs are text, so that applications can read and compare them.
pub(super) type Guid = uuid::fmt::Hyphenated;

/// `IN (…)` for a list bound as one value, see [`any_list`].
macro_rules! any_of {
    ($parameter:literal) => {
        concat!("IN (SELECT value FROM json_each(", $parameter, "))")
    };
}

/// A JSON object with another one laid over it; null takes a key away.
macro_rules! merged {
    ($object:literal, $patch:literal) => {
        concat!("json_patch(", $object, ", ", $patch, ")")
    };
}

/// The database's clock in milliseconds.
macro_rules! now {
    () => {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    };
}

#[path = "shared/mod.rs"]
#[expect(clippy::duplicate_mod, reason = "the SQL is written once and compiled for each database")]
mod shared;

/// Every reader sees one state of the store.
pub(super) const BEGIN_READ: &str = "BEGIN DEFERRED";
/// Says that rosterd itself writes, and reads the counters.
pub(super) const OPEN_WRITE: &str =
    "UPDATE rd_store SET writing = 1 RETURNING seq, last_user, last_group, last_run, last_conflict";
/// Writes the counters back.
pub(super) const CLOSE_WRITE: &str = "UPDATE rd_store SET writing = 0, seq = $1, last_user = $2, last_group = $3, \
     last_run = $4, last_conflict = $5";

/// The names of all that a first sync makes late.
pub(super) const MADE: &str = "SELECT name FROM sqlite_schema WHERE type IN ('index', 'trigger')";
/// What it makes late besides: one bearer an address (A3) is kept by the turn at the store meanwhile, and by the plan. For
/// a table with a trigger SQLite writes all rows of a statement down first.
pub(super) const LATE_TOO: &[(&str, &str, &str)] = &[
    ("rd_addresses_key", "DROP INDEX rd_addresses_key", "CREATE UNIQUE INDEX rd_addresses_key ON rd_addresses (key)"),
    (
        "rd_addresses_added_by_hand",
        "DROP TRIGGER rd_addresses_added_by_hand",
        "CREATE TRIGGER rd_addresses_added_by_hand AFTER INSERT ON rd_addresses WHEN (SELECT writing FROM rd_store) = 0 \
     BEGIN UPDATE rd_users SET fingerprint = NULL WHERE id = NEW.user_id; END",
    ),
];

/// How long a statement waits for other processes.
const BUSY: Duration = Duration::from_secs(5);
/// How long a writer waits for the others of this process.
const WAIT: Duration = Duration::from_secs(60);
/// What the writer keeps in memory (KiB, negative): about the pages that a batch of a first sync touches.
const WRITER_CACHE: &str = "-9000";
/// Pages of the write-ahead log (128 MiB) before the writer copies back itself what nobody else has yet.
const CHECKPOINT_PAGES: &str = "8000";
/// Bytes of the log that another connection begins to copy back.
const LONG_LOG: u64 = 16 << 20;
/// Of a new file: a first sync takes a sixth less CPU than with SQLite's 4096.
const PAGE_SIZE: u32 = 16_384;
/// Rows a statement; few different numbers, so that the prepared statements are found again.
const CHUNKS: [usize; 7] = [1_024, 512, 256, 64, 16, 4, 1];
/// Values a statement, at most.
const VALUES: usize = 6_400;

/// A roster in an SQLite file.
pub(super) struct Database {
    /// For reading.
    pub pool: sqlx::SqlitePool,
    pub name: String,
    pub unreturned: Unreturned,
    path: PathBuf,
    /// One connection: writers of this process wait in order, and its page cache stays true because nobody else
    /// writes.
    writer: sqlx::SqlitePool,
    /// Device and number of the file that was opened.
    file: OnceLock<Option<(u64, u64)>>,
}

/// Whether a connection from the pool can be used.
///
/// A full disk makes SQLite end the transaction by itself; sqlx then takes the connection for being inside one for ever.
/// The ping lets a rollback that is still on its way be done first.
fn usable(connection: &mut Connection, _: PoolConnectionMetadata) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    async move {
        if connection.is_in_transaction() {
            connection.ping().await?;
        }
        Ok(!connection.is_in_transaction())
    }
    .boxed()
}

/// Whether this process can only look at a file: it, or its folder, cannot be written, and nobody has it open for
/// writing, or the write-ahead log would be there.
fn only_looks(path: &Path) -> bool {
    let may_write = |path: &Path| access(path, Access::WRITE_OK).is_ok();
    let log = path.with_file_name(format!("{}-wal", path.file_name().unwrap_or_default().to_string_lossy()));
    path.is_file() && !log.exists() && !(may_write(path) && may_write(folder_of(path)))
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

impl Database {
    /// A store in this file; nothing is opened or created yet.
    pub fn new(path: &Path) -> Self {
        Self::opened_so(path, only_looks(path))
    }

    /// The same, and whether it is only looked at: SQLite then needs no other files beside this one.
    fn opened_so(path: &Path, only_looks: bool) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(only_looks)
            .immutable(only_looks)
            .page_size(PAGE_SIZE)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("trusted_schema", "OFF")
            .pragma("secure_delete", "ON") // What is erased goes from the file, too (B3).
            .disable_statement_logging();
        Self {
            pool: PoolOptions::new().max_connections(3).before_acquire(usable).connect_lazy_with(options.clone()),
            name: path.display().to_string(),
            unreturned: Unreturned::default(),
            path: path.to_owned(),
            writer: PoolOptions::new()
                .max_connections(1)
                .acquire_timeout(WAIT)
                .before_acquire(usable)
                .connect_lazy_with(options.pragma("cache_size", WRITER_CACHE)),
            file: OnceLock::new(),
        }
    }

    /// Refuses to write into a file that nobody finds any more: it was removed, or another one put in its place.
    fn same_file(&self) -> Result<(), StoreError> {
        let now = std::fs::metadata(&self.path).ok().map(|file| (file.dev(), file.ino()));
        if *self.file.get_or_init(|| now) == now {
            return Ok(());
        }
        let says =
            "the file was removed or replaced while it was open; restart rosterd, so that it opens the one that \
                    is there now"
                .to_owned();
        Err(StoreError::Open { store: self.name.clone(), says, source: None })
    }

    /// Begins to write: from here to the commit nobody else does.
    pub async fn begin(&self) -> Result<Transaction<'static, Db>, Fault> {
        self.same_file()?;
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Has another connection copy a long write-ahead log back into the file, while the writer goes on.
    ///
    /// What it does not get to is left to the writer, or to whoever closes the store last.
    pub fn copy_log_back(&self) {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        if std::fs::metadata(log).map_or(0, |log| log.len()) < LONG_LOG {
            return;
        }
        let pool = self.pool.clone();
        tokio::spawn(async move { sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&pool).await });
    }

    /// Ends all connections.
    pub async fn close_pools(&self) {
        self.pool.close().await;
        self.writer.close().await;
    }

    /// Whether there is nothing to read versions from.
    pub async fn is_empty(&self) -> Result<bool, Fault> {
        match tokio::fs::metadata(&self.path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.folder()?;
                return Ok(true);
            }
            Ok(found) if found.is_file() && found.len() == 0 => return Ok(true),
            _ => (),
        }
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'rd_migrations'")
            .fetch_one(&self.pool)
            .await?;
        Ok(tables == 0)
    }

    /// Why the file cannot be written, as far as its rights and those of its folder tell.
    pub async fn cannot_be_written(&self) -> Result<Option<String>, Fault> {
        let folder = folder_of(&self.path);
        let denied = [self.path.as_path(), folder].into_iter().find(|path| {
            // A file that is not there yet is made.
            path.exists() && access(*path, Access::WRITE_OK).is_err()
        });
        let mounted = |path: &Path| statvfs(path).is_ok_and(|of| of.f_flag.contains(StatVfsMountFlags::RDONLY));
        Ok(denied.map(|path| match (path.display(), rustix::process::geteuid().as_raw()) {
            (shown, _) if mounted(path) => format!(
                "{shown} is on a file system that is mounted read-only, so no run can be recorded; a kernel does that after \
                 an error of the disk, see its log"
            ),
            (path, user) => format!(
                "{path} cannot be written by this user (uid {user}), so no run can be recorded; run as the owner of the \
                 file, or correct the rights: SQLite writes into the file and beside it"
            ),
        }))
    }

    /// Applies what is missing, all or nothing; other processes wait.
    pub async fn migrate(&self, migrations: &Migrator) -> Result<(), Fault> {
        self.create()?;
        // Takes a lock that nobody waits for, and stays in the file: not part of what every connection does.
        sqlx::query("PRAGMA journal_mode = WAL").execute(&self.writer).await?;
        let mut transaction = self.begin().await?;
        migrations.run_direct(None, &mut *transaction, false).await.map_err(migration_failed)?;
        Ok(transaction.commit().await?)
    }

    /// The folder of the file, and what is known of it.
    fn folder(&self) -> Result<(&Path, std::fs::Metadata), StoreError> {
        let folder = folder_of(&self.path);
        let failed = |says: String| StoreError::Open { store: self.name.clone(), says, source: None };
        let found = folder.metadata().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failed(format!(
                "the folder {} does not exist; create it, owned by the user that rosterd runs as",
                folder.display()
            )),
            _ => failed(format!("the folder {} cannot be looked at: {error}", folder.display())),
        })?;
        Ok((folder, found))
    }

    /// Creates the file with mode 0600, owned by the owner of its folder: a command run by root must not leave a
    /// store that the daemon cannot write.
    fn create(&self) -> Result<(), StoreError> {
        let failed = |says: String| StoreError::Open { store: self.name.clone(), says, source: None };
        let (folder, owner) = self.folder()?;
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path) {
            Ok(file) => {
                let ours = file.metadata().is_ok_and(|file| (file.uid(), file.gid()) == (owner.uid(), owner.gid()));
                match if ours { Ok(()) } else { chown(&self.path, Some(owner.uid()), Some(owner.gid())) } {
                    // Only root can give a file away; everybody else keeps it.
                    Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                        Err(failed(format!("the new file cannot be given to the owner of its folder: {error}")))
                    }
                    _ => Ok(()),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => {
                Err(failed(format!("the file cannot be created: {error}; look at the rights of {}", folder.display())))
            }
        }
    }
}

/// The migrations of this dialect.
pub(super) fn migrations() -> Migrator {
    sqlx::migrate!("migrations/sqlite")
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
    uuid.hyphenated()
}

/// A stored UUID.
pub(super) fn from_guid(guid: Guid) -> Uuid {
    guid.into_uuid()
}

/// The form in which [`any_of`] takes a list.
pub(super) fn any_list<T: serde::Serialize>(items: &[T]) -> String {
    serde_json::to_string(items).unwrap_or_default()
}

/// Runs `head VALUES … tail` for all rows; columns are called `column1`, `column2`, ….
pub(super) async fn bulk(
    connection: &mut Connection,
    head: &'static str,
    rows: Rows,
    tail: &'static str,
) -> Result<(), Fault> {
    let (width, mut left) = (rows.width(), rows.len());
    let mut cells = rows.into_cells();
    let row = format!("({}?)", "?,".repeat(width.saturating_sub(1)));
    // A statement that fails ends the transaction here, so SQLite need not note how to undo the statement alone.
    let head = match head.split_once(' ') {
        Some((verb @ ("INSERT" | "UPDATE"), rest)) => format!("{verb} OR FAIL {rest}"),
        _ => head.to_owned(),
    };
    let mut sizes = CHUNKS.into_iter().filter(|chunk| chunk * width <= VALUES).peekable();
    let mut sql: Arc<str> = Arc::from("");
    let mut prepared = 0;
    let next = || {
        while let Some(&chunk) = sizes.peek() {
            if left >= chunk {
                if prepared != chunk {
                    sql = format!("{head} VALUES {}{row} {tail}", format!("{row},").repeat(chunk - 1)).into();
                    prepared = chunk;
                }
                left -= chunk;
                return Some(bind(&sql, cells.by_ref().take(width * chunk)));
            }
            sizes.next();
        }
        None
    };
    shared::execute_each(connection, next).await
}

fn bind(sql: &Arc<str>, cells: impl Iterator<Item = Cell>) -> Statement {
    cells.fold(sqlx::query(AssertSqlSafe(Arc::clone(sql))), |query, cell| match cell {
        Cell::Int(value) => query.bind(value),
        Cell::Text(value) | Cell::Json(value) => query.bind(value),
        Cell::Digest(value) => query.bind(value.map(|digest| digest.to_bytes().to_vec())),
        Cell::Guid(value) => query.bind(value.hyphenated()),
    })
}

/// What SQLite's result code means, and what to do.
pub(super) fn explain(code: &str, message: &str) -> Option<&'static str> {
    let code: i32 = code.parse().ok()?;
    Some(match code & 0xff {
        5 | 6 => {
            "it is locked by another process for more than 5 s; find it with `fuser FILE`, and end it or wait for it"
        }
        8 => {
            "it is read-only: its file system is mounted so (a kernel does that after an error of the disk, see its log), or \
             this user may not write it (run as the owner of the file, and look at the rights of its folder)"
        }
        10 => "the disk reports an error; look at the kernel log and at the file system",
        11 => "the file is damaged; restore a backup, and check it with `sqlite3 FILE 'PRAGMA integrity_check'`",
        13 => "the disk or the quota is full; make room",
        14 => {
            "the file, or the -wal and -shm files beside it, cannot be opened; look whether it exists (`rosterd \
               migrate` creates it) and whether this user may read it, and write its folder; who only looks needs to read \
               all of them"
        }
        19 if matches!(code, 1555 | 2067) => {
            "somebody else has this address, unique id or open conflict meanwhile; the next run looks again"
        }
        26 => "the file is not an SQLite database; look at store.url",
        1 if message.starts_with("no such table: rd_") => "it has no schema yet; run `rosterd migrate`",
        _ => return None,
    })
}

/// Whether a failure with this code goes away by itself: locked, full, an input or output error, overtaken.
pub(super) fn passes(code: &str) -> bool {
    code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13) || matches!(code, 1555 | 2067))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Holder, SourceRecord, Store};

    fn source(bases: &str) -> SourceRecord {
        SourceRecord {
            name: "corp".to_owned(),
            directory: "dc=example".to_owned(),
            bases: bases.to_owned(),
            retired: None,
            reads: None,
        }
    }

    /// A migrated store, opened in a way that a test needs.
    async fn opened(folder: &Path, how: impl Fn(SqliteConnectOptions) -> SqliteConnectOptions) -> Database {
        let path = folder.join("roster.db");
        Store::migrate(&Database::new(&path)).await.unwrap();
        let database = Database::new(&path);
        for pool in [&database.pool, &database.writer] {
            pool.set_connect_options(how((*pool.connect_options()).clone()));
        }
        database
    }

    #[tokio::test]
    async fn a_full_disk_is_named_and_leaves_the_store_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let database = opened(folder.path(), |options| options.pragma("max_page_count", "200")).await;
        database.put_source(&source("small"), &[]).await.unwrap();
        let error = database.put_source(&source(&"large ".repeat(1_000_000)), &[]).await.unwrap_err();
        assert!(error.to_string().contains("the disk or the quota is full; make room"), "{error}");
        assert!(error.is_transient());
        assert_eq!(database.sources().await.unwrap(), [source("small")]);
        database.put_source(&source("smaller"), &[]).await.unwrap();
    }

    #[tokio::test]
    async fn a_store_that_may_only_be_read_is_read_and_named_when_written() {
        let folder = tempfile::tempdir().unwrap();
        let database = opened(folder.path(), |options| options.read_only(true)).await;
        assert_eq!(database.sources().await.unwrap(), []);
        let error = database.put_source(&source("small"), &[]).await.unwrap_err();
        assert!(error.to_string().contains("it is read-only: "), "{error}");
        assert!(!error.is_transient());
    }

    /// In a folder that cannot be written SQLite may leave nothing beside the file; what cannot be done is said in words.
    #[tokio::test]
    async fn who_only_looks_needs_nothing_but_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roster.db");
        let made = Database::new(&path);
        Store::migrate(&made).await.unwrap();
        Store::close(&made).await;
        assert!(!only_looks(&path), "here everything can be written");
        let database = Database::opened_so(&path, true);
        assert_eq!(database.sources().await.unwrap(), []);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no -wal, no -shm");
        let error = database.acquire("source:corp", &Holder::this_process(), BUSY).await.unwrap_err().to_string();
        assert!(error.contains("cannot begin a run of `corp`") && error.contains("read-only"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_was_replaced_is_not_written_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let database = opened(folder.path(), |options| options).await;
        database.put_source(&source("small"), &[]).await.unwrap();
        std::fs::rename(folder.path().join("roster.db"), folder.path().join("away.db")).unwrap();
        for _ in 0..2 {
            let error = database.put_source(&source("large"), &[]).await.unwrap_err();
            assert!(error.to_string().contains("removed or replaced"), "{error}");
            std::fs::write(folder.path().join("roster.db"), "").unwrap();
        }
    }

    #[tokio::test]
    async fn a_commit_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let database = opened(folder.path(), |options| options).await;
        let full: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&database.pool).await.unwrap();
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&database.pool).await.unwrap();
        assert_eq!((full, mode.as_str()), (2, "wal"));
    }

    #[tokio::test]
    async fn a_new_file_has_large_pages_and_an_older_one_stays_as_it_is() {
        for (made, size) in [(None, PAGE_SIZE), (Some(4096), 4096)] {
            let folder = tempfile::tempdir().unwrap();
            if let Some(made) = made {
                let older = Database::new(&folder.path().join("roster.db"));
                older.writer.set_connect_options((*older.writer.connect_options()).clone().page_size(made));
                Store::migrate(&older).await.unwrap();
                Store::close(&older).await;
            }
            let database = opened(folder.path(), |options| options).await;
            let found: u32 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&database.writer).await.unwrap();
            assert_eq!(found, size);
        }
    }
}
