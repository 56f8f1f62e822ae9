//! Who gets an address or a username when several people want it (A3, A4, A5, U7).
//!
//! # Guarantees
//! - Every contested thing has one winner, the same for any order of the claimants.
//! - The present owner keeps what it still claims; else a primary claim beats an alias claim; else the lowest
//!   unique id wins.
//! - Whoever loses the primary address or the username keeps the present one, and claims it; a newcomer waits
//!   outside and claims nothing.

use std::collections::HashMap;

use crate::roster::{Digest, UniqueId, UserId};

/// What a participant can lose as a whole: the primary address, or the username.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    Primary,
    Username,
}

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
    /// Username in the store, if it is still claimed.
    pub present_name: Option<Digest>,
    /// What is claimed when the participant has to stay pending: the addresses it has (L4).
    pub frozen: Option<Box<[Digest]>>,
}

/// How the contest ended for one participant.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Lost {
    pub primary: bool,
    pub name: bool,
}

/// The outcome of a contest.
pub(super) struct Outcome {
    lost: Vec<Lost>,
    winners: HashMap<Digest, Winner>,
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
    loop {
        let winners = winners(participants, &lost, owners, participant_of);
        let mut settled = true;
        for (at, (participant, lost)) in participants.iter().zip(&mut lost).enumerate() {
            if lost.keeps_out(participant) {
                continue;
            }
            let won =
                |thing: Option<Digest>| thing.is_none_or(|thing| winners.get(&thing) == Some(&Winner::Participant(at)));
            let after =
                Lost { primary: lost.primary || !won(participant.primary), name: lost.name || !won(participant.name) };
            settled &= after == *lost;
            *lost = after;
        }
        if settled {
            return Outcome { lost, winners };
        }
    }
}

impl Lost {
    /// Whether the participant stays outside or pending altogether.
    pub fn keeps_out(self, participant: &Participant) -> bool {
        (participant.newcomer && (self.primary || self.name)) || (participant.frozen.is_some() && self.name)
    }
}

impl Outcome {
    /// What a participant lost.
    pub fn lost(&self, at: usize) -> Lost {
        self.lost.get(at).copied().unwrap_or_default()
    }

    /// Who holds a thing after the run; `None` when nobody claims it.
    pub fn winner(&self, thing: Digest) -> Option<Winner> {
        self.winners.get(&thing).copied()
    }

    /// Whether a participant gets a thing.
    pub fn wins(&self, at: usize, thing: Digest) -> bool {
        self.winner(thing) == Some(Winner::Participant(at))
    }
}

fn winners(
    participants: &[Participant],
    lost: &[Lost],
    owners: &HashMap<Digest, UserId>,
    participant_of: &HashMap<UserId, usize>,
) -> HashMap<Digest, Winner> {
    let mut winners: HashMap<Digest, Winner> = HashMap::with_capacity(participants.len() * 3);
    let mut strengths: HashMap<Digest, (Strength, usize)> = HashMap::with_capacity(participants.len() * 3);
    for (thing, owner) in owners {
        if !participant_of.contains_key(owner) {
            winners.insert(*thing, Winner::Bystander(*owner));
        }
    }
    for (at, (participant, lost)) in participants.iter().zip(lost).enumerate() {
        for (thing, strength) in claims(participant, *lost) {
            let owns = participant.user.is_some() && owners.get(&thing) == participant.user.as_ref();
            let strength = if owns { Strength::Owner } else { strength };
            let beats = strengths.get(&thing).is_none_or(|&(other, rival)| {
                strength < other
                    || (strength == other && participants.get(rival).is_some_and(|rival| participant.key < rival.key))
            });
            if beats && !matches!(winners.get(&thing), Some(Winner::Bystander(_))) {
                strengths.insert(thing, (strength, at));
                winners.insert(thing, Winner::Participant(at));
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

    /// A newcomer who stays outside claims nothing, so that the next in line gets the rest.
    #[test]
    fn a_newcomer_outside_leaves_its_aliases_to_others() {
        let people = [someone("1", None, "taken", None, &["q"]), someone("2", None, "free", None, &["q"])];
        let outcome = contest(&people, &[("taken", 7)]);
        assert!(outcome.lost(0).primary && outcome.wins(1, address("q")));
    }
}
