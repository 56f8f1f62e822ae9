//! An independent reader of the bytes on the wire: shares no code with the one that is tried.

use ldap3::asn1::{ASNTag as _, StructureTag};

use crate::directory::session::PAGING;
use crate::roster::filter::{Comparison, Filter};

/// What the answers of a server prove.
#[derive(Default)]
pub struct Proof {
    /// Contents of the entries, in order.
    pub entries: Vec<Vec<u8>>,
    /// Every page ended well, and the last one said that there is no other.
    pub complete: bool,
}

/// Tag, content, and what follows.
pub fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
        let add = |length: usize, digit: &u8| length.checked_mul(256)?.checked_add(usize::from(*digit));
        (digits.iter().try_fold(0, add)?, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// All elements of a constructed one.
pub fn elements(mut content: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut all = Vec::new();
    while !content.is_empty() {
        let (tag, inside, rest) = element(content)?;
        all.push((tag, inside));
        content = rest;
    }
    Some(all)
}

/// Description and values of each attribute of an entry.
pub type Attributes<'a> = Vec<(&'a [u8], Vec<&'a [u8]>)>;

/// DN and attributes in the content of a SearchResultEntry.
pub fn entry(content: &[u8]) -> Option<(&[u8], Attributes<'_>)> {
    let (0x04, dn, rest) = element(content)? else { return None };
    let (0x30, list, _) = element(rest)? else { return None };
    let mut attributes = Vec::new();
    for (tag, attribute) in elements(list)? {
        let (0x04, name, rest) = element(attribute)? else { return None };
        let (0x31, set, _) = element(rest)? else { return None };
        let values = elements(set)?;
        if tag != 0x30 || values.iter().any(|(tag, _)| *tag != 0x04) {
            return None;
        }
        attributes.push((name, values.into_iter().map(|(_, value)| value).collect()));
    }
    Some((dn, attributes))
}

fn number(content: &[u8]) -> Option<i64> {
    if content.len() > 12 {
        return None;
    }
    let negative = content.first()? & 0x80 != 0;
    let digits = content.iter().fold(if negative { -1_i128 } else { 0 }, |value, byte| value * 256 + i128::from(*byte));
    i64::try_from(digits).ok()
}

/// How one search ended.
struct End {
    code: i64,
    text: Vec<u8>,
    /// The cookie of every paging control; `None` where it cannot be read.
    cookies: Vec<Option<Vec<u8>>>,
}

fn end(content: &[u8], more: &[u8]) -> Option<End> {
    let (0x0a, code, rest) = element(content)? else { return None };
    let (0x04, _, rest) = element(rest)? else { return None };
    let (0x04, text, _) = element(rest)? else { return None };
    let mut cookies = Vec::new();
    if let Some((0xa0, controls, _)) = element(more) {
        for (_, control) in elements(controls)? {
            let (_, oid, rest) = element(control)?;
            if oid == PAGING.as_bytes() {
                let value = elements(rest)?.into_iter().find(|(tag, _)| *tag == 0x04).map(|(_, value)| value);
                let parts = value.and_then(element).and_then(|(_, inside, _)| elements(inside));
                let cookie = parts.and_then(|parts| Some(parts.get(1)?.1.to_vec()));
                cookies.push(cookie);
            }
        }
    }
    Some(End { code: number(code)?, text: text.to_vec(), cookies })
}

/// What all that a server sent proves to somebody who asked for pages of this size; 0 = without paging.
pub fn proven(mut stream: &[u8], mut size: u32) -> Proof {
    let (mut proof, mut id, mut first_page) = (Proof::default(), 1, true);
    while let Some((0x30, inside, rest)) = element(stream) {
        stream = rest;
        let Some((0x02, number_of, after)) = element(inside) else { break };
        let Some((operation, content, more)) = element(after) else { break };
        match (number(number_of), operation) {
            // Unsolicited notifications that do not end the connection.
            (Some(0), 0x78) => {}
            (Some(of), 0x79) if of == id => {}
            (Some(of), 0x64) if of == id && entry(content).is_some() => proof.entries.push(content.to_vec()),
            (Some(of), 0x65) if of == id => {
                id += 1;
                let Some(end) = end(content, more) else { break };
                let text = String::from_utf8_lossy(&end.text).to_ascii_lowercase();
                if first_page && size > 1 && proof.entries.is_empty() && end.code == 11 && text.contains("page size") {
                    size /= 2;
                    continue;
                }
                first_page = false;
                let all = |wanted: fn(&[u8]) -> bool| {
                    !end.cookies.is_empty() && end.cookies.iter().all(|cookie| cookie.as_deref().is_some_and(wanted))
                };
                if end.code == 0 && (size == 0 || all(<[u8]>::is_empty)) {
                    proof.complete = true;
                    break;
                }
                if end.code != 0 || !all(|cookie| !cookie.is_empty()) {
                    break;
                }
            }
            _ => break,
        }
    }
    proof
}

/// A filter as ldap3 writes it to the wire means what it says: read back from the bytes it is the same.
pub fn filter(data: &[u8]) {
    crate::roster::fuzz::filter(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(filter) = Filter::parse(text) else { return };
    let sent = ldap3::parse_filter(filter.to_string());
    assert!(sent.is_ok(), "{filter} cannot be sent");
    let Ok(sent) = sent else { return };
    let (bytes, read) = written(sent.into_structure());
    assert_eq!(read.as_ref(), Some(&filter), "{text:?} is sent as {bytes:02x?}");
    // What others would send for the same text.
    // To ldap3, `dn` is one word in small letters only.
    let small = text.to_ascii_lowercase().matches(":dn").count() == text.matches(":dn").count();
    if let Some(theirs) = ldap3::parse_filter(text).ok().filter(|_| small) {
        let theirs = written(theirs.into_structure()).1;
        assert_eq!(theirs.as_ref(), Some(&filter), "{text:?} is read in two ways");
    }
}

/// As bytes, and read back from them.
fn written(tag: StructureTag) -> (Vec<u8>, Option<Filter>) {
    let mut bytes = bytes::BytesMut::new();
    let sent = ldap3::asn1::write::encode_into(&mut bytes, tag).is_ok();
    let read = element(&bytes).filter(|(.., rest)| sent && rest.is_empty());
    (bytes.to_vec(), read.and_then(|(tag, content, _)| read_filter(tag, content)))
}

/// A Filter (RFC 4511, 4.5.1).
fn read_filter(tag: u8, content: &[u8]) -> Option<Filter> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let several =
        || elements(content)?.into_iter().map(|(tag, inside)| read_filter(tag, inside)).collect::<Option<Vec<_>>>();
    let compared = |how| match elements(content)?.as_slice() {
        [(0x04, name), (0x04, value)] => Some(Filter::Compare { attribute: text(name)?, how, value: value.to_vec() }),
        _ => None,
    };
    match tag {
        0xa0 => Some(Filter::And(several()?)),
        0xa1 => Some(Filter::Or(several()?)),
        0xa2 => match elements(content)?.as_slice() {
            [(tag, inside)] => Some(Filter::Not(Box::new(read_filter(*tag, inside)?))),
            _ => None,
        },
        0xa3 => compared(Comparison::Equal),
        0xa5 => compared(Comparison::AtLeast),
        0xa6 => compared(Comparison::AtMost),
        0xa8 => compared(Comparison::Approx),
        0x87 => Some(Filter::Present(text(content)?)),
        0xa4 => substring(content),
        0xa9 => {
            let (mut attribute, mut dn, mut rule, mut value) = (None, false, None, None);
            for (tag, inside) in elements(content)? {
                match tag {
                    0x81 => rule = Some(text(inside)?),
                    0x82 => attribute = Some(text(inside)?),
                    0x83 => value = Some(inside.to_vec()),
                    0x84 => dn = inside != [0],
                    _ => return None,
                }
            }
            Some(Filter::Extensible { attribute, dn, rule, value: value? })
        }
        _ => None,
    }
}

fn substring(content: &[u8]) -> Option<Filter> {
    let parts = elements(content)?;
    let [(0x04, name), (0x30, pieces)] = parts.as_slice() else { return None };
    let pieces = elements(pieces)?;
    let of = |wanted: u8| pieces.iter().filter(move |(tag, _)| *tag == wanted).map(|(_, piece)| piece.to_vec());
    let mut parts = vec![of(0x80).next().unwrap_or_default()];
    parts.extend(of(0x81));
    parts.push(of(0x82).next().unwrap_or_default());
    Some(Filter::Substring { attribute: String::from_utf8(name.to_vec()).ok()?, parts })
}
