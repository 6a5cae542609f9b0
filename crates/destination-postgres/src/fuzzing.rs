//! What the fuzz targets call.

use crate::Config;
use crate::config::{Settings, round_trip};

/// Holds that the settings of a connection string are printed and parsed as the same ones, and that a password in it is never shown.
///
/// # Panics
///
/// If that does not hold.
pub fn connection(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    round_trip(text);
    let shown = match Settings::resolve(&Config::from_url(text), |_| None) {
        Ok(settings) => format!("{settings:?} {}", settings.display),
        Err(error) => format!("{error:?} {}", error.report()),
    };
    let as_password = ["password=hunter2-hunter2", ":hunter2-hunter2@"].iter().any(|place| text.contains(place));
    if as_password && text.matches("hunter2").count() == 2 && !text.contains(['%', '\\']) {
        // A second `@` makes what stands before it part of the name.
        assert!(!shown.contains("hunter2-hunter2") || text.matches('@').count() > 1, "{shown}");
    }
}
