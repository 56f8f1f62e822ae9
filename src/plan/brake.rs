//! Too many would leave: hold the departures (B1).

use std::collections::BTreeSet;

use crate::plan::{AliasWindow, BrakeKind, Frozen, LateClock, Plan, Policy, View};
use crate::roster::words::{counted, natural, number, plural};
use crate::roster::{AddressKey, Incomplete, PendingReason, UserId};

/// What somebody would lose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Loss {
    /// Access, for this reason.
    Access(PendingReason),
    /// Access, because the address is another one (I6).
    Dormant,
    /// Everything at once, rules too, because this domain is not managed any more (D2); `None` when an earlier version
    /// wrote it down without the domain.
    Removed(Option<Box<str>>),
    /// Nothing: a new entry, which waits outside, would be the user's from now on (I5).
    Relink,
    /// Aliases, memberships, roles or grants, in a few words.
    Things(Box<str>),
}

impl Loss {
    /// Whether the entry of before is gone, so that what groups say of it counts for nothing.
    pub fn is_of_entry(&self) -> bool {
        matches!(self, Self::Access(_) | Self::Removed(_) | Self::Relink)
    }

    /// Why, in a few words.
    pub fn why(&self) -> String {
        match self {
            Self::Removed(Some(domain)) => format!("`{domain}` is no longer managed"),
            Self::Removed(None) => "the domain is no longer managed".to_owned(),
            other => other.as_str().to_owned(),
        }
    }

    /// The reason's word, the domain, or the few words.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Access(reason) => reason.as_str(),
            Self::Removed(domain) => domain.as_deref().unwrap_or(PendingReason::UnmanagedDomain.as_str()),
            Self::Dormant => "dormant",
            Self::Relink => "re-linked",
            Self::Things(what) => what,
        }
    }
}

/// Why one kind of departure is held (B1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// Which kind.
    pub kind: BrakeKind,
    /// How many would go, those of the window included.
    pub would_go: u64,
    /// Of how many that there were when the brake's window began.
    pub of: u64,
    /// One sentence with the limit that was passed.
    pub says: String,
    /// How many people went, or lost something of this kind, within the window already.
    pub gone: u64,
    /// The first of them, with what people call them.
    pub went: Vec<(UserId, Box<str>)>,
}

/// Which kinds are held, given who would go now, by kind, beside those of the window.
///
/// Everybody counts once, and against those who had access when the window began; when nobody
/// had, against everybody.
pub(super) fn holds(leaving: &BTreeSet<(BrakeKind, UserId)>, policy: &Policy, view: &View) -> Vec<Hold> {
    let recent = &view.recent;
    let all = view.index.with_access() + recent.lost.len();
    // Within a window of the first sync nobody was there before.
    let of = if recent.gained.len() < all { all - recent.gained.len() } else { all } as u64;
    let kinds = [BrakeKind::Missing, BrakeKind::Disabled, BrakeKind::Domains];
    kinds
        .into_iter()
        .filter_map(|kind| {
            let now = leaving.iter().filter(|(other, _)| *other == kind);
            let before = recent.departed.iter().filter(|one| one.0 == kind && !leaving.contains(one));
            let before: Vec<UserId> = before.map(|(_, user)| *user).collect();
            hold(kind, now.count() as u64, &before, of, policy)
        })
        .collect()
}

/// How many names a sentence lists.
const FIRST_NAMES: usize = 5;

impl Plan {
    /// Whether anything waits for a person, or for the end of a freeze.
    pub fn waits(&self) -> bool {
        let frozen = self.frozen.as_ref().is_some_and(Frozen::withholds);
        !self.holds.is_empty() || frozen || self.late.as_ref().is_some_and(LateClock::withholds)
    }

    /// The first names of those whose departure of this kind is held, in order.
    pub fn first_held(&self, kind: BrakeKind) -> Vec<&str> {
        let mut names: Vec<&str> = self.held.iter().filter(|held| held.kind == kind).map(|held| &*held.label).collect();
        names.sort_unstable();
        names.dedup();
        names.sort_by_cached_key(|name| natural(name));
        names.truncate(FIRST_NAMES);
        names
    }

    /// What is held, how many of how many, the first names, the probable cause, and what to type; `None` when nothing is.
    pub fn held_in_words(&self, run: i64) -> Option<String> {
        let kinds = self.holds.iter().map(|hold| {
            let names = self.first_held(hold.kind);
            let first = if names.is_empty() { String::new() } else { format!(" (first: {})", names.join(", ")) };
            let went = hold.went_in_words().map(|went| format!("; {went}")).unwrap_or_default();
            format!("{}{first}{went}", hold.says)
        });
        let kinds = kinds.reduce(|a, b| format!("{a}; {b}"))?;
        let since = self.since.as_ref().map(|since| format!("; {}", since.says())).unwrap_or_default();
        Some(held_sentence(&format!("{kinds}{since}"), run))
    }

    /// What made a run incomplete, with those to whom its approval gives access back (E2, E7).
    pub fn tell_barred(&self, mut why: Incomplete) -> Incomplete {
        const NAMES: usize = 3;
        let doubted = [Incomplete::VANISHED, Incomplete::BEHIND].contains(&why.cause);
        if !self.barred.is_empty() && doubted {
            let first: Vec<_> = self.barred.iter().take(NAMES).map(|label| format!("`{label}`")).collect();
            let more = if self.barred.len() > NAMES { ", …" } else { "" };
            let people = counted(self.barred.len() as u64, "person stays", "people stay");
            let says = format!("; {people} without access until it is settled or approved: {}{more}", first.join(", "));
            why.says.push_str(&says);
        }
        why
    }
}

