//! The tree of a document, read by the schema: typed values with their places, defaults filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::document::{Node, Raw, Table, value};
use super::forms;
use super::nearest;
use super::problem::{Fault, Place, Problems};
use super::schema::{self, Default, Form, Key, Type};

/// One item of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Item {
    /// Its text.
    pub text: String,
    /// Where it stands; `None` for a default.
    pub place: Option<Place>,
}

/// A checked value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A text; empty only where the type is [`Type::Optional`].
    Text(String),
    /// A whole number.
    Number(u64),
    /// A percentage.
    Percent(f64),
    /// A flag.
    Flag(bool),
    /// A duration.
    Time(Duration),
    /// Instead of a duration.
    Never,
    /// A list.
    List(Vec<Item>),
}

/// Every value by its path; items of tables that stand several times have their number from 0 in brackets.
#[derive(Clone, Default, Debug)]
pub struct Values {
    settings: BTreeMap<String, (Value, Option<Place>)>,
    counts: BTreeMap<&'static str, usize>,
    tables: BTreeMap<String, Place>,
    broken: BTreeSet<String>,
    file: Option<Place>,
}

impl Values {
    /// The value at a path, given or default.
    pub fn value(&self, path: &str) -> Option<&Value> {
        self.settings.get(path).map(|(value, _)| value)
    }

    /// A text that is not empty.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.value(path) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A flag; `false` where there is none.
    pub fn flag(&self, path: &str) -> bool {
        matches!(self.value(path), Some(Value::Flag(true)))
    }

    /// A number; 0 where there is none.
    pub fn number(&self, path: &str) -> u64 {
        if let Some(Value::Number(number)) = self.value(path) { *number } else { 0 }
    }

    /// A duration; `None` where there is none, or "never".
    pub fn time(&self, path: &str) -> Option<Duration> {
        if let Some(Value::Time(time)) = self.value(path) { Some(*time) } else { None }
    }

    /// A list.
    pub fn list(&self, path: &str) -> Option<&[Item]> {
        if let Some(Value::List(items)) = self.value(path) { Some(items) } else { None }
    }

    /// The texts of a list.
    pub fn texts(&self, path: &str) -> Option<Vec<String>> {
        Some(self.list(path)?.iter().map(|item| item.text.clone()).collect())
    }

    /// How many tables of this path (without `[]`) stand there; `None` when it is not mentioned.
    pub fn count(&self, table: &str) -> Option<usize> {
        self.counts.get(table).copied()
    }

    /// The names of the operator's choice in a table, with their texts.
    pub fn named(&self, table: &str) -> BTreeMap<String, String> {
        let prefix = format!("{table}.");
        let mut named = BTreeMap::new();
        for (path, (value, _)) in self.settings.range(prefix.clone()..) {
            let (Some(name), Value::Text(text)) = (path.strip_prefix(&prefix), value) else { break };
            named.insert(name.to_owned(), text.clone());
        }
        named
    }

    /// Whether the operator gave this key.
    pub fn is_given(&self, path: &str) -> bool {
        self.settings.get(path).is_some_and(|(_, place)| place.is_some())
    }

