//! A configuration for a directory that was looked at: what differs from the defaults, and beside it what was found.

use std::fmt::Write as _;

use super::render::quoted;
use super::siblings::USUAL_STORE;
use crate::clock::Timestamp;
use crate::directory::survey::{ALIASES, Found, IDS, NAMES, People, Survey, Why};
use crate::directory::{CertificateInfo, DirectoryError, Kind, PAGE_SIZE, ServerUrl, SourceUrl};
use crate::roster::Domain;
use crate::roster::words::{counted, number, plural};

/// Where comments stand beside keys.
const COLUMN: usize = 40;
/// The longest line.
const WIDTH: usize = 118;
/// Domains that are listed by themselves, at most; with more of them, it is not up to a list.
const DOMAINS: usize = 50;

/// `source.name` where nothing is said.
pub(super) const DEFAULT_NAME: &str = "default";

/// What a person decides, and no directory says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choices {
    /// `source.name`; from the base where it is not given.
    pub name: Option<String>,
    /// `source.bind_password_file`; `None` without an account.
    pub password_file: Option<String>,
    /// `domains.managed`; empty: those that were found.
    pub domains: Vec<Domain>,
    /// `store.url`; `None` for the usual place.
    pub store: Option<String>,
    /// When it was made.
    pub now: Timestamp,
}

impl Choices {
    /// `source.name`.
    pub fn source_name(&self, survey: &Survey) -> String {
        self.name.clone().or_else(|| name_of(&survey.base.dn)).unwrap_or_else(|| DEFAULT_NAME.to_owned())
    }
}

/// The text of a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// The file.
    pub text: String,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// Writes the configuration for a directory. `passed` are the ways to the server that were tried before, and did not do.
pub fn proposal(survey: &Survey, passed: &[DirectoryError], choices: &Choices) -> Proposal {
    let mut page = Page::default();
    let url = survey.settings.urls.first().map(ToString::to_string).unwrap_or_default();
    let day = choices.now.to_string();
    page.remark(&format!(
        "Configuration of rosterd for {url}, made by `rosterd init` on {} (UTC).",
        day.get(..10).unwrap_or_default()
    ));
    page.remark(
        "A line that begins with \"# key =\" shows what holds without it. Beside the keys stands what was found that day; \
         docs/configuration.md explains them all.",
    );
    source(&mut page, survey, passed, choices);
    users(&mut page, survey);
    attributes(&mut page, survey);
    disabled(&mut page, survey);
    groups(&mut page, survey);
    domains(&mut page, &survey.people, &choices.domains);
    page.table("deletion");
    page.unset("delay", &quoted("14d"), "who left loses access at once, and is deleted after this time");
    page.text.push('\n');
    page.line("# [[schedule]]");
    page.unset("every", &quoted("6h"), "how often the daemon reads the directory; cron = … for fixed times");
    page.table("store");
    match &choices.store {
        Some(url) => page.set("url", &quoted(url), ""),
        None => page.unset("url", &quoted(USUAL_STORE), "or postgres://rosterd@host/database"),
    }
    page.finish()
}

#[derive(Default)]
struct Page {
    text: String,
    warnings: Vec<String>,
}

impl Page {
    /// One line, whatever a server has put into it.
    fn line(&mut self, text: &str) {
        self.text.extend(text.trim_end().chars().filter(|c| !c.is_control()));
        self.text.push('\n');
    }

    fn table(&mut self, name: &str) {
        self.text.push('\n');
        self.line(&format!("[{name}]"));
    }

    /// A comment of its own, folded.
    fn remark(&mut self, says: &str) {
        let mut line = String::from("#");
        for word in says.split(' ').filter(|word| !word.is_empty()) {
            if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > 1 {
                self.line(&line);
                line = String::from("#");
            }
            // Writing to a String cannot fail.
            let _ = write!(line, " {word}");
        }
        self.line(&line);
    }

    /// The same, and on the screen.
    fn warn(&mut self, says: &str) {
        self.remark(&format!("(!) {says}"));
        self.warnings.push(says.to_owned());
    }

    fn beside(&mut self, key: &str, why: &str) {
        let long = key.chars().count().max(COLUMN) + why.chars().count() + 3 > WIDTH;
        if long && !why.is_empty() {
            self.remark(why);
        }
        let why = if long || why.is_empty() { String::new() } else { format!(" # {why}") };
        self.line(&format!("{key:<COLUMN$}{why}"));
    }

    /// A key that differs from its default.
    fn set(&mut self, key: &str, value: &str, why: &str) {
        self.beside(&format!("{key} = {value}"), why);
    }

    /// A key with its default.
    fn unset(&mut self, key: &str, value: &str, why: &str) {
        self.beside(&format!("# {key} = {value}"), why);
    }

