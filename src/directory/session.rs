//! One bound connection as the rest sees it: searches, page by page.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ldap3::controls::RawControl;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, SearchOptions, SearchStream, StdStream};
use tokio::time::Instant;

use super::DirectoryError;
use super::codes;
use super::entry::RawEntry;
use super::error::RUN_TIMEOUT;
use super::guard::{Diverted, Fault, Guard, Stream};
use super::settings::{Kind, Scope};

/// What one search asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Base DN.
    pub base: String,
    /// Scope.
    pub scope: Scope,
    /// RFC 4515 text.
    pub filter: String,
    /// Attributes by name.
    pub attributes: Vec<String>,
    /// Value of the paging control, sent as critical; `None` = without paging.
    pub control: Option<Vec<u8>>,
}

/// What a search gives, in the server's order; [`Item::Done`] is the last.
#[derive(Debug)]
pub enum Item {
    /// Contents of SearchResultEntry messages.
    Entries(Vec<Bytes>),
    /// URLs of one continuation reference.
    Reference(Vec<String>),
    /// The end.
    Done(Done),
}

/// How a search ended.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Done {
    /// Result code.
    pub code: u32,
    /// As much of the base as exists.
    pub matched: String,
    /// The server's own words.
    pub text: String,
    /// Referral URLs.
    pub referrals: Vec<String>,
    /// The paging control of the answer, with its value if it has one, and if there is only one control.
    pub control: Option<Option<Vec<u8>>>,
}

impl Done {
    /// The error that this end is.
    pub fn failure(&self, session: &dyn Session, doing: impl Into<String>) -> DirectoryError {
        let (server, kind) = (session.server().to_owned(), session.kind());
        DirectoryError::Search { server, doing: doing.into(), code: self.code, text: self.text.clone(), kind }
    }
}

/// The control of RFC 2696.
pub const PAGING: &str = "1.2.840.113556.1.4.319";

/// Get Effective Rights (389 Directory Server and its relatives).
const EFFECTIVE_RIGHTS: &str = "1.3.6.1.4.1.42.2.27.9.5.2";

/// Where searches run. One search at a time; any error is final, the session is of no use after it.
#[async_trait]
pub trait Session: Send {
    /// Which server, for messages.
    fn server(&self) -> &str;
    /// Its kind, for what messages advise.
    fn kind(&self) -> Kind {
        Kind::Generic
    }
    /// Sends a search. `doing` says what for, in errors.
    async fn start(&mut self, request: &Request, doing: &str) -> Result<(), DirectoryError>;
    /// The next item of the search.
    async fn next(&mut self, doing: &str) -> Result<Item, DirectoryError>;
}

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Longest silence.
    pub silence: Duration,
    /// End of the whole run.
    pub end: Instant,
    /// How long the whole run may take, for messages.
    pub run: Duration,
}

/// A connection through ldap3, behind the guard.
pub struct Wire {
    /// Its kind, once it is known.
    pub kind: Kind,
    server: String,
    deadlines: Deadlines,
    guard: Guard,
    ldap: Ldap,
    search: Option<SearchStream<'static, String, Vec<String>>>,
    done: Option<Done>,
}

