//! Why somebody is in, or is not: reads the directory now, and changes nothing (`explain`).

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Clock;
use crate::config::Config;
use crate::directory::{self, Connection, Progress, Searches};
use crate::plan::explain::{Entry, Explanation, Facts, Waits, Whole, ends_access, explain, hold_alone};
use crate::plan::one::known;
use crate::plan::{Hold, Plan, Policy, Since, View};
use crate::roster::{Account, AttributeUse, FieldNames, Incomplete, Index, Known, LookUp, State, UserId};
use crate::store::{Outcome, Store};
use crate::sync::look::{skips, window};
use crate::sync::one::nobody::no_users;
use crate::sync::one::{LookOne, ambiguous, look_up, of_another_source};
use crate::sync::{Scene, SyncError, basis, chain, source};

/// Whom to explain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question<'a> {
    /// As it was typed.
    pub who: &'a str,
    /// The user of the store who is WHO.
    pub user: Option<UserId>,
    /// Somebody deleted who was WHO last.
    pub tombstone: Option<UserId>,
    /// The run that waits for a person.
    pub waits: Option<Waits>,
    /// A person at a terminal asks: a bind that was refused a moment ago may be tried once more (E9).
    pub insist: bool,
}

/// What was found out.
#[derive(Debug)]
pub struct Examined {
    /// The user of the store, if there is one.
    pub user: Option<UserId>,
    /// Rule by rule.
    pub explanation: Explanation,
    /// Which server was read.
    pub server: Option<String>,
    /// What each attribute of the directory is used for; `None` when the kind of directory is not known now.
    pub uses: Option<BTreeMap<String, BTreeSet<AttributeUse>>>,
    /// Names of the extra fields.
    pub names: FieldNames,
    /// Why the directory could not be read.
    pub error: Option<SyncError>,
}

/// What was seen of the person.
struct Seen {
    account: Option<Account>,
    sight: Sight,
    policy: Policy,
    server: String,
    since: Option<Since>,
    /// Nobody at all is within bases and filter.
    nobody: bool,
}

enum Sight {
    Nowhere,
    Garbled(String),
    Outside(LookUp),
    One(Box<LookOne>),
}

/// Looks at one person and says why it is as it is; nothing is changed. Without the directory it says what the store
/// knows.
///
/// # Errors
/// When the store fails; [`SyncError::Who`] when several entries of the directory are WHO.
pub async fn examine(
    config: &Config,
    store: &dyn Store,
    clock: &dyn Clock,
    question: &Question<'_>,
    progress: &dyn Progress,
) -> Result<Examined, SyncError> {
    let scene = Scene { config, store, clock, progress, writes: false };
    let known = question.user.or(question.tombstone);
    let account = match known {
        Some(user) => store.accounts(&[user]).await?.pop(),
        None => None,
    };
    let elsewhere = account.as_ref().filter(|account| account.source != config.source.name);
    if let Some(error) = elsewhere.map(|account| of_another_source(account, &config.source.name)) {
        return unreached(&scene, question, account, (error.to_string(), Some(error))).await;
    }
    if let Some(not_read) = not_read(&scene, account.as_ref()).await? {
        let NotRead { why, then, error } = not_read;
        return without_directory(&scene, question, account, Entry::NotRead(&why, &then), error).await;
    }
    match Box::pin(see(&scene, question, account.clone())).await {
        Ok(seen) => judge(&scene, question, seen).await,
        Err(error @ (SyncError::Store(_) | SyncError::Who { .. })) => Err(error),
        Err(error) => unreached(&scene, question, account, (chain(&error), Some(error))).await,
    }
}

async fn see(scene: &Scene<'_>, question: &Question<'_>, account: Option<Account>) -> Result<Seen, SyncError> {
    let store = scene.store;
    source::in_use(store, &scene.config.source.name).await?;
    let version = store.version().await?;
    let (mut connection, searches, policy, neighbours) = scene.reach_for_one(question.insist, &[]).await?;
    let server = connection.about().server.clone();
    let directory = (&mut connection, &searches);
    let (account, sight) = identify(scene, question, directory, account).await?;
    let sight = match sight {
        Identified::Key(key) => {
            // Looked at as if it were new: an entry that was applied is explained, too.
            let index = account.iter().filter_map(known).map(|known| Known { fingerprint: None, ..known });
            let index = Index::new(index.collect());
            let directory = (&mut connection, &searches);
            let rules = (policy.clone(), neighbours);
            let mut look = LookOne::of(scene, directory, rules, (key, account.clone(), index), version).await?;
            look.look_for_the_gone(scene, (&mut connection, &searches)).await?;
            Sight::One(Box::new(look))
        }
        Identified::Outside(found) => Sight::Outside(found),
        Identified::Garbled(why) => Sight::Garbled(why),
        Identified::Nowhere => Sight::Nowhere,
    };
    let nobody = nobody_at_all(scene, (&mut connection, &searches), &sight).await?;
    let since = since(scene, &mut connection).await?;
    Ok(Seen { account, sight, policy, server, since, nobody })
}

