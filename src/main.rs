//! From arguments to an exit status; everything else is in the library.

fn main() {}
