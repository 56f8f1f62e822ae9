//! As much of BER as LDAP needs (RFC 4511, 5.1).

pub const INTEGER: u8 = 0x02;
pub const OCTETS: u8 = 0x04;
pub const ENUMERATED: u8 = 0x0a;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// One element.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match content.len() {
        short @ ..0x80 => bytes.push(short as u8),
        long => {
            bytes.push(0x84);
            bytes.extend((long as u32).to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

/// An element of elements.
pub fn nest(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// An integer or an enumerated value.
pub fn number(tag: u8, value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let sign = if value < 0 { 0xff } else { 0 };
    let spare = bytes.windows(2).take_while(|two| two[0] == sign && (two[1] ^ sign) < 0x80).count();
    element(tag, &bytes[spare..])
}

/// An octet string.
pub fn octets(content: impl AsRef<[u8]>) -> Vec<u8> {
    element(OCTETS, content.as_ref())
}

/// The tag and the content of each element; an unfinished one is left out.
pub fn parts(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while let Some((head, length)) = header(bytes) {
        let Some(content) = bytes.get(head..head + length) else { break };
        all.push((bytes[0], content));
        bytes = &bytes[head + length..];
    }
    all
}

/// How long the tag and the length are, and how long what follows is; `None` while bytes are missing.
pub fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match usize::from(*bytes.get(1)?) {
        short @ ..0x80 => Some((2, short)),
        long => {
            let digits = bytes.get(2..2 + (long & 0x7f))?;
            Some((2 + digits.len(), digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))))
        }
    }
}

/// Where each whole message ends.
pub fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    while let Some((head, length)) = header(&bytes[ends[ends.len() - 1]..]) {
        let end = ends[ends.len() - 1] + head + length;
        if end > bytes.len() {
            break;
        }
        ends.push(end);
    }
    ends
}

/// The value of an integer.
pub fn integer(content: &[u8]) -> i64 {
    let start = if content.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
    content.iter().fold(start, |value, byte| value << 8 | i64::from(*byte))
}

#[test]
fn numbers_are_read_as_they_were_written() {
    for value in [0, 1, 127, 128, 255, 256, 70_000, -1, -128, -129, i64::MAX, i64::MIN] {
        let bytes = number(INTEGER, value);
        let [(INTEGER, content)] = parts(&bytes)[..] else { panic!("{bytes:?}") };
        assert_eq!(integer(content), value);
    }
    assert_eq!(number(INTEGER, 128), [2, 2, 0, 128]);
    let long = octets(vec![7; 300]);
    assert_eq!(parts(&long), [(OCTETS, &[7; 300][..])]);
    assert!(parts(&long[..200]).is_empty());
}
