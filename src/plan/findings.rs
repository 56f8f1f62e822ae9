//! What is written down beside the changes: conflicts, and what was left out with the reason.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::plan::departures;
use crate::plan::people::People;
use crate::plan::view::{DUPLICATE_ID, NOT_JUDGED, UNREADABLE};
use crate::plan::wishes::{Finding, Wish};
use crate::plan::{Claimant, Conflict, ConflictId, ConflictKind, OpenConflict, Policy, UserRef, View};
use crate::roster::skipped::UNJUDGED;
use crate::roster::{Account, Dn, PendingReason, Person, Skip, UniqueId};

const NO_ROLE: &str = "no mapped group gives a role or a grant";

/// Collects findings; the order in which they come does not matter.
#[derive(Default)]
pub(super) struct Findings {
    skips: BTreeSet<Skip>,
    contests: BTreeMap<(ConflictKind, String), Contest>,
    /// What is not contested between claims: resemblances (I5), ids that two entries bear (I7).
    others: BTreeMap<(ConflictKind, String), Conflict>,
}

impl<'a> People<'a> {
    /// Unique ids that two entries bore at the last complete read, of which a partial one may show only the wrong one (I7).
    pub(super) fn borne_twice(&self) -> BTreeSet<&'a str> {
        let (view, proven) = (self.view, self.proven);
        let open = view.conflicts.iter().map(|open| &open.conflict).filter(|_| !proven);
        open.filter(|open| open.kind == ConflictKind::DuplicateId).map(|open| open.subject.as_str()).collect()
    }

    /// Whether an entry has the id of somebody who stood elsewhere: a partial read does not tell a move from a second
    /// entry with a configured id (I7).
    pub(super) fn may_be_double(&self, person: &Person, account: Option<&Account>) -> bool {
        let living = account.filter(|account| !self.proven && self.policy.configured_id && !account.state.tombstone());
        let stood = living.and_then(|account| account.dn.as_deref());
        stood.is_some_and(|stood| Dn::digest_of(stood) != Dn::digest_of(&person.dn))
    }
}

/// What becomes of conflicts.
#[derive(Default)]
pub(super) struct Conflicts {
    pub opened: Vec<Conflict>,
    /// Open ones whose parties are others now.
    pub reworded: Vec<Conflict>,
    pub resolved: Vec<ConflictId>,
}

struct Contest {
    holder: Option<(UserRef, String)>,
    losers: BTreeSet<String>,
}

impl Findings {
    /// Whether somebody unknown may come in; if not, the reason is written down (U4, U8, A1, A6, D1).
    pub fn admit(
        &mut self,
        (person, wish): (&Person, &Wish),
        reason: Option<PendingReason>,
        (policy, view): (&Policy, &View),
    ) -> bool {
        let nothing_usable = wish.primary.is_none() && policy.address_required;
        let malformed = wish.findings.iter().any(|(reason, ..)| *reason == "malformed-address");
        // With the address, so that whoever asks for it finds the entry.
        let asks = || wish.primary.as_ref().map_or_else(String::new, |it| format!("; the address would be `{it}`"));
        let (reason, rule, detail) = match reason {
            Some(PendingReason::Disabled) => ("disabled", "U4", departures::disabled(person) + &asks()),
            _ if let Some(doubt) = person.enabled.doubt().map(str::to_owned).or_else(|| view.hidden_test(policy)) => {
                let says =
                    format!("nobody who may be disabled is let in, and a disabled test cannot be judged: {doubt}");
                (UNREADABLE, UNJUDGED, says + &asks())
            }
            Some(PendingReason::UnmanagedDomain) => {
                let address = wish.unmanaged.as_ref().map(ToString::to_string).unwrap_or_default();
                ("unmanaged-domain", "D1", format!("the primary address `{address}` is in no managed domain"))
            }
            None if nothing_usable && malformed => {
                ("malformed-address", "A6", "no well-formed address is left to be the primary".to_owned())
            }
            Some(_) | None if nothing_usable => ("no-address", "A1", "no address that can be the primary".to_owned()),
            Some(PendingReason::NoRole) => ("no-role", "R3", NO_ROLE.to_owned()),
            Some(other) => (other.as_str(), "L2", String::new()),
            None => return true,
        };
        self.skip(person, reason, rule, detail);
        false
    }

