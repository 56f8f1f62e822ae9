//! What can go wrong between us and a directory server: what was attempted, on what, and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::codes;
use super::settings::Kind;
use crate::clock::Timestamp;
use crate::roster::Incomplete;

/// A server's certificate, as far as operators need it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateInfo {
    /// Subject, as text.
    pub subject: String,
    /// Who issued it, as text.
    pub issuer: String,
    /// Valid until.
    pub not_after: Timestamp,
}

impl fmt::Display for CertificateInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate `{}`, valid until {}", self.subject, self.not_after)
    }
}

/// The setting that bounds a whole run.
pub(super) const RUN_TIMEOUT: &str = "source.run_timeout";

/// Why the directory could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// DNS gave no address.
    #[error("cannot resolve the host name of {server}; check source.urls and this machine's DNS")]
    Resolve {
        /// Which server.
        server: String,
        /// Cause.
        source: io::Error,
    },
    /// DNS did not say which servers a domain has.
    #[error("DNS did not answer which servers {url} has; check this machine's DNS (/etc/resolv.conf)")]
    Dns {
        /// Which of `source.urls`.
        url: String,
        /// Cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// DNS names no server of a domain that may be used.
    #[error("DNS names no server for {url}: {says}; check the domain, or name the servers in source.urls")]
    NoRecord {
        /// Which of `source.urls`.
        url: String,
        /// What it says.
        says: String,
    },
    /// No TCP or socket connection.
    #[error(
        "cannot connect to {server}: {}; check that the server runs there and that no firewall is in between",
        connect_trouble(source)
    )]
    Connect {
        /// Which server.
        server: String,
        /// Cause.
        source: io::Error,
    },
    /// A step took too long.
    #[error("{}", timed_out(server, doing, *after, key))]
    Timeout {
        /// Which server.
        server: String,
        /// Which step.
        doing: String,
        /// How long it was waited for.
        after: Duration,
        /// The setting that says so.
        key: &'static str,
    },
    /// A file that TLS needs cannot be used.
    #[error("cannot use {key} `{}`: {says}", path.display())]
    TlsFile {
        /// Configuration key.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        says: String,
    },
    /// The TLS handshake failed.
    #[error("TLS with {server} failed: {check}{}; {remedy}", shown_certificate(certificate.as_deref()))]
    Tls {
        /// Which server.
        server: String,
        /// Which check failed.
        check: String,
        /// The certificate the server showed.
        certificate: Option<Box<CertificateInfo>>,
        /// What to do.
        remedy: String,
        /// Cause.
        source: Option<io::Error>,
    },
    /// The server refused StartTLS; the password was not sent.
    #[error("{server} refused StartTLS: {says}; the password was not sent; use ldaps://, or let the server offer TLS")]
    StartTls {
        /// Which server.
        server: String,
        /// Its answer.
        says: String,
    },
    /// A password would travel in clear text (E8).
    #[error(
        "refused to send the bind password to {server} without TLS; use ldaps:// or source.starttls = true, or \
             accept the risk with source.cleartext = true"
    )]
    Cleartext {
        /// Which server.
        server: String,
    },
    /// The password cannot be read.
    #[error("cannot use the bind password from {from}: {says}")]
    Password {
        /// File or credential.
        from: String,
        /// What is wrong, and what to do.
        says: String,
    },
    /// The bind failed.
    #[error("{server} refused the bind of {account} with code {code}: {meaning}{}", codes::quoted(text))]
    Bind {
        /// Which server.
        server: String,
        /// Who wanted to bind.
        account: String,
        /// Result code.
        code: u32,
        /// What it means, and what to do.
        meaning: String,
        /// The server's own words.
        text: String,
    },
    /// The bind succeeded, but we are nobody.
    #[error("{server} accepted the bind of {account} but treats the connection as anonymous; check the bind account")]
    Anonymous {
        /// Which server.
        server: String,
        /// Who wanted to bind.
        account: String,
    },
    /// The connection ended by itself.
    #[error(
        "the connection to {server} was lost while {doing}: {says}; see whether the server runs, and what its log says of it"
    )]
    Lost {
        /// Which server.
        server: String,
        /// Which step.
        doing: String,
        /// What is known of the cause.
        says: String,
    },
    /// The server does not speak LDAP as RFC 4511 says.
    #[error("{server} broke the LDAP protocol while {doing}: {says}")]
    Protocol {
        /// Which server.
        server: String,
        /// Which step.
        doing: String,
        /// What it sent.
        says: String,
    },
    /// A base object is not there, or not shown.
    #[error("{key} `{base}` cannot be read on {server}: {says}")]
    Base {
        /// Which server.
        server: String,
        /// Configuration key.
        key: String,
        /// The base.
        base: String,
        /// How far it exists, and what to do.
        says: String,
    },
    /// No base object offers itself.
    #[error("no base was found on {server}: {says}")]
    NoBase {
        /// Which server.
        server: String,
        /// What there is, and what to do.
        says: String,
    },
    /// The schema does not know an attribute that the configuration names.
    #[error("{key} names the attribute `{attribute}`, which the schema of {server} does not know; correct its name")]
    UnknownAttribute {
        /// Which server.
        server: String,
        /// Configuration key.
        key: String,
        /// The attribute.
        attribute: String,
    },
    /// The schema does not know several attributes that the configuration names.
    #[error("the schema of {server} does not know {named}; correct their names")]
    UnknownAttributes {
        /// Which server.
        server: String,
        /// Each with the key that names it.
        named: String,
    },
    /// The configuration does not fit the kind of directory.
    #[error(transparent)]
    Mapping(#[from] super::mapping::MappingError),
    /// A search ended with a result code other than success.
    #[error("{server} ended {doing} with code {code}: {}{}", codes::search_meaning(*code, text, *kind), codes::quoted(text))]
    Search {
        /// Which server.
        server: String,
        /// Which search, which page.
        doing: String,
        /// Result code.
        code: u32,
        /// The server's own words.
        text: String,
        /// Its kind, whose words the remedy has.
        kind: Kind,
    },
    /// Pages cannot be trusted to be all there are.
    #[error("{server} does not page correctly while {doing}: {says}")]
    Paging {
        /// Which server.
        server: String,
        /// Which search, which page.
        doing: String,
        /// What is wrong, and what to do.
        says: &'static str,
    },
    /// Values that the server hands out in ranges were not read to the end (E4).
    #[error(
        "{server} handed out only a part of the values of `{dn}`: {says}; the next run asks again; if it stays so, look at \
             the rights of the bind account and at the server's log"
    )]
    Values {
        /// Which server.
        server: String,
        /// The entry.
        dn: String,
        /// What happened to the rest.
        says: String,
    },
    /// It is the Global Catalog.
    #[error(
        "{server} is the Global Catalog, which lacks attributes and members that decide who has access; use port 636 or \
         389 of a domain controller, and a source for each domain"
    )]
    Catalog {
        /// Which server.
        server: String,
    },
    /// No server of the list could be used.
    #[error("no server of source.urls could be used: {}", listed(attempts))]
    NoServer {
        /// One error a server, in the order tried.
        attempts: Vec<DirectoryError>,
    },
}

