//! The user store: SQLite or Postgres behind one trait. The only place that names sqlx.
//!
//! # Guarantees
//! - Every write is one transaction, and records its changes in it (B3). `seq` ascends in order of commit.
//! - A write transaction first checks the fencing numbers of the leases it is given ([`StoreError::Fenced`]): a
//!   process that was paused while another took over writes nothing (S3).
//! - The views of `docs/schema.md` are consistent after every commit.

mod bulk;
pub mod error;
mod holder;
mod postgres;
mod refused;
pub mod rows;
mod sqlite;
mod unreturned;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::plan::local_groups::LocalGroup;
use crate::plan::{
    AliasWindow, Basis, Conflict, ConflictId, Counts, GroupChange, GroupId, Held, Holdings, KnownGroup, MappedAct,
    MembershipWindow, OpenConflict, Proof, RightsBefore, Rule, StoredGrant, StoredMembership, UserChange,
};
pub use crate::plan::{RecentDepartures, StoredGroup};
use crate::roster::account::written;
use crate::roster::{Account, AddressKey, Digest, FieldNames, Index, Skip, State, UniqueId, UserId};

pub use error::StoreError;
pub use refused::RefusedBind;

/// A run's number, as `roster_runs.id`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunId(pub i64);

/// Who holds a lease: enough to tell on the same host whether the process still lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Host name, for people.
    pub host: String,
    /// Boot id and process-id namespace: equal only where `pid` means the same process.
    pub realm: String,
    /// Process id.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot, which tells a reused process id.
    pub started: u64,
}

/// A lease on one thing, proven by its fencing number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// What is leased: `source:NAME`, or `turn` for planning and applying on this store.
    pub scope: String,
    /// Higher than every earlier lease of the same scope.
    pub fence: i64,
}

/// The lease under which runs of one source exclude each other.
pub fn source_scope(source: &str) -> String {
    format!("source:{source}")
}

/// The answer to [`Store::acquire`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Acquired {
    /// The lease is ours.
    Yes(Lease),
    /// Another living process has it.
    HeldBy {
        /// Who.
        holder: Holder,
        /// Since when.
        since: Timestamp,
    },
}

/// What the store keeps of a source (I9).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceRecord {
    /// `source.name`.
    pub name: String,
    /// What tells one directory from another: the naming context and the server-side id the kind offers.
    pub directory: String,
    /// Folded base DNs of users and groups, sorted, joined by newline.
    pub bases: String,
    /// When it was given up (S6).
    pub retired: Option<Timestamp>,
    /// Whom it reads; `None` until its first run by a program that notes this.
    pub reads: Option<Reads>,
}

/// Whom a source reads: tells whether it may see somebody whom another source has (I8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reads {
    /// Base DNs of users; none when users are switched off.
    pub bases: Vec<String>,
    /// The attribute of the unique id, lower case.
    pub unique_id: String,
    /// Whether its groups give roles (R1).
    pub gives_roles: bool,
}

/// An order not to believe absence for a while (B5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Freeze {
    /// When it was given.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why, in the administrator's words; may be empty.
    pub reason: String,
}

/// What started a run (`roster_runs.trigger`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// A schedule.
    Schedule,
    /// SIGUSR1.
    Signal,
    /// A command.
    Command,
    /// The start of the daemon.
    Startup,
    /// Something that happened in the directory, or a time that passed.
    Event,
}

written!(Trigger {
    Schedule = "schedule",
    Signal = "signal",
    Command = "command",
    Startup = "startup",
    Event = "event",
});

/// What a run does (`roster_runs.action`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Users only.
    Users,
    /// Groups only.
    Groups,
    /// Groups, then users.
    All,
    /// Due deletions only.
    Cleanup,
    /// One person, with the groups that concern this person (S4).
    Person,
}

written!(Action { Users = "users", Groups = "groups", All = "all", Cleanup = "cleanup", Person = "person" });

/// How a run ended (`roster_runs.outcome`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Still going on.
    Running,
    /// Done.
    Ok,
    /// Done but for what the brake holds.
    Held,
    /// Presence applied, absence not (E1).
    Incomplete,
    /// Not done.
    Failed,
    /// The process ended in the middle.
    Interrupted,
}

