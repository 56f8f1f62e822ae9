//! What a run had in its hands before it took anything from anybody by absence (E1-E10, L2).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::plan::departures::cause;
use crate::plan::view::NOT_JUDGED;
use crate::roster::LookUp;
use crate::roster::address::fold;
use crate::roster::words::counted;

/// The proof of a complete run, kept with it. An incomplete one has none, and says what is missing instead.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Proof {
    /// Who the server said we are; `None` when it cannot be asked.
    pub account: Option<String>,
    /// The server-given unique id of `source.base_dn`.
    pub base: Option<String>,
    /// Where the server stood, in its own numbers; `None` where it does not tell (E7).
    pub state: Option<String>,
    /// The bases that were read to the end.
    pub bases: Vec<String>,
    /// User entries; `None` when users were not asked for.
    pub users: Option<u64>,
    /// Group entries; `None` when groups were not asked for.
    pub groups: Option<u64>,
    /// Entries of `source.must_see` that were there (E10).
    pub must_see: u64,
    /// Attributes of people that somebody has, none of which vanished from everybody (E2).
    pub attributes: u64,
    /// Attributes that so few had at the last complete run that nobody's having them now proves nothing: name, and how many
    /// had it (E2).
    pub unseen: BTreeMap<String, u64>,
    /// What looking the vanished up by unique id gave: `gone`, `disabled`, `moved-out`, `filtered-out`, `unjudged`, with how
    /// many people each (L2).
    pub looked_up: BTreeMap<String, u64>,
}

impl Proof {
    /// With what looking the vanished up gave.
    pub fn with_look_ups<'l>(mut self, found: impl IntoIterator<Item = &'l LookUp>) -> Self {
        for found in found {
            let what = cause(found).map_or(NOT_JUDGED, |(reason, _)| reason.as_str());
            *self.looked_up.entry(what.to_owned()).or_default() += 1;
        }
        self
    }

    /// A few sentences.
    pub fn says(&self) -> Vec<String> {
        let account = match &self.account {
            Some(account) => format!("bound as `{account}`"),
            None => "bound; the server does not say who we are to it".to_owned(),
        };
        let read = [(self.users, "user entry", "user entries"), (self.groups, "group entry", "group entries")];
        let read = read.into_iter().filter_map(|(count, one, many)| Some(counted(count?, one, many)));
        let read = read.collect::<Vec<_>>().join(" and ");
        // Users and groups may be read under the same one.
        let mut told = BTreeSet::new();
        let bases = self.bases.iter().filter(|base| told.insert(fold(base)));
        let bases = bases.map(|base| format!("`{base}`")).collect::<Vec<_>>().join(", ");
        let mut says = vec![account, format!("{read}, every page to the last, under {bases}")];
        says.extend(self.base.as_ref().map(|id| format!("source.base_dn is the object {id}")));
        says.extend(self.state.as_ref().map(|state| format!("the server stood at {state}")));
        if self.must_see > 0 {
            says.push(format!("{} of source.must_see seen", counted(self.must_see, "entry", "entries")));
        }
        if self.users.is_some() {
            let attributes = counted(self.attributes, "attribute", "attributes");
            let unseen =
                self.unseen.iter().map(|(name, had)| format!("`{name}` ({had})")).collect::<Vec<_>>().join(", ");
            says.push(match self.unseen.is_empty() {
                true => format!("{attributes} of people shown, none vanished from everybody"),
                false => format!("{attributes} of people shown; nobody has any more what a few had: {unseen}"),
            });
        }
        if !self.looked_up.is_empty() {
            let total: u64 = self.looked_up.values().sum();
            let each = self.looked_up.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>();
            let who = counted(total, "vanished person", "vanished people");
            says.push(format!("{who} looked up by unique id: {}", each.join(", ")));
        }
        says
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E1, L2
    #[test]
    fn a_proof_is_told_in_sentences() {
        let dn = || "uid=x".to_owned();
        let found = [LookUp::Gone, LookUp::Gone, LookUp::MovedOut { dn: dn() }, LookUp::InScope { dn: dn() }];
        let proof = Proof {
            account: Some("dn:cn=rosterd".into()),
            base: Some("0001".into()),
            state: Some("contextCSN 1".into()),
            bases: vec!["ou=groups".into(), "ou=people".into(), "OU=people".into()],
            users: Some(1_200),
            groups: Some(1),
            must_see: 1,
            attributes: 9,
            ..Proof::default()
        };
        assert_eq!(
            proof.clone().with_look_ups(&found).says(),
            [
                "bound as `dn:cn=rosterd`",
                "1,200 user entries and 1 group entry, every page to the last, under `ou=groups`, `ou=people`",
                "source.base_dn is the object 0001",
                "the server stood at contextCSN 1",
                "1 entry of source.must_see seen",
                "9 attributes of people shown, none vanished from everybody",
                "4 vanished people looked up by unique id: 2 gone, 1 moved-out, 1 unjudged",
            ]
        );
        let few = Proof { unseen: [("locked".to_owned(), 3)].into(), ..proof };
        assert_eq!(few.says()[5], "9 attributes of people shown; nobody has any more what a few had: `locked` (3)");
        let least = Proof { groups: Some(2), bases: vec!["ou=groups".into()], ..Proof::default() };
        assert_eq!(least.says().len(), 2, "{:?}", least.says());
    }
}
