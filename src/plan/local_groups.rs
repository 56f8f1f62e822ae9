//! Groups that a person makes in the store, beside every run (G9).

use crate::plan::refusal::{self, Refusal};
use crate::plan::{GroupAct, GroupChange, GroupId, GroupRef, UserRef, Via};
use crate::roster::address::fold;
use crate::roster::{Account, Digest, UserId};

/// The longest name, in octets.
const LONGEST: usize = 256;

/// A local group as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalGroup {
    /// Row.
    pub id: GroupId,
    /// Name.
    pub name: Box<str>,
    /// Who is in it, in order.
    pub members: Vec<UserId>,
}

/// Makes a group; `names` are those of all groups that are not deleted.
///
/// # Errors
/// When the name is none, or belongs to a group already.
pub fn make(name: &str, names: &[String]) -> Result<GroupChange, Refusal> {
    refusal::usable("the name of a group", name, LONGEST)?;
    if names.iter().any(|other| fold(other) == fold(name)) {
        let says = format!("there is a group called `{name}` already; `rosterd groups show '{name}'` shows it");
        return Err(Refusal::Right { says });
    }
    Ok(change(GroupRef::New(Digest::of(name)), name, Some(GroupAct::Made { name: name.into() })))
}

/// Deletes a group; its members leave it.
pub fn delete(group: &LocalGroup) -> GroupChange {
    let leaves = group.members.iter().map(|user| (*user, Via::Local)).collect();
    GroupChange { leaves, ..change(GroupRef::Known(group.id), &group.name, Some(GroupAct::Unmade)) }
}

/// Puts somebody into a group.
///
/// # Errors
/// While pending (L4), when deleted, or when already in it.
pub fn join(group: &LocalGroup, account: &Account) -> Result<GroupChange, Refusal> {
    refusal::editable(account, "memberships")?;
    if group.members.contains(&account.id) {
        let says = format!("`{}` is in `{}` already", account.label(), group.name);
        return Err(Refusal::Right { says });
    }
    let joins = vec![(UserRef::Known(account.id), Via::Local)];
    Ok(GroupChange { joins, ..change(GroupRef::Known(group.id), &group.name, None) })
}

/// Takes somebody out of a group.
///
/// # Errors
/// While pending (L4), when deleted, or when not in it.
pub fn leave(group: &LocalGroup, account: &Account) -> Result<GroupChange, Refusal> {
    refusal::editable(account, "memberships")?;
    if !group.members.contains(&account.id) {
        let says = format!("`{}` is not in `{}`; `rosterd groups show` lists who is", account.label(), group.name);
        return Err(Refusal::Right { says });
    }
    let leaves = vec![(account.id, Via::Local)];
    Ok(GroupChange { leaves, ..change(GroupRef::Known(group.id), &group.name, None) })
}

fn change(subject: GroupRef, name: &str, act: Option<GroupAct>) -> GroupChange {
    GroupChange {
        subject,
        name: name.into(),
        acts: act.into_iter().collect(),
        joins: Vec::new(),
        leaves: Vec::new(),
        counted: Vec::new(),
        changed: Vec::new(),
    }
}
