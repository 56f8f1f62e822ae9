//! `rosterd grants`

use crate::cli::commands::Session;
use crate::cli::commands::by_hand::change;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::table::{Cell, Table};
use crate::plan::rights::by_hand;

/// Lists every grant of people with access.
pub async fn list(session: &mut Session) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    let grants = store.grant_rows(None).await?;
    if session.screen.json {
        session.screen.json(&grants)?;
    } else if grants.is_empty() {
        session.screen.say("nobody has a grant")?;
    } else {
        let mut table = Table::new(["USER", "PRIVILEGE", "BY"]);
        for grant in &grants {
            let user = grant.username.as_ref().or(grant.primary_address.as_ref()).unwrap_or(&grant.user_id);
            let by = grant.group_dn.as_ref().unwrap_or(&grant.via);
            table.row([Cell::new(user), Cell::new(&grant.privilege), Cell::new(by)]);
        }
        let columns = session.screen.columns;
        table.print(session.screen.out(), columns)?;
    }
    Ok(exit::DONE)
}

/// Gives a privilege by hand.
pub async fn add(session: &mut Session, who: &str, privilege: &str) -> Result<u8, Failure> {
    let directory_only = session.config()?.directory_only;
    change(session, who, async |store, account| {
        let local = store.local_grants(account.id).await?;
        let change = by_hand::give(account, &local, privilege, &directory_only)?;
        Ok((change, format!("Done: `{privilege}` given to `{}`.", account.label())))
    })
    .await
}

/// Takes a privilege away that was given by hand.
pub async fn remove(session: &mut Session, who: &str, privilege: &str) -> Result<u8, Failure> {
    change(session, who, async |store, account| {
        let local = store.local_grants(account.id).await?;
        let rows = store.grant_rows(Some(&account.uuid.to_string())).await?;
        let by = rows.into_iter().filter(|row| row.privilege == privilege);
        let givers: Vec<String> = by.filter_map(|row| row.group_dn).collect();
        let change = by_hand::take(account, (&local, &givers), privilege)?;
        Ok((change, format!("Done: `{privilege}` taken from `{}`.", account.label())))
    })
    .await
}
