//! Distinguished names, compared by RFC 4514 and RFC 4517 instead of as text (E6).
//!
//! Two names are the same when their normalised forms are: attribute types in lower case under one name, values
//! unescaped, folded, with runs of spaces made one, the parts of a multi-valued RDN in order.

use std::borrow::Cow;
use std::fmt;

use crate::roster::Digest;
use crate::roster::address::fold;

/// Other spellings of attribute types that stand in DNs (RFC 4514 section 3, RFC 4519), and the one used here.
const TYPES: &[(&str, &str)] = &[
    ("2.5.4.3", "cn"),
    ("commonname", "cn"),
    ("2.5.4.4", "sn"),
    ("surname", "sn"),
    ("2.5.4.5", "serialnumber"),
    ("2.5.4.6", "c"),
    ("countryname", "c"),
    ("2.5.4.7", "l"),
    ("localityname", "l"),
    ("2.5.4.8", "st"),
    ("stateorprovincename", "st"),
    ("2.5.4.9", "street"),
    ("streetaddress", "street"),
    ("2.5.4.10", "o"),
    ("organizationname", "o"),
    ("2.5.4.11", "ou"),
    ("organizationalunitname", "ou"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "givenname"),
    ("gn", "givenname"),
    ("0.9.2342.19200300.100.1.1", "uid"),
    ("userid", "uid"),
    ("0.9.2342.19200300.100.1.25", "dc"),
    ("domaincomponent", "dc"),
    ("1.2.840.113549.1.9.1", "email"),
    ("emailaddress", "email"),
    ("e", "email"),
];

/// A distinguished name in its comparable form; by default the root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dn {
    /// Normalised RDNs, the entry's own first.
    rdns: Vec<Box<str>>,
}

impl Dn {
    /// Reads a DN by RFC 4514; the empty text is the root. `None` when it is not a DN.
    ///
    /// Tolerated beyond RFC 4514: spaces around separators, `;` between RDNs, quoted values (RFC 2253, 4).
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim_matches(' ').is_empty() {
            return Some(Self { rdns: Vec::new() });
        }
        let mut reader = Reader { rest: text.as_bytes() };
        let mut rdns = Vec::new();
        loop {
            let (rdn, more) = reader.rdn()?;
            rdns.push(rdn.into_boxed_str());
            if !more {
                return Some(Self { rdns });
            }
        }
    }

    /// The normalised form: equal for equal names. Not for showing to people.
    pub fn normalized(&self) -> String {
        self.rdns.join(",")
    }

    /// The digest that indexes use.
    pub fn digest(&self) -> Digest {
        Digest::of(self.normalized())
    }

    /// The digest of a DN as written; of the folded text when it is not a DN.
    pub fn digest_of(text: &str) -> Digest {
        if is_plain(text.as_bytes()) {
            return Digest::of(text.to_ascii_lowercase());
        }
        Self::parse(text).map_or_else(|| Digest::of(fold(text)), |dn| dn.digest())
    }

    /// Whether this is `base` itself or lies anywhere below it.
    pub fn is_under(&self, base: &Self) -> bool {
        self.rdns.ends_with(&base.rdns)
    }

    /// How many RDNs the name has; the root has none.
    pub fn depth(&self) -> usize {
        self.rdns.len()
    }
}

impl fmt::Debug for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.normalized())
    }
}

/// Whether the normalised form is just the text in lower case: ASCII without escapes, quotes, `+`, odd spaces, and
/// with attribute types that have one name only. A member list is hundreds of thousands of such names.
fn is_plain(text: &[u8]) -> bool {
    let mut before = b',';
    let mut start = 0;
    let mut in_type = true;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'=' if in_type => {
                let name = text.get(start..at).unwrap_or_default();
                if !has_one_name(name) {
                    return false;
                }
                in_type = false;
            }
            b',' if in_type || matches!(before, b' ' | b'=') => return false,
            b',' => {
                in_type = true;
                start = at + 1;
            }
            b' ' if in_type || matches!(before, b' ' | b'=') => return false,
            b'\\' | b'"' | b'#' | b'+' | b';' | b'<' | b'>' | b'=' | ..=0x1f | 0x7f.. => return false,
            _ => {}
        }
        before = byte;
    }
    !in_type && !matches!(before, b' ' | b'=')
}