/// Whether no run of everybody believes what was seen, because nobody at all is within bases and filter (E2).
async fn nobody_at_all(
    scene: &Scene<'_>,
    directory: (&mut Connection, &Searches),
    sight: &Sight,
) -> Result<bool, SyncError> {
    let Sight::One(look) = sight else { return Ok(false) };
    let disabled = look.look_ups.values().any(|found| matches!(found, LookUp::Disabled { .. }));
    let why = match look.snapshot.incomplete() {
        Some(why) => Some(why.clone()),
        None if disabled => no_users(scene, directory).await?,
        None => None,
    };
    Ok(why.is_some_and(|why| why.cause == Incomplete::NO_USERS))
}

/// What is different since the last run that ended well, as far as it shows without reading anybody (B1).
async fn since(scene: &Scene<'_>, connection: &mut Connection) -> Result<Option<Since>, SyncError> {
    let last = scene.store.basis(&scene.config.source.name, &[Outcome::Ok]).await?;
    let Some((run, last)) = last else { return Ok(None) };
    let server = connection.about().server.clone();
    let now = basis::of(scene.config, &server, connection.standing().await, scene.clock);
    Ok(Some(Since { run: run.0, changes: last.changes(&now) }))
}

/// What the brake says of the access that this person loses, if anything (B1).
async fn hold(
    scene: &Scene<'_>,
    account: Option<&Account>,
    (plan, policy): (&Plan, &Policy),
) -> Result<Option<Hold>, SyncError> {
    let Some((kind, account)) = ends_access(plan).zip(account) else { return Ok(None) };
    let (store, source, now) = (scene.store, scene.config.source.name.as_str(), scene.clock.now());
    let index = store.index(source).await?;
    let (_, recent) = window(store, source, &index, (now - policy.brake.window, now)).await?;
    Ok(hold_alone((kind, account.id), policy, &View { index, recent, ..View::default() }))
}

enum Identified {
    Key(crate::roster::UniqueId),
    Outside(LookUp),
    Garbled(String),
    Nowhere,
}

/// The user and the entry that belong together, as far as there are any.
async fn identify(
    scene: &Scene<'_>,
    question: &Question<'_>,
    (connection, searches): (&mut Connection, &Searches),
    account: Option<Account>,
) -> Result<(Option<Account>, Identified), SyncError> {
    let living = account.as_ref().filter(|_| question.user.is_some());
    if let Some(key) = living.and_then(|account| account.key.clone()) {
        return Ok((account, Identified::Key(key)));
    }
    // An entry with the address of an account made by hand belongs to it (M2).
    let text = living.and_then(Account::primary).map_or_else(|| question.who.to_owned(), ToString::to_string);
    for anywhere in [false, true] {
        let found = directory::find(connection, searches, (&text, anywhere)).await?;
        match found.found.as_slice() {
            [] if !anywhere && !found.garbled.is_empty() => {
                return Ok((account, Identified::Garbled(found.garbled.join("; "))));
            }
            [] => {}
            [one] => {
                let users = scene.store.users_who(one.key.as_str()).await?;
                let theirs = scene.store.accounts(&users).await?.pop();
                let account = theirs.or_else(|| living.cloned());
                if anywhere && account.is_none() {
                    let found = look_up(scene, (connection, searches), &one.key).await;
                    return Ok((account, Identified::Outside(found)));
                }
                let is_theirs = |it: &Account| it.key.as_ref() == Some(&one.key) || it.state == State::Dormant;
                let account = account.filter(is_theirs);
                return Ok((account, Identified::Key(one.key.clone())));
            }
            several => return Err(ambiguous(&text, several)),
        }
    }
    let key = account.as_ref().and_then(|account| account.key.clone());
    Ok((account, key.map_or(Identified::Nowhere, Identified::Key)))
}

async fn judge(scene: &Scene<'_>, question: &Question<'_>, seen: Seen) -> Result<Examined, SyncError> {
    let Seen { account, sight, policy, server, since, nobody } = seen;
    let (view, plan) = match &sight {
        Sight::One(look) => look.foresee(scene).await?,
        Sight::Nowhere | Sight::Outside(_) | Sight::Garbled(_) => without_entry(scene).await?,
    };
    let account =
        view.accounts.values().find(|one| Some(one.id) == account.as_ref().map(|one| one.id)).or(account.as_ref());
    let entry = match &sight {
        Sight::Nowhere => Entry::Nowhere,
        Sight::Outside(found) => Entry::Outside(found),
        Sight::Garbled(why) => Entry::Unreadable(why),
        Sight::One(look) => match (look.snapshot.reading().people.first(), account) {
            (Some(person), _) => Entry::Read(person),
            (None, Some(account)) => {
                look.look_ups.get(&account.id).map_or(Entry::Unreadable(&look.subject.found), Entry::Outside)
            }
            (None, None) => Entry::Unreadable(&look.subject.found),
        },
    };
    let reading = match &sight {
        Sight::One(look) => Some((look.snapshot.reading(), look.snapshot.incomplete())),
        _ => None,
    };
    let hold = hold(scene, account, (&plan, &policy)).await?;
    let heir = heir(scene, account).await?;
    let facts = Facts {
        who: question.who,
        account,
        entry,
        reading,
        view: &view,
        plan: &plan,
        policy: &policy,
        successor: match &sight {
            Sight::One(look) => look.successor.as_deref(),
            _ => None,
        },
        heir: heir.as_ref(),
        whole: Whole { waits: question.waits.clone(), hold, nobody, since },
    };
    Ok(Examined {
        user: account.map(|account| account.id),
        explanation: explain(&facts),
        server: Some(server),
        uses: Some(policy.uses.clone()),
        names: policy.names.clone(),
        error: None,
    })
}

