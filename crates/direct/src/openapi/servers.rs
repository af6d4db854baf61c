//! Where the operations of a document are: its servers, or the host of an old one.

use model::Value;
use reqwest::Url;

use crate::Failure;
use crate::http::text_of;
use crate::secrets::SecretStandIns;

/// What the paths of an operation are appended to.
#[derive(Debug)]
pub(crate) struct Base {
    /// Absolute, or relative to the address of the document.
    url: String,
    /// Whether only the document's own address can say which scheme or host it is.
    old: Option<Old>,
}

/// Swagger 2.0 gives the parts one by one.
#[derive(Debug)]
struct Old {
    scheme: Option<String>,
    host: Option<String>,
}

impl Base {
    pub(super) fn read(root: &Value, item: &Value, operation: &Value, old: bool) -> Self {
        if old {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let own = operation.get("schemes").items();
            let schemes = if own.is_empty() { root.get("schemes").items() } else { own };
            let has = |name: &str| schemes.iter().any(|scheme| scheme.as_str() == Some(name));
            let scheme = ["https", "http"].into_iter().find(|scheme| has(scheme)).map(str::to_owned);
            let url = text(root.get("basePath")).unwrap_or_else(|| "/".to_owned());
            return Self { url, old: Some(Old { scheme, host: text(root.get("host")) }) };
        }
        let places = [operation, item, root];
        let server = places.iter().find_map(|place| place.get("servers").items().first());
        let url = server.map_or_else(
            || "/".to_owned(),
            |server| expand(&text_of(server.get("url")), server.get("variables"), &Value::Null),
        );
        Self { url, old: None }
    }

    /// The address that paths are appended to.
    pub(super) fn address(&self, document: Option<&str>, secrets: &SecretStandIns) -> Result<String, Failure> {
        let document = document.and_then(|address| Url::parse(&secrets.fill_address(address)).ok());
        let unknown = || {
            Failure::configuration("the document does not say where its server is: it needs an absolute server address")
        };
        let Some(old) = &self.old else {
            if Url::parse(&self.url).is_ok() {
                return Ok(self.url.clone());
            }
            let resolved = document.ok_or_else(unknown)?.join(&self.url).map_err(|_| unknown())?;
            return Ok(resolved.to_string());
        };
        let host = old.host.clone().or_else(|| {
            let document = document.as_ref()?;
            let host = document.host_str()?;
            Some(document.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        });
        let scheme = old.scheme.clone().or_else(|| document.as_ref().map(|document| document.scheme().to_owned()));
        let host = host.ok_or_else(unknown)?;
        Ok(format!("{}://{host}/{}", scheme.unwrap_or_else(|| "https".to_owned()), self.url.trim_start_matches('/')))
    }
}

/// An address with `{variables}`: as given, else by their defaults.
pub(crate) fn expand(url: &str, variables: &Value, given: &Value) -> String {
    let mut url = url.to_owned();
    for (name, variable) in variables.as_object().into_iter().flatten() {
        let value = if given.has(name) { given.get(name) } else { variable.get("default") };
        url = url.replace(&format!("{{{name}}}"), &text_of(value));
    }
    url
}
