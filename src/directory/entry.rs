//! One entry as the server sent it: names without regard to case, values as bytes, nothing lost, nothing guessed.

use std::borrow::Cow;
use std::ops::Range;

use super::ber::{Elements, Malformed, OCTETS, SEQUENCE, SET};

/// The name of an attribute as the configuration gives it: `mail`, `displayName;lang-de`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AttributeName {
    /// In lower case, options in order.
    text: String,
    base: usize,
}

impl AttributeName {
    /// Reads a name; `None` when it is not an attribute description (RFC 4512, 2.5).
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let mut parts = lower.split(';');
        let base = parts.next().unwrap_or_default();
        let fit =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let mut options: Vec<&str> = parts.collect();
        if !fit(base) || !options.iter().all(|option| fit(option)) {
            return None;
        }
        options.sort_unstable();
        options.retain(|option| *option != "binary");
        let text = std::iter::once(base).chain(options).collect::<Vec<_>>().join(";");
        Some(Self { base: base.len(), text })
    }

    /// In lower case, with options.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// In lower case, without options.
    pub fn base(&self) -> &str {
        self.text.get(..self.base).unwrap_or_default()
    }

    fn options(&self) -> impl Iterator<Item = &str> {
        self.text.split(';').skip(1)
    }
}

#[derive(Clone, Debug)]
struct RawAttribute<'a> {
    name: &'a str,
    options: &'a str,
    values: Range<usize>,
    /// Not only a part of the values (`;range=0-1499`).
    whole: bool,
}

/// Places of the first and the last value of a range; without a last one it goes to the end.
type Places = (usize, Option<usize>);

/// What the server handed out of an attribute that comes in ranges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<'e, 'a> {
    /// The attribute with its options, but for the range.
    pub name: String,
    /// `None` when it is not understood.
    range: Option<Places>,
    /// The values.
    pub values: &'e [&'a [u8]],
}

impl Part<'_, '_> {
    /// The range, if there are as many values as it says; of the last one nobody knows how many these are.
    pub fn sound(&self) -> Option<Places> {
        let says = |(first, last): &Places| match last {
            Some(last) => last.checked_sub(*first).is_some_and(|more| more + 1 == self.values.len()),
            None => true,
        };
        self.range.filter(says)
    }
}

impl RawAttribute<'_> {
    fn is_named(&self, base: &str) -> bool {
        self.options.is_empty() && self.name.eq_ignore_ascii_case(base)
    }

    fn is(&self, name: &AttributeName) -> bool {
        // Asked some hundred times an entry: the length tells nearly all names apart.
        let base = name.text.as_bytes().get(..name.base).unwrap_or_default();
        if self.name.len() != base.len() || !self.name.as_bytes().eq_ignore_ascii_case(base) {
            return false;
        }
        if self.options.is_empty() {
            return name.text.len() == name.base;
        }
        let plain = |option: &&str| !option.eq_ignore_ascii_case("binary") && range(option).is_none();
        let mut ours = self.options.split(';').filter(|option| !option.is_empty()).filter(plain);
        let known = |option: &str| name.options().any(|wanted| wanted.eq_ignore_ascii_case(option));
        ours.clone().count() == name.options().count() && ours.all(known)
    }

    fn range(&self) -> Option<&str> {
        self.options.split(';').find_map(range)
    }

    /// The attribute with its options, but for the range.
    fn description(&self) -> String {
        let options = self.options.split(';').filter(|option| !option.is_empty() && range(option).is_none());
        std::iter::once(self.name).chain(options).collect::<Vec<_>>().join(";")
    }
}

fn range(option: &str) -> Option<&str> {
    let (word, range) = option.split_once('=')?;
    word.eq_ignore_ascii_case("range").then_some(range)
}

fn places(range: &str) -> Option<Places> {
    let (first, last) = range.split_once('-')?;
    let last = if last == "*" { None } else { Some(last.parse().ok()?) };
    Some((first.parse().ok()?, last))
}

/// An entry, borrowed from the message it came in.
#[derive(Clone, Debug)]
pub struct RawEntry<'a> {
    /// The DN's bytes; UTF-8 from a server that keeps the rules.
    pub dn: &'a [u8],
    attributes: Vec<RawAttribute<'a>>,
    values: Vec<&'a [u8]>,
    /// All of it, as it came.
    pub content: &'a [u8],
}

