//! `rosterd check`

use std::sync::Arc;

use crate::cli::commands::Session;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::check::{Step, Verdict, closing, line, value};
use crate::cli::render::{counted, moment, number};
use crate::clock::{Clock as _, Timestamp};
use crate::config::{Config, Schedule, When};
use crate::directory;
use crate::plan::{Another, Basis, Since};
use crate::roster::words::plural;
use crate::roster::{Incomplete, State};
use crate::store::rows::RunRow;
use crate::store::{Outcome, RunId, Schema, Store, StoreError};
use crate::sync::{basis_of, basis_settings, refused, source};

/// How many of a schedule's next times are told.
const TIMES: usize = 3;
/// How many are looked at: several a minute are told once.
const WITHIN: usize = 60 * TIMES;

/// Runs among which the last complete one is looked for.
const RUNS: u32 = 500;

/// Looks at everything a run needs; a step that fails makes the exit status 1.
pub async fn run(session: &mut Session) -> Result<u8, Failure> {
    let config = session.config()?;
    let mut steps = Steps { session, all: Vec::new() };
    steps.add(configuration(&config))?;
    for note in &config.notes {
        steps.add(Step::new(Verdict::Warn, "configuration", note.to_string()))?;
    }
    let (step, store) = store(steps.session, &config).await;
    steps.add(step)?;
    for step in directory(&config, steps.session, store.as_deref()).await {
        steps.add(step)?;
    }
    let now = steps.session.clock.now();
    for schedule in &config.schedules {
        steps.add(times(schedule, now))?;
    }
    let Steps { session, all } = steps;
    if session.screen.json {
        session.screen.json(&value(&all))?;
    } else {
        closing(session.screen.out(), &all)?;
    }
    let failed = all.iter().any(|step| step.verdict == Verdict::Fail);
    Ok(if failed { exit::FAILED } else { exit::DONE })
}

/// The steps so far; as text each is shown as soon as it is known.
struct Steps<'a> {
    session: &'a mut Session,
    all: Vec<Step>,
}

impl Steps<'_> {
    fn add(&mut self, step: Step) -> Result<(), Failure> {
        if !self.session.screen.json {
            let columns = self.session.screen.columns;
            line(self.session.screen.out(), &step, columns)?;
            self.session.screen.flush()?;
        }
        self.all.push(step);
        Ok(())
    }
}

fn configuration(config: &Config) -> Step {
    let what = match (&config.users, &config.groups) {
        (Some(_), Some(_)) => "users and groups",
        (Some(_), None) => "users, no groups",
        (None, Some(_)) => "groups, no users",
        (None, None) => "neither users nor groups",
    };
    let path = config.path.display();
    if config.enabled {
        let name = &config.source.name;
        return Step::new(Verdict::Ok, "configuration", format!("{path}: source `{name}`, {what}"));
    }
    let says = format!("{path}: source.enabled = false: nothing is read; set it to true to synchronise");
    Step::new(Verdict::Warn, "configuration", says)
}

/// The store opens and its schema is known; nothing is created or brought up to date for a look. With the store, if it
/// is as this program wants it.
async fn store(session: &mut Session, config: &Config) -> (Step, Option<Arc<dyn Store>>) {
    match opened(session, config).await {
        Ok((store, schema, hindrance)) => {
            let (verdict, says) = match hindrance {
                Some(why) if schema != Schema::Newer => (Verdict::Fail, format!("{}: {why}", store.describe())),
                _ => state(store.describe(), schema),
            };
            (Step::new(verdict, "store", says), (schema == Schema::Current).then_some(store))
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            (Step::new(Verdict::Fail, "store", format!("{error}{cause}")), None)
        }
    }
}

async fn opened(
    session: &mut Session,
    config: &Config,
) -> Result<(Arc<dyn Store>, Schema, Option<String>), StoreError> {
    let store = session.open(&config.store).await?;
    let schema = store.schema().await?;
    let hindrance = store.hindrance().await?;
    Ok((store, schema, hindrance))
}

fn state(name: &str, schema: Schema) -> (Verdict, String) {
    match schema {
        Schema::Current => (Verdict::Ok, format!("{name}: the schema is current")),
        Schema::Empty => (Verdict::Ok, format!("{name}: empty; the first sync creates what it needs")),
        Schema::Old => {
            let says =
                "the schema is older than this program; the next sync, or `rosterd migrate`, brings it up to date";
            (Verdict::Warn, format!("{name}: {says}"))
        }
        Schema::Newer => {
            let says = "the schema is newer than this program; run the newer rosterd, or restore a backup";
            (Verdict::Fail, format!("{name}: {says}"))
        }
    }
}