/// What is held, and what to type, whether it is right or not.
pub fn held_sentence(what: &str, run: i64) -> String {
    format!(
        "held by the brake: {what}; look with `rosterd runs show {run}`, let go with `rosterd approve {run}`; {}",
        Hold::MISTAKE
    )
}

impl Hold {
    /// The way out when what is held is not meant.
    pub const MISTAKE: &'static str = "if it is a mistake, put the configuration or the directory right and run \
         `rosterd sync`: nothing has to be approved, and who went meanwhile, approved or not, comes back";

    /// So many of so many would go, in words; and who went already.
    pub(super) fn new(
        kind: BrakeKind,
        (would_go, of): (u64, u64),
        says: String,
        went: impl IntoIterator<Item = UserId>,
    ) -> Self {
        let went: BTreeSet<UserId> = went.into_iter().collect();
        let gone = went.len() as u64;
        let went = went.into_iter().take(FIRST_NAMES).map(|user| (user, Box::default())).collect();
        Self { kind, would_go, of, says, gone, went }
    }

    /// The first of those who went within the window already, by name; `None` when nobody did.
    pub fn went_in_words(&self) -> Option<String> {
        let names: BTreeSet<&str> = self.went.iter().map(|(_, label)| &**label).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let rest = self.gone.saturating_sub(names.len() as u64);
        let rest = if rest == 0 { String::new() } else { format!(" and {}", counted(rest, "other", "others")) };
        (!names.is_empty()).then(|| format!("already went within brake.window: {}{rest}", names.join(", ")))
    }
}

/// The losses of aliases that are held, given who would lose which now (B1).
pub(super) fn hold_aliases(
    losing: &BTreeSet<(UserId, AddressKey)>,
    policy: &Policy,
    window: &AliasWindow,
) -> Option<Hold> {
    let before: Vec<UserId> = window.lost.difference(losing).map(|(user, _)| *user).collect();
    let now = losing.len() as u64;
    hold(BrakeKind::Aliases, now, &before, window.had.max(now + before.len() as u64), policy)
}

/// `went` has those who lost one within the window already, once for each loss.
pub(super) fn hold(kind: BrakeKind, now: u64, went: &[UserId], of: u64, policy: &Policy) -> Option<Hold> {
    let brake = policy.brake;
    let before = went.len() as u64;
    let would_go = now + before;
    #[expect(clippy::cast_precision_loss, reason = "numbers of people are far below 2^52")]
    let share = would_go as f64 * 100.0 > brake.percent * of as f64;
    let limit = if now == 0 {
        return None;
    } else if would_go > brake.at_most {
        format!("more than brake.at_most = {}", brake.at_most)
    } else if would_go > brake.at_least && share {
        format!("more than brake.percent = {} and brake.at_least = {}", brake.percent, brake.at_least)
    } else {
        return None;
    };
    let (are, have) = (plural(would_go, "is", "are"), plural(would_go, "has", "have"));
    let then = "when brake.window began";
    let word = match kind {
        BrakeKind::Missing => &format!("people who had access {then} would be without it"),
        BrakeKind::Disabled => &format!("people who had access {then} {are} disabled in the directory"),
        BrakeKind::Domains => &format!(
            "people who had access {then} {have} the primary address in a domain that is not managed any more, and \
                 would be deleted at once, without the delay, and their rules with them"
        ),
        BrakeKind::Aliases => &format!("aliases that people with access had {then} {are} no longer in the directory"),
        BrakeKind::Memberships => {
            &format!("memberships that people with access had {then} {are} no longer in the directory")
        }
        BrakeKind::Rights => &format!("people who had a mapped role or grant {then} would lose one"),
        BrakeKind::Relinks => "people would be re-linked",
    };
    let window = match before {
        0 => String::new(),
        _ => format!(" ({} of them already went within brake.window)", number(before)),
    };
    let says = format!("{} of {} {word}{window}: {limit}", number(would_go), number(of));
    Some(Hold::new(kind, (would_go, of), says, went.iter().copied()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::policy::Brake;
    use crate::plan::tests::policy;

    /// B1
    #[test]
    fn how_many_of_how_many_are_written_alike() {
        let says = hold(BrakeKind::Missing, 1_710, &[], 12_345, &policy(&[])).map(|hold| hold.says);
        assert!(says.as_deref().is_some_and(|says| says.starts_with("1,710 of 12,345 people")), "{says:?}");
    }

    /// B1
    /// Faults: G12.
    #[test]
    fn a_kind_is_held_above_both_limits_or_above_the_absolute_one() {
        let brake = |now, before, of, at_most| {
            let mut policy = policy(&[]);
            policy.brake = Brake { percent: 10.0, at_least: 5, at_most, window: Duration::from_secs(86_400) };
            hold(BrakeKind::Missing, now, &vec![UserId(1); before], of, &policy).is_some()
        };
        for (now, before, of, at_most, held) in [
            (5, 0, 10, 500, false),
            (6, 0, 10, 500, true),
            (6, 0, 60, 500, false),
            (7, 0, 60, 500, true),
            (3, 4, 60, 500, true),
            (0, 40, 60, 500, false),
            (500, 0, 100_000, 500, false),
            (501, 0, 100_000, 500, true),
        ] {
            assert_eq!(brake(now, before, of, at_most), held, "{now} {before} {of}");
        }
    }
}
