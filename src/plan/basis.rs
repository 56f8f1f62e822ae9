//! What a run rests on, kept with it, so that a later one can say what changed since (B1).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::plan::Another;
use crate::plan::clock::ClockReading;
use crate::roster::{Digest, Incomplete};

/// How far apart two complete runs have to be that agree about a server whose state nobody can tell (E7).
const APART: Duration = Duration::from_secs(60 * 60);

/// The longest value that is quoted.
const QUOTED: usize = 160;

/// What a run rests on.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Basis {
    /// The settings that say who is read, and what it means, as `config print` shows them; never a secret.
    pub settings: BTreeMap<String, String>,
    /// Which server was read.
    pub server: String,
    /// The server-given unique id of `source.base_dn`.
    pub base: Option<String>,
    /// The server's change number, by server id.
    pub change_numbers: BTreeMap<String, String>,
    /// Its own server id, where it tells: several servers may stand behind one URL, as domain controllers do.
    pub own: Option<String>,
    /// How many users and how many groups it showed; `None` when it was not asked.
    pub users: Option<u64>,
    /// How many groups.
    pub groups: Option<u64>,
    /// The last reading of the clocks that was believed.
    pub clock: Option<ClockReading>,
    /// The last run that could tell who is gone; about newcomers since then nobody was asked (I5).
    pub proven: Option<i64>,
    /// What is known of another server than that of the last complete run, whose state nobody can tell (E7).
    pub stranger: Option<Stranger>,
}

/// A server that does not tell how far its replication has come, read instead of another one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stranger {
    /// Which one.
    pub server: String,
    /// When it was first read completely, in milliseconds.
    pub since: i64,
    /// Whom it did not show then; a digest.
    pub missing: u64,
}

/// What changed since the last run that ended well: the probable cause of what is held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Since {
    /// The number of that run.
    pub run: i64,
    /// A few words each; empty when only the people themselves are others.
    pub changes: Vec<String>,
}

impl Since {
    /// One sentence.
    pub fn says(&self) -> String {
        if self.changes.is_empty() {
            let run = self.run;
            return format!("since run {run}, the last that ended well, neither configuration nor server changed");
        }
        format!("changed since run {}, the last that ended well: {}", self.run, self.changes.join("; "))
    }
}

impl Basis {
    /// What is kept of a run: one that read no users says nothing of the settings and the server of those that do, so it
    /// leaves what the last one left, but for the clocks.
    pub fn following<T>(self, last: Option<(T, Self)>) -> Self {
        match last.filter(|_| self.users.is_none()) {
            Some((_, last)) => Self { clock: self.clock, proven: self.proven, stranger: self.stranger, ..last },
            None => self,
        }
    }

    /// When the newest change was made that the server knows of: the directory's own clock (L10).
    pub fn newest_change(&self) -> Option<Timestamp> {
        let stamps = self.change_numbers.values().filter_map(|csn| csn.split(['.', 'Z', '#']).next());
        let newest =
            stamps.filter(|stamp| stamp.len() == 14 && stamp.bytes().all(|byte| byte.is_ascii_digit())).max()?;
        let part = |from: usize, to: usize| newest.get(from..to).unwrap_or_default();
        let (day, time) = ([part(0, 4), part(4, 6), part(6, 8)], [part(8, 10), part(10, 12), part(12, 14)]);
        Timestamp::parse(&format!("{}T{}Z", day.join("-"), time.join(":")))
    }

    /// Doubts a read of a server that knows less than the one that was read completely the last time: a backup that was
    /// restored, or a replica that lags (E7). A server that does not tell is not doubted.
    pub fn behind(&self, before: &Self) -> Option<Incomplete> {
        let now = &self.change_numbers;
        let lower =
            |(id, number): &(&String, &String)| now.get(*id).map_or(!self.speaks_of_itself(), |now| now < *number);
        let (id, number) = before.change_numbers.iter().find(lower).filter(|_| !now.is_empty())?;
        let now = now.get(id).map_or("none", String::as_str);
        let why = match self.is_same_server(before) {
            true => "was its data restored from a backup, or did it lose its last changes in a crash?",
            false => "it is another server than the last time, and has not caught up yet",
        };
        let server = &self.server;
        let says = format!(
            "`{server}` knows changes of server id {id} up to {now}, but at the last complete run `{}` knew them up to \
             {number}; {why}",
            before.server
        );
        Some(Incomplete { cause: Incomplete::BEHIND, says, attribute: None })
    }

