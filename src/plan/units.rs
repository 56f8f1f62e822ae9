//! Which changes hang together: people who hand addresses or names to each other are never split (A5, B3).

use foldhash::HashMap;

use crate::plan::UserChange;
use crate::roster::UserId;

/// Collects changes and joins those that depend on each other.
#[derive(Default)]
pub(super) struct Units {
    parents: Vec<u32>,
    nodes: HashMap<UserId, u32>,
    /// With the number of their place as unit.
    changes: Vec<UserChange>,
}

impl Units {
    /// Makes room for so many more changes.
    pub fn reserve(&mut self, more: usize) {
        self.changes.reserve_exact(more);
        self.parents.reserve(more);
    }

    /// A place of its own.
    pub fn fresh(&mut self) -> u32 {
        let node = u32::try_from(self.parents.len()).unwrap_or(u32::MAX);
        self.parents.push(node);
        node
    }

    /// The place of a user of the store.
    pub fn node(&mut self, user: UserId) -> u32 {
        if let Some(&node) = self.nodes.get(&user) {
            return node;
        }
        let node = self.fresh();
        self.nodes.insert(user, node);
        node
    }

    /// Says that two places depend on each other.
    pub fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(parent) = self.parents.get_mut(a.max(b) as usize) {
            *parent = a.min(b);
        }
    }

    /// Puts a change at a place.
    pub fn place(&mut self, node: u32, change: UserChange) {
        self.changes.push(UserChange { unit: node, ..change });
    }

    fn root(&mut self, mut node: u32) -> u32 {
        while let Some(&parent) = self.parents.get(node as usize).filter(|parent| **parent != node) {
            let grand = self.parents.get(parent as usize).copied().unwrap_or(parent);
            if let Some(slot) = self.parents.get_mut(node as usize) {
                *slot = grand;
            }
            node = grand;
        }
        node
    }

    /// All changes in order of unit, as they were placed within one; units in order of their first change.
    pub fn in_order(mut self) -> Vec<UserChange> {
        let mut changes = std::mem::take(&mut self.changes);
        let mut numbers: Vec<Option<u32>> = vec![None; self.parents.len()];
        let mut next = 0;
        for change in &mut changes {
            let root = self.root(change.unit) as usize;
            let Some(number) = numbers.get_mut(root) else { continue };
            change.unit = *number.get_or_insert_with(|| {
                next += 1;
                next - 1
            });
        }
        changes.sort_by_key(|change| change.unit);
        changes
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
            units.place(node, change);
        }
        let (first, second) = (units.node(UserId(1)), units.node(UserId(2)));
        units.join(first, second);
        let order: Vec<_> =
            units.in_order().into_iter().map(|change| (change.unit, change.label.to_string())).collect();
        let expected = [(0, "d"), (0, "a"), (1, "b"), (2, "c")];
        assert_eq!(order, expected.map(|(unit, label)| (unit, label.to_owned())));
    }
}
