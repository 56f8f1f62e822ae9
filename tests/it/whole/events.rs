//! What happens between runs: people come, change and go, administrators act, clocks step.

use std::time::Duration;

use rosterd::clock::Timestamp;
use rosterd::plan::by_hand::{self, Rivals};
use rosterd::roster::{Account, Domain, State, UserId};
use rosterd::store::Freeze;
use rosterd::sync::by_hand as hand;

use super::life::{DOMAINS, Mail, NAMES, Person, TEAMS, Unit};
use super::{Life, SOURCE};

pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(86_400);

/// One thing that happens; which of them, and how often, every seed draws for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Hire,
    Leave,
    Return,
    AddAgain,
    Rename,
    Marry,
    Move,
    Filter,
    Lock,
    Mail,
    Alias,
    Swap,
    Member,
    Disband,
    Domains,
    Keep,
    Delete,
    Freeze,
    Approve,
    Exodus,
    Hours,
    Days,
    Jump,
    Right,
    Boot,
}

pub const EVENTS: [Event; 25] = {
    use Event::*;
    [
        Hire, Leave, Return, AddAgain, Rename, Marry, Move, Filter, Lock, Mail, Alias, Swap, Member, Disband, Domains,
        Keep, Delete, Freeze, Approve, Exodus, Hours, Days, Jump, Right, Boot,
    ]
};

impl Life {
    pub fn address(&mut self) -> String {
        let (name, domain) = (self.chance.pick(&NAMES), self.chance.pick(&DOMAINS));
        let domain = if self.chance.one_in(2) { DOMAINS[0] } else { domain };
        if self.chance.one_in(9) { format!("{}@{domain}", name.to_uppercase()) } else { format!("{name}@{domain}") }
    }

    fn mail(&mut self) -> Mail {
        match self.chance.below(9) {
            0 => Mail::None,
            1 => Mail::Bad,
            _ => Mail::One(self.address()),
        }
    }

    fn somebody(&mut self) -> Option<String> {
        let all: Vec<&String> = self.directory.people.keys().collect();
        (!all.is_empty()).then(|| all[self.chance.below(all.len())].clone())
    }

    pub fn hire(&mut self) {
        let name = self.chance.pick(&NAMES);
        if !self.directory.has(name) {
            let mail = if self.chance.one_in(5) { self.mail() } else { Mail::One(format!("{name}@{}", DOMAINS[0])) };
            self.directory.hire(name, mail);
        }
    }

    pub async fn happen(&mut self, event: Event) {
        self.trace.push(format!("{} {event:?}", self.hands.time()));
        let before = self.directory.clone();
        match event {
            Event::Hire => self.hire(),
            Event::Return => {
                if let Some((id, person)) = self.left.pop().filter(|(_, person)| !self.directory.has(&person.uid)) {
                    self.directory.people.insert(id, person);
                }
            }
            Event::Member | Event::Disband => self.regroup(event),
            Event::Domains => {
                let all = [None, Some([DOMAINS[0]].into()), Some(DOMAINS.into())];
                let domains = all[self.chance.below(3)].clone();
                self.manage(domains);
            }
            Event::Keep | Event::Delete => self.settle(event).await,
            Event::Freeze => self.freeze().await,
            Event::Approve => self.approves = true,
            Event::Exodus => {
                let spared = self.chance.below(3);
                let everybody: Vec<String> = self.directory.people.keys().skip(spared).cloned().collect();
                everybody.iter().for_each(|id| self.directory.people.get_mut(id).unwrap().unit = Unit::Former);
            }
            Event::Hours => self.hands.pass(HOUR * u32::try_from(self.chance.below(30)).unwrap()),
            Event::Days => self.hands.pass(DAY * u32::try_from(self.chance.below(12)).unwrap()),
            Event::Jump => {
                let days = [-400, -30, -8, 8, 30, 400];
                self.hands.jump(self.chance.pick(&days));
                self.truth.clock_lies = true;
            }
            Event::Right => self.hands.right(),
            Event::Boot => self.hands.boot(),
            _ => self.edit(event),
        }
        if self.directory != before {
            self.touch();
        }
    }

    /// The directory is another one now; no two states of it bear one moment.
    pub fn touch(&mut self) {
        let next = |last: Timestamp| self.hands.time().max(last + Duration::from_millis(1));
        self.directory.changed = self.directory.changed.map(next);
    }

