//! What the bind account may see and should not be able to do, as far as that can be told without trying it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::connect::Connection;
use super::super::disabled::Test;
use super::super::entry::{AttributeName, RawEntry};
use super::super::error::DirectoryError;
use super::super::kinds;
use super::super::mapping::UserMapping;
use super::super::paging::{self, Search};
use super::super::schema;
use super::super::searches::Searches;
use super::super::settings::{Kind, Scope};
use super::{Probe, Verdict};
use crate::roster::Dn;
use crate::roster::words::{counted, number};

/// Of fewer people nothing is concluded from what nobody has.
const FEW: u64 = 5;
/// An attribute that no more people had may be missing from everybody (E2).
const MANY: u64 = 5;
/// Attributes that are named as examples.
const SHOWN: usize = 3;

/// Which attributes anybody has.
#[derive(Default)]
pub struct Seen {
    read: u64,
    has: BTreeMap<AttributeName, u64>,
}

impl Seen {
    pub fn entry(&mut self, users: &UserMapping, entry: &RawEntry<'_>) {
        self.read += 1;
        for name in users.asked.iter().filter(|name| entry.values(name).next().is_some()) {
            match self.has.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(self.has.insert(name.clone(), 1)),
            }
        }
    }
}

/// Looks at rights: attributes that nobody shows, and what of `people` the account may see or change beyond its task.
pub async fn look(
    probe: &mut Probe,
    connection: &mut Connection,
    searches: &Searches,
    (seen, people): (&Seen, &[String]),
    (coverage, whole): (&BTreeMap<String, u64>, bool),
) -> Result<(), DirectoryError> {
    let Some(users) = searches.mapping().users.as_ref() else { return Ok(()) };
    let lost = lost(probe, users, seen, (coverage, whole));
    if seen.read >= FEW {
        let known = schema::read(connection).await?;
        let is_known = |name: &&AttributeName| known.as_ref().is_none_or(|known| known.contains(name.base()));
        absent(probe, users, seen, &|name| is_known(name) && !lost.contains(*name));
    }
    if !people.is_empty() {
        passwords(probe, connection, people).await?;
        writable(probe, connection, people).await?;
    }
    Ok(())
}

/// Attributes that somebody had at the last complete run and nobody shows now: those for which a run would not be complete
/// fail (E2), the others are told where everybody was read (`whole`).
fn lost<'u>(
    probe: &mut Probe,
    users: &'u UserMapping,
    seen: &Seen,
    (coverage, whole): (&BTreeMap<String, u64>, bool),
) -> BTreeSet<&'u AttributeName> {
    let tests: BTreeSet<&AttributeName> = users.disabled.iter().flat_map(Test::attributes).collect();
    let people = coverage.get("").copied().unwrap_or_default();
    let mut lost = BTreeSet::new();
    for name in users.asked.iter().filter(|name| seen.read > 0 && !seen.has.contains_key(*name)) {
        let had = coverage.get(name.as_str()).copied().unwrap_or_default();
        let share = had * 10 > people;
        if had == 0 || !whole && !share {
            continue;
        }
        lost.insert(name);
        let of_test = tests.contains(name);
        let (verdict, then) = if of_test && had > MANY {
            let then = "every run would be incomplete, as it may be hidden, and whom it disabled must not come back by that; let the bind account read it, or \
                        correct [[users.disabled]]";
            (Verdict::Fail, then)
        } else if of_test {
            (Verdict::Warn, "if somebody is disabled by it, let the bind account read it: whom it disabled comes back")
        } else if share && had > MANY {
            let then = "every run would be incomplete; let the bind account read it, or correct [users.attributes]";
            (Verdict::Fail, then)
        } else {
            (Verdict::Warn, "if somebody should, let the bind account read it")
        };
        let says = format!(
            "`{}`, which {} of {} had at the last complete run, is shown of none of the {} read now: {then}",
            name.as_str(),
            number(had),
            counted(people, "person", "people"),
            counted(seen.read, "person", "people"),
        );
        probe.note("attributes", verdict, says);
    }
    lost
}

