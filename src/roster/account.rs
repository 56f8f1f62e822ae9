//! What the store remembers of one user.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::roster::{Address, AddressKey, AddressKind, Digest, FieldId, FieldNames, UniqueId};

/// The store's own row number of a user: small, never reused, not shown to anybody.
///
/// What applications see is the UUID in [`Account::uuid`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UserId(pub i64);

/// Where a user comes from (M1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Origin {
    /// Read from the directory.
    Directory,
    /// Made by an administrator.
    Manual,
    /// Made by mail flow.
    Smtp,
}

/// The life of a user (L1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// May use the application.
    Active,
    /// Flagged for deletion, no access.
    Pending,
    /// An administrator ignored the flag; has access.
    Kept,
    /// Parked by a changed address (I6); no access.
    Dormant,
    /// A tombstone.
    Deleted,
}

/// Why a user is pending (L2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PendingReason {
    /// Not in the directory any more.
    Gone,
    /// A disabled test holds.
    Disabled,
    /// Still there, outside every configured base.
    MovedOut,
    /// Still there, the filter no longer matches.
    FilteredOut,
    /// No address value at all.
    NoAddress,
    /// The primary address is in a domain that is not managed.
    UnmanagedDomain,
    /// No mapped role or grant.
    NoRole,
    /// Its source was retired.
    SourceRemoved,
}

/// Gives a fieldless enum its written names, used by store, views and output alike.
macro_rules! written {
    ($type:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The written name, as the views show it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value with this written name.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use written;

written!(Origin { Directory = "directory", Manual = "manual", Smtp = "smtp" });
written!(State { Active = "active", Pending = "pending", Kept = "kept", Dormant = "dormant", Deleted = "deleted" });
written!(PendingReason {
    Gone = "gone",
    Disabled = "disabled",
    MovedOut = "moved-out",
    FilteredOut = "filtered-out",
    NoAddress = "no-address",
    UnmanagedDomain = "unmanaged-domain",
    NoRole = "no-role",
    SourceRemoved = "source-removed",
});

impl State {
    /// Whether a person in this state may use the application (L1).
    pub const fn access(self) -> bool {
        matches!(self, Self::Active | Self::Kept)
    }
}

/// One address of a user as the store has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredAddress {
    /// As written in the directory.
    pub address: Address,
    /// Primary or alias.
    pub kind: AddressKind,
}

/// What somebody deleted is recognised by (L6), in the form that is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Former {
    /// The last primary address.
    pub address: Option<AddressKey>,
    /// The last username, folded.
    pub username: Option<String>,
    /// The unique id of somebody dormant, or whose id another user of the entry has now (I6).
    pub key: Option<UniqueId>,
    /// Since when: nothing changes a tombstone after the deletion.
    pub since: Timestamp,
}

/// One user of the store with everything the plan may need (not memberships).
#[derive(Clone, PartialEq, Debug)]
pub struct Account {
    /// The store's row.
    pub id: UserId,
    /// The internal id that applications see (I1).
    pub uuid: uuid::Uuid,
    /// The source the user belongs to.
    pub source: String,
    /// Where the user comes from.
    pub origin: Origin,
    /// The directory's unique id; `None` for people the directory never had.
    pub key: Option<UniqueId>,
    /// DN as last read.
    pub dn: Option<String>,
    /// The fixed columns that have a value.
    pub fields: BTreeMap<FieldId, String>,
    /// The `extra` object, whoever put the values there.
    pub extra: BTreeMap<String, serde_json::Value>,
    /// Addresses, the primary first, aliases in folded order.
    pub addresses: Vec<StoredAddress>,
    /// State.
    pub state: State,
    /// Why pending; `Some` exactly in [`State::Pending`].
    pub reason: Option<PendingReason>,
    /// Reasons seen since the first flag (L2: only a reason not seen before moves the date).
    pub reasons_seen: Vec<PendingReason>,
    /// When first flagged.
    pub flagged_at: Option<Timestamp>,
    /// When deleted at the earliest; `None` while pending means never.
    pub delete_after: Option<Timestamp>,
    /// Since when somebody pending is back and waits for a username that another one bears: the date stands still (L5).
    pub waits_since: Option<Timestamp>,
    /// Fingerprint of the entry that was applied in full; `None` makes the next run look at the person again.
    pub fingerprint: Option<Digest>,
    /// When an unchanged entry has to be looked at again because a time passes (U8).
    pub review_at: Option<Timestamp>,
    /// What a tombstone, or somebody dormant, is recognised by; `Some` exactly in [`State::Deleted`] and
    /// [`State::Dormant`].
    pub former: Option<Box<Former>>,
}

impl Account {
    /// The stored value of a field, fixed or extra; extra values that are not text are shown as JSON.
    pub fn field(&self, id: FieldId, names: &FieldNames) -> Option<String> {
        if id.column().is_some() {
            return self.fields.get(&id).cloned();
        }
        self.extra.get(names.name(id)).map(|value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// The primary address, if the user has one.
    pub fn primary(&self) -> Option<&Address> {
        self.addresses.iter().find(|stored| stored.kind == AddressKind::Primary).map(|stored| &stored.address)
    }

    /// When somebody pending is deleted as things stand; `None`: never, or not while a username is waited for (L5).
    pub fn due(&self) -> Option<Timestamp> {
        self.delete_after.filter(|_| self.waits_since.is_none())
    }

    /// The aliases.
    pub fn aliases(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(|stored| stored.kind == AddressKind::Alias).map(|stored| &stored.address)
    }

    /// Since when a tombstone is one, in milliseconds; whoever is none comes after all of them.
    pub fn since(&self) -> i64 {
        self.former.as_ref().map_or(i64::MAX, |former| former.since.millis())
    }

    /// The name with what tells it from another of the same name: the DN, else the primary address.
    pub fn told_apart(&self) -> String {
        let place = self.dn.clone().or_else(|| self.primary().map(ToString::to_string));
        let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
        format!("`{}`{place}", self.label())
    }

    /// What a person calls this user: username, else primary address, else DN, else the internal id. Of somebody
    /// deleted or dormant what is remembered of these.
    pub fn label(&self) -> String {
        self.fields
            .get(&FieldId::USERNAME)
            .cloned()
            .or_else(|| self.primary().map(ToString::to_string))
            .or_else(|| self.dn.clone())
            .or_else(|| self.former.as_ref()?.username.clone())
            .or_else(|| Some(self.former.as_ref()?.address.as_ref()?.to_string()))
            .unwrap_or_else(|| self.uuid.to_string())
    }
}
