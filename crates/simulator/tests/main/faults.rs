//! Faults as the SDK sees them.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use commutator_simulator::{Fault, Faults, Operation, Quirks, Simulator};

use crate::client::{Clients, code, credentials, item, orders};

#[tokio::test]
async fn every_fault_shows_as_what_it_is() {
    let simulator = Simulator::new(0);
    let table = simulator.create_table(orders()).unwrap();
    for i in 0..100 {
        table.put(item(i)).unwrap();
    }
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let scan = || clients.dynamodb.scan().table_name("orders").send();
    for (fault, expected) in [
        (Fault::Throttle, "ProvisionedThroughputExceededException"),
        (Fault::ThrottleAccount, "ThrottlingException"),
        (Fault::InternalError, "InternalServerError"),
        (Fault::Unavailable, "ServiceUnavailable"),
        (Fault::ExpiredToken, "ExpiredTokenException"),
    ] {
        simulator.set_faults(Faults::none().at_call(Operation::Scan, 1, fault));
        assert_eq!(code(&scan().await.unwrap_err()), expected);
        assert_eq!(scan().await.unwrap().count, 100);
    }
    for fault in [Fault::Disconnect, Fault::CutBody, Fault::MalformedJson, Fault::TruncatedJson] {
        simulator.set_faults(Faults::none().at_call(Operation::Scan, 1, fault));
        let error = scan().await.unwrap_err();
        let expected = match fault {
            Fault::Disconnect => matches!(error, SdkError::DispatchFailure(_)),
            Fault::CutBody => matches!(error, SdkError::ResponseError(_)),
            // So says the SDK of a success that it cannot read.
            _ => error.as_service_error().is_some_and(|error| error.meta().code().is_none()),
        };
        assert!(expected, "{fault:?}: {error:?}");
        assert_eq!(scan().await.unwrap().count, 100);
    }
    for fault in [Fault::Slow(Duration::from_millis(1)), Fault::WrongCrc, Fault::ClockSkew(-900)] {
        simulator.set_faults(Faults::none().at_call(Operation::Scan, 1, fault));
        assert_eq!(scan().await.unwrap().count, 100, "the SDK minds none of these: {fault:?}");
    }
    let injected = simulator.injected();
    assert_eq!(injected.len(), 12);
    assert!(injected.iter().all(|((operation, _), count)| (*operation, *count) == (Operation::Scan, 1)));
}

#[tokio::test]
async fn the_checksum_is_right_unless_it_is_a_fault() {
    let simulator = Simulator::new(0);
    simulator.create_table(orders()).unwrap().put(item("a")).unwrap();
    let server = simulator.serve().await.unwrap();
    let ask = || async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut connection = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
        let body = r#"{"TableName":"orders"}"#;
        let request = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: DynamoDB_20120810.Scan\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let sent = head.lines().find_map(|line| line.strip_prefix("x-amz-crc32: ")).unwrap().parse::<u32>().unwrap();
        let date = head.lines().find_map(|line| line.strip_prefix("date: ")).unwrap().to_owned();
        (sent == crc32fast::hash(body.as_bytes()), date)
    };
    assert_eq!(ask().await, (true, "Wed, 01 Jan 2025 00:00:00 GMT".to_owned()));
    simulator.set_faults(Faults::none().at_call(Operation::Scan, 1, Fault::WrongCrc));
    assert!(!ask().await.0);
    simulator.set_faults(Faults::none().at_call(Operation::Scan, 1, Fault::ClockSkew(3_600)));
    assert_eq!(ask().await, (true, "Wed, 01 Jan 2025 01:00:00 GMT".to_owned()));
}

#[tokio::test]
async fn who_tries_again_gets_everything() {
    let mut kinds = BTreeSet::new();
    for seed in 0..4 {
        let simulator = Simulator::builder(seed).quirks(Quirks::wild()).build();
        let table = simulator.create_table(orders()).unwrap();
        for i in 0..200 {
            table.put(item(i)).unwrap();
        }
        simulator.set_faults(Faults::transient(0.08).randomly(Operation::Scan, Fault::TruncatedJson, 0.05));
        let server = simulator.serve().await.unwrap();
        let clients = Clients::with(&server.url(), credentials("AKID", "secret", None), 20);
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = clients.dynamodb.scan().table_name("orders").set_exclusive_start_key(after.clone()).send().await;
            let page = match page {
                Ok(page) => page,
                // The SDK does not try again after an answer that it cannot read.
                Err(error) if error.as_service_error().is_some_and(|error| error.meta().code().is_none()) => continue,
                Err(error) => panic!("seed {seed}: {error:?}"),
            };
            ids.extend(page.items.unwrap_or_default().into_iter().map(|item| item["id"].as_s().unwrap().clone()));
            after = page.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 200, "seed {seed}");
        kinds.extend(simulator.injected().into_keys().map(|(_, kind)| kind));
    }
    assert!(kinds.len() > 4, "{kinds:?}");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_was_done() {
    let simulator = Simulator::new(0);
    let table = simulator.create_table(orders()).unwrap();
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let plan = Faults::none().at_call(Operation::DeleteItem, 1, Fault::Disconnect).at_call(
        Operation::DeleteItem,
        2,
        Fault::InternalError,
    );
    simulator.set_faults(plan);
    for id in ["a", "b"] {
        table.put(item(id)).unwrap();
        let key = aws_sdk_dynamodb::types::AttributeValue::S(id.to_owned());
        clients.dynamodb.delete_item().table_name("orders").key("id", key).send().await.unwrap_err();
    }
    assert_eq!(table.items().unwrap(), [item("b")]);
}

#[tokio::test]
async fn a_server_that_comes_back_goes_on() {
    let simulator = Simulator::new(0);
    simulator.create_table(orders()).unwrap();
    let server = simulator.serve().await.unwrap();
    let (url, port) = (server.url(), server.port());
    let clients = Clients::new(&url);
    assert!(clients.dynamodb.list_tables().send().await.is_ok());
    server.stop().await;
    assert!(matches!(clients.dynamodb.list_tables().send().await, Err(SdkError::DispatchFailure(_))));
    let _server = simulator.serve_at(port).await.unwrap();
    assert!(clients.dynamodb.list_tables().send().await.is_ok());
}

#[tokio::test]
async fn a_hook_acts_at_exact_points() {
    let simulator = Simulator::builder(0).quirks(Quirks { scan_page_bytes: 1, ..Quirks::default() }).build();
    let table = simulator.create_table(orders()).unwrap();
    for i in 0..10 {
        table.put(item(i)).unwrap();
    }
    simulator.on_request(|simulator, operation| {
        if operation == Operation::Scan && simulator.requests(Operation::Scan) == 3 {
            for item in simulator.table("orders").items().unwrap() {
                simulator.table("orders").delete(&item).unwrap();
            }
        }
    });
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let pages = clients.dynamodb.scan().table_name("orders").into_paginator().send();
    let pages: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.count).sum::<i32>(), 3, "the fourth page finds nothing left");
}
