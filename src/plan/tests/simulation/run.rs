//! One run in the simulation: what goes wrong in it, what it does, and whether that was right.

use std::collections::BTreeSet;

use super::Simulation;
use super::truth::{Round, shown};
use crate::plan::tests::world::World;
use crate::plan::{Approval, Plan};
use crate::roster::{Before, Passes, State};

/// What goes wrong in one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    None,
    /// The connection breaks after a part of the entries.
    Broken,
    /// The server answers with less than it has, and says that this is all.
    Fewer,
    /// It finds no user at all.
    Nobody,
    /// It finds users, but no group.
    NoGroups,
    /// The right to read an attribute is gone.
    Veiled,
    /// Looking people up gives no usable answer.
    Unjudged,
    /// Lists of members are cut off, or a group cannot be understood.
    Ranges,
    /// The store fails in between: what is committed stays.
    Cut,
    /// Both at once.
    BrokenAndCut,
}

pub const FAULTS: [Fault; 9] = [
    Fault::Broken,
    Fault::Fewer,
    Fault::Nobody,
    Fault::NoGroups,
    Fault::Veiled,
    Fault::Unjudged,
    Fault::Ranges,
    Fault::Cut,
    Fault::BrokenAndCut,
];

impl Simulation {
    fn some(&mut self, all: Vec<String>) -> BTreeSet<String> {
        let times = 1 + self.chance.below(4);
        all.into_iter().filter(|_| self.chance.one_in(times)).collect()
    }

    fn break_something(&mut self, fault: Fault) {
        let everybody: Vec<String> = self.world.people.keys().cloned().collect();
        match fault {
            Fault::Broken | Fault::BrokenAndCut => {
                self.world.hidden = self.some(everybody);
                self.world.broken = Some("connection-lost");
            }
            Fault::Fewer => self.world.hidden = self.some(everybody),
            Fault::Nobody => self.world.hidden = everybody.into_iter().collect(),
            Fault::NoGroups => self.world.groups.clear(),
            Fault::Veiled => self.world.people.values_mut().for_each(|entry| {
                entry.mail.clear();
                entry.aliases.clear();
            }),
            Fault::Unjudged => {
                let known = self.world.store.accounts.values().filter_map(|one| one.key.as_ref());
                let known = known.map(ToString::to_string).collect();
                self.world.unjudged = self.some(known);
            }
            Fault::Ranges => {
                let groups: Vec<String> = self.world.groups.keys().cloned().collect();
                self.world.cut_off = self.some(groups.clone());
                self.world.garbled = self.some(groups);
            }
            Fault::None | Fault::Cut => {}
        }
    }

    /// One run with a fault, judged; the directory is whole again afterwards.
    pub fn run(&mut self, fault: Fault, passes: Passes) {
        let (directory, groups) = (self.world.people.clone(), self.world.groups.clone());
        self.break_something(fault);
        let now = self.world.later(std::time::Duration::from_secs(1)).now;
        self.frozen = self.frozen.filter(|until| *until > now);
        if self.frozen.is_some() && self.world.broken.is_none() {
            self.world.broken = Some("frozen");
        }
        self.world.passes = passes;
        self.world.before = self.before();
        self.recall();
        self.world.approval =
            if std::mem::take(&mut self.approves) { self.waiting.clone() } else { Approval::default() };
        let mut round = self.round();
        let mut said = self.world.look();
        self.held = !said.plan.holds.is_empty();
        let young =
            self.held && (self.truth.is_young(&self.world) || self.window.is_young(&self.world, &said.plan.holds));
        let next = Approval::of(&said.plan.held, said.plan.mapped.causes.clone());
        round.cut = matches!(fault, Fault::Cut | Fault::BrokenAndCut) && self.cut(&mut said.plan);
        self.trace.push(format!("{now} {fault:?} {passes:?} cut: {}, {:?}", round.cut, said.text));
        self.world.store.apply(&said.plan, &self.world.policy.names.clone(), now);
        self.window.lose(&said.plan, now);
        self.window.note(&self.world);
        self.truth.judge(&self.world, &round);
        if !round.cut {
            self.waiting = next;
            if said.proven {
                self.window.end(&self.world);
                self.world.store.unasked.clear();
                self.world.store.note_held(&said.plan);
            }
            if round.proven && passes.users {
                self.coverage = coverage(&self.world);
            }
            if !young {
                self.is_quiet();
            }
        }
        (self.world.people, self.world.groups) = (directory, groups);
        self.repair();
    }

    /// What the store remembers of the brake's window.
    fn recall(&mut self) {
        self.window.open(&mut self.world);
        self.world.recent = self.truth.recent(&self.world);
        self.window.recall(&mut self.world);
    }

    /// Takes what was done by hand as it is.
    pub fn look(&mut self) {
        self.truth.look(&self.world);
        self.window.note(&self.world);
    }

