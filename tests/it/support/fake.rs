//! A directory server in this process, that can be told what to do wrong.
//!
//! It speaks LDAP over a socket on loopback: bind, search with paging and ranges, Who Am I. What kinds of servers do
//! differently is data ([`Kind`]); what goes wrong is data, too ([`Act`] at a place [`At`]).

mod ber;
mod filter;
mod kind;
mod script;
mod talk;
mod tree;

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

pub use ber::frames;
pub use kind::{Kind, Paging};
pub use script::{Act, At};
use script::{Rule, Script};
pub use tree::{Entry, Syntax, Tree};

/// Who may bind.
pub const ACCOUNT: &str = "cn=rosterd,ou=services,dc=example,dc=com";
pub const PASSWORD: &str = "reader-secret";

/// What all connections share.
struct State {
    kind: Kind,
    tree: Mutex<Tree>,
    script: Mutex<Script>,
    log: Mutex<Vec<String>>,
    ended: AtomicBool,
    /// Connections that go on.
    open: AtomicUsize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A running server; it ends with the value.
pub struct Fake {
    state: Arc<State>,
    port: u16,
}

impl Fake {
    /// Starts a server with these entries.
    pub fn start(kind: Kind, tree: Tree) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tree, script, log) = (Mutex::new(tree), Mutex::default(), Mutex::default());
        let state =
            Arc::new(State { kind, tree, script, log, ended: AtomicBool::new(false), open: AtomicUsize::new(0) });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                shared.open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    talk::serve(stream, number as u64, &shared);
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { state, port }
    }

    /// `ldap://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it holds, to be changed.
    pub fn tree(&self) -> MutexGuard<'_, Tree> {
        locked(&self.state.tree)
    }

    /// Has something go wrong from now on, every time.
    pub fn always(&self, at: At, act: Act) {
        locked(&self.state.script).rules.push(Rule { at, act, left: usize::MAX });
    }

    /// Has something go wrong once.
    pub fn once(&self, at: At, act: Act) {
        locked(&self.state.script).rules.push(Rule { at, act, left: 1 });
    }

    /// From now on everything goes well; how often something did not.
    pub fn repair(&self) -> usize {
        std::mem::take(&mut *locked(&self.state.script)).fired
    }

    /// Whether it still speaks with anybody.
    pub fn is_busy(&self) -> bool {
        self.state.open.load(Ordering::SeqCst) > 0
    }

    /// What was asked so far, and how it ended; forgets it.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.state.log))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        // Wakes the one who listens.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}
