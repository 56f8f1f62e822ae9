//! Another directory, or one that was made anew, in the place of the one that was read before (I9, I5).

use std::collections::{HashMap, HashSet};

use crate::plan::{BrakeKind, Held, Hold, Loss, Plan, Policy};
use crate::roster::address::fold;
use crate::roster::{Account, AddressKey, FieldId, Origin, PendingReason, Person};

/// The base object is another one, and nobody is found by unique id, or by one that any directory can repeat: nothing of
/// such a directory is believed before a person says that it is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Another {
    /// The last complete run.
    pub run: i64,
    /// The unique id of the object at `source.base_dn` then.
    pub before: String,
    /// And now.
    pub now: String,
    /// The configured unique id, which another directory may give to other people (I2).
    pub configured: Option<String>,
}

impl Another {
    /// What it is in a run's cause.
    pub const CAUSE: &'static str = "base-changed";

    /// One sentence, with the remedy of either case.
    pub fn says(&self) -> String {
        let Self { run, before, now, configured } = self;
        let (why, who) = match configured {
            None => (
                "nobody of this source is found by unique id".to_owned(),
                "who has the address and the username of before goes on under the same id",
            ),
            Some(name) => (
                format!("another directory may give the same `{name}` to other people"),
                "who has the unique id of before, or address and username, goes on under the same id",
            ),
        };
        format!(
            "source.base_dn is another object than in run {run} (unique id {before} then, {now} now), and {why}, so \
             nothing is taken from anybody, and nobody comes in: if source.urls leads to another directory, set it back; \
             if this one was made anew, approve it: {who}, the others are gone"
        )
    }

    /// Lets those with access who would not go on wait for a person, in a plan that does nothing; `people` are the entries
    /// that were read, `None` when people were not asked for. `accounts` are those of whom no entry was read.
    pub(crate) fn hold(
        &self,
        plan: &mut Plan,
        people: Option<&[Box<Person>]>,
        (accounts, of): (&[Account], u64),
        policy: &Policy,
    ) {
        let ours = |account: &&Account| account.state.access() && account.origin == Origin::Directory;
        let entries = Entries::of(people.unwrap_or_default());
        let wait = |account: &Account| {
            let (kind, loses) = match entries.has(account, policy) {
                true => (BrakeKind::Relinks, Loss::Relink),
                false => (BrakeKind::Missing, Loss::Access(PendingReason::Gone)),
            };
            Held { user: account.id, label: account.label().into(), kind, loses }
        };
        plan.held.extend(accounts.iter().filter(ours).filter(|_| people.is_some()).map(wait));
        let waiting = |kind| plan.held.iter().filter(|held| held.kind == kind).count() as u64;
        let (missing, relinks) = (waiting(BrakeKind::Missing), waiting(BrakeKind::Relinks));
        let alike = format!("{relinks} new entries have address and username of people who are gone");
        let holds = match (missing, relinks) {
            (0, 1..) => vec![(BrakeKind::Relinks, relinks, format!("{}; {alike}", self.says()))],
            (_, 0) => vec![(BrakeKind::Missing, missing, self.says())],
            (_, _) => vec![(BrakeKind::Missing, missing, self.says()), (BrakeKind::Relinks, relinks, alike)],
        };
        plan.holds.extend(holds.into_iter().map(|(kind, would_go, says)| Hold::new(kind, (would_go, of), says, [])));
    }
}

/// Usernames of entries, folded, by an address that may be the primary one.
struct Entries(HashMap<AddressKey, HashSet<Option<String>>>);

impl Entries {
    fn of(people: &[Box<Person>]) -> Self {
        let mut entries: HashMap<AddressKey, HashSet<Option<String>>> = HashMap::new();
        for person in people {
            let name = person.fields.first(FieldId::USERNAME).map(fold);
            for address in person.claims.iter().filter_map(crate::roster::Claim::primary_key) {
                entries.entry(address).or_default().insert(name.clone());
            }
        }
        Self(entries)
    }

    /// Whether a run may re-link the user to one of them (I5, I6).
    fn has(&self, account: &Account, policy: &Policy) -> bool {
        let Some(names) = account.primary().and_then(|address| self.0.get(&address.key())) else { return false };
        let name = account.fields.get(&FieldId::USERNAME).map(|name| fold(name));
        policy.by_address || policy.relink_within.is_some() && name.is_some() && names.contains(&name)
    }
}
