//! What `check` asks of a directory: every step one by one, each with what was found or what to do.

mod base;
mod limits;
mod pace;
mod rights;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::codes::printable;
use super::connect::{About, Connection};
use super::entry::RawEntry;
use super::error::DirectoryError;
use super::judged::Judged;
use super::look_up::are_there;
use super::mapped;
use super::mapping::{Mapping, UserMapping};
use super::paging::{self, Search, Sink};
use super::read::{ROOT, check_base};
use super::reference::is_outside;
use super::schema;
use super::searches::{Pass, Searches};
use super::settings::{Bind, GroupSettings, MappedSettings, Settings, UserSettings};
use super::standing::Standing;
use super::understand::{Key, key};
use crate::clock::{Clock, Timestamp};
use crate::roster::words::{chain, counted, plural};
use crate::roster::{ClaimKind, Domain, Enabled, FieldId, Index, Known, Person};
pub use base::{Stored, Stranger};
use pace::Pace;
use rights::Seen;

/// Entries that are read for samples and domains; a page more may come.
const ENOUGH: u64 = 5000;
/// People that are shown as they would be stored.
const SAMPLES: usize = 5;

/// How one step went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Well.
    Ok,
    /// Well, but somebody should look.
    Warn,
    /// Not at all.
    Fail,
}

/// One step and what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// A short word: `password`, `server`, `bind`, `schema`, `base`, `users`, `sample`, `domain`, …
    pub step: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was found, with the remedy where there is one.
    pub text: String,
}

/// Everything that was found.
#[derive(Clone, Default, Debug)]
pub struct Probe {
    /// The steps in order.
    pub findings: Vec<Finding>,
    /// The server, once bound.
    pub about: Option<About>,
    /// Why a server refused the account or its password, if it did.
    pub bind_refused: Option<String>,
    /// Domains of primary addresses among the entries read, with how many people have them.
    pub domains: BTreeMap<String, u64>,
    /// User entries read.
    pub users: u64,
    /// Of what is [`Stored`], users with access and groups that were not found, where everything was read.
    pub missing: (u64, u64),
    /// Where the server stands, once bound (E7).
    pub standing: Option<Standing>,
    /// The newest change that was seen.
    newest: Option<Timestamp>,
    /// Whether the people of a source that stood for another directory are in this one, or there are none.
    pub same: bool,
    /// Another directory under the same base (I9).
    pub stranger: Option<Stranger>,
}

impl Probe {
    fn note(&mut self, step: &'static str, verdict: Verdict, text: impl Into<String>) {
        self.findings.push(Finding { step, verdict, text: text.into() });
    }

    fn failed(&mut self, step: &'static str, error: &DirectoryError) {
        self.note(step, Verdict::Fail, chain(error));
    }
}

/// Tries every server, binds to the first that can be used, and looks at bases, schema, people and groups. Reads a
/// few thousand entries at most; changes nothing.
///
/// `managed` are the managed domains; `None` = every domain. What is found is measured by what is `stored`, as a run does
/// (E2).
pub async fn probe(
    settings: &Settings,
    users: Option<&UserSettings>,
    (groups, mapped): (Option<&GroupSettings>, Option<&MappedSettings>),
    (managed, stored): (Option<&BTreeSet<Domain>>, Stored),
    clock: &dyn Clock,
) -> Probe {
    let mut probe = Probe::default();
    if let Bind::Simple { password, .. } = &settings.bind {
        match password.read() {
            Ok(_) => probe.note("password", Verdict::Ok, "the bind password can be read, and only by its owner"),
            Err(error) => {
                probe.failed("password", &error);
                return probe;
            }
        }
    }
    let Some(mut connection) = server::servers(&mut probe, settings, clock).await else { return probe };
    server::about(&mut probe, &connection, clock.now());
    probe.about = Some(connection.about().clone());
    let searches = Searches::new(settings, users, groups, connection.about.kind);
    let mut searches = match searches.and_then(|all| mapped.map_or(Ok(all.clone()), |mapped| all.with_mapped(mapped))) {
        Ok(searches) => searches,
        Err(error) => {
            probe.failed("mapping", &error.into());
            return probe;
        }
    };
    let people =
        stored.directory.as_ref().filter(|(id, _)| *id != connection.about.directory_id).map(|(_, people)| people);
    probe.same = match people {
        Some(people) => are_there(&mut connection, &searches, people, clock.now()).await,
        None => true,
    };
    if let Err(error) = all(&mut probe, &mut connection, &mut searches, (managed, &stored), clock.now()).await {
        probe.failed("connection", &error);
    }
    probe
}

