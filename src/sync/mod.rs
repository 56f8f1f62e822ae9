//! One run: read, plan, brake, apply, record.
//!
//! # Guarantees
//! - One run at a time per source on one store; runs of several sources take turns at planning and applying (S3).
//! - What `plan` shows goes through the very code that `sync` applies (B2).
//! - Whatever ends a run early, the store is consistent and the next run finishes the work: nothing is resumed,
//!   everything is compared again (B3).

mod apply;
mod approval;
mod basis;
pub mod by_hand;
mod cut_off;
mod due;
mod error;
mod events;
pub mod explain;
mod lease;
mod look;
mod neighbours;
pub mod one;
pub mod refused;
pub mod retire;
pub mod source;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::directory::Progress;
use crate::plan::{Counts, Frozen, LateClock, Plan, approves};
use crate::roster::{AttributeUse, Digest, Incomplete};
use crate::store::{Action, Lease, Outcome, RunEnd, RunId, RunStart, Stamp, Store, Trigger};

pub use crate::roster::words::chain;
pub use basis::{basis_settings, deciding_settings, of as basis_of};
pub use cut_off::cut_off;
pub use error::SyncError;
use lease::Held;
pub use lease::can_write;
use look::Look;

/// What a run is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// What started it.
    pub trigger: Trigger,
    /// What it does.
    pub action: Action,
    /// The run whose held departures, or whose doubt, a person has approved (B1).
    pub approve: Option<RunId>,
    /// A person at a terminal asks: a bind that was refused a moment ago may be tried once more (E9).
    pub insist: bool,
    /// The plan that was saved before: nothing is done unless it is still the same (B2).
    pub expects: Option<Expected>,
}

impl Request {
    /// Refuses a plan that is another than the one that was saved (B2).
    fn accepts(&self, plan: &Plan) -> Result<(), SyncError> {
        match self.expects {
            Some(expected) if expected.digest != plan.digest() => Err(SyncError::OtherPlan),
            _ => Ok(()),
        }
    }
}

/// A plan that was saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expected {
    /// [`Plan::digest`].
    pub digest: Digest,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its number; `None` while the source is switched off (S1).
    pub run: Option<RunId>,
    /// How it ended.
    pub outcome: Outcome,
    /// The numbers.
    pub counts: Counts,
    /// The plan, its users and groups drained as they were applied; what was held and doubted is still there.
    pub plan: Plan,
    /// Why absence proved nothing.
    pub incomplete: Option<Incomplete>,
    /// Which server was read.
    pub server: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// One more thing the operator should know.
    pub note: Option<String>,
    /// The one person it was about (S4).
    pub person: Option<one::Subject>,
}

/// What a run would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// All of it.
    pub plan: Plan,
    /// Why absence proves nothing.
    pub incomplete: Option<Incomplete>,
    /// Which server was read.
    pub server: Option<String>,
    /// Names of the extra fields, for showing the plan.
    pub names: crate::roster::FieldNames,
}

/// Where a run takes place.
pub(crate) struct Scene<'a> {
    pub config: &'a Config,
    pub store: &'a dyn Store,
    pub clock: &'a dyn Clock,
    pub progress: &'a dyn Progress,
    /// False for `plan`, which changes nothing.
    pub writes: bool,
}

