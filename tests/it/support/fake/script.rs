//! What goes wrong, where in a conversation, and how often it did.

use std::sync::Arc;

use super::tree::{Tree, names};

/// An operation of a client.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Operation {
    Connect,
    Bind,
    #[default]
    Search,
}

/// Where something happens; what is not given may be anything.
#[derive(Clone, Default, Debug)]
pub struct At {
    pub operation: Operation,
    /// The base of the search.
    pub base: Option<String>,
    /// Only searches below their base, not those of a base object alone; or the other way round.
    pub below: Option<bool>,
    /// The page, from 1; a search without paging is page 1.
    pub page: Option<usize>,
    /// After so many entries of the page, or all if there are fewer.
    pub entries: usize,
}

impl At {
    /// The connection itself.
    pub fn connect() -> Self {
        Self { operation: Operation::Connect, ..Self::default() }
    }

    /// The bind.
    pub fn bind() -> Self {
        Self { operation: Operation::Bind, ..Self::default() }
    }

    /// Searches below a base.
    pub fn below(base: &str) -> Self {
        Self { base: Some(base.to_owned()), below: Some(true), ..Self::default() }
    }

    /// Searches of a base object alone.
    pub fn object(base: &str) -> Self {
        Self { base: Some(base.to_owned()), below: Some(false), ..Self::default() }
    }

    pub fn page(self, page: usize) -> Self {
        Self { page: Some(page), ..self }
    }

    pub fn entries(self, entries: usize) -> Self {
        Self { entries, ..self }
    }

    fn is_here(&self, here: &Here<'_>) -> bool {
        self.operation == here.operation
            && self.base.as_ref().is_none_or(|base| names(base) == names(here.base))
            && self.below.is_none_or(|below| below == here.below)
            && self.page.is_none_or(|page| page == here.page)
    }
}

/// Where a conversation is.
#[derive(Clone, Copy, Default, Debug)]
pub struct Here<'a> {
    pub operation: Operation,
    pub base: &'a str,
    pub below: bool,
    pub page: usize,
}

/// Changes the directory, or anything else, while a client waits.
pub type Change = Arc<dyn Fn(&mut Tree) + Send + Sync>;

/// What goes wrong.
#[derive(Clone)]
pub enum Act {
    /// The connection ends.
    Close,
    /// It ends in the middle of a message.
    Tear,
    /// Nothing more is said.
    Stall,
    /// The operation ends with this code and text.
    Answer(u32, &'static str),
    /// Success, without any entry, and without another page.
    Nothing,
    /// Entries of these names are not shown.
    Hide(Vec<String>),
    /// These attributes are not shown.
    Without(Vec<&'static str>),
    /// The first entry of the first page comes once more, at the end of the last one.
    Twice,
    /// A continuation reference comes along.
    Refer(&'static str),
    /// The cookie of every page is that of the first one, so that the second page comes again and again.
    SameCookie,
    /// The answer bears no paging control.
    NoControl,
    /// Every page begins from the start.
    FromTheStart,
    /// Something is changed before the operation is looked at.
    Do(Change),
}

/// One thing that goes wrong.
pub struct Rule {
    pub at: At,
    pub act: Act,
    /// How often it may happen.
    pub left: usize,
}

/// All that goes wrong.
#[derive(Default)]
pub struct Script {
    pub rules: Vec<Rule>,
    /// How often anything did.
    pub fired: usize,
}

impl Script {
    /// What happens here, with the number of entries after which it does.
    pub fn fire(&mut self, here: &Here<'_>) -> Vec<(usize, Act)> {
        let mut acts = Vec::new();
        for rule in self.rules.iter_mut().filter(|rule| rule.left > 0 && rule.at.is_here(here)) {
            rule.left -= 1;
            self.fired += 1;
            acts.push((rule.at.entries, rule.act.clone()));
        }
        acts
    }
}