written!(Outcome {
    Running = "running",
    Ok = "ok",
    Held = "held",
    Incomplete = "incomplete",
    Failed = "failed",
    Interrupted = "interrupted",
});

impl Outcome {
    /// How a run ends that read everything.
    pub const COMPLETE: [Self; 2] = [Self::Ok, Self::Held];
    /// How a run ends that read something and came to its end; the better ones first.
    pub const DONE: [Self; 3] = [Self::Ok, Self::Held, Self::Incomplete];
}

/// How a run begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunStart {
    /// The source.
    pub source: String,
    /// What started it.
    pub trigger: Trigger,
    /// What it does.
    pub action: Action,
    /// `full` or `person`; later also `delta`, `live`.
    pub mode: &'static str,
    /// When.
    pub at: Timestamp,
}

/// How a run ends. Everything here is written in one transaction.
#[derive(Clone, PartialEq, Debug)]
pub struct RunEnd {
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// The numbers.
    pub counts: Counts,
    /// Why not ok, in one sentence.
    pub error: Option<String>,
    /// [`crate::roster::Incomplete::cause`], with `:ATTRIBUTE` for `attribute-vanished`; what `approve` accepts.
    pub cause: Option<String>,
    /// Which server was read.
    pub server: Option<String>,
    /// Departures that wait for a person.
    pub held: Vec<Held>,
    /// Set by a complete run of users: `Reading::coverage`.
    pub coverage: Option<std::collections::BTreeMap<String, u64>>,
    /// What it rested on; `None` when it did not get that far.
    pub basis: Option<Basis>,
    /// The proof that it was complete, if it was.
    pub proof: Option<Proof>,
}

/// What every write of a run carries.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// The run; `None` only for due deletions while `enabled = false` (S1).
    pub run: Option<RunId>,
    /// The source.
    pub source: &'a str,
    /// Written as the time of the changes.
    pub at: Timestamp,
    /// Names of the extra fields.
    pub names: &'a FieldNames,
    /// Leases that must still hold.
    pub leases: &'a [Lease],
}

/// State of the schema, for `check` and `plan`, which never migrate behind the operator's back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Schema {
    /// Nothing there yet.
    Empty,
    /// Some migrations are missing.
    Old,
    /// As this program wants it.
    Current,
    /// Written by a newer program: refused.
    Newer,
}

/// Settings of the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `sqlite:///path` or `postgres://user@host:port/db?…`, without a password.
    pub url: String,
    /// The Postgres password, when one was given by file or credential.
    pub password: Option<secrecy::SecretString>,
}

/// Opens the store; does not migrate it.
///
/// `sqlite:///path` is not touched before it is asked something, and is created by [`Store::migrate`] only.
/// `postgres://…` is connected to once, so that a wrong password is said now and not in the middle of a run.
///
/// # Errors
/// [`StoreError::Open`] when the URL is neither, or when Postgres cannot be reached.
pub async fn open(settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    if let Some(path) = settings.url.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
        return Ok(Arc::new(sqlite::Database::new(Path::new(path))));
    }
    if settings.url.starts_with("postgres://") || settings.url.starts_with("postgresql://") {
        return Ok(Arc::new(postgres::Database::new(settings).await?));
    }
    Err(StoreError::Open {
        store: "of store.url".to_owned(),
        says: "it begins neither with sqlite:///path nor with postgres://user@host/database".to_owned(),
        source: None,
    })
}

/// A new internal id (I1; version 7, so that an index on it grows at its end). The only chance in the store: ids are
/// drawn here and nowhere else.
fn new_uuid() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

/// The user store.
#[async_trait]
pub trait Store: Send + Sync {
    /// What messages call it: the path, or the URL without a password.
    fn describe(&self) -> &str;
    /// Ends all connections. Whoever leaves last from an SQLite store leaves one file, without a write-ahead log that
    /// the next one has to read again.
    async fn close(&self);
    /// How old the schema is.
    async fn schema(&self) -> Result<Schema, StoreError>;
    /// Why a run could not write here, with the remedy; `None` when it can. Writes nothing.
    async fn hindrance(&self) -> Result<Option<String>, StoreError>;
    /// Brings the schema up to date; does nothing when it is. Refuses a newer one.
    async fn migrate(&self) -> Result<(), StoreError>;
    /// The id of this store, given once by the first migration.
    async fn id(&self) -> Result<uuid::Uuid, StoreError>;
    /// `seq` of the last change, or of the last write that left none; equal numbers mean an equal store.
    async fn version(&self) -> Result<i64, StoreError>;

