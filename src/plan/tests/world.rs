//! A directory of plain entries beside the model store, and one run between them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::model::Model;
use super::tell::tell;
use crate::clock::Timestamp;
use crate::plan::policy::Place;
use crate::plan::*;
use crate::roster::address::fold;
use crate::roster::*;

/// One person in the directory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    pub dn: String,
    pub uid: Option<String>,
    pub mail: Vec<String>,
    pub aliases: Vec<String>,
    pub notes: Vec<String>,
    pub enabled: bool,
    /// A disabled test cannot be judged.
    pub doubtful: bool,
    /// Under a configured base.
    pub in_base: bool,
    /// Matches the filter.
    pub in_filter: bool,
    /// Can be understood.
    pub readable: bool,
    /// Another entry bears the same unique id.
    pub twin: bool,
}

/// What the last run said.
#[derive(Clone, Debug)]
pub struct Said {
    pub plan: Plan,
    /// It could tell who is gone.
    pub proven: bool,
    pub text: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct World {
    pub now: Timestamp,
    pub policy: Policy,
    pub people: BTreeMap<String, Entry>,
    /// Groups by id: name, DNs of members.
    pub groups: BTreeMap<String, (String, Vec<String>)>,
    /// Groups of which a part of the members is read only, and groups that cannot be understood; by id.
    pub cut_off: BTreeSet<String>,
    pub garbled: BTreeSet<String>,
    pub store: Model,
    pub passes: Passes,
    pub recent: RecentDepartures,
    /// Where the brake's window begins, if not one window ago.
    pub since: Option<Timestamp>,
    pub memberships: MembershipWindow,
    /// The wall clock is not believed; what the others say.
    pub least_now: Option<Timestamp>,
    pub approval: Approval,
    /// What else a person approved.
    pub two_people: BTreeSet<(UserId, UniqueId)>,
    pub vanished: BTreeSet<String>,
    /// The server knows less than before (E7).
    pub behind: bool,
    /// Other sources of the same directory.
    pub neighbours: Neighbours,
    /// Why the next reads are not complete.
    pub broken: Option<&'static str>,
    /// Entries that the next search leaves out although they are in scope.
    pub hidden: BTreeSet<String>,
    /// People whose look-up gives no usable answer.
    pub unjudged: BTreeSet<String>,
    /// What is remembered of the last complete run (E2).
    pub before: Before,
    /// Memberships that entries of people name: DN of the group, and who.
    pub member_of: BTreeSet<(String, String)>,
    /// Primary groups of people, by id; `None` where the entry does not tell.
    pub primary: BTreeMap<String, Option<String>>,
}

/// The primary group of nearly everybody.
pub const USUAL: &str = "usual";

pub const DAY: Duration = Duration::from_secs(86_400);

impl World {
    pub fn new(managed: &[&str]) -> Self {
        Self {
            now: Timestamp::parse("2026-03-02T08:00:00Z").unwrap(),
            policy: super::policy(managed),
            people: BTreeMap::new(),
            groups: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            garbled: BTreeSet::new(),
            store: Model::default(),
            passes: Passes { users: true, groups: true },
            recent: RecentDepartures::default(),
            since: None,
            memberships: MembershipWindow::default(),
            least_now: None,
            approval: Approval::default(),
            two_people: BTreeSet::new(),
            vanished: BTreeSet::new(),
            behind: false,
            neighbours: Neighbours::default(),
            broken: None,
            hidden: BTreeSet::new(),
            unjudged: BTreeSet::new(),
            before: Before::default(),
            member_of: BTreeSet::new(),
            primary: BTreeMap::new(),
        }
    }

    /// Adds a person whose unique id is the name, with `name@ours.example` as mail.
    pub fn hire(&mut self, name: &str) -> &mut Entry {
        let entry = Entry {
            dn: format!("uid={name},ou=people,dc=example"),
            uid: Some(name.to_owned()),
            mail: vec![format!("{name}@ours.example")],
            aliases: Vec::new(),
            notes: Vec::new(),
            enabled: true,
            doubtful: false,
            in_base: true,
            in_filter: true,
            readable: true,
            twin: false,
        };
        self.people.insert(name.to_owned(), entry);
        self.entry(name)
    }

