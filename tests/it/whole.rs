//! Whole lives: the real sync reads a fake directory over a real socket and writes into a real store, while people
//! come and go, and everything that can break does.
//!
//! Everything is drawn from a seed, and every seed is played twice with equal traces. After each run, whole or not, a
//! truth of its own says what may have become of everybody, and a copy kept by the feed alone has to equal the views
//! (*safety*). In the end nothing breaks any more: within two runs directory and store agree, and three more do
//! nothing (*liveness*).
//!
//! `ROSTERD_LIVES=N` plays N seeds, `ROSTERD_LIFE=N` only that one, both of them so many from that one on.

#[path = "../../src/plan/tests/simulation/chance.rs"]
mod chance;
mod events;
mod fault;
mod hands;
mod life;
mod run;
mod spoiled;
mod truth;
mod views;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rosterd::clock::{Timestamp, environment};
use rosterd::config::{self, Config};
use rosterd::store::{Action, RunId, Store};

use crate::store_contract::fixture::Fixture;
use crate::support::fake::{Fake, Kind, PASSWORD};
use chance::Chance;
use events::{DAY, EVENTS};
use fault::Fault;
use hands::Hands;
use life::{ACCOUNT_DN, BASE, Directory, GROUPS, PEOPLE, Person};
use spoiled::Break;
use truth::Truth;
use views::Views;

const SOURCE: &str = "corp";
/// How many seeds are played into SQLite, and into Postgres.
const LIVES: (u64, u64) = (60, 4);

/// Ends that the usual number of lives meets.
const EXPECTED: [&str; 14] = [
    "None Ok",
    "None Held",
    "Refused Failed",
    "BadBind Failed",
    "Search Incomplete",
    "Search Failed",
    "Without Incomplete",
    "Hidden Ok",
    "NoLookUp Ok",
    "OtherServer Incomplete",
    "Behind Incomplete",
    "Store Failed",
    "Store Died",
    "Statement Failed",
];

/// One directory, one store, and the truth about both.
struct Life {
    chance: Chance,
    fake: Fake,
    /// A replica of the same directory.
    other: Fake,
    fixture: Arc<Fixture>,
    store: Arc<dyn Store>,
    config: Config,
    hands: Arc<Hands>,
    directory: Directory,
    /// As it was at the last run.
    last: Directory,
    /// People who left, with their unique ids.
    left: Vec<(String, Person)>,
    truth: Truth,
    /// The copy that is kept by the feed, and how far it got.
    copy: (Views, i64),
    trace: Vec<String>,
    managed: Option<BTreeSet<&'static str>>,
    frozen: Option<Timestamp>,
    /// The last run, if it held something.
    held: Option<RunId>,
    approves: bool,
    /// How many had a mail, and were disabled, at the last complete run.
    covered: (usize, usize),
    /// The newest change that the server told of at the last complete run.
    told: Option<Timestamp>,
    /// Whether the last complete run read the replica.
    elsewhere: Option<bool>,
    /// Whether the last run made the call that was to break.
    broke: bool,
    weights: Vec<usize>,
    /// One run in so many has a fault.
    faults: Option<usize>,
    _folder: tempfile::TempDir,
}

impl Life {
    async fn new(seed: u64, fixture: Fixture) -> Self {
        let mut chance = Chance::new(seed);
        let hands = Arc::new(Hands::new());
        let mut weights: Vec<usize> = EVENTS.iter().map(|_| chance.pick(&[0, 1, 1, 3])).collect();
        let directory = Directory::new(chance.one_in(2).then(|| hands.time()));
        let fake = Fake::start(Kind::openldap(), directory.tree());
        let folder = tempfile::tempdir().unwrap();
        let delay = chance.pick(&[Some(0), Some(7), Some(14), None]);
        let brake = chance.pick(&[None, None, Some(2)]);
        if !chance.one_in(4) {
            // Most lives have clocks that are right.
            let lies = EVENTS.iter().position(|event| *event == events::Event::Jump).unwrap();
            weights[lies] = 0;
        }
        let page_size = chance.pick(&[1, 2, 3, 5]);
        let config = configuration(&folder, &fake, page_size, (delay, brake));
        let delay = delay.map(|days| DAY * days);
        let store = Arc::clone(&fixture.store);
        let faults = chance.pick(&[None, Some(3), Some(2), Some(1)]);
        Self {
            chance,
            other: Fake::start(Kind::openldap(), directory.tree()),
            fake,
            fixture: Arc::new(fixture),
            store,
            config,
            hands,
            last: directory.clone(),
            directory,
            left: Vec::new(),
            truth: Truth::new(delay, brake),
            copy: (Views::default(), 0),
            trace: Vec::new(),
            managed: None,
            frozen: None,
            held: None,
            approves: false,
            covered: (0, 0),
            told: None,
            elsewhere: None,
            broke: false,
            weights,
            faults,
            _folder: folder,
        }
    }

    /// A life, to its end.
    async fn live(&mut self) {
        for _ in 0..3 + self.chance.below(9) {
            self.hire();
        }
        for _ in 0..4 + self.chance.below(6) {
            for _ in 0..1 + self.chance.below(3) {
                if let Some(event) = self.chance.weighted(&self.weights).map(|at| EVENTS[at]) {
                    self.happen(event).await;
                }
            }
            let breaks = self.faults.is_some_and(|times| self.chance.one_in(times));
            let fault = if breaks { self.draw_fault() } else { Fault::None };
            let part = self.chance.pick(&[Action::Users, Action::Groups, Action::Cleanup]);
            let whole = !matches!(fault, Fault::None) || !self.chance.one_in(4);
            self.act(if whole { Action::All } else { part }, fault).await;
        }
        self.settle_down().await;
    }
}

