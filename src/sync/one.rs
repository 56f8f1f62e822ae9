//! One person at a time: read, planned and applied like a run, without reading anybody else (S4).

mod behind;
mod foreseen;
pub(super) mod nobody;
mod who;

use std::collections::{BTreeSet, HashMap};

use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::directory::{self, Circle, Connection, Found, OnePerson, Progress, Searches};
use crate::plan::one::{is_unjudged, known, plan_one};
use crate::plan::{self, Approval, Frozen, Holdings, Needs, Plan, Policy, View};
use crate::roster::address::fold;
use crate::roster::{Account, FieldId, Incomplete, Index, LookUp, Origin, Snapshot, State, UniqueId, UserId};
use crate::store::{Action, Lease, RunId, RunStart, SourceRecord, Stamp, Store, Trigger};
use crate::sync::lease::Held;
use crate::sync::look::{accounts, asked, known_groups, rebase, skips, with_old_names};
use crate::sync::{Report, Request, Scene, SyncError, alone, apply, basis, neighbours, report, run_end, source};
use behind::behind;
use who::ours;
pub(super) use who::{ambiguous, of_another_source};

/// Whom to look at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// A user of the store.
    User(UserId),
    /// Nobody in the store: looked for in the directory.
    Unknown(String),
}

/// Who it turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// What people call the person.
    pub label: String,
    /// The directory's unique id.
    pub unique_id: Option<String>,
    /// What was found in the directory, in a few words.
    pub found: String,
}

/// Both sides of one person.
pub(super) struct LookOne {
    /// Other sources of the same directory (I8).
    neighbours: Vec<SourceRecord>,
    pub snapshot: Snapshot,
    index: Index,
    user: Option<UserId>,
    /// The entry that the user's own one may have been made anew as (I5).
    anew: Option<UniqueId>,
    /// Somebody whose entry is gone and whom the newcomer may be (I5).
    former: Option<UserId>,
    /// Others who have the address or the name of a newcomer, and whose entries are gone: only what a whole run does.
    gone: Vec<Account>,
    /// The server knows less than the one of the last complete run (E7).
    behind: bool,
    /// Attributes of disabled tests that nobody shows any more (E2).
    hidden: BTreeSet<String>,
    pub look_ups: HashMap<UserId, LookUp>,
    version: i64,
    policy: Policy,
    server: String,
    pub subject: Subject,
    /// Of somebody whose entry is gone, and whose name or address another entry has: what was found.
    pub successor: Option<String>,
}

