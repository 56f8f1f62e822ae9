//! One run in a life: what goes wrong is brought about, the real sync runs, and what it did is judged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rosterd::directory::{Progress, ServerUrl};
use rosterd::plan::{LateClock, Plan};
use rosterd::roster::Passes;
use rosterd::store::{Action, Outcome, Trigger, open};
use rosterd::sync::{self, Report, Request, SyncError};
use tokio_util::sync::CancellationToken;

use super::events::HOUR;
use super::fault::{Bad, Fault, Knows, long_ago};
use super::life::{DOMAINS, Mail, Unit};
use super::spoiled::{Break, Spoiled};
use super::truth::{Ended, Facts};
use super::views::{Views, feed};
use super::{Life, SILENCE};

struct Quiet;

impl Progress for Quiet {
    fn entries(&self, _: &'static str, _: u64) {}
}

fn ended(result: Option<&Result<Report, SyncError>>) -> Ended {
    match result {
        None => Ended::Died,
        Some(Err(_)) => Ended::Failed,
        Some(Ok(report)) => match report.outcome {
            Outcome::Ok => Ended::Ok,
            Outcome::Held => Ended::Held,
            Outcome::Incomplete => Ended::Incomplete,
            other => panic!("a run that came to its end is {other:?}"),
        },
    }
}

fn is_whole(ended: Ended) -> bool {
    [Ended::Ok, Ended::Held].contains(&ended)
}

impl Life {
    /// One run, judged.
    pub async fn run(&mut self, fault: Fault) -> Ended {
        self.act(Action::All, fault).await
    }

    /// The same for a part of it.
    pub async fn act(&mut self, action: Action, fault: Fault) -> Ended {
        self.hands.pass(Duration::from_secs(1));
        self.frozen = self.frozen.filter(|until| *until > self.hands.wall());
        let breaks = if let Fault::Store(breaks) = fault { Some(breaks) } else { None };
        let store = Spoiled::new(Arc::clone(&self.store), breaks);
        let mut knows = self.bring_about(&fault, &store.died).await;
        let mut before = Views::read(&self.fixture).await;
        let approves = std::mem::take(&mut self.approves);
        let approve = self.held.filter(|_| approves);
        let request = Request { trigger: Trigger::Command, action, approve, insist: true, expects: None };
        let result = self.sync(&fault, &store, request).await;
        let ended = ended(result.as_ref());
        self.broke = store.broke();
        while self.fake.is_busy() || self.other.is_busy() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (asked, fired) = ([self.fake.log(), self.other.log()].concat(), self.fake.repair());
        let passes = Passes {
            users: [Action::All, Action::Users].contains(&action),
            groups: [Action::All, Action::Groups].contains(&action),
        };
        self.learn(&fault, &mut knows, (fired, passes), &before);
        let (time, told) = (self.hands.time(), told(result.as_ref()));
        self.trace.push(format!("{time} {action:?} {fault:?} {approve:?}: {ended:?} {told}"));
        self.trace.push(format!("run {} {ended:?}", fault.kind()));
        if ended != Ended::Died {
            self.trace.extend(asked);
        }
        let meddled = matches!(fault, Fault::Meddled(_)) && fired > 0;
        if let Fault::Meddled(meddling) = fault
            && meddled
        {
            meddling.apply(&mut before);
            meddling.apply(&mut self.copy.0);
        }
        if !matches!(fault, Fault::Store(_)) && ended != Ended::Died {
            self.is_recorded(ended).await;
        }
        self.clear_up(&fault, ended).await;
        let after = self.follow().await;
        let facts = Facts {
            seen: std::mem::take(&mut knows.seen),
            proven: !knows.hides && ended != Ended::Incomplete,
            hidden: &knows.hidden | &knows.unknown,
            ended,
            approved: approve.is_some(),
            frozen: self.frozen.is_some(),
            managed: self.managed.clone(),
            wall: self.hands.wall(),
            time: self.hands.time(),
            meddled,
            passes,
        };
        self.is_plausible(&fault, (&facts, &knows), result.as_ref());
        self.truth.judge(&before, &after, &facts);
        self.remember(&fault, &facts, &knows.hidden);
        self.held = match (&result, ended) {
            (Some(Ok(report)), Ended::Held) => report.run.filter(|_| can_be_approved(&report.plan)),
            _ => None,
        };
        ended
    }

