//! Reading a search to its end, page by page, and proof that it was the end (E1).
//!
//! ldap3's own adapter looks at the cookie alone; here the result code of every page, the presence of the control in
//! every answer, and progress are looked at too (RFC 2696).

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::ber::{self, Elements, INTEGER, Malformed, OCTETS, SEQUENCE, Writer};
use super::entry::RawEntry;
use super::error::DirectoryError;
use super::session::{Done, Item, Request, Session};
use super::settings::Scope;
use crate::roster::Dn;

/// Bytes of entries that wait until the next page has been asked for.
const BACKLOG: usize = 2 << 20;
/// Pages without anything new in a row, at most: without an entry, or with the first one of the page before.
const MAX_IDLE: u32 = 50;

/// A search over all its pages.
#[derive(Clone, Debug)]
pub struct Search {
    /// Base DN.
    pub base: String,
    /// Scope.
    pub scope: Scope,
    /// RFC 4515 text.
    pub filter: String,
    /// Attributes by name.
    pub attributes: Vec<String>,
    /// Entries a page; 0 = one search without paging.
    pub page_size: u32,
    /// Pages a second at most; 0 = no limit.
    pub page_rate: u32,
    /// Entries below these are not handed on.
    pub without: Vec<Dn>,
}

impl Search {
    /// A search for few entries, without paging.
    pub fn once(base: &str, scope: Scope, filter: &str, attributes: &[&str]) -> Self {
        Self {
            base: base.to_owned(),
            scope,
            filter: filter.to_owned(),
            attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
            page_size: 0,
            page_rate: 0,
            without: Vec::new(),
        }
    }

    fn leaves_out(&self, entry: &RawEntry<'_>) -> bool {
        let dn = if self.without.is_empty() { None } else { Dn::parse(&entry.shown_dn()) };
        dn.is_some_and(|dn| self.without.iter().any(|place| dn.is_under(place)))
    }
}

