//! `rosterd init`

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use serde_json::json;

use crate::cli::args::{Init, invocation, quoted};
use crate::cli::commands::Session;
use crate::cli::failure::Failure;
use crate::cli::{escape, exit, prompt};
use crate::clock::Clock as _;
use crate::config::{Choices, Environment, Proposal, Sibling, USUAL_STORE, load_in, proposal, siblings, ways};
use crate::directory::survey::{Survey, survey};
use crate::directory::{Bind, DirectoryError, Kind, PasswordSource, Reached, ServerUrl, SourceUrl, Typed, reach};
use crate::roster::words::counted;

/// Where a password goes that was typed, beside the configuration.
const PASSWORD: &str = "bind-password";
/// Where the store is when nobody says otherwise.
const STORE: &str = "/var/lib/rosterd";

/// Looks at a directory and writes the configuration that fits it; changes nothing there.
pub async fn run(session: &mut Session, args: &Init) -> Result<u8, Failure> {
    let wrong = |fault: crate::config::Fault| Failure::Usage(format!("{}; {}", fault.says, fault.remedy));
    let ways = ways(&args.url).map_err(wrong)?;
    let target = Target::new(session, args)?;
    let reached = reach(&ways, args.ca_file.clone(), args.cleartext, &session.clock)
        .await
        .map_err(|error| refused(&error, &[]))?;
    let (bind, password) = account(session, args, &reached, &target).await?;
    let found = Box::pin(survey(&reached, bind, args.base.as_deref(), &session.clock)).await;
    let mut found = found.map_err(|error| refused(&error, &reached.passed))?;
    if let Some(file) = &found.settings.ca_file {
        found.settings.ca_file = Some(whole_path(file)?);
    }
    let choices = Choices {
        name: args.name.clone(),
        password_file: password.as_ref().map(Password::file),
        domains: args.domain.clone(),
        store: store(args, &target)?,
        now: session.clock.now(),
    };
    let sharing = sharing(&found, &choices, &target);
    if let (Some(file), Some(says)) = (&target.file, &sharing) {
        return Err(Failure::Refused(format!("{says}; {} was not written", file.display())));
    }
    let mut proposal = proposal(&found, &reached.passed, &choices);
    proposal.warnings.extend(sharing);
    if let Some(file) = &target.file {
        let typed = password.as_ref().and_then(Password::typed);
        write(file, args.force, &proposal.text, typed, session)?;
    }
    tell(session, (&target, &found, password.as_ref()), &proposal)
}

/// Whether another configuration in the folder would read another directory under this name into this store (I9).
fn sharing(found: &Survey, choices: &Choices, target: &Target) -> Option<String> {
    let (name, url) = (choices.source_name(found), found.settings.urls.first()?.to_string());
    let store = choices.store.as_deref().unwrap_or(USUAL_STORE);
    let others = siblings(&target.folder, target.file.as_deref());
    let same = |one: &&Sibling| one.name == name && one.store == store;
    let other = others.iter().filter(same).find(|one| one.base_dn != found.base.dn || !one.urls.contains(&url))?;
    Some(format!(
        "{} reads another directory, `{}` of {}, as source `{name}` into the same store ({store}), and each would take the \
         people of the other for gone; give this one another name with --name, or a store of its own with --store; if it is \
         the same directory, add this server to source.urls there",
        other.file.display(),
        other.base_dn,
        other.urls.join(", ")
    ))
}

/// A path that is the same wherever somebody stands, without `..`, which a link could lead elsewhere.
fn whole_path(path: &Path) -> io::Result<PathBuf> {
    let whole = std::path::absolute(path)?;
    let (folder, name) = (whole.parent(), whole.file_name());
    match folder.zip(name).filter(|_| whole.components().any(|part| part == Component::ParentDir)) {
        // A folder that is not there is told by whoever needs it.
        Some((folder, name)) => Ok(fs::canonicalize(folder).map_or(whole.clone(), |folder| folder.join(name))),
        None => Ok(whole),
    }
}

/// Where the configuration goes.
struct Target {
    /// `None` = standard output.
    file: Option<PathBuf>,
    folder: PathBuf,
}

impl Target {
    /// Refuses what cannot be written before anybody is asked for a password.
    fn new(session: &Session, args: &Init) -> Result<Self, Failure> {
        let file = match (&args.out, session.given()) {
            (Some(out), Some(given)) if out != given => {
                return Err(Failure::Usage("--out and --config name two files; give one".to_owned()));
            }
            (out, given) => out.as_deref().or(given).map(whole_path).transpose()?,
        };
        let Some(file) = file else { return Ok(Self { file: None, folder: std::path::absolute(".")? }) };
        let folder = file.parent().unwrap_or_else(|| Path::new("/")).to_owned();
        if !folder.is_dir() {
            return Err(Failure::Refused(format!("there is no folder {}; make it first", folder.display())));
        }
        if file.exists() && !args.force {
            return Err(there_already(&file));
        }
        Ok(Self { file: Some(file), folder })
    }
}

