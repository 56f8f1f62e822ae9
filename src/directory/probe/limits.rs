//! What the server allows this account: pages, controls, limits.

use std::collections::BTreeSet;

use super::super::codes::{self, printable};
use super::super::connect::Connection;
use super::super::error::DirectoryError;
use super::super::paging::{self, Search};
use super::super::settings::{Kind, Scope};
use super::{Probe, Verdict};
use crate::roster::words::{counted, number};

/// Controls that tell one server from another, with the names that their documents give them.
const CONTROLS: [(&str, &str); 8] = [
    ("1.2.840.113556.1.4.319", "paged results"),
    ("1.3.6.1.4.1.4203.1.9.1.1", "content synchronization"),
    ("1.2.840.113556.1.4.841", "DirSync"),
    ("2.16.840.1.113730.3.4.3", "persistent search"),
    ("1.2.840.113556.1.4.528", "change notification"),
    ("1.2.840.113556.1.4.473", "server-side sorting"),
    ("2.16.840.1.113730.3.4.9", "virtual list view"),
    ("1.2.840.113556.1.4.417", "show deleted"),
];

/// Where domain controllers keep their limits, below the configuration context (MS-ADTS, 3.1.1.3.4.6).
const POLICY: &str = "CN=Default Query Policy,CN=Query-Policies,CN=Directory Service,CN=Windows NT,CN=Services";
/// Those among them that a reader meets.
const OF_POLICY: [&str; 5] = ["MaxPageSize", "MaxValRange", "MaxQueryDuration", "MaxTempTableSize", "MaxResultSetSize"];

/// Limits of OpenLDAP's `cn=config`.
const OF_OPENLDAP: &[&str] = &["olcSizeLimit", "olcTimeLimit", "olcLimits"];
/// Limits on the entry of whoever binds to a 389 Directory Server; they come before the next ones.
const OF_ACCOUNT: &[&str] =
    &["nsSizeLimit", "nsTimeLimit", "nsLookThroughLimit", "nsPagedSizeLimit", "nsPagedLookThroughLimit"];
/// Its limits for everybody.
const OF_389: &[&str] = &[
    "nsslapd-sizelimit",
    "nsslapd-timelimit",
    "nsslapd-lookthroughlimit",
    "nsslapd-pagedsizelimit",
    "nsslapd-pagedlookthroughlimit",
];

/// Asks for a page, and says how pages come; `false` where the server refuses to page at all.
pub async fn paging(probe: &mut Probe, connection: &mut Connection) -> Result<bool, DirectoryError> {
    let (size, announced) = (connection.settings.page_size, connection.about.pages);
    if size == 0 {
        probe.note("paging", Verdict::Warn, "switched off by source.page_size = 0: limits of the server apply");
        return Ok(true);
    }
    let base = connection.settings.base_dn.clone();
    let (given, done) = paging::allowed(&mut connection.wire, &base, size).await?;
    if codes::refuses_paging(done.code, &done.text) {
        probe.failed("paging", &done.failure(&connection.wire, "asking for a page"));
        return Ok(false);
    }
    if done.code == 0 && given < size {
        let says = format!(
            "the server refuses pages of {}, as source.page_size has them, and gives pages of {}: set source.page_size = \
             {given}, so that not every search begins with what is refused",
            number(u64::from(size)),
            number(u64::from(given))
        );
        probe.note("paging", Verdict::Warn, says);
    } else if announced || done.code == 0 && done.control.is_some() {
        probe.note("paging", Verdict::Ok, format!("{} a page", counted(u64::from(size), "entry", "entries")));
    } else {
        let says = "the server does not announce it; if it fails, set source.page_size = 0";
        probe.note("paging", Verdict::Warn, says);
    }
    Ok(true)
}

/// Which controls the server announces, and which limits it shows.
pub async fn look(probe: &mut Probe, connection: &mut Connection) -> Result<(), DirectoryError> {
    let names = |announced: bool| {
        let controls = &connection.about.controls;
        let names = CONTROLS.iter().filter(|(oid, _)| controls.contains(*oid) == announced).map(|(_, name)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let says = match (names(true), names(false)) {
        (there, _) if there.is_empty() => "the server announces none of those that are known here".to_owned(),
        (there, missing) if missing.is_empty() => format!("the server announces {there}"),
        (there, missing) => format!("the server announces {there}; not {missing}"),
    };
    probe.note("controls", Verdict::Ok, format!("{says}; rosterd needs paged results only"));
    let shown = shown(connection).await?;
    let says = if shown.is_empty() {
        "the server does not show its limits to this account; a run that meets one is incomplete, and names it with the \
         remedy"
            .to_owned()
    } else {
        format!("the server shows {}", shown.join(", "))
    };
    probe.note("limits", Verdict::Ok, says);
    Ok(())
}

/// The limits that the account may see, each with its name.
async fn shown(connection: &mut Connection) -> Result<Vec<String>, DirectoryError> {
    let account = connection.about.authorized_as.as_deref().and_then(|who| who.strip_prefix("dn:"));
    let account = account.unwrap_or_default().to_owned();
    let mut contexts = connection.about.naming_contexts.iter();
    let context = contexts.find(|context| context.to_ascii_lowercase().starts_with("cn=configuration,")).cloned();
    let places: Vec<(String, Scope, &[&str])> = match connection.about.kind {
        Kind::ActiveDirectory => {
            let policy = context.map(|context| (format!("{POLICY},{context}"), Scope::Base, &["lDAPAdminLimits"][..]));
            policy.into_iter().collect()
        }
        Kind::OpenLdap => vec![("cn=config".to_owned(), Scope::Subtree, OF_OPENLDAP)],
        Kind::Ds389 | Kind::FreeIpa => {
            vec![(account, Scope::Base, OF_ACCOUNT), ("cn=config".to_owned(), Scope::Subtree, OF_389)]
        }
        Kind::Generic => Vec::new(),
    };
    let mut shown = Vec::new();
    for (base, scope, names) in places.iter().filter(|(base, ..)| !base.is_empty()) {
        let any = names.iter().map(|name| format!("({name}=*)")).collect::<String>();
        let search = Search::once(base, *scope, &format!("(|{any})"), names);
        let mut found = BTreeSet::new();
        paging::one(&mut connection.wire, &search, "reading the server's limits", |entry| {
            for name in *names {
                found.extend(entry.texts(name).map(|value| (*name, printable(&value))));
            }
        })
        .await?;
        shown.extend(found.into_iter().filter_map(|(name, value)| match name {
            "lDAPAdminLimits" => {
                let known = OF_POLICY.iter().any(|limit| value.split('=').next() == Some(limit));
                known.then_some(value)
            }
            _ => Some(format!("{name}={value}")),
        }));
    }
    Ok(shown)
}
