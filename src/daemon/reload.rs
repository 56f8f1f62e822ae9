//! What differs between two configurations, in the words of the file.

use crate::config::{Config, Schedule};

/// Why a running daemon cannot change over to a configuration; `None` when it can.
pub fn needs_restart(old: &Config, new: &Config) -> Option<String> {
    let refuse = |key: &str, old: &str, new: &str| {
        Some(format!("{key} cannot change from {old:?} to {new:?} while running: restart rosterd to change it"))
    };
    if old.source.name != new.source.name {
        return refuse("source.name", &old.source.name, &new.source.name);
    }
    if old.store.url != new.store.url {
        return refuse("store.url", &old.store.url, &new.store.url);
    }
    None
}

/// The keys that differ, in the order of the file.
pub fn changed(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut all = vec![("source.enabled", old.enabled != new.enabled)];
    all.extend(source(old, new));
    all.extend(users(old, new));
    all.extend(groups(old, new));
    all.extend([
        ("users.address", old.address_required != new.address_required),
        ("domains.managed", old.managed != new.managed),
        ("deletion.delay", old.delay != new.delay),
        ("deletion.disabled_delay", old.disabled_delay != new.disabled_delay),
        ("deletion.minimum", old.minimum != new.minimum),
        ("brake", old.brake != new.brake),
        ("schedule", !old.schedules.iter().map(words).eq(new.schedules.iter().map(words))),
        ("history.keep", old.history_keep != new.history_keep),
        ("log.format", old.log.format != new.log.format),
        ("log.level", old.log.level != new.log.level),
    ]);
    all.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

fn source(old: &Config, new: &Config) -> Vec<(&'static str, bool)> {
    let (old, new) = (&old.source, &new.source);
    vec![
        ("source.urls", old.urls != new.urls),
        ("source.starttls", old.starttls != new.starttls),
        ("source.cleartext", old.cleartext != new.cleartext),
        ("source.ca_file", old.ca_file != new.ca_file),
        ("source.client_cert_file", old.client_certificate != new.client_certificate),
        ("source.bind_dn", old.bind != new.bind),
        ("source.base_dn", old.base_dn != new.base_dn),
        ("source.kind", old.kind != new.kind),
        ("source.page_size", old.page_size != new.page_size),
        ("source.page_rate", old.page_rate != new.page_rate),
        ("source.connect_timeout", old.connect_timeout != new.connect_timeout),
        ("source.read_timeout", old.read_timeout != new.read_timeout),
        ("source.run_timeout", old.run_timeout != new.run_timeout),
        ("source.outside", old.outside != new.outside),
        ("source.must_see", old.must_see != new.must_see),
    ]
}

fn users(old: &Config, new: &Config) -> Vec<(&'static str, bool)> {
    let (Some(old), Some(new)) = (&old.users, &new.users) else {
        return vec![("users.enabled", old.users.is_some() != new.users.is_some())];
    };
    vec![
        ("users.base_dns", old.base_dns != new.base_dns),
        ("users.scope", old.scope != new.scope),
        ("users.filter", old.filter != new.filter),
        ("users.primary", old.primary != new.primary),
        ("users.attributes", old.attributes != new.attributes),
        ("users.disabled", old.disabled != new.disabled),
    ]
}

fn groups(old: &Config, new: &Config) -> Vec<(&'static str, bool)> {
    let (Some(old), Some(new)) = (&old.groups, &new.groups) else {
        return vec![("groups.enabled", old.groups.is_some() != new.groups.is_some())];
    };
    let attributes = (&old.unique_id, &old.name, &old.members) != (&new.unique_id, &new.name, &new.members);
    vec![
        ("groups.base_dns", old.base_dns != new.base_dns),
        ("groups.scope", old.scope != new.scope),
        ("groups.filter", old.filter != new.filter),
        ("groups.attributes", attributes),
    ]
}

fn words(schedule: &Schedule) -> (&str, &'static str, &'static str) {
    (&schedule.text, schedule.action.as_str(), schedule.timezone.name())
}
