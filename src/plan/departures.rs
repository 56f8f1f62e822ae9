//! Why somebody has to leave, and when (L2, L3).

use std::time::Duration;

use crate::clock::Timestamp;
use crate::plan::policy::{AttributeUse, Delay};
use crate::plan::wishes::Wish;
use crate::plan::{Act, BrakeKind, Held, Loss, Policy, View};
use crate::roster::{Account, Domain, Enabled, LookUp, Origin, PendingReason, Person, State};

/// What is known of somebody who is gone: servers do not tell an entry that is hidden from one that is not there.
pub const GONE: &str =
    "no entry with this unique id is visible to the bind account: it was deleted, or is hidden from it";

/// The first reason, in the order of L2, why somebody whose entry was read has to leave; `None` = nothing speaks
/// against the person.
///
/// A test that cannot be judged, or whose attribute vanished from everybody, leaves the state as it is (U8, E2); a server
/// that is behind ends no reason that there was (E7).
pub(super) fn reason(
    person: &Person,
    wish: &Wish,
    (account, lacks_role): (Option<&Account>, bool),
    policy: &Policy,
    view: &View,
) -> Option<PendingReason> {
    let addresses = !view.has_vanished(policy, AttributeUse::Addresses);
    doubted(person, wish, account, policy, view)
        .or_else(|| by_entry(person, wish, (account, lacks_role), policy, addresses))
}

/// Whether the entry of somebody without access gives it back but for a doubt about what was read (E2, E7): then it
/// comes with the approval of the run.
pub(super) fn is_barred(
    person: &Person,
    wish: &Wish,
    (account, lacks_role): (Option<&Account>, bool),
    policy: &Policy,
    view: &View,
) -> bool {
    account.is_some_and(|account| matches!(account.state, State::Pending | State::Deleted))
        && doubted(person, wish, account, policy, view).is_some()
        && by_entry(person, wish, (account, lacks_role), policy, true).is_none()
}

/// The reason that there was, where what was read is no proof that it ended (E2, E7).
fn doubted(
    person: &Person,
    wish: &Wish,
    account: Option<&Account>,
    policy: &Policy,
    view: &View,
) -> Option<PendingReason> {
    let account = account?;
    let out = matches!(account.state, State::Pending | State::Kept | State::Deleted);
    match person.enabled {
        _ if view.behind && out => Some(account.reason.unwrap_or(PendingReason::Disabled)),
        Enabled::Yes if was_disabled(account) && view.has_vanished(policy, AttributeUse::Disabled) => {
            Some(PendingReason::Disabled)
        }
        Enabled::No(_) => None,
        Enabled::Unknown(_) if was_disabled(account) => None,
        _ if !wish.any_value && view.has_vanished(policy, AttributeUse::Addresses) => for_an_address(account),
        _ => None,
    }
}

/// What the entry says, taken at its word.
fn by_entry(
    person: &Person,
    wish: &Wish,
    (account, lacks_role): (Option<&Account>, bool),
    policy: &Policy,
    addresses: bool,
) -> Option<PendingReason> {
    let disabled = match person.enabled {
        Enabled::No(_) => true,
        Enabled::Unknown(_) => account.is_some_and(was_disabled),
        Enabled::Yes => false,
    };
    if disabled {
        return Some(PendingReason::Disabled);
    }
    if policy.address_required && !wish.any_value && addresses {
        return Some(PendingReason::NoAddress);
    }
    if lacks_role {
        return Some(PendingReason::NoRole);
    }
    wish.unmanaged.is_some().then_some(PendingReason::UnmanagedDomain)
}

/// Somebody kept has no reason any more; an answer that is missing must not end the keeping.
fn was_disabled(account: &Account) -> bool {
    account.reason == Some(PendingReason::Disabled) || account.state == State::Kept
}