/// Everything that needs a connection; an error is one of the connection.
async fn all(
    probe: &mut Probe,
    connection: &mut Connection,
    searches: &mut Searches,
    (managed, stored): (Option<&BTreeSet<Domain>>, &Stored),
    now: Timestamp,
) -> Result<(), DirectoryError> {
    if !limits::paging(probe, connection).await? {
        // The rest can be looked at all the same.
        searches.page_size = 0;
    }
    limits::look(probe, connection).await?;
    let standing = connection.standing().await;
    probe.newest = standing.newest();
    probe.stranger = base::stranger(connection, searches, (stored, &standing), now).await;
    probe.standing = Some(standing);
    let theirs = server::clock_of(connection).await?;
    theirs.into_iter().for_each(|theirs| server::clock(probe, (Some(theirs), None), now));
    look(probe, connection, searches, (managed, stored), now).await?;
    if theirs.is_none() {
        server::clock(probe, (None, probe.newest), now);
    }
    Ok(())
}

/// Schema, bases, people, groups; an error is one of the connection.
async fn look(
    probe: &mut Probe,
    connection: &mut Connection,
    searches: &Searches,
    (managed, stored): (Option<&BTreeSet<Domain>>, &Stored),
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let unknown = schema::unknown(connection, searches).await?;
    if unknown.is_empty() {
        probe.note("schema", Verdict::Ok, "every attribute that the configuration names is known");
    }
    unknown.iter().for_each(|error| probe.failed("schema", error));
    let passes = || searches.groups.iter().chain(&searches.users);
    if !passes().any(|pass| pass.bases.contains(&searches.base_dn)) {
        match check_base(&mut connection.wire, ROOT, &searches.base_dn).await {
            Ok(()) => probe.note("base", Verdict::Ok, format!("`{}` (source.base_dn)", searches.base_dn)),
            Err(error @ DirectoryError::Base { .. }) => probe.failed("base", &error),
            Err(error) => return Err(error),
        }
    }
    for pass in passes() {
        let mut sample = Sample::new(searches, &stored.people, connection.about.naming_contexts.clone(), now);
        // What comes of a fault that was told already is not told again as another one.
        let mut explained = !unknown.is_empty();
        for base in &pass.bases {
            match check_base(&mut connection.wire, &format!("{}.base_dns", pass.name), base).await {
                Ok(()) => probe.note("base", Verdict::Ok, format!("`{base}` ({})", pass.name)),
                Err(error @ DirectoryError::Base { .. }) => {
                    probe.failed("base", &error);
                    explained = true;
                    continue;
                }
                Err(error) => return Err(error),
            }
            sample.base.clone_from(base);
            sample.pace.start();
            let doing = format!("reading {} under `{base}`", pass.name);
            match paging::all(&mut connection.wire, &search(searches, pass, base), &doing, &mut sample).await {
                Ok(()) => {}
                Err(error @ DirectoryError::Search { .. }) => {
                    probe.failed(pass.name, &error);
                    explained = true;
                }
                Err(error) => return Err(error),
            }
        }
        let people = sample.people.iter().map(|person| person.dn.to_string()).collect::<Vec<_>>();
        let seen = std::mem::take(&mut sample.seen);
        let whole = (1..ENOUGH).contains(&sample.read);
        sample.report(probe, pass, managed, (stored, explained));
        if pass.name == "users" && !explained {
            rights::look(probe, connection, searches, (&seen, &people), (&stored.coverage, whole)).await?;
        }
    }
    mapped_groups(probe, connection, searches).await?;
    for dn in &searches.must_see {
        match check_base(&mut connection.wire, "source.must_see", dn).await {
            Ok(()) => probe.note("must-see", Verdict::Ok, format!("`{dn}` is there")),
            Err(error) => probe.failed("must-see", &error),
        }
    }
    Ok(())
}

/// The search of a run, and beside it what the kind's own disabled tests look at where others take their place.
fn search(searches: &Searches, pass: &Pass, base: &str) -> Search {
    let mut search = searches.search(pass, base);
    let users = searches.mapping().users.iter().filter(|_| pass.name == "users");
    for name in users.flat_map(|users| &users.replaced).flat_map(|(_, test)| test.attributes()) {
        if !search.attributes.iter().any(|asked| asked == name.as_str()) {
            search.attributes.push(name.as_str().to_owned());
        }
    }
    search.attributes.push(pace::CHANGED.to_owned());
    search
}