/// Makes one run.
///
/// # Errors
/// When the run could not take place or failed before anything was read; a run that read only a part, or that holds
/// something, is a report.
pub async fn sync(
    config: &Config,
    store: &dyn Store,
    clock: &dyn Clock,
    request: Request,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Report, SyncError> {
    let scene = Scene { config, store, clock, progress, writes: true };
    alone(&scene, async |held| match config.enabled {
        true => scene.run(request, held, stop).await,
        false => scene.switched_off(request, held, stop).await,
    })
    .await
}

/// Works while no other run of a source that is in use goes on, and says how long it took.
async fn alone(
    scene: &Scene<'_>,
    work: impl AsyncFnOnce(&Held<'_>) -> Result<Report, SyncError>,
) -> Result<Report, SyncError> {
    let source = &scene.config.source.name;
    source::in_use(scene.store, source).await?;
    let began = scene.clock.since_boot();
    let held = Held::acquire(scene.store, &lease::source_scope(source)).await?;
    let result = held.keep_while(Box::pin(work(&held))).await;
    held.release().await;
    result.map(|report| Report { seconds: scene.seconds_since(began), ..report })
}

/// What a run would do; changes nothing (B2). `insist` as in [`Request`].
///
/// # Errors
/// When nothing could be read.
pub async fn plan(
    config: &Config,
    store: &dyn Store,
    clock: &dyn Clock,
    (action, insist): (Action, bool),
    progress: &dyn Progress,
) -> Result<Preview, SyncError> {
    let scene = Scene { config, store, clock, progress, writes: false };
    source::in_use(store, &config.source.name).await?;
    if !config.enabled {
        let plan = scene.due_by_date().await?;
        return Ok(Preview { plan, incomplete: None, server: None, names: config.names() });
    }
    let request = Request { trigger: Trigger::Command, action, approve: None, insist, expects: None };
    let look = Box::pin(Look::take(&scene, request, &[])).await?;
    let server = Some(look.server().to_owned());
    let names = look.policy().names.clone();
    let incomplete = look.incomplete().cloned();
    let (plan, _) = Box::pin(look.plan(&scene)).await?;
    let incomplete = incomplete.map(|why| plan.tell_barred(why));
    Ok(Preview { plan, incomplete, server, names })
}

impl Scene<'_> {
    async fn run(&self, request: Request, held: &Held<'_>, stop: &CancellationToken) -> Result<Report, SyncError> {
        let start = RunStart {
            source: self.config.source.name.clone(),
            trigger: request.trigger,
            action: request.action,
            mode: "full",
            at: self.clock.now(),
        };
        self.recorded(&start, held, async |run| self.read_and_apply(run, request, held, stop).await).await
    }

    /// Opens a run, does the work, and records how it ended.
    async fn recorded(
        &self,
        start: &RunStart,
        held: &Held<'_>,
        work: impl AsyncFnOnce(RunId) -> Result<Report, SyncError>,
    ) -> Result<Report, SyncError> {
        let run = self.store.begin_run(start, &[held.lease().clone()]).await?;
        events::run_started(run, start);
        let began = self.clock.since_boot();
        let result = Box::pin(work(run)).await;
        match result {
            Ok(report) => {
                events::run_finished(run, start, &report, self.seconds_since(began));
                Ok(report)
            }
            Err(error) => {
                self.record_failure(run, start, held, &error).await;
                events::run_failed(run, start, &error, self.seconds_since(began));
                Err(error)
            }
        }
    }

    /// Seconds of the monotonic clock, to the millisecond.
    fn seconds_since(&self, began: Duration) -> f64 {
        let took = self.clock.since_boot().saturating_sub(began);
        Duration::new(took.as_secs(), took.subsec_millis() * 1_000_000).as_secs_f64()
    }

    async fn record_failure(&self, run: RunId, start: &RunStart, held: &Held<'_>, error: &SyncError) {
        let stopped = matches!(error, SyncError::Stopped);
        let end = RunEnd {
            outcome: if stopped { Outcome::Interrupted } else { Outcome::Failed },
            at: self.clock.now(),
            counts: Counts::default(),
            error: Some(chain(error)),
            cause: matches!(error, SyncError::OtherPlan).then(|| SyncError::OTHER_PLAN.to_owned()),
            server: None,
            held: Vec::new(),
            coverage: None,
            basis: None,
            proof: None,
        };
        if let Err(second) = self.store.finish_run(run, &end, &[held.lease().clone()]).await {
            // The next run of the source marks this one as interrupted.
            tracing::warn!(
                event = "run.unrecorded",
                run = run.0,
                source = start.source,
                "cannot record the end of the run: {second}"
            );
        }
    }

    /// Ends work early when asked to stop, or when it takes too long. Reading has its own deadline; this one is for
    /// what comes after it.
    async fn bounded<T>(
        &self,
        stop: &CancellationToken,
        work: impl Future<Output = Result<T, SyncError>>,
    ) -> Result<T, SyncError> {
        let timeout = self.config.source.run_timeout;
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(SyncError::Stopped),
            () = tokio::time::sleep(timeout.saturating_mul(2)) => Err(SyncError::Timeout(timeout)),
            done = work => done,
        }
    }

    /// Works while nobody else plans or applies on this store; the turn is given back however the work ends.
    async fn in_turn<T>(
        &self,
        stop: &CancellationToken,
        work: impl AsyncFnOnce(&Held<'_>) -> Result<T, SyncError>,
    ) -> Result<T, SyncError> {
        let turn = self.bounded(stop, Held::wait(self.store, lease::TURN)).await?;
        let result = turn.keep_while(self.bounded(stop, Box::pin(work(&turn)))).await;
        turn.release().await;
        result
    }

    async fn read_and_apply(
        &self,
        run: RunId,
        request: Request,
        held: &Held<'_>,
        stop: &CancellationToken,
    ) -> Result<Report, SyncError> {
        let look = self.bounded(stop, Box::pin(Look::take(self, request, &[held.lease().clone()]))).await?;
        let server = look.server().to_owned();
        let incomplete = look.incomplete().cloned();
        let (coverage, proof) = (look.coverage_if_complete(), look.proof());
        let names = look.policy().names.clone();
        let tests: Vec<String> = look.policy().attributes(AttributeUse::Disabled).map(str::to_owned).collect();
        let mut accepted = look.accepted();
        accepted.extend(request.approve.map(|run| approves(run.0)));
        self.in_turn(stop, async |turn| {
            let (plan, mut basis) = Box::pin(look.plan(self)).await?;
            request.accepts(&plan)?;
            if coverage.is_some() && plan.frozen.is_none() {
                basis.proven = Some(run.0);
            }
            let leases = [held.lease().clone(), turn.lease().clone()];
            let source = &self.config.source.name;
            let stamp = Stamp { run: Some(run), source, at: self.clock.now(), names: &names, leases: &leases };
            let plan = apply::apply(self, stamp, plan).await?;
            let report = report(run, plan, incomplete, server);
            let end = RunEnd { coverage, proof, basis: Some(basis), ..run_end(&report, self.clock.now(), accepted) };
            self.store.finish_run(run, &end, &leases).await?;
            events::unseen(run, source, (end.proof.as_ref(), &tests));
            let old = self.clock.now() - self.config.history_keep;
            if let Err(error) = self.store.forget_history(old, &leases).await {
                // The run is over and recorded; the next one tries again.
                tracing::warn!(event = "history.kept", run = run.0, "cannot drop old history: {error}");
            }
            if let Err(error) = self.bury_retired(&leases).await {
                // The same: the next run of anybody tries again.
                tracing::warn!(event = "source.unburied", run = run.0, "cannot delete who is due: {error}");
            }
            Ok(report)
        })
        .await
    }

    /// With `enabled = false` nothing is read and no run is recorded, but who is due is deleted (S1).
    async fn switched_off(
        &self,
        request: Request,
        held: &Held<'_>,
        stop: &CancellationToken,
    ) -> Result<Report, SyncError> {
        let plan = self
            .in_turn(stop, async |turn| {
                let plan = self.due_by_date().await?;
                request.accepts(&plan)?;
                let leases = [held.lease().clone(), turn.lease().clone()];
                let names = self.config.names();
                let source = &self.config.source.name;
                let stamp = Stamp { run: None, source, at: self.clock.now(), names: &names, leases: &leases };
                let plan = apply::apply(self, stamp, plan).await?;
                self.bury_retired(&leases).await?;
                Ok(plan)
            })
            .await?;
        let says = "source.enabled = false: the directory was not read; only deletions that were due were carried out";
        Ok(Report {
            run: None,
            outcome: Outcome::Ok,
            counts: plan.counts,
            plan,
            incomplete: None,
            server: None,
            seconds: 0.0,
            note: Some(says.to_owned()),
            person: None,
        })
    }
}

impl Scene<'_> {
    /// Deletes who is due of the sources that were given up: no run of their own does it any more (S6).
    async fn bury_retired(&self, leases: &[Lease]) -> Result<(), SyncError> {
        for source in self.store.sources().await?.iter().filter(|source| source.retired.is_some()) {
            let plan = self.due_of_retired(&source.name).await?;
            let names = self.config.names();
            let stamp = Stamp { run: None, source: &source.name, at: self.clock.now(), names: &names, leases };
            apply::apply(self, stamp, plan).await?;
        }
        Ok(())
    }
}

