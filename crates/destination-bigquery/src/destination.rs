//! The destination: what it can do, and how a table is opened.

use std::sync::Arc;

use commutator_core::Result;

use crate::client::auth::Auth;
use crate::config::Config;
use crate::session::Service;

/// A dataset of `BigQuery`.
#[derive(Debug, Clone)]
pub struct BigQuery {
    service: Arc<Service>,
}

impl BigQuery {
    pub(crate) fn new(config: Config) -> Result<Self> {
        let auth = Auth::new(&config)?;
        Ok(Self { service: Arc::new(Service::new(Arc::new(config), auth)?) })
    }
}
