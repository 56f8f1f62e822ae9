//! `rosterd init`: a configuration that works at the first try, and what it says when there is nothing to configure.

mod fresh;
mod refused;

use std::path::Path;

use crate::support::desk::Desk;

/// Every line `# key = value` without its `#`: what is said to hold anyway.
fn spelt_out(text: &str) -> String {
    let is_key = |line: &&str| {
        line.strip_prefix("# ")
            .and_then(|rest| rest.split_once(" = "))
            .is_some_and(|(key, _)| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let is_table = |line: &&str| line.starts_with("# [[");
    let lines = text.lines().map(|line| if is_key(&line) || is_table(&line) { &line[2..] } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// What holds by a configuration, key by key, without those that the kind of directory decides.
fn effective(desk: &Desk, file: &Path) -> Vec<String> {
    let said = desk.expect(0, &["config", "print", "--config", file.to_str().unwrap()]);
    said.out.lines().map(str::to_owned).collect()
}
