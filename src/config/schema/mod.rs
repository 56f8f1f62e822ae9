//! Every key of the configuration, as data: type, default, meaning, example, rule.
//!
//! Reading, the refusal of unknown keys, `config print`, `config/rosterd.example.toml` and `docs/configuration.md`
//! all go by this one list, so that none of them can forget a key.

mod people;
mod service;
mod source;

/// What a text has to be, and how long it may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Any text on one line.
    Name,
    /// A distinguished name.
    Dn,
    /// A DN, or `user@domain` or `DOMAIN\user` on AD.
    Account,
    /// An RFC 4515 filter.
    Filter,
    /// An RFC 4515 filter in which `%role%` stands for the role's identifier.
    RoleFilter,
    /// An LDAP attribute that holds no password.
    Attribute,
    /// One of the two places a primary address can come from.
    Primary,
    /// A continuation reference: an LDAP URL or a DN.
    Reference,
    /// A file; relative ones count from the folder of the file that names them.
    Path,
    /// A systemd credential.
    Credential,
    /// URL of a directory server.
    DirectoryUrl,
    /// URL of the store.
    StoreUrl,
    /// A domain.
    Domain,
    /// A cron expression with seconds.
    Cron,
    /// An IANA time zone.
    Zone,
    /// Address and port to listen on.
    Listen,
    /// A program, or one of its arguments.
    Argument,
}

impl Form {
    /// The longest text accepted, in characters.
    pub const fn most(self) -> usize {
        match self {
            Self::Name | Self::Zone | Self::Listen | Self::Primary => 128,
            Self::Attribute | Self::Cron => 256,
            Self::Credential => 255,
            Self::Domain => 253,
            Self::DirectoryUrl | Self::StoreUrl => 2048,
            Self::Dn | Self::Account | Self::Reference | Self::Path | Self::Argument => 4096,
            Self::Filter | Self::RoleFilter => 8192,
        }
    }

    /// Whether a comma can stand in such a text, so that a list of them from the environment is not split at commas.
    pub const fn has_commas(self) -> bool {
        matches!(self, Self::Dn | Self::Reference | Self::Path | Self::Argument | Self::Filter | Self::Cron)
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Name => "text",
            Self::Dn => "DN",
            Self::Account => "DN or account",
            Self::Filter | Self::RoleFilter => "filter",
            Self::Attribute => "attribute",
            Self::Primary => "`mail` or `proxyAddresses`",
            Self::Reference => "LDAP URL or DN",
            Self::Path => "file",
            Self::Credential => "name of a credential",
            Self::DirectoryUrl | Self::StoreUrl => "URL",
            Self::Domain => "domain",
            Self::Cron => "cron expression",
            Self::Zone => "time zone",
            Self::Listen => "address and port",
            Self::Argument => "argument",
        }
    }
}

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// `true` or `false`.
    Flag,
    /// A whole number in a range.
    Number {
        /// Smallest.
        least: u64,
        /// Largest.
        most: u64,
    },
    /// A number from 0 to 100.
    Percent,
    /// A duration in a range, such as "5m" or "14d".
    Time {
        /// Shortest.
        least: &'static str,
        /// Longest.
        most: &'static str,
        /// Whether "never" is one, too.
        never: bool,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A text that is not empty.
    Text(Form),
    /// A text; empty means none.
    Optional(Form),
    /// A list of texts.
    List(Form),
    /// A text, a number or a flag, kept as text.
    Anything,
}

/// What holds when a key is not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Default {
    /// This value, in TOML.
    Is(&'static str),
    /// There is none: the key has to be given.
    Required,
    /// The value of another key.
    Like(&'static str),
    /// It depends on the kind of directory.
    ByKind,
    /// Nothing, which means this.
    Unset(&'static str),
}

/// One key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Dotted; `[]` marks a table that may stand several times, `*` a name of the operator's choice.
    pub path: &'static str,
    /// Type.
    pub kind: Type,
    /// Default.
    pub default: Default,
    /// Meaning, in one line of Markdown.
    pub says: &'static str,
    /// An example, in TOML.
    pub example: &'static str,
    /// The rules of `docs/rules.md` it belongs to.
    pub rules: &'static str,
    /// What this version does instead, where it reads the key but does not act on it.
    pub instead: Option<&'static str>,
    /// The value besides the default that asks for just that.
    pub does: Option<&'static str>,
}

impl Key {
    /// A key this version acts on.
    const fn new(
        path: &'static str,
        kind: Type,
        default: Default,
        rules: &'static str,
        says: &'static str,
        example: &'static str,
    ) -> Self {
        Self { path, kind, default, says, example, rules, instead: None, does: None }
    }

    /// Marks a key this version does not act on, and says what it does.
    const fn later(mut self, instead: &'static str) -> Self {
        self.instead = Some(instead);
        self
    }

    /// The value that asks for what this version does anyway.
    const fn does(mut self, value: &'static str) -> Self {
        self.does = Some(value);
        self
    }

    /// The table it stands in, and its name there.
    pub fn split(&self) -> (&'static str, &'static str) {
        self.path.rsplit_once('.').unwrap_or(("", self.path))
    }
}

/// Every key, in the order in which they are documented and printed.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    source::KEYS.iter().chain(people::KEYS).chain(service::KEYS)
}

/// The key with this path, where a name of the operator's choice is written as it is.
pub fn find(path: &str) -> Option<&'static Key> {
    keys().find(|key| key.path == path).or_else(|| {
        let (table, _) = path.rsplit_once('.')?;
        keys().find(|key| key.path.strip_suffix(".*") == Some(table))
    })
}

/// Whether a table of this path exists (`[]` marks one that may stand several times).
pub fn is_table(path: &str) -> bool {
    keys().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// Every table, in order, the unnamed one at the top first.
pub fn tables() -> Vec<&'static str> {
    let mut tables = Vec::new();
    for (table, _) in keys().map(Key::split) {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables
}
