//! Looking at both sides: the directory is read, and of the store is loaded what the plan needs.

mod another;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::Timestamp;
use crate::directory::{self, Connection, DirectoryError, Searches};
use crate::plan::policy::{AttributeUse, Place};
use crate::plan::{
    self, Another, Approval, Basis, ClockReading, Frozen, KnownGroup, LateClock, Plan, Policy, Proof, Since,
    StoredMembership, View,
};
use crate::roster::{
    Account, Before, Complete, Digest, Dn, Incomplete, Index, LookUp, Passes, Positions, Reading, Snapshot, State,
    UniqueId, UserId,
};
use crate::store::{Action, Freeze, Lease, Outcome, RunId, SourceRecord, Store, StoreError};
use crate::sync::approval::approved;
use crate::sync::{Request, Scene, SyncError, basis, neighbours, refused, source};

pub(super) use view::{skips, window, with_old_names};

/// Both sides as a run saw them.
pub(super) struct Look {
    seen: Seen,
    index: Index,
    memberships: Vec<StoredMembership>,
    version: i64,
    policy: Policy,
    server: String,
    approval: Approval,
    look_ups: HashMap<UserId, LookUp>,
    vanished: BTreeSet<String>,
    /// The server knows less than the one of the last complete run (E7).
    behind: bool,
    basis: Basis,
    /// The directory is another one than before, or was made anew, and nobody said that this is right (I9).
    another: Option<Another>,
    /// Where the server stood.
    state: Option<String>,
    /// Of a read that was complete.
    proof: Option<Proof>,
    /// Other sources of the same directory (I8).
    neighbours: Vec<SourceRecord>,
}

/// What was read: everything, or only those who are due.
enum Seen {
    Directory(Box<Snapshot>),
    Due,
}

impl Look {
    /// Connects, reads, and looks the missing up; `leases` prove what little is written on the way.
    pub async fn take(scene: &Scene<'_>, request: Request, leases: &[Lease]) -> Result<Self, SyncError> {
        let store = scene.store;
        let source = scene.config.source.name.as_str();
        let approval = approved(store, source, request.approve).await?;
        // The two sides are looked at side by side; the version is asked first, so that a change shows.
        let version = store.version().await?;
        let (connected, index) = tokio::join!(scene.connect(request, leases), store.index(source));
        let (mut connection, index) = (connected?, index?);
        let (searches, policy) = asked(scene, &connection)?;
        let server = connection.about().server.clone();
        let gives_roles = !policy.rights.roles.is_empty();
        let neighbours = scene.check_source(&mut connection, (&searches, gives_roles), leases).await?;
        let standing = connection.standing().await;
        let state = standing.says();
        let basis = basis::of(scene.config, &server, standing, scene.clock);
        let another = match approval.accepts(Another::CAUSE) {
            true => None,
            false => source::another(scene, (&mut connection, &searches), &basis).await?,
        };
        let mut look = Self {
            seen: Seen::Due,
            index,
            memberships: Vec::new(),
            version,
            policy,
            server,
            approval,
            look_ups: HashMap::new(),
            vanished: BTreeSet::new(),
            behind: false,
            neighbours,
            another,
            state,
            proof: None,
            basis,
        };
        if request.action == Action::Cleanup {
            let due = due_users(&look.index, scene.clock.now());
            let another = look.another.as_ref().map(Another::says);
            match another.or(look.behind(scene, None).await?.map(|behind| behind.says)) {
                // What such a server does not show says nothing.
                Some(says) => {
                    let unjudged = due.iter().map(|user| (*user, LookUp::Unjudged { says: says.clone() }));
                    look.look_ups = unjudged.collect();
                }
                None => look.look_up(scene, &mut connection, &searches, &due).await?,
            }
            return Ok(look);
        }
        look.read(scene, &mut connection, &searches, request.action).await?;
        Ok(look)
    }