    /// Doubts a read of another server than that of the last complete run, where one of the two does not tell its change
    /// number: until two complete reads an hour apart miss the same people (E7).
    ///
    /// `last` is what the last run of all left, `missing` whom this one does not show, if it read everybody.
    pub fn strange(
        &mut self,
        before: &Self,
        last: Option<Stranger>,
        (now, missing): (Timestamp, Option<Digest>),
    ) -> Option<Incomplete> {
        let known = |id: &String| self.change_numbers.contains_key(id) || !self.speaks_of_itself();
        let tell = !before.change_numbers.is_empty() && before.change_numbers.keys().all(known);
        let tell = tell && !self.change_numbers.is_empty();
        if self.is_same_server(before) || before.server.is_empty() || tell {
            return None;
        }
        let me = self.own.as_ref().unwrap_or(&self.server);
        let last = last.filter(|last| last.server == *me);
        let missing = missing.map(Digest::short);
        let same = last.filter(|last| missing.is_none_or(|missing| last.missing == missing));
        let is_over = |one: &Stranger| Timestamp::from_millis(one.since) + APART <= now;
        let first = missing.map(|missing| Stranger { server: me.clone(), since: now.millis(), missing });
        self.stranger = same.or(first);
        if self.stranger.as_ref().is_some_and(is_over) {
            return None;
        }
        let (server, other) = (&self.server, &before.server);
        let other = if server == other { "the one of that name".to_owned() } else { format!("`{other}`") };
        let says = format!(
            "`{server}` is another server than {other}, which the last complete run read, and nobody can tell whether it \
             is up to date; absence counts once two complete runs an hour apart miss the same people"
        );
        Some(Incomplete { cause: "server-changed", says, attribute: None })
    }

    /// Whether the object at `source.base_dn` is another one than in the run `before`; where either did not show its id,
    /// nobody can tell.
    pub fn other_base(&self, (run, before): (i64, &Self)) -> Option<Another> {
        // A run that did not believe the directory left what the one before rested on.
        let run = before.proven.unwrap_or(run);
        let (before, now) = before.base.clone().zip(self.base.clone())?;
        (before != now).then_some(Another { run, before, now, configured: None })
    }

    /// Whether this is the server that was read before.
    fn is_same_server(&self, before: &Self) -> bool {
        match (&self.own, &before.own) {
            (Some(own), Some(before)) => own == before,
            _ => self.server == before.server,
        }
    }

    /// Whether the server tells only its own change number, as a domain controller does that has no others, or does not
    /// show what it knows of them.
    fn speaks_of_itself(&self) -> bool {
        self.own.as_ref().is_some_and(|own| self.change_numbers.keys().eq([own]))
    }

    /// What is different now, the configuration first.
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let keys = self.settings.keys().chain(now.settings.keys().filter(|key| !self.settings.contains_key(*key)));
        let settings = keys.filter_map(|key| {
            let (before, after) = (self.settings.get(key), now.settings.get(key));
            (before != after).then(|| format!("`{key}` was {} and is {}", quoted(before), quoted(after)))
        });
        let mut changes: Vec<String> = settings.collect();
        if self.server != now.server {
            changes.push(format!("another server was read: `{}` instead of `{}`", now.server, self.server));
        } else if !now.is_same_server(self) {
            changes.push(format!("another server was read, also called `{}`", now.server));
        }
        if now.other_base((0, self)).is_some() {
            changes.push("source.base_dn is another object than before: it was made anew, or restored".to_owned());
        }
        for (what, before, after) in [("users", self.users, now.users), ("groups", self.groups, now.groups)] {
            if let (Some(before), Some(after)) = (before, after)
                && before != after
            {
                changes.push(format!("the search found {after} {what} instead of {before}"));
            }
        }
        changes
    }
}