/// Synchronises one person now; nobody else is touched.
///
/// # Errors
/// As [`crate::sync::sync`]; [`SyncError::Who`] when nobody, or more than one, is WHO in the directory.
pub async fn sync_one(
    config: &Config,
    store: &dyn Store,
    clock: &dyn Clock,
    (who, insist): (&Who, bool),
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Report, SyncError> {
    let scene = Scene { config, store, clock, progress, writes: true };
    alone(&scene, async |held| {
        if !config.enabled {
            return scene.one_by_date(who, held, stop).await;
        }
        let start = RunStart {
            source: config.source.name.clone(),
            trigger: Trigger::Command,
            action: Action::Person,
            mode: "person",
            at: clock.now(),
        };
        scene.recorded(&start, held, async |run| scene.look_and_apply(run, (who, insist), held, stop).await).await
    })
    .await
}

impl Scene<'_> {
    /// Connects to look at one person; `insist` as in [`Request`].
    pub(super) async fn reach_for_one(
        &self,
        insist: bool,
        leases: &[Lease],
    ) -> Result<(Connection, Searches, Policy, Vec<SourceRecord>), SyncError> {
        let request =
            Request { trigger: Trigger::Command, action: Action::Person, approve: None, insist, expects: None };
        let mut connection = self.connect(request, leases).await?;
        let (searches, policy) = asked(self, &connection)?;
        let gives_roles = !policy.rights.roles.is_empty();
        let neighbours = self.check_source(&mut connection, (&searches, gives_roles), leases).await?;
        let server = connection.about().server.clone();
        let basis = basis::of(self.config, &server, connection.standing().await, self.clock);
        if let Some(another) = Box::pin(source::another(self, (&mut connection, &searches), &basis)).await? {
            return Err(SyncError::Source { says: another.says() });
        }
        Ok((connection, searches, policy, neighbours))
    }

    async fn look_and_apply(
        &self,
        run: RunId,
        (who, insist): (&Who, bool),
        held: &Held<'_>,
        stop: &CancellationToken,
    ) -> Result<Report, SyncError> {
        let leases = [held.lease().clone()];
        let look = self.bounded(stop, Box::pin(LookOne::take(self, who, insist, &leases))).await?;
        let (server, subject) = (look.server.clone(), look.subject.clone());
        let incomplete = look.snapshot.incomplete().cloned();
        let names = look.policy.names.clone();
        self.in_turn(stop, async |turn| {
            let plan = look.plan(self).await?;
            let leases = [held.lease().clone(), turn.lease().clone()];
            let source = &self.config.source.name;
            let stamp = Stamp { run: Some(run), source, at: self.clock.now(), names: &names, leases: &leases };
            let plan = apply::apply(self, stamp, plan).await?;
            let mut report = report(run, plan, incomplete, server);
            let end = run_end(&report, self.clock.now(), Vec::new());
            self.store.finish_run(run, &end, &leases).await?;
            report.plan.skips.retain(|skip| skip.unique_id == subject.unique_id);
            report.person = Some(subject);
            Ok(report)
        })
        .await
    }

    /// With `enabled = false` nothing is read; who is due is deleted by the date (S1).
    async fn one_by_date(&self, who: &Who, held: &Held<'_>, stop: &CancellationToken) -> Result<Report, SyncError> {
        let Who::User(user) = who else {
            return Err(SyncError::Who {
                says: "source.enabled = false: the directory is not read, and the store knows nobody by that; nothing \
                       was done"
                    .to_owned(),
            });
        };
        let account = ours(self, *user).await?;
        let plan = self
            .in_turn(stop, async |turn| {
                let plan = self.one_due(*user).await?;
                let leases = [held.lease().clone(), turn.lease().clone()];
                let (names, source) = (self.config.names(), &self.config.source.name);
                let stamp = Stamp { run: None, source, at: self.clock.now(), names: &names, leases: &leases };
                apply::apply(self, stamp, plan).await
            })
            .await?;
        let says = "source.enabled = false: the directory was not read; only a deletion that was due is carried out";
        Ok(Report {
            run: None,
            outcome: crate::store::Outcome::Ok,
            counts: plan.counts,
            plan,
            incomplete: None,
            server: None,
            seconds: 0.0,
            note: Some(says.to_owned()),
            person: Some(Subject {
                label: account.label(),
                unique_id: account.key.map(|key| key.to_string()),
                found: "was not looked up".to_owned(),
            }),
        })
    }

    async fn one_due(&self, user: UserId) -> Result<Plan, SyncError> {
        let now = self.clock.now();
        let all = accounts(self.store, &[user]).await?;
        let index = Index::new(all.values().filter_map(known).collect());
        let due = index.iter().filter(|known| plan::is_due(known, now)).count() as u64;
        let frozen = self.frozen(now, 0, due).await?;
        let skips = skips(self.store, &self.config.source.name).await?;
        let index = if frozen.is_some() { Index::default() } else { index };
        let view = View { accounts: all, skips, index, ..View::default() };
        Ok(Plan { frozen, ..plan::cleanup(&view, now, true) })
    }
}

impl LookOne {
    /// Connects, finds out who it is, and reads what concerns this person.
    pub async fn take(scene: &Scene<'_>, who: &Who, insist: bool, leases: &[Lease]) -> Result<Self, SyncError> {
        let store = scene.store;
        if scene.config.users.is_none() {
            let says = "users.enabled = false: people are not read; nothing was done".to_owned();
            return Err(SyncError::Who { says });
        }
        let version = store.version().await?;
        let account = match who {
            Who::User(user) => Some(who::account(scene, *user).await?),
            Who::Unknown(_) => None,
        };
        let (mut connection, searches, policy, neighbours) = scene.reach_for_one(insist, leases).await?;
        let directory = (&mut connection, &searches);
        let (key, account) = who::identify(scene, directory, (who, account), &neighbours).await?;
        let index = Index::new(account.iter().filter_map(known).collect());
        Self::of(scene, (&mut connection, &searches), (policy, neighbours), (key, account, index), version).await
    }

