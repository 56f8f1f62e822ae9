//! Search filters (RFC 4515): read from the configuration, sent to the server, and judged here where a disabled
//! test is a filter (U8).

use std::collections::BTreeSet;
use std::fmt;

use crate::roster::address::fold;

/// Filters inside filters, at most.
const MAX_DEPTH: usize = 32;
/// All of the bits are set (`LDAP_MATCHING_RULE_BIT_AND`).
const BIT_AND: &str = "1.2.840.113556.1.4.803";
/// Any of the bits is set (`LDAP_MATCHING_RULE_BIT_OR`).
const BIT_OR: &str = "1.2.840.113556.1.4.804";

/// A search filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filter {
    /// All of them; true when there is none (RFC 4526).
    And(Vec<Filter>),
    /// Any of them; false when there is none (RFC 4526).
    Or(Vec<Filter>),
    /// Not this one.
    Not(Box<Filter>),
    /// A comparison of one attribute.
    Compare {
        /// Attribute, as written.
        attribute: String,
        /// How.
        how: Comparison,
        /// Assertion value, unescaped.
        value: Vec<u8>,
    },
    /// The attribute has a value.
    Present(String),
    /// Parts of a value, in order.
    Substring {
        /// Attribute, as written.
        attribute: String,
        /// The parts between the stars; an empty first or last one leaves that end open.
        parts: Vec<Vec<u8>>,
    },
    /// A named matching rule.
    Extensible {
        /// Attribute, when one is named.
        attribute: Option<String>,
        /// `:dn` is given.
        dn: bool,
        /// The rule's OID or name, when one is named.
        rule: Option<String>,
        /// Assertion value, unescaped.
        value: Vec<u8>,
    },
}

/// How an attribute is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `=`, without case.
    Equal,
    /// `~=`, judged like `=` here.
    Approx,
    /// `>=`, as numbers where both are, else as text without case.
    AtLeast,
    /// `<=`, likewise.
    AtMost,
}

impl Comparison {
    const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Approx => "~=",
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
        }
    }
}

/// Why a text is not a filter.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{says} at character {position}")]
pub struct FilterError {
    /// Counted in characters, the first is 1.
    pub position: usize,
    /// What is wrong there.
    pub says: String,
}

impl Filter {
    /// Reads a filter; spaces around the parts are tolerated.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut reader = Reader { text, at: 0 };
        reader.spaces();
        let filter = reader.filter(0)?;
        reader.spaces();
        if reader.at < text.len() {
            return Err(reader.error("there is text after the filter's last `)`"));
        }
        Ok(filter)
    }

    /// The attributes it names, as written, without options.
    pub fn attributes(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.collect(&mut names);
        names
    }

    fn collect<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|filter| filter.collect(names)),
            Self::Not(filter) => filter.collect(names),
            Self::Compare { attribute, .. } | Self::Present(attribute) | Self::Substring { attribute, .. } => {
                names.insert(attribute.split(';').next().unwrap_or(attribute));
            }
            Self::Extensible { attribute, .. } => names.extend(attribute.as_deref()),
        }
    }

    /// Whether an entry matches; `lookup` gives the values of an attribute by its name as written here.
    ///
    /// `None` when it cannot be said here: an unknown matching rule, or bits of an attribute that is missing; and,
    /// or and not treat it by three-valued logic (RFC 4511, 4.5.1.7).
    pub fn matches<'v>(&self, lookup: &dyn Fn(&str) -> Vec<&'v [u8]>) -> Option<bool> {
        match self {
            Self::And(all) => join(all.iter().map(|filter| filter.matches(lookup)), false),
            Self::Or(any) => join(any.iter().map(|filter| filter.matches(lookup)), true),
            Self::Not(filter) => filter.matches(lookup).map(|matches| !matches),
            Self::Present(attribute) => Some(!lookup(attribute).is_empty()),
            Self::Compare { attribute, how, value } => {
                Some(lookup(attribute).iter().any(|candidate| compare(*how, candidate, value)))
            }
            Self::Substring { attribute, parts } => {
                let parts: Vec<String> = parts.iter().map(|part| text(part)).collect();
                Some(lookup(attribute).iter().any(|candidate| contains_parts(&text(candidate), &parts)))
            }
            Self::Extensible { attribute: Some(attribute), dn: false, rule, value } => {
                let candidates = lookup(attribute);
                match rule.as_deref() {
                    None => Some(candidates.iter().any(|candidate| compare(Comparison::Equal, candidate, value))),
                    Some(BIT_AND) => bits(&candidates, value, |has, asked| has & asked == asked),
                    Some(BIT_OR) => bits(&candidates, value, |has, asked| has & asked != 0),
                    Some(_) => None,
                }
            }
            Self::Extensible { .. } => None,
        }
    }
}

