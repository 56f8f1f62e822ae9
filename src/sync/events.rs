//! What a run says in the log: one line an event, with the names of the contract.

use tracing::{debug, error, info, warn};

use crate::plan::{Act, Conflict, ConflictId, GroupAct, GroupChange, Plan, Proof, Since, UserChange, held_sentence};
use crate::roster::words::{chain, counted};
use crate::store::rows::RunRow;
use crate::store::{Outcome, RunId, RunStart, Stamp};
use crate::sync::{Report, SyncError};

pub(super) fn run_started(run: RunId, start: &RunStart) {
    info!(
        event = "run.started",
        run = run.0,
        source = start.source,
        trigger = start.trigger.as_str(),
        action = start.action.as_str(),
        mode = start.mode,
        "run {} started by {}",
        run.0,
        start.trigger
    );
}

/// Conflicts whose cause is gone.
pub(super) fn resolved(stamp: Stamp<'_>, conflicts: &[ConflictId]) {
    let run = stamp.run.map(|run| run.0);
    for conflict in conflicts {
        info!(
            event = "conflict.resolved",
            run,
            source = stamp.source,
            conflict = conflict.0,
            "conflict {} resolved",
            conflict.0
        );
    }
}

/// Attributes of disabled tests that too few had for a doubt, and nobody has now (E2).
pub(super) fn unseen(run: RunId, source: &str, (proof, tests): (Option<&Proof>, &[String])) {
    let unseen = proof.iter().flat_map(|proof| &proof.unseen).filter(|(name, _)| tests.contains(name));
    for (attribute, had) in unseen {
        warn!(
            event = "attribute.unseen",
            run = run.0,
            source,
            attribute,
            had,
            rule = "E2",
            "nobody has `{attribute}` any more, which a disabled test looks at and {had} had at the last complete run; that \
             few is no proof that it is hidden, so whom it kept out is let in: if it was not lifted, look at the bind \
             account's right to read it"
        );
    }
}

pub(super) fn run_finished(run: RunId, start: &RunStart, report: &Report, seconds: f64) {
    if report.outcome == Outcome::Incomplete
        && let Some(why) = &report.incomplete
    {
        warn!(
            event = "run.incomplete",
            run = run.0,
            source = start.source,
            cause = why.cause,
            "the directory was not read completely, so nobody is missed and nothing is taken away: {}",
            why.says
        );
    }
    if let Some(frozen) = report.plan.frozen.as_ref().filter(|frozen| frozen.withholds()) {
        let (source, until, says) = (start.source.as_str(), frozen.until.to_string(), frozen.says());
        let (missing, due) = (frozen.missing, frozen.due);
        warn!(event = "run.frozen", run = run.0, source, until, missing, due, "{says}");
    }
    run_held(run, start, report);
    let counts = report.counts;
    info!(
        event = "run.finished",
        run = run.0,
        source = start.source,
        trigger = start.trigger.as_str(),
        action = start.action.as_str(),
        mode = start.mode,
        outcome = report.outcome.as_str(),
        server = report.server,
        entries = counts.entries,
        added = counts.added,
        updated = counts.updated,
        moved = counts.moved,
        flagged = counts.flagged,
        restored = counts.restored,
        deleted = counts.deleted,
        dormant = counts.dormant,
        conflicts = counts.conflicts,
        skipped = counts.skipped,
        seconds,
        "run {} finished: {}",
        run.0,
        report.outcome
    );
}

fn run_held(run: RunId, start: &RunStart, report: &Report) {
    for hold in &report.plan.holds {
        let held = report.plan.held.iter().filter(|held| held.kind == hold.kind).count();
        let since = report.plan.since.as_ref().map(Since::says);
        let went = hold.went_in_words().map(|went| format!("; {went}")).unwrap_or_default();
        let more = since.as_ref().map(|since| format!("; {since}")).unwrap_or_default();
        error!(
            event = "run.held",
            run = run.0,
            source = start.source,
            kind = hold.kind.as_str(),
            held,
            of = hold.of,
            first = report.plan.first_held(hold.kind).join(", "),
            since,
            "{}",
            held_sentence(&format!("{}{went}{more}", hold.says), run.0)
        );
    }
    if let Some(late) = report.plan.late.as_ref().filter(|late| late.withholds()) {
        let (source, kind, held, says) = (start.source.as_str(), "clock", late.due, late.sentence());
        error!(
            event = "run.held",
            run = run.0,
            source,
            kind,
            held,
            "{says}; `rosterd approve {}` says that the clock is right",
            run.0
        );
    }
}

pub(super) fn run_failed(run: RunId, start: &RunStart, error: &SyncError, seconds: f64) {
    if matches!(error, SyncError::Stopped) {
        let (run, source, action) = (run.0, start.source.as_str(), start.action.as_str());
        let trigger = start.trigger.as_str();
        warn!(event = "run.interrupted", run, source, trigger, action, seconds, "run {run} was {error}");
        return;
    }
    error!(
        event = "run.failed",
        run = run.0,
        source = start.source,
        trigger = start.trigger.as_str(),
        action = start.action.as_str(),
        seconds,
        "run {} failed: {}",
        run.0,
        chain(error)
    );
}

