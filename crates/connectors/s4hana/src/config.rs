//! The settings of a connection to S/4HANA.

use std::collections::BTreeMap;
use std::time::Duration;

use connect::{SettingError, is_reference};
use model::{Value, nearest};

/// Settings that this connector understands.
const KNOWN: [&str; 17] = [
    "url",
    "client",
    "auth",
    "language",
    "sessions",
    "batch",
    "timeout",
    "basePath",
    "changes",
    "related",
    "simulations",
    "lockMessages",
    "checkService",
    "certificates",
    "insecure",
    "connector",
    "description",
];
/// Settings of every connection, which others read.
const COMMON: [&str; 3] = ["functions", "feeds", "limits"];
/// How many changes, and how many reads, are gathered for one request at the most.
pub(crate) const CREATES_MAX: usize = 20;
pub(crate) const READS_MAX: usize = 50;

const SECRET_HELP: &str = "Keep it outside the project and refer to it: `env:NAME` or `file:path`";

/// How the ERP knows who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthConfig {
    /// User name and password with every request.
    Basic {
        /// The communication user.
        username: String,
        /// Reference to its password.
        password: String,
    },
    /// OAuth 2.0 client credentials.
    ClientCredentials {
        /// The client's id.
        client_id: String,
        /// Reference to its secret.
        client_secret: String,
        /// Where tokens are given.
        token_url: String,
    },
}

/// Records of the same service that name another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Related {
    /// Their set.
    pub(crate) set: String,
    /// The field that holds the other one's key.
    pub(crate) field: String,
}

/// The settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Scheme, host and port, without a slash at the end.
    pub(crate) url: String,
    /// Path of the OData services (`/sap/opu/odata/sap`), without a slash at the end.
    pub(crate) base_path: String,
    /// The SAP client (`100`), where the system needs one.
    pub(crate) client: Option<String>,
    /// Language of messages, as SAP writes it (`EN`).
    pub(crate) language: String,
    /// How many sessions are used in parallel.
    pub(crate) sessions: usize,
    /// How many changes go into one `$batch`.
    pub(crate) batch_creates: usize,
    /// How many reads go into one `$batch` or one filter.
    pub(crate) batch_reads: usize,
    /// Longest time for one request.
    pub(crate) timeout: Duration,
    /// Who calls.
    pub(crate) auth: AuthConfig,
    /// Which field tells when a record changed, for records where it is not found by itself.
    pub(crate) changes: BTreeMap<String, String>,
    /// Lists of records that the service knows no way to, by record and name.
    pub(crate) related: BTreeMap<String, BTreeMap<String, Related>>,
    /// Services whose creates change nothing.
    pub(crate) simulations: Vec<String>,
    /// More message codes (`ZSD/007`) that mean a lock.
    pub(crate) lock_messages: Vec<String>,
    /// The service that a check of the connection asks.
    pub(crate) check_service: String,
    /// Reference to certificates in PEM that are trusted besides the system's own.
    pub(crate) certificates: Option<String>,
}

struct Reader<'a> {
    settings: &'a Value,
    errors: Vec<SettingError>,
}