/// `decisive` decides the whole; without it, one unknown part makes the whole unknown.
fn join(parts: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut whole = Some(!decisive);
    for part in parts {
        match part {
            Some(value) if value == decisive => return Some(decisive),
            None => whole = None,
            Some(_) => {}
        }
    }
    whole
}

/// A value as it is compared: folded, without outer spaces; other bytes than UTF-8 stand for themselves.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => fold(text),
        Err(_) => value.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

fn compare(how: Comparison, candidate: &[u8], asserted: &[u8]) -> bool {
    let ordering = match (number(candidate), number(asserted)) {
        (Some(a), Some(b)) if !matches!(how, Comparison::Equal | Comparison::Approx) => a.cmp(&b),
        _ => text(candidate).trim().cmp(text(asserted).trim()),
    };
    match how {
        Comparison::Equal | Comparison::Approx => ordering.is_eq(),
        Comparison::AtLeast => ordering.is_ge(),
        Comparison::AtMost => ordering.is_le(),
    }
}

fn contains_parts(candidate: &str, parts: &[String]) -> bool {
    let [first, middle @ .., last] = parts else { return false };
    let Some(mut rest) = candidate.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        match rest.split_once(part.as_str()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

fn bits(candidates: &[&[u8]], asserted: &[u8], holds: fn(i64, i64) -> bool) -> Option<bool> {
    let asked = number(asserted)?;
    let has: Vec<i64> = candidates.iter().map(|candidate| number(candidate)).collect::<Option<_>>()?;
    (!has.is_empty()).then(|| has.iter().any(|has| holds(*has, asked)))
}

/// An assertion value written so that it stands for itself in a filter (RFC 4515, section 3).
pub fn escape(value: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(value.len());
    match std::str::from_utf8(value) {
        Ok(text) => {
            for c in text.chars() {
                match c {
                    '*' | '(' | ')' | '\\' => {
                        let _ = write!(out, "\\{:02x}", u32::from(c));
                    }
                    c if c.is_ascii_control() => {
                        let _ = write!(out, "\\{:02x}", u32::from(c));
                    }
                    c => out.push(c),
                }
            }
        }
        Err(_) => {
            for byte in value {
                let _ = write!(out, "\\{byte:02x}");
            }
        }
    }
    out
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, sign: &str, all: &[Self]| {
            write!(f, "({sign}")?;
            all.iter().try_for_each(|filter| filter.fmt(f))?;
            f.write_str(")")
        };
        match self {
            Self::And(all) => list(f, "&", all),
            Self::Or(any) => list(f, "|", any),
            Self::Not(filter) => write!(f, "(!{filter})"),
            Self::Compare { attribute, how, value } => write!(f, "({attribute}{}{})", how.sign(), escape(value)),
            Self::Present(attribute) => write!(f, "({attribute}=*)"),
            Self::Substring { attribute, parts } => {
                let parts: Vec<String> = parts.iter().map(|part| escape(part)).collect();
                write!(f, "({attribute}={})", parts.join("*"))
            }
            Self::Extensible { attribute, dn, rule, value } => {
                write!(f, "({}", attribute.as_deref().unwrap_or_default())?;
                if *dn {
                    f.write_str(":dn")?;
                }
                if let Some(rule) = rule {
                    write!(f, ":{rule}")?;
                }
                write!(f, ":={})", escape(value))
            }
        }
    }
}

/// What the name of an attribute is made of.
fn is_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, says: impl Into<String>) -> FilterError {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        FilterError { position: before.chars().count() + 1, says: says.into() }
    }

    fn spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} filters are nested")));
        }
        if !self.eat("(") {
            return Err(self.error("expected `(`"));
        }
        self.spaces();
        let filter = if self.eat("&") {
            Filter::And(self.list(depth)?)
        } else if self.eat("|") {
            Filter::Or(self.list(depth)?)
        } else if self.eat("!") {
            self.spaces();
            Filter::Not(Box::new(self.filter(depth + 1)?))
        } else {
            self.item()?
        };
        self.spaces();
        if !self.eat(")") {
            return Err(self.error("expected `)`"));
        }
        Ok(filter)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, FilterError> {
        let mut all = Vec::new();
        self.spaces();
        while self.rest().starts_with('(') {
            all.push(self.filter(depth + 1)?);
            self.spaces();
        }
        Ok(all)
    }

    /// So much of the text as has only such characters.
    fn run(&mut self, fits: fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let run = rest.get(..rest.find(|c| !fits(c)).unwrap_or(rest.len())).unwrap_or_default();
        self.at += run.len();
        run
    }

    /// A name, or an OID in numbers (RFC 4512, 1.4).
    fn oid(&mut self, what: &str) -> Result<&'a str, FilterError> {
        let start = self.at;
        let number = |part: &str| !part.is_empty() && (part == "0" || !part.starts_with('0'));
        let fits = match self.rest().chars().next() {
            Some('0'..='9') => self.run(|c| c.is_ascii_digit() || c == '.').split('.').all(number),
            Some(first) if first.is_ascii_alphabetic() => !self.run(is_key).is_empty(),
            _ => false,
        };
        if fits {
            return Ok(self.text.get(start..self.at).unwrap_or_default());
        }
        self.at = start;
        Err(self.error(format!("expected {what}")))
    }

    /// An attribute with its options (RFC 4512, 2.5): no server could be asked for anything else.
    fn attribute(&mut self) -> Result<String, FilterError> {
        let start = self.at;
        self.oid("an attribute")?;
        while self.eat(";") {
            if self.run(is_key).is_empty() {
                return Err(self.error("expected an option after `;`"));
            }
        }
        Ok(self.text.get(start..self.at).unwrap_or_default().to_owned())
    }

    fn item(&mut self) -> Result<Filter, FilterError> {
        if self.rest().starts_with(':') {
            return self.extensible(None);
        }
        let attribute = self.attribute()?;
        self.spaces();
        if self.rest().starts_with(':') {
            return self.extensible(Some(attribute));
        }
        for how in [Comparison::Approx, Comparison::AtLeast, Comparison::AtMost] {
            if self.eat(how.sign()) {
                return Ok(Filter::Compare { attribute, how, value: self.value()?.concat() });
            }
        }
        if !self.eat("=") {
            return Err(self.error("expected `=`, `>=`, `<=`, `~=` or `:=` after the attribute"));
        }
        let mut parts = self.parts()?;
        let stars = parts.len() - 1;
        if parts.iter().skip(1).rev().skip(1).any(Vec::is_empty) {
            return Err(self.error("there are two `*` side by side in the value; write one"));
        }
        if stars == 1 && parts.iter().all(Vec::is_empty) {
            return Ok(Filter::Present(attribute));
        }
        Ok(match (stars, parts.pop()) {
            (0, value) => Filter::Compare { attribute, how: Comparison::Equal, value: value.unwrap_or_default() },
            (_, last) => {
                parts.extend(last);
                Filter::Substring { attribute, parts }
            }
        })
    }

    fn extensible(&mut self, attribute: Option<String>) -> Result<Filter, FilterError> {
        let dn = self.rest().get(..3).is_some_and(|start| start.eq_ignore_ascii_case(":dn"))
            && self.rest().get(3..4).is_some_and(|next| next == ":");
        if dn {
            self.at += 3;
        }
        let mut rule = None;
        if !self.eat(":=") {
            if !self.eat(":") {
                return Err(self.error("expected `:=`"));
            }
            let start = self.at;
            let name = self.oid("a matching rule")?;
            // ldap3 takes the beginning for the sign that DNs count too, and could not send it.
            if name.starts_with("dn") {
                self.at = start;
                return Err(self.error("a matching rule whose name begins with `dn` is written by its OID"));
            }
            rule = Some(name.to_owned());
            if !self.eat(":=") {
                return Err(self.error("expected `:=` after the matching rule"));
            }
        }
        if attribute.is_none() && rule.is_none() {
            return Err(self.error("expected an attribute or a matching rule"));
        }
        Ok(Filter::Extensible { attribute, dn, rule, value: self.value()?.concat() })
    }

    /// A value without stars.
    fn value(&mut self) -> Result<Vec<Vec<u8>>, FilterError> {
        let start = self.at;
        let parts = self.parts()?;
        if parts.len() > 1 {
            self.at = start;
            return Err(self.error("`*` has to be written as `\\2a` in this value"));
        }
        Ok(parts)
    }

    /// A value up to the closing bracket, cut at its stars.
    fn parts(&mut self) -> Result<Vec<Vec<u8>>, FilterError> {
        let mut parts = vec![];
        let mut part = vec![];
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.error("the filter ends inside a value; expected `)`"));
            };
            match c {
                ')' => break,
                '(' => return Err(self.error("`(` has to be written as `\\28` in a value")),
                '*' => parts.push(std::mem::take(&mut part)),
                '\\' => {
                    let hex = self.rest().get(1..3).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
                    let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                    part.push(byte.ok_or_else(|| self.error("expected two hexadecimal digits after `\\`"))?);
                    self.at += 2;
                }
                c => part.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            self.at += c.len_utf8();
        }
        parts.push(part);
        Ok(parts)
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
