//! A search over guard, ldap3 and pages, against a server that sends anything: complete only with proof (E1).

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

use super::wire::{Proof, proven};
use crate::directory::ber::{self, ENUMERATED, INTEGER, OCTETS, SEQUENCE, SET, Writer};
use crate::directory::entry::RawEntry;
use crate::directory::message;
use crate::directory::paging::{self, Search, Sink};
use crate::directory::session::{Deadlines, PAGING, Wire};
use crate::directory::settings::Scope;
use crate::roster::fuzz::Choices;

/// How long the run may take, and the server be silent; the clock is a virtual one.
const RUN: Duration = Duration::from_secs(60);
const SILENCE: Duration = Duration::from_secs(5);

/// What a server sends in answer to each request, and whether an honest one would.
#[derive(Default)]
struct Answers {
    segments: Vec<Vec<u8>>,
    honest: bool,
}

/// How the bytes travel.
#[derive(Clone, Copy)]
struct Manner {
    page_size: u32,
    chunk: usize,
    /// Silent after the last answer, instead of closing the connection.
    silent: bool,
    /// Between two chunks.
    pause: Duration,
}

#[derive(Default)]
struct Heard {
    entries: Vec<Vec<u8>>,
    references: usize,
}

impl Sink for Heard {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        self.entries.push(entry.content.to_vec());
    }
    fn reference(&mut self, _: Vec<String>) {
        self.references += 1;
    }
}

/// Bytes to answers, answers to a reading: it ends in time, it is whole only if an independent reader of the same bytes
/// says so, and then it has exactly those entries; an honest server's answers are whole.
pub fn guard(data: &[u8]) {
    let mut choices = Choices::new(data);
    let how = choices.byte();
    let manner = Manner {
        page_size: choices.one_of(&[2, 1, 0, 1000]),
        chunk: choices.one_of(&[usize::MAX, 1, 7, 64]),
        silent: how & 2 != 0,
        pause: Duration::from_secs(choices.one_of(&[0, 0, 0, 1, 7])),
    };
    let answers = if how & 1 == 0 { script(&mut choices, manner.page_size) } else { raw(&mut choices) };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build() else {
        return;
    };
    let stream = answers.segments.concat();
    runtime.block_on(read(answers, manner, &stream));
}

async fn read(answers: Answers, manner: Manner, stream: &[u8]) {
    let (ours, theirs) = tokio::io::duplex(1 << 14);
    let begun = Instant::now();
    let deadlines = Deadlines { silence: SILENCE, end: begun + RUN, run: RUN };
    let Ok(mut wire) = Wire::new("ldap://fuzz".to_owned(), Box::new(ours), deadlines).await else { return };
    let Answers { segments, honest } = answers;
    tokio::spawn(serve(theirs, segments, manner));
    let filter = Search::once("dc=x", Scope::Subtree, "(objectClass=*)", &["member"]);
    let search = Search { page_size: manner.page_size, ..filter };
    let mut heard = Heard::default();
    let ended = paging::all(&mut wire, &search, "fuzzing", &mut heard).await;
    assert!(begun.elapsed() <= RUN + SILENCE, "the deadline passed unnoticed");
    let proof = proven(stream, manner.page_size);
    if ended.is_ok() && heard.references == 0 {
        let Proof { entries, complete } = proof;
        assert!(complete, "taken for complete, though the server's answers do not prove it");
        assert_eq!(heard.entries, entries, "other entries than the server sent");
    } else if honest && manner.pause.is_zero() {
        assert!(ended.is_ok(), "an honest server is refused: {ended:?}");
    }
}

/// Answers each request with its segment, then closes the connection or says no more.
async fn serve(mut server: DuplexStream, segments: Vec<Vec<u8>>, manner: Manner) {
    let mut inbound = Vec::new();
    for segment in segments {
        if !request(&mut server, &mut inbound).await {
            return;
        }
        for chunk in segment.chunks(manner.chunk.max(1)) {
            if server.write_all(chunk).await.is_err() {
                return;
            }
            if manner.pause.is_zero() {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(manner.pause).await;
            }
        }
    }
    if manner.silent {
        while request(&mut server, &mut inbound).await {}
    }
    drop(server.shutdown().await);
    while request(&mut server, &mut inbound).await {}
}

