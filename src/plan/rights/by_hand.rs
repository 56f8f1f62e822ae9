//! Privileges that a person gives and takes, beside every run (R2).

use super::RightsAct;
use crate::plan::refusal::{self, Refusal};
use crate::plan::{Act, UserChange, UserRef};
use crate::roster::Account;
use crate::roster::words::plural;

/// The longest name of a privilege, in octets.
const LONGEST: usize = 128;

/// Gives somebody a privilege; `local` are those given so far, `directory_only` those that only groups give.
///
/// # Errors
/// While pending (L4), when deleted, when it is there already, or when only the directory gives it.
pub fn give(
    account: &Account,
    local: &[String],
    privilege: &str,
    directory_only: &[String],
) -> Result<UserChange, Refusal> {
    refusal::editable(account, "grants")?;
    refusal::usable("a privilege", privilege, LONGEST)?;
    let who = account.label();
    let says = if directory_only.iter().any(|one| one == privilege) {
        format!(
            "`{privilege}` is given by the directory only (grant.directory_only); put `{who}` into one of its groups"
        )
    } else if local.iter().any(|one| one == privilege) {
        format!("`{who}` has the local grant `{privilege}` already")
    } else {
        return Ok(change(account, RightsAct::GivenByHand(privilege.into())));
    };
    Err(Refusal::Right { says })
}

/// Takes a privilege away that was given by hand; `givers` are the DNs of groups that give it, too.
///
/// # Errors
/// While pending (L4), when deleted, or when there is no such local grant.
pub fn take(
    account: &Account,
    (local, givers): (&[String], &[String]),
    privilege: &str,
) -> Result<UserChange, Refusal> {
    refusal::editable(account, "grants")?;
    if local.iter().any(|one| one == privilege) {
        return Ok(change(account, RightsAct::TakenByHand(privilege.into())));
    }
    let who = account.label();
    let says = match givers {
        [] => format!("`{who}` has no local grant `{privilege}`; `rosterd grants list` shows what there is"),
        givers => {
            let dns = givers.iter().map(|dn| format!("`{dn}`")).collect::<Vec<_>>().join(" and ");
            format!(
                "`{who}` has no local grant `{privilege}`: {dns} {} it. To end it, take the person out of that group in the \
                 directory; the next run, or `rosterd sync --user`, takes the grant",
                plural(givers.len() as u64, "gives", "give")
            )
        }
    };
    Err(Refusal::Right { says })
}

fn change(account: &Account, act: RightsAct) -> UserChange {
    let (subject, label) = (UserRef::Known(account.id), account.label().into());
    UserChange { subject, label, unit: 0, acts: vec![Act::Rights(act)], mark: None }
}
