//! Who may have access, said a second time, from the directory as it was when it was read; nothing here is the
//! program's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rosterd::clock::Timestamp;
use rosterd::roster::Passes;

use super::life::{Directory, Mail, Person};
use super::views::{User, Views};

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    Ok,
    Held,
    Incomplete,
    Failed,
    /// The process ended in the middle of it.
    Died,
}

/// What is known of a run.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The directory as the run may have seen it: before and after a change that was made meanwhile.
    pub seen: Vec<Directory>,
    /// Whether absence proves anything: everything was read, and nothing says otherwise.
    pub proven: bool,
    /// Entries that were there and not shown.
    pub hidden: BTreeSet<String>,
    pub ended: Ended,
    /// Whose departure somebody ordered or approved.
    pub approved: bool,
    pub frozen: bool,
    pub managed: Option<BTreeSet<&'static str>>,
    /// By the clock of the machine.
    pub wall: Timestamp,
    /// By a clock that is always right.
    pub time: Timestamp,
    /// Somebody changed the store while the run went on.
    pub meddled: bool,
    /// What was read of all; a clean-up reads nothing.
    pub passes: Passes,
}

/// Why somebody may lose access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cause {
    /// Not shown by a search: what a run that read everything finds out.
    Absent(&'static str),
    /// Read in the entry.
    Read(&'static str),
    /// The stored domain is not managed any more (D2).
    Domain,
}

/// What holds for a whole life.
#[derive(Clone, Debug)]
pub struct Truth {
    /// `deletion.delay`; `None`: never.
    pub delay: Option<Duration>,
    /// How many people may go at once; `None`: any number.
    pub brake: Option<usize>,
    /// Whether the clock ever lied.
    pub clock_lies: bool,
    /// When somebody was flagged, by a clock that is always right.
    flagged: BTreeMap<String, Timestamp>,
}

fn domain(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or_default()
}

impl Facts {
    fn manages(&self, address: &str) -> bool {
        self.managed.as_ref().is_none_or(|managed| managed.contains(domain(&address.to_lowercase())))
    }

    /// Why a user may not have access, as a directory has it; `None` when nothing speaks against it.
    fn cause(&self, directory: &Directory, user: &User) -> Option<Cause> {
        let stored = user.primary.as_ref().is_some_and(|primary| !self.manages(primary));
        let Some(person) = directory.people.get(&user.key) else {
            return Some(if stored { Cause::Domain } else { Cause::Absent("gone") });
        };
        let entry = self.entry_cause(person);
        let ours = matches!(&person.mail, Mail::One(mail) if self.manages(mail));
        if stored && !(ours && person.in_scope()) { Some(Cause::Domain) } else { entry }
    }

    /// Why an entry gives no access.
    fn entry_cause(&self, person: &Person) -> Option<Cause> {
        match () {
            () if person.locked && !person.in_scope() => Some(Cause::Absent("disabled")),
            () if person.locked => Some(Cause::Read("disabled")),
            () if person.unit == super::life::Unit::Former => Some(Cause::Absent("moved-out")),
            () if person.robot => Some(Cause::Absent("filtered-out")),
            () => match &person.mail {
                Mail::None if person.aliases.is_empty() => Some(Cause::Read("no-address")),
                Mail::One(mail) if !self.manages(mail) => Some(Cause::Read("unmanaged-domain")),
                _ => None,
            },
        }
    }

    /// Every cause there is in any directory the run may have seen.
    fn causes(&self, user: &User) -> Vec<Option<Cause>> {
        self.seen.iter().map(|directory| self.cause(directory, user)).collect()
    }

    /// Whether a run may act on a cause.
    fn allows(&self, cause: Cause, user: &User) -> bool {
        let believed = self.proven && !self.frozen;
        match cause {
            Cause::Read("disabled") => true,
            Cause::Absent(_) => believed && !self.hidden.contains(&user.key),
            Cause::Read(_) | Cause::Domain => believed,
        }
    }
}

impl Truth {
    pub fn new(delay: Option<Duration>, brake: Option<usize>) -> Self {
        Self { delay, brake, clock_lies: false, flagged: BTreeMap::new() }
    }

    /// Holds what a run did against what it may and has to do.
    pub fn judge(&mut self, before: &Views, after: &Views, facts: &Facts) {
        let mut lost = [0_usize; 3];
        for (id, was) in &before.users {
            let is = &after.users[id];
            if was.key != is.key {
                self.relinked(was, is, before, facts);
            }
            assert!(facts.passes.users || is.state == "deleted" || was == is, "G7: {was:?} {is:?}");
            if was.access() && !is.access() {
                let kind = self.lost(was, is, facts);
                lost[kind] += 1;
            } else if !was.access() && is.access() {
                self.gained(was, is, facts);
            }
            if was.state != "deleted" && is.state == "deleted" {
                self.deleted(id, was, facts);
            }
        }
        self.remember(before, after, facts);
        let most = self.brake.filter(|_| !facts.approved).map(|least| least.max(before.users.len() / 10));
        assert!(most.is_none_or(|most| lost.iter().all(|lost| *lost <= most)), "B1: {lost:?} went, {most:?} may");
        if !facts.proven || facts.frozen {
            Self::only_grows(before, after);
        }
        if facts.ended == Ended::Ok && facts.proven {
            if facts.passes.users || !facts.passes.groups {
                self.nobody_stays(after, facts);
            }
            if facts.passes.users {
                self.everybody_is_in(before, after, facts);
            }
        }
    }

    /// Nobody who should have access loses it.
    fn lost(&self, was: &User, is: &User, facts: &Facts) -> usize {
        let user = if was.key == is.key { was } else { is };
        let causes: Vec<Cause> = facts.causes(user).into_iter().flatten().collect();
        let allowed = causes.iter().find(|cause| facts.allows(**cause, user));
        let Some(cause) = allowed else { panic!("L: nothing took access from {was:?}, now {is:?}: {causes:?}") };
        match cause {
            Cause::Domain => 2,
            Cause::Absent("disabled") | Cause::Read("disabled") => 1,
            _ => 0,
        }
    }

    /// Nobody comes in whose entry says otherwise.
    fn gained(&self, was: &User, is: &User, facts: &Facts) {
        let fine = facts.seen.iter().any(|directory| facts.cause(directory, is).is_none());
        assert!(fine || is.state == "kept", "L5: {was:?} came back as {is:?}");
    }

    /// Nobody is deleted before the date, or without a cause.
    fn deleted(&self, id: &str, was: &User, facts: &Facts) {
        let causes = facts.causes(was);
        let removed = causes.iter().flatten().any(|cause| matches!(cause, Cause::Domain) && facts.allows(*cause, was));
        if removed {
            return;
        }
        assert!(facts.proven && !facts.frozen, "L6: {was:?} was deleted by a run that proves nothing");
        let allowed = causes.iter().flatten().any(|cause| facts.allows(*cause, was));
        assert!(allowed, "L5, L6: {was:?} was deleted, and is there: {causes:?}");
        let Some(delay) = self.delay else { panic!("L3: {was:?} was deleted, though never") };
        if delay.is_zero() {
            return;
        }
        let due = was.due.as_deref().and_then(Timestamp::parse);
        assert!(due.is_some_and(|due| due <= facts.wall), "L6: {was:?} was deleted before the date, at {}", facts.wall);
        let Some(since) = self.flagged.get(id) else { return };
        let early = (*since + delay).since(facts.time);
        assert!(
            early <= Duration::from_secs(86_400),
            "L10: {was:?} was deleted {early:?} too early, at {}",
            facts.time
        );
    }

    fn remember(&mut self, before: &Views, after: &Views, facts: &Facts) {
        self.flagged.retain(|id, _| after.users[id].state == "pending");
        for (id, user) in after.users.iter().filter(|(_, user)| user.state == "pending") {
            let flagged = user.flagged.as_deref().and_then(Timestamp::parse).unwrap();
            let due = user.due.as_deref().and_then(Timestamp::parse);
            assert_eq!(due.is_some(), self.delay.is_some(), "L3: {user:?}");
            assert!(due.is_none_or(|due| due >= flagged + self.delay.unwrap()), "L3: {user:?}");
            // Of somebody flagged by a clock that was ahead the date is later.
            let anew = before.users.get(id).is_none_or(|was| was.state != "pending");
            if anew && facts.wall <= facts.time {
                self.flagged.insert(id.clone(), facts.time);
            }
        }
    }

    /// I5: only who has both the address and the name of somebody whose entry is gone goes on as that person.
    fn relinked(&self, was: &User, is: &User, before: &Views, facts: &Facts) {
        let like = |person: &Person| {
            let same_name = was.name.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(&person.uid));
            let Mail::One(mail) = &person.mail else { return false };
            same_name && was.primary.as_ref().is_none_or(|primary| primary.eq_ignore_ascii_case(mail))
        };
        let entry = facts.seen.iter().any(|directory| {
            directory.people.get(&is.key).is_some_and(like) && !directory.people.contains_key(&was.key)
        });
        assert!(entry, "I5: {was:?} became {is:?}");
        assert!(before.of(&is.key).is_none_or(|(_, user)| user.state == "deleted"), "I5: {is:?} was known");
    }

    /// E1: from what is not proven nothing is taken.
    fn only_grows(before: &Views, after: &Views) {
        for (id, was) in &before.users {
            let is = &after.users[id];
            let primary = was.primary.as_ref().map(|one| one.to_lowercase());
            let mut aliases = was.addresses.iter().filter(|one| Some(*one) != primary.as_ref());
            let kept = is.state == "deleted" || aliases.all(|alias| is.addresses.contains(alias));
            assert!(kept, "E1: {was:?} lost an alias: {is:?}");
        }
        for (id, was) in &before.groups {
            let is = &after.groups[id];
            assert!(was.state == is.state || is.state == "active", "E1, G6: {was:?} {is:?}");
            let mut members = was.members.iter();
            let kept = members.all(|user| is.members.contains(user) || !after.users[user].access());
            assert!(kept, "E1, G8: {was:?} lost somebody: {is:?}");
        }
    }

    /// Nobody who left keeps access, and nobody waits for deletion beyond the date.
    fn nobody_stays(&self, after: &Views, facts: &Facts) {
        if facts.frozen || facts.meddled {
            return;
        }
        for user in after.users.values().filter(|user| !facts.hidden.contains(&user.key)) {
            let causes = facts.causes(user);
            let out = causes.iter().all(Option::is_some);
            let stays = facts.passes.users && out && user.state == "active";
            assert!(!stays, "L2: {user:?} keeps access: {causes:?}");
            let due = user.due.as_deref().and_then(Timestamp::parse);
            let over = due.is_some_and(|due| due <= facts.wall) && out && user.state == "pending";
            assert!(!over || self.clock_lies, "L6: {user:?} should be deleted by {}", facts.wall);
        }
    }

    /// Whose addresses or name nobody else has or wants.
    fn alone(facts: &Facts, views: &Views, key: &str, person: &Person) -> bool {
        let mine = person.addresses();
        let others = facts.seen.iter().flat_map(|directory| &directory.people).filter(|(other, _)| *other != key);
        let mut others = others.map(|(_, other)| (other.addresses(), other.uid.clone()));
        let wanted = others.any(|(theirs, uid)| uid.eq_ignore_ascii_case(&person.uid) || !theirs.is_disjoint(&mine));
        let has = |user: &User| {
            let name = user.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&person.uid));
            user.key != key && (name || !user.addresses.is_disjoint(&mine))
        };
        !wanted && !views.users.values().any(has)
    }

    /// Everybody who should be in is in, with what the entry says.
    fn everybody_is_in(&self, before: &Views, after: &Views, facts: &Facts) {
        let [directory] = &facts.seen[..] else { return };
        for (key, person) in directory.people.iter().filter(|(key, _)| !facts.hidden.contains(*key)) {
            let Mail::One(mail) = &person.mail else { continue };
            if facts.entry_cause(person).is_some() || !Self::alone(facts, before, key, person) || facts.meddled {
                continue;
            }
            let Some((id, user)) = after.of(key) else { panic!("U1: {person:?} is not in") };
            assert!(user.access(), "L5: {person:?} has no access: {user:?}");
            if facts.frozen {
                continue;
            }
            let addresses: BTreeSet<String> = person.addresses().into_iter().filter(|one| facts.manages(one)).collect();
            let expected =
                (Some(person.dn()), Some(person.uid.clone()), Some(person.surname.clone()), Some(mail.clone()));
            let found = (user.dn.clone(), user.name.clone(), user.surname.clone(), user.primary.clone());
            assert_eq!(found, expected, "U2: {user:?}");
            assert_eq!(user.addresses, addresses, "A2: {user:?}");
            for (team, entry) in directory.teams.iter().filter(|_| facts.passes.groups) {
                let group = after.groups.values().find(|group| group.key == *team);
                let Some(group) = group else { panic!("G1: {entry:?} is not in") };
                assert_eq!((group.state.as_str(), &group.name), ("active", &entry.name), "G2: {group:?}");
                assert_eq!(group.members.contains(id), entry.members.contains(key), "G1, G8: {user:?} in {group:?}");
            }
        }
        let read = facts.passes.groups && !facts.frozen;
        let gone = |group: &&super::views::Group| read && !directory.teams.contains_key(&group.key);
        for group in after.groups.values().filter(gone) {
            assert!(group.state != "active" && group.members.is_empty(), "G6: {group:?}");
        }
    }
}
