//! What breaks a reading of a directory, and that it takes nothing from anybody; `docs/reliability.md` lists it.

mod page;
mod scripts;
mod session;
mod trust;
