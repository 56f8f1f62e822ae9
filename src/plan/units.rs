//! Which changes hang together: people who hand addresses or names to each other are never split (A5, B3).

use std::collections::{BTreeMap, HashMap};

use crate::plan::UserChange;
use crate::roster::{UniqueId, UserId};

/// Collects changes and joins those that depend on each other.
#[derive(Default)]
pub(super) struct Units {
    parents: Vec<usize>,
    nodes: HashMap<UserId, usize>,
    changes: Vec<(Option<UniqueId>, usize, UserChange)>,
}

impl Units {
    /// A place of its own.
    pub fn fresh(&mut self) -> usize {
        self.parents.push(self.parents.len());
        self.parents.len() - 1
    }

    /// The place of a user of the store.
    pub fn node(&mut self, user: UserId) -> usize {
        if let Some(&node) = self.nodes.get(&user) {
            return node;
        }
        let node = self.fresh();
        self.nodes.insert(user, node);
        node
    }

    /// Says that two places depend on each other.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(parent) = self.parents.get_mut(a.max(b)) {
            *parent = a.min(b);
        }
    }

    /// Puts a change at a place.
    pub fn place(&mut self, node: usize, key: Option<&UniqueId>, change: UserChange) {
        self.changes.push((key.cloned(), node, change));
    }

    fn root(&mut self, mut node: usize) -> usize {
        while let Some(&parent) = self.parents.get(node).filter(|parent| **parent != node) {
            let grand = self.parents.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = self.parents.get_mut(node) {
                *slot = grand;
            }
            node = grand;
        }
        node
    }

    /// All changes in order of unit; units in order of their lowest unique id, changes in order of unique id.
    pub fn in_order(mut self) -> Vec<UserChange> {
        let mut changes = std::mem::take(&mut self.changes);
        changes.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let mut numbers: HashMap<usize, u32> = HashMap::new();
        let mut units: BTreeMap<u32, Vec<UserChange>> = BTreeMap::new();
        for (_, node, mut change) in changes {
            let root = self.root(node);
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            change.unit = *numbers.entry(root).or_insert(next);
            units.entry(change.unit).or_default().push(change);
        }
        units.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::UserRef;

    #[test]
    fn joined_people_share_a_unit_and_stand_together() {
        let mut units = Units::default();
        for (user, key) in [(1, "d"), (2, "a"), (3, "b"), (4, "c")] {
            let node = units.node(UserId(user));
            let change = UserChange {
                subject: UserRef::Known(UserId(user)),
                label: key.into(),
                unit: 0,
                acts: Vec::new(),
                mark: None,
            };
            units.place(node, UniqueId::new(key).as_ref(), change);
        }
        let (first, second) = (units.node(UserId(1)), units.node(UserId(2)));
        units.join(first, second);
        let order: Vec<_> =
            units.in_order().into_iter().map(|change| (change.unit, change.label.to_string())).collect();
        let expected = [(0, "a"), (0, "d"), (1, "b"), (2, "c")];
        assert_eq!(order, expected.map(|(unit, label)| (unit, label.to_owned())));
    }
}
