//! `docs/configuration.md` and the completeness of `config/rosterd.example.toml`, from the schema.

use std::fmt::Write;

use super::document::{self, Raw};
use super::problem::Place;
use super::schema::{self, Default, Key, Type};
use super::typed;

/// The tables of `docs/configuration.md`: every key with meaning, default, limits, example and rules.
pub fn reference() -> String {
    let mut out = String::new();
    for table in schema::tables() {
        let title = match table.strip_suffix("[]") {
            Some(name) => format!("`[[{name}]]`"),
            None if table.is_empty() => "At the top".to_owned(),
            None => format!("`[{table}]`"),
        };
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\n### {title}\n\n| key | meaning | default | takes | example | rules |\n|---|---|---|---|---|---|\n"
        );
        for key in schema::keys().filter(|key| key.split().0 == table) {
            let (_, name) = key.split();
            let name = if name == "*" { "*any name*".to_owned() } else { format!("`{name}`") };
            let later = key
                .instead
                .map_or_else(String::new, |instead| format!(" *Read, but not acted on by this version: {instead}.*"));
            let cells = [
                name,
                format!("{}{later}", key.says),
                default(key),
                takes(key),
                format!("`{}`", key.example),
                key.rules.to_owned(),
            ];
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
    }
    out
}

fn default(key: &Key) -> String {
    match key.default {
        Default::Is(text) => format!("`{text}`"),
        Default::Required => "has to be given".to_owned(),
        Default::Like(other) => format!("`{}`", other.replace("[]", "")),
        Default::ByKind => "by kind".to_owned(),
        Default::Unset(means) => means.to_owned(),
    }
}

fn takes(key: &Key) -> String {
    match key.kind {
        Type::Flag => "`true`, `false`".to_owned(),
        Type::Number { least, most } => format!("{least} to {most}"),
        Type::Percent => "0 to 100".to_owned(),
        Type::Time { least, most, never } => {
            format!("duration, {least} to {most}{}", if never { ", or `\"never\"`" } else { "" })
        }
        Type::OneOf(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        Type::Text(form) => format!("{}, at most {} characters", form.words(), form.most()),
        Type::Optional(form) => format!("{}, at most {} characters; `\"\"` for none", form.words(), form.most()),
        Type::List(form) => format!("list of: {}, at most {} characters each", form.words(), form.most()),
        Type::Anything => "text, whole number, `true`, `false`".to_owned(),
    }
}

/// What an example configuration lacks: keys that do not stand in their table, not even behind a `#`, and defaults
/// that differ from the schema's. Empty when it is complete.
pub fn missing_from_example(text: &str) -> Vec<String> {
    let mut written = Vec::new();
    let mut table = String::new();
    for line in text.lines() {
        let bare = line.trim_start_matches(['#', ' ']);
        if let Some(name) = bare.strip_prefix("[[").and_then(|rest| rest.split_once("]]")) {
            table = format!("{}[]", name.0);
        } else if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            name.0.clone_into(&mut table);
        } else if let Some((name, value)) = bare.split_once(" = ") {
            let path = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
            written.push((path, value.to_owned(), line.starts_with('#')));
        }
    }
    let mut missing = Vec::new();
    for key in schema::keys() {
        let stands = |path: &str| match key.path.strip_suffix('*') {
            Some(table) => path.starts_with(table),
            None => path == key.path,
        };
        let Some((_, value, _)) = written.iter().find(|(path, _, _)| stands(path)) else {
            missing.push(format!("{} is missing", key.path));
            continue;
        };
        let shown = shown(key, value);
        if let Default::Is(default) = key.default
            && shown != typed::default_value(key, default)
            && !is_to_be_filled_in(key)
        {
            missing.push(format!("{} = {value} is not the default {default}", key.path));
        } else if shown.is_none() {
            missing.push(format!("{} = {value} is not a value of this key", key.path));
        }
    }
    missing.extend(
        written
            .iter()
            .filter(|(path, _, _)| schema::find(path).is_none())
            .map(|(path, _, _)| format!("{path} is no key")),
    );
    missing
}

/// Keys whose default is no use to a newcomer: the example shows a value to replace.
fn is_to_be_filled_in(key: &Key) -> bool {
    ["source.name", "source.bind_dn", "source.bind_password_file"].contains(&key.path)
}

/// The value of a line of the example, without the comment after it.
fn shown(key: &Key, value: &str) -> Option<typed::Value> {
    let place = Place::Variable(String::new());
    let mut end = value.len();
    loop {
        let text = value.get(..end)?.trim_end();
        match document::value(text, &place) {
            Some(Raw::Table(_)) | None => end = text.rfind('#')?,
            Some(_) => return typed::default_value(key, text),
        }
    }
}
