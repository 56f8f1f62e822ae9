//! What a person may write into people: accounts made by hand, and values set by hand (M1, M3, U2, S1).

use std::collections::BTreeSet;

use crate::plan::by_hand::{Rivals, named};
use crate::plan::refusal::Refusal;
use crate::plan::{Act, FieldChange, HandAct, Mark, UserChange, UserRef};
use crate::roster::{Account, Address, FieldId, FieldNames, Fields, Origin, State};

/// The longest value, in octets.
const LONGEST_VALUE: usize = 65_536;

/// An account that no directory gives (M1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAccount {
    /// Manual or smtp.
    pub origin: Origin,
    /// One value a field, the username among them.
    pub fields: Fields,
    /// The primary address.
    pub primary: Address,
}

/// One value to be set; `None` takes it away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Assignment {
    /// The primary address.
    Primary(Option<Address>),
    /// A field.
    Field(FieldId, Option<Box<str>>),
}

/// Adds an account: A3 and U7 hold, managed domains do not matter (M3).
///
/// # Errors
/// When somebody else has the address, bears the name, or a value is too long.
pub fn add(new: NewAccount, rivals: Rivals<'_>) -> Result<UserChange, Refusal> {
    let name = new.fields.first(FieldId::USERNAME).unwrap_or_default().to_owned();
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(Refusal::Value {
            field: "username".into(),
            says: "needs visible characters, and no control characters",
        });
    }
    fits(new.fields.iter().map(|(_, value)| value))?;
    free(&name, (&name, rivals.name), (new.primary.as_str(), rivals.address))?;
    let subject = UserRef::New(new.primary.key().digest());
    let acts = vec![Act::ByHand(HandAct::Added(Box::new(new)))];
    Ok(UserChange { subject, label: name.into(), unit: 0, acts, mark: None })
}

/// Sets values of somebody; what is so already is left out, so the acts may be none. `owned` are the fields that the
/// directory gives this user now: the username stands for the addresses, too.
///
/// # Errors
/// When deleted, when the directory owns a field (U2), when name or address is frozen (L4) or belongs to somebody else.
pub fn set(
    account: &Account,
    wanted: &[Assignment],
    owned: &BTreeSet<FieldId>,
    rivals: Rivals<'_>,
    names: &FieldNames,
) -> Result<UserChange, Refusal> {
    let who = account.label();
    if account.state == State::Deleted {
        return Err(Refusal::Deleted { who, id: account.uuid.to_string() });
    }
    let mut fields = Vec::new();
    for assignment in wanted {
        let (field, before, after) = match assignment {
            Assignment::Primary(after) => {
                (None, account.primary().map(ToString::to_string), after.as_ref().map(ToString::to_string))
            }
            Assignment::Field(field, after) => {
                (Some(*field), account.field(*field, names), after.as_deref().map(str::to_owned))
            }
        };
        let name = field.map_or("primary_address", |field| names.name(field));
        let identity = matches!(field, None | Some(FieldId::USERNAME));
        if owned.contains(&field.unwrap_or(FieldId::USERNAME)) {
            return Err(Refusal::Mapped { who, field: name.to_owned() });
        }
        if identity && matches!(account.state, State::Pending | State::Dormant) {
            return Err(Refusal::FrozenField { who, field: name.to_owned(), state: account.state });
        }
        if identity && after.is_none() {
            return Err(Refusal::Value { field: name.to_owned(), says: "cannot be taken away" });
        }
        fits(after.as_deref())?;
        if before != after {
            let boxed = |text: Option<String>| text.map(String::into_boxed_str);
            fields.push(FieldChange { field, before: boxed(before), after: boxed(after) });
        }
    }
    let other = |rival: Option<&'_ Account>| rival.is_some_and(|rival| rival.id != account.id);
    let after = |field: Option<FieldId>| {
        let change = fields.iter().find(|change| change.field == field);
        change.and_then(|change| change.after.as_deref()).unwrap_or_default()
    };
    let rivals = Rivals {
        name: rivals.name.filter(|rival| other(Some(*rival))),
        address: rivals.address.filter(|rival| other(Some(*rival))),
    };
    free(&who, (after(Some(FieldId::USERNAME)), rivals.name), (after(None), rivals.address))?;
    // What is set in a directory user while the source is switched off is compared again once it is on (U2).
    let mark = account.fingerprint.is_some().then(|| Mark {
        fingerprint: None,
        review_at: account.review_at,
        reasons_seen: account.reasons_seen.clone(),
        waits_since: account.waits_since,
    });
    let acts = if fields.is_empty() { Vec::new() } else { vec![Act::Updated(fields.into_boxed_slice())] };
    Ok(UserChange { subject: UserRef::Known(account.id), label: who.into(), unit: 0, acts, mark })
}

/// Name and address belong to nobody else.
fn free(
    who: &str,
    (name, bearer): (&str, Option<&Account>),
    (address, owner): (&str, Option<&Account>),
) -> Result<(), Refusal> {
    let taken = |what, thing: &str, by: &Account| {
        Err(Refusal::Claimed { who: who.to_owned(), what, thing: thing.to_owned(), by: named(by) })
    };
    match (bearer, owner) {
        (Some(by), _) => taken("username", name, by),
        (None, Some(by)) => taken("address", address, by),
        (None, None) => Ok(()),
    }
}

fn fits<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<(), Refusal> {
    if values.into_iter().any(|value| value.len() > LONGEST_VALUE) {
        return Err(Refusal::Value { field: "a field".into(), says: "has at most 64 kB" });
    }
    Ok(())
}
