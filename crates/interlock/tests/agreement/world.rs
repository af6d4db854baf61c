//! Both simulated systems, the project for master data between them, and people who change records.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use reqwest::Method;
use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::program::{Program, until};

const CRM_SECRET: &str = "the-secret-of-the-app";
const ERP_USER: &str = "INTERLOCK";
const ERP_PASSWORD: &str = "the-password-of-the-user";
const EVENTS_TOKEN: &str = "the-token-of-events";
const OPERATOR: &str = "the-token-of-oscar";
const CRM_API: &str = "services/data/v67.0";
const ERP_API: &str = "sap/opu/odata/sap/API_BUSINESS_PARTNER";

pub(crate) struct World {
    http: Http,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    crm: String,
    token: RefCell<String>,
    erp: String,
    /// What the ERP wants of who writes.
    session: RefCell<HeaderMap>,
    variables: Vec<(&'static str, String)>,
    project: PathBuf,
    _simulators: [Program; 2],
    _folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let project = folder.path().join("acme");
        let made = Program::run(&["new", &project.to_string_lossy(), "--integration", "master-data"]);
        assert_eq!(made.status, Some(0), "{}", made.errors);
        let metadata = project.join("sandbox/salesforce.yaml");
        let arguments = ["sandbox", "salesforce", "--child", "--metadata", &metadata.to_string_lossy()];
        let access = [("SANDBOX_CLIENT_ID", "interlock"), ("SANDBOX_CLIENT_SECRET", CRM_SECRET)];
        let (first, crm) = simulator(&arguments, &access);
        let access = [("SANDBOX_USER", ERP_USER), ("SANDBOX_PASSWORD", ERP_PASSWORD)];
        let (second, erp) = simulator(&["sandbox", "s4hana", "--child"], &access);
        let text = |from: &Value, name: &str| from[name].as_str().expect("what it told").to_owned();
        let authority = folder.path().join("authority.pem");
        fs::write(&authority, text(&crm, "ca")).expect("written");
        let variables = vec![
            ("CRM_URL", text(&crm, "url")),
            ("CRM_PUBSUB", text(&crm, "pubsub")),
            ("CRM_CA_FILE", authority.to_string_lossy().into_owned()),
            ("CRM_CLIENT_ID", "interlock".to_owned()),
            ("CRM_CLIENT_SECRET", CRM_SECRET.to_owned()),
            ("ERP_URL", text(&erp, "url")),
            ("ERP_INSECURE", "true".to_owned()),
            ("ERP_USER", ERP_USER.to_owned()),
            ("ERP_PASSWORD", ERP_PASSWORD.to_owned()),
            ("API_ADDRESS", "127.0.0.1:0".to_owned()),
            ("CONSOLE_ADDRESS", "127.0.0.1:0".to_owned()),
            ("EVENTS_TOKEN", EVENTS_TOKEN.to_owned()),
            ("STELLA_TOKEN", "the-token-of-stella".to_owned()),
            ("OSCAR_TOKEN", OPERATOR.to_owned()),
        ];
        let (http, crm, erp) = (Http::new(), text(&crm, "url"), text(&erp, "url"));
        let token = RefCell::new(sign_in(&http, &crm));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        let session = RefCell::new(runtime.block_on(session(&client, &erp)).expect("a session"));
        let _simulators = [first, second];
        Self { http, runtime, client, crm, token, erp, session, variables, project, _simulators, _folder: folder }
    }

