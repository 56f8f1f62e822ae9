//! The daemon: its loop against an engine that obeys, and the real program with real signals.

mod program;
mod stores;
mod world;

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rosterd::clock::Timestamp;
use rosterd::daemon::signals::Signal;
use rosterd::store::{Action, Trigger};
use tokio::time::sleep;

use world::{Fake, Go, HOUR, MINUTE, World, write_config};

const NOT_SOON: &str = "[[schedule]]\ncron = \"0 0 0 1 1 ?\"";

/// VIPRE-50, S3
#[tokio::test(start_paused = true)]
async fn fifty_signals_during_a_run_give_exactly_one_run_after_it() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    assert_eq!(world.engine.count(), 0);
    world.engine.script([Go::UntilLet]);
    world.send(Signal::SyncNow).await;
    for _ in 0..50 {
        world.send(Signal::SyncNow).await;
    }
    assert_eq!(world.engine.count(), 1);
    world.engine.let_go.notify_one();
    sleep(10 * MINUTE).await;
    assert_eq!(world.engine.requests(), [(Trigger::Signal, Action::All); 2]);
    let requested = world.events_named("sync.requested");
    assert_eq!(requested.len(), 51, "each is answered at once");
    assert_eq!(requested[0]["queued"], false);
    assert_eq!(requested[1]["queued"], true);
    world.stop().await;
}

/// VIPRE-7, S2
#[tokio::test(start_paused = true)]
async fn an_overdue_every_runs_once_at_the_start_and_then_by_its_interval() {
    let fake = Fake::default();
    fake.history.lock().unwrap().push((Action::All, Timestamp::parse("2026-03-01T05:00:00Z").unwrap()));
    let mut world = World::start("[[schedule]]\nevery = \"6h\"", fake).await;
    assert_eq!(world.engine.requests(), [(Trigger::Schedule, Action::All)]);
    sleep(13 * HOUR).await;
    assert_eq!(world.engine.count(), 3);
    assert!(world.engine.times()[1] - 6 * 3600 <= 5, "{:?}", world.engine.times());
    world.stop().await;
}

/// S2
#[tokio::test(start_paused = true)]
async fn an_every_that_ran_before_the_restart_waits_for_the_rest_of_its_interval() {
    let fake = Fake::default();
    fake.history.lock().unwrap().push((Action::All, Timestamp::parse("2026-03-01T11:00:00Z").unwrap()));
    let mut world = World::start("[[schedule]]\nevery = \"6h\"\naction = \"users\"", fake).await;
    sleep(5 * HOUR - MINUTE).await;
    assert_eq!(world.engine.count(), 0);
    sleep(2 * MINUTE).await;
    assert_eq!(world.engine.requests(), [(Trigger::Schedule, Action::Users)]);
    world.stop().await;
}

/// What was cut off is done again at once, and once.
#[tokio::test(start_paused = true)]
async fn a_run_that_was_cut_off_is_made_up_for_at_the_start() {
    let fake = Fake::default();
    fake.history.lock().unwrap().push((Action::All, Timestamp::parse("2026-03-01T11:00:00Z").unwrap()));
    *fake.cut_off.lock().unwrap() = Some(Action::Groups);
    let mut world = World::start("[[schedule]]\nevery = \"6h\"", fake).await;
    assert_eq!(world.engine.requests(), [(Trigger::Startup, Action::Groups)]);
    sleep(4 * HOUR).await;
    assert_eq!(world.engine.count(), 1);
    world.stop().await;
}

/// UNBLU-34, S2
#[tokio::test(start_paused = true)]
async fn reboot_runs_once_at_the_start_and_not_after_a_reload() {
    let schedules = "[[schedule]]\nat = \"@reboot\"\naction = \"groups\"";
    let mut world = World::start(schedules, Fake::default()).await;
    assert_eq!(world.engine.requests(), [(Trigger::Startup, Action::Groups)]);
    world.send(Signal::Reload).await;
    sleep(7 * HOUR).await;
    assert_eq!(world.engine.count(), 1);
    world.stop().await;
}