    async fn read(
        &mut self,
        scene: &Scene<'_>,
        connection: &mut Connection,
        searches: &Searches,
        action: Action,
    ) -> Result<(), SyncError> {
        let store = scene.store;
        let source = scene.config.source.name.as_str();
        let passes = Passes {
            users: scene.config.users.is_some() && action != Action::Groups,
            groups: scene.config.groups.is_some() && action != Action::Users,
        };
        let groups = store.groups(source).await?;
        let before = Before {
            users: self.index.with_access() as u64,
            groups: groups.iter().filter(|group| group.state == State::Active).count() as u64,
            coverage: store.coverage(source).await?,
            tests: self.policy.attributes(AttributeUse::Disabled).map(str::to_owned).collect(),
            accepted: self.approval.causes.clone(),
            mapped: known_groups(&self.policy, &store.mapped(source).await?),
        };
        let now = scene.clock.now();
        let read = directory::read(connection, searches, &self.index, &before, passes, now, scene.progress);
        let (snapshot, memberships) = tokio::join!(read, store.memberships(source));
        let mut snapshot = snapshot?;
        self.memberships = memberships?;
        if self.another.is_some() {
            self.count(snapshot.reading());
            self.seen = Seen::Directory(Box::new(snapshot));
            return Ok(());
        }
        view::name_shielded(store, &self.index, &mut snapshot).await?;
        self.vanished = before.vanished(snapshot.reading()).map(|(name, _)| name.to_owned()).collect();
        let missing = snapshot.complete().map(|complete| complete.missing(&self.index).map(|known| known.id).collect());
        let missing: Vec<UserId> = missing.unwrap_or_default();
        self.look_up(scene, connection, searches, &missing).await?;
        let accepted = self.approval.accepts("unjudged");
        let users = snapshot.complete().filter(|complete| complete.reading().passes.users);
        let missing = users.map(|_| Digest::of(format!("{missing:?}")));
        let behind = self.behind(scene, missing).await?;
        self.behind = behind.as_ref().is_some_and(|why| why.cause == Incomplete::BEHIND);
        let doubt = plan::doubt(&self.index, &self.look_ups).filter(|_| !accepted).or(behind);
        self.count(snapshot.reading());
        let snapshot = match doubt {
            Some(why) => snapshot.doubted(why),
            None => snapshot,
        };
        let reading = snapshot.complete().map(Complete::reading);
        let proved =
            |reading| Proof { unseen: before.unseen(reading), ..self.proved(reading, (connection, searches), scene) };
        self.proof = reading.map(proved);
        self.seen = Seen::Directory(Box::new(snapshot));
        Ok(())
    }

    /// Notes how many users and groups there were.
    fn count(&mut self, reading: &Reading) {
        self.basis.users = reading.passes.users.then(|| reading.coverage.get("").copied().unwrap_or_default());
        self.basis.groups = reading.passes.groups.then_some(reading.groups.len() as u64);
    }

    /// What a complete read has in its hands.
    fn proved(&self, reading: &Reading, (connection, searches): (&Connection, &Searches), scene: &Scene<'_>) -> Proof {
        let shown = reading.coverage.iter().filter(|(name, count)| !name.is_empty() && **count > 0);
        let proof = Proof {
            account: connection.about().authorized_as.clone(),
            base: self.basis.base.clone(),
            state: self.state.clone(),
            bases: searches.bases(reading.passes).map(str::to_owned).collect(),
            users: self.basis.users,
            groups: self.basis.groups,
            must_see: scene.config.source.must_see.len() as u64,
            attributes: shown.count() as u64,
            ..Proof::default()
        };
        proof.with_look_ups(self.look_ups.values())
    }

    /// Whether the server knows less than the one of the last complete run, or is another one that does not tell, and no
    /// person said that it is right (E7); `missing` stands for those whom a complete read does not show.
    async fn behind(&mut self, scene: &Scene<'_>, missing: Option<Digest>) -> Result<Option<Incomplete>, SyncError> {
        let (store, source) = (scene.store, scene.config.source.name.as_str());
        let Some((_, last)) = store.basis(source, &Outcome::COMPLETE).await? else { return Ok(None) };
        if self.approval.accepts(Another::CAUSE) {
            // A directory that was made anew counts its changes anew.
            return Ok(None);
        }
        let all = store.basis(source, &Outcome::DONE).await?;
        let stranger = all.and_then(|(_, all)| all.stranger);
        let strange = self.basis.strange(&last, stranger, (scene.clock.now(), missing));
        let doubt = self.basis.behind(&last).or(strange);
        Ok(doubt.filter(|doubt| !self.approval.accepts(doubt.cause)))
    }

