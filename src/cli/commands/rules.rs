//! `rosterd rules`

use serde_json::json;

use crate::cli::commands::Session;
use crate::cli::commands::by_hand::{account, change, one};
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::table::{Cell, Table};
use crate::plan::by_hand;
use crate::plan::{Rule, RuleKind};

/// Lists the entries of one user.
pub async fn list(session: &mut Session, who: &str) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let user = one(session, &*store, who).await?;
    let (account, rules) = (account(&*store, user).await?, store.rules(user).await?);
    if session.screen.json {
        let id = account.uuid.to_string();
        let row = |rule: &Rule| json!({ "user_id": id, "kind": rule.kind.as_str(), "pattern": rule.pattern });
        session.screen.json(&rules.iter().map(row).collect::<Vec<_>>())?;
    } else if rules.is_empty() {
        session.screen.say(&format!("`{}` has no rules", account.label()))?;
    } else {
        let mut table = Table::new(["KIND", "PATTERN"]);
        for rule in &rules {
            table.row([Cell::new(rule.kind.as_str()), Cell::new(&rule.pattern)]);
        }
        let columns = session.screen.columns;
        table.print(session.screen.out(), columns)?;
    }
    Ok(exit::DONE)
}

/// Makes an entry.
pub async fn add(session: &mut Session, who: &str, kind: RuleKind, pattern: &str) -> Result<u8, Failure> {
    change(session, who, async |store, account| {
        let rule = Rule { kind, pattern: pattern.into() };
        let change = by_hand::add_rule(account, &store.rules(account.id).await?, rule)?;
        Ok((change, format!("Done: {kind} `{pattern}` for `{}`.", account.label())))
    })
    .await
}

/// Takes the entries with a pattern away.
pub async fn remove(session: &mut Session, who: &str, pattern: &str) -> Result<u8, Failure> {
    change(session, who, async |store, account| {
        let change = by_hand::remove_rule(account, &store.rules(account.id).await?, pattern)?;
        Ok((change, format!("Done: `{pattern}` removed from `{}`.", account.label())))
    })
    .await
}
