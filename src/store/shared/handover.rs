//! What somebody has before and after everything of somebody else was handed over, told as a run tells it (B3).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sqlx::Row as _;

use super::dialect::Connection;
use super::groups::membership;
use super::read::accounts_of;
use super::users::event;
use super::word;
use super::write::{Event, Ledger};
use crate::plan::{Act, Grant, HandAct, NewUser, RightsAct, Rule, RuleKind, Via};
use crate::roster::{Account, Address, AddressKey, FieldId, FieldNames, Fields, State, UniqueId};
use crate::store::Stamp;
use crate::store::error::Fault;

/// Everything that hangs on one user.
pub(super) struct Holding {
    account: Account,
    role: Option<Box<str>>,
    memberships: BTreeMap<i64, Via>,
    rules: BTreeSet<Rule>,
    /// By privilege, and whether it was given by hand: what gives it.
    grants: BTreeMap<(Box<str>, bool), RightsAct>,
}

impl Holding {
    pub async fn of(connection: &mut Connection, user: i64) -> Result<Self, Fault> {
        let mut accounts = Vec::new();
        accounts_of(connection, &[user], &mut accounts).await?;
        let missing = || Fault::inconsistent("rd_users", user, "there is no such user");
        let account = accounts.pop().ok_or_else(missing)?;
        let role: Option<String> = sqlx::query_scalar("SELECT role FROM rd_users WHERE id = $1")
            .bind(user)
            .fetch_one(&mut *connection)
            .await?;
        let mut memberships = BTreeMap::new();
        let rows = sqlx::query("SELECT group_id, via FROM rd_memberships WHERE user_id = $1").bind(user);
        for row in &rows.fetch_all(&mut *connection).await? {
            let (group, via): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
            memberships.insert(group, word("rd_memberships", group, via, Via::parse(via))?);
        }
        let mut rules = BTreeSet::new();
        let rows = sqlx::query("SELECT kind, pattern FROM rd_rules WHERE user_id = $1").bind(user);
        for row in &rows.fetch_all(&mut *connection).await? {
            let kind = word("rd_rules", user, row.try_get(0)?, RuleKind::parse(row.try_get(0)?))?;
            rules.insert(Rule { kind, pattern: row.try_get::<&str, _>(1)?.into() });
        }
        let mut grants = BTreeMap::new();
        let rows = sqlx::query("SELECT privilege, group_key, group_dn FROM rd_grants WHERE user_id = $1").bind(user);
        for row in &rows.fetch_all(&mut *connection).await? {
            let (privilege, dn): (&str, Option<&str>) = (row.try_get(0)?, row.try_get(2)?);
            let gives = match row.try_get::<Option<&str>, _>(1)?.and_then(UniqueId::new) {
                Some(key) => {
                    let (privilege, dn) = (privilege.into(), dn.unwrap_or_default().into());
                    RightsAct::Granted(Box::new(Grant { privilege, key, dn }))
                }
                None => RightsAct::GivenByHand(privilege.into()),
            };
            grants.insert((privilege.into(), matches!(gives, RightsAct::GivenByHand(_))), gives);
        }
        Ok(Self { account, role: role.map(Into::into), memberships, rules, grants })
    }

    /// One event for each thing that is another one now, of the kinds that a run or an administrator writes.
    pub fn tell(&self, after: &Self, ledger: &mut Ledger, stamp: Stamp<'_>) {
        let user = self.account.id.0;
        let revived = self.account.state.tombstone() && !after.account.state.tombstone();
        for act in self.life(after, stamp.names) {
            event(ledger, stamp, user, &act);
        }
        if !revived {
            self.tell_fields(after, ledger, stamp);
            for act in self.places(after) {
                event(ledger, stamp, user, &act);
            }
        }
        for (group, via) in &after.memberships {
            if !self.memberships.contains_key(group) {
                ledger.record(stamp, membership(*group, user, None, Some(*via)));
            }
        }
        for rule in after.rules.difference(&self.rules) {
            event(ledger, stamp, user, &Act::ByHand(HandAct::RuleAdded(rule.clone())));
        }
        for (_, gives) in after.grants.iter().filter(|(one, _)| !self.grants.contains_key(*one)) {
            event(ledger, stamp, user, &Act::Rights(gives.clone()));
        }
    }

