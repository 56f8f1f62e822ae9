//! The LDAP directory. The only place that names ldap3.
//!
//! ```text
//!   dial (TCP, StartTLS, tls) --> guard --> ldap3 --> session --> paging, ranges --> read, look_up, probe
//!                                   \----- entries, not decoded yet -----/      |
//!   settings, kinds --> mapping --> understand (RawEntry -> Person, Group) <----/
//! ```
//!
//! For a directory that nobody has described yet, [`reach()`] finds the way in and [`survey`] what is there.
//!
//! # Guarantees
//! - A [`crate::roster::Complete`] snapshot is made only from passes that ended with result code 0, the paging
//!   control present in every answer and an empty last cookie (E1).
//! - Every wait has a deadline: connect, TLS, bind, silence within a page, the whole run.
//! - Memory does not depend on how slowly entries are taken: what is not taken stays in the server's socket.
//! - No answer of a server, however malformed, ends the process or hangs it.
//! - The password leaves this machine only over TLS that was verified, unless the configuration says otherwise (E8).

mod ber;
mod codes;
mod collect;
mod connect;
mod dial;
mod disabled;
mod entry;
pub mod error;
mod find;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod garbled;
mod guard;
mod judged;
pub mod kinds;
mod look_up;
mod mapped;
pub mod mapping;
mod message;
mod one;
mod paging;
mod password;
mod place;
mod probe;
mod ranges;
mod reach;
mod read;
mod reference;
mod schema;
mod searches;
mod session;
pub mod settings;
mod srv;
mod standing;
pub mod survey;
mod tls;
mod understand;

pub use connect::{About, Connection, connect};
pub use error::{CertificateInfo, DirectoryError};
pub use find::{Finds, Found, any_group, anybody, anybody_shows, find};
pub use look_up::{are_there, look_up, none_is_there};
pub use mapping::{Mapping, MappingError};
pub use one::{Circle, OnePerson};
pub use password::password_stamp;
pub use probe::{Finding, Probe, Stored, Stranger, Verdict, probe};
pub use reach::{Reached, Way, reach};
pub use read::{Progress, read};
pub use searches::Searches;
pub use settings::{
    AttributeOverrides, Bind, DisabledTest, GroupSettings, Kind, MappedPlace, MappedSettings, PAGE_SIZE,
    PasswordSource, Scope, ServerUrl, Settings, SourceUrl, Typed, UserSettings,
};
pub use standing::Standing;
