//! Where a server stands: its change number, and which object the base is (B1, E7).

use std::collections::BTreeMap;

use super::connect::Connection;
use super::paging::{self, Search};
use super::settings::Scope;
use crate::roster::Dn;

/// Where a server stands.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Standing {
    /// The unique id of `source.base_dn`, where the server gives one.
    pub base: Option<String>,
    /// The newest change it knows of each server, by server id (contextCSN); empty where it does not tell.
    pub change_numbers: BTreeMap<String, String>,
}

impl Connection {
    /// Asks where the server stands; what it does not show is left out.
    pub async fn standing(&mut self) -> Standing {
        let base = self.settings.base_dn.clone();
        let holds =
            |context: &&String| Dn::parse(context).zip(Dn::parse(&base)).is_some_and(|(it, base)| base.is_under(&it));
        let context = self.about.naming_contexts.iter().filter(holds).max_by_key(|context| context.len());
        let context = context.unwrap_or(&base).clone();
        let mut standing = Standing::default();
        let search = Search::once(&base, Scope::Base, "(objectClass=*)", &["entryUUID", "nsUniqueId", "objectGUID"]);
        // What is wrong with the base is said where it is read.
        drop(
            paging::one(&mut self.wire, &search, "reading source.base_dn", |entry| {
                let ids = ["entryUUID", "nsUniqueId"].into_iter().filter_map(|name| entry.texts(name).next());
                standing.base = ids.map(|id| id.into_owned()).next();
            })
            .await,
        );
        let search = Search::once(&context, Scope::Base, "(objectClass=*)", &["contextCSN"]);
        drop(
            paging::one(&mut self.wire, &search, "reading the server's change number", |entry| {
                let numbers = entry.texts("contextCSN").filter_map(|csn| {
                    let server = csn.split('#').nth(2)?.to_owned();
                    Some((server, csn.into_owned()))
                });
                standing.change_numbers = numbers.collect();
            })
            .await,
        );
        standing
    }
}