/// Reads the settings: either all of them are right, or every mistake is told.
///
/// # Errors
/// Every mistake.
pub(crate) fn read(settings: &Value) -> Result<Config, Vec<SettingError>> {
    let mut reader = Reader { settings, errors: Vec::new() };
    reader.known_names("", settings, &[&KNOWN[..], &COMMON[..]].concat());
    let insecure = reader.settings.get("insecure").as_bool() == Some(true);
    let url = reader.address("url", settings.get("url"), insecure);
    let base_path = reader.text("basePath", settings.get("basePath"), Some("/sap/opu/odata/sap"));
    if !base_path.starts_with('/') {
        reader.wrong("basePath", "must be a path", "Write it with a slash at the start, such as `/sap/opu/odata/sap`");
    }
    let client = match settings.get("client") {
        Value::Null => None,
        value => {
            let digits = value.as_str().map(str::to_owned).or_else(|| Some(format!("{:03}", value.as_i64()?)));
            let digits = digits.filter(|text| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()));
            if digits.is_none() {
                reader.wrong("client", "must be three digits", "Write the SAP client in quotes, such as \"100\"");
            }
            digits
        }
    };
    let language = reader.text("language", settings.get("language"), Some("EN")).to_uppercase();
    if language.len() != 2 || !language.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        reader.wrong("language", "must be a language of two letters", "Write it as `EN`");
    }
    let batch = settings.get("batch");
    if !matches!(batch, Value::Null | Value::Object(_)) {
        reader.wrong("batch", "must hold `creates` and `reads`", "Write `batch: { creates: 20, reads: 50 }`");
    }
    reader.known_names("batch", batch, &["creates", "reads"]);
    let config = Config {
        url,
        base_path: base_path.trim_end_matches('/').to_owned(),
        client,
        language,
        sessions: reader.count("sessions", settings.get("sessions"), 4, 64),
        batch_creates: reader.count("batch.creates", batch.get("creates"), CREATES_MAX, CREATES_MAX),
        batch_reads: reader.count("batch.reads", batch.get("reads"), READS_MAX, READS_MAX),
        timeout: Duration::from_secs(reader.count("timeout", settings.get("timeout"), 60, 3600) as u64),
        auth: reader.auth(insecure),
        changes: reader.changes(),
        related: reader.related(),
        simulations: match settings.get("simulations") {
            Value::Null => vec!["API_SALES_ORDER_SIMULATION_SRV".to_owned()],
            _ => reader.texts("simulations"),
        },
        lock_messages: reader.texts("lockMessages"),
        check_service: reader.text("checkService", settings.get("checkService"), Some("API_BUSINESS_PARTNER")),
        certificates: match settings.get("certificates") {
            Value::Null => None,
            value => Some(reader.reference("certificates", value, "keep the file beside the project's: `file:ca.pem`")),
        },
    };
    if reader.errors.is_empty() { Ok(config) } else { Err(reader.errors) }
}

