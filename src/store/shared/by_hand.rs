//! What people do to people: kept, deleted with an heir, rules (L8, L4).

use sqlx::Row as _;

use super::addresses::Addresses;
use super::dialect::Database;
use super::erasure;
use super::flags::{FlagEnd, end_flags};
use super::users::{Fate, extra, on_each};
use super::word;
use super::write::Statements;
use crate::clock::Timestamp;
use crate::plan::manual::NewAccount;
use crate::plan::{HandAct, Rule, RuleKind};
use crate::roster::address::fold;
use crate::roster::{Address, AddressKind, FieldId, UserId};
use crate::store::bulk::{Cell, Rows};
use crate::store::error::Fault;
use crate::store::{Stamp, new_uuid};

/// Everything done by hand in one transaction, by statement.
pub(super) struct HandBatch {
    made: Rows,
    named: Rows,
    ignored: Vec<i64>,
    transferred: Rows,
    removed: Rows,
    added: Rows,
    erased: Vec<i64>,
}

impl Default for HandBatch {
    fn default() -> Self {
        Self {
            made: Rows::new(18),
            named: Rows::new(3),
            ignored: Vec::new(),
            transferred: Rows::new(2),
            removed: Rows::new(3),
            added: Rows::new(3),
            erased: Vec::new(),
        }
    }
}

impl HandBatch {
    /// Takes one act in; the answer is what becomes of the user's state.
    pub fn gather(&mut self, id: i64, act: &HandAct, stamp: Stamp<'_>, addresses: &mut Addresses) -> Option<Fate> {
        let row = |rule: &Rule| [id.into(), rule.kind.as_str().into(), rule.pattern.as_ref().into()];
        match act {
            HandAct::Kept { back, .. } => {
                if let Some(name) = &back.username {
                    self.named.add([id.into(), name.as_ref().into(), fold(name).as_str().into()]);
                }
                if let Some(address) = &back.address {
                    addresses.claim(address, AddressKind::Primary);
                }
                self.ignored.push(id);
                return Some(Fate::Kept);
            }
            HandAct::Deleted { transferred_to, .. } => {
                if let Some(heir) = transferred_to {
                    self.transferred.add([id.into(), heir.to_string().as_str().into()]);
                }
                return Some(Fate::Deleted);
            }
            HandAct::Erased => self.erased.push(id),
            HandAct::Added(new) => {
                addresses.claim(&new.primary, AddressKind::Primary);
                self.made.extend(made(id, new, stamp));
            }
            HandAct::RuleAdded(rule) => self.added.add(row(rule)),
            HandAct::RuleRemoved(rule) => self.removed.add(row(rule)),
        }
        None
    }

    /// New rows come before whatever belongs to them.
    pub async fn add(&mut self, write: &mut Statements) -> Result<(), Fault> {
        let made = std::mem::replace(&mut self.made, Rows::new(18));
        write.bulk(ADD, made, "").await
    }

    /// After everything that is given up.
    pub async fn run(self, write: &mut Statements, at: Timestamp) -> Result<(), Fault> {
        on_each(write, KEEP, &self.ignored).await?;
        end_flags(write, at, &self.ignored, FlagEnd::Ignored).await?;
        write
            .bulk(
                "UPDATE rd_users SET username = v.column2, username_key = v.column3 FROM (",
                self.named,
                ") AS v WHERE rd_users.id = v.column1",
            )
            .await?;
        write
            .bulk(
                "UPDATE rd_users SET transferred_to = v.column2 FROM (",
                self.transferred,
                ") AS v WHERE rd_users.id = v.column1",
            )
            .await?;
        for user in self.erased {
            erasure::erase(write, user).await?;
        }
        write.bulk("DELETE FROM rd_rules WHERE (user_id, kind, pattern) IN (", self.removed, ")").await?;
        write.bulk("INSERT INTO rd_rules (user_id, kind, pattern)", self.added, " ON CONFLICT DO NOTHING").await
    }
}

const ADD: &str = "INSERT INTO rd_users (id, source, origin, uuid, username, username_key, user_principal_name, \
     display_name, given_name, surname, home_phone, mobile, company, department, notes, extra, created_at, updated_at)";

/// In the order of [`ADD`].
fn made(id: i64, new: &NewAccount, stamp: Stamp<'_>) -> Vec<Cell> {
    let first = |field| new.fields.first(field);
    let at = || Cell::time(Some(stamp.at));
    let mut cells = vec![
        id.into(),
        stamp.source.into(),
        new.origin.as_str().into(),
        new_uuid().into(),
        first(FieldId::USERNAME).into(),
    ];
    cells.push(first(FieldId::USERNAME).map(fold).as_deref().into());
    cells.extend(FieldId::fixed().filter(|field| *field != FieldId::USERNAME).map(|field| first(field).into()));
    cells.extend([Cell::json(Some(extra(&new.fields, stamp.names))), at(), at()]);
    cells
}

const KEEP: &str = concat!(
    "UPDATE rd_users SET state = 'kept', pending_reason = NULL, flagged_at = NULL, delete_after = NULL, \
     reasons_seen = '', former_address = NULL, former_username = NULL, transferred_to = NULL WHERE id ",
    any_of!("$1")
);

pub(super) async fn rules(database: &Database, user: UserId) -> Result<Vec<Rule>, Fault> {
    let rows = sqlx::query("SELECT kind, pattern FROM rd_rules WHERE user_id = $1 ORDER BY pattern, kind")
        .bind(user.0)
        .fetch_all(&mut *database.reader().await?)
        .await?;
    rows.iter()
        .map(|row| {
            let kind: &str = row.try_get(0)?;
            let kind = word("rd_rules", user.0, kind, RuleKind::parse(kind))?;
            Ok(Rule { kind, pattern: row.try_get::<&str, _>(1)?.into() })
        })
        .collect()
}

/// Tombstones that bore this name or had this address last.
pub(super) async fn tombstones(database: &Database, who: &str) -> Result<Vec<UserId>, Fault> {
    let address = Address::parse(who).map_or_else(|| fold(who), |address| address.key().to_string());
    let found: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM rd_users WHERE state = 'deleted' AND (former_username = $1 OR former_address = $2) ORDER BY id",
    )
    .bind(fold(who))
    .bind(address)
    .fetch_all(&mut *database.reader().await?)
    .await?;
    Ok(found.into_iter().map(UserId).collect())
}