/// UNBLU-21, UNBLU-34, S2
#[tokio::test(start_paused = true)]
async fn cron_fires_at_its_moments_and_a_jump_of_the_clock_gives_one_run() {
    let mut world = World::start("[[schedule]]\ncron = \"0 */15 * * * ?\"", Fake::default()).await;
    sleep(HOUR).await;
    assert_eq!(world.engine.count(), 4);
    for (at, scheduled) in world.engine.times().into_iter().zip([900, 1800, 2700, 3600]) {
        assert!((scheduled..=scheduled + 5).contains(&at), "{at} instead of {scheduled}");
    }
    world.clock.turn(86_400);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.engine.count(), 5, "one catch-up run for a day");
    world.clock.turn(-86_400);
    sleep(16 * MINUTE).await;
    assert_eq!(world.engine.count(), 6, "and no silence when it is put right");
    world.stop().await;
}

/// S3
#[tokio::test(start_paused = true)]
async fn schedules_that_come_due_during_a_run_fold_into_one_run_of_the_widest_action() {
    let schedules = "[[schedule]]\ncron = \"0 1 12 * * ?\"\naction = \"users\"\n\
                     [[schedule]]\ncron = \"0 2 12 * * ?\"\naction = \"groups\"";
    let fake = Fake::default();
    fake.script([Go::For(10 * MINUTE)]);
    let mut world = World::start(schedules, fake).await;
    world.send(Signal::SyncNow).await;
    sleep(HOUR).await;
    assert_eq!(world.engine.requests(), [(Trigger::Signal, Action::All), (Trigger::Schedule, Action::All)]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panics_fails_and_the_daemon_goes_on() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::Panic]);
    world.send(Signal::SyncNow).await;
    let failed = world.events_named("run.failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["error"], "internal error: a \u{1b}[2J bad entry");
    assert!(!world.log.lock().unwrap().contains(&0x1b), "nothing raw");
    sleep(29 * Duration::from_secs(1)).await;
    assert_eq!(world.engine.count(), 1);
    sleep(7 * Duration::from_secs(1)).await;
    assert_eq!(world.engine.count(), 2, "tried again with back-off");
    world.send(Signal::SyncNow).await;
    assert_eq!(world.engine.count(), 3);
    world.stop().await;
}

/// What may be put right at any moment is looked for; what waits for a person, or for the clock, comes by schedule.
#[tokio::test(start_paused = true)]
async fn a_run_that_could_not_read_everything_is_tried_again_where_that_may_help() {
    for (cause, again) in [
        ("base", true),
        ("no-users", true),
        ("no-groups", true),
        ("size-limit", true),
        ("admin-limit", true),
        ("connection-lost", true),
        ("server-changed", false),
        ("attribute-vanished", false),
        ("unjudged", false),
        ("frozen", false),
    ] {
        let mut world = World::start(NOT_SOON, Fake::default()).await;
        world.engine.script([Go::Short(cause); 2]);
        world.send(Signal::SyncNow).await;
        sleep(20 * MINUTE).await;
        assert_eq!(world.engine.count(), if again { 3 } else { 1 }, "{cause}");
        assert_eq!(world.events_named("run.retry").len(), if again { 2 } else { 0 }, "{cause}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_directory_is_said_once_and_tried_again_later_and_later() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::Unreachable; 4]);
    world.send(Signal::SyncNow).await;
    sleep(20 * MINUTE).await;
    let times = world.engine.times();
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits.len(), 4, "{times:?}");
    for (wait, planned) in waits.iter().zip([30, 60, 120, 240]) {
        assert!((planned..=planned + 5).contains(wait), "{waits:?}");
    }
    let lost = world.events_named("source.unreachable");
    assert_eq!(lost.len(), 1);
    assert_eq!((&lost[0]["source"], &lost[0]["level"]), (&"corp".into(), &"error".into()));
    assert!(lost[0]["error"].as_str().unwrap().contains("refused"));
    let back = world.events_named("source.recovered");
    assert_eq!(back.len(), 1);
    assert!((450..470).contains(&back[0]["seconds"].as_u64().unwrap()), "{back:?}");
    assert_eq!(world.events_named("run.retry").len(), 4);
    assert!(world.events_named("store.unreachable").is_empty());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_store_is_said_once_too() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::StoreGone; 2]);
    world.send(Signal::SyncNow).await;
    sleep(2 * MINUTE).await;
    assert_eq!(world.events_named("store.unreachable").len(), 1);
    assert_eq!(world.events_named("store.recovered").len(), 1);
    assert!(world.events_named("source.unreachable").is_empty());
    world.stop().await;
}

