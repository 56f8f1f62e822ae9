//! The remaining tables, checked: domains, deletion, brake, schedules, store, history, log.

use std::collections::BTreeSet;
use std::time::Duration;

use super::draft::Draft;
use super::problem::Fault;
use super::schedule::{self, Schedule, When};
use super::source;
use super::typed::Value;
use super::urls::{self, StoreKind};
use super::{LogFormat, LogSettings, files, render};
use crate::directory::PasswordSource;
use crate::plan::policy::{Brake, Delay};
use crate::roster::Domain;
use crate::store::{self, Action};

/// When nothing is said about schedules (S2).
const EVERY: Duration = Duration::from_secs(6 * 3600);

/// The managed domains; `None` = every domain (D1).
pub fn managed(draft: &mut Draft<'_>) -> Option<BTreeSet<Domain>> {
    let remedy = "an empty list would remove everybody; leave the key out to accept every domain";
    draft.not_empty("domains.managed", remedy);
    Some(draft.values.list("domains.managed")?.iter().filter_map(|item| Domain::parse(&item.text)).collect())
}

/// `deletion.delay`, `deletion.disabled_delay`, `deletion.minimum` (L3).
pub fn deletion(draft: &mut Draft<'_>) -> (Delay, Delay, Duration) {
    let minimum = draft.values.time("deletion.minimum").unwrap_or_default();
    let mut delay = |key: &str| match draft.values.time(key) {
        Some(time) => {
            if time < minimum && draft.values.is_given(key) {
                let says =
                    format!("{} is less than deletion.minimum ({})", render::duration(time), render::duration(minimum));
                let remedy =
                    format!("give at least {}, or lower deletion.minimum on purpose", render::duration(minimum));
                draft.wrong(key, says, remedy);
            } else if time < minimum && key == "deletion.delay" {
                let says = format!("it is more than deletion.delay ({})", render::duration(time));
                draft.wrong("deletion.minimum", says, "give deletion.delay, too");
            }
            Delay::After(time)
        }
        None => Delay::Never,
    };
    (delay("deletion.delay"), delay("deletion.disabled_delay"), minimum)
}

/// `[brake]` (B1).
pub fn brake(draft: &mut Draft<'_>) -> Brake {
    let percent = match draft.values.value("brake.percent") {
        Some(Value::Percent(percent)) => *percent,
        _ => 0.0,
    };
    Brake {
        percent,
        at_least: draft.values.number("brake.at_least"),
        at_most: draft.values.number("brake.at_most"),
        window: draft.values.time("brake.window").unwrap_or_default(),
    }
}

/// Every `[[schedule]]`; never empty.
pub fn schedules(draft: &mut Draft<'_>) -> Vec<Schedule> {
    if draft.values.count("schedule").unwrap_or(0) == 0 && !draft.values.is_broken("schedule") {
        draft.values.settle_count("schedule", 1);
        for (name, value) in [
            ("every", Value::Time(EVERY)),
            ("action", Value::Text("all".into())),
            ("timezone", Value::Text("UTC".into())),
        ] {
            draft.values.settle(format!("schedule[0].{name}"), value);
        }
    }
    let count = draft.values.count("schedule").unwrap_or(0);
    (0..count).filter_map(|n| one_schedule(draft, n)).collect()
}

fn one_schedule(draft: &mut Draft<'_>, n: usize) -> Option<Schedule> {
    let path = |name: &str| format!("schedule[{n}].{name}");
    let names = ["cron", "every", "at"];
    if names.into_iter().chain(["action", "timezone"]).any(|name| draft.values.is_broken(&path(name))) {
        return None;
    }
    let given: Vec<&str> = names.into_iter().filter(|name| draft.values.value(&path(name)).is_some()).collect();
    let place = Some(draft.values.place(&path("")));
    let [given] = given.as_slice() else {
        let says = if given.is_empty() {
            "this schedule says no time".to_owned()
        } else {
            format!("this schedule has {}", given.join(" and "))
        };
        draft.wrong_at(place, "schedule", Fault::new(says, "give one of cron, every, at"));
        return None;
    };
    let timezone = schedule::zone(draft.values.text(&path("timezone")).unwrap_or("UTC")).ok()?;
    let action = draft.values.text(&path("action")).and_then(Action::parse).unwrap_or(Action::All);
    let (when, text) = match *given {
        "cron" => {
            let text = draft.values.text(&path("cron")).unwrap_or_default().trim().to_owned();
            let cron = schedule::parse(&text).ok()?;
            if !schedule::fires(&cron, timezone, draft.environment.now) {
                let place = Some(draft.values.place(&path("cron")));
                let fault = Fault::new(format!("{text:?} never fires"), "name a day that comes");
                draft.wrong_at(place, "schedule.cron", fault);
                return None;
            }
            (When::Cron(Box::new(cron)), format!("{text} ({timezone})"))
        }
        "every" => {
            let every = draft.values.time(&path("every"))?;
            (When::Every(every), format!("every {}", render::duration(every)))
        }
        _ => (When::Reboot, "@reboot".to_owned()),
    };
    Some(Schedule { when, action, timezone, text })
}

/// `[store]`.
pub fn store(draft: &mut Draft<'_>) -> store::Settings {
    const FILE: &str = "store.password_file";
    const CREDENTIAL: &str = "store.password_credential";
    let url = draft.values.text("store.url").unwrap_or_default().to_owned();
    let password = source::password(draft, FILE, CREDENTIAL);
    if let (Some((key, _)), Ok(StoreKind::Sqlite)) = (&password, urls::store(&url)) {
        draft.wrong(key, "an SQLite store has no password", "take it out; the file is protected by its mode");
    }
    // What is wrong with the file was said when it was looked at.
    let password = password.and_then(|(_, place)| match place {
        PasswordSource::File(file) => files::password(&file).ok(),
        PasswordSource::Credential(name) => files::credential(&draft.environment.credentials.as_ref()?.join(name)).ok(),
        PasswordSource::Typed(_) => None,
    });
    store::Settings { url, password }
}

/// `history.keep`; the brake sums over what the history holds.
pub fn history(draft: &mut Draft<'_>) -> Duration {
    let keep = draft.values.time("history.keep").unwrap_or_default();
    let window = draft.values.time("brake.window").unwrap_or_default();
    if keep < window {
        let says = format!("{} is less than brake.window ({})", render::duration(keep), render::duration(window));
        draft.wrong("history.keep", says, "the brake counts in the history; keep it at least as long");
    }
    keep
}

/// `[log]`.
pub fn log(draft: &Draft<'_>) -> LogSettings {
    LogSettings {
        format: draft.values.text("log.format").and_then(LogFormat::parse).unwrap_or(LogFormat::Auto),
        level: draft.values.text("log.level").unwrap_or("info").to_owned(),
    }
}
