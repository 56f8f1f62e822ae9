//! What the configuration says about the directory, checked and typed, before anybody has asked the server.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::roster::{Domain, FieldId, FieldNames};

/// How to reach one server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerUrl {
    /// `ldap://host[:389]`, with or without StartTLS.
    Ldap {
        /// Host name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// `ldaps://host[:636]`.
    Ldaps {
        /// Host name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// `ldapi://%2Fpath%2Fto%2Fsocket`.
    Ldapi {
        /// Path of the socket.
        path: PathBuf,
    },
}

/// One of `source.urls`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceUrl {
    /// One server.
    Server(ServerUrl),
    /// `ldaps+srv://domain`: the servers that DNS names for the domain, over TLS.
    Domain(Domain),
}

impl From<ServerUrl> for SourceUrl {
    fn from(server: ServerUrl) -> Self {
        Self::Server(server)
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => server.fmt(f),
            Self::Domain(domain) => write!(f, "ldaps+srv://{domain}"),
        }
    }
}

impl ServerUrl {
    /// Whether domain controllers have the Global Catalog there (MS-ADTS, 3.1.1.3.1.10).
    pub(crate) fn is_catalog(&self) -> bool {
        matches!(self, Self::Ldap { port: 3268, .. } | Self::Ldaps { port: 3269, .. })
    }

    /// Whether it names this machine: ldapi, a loopback address, or `localhost`.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Ldapi { .. } => true,
            Self::Ldap { host, .. } | Self::Ldaps { host, .. } => {
                let name = host.trim_end_matches('.').to_ascii_lowercase();
                let address = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
                address || name == "localhost" || name.ends_with(".localhost")
            }
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Ldapi { path } => {
                return write!(f, "ldapi://{}", path.display().to_string().replace('%', "%25").replace('/', "%2F"));
            }
            Self::Ldap { host, port } => ("ldap", host, port),
            Self::Ldaps { host, port } => ("ldaps", host, port),
        };
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}") } else { write!(f, "{scheme}://{host}:{port}") }
    }
}

/// Where the bind password is; read anew for every connection, so that it can be rotated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PasswordSource {
    /// A file nobody but its owner may read.
    File(PathBuf),
    /// A systemd credential, by name, in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// What a person has just typed.
    Typed(Typed),
}

/// A password that is nowhere but in memory, and is not shown.
#[derive(Clone, Debug)]
pub struct Typed(pub(super) SecretString);

impl Typed {
    /// Takes what was typed; `None` when it is empty, which would bind as nobody.
    pub fn new(text: &str) -> Option<Self> {
        (!text.trim().is_empty()).then(|| Self(text.into()))
    }

    /// The password, for the file that a configuration names.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Typed {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Typed {}

/// Who we are to the directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bind {
    /// Simple bind.
    Simple {
        /// DN, or user@domain on AD.
        dn: String,
        /// Password.
        password: PasswordSource,
    },
    /// SASL EXTERNAL: by client certificate, or by the socket's peer credentials on ldapi.
    External,
}

impl Bind {
    /// Who binds, for messages.
    pub fn account(&self) -> &str {
        match self {
            Self::Simple { dn, .. } => dn,
            Self::External => "SASL EXTERNAL",
        }
    }
}

/// What kind of server it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Active Directory, and Samba as its domain controller.
    ActiveDirectory,
    /// OpenLDAP.
    OpenLdap,
    /// 389 Directory Server, and what is sold under other names.
    Ds389,
    /// FreeIPA, Red Hat Identity Management.
    FreeIpa,
    /// Any other server that speaks LDAPv3.
    Generic,
}

/// Scope of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The base and everything below.
    Subtree,
    /// One level below the base.
    OneLevel,
    /// The base object only.
    Base,
}

/// Entries a page, where nobody says otherwise: as many as domain controllers give.
pub const PAGE_SIZE: u32 = 1000;

/// `[source]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// `source.name`.
    pub name: String,
    /// In the order in which they are tried (E7).
    pub urls: Vec<SourceUrl>,
    /// StartTLS on ldap://.
    pub starttls: bool,
    /// A password may go over ldap:// without TLS to another host (E8).
    pub cleartext: bool,
    /// CA certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Client certificate chain and key (PEM) for SASL EXTERNAL.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Who we are.
    pub bind: Bind,
    /// The root of everything we may look at.
    pub base_dn: String,
    /// `None` = auto, from the root DSE.
    pub kind: Option<Kind>,
    /// Entries a page; 0 = the server cannot page.
    pub page_size: u32,
    /// Pages a second at most; 0 = no limit.
    pub page_rate: u32,
    /// For TCP and TLS each.
    pub connect_timeout: Duration,
    /// Longest silence of the server.
    pub read_timeout: Duration,
    /// A whole run.
    pub run_timeout: Duration,
    /// Continuation references that are not ours to read (E1): LDAP URLs or DNs.
    pub outside: Vec<String>,
    /// DNs that every complete run has to contain (E10).
    pub must_see: Vec<String>,
}

