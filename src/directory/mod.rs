//! The LDAP directory. The only place that names ldap3.
//!
//! # Guarantees
//! - A [`crate::roster::Complete`] snapshot is made only from passes that ended with result code 0, the paging
//!   control present in every answer and an empty last cookie (E1).
//! - Every wait has a deadline: connect, TLS, bind, silence within a page, the whole run.
//! - Memory does not depend on how slowly entries are taken: what is not taken stays in the server's socket.
//! - No answer of a server, however malformed, ends the process or hangs it.

pub mod error;
pub mod probe;
pub mod settings;

pub use error::DirectoryError;
pub use probe::{Finding, Probe, Progress, Verdict, probe};
pub use settings::{
    AttributeOverrides, Bind, DisabledTest, GroupSettings, Kind, PasswordSource, Scope, ServerUrl, Settings,
    UserSettings,
};