/// Takes one whole request; false at the end.
async fn request(server: &mut DuplexStream, inbound: &mut Vec<u8>) -> bool {
    loop {
        if let Ok(Some((head, length))) = ber::header(inbound)
            && inbound.len() >= head + length
        {
            inbound.drain(..head + length);
            return true;
        }
        match server.read_buf(inbound).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// Pieces of any bytes, each after its length.
fn raw(choices: &mut Choices<'_>) -> Answers {
    let mut segments = Vec::new();
    while !choices.is_empty() && segments.len() < 40 {
        let length = usize::from(choices.byte()) << 8 | usize::from(choices.byte());
        segments.push(choices.bytes(length).to_vec());
    }
    Answers { segments, honest: false }
}

/// Messages of a server that keeps the rules, and of one that breaks them.
fn script(choices: &mut Choices<'_>, page_size: u32) -> Answers {
    let mut answers = Answers { segments: vec![Vec::new()], honest: true };
    let mut ended = false;
    while !choices.is_empty() && answers.segments.len() < 60 {
        let id = i64::try_from(answers.segments.len()).unwrap_or(0);
        let (bytes, last, sound) = step(choices, id, page_size);
        answers.honest &= sound && !ended;
        ended |= last == Some(true);
        if let Some(segment) = answers.segments.last_mut() {
            segment.extend(bytes);
        }
        if last.is_some() {
            answers.segments.push(Vec::new());
        }
    }
    // Without an end, or with idle pages up to the limit, nobody can call it honest.
    answers.honest &= ended && answers.segments.len() < 30 && page_size > 0;
    answers
}

/// Bytes; whether they end a page (true: the last one); whether an honest server may send them.
fn step(choices: &mut Choices<'_>, id: i64, page_size: u32) -> (Vec<u8>, Option<bool>, bool) {
    let cookie = |choices: &mut Choices<'_>| [b"c", choices.short()].concat();
    match choices.byte() % 20 {
        0..=4 => (message(id, message::SEARCH_ENTRY, &entry(choices, id)), None, true),
        5 | 6 => {
            let cookie = [cookie(choices), id.to_be_bytes().to_vec()].concat();
            (done(id, 0, b"", &[paging(&cookie)]), Some(false), page_size > 0)
        }
        7 => (done(id, 0, b"", &[paging(b"")]), Some(true), true),
        8 => {
            let (code, text, more) = (choices.byte(), choices.short(), choices.byte());
            let controls = if more & 1 == 0 { vec![] } else { vec![paging(choices.short())] };
            (done(id, code, text, &controls), Some(false), false)
        }
        9 => (done(id, 0, b"", &[]), Some(false), false),
        10 => {
            let url = Writer::default().put(OCTETS, choices.short()).into_bytes();
            (message(id, message::SEARCH_REFERENCE, &url), None, false)
        }
        11 => (message(id, message::INTERMEDIATE, choices.short()), None, true),
        12 => {
            let name = choices.one_of(&["1.3.6.1.4.1.1466.20036", "1.2.3", ""]);
            let named = Writer::default().put(0x8a, name.as_bytes()).into_bytes();
            let inside = [result(52, choices.short()), named].concat();
            (message(0, message::EXTENDED_RESPONSE, &inside), None, name == "1.2.3")
        }
        13 => (choices.short().to_vec(), None, false),
        14 => (message(i64::from(choices.byte()), message::SEARCH_ENTRY, &entry(choices, id)), None, false),
        15 => {
            let (first, second) = (paging(choices.short()), paging(choices.short()));
            (done(id, 0, b"", &[first, second]), Some(false), false)
        }
        16 => {
            let mut whole = done(id, 0, b"", &[paging(choices.short())]);
            whole.truncate(choices.below(whole.len()));
            (whole, Some(false), false)
        }
        17 => {
            let mut whole = message(id, message::SEARCH_ENTRY, &entry(choices, id));
            let at = choices.below(whole.len());
            if let Some(place) = whole.get_mut(at) {
                *place ^= choices.byte();
            }
            (whole, None, false)
        }
        18 => (message(id, choices.byte(), choices.short()), None, false),
        _ => (done(id, 11, b"illegal pagedResults page size", &[]), Some(false), false),
    }
}

fn message(id: i64, operation: u8, content: &[u8]) -> Vec<u8> {
    let inside = Writer::default().number(INTEGER, id).put(operation, content);
    Writer::default().nest(SEQUENCE, inside).into_bytes()
}

fn result(code: u8, text: &[u8]) -> Vec<u8> {
    Writer::default().number(ENUMERATED, i64::from(code)).put(OCTETS, b"").put(OCTETS, text).into_bytes()
}

/// A paging control with a cookie.
fn paging(cookie: &[u8]) -> Vec<u8> {
    let value = Writer::default().nest(SEQUENCE, Writer::default().number(INTEGER, 0).put(OCTETS, cookie)).into_bytes();
    Writer::default().put(OCTETS, PAGING.as_bytes()).put(OCTETS, &value).into_bytes()
}

fn done(id: i64, code: u8, text: &[u8], controls: &[Vec<u8>]) -> Vec<u8> {
    let mut inside = Writer::default().number(INTEGER, id).put(message::SEARCH_DONE, &result(code, text));
    if !controls.is_empty() {
        let all = controls.iter().fold(Writer::default(), |all, control| all.put(SEQUENCE, control));
        inside = inside.nest(0xa0, all);
    }
    Writer::default().nest(SEQUENCE, inside).into_bytes()
}

fn entry(choices: &mut Choices<'_>, id: i64) -> Vec<u8> {
    // No two pages begin alike.
    let dn = [format!("cn={id}-").as_bytes(), choices.short()].concat();
    let mut list = Writer::default();
    for _ in 0..choices.below(3) {
        let name = choices.one_of(&["member", "member;range=0-1", "mail", "member;range=0-*", "\u{e9}"]);
        let values = (0..choices.below(3)).fold(Writer::default(), |set, _| set.put(OCTETS, choices.short()));
        list = list.nest(SEQUENCE, Writer::default().put(OCTETS, name.as_bytes()).nest(SET, values));
    }
    Writer::default().put(OCTETS, &dn).nest(SEQUENCE, list).into_bytes()
}
