//! A tiny language in which a test reads like the document it proves.
use std::collections::BTreeMap;
use std::time::Duration;

use super::policy::{Brake, Delay, Policy};
use crate::roster::{Domain, FieldId, FieldNames};

/// A policy with the contract's defaults; no managed domain means every domain.
pub(crate) fn policy(managed: &[&str]) -> Policy {
    let day = Duration::from_secs(86_400);
    let managed = (!managed.is_empty()).then(|| managed.iter().map(|name| Domain::parse(name).unwrap()).collect());
    Policy {
        source: "corp".into(),
        mapped: FieldId::fixed().collect(),
        names: FieldNames::default(),
        uses: BTreeMap::new(),
        managed,
        address_required: true,
        delay: Delay::After(14 * day),
        disabled_delay: Delay::After(14 * day),
        minimum: 7 * day,
        brake: Brake { percent: 10.0, at_least: 5, at_most: 500, window: day },
    }
}
