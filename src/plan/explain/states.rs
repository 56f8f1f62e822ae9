//! People whose state is no usual one: dormant (I6), made by hand (M3), back without a name (L5).

use crate::plan::explain::{Bearing, Entry, Explained};
use crate::roster::{Account, Origin, State};

/// What no absence and no disabled test does to an account made by hand (M3).
pub(super) const NEVER_FLAGGED: &str = "an account made by hand is never flagged because of the directory";

impl<'a> Explained<'a> {
    /// Whether somebody made the account by hand, and it has access.
    pub(super) fn is_manual(&self) -> bool {
        self.facts.account.is_some_and(|account| account.origin != Origin::Directory && account.state.access())
    }

    /// Somebody whose entry has another address, and so is another user.
    pub(super) fn dormant(&self) -> Option<&'a Account> {
        self.facts.account.filter(|account| account.state == State::Dormant)
    }

    /// Who the entry of somebody dormant is now.
    pub(super) fn say_heir(&mut self) {
        let says = match self.facts.heir {
            Some(heir) => {
                let address = heir.primary().map(ToString::to_string).unwrap_or_default();
                format!("the entry is `{address}` now, which is the user `{}` (id {})", heir.label(), heir.uuid)
            }
            None => "the entry has another address now, and is another user".to_owned(),
        };
        self.say("I6", "entry", Bearing::Stops, says);
    }

    /// What wakes somebody dormant.
    pub(super) fn about_dormant(&self, account: &Account, who: &str) -> String {
        let former = account.former.as_ref().and_then(|former| former.address.as_ref());
        let address = former.map(|address| format!(" ({address})")).unwrap_or_default();
        format!(
            "Dormant, and never deleted by a date. Once the address of before{address} is the primary address of the entry \
             again, the next run wakes the user, with the id and the rules of before; `rosterd users delete {who}` deletes it."
        )
    }

    /// Of somebody pending who is back: the username that somebody else has meanwhile, and who (L5).
    pub(super) fn waits_for_a_name(&self) -> Option<(&'a str, &'a str)> {
        let pending = self.facts.account.is_some_and(|account| account.state == State::Pending);
        let read = pending && matches!(self.facts.entry, Entry::Read(_));
        let skip = self.skips().into_iter().find(|skip| read && skip.reason == "username-taken")?;
        skip.detail.split_once(" belongs to ")
    }
}