    /// Whether something was wrong with this key or its table already.
    pub fn is_broken(&self, path: &str) -> bool {
        self.broken.iter().any(|broken| {
            path.strip_prefix(broken.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Where a key stands, else its table, else the file.
    pub fn place(&self, path: &str) -> Place {
        let given = self.settings.get(path).and_then(|(_, place)| place.clone());
        let above = || path.rsplit_once('.').and_then(|(table, _)| self.tables.get(table));
        let first = || self.tables.get(&format!("{path}[0]"));
        let table = || self.tables.get(path).or_else(first).or_else(above).cloned();
        let file = || self.file.clone().unwrap_or_else(|| Place::whole(Path::new("")));
        given.or_else(table).unwrap_or_else(file)
    }

    /// Puts a value that follows from others.
    pub fn settle(&mut self, path: String, value: Value) {
        self.settings.insert(path, (value, None));
    }

    /// Says how many tables there are.
    pub fn settle_count(&mut self, table: &'static str, count: usize) {
        self.counts.insert(table, count);
    }
}

/// Reads a document by the schema. `whole` says whether everything that was written is in it.
pub fn read(table: &Table, main: &Path, whole: bool, problems: &mut Problems) -> Values {
    let folder = main.parent().unwrap_or(Path::new(""));
    let values = Values { file: Some(Place::whole(main)), ..Values::default() };
    let mut walk = Walk { values, folder, problems };
    walk.table(table, "", "");
    walk.defaults(whole);
    walk.likes();
    walk.values
}

struct Walk<'a> {
    values: Values,
    folder: &'a Path,
    problems: &'a mut Problems,
}

fn below(table: &str, name: &str) -> String {
    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
}

/// The path as it is shown: without the numbers that only tell tables apart.
fn shown(path: &str) -> String {
    path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect()
}

impl Walk<'_> {
    fn problem(&mut self, place: &Place, path: &str, fault: Fault) {
        self.values.broken.insert(path.to_owned());
        self.problems.add(place.clone(), shown(path), fault);
    }

    fn table(&mut self, table: &Table, pattern: &str, path: &str) {
        for (name, node) in table {
            let (pattern, path) = (below(pattern, name), below(path, name));
            let several = schema::tables().into_iter().find(|known| known.strip_suffix("[]") == Some(&pattern));
            if let Some(several) = several {
                self.several(node, several, &path);
            } else if schema::is_table(&pattern) {
                match &node.raw {
                    Raw::Table(inner) => {
                        self.values.tables.insert(path.clone(), node.place.clone());
                        self.table(inner, &pattern, &path);
                    }
                    other => {
                        let fault = Fault::new(
                            format!("{} where a table is needed", other.words()),
                            format!("write it as [{pattern}]"),
                        );
                        self.problem(&node.place, &path, fault);
                    }
                }
            } else if let Some(key) = schema::find(&pattern) {
                self.key(key, node, &path);
            } else {
                if let Some(meant) = nearest::key(&pattern) {
                    let meant = meant.rsplit('.').next().unwrap_or(meant);
                    let sibling = path.rsplit_once('.').map_or_else(|| meant.to_owned(), |(up, _)| below(up, meant));
                    self.values.broken.insert(sibling);
                }
                let fault = nearest::unknown(&pattern, |key| key.replace("[]", ""));
                self.problem(&node.place, &path, fault);
            }
        }
    }

    fn several(&mut self, node: &Node, table: &'static str, path: &str) {
        let name = table.trim_end_matches("[]");
        let remedy = || format!("write it as [[{name}]]");
        let Raw::List(items) = &node.raw else {
            return self.problem(&node.place, path, Fault::new("this table may stand several times", remedy()));
        };
        self.values.counts.insert(name, items.len());
        for (n, item) in items.iter().enumerate() {
            let path = format!("{path}[{n}]");
            match &item.raw {
                Raw::Table(inner) => {
                    self.values.tables.insert(path.clone(), item.place.clone());
                    self.table(inner, table, &path);
                }
                other => {
                    let fault = Fault::new(format!("{} where a table is needed", other.words()), remedy());
                    self.problem(&item.place, &path, fault);
                }
            }
        }
    }

    fn key(&mut self, key: &Key, node: &Node, path: &str) {
        let folder = match &node.place {
            Place::File { file, .. } => file.parent().unwrap_or(Path::new("")).to_owned(),
            Place::Variable(_) => self.folder.to_owned(),
        };
        match convert(key, node, &folder) {
            Ok(value) => {
                self.values.settings.insert(path.to_owned(), (value, Some(node.place.clone())));
            }
            Err(faults) => {
                for (place, fault) in faults {
                    self.problem(&place, path, fault);
                }
            }
        }
    }

    fn defaults(&mut self, whole: bool) {
        for key in schema::keys().filter(|key| !key.path.ends_with('*') && key.path != "include") {
            for path in self.paths(key) {
                if self.values.settings.contains_key(&path) {
                    continue;
                }
                if let Default::Is(text) = key.default {
                    if let Some(value) = default_value(key, text) {
                        self.values.settle(path, value);
                    }
                } else if key.default == Default::Required && whole && !self.values.is_broken(&path) {
                    let place = self.values.place(&path);
                    let (_, name) = key.split();
                    let fault = Fault::new("this key has to be given", format!("for example {name} = {}", key.example));
                    self.problem(&place, &path, fault);
                }
            }
        }
    }

    /// Keys whose default is the value of another one.
    fn likes(&mut self) {
        for key in schema::keys() {
            let Default::Like(other) = key.default else { continue };
            for path in self.paths(key) {
                let number = path.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
                let other = number.map_or_else(|| other.to_owned(), |(n, _)| other.replace("[]", &format!("[{n}]")));
                let value = match (key.kind, self.values.value(&other)) {
                    (Type::List(_), Some(Value::Text(text))) => {
                        Value::List(vec![Item { text: text.clone(), place: None }])
                    }
                    (_, Some(value)) => value.clone(),
                    (_, None) => continue,
                };
                if self.values.value(&path).is_none() {
                    self.values.settle(path, value);
                }
            }
        }
    }

    /// The paths a key has in this document: one for each table it can stand in.
    fn paths(&self, key: &Key) -> Vec<String> {
        match key.path.split_once("[].") {
            None => vec![key.path.to_owned()],
            Some((table, name)) => {
                (0..self.values.count(table).unwrap_or(0)).map(|n| format!("{table}[{n}].{name}")).collect()
            }
        }
    }
}

/// A default of the schema as a value.
pub fn default_value(key: &Key, text: &str) -> Option<Value> {
    let place = Place::Variable(String::new());
    let node = Node { raw: value(text, &place)?, place };
    match convert(key, &node, Path::new("")).ok()? {
        Value::List(items) => Some(Value::List(items.into_iter().map(|item| Item { place: None, ..item }).collect())),
        other => Some(other),
    }
}

type Faults = Vec<(Place, Fault)>;

/// A value by the type of its key; every fault with its place.
fn convert(key: &Key, node: &Node, folder: &Path) -> Result<Value, Faults> {
    let here = |fault: Fault| vec![(node.place.clone(), fault)];
    let (_, name) = key.split();
    let wrong = |needed: &str| {
        let name = if name == "*" { "name" } else { name };
        let says = format!("{} where {needed} is needed", node.raw.words());
        here(Fault::new(says, format!("for example {name} = {}", key.example)))
    };
    match (key.kind, &node.raw) {
        (Type::Flag, Raw::Flag(flag)) => Ok(Value::Flag(*flag)),
        (Type::Flag, _) => Err(wrong("true or false")),
        (Type::Number { least, most }, Raw::Number(number)) => match u64::try_from(*number) {
            Ok(number) if (least..=most).contains(&number) => Ok(Value::Number(number)),
            _ => Err(here(Fault::new(format!("{number} is out of range"), format!("give {least} to {most}")))),
        },
        (Type::Number { .. }, _) => Err(wrong("a whole number")),
        (Type::Percent, Raw::Number(_) | Raw::Fraction(_)) => percent(&node.raw).map_err(here),
        (Type::Percent, _) => Err(wrong("a number")),
        (Type::Time { least, most, never }, Raw::Text(text)) => time(text, least, most, never).map_err(here),
        (Type::Time { .. }, _) => Err(wrong("a duration in quotes")),
        (Type::OneOf(words), Raw::Text(text)) => one_of(words, text).map_err(here),
        (Type::OneOf(_) | Type::Text(_) | Type::Optional(_), raw) if !matches!(raw, Raw::Text(_)) => {
            Err(wrong("a text in quotes"))
        }
        (Type::Optional(_), Raw::Text(text)) if text.is_empty() => Ok(Value::Text(String::new())),
        (Type::Text(form) | Type::Optional(form), Raw::Text(text)) => {
            forms::check(form, text, folder).map(Value::Text).map_err(here)
        }
        (Type::List(form), Raw::List(items)) => list(form, items, folder),
        (Type::List(_), _) => Err(wrong("a list in brackets")),
        (Type::Anything, Raw::Text(text)) => forms::check(Form::Argument, text, folder).map(Value::Text).map_err(here),
        (Type::Anything, Raw::Number(number)) => Ok(Value::Text(number.to_string())),
        (Type::Anything, Raw::Flag(flag)) => Ok(Value::Text(flag.to_string())),
        _ => Err(wrong("a text, a number, true or false")),
    }
}

fn percent(raw: &Raw) -> Result<Value, Fault> {
    let number = match raw {
        Raw::Number(number) => u32::try_from(*number).map_or(f64::NAN, f64::from),
        Raw::Fraction(number) => *number,
        _ => f64::NAN,
    };
    if (0.0..=100.0).contains(&number) {
        Ok(Value::Percent(number))
    } else {
        Err(Fault::new("this is not a percentage", "give 0 to 100"))
    }
}

pub(super) fn time(text: &str, least: &str, most: &str, never: bool) -> Result<Value, Fault> {
    if never && text == "never" {
        return Ok(Value::Never);
    }
    let range = format!("give {least} to {most}{}", if never { r#", or "never""# } else { "" });
    let time = humantime::parse_duration(text).map_err(|_| {
        Fault::new(
            format!("{text:?} is not a duration"),
            format!(r#"write it like "500ms", "10s", "5m", "6h" or "14d"; {range}"#),
        )
    })?;
    let edge = |text: &str| humantime::parse_duration(text).unwrap_or_default();
    if time < edge(least) || time > edge(most) {
        return Err(Fault::new(format!("{text:?} is out of range"), range));
    }
    Ok(Value::Time(time))
}

fn one_of(words: &[&str], text: &str) -> Result<Value, Fault> {
    if words.contains(&text) {
        return Ok(Value::Text(text.to_owned()));
    }
    let distance = |word: &&&str| strsim::damerau_levenshtein(&text.to_ascii_lowercase(), word);
    let near = words.iter().min_by_key(distance).filter(|word| distance(word) <= word.len() / 2);
    let known = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let known = if words.len() == 1 { format!("only {known} is known") } else { format!("known are {known}") };
    let remedy = near
        .filter(|_| words.len() > 1)
        .map_or_else(|| known.clone(), |near| format!("did you mean {near:?}? {known}"));
    Err(Fault::new(format!("{} is not known here", forms::quoted(text)), remedy))
}

fn list(form: Form, items: &[Node], folder: &Path) -> Result<Value, Faults> {
    let mut faults = Faults::new();
    let mut texts = Vec::new();
    for item in items {
        let checked = match &item.raw {
            Raw::Text(text) => forms::check(form, text, folder),
            other => Err(Fault::new(format!("{} where a text in quotes is needed", other.words()), "put it in quotes")),
        };
        match checked {
            Ok(text) => texts.push(Item { text, place: Some(item.place.clone()) }),
            Err(fault) => faults.push((item.place.clone(), fault)),
        }
    }
    if faults.is_empty() { Ok(Value::List(texts)) } else { Err(faults) }
}

impl Values {
    /// Whether the operator asks for something that this version does not do: another value than the default and than
    /// [`Key::does`]; any value at all where only the empty one is done.
    pub fn asks_for_more(&self, key: &Key) -> bool {
        let Some(given) = self.is_given(key.path).then(|| self.value(key.path)).flatten() else { return false };
        if key.does.is_some_and(|does| *given == Value::Text(does.to_owned())) {
            return false;
        }
        match (key.default, given) {
            (_, Value::List(items)) => !items.is_empty(),
            (Default::Is(text), _) if key.does != Some("") => Some(given) != default_value(key, text).as_ref(),
            _ => true,
        }
    }
}
