//! Plans as tests read them.

use crate::plan::*;
use crate::roster::*;

/// The plan in words, one line a fact.
pub fn tell(plan: &Plan, names: &FieldNames) -> Vec<String> {
    let mut lines = Vec::new();
    for change in &plan.users {
        for act in &change.acts {
            let what = match act {
                Act::Added(new) => new.role.as_ref().map_or_else(|| "add".to_owned(), |role| format!("add as {role}")),
                Act::Revived(_) => "revive".to_owned(),
                Act::Relinked { before, after, .. } => format!("relink {before} -> {after}"),
                Act::Updated(fields) => {
                    let text = |side: &Option<Box<str>>| side.as_deref().unwrap_or("-").to_owned();
                    let field = |one: &FieldChange| {
                        format!("{} {} -> {}", one.name(names), text(&one.before), text(&one.after))
                    };
                    format!("update {}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
                }
                Act::Parted { address, .. } => format!("dormant for {address}"),
                Act::Woken { .. } => "wake".to_owned(),
                Act::Crossed { source, .. } => format!("cross from {} to {}", source.0, source.1),
                Act::Moved { after, .. } => format!("move to {after}"),
                Act::AliasAdded(address) => format!("gain {address}"),
                Act::AliasRemoved { address, .. } => format!("lose {address}"),
                Act::Flagged { reason, delete_after, .. } => {
                    let date = delete_after.map_or_else(|| "never".into(), |at| at.to_string()[..10].to_owned());
                    format!("flag {reason} until {date}")
                }
                Act::Restored { .. } => "restore".to_owned(),
                Act::Deleted { .. } => "delete".to_owned(),
                Act::Removed { .. } => "remove".to_owned(),
                Act::Rights(act) => {
                    format!("{}{}", if matches!(act, RightsAct::Revoked { .. }) { "no " } else { "" }, act.says())
                }
                Act::Linked { to, .. } => format!("link as {to}"),
                Act::ByHand(act) => act.event().to_owned(),
            };
            lines.push(format!("{}: {what}", change.label));
        }
    }
    for group in &plan.groups {
        let acts: Vec<_> = group.acts.iter().map(|act| act.event().trim_start_matches("group.").to_owned()).collect();
        let changed = if group.changed.is_empty() { String::new() } else { format!(" ~{}", group.changed.len()) };
        let (joins, leaves) = (group.joins.len(), group.leaves.len());
        lines.push(format!("group {}: {} +{joins} -{leaves}{changed}", group.name, acts.join(" ")));
    }
    lines.extend(plan.held.iter().map(|held| format!("{}: held {}", held.label, held.loses.as_str())));
    lines.extend(plan.opened.iter().map(|one| format!("conflict {} {}", one.kind, one.subject)));
    lines.extend(plan.reworded.iter().map(|one| format!("conflict {} {} reworded", one.kind, one.subject)));
    lines.extend(plan.resolved.iter().map(|_| "conflict resolved".to_owned()));
    lines
}
