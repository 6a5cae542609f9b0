//! What `plan --sql` shows is what is sent: a relay between the destination and the server notes every statement.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use commutator_conformance::sql::{Table, item, put, remove, seen, target};
use commutator_conformance::{Change, Value};
use commutator_core::schema::plan;
use commutator_core::{CommitOutline, Destination, Epoch, Op, OrderKey, SyncMode, TableSchema, Target};
use commutator_destination_postgres::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Server, fresh};

type Sent = Arc<Mutex<BTreeSet<String>>>;

/// Starts a relay to the server and returns its port, and the set of statements that go through it.
async fn relay(to: (String, u16)) -> (u16, Sent) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sent = Sent::default();
    let noted = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect((to.0.as_str(), to.1)).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            let noted = Arc::clone(&noted);
            tokio::spawn(async move { forward(&mut from_client, to_server, &noted).await });
        }
    });
    (port, sent)
}

/// Forwards messages of the frontend (documentation, "Message Formats"), and notes the text of `Query` and `Parse`.
async fn forward(
    from: &mut (impl AsyncReadExt + Unpin),
    mut to: impl AsyncWriteExt + Unpin,
    sent: &Mutex<BTreeSet<String>>,
) -> std::io::Result<()> {
    // The first message has no type.
    let mut has_type = false;
    loop {
        let kind = if has_type { Some(from.read_u8().await?) } else { None };
        let length = from.read_u32().await?;
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        from.read_exact(&mut body).await?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.split(|&byte| byte == 0).next().unwrap().to_vec()).unwrap();
        let statement = match kind {
            Some(b'Q') => Some(text(&body)),
            // The statement's name stands before it.
            Some(b'P') => body.iter().position(|&byte| byte == 0).map(|end| text(&body[end + 1..])),
            _ => None,
        };
        sent.lock().unwrap().extend(statement.filter(|statement| !statement.is_empty()));
        if let Some(kind) = kind {
            to.write_u8(kind).await?;
        }
        to.write_u32(length).await?;
        to.write_all(&body).await?;
        has_type = true;
    }
}

/// Returns the configuration by which a destination comes through the relay, and what goes through it.
async fn relayed(server: &Server) -> (Config, Sent) {
    let parsed: tokio_postgres::Config = server.url().parse().unwrap();
    let tokio_postgres::config::Host::Tcp(host) = &parsed.get_hosts()[0] else { panic!("the server has a port") };
    let port = parsed.get_ports()[0];
    let (own, sent) = relay((host.clone(), port)).await;
    let through = server.url().replace(&format!("{host}:{port}"), &format!("127.0.0.1:{own}"));
    let config = Config::from_url(format!("{through}?sslmode=disable"));
    (Config { schema: server.schema().to_owned(), ..config }, sent)
}

fn shown(outline: &CommitOutline) -> BTreeSet<String> {
    outline.statements.iter().map(|statement| statement.text.clone()).collect()
}

#[tokio::test]
async fn what_is_shown_is_what_is_sent() {
    for mode in [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append] {
        let Some(server) = fresh("what_is_shown_is_what_is_sent") else { return };
        let (config, sent) = relayed(&server).await;
        let destination = config.connect().await.unwrap();
        let target = Target { mode, ..target("t") };
        live(&destination, &target).await;

        let schema = |price: &str| {
            let changes = [put(1, 1, [("price", Value::number(price)), ("name", Value::text("x"))])];
            commutator_conformance::batch(&target.keys, &changes).unwrap().schema().as_ref().clone()
        };
        let (first, second): (TableSchema, TableSchema) = (schema("1"), schema("1.5"));
        let created = destination.outline(&target, &plan(None, &first).unwrap());
        // The page on this destination says so.
        let per_commit = match mode {
            SyncMode::Mirror | SyncMode::SoftDelete => (7, 8),
            SyncMode::History => (8, 8),
            SyncMode::Append => (5, 5),
        };
        assert_eq!(created.statements_per_commit(), per_commit, "{mode}");
        let widened = destination.outline(&target, &plan(Some(&first), &second).unwrap());
        let shown: BTreeSet<String> = shown(&created).union(&shown(&widened)).cloned().collect();

        let sent = sent.lock().unwrap().clone();
        let unseen: Vec<_> = sent.difference(&shown).collect();
        assert!(unseen.is_empty(), "{mode}: sent and not shown: {unseen:#?}");
        // Nothing here changes a mode, has a key that is too long, or meets a key again in its first snapshot.
        let rare = ["SET mode =", "_ct_key", "pg_constraint", "ROLLBACK TO SAVEPOINT", "CREATE INDEX ON", "DROP INDEX"];
        let unsent: Vec<_> =
            shown.difference(&sent).filter(|shown| !rare.iter().any(|rare| shown.contains(rare))).collect();
        assert!(unsent.is_empty(), "{mode}: shown and not sent: {unsent:#?}");
    }
}

/// A table's life in which everything happens that depends on something.
async fn live(destination: &dyn Destination, target: &Target) {
    let of = |price: &str| [("price", Value::number(price)), ("name", Value::text("x"))];
    let mut table = Table::try_open(destination, target.clone()).await.unwrap();
    table.commit(&[seen(1, of("1")), seen(2, of("2"))]).await;
    table.commit(&[put(5, 2, of("2"))]).await;
    table.commit(&[remove(2, 3)]).await;
    table.commit(&[put(4, 3, of("2"))]).await;
    table.commit(&[remove(1, 4), put(3, 5, of("1.5"))]).await;
    table.try_commit_all(&[&[remove(4, 6)]], true).await.unwrap();
    table.commit(&[remove(5, 7)]).await;
    table.checkpoint = table.checkpoint.next_epoch(|_| true);
    let again = |id| Change::new(vec![Value::int(id)], OrderKey::snapshot(Epoch(2)), Op::Snapshot, item(of("2.5")));
    table.try_commit_all(&[&[again(3)]], true).await.unwrap();
}
