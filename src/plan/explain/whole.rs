//! What becomes of the person in a whole run, which decides together with everybody else (B1, E2).

use std::collections::BTreeSet;

use crate::plan::explain::words::says;
use crate::plan::explain::{Bearing, Entry, Explained};
use crate::plan::{Act, BrakeKind, Held, Hold, Loss, Plan, Policy, RightsAct, Since, View, brake};
use crate::roster::words::counted;
use crate::roster::{Enabled, PendingReason, UserId};

/// What is known, without reading anybody else, of the runs that read everybody.
#[derive(Clone, Default, Debug)]
pub struct Whole {
    /// The run that waits for a person.
    pub waits: Option<Waits>,
    /// What the brake says of this departure alone, beside those who went within its window.
    pub hold: Option<Hold>,
    /// Nobody at all is within bases and filter, so that no run believes that anybody is missing (E2).
    pub nobody: bool,
    /// What is different since the last run that ended well.
    pub since: Option<Since>,
}

/// A run that waits for a person (B1).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Waits {
    /// Which.
    pub run: i64,
    /// What it says of itself.
    pub says: String,
    /// What of it concerns the person.
    pub held: Vec<Held>,
    /// How many people it holds.
    pub people: u64,
}

/// What the brake says of one departure, beside those who went within its window; `view` has the index and the window.
pub fn hold_alone((kind, user): (BrakeKind, UserId), policy: &Policy, view: &View) -> Option<Hold> {
    brake::holds(&[(kind, user)].into(), policy, view).pop()
}

/// The kind under which the brake counts the access that the first person of a plan loses.
pub fn ends_access(plan: &Plan) -> Option<BrakeKind> {
    plan.users.iter().flat_map(|change| &change.acts).find_map(access)
}

fn access(act: &Act) -> Option<BrakeKind> {
    match act {
        Act::Flagged { from, reason: PendingReason::Disabled, .. } if from.access() => Some(BrakeKind::Disabled),
        Act::Flagged { from, .. } | Act::Parted { from, .. } if from.access() => Some(BrakeKind::Missing),
        Act::Removed { from, .. } if from.access() => Some(BrakeKind::Domains),
        _ => None,
    }
}