/// What answers questions need not take a run: only a run that was written says that the store is back.
#[tokio::test(start_paused = true)]
async fn a_store_that_can_only_be_read_is_back_when_a_run_was_written() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::StoreFull; 6]);
    world.send(Signal::SyncNow).await;
    sleep(20 * MINUTE).await;
    assert_eq!(world.events_named("run.retry").len(), 6);
    assert_eq!(world.events_named("store.unreachable").len(), 1, "said once");
    assert!(world.events_named("store.recovered").is_empty(), "nothing was written yet");
    sleep(20 * MINUTE).await;
    let back = world.events_named("store.recovered");
    assert_eq!(back.len(), 1);
    assert!(back[0]["seconds"].as_u64().unwrap() > 900, "{back:?}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_only_questions_missed_is_back_when_something_can_be_written() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.store_gone.store(true, Ordering::SeqCst);
    sleep(11 * MINUTE).await;
    assert_eq!(world.events_named("store.unreachable").len(), 1);
    assert!(world.events_named("store.recovered").is_empty());
    world.engine.store_gone.store(false, Ordering::SeqCst);
    sleep(6 * MINUTE).await;
    assert_eq!(world.events_named("store.recovered").len(), 1);
    assert_eq!(world.engine.count(), 0);
    world.stop().await;
}

/// U8, L9
/// Faults: E5.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_between_runs_starts_one() {
    let fake = Fake::default();
    let due = Timestamp::parse("2026-03-01T13:00:00Z").unwrap();
    fake.deadlines.lock().unwrap().push(due);
    let mut world = World::start(NOT_SOON, fake).await;
    sleep(HOUR - MINUTE).await;
    assert_eq!(world.engine.count(), 0);
    sleep(2 * MINUTE).await;
    assert_eq!(world.engine.requests(), [(Trigger::Event, Action::Users)]);
    sleep(3 * HOUR).await;
    assert_eq!(world.engine.count(), 1, "what that run could not settle waits for the schedule");
    world.stop().await;
}

/// S5
#[tokio::test(start_paused = true)]
async fn a_broken_configuration_is_refused_with_every_problem_and_the_old_one_stays() {
    let mut world = World::start("[[schedule]]\ncron = \"0 0 * * * ?\"", Fake::default()).await;
    world.told();
    write_config(world.folder.path(), "[deletion]\ndelya = \"14d\"\n[log]\nlevel = \"loud\"");
    world.send(Signal::Reload).await;
    let refused = world.events_named("config.refused");
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused[0]["problem"].as_str().unwrap().contains("delya"), "{refused:?}");
    assert!(refused[1]["problem"].as_str().unwrap().contains("loud"), "{refused:?}");
    let told = world.told();
    assert!(told[0].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told:?}");
    assert_eq!(told[1], "READY=1");
    sleep(HOUR + MINUTE).await;
    assert_eq!(world.engine.requests(), [(Trigger::Schedule, Action::All)], "the old schedule");
    assert!(world.levels.lock().unwrap().is_empty());
    world.stop().await;
}

/// VIPRE-30, UNBLU-51, S5
#[tokio::test(start_paused = true)]
async fn a_good_configuration_is_used_from_the_next_run_on_and_says_what_changed() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    write_config(
        world.folder.path(),
        "[[schedule]]\ncron = \"0 5 * * * ?\"\naction = \"groups\"\n[log]\nlevel = \"debug\"",
    );
    world.send(Signal::Reload).await;
    let reloaded = world.events_named("config.reloaded");
    assert_eq!(reloaded.len(), 1);
    assert_eq!(reloaded[0]["changed"], "log.level schedule");
    assert_eq!(*world.levels.lock().unwrap(), ["debug"]);
    sleep(6 * MINUTE).await;
    assert_eq!(world.engine.requests(), [(Trigger::Schedule, Action::Groups)]);
    world.stop().await;
}

/// S5
#[tokio::test(start_paused = true)]
async fn another_source_or_store_is_refused_until_a_restart() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    let path = world.folder.path().join("rosterd.toml");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to, key) in [("\"corp\"", "\"lab\"", "source.name"), ("roster.db", "other.db", "store.url")] {
        fs::write(&path, text.replace(from, to)).unwrap();
        world.send(Signal::Reload).await;
        let refused = world.events_named("config.refused");
        let problem = refused.last().unwrap()["problem"].as_str().unwrap();
        assert!(problem.starts_with(key) && problem.contains("restart rosterd"), "{problem}");
    }
    assert!(world.events_named("config.reloaded").is_empty());
    world.stop().await;
}

