//! Both simulated systems, and a new project between them.

use std::fs;
use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::program::{Program, SOON, until};

const CRM_SECRET: &str = "the-secret-of-the-app";
pub(crate) const ERP_USER: &str = "INTERLOCK";
pub(crate) const ERP_PASSWORD: &str = "the-password-of-the-user";
pub(crate) const EVENTS_TOKEN: &str = "the-token-of-events";
pub(crate) const OPERATOR: &str = "the-token-of-oscar";
pub(crate) const CRM_API: &str = "services/data/v67.0";

pub(crate) struct Systems {
    pub(crate) http: Http,
    pub(crate) crm: String,
    /// Lets a sales person into the CRM.
    pub(crate) token: String,
    pub(crate) erp: String,
    /// The project's environment.
    pub(crate) variables: Vec<(&'static str, String)>,
    pub(crate) project: PathBuf,
    pub(crate) folder: TempDir,
    _simulators: [Program; 2],
}

impl Systems {
    /// Starts both, and writes the project as `interlock new` does with these arguments.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let project = folder.path().join("acme");
        let made = Program::run(&[&["new", &*project.to_string_lossy()], arguments].concat());
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
            ("OSCAR_TOKEN", OPERATOR.to_owned()),
        ];
        let (http, crm, erp) = (Http::new(), text(&crm, "url"), text(&erp, "url"));
        let token = sign_in(&http, &crm);
        Self { http, crm, token, erp, variables, project, folder, _simulators: [first, second] }
    }

    /// Changes a text in one of the project's files.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.project.join(file)).expect("the file");
        assert!(text.contains(from), "`{from}` is not in {file}");
        fs::write(self.project.join(file), text.replacen(from, to, 1)).expect("written");
    }

    /// Runs the project, as a person at a terminal does, and has the ERP tell it what happens there.
    pub(crate) fn interlock(&self, arguments: &[&str]) -> Interlock<'_> {
        let mut program = Program::start(arguments, &[]);
        let output = program.printed("Ctrl-C stops it.");
        let address = |name: &str| {
            let line = output.lines().find_map(|line| line.trim().strip_prefix(name)).expect("an address");
            line.trim().to_owned()
        };
        let (api, console) = (address("Process APIs"), address("Console"));
        let target = json!({"url": format!("{api}/events/erp"), "token": EVENTS_TOKEN});
        self.control(&self.erp, "events", &target);
        Interlock { program, api, console, http: &self.http }
    }

    /// Tells a simulator what to be like.
    pub(crate) fn control(&self, system: &str, what: &str, body: &Value) {
        self.http.done(self.http.request(Method::PUT, &format!("{system}/_sandbox/{what}")).json(body));
    }
}

/// A token for the CRM, as often as it has to be asked for: its simulator may have faults.
pub(crate) fn sign_in(http: &Http, crm: &str) -> String {
    let form = [("grant_type", "client_credentials"), ("client_id", "interlock"), ("client_secret", CRM_SECRET)];
    until(SOON, || {
        let request = http.request(Method::POST, &format!("{crm}/services/oauth2/token")).form(&form);
        let (status, answer) = http.attempt(request)?;
        answer["access_token"].as_str().map(str::to_owned).ok_or_else(|| format!("{status}: {answer}"))
    })
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
    pub(crate) api: String,
    pub(crate) console: String,
    pub(crate) http: &'a Http,
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
}
