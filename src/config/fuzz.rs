//! What is promised of any configuration, and of any single text in it (run by `tests/fuzz`).

use std::path::Path;

use super::problem::{Place, Problems};
use super::schema::Form;
use super::{document, forms, render, schedule, typed, urls};
use crate::clock::Timestamp;
use crate::roster::fuzz::Choices;

/// In the middle of 2026.
const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

/// A whole file: every problem stands at a line that there is; what has none is shown so that it reads back the same.
pub fn document(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((values, problems)) = read(text) else { return };
    let lines = text.matches('\n').count() + 1;
    for problem in problems.iter() {
        if let Place::File { line, .. } = problem.place {
            assert!(line <= lines, "{problem}: there are {lines} lines only");
        }
        assert!(!problem.fault.says.is_empty());
    }
    if !problems.is_empty() {
        return;
    }
    let shown = render::render(&values);
    let again = read(&shown);
    assert!(again.is_some(), "what is shown cannot be read: {shown}");
    if let Some((values, problems)) = again {
        assert!(problems.is_empty(), "what is shown is refused: {problems}\n{shown}");
        assert_eq!(render::render(&values), shown, "what is shown means something else");
    }
}

fn read(text: &str) -> Option<(typed::Values, Problems)> {
    let path = Path::new("/etc/rosterd/rosterd.toml");
    let mut problems = Problems::default();
    let table = document::parsed(path, text, &mut problems)?;
    let values = typed::read(&table, path, true, &mut problems);
    Some((values, problems))
}

/// One text: what is taken for a DN, filter, URL, cron expression or duration is one.
pub fn text(data: &[u8]) {
    let mut choices = Choices::new(data);
    let form = choices.byte() % 8;
    let Ok(text) = std::str::from_utf8(choices.all()) else { return };
    match form {
        0 => duration(text),
        1 | 2 => cron(text),
        3 => url(text),
        4 => drop(urls::store(text)),
        5 => drop(schedule::zone(text)),
        _ => {
            for form in [Form::Dn, Form::Account, Form::Filter, Form::RoleFilter, Form::Attribute, Form::Reference]
                .into_iter()
                .chain([Form::Credential, Form::Domain, Form::Listen, Form::Primary, Form::Path])
            {
                let checked = forms::check(form, text, Path::new("/etc"));
                assert!(checked.is_err() || !text.chars().any(char::is_control), "{text:?}");
            }
        }
    }
}

fn duration(text: &str) {
    let Ok(time) = typed::time(text, "0s", "36500d", true) else { return };
    if let typed::Value::Time(time) = time {
        let shown = render::duration(time);
        let again = typed::time(&shown, "0s", "36500d", true);
        assert_eq!(again.ok(), Some(typed::Value::Time(time)), "{text:?} is shown as {shown:?}");
    }
}

fn cron(text: &str) {
    let Ok(cron) = schedule::parse(text) else { return };
    for zone in ["UTC", "Europe/Zurich", "Australia/Lord_Howe"] {
        let Ok(zone) = schedule::zone(zone) else { continue };
        let schedule = schedule::Schedule {
            when: schedule::When::Cron(Box::new(cron.clone())),
            action: crate::store::Action::All,
            timezone: zone,
            text: String::new(),
        };
        let mut after = NOW;
        for _ in 0..3 {
            let Some(next) = schedule.next_after(after) else { break };
            assert!(next > after, "{text:?} fires at {next} after {after}");
            after = next;
        }
    }
}

fn url(text: &str) {
    drop(urls::ways(text));
    let Ok(url) = urls::directory(text) else { return };
    let shown = url.to_string();
    assert_eq!(urls::directory(&shown).ok().as_ref(), Some(&url), "{text:?} is shown as {shown:?}");
}
