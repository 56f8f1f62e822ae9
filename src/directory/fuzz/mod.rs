//! What is promised of whatever a server sends (run by `tests/fuzz`).

mod entries;
mod guard;
mod ranges;
mod wire;

pub use entries::{entry, guid, time};
pub use guard::guard;
pub use ranges::ranges;
pub use wire::filter;
