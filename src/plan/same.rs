//! Whether two plans are the same, whenever they were made (B2).

use std::fmt::{self, Write as _};

use crate::clock::Timestamp;
use crate::plan::{Act, GroupAct, Plan};
use crate::roster::Digest;

/// Takes text into a digest without keeping it.
struct Hashed(blake3::Hasher);

impl fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl Plan {
    /// A digest of all that would be done and all that would be withheld; equal for plans that differ only in when they
    /// were made.
    pub fn digest(&self) -> Digest {
        let mut hashed = Hashed(blake3::Hasher::new());
        let Self { groups, opened, reworded, resolved, skips, held, holds, unjudged, without, frozen, .. } = self;
        // Writing into a hasher does not fail.
        for change in &self.users {
            let mut change = change.clone();
            change.acts.iter_mut().for_each(timeless);
            _ = write!(hashed, "{change:?}");
        }
        for change in groups {
            let mut change = change.clone();
            change.acts.iter_mut().for_each(timeless_group);
            _ = write!(hashed, "{change:?}");
        }
        let conflicts = opened.iter().chain(reworded);
        for conflict in conflicts {
            let words = undated(&conflict.detail);
            _ = write!(hashed, "{:?} {words}", (conflict.kind, &conflict.subject, conflict.owner, &conflict.other));
        }
        for skip in skips {
            let words = undated(&skip.detail);
            _ = write!(hashed, "{:?} {words}", (&skip.dn, &skip.unique_id, &skip.reason, &skip.rule));
        }
        let frozen = frozen.as_ref().map(|frozen| (frozen.missing, &frozen.first, frozen.due));
        let late = self.late.as_ref().map(|late| late.due);
        _ = write!(hashed, "{:?}", (resolved, held, holds, unjudged, without, frozen, late, &self.mapped));
        let bytes = hashed.0.finalize();
        Digest::of(bytes.as_bytes())
    }
}

/// Dates follow from reason, configuration and the moment of the plan.
fn timeless(act: &mut Act) {
    if let Act::Flagged { flagged_at, delete_after, .. } = act {
        (*flagged_at, *delete_after) = (Timestamp::from_millis(0), None);
    }
}

fn timeless_group(act: &mut GroupAct) {
    if let GroupAct::Flagged { flagged_at, delete_after } = act {
        (*flagged_at, *delete_after) = (Timestamp::from_millis(0), None);
    }
}

/// A sentence without the dates that it names, which may be those of this very plan.
fn undated(text: &str) -> String {
    text.split(' ').filter(|word| Timestamp::parse(word.trim_end_matches([',', ';'])).is_none()).collect()
}

#[cfg(test)]
mod tests {
    use crate::plan::tests::losses;

    /// B2: the moment makes no difference, anything else does.
    #[test]
    fn a_plan_is_the_same_until_something_else_would_be_done() {
        let mut world = losses::world(3, &[("staff", 0..3)]);
        world.people.remove("u000");
        world.groups.clear();
        let first = world.look().plan.digest();
        assert_eq!(world.later(std::time::Duration::from_secs(3_600)).look().plan.digest(), first);
        let mut other = world.clone();
        other.people.remove("u001");
        assert_ne!(other.look().plan.digest(), first);
        let mut other = world.clone();
        other.entry("u001").notes = vec!["2026-03-02T08:00:00Z".into()];
        let noted = other.look().plan.digest();
        other.entry("u001").notes = vec!["2026-03-02T09:00:00Z".into()];
        assert_ne!(other.look().plan.digest(), noted);
        let mut other = world.clone();
        other.entry("u001").mail = vec!["u002@ours.example".into()];
        assert_ne!(other.look().plan.digest(), first, "a contest");
    }

    /// B1, B2: as many are held, but others.
    #[test]
    fn a_plan_that_holds_other_people_is_another() {
        let world = losses::world(20, &[]);
        let without = |gone: std::ops::Range<usize>| {
            let mut world = world.clone();
            gone.for_each(|n| _ = world.people.remove(&format!("u{n:03}")));
            let plan = world.look().plan;
            assert_eq!(plan.held.len(), 8);
            plan.digest()
        };
        assert_eq!(without(0..8), without(0..8));
        assert_ne!(without(0..8), without(1..9));
    }
}