fn has_one_name(name: &[u8]) -> bool {
    let letters = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    letters
        && name.first().is_some_and(u8::is_ascii_alphabetic)
        && !TYPES.iter().any(|(other, _)| other.as_bytes().eq_ignore_ascii_case(name))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.take();
        }
    }

    /// One normalised RDN, and whether another one follows.
    fn rdn(&mut self) -> Option<(String, bool)> {
        let mut parts = Vec::new();
        loop {
            let name = self.attribute_type()?;
            let value = self.value()?;
            parts.push(format!("{name}={value}"));
            let separator = self.take();
            if separator == Some(b'+') {
                continue;
            }
            parts.sort();
            parts.dedup();
            return match separator {
                None => Some((parts.join("+"), false)),
                Some(b',' | b';') => Some((parts.join("+"), true)),
                Some(_) => None,
            };
        }
    }

    fn attribute_type(&mut self) -> Option<String> {
        self.spaces();
        let mut name = String::new();
        while let Some(byte) = self.peek().filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
            name.push(char::from(byte.to_ascii_lowercase()));
            self.take();
        }
        self.spaces();
        // Only before numbers (RFC 2253, 4), so that what is left is never read in another way.
        let number = name.strip_prefix("oid.").filter(|oid| oid.starts_with(|c: char| c.is_ascii_digit()));
        let name = number.unwrap_or(&name);
        (!name.is_empty() && self.take() == Some(b'=')).then(|| {
            TYPES.iter().find(|(other, _)| *other == name).map_or_else(|| name.to_owned(), |(_, one)| (*one).to_owned())
        })
    }

    /// One value up to its separator, normalised.
    fn value(&mut self) -> Option<String> {
        self.spaces();
        match self.peek() {
            Some(b'#') => self.hex_value(),
            Some(b'"') => self.quoted_value(),
            _ => self.plain_value(),
        }
    }

    fn plain_value(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        // Spaces before the separator belong to it, unless they are escaped.
        let mut end = 0;
        while let Some(byte) = self.peek() {
            match byte {
                b',' | b'+' | b';' => break,
                b'"' => return None,
                b'\\' => {
                    self.take();
                    bytes.push(self.escaped()?);
                    end = bytes.len();
                }
                _ => {
                    bytes.push(byte);
                    self.take();
                    if byte != b' ' {
                        end = bytes.len();
                    }
                }
            }
        }
        bytes.truncate(end);
        Some(normal_value(&bytes))
    }

    fn quoted_value(&mut self) -> Option<String> {
        self.take();
        let mut bytes = Vec::new();
        loop {
            match self.take()? {
                b'"' => break,
                b'\\' => bytes.push(self.escaped()?),
                byte => bytes.push(byte),
            }
        }
        self.spaces();
        matches!(self.peek(), None | Some(b',' | b'+' | b';')).then(|| normal_value(&bytes))
    }

    /// What follows a backslash: one special character, or two hexadecimal digits.
    fn escaped(&mut self) -> Option<u8> {
        let first = self.take()?;
        match (hex_digit(first), self.peek().and_then(hex_digit)) {
            (Some(high), Some(low)) => {
                self.take();
                Some(high << 4 | low)
            }
            _ if first.is_ascii_alphanumeric() || !first.is_ascii() => None,
            _ => Some(first),
        }
    }

    /// `#` and the BER encoding of a value: strings are taken as what they say, anything else as it stands.
    fn hex_value(&mut self) -> Option<String> {
        self.take();
        let mut ber = Vec::new();
        while let Some(high) = self.peek().and_then(hex_digit) {
            self.take();
            let low = self.take().and_then(hex_digit)?;
            ber.push(high << 4 | low);
        }
        self.spaces();
        let ended = matches!(self.peek(), None | Some(b',' | b'+' | b';'));
        if ber.is_empty() || !ended {
            return None;
        }
        let text = match ber.as_slice() {
            [0x04 | 0x0c | 0x12 | 0x13 | 0x16, length @ ..=0x7f, text @ ..] if text.len() == usize::from(*length) => {
                text
            }
            [0x04 | 0x0c | 0x12 | 0x13 | 0x16, 0x81, length, text @ ..] if text.len() == usize::from(*length) => text,
            _ => return Some(ber.iter().fold("#".to_owned(), |text, byte| text + &format!("{byte:02x}"))),
        };
        Some(normal_value(text))
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A value folded (NFKC, lower case, single inner spaces, none outside) and escaped again so that values and
/// separators cannot be confused.
fn normal_value(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return bytes.iter().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
    };
    let folded = fold(text);
    let mut out = String::with_capacity(folded.len());
    for word in folded.split(' ').filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars() {
            out.push_str(&escape(c));
        }
    }
    out
}