    /// Reads what concerns the person with this unique id; `index` holds the user, if there is one.
    ///
    /// A user whose own entry is gone is looked at by the one that was made anew, if a run re-links the two (I5).
    pub async fn of(
        scene: &Scene<'_>,
        (connection, searches): (&mut Connection, &Searches),
        rules: (Policy, Vec<SourceRecord>),
        (key, account, index): (UniqueId, Option<Account>, Index),
        version: i64,
    ) -> Result<Self, SyncError> {
        let theirs = account.as_ref().map(|account| account.id);
        let person = (key, account, index);
        let look = Box::pin(Self::read(scene, (&mut *connection, searches), rules.clone(), person, version)).await?;
        if let (Some(theirs), Some(anew)) = (theirs, look.anew.clone()) {
            let newcomer = (anew, None, Index::default());
            let anew = Box::pin(Self::read(scene, (connection, searches), rules, newcomer, version)).await?;
            if anew.look(scene).await?.1.relinks(theirs) {
                return Ok(anew);
            }
        }
        Ok(look)
    }

    async fn read(
        scene: &Scene<'_>,
        (connection, searches): (&mut Connection, &Searches),
        (policy, neighbours): (Policy, Vec<SourceRecord>),
        (key, account, index): (UniqueId, Option<Account>, Index),
        version: i64,
    ) -> Result<Self, SyncError> {
        let now = scene.clock.now();
        let behind = behind(scene, connection).await?;
        let mut one = OnePerson::read(connection, searches, (&index, &key), now, scene.progress).await?;
        if let Some(dn) = account.as_ref().and_then(|account| account.dn.as_deref()).filter(|_| one.dn().is_none()) {
            one.shield(connection, searches, (&index, &key, dn), now).await?;
        }
        // Before groups are read, of which some may be left out, too.
        let garbled = one.garbled();
        let mut look_ups = HashMap::new();
        let former = match &account {
            None => former(scene, (connection, searches), &one).await?,
            Some(_) => None,
        };
        look_ups.extend(former.iter().map(|former| (former.id, LookUp::Gone)));
        let circle = circle(scene, &policy, account.iter().chain(&former)).await?;
        let teams = scene.config.groups.is_some();
        one.read_groups(connection, searches, (&circle, teams)).await?;
        let no_group = match one.has_no_group() && !circle.groups.is_empty() {
            true => nobody::no_groups(scene, (connection, searches)).await?,
            false => None,
        };
        let mut subject = Subject {
            label: account.as_ref().map_or_else(|| label(&one, &key), Account::label),
            unique_id: Some(key.to_string()),
            found: garbled.or_else(|| Some(format!("found at `{}`", one.dn()?))).unwrap_or_default(),
        };
        let mut snapshot = one.into_snapshot();
        let hidden = nobody::hidden(scene, (connection, searches), (&policy, account.as_ref())).await?;
        let (mut anew, mut namesake) = (None, None);
        if let Some(account) = account.as_ref().filter(|_| subject.found.is_empty()) {
            let found = look_up(scene, (connection, searches), &key).await;
            subject.found = says(&found);
            if found == LookUp::Gone {
                let namesakes = who::namesakes(connection, searches, account).await;
                namesake = namesake_of(&namesakes);
                subject.found.push_str(namesake.as_deref().unwrap_or_default());
                anew = who::anew(scene, &namesakes, account).await?;
            }
            if is_unjudged(&found) {
                let says = format!("`{}` cannot be judged: {}", account.label(), subject.found);
                snapshot = snapshot.doubted(Incomplete { cause: "person-unjudged", says, attribute: None });
            }
            look_ups.insert(account.id, found);
        }
        // Whom looking up shows to be disabled is not judged by absence.
        let by_absence = !look_ups.values().any(|found| matches!(found, LookUp::Disabled { .. }));
        let missing = snapshot.complete().is_some_and(|complete| complete.missing(&index).next().is_some());
        let nobody = match missing && by_absence {
            true => nobody::no_users(scene, (connection, searches)).await?,
            false => None,
        };
        let doubts = [no_group, nobody].into_iter().flatten().chain(behind.clone());
        let snapshot = doubts.fold(snapshot, Snapshot::doubted);
        Ok(Self {
            neighbours,
            snapshot,
            index,
            user: account.map(|account| account.id),
            anew,
            former: former.map(|former| former.id),
            gone: Vec::new(),
            behind: behind.as_ref().is_some_and(|why| why.cause == Incomplete::BEHIND),
            look_ups,
            hidden,
            version,
            policy,
            server: connection.about().server.clone(),
            successor: namesake.map(|_| subject.found.clone()),
            subject,
        })
    }

