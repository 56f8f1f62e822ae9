//! What an entry says about a person or a group: pure, and never a guess (E5).

use super::disabled;
use super::entry::{AttributeName, RawEntry};
use super::mapping::{AddressSource, GroupMapping, UserMapping, is_sid};
use crate::clock::Timestamp;
use crate::roster::address::fold;
use crate::roster::digest::Digester;
use crate::roster::{Address, Claim, ClaimKind, Digest, Dn, FieldId, Fields, Group, MemberRef, Person, Skip, UniqueId};

/// The longest value of a user's attribute.
const MAX_VALUE: usize = 64 << 10;
/// Values of one attribute of a user.
const MAX_VALUES: usize = 1000;
/// Members of one group in one attribute, and groups of one user.
pub const MAX_MEMBERS: usize = 1_000_000;

/// The unique id of an entry, or why there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// Exactly one.
    One(UniqueId),
    /// None that can be read.
    None,
    /// Several, where one is needed.
    Many(Vec<UniqueId>),
}

/// Whether a unique id is 16 bytes, which are written as a UUID; all others are text.
pub fn is_binary(name: &AttributeName) -> bool {
    matches!(name.base(), "objectguid" | "guid")
}

/// objectGUID has Microsoft's byte order (MS-DTYP, 2.3.4.2), eDirectory's GUID is as it stands.
fn uuid_of(name: &AttributeName, bytes: [u8; 16]) -> uuid::Uuid {
    if name.base() == "guid" { uuid::Uuid::from_bytes(bytes) } else { uuid::Uuid::from_bytes_le(bytes) }
}

/// Reads the unique id in its one written encoding (E6): objectGUID and GUID are UUIDs, everything else is text.
pub fn key(entry: &RawEntry<'_>, name: &AttributeName) -> Key {
    let read = |value: &[u8]| {
        if is_binary(name)
            && let Ok(bytes) = <[u8; 16]>::try_from(value)
        {
            return UniqueId::new(&uuid_of(name, bytes).to_string());
        }
        std::str::from_utf8(value).ok().and_then(UniqueId::new)
    };
    let mut keys: Vec<UniqueId> = Vec::new();
    for value in entry.values(name) {
        match read(value) {
            Some(key) => keys.push(key),
            None => return Key::None,
        }
    }
    keys.sort();
    keys.dedup();
    match (keys.pop(), keys.is_empty()) {
        (None, _) => Key::None,
        (Some(only), true) => Key::One(only),
        (Some(last), false) => {
            keys.push(last);
            Key::Many(keys)
        }
    }
}

/// The unique id as the value of a filter, the other way round.
pub fn key_assertion(key: &UniqueId, name: &AttributeName) -> Vec<u8> {
    // The written encoding is the one with hyphens; what else looks like a UUID is text.
    let written = Some(key.as_str()).filter(|text| is_binary(name) && text.len() == 36);
    match written.map(uuid::Uuid::try_parse) {
        // The same order of bytes, applied twice, gives them back.
        Some(Ok(id)) => uuid_of(name, *id.as_bytes()).as_bytes().to_vec(),
        _ => key.as_str().as_bytes().to_vec(),
    }
}

/// A single entry or value that is left out.
pub fn skip(entry: &RawEntry<'_>, key: Option<&UniqueId>, reason: &'static str, detail: String) -> Skip {
    let unique_id = key.map(ToString::to_string);
    Skip { dn: entry.shown_dn(), unique_id, reason: reason.into(), rule: "E5".into(), detail }
}

/// Text, if it is text: UTF-8 without NUL, which no store can keep.
fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|text| !text.contains('\0'))
}

impl UserMapping {
    /// Digest of everything in the entry that matters, whatever the order of attributes and values, begun with
    /// `salt`. Sets `present` for each attribute of [`UserMapping::asked`] that has a value.
    pub fn fingerprint(&self, entry: &RawEntry<'_>, salt: Digest, present: &mut Vec<bool>) -> Digest {
        let mut digester = Digester::default();
        digester.part(salt.to_bytes()).part(entry.dn);
        present.clear();
        let mut values: Vec<&[u8]> = Vec::new();
        for (position, name) in (0_u32..).zip(&self.asked) {
            values.clear();
            values.extend(entry.values(name));
            present.push(!values.is_empty());
            if values.is_empty() {
                continue;
            }
            values.sort_unstable();
            digester.part(position.to_be_bytes()).part((values.len() as u64).to_be_bytes());
            for value in &values {
                digester.part(value);
            }
        }
        digester.finish()
    }

