//! Rows of the views, as commands show them: keys named like the view's columns.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::Proof;

/// Which users to list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    /// Everybody, tombstones included.
    All,
    /// Those who are WHO in the first of these ways that anybody matches: id, unique id, DN, username, primary
    /// address, alias; each compared exactly (DN by RFC 4514, names and addresses folded).
    Who(String),
}

/// Which changes to list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Changes {
    /// Those of one run.
    OfRun(i64),
    /// Those of one user, by UUID.
    OfUser(String),
    /// Those after a sequence number.
    Since(i64),
}

/// A row of `roster_users`, with the aliases from `roster_addresses`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns of the view, explained in docs/schema.md")]
pub struct UserRow {
    pub id: String,
    pub source: String,
    pub origin: String,
    pub unique_id: Option<String>,
    pub dn: Option<String>,
    pub username: Option<String>,
    pub user_principal_name: Option<String>,
    pub primary_address: Option<String>,
    pub aliases: Vec<String>,
    pub display_name: Option<String>,
    pub given_name: Option<String>,
    pub surname: Option<String>,
    pub home_phone: Option<String>,
    pub mobile: Option<String>,
    pub company: Option<String>,
    pub department: Option<String>,
    pub notes: Option<String>,
    pub role: Option<String>,
    pub state: String,
    pub access: bool,
    pub pending_reason: Option<String>,
    pub flagged_at: Option<String>,
    pub delete_after: Option<String>,
    pub transferred_to: Option<String>,
    pub extra: Value,
    pub created_at: String,
    pub updated_at: String,
}

/// A row of `roster_groups`, with the number of members.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns of the view, explained in docs/schema.md")]
pub struct GroupRow {
    pub id: String,
    pub source: Option<String>,
    pub origin: String,
    pub unique_id: Option<String>,
    pub dn: Option<String>,
    pub name: String,
    pub state: String,
    pub created_at: String,
    pub members: i64,
}

/// One group of a user.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns of the view, explained in docs/schema.md")]
pub struct MembershipRow {
    pub group_id: String,
    pub name: String,
    pub via: String,
}

/// A row of `roster_grants`, with what people call user and group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns of the view, explained in docs/schema.md")]
pub struct GrantRow {
    pub user_id: String,
    pub username: Option<String>,
    pub primary_address: Option<String>,
    pub privilege: String,
    /// Id of the group, or `local`.
    pub via: String,
    /// DN of the group when the grant was given; not a column of the view.
    pub group_dn: Option<String>,
}

/// One user of a group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns of the view, explained in docs/schema.md")]
pub struct MemberRow {
    pub user_id: String,
    pub username: Option<String>,
    pub primary_address: Option<String>,
    pub display_name: Option<String>,
    pub via: String,
}

/// A row of `roster_runs`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns of the view, explained in docs/schema.md")]
pub struct RunRow {
    pub id: i64,
    pub source: String,
    pub trigger: String,
    pub action: String,
    pub mode: String,
    pub outcome: String,
    pub started_at: String,
    pub finished_at: Option<String>,
    pub entries: i64,
    pub added: i64,
    pub updated: i64,
    pub moved: i64,
    pub flagged: i64,
    pub restored: i64,
    pub deleted: i64,
    pub conflicts: i64,
    pub skipped: i64,
    pub error: Option<String>,
    /// Which server was read; not a column of the view.
    pub server: Option<String>,
    /// Stable word for what made it incomplete; not a column of the view.
    pub cause: Option<String>,
    /// Whether the feed has any change of it; not a column of the view.
    pub changed: bool,
    /// The proof that it was complete, if it was; not a column of the view.
    pub proof: Option<Proof>,
    /// How many people it made dormant (I6), where somebody counted them in the feed; not a column of the view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dormant: Option<i64>,
}

/// A row of `roster_changes`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns of the view, explained in docs/schema.md")]
pub struct ChangeRow {
    pub seq: i64,
    pub run_id: Option<i64>,
    pub at: String,
    pub kind: String,
    pub user_id: Option<String>,
    pub group_id: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub rule: String,
}

/// The row of `roster_feed`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feed {
    /// The last change that was dropped (`history.keep`); 0 when all are there. Whoever read less misses some.
    pub dropped: i64,
    /// The last number that was given.
    pub last: i64,
}

/// A row of `roster_conflicts`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns of the view, explained in docs/schema.md")]
pub struct ConflictRow {
    pub id: i64,
    pub kind: String,
    pub subject: String,
    pub user_id: Option<String>,
    pub detail: String,
    pub opened_at: String,
    pub due_at: Option<String>,
    pub status: String,
    /// When it was settled; not a column of the view.
    pub closed_at: Option<String>,
    /// The source it belongs to; not a column of the view.
    pub source: String,
    /// What people call the present owner; not a column of the view.
    pub user: Option<String>,
    /// The present owner's state; not a column of the view.
    pub user_state: Option<String>,
    /// The present owner's origin; not a column of the view.
    pub user_origin: Option<String>,
    /// The newcomer's unique id, for `maybe-same-person`; not a column of the view.
    pub other: Option<String>,
    /// Since when the user is back, but waits for a name, while the date stands still (L5); not a column of the view.
    pub waits_since: Option<String>,
}

/// A row of `roster_skipped`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns of the view, explained in docs/schema.md")]
pub struct SkipRow {
    pub source: String,
    pub dn: String,
    pub unique_id: Option<String>,
    pub reason: String,
    pub rule: String,
    pub detail: String,
    pub seen_at: String,
    /// Whether the person is a user of the source, who is in but for what was skipped; not a column of the view.
    pub is_user: bool,
}