    fn finish(self) -> Proposal {
        Proposal { text: self.text, warnings: self.warnings }
    }
}

fn list<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

fn source(page: &mut Page, survey: &Survey, passed: &[DirectoryError], choices: &Choices) {
    let (settings, about) = (&survey.settings, &survey.about);
    page.table("source");
    let name = choices.source_name(survey);
    let keep = "its name in the store; give it once and keep it";
    match &*name {
        DEFAULT_NAME => page.unset("name", &quoted(DEFAULT_NAME), keep),
        name => page.set("name", &quoted(name), keep),
    }
    let vendor = if about.vendor.is_empty() { "a server that does not say what it is" } else { &about.vendor };
    page.set("urls", &list(settings.urls.iter().map(ToString::to_string)), vendor);
    transport(page, survey, passed);
    match &choices.password_file {
        Some(file) => {
            let known = match &about.authorized_as {
                Some(who) => format!("the server knows it as `{who}`"),
                None => "the server accepted it".to_owned(),
            };
            page.set("bind_dn", &quoted(settings.bind.account()), &known);
            page.set("bind_password_file", &quoted(file), "its password, one line; chmod 600");
        }
        None => {
            let who = about.authorized_as.as_deref().unwrap_or("who it does not say");
            page.unset("bind_dn", "\"\"", &format!("SASL EXTERNAL; the server knows us as {who}"));
        }
    }
    let why = match survey.base.why {
        Why::Given => "given",
        Why::Default => "the server's default naming context",
        Why::Only => "the server's only naming context",
        Why::People => "the only naming context with people in it",
        Why::Account => "the naming context of the account; nobody is in any",
    };
    page.set("base_dn", &quoted(&survey.base.dn), why);
    page.unset(
        "kind",
        &quoted("auto"),
        &format!("`{}`, recognised by what the server says of itself", about.kind.as_str()),
    );
    match settings.page_size {
        0 => page.set("page_size", "0", "the server cannot page: everything comes in one search"),
        PAGE_SIZE => page.unset("page_size", &PAGE_SIZE.to_string(), "the server pages"),
        size => page.set("page_size", &size.to_string(), "the server refuses larger pages"),
    }
    let inside: Vec<&String> = survey.people.found.references.union(&survey.groups.references).collect();
    if !inside.is_empty() {
        page.warn(
            "The server refers to other servers for a part of the directory. Nobody there is read; with these lines runs are \
             complete without them. Give that part a source of its own, or another server that has it.",
        );
        page.set("outside", &list(inside), "");
    }
}

fn transport(page: &mut Page, survey: &Survey, passed: &[DirectoryError]) {
    let (settings, about) = (&survey.settings, &survey.about);
    let shown = |certificate: &Option<CertificateInfo>| match certificate {
        Some(one) => format!("{one}, issued by `{}`", one.issuer),
        None => "TLS".to_owned(),
    };
    let url = settings.urls.first();
    let tls = |url: &SourceUrl| matches!(url, SourceUrl::Server(ServerUrl::Ldaps { .. }) | SourceUrl::Domain(_));
    let secure = settings.starttls || url.is_some_and(tls);
    match url {
        Some(SourceUrl::Server(ServerUrl::Ldap { .. })) if settings.starttls => {
            page.set("starttls", "true", &shown(&about.certificate));
        }
        Some(SourceUrl::Server(ServerUrl::Ldap { .. })) => {
            for error in passed {
                page.remark(&format!("TLS was tried first: {error}"));
            }
            if settings.cleartext {
                page.warn("The password and all that is read travel over the network in clear text.");
                page.set("cleartext", "true", "given; better is TLS on the server");
            } else {
                let distrusted = |error| matches!(error, &DirectoryError::Tls { certificate: Some(_), .. });
                if passed.iter().any(distrusted) {
                    page.warn(
                        "The server offers TLS, but its certificate is not trusted, so the password and all that is read \
                         travel in clear text, on this host only. To use TLS, name its CA with --ca-file.",
                    );
                }
                page.unset("starttls", "false", "without TLS, but nothing leaves this host");
            }
        }
        Some(url) if tls(url) => page.remark(&format!("TLS: {}.", shown(&about.certificate))),
        _ => {}
    }
    match &settings.ca_file {
        Some(file) if secure => {
            page.set("ca_file", &quoted(&file.to_string_lossy()), "given; the certificate was issued by a CA in it")
        }
        _ if secure => page.unset("ca_file", "\"\"", "the certificate was issued by a CA that this system trusts"),
        _ => {}
    }
}

/// A name for the source: the first word of the base.
fn name_of(base: &str) -> Option<String> {
    let (_, rest) = base.split_once('=')?;
    let value = rest.split([',', '+']).next()?.trim();
    let plain = value.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    (plain && !value.is_empty()).then(|| value.to_lowercase())
}

