//! The `commutator` program.

fn main() -> std::process::ExitCode {
    commutator_cli::main(std::env::args_os())
}