    /// Reads a person; what was left out of the entry is added to `skips`.
    ///
    /// # Errors
    /// Why the entry cannot be understood: its user stays as it is.
    pub fn person(
        &self,
        entry: &RawEntry<'_>,
        key: &UniqueId,
        fingerprint: Digest,
        now: Timestamp,
        skips: &mut Vec<Skip>,
    ) -> Result<Person, Skip> {
        // With the address, so that whoever asks for it finds the entry.
        let unreadable = |detail: String| skip(entry, Some(key), "unreadable", detail + &self.asks_for(entry));
        let dn = text(entry.dn).ok_or_else(|| unreadable("the DN is not UTF-8".to_owned()))?;
        if !entry.is_within(MAX_VALUES, MAX_VALUE) {
            self.asked.iter().try_for_each(|name| self.check_size(entry, name)).map_err(unreadable)?;
        }
        let mut fields = Vec::new();
        for (field, name) in &self.fields {
            let mut bad = 0_usize;
            let first = fields.len();
            for value in entry.values(name).filter(|value| !value.is_empty()) {
                match text(value) {
                    Some(value) => fields.push((*field, value)),
                    None => bad += 1,
                }
            }
            let found = fields.get(first..).unwrap_or_default();
            if bad > 0 && (found.is_empty() || *field == FieldId::USERNAME) {
                return Err(unreadable(format!("`{}` is not text (UTF-8)", name.as_str())));
            }
            if bad > 0 {
                let detail = format!("{bad} of the values of `{}` are not text (UTF-8) and left out", name.as_str());
                skips.push(skip(entry, Some(key), "unreadable-value", detail));
            }
            if *field == FieldId::USERNAME {
                check_username(name, found).map_err(unreadable)?;
            }
        }
        if let Some(names) = &self.primary_group
            && primary_group(entry, names) == PrimaryGroup::Unreadable
        {
            let detail = format!(
                "`{}` and `{}` do not tell the primary group, so it stays as it is",
                names.0.as_str(),
                names.1.as_str()
            );
            skips.push(skip(entry, Some(key), "unreadable-value", detail));
        }
        let (enabled, review_at) = disabled::judge(&self.disabled, entry, now);
        Ok(Person {
            key: key.clone(),
            dn: dn.into(),
            fingerprint,
            fields: Fields::new(fields),
            claims: self.claims(entry),
            enabled,
            review_at,
        })
    }

    /// The address by which somebody may ask for an entry that cannot be applied; nothing where there is none.
    pub fn asks_for(&self, entry: &RawEntry<'_>) -> String {
        let parsed = |source: &AddressSource, value: &[u8]| Address::parse(source.claim(text(value)?)?.1);
        let mut addresses = self.addresses.iter().filter_map(|source| {
            let values = entry.values(&source.attribute).take(MAX_VALUES);
            values.filter_map(|value| parsed(source, value)).min_by_key(Address::key)
        });
        addresses.next().map(|address| format!("; its address is `{address}`")).unwrap_or_default()
    }

    fn check_size(&self, entry: &RawEntry<'_>, name: &AttributeName) -> Result<(), String> {
        let most = if self.member_of.as_ref() == Some(name) { MAX_MEMBERS } else { MAX_VALUES };
        let (count, longest) = entry.size(name);
        if count > most {
            return Err(format!("`{}` has more than {most} values", name.as_str()));
        }
        if longest > MAX_VALUE {
            return Err(format!("`{}` has a value of more than {} kB", name.as_str(), MAX_VALUE >> 10));
        }
        if entry.is_cut_off(name) {
            return Err(format!("the server handed out only a part of the values of `{}`", name.as_str()));
        }
        Ok(())
    }

