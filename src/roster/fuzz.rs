//! What names, filters and addresses promise, whatever the text (run by `tests/fuzz`).

use super::address::fold;
use super::filter::Filter;
use super::{Address, Dn, Domain};

/// What a fuzzer's bytes decide, one after the other; zero once they are used up.
#[derive(Debug)]
pub struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    /// All bytes are still to be used.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether any is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        byte
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    /// One of these; there has to be one.
    pub fn one_of<T: Copy + Default>(&mut self, list: &[T]) -> T {
        let at = self.below(list.len());
        list.get(at).copied().unwrap_or_default()
    }

    /// So many bytes, or what is left of them.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Up to 255 bytes, after a byte that says how many.
    pub fn short(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte());
        self.bytes(count)
    }

    /// All that is left.
    pub fn all(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }
}

/// Attribute types with another spelling of each, and the one both mean.
const TYPES: [(&str, &str, &str); 8] = [
    ("cn", "2.5.4.3", "cn"),
    ("OU", "organizationalUnitName", "ou"),
    ("uid", "OID.0.9.2342.19200300.100.1.1", "uid"),
    ("dc", "domainComponent", "dc"),
    ("E", "emailAddress", "email"),
    ("employeeNumber", "EMPLOYEENUMBER", "employeenumber"),
    ("1.2.3", "oid.1.2.3", "1.2.3"),
    ("x-y", "X-Y", "x-y"),
];

/// DNs: any text, and names made of parts that are spelt in two ways.
pub fn dn(data: &[u8]) {
    let mut choices = Choices::new(data);
    if choices.byte() & 1 == 0 {
        if let Ok(text) = std::str::from_utf8(choices.all()) {
            any_dn(text);
        }
    } else {
        built_dn(&mut choices);
    }
}

fn any_dn(text: &str) {
    let digest = Dn::digest_of(text);
    let Some(dn) = Dn::parse(text) else {
        assert_eq!(digest, Dn::digest_of(&text.to_ascii_uppercase()), "what is no DN is compared folded: {text:?}");
        return;
    };
    assert_eq!(digest, dn.digest(), "the quick way and the careful way differ: {text:?}");
    let normal = dn.normalized();
    let again = Dn::parse(&normal);
    assert_eq!(again.as_ref(), Some(&dn), "{text:?} is shown as {normal:?}, which is another name");
    assert_eq!(again.map(|dn| dn.normalized()), Some(normal.clone()), "{text:?}");
    assert!(!normal.chars().any(|c| c.is_ascii_control()), "{text:?} gives a control character");
    assert!(dn.is_under(&dn) && dn.is_under(&Dn::default()), "{text:?}");
    // Escapes take three places for one octet; folding makes at most eighteen characters of one (U+FDFA).
    assert!(normal.len() <= 64 * text.len() + 64, "{} octets became {}", text.len(), normal.len());
    let below = format!("cn=x,{normal}");
    if dn.depth() > 0 {
        let below = Dn::parse(&below);
        assert_eq!(below.as_ref().map(Dn::depth), Some(dn.depth() + 1), "{text:?}");
        assert!(below.is_some_and(|below| below.is_under(&dn) && !dn.is_under(&below)), "{text:?}");
    }
}