    /// Looks people up by unique id, so that the reason they are missing is a cause (L2).
    async fn look_up(
        &mut self,
        scene: &Scene<'_>,
        connection: &mut Connection,
        searches: &Searches,
        users: &[UserId],
    ) -> Result<(), SyncError> {
        let accounts = scene.store.accounts(users).await?;
        let keys: Vec<UniqueId> = accounts.iter().filter_map(|account| account.key.clone()).collect();
        let found: HashMap<UniqueId, LookUp> =
            directory::look_up(connection, searches, &keys, scene.clock.now()).await.into_iter().collect();
        self.look_ups = accounts
            .into_iter()
            .filter_map(|account| Some((account.id, found.get(account.key.as_ref()?)?.clone())))
            .collect();
        Ok(())
    }

    /// Which server was read.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The policy for this kind of directory.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What a person accepted for this run, and has to accept of the directory; accepting the next doubt accepts it again.
    pub fn accepted(&self) -> Vec<String> {
        let another = self.another.as_ref().map(|_| Another::CAUSE.to_owned());
        self.approval.causes.iter().cloned().chain(another).collect()
    }

    /// Why absence proves nothing.
    pub fn incomplete(&self) -> Option<&Incomplete> {
        match &self.seen {
            Seen::Directory(snapshot) => snapshot.incomplete().filter(|_| self.another.is_none()),
            Seen::Due => None,
        }
    }

    /// What a later run compares its own coverage with (E2).
    pub fn coverage_if_complete(&self) -> Option<BTreeMap<String, u64>> {
        match &self.seen {
            Seen::Directory(snapshot) => {
                let reading = snapshot.complete().filter(|_| self.another.is_none())?.reading();
                reading.passes.users.then(|| reading.coverage.clone())
            }
            Seen::Due => None,
        }
    }

    /// The proof that the read was complete, if it was.
    pub fn proof(&self) -> Option<Proof> {
        self.proof.clone()
    }

    /// Loads what is needed of the store, and plans.
    ///
    /// When the store changed since it was compared with the entries, those whose fingerprint is another one now
    /// wait for the next run.
    pub async fn plan(mut self, scene: &Scene<'_>) -> Result<(Plan, Basis), SyncError> {
        let store = scene.store;
        let source = scene.config.source.name.as_str();
        let now = scene.clock.now();
        if store.version().await? != self.version {
            let index = store.index(source).await?;
            if let Seen::Directory(snapshot) = &mut self.seen {
                rebase(snapshot, &self.index, &index);
            }
            self.index = index;
            self.memberships = store.memberships(source).await?;
        }
        let mut frozen = self.frozen(scene, now).await?;
        let before = store.basis(source, &Outcome::DONE).await?.map(|(_, before)| before).unwrap_or_default();
        self.basis.proven = before.proven;
        let clock = self.clock_doubt(before.clock);
        let seen = std::mem::replace(&mut self.seen, Seen::Due);
        let policy = self.policy.clone();
        let snapshot = match (seen, self.another.take()) {
            (Seen::Directory(snapshot), None) => snapshot,
            (Seen::Directory(snapshot), Some(another)) => {
                return self.before_another(scene, (&snapshot, another), (frozen, clock)).await;
            }
            (Seen::Due, _) => {
                let due = if frozen.is_some() { Vec::new() } else { due_users(&self.index, now) };
                let (plan, basis) = self.of_due(scene, due, (frozen, clock)).await?;
                return Ok((plan, basis.following(store.basis(source, &[Outcome::Ok]).await?)));
            }
        };
        let mut basis = self.basis.clone();
        let mut view = self.view(store, source, &snapshot, now).await?;
        view.least_now = least_now(clock.as_ref(), basis.clock.as_ref());
        // As from a read that is not complete, nothing is taken away on the word of absence (E1, B5).
        if let (Some(frozen), Some(complete)) = (&mut frozen, snapshot.complete()) {
            let missing = complete.missing(&view.index).filter(|known| known.state.access());
            frozen.name(missing.filter_map(|known| view.accounts.get(&known.id)).map(Account::label));
        }
        let snapshot = match &frozen {
            Some(frozen) => snapshot.doubted(frozen.doubt()),
            None => *snapshot,
        };
        let mut plan = plan::plan(snapshot, &view, &policy, now);
        if plan.loses_memberships() {
            let (since, recent) = view::window(store, source, &view.index, (now - policy.brake.window, now)).await?;
            plan.hold_memberships(&store.membership_window(source, since, &recent).await?, &policy);
        }
        plan.label(&accounts(store, &plan.unlabelled()).await?);
        let mut last = None;
        if !plan.holds.is_empty() || basis.users.is_none() {
            last = store.basis(source, &[Outcome::Ok]).await?;
        }
        if !plan.holds.is_empty() {
            let since = |(run, last): &(RunId, Basis)| Since { run: run.0, changes: last.changes(&basis) };
            plan.since = last.as_ref().map(since);
        }
        plan.late = clock.map(|(says, before)| {
            basis.clock = Some(before);
            LateClock { due: plan.due_after(&view.index, now), says }
        });
        Ok((Plan { frozen, ..plan }, basis.following(last)))
    }