fn escape(c: char) -> Cow<'static, str> {
    match c {
        ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '#' | '=' => format!("\\{c}").into(),
        c if c.is_ascii_control() => format!("\\{:02x}", u32::from(c)).into(),
        c => c.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(a: &str, b: &str) {
        assert_eq!(Dn::parse(a).unwrap(), Dn::parse(b).unwrap(), "{a} and {b}");
        assert_eq!(Dn::digest_of(a), Dn::digest_of(b), "{a} and {b}");
    }

    /// E6
    /// Faults: F1.
    #[test]
    fn names_written_differently_are_the_same_name() {
        same("CN=Smith\\2C John, OU=x", "cn=Smith\\, John,ou=X");
        same("cn=Smith\\, John,ou=x", "cn=\"Smith, John\",ou=x");
        same("uid=ada , ou=people ;dc=example,dc=com", "UID=Ada,OU=People,DC=Example,DC=Com");
        same("cn=a+uid=b,dc=x", "uid=B + cn=A,dc=x");
        same("2.5.4.3=ada,0.9.2342.19200300.100.1.25=x", "cn=ada,dc=x");
        same("OID.2.5.4.3=ada", "commonName=ada");
        same("cn=#0c03416461,dc=x", "cn=Ada,dc=x");
        same("cn=Lu\\C4\\8Di\\C4\\87", "cn=Lučić");
        same("cn=A\\20 B", "cn=a b");
        same("cn=a   b ,dc=x", "cn=a b,dc=x");
        same("cn=\\ ada\\ ,dc=x", "cn=ada,dc=x");
        same("cn=ＡＤＡ", "cn=ada");
        same("cn=\\ff ,dc=x", "cn=\\ff,dc=x");
        same("", "  ");
    }

    /// E6
    #[test]
    fn names_that_differ_stay_apart() {
        for (a, b) in [
            ("cn=a,cn=b", "cn=b,cn=a"),
            ("cn=a\\,cn\\=b", "cn=a,cn=b"),
            ("cn=a\\+uid\\=b", "cn=a+uid=b"),
            ("cn=ab", "cn=a b"),
            ("cn=#0c03416461", "cn=\\#0c03416461"),
            ("cn=\\ff", "cn=\\\\ff"),
            ("cn=ada,dc=x", "sn=ada,dc=x"),
            ("oid.oid.d=x", "oid.d=x"),
        ] {
            assert_ne!(Dn::parse(a).unwrap(), Dn::parse(b).unwrap(), "{a} and {b}");
            assert_ne!(Dn::digest_of(a), Dn::digest_of(b), "{a} and {b}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_and_still_has_a_digest() {
        for text in
            ["ada", "cn", "=x", "cn=a,", ",cn=a", "cn=a\\", "cn=a\\zz", "cn=\"a", "cn=\"a\"b", "cn=#0", "cn=a\"b"]
        {
            assert_eq!(Dn::parse(text), None, "{text}");
            assert_eq!(Dn::digest_of(text), Dn::digest_of(&text.to_uppercase()), "{text}");
        }
    }

    #[test]
    fn a_name_lies_under_its_base_and_under_itself() {
        let dn = |text: &str| Dn::parse(text).unwrap();
        assert!(dn("uid=a,OU=People, dc=x").is_under(&dn("ou=people,dc=X")));
        assert!(dn("ou=people,dc=x").is_under(&dn("ou=people,dc=x")));
        assert!(dn("ou=people,dc=x").is_under(&dn("")));
        assert!(!dn("uid=a,ou=mypeople,dc=x").is_under(&dn("ou=people,dc=x")));
        assert!(!dn("dc=x").is_under(&dn("ou=people,dc=x")));
        assert_eq!(dn("uid=a,ou=people,dc=x").depth(), 3);
    }

    proptest! {
        #[test]
        fn any_text_is_digested_without_a_panic(text in ".*") {
            let _ = Dn::digest_of(&text);
            if let Some(dn) = Dn::parse(&text) {
                prop_assert_eq!(Dn::digest_of(&text), dn.digest());
            }
        }

        #[test]
        fn the_quick_way_gives_what_the_careful_way_gives(
            text in r#"(cn|ou|dc|uid|e|SN|2\.5\.4\.3)=[a-cA-C +,=\\#";]{0,6}(,(ou|dc)=[a-c ]{0,4}){0,3}"#
        ) {
            if let Some(dn) = Dn::parse(&text) {
                prop_assert_eq!(Dn::digest_of(&text), dn.digest());
            }
        }

        #[test]
        fn the_normalised_form_is_a_name_and_stays_what_it_is(values in prop::collection::vec("\\PC{1,8}", 1..4)) {
            let escaped = |value: &str| {
                value.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>()
            };
            let text = values.iter().map(|value| format!("cn={}", escaped(value))).collect::<Vec<_>>().join(",");
            let dn = Dn::parse(&text).unwrap();
            prop_assert_eq!(dn.depth(), values.len());
            prop_assert_eq!(Dn::parse(&dn.normalized()).unwrap(), dn);
        }
    }
}
