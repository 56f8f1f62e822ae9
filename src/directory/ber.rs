//! The little of BER that LDAP needs (RFC 4511, 5.1): tags of one byte, definite lengths. Nothing here recurses or
//! panics, whatever the bytes.

/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub const OCTETS: u8 = 0x04;
/// BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// SET.
pub const SET: u8 = 0x31;

/// The bytes are not what LDAP allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// Reads a tag and a length: how long they are, and how long what follows is. `None` while bytes are missing.
pub fn header(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let [tag, first, more @ ..] = bytes else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed);
    }
    match usize::from(*first) {
        short @ ..=0x7f => Ok(Some((2, short))),
        long => {
            let count = long & 0x7f;
            if count == 0 || count > 8 {
                return Err(Malformed);
            }
            let Some(digits) = more.get(..count) else { return Ok(None) };
            let length = digits.iter().fold(0_u64, |length, digit| length << 8 | u64::from(*digit));
            Ok(Some((2 + count, usize::try_from(length).map_err(|_| Malformed)?)))
        }
    }
}

/// Reads elements one after the other from the inside of a constructed one.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// From the content of a constructed element.
    pub const fn new(content: &'a [u8]) -> Self {
        Self { rest: content }
    }

    /// The next element's tag and content; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        let Some(&tag) = self.rest.first() else { return Ok(None) };
        let (head, length) = header(self.rest)?.ok_or(Malformed)?;
        let end = head.checked_add(length).ok_or(Malformed)?;
        let content = self.rest.get(head..end).ok_or(Malformed)?;
        self.rest = self.rest.get(end..).unwrap_or_default();
        Ok(Some((tag, content)))
    }

    /// The next element, which has to have this tag.
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.next()? {
            Some((found, content)) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }

    /// The next element if it has this tag; else it stays.
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.rest.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }
}

/// The value of an INTEGER or ENUMERATED.
pub fn integer(content: &[u8]) -> Result<i64, Malformed> {
    let first = *content.first().ok_or(Malformed)?;
    if content.len() > 8 {
        return Err(Malformed);
    }
    let sign = if first & 0x80 == 0 { 0 } else { -1_i64 };
    Ok(content.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte)))
}

/// Writes elements.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// One primitive element.
    pub fn put(mut self, tag: u8, content: &[u8]) -> Self {
        self.0.push(tag);
        match u8::try_from(content.len()) {
            Ok(short @ ..=0x7f) => self.0.push(short),
            _ => {
                let digits = content.len().to_be_bytes();
                let digits = digits.iter().skip_while(|digit| **digit == 0);
                let count = u8::try_from(digits.clone().count()).unwrap_or(8);
                self.0.push(0x80 | count);
                self.0.extend(digits);
            }
        }
        self.0.extend_from_slice(content);
        self
    }

    /// One element around others.
    pub fn nest(self, tag: u8, inner: Self) -> Self {
        self.put(tag, &inner.0)
    }

    /// A whole number, in as few bytes as it needs.
    pub fn number(self, tag: u8, value: i64) -> Self {
        let digits = value.to_be_bytes();
        let redundant = |pair: &[u8]| {
            matches!(pair, [0, second] if second & 0x80 == 0) || matches!(pair, [0xff, second] if second & 0x80 != 0)
        };
        let skip = digits.windows(2).take_while(|pair| redundant(pair)).count();
        self.put(tag, digits.get(skip..).unwrap_or_default())
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_are_read_as_far_as_they_are_there() {
        assert_eq!(header(&[]), Ok(None));
        assert_eq!(header(&[0x30, 0x82, 0x01]), Ok(None));
        assert_eq!(header(&[0x30, 0x82, 0x01, 0x00]), Ok(Some((4, 256))));
        assert_eq!(header(&[0x30, 0x80]), Err(Malformed));
        assert_eq!(header(&[0x3f, 0x01]), Err(Malformed));
        assert_eq!(header(b"HTTP/1.1"), Ok(Some((2, 0x54))));
        assert_eq!(Elements::new(&[4, 5, 1]).next(), Err(Malformed));
    }

    proptest! {
        #[test]
        fn numbers_and_strings_are_read_back(value in any::<i64>(), text in prop::collection::vec(any::<u8>(), 0..400)) {
            let bytes = Writer::default().number(INTEGER, value).put(OCTETS, &text).into_bytes();
            let mut elements = Elements::new(&bytes);
            prop_assert_eq!(elements.expect(INTEGER).and_then(integer), Ok(value));
            prop_assert_eq!(elements.expect(OCTETS), Ok(text.as_slice()));
            prop_assert_eq!(elements.next(), Ok(None));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut elements = Elements::new(&bytes);
            while let Ok(Some((_, content))) = elements.next() {
                let _ = integer(content);
            }
        }
    }
}
