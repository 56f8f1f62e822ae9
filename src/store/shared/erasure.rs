//! Removes what the store knows of a deleted person, wherever it stands (B3).

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::Row as _;

use super::dialect::any_list;
use super::users;
use super::write::Statements;
use crate::roster::address::fold;
use crate::store::bulk::Rows;
use crate::store::error::Fault;

/// What stands in place of a sentence that named the person.
const ERASED: &str = "erased";

/// Keys of the feed whose values others are told about: names, addresses and DNs.
const NAMING: [&str; 6] = ["username", "primary_address", "address", "aliases", "dn", "unique_id"];

/// Tombstone, feed, conflicts, skipped entries and held departures; who and when stay, what and who it was does not.
///
/// What was told of an interim user, who turned out to be this person (I5), goes as well.
pub(super) async fn erase(write: &mut Statements, user: i64) -> Result<(), Fault> {
    let interim: Vec<i64> = sqlx::query_scalar(
        "SELECT i.id FROM rd_users i JOIN rd_users u ON i.transferred_to = CAST(u.uuid AS text) WHERE u.id = $1 \
         AND i.state = 'deleted' AND i.unique_id IS NULL AND i.former_unique_id IS NULL AND i.former_address IS NULL \
         AND i.former_username IS NULL",
    )
    .bind(user)
    .fetch_all(write.connection())
    .await?;
    for one in interim {
        erase_one(write, one).await?;
    }
    erase_one(write, user).await
}

async fn erase_one(write: &mut Statements, user: i64) -> Result<(), Fault> {
    let named = named(write, user).await?;
    // Somebody deleted by a statement of somebody else still has everything.
    users::release(write, Rows::new(2), &[user]).await?;
    for statement in [
        "DELETE FROM rd_skipped WHERE unique_id = (SELECT unique_id FROM rd_users WHERE id = $1)",
        "UPDATE rd_users SET unique_id = NULL, unique_id_digest = NULL, dn = NULL, dn_digest = NULL, \
         former_address = NULL, former_username = NULL, former_unique_id = NULL WHERE id = $1",
        "UPDATE rd_changes SET before = NULL, after = NULL WHERE user_id = $1",
        "UPDATE rd_conflicts SET subject = 'erased', detail = 'erased' WHERE user_id = $1 AND status <> 'open'",
        "UPDATE rd_conflicts SET subject = 'erased', detail = 'erased', other = NULL, status = 'resolved' \
         WHERE user_id = $1 AND kind = 'maybe-same-person'",
        "UPDATE rd_held SET label = 'erased' WHERE user_id = $1",
    ] {
        sqlx::query(statement).bind(user).execute(write.connection()).await?;
    }
    write.changed();
    for entry in skipped(write, &named).await? {
        sqlx::query("DELETE FROM rd_skipped WHERE id = $1").bind(entry).execute(write.connection()).await?;
    }
    tell_no_more(write, &named).await
}

/// Everything that others were told the person is called, or has.
async fn named(write: &mut Statements, user: i64) -> Result<BTreeSet<String>, Fault> {
    let mut named = BTreeSet::new();
    let rows = sqlx::query(
        "SELECT unique_id, dn, former_address, former_username, former_unique_id FROM rd_users WHERE id = $1",
    )
    .bind(user)
    .fetch_all(write.connection())
    .await?;
    for row in &rows {
        for column in 0..5 {
            named.extend(row.try_get::<Option<String>, _>(column)?);
        }
    }
    let rows = sqlx::query("SELECT before, after FROM rd_changes WHERE user_id = $1 AND kind NOT LIKE 'conflict.%'")
        .bind(user)
        .fetch_all(write.connection())
        .await?;
    for row in &rows {
        for column in 0..2 {
            let text: Option<&str> = row.try_get(column)?;
            let value = text.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
            for key in NAMING {
                match value.get(key) {
                    Some(Value::String(text)) => _ = named.insert(text.clone()),
                    Some(Value::Array(list)) => named.extend(list.iter().filter_map(Value::as_str).map(str::to_owned)),
                    _ => {}
                }
            }
        }
    }
    let folded: Vec<String> = named.iter().map(|name| fold(name)).collect();
    named.extend(folded);
    named.retain(|name| !name.is_empty());
    Ok(named)
}

/// Where a name stands in a text: the place, the character before it, and what follows.
fn places<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = (usize, Option<char>, &'t str)> {
    text.match_indices(name).map(|(at, found)| {
        let (before, rest) = text.split_at(at);
        (at, before.chars().next_back(), rest.strip_prefix(found).unwrap_or_default())
    })
}

/// Whether a sentence names the person: names and addresses stand in backticks there, DNs in parentheses.
fn tells(text: &str, named: &BTreeSet<String>) -> bool {
    let quoted = |before: Option<char>, after: &str| match before {
        Some('`') => after.starts_with('`'),
        Some('(') => after.starts_with(')'),
        _ => false,
    };
    named.iter().any(|name| places(text, name).any(|(_, before, after)| quoted(before, after)))
}

