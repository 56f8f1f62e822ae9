//! What a person may do to people, beside every run (L8, L4, M1).
//!
//! The same invariants hold as for a run: an address has one owner (A3), a name one bearer with access (U7).

use serde_json::{Map, Value, json};

use crate::plan::manual::NewAccount;
use crate::plan::refusal::{self, Refusal};
use crate::plan::{Act, Mark, UserChange, UserRef};
use crate::roster::account::written;
use crate::roster::{Account, Address, FieldId, FieldNames, PendingReason, State};

/// What an entry of a user's rules does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RuleKind {
    /// Lets pass.
    Allow,
    /// Keeps out.
    Deny,
}

written!(RuleKind { Allow = "allow", Deny = "deny" });

/// One allow or deny entry of a user. What the pattern means is the application's business.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rule {
    /// Allow or deny.
    pub kind: RuleKind,
    /// As written.
    pub pattern: Box<str>,
}

/// The longest pattern, in octets.
const LONGEST_PATTERN: usize = 1_000;

/// What a tombstone gets back of what it is recognised by, in compared form (L6); nothing of anybody else.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Remembered {
    /// The username it bore.
    pub username: Option<Box<str>>,
    /// The primary address it had.
    pub address: Option<Address>,
}

impl Remembered {
    /// Of this account.
    pub fn of(account: &Account) -> Self {
        let Some(former) = &account.former else { return Self::default() };
        let address = former.address.as_ref().and_then(|address| Address::parse(address.as_str()));
        Self { username: former.username.as_deref().map(Into::into), address }
    }
}

/// One thing that a person did to one user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HandAct {
    /// The flag is ignored, or a tombstone comes back: access, until none of L2's reasons holds any more (L8).
    Kept {
        /// Pending or deleted.
        from: State,
        /// Why it was pending.
        reason: Option<PendingReason>,
        /// What a tombstone gets back.
        back: Remembered,
    },
    /// Deleted now (L8).
    Deleted {
        /// State before.
        from: State,
        /// Why it was pending.
        reason: Option<PendingReason>,
        /// The internal id of who got the rules, and whatever the application hands over.
        transferred_to: Option<uuid::Uuid>,
    },
    /// Nothing personal is left anywhere (B3).
    Erased,
    /// An account that no directory gives is made (M1).
    Added(Box<NewAccount>),
    /// An entry is made.
    RuleAdded(Rule),
    /// An entry is taken away.
    RuleRemoved(Rule),
}

impl HandAct {
    /// The event's name.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Kept { .. } => "user.kept",
            Self::Deleted { .. } => "user.deleted",
            Self::Erased => "user.erased",
            Self::Added(_) => "user.added",
            Self::RuleAdded(_) => "rule.added",
            Self::RuleRemoved(_) => "rule.removed",
        }
    }

    /// The rule that allows it.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Kept { .. } | Self::Deleted { .. } => "L8",
            Self::Erased => "B3",
            Self::Added(_) => "M1",
            Self::RuleAdded(_) | Self::RuleRemoved(_) => "L4",
        }
    }

    /// `before` and `after` of the change feed.
    pub fn before_after(&self, names: &FieldNames) -> (Option<Value>, Option<Value>) {
        let state = |state: &State, reason: &Option<PendingReason>| json!({ "state": state.as_str(), "pending_reason": reason.map(PendingReason::as_str) });
        let entry = |rule: &Rule| json!({ "kind": rule.kind.as_str(), "pattern": rule.pattern });
        match self {
            Self::Kept { from, reason, back } if *from == State::Deleted => {
                let address = back.address.as_ref().map(Address::as_str);
                let after =
                    json!({ "state": State::Kept.as_str(), "username": back.username, "primary_address": address });
                (Some(state(from, reason)), Some(after))
            }
            Self::Kept { from, reason, .. } => {
                (Some(state(from, reason)), Some(json!({ "state": State::Kept.as_str() })))
            }
            Self::Deleted { from, reason, transferred_to } => {
                let after = json!({ "state": State::Deleted.as_str(), "transferred_to": transferred_to.map(|heir| heir.to_string()) });
                (Some(state(from, reason)), Some(after))
            }
            Self::Erased => (None, None),
            Self::Added(new) => {
                let mut all: Map<String, Value> = Map::new();
                all.insert("origin".into(), json!(new.origin.as_str()));
                all.insert("primary_address".into(), json!(new.primary.as_str()));
                all.extend(new.fields.iter().map(|(field, value)| (names.name(field).to_owned(), json!(value))));
                (None, Some(Value::Object(all)))
            }
            Self::RuleAdded(rule) => (None, Some(entry(rule))),
            Self::RuleRemoved(rule) => (Some(entry(rule)), None),
        }
    }
}

/// Who gets the rules of somebody who is deleted.
#[derive(Clone, Copy, Debug)]
pub struct Heir<'a> {
    /// The user.
    pub account: &'a Account,
    /// The rules it has.
    pub rules: &'a [Rule],
}

/// Deletes somebody now, whatever the state, and hands the rules over (L8). Where both have an entry for one pattern,
/// the heir's own stays.
///
/// # Errors
/// When already deleted, or when the heir is the same person or has no access.
pub fn delete(account: &Account, rules: &[Rule], heir: Option<Heir<'_>>) -> Result<Vec<UserChange>, Refusal> {
    if account.state == State::Deleted {
        return Err(Refusal::Deleted { who: account.label(), id: account.uuid.to_string() });
    }
    let mut changes = Vec::new();
    if let Some(heir) = heir {
        if heir.account.id == account.id {
            return Err(Refusal::OwnHeir { who: account.label() });
        }
        if !heir.account.state.access() {
            return Err(Refusal::NoHeir { heir: named(heir.account), state: heir.account.state });
        }
        let new = rules.iter().filter(|rule| heir.rules.iter().all(|own| own.pattern != rule.pattern));
        let acts: Vec<Act> = new.map(|rule| Act::ByHand(HandAct::RuleAdded(rule.clone()))).collect();
        changes.extend((!acts.is_empty()).then(|| change(heir.account, acts, None)));
    }
    let transferred_to = heir.map(|heir| heir.account.uuid);
    let act = HandAct::Deleted { from: account.state, reason: account.reason, transferred_to };
    changes.push(change(account, vec![Act::ByHand(act)], None));
    Ok(changes)
}

