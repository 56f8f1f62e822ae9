//! A store that breaks at one of its calls: before it does anything, or when it has done it and nobody hears of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rosterd::clock::Timestamp;
use rosterd::plan::by_hand::Rule;
use rosterd::plan::local_groups::LocalGroup;
use rosterd::plan::{
    AliasWindow, Basis, Conflict, ConflictId, GroupChange, GroupId, Held, Holdings, KnownGroup, MappedAct,
    MembershipWindow, OpenConflict, RecentDepartures, RightsBefore, StoredGrant, StoredGroup, StoredMembership,
    UserChange,
};
use rosterd::roster::{Account, AddressKey, Digest, Index, Skip, State, UniqueId, UserId};
use rosterd::store::rows::{
    ChangeRow, Changes, ConflictRow, GrantRow, GroupRow, MemberRow, MembershipRow, RunRow, SkipRow, UserRow, Which,
};
use rosterd::store::{
    Acquired, Freeze, Holder, Lease, Outcome, RefusedBind, RunEnd, RunId, RunStart, Schema, SourceRecord, Stamp, Store,
    StoreError,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Which call breaks, and how.
#[derive(Clone, Copy, Debug)]
pub struct Break {
    /// The number of the call, from 0.
    pub at: usize,
    /// Whether the call is carried out, and only its answer lost.
    pub after: bool,
    /// Whether the process ends there, instead of being told.
    pub dies: bool,
}

/// A store behind which another one is.
pub struct Spoiled {
    inner: Arc<dyn Store>,
    breaks: Option<Break>,
    calls: AtomicUsize,
    /// Cancelled when the process is to end.
    pub died: CancellationToken,
}

impl Spoiled {
    pub fn new(inner: Arc<dyn Store>, breaks: Option<Break>) -> Self {
        Self { inner, breaks, calls: AtomicUsize::new(0), died: CancellationToken::new() }
    }

    /// Whether the call that breaks was made.
    pub fn broke(&self) -> bool {
        self.breaks.is_some_and(|one| self.calls.load(Ordering::SeqCst) > one.at)
    }

    async fn call<T>(&self, doing: &str, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let Some(breaks) = self.breaks.filter(|one| one.at == number) else { return work.await };
        if breaks.after {
            drop(work.await?);
        }
        if breaks.dies {
            self.died.cancel();
            std::future::pending::<()>().await;
        }
        let says = format!("it was told to break at {doing}");
        Err(StoreError::Open { store: "simulated".to_owned(), says, source: None })
    }
}

macro_rules! through {
    ($($name:ident($($argument:ident: $type:ty),*) -> $gives:ty;)*) => {
        #[async_trait]
        impl Store for Spoiled {
            fn describe(&self) -> &str {
                self.inner.describe()
            }

            async fn close(&self) {
                self.inner.close().await;
            }

            $(async fn $name(&self, $($argument: $type),*) -> Result<$gives, StoreError> {
                self.call(stringify!($name), self.inner.$name($($argument),*)).await
            })*
        }
    };
}

through! {
    schema() -> Schema;
    hindrance() -> Option<String>;
    migrate() -> ();
    id() -> Uuid;
    version() -> i64;
    acquire(scope: &str, holder: &Holder, keep: Duration) -> Acquired;
    renew(lease: &Lease, keep: Duration) -> ();
    release(lease: &Lease) -> ();
    sources() -> Vec<SourceRecord>;
    put_source(source: &SourceRecord, leases: &[Lease]) -> ();
    rename_source(old: &str, new: &str, leases: &[Lease]) -> ();
    retire_source(name: &str, at: Timestamp, leases: &[Lease]) -> ();
    freeze(source: &str) -> Option<Freeze>;
    put_freeze(source: &str, freeze: Option<&Freeze>, leases: &[Lease]) -> ();
    refused_bind(source: &str) -> Option<RefusedBind>;
    put_refused_bind(source: &str, refused: Option<&RefusedBind>, leases: &[Lease]) -> ();
    begin_run(start: &RunStart, leases: &[Lease]) -> RunId;
    settle_runs(source: &str, at: Timestamp, leases: &[Lease]) -> Vec<RunId>;
    finish_run(run: RunId, end: &RunEnd, leases: &[Lease]) -> ();
    held(run: RunId) -> Vec<Held>;
    coverage(source: &str) -> BTreeMap<String, u64>;
    basis(source: &str, outcomes: &[Outcome]) -> Option<(RunId, Basis)>;
    first_end(source: &str, since: Timestamp, now: Timestamp) -> Option<Timestamp>;
    recent_departures(source: &str, since: Timestamp) -> RecentDepartures;
    alias_window(source: &str, since: Timestamp, recent: &RecentDepartures) -> AliasWindow;
    membership_window(source: &str, since: Timestamp, recent: &RecentDepartures) -> MembershipWindow;
    recent_rights(source: &str, since: Timestamp) -> BTreeMap<UserId, RightsBefore>;
    index(source: &str) -> Index;
    accounts(ids: &[UserId]) -> Vec<Account>;
    owners(keys: &[AddressKey]) -> Vec<(AddressKey, UserId)>;
    name_owners(names: &[String]) -> Vec<(String, UserId)>;
    remembering(source: &str, keys: &[AddressKey]) -> Vec<UserId>;
    two_people(source: &str) -> BTreeSet<(UserId, UniqueId)>;
    added_since(source: &str, run: Option<RunId>) -> Vec<UserId>;
    usernames(source: &str) -> Vec<(Digest, UserId)>;
    groups(source: &str) -> Vec<StoredGroup>;
    memberships(source: &str) -> Vec<StoredMembership>;
    roles(source: &str) -> Vec<(UserId, Box<str>)>;
    grants(source: &str) -> Vec<StoredGrant>;
    holdings(users: &[UserId]) -> Holdings;
    mapped(source: &str) -> Vec<KnownGroup>;
    local_grants(user: UserId) -> Vec<String>;
    local_group(group: &str) -> Option<LocalGroup>;
    grant_rows(user: Option<&str>) -> Vec<GrantRow>;
    put_mapped(stamp: Stamp<'_>, acts: &[MappedAct]) -> ();
    open_conflicts(source: &str) -> Vec<OpenConflict>;
    apply_users(stamp: Stamp<'_>, changes: &[UserChange]) -> Vec<(Digest, UserId)>;
    apply_groups(stamp: Stamp<'_>, changes: &[GroupChange], added: &HashMap<Digest, UserId>) -> Vec<(Digest, GroupId)>;
    apply_findings(stamp: Stamp<'_>, opened: &[Conflict], resolved: &[ConflictId], skips: &[Skip], added: &HashMap<Digest, UserId>) -> ();
    settle_resemblance(stamp: Stamp<'_>, conflict: ConflictId, one_person: bool) -> bool;
    bearing(sources: &[String], keys: &[UniqueId]) -> Vec<(Digest, UserId)>;
    last_complete(source: &str) -> Option<Timestamp>;
    feed() -> rosterd::store::rows::Feed;
    forget_history(before: Timestamp, leases: &[Lease]) -> u64;
    next_deadline(source: &str, after: Timestamp) -> Option<Timestamp>;
    users_who(who: &str) -> Vec<UserId>;
    tombstones(who: &str) -> Vec<UserId>;
    rules(user: UserId) -> Vec<Rule>;
    user_rows(which: &Which) -> Vec<UserRow>;
    user_groups(user: &str) -> Vec<MembershipRow>;
    group_rows() -> Vec<GroupRow>;
    group_members(group: &str) -> Vec<MemberRow>;
    run_rows(source: Option<&str>, limit: u32) -> Vec<RunRow>;
    run_row(run: RunId) -> Option<RunRow>;
    change_rows(which: &Changes, limit: u32) -> Vec<ChangeRow>;
    conflict_rows(open_only: bool) -> Vec<ConflictRow>;
    skip_rows(source: Option<&str>) -> Vec<SkipRow>;
    user_counts(source: Option<&str>) -> Vec<(State, u64)>;
}
