//! What can go wrong between us and a directory server.
pub use std::io::Error as DirectoryError; // placeholder: replaced by the directory's own error type
