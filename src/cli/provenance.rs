//! Where each value of a user comes from, and what changed it last, as far as the history knows.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::cli::render::change::shown;
use crate::config::Config;
use crate::directory::{Kind, Mapping};
use crate::roster::{AttributeUse, FieldId, FieldNames};
use crate::store::rows::{ChangeRow, UserRow};

/// What gave a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// The entry in the directory.
    Directory,
    /// A group of a `[[role]]`, or `users.default_role`.
    Role,
    /// `users.defaults`, when the person came in (U1).
    Default,
    /// An administrator.
    Hand,
    /// Neither a run nor a command wrote it: an application, or SQL.
    Application,
    /// The change is older than what is kept of the history.
    Unknown,
}

/// Where one value comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Provenance {
    /// Column, `alias`, or name in `extra`.
    pub field: String,
    /// The value.
    pub value: String,
    /// What gave it.
    pub from: From,
    /// The attributes of the directory that may give it.
    pub attributes: Vec<String>,
    /// The run that changed it last; none where no run did, or it is not known.
    pub run_id: Option<i64>,
    /// When it changed last.
    pub at: Option<String>,
}

/// Which attributes give each field: `primary_address` and `alias` share those of addresses. Empty when that is not
/// known.
pub type Attributes = BTreeMap<String, Vec<String>>;

/// The attributes of each field, by what each attribute is used for.
pub fn attributes(uses: &BTreeMap<String, BTreeSet<AttributeUse>>, names: &FieldNames) -> Attributes {
    let mut fields = Attributes::new();
    for (attribute, uses) in uses {
        for used in uses {
            let named: &[&str] = match used {
                AttributeUse::Field(field) => &[names.name(*field)],
                AttributeUse::Addresses => &["primary_address", "alias"],
                AttributeUse::Disabled => &[],
            };
            for name in named {
                fields.entry((*name).to_owned()).or_default().push(attribute.clone());
            }
        }
    }
    fields
}

/// The same without asking a server.
pub fn attributes_last_read(config: &Config, coverage: &BTreeMap<String, u64>) -> Attributes {
    let found = mapping_last_read(config, coverage);
    found.map(|mapping| attributes(mapping.uses(), mapping.names())).unwrap_or_default()
}

/// Of the kinds that the server may be, the one whose attributes the last complete run read.
pub fn mapping_last_read(config: &Config, coverage: &BTreeMap<String, u64>) -> Option<Mapping> {
    let kinds = config.source.kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
    let sure = kinds.len() == 1;
    let mut mappings = kinds.into_iter().filter_map(|kind| Mapping::resolve(kind, config.users.as_ref(), None).ok());
    let read = |mapping: &Mapping| sure || mapping.uses().keys().all(|name| coverage.contains_key(name));
    mappings.find(read)
}

/// Where every value of a user comes from, in the order in which they are shown.
pub fn of(user: &UserRow, history: &[ChangeRow], attributes: &Attributes) -> Vec<Provenance> {
    let values = values(user);
    values.into_iter().map(|(field, value)| one(&field, value, history, attributes)).collect()
}

fn values(user: &UserRow) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: Option<&String>| all.extend(value.map(|value| (name.to_owned(), value.clone())));
    add("dn", user.dn.as_ref());
    let columns = [
        &user.username,
        &user.user_principal_name,
        &user.display_name,
        &user.given_name,
        &user.surname,
        &user.home_phone,
        &user.mobile,
        &user.company,
        &user.department,
        &user.notes,
    ];
    for (name, value) in FieldId::COLUMNS.iter().zip(columns) {
        add(name, value.as_ref());
    }
    add("role", user.role.as_ref());
    add("primary_address", user.primary_address.as_ref());
    for alias in &user.aliases {
        add("alias", Some(alias));
    }
    let extra = user.extra.as_object().into_iter().flatten();
    all.extend(extra.map(|(name, value)| (name.clone(), shown(value))));
    all
}

fn one(field: &str, value: String, history: &[ChangeRow], attributes: &Attributes) -> Provenance {
    let given = attributes.get(field).cloned().unwrap_or_default();
    let last = history.iter().rev().find_map(|change| Some((change, after(change, field, &value)?)));
    // From then on the history is whole.
    let begins = history.iter().any(|change| matches!(change.kind.as_str(), "user.added" | "user.revived"));
    let written = last.as_ref().filter(|(_, after)| *after == value).map(|(change, _)| *change);
    let from = match written {
        Some(change) if change.run_id.is_none() => From::Hand,
        Some(_) if field == "role" => From::Role,
        Some(_) if field == "dn" || !given.is_empty() => From::Directory,
        // The mapping may have been another one then.
        Some(change) if !matches!(change.kind.as_str(), "user.added" | "user.revived") => From::Directory,
        Some(_) if attributes.is_empty() => From::Directory,
        Some(_) => From::Default,
        None if last.is_some() || begins => From::Application,
        None => From::Unknown,
    };
    let attributes = if from == From::Directory { given } else { Vec::new() };
    Provenance {
        field: field.to_owned(),
        value,
        from,
        attributes,
        run_id: written.and_then(|change| change.run_id),
        at: written.map(|change| change.at.clone()),
    }
}

