//! Who gets an address or a username when several people want it (A3, A4, A5, U7).
//!
//! # Guarantees
//! - Every contested thing has one winner, the same for any order of the claimants.
//! - The present owner keeps what it still claims; else a primary claim beats an alias claim; else the lowest
//!   unique id wins.
//! - Whoever loses the primary address or the username keeps the present one, and claims it; a newcomer waits
//!   outside and claims nothing. Somebody who comes back from pending falls back on the name of before, and stays
//!   pending when somebody else has that one too (L5).

use std::collections::{BTreeMap, HashMap};

use crate::plan::UserRef;
use crate::roster::{Digest, UniqueId, UserId};

/// Somebody who claims addresses and a name in this plan.
#[derive(Clone, Debug)]
pub(super) struct Participant {
    /// Decides between equals.
    pub key: UniqueId,
    /// The store's user, if there is one.
    pub user: Option<UserId>,
    /// Whether losing means staying outside: newcomers, and tombstones that would come back.
    pub newcomer: bool,
    /// Wished primary address.
    pub primary: Option<Digest>,
    /// Primary address in the store.
    pub present_primary: Option<Digest>,
    /// Wished aliases.
    pub aliases: Box<[Digest]>,
    /// Wished username.
    pub name: Option<Digest>,
    /// Username in the store. Somebody pending has it only while nobody else bears it.
    pub present_name: Option<Digest>,
    /// What is claimed when the participant has to stay pending: the addresses it has (L4).
    pub frozen: Option<Box<[Digest]>>,
    /// Another user than before, who takes primary and name together or not at all (I6).
    pub heir: Option<UserRef>,
}

impl Participant {
    /// Everything the participant wishes for.
    pub fn things(&self) -> impl Iterator<Item = Digest> {
        [self.primary, self.name].into_iter().flatten().chain(self.aliases.iter().copied())
    }

    /// The name to fall back on when the wished one is lost.
    fn old_name(&self) -> Option<Digest> {
        self.present_name.filter(|name| Some(*name) != self.name)
    }

    /// Everything the participant may fall back on.
    pub fn fallbacks(&self) -> impl Iterator<Item = Digest> {
        let frozen = self.frozen.as_deref().unwrap_or_default().iter().copied();
        [self.present_primary, self.present_name].into_iter().flatten().chain(frozen)
    }
}

/// How the contest ended for one participant.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Lost {
    pub primary: bool,
    pub name: bool,
    /// The name of before, too, of somebody pending (L5).
    pub old_name: bool,
}

/// The outcome of a contest.
pub(super) struct Outcome {
    lost: Vec<Lost>,
    winners: Winners,
}

/// Who holds a thing after the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Winner {
    /// A participant, by position.
    Participant(usize),
    /// A user of the store who takes no part and keeps it.
    Bystander(UserId),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Owner,
    /// The name of before of somebody who comes back: nobody else bears it (L5).
    Returner,
    Primary,
    Alias,
}

/// Digest of a folded username, apart from every address.
pub(super) fn name_digest(folded: &str) -> Digest {
    Digest::of(format!("username\0{folded}"))
}

/// Settles all claims. `owners` says who in the store holds a thing now; `participant_of` finds the participant
/// that a user of the store is. An owner who takes no part keeps what it has.
pub(super) fn settle(
    participants: &[Participant],
    owners: &HashMap<Digest, UserId>,
    participant_of: &HashMap<UserId, usize>,
) -> Outcome {
    let mut lost = vec![Lost::default(); participants.len()];
    let mut retries = MOST_RETRIES;
    loop {
        let winners = winners(participants, &lost, owners, participant_of);
        let losses = losses(participants, &lost, &winners);
        if losses.is_empty() {
            // Whoever beat somebody may have lost everything itself since; then the beaten one tries again.
            let freed = |thing: Option<Digest>| thing.is_some_and(|thing| !winners.contains_key(&thing));
            let mut again = false;
            for (participant, lost) in participants.iter().zip(&mut lost).filter(|_| retries > 0) {
                let back = Lost {
                    primary: lost.primary && freed(participant.primary),
                    name: lost.name && freed(participant.name),
                    old_name: lost.old_name && freed(participant.old_name()),
                };
                again |= back != Lost::default();
                *lost = lost.without(back).whole(participant);
            }
            if again {
                retries -= 1;
                continue;
            }
            return Outcome { lost, winners };
        }
        // A loss counts only when its winner surely stays: who beats me may yet lose everything to a third one.
        let sure = |thing: Option<Digest>| match thing.and_then(|thing| winners.get(&thing)) {
            Some((Strength::Owner, _)) | Some((_, Winner::Bystander(_))) | None => true,
            Some((_, Winner::Participant(rival))) => !losses.contains_key(rival),
        };
        let certain: Vec<(usize, Lost)> = losses
            .iter()
            .map(|(&at, new)| {
                let wants = participants.get(at);
                let primary = new.primary && sure(wants.and_then(|wants| wants.primary));
                let name = new.name && sure(wants.and_then(|wants| wants.name));
                let old_name = new.old_name && sure(wants.and_then(Participant::old_name));
                (at, Lost { primary, name, old_name })
            })
            .filter(|(_, new)| *new != Lost::default())
            .collect();
        let settled = if certain.is_empty() { losses.into_iter().collect() } else { certain };
        for (at, new) in settled {
            if let Some(lost) = lost.get_mut(at) {
                *lost = lost.with(new);
                *lost = participants.get(at).map_or(*lost, |participant| lost.whole(participant));
            }
        }
    }
}

