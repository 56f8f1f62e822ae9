//! `rosterd users add`, `rosterd users set` (M1, M3, U2, S1)

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::args::NewUser;
use crate::cli::commands::Session;
use crate::cli::commands::by_hand::{Intent, account, carry_out, one};
use crate::cli::commands::settle::{bearer, first};
use crate::cli::failure::Failure;
use crate::cli::provenance::mapping_last_read;
use crate::config::{Config, nearest};
use crate::directory::{Kind, Mapping};
use crate::plan::by_hand::Rivals;
use crate::plan::manual::{self, Assignment, NewAccount};
use crate::roster::{Account, Address, FieldId, FieldNames, Fields, Origin};
use crate::store::Store;
use crate::sync::SyncError;

/// Columns of `roster_users` that nobody sets, so that no value in `extra` is taken for one of them.
const RESERVED: [&str; 17] = [
    "id",
    "source",
    "origin",
    "unique_id",
    "dn",
    "aliases",
    "role",
    "state",
    "access",
    "pending_reason",
    "flagged_at",
    "delete_after",
    "transferred_to",
    "extra",
    "created_at",
    "updated_at",
    "mail",
];

/// Makes an account that no directory gives.
pub async fn add(session: &mut Session, args: &NewUser) -> Result<u8, Failure> {
    let config = session.config()?;
    let names = names(&config, &args.set)?;
    let store = session.store(&config).await?;
    let primary = address(&args.address)?;
    let mut fields = vec![(FieldId::USERNAME, args.username.clone())];
    for assignment in assignments(&args.set, &names)? {
        match assignment {
            Assignment::Field(FieldId::USERNAME, _) | Assignment::Primary(_) => {
                return Err(Failure::Usage("--username and --address give username and address".to_owned()));
            }
            Assignment::Field(field, value) => fields.extend(value.map(|value| (field, value.into()))),
        }
    }
    let new = NewAccount { origin: args.origin, fields: Fields::new(fields), primary };
    let decide = async |store: &dyn Store| {
        let owner = first(store, store.owners(&[new.primary.key()]).await?).await?;
        let bearer = bearer(store, Some(&args.username)).await?;
        let rivals = Rivals { name: bearer.as_ref(), address: owner.as_ref() };
        let change = manual::add(new.clone(), rivals)?;
        let done = format!("Done: `{}` added ({}).", args.username, new.origin);
        let warns = slips(&config, &args.set);
        Ok(Intent { account: None, changes: vec![change], asks: None, warns, done })
    };
    carry_out(session, &config, &*store, (true, &names), decide).await
}

/// Sets values of somebody.
pub async fn set(session: &mut Session, who: &str, values: &[(String, String)]) -> Result<u8, Failure> {
    let config = session.config()?;
    let names = names(&config, values)?;
    let wanted = assignments(values, &names)?;
    let store = session.store(&config).await?;
    let user = one(session, &*store, who).await?;
    let decide = async |store: &dyn Store| {
        let account = account(store, user).await?;
        let coverage = store.coverage(&config.source.name).await?;
        let (mut owner, mut named) = (None, None);
        for assignment in &wanted {
            match assignment {
                Assignment::Primary(Some(address)) => {
                    owner = first(store, store.owners(&[address.key()]).await?).await?;
                }
                Assignment::Field(FieldId::USERNAME, Some(name)) => named = bearer(store, Some(name)).await?,
                _ => {}
            }
        }
        let owned = owned(&account, &config, &coverage, &names)?;
        let rivals = Rivals { name: named.as_ref(), address: owner.as_ref() };
        let change = manual::set(&account, &wanted, &owned, rivals, &names)?;
        let done = format!("Done: `{}` updated.", account.label());
        Ok(Intent { warns: slips(&config, values), ..Intent::plain(account, change, done) })
    };
    carry_out(session, &config, &*store, (true, &names), decide).await
}

