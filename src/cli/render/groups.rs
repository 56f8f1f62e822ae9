//! The groups of the roster.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::render::moment_text;
use crate::cli::table::{Cell, Table};
use crate::cli::{escape, style};
use crate::store::rows::{GroupRow, MemberRow};

/// Prints every group.
pub fn list(out: &mut dyn Write, groups: &[GroupRow], columns: Option<usize>) -> io::Result<()> {
    let mut table = Table::new(["GROUP", "MEMBERS", "STATE", "ORIGIN", "DN"]);
    for group in groups {
        table.row([
            Cell::new(&group.name),
            Cell::new(group.members.to_string()),
            Cell::new(&group.state).styled(style::of_state(&group.state)),
            Cell::new(&group.origin),
            Cell::optional(group.dn.as_ref()),
        ]);
    }
    table.print(out, columns)
}

/// Prints one group and its members.
pub fn show(
    out: &mut dyn Write,
    group: &GroupRow,
    (members, gives): (&[MemberRow], &[String]),
    columns: Option<usize>,
) -> io::Result<()> {
    writeln!(out, "{}{}{:#}", style::HEADING, escape::value(&group.name), style::HEADING)?;
    let colour = style::of_state(&group.state);
    writeln!(out, "  state: {colour}{}{colour:#}", escape::value(&group.state))?;
    let created = moment_text(&group.created_at);
    let lines = [
        ("id", Some(&group.id)),
        ("unique_id", group.unique_id.as_ref()),
        ("source", group.source.as_ref()),
        ("origin", Some(&group.origin)),
        ("dn", group.dn.as_ref()),
        ("created_at", Some(&created)),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            writeln!(out, "  {name}: {}", escape::value(value))?;
        }
    }
    if !gives.is_empty() {
        writeln!(out, "  gives: {}", escape::value(&gives.join(", ")))?;
    }
    if members.is_empty() {
        return writeln!(out, "\nNo member has access.");
    }
    writeln!(out)?;
    let mut table = Table::new(["MEMBER", "NAME", "ADDRESS", "VIA"]);
    for member in members {
        let label = member.username.as_ref().or(member.primary_address.as_ref()).unwrap_or(&member.user_id);
        table.row([
            Cell::new(label),
            Cell::optional(member.display_name.as_ref()),
            Cell::optional(member.primary_address.as_ref()),
            Cell::new(&member.via),
        ]);
    }
    table.print(out, columns)
}

/// One group as one object. `gives` are the roles and grants of its members; `members` is the list; the row's count is `member_count`.
pub fn value(group: &GroupRow, members: &[MemberRow], gives: &[String]) -> Value {
    let mut one = json!(group);
    if let Some(object) = one.as_object_mut() {
        object.insert("member_count".into(), json!(group.members));
        object.insert("gives".into(), json!(gives));
        object.insert("members".into(), json!(members));
    }
    one
}
