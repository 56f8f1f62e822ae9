//! Values in ranges, of a server that keeps the rules while the values change: nobody is lost, nobody is made up (E4).

use std::collections::{BTreeSet, VecDeque};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;

use crate::directory::DirectoryError;
use crate::directory::ber::{INTEGER, OCTETS, SEQUENCE, SET, Writer};
use crate::directory::entry::{AttributeName, RawEntry};
use crate::directory::paging::{Search, Sink};
use crate::directory::ranges;
use crate::directory::session::{Done, Item, Request, Session};
use crate::directory::settings::Scope;
use crate::roster::fuzz::Choices;

/// More requests than any reading of so few groups needs.
const MOST: usize = 4000;

/// A group, and what became of its values.
struct Group {
    values: Vec<u32>,
    /// Those that were there all the time.
    steady: BTreeSet<u32>,
    /// Those that were there at some time.
    ever: BTreeSet<u32>,
    id: u32,
    there: bool,
}

struct Server<'a> {
    choices: Choices<'a>,
    groups: Vec<Group>,
    fresh: u32,
    range: usize,
    page: usize,
    items: VecDeque<Item>,
    requests: usize,
}

#[async_trait]
impl Session for Server<'_> {
    fn server(&self) -> &str {
        "ldap://fuzz"
    }

    async fn start(&mut self, request: &Request, _: &str) -> Result<(), DirectoryError> {
        self.requests += 1;
        assert!(self.requests < MOST, "asked without an end");
        if request.scope == Scope::Base {
            self.churn();
            self.object(request);
        } else {
            self.page(request);
        }
        Ok(())
    }

    async fn next(&mut self, doing: &str) -> Result<Item, DirectoryError> {
        let lost = || DirectoryError::Lost {
            server: "ldap://fuzz".to_owned(),
            doing: doing.to_owned(),
            says: "the script is over".to_owned(),
        };
        self.items.pop_front().ok_or_else(lost)
    }
}

impl Server<'_> {
    /// Changes that may happen between two requests.
    fn churn(&mut self) {
        for _ in 0..self.choices.one_of(&[0, 0, 1, 1, 2, 3]) {
            let at = self.choices.below(self.groups.len());
            let (what, place) = (self.choices.byte() % 16, usize::from(self.choices.byte()));
            let fresh = self.fresh;
            let Some(group) = self.groups.get_mut(at) else { continue };
            match what {
                0..=5 if !group.values.is_empty() => {
                    let gone = group.values.remove(place % group.values.len());
                    group.steady.remove(&gone);
                }
                6..=12 => {
                    group.values.insert(place % (group.values.len() + 1), fresh);
                    group.ever.insert(fresh);
                    self.fresh += 1;
                }
                13 => self.range = place % 9 + 2,
                14 => group.there = !group.there,
                15 => group.id += 1,
                _ => {}
            }
        }
    }

    fn content(&self, group: &Group, dn: &str, from: Option<usize>) -> Bytes {
        let from = from.unwrap_or(0);
        let left = group.values.get(from..).unwrap_or_default();
        let shown = left.get(..left.len().min(self.range)).unwrap_or_default();
        let name = match (from, shown.len() < left.len()) {
            (0, false) => "member".to_owned(),
            (_, true) => format!("member;range={from}-{}", from + shown.len() - 1),
            (_, false) => format!("member;range={from}-*"),
        };
        let set = shown.iter().fold(Writer::default(), |set, value| set.put(OCTETS, value.to_string().as_bytes()));
        let attribute = |name: &str, set| Writer::default().put(OCTETS, name.as_bytes()).nest(SET, set);
        let id = Writer::default().put(OCTETS, group.id.to_string().as_bytes());
        let list = Writer::default().nest(SEQUENCE, attribute("objectGUID", id)).nest(SEQUENCE, attribute(&name, set));
        Writer::default().put(OCTETS, dn.as_bytes()).nest(SEQUENCE, list).into_bytes().into()
    }

    fn object(&mut self, request: &Request) {
        let number: usize = request.base.trim_start_matches("cn=").parse().unwrap_or(usize::MAX);
        let asked = request.attributes.iter().find_map(|name| name.strip_prefix("member;range=")?.strip_suffix("-*"));
        let from: Option<usize> = asked.and_then(|from| from.parse().ok());
        let group = self.groups.get(number).filter(|group| group.there);
        let past = |group: &Group| from.is_some_and(|from| from > 0 && from >= group.values.len());
        let (code, entry) = match group {
            None => (32, None),
            Some(group) if past(group) => (1, None),
            Some(group) => (0, Some(self.content(group, &request.base, from))),
        };
        self.items = entry.map(|entry| Item::Entries(vec![entry])).into_iter().collect();
        self.items.push_back(Item::Done(Done { code, ..Done::default() }));
    }

    /// One page of groups, two a page.
    fn page(&mut self, request: &Request) {
        let pages = self.groups.len().div_ceil(2).max(1);
        let shown = self.groups.iter().enumerate().skip(self.page * 2).take(2).filter(|(_, group)| group.there);
        let entries: Vec<Bytes> = shown.map(|(at, group)| self.content(group, &format!("cn={at}"), None)).collect();
        self.page += 1;
        let cookie: &[u8] = if self.page < pages { b"more" } else { b"" };
        let value = Writer::default().nest(SEQUENCE, Writer::default().number(INTEGER, 0).put(OCTETS, cookie));
        let control = request.control.as_ref().map(|_| Some(value.into_bytes()));
        self.items = VecDeque::from([Item::Entries(entries), Item::Done(Done { control, ..Done::default() })]);
    }
}