impl Wire {
    /// Puts guard and ldap3 in front of an open connection.
    pub async fn new(server: String, stream: Box<dyn Stream>, deadlines: Deadlines) -> Result<Self, DirectoryError> {
        let broken = |source| DirectoryError::Connect { server: server.clone(), source };
        let (guard, local) = Guard::new(stream).map_err(broken)?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(local));
        let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///")
            .await
            .map_err(|error| broken(std::io::Error::other(error)))?;
        tokio::spawn(async move {
            // What ends the driver is known to the guard, and asked there.
            let _ = driver.drive().await;
        });
        Ok(Self { kind: Kind::Generic, server, deadlines, guard, ldap, search: None, done: None })
    }

    /// Waits for an operation, no longer than the server may be silent and the run may take.
    pub async fn wait<T>(
        &mut self,
        doing: &str,
        operation: impl AsyncFnOnce(&mut Ldap) -> Result<T, LdapError>,
    ) -> Result<T, DirectoryError> {
        let (at, silence) = (Instant::now() + self.deadlines.silence, self.deadlines.silence);
        let waited = tokio::time::timeout_at(at.min(self.deadlines.end), operation(&mut self.ldap)).await;
        match waited {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.trouble(doing, &error)),
            Err(_) => Err(self.timeout(doing, at <= self.deadlines.end, silence)),
        }
    }

    /// Names of those of `attributes` that an entry has and shows; no value is sent. Empty where it cannot be read.
    pub async fn types(
        &mut self,
        base: &str,
        attributes: &[&str],
        doing: &str,
    ) -> Result<BTreeSet<String>, DirectoryError> {
        let mut types = BTreeSet::new();
        let options = SearchOptions::new().typesonly(true);
        self.object((base, attributes), (options, None), doing).await?;
        self.each(doing, |entry| types.extend(entry.names().map(str::to_owned))).await?;
        Ok(types)
    }

    /// What an account may do with an entry, by the server's own account of it: rights to the entry and to each
    /// attribute (draft-ietf-ldapext-acl-model, as 389 Directory Server has it). Empty where it does not tell.
    pub async fn effective_rights(
        &mut self,
        base: &str,
        account: &str,
        doing: &str,
    ) -> Result<(String, Vec<String>), DirectoryError> {
        let (mut entry_rights, mut attribute_rights) = (String::new(), Vec::new());
        let control =
            RawControl { ctype: EFFECTIVE_RIGHTS.to_owned(), crit: true, val: Some(account.as_bytes().to_vec()) };
        self.object((base, &["*"]), (SearchOptions::new(), Some(control)), doing).await?;
        self.each(doing, |entry| {
            entry_rights = entry.texts("entryLevelRights").collect();
            let rights = entry.texts("attributeLevelRights").map(std::borrow::Cow::into_owned).collect::<Vec<_>>();
            attribute_rights = rights.join(", ").split(", ").map(str::to_owned).collect();
        })
        .await?;
        Ok((entry_rights, attribute_rights))
    }

    /// Begins a search of one object.
    async fn object(
        &mut self,
        (base, attributes): (&str, &[&str]),
        (options, control): (SearchOptions, Option<RawControl>),
        doing: &str,
    ) -> Result<(), DirectoryError> {
        let names: Vec<String> = attributes.iter().map(|name| (*name).to_owned()).collect();
        let search = self
            .wait(doing, async move |ldap: &mut Ldap| {
                if let Some(control) = control {
                    ldap.with_controls(control);
                }
                let scope = ldap3::Scope::Base;
                ldap.with_search_options(options).streaming_search(base, scope, "(objectClass=*)", names).await
            })
            .await?;
        (self.done, self.search) = (None, Some(search));
        Ok(())
    }

    /// Takes what a search of few entries gives, however it ends.
    async fn each(&mut self, doing: &str, mut each: impl FnMut(&RawEntry<'_>) + Send) -> Result<(), DirectoryError> {
        loop {
            match self.next(doing).await? {
                Item::Entries(entries) => {
                    entries.iter().filter_map(|content| RawEntry::parse(content).ok()).for_each(|entry| each(&entry));
                }
                Item::Reference(_) => {}
                Item::Done(_) => return Ok(()),
            }
        }
    }

    /// Bytes received so far.
    pub fn bytes(&self) -> u64 {
        self.guard.watch.bytes()
    }

    fn timeout(&self, doing: &str, silent: bool, silence: Duration) -> DirectoryError {
        let (after, key) = if silent { (silence, "source.read_timeout") } else { (self.deadlines.run, RUN_TIMEOUT) };
        DirectoryError::Timeout { server: self.server.clone(), doing: doing.to_owned(), after, key }
    }

    /// What an error of ldap3 really means: the guard knows better.
    fn trouble(&self, doing: &str, error: &LdapError) -> DirectoryError {
        let (server, doing) = (self.server.clone(), doing.to_owned());
        match self.guard.watch.fault() {
            Some(Fault::Protocol(says)) => {
                DirectoryError::Protocol { server, doing, says: format!("it sent {}", codes::printable(says)) }
            }
            Some(Fault::Notice { code, text }) => {
                let says = format!("the server gave notice of it, {}{}", codes::name(*code), codes::quoted(text));
                DirectoryError::Lost { server, doing, says }
            }
            Some(Fault::Broken(says)) => DirectoryError::Lost { server, doing, says: says.clone() },
            Some(Fault::Closed) => {
                let hint =
                    if self.bytes() == 0 { "; if this port speaks TLS, use ldaps:// in source.urls" } else { "" };
                DirectoryError::Lost { server, doing, says: format!("the server closed it{hint}") }
            }
            None => DirectoryError::Protocol { server, doing, says: error.to_string() },
        }
    }

    async fn next_item(&mut self) -> Result<Item, LdapError> {
        let Some(search) = self.search.as_mut() else { return Err(LdapError::EndOfStream) };
        if self.done.is_none() {
            tokio::select! {
                biased;
                Some(diverted) = self.guard.diverted.recv() => return Ok(diverted.into()),
                end = search.next() => if end?.is_some() {
                    return Err(LdapError::EndOfStream);
                },
            }
            self.done = Some(search.finish().await.into());
        }
        // Everything that came before the end is in the channel by now.
        if let Ok(diverted) = self.guard.diverted.try_recv() {
            return Ok(diverted.into());
        }
        self.search = None;
        self.done.take().map(Item::Done).ok_or(LdapError::EndOfStream)
    }
}

