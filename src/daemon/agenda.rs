//! What is to run, and when: schedules, requests, back-off and deadlines, as plain functions of time and chance.
//!
//! # Guarantees
//! - Whatever comes in while a run is going on folds into exactly one run after it.
//! - After a failed run there is another one after at most [`LONGEST_BACK_OFF`], and never later than scheduled.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::{Schedule, When};
use crate::store::{Action, Trigger};
use crate::sync::Request;

use super::schedule::{Moment, Planned, plan};

/// The wait after the first failure.
pub const FIRST_BACK_OFF: Duration = Duration::from_secs(30);
/// The longest wait after a failure.
pub const LONGEST_BACK_OFF: Duration = Duration::from_secs(15 * 60);
/// Runs for deadlines are at least this far from the run before.
pub const DEADLINE_PACE: Duration = Duration::from_secs(60);

/// How long to wait after the `failures`-th failure in a row: 30 s, doubling up to 15 min, less up to a fifth.
///
/// `chance` in 0..1 decides how much less, so that many daemons that lost one server do not come back all at once.
pub fn back_off(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST_BACK_OFF.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(LONGEST_BACK_OFF).mul_f64(1.0 - 0.2 * chance.clamp(0.0, 1.0))
}

/// Whether a run of `action` does all that one of `wanted` does.
///
/// Only a `cleanup` stands in for a `cleanup`: other runs delete what is due only when they are complete.
pub fn covers(action: Action, wanted: Action) -> bool {
    action == wanted || (action == Action::All && wanted != Action::Cleanup)
}

/// One request in place of two: the widest action, and the last trigger unless a signal asked.
fn fold(earlier: Option<Request>, later: Request) -> Request {
    let Some(earlier) = earlier else { return later };
    let action = match (earlier.action, later.action) {
        (one, other) if one == other => one,
        (Action::Cleanup, other) | (other, Action::Cleanup) => other,
        _ => Action::All,
    };
    let trigger = if earlier.trigger == Trigger::Signal { earlier.trigger } else { later.trigger };
    let (approve, expects) = (later.approve.or(earlier.approve), None);
    Request { trigger, action, approve, insist: earlier.insist || later.insist, expects }
}

/// How a run ended, as far as it decides when to try again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// There is nothing to try again.
    Done,
    /// Worth another try before the schedule's.
    Failed,
    /// Another try makes no sense before this time (E9).
    Barred(Timestamp),
}

/// A run that failed, and when it is tried again.
#[derive(Clone, Copy, Debug)]
struct Retry {
    request: Request,
    failures: u32,
    /// `None` while the next try is going on.
    at: Option<Moment>,
}

/// All that is to be done.
#[derive(Debug)]
pub struct Agenda {
    schedules: Vec<Schedule>,
    planned: Planned,
    /// What the next run has to do.
    queued: Option<Request>,
    retry: Option<Retry>,
    /// When somebody is due for deletion or for another look.
    deadline: Option<Timestamp>,
    /// When the last run began.
    began: Option<Moment>,
    /// When each action was last begun: for schedules that a reload brings.
    history: Vec<(Action, Timestamp)>,
}

impl Agenda {
    /// The agenda at the start. `history` has the last runs that were done, newest first: what they did and when they
    /// began.
    pub fn new(schedules: Vec<Schedule>, history: Vec<(Action, Timestamp)>, now: Moment) -> Self {
        let planned = plan(&schedules, |schedule| last_run(&history, schedule.action), now);
        Self { schedules, planned, queued: None, retry: None, deadline: None, began: None, history }
    }

    /// Takes other schedules from now on. The start is over, and what failed is tried again now: a configuration is
    /// read again most of all because something did not work.
    pub fn reload(&mut self, schedules: Vec<Schedule>, now: Moment) {
        let history = &self.history;
        let planned = plan(&schedules, |schedule| last_run(history, schedule.action), now);
        self.planned = planned.without_start(&schedules);
        self.schedules = schedules;
        if let Some(Retry { at: Some(at), .. }) = &mut self.retry {
            *at = now;
        }
    }

    /// Queues a run.
    pub fn ask(&mut self, trigger: Trigger, action: Action) {
        self.queued =
            Some(fold(self.queued.take(), Request { trigger, action, approve: None, insist: false, expects: None }));
    }

    /// Queues everything that is due by now. What is scheduled comes last, and gives the run its trigger.
    pub fn look(&mut self, now: Moment) {
        if let Some(Retry { request, at: Some(at), .. }) = self.retry
            && at.reached(now)
        {
            self.ask(Trigger::Event, request.action);
        }
        if self.deadline_at(now).is_some_and(|at| at.reached(now)) {
            self.deadline = None;
            self.ask(Trigger::Event, Action::Users);
        }
        for position in self.planned.due(now) {
            let Some(schedule) = self.schedules.get(position) else { continue };
            let trigger = if matches!(schedule.when, When::Reboot) { Trigger::Startup } else { Trigger::Schedule };
            let action = schedule.action;
            self.planned.fired(position, schedule, now);
            self.ask(trigger, action);
        }
    }

