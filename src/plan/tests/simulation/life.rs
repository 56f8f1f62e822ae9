//! What happens between runs: in the directory, by administrators' hands, to the configuration, to the clock.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Simulation;
use crate::plan::policy::{Delay, GroupPolicy, OneGroup, Rights};
use crate::plan::tests::policy;
use crate::plan::tests::rights::rights;
use crate::plan::tests::world::DAY;
use crate::roster::UserId;

pub const PEOPLE: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
pub const TEAMS: [&str; 4] = ["crew", "guests", "staff", "team"];
const DOMAINS: [&str; 3] = ["ours.example", "theirs.example", "OURS.example"];
const HOUR: Duration = Duration::from_secs(3600);

/// One thing that happens; which of them, and how often, every seed draws for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Hire,
    Leave,
    Toggle,
    Mail,
    Alias,
    Rename,
    Swap,
    Move,
    Readd,
    OutOfBase,
    Filter,
    Garble,
    Twin,
    Note,
    Member,
    Disband,
    Inside,
    Manual,
    Ignore,
    Restore,
    Delete,
    Approve,
    Freeze,
    Domains,
    Delays,
    Required,
    Rights,
    Grouping,
    Exodus,
    Lockout,
    Import,
    Hours,
    Days,
    Back,
}

pub const EVENTS: [Event; 34] = {
    use Event::*;
    [
        Hire, Leave, Toggle, Mail, Alias, Rename, Swap, Move, Readd, OutOfBase, Filter, Garble, Twin, Note, Member,
        Disband, Inside, Manual, Ignore, Restore, Delete, Approve, Freeze, Domains, Delays, Required, Rights, Grouping,
        Exodus, Lockout, Import, Hours, Days, Back,
    ]
};

impl Simulation {
    /// Somebody in the directory, by unique id.
    fn somebody(&mut self) -> Option<String> {
        let keys: Vec<String> = self.world.people.keys().cloned().collect();
        (!keys.is_empty()).then(|| keys[self.chance.below(keys.len())].clone())
    }

    fn address(&mut self) -> String {
        let name = self.chance.pick(&PEOPLE);
        let domain = self.chance.pick(&DOMAINS);
        match self.chance.below(12) {
            0 => "no address".to_owned(),
            1 => format!("{}@{domain}", name.to_uppercase()),
            _ => format!("{name}@{domain}"),
        }
    }

    pub fn happen(&mut self, event: Event) {
        match event {
            Event::Hire => self.hire(),
            Event::Manual => {
                let name = self.chance.pick(&PEOPLE);
                if self.world.add_by_hand(name) {
                    self.look();
                }
            }
            Event::Ignore | Event::Restore | Event::Delete => self.by_hand(event),
            Event::Approve => self.approves = true,
            Event::Freeze => {
                let until = self.world.now + DAY * u32::try_from(self.chance.below(4)).unwrap();
                self.frozen = self.frozen.is_none().then_some(until);
            }
            Event::Domains | Event::Delays | Event::Required | Event::Rights | Event::Grouping => self.configure(event),
            Event::Exodus | Event::Lockout | Event::Import => self.disaster(event),
            Event::Hours => _ = self.world.later(HOUR * u32::try_from(self.chance.below(30)).unwrap()),
            Event::Days => _ = self.world.later(DAY * u32::try_from(self.chance.below(12)).unwrap()),
            Event::Back => self.world.now = self.world.now - HOUR * u32::try_from(self.chance.below(60)).unwrap(),
            Event::Member | Event::Disband | Event::Inside => self.regroup(event),
            _ => self.edit(event),
        }
    }

    pub fn hire(&mut self) {
        let name = self.chance.pick(&PEOPLE);
        let taken = self.world.people.values().any(|one| one.dn.contains(&format!("uid={name},")));
        if !taken {
            let id = self.fresh(name);
            let entry = self.world.hire(name).clone();
            self.world.people.remove(name);
            self.world.people.insert(id, entry);
        }
    }

    /// A unique id that no entry ever had; the first one of a name is the name.
    fn fresh(&mut self, name: &str) -> String {
        self.ids += 1;
        format!("{name}.{}", self.ids)
    }