/// Who loses what in this round, beyond what is lost already.
fn losses(participants: &[Participant], lost: &[Lost], winners: &Winners) -> BTreeMap<usize, Lost> {
    let mut losses = BTreeMap::new();
    for (at, (participant, lost)) in participants.iter().zip(lost).enumerate() {
        if lost.keeps_out(participant) {
            continue;
        }
        let loses = |thing: Option<Digest>| {
            thing.is_some_and(|thing| winners.get(&thing).map(|won| won.1) != Some(Winner::Participant(at)))
        };
        let new = Lost {
            primary: !lost.primary && loses(participant.primary),
            name: !lost.name && loses(participant.name),
            old_name: lost.name && participant.frozen.is_some() && loses(participant.old_name()),
        };
        if new != Lost::default() {
            losses.insert(at, new);
        }
    }
    losses
}

impl Lost {
    /// Whether the participant stays outside or pending altogether.
    pub fn keeps_out(self, participant: &Participant) -> bool {
        let nameless = self.name && (self.old_name || participant.old_name().is_none());
        (participant.newcomer && (self.primary || self.name)) || (participant.frozen.is_some() && nameless)
    }

    fn with(self, more: Self) -> Self {
        Self {
            primary: self.primary || more.primary,
            name: self.name || more.name,
            old_name: self.old_name || more.old_name,
        }
    }

    /// With a name goes the address, and the other way round, of somebody who would be another user.
    fn whole(self, participant: &Participant) -> Self {
        let any = participant.heir.is_some() && (self.primary || self.name);
        Self { primary: self.primary || any, name: self.name || (any && participant.name.is_some()), ..self }
    }

    fn without(self, back: Self) -> Self {
        Self {
            primary: self.primary && !back.primary,
            name: self.name && !back.name,
            old_name: self.old_name && !back.old_name && !back.name,
        }
    }
}

impl Outcome {
    /// What a participant lost.
    pub fn lost(&self, at: usize) -> Lost {
        self.lost.get(at).copied().unwrap_or_default()
    }

    /// Who holds a thing after the run; `None` when nobody claims it.
    pub fn winner(&self, thing: Digest) -> Option<Winner> {
        self.winners.get(&thing).map(|(_, winner)| *winner)
    }

    /// Whether a participant gets a thing.
    pub fn wins(&self, at: usize, thing: Digest) -> bool {
        self.winner(thing) == Some(Winner::Participant(at))
    }
}

/// How often those beaten by somebody who fell out later try again: enough for any chain seen in practice, and a
/// bound where they would take turns.
const MOST_RETRIES: u32 = 8;

type Winners = HashMap<Digest, (Strength, Winner)>;

fn winners(
    participants: &[Participant],
    lost: &[Lost],
    owners: &HashMap<Digest, UserId>,
    participant_of: &HashMap<UserId, usize>,
) -> Winners {
    let mut winners = Winners::with_capacity(participants.len() * 3);
    let bystanders = owners.iter().filter(|(_, owner)| !participant_of.contains_key(owner));
    winners.extend(bystanders.map(|(thing, owner)| (*thing, (Strength::Owner, Winner::Bystander(*owner)))));
    for (at, (participant, lost)) in participants.iter().zip(lost).enumerate() {
        for (thing, strength) in claims(participant, *lost) {
            let owns = participant.user.is_some() && owners.get(&thing) == participant.user.as_ref();
            let returns = participant.frozen.is_some() && participant.present_name == Some(thing);
            let strength = match strength {
                _ if owns => Strength::Owner,
                _ if returns => Strength::Returner,
                other => other,
            };
            let beats = match winners.get(&thing) {
                None => true,
                Some((_, Winner::Bystander(_))) => false,
                Some(&(other, Winner::Participant(rival))) => {
                    let lower = participants.get(rival).is_some_and(|rival| participant.key < rival.key);
                    strength < other || (strength == other && lower)
                }
            };
            if beats {
                winners.insert(thing, (strength, Winner::Participant(at)));
            }
        }
    }
    winners
}

