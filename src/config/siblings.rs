//! Other configurations in a folder, as far as it matters which directory goes where.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::proposal::DEFAULT_NAME;

/// Where the store is when nothing says otherwise.
pub const USUAL_STORE: &str = "sqlite:///var/lib/rosterd/roster.db";

/// What another configuration reads into which store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sibling {
    /// The file.
    pub file: PathBuf,
    /// `source.name`.
    pub name: String,
    /// `source.urls`.
    pub urls: Vec<String>,
    /// `source.base_dn`.
    pub base_dn: String,
    /// `store.url`.
    pub store: String,
}

/// The other configurations in a folder, in order of their names. Nothing else of them is looked at: not what they include,
/// not whether they are sound.
pub fn siblings(folder: &Path, but: Option<&Path>) -> Vec<Sibling> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|it| it == "toml") && but.is_none_or(|but| but != file.as_path()))
        .collect();
    files.sort();
    files.into_iter().filter_map(sibling).collect()
}

fn sibling(file: PathBuf) -> Option<Sibling> {
    let all: Table = fs::read_to_string(&file).ok()?.parse().ok()?;
    let source = all.get("source")?;
    let text = |table: &Value, key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let urls = source.get("urls")?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let name = text(source, "name").unwrap_or_else(|| DEFAULT_NAME.to_owned());
    let base_dn = text(source, "base_dn")?;
    let store = all.get("store").and_then(|store| text(store, "url")).unwrap_or_else(|| USUAL_STORE.to_owned());
    Some(Sibling { file, name, urls, base_dn, store })
}