/// Whether the groups that give roles and grants are there (R4).
async fn mapped_groups(
    probe: &mut Probe,
    connection: &mut Connection,
    searches: &Searches,
) -> Result<(), DirectoryError> {
    let Some(mapped) = searches.mapped.as_ref() else { return Ok(()) };
    let mut trouble = None;
    let sought = mapped::read(connection, searches, Some(mapped), &[], &mut trouble).await?;
    for (place, sought) in mapped.shown().into_iter().zip(sought) {
        let (verdict, says) = match (sought.read, sought.there.as_slice()) {
            (false, _) => (Verdict::Fail, format!("`{place}` cannot be read; look at the rights of the bind account")),
            (true, []) => (Verdict::Warn, format!("`{place}` does not exist; correct it in [[role]] or [[grant]]")),
            (true, [one]) => {
                (Verdict::Ok, format!("`{place}`: {}", counted(one.members.len() as u64, "member", "members")))
            }
            (true, several) => {
                (Verdict::Ok, format!("`{place}`: {}", counted(several.len() as u64, "group", "groups")))
            }
        };
        probe.note("mapped-group", verdict, says);
    }
    Ok(())
}

/// What a look at some people or groups gives.
struct Sample<'a> {
    searches: &'a Searches,
    /// The people of the store.
    stored: &'a Index,
    /// Which of them with access were found.
    found: BTreeSet<usize>,
    naming_contexts: Vec<String>,
    base: String,
    now: Timestamp,
    read: u64,
    people: Vec<Person>,
    domains: BTreeMap<String, (Option<Domain>, u64)>,
    without: u64,
    disabled: u64,
    unreadable: u64,
    judged: Judged,
    references: BTreeMap<String, bool>,
    /// Domains of any address.
    all_domains: BTreeSet<Domain>,
    pace: Pace,
    seen: Seen,
}