/// What the server says; a password that was refused a short while ago is not tried again, but by a person (E9).
async fn directory(config: &Config, session: &Session, store: Option<&dyn Store>) -> Vec<Step> {
    let (settings, now) = (&config.source, session.clock.now());
    if let Some(store) = store.filter(|_| !session.on_terminal())
        && let Ok(Some(paused)) = refused::refused_before(store, &settings.name, settings, now).await
    {
        return vec![Step::new(Verdict::Fail, "bind", paused.to_string())];
    }
    let (users, groups, managed) = (config.users.as_ref(), config.group_settings(), config.managed.as_ref());
    let stored = match store {
        Some(store) => stored(store, &settings.name).await.unwrap_or_default(),
        None => directory::Stored::default(),
    };
    let (groups, managed) = ((groups, Some(&config.mapped)), (managed, stored.clone()));
    let found = directory::probe(settings, users, groups, managed, &session.clock).await;
    if let Some(store) = store.filter(|_| found.bind_refused.is_some() || found.about.is_some()) {
        let refused = found.bind_refused.as_deref().map(|says| (now, says));
        // A store that cannot be written is told by its own step.
        drop(refused::remember(store, &settings.name, settings, refused, &[]).await);
    }
    let (mut steps, mut comparable) = (Vec::new(), store);
    if let (Some(store), Some(about)) = (store, &found.about) {
        let ours = source::record(config, &about.directory_id);
        let known = store.sources().await.unwrap_or_default();
        let trouble = source::trouble(&ours, &known, found.same).map(|trouble| trouble.to_string());
        let is_ours = trouble.is_none();
        steps.extend(trouble.map(|says| Step::new(Verdict::Fail, "source", says)));
        comparable = comparable.filter(|_| is_ours);
        let another = another(config, comparable, &found, session).await.unwrap_or_default();
        if is_ours && another.is_none() && found.missing != (0, 0) {
            let last = store.basis(&settings.name, &[Outcome::Ok]).await.unwrap_or_default();
            let since = last.map(|(run, before)| differs(config, &about.server, (run, &before)).says());
            steps.push(Step::new(Verdict::Warn, "roster", fewer(found.missing, &stored, since)));
        }
        steps.extend(another);
        steps.extend(proof(&store.run_rows(Some(&settings.name), RUNS).await.unwrap_or_default()));
    }
    let stands = standing(config, comparable, &found, session).await.unwrap_or_default();
    let verdict = |verdict| match verdict {
        directory::Verdict::Ok => Verdict::Ok,
        directory::Verdict::Warn => Verdict::Warn,
        directory::Verdict::Fail => Verdict::Fail,
    };
    let found = found.findings.into_iter().map(|found| Step::new(verdict(found.verdict), found.step, found.text));
    found.chain(stands).chain(steps).collect()
}

/// Where the server stands beside the last complete run: what a run would say of a restored backup, of a replica that
/// lags, and of another server (E7).
async fn standing(
    config: &Config,
    store: Option<&dyn Store>,
    found: &directory::Probe,
    session: &Session,
) -> Result<Option<Step>, StoreError> {
    let (Some(standing), Some(about)) = (&found.standing, &found.about) else { return Ok(None) };
    let stands = match standing.says() {
        Some(says) => format!("the server stands at {says}"),
        None => "the server does not tell where it stands".to_owned(),
    };
    let mut now = basis_of(config, &about.server, standing.clone(), &session.clock);
    let source = config.source.name.as_str();
    if let Some(store) = store
        && let Some((run, last)) = store.basis(source, &Outcome::COMPLETE).await?
    {
        let stranger = store.basis(source, &Outcome::DONE).await?.and_then(|(_, all)| all.stranger);
        let strange = now.strange(&last, stranger, (session.clock.now(), None));
        return Ok(Some(beside(&stands, &now, (run, &last), strange)));
    }
    let says = format!("{stands}; no run was complete yet that it could be compared with");
    Ok(Some(Step::new(Verdict::Ok, "state", says)))
}

/// Another directory under the same base, or one made anew: every run is held for it (I9).
async fn another(
    config: &Config,
    store: Option<&dyn Store>,
    found: &directory::Probe,
    session: &Session,
) -> Result<Option<Step>, StoreError> {
    let (Some(stranger), Some(standing), Some(store)) = (&found.stranger, &found.standing, store) else {
        return Ok(None);
    };
    let Some((run, last)) = store.basis(&config.source.name, &Outcome::COMPLETE).await? else { return Ok(None) };
    let now = basis_of(config, "", standing.clone(), &session.clock);
    // With a configured unique id only another object under the same name tells something.
    let same = |basis: &Basis| basis.settings.get("source.base_dn").cloned();
    let told = stranger.configured.is_none() || same(&last) == same(&now);
    let another = now.other_base((run.0, &last)).filter(|_| told);
    let another = another.map(|another| Another { configured: stranger.configured.clone(), ..another });
    Ok(another.map(|another| {
        Step::new(
            Verdict::Fail,
            "base",
            format!("{}; until then every run is held ({})", another.says(), Another::CAUSE),
        )
    }))
}

