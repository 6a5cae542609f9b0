//! The least that a client can do: HTTP without a framework, a signature, the checksum, and our decoder.

use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::{Bytes, BytesMut};
use commutator_core::{Column, LogicalType};
use commutator_source_dynamodb::bench::PageDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{ACCESS_KEY, Done, REGION, SEGMENTS};
use crate::dataset::{KEY, TABLE};

/// Scans and drops the batches.
pub(super) async fn arrow(url: &str) -> Result<Done> {
    let host = url.trim_start_matches("http://").to_owned();
    let mut segments = JoinSet::new();
    for segment in 0..SEGMENTS {
        segments.spawn(scan(host.clone(), segment));
    }
    let mut rows = 0;
    while let Some(segment) = segments.join_next().await {
        rows += segment??;
    }
    Ok(Done { rows, bytes: 0 })
}

async fn scan(host: String, segment: u32) -> Result<u64> {
    let (mut connection, driver) = handshake::<_, Full<Bytes>>(TokioIo::new(TcpStream::connect(&host).await?)).await?;
    tokio::spawn(driver);
    let credentials = Credentials::from_keys(ACCESS_KEY, ACCESS_KEY, None);
    let mut decoder = PageDecoder::new(vec![Column::key(KEY, LogicalType::Text)]);
    let (mut rows, mut after) = (0, String::new());
    loop {
        let body = format!(
            r#"{{"TableName":"{TABLE}","Segment":{segment},"TotalSegments":{SEGMENTS},"ReturnConsumedCapacity":"TOTAL"{after}}}"#
        );
        let page = send(&mut connection, request(&host, body, &credentials)?).await?;
        for batch in decoder.scan_page(&page)? {
            rows += u64::try_from(batch.len())?;
        }
        // The key stands at the very end, before the brace that closes the page.
        let Some(at) = memmem::rfind(&page, b"\"LastEvaluatedKey\":") else { return Ok(rows) };
        let key = std::str::from_utf8(&page[at + b"\"LastEvaluatedKey\":".len()..page.len() - 1])?;
        after = format!(r#","ExclusiveStartKey":{key}"#);
    }
}

fn request(host: &str, body: String, credentials: &Credentials) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::post("/")
        .header("host", host)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDB_20120810.Scan")
        .body(())?;
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("dynamodb")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
    let url = format!("http://{host}/");
    let signable = SignableRequest::new("POST", url, headers, SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    Ok(request.map(|()| Full::new(body.into())))
}

async fn send(connection: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<Bytes> {
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    ensure!(response.status().is_success(), "{}", response.status());
    let header = |name: &str| response.headers().get(name)?.to_str().ok()?.parse::<usize>().ok();
    let (crc, length) = (header("x-amz-crc32").context("no checksum")?, header("content-length").unwrap_or(0));
    let mut body = response.into_body();
    let mut page = BytesMut::with_capacity(length);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            page.extend_from_slice(&data);
        }
    }
    ensure!(usize::try_from(crc32fast::hash(&page))? == crc, "a page does not match its checksum");
    Ok(page.freeze())
}
