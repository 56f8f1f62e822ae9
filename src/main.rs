//! From arguments to an exit status; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    rosterd::cli::main(std::env::args_os())
}
