//! The settings of a Salesforce connection: read once, every mistake reported with its place.

use std::time::Duration;

use connect::{SettingError, is_reference};
use model::{Value, nearest};

/// API version used when the settings name none: Summer '26.
const API_VERSION_DEFAULT: &str = "67.0";
/// Oldest API version whose collections, relationships and headers work as this connector uses them.
const API_VERSION_MIN: u32 = 52;
const CLIENT_NAME_DEFAULT: &str = "Interlock";
const TIMEOUT_DEFAULT: i64 = 30;
const TIMEOUT_MAX: i64 = 600;

/// Members of a connection file that every connector shares; they are checked elsewhere.
const COMMON: [&str; 6] = ["connector", "title", "description", "limits", "functions", "feeds"];
const OWN: [&str; 6] = ["url", "apiVersion", "auth", "clientName", "pubsub", "timeout"];
const AUTH: [&str; 7] = ["flow", "clientId", "clientSecret", "username", "privateKey", "audience", "tokenUrl"];
const PUBSUB: [&str; 3] = ["endpoint", "caFile", "tenantId"];

/// A connection's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// The org's own address (`https://acme.my.salesforce.com`), without a slash at the end.
    pub(crate) url: String,
    /// Such as `67.0`.
    pub(crate) api_version: String,
    /// How the org recognises what Interlock wrote: comes back in `changeOrigin`.
    pub(crate) client_name: String,
    /// Longest time for one request.
    pub(crate) timeout: Duration,
    /// Where tokens come from.
    pub(crate) token_url: String,
    /// How to prove who we are.
    pub(crate) flow: Flow,
    /// Where change events come from, when they are used.
    pub(crate) pubsub: Option<PubSubConfig>,
}

/// The two OAuth flows without a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flow {
    /// A signed assertion about a user that an administrator authorised beforehand.
    JwtBearer {
        /// Consumer key of the app.
        client_id: String,
        /// The user to act as.
        username: String,
        /// Reference of the RSA private key in PEM.
        private_key: String,
        /// `https://login.salesforce.com` or `https://test.salesforce.com`.
        audience: String,
    },
    /// The app's own id and secret; the app names the user.
    ClientCredentials {
        /// Consumer key of the app.
        client_id: String,
        /// Reference of the consumer secret.
        client_secret: String,
    },
}

/// The Pub/Sub API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PubSubConfig {
    /// `https://api.pubsub.salesforce.com:7443`.
    pub(crate) endpoint: String,
    /// A PEM file of authorities trusted instead of the system's own.
    pub(crate) ca_file: Option<String>,
    /// The org's id; taken from the token's answer when it is not given.
    pub(crate) tenant_id: Option<String>,
}

/// Reads settings, or says everything that is wrong with them.
pub(crate) fn read(settings: &Value) -> Result<Config, Vec<SettingError>> {
    let mut reader = Reader { errors: Vec::new() };
    let config = reader.config(settings);
    match config {
        Some(config) if reader.errors.is_empty() => Ok(config),
        _ => Err(reader.errors),
    }
}

struct Reader {
    errors: Vec<SettingError>,
}

impl Reader {
    fn config(&mut self, settings: &Value) -> Option<Config> {
        if settings.as_object().is_none() {
            self.wrong("", format!("settings were expected here, this is a {}", settings.kind()), None);
            return None;
        }
        let known: Vec<&str> = OWN.iter().chain(&COMMON).copied().collect();
        self.unknown_members("", settings, &known);
        let url = self.address("url", settings.get("url"), true);
        let api_version = self.api_version(settings.get("apiVersion"));
        let client_name = self.client_name(settings.get("clientName"));
        let timeout = self.timeout(settings.get("timeout"));
        let auth = self.auth(settings.get("auth"), url.as_deref());
        let pubsub = self.pubsub(settings.get("pubsub"));
        let (token_url, flow) = auth?;
        Some(Config {
            url: url?,
            api_version: api_version?,
            client_name: client_name?,
            timeout: timeout?,
            token_url,
            flow,
            pubsub,
        })
    }