    /// Somebody who is in, and of whom nobody can tell whether the entry is disabled (U8).
    pub fn maybe_disabled(&mut self, person: &Person) {
        if let Some(doubt) = person.enabled.doubt() {
            let says = format!("the state stays as it is, because a disabled test cannot be judged: {doubt}");
            self.skip(person, UNREADABLE, UNJUDGED, says);
        }
    }

    /// Somebody whose entry is as it was, and who is out at once for want of a role (R3).
    pub fn without_role(&mut self, account: &Account) {
        self.skips.insert(Skip {
            dn: account.dn.clone().unwrap_or_default(),
            unique_id: account.key.as_ref().map(ToString::to_string),
            reason: Cow::Borrowed("no-role"),
            rule: Cow::Borrowed("R3"),
            detail: NO_ROLE.to_owned(),
        });
    }

    /// Somebody whom the search did not show, and of whom nobody can tell why (L2).
    pub fn unjudged(&mut self, account: &Account, says: &str) {
        self.skips.insert(Skip {
            dn: account.dn.clone().unwrap_or_default(),
            unique_id: account.key.as_ref().map(ToString::to_string),
            reason: Cow::Borrowed(NOT_JUDGED),
            rule: Cow::Borrowed("L2"),
            detail: says.to_owned(),
        });
    }

    /// Single values of one person that were left out.
    pub fn values(&mut self, person: &Person, findings: &[Finding]) {
        for (reason, rule, detail) in findings {
            self.skip(person, reason, rule, detail.clone());
        }
    }

    /// Left out because a manual account has the address (M2).
    pub fn matched(&mut self, person: &Person, account: &str) {
        let says = format!("the manual account `{account}` has the primary address, and users.on_match is \"skip\"");
        self.skip(person, "matched", "M2", says);
    }

    /// A newcomer, or somebody who would come back, who has to wait.
    ///
    /// With what is missed, and who has it.
    pub fn waits_outside(&mut self, person: &Person, address: Option<(&str, &str)>, name: Option<(&str, &str)>) {
        if let Some((address, holder)) = address {
            let says = format!("the primary address `{address}` belongs to {holder}");
            self.skip(person, "address-taken", "A4", says);
        }
        if let Some((name, holder)) = name {
            self.skip(person, "username-taken", "U7", format!("the username `{name}` belongs to {holder}"));
        }
    }

    /// A newcomer who would be re-linked, if there were not so many of them (I5).
    pub fn waits_for_approval(&mut self, person: &Person, old: &str) {
        let says =
            format!("would be re-linked to `{old}`, but too many would be in one run; `rosterd approve` lets them");
        self.skip(person, "held", "I5", says);
    }

    /// A newcomer whose address somebody dormant remembers, whose entry may still be there for all a partial read tells.
    pub fn not_proven(&mut self, person: &Person) {
        let says =
            "the address is that of a former user; a complete run tells whether this is the same person".to_owned();
        self.skip(person, "incomplete", "I6", says);
    }

    /// An entry elsewhere than that of its user, in a partial read (I7).
    pub fn may_be_double(&mut self, person: &Person, account: Option<&Account>) {
        let stood = account.and_then(|account| account.dn.as_deref()).unwrap_or_default();
        let says =
            format!("its user stood at `{stood}`; a complete run tells whether the entry was moved or is a second one");
        self.skip(person, "incomplete", "I7", says);
    }

    /// A conflict that is no contest between claims: a newcomer may be somebody whom the store knows (I5; of several who
    /// resemble one the lowest unique id counts), or somebody is seen by two sources (I8).
    pub fn stands(&mut self, conflict: Conflict) {
        self.others.entry((conflict.kind, conflict.subject.clone())).or_insert(conflict);
    }

    /// Whether anybody may be somebody else.
    pub fn any_resemblance(&self) -> bool {
        self.others.keys().any(|(kind, _)| *kind == ConflictKind::MaybeSamePerson)
    }

    /// Drops what is over with this run.
    pub fn drop_resemblances(&mut self, is_over: impl Fn(&Conflict) -> bool) {
        self.others.retain(|_, conflict| !is_over(conflict));
    }

