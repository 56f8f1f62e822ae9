//! 128-bit digests that stand for longer values in indexes and fingerprints.

use std::fmt;

/// The first 128 bits of a BLAKE3 hash.
///
/// Collisions cannot be made on purpose by whoever writes into the directory, so equal digests mean equal values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u128);

impl Digest {
    /// Digest of one byte string.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Digester::default().raw(bytes.as_ref()).finish()
    }

    /// From the 16 bytes that [`Digest::to_bytes`] gave; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(u128::from_be_bytes(bytes.try_into().ok()?)))
    }

    /// Half of it, for sorting where a rare coincidence does no harm.
    pub fn short(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// The written form, as the store keeps it.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Builds a [`Digest`] from several parts; parts cannot run into each other.
#[derive(Clone, Default)]
pub struct Digester(blake3::Hasher);

impl Digester {
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// Adds one part, marked with its length.
    pub fn part(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.0.update(&(bytes.len() as u64).to_be_bytes()).update(bytes);
        self
    }

    /// The digest of all parts so far.
    pub fn finish(&self) -> Digest {
        let mut head = [0; 16];
        self.0.finalize_xof().fill(&mut head);
        Digest(u128::from_be_bytes(head))
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