/// Where entries are, the fullest place first.
fn places(found: &Found) -> String {
    const SHOWN: usize = 5;
    let mut list: Vec<String> =
        found.places.iter().take(SHOWN).map(|(place, count)| format!("{} under {place}", number(*count))).collect();
    if found.places.len() > SHOWN {
        list.push(format!(
            "the others in {}",
            counted((found.places.len() - SHOWN) as u64, "more place", "more places")
        ));
    }
    list.join(", ")
}

fn bases(page: &mut Page, found: &Found, bases: &[String], base_dn: &str, kind: Kind) {
    let free_ipa = kind == Kind::FreeIpa && !bases.is_empty();
    match (bases, found.read) {
        (_, _) if free_ipa => page.set("base_dns", &list(bases), "where FreeIPA keeps them"),
        ([], 0) => page.unset("base_dns", &list([base_dn]), ""),
        ([], _) => page.unset("base_dns", &list([base_dn]), &places(found)),
        _ => page.set("base_dns", &list(bases), "all that were found are here"),
    }
}

fn users(page: &mut Page, survey: &Survey) {
    let people = &survey.people;
    let (found, base) = (&people.found, &survey.base.dn);
    page.table("users");
    if let Some(trouble) = &found.trouble {
        page.warn(&format!(
            "Not everybody could be read, and no run will be complete until that is settled: {trouble}"
        ));
    }
    if found.read == 0 {
        page.warn(&format!(
            "Nobody was found under `{base}`: people may be of other classes (correct filter), elsewhere (correct base_dns), \
             hidden from the account (let it read them), or not there yet."
        ));
    }
    bases(page, found, &people.bases, base, survey.about.kind);
    let least = if found.whole { "" } else { "at least " };
    let finds = format!("finds {least}{}", counted(found.read, "person", "people"));
    if people.other_filter {
        page.set("filter", &quoted(&found.filter), &format!("{finds}; the usual one finds nobody"));
    } else {
        page.unset("filter", &quoted(&found.filter), &finds);
    }
    if people.others > 0 {
        let more = number(people.others);
        let says = plural(
            people.others,
            "entry of another class does not match and is",
            "entries of other classes do not match and are",
        );
        page.remark(&format!("{more} {says} left out: accounts of services, or people who need a wider filter."));
    }
    if people.disabled > 0 {
        let is = plural(people.disabled, "is", "are");
        page.remark(&format!("Of them {} {is} disabled in the directory and not added.", number(people.disabled)));
    }
    if people.unreadable > 0 {
        page.warn(&format!(
            "{} of them cannot be understood and will be skipped; `rosterd sync` says why.",
            number(people.unreadable)
        ));
    }
    if people.without > 0 {
        let says = format!("{} without a usable address, left out; \"optional\" takes them in", number(people.without));
        page.unset("address", &quoted("required"), &says);
    }
}

/// How many have an attribute, in words.
fn share(people: &People, attribute: &str) -> String {
    match (people.having(attribute), people.found.read) {
        (_, 0) => String::new(),
        (0, _) => "nobody has it, or the account may not read it".to_owned(),
        (all, read) if all == read => "everybody".to_owned(),
        (some, read) => format!("{} of {}", number(some), number(read)),
    }
}

/// Of attributes that would do the one that most people have; none where nobody has any.
fn most<'a>(people: &People, attributes: &[&'a str]) -> Option<&'a str> {
    let most = attributes.iter().map(|one| people.having(one)).max().filter(|most| *most > 0)?;
    attributes.iter().copied().find(|one| people.having(one) == most)
}

/// The unique id where that of the kind is nobody's: another one that servers give, else the name if everybody has one.
fn unique_id<'a>(people: &People, default: &str, username: &'a str) -> Option<&'a str> {
    if people.found.read == 0 || people.having(default) > 0 {
        return None;
    }
    most(people, IDS).or_else(|| (people.having(username) == people.found.read).then_some(username))
}

