//! The program `sim`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sim::cli::main()
}