impl Explained<'_> {
    /// What a run would do now.
    pub(super) fn next(&mut self) {
        if matches!(self.facts.entry, Entry::Unreached(_) | Entry::NotRead(..)) {
            return;
        }
        let names = &self.facts.policy.names;
        let access = self.facts.account.is_none_or(|account| account.state.access());
        let acts: Vec<(&'static str, &'static str, String)> =
            self.acts().map(|act| (act.rule(), self.when_act(act), says(act, access, names))).collect();
        if self.locks_out() {
            self.say("U8", "next run", Bearing::Note, "takes access away (disabled), while the brake holds the domain");
        }
        let nothing = acts.is_empty() && self.facts.plan.groups.is_empty();
        for (rule, when, says) in acts {
            self.say(rule, when, Bearing::Note, says);
        }
        for group in &self.facts.plan.groups {
            let leaves = group.joins.is_empty();
            let kind = leaves.then_some(BrakeKind::Memberships);
            let where_to = if leaves { "out of" } else { "into" };
            self.say("G1", self.when(kind), Bearing::Note, format!("{where_to} the group `{}`", group.name));
        }
        if nothing {
            self.say("U3", "next run", Bearing::Fine, "changes nothing");
        }
        if !self.losses().is_empty() || self.facts.whole.nobody {
            self.whole_run();
        }
    }

    fn when_act(&self, act: &Act) -> &'static str {
        let relinks = matches!(act, Act::Relinked { .. }) && self.held().any(|held| held.loses == Loss::Relink);
        if relinks { "if let go" } else { self.when(self.kind(act)) }
    }

    /// When something happens of which a whole run decides together with everybody else.
    fn when(&self, kind: Option<BrakeKind>) -> &'static str {
        match kind {
            Some(kind) if self.held().any(|held| held.kind == kind) => "if let go",
            Some(_) if self.facts.whole.nobody => "if believed",
            Some(_) => "if not held",
            None => "next run",
        }
    }

    /// Whether a run holds that the person goes with a domain, access or not (D2).
    fn waits_with_domain(&self) -> bool {
        self.held().any(|held| matches!(held.loses, Loss::Removed(_)))
    }

    /// Whether the next run takes access by a lock, while the brake holds that the person goes with a domain (D2, U8).
    fn locks_out(&self) -> bool {
        let disabled = matches!(self.facts.entry, Entry::Read(person) if matches!(person.enabled, Enabled::No(_)));
        let access = self.facts.account.is_some_and(|account| account.state.access());
        disabled && access && self.waits_with_domain()
    }

    /// Under which kind the brake counts what happens.
    fn kind(&self, act: &Act) -> Option<BrakeKind> {
        match act {
            Act::AliasRemoved { address, .. } => {
                let becomes = |other: &Act| match other {
                    Act::Updated(fields) => fields.iter().any(|field| field.after.as_deref() == Some(address.as_str())),
                    _ => false,
                };
                (!self.acts().any(becomes)).then_some(BrakeKind::Aliases)
            }
            Act::Rights(act) => self.lowers(act).then_some(BrakeKind::Rights),
            // Not braked, as the flag was, but not carried out either.
            Act::Deleted { .. } if self.facts.whole.nobody => Some(BrakeKind::Missing),
            Act::Removed { .. } if self.waits_with_domain() => Some(BrakeKind::Domains),
            other => access(other),
        }
    }

    fn lowers(&self, act: &RightsAct) -> bool {
        let roles = &self.facts.policy.rights.roles;
        let rank = |role: &str| roles.iter().position(|one| *one.name == *role).unwrap_or(roles.len());
        match act {
            RightsAct::Revoked { .. } => true,
            RightsAct::Role { before: Some(before), after, .. } => {
                after.as_deref().is_none_or(|after| rank(after) > rank(before))
            }
            _ => false,
        }
    }

    /// The kinds of what the person would lose.
    pub(super) fn losses(&self) -> BTreeSet<BrakeKind> {
        let leaves = self.facts.plan.groups.iter().any(|group| !group.leaves.is_empty());
        let groups = leaves.then_some(BrakeKind::Memberships);
        self.acts().filter_map(|act| self.kind(act)).chain(groups).collect()
    }

    /// What the run that waits holds of the person; who has no access any more cannot lose it, but can go with a domain.
    pub(super) fn held(&self) -> impl Iterator<Item = &Held> {
        let access = self.facts.account.is_some_and(|account| account.state.access());
        let all = self.facts.whole.waits.iter().flat_map(|waits| &waits.held);
        all.filter(move |held| access || matches!(held.loses, Loss::Things(_) | Loss::Removed(_)))
    }

    /// What waits of this person (B1).
    pub(super) fn waits(&mut self) {
        let run = self.facts.whole.waits.as_ref().map(|waits| waits.run).unwrap_or_default();
        let losses: Vec<Loss> = self.held().map(|held| held.loses.clone()).collect();
        for loses in losses {
            let what = match &loses {
                Loss::Access(reason) => format!("would have taken access ({reason})"),
                Loss::Dormant => "would have taken access (dormant)".to_owned(),
                Loss::Removed(_) => format!("would have deleted the person at once, rules too ({})", loses.why()),
                Loss::Relink => "would have gone on with the user under a new entry".to_owned(),
                Loss::Things(what) => format!("would have taken {what}"),
            };
            let says = format!("run {run} {what} and held that; it waits for `rosterd approve {run}`");
            self.say("B1", "held", Bearing::Note, says);
        }
    }

    /// Why a whole run may do something else than what is read of one person.
    fn whole_run(&mut self) {
        let whole = &self.facts.whole;
        let brake = self.facts.policy.brake;
        let held = self.losses().iter().all(|kind| self.held().any(|held| held.kind == *kind));
        if whole.nobody && !self.losses().is_empty() {
            let says = "nobody at all is found under users.base_dns with users.filter: no whole run believes that, it \
                        ends incomplete and takes nothing from anybody";
            self.say("E2", "not believed", Bearing::Note, says);
        } else if let Some(hold) = whole.hold.as_ref().filter(|_| !held) {
            self.say("B1", "whole run", Bearing::Note, format!("holds this: {}", hold.says));
        } else if !held {
            let says = format!(
                "decides together with everybody else: what more than brake.percent = {} and brake.at_least = {}, or \
                 more than brake.at_most = {}, would lose at once is held, and nobody loses it",
                brake.percent, brake.at_least, brake.at_most
            );
            self.say("B1", "whole run", Bearing::Note, says);
        }
        if let Some(waits) = whole.waits.as_ref().filter(|waits| waits.held.is_empty()) {
            let (run, people) = (waits.run, counted(waits.people, "person", "people"));
            let says = match waits.people {
                0 => format!("run {run} waits for a person: {}", waits.says),
                _ => format!("run {run} holds {people} and waits for a person; this one is not among them yet"),
            };
            self.say("B1", "waits", Bearing::Note, says);
        }
        if let Some(since) = whole.since.as_ref().filter(|since| !since.changes.is_empty()) {
            let says = format!("since run {}, the last that ended well: {}", since.run, since.changes.join("; "));
            self.say("B1", "changed", Bearing::Note, says);
        }
    }

    /// What to do about something that the person would lose; `who` as a command names the person.
    pub(super) fn about_losses(&self, who: &str) -> String {
        let whole = &self.facts.whole;
        let remedy = self.remedy();
        let what = match self.acts().find_map(access) {
            _ if self.acts().any(|act| matches!(act, Act::Removed { .. })) => "deletes the person at once, rules too,",
            Some(_) => "takes access away",
            None => "does this",
        };
        let alone =
            format!("Careful: `rosterd sync --user '{who}'` {what} now, for this person alone; no brake stops that.");
        let held = self.held().any(|held| self.losses().contains(&held.kind));
        let run = match (&whole.waits, &whole.hold) {
            _ if whole.nobody => {
                return format!(
                    "No whole run {what} as it is. Correct users.filter or users.base_dns, and run `rosterd \
                     sync`: nothing has to be approved. {alone}"
                );
            }
            (Some(waits), _) if held => {
                let run = waits.run;
                let others = match waits.people.saturating_sub(1) {
                    0 => String::new(),
                    others => format!(", and {} with this one", counted(others, "other", "others")),
                };
                let lost = match self.facts.account {
                    _ if self.locks_out() => "but access goes with the lock",
                    Some(account) if !account.state.access() => "and the person stays, without access",
                    _ => "and nothing is lost",
                };
                return format!(
                    "The brake holds this, {lost}: `rosterd runs show {run}` shows it; if it is right, \
                     `rosterd approve {run}` lets it go{others}; if it is a mistake, {remedy}, and run `rosterd sync`. \
                     {alone}"
                );
            }
            (_, Some(_)) => "The next run holds this, and nothing is lost before `rosterd approve`".to_owned(),
            _ => format!("A whole run {what} unless too many would lose something: `rosterd plan` tells"),
        };
        format!("{run}. If it is a mistake, {remedy}, and run `rosterd sync`. {alone}")
    }

    /// What makes the loss end, the configuration included.
    fn remedy(&self) -> &'static str {
        let remedy = self.acts().find_map(|act| match act {
            Act::Flagged { reason, .. } => Some(match reason {
                PendingReason::FilteredOut => "correct users.filter, or the entry",
                PendingReason::MovedOut => "correct users.base_dns, or move the entry back",
                PendingReason::Gone if self.facts.successor.is_some() => {
                    "give the new entry that is named above the username and the address of before"
                }
                PendingReason::Gone | PendingReason::SourceRemoved => "bring the entry back",
                PendingReason::Disabled => "enable the entry, or correct [[users.disabled]]",
                PendingReason::NoAddress => "give the entry an address, or correct users.attributes",
                PendingReason::UnmanagedDomain => "correct domains.managed, or the address in the entry",
                PendingReason::NoRole => "put the person into a group of a [[role]] or [[grant]], or correct these",
            }),
            Act::Removed { .. } => Some("put the domain back into domains.managed"),
            Act::Parted { .. } => Some("put the address back into the entry"),
            _ => None,
        });
        remedy.unwrap_or("put the directory or the configuration right")
    }
}
