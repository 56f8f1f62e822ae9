//! The effective configuration as TOML: every key, defaults included, never a secret.

use std::fmt::Write;
use std::time::Duration;

use super::schema::{self, Default, Key};
use super::typed::{Value, Values};

/// Every table and key. Reading it again gives the same configuration.
pub fn render(values: &Values) -> String {
    let mut out = String::new();
    for table in schema::tables().into_iter().filter(|table| !table.is_empty()) {
        let keys: Vec<&Key> = schema::keys().filter(|key| key.split().0 == table).collect();
        match table.strip_suffix("[]") {
            Some(name) => {
                for n in 0..values.count(name).unwrap_or(0) {
                    head(&mut out, &format!("[[{name}]]"));
                    for key in &keys {
                        line(&mut out, key, values.value(&format!("{name}[{n}].{}", key.split().1)));
                    }
                }
            }
            None if keys.iter().all(|key| key.split().1 == "*") => {
                let named = values.named(table);
                if !named.is_empty() {
                    head(&mut out, &format!("[{table}]"));
                }
                for (name, text) in named {
                    put(&mut out, &format!("{} = {}", quoted(&name), quoted(&text)));
                }
            }
            None => {
                head(&mut out, &format!("[{table}]"));
                for key in &keys {
                    line(&mut out, key, values.value(key.path));
                }
                // No test at all is something else than the kind's own tests.
                if table == "users" && values.count("users.disabled") == Some(0) {
                    put(&mut out, "disabled = []");
                }
            }
        }
    }
    out
}

fn put(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn head(out: &mut String, text: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    put(out, text);
}

fn line(out: &mut String, key: &Key, value: Option<&Value>) {
    let (_, name) = key.split();
    match (value, key.default) {
        (Some(value), _) => put(out, &format!("{name} = {}", toml(value))),
        (None, Default::ByKind) => put(out, &format!("# {name}: by kind of directory")),
        (None, Default::Unset(means)) => put(out, &format!("# {name}: {means}")),
        (None, _) => put(out, &format!("# {name}: not set")),
    }
}

/// A text as TOML writes it.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn toml(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Percent(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Time(time) => quoted(&duration(*time)),
        Value::Never => quoted("never"),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| quoted(&item.text)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// A duration the way it is written in a configuration: "14d", "1h 30m".
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(time.subsec_millis()), "ms"),
        (u64::from(time.subsec_micros() % 1000), "us"),
        (u64::from(time.subsec_nanos() % 1000), "ns"),
    ];
    let mut text = String::new();
    for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{space}{count}{unit}");
    }
    if text.is_empty() { "0d".to_owned() } else { text }
}
