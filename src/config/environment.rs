//! Values from the environment: `ROSTERD_SOURCE__BIND_DN` stands for `source.bind_dn` and wins over every file.

use std::path::PathBuf;

use super::document::{Node, Raw, Table, value};
use super::nearest;
use super::problem::{Fault, Place, Problem, Problems};
use super::schema::{self, Type};
use crate::clock::{Clock, SystemClock, Timestamp, environment, environment_with_prefix};

const PREFIX: &str = "ROSTERD_";

/// What a configuration takes from its surroundings.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Variables whose name begins with `ROSTERD_`.
    pub variables: Vec<(String, String)>,
    /// systemd's `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
    /// The time, by which a schedule that lies wholly in the past is told.
    pub now: Timestamp,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        Self {
            variables: environment_with_prefix(PREFIX),
            credentials: environment("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            now: SystemClock.now(),
        }
    }
}

/// The variable that stands for a key.
pub fn variable(key: &str) -> String {
    let words = key.replace("[]", ".0").replace('.', "__");
    format!("{PREFIX}{}", words.to_ascii_uppercase())
}

/// Lays the variables over the files.
pub fn overlay(table: &mut Table, variables: &[(String, String)], problems: &mut Problems, notes: &mut Vec<Problem>) {
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if rest.starts_with("TEST_") || matches!(rest, "CONFIG" | "LOG") {
            continue;
        }
        let place = Place::Variable(name.clone());
        let path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
        let dotted = pattern(&path);
        if path.len() == 1 && !schema::is_table(&format!("{dotted}[]")) {
            if let Some(key) = schema::keys().find(|key| key.path.replace('.', "_") == dotted && key.path != dotted) {
                let fault = Fault::new("this variable is not read", format!("did you mean {}?", variable(key.path)));
                notes.push(Problem { place, key: key.path.to_owned(), fault });
            }
            continue;
        }
        match raw(&dotted, text, &place) {
            Some(raw) => put(table, &path, Node { place, raw }, problems),
            None => problems.add(place, dotted.clone(), nearest::unknown(&dotted, variable)),
        }
    }
}

/// The key of the schema, with `[]` for numbers.
fn pattern(path: &[String]) -> String {
    let mut dotted = String::new();
    for word in path {
        if word.bytes().all(|b| b.is_ascii_digit()) && !word.is_empty() {
            dotted.push_str("[]");
        } else {
            dotted.push_str(if dotted.is_empty() { "" } else { "." });
            dotted.push_str(word);
        }
    }
    dotted
}

/// A variable's text as the value that its key takes; `None` when there is no such key.
fn raw(key: &str, text: &str, place: &Place) -> Option<Raw> {
    let toml = || value(text, place);
    if schema::is_table(&format!("{key}[]")) {
        return Some(toml().unwrap_or_else(|| Raw::Text(text.to_owned())));
    }
    let text_of = |text: &str| Raw::Text(text.to_owned());
    Some(match schema::find(key).filter(|key| key.path != "include")?.kind {
        Type::Flag | Type::Number { .. } | Type::Percent => toml().unwrap_or_else(|| text_of(text)),
        Type::List(_) if text.trim_start().starts_with('[') => toml().unwrap_or_else(|| text_of(text)),
        Type::List(form) => {
            let parts: Vec<&str> = if form.has_commas() { vec![text] } else { text.split(',').collect() };
            let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
            Raw::List(parts.map(|part| Node { place: place.clone(), raw: text_of(part) }).collect())
        }
        Type::Time { .. } | Type::OneOf(_) | Type::Text(_) | Type::Optional(_) | Type::Anything => text_of(text),
    })
}

fn put(table: &mut Table, path: &[String], node: Node, problems: &mut Problems) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(second) = rest.first() else {
        table.insert(first.clone(), node);
        return;
    };
    let place = node.place.clone();
    let below = |raw| Node { place: place.clone(), raw };
    let entry = table.entry(first.clone()).or_insert_with(|| below(Raw::Table(Table::new())));
    if let Ok(number) = second.parse::<usize>() {
        if !matches!(entry.raw, Raw::List(_)) {
            entry.raw = Raw::List(Vec::new());
        }
        let Raw::List(items) = &mut entry.raw else { return };
        if number == items.len() {
            items.push(below(Raw::Table(Table::new())));
        }
        match (items.get_mut(number).map(|item| &mut item.raw), rest.get(1..)) {
            (Some(Raw::Table(item)), Some(rest)) => put(item, rest, node, problems),
            _ => {
                let fault =
                    Fault::new(format!("there is no [[{first}]] number {number}"), "count from 0, without gaps");
                problems.add(place, first.clone(), fault);
            }
        }
        return;
    }
    if !matches!(entry.raw, Raw::Table(_)) {
        *entry = below(Raw::Table(Table::new()));
    }
    if let Raw::Table(inner) = &mut entry.raw {
        put(inner, rest, node, problems);
    }
}