    fn auth(&mut self, auth: &Value, url: Option<&str>) -> Option<(String, Flow)> {
        if auth.as_object().is_none() {
            let help = "give `flow`, `clientId` and what the flow needs, for example `flow: jwt-bearer`";
            self.wrong("auth", "the credentials are missing", Some(help.to_owned()));
            return None;
        }
        self.unknown_members("auth", auth, &AUTH);
        let client_id = self.text("auth.clientId", auth.get("clientId"), "the consumer key of the External Client App");
        let token_url = match auth.get("tokenUrl") {
            Value::Null => url.map(|url| format!("{url}/services/oauth2/token")),
            given => self.address("auth.tokenUrl", given, false),
        };
        let flow = match auth.get("flow").as_str() {
            Some("jwt-bearer") => {
                self.unused(auth, "clientSecret", "jwt-bearer");
                let username = self.text("auth.username", auth.get("username"), "the user to act as");
                let private_key = self.secret_reference("auth.privateKey", auth.get("privateKey"));
                let audience = match auth.get("audience") {
                    Value::Null => Some(default_audience(url.unwrap_or_default()).to_owned()),
                    given => self.text("auth.audience", given, "`https://login.salesforce.com` for production"),
                };
                client_id.zip(username).zip(private_key).zip(audience).map(
                    |(((client_id, username), private_key), audience)| Flow::JwtBearer {
                        client_id,
                        username,
                        private_key,
                        audience,
                    },
                )
            }
            Some("client-credentials") => {
                for name in ["username", "privateKey", "audience"] {
                    self.unused(auth, name, "client-credentials");
                }
                let client_secret = self.secret_reference("auth.clientSecret", auth.get("clientSecret"));
                client_id
                    .zip(client_secret)
                    .map(|(client_id, client_secret)| Flow::ClientCredentials { client_id, client_secret })
            }
            given => {
                let help = given.and_then(|word| nearest(word, ["jwt-bearer", "client-credentials"])).map_or_else(
                    || "give `jwt-bearer` or `client-credentials`".to_owned(),
                    |word| format!("did you mean `{word}`?"),
                );
                let message = match given {
                    Some(word) => format!("there is no sign-in flow `{word}`"),
                    None => "the sign-in flow is missing".to_owned(),
                };
                self.wrong("auth.flow", message, Some(help));
                None
            }
        };
        token_url.zip(flow)
    }

    fn pubsub(&mut self, pubsub: &Value) -> Option<PubSubConfig> {
        if pubsub.is_null() {
            return None;
        }
        if pubsub.as_object().is_none() {
            self.wrong("pubsub", format!("settings were expected here, this is a {}", pubsub.kind()), None);
            return None;
        }
        self.unknown_members("pubsub", pubsub, &PUBSUB);
        let endpoint = self.address("pubsub.endpoint", pubsub.get("endpoint"), true);
        let mut optional = |name: &str, what: &str| match pubsub.get(name) {
            Value::Null => None,
            given => self.text(&format!("pubsub.{name}"), given, what),
        };
        let ca_file = optional("caFile", "the path of a PEM file");
        let tenant_id = optional("tenantId", "the 18 characters of the org's id");
        Some(PubSubConfig { endpoint: endpoint?, ca_file, tenant_id })
    }

