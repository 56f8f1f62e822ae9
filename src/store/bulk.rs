//! Many rows for one statement, before a dialect gives them to its database.

use std::borrow::Cow;

use serde_json::Value;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::roster::Digest;

/// One value of one row.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Cell {
    Int(Option<i64>),
    Text(Option<String>),
    Digest(Option<Digest>),
    Guid(Uuid),
    Json(Option<String>),
}

/// Rows of equal width; a column has the same kind of cell in every row.
pub(super) struct Rows {
    width: usize,
    cells: Vec<Cell>,
}

impl Rows {
    pub fn new(width: usize) -> Self {
        Self { width, cells: Vec::new() }
    }

    /// Adds a row; `N` has to be the width.
    pub fn add<const N: usize>(&mut self, row: [Cell; N]) {
        debug_assert_eq!(N, self.width, "a row of another width");
        self.cells.extend(row);
    }

    /// Adds a row that is put together from several; it has to have the width.
    pub fn extend(&mut self, row: impl IntoIterator<Item = Cell>) {
        self.cells.extend(row);
        debug_assert_eq!(self.cells.len() % self.width, 0, "a row of another width");
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn len(&self) -> usize {
        self.cells.len() / self.width
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub fn into_cells(self) -> std::vec::IntoIter<Cell> {
        self.cells.into_iter()
    }
}

/// Text without NUL, which Postgres cannot store; what is stored must not depend on the store.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) }
}

fn clean_json(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', ""),
        Value::Array(items) => items.iter_mut().for_each(clean_json),
        Value::Object(fields) => fields.values_mut().for_each(clean_json),
        _ => (),
    }
}

fn written(mut value: Value) -> String {
    clean_json(&mut value);
    value.to_string()
}

impl Cell {
    /// Milliseconds.
    pub fn time(at: Option<Timestamp>) -> Self {
        Self::Int(at.map(Timestamp::millis))
    }

    /// A JSON document.
    pub fn json(value: Option<Value>) -> Self {
        Self::Json(value.map(written))
    }

    /// A JSON document for a column of text.
    pub fn document(value: Option<Value>) -> Self {
        Self::Text(value.map(written))
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(Some(clean(value).into_owned()))
    }
}

impl From<Option<&str>> for Cell {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(|text| clean(text).into_owned()))
    }
}

impl From<Digest> for Cell {
    fn from(value: Digest) -> Self {
        Self::Digest(Some(value))
    }
}

impl From<Option<Digest>> for Cell {
    fn from(value: Option<Digest>) -> Self {
        Self::Digest(value)
    }
}

impl From<Uuid> for Cell {
    fn from(value: Uuid) -> Self {
        Self::Guid(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_ever_holds_a_nul() {
        assert_eq!(Cell::from("a\0b"), Cell::Text(Some("ab".to_owned())));
        let json = serde_json::json!({ "a": ["x\0", { "b": "\0" }] });
        assert_eq!(Cell::json(Some(json)), Cell::Json(Some(r#"{"a":["x",{"b":""}]}"#.to_owned())));
    }
}
