//! Distinguished names.
use crate::roster::Digest;
/// placeholder
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dn;
impl Dn {
    /// d
    pub fn digest(&self) -> Digest {
        Digest::of("")
    }
}
