//! Where a server stands: its change number, and which object the base is (B1, E7).

use std::collections::BTreeMap;

use uuid::Uuid;

use super::codes::printable;
use super::connect::Connection;
use super::disabled::generalized_time;
use super::entry::{AttributeName, RawEntry};
use super::paging::{self, Search};
use super::settings::{Kind, Scope};
use super::understand::{Key, key};
use crate::clock::Timestamp;
use crate::roster::Dn;
use crate::roster::words::counted;

/// Where a server stands.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Standing {
    /// The unique id of `source.base_dn`, where the server gives one.
    pub base: Option<String>,
    /// The newest change it knows of each server, by server id; empty where it does not tell. contextCSN by its server id,
    /// of a domain controller update sequence numbers by invocation id.
    pub change_numbers: BTreeMap<String, String>,
    /// Its own id among these, where it tells: the invocation id of a domain controller.
    pub own: Option<String>,
    /// How far a server is that tells neither, in its own words; it is only shown.
    pub told: Option<String>,
}

impl Standing {
    /// When the newest change was made that the server knows of, where its change numbers tell times.
    pub fn newest(&self) -> Option<Timestamp> {
        let times = self.change_numbers.values().filter_map(|number| number.split('#').next());
        times.filter_map(|time| generalized_time(time.as_bytes())).max()
    }

    /// Where the server stands, in a few words; `None` where it does not tell.
    pub fn says(&self) -> Option<String> {
        let others = |what: &str| match self.change_numbers.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(", and what {} {what}", counted(more as u64, "other server", "other servers")),
        };
        if let Some((own, number)) = self.own.as_ref().and_then(|own| self.change_numbers.get_key_value(own)) {
            let number = number.trim_start_matches('0');
            let others = others("had written as far as it knew");
            return Some(format!("update sequence number {number} of invocation id {own}{others}"));
        }
        match self.change_numbers.values().max() {
            Some(newest) => Some(format!("contextCSN {newest}{}", others("had written"))),
            None => self.told.clone(),
        }
    }
}

/// Server-given ids of a base object.
const IDS: [&str; 3] = ["entryUUID", "nsUniqueId", "objectGUID"];

impl Connection {
    /// Asks where the server stands; what it does not show is left out.
    pub async fn standing(&mut self) -> Standing {
        let base = self.settings.base_dn.clone();
        let holds =
            |context: &&String| Dn::parse(context).zip(Dn::parse(&base)).is_some_and(|(it, base)| base.is_under(&it));
        let context = self.about.naming_contexts.iter().filter(holds).max_by_key(|context| context.len());
        let context = context.unwrap_or(&base).clone();
        let mut standing = Standing::default();
        self.glance(&base, &IDS, |entry| {
            standing.base = IDS.into_iter().filter_map(AttributeName::parse).find_map(|name| match key(entry, &name) {
                Key::One(id) => Some(id.to_string()),
                Key::None | Key::Many(_) => None,
            });
        })
        .await;
        if self.about.kind == Kind::ActiveDirectory {
            self.controller(&context, &mut standing).await;
            return standing;
        }
        self.glance(&context, &["contextCSN"], |entry| {
            let numbers = entry.texts("contextCSN").filter_map(|csn| {
                let server = csn.split('#').nth(2)?.to_owned();
                Some((server, csn.into_owned()))
            });
            standing.change_numbers = numbers.collect();
        })
        .await;
        if matches!(self.about.kind, Kind::Ds389 | Kind::FreeIpa) {
            standing.told = self.replica(&context).await;
        }
        standing
    }

    /// What a 389 Directory Server says: the newest change of each replica, where there are any and the account may read
    /// them, else the last update sequence number.
    async fn replica(&mut self, context: &str) -> Option<String> {
        let mut newest = Vec::new();
        self.search(Search::once(context, Scope::Subtree, REPLICAS, &["nsds50ruv"]), |entry| {
            newest.extend(entry.texts("nsds50ruv").filter_map(|element| of_replica(&element)));
        })
        .await;
        newest.sort();
        if !newest.is_empty() {
            return Some(newest.join(", "));
        }
        let mut last = None;
        self.glance("", &["lastusn;userroot", "lastusn"], |entry| {
            let number = bytes(entry, "lastusn;userroot").or_else(|| bytes(entry, "lastusn"));
            last = number.and_then(|number| String::from_utf8(number).ok());
        })
        .await;
        last.map(|last| format!("update sequence number {}", printable(&last)))
    }

    /// What a domain controller says: its own update sequence number, and its up-to-dateness vector for the others.
    ///
    /// Numbers are written with twenty digits, so that they compare as text.
    async fn controller(&mut self, context: &str, standing: &mut Standing) {
        let (mut service, mut highest) = (None, None);
        self.glance("", &["dsServiceName", "highestCommittedUSN"], |entry| {
            service = entry.texts("dsServiceName").next().map(|dn| dn.into_owned());
            highest = entry.texts("highestCommittedUSN").next().and_then(|number| number.parse().ok());
        })
        .await;
        let (Some(service), Some(highest)) = (service, highest) else { return };
        self.glance(&service, &["invocationId"], |entry| {
            standing.own = bytes(entry, "invocationId").and_then(|id| guid(&id));
        })
        .await;
        let Some(own) = standing.own.clone() else { return };
        let numbers = &mut standing.change_numbers;
        self.glance(context, &["replUpToDateVector"], |entry| {
            numbers.extend(bytes(entry, "replUpToDateVector").into_iter().flat_map(|vector| cursors(&vector)));
        })
        .await;
        numbers.insert(own, written(highest));
    }