    /// Every address value as a claim, in order of kind and folded text; none twice within a kind, nor where an
    /// attribute that counts more gives the very same.
    pub fn claims(&self, entry: &RawEntry<'_>) -> Box<[Claim]> {
        let mut claims = Vec::new();
        for source in &self.addresses {
            for value in entry.values(&source.attribute) {
                let is_text = text(value).is_some();
                let value = String::from_utf8_lossy(value);
                let Some((kind, written)) = source.claim(&value) else { continue };
                let address = Address::parse(written).filter(|_| is_text);
                claims.push(Claim { kind, value: address.ok_or_else(|| value.as_ref().into()) });
            }
        }
        if claims.len() > 1 {
            // Of two spellings the smaller one is shown, whatever the order of the values.
            claims.sort_by_cached_key(|claim| (claim.kind, folded(claim), written_form(claim).to_owned()));
            claims.dedup_by(|b, a| a.kind == b.kind && folded(a) == folded(b));
        }
        let mut once: Vec<Claim> = Vec::with_capacity(claims.len());
        for claim in claims {
            if claim.value.is_err() || once.iter().all(|other| other.value != claim.value) {
                once.push(claim);
            }
        }
        once.into()
    }
}

fn folded(claim: &Claim) -> String {
    claim.value.as_ref().map_or_else(|text| fold(text), |address| address.key().to_string())
}

fn written_form(claim: &Claim) -> &str {
    claim.value.as_ref().map_or_else(|text| &**text, Address::as_str)
}

fn check_username(name: &AttributeName, found: &[(FieldId, &str)]) -> Result<(), String> {
    match found {
        [] => Ok(()),
        [(_, one)] if one.chars().any(char::is_control) => {
            Err(format!("the username in `{}` has control characters", name.as_str()))
        }
        [_] => Ok(()),
        several => {
            let mut names: Vec<&str> = several.iter().map(|(_, value)| *value).collect();
            names.sort_unstable();
            Err(format!("`{}` has {} values where one is needed: {}", name.as_str(), names.len(), shown(&names)))
        }
    }
}

/// The first few of a list, for a message.
fn shown(values: &[&str]) -> String {
    let mut text = values.iter().take(3).map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    if values.len() > 3 {
        text.push_str(", …");
    }
    text
}

impl AddressSource {
    /// What a value asks for, and the address in it; `None` when its prefix is not one of mail (A2).
    fn claim<'v>(&self, value: &'v str) -> Option<(ClaimKind, &'v str)> {
        let primary = self.rank.map_or(ClaimKind::Alias, ClaimKind::Primary);
        let plain = if self.plain_primary { primary } else { ClaimKind::Alias };
        let is_prefix = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._ ".contains(&b));
        match value.split_once(':') {
            Some((prefix, address)) if self.prefixed && is_prefix(prefix) => match prefix {
                "SMTP" => Some((primary, address)),
                smtp if smtp.eq_ignore_ascii_case("smtp") => Some((ClaimKind::Alias, address)),
                _ => None,
            },
            _ => Some((plain, value)),
        }
    }
}

impl GroupMapping {
    /// Reads a group.
    ///
    /// # Errors
    /// Why the entry cannot be understood: its group stays as it is.
    pub fn group(&self, entry: &RawEntry<'_>, key: UniqueId) -> Result<Group, Skip> {
        let unreadable = |detail: String| skip(entry, Some(&key), "unreadable", detail);
        let dn = text(entry.dn).ok_or_else(|| unreadable("the DN is not UTF-8".to_owned()))?;
        let names: Vec<&[u8]> = entry.values(&self.name).filter(|name| !name.is_empty()).collect();
        let name = match names.as_slice() {
            [name] if name.len() <= MAX_VALUE => {
                text(name).ok_or_else(|| unreadable(format!("`{}` is not text (UTF-8)", self.name.as_str())))?
            }
            [] => return Err(unreadable(format!("there is no `{}`, which names the group", self.name.as_str()))),
            [_] => return Err(unreadable(format!("`{}` is too long", self.name.as_str()))),
            several => {
                let detail = format!("`{}` has {} values where one is needed", self.name.as_str(), several.len());
                return Err(unreadable(detail));
            }
        };
        let (members, whole) = members(entry, &self.members);
        let (dn, name) = (dn.into(), name.into());
        Ok(Group { key, dn, name, members, whole })
    }

