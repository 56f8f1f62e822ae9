//! A first look at a directory nobody has described yet: where it begins, who is there, and what they have.

mod census;

use std::collections::{BTreeMap, BTreeSet};

use super::codes;
use super::connect::{About, Connection, connect};
use super::entry::AttributeName;
use super::error::DirectoryError;
use super::paging::{self, Search, Sink};
use super::reach::Reached;
use super::read::{ROOT, check_base};
use super::searches::{Pass, Searches};
use super::settings::{AttributeOverrides, Bind, GroupSettings, Kind, Scope, Settings, UserSettings};
use crate::clock::Clock;
use crate::roster::Dn;
pub use census::{ALIASES, IDS, NAMES};
use census::{Count, GroupCensus, PeopleCensus, Tally};

/// Naming contexts in which servers keep their own things.
const OWN: &[&str] = &[
    "cn=config",
    "cn=schema",
    "cn=monitor",
    "cn=changelog",
    "cn=accesslog",
    "cn=localhost",
    "o=netscaperoot",
    "o=ipaca",
];
/// Where FreeIPA keeps its people and groups, below the suffix. Staged and preserved people are elsewhere.
const FREEIPA_USERS: &str = "cn=users,cn=accounts";
const FREEIPA_GROUPS: &str = "cn=groups,cn=accounts";
/// What people may be when they are not of the classes of their kind of directory; the first that finds anybody is taken.
const OTHER_FILTERS: &[&str] = &[
    "(objectClass=organizationalPerson)",
    "(objectClass=person)",
    "(objectClass=posixAccount)",
    "(objectClass=account)",
];

/// Anybody who signs in or has an address, whatever the class.
const SOMEBODY: &str = "(&(|(objectClass=person)(objectClass=posixAccount)(objectClass=account))(|(uid=*)(mail=*)))";

/// What was found.
#[derive(Debug)]
pub struct Survey {
    /// How to read it: URL, TLS, account, base and size of pages.
    pub settings: Settings,
    /// The server.
    pub about: About,
    /// Where the directory begins.
    pub base: Base,
    /// The people.
    pub people: People,
    /// The groups.
    pub groups: Found,
}

/// Where the directory begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base {
    /// The base object.
    pub dn: String,
    /// How it was found.
    pub why: Why,
}

/// How the base was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// It was given.
    Given,
    /// The server calls it its default naming context.
    Default,
    /// The server has no other one.
    Only,
    /// People are in no other one.
    People,
    /// The account is in it.
    Account,
}

/// Entries of one kind.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Found {
    /// The filter that found them.
    pub filter: String,
    /// How many were read.
    pub read: u64,
    /// Whether that is all there are.
    pub whole: bool,
    /// Where they are: what lies directly below the base, the fullest first.
    pub places: Vec<(String, u64)>,
    /// What the server refers to inside the base.
    pub references: BTreeSet<String>,
    /// Why the reading ended early.
    pub trouble: Option<String>,
}

/// The people of a directory.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct People {
    /// Where and how many; the bind account is not counted.
    pub found: Found,
    /// Whether the filter is another one than that of the kind.
    pub other_filter: bool,
    /// The bases to search, where the whole directory is more than is needed.
    pub bases: Vec<String>,
    /// The same for groups.
    pub group_bases: Vec<String>,
    /// How many have an attribute (lower case) that can be used.
    pub has: BTreeMap<String, u64>,
    /// Domains of the primary addresses.
    pub domains: BTreeMap<String, u64>,
    /// How many have no usable primary address.
    pub without: u64,
    /// How many are disabled.
    pub disabled: u64,
    /// How many entries cannot be understood.
    pub unreadable: u64,
    /// Whether the bind account is one of them by the filter.
    pub account: bool,
    /// Entries of other classes of people and accounts, up to a page of them.
    pub others: u64,
}

impl People {
    /// How many of those who were read have an attribute.
    pub fn having(&self, attribute: &str) -> u64 {
        AttributeName::parse(attribute).and_then(|name| self.has.get(name.as_str()).copied()).unwrap_or(0)
    }
}

/// Binds, and looks at what is there; changes nothing. At most 100,000 people and as many groups are read.
///
/// # Errors
/// A refused bind, no base, a connection that ends. A search that the server cuts off is no error, but told.
pub async fn survey(
    reached: &Reached,
    bind: Bind,
    base: Option<&str>,
    clock: &dyn Clock,
) -> Result<Survey, DirectoryError> {
    let base_dn = base.unwrap_or_default().to_owned();
    let mut settings = Settings { bind, base_dn, ..reached.settings.clone() };
    let mut connection = connect(&settings, clock).await?;
    if !connection.about.pages {
        settings.page_size = 0;
    }
    let base = find_base(&mut connection, &settings, base).await?;
    settings.base_dn.clone_from(&base.dn);
    if settings.page_size > 0 {
        let (given, done) = paging::allowed(&mut connection.wire, &base.dn, settings.page_size).await?;
        settings.page_size = if done.code == 0 { given } else { settings.page_size };
    }
    let mut looked = Box::pin(look(&mut connection, &settings, clock)).await;
    if settings.page_size > 0 && looked.as_ref().is_err_and(cannot_page) {
        settings.page_size = 0;
        connection = connect(&settings, clock).await?;
        looked = Box::pin(look(&mut connection, &settings, clock)).await;
    }
    let (people, groups) = looked?;
    Ok(Survey { about: connection.about().clone(), settings, base, people, groups })
}

