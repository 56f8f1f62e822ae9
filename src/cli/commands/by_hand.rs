//! Commands that change people: decided, shown, confirmed, and decided again in turn with everybody else.

use std::io::{self, BufRead as _};

use crate::cli::commands::{Session, users};
use crate::cli::escape;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::users::list as print_list;
use crate::clock::Clock as _;
use crate::config::Config;
use crate::directory::Kind;
use crate::plan::UserChange;
use crate::roster::{Account, FieldNames, UserId};
use crate::store::rows::{UserRow, Which};
use crate::store::{Store, StoreError};
use crate::sync::{SyncError, by_hand};

/// What is to be done, as decided on the store as it is.
pub struct Intent {
    /// The user it is about; `None` for one who is added.
    pub account: Option<Account>,
    /// What happens to whom.
    pub changes: Vec<UserChange>,
    /// What a person at a terminal has to say yes to.
    pub asks: Option<String>,
    /// What may come as a surprise.
    pub warns: Option<String>,
    /// What was done, once it is.
    pub done: String,
}

impl Intent {
    /// One change that nobody has to be asked about.
    pub fn plain(account: Account, change: UserChange, done: String) -> Self {
        Self { account: Some(account), changes: vec![change], asks: None, warns: None, done }
    }
}

/// Does one thing to the user who is WHO; the text says what was done.
pub async fn change(
    session: &mut Session,
    who: &str,
    decide: impl AsyncFn(&dyn Store, &Account) -> Result<(UserChange, String), SyncError>,
) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let user = one(session, &*store, who).await?;
    let decide = async |store: &dyn Store| {
        let account = account(store, user).await?;
        let (change, done) = decide(store, &account).await?;
        Ok(Intent::plain(account, change, done))
    };
    carry_out(session, &config, &*store, (true, &config.names()), decide).await
}

/// Shows, asks on a terminal unless `yes` answers, and does it: whole, or not at all.
pub async fn carry_out(
    session: &mut Session,
    config: &Config,
    store: &dyn Store,
    (yes, names): (bool, &FieldNames),
    decide: impl AsyncFn(&dyn Store) -> Result<Intent, SyncError>,
) -> Result<u8, Failure> {
    let intent = decide(store).await?;
    if let Some(warning) = &intent.warns {
        session.screen.say(&format!("warning: {warning}"))?;
    }
    if let Some(question) = &intent.asks {
        agreed(session, yes, question)?;
    }
    let at = session.clock.now();
    let nothing = intent.changes.iter().all(|change| change.acts.is_empty());
    let source = intent.account.as_ref().map_or(&config.source.name, |account| &account.source);
    let added = by_hand::in_turn(store, async |turn| {
        let now = decide(store).await?;
        if now.changes != intent.changes {
            let who = now.account.map(|account| account.uuid.to_string()).unwrap_or_default();
            return Err(SyncError::Overtaken { who });
        }
        if nothing {
            return Ok(None);
        }
        by_hand::apply(store, turn, (source, at, names), &now.changes).await
    })
    .await?;
    if session.screen.json {
        let user = match added {
            Some(user) => Some(account(store, user).await?),
            None => intent.account,
        };
        let row = match user {
            Some(user) => row(store, &user).await?,
            None => None,
        };
        session.screen.json(&row)?;
    } else {
        let done = if nothing { "Nothing to do: it is so already." } else { &intent.done };
        session.screen.done(done)?;
    }
    Ok(exit::DONE)
}

/// Asks a person at a terminal, unless `yes` answers; whoever does not say yes has nothing done.
pub fn agreed(session: &mut Session, yes: bool, question: &str) -> Result<(), Failure> {
    if yes || !session.on_terminal() {
        return Ok(());
    }
    write!(session.screen.err(), "{} [y/N] ", escape::text(question))?;
    session.screen.err().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Refused("nothing was done".to_owned())),
    }
}

/// The user who is WHO; several are listed, none is guessed.
pub async fn one(session: &mut Session, store: &dyn Store, who: &str) -> Result<UserId, Failure> {
    one_of(session, store, who, store.users_who(who).await?).await
}

/// The same for what is done to tombstones, too: they are found by the name or address they had.
pub async fn one_or_deleted(session: &mut Session, store: &dyn Store, who: &str) -> Result<UserId, Failure> {
    let mut found = store.users_who(who).await?;
    if found.is_empty() {
        found = store.tombstones(who).await?;
    }
    one_of(session, store, who, found).await
}

async fn one_of(session: &mut Session, store: &dyn Store, who: &str, found: Vec<UserId>) -> Result<UserId, Failure> {
    match at_most_one(session, store, who, &found).await? {
        Some(user) => Ok(user),
        None => Err(Failure::Refused(users::nobody(store, who).await?)),
    }
}

/// WHO as it is looked for: of `DOMAIN\user`, as Windows writes accounts of Active Directory, the name alone, unless
/// somebody is called that.
pub async fn sought<'w>(store: &dyn Store, config: &Config, who: &'w str) -> Result<&'w str, Failure> {
    if who.trim().is_empty() {
        let says = "WHO is empty; name somebody by id, unique id, DN, username or address";
        return Err(Failure::Usage(says.to_owned()));
    }
    let logon = who
        .split_once('\\')
        .filter(|(domain, name)| !domain.is_empty() && !name.is_empty() && !name.contains('\\') && !who.contains('='));
    let Some((_, name)) = logon else { return Ok(who) };
    let read = store.coverage(&config.source.name).await?;
    let domain_controller = match config.source.kind {
        Some(kind) => kind == Kind::ActiveDirectory,
        None => read.is_empty() || read.contains_key("samaccountname"),
    };
    Ok(if domain_controller && store.users_who(who).await?.is_empty() { name } else { who })
}

/// The user who is WHO, if there is one; several are listed, none is guessed.
pub async fn known(session: &mut Session, store: &dyn Store, who: &str) -> Result<Option<UserId>, Failure> {
    let found = store.users_who(who).await?;
    at_most_one(session, store, who, &found).await
}

/// The deleted user who was WHO last, if there is one; several are listed, none is guessed.
pub async fn deleted(session: &mut Session, store: &dyn Store, who: &str) -> Result<Option<UserId>, Failure> {
    let found = store.tombstones(who).await?;
    at_most_one(session, store, who, &found).await
}

async fn at_most_one(
    session: &mut Session,
    store: &dyn Store,
    who: &str,
    found: &[UserId],
) -> Result<Option<UserId>, Failure> {
    match found {
        [user] => Ok(Some(*user)),
        [] => Ok(None),
        several => {
            let mut rows = Vec::new();
            for account in store.accounts(several).await? {
                rows.extend(row(store, &account).await?);
            }
            if session.screen.json {
                session.screen.json(&rows)?;
            } else {
                let columns = session.screen.columns;
                print_list(session.screen.out(), &rows, columns)?;
                for row in &rows {
                    session.screen.say(&format!("{}: {}", row.username.as_deref().unwrap_or(who), row.id))?;
                }
            }
            let says = format!("{} users are `{who}`; say which one by id, unique id or DN", several.len());
            Err(Failure::Refused(says))
        }
    }
}

/// One user as it is shown.
pub async fn row(store: &dyn Store, account: &Account) -> Result<Option<UserRow>, StoreError> {
    Ok(store.user_rows(&Which::Who(account.uuid.to_string())).await?.pop())
}

/// One user as it is now.
pub async fn account(store: &dyn Store, user: UserId) -> Result<Account, SyncError> {
    let gone = || SyncError::Overtaken { who: user.0.to_string() };
    store.accounts(&[user]).await?.pop().ok_or_else(gone)
}
