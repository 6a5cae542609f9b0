//! Free loopback ports, and the check that a server listens nowhere else.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::process::Process;
use crate::cache::hexadecimal;

/// What SeaweedFS adds to a port to get the one for its gRPC; its option to choose another does not reach all its parts.
pub(super) const RPC_OFFSET: u16 = 10_000;

/// `N` ports on which nobody listens, nor [`RPC_OFFSET`] above. Linux hands out none of them to clients (it starts at 32768).
pub(crate) fn free<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let found = (0..1_000).find_map(|_| {
            let random = u16::from_le_bytes(random_bytes::<2>().ok()?);
            let port = 12_000 + random % 10_000;
            let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
            Some((port, bind(port)?, bind(port + RPC_OFFSET)?))
        });
        let (number, http, rpc) = found.context("no free port between 12000 and 22000")?;
        *port = number;
        held.push((http, rpc));
    }
    Ok(ports)
}

/// A password or key: `2 * N` random hexadecimal digits.
pub(crate) fn secret<const N: usize>() -> Result<String> {
    Ok(hexadecimal(&random_bytes::<N>()?))
}

fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The status that a server answers to `GET path`, if it answers.
pub(crate) fn http_status(port: u16, path: &str) -> Option<u16> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let mut stream = TcpStream::connect_timeout(&address.into(), Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).ok()?;
    std::str::from_utf8(&start).ok()?.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

/// Fails if the process accepts connections on anything but the loopback interface. Only Linux can tell.
pub(crate) fn require_loopback(process: &Process) -> Result<()> {
    let folder = format!("/proc/{}", process.pid);
    let Ok(descriptors) = fs::read_dir(format!("{folder}/fd")) else { return Ok(()) };
    let sockets: Vec<String> = descriptors
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("{folder}/net/{table}")).unwrap_or_default();
        if let Some(address) = exposed(&text, &sockets) {
            bail!("it listens on {address} (hexadecimal), not only on the loopback interface");
        }
    }
    Ok(())
}

/// The first listening address of these sockets in `/proc/net/tcp` or `tcp6` that others can reach.
fn exposed(table: &str, sockets: &[String]) -> Option<String> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (*fields.get(1)?, *fields.get(3)?, *fields.get(9)?);
        let (address, _) = local.split_once(':')?;
        let loopback = match address.len() {
            8 => address.ends_with("7F"),
            _ => {
                address == "00000000000000000000000001000000"
                    || (address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F"))
            }
        };
        (state == LISTEN && !loopback && sockets.iter().any(|socket| socket == inode)).then(|| local.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ() {
        let [a, b, c] = free::<3>().unwrap();
        assert!(a != b && b != c && a != c);
    }

    #[test]
    fn secrets_have_their_length() {
        assert_eq!(secret::<12>().unwrap().len(), 24);
        assert_ne!(secret::<12>().unwrap(), secret::<12>().unwrap());
    }

    #[test]
    fn reads_the_status_of_an_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _request = stream.read(&mut [0; 512]).unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap();
        });
        assert_eq!(http_status(port, "/"), Some(403));
        server.join().unwrap();
        assert_eq!(http_status(port, "/"), None);
    }

    #[test]
    fn tells_wildcards_from_loopback() {
        let line = |local: &str, state: &str| {
            format!("head\n 0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 42 1\n")
        };
        let mine = ["42".to_owned()];
        for local in ["0100007F:1F90", "00000000000000000000000001000000:1F90", "0000000000000000FFFF00000100007F:1F90"]
        {
            assert_eq!(exposed(&line(local, "0A"), &mine), None, "{local}");
        }
        for local in ["00000000:1F90", "020200C0:1F90", "00000000000000000000000000000000:1F90"] {
            assert_eq!(exposed(&line(local, "0A"), &mine), Some(local.to_owned()));
            assert_eq!(exposed(&line(local, "01"), &mine), None, "connected, not listening");
            assert_eq!(exposed(&line(local, "0A"), &["7".to_owned()]), None, "another process's");
        }
    }
}
