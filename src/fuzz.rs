//! Everything that reads bytes from outside, each as a function of any bytes that stops the process where a promise is
//! broken: `tests/fuzz/run` tries them with libFuzzer, the tests here with what it has found worth keeping.

use crate::{cli, config, directory, roster};

/// Name and function of a target; minutes of CPU that a release owes it.
pub type Target = (&'static str, fn(&[u8]), u32);

/// Every target.
pub const TARGETS: &[Target] = &[
    ("guard", directory::fuzz::guard, 60),
    ("dn", roster::fuzz::dn, 60),
    ("ranges", directory::fuzz::ranges, 10),
    ("entry", directory::fuzz::entry, 10),
    ("filter", directory::fuzz::filter, 10),
    ("time", directory::fuzz::time, 10),
    ("guid", directory::fuzz::guid, 10),
    ("address", roster::fuzz::address, 10),
    ("config", config::fuzz::document, 10),
    ("text", config::fuzz::text, 10),
    ("plan", cli::commands::saved_plan, 10),
    ("shown", cli::escape::fuzz, 10),
];

/// The function of a target.
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS.iter().find(|(known, ..)| *known == name).map(|(_, function, _)| *function)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What fuzzing found: every input that reaches what no other reaches, and every one that once broke a promise.
    #[test]
    fn the_kept_corpus_breaks_no_promise() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let mut bytes = 0;
        for (name, function, _) in TARGETS {
            let inputs = std::fs::read_dir(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut count = 0;
            for path in inputs.map(|entry| entry.unwrap().path()) {
                let input = std::fs::read(&path).unwrap();
                bytes += input.len();
                let held = std::panic::catch_unwind(|| function(&input));
                assert!(held.is_ok(), "{} breaks a promise of {name}", path.display());
                count += 1;
            }
            assert!(count > 0, "nothing is kept of {name}");
        }
        assert!(bytes <= 300_000, "the kept corpus has {bytes} bytes");
    }
}