fn cannot_page(error: &DirectoryError) -> bool {
    match error {
        DirectoryError::Paging { .. } => true,
        DirectoryError::Search { code, text, .. } => codes::refuses_paging(*code, text),
        _ => false,
    }
}

/// Contexts that may hold people.
fn contexts(about: &About) -> Vec<String> {
    let own = |dn: &Dn| OWN.iter().filter_map(|own| Dn::parse(own)).any(|own| dn.is_under(&own));
    let held = about.naming_contexts.iter().filter(|context| Dn::parse(context).is_some_and(|dn| !own(&dn)));
    held.filter(|context| !context.is_empty()).cloned().collect()
}

async fn find_base(
    connection: &mut Connection,
    settings: &Settings,
    given: Option<&str>,
) -> Result<Base, DirectoryError> {
    if let Some(dn) = given {
        check_base(&mut connection.wire, ROOT, dn).await?;
        return Ok(Base { dn: dn.to_owned(), why: Why::Given });
    }
    let about = connection.about.clone();
    let told = matches!(about.kind, Kind::ActiveDirectory | Kind::FreeIpa);
    if let Some(dn) = about.default_context.clone().filter(|_| told) {
        check_base(&mut connection.wire, ROOT, &dn).await?;
        return Ok(Base { dn, why: Why::Default });
    }
    let contexts = contexts(&about);
    let nothing = |says: String| DirectoryError::NoBase { server: about.server.clone(), says };
    match contexts.as_slice() {
        [] => Err(nothing("it names no naming context with people; name the base with source.base_dn".to_owned())),
        [only] => {
            check_base(&mut connection.wire, ROOT, only).await?;
            Ok(Base { dn: only.clone(), why: Why::Only })
        }
        several => {
            let usual = about.kind.defaults().user_filter;
            let mut peopled = Vec::new();
            for filter in [usual, SOMEBODY] {
                for context in several {
                    let count = count(connection, settings, context, filter).await?;
                    peopled.extend((count > 0).then(|| context.clone()));
                }
                if !peopled.is_empty() {
                    break;
                }
            }
            choose(several, &peopled, settings.bind.account()).ok_or_else(|| nothing(listed(several, &peopled)))
        }
    }
}

/// Of several naming contexts the only one with people, or, where there are none at all, the one with the account.
fn choose(contexts: &[String], peopled: &[String], account: &str) -> Option<Base> {
    if let [dn] = peopled {
        return Some(Base { dn: dn.clone(), why: Why::People });
    }
    let account = Dn::parse(account).filter(|dn| dn.depth() > 0 && peopled.is_empty())?;
    let dn = contexts.iter().find(|context| Dn::parse(context).is_some_and(|dn| account.is_under(&dn)))?;
    Some(Base { dn: dn.clone(), why: Why::Account })
}

fn listed(contexts: &[String], peopled: &[String]) -> String {
    let list: Vec<String> = contexts.iter().map(|dn| format!("`{dn}`")).collect();
    let found = if peopled.is_empty() { "nobody in any" } else { "people in several" };
    format!("its naming contexts are {}, with {found} of them; name one with source.base_dn", list.join(", "))
}

/// How many entries match, up to a page of them; none where the server refuses.
async fn count(
    connection: &mut Connection,
    settings: &Settings,
    base: &str,
    filter: &str,
) -> Result<u64, DirectoryError> {
    let search = Search { page_size: settings.page_size, ..Search::once(base, Scope::Subtree, filter, &["1.1"]) };
    let mut found = Count::default();
    match paging::all(&mut connection.wire, &search, &format!("counting under `{base}`"), &mut found).await {
        Ok(()) | Err(DirectoryError::Search { .. }) => Ok(found.0),
        Err(error) => Err(error),
    }
}