impl Reader<'_> {
    fn wrong(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.errors.push(SettingError { path: path.to_owned(), message: message.into(), help: Some(help.into()) });
    }

    fn known_names(&mut self, path: &str, value: &Value, known: &[&str]) {
        let Some(members) = value.as_object() else { return };
        for name in members.keys() {
            if known.contains(&&**name) {
                continue;
            }
            let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            let help = nearest(name, known.iter().copied()).map(|near| format!("Did you mean `{near}`?"));
            let message = "is not a setting of an S/4HANA connection".to_owned();
            self.errors.push(SettingError { path, message, help });
        }
    }

    fn text(&mut self, path: &str, value: &Value, default: Option<&str>) -> String {
        match (value, default) {
            (Value::String(text), _) if !text.trim().is_empty() => text.trim().to_owned(),
            (Value::Null, Some(default)) => default.to_owned(),
            (Value::Null, None) => {
                self.wrong(path, "is missing", format!("Add `{}`", path.rsplit('.').next().unwrap_or(path)));
                String::new()
            }
            _ => {
                self.wrong(path, "must be a text", "Write a text");
                String::new()
            }
        }
    }

    /// A reference to a secret. What stands there instead is probably the secret, so no message shows it.
    fn reference(&mut self, path: &str, value: &Value, help: &str) -> String {
        match value {
            Value::String(text) if is_reference(text.trim()) => text.trim().to_owned(),
            Value::Null => self.text(path, value, None),
            _ => {
                self.wrong(path, "must be a reference, `env:NAME` or `file:path`, not the content itself", help);
                String::new()
            }
        }
    }

    fn texts(&mut self, path: &str) -> Vec<String> {
        match self.settings.get(path) {
            Value::Null => Vec::new(),
            Value::Array(items) if items.iter().all(|item| item.as_str().is_some()) => {
                items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
            }
            _ => {
                self.wrong(path, "must be a list of texts", "Write a list such as `[A, B]`");
                Vec::new()
            }
        }
    }

    fn count(&mut self, path: &str, value: &Value, default: usize, most: usize) -> usize {
        if value.is_null() {
            return default;
        }
        match value.as_i64().and_then(|count| usize::try_from(count).ok()) {
            Some(count) if (1..=most).contains(&count) => count,
            _ => {
                let message = format!("must be a whole number from 1 to {most}");
                self.wrong(path, message, format!("Leave it out for {default}"));
                default
            }
        }
    }

    /// An address with its scheme; credentials travel in clear text without TLS, which is for this machine only.
    fn address(&mut self, path: &str, value: &Value, insecure: bool) -> String {
        let text = self.text(path, value, None);
        if text.is_empty() {
            return text;
        }
        let example = "Write it as `https://my300000-api.s4hana.cloud.sap`";
        match reqwest::Url::parse(&text) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                self.wrong(path, "must start with `https://`", example)
            }
            Ok(url) if url.username() != "" || url.password().is_some() => {
                self.wrong(path, "must not hold credentials", "Put them under `auth`");
            }
            Ok(url) => {
                let host = url.host_str().unwrap_or_default();
                let is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
                if url.scheme() == "http" && !is_here && !insecure {
                    let help = "Use `https://`, or `insecure: true` where the network between is trusted";
                    self.wrong(path, "sends the password over the network unencrypted", help);
                }
            }
            Err(error) => self.wrong(path, format!("is not an address: {error}"), example),
        }
        text.trim_end_matches('/').to_owned()
    }

    fn auth(&mut self, insecure: bool) -> AuthConfig {
        let auth = self.settings.get("auth");
        let nothing = || AuthConfig::Basic { username: String::new(), password: String::new() };
        if auth.as_object().is_none() {
            let message = if auth.is_null() { "is missing" } else { "must hold a flow and its credentials" };
            let help = "Write `auth: { flow: basic, username: INTERLOCK, password: env:ERP_PASSWORD }`";
            self.wrong("auth", message, help);
            return nothing();
        }
        match auth.get("flow").as_str() {
            Some("basic") => {
                self.known_names("auth", auth, &["flow", "username", "password"]);
                AuthConfig::Basic {
                    username: self.text("auth.username", auth.get("username"), None),
                    password: self.reference("auth.password", auth.get("password"), SECRET_HELP),
                }
            }
            Some("client-credentials") => {
                self.known_names("auth", auth, &["flow", "clientId", "clientSecret", "tokenUrl"]);
                AuthConfig::ClientCredentials {
                    client_id: self.text("auth.clientId", auth.get("clientId"), None),
                    client_secret: self.reference("auth.clientSecret", auth.get("clientSecret"), SECRET_HELP),
                    token_url: self.address("auth.tokenUrl", auth.get("tokenUrl"), insecure),
                }
            }
            other => {
                let message = if other.is_some() { "is not a flow that S/4HANA has" } else { "is missing" };
                let near = other.and_then(|flow| nearest(flow, ["basic", "client-credentials"]));
                let help = match near {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => "Use `basic` or `client-credentials`".to_owned(),
                };
                self.wrong("auth.flow", message, help);
                nothing()
            }
        }
    }

    fn related(&mut self) -> BTreeMap<String, BTreeMap<String, Related>> {
        const HELP: &str = "Write `related: { API_BUSINESS_PARTNER/A_BusinessPartner: { relationships: { record: \
                            A_BusinessPartnerContact, field: BusinessPartnerPerson } } }`";
        let settings = self.settings;
        let mut records = BTreeMap::new();
        let members = match settings.get("related") {
            Value::Null => return records,
            Value::Object(members) => members,
            _ => {
                self.wrong("related", "must hold lists of related records for each record", HELP);
                return records;
            }
        };
        for (record, lists) in &**members {
            let path = format!("related.{record}");
            let Some(lists) = lists.as_object().filter(|_| record.contains('/')) else {
                self.wrong(&path, "must name a record, and its lists by their names", HELP);
                continue;
            };
            let mut read = BTreeMap::new();
            for (name, list) in lists {
                let path = format!("{path}.{name}");
                self.known_names(&path, list, &["record", "field"]);
                let [set, field] = ["record", "field"].map(|part| list.get(part).as_str().unwrap_or_default());
                if set.is_empty() || field.is_empty() || set.contains('/') {
                    self.wrong(&path, "must name a `record` of the same service and its `field`", HELP);
                    continue;
                }
                read.insert(name.to_string(), Related { set: set.to_owned(), field: field.to_owned() });
            }
            records.insert(record.to_string(), read);
        }
        records
    }

    fn changes(&mut self) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        match self.settings.get("changes") {
            Value::Null => {}
            Value::Object(members) => {
                for (record, field) in &**members {
                    match field.as_str() {
                        Some(field) if record.contains('/') => {
                            fields.insert(record.to_string(), field.to_owned());
                        }
                        _ => {
                            let help = "Write `API_SALES_ORDER_SRV/A_SalesOrder: LastChangeDateTime`";
                            self.wrong(&format!("changes.{record}"), "must name a record and a field", help);
                        }
                    }
                }
            }
            _ => {
                let help = "Write `changes: { API_SALES_ORDER_SRV/A_SalesOrder: LastChangeDateTime }`";
                self.wrong("changes", "must hold a field for each record", help);
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        model::json::parse(text.as_bytes()).expect("json")
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let config = read(&value(
            r#"{"connector":"s4hana","url":"https://erp.example.com/","client":100,"auth":{"flow":"basic","username":"U","password":"env:P"}}"#,
        ))
        .expect("settings");
        assert_eq!((config.url.as_str(), config.client.as_deref()), ("https://erp.example.com", Some("100")));
        assert_eq!((config.sessions, config.batch_creates, config.batch_reads), (4, 20, 50));
        assert_eq!((config.base_path.as_str(), config.language.as_str()), ("/sap/opu/odata/sap", "EN"));
        assert_eq!(config.timeout, Duration::from_secs(60));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let errors = read(&value(
            r#"{"url":"http://erp.example.com","clinet":"100","client":"1","language":"english","sessions":0,"batch":{"create":1},
                "auth":{"flow":"basik","user":"U"},"changes":{"A":1},
                "related":{"A":{},"S/B":{"list":{"record":"S/C","feld":"F"}}}}"#,
        ))
        .expect_err("mistakes");
        let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "clinet",
                "url",
                "client",
                "language",
                "batch.create",
                "sessions",
                "auth.flow",
                "changes.A",
                "related.A",
                "related.S/B.list.feld",
                "related.S/B.list"
            ]
        );
        assert_eq!(errors[0].help.as_deref(), Some("Did you mean `client`?"));
        assert_eq!(errors[6].help.as_deref(), Some("Did you mean `basic`?"));
        let errors = read(&value("{}")).expect_err("mistakes");
        assert_eq!(errors.iter().map(|error| error.path.as_str()).collect::<Vec<_>>(), ["url", "auth"]);
        let errors =
            read(&value(r#"{"url":"http://127.0.0.1:1","auth":{"flow":"client-credentials","clientId":"a"}}"#));
        assert_eq!(errors.expect_err("mistakes").len(), 2);
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_shown() {
        let planted = [
            (r#""auth":{"flow":"basic","username":"U","password":"hunter2"}"#, "auth.password"),
            (r#""auth":{"flow":"basic","username":"U","password":"vault:hunter2"}"#, "auth.password"),
            (r#""auth":{"flow":"basic","username":"U","password":["hunter2"]}"#, "auth.password"),
            (
                r#""auth":{"flow":"client-credentials","clientId":"a","clientSecret":"hunter2","tokenUrl":"https://a.b"}"#,
                "auth.clientSecret",
            ),
            (r#""auth":{"flow":"basic","username":"U","password":"env:P"},"certificates":"hunter2""#, "certificates"),
        ];
        for (settings, path) in planted {
            let errors =
                read(&value(&format!(r#"{{"url":"https://erp.example.com",{settings}}}"#))).expect_err("a secret");
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].path, path);
            assert!(errors[0].message.contains("`env:NAME`"), "{errors:?}");
            assert!(!format!("{errors:?}").contains("hunter2"), "{errors:?}");
        }
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        let errors = read(&value(
            r#"{"url":"https://erp.example.com","auth":{"flow":"basic","username":"U","password":"env:P"},
                "events":{},"faults":{},"batch":{"creates":21,"reads":51}}"#,
        ))
        .expect_err("mistakes");
        let told: Vec<_> = errors.iter().map(|error| (error.path.as_str(), error.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("events", "is not a setting of an S/4HANA connection"),
                ("faults", "is not a setting of an S/4HANA connection"),
                ("batch.creates", "must be a whole number from 1 to 20"),
                ("batch.reads", "must be a whole number from 1 to 50"),
            ]
        );
    }
}