/// Takes what a search gives.
pub trait Sink: Send {
    /// One entry, decoded.
    fn entry(&mut self, entry: &RawEntry<'_>);
    /// The URLs of a continuation reference, or of a referral that stood for the whole search.
    fn reference(&mut self, urls: Vec<String>);
    /// The end of a batch; `Break` ends the search after this page.
    fn batch(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    /// The end of a page that went well, with how many entries it had.
    fn page(&mut self, _entries: u64) {}
    /// Whether it ever breaks, so that it has to have seen a page before the next one is asked for.
    fn may_break(&self) -> bool {
        false
    }
}

/// Reads a search to its end. Everything the sink took is true also when an error follows; that there is nothing else
/// is true only after `Ok`.
///
/// # Errors
/// A result code other than success on any page, an answer without the control, a cookie that leads nowhere, silence,
/// the end of the connection. The session is of no use afterwards, unless the error is [`DirectoryError::Search`].
pub async fn all(
    session: &mut dyn Session,
    search: &Search,
    doing: &str,
    sink: &mut dyn Sink,
) -> Result<(), DirectoryError> {
    let mut pages = Pages { session, search, size: search.page_size, sink, backlog: VecDeque::new(), waiting: 0 };
    loop {
        let ended = pages.run(doing).await;
        let taken = pages.work_off(0, doing);
        match ended? {
            Ended::Complete => return taken.map(|_| ()),
            Ended::TooLarge => pages.size /= 2,
        }
    }
}

/// Reads a search of few entries, and returns how it ended without judging it: only errors of the connection count.
pub async fn one(
    session: &mut dyn Session,
    search: &Search,
    doing: &str,
    mut each: impl FnMut(&RawEntry<'_>) + Send,
) -> Result<Done, DirectoryError> {
    session.start(&request(search, None), doing).await?;
    loop {
        match session.next(doing).await? {
            Item::Entries(entries) => {
                for content in &entries {
                    each(&parse(session, content, doing)?);
                }
            }
            Item::Reference(_) => {}
            Item::Done(done) => return Ok(done),
        }
    }
}

/// How a search of one object ends that asks for pages, and the largest page size, up to this one, with which the server
/// does not refuse it.
///
/// # Errors
/// Those of the connection; a result code is none.
pub async fn allowed(session: &mut dyn Session, base: &str, size: u32) -> Result<(u32, Done), DirectoryError> {
    let mut done = asked(session, base, size).await?;
    let (mut given, mut refused) = (size, size);
    while given > 1 && refuses_size(&done) {
        (given, refused) = (given / 2, given);
        done = asked(session, base, given).await?;
    }
    while refused > given + 1 {
        let between = given + (refused - given) / 2;
        let ended = asked(session, base, between).await?;
        if refuses_size(&ended) { refused = between } else { (given, done) = (between, ended) }
    }
    Ok((given, done))
}

/// How a search of one object ends that asks for pages of a size.
async fn asked(session: &mut dyn Session, base: &str, size: u32) -> Result<Done, DirectoryError> {
    let (search, doing) = (Search::once(base, Scope::Base, "(objectClass=*)", &["1.1"]), "asking for a page");
    session.start(&request(&search, Some(paging_control(size, &[]))), doing).await?;
    loop {
        if let Item::Done(done) = session.next(doing).await? {
            return Ok(done);
        }
    }
}

fn parse<'a>(session: &dyn Session, content: &'a [u8], doing: &str) -> Result<RawEntry<'a>, DirectoryError> {
    RawEntry::parse(content).map_err(|_| DirectoryError::Protocol {
        server: session.server().to_owned(),
        doing: doing.to_owned(),
        says: "it sent an entry that is not well-formed".to_owned(),
    })
}

fn request(search: &Search, control: Option<Vec<u8>>) -> Request {
    Request {
        base: search.base.clone(),
        scope: search.scope,
        filter: search.filter.clone(),
        attributes: search.attributes.clone(),
        control,
    }
}

enum Ended {
    Complete,
    /// The server refused the page size before it gave anything.
    TooLarge,
}

struct Pages<'a> {
    session: &'a mut dyn Session,
    search: &'a Search,
    size: u32,
    sink: &'a mut dyn Sink,
    /// Entries that came, and that the sink has not seen yet.
    backlog: VecDeque<Vec<Bytes>>,
    /// Their bytes.
    waiting: usize,
}

/// What one page brought.
struct Page {
    done: Done,
    /// Its first entry as it came.
    first: Option<Bytes>,
    entries: u64,
    stop: bool,
}

