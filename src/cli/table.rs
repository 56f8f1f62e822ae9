//! Columns aligned by what the eye sees, not by bytes.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

use crate::cli::{escape, style};

/// The narrowest a column gets when a table has to fit a terminal.
const NARROWEST: usize = 8;
/// The widest a column gets where there is no terminal to fit: one long cell does not push all others away. The last one is
/// as wide as it is.
const WIDEST: usize = 64;

/// One cell: text that is already safe, and how it looks.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell with text from anywhere; escaped, and cut when it is over-long.
    pub fn new(raw: impl AsRef<str>) -> Self {
        Self { text: escape::value(raw.as_ref()).into_owned(), style: Style::new() }
    }

    /// An optional value; `-` when there is none.
    pub fn optional(raw: Option<impl AsRef<str>>) -> Self {
        raw.map_or_else(|| Self::new("-"), Self::new)
    }

    /// The same cell in a style.
    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

/// Rows of cells under headings, with lines of free text beneath a row.
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<(Vec<Cell>, Vec<Cell>)>,
}

impl Table {
    /// An empty table.
    pub fn new(headings: impl IntoIterator<Item = &'static str>) -> Self {
        Self { headings: headings.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) -> &mut Self {
        self.rows.push((cells.into_iter().collect(), Vec::new()));
        self
    }

    /// Adds an indented line beneath the last row.
    pub fn beneath(&mut self, cell: Cell) -> &mut Self {
        if let Some((_, beneath)) = self.rows.last_mut() {
            beneath.push(cell);
        }
        self
    }

    /// Prints it; `columns` is the width to fit into, `None` for as wide as it is.
    pub fn print(&self, out: &mut dyn Write, columns: Option<usize>) -> io::Result<()> {
        let widths = self.widths(columns);
        let headings: Vec<Cell> = self.headings.iter().map(|text| Cell::new(text).styled(style::HEADING)).collect();
        line(out, &headings, &widths)?;
        for (cells, beneath) in &self.rows {
            line(out, cells, &widths)?;
            for cell in beneath {
                let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(4));
                writeln!(out, "    {}{}{:#}", cell.style, escape::cut(&cell.text, room), cell.style)?;
            }
        }
        Ok(())
    }

    fn widths(&self, columns: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings.iter().map(|text| text.width()).collect();
        for (cells, _) in &self.rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.text.width().max(*width);
            }
        }
        let last = widths.len().saturating_sub(1);
        if columns.is_none() {
            widths.iter_mut().take(last).for_each(|width| *width = (*width).min(WIDEST));
        }
        let gaps = 2 * last;
        while columns.is_some_and(|columns| widths.iter().sum::<usize>() + gaps > columns) {
            match widths.iter_mut().max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                _ => break,
            }
        }
        widths
    }
}

fn line(out: &mut dyn Write, cells: &[Cell], widths: &[usize]) -> io::Result<()> {
    let last = cells.len().saturating_sub(1);
    for (n, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        let text = escape::cut(&cell.text, width);
        let gap = if n == last { 0 } else { width.saturating_sub(text.width()) + 2 };
        write!(out, "{}{text}{:#}{:gap$}", cell.style, cell.style, "")?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(columns: Option<usize>) -> String {
        let mut table = Table::new(["NAME", "ADDRESS"]);
        table.row([Cell::new("李小龍"), Cell::new("li@example.com")]).beneath(Cell::new("alias@example.com"));
        table.row([Cell::new("ada\u{1b}[31m"), Cell::optional(None::<&str>)]);
        let mut out = Vec::new();
        table.print(&mut out, columns).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn one_long_cell_does_not_push_the_others_away() {
        let long = "x".repeat(150);
        let mut table = Table::new(["NAME", "ADDRESS", "WHY"]);
        table.row([Cell::new(&long), Cell::new("a@example.com"), Cell::new(&long)]);
        for columns in [None, Some(80)] {
            let mut out = Vec::new();
            table.print(&mut out, columns).unwrap();
            let text = anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string();
            let at = text.lines().next().unwrap().find("ADDRESS").unwrap();
            assert!(
                at <= WIDEST + 2 && text.lines().all(|line| columns.is_none_or(|wide| line.width() <= wide)),
                "{text}"
            );
            assert!(text.contains("a@example.com") && text.contains(&long) == columns.is_none(), "{text}");
        }
    }

    #[test]
    fn columns_line_up_and_are_cut_only_where_a_width_is_given() {
        insta::assert_snapshot!(printed(None), @r"
        NAME           ADDRESS
        李小龍         li@example.com
            alias@example.com
        ada\u{1b}[31m  -
        ");
        insta::assert_snapshot!(printed(Some(20)), @r"
        NAME       ADDRESS
        李小龍     li@examp…
            alias@example.c…
        ada\u{1b…  -
        ");
    }
}