impl Sink for Sample<'_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        self.read += 1;
        self.pace.entry(entry, self.searches);
        if let Some(users) = self.searches.mapping().users.as_ref() {
            self.person(users, entry);
        }
    }

    fn reference(&mut self, urls: Vec<String>) {
        let outside = is_outside(&urls, &self.searches.outside, &self.naming_contexts, &self.base);
        self.references.insert(printable(&urls.join(" ")), outside);
    }

    fn batch(&mut self) -> ControlFlow<()> {
        if self.read >= ENOUGH { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn page(&mut self, entries: u64) {
        self.pace.page(entries);
    }

    fn may_break(&self) -> bool {
        true
    }
}

impl<'a> Sample<'a> {
    fn new(searches: &'a Searches, stored: &'a Index, naming_contexts: Vec<String>, now: Timestamp) -> Self {
        Self {
            searches,
            stored,
            found: BTreeSet::new(),
            naming_contexts,
            base: String::new(),
            now,
            read: 0,
            people: Vec::new(),
            domains: BTreeMap::new(),
            without: 0,
            disabled: 0,
            unreadable: 0,
            judged: Judged::default(),
            references: BTreeMap::new(),
            all_domains: BTreeSet::new(),
            pace: Pace::default(),
            seen: Seen::default(),
        }
    }

    fn person(&mut self, users: &UserMapping, entry: &RawEntry<'_>) {
        self.seen.entry(users, entry);
        let Key::One(key) = key(entry, &users.unique_id) else {
            self.unreadable += 1;
            return;
        };
        let known = self.stored.position(key.digest());
        let has_access = |at: &usize| self.stored.get(*at).is_some_and(Known::is_of_directory_with_access);
        self.found.extend(known.filter(has_access));
        let fingerprint = self.searches.salt();
        let Ok(person) = users.person(entry, &key, fingerprint, self.now, &mut Vec::new()) else {
            self.unreadable += 1;
            return;
        };
        let addresses = person.claims.iter().filter_map(|claim| claim.value.as_ref().ok());
        self.all_domains.extend(addresses.map(crate::roster::Address::domain));
        self.disabled += u64::from(matches!(person.enabled, Enabled::No(_)));
        self.judged.entry(users, entry, self.now);
        match person.primary_domain() {
            Some(domain) => {
                let known = self.domains.entry(domain.to_string()).or_insert((Some(domain), 0));
                known.1 += 1;
            }
            None => self.without += 1,
        }
        if self.people.len() < SAMPLES {
            self.people.push(person);
        }
    }

    fn report(
        self,
        probe: &mut Probe,
        pass: &Pass,
        managed: Option<&BTreeSet<Domain>>,
        (stored, explained): (&Stored, bool),
    ) {
        for (urls, outside) in &self.references {
            let (verdict, says) = if *outside {
                (Verdict::Ok, "lies outside and is not read")
            } else {
                (Verdict::Warn, "is not read and makes every run incomplete, unless it is listed in source.outside")
            };
            probe.note("reference", verdict, format!("what the server refers to {urls} {says}"));
        }
        let least = if self.read >= ENOUGH { "at least " } else { "" };
        if self.read == 0 {
            if !explained {
                let (verdict, text) = nothing(pass, stored);
                probe.note(pass.name, verdict, text);
            }
        } else {
            probe.note(
                pass.name,
                Verdict::Ok,
                format!("{least}{} `{}`", counted(self.read, "entry matches", "entries match"), pass.filter),
            );
        }
        probe.newest = probe.newest.max(self.pace.newest);
        self.pace.report(probe, pass, self.searches.page_size);
        let whole = (1..ENOUGH).contains(&self.read) && !explained;
        if pass.name != "users" {
            probe.missing.1 = if whole { stored.groups.saturating_sub(self.read) } else { 0 };
            return;
        }
        // Whom an entry without a readable id is, nobody knows.
        let found = self.found.len() as u64 + self.unreadable;
        probe.missing.0 = if whole { stored.users.saturating_sub(found) } else { 0 };
        probe.users = self.read;
        let counts = [
            (self.unreadable, "cannot be understood and is skipped", "cannot be understood and are skipped"),
            (self.disabled, "is disabled", "are disabled"),
            (self.without, "has no usable primary address", "have no usable primary address"),
        ];
        for (count, one, many) in counts.into_iter().filter(|(count, ..)| *count > 0 && !explained) {
            probe.note("users", Verdict::Warn, format!("{count} of them {}", plural(count, one, many)));
        }
        probe.findings.extend(self.judged.findings(self.searches.mapping()).into_iter().filter(|_| !explained));
        for (name, (domain, count)) in self.domains {
            let accepted = managed.is_none_or(|managed| domain.is_some_and(|domain| managed.contains(&domain)));
            let (verdict, says) =
                if accepted { (Verdict::Ok, "") } else { (Verdict::Warn, "; not in domains.managed, so not added") };
            probe.note(
                "domain",
                verdict,
                format!("{} with a primary address in {name}{says}", counted(count, "person", "people")),
            );
            probe.domains.insert(name, count);
        }
        let unused = managed.into_iter().flatten().filter(|domain| !self.all_domains.contains(domain));
        for domain in unused.filter(|_| (1..ENOUGH).contains(&self.read) && !explained) {
            let says =
                format!("nobody has an address in {domain}, which domains.managed lists; correct it if that is a slip");
            probe.note("domain", Verdict::Warn, says);
        }
        for person in &self.people {
            probe.note("sample", Verdict::Ok, shown(person, self.searches.mapping()));
        }
    }
}

/// A search that found nothing: where the store has some, a run would not be complete (E2).
fn nothing(pass: &Pass, stored: &Stored) -> (Verdict, String) {
    let (name, filter) = (pass.name, &pass.filter);
    let there = if name == "users" {
        (stored.users, counted(stored.users, "user", "users"))
    } else {
        (stored.groups, counted(stored.groups, "group", "groups"))
    };
    match there {
        (0, _) => {
            (Verdict::Warn, format!("nothing found with filter `{filter}`; correct {name}.filter or {name}.base_dns"))
        }
        (_, there) => {
            let says = format!(
                "nothing found with filter `{filter}`, but the store has {there} of this source, so that every run would be \
                 incomplete; correct {name}.filter or {name}.base_dns, or the rights of the bind account"
            );
            (Verdict::Fail, says)
        }
    }
}

/// A person as the store would have it, on one line.
fn shown(person: &Person, mapping: &Mapping) -> String {
    let mut parts = vec![format!("dn={}", person.dn), format!("unique_id={}", person.key)];
    let mut last: Option<FieldId> = None;
    for (field, value) in person.fields.iter() {
        if last != Some(field) {
            parts.push(format!("{}={value}", mapping.names().name(field)));
        }
        last = Some(field);
    }
    for claim in &person.claims {
        let kind = if matches!(claim.kind, ClaimKind::Primary(_)) { "primary" } else { "alias" };
        match &claim.value {
            Ok(address) => parts.push(format!("{kind}={address}")),
            Err(text) => parts.push(format!("{kind}=malformed `{text}`")),
        }
    }
    if person.enabled != Enabled::Yes {
        parts.push(format!("enabled={}", person.enabled.as_str()));
    }
    printable(&parts.join("  "))
}