impl Pages<'_> {
    async fn run(&mut self, doing: &str) -> Result<Ended, DirectoryError> {
        let mut cookie = Vec::new();
        let mut before = None;
        let mut idle = 0;
        for number in 1_u64.. {
            let started = Instant::now();
            let doing = if self.size == 0 { doing.to_owned() } else { format!("{doing} (page {number})") };
            let control = (self.size > 0).then(|| paging_control(self.size, &cookie));
            let page = self.page(control, &doing).await?;
            if number == 1 && page.first.is_none() && self.size > 1 && refuses_size(&page.done) {
                return Ok(Ended::TooLarge);
            }
            let next = self.judge(&page.done, &doing)?;
            self.sink.page(page.entries);
            let Some(next) = next else { return Ok(Ended::Complete) };
            if page.stop {
                return Ok(Ended::Complete);
            }
            let repeats = number > 1 && page.first == before;
            idle = if repeats || page.first.is_none() { idle + 1 } else { 0 };
            if idle > MAX_IDLE || repeats && next == cookie {
                return Err(self.paging(&doing, "the cookie leads nowhere: page after page without anything new"));
            }
            cookie = next;
            before = page.first;
            pause(self.search.page_rate, started).await;
        }
        Ok(Ended::Complete)
    }

    async fn page(&mut self, control: Option<Vec<u8>>, doing: &str) -> Result<Page, DirectoryError> {
        self.session.start(&request(self.search, control), doing).await?;
        // The server makes this page ready while the last one is understood.
        let mut stop = self.work_off(0, doing)?;
        let (mut first, mut count) = (None, 0);
        let left = if self.sink.may_break() { 0 } else { BACKLOG };
        loop {
            match self.session.next(doing).await? {
                Item::Entries(entries) => {
                    if first.is_none() {
                        first = entries.first().cloned();
                    }
                    count += entries.len() as u64;
                    self.waiting += entries.iter().map(Bytes::len).sum::<usize>();
                    self.backlog.push_back(entries);
                    stop |= self.work_off(left, doing)?;
                }
                Item::Reference(urls) => self.sink.reference(urls),
                Item::Done(done) => return Ok(Page { done, first, entries: count, stop }),
            }
        }
    }

    /// Gives the sink what waits, the oldest first, until no more than `left` bytes do; whether it wants no more.
    fn work_off(&mut self, left: usize, doing: &str) -> Result<bool, DirectoryError> {
        let mut stop = false;
        // An entry without a single byte weighs nothing, and is malformed nevertheless.
        while let Some(entries) = self.backlog.pop_front_if(|_| left == 0 || self.waiting > left) {
            self.waiting -= entries.iter().map(Bytes::len).sum::<usize>();
            for content in &entries {
                let entry = parse(self.session, content, doing)?;
                if !self.search.leaves_out(&entry) {
                    self.sink.entry(&entry);
                }
            }
            stop |= self.sink.batch().is_break();
        }
        Ok(stop)
    }

    /// The cookie of the next page; `None` at the proven end.
    fn judge(&mut self, done: &Done, doing: &str) -> Result<Option<Vec<u8>>, DirectoryError> {
        match done.code {
            0 => {}
            10 if !done.referrals.is_empty() => {
                self.sink.reference(done.referrals.clone());
                return Ok(None);
            }
            _ => return Err(done.failure(&*self.session, doing)),
        }
        if self.size == 0 {
            return Ok(None);
        }
        match &done.control {
            None => Err(self.paging(
                doing,
                "its answer lacks the paging control, so that more may follow; if the server cannot page, set \
                 source.page_size = 0",
            )),
            Some(value) => match value.as_deref().map(cookie) {
                Some(Ok(cookie)) => Ok((!cookie.is_empty()).then_some(cookie)),
                _ => Err(self.paging(doing, "its paging control is malformed")),
            },
        }
    }

    fn paging(&self, doing: &str, says: &'static str) -> DirectoryError {
        DirectoryError::Paging { server: self.session.server().to_owned(), doing: doing.to_owned(), says }
    }
}

/// Waits until the next page may be asked for; `rate` is pages a second, 0 = at once.
async fn pause(rate: u32, started: Instant) {
    if let Some(gap) = Duration::from_secs(1).checked_div(rate) {
        tokio::time::sleep_until(started + gap).await;
    }
}

/// Whether the answer only means that pages have to be smaller (OpenLDAP's `size.pr`).
fn refuses_size(done: &Done) -> bool {
    done.code == 11 && done.text.to_ascii_lowercase().contains("page size")
}

/// The control's value (RFC 2696, 2).
fn paging_control(size: u32, cookie: &[u8]) -> Vec<u8> {
    let inside = Writer::default().number(INTEGER, i64::from(size)).put(OCTETS, cookie);
    Writer::default().nest(SEQUENCE, inside).into_bytes()
}

/// The cookie in a control's value.
fn cookie(value: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut inside = Elements::new(Elements::new(value).expect(SEQUENCE)?);
    ber::integer(inside.expect(INTEGER)?)?;
    inside.expect(OCTETS).map(<[u8]>::to_vec)
}

#[cfg(test)]
#[path = "paging_tests.rs"]
mod tests;
