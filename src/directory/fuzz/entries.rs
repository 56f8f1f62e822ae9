//! Entries, unique ids and times of day as a server may send them (E5, E6, U8).

use chrono::{NaiveDate, TimeDelta};

use super::wire;
use crate::clock::Timestamp;
use crate::directory::ber::{OCTETS, SEQUENCE, SET, Writer};
use crate::directory::disabled::{Test, generalized_time};
use crate::directory::entry::{AttributeName, RawEntry};
use crate::directory::mapping::{Mapping, UserMapping};
use crate::directory::settings::{AttributeOverrides, GroupSettings, Kind, Scope, UserSettings};
use crate::directory::understand::{Key, key, key_assertion};
use crate::roster::fuzz::Choices;
use crate::roster::{Digest, Person, Skip, UniqueId};

const KINDS: [Kind; 5] = [Kind::ActiveDirectory, Kind::OpenLdap, Kind::Ds389, Kind::FreeIpa, Kind::Generic];

/// In the middle of 2026.
const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

fn mapping(kind: Kind) -> Option<Mapping> {
    let users = UserSettings {
        base_dns: vec!["dc=x".to_owned()],
        scope: Scope::Subtree,
        filter: None,
        primary: vec!["mail".to_owned(), "proxyAddresses".to_owned()],
        attributes: AttributeOverrides::default(),
        disabled: None,
    };
    let groups = GroupSettings::below("dc=x");
    Mapping::resolve(kind, Some(&users), Some(&groups)).ok()
}

/// An entry as it is sent.
fn encoded(dn: &[u8], attributes: &[(Vec<u8>, Vec<Vec<u8>>)]) -> Vec<u8> {
    let list = attributes.iter().fold(Writer::default(), |list, (name, values)| {
        let set = values.iter().fold(Writer::default(), |set, value| set.put(OCTETS, value));
        list.nest(SEQUENCE, Writer::default().put(OCTETS, name).nest(SET, set))
    });
    Writer::default().put(OCTETS, dn).nest(SEQUENCE, list).into_bytes()
}

/// Entries: any bytes are decoded as an independent reader does; an entry means the same in whatever order its
/// attributes and values come.
pub fn entry(data: &[u8]) {
    let mut choices = Choices::new(data);
    if choices.byte() & 1 == 0 {
        decoded(choices.all());
        return;
    }
    let kind = KINDS.get(choices.below(KINDS.len())).copied().unwrap_or(Kind::Generic);
    let Some(mapping) = mapping(kind) else { return };
    let (Some(users), Some(groups)) = (&mapping.users, &mapping.groups) else { return };
    let asked: Vec<AttributeName> = users.asked.iter().cloned().chain(groups.asked()).collect();
    let dn = choices.short().to_vec();
    let mut attributes = Vec::new();
    while !choices.is_empty() && attributes.len() < 40 {
        let name = asked.get(choices.below(asked.len())).map_or("mail", AttributeName::as_str);
        let name = match choices.byte() % 12 {
            0 => name.to_uppercase().into_bytes(),
            1 => format!("{name};binary").into_bytes(),
            2 => format!("{name};range=0-{}", choices.byte()).into_bytes(),
            3 => format!("{name};RANGE=0-*").into_bytes(),
            4 => format!("{name};lang-de").into_bytes(),
            5 => choices.short().to_vec(),
            _ => name.as_bytes().to_vec(),
        };
        let values = (0..choices.below(4)).map(|_| value(&mut choices)).collect::<Vec<_>>();
        attributes.push((name, values));
    }
    let content = encoded(&dn, &attributes);
    decoded(&content);
    let said = understood(users, &content);
    attributes.reverse();
    attributes.iter_mut().for_each(|(_, values)| values.reverse());
    let turned = encoded(&dn, &attributes);
    assert_eq!(said, understood(users, &turned), "the order of attributes and values matters ({kind:?})");
    let group = |content: &[u8]| {
        let entry = RawEntry::parse(content).ok()?;
        Some(groups.group(&entry, UniqueId::new("1")?))
    };
    let (one, other) = (group(&content), group(&turned));
    assert_eq!(one.as_ref().map(Result::is_ok), other.as_ref().map(Result::is_ok), "{kind:?}");
    if let (Some(Ok(one)), Some(Ok(other))) = (one, other) {
        assert_eq!(one, other, "the order of members matters ({kind:?})");
    }
}