    pub fn entry(&mut self, name: &str) -> &mut Entry {
        self.people.get_mut(name).unwrap()
    }

    pub fn with(people: &[&str]) -> Self {
        let mut world = Self::new(&[]);
        for name in people {
            world.hire(name);
        }
        world.run();
        world
    }

    pub fn account(&self, name: &str) -> &Account {
        self.store.accounts.values().find(|one| one.key.as_ref().is_some_and(|key| key.as_str() == name)).unwrap()
    }

    pub fn state(&self, name: &str) -> State {
        self.account(name).state
    }

    /// One complete or broken run: plans, applies, and says what it did, a line each.
    pub fn run(&mut self) -> Vec<String> {
        let said = self.look();
        self.store.apply(&said.plan, &self.policy.names, self.now);
        if said.proven {
            self.store.unasked.clear();
            self.store.note_held(&said.plan);
        }
        said.text
    }

    pub fn later(&mut self, by: Duration) -> &mut Self {
        self.now = self.now + by;
        self
    }

    /// What a run would do.
    pub fn look(&self) -> Said {
        let index = self.store.index();
        let reading = self.read(&index);
        let ended =
            self.broken.map_or(Ok(()), |cause| Err(Incomplete { cause, says: cause.to_owned(), attribute: None }));
        let vanished: BTreeSet<String> = self.before.vanished(&reading).map(|(name, _)| name.to_owned()).collect();
        let mut snapshot = Snapshot::judge(reading, ended, &self.before);
        let needs = Needs::of(&snapshot, &index);
        let look_ups: HashMap<UserId, LookUp> = needs.look_ups.iter().map(|id| (*id, self.look_up(*id))).collect();
        if let Some(why) = doubt(&index, &look_ups) {
            snapshot = snapshot.doubted(why);
        }
        let proven = snapshot.complete().is_some() && self.passes.users;
        let mut view = self.view(index, &snapshot, look_ups);
        view.vanished.extend(vanished);
        // As a run does, which reads no more of the store than it needs.
        if !may_lose_aliases(&snapshot, &view, &self.policy) {
            view.recent.aliases = AliasWindow::default();
        }
        for id in without_role(&snapshot, &view, &self.policy) {
            view.accounts.insert(id, self.store.accounts[&id].clone());
        }
        let mut plan = plan(snapshot, &view, &self.policy, self.now);
        if plan.loses_memberships() {
            plan.hold_memberships(&self.membership_window(), &self.policy);
        }
        plan.label(&self.store.accounts);
        let text = tell(&plan, &self.policy.names);
        Said { plan, proven, text }
    }

    /// The deletions that are due: after looking each person up, or by the date alone (L9, S1).
    pub fn cleanup(&self, by_date: bool) -> Plan {
        let index = self.store.index();
        let due: Vec<UserId> = index.iter().filter(|known| is_due(known, self.now)).map(|known| known.id).collect();
        let view = View {
            accounts: due.iter().map(|id| (*id, self.store.accounts[id].clone())).collect(),
            look_ups: due.iter().map(|id| (*id, self.look_up(*id))).collect(),
            groups: self.store.groups.values().cloned().collect(),
            skips: self.store.skips.clone(),
            least_now: self.least_now,
            index,
            ..View::default()
        };
        cleanup(&view, self.now, by_date)
    }

