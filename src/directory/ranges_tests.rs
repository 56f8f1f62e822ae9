use std::collections::{BTreeMap, BTreeSet, VecDeque};

use async_trait::async_trait;
use proptest::prelude::*;

use super::super::entry::tests::encoded;
use super::*;

const DN: &str = "cn=all,dc=x";

/// What an answer holds: names of attributes, and their values.
type Shown = Vec<(String, Vec<Vec<u8>>)>;

/// One entry on a server that hands out values in ranges; `spoil` may change the entry before, and the answer after it
/// was made, by the number of the search.
struct Controller<F> {
    most: usize,
    attributes: BTreeMap<&'static str, Vec<String>>,
    asked: Vec<Vec<String>>,
    answers: VecDeque<Item>,
    spoil: F,
}

/// What a spoiler may change.
struct Turn<'a> {
    number: usize,
    attributes: &'a mut BTreeMap<&'static str, Vec<String>>,
    /// Empty before the answer is made.
    shown: &'a mut Shown,
    code: &'a mut u32,
    lost: &'a mut bool,
}

impl<F: FnMut(Turn<'_>) + Send> Controller<F> {
    fn new(most: usize, attributes: &[(&'static str, usize)], spoil: F) -> Self {
        let values = |count: usize| (0..count).map(|number| format!("v{number:06}")).collect::<Vec<_>>();
        let mut attributes: BTreeMap<_, _> = attributes.iter().map(|(name, count)| (*name, values(*count))).collect();
        attributes.insert("id", vec!["1".to_owned()]);
        Self { most, attributes, asked: Vec::new(), answers: VecDeque::new(), spoil }
    }

    fn shown(&self, asked: &[String]) -> Shown {
        let mut shown = Shown::new();
        for asked in asked {
            let (name, range) =
                asked.split_once(";range=").map_or((asked.as_str(), None), |(name, range)| (name, Some(range)));
            let Some(values) = self.attributes.get(name).filter(|values| !values.is_empty()) else { continue };
            let bytes = |part: &[String]| part.iter().map(|value| value.clone().into_bytes()).collect::<Vec<_>>();
            if range.is_none() && values.len() <= self.most {
                shown.push((name.to_owned(), bytes(values)));
                continue;
            }
            if range.is_none() {
                shown.push((name.to_owned(), Vec::new()));
            }
            let from: usize = range.map_or(0, |range| range.strip_suffix("-*").unwrap().parse().unwrap());
            let to = values.len().min(from + self.most);
            let Some(part) = values.get(from..to).filter(|part| !part.is_empty()) else { continue };
            let end = if to == values.len() { "*".to_owned() } else { (to - 1).to_string() };
            shown.push((format!("{name};Range={from}-{end}"), bytes(part)));
        }
        shown
    }
}

#[async_trait]
impl<F: FnMut(Turn<'_>) + Send> Session for Controller<F> {
    fn server(&self) -> &str {
        "ldap://dc1:389"
    }

    async fn start(&mut self, request: &Request, doing: &str) -> Result<(), DirectoryError> {
        assert_eq!(self.answers.len(), 0, "one search at a time");
        self.asked.push(request.attributes.clone());
        let (mut shown, mut code, mut lost) = (Shown::new(), 0, false);
        let number = self.asked.len();
        let Self { attributes, spoil, .. } = self;
        spoil(Turn { number, attributes, shown: &mut shown, code: &mut code, lost: &mut lost });
        shown = self.shown(&request.attributes);
        let Self { attributes, spoil, .. } = self;
        spoil(Turn { number, attributes, shown: &mut shown, code: &mut code, lost: &mut lost });
        if lost {
            let (server, says) = (self.server().to_owned(), "gone".to_owned());
            return Err(DirectoryError::Lost { server, doing: doing.to_owned(), says });
        }
        if code == 0 && !self.attributes.is_empty() {
            let values: Vec<Vec<&[u8]>> =
                shown.iter().map(|(_, all)| all.iter().map(Vec::as_slice).collect()).collect();
            let all: Vec<_> =
                shown.iter().zip(&values).map(|((name, _), values)| (name.as_str(), values.as_slice())).collect();
            self.answers.push_back(Item::Entries(vec![encoded(DN.as_bytes(), &all).into()]));
        }
        self.answers.push_back(Item::Done(Done { code, ..Done::default() }));
        Ok(())
    }

    async fn next(&mut self, _: &str) -> Result<Item, DirectoryError> {
        Ok(self.answers.pop_front().unwrap())
    }
}

type Values = BTreeMap<String, Vec<String>>;

/// What the sink was given: values by attribute, and which were cut off.
#[derive(Default)]
struct Seen(Vec<(Values, Vec<String>)>);

impl Sink for Seen {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        let names = ["member", "memberOf", "mail"].map(|name| AttributeName::parse(name).unwrap());
        let values =
            |name: &AttributeName| entry.values(name).map(|one| String::from_utf8_lossy(one).into_owned()).collect();
        let all = names.iter().map(|name| (name.as_str().to_owned(), values(name))).collect();
        let cut = names.iter().filter(|name| entry.is_cut_off(name)).map(|name| name.as_str().to_owned()).collect();
        self.0.push((all, cut));
    }

    fn reference(&mut self, _: Vec<String>) {}
}

async fn read<F: FnMut(Turn<'_>) + Send>(controller: &mut Controller<F>) -> (Result<(), DirectoryError>, Seen) {
    let search = Search::once("dc=x", Scope::Subtree, "(cn=*)", &["id", "member", "memberOf", "mail"]);
    let (id, mut seen) = (AttributeName::parse("id").unwrap(), Seen::default());
    let ended = all(controller, &search, &id, "reading groups under `dc=x`", &mut seen).await;
    (ended, seen)
}

fn nothing(_: Turn<'_>) {}

/// E4: whatever the number of values, each is there once.
#[tokio::test]
async fn every_value_is_read_once() {
    for (most, count) in [
        (1_500, 0),
        (1_500, 1),
        (1_500, 1_499),
        (1_500, 1_500),
        (1_500, 1_501),
        (1_500, 2_999),
        (1_500, 3_000),
        (1_500, 5_001),
        (5_000, 5_001),
        (30, 1_500),
        (2, 9),
        (1_500, 100_000),
    ] {
        let mut controller = Controller::new(most, &[("member", count)], nothing);
        let (ended, seen) = read(&mut controller).await;
        ended.unwrap();
        let (values, cut) = &seen.0[0];
        assert_eq!((seen.0.len(), cut.len()), (1, 0));
        assert_eq!(values["member"], controller.attributes["member"], "{count} in ranges of {most}");
        let searches = if count <= most { 1 } else { 1 + (count - most).div_ceil(most - 1) };
        assert_eq!(controller.asked.len(), searches, "{count} in ranges of {most}");
    }
}

/// E4, E6: any attribute may be handed out in ranges, several of one entry, too, and with options.
#[tokio::test]
async fn several_attributes_of_an_entry_are_read_to_the_end() {
    let mut controller = Controller::new(3, &[("member", 7), ("memberOf", 4), ("mail", 2)], nothing);
    let (ended, seen) = read(&mut controller).await;
    ended.unwrap();
    let (values, cut) = &seen.0[0];
    assert_eq!((values["member"].len(), values["memberof"].len(), values["mail"].len(), cut.len()), (7, 4, 2, 0));
    let content = encoded(b"cn=x", &[("member;range=0-1;lang-de", &[b"a", b"b"])]);
    let entry = RawEntry::parse(&content).unwrap();
    let part = entry.parts().next().unwrap();
    assert_eq!((part.name.as_str(), part.sound()), ("member;lang-de", Some((0, Some(1)))));
}

/// Names the range that an answer bears anew.
fn rename(turn: &mut Turn<'_>, name: &str) {
    turn.shown.iter_mut().filter(|(known, _)| known.contains(";Range=")).for_each(|(known, _)| name.clone_into(known));
}

/// E1, E4: what cannot be read to the end is told, and handed on as a part.
#[tokio::test]
async fn an_answer_that_does_not_fit_is_no_end() {
    type Spoil = fn(Turn<'_>);
    let cases: [(&str, Spoil, &str); 13] = [
        ("gone", |turn| *turn.code = 32, "it is no longer there"),
        ("nothing", |turn| turn.attributes.clear(), "it is no longer there"),
        ("another one", |turn| _ = turn.attributes.insert("id", vec!["2".into()]), "another entry stands there"),
        ("refused", |turn| *turn.code = 50, "code 50"),
        ("past the end", |turn| *turn.code = 1, "code 1"),
        ("no range", |turn| turn.shown.retain(|(name, _)| name == "id"), "lacks that range"),
        ("all of it", |mut turn| rename(&mut turn, "member"), "lacks that range"),
        ("from the start", |mut turn| rename(&mut turn, "member;range=0-2"), "lacks that range"),
        ("too few", |mut turn| rename(&mut turn, "member;range=2-5"), "lacks that range"),
        ("garbled", |mut turn| rename(&mut turn, "member;range=x"), "lacks that range"),
        ("another attribute", |mut turn| rename(&mut turn, "owner;range=2-*"), "lacks that range"),
        (
            "no step",
            |mut turn| {
                turn.shown.iter_mut().for_each(|(_, values)| values.truncate(1));
                rename(&mut turn, "member;range=2-2");
            },
            "do not move on",
        ),
        (
            "another order",
            |turn| {
                turn.shown.iter_mut().for_each(|(name, values)| {
                    if name != "id" {
                        values.reverse()
                    }
                })
            },
            "changed",
        ),
    ];
    for (what, spoil, says) in cases {
        let mut controller = Controller::new(3, &[("member", 10)], move |turn: Turn<'_>| {
            // Those that give the whole entry anew are answered well.
            if turn.number.is_multiple_of(2) {
                spoil(turn);
            }
        });
        let (ended, seen) = read(&mut controller).await;
        let error = ended.unwrap_err();
        assert!(error.to_string().contains(says) && error.leaves_connection(), "{what}: {error}");
        let (values, cut) = &seen.0[0];
        assert_eq!((seen.0.len(), values["member"].len(), cut.len()), (1, 3, 1), "{what}");
    }
    // Read anew, it shows nothing of the attribute.
    let veil = |turn: Turn<'_>| {
        if turn.number > 1 {
            turn.shown.retain(|(name, _)| name == "id")
        }
    };
    let (ended, seen) = read(&mut Controller::new(3, &[("member", 10)], veil)).await;
    assert!(ended.unwrap_err().to_string().contains("not shown at all"));
    assert_eq!((seen.0[0].0["member"].len(), seen.0[0].1.len()), (3, 1));
    let lose = |turn: Turn<'_>| *turn.lost = turn.number == 3;
    let (ended, seen) = read(&mut Controller::new(3, &[("member", 10)], lose)).await;
    assert!(matches!(ended, Err(DirectoryError::Lost { .. })));
    assert_eq!((seen.0[0].0["member"].len(), seen.0[0].1.len()), (3, 1));
}

/// E4: the first part has to make sense as well.
#[tokio::test]
async fn a_first_part_that_makes_no_sense_is_no_beginning() {
    for name in ["member;range=1-3", "member;range=0-9", "member;range=3-1", "member;range=-1-*", "member;range="] {
        let mut controller = Controller::new(3, &[("member", 10)], move |mut turn: Turn<'_>| rename(&mut turn, name));
        let (ended, seen) = read(&mut controller).await;
        assert!(ended.unwrap_err().to_string().contains("makes no sense"), "{name}");
        assert_eq!((seen.0[0].1.len(), controller.asked.len()), (1, TRIES), "{name}");
    }
}

/// E4: an entry that changes between two ranges is read anew; a value that stands elsewhere by then is not missed.
#[tokio::test]
async fn an_entry_that_changes_meanwhile_is_read_anew() {
    let remove = |turn: Turn<'_>| {
        if turn.number == 3 && turn.shown.is_empty() {
            turn.attributes.get_mut("member").unwrap().remove(0);
        }
    };
    let mut controller = Controller::new(3, &[("member", 10)], remove);
    let (ended, seen) = read(&mut controller).await;
    ended.unwrap();
    assert_eq!(seen.0[0].0["member"], controller.attributes["member"]);
    assert_eq!(seen.0.len(), 1);
    let never = |turn: Turn<'_>| {
        if turn.shown.is_empty() {
            turn.attributes.get_mut("member").unwrap().insert(0, format!("n{}", turn.number));
        }
    };
    let mut controller = Controller::new(3, &[("member", 10)], never);
    let (ended, seen) = read(&mut controller).await;
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("changed while they were read") && error.contains(DN), "{error}");
    assert_eq!((seen.0[0].1.len(), controller.asked.len()), (1, 2 * TRIES), "it is not tried for ever");
}