fn value(choices: &mut Choices<'_>) -> Vec<u8> {
    let kept: [&[u8]; 16] = [
        b"ada@example.com",
        b"SMTP:Ada@example.com",
        b"smtp:ada@xn--mller-kva.example",
        b"sip:x",
        b"TRUE",
        b"514",
        b"-1",
        b"9223372036854775807",
        b"0",
        b"000001010000Z",
        b"20260101000000Z",
        b"20600",
        b"\xff",
        b"",
        b"cn=a,dc=x",
        b"0123456789abcdef",
    ];
    let at = usize::from(choices.byte());
    kept.get(at).map_or_else(|| choices.short().to_vec(), |value| value.to_vec())
}

type Said = (Key, Digest, Vec<bool>, Option<Result<Person, Skip>>);

fn understood(users: &UserMapping, content: &[u8]) -> Option<Said> {
    let entry = RawEntry::parse(content).ok()?;
    let (mut present, mut skips) = (Vec::new(), Vec::new());
    let fingerprint = users.fingerprint(&entry, Digest::of("salt"), &mut present);
    let id = key(&entry, &users.unique_id);
    let unique = UniqueId::new("1")?;
    let mut person = users.person(&entry, &unique, fingerprint, NOW, &mut skips);
    if let Ok(person) = &mut person {
        for claim in &person.claims {
            if let Ok(address) = &claim.value {
                assert!(!address.as_str().chars().any(char::is_control), "{address:?}");
            }
        }
        let name = person.fields.first(crate::roster::FieldId::USERNAME);
        assert!(!name.is_some_and(|name| name.is_empty() || name.chars().any(char::is_control)), "{name:?}");
        assert!(person.review_at.is_none_or(|at| at > NOW), "a time that has passed is waited for");
        // Which of several values is told may hang on their order; what they say may not.
        person.enabled = match &person.enabled {
            crate::roster::Enabled::No(_) => crate::roster::Enabled::No("".into()),
            crate::roster::Enabled::Unknown(_) => crate::roster::Enabled::Unknown("".into()),
            yes => yes.clone(),
        };
    }
    let person = person.map_err(|skip| Skip { detail: String::new(), ..skip });
    Some((id, fingerprint, present, Some(person)))
}

/// The same as an independent reader, value by value.
fn decoded(content: &[u8]) {
    let (ours, theirs) = (RawEntry::parse(content), wire::entry(content));
    let (Ok(ours), Some((dn, attributes))) = (&ours, &theirs) else {
        // Tags of several bytes are no part of LDAP, and lengths of more than eight digits none of this machine.
        assert!(ours.is_err(), "an entry that is none is read: {content:02x?}");
        return;
    };
    assert_eq!(ours.dn, *dn);
    assert_eq!(ours.names().count(), attributes.len());
    for (description, values) in attributes {
        let text = std::str::from_utf8(description).ok().filter(|name| name.bytes().all(|b| b.is_ascii_graphic()));
        let Some(name) = text.filter(|name| !name.contains('=')).and_then(AttributeName::parse) else { continue };
        let found: Vec<&[u8]> = ours.values(&name).collect();
        let all = values.iter().all(|value| found.contains(value));
        assert!(all || description.contains(&b';'), "a value of {description:?} is lost");
    }
}