/// One value as an independent reader compares it: folded, words apart by one space; bytes that are not text as such.
fn comparable(value: &[u8]) -> Result<String, Vec<u8>> {
    let text = std::str::from_utf8(value).map_err(|_| value.to_vec())?;
    Ok(fold(text).split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}

type Part = (&'static str, Result<String, Vec<u8>>);

/// Two spellings of one name, and the name as an independent reader sees it.
fn built_dn(choices: &mut Choices<'_>) {
    let mut spelt = [String::new(), String::new()];
    let mut names: Vec<Vec<Part>> = Vec::new();
    for _ in 0..=choices.below(5) {
        let mut parts: Vec<Part> = Vec::new();
        for number in 0..=choices.below(3) {
            let (one, other, meant) = choices.one_of(&TYPES);
            let value = choices.short();
            let value = value.get(..value.len().min(24)).unwrap_or_default();
            let joint = match (number, names.is_empty()) {
                (0, true) => "",
                (0, false) => choices.one_of(&[",", ";", " , ", ",  "]),
                _ => choices.one_of(&["+", " + ", "+ "]),
            };
            for (spelt, name) in spelt.iter_mut().zip([one, other]) {
                spelt.push_str(joint);
                spelt.push_str(name);
                spelt.push_str(choices.one_of(&["=", " = ", "= "]));
                spelling(choices, value, spelt);
            }
            parts.push((meant, comparable(value)));
        }
        parts.sort();
        parts.dedup();
        names.push(parts);
    }
    let [one, other] = spelt;
    let (first, second) = (Dn::parse(&one), Dn::parse(&other));
    assert!(first.is_some() && second.is_some(), "one of {one:?} and {other:?} is no DN");
    assert_eq!(first, second, "{one:?} and {other:?} are one name");
    assert_eq!(Dn::digest_of(&one), Dn::digest_of(&other), "{one:?} and {other:?} are one name");
    assert_eq!(first.as_ref().map(Dn::depth), Some(names.len()), "{one:?}");
    any_dn(&one);
    any_dn(&other);
    // Another name is another one: with one octet changed somewhere, equal exactly if that is folded away.
    if let Some((_, value)) = names.last().and_then(|parts| parts.last()) {
        let longer = format!("{one},cn=a");
        let differs = Dn::parse(&longer) != first;
        assert!(differs, "{longer:?} has one part more, after {value:?}");
    }
}

/// Writes a value so that it stands for itself (RFC 4514, 2.4), in one of many ways.
fn spelling(choices: &mut Choices<'_>, value: &[u8], out: &mut String) {
    let ways = choices.byte();
    let text = std::str::from_utf8(value).ok();
    if let Some(text) = text.filter(|_| ways & 3 == 1) {
        out.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
        return;
    }
    let hex = |byte: &u8| format!("{byte:02x}");
    if ways & 3 == 2 && value.len() < 128 {
        out.push_str("#04");
        out.push_str(&hex(&u8::try_from(value.len()).unwrap_or(0)));
        out.extend(value.iter().map(hex));
        return;
    }
    let Some(text) = text.filter(|_| ways & 3 == 0) else {
        out.extend(value.iter().map(|byte| format!("\\{byte:02X}")));
        return;
    };
    for (at, c) in text.char_indices() {
        let edge = at == 0 || at + c.len_utf8() == text.len();
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => out.extend(['\\', c]),
            ' ' | '#' if edge => out.extend(['\\', c]),
            '\0' => out.push_str("\\00"),
            c => out.push(c),
        }
    }
}

/// Filters: any text; what is shown reads back as the same, and three-valued logic knows no surprise.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(filter) = Filter::parse(text) else { return };
    let shown = filter.to_string();
    let again = Filter::parse(&shown);
    assert_eq!(again.as_ref(), Ok(&filter), "{text:?} is shown as {shown:?}, which is another filter");
    assert_eq!(again.map(|filter| filter.to_string()), Ok(shown.clone()), "{text:?}");
    for (at, _) in text.match_indices('\\') {
        let digits = text.get(at + 1..at + 3).unwrap_or_default();
        let hex = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(hex, "{text:?} has an escape that is none");
    }
    let opposite = Filter::Not(Box::new(filter.clone()));
    for values in [&[][..], &[&b"1"[..]][..], &[&b"a"[..], b"\xff", b"9223372036854775807", b"-1", b""][..]] {
        let lookup = |_: &str| values.to_vec();
        let judged = filter.matches(&lookup);
        assert_eq!(opposite.matches(&lookup), judged.map(|holds| !holds), "{text:?}");
        assert_eq!(Filter::And(vec![filter.clone(), opposite.clone()]).matches(&lookup), judged.map(|_| false));
    }
}

/// Addresses and domains: any text.
pub fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(domain) = Domain::parse(text) {
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Some(&domain), "{text:?}");
        assert!(domain.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b)));
    }
    let Some(address) = Address::parse(text) else { return };
    let key = address.key();
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(address.as_str().len() <= 254 && address.as_str().matches('@').count() == 1, "{text:?}");
    assert_eq!(key.domain(), address.domain(), "{text:?}");
    assert_eq!(key.digest(), address.digest(), "{text:?}");
    let again = Address::parse(key.as_str());
    if let Some(again) = again {
        assert_eq!(again.key(), key, "{text:?} folds to {key:?}, which folds further");
    }
}
