//! The real program, with real signals, on a real directory.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::program::{Site, wait_until};
use crate::support::slapd::{Options, Slapd};

const BASE: &str = "dc=example,dc=com";
const NOT_SOON: &str = "cron = \"0 0 0 1 1 ?\"\n";

fn site(slapd: &Slapd, schedule: &str) -> Site {
    let mut site = Site::new(slapd);
    site.set("[schedule]", schedule);
    site
}

pub fn person(uid: &str, name: &str) -> String {
    format!(
        "dn: uid={uid},ou=people,{BASE}\nobjectClass: inetOrgPerson\nobjectClass: rosterMailUser\nuid: {uid}\n\
         cn: {uid}\nsn: {uid}\ndisplayName:: {name}\nmail: {uid}@example.com\n\n"
    )
}

/// VIPRE-8, VIPRE-50, UNBLU-25, S4, S5, UNBLU-21
#[test]
fn sync_now_reload_and_stop_by_signal() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    // "Ada <ESC>[2J<U+202E>x"
    slapd.ldif(&person("ada", "QWRhIBtbMkrigK54"));
    let mut site = site(&slapd, NOT_SOON);
    let mut daemon = site.daemon();
    let started = daemon.wait_for("daemon.started", 1);
    assert_eq!(started[0]["source"], "corp");

    daemon.signal(Signal::USR1);
    daemon.wait_for("sync.requested", 1);
    let finished = daemon.wait_for("run.finished", 1);
    assert_eq!((&finished[0]["trigger"], &finished[0]["action"]), (&"signal".into(), &"all".into()));
    assert_eq!((&finished[0]["outcome"], &finished[0]["added"]), (&"ok".into(), &1.into()));
    assert_eq!(site.count("active"), 1);

    std::fs::write(site.config(), "[source]\nnaem = \"corp\"\n").unwrap();
    daemon.signal(Signal::HUP);
    let refused = daemon.wait_for("config.refused", 1);
    assert!(refused.iter().any(|event| event["problem"].as_str().unwrap().contains("naem")), "{refused:?}");
    daemon.signal(Signal::USR1);
    daemon.wait_for("run.finished", 2);

    site.set("log", "level = \"debug\"\n");
    daemon.signal(Signal::HUP);
    let reloaded = daemon.wait_for("config.reloaded", 1);
    assert_eq!(reloaded[0]["changed"], "log.level");

    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end(Duration::from_secs(10)), Some(0), "{}", daemon.log());
    assert_eq!(daemon.events("daemon.stopped").len(), 1);
    let log = daemon.log();
    assert!(!log.contains('\u{1b}') && !log.contains('\u{202e}'), "{log:?}");
}

/// VIPRE-1, UNBLU-1, UNBLU-21, S2
#[test]
fn schedules_bring_changes_without_anybody_asking() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let site = site(&slapd, "cron = \"*/2 * * * * ?\"\ntimezone = \"Europe/Zurich\"\n");
    let mut daemon = site.daemon();
    daemon.wait_for("run.finished", 1);
    slapd.ldif(&person("bob", "Qm9i"));
    let added = daemon.wait_for("user.added", 1);
    assert_eq!(added[0]["rule"], "U1");
    let finished = daemon.wait_for("run.finished", 3);
    assert!(finished.iter().all(|run| run["trigger"] == "schedule"), "{finished:?}");
}

/// UNBLU-33, S2: `@reboot` runs once; `every` is remembered over a restart and is not due again.
#[test]
fn a_restart_runs_reboot_again_and_every_not() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = site(&slapd, "every = \"6h\"\naction = \"users\"\n");
    let mut first = site.daemon();
    let finished = first.wait_for("run.finished", 1);
    assert_eq!((&finished[0]["trigger"], &finished[0]["action"]), (&"schedule".into(), &"users".into()));
    first.signal(Signal::INT);
    assert_eq!(first.end(Duration::from_secs(10)), Some(0));

    let mut second = site.daemon();
    second.wait_for("daemon.started", 1);
    second.signal(Signal::USR1);
    let finished = second.wait_for("run.finished", 1);
    assert_eq!(finished[0]["trigger"], "signal", "no run of its own came first");
    drop(second);

    site.set("[schedule]", "at = \"@reboot\"\naction = \"groups\"\n");
    let mut third = site.daemon();
    let finished = third.wait_for("run.finished", 1);
    assert_eq!((&finished[0]["trigger"], &finished[0]["action"]), (&"startup".into(), &"groups".into()));
}

/// S3
#[test]
fn fifty_signals_during_a_run_give_one_run_after_it() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let site = site(&slapd, NOT_SOON);
    let mut daemon = site.daemon();
    daemon.wait_for("daemon.started", 1);
    slapd.stop();
    daemon.signal(Signal::USR1);
    daemon.wait_for("run.started", 1);
    for _ in 0..50 {
        daemon.signal(Signal::USR1);
    }
    daemon.wait_for("sync.requested", 2);
    slapd.cont();
    daemon.wait_for("run.finished", 2);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(daemon.events("run.started").len(), 2, "{}", daemon.log());
}

/// S5
#[test]
fn a_stop_during_a_run_ends_in_time_and_leaves_a_store_that_goes_on() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&person("ada", "QWRh"));
    let site = site(&slapd, NOT_SOON);
    let mut daemon = site.daemon();
    daemon.wait_for("daemon.started", 1);
    slapd.stop();
    daemon.signal(Signal::USR1);
    daemon.wait_for("run.started", 1);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end(Duration::from_secs(10)), Some(0), "{}", daemon.log());
    slapd.cont();
    assert_eq!(site.json(&["runs", "list"])[0]["outcome"], "interrupted");
    let interrupted = daemon.events("run.interrupted");
    assert_eq!((interrupted.len(), interrupted[0]["level"].as_str()), (1, Some("warn")), "{}", daemon.log());
    assert_eq!(interrupted[0]["run"], 1, "{interrupted:?}");
    assert_eq!(daemon.events("run.failed").len(), 0, "it did not fail, somebody stopped it: {}", daemon.log());
    site.expect(0, &["sync"]);
    assert_eq!(site.count("active"), 1);
}

