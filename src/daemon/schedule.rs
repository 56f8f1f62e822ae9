//! When schedules are due (S2). The only place that names tokio-cron-scheduler.
//!
//! Schedules are judged by level, not by edge: every look asks which of them are due by now, so that a lost wake-up
//! costs seconds and not a run. Each has one planned moment, kept on both clocks, and is due when either has reached
//! it. A wall clock that jumps forward, back, or forth and back, and a machine that slept, therefore give exactly one
//! catch-up run, and nothing stays silent longer than an interval and a half.
//!
//! The moments themselves are computed by [`Schedule::next_after`]: the scheduler crate keeps the zone's offset of the
//! day on which a job was made, and is an hour off after a DST change. It only rings the one [`Alarm`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::clock::{Clock, Timestamp};
use crate::config::{Schedule, When};

/// One moment on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// By the wall clock.
    pub wall: Timestamp,
    /// By the clock since boot.
    pub boot: Duration,
}

impl Moment {
    /// Now.
    pub fn now(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), boot: clock.since_boot() }
    }

    /// That much later on both clocks.
    pub fn after(self, by: Duration) -> Self {
        Self { wall: self.wall + by, boot: self.boot.saturating_add(by) }
    }

    /// The moment at which the wall clock will show `wall`, if nobody turns it; this moment for times past.
    pub fn at_wall(self, wall: Timestamp) -> Self {
        Self { wall, boot: self.boot.saturating_add(wall.since(self.wall)) }
    }

    /// Whether this moment has come, by either clock.
    pub fn reached(self, now: Self) -> bool {
        now.wall >= self.wall || now.boot >= self.boot
    }

    /// How long until [`Moment::reached`]; zero when it is.
    pub fn wait(self, now: Self) -> Duration {
        self.wall.since(now.wall).min(self.boot.saturating_sub(now.boot))
    }
}

/// When each schedule fires first.
///
/// `last_run` is the wall clock's start of the last run that did what a schedule does. `every` counts from there, and
/// is due at once when that is longer ago than its interval, never was, or lies in the future (the clock was turned
/// while nobody looked). `@reboot` is due at once. Cron moments that passed while nobody looked are not caught up.
pub fn plan(schedules: &[Schedule], last_run: impl Fn(&Schedule) -> Option<Timestamp>, now: Moment) -> Planned {
    let first = |schedule: &Schedule| match &schedule.when {
        When::Reboot => Some(now),
        When::Every(interval) => Some(match last_run(schedule) {
            Some(last) if last <= now.wall => now.after(interval.saturating_sub(now.wall.since(last))),
            _ => now,
        }),
        When::Cron(_) => schedule.next_after(now.wall).map(|at| now.at_wall(at)),
    };
    Planned(schedules.iter().map(first).collect())
}

/// The planned moment of each schedule, in the order of the schedules; `None` = never again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned(Vec<Option<Moment>>);

impl Planned {
    /// Which schedules are due, by position.
    pub fn due(&self, now: Moment) -> Vec<usize> {
        let is_due = |moment: &Option<Moment>| moment.is_some_and(|moment| moment.reached(now));
        self.0.iter().enumerate().filter(|(_, moment)| is_due(moment)).map(|(position, _)| position).collect()
    }

    /// The earliest planned moment.
    pub fn next(&self, now: Moment) -> Option<Moment> {
        self.0.iter().flatten().min_by_key(|moment| moment.wait(now)).copied()
    }

    /// When one schedule fires next.
    pub fn of(&self, position: usize) -> Option<Moment> {
        self.0.get(position).copied().flatten()
    }

    /// Plans the next moment of a schedule that fires now; of an `every` also when another run did its work.
    pub fn fired(&mut self, position: usize, schedule: &Schedule, now: Moment) {
        let Some(slot) = self.0.get_mut(position) else { return };
        *slot = match (&schedule.when, *slot) {
            (When::Every(interval), _) => Some(now.after(*interval)),
            (When::Cron(_), Some(fired)) => next_cron(schedule, fired, now),
            (When::Cron(_) | When::Reboot, _) => None,
        };
    }