/// A sentence without the person's names, where they stand as words of their own; `None` when there are none.
fn without(text: &str, named: &BTreeSet<String>) -> Option<String> {
    let ends = |next: Option<char>| next.is_none_or(|next| !next.is_alphanumeric() && !"@.-_=+".contains(next));
    let alone =
        |before: Option<char>, after: &str| ends(before) && ends(after.trim_start_matches(['.', '-']).chars().next());
    let mut left = text.to_owned();
    for name in named.iter().rev() {
        let found = places(&left, name).filter(|(_, before, after)| alone(*before, after));
        for at in found.map(|(at, ..)| at).collect::<Vec<_>>().into_iter().rev() {
            left.replace_range(at..at + name.len(), ERASED);
        }
    }
    (left != text).then_some(left)
}

/// Skipped entries of the person under another id, by DN.
async fn skipped(write: &mut Statements, named: &BTreeSet<String>) -> Result<Vec<i64>, Fault> {
    let rows = sqlx::query("SELECT id, dn FROM rd_skipped").fetch_all(write.connection()).await?;
    let mut found = Vec::new();
    for row in &rows {
        if named.contains(row.try_get::<&str, _>(1)?) {
            found.push(row.try_get(0)?);
        }
    }
    Ok(found)
}

/// What was said of the person in conflicts of others, and in the feed about them. Of what is open the contested
/// thing is somebody else's, too, and stays; the next run says in its own words what still stands.
async fn tell_no_more(write: &mut Statements, named: &BTreeSet<String>) -> Result<(), Fault> {
    let rows = sqlx::query("SELECT id, subject, detail, status = 'open' FROM rd_conflicts")
        .fetch_all(write.connection())
        .await?;
    let (mut open, mut closed): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
    for row in &rows {
        if named.contains(row.try_get::<&str, _>(1)?) || tells(row.try_get(2)?, named) {
            let list = if row.try_get(3)? { &mut open } else { &mut closed };
            list.push(row.try_get(0)?);
        }
    }
    for (statement, conflicts) in [
        (concat!("UPDATE rd_conflicts SET subject = $2, detail = $2 WHERE id ", any_of!("$1")), closed),
        (concat!("UPDATE rd_conflicts SET detail = $2 WHERE id ", any_of!("$1")), open),
    ] {
        sqlx::query(statement).bind(any_list(&conflicts)).bind(ERASED).execute(write.connection()).await?;
    }
    let rows = sqlx::query("SELECT id, other FROM rd_conflicts WHERE other IS NOT NULL AND status <> 'open'")
        .fetch_all(write.connection())
        .await?;
    for row in rows.iter().filter(|row| row.try_get(1).is_ok_and(|other: &str| named.contains(other))) {
        let statement = "UPDATE rd_conflicts SET other = NULL WHERE id = $1";
        sqlx::query(statement).bind(row.try_get::<i64, _>(0)?).execute(write.connection()).await?;
    }
    let rows =
        sqlx::query("SELECT seq, before, after FROM rd_changes WHERE kind IN ('conflict.opened', 'conflict.resolved')")
            .fetch_all(write.connection())
            .await?;
    let mut changes: Vec<i64> = Vec::new();
    for row in &rows {
        for column in 1..3 {
            let text: Option<&str> = row.try_get(column)?;
            let value = text.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
            let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
            if named.contains(word("subject")) || tells(word("detail"), named) {
                changes.push(row.try_get(0)?);
            }
        }
    }
    sqlx::query(concat!("UPDATE rd_changes SET before = NULL, after = NULL WHERE seq ", any_of!("$1")))
        .bind(any_list(&changes))
        .execute(write.connection())
        .await?;
    unname_runs(write, named).await
}

/// What runs said that held the person's departure, or missed the person.
async fn unname_runs(write: &mut Statements, named: &BTreeSet<String>) -> Result<(), Fault> {
    let rows =
        sqlx::query("SELECT id, error FROM rd_runs WHERE error IS NOT NULL").fetch_all(write.connection()).await?;
    for row in &rows {
        let Some(left) = without(row.try_get(1)?, named) else { continue };
        let statement = "UPDATE rd_runs SET error = $2 WHERE id = $1";
        sqlx::query(statement).bind(row.try_get::<i64, _>(0)?).bind(left).execute(write.connection()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B3
    #[test]
    fn names_go_where_they_are_words_of_their_own() {
        let named = ["bob", "bob@example.com", "uid=bob,dc=example"].map(str::to_owned).into();
        let without = |text: &str| without(text, &named);
        assert_eq!(
            without("(first: ada, bob, cy); `bob@example.com`.").unwrap(),
            "(first: ada, erased, cy); `erased`."
        );
        assert_eq!(without("bob").unwrap(), "erased");
        assert_eq!(without("missed (uid=bob,dc=example) and bob.").unwrap(), "missed (erased) and erased.");
        for other in ["bobby and jim-bob", "bob.x@example.com", "bob@example.org", "ou=bob,x"] {
            assert_eq!(without(other), None, "{other}");
        }
    }
}
