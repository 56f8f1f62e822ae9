//! The clocks of a machine: one that may be wrong, one since it was booted, and the time it really is.

use std::sync::Mutex;
use std::time::Duration;

use rosterd::clock::{Clock, Timestamp};

use super::events::DAY;

#[derive(Clone, Copy, Debug)]
struct Reading {
    time: Timestamp,
    /// Days by which the wall clock is wrong.
    off: i64,
    booted: Timestamp,
    boots: u32,
}

/// Clocks that are moved by hand.
#[derive(Debug)]
pub struct Hands(Mutex<Reading>);

impl Hands {
    pub fn new() -> Self {
        let time = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
        Self(Mutex::new(Reading { time, off: 0, booted: time, boots: 1 }))
    }

    fn read(&self) -> Reading {
        *self.0.lock().unwrap()
    }

    pub fn time(&self) -> Timestamp {
        self.read().time
    }

    pub fn wall(&self) -> Timestamp {
        let reading = self.read();
        let off = DAY * u32::try_from(reading.off.abs()).unwrap();
        if reading.off < 0 { reading.time - off } else { reading.time + off }
    }

    pub fn pass(&self, span: Duration) {
        let mut reading = self.0.lock().unwrap();
        reading.time = reading.time + span;
    }

    pub fn jump(&self, days: i64) {
        self.0.lock().unwrap().off = days;
    }

    pub fn right(&self) {
        self.jump(0);
    }

    pub fn boot(&self) {
        let mut reading = self.0.lock().unwrap();
        reading.booted = reading.time;
        reading.boots += 1;
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        self.wall()
    }

    fn since_boot(&self) -> Duration {
        let reading = self.read();
        reading.time.since(reading.booted)
    }

    fn boot(&self) -> Option<String> {
        Some(format!("boot {}", self.read().boots))
    }
}
