//! A store of plain maps that applies plans, and checks after every unit what must always hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::plan::one::known;
use crate::plan::*;
use crate::roster::address::fold;
use crate::roster::*;

#[derive(Clone, Default, Debug)]
pub struct Model {
    pub accounts: BTreeMap<UserId, Account>,
    pub groups: BTreeMap<GroupId, StoredGroup>,
    pub memberships: BTreeMap<(GroupId, UserId), Via>,
    pub conflicts: BTreeMap<ConflictId, Conflict>,
    pub skips: Vec<Skip>,
    pub roles: BTreeMap<UserId, Box<str>>,
    pub grants: BTreeMap<(UserId, Box<str>), Grant>,
    pub mapped: BTreeMap<String, KnownGroup>,
    /// Allow and deny entries.
    pub rules: BTreeMap<UserId, Vec<Rule>>,
    /// Whom runs added since the last one that could tell who is gone.
    pub unasked: BTreeSet<UserId>,
    /// Whose domain's removal the last run held (D2).
    pub held_domains: BTreeSet<UserId>,
    /// Every id ever given, so that none is given twice.
    next: i64,
}

impl Model {
    /// Writes down what a complete run held.
    pub fn note_held(&mut self, plan: &Plan) {
        let domains = plan.held.iter().filter(|held| held.kind == BrakeKind::Domains);
        self.held_domains = domains.map(|held| held.user).collect();
    }

