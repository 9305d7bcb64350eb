//! The client: URLs of the web and of object stores behind one door, so many at a time.

use std::sync::Arc;

use super::Settings;
use super::failure::Failure;
use super::http::{Http, Reply, Shared};
use super::store::Stores;

/// Fetches URLs on whatever tokio runtime polls it; its connections belong to that one.
#[derive(Debug)]
pub struct Client {
    http: Arc<Http>,
    stores: Stores,
}

impl Client {
    /// A client with these bounds.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let shared = Arc::new(Shared::new(&settings));
        Self::of(settings, shared)
    }

    /// Another client under the same bounds, together with this one, for another runtime.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::of(self.http.settings.clone(), Arc::clone(&self.http.shared))
    }

    fn of(settings: Settings, shared: Arc<Shared>) -> Self {
        Self { http: Arc::new(Http::new(settings, shared)), stores: Stores::default() }
    }

    /// Closes the connections that no request uses.
    pub(super) fn close_kept(&self) {
        self.http.close_kept();
    }

    /// The bytes behind `url`, when it is its turn.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn get(&self, url: &str) -> Result<Reply, Failure> {
        let _slot = self.http.shared.slots.acquire().await;
        match super::is_object(url) {
            true => self.stores.get(&self.http, url).await,
            false => self.http.get(url).await,
        }
    }

    /// The URLs of all objects below `url`.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn list(&self, url: &str) -> Result<Vec<String>, Failure> {
        let _slot = self.http.shared.slots.acquire().await;
        self.stores.list(&self.http, url).await
    }
}