/// A run whose process was killed is interrupted for whoever looks; the next daemon marks it so, and makes up for it.
#[test]
fn a_run_that_was_killed_is_interrupted_at_once_and_made_up_for() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&person("ada", "QWRh"));
    let site = site(&slapd, "every = \"6h\"\n");
    let mut daemon = site.daemon();
    daemon.wait_for("run.finished", 1);
    assert_eq!(daemon.events("run.started").len(), 1);
    slapd.stop();
    daemon.signal(Signal::USR1);
    daemon.wait_for("run.started", 2);
    assert_eq!(site.json(&["status"])["running"]["id"], 2);
    daemon.signal(Signal::KILL);
    daemon.end(Duration::from_secs(10));
    slapd.cont();
    let status = site.json(&["status"]);
    assert_eq!((&status["running"], &status["healthy"]), (&serde_json::Value::Null, &false.into()), "{status}");
    assert_eq!((&status["last_attempt"]["id"], &status["last_attempt"]["outcome"]), (&2.into(), &"interrupted".into()));
    assert_eq!(site.json(&["runs"])[0]["outcome"], "interrupted");
    assert_eq!(site.json(&["runs", "show", "2"])["outcome"], "interrupted");
    let text = site.expect(0, &["status"]).out;
    assert!(!text.contains("Running now"), "{text}");

    let mut daemon = site.daemon();
    let interrupted = daemon.wait_for("run.interrupted", 1);
    assert_eq!((&interrupted[0]["run"], &interrupted[0]["level"]), (&2.into(), &"warn".into()));
    let finished = daemon.wait_for("run.finished", 1);
    assert_eq!((&finished[0]["trigger"], &finished[0]["action"]), (&"startup".into(), &"all".into()));
    assert_eq!(site.json(&["status"])["healthy"], true);
    daemon.signal(Signal::TERM);
    daemon.end(Duration::from_secs(10));

    let mut daemon = site.daemon();
    daemon.wait_for("daemon.started", 1);
    std::thread::sleep(Duration::from_secs(1));
    assert!(daemon.events("run.started").is_empty(), "made up for once\n{}", daemon.log());
}

#[test]
fn a_server_that_goes_away_is_said_once_and_found_again() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.load_people(20);
    let site = site(&slapd, NOT_SOON);
    let mut daemon = site.daemon();
    daemon.wait_for("daemon.started", 1);
    daemon.signal(Signal::USR1);
    daemon.wait_for("run.finished", 1);
    slapd.kill();
    for times in 1..=2 {
        daemon.signal(Signal::USR1);
        daemon.wait_for("run.failed", times);
        daemon.wait_for("run.retry", times);
    }
    assert_eq!(daemon.events("source.unreachable").len(), 1);
    slapd.restart();
    daemon.signal(Signal::USR1);
    daemon.wait_for("source.recovered", 1);
    assert_eq!(site.count("active"), 20, "nobody was missed");
}

#[test]
fn systemd_is_told_that_it_is_ready_alive_reloading_and_stopping() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let site = site(&slapd, NOT_SOON);
    let socket = site.path("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = site.command(&["run"]);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "1000000");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let hear = |wanted: &str| {
        let mut buffer = [0; 4096];
        loop {
            let length = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("{wanted}: {error}"));
            if buffer[..length].starts_with(wanted.as_bytes()) {
                return;
            }
        }
    };
    hear("READY=1");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    hear("RELOADING=1\nMONOTONIC_USEC=");
    hear("READY=1");
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    hear("STOPPING=1");
    let ended = wait_until(Duration::from_secs(10), || child.try_wait().unwrap());
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}

#[test]
fn a_configuration_that_is_not_good_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rosterd.toml");
    std::fs::write(&path, "[source]\nnaem = \"corp\"\n").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rosterd"));
    let said = command.arg("--config").arg(&path).arg("run").output().unwrap();
    assert_eq!(said.status.code(), Some(78));
    let events = |said: &std::process::Output| -> Vec<serde_json::Value> {
        let lines = String::from_utf8_lossy(&said.stderr).into_owned();
        lines.lines().map(|line| serde_json::from_str(line).expect("nothing but events")).collect()
    };
    let refused = events(&said);
    assert!(refused.len() > 1 && refused.iter().all(|event| event["event"] == "config.refused"), "{refused:?}");
    let problems: Vec<&str> = refused.iter().map(|event| event["problem"].as_str().unwrap()).collect();
    assert!(problems.iter().any(|problem| problem.contains("rosterd.toml:2: source.naem")), "{problems:?}");
    assert_eq!(refused[0]["of"], refused.len());
    // A store that is not there, where a configuration is fine.
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut site = site(&slapd, NOT_SOON);
    site.set("store", &format!("url = \"sqlite://{}\"\n", site.path("nowhere/roster.db").display()));
    let said = site.command(&["run"]).output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    let gone = events(&said);
    assert_eq!(gone.iter().map(|event| &event["event"]).collect::<Vec<_>>(), ["store.unreachable"], "{gone:?}");
    assert!(gone[0]["error"].as_str().unwrap().contains("does not exist; create it"), "{gone:?}");
}