impl<'a> RawEntry<'a> {
    /// Reads the content of a SearchResultEntry (RFC 4511, 4.5.2).
    pub fn parse(content: &'a [u8]) -> Result<Self, Malformed> {
        let mut elements = Elements::new(content);
        let dn = elements.expect(OCTETS)?;
        let mut attributes = Vec::with_capacity(16);
        let mut values = Vec::with_capacity(16);
        let mut list = Elements::new(elements.expect(SEQUENCE)?);
        while let Some((tag, attribute)) = list.next()? {
            if tag != SEQUENCE {
                return Err(Malformed);
            }
            let mut parts = Elements::new(attribute);
            // A name that is not even UTF-8 is none that anybody asked for.
            let description = std::str::from_utf8(parts.expect(OCTETS)?).unwrap_or_default();
            let (name, options) = description.split_once(';').unwrap_or((description, ""));
            let first = values.len();
            let mut set = Elements::new(parts.expect(SET)?);
            while let Some((tag, value)) = set.next()? {
                if tag != OCTETS {
                    return Err(Malformed);
                }
                values.push(value);
            }
            let whole = options.split(';').filter_map(range).all(|range| places(range) == Some((0, None)));
            attributes.push(RawAttribute { name, options, values: first..values.len(), whole });
        }
        Ok(Self { dn, attributes, values, content })
    }

    /// An entry of which several messages came: the first one with what the others have in ranges, but for the first
    /// value of each, which is known already. It is whole if there are several.
    pub fn joined<M: AsRef<[u8]>>(messages: &'a [M]) -> Result<Self, Malformed> {
        let (first, rest) = messages.split_first().ok_or(Malformed)?;
        let mut entry = Self::parse(first.as_ref())?;
        for message in rest {
            let more = Self::parse(message.as_ref())?;
            for attribute in more.attributes.iter().filter(|attribute| attribute.range().is_some()) {
                let from = entry.values.len();
                entry.values.extend(more.of(attribute).iter().skip(1));
                entry.attributes.push(RawAttribute { values: from..entry.values.len(), ..attribute.clone() });
            }
        }
        entry.attributes.iter_mut().for_each(|attribute| attribute.whole |= !rest.is_empty());
        Ok(entry)
    }

    /// Whether no attribute was handed out in part only.
    pub fn is_whole(&self) -> bool {
        self.attributes.iter().all(|attribute| attribute.whole)
    }

    /// The attributes of which only a part came (E4).
    pub fn parts(&self) -> impl Iterator<Item = Part<'_, 'a>> {
        self.attributes.iter().filter(|attribute| !attribute.whole).map(|attribute| self.part(attribute))
    }

    /// The attributes that came in ranges, the end as well.
    pub fn ranges(&self) -> impl Iterator<Item = Part<'_, 'a>> {
        self.attributes.iter().filter(|attribute| attribute.range().is_some()).map(|attribute| self.part(attribute))
    }

    fn part(&self, attribute: &RawAttribute<'a>) -> Part<'_, 'a> {
        let range = attribute.range().and_then(places);
        Part { name: attribute.description(), range, values: self.of(attribute) }
    }

    fn of(&self, attribute: &RawAttribute<'a>) -> &[&'a [u8]] {
        self.values.get(attribute.values.clone()).unwrap_or_default()
    }

