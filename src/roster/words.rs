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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_everything_else_is_many() {
        let people = |n| counted(n, "person", "people");
        assert_eq!([0, 1, 2, 1_000].map(people), ["0 people", "1 person", "2 people", "1,000 people"]);
    }
}