    /// Loads what is needed of the store, and plans.
    pub async fn plan(mut self, scene: &Scene<'_>) -> Result<Plan, SyncError> {
        let store = scene.store;
        let source = scene.config.source.name.as_str();
        if store.version().await? != self.version {
            let again = match (self.user, &self.subject.unique_id) {
                (Some(user), _) => accounts(store, &[user]).await?,
                (None, Some(key)) => accounts(store, &store.users_who(key).await?).await?,
                (None, None) => std::collections::BTreeMap::new(),
            };
            let ours = again.values().filter(|account| account.source == source);
            let index = Index::new(ours.filter_map(known).collect());
            rebase(&mut self.snapshot, &self.index, &index);
            (self.user, self.index) = (index.iter().map(|known| known.id).next(), index);
        }
        let (view, mut plan) = self.look(scene).await?;
        plan.label(&accounts(store, &plan.unlabelled()).await?);
        // The run says how many conflicts are open in the end, whoever's they are.
        let counts = store.user_counts(Some(source)).await?;
        let all: u64 = counts.iter().filter(|(state, _)| *state == State::Pending).map(|(_, people)| people).sum();
        let others = all - all.min(view.index.iter().filter(|known| known.state == State::Pending).count() as u64);
        plan.pending += others;
        plan.counts.conflicts += others;
        Ok(plan)
    }

    /// The store's side, and what is to be done.
    pub async fn look(&self, scene: &Scene<'_>) -> Result<(View, Plan), SyncError> {
        let now = scene.clock.now();
        let frozen = self.frozen(scene, now).await?;
        let snapshot = match &frozen {
            Some(frozen) => self.snapshot.clone().doubted(frozen.doubt()),
            None => self.snapshot.clone(),
        };
        let view = self.view(scene.store, &scene.config.source.name, &snapshot).await?;
        let former = self.former.and_then(|former| view.accounts.get(&former));
        let plan = plan_one(&snapshot, &view, former, &self.policy, now);
        Ok((view, Plan { frozen, ..plan }))
    }

    async fn view(&self, store: &dyn Store, source: &str, snapshot: &Snapshot) -> Result<View, SyncError> {
        let needs = Needs::of(snapshot, &self.index).with_claims(snapshot);
        let owners: HashMap<_, _> = store.owners(&needs.addresses).await?.into_iter().collect();
        let name_owners: HashMap<_, _> = store.name_owners(&needs.names).await?.into_iter().collect();
        let themselves: Vec<UserId> = self.user.into_iter().chain(self.former).collect();
        let mut wanted = themselves.clone();
        if self.index.is_empty() {
            wanted.extend(store.remembering(source, &needs.addresses).await?);
        }
        wanted.extend(owners.values().chain(name_owners.values()));
        let neighbours = neighbours::load(store, source, &self.neighbours, (snapshot, &self.index)).await?;
        wanted.extend(neighbours.users.iter().map(|(_, user)| *user));
        let Holdings { mut memberships, roles, grants } = store.holdings(&themselves).await?;
        let read: BTreeSet<&str> = snapshot.reading().groups.iter().map(|group| group.key.as_str()).collect();
        let mut groups = store.groups(source).await?;
        let theirs: BTreeSet<_> = memberships.iter().map(|one| one.group).collect();
        groups.retain(|group| read.contains(group.key.as_str()) || theirs.contains(&group.id));
        memberships.retain(|one| groups.iter().any(|group| group.id == one.group));
        let mut view = View {
            index: self.index.clone(),
            accounts: accounts(store, &wanted).await?,
            owners,
            name_owners,
            look_ups: self.look_ups.clone(),
            groups,
            memberships,
            two_people: store.two_people(source).await?,
            conflicts: store.open_conflicts(source).await?,
            skips: skips(store, source).await?,
            approval: Approval::everything_of(&themselves.into_iter().collect()),
            roles: roles.into_iter().collect(),
            grants,
            mapped: store.mapped(source).await?,
            one_person: true,
            vanished: &nobody::vanished(store, source).await? | &self.hidden,
            behind: self.behind,
            neighbours,
            ..View::default()
        };
        view.with_holdings();
        with_old_names(store, snapshot, &mut view).await?;
        Ok(view)
    }

