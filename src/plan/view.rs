//! What the store knows, as far as one plan needs it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::Timestamp;
use crate::plan::{Approval, BrakeKind, GroupId, KnownGroup, Neighbours, OpenConflict, Policy, StoredGrant, Via};
use crate::roster::address::fold;
use crate::roster::{
    Account, Address, AddressKey, Claim, Digest, FieldId, Incomplete, Index, Known, LookUp, Person, Skip, Snapshot,
    State, UniqueId, UserId,
};

/// Why entries are skipped that bear one unique id (I7).
pub(super) const DUPLICATE_ID: &str = "duplicate-id";

/// Why an entry is skipped as a whole; what is left out of an entry that is applied has other words (E5).
pub(super) const UNREADABLE: &str = "unreadable";

/// Why somebody is written down whom a complete run missed, and of whom looking up could not tell why (L2).
pub(super) const NOT_JUDGED: &str = "unjudged";

/// One directory group of this source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredGroup {
    /// Row.
    pub id: GroupId,
    /// The directory's unique id.
    pub key: UniqueId,
    /// DN.
    pub dn: String,
    /// Name.
    pub name: String,
    /// Active, pending or deleted.
    pub state: State,
    /// When deleted at the earliest.
    pub delete_after: Option<Timestamp>,
}

/// One membership that came from the directory, in order of group, then user.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StoredMembership {
    /// Which group.
    pub group: GroupId,
    /// Who is in it.
    pub user: UserId,
    /// Why.
    pub via: Via,
}

/// Whose access changed inside the brake's window (B1).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RecentDepartures {
    /// Who went, by the kind they were counted under; whoever is back counts too.
    pub departed: BTreeSet<(BrakeKind, UserId)>,
    /// Who had access when the window began and has none now.
    pub lost: BTreeSet<UserId>,
    /// Who had no access when the window began and has it now.
    pub gained: BTreeSet<UserId>,
    /// Whose role or grants changed; loaded only where roles or grants are mapped.
    pub rights: BTreeMap<UserId, RightsBefore>,
    /// Loaded only when somebody loses one.
    pub aliases: AliasWindow,
}

/// What is known of somebody's role and grants when the brake's window began (B1).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RightsBefore {
    /// The role, if it changed since.
    pub role: Option<Option<Box<str>>>,
    /// Privileges that came or went since, and whether the user had them.
    pub grants: BTreeMap<Box<str>, bool>,
}

/// Aliases inside the brake's window (B1).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AliasWindow {
    /// How many the people had who had access when the window began; when nobody had any, how many there are now.
    pub had: u64,
    /// Which of them were lost, and counted.
    pub lost: BTreeSet<(UserId, AddressKey)>,
}

/// Memberships inside the brake's window (B1).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MembershipWindow {
    /// How many the people had who had access when the window began, by group.
    pub had: BTreeMap<GroupId, u64>,
    /// How many people with access have now, by group: what counts where nobody had any.
    pub now: BTreeMap<GroupId, u64>,
    /// Which of them were lost, and counted.
    pub lost: BTreeSet<(GroupId, UserId)>,
}