    /// Only those who are due are looked at.
    async fn of_due(
        self,
        scene: &Scene<'_>,
        due: Vec<UserId>,
        (frozen, clock): (Option<Frozen>, Option<(String, ClockReading)>),
    ) -> Result<(Plan, Basis), SyncError> {
        let (store, source) = (scene.store, scene.config.source.name.as_str());
        let mut basis = self.basis;
        let least_now = least_now(clock.as_ref(), basis.clock.as_ref());
        let late = clock.map(|(says, before)| {
            basis.clock = Some(before);
            LateClock { due: due.len() as u64, says }
        });
        let view = View {
            least_now,
            held_relinks: scene.held_relinks().await?,
            accounts: accounts(store, &due).await?,
            index: self.index,
            look_ups: self.look_ups,
            conflicts: store.open_conflicts(source).await?,
            skips: skips(store, source).await?,
            ..View::default()
        };
        Ok((Plan { frozen, late, ..plan::cleanup(&view, scene.clock.now(), false) }, basis))
    }

    /// Why the wall clock is not believed, with the last reading that was (L10).
    fn clock_doubt(&self, before: Option<ClockReading>) -> Option<(String, ClockReading)> {
        let (before, now) = before.zip(self.basis.clock.as_ref())?;
        let doubt = now.doubt(Some(&before), self.basis.newest_change());
        doubt.filter(|_| !self.approval.accepts("clock")).map(|says| (says, before))
    }

    /// What a freeze that goes on withholds (B5).
    async fn frozen(&self, scene: &Scene<'_>, now: Timestamp) -> Result<Option<Frozen>, SyncError> {
        let complete = match &self.seen {
            Seen::Directory(snapshot) => snapshot.complete(),
            Seen::Due => None,
        };
        let missing = complete.map_or(0, |complete| {
            let missing = complete.missing(&self.index);
            missing.filter(|known| known.state.access() && self.look_ups.contains_key(&known.id)).count() as u64
        });
        scene.frozen(now, missing, due_users(&self.index, now).len() as u64).await
    }
}

/// What the time is at least, when the clock is doubted (L10).
fn least_now(doubt: Option<&(String, ClockReading)>, now: Option<&ClockReading>) -> Option<Timestamp> {
    doubt.zip(now).map(|((_, before), now)| now.least(before))
}

/// What is asked of this kind of directory, and the policy for it.
pub(super) fn asked(scene: &Scene<'_>, connection: &Connection) -> Result<(Searches, Policy), SyncError> {
    let config = scene.config;
    let searches =
        Searches::new(&config.source, config.users.as_ref(), config.group_settings(), connection.about().kind)?
            .with_mapped(&config.mapped)?;
    let mapping = searches.mapping();
    let policy = Policy {
        configured_id: mapping.users.as_ref().is_some_and(|users| !users.server_given()),
        ..config.policy(mapping.mapped().clone(), mapping.names().clone(), mapping.uses().clone())
    };
    let identity = if policy.by_address { " by address" } else { "" };
    let searches = searches.with_policy(format!("{:?} {}{identity}", policy.managed, policy.address_required));
    Ok((searches, policy))
}

/// The unique id that holds under each mapped place (R4).
pub(super) fn known_groups(policy: &Policy, known: &[KnownGroup]) -> Vec<Option<UniqueId>> {
    let of = |dn: &str| {
        let known = known.iter().find(|known| Dn::digest_of(&known.dn) == Dn::digest_of(dn))?;
        Some(known.key.clone())
    };
    let places = policy.rights.places.iter();
    let known = places.map(|place| match place {
        Place::Dn(dn) => of(dn),
        Place::Filter(_) => None,
    });
    known.collect()
}

