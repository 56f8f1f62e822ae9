//! One connection: requests are read, answered from the tree, and spoiled by the script.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;

use super::ber::{self, ENUMERATED, INTEGER, OCTETS, SEQUENCE, SET};
use super::kind::Paging;
use super::script::{Act, Here, Operation};
use super::tree::{Entry, Syntax, names};
use super::{ACCOUNT, PASSWORD, State, filter, locked};

const BIND: u8 = 0x60;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED: u8 = 0x77;
const CONTROLS: u8 = 0xa0;
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";

/// Speaks with one client until either of both has enough.
pub fn serve(mut stream: TcpStream, number: u64, state: &State) {
    let _ = stream.set_nodelay(true);
    let here = Here { operation: Operation::Connect, ..Here::default() };
    let mut talk = Talk { number, state, bound: false, out: Vec::new() };
    if talk.spoiled(&here).is_break() {
        return;
    }
    let mut bytes = Vec::new();
    loop {
        while let Some(length) =
            ber::header(&bytes).map(|(head, length)| head + length).filter(|end| *end <= bytes.len())
        {
            let message: Vec<u8> = bytes.drain(..length).collect();
            let ended = talk.answer(&message);
            let sent = stream.write_all(&std::mem::take(&mut talk.out));
            match ended {
                ControlFlow::Continue(()) if sent.is_ok() => {}
                ControlFlow::Break(End::Stall) => {
                    // Whatever the client says, until it goes.
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                    return;
                }
                _ => return,
            }
        }
        let mut more = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut more) else { return };
        bytes.extend(&more[..read]);
    }
}

/// How a conversation ends before its time.
enum End {
    Close,
    Stall,
}

/// What is asked of a search.
struct Search {
    base: String,
    scope: i64,
    filter: Vec<u8>,
    attributes: Vec<String>,
    /// Names of attributes without their values.
    types_only: bool,
    /// The wanted size of a page, and the cookie.
    paging: Option<(usize, Vec<u8>)>,
}

