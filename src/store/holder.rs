//! Who holds a lease, and whether that process still lives.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::Holder;

impl Holder {
    /// This process.
    ///
    /// Where `/proc` cannot be read, the realm is unique to nobody, and leases of such a process end by time only.
    pub fn this_process() -> Self {
        let pid = std::process::id();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            realm: realm().unwrap_or_default(),
            pid,
            started: stat(pid).map_or(0, |stat| stat.started),
        }
    }

    /// Whether this process is known to have ended, as seen from `here`; `false` also when that cannot be known.
    ///
    /// A process of another host, boot or process-id namespace cannot be judged, nor one that this user must not
    /// see; a zombie has ended.
    pub fn is_dead(&self, here: &Self) -> bool {
        if self.realm.is_empty() || self.realm != here.realm {
            return false;
        }
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return true };
        match test_kill_process(pid) {
            Err(Errno::SRCH) => true,
            _ => stat(self.pid).is_some_and(|stat| stat.ended || stat.started != self.started),
        }
    }
}

fn realm() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

struct Stat {
    ended: bool,
    started: u64,
}

/// Reads state and start time from `/proc/PID/stat` (proc(5), fields 3 and 22), behind the last parenthesis because
/// the name before it may hold anything.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Stat { ended: matches!(state, "Z" | "X" | "x"), started: fields.nth(18)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S3
    #[test]
    fn a_process_is_dead_when_its_number_is_free_or_belongs_to_another() {
        let here = Holder::this_process();
        assert!(!here.is_dead(&here));
        assert!(Holder { started: here.started + 1, ..here.clone() }.is_dead(&here));

        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let started = stat(child.id()).unwrap().started;
        let holder = Holder { pid: child.id(), started, ..here.clone() };
        assert!(!holder.is_dead(&here));
        child.kill().unwrap();
        while !stat(child.id()).is_some_and(|stat| stat.ended) {
            std::thread::yield_now();
        }
        assert!(holder.is_dead(&here), "a zombie");
        child.wait().unwrap();
        assert!(holder.is_dead(&here), "a free number");
        assert!(!Holder { realm: "another host".to_owned(), ..holder }.is_dead(&here));
    }
}
