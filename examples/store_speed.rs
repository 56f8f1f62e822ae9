//! How long the store takes for a first sync and for reading it back.
//!
//! ```text
//! cargo run --release --example store_speed -- sqlite:///tmp/speed.db 100000
//! ```
//! The store has to be empty. Two addresses and two memberships a person, one extra field, batches as a run makes
//! them, commits as durable as the store makes them.

use std::collections::HashMap;
use std::error::Error;
use std::io::{Write as _, stdout};
use std::time::Duration;

use rosterd::clock::{Clock as _, SystemClock, Timestamp};
use rosterd::plan::{Act, FieldChange, GroupAct, GroupChange, GroupRef, Mark, NewUser, UserChange, UserRef};
use rosterd::roster::{Address, Digest, FieldId, FieldNames, Fields, UniqueId, UserId};
use rosterd::store::{Settings, Stamp, Store, open};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SOURCE: &str = "speed";
const BATCH: usize = 2_000;

/// Prints how long something took.
struct Watch(Duration);

impl Watch {
    fn start() -> Self {
        Self(SystemClock.since_boot())
    }

    fn lap(&mut self, what: &str) -> Outcome<()> {
        let now = SystemClock.since_boot();
        writeln!(stdout(), "{what:<44} {:>7.3} s", (now.saturating_sub(self.0)).as_secs_f64())?;
        self.0 = SystemClock.since_boot();
        Ok(())
    }
}

fn person(n: usize, names: &FieldNames) -> Outcome<UserChange> {
    let key = UniqueId::new(&format!("{:08x}-0000-4000-8000-{n:012x}", n.wrapping_mul(2_654_435_761) & 0xffff_ffff));
    let key = key.ok_or("a unique id")?;
    let mut fields = vec![
        (FieldId::USERNAME, format!("user{n}")),
        (FieldId::DISPLAY_NAME, format!("Given{n} Surname{n}")),
        (FieldId::GIVEN_NAME, format!("Given{n}")),
        (FieldId::SURNAME, format!("Surname{n}")),
        (FieldId::MOBILE, format!("+41 79 {n:07}")),
        (FieldId::DEPARTMENT, format!("Department {}", n % 97)),
    ];
    fields.extend(names.extra("cost_center").map(|id| (id, format!("{}", n % 1009))));
    let address = |text: String| Address::parse(&text).ok_or("an address");
    let new = NewUser {
        key: key.clone(),
        dn: format!("uid=user{n},ou=people,dc=example,dc=com").into(),
        fields: Fields::new(fields),
        primary: Some(address(format!("Given{n}.Surname{n}@example.com"))?),
        aliases: [address(format!("user{n}@example.com"))?].into(),
    };
    Ok(UserChange {
        subject: UserRef::New(key.digest()),
        label: format!("user{n}").into(),
        unit: u32::try_from(n)?,
        acts: vec![Act::Added(Box::new(new))],
        mark: Some(Mark { fingerprint: Some(Digest::of(n.to_be_bytes())), review_at: None, reasons_seen: vec![] }),
    })
}

fn groups(added: &HashMap<Digest, UserId>) -> Outcome<Vec<GroupChange>> {
    let mut users: Vec<Digest> = added.keys().copied().collect();
    users.sort_unstable();
    let size = 100;
    let mut groups = Vec::new();
    for (n, members) in users.chunks(size).chain(users.chunks(size)).enumerate() {
        let key = UniqueId::new(&format!("group-{n}")).ok_or("a unique id")?;
        let (dn, name) = (format!("cn=group{n},ou=groups,dc=example,dc=com").into(), format!("group{n}").into());
        groups.push(GroupChange {
            subject: GroupRef::New(key.digest()),
            name: format!("group{n}").into(),
            acts: vec![GroupAct::Added { key, dn, name }],
            joins: members.iter().map(|digest| UserRef::New(*digest)).collect(),
            leaves: vec![],
        });
    }
    Ok(groups)
}

async fn first_sync(store: &dyn Store, stamp: Stamp<'_>, people: usize, watch: &mut Watch) -> Outcome<()> {
    let changes = (0..people).map(|n| person(n, stamp.names)).collect::<Outcome<Vec<_>>>()?;
    watch.lap("(making the changes up)")?;
    let mut added = HashMap::new();
    for batch in changes.chunks(BATCH) {
        added.extend(store.apply_users(stamp, batch).await?);
    }
    watch.lap("add people and their addresses")?;
    let groups = groups(&added)?;
    for batch in groups.chunks(200) {
        store.apply_groups(stamp, batch, &added).await?;
    }
    watch.lap("add groups and two memberships each")
}

async fn read_back(store: &dyn Store, watch: &mut Watch) -> Outcome<Vec<UserId>> {
    let index = store.index(SOURCE).await?;
    watch.lap("index")?;
    let memberships = store.memberships(SOURCE).await?;
    watch.lap("memberships")?;
    let names = store.usernames(SOURCE).await?;
    watch.lap("usernames")?;
    writeln!(stdout(), "{} people, {} memberships, {} names", index.len(), memberships.len(), names.len())?;
    Ok(index.iter().map(|known| known.id).collect())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("store_speed URL [PEOPLE]")?;
    let people: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let mut watch = Watch::start();
    let store = open(&Settings { url, password: None }).await?;
    store.migrate().await?;
    watch.lap("open and migrate")?;
    let names = FieldNames::new(["cost_center"]);
    let stamp = Stamp { run: None, source: SOURCE, at: Timestamp::from_millis(0), names: &names, leases: &[] };
    first_sync(store.as_ref(), stamp, people, &mut watch).await?;
    let ids = read_back(store.as_ref(), &mut watch).await?;
    read_back(store.as_ref(), &mut watch).await?;
    let accounts = store.accounts(&ids).await?;
    watch.lap("every account")?;
    let keys: Vec<_> = accounts.iter().filter_map(|account| account.primary()).map(Address::key).collect();
    watch.lap("(folding the primary addresses)")?;
    let owners = store.owners(&keys).await?;
    watch.lap("who holds every primary address")?;
    writeln!(stdout(), "{} accounts, {} owners", accounts.len(), owners.len())?;
    let change = |id: &UserId| UserChange {
        subject: UserRef::Known(*id),
        label: "somebody".into(),
        unit: 0,
        acts: vec![Act::Updated(Box::new([FieldChange {
            field: Some(FieldId::NOTES),
            before: None,
            after: Some("changed".into()),
        }]))],
        mark: Some(Mark { fingerprint: Some(Digest::of("x")), review_at: None, reasons_seen: vec![] }),
    };
    let changes: Vec<_> = ids.iter().step_by(100).map(change).collect();
    store.apply_users(stamp, &changes).await?;
    watch.lap("change one field of 1 %")?;
    Ok(())
}
