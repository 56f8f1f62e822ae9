//! `rosterd source` (I9, S6)

use serde_json::{Value, json};

use crate::cli::commands::Session;
use crate::cli::commands::by_hand::agreed;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::{counted, moment, number};
use crate::cli::table::{Cell, Table};
use crate::clock::{Clock as _, Timestamp};
use crate::roster::State;
use crate::store::{SourceRecord, Store};
use crate::sync::retire::{self, Retirement};

/// Lists the sources of the store.
pub async fn list(session: &mut Session) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let now = session.clock.now();
    let mut rows = Vec::new();
    for source in store.sources().await? {
        let people = store.user_counts(Some(&source.name)).await?;
        let frozen = store.freeze(&source.name).await?.filter(|freeze| freeze.until > now);
        rows.push((source, people, frozen.map(|freeze| freeze.until)));
    }
    if session.screen.json {
        session.screen.json(&rows.iter().map(value).collect::<Vec<_>>())?;
    } else if rows.is_empty() {
        session.screen.say("no source has been read into this store yet")?;
    } else {
        let mut table = Table::new(["NAME", "STATE", "USERS", "DIRECTORY", "BASES"]);
        for (source, people, frozen) in &rows {
            let state = state(source, *frozen);
            let (people, bases) = (by_state(people), source.bases.replace('\n', "; "));
            table.row([
                Cell::new(&source.name),
                Cell::new(&state),
                Cell::new(&people),
                Cell::new(&source.directory),
                Cell::new(&bases),
            ]);
        }
        let columns = session.screen.columns;
        table.print(session.screen.out(), columns)?;
    }
    Ok(exit::DONE)
}

fn state(source: &SourceRecord, frozen: Option<Timestamp>) -> String {
    match (source.retired, frozen) {
        (Some(at), _) => format!("retired {}", moment(at)),
        (None, Some(until)) => format!("frozen until {}", moment(until)),
        (None, None) => "in use".to_owned(),
    }
}

fn by_state(people: &[(State, u64)]) -> String {
    let said: Vec<String> = people.iter().map(|(state, n)| format!("{} {state}", number(*n))).collect();
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}

fn value((source, people, frozen): &(SourceRecord, Vec<(State, u64)>, Option<Timestamp>)) -> Value {
    let users: serde_json::Map<String, Value> =
        people.iter().map(|(state, n)| (state.as_str().to_owned(), (*n).into())).collect();
    json!({
        "name": source.name,
        "directory": source.directory,
        "bases": source.bases.lines().collect::<Vec<_>>(),
        "retired_at": source.retired.map(|at| at.to_string()),
        "frozen_until": frozen.map(|at| at.to_string()),
        "users": users,
    })
}

/// Gives a source another name.
pub async fn rename(session: &mut Session, old: &str, new: &str) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let source = find(session, &*store, old).await?;
    if source.retired.is_some() {
        return Err(Failure::Refused(format!("source `{old}` was retired; its name stays what it is")));
    }
    if store.sources().await?.iter().any(|source| source.name == new) {
        return Err(Failure::Refused(format!("there is a source `{new}` already; choose another name")));
    }
    if new.is_empty() || new.chars().any(char::is_control) || new.trim() != new {
        return Err(Failure::Usage(format!("`{new}` is no name for a source")));
    }
    retire::rename(&*store, old, new).await?;
    let says = format!("Done: source `{old}` is called `{new}` now; set source.name = \"{new}\" in the configuration.");
    done(session, &*store, new, &says).await
}

/// Gives a source up.
pub async fn retire(session: &mut Session, name: Option<String>, force: bool, yes: bool) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let name = name.unwrap_or_else(|| config.source.name.clone());
    let source = find(session, &*store, &name).await?;
    if let Some(at) = source.retired {
        return Err(Failure::Refused(format!("source `{name}` was retired already, on {}", moment(at))));
    }
    let now = session.clock.now();
    let would = retire::look(&*store, &config, &name, now).await?;
    if !would.people.is_empty() && !force {
        return Err(Failure::Refused(format!(
            "source `{name}` still has users ({}); `{}` takes access from everybody active and has them deleted after \
             deletion.delay",
            by_state(&would.people),
            session.invocation(&format!("source retire {name} --force"))
        )));
    }
    let question = format!("retire source `{name}` and take access from {}?", leaving(&would));
    agreed(session, yes, &question)?;
    let did = retire::retire(&*store, &config, (&name, force), now).await?;
    let stay: u64 = did.people.iter().filter(|(state, _)| *state == State::Kept).map(|(_, n)| n).sum();
    let stay = if stay > 0 { format!("; {}, kept on purpose", counted(stay, "stays", "stay")) } else { String::new() };
    let says = format!("Done: source `{name}` is retired; {} lost access{stay}.", leaving(&did));
    done(session, &*store, &name, &says).await
}

fn leaving(retirement: &Retirement) -> String {
    let groups = counted(retirement.groups.len() as u64, "group", "groups");
    format!("{} and {groups}", counted(retirement.users.len() as u64, "person", "people"))
}

async fn find(session: &Session, store: &dyn Store, name: &str) -> Result<SourceRecord, Failure> {
    let known = store.sources().await?;
    let list = session.invocation("source list");
    let unknown = || Failure::Refused(format!("there is no source `{name}` in this store; `{list}` lists them"));
    known.into_iter().find(|source| source.name == name).ok_or_else(unknown)
}

async fn done(session: &mut Session, store: &dyn Store, name: &str, says: &str) -> Result<u8, Failure> {
    if session.screen.json {
        let source = find(session, store, name).await?;
        let people = store.user_counts(Some(name)).await?;
        session.screen.json(&value(&(source, people, None)))?;
    } else {
        session.screen.done(says)?;
    }
    Ok(exit::DONE)
}
