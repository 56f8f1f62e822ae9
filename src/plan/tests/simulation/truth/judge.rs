//! Holding a run against the truth: for everybody what may have become of them, and what has to.

use super::*;

/// What the whole run makes of somebody, and whether anything else is right as well.
#[derive(Clone, Debug)]
struct Expected {
    state: State,
    leave: Option<Leave>,
    /// Also right: nothing, or access.
    unsure: bool,
}

impl Truth {
    /// Compares what a run did with what it had to do, and takes it over.
    pub fn judge(&mut self, world: &World, round: &Round) {
        let now = people(world);
        let verdicts: BTreeMap<UserId, Verdict> =
            self.known.iter().map(|(id, one)| (*id, self.verdict(world, one, round))).collect();
        let held = self.held(world, round, &verdicts);
        let mut departed = BTreeMap::new();
        for (id, before) in &self.known {
            let after = &now[id];
            assert_eq!(before.uuid, after.uuid, "I1: an internal id is of one user");
            if before.manual && before.state != State::Deleted {
                let adopted = before.state == State::Kept;
                assert!(before.state == after.state || adopted, "M3: {before:?} {after:?}");
                continue;
            }
            let verdict = verdicts[id];
            if before.key != after.key {
                self.relinked(world, before, after);
                self.leaves.remove(id);
                continue;
            }
            let expected = self.expected(world, round, (*id, before, verdict), &held);
            let same = (before.state, before.reason, before.due) == (after.state, after.reason, after.due);
            let done = expected.state == after.state
                && expected.leave.as_ref().map(|leave| (leave.reason, leave.due))
                    == after.reason.map(|reason| (reason, after.due));
            let other = expected.unsure && after.state == State::Active;
            assert!(
                done || other || (same && (round.cut || expected.unsure)),
                "{id:?}: {verdict:?} {expected:?} {round:?} held: {held:?}\nwas {before:?}\nis  {after:?}\nentry {:?}",
                before.key.as_ref().and_then(|key| world.people.get(key))
            );
            self.waits(world, round, (before, verdict), after);
            if before.state.access() && !after.state.access() && !round.approved.contains(id) {
                departed.extend(kind(verdict).map(|kind| (*id, kind)));
            }
            match expected.leave.filter(|_| done && !same) {
                Some(leave) => _ = self.leaves.insert(*id, leave),
                None if after.state != State::Pending => _ = self.leaves.remove(id),
                None => {}
            }
        }
        self.newcomers(world, round, &now);
        self.note(world.now, &now, &departed);
        self.known = now;
    }

    fn expected(
        &self,
        world: &World,
        round: &Round,
        (id, before, verdict): (UserId, &Seen, Verdict),
        held: &BTreeMap<BrakeKind, Option<bool>>,
    ) -> Expected {
        let stays = Expected { state: before.state, leave: self.leaves.get(&id).cloned(), unsure: false };
        let becomes = |state| Expected { state, leave: None, unsure: false };
        if !round.users {
            return stays;
        }
        let key = before.key.as_deref().unwrap_or_default();
        let entry = world.people.get(key);
        if before.state == State::Deleted {
            let enters = entry.map_or(Some(false), |entry| self.enters(world, (key, entry), round));
            let unsure = enters.is_none()
                || enters == Some(true)
                    && (round.veiled || entry.is_some_and(|entry| self.contested(world, key, entry)));
            return Expected { unsure, ..if enters == Some(true) { becomes(State::Active) } else { stays } };
        }
        // Somebody else may go on as this one, or wait for that.
        let relink = matches!(verdict, Verdict::Out { read: false, .. } | Verdict::Removed)
            && self.may_be_relinked(world, before);
        let braked = before.state.access() && !round.approved.contains(&id);
        let (is_held, unsure) = match kind(verdict).filter(|_| braked).map(|kind| held[&kind]) {
            Some(Some(held)) => (held, relink),
            Some(None) => (false, true),
            None => (false, relink),
        };
        // What a group that is gone gave may be approved (R4).
        let by_gone =
            entry.is_some_and(|entry| verdict == Verdict::Unknown && shown(world, key, entry) && entry.readable);
        let approved = by_gone && world.policy.rights.required && round.approved.contains(&id);
        let no_role = Verdict::Out { reason: PendingReason::NoRole, read: true };
        let (verdict, unsure) = if approved { (no_role, true) } else { (verdict, unsure) };
        // Who is back, and had the role by a group that is gone, waits with another reason, or with that of before (R4).
        let gone = ["crew", "staff", "team", "guests"].iter().any(|name| is_gone(world, name));
        let returns = before.state == State::Pending && world.policy.rights.required && gone;
        let unsure = unsure || returns;
        let one = match verdict {
            Verdict::Unknown => return Expected { unsure: returns || !world.approval.causes.is_empty(), ..stays },
            Verdict::Fine => {
                let waits =
                    before.state == State::Pending && entry.is_some_and(|entry| self.contested(world, key, entry));
                return Expected { unsure: waits, ..becomes(State::Active) };
            }
            Verdict::Removed if is_held => stays,
            Verdict::Removed => becomes(State::Deleted),
            Verdict::Out { reason, read } => {
                let said = round.proven || (read && reason == PendingReason::Disabled);
                if before.state == State::Kept || !said || is_held {
                    return Expected { unsure: returns || (unsure && said), ..stays };
                }
                let leave = self.leave(world, id, reason);
                let over = round.proven && leave.due.is_some_and(|due| due <= world.now);
                if over { becomes(State::Deleted) } else { Expected { leave: Some(leave), ..becomes(State::Pending) } }
            }
        };
        Expected { unsure, ..one }
    }

