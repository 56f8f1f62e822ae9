//! Configuration files as a tree in which every value knows where it was written.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Fault, Place, Problems};

/// A value and where its key, or the list item, stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub raw: Raw,
}

/// A value as written.
#[derive(Clone, Debug)]
pub enum Raw {
    /// A string.
    Text(String),
    /// A whole number.
    Number(i128),
    /// A number with a fraction.
    Fraction(f64),
    /// `true` or `false`.
    Flag(bool),
    /// A date or time, which no key takes.
    Moment,
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// A table, by key.
pub type Table = BTreeMap<String, Node>;

impl Raw {
    /// In words, with its article.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Number(_) => "a whole number",
            Self::Fraction(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Moment => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// All files together.
#[derive(Debug)]
pub struct Document {
    /// The merged table, without `include`.
    pub table: Table,
    /// Whether every file could be read and parsed, so that what is missing is really missing.
    pub whole: bool,
}

/// Reads a file and what it includes; the including file wins, tables are merged key by key, lists are replaced.
pub fn read(path: &Path, problems: &mut Problems) -> Document {
    let mut document = Document { table: Table::new(), whole: true };
    let says = Place::whole(path);
    match std::fs::read(path) {
        Ok(bytes) => {
            let mut chain = vec![identity(path)];
            document.table = parse_and_include(path, bytes, &mut chain, &mut document.whole, problems);
        }
        Err(error) => {
            document.whole = false;
            let remedy =
                "let `rosterd init URL --out FILE` write one, or name another file with --config or ROSTERD_CONFIG";
            problems.add(says, "", Fault::new(format!("cannot read the configuration: {}", reason(&error)), remedy));
        }
    }
    document
}

/// An error of the operating system without its number.
pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::NotADirectory => "a part of its path is not a folder".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn parse_and_include(
    path: &Path,
    bytes: Vec<u8>,
    chain: &mut Vec<PathBuf>,
    whole: &mut bool,
    problems: &mut Problems,
) -> Table {
    let Ok(text) = String::from_utf8(bytes) else {
        *whole = false;
        problems.add(Place::whole(path), "", Fault::new("the file is not UTF-8", "save it as UTF-8"));
        return Table::new();
    };
    let mut table = parse(path, &text, whole, problems);
    let mut merged = Table::new();
    for (place, name) in included(&mut table, problems) {
        let other = path.parent().unwrap_or(Path::new("")).join(&name);
        if chain.contains(&identity(&other)) {
            let says = format!("{name:?} includes this file again");
            problems.add(place, "include", Fault::new(says, "take one of the two out"));
            continue;
        }
        match std::fs::read(&other) {
            Ok(bytes) => {
                chain.push(identity(&other));
                merge(&mut merged, parse_and_include(&other, bytes, chain, whole, problems));
                chain.pop();
            }
            Err(error) => {
                *whole = false;
                let says = format!("cannot read {}: {}", other.display(), reason(&error));
                let remedy = "name an existing file; a relative name counts from the folder of this file";
                problems.add(place, "include", Fault::new(says, remedy));
            }
        }
    }
    merge(&mut merged, table);
    merged
}

/// Takes `include` out of a table.
fn included(table: &mut Table, problems: &mut Problems) -> Vec<(Place, String)> {
    let Some(node) = table.remove("include") else { return Vec::new() };
    let remedy = r#"write it as include = ["common.toml"]"#;
    let Raw::List(items) = node.raw else {
        let says = format!("{} where a list of files is needed", node.raw.words());
        problems.add(node.place, "include", Fault::new(says, remedy));
        return Vec::new();
    };
    let mut names = Vec::new();
    for item in items {
        match item.raw {
            Raw::Text(name) if !name.is_empty() => names.push((item.place, name)),
            other => problems.add(
                item.place,
                "include",
                Fault::new(format!("{} where the name of a file is needed", other.words()), remedy),
            ),
        }
    }
    names
}

/// Lays `over` upon `under`.
fn merge(under: &mut Table, over: Table) {
    for (key, node) in over {
        match (under.get_mut(&key).map(|below| &mut below.raw), node.raw) {
            (Some(Raw::Table(below)), Raw::Table(above)) => merge(below, above),
            (_, raw) => {
                under.insert(key, Node { place: node.place, raw });
            }
        }
    }
}

/// One file by itself, without what it includes; `None` when it is no TOML.
#[cfg(any(test, fuzzing))]
pub fn parsed(path: &Path, text: &str, problems: &mut Problems) -> Option<Table> {
    let mut whole = true;
    let table = parse(path, text, &mut whole, problems);
    whole.then_some(table)
}

fn parse(path: &Path, text: &str, whole: &mut bool, problems: &mut Problems) -> Table {
    let lines = Lines { file: path.into(), text };
    let (table, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let mut broken = Vec::new();
    let mut lost = false;
    for error in errors {
        let place = lines.place(error.span().unwrap_or(0..0));
        let Place::File { line, column, .. } = place else { continue };
        // A bracket that is not closed makes the parser stumble over all that follows.
        if !lost && !broken.contains(&line) {
            lost = error.message().contains("array") || error.message().contains("inline table");
            let remedy = match error.message() {
                "duplicate key" => "keep one of the two",
                _ if lost => "a comma, or the bracket that closes the list, is missing before this",
                _ => "texts stand in quotes, lists in brackets, and each key on its own line",
            };
            let says = format!("column {column}: this is not TOML: {}", error.message());
            problems.add(place, "", Fault::new(says, remedy));
        }
        broken.push(line);
    }
    *whole &= broken.is_empty();
    lines.table(table.into_inner(), &broken)
}

/// Finds the lines of a text.
struct Lines<'a> {
    file: Arc<Path>,
    text: &'a str,
}

impl Lines<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).map_or(0, |rest| rest.chars().count()) + 1;
        Place::File { file: self.file.clone(), line: self.line(span.start), column }
    }

    fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or(self.text).matches('\n').count() + 1
    }

    /// A table without what stands on broken lines, of which nothing reliable is known.
    fn table(&self, table: DeTable<'_>, broken: &[usize]) -> Table {
        let mut nodes = Table::new();
        for (key, value) in table {
            let place = self.place(key.span());
            let first = self.line(key.span().start);
            let last = if matches!(value.get_ref(), DeValue::Table(_)) { first } else { self.line(value.span().end) };
            if broken.iter().any(|line| (first..=last).contains(line)) {
                continue;
            }
            nodes.insert(key.into_inner().into_owned(), Node { place, raw: self.raw(value.into_inner(), broken) });
        }
        nodes
    }

    fn raw(&self, value: DeValue<'_>, broken: &[usize]) -> Raw {
        match value {
            DeValue::String(text) => Raw::Text(text.into_owned()),
            DeValue::Integer(number) => {
                i128::from_str_radix(number.as_str(), number.radix()).map_or(Raw::Fraction(f64::INFINITY), Raw::Number)
            }
            DeValue::Float(number) => Raw::Fraction(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Raw::Flag(flag),
            DeValue::Datetime(_) => Raw::Moment,
            DeValue::Array(items) => Raw::List(items.into_iter().map(|item| self.item(item, broken)).collect()),
            DeValue::Table(table) => Raw::Table(self.table(table, broken)),
        }
    }

    fn item(&self, item: Spanned<DeValue<'_>>, broken: &[usize]) -> Node {
        Node { place: self.place(item.span()), raw: self.raw(item.into_inner(), broken) }
    }
}

/// One TOML value from elsewhere than a file: a default, or an environment variable. `None` when it is not TOML.
pub fn value(text: &str, place: &Place) -> Option<Raw> {
    let value = DeValue::parse(text).ok()?;
    let mut raw = Lines { file: Path::new("").into(), text }.raw(value.into_inner(), &[]);
    settle(&mut raw, place);
    Some(raw)
}

fn settle(raw: &mut Raw, place: &Place) {
    let nodes: Vec<&mut Node> = match raw {
        Raw::List(items) => items.iter_mut().collect(),
        Raw::Table(table) => table.values_mut().collect(),
        _ => Vec::new(),
    };
    for node in nodes {
        node.place = place.clone();
        settle(&mut node.raw, place);
    }
}
