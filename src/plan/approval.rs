//! What a person approved for a run (B1).

use std::collections::BTreeSet;

use crate::plan::{Another, BrakeKind, Held};
use crate::roster::UserId;

/// Why a run ends `incomplete`, or waits, that a person may accept: it read everything, and found what is hard to believe.
const ACCEPTABLE: [&str; 10] = [
    "no-users",
    "no-groups",
    "attribute-vanished",
    "unjudged",
    "mapped-gone",
    "mapped-other",
    "server-behind",
    "server-changed",
    "clock",
    Another::CAUSE,
];

/// What a person approved: what a run held, person by person, and what made it incomplete.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Approval {
    /// Whose departure.
    pub people: BTreeSet<UserId>,
    /// Whose loss of roles or grants.
    pub rights: BTreeSet<UserId>,
    /// Whose re-linking (I5).
    pub relinks: BTreeSet<UserId>,
    /// Whose loss of aliases.
    pub aliases: BTreeSet<UserId>,
    /// Whose loss of memberships.
    pub memberships: BTreeSet<UserId>,
    /// What else, in the words of a run's cause.
    pub causes: Vec<String>,
}

impl Approval {
    /// Everything that a run held, and these of its causes.
    pub fn of(held: &[Held], causes: Vec<String>) -> Self {
        let of = |kinds: &[BrakeKind]| -> BTreeSet<UserId> {
            held.iter().filter(|held| kinds.contains(&held.kind)).map(|held| held.user).collect()
        };
        Self {
            people: of(&[BrakeKind::Missing, BrakeKind::Disabled, BrakeKind::Domains]),
            rights: of(&[BrakeKind::Rights]),
            relinks: of(&[BrakeKind::Relinks]),
            aliases: of(&[BrakeKind::Aliases]),
            memberships: of(&[BrakeKind::Memberships]),
            causes,
        }
    }

    /// Whatever becomes of these people: who is asked for by name is held by nothing (S4).
    pub fn everything_of(users: &BTreeSet<UserId>) -> Self {
        Self {
            people: users.clone(),
            rights: users.clone(),
            relinks: users.clone(),
            aliases: users.clone(),
            memberships: users.clone(),
            causes: Vec::new(),
        }
    }

    /// Whether this cause was accepted.
    pub fn accepts(&self, cause: &str) -> bool {
        self.causes.iter().any(|accepted| accepted == cause)
    }
}

/// How a run's cause says whose held departures it was allowed to carry out.
const APPROVED: &str = "approved:";

/// The word in a run's cause for what a person approved.
pub fn approves(run: i64) -> String {
    format!("{APPROVED}{run}")
}

/// The run whose held departures, or whose doubt, this one was allowed to act on, by its causes.
pub fn approved_run(causes: &str) -> Option<i64> {
    causes.split(',').find_map(|cause| cause.strip_prefix(APPROVED)?.parse().ok())
}

/// Those of a run's causes, as it has them in one text, that a person may accept (E2, L2, E7, I9, L10, R4).
pub fn acceptable(causes: &str) -> impl Iterator<Item = &str> {
    let known = |cause: &&str| cause.split(':').next().is_some_and(|word| ACCEPTABLE.contains(&word));
    causes.split(',').filter(known)
}