/// The store's side of a plan: an index over everybody, and the accounts of those whom this plan touches.
#[derive(Clone, Default, Debug)]
pub struct View {
    /// Every directory user of the source.
    pub index: Index,
    /// The accounts that [`Needs`] asked for, and those of the owners.
    pub accounts: BTreeMap<UserId, Account>,
    /// Who holds the addresses that anybody claims now.
    pub owners: HashMap<AddressKey, UserId>,
    /// Who among the active and kept bears the usernames that anybody claims now, or falls back on (folded).
    pub name_owners: HashMap<String, UserId>,
    /// What looking the missing up found (L2).
    pub look_ups: HashMap<UserId, LookUp>,
    /// Directory groups of the source.
    pub groups: Vec<StoredGroup>,
    /// Memberships that came from the directory, sorted.
    pub memberships: Vec<StoredMembership>,
    /// Digest of the folded username, and who bears it; needed only when groups name members so (G3).
    pub usernames: Vec<(Digest, UserId)>,
    /// Pairs that a person called two people: the old user, and the newcomer's unique id (I5).
    pub two_people: BTreeSet<(UserId, UniqueId)>,
    /// Newcomers since the last run that could tell who is gone: nobody was asked whether they are somebody known (I5).
    pub unasked: BTreeSet<UserId>,
    /// Open conflicts but `pending-deletion`.
    pub conflicts: Vec<OpenConflict>,
    /// `roster_skipped` of the source.
    pub skips: Vec<Skip>,
    /// What happened inside the brake's window.
    pub recent: RecentDepartures,
    /// What a person approved for this run (B1).
    pub approval: Approval,
    /// Attributes that vanished from everybody, lower case (E2).
    pub vanished: BTreeSet<String>,
    /// The server knows less than the one of the last complete run: that somebody's entry is there and enabled may be what
    /// was so before (E7).
    pub behind: bool,
    /// Role of everybody who has one; needed only where roles are mapped (R1).
    pub roles: HashMap<UserId, Box<str>>,
    /// Grants that mapped groups gave, sorted (R2).
    pub grants: Vec<StoredGrant>,
    /// The groups that hold under the mapped DNs (R4).
    pub mapped: Vec<KnownGroup>,
    /// People whose re-link the last run held; nobody else is needed, and only a clean-up looks at them (I5).
    pub held_relinks: BTreeSet<UserId>,
    /// People whose domain's removal the last run held; needed only where people go with a domain (D2).
    pub held_domains: BTreeSet<UserId>,
    /// What the time is at least by other clocks, when the wall clock is not believed: then nobody is deleted by the date
    /// (L10).
    pub least_now: Option<Timestamp>,
    /// Only one person was read, and the index holds nobody else: what is written down about others stands (S4).
    pub one_person: bool,
    /// What is known of other sources of the same directory (I8).
    pub neighbours: Neighbours,
}

/// What has to be loaded before a plan can be made.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Needs {
    /// Users whose accounts are needed: they differ, or are missing.
    pub accounts: Vec<UserId>,
    /// Users to be looked up by unique id, because a complete read did not see them (L2).
    pub look_ups: Vec<UserId>,
    /// Primary addresses that newcomers claim, if there is any tombstone that may remember them (I5).
    pub remembered: Vec<AddressKey>,
    /// Addresses that somebody claims.
    pub addresses: Vec<AddressKey>,
    /// Folded usernames that somebody claims.
    pub names: Vec<String>,
    /// Whether a group names members by username.
    pub usernames: bool,
}

impl Needs {
    /// What a plan for this snapshot needs of the store, but for who holds what is claimed.
    pub fn of(snapshot: &Snapshot, index: &Index) -> Self {
        let reading = snapshot.reading();
        let mut needs = Self::default();
        let tombstones = index.iter().any(|known| known.state == State::Deleted);
        for person in &reading.people {
            let known = index.find(person.key.digest());
            needs.accounts.extend(known.map(|known| known.id));
            if known.is_none() && tombstones {
                needs.remembered.extend(person.claims.iter().filter_map(Claim::primary_key));
            }
        }
        let twice = reading.skips.iter().filter(|skip| skip.reason == DUPLICATE_ID);
        let twice = twice.filter_map(|skip| UniqueId::new(skip.unique_id.as_deref()?));
        needs.accounts.extend(twice.filter_map(|key| Some(index.find(key.digest())?.id)));
        if let Some(complete) = snapshot.complete() {
            for known in complete.missing(index) {
                needs.accounts.push(known.id);
                needs.look_ups.push(known.id);
            }
        }
        needs.usernames = reading.names_members_by_username();
        needs.accounts.sort_unstable();
        needs.accounts.dedup();
        needs
    }

    /// With everybody who remembers an address that somebody claims as primary, for those whose identity it is (I6).
    pub fn with_identities(mut self, snapshot: &Snapshot) -> Self {
        let claims = snapshot.reading().people.iter().flat_map(|person| &person.claims);
        self.remembered = claims.filter_map(Claim::primary_key).collect();
        self
    }