/// What a participant claims, given what it has lost so far.
fn claims(participant: &Participant, lost: Lost) -> Vec<(Digest, Strength)> {
    if lost.keeps_out(participant) {
        let frozen = participant.frozen.as_deref().unwrap_or_default();
        return frozen.iter().map(|thing| (*thing, Strength::Alias)).collect();
    }
    let primary = if lost.primary { participant.present_primary } else { participant.primary };
    let name = if lost.name { participant.present_name } else { participant.name };
    let aliases = participant.aliases.iter().copied().filter(|alias| Some(*alias) != primary);
    let wants = [primary, name].into_iter().flatten().map(|thing| (thing, Strength::Primary));
    wants.chain(aliases.map(|thing| (thing, Strength::Alias))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Digest {
        Digest::of(text)
    }

    fn someone(key: &str, user: Option<i64>, primary: &str, present: Option<&str>, aliases: &[&str]) -> Participant {
        Participant {
            key: UniqueId::new(key).unwrap(),
            user: user.map(UserId),
            newcomer: user.is_none(),
            primary: Some(address(primary)),
            present_primary: present.map(address),
            aliases: aliases.iter().map(|alias| address(alias)).collect(),
            name: None,
            present_name: None,
            frozen: None,
            heir: None,
        }
    }

    fn contest(participants: &[Participant], owners: &[(&str, i64)]) -> Outcome {
        let owners = owners.iter().map(|(thing, owner)| (address(thing), UserId(*owner))).collect();
        let places = participants.iter().enumerate().filter_map(|(at, one)| Some((one.user?, at))).collect();
        settle(participants, &owners, &places)
    }

    /// A5
    #[test]
    fn two_people_swap_their_addresses() {
        let people = [someone("1", Some(1), "b", Some("a"), &[]), someone("2", Some(2), "a", Some("b"), &[])];
        let outcome = contest(&people, &[("a", 1), ("b", 2)]);
        assert!(outcome.wins(0, address("b")) && outcome.wins(1, address("a")));
    }

    /// A4: a chain of people who each wanted the next one's address falls back as a whole when its end is blocked.
    #[test]
    fn a_blocked_move_blocks_those_who_waited_for_it() {
        let people = [someone("1", Some(1), "b", Some("a"), &[]), someone("2", Some(2), "c", Some("b"), &[])];
        let outcome = contest(&people, &[("a", 1), ("b", 2), ("c", 9)]);
        assert!(outcome.lost(0).primary && outcome.lost(1).primary);
        assert!(outcome.wins(0, address("a")) && outcome.wins(1, address("b")));
        assert_eq!(outcome.winner(address("c")), Some(Winner::Bystander(UserId(9))));
    }

    /// A4
    #[test]
    fn owner_beats_primary_beats_alias_beats_higher_id() {
        let people = [
            someone("3", None, "x", None, &[]),
            someone("2", None, "y", None, &["x"]),
            someone("1", None, "z", None, &["y", "q"]),
            someone("0", None, "w", None, &["q"]),
        ];
        let outcome = contest(&people, &[]);
        assert!(outcome.wins(0, address("x")) && outcome.wins(1, address("y")) && outcome.wins(3, address("q")));
        let owner = someone("9", Some(5), "m", Some("m"), &["x"]);
        let outcome = contest(&[people[0].clone(), owner], &[("m", 5), ("x", 5)]);
        assert!(outcome.wins(1, address("x")) && outcome.lost(0).primary, "the owner's alias claim stands");
    }

    /// A newcomer who stays outside for its name blocks nobody's address.
    #[test]
    fn who_is_beaten_by_somebody_outside_gets_in() {
        let mut first = someone("1", None, "k", None, &[]);
        first.name = Some(name_digest("taken"));
        let outcome = {
            let people =
                [first.clone(), someone("2", None, "k", None, &[]), someone("3", Some(3), "k", Some("a"), &[])];
            let owners = HashMap::from([(name_digest("taken"), UserId(7)), (address("a"), UserId(3))]);
            settle(&people, &owners, &HashMap::from([(UserId(3), 2)]))
        };
        assert!(outcome.lost(0).name && outcome.wins(1, address("k")), "the next in line gets it");
        assert!(outcome.lost(2).primary && outcome.wins(2, address("a")), "and the third keeps what it has");
    }

    /// A newcomer who stays outside claims nothing, so that the next in line gets the rest.
    #[test]
    fn a_newcomer_outside_leaves_its_aliases_to_others() {
        let people = [someone("1", None, "taken", None, &["q"]), someone("2", None, "free", None, &["q"])];
        let outcome = contest(&people, &[("taken", 7)]);
        assert!(outcome.lost(0).primary && outcome.wins(1, address("q")));
    }
}
