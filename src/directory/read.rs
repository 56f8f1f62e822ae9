//! One read of the directory: groups, then users, entry by entry, to a snapshot that says whether it is whole (E1).

use super::collect::{Collector, GroupSink, PrimarySink, UserSink};
use super::connect::Connection;
use super::error::DirectoryError;
use super::mapped;
use super::paging::{self, Search};
use super::ranges;
use super::schema;
use super::searches::{Pass, Searches};
use super::session::Session;
use super::settings::Scope;
use crate::clock::Timestamp;
use crate::roster::{Before, Incomplete, Index, Passes, Snapshot};

/// The key of the DN under which everybody is looked for.
pub(super) const ROOT: &str = "source.base_dn";

/// The number that Domain Users has in every domain.
const DOMAIN_USERS: u32 = 513;

/// Is told how far a read is.
pub trait Progress: Send + Sync {
    /// So many entries of a pass (`users`, `groups`) were read.
    fn entries(&self, pass: &'static str, so_far: u64);
    /// So many of the planned changes of people are in the store.
    fn applied(&self, _so_far: u64, _of: u64) {}
}

/// Reads groups and users (G1), as far as `passes` and the configuration ask for them.
///
/// An entry whose fingerprint equals the one in `index` is only marked as read, unless it is due for another look.
/// The fingerprint covers whatever [`Searches::with_policy`] was given.
///
/// # Errors
/// Only when nothing was read yet; later trouble gives a partial snapshot that names its cause.
pub async fn read(
    connection: &mut Connection,
    searches: &Searches,
    index: &Index,
    before: &Before,
    passes: Passes,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<Snapshot, DirectoryError> {
    schema::check(connection, searches).await?;
    let passes =
        Passes { users: passes.users && searches.users.is_some(), groups: passes.groups && searches.groups.is_some() };
    let mapped = searches.mapped.as_ref().filter(|_| passes.users);
    // Groups in a mapped group are found among those that are read as teams, whether there are to be teams or not.
    let wanted = passes.groups || mapped.is_some_and(|mapped| mapped.flatten);
    let groups = searches.groups.as_ref().filter(|_| wanted);
    let users = searches.users.as_ref().filter(|_| passes.users);
    let asked: Vec<&Pass> = groups.into_iter().chain(users).collect();
    let mut trouble = None;
    let bases = readable_bases(connection, &asked, &mut trouble).await?;
    root(connection, searches, &bases, &mut trouble).await?;
    must_see(connection, searches, &mut trouble).await?;
    let mut givers = mapped::read(connection, searches, mapped, &before.mapped, &mut trouble).await?;
    let mut collector = Collector::new(searches, index, now, progress, &connection.about.naming_contexts);
    run(connection, searches, &bases, &mut collector, &mut trouble).await?;
    if passes.groups && !passes.users && trouble.is_none() {
        trouble = primary_groups(connection, searches, &mut collector).await.err().map(|error| error.incomplete());
    }
    let named_by_dn = groups.is_some() || mapped.is_some();
    if passes.users && named_by_dn && trouble.is_none() && collector.somebody_moved() {
        // Groups are read first, so they may still name somebody by the DN of a moment ago (G1).
        collector.forget_groups();
        let groups: Vec<_> = bases.into_iter().filter(|(pass, _)| pass.name == "groups").collect();
        run(connection, searches, &groups, &mut collector, &mut trouble).await?;
        if trouble.is_none() {
            givers = match mapped::read(connection, searches, mapped, &before.mapped, &mut trouble).await {
                Ok(again) => again,
                Err(error) => {
                    trouble = Some(error.incomplete());
                    givers
                }
            };
        }
    }
    let found = collector.incomplete.take();
    let ended = trouble.or(found).map_or(Ok(()), Err);
    let mut reading = collector.finish(passes);
    reading.mapped = givers;
    Ok(Snapshot::judge(reading, ended, before))
}

/// Reads pass by pass and base by base; an error is returned only while nothing was read, else it becomes the trouble.
pub(super) async fn run(
    connection: &mut Connection,
    searches: &Searches,
    bases: &[(&Pass, String)],
    collector: &mut Collector<'_>,
    trouble: &mut Option<Incomplete>,
) -> Result<(), DirectoryError> {
    for (pass, base) in bases {
        let search = searches.search(pass, base);
        let doing = format!("reading {} under `{base}`", pass.name);
        let wire = &mut connection.wire;
        let (users, groups) = (searches.mapping().users.as_ref(), searches.mapping().groups.as_ref());
        let ended = match (users, groups.filter(|_| pass.name == "groups")) {
            (_, Some(mapping)) => {
                let sink = &mut GroupSink::new(collector, base);
                ranges::all(wire, &search, &mapping.unique_id, &doing, sink).await
            }
            (Some(mapping), None) => {
                let sink = &mut UserSink::new(collector, base);
                ranges::all(wire, &search, &mapping.unique_id, &doing, sink).await
            }
            (None, None) => Ok(()),
        };
        let Err(error) = ended else { continue };
        if collector.is_empty() {
            return Err(error);
        }
        trouble.get_or_insert_with(|| error.incomplete());
        if !error.leaves_connection() {
            break;
        }
    }
    Ok(())
}

/// Where users are not read: asks who has another primary group than Domain Users, which are few. A group no longer lists
/// somebody whose primary group it became (G3, G7).
async fn primary_groups(
    connection: &mut Connection,
    searches: &Searches,
    collector: &mut Collector<'_>,
) -> Result<(), DirectoryError> {
    let Some((pass, users)) = searches.users.as_ref().zip(searches.mapping().users.as_ref()) else { return Ok(()) };
    let Some((sid, number)) = &users.primary_group else { return Ok(()) };
    let names = [&users.unique_id, sid, number];
    for base in &pass.bases {
        let search = Search {
            filter: format!("(&{}(!({}={DOMAIN_USERS})))", pass.filter, number.base()),
            attributes: names.map(|name| name.as_str().to_owned()).to_vec(),
            ..searches.search(pass, base)
        };
        let doing = format!("reading primary groups under `{base}`");
        paging::all(&mut connection.wire, &search, &doing, &mut PrimarySink::new(collector, base)).await?;
    }
    Ok(())
}

/// Reads each base object. Those that cannot be read are left out and make the read incomplete; when none can,
/// that is the error.
pub(super) async fn readable_bases<'p>(
    connection: &mut Connection,
    passes: &[&'p Pass],
    trouble: &mut Option<Incomplete>,
) -> Result<Vec<(&'p Pass, String)>, DirectoryError> {
    let mut readable = Vec::new();
    let mut first = None;
    for pass in passes {
        for base in &pass.bases {
            match check_base(&mut connection.wire, &format!("{}.base_dns", pass.name), base).await {
                Ok(()) => readable.push((*pass, base.clone())),
                Err(error @ DirectoryError::Base { .. }) => {
                    trouble.get_or_insert_with(|| error.incomplete());
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
    match first {
        Some(error) if readable.is_empty() => Err(error),
        _ => Ok(readable),
    }
}

/// Reads `source.base_dn` where it is none of the bases: without it nobody who vanishes could be judged (L2).
async fn root(
    connection: &mut Connection,
    searches: &Searches,
    bases: &[(&Pass, String)],
    trouble: &mut Option<Incomplete>,
) -> Result<(), DirectoryError> {
    if bases.iter().any(|(_, base)| *base == searches.base_dn) {
        return Ok(());
    }
    match check_base(&mut connection.wire, ROOT, &searches.base_dn).await {
        Err(error @ DirectoryError::Base { .. }) => {
            trouble.get_or_insert_with(|| error.incomplete());
            Ok(())
        }
        done => done,
    }
}

impl Connection {
    /// Reads the object at `source.base_dn`: before that, nobody can say which directory this is (I9).
    ///
    /// # Errors
    /// [`DirectoryError::Base`] when it is not there, or hidden.
    pub async fn base_object(&mut self) -> Result<(), DirectoryError> {
        check_base(&mut self.wire, ROOT, &self.settings.base_dn).await
    }
}

/// Reads one base object (E1).
///
/// # Errors
/// [`DirectoryError::Base`] when it does not exist, says how far it does, or when it is hidden.
pub(super) async fn check_base(session: &mut dyn Session, key: &str, base: &str) -> Result<(), DirectoryError> {
    let search = Search::once(base, Scope::Base, "(objectClass=*)", &["1.1"]);
    let mut found = false;
    let done = paging::one(session, &search, &format!("reading the base object `{base}`"), |_| found = true).await?;
    let says = match done.code {
        0 if found => return Ok(()),
        0 => "it is hidden from the bind account; grant it the right to read the base object".to_owned(),
        32 if done.matched.is_empty() => {
            format!("it does not exist, or the bind account may not see it; correct {key}, or grant the right to read")
        }
        32 => format!("it does not exist, only `{}` does; correct {key}", done.matched),
        34 => format!("it is not a valid DN; correct {key}"),
        10 => "the server refers to another one for it; set source.urls to that server".to_owned(),
        _ => return Err(done.failure(session, format!("reading the base object `{base}`"))),
    };
    Err(DirectoryError::Base { server: session.server().to_owned(), key: key.to_owned(), base: base.to_owned(), says })
}

/// Looks for the entries that every complete run has to contain (E10).
pub(super) async fn must_see(
    connection: &mut Connection,
    searches: &Searches,
    trouble: &mut Option<Incomplete>,
) -> Result<(), DirectoryError> {
    for dn in &searches.must_see {
        if let Err(error) = check_base(&mut connection.wire, "source.must_see", dn).await {
            match error {
                DirectoryError::Base { .. } | DirectoryError::Search { .. } => {
                    let says = error.to_string();
                    trouble.get_or_insert(Incomplete { cause: "must-see", says, attribute: None });
                }
                fatal => return Err(fatal),
            }
        }
    }
    Ok(())
}
