//! The planner against the rules: a tiny world in which a test reads like the sentence it proves.

mod by_hand;
mod crossing;
mod domains;
mod explain;
mod giving;
mod grouping;
mod groups;
mod identity;
mod leaving;
pub mod losses;
mod matching;
mod model;
mod names;
mod one;
mod people;
mod plans;
mod primary;
mod properties;
mod quiet;
mod relinking;
mod rights;
mod simulation;
mod states;
mod tell;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::policy::{AttributeUse, Brake, Delay, GroupPolicy, OnMatch, Policy, Rights};
use crate::roster::{Domain, FieldId, FieldNames};

/// A policy with the contract's defaults; no managed domain means every domain.
pub(crate) fn policy(managed: &[&str]) -> Policy {
    let day = Duration::from_secs(86_400);
    let managed = (!managed.is_empty()).then(|| managed.iter().map(|name| Domain::parse(name).unwrap()).collect());
    let uses = [
        ("mail", AttributeUse::Addresses),
        ("uid", AttributeUse::Field(FieldId::USERNAME)),
        ("description", AttributeUse::Field(FieldId::NOTES)),
        ("locked", AttributeUse::Disabled),
    ];
    Policy {
        source: "corp".into(),
        mapped: BTreeSet::from([FieldId::USERNAME, FieldId::NOTES]),
        names: FieldNames::default(),
        uses: uses
            .map(|(name, used)| (name.to_owned(), BTreeSet::from([used])))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        managed,
        by_address: false,
        address_required: true,
        configured_id: false,
        relink_within: Some(90 * day),
        delay: Delay::After(14 * day),
        disabled_delay: Delay::After(14 * day),
        minimum: 7 * day,
        brake: Brake { percent: 10.0, at_least: 5, at_most: 500, window: day },
        groups: GroupPolicy::default(),
        rights: Rights::default(),
        on_match: OnMatch::default(),
        defaults: Vec::new(),
    }
}
