//! What to do if what was explained is not what was wanted.

use crate::plan::explain::{Bearing, Entry, Explained, Waits};
use crate::plan::{ConflictKind, Loss};
use crate::roster::skipped::DISABLED_UNREADABLE;
use crate::roster::{Account, LookUp, Origin, PendingReason, Skip, Skipped, State};

/// Of somebody absent while nobody at all is found (E2).
const NOBODY: &str = "No run takes anything from this person as it is, `rosterd sync --user` neither. Correct users.filter or \
                      users.base_dns, and run `rosterd sync`: nothing has to be approved.";
/// Of two who may be one, before a run asks (I5).
const ONE_OR_TWO: &str = "The next run asks whether the two are one person: `rosterd sync`, then `rosterd conflicts` has the \
                          number for `rosterd conflicts relink` (one) or `rosterd conflicts delete` (two).";

/// Of somebody without access whose entry is there and enabled, in a read that is doubted (E2, E7).
const BARRED: &str = "What the entry shows is doubted, so nobody is restored by it: settle what `rosterd check` says, and the \
                      next run goes by the entry; or, if all is as it should be, `rosterd sync` tells how to approve it.";

impl Explained<'_> {
    /// What to do if that is not what was wanted: the first obstacle decides.
    pub(super) fn advice(&self) -> String {
        let who = self.facts.account.map_or_else(|| self.facts.who.to_owned(), |account| account.uuid.to_string());
        let changes = self.acts().next().is_some() || !self.facts.plan.groups.is_empty();
        if matches!(self.facts.entry, Entry::Unreached(_)) {
            return "The directory could not be asked; correct what is said about it (`rosterd check` helps), and ask again."
                .to_owned();
        }
        if let Entry::NotRead(_, then) = self.facts.entry {
            return then.to_owned();
        }
        if let Some(account) = self.dormant().filter(|_| !changes) {
            return self.about_dormant(account, &who);
        }
        let resemblance = self.concerning().find(|(conflict, _)| conflict.kind == ConflictKind::MaybeSamePerson);
        if let Some((_, Some(number))) = resemblance {
            return same_person(number);
        }
        if !self.losses().is_empty() {
            return self.about_losses(&who);
        }
        if self.facts.whole.nobody {
            return NOBODY.to_owned();
        }
        if resemblance.is_some() {
            return ONE_OR_TWO.to_owned();
        }
        if let Some(waits) = self.facts.whole.waits.as_ref().filter(|_| self.held().next().is_some()) {
            return held_before(waits);
        }
        let stops = |skip: &&Skip| matches!(self.becomes(skip), Skipped::LeftOut | Skipped::AsBefore);
        let stopped: Vec<&Skip> = self.skips().into_iter().filter(stops).collect();
        if changes && stopped.is_empty() {
            let living = self.facts.account.filter(|account| account.state != State::Dormant);
            let target = living.map_or(self.facts.who, |_| who.as_str());
            return format!(
                "The next run does what is said last; `rosterd sync --user '{target}'` does it now, for this person alone."
            );
        }
        if self.waits_for_a_name().is_some() {
            return "Give one of the two another username in the directory, or delete the one who has it: then the next run \
                    gives access back, under the same id."
                .to_owned();
        }
        if let Some(skip) = stopped.first().filter(|_| self.facts.account.is_none_or(|one| !one.state.access())) {
            return by_reason(&skip.reason).to_owned();
        }
        self.as_it_is(&who)
    }

    /// The same of somebody of whom no run changes anything.
    fn as_it_is(&self, who: &str) -> String {
        match (&self.facts.entry, self.facts.account) {
            (_, Some(account)) if account.state == State::Kept => format!(
                "Kept, with access, until the entry gives no reason to leave any more; `rosterd users delete {who}` ends it."
            ),
            (_, Some(account)) if self.is_manual() => with_access(account, who),
            (Entry::Outside(found), Some(account)) if account.state.access() && self.facts.plan.frozen.is_some() => {
                format!("Nothing is taken away before the freeze ends. {}", outside(found, Some(account), who))
            }
            (Entry::Outside(found), account) => outside(found, account, who),
            (Entry::Unreadable(_), Some(account)) if self.is_disabled_unreadable() => format!(
                "In, with access, although the entry is disabled, because it cannot be understood: correct it in the directory \
                 as said above, and the next run takes access away; `rosterd users delete {}` does it now.",
                account.uuid
            ),
            (Entry::Unreadable(_), _) => "Correct the entry in the directory as said above.".to_owned(),
            (Entry::Nowhere, None) => {
                "Look at the spelling; somebody who is to come in needs an entry in the directory, or an account made \
                 with `rosterd users add`."
                    .to_owned()
            }
            (Entry::Read(_), Some(account)) if !account.state.access() && self.is_barred() => BARRED.to_owned(),
            (_, Some(account)) if account.state == State::Deleted => format!(
                "The internal id is used again when the entry is back; `rosterd users restore {who}` brings the person \
                 back as kept now."
            ),
            (_, Some(account)) if account.state == State::Pending => pending(account, who),
            (Entry::Read(person), Some(account)) if account.state.access() && person.enabled.doubt().is_some() => {
                "In, with access, and nobody can tell whether the entry is disabled: do what is said at the disabled test, \
                 or correct [[users.disabled]]; `rosterd check` counts those it cannot judge."
                    .to_owned()
            }
            (Entry::Read(_), Some(account)) if account.state.access() && self.lacks_something() => {
                "In, with access, but without what belongs to somebody else, as said above: take it from one of the two \
                 entries in the directory, and the next run settles it."
                    .to_owned()
            }
            (_, Some(account)) if account.state.access() => with_access(account, who),
            _ => "Nothing is in the way; `rosterd sync` makes a run now.".to_owned(),
        }
    }

    /// Whether only a doubt about what was read does not give access back (E2, E7).
    fn is_barred(&self) -> bool {
        self.facts.view.behind || !self.facts.plan.barred.is_empty()
    }

    /// Whether the person keeps access only because the disabled entry cannot be understood (E5).
    fn is_disabled_unreadable(&self) -> bool {
        self.skips().into_iter().any(|skip| skip.reason == DISABLED_UNREADABLE)
    }

    /// Whether an address or the username that the entry asks for is somebody else's.
    fn lacks_something(&self) -> bool {
        self.findings.iter().any(|one| one.bearing == Bearing::Stops && ["A3", "A4", "U7"].contains(&one.rule))
    }
}

