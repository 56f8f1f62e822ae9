//! `[users]` and `[groups]`, checked.

use std::collections::BTreeMap;

use std::time::Duration;

use super::draft::Draft;
use super::forms;
use super::problem::Fault;
use super::typed::{Value, Values};
use crate::directory::{AttributeOverrides, DisabledTest, GroupSettings, Scope, UserSettings};
use crate::plan::policy::{GroupPolicy, OneGroup};
use crate::roster::address::fold;
use crate::roster::filter::Filter;
use crate::roster::{FieldId, FieldNames};

/// The settings of users; `None` with `users.enabled = false`.
pub fn users(draft: &mut Draft<'_>) -> Option<UserSettings> {
    draft.not_empty("users.primary", "name \"mail\", \"proxyAddresses\" or both");
    let base_dns = bases(draft, "users.base_dns");
    let attributes = attributes(draft);
    let disabled = disabled(draft);
    let values = &draft.values;
    values.flag("users.enabled").then(|| UserSettings {
        base_dns,
        scope: scope(values.text("users.scope")),
        filter: values.text("users.filter").map(str::to_owned),
        primary: values.texts("users.primary").unwrap_or_default(),
        attributes,
        disabled,
    })
}

/// The settings of groups, which mapped groups go by also with `groups.enabled = false`.
pub fn groups(draft: &mut Draft<'_>) -> GroupSettings {
    let base_dns = bases(draft, "groups.base_dns");
    draft.not_empty("groups.attributes.members", "name at least one attribute, like members = [\"member\"]");
    let values = &draft.values;
    let text = |key: &str| values.text(key).map(str::to_owned);
    GroupSettings {
        base_dns,
        scope: scope(values.text("groups.scope")),
        filter: text("groups.filter"),
        unique_id: text("groups.attributes.unique_id"),
        name: text("groups.attributes.name"),
        members: values.texts("groups.attributes.members"),
    }
}

/// How long after the deletion somebody re-created is re-linked; `None` = nobody ever is (I5).
pub fn relink_within(draft: &Draft<'_>) -> Option<Duration> {
    draft.values.time("users.relink_within").filter(|_| draft.values.text("users.relink") != Some("never"))
}

/// What memberships mean, and which groups there are (G4, G5, G6).
pub fn group_policy(draft: &mut Draft<'_>) -> GroupPolicy {
    let word = |draft: &Draft<'_>, key: &str, wanted: &str| draft.values.text(key) == Some(wanted);
    let one = word(draft, "groups.assign", "one");
    let priority: Vec<String> =
        draft.values.texts("groups.priority").unwrap_or_default().iter().map(|name| fold(name)).collect();
    let default = draft.values.text("groups.default_group").filter(|name| !name.is_empty()).map(fold);
    for (key, given) in [("groups.priority", !priority.is_empty()), ("groups.default_group", default.is_some())] {
        if given && !one {
            draft.note(
                key,
                "it says nothing with groups.assign = \"many\"",
                "set groups.assign = \"one\", or take it out",
            );
        }
    }
    GroupPolicy {
        flatten: word(draft, "groups.nested", "flatten"),
        one: one.then_some(OneGroup { priority, default }),
        drop_empty: word(draft, "groups.empty", "drop"),
    }
}

pub fn scope(text: Option<&str>) -> Scope {
    match text {
        Some("onelevel") => Scope::OneLevel,
        Some("base") => Scope::Base,
        _ => Scope::Subtree,
    }
}

fn bases(draft: &mut Draft<'_>, key: &str) -> Vec<String> {
    draft.not_empty(key, "name at least one DN, or leave the key out for source.base_dn");
    let root = draft.values.text("source.base_dn").unwrap_or_default().to_owned();
    let bases = draft.values.texts(key).unwrap_or_default();
    for base in &bases {
        if !root.is_empty() && !forms::lies_under(base, &root) {
            let says = format!("{} does not lie under source.base_dn", forms::quoted(base));
            draft.note(key, says, format!("who leaves it is looked for in it and under {} only", forms::quoted(&root)));
        }
    }
    bases
}

fn attributes(draft: &mut Draft<'_>) -> AttributeOverrides {
    const EXTRA: &str = "users.attributes.extra";
    let mut overrides =
        AttributeOverrides { aliases: draft.values.texts("users.attributes.aliases"), ..Default::default() };
    for name in FieldId::COLUMNS.into_iter().chain(["unique_id", "mail"]) {
        let key = format!("users.attributes.{name}");
        if let Some(Value::Text(attribute)) = draft.values.value(&key) {
            overrides.single.insert(name.to_owned(), attribute.clone());
        }
    }
    let extra = draft.values.named(EXTRA);
    for name in extra.keys() {
        let key = format!("{EXTRA}.{name}");
        check_name(draft, &key, name);
        if FieldId::COLUMNS.contains(&name.as_str()) {
            let remedy = format!("write {name} in [users.attributes]");
            draft.wrong(&key, "this name belongs to a field of its own", remedy);
        }
    }
    if extra.len() > FieldNames::MAX_EXTRA {
        let says = format!("there are {} extra fields", extra.len());
        draft.wrong(EXTRA, says, format!("at most {} are taken", FieldNames::MAX_EXTRA));
    }
    overrides.defaults = defaults(draft, &extra, &overrides.single);
    overrides.extra = extra.into_iter().filter(|(_, attribute)| !attribute.is_empty()).collect();
    overrides
}