    /// Whether a run waits to begin.
    pub fn waits(&self) -> bool {
        self.queued.is_some()
    }

    /// Takes what is queued, as a run that begins now.
    pub fn begin(&mut self, now: Moment) -> Option<Request> {
        let mut request = self.queued.take()?;
        if let Some(retry) = &mut self.retry {
            // What failed is part of the next try, whatever asked for it.
            request.action = fold(Some(retry.request), request).action;
            retry.at = None;
        }
        self.began = Some(now);
        self.history.retain(|(action, _)| !covers(request.action, *action));
        self.history.insert(0, (request.action, now.wall));
        for (position, schedule) in self.schedules.iter().enumerate() {
            if matches!(schedule.when, When::Every(_)) && covers(request.action, schedule.action) {
                self.planned.fired(position, schedule, now);
            }
        }
        Some(request)
    }

    /// The run is over. After a failed one, says when it is tried again at the latest.
    pub fn ended(&mut self, request: Request, ending: Ending, now: Moment, chance: f64) -> Option<Moment> {
        let not_before = match ending {
            Ending::Done => {
                self.retry = None;
                return None;
            }
            Ending::Failed => Duration::ZERO,
            Ending::Barred(until) => until.since(now.wall).min(LONGEST_BACK_OFF),
        };
        let failures = self.retry.map_or(0, |retry| retry.failures).saturating_add(1);
        let at = now.after(back_off(failures, chance).max(not_before));
        self.retry = Some(Retry { request, failures, at: Some(at) });
        Some(at)
    }

    /// Somebody is due then; `None` = nobody.
    pub fn expect(&mut self, deadline: Option<Timestamp>) {
        self.deadline = deadline;
    }

    /// When the next run begins, as far as is known.
    pub fn next(&self, now: Moment) -> Option<Moment> {
        if self.queued.is_some() {
            return Some(now);
        }
        let retry = self.retry.and_then(|retry| retry.at);
        [self.planned.next(now), retry, self.deadline_at(now)].into_iter().flatten().min_by_key(|at| at.wait(now))
    }

    /// The schedules with their next moments.
    pub fn schedules(&self) -> impl Iterator<Item = (&Schedule, Option<Moment>)> {
        self.schedules.iter().enumerate().map(|(position, schedule)| (schedule, self.planned.of(position)))
    }

    fn deadline_at(&self, now: Moment) -> Option<Moment> {
        let deadline = now.at_wall(self.deadline?);
        let pace = self.began.map_or(now, |began| began.after(DEADLINE_PACE));
        Some(if pace.wait(now) > deadline.wait(now) { pace } else { deadline })
    }
}

