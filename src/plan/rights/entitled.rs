//! Who is given any role or grant by a mapped group, before anything else is decided about people (R3).

use std::collections::HashSet;

use super::gifts::untold;
use super::{Gifts, Mappings};
use crate::plan::members::Members;
use crate::plan::{Policy, UserRef, View};
use crate::roster::{Account, Reading, State};

/// Everybody who is given something, and what is known of the others.
pub(in crate::plan) struct Entitled {
    users: HashSet<UserRef>,
    /// People whose primary group cannot be told: it may give them something (G3).
    untold: HashSet<UserRef>,
    /// Whether every mapped group was read whole in a complete run: only then the others are known to have nothing.
    pub proven: bool,
    /// A mapped group is gone and nobody approved that: who has nothing because of it stays.
    pub by_gone: bool,
}

impl Entitled {
    /// `None` where nobody needs a role; `by_name` says that groups name members by username.
    pub fn new(
        mappings: &Mappings<'_>,
        (reading, proven, by_name): (&Reading, bool, bool),
        view: &View,
        policy: &Policy,
    ) -> Option<Self> {
        if !policy.rights.required || !reading.passes.users {
            return None;
        }
        let members = Members::before(view, &reading.unchanged, &reading.people, by_name);
        let gifts = Gifts::new(mappings, reading, view, policy, &members);
        let proven = proven && gifts.whole.iter().all(|whole| *whole);
        let users = gifts.roles.into_keys().chain(gifts.grants.into_keys()).collect();
        Some(Self { users, untold: untold(reading, &members), proven, by_gone: mappings.any_gone() })
    }

    /// Whether somebody lacks a role; whoever is in stays so until it is proven, whoever is out, for whatever reason,
    /// comes in by a role that was read only.
    pub fn lacks(&self, user: UserRef, account: Option<&Account>) -> bool {
        let in_already = account.is_some_and(|account| account.state == State::Active);
        !self.users.contains(&user) && (self.proven && !self.untold.contains(&user) || !in_already)
    }
}
