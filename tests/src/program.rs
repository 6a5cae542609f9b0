//! The built `commutator`, and the Python programs beside these tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::Running;

/// The built program with a configuration file in a folder of its own.
#[derive(Debug)]
pub struct Program {
    folder: tempfile::TempDir,
    binary: PathBuf,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Program {
    /// Writes the configuration; the program is built if it was not.
    ///
    /// # Panics
    ///
    /// If there is no temporary folder, or the program cannot be built.
    pub fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("commutator.toml"), config).expect("a file in it");
        Self { folder, binary: binary(), variables: Vec::new() }
    }

    /// Sets an environment variable for the program.
    pub fn variable(&mut self, name: &'static str, value: &Path) {
        self.variables.push((name, value.to_owned()));
    }

    /// Returns the folder that the program runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Runs the program to its end with more environment variables.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        self.command(arguments).envs(variables.iter().copied()).output().expect("the program starts")
    }

    /// Runs the program to its end and returns what it printed.
    ///
    /// # Panics
    ///
    /// If it does not succeed.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "commutator {arguments:?}: {}\n{out}\n{err}", output.status);
        out.into_owned()
    }

    /// Starts the program; its log goes to `log` in its folder, after what is there.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    /// Starts the program with more environment variables.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(log);
        Running::new(command.spawn().expect("the program starts"))
    }

    /// Runs the program to its end with a limit on the size of each file that it writes, in blocks of 512 bytes.
    ///
    /// # Panics
    ///
    /// If there is no shell.
    pub fn run_limited(&self, arguments: &[&str], blocks: u32) -> Output {
        // Without the trap the system ends the program instead of refusing the write.
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limited]).arg(&self.binary).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).output().expect("there is a shell")
    }

    /// Returns what every started program logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.envs(self.variables.iter().cloned());
        command
    }
}

/// Returns the program that `COMMUTATOR_TEST_BINARY` names, or else the built one, which lies beside the folder of the test binaries.
fn binary() -> PathBuf {
    static BUILT: std::sync::Once = std::sync::Once::new();
    if let Some(path) = std::env::var_os("COMMUTATOR_TEST_BINARY") {
        return path.into();
    }

    let test = std::env::current_exe().expect("a running program has a path");
    let path = test.parent().and_then(Path::parent).expect("test binaries lie two folders deep").join("commutator");
    BUILT.call_once(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // The whole workspace's features, as when its tests are built: otherwise every dependency is built once more.
        build.args(["build", "--quiet", "--locked", "--workspace", "--bin", "commutator"]);
        if cfg!(feature = "duckdb") {
            let features = "commutator-cli/duckdb,commutator-destination-duckdb/linked,commutator-tests/duckdb";
            build.args(["--features", features]);
        }
        let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
        assert!(status.expect("cargo is there").success(), "the program does not build");
    });
    path
}

/// Runs one of the Python programs to its end and returns what it printed.
///
/// # Panics
///
/// If it does not succeed.
pub fn python(program: &str, arguments: &[&str]) -> String {
    try_python(program, arguments).unwrap_or_else(|said| panic!("{program} {arguments:?}: {said}"))
}

/// Runs one of the Python programs to its end and returns what it printed, as an error if it does not succeed.
///
/// # Panics
///
/// If it cannot be started.
pub fn try_python(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = command(program, arguments).output().expect("Python starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(out.into_owned()) } else { Err(format!("{}\n{out}\n{err}", output.status)) }
}

/// Starts one of the Python programs; its standard output can be read.
///
/// # Panics
///
/// If it cannot be started.
pub fn python_in_background(program: &str, arguments: &[&str]) -> Running {
    Running::new(command(program, arguments).stdout(Stdio::piped()).spawn().expect("Python starts"))
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let python = std::env::var("COMMUTATOR_TEST_PYTHON").expect("COMMUTATOR_TEST_PYTHON was checked before");
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(program)).args(arguments);
    command
}
