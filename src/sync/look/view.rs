//! Of the store is loaded what the plan needs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Look, accounts};
use crate::clock::Timestamp;
use crate::plan::{self, BrakeKind, Needs, Policy, RecentDepartures, View};
use crate::roster::{Account, Digest, Dn, Index, Skip, Snapshot, UserId};
use crate::store::{RunId, Store, StoreError};
use crate::sync::due::held_before;
use crate::sync::{SyncError, neighbours};

impl Look {
    /// The store's side of a plan for what was read.
    pub(super) async fn view(
        self,
        store: &dyn Store,
        source: &str,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<View, SyncError> {
        let Self { index, memberships, policy, approval, look_ups, vanished, behind, .. } = self;
        let nobody = index.is_empty() && store.user_counts(None).await?.is_empty();
        let needs = needs(snapshot, &index, &policy, nobody);
        let (needs, unasked) = unasked(store, (source, self.basis.proven), (snapshot, &index, needs)).await?;
        let owners: HashMap<_, _> = store.owners(&needs.addresses).await?.into_iter().collect();
        let name_owners: HashMap<_, _> = store.name_owners(&needs.names).await?.into_iter().collect();
        let (mut wanted, by_name) = (needs.accounts, needs.usernames);
        // Nobody departs of whom there is nothing to be seen, unless groups give or take something.
        let departures = !wanted.is_empty() || !policy.rights.places.is_empty();
        if !needs.remembered.is_empty() {
            wanted.extend(store.remembering(source, &needs.remembered).await?);
        }
        drop((needs.addresses, needs.names, needs.remembered));
        wanted.extend(owners.values().chain(name_owners.values()));
        let neighbours = neighbours::load(store, source, &self.neighbours, (snapshot, &index)).await?;
        wanted.extend(neighbours.users.iter().map(|(_, user)| *user));
        let (since, recent) = match departures {
            true => window(store, source, &index, (now - policy.brake.window, now)).await?,
            false => (now, RecentDepartures::default()),
        };
        let mut view = View {
            accounts: BTreeMap::new(),
            owners,
            name_owners,
            look_ups,
            groups: store.groups(source).await?,
            memberships,
            usernames: if by_name { store.usernames(source).await? } else { Vec::new() },
            two_people: store.two_people(source).await?,
            unasked,
            conflicts: store.open_conflicts(source).await?,
            skips: skips(store, source).await?,
            recent,
            approval,
            vanished,
            behind,
            index,
            roles: match policy.rights.roles.is_empty() {
                true => HashMap::new(),
                false => store.roles(source).await?.into_iter().collect(),
            },
            grants: store.grants(source).await?,
            mapped: store.mapped(source).await?,
            least_now: None,
            held_relinks: BTreeSet::new(),
            held_domains: match departures && policy.managed.is_some() {
                true => held_before(store, source, BrakeKind::Domains).await?,
                false => BTreeSet::new(),
            },
            one_person: false,
            neighbours,
        };
        view.with_holdings();
        wanted.extend(plan::without_role(snapshot, &view, &policy));
        wanted.sort_unstable();
        wanted.dedup();
        view.accounts = accounts(store, &wanted).await?;
        if plan::may_lose_aliases(snapshot, &view, &policy) {
            view.recent.aliases = store.alias_window(source, since, &view.recent).await?;
        }
        if !policy.rights.places.is_empty() {
            view.recent.rights = store.recent_rights(source, since).await?;
        }
        with_old_names(store, snapshot, &mut view).await?;
        Ok(view)
    }
}

/// Newcomers since the last run that could tell who is gone, where anybody is (I5).
async fn unasked(
    store: &dyn Store,
    (source, proven): (&str, Option<i64>),
    (snapshot, index, needs): (&Snapshot, &Index, Needs),
) -> Result<(Needs, BTreeSet<UserId>), StoreError> {
    if !snapshot.reading().passes.users || !needs.anybody_absent(index) {
        return Ok((needs, BTreeSet::new()));
    }
    let unasked = store.added_since(source, proven.map(RunId)).await?;
    Ok((needs.with_unasked(&store.accounts(&unasked).await?), unasked.into_iter().collect()))
}

fn needs(snapshot: &Snapshot, index: &Index, policy: &Policy, nobody: bool) -> Needs {
    let needs = Needs::of(snapshot, index);
    let needs = if nobody { needs } else { needs.with_claims(snapshot) };
    if policy.by_address && !nobody { needs.with_identities(snapshot) } else { needs }
}

/// Where the brake's window begins, and what happened since. Nobody had access before the first sync, so then it begins
/// when the first run that ended well is over: whom later ones add is nothing that there was (B1).
pub(in crate::sync) async fn window(
    store: &dyn Store,
    source: &str,
    index: &Index,
    (since, now): (Timestamp, Timestamp),
) -> Result<(Timestamp, RecentDepartures), StoreError> {
    let recent = store.recent_departures(source, since).await?;
    if index.with_access() + recent.lost.len() > recent.gained.len() {
        return Ok((since, recent));
    }
    let Some(end) = store.first_end(source, since, now).await? else { return Ok((since, recent)) };
    let since = end + std::time::Duration::from_millis(1);
    Ok((since, store.recent_departures(source, since).await?))
}

/// Adds who bears the names that people who come back fall back on (L5).
pub(in crate::sync) async fn with_old_names(
    store: &dyn Store,
    snapshot: &Snapshot,
    view: &mut View,
) -> Result<(), SyncError> {
    let old_names = plan::old_names(snapshot, &view.index, &view.accounts);
    if !old_names.is_empty() {
        let bearers = store.name_owners(&old_names).await?;
        let more: Vec<UserId> = bearers.iter().map(|(_, user)| *user).collect();
        view.accounts.extend(accounts(store, &more).await?);
        view.name_owners.extend(bearers);
    }
    Ok(())
}

pub(in crate::sync) async fn skips(store: &dyn Store, source: &str) -> Result<Vec<Skip>, StoreError> {
    let rows = store.skip_rows(Some(source)).await?;
    let skip = |row: crate::store::rows::SkipRow| Skip {
        dn: row.dn,
        unique_id: row.unique_id,
        reason: row.reason.into(),
        rule: row.rule.into(),
        detail: row.detail,
    };
    Ok(rows.into_iter().map(skip).collect())
}

/// Says whose rows those are of entries that show no unique id and shield somebody by their DN (E5).
pub(super) async fn name_shielded(store: &dyn Store, index: &Index, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    let reading = snapshot.reading_mut();
    let nameless = |skip: &&mut Skip| skip.unique_id.is_none();
    let dns: HashSet<Digest> = reading.skips.iter_mut().filter(nameless).map(|skip| Dn::digest_of(&skip.dn)).collect();
    if dns.is_empty() {
        return Ok(());
    }
    let waiting =
        index.iter().enumerate().filter(|(at, known)| reading.waiting.contains(*at) && dns.contains(&known.dn));
    let waiting: Vec<UserId> = waiting.map(|(_, known)| known.id).collect();
    let accounts = store.accounts(&waiting).await?;
    let key = |account: &Account| Some((Dn::digest_of(account.dn.as_deref()?), account.key.as_ref()?.to_string()));
    let keys: HashMap<Digest, String> = accounts.iter().filter_map(key).collect();
    for skip in reading.skips.iter_mut().filter(nameless) {
        skip.unique_id = keys.get(&Dn::digest_of(&skip.dn)).cloned();
    }
    Ok(())
}