    /// Runs the project.
    pub(crate) fn interlock(&self) -> Interlock<'_> {
        let text: String = self.variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let file = self.project.with_extension("environment");
        fs::write(&file, text).expect("written");
        let (project, file) = (self.project.to_string_lossy(), file.to_string_lossy());
        let mut program = Program::start(&["run", &project, "--environment", &file], &[]);
        let output = program.printed("Ctrl-C stops it.");
        let address = |name: &str| {
            let line = output.lines().find_map(|line| line.trim().strip_prefix(name)).expect("an address");
            line.trim().to_owned()
        };
        let (api, console) = (address("Process APIs"), address("Console"));
        let target = json!({"url": format!("{api}/events/erp"), "token": EVENTS_TOKEN});
        self.http.done(self.http.request(Method::PUT, &format!("{}/_sandbox/events", self.erp)).json(&target));
        Interlock { program, console, http: &self.http }
    }

    /// Changes a text in one of the project's files.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.project.join(file)).expect("the file");
        assert!(text.contains(from), "`{from}` is not in {file}");
        fs::write(self.project.join(file), text.replacen(from, to, 1)).expect("written");
    }

    /// How often each fault of both systems happens.
    pub(crate) fn weather(&self, rate: f64) {
        for system in [&self.crm, &self.erp] {
            let url = format!("{system}/_sandbox/faults");
            let known = self.http.done(self.http.request(Method::GET, &url));
            let names = known["rates"].as_object().expect("faults").keys();
            let rates: serde_json::Map<String, Value> = names.map(|name| (name.clone(), rate.into())).collect();
            self.http.done(self.http.request(Method::PUT, &url).json(&rates));
        }
    }

    // ---- Salesforce

    pub(crate) fn create_account(&self, fields: &Value) -> String {
        let url = format!("{}/{CRM_API}/sobjects/Account", self.crm);
        let created =
            self.http.done(self.http.request(Method::POST, &url).bearer_auth(&*self.token.borrow()).json(fields));
        created["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn update_account(&self, id: &str, fields: &Value) {
        let url = format!("{}/{CRM_API}/sobjects/Account/{id}", self.crm);
        // The same again changes nothing more.
        until(crate::SOON, || {
            let request = self.client.patch(&url).bearer_auth(&*self.token.borrow()).json(fields);
            let answer = self.runtime.block_on(request.send()).map_err(|error| error.to_string())?;
            match answer.status().as_u16() {
                200..300 => return Ok(()),
                401 => *self.token.borrow_mut() = sign_in(&self.http, &self.crm),
                _ => {}
            }
            Err(answer.status().to_string())
        });
    }

    pub(crate) fn account(&self, id: &str) -> Value {
        let found = self.accounts(&format!("Id = '{id}'"));
        found.into_iter().next().expect("the account")
    }

    pub(crate) fn accounts(&self, condition: &str) -> Vec<Value> {
        let soql = format!(
            "SELECT Id, Name, Interlock_Key__c, ERP_Customer_Number__c, ERP_Blocked__c, Search_Term__c, BillingStreet, BillingCity, \
             BillingPostalCode, BillingCountry FROM Account WHERE {condition}"
        );
        let mut url = format!("{}/{CRM_API}/query", self.crm);
        let (mut records, mut first) = (Vec::new(), true);
        loop {
            let request = self.http.request(Method::GET, &url).bearer_auth(&*self.token.borrow());
            let page = self.http.done(if first { request.query(&[("q", &soql)]) } else { request });
            records.extend(page["records"].as_array().expect("records").iter().cloned());
            match page["nextRecordsUrl"].as_str() {
                Some(next) => (url, first) = (format!("{}{next}", self.crm), false),
                None => return records,
            }
        }
    }

    // ---- the ERP

    fn erp_url(&self, set: &str) -> String {
        format!("{}/{ERP_API}/{set}", self.erp)
    }

    /// What the ERP answers to a write, and whether that is a success. A session that is over is begun anew.
    fn write(&self, method: Method, set: &str, body: &Value) -> Result<Value, String> {
        let request = self.client.request(method, self.erp_url(set)).basic_auth(ERP_USER, Some(ERP_PASSWORD));
        let request = request.headers(self.session.borrow().clone()).query(&[("sap-client", "100")]);
        let request = request.header("Accept", "application/json").header("If-Match", "*").json(body);
        let answer = self.runtime.block_on(async {
            let answer = request.send().await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let text = answer.text().await.map_err(|error| error.to_string())?;
            if status.is_success() {
                Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
            } else {
                Err(format!("{status}: {text}"))
            }
        });
        if answer.is_err()
            && let Some(session) = self.runtime.block_on(session(&self.client, &self.erp))
        {
            *self.session.borrow_mut() = session;
        }
        answer
    }

    fn read(&self, set: &str) -> Value {
        let request = self.http.request(Method::GET, &self.erp_url(set)).basic_auth(ERP_USER, Some(ERP_PASSWORD));
        self.http.done(request.query(&[("sap-client", "100"), ("$format", "json")]))["d"].clone()
    }

    pub(crate) fn create_partner(&self, name: &str, city: &str, postal_code: &str) -> String {
        let partner = json!({
            "BusinessPartnerCategory": "2", "OrganizationBPName1": name,
            "to_BusinessPartnerAddress": [{"Country": "GB", "CityName": city, "PostalCode": postal_code}],
            "to_BusinessPartnerRole": [{"BusinessPartnerRole": "FLCU00"}, {"BusinessPartnerRole": "FLCU01"}]
        });
        let made = self.write(Method::POST, "A_BusinessPartner", &partner).expect("a partner");
        made["d"]["BusinessPartner"].as_str().expect("a number").to_owned()
    }

    pub(crate) fn update_partner(&self, number: &str, fields: &Value) {
        until(crate::SOON, || self.write(Method::PATCH, &format!("A_BusinessPartner('{number}')"), fields));
    }

    pub(crate) fn partner(&self, number: &str) -> Value {
        self.read(&format!("A_BusinessPartner('{number}')"))
    }

    pub(crate) fn address(&self, number: &str) -> Value {
        let found = self.read(&format!("A_BusinessPartner('{number}')/to_BusinessPartnerAddress"));
        found["results"][0].clone()
    }

    pub(crate) fn partners(&self) -> Vec<Value> {
        self.read("A_BusinessPartner?$expand=to_BusinessPartnerAddress")["results"]
            .as_array()
            .expect("partners")
            .clone()
    }
}

