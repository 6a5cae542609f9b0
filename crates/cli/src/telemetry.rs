//! Log lines on standard error, above the progress bars if there are any.

use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressDrawTarget};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::{Global, LogFormat};

/// What other libraries say is of no interest unless it is a warning.
const OURS_AT_INFO: &str = "warn,commutator=info,commutator_cli=info,commutator_pipeline=info,commutator_source_dynamodb=info,\
                            commutator_destination_bigquery=info,commutator_destination_duckdb=info,commutator_destination_parquet=info,\
                            commutator_destination_postgres=info,commutator_destination_redshift=info,commutator_destination_snowflake=info,\
                            commutator_warehouse=info";

/// Starts logging and returns where progress bars can be drawn.
///
/// `quiet` leaves out what is not a warning, unless `-v` asks for it; `RUST_LOG` replaces both.
pub(crate) fn start(global: Global, quiet: bool) -> MultiProgress {
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let filter = match global.verbose {
        0 if quiet => "warn",
        0 => OURS_AT_INFO,
        1 => "info,commutator=debug,commutator_cli=debug,commutator_pipeline=debug,commutator_source_dynamodb=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(AboveBars(bars.clone()));
    // A second start, such as in tests, keeps the first.
    let _started = match global.log_format {
        LogFormat::Text => builder.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    bars
}

/// Writes whole lines while the bars are out of the way.
#[derive(Debug, Clone)]
struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