/// Mapped attributes that the schema knows and nobody shows.
fn absent(probe: &mut Probe, users: &UserMapping, seen: &Seen, is_known: &dyn Fn(&&AttributeName) -> bool) {
    let tests: BTreeSet<&AttributeName> = users.disabled.iter().flat_map(Test::attributes).collect();
    let missing = users.asked.iter().filter(|name| !seen.has.contains_key(*name)).filter(is_known);
    let (of_tests, of_people): (Vec<_>, Vec<_>) = missing.partition(|name| tests.contains(name));
    let listed = |names: &[&AttributeName]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let read = number(seen.read);
    if of_people.is_empty() {
        let says =
            format!("every mapped attribute that the server knows is shown of somebody among the {read} people read");
        probe.note("attributes", Verdict::Ok, says);
    } else {
        let says = format!(
            "none of the {read} people read has {}; if somebody should, let the bind account read it",
            listed(&of_people)
        );
        probe.note("attributes", Verdict::Warn, says);
    }
    if !of_tests.is_empty() {
        let says = format!(
            "none of the {read} people read has {}: nobody is disabled by it, or the bind account may not read it",
            listed(&of_tests)
        );
        probe.note("attributes", Verdict::Ok, says);
    }
}

/// Whether values of password attributes would be shown; they are asked for by name only, and none is sent.
async fn passwords(probe: &mut Probe, connection: &mut Connection, people: &[String]) -> Result<(), DirectoryError> {
    for dn in people {
        let shown = connection.wire.types(dn, kinds::SECRET, "looking for passwords that are shown").await?;
        let shown: Vec<String> = shown.into_iter().filter(|name| kinds::is_secret(name)).collect();
        if !shown.is_empty() {
            let says = format!(
                "the bind account may read {} of `{dn}`; rosterd never asks for it: take that right away on the server",
                shown.join(", ")
            );
            probe.note("rights", Verdict::Warn, says);
            return Ok(());
        }
    }
    let says = format!(
        "no password of the {} looked at is shown to the bind account",
        counted(people.len() as u64, "person", "people")
    );
    probe.note("rights", Verdict::Ok, says);
    Ok(())
}

/// Whether the account may change people, by what the server itself says of it; everybody may change a little of himself.
/// Only some kinds tell.
async fn writable(probe: &mut Probe, connection: &mut Connection, people: &[String]) -> Result<(), DirectoryError> {
    let kind = connection.about.kind;
    let told = connection.about.authorized_as.clone().filter(|who| who.starts_with("dn:"));
    let account = Account::new(connection.settings.bind.account());
    let mut others = 0;
    for dn in people.iter().filter(|dn| !account.is(dn)) {
        let allowed = match (kind, &told) {
            (Kind::ActiveDirectory, _) => by_allowed_attributes(connection, dn, &account).await?,
            (Kind::Ds389 | Kind::FreeIpa, Some(who)) => by_effective_rights(connection, dn, who).await?,
            _ => None,
        };
        let Some(allowed) = allowed else { continue };
        others += 1;
        if !allowed.is_empty() {
            let examples = allowed.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if allowed.len() > SHOWN { ", …" } else { "" };
            let says = format!(
                "the bind account may change `{dn}` ({examples}{more}); rosterd only reads: take that right away on the server"
            );
            probe.note("rights", Verdict::Warn, says);
            return Ok(());
        }
    }
    if others > 0 {
        let says =
            format!("the bind account may change nothing of the {} looked at", counted(others, "person", "people"));
        probe.note("rights", Verdict::Ok, says);
    }
    Ok(())
}

/// Who reads.
struct Account {
    dn: Option<Dn>,
    name: String,
}

impl Account {
    fn new(text: &str) -> Self {
        let bare = text.rsplit('\\').next().unwrap_or(text);
        let name = bare.split('@').next().unwrap_or(bare).to_owned();
        Self { dn: Dn::parse(text).filter(|dn| dn.depth() > 0), name }
    }