    /// Two entries with one value of a configured unique id: neither was applied, and a user who has it stays (I7).
    pub fn duplicate_ids(&mut self, skips: &[Skip], view: &View) {
        let mut bearers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for skip in skips.iter().filter(|skip| skip.reason == DUPLICATE_ID) {
            bearers.entry(skip.unique_id.as_deref().unwrap_or_default()).or_default().insert(&skip.dn);
        }
        for (id, mut dns) in bearers {
            let known = UniqueId::new(id).and_then(|key| view.index.find(key.digest()));
            let account = known.and_then(|known| view.accounts.get(&known.id));
            // The one that was applied before may have been read first.
            dns.extend(account.and_then(|account| account.dn.as_deref()).filter(|_| dns.len() == 1));
            let dns = dns.iter().map(|dn| format!("`{dn}`")).collect::<Vec<_>>().join(" and ");
            let stays =
                account.map(|account| format!(", and `{}` stays as it is", account.label())).unwrap_or_default();
            let detail = format!(
                "the unique id `{id}` is borne by {dns}; neither is applied{stays}; it is settled when only one of \
                 them bears it in the directory"
            );
            let (kind, subject) = (ConflictKind::DuplicateId, id.to_owned());
            let owner = known.map(|known| UserRef::Known(known.id));
            self.others.insert((kind, subject.clone()), Conflict { kind, subject, owner, detail, other: None });
        }
    }

    /// Somebody claims what somebody else has.
    pub fn contest(
        &mut self,
        kind: ConflictKind,
        subject: &str,
        (loser, dn): (&str, &str),
        claimed_as: &str,
        holder: Option<(UserRef, String)>,
    ) {
        let contest = self.contests.entry((kind, subject.to_owned()));
        let contest = contest.or_insert_with(|| Contest { holder, losers: BTreeSet::new() });
        let claimant = Claimant { label: loser.to_owned(), dn: dn.to_owned(), wants: claimed_as.to_owned() };
        contest.losers.insert(claimant.to_string());
    }

    fn skip(&mut self, person: &Person, reason: &'static str, rule: &'static str, detail: String) {
        self.skips.insert(Skip {
            dn: person.dn.to_string(),
            unique_id: Some(person.key.to_string()),
            reason: Cow::Borrowed(reason),
            rule: Cow::Borrowed(rule),
            detail,
        });
    }

    /// Adds what was found elsewhere.
    pub fn extend(&mut self, other: Self) {
        self.skips.extend(other.skips);
        self.contests.extend(other.contests);
        self.others.extend(other.others);
    }

    /// Adds rows of `roster_skipped`.
    pub fn add_skips(&mut self, skips: impl IntoIterator<Item = Skip>) {
        self.skips.extend(skips);
    }

    /// All conflicts of now, compared with the open ones.
    ///
    /// A conflict that is open stays open while the thing is contested, whoever the parties are; from a partial read
    /// none is resolved or worded anew, because those who did not show up may still claim. Those of `lasting` stand for
    /// reasons of their own.
    pub fn conflicts(&self, open: &[OpenConflict], proven: bool, lasting: &BTreeSet<ConflictId>) -> Conflicts {
        let known: BTreeMap<_, _> = open.iter().map(|one| ((one.conflict.kind, &*one.conflict.subject), one)).collect();
        let mut conflicts = Conflicts::default();
        let contests = self.contests.iter().map(|((kind, subject), contest)| contest.conflict(*kind, subject));
        let now: Vec<Conflict> = contests.chain(self.others.values().cloned()).collect();
        let found: BTreeSet<_> = now.iter().map(|now| (now.kind, now.subject.clone())).collect();
        for now in now {
            match known.get(&(now.kind, &*now.subject)) {
                None => conflicts.opened.push(now),
                // A question about somebody who is in by now is not given up for a newcomer who waits outside.
                Some(one) if proven && one.conflict != now && !lasting.contains(&one.id) => {
                    conflicts.reworded.push(now)
                }
                Some(_) => {}
            }
        }
        let over = |one: &&OpenConflict| {
            !found.contains(&(one.conflict.kind, one.conflict.subject.clone())) && !lasting.contains(&one.id)
        };
        conflicts.resolved = open.iter().filter(|one| proven && over(one)).map(|one| one.id).collect();
        conflicts
    }

    /// The rows of `roster_skipped`, in order.
    pub fn into_skips(self) -> Vec<Skip> {
        self.skips.into_iter().collect()
    }
}

impl Contest {
    fn conflict(&self, kind: ConflictKind, subject: &str) -> Conflict {
        let losers = self.losers.iter().cloned().collect::<Vec<_>>().join(", ");
        let holder = self.holder.as_ref().map_or("somebody else", |(_, text)| text);
        let detail = Claimant::sentence(&losers, holder);
        Conflict {
            kind,
            subject: subject.to_owned(),
            owner: self.holder.as_ref().map(|(user, _)| *user),
            detail,
            other: None,
        }
    }
}