    /// All values of an attribute, also when the server listed it in several parts.
    pub fn values(&self, name: &AttributeName) -> impl Iterator<Item = &'a [u8]> {
        self.attributes.iter().filter(|attribute| attribute.is(name)).flat_map(|found| self.of(found).iter().copied())
    }

    /// The values of an attribute without options, as text; repaired where they are not UTF-8.
    pub fn texts(&self, base: &str) -> impl Iterator<Item = Cow<'a, str>> {
        let named = self.attributes.iter().filter(move |attribute| attribute.is_named(base));
        named.flat_map(|found| self.of(found).iter().map(|value| String::from_utf8_lossy(value)))
    }

    /// Whether no attribute can have more values, or a longer one, than this, and none is cut off: most entries.
    pub fn is_within(&self, values: usize, length: usize) -> bool {
        let plain = self.attributes.iter().all(|attribute| attribute.options.is_empty());
        plain && self.values.len() <= values && self.content.len() <= length
    }

    /// The attributes that came, without their options.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.attributes.iter().map(|attribute| attribute.name)
    }

    /// How many values an attribute has, and how long the longest is.
    pub fn size(&self, name: &AttributeName) -> (usize, usize) {
        self.values(name).fold((0, 0), |(count, longest), value| (count + 1, longest.max(value.len())))
    }

    /// Whether the server handed out only a part of the attribute's values (E4).
    pub fn is_cut_off(&self, name: &AttributeName) -> bool {
        self.attributes.iter().any(|attribute| attribute.is(name) && !attribute.whole)
    }

    /// The DN for messages.
    pub fn shown_dn(&self) -> String {
        String::from_utf8_lossy(self.dn).into_owned()
    }
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::super::ber::Writer;
    use super::*;

    /// The content of a SearchResultEntry.
    pub fn encoded(dn: &[u8], attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
        let list = attributes.iter().fold(Writer::default(), |list, (name, values)| {
            let set = values.iter().fold(Writer::default(), |set, value| set.put(OCTETS, value));
            list.nest(SEQUENCE, Writer::default().put(OCTETS, name.as_bytes()).nest(SET, set))
        });
        Writer::default().put(OCTETS, dn).nest(SEQUENCE, list).into_bytes()
    }

    fn name(text: &str) -> AttributeName {
        AttributeName::parse(text).unwrap()
    }

    /// E6
    /// Faults: F3.
    #[test]
    fn names_have_no_case_and_options_are_told_apart() {
        let content = encoded(
            b"cn=x",
            &[
                ("Mail", &[b"a", b"b"]),
                ("mail", &[b"c"]),
                ("displayName;lang-de", &[b"Ada"]),
                ("displayName;lang-DE;x-Y", &[b"other"]),
                ("userCertificate;binary", &[b"\xff"]),
                ("member;range=0-1", &[b"m1", b"m2"]),
                ("owner;Range=0-*", &[b"o"]),
                ("owner", &[]),
                ("seeAlso;range=2-*", &[b"s"]),
            ],
        );
        let entry = RawEntry::parse(&content).unwrap();
        let values = |text: &str| entry.values(&name(text)).collect::<Vec<_>>();
        assert_eq!(values("MAIL"), [&b"a"[..], b"b", b"c"]);
        assert!(values("displayName").is_empty());
        assert_eq!(values("DisplayName;LANG-de"), [b"Ada"]);
        assert_eq!(values("displayname;x-y;lang-de"), [b"other"]);
        assert_eq!(values("userCertificate"), [b"\xff"]);
        assert_eq!(values("userCertificate;binary"), [b"\xff"]);
        assert_eq!(values("member").len(), 2);
        assert!(entry.is_cut_off(&name("member")) && entry.is_cut_off(&name("seeAlso")) && !entry.is_whole());
        assert!(!entry.is_cut_off(&name("owner")) && !entry.is_cut_off(&name("mail")));
        assert_eq!(AttributeName::parse("a b"), None);
        assert_eq!(AttributeName::parse(""), None);
    }

    /// E5
    /// Faults: B8.
    #[test]
    fn bytes_that_are_not_utf8_lose_nothing_else() {
        let content = encoded(b"cn=\xff", &[("\u{e9}", &[b"x"]), ("sn", &[b"\xe4", b"ok"]), ("mail", &[b"a@b.c"])]);
        let entry = RawEntry::parse(&content).unwrap();
        assert_eq!(entry.values(&name("sn")).count(), 2);
        assert_eq!(entry.texts("mail").collect::<Vec<_>>(), ["a@b.c"]);
        assert_eq!(entry.shown_dn(), "cn=\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = RawEntry::parse(&bytes);
        }

        #[test]
        fn a_damaged_entry_is_read_without_a_panic(at in 0_usize..70, byte in any::<u8>()) {
            let mut content = encoded(b"uid=ada,dc=x", &[("uid", &[b"ada"]), ("mail;x", &[b"a@b.c", b"d@e.f"])]);
            if let Some(place) = content.get_mut(at) {
                *place = byte;
            }
            if let Ok(entry) = RawEntry::parse(&content) {
                let _ = entry.values(&name("mail")).count();
            }
        }
    }
}
