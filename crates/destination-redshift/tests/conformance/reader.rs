//! A client of the Data API that runs one statement at a time.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_redshiftdata::types::{Field, StatusString};
use aws_smithy_http_client::tls;
use commutator_destination_redshift::Config;

pub(crate) struct Reader {
    api: aws_sdk_redshiftdata::Client,
    config: Config,
}

impl Reader {
    pub(crate) async fn new(config: &Config) -> Self {
        let builder = aws_smithy_http_client::Builder::new();
        // Certificates take a while to read, and the double has none.
        let http = if config.endpoint_url.is_some() {
            builder.build_http()
        } else {
            builder.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https()
        };
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        if let Some(region) = &config.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &config.profile {
            loader = loader.profile_name(profile);
        }
        if let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) {
            let token = config.session_token.as_ref().map(|token| token.expose().clone());
            loader = loader.credentials_provider(Credentials::new(id, secret.expose(), token, None, "tests"));
        }
        let mut builder = aws_sdk_redshiftdata::config::Builder::from(&Box::pin(loader.load()).await);
        if let Some(url) = &config.endpoint_url {
            builder = builder.endpoint_url(url);
        }
        Self { api: aws_sdk_redshiftdata::Client::from_conf(builder.build()), config: config.clone() }
    }

    /// Returns the rows of a statement, which runs by itself; an error as the service has it.
    pub(crate) async fn try_query(&self, statement: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let Config { cluster, workgroup, database, db_user, secret_arn, .. } = &self.config;
        let sent = self
            .api
            .execute_statement()
            .sql(statement)
            .set_cluster_identifier(cluster.clone())
            .set_workgroup_name(workgroup.clone())
            .database(database)
            .set_db_user(db_user.clone())
            .set_secret_arn(secret_arn.clone())
            .client_token(uuid::Uuid::new_v4().simple().to_string())
            .send()
            .await
            .map_err(|e| format!("{e:?}"))?;
        let id = sent.id().expect("a name");
        let has_rows = loop {
            let found = self.api.describe_statement().id(id).send().await.map_err(|e| format!("{e:?}"))?;
            match found.status() {
                Some(StatusString::Finished) => break found.has_result_set().unwrap_or(false),
                Some(StatusString::Failed | StatusString::Aborted) => {
                    return Err(found.error().unwrap_or_default().to_owned());
                }
                _ => {
                    let pause = if self.config.endpoint_url.is_some() { 2 } else { 200 };
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
        };
        let (mut rows, mut next) = (Vec::new(), None);
        if !has_rows {
            return Ok(rows);
        }
        loop {
            let page = self.api.get_statement_result().id(id).set_next_token(next).send().await;
            let page = page.map_err(|e| format!("{e:?}"))?;
            rows.extend(page.records().iter().map(|row| row.iter().map(text).collect::<Vec<_>>()));
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(rows);
            }
        }
    }

    pub(crate) async fn query(&self, statement: &str) -> Vec<Vec<Option<String>>> {
        self.try_query(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"))
    }
}

fn text(field: &Field) -> Option<String> {
    match field {
        Field::StringValue(text) => Some(text.clone()),
        Field::LongValue(number) => Some(number.to_string()),
        Field::IsNull(_) => None,
        other => panic!("{other:?} is not what was asked for"),
    }
}