fn last_run(history: &[(Action, Timestamp)], wanted: Action) -> Option<Timestamp> {
    history.iter().find(|(action, _)| covers(*action, wanted)).map(|(_, began)| *began)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn start() -> Moment {
        Moment { wall: Timestamp::parse("2026-03-01T12:00:00Z").unwrap(), boot: Duration::from_secs(100) }
    }

    fn every(interval: Duration, action: Action) -> Schedule {
        Schedule { when: When::Every(interval), action, timezone: chrono_tz::UTC, text: String::new() }
    }

    fn agenda(schedules: Vec<Schedule>) -> Agenda {
        let history = Action::ALL.iter().map(|action| (*action, start().wall)).collect();
        Agenda::new(schedules, history, start())
    }

    #[test]
    fn back_off_doubles_from_half_a_minute_to_a_quarter_of_an_hour() {
        let seconds = |failures| back_off(failures, 0.0).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 100].map(seconds), [30, 60, 120, 240, 480, 900, 900, 900]);
        assert_eq!(back_off(1, 1.0), Duration::from_secs(24));
        assert_eq!(back_off(6, 0.5), Duration::from_secs(810));
        assert_eq!(back_off(u32::MAX, f64::NAN.max(2.0)), Duration::from_secs(720));
    }

    /// S3
    #[test]
    fn triggers_fold_to_the_widest_action() {
        use Action::{All, Cleanup, Groups, Users};
        for (one, other, both) in [
            (Users, Groups, All),
            (Users, Users, Users),
            (Groups, All, All),
            (All, Users, All),
            (Cleanup, Users, Users),
            (Groups, Cleanup, Groups),
            (Cleanup, Cleanup, Cleanup),
        ] {
            let mut agenda = agenda(Vec::new());
            agenda.ask(Trigger::Schedule, one);
            agenda.ask(Trigger::Event, other);
            let request = agenda.begin(start()).unwrap();
            assert_eq!((request.trigger, request.action), (Trigger::Event, both));
            assert!(agenda.begin(start()).is_none(), "one run for all of them");
        }
    }

    #[test]
    fn a_signal_gives_its_name_to_what_it_folds_with() {
        let mut agenda = agenda(Vec::new());
        agenda.ask(Trigger::Signal, Action::All);
        agenda.ask(Trigger::Schedule, Action::Users);
        assert_eq!(agenda.begin(start()).unwrap().trigger, Trigger::Signal);
    }

    /// S2
    #[test]
    fn every_counts_from_any_run_that_did_its_work_but_cleanup_from_cleanups() {
        let schedules = vec![every(6 * HOUR, Action::Users), every(6 * HOUR, Action::Cleanup)];
        let mut agenda = agenda(schedules);
        let noon = start().after(5 * HOUR);
        agenda.ask(Trigger::Signal, Action::All);
        agenda.begin(noon).unwrap();
        let next: Vec<_> = agenda.schedules().map(|(_, at)| at.unwrap()).collect();
        assert_eq!(next, [noon.after(6 * HOUR), start().after(6 * HOUR)]);
    }

    #[test]
    fn a_failed_run_is_tried_again_later_and_later_but_not_later_than_scheduled() {
        let mut agenda = agenda(vec![every(20 * 60 * Duration::from_secs(1), Action::All)]);
        let mut now = start();
        agenda.ask(Trigger::Schedule, Action::All);
        for wait in [30, 60, 120, 240, 480, 900, 900] {
            let request = agenda.begin(now).unwrap();
            agenda.look(now);
            assert!(!agenda.waits(), "while it is tried");
            agenda.ended(request, Ending::Failed, now, 0.0).unwrap();
            agenda.look(now.after(Duration::from_secs(wait - 1)));
            assert!(!agenda.waits(), "before {wait} s");
            now = now.after(Duration::from_secs(wait));
            assert_eq!(agenda.next(start()).unwrap().wall, now.wall);
            agenda.look(now);
            assert!(agenda.waits(), "after {wait} s");
        }
        let request = agenda.begin(now).unwrap();
        assert_eq!(request.trigger, Trigger::Event);
        agenda.ended(request, Ending::Done, now, 0.0);
        assert_eq!(agenda.next(now), Some(now.after(20 * 60 * Duration::from_secs(1))), "only the schedule is left");

        let mut agenda = self::agenda(vec![every(Duration::from_secs(10), Action::Users)]);
        agenda.ask(Trigger::Signal, Action::Groups);
        let request = agenda.begin(start()).unwrap();
        agenda.ended(request, Ending::Failed, start(), 0.0).unwrap();
        agenda.look(start().after(Duration::from_secs(10)));
        let request = agenda.begin(start().after(Duration::from_secs(10))).unwrap();
        assert_eq!((request.trigger, request.action), (Trigger::Schedule, Action::All), "what failed comes along");
    }

    /// E9
    #[test]
    fn a_run_that_is_barred_is_tried_when_the_bar_is_lifted() {
        let mut agenda = agenda(Vec::new());
        agenda.ask(Trigger::Signal, Action::All);
        let request = agenda.begin(start()).unwrap();
        let until = start().after(Duration::from_secs(800));
        assert_eq!(agenda.ended(request, Ending::Barred(until.wall), start(), 0.0), Some(until));
        let request = {
            agenda.ask(Trigger::Signal, Action::All);
            agenda.begin(start()).unwrap()
        };
        let far = start().after(24 * HOUR).wall;
        assert_eq!(agenda.ended(request, Ending::Barred(far), start(), 0.0), Some(start().after(LONGEST_BACK_OFF)));
    }

    #[test]
    fn a_reload_tries_at_once_what_failed_and_does_not_start_anew() {
        let mut agenda = agenda(vec![every(6 * HOUR, Action::All)]);
        agenda.ask(Trigger::Schedule, Action::All);
        let request = agenda.begin(start()).unwrap();
        agenda.ended(request, Ending::Failed, start(), 0.0).unwrap();
        let now = start().after(Duration::from_secs(5));
        let reboot = Schedule { when: When::Reboot, ..every(HOUR, Action::All) };
        agenda.reload(vec![reboot, every(HOUR, Action::Users)], now);
        let next: Vec<_> = agenda.schedules().map(|(_, at)| at.map(|at| at.wall)).collect();
        assert_eq!(next, [None, Some(start().after(HOUR).wall)]);
        agenda.look(now);
        assert_eq!(agenda.begin(now).unwrap().action, Action::All);
    }

    /// U8, L9
    #[test]
    fn a_deadline_runs_when_it_passes_and_at_most_once_a_minute() {
        let mut agenda = agenda(vec![every(6 * HOUR, Action::All)]);
        let due = start().after(HOUR);
        agenda.expect(Some(due.wall));
        assert_eq!(agenda.next(start()).unwrap().wall, due.wall);
        agenda.look(start().after(HOUR - Duration::from_millis(1)));
        assert!(!agenda.waits());
        agenda.look(due);
        let request = agenda.begin(due).unwrap();
        assert_eq!((request.trigger, request.action), (Trigger::Event, Action::Users));
        agenda.ended(request, Ending::Done, due, 0.0);

        let again = due.after(Duration::from_secs(2));
        agenda.expect(Some(again.wall));
        agenda.look(again);
        assert!(!agenda.waits());
        agenda.look(due.after(DEADLINE_PACE));
        assert!(agenda.waits());
    }
}
