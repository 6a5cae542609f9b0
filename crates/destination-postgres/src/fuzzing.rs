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
    let marked = b"hunter2-hunter2";
    let (shown, is_password) = match Settings::resolve(&Config::from_url(text), |_| None) {
        Ok(settings) => (format!("{settings:?} {}", settings.display), settings.server.get_password() == Some(marked)),
        Err(error) => {
            let places = ["postgres://me:hunter2-hunter2@", "password=hunter2-hunter2 "];
            (format!("{error:?} {}", error.report()), places.iter().any(|place| text.starts_with(place)))
        }
    };
    if is_password && text.matches("hunter2").count() == 2 && !text.contains(['%', '\\']) {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