/// What is the same in every life, and what every life draws.
fn configuration(
    folder: &tempfile::TempDir,
    fake: &Fake,
    page_size: u32,
    (delay, brake): (Option<u32>, Option<usize>),
) -> Config {
    let password = folder.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let delay = delay.map_or_else(|| "never".to_owned(), |days| format!("{days}d"));
    let brake = match brake {
        Some(least) => format!("percent = 10\nat_least = {least}"),
        None => "percent = 100\nat_least = 1000\nat_most = 100000".to_owned(),
    };
    let text = format!(
        "[source]\nname = \"{SOURCE}\"\nurls = [\"{}\"]\nbind_dn = \"{ACCOUNT_DN}\"\nbind_password_file = \"{}\"\n\
         base_dn = \"{BASE}\"\npage_size = {page_size}\n\
         [users]\nbase_dns = [\"{PEOPLE}\"]\nfilter = \"(&(objectClass=inetOrgPerson)(!(employeeType=robot)))\"\n\
         [groups]\nbase_dns = [\"{GROUPS}\"]\nfilter = \"(objectClass=groupOfNames)\"\n\
         [deletion]\nminimum = \"0d\"\ndelay = \"{delay}\"\n[brake]\n{brake}\n\
         [store]\nurl = \"sqlite:///nowhere\"\n[metrics]\nlisten = \"\"\n",
        fake.url(),
        password.display()
    );
    let path = folder.path().join("rosterd.toml");
    std::fs::write(&path, text).unwrap();
    config::load(&path).unwrap()
}

/// Plays a seed once; what happened.
fn played(seed: u64, postgres: bool) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fixture = match postgres {
            true => Fixture::postgres().await.unwrap(),
            false => Fixture::quick_sqlite().await,
        };
        let mut life = Life::new(seed, fixture).await;
        let told = AssertUnwindSafe(Box::pin(life.live()));
        let ended = futures::FutureExt::catch_unwind(told).await;
        life.store.close().await;
        if let Err(panic) = ended {
            let told = format!("{}\n", life.trace.join("\n"));
            let _ = std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes());
            std::panic::resume_unwind(panic);
        }
        life.trace
    })
}

/// Plays seeds, two at a time; the first that fails is told with the command that plays it again.
fn play(name: &str, seeds: u64, postgres: bool) {
    let number = |name: &str| environment(name).and_then(|text| text.parse::<u64>().ok());
    let seeds = match (number("ROSTERD_LIFE"), number("ROSTERD_LIVES")) {
        (Some(first), more) => first..first + more.unwrap_or(1),
        (None, more) => 0..more.unwrap_or(seeds),
    };
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicU64::new(u64::MAX);
    let met = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while failed.load(Ordering::SeqCst) == u64::MAX {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let done = catch_unwind(AssertUnwindSafe(|| {
                        let (first, second) = (played(seed, postgres), played(seed, postgres));
                        let differs = first.iter().zip(&second).find(|(one, two)| one != two);
                        assert_eq!(differs, None, "the same seed went otherwise");
                        assert_eq!(first.len(), second.len());
                        let ends = first.iter().filter_map(|line| line.strip_prefix("run "));
                        met.lock().unwrap().extend(ends.map(str::to_owned));
                    }));
                    if done.is_err() {
                        failed.fetch_min(seed, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let failed = failed.load(Ordering::SeqCst);
    assert!(
        failed == u64::MAX,
        "life {failed} failed; play it again: ROSTERD_LIFE={failed} cargo test --test it {name}"
    );
    let met = met.into_inner().unwrap();
    let missed: Vec<_> = EXPECTED.iter().filter(|end| !met.contains(**end)).collect();
    let all = seeds.end - seeds.start >= LIVES.0;
    assert!(!all || missed.is_empty(), "these lives never met {missed:?}, only {met:?}");
}

/// E1-E3, E7, L2-L10, B1, B3, B5, U3: with SQLite.
#[test]
fn whole_lives_into_sqlite() {
    play("whole_lives_into_sqlite", LIVES.0, false);
}

/// The same with Postgres.
#[test]
fn whole_lives_into_postgres() {
    if crate::support::postgres::server("whole lives on Postgres").is_some() {
        play("whole_lives_into_postgres", LIVES.1, true);
    }
}

/// B3: every call that a run makes to the store fails once, before it does anything; and once the process ends there,
/// after it was carried out. The next run finishes the work, and the one after it does nothing.
#[test]
fn whatever_call_of_the_store_breaks_the_next_run_finishes_the_work() {
    let every_call = |after, dies| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let breaks = |at: usize| {
            runtime.block_on(async {
                let mut life = Life::new(7, Fixture::quick_sqlite().await).await;
                Box::pin(life.break_once(Break { at, after, dies })).await
            })
        };
        let calls = (0..).take_while(|at| breaks(*at)).count();
        assert!(calls > 30, "a run makes more than {calls} calls");
    };
    std::thread::scope(|scope| {
        for ends in [(false, false), (true, true)] {
            scope.spawn(move || every_call(ends.0, ends.1));
        }
    });
}

/// How long a server may be silent in a run in which it is; in all others it has all the time it needs.
const SILENCE: Duration = Duration::from_secs(1);
