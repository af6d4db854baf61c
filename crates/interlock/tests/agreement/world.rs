//! Both simulated systems, the project for master data between them, and people who change records.

use std::cell::RefCell;
use std::fs;
use std::ops::Deref;

use reqwest::Method;
use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use serde_json::{Value, json};

use crate::program::{Program, until};
use crate::systems::{CRM_API, ERP_PASSWORD, ERP_USER, Interlock, OPERATOR, Systems, sign_in};

const ERP_API: &str = "sap/opu/odata/sap";
const PARTNERS: &str = "API_BUSINESS_PARTNER";

pub(crate) struct World {
    pub(crate) systems: Systems,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    /// Lets a sales person into the CRM, until it is over.
    token: RefCell<String>,
    /// What the ERP wants of who writes.
    session: RefCell<HeaderMap>,
}

impl Deref for World {
    type Target = Systems;

    fn deref(&self) -> &Systems {
        &self.systems
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut systems = Systems::new(&["--integration", "master-data"]);
        systems.variables.push(("STELLA_TOKEN", "the-token-of-stella".to_owned()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        let session = runtime.block_on(session(&client, &systems.erp)).expect("a session");
        let token = systems.token.clone();
        let query = systems.http.request(Method::GET, &format!("{}/{CRM_API}/query", systems.crm)).bearer_auth(&token);
        let books = systems.http.done(query.query(&[("q", "SELECT Id FROM Pricebook2 WHERE IsStandard = true")]));
        let book = books["records"][0]["Id"].as_str().expect("the standard price book").to_owned();
        systems.variables.push(("CRM_PRICEBOOK", book));
        let world = Self { systems, runtime, client, token: RefCell::new(token), session: RefCell::new(session) };
        // What is compared every night would be compared within a test that runs then.
        world.edit("objects/customer.yaml", "cron: '0 3 * * *'", "cron: '0 3 29 2 *'");
        world.edit("objects/contact.yaml", "cron: '30 3 * * *'", "cron: '0 3 29 2 *'");
        world
    }

    /// The same with frequent sweeps of all that belongs to customers, as nobody tells of relationships, addresses and industries for
    /// sure.
    pub(crate) fn with_frequent_sweeps() -> Self {
        let world = Self::new();
        for (file, feeds) in [("connections/crm.yaml", 5), ("connections/erp.yaml", 4)] {
            (0..feeds).for_each(|_| world.edit(file, "every: 20s", "every: 2s"));
        }
        (0..2).for_each(|_| world.edit("connections/erp.yaml", "withEvery: 5m", "withEvery: 2s"));
        world
    }

    /// Runs the project.
    pub(crate) fn interlock(&self) -> Interlock<'_> {
        let text: String = self.variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let file = self.folder.path().join("environment");
        fs::write(&file, text).expect("written");
        self.systems.interlock(&["run", &self.project.to_string_lossy(), "--environment", &file.to_string_lossy()])
    }

    /// How often each fault of both systems happens.
    pub(crate) fn weather(&self, rate: f64) {
        self.weather_of(&self.crm, rate);
        self.weather_of(&self.erp, rate);
    }

    pub(crate) fn weather_of(&self, system: &str, rate: f64) {
        let url = format!("{system}/_sandbox/faults");
        let known = self.http.done(self.http.request(Method::GET, &url));
        let names = known["rates"].as_object().expect("faults").keys();
        let rates: serde_json::Map<String, Value> = names.map(|name| (name.clone(), rate.into())).collect();
        self.control(system, "faults", &Value::from(rates));
    }

    /// A system does not answer for so long; 0 ends that.
    pub(crate) fn outage_of(&self, system: &str, seconds: u32) {
        let request = self.http.request(Method::POST, &format!("{system}/_sandbox/outage"));
        self.http.done(request.json(&json!({"seconds": seconds})));
    }

    // ---- Salesforce

    pub(crate) fn create_account(&self, fields: &Value) -> String {
        self.create_record("Account", fields)
    }

    pub(crate) fn create_record(&self, object: &str, fields: &Value) -> String {
        let url = format!("{}/{CRM_API}/sobjects/{object}", self.crm);
        let created =
            self.http.done(self.http.request(Method::POST, &url).bearer_auth(&*self.token.borrow()).json(fields));
        created["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn update_account(&self, id: &str, fields: &Value) {
        self.update_record("Account", id, fields);
    }

    pub(crate) fn update_record(&self, object: &str, id: &str, fields: &Value) {
        let url = format!("{}/{CRM_API}/sobjects/{object}/{id}", self.crm);
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

    pub(crate) fn delete_account(&self, id: &str) {
        let url = format!("{}/{CRM_API}/sobjects/Account/{id}", self.crm);
        let request = self.client.delete(&url).bearer_auth(&*self.token.borrow());
        let answer = self.runtime.block_on(request.send()).expect("an answer");
        assert_eq!(answer.status().as_u16(), 204);
    }

    /// Something that people do on a screen of the CRM.
    pub(crate) fn does(&self, what: &str, body: &Value) {
        self.http.done(self.http.request(Method::POST, &format!("{}/_sandbox/{what}", self.crm)).json(body));
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
        self.records(&soql)
    }

    pub(crate) fn records(&self, soql: &str) -> Vec<Value> {
        let mut url = format!("{}/{CRM_API}/query", self.crm);
        let (mut records, mut first) = (Vec::new(), true);
        loop {
            let request = self.http.request(Method::GET, &url).bearer_auth(&*self.token.borrow());
            let page = self.http.done(if first { request.query(&[("q", soql)]) } else { request });
            records.extend(page["records"].as_array().expect("records").iter().cloned());
            match page["nextRecordsUrl"].as_str() {
                Some(next) => (url, first) = (format!("{}{next}", self.crm), false),
                None => return records,
            }
        }
    }

    /// What the CRM answers at an address.
    pub(crate) fn get(&self, url: &str) -> Value {
        self.http.done(self.http.request(Method::GET, url).bearer_auth(&*self.token.borrow()))
    }

    // ---- the ERP

    fn erp_url(&self, path: &str) -> String {
        format!("{}/{ERP_API}/{path}", self.erp)
    }

    /// What the ERP answers to a write, and whether that is a success. A session that is over is begun anew.
    pub(crate) fn write(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let request = self.client.request(method, self.erp_url(path)).basic_auth(ERP_USER, Some(ERP_PASSWORD));
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

    pub(crate) fn read(&self, path: &str) -> Value {
        let request = self.http.request(Method::GET, &self.erp_url(path)).basic_auth(ERP_USER, Some(ERP_PASSWORD));
        self.http.done(request.query(&[("sap-client", "100"), ("$format", "json")]))["d"].clone()
    }

    pub(crate) fn create_partner(&self, name: &str, city: &str, postal_code: &str) -> String {
        let partner = json!({
            "BusinessPartnerCategory": "2", "OrganizationBPName1": name,
            "to_BusinessPartnerAddress": [{"Country": "GB", "CityName": city, "PostalCode": postal_code}],
            "to_BusinessPartnerRole": [{"BusinessPartnerRole": "FLCU00"}, {"BusinessPartnerRole": "FLCU01"}]
        });
        let made = self.write(Method::POST, &format!("{PARTNERS}/A_BusinessPartner"), &partner).expect("a partner");
        made["d"]["BusinessPartner"].as_str().expect("a number").to_owned()
    }

    pub(crate) fn update_partner(&self, number: &str, fields: &Value) {
        let path = format!("{PARTNERS}/A_BusinessPartner('{number}')");
        until(crate::SOON, || self.write(Method::PATCH, &path, fields));
    }

    pub(crate) fn partner(&self, number: &str) -> Value {
        self.read(&format!("{PARTNERS}/A_BusinessPartner('{number}')"))
    }

    pub(crate) fn address(&self, number: &str) -> Value {
        let found = self.read(&format!("{PARTNERS}/A_BusinessPartner('{number}')/to_BusinessPartnerAddress"));
        found["results"][0].clone()
    }

    pub(crate) fn partners(&self) -> Vec<Value> {
        self.read(&format!("{PARTNERS}/A_BusinessPartner?$expand=to_BusinessPartnerAddress"))["results"]
            .as_array()
            .expect("partners")
            .clone()
    }
}

/// The token and the cookies that a write has to bring.
async fn session(client: &reqwest::Client, erp: &str) -> Option<HeaderMap> {
    let request = client.get(format!("{erp}/{ERP_API}/{PARTNERS}/")).basic_auth(ERP_USER, Some(ERP_PASSWORD));
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

impl Interlock<'_> {
    /// What `interlock explain` says of a customer, as JSON; `Err` with what it complains about.
    pub(crate) fn explain(&self, key: &str, member: &str) -> Result<Value, String> {
        let arguments = ["explain", "customer", key, member, "--json", "--url", &self.console];
        let ended = Program::start(&arguments, &[("INTERLOCK_TOKEN", OPERATOR)]).end(crate::SOON);
        match ended.status {
            Some(0) => Ok(serde_json::from_str(&ended.output).expect("JSON")),
            _ => Err(ended.errors),
        }
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
