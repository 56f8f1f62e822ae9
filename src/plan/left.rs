//! Who gives what up by leaving.

use std::collections::{HashMap, HashSet};

use crate::clock::Timestamp;
use crate::plan::{Act, UserChange};
use crate::roster::{Account, State, UserId};

/// Who gives something up by leaving: the deleted everything, the flagged their name (L4, L6, U7).
#[derive(Default)]
pub(super) struct Left {
    deleted: HashSet<UserId>,
    /// With the date of deletion, if there is one.
    flagged: HashMap<UserId, Option<Timestamp>>,
    /// The DN of those whose entry stands elsewhere from this run on.
    moved: HashMap<UserId, Box<str>>,
}

impl Left {
    pub fn note(&mut self, user: UserId, change: &UserChange) {
        for act in &change.acts {
            match act {
                Act::Flagged { delete_after, .. } => _ = self.flagged.insert(user, *delete_after),
                Act::Moved { after, .. } => _ = self.moved.insert(user, after.clone()),
                Act::Deleted { .. } | Act::Removed { .. } => _ = self.deleted.insert(user),
                _ => {}
            }
        }
    }

    /// Whether somebody no longer has a thing: an address, or a username.
    pub fn releases(&self, user: UserId, name: bool) -> bool {
        self.deleted.contains(&user) || (name && self.flagged.contains_key(&user))
    }

    /// The name of somebody who takes no part in a contest, with what tells it from another of the same name, as it is after
    /// this run.
    pub fn told_apart(&self, account: &Account) -> String {
        match self.moved.get(&account.id) {
            Some(dn) => format!("`{}` ({dn})", account.label()),
            None => account.told_apart(),
        }
    }

    /// Until when somebody who is pending after this run keeps what nobody else may have; `Some(None)` = for ever.
    pub fn pending_until(&self, account: &Account) -> Option<Option<Timestamp>> {
        let stored = (account.state == State::Pending).then_some(account.due());
        self.flagged.get(&account.id).copied().or(stored)
    }
}