    fn api_version(&mut self, given: &Value) -> Option<String> {
        let text = match given {
            Value::Null => return Some(API_VERSION_DEFAULT.to_owned()),
            Value::String(text) => text.to_string(),
            // Unquoted, YAML reads a version as a number.
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let major = text.strip_suffix(".0").unwrap_or(&text).parse::<u32>().ok();
        match major {
            Some(major) if (API_VERSION_MIN..1000).contains(&major) => Some(format!("{major}.0")),
            Some(major) => {
                let help = format!("give `{API_VERSION_MIN}.0` or newer, such as `{API_VERSION_DEFAULT}`");
                self.wrong("apiVersion", format!("the API version {major}.0 cannot be used"), Some(help));
                None
            }
            None => {
                let help = format!("give a version such as `\"{API_VERSION_DEFAULT}\"`");
                self.wrong("apiVersion", "this is not an API version", Some(help));
                None
            }
        }
    }

    fn client_name(&mut self, given: &Value) -> Option<String> {
        if given.is_null() {
            return Some(CLIENT_NAME_DEFAULT.to_owned());
        }
        let name = self.text("clientName", given, "letters, digits, `-`, `_`, `.` and `/`")?;
        let fits = name.len() <= 80
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'));
        if !fits {
            let help = "up to 80 letters, digits, `-`, `_`, `.` and `/`: it travels in a header and comes back in change events";
            self.wrong("clientName", "this name cannot be sent", Some(help.to_owned()));
            return None;
        }
        Some(name)
    }

    fn timeout(&mut self, given: &Value) -> Option<Duration> {
        let seconds = match given {
            Value::Null => TIMEOUT_DEFAULT,
            given => given.as_i64().unwrap_or(0),
        };
        if (1..=TIMEOUT_MAX).contains(&seconds) {
            return Some(Duration::from_secs(seconds.unsigned_abs()));
        }
        let help = format!("give whole seconds between 1 and {TIMEOUT_MAX}");
        self.wrong("timeout", "this is not a time that can be waited", Some(help));
        None
    }

    /// An `https` address; plain `http` only towards this machine, where simulators live. With `host_only`, no path either.
    fn address(&mut self, path: &str, given: &Value, host_only: bool) -> Option<String> {
        let text = self.text(path, given, "an address such as `https://acme.my.salesforce.com`")?;
        // First of all, because every other message shows the address.
        if text.contains('@') {
            let help = "credentials belong under `auth`, as references to secrets".to_owned();
            self.wrong(path, "the address must not carry credentials", Some(help));
            return None;
        }
        let trimmed = text.trim_end_matches('/');
        let parsed = trimmed.parse::<http::Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
        let Some(uri) = parsed else {
            let help = "give scheme and host, such as `https://acme.my.salesforce.com`".to_owned();
            self.wrong(path, format!("`{text}` is not an address"), Some(help));
            return None;
        };
        let is_local = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_local => {}
            _ => {
                let help = "use `https://`; plain `http://` is only taken for this machine (127.0.0.1)".to_owned();
                self.wrong(path, format!("`{text}` is not protected by TLS"), Some(help));
                return None;
            }
        }
        if host_only && (!matches!(uri.path(), "" | "/") || uri.query().is_some()) {
            let help = format!("give only scheme, host and port: `{}`", origin(&uri));
            self.wrong(path, format!("`{text}` goes on after the host"), Some(help));
            return None;
        }
        Some(trimmed.to_owned())
    }

    fn secret_reference(&mut self, path: &str, given: &Value) -> Option<String> {
        let help = "keep it outside the project and refer to it: `env:NAME` or `file:path`";
        let Some(text) = given.as_str() else {
            let message = if given.is_null() {
                "the reference of the secret is missing"
            } else {
                "a secret must not stand in the file itself"
            };
            self.wrong(path, message, Some(help.to_owned()));
            return None;
        };
        if !is_reference(text.trim()) {
            self.wrong(path, "a secret must not stand in the file itself", Some(help.to_owned()));
            return None;
        }
        Some(text.trim().to_owned())
    }

    fn text(&mut self, path: &str, given: &Value, wanted: &str) -> Option<String> {
        match given {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Null => {
                self.wrong(path, "this setting is missing", Some(format!("give {wanted}")));
                None
            }
            other => {
                let message = match other {
                    Value::String(_) => "this setting is empty".to_owned(),
                    other => format!("a text was expected here, this is a {}", other.kind()),
                };
                self.wrong(path, message, Some(format!("give {wanted}")));
                None
            }
        }
    }

    fn unknown_members(&mut self, path: &str, settings: &Value, known: &[&str]) {
        let names = settings.as_object().into_iter().flat_map(|members| members.keys());
        for name in names {
            if !known.contains(&&**name) {
                let help = nearest(name, known.iter().copied())
                    .map_or_else(|| format!("it knows {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
                let place = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                self.wrong(&place, format!("there is no setting `{name}`"), Some(help));
            }
        }
    }

    fn unused(&mut self, auth: &Value, name: &str, flow: &str) {
        if auth.has(name) {
            let help = "remove it, or choose the other flow".to_owned();
            self.wrong(&format!("auth.{name}"), format!("the flow `{flow}` does not use this"), Some(help));
        }
    }

    fn wrong(&mut self, path: &str, message: impl Into<String>, help: Option<String>) {
        self.errors.push(SettingError { path: path.to_owned(), message: message.into(), help });
    }
}

fn origin(uri: &http::Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or("https"), uri.authority().map_or("", |authority| authority.as_str()))
}

/// Sandboxes sign in at another host than production; their MyDomain carries `.sandbox.`.
fn default_audience(url: &str) -> &'static str {
    if url.contains(".sandbox.") { "https://test.salesforce.com" } else { "https://login.salesforce.com" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::json;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("json")
    }