/// Unique ids: what identifies an entry, written for a filter, finds that entry again.
pub fn guid(data: &[u8]) {
    for attribute in ["objectGUID", "GUID", "entryUUID", "nsUniqueId", "employeeNumber;x-y"] {
        let Some(name) = AttributeName::parse(attribute) else { continue };
        let content = encoded(b"cn=x", &[(attribute.as_bytes().to_vec(), vec![data.to_vec()])]);
        let Ok(entry) = RawEntry::parse(&content) else { continue };
        let Key::One(id) = key(&entry, &name) else { continue };
        assert_eq!(UniqueId::new(id.as_str()).as_ref(), Some(&id), "the written form is another id");
        assert!(!id.as_str().chars().any(char::is_control));
        let asserted = key_assertion(&id, &name);
        let content = encoded(b"cn=x", &[(attribute.as_bytes().to_vec(), vec![asserted])]);
        let again = RawEntry::parse(&content).map(|entry| key(&entry, &name));
        assert_eq!(again, Ok(Key::One(id)), "{attribute} of {data:02x?} is asked for as somebody else's");
    }
}

/// Times: any text of each kind, and times that are written in one of the many ways.
pub fn time(data: &[u8]) {
    for attribute in ["accountExpires", "shadowExpire", "pwdEndTime"] {
        let Some(name) = AttributeName::parse(attribute) else { continue };
        let content = encoded(b"cn=x", &[(attribute.as_bytes().to_vec(), vec![data.to_vec()])]);
        let Ok(entry) = RawEntry::parse(&content) else { continue };
        let test = [Test::Expired(name)];
        let (now, review) = crate::directory::disabled::judge(&test, &entry, NOW);
        assert!(review.is_none_or(|at| at > NOW), "{data:?}");
        if let Some(at) = review {
            let then = crate::directory::disabled::judge(&test, &entry, at).0;
            assert!(matches!(then, crate::roster::Enabled::No(_)), "{data:?}: {now:?} until {at}, then {then:?}");
        }
    }
    written(&mut Choices::new(data));
}

fn written(choices: &mut Choices<'_>) {
    let year = i32::from(choices.byte()) * 40 % 8000 + 1970;
    let (month, day) = (u32::from(choices.byte() % 12) + 1, u32::from(choices.byte() % 28) + 1);
    let (hour, minute, second) = (choices.byte() % 24, choices.byte() % 60, choices.byte() % 60);
    let (form, tenths) = (choices.byte() % 3, choices.byte() % 10);
    let (ahead, hours, minutes) = (choices.byte() % 3, choices.byte() % 15, choices.byte() % 60);
    let minute = if form == 0 { 0 } else { minute };
    let second = if form == 2 { second } else { 0 };
    let mut text = format!("{year:04}{month:02}{day:02}{hour:02}");
    if form > 0 {
        text += &format!("{minute:02}");
    }
    if form == 2 {
        text += &format!("{second:02}");
    }
    let unit = [3_600_000, 60_000, 1000].get(usize::from(form)).copied().unwrap_or(0);
    let mut more = 0;
    if tenths > 0 {
        text += &format!(".{tenths}");
        more = unit / 10 * i64::from(tenths);
    }
    let minutes = i64::from(hours) * 60 + i64::from(minutes);
    let zone = format!("{:02}{:02}", minutes / 60, minutes % 60);
    let shift = match ahead {
        0 => 0,
        1 => minutes,
        _ => -minutes,
    };
    text += &match ahead {
        0 => "Z".to_owned(),
        1 => format!("+{zone}"),
        _ => format!("-{zone}"),
    };
    let date = NaiveDate::from_ymd_opt(year, month, day);
    let local = date.and_then(|date| date.and_hms_opt(hour.into(), minute.into(), second.into()));
    let utc = local.and_then(|local| local.checked_sub_signed(TimeDelta::minutes(shift)));
    let meant = utc.map(|utc| utc.and_utc().timestamp_millis() + more);
    let read = generalized_time(text.as_bytes()).map(Timestamp::millis);
    let meant = meant.map(|meant| Timestamp::from_millis(meant).millis());
    assert_eq!(read, meant, "{text}");
}
