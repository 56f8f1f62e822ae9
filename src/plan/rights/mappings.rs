//! Which groups hold under the mapped DNs, and which are gone or replaced (R4).

use std::collections::HashMap;

use super::acts::{self, Broken, KnownGroup, MappedAct, MappedGroups};
use crate::plan::policy::Place;
use crate::plan::{BrakeKind, Hold, Policy, View};
use crate::roster::{Digest, Dn, Giver, Reading, Sought};

/// What each mapped place counts for in this run, in the order of the policy.
pub(in crate::plan) struct Mappings<'a> {
    pub places: Vec<Judged<'a>>,
    pub found: MappedGroups,
    /// Groups that stand where another one was known: the run is held whoever would lose anything.
    pub replaced: Vec<Hold>,
}

/// One mapped place.
#[derive(Default)]
pub(in crate::plan) struct Judged<'a> {
    /// The groups that give.
    pub givers: Vec<&'a Giver>,
    /// Whether the search came to its end.
    pub read: bool,
    /// The group is proven gone, and nobody approved that: what it gave is held.
    pub gone: bool,
}

impl<'a> Mappings<'a> {
    /// Judges what was found; `proven` says that the read is complete.
    pub fn new(reading: &'a Reading, view: &View, policy: &Policy, proven: bool) -> Self {
        let mut mappings = Self { places: Vec::new(), found: MappedGroups::default(), replaced: Vec::new() };
        if !reading.passes.users {
            return mappings;
        }
        let known: HashMap<Digest, &KnownGroup> =
            view.mapped.iter().map(|known| (Dn::digest_of(&known.dn), known)).collect();
        for (place, sought) in policy.rights.places.iter().zip(&reading.mapped) {
            let mut judged = match place {
                Place::Dn(dn) => {
                    let mut one = One { dn, sought, known: known.get(&Dn::digest_of(dn)).copied(), view };
                    one.judge(&mut mappings)
                }
                Place::Filter(filter) => by_filter(filter, sought, &mut mappings.found),
            };
            judged.read = sought.read;
            judged.gone &= proven && sought.read;
            mappings.places.push(judged);
        }
        let places = policy.rights.places.iter();
        let configured: Vec<Digest> = places
            .filter_map(|place| match place {
                Place::Dn(dn) => Some(Dn::digest_of(dn)),
                Place::Filter(_) => None,
            })
            .collect();
        let left = view.mapped.iter().filter(|known| !configured.contains(&Dn::digest_of(&known.dn)));
        mappings.found.acts.extend(left.map(|known| MappedAct::Forget { dn: known.dn.clone() }));
        mappings
    }

    /// Whether any mapped group is gone without approval.
    pub fn any_gone(&self) -> bool {
        self.places.iter().any(|judged| judged.gone)
    }
}

fn by_filter<'a>(filter: &str, sought: &'a Sought, found: &mut MappedGroups) -> Judged<'a> {
    let givers: Vec<&Giver> = sought.there.iter().collect();
    let gone = givers.is_empty();
    if gone && sought.read {
        let says = format!("no group matches the filter `{filter}`; correct role.filter or role.identifier");
        found.broken.push(Broken { place: filter.to_owned(), says });
    }
    Judged { givers, read: true, gone }
}

/// One mapped DN.
struct One<'a, 'v> {
    dn: &'v str,
    sought: &'a Sought,
    known: Option<&'v KnownGroup>,
    view: &'v View,
}

impl<'a> One<'a, '_> {
    fn judge(&mut self, mappings: &mut Mappings<'a>) -> Judged<'a> {
        let found = &mut mappings.found;
        let here = self.sought.there.first();
        let elsewhere = self.sought.elsewhere.as_ref();
        let dn = || self.dn.to_owned();
        let gives = |giver: &'a Giver| Judged { givers: vec![giver], ..Judged::default() };
        match (self.known, here) {
            (None, Some(here)) => {
                found.acts.push(MappedAct::Remember { dn: dn(), key: here.key.clone() });
                gives(here)
            }
            (None, None) => {
                if self.sought.read {
                    self.missing(found);
                }
                Judged::default()
            }
            (Some(known), Some(here)) if known.key == here.key => {
                self.back(known, found);
                gives(here)
            }
            (Some(known), Some(here)) => self.other(known, here, mappings),
            (Some(known), None) => match elsewhere {
                Some(there) => {
                    self.back(known, found);
                    gives(there)
                }
                None if self.sought.read => {
                    self.missing(found);
                    Judged { gone: self.is_gone(known, found), ..Judged::default() }
                }
                None => Judged::default(),
            },
        }
    }

    fn missing(&self, found: &mut MappedGroups) {
        let says = format!(
            "the mapped group `{}` does not exist in the directory, or the bind account may not see it; correct the \
             DN in [[role]] or [[grant]], or bring the group back",
            self.dn
        );
        found.broken.push(Broken { place: self.dn.to_owned(), says });
    }

    fn back(&self, known: &KnownGroup, found: &mut MappedGroups) {
        if known.settled {
            found.acts.push(MappedAct::Return { dn: self.dn.to_owned() });
        }
    }

    /// Whether what the group gave is held: until a person approves that it is gone.
    fn is_gone(&self, known: &KnownGroup, found: &mut MappedGroups) -> bool {
        let cause = acts::cause(acts::GONE, self.dn, &known.key);
        if known.settled {
            return false;
        }
        if self.view.approval.accepts(&cause) {
            found.acts.push(MappedAct::Settle { dn: self.dn.to_owned() });
            return false;
        }
        found.causes.push(cause);
        true
    }

    /// Another group stands at the DN: it gives nothing until a person approves it.
    fn other(&self, known: &KnownGroup, here: &'a Giver, mappings: &mut Mappings<'a>) -> Judged<'a> {
        let cause = acts::cause(acts::OTHER, self.dn, &here.key);
        if self.view.approval.accepts(&cause) {
            mappings.found.acts.push(MappedAct::Remember { dn: self.dn.to_owned(), key: here.key.clone() });
            return Judged { givers: vec![here], ..Judged::default() };
        }
        let says = format!(
            "the group at the mapped DN `{}` is another one than before (unique id `{}`, so far `{}`): it gives \
             nothing until a person approves it",
            self.dn, here.key, known.key
        );
        mappings.found.causes.push(cause);
        mappings.found.broken.push(Broken { place: self.dn.to_owned(), says: says.clone() });
        mappings.replaced.push(Hold::new(BrakeKind::Rights, (0, 0), says, []));
        match self.sought.elsewhere.as_ref() {
            Some(there) => {
                self.back(known, &mut mappings.found);
                Judged { givers: vec![there], ..Judged::default() }
            }
            None => Judged { gone: self.sought.read && self.is_gone(known, &mut mappings.found), ..Judged::default() },
        }
    }
}
