//! Who may be in a group after a run, and which user a member stands for (G1, G3).

use foldhash::{HashMap, HashMapExt as _, HashSet};

use crate::plan::{Act, UserChange, UserRef, View};
use crate::roster::address::fold;
use crate::roster::{Digest, Dn, FieldId, Known, MemberRef, Person, Positions, State, UserId};

/// What becomes of somebody in this run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// Has access.
    Access,
    /// Has none; memberships are frozen (L4).
    Frozen,
    /// Deleted; memberships go with the user (L6).
    Gone,
}

/// Who may be in a group after this run, and who stands at which DN.
pub(super) struct Members<'a> {
    view: &'a View,
    /// By digest of the DN: this run's entries, else what the store knows.
    by_dn: HashMap<Digest, UserRef>,
    /// What becomes of those whose state changes.
    after: HashMap<UserRef, After>,
    /// State in the store.
    states: HashMap<UserId, State>,
    /// Who was known by another unique id before, or by none: by digest of the entry's (I5, M2).
    became: HashMap<Digest, UserRef>,
    /// By digest of the folded username; nobody where no group names members so.
    by_name: HashMap<Digest, UserRef>,
}

impl<'a> Members<'a> {
    /// After these changes, with those whose entry was read standing at these places; `by_name` says that groups name
    /// members by username.
    pub fn new(
        view: &'a View,
        unchanged: &Positions,
        (changes, places, frozen): (&[UserChange], &[(Digest, UserRef)], &[UserId]),
        by_name: bool,
    ) -> Self {
        let mut by_dn: HashMap<Digest, UserRef> = HashMap::with_capacity(view.index.len() + places.len());
        // Whoever was read stands where the entry stands now, and nowhere else.
        let known = |(_, user): &(Digest, UserRef)| if let UserRef::Known(id) = user { Some(*id) } else { None };
        let read: HashSet<UserId> = places.iter().filter_map(known).collect();
        let standing: Vec<(usize, &Known)> = view
            .index
            .iter()
            .enumerate()
            .filter(|(_, known)| !known.state.tombstone() && !read.contains(&known.id))
            .collect();
        // A DN is used again: of two who stood there, the one who was seen counts, then the one who has access.
        for (seen, access) in [(false, false), (false, true), (true, false), (true, true)] {
            let these = standing
                .iter()
                .filter(|(position, known)| (unchanged.contains(*position), known.state.access()) == (seen, access));
            by_dn.extend(these.map(|(_, known)| (known.dn, UserRef::Known(known.id))));
        }
        by_dn.extend(places.iter().copied());
        let mut after: HashMap<UserRef, After> =
            changes.iter().filter_map(|change| Some((change.subject, after(&change.acts)?))).collect();
        after.extend(frozen.iter().map(|user| (UserRef::Known(*user), After::Frozen)));
        let states = view.index.iter().map(|known| (known.id, known.state)).collect();
        let became = changes.iter().filter_map(became).collect();
        let mut members = Self { view, by_dn, after, states, became, by_name: HashMap::new() };
        if by_name {
            members.by_name = members.names(changes);
        }
        members
    }

    /// The same before anything is decided: who was read bears the name the entry says, unless somebody whose name it
    /// is already keeps it.
    pub fn before(view: &'a View, unchanged: &Positions, people: &[Box<Person>], by_name: bool) -> Self {
        let known = |person: &Person| view.index.find(person.key.digest()).map(|known| UserRef::Known(known.id));
        let user = |person: &Person| known(person).unwrap_or_else(|| UserRef::New(person.key.digest()));
        let name = |person: &Person| person.fields.first(FieldId::USERNAME).map(|name| Digest::of(fold(name)));
        let places: Vec<_> = people.iter().map(|person| (Dn::digest_of(&person.dn), user(person))).collect();
        let mut members = Self::new(view, unchanged, (&[], &places, &[]), by_name);
        if !by_name {
            return members;
        }
        let says: HashMap<UserRef, Option<Digest>> = people.iter().map(|person| (user(person), name(person))).collect();
        members.by_name.retain(|name, user| says.get(user).is_none_or(|says| *says == Some(*name)));
        for person in people {
            if let Some(name) = name(person) {
                members.by_name.entry(name).or_insert_with(|| user(person));
            }
        }
        members
    }