/// What is set in `extra` although its name is nearly that of a field.
fn slips(config: &Config, values: &[(String, String)]) -> Option<String> {
    let extras = config.names();
    let known: Vec<&str> = FieldId::COLUMNS.iter().copied().chain(extras.extras().map(|(_, name)| name)).collect();
    let strange =
        values.iter().map(|(name, _)| name.as_str()).filter(|name| !known.contains(name) && !is_address(name));
    let says = strange.filter_map(|name| {
        let near = nearest::name(name, known.iter().copied().chain(["address"]))?;
        Some(format!("`{name}` is no field of users, so it is set in `extra`; did you mean `{near}`?"))
    });
    says.reduce(|all, one| format!("{all} {one}"))
}

/// The fields that the directory gives this user; before the first run, and without a kind in the configuration, those that
/// any kind gives.
fn owned(
    account: &Account,
    config: &Config,
    coverage: &BTreeMap<String, u64>,
    names: &FieldNames,
) -> Result<BTreeSet<FieldId>, SyncError> {
    let elsewhere = account.source != config.source.name;
    let reads = config.enabled && config.users.is_some();
    let manual = account.origin != Origin::Directory;
    if (manual && (account.key.is_none() || elsewhere)) || !(reads || elsewhere) {
        return Ok(BTreeSet::new());
    }
    if elsewhere {
        return Err(SyncError::Source {
            says: format!(
                "`{}` belongs to the source `{}`, this configuration is of `{}`; give the configuration of that source",
                account.label(),
                account.source,
                config.source.name
            ),
        });
    }
    let any = || Kind::ALL.into_iter().map(|kind| Mapping::resolve(kind, config.users.as_ref(), None));
    let mappings = match mapping_last_read(config, coverage) {
        Some(mapping) => vec![mapping],
        None => any().collect::<Result<_, _>>()?,
    };
    let mut owned = BTreeSet::from([FieldId::USERNAME]);
    for mapping in mappings {
        owned.extend(mapping.mapped().iter().filter_map(|field| names.id(mapping.names().name(*field))));
    }
    if manual {
        // What supplements an account leaves it its name and its addresses (M2).
        owned.remove(&FieldId::USERNAME);
    }
    Ok(owned)
}

/// The names of all extra fields, those of the configuration and those that are set now.
fn names(config: &Config, values: &[(String, String)]) -> Result<FieldNames, Failure> {
    let given = values.iter().map(|(name, _)| name.as_str());
    let known = |name: &&str| FieldId::COLUMNS.contains(name) || is_address(name);
    let mut extras: Vec<&str> = Vec::new();
    for name in given.filter(|name| !known(name)) {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !plain || name.is_empty() || name.len() > 64 || RESERVED.contains(&name) {
            let columns = FieldId::COLUMNS.join(", ");
            return Err(Failure::Usage(format!(
                "`{name}` cannot be set; a field is one of {columns}, address, or a name of 1 to 64 letters, digits, _ \
                 and - for `extra`"
            )));
        }
        extras.push(name);
    }
    let configured = config.names();
    Ok(FieldNames::new(configured.extras().map(|(_, name)| name).chain(extras)))
}

fn is_address(name: &str) -> bool {
    matches!(name, "address" | "primary_address")
}

fn assignments(values: &[(String, String)], names: &FieldNames) -> Result<Vec<Assignment>, Failure> {
    let mut wanted = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, value) in values {
        if !seen.insert(if is_address(name) { "address" } else { name }) {
            return Err(Failure::Usage(format!("`{name}` is given twice")));
        }
        let some = Some(value.as_str()).filter(|value| !value.is_empty());
        wanted.push(match names.id(name) {
            _ if is_address(name) => Assignment::Primary(some.map(address).transpose()?),
            Some(field) => Assignment::Field(field, some.map(Into::into)),
            None => return Err(Failure::Usage(format!("`{name}` is one field too many"))),
        });
    }
    Ok(wanted)
}

fn address(text: &str) -> Result<Address, Failure> {
    let refused = || Failure::Refused(format!("`{text}` is no address: a local part, @, and a valid domain (A6)"));
    Address::parse(text).ok_or_else(refused)
}
