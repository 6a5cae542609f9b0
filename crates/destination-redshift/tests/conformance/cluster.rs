//! A schema, a staging folder and a Data API of its own for each test.

use std::sync::Arc;
use std::time::Duration;

use commutator_core::Secret;
use commutator_destination_redshift::{Config, Documents, Patience, Redshift, StagingConfig};

use crate::double::api::Api;
use crate::double::postgres::Postgres;

pub(crate) struct Cluster {
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) api: Api,
    pub(crate) folder: tempfile::TempDir,
    documents: Documents,
}

impl Cluster {
    /// Returns a place of the test's own, or nothing where there is no Postgres.
    pub(crate) async fn fresh(documents: Documents) -> Option<Self> {
        let postgres = Arc::new(Postgres::fresh().await?);
        let api = Api::start(Arc::clone(&postgres)).await;
        Some(Self { postgres, api, folder: tempfile::tempdir().expect("a folder"), documents })
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            cluster: Some("main".to_owned()),
            database: "dev".to_owned(),
            schema: self.postgres.schema.clone(),
            db_user: Some("loader".to_owned()),
            staging: StagingConfig::new(format!("file://{}", self.folder.path().display())),
            region: Some("eu-west-1".to_owned()),
            access_key_id: Some("AKIA".to_owned()),
            secret_access_key: Some(Secret::new("s".to_owned())),
            endpoint_url: Some(self.api.url.clone()),
            documents: self.documents,
            patience: Some(Patience {
                repeats: 6,
                pause: Duration::from_millis(1),
                longest: Duration::from_millis(5),
                poll: Duration::from_millis(2),
                longest_poll: Duration::from_millis(20),
            }),
            ..Config::default()
        }
    }

    pub(crate) async fn redshift(&self) -> Redshift {
        Box::pin(self.config().connect()).await.expect("the settings are fine")
    }

    /// Returns the rows of a query in the schema as Postgres writes them.
    pub(crate) async fn query(&self, query: &str) -> Vec<Vec<Option<String>>> {
        let replies =
            self.postgres.client().await.simple_query(query).await.unwrap_or_else(|e| panic!("{query}: {e:?}"));
        let row = |reply: &tokio_postgres::SimpleQueryMessage| match reply {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect())
            }
            _ => None,
        };
        replies.iter().filter_map(row).collect()
    }
}