/// What came of each group: its values, and whether they are all.
#[derive(Default)]
struct Seen(Vec<(usize, BTreeSet<u32>, bool)>);

impl Sink for Seen {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        let Some(name) = AttributeName::parse("member") else { return };
        let read = |value: &[u8]| std::str::from_utf8(value).ok()?.parse().ok();
        let values = entry.values(&name).filter_map(read).collect();
        let number = entry.shown_dn().trim_start_matches("cn=").parse().unwrap_or(usize::MAX);
        self.0.push((number, values, entry.is_whole() && !entry.is_cut_off(&name)));
    }
    fn reference(&mut self, _: Vec<String>) {}
}

/// Groups whose values change while they are read: whoever was a member all the time is one in what was read as whole,
/// whoever never was is not, and what is not whole is known to be not.
pub fn ranges(data: &[u8]) {
    let mut choices = Choices::new(data);
    let range = choices.below(9) + 2;
    let mut fresh = 0;
    let groups = (0..=choices.below(5)).map(|_| {
        let count = u32::from(choices.byte() % 48);
        let values: Vec<u32> = (fresh..fresh + count).collect();
        fresh += count;
        let all: BTreeSet<u32> = values.iter().copied().collect();
        Group { values, steady: all.clone(), ever: all, id: 1, there: true }
    });
    let groups: Vec<Group> = groups.collect();
    let mut server = Server { choices, groups, fresh, range, page: 0, items: VecDeque::new(), requests: 0 };
    let search = Search {
        page_size: 2,
        ..Search::once("dc=x", Scope::Subtree, "(objectClass=group)", &["member", "objectGUID"])
    };
    let Some(id) = AttributeName::parse("objectGUID") else { return };
    let mut seen = Seen::default();
    let ended = ranges::all(&mut server, &search, &id, "fuzzing", &mut seen).now_or_never();
    assert!(ended.is_some(), "it waits for what never comes");
    let complete = matches!(ended, Some(Ok(())));
    assert!(complete || !server.choices.is_empty() || server.requests > 1, "nothing changed, and yet: {ended:?}");
    for (number, values, whole) in &seen.0 {
        assert!(*whole || !complete, "a part is handed on as the end of a complete reading");
        let Some(group) = server.groups.get(*number) else { continue };
        assert!(values.is_subset(&group.ever), "group {number} has members that never were: {values:?}");
        if *whole {
            let lost: Vec<_> = group.steady.difference(values).collect();
            assert!(lost.is_empty(), "group {number} lost {lost:?}, members all the time");
        }
    }
    assert!(seen.0.len() == server.groups.len(), "a group that was there at the beginning is not handed on");
}
