//! One recorded change as one line.

use std::collections::{BTreeSet, HashMap};

use anstyle::Style;
use serde_json::{Map, Value};

use crate::cli::render::moment_text;
use crate::cli::{escape, style};
use crate::store::rows::{ChangeRow, GroupRow, UserRow};

/// The widest description of one change, in columns.
const LINE: usize = 600;
/// The widest single value in it.
const VALUE: usize = 80;

/// What people call the users and groups that changes speak of, by UUID.
#[derive(Clone, Default, Debug)]
pub struct Names(HashMap<String, String>);

impl Names {
    /// Remembers users.
    pub fn users<'a>(&mut self, rows: impl IntoIterator<Item = &'a UserRow>) {
        for row in rows {
            self.0.insert(row.id.clone(), user_label(row));
        }
    }

    /// Remembers groups.
    pub fn groups<'a>(&mut self, rows: impl IntoIterator<Item = &'a GroupRow>) {
        for row in rows {
            self.0.insert(row.id.clone(), row.name.clone());
        }
    }

    /// The name of one of them; of somebody deleted the name the change itself remembers, else the id.
    fn of(&self, id: &str, change: &ChangeRow) -> String {
        let remembered = || {
            let sides = [&change.after, &change.before];
            let word = |key: &str| sides.iter().find_map(|side| Some(side.as_ref()?.get(key)?.as_str()?.to_owned()));
            ["username", "name", "primary_address", "dn"].into_iter().find_map(word)
        };
        self.0.get(id).filter(|name| *name != id).cloned().or_else(remembered).unwrap_or_else(|| id.to_owned())
    }
}

/// What a person calls a user: username, else primary address, else DN, else the internal id.
pub fn user_label(row: &UserRow) -> String {
    let known = row.username.as_ref().or(row.primary_address.as_ref()).or(row.dn.as_ref());
    known.unwrap_or(&row.id).clone()
}

/// The sign of an event and its colour.
pub fn sign(event: &str) -> (char, Style) {
    match event.rsplit_once('.').map_or(event, |(_, verb)| verb) {
        "added" | "restored" | "revived" | "relinked" | "woken" | "kept" => ('+', style::GAIN),
        "removed" | "flagged" | "deleted" | "dormant" | "erased" => ('-', style::LOSS),
        "opened" => ('!', style::ALARM),
        _ => ('~', style::CHANGE),
    }
}

/// What a change of one user is about besides the user: the group, for a membership.
pub fn other_subject(change: &ChangeRow, names: &Names) -> String {
    let name = |id: &String| format!("in {}", escape::cut(&names.of(id, change), 40));
    change.group_id.as_ref().map(name).unwrap_or_default()
}

/// Who or what a change is about: `ada`, or `ada in sales` for a membership.
pub fn subject(change: &ChangeRow, names: &Names) -> String {
    let name = |id: &Option<String>| id.as_ref().map(|id| escape::cut(&names.of(id, change), 40).into_owned());
    match (name(&change.user_id), name(&change.group_id)) {
        (Some(user), Some(group)) => format!("{user} in {group}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "-".to_owned(),
    }
}

/// What changed: `mobile: 1 -> 2`, or `key=value` where there is only one side.
pub fn details(change: &ChangeRow) -> String {
    let said = match (object(&change.before), object(&change.after)) {
        (Some(before), Some(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let side = |map: &Map<String, Value>, key: &str| {
                map.get(key).map_or_else(|| "-".to_owned(), |one| brief(key, one))
            };
            let differing = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
            let pair = |key: &String| match (before.contains_key(key), after.get(key)) {
                (false, Some(value)) if told(value) => Some(format!("{key}={}", brief(key, value))),
                (false, _) => None,
                (true, _) => Some(format!("{key}: {} -> {}", side(before, key), side(after, key))),
            };
            differing.filter_map(pair).collect::<Vec<_>>()
        }
        (Some(one), None) | (None, Some(one)) => one
            .iter()
            .filter(|(_, value)| told(value))
            .map(|(key, value)| format!("{key}={}", brief(key, value)))
            .collect(),
        (None, None) => Vec::new(),
    };
    escape::cut(&said.join(", "), LINE).into_owned()
}

fn object(side: &Option<Value>) -> Option<&Map<String, Value>> {
    side.as_ref().and_then(Value::as_object)
}

fn told(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()) && value != ""
}

/// A value in few columns; dates that rosterd set as people read them.
fn brief(key: &str, value: &Value) -> String {
    let text = shown(value);
    let text =
        if ["delete_after", "flagged_at"].contains(&key) && !value.is_null() { moment_text(&text) } else { text };
    escape::cut(&text, VALUE).into_owned()
}

/// A value as people read it: text bare, lists joined, nothing as `-`.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}