fn report(run: RunId, plan: Plan, incomplete: Option<Incomplete>, server: String) -> Report {
    let incomplete = incomplete.map(|why| plan.tell_barred(why));
    let held = plan.waits();
    let outcome = match (&incomplete, held) {
        (Some(_), _) => Outcome::Incomplete,
        (None, true) => Outcome::Held,
        (None, false) => Outcome::Ok,
    };
    let (counts, server) = (plan.counts, Some(server));
    Report { run: Some(run), outcome, counts, plan, incomplete, server, seconds: 0.0, note: None, person: None }
}

fn run_end(report: &Report, at: Timestamp, mut accepted: Vec<String>) -> RunEnd {
    let plan = &report.plan;
    let late = plan.late.as_ref().filter(|late| late.withholds());
    let cause = report.incomplete.as_ref().map(|why| match &why.attribute {
        Some(attribute) => format!("{}:{attribute}", why.cause),
        None => why.cause.to_owned(),
    });
    accepted.extend(cause);
    accepted.extend(late.map(|_| "clock".to_owned()));
    accepted.extend(plan.mapped.causes.iter().cloned());
    let only_frozen = plan.frozen.as_ref().is_some_and(Frozen::withholds) && plan.holds.is_empty() && late.is_none();
    accepted.extend((only_frozen && report.incomplete.is_none()).then(|| Frozen::CAUSE.to_owned()));
    let cause = (!accepted.is_empty()).then(|| accepted.join(","));
    let run = report.run.map_or(0, |run| run.0);
    let frozen = plan.frozen.as_ref().filter(|frozen| frozen.withholds()).map(Frozen::says);
    let held = [plan.held_in_words(run), late.map(LateClock::sentence), frozen].into_iter().flatten();
    let held = held.reduce(|a, b| format!("{a}; {b}"));
    RunEnd {
        outcome: report.outcome,
        at,
        counts: report.counts,
        error: report.incomplete.as_ref().map(|why| why.says.clone()).or(held),
        cause,
        server: report.server.clone(),
        held: plan.held.clone(),
        coverage: None,
        basis: None,
        proof: None,
    }
}
