//! Values that a server hands out in ranges, read to the end (E4).
//!
//! Active Directory gives 1,500 values of an attribute at once, as `member;range=0-1499`, and the rest to whoever asks for
//! `member;range=1500-*` (MS-ADTS 3.1.1.3.1.3.3). An entry that came in part is set aside until the search has ended, so
//! that nothing else is asked between two pages, and is handed on when all of it is there.
//!
//! A range is a place in an order that changes with every value that goes: asked for by its number alone, the next value
//! would be missed without a trace. So every range begins with the last value that is known already, and whatever else
//! comes there means that the entry is read anew.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::codes::printable;
use super::entry::{AttributeName, RawEntry};
use super::error::DirectoryError;
use super::paging::{self, Search, Sink};
use super::session::{Done, Item, Request, Session};
use super::settings::Scope;
use super::understand::MAX_MEMBERS;

/// How often an entry is read that changes meanwhile.
const TRIES: usize = 3;

/// Reads a search to its end like [`paging::all`], and of every entry all values; `id` is what tells entries apart.
///
/// What could not be read to the end is handed on in part, so that it is known to be there.
///
/// # Errors
/// Those of [`paging::all`]; and when the rest of an entry was not to be had, in which case the session can be used on.
pub async fn all(
    session: &mut dyn Session,
    search: &Search,
    id: &AttributeName,
    doing: &str,
    sink: &mut dyn Sink,
) -> Result<(), DirectoryError> {
    let mut aside = Aside { sink, parts: Vec::new() };
    let ended = paging::all(session, search, doing, &mut aside).await;
    let Aside { sink, parts } = aside;
    complete(session, (search, id, doing), parts, sink, ended).await
}

/// Reads a search of few entries like [`paging::one`], and of every entry all values.
///
/// # Errors
/// Those of the connection; and when the rest of an entry was not to be had.
pub async fn one(
    session: &mut dyn Session,
    search: &Search,
    id: &AttributeName,
    doing: &str,
    sink: &mut dyn Sink,
) -> Result<Done, DirectoryError> {
    let mut aside = Aside { sink, parts: Vec::new() };
    let done = paging::one(session, search, doing, |entry| aside.entry(entry)).await?;
    let Aside { sink, parts } = aside;
    complete(session, (search, id, doing), parts, sink, Ok(())).await?;
    Ok(done)
}

/// Hands whole entries on, and keeps the others.
struct Aside<'a> {
    sink: &'a mut dyn Sink,
    /// Contents of entries of which a part came.
    parts: Vec<Vec<u8>>,
}

impl Sink for Aside<'_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        if entry.is_whole() {
            self.sink.entry(entry);
        } else {
            self.parts.push(entry.content.to_vec());
        }
    }

    fn reference(&mut self, urls: Vec<String>) {
        self.sink.reference(urls);
    }

    fn batch(&mut self) -> ControlFlow<()> {
        self.sink.batch()
    }

    fn may_break(&self) -> bool {
        self.sink.may_break()
    }
}

/// Reads the rest of entries that came in part; none after trouble with the search or with the connection.
async fn complete(
    session: &mut dyn Session,
    (search, id, doing): (&Search, &AttributeName, &str),
    parts: Vec<Vec<u8>>,
    sink: &mut dyn Sink,
    mut ended: Result<(), DirectoryError>,
) -> Result<(), DirectoryError> {
    let mut goes_on = ended.is_ok();
    for content in parts {
        let content = Bytes::from(content);
        let read = if goes_on { Some(whole(session, (search, id, doing), &content).await) } else { None };
        let messages = match read {
            Some(Ok(messages)) => messages,
            Some(Err(error)) => {
                goes_on = error.leaves_connection();
                ended = ended.and(Err(error));
                vec![content]
            }
            None => vec![content],
        };
        if let Ok(entry) = RawEntry::joined(&messages) {
            sink.entry(&entry);
        }
    }
    ended
}

/// Everything of one entry: the entry, and what follows.
async fn whole(
    session: &mut dyn Session,
    (search, id, doing): (&Search, &AttributeName, &str),
    content: &Bytes,
) -> Result<Vec<Bytes>, DirectoryError> {
    let entry = parse(session, content, doing)?;
    let at = At { dn: entry.shown_dn(), ids: sorted(&entry, id) };
    let names: Vec<AttributeName> = entry.parts().filter_map(|part| AttributeName::parse(&part.name)).collect();
    let mut first = content.clone();
    let mut says = String::new();
    for again in 0..TRIES {
        if again > 0 {
            let request = Request { filter: search.filter.clone(), ..at.request(&search.attributes) };
            first = at.object(session, &request, id, doing).await?;
            let anew = parse(session, &first, doing)?;
            // So many values do not go at once.
            if let Some(name) = names.iter().find(|name| anew.values(name).next().is_none()) {
                says = format!("`{}` is not shown at all when the entry is read anew", name.as_str());
                continue;
            }
        }
        match at.rest(session, &first, id, doing).await? {
            Ok(rest) => return Ok(std::iter::once(first).chain(rest).collect()),
            Err(odd) => says = odd,
        }
    }
    Err(at_fault(session, &at.dn, says))
}