fn quoted(value: Option<&String>) -> String {
    let Some(value) = value else { return "not set".to_owned() };
    let short: String = value.chars().take(QUOTED).collect();
    let more = if short.len() < value.len() { "…" } else { "" };
    format!("{short}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis() -> Basis {
        let setting = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        Basis {
            settings: [setting("users.filter", "\"(uid=*)\""), setting("users.base_dns", "[\"ou=a\"]")].into(),
            server: "ldaps://one".into(),
            base: Some("1".into()),
            users: Some(20),
            groups: None,
            ..Basis::default()
        }
    }

    fn numbers(all: &[(&str, &str)]) -> Basis {
        let number = |(id, time): &(&str, &str)| ((*id).to_owned(), format!("{time}.000001Z#000000#{id}#000000"));
        Basis { change_numbers: all.iter().map(number).collect(), ..basis() }
    }

    /// RSA-10, E7: a lower change number of any server id is doubted, whichever server was read.
    #[test]
    fn a_server_that_knows_less_than_before_is_doubted() {
        let before = numbers(&[("000", "20260302080000"), ("001", "20260302090000")]);
        for (now, doubted) in [
            (vec![("000", "20260302080000"), ("001", "20260302090000")], false),
            (vec![("000", "20260302080001"), ("001", "20260302090000"), ("002", "20260101000000")], false),
            (vec![("000", "20260302075959"), ("001", "20260302100000")], true),
            (vec![("001", "20260302090000")], true),
            (vec![], false),
        ] {
            assert_eq!(numbers(&now).behind(&before).is_some(), doubted, "{now:?}");
        }
        let mut other = numbers(&[("000", "20260301080000"), ("001", "20260302090000")]);
        assert!(other.behind(&before).unwrap().says.contains("restored from a backup"));
        other.server = "ldaps://two".into();
        assert!(other.behind(&before).unwrap().says.contains("has not caught up"));
        assert_eq!(other.behind(&basis()), None);
        assert_eq!(before.newest_change(), Timestamp::parse("2026-03-02T09:00:00Z"));
        assert_eq!(basis().newest_change(), None);
    }

    /// RSA-10, E7: another server that does not tell its state is believed after two complete reads an hour apart that miss
    /// the same people; others in between, and reads that were not complete, neither count nor undo it.
    #[test]
    fn another_server_that_does_not_tell_is_believed_the_second_time() {
        let other = || Basis { server: "ldaps://two".into(), ..basis() };
        let at = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let (these, those) = (Some(Digest::of("ada")), Some(Digest::of("ada bob")));
        let mut last = None;
        for (minute, missing, doubted) in [
            (0, these, true),
            (30, None, true),
            (59, these, true),
            (61, those, true),
            (100, those, true),
            (122, None, false),
            (123, those, false),
        ] {
            let mut now = other();
            assert_eq!(now.strange(&basis(), last, (at(minute), missing)).is_some(), doubted, "{minute}");
            last = now.stranger;
        }
        assert_eq!(basis().strange(&other(), last.clone(), (at(200), these)).unwrap().cause, "server-changed", "back");
        assert_eq!(basis().strange(&basis(), last, (at(200), these)), None, "the same server");
        let mut told = Basis { server: "ldaps://two".into(), ..numbers(&[("000", "20260302080000")]) };
        assert_eq!(
            told.strange(&numbers(&[("000", "20260302080000")]), None, (at(0), these)),
            None,
            "judged by numbers"
        );
        assert!(told.strange(&basis(), None, (at(0), these)).is_some(), "nothing to compare with");
    }

    /// E7: several domain controllers stand behind one name; one that shows its own number only is believed the second time,
    /// one that shows what it knows of the others as soon as it knows as much.
    #[test]
    fn domain_controllers_are_told_apart_by_their_invocation() {
        let controller = |own: &str, numbers: &[(&str, u64)]| Basis {
            own: Some(own.to_owned()),
            change_numbers: numbers.iter().map(|(id, n)| ((*id).to_owned(), format!("{n:020}"))).collect(),
            ..basis()
        };
        let at = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let missing = Some(Digest::of("ada"));
        let before = controller("a", &[("a", 900)]);
        assert_eq!(controller("a", &[("a", 1000)]).behind(&before), None, "numbers, not texts");
        let restored = controller("a", &[("a", 899)]).behind(&before).unwrap();
        assert!(restored.says.contains("restored from a backup"), "{restored:?}");
        let lagging = controller("b", &[("a", 899), ("b", 5)]).behind(&before).unwrap();
        assert!(lagging.says.contains("has not caught up"), "{lagging:?}");
        let mut caught_up = controller("b", &[("a", 900), ("b", 5)]);
        assert_eq!(caught_up.behind(&before), None);
        assert_eq!(caught_up.strange(&before, None, (at(0), missing)), None);
        let mut silent = controller("b", &[("b", 5)]);
        assert_eq!(silent.behind(&before), None, "it says nothing of the others");
        let doubt = silent.strange(&before, None, (at(0), missing)).unwrap();
        assert!(doubt.says.contains("another server than the one of that name"), "{doubt:?}");
        let last = silent.stranger.clone();
        assert_eq!(silent.strange(&before, last, (at(61), missing)), None);
        assert!(before.changes(&silent)[0].contains("another server was read, also called"));
    }

    #[test]
    fn another_base_is_told_only_where_both_are_known() {
        let base = |base: Option<&str>| Basis { base: base.map(str::to_owned), ..basis() };
        for (before, now, other) in [
            (Some("1"), Some("2"), true),
            (Some("1"), Some("1"), false),
            (None, Some("2"), false),
            (Some("1"), None, false),
        ] {
            assert_eq!(base(now).other_base((7, &base(before))).is_some(), other, "{before:?} {now:?}");
        }
        let says = base(Some("2")).other_base((7, &base(Some("1")))).unwrap().says();
        assert!(says.contains("than in run 7 (unique id 1 then, 2 now)"), "{says}");
    }

    #[test]
    fn a_run_without_users_leaves_what_the_last_one_left() {
        let groups = Basis { users: None, server: "ldaps://two".into(), ..basis() };
        assert_eq!(groups.clone().following(Some((1, basis()))), basis());
        assert_eq!(groups.clone().following(None::<(i64, Basis)>), groups);
        assert_eq!(basis().following(Some((1, groups))), basis());
    }

    /// B1: the probable cause names keys, server and base object.
    #[test]
    fn what_changed_is_named() {
        let mut now = basis();
        assert_eq!(basis().changes(&now), Vec::<String>::new());
        now.settings.insert("users.filter".into(), "\"(uid=u0*)\"".into());
        now.settings.remove("users.base_dns");
        now.settings.insert("users.disabled[0].attribute".into(), format!("\"{}\"", "x".repeat(500)));
        (now.server, now.base, now.users, now.groups) = ("ldaps://two".into(), Some("2".into()), Some(11), Some(3));
        let changes = basis().changes(&now);
        assert_eq!(changes[0], "`users.base_dns` was [\"ou=a\"] and is not set");
        assert_eq!(changes[1], "`users.filter` was \"(uid=*)\" and is \"(uid=u0*)\"");
        assert!(changes[2].starts_with("`users.disabled[0].attribute` was not set and is \"xxx"), "{changes:?}");
        assert!(changes[2].len() < 300);
        assert_eq!(changes[3], "another server was read: `ldaps://two` instead of `ldaps://one`");
        assert!(changes[4].contains("source.base_dn is another object"));
        assert_eq!(changes[5..], ["the search found 11 users instead of 20"]);
        assert!(Since { run: 7, changes: Vec::new() }.says().contains("neither configuration nor server changed"));
    }
}
