//! A plan in a file: written by `plan --out`, applied by `sync --plan` (B2).

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::commands::Session;
use crate::cli::failure::Failure;
use crate::clock::Clock as _;
use crate::config::Config;
use crate::roster::Digest;
use crate::store::{Action, Store};
use crate::sync::{Expected, deciding_settings};

/// Which form the file has.
const FORM: u32 = 1;

/// What the file says of itself; the plan in full stands beside it, for people and other programs.
#[derive(Serialize, Deserialize)]
pub struct Saved {
    rosterd_plan: u32,
    version: String,
    made_at: String,
    source: String,
    /// The store's id; none for one that was still empty.
    store: Option<String>,
    action: String,
    /// The settings that decide what a run does.
    settings: BTreeMap<String, String>,
    /// What `sync` compares its own plan with.
    digest: String,
    plan: Value,
}

/// Writes a plan, readable by nobody else: it is full of names and addresses.
pub async fn write(
    session: &Session,
    (config, store): (&Config, &dyn Store),
    path: &Path,
    (action, digest, plan): (Action, Digest, Value),
) -> Result<(), Failure> {
    let saved = Saved {
        rosterd_plan: FORM,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: session.clock.now().to_string(),
        source: config.source.name.clone(),
        store: if session.shows_an_empty_store() { None } else { Some(store.id().await?.to_string()) },
        action: action.as_str().to_owned(),
        settings: deciding_settings(config),
        digest: hex(digest),
        plan,
    };
    let refused =
        |error: std::io::Error| Failure::Refused(format!("cannot write the plan to {}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = folder.join(format!(".{name}.{}.part", std::process::id()));
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(refused)?;
    let text = serde_json::to_vec_pretty(&saved).map_err(|error| refused(error.into()))?;
    let written = file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        // What is left of it helps nobody.
        drop(fs::remove_file(&part));
        refused(error)
    })
}

/// Reads a plan, and refuses one that was made for something else.
pub async fn read(
    session: &Session,
    (config, store): (&Config, &dyn Store),
    path: &Path,
) -> Result<(Action, Expected), Failure> {
    let (file, again) = (path.display(), session.invocation(&format!("plan --out {}", path.display())));
    let refused = |says: String| Failure::Refused(format!("{says}; nothing was done. Make it anew: {again}"));
    let bytes = fs::read(path).map_err(|error| refused(format!("cannot read the plan {file}: {error}")))?;
    let saved: Saved = serde_json::from_slice(&bytes)
        .map_err(|_| refused(format!("{file} is no plan that `rosterd plan --out` wrote, or it is damaged")))?;
    let Some(action) = Action::parse(&saved.action).filter(|_| saved.rosterd_plan == FORM) else {
        return Err(refused(format!("the plan {file} was written in another form, by rosterd {}", saved.version)));
    };
    if saved.version != env!("CARGO_PKG_VERSION") {
        let ours = env!("CARGO_PKG_VERSION");
        return Err(refused(format!("the plan {file} is of rosterd {}, and this is {ours}", saved.version)));
    }
    if saved.source != config.source.name {
        let ours = &config.source.name;
        return Err(refused(format!("the plan {file} is of the source `{}`, not of `{ours}`", saved.source)));
    }
    let fits = match &saved.store {
        Some(id) => *id == store.id().await?.to_string(),
        None => store.user_counts(None).await?.is_empty(),
    };
    if !fits {
        let ours = store.describe();
        return Err(refused(format!("the plan {file} is of another store than {ours}")));
    }
    let settings = deciding_settings(config);
    let differ =
        settings.keys().chain(saved.settings.keys()).filter(|key| settings.get(*key) != saved.settings.get(*key));
    let differ: std::collections::BTreeSet<&str> = differ.map(String::as_str).collect();
    if !differ.is_empty() {
        let keys = differ.into_iter().collect::<Vec<_>>().join(", ");
        return Err(refused(format!("the plan {file} was made with another configuration (other now: {keys})")));
    }
    let digest = parse(&saved.digest).ok_or_else(|| refused(format!("the plan {file} is damaged")))?;
    Ok((action, Expected { digest }))
}

fn hex(digest: Digest) -> String {
    digest.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(text: &str) -> Option<Digest> {
    let sound = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let all = u128::from_str_radix(Some(text).filter(|_| sound)?, 16).ok()?;
    Digest::from_slice(&all.to_be_bytes())
}

/// Any file: a digest that is read from it is written the same.
#[cfg(any(test, fuzzing))]
pub fn fuzz(data: &[u8]) {
    let Ok(saved) = serde_json::from_slice::<Saved>(data) else {
        if let Some((text, digest)) = std::str::from_utf8(data).ok().and_then(|text| Some((text, parse(text)?))) {
            assert_eq!(hex(digest), text.to_ascii_lowercase(), "no digest");
        }
        return;
    };
    if let Some(digest) = parse(&saved.digest) {
        assert_eq!(hex(digest), saved.digest.to_ascii_lowercase(), "no digest");
    }
    let again = serde_json::to_vec(&saved).and_then(|written| serde_json::from_slice::<Saved>(&written));
    assert!(again.is_ok_and(|again| again.settings == saved.settings && again.digest == saved.digest));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_32_digits_and_nothing_else() {
        let digest = Digest::of("x");
        assert_eq!(parse(&hex(digest)), Some(digest));
        for text in ["", "0", &format!("{}0", hex(digest)), &hex(digest).replacen(|_: char| true, "+", 1)] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
