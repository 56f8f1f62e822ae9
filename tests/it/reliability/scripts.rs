//! Faults as data: what a server, or an administrator, does between two runs, and that nobody loses anything by it.

mod entries;
mod ground;
mod reading;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use crate::support::fake::{Fake, Tree};
use crate::support::program::Site;
use ground::Ground;

/// How a run ends in which nothing is wrong.
const WELL: &[i32] = &[0];
/// A run that knows that it did not see everything, or could not begin.
const DOUBTFUL: &[i32] = &[1, 5];
const INCOMPLETE: &[i32] = &[5];
const FAILED: &[i32] = &[1];
const HELD: &[i32] = &[4];

/// One fault.
pub struct Script {
    /// As in `docs/reliability.md`: the fault's number, and a word for this way of it.
    pub name: &'static str,
    pub ground: Ground,
    /// Lines of `[source]` in the run that meets it.
    pub source: &'static str,
    /// Tables of the configuration in that run, by their header.
    pub config: &'static [(&'static str, &'static str)],
    /// Brings it about.
    pub act: fn(&Fake),
    /// Exit statuses the run may have.
    pub ends: &'static [i32],
    /// The password was refused, and is not tried again within fifteen minutes (E9).
    pub waits: bool,
}

/// What most scripts have in common.
const SCRIPT: Script = Script {
    name: "",
    ground: Ground::OpenLdap,
    source: "page_size = 5",
    config: &[],
    act: |_| {},
    ends: WELL,
    waits: false,
};

/// Every script.
pub fn scripts() -> impl Iterator<Item = &'static Script> {
    reading::SCRIPTS.iter().chain(entries::SCRIPTS)
}

impl Script {
    /// A run before it, a run that meets it, and one when it is over: nobody has lost anything after any of them.
    fn play(&self) -> Result<(), String> {
        let fake = Fake::start(self.ground.kind(), self.ground.tree());
        let mut site = self.ground.site(&fake);
        let whole = self.ground.source(&site, &fake, "page_size = 5");
        let first = site.run(&["sync"]);
        if first.code != 0 {
            return Err(format!("the first run: {first:?}"));
        }
        let (had, tree) = (site.rights(), fake.tree().clone());
        let source = self.ground.source(&site, &fake, &format!("{QUICK}{}", self.source));
        site.set("source", &source);
        self.config.iter().for_each(|(table, body)| site.set(table, body));
        (self.act)(&fake);
        let begun = Instant::now();
        let met = site.run(&["sync"]);
        let took = begun.elapsed();
        self.nobody_lost(&had, &site).map_err(|lost| format!("{lost}\n{met:?}"))?;
        if !self.ends.contains(&met.code) {
            return Err(format!("it ends with {}, not with one of {:?}\n{met:?}", met.code, self.ends));
        }
        if took.as_secs() > 20 {
            return Err(format!("it took {took:?}"));
        }
        let _ = fake.repair();
        let mut healed = self.ground.site_again(site);
        healed.set("source", &whole);
        self.heals(&had, (&fake, tree), &healed)
    }

    fn heals(&self, had: &BTreeSet<String>, (fake, tree): (&Fake, Tree), site: &Site) -> Result<(), String> {
        *fake.tree() = tree;
        // Where a mass of people came back, or were re-linked, a second look may be needed.
        let over = (0..3).map(|_| site.run(&["sync"])).find(|said| said.code == 0 || said.code == 1);
        let Some(over) = over.filter(|said| said.code == i32::from(self.waits)) else {
            return Err("it is over, and yet no run ends well".to_owned());
        };
        self.nobody_lost(had, site).map_err(|lost| format!("when it was over: {lost}\n{over:?}"))
    }

    fn nobody_lost(&self, had: &BTreeSet<String>, site: &Site) -> Result<(), String> {
        let has = site.rights();
        let lost: Vec<_> = had.difference(&has).cloned().collect();
        if lost.is_empty() { Ok(()) } else { Err(format!("lost: {}", lost.join("; "))) }
    }
}

const QUICK: &str = "read_timeout = \"1s\"\nconnect_timeout = \"1s\"\nrun_timeout = \"5s\"\n";

/// E1, E2, E5, U9, B1: whatever goes wrong, nobody is flagged, deleted, or loses an address, a membership, a role or a grant.
#[test]
fn no_scripted_fault_takes_anything_from_anybody() {
    let all: Vec<&Script> = scripts().collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(script) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(says) = script.play() {
                        wrong.lock().unwrap().push(format!("{}: {says}", script.name));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
}