/// S5
#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_run_that_is_going_on() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::UntilLet]);
    world.send(Signal::SyncNow).await;
    assert!(world.stop().await < Duration::from_secs(1));
    assert_eq!(world.engine.stopped.load(Ordering::SeqCst), 1);
    assert_eq!(world.events_named("daemon.stopped")[0]["run_cut_off"], false);
    assert!(world.events_named("run.retry").is_empty());
    assert_eq!(world.told().last().unwrap(), "STOPPING=1");
}

/// S5
#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_listen_is_cut_off_within_ten_seconds_and_at_once_when_asked_twice() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::Deaf]);
    world.send(Signal::SyncNow).await;
    let took = world.stop().await;
    assert!((Duration::from_secs(7)..Duration::from_secs(10)).contains(&took), "{took:?}");
    assert_eq!(world.events_named("daemon.stopped")[0]["run_cut_off"], true);

    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::Deaf]);
    world.send(Signal::SyncNow).await;
    world.send(Signal::Stop("SIGTERM")).await;
    assert!(world.stop().await < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn systemd_hears_ready_the_last_run_and_the_next_one() {
    let mut world = World::start("[[schedule]]\nevery = \"6h\"", Fake::default()).await;
    let told = world.told();
    assert_eq!(told[0], "READY=1");
    assert!(told[1].starts_with("STATUS=running all since 2026-03-01T12:00:00.000Z"), "{told:?}");
    let status = told.last().unwrap();
    assert!(status.starts_with("STATUS=run 1 all ok: 3 entries, 1 added, 0 updated"), "{status}");
    assert!(status.contains("; next run 2026-03-01T18:00:0"), "{status}");
    let started = world.events_named("daemon.started");
    assert_eq!(started.len(), 1);
    assert_eq!((&started[0]["source"], &started[0]["store"]), (&"corp".into(), &"test.db".into()));
    assert!(started[0]["schedules"].as_str().unwrap().contains("all, next 2026-03-01T12:00:00.000Z"), "{started:?}");
    assert_eq!(started[0]["version"], env!("CARGO_PKG_VERSION"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_is_fed_by_the_loop_at_least_at_half_its_interval_also_during_a_run() {
    let fake = Fake::default();
    fake.script([Go::For(HOUR)]);
    let mut world = World::start_watched("[[schedule]]\nevery = \"6h\"", fake, Some(Duration::from_secs(4))).await;
    world.told();
    for _ in 0..20 {
        sleep(Duration::from_millis(2010)).await;
        assert!(world.told().iter().any(|line| line == "WATCHDOG=1"));
    }
    world.stop().await;
}

/// Every name after `event = "` in the source.
fn events_in(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            events_in(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        found.extend(text.split("event = \"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        if ["plan/change.rs", "plan/team.rs", "plan/by_hand.rs", "plan/rights/acts.rs", "sync/events.rs"]
            .iter()
            .any(|file| path.ends_with(file))
        {
            let kinds = ["user.", "alias.", "group.", "membership.", "rule.", "role.", "grant."];
            let names = text.split('"').filter(|word| kinds.iter().any(|kind| word.starts_with(kind)));
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_event_is_documented_and_every_documented_one_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documented = fs::read_to_string(root.join("docs/events.md")).unwrap();
    let first_cells = documented.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let mut documented: Vec<&str> = first_cells.flat_map(|(names, _)| names.split("`, `")).collect();
    documented.retain(|name| name.contains('.') && *name != "log.format" || *name == "panic");
    let mut events = Vec::new();
    events_in(&root.join("src"), &mut events);
    assert!(events.iter().any(|event| event == "daemon.started") && events.iter().any(|event| event == "user.revived"));
    for event in &events {
        assert!(documented.contains(&event.as_str()), "docs/events.md has no row for {event}");
    }
    for event in documented {
        assert!(
            events.iter().any(|known| known == event),
            "docs/events.md has a row for {event}, which does not exist"
        );
    }
}

/// What `systemctl` needs to know of the exit status and signals stands in the unit.
#[test]
fn the_unit_says_what_the_daemon_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let unit = fs::read_to_string(root.join("config/systemd/rosterd.service")).unwrap();
    for line in ["Type=notify", "RestartPreventExitStatus=78", "ExecReload=/bin/kill -HUP $MAINPID", "WatchdogSec=120"]
    {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}