/// What an address is missing for, of somebody who has no access or is kept: an entry that shows none, because nobody's
/// does, does not end it (E2).
fn for_an_address(account: &Account) -> Option<PendingReason> {
    let reasons = [PendingReason::NoAddress, PendingReason::UnmanagedDomain];
    match (account.state, account.reason) {
        (State::Kept, reason) => Some(reason.unwrap_or(PendingReason::NoAddress)),
        (_, reason) => reason.filter(|reason| reasons.contains(reason)),
    }
}

/// The reason that looking a vanished person up gives, with where the entry is now; `None` when it cannot be judged.
pub(super) fn cause(found: &LookUp) -> Option<(PendingReason, Option<&str>)> {
    match found {
        LookUp::Gone => Some((PendingReason::Gone, None)),
        LookUp::Disabled { dn } => Some((PendingReason::Disabled, Some(dn))),
        LookUp::MovedOut { dn } => Some((PendingReason::MovedOut, Some(dn))),
        LookUp::FilteredOut { dn } => Some((PendingReason::FilteredOut, Some(dn))),
        LookUp::InScope { .. } | LookUp::Unjudged { .. } => None,
    }
}

impl Departure {
    /// The kind the brake counts it under (B1).
    pub fn kind(&self) -> BrakeKind {
        match (&self.removed, self.reason) {
            (Some(_), _) => BrakeKind::Domains,
            (None, PendingReason::Disabled) => BrakeKind::Disabled,
            (None, _) => BrakeKind::Missing,
        }
    }

    /// What is written down of it while the brake holds it.
    pub fn held(&self, account: &Account) -> Held {
        Held { user: account.id, label: account.label().into(), kind: self.kind(), loses: self.loses() }
    }

    /// What the person would lose.
    pub fn loses(&self) -> Loss {
        match &self.removed {
            Some(domain) => Loss::Removed(Some(domain.as_str().into())),
            None => Loss::Access(self.reason),
        }
    }
}

/// What looking somebody up gave who cannot be judged by it.
pub(super) fn verdict(found: Option<&LookUp>) -> String {
    match found {
        None => "was not looked up".into(),
        Some(LookUp::InScope { dn }) => format!("looking up by unique id found it in scope at `{dn}`"),
        Some(LookUp::Unjudged { says }) => format!("looking up by unique id gave no usable answer: {says}"),
        Some(LookUp::Gone | LookUp::Disabled { .. } | LookUp::MovedOut { .. } | LookUp::FilteredOut { .. }) => {
            String::new()
        }
    }
}

/// Which disabled test holds for somebody who was read.
pub(super) fn disabled(person: &Person) -> String {
    match &person.enabled {
        Enabled::No(test) => format!("a disabled test holds: {test}"),
        _ => "a disabled test holds".to_owned(),
    }
}

/// One sentence on what is known of the cause.
pub(super) fn detail(reason: PendingReason, dn: Option<&str>) -> Box<str> {
    let at = dn.unwrap_or_default();
    match reason {
        PendingReason::Gone => GONE.into(),
        PendingReason::Disabled if at.is_empty() => "a disabled test holds".into(),
        PendingReason::Disabled => format!("a disabled test holds for the entry, now at `{at}`").into(),
        PendingReason::MovedOut => format!("the entry is now at `{at}`, outside every configured base").into(),
        PendingReason::FilteredOut => format!("the entry at `{at}` no longer matches the filter").into(),
        PendingReason::NoAddress => "the entry has no address value at all".into(),
        PendingReason::UnmanagedDomain => format!("its primary address is now `{at}`, in no managed domain").into(),
        PendingReason::NoRole => "no mapped group gives a role or a grant".into(),
        PendingReason::SourceRemoved => "its source was retired".into(),
    }
}

/// The domain that somebody goes with at once: that of the present primary, when it is not managed any more and the
/// entry gives no managed one instead (D2). Manual accounts stay, whatever their domain (M3).
pub(super) fn removed_domain(account: &Account, wish: Option<&Wish>, policy: &Policy, view: &View) -> Option<Domain> {
    let ours = account.origin == Origin::Directory && !account.state.tombstone();
    let present = account.primary().filter(|present| ours && !policy.manages(present))?;
    let stays = wish.is_some_and(|wish| match &wish.primary {
        Some(wished) => policy.manages(wished),
        None => wish.gives_none && !policy.address_required,
    });
    (!stays && !view.has_vanished(policy, AttributeUse::Addresses)).then(|| present.domain())
}

