//! A source that is given up (S6).

use crate::clock::Timestamp;
use crate::plan::departures::{self, Departure};
use crate::plan::{GroupAct, GroupChange, GroupRef, Mark, Policy, StoredGroup, UserChange, acts};
use crate::roster::{Account, PendingReason, State};

/// Flags everybody active and every group, with the delay of somebody gone.
///
/// Who is pending keeps the date, but for a returner who waits for a username, which nobody would settle any more (L5). Who
/// was kept on purpose stays kept, and who is dormant has no access anyway.
pub fn retire(
    accounts: &[Account],
    groups: &[StoredGroup],
    policy: &Policy,
    now: Timestamp,
) -> (Vec<UserChange>, Vec<GroupChange>) {
    let reason = PendingReason::SourceRemoved;
    let waits = |account: &Account| account.state == State::Pending && account.waits_since.is_some();
    let active = accounts.iter().filter(|account| account.state == State::Active || waits(account));
    let flag = |(unit, account): (u32, &Account)| {
        let detail = departures::detail(reason, None);
        let departure = Departure { reason, removed: None, detail, counted: false, waits: false };
        let flag = departures::flag(account, &departure, policy, (now, now), false);
        let mark = Mark { fingerprint: None, review_at: None, reasons_seen: flag.reasons_seen, waits_since: None };
        UserChange { unit, ..acts::change(account, flag.acts, mark) }
    };
    let delete_after = departures::after(policy.delay, now);
    let group = |group: &StoredGroup| GroupChange {
        subject: GroupRef::Known(group.id),
        name: group.name.as_str().into(),
        acts: vec![GroupAct::Flagged { flagged_at: now, delete_after }],
        joins: Vec::new(),
        leaves: Vec::new(),
        counted: Vec::new(),
        changed: Vec::new(),
    };
    let there = groups.iter().filter(|group| group.state == State::Active);
    ((0..).zip(active).map(flag).collect(), there.map(group).collect())
}