    /// L5: the date stands still while somebody is back, and another one bears the name; not before, and not after.
    fn waits(&self, world: &World, round: &Round, (before, verdict): (&Seen, Verdict), after: &Seen) {
        let pending = before.state == State::Pending && after.state == State::Pending;
        match (pending, verdict) {
            (false, _) => assert_eq!(after.waits, None, "L5: {before:?} {after:?}"),
            (true, Verdict::Fine) if round.users && !round.cut => {
                let waits = Some(before.waits.unwrap_or(world.now));
                assert!(after.waits == waits || after.waits == before.waits, "L5: {before:?} {after:?}");
                let key = before.key.as_deref().unwrap_or_default();
                let bears = |one: &&Seen| one.state.access() && one.name.is_some() && one.name == name(world, key);
                let other = people(world).values().filter(bears).count() > 0;
                assert!(!other || after.waits == waits, "L5: {before:?} {after:?}");
            }
            (true, Verdict::Out { .. }) if before.due != after.due || before.reason != after.reason => {
                assert_eq!(after.waits, None, "L5: {before:?} {after:?}");
            }
            (true, _) => assert!(after.waits.is_none() || after.waits == before.waits, "L5: {before:?} {after:?}"),
        }
    }

    /// L2: the date of a flag, and of a reason not seen before.
    fn leave(&self, world: &World, id: UserId, reason: PendingReason) -> Leave {
        let Some(leave) = self.leaves.get(&id) else {
            let due = delay(world, reason).map(|delay| world.now + delay);
            return Leave { since: world.now, due, reason, seen: BTreeSet::from([reason]) };
        };
        let mut leave = Leave { reason, ..leave.clone() };
        let waited = self.known[&id].waits.map_or(Duration::ZERO, |since| world.now.since(since));
        leave.due = leave.due.map(|due| due + waited);
        if leave.seen.insert(reason) {
            let soonest = world.now + world.policy.minimum;
            leave.due = delay(world, reason).map(|delay| soonest.max(leave.since + delay + waited));
        }
        leave
    }

    /// B1: which kinds are above their limits; `None` where some of those who count cannot be told.
    fn held(
        &self,
        world: &World,
        round: &Round,
        verdicts: &BTreeMap<UserId, Verdict>,
    ) -> BTreeMap<BrakeKind, Option<bool>> {
        let recent = self.recent(world);
        let has = |id: &UserId| self.known[id].state.access() && !self.known[id].manual;
        let all = self.known.iter().filter(|(id, one)| has(id) && one.key.is_some()).count() as u64;
        let all = all + recent.lost.len() as u64;
        let gained = recent.gained.len() as u64;
        let of = if gained < all { all - gained } else { all };
        let mut held = BTreeMap::new();
        for wanted in [BrakeKind::Missing, BrakeKind::Disabled, BrakeKind::Domains] {
            let mut going = BTreeSet::new();
            let mut sure = !(world.policy.rights.required && wanted == BrakeKind::Missing);
            for (id, verdict) in verdicts.iter().filter(|(id, verdict)| has(id) && kind(**verdict) == Some(wanted)) {
                let one = &self.known[id];
                let read = matches!(verdict, Verdict::Out { read: true, reason: PendingReason::Disabled });
                let kept = one.state == State::Kept && wanted != BrakeKind::Domains;
                if kept || round.approved.contains(id) || !(round.proven || read) {
                    continue;
                }
                going.insert(*id);
                sure &= !self.may_be_relinked(world, one);
            }
            let now = going.len() as u64;
            going.extend(recent.departed.iter().filter(|(kind, _)| *kind == wanted).map(|(_, id)| *id));
            let would_go = going.len() as u64;
            let brake = world.policy.brake;
            let share = would_go as f64 * 100.0 > brake.percent * of as f64;
            let above = would_go > brake.at_most || (would_go > brake.at_least && share);
            held.insert(wanted, sure.then_some(now > 0 && above));
        }
        held
    }

