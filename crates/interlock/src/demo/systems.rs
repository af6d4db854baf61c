//! What the demo runs between: both simulators in processes of their own, and a project that connects them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use connect::transport::{self, ClientOptions};
use model::{Problem, Value, json};
use uuid::Uuid;

use super::account::Counted;
use super::children::Running;
use super::crm::CrmAccess;
use super::erp::ErpAccess;
use super::weather::Weather;
use crate::environment::{Environment, write_private};
use crate::project::{self, Integration};

const API_PORT: u16 = 8080;
const CONSOLE_PORT: u16 = 8081;

/// What can be chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) api: Option<SocketAddr>,
    pub(crate) console: Option<SocketAddr>,
    pub(crate) seed: u64,
    pub(crate) integration: Integration,
}

/// Running simulators and the project's folder.
pub(crate) struct Systems {
    crm: Running,
    erp: Running,
    /// The project's folder.
    pub(crate) project: PathBuf,
    /// Everything the project's definitions ask for.
    pub(crate) environment: Environment,
    /// The same as a file, for another process.
    pub(crate) environment_file: PathBuf,
    pub(crate) crm_access: CrmAccess,
    pub(crate) erp_access: ErpAccess,
    pub(crate) weather: Weather,
    api: SocketAddr,
    console: SocketAddr,
    folder: PathBuf,
    temporary: bool,
    people: [(&'static str, &'static str, String); 3],
}

impl Systems {
    /// Starts the simulators and writes the project.
    ///
    /// # Errors
    /// When a folder cannot be written, a port is taken, or a simulator does not start.
    pub(crate) async fn start(wishes: &Wishes) -> Result<Self, Problem> {
        let temporary = wishes.folder.is_none();
        let folder = wishes
            .folder
            .clone()
            .unwrap_or_else(|| std::env::temp_dir().join(format!("interlock-demo-{}", Uuid::now_v7().simple())));
        let project = folder.join(wishes.integration.name());
        project::write(&project, wishes.integration)?;
        let api = address(wishes.api, API_PORT)?;
        let console = address(wishes.console, CONSOLE_PORT)?;
        let (client_id, client_secret, password, events_token) = ("interlock", secret(), secret(), secret());
        let metadata = project.join("sandbox/salesforce.yaml");
        let seed = wishes.seed.to_string();
        let environment = [("SANDBOX_CLIENT_ID", client_id), ("SANDBOX_CLIENT_SECRET", client_secret.as_str())];
        let crm = Running::start(
            "the simulated Salesforce",
            &["sandbox", "salesforce", "--child", "--seed", &seed, "--metadata", &metadata.to_string_lossy()],
            &environment,
        )
        .await?;
        let user = "INTERLOCK";
        let events = format!("http://{api}/events/erp");
        let environment = [
            ("SANDBOX_USER", user),
            ("SANDBOX_PASSWORD", password.as_str()),
            ("SANDBOX_EVENTS_TOKEN", events_token.as_str()),
        ];
        let erp = Running::start(
            "the simulated S/4HANA",
            &[
                "sandbox",
                "s4hana",
                "--child",
                "--seed",
                &seed,
                "--events",
                &events,
                "--events-token",
                "SANDBOX_EVENTS_TOKEN",
            ],
            &environment,
        )
        .await?;
        let authority = folder.join("salesforce-ca.pem");
        write(&authority, crm.said("ca")?)?;
        let people =
            [("olivia", "order desk", secret()), ("fatima", "finance", secret()), ("oscar", "operator", secret())];
        let crm_access = CrmAccess {
            url: crm.said("url")?.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: client_secret.clone(),
        };
        let erp_access =
            ErpAccess { url: erp.said("url")?.to_owned(), user: user.to_owned(), password: password.clone() };
        let variables = [
            ("CRM_URL", crm_access.url.clone()),
            ("CRM_PUBSUB", crm.said("pubsub")?.to_owned()),
            ("CRM_CA_FILE", authority.display().to_string()),
            ("CRM_CLIENT_ID", client_id.to_owned()),
            ("CRM_CLIENT_SECRET", client_secret),
            ("ERP_URL", erp_access.url.clone()),
            ("ERP_INSECURE", "true".to_owned()),
            ("ERP_USER", user.to_owned()),
            ("ERP_PASSWORD", password),
            ("API_ADDRESS", api.to_string()),
            ("CONSOLE_ADDRESS", console.to_string()),
            ("EVENTS_TOKEN", events_token),
            ("QUOTING_KEY", secret()),
            ("OLIVIA_TOKEN", people[0].2.clone()),
            ("FATIMA_TOKEN", people[1].2.clone()),
            ("OSCAR_TOKEN", people[2].2.clone()),
            ("STELLA_TOKEN", secret()),
        ];
        let environment = Environment::with(variables.map(|(name, value)| (name.to_owned(), value)));
        let environment_file = folder.join("environment");
        write(&environment_file, &environment.to_text())?;
        let weather = Weather::new(&crm_access.url, &erp_access.url)?;
        Ok(Self {
            crm,
            erp,
            project,
            environment,
            environment_file,
            crm_access,
            erp_access,
            weather,
            api,
            console,
            folder,
            temporary,
            people,
        })
    }