    /// Takes a lease, at once or not at all. A lease whose holder is known to be dead (same realm, no such process),
    /// or which was not renewed in time, is taken over with a higher fencing number. [`StoreError::Newer`] when a newer
    /// program migrated the store meanwhile.
    async fn acquire(&self, scope: &str, holder: &Holder, keep: Duration) -> Result<Acquired, StoreError>;
    /// Prolongs a lease; [`StoreError::Fenced`] when somebody else has it now.
    async fn renew(&self, lease: &Lease, keep: Duration) -> Result<(), StoreError>;
    /// Gives a lease back; quiet when it was lost already.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;

    /// All sources ever registered, by name.
    async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError>;
    /// Registers a source, or updates its directory and bases.
    async fn put_source(&self, source: &SourceRecord, leases: &[Lease]) -> Result<(), StoreError>;
    /// Gives a source, and all that is its, another name (I9).
    async fn rename_source(&self, old: &str, new: &str, leases: &[Lease]) -> Result<(), StoreError>;
    /// Notes that a source was given up (S6).
    async fn retire_source(&self, name: &str, at: Timestamp, leases: &[Lease]) -> Result<(), StoreError>;
    /// The last freeze that was not ended by hand; it may be over (B5).
    async fn freeze(&self, source: &str) -> Result<Option<Freeze>, StoreError>;
    /// Freezes a source, or ends that.
    async fn put_freeze(&self, source: &str, freeze: Option<&Freeze>, leases: &[Lease]) -> Result<(), StoreError>;
    /// The last bind of this account that was refused (E9).
    async fn refused_bind(&self, source: &str) -> Result<Option<RefusedBind>, StoreError>;
    /// Remembers or forgets a refused bind.
    async fn put_refused_bind(
        &self,
        source: &str,
        refused: Option<&RefusedBind>,
        leases: &[Lease],
    ) -> Result<(), StoreError>;

