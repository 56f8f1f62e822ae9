//! What goes wrong in a run, how it is brought about, and what the run can know nevertheless.

use std::collections::BTreeSet;
use std::sync::Arc;

use rosterd::clock::Timestamp;
use rosterd::roster::Passes;
use tokio_util::sync::CancellationToken;

use super::Life;
use super::events::{DAY, EVENTS, Event};
use super::life::{BASE, Directory, GROUPS, Mail, PEOPLE};
use super::spoiled::Break;
use super::views::Views;
use crate::support::fake::{Act, At};

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    None,
    /// Nobody listens at the port.
    Refused,
    /// The server closes the connection as soon as it is there.
    Closed,
    /// The password is refused, whatever it is.
    BadBind,
    /// A code, or an end without one, in a search below a base: after so many entries of a page.
    Search(&'static str, usize, usize, Bad),
    /// Success, and not a single entry.
    Nothing(&'static str),
    /// The base object is gone.
    NoBase(&'static str),
    /// An attribute is shown of nobody.
    Without(&'static str),
    /// An entry comes twice.
    Twice,
    /// Entries are missing from a search that says that this is all.
    Hidden,
    /// The same, and nobody can be looked up.
    NoLookUp,
    /// Something changes in the directory between groups and users.
    Between(Event),
    /// Another server is read. Where servers tell their state, it has not caught up yet.
    OtherServer,
    /// The server knows less than at the last run.
    Behind,
    /// Somebody writes into the store while the directory is read.
    Meddled(Meddling),
    /// Another process has the write lock for a moment.
    Locked,
    /// The process is killed while the directory is read.
    Killed,
    /// A call of the store fails, or the process ends in it.
    Store(Break),
    /// A statement fails in the middle of a transaction: the one that records this change, counted from here.
    Statement(i64),
}

impl Fault {
    /// Its name.
    pub fn kind(&self) -> String {
        format!("{self:?}").chars().take_while(|one| one.is_alphabetic()).collect()
    }
}

/// How a search goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bad {
    Code(u32),
    Close,
    Tear,
    Stall,
    SameCookie,
    NoControl,
    FromTheStart,
    Refer,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meddling {
    Surnames,
    Aliases,
}

impl Meddling {
    fn sql(self) -> &'static str {
        match self {
            Self::Surnames => "UPDATE rd_users SET surname = 'Meddled' WHERE state = 'active'",
            Self::Aliases => "DELETE FROM rd_addresses WHERE kind = 'alias'",
        }
    }

    /// What it makes of the views.
    pub fn apply(self, views: &mut Views) {
        for user in views.users.values_mut() {
            match self {
                Self::Surnames if user.state == "active" => user.surname = Some("Meddled".to_owned()),
                Self::Surnames => {}
                Self::Aliases => {
                    let primary = user.primary.as_ref().map(|one| one.to_lowercase());
                    user.addresses.retain(|one| primary.as_ref().is_some_and(|primary| primary == one));
                }
            }
        }
    }
}

impl Bad {
    /// Whether it shows only where there is more than one page.
    fn on_every_page(self) -> bool {
        [Self::SameCookie, Self::FromTheStart].contains(&self)
    }
}

/// What a run with a fault can know.
pub struct Knows {
    pub seen: Vec<Directory>,
    /// Entries that a search does not show, though they are there.
    pub hidden: BTreeSet<String>,
    /// Unique ids that cannot be looked up.
    pub unknown: BTreeSet<String>,
    /// It cannot have read everything, or must not believe that it did.
    pub hides: bool,
    /// It may find that it did not read everything.
    pub doubts: bool,
    /// It need not come to its end.
    pub fails: bool,
}

impl Life {
    pub fn draw_fault(&mut self) -> Fault {
        let base = self.chance.pick(&[PEOPLE, PEOPLE, GROUPS]);
        let (page, entries) = (1 + self.chance.below(3), self.chance.below(4));
        let codes = [1, 3, 4, 11, 51, 52, 53, 80].map(Bad::Code);
        let others =
            [Bad::Close, Bad::Tear, Bad::SameCookie, Bad::NoControl, Bad::FromTheStart, Bad::Refer, Bad::Stall];
        let at = self.chance.below(60);
        let breaks = Break { at, after: self.chance.one_in(2), dies: self.chance.one_in(2) };
        match self.chance.below(30) {
            0 => Fault::Refused,
            1 => Fault::Closed,
            2 => Fault::BadBind,
            3..6 => Fault::Search(base, page, entries, self.chance.pick(&codes)),
            6..10 => Fault::Search(base, page, entries, self.chance.pick(&others)),
            10 => Fault::Nothing(base),
            11 => Fault::NoBase(base),
            12 => Fault::Without(self.chance.pick(&["mail", "pwdAccountLockedTime"])),
            13 => Fault::Twice,
            14 => Fault::Hidden,
            15 => Fault::NoLookUp,
            16 | 17 => Fault::Between(self.chance.pick(&EVENTS[..13])),
            18 => Fault::Behind,
            19 => Fault::Meddled(Meddling::Surnames),
            20 => Fault::Meddled(Meddling::Aliases),
            21 => Fault::Locked,
            22 => Fault::Killed,
            23 => Fault::Statement(i64::try_from(self.chance.below(12)).unwrap()),
            24 | 25 => Fault::OtherServer,
            26 | 27 => Fault::Without("mail"),
            _ => Fault::Store(breaks),
        }
    }

    /// What the fake is told to do wrong in a search, or on the way to it.
    fn script(&mut self, fault: &Fault) {
        match fault {
            Fault::Closed => self.fake.always(At::connect(), Act::Close),
            Fault::BadBind => self.fake.always(At::bind(), Act::Answer(49, "")),
            Fault::Search(base, page, entries, bad) => {
                let at = At::below(base).entries(*entries);
                let at = if bad.on_every_page() { at } else { at.page(*page) };
                self.fake.always(at, act(*bad));
            }
            Fault::Nothing(base) => self.fake.always(At::below(base), Act::Nothing),
            Fault::NoBase(base) => self.fake.always(At::object(base), Act::Answer(32, "")),
            Fault::Without(attribute) => self.fake.always(At::below(PEOPLE), Act::Without(vec![attribute])),
            Fault::Twice => self.fake.always(At::below(PEOPLE), Act::Twice),
            Fault::NoLookUp => self.fake.always(At::below(BASE), Act::Answer(52, "")),
            _ => {}
        }
    }

    /// Has it go wrong in the next run; `died` is cancelled where the process is to end.
    pub async fn bring_about(&mut self, fault: &Fault, died: &CancellationToken) -> Knows {
        *self.fake.tree() = self.directory.tree();
        self.script(fault);
        let mut knows = Knows {
            seen: vec![self.directory.clone()],
            hidden: BTreeSet::new(),
            unknown: BTreeSet::new(),
            hides: false,
            doubts: false,
            fails: false,
        };
        let in_scope = self.directory.people.iter().filter(|(_, person)| person.in_scope());
        let everybody: BTreeSet<String> = in_scope.map(|(id, _)| id.clone()).collect();
        match fault {
            Fault::Nothing(PEOPLE) => knows.hidden = everybody,
            Fault::Nothing(_) => knows.seen[0].teams.clear(),
            Fault::Without(attribute) => {
                knows.seen[0].people.values_mut().for_each(|person| match *attribute {
                    "mail" => person.mail = Mail::None,
                    _ => person.locked = false,
                });
            }
            Fault::Hidden | Fault::NoLookUp => {
                let hidden: Vec<String> = everybody.into_iter().filter(|_| self.chance.one_in(3)).collect();
                let dns = hidden.iter().map(|id| self.directory.people[id].dn()).collect();
                self.fake.always(At::below(PEOPLE), Act::Hide(dns));
                knows.hidden.extend(hidden);
                if matches!(fault, Fault::NoLookUp) {
                    knows.unknown = Views::read(&self.fixture).await.users.into_values().map(|user| user.key).collect();
                }
            }
            Fault::Between(event) => {
                Box::pin(self.happen(*event)).await;
                let after = self.directory.tree();
                let change = Act::Do(Arc::new(move |tree| *tree = after.clone()));
                self.fake.once(At::below(PEOPLE).page(1), change);
                knows.seen.push(self.directory.clone());
            }
            Fault::OtherServer => {
                let lags = self.last.changed.is_some();
                knows.seen = vec![if lags { self.last.clone() } else { self.directory.clone() }];
                *self.other.tree() = knows.seen[0].tree();
            }
            Fault::Behind => {
                let mut old = self.directory.clone();
                old.changed = old.changed.map(long_ago);
                *self.fake.tree() = old.tree();
            }
            Fault::Meddled(meddling) => {
                let (fixture, sql) = (Arc::clone(&self.fixture), meddling.sql());
                let meddle = Act::Do(Arc::new(move |_| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(fixture.by_hand(sql));
                }));
                self.fake.once(At::below(PEOPLE).page(1), meddle);
            }
            Fault::Killed => {
                let died = died.clone();
                let page = 1 + self.chance.below(2);
                self.fake.always(At::below(PEOPLE).page(page), Act::Do(Arc::new(move |_| died.cancel())));
                self.fake.always(At::below(PEOPLE).page(page), Act::Stall);
                knows.fails = true;
            }
            Fault::Locked | Fault::Store(_) | Fault::Statement(_) => knows.fails = true,
            _ => {}
        }
        knows
    }

    /// What turned out, now that it is known whether it happened.
    pub fn learn(&self, fault: &Fault, knows: &mut Knows, (fired, passes): (usize, Passes), before: &Views) {
        let in_scope = self.directory.people.values().filter(|person| person.in_scope()).count();
        match fault {
            Fault::Refused | Fault::Closed | Fault::BadBind => knows.hides = true,
            Fault::Search(base, _, _, bad) if bad.on_every_page() => {
                let entries = if *base == PEOPLE { in_scope } else { self.directory.teams.len() };
                knows.hides = entries > usize::try_from(self.config.source.page_size).unwrap();
            }
            Fault::Search(..) | Fault::NoBase(_) => knows.hides = fired > 0,
            Fault::Nothing(base) => {
                knows.hides = match *base {
                    PEOPLE => before.users.values().any(|user| user.access()),
                    _ => before.groups.values().any(|group| group.state == "active"),
                };
                knows.doubts = true;
            }
            Fault::Without(attribute) => {
                let had = if *attribute == "mail" { self.covered.0 } else { self.covered.1 };
                knows.hides = had > 5 && in_scope > 0;
                if knows.hides {
                    knows.seen = vec![self.directory.clone()];
                }
            }
            Fault::Hidden | Fault::NoLookUp => knows.doubts = true,
            Fault::Behind => {
                knows.hides |= self.told > self.directory.changed.map(long_ago);
            }
            Fault::OtherServer => knows.hides |= self.told > knows.seen[0].changed,
            _ => {}
        }
        // A server that does not tell its state, and is another one than the last time (E7).
        let elsewhere = matches!(fault, Fault::OtherServer);
        knows.doubts |= self.directory.changed.is_none() && self.elsewhere.is_some_and(|last| last != elsewhere);
        let vanished = knows.seen.iter().map(|directory| self.vanished(directory, passes, before));
        match vanished.collect::<Vec<_>>()[..] {
            [one] => knows.hides |= one,
            ref several => knows.doubts |= several.contains(&true),
        }
    }

    /// E2: whether a directory shows nobody, no group, or an attribute of nobody, where there were some.
    fn vanished(&self, directory: &Directory, passes: Passes, before: &Views) -> bool {
        let people: Vec<_> = directory.people.values().filter(|person| person.in_scope()).collect();
        let nobody = people.is_empty() && before.users.values().any(|user| user.access());
        let no_group = directory.teams.is_empty() && before.groups.values().any(|group| group.state == "active");
        let no_mail = self.covered.0 > 5 && people.iter().all(|person| person.mail == Mail::None);
        let no_lock = self.covered.1 > 5 && people.iter().all(|person| !person.locked);
        let of_users = nobody || (!people.is_empty() && (no_mail || no_lock));
        (passes.users && of_users) || (passes.groups && no_group)
    }
}

/// What a server that was restored from an old backup knows.
pub fn long_ago(at: Timestamp) -> Timestamp {
    at - DAY * 4_000
}

fn act(bad: Bad) -> Act {
    match bad {
        Bad::Code(code) => Act::Answer(code, "it was told to"),
        Bad::Close => Act::Close,
        Bad::Tear => Act::Tear,
        Bad::Stall => Act::Stall,
        Bad::SameCookie => Act::SameCookie,
        Bad::NoControl => Act::NoControl,
        Bad::FromTheStart => Act::FromTheStart,
        Bad::Refer => Act::Refer("ldap://other.example.net/ou=x,ou=people,dc=example,dc=com"),
    }
}