impl From<Diverted> for Item {
    fn from(diverted: Diverted) -> Self {
        match diverted {
            Diverted::Entries(entries) => Self::Entries(entries),
            Diverted::Reference(urls) => Self::Reference(urls),
        }
    }
}

impl From<LdapResult> for Done {
    fn from(result: LdapResult) -> Self {
        let mut paging = result.ctrls.into_iter().filter(|control| control.1.ctype == PAGING);
        // Of two of them nobody knows which one to believe.
        let control = match (paging.next(), paging.next()) {
            (Some(_), Some(_)) => Some(None),
            (only, _) => only.map(|control| control.1.val),
        };
        Self { code: result.rc, matched: result.matched, text: result.text, referrals: result.refs, control }
    }
}

#[async_trait]
impl Session for Wire {
    fn server(&self) -> &str {
        &self.server
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    async fn start(&mut self, request: &Request, doing: &str) -> Result<(), DirectoryError> {
        let scope = match request.scope {
            Scope::Subtree => ldap3::Scope::Subtree,
            Scope::OneLevel => ldap3::Scope::OneLevel,
            Scope::Base => ldap3::Scope::Base,
        };
        let (base, filter, attributes) = (&request.base, &request.filter, request.attributes.clone());
        let control = request.control.clone();
        let search = self
            .wait(doing, async move |ldap: &mut Ldap| {
                if control.is_some() {
                    ldap.with_controls(RawControl { ctype: PAGING.to_owned(), crit: true, val: control });
                }
                ldap.streaming_search(base, scope, filter, attributes).await
            })
            .await?;
        self.done = None;
        self.search = Some(search);
        Ok(())
    }

    async fn next(&mut self, doing: &str) -> Result<Item, DirectoryError> {
        let silence = self.deadlines.silence;
        loop {
            let before = self.bytes();
            let at = Instant::now() + silence;
            match tokio::time::timeout_at(at.min(self.deadlines.end), self.next_item()).await {
                Ok(Ok(item)) => return Ok(item),
                Ok(Err(error)) => return Err(self.trouble(doing, &error)),
                // A long entry that is still arriving is not silence.
                Err(_) if at <= self.deadlines.end && self.bytes() > before => {}
                Err(_) => return Err(self.timeout(doing, at <= self.deadlines.end, silence)),
            }
        }
    }
}