/// What the server knows beside what it, or another one, knew at the last complete run.
fn beside(stands: &str, now: &Basis, (run, last): (RunId, &Basis), strange: Option<Incomplete>) -> Step {
    let run = run.0;
    let (verdict, says) = match (now.behind(last), strange) {
        (Some(behind), _) => {
            let says = format!(
                "{}; every run is incomplete ({}), and nobody is missed or restored, until it has caught up, or a person accepts it \
                 (`rosterd approve RUN`)",
                behind.says, behind.cause
            );
            (Verdict::Fail, says)
        }
        (None, Some(strange)) => {
            (Verdict::Warn, format!("{}; until then runs are incomplete ({})", strange.says, strange.cause))
        }
        (None, None) if last.change_numbers.is_empty() || now.change_numbers.is_empty() => (
            Verdict::Ok,
            format!("{stands}; whether that is less than at run {run}, the last complete one, cannot be told"),
        ),
        (None, None) => (Verdict::Ok, format!("{stands}, no less than at run {run}, the last complete one")),
    };
    Step::new(verdict, "state", says)
}

/// What a run would compare the entries with (E2).
async fn stored(store: &dyn Store, source: &str) -> Result<directory::Stored, StoreError> {
    let people = store.index(source).await?;
    let users = people.with_access() as u64;
    let groups = store.groups(source).await?.iter().filter(|group| group.state == State::Active).count() as u64;
    let coverage = store.coverage(source).await?;
    let before = store.sources().await?.into_iter().find(|one| one.name == source);
    let directory = match before {
        Some(before) if !source::knows_nobody(store, source).await? => {
            Some((before.directory, source::some_of(store, &people).await?))
        }
        _ => None,
    };
    let base = store.basis(source, &Outcome::COMPLETE).await?.and_then(|(_, last)| last.base);
    Ok(directory::Stored { users, groups, people, coverage, directory, base })
}

/// What the last complete run had in its hands before it took anything from anybody by absence (E1).
fn proof(runs: &[RunRow]) -> Option<Step> {
    let (run, proof) = runs.iter().find_map(|run| Some((run, run.proof.as_ref()?)))?;
    let at = Timestamp::parse(&run.started_at).map(moment).unwrap_or_default();
    let says = format!("run {} ({at}) read everything: {}", run.id, proof.says().join("; "));
    Some(Step::new(Verdict::Ok, "proof", says))
}

/// Who is in the roster and was not found, and the probable cause.
fn fewer((users, groups): (u64, u64), stored: &directory::Stored, since: Option<String>) -> String {
    let some = |missing: u64, all: u64, one, many| {
        (missing > 0).then(|| format!("{} of the {}", number(missing), counted(all, one, many)))
    };
    let missing = [some(users, stored.users, "user", "users"), some(groups, stored.groups, "group", "groups")];
    let missing = missing.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let were = plural(users + groups, "was", "were");
    let since = since.map(|since| format!("; {since}")).unwrap_or_default();
    format!(
        "{missing} that the roster has of this source {were} not found, and a run would look for each of them and take those \
         for gone who are; look at filter, bases, and the rights of the bind account, and at `rosterd plan`{since}"
    )
}

/// What is different since the last run that ended well, as far as it can be told without a run.
fn differs(config: &Config, server: &str, (run, before): (RunId, &Basis)) -> Since {
    let now = Basis { settings: basis_settings(config), server: server.to_owned(), ..before.clone() };
    Since { run: run.0, changes: before.changes(&now) }
}

/// A schedule with its next times.
fn times(schedule: &Schedule, now: Timestamp) -> Step {
    let what = format!("{}, `{}`", schedule.action, schedule.text);
    let next = match &schedule.when {
        When::Every(_) => "counted from the start of the last run".to_owned(),
        When::Reboot => "once, when the daemon starts".to_owned(),
        When::Cron(_) => {
            let after = |last: &Timestamp| schedule.next_after(*last);
            let times = std::iter::successors(schedule.next_after(now), after).take(WITHIN).map(moment);
            let mut times: Vec<String> = times.collect();
            times.dedup();
            times.truncate(TIMES);
            if times.is_empty() {
                let says = format!("{what}: never fires again; look at its day and month");
                return Step::new(Verdict::Warn, "schedule", says);
            }
            times.join(", ")
        }
    };
    Step::new(Verdict::Ok, "schedule", format!("{what}: {next}"))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;
    use crate::store::Action;

    /// S2
    #[test]
    fn a_schedule_is_told_with_its_next_three_times() {
        let cron = croner::Cron::from_str("0 0 9 * * *").unwrap();
        let schedule = Schedule {
            when: When::Cron(cron.into()),
            action: Action::All,
            timezone: chrono_tz::Europe::Zurich,
            text: "0 0 9 * * ? (Europe/Zurich)".to_owned(),
        };
        let now = Timestamp::parse("2026-03-28T12:00:00Z").unwrap();
        let told =
            "all, `0 0 9 * * ? (Europe/Zurich)`: 2026-03-29 07:00 UTC, 2026-03-30 07:00 UTC, 2026-03-31 07:00 UTC";
        assert_eq!(times(&schedule, now), Step::new(Verdict::Ok, "schedule", told));
    }
}