    /// A run ends as what went wrong in it lets it.
    fn is_plausible(
        &self,
        fault: &Fault,
        (facts, knows): (&Facts, &Knows),
        result: Option<&Result<Report, SyncError>>,
    ) {
        let ended = facts.ended;
        assert!(!(knows.hides && is_whole(ended)), "E1: {fault:?} was taken for the whole");
        let fine = !knows.hides && !knows.doubts;
        assert!(!(fine && ended == Ended::Incomplete), "{fault:?} is no reason to be incomplete: {result:?}");
        let stopped = [Ended::Failed, Ended::Died].contains(&ended);
        assert!(!(fine && !knows.fails && stopped), "{fault:?} is no reason to fail: {result:?}");
        let may_hold = self.truth.brake.is_some() || self.truth.clock_lies || facts.frozen;
        assert!(may_hold || ended != Ended::Held || relinks(result), "B1: held without reason: {result:?}");
    }

    /// What the next run compares with (E2, E7).
    fn remember(&mut self, fault: &Fault, facts: &Facts, hidden: &BTreeSet<String>) {
        self.last = self.directory.clone();
        if !is_whole(facts.ended) {
            return;
        }
        self.elsewhere = Some(matches!(fault, Fault::OtherServer));
        let behind = matches!(fault, Fault::Behind);
        let shown = facts.seen.last().and_then(|directory| directory.changed);
        self.told = shown.map(|at| if behind { long_ago(at) } else { at });
        if facts.passes.users {
            let seen = facts.seen.last().into_iter().flat_map(|directory| directory.people.iter());
            let seen = seen.filter(|(id, person)| person.in_scope() && !hidden.contains(*id));
            let had = seen.map(|(_, person)| (usize::from(person.mail != Mail::None), usize::from(person.locked)));
            self.covered = had.fold((0, 0), |sum, had| (sum.0 + had.0, sum.1 + had.1));
        }
    }

    async fn sync(&mut self, fault: &Fault, store: &Spoiled, request: Request) -> Option<Result<Report, SyncError>> {
        let mut config = self.config.clone();
        if matches!(fault, Fault::Search(_, _, _, Bad::Stall)) {
            config.source.read_timeout = SILENCE;
        }
        let other = matches!(fault, Fault::OtherServer);
        if other || matches!(fault, Fault::Refused) {
            let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let ports = std::iter::once(nobody).chain(other.then_some(self.other.port()));
            config.source.urls =
                ports.map(|port| ServerUrl::Ldap { host: "127.0.0.1".to_owned(), port }.into()).collect();
        }
        let lock = matches!(fault, Fault::Locked) && self.fixture.is_sqlite();
        let lock = if lock { Some(self.fixture.lock(Duration::from_millis(40)).await) } else { None };
        if let Fault::Statement(number) = fault
            && self.fixture.is_sqlite()
        {
            let at = self.copy.1 + number;
            let sql = format!(
                "CREATE TRIGGER simulated BEFORE INSERT ON rd_changes WHEN NEW.seq > {at} \
                 BEGIN SELECT RAISE(ABORT, 'simulated'); END"
            );
            self.fixture.by_hand(sql.leak()).await;
        }
        let stop = CancellationToken::new();
        let run = Box::pin(sync::sync(&config, store, &*self.hands, request, &Quiet, &stop));
        let result = tokio::select! {
            biased;
            () = store.died.cancelled() => None,
            done = run => Some(done),
        };
        if let Some(lock) = lock {
            lock.await.unwrap();
        }
        result
    }

    /// What is left of a process that ended is over, and what broke is mended.
    async fn clear_up(&mut self, fault: &Fault, ended: Ended) {
        if matches!(fault, Fault::Statement(_)) && self.fixture.is_sqlite() {
            self.fixture.by_hand("DROP TRIGGER IF EXISTS simulated").await;
        }
        if ended == Ended::Died {
            self.store.close().await;
            self.store = open(&self.fixture.settings).await.unwrap();
        }
        if matches!(fault, Fault::Store(_)) || ended == Ended::Died {
            // As if the process were dead, or the time of the lease over.
            self.fixture.by_hand("UPDATE rd_leases SET until = 0").await;
        }
    }

    /// The history says how the run ended; whatever ran before it ended, too.
    async fn is_recorded(&self, ended: Ended) {
        let runs = self.fixture.rows("SELECT outcome FROM roster_runs ORDER BY id DESC").await;
        let outcomes: Vec<&str> = runs.iter().filter_map(|run| run["outcome"].as_str()).collect();
        assert_eq!(outcomes.first().map(|word| word.to_lowercase()), Some(format!("{ended:?}").to_lowercase()));
        assert!(!outcomes.contains(&"running"), "B3: nobody noticed that a run ended: {outcomes:?}");
    }