fn attributes(page: &mut Page, survey: &Survey) {
    let people = &survey.people;
    let defaults = survey.about.kind.defaults();
    let usual = defaults.attribute("username").unwrap_or_default();
    let missing = people.found.read > 0 && people.having(usual) == 0;
    let other_name = if missing { most(people, NAMES) } else { None };
    let usual_id = defaults.attribute("unique_id").unwrap_or_default();
    let other_id = unique_id(people, usual_id, other_name.unwrap_or(usual));
    page.text.push('\n');
    page.beside("[users.attributes]", "by kind of directory; how many of the people found have each");
    match other_id {
        Some(id) => page.set("unique_id", &quoted(id), &format!("{}; nobody has {usual_id}", share(people, id))),
        None if people.found.read > 0 && people.having(usual_id) == 0 => {
            page.unset("unique_id", &quoted(usual_id), "");
            page.warn(&format!(
                "Nobody shows {usual_id}, which tells people apart for good: let the account read it, or set unique_id to an \
                 attribute that everybody has and keeps."
            ));
        }
        None => page.unset("unique_id", &quoted(usual_id), &share(people, usual_id)),
    }
    match other_name {
        Some(name) => page.set("username", &quoted(name), &format!("{}; nobody has {usual}", share(people, name))),
        None => page.unset("username", &quoted(usual), &share(people, usual)),
    }
    let more: Vec<&str> = ALIASES.iter().copied().filter(|name| people.having(name) > 0).collect();
    for (key, attribute) in defaults.attributes {
        if matches!(*key, "unique_id" | "username") || attribute.is_empty() {
            continue;
        }
        page.unset(key, &quoted(attribute), &share(people, attribute));
        if *key == "mail" {
            aliases(page, people, defaults.aliases, &more);
        }
    }
}

/// The kind's disabled tests: who writes one has to write all that are to stay (U8).
fn disabled(page: &mut Page, survey: &Survey) {
    page.text.push('\n');
    page.remark(
        "What disables somebody in this kind of directory. [[users.disabled]] replaces all of it: take the \"# \" away where \
         a test is to stay beside your own.",
    );
    for test in survey.about.kind.defaults().disabled() {
        page.line("# [[users.disabled]]");
        test.lines().iter().for_each(|line| page.line(&format!("# {line}")));
    }
}

fn aliases(page: &mut Page, people: &People, usual: &[&str], more: &[&str]) {
    let all: Vec<&str> = usual.iter().chain(more).copied().collect();
    if more.is_empty() {
        page.unset(
            "aliases",
            &list(usual),
            &usual.iter().map(|name| share(people, name)).collect::<Vec<_>>().join("; "),
        );
        return;
    }
    let shares: Vec<String> = all.iter().map(|name| format!("{name}: {}", share(people, name))).collect();
    page.set("aliases", &list(&all), &shares.join("; "));
}

fn groups(page: &mut Page, survey: &Survey) {
    let found = &survey.groups;
    page.table("groups");
    if let Some(trouble) = &found.trouble {
        page.warn(&format!(
            "Not every group could be read, and no run will be complete until that is settled: {trouble}"
        ));
    }
    bases(page, found, &survey.people.group_bases, &survey.base.dn, survey.about.kind);
    let finds = match found.read {
        0 => "finds no group".to_owned(),
        read => format!("finds {}{}", if found.whole { "" } else { "at least " }, counted(read, "group", "groups")),
    };
    page.unset("filter", &quoted(&found.filter), &finds);
    let defaults = survey.about.kind.defaults();
    let other = unique_id(&survey.people, defaults.attribute("unique_id").unwrap_or_default(), "");
    if let Some(id) = other {
        page.table("groups.attributes");
        page.set("unique_id", &quoted(id), "as for people");
    }
}

fn domains(page: &mut Page, people: &People, given: &[Domain]) {
    let mut found: Vec<(&String, &u64)> = people.domains.iter().collect();
    found.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    page.table("domains");
    if !given.is_empty() {
        let others: Vec<String> = found
            .iter()
            .filter(|(name, _)| !given.iter().any(|domain| domain.as_str() == name.as_str()))
            .map(|(name, count)| format!("{name} ({})", number(**count)))
            .collect();
        for domain in
            given.iter().filter(|domain| people.found.read > 0 && !people.domains.contains_key(domain.as_str()))
        {
            page.warn(&format!("Nobody who was found has a primary address in {domain}."));
        }
        if !others.is_empty() {
            let shown = others.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
            let rest = if others.len() > 10 { ", …" } else { "" };
            page.remark(&format!("Left out are people with primary addresses in {shown}{rest}."));
        }
        page.set("managed", &list(given.iter().map(Domain::as_str)), "given; people with other addresses stay outside");
        return;
    }
    let counts = found.iter().take(DOMAINS).map(|(name, count)| format!("{name} ({})", number(**count)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    match found.len() {
        0 => page.unset("managed", &list(["example.com"]), "an example; without it every domain is accepted"),
        1..=DOMAINS => {
            page.remark(&format!(
                "Domains of the primary addresses, with the number of people: {counts}. Take out what is not yours: people with \
                 other addresses stay outside."
            ));
            page.set("managed", &list(found.iter().map(|(name, _)| name)), "");
        }
        many => {
            let many = number(many as u64);
            page.remark(&format!("People have primary addresses in {many} domains; the most frequent are {counts}."));
            page.unset("managed", &list(["example.com"]), "an example; without it every domain is accepted");
        }
    }
}

#[cfg(test)]
#[path = "proposal_tests.rs"]
mod tests;