    /// Says that nobody can know whose primary group this is, where that is asked for.
    pub fn without_sid(&self, entry: &RawEntry<'_>, key: &UniqueId) -> Option<Skip> {
        let name = self.members.iter().find(|name| is_sid(name) && entry.values(name).next().is_none())?;
        let detail = format!(
            "there is no readable `{0}`, so nobody knows whose primary group it is, and nobody is taken out of it; grant \
             the bind account the right to read `{0}`, or leave it out of groups.attributes.members",
            name.as_str()
        );
        Some(skip(entry, Some(key), "unreadable-value", detail))
    }
}

/// The primary group of a user of Active Directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrimaryGroup {
    /// There is none: the entry has neither a SID nor the number of a group, as contacts have not.
    None,
    /// Half of it is missing, or not understood.
    Unreadable,
    /// The group's SID.
    Sid(Vec<u8>),
}

/// The SID of the primary group: the domain's of the person's own SID, with the number of the group (primaryGroupID in
/// MS-ADA3).
pub fn primary_group(entry: &RawEntry<'_>, (sid, number): &(AttributeName, AttributeName)) -> PrimaryGroup {
    let (sids, numbers): (Vec<&[u8]>, Vec<&[u8]>) = (entry.values(sid).collect(), entry.values(number).collect());
    let group = match (sids.as_slice(), numbers.as_slice()) {
        ([], []) => return PrimaryGroup::None,
        ([sid], [number]) => sid_in_domain(sid, number),
        _ => None,
    };
    group.map_or(PrimaryGroup::Unreadable, PrimaryGroup::Sid)
}

/// The SID of another object in the domain of this one (MS-DTYP 2.4.2.2).
fn sid_in_domain(sid: &[u8], number: &[u8]) -> Option<Vec<u8>> {
    let number: u32 = std::str::from_utf8(number).ok()?.parse().ok()?;
    // Revision, how many numbers, six octets of authority, and the numbers in little-endian octets.
    let (revision, numbers) = (*sid.first()?, usize::from(*sid.get(1)?));
    let sound = revision == 1 && numbers > 1 && sid.len() == 8 + 4 * numbers;
    let (domain, _) = sid.split_last_chunk::<4>().filter(|_| sound)?;
    Some([domain, &number.to_le_bytes()].concat())
}

/// Whether a group's attribute names members by username, not by DN.
pub fn names_by_username(attribute: &AttributeName) -> bool {
    attribute.base() == "memberuid"
}

/// Whether a group's attribute is read even where only one person is looked for: names, which are few, and which no filter
/// compares as we do, and the SID of the group itself.
pub fn is_short(attribute: &AttributeName) -> bool {
    names_by_username(attribute) || is_sid(attribute)
}

/// The members that a group lists, in order, and whether those are all.
pub fn members(entry: &RawEntry<'_>, attributes: &[AttributeName]) -> (Box<[MemberRef]>, bool) {
    let (mut members, mut whole) = (Vec::new(), true);
    for attribute in attributes {
        let values = entry.values(attribute).filter(|value| !value.is_empty());
        members.extend(values.take(MAX_MEMBERS).map(|value| member(value, attribute)));
        whole &= !entry.is_cut_off(attribute) && entry.values(attribute).take(MAX_MEMBERS + 1).count() <= MAX_MEMBERS;
        whole &= !is_sid(attribute) || entry.values(attribute).next().is_some();
    }
    members.sort_unstable();
    members.dedup();
    (members.into_boxed_slice(), whole)
}

/// One member (G3). What is not UTF-8 is nobody, and counted as such.
fn member(value: &[u8], attribute: &AttributeName) -> MemberRef {
    if is_sid(attribute) {
        return MemberRef::Primary(Digest::of(value));
    }
    let Ok(text) = std::str::from_utf8(value) else { return MemberRef::Dn(Digest::of(value)) };
    if names_by_username(attribute) {
        return MemberRef::Username(Digest::of(fold(text)));
    }
    // Name and Optional UID (RFC 4517, 3.3.21): a DN, then perhaps `#'0101'B`.
    let dn = match text.rsplit_once("#'") {
        Some((dn, bits)) if attribute.base() == "uniquemember" && bits.ends_with("'B") => dn,
        _ => text,
    };
    MemberRef::Dn(Dn::digest_of(dn))
}

#[cfg(test)]
#[path = "understand_tests.rs"]
mod tests;