/// Of two who may be one (I5).
fn same_person(number: i64) -> String {
    format!(
        "Are they one person, deleted and re-added: `rosterd conflicts relink {number}` gives the new entry to the user of \
         before, whose id and rules go on; then `rosterd sync`. Are they two: `rosterd conflicts delete {number}` says so."
    )
}

/// Of somebody who would lose nothing by what is read now.
fn held_before(waits: &Waits) -> String {
    let run = waits.run;
    let relink = waits.held.iter().any(|held| held.loses == Loss::Relink);
    match relink {
        true => format!(
            "The person stays in, with access, and the new entry waits outside: `rosterd runs show {run}` shows it; if it \
             is right, `rosterd approve {run}` re-links all that it holds."
        ),
        false => format!(
            "What run {run} held is over for this person, and the next run forgets it: `rosterd sync` makes one now; \
             nothing has to be approved."
        ),
    }
}

fn outside(found: &LookUp, account: Option<&Account>, who: &str) -> String {
    let keep = match account {
        Some(account) if account.state == State::Pending => format!(
            " Then `rosterd sync` gives access back, under the same id; `rosterd users restore {who}` keeps the person \
             meanwhile."
        ),
        _ => String::new(),
    };
    let what = match found {
        LookUp::MovedOut { .. } => "Move the entry under one of users.base_dns, or add its place to users.base_dns.",
        LookUp::FilteredOut { .. } => "Change the entry so that it matches users.filter, or correct users.filter.",
        LookUp::Disabled { .. } => "Enable the entry, and put it within users.base_dns and users.filter.",
        LookUp::Gone => "Somebody who is to come back needs an entry in the directory.",
        LookUp::InScope { .. } => "Ask again; nothing is taken away meanwhile.",
        LookUp::Unjudged { .. } => "Mend what is said above, or ask again; nothing is taken away meanwhile.",
    };
    format!("{what}{keep}")
}

fn with_access(account: &Account, who: &str) -> String {
    match account.origin {
        Origin::Directory => {
            "In, with access. To end it, disable or delete the entry in the directory; what is deleted in \
                              the store alone comes back with the next run."
                .to_owned()
        }
        _ => format!("In, with access, and made by hand; `rosterd users delete {who}` ends it."),
    }
}

fn pending(account: &Account, who: &str) -> String {
    let what = match account.reason {
        Some(PendingReason::Disabled) => "Enable the entry in the directory",
        Some(PendingReason::NoAddress) => "Give the entry an address",
        Some(PendingReason::UnmanagedDomain) => {
            "Give the entry an address in a managed domain, or add its domain to domains.managed"
        }
        Some(PendingReason::NoRole) => "Put the person into a group of a [[role]] or [[grant]]",
        Some(PendingReason::MovedOut) => "Move the entry back under one of users.base_dns",
        Some(PendingReason::FilteredOut) => "Make the entry match users.filter",
        Some(PendingReason::Gone | PendingReason::SourceRemoved) | None => "Bring the entry back",
    };
    format!(
        "{what}; or `rosterd users restore {who}` keeps the person, and `rosterd users delete {who}` does not wait."
    )
}

fn by_reason(reason: &str) -> &'static str {
    match reason {
        "disabled" => "Enable the entry in the directory, or correct [[users.disabled]].",
        "unreadable" => "Correct the entry in the directory, or what the account may read of it, as said above.",
        "no-address" => "Give the entry a mail, or set users.address = \"optional\".",
        "malformed-address" => "Correct the address in the directory.",
        "unmanaged-domain" => "Add the domain to domains.managed, or change the address in the directory.",
        "no-role" => "Put the person into a group of a [[role]] or [[grant]], or set users.require_role = false.",
        "address-taken" => {
            "Take the address from one of the two in the directory; when the other is deleted it is free, too."
        }
        "username-taken" => "Give one of the two another username in the directory.",
        "matched" => {
            "An account made by hand has the address; set users.on_match to \"supplement\" or \"adopt\", or delete it."
        }
        "duplicate-id" => "Give each entry a unique id of its own.",
        "held" => "`rosterd status` names the run that holds it and the command that lets it go.",
        _ => "Correct the entry in the directory as said above.",
    }
}
