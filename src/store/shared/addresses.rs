//! What happens to one person's addresses in one change (A1, A2, A5).

use std::collections::BTreeMap;

use crate::plan::NewUser;
use crate::roster::{Address, AddressKey, AddressKind};
use crate::store::bulk::Rows;

/// What is given up, and what is claimed.
#[derive(Default)]
pub(super) struct Addresses {
    released: Vec<AddressKey>,
    claimed: BTreeMap<AddressKey, (AddressKind, Address)>,
}

impl Addresses {
    pub fn release(&mut self, address: &Address) {
        self.released.push(address.key());
    }

    /// A primary claim beats an alias claim of the same person.
    pub fn claim(&mut self, address: &Address, kind: AddressKind) {
        let claim = self.claimed.entry(address.key()).or_insert_with(|| (kind, address.clone()));
        if kind == AddressKind::Primary {
            *claim = (kind, address.clone());
        }
    }

    pub fn claim_all(&mut self, new: &NewUser) {
        if let Some(primary) = &new.primary {
            self.claim(primary, AddressKind::Primary);
        }
        for alias in &new.aliases {
            self.claim(alias, AddressKind::Alias);
        }
    }

    pub fn replace_primary(&mut self, before: Option<&str>, after: Option<&str>) {
        if let Some(before) = before.and_then(Address::parse) {
            self.release(&before);
        }
        if let Some(after) = after.and_then(Address::parse) {
            self.claim(&after, AddressKind::Primary);
        }
    }

    /// What is claimed is released first too: an alias becomes the primary, or is written in another case.
    pub fn release_rows(&self, id: i64, rows: &mut Rows) {
        for key in self.released.iter().chain(self.claimed.keys()) {
            rows.add([key.as_str().into(), id.into()]);
        }
    }

    pub fn claim_rows(self, id: i64, rows: &mut Rows) {
        for (key, (kind, address)) in self.claimed {
            rows.add([key.as_str().into(), id.into(), kind.as_str().into(), address.as_str().into()]);
        }
    }
}