fn parse<'a>(session: &dyn Session, content: &'a [u8], doing: &str) -> Result<RawEntry<'a>, DirectoryError> {
    RawEntry::parse(content).map_err(|_| DirectoryError::Protocol {
        server: session.server().to_owned(),
        doing: doing.to_owned(),
        says: "it sent an entry that is not well-formed".to_owned(),
    })
}

fn sorted(entry: &RawEntry<'_>, id: &AttributeName) -> Vec<Vec<u8>> {
    let mut ids: Vec<Vec<u8>> = entry.values(id).map(<[u8]>::to_vec).collect();
    ids.sort_unstable();
    ids
}

fn at_fault(session: &dyn Session, dn: &str, says: String) -> DirectoryError {
    DirectoryError::Values { server: session.server().to_owned(), dn: printable(dn), says }
}

/// An entry that is asked for again.
struct At {
    dn: String,
    /// Values of what tells entries apart.
    ids: Vec<Vec<u8>>,
}

impl At {
    fn request(&self, attributes: &[String]) -> Request {
        Request {
            base: self.dn.clone(),
            scope: Scope::Base,
            filter: "(objectClass=*)".to_owned(),
            attributes: attributes.to_vec(),
            control: None,
        }
    }

    /// The entry, if it is still the same.
    async fn object(
        &self,
        session: &mut dyn Session,
        request: &Request,
        id: &AttributeName,
        doing: &str,
    ) -> Result<Bytes, DirectoryError> {
        session.start(request, doing).await?;
        let mut found = None;
        let done = loop {
            match session.next(doing).await? {
                Item::Entries(entries) => found = found.or(entries.into_iter().next()),
                Item::Reference(_) => {}
                Item::Done(done) => break done,
            }
        };
        match (done.code, found) {
            (0, Some(found)) => {
                let same = sorted(&parse(session, &found, doing)?, id) == self.ids;
                let other = || at_fault(session, &self.dn, "another entry stands there meanwhile".to_owned());
                if same { Ok(found) } else { Err(other()) }
            }
            (0 | 32, _) => Err(at_fault(session, &self.dn, "it is no longer there".to_owned())),
            _ => Err(done.failure(session, format!("reading the rest of the values of `{}`", printable(&self.dn)))),
        }
    }

    /// What follows the part that is there, range by range; in words, what does not fit together.
    async fn rest(
        &self,
        session: &mut dyn Session,
        first: &Bytes,
        id: &AttributeName,
        doing: &str,
    ) -> Result<Result<Vec<Bytes>, String>, DirectoryError> {
        let entry = parse(session, first, doing)?;
        let mut rest = Vec::new();
        for part in entry.parts() {
            let known = part.values.last().map(|value| value.to_vec());
            let (name, sound) = (&part.name, part.sound());
            let (Some((0, Some(mut last))), Some(mut known)) = (sound, known) else {
                return Ok(Err(format!("the range of `{name}` makes no sense")));
            };
            loop {
                if last >= MAX_MEMBERS {
                    return Err(at_fault(session, &self.dn, format!("`{name}` has more than {MAX_MEMBERS} values")));
                }
                let asked = [format!("{name};range={last}-*"), id.as_str().to_owned()];
                let found = self.object(session, &self.request(&asked), id, doing).await?;
                let answer = parse(session, &found, doing)?;
                let mut ranges = answer.ranges();
                let only = ranges.next().filter(|part| part.name.eq_ignore_ascii_case(name) && ranges.next().is_none());
                let next = only.and_then(|part| Some((part.sound()?, part.values)));
                let Some(((from, to), values)) = next.filter(|((from, _), _)| *from == last) else {
                    return Ok(Err(format!("the answer to `{name};range={last}-*` lacks that range")));
                };
                if values.first().is_none_or(|value| *value != known) {
                    return Ok(Err(format!("the values of `{name}` changed while they were read")));
                }
                let end = values.last().map(|value| value.to_vec()).unwrap_or_default();
                rest.push(found.clone());
                match to {
                    None => break,
                    Some(to) if to > from => (last, known) = (to, end),
                    Some(_) => return Ok(Err(format!("the ranges of `{name}` do not move on"))),
                }
            }
        }
        Ok(Ok(rest))
    }
}

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
