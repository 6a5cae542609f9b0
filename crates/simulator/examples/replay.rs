//! Measures how fast pages are replayed: `cargo run --release -p commutator-simulator --example replay [connections] [seconds]`.
//!
//! The server has a thread of its own, whose processor time is told; the clients only count bytes.

use std::io;
use std::time::{Duration, Instant};

use commutator_simulator::{Item, Replay};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let connections: u64 = arguments.next().unwrap_or(2);
    let seconds: u64 = arguments.next().unwrap_or(5);
    let page = |page: i64| {
        let item = |row: i64| {
            let fields = (0..10).map(|field| (format!("attribute_{field}"), "x".repeat(80)));
            let item = Item::new().with("id", format!("{page}/{row}")).with("n", row);
            fields.fold(item, |item, (name, value)| item.with(name, value))
        };
        (0..1_000).map(item).collect::<Vec<_>>()
    };
    let scan = Replay::scan("orders", "id", (0..8).map(page), u64::MAX >> 20);
    let stream = Replay::stream("orders", "id", (0..8).map(page), 0, (connections, u64::MAX >> 20));
    for (what, replay) in [("Scan", scan), ("GetRecords", stream)] {
        let (address, server) = std::sync::mpsc::channel();
        std::thread::spawn(move || -> io::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let server = replay.serve().await?;
                address.send((server.port(), processor_time_file())).map_err(io::Error::other)?;
                std::future::pending().await
            })
        });
        let (port, file) = server.recv().map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (before, start) = (processor_time(&file), Instant::now());
        let until = start + Duration::from_secs(seconds);
        let bytes = runtime.block_on(async {
            let clients: Vec<_> = (0..connections).map(|n| tokio::spawn(read(port, what, n, until))).collect();
            let mut bytes = 0;
            for client in clients {
                bytes += client.await??;
            }
            Ok::<_, io::Error>(bytes)
        })?;
        let (wall, used) = (start.elapsed().as_secs_f64(), processor_time(&file) - before);
        let gigabytes = f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) * 1024.0 / 1e9;
        #[expect(clippy::print_stdout, reason = "this is what the example is for")]
        {
            println!(
                "{what}: {connections} connections, {gigabytes:.2} GB in {wall:.2} s = {:.2} GB/s, {:.2} GB per second of the \
                 server's processor time",
                gigabytes / wall,
                gigabytes / used
            );
        }
    }
    Ok(())
}

/// Asks for page after page; returns how many bytes came.
async fn read(port: u16, what: &'static str, client: u64, until: Instant) -> io::Result<u64> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    let service = if what == "Scan" { "DynamoDB" } else { "DynamoDBStreams" };
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    for page in 0.. {
        if Instant::now() > until {
            break;
        }
        let body = if what == "Scan" {
            format!(
                r#"{{"Segment":{client},"TotalSegments":64,"ExclusiveStartKey":{{"id":{{"S":"page#{page:05}"}}}}}}"#
            )
        } else {
            format!(r#"{{"ShardIterator":"shard#{client}/page#{page:05}"}}"#)
        };
        let request = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: {service}_20120810.{what}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await?;
        let mut left: Option<usize> = None;
        while left != Some(0) {
            let got = connection.read(&mut buffer).await?;
            bytes += u64::try_from(got).map_err(io::Error::other)?;
            left = Some(if let Some(left) = left { left - got } else { announced(&buffer[..got])? - got });
        }
    }
    Ok(bytes)
}

/// Returns how many bytes an answer has, head and body.
fn announced(start: &[u8]) -> io::Result<usize> {
    let head = memchr::memmem::find(start, b"\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let text = String::from_utf8_lossy(&start[..head]);
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    Ok(head + 4 + length.ok_or(io::ErrorKind::InvalidData)?)
}

/// The file that tells the processor time of the calling thread.
fn processor_time_file() -> String {
    let link = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    format!("/proc/{}/schedstat", link.display())
}

/// Seconds that a thread has run; Linux only.
fn processor_time(file: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let nanoseconds: f64 = text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN);
    nanoseconds / 1e9
}
