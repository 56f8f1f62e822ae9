//! What the directory says today about one person or one group.

use std::borrow::Cow;
use std::fmt;

use crate::clock::Timestamp;
use crate::roster::{Address, AddressKey, Digest, Domain, FieldId, Fields};

/// The directory's unique id of an entry, in its one written encoding (E6).
///
/// UUID-shaped ids (entryUUID, objectGUID, eDirectory's GUID) are lower-case UUID text; every other id is kept exactly as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueId {
    text: Box<str>,
    /// Taken once, because every step of a run asks for it.
    digest: Digest,
}

impl UniqueId {
    /// From the written encoding. `None` when empty or when it has control characters.
    pub fn new(text: &str) -> Option<Self> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return None;
        }
        let uuid = text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
        let text: Box<str> = if uuid { text.to_ascii_lowercase().into() } else { text.into() };
        Some(Self { digest: Digest::of(text.as_bytes()), text })
    }

    /// The written encoding.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The digest that indexes use.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the disabled tests say (U8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Enabled {
    /// No test holds.
    Yes,
    /// A test holds: the attribute, and the value that says so.
    No(Box<str>),
    /// A test could not be judged, so the state stays as it is: attribute, value, and what to do, in one sentence.
    Unknown(Box<str>),
}

impl Enabled {
    /// One word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No(_) => "no",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Why nobody can tell.
    pub fn doubt(&self) -> Option<&str> {
        match self {
            Self::Unknown(doubt) => Some(doubt),
            Self::Yes | Self::No(_) => None,
        }
    }
}

/// One address value an entry brings, before anybody decides who gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// What the value asks for.
    pub kind: ClaimKind,
    /// The address, or the text that is no address.
    pub value: Result<Address, Box<str>>,
}

impl Claim {
    /// The address in the form that is compared, if it may become the primary.
    pub fn primary_key(&self) -> Option<AddressKey> {
        match (self.kind, &self.value) {
            (ClaimKind::Primary(_), Ok(address)) => Some(address.key()),
            _ => None,
        }
    }
}

/// What an address value asks for (A1, A2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ClaimKind {
    /// May become the primary; the number is the place of its attribute in `users.primary`, 0 first.
    Primary(u8),
    /// An alias only.
    Alias,
}

/// One user entry, understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// The directory's unique id.
    pub key: UniqueId,
    /// DN as the server wrote it.
    pub dn: Box<str>,
    /// Digest of everything in the entry that matters, and of the mapping.
    pub fingerprint: Digest,
    /// Mapped fields with all their values, username included (at most one).
    pub fields: Fields,
    /// Address values, in order of kind, then folded text; no repeats within a kind.
    pub claims: Box<[Claim]>,
    /// Whether the person is enabled at the time of reading.
    pub enabled: Enabled,
    /// When `enabled` changes by itself because a time passes.
    pub review_at: Option<Timestamp>,
}

/// Those whose entries were read. Boxed: they are put in order and worked off by the hundred thousand, and whoever is
/// through makes room.
pub type Persons = Vec<Box<Person>>;

impl Person {
    /// What a person calls this entry: username, else first address, else DN.
    pub fn label(&self) -> String {
        let address = || self.claims.iter().find_map(|claim| claim.value.as_ref().ok().map(ToString::to_string));
        self.fields.first(FieldId::USERNAME).map(str::to_owned).or_else(address).unwrap_or_else(|| self.dn.to_string())
    }

    /// The domain of the first primary the entry gives, if that is an address.
    pub fn primary_domain(&self) -> Option<Domain> {
        let first = self.claims.iter().find(|claim| matches!(claim.kind, ClaimKind::Primary(_)))?;
        first.value.as_ref().ok().map(Address::domain)
    }
}

/// How a group names a member (G3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MemberRef {
    /// By DN: digest of the normalised DN ([`crate::roster::Dn::digest`]).
    Dn(Digest),
    /// By username: digest of the folded name ([`crate::roster::address::fold`]).
    Username(Digest),
    /// Whoever has this group as the primary one (Active Directory): digest of the group's SID. Who that is, people's
    /// own entries say ([`crate::roster::Reading::primary`]).
    Primary(Digest),
}

impl MemberRef {
    /// Whether it stands for those whose primary group it is.
    pub const fn is_primary(&self) -> bool {
        matches!(self, Self::Primary(_))
    }
}

/// One group entry, understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// The directory's unique id.
    pub key: UniqueId,
    /// DN as the server wrote it.
    pub dn: Box<str>,
    /// The group's name.
    pub name: Box<str>,
    /// Members as the entry lists them, sorted, without repeats.
    pub members: Box<[MemberRef]>,
    /// Whether every value of every member attribute was read (false after a cut-off range, E4).
    pub whole: bool,
}

/// Somebody who is not in, or a single value that was left out, with the reason (`roster_skipped`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Skip {
    /// DN of the entry.
    pub dn: String,
    /// Unique id, when it could be read.
    pub unique_id: Option<String>,
    /// `disabled`, `no-address`, `unmanaged-domain`, `malformed-address`, `unreadable`, `unreadable-value`, `no-unique-id`, …
    pub reason: Cow<'static, str>,
    /// The rule that says so, e.g. `U4`.
    pub rule: Cow<'static, str>,
    /// What exactly: the value, the attribute, the other party.
    pub detail: String,
}

/// What looking a vanished person up by unique id found (L2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LookUp {
    /// No entry under `source.base_dn` bears the id.
    Gone,
    /// The entry is there, wherever that is, and a disabled test holds.
    Disabled {
        /// Where it is.
        dn: String,
    },
    /// The entry is there, outside every configured base.
    MovedOut {
        /// Where it is.
        dn: String,
    },
    /// The entry is under a configured base, but the filter does not match it.
    FilteredOut {
        /// Where it is.
        dn: String,
    },
    /// The entry is in scope after all: the read missed it.
    InScope {
        /// Where it is.
        dn: String,
    },
    /// The look-up gave no usable answer.
    Unjudged {
        /// Why.
        says: String,
    },
}
