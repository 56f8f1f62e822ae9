//! Manual accounts and the entries that belong to them (M2, M3).

use crate::plan::policy::OnMatch;
use crate::plan::wishes::Wish;
use crate::plan::{Act, Policy};
use crate::roster::{Account, Address, FieldId, Fields, Origin, Person, State};

/// Whether an account is supplemented by the directory at most. A tombstone is nobody's: if its entry is there, the
/// directory brings the person back (U5).
pub(super) fn is_manual(account: &Account) -> bool {
    account.origin != Origin::Directory && account.state != State::Deleted
}

/// Whether no entry belongs to a manual account yet.
pub(super) fn is_unlinked(account: &Account) -> bool {
    is_manual(account) && account.key.is_none()
}

/// The link between an account and the entry with its address.
pub(super) fn linked(account: &Account, person: &Person, policy: &Policy) -> Act {
    let to = if policy.on_match == OnMatch::Adopt { Origin::Directory } else { account.origin };
    Act::Linked { key: person.key.clone(), dn: person.dn.clone(), from: account.origin, to }
}

/// Makes an entry ask only for what it may give a manual account: username, primary and aliases of the account stay,
/// and so does every field that the entry has no value for; another address of the entry becomes an alias.
pub(super) fn keep_own(person: &mut Person, wish: &mut Wish, account: &Account, policy: &Policy) {
    let given = |id: FieldId| id != FieldId::USERNAME && person.fields.first(id).is_some();
    let own = policy.mapped.iter().filter(|id| !given(**id));
    let own: Vec<(FieldId, String)> = own.filter_map(|id| Some((*id, account.field(*id, &policy.names)?))).collect();
    let entry = person.fields.iter().filter(|(id, _)| given(*id)).map(|(id, value)| (id, value.to_owned()));
    person.fields = Fields::new(entry.chain(own));
    let present = account.primary().cloned();
    let mut aliases: Vec<Address> = account.aliases().cloned().collect();
    aliases.extend(wish.primary.take());
    aliases.append(&mut wish.aliases);
    let primary = present.as_ref().map(Address::key);
    aliases.retain(|alias| Some(alias.key()) != primary);
    // The account's own way of writing an address comes first, and stays.
    aliases.sort_by_key(Address::key);
    aliases.dedup_by_key(|alias| alias.key());
    (wish.primary, wish.aliases) = (present, aliases);
}