async fn look(
    connection: &mut Connection,
    settings: &Settings,
    clock: &dyn Clock,
) -> Result<(People, Found), DirectoryError> {
    let kind = connection.about.kind;
    let bases = own_bases(connection, settings).await?;
    let (users_base, groups_base) =
        bases.clone().unwrap_or_else(|| (settings.base_dn.clone(), settings.base_dn.clone()));
    let others = if kind == Kind::ActiveDirectory { &[][..] } else { OTHER_FILTERS };
    let mut people = people(connection, settings, (&users_base, None), clock).await?;
    for filter in others {
        if people.found.read > 0 {
            break;
        }
        let found = self::people(connection, settings, (&users_base, Some(filter)), clock).await?;
        // A service account is a person by class, but has neither a name to sign in with nor an address.
        if found.having("uid") + found.having("mail") > 0 {
            people = People { other_filter: true, ..found };
        }
    }
    if !others.is_empty() {
        let filter = format!(
            "(&(|(objectClass=person)(objectClass=posixAccount)(objectClass=account))(!{}))",
            people.found.filter
        );
        people.others = count(connection, settings, &users_base, &filter).await?;
    }
    let groups = groups(connection, settings, &groups_base).await?;
    match bases {
        Some((users, groups)) => (people.bases, people.group_bases) = (vec![users], vec![groups]),
        None if kind != Kind::ActiveDirectory => {
            people.bases = only_place(&people.found, &settings.base_dn);
            people.group_bases = only_place(&groups, &settings.base_dn);
        }
        // People are made anywhere in a domain, by default beside the unit that somebody thought of.
        None => {}
    }
    Ok((people, groups))
}

/// Where all are in one place below the base, that place.
fn only_place(found: &Found, base: &str) -> Vec<String> {
    match found.places.as_slice() {
        [(place, _)] if found.whole && found.trouble.is_none() && place != base => vec![place.clone()],
        _ => Vec::new(),
    }
}

/// Where FreeIPA keeps people and groups, if it is one.
async fn own_bases(
    connection: &mut Connection,
    settings: &Settings,
) -> Result<Option<(String, String)>, DirectoryError> {
    if connection.about.kind != Kind::FreeIpa {
        return Ok(None);
    }
    let (users, groups) =
        (format!("{FREEIPA_USERS},{}", settings.base_dn), format!("{FREEIPA_GROUPS},{}", settings.base_dn));
    for base in [&users, &groups] {
        match check_base(&mut connection.wire, ROOT, base).await {
            Ok(()) => {}
            Err(DirectoryError::Base { .. } | DirectoryError::Search { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some((users, groups)))
}

fn user_settings(base: &str, filter: Option<&str>) -> UserSettings {
    UserSettings {
        base_dns: vec![base.to_owned()],
        scope: Scope::Subtree,
        filter: filter.map(str::to_owned),
        primary: ["mail", "proxyAddresses"].map(str::to_owned).to_vec(),
        attributes: AttributeOverrides::default(),
        disabled: None,
    }
}

async fn people(
    connection: &mut Connection,
    settings: &Settings,
    (base, filter): (&str, Option<&str>),
    clock: &dyn Clock,
) -> Result<People, DirectoryError> {
    let users = user_settings(base, filter);
    let searches = Searches::new(settings, Some(&users), None, connection.about.kind)?;
    let (Some(pass), Some(mapping)) = (searches.users.as_ref(), searches.mapping().users.as_ref()) else {
        return Ok(People::default());
    };
    let tally = Tally::new(&settings.base_dn, &connection.about.naming_contexts);
    let mut census = PeopleCensus::new(mapping, tally, settings.bind.account(), clock.now());
    let search = Search { attributes: census.attributes(), ..searches.search(pass, base) };
    let trouble = read(connection, pass, &search, &mut census).await?;
    let mut people = census.people(pass.filter.clone());
    people.found.trouble = trouble;
    Ok(people)
}

async fn groups(connection: &mut Connection, settings: &Settings, base: &str) -> Result<Found, DirectoryError> {
    let groups = GroupSettings::below(base);
    let searches = Searches::new(settings, None, Some(&groups), connection.about.kind)?;
    let Some(pass) = searches.groups.as_ref() else { return Ok(Found::default()) };
    let mut census = GroupCensus(Tally::new(&settings.base_dn, &connection.about.naming_contexts));
    let search = Search { attributes: vec!["1.1".to_owned()], ..searches.search(pass, base) };
    let trouble = read(connection, pass, &search, &mut census).await?;
    Ok(Found { trouble, ..census.0.found(pass.filter.clone()) })
}

/// Reads one search; what the server says when it ends it early is given back, unless it is that it cannot page.
async fn read(
    connection: &mut Connection,
    pass: &Pass,
    search: &Search,
    sink: &mut dyn Sink,
) -> Result<Option<String>, DirectoryError> {
    let doing = format!("reading {} under `{}`", pass.name, search.base);
    match paging::all(&mut connection.wire, search, &doing, sink).await {
        Ok(()) => Ok(None),
        Err(error @ DirectoryError::Search { .. }) if !cannot_page(&error) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}