    /// I5: only who has both the address and the name of somebody goes on as that person.
    fn relinked(&self, world: &World, before: &Seen, after: &Seen) {
        let key = after.key.as_deref().unwrap();
        let entry = &world.people[key];
        let (address, name) = match before.state {
            State::Deleted => before.former.clone(),
            _ => (before.primary.clone(), before.name.clone()),
        };
        assert!(well_formed(&entry.mail).contains(&address.unwrap()), "I5: {before:?} {after:?}");
        assert_eq!(entry.uid.as_ref().map(|uid| uid.to_lowercase()), name, "I5");
        let waits = before.state == State::Pending && after.state == State::Pending;
        assert!(after.state == State::Active || waits || after.state == before.state, "I5: {before:?} {after:?}");
        assert!(before.key.as_ref().is_none_or(|key| !world.people.contains_key(key)), "I5: {before:?} is there");
    }

    /// U1: whoever may come in is in, unless somebody else has what is wanted; nobody else is.
    fn newcomers(&self, world: &World, round: &Round, now: &People) {
        let known = |people: &People, key: &String| people.values().any(|one| one.key.as_ref() == Some(key));
        for (key, entry) in world.people.iter().filter(|(key, _)| !known(&self.known, key)) {
            let enters = if round.users { self.enters(world, (key, entry), round) } else { Some(false) };
            let is_in = known(now, key);
            assert!(!is_in || enters != Some(false), "U1, U4: {key} came in: {entry:?}");
            let free = !self.contested(world, key, entry) && !round.veiled && !round.cut;
            assert!(is_in || enters != Some(true) || !free, "U1: {key} is not in: {entry:?} {round:?}");
        }
        let keys: Vec<&String> = now.values().filter_map(|one| one.key.as_ref()).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "I2: one user an id");
        for one in now.values().filter(|one| one.state == State::Deleted) {
            assert!(one.addresses.is_empty() && one.name.is_none(), "L6: {one:?}");
        }
    }
}

/// The name that an entry gives, folded.
fn name(world: &World, key: &str) -> Option<String> {
    world.people.get(key)?.uid.as_ref().map(|uid| uid.to_lowercase())
}

fn kind(verdict: Verdict) -> Option<BrakeKind> {
    match verdict {
        Verdict::Removed => Some(BrakeKind::Domains),
        Verdict::Out { reason: PendingReason::Disabled, .. } => Some(BrakeKind::Disabled),
        Verdict::Out { .. } => Some(BrakeKind::Missing),
        Verdict::Fine | Verdict::Unknown => None,
    }
}

impl Truth {
    /// Only who is due goes, and only when looking up does not find the person in scope (L9, S1).
    pub fn judge_cleanup(&mut self, world: &World, by_date: bool) {
        let now = people(world);
        for (id, before) in &self.known {
            let over = before.due.is_some_and(|due| due <= world.now) && before.waits.is_none();
            let due = before.state == State::Pending && over;
            let key = before.key.as_deref().unwrap_or_default();
            let there = world.people.get(key).is_some_and(|entry| entry.enabled && entry.in_base && entry.in_filter);
            let goes = due && (by_date || !there);
            assert_eq!(now[id].state, if goes { State::Deleted } else { before.state }, "L9: {before:?}");
        }
        self.note(world.now, &now, &BTreeMap::new());
        self.leaves.retain(|id, _| now[id].state == State::Pending);
        self.known = now;
    }

    /// D1
    pub fn serves(&self, address: &str) -> bool {
        self.manages(&address.to_lowercase())
    }

    /// Whether nobody but one entry and its own user has or wants an address.
    pub fn claimed_once(&self, world: &World, key: &str, address: &str) -> bool {
        let wants = |entry: &&Entry| {
            well_formed(&[&entry.mail[..], &entry.aliases[..]].concat()).iter().any(|one| one == address)
        };
        let has = |one: &Seen| one.addresses.contains(address) && one.key.as_deref() != Some(key);
        world.people.values().filter(wants).count() == 1 && !self.known.values().any(has)
    }
}