pub(super) fn run_cut_off(run: &RunRow) {
    warn!(
        event = "run.interrupted",
        run = run.id,
        source = run.source,
        trigger = run.trigger,
        action = run.action,
        "run {} was cut off: its process ended in the middle; what was applied stays, the next run goes on",
        run.id
    );
}

pub(super) fn users(stamp: Stamp<'_>, changes: &[UserChange]) {
    for (change, act) in changes.iter().flat_map(|change| change.acts.iter().map(move |act| (change, act))) {
        let what = match act {
            Act::Added(new) | Act::Revived(new) => new.primary.as_ref().map(ToString::to_string).unwrap_or_default(),
            Act::Relinked { before, after, .. } => format!("re-linked, unique id `{before}` is now `{after}`"),
            Act::Updated(fields) => fields.iter().map(|field| field.name(stamp.names)).collect::<Vec<_>>().join(", "),
            Act::Moved { before, after } => format!("from `{before}` to `{after}`"),
            Act::Parted { address, .. } => format!("the entry's address is now `{address}`, which is another user"),
            Act::Woken { dn, .. } => format!("the address is back, at `{dn}`"),
            Act::Crossed { source, dn, .. } => {
                format!("comes over from source `{}`, now at `{}`", source.0, dn.1)
            }
            Act::AliasAdded(address) | Act::AliasRemoved { address, .. } => address.to_string(),
            Act::Flagged { reason, delete_after, detail, .. } => {
                let until = delete_after.map_or_else(|| "never deleted".into(), |at| format!("deleted after {at}"));
                format!("{reason}: {detail}; no access from now on, {until}")
            }
            Act::Restored { .. } => "active again".to_owned(),
            Act::Rights(act) => act.says(),
            Act::Removed { domain, .. } => format!("`{domain}` is no longer a managed domain"),
            Act::Deleted { reason } => reason.map(|reason| reason.to_string()).unwrap_or_default(),
            Act::Linked { dn, to, .. } => format!("{to}, and belongs to `{dn}` from now on"),
            Act::ByHand(_) => "by hand".to_owned(),
        };
        info!(
            event = act.event(),
            run = stamp.run.map(|run| run.0),
            source = stamp.source,
            user = &*change.label,
            rule = act.rule(),
            "`{}`: {what}",
            change.label
        );
    }
}

pub(super) fn groups(stamp: Stamp<'_>, changes: &[GroupChange]) {
    for group in changes {
        for act in &group.acts {
            group_event(stamp, group, act);
        }
        let memberships = [
            ("membership.added", "G1", group.joins.len()),
            ("membership.removed", "G8", group.leaves.len()),
            ("membership.updated", "G4", group.changed.len()),
        ];
        for (event, rule, people) in memberships.into_iter().filter(|(.., people)| *people > 0) {
            info!(
                event,
                run = stamp.run.map(|run| run.0),
                source = stamp.source,
                group = &*group.name,
                people,
                rule,
                "`{}`: {}",
                group.name,
                counted(people as u64, "person", "people")
            );
        }
    }
}

fn group_event(stamp: Stamp<'_>, group: &GroupChange, act: &GroupAct) {
    info!(
        event = act.event(),
        run = stamp.run.map(|run| run.0),
        source = stamp.source,
        group = &*group.name,
        rule = act.rule(),
        "`{}`",
        group.name
    );
}

pub(super) fn findings(stamp: Stamp<'_>, plan: &Plan) {
    let run = stamp.run.map(|run| run.0);
    for Conflict { kind, subject, detail, .. } in &plan.opened {
        warn!(
            event = "conflict.opened",
            run,
            source = stamp.source,
            kind = kind.as_str(),
            subject,
            "{kind} `{subject}`: {detail}"
        );
    }
    resolved(stamp, &plan.resolved);
    for broken in &plan.mapped.broken {
        let (group, says) = (broken.place.as_str(), broken.says.as_str());
        warn!(event = "mapping.broken", run, source = stamp.source, group, rule = "R4", "{says}");
    }
    for (label, says) in &plan.unjudged {
        warn!(event = "user.unjudged", run, source = stamp.source, user = &**label, rule = "L2", "`{label}`: {says}");
    }
    for (group, strangers) in &plan.strangers {
        debug!(event = "group.strangers", run, source = stamp.source, group, strangers, "members that are no user");
    }
    if let Some(without) = &plan.without {
        let (group, people, says) = (without.group.as_str(), without.people, without.says());
        warn!(event = "group.no_default", run, source = stamp.source, group, people, rule = "G5", "{says}");
    }
}