/// What a change left a field at; an empty text when it took the value away, `None` when it is about something else.
fn after(change: &ChangeRow, field: &str, value: &str) -> Option<String> {
    let side = |side: &Option<Value>, key: &str| side.as_ref()?.get(key).map(shown);
    if field != "alias" {
        return side(&change.after, field).map(|text| if text == "-" { String::new() } else { text });
    }
    let is_it = |text: &String| text == value;
    match change.kind.as_str() {
        "alias.added" => side(&change.after, "address").filter(is_it),
        "alias.removed" => side(&change.before, "address").filter(is_it).map(|_| String::new()),
        "user.added" | "user.revived" => {
            let list = change.after.as_ref()?.get("aliases")?.as_array()?;
            list.iter().map(shown).find(is_it)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::render::tests::{change_row, user_row};

    fn change(seq: i64, kind: &str, run: Option<i64>, after: Value) -> ChangeRow {
        ChangeRow { run_id: run, after: Some(after), ..change_row(seq, kind, Some("u1"), None) }
    }

    fn told(user: &UserRow, history: &[ChangeRow]) -> Vec<(String, From, Option<i64>)> {
        let attributes = [("given_name", "givenname"), ("alias", "proxyaddresses"), ("primary_address", "mail")];
        let attributes = attributes.map(|(field, name)| (field.to_owned(), vec![name.to_owned()])).into();
        let of = of(user, history, &attributes);
        of.into_iter().map(|one| (one.field, one.from, one.run_id)).collect()
    }

    /// U1, U2: by attribute, by default, by hand, by role, by somebody else; a change tells the run.
    #[test]
    fn every_value_has_a_source_and_a_last_change() {
        let mut user = user_row("u1", "ada");
        (user.dn, user.username, user.display_name) = (Some("uid=ada".into()), None, None);
        (user.given_name, user.surname) = (Some("Augusta".into()), Some("X".into()));
        (user.primary_address, user.aliases) = (Some("ada@x.example".into()), vec!["a@x.example".into()]);
        (user.role, user.mobile) = (Some("admin".into()), Some("7".into()));
        user.extra = json!({ "plan": "standard", "seats": 3 });
        let added = json!({ "dn": "uid=ada", "given_name": "Ada", "primary_address": "ada@x.example", "plan": "standard",
            "aliases": ["a@x.example"], "surname": "L" });
        let history = [
            change(1, "user.added", Some(3), added),
            change(2, "user.updated", Some(5), json!({ "given_name": "Augusta" })),
            change(3, "role.changed", Some(6), json!({ "role": "admin" })),
            change(4, "user.updated", None, json!({ "mobile": "7" })),
        ];
        let is = |field: &str, from, run| (field.to_owned(), from, run);
        assert_eq!(
            told(&user, &history),
            [
                is("dn", From::Directory, Some(3)),
                is("given_name", From::Directory, Some(5)),
                is("surname", From::Application, None),
                is("mobile", From::Hand, None),
                is("role", From::Role, Some(6)),
                is("primary_address", From::Directory, Some(3)),
                is("alias", From::Directory, Some(3)),
                is("plan", From::Default, Some(3)),
                is("seats", From::Application, None),
            ]
        );
        // The beginning was dropped with old history.
        assert_eq!(told(&user, &history[1..])[2], is("surname", From::Unknown, None));
    }

    #[test]
    fn an_alias_that_came_again_is_of_the_run_that_brought_it_again() {
        let mut user = user_row("u1", "ada");
        user.aliases = vec!["a@x.example".into()];
        let alias = |seq, kind, run| change(seq, kind, Some(run), json!({ "address": "a@x.example" }));
        let mut lost = alias(2, "alias.removed", 4);
        std::mem::swap(&mut lost.before, &mut lost.after);
        let history = [alias(1, "alias.added", 3), lost, alias(3, "alias.added", 5)];
        let found = told(&user, &history).into_iter().find(|(field, ..)| field == "alias").unwrap();
        assert_eq!((found.1, found.2), (From::Directory, Some(5)));
    }
}
