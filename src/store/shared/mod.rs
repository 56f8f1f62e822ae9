//! The SQL that both databases understand. Compiled twice, as a part of `sqlite.rs` and of `postgres.rs`; `super`
//! is the dialect.

mod addresses;
mod by_hand;
mod crossing;
mod erasure;
mod findings;
mod flags;
mod groups;
mod handover;
mod late;
mod leases;
mod people;
mod read;
mod resemblance;
mod rights;
mod runs;
mod sources;
mod users;
mod version;
mod views;
mod window;
mod write;

use super as dialect;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row as _;
use uuid::Uuid;

use self::dialect::{BEGIN_READ, Connection, Database, Db, Statement, from_guid, migrations};
use crate::clock::Timestamp;
use crate::plan::local_groups::LocalGroup;
use crate::plan::{
    AliasWindow, Basis, Conflict, ConflictId, GroupChange, GroupId, Held, Holdings, KnownGroup, MappedAct,
    MembershipWindow, OpenConflict, RightsBefore, Rule, StoredGrant, StoredMembership, UserChange,
};
use crate::roster::{Account, AddressKey, Digest, Index, Skip, State, UniqueId, UserId};
use crate::store::error::{Fault, StoreError, turn_at};
use crate::store::{
    Acquired, Freeze, Holder, Lease, Outcome, RecentDepartures, RefusedBind, RunEnd, RunId, RunStart, Schema,
    SourceRecord, Stamp, Store, StoredGroup, rows,
};
use write::Write;

/// The table that says which migrations were applied; not sqlx's default name, which an application may use itself.
const MIGRATIONS: &str = "rd_migrations";

impl Database {
    /// A connection for reading.
    async fn reader(&self) -> Result<sqlx::pool::PoolConnection<Db>, Fault> {
        Ok(self.pool.acquire().await?)
    }

    /// One state of the store for several statements.
    async fn snapshot(&self) -> Result<sqlx::Transaction<'static, Db>, Fault> {
        Ok(self.pool.begin_with(BEGIN_READ).await?)
    }

    fn told<T>(&self, doing: impl Into<String>, done: Result<T, Fault>) -> Result<T, StoreError> {
        done.map_err(|fault| fault.while_doing(doing, &self.name))
    }

    async fn schema_now(&self) -> Result<Schema, Fault> {
        if self.is_empty().await? {
            return Ok(Schema::Empty);
        }
        let found = self.newest_migration().await?;
        let known = version::known();
        Ok(match found {
            0 => Schema::Empty,
            found if found < known => Schema::Old,
            found if found > known => Schema::Newer,
            _ => Schema::Current,
        })
    }

    async fn newest_migration(&self) -> Result<i64, Fault> {
        version::found(&mut *self.reader().await?).await
    }

    fn newer(&self, found: i64) -> Fault {
        StoreError::Newer { store: self.name.clone(), found, known: version::known() }.into()
    }

    async fn bring_up_to_date(&self) -> Result<(), Fault> {
        let mut migrations = migrations();
        migrations.dangerous_set_table_name(MIGRATIONS);
        match self.schema_now().await? {
            Schema::Current => self.make_up().await,
            Schema::Newer => Err(self.newer(self.newest_migration().await?)),
            Schema::Empty | Schema::Old => self.migrate(&migrations).await,
        }
    }

    /// Makes what a first sync that died left out.
    async fn make_up(&self) -> Result<(), Fault> {
        if late::is_missing(&mut *self.reader().await?).await? {
            let mut write = Write::begin(self, &[]).await?;
            late::make_up(write.connection()).await?;
            write.commit().await?;
        }
        Ok(())
    }

    async fn apply_users_now(&self, stamp: Stamp<'_>, changes: &[UserChange]) -> Result<Vec<(Digest, UserId)>, Fault> {
        let mut write = Write::begin(self, stamp.leases).await?;
        late::put_off(write.connection(), changes.len()).await?;
        let added = users::apply(&mut write, stamp, changes).await?;
        write.commit_if_changed().await?;
        self.copy_log_back();
        Ok(added)
    }

    async fn apply_groups_now(
        &self,
        stamp: Stamp<'_>,
        changes: &[GroupChange],
        added: &HashMap<Digest, UserId>,
    ) -> Result<Vec<(Digest, GroupId)>, Fault> {
        let mut write = Write::begin(self, stamp.leases).await?;
        let groups = groups::apply(&mut write, stamp, changes, added).await?;
        write.commit_if_changed().await?;
        self.copy_log_back();
        Ok(groups)
    }
}

/// Executes one statement after the other; while the database works on one, the next one's values are bound.
pub(super) async fn execute_each(
    connection: &mut Connection,
    mut next: impl FnMut() -> Option<Statement>,
) -> Result<(), Fault> {
    let mut statement = next();
    while let Some(now) = statement {
        let (done, following) = tokio::join!(now.execute(&mut *connection), async { next() });
        done?;
        statement = following;
    }
    Ok(())
}