proptest! {
    /// E4: whatever changes between two ranges, a read that ended well has each value once that was there all the time,
    /// and none that never was.
    /// Faults: C2.
    #[test]
    fn no_value_is_missed_because_others_come_and_go(
        most in 2_usize..6,
        count in 0_usize..30,
        edits in prop::collection::vec((1_usize..12, any::<bool>(), 0_usize..30), 0..4),
    ) {
        let mut known = BTreeSet::new();
        let mut controller = Controller::new(most, &[("member", count)], |turn: Turn<'_>| {
            let Some(values) = turn.attributes.get_mut("member").filter(|_| turn.shown.is_empty()) else { return };
            known.extend(values.iter().cloned());
            for (_, comes, at) in edits.iter().filter(|(number, ..)| *number == turn.number && turn.number > 1) {
                let at = at % (values.len() + 1);
                match *comes {
                    true => values.insert(at, format!("n{}", known.len())),
                    false if at < values.len() => _ = values.remove(at),
                    false => {}
                }
                known.extend(values.iter().cloned());
            }
        });
        let stays: BTreeSet<String> = controller.attributes["member"].iter().cloned().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (ended, seen) = runtime.block_on(read(&mut controller));
        let left: BTreeSet<String> = controller.attributes["member"].iter().cloned().collect();
        drop(controller);
        let (values, cut) = &seen.0[0];
        let read: BTreeSet<String> = values["member"].iter().cloned().collect();
        prop_assert_eq!(read.len(), values["member"].len(), "each once");
        prop_assert!(read.is_subset(&known));
        prop_assert_eq!(cut.is_empty(), ended.is_ok());
        if ended.is_ok() {
            let missed: Vec<_> = stays.intersection(&left).filter(|value| !read.contains(*value)).collect();
            prop_assert!(missed.is_empty(), "{:?}", missed);
        }
    }
}
