//! The mapped fields of a person, kept small enough for a million people.

use std::fmt;
use std::sync::Arc;

/// Which field: one of the fixed columns, or one of the configured `extra` ones.
///
/// The number is only meaningful together with the [`FieldNames`] of the running configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FieldId(u8);

impl FieldId {
    /// The name a person signs in with (U7).
    pub const USERNAME: Self = Self(0);
    /// AD's userPrincipalName.
    pub const USER_PRINCIPAL_NAME: Self = Self(1);
    /// The name as shown.
    pub const DISPLAY_NAME: Self = Self(2);
    /// First name.
    pub const GIVEN_NAME: Self = Self(3);
    /// Family name.
    pub const SURNAME: Self = Self(4);
    /// Phone at home.
    pub const HOME_PHONE: Self = Self(5);
    /// Mobile phone.
    pub const MOBILE: Self = Self(6);
    /// Company.
    pub const COMPANY: Self = Self(7);
    /// Department.
    pub const DEPARTMENT: Self = Self(8);
    /// Notes (AD: `info`).
    pub const NOTES: Self = Self(9);
    /// The fixed columns in order, as `roster_users` and `[users.attributes]` name them.
    pub const COLUMNS: [&'static str; 10] = [
        "username",
        "user_principal_name",
        "display_name",
        "given_name",
        "surname",
        "home_phone",
        "mobile",
        "company",
        "department",
        "notes",
    ];

    /// Every fixed field, in order of column.
    pub fn fixed() -> impl Iterator<Item = Self> {
        (0..Self::COLUMNS.len()).filter_map(|n| u8::try_from(n).ok().map(Self))
    }

    /// The column of `roster_users` this field has; `None` for extra fields.
    pub fn column(self) -> Option<&'static str> {
        Self::COLUMNS.get(usize::from(self.0)).copied()
    }

    /// Position among the fixed columns, or among the extra names.
    pub fn position(self) -> usize {
        let number = usize::from(self.0);
        number.checked_sub(Self::COLUMNS.len()).unwrap_or(number)
    }
}

/// What a mapped attribute is used for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AttributeUse {
    /// A field takes its value.
    Field(FieldId),
    /// Addresses come from it.
    Addresses,
    /// A disabled test looks at it.
    Disabled,
}

/// The names of the configured extra fields (`[users.attributes.extra]`), in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNames(Vec<Arc<str>>);

impl FieldNames {
    /// How many extra fields a configuration may have.
    pub const MAX_EXTRA: usize = 240;

    /// Names in any order; sorted and without repeats afterwards, those beyond [`Self::MAX_EXTRA`] are left out
    /// (the configuration refuses them before).
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut names: Vec<Arc<str>> = names.into_iter().map(|name| Arc::from(name.as_ref())).collect();
        names.sort();
        names.dedup();
        names.truncate(Self::MAX_EXTRA);
        Self(names)
    }

    /// The id of an extra field by its name in `[users.attributes.extra]`.
    pub fn extra(&self, name: &str) -> Option<FieldId> {
        let at = self.0.iter().position(|known| &**known == name)?;
        u8::try_from(at + FieldId::COLUMNS.len()).ok().map(FieldId)
    }

    /// The id of a field by column name or extra name.
    pub fn id(&self, name: &str) -> Option<FieldId> {
        FieldId::fixed().find(|id| id.column() == Some(name)).or_else(|| self.extra(name))
    }

    /// The name operators see: the column, or the key in `extra`.
    pub fn name(&self, id: FieldId) -> &str {
        id.column().or_else(|| self.0.get(id.position()).map(|name| &**name)).unwrap_or("?")
    }

    /// All extra names with their ids.
    pub fn extras(&self) -> impl Iterator<Item = (FieldId, &str)> {
        self.0.iter().filter_map(|name| Some((self.extra(name)?, &**name)))
    }
}

/// Values by field, in one allocation: sorted by field, then by value, without repeats.
///
/// A directory field can have several values; a stored one has at most one.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// For each value the number of its field and its length, each as a character, and the value.
    text: Box<str>,
}

impl Fields {
    /// Takes values in any order; those of more than a million octets are left out (the reader of the directory refuses
    /// such entries before).
    pub fn new<S: AsRef<str>>(values: impl IntoIterator<Item = (FieldId, S)>) -> Self {
        let mut values: Vec<(FieldId, S)> = values.into_iter().collect();
        values.sort_by(|(a, x), (b, y)| (a, x.as_ref()).cmp(&(b, y.as_ref())));
        values.dedup_by(|(a, x), (b, y)| a == b && x.as_ref() == y.as_ref());
        let mut text = String::with_capacity(values.iter().map(|(_, value)| 4 + value.as_ref().len()).sum());
        for (FieldId(id), value) in &values {
            let value = value.as_ref();
            if let Some(length) = length_mark(value.len()) {
                text.extend([char::from(*id), length]);
                text.push_str(value);
            }
        }
        Self { text: text.into_boxed_str() }
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = (FieldId, &str)> {
        let mut rest = &*self.text;
        std::iter::from_fn(move || {
            let mut marks = rest.chars();
            let id = u8::try_from(marks.next()?).ok()?;
            let length = marked_length(marks.next()?);
            let (value, after) = marks.as_str().split_at_checked(length)?;
            rest = after;
            Some((FieldId(id), value))
        })
    }

    /// The values of one field, smallest first.
    pub fn values(&self, id: FieldId) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(field, _)| *field == id).map(|(_, value)| value)
    }

    /// The smallest value of one field.
    pub fn first(&self, id: FieldId) -> Option<&str> {
        self.values(id).next()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What no character may be (Unicode, D71).
const SURROGATES: std::ops::Range<u32> = 0xD800..0xE000;

fn length_mark(length: usize) -> Option<char> {
    let length = u32::try_from(length).ok()?;
    char::from_u32(if length < SURROGATES.start { length } else { length.checked_add(SURROGATES.len() as u32)? })
}

fn marked_length(mark: char) -> usize {
    let mark = u32::from(mark);
    (if mark < SURROGATES.start { mark } else { mark - SURROGATES.len() as u32 }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_field_in_order() {
        let names = FieldNames::new(["cost_center", "badge"]);
        let badge = names.extra("badge").unwrap();
        let fields = Fields::new([(badge, "7"), (FieldId::NOTES, "b"), (FieldId::NOTES, "a"), (FieldId::NOTES, "b")]);
        assert_eq!(fields.values(FieldId::NOTES).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(fields.first(badge), Some("7"));
        assert_eq!(fields.first(FieldId::MOBILE), None);
        assert_eq!(names.name(badge), "badge");
        assert_eq!(names.id("notes"), Some(FieldId::NOTES));
    }
    #[test]
    fn values_of_any_length_come_out_as_they_went_in() {
        for length in [0, 1, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdfff, 0xe000, 0x10000, 1_000_000] {
            let long = "ü".repeat(length / 2) + "x".repeat(length % 2).as_str();
            let last = FieldId(u8::MAX);
            let fields = Fields::new([(FieldId::USERNAME, "ada"), (FieldId::NOTES, long.as_str()), (last, "x")]);
            let expected = [(FieldId::USERNAME, "ada"), (FieldId::NOTES, long.as_str()), (last, "x")];
            assert_eq!(fields.iter().collect::<Vec<_>>(), expected);
        }
        assert_eq!(
            Fields::new([(FieldId::NOTES, "x".repeat(1 << 21)), (FieldId::MOBILE, "1".to_owned())]).iter().count(),
            1
        );
    }
}
