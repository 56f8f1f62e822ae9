//! Rules and acts in a few words.

use crate::plan::{Act, RightsAct};
use crate::roster::{FieldNames, Skip};

/// The rule that a skip names, as one that lives for ever.
pub(super) fn rule_of(skip: &Skip) -> &'static str {
    ["U4", "A1", "A4", "A6", "D1", "E5", "I5", "I6", "I7", "I8", "L2", "M2", "R3", "U7", "U8"]
        .into_iter()
        .find(|rule| *rule == skip.rule)
        .unwrap_or("U9")
}

/// What happens to the person, in a few words.
pub(super) fn says(act: &Act, access: bool, names: &FieldNames) -> String {
    match act {
        Act::Added(_) => "adds the person".to_owned(),
        Act::Revived(_) => "brings the person back under the internal id of before".to_owned(),
        Act::Relinked { .. } => "goes on with the user under the new unique id".to_owned(),
        Act::Updated(fields) => {
            let names: Vec<&str> = fields.iter().map(|field| field.name(names)).collect();
            format!("updates {}", names.join(", "))
        }
        Act::Crossed { source: (before, _), .. } => format!("takes the user over from the source `{before}`"),
        Act::Parted { address, .. } => format!("parks the user: the entry has the address {address} now"),
        Act::Woken { .. } => "wakes the user: the address is back".to_owned(),
        Act::Moved { after, .. } => format!("notes the move to `{after}`"),
        Act::AliasAdded(address) => format!("gives the alias {address}"),
        Act::AliasRemoved { address, .. } => format!("takes the alias {address}"),
        Act::Flagged { reason, delete_after, .. } => {
            let until = delete_after.map_or_else(|| "never deleted".to_owned(), |at| format!("deleted after {at}"));
            let takes = if access { "takes access away" } else { "leaves without access" };
            format!("{takes} ({reason}), {until}")
        }
        Act::Restored { .. } => "gives access back".to_owned(),
        Act::Deleted { .. } => "deletes the person: the date has come".to_owned(),
        Act::Removed { domain, .. } => {
            format!("deletes the person at once, rules too: `{domain}` is not managed any more")
        }
        Act::Rights(RightsAct::Granted(grant)) => format!("gives the grant {}", grant.privilege),
        Act::Rights(RightsAct::Revoked { grant, .. }) => format!("takes the grant {}", grant.privilege),
        Act::Rights(act) => act.says(),
        Act::Linked { dn, .. } => format!("links the account with `{dn}`"),
        Act::ByHand(_) => "by hand".to_owned(),
    }
}
