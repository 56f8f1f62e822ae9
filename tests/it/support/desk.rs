//! A folder without a configuration, in which somebody sets the real program up.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::program::{Said, said};

/// A folder in which somebody sets rosterd up.
pub struct Desk {
    pub folder: TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program in this folder, without a configuration.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
        command.args(words).current_dir(self.folder.path()).env_remove("ROSTERD_CONFIG").stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) -> Said {
        let said = said(&self.command(words).output().unwrap());
        assert_eq!(said.code, code, "rosterd {words:?}\n{}\n{}", said.out, said.err);
        said
    }

    /// `init` with the password through a pipe and what else there is to say, into `rosterd.toml`.
    #[track_caller]
    pub fn init(&self, code: i32, (url, account, password): (&str, &str, &str), more: &[&str]) -> Said {
        let words = ["init", url, "--bind-dn", account, "--password-file", "-"];
        let mut child = self.command(&[&words, more].concat());
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Whoever is refused before the password is needed does not read it.
        drop(child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()));
        let said = said(&child.wait_with_output().unwrap());
        assert_eq!(said.code, code, "rosterd init {url} {account} {more:?}\n{}\n{}", said.out, said.err);
        said
    }

    /// A command on the configuration that was written.
    #[track_caller]
    pub fn with_it(&self, code: i32, words: &[&str]) -> Said {
        self.expect(code, &[words, &["--config", "rosterd.toml"]].concat())
    }

    pub fn written(&self) -> String {
        std::fs::read_to_string(self.path("rosterd.toml")).unwrap()
    }

    /// Usernames of the people who are in, in order.
    pub fn people(&self) -> Vec<String> {
        let all = self.with_it(0, &["users", "list", "--json"]).out;
        let all: Vec<serde_json::Value> = serde_json::from_str(&all).unwrap();
        let mut names: Vec<String> =
            all.iter().map(|user| user["username"].as_str().unwrap_or_default().to_owned()).collect();
        names.sort();
        names
    }

    /// Check, sync and sync again on what was written, at the first try.
    #[track_caller]
    pub fn works(&self) -> Said {
        let check = self.with_it(0, &["check"]);
        assert!(!check.out.contains("fail  "), "{}", check.out);
        self.with_it(0, &["sync"]);
        let again = self.with_it(0, &["sync"]);
        assert!(again.out.contains("nothing to do"), "U3: {}", again.out);
        check
    }

    /// What stands in the folder.
    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The file without what differs from one day or server to the next.
    pub fn shown(&self, server: &str) -> String {
        let text = self.written().replace(server, "SERVER").replace(&*self.folder.path().to_string_lossy(), "FOLDER");
        let mut shown = Vec::new();
        let mut tried = false;
        for line in text.lines() {
            tried = (tried || line.starts_with("# TLS was tried first: ")) && !line.starts_with("# starttls");
            shown.push(match line.split_once(" on 20").or_else(|| line.split_once("valid until 20")) {
                _ if tried => continue,
                Some((before, _)) => format!("{before} …"),
                None if ["urls = ", "ca_file = "].iter().any(|key| line.starts_with(key)) => {
                    line.split(" # ").next().unwrap().trim_end().to_owned()
                }
                None => line.to_owned(),
            });
        }
        shown.join("\n")
    }
}