fn there_already(file: &Path) -> Failure {
    Failure::Refused(format!("{} is there already; --force replaces it", file.display()))
}

/// Where the password of the account is.
enum Password {
    /// In a file of the person's own.
    Kept(PathBuf),
    /// It was typed, or came through a pipe, and goes into a file beside the configuration.
    Typed(Typed),
}

impl Password {
    /// The file as the configuration names it.
    fn file(&self) -> String {
        match self {
            Self::Kept(file) => file.to_string_lossy().into_owned(),
            Self::Typed(_) => PASSWORD.to_owned(),
        }
    }

    fn typed(&self) -> Option<&Typed> {
        match self {
            Self::Kept(_) => None,
            Self::Typed(typed) => Some(typed),
        }
    }
}

/// Who binds, asked for where nobody said.
async fn account(
    session: &mut Session,
    args: &Init,
    reached: &Reached,
    target: &Target,
) -> Result<(Bind, Option<Password>), Failure> {
    let local = matches!(reached.url(), Some(SourceUrl::Server(ServerUrl::Ldapi { .. })));
    if local && args.bind_dn.is_none() {
        return Ok((Bind::External, None));
    }
    let asks = session.on_terminal() && args.password_file.as_deref() != Some(Path::new("-"));
    let dn = match &args.bind_dn {
        Some(dn) => dn.clone(),
        None if asks => {
            session.screen.say(&seen(reached))?;
            prompt::line(session.screen.err(), "Account to bind as")?.trim().to_owned()
        }
        None => String::new(),
    };
    if dn.is_empty() {
        let says = format!("{}; name the account to bind as with --bind-dn", seen(reached));
        return Err(Failure::Usage(says));
    }
    let dn = whole(&dn, reached)?;
    let password = match &args.password_file {
        Some(file) if file == Path::new("-") => Password::Typed(piped()?),
        Some(file) => Password::Kept(whole_path(file)?),
        None if asks => {
            let question = format!("Password of {dn}");
            match prompt::password(session.screen.err(), &question).await?.as_deref().map(Typed::new) {
                None => return Err(Failure::Refused("broken off; nothing was written".to_owned())),
                Some(typed) => Password::Typed(typed.ok_or_else(empty)?),
            }
        }
        None => {
            let says =
                "there is nobody to ask for the password; name its file with --password-file, or - for standard input";
            return Err(Failure::Usage(says.to_owned()));
        }
    };
    if password.typed().is_some() && target.file.is_some() {
        let file = target.folder.join(PASSWORD);
        if file.exists() && !args.force {
            let says = "--password-file uses it, or another file for another account; --force replaces it";
            return Err(Failure::Refused(format!("{} is there already; {says}", file.display())));
        }
    }
    let source = match &password {
        Password::Kept(file) => PasswordSource::File(file.clone()),
        Password::Typed(typed) => PasswordSource::Typed(typed.clone()),
    };
    Ok((Bind::Simple { dn, password: source }, Some(password)))
}

fn empty() -> Failure {
    Failure::Refused("the password is empty, which would bind as nobody; nothing was written".to_owned())
}

fn piped() -> Result<Typed, Failure> {
    let mut text = String::new();
    io::stdin().lock().take(64 << 10).read_to_string(&mut text)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Typed::new(line.strip_suffix('\r').unwrap_or(line)).ok_or_else(empty)
}

/// What the server said of itself, in a sentence.
fn seen(reached: &Reached) -> String {
    let about = &reached.about;
    let what = if about.vendor.is_empty() { "a directory" } else { &about.vendor };
    let contexts = match (&about.default_context, about.naming_contexts.as_slice()) {
        (Some(context), _) => format!(" for {context}"),
        (None, []) => String::new(),
        (None, several) => format!(" for {}", several.join(", ")),
    };
    format!("{} is {what}{contexts}", about.server)
}

/// The account as it binds: on Active Directory a bare name is one of the domain.
fn whole(account: &str, reached: &Reached) -> Result<String, Failure> {
    if account.contains(['=', '@', '\\']) {
        return Ok(account.to_owned());
    }
    let domain = reached.about.default_context.as_deref().filter(|_| reached.about.kind == Kind::ActiveDirectory);
    let labels = domain.map(|context| {
        let names = context.split(',').filter_map(|part| part.trim().split_once('='));
        names.map(|(_, name)| name.to_lowercase()).collect::<Vec<_>>().join(".")
    });
    match labels {
        Some(domain) => Ok(format!("{account}@{domain}")),
        None => Err(Failure::Usage(format!(
            "`{account}` is no DN; write it like cn={account},ou=services,dc=example,dc=com"
        ))),
    }
}

