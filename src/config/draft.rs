//! A configuration while it is being checked.

use super::environment::Environment;
use super::problem::{Fault, Place, Problem, Problems};
use super::schema;
use super::typed::Values;

/// The values, and what was found about them so far.
pub struct Draft<'a> {
    /// Every value.
    pub values: Values,
    /// What is wrong.
    pub problems: Problems,
    /// What is accepted, but has to be said.
    pub notes: Vec<Problem>,
    /// The surroundings.
    pub environment: &'a Environment,
}

impl Draft<'_> {
    /// Something is wrong with a key; said where the key stands.
    pub fn wrong(&mut self, key: &str, says: impl Into<String>, remedy: impl Into<String>) {
        let place = self.values.place(key);
        self.problems.add(place, key.replace("[]", ""), Fault::new(says, remedy));
    }

    /// The same, at a place of its own.
    pub fn wrong_at(&mut self, place: Option<Place>, key: &str, fault: Fault) {
        let place = place.unwrap_or_else(|| self.values.place(key));
        self.problems.add(place, key, fault);
    }

    /// Something is accepted, but the operator has to hear about it.
    pub fn note(&mut self, key: &str, says: impl Into<String>, remedy: impl Into<String>) {
        let place = self.values.place(key);
        self.notes.push(Problem { place, key: key.to_owned(), fault: Fault::new(says, remedy) });
    }

    /// A list that is given has to have something in it.
    pub fn not_empty(&mut self, key: &str, remedy: &str) {
        if self.values.list(key).is_some_and(<[_]>::is_empty) {
            self.wrong(key, "the list is empty", remedy);
        }
    }

    /// What the operator asks for and this version does not do.
    pub fn say_what_comes_later(&mut self) {
        for key in schema::keys() {
            let Some(instead) = key.instead else { continue };
            if let Some((table, _)) = key.path.split_once("[].") {
                let said = self.notes.iter().any(|note| note.key == table);
                if !said && self.values.count(table).is_some_and(|count| count > 0) {
                    self.note(table, "this version does not act on it", instead);
                }
            } else if let Some(table) = key.path.strip_suffix(".*") {
                if !self.values.named(table).is_empty() {
                    self.note(table, "this version does not act on it", instead);
                }
            } else if self.values.asks_for_more(key) {
                self.note(key.path, "this version does not act on it", instead);
            }
        }
    }
}
