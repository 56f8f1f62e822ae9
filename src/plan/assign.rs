//! One directory group a user (G5).

use std::collections::HashSet;

use crate::plan::members::Members;
use crate::plan::nesting::{Team, Teams};
use crate::plan::policy::OneGroup;
use crate::plan::{StoredMembership, UserRef, Via};
use crate::roster::UserId;
use crate::roster::address::fold;
use crate::roster::words::counted;

/// People who are in no group, because they could not be given the default group (G5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Without {
    /// The name of the default group, folded.
    pub group: String,
    /// Whether it was read. If so, another group was not read whole, and they may be in that one.
    pub found: bool,
    /// How many there are.
    pub people: u64,
}

impl Without {
    /// One sentence.
    pub fn says(&self) -> String {
        let Self { group, found, people } = self;
        let who = counted(*people, "person is", "people are");
        if *found {
            format!(
                "{who} in no group and not in the default group `{group}`: a group was not read whole, and they may be in it"
            )
        } else {
            format!(
                "{who} in no group, because the default group `{group}` was not found; look at groups.default_group, groups.base_dns and groups.filter"
            )
        }
    }
}

/// Gives everybody one group, best group first.
///
/// Who is in a group of which nothing may be taken stays there and gets no other; so a read that proves little neither
/// leaves anybody without a group nor gives a second one.
pub(super) struct Assignment<'a> {
    policy: &'a OneGroup,
    /// Positions of the groups, best first.
    order: Vec<usize>,
    /// Position of the default group.
    default: Option<usize>,
    /// Whether somebody who was found in no group is in none.
    proven: bool,
    taken: HashSet<UserRef>,
    held: HashSet<UserId>,
}

impl<'a> Assignment<'a> {
    /// `held` are those in groups of which nothing may be taken; `proven` says that every group was read whole.
    pub fn new(teams: &Teams, policy: &'a OneGroup, held: HashSet<UserId>, proven: bool) -> Self {
        let rank = |team: &Team| {
            let name = fold(&team.group.name);
            let place = policy.priority.iter().position(|one| *one == name).unwrap_or(usize::MAX);
            // Of two with one name the lower unique id.
            (place, name, team.group.name.clone(), team.group.key.clone())
        };
        let mut ranked: Vec<_> = teams.iter().enumerate().map(|(at, team)| (rank(team), at)).collect();
        ranked.sort_unstable();
        let is_default = |at: &usize| {
            let name = teams.get(*at).map(|team| fold(&team.group.name));
            name.is_some() && name == policy.default
        };
        let order: Vec<usize> = ranked.into_iter().map(|(_, at)| at).collect();
        let default = order.iter().copied().find(is_default);
        Self { policy, order, default, proven, taken: HashSet::new(), held }
    }

    /// Positions of the groups, best first.
    pub fn order(&self) -> Vec<usize> {
        self.order.clone()
    }

    /// Whether this group is the default one, which is filled last.
    pub fn is_default(&self, at: usize) -> bool {
        self.default == Some(at)
    }

    /// Leaves in a group those who have no better one.
    pub fn claim(&mut self, wanted: &mut Vec<(UserRef, Via)>, present: &[StoredMembership]) {
        wanted.retain(|(user, _)| self.taken.insert(*user) && self.may_join(*user, present));
    }

    /// Puts those who have no group into the default group; who is there already stays without further proof.
    pub fn fill(&mut self, wanted: &mut Vec<(UserRef, Via)>, present: &[StoredMembership], members: &Members<'_>) {
        let without = self.without(members).filter(|user| self.proven || is_in(present, *user));
        let filled: Vec<UserRef> = without.collect();
        wanted.extend(filled.iter().map(|user| (*user, Via::Direct)));
        self.taken.extend(filled);
        wanted.sort_unstable();
    }

    /// Who has no group although there is to be a default one; nobody is known to be without one from a partial read.
    pub fn left_out(&self, members: &Members<'_>) -> Option<Without> {
        let name = self.policy.default.as_ref()?;
        let people = self.without(members).count() as u64;
        (people > 0).then(|| Without { group: name.clone(), found: self.default.is_some(), people })
    }

    fn without(&self, members: &Members<'_>) -> impl Iterator<Item = UserRef> {
        members.with_access().filter(|user| !self.taken.contains(user) && !self.is_held(*user))
    }

    fn is_held(&self, user: UserRef) -> bool {
        matches!(user, UserRef::Known(id) if self.held.contains(&id))
    }

    fn may_join(&self, user: UserRef, present: &[StoredMembership]) -> bool {
        !self.is_held(user) || is_in(present, user)
    }
}

fn is_in(present: &[StoredMembership], user: UserRef) -> bool {
    matches!(user, UserRef::Known(id) if present.binary_search_by_key(&id, |one| one.user).is_ok())
}