/// What the directory gives is no value to begin with: the next run would take it away (U1, U2).
fn defaults(
    draft: &mut Draft<'_>,
    extra: &BTreeMap<String, String>,
    single: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let defaults = draft.values.named("users.defaults");
    for name in defaults.keys() {
        let key = format!("users.defaults.{name}");
        check_name(draft, &key, name);
        let off = single.get(name).is_some_and(String::is_empty);
        let column = FieldId::COLUMNS.contains(&name.as_str()) && !off;
        if column || extra.get(name).is_some_and(|attribute| !attribute.is_empty()) {
            let remedy = format!("take it out, or switch the field off with users.attributes.{name} = \"\"");
            draft.wrong(&key, "the directory gives this field", remedy);
        }
    }
    if extra.len() + defaults.len() > FieldNames::MAX_EXTRA {
        let says = format!("there are {} further fields", extra.len() + defaults.len());
        draft.wrong(
            "users.defaults",
            says,
            format!("at most {} are taken, extra ones included", FieldNames::MAX_EXTRA),
        );
    }
    defaults
}

/// Names of the operator's choice become keys of a JSON object that applications read.
fn check_name(draft: &mut Draft<'_>, key: &str, name: &str) {
    const MOST: usize = 64;
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !plain || name.is_empty() || name.len() > MOST {
        let remedy = format!("use 1 to {MOST} letters, digits, _ and -");
        draft.wrong(key, format!("{} cannot be the name of a field", forms::quoted(name)), remedy);
    }
}

fn disabled(draft: &mut Draft<'_>) -> Option<Vec<DisabledTest>> {
    let count = draft.values.count("users.disabled")?;
    Some((0..count).filter_map(|n| disabled_test(draft, n)).collect())
}

fn disabled_test(draft: &mut Draft<'_>, n: usize) -> Option<DisabledTest> {
    const KEY: &str = "users.disabled";
    let path = |name: &str| format!("{KEY}[{n}].{name}");
    if ["attribute", "values", "bits", "expired", "filter"].into_iter().any(|name| draft.values.is_broken(&path(name)))
    {
        return None;
    }
    let test = one_test(&draft.values, path);
    test.map_err(|fault| draft.wrong_at(Some(draft.values.place(&path("attribute"))), KEY, fault)).ok()
}

/// Exactly one test, on an attribute unless a filter names its own.
fn one_test(values: &Values, path: impl Fn(&str) -> String) -> Result<DisabledTest, Fault> {
    let names = ["values", "bits", "expired", "filter"];
    let given: Vec<&str> = names.into_iter().filter(|name| values.is_given(&path(name))).collect();
    let attribute = values.text(&path("attribute")).map(str::to_owned);
    let filter = values.text(&path("filter")).unwrap_or_default().to_owned();
    match (given.as_slice(), attribute) {
        (["filter"], None) => match Filter::parse(&filter).ok().and_then(|filter| secret_attribute(&filter)) {
            Some(name) => {
                Err(Fault::new(format!("{name} holds passwords, and those are never read"), "test another attribute"))
            }
            None => Ok(DisabledTest::Filter { filter }),
        },
        (["filter"], Some(_)) => Err(Fault::new("a filter names its attributes itself", "take out attribute")),
        ([_], None) => Err(Fault::new("the test has no attribute", "give attribute")),
        (["bits"], Some(attribute)) => Ok(DisabledTest::Bits { attribute, bits: values.number(&path("bits")) }),
        (["expired"], Some(attribute)) if values.flag(&path("expired")) => Ok(DisabledTest::Expired { attribute }),
        (["expired"], Some(_)) => {
            Err(Fault::new("expired = false tests nothing", "write expired = true, or take the test out"))
        }
        (["values"], Some(attribute)) => match values.texts(&path("values")).unwrap_or_default() {
            values if values.is_empty() => {
                Err(Fault::new("the test has no values", "give at least one, like values = [\"left\"]"))
            }
            values => Ok(DisabledTest::Values { attribute, values }),
        },
        ([], _) => Err(Fault::new("the test tests nothing", "give one of values, bits, expired, filter")),
        _ => {
            let remedy = "give one of values, bits, expired, filter, and another [[users.disabled]] for the next";
            Err(Fault::new(format!("{} are more than one test", given.join(" and ")), remedy))
        }
    }
}

/// Unlike those of a search, the filters of these tests are judged here, so that their attributes are read.
fn secret_attribute(filter: &Filter) -> Option<String> {
    filter.attributes().into_iter().find(|name| forms::holds_password(name)).map(str::to_owned)
}