    #[test]
    fn reads_a_whole_file_and_its_defaults() {
        let config = read(&value(
            r#"{"connector":"salesforce","url":"https://acme.my.salesforce.com/","functions":{},"auth":{"flow":"jwt-bearer",
            "clientId":"3MVG","username":"interlock@acme.com","privateKey":"env:KEY"},"pubsub":{"endpoint":"https://localhost:7443"}}"#,
        ))
        .expect("settings");
        assert_eq!(config.url, "https://acme.my.salesforce.com");
        assert_eq!(config.api_version, "67.0");
        assert_eq!(config.client_name, "Interlock");
        assert_eq!(config.timeout, Duration::from_secs(30));
        assert_eq!(config.token_url, "https://acme.my.salesforce.com/services/oauth2/token");
        assert!(matches!(&config.flow, Flow::JwtBearer { audience, .. } if audience == "https://login.salesforce.com"));
        assert_eq!(config.pubsub.map(|pubsub| pubsub.endpoint).as_deref(), Some("https://localhost:7443"));
    }

    #[test]
    fn reports_every_mistake_with_its_place() {
        let errors = read(&value(
            r#"{"connector":"salesforce","url":"http://acme.my.salesforce.com","apiVersion":"spring","clientname":"x","timeout":0,
            "auth":{"flow":"jwt","clientId":"","privateKey":"x"},"pubsub":{"endpoint":"https://a/b","cafile":"x"}}"#,
        ))
        .expect_err("mistakes");
        let places: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        let wanted = [
            "clientname",
            "url",
            "apiVersion",
            "timeout",
            "auth.clientId",
            "auth.flow",
            "pubsub.cafile",
            "pubsub.endpoint",
        ];
        assert_eq!(places, wanted);
        assert_eq!(errors[0].help.as_deref(), Some("did you mean `clientName`?"));
        assert_eq!(errors[6].help.as_deref(), Some("did you mean `caFile`?"));
        assert!(read(&Value::Null).is_err());
    }

    #[test]
    fn refuses_a_secret_in_the_file() {
        let errors = read(&value(
            r#"{"url":"https://a.b","auth":{"flow":"client-credentials","clientId":"a","clientSecret":"hunter2","username":"u"}}"#,
        ))
        .expect_err("mistakes");
        let places: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(places, ["auth.username", "auth.clientSecret"]);
        assert!(!format!("{errors:?}").contains("hunter2"), "{errors:?}");
        for planted in [
            r#"{"url":"https://u:hunter2@a.b","auth":{"flow":"client-credentials","clientId":"a","clientSecret":"env:S"}}"#,
            r#"{"url":"https://u:hunter2 @a b","auth":{"flow":"client-credentials","clientId":"a","clientSecret":"env:S"}}"#,
            r#"{"url":"https://a.b","auth":{"flow":"client-credentials","clientId":"a","clientSecret":"vault:hunter2"}}"#,
            r#"{"url":"https://a.b","auth":{"flow":"jwt-bearer","clientId":"a","username":"u","privateKey":["hunter2"]}}"#,
        ] {
            let errors = read(&value(planted)).expect_err("a secret");
            assert!(errors.len() == 1 && !format!("{errors:?}").contains("hunter2"), "{errors:?}");
        }
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        let errors = read(&value(
            r#"{"url":"https://a.b","faults":{},"labels":{},
                "auth":{"flow":"client-credentials","clientId":"a","clientSecret":"env:S"}}"#,
        ))
        .expect_err("mistakes");
        let told: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(told, ["there is no setting `faults`", "there is no setting `labels`"]);
    }
}
