//! Who gets which address and name: the contest among everybody who comes in.

use std::collections::HashMap;

use crate::plan::UserRef;
use crate::plan::acts::Awards;
use crate::plan::contest::{self, Participant};
use crate::plan::findings::Findings;
use crate::plan::left::Left;
use crate::plan::people::{Comer, People};
use crate::plan::units::Units;
use crate::roster::{Digest, UserId};

impl<'a> People<'a> {
    /// Lets the comers contest addresses and names, and writes down what each of them gets.
    ///
    /// Only those who want something that somebody else wants or has take part in the contest: nearly everybody
    /// gets everything without one.
    pub(super) fn admit(&mut self, comers: Vec<Comer<'a>>, left: &Left, units: &mut Units) {
        let former = self.owners();
        let entangled = self.entangled(&comers, &former);
        let place = |at: usize| entangled.binary_search(&at).ok();
        let rivals = || entangled.iter().filter_map(|at| comers.get(*at));
        let participants: Vec<Participant> = rivals().map(|comer| self.participant(comer)).collect();
        let owners = former
            .iter()
            .filter(|(_, owner)| !left.releases(owner.user, owner.name))
            .map(|(thing, owner)| (*thing, owner.user));
        let owners: HashMap<Digest, UserId> = owners.collect();
        let places = participants.iter().enumerate().filter_map(|(at, one)| Some((one.user?, at))).collect();
        let outcome = contest::settle(&participants, &owners, &places);
        let rivals = rivals().zip(&participants).enumerate();
        let label = |(at, (comer, one)): (usize, (&Comer, &Participant))| {
            (self.label(comer, one, outcome.lost(at)), self.place(comer))
        };
        let labels: Vec<(String, String)> = rivals.map(label).collect();
        let awards = Awards { outcome: &outcome, participants: &participants, labels: &labels, people: self, left };
        let mut findings = Findings::default();
        units.reserve(comers.len());
        let mut became = HashMap::new();
        for (at, mut comer) in comers.into_iter().enumerate() {
            let node = comer.account.map(|account| account.id);
            let node = if let Some(user) = node { units.node(user) } else { units.fresh() };
            let rival = place(at).and_then(|at| Some((at, participants.get(at)?)));
            if let Some((at, participant)) = rival {
                let things = participant.things().chain(participant.fallbacks());
                for thing in things.filter(|thing| outcome.wins(at, *thing)) {
                    let before = former.get(&thing).map(|owner| owner.user);
                    if let Some(before) = before.filter(|user| Some(*user) != participant.user) {
                        let other = units.node(before);
                        units.join(node, other);
                    }
                }
            }
            let lost = rival.is_some_and(|(at, one)| outcome.lost(at).primary || outcome.lost(at).keeps_out(one));
            if let Some(change) = self.part(&mut comer, lost) {
                let heir =
                    comer.account.map_or_else(|| UserRef::New(comer.person.key.digest()), |it| UserRef::Known(it.id));
                became.insert(change.subject, heir);
                units.place(node, change);
            }
            if let Some(change) = awards.award(rival.map(|(at, _)| at), comer, &mut findings) {
                units.place(node, change);
            }
        }
        self.stand_for(&became);
        self.decided.findings.extend(findings);
    }

    /// The positions of those who want something that somebody else wants or has, in order.
    fn entangled(&self, comers: &[Comer], former: &HashMap<Digest, Owner>) -> Vec<usize> {
        let mut wants: Vec<(u64, u32)> = Vec::with_capacity(comers.len() * 4);
        let mut entangled = Vec::new();
        let mut things = Vec::new();
        let user = |(at, comer): (usize, &Comer)| Some((comer.account?.id, at));
        let places: HashMap<UserId, usize> = comers.iter().enumerate().filter_map(user).collect();
        for (at, comer) in (0_u32..).zip(comers) {
            things.clear();
            let user = comer.account.map(|account| account.id);
            self.wants(comer, &mut things);
            things.sort_unstable();
            things.dedup();
            let owners = things.iter().filter_map(|thing| former.get(thing)).map(|owner| owner.user);
            for owner in owners.filter(|owner| Some(*owner) != user) {
                entangled.push(at as usize);
                entangled.extend(places.get(&owner));
            }
            // Half a digest: two things taken for one only cost a look.
            wants.extend(things.iter().map(|thing| (thing.short(), at)));
        }
        wants.sort_unstable();
        let shared = wants.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1);
        entangled.extend(shared.flatten().map(|(_, at)| *at as usize));
        entangled.sort_unstable();
        entangled.dedup();
        entangled
    }

    fn owners(&self) -> HashMap<Digest, Owner> {
        let addresses = self.view.owners.iter().map(|(key, user)| (key.digest(), Owner { user: *user, name: false }));
        let names = self.view.name_owners.iter();
        let names = names.map(|(name, user)| (contest::name_digest(name), Owner { user: *user, name: true }));
        addresses.chain(names).collect()
    }
}

/// Who in the store has something that somebody claims.
struct Owner {
    user: UserId,
    name: bool,
}
