//! The known key that is nearest to an unknown one.

use super::problem::Fault;
use super::schema;

/// What to say about an unknown key or table; `shown` writes a key the way it would have been written here.
pub fn unknown(path: &str, shown: impl Fn(&str) -> String) -> Fault {
    let name = path.rsplit('.').next().unwrap_or(path);
    if ["password", "passwd", "secret", "bind_password", "bind_pw", "bindpw"].contains(&name) {
        let key = if path.starts_with("store") { "store.password_file" } else { "source.bind_password_file" };
        let remedy = format!("write it into a file of mode 0600 and name that with {}", shown(key));
        return Fault::new("a password never stands here", remedy);
    }
    let remedy = match key(path) {
        Some(near) => format!("did you mean {}?", shown(near)),
        None => {
            let (table, _) = path.rsplit_once('.').unwrap_or(("", path));
            let mut known: Vec<&str> = children(table);
            if known.is_empty() {
                known = children("");
            }
            known.sort_unstable();
            format!("known here: {}", known.join(", "))
        }
    };
    Fault::new("there is no such key", remedy)
}

/// Names directly below a table.
fn children(table: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in schema::keys() {
        let rest = if table.is_empty() { Some(key.path) } else { key.path.strip_prefix(table) };
        let Some(rest) = rest.map(|rest| rest.trim_start_matches('.')) else { continue };
        let name = rest.split('.').next().unwrap_or(rest).trim_end_matches("[]");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The known key or table that is nearest to an unknown path, if one is near at all: first beside it, then elsewhere.
pub fn key(path: &str) -> Option<&'static str> {
    const BESIDE: f64 = 0.5;
    const ELSEWHERE: f64 = 0.75;
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let written = name.to_ascii_lowercase().replace('-', "_");
    let keys = schema::keys().map(|key| key.path).filter(|known| !known.ends_with('*'));
    let known: Vec<&str> = keys.chain(schema::tables()).filter(|known| !known.is_empty()).collect();
    let best = |beside: bool, least: f64| {
        let there = known.iter().filter_map(|known| {
            let (known_table, known_name) = known.rsplit_once('.').unwrap_or(("", known));
            let near = alike(&written, known_name.trim_end_matches("[]"));
            (near >= least && (known_table == table || !beside)).then_some((near, *known))
        });
        there.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, known)| known)
    };
    let otherwise = || {
        let tables = schema::tables().into_iter().filter(|near| !near.is_empty() && !table.is_empty());
        let tables = tables.map(|near| (alike(table, near.trim_end_matches("[]")), near));
        let (near, table) = tables.filter(|(near, _)| *near >= BESIDE).reduce(|a, b| if b.0 > a.0 { b } else { a })?;
        let known_table = |known: &&&str| known.rsplit_once('.').is_some_and(|(there, _)| there == table);
        let keys = known.iter().filter(known_table);
        let keys = keys.map(|known| (alike(&written, known.rsplit('.').next().unwrap_or(known)), *known));
        let key = keys.filter(|(near, _)| *near >= BESIDE).reduce(|a, b| if b.0 > a.0 { b } else { a });
        (near < 1.0).then(|| key.map_or(table, |(_, key)| key))
    };
    best(true, BESIDE).or_else(otherwise).or_else(|| best(false, ELSEWHERE))
}

/// The known name that is nearest to another one, if it is so near that it was probably meant.
pub fn name<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const MEANT: f64 = 0.75;
    let folded = written.to_ascii_lowercase().replace('-', "_");
    let known = known.into_iter().map(|name| (strsim::normalized_damerau_levenshtein(&folded, name), name));
    let near = known.filter(|(near, name)| *near >= MEANT && *name != written);
    near.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, name)| name)
}

fn alike(a: &str, b: &str) -> f64 {
    let contained = a.len().min(b.len()) >= 3 && (a.contains(b) || b.contains(a));
    let distance = strsim::normalized_damerau_levenshtein(a, b);
    if contained { distance.max(0.7) } else { distance }
}
