//! What is contested, and between whom, as a value.

use std::fmt;

use crate::plan::UserRef;
use crate::roster::UniqueId;
use crate::roster::account::written;

/// The store's number of a conflict, as `roster_conflicts.id`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConflictId(pub i64);

/// The kinds of conflict this version knows; `pending-deletion` goes with the flag and is kept by the store itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConflictKind {
    /// Somebody waits for deletion (L2).
    PendingDeletion,
    /// Two people claim one address (A4).
    AddressTaken,
    /// Two people claim one username (U7).
    UsernameTaken,
    /// A newcomer resembles a known person (I5).
    MaybeSamePerson,
    /// Two entries bear one configured unique id (I7).
    DuplicateId,
    /// Two sources see one person (I8).
    Overlap,
}

written!(ConflictKind {
    PendingDeletion = "pending-deletion",
    AddressTaken = "address-taken",
    UsernameTaken = "username-taken",
    MaybeSamePerson = "maybe-same-person",
    DuplicateId = "duplicate-id",
    Overlap = "overlap",
});

/// A conflict that is to be open after the run.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Conflict {
    /// What is contested.
    pub kind: ConflictKind,
    /// The folded address or name, for `maybe-same-person` the one that is the same; a unique id for `duplicate-id`.
    pub subject: String,
    /// The present owner.
    pub owner: Option<UserRef>,
    /// One sentence that names both parties and what settles it.
    pub detail: String,
    /// The unique id of the newcomer, for `maybe-same-person` (I5).
    pub other: Option<UniqueId>,
}

/// A conflict that is open in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenConflict {
    /// Its number.
    pub id: ConflictId,
    /// The same words as when it was opened.
    pub conflict: Conflict,
}

/// Somebody who claims an address or a username that somebody else has (A4, U7), as [`Conflict::detail`] names them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Claimant {
    /// What people call them.
    pub label: String,
    /// The entry.
    pub dn: String,
    /// What the thing would be: `primary address`, `alias`, `username`.
    pub wants: String,
}

/// What stands before the claimants of a contested thing, and after them.
const CLAIMED_BY: &str = "claimed by ";
const BELONGS_TO: &str = ", but it belongs to ";
/// What stands before the way out.
const SETTLED: &str = "; it is settled ";

impl fmt::Display for Claimant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}) as {}", self.label, self.dn, self.wants)
    }
}

impl Claimant {
    /// The sentence on a contested thing: claimants as they are written, and the present owner in words.
    pub(super) fn sentence(claimants: &str, owner: &str) -> String {
        format!(
            "{CLAIMED_BY}{claimants}{BELONGS_TO}{owner}{SETTLED}when one of them gives it up in the directory, or \
             when the owner is deleted"
        )
    }

    /// The present owner in the words of such a sentence.
    pub fn owner_in(detail: &str) -> Option<&str> {
        let (_, owner) = detail.strip_prefix(CLAIMED_BY)?.split_once(BELONGS_TO)?;
        Some(owner.split_once(SETTLED).map_or(owner, |(owner, _)| owner))
    }

    /// Everybody whom the sentence on a contested thing names; nobody where it is about something else.
    pub fn named_in(detail: &str) -> Vec<Self> {
        let named = detail.strip_prefix(CLAIMED_BY).and_then(|rest| rest.split_once(BELONGS_TO));
        let mut rest = named.map_or("", |(named, _)| named);
        let mut all = Vec::new();
        while let Some((one, after)) = Self::first(rest) {
            all.push(one);
            rest = after;
        }
        all
    }

    fn first(text: &str) -> Option<(Self, &str)> {
        let (label, rest) = text.strip_prefix('`')?.split_once("` (")?;
        let (dn, rest) = rest.split_once(") as ")?;
        let (wants, rest) = rest.split_once(", ").unwrap_or((rest, ""));
        Some((Self { label: label.to_owned(), dn: dn.to_owned(), wants: wants.to_owned() }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A4: whoever claims something is found again in the sentence that says so.
    #[test]
    fn claimants_are_read_from_the_sentence_that_names_them() {
        let one = |label: &str, dn: &str, wants: &str| Claimant {
            label: label.to_owned(),
            dn: dn.to_owned(),
            wants: wants.to_owned(),
        };
        let all = vec![
            one("bob", "uid=bob,ou=people,dc=example,dc=com", "primary address"),
            one("eve (the second)", "cn=Eve \\, X (temp),dc=example", "alias"),
        ];
        let written = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let sentence = Claimant::sentence(&written, "`ada` (uid=ada)");
        assert_eq!(Claimant::named_in(&sentence), all);
        assert_eq!(Claimant::owner_in(&sentence), Some("`ada` (uid=ada)"));
        assert_eq!(Claimant::named_in("the unique id `7` is borne by `a` and `b`"), []);
    }
}