impl Scene<'_> {
    /// Connects and binds; a password that was refused a short while ago is not tried again (E9).
    pub(super) async fn connect(&self, request: Request, leases: &[Lease]) -> Result<Connection, SyncError> {
        let settings = &self.config.source;
        let now = self.clock.now();
        let paused = refused::refused_before(self.store, &settings.name, settings, now).await?;
        if let Some(paused) = paused.filter(|_| !request.insist) {
            return Err(paused);
        }
        let connected = directory::connect(settings, self.clock).await;
        let refused = connected.as_ref().err().and_then(DirectoryError::bind_refused).map(|says| (now, says));
        if refused.is_some() || connected.is_ok() {
            let remembered = refused::remember(self.store, &settings.name, settings, refused, leases).await;
            // Who only looks may not be allowed to write (E9 is for those who try again).
            remembered.or_else(|error| if self.writes { Err(error) } else { Ok(()) })?;
        }
        Ok(connected?)
    }

    /// Refuses a source that cannot be what the configuration says, and registers the others (I9); returns the other
    /// sources of the same directory (I8).
    pub(super) async fn check_source(
        &self,
        connection: &mut Connection,
        (searches, gives_roles): (&Searches, bool),
        leases: &[Lease],
    ) -> Result<Vec<SourceRecord>, SyncError> {
        let bases = self.config.users.as_ref().map(|users| users.base_dns.as_slice()).unwrap_or_default();
        let reads = neighbours::reads(searches, bases, gives_roles);
        let ours = SourceRecord { reads, ..source::record(self.config, &connection.about().directory_id) };
        let known = self.store.sources().await?;
        let before = known.iter().find(|source| source.name == ours.name);
        let mut same = true;
        if before != Some(&ours) {
            let nobody = source::knows_nobody(self.store, &ours.name).await?;
            if nobody {
                connection.base_object().await?;
            }
            if !nobody && before.is_some_and(|before| before.directory != ours.directory) {
                let people = source::some_of(self.store, &self.store.index(&ours.name).await?).await?;
                same = directory::are_there(connection, searches, &people, self.clock.now()).await;
            }
        }
        if let Some(trouble) = source::trouble(&ours, &known, same) {
            return Err(trouble);
        }
        if self.writes && !known.contains(&ours) {
            self.store.put_source(&ours, leases).await?;
        }
        Ok(neighbours::of(&ours, known))
    }

    /// The freeze that goes on, with what it withholds (B5).
    pub(super) async fn frozen(&self, now: Timestamp, missing: u64, due: u64) -> Result<Option<Frozen>, SyncError> {
        let freeze = self.store.freeze(&self.config.source.name).await?;
        let freeze = freeze.filter(|freeze| freeze.until > now);
        let frozen =
            |freeze: Freeze| Frozen { until: freeze.until, reason: freeze.reason, missing, first: Vec::new(), due };
        Ok(freeze.map(frozen))
    }
}

pub(super) fn due_users(index: &Index, now: Timestamp) -> Vec<UserId> {
    index.iter().filter(|known| plan::is_due(known, now)).map(|known| known.id).collect()
}

pub(super) async fn accounts(store: &dyn Store, ids: &[UserId]) -> Result<BTreeMap<UserId, Account>, StoreError> {
    Ok(store.accounts(ids).await?.into_iter().map(|account| (account.id, account)).collect())
}

/// Carries what was read over to a newer index of the same source.
pub(super) fn rebase(snapshot: &mut Snapshot, old: &Index, new: &Index) {
    let reading = snapshot.reading_mut();
    let (unchanged, waiting) = (std::mem::take(&mut reading.unchanged), std::mem::take(&mut reading.waiting));
    let mut now_unchanged = Positions::default();
    let mut now_waiting = Positions::default();
    for (position, before) in old.iter().enumerate() {
        let Some(at) = new.position(before.key) else { continue };
        let same = new.get(at).is_some_and(|after| after.fingerprint == before.fingerprint);
        if unchanged.contains(position) && same {
            now_unchanged.insert(at);
        } else if unchanged.contains(position) || waiting.contains(position) {
            now_waiting.insert(at);
        }
    }
    (reading.unchanged, reading.waiting) = (now_unchanged, now_waiting);
}
