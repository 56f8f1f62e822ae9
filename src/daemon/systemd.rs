//! What systemd is told: readiness, reload, status text, watchdog (sd_notify(3)).

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::clock::environment;

use super::log::line::hazardous;

/// The way to the service manager; silent where there is none.
#[derive(Debug, Default)]
pub struct Systemd {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
    status: String,
}

impl Systemd {
    /// As `$NOTIFY_SOCKET`, `$WATCHDOG_USEC` and `$WATCHDOG_PID` say. A socket that cannot be reached is said.
    pub fn from_environment() -> Self {
        let Some(path) = environment("NOTIFY_SOCKET") else { return Self::default() };
        let for_us = environment("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let micros = environment("WATCHDOG_USEC").filter(|_| for_us).and_then(|micros| micros.parse().ok());
        let watchdog = micros.filter(|micros| *micros > 0).map(Duration::from_micros);
        Self::at(Path::new(&path), watchdog).unwrap_or_else(|error| {
            let error = error.to_string();
            tracing::warn!(event = "systemd.unreachable", socket = path, error, "cannot reach the service manager");
            Self::default()
        })
    }

    /// A service manager that listens on a socket (`@name` is an abstract one), and expects to hear from us at least
    /// every `watchdog`.
    pub fn at(path: &Path, watchdog: Option<Duration>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        match path.as_os_str().as_bytes().strip_prefix(b"@") {
            Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            None => socket.connect(path)?,
        }
        // A manager that does not read must not hold us up.
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(socket), watchdog, status: String::new() })
    }

    /// How often [`Systemd::alive`] has to be called: half of what is expected.
    pub fn pace(&self) -> Option<Duration> {
        self.watchdog.map(|interval| interval / 2)
    }

    /// Up and running, also after a reload.
    pub fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The configuration is being read again.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(_) => self.tell(&[NotifyState::Reloading]),
        }
    }

    /// On the way out.
    pub fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// The main loop is alive.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.tell(&[NotifyState::Watchdog]);
        }
    }

    /// The line that `systemctl status` shows; sent when it is another one.
    pub fn status(&mut self, text: String) {
        if self.status != text {
            // A line feed would begin another assignment.
            let line: String = text.chars().map(|c| if hazardous(c) { ' ' } else { c }).collect();
            self.tell(&[NotifyState::Status(&line)]);
            self.status = text;
        }
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if let Some(socket) = &self.socket {
            let text: String = states.iter().map(|state| format!("{state}\n")).collect();
            // What systemd misses, it says itself, by its own time limits.
            let _ = socket.send(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn states_are_told_in_the_words_of_sd_notify() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut systemd = Systemd::at(&path, Some(Duration::from_secs(30))).unwrap();
        assert_eq!(systemd.pace(), Some(Duration::from_secs(15)));
        systemd.ready();
        assert_eq!(told(&manager), "READY=1\n");
        systemd.reloading();
        let reload = told(&manager);
        let micros: u64 = reload.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim().parse().unwrap();
        assert!(micros > 0);
        systemd.alive();
        assert_eq!(told(&manager), "WATCHDOG=1\n");
        systemd.status("run 7\nMAINPID=1".to_owned());
        systemd.status("run 7\nMAINPID=1".to_owned());
        systemd.stopping();
        assert_eq!(told(&manager), "STATUS=run 7 MAINPID=1\n");
        assert_eq!(told(&manager), "STOPPING=1\n");
    }

    #[test]
    fn an_abstract_socket_is_reached_too() {
        let name = format!("rosterd-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        Systemd::at(Path::new(&format!("@{name}")), None).unwrap().ready();
        assert_eq!(told(&manager), "READY=1\n");
    }

    #[test]
    fn without_a_watchdog_nothing_is_said_of_being_alive_and_a_full_socket_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let systemd = Systemd::at(&path, None).unwrap();
        systemd.alive();
        for _ in 0..10_000 {
            systemd.ready();
        }
        assert_eq!(told(&manager), "READY=1\n");
        Systemd::default().ready();
    }
}