    pub fn read(&self, index: &Index) -> Reading {
        let mut reading = Reading { passes: self.passes, ..Reading::default() };
        let visible = |name: &str, entry: &Entry| entry.in_base && entry.in_filter && !self.hidden.contains(name);
        for (name, entry) in self.people.iter().filter(|(name, entry)| self.passes.users && visible(name, entry)) {
            let mut person = person(name, entry);
            // Other domains make everybody be looked at again.
            let policy = (&self.policy.managed, self.policy.address_required);
            person.fingerprint = Digest::of(format!("{:?} {policy:?}", person.fingerprint));
            let (mail, uid) = (!entry.mail.is_empty(), entry.uid.is_some());
            let has = [("", true), ("mail", mail), ("uid", uid), ("locked", !entry.enabled)];
            for (name, has) in has {
                *reading.coverage.entry(name.to_owned()).or_default() += u64::from(has);
            }
            if !entry.readable {
                reading.skips.push(skipped(name, &entry.dn, ("unreadable", "E5")));
            }
            if entry.twin {
                reading.skips.extend(
                    [&entry.dn, &format!("cn=twin,{}", entry.dn)].map(|dn| skipped(name, dn, ("duplicate-id", "I7"))),
                );
            }
            match self.primary.get(name) {
                Some(Some(group)) => reading.primary.push((Digest::of(group), person.key.digest())),
                Some(None) => _ = reading.primary_unknown.insert(person.key.digest()),
                None => {}
            }
            let position = index.position(person.key.digest());
            let same = position
                .and_then(|at| index.get(at))
                .is_some_and(|known| known.state == State::Active && known.fingerprint == Some(person.fingerprint));
            match position {
                Some(at) if !entry.readable || entry.twin => reading.waiting.insert(at),
                Some(at) if same => reading.unchanged.insert(at),
                _ if entry.readable && !entry.twin => reading.people.push(Box::new(person)),
                _ => {}
            }
        }
        // A run that reads no users asks for those with another primary group than the usual one.
        for (name, group) in self.primary.iter().filter(|_| !self.passes.users) {
            let entry = self.people.get(name).filter(|entry| visible(name, entry));
            if let Some(group) = group.as_ref().filter(|group| entry.is_some() && *group != USUAL) {
                reading.primary.push((Digest::of(group), Digest::of(name)));
            }
        }
        let named = |(group, who): &(String, String)| (Dn::digest_of(group), Digest::of(who));
        reading.member_of = self.member_of.iter().map(named).collect();
        let nested = self.passes.users && self.policy.groups.flatten && !self.policy.rights.places.is_empty();
        if self.passes.groups || nested {
            let all = || self.groups.iter().map(|(id, group)| directory_group(id, group, !self.cut_off.contains(id)));
            let garbled = |group: &Group| self.garbled.contains(group.key.as_str());
            reading.groups = all().filter(|group| !garbled(group)).collect();
            let digests = |group: Group| [group.key.digest(), Dn::digest_of(&group.dn)];
            reading.waiting_groups = all().filter(garbled).flat_map(digests).collect();
        }
        if self.passes.users {
            reading.mapped = self.policy.rights.places.iter().map(|place| self.sought(place)).collect();
        }
        reading.entries = (reading.people.len() + reading.unchanged.len() + reading.groups.len()) as u64;
        reading
    }

    /// Mapped groups stand among the others; their age is the order of their unique ids.
    pub fn sought(&self, place: &Place) -> Sought {
        let giver = |(id, group): (&String, &(String, Vec<String>))| {
            let group = directory_group(id, group, !self.cut_off.contains(id));
            Giver { key: group.key, dn: group.dn, created: None, members: group.members, whole: group.whole }
        };
        let Place::Dn(dn) = place else { panic!("the world has no filters") };
        let there: Vec<Giver> = self.groups.iter().map(giver).filter(|giver| *giver.dn == **dn).collect();
        let known = self.store.mapped.get(dn).map(|known| &known.key);
        let known = known.filter(|known| there.iter().all(|giver| giver.key != **known));
        let elsewhere = self.groups.iter().map(giver).find(|giver| Some(&giver.key) == known);
        let garbled = |giver: &Giver| self.garbled.contains(giver.key.as_str());
        let read = !there.iter().chain(&elsewhere).any(garbled);
        let keep = |giver: &Giver| !garbled(giver);
        Sought { read, there: there.into_iter().filter(keep).collect(), elsewhere: elsewhere.filter(keep) }
    }