/// Who else has what somebody needs to have access again.
#[derive(Clone, Copy, Default, Debug)]
pub struct Rivals<'a> {
    /// Who bears the name, with access.
    pub name: Option<&'a Account>,
    /// Who has the address that a tombstone remembers.
    pub address: Option<&'a Account>,
}

/// Ignores the flag of somebody pending (L8).
///
/// # Errors
/// When not pending, or when the name belongs to somebody else.
pub fn ignore(account: &Account, rivals: Rivals<'_>) -> Result<UserChange, Refusal> {
    if account.state != State::Pending {
        return Err(Refusal::NotPending { who: account.label(), state: account.state });
    }
    keep(account, Remembered::default(), rivals)
}

/// Gives access back to somebody pending or deleted (L8). A tombstone comes back with name and primary address; the
/// next run adds what the directory says, rules and aliases are not restored.
///
/// # Errors
/// When neither, or when the name, or a tombstone's address, belongs to somebody else.
pub fn restore(account: &Account, rivals: Rivals<'_>) -> Result<UserChange, Refusal> {
    let remembered = Remembered::of(account);
    match account.state {
        State::Pending => keep(account, Remembered::default(), rivals),
        State::Deleted if remembered == Remembered::default() => Err(Refusal::NothingLeft { who: account.label() }),
        State::Deleted => keep(account, remembered, rivals),
        state => Err(Refusal::NotGone { who: account.label(), state }),
    }
}

fn keep(account: &Account, back: Remembered, rivals: Rivals<'_>) -> Result<UserChange, Refusal> {
    let name = account.fields.get(&FieldId::USERNAME).map(String::as_str).or(back.username.as_deref());
    let who = name.map_or_else(|| account.label(), str::to_owned);
    let others = |rival: Option<&Account>| rival.filter(|rival| rival.id != account.id).map(named);
    let address = back.address.as_ref().map(Address::as_str).unwrap_or_default().to_owned();
    if let Some(by) = others(rivals.name) {
        let thing = name.unwrap_or_default().to_owned();
        return Err(Refusal::Taken { who, what: "username", thing, by });
    }
    if let Some(by) = others(rivals.address) {
        return Err(Refusal::Taken { who, what: "address", thing: address, by });
    }
    // Without a fingerprint the next run looks at the entry again: the reason may be over already.
    let mark = Mark { fingerprint: None, review_at: None, reasons_seen: Vec::new(), waits_since: None };
    let act = HandAct::Kept { from: account.state, reason: account.reason, back };
    Ok(UserChange { label: who.into(), ..change(account, vec![Act::ByHand(act)], Some(mark)) })
}

/// Removes whatever is left of somebody deleted, unique id included: a return is somebody new (B3).
///
/// # Errors
/// When not deleted. It may be done again: something may have been told of the person since.
pub fn erase(account: &Account) -> Result<UserChange, Refusal> {
    if account.state != State::Deleted {
        return Err(Refusal::NotDeleted { who: account.label(), state: account.state });
    }
    Ok(change(account, vec![Act::ByHand(HandAct::Erased)], None))
}

/// Makes an entry; one of the other kind with the same pattern gives way, the last word counts.
///
/// # Errors
/// While pending (L4), when deleted, when it is there already, or when the pattern is none.
pub fn add_rule(account: &Account, rules: &[Rule], rule: Rule) -> Result<UserChange, Refusal> {
    refusal::editable(account, "rules")?;
    refusal::usable("a pattern", &rule.pattern, LONGEST_PATTERN)?;
    if rules.contains(&rule) {
        return Err(Refusal::Rule { who: account.label(), pattern: rule.pattern.into(), there: true });
    }
    let other = rules.iter().filter(|other| other.pattern == rule.pattern).cloned().map(HandAct::RuleRemoved);
    let acts = other.chain([HandAct::RuleAdded(rule.clone())]).map(Act::ByHand).collect();
    Ok(change(account, acts, None))
}

/// Takes the entries with a pattern away.
///
/// # Errors
/// While pending (L4), when deleted, or when there is none.
pub fn remove_rule(account: &Account, rules: &[Rule], pattern: &str) -> Result<UserChange, Refusal> {
    refusal::editable(account, "rules")?;
    let gone = rules.iter().filter(|rule| &*rule.pattern == pattern).cloned();
    let acts: Vec<Act> = gone.map(|rule| Act::ByHand(HandAct::RuleRemoved(rule))).collect();
    if acts.is_empty() {
        return Err(Refusal::Rule { who: account.label(), pattern: pattern.to_owned(), there: false });
    }
    Ok(change(account, acts, None))
}

fn change(account: &Account, acts: Vec<Act>, mark: Option<Mark>) -> UserChange {
    UserChange { subject: UserRef::Known(account.id), label: account.label().into(), unit: 0, acts, mark }
}

/// A user as a refusal names one: two people may well have one label.
pub(super) fn named(account: &Account) -> String {
    match account.primary() {
        Some(primary) if primary.as_str() != account.label() => format!("`{}` ({primary})", account.label()),
        _ => format!("`{}` ({})", account.label(), account.uuid),
    }
}