    fn is(&self, dn: &str) -> bool {
        self.dn.is_some() && self.dn == Dn::parse(dn)
    }
}

/// What may be changed of somebody on a domain controller (MS-ADTS, 3.1.1.4.5.18); `None` of the account itself, or
/// where the entry is not shown.
async fn by_allowed_attributes(
    connection: &mut Connection,
    dn: &str,
    account: &Account,
) -> Result<Option<Vec<String>>, DirectoryError> {
    let search = Search::once(dn, Scope::Base, "(objectClass=*)", &["allowedAttributesEffective", "sAMAccountName"]);
    let mut allowed = None;
    paging::one(&mut connection.wire, &search, "asking what may be changed", |entry| {
        let itself = entry.texts("sAMAccountName").any(|name| name.eq_ignore_ascii_case(&account.name));
        let mut names: Vec<String> = entry.texts("allowedAttributesEffective").map(|name| name.into_owned()).collect();
        names.sort();
        allowed = (!itself).then_some(names);
    })
    .await?;
    Ok(allowed)
}

/// The same where the server tells effective rights: `mail:rscwo`, `w` or `o` being the right to write or to delete;
/// of the entry `d` to delete and `n` to rename it.
async fn by_effective_rights(
    connection: &mut Connection,
    dn: &str,
    who: &str,
) -> Result<Option<Vec<String>>, DirectoryError> {
    let (entry, attributes) = connection.wire.effective_rights(dn, who, "asking what may be changed").await?;
    if entry.is_empty() && attributes.is_empty() {
        return Ok(None);
    }
    // No right at all is a word, with letters of its own.
    let has = |rights: &str, right: char| rights != "none" && rights.contains(right);
    let of_entry = [('d', "deleting it"), ('n', "renaming it")];
    let mut allowed: Vec<String> =
        of_entry.iter().filter(|(right, _)| has(&entry, *right)).map(|(_, word)| (*word).to_owned()).collect();
    let written = attributes.iter().filter_map(|one| one.split_once(':'));
    let written = written.filter(|(_, rights)| has(rights, 'w') || has(rights, 'o'));
    allowed.extend(written.map(|(name, _)| name.to_owned()));
    Ok(Some(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::mapping::Mapping;
    use crate::directory::settings::{AttributeOverrides, UserSettings};

    #[test]
    fn what_nobody_shows_is_told_where_the_server_knows_it() {
        let users = UserSettings {
            base_dns: vec!["dc=x".to_owned()],
            scope: Scope::Subtree,
            filter: None,
            primary: vec!["mail".to_owned()],
            attributes: AttributeOverrides::default(),
            disabled: None,
        };
        let mapping = Mapping::resolve(Kind::OpenLdap, Some(&users), None).unwrap();
        let users = mapping.users.as_ref().unwrap();
        let told = |missing: &[&str], unknown: &[&str]| {
            let has = users.asked.iter().filter(|name| !missing.contains(&name.as_str()));
            let seen = Seen { read: 9, has: has.map(|name| (name.clone(), 9)).collect() };
            let mut probe = Probe::default();
            absent(&mut probe, users, &seen, &|name| !unknown.contains(&name.as_str()));
            probe.findings.into_iter().map(|found| (found.verdict, found.text)).collect::<Vec<_>>()
        };
        let all = told(&["proxyaddresses"], &["proxyaddresses"]);
        assert!(all.len() == 1 && all[0].1.starts_with("every mapped attribute that the server knows"), "{all:?}");
        let missing = told(&["mail", "sn", "shadowexpire"], &[]);
        assert_eq!(missing.iter().map(|(verdict, _)| *verdict).collect::<Vec<_>>(), [Verdict::Warn, Verdict::Ok]);
        assert!(missing[0].1.contains("has mail, sn;") && missing[1].1.contains("has shadowexpire:"), "{missing:?}");
    }
}