/// A departure that may be carried out, or held.
pub(super) struct Departure {
    pub reason: PendingReason,
    /// The domain that is not managed any more: gone at once (D2).
    pub removed: Option<Domain>,
    pub detail: Box<str>,
    /// Counted by the brake; false when a person approved it.
    pub counted: bool,
    /// Only the lock is applied: that the domain takes the person as well is held (D2).
    pub waits: bool,
}

/// What flagging, or keeping flagged, does to somebody.
pub(super) struct Flag {
    pub acts: Vec<Act>,
    pub reasons_seen: Vec<PendingReason>,
}

/// Flags somebody active, or goes on with somebody pending: the reason may change, and the delay may be over.
///
/// `now` is by the wall clock, `least` what the time is at least, by which dates count (L10). `proven` is true in a complete
/// run: only there is a due deletion carried out (L9).
pub(super) fn flag(
    account: &Account,
    departure: &Departure,
    policy: &Policy,
    (now, least): (Timestamp, Timestamp),
    proven: bool,
) -> Flag {
    let Departure { reason, detail, counted, .. } = departure;
    let pending = account.state == State::Pending;
    let flagged_at = account.flagged_at.filter(|_| pending).unwrap_or(now);
    let mut reasons_seen = if pending { account.reasons_seen.clone() } else { Vec::new() };
    reasons_seen.extend(account.reason.filter(|reason| pending && !account.reasons_seen.contains(reason)));
    let new = !reasons_seen.contains(reason);
    // While a returner waited for the username, the date stood still (L5).
    let waited = account.waits_since.filter(|_| pending).map_or(Duration::ZERO, |since| least.since(since));
    let delete_after = match (pending, new) {
        (true, false) => account.delete_after.map(|at| at + waited),
        (true, true) => due(policy, *reason, flagged_at).map(|at| (at + waited).max(now + policy.minimum)),
        (false, _) => due(policy, *reason, least),
    };
    if new {
        reasons_seen.push(*reason);
    }
    let mut acts = Vec::new();
    if !pending || account.reason != Some(*reason) || account.delete_after != delete_after {
        acts.push(Act::Flagged {
            from: account.state,
            reason: *reason,
            flagged_at,
            delete_after,
            counted: (!pending && *counted).then(|| departure.kind()),
            detail: detail.clone(),
        });
    }
    if proven && delete_after.is_some_and(|at| at <= now) {
        acts.push(Act::Deleted { reason: Some(*reason) });
    }
    Flag { acts, reasons_seen }
}

/// When somebody flagged for this reason is deleted; `None` = never (L3).
pub(super) fn due(policy: &Policy, reason: PendingReason, flagged_at: Timestamp) -> Option<Timestamp> {
    let delay = if reason == PendingReason::Disabled { policy.disabled_delay } else { policy.delay };
    after(delay, flagged_at)
}

/// When a delay that begins at a moment is over.
pub(super) fn after(delay: Delay, from: Timestamp) -> Option<Timestamp> {
    match delay {
        Delay::After(delay) => Some(from + delay.max(Duration::ZERO)),
        Delay::Never => None,
    }
}

impl View {
    /// Why nobody can tell who is disabled: what a test looks at is shown of nobody any more (U8, E2).
    pub(super) fn hidden_test(&self, policy: &Policy) -> Option<String> {
        let name = policy.attributes(AttributeUse::Disabled).find(|name| self.vanished.contains(*name))?;
        Some(format!(
            "`{name}` vanished from everybody; let the bind account read it, or approve the run if it is right"
        ))
    }

    /// Whether every attribute used for this vanished, or any of them for a disabled test (E2).
    pub(super) fn has_vanished(&self, policy: &Policy, used: AttributeUse) -> bool {
        policy.attributes(used).any(|name| self.vanished.contains(name))
    }
}