fn sign_in(http: &Http, crm: &str) -> String {
    let form = [("grant_type", "client_credentials"), ("client_id", "interlock"), ("client_secret", CRM_SECRET)];
    let token = http.done(http.request(Method::POST, &format!("{crm}/services/oauth2/token")).form(&form));
    token["access_token"].as_str().expect("a token").to_owned()
}

/// The token and the cookies that a write has to bring.
async fn session(client: &reqwest::Client, erp: &str) -> Option<HeaderMap> {
    let request = client.get(format!("{erp}/{ERP_API}/")).basic_auth(ERP_USER, Some(ERP_PASSWORD));
    let request = request.header("X-CSRF-Token", "Fetch").query(&[("sap-client", "100")]);
    let answer = request.send().await.ok()?;
    let cookies: Vec<String> = answer
        .headers()
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned))
        .collect();
    let token = answer.headers().get("x-csrf-token")?.clone();
    let mut headers = HeaderMap::new();
    headers.insert("x-csrf-token", token);
    headers.insert(COOKIE, cookies.join("; ").parse().ok()?);
    Some(headers)
}

fn simulator(arguments: &[&str], access: &[(&str, &str)]) -> (Program, Value) {
    let mut program = Program::start(arguments, access);
    let line = program.printed("\n");
    let ready = serde_json::from_str(line.lines().next().unwrap_or_default()).expect("a line of JSON");
    (program, ready)
}

/// The program at work.
pub(crate) struct Interlock<'a> {
    pub(crate) program: Program,
    console: String,
    http: &'a Http,
}

impl Interlock<'_> {
    /// Asks the console's API for programs, as an operator.
    pub(crate) fn ops(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let request = self.http.request(method, &format!("{}/ops/{path}", self.console)).bearer_auth(OPERATOR);
        self.http.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    /// Open work items, of all queues.
    pub(crate) fn items(&self) -> Vec<Value> {
        let (status, found) = self.ops(Method::GET, "items", None);
        assert_eq!(status, 200, "{found}");
        found["items"].as_array().expect("items").clone()
    }

    /// Waits until there is an item whose title has this part.
    pub(crate) fn item(&self, part: &str) -> Value {
        until(crate::SOON, || {
            let items = self.items();
            let found = items.iter().find(|item| item["title"].as_str().is_some_and(|title| title.contains(part)));
            found.cloned().ok_or_else(|| format!("no item with `{part}` among {items:?}"))
        })
    }
}