    /// Users by the name they have after this run; of two who bore it the one who has access.
    fn names(&self, changes: &[UserChange]) -> HashMap<Digest, UserRef> {
        let renamed: HashMap<UserRef, Option<&str>> =
            changes.iter().filter_map(|change| Some((change.subject, name_after(&change.acts)?))).collect();
        let stored = self.view.usernames.iter().map(|(name, user)| (*name, UserRef::Known(*user)));
        let mut names: Vec<(bool, Digest, UserRef)> = stored
            .filter(|(_, user)| !renamed.contains_key(user))
            .map(|(name, user)| (self.has_access(user), name, user))
            .collect();
        let digest = |name: &str| Digest::of(fold(name));
        names.extend(renamed.iter().filter_map(|(user, name)| Some((self.has_access(*user), digest((*name)?), *user))));
        names.sort_unstable();
        names.into_iter().map(|(_, name, user)| (name, user)).collect()
    }

    /// The user a member stands for.
    pub fn user(&self, member: MemberRef) -> Option<UserRef> {
        match member {
            MemberRef::Dn(dn) => self.by_dn.get(&dn).copied(),
            MemberRef::Username(name) => self.by_name.get(&name).copied(),
            // Who that is, people's entries say.
            MemberRef::Primary(_) => None,
        }
    }

    /// The user with an entry of this unique id.
    pub fn with_key(&self, key: Digest) -> UserRef {
        let known = || self.view.index.find(key).map(|known| UserRef::Known(known.id));
        self.became.get(&key).copied().or_else(known).unwrap_or(UserRef::New(key))
    }

    /// Whether somebody has access after this run; memberships of everybody else are frozen (L4).
    pub fn has_access(&self, user: UserRef) -> bool {
        let before = || match user {
            UserRef::Known(id) => self.states.get(&id).is_some_and(|state| state.access()),
            UserRef::New(_) => false,
        };
        self.after.get(&user).map_or_else(before, |after| *after == After::Access)
    }

    /// Whether somebody is deleted in this run, and every membership with the user.
    pub fn is_gone(&self, user: UserId) -> bool {
        self.after.get(&UserRef::Known(user)) == Some(&After::Gone)
    }

    /// Everybody who has access after this run.
    pub fn with_access(&self) -> impl Iterator<Item = UserRef> {
        let known = |user: &UserRef| matches!(user, UserRef::Known(id) if self.states.contains_key(id));
        let newcomers = self.after.keys().copied().filter(move |user| !known(user));
        let all = self.view.index.iter().map(|known| UserRef::Known(known.id));
        all.chain(newcomers).filter(|user| self.has_access(*user))
    }
}

/// The username after these acts; `None` when they leave it as it is.
fn name_after(acts: &[Act]) -> Option<Option<&str>> {
    acts.iter().rev().find_map(|act| match act {
        Act::Added(new) | Act::Revived(new) => Some(new.fields.first(FieldId::USERNAME)),
        Act::Parted { .. } => Some(None),
        Act::Updated(fields) => {
            let name = fields.iter().find(|field| field.field == Some(FieldId::USERNAME))?;
            Some(name.after.as_deref())
        }
        _ => None,
    })
}

/// The unique id that somebody gets who is in the store.
fn became(change: &UserChange) -> Option<(Digest, UserRef)> {
    change.acts.iter().find_map(|act| match act {
        Act::Parted { key, heir, .. } => Some((key.digest(), *heir)),
        Act::Relinked { after: key, .. } | Act::Linked { key, .. } | Act::Crossed { key, .. } => {
            Some((key.digest(), change.subject))
        }
        _ => None,
    })
}

/// What becomes of somebody by these acts; `None` when they leave it as it is.
fn after(acts: &[Act]) -> Option<After> {
    acts.iter().rev().find_map(|act| match act {
        // A manual account that is linked was not in the index before.
        Act::Added(_) | Act::Revived(_) | Act::Restored { .. } | Act::Linked { .. } => Some(After::Access),
        // Neither was somebody of another source.
        Act::Crossed { from, .. } if from.access() => Some(After::Access),
        Act::Woken { .. } => Some(After::Access),
        Act::Flagged { .. } | Act::Crossed { .. } => Some(After::Frozen),
        Act::Parted { .. } | Act::Deleted { .. } | Act::Removed { .. } => Some(After::Gone),
        _ => None,
    })
}
