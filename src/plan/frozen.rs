//! What a freeze withholds (B5).

use std::borrow::Cow;

use crate::clock::Timestamp;
use crate::roster::Incomplete;
use crate::roster::words::{counted, natural, number};

/// What waits because an administrator froze the source (B5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frozen {
    /// Until when.
    pub until: Timestamp,
    /// The administrator's words.
    pub reason: String,
    /// How many with access a complete read missed.
    pub missing: u64,
    /// What people call the first of them, in order.
    pub first: Vec<Box<str>>,
    /// How many deletions are due.
    pub due: u64,
}

impl Frozen {
    /// Whether anything waits.
    pub fn withholds(&self) -> bool {
        self.missing > 0 || self.due > 0
    }

    /// Nothing is taken away on the word of absence, as from a read that is not complete (E1).
    pub fn doubt(&self) -> Incomplete {
        Incomplete { cause: Self::CAUSE, says: self.says(), attribute: None }
    }

    /// One sentence.
    pub fn says(&self) -> String {
        let Self { until, reason, missing, first, due } = self;
        let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        let rest = missing.saturating_sub(first.len() as u64);
        let more = if rest > 0 { format!(" and {} more", number(rest)) } else { String::new() };
        let names = if first.is_empty() { String::new() } else { format!(" ({}{more})", first.join(", ")) };
        let people = format!("{} missing{names}", counted(*missing, "person is", "people are"));
        let deletions = format!("{} due", counted(*due, "deletion is", "deletions are"));
        let what = match (missing, due) {
            (0, 0) => "nobody is missing".to_owned(),
            (0, _) => deletions,
            (_, 0) => people,
            (_, _) => format!("{people} and {deletions}"),
        };
        format!("frozen until {until}{why}: {what}, and nothing is taken away before; `rosterd freeze --off` ends it")
    }

    /// What a run said while the source was frozen, for whoever reads it afterwards.
    pub fn in_the_past(says: &str) -> Cow<'_, str> {
        let Some(rest) = says.strip_prefix("frozen until ") else { return Cow::Borrowed(says) };
        let rest = rest.split_once(", and nothing is taken away before;").map_or(rest, |(rest, _)| rest);
        Cow::Owned(format!("the source was frozen then, to end at {rest}; nothing was taken away"))
    }

    /// Names the first of those who are missing.
    pub fn name(&mut self, missing: impl IntoIterator<Item = String>) {
        let mut names: Vec<Box<str>> = missing.into_iter().map(String::into_boxed_str).collect();
        names.sort_by_cached_key(|name| natural(name));
        names.truncate(Self::NAMES);
        self.first = names;
    }

    /// How many are named.
    const NAMES: usize = 10;
    /// What it is in a run's cause, when nothing else waits there: nothing that anybody could approve.
    pub const CAUSE: &'static str = "frozen";
}
