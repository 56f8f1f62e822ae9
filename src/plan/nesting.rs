//! Groups as they were read, with their members looked up, through groups in groups if so configured (G1, G3, G4).

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::plan::members::Members;
use crate::plan::{GroupId, StoredGroup, UserRef, View};
use crate::roster::account::written;
use crate::roster::{Digest, Dn, Group, MemberRef, Reading};

/// Why somebody is in a group, in the words of `roster_memberships`; the first counts where several are true (G4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Via {
    /// The group names the user, or the user the group; or it is the default group (G5).
    Direct,
    /// It is the user's primary group, as Active Directory has them.
    Primary,
    /// Through another group.
    Nested,
    /// A person put the user into a local group (G9).
    Local,
}

written!(Via { Direct = "direct", Nested = "nested", Primary = "primary", Local = "local" });

/// One group that was read, with the people it names itself.
pub(super) struct Team {
    /// The entry; its members moved to the fields below.
    pub group: Group,
    /// People with access whom the entry names, or who name it.
    people: Vec<UserRef>,
    /// People with access whose primary group it is.
    primary: Vec<UserRef>,
    /// Groups in it, by position; empty unless memberships are flattened.
    inside: Vec<usize>,
    /// Members that are neither.
    strangers: u64,
    /// Whether all that the entry says was read.
    whole: bool,
    /// Whether a group in it was read, but not understood.
    unread: bool,
}

/// All groups that were read.
pub(super) struct Teams(Vec<Team>);

/// What walking through groups in groups needs; one serves many walks.
pub(super) struct Walk {
    round: usize,
    seen: Vec<usize>,
    reached: Vec<usize>,
}

impl Team {
    /// Whether everything that its entry says was read.
    pub fn was_read_whole(&self) -> bool {
        self.whole
    }
}

impl Teams {
    /// Looks the members up; they are taken out of the reading.
    pub fn new(reading: &mut Reading, members: &Members<'_>, view: &View, flatten: bool) -> Self {
        let groups = std::mem::take(&mut reading.groups);
        let places = groups.iter().enumerate().filter(|_| flatten).map(|(at, group)| (Dn::digest_of(&group.dn), at));
        let places: HashMap<Digest, usize> = places.collect();
        let named_by_users = named_by_users(reading, members);
        let untold = untold(reading, members, view);
        let waiting = if flatten { waiting_places(reading, view) } else { HashSet::new() };
        let waits = |member: MemberRef| matches!(member, MemberRef::Dn(dn) if waiting.contains(&dn));
        let team = |mut group: Group| {
            let (mut people, mut inside, mut strangers, mut unread) = (Vec::new(), Vec::new(), 0, false);
            let mut primary = Vec::new();
            for member in std::mem::take(&mut group.members) {
                if let MemberRef::Primary(sid) = member {
                    primary.extend(named_by_users.get(&sid).into_iter().flatten());
                    primary.extend(untold.get(group.key.as_str()).into_iter().flatten());
                    continue;
                }
                let user = members.user(member);
                let nested = match member {
                    MemberRef::Dn(dn) => places.get(&dn).copied(),
                    MemberRef::Username(_) | MemberRef::Primary(_) => None,
                };
                strangers += u64::from(user.is_none() && nested.is_none());
                unread |= nested.is_none() && waits(member);
                people.extend(user);
                inside.extend(nested);
            }
            people.extend(named_by_users.get(&Dn::digest_of(&group.dn)).into_iter().flatten());
            [&mut people, &mut primary].into_iter().for_each(|all| all.retain(|user| members.has_access(*user)));
            Team { whole: group.whole, group, people, primary, inside, strangers, unread }
        };
        Self(groups.into_iter().map(team).collect())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Team> {
        self.0.iter()
    }

    /// One of them, by position.
    pub fn get(&self, at: usize) -> Option<&Team> {
        self.0.get(at)
    }

    /// Walks around in them.
    pub fn walk(&self) -> Walk {
        Walk { round: 0, seen: vec![0; self.0.len()], reached: Vec::new() }
    }

    /// The group and all that are in it, each once, however they go in circles.
    fn reach<'w>(&self, at: usize, walk: &'w mut Walk) -> &'w [usize] {
        walk.round += 1;
        walk.reached.clear();
        walk.visit(at);
        let mut next = 0;
        while let Some(team) = walk.reached.get(next).and_then(|at| self.0.get(*at)) {
            team.inside.iter().for_each(|inside| walk.visit(*inside));
            next += 1;
        }
        &walk.reached
    }

    /// Whether the list of members proves who is not in it: everything was read, of the groups in it as well.
    ///
    /// Without a users pass, a member nobody knows may be somebody known who was renamed.
    pub fn is_whole(&self, at: usize, users_read: bool, walk: &mut Walk) -> bool {
        let whole = |team: &Team| team.whole && !team.unread && (users_read || team.strangers == 0);
        self.reach(at, walk).iter().all(|at| self.0.get(*at).is_some_and(whole))
    }

    /// Who is in it with access, in order, each once; directly, where both are true.
    pub fn members(&self, at: usize, walk: &mut Walk) -> Vec<(UserRef, Via)> {
        self.reach(at, walk);
        let reached = || walk.reached.iter().filter_map(|one| Some((*one, self.0.get(*one)?)));
        let via = |one: usize, via: Via| if one == at { via } else { Via::Nested };
        // A group of everybody is the largest list of a run.
        let mut people = Vec::with_capacity(reached().map(|(_, team)| team.people.len() + team.primary.len()).sum());
        for (one, team) in reached() {
            people.extend(team.people.iter().map(|user| (*user, via(one, Via::Direct))));
            people.extend(team.primary.iter().map(|user| (*user, via(one, Via::Primary))));
        }
        people.sort_unstable();
        people.dedup_by_key(|(user, _)| *user);
        people
    }

    /// Members that are no user and no group that was read, by name of the group (G3).
    pub fn strangers(&self) -> BTreeMap<String, u64> {
        let named = self.0.iter().filter(|team| team.strangers > 0);
        named.map(|team| (team.group.name.to_string(), team.strangers)).collect()
    }
}

