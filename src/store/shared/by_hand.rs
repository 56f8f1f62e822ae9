//! What people do to people: kept, deleted with an heir, rules (L8, L4).

use sqlx::Row as _;

use super::addresses::Addresses;
use super::dialect::{Database, any_list};
use super::users::{Fate, on_each};
use super::word;
use super::write::Statements;
use crate::clock::Timestamp;
use crate::plan::by_hand::Remembered;
use crate::plan::{HandAct, Rule, RuleKind};
use crate::roster::address::fold;
use crate::roster::{Address, AddressKind, UserId};
use crate::store::bulk::Rows;
use crate::store::error::Fault;

/// Everything done by hand in one transaction, by statement.
pub(super) struct HandBatch {
    named: Rows,
    ignored: Vec<i64>,
    transferred: Rows,
    removed: Rows,
    added: Rows,
}

impl Default for HandBatch {
    fn default() -> Self {
        Self {
            named: Rows::new(3),
            ignored: Vec::new(),
            transferred: Rows::new(2),
            removed: Rows::new(3),
            added: Rows::new(3),
        }
    }
}

impl HandBatch {
    /// Takes one act in; the answer is what becomes of the user's state.
    pub fn gather(&mut self, id: i64, act: &HandAct, addresses: &mut Addresses) -> Option<Fate> {
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
            HandAct::RuleAdded(rule) => self.added.add(row(rule)),
            HandAct::RuleRemoved(rule) => self.removed.add(row(rule)),
        }
        None
    }

    /// After everything that is given up.
    pub async fn run(self, write: &mut Statements, at: Timestamp) -> Result<(), Fault> {
        on_each(write, KEEP, &self.ignored).await?;
        ignore_flags(write, at, &self.ignored).await?;
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
        write.bulk("DELETE FROM rd_rules WHERE (user_id, kind, pattern) IN (", self.removed, ")").await?;
        write.bulk("INSERT INTO rd_rules (user_id, kind, pattern)", self.added, " ON CONFLICT DO NOTHING").await
    }
}

const KEEP: &str = concat!(
    "UPDATE rd_users SET state = 'kept', pending_reason = NULL, flagged_at = NULL, delete_after = NULL, \
     reasons_seen = '', former_address = NULL, former_username = NULL, transferred_to = NULL WHERE id ",
    any_of!("$1")
);

/// The flag of somebody kept stays in sight as ignored, until the user is active again or deleted.
async fn ignore_flags(write: &mut Statements, at: Timestamp, users: &[i64]) -> Result<(), Fault> {
    if !users.is_empty() {
        sqlx::query(concat!(
            "UPDATE rd_conflicts SET status = 'ignored', closed_at = $2 WHERE kind = 'pending-deletion' \
             AND status = 'open' AND user_id ",
            any_of!("$1")
        ))
        .bind(any_list(users))
        .bind(at.millis())
        .execute(write.connection())
        .await?;
    }
    Ok(())
}

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

pub(super) async fn remembered(database: &Database, user: UserId) -> Result<Remembered, Fault> {
    let row = sqlx::query("SELECT former_username, former_address FROM rd_users WHERE id = $1 AND state = 'deleted'")
        .bind(user.0)
        .fetch_optional(&mut *database.reader().await?)
        .await?;
    let Some(row) = row else { return Ok(Remembered::default()) };
    Ok(Remembered {
        username: row.try_get::<Option<&str>, _>(0)?.map(Into::into),
        address: row.try_get::<Option<&str>, _>(1)?.and_then(Address::parse),
    })
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