fn timed_out(server: &str, doing: &str, after: Duration, key: &str) -> String {
    let after = seconds(after);
    if key == RUN_TIMEOUT {
        return format!(
            "the run took longer than {after} ({key}) and was ended while {doing} on {server}; give it more time, or look at \
             source.page_rate and at the load of the server"
        );
    }
    format!("{server} did not answer within {after} while {doing}; check the server, the firewall and {key}")
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 { format!("{} s", duration.as_secs()) } else { format!("{duration:?}") }
}

fn connect_trouble(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::NotFound => "no such socket",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route to it",
        io::ErrorKind::AddrNotAvailable => "no usable address",
        _ => "the connection failed",
    }
}

fn shown_certificate(certificate: Option<&CertificateInfo>) -> String {
    certificate.map(|certificate| format!(" ({certificate})")).unwrap_or_default()
}

fn listed(attempts: &[DirectoryError]) -> String {
    attempts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; then ")
}

impl DirectoryError {
    /// Why none of the servers tried, in this order, can be used: the failure of the only one, or all of them.
    pub(super) fn of_attempts(mut attempts: Vec<Self>) -> Self {
        match attempts.pop() {
            Some(only) if attempts.is_empty() => only,
            last => {
                attempts.extend(last);
                Self::NoServer { attempts }
            }
        }
    }

    /// Whether the same attempt may well succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Dns { .. }
            | Self::NoRecord { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Lost { .. } => true,
            Self::Search { code, .. } | Self::Bind { code, .. } => matches!(code, 3 | 51 | 52),
            Self::NoServer { attempts } => attempts.iter().any(Self::is_transient),
            _ => false,
        }
    }

    /// Whether the server refused who we are (E9: not to be repeated with the same password for 15 minutes).
    pub fn is_bind_refused(&self) -> bool {
        self.bind_refused().is_some()
    }

    /// What it means that the server refused who we are, and what to do.
    pub fn bind_refused(&self) -> Option<&str> {
        match self {
            Self::Bind { code: 49, meaning, .. } => Some(meaning),
            _ => None,
        }
    }

    /// Which server answered with something that is not LDAP at all, and what it sent.
    pub fn not_ldap(&self) -> Option<(&str, &str)> {
        match self {
            Self::Protocol { server, says, .. } | Self::StartTls { server, says } => {
                says.contains("that is not LDAP").then_some((server, says))
            }
            Self::NoServer { attempts } => attempts.iter().find_map(Self::not_ldap),
            _ => None,
        }
    }

    /// Whether another server of the list may be tried: nothing about us or the configuration was refused.
    pub(crate) fn tries_next(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Tls { .. }
            | Self::StartTls { .. }
            | Self::Lost { .. }
            | Self::Protocol { .. }
            | Self::Catalog { .. } => true,
            Self::Bind { code, .. } => matches!(code, 51 | 52),
            _ => false,
        }
    }

    /// Whether the connection can be used on: the server answered, if not what was wanted.
    pub(crate) fn leaves_connection(&self) -> bool {
        matches!(self, Self::Search { .. } | Self::Base { .. } | Self::Values { .. })
    }

    /// A stable word for the kind of trouble, as [`Incomplete::cause`] has it.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Resolve { .. }
            | Self::Dns { .. }
            | Self::NoRecord { .. }
            | Self::Connect { .. }
            | Self::NoServer { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::TlsFile { .. } | Self::Tls { .. } | Self::StartTls { .. } => "tls",
            Self::Cleartext { .. } | Self::Password { .. } | Self::Bind { .. } | Self::Anonymous { .. } => "bind",
            Self::Lost { .. } => "connection-lost",
            Self::Protocol { .. } => "protocol",
            Self::Base { .. } | Self::NoBase { .. } => "base",
            Self::UnknownAttribute { .. } | Self::UnknownAttributes { .. } | Self::Mapping(_) => "configuration",
            Self::Search { code, .. } => codes::cause(*code),
            Self::Paging { .. } => "paging",
            Self::Values { .. } => "values",
            Self::Catalog { .. } => "configuration",
        }
    }

    /// The same trouble as the reason why a read that had begun is not complete.
    pub fn incomplete(&self) -> Incomplete {
        Incomplete { cause: self.cause(), says: self.to_string(), attribute: None }
    }
}
