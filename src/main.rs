//! From arguments to an exit status; everything else is in the library.

use std::process::ExitCode;

/// A first sync makes and drops millions of small pieces; the system's allocator takes a quarter of its time for that.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    rosterd::cli::main(std::env::args_os())
}
