//! Object stores: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage. Bucket and key come from the URL,
//! endpoint, region and credentials from the variables that their own tools read (`AWS_*`, `GOOGLE_*`, `AZURE_*`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, ObjectStoreScheme, RetryConfig};
use url::Url;

use super::Settings;
use super::address::Address;
use super::failure::{Failure, Kind};
use super::http::{Http, Reply, Request};

/// Objects of one listing at most: names, not data, but nobody has asked for millions of files.
const LISTED: usize = 1_000_000;

/// Whether `text` is a URL of an object store: scheme and bucket.
pub(super) fn check(text: &str) -> Result<(), Failure> {
    parse(text).map(drop)
}

/// The kind of store, the path in it, and the URL without a path.
fn parse(text: &str) -> Result<(ObjectStoreScheme, Path, String), Failure> {
    let unusable = |why: String| Failure::new(Kind::Unusable, why);
    let url = Url::parse(text).map_err(|e| unusable(format!("not a URL: {e}")))?;
    let (scheme, path) = ObjectStoreScheme::parse(&url).map_err(|e| unusable(super::shown(&e.to_string())))?;
    Ok((scheme, path, url[..url::Position::BeforePath].to_string()))
}

/// The stores that were used, each with its credentials.
#[derive(Debug, Default)]
pub(super) struct Stores(Mutex<HashMap<String, Arc<dyn ObjectStore>>>);

impl Stores {
    pub(super) async fn get(&self, http: &Arc<Http>, url: &str) -> Result<Reply, Failure> {
        let (store, path, _) = self.open(http, url)?;
        let found = store.get(&path).await.map_err(failure)?;
        let size = found.meta.size;
        let body: Vec<u8> = found.bytes().await.map_err(failure)?.into();
        if body.len() as u64 != size {
            return Err(Failure::new(Kind::Broken, format!("{} bytes came of an object of {size}", body.len())));
        }
        Ok(Reply { status: 200, declared: Some(size), body })
    }

    pub(super) async fn list(&self, http: &Arc<Http>, url: &str) -> Result<Vec<String>, Failure> {
        if !super::is_object(url) {
            let why = "a web server lists nothing; name its files, or a prefix of an object store (s3, gs, az)";
            return Err(Failure::new(Kind::Unusable, why));
        }
        let (store, path, root) = self.open(http, url)?;
        let mut found = Vec::new();
        let mut listed = store.list(Some(&path));
        while let Some(object) = listed.try_next().await.map_err(failure)? {
            if found.len() == LISTED {
                return Err(Failure::new(Kind::Large, format!("more than {LISTED} objects; name a longer prefix")));
            }
            found.push(format!("{root}/{}", object.location));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The store of `url`, the path in it, and its URL without a path.
    fn open(&self, http: &Arc<Http>, text: &str) -> Result<(Arc<dyn ObjectStore>, Path, String), Failure> {
        let (scheme, path, root) = parse(text)?;
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&root) {
            return Ok((Arc::clone(store), path, root));
        }
        let through = Through(Arc::clone(http), false);
        let retry = retry(&http.settings);
        let store: Arc<dyn ObjectStore> = match scheme {
            ObjectStoreScheme::AmazonS3 => {
                let builder = AmazonS3Builder::from_env().with_url(&root).with_retry(retry);
                Arc::new(builder.with_http_connector(through).build().map_err(failure)?)
            }
            ObjectStoreScheme::GoogleCloudStorage => {
                let builder = GoogleCloudStorageBuilder::from_env().with_url(&root).with_retry(retry);
                Arc::new(builder.with_http_connector(through).build().map_err(failure)?)
            }
            ObjectStoreScheme::MicrosoftAzure => {
                let builder = MicrosoftAzureBuilder::from_env().with_url(&root).with_retry(retry);
                Arc::new(builder.with_http_connector(through).build().map_err(failure)?)
            }
            other => return Err(Failure::new(Kind::Unusable, format!("no object store: {other:?}"))),
        };
        stores.insert(root.clone(), Arc::clone(&store));
        Ok((store, path, root))
    }
}

fn retry(settings: &Settings) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { max_backoff: settings.retry_wait, ..BackoffConfig::default() },
        max_retries: settings.retries as usize,
        // The store's own limit: a request is signed for so long.
        retry_timeout: settings.total_timeout.min(std::time::Duration::from_secs(180)),
    }
}

/// The failure behind an error of the store. What our own client has found is among its sources.
fn failure(error: object_store::Error) -> Failure {
    use object_store::Error as Store;
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = source {
        if let Some(own) = inner.downcast_ref::<Failure>() {
            return own.clone();
        }
        source = inner.source();
    }
    let why = super::shown(&error.to_string());
    let (kind, status) = match error {
        Store::NotFound { .. } => (Kind::Status, Some(404)),
        Store::PermissionDenied { .. } => (Kind::Status, Some(403)),
        Store::Unauthenticated { .. } => (Kind::Status, Some(401)),
        Store::InvalidPath { .. } | Store::UnknownConfigurationKey { .. } => (Kind::Unusable, None),
        _ => (Kind::Unreachable, None),
    };
    Failure { status, ..Failure::new(kind, why) }
}

/// Lets an object store make its requests through hetero's client, with all of its bounds. The flag: plain http is allowed.
#[derive(Debug, Clone)]
struct Through(Arc<Http>, bool);

impl HttpConnector for Through {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        Ok(HttpClient::new(Self(Arc::clone(&self.0), plain)))
    }
}

#[async_trait::async_trait]
impl HttpService for Through {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Self(http, plain) = self;
        let (parts, body) = request.into_parts();
        let address = Address::parse(&parts.uri.to_string()).map_err(refused)?;
        if !address.origin.tls && !plain {
            let why = "plain http to an object store is not allowed; AWS_ALLOW_HTTP=true (AZURE_, GOOGLE_) allows it";
            return Err(refused(Failure::new(Kind::Unusable, why)));
        }
        let texts = parts.headers.iter().filter(|(name, _)| !["host", "content-length"].contains(&name.as_str()));
        let texts: Vec<(&str, &str)> =
            texts.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        let body = body.as_bytes().cloned().unwrap_or_default();
        let request = Request { method: parts.method.as_str(), address: &address, headers: &texts, body: &body };
        // Answers without success have a body too, which says what is wrong.
        let answer = http.once(&request, |_| true, &mut http.bounds()).await.map_err(refused)?;
        let mut response = http::Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        response.body(answer.body.into()).map_err(|e| HttpError::new(HttpErrorKind::Decode, e))
    }
}

/// A failure of our client as the store's retries understand it.
fn refused(failure: Failure) -> HttpError {
    let kind = match failure.kind {
        Kind::Unreachable => HttpErrorKind::Connect,
        Kind::Late => HttpErrorKind::Timeout,
        Kind::Cut => HttpErrorKind::Interrupted,
        Kind::Broken => HttpErrorKind::Decode,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, failure)
}