impl Walk {
    fn visit(&mut self, at: usize) {
        if let Some(seen) = self.seen.get_mut(at).filter(|seen| **seen != self.round) {
            *seen = self.round;
            self.reached.push(at);
        }
    }
}

/// Whether a group's entry was read, but not understood (E5).
pub(super) fn is_waiting(group: &StoredGroup, reading: &Reading) -> bool {
    let waiting = &reading.waiting_groups;
    waiting.contains(&group.key.digest()) || waiting.contains(&Dn::digest_of(&group.dn))
}

/// Where the groups stand that were read, but not understood: nobody knows who is in them.
pub(super) fn waiting_places(reading: &Reading, view: &View) -> HashSet<Digest> {
    let stored = view.groups.iter().filter(|group| !reading.waiting_groups.is_empty() && is_waiting(group, reading));
    let stored = stored.map(|group| Dn::digest_of(&group.dn));
    reading.waiting_groups.iter().copied().chain(stored).collect()
}

/// People whose primary group this run does not tell, by the unique id of the one they have: they stay in it (G3).
///
/// Nobody's is told where users are not read. Of somebody who was not seen, only a manual account has to let go of it:
/// everybody else departs, or is left alone.
fn untold<'a>(reading: &Reading, members: &Members<'_>, view: &'a View) -> HashMap<&'a str, Vec<UserRef>> {
    let stored = || view.memberships.iter().filter(|one| one.via == Via::Primary);
    let mut untold: HashSet<UserRef> = stored().map(|one| UserRef::Known(one.user)).collect();
    if untold.is_empty() {
        return HashMap::new();
    }
    for (_, user) in &reading.primary {
        untold.remove(&members.with_key(*user));
    }
    for (at, known) in view.index.iter().enumerate().filter(|(_, known)| known.manual && reading.passes.users) {
        if !reading.waiting.contains(at) && !reading.primary_unknown.contains(&known.key) {
            untold.remove(&UserRef::Known(known.id));
        }
    }
    let keys: HashMap<GroupId, &str> = view.groups.iter().map(|group| (group.id, group.key.as_str())).collect();
    let mut by_group: HashMap<&str, Vec<UserRef>> = HashMap::new();
    for one in stored().filter(|one| untold.contains(&UserRef::Known(one.user))) {
        if let Some(key) = keys.get(&one.group) {
            by_group.entry(key).or_default().push(UserRef::Known(one.user));
        }
    }
    by_group
}

/// Memberships that users name themselves, by digest of the group's DN, or of its SID.
pub(super) fn named_by_users(reading: &Reading, members: &Members<'_>) -> HashMap<Digest, Vec<UserRef>> {
    let mut named: HashMap<Digest, Vec<UserRef>> = HashMap::new();
    for (group, user) in reading.member_of.iter().chain(&reading.primary) {
        named.entry(*group).or_default().push(members.with_key(*user));
    }
    named
}