    fn edit(&mut self, event: Event) {
        let (Some(who), Some(other)) = (self.somebody(), self.somebody()) else { return };
        let (mail, alias, name) = (self.mail(), self.address(), self.chance.pick(&NAMES));
        let unit = self.chance.pick(&[Unit::People, Unit::Sales, Unit::Sales, Unit::Former]);
        let taken = self.directory.has(name);
        let person = |id: &String| -> Person { self.directory.people[id].clone() };
        let (mut one, two) = (person(&who), person(&other));
        match event {
            Event::Leave => {
                self.directory.people.remove(&who);
                self.left.push((who, one));
                return;
            }
            Event::AddAgain => return self.directory.add_again(&who),
            Event::Rename if !taken => one.uid = name.to_owned(),
            Event::Marry => one.surname = format!("Of {name}"),
            Event::Move => one.unit = unit,
            Event::Filter => one.robot ^= true,
            Event::Lock => one.locked ^= true,
            Event::Mail => one.mail = mail,
            Event::Alias => match one.aliases.iter().position(|known| known.eq_ignore_ascii_case(&alias)) {
                Some(at) => _ = one.aliases.remove(at),
                None => one.aliases.push(alias),
            },
            Event::Swap => {
                self.directory.people.get_mut(&other).unwrap().mail = one.mail.clone();
                one.mail = two.mail;
            }
            _ => {}
        }
        self.directory.people.insert(who, one);
    }

    fn regroup(&mut self, event: Event) {
        let (name, who) = (self.chance.pick(&TEAMS), self.somebody());
        if event == Event::Disband {
            self.directory.teams.retain(|_, team| team.name != name);
            return;
        }
        let team = self.directory.team(name);
        if let Some(who) = who.filter(|who| !team.members.remove(who)) {
            team.members.insert(who);
        }
    }

    pub fn manage(&mut self, domains: Option<std::collections::BTreeSet<&'static str>>) {
        let all = domains.iter().flatten().filter_map(|one| Domain::parse(one));
        self.config.managed = domains.is_some().then(|| all.collect());
        self.managed = domains;
    }

    async fn freeze(&mut self) {
        let now = self.hands.wall();
        let until = now + DAY * u32::try_from(self.chance.below(4)).unwrap();
        self.frozen = self.frozen.is_none().then_some(until);
        let freeze = self.frozen.map(|until| Freeze { since: now, until, reason: "a change window".to_owned() });
        let store = std::sync::Arc::clone(&self.store);
        hand::in_turn(&*store, async |turn| {
            Ok(store.put_freeze(SOURCE, freeze.as_ref(), std::slice::from_ref(turn)).await?)
        })
        .await
        .unwrap();
    }

    /// An administrator settles somebody's case (L8).
    async fn settle(&mut self, event: Event) {
        let ids: Vec<UserId> = self.store.index(SOURCE).await.unwrap().iter().map(|known| known.id).collect();
        let mut accounts = self.store.accounts(&ids).await.unwrap();
        accounts
            .retain(|account| account.state == State::Pending || (event == Event::Delete && account.state.access()));
        accounts.sort_by(|a, b| a.key.cmp(&b.key));
        if accounts.is_empty() {
            return;
        }
        let account = &accounts[self.chance.below(accounts.len())];
        self.trace.push(format!("{event:?} {:?}: {}", account.key, self.carry_out(event, account).await));
    }

    async fn carry_out(&self, event: Event, account: &Account) -> bool {
        let name = account.fields.get(&rosterd::roster::FieldId::USERNAME).map(|name| name.to_lowercase());
        let rivals = self.store.name_owners(&name.into_iter().collect::<Vec<_>>()).await.unwrap();
        let rivals: Vec<UserId> = rivals.into_iter().map(|(_, owner)| owner).collect();
        let rivals = self.store.accounts(&rivals).await.unwrap();
        let rival = rivals.iter().find(|rival| rival.id != account.id && rival.state.access());
        let decided = match event {
            Event::Keep => by_hand::ignore(account, Rivals { name: rival, address: None }).map(|change| vec![change]),
            _ => by_hand::delete(account, &[], None),
        };
        let Ok(changes) = decided else { return false };
        let names = self.config.names();
        let at = self.hands.wall();
        let done = hand::in_turn(&*self.store, async |turn| {
            hand::apply(&*self.store, turn, (SOURCE, at, &names), &changes).await
        });
        done.await.unwrap();
        true
    }
}
