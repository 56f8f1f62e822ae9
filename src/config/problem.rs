//! What is wrong with a configuration: all of it at once, each with its place and its remedy.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where something was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// In a file.
    File {
        /// The file, as it was named.
        file: Arc<Path>,
        /// Line from 1; 0 = the file as a whole.
        line: usize,
        /// Column from 1, in characters.
        column: usize,
    },
    /// In an environment variable of this name.
    Variable(String),
}

impl Place {
    /// A file as a whole.
    pub fn whole(file: &Path) -> Self {
        Self::File { file: file.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0, .. } => write!(f, "{}", file.display()),
            Self::File { file, line, .. } => write!(f, "{}:{line}", file.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
        }
    }
}

/// What is wrong, and what to do: two halves of one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What is wrong; never a secret.
    pub says: String,
    /// What to do about it.
    pub remedy: String,
}

impl Fault {
    /// A fault.
    pub fn new(says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { says: says.into(), remedy: remedy.into() }
    }
}

/// One problem. Shown as `file:line: key: what is wrong; remedy`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Which key, dotted; empty when the file itself is meant.
    pub key: String,
    /// What, and what to do.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.fault.says)?;
        if self.fault.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.fault.remedy) }
    }
}

/// Every problem of a configuration, in order of file and line. Shown one a line.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one; the same one twice is kept once.
    pub fn add(&mut self, place: Place, key: impl Into<String>, fault: Fault) {
        let problem = Problem { place, key: key.into(), fault };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// In order of place; those of one place stay in the order in which they were found.
    pub fn sorted(mut self) -> Self {
        self.0.sort_by(|a, b| a.place.cmp(&b.place));
        self
    }

    /// The problems themselves.
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
