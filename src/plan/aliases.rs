//! Aliases that people lose who stay (B1).

use std::collections::{BTreeSet, HashSet};

use crate::plan::people::{Comer, People};
use crate::plan::{BrakeKind, Held, Loss, brake};
use crate::roster::{Account, Address, Digest, Origin, UserId};

impl People<'_> {
    /// Applies the brake to losses of aliases; who keeps them until a person decides.
    ///
    /// What others claim does not matter: an owner keeps an alias as long as the entry lists it (A4).
    pub(super) fn hold_aliases(&mut self) -> HashSet<UserId> {
        if !self.proven {
            return HashSet::new();
        }
        let losing: Vec<(&Account, Vec<&Address>)> =
            self.comers.iter().filter_map(|comer| Some((comer.account?, self.lost_aliases(comer)?))).collect();
        let all: BTreeSet<_> =
            losing.iter().flat_map(|(account, lost)| lost.iter().map(|alias| (account.id, alias.key()))).collect();
        let Some(hold) = brake::hold_aliases(&all, self.policy, &self.view.recent.aliases) else {
            return HashSet::new();
        };
        let held = losing.iter().map(|(account, lost)| {
            let named: Vec<&str> = lost.iter().map(|alias| alias.as_str()).collect();
            let loses = Loss::Things(format!("alias {}", named.join(", ")).into());
            Held { user: account.id, label: account.label().into(), kind: BrakeKind::Aliases, loses }
        });
        self.decided.held.extend(held);
        self.decided.holds.push(hold);
        losing.iter().map(|(account, _)| account.id).collect()
    }

    /// The aliases that the brake counts as lost; `None` when there are none.
    fn lost_aliases<'b>(&self, comer: &'b Comer<'_>) -> Option<Vec<&'b Address>> {
        let account = comer.account.filter(|account| self.counts_aliases(account))?;
        account.aliases().next()?;
        if self.keeps_addresses(comer) {
            return None;
        }
        let wished: Vec<Digest> = comer.wish.aliases.iter().map(Address::digest).collect();
        let primary = self.primary(comer, account.primary()).map(Address::digest);
        let lost = account.aliases().filter(|alias| {
            let key = alias.digest();
            Some(key) != primary && !wished.contains(&key)
        });
        let lost: Vec<&Address> = lost.collect();
        (!lost.is_empty()).then_some(lost)
    }

    /// Whether the brake counts the aliases that somebody loses: not those of people without access, of manual
    /// accounts, and what a person approved.
    pub(super) fn counts_aliases(&self, account: &Account) -> bool {
        account.state.access()
            && account.origin == Origin::Directory
            && !self.view.approval.aliases.contains(&account.id)
    }
}
