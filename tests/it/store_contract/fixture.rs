//! A fresh store, raw SQL on it, and short ways to say what happens to somebody.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use rosterd::clock::Timestamp;
use rosterd::plan::{
    Act, BrakeKind, FieldChange, GroupAct, GroupChange, GroupId, GroupRef, Mark, NewUser, UserChange, UserRef, Via,
};
use rosterd::roster::{Account, Address, Digest, FieldId, FieldNames, Fields, PendingReason, State, UniqueId, UserId};
use rosterd::store::rows::{Changes, UserRow, Which};
use rosterd::store::{Lease, Settings, Stamp, Store, StoreError, open};
use serde_json::{Map, Value, json};
use sqlx::types::Json;
use sqlx::{Column as _, Connection as _, Row as _, TypeInfo as _, ValueRef as _};

use crate::support::postgres;

/// The source of all changes here.
pub const SOURCE: &str = "corp";

enum Place {
    Sqlite(PathBuf),
    Postgres,
}

/// A store with nobody in it.
pub struct Fixture {
    pub store: Arc<dyn Store>,
    pub settings: Settings,
    pub names: FieldNames,
    place: Place,
    _folder: tempfile::TempDir,
}

impl Fixture {
    pub async fn sqlite() -> Self {
        Self::empty_sqlite().await.migrated().await
    }

    /// Where nothing has to reach a disk, for tests that write all the time.
    pub async fn quick_sqlite() -> Self {
        let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::sqlite_in(memory.unwrap()).await.migrated().await
    }

    pub async fn postgres() -> Option<Self> {
        Some(Self::empty_postgres().await?.migrated().await)
    }

    /// A place for a store.
    pub async fn empty_sqlite() -> Self {
        Self::sqlite_in(tempfile::tempdir().unwrap()).await
    }

    async fn sqlite_in(folder: tempfile::TempDir) -> Self {
        let path = folder.path().join("roster.db");
        let settings = Settings { url: format!("sqlite://{}", path.display()), password: None };
        Self::at(settings, Place::Sqlite(path), folder).await
    }

    pub async fn empty_postgres() -> Option<Self> {
        let server = postgres::server("store contract on Postgres")?;
        let database = server.database();
        let settings = Settings { url: server.url(&database), password: None };
        Some(Self::at(settings, Place::Postgres, tempfile::tempdir().unwrap()).await)
    }

    async fn migrated(self) -> Self {
        self.store.migrate().await.unwrap();
        self
    }