struct Talk<'a> {
    number: u64,
    state: &'a State,
    bound: bool,
    out: Vec<u8>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Talk<'_> {
    fn send(&mut self, id: i64, operation: Vec<u8>, controls: &[Vec<u8>]) {
        let mut parts = vec![ber::number(INTEGER, id), operation];
        if !controls.is_empty() {
            parts.push(ber::nest(CONTROLS, controls));
        }
        self.out.extend(ber::nest(SEQUENCE, &parts));
    }

    fn result(&mut self, id: i64, tag: u8, (code, matched, says): (u32, &str, &str), controls: &[Vec<u8>]) {
        let parts = [ber::number(ENUMERATED, code.into()), ber::octets(matched), ber::octets(says)];
        self.send(id, ber::nest(tag, &parts), controls);
    }

    /// What the script has for a place where only the connection can be spoiled.
    fn spoiled(&mut self, here: &Here<'_>) -> ControlFlow<End, Option<(u32, &'static str)>> {
        let mut answer = None;
        for (_, act) in locked(&self.state.script).fire(here) {
            match act {
                Act::Close | Act::Tear => return ControlFlow::Break(End::Close),
                Act::Stall => return ControlFlow::Break(End::Stall),
                Act::Answer(code, says) => answer = Some((code, says)),
                Act::Do(change) => change(&mut locked(&self.state.tree)),
                _ => {}
            }
        }
        ControlFlow::Continue(answer)
    }

    fn note(&self, line: String) {
        locked(&self.state.log).push(line);
    }

    fn answer(&mut self, message: &[u8]) -> ControlFlow<End> {
        let inside = ber::parts(ber::parts(message)[0].1);
        // Not LDAP, as the beginning of TLS is not.
        if message[0] != SEQUENCE || inside.len() < 2 {
            return ControlFlow::Break(End::Close);
        }
        let (id, (operation, content)) = (ber::integer(inside[0].1), inside[1]);
        let controls = inside.get(2).map_or(&[][..], |(_, content)| content);
        match operation {
            BIND => self.bind(id, content),
            UNBIND => ControlFlow::Break(End::Close),
            SEARCH => self.search(id, &search(content, controls)),
            EXTENDED => {
                let name = text(ber::parts(content)[0].1);
                let who = self.state.kind.who_am_i.filter(|_| name == WHO_AM_I);
                let (code, value) = who.map_or((2, vec![]), |who| (0, vec![ber::element(0x8b, who.as_bytes())]));
                let parts = [vec![ber::number(ENUMERATED, code), ber::octets(""), ber::octets("")], value].concat();
                self.send(id, ber::nest(0x78, &parts), &[]);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn bind(&mut self, id: i64, content: &[u8]) -> ControlFlow<End> {
        let here = Here { operation: Operation::Bind, ..Here::default() };
        let parts = ber::parts(content);
        let right = names(&text(parts[1].1)) == names(ACCOUNT) && parts[2] == (0x80, PASSWORD.as_bytes());
        let honest = if right { (0, "") } else { (49, "") };
        let (code, says) = self.spoiled(&here)?.unwrap_or(honest);
        self.bound = code == 0;
        self.note(format!("bind {code}"));
        self.result(id, 0x61, (code, "", says), &[]);
        ControlFlow::Continue(())
    }

    fn search(&mut self, id: i64, asked: &Search) -> ControlFlow<End> {
        let cookie = asked.paging.as_ref().and_then(|(_, cookie)| Cookie::read(cookie));
        let page = cookie.map_or(1, |cookie| cookie.page + 1);
        let here = Here { operation: Operation::Search, base: &asked.base, below: asked.scope > 0, page };
        let acts = locked(&self.state.script).fire(&here);
        for (_, act) in &acts {
            if let Act::Do(change) = act {
                change(&mut locked(&self.state.tree));
            }
        }
        let answer = self.found(asked, cookie, &acts);
        let stop = acts.iter().find_map(|(after, act)| match act {
            Act::Close | Act::Tear | Act::Stall | Act::Answer(..) => Some((*after, act.clone())),
            _ => None,
        });
        let most = stop.as_ref().map_or(usize::MAX, |(after, _)| *after);
        for entry in answer.entries.iter().take(most) {
            self.send(id, shown(entry, asked, self.state), &[]);
        }
        for (_, act) in &acts {
            if let Act::Refer(url) = act {
                self.send(id, ber::nest(SEARCH_REFERENCE, &[ber::octets(url)]), &[]);
            }
        }
        let sent = answer.entries.len().min(most);
        let (code, says) = match stop {
            Some((_, Act::Answer(code, says))) => (code, says),
            None => (answer.code, answer.says),
            Some((_, act)) => {
                self.note(format!("{} {} page {page}: {sent} entries, no end", asked.base, asked.scope));
                if matches!(act, Act::Tear) {
                    self.out.extend([0x30, 0x82, 0x01, 0x00, INTEGER, 1]);
                }
                let end = if matches!(act, Act::Stall) { End::Stall } else { End::Close };
                return ControlFlow::Break(end);
            }
        };
        let types = if asked.types_only { ", no values" } else { "" };
        self.note(format!("{} {} page {page}: {sent} entries, {code}{types}", asked.base, asked.scope));
        let without = acts.iter().any(|(_, act)| matches!(act, Act::NoControl));
        let control = answer.cookie.filter(|_| !without).map(|cookie| {
            let value = ber::nest(SEQUENCE, &[ber::number(INTEGER, 0), ber::octets(cookie)]);
            ber::nest(SEQUENCE, &[ber::octets(PAGED_RESULTS), ber::octets(value)])
        });
        self.result(id, SEARCH_DONE, (code, &answer.matched, says), control.as_slice());
        ControlFlow::Continue(())
    }

    /// What an honest server would answer, and a few ways not to be one.
    fn found(&self, asked: &Search, cookie: Option<Cookie>, acts: &[(usize, Act)]) -> Answer {
        let kind = &self.state.kind;
        let refused = |code, says| Answer { code, says, ..Answer::default() };
        let has = |wanted: fn(&Act) -> bool| acts.iter().any(|(_, act)| wanted(act));
        if !self.bound && !asked.base.is_empty() {
            return refused(1, "in order to perform this operation a successful bind must be completed");
        }
        if asked.paging.is_some() && kind.paging == Paging::Refused {
            return refused(12, "critical extension is not recognized");
        }
        if cookie.is_some_and(|cookie| cookie.connection != self.number) {
            return refused(2, "paged results cookie is invalid");
        }
        let (all, matched) = match self.candidates(asked) {
            Ok(all) => (all, String::new()),
            Err(matched) => return Answer { code: 32, matched, ..Answer::default() },
        };
        let mut all = self.spoil(all, acts);
        let first = all.first().cloned();
        let from = cookie.map_or(0, |cookie| cookie.last).min(if has(|act| matches!(act, Act::FromTheStart)) {
            0
        } else {
            u64::MAX
        });
        all.retain(|(at, _)| *at > from);
        let paged = asked.paging.as_ref().filter(|_| kind.paging == Paging::Yes);
        let Some((size, _)) = paged else {
            let limit = kind.size_limit.unwrap_or(usize::MAX);
            let code = if all.len() > limit { 4 } else { 0 };
            let entries = all.into_iter().take(limit).map(|(_, entry)| entry).collect();
            return Answer { code, entries, ..Answer::default() };
        };
        let size = (*size).min(kind.largest_page.unwrap_or(usize::MAX)).max(1);
        let more = all.len() > size;
        all.truncate(size);
        let last = all.last().map_or(from, |(at, _)| *at);
        let page = cookie.map_or(1, |cookie| cookie.page + 1);
        let mut next = if more { Cookie { connection: self.number, last, page }.write() } else { Vec::new() };
        if let Some(cookie) = cookie.filter(|_| has(|act| matches!(act, Act::SameCookie))) {
            next = cookie.write();
        }
        if let Some((_, first)) = first.filter(|_| !more && has(|act| matches!(act, Act::Twice))) {
            all.push((0, first));
        }
        let entries = all.into_iter().map(|(_, entry)| entry).collect();
        Answer { code: 0, says: "", matched, entries, cookie: Some(next) }
    }

    fn spoil(&self, mut all: Vec<(u64, Entry)>, acts: &[(usize, Act)]) -> Vec<(u64, Entry)> {
        for (_, act) in acts {
            match act {
                Act::Nothing => all.clear(),
                Act::Hide(dns) => {
                    let hidden: Vec<_> = dns.iter().map(|dn| names(dn)).collect();
                    all.retain(|(_, entry)| !hidden.contains(&names(&entry.dn)));
                }
                Act::Without(attributes) => all.iter_mut().for_each(|(_, entry)| {
                    let veiled = |name: &String| attributes.iter().any(|one| one.eq_ignore_ascii_case(name));
                    entry.attributes.retain(|(name, _)| !veiled(name));
                }),
                _ => {}
            }
        }
        all
    }

    /// All entries that a search means; without the base, as much of it as exists.
    fn candidates(&self, asked: &Search) -> Result<Vec<(u64, Entry)>, String> {
        let kind = &self.state.kind;
        if let Some(one) = self.shown_by_itself(asked) {
            return Ok(vec![(1, one)]);
        }
        let tree = locked(&self.state.tree);
        let by_guid =
            asked.base.strip_prefix("<GUID=").and_then(|rest| rest.strip_suffix('>')).filter(|_| kind.by_guid);
        let base = match by_guid {
            Some(guid) => {
                let hex = |entry: &&Entry| {
                    let bytes = entry.values("objectGUID").first();
                    bytes.is_some_and(|bytes| {
                        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == guid.to_lowercase()
                    })
                };
                tree.entries.values().find(hex).map(|entry| names(&entry.dn)).ok_or_else(String::new)?
            }
            None => names(&asked.base),
        };
        if tree.find(&base.join(",")).is_none() {
            let above = (1..base.len()).map(|from| base[from..].join(",")).find(|dn| tree.find(dn).is_some());
            return Err(above.unwrap_or_default());
        }
        let syntax = |name: &str| kind.syntax(name);
        let inside = ber::parts(&asked.filter);
        let matching = tree.entries.iter().filter(|(_, entry)| {
            let dn = names(&entry.dn);
            let below = dn.len().checked_sub(base.len()).filter(|_| dn.ends_with(&base));
            let in_scope = match asked.scope {
                0 => below == Some(0),
                1 => below == Some(1),
                _ => below.is_some(),
            };
            in_scope && filter::matches(inside[0], entry, &syntax) == Some(true)
        });
        Ok(matching.map(|(at, entry)| (*at, entry.clone())).collect())
    }

    /// The root DSE and the schema, which are no entries of the tree.
    fn shown_by_itself(&self, asked: &Search) -> Option<Entry> {
        let kind = &self.state.kind;
        if asked.scope != 0 {
            return None;
        }
        if asked.base.is_empty() {
            let root = kind.root.iter();
            return Some(root.fold(Entry::new(""), |entry, (name, values)| entry.with_all(name, values)));
        }
        let schema = kind.subschema.filter(|dn| names(dn) == names(&asked.base))?;
        let types = kind.schema.iter().enumerate().map(|(at, (name, syntax))| {
            let rule = if *syntax == Syntax::Dn { "distinguishedNameMatch" } else { "caseIgnoreMatch" };
            format!("( 1.3.6.1.4.1.99999.{at} NAME '{name}' EQUALITY {rule} )")
        });
        Some(Entry::new(schema).with("objectClass", "subschema").with_all("attributeTypes", types))
    }
}

/// What a search ends with.
#[derive(Default)]
struct Answer {
    code: u32,
    says: &'static str,
    matched: String,
    entries: Vec<Entry>,
    /// `None` without paging.
    cookie: Option<Vec<u8>>,
}

/// Where the next page begins.
#[derive(Clone, Copy)]
struct Cookie {
    connection: u64,
    last: u64,
    page: usize,
}

impl Cookie {
    fn write(self) -> Vec<u8> {
        [self.connection, self.last, self.page as u64].iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_be_bytes(bytes.get(at * 8..at * 8 + 8)?.try_into().ok()?));
        Some(Self { connection: number(0)?, last: number(1)?, page: usize::try_from(number(2)?).ok()? })
    }
}

/// The inside of a search request.
fn search(content: &[u8], controls: &[u8]) -> Search {
    let parts = ber::parts(content);
    let filter = ber::element(parts[6].0, parts[6].1);
    let attributes = ber::parts(parts[7].1).iter().map(|(_, name)| text(name)).collect();
    let paging = ber::parts(controls).iter().find_map(|(_, control)| {
        let parts = ber::parts(control);
        let value = parts.iter().rfind(|(tag, _)| *tag == OCTETS).filter(|_| text(parts[0].1) == PAGED_RESULTS)?;
        let inside = ber::parts(ber::parts(value.1)[0].1);
        Some((usize::try_from(ber::integer(inside[0].1)).ok()?, inside[1].1.to_vec()))
    });
    let types_only = parts[5].1 != [0];
    Search { base: text(parts[0].1), scope: ber::integer(parts[1].1), filter, attributes, types_only, paging }
}

/// An entry as it is sent: the attributes that were asked for.
fn shown(entry: &Entry, search: &Search, state: &State) -> Vec<u8> {
    let (kind, asked) = (&state.kind, &search.attributes);
    let mut sent = Vec::new();
    for (name, values) in &entry.attributes {
        let operational = kind.operational.iter().any(|one| one.eq_ignore_ascii_case(name));
        let by_name = asked.iter().find(|one| one.split(';').next().is_some_and(|one| one.eq_ignore_ascii_case(name)));
        let all = asked.iter().any(|one| one == "*") || asked.is_empty();
        let wanted = by_name.is_some() || (all && !operational) || (operational && asked.iter().any(|one| one == "+"));
        if !wanted {
            continue;
        }
        let ranged = by_name.and_then(|one| one.split_once(";range=")).map(|(_, range)| range);
        let mut put = |name: &str, values: &[Vec<u8>]| {
            let values: Vec<_> = values.iter().filter(|_| !search.types_only).map(ber::octets).collect();
            sent.push(ber::nest(SEQUENCE, &[ber::octets(name), ber::nest(SET, &values)]));
        };
        match kind.range {
            Some(most) if ranged.is_some() || values.len() > most => {
                let (from, to) = ranged.and_then(|range| range.split_once('-')).unwrap_or(("0", "*"));
                let from: usize = from.parse().unwrap_or(0);
                let to = to.parse().unwrap_or(usize::MAX).min(from + most - 1);
                let part = values.get(from..values.len().min(to.saturating_add(1))).unwrap_or_default();
                let end = if to + 1 >= values.len() { "*".to_owned() } else { to.to_string() };
                if ranged.is_none() {
                    put(name, &[]);
                }
                put(&format!("{name};range={from}-{end}"), part);
            }
            _ => put(name, values),
        }
    }
    ber::nest(SEARCH_ENTRY, &[ber::octets(&entry.dn), ber::nest(SEQUENCE, &sent)])
}