    fn repair(&mut self) {
        let world = &mut self.world;
        world.broken = None;
        let sets = [&mut world.hidden, &mut world.unjudged, &mut world.cut_off, &mut world.garbled];
        sets.into_iter().for_each(BTreeSet::clear);
        world.approval = Approval::default();
    }

    /// U3: a run straight after a run changes nothing.
    fn is_quiet(&mut self) {
        let mut again = self.world.clone();
        self.window.open(&mut again);
        again.recent = self.truth.recent(&again);
        self.window.recall(&mut again);
        again.approval = Approval::default();
        let said = again.look();
        let rows = |skips: &[crate::roster::Skip]| skips.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(rows(&said.plan.skips), rows(&self.world.store.skips), "U3: after {:?}", self.trace.last());
        let conflicts = (&said.plan.opened, &said.plan.reworded, &said.plan.resolved, &self.world.store.conflicts);
        let quiet = said.plan.is_empty() && said.plan.users.is_empty();
        assert!(quiet, "U3: {:?} after {:?}: {conflicts:?}", said.text, self.trace.last());
    }

    /// What was committed before the store failed: whole units, then the groups, then what was found (B3).
    fn cut(&mut self, plan: &mut Plan) -> bool {
        let units = plan.users.last().map_or(0, |last| usize::try_from(last.unit).unwrap() + 1);
        let kept = self.chance.below(units + 2);
        if kept > units {
            plan.groups.clear();
        }
        plan.users.retain(|change| usize::try_from(change.unit).unwrap() < kept);
        if kept < units {
            plan.groups.clear();
        }
        (plan.opened, plan.reworded, plan.resolved) = (Vec::new(), Vec::new(), Vec::new());
        true
    }

    fn before(&self) -> Before {
        let groups = self.world.store.groups.values().filter(|group| group.state == State::Active).count() as u64;
        let users = self.world.store.index().with_access() as u64;
        Before { users, groups, coverage: self.coverage.clone(), ..Before::default() }
    }

    /// What a run can know, by the rules: E1, E2, L2.
    fn round(&self) -> Round {
        let world = &self.world;
        let seen = |key: &str| world.people.get(key).is_some_and(|entry| shown(world, key, entry));
        let now = coverage(world);
        let accounts = || world.store.accounts.values();
        let ours = || accounts().filter(|one| one.origin == crate::roster::Origin::Directory && one.key.is_some());
        let nobody = world.passes.users && now[""] == 0 && ours().any(|one| one.state.access());
        let groups = world.groups.keys().filter(|id| !world.garbled.contains(*id)).count();
        let active = world.store.groups.values().any(|group| group.state == State::Active);
        let no_group = world.passes.groups && groups == 0 && active;
        let gone = |name: &str| {
            let (had, of) = [name, ""].map(|name| self.coverage.get(name).copied().unwrap_or(0)).into();
            world.passes.users && now[""] > 0 && now[name] == 0 && had > 5 && had * 10 > of
        };
        let doubtful = ours().filter(|one| {
            let key = one.key.as_ref().unwrap().as_str();
            let there = |entry: &crate::plan::tests::world::Entry| entry.enabled && entry.in_base && entry.in_filter;
            let in_scope = world.people.get(key).is_some_and(there);
            one.state != State::Deleted && !seen(key) && (world.unjudged.contains(key) || in_scope)
        });
        let doubtful = if world.passes.users { doubtful.count() } else { 0 };
        let all = accounts().filter(|one| one.key.is_some() && one.state != State::Deleted).count();
        let doubted = doubtful > 5 && doubtful * 100 > all;
        let veiled = gone("mail");
        let proven = world.broken.is_none() && !nobody && !no_group && !veiled && !gone("uid") && !doubted;
        Round { proven, users: world.passes.users, cut: false, veiled, approved: world.approval.people.clone() }
    }

    /// Deletes who is due, after looking each of them up or by the date alone (L9, S1).
    pub fn clean_up(&mut self, by_date: bool) {
        let now = self.world.now;
        if self.frozen.is_some_and(|until| until > now) {
            return;
        }
        let plan = self.world.cleanup(by_date);
        self.trace.push(format!("{now} cleanup by date: {by_date}, {} deleted", plan.users.len()));
        self.world.store.apply(&plan, &self.world.policy.names.clone(), now);
        self.window.note(&self.world);
        self.truth.judge_cleanup(&self.world, by_date);
    }
}

/// How many entries have an address, and a name.
fn coverage(world: &World) -> std::collections::BTreeMap<String, u64> {
    let all = || world.people.iter().filter(|(key, entry)| shown(world, key, entry)).map(|(_, entry)| entry);
    let mail = all().filter(|entry| !entry.mail.is_empty()).count() as u64;
    let uid = all().filter(|entry| entry.uid.is_some()).count() as u64;
    [("", all().count() as u64), ("mail", mail), ("uid", uid)].map(|(name, had)| (name.to_owned(), had)).into()
}
