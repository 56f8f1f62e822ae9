//! RFC 4515 filters.
