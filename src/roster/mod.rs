//! Nouns: people, groups and addresses as the directory and the store speak of them.
//!
//! Pure: nothing here waits, logs, or reads a clock. [`Person`] and [`Group`] are what the directory says today,
//! [`Account`] is what the store remembers, [`Snapshot`] is one whole read of the directory.

pub mod account;
pub mod address;
pub mod digest;
pub mod dn;
pub mod fields;
pub mod filter;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod index;
pub mod mapped;
pub mod person;
pub mod skipped;
pub mod snapshot;
pub mod words;

pub use account::{Account, Former, Origin, PendingReason, State, StoredAddress, UserId};
pub use address::{Address, AddressKey, AddressKind, Domain};
pub use digest::Digest;
pub use dn::Dn;
pub use fields::{AttributeUse, FieldId, FieldNames, Fields};
pub use index::{Index, Known};
pub use mapped::{Giver, Sought};
pub use person::{Claim, ClaimKind, Enabled, Group, LookUp, MemberRef, Person, Persons, Skip, UniqueId};
pub use skipped::{Skipped, Tally};
pub use snapshot::{Before, Complete, Incomplete, Partial, Passes, Positions, Reading, Snapshot};
