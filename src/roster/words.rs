//! Numbers in sentences: thousands apart, one and many.

/// A number with its thousands apart: `12,345`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The word for one, or that for any other number.
pub const fn plural<'w>(n: u64, one: &'w str, many: &'w str) -> &'w str {
    if n == 1 { one } else { many }
}

/// `1 person`, `2 people`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), plural(n, one, many))
}

/// What text is sorted by where people read it: numbers by what they are worth, so that `p2` comes before `p10`.
pub fn natural(text: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(digits);
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(end);
        parts.push((word.to_owned(), number.parse().unwrap_or(if number.is_empty() { 0 } else { u64::MAX })));
        rest = after;
    }
    parts
}

/// An error with everything that caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let says = next.to_string();
        // A transparent error repeats its source's words, others quote them; the number of an error adds nothing.
        let bare = says.split(" (os error").next().unwrap_or(&says).to_lowercase();
        if !text.to_lowercase().contains(&bare) {
            text.push_str(": ");
            text.push_str(&says);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_sorted_by_what_they_are_worth() {
        let mut names = ["p10", "p2", "q1", "p", "p2a", "p99999999999999999999999", "7up", "2b1"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["2b1", "7up", "p", "p2", "p2a", "p10", "p99999999999999999999999", "q1"]);
    }

    #[test]
    fn one_is_one_and_everything_else_is_many() {
        let people = |n| counted(n, "person", "people");
        assert_eq!([0, 1, 2, 1_000].map(people), ["0 people", "1 person", "2 people", "1,000 people"]);
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the directory")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("connection refused")]
        struct Inner;
        assert_eq!(chain(&Outer(Inner)), "cannot read the directory: connection refused");
        assert_eq!(chain(&Inner), "connection refused");
    }
}
