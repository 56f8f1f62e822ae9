//! The directory edge against a real OpenLDAP.

mod agreeing;
mod connecting;
mod faults;
mod looking_up;
mod reading;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rosterd::clock::{SystemClock, Timestamp};
use rosterd::directory::{
    self, AttributeOverrides, Bind, Connection, DirectoryError, GroupSettings, PasswordSource, Progress, Scope,
    Searches, ServerUrl, Settings, SourceUrl, UserSettings,
};
use rosterd::roster::{Before, Index, Passes, Snapshot};

use super::support::slapd::{Options, Slapd};

const BOTH: Passes = Passes { users: true, groups: true };
const USERS: Passes = Passes { users: true, groups: false };

fn url(text: &str) -> SourceUrl {
    let (scheme, rest) = text.split_once("://").unwrap();
    if scheme == "ldapi" {
        return ServerUrl::Ldapi { path: PathBuf::from(rest.replace("%2F", "/").replace("%2f", "/")) }.into();
    }
    let (host, port) = rest.rsplit_once(':').unwrap();
    let (host, port) = (host.to_owned(), port.parse().unwrap());
    let server = if scheme == "ldaps" { ServerUrl::Ldaps { host, port } } else { ServerUrl::Ldap { host, port } };
    server.into()
}

/// Binds to this server as the service account.
fn settings(slapd: &Slapd, server: &str) -> Settings {
    let (dn, password) = (slapd.bind_dn().to_owned(), PasswordSource::File(slapd.password_file()));
    Settings {
        name: "test".to_owned(),
        urls: vec![url(server)],
        starttls: false,
        cleartext: false,
        ca_file: Some(slapd.ca()),
        client_certificate: None,
        bind: Bind::Simple { dn, password },
        base_dn: slapd.base().to_owned(),
        kind: None,
        page_size: 100,
        page_rate: 0,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        run_timeout: Duration::from_secs(60),
        outside: vec![],
        must_see: vec![],
    }
}

fn users(slapd: &Slapd) -> UserSettings {
    UserSettings {
        base_dns: vec![format!("ou=people,{}", slapd.base())],
        scope: Scope::Subtree,
        filter: None,
        primary: vec!["mail".to_owned(), "proxyAddresses".to_owned()],
        attributes: AttributeOverrides::default(),
        disabled: None,
    }
}

fn groups(slapd: &Slapd) -> GroupSettings {
    GroupSettings::below(&format!("ou=groups,{}", slapd.base()))
}

/// LDIF of a person with further lines.
fn person(uid: &str, more: &str) -> String {
    format!(
        "dn: uid={uid},ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nobjectClass: rosterMailUser\n\
         uid: {uid}\ncn: {uid}\nsn: {uid}\n{more}\n"
    )
}

fn now() -> Timestamp {
    Timestamp::parse("2026-06-01T00:00:00Z").unwrap()
}

/// Counts what it is told, and can act on it once.
#[derive(Default)]
struct Watcher<'a> {
    so_far: AtomicU64,
    at: u64,
    act: Option<&'a (dyn Fn() + Send + Sync)>,
}

impl Progress for Watcher<'_> {
    fn entries(&self, _: &'static str, so_far: u64) {
        let before = self.so_far.swap(so_far, Ordering::Relaxed);
        if let Some(act) = self.act.filter(|_| before < self.at && so_far >= self.at) {
            act();
        }
    }
}

async fn connect(settings: &Settings) -> Result<Connection, DirectoryError> {
    directory::connect(settings, &SystemClock).await
}

/// Error text with its causes, as an operator sees it.
async fn refused(settings: &Settings) -> (DirectoryError, String) {
    match connect(settings).await {
        Ok(connection) => panic!("connected to {}", connection.about().server),
        Err(error) => {
            let text = error.to_string();
            (error, text)
        }
    }
}

/// Reads with an index, and what is told on the way.
async fn read_with(
    settings: &Settings,
    (users, groups): (Option<&UserSettings>, Option<&GroupSettings>),
    index: &Index,
    progress: &dyn Progress,
) -> Result<Snapshot, DirectoryError> {
    let mut connection = connect(settings).await?;
    let searches = Searches::new(settings, users, groups, connection.about().kind)?;
    directory::read(&mut connection, &searches, index, &Before::default(), BOTH, now(), progress).await
}

/// A first read of users and groups.
async fn read(slapd: &Slapd, settings: &Settings) -> Result<Snapshot, DirectoryError> {
    let (users, groups) = (users(slapd), groups(slapd));
    read_with(settings, (Some(&users), Some(&groups)), &Index::default(), &Watcher::default()).await
}

/// Attribute overrides of one key.
fn single(key: &str, attribute: &str) -> AttributeOverrides {
    AttributeOverrides { single: BTreeMap::from([(key.to_owned(), attribute.to_owned())]), ..Default::default() }
}