/// A stored word as its value.
fn word<T>(table: &'static str, row: impl ToString, text: &str, value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::inconsistent(table, row, format!("`{text}` is no word rosterd knows")))
}

/// A stored 16-byte digest; NULL, and what cannot be one, count as none.
fn digest(bytes: Option<&[u8]>) -> Option<Digest> {
    bytes.and_then(Digest::from_slice)
}

fn time(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}

/// A count as the database keeps it.
fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count as the database kept it.
fn counted(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[async_trait]
impl Store for Database {
    fn describe(&self) -> &str {
        &self.name
    }

    async fn schema(&self) -> Result<Schema, StoreError> {
        self.told("read the schema's version", self.schema_now().await)
    }

    async fn hindrance(&self) -> Result<Option<String>, StoreError> {
        self.told("look whether it can be written", self.cannot_be_written().await)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.told("bring the schema up to date", self.bring_up_to_date().await)
    }

    async fn id(&self) -> Result<Uuid, StoreError> {
        let id = async {
            let row = sqlx::query("SELECT id FROM rd_store").fetch_one(&mut *self.reader().await?).await?;
            Ok(from_guid(row.try_get(0)?))
        };
        self.told("read the store's id", id.await)
    }

    async fn version(&self) -> Result<i64, StoreError> {
        let seq =
            async { Ok(sqlx::query_scalar("SELECT seq FROM rd_store").fetch_one(&mut *self.reader().await?).await?) };
        self.told("read the last change's number", seq.await)
    }

    async fn acquire(&self, scope: &str, holder: &Holder, keep: Duration) -> Result<Acquired, StoreError> {
        self.told(format!("begin {}", turn_at(scope)), leases::acquire(self, scope, holder, keep).await)
    }

    async fn renew(&self, lease: &Lease, keep: Duration) -> Result<(), StoreError> {
        self.told(format!("keep the turn at {}", turn_at(&lease.scope)), leases::renew(self, lease, keep).await)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.told(format!("give back the turn at {}", turn_at(&lease.scope)), leases::release(self, lease).await)
    }

    async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError> {
        self.told("read the sources", sources::sources(self).await)
    }

    async fn close(&self) {
        self.close_pools().await;
    }

    async fn put_source(&self, source: &SourceRecord, leases: &[Lease]) -> Result<(), StoreError> {
        self.told(format!("register the source {}", source.name), sources::put_source(self, source, leases).await)
    }

    async fn rename_source(&self, old: &str, new: &str, leases: &[Lease]) -> Result<(), StoreError> {
        self.told(format!("rename the source {old}"), sources::rename(self, old, new, leases).await)
    }

    async fn retire_source(&self, name: &str, at: Timestamp, leases: &[Lease]) -> Result<(), StoreError> {
        self.told(format!("retire the source {name}"), sources::retire(self, name, at, leases).await)
    }

    async fn freeze(&self, source: &str) -> Result<Option<Freeze>, StoreError> {
        self.told("read whether the source is frozen", sources::freeze(self, source).await)
    }

    async fn put_freeze(&self, source: &str, freeze: Option<&Freeze>, leases: &[Lease]) -> Result<(), StoreError> {
        self.told("freeze the source, or end it", sources::put_freeze(self, source, freeze, leases).await)
    }

    async fn refused_bind(&self, source: &str) -> Result<Option<RefusedBind>, StoreError> {
        self.told("read the last refused bind", runs::refused_bind(self, source).await)
    }

    async fn put_refused_bind(
        &self,
        source: &str,
        refused: Option<&RefusedBind>,
        leases: &[Lease],
    ) -> Result<(), StoreError> {
        self.told("remember a refused bind", runs::put_refused_bind(self, source, refused, leases).await)
    }

    async fn settle_runs(&self, source: &str, at: Timestamp, leases: &[Lease]) -> Result<Vec<RunId>, StoreError> {
        self.told("settle runs that were cut off", runs::settle(self, source, at, leases).await)
    }

    async fn begin_run(&self, start: &RunStart, leases: &[Lease]) -> Result<RunId, StoreError> {
        self.told("begin a run", runs::begin(self, start, leases).await)
    }

    async fn finish_run(&self, run: RunId, end: &RunEnd, leases: &[Lease]) -> Result<(), StoreError> {
        self.told(format!("finish run {}", run.0), runs::finish(self, run, end, leases).await)
    }

    async fn held(&self, run: RunId) -> Result<Vec<Held>, StoreError> {
        self.told(format!("read what run {} held", run.0), runs::held(self, run).await)
    }

    async fn coverage(&self, source: &str) -> Result<BTreeMap<String, u64>, StoreError> {
        self.told("read the attribute coverage", runs::coverage(self, source).await)
    }

    async fn basis(&self, source: &str, outcomes: &[Outcome]) -> Result<Option<(RunId, Basis)>, StoreError> {
        self.told("read what the last run rested on", runs::basis(self, source, outcomes).await)
    }

    async fn first_end(&self, source: &str, since: Timestamp, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.told("look for the first run that ended", window::first_end(self, source, since, now).await)
    }

    async fn recent_departures(&self, source: &str, since: Timestamp) -> Result<RecentDepartures, StoreError> {
        self.told("count recent departures", runs::recent_departures(self, source, since).await)
    }

    async fn alias_window(
        &self,
        source: &str,
        since: Timestamp,
        recent: &RecentDepartures,
    ) -> Result<AliasWindow, StoreError> {
        self.told("count recent losses of aliases", window::aliases(self, source, since, recent).await)
    }

    async fn membership_window(
        &self,
        source: &str,
        since: Timestamp,
        recent: &RecentDepartures,
    ) -> Result<MembershipWindow, StoreError> {
        self.told("count recent losses of memberships", window::memberships(self, source, since, recent).await)
    }

    async fn recent_rights(
        &self,
        source: &str,
        since: Timestamp,
    ) -> Result<BTreeMap<UserId, RightsBefore>, StoreError> {
        self.told("read recent changes of roles and grants", window::rights(self, source, since).await)
    }

    async fn index(&self, source: &str) -> Result<Index, StoreError> {
        self.told("read the index", read::index(self, source).await)
    }

    async fn accounts(&self, ids: &[UserId]) -> Result<Vec<Account>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.told(format!("read {} users", ids.len()), read::accounts(self, ids).await)
    }

    async fn owners(&self, keys: &[AddressKey]) -> Result<Vec<(AddressKey, UserId)>, StoreError> {
        self.told("read who holds addresses", read::owners(self, keys).await)
    }

    async fn name_owners(&self, names: &[String]) -> Result<Vec<(String, UserId)>, StoreError> {
        self.told("read who bears usernames", read::name_owners(self, names).await)
    }

    async fn remembering(&self, source: &str, keys: &[AddressKey]) -> Result<Vec<UserId>, StoreError> {
        self.told("read who remembers addresses", read::remembering(self, source, keys).await)
    }

    async fn two_people(&self, source: &str) -> Result<BTreeSet<(UserId, UniqueId)>, StoreError> {
        self.told("read who was told apart", read::two_people(self, source).await)
    }

    async fn added_since(&self, source: &str, run: Option<RunId>) -> Result<Vec<UserId>, StoreError> {
        self.told("read who was added since a run", read::added_since(self, source, run).await)
    }

    async fn usernames(&self, source: &str) -> Result<Vec<(Digest, UserId)>, StoreError> {
        self.told("read the usernames", read::usernames(self, source).await)
    }

    async fn groups(&self, source: &str) -> Result<Vec<StoredGroup>, StoreError> {
        self.told("read the groups", read::groups(self, source).await)
    }

    async fn memberships(&self, source: &str) -> Result<Vec<StoredMembership>, StoreError> {
        self.told("read the memberships", read::memberships(self, source).await)
    }

    async fn roles(&self, source: &str) -> Result<Vec<(UserId, Box<str>)>, StoreError> {
        self.told("read the roles", rights::roles(self, source).await)
    }

    async fn grants(&self, source: &str) -> Result<Vec<StoredGrant>, StoreError> {
        self.told("read the grants", rights::grants(self, source).await)
    }

    async fn holdings(&self, users: &[UserId]) -> Result<Holdings, StoreError> {
        self.told("read what the directory gives some users", rights::holdings(self, users).await)
    }

    async fn mapped(&self, source: &str) -> Result<Vec<KnownGroup>, StoreError> {
        self.told("read the mapped groups", rights::mapped(self, source).await)
    }

    async fn local_grants(&self, user: UserId) -> Result<Vec<String>, StoreError> {
        self.told("read a user's local grants", rights::local_grants(self, user).await)
    }

    async fn local_group(&self, group: &str) -> Result<Option<LocalGroup>, StoreError> {
        self.told("read a local group", rights::local_group(self, group).await)
    }

    async fn grant_rows(&self, user: Option<&str>) -> Result<Vec<rows::GrantRow>, StoreError> {
        self.told("list grants", rights::rows(self, user).await)
    }

    async fn put_mapped(&self, stamp: Stamp<'_>, acts: &[MappedAct]) -> Result<(), StoreError> {
        self.told("remember the mapped groups", rights::put_mapped(self, stamp, acts).await)
    }

    async fn open_conflicts(&self, source: &str) -> Result<Vec<OpenConflict>, StoreError> {
        self.told("read the open conflicts", read::open_conflicts(self, source).await)
    }

    async fn apply_users(&self, stamp: Stamp<'_>, changes: &[UserChange]) -> Result<Vec<(Digest, UserId)>, StoreError> {
        let done = self.apply_users_now(stamp, changes).await;
        self.told(format!("apply the changes of {} users", changes.len()), done)
    }

    async fn apply_groups(
        &self,
        stamp: Stamp<'_>,
        changes: &[GroupChange],
        added: &HashMap<Digest, UserId>,
    ) -> Result<Vec<(Digest, GroupId)>, StoreError> {
        let done = self.apply_groups_now(stamp, changes, added).await;
        self.told(format!("apply the changes of {} groups", changes.len()), done)
    }

    async fn apply_findings(
        &self,
        stamp: Stamp<'_>,
        opened: &[Conflict],
        resolved: &[ConflictId],
        skips: &[Skip],
        added: &HashMap<Digest, UserId>,
    ) -> Result<(), StoreError> {
        let done = findings::apply(self, stamp, findings::Findings { opened, resolved, skips, added }).await;
        self.told("record conflicts and skipped entries", done)
    }

    async fn settle_resemblance(
        &self,
        stamp: Stamp<'_>,
        conflict: ConflictId,
        one_person: bool,
    ) -> Result<bool, StoreError> {
        let done = resemblance::settle(self, stamp, conflict, one_person).await;
        self.told(format!("settle conflict {}", conflict.0), done)
    }

    async fn bearing(&self, sources: &[String], keys: &[UniqueId]) -> Result<Vec<(Digest, UserId)>, StoreError> {
        self.told("read who bears unique ids in other sources", crossing::bearing(self, sources, keys).await)
    }

    async fn last_complete(&self, source: &str) -> Result<Option<Timestamp>, StoreError> {
        self.told("read the last complete run", crossing::last_complete(self, source).await)
    }

    async fn forget_history(&self, before: Timestamp, leases: &[Lease]) -> Result<u64, StoreError> {
        self.told("drop old history", runs::forget(self, before, leases).await)
    }

    async fn next_deadline(&self, source: &str, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.told("read the next date", read::next_deadline(self, source, after).await)
    }

    async fn users_who(&self, who: &str) -> Result<Vec<UserId>, StoreError> {
        self.told("find a user", people::users_who(self, who).await)
    }

    async fn tombstones(&self, who: &str) -> Result<Vec<UserId>, StoreError> {
        self.told("find a deleted user", by_hand::tombstones(self, who).await)
    }

    async fn rules(&self, user: UserId) -> Result<Vec<Rule>, StoreError> {
        self.told("read a user's rules", by_hand::rules(self, user).await)
    }

    async fn user_rows(&self, which: &rows::Which) -> Result<Vec<rows::UserRow>, StoreError> {
        self.told("list users", people::users(self, which).await)
    }

    async fn user_groups(&self, user: &str) -> Result<Vec<rows::MembershipRow>, StoreError> {
        self.told("list a user's groups", people::groups_of(self, user).await)
    }

    async fn group_rows(&self) -> Result<Vec<rows::GroupRow>, StoreError> {
        self.told("list groups", views::groups(self).await)
    }

    async fn group_members(&self, group: &str) -> Result<Vec<rows::MemberRow>, StoreError> {
        self.told("list a group's members", people::members_of(self, group).await)
    }

    async fn run_rows(&self, source: Option<&str>, limit: u32) -> Result<Vec<rows::RunRow>, StoreError> {
        self.told("list runs", views::runs(self, source, limit).await)
    }

    async fn run_row(&self, run: RunId) -> Result<Option<rows::RunRow>, StoreError> {
        self.told(format!("read run {}", run.0), views::run(self, run).await)
    }

    async fn change_rows(&self, which: &rows::Changes, limit: u32) -> Result<Vec<rows::ChangeRow>, StoreError> {
        self.told("list changes", views::changes(self, which, limit).await)
    }

    async fn feed(&self) -> Result<rows::Feed, StoreError> {
        self.told("read how far the feed goes", views::feed(self).await)
    }

    async fn conflict_rows(&self, open_only: bool) -> Result<Vec<rows::ConflictRow>, StoreError> {
        self.told("list conflicts", views::conflicts(self, open_only).await)
    }

    async fn skip_rows(&self, source: Option<&str>) -> Result<Vec<rows::SkipRow>, StoreError> {
        self.told("list skipped entries", views::skips(self, source).await)
    }

    async fn user_counts(&self, source: Option<&str>) -> Result<Vec<(State, u64)>, StoreError> {
        self.told("count users", views::user_counts(self, source).await)
    }
}
