//! Which addresses of a service are safe to speak to.

use url::{Host, Url};

/// Returns whether nobody reads along on the way to an address: it is `https://`, or `http://` to this machine.
pub fn is_safe(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        let safe = |url: &str| is_safe(&Url::parse(url).unwrap());
        for url in ["https://example.com", "http://127.0.0.1:8000", "http://[::1]", "http://localhost:1"] {
            assert!(safe(url), "{url}");
        }
        for url in
            ["http://example.com", "http://localhost.example.com", "http://10.0.0.1", "ftp://localhost", "file:///x"]
        {
            assert!(!safe(url), "{url}");
        }
    }
}