    /// What becomes of the state; somebody deleted who is back is told as a whole (L7).
    fn life(&self, after: &Self, names: &FieldNames) -> Vec<Act> {
        let (was, now) = (&self.account, &after.account);
        let mut acts = Vec::new();
        let mut from = was.state;
        if let Some(key) = now.key.clone().filter(|_| was.state.tombstone() && !now.state.tombstone()) {
            let extras = now.extra.keys().filter_map(|name| names.id(name));
            let values = FieldId::fixed().chain(extras).filter_map(|id| Some((id, now.field(id, names)?)));
            acts.push(Act::Revived(NewUser {
                key,
                dn: now.dn.as_deref().unwrap_or_default().into(),
                fields: Fields::new(values),
                primary: now.primary().cloned(),
                aliases: now.aliases().cloned().collect(),
                role: after.role.clone(),
            }));
            from = State::Active;
        }
        if (from, was.reason, was.delete_after) == (now.state, now.reason, now.delete_after) {
            return acts;
        }
        match (now.state, now.reason, now.flagged_at) {
            (State::Active, ..) if from != State::Active => acts.push(Act::Restored { from, reason: was.reason }),
            (State::Kept, ..) if from != State::Kept => {
                acts.push(Act::ByHand(HandAct::Kept { from, reason: was.reason, back: Default::default() }));
            }
            (State::Pending, Some(reason), Some(flagged_at)) => {
                let (delete_after, counted, detail) = (now.delete_after, None, "".into());
                acts.push(Act::Flagged { from, reason, flagged_at, delete_after, counted, detail });
            }
            _ => {}
        }
        acts
    }

    /// DN, aliases and role.
    fn places(&self, after: &Self) -> Vec<Act> {
        let (was, now) = (&self.account, &after.account);
        let mut acts = Vec::new();
        if was.dn != now.dn {
            let [before, after] = [was, now].map(|one| one.dn.as_deref().unwrap_or_default().into());
            acts.push(Act::Moved { before, after });
        }
        let aliases = |one: &Account| -> BTreeMap<AddressKey, Address> {
            one.aliases().map(|alias| (alias.key(), alias.clone())).collect()
        };
        let (had, has) = (aliases(was), aliases(now));
        let lost = had.iter().filter(|(key, _)| !has.contains_key(*key));
        acts.extend(lost.map(|(_, alias)| Act::AliasRemoved { address: alias.clone(), counted: false }));
        let gained = has.iter().filter(|(key, _)| !had.contains_key(*key));
        acts.extend(gained.map(|(_, alias)| Act::AliasAdded(alias.clone())));
        if self.role != after.role {
            let (before, after) = (self.role.clone(), after.role.clone());
            acts.push(Act::Rights(RightsAct::Role { before, after, counted: false }));
        }
        acts
    }

    /// Fields and primary address, whatever is mapped.
    fn tell_fields(&self, after: &Self, ledger: &mut Ledger, stamp: Stamp<'_>) {
        let (was, now) = (fields(&self.account, stamp.names), fields(&after.account, stamp.names));
        let differs = |name: &&String| was.get(*name) != now.get(*name);
        let changed: BTreeSet<&String> = was.keys().chain(now.keys()).filter(differs).collect();
        if changed.is_empty() {
            return;
        }
        let side = |of: &BTreeMap<String, Value>| -> Value {
            let value = |name: &&String| ((*name).clone(), of.get(*name).cloned().unwrap_or_default());
            changed.iter().map(value).collect::<Map<_, _>>().into()
        };
        let (before, after) = (Some(side(&was)), Some(side(&now)));
        let user = Some(self.account.id.0);
        ledger
            .record(stamp, Event { kind: "user.updated", rule: "I5", user, group: None, before, after, counted: None });
    }
}

/// What has a value, by column or extra name.
fn fields(account: &Account, names: &FieldNames) -> BTreeMap<String, Value> {
    let fixed = account.fields.iter().map(|(id, value)| (names.name(*id).to_owned(), json!(value)));
    let primary = account.primary().map(|primary| ("primary_address".to_owned(), json!(primary.as_str())));
    fixed.chain(account.extra.clone()).chain(primary).collect()
}