/// What is written down in the store, for somebody of whom nothing was read.
async fn without_entry(scene: &Scene<'_>) -> Result<(View, Plan), SyncError> {
    let source = scene.config.source.name.as_str();
    let skips = skips(scene.store, source).await?;
    let conflicts = scene.store.open_conflicts(source).await?;
    let frozen = scene.frozen(scene.clock.now(), 0, 0).await?;
    Ok((View { conflicts, ..View::default() }, Plan { skips, frozen, ..Plan::default() }))
}

/// Why the directory is not asked at all, and what that means for the person.
struct NotRead {
    why: String,
    then: String,
    error: Option<SyncError>,
}

/// Whether the source was given up (S6), or is switched off (S1).
async fn not_read(scene: &Scene<'_>, account: Option<&Account>) -> Result<Option<NotRead>, SyncError> {
    let config = scene.config;
    let off = |key: &str, what: &str| NotRead {
        why: format!("{key} = false"),
        then: format!(
            "{what} switched off ({key} = false): nobody comes, goes or changes, except that who is pending is deleted by the \
             date; people can be managed by hand. Switch it on, and ask again."
        ),
        error: None,
    };
    Ok(match (source::in_use(scene.store, &config.source.name).await, config.enabled, &config.users) {
        (Err(error @ SyncError::Source { .. }), ..) => {
            Some(NotRead { why: error.to_string(), then: after_retirement(account), error: Some(error) })
        }
        (Err(error), ..) => return Err(error),
        (Ok(()), false, _) => Some(off("source.enabled", "The source is")),
        (Ok(()), true, None) => Some(off("users.enabled", "Reading people is")),
        (Ok(()), true, Some(_)) => None,
    })
}

/// What becomes of somebody whose source was given up (S6).
fn after_retirement(account: Option<&Account>) -> String {
    let what = match account {
        Some(one) if one.state == State::Pending => {
            let id = one.uuid;
            format!(
                " This user is deleted by the date; `rosterd users restore {id}` keeps the person, and `rosterd users delete \
                 {id}` does not wait."
            )
        }
        Some(one) if one.state.access() => {
            format!(" This user was kept, with access; `rosterd users delete {}` ends it.", one.uuid)
        }
        _ => String::new(),
    };
    format!(
        "The source was retired: its directory is not read any more, and its users are deleted by their dates.{what} A \
         directory that is to be read again needs another source.name."
    )
}

/// Whose user the entry of somebody dormant is now (I6).
async fn heir(scene: &Scene<'_>, account: Option<&Account>) -> Result<Option<Account>, SyncError> {
    let dormant = account.filter(|account| account.state == State::Dormant);
    let key = dormant.and_then(|account| account.former.as_ref()?.key.as_ref());
    let Some(key) = key else { return Ok(None) };
    let users = scene.store.users_who(key.as_str()).await?;
    Ok(scene.store.accounts(&users).await?.pop())
}

async fn unreached(
    scene: &Scene<'_>,
    question: &Question<'_>,
    account: Option<Account>,
    (why, error): (String, Option<SyncError>),
) -> Result<Examined, SyncError> {
    without_directory(scene, question, account, Entry::Unreached(&why), error).await
}

async fn without_directory(
    scene: &Scene<'_>,
    question: &Question<'_>,
    account: Option<Account>,
    entry: Entry<'_>,
    error: Option<SyncError>,
) -> Result<Examined, SyncError> {
    let (view, plan) = without_entry(scene).await?;
    let names = scene.config.names();
    let policy = scene.config.policy(BTreeSet::new(), names.clone(), BTreeMap::new());
    let heir = heir(scene, account.as_ref()).await?;
    let facts = Facts {
        who: question.who,
        account: account.as_ref(),
        entry,
        reading: None,
        view: &view,
        plan: &plan,
        policy: &policy,
        successor: None,
        heir: heir.as_ref(),
        whole: Whole { waits: question.waits.clone(), ..Whole::default() },
    };
    let explanation = explain(&facts);
    Ok(Examined { user: account.map(|account| account.id), explanation, server: None, uses: None, names, error })
}
