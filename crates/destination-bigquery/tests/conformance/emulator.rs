//! The emulator, or the service itself, asked directly: nothing here is the destination's.

use serde_json::{Value, json};

/// Where the emulator is.
#[derive(Debug, Clone)]
pub(crate) struct Emulator {
    pub(crate) address: String,
    pub(crate) project: String,
    http: reqwest::Client,
    /// The service's token, and where it makes datasets.
    real: Option<(String, String)>,
}

impl Emulator {
    /// Returns the one that the environment names.
    pub(crate) fn of_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(format!("COMMUTATOR_TEST_BIGQUERY_EMULATOR_{name}")).ok();
        let (address, project) = (variable("URL")?, variable("PROJECT")?);
        // Whoever has one already keeps it.
        rustls::crypto::ring::default_provider().install_default().ok();
        Some(Self { address, project, http: reqwest::Client::new(), real: None })
    }

    /// Returns the real service, if the environment says how to reach it.
    #[cfg(feature = "real")]
    pub(crate) fn real() -> Option<Self> {
        let variable = |name: &str| std::env::var(format!("COMMUTATOR_TEST_BIGQUERY_{name}")).ok();
        let (project, token, location) = (variable("PROJECT")?, variable("TOKEN")?, variable("LOCATION")?);
        rustls::crypto::ring::default_provider().install_default().ok();
        let address = "https://bigquery.googleapis.com".to_owned();
        Some(Self { address, project, http: reqwest::Client::new(), real: Some((token, location)) })
    }

    /// Sends a request and returns the answer with its status.
    pub(crate) async fn send(&self, method: http::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.address));
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some((token, _)) = &self.real {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("the emulator answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("the emulator answers with JSON"))
    }

    /// Removes what is at a path, if anything is there.
    pub(crate) async fn remove(&self, path: &str) {
        let request = self.http.delete(format!("{}{path}", self.address));
        request.send().await.expect("the emulator answers");
    }

    /// Removes a dataset of the emulator with all that is in it; from another thread than the connections that there are.
    pub(crate) fn drop_dataset(&self, name: &str) {
        let emulator = Self { http: reqwest::Client::new(), ..self.clone() };
        let path = format!("/bigquery/v2/projects/{}/datasets/{name}?deleteContents=true", self.project);
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(emulator.remove(&path));
        });
        removed.join().ok();
    }

    pub(crate) async fn create_dataset(&self, name: &str) {
        let path = format!("/bigquery/v2/projects/{}/datasets", self.project);
        let mut body = json!({ "datasetReference": { "projectId": self.project, "datasetId": name } });
        if let Some((_, location)) = &self.real {
            body["location"] = json!(location);
            // What a trial leaves is gone the day after.
            body["defaultTableExpirationMs"] = json!("86400000");
        }
        let (status, answer) = self.send(http::Method::POST, &path, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Runs statements and returns the rows of the last one, each value as text.
    pub(crate) async fn query(&self, statements: &str) -> Vec<Vec<Option<String>>> {
        let path = format!("/bigquery/v2/projects/{}/queries", self.project);
        let body = json!({ "query": statements, "useLegacySql": false, "timeoutMs": 120_000, "maxResults": 100_000 });
        let (status, answer) = self.send(http::Method::POST, &path, Some(body)).await;
        assert_eq!(status, 200, "{statements}: {answer}");
        assert_eq!(answer["jobComplete"], true, "{statements}: {answer}");
        let text = |cell: &Value| match &cell["v"] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let row = |row: &Value| row["f"].as_array().expect("cells").iter().map(text).collect();
        if let (None, Some(job)) = (&self.real, answer["jobReference"]["jobId"].as_str()) {
            self.remove(&format!("/bigquery/v2/projects/{}/jobs/{job}/delete", self.project)).await;
        }
        answer["rows"].as_array().into_iter().flatten().map(row).collect()
    }
}
