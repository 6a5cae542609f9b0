//! What the end-to-end tests stand on: the servers they were given, the built program, and the Python programs that fill tables and
//! compare what arrived.
//!
//! Servers come from `cargo xtask services` through environment variables. A test whose server is missing says so and passes; where
//! `CI=true`, it fails.

mod process;
mod program;
mod relay;

pub use process::{Running, until};
pub use program::{Program, python, python_in_background, try_python};
pub use relay::Relay;

/// Returns the value of an environment variable that names a server, or `None` if this machine has none.
///
/// # Panics
///
/// Where `CI=true`, if it is not set: there every server must be.
pub fn server(test: &str, variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} needs {variable}");
        #[expect(clippy::print_stderr, reason = "the convention by which xtask names what was skipped")]
        {
            eprintln!("skipped: {test} needs {variable}");
        }
    }
    value
}