    async fn at(settings: Settings, place: Place, folder: tempfile::TempDir) -> Self {
        let store = open(&settings).await.unwrap();
        Self { store, settings, names: FieldNames::new(["badge", "plan"]), place, _folder: folder }
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Sqlite(_))
    }

    /// Somebody else's connection: runs statements as an administrator would by hand.
    pub async fn by_hand(&self, sql: &'static str) {
        self.try_by_hand(sql).await.unwrap();
    }

    /// The same where the database may refuse.
    pub async fn try_by_hand(&self, sql: &'static str) -> Result<(), String> {
        match &self.place {
            Place::Sqlite(path) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
                let done = sqlx::raw_sql(sql).execute(&mut connection).await;
                connection.close().await.unwrap();
                done.map(drop).map_err(|error| error.to_string())
            }
            Place::Postgres => {
                let mut connection = sqlx::PgConnection::connect(&self.settings.url).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop).map_err(|error| error.to_string())
            }
        }
    }

    /// Has somebody else hold SQLite's write lock for a while.
    pub async fn lock(&self, span: std::time::Duration) -> tokio::task::JoinHandle<()> {
        let Place::Sqlite(path) = &self.place else { panic!("only SQLite has one lock") };
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        tokio::spawn(async move {
            tokio::time::sleep(span).await;
            sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        })
    }

    /// Rows as an application reads them. Where the types differ the Postgres ones are made SQLite's: a boolean is
    /// 0 or 1, and JSON stays JSON.
    pub async fn rows(&self, sql: &'static str) -> Vec<Map<String, Value>> {
        match &self.place {
            Place::Sqlite(path) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
                sqlx::query(sql).fetch_all(&mut connection).await.unwrap().iter().map(sqlite_row).collect()
            }
            Place::Postgres => {
                let mut connection = sqlx::PgConnection::connect(&self.settings.url).await.unwrap();
                let sql = format!("SELECT to_jsonb(wrapped) FROM ({sql}) wrapped");
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
                rows.iter()
                    .map(|row| {
                        let Json(Value::Object(mut row)) = row.get::<Json<Value>, _>(0) else { panic!("an object") };
                        for value in row.values_mut() {
                            if let Value::Bool(flag) = value {
                                *value = json!(i64::from(*flag));
                            }
                        }
                        row
                    })
                    .collect()
            }
        }
    }

    /// One column of all rows.
    pub async fn column(&self, sql: &'static str) -> Vec<Value> {
        self.rows(sql).await.into_iter().map(|row| row.into_iter().next().unwrap().1).collect()
    }

    pub fn stamp<'a>(&'a self, at: Timestamp, leases: &'a [Lease]) -> Stamp<'a> {
        Stamp { run: None, source: SOURCE, at, names: &self.names, leases }
    }

    pub async fn try_apply(
        &self,
        at: Timestamp,
        changes: &[UserChange],
    ) -> Result<HashMap<Digest, UserId>, StoreError> {
        Ok(self.store.apply_users(self.stamp(at, &[]), changes).await?.into_iter().collect())
    }

    pub async fn apply(&self, at: Timestamp, changes: &[UserChange]) -> HashMap<Digest, UserId> {
        self.try_apply(at, changes).await.unwrap()
    }

    /// Adds one person; returns the row.
    pub async fn add(&self, at: Timestamp, who: New) -> UserId {
        let change = who.change();
        let digest = who.key.digest();
        self.apply(at, &[change]).await[&digest]
    }

    pub async fn add_group(&self, at: Timestamp, name: &str, joins: &[UserId]) -> GroupId {
        let change = group_added(name, joins.iter().map(|user| UserRef::Known(*user)).collect());
        let GroupRef::New(digest) = change.subject else { panic!("new") };
        let added = self.store.apply_groups(self.stamp(at, &[]), &[change], &HashMap::new()).await.unwrap();
        added.into_iter().find(|(key, _)| *key == digest).unwrap().1
    }

    pub async fn user(&self, who: &str) -> UserRow {
        let mut found = self.store.user_rows(&Which::Who(who.to_owned())).await.unwrap();
        assert_eq!(found.len(), 1, "{who}");
        found.remove(0)
    }

    pub async fn account(&self, id: UserId) -> Account {
        self.store.accounts(&[id]).await.unwrap().remove(0)
    }

    /// `kind` and `rule` of all changes, in order.
    pub async fn events(&self) -> Vec<(String, String)> {
        let rows = self.store.change_rows(&Changes::Since(0), 1000).await.unwrap();
        rows.into_iter().map(|row| (row.kind, row.rule)).collect()
    }
}

fn sqlite_row(row: &sqlx::sqlite::SqliteRow) -> Map<String, Value> {
    let value = |at: usize| {
        let raw = row.try_get_raw(at).unwrap();
        let kind = raw.type_info().name().to_owned();
        match kind.as_str() {
            _ if raw.is_null() => Value::Null,
            "INTEGER" | "BOOLEAN" => json!(row.get_unchecked::<i64, _>(at)),
            "REAL" => json!(row.get_unchecked::<f64, _>(at)),
            _ => {
                let text = row.get_unchecked::<String, _>(at);
                match serde_json::from_str::<Value>(&text) {
                    Ok(json @ Value::Object(_)) => json,
                    _ => Value::String(text),
                }
            }
        }
    };
    row.columns().iter().map(|column| (column.name().to_owned(), value(column.ordinal()))).collect()
}