    /// Process numbers of the simulators.
    pub(crate) fn processes(&self) -> [(&'static str, Option<u32>); 2] {
        [("simulated Salesforce", self.crm.id()), ("simulated S/4HANA", self.erp.id())]
    }

    /// The console with a user signed in.
    pub(crate) fn console_link(&self) -> String {
        format!("http://{}/?token={}", self.console, self.people[2].2)
    }

    /// Open work items by queue, as the console of a middleware in another process tells them; `None` when it does not now.
    pub(crate) async fn open_work_items(&self) -> Option<BTreeMap<String, u64>> {
        let overview = self.overview().await?;
        let total = |queue: &Value| Some((queue.get("queue").as_str()?.to_owned(), number(queue, "count")?));
        Some(overview.get("queues").items().iter().filter_map(total).collect())
    }

    /// What a middleware in another process counted since it started; `None` when it does not tell all of it now.
    pub(crate) async fn counted(&self) -> Option<Counted> {
        let overview = self.overview().await?;
        let mut counted = Counted::default();
        for connection in overview.get("connections").as_array()? {
            counted.retries += number(connection, "retried")?;
            counted.probed += number(connection, "probed")?;
            counted.found += number(connection, "found")?;
        }
        for feed in overview.get("feeds").as_array()? {
            counted.healed += number(feed, "healed")?;
        }
        Some(counted)
    }

    /// `/ops/overview` of a middleware in another process.
    async fn overview(&self) -> Option<Value> {
        let client = transport::client(&ClientOptions::default()).ok()?;
        let request = client.get(format!("http://{}/ops/overview", self.console)).bearer_auth(&self.people[2].2);
        let body = request.send().await.ok()?.bytes().await.ok()?;
        json::parse(&body).ok()
    }

    /// Where everything is, for the person who watches.
    pub(crate) fn welcome(&self) -> String {
        let mut text = format!("Console       {}\n", self.console_link());
        for (name, role, token) in &self.people {
            text.push_str(&format!("  {name:<10}  {role:<12} token {token}\n"));
        }
        text.push_str(&format!("Process APIs  http://{}\n", self.api));
        text.push_str(&format!("Salesforce    {} (simulated)\n", self.crm_access.url));
        text.push_str(&format!("S/4HANA       {} (simulated)\n", self.erp_access.url));
        text.push_str(&format!("Project       {}\n", self.project.display()));
        text
    }

    /// Ends the simulators, and removes what was temporary.
    pub(crate) async fn stop(self, within: Duration) {
        tokio::join!(self.crm.stop(within), self.erp.stop(within));
        if self.temporary {
            // What is left in a temporary folder does no harm.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name).as_i64().and_then(|number| u64::try_from(number).ok())
}

fn write(file: &Path, text: &str) -> Result<(), Problem> {
    write_private(file, text).map_err(|error| {
        let message = format!("{} cannot be written: {error}", file.display());
        Problem::new("IL-DEMO-019", message, "Choose a folder that you may write to, on a disk with some space")
    })
}

/// Enough random bits for a secret that lives as long as the demo.
fn secret() -> String {
    let part = || Uuid::now_v7().simple().to_string().split_off(16);
    format!("{}{}", part(), part())
}

/// The wish, or a port that is usually free, or any that is.
fn address(wish: Option<SocketAddr>, usual: u16) -> Result<SocketAddr, Problem> {
    if let Some(wish) = wish.filter(|wish| wish.port() != 0) {
        return Ok(wish);
    }
    let ip = wish.map_or_else(|| Ipv4Addr::LOCALHOST.into(), |wish| wish.ip());
    let ports = if wish.is_some() { [0, 0] } else { [usual, 0] };
    let bound = ports.into_iter().find_map(|port| TcpListener::bind((ip, port)).ok());
    bound.and_then(|listener| listener.local_addr().ok()).ok_or_else(|| {
        let message = format!("there is no free port on {ip}");
        Problem::new("IL-DEMO-020", message, "Give addresses with --api and --console")
    })
}