    /// Takes over what is new in the feed; the copy has to be what the views say.
    async fn follow(&mut self) -> Views {
        let (copy, seen) = &mut self.copy;
        for row in feed(&self.fixture, *seen).await {
            copy.follow(&row);
            *seen = row["seq"].as_i64().unwrap();
        }
        let views = Views::read(&self.fixture).await;
        assert_eq!(copy.shown(), views, "B3: the feed does not explain what the views say");
        self.trace.extend(views.words());
        views
    }

    /// A run with all kinds of changes, in which one call of the store breaks; whether it made so many.
    pub async fn break_once(&mut self, breaks: Break) -> bool {
        let ids = ["ada", "bob", "cy", "dee"]
            .map(|name| self.directory.hire(name, Mail::One(format!("{name}@{}", DOMAINS[0]))));
        let [ada, bob, cy, dee] = ids;
        self.directory.team("crew").members.extend([ada.clone(), bob.clone()]);
        self.directory.team("staff").members.insert(cy.clone());
        self.run(Fault::None).await;
        let people = &mut self.directory.people;
        people.remove(&bob);
        people.get_mut(&cy).unwrap().locked = true;
        let dee = people.get_mut(&dee).unwrap();
        (dee.unit, dee.surname) = (Unit::Sales, "Married".to_owned());
        dee.aliases.push("d@ours.example".to_owned());
        self.directory.add_again(&ada);
        self.directory.hire("eve", Mail::One("eve@ours.example".to_owned()));
        self.directory.teams.retain(|_, team| team.name != "staff");
        let ended = self.run(Fault::Store(breaks)).await;
        let broke = self.broke;
        assert!(broke || ended == Ended::Ok, "{breaks:?}");
        assert_eq!(self.run(Fault::None).await, Ended::Ok, "{breaks:?}");
        let seen = self.copy.1;
        assert_eq!((self.run(Fault::None).await, self.copy.1), (Ended::Ok, seen), "U3: {breaks:?}");
        broke
    }

    /// Nothing breaks any more: within two runs directory and store agree, and three more do nothing.
    pub async fn settle_down(&mut self) {
        self.hands.right();
        self.manage(None);
        self.frozen = None;
        // Somebody is always there, and somebody disabled, so that nothing vanishes from everybody (E2).
        self.directory.hire("zoe", Mail::One("zoe@ours.example".to_owned()));
        let locked = self.directory.hire("max", Mail::None);
        self.directory.people.get_mut(&locked).unwrap().locked = true;
        self.directory.team("all");
        self.touch();
        let config = &self.config.source.name;
        let store = Arc::clone(&self.store);
        let thawed = sync::by_hand::in_turn(&*store, async |turn| {
            Ok(store.put_freeze(config, None, std::slice::from_ref(turn)).await?)
        });
        thawed.await.unwrap();
        let mut runs = 0;
        loop {
            self.approves = true;
            runs += 1;
            // Another server that does not tell its state is believed after an hour (E7).
            self.hands.pass(HOUR + HOUR / 60);
            let ended = self.run(Fault::None).await;
            let held = ended == Ended::Held && runs < 6;
            if !held && runs > 1 {
                assert_eq!(ended, Ended::Ok, "directory and store do not agree after {runs} runs");
                break;
            }
        }
        for _ in 0..3 {
            let seen = self.copy.1;
            self.hands.pass(HOUR / 60);
            let ended = self.run(Fault::None).await;
            assert_eq!((ended, self.copy.1), (Ended::Ok, seen), "U3: a quiet run changed something");
        }
    }
}

/// Whether somebody's place is to be taken by a new entry, more than five at once (I5).
fn relinks(result: Option<&Result<Report, SyncError>>) -> bool {
    let Some(Ok(report)) = result else { return false };
    report.plan.holds.iter().any(|hold| hold.kind == rosterd::plan::BrakeKind::Relinks)
}

/// Whether a person can say that what waits is right; of a freeze nobody can.
fn can_be_approved(plan: &Plan) -> bool {
    !plan.holds.is_empty() || plan.late.as_ref().is_some_and(LateClock::withholds)
}

fn told(result: Option<&Result<Report, SyncError>>) -> String {
    match result {
        Some(Ok(report)) => {
            let why = report.incomplete.as_ref().map(|why| why.cause);
            format!("{why:?} {:?}", report.counts)
        }
        _ => String::new(),
    }
}
