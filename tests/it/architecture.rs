//! The shape of the project, as `src/lib.rs` and `docs/architecture.md` draw it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom. What is not listed is refused.
const MODULES: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("roster", &["clock"]),
    ("plan", &["roster", "clock"]),
    ("directory", &["roster", "clock"]),
    ("store", &["plan", "roster", "clock"]),
    ("config", &["directory", "store", "plan", "roster", "clock"]),
    ("sync", &["directory", "store", "plan", "roster", "config", "clock"]),
    ("daemon", &["sync", "store", "directory", "config", "clock"]),
    ("fuzz", &["cli", "config", "directory", "roster"]),
    ("cli", &["daemon", "sync", "config", "directory", "store", "plan", "roster", "clock"]),
];

/// Crates that have one place, and the place: a folder, or files.
const CRATES: &[(&str, &[&str])] = &[
    ("hickory_resolver", &["src/directory/"]),
    ("ldap3", &["src/directory/"]),
    ("lber", &["src/directory/"]),
    ("rustls", &["src/directory/"]),
    ("tokio_rustls", &["src/directory/"]),
    ("rustls_native_certs", &["src/directory/"]),
    ("x509_parser", &["src/directory/"]),
    ("sqlx", &["src/store/"]),
    ("toml", &["src/config/"]),
    ("tokio_cron_scheduler", &["src/daemon/schedule.rs"]),
    ("sd_notify", &["src/daemon/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("indicatif", &["src/cli/"]),
];

/// What pure folders do without.
const IMPURE: &[&str] = &[
    "async fn",
    ".await",
    "tokio::",
    "tracing::",
    "futures::",
    "async_trait",
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemClock",
];

const LONGEST_FILE: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder` with this extension, relative to the project, sorted.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { panic!("{} is not there", folder.display()) };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path.strip_prefix(root()).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {extension} in {folder}");
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The code of a file, without comment lines: those may name anything.
fn code(path: &Path) -> String {
    let text = read(path);
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.map(|line| format!("{line}\n")).collect()
}

/// Whether `name` stands in `code` as a word of its own, followed by `::` or at the end of a `use`.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        let word = !before.is_some_and(|it| it.is_alphanumeric() || "_:.\"-/".contains(it));
        word && (after.starts_with("::") || (after.starts_with(';') && code[..at].ends_with("use ")))
    })
}

fn top_module(path: &Path) -> String {
    let first = path.strip_prefix("src").unwrap().iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The first segments of a path that begins here: one, or those of a group in braces.
fn heads(after: &str) -> Vec<String> {
    let head = |text: &str| text.trim().chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect::<String>();
    let Some(group) = after.strip_prefix('{') else { return vec![head(after)] };
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for character in group.chars() {
        match character {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(String::new()),
            other => {
                depth += i32::from(other == '{') - i32::from(other == '}');
                parts.last_mut().unwrap().push(other);
            }
        }
    }
    parts.iter().map(|part| head(part)).filter(|part| !part.is_empty()).collect()
}

/// The top modules that a file uses, by `crate::` or by enough `super::`.
fn uses(path: &Path) -> BTreeSet<String> {
    let code = code(path);
    let mut depth = path.strip_prefix("src").unwrap().iter().count();
    if path.file_name().unwrap() == "mod.rs" {
        depth -= 1;
    }
    let out_of_the_module = "super::".repeat(depth);
    let known: BTreeSet<&str> = MODULES.iter().map(|(module, _)| *module).collect();
    let mut found = BTreeSet::new();
    for prefix in ["crate::", out_of_the_module.as_str()] {
        for (at, _) in code.match_indices(prefix).filter(|_| !prefix.is_empty()) {
            if prefix == "crate::" && code[..at].ends_with('$') {
                continue;
            }
            found.extend(heads(&code[at + prefix.len()..]).into_iter().filter(|head| known.contains(head.as_str())));
        }
    }
    found
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = MODULES.iter().copied().collect();
    let mut refused = Vec::new();
    for path in files("src", "rs") {
        let module = top_module(&path);
        if module == "lib" {
            continue;
        }
        if module == "main" {
            let code = code(&path);
            for (at, _) in code.match_indices("rosterd::") {
                for head in heads(&code[at + "rosterd::".len()..]).into_iter().filter(|head| head != "cli") {
                    refused.push(format!("{}: rosterd::{head}", path.display()));
                }
            }
            continue;
        }
        let allowed = table.get(module.as_str()).unwrap_or_else(|| panic!("{module} is not in the table"));
        for used in uses(&path).into_iter().filter(|used| *used != module && !allowed.contains(&used.as_str())) {
            refused.push(format!("{}: crate::{used}", path.display()));
        }
    }
    assert!(refused.is_empty(), "not allowed:\n{}", refused.join("\n"));
}

/// UNBLU-35
#[test]
fn each_bound_crate_is_named_in_its_one_place() {
    let mut refused = Vec::new();
    for path in files("src", "rs") {
        let code = code(&path);
        for (name, places) in CRATES {
            let at_home = places.iter().any(|place| path.to_str().unwrap().starts_with(place));
            if !at_home && names(&code, name) {
                refused.push(format!("{}: {name} belongs in {}", path.display(), places.join(", ")));
            }
        }
    }
    assert!(refused.is_empty(), "not allowed:\n{}", refused.join("\n"));
}

/// The table above would be empty words if a crate were spelt otherwise in Cargo.toml.
#[test]
fn bound_crates_are_dependencies() {
    let manifest = read(Path::new("Cargo.toml"));
    for (name, _) in CRATES {
        let spelt = name.replace('_', "-");
        assert!(manifest.lines().any(|line| line.starts_with(&format!("{spelt} = "))), "{spelt} is not in Cargo.toml");
    }
}

/// The crate that fuzzes has a lock file of its own, which nothing else builds with.
#[test]
fn the_lock_file_of_the_fuzzed_crate_has_every_dependency() {
    let manifest: toml::Table = read(Path::new("Cargo.toml")).parse().unwrap();
    let locked: toml::Table = read(Path::new("tests/fuzz/Cargo.lock")).parse().unwrap();
    let packages = locked["package"].as_array().unwrap();
    let ours = packages.iter().find(|package| package["name"].as_str() == Some("rosterd")).unwrap();
    let locked: Vec<&str> = ours["dependencies"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        assert!(locked.contains(&name.as_str()), "{name}: cargo update --workspace in tests/fuzz, and keep Cargo.lock");
    }
}

#[test]
fn roster_and_plan_are_pure() {
    let mut refused = Vec::new();
    let is_test = |path: &PathBuf| path.iter().any(|part| part == "tests");
    for path in files("src/roster", "rs").into_iter().chain(files("src/plan", "rs")).filter(|path| !is_test(path)) {
        let code = code(&path);
        for word in IMPURE.iter().filter(|word| code.contains(**word)) {
            refused.push(format!("{}: {word}", path.display()));
        }
        for (at, _) in code.match_indices("crate::clock::") {
            for head in heads(&code[at + "crate::clock::".len()..]).iter().filter(|head| *head != "Timestamp") {
                refused.push(format!("{}: crate::clock::{head}", path.display()));
            }
        }
    }
    assert!(refused.is_empty(), "not pure:\n{}", refused.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_sitting() {
    let long: Vec<String> = files("src", "rs")
        .into_iter()
        .chain(files("tests", "rs"))
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, path)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn every_test_file_is_a_module() {
    for path in files("tests", "rs") {
        let (folder, stem) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
        let parent = match stem {
            "main" => continue,
            "mod" => folder.parent().unwrap(),
            _ => folder,
        };
        let module = if stem == "mod" { folder.file_name().unwrap().to_str().unwrap() } else { stem };
        let parents = [parent.join("main.rs"), parent.join("mod.rs"), parent.with_extension("rs")];
        let declared = parents.iter().filter(|file| root().join(file).exists()).any(|file| {
            read(file).lines().any(|line| {
                let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
                line == format!("mod {module};")
            })
        });
        assert!(declared, "{} is nobody's module: it would never run", path.display());
    }
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_be_written() {
    let words =
        [concat!("#[ign", "ore"), concat!("to", "do!("), concat!("unimple", "mented!("), concat!("To be wri", "tten")];
    let mut found = Vec::new();
    for path in files("src", "rs").into_iter().chain(files("tests", "rs")) {
        let text = read(&path);
        found.extend(
            words.iter().filter(|word| text.contains(**word)).map(|word| format!("{}: {word}", path.display())),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn both_databases_have_the_same_migrations() {
    let of = |database: &str| -> BTreeSet<String> {
        let found = files(&format!("migrations/{database}"), "sql").into_iter();
        found.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("sqlite"), of("postgres"));
}

/// Headings of a page, as the anchors that links use.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| -> String {
        let kept = heading.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        kept.flat_map(char::to_lowercase).map(|it| if it == ' ' { '-' } else { it }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn links_in_readme_and_docs_lead_somewhere() {
    let mut broken = Vec::new();
    for page in files("docs", "md").into_iter().chain([PathBuf::from("README.md")]) {
        let text = read(&page);
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            if target.starts_with("https://") || target.starts_with("http://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let there =
                root().join(&path).exists() && anchor.is_none_or(|anchor| anchors(&read(&path)).contains(anchor));
            if !there {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

/// No engine is needed to see that compose and its images name files that exist.
#[test]
fn compose_and_its_images_name_existing_files() {
    let compose = read(Path::new("docker-compose.yml"));
    let mut images = 0;
    for line in compose.lines().map(str::trim) {
        if let Some(file) = line.strip_prefix("dockerfile: ") {
            images += 1;
            let text = read(Path::new(file));
            assert!(text.lines().any(|line| line.starts_with("FROM debian:")), "{file} is not on a Debian image");
            let copied =
                text.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|it| !it.starts_with("--from"));
            for line in copied {
                let words: Vec<&str> = line.split_whitespace().filter(|word| !word.starts_with("--")).collect();
                for source in &words[..words.len() - 1] {
                    assert!(root().join(source).exists(), "{file} copies {source}, which is not there");
                }
            }
        }
        if let Some(mount) = line.strip_prefix("- ./") {
            let source = mount.split(':').next().unwrap();
            assert!(root().join(source).exists(), "docker-compose.yml mounts {source}, which is not there");
        }
    }
    assert!(images > 0, "docker-compose.yml builds nothing");
}

#[test]
fn scripts_can_be_run_and_are_sound_bash() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut scripts = vec![
        PathBuf::from("tests/run"),
        "tests/fuzz/run".into(),
        "tests/demo".into(),
        "benches/run".into(),
        ".ci/run".into(),
    ];
    let support = fs::read_dir(root().join("tests/support")).unwrap().map(|entry| entry.unwrap().path());
    scripts.extend(support);
    for path in scripts {
        let path = root().join(path);
        let mode =
            fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode();
        assert!(mode & 0o111 != 0, "{} cannot be executed", path.display());
        let done = std::process::Command::new("bash").arg("-n").arg(&path).output().expect("bash is there");
        assert!(done.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&done.stderr));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("set -euo pipefail"), "{} goes on after errors", path.display());
    }
}
