//! Named checks: can the identity be used, and can each table and its stream be read.

use aws_credential_types::provider::ProvideCredentials as _;
use commutator_core::{CheckReport, Error, ErrorKind, TableDescription, TableName};

use crate::client::{Client, From, ScanPageRequest, provider};
use crate::credentials::RefusedRole;
use crate::error::find;
use crate::source::Connected;
use crate::stream::listed_shards;
use crate::{discover, tables};

/// Runs all checks; what depends on a failed one is skipped.
pub(crate) async fn check(source: &Connected) -> CheckReport {
    let mut report = CheckReport::default();
    if !credentials(source, &mut report).await {
        report.skip("tables", "there are no credentials to ask with");
        return report;
    }
    let names = match discover::tables(&source.short, &source.config.tables).await {
        Ok(names) => names,
        Err(error) => {
            let remedy = remedy(&error, "dynamodb:ListTables on *, or name the tables without patterns");
            report.fail_with("tables", &error, remedy);
            return report;
        }
    };
    if source.config.tables.iter().any(|pattern| tables::is_pattern(pattern)) {
        report.pass("tables", format!("{} chosen", names.len()));
    }
    for name in names {
        table(source, &name, &mut report).await;
    }
    report
}

async fn credentials(source: &Connected, report: &mut CheckReport) -> bool {
    let role = source.config.assume_role.as_ref().map(|role| role.chain.last().unwrap_or(role).role_arn.clone());
    let name = role.as_ref().map_or("credentials".to_owned(), |role| format!("role {role}"));
    let provided = match provider(&source.aws) {
        Ok(provider) => provider.provide_credentials().await.map_err(|error| match find::<RefusedRole>(&error) {
            Some(refused) => refused.to_error().with_source(error),
            None => Error::new(ErrorKind::PermissionDenied, "No AWS credentials were found").with_source(error),
        }),
        Err(error) => Err(error),
    };
    match provided {
        Ok(credentials) => {
            let detail = if role.is_some() { "assumed" } else { "found" };
            report.pass(name, format!("{detail}, access key {}", hint(credentials.access_key_id())));
            true
        }
        Err(error) => {
            let remedy = if role.is_some() || source.config.web_identity.is_some() {
                "correct role_arn, external_id and the role's trust policy; `commutator init` prints a trust policy to paste"
            } else {
                "set access_key_id and secret_access_key, a profile, or a role, or run where AWS provides credentials"
            };
            report.fail_with(name, &error, remedy);
            false
        }
    }
}

/// Returns enough of an access key id to recognise it; it is no secret, but not for every log either.
fn hint(access_key_id: &str) -> String {
    let shown: String = access_key_id.chars().take(8).collect();
    format!("{shown}…")
}

async fn table(source: &Connected, name: &TableName, report: &mut CheckReport) {
    let client = &source.short;
    let describe = format!("table {name}: describe");
    let described = match discover::describe(client, name).await {
        Ok(described) => {
            let detail = format!("{} items, {} bytes, {}", described.items, described.bytes, described.billing);
            report.pass(describe, detail);
            described
        }
        Err(error) => {
            report.fail_with(describe, &error, remedy(&error, &on_table("dynamodb:DescribeTable", name)));
            report.skip(format!("table {name}: scan"), "the table could not be described");
            report.skip(format!("table {name}: stream"), "the table could not be described");
            return;
        }
    };
    scan(source, name, report).await;
    stream(client, &described, report).await;
}

async fn scan(source: &Connected, name: &TableName, report: &mut CheckReport) {
    let request = ScanPageRequest {
        table: name.clone(),
        segment: 0,
        segments: 1,
        consistent: source.config.consistent_read,
        after: None,
        limit: Some(1),
    };
    let check = format!("table {name}: scan");
    match source.short.scan(&request).await {
        Ok(_) => report.pass(check, ""),
        Err(failure) => {
            let error = Error::from(failure);
            let remedy = remedy(&error, &on_table("dynamodb:Scan", name));
            report.fail_with(check, &error, remedy);
        }
    }
}

async fn stream(client: &Client, table: &TableDescription, report: &mut CheckReport) {
    let name = &table.name;
    let check = format!("table {name}: stream");
    let arn = match discover::followable(table) {
        Ok(arn) => arn,
        Err(error) => {
            let remedy = if table.stream.is_some() { discover::replace_view(name) } else { discover::turn_on(name) };
            report.fail(check, problem_of(&error), remedy);
            return;
        }
    };
    if let Err(error) = read_stream(client, arn).await {
        let action = error
            .context()
            .iter()
            .find(|(key, _)| *key == "action")
            .map_or("dynamodb:DescribeStream", |(_, action)| action.as_str());
        let remedy = remedy(&error, &format!("{action} on {arn}"));
        report.fail_with(check, &error, remedy);
        return;
    }
    report.pass(check, table.stream.as_ref().map_or("", |stream| stream.view.as_str()));
}

/// Tries each call that reading a stream takes.
async fn read_stream(client: &Client, arn: &str) -> Result<(), Error> {
    let named = |failure: crate::error::Failure, action: &str| Error::from(failure.with("action", action));
    let stream = client.describe_stream(arn).await.map_err(|f| named(f, "dynamodb:DescribeStream"))?;
    let Some(shard) = listed_shards(stream.shards()).into_iter().next_back() else { return Ok(()) };
    let iterator = client
        .shard_iterator(arn, &shard.id, &From::TrimHorizon)
        .await
        .map_err(|f| named(f, "dynamodb:GetShardIterator"))?;
    if let Some(iterator) = iterator {
        client.records(&iterator).await.map_err(|f| named(f, "dynamodb:GetRecords"))?;
    }
    Ok(())
}

/// Returns the first half of a sentence that goes on with what to do.
fn problem_of(error: &Error) -> String {
    error.message().split(": ").next().unwrap_or_default().to_owned()
}

fn on_table(action: &str, table: &TableName) -> String {
    format!("{action} on the table {table}")
}

/// Returns what to do about an error of a call that needs `permission`.
fn remedy(error: &Error, permission: &str) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            format!(
                "allow {permission} in the IAM policy of the identity that reads, and check that the credentials are valid"
            )
        }
        ErrorKind::NotFound => "correct the name, the region or the account".to_owned(),
        ErrorKind::Throttled => "try again later, or give the table more read capacity".to_owned(),
        ErrorKind::Unavailable => "check the endpoint, the region and the network, and try again".to_owned(),
        _ => "see the message".to_owned(),
    }
}