    fn edit(&mut self, event: Event) {
        let Some(who) = self.somebody() else { return };
        let (one, two, some) = (self.address(), self.address(), self.chance.below(4));
        let (name, unit) = (self.chance.pick(&PEOPLE).to_owned(), self.chance.below(3));
        let other = self.somebody().unwrap_or_default();
        let name = if self.chance.one_in(3) { name.to_uppercase() } else { name };
        let follows = self.chance.one_in(2);
        let some_of = |most: usize| [one.clone(), two.clone()].into_iter().take(some.min(most)).collect::<Vec<_>>();
        match event {
            Event::Leave => _ = self.world.people.remove(&who),
            Event::Toggle => self.world.entry(&who).enabled ^= true,
            Event::Mail => self.world.entry(&who).mail = some_of(2),
            Event::Alias => self.world.entry(&who).aliases = some_of(2),
            Event::Rename => self.world.entry(&who).uid = (some > 0).then_some(name),
            Event::Swap => {
                let (mine, theirs) = (self.world.entry(&who).mail.clone(), self.world.entry(&other).mail.clone());
                (self.world.entry(&who).mail, self.world.entry(&other).mail) = (theirs, mine);
            }
            Event::Move => {
                let before = self.world.entry(&who).dn.clone();
                let rdn = before.split(',').next().unwrap().to_owned();
                let after = format!("{rdn},ou=unit{unit},dc=example");
                self.world.entry(&who).dn.clone_from(&after);
                let members = self.world.groups.values_mut().flat_map(|(_, members)| members);
                members.filter(|one| follows && **one == before).for_each(|one| one.clone_from(&after));
            }
            Event::Readd => {
                let entry = self.world.people.remove(&who).unwrap();
                let id = self.fresh(who.split('.').next().unwrap());
                self.world.people.insert(id, entry);
            }
            Event::OutOfBase => self.world.entry(&who).in_base ^= true,
            Event::Filter => self.world.entry(&who).in_filter ^= true,
            Event::Garble => self.world.entry(&who).readable ^= true,
            Event::Twin => self.world.entry(&who).twin ^= true,
            _ => self.world.entry(&who).notes = vec![format!("note {some}")],
        }
    }

    fn regroup(&mut self, event: Event) {
        let team = self.chance.pick(&TEAMS);
        let other = format!("cn={},ou=groups,dc=example", self.chance.pick(&TEAMS));
        let who = self.somebody().map(|who| self.world.entry(&who).dn.clone());
        let member = if event == Event::Inside { Some(other) } else { who };
        if event == Event::Disband {
            self.world.groups.remove(team);
            return;
        }
        let group = self.world.groups.entry(team.into()).or_insert_with(|| (team.into(), Vec::new()));
        let Some(member) = member else { return };
        match group.1.iter().position(|one| *one == member) {
            Some(at) => _ = group.1.remove(at),
            None => group.1.push(member),
        }
    }

    /// An administrator settles somebody's case (L8).
    fn by_hand(&mut self, event: Event) {
        let ids: Vec<UserId> = self.world.store.accounts.keys().copied().collect();
        let waiting = |id: &&UserId| self.world.store.accounts[id].flagged_at.is_some();
        let pending: Vec<UserId> = ids.iter().filter(waiting).copied().collect();
        let among = if pending.is_empty() || self.chance.one_in(3) { ids } else { pending };
        if among.is_empty() {
            return;
        }
        let who = among[self.chance.below(among.len())];
        let done = match event {
            Event::Ignore => self.world.ignore(who),
            Event::Restore => self.world.restore(who),
            _ => self.world.delete(who),
        };
        self.trace.push(format!("{event:?} {who:?}: {done}"));
        self.look();
    }

    fn configure(&mut self, event: Event) {
        let choice = self.chance.below(6);
        match event {
            Event::Domains => {
                let domains: &[&'static str] = match choice {
                    0 => &[],
                    1..4 => &["ours.example", "theirs.example"],
                    _ => &["ours.example"],
                };
                self.manage(domains);
            }
            Event::Delays => {
                let delay = |choice| match choice {
                    0 => Delay::Never,
                    1 => Delay::After(Duration::ZERO),
                    more => Delay::After(DAY * (7 * u32::try_from(more).unwrap())),
                };
                self.world.policy.delay = delay(choice);
                self.world.policy.disabled_delay = delay(self.chance.below(6));
                self.world.policy.minimum = if choice == 1 { Duration::ZERO } else { 7 * DAY };
            }
            Event::Required => self.world.policy.address_required ^= true,
            Event::Rights => {
                let roles: &[(&str, &[&str])] = &[("admin", &["crew"]), ("user", &["staff", "team"])];
                self.world.policy.rights = match choice {
                    0..3 => Rights::default(),
                    3 => rights(roles, &[("read", &["guests"])]),
                    _ => Rights { required: true, ..rights(roles, &[("read", &["guests"])]) },
                };
            }
            _ => {
                let one = OneGroup { priority: vec!["staff".into()], default: Some("guests".into()) };
                self.world.policy.groups = GroupPolicy {
                    flatten: choice.is_multiple_of(2),
                    one: (choice == 1).then_some(one),
                    drop_empty: choice == 5,
                };
            }
        }
    }

    pub fn manage(&mut self, domains: &[&'static str]) {
        self.truth.managed = (!domains.is_empty()).then(|| domains.iter().copied().collect::<BTreeSet<_>>());
        self.world.policy.managed = policy(domains).managed;
    }

    /// What a script, a migration, or a wrong click does to many at once.
    fn disaster(&mut self, event: Event) {
        let keys: Vec<String> = self.world.people.keys().cloned().collect();
        let spared = self.chance.below(4);
        for who in keys.iter().skip(spared) {
            match event {
                Event::Exodus if spared == 0 => _ = self.world.people.remove(who),
                Event::Exodus => self.world.entry(who).in_base ^= true,
                Event::Lockout => self.world.entry(who).enabled ^= true,
                _ => {
                    let entry = self.world.people.remove(who).unwrap();
                    let id = self.fresh(who.split('.').next().unwrap());
                    self.world.people.insert(id, entry);
                }
            }
        }
    }
}
