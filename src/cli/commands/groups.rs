//! `rosterd groups`

use crate::cli::commands::Session;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::groups::{list as print_list, show as print_one, value};
use crate::plan::policy::{Mapped, Place, Rights};
use crate::roster::Dn;
use crate::roster::address::fold;
use crate::store::rows::GroupRow;

/// Lists every group.
pub async fn list(session: &mut Session) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let groups = store.group_rows().await?;
    if session.screen.json {
        session.screen.json(&groups)?;
    } else if groups.is_empty() {
        session.screen.say("no group")?;
    } else {
        let columns = session.screen.columns;
        print_list(session.screen.out(), &groups, columns)?;
    }
    Ok(exit::DONE)
}

/// Shows one group; several matches are listed, none is guessed.
pub async fn show(session: &mut Session, which: &str) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let groups = store.group_rows().await?;
    let found = matching(groups, which);
    match found.as_slice() {
        [] => {
            let all = session.invocation("groups");
            let says = format!("no group has `{which}` as id, unique id, DN or name; `{all}` lists them");
            Err(Failure::Refused(says))
        }
        [group] => {
            let members = store.group_members(&group.id).await?;
            let gives = gives(group, &config.rights);
            if session.screen.json {
                session.screen.json(&value(group, &members, &gives))?;
            } else {
                let columns = session.screen.columns;
                print_one(session.screen.out(), group, (&members, &gives), columns)?;
            }
            Ok(exit::DONE)
        }
        several => {
            if session.screen.json {
                session.screen.json(several)?;
            } else {
                let columns = session.screen.columns;
                print_list(session.screen.out(), several, columns)?;
            }
            let says = format!("{} groups are `{which}`; say which one by id, unique id or DN", several.len());
            Err(Failure::Refused(says))
        }
    }
}

/// What a group gives by its DN beside membership (R1, R2): `role admin`, `grant wallet-read`.
fn gives(group: &GroupRow, rights: &Rights) -> Vec<String> {
    let dn = group.dn.as_deref().map(Dn::digest_of);
    let here = |place: &Place| matches!(place, Place::Dn(mapped) if Some(Dn::digest_of(mapped)) == dn);
    let of = |word: &'static str, all: &[Mapped]| -> Vec<String> {
        let gives = |one: &&Mapped| one.places.iter().any(|at| rights.places.get(*at).is_some_and(here));
        all.iter().filter(gives).map(|one| format!("{word} {}", one.name)).collect()
    };
    [of("role", &rights.roles), of("grant", &rights.grants)].concat()
}

/// The groups that are G in the first of these ways that any group matches: id, unique id, DN, name.
pub fn matching(groups: Vec<GroupRow>, which: &str) -> Vec<GroupRow> {
    let folded = fold(which);
    let ways: [&dyn Fn(&GroupRow) -> bool; 4] = [
        &|group| group.id == which,
        &|group| group.unique_id.as_deref() == Some(which),
        &|group| group.dn.as_deref().is_some_and(|dn| fold(dn) == folded),
        &|group| fold(&group.name) == folded,
    ];
    let way = ways.into_iter().find(|way| groups.iter().any(way));
    way.map(|way| groups.iter().filter(|group| way(group)).cloned().collect()).unwrap_or_default()
}