/// The store's URL where the usual place will not do.
fn store(args: &Init, target: &Target) -> Result<Option<String>, Failure> {
    let usual = rustix::fs::access(STORE, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok();
    if args.store.is_some() || usual {
        return Ok(args.store.clone());
    }
    let file = target.folder.join("roster.db");
    Ok(Some(format!("sqlite://{}", file.display())))
}

/// An error of the directory, in the words of this command; where the server wants TLS, with what came of trying that.
fn refused(error: &DirectoryError, passed: &[DirectoryError]) -> Failure {
    if let Some((server, sent)) = error.not_ldap() {
        return Failure::Refused(format!(
            "{server} is no LDAP server: {sent}; correct the host or the port in the URL (usual are 636 for ldaps:// and 389 \
             for ldap://); nothing was written"
        ));
    }
    let mut says = error.to_string();
    if matches!(error, DirectoryError::Bind { code: 8 | 13, .. }) {
        passed.iter().for_each(|error| says.push_str(&format!("; TLS was tried first: {error}")));
    }
    for (key, word) in [
        ("ldap:// (with source.starttls = true), or the port of ldaps", "ldap://, or the port of ldaps (usually 636)"),
        ("source.connect_timeout", "the port"),
        ("source.urls", "the URL"),
        ("source.ca_file", "--ca-file"),
        ("source.client_cert_file", "rosterd init does not have one: write the configuration by hand"),
        ("source.bind_dn", "--bind-dn"),
        ("source.base_dn", "--base"),
        ("source.cleartext = true", "--cleartext"),
    ] {
        says = says.replace(key, word);
    }
    let last = match error {
        DirectoryError::NoServer { attempts } => attempts.last(),
        only => Some(only),
    };
    // What was tried in clear text is not helped by allowing it.
    if matches!(last, Some(DirectoryError::StartTls { .. })) {
        says.push_str("; or accept clear text with --cleartext");
    }
    Failure::Refused(format!("{says}; nothing was written"))
}

/// Writes the files, whole or not at all: the configuration is tried before it gets its name.
fn write(file: &Path, force: bool, text: &str, password: Option<&Typed>, session: &Session) -> Result<(), Failure> {
    let folder = file.parent().unwrap_or_else(|| Path::new("/"));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let part = folder.join(format!(".{name}.{}.part", std::process::id()));
    let secret = folder.join(PASSWORD);
    if let Some(password) = password {
        put(&secret, 0o600, password.expose(), force)?;
    }
    let written = (|| {
        // The daemon reads it as another user, and there is no secret in it.
        put(&part, 0o644, text, true)?;
        let surroundings = Environment { variables: Vec::new(), credentials: None, now: session.clock.now() };
        load_in(&part, &surroundings).map_err(Failure::Config)?;
        if force { fs::rename(&part, file) } else { fs::hard_link(&part, file) }.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => there_already(file),
            _ => unwritable(file, &error),
        })
    })();
    // Whatever is left of it helps nobody.
    drop(fs::remove_file(&part));
    if written.is_err() && password.is_some() && !force {
        drop(fs::remove_file(&secret));
    }
    written
}

fn unwritable(file: &Path, error: &io::Error) -> Failure {
    Failure::Refused(format!("cannot write {}: {error}", file.display()))
}

/// A whole file with this mode, less the umask.
fn put(file: &Path, mode: u32, text: &str, replace: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).mode(mode);
    if replace {
        drop(fs::remove_file(file));
    }
    let opened = options.create_new(true).open(file);
    let line = if text.ends_with('\n') { "" } else { "\n" };
    let written = opened.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.write_all(line.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| unwritable(file, &error))
}

/// The configuration where it goes to standard output; what was found and what comes next beside it.
fn tell(
    session: &mut Session,
    (target, found, password): (&Target, &Survey, Option<&Password>),
    proposal: &Proposal,
) -> Result<u8, Failure> {
    let (people, groups) = (found.people.found.read, found.groups.read);
    let file = target.file.as_ref().map(|file| file.display().to_string());
    if session.screen.json {
        session.screen.json(&json!({
            "config": file,
            "server": found.about.server,
            "kind": found.about.kind.as_str(),
            "base_dn": found.base.dn,
            "people": people,
            "groups": groups,
            "domains": found.people.domains,
            "warnings": proposal.warnings,
            "toml": proposal.text,
        }))?;
        return Ok(exit::DONE);
    }
    if file.is_none() {
        for line in proposal.text.lines() {
            writeln!(session.screen.out(), "{}", escape::text(line))?;
        }
        session.screen.flush()?;
    }
    let counts = (counted(people, "person", "people"), counted(groups, "group", "groups"));
    session.screen.say(&format!(
        "{}, kind `{}`: {} and {} under {}",
        found.about.server,
        found.about.kind.as_str(),
        counts.0,
        counts.1,
        found.base.dn
    ))?;
    for warning in &proposal.warnings {
        session.screen.say(&format!("warning: {warning}"))?;
    }
    match &target.file {
        Some(path) => {
            let next = |words: &str| invocation(Some(path), words);
            let (check, plan) = (next("check"), next("plan"));
            session.screen.say(&format!("{} is written. Next: {check}; then {plan}", path.display()))?;
        }
        None if password.is_some_and(|password| password.typed().is_some()) => {
            let says =
                format!("put the password into the file {} beside the configuration, chmod 600", quoted(PASSWORD));
            session.screen.say(&says)?;
        }
        None => {}
    }
    Ok(exit::DONE)
}