    /// What a freeze that goes on withholds of this person (B5).
    async fn frozen(&self, scene: &Scene<'_>, now: Timestamp) -> Result<Option<Frozen>, SyncError> {
        let missing = self
            .snapshot
            .complete()
            .map_or(0, |complete| complete.missing(&self.index).filter(|known| known.state.access()).count() as u64);
        let due = self.index.iter().filter(|known| plan::is_due(known, now)).count() as u64;
        let mut frozen = scene.frozen(now, missing, due).await?;
        if let Some(frozen) = frozen.as_mut().filter(|frozen| frozen.missing > 0) {
            frozen.name([self.subject.label.clone()]);
        }
        Ok(frozen)
    }
}

fn label(one: &OnePerson, key: &UniqueId) -> String {
    one.person().map_or_else(|| key.to_string(), crate::roster::Person::label)
}

/// What looking somebody up found, in a few words.
fn says(found: &LookUp) -> String {
    match found {
        LookUp::Gone => plan::GONE.to_owned(),
        LookUp::Disabled { dn } => format!("disabled, at `{dn}`, outside bases or filter"),
        LookUp::MovedOut { dn } => format!("at `{dn}`, outside every configured base"),
        LookUp::FilteredOut { dn } => format!("at `{dn}`, but it does not match users.filter"),
        LookUp::InScope { dn } => format!("at `{dn}`, in scope, but the search did not show it; try again"),
        LookUp::Unjudged { says } => format!("looking it up gave no usable answer: {says}"),
    }
}

/// A hint at another entry that has the username or the address of somebody whose own one is gone: perhaps the same
/// person, deleted and re-added (I5).
fn namesake_of(namesakes: &[(String, Vec<Found>)]) -> Option<String> {
    let (text, Found { key, dn }) = namesakes.iter().find_map(|(text, found)| Some((text, found.first()?)))?;
    Some(format!(
        ", but `{dn}` is `{text}` now: if that is the same person, deleted and re-added, `rosterd sync --user {key}` or the \
         next run reads that entry"
    ))
}

/// Somebody of this source with the address and the name that a newcomer claims, whose entry is gone (I5).
async fn former(
    scene: &Scene<'_>,
    (connection, searches): (&mut Connection, &Searches),
    one: &OnePerson,
) -> Result<Option<Account>, SyncError> {
    let Some(person) = one.person() else { return Ok(None) };
    let claimed: Vec<_> = person.claims.iter().filter_map(|claim| Some(claim.value.as_ref().ok()?.key())).collect();
    let name = person.fields.first(FieldId::USERNAME).map(fold);
    let owners: Vec<UserId> = scene.store.owners(&claimed).await?.into_iter().map(|(_, user)| user).collect();
    let same = |account: &Account| {
        let called = account.fields.get(&FieldId::USERNAME).map(|name| fold(name));
        account.source == scene.config.source.name
            && account.origin == Origin::Directory
            && name.is_some()
            && called == name
    };
    let Some(account) = scene.store.accounts(&owners).await?.into_iter().find(same) else { return Ok(None) };
    let Some(key) = account.key.clone() else { return Ok(None) };
    let found = look_up(scene, (connection, searches), &key).await;
    Ok(Some(account).filter(|_| found == LookUp::Gone))
}

pub(super) async fn look_up(
    scene: &Scene<'_>,
    (connection, searches): (&mut Connection, &Searches),
    key: &UniqueId,
) -> LookUp {
    let mut found = directory::look_up(connection, searches, std::slice::from_ref(key), scene.clock.now()).await;
    found.pop().map_or_else(|| LookUp::Unjudged { says: "it was not looked up".to_owned() }, |(_, found)| found)
}

/// The groups to look at, whether they still name the person or not.
async fn circle(
    scene: &Scene<'_>,
    policy: &Policy,
    people: impl Iterator<Item = &Account>,
) -> Result<Circle, SyncError> {
    let (store, source) = (scene.store, scene.config.source.name.as_str());
    let people: Vec<UserId> = people.map(|account| account.id).collect();
    let theirs: BTreeSet<_> = store.holdings(&people).await?.memberships.into_iter().map(|one| one.group).collect();
    let groups = store.groups(source).await?;
    let default = policy.groups.one.as_ref().and_then(|one| one.default.clone());
    Ok(Circle {
        groups: groups.into_iter().filter(|group| theirs.contains(&group.id)).map(|group| group.key).collect(),
        default_group: default,
        mapped: known_groups(policy, &store.mapped(source).await?),
        flatten: policy.groups.flatten,
    })
}