    /// Opens a run, and marks earlier runs of the source that never ended as interrupted.
    async fn begin_run(&self, start: &RunStart, leases: &[Lease]) -> Result<RunId, StoreError>;
    /// Marks runs of the source that never ended as interrupted, for the holder of its lease; which ones.
    async fn settle_runs(&self, source: &str, at: Timestamp, leases: &[Lease]) -> Result<Vec<RunId>, StoreError>;
    /// Closes a run. Of two ends the first counts: its answer may have been lost.
    async fn finish_run(&self, run: RunId, end: &RunEnd, leases: &[Lease]) -> Result<(), StoreError>;
    /// What a run held (B1).
    async fn held(&self, run: RunId) -> Result<Vec<Held>, StoreError>;
    /// Attribute coverage of the last complete run of users; empty when there was none (E2).
    async fn coverage(&self, source: &str) -> Result<std::collections::BTreeMap<String, u64>, StoreError>;
    /// What the last run of the source rested on that ended in one of these ways.
    async fn basis(&self, source: &str, outcomes: &[Outcome]) -> Result<Option<(RunId, Basis)>, StoreError>;
    /// When the first run ended `ok` or `held` that read users, since anybody came in after a moment, and before now: where
    /// the brake's window begins when nobody had access before (B1).
    async fn first_end(&self, source: &str, since: Timestamp, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;
    /// Whose access changed since a moment, for the brake (B1).
    async fn recent_departures(&self, source: &str, since: Timestamp) -> Result<RecentDepartures, StoreError>;

    /// What losses of aliases are measured against, given whose access changed since that moment (B1).
    async fn alias_window(
        &self,
        source: &str,
        since: Timestamp,
        recent: &RecentDepartures,
    ) -> Result<AliasWindow, StoreError>;
    /// What losses of memberships are measured against, likewise (B1).
    async fn membership_window(
        &self,
        source: &str,
        since: Timestamp,
        recent: &RecentDepartures,
    ) -> Result<MembershipWindow, StoreError>;
    /// What is known of the roles and grants of those whose rights changed since a moment (B1).
    async fn recent_rights(
        &self,
        source: &str,
        since: Timestamp,
    ) -> Result<std::collections::BTreeMap<UserId, RightsBefore>, StoreError>;

    /// Every user of the source that has a unique id, tombstones included, and manual ones that are linked (M2).
    async fn index(&self, source: &str) -> Result<Index, StoreError>;
    /// The accounts with these ids, in order of id; unknown ids are left out.
    async fn accounts(&self, ids: &[UserId]) -> Result<Vec<Account>, StoreError>;
    /// Who holds these addresses now, of whatever source; nobody deleted or dormant.
    async fn owners(&self, keys: &[AddressKey]) -> Result<Vec<(AddressKey, UserId)>, StoreError>;
    /// Who among the active and kept bears these folded usernames, of whatever source.
    async fn name_owners(&self, names: &[String]) -> Result<Vec<(String, UserId)>, StoreError>;
    /// Deleted and dormant users of the source that remember one of these as their primary address (I5, I6).
    async fn remembering(&self, source: &str, keys: &[AddressKey]) -> Result<Vec<UserId>, StoreError>;
    /// Pairs that a person called two people: the old user, and the newcomer's unique id (I5).
    async fn two_people(&self, source: &str) -> Result<std::collections::BTreeSet<(UserId, UniqueId)>, StoreError>;
    /// Users of the source whom runs after this one added, in order of id (I5).
    async fn added_since(&self, source: &str, run: Option<RunId>) -> Result<Vec<UserId>, StoreError>;
    /// Digest of the folded username of every user of the source that is active, kept or pending.
    async fn usernames(&self, source: &str) -> Result<Vec<(Digest, UserId)>, StoreError>;
    /// Directory groups of the source, tombstones included.
    async fn groups(&self, source: &str) -> Result<Vec<StoredGroup>, StoreError>;
    /// Memberships that came from the directory, of groups of the source; in order of group, then user.
    async fn memberships(&self, source: &str) -> Result<Vec<StoredMembership>, StoreError>;
    /// Role of every user of the source that has one (R1).
    async fn roles(&self, source: &str) -> Result<Vec<(UserId, Box<str>)>, StoreError>;
    /// Grants of users of the source that mapped groups gave, in order of user (R2).
    async fn grants(&self, source: &str) -> Result<Vec<StoredGrant>, StoreError>;
    /// What the directory gives some users (S4, I8).
    async fn holdings(&self, users: &[UserId]) -> Result<Holdings, StoreError>;
    /// The groups that hold under the mapped DNs of the source (R4).
    async fn mapped(&self, source: &str) -> Result<Vec<KnownGroup>, StoreError>;
    /// Privileges that were given to one user by hand, in order.
    async fn local_grants(&self, user: UserId) -> Result<Vec<String>, StoreError>;
    /// A local group that is not deleted, by UUID (G9).
    async fn local_group(&self, group: &str) -> Result<Option<LocalGroup>, StoreError>;
    /// `roster_grants`, of one user (by UUID) or all, in order of user.
    async fn grant_rows(&self, user: Option<&str>) -> Result<Vec<rows::GrantRow>, StoreError>;
    /// Remembers anew which groups hold under mapped DNs; what a run gives comes after it.
    async fn put_mapped(&self, stamp: Stamp<'_>, acts: &[MappedAct]) -> Result<(), StoreError>;
    /// Open conflicts of the source but `pending-deletion`.
    async fn open_conflicts(&self, source: &str) -> Result<Vec<OpenConflict>, StoreError>;

    /// Applies whole people in one transaction; returns the rows of those added. Opens and resolves
    /// `pending-deletion` with the flag. Releases of addresses come before claims.
    async fn apply_users(&self, stamp: Stamp<'_>, changes: &[UserChange]) -> Result<Vec<(Digest, UserId)>, StoreError>;
    /// Applies groups and memberships in one transaction; returns the rows of those added. `UserRef::New` is
    /// resolved through `added`.
    async fn apply_groups(
        &self,
        stamp: Stamp<'_>,
        changes: &[GroupChange],
        added: &std::collections::HashMap<Digest, UserId>,
    ) -> Result<Vec<(Digest, GroupId)>, StoreError>;
    /// Opens conflicts, words open ones anew, resolves others, and makes `roster_skipped` of the source equal `skips`,
    /// writing only what differs.
    async fn apply_findings(
        &self,
        stamp: Stamp<'_>,
        opened: &[Conflict],
        resolved: &[ConflictId],
        skips: &[Skip],
        added: &std::collections::HashMap<Digest, UserId>,
    ) -> Result<(), StoreError>;
    /// Settles an open `maybe-same-person` (I5): one person, so that the old user goes on by the newcomer's unique id and
    /// with everything the newcomer has; or two, and the question is never asked again. False when it is not open.
    async fn settle_resemblance(
        &self,
        stamp: Stamp<'_>,
        conflict: ConflictId,
        one_person: bool,
    ) -> Result<bool, StoreError>;
    /// The users of these sources that have one of these unique ids, tombstones included (I8).
    async fn bearing(&self, sources: &[String], keys: &[UniqueId]) -> Result<Vec<(Digest, UserId)>, StoreError>;
    /// When the last complete run of the source that read users began.
    async fn last_complete(&self, source: &str) -> Result<Option<Timestamp>, StoreError>;
    /// Drops changes older than `before`, and runs nothing refers to any more (`history.keep`).
    async fn forget_history(&self, before: Timestamp, leases: &[Lease]) -> Result<u64, StoreError>;

    /// The next moment at which somebody of the source is due for deletion or for another look.
    async fn next_deadline(&self, source: &str, after: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// The users who are WHO in the first of the ways of [`rows::Which::Who`] that anybody matches.
    async fn users_who(&self, who: &str) -> Result<Vec<UserId>, StoreError>;
    /// Deleted users who bore this name or had this primary address last.
    async fn tombstones(&self, who: &str) -> Result<Vec<UserId>, StoreError>;
    /// The allow and deny entries of a user, in order of pattern.
    async fn rules(&self, user: UserId) -> Result<Vec<Rule>, StoreError>;

    /// `roster_users` with aliases, in order of label; `which` narrows it.
    async fn user_rows(&self, which: &rows::Which) -> Result<Vec<rows::UserRow>, StoreError>;
    /// The memberships of one user, by UUID.
    async fn user_groups(&self, user: &str) -> Result<Vec<rows::MembershipRow>, StoreError>;
    /// `roster_groups`, in order of name, with the number of members with access.
    async fn group_rows(&self) -> Result<Vec<rows::GroupRow>, StoreError>;
    /// The members of one group, by UUID, in order of label.
    async fn group_members(&self, group: &str) -> Result<Vec<rows::MemberRow>, StoreError>;
    /// `roster_runs`, newest first; a run whose process is dead, or did not renew its lease in time, is interrupted.
    async fn run_rows(&self, source: Option<&str>, limit: u32) -> Result<Vec<rows::RunRow>, StoreError>;
    /// One run.
    async fn run_row(&self, run: RunId) -> Result<Option<rows::RunRow>, StoreError>;
    /// The changes of one run, or of one user (by UUID), in order of `seq`.
    async fn change_rows(&self, which: &rows::Changes, limit: u32) -> Result<Vec<rows::ChangeRow>, StoreError>;
    /// `roster_feed`: how far back the feed goes, and how far on.
    async fn feed(&self) -> Result<rows::Feed, StoreError>;
    /// `roster_conflicts`, open ones first.
    async fn conflict_rows(&self, open_only: bool) -> Result<Vec<rows::ConflictRow>, StoreError>;
    /// `roster_skipped`.
    async fn skip_rows(&self, source: Option<&str>) -> Result<Vec<rows::SkipRow>, StoreError>;
    /// How many users there are by state, of one source or of all.
    async fn user_counts(&self, source: Option<&str>) -> Result<Vec<(State, u64)>, StoreError>;
}