    pub fn look_up(&self, id: UserId) -> LookUp {
        let name = self.store.accounts[&id].key.as_ref().unwrap().as_str().to_owned();
        match self.people.get(&name) {
            _ if self.unjudged.contains(&name) => LookUp::Unjudged { says: "the server is busy".into() },
            None => LookUp::Gone,
            Some(entry) => {
                let dn = entry.dn.clone();
                match (entry.enabled, entry.in_base, entry.in_filter) {
                    (false, ..) => LookUp::Disabled { dn },
                    (true, false, _) => LookUp::MovedOut { dn },
                    (true, true, false) => LookUp::FilteredOut { dn },
                    (true, true, true) => LookUp::InScope { dn },
                }
            }
        }
    }

    pub fn view(&self, index: Index, snapshot: &Snapshot, look_ups: HashMap<UserId, LookUp>) -> View {
        let needs = Needs::of(snapshot, &index).with_claims(snapshot);
        let needs = if self.policy.by_address { needs.with_identities(snapshot) } else { needs };
        let unasked: Vec<_> = self.store.unasked.iter().map(|id| &self.store.accounts[id]).collect();
        let needs = needs.with_unasked(unasked);
        let holds = |account: &Account| account.addresses.iter().map(|one| one.address.key()).collect::<Vec<_>>();
        let everybody = || self.store.accounts.values();
        let owner =
            |key: &AddressKey| everybody().find(|one| holds(one).contains(key)).map(|one| (key.clone(), one.id));
        let bears = |name: &String| {
            let bearer = |one: &&Account| {
                one.state.access() && one.fields.get(&FieldId::USERNAME).is_some_and(|uid| fold(uid) == *name)
            };
            everybody().find(bearer).map(|one| (name.clone(), one.id))
        };
        let owners: HashMap<_, _> = needs.addresses.iter().filter_map(owner).collect();
        let old_names = old_names(snapshot, &index, &self.store.accounts);
        let name_owners: HashMap<_, _> = needs.names.iter().chain(&old_names).filter_map(bears).collect();
        let remembers = |account: &&Account| {
            let address = account.former.as_ref().and_then(|former| former.address.as_ref());
            address.is_some_and(|address| needs.remembered.contains(address))
        };
        let tombstones = everybody().filter(remembers).map(|account| &account.id);
        let wanted: BTreeSet<UserId> = needs
            .accounts
            .iter()
            .chain(tombstones)
            .chain(owners.values())
            .chain(name_owners.values())
            .chain(self.neighbours.users.iter().map(|(_, user)| user))
            .copied()
            .collect();
        let conflicts = self.store.conflicts.iter();
        let conflicts = conflicts.map(|(id, one)| OpenConflict { id: *id, conflict: one.clone() });
        let memberships = self.store.memberships.iter();
        let memberships =
            memberships.map(|((group, user), via)| StoredMembership { group: *group, user: *user, via: *via });
        View {
            index,
            accounts: self.accounts(&wanted),
            owners,
            name_owners,
            look_ups,
            groups: self.store.groups.values().cloned().collect(),
            memberships: memberships.collect(),
            usernames: if needs.usernames { self.store.usernames() } else { Vec::new() },
            conflicts: conflicts.collect(),
            skips: self.store.skips.clone(),
            recent: self.recent(),
            approval: self.approval.clone(),
            two_people: self.two_people.clone(),
            unasked: self.store.unasked.clone(),
            held_domains: self.store.held_domains.clone(),
            vanished: self.vanished.clone(),
            behind: self.behind,
            roles: self.store.roles.iter().map(|(user, role)| (*user, role.clone())).collect(),
            grants: self
                .store
                .grants
                .iter()
                .map(|((user, _), grant)| StoredGrant { user: *user, grant: grant.clone() })
                .collect(),
            mapped: self.store.mapped.values().cloned().collect(),
            least_now: self.least_now,
            neighbours: self.neighbours.clone(),
            ..View::default()
        }
    }

    fn accounts(&self, wanted: &BTreeSet<UserId>) -> BTreeMap<UserId, Account> {
        let wanted = self.store.accounts.iter().filter(|(id, _)| wanted.contains(id));
        wanted.map(|(id, account)| (*id, account.clone())).collect()
    }