    /// Takes `@reboot` out: the start is over.
    pub fn without_start(mut self, schedules: &[Schedule]) -> Self {
        for (slot, schedule) in self.0.iter_mut().zip(schedules) {
            if matches!(schedule.when, When::Reboot) {
                *slot = None;
            }
        }
        self
    }
}

/// The next moment of a cron schedule.
///
/// A clock that was turned back shows an earlier time than the one planned. When that is near, the planned moment
/// counts as done, and is not done again when the clock shows it; when it is further away than half an interval, the
/// moments in between count anew. Both ways the silence is at most an interval and a half.
fn next_cron(schedule: &Schedule, fired: Moment, now: Moment) -> Option<Moment> {
    let ahead = fired.wall.since(now.wall);
    let gap = schedule.next_after(fired.wall).map(|next| next.since(fired.wall));
    let far = gap.is_some_and(|gap| ahead > gap / 2);
    let from = if far { now.wall } else { now.wall.max(fired.wall) };
    schedule.next_after(from).map(|at| now.at_wall(at))
}

/// Rings once at a time to come, to the second; arming it again replaces that time.
///
/// It lives in a task of its own, so that nothing the scheduler crate does can hold up the daemon.
#[derive(Debug)]
pub struct Alarm {
    wanted: watch::Sender<Option<Duration>>,
    rung: Arc<Notify>,
}

impl Alarm {
    /// An alarm that is not armed yet. Must be called within a tokio runtime.
    pub fn start() -> Self {
        let (wanted, orders) = watch::channel(None);
        let rung = Arc::new(Notify::new());
        tokio::spawn(keep(orders, Arc::clone(&rung)));
        Self { wanted, rung }
    }

    /// Rings after this long; `None` = not at all.
    pub fn arm(&self, wait: Option<Duration>) {
        self.wanted.send_replace(wait);
    }

    /// Waits for it to ring.
    pub async fn rung(&self) {
        self.rung.notified().await;
    }
}

async fn keep(mut orders: watch::Receiver<Option<Duration>>, rung: Arc<Notify>) {
    if let Err(error) = ring(&mut orders, &rung).await {
        // The daemon looks every few seconds anyway; it only becomes less punctual.
        tracing::warn!(event = "schedule.alarm", error = %error, "the alarm clock failed; runs may start 5 s late");
    }
}