    /// Reads some attributes of one object. What is wrong with a base is said where it is read.
    async fn glance(&mut self, dn: &str, attributes: &[&str], mut see: impl FnMut(&RawEntry<'_>) + Send) {
        self.search(Search::once(dn, Scope::Base, "(objectClass=*)", attributes), |entry| see(entry)).await;
    }

    async fn search(&mut self, search: Search, mut see: impl FnMut(&RawEntry<'_>) + Send) {
        drop(paging::one(&mut self.wire, &search, "reading where the server stands", |entry| see(entry)).await);
    }
}

/// The entry in which a 389 Directory Server keeps how far it knows each replica.
const REPLICAS: &str = "(&(objectClass=nsTombstone)(nsUniqueId=ffffffff-ffffffff-ffffffff-ffffffff))";

/// An element of its replica update vector: `{replica 1 ldap://host:389} FIRST LAST`; nothing of one without a change.
fn of_replica(element: &str) -> Option<String> {
    let (replica, numbers) = element.strip_prefix("{replica ")?.split_once('}')?;
    let (id, newest) = (replica.split(' ').next()?, numbers.split_whitespace().nth(1)?);
    Some(format!("change {} of replica {}", printable(newest), printable(id)))
}

fn written(number: u64) -> String {
    format!("{number:020}")
}

fn bytes(entry: &RawEntry<'_>, name: &str) -> Option<Vec<u8>> {
    entry.values(&AttributeName::parse(name)?).next().map(<[u8]>::to_vec)
}

fn guid(bytes: &[u8]) -> Option<String> {
    Some(Uuid::from_bytes_le(bytes.try_into().ok()?).to_string())
}

/// The cursors of an up-to-dateness vector: invocation id and update sequence number. Its version, a reserved word, how
/// many cursors there are, another reserved word; a cursor of version 2 has the time of the last success behind
/// (MS-DRSR 5.166.3 and 5.166.4). Nothing of what cannot be understood.
fn cursors(vector: &[u8]) -> Vec<(String, String)> {
    let word = |at: usize| Some(u32::from_le_bytes(vector.get(at..at + 4)?.try_into().ok()?));
    let size = match word(0) {
        Some(1) => 24,
        Some(2) => 32,
        _ => return Vec::new(),
    };
    let all = vector.get(16..).unwrap_or_default().chunks_exact(size);
    if word(8).and_then(|count| usize::try_from(count).ok()) != Some(all.len()) {
        return Vec::new();
    }
    let cursor = |one: &[u8]| {
        let number = u64::from_le_bytes(one.get(16..24)?.try_into().ok()?);
        Some((guid(one.get(..16)?)?, written(number)))
    };
    all.filter_map(cursor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(version: u32, count: u32, cursors: &[(u8, u64)]) -> Vec<u8> {
        let mut bytes: Vec<u8> = [version, 0, count, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
        for (id, number) in cursors {
            bytes.extend([*id; 16]);
            bytes.extend(number.to_le_bytes());
            bytes.extend_from_slice(if version == 2 { &[9; 8] } else { &[] });
        }
        bytes
    }

    /// What is shown of a server's state, by kind.
    #[test]
    fn where_a_server_stands_is_said_in_a_line() {
        let numbers = |all: &[(&str, &str)]| all.iter().map(|(id, n)| ((*id).to_owned(), (*n).to_owned())).collect();
        let csn = |time: &str, id: &str| format!("{time}.000001Z#000000#{id}#000000");
        let (old, new) = (csn("20260301080000", "001"), csn("20260302090000", "000"));
        let two = Standing { change_numbers: numbers(&[("001", &old), ("000", &new)]), ..Standing::default() };
        assert_eq!(two.says().unwrap(), format!("contextCSN {new}, and what 1 other server had written"));
        assert_eq!(two.newest(), Timestamp::parse("2026-03-02T09:00:00.000001Z"));
        let controller = Standing {
            change_numbers: numbers(&[("a", "00000000000000004711")]),
            own: Some("a".to_owned()),
            ..Standing::default()
        };
        assert_eq!(controller.says().unwrap(), "update sequence number 4711 of invocation id a");
        assert_eq!((controller.newest(), Standing::default().says()), (None, None));
        let element = "{replica 7 ldap://a.example.com:389} 5f0000000000000070000 60aa00bb000000070000";
        assert_eq!(of_replica(element).unwrap(), "change 60aa00bb000000070000 of replica 7");
        assert_eq!((of_replica("{replica 7 ldap://a}"), of_replica("{replicageneration} 5f00")), (None, None));
    }

    /// E7: both versions are read; one that is cut off, or says another count, says nothing.
    #[test]
    fn an_up_to_dateness_vector_is_read_or_left() {
        let id = |byte: u8| Uuid::from_bytes([byte; 16]).to_string();
        let two = [(id(1), "00000000000000004711".to_owned()), (id(2), format!("{:020}", u64::MAX))];
        for version in [1, 2] {
            assert_eq!(cursors(&vector(version, 2, &[(1, 4711), (2, u64::MAX)])), two, "version {version}");
        }
        assert_eq!(cursors(&vector(2, 0, &[])), []);
        let whole = vector(2, 2, &[(1, 4711), (2, 1)]);
        for cut in [0, 3, 15, 16, 47, whole.len() - 32] {
            assert_eq!(cursors(&whole[..cut]), [], "cut at {cut}");
        }
        assert_eq!(cursors(&vector(2, 3, &[(1, 1), (2, 2)])), []);
        assert_eq!(cursors(&vector(3, 2, &[(1, 1), (2, 2)])), []);
    }
}
