//! `rosterd migrate`

use serde_json::json;

use crate::cli::commands::Session;
use crate::cli::failure::Failure;
use crate::cli::{escape, exit};
use crate::store::Schema;

/// Creates the store or brings its schema up to date, and says from where to where.
pub async fn run(session: &mut Session) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.open(&config.store).await?;
    let before = store.schema().await?;
    // Refuses a newer schema, too.
    store.migrate().await?;
    let name = store.describe();
    if session.screen.json {
        session.screen.json(&json!({ "store": name, "from": word(before), "to": word(Schema::Current) }))?;
        return Ok(exit::DONE);
    }
    let name = escape::value(name);
    let out = session.screen.out();
    match before {
        Schema::Current => writeln!(out, "{name}: already current")?,
        from => writeln!(out, "{name}: migrated from {} to {}", word(from), word(Schema::Current))?,
    }
    Ok(exit::DONE)
}

const fn word(schema: Schema) -> &'static str {
    match schema {
        Schema::Empty => "empty",
        Schema::Old => "old",
        Schema::Current => "current",
        Schema::Newer => "newer",
    }
}