    /// What is not given otherwise: everything was there before the window.
    fn recent(&self) -> RecentDepartures {
        let mut recent = self.recent.clone();
        if recent.aliases.had == 0 {
            let access = self.store.accounts.values().filter(|account| account.state.access());
            recent.aliases.had = (access.flat_map(Account::aliases).count() + recent.aliases.lost.len()) as u64;
        }
        recent
    }

    fn membership_window(&self) -> MembershipWindow {
        let mut window = self.memberships.clone();
        if window.now.is_empty() {
            for (group, user) in self.store.memberships.keys() {
                *window.now.entry(*group).or_default() += u64::from(self.store.accounts[user].state.access());
            }
        }
        window
    }

    /// Unique ids of those who are in a group.
    pub fn members(&self, group: &str) -> Vec<String> {
        self.memberships(group).into_iter().map(|(user, _)| user).collect()
    }

    /// The same, with the reason.
    pub fn memberships(&self, group: &str) -> Vec<(String, Via)> {
        let id = self.store.groups.values().find(|one| one.key.as_str() == group).unwrap().id;
        let users = self.store.memberships.iter().filter(|((of, _), _)| *of == id);
        let name = |user: &UserId| self.store.accounts[user].key.as_ref().unwrap().to_string();
        users.map(|((_, user), via)| (name(user), *via)).collect()
    }
}

/// What the reader of the directory says of an entry that is not applied.
fn skipped(name: &str, dn: &str, (reason, rule): (&'static str, &'static str)) -> Skip {
    let unique_id = Some(name.to_owned());
    Skip { dn: dn.to_owned(), unique_id, reason: reason.into(), rule: rule.into(), detail: String::new() }
}

pub fn person(name: &str, entry: &Entry) -> Person {
    let primary = entry.mail.iter().map(|text| (ClaimKind::Primary(0), text));
    let aliases = entry.aliases.iter().map(|text| (ClaimKind::Alias, text));
    let claim = |(kind, text): (ClaimKind, &String)| Claim {
        kind,
        value: Address::parse(text).ok_or_else(|| text.as_str().into()),
    };
    let mut claims: Vec<Claim> = primary.chain(aliases).map(claim).collect();
    claims.sort_by_key(|claim| (claim.kind, claim.value.as_ref().map(Address::key).map_err(Clone::clone)));
    claims.dedup();
    let mut sorted = entry.clone();
    sorted.mail.sort();
    sorted.aliases.sort();
    sorted.notes.sort();
    let uid = entry.uid.iter().map(|uid| (FieldId::USERNAME, uid.as_str()));
    let notes = entry.notes.iter().map(|note| (FieldId::NOTES, note.as_str()));
    Person {
        key: UniqueId::new(name).unwrap(),
        dn: entry.dn.as_str().into(),
        fingerprint: Digest::of(format!("{sorted:?}")),
        fields: Fields::new(uid.chain(notes)),
        claims: claims.into_boxed_slice(),
        enabled: match (entry.enabled, entry.doubtful) {
            (false, _) => Enabled::No("`locked` is `yes`".into()),
            (true, true) => Enabled::Unknown("`locked` is `odd`".into()),
            (true, false) => Enabled::Yes,
        },
        review_at: None,
    }
}

/// A member by DN, or, as `name:ada`, by username.
fn member(text: &str) -> MemberRef {
    match text.strip_prefix("name:") {
        Some(name) => MemberRef::Username(Digest::of(fold(name))),
        None => MemberRef::Dn(Dn::digest_of(text)),
    }
}

fn directory_group(id: &str, (name, members): &(String, Vec<String>), whole: bool) -> Group {
    let mut members: Vec<MemberRef> = members.iter().map(|text| member(text)).collect();
    // What a group's SID is does not matter.
    members.push(MemberRef::Primary(Digest::of(id)));
    members.sort_unstable();
    members.dedup();
    Group {
        key: UniqueId::new(id).unwrap(),
        dn: format!("cn={name},ou=groups,dc=example").into(),
        name: name.as_str().into(),
        members: members.into_boxed_slice(),
        whole,
    }
}