    fn fresh(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    pub fn index(&self) -> Index {
        let ours = self.accounts.values().filter(|account| account.source == "corp");
        Index::new(ours.filter_map(known).collect())
    }

    /// Who bears which name, of those who are not deleted.
    pub fn usernames(&self) -> Vec<(Digest, UserId)> {
        let living = self.accounts.values().filter(|one| !one.state.tombstone());
        living.filter_map(|one| Some((Digest::of(fold(one.fields.get(&FieldId::USERNAME)?)), one.id))).collect()
    }

    /// Applies a plan unit by unit; panics when a unit leaves two owners of one address or name.
    pub fn apply(&mut self, plan: &Plan, names: &FieldNames, at: Timestamp) {
        plan.mapped.acts.iter().for_each(|act| self.remember(act));
        let mut added = BTreeMap::new();
        for unit in plan.users.chunk_by(|a, b| a.unit == b.unit) {
            for change in unit {
                let id = self.apply_user(change, names, at);
                if let UserRef::New(key) = change.subject {
                    added.insert(key, id);
                }
            }
            self.check_owners();
        }
        for group in &plan.groups {
            self.apply_group(group, &added);
        }
        for conflict in &plan.opened {
            let id = ConflictId(self.fresh());
            self.conflicts.insert(id, owned(conflict, &added));
        }
        for conflict in &plan.reworded {
            let same = |open: &&mut Conflict| (open.kind, &open.subject) == (conflict.kind, &conflict.subject);
            *self.conflicts.values_mut().find(same).unwrap() = owned(conflict, &added);
        }
        self.conflicts.retain(|id, _| !plan.resolved.contains(id));
        self.skips = plan.skips.clone();
    }

    /// Applies what was done by hand, in one transaction.
    pub fn apply_by_hand(&mut self, changes: &[UserChange], at: Timestamp) {
        for change in changes {
            self.apply_user(change, &FieldNames::default(), at);
        }
        self.check_owners();
    }

    fn bury(&mut self, id: UserId, at: Timestamp) {
        let account = self.accounts.get_mut(&id).unwrap();
        bury(account, at);
        (account.reason, account.fingerprint) = (None, None);
        self.memberships.retain(|(_, user), _| *user != id);
        self.rules.remove(&id);
        self.grants.retain(|(user, _), _| *user != id);
        self.roles.remove(&id);
    }

    fn do_by_hand(&mut self, id: UserId, act: &HandAct, at: Timestamp) {
        let account = self.accounts.get_mut(&id).unwrap();
        match act {
            HandAct::Kept { from, back, .. } => {
                assert_eq!(account.state, *from);
                account.state = State::Kept;
                account.former = None;
                (account.reason, account.flagged_at, account.delete_after) = (None, None, None);
                let primary = back.address.clone();
                let stored = primary.map(|address| StoredAddress { address, kind: AddressKind::Primary });
                account.addresses.extend(stored);
                account.fields.extend(back.username.iter().map(|name| (FieldId::USERNAME, name.to_string())));
            }
            HandAct::Deleted { from, .. } => {
                assert_eq!(account.state, *from);
                self.bury(id, at);
            }
            HandAct::Erased => (account.key, account.dn) = (None, None),
            HandAct::Added(_) => unreachable!("done by the caller"),
            HandAct::RuleAdded(rule) => self.rules.entry(id).or_default().push(rule.clone()),
            HandAct::RuleRemoved(rule) => self.rules.entry(id).or_default().retain(|one| one != rule),
        }
    }

    fn apply_user(&mut self, change: &UserChange, names: &FieldNames, at: Timestamp) -> UserId {
        let id = match change.subject {
            UserRef::Known(id) => id,
            UserRef::New(_) => UserId(self.fresh()),
        };
        for act in &change.acts {
            match act {
                Act::Added(new) => {
                    assert!(self.accounts.insert(id, account(id, new, names)).is_none());
                    self.unasked.insert(id);
                    self.set_role(id, new.role.clone());
                }
                Act::ByHand(HandAct::Added(new)) => {
                    let primary = StoredAddress { address: new.primary.clone(), kind: AddressKind::Primary };
                    let nobody = self::account(id, &nobody(), names);
                    let fields = new.fields.iter().map(|(field, value)| (field, value.to_owned())).collect();
                    let (origin, addresses) = (new.origin, vec![primary]);
                    let made = Account { origin, addresses, fields, key: None, dn: None, ..nobody };
                    assert!(self.accounts.insert(id, made).is_none());
                }
                Act::Revived(new) => {
                    let before = &self.accounts[&id];
                    assert_eq!(before.state, State::Deleted);
                    assert!(before.key.as_ref().is_none_or(|key| *key == new.key));
                    self.accounts.insert(id, account(id, new, names));
                    self.set_role(id, new.role.clone());
                }
                Act::Rights(act) => self.apply_right(id, act),
                other => self.apply_act(id, other, at),
            }
        }
        if let Some(mark) = &change.mark {
            let account = self.accounts.get_mut(&id).unwrap();
            (account.fingerprint, account.review_at) = (mark.fingerprint, mark.review_at);
            account.reasons_seen.clone_from(&mark.reasons_seen);
            account.waits_since = mark.waits_since;
        }
        id
    }

    fn apply_act(&mut self, id: UserId, act: &Act, at: Timestamp) {
        let account = self.accounts.get_mut(&id).unwrap();
        match act {
            Act::Added(_) | Act::Revived(_) | Act::Rights(_) => unreachable!("done by the caller"),
            Act::Relinked { before, after, from } => {
                assert_eq!((account.key.as_ref(), account.state), (Some(before), *from));
                assert!(self.accounts.values().all(|other| other.key.as_ref() != Some(after)), "an id is of one user");
                self.accounts.get_mut(&id).unwrap().key = Some(after.clone());
            }
            Act::Updated(changes) => changes.iter().for_each(|change| update(account, change)),
            Act::Parted { key, from, .. } => {
                assert_eq!((account.key.take().as_ref(), account.state), (Some(key), *from));
                if *from != State::Deleted {
                    bury(account, at);
                    (account.state, account.reason) = (State::Dormant, None);
                    (account.flagged_at, account.delete_after) = (None, None);
                    self.memberships.retain(|(_, user), _| *user != id);
                }
                self.accounts.get_mut(&id).unwrap().former.as_mut().unwrap().key = Some(key.clone());
            }
            Act::Woken { key, dn } => {
                assert_eq!((account.key.as_ref(), account.state), (None, State::Dormant));
                (account.key, account.dn) = (Some(key.clone()), Some(dn.to_string()));
                (account.state, account.former) = (State::Active, None);
                assert_eq!(self.accounts.values().filter(|other| other.key.as_ref() == Some(key)).count(), 1);
            }
            Act::Crossed { key, source, dn, from, .. } => {
                assert_eq!((account.key.as_ref(), &*account.source, account.state), (Some(key), &*source.0, *from));
                (account.source, account.dn) = (source.1.to_string(), Some(dn.1.to_string()));
                self.memberships.retain(|(_, user), _| *user != id);
            }
            Act::Moved { before, after } => {
                assert_eq!(account.dn.as_deref().unwrap_or_default(), &**before);
                account.dn = Some(after.to_string());
            }
            Act::AliasAdded(address) => {
                account.addresses.push(StoredAddress { address: address.clone(), kind: AddressKind::Alias });
            }
            Act::AliasRemoved { address, .. } => {
                let before = account.addresses.len();
                account.addresses.retain(|one| one.kind != AddressKind::Alias || one.address.key() != address.key());
                assert_eq!(account.addresses.len() + 1, before, "{address} was an alias of {id:?}");
            }
            Act::Flagged { from, reason, flagged_at, delete_after, .. } => {
                assert_eq!(account.state, *from);
                account.state = State::Pending;
                account.reason = Some(*reason);
                (account.flagged_at, account.delete_after) = (Some(*flagged_at), *delete_after);
            }
            Act::Restored { from, .. } => {
                assert_eq!(account.state, *from);
                account.state = State::Active;
                (account.reason, account.flagged_at, account.delete_after) = (None, None, None);
            }
            Act::Removed { from, .. } => {
                assert_eq!(account.state, *from);
                self.bury(id, at);
            }
            Act::Deleted { .. } => {
                assert_eq!(account.state, State::Pending, "nobody is deleted who was not flagged");
                assert!(account.delete_after.is_some_and(|due| due <= at), "nobody is deleted before the date");
                self.bury(id, at);
            }
            Act::ByHand(act) => self.do_by_hand(id, act, at),
            Act::Linked { key, dn, from, to } => {
                assert_eq!((account.origin, &account.key), (*from, &None));
                account.origin = *to;
                (account.key, account.dn) = (Some(key.clone()), Some(dn.to_string()));
            }
        }
    }

    pub fn set_role(&mut self, id: UserId, role: Option<Box<str>>) {
        match role {
            Some(role) => _ = self.roles.insert(id, role),
            None => _ = self.roles.remove(&id),
        }
    }

    fn apply_right(&mut self, id: UserId, act: &RightsAct) {
        assert!(self.accounts[&id].state.access(), "L4: nothing is given to or taken from people without access");
        match act {
            RightsAct::Role { before, after, .. } => {
                assert_eq!(self.roles.get(&id), before.as_ref());
                self.set_role(id, after.clone());
            }
            RightsAct::Granted(grant) => {
                assert_eq!(self.grants.insert((id, grant.privilege.clone()), (**grant).clone()), None);
            }
            RightsAct::Revoked { grant, .. } => {
                assert_eq!(self.grants.remove(&(id, grant.privilege.clone())).as_ref(), Some(&**grant));
            }
            RightsAct::GivenByHand(_) | RightsAct::TakenByHand(_) => unreachable!("a run does not"),
            RightsAct::Shown { before, after } => {
                let was = self.grants.insert((id, after.privilege.clone()), (**after).clone());
                assert_eq!(was.as_ref(), Some(&**before));
            }
        }
    }

    fn remember(&mut self, act: &MappedAct) {
        match act {
            MappedAct::Remember { dn, key } => {
                let one = KnownGroup { dn: dn.clone(), key: key.clone(), settled: false };
                self.mapped.insert(dn.clone(), one);
            }
            MappedAct::Settle { dn } => self.mapped.get_mut(dn).unwrap().settled = true,
            MappedAct::Return { dn } => self.mapped.get_mut(dn).unwrap().settled = false,
            MappedAct::Forget { dn } => _ = self.mapped.remove(dn).unwrap(),
        }
    }

    fn apply_group(&mut self, change: &GroupChange, added: &BTreeMap<Digest, UserId>) {
        let id = match change.subject {
            GroupRef::Known(id) => id,
            GroupRef::New(_) => GroupId(self.fresh()),
        };
        for act in &change.acts {
            if let GroupAct::Added { key, dn, name } = act {
                let (key, dn, name) = (key.clone(), dn.to_string(), name.to_string());
                self.groups.insert(id, StoredGroup { id, key, dn, name, state: State::Active, delete_after: None });
                continue;
            }
            let group = self.groups.get_mut(&id).unwrap();
            match act {
                GroupAct::Updated { name, dn } => (group.name, group.dn) = (name.1.to_string(), dn.1.to_string()),
                GroupAct::Flagged { delete_after, .. } => {
                    (group.state, group.delete_after) = (State::Pending, *delete_after);
                }
                GroupAct::Restored { .. } => (group.state, group.delete_after) = (State::Active, None),
                GroupAct::Deleted | GroupAct::Dropped { .. } => {
                    (group.state, group.delete_after) = (State::Deleted, None)
                }
                GroupAct::Added { .. } | GroupAct::Made { .. } | GroupAct::Unmade => unreachable!("not by a run"),
            }
        }
        for (user, via) in &change.joins {
            let user = match user {
                UserRef::Known(user) => *user,
                UserRef::New(key) => added[key],
            };
            assert_eq!(self.memberships.insert((id, user), *via), None, "joins once");
        }
        for (user, via) in &change.leaves {
            assert_eq!(self.memberships.remove(&(id, *user)), Some(*via), "leaves what it was in");
        }
        for (user, before, after) in &change.changed {
            assert_eq!(self.memberships.insert((id, *user), *after), Some(*before), "stays where it was");
        }
        if self.groups[&id].state == State::Deleted {
            assert!(self.memberships.keys().all(|(group, _)| *group != id), "nobody is in a group that is gone");
        }
    }

    /// A3, U7
    pub fn check_owners(&self) {
        let mut addresses = BTreeMap::new();
        let mut names = BTreeMap::new();
        for account in self.accounts.values() {
            let primaries = account.addresses.iter().filter(|one| one.kind == AddressKind::Primary).count();
            assert!(primaries <= 1, "{account:?}");
            for one in &account.addresses {
                let other = addresses.insert(one.address.key(), account.id);
                assert_eq!(other, None, "{} has two owners: {self:#?}", one.address);
            }
            if let Some(name) = account.fields.get(&FieldId::USERNAME).filter(|_| account.state.access()) {
                assert_eq!(names.insert(fold(name), account.id), None, "two people are called {name}: {self:#?}");
            }
        }
    }
}

fn update(account: &mut Account, change: &FieldChange) {
    match change.field {
        Some(field) => {
            assert_eq!(account.fields.get(&field).map(String::as_str), change.before.as_deref());
            account.fields.remove(&field);
            account.fields.extend(change.after.as_ref().map(|value| (field, value.to_string())));
        }
        None => {
            assert_eq!(account.primary().map(Address::as_str), change.before.as_deref());
            account.addresses.retain(|one| one.kind != AddressKind::Primary);
            let primary = change.after.as_deref().and_then(Address::parse);
            let primary = primary.map(|address| StoredAddress { address, kind: AddressKind::Primary });
            account.addresses.splice(0..0, primary);
        }
    }
}

fn nobody() -> NewUser {
    let key = UniqueId::new("nobody").unwrap();
    NewUser { key, dn: "".into(), fields: Fields::default(), primary: None, aliases: Box::default(), role: None }
}

fn account(id: UserId, new: &NewUser, _: &FieldNames) -> Account {
    let primary = new.primary.iter().map(|address| (address, AddressKind::Primary));
    let aliases = new.aliases.iter().map(|address| (address, AddressKind::Alias));
    let stored = |(address, kind): (&Address, AddressKind)| StoredAddress { address: address.clone(), kind };
    Account {
        id,
        uuid: uuid::Uuid::from_u128(u128::try_from(id.0).unwrap()),
        source: "corp".into(),
        origin: Origin::Directory,
        key: Some(new.key.clone()),
        dn: Some(new.dn.to_string()),
        fields: new.fields.iter().map(|(field, value)| (field, value.to_owned())).collect(),
        extra: BTreeMap::new(),
        addresses: primary.chain(aliases).map(stored).collect(),
        state: State::Active,
        reason: None,
        reasons_seen: Vec::new(),
        flagged_at: None,
        delete_after: None,
        waits_since: None,
        fingerprint: None,
        review_at: None,
        former: None,
    }
}

/// A tombstone keeps what it is recognised by (L6).
pub fn bury(account: &mut Account, at: Timestamp) {
    let former = Former {
        address: account.primary().map(Address::key),
        username: account.fields.get(&FieldId::USERNAME).map(|name| fold(name)),
        key: None,
        since: at,
    };
    account.state = State::Deleted;
    account.former = Some(Box::new(former));
    account.addresses.clear();
    account.fields.clear();
    account.dn = None;
}

/// A conflict with its owner's row.
fn owned(conflict: &Conflict, added: &BTreeMap<Digest, UserId>) -> Conflict {
    let owner = conflict.owner.map(|owner| match owner {
        UserRef::New(key) => UserRef::Known(added[&key]),
        known @ UserRef::Known(_) => known,
    });
    Conflict { owner, ..conflict.clone() }
}