async fn ring(orders: &mut watch::Receiver<Option<Duration>>, rung: &Arc<Notify>) -> Result<(), JobSchedulerError> {
    let mut scheduler = JobScheduler::new().await?;
    scheduler.start().await?;
    let mut armed = None;
    while orders.changed().await.is_ok() {
        let wanted = *orders.borrow_and_update();
        if let Some(job) = armed.take() {
            // It is gone already when it has rung.
            let _ = scheduler.remove(&job).await;
        }
        if let Some(wait) = wanted {
            let rung = Arc::clone(rung);
            // The crate counts whole seconds from the beginning of the present one.
            let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
            armed = Some(scheduler.add(Job::new_one_shot(wait, move |_, _| rung.notify_one())?).await?);
        }
    }
    scheduler.shutdown().await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Action;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn moment(wall: &str, boot: u64) -> Moment {
        Moment { wall: at(wall), boot: Duration::from_secs(boot) }
    }

    fn schedule(when: When) -> Schedule {
        Schedule { when, action: Action::All, timezone: chrono_tz::UTC, text: String::new() }
    }

    fn every(interval: Duration) -> Schedule {
        schedule(When::Every(interval))
    }

    fn cron(text: &str) -> Schedule {
        let parser = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Required).build();
        schedule(When::Cron(Box::new(parser.parse(text).unwrap())))
    }

    /// Looks at one schedule and counts it as fired when it is due.
    fn look(planned: &mut Planned, schedule: &Schedule, now: Moment) -> bool {
        let due = !planned.due(now).is_empty();
        if due {
            planned.fired(0, schedule, now);
        }
        due
    }

    /// S2
    #[test]
    fn every_is_remembered_and_due_at_once_when_it_is_overdue() {
        let now = moment("2026-03-01T12:00:00Z", 1000);
        let schedules = [every(6 * HOUR)];
        for (last, first) in [
            (None, "2026-03-01T12:00:00Z"),
            (Some("2026-03-01T05:59:59Z"), "2026-03-01T12:00:00Z"),
            (Some("2026-03-01T07:00:00Z"), "2026-03-01T13:00:00Z"),
            (Some("2026-03-01T12:00:00Z"), "2026-03-01T18:00:00Z"),
            (Some("2027-01-01T00:00:00Z"), "2026-03-01T12:00:00Z"),
        ] {
            let planned = plan(&schedules, |_| last.map(at), now);
            assert_eq!(planned.of(0).unwrap().wall, at(first), "{last:?}");
            assert_eq!(planned.of(0).unwrap().wait(now), at(first).since(now.wall));
        }
    }

    /// S2
    #[test]
    fn reboot_is_due_once_at_the_start() {
        let schedules = [schedule(When::Reboot)];
        let now = moment("2026-03-01T12:00:00Z", 0);
        let mut planned = plan(&schedules, |_| None, now);
        assert_eq!(planned.due(now), [0]);
        planned.fired(0, &schedules[0], now);
        assert_eq!(planned.due(now.after(24 * 365 * HOUR)), [0; 0]);
        assert_eq!(planned.next(now), None);
        assert_eq!(plan(&schedules, |_| None, now).without_start(&schedules).of(0), None);
    }

    /// S2
    #[test]
    fn cron_fires_at_its_moments_and_missed_ones_are_not_caught_up_at_the_start() {
        let quarter = cron("0 */15 * * * *");
        let start = moment("2026-03-01T12:07:00Z", 0);
        let mut planned = plan(std::slice::from_ref(&quarter), |_| None, start);
        assert!(!look(&mut planned, &quarter, start));
        assert!(!look(&mut planned, &quarter, moment("2026-03-01T12:14:59.999Z", 479)));
        assert!(look(&mut planned, &quarter, moment("2026-03-01T12:15:00Z", 480)));
        assert!(!look(&mut planned, &quarter, moment("2026-03-01T12:15:00.001Z", 480)));
        assert_eq!(planned.of(0).unwrap().wall, at("2026-03-01T12:30:00Z"));
    }

    /// S2
    #[test]
    fn a_day_of_sleep_gives_one_catch_up_run() {
        for nightly in [cron("0 0 3 * * *"), every(24 * HOUR)] {
            let start = moment("2026-03-01T12:00:00Z", 0);
            let mut planned = plan(std::slice::from_ref(&nightly), |_| Some(start.wall), start);
            let woken = start.after(72 * HOUR);
            assert!(look(&mut planned, &nightly, woken));
            assert!(!look(&mut planned, &nightly, woken.after(HOUR)));
        }
    }

    /// S2
    #[test]
    fn a_clock_that_jumps_ahead_and_is_put_right_silences_nothing() {
        let hourly = cron("0 0 * * * *");
        let start = moment("2026-03-01T12:30:00Z", 0);
        let mut planned = plan(std::slice::from_ref(&hourly), |_| None, start);
        assert!(look(&mut planned, &hourly, moment("2040-01-01T00:00:30Z", 60)));
        assert!(!look(&mut planned, &hourly, moment("2026-03-01T12:32:00Z", 120)));
        // 59.5 minutes after the jump by the clock since boot: the year 2040 is not waited for.
        assert!(!look(&mut planned, &hourly, moment("2026-03-01T13:30:20Z", 60 + 3569)));
        assert!(look(&mut planned, &hourly, moment("2026-03-01T13:30:31Z", 60 + 3570)));
        assert_eq!(planned.of(0).unwrap().wall, at("2026-03-01T14:00:00Z"));
    }

    /// S2
    #[test]
    fn a_clock_turned_back_a_little_does_not_repeat_and_turned_back_far_does_not_wait() {
        let daily = cron("0 0 12 * * *");
        let start = moment("2026-03-02T11:59:00Z", 0);
        let mut planned = plan(std::slice::from_ref(&daily), |_| None, start);
        // One hour back: noon by the old clock counts, and is not repeated when the new one shows it.
        assert!(look(&mut planned, &daily, moment("2026-03-02T11:00:00Z", 60)));
        assert!(!look(&mut planned, &daily, moment("2026-03-02T12:00:00Z", 3660)));
        assert_eq!(planned.of(0).unwrap().wall, at("2026-03-03T12:00:00Z"));

        let mut planned = plan(std::slice::from_ref(&daily), |_| None, start);
        // Three days back.
        assert!(look(&mut planned, &daily, moment("2026-02-27T12:30:00Z", 60)));
        assert_eq!(planned.of(0).unwrap().wall, at("2026-02-28T12:00:00Z"));
    }

    #[test]
    fn a_schedule_that_never_fires_is_never_planned() {
        let never = cron("0 0 0 31 2 *");
        assert_eq!(plan(&[never], |_| None, moment("2026-03-01T12:00:00Z", 0)).of(0), None);
    }

    #[test]
    fn the_next_moment_is_the_one_that_comes_first_by_either_clock() {
        let schedules = [every(2 * HOUR), cron("0 30 * * * *"), schedule(When::Reboot)];
        let start = moment("2026-03-01T12:00:00Z", 0);
        let planned = plan(&schedules, |_| Some(start.wall), start).without_start(&schedules);
        assert_eq!(planned.next(start).unwrap().wall, at("2026-03-01T12:30:00Z"));
        assert_eq!(planned.due(start.after(3 * HOUR)), [0, 1]);
    }

    proptest! {
        /// S2: whatever the wall clock does, nothing is silent for longer than an interval and a half (and one look). A
        /// jump costs at most two runs more: the one that catches up, and a regular one that it brought nearer.
        #[test]
        fn jumps_of_the_clock_neither_silence_nor_storm(
            steps in prop::collection::vec((1_u64..=5, prop_oneof![
                900 => Just(0_i64),
                1 => -200_000_i64..200_000,
                1 => -40_000_000_i64..400_000_000,
                1 => -70_i64..70,
            ]), 1..1500),
            which in 0_usize..3,
        ) {
            let minute = Duration::from_secs(60);
            let schedule = [every(10 * minute), cron("0 */10 * * * *"), cron("30 5,15,25,35,45,55 * * * *")][which].clone();
            let gap = 10 * minute;
            let mut now = moment("2026-06-01T12:00:00Z", 50);
            let mut planned = plan(std::slice::from_ref(&schedule), |_| Some(now.wall), now);
            let (start, mut last, mut runs, mut jumps) = (now.boot, now.boot, 0_u64, 0_u64);
            for (step, jump) in steps {
                now = now.after(Duration::from_secs(step));
                jumps += u64::from(jump != 0);
                now.wall = Timestamp::from_millis(now.wall.millis() + jump * 1000);
                if look(&mut planned, &schedule, now) {
                    (last, runs) = (now.boot, runs + 1);
                }
                let silence = now.boot - last;
                prop_assert!(silence <= gap * 3 / 2 + Duration::from_secs(5), "silent for {silence:?}");
                let fair = (now.boot - start).as_secs() / gap.as_secs() + 1 + 2 * jumps;
                prop_assert!(runs <= fair, "{runs} runs where {fair} are due");
                prop_assert!(planned.next(now).unwrap().wait(now) <= gap * 3 / 2);
            }
        }
    }

    #[tokio::test]
    async fn the_alarm_rings_once_when_it_was_told_to() {
        let alarm = Alarm::start();
        alarm.arm(Some(3600 * Duration::from_secs(1)));
        alarm.arm(Some(Duration::from_millis(900)));
        tokio::time::timeout(Duration::from_secs(5), alarm.rung()).await.unwrap();
        tokio::time::timeout(Duration::from_millis(1500), alarm.rung()).await.unwrap_err();
        alarm.arm(Some(Duration::ZERO));
        tokio::time::timeout(Duration::from_secs(5), alarm.rung()).await.unwrap();
    }
}
