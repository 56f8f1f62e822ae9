//! `docs/reliability.md` is complete and true: every fault once, every test it names there and bearing the number, every
//! script listed, and the sums right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::scripts::scripts;

/// How many faults of each kind there are.
const CATALOGUE: &[(char, usize)] =
    &[('A', 18), ('B', 23), ('C', 15), ('D', 15), ('E', 12), ('F', 16), ('G', 14), ('H', 13), ('I', 15)];
/// How many have to be held at least.
const LEAST: usize = 60;

/// Who holds a fault.
#[derive(Default)]
struct Row {
    scripts: bool,
    /// File and function.
    tests: Vec<(String, String)>,
    open: bool,
    arises_not: bool,
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default()
}

fn catalogue() -> Vec<String> {
    CATALOGUE.iter().flat_map(|(kind, count)| (1..=*count).map(move |number| format!("{kind}{number}"))).collect()
}

fn rows() -> Vec<(String, Row)> {
    let page = read("docs/reliability.md");
    let known: BTreeSet<String> = catalogue().into_iter().collect();
    let cells =
        |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect() };
    let found = page.lines().filter(|line| line.starts_with('|')).map(cells).filter(|cells| known.contains(&cells[0]));
    found.map(|cells| (cells[0].clone(), row(&cells))).collect()
}

fn row(cells: &[String]) -> Row {
    let [number, words, held] = cells else { panic!("{cells:?} has another number of cells than three") };
    assert!(!words.is_empty(), "{number} has no words");
    let mut row = Row::default();
    for part in held.split("; ") {
        match part.split('`').collect::<Vec<_>>()[..] {
            ["", file, " ", function, ""] => row.tests.push((file.to_owned(), function.to_owned())),
            ["scripts"] => row.scripts = true,
            ["open"] => row.open = true,
            [why] if why.strip_prefix("does not arise: ").is_some_and(|why| !why.is_empty()) => row.arises_not = true,
            _ => panic!("{number}: {part}"),
        }
    }
    let held = row.scripts || !row.tests.is_empty();
    assert_eq!([held, row.open, row.arises_not].iter().filter(|one| **one).count(), 1, "{number}: one of the three");
    row
}

/// The faults that the doc comment of a test names; `None` when there is no such test.
fn named(text: &str, function: &str) -> Option<BTreeSet<String>> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = format!("fn {function}(");
    let at = lines.iter().position(|line| line.trim_start_matches("async ").starts_with(&head))?;
    let above: Vec<&&str> =
        lines[..at].iter().rev().take_while(|line| line.starts_with('#') || line.starts_with("///")).collect();
    let is_test = above.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    let faults = above.iter().filter_map(|line| line.strip_prefix("/// Faults: ")).flat_map(|list| list.split(", "));
    is_test.then(|| faults.map(|fault| fault.trim_end_matches('.').to_owned()).collect())
}

#[test]
fn every_fault_stands_once_and_in_order() {
    let found: Vec<String> = rows().into_iter().map(|(number, _)| number).collect();
    assert_eq!(found, catalogue());
    assert_eq!(found.len(), 141);
}

#[test]
fn every_test_that_is_named_exists_and_bears_the_number() {
    let mut wrong = Vec::new();
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (number, row) in rows() {
        for (file, function) in &row.tests {
            match named(texts.entry(file.clone()).or_insert_with(|| read(file)), function) {
                None => wrong.push(format!("{number}: {file} has no test {function}")),
                Some(faults) if !faults.contains(&number) => {
                    wrong.push(format!("{number}: the doc comment of {function} in {file} does not say so"));
                }
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_script_is_listed_and_every_row_of_scripts_has_one() {
    let of_scripts: BTreeSet<String> =
        scripts().map(|script| script.name.split(' ').next().unwrap().to_owned()).collect();
    let of_rows: BTreeSet<String> =
        rows().into_iter().filter(|(_, row)| row.scripts).map(|(number, _)| number).collect();
    assert_eq!(of_scripts, of_rows);
}

#[test]
fn enough_is_held_and_the_page_counts_right() {
    let rows = rows();
    let count = |wanted: &dyn Fn(&Row) -> bool| rows.iter().filter(|(_, row)| wanted(row)).count();
    let (open, not) = (count(&|row| row.open), count(&|row| row.arises_not));
    let held = rows.len() - open - not;
    assert!(count(&|row| row.scripts) >= LEAST, "the scripts alone have to be enough");
    let says =
        format!("{held} of these {} faults are held by tests, {not} do not arise, and {open} are open.", rows.len());
    assert!(read("docs/reliability.md").contains(&says), "it has to say: {says}");
}