impl Settings {
    /// Whether binding to this server would send a password to another host in clear text without leave (E8).
    pub fn refuses_cleartext(&self, url: &ServerUrl) -> bool {
        self.in_clear(url) && !url.is_local()
    }

    /// Whether only loopback addresses of this server may be used, because a password goes there in clear text.
    pub(crate) fn needs_loopback(&self, url: &ServerUrl) -> bool {
        self.in_clear(url)
    }

    fn in_clear(&self, url: &ServerUrl) -> bool {
        let password = matches!(self.bind, Bind::Simple { .. });
        password && !self.cleartext && !self.starttls && matches!(url, ServerUrl::Ldap { .. })
    }
}

/// `[users.attributes]` as written: `None` = the kind's default, `Some("")` = switched off.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AttributeOverrides {
    /// By key of the table (`unique_id`, `username`, `mail`, …), one attribute each.
    pub single: BTreeMap<String, String>,
    /// `aliases`, when given.
    pub aliases: Option<Vec<String>>,
    /// `extra`: name to attribute.
    pub extra: BTreeMap<String, String>,
    /// `[users.defaults]`: values on creation, whose names are names of fields, too (U1).
    pub defaults: BTreeMap<String, String>,
}

impl AttributeOverrides {
    /// The names of all fields beside the fixed ones.
    pub fn names(&self) -> FieldNames {
        let own = self.defaults.keys().filter(|name| !FieldId::COLUMNS.contains(&name.as_str()));
        FieldNames::new(self.extra.keys().chain(own))
    }
}

/// One disabled test (U8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DisabledTest {
    /// The attribute has one of these values (compared without case).
    Values {
        /// Attribute.
        attribute: String,
        /// Values.
        values: Vec<String>,
    },
    /// The attribute, a whole number, has all of these bits.
    Bits {
        /// Attribute.
        attribute: String,
        /// Bits.
        bits: u64,
    },
    /// The attribute is a time in the past: generalizedTime, days since 1970 for `shadowExpire`, a Windows file time for
    /// `accountExpires`.
    Expired {
        /// Attribute.
        attribute: String,
    },
    /// The entry matches a filter (judged here, on the attributes the filter names).
    Filter {
        /// RFC 4515 text.
        filter: String,
    },
}

impl DisabledTest {
    /// Its lines below `[[users.disabled]]`.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Values { attribute, values } => {
                vec![format!("attribute = {attribute:?}"), format!("values = {values:?}")]
            }
            Self::Bits { attribute, bits } => vec![format!("attribute = {attribute:?}"), format!("bits = {bits}")],
            Self::Expired { attribute } => vec![format!("attribute = {attribute:?}"), "expired = true".to_owned()],
            Self::Filter { filter } => vec![format!("filter = {filter:?}")],
        }
    }
}

/// `[users]`, as far as reading is concerned.
#[derive(Clone, PartialEq, Debug)]
pub struct UserSettings {
    /// Bases; never empty (default: `source.base_dn`).
    pub base_dns: Vec<String>,
    /// Scope.
    pub scope: Scope,
    /// `None` = the kind's default.
    pub filter: Option<String>,
    /// Where the primary address comes from, best first: `mail`, `proxyAddresses` (A1).
    pub primary: Vec<String>,
    /// Attribute mapping.
    pub attributes: AttributeOverrides,
    /// `None` = the kind's tests.
    pub disabled: Option<Vec<DisabledTest>>,
}

/// `[groups]`, as far as reading is concerned.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupSettings {
    /// Bases; never empty.
    pub base_dns: Vec<String>,
    /// Scope.
    pub scope: Scope,
    /// `None` = the kind's default.
    pub filter: Option<String>,
    /// `unique_id`, `name`: `None` = the kind's default.
    pub unique_id: Option<String>,
    /// Attribute of the name.
    pub name: Option<String>,
    /// Attributes that list members; `memberOf` is read from the users' side, `objectSid` stands for those whose primary
    /// group it is.
    pub members: Option<Vec<String>>,
}

impl GroupSettings {
    /// All groups below a base, by the kind's defaults.
    pub fn below(base: &str) -> Self {
        let base_dns = vec![base.to_owned()];
        Self { base_dns, scope: Scope::Subtree, filter: None, unique_id: None, name: None, members: None }
    }
}

/// The groups that give roles and grants (R1, R2).
#[derive(Clone, PartialEq, Debug)]
pub struct MappedSettings {
    /// How groups are read, also with `groups.enabled = false`.
    pub groups: GroupSettings,
    /// Members of groups in a mapped group count, too.
    pub flatten: bool,
    /// Where they are looked for, each once.
    pub places: Vec<MappedPlace>,
}

/// Where mapped groups are looked for.
#[derive(Clone, PartialEq, Debug)]
pub struct MappedPlace {
    /// The DN itself, or where the filter searches.
    pub base: String,
    /// Which groups, with `%role%` replaced; `None` = the one at the DN.
    pub filter: Option<(String, Scope)>,
    /// Attributes that list members; `None` = those of `[groups.attributes]`.
    pub members: Option<Vec<String>>,
}