    /// With newcomers of earlier runs whom nobody was asked about, and those who remember their addresses (I5).
    pub fn with_unasked<'a>(mut self, newcomers: impl IntoIterator<Item = &'a Account>) -> Self {
        for account in newcomers {
            self.accounts.push(account.id);
            self.remembered.extend(account.primary().map(Address::key));
        }
        self.accounts.sort_unstable();
        self.accounts.dedup();
        self
    }

    /// Whether anybody is absent whom newcomers can be taken for (I5).
    pub fn anybody_absent(&self, index: &Index) -> bool {
        !self.look_ups.is_empty() || index.iter().any(|known| known.state == State::Deleted)
    }

    /// With the addresses and names that somebody claims; in a store with nobody in it nobody holds any.
    pub fn with_claims(mut self, snapshot: &Snapshot) -> Self {
        for person in &snapshot.reading().people {
            self.claims_of(person);
        }
        self
    }

    fn claims_of(&mut self, person: &Person) {
        self.addresses.extend(person.claims.iter().filter_map(|claim| claim.value.as_ref().ok()).map(|a| a.key()));
        self.names.extend(person.fields.first(FieldId::USERNAME).map(fold));
    }
}

/// The folded usernames that people who come back from pending had, where the directory gives them others now: they
/// fall back on these (L5).
pub fn old_names(snapshot: &Snapshot, index: &Index, accounts: &BTreeMap<UserId, Account>) -> Vec<String> {
    let old_name = |person: &Person| {
        let known = index.find(person.key.digest()).filter(|known| known.state == State::Pending)?;
        let old = fold(accounts.get(&known.id)?.fields.get(&FieldId::USERNAME)?);
        let new = person.fields.first(FieldId::USERNAME).map(fold)?;
        (old != new).then_some(old)
    };
    snapshot.reading().people.iter().filter_map(|person| old_name(person)).collect()
}

/// Whether an entry that was read lacks an alias that its user has, in a managed domain; only then the brake asks about
/// aliases.
pub fn may_lose_aliases(snapshot: &Snapshot, view: &View, policy: &Policy) -> bool {
    snapshot.complete().is_some()
        && snapshot.reading().people.iter().any(|person| {
            let known = view.index.find(person.key.digest());
            let aliases = known.and_then(|known| view.accounts.get(&known.id)).into_iter().flat_map(Account::aliases);
            let claims = |key: &AddressKey| {
                let values = person.claims.iter().filter_map(|claim| claim.value.as_ref().ok());
                values.filter(|one| policy.manages(one)).any(|one| one.key() == *key)
            };
            aliases.map(Address::key).any(|key| !claims(&key))
        })
}

impl View {
    /// The moment that the dates of those who are flagged now count from (L10).
    pub fn flagging(&self, now: Timestamp) -> Timestamp {
        self.least_now.map_or(now, |least| now.max(least))
    }
}

/// Whether somebody pending may be deleted by now (L6).
pub fn is_due(known: &Known, now: Timestamp) -> bool {
    known.state == State::Pending && known.delete_after.is_some_and(|due| due <= now)
}

/// Doubts a complete read when too many of the missing could not be judged: more than five, and more than 1 % of
/// this source's users (L2).
pub fn doubt(view_index: &Index, look_ups: &HashMap<UserId, LookUp>) -> Option<Incomplete> {
    let unjudged =
        look_ups.values().filter(|found| matches!(found, LookUp::InScope { .. } | LookUp::Unjudged { .. })).count();
    let users = view_index.iter().filter(|known| !known.state.tombstone()).count();
    (unjudged > 5 && unjudged * 100 > users).then(|| Incomplete {
        cause: "unjudged",
        says: format!(
            "{unjudged} of {users} people were not in the search result, but looking them up one by one found them \
             in scope or gave no usable answer; the server showed less than it has, run again"
        ),
        attribute: None,
    })
}
