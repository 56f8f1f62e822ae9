//! How the server gives what it is asked for: when the first entry comes, how large pages and ranges are.

use std::time::Duration;

use tokio::time::Instant;

use super::super::disabled::generalized_time;
use super::super::entry::RawEntry;
use super::super::searches::{Pass, Searches};
use super::{Probe, Verdict};
use crate::clock::Timestamp;
use crate::roster::words::{counted, number};

/// A server that takes longer for its first entry looks at all of them one by one.
const SLOW: Duration = Duration::from_secs(1);

/// When an entry was changed, by the server's clock (RFC 4512, 3.4.4).
pub const CHANGED: &str = "modifyTimestamp";

/// What is seen while a pass is read.
#[derive(Default)]
pub struct Pace {
    started: Option<Instant>,
    /// The longest wait for the first entry of a base.
    first: Option<Duration>,
    /// Entries of the largest page, and how many pages there were.
    largest: u64,
    pages: u64,
    /// When the newest of what was read was changed.
    pub newest: Option<Timestamp>,
    /// An attribute that came in ranges, and the values that came at once.
    range: Option<(String, usize)>,
}

impl Pace {
    /// A search begins.
    pub fn start(&mut self) {
        self.started = Some(Instant::now());
    }

    pub fn entry(&mut self, entry: &RawEntry<'_>, searches: &Searches) {
        if let Some(started) = self.started.take() {
            let waited = started.elapsed();
            self.first = Some(self.first.map_or(waited, |longest| longest.max(waited)));
        }
        let changed = entry.texts(CHANGED).find_map(|time| generalized_time(time.as_bytes()));
        self.newest = self.newest.max(changed);
        let members = searches.mapping().groups.iter().flat_map(|groups| &groups.members);
        let cut = members.filter(|_| self.range.is_none()).find(|name| entry.is_cut_off(name));
        self.range = self.range.take().or_else(|| cut.map(|name| (name.as_str().to_owned(), entry.size(name).0)));
    }

    pub fn page(&mut self, entries: u64) {
        self.largest = self.largest.max(entries);
        self.pages += 1;
    }

    /// Tells it; nothing where nothing was read.
    pub fn report(&self, probe: &mut Probe, pass: &Pass, page_size: u32) {
        let Some(first) = self.first else { return };
        if first > SLOW {
            let says = format!(
                "the first of the {} came after {:.1} s only; index the attributes of `{}` on the server, or ask it less often",
                pass.name,
                first.as_secs_f64(),
                pass.filter
            );
            probe.note("index", Verdict::Warn, says);
        }
        let given = if page_size == 0 {
            "everything in one search".to_owned()
        } else if self.pages > 1 && self.largest < u64::from(page_size) {
            format!("pages of {}, not of the {} asked for", number(self.largest), number(u64::from(page_size)))
        } else {
            counted(self.pages, "page", "pages")
        };
        probe.note("pace", Verdict::Ok, format!("{}: first entry after {} ms, {given}", pass.name, first.as_millis()));
        if let Some((attribute, values)) = &self.range {
            let says = format!(
                "the server hands `{attribute}` out in ranges of {}",
                counted(*values as u64, "value", "values")
            );
            probe.note("range", Verdict::Ok, says);
        }
    }
}
