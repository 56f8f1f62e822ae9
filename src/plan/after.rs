//! Who is a user once a plan is carried out (U9).

use std::collections::{BTreeMap, HashSet};

use crate::plan::{Act, Plan, UserRef, View};
use crate::roster::{Digest, Index, Skip, Skipped, Tally, UniqueId, UserId, skipped};

/// Who is a user after a plan, by the unique id of the entry.
pub(super) struct After<'a> {
    index: &'a Index,
    /// Who comes in, or has an entry from now on.
    come: HashSet<Digest>,
    /// Who is deleted, or dormant.
    gone: HashSet<UserId>,
}

impl<'a> After<'a> {
    /// Of users that are in the index, and what the plan makes of them.
    pub fn of(plan: &Plan, index: &'a Index) -> Self {
        let (mut come, mut gone) = (HashSet::new(), HashSet::new());
        for change in &plan.users {
            for act in &change.acts {
                match act {
                    Act::Added(new) | Act::Revived(new) => _ = come.insert(new.key.digest()),
                    Act::Relinked { after: key, .. }
                    | Act::Crossed { key, .. }
                    | Act::Woken { key, .. }
                    | Act::Linked { key, .. } => _ = come.insert(key.digest()),
                    Act::Deleted { .. } | Act::Removed { .. } | Act::Parted { .. } => {
                        gone.extend(match change.subject {
                            UserRef::Known(user) => Some(user),
                            UserRef::New(_) => None,
                        });
                    }
                    _ => {}
                }
            }
        }
        Self { index, come, gone }
    }

    /// Whether the entry with this unique id is somebody's.
    pub fn is_user(&self, key: Digest) -> bool {
        let stays = |user: &UserId| !self.gone.contains(user);
        self.come.contains(&key)
            || self.index.find(key).is_some_and(|known| !known.state.tombstone() && stays(&known.id))
    }

    /// What becomes of the person of whom something is skipped.
    pub fn fate(&self, skip: &Skip) -> Skipped {
        let is_user = key(skip).is_some_and(|key| self.is_user(key));
        Skipped::of((&skip.reason, &skip.rule), is_user)
    }
}

fn key(skip: &Skip) -> Option<Digest> {
    skip.unique_id.as_deref().and_then(UniqueId::new).map(|key| key.digest())
}

impl Plan {
    /// What became of whatever was skipped; counted are, where only one was looked at (S4), those of `about`.
    pub(super) fn tally(
        &self,
        view: &View,
        about: Option<&HashSet<Digest>>,
    ) -> (Vec<Skipped>, BTreeMap<Skipped, Tally>) {
        if self.skips.is_empty() {
            return (Vec::new(), BTreeMap::new());
        }
        let after = After::of(self, &view.index);
        let fates = self.skips.iter().map(|skip| after.fate(skip)).collect();
        let told = |skip: &&Skip| about.is_none_or(|about| key(skip).is_some_and(|key| about.contains(&key)));
        let told = self.skips.iter().filter(told).map(|skip| {
            let is_user = key(skip).is_some_and(|key| after.is_user(key));
            (&*skip.dn, (&*skip.reason, &*skip.rule), is_user)
        });
        (fates, skipped::tally(told))
    }
}
