//! Documents that calls refer to: read from the folder or fetched, bounded, and kept for a while.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::http::Method;
use model::Value;
use percent_encoding::percent_decode_str;
use workflow::FaultType;

use crate::authentication::Authentication;
use crate::call::Attempt;
use crate::http::{Outgoing, Redirects, refused};
use crate::{Direct, Failure};

/// Largest document, in bytes.
pub(crate) const DOCUMENT_MAX: usize = 8 * 1024 * 1024;

/// A document and where it is.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) text: Arc<str>,
    /// Its address over HTTP, against which relative ones in it are resolved.
    pub(crate) address: Option<String>,
}

impl Attempt<'_> {
    /// The text at an endpoint, `{ uri, authentication }` or an address.
    pub(crate) async fn text(&self, endpoint: &Value) -> Result<Document, Failure> {
        let address = endpoint.as_str().or_else(|| endpoint.get("uri").as_str()).unwrap_or_default();
        if address.is_empty() {
            return Err(Failure::configuration("an endpoint needs its `uri`"));
        }
        if !is_remote(address, self.direct) {
            let text = file(&self.direct.options.folder, address).await?;
            return Ok(Document { text, address: None });
        }
        // Who may see it is part of what it is. Both have stand-ins, no secrets.
        let key = key(endpoint, address);
        if let Some(text) = self.direct.texts.get(&key) {
            return Ok(Document { text, address: Some(address.to_owned()) });
        }
        let secrets = &self.direct.options.secrets;
        let authentication = Authentication::read(endpoint.get("authentication"), secrets)?;
        let outgoing = Outgoing::new(Method::GET, address, &Value::Null, secrets)?;
        let answered = self.exchange(outgoing, &authentication, Redirects::Follow).await?;
        if !answered.answer.status.is_success() {
            return Err(refused(&answered));
        }
        let text = checked(&answered.request.name(), &answered.answer.body)?;
        self.direct.texts.put(key, Arc::clone(&text));
        Ok(Document { text, address: Some(address.to_owned()) })
    }
}

fn key(endpoint: &Value, address: &str) -> String {
    format!("{address} {}", endpoint.get("authentication"))
}

impl Direct {
    /// The document at an endpoint when it can be had without asking anybody: kept from before, or a file.
    pub(crate) fn at_hand(&self, endpoint: &Value) -> Option<Document> {
        let address = endpoint.as_str().or_else(|| endpoint.get("uri").as_str())?;
        if is_remote(address, self) {
            let text = self.texts.get(&key(endpoint, address))?;
            return Some(Document { text, address: Some(address.to_owned()) });
        }
        let path = path(&self.options.folder, address).ok()?;
        if std::fs::metadata(&path).ok()?.len() > DOCUMENT_MAX as u64 {
            return None;
        }
        let text = checked(address, &std::fs::read(&path).ok()?).ok()?;
        Some(Document { text, address: None })
    }
}

fn is_remote(address: &str, direct: &Direct) -> bool {
    let filled = direct.options.secrets.fill_address(address);
    filled.starts_with("http://") || filled.starts_with("https://")
}

fn checked(name: &str, bytes: &[u8]) -> Result<Arc<str>, Failure> {
    if bytes.len() > DOCUMENT_MAX {
        return Err(Failure::configuration(format!("{name}: the document is larger than {DOCUMENT_MAX} bytes")));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).into()),
        Err(_) => Err(Failure::configuration(format!("{name}: the document is no text in UTF-8"))),
    }
}

/// The path within the folder that an address names. `file://name/more`, as the standard's examples write it, begins in the
/// folder like `file:name/more` and `name/more`.
pub(crate) fn path(folder: &Path, address: &str) -> Result<PathBuf, Failure> {
    let inside = match address.strip_prefix("file:") {
        Some(rest) => {
            let rest = rest.strip_prefix("//").unwrap_or(rest);
            rest.strip_prefix("localhost/").unwrap_or(rest)
        }
        None if address.contains("://") => {
            let detail = format!("`{address}` cannot be read: documents are at http, https or file addresses");
            return Err(Failure::configuration(detail));
        }
        None => address,
    };
    let inside = percent_decode_str(inside).decode_utf8_lossy().into_owned();
    let outside = || {
        let detail =
            format!("`{address}` is outside of the folder that workflows may read: put the file into the project");
        Failure::new(FaultType::Authorization, detail)
    };
    let missing =
        |error: &std::io::Error| Failure::configuration(format!("the file `{address}` cannot be read: {error}"));
    let root = folder.canonicalize().map_err(|error| missing(&error))?;
    // An absolute path may name a file of the folder; otherwise it begins there.
    let absolute = Some(PathBuf::from(&inside)).filter(|path| path.is_absolute());
    let mut first = None;
    for candidate in [root.join(inside.trim_start_matches('/'))].into_iter().chain(absolute) {
        match candidate.canonicalize() {
            // Links are followed before it is asked where the file is.
            Ok(found) if found.starts_with(&root) => return Ok(found),
            Ok(_) => return Err(outside()),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(first.map_or_else(outside, |error| missing(&error)))
}

async fn file(folder: &Path, address: &str) -> Result<Arc<str>, Failure> {
    let path = path(folder, address)?;
    let unreadable =
        |error: std::io::Error| Failure::configuration(format!("the file `{address}` cannot be read: {error}"));
    let size = tokio::fs::metadata(&path).await.map_err(unreadable)?.len();
    if size > DOCUMENT_MAX as u64 {
        return Err(Failure::configuration(format!("{address}: the document is larger than {DOCUMENT_MAX} bytes")));
    }
    let bytes = tokio::fs::read(&path).await.map_err(unreadable)?;
    checked(address, &bytes)
}
