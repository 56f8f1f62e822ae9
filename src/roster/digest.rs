//! 128-bit digests that stand for longer values in indexes and fingerprints.

use std::fmt;

/// The first 128 bits of a BLAKE3 hash.
///
/// Collisions cannot be made on purpose by whoever writes into the directory, so equal digests mean equal values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u64; 2]);

impl Digest {
    /// Digest of one byte string.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *blake3::hash(bytes.as_ref()).as_bytes();
        Self::from_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// From the 16 bytes that [`Digest::to_bytes`] gave; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_bytes(bytes.try_into().ok()?))
    }

    /// Half of it, for sorting where a rare coincidence does no harm.
    pub fn short(self) -> u64 {
        let [first, _] = self.0;
        first
    }

    /// The written form, as the store keeps it.
    pub fn to_bytes(self) -> [u8; 16] {
        let [first, second] = self.0;
        ((u128::from(first) << 64) | u128::from(second)).to_be_bytes()
    }

    // Two halves, because a u128 is aligned to 16 octets and makes everything that holds one larger.
    fn from_bytes(bytes: [u8; 16]) -> Self {
        let all = u128::from_be_bytes(bytes);
        Self([(all >> 64) as u64, all as u64])
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.0;
        write!(f, "{first:016x}{second:016x}")
    }
}

/// Builds a [`Digest`] from several parts; parts cannot run into each other.
#[derive(Clone, Default)]
pub struct Digester(Vec<u8>);

impl Digester {
    /// Adds one part, marked with its length.
    pub fn part(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// The digest of all parts so far.
    pub fn finish(&self) -> Digest {
        Digest::of(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let digest = |parts: &[&str]| {
            let mut digester = Digester::default();
            for part in parts {
                digester.part(part);
            }
            digester.finish()
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(Digest::from_slice(&digest(&["x"]).to_bytes()), Some(digest(&["x"])));
    }
}
