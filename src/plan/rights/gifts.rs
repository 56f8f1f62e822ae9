//! Who is in the groups that give roles and grants, through groups in groups if so configured (R1, R2, G4).

use std::collections::{HashMap, HashSet};

use super::mappings::Mappings;
use crate::plan::members::Members;
use crate::plan::nesting;
use crate::plan::{Policy, UserRef, View};
use crate::roster::{Digest, Dn, Giver, Group, MemberRef, Reading};

/// What each user is given.
pub(in crate::plan) struct Gifts<'a> {
    /// The highest role, by position in the policy.
    pub roles: HashMap<UserRef, usize>,
    /// Privileges by position in the policy, in order, each with the group it is shown with.
    pub grants: HashMap<UserRef, Vec<(usize, &'a Giver)>>,
    /// Whether a place proves who is not given anything by it.
    pub whole: Vec<bool>,
}

/// People whose primary group cannot be told (G3).
pub(super) fn untold(reading: &Reading, members: &Members<'_>) -> HashSet<UserRef> {
    reading.primary_unknown.iter().map(|user| members.with_key(*user)).collect()
}

/// Where members of a group are looked for.
struct Walk<'a> {
    members: &'a Members<'a>,
    /// Groups that were read, by DN; empty unless memberships are flattened.
    inside: HashMap<Digest, &'a Group>,
    /// Memberships that users name themselves, by the group's DN or SID (G3).
    named: HashMap<Digest, Vec<UserRef>>,
    /// Groups that were read, but not understood: nobody knows who is in them.
    waiting: HashSet<Digest>,
}

impl<'a> Gifts<'a> {
    /// Looks the members of all mapped groups up.
    pub fn new(
        mappings: &Mappings<'a>,
        reading: &Reading,
        view: &View,
        policy: &Policy,
        members: &Members<'_>,
    ) -> Self {
        let flatten = policy.groups.flatten;
        let groups = reading.groups.iter().filter(|_| flatten);
        let walk = Walk {
            members,
            inside: groups.map(|group| (Dn::digest_of(&group.dn), group)).collect(),
            named: nesting::named_by_users(reading, members),
            waiting: if flatten { nesting::waiting_places(reading, view) } else { HashSet::new() },
        };
        let mut whole: Vec<bool> = mappings.places.iter().map(|judged| judged.read).collect();
        let mut members: Vec<Vec<(&'a Giver, Vec<UserRef>)>> = Vec::new();
        for (judged, whole) in mappings.places.iter().zip(&mut whole) {
            let read = judged.givers.iter().map(|giver| {
                let (people, all) = walk.people(giver);
                *whole &= all;
                (*giver, people)
            });
            members.push(read.collect());
        }
        let at = |place: &usize| members.get(*place).into_iter().flatten();
        let mut gifts = Self { roles: HashMap::new(), grants: HashMap::new(), whole };
        for (rank, role) in policy.rights.roles.iter().enumerate() {
            for user in role.places.iter().flat_map(at).flat_map(|(_, people)| people) {
                gifts.roles.entry(*user).or_insert(rank);
            }
        }
        for (position, grant) in policy.rights.grants.iter().enumerate() {
            let mut givers: Vec<&(&'a Giver, Vec<UserRef>)> = grant.places.iter().flat_map(at).collect();
            givers.sort_by_key(|(giver, _)| (giver.created.is_none(), giver.created, giver.key.clone()));
            for (giver, people) in givers {
                for user in people {
                    let grants = gifts.grants.entry(*user).or_default();
                    if grants.last().is_none_or(|(last, _)| *last != position) {
                        grants.push((position, giver));
                    }
                }
            }
        }
        gifts
    }
}

impl Walk<'_> {
    /// Who is in a group, each once, and whether that is everybody.
    fn people(&self, giver: &Giver) -> (Vec<UserRef>, bool) {
        let (mut people, mut whole) = (Vec::new(), giver.whole);
        let start = Dn::digest_of(&giver.dn);
        let mut seen = HashSet::from([start]);
        let mut next: Vec<(Digest, &[MemberRef])> = vec![(start, &giver.members)];
        while let Some((at, members)) = next.pop() {
            people.extend(self.named.get(&at).into_iter().flatten());
            for member in members {
                people.extend(self.members.user(*member));
                if let MemberRef::Primary(sid) = member {
                    people.extend(self.named.get(sid).into_iter().flatten());
                }
                let MemberRef::Dn(dn) = member else { continue };
                whole &= !self.waiting.contains(dn);
                if let Some(group) = self.inside.get(dn).filter(|_| seen.insert(*dn)) {
                    whole &= group.whole;
                    next.push((*dn, &group.members));
                }
            }
        }
        people.sort_unstable();
        people.dedup();
        (people, whole)
    }
}
