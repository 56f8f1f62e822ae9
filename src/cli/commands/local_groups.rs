//! `rosterd groups add`, `delete` and `member`

use crate::cli::args::MemberCommand;
use crate::cli::commands::Session;
use crate::cli::commands::by_hand::{account, agreed, one};
use crate::cli::commands::groups::matching;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::counted;
use crate::clock::Clock as _;
use crate::config::Config;
use crate::plan::GroupChange;
use crate::plan::local_groups::{self, LocalGroup};
use crate::store::Store;
use crate::store::rows::GroupRow;
use crate::sync::{SyncError, by_hand};

/// Makes a local group.
pub async fn add(session: &mut Session, name: &str) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let decide = async |store: &dyn Store| {
        let groups = store.group_rows().await?;
        let names: Vec<String> = groups.into_iter().filter(|row| row.state != "deleted").map(|row| row.name).collect();
        Ok(local_groups::make(name, &names)?)
    };
    carry_out(session, &config, &*store, &format!("Done: group `{name}` made."), decide).await
}

/// Deletes a local group.
pub async fn delete(session: &mut Session, which: &str, yes: bool) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let row = local(session, &*store, which).await?;
    let question =
        format!("Delete the group `{}` with {}?", row.name, counted(row.members.cast_unsigned(), "member", "members"));
    agreed(session, yes, &question)?;
    let decide = async |store: &dyn Store| Ok(local_groups::delete(&group(store, &row).await?));
    carry_out(session, &config, &*store, &format!("Done: group `{}` deleted.", row.name), decide).await
}

/// Puts somebody into a local group, or takes somebody out.
pub async fn member(session: &mut Session, command: &MemberCommand) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let (MemberCommand::Add(member) | MemberCommand::Remove(member)) = command;
    let row = local(session, &*store, &member.group).await?;
    let user = one(session, &*store, &member.who).await?;
    let decide = async |store: &dyn Store| {
        let (group, account) = (group(store, &row).await?, account(store, user).await?);
        Ok(match command {
            MemberCommand::Add(_) => local_groups::join(&group, &account)?,
            MemberCommand::Remove(_) => local_groups::leave(&group, &account)?,
        })
    };
    let word = if matches!(command, MemberCommand::Add(_)) { "is in" } else { "is no longer in" };
    let done = format!("Done: `{}` {word} `{}`.", member.who, row.name);
    carry_out(session, &config, &*store, &done, decide).await
}

/// Decides and applies in turn with every run and every other person.
async fn carry_out(
    session: &mut Session,
    config: &Config,
    store: &dyn Store,
    done: &str,
    decide: impl AsyncFn(&dyn Store) -> Result<GroupChange, SyncError>,
) -> Result<u8, Failure> {
    let at = session.clock.now();
    by_hand::in_turn(store, async |turn| {
        let change = decide(store).await?;
        by_hand::apply_group(store, turn, (at, &config.names()), change).await
    })
    .await?;
    if !session.screen.json {
        session.screen.done(done)?;
    }
    Ok(exit::DONE)
}

/// The local group that is G; groups of the directory are changed there.
async fn local(session: &Session, store: &dyn Store, which: &str) -> Result<GroupRow, Failure> {
    let mut groups = store.group_rows().await?;
    groups.retain(|group| group.state != "deleted");
    let refuse = |says: String| Err(Failure::Refused(says));
    let all = session.invocation("groups");
    match matching(groups, which).as_slice() {
        [] => refuse(format!("no group has `{which}` as id or name; `{all}` lists them")),
        [group] if group.origin == "local" => Ok(group.clone()),
        [_] => refuse(format!("`{which}` is a group of the directory; it is changed there, not in the store")),
        several => refuse(format!("{} groups are `{which}`; say which one by id, as `{all}` lists it", several.len())),
    }
}

async fn group(store: &dyn Store, row: &GroupRow) -> Result<LocalGroup, SyncError> {
    let gone = || SyncError::Overtaken { who: row.name.clone() };
    store.local_group(&row.id).await?.ok_or_else(gone)
}