/// Day `n` of the tests.
pub fn day(n: i64) -> Timestamp {
    Timestamp::from_millis(1_750_000_000_123 + n * 86_400_000)
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub fn key(text: &str) -> UniqueId {
    UniqueId::new(text).unwrap()
}

pub fn digest(text: &str) -> Digest {
    Digest::of(text)
}

/// Somebody who is added.
#[derive(Clone)]
pub struct New {
    pub key: UniqueId,
    pub name: String,
    pub aliases: Vec<String>,
    pub fields: Vec<(FieldId, String)>,
}

/// Ada, `id-ada`, with `ada@example.com` and the username `Ada`.
pub fn person(name: &str) -> New {
    New {
        key: key(&format!("id-{name}")),
        name: name.to_owned(),
        aliases: Vec::new(),
        fields: vec![(FieldId::USERNAME, capital(name)), (FieldId::DISPLAY_NAME, format!("{} Doe", capital(name)))],
    }
}

fn capital(name: &str) -> String {
    name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect()
}

impl New {
    pub fn alias(mut self, address: &str) -> Self {
        self.aliases.push(address.to_owned());
        self
    }

    pub fn field(mut self, field: FieldId, value: &str) -> Self {
        self.fields.push((field, value.to_owned()));
        self
    }

    pub fn dn(&self) -> String {
        format!("uid={},ou=people,dc=example,dc=com", self.name)
    }

    pub fn user(&self) -> NewUser {
        NewUser {
            key: self.key.clone(),
            dn: self.dn().into(),
            fields: Fields::new(self.fields.iter().map(|(field, value)| (*field, value.as_str()))),
            primary: Some(address(&format!("{}@example.com", capital(&self.name)))),
            aliases: self.aliases.iter().map(|alias| address(alias)).collect(),
            role: None,
        }
    }

    pub fn change(&self) -> UserChange {
        UserChange {
            subject: UserRef::New(self.key.digest()),
            label: self.name.as_str().into(),
            unit: 0,
            acts: vec![Act::Added(self.user())],
            mark: Some(mark(&self.name)),
        }
    }
}

/// Everything `text` stands for was applied.
pub fn mark(text: &str) -> Mark {
    Mark { fingerprint: Some(digest(text)), review_at: None, reasons_seen: Vec::new(), waits_since: None }
}

/// What happens to somebody the store has.
pub fn change(id: UserId, label: &str, acts: Vec<Act>, mark: Option<Mark>) -> UserChange {
    UserChange { subject: UserRef::Known(id), label: label.into(), unit: 0, acts, mark }
}

pub fn updated(field: Option<FieldId>, before: Option<&str>, after: Option<&str>) -> FieldChange {
    FieldChange { field, before: before.map(Into::into), after: after.map(Into::into) }
}

pub fn flagged(reason: PendingReason, at: Timestamp, due: Option<Timestamp>, counted: Option<BrakeKind>) -> Act {
    Act::Flagged {
        from: State::Active,
        reason,
        flagged_at: at,
        delete_after: due,
        counted,
        detail: "no entry bears this id".into(),
    }
}

pub fn flag(id: UserId, label: &str, at: Timestamp, due: Option<Timestamp>) -> UserChange {
    let counted = Some(BrakeKind::Missing);
    let mark = Mark { reasons_seen: vec![PendingReason::Gone], ..mark(label) };
    change(id, label, vec![flagged(PendingReason::Gone, at, due, counted)], Some(mark))
}

pub fn delete(id: UserId, label: &str) -> UserChange {
    change(id, label, vec![Act::Deleted { reason: Some(PendingReason::Gone) }], None)
}

pub fn group_added(name: &str, joins: Vec<UserRef>) -> GroupChange {
    let key = key(&format!("id-group-{name}"));
    let dn = format!("cn={name},ou=groups,dc=example,dc=com").into();
    GroupChange {
        counted: Vec::new(),
        subject: GroupRef::New(key.digest()),
        name: name.into(),
        acts: vec![GroupAct::Added { key, dn, name: name.into() }],
        joins: joins.into_iter().map(|user| (user, Via::Direct)).collect(),
        leaves: Vec::new(),
        changed: Vec::new(),
    }
}
