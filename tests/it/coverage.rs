//! `docs/coverage.md` is complete and true: every statement once, every test it names there and bearing the number, every
//! page there, and what is open says what it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The documents and how many statements each makes.
const DOCUMENTS: &[(&str, usize)] = &[("VIPRE", 54), ("COVATA", 44), ("UNBLU", 52), ("RSA", 18), ("OKV", 32)];

/// Statements that ask for words alone (D), or for nothing of a sync daemon (X). All others need a test.
const WORDS_ALONE: &[&str] = &[
    "VIPRE-53",
    "COVATA-3",
    "COVATA-4",
    "COVATA-6",
    "COVATA-17",
    "COVATA-28",
    "UNBLU-32",
    "UNBLU-52",
    "RSA-6",
    "RSA-7",
    "RSA-9",
    "RSA-14",
    "OKV-3",
    "OKV-17",
    "OKV-23",
    "OKV-31",
    "OKV-32",
];

/// One row of the page.
struct Row {
    number: String,
    marks: BTreeSet<String>,
    /// File and function.
    tests: Vec<(String, String)>,
    pages: Vec<String>,
    open: Vec<String>,
}

impl Row {
    /// Nothing of it is done yet.
    fn is_open(&self) -> bool {
        !self.open.is_empty() && self.tests.is_empty() && self.pages.is_empty()
    }

    fn is(&self, marks: &str) -> bool {
        marks.split(' ').any(|mark| self.marks.contains(mark))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/coverage.md")).unwrap()
}

fn cells(line: &str) -> Option<Vec<&str>> {
    Some(line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect())
}

/// Statement numbers in a text, each as a word of its own.
fn numbers(text: &str) -> BTreeSet<String> {
    let words = text.split(|it: char| !it.is_alphanumeric() && it != '-');
    let number = |word: &&str| {
        let parts = word.split_once('-');
        parts.is_some_and(|(document, number)| {
            DOCUMENTS.iter().any(|(name, _)| *name == document) && number.parse::<usize>().is_ok()
        })
    };
    words.filter(number).map(str::to_owned).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells = cells(line)?;
    let number = (*cells.first()?).to_owned();
    if numbers(&number).is_empty() {
        return None;
    }
    let [_, marks, short, _, held] = cells[..] else { panic!("{number} has {} cells", cells.len()) };
    assert!(!short.is_empty(), "{number} has no words");
    let marks = marks.split(' ').map(str::to_owned).collect();
    let mut row = Row { number, marks, tests: Vec::new(), pages: Vec::new(), open: Vec::new() };
    for part in held.split("; ") {
        if let Some(names) = part.strip_prefix("open: ") {
            row.open = names.split(", ").map(str::to_owned).collect();
        } else if part.starts_with('[') {
            let (_, target) = part.split_once("](").unwrap_or_else(|| panic!("{}: {part}", row.number));
            row.pages.push(target.trim_end_matches(')').to_owned());
        } else {
            let words: Vec<&str> = part.split('`').collect();
            let ["", file, " ", function, ""] = words[..] else { panic!("{}: {part}", row.number) };
            row.tests.push((file.to_owned(), function.to_owned()));
        }
    }
    Some(row)
}

fn rows() -> Vec<Row> {
    page().lines().filter_map(row).collect()
}

/// The doc comment of a test; `None` when there is no such test.
fn doc_of_test(text: &str, function: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = format!("fn {function}(");
    let at = lines.iter().position(|line| line.trim_start_matches("async ").starts_with(&head))?;
    let (mut doc, mut is_test) = (Vec::new(), text.contains("on_both_stores! {"));
    for line in lines[..at].iter().rev() {
        match line {
            line if line.starts_with("///") => doc.push(line.trim_start_matches('/')),
            line if line.starts_with("#[") && doc.is_empty() => {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            }
            _ => break,
        }
    }
    doc.reverse();
    is_test.then(|| doc.join(" "))
}

/// Rust files of the project.
fn sources() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join("src"), root().join("tests")]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_statement_stands_once_and_in_order() {
    let all = DOCUMENTS.iter().flat_map(|(name, count)| (1..=*count).map(move |number| format!("{name}-{number}")));
    let expected: Vec<String> = all.collect();
    assert_eq!(expected.len(), 200);
    let found: Vec<String> = rows().into_iter().map(|row| row.number).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_row_has_what_its_marks_ask_for() {
    let mut wrong = Vec::new();
    for row in rows() {
        let mut needs = |it: bool, what: &str| {
            if !it {
                wrong.push(format!("{}: {what}", row.number));
            }
        };
        needs(row.marks.iter().all(|mark| "CLFDX".contains(mark.as_str())), "a mark that is not known");
        let words_alone = WORDS_ALONE.contains(&row.number.as_str());
        needs(words_alone != row.is("C L F"), "its marks are not those of the statement");
        needs(words_alone || !row.tests.is_empty() || row.is_open(), "no test holds it, and it is not open");
        needs(!row.is("D X") || !row.pages.is_empty() || !row.open.is_empty(), "no page answers it");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_that_is_named_exists_and_bears_the_number() {
    let mut wrong = Vec::new();
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for row in rows() {
        for (file, function) in &row.tests {
            let read = || fs::read_to_string(root().join(file)).unwrap_or_default();
            let text = texts.entry(file.clone()).or_insert_with(read);
            match doc_of_test(text, function) {
                None => wrong.push(format!("{}: {file} has no test {function}", row.number)),
                Some(doc) if row.is("C L F") && !numbers(&doc).contains(&row.number) => {
                    wrong.push(format!("{}: the doc comment of {function} in {file} does not say so", row.number));
                }
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_that_is_named_exists() {
    for row in rows() {
        for target in &row.pages {
            let file = target.split('#').next().unwrap();
            assert!(root().join("docs").join(file).is_file(), "{}: {target}", row.number);
        }
    }
}

/// Whoever does what was open finds the row by the number in the new test.
#[test]
fn open_rows_say_what_they_wait_for_and_no_test_claims_them() {
    let page = page();
    let (_, after) = page.split_once("## What the open rows wait for").unwrap();
    let table = after.split("\n## ").next().unwrap();
    let known: BTreeSet<String> = table
        .lines()
        .filter_map(cells)
        .map(|cells| cells[0].to_owned())
        .filter(|name| !name.is_empty() && !name.starts_with('-'))
        .collect();
    let rows = rows();
    let named: BTreeSet<String> = rows.iter().flat_map(|row| row.open.iter().cloned()).collect();
    assert_eq!(named, known, "the rows, and the table of what they wait for");

    let of_rows: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.number.as_str(), row)).collect();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let comments: String = text.lines().filter(|line| line.trim_start().starts_with("///")).collect();
        for number in numbers(&comments) {
            let row = of_rows.get(number.as_str()).unwrap_or_else(|| panic!("{}: {number}", path.display()));
            assert!(!row.is_open(), "{} has a test of {number}, which docs/coverage.md calls open", path.display());
        }
    }
}

#[test]
fn the_page_counts_right() {
    let rows = rows();
    let count = |wanted: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).count();
    let tested = count(&|row| row.open.is_empty() && !row.tests.is_empty());
    let answered = count(&|row| row.open.is_empty() && row.tests.is_empty());
    let in_part = count(&|row| !row.open.is_empty() && !row.is_open());
    let open = count(&Row::is_open);
    let says = format!(
        "In this version {tested} statements are held by tests, {answered} are answered by a page, {in_part} hold in part, \
         and {open} are open."
    );
    assert!(page().contains(&says), "it has to say: {says}");
}
