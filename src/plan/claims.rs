//! What somebody who was read asks for, and what people will call that person.

use crate::plan::acts;
use crate::plan::contest::{self, Lost, Participant};
use crate::plan::people::{Comer, People};
use crate::roster::address::fold;
use crate::roster::{Account, Address, Digest, FieldId, State};

impl People<'_> {
    /// What somebody who was read claims.
    ///
    /// From a partial read nothing is taken away, so the stored addresses are claimed along with the wished ones (E1).
    pub(super) fn participant(&self, comer: &Comer) -> Participant {
        let account = comer.account.filter(|account| !account.state.tombstone());
        let stored = |account: &Account| -> Box<[Digest]> {
            account.addresses.iter().map(|stored| stored.address.digest()).collect()
        };
        let present = account.and_then(Account::primary);
        let present_primary = present.map(|address| address.digest());
        let primary = self.primary(comer, present).map(|address| address.digest());
        let mut aliases: Vec<Digest> = comer.wish.aliases.iter().map(|address| address.digest()).collect();
        if !self.proven || self.keeps_addresses(comer) {
            aliases.extend(account.map(stored).unwrap_or_default());
        } else if self.keeps_aliases(comer) {
            aliases.extend(account.into_iter().flat_map(Account::aliases).map(|alias| alias.digest()));
        }
        let name = |text: &str| contest::name_digest(&fold(text));
        let stored_name = account.and_then(|account| account.fields.get(&FieldId::USERNAME));
        let wished_name = acts::wished(&comer.person, account, FieldId::USERNAME, self.policy, self.view);
        let pending = account.filter(|account| account.state == State::Pending);
        Participant {
            key: comer.person.key.clone(),
            user: comer.account.map(|account| account.id),
            newcomer: account.is_none(),
            primary,
            present_primary,
            aliases: aliases.into_boxed_slice(),
            name: wished_name.as_deref().map(name),
            present_name: stored_name.map(|text| name(text)),
            frozen: pending.map(stored),
            heir: comer.heir.map(|heir| heir.user(&comer.person.key)),
        }
    }

    /// Everything somebody claims or may fall back on, in any order.
    pub(super) fn wants(&self, comer: &Comer, wants: &mut Vec<Digest>) {
        if comer.account.is_some() {
            let participant = self.participant(comer);
            wants.extend(participant.things().chain(participant.fallbacks()));
            return;
        }
        // Newcomers, all of them in a first sync, have nothing to fall back on.
        let addresses = comer.wish.primary.iter().chain(&comer.wish.aliases);
        wants.extend(addresses.map(Address::digest));
        wants.extend(comer.person.fields.first(FieldId::USERNAME).map(|name| contest::name_digest(&fold(name))));
    }

    /// The DN of a comer after this run, so that the next one uses the same words: one that only looks different stays.
    pub(super) fn place(&self, comer: &Comer) -> String {
        let account = comer.account.filter(|account| !account.state.tombstone() && !comer.crosses);
        let stays = account.filter(|account| acts::moved(account, &comer.person.dn).is_none());
        stays.and_then(|account| account.dn.clone()).unwrap_or_else(|| comer.person.dn.to_string())
    }

    /// What people call a comer after this run, so that the next one uses the same words.
    pub(super) fn label(&self, comer: &Comer, participant: &Participant, lost: Lost) -> String {
        let out = lost.keeps_out(participant);
        let Some(account) = comer.account.filter(|account| !account.state.tombstone()) else {
            return acts::called(&comer.person, &comer.wish);
        };
        let name = account.fields.get(&FieldId::USERNAME).cloned();
        let name = match out || lost.name {
            true => name,
            false => acts::wished(&comer.person, Some(account), FieldId::USERNAME, self.policy, self.view),
        };
        let present = account.primary();
        let primary = if out || lost.primary { present } else { self.primary(comer, present) };
        name.or_else(|| primary.map(ToString::to_string)).unwrap_or_else(|| comer.person.dn.to_string())
    }
}
