//! A browser, and what a person sees and does there.

use std::env;
use std::fs;
use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// How long anything may take that a person waits for. The demo's ERP is away for five seconds once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const WINDOW: (u32, u32) = (1440, 900);

/// A process of its own group, which ends with the test however that ends.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).process_group(0).spawn().expect("the program starts"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its children too: the simulators and the middleware of a demo, the browser of a driver.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// The first of these programs that is installed.
pub(crate) fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    names.iter().find_map(|name| env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// A browser with one page, and what a person sees and does there.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: String,
    screenshots: Option<PathBuf>,
}

impl Browser {
    pub(crate) async fn open(
        driver: SocketAddr,
        chromium: &Path,
        profile: &Path,
        screenshots: Option<PathBuf>,
    ) -> Self {
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &format!("--user-data-dir={}", profile.display()),
            &format!("--window-size={},{}", WINDOW.0, WINDOW.1),
        ];
        let wanted = json!({
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let driver = format!("http://{driver}");
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted.as_object().cloned().expect("an object"))
            .connect(&driver)
            .await
            .expect("a browser");
        let browser = Self { client, driver, screenshots };
        // A window has a frame; the page is to have the whole size.
        let inner = browser.run("return innerHeight").await.as_u64().and_then(|height| u32::try_from(height).ok());
        let frame = WINDOW.1.saturating_sub(inner.unwrap_or(WINDOW.1));
        browser.client.set_window_size(WINDOW.0, WINDOW.1 + frame).await.expect("resized");
        browser
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect("the script runs")
    }

    /// All that can be read on the page; nothing while another one is loading.
    pub(crate) async fn text(&self) -> String {
        let text = self.client.execute("return document.body ? document.body.innerText : ''", Vec::new()).await;
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    pub(crate) async fn text_of(&self, locator: Locator<'_>) -> Option<String> {
        self.client.find(locator).await.ok()?.text().await.ok()
    }

    pub(crate) async fn path(&self) -> String {
        self.client.current_url().await.map(|url| url.path().to_owned()).unwrap_or_default()
    }

    /// Looks until there is an answer.
    pub(crate) async fn until<T, F: Future<Output = Option<T>>>(&self, what: &str, mut look: impl FnMut() -> F) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain for {what} on {}, which says:\n{}",
                self.path().await,
                self.text().await
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(crate) async fn sees(&self, text: &str) {
        self.until(text, async || self.text().await.contains(text).then_some(())).await;
    }

    pub(crate) async fn is_at(&self, path: &str) {
        self.until(path, async || (self.path().await == path).then_some(())).await;
    }

    /// Clicks on what the expression finds. Pages change while they are looked at, so a part may have been replaced just then.
    pub(crate) async fn click(&self, expression: &str) {
        self.until(expression, async || {
            let found = self.client.find(Locator::XPath(expression)).await.ok()?;
            found.click().await.ok()
        })
        .await;
    }

    pub(crate) async fn click_button(&self, label: &str) {
        self.click(&format!("//main//button[normalize-space()='{label}']")).await;
    }

    /// Presses keys one after the other, as a person does, with one held down or none.
    pub(crate) async fn press(&self, held: Option<Key>, keys: impl IntoIterator<Item = char>) {
        // A page hears keys once its script is there.
        let loaded = async || self.client.execute("return document.readyState", Vec::new()).await.ok();
        self.until("the page to be loaded", async || loaded().await.filter(|state| state == "complete")).await;
        let mut actions = KeyActions::new("keyboard".to_owned());
        let held = held.map(char::from);
        if let Some(value) = held {
            actions = actions.then(KeyAction::Down { value });
        }
        for value in keys {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        if let Some(value) = held {
            actions = actions.then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.expect("keys are pressed");
    }

    pub(crate) async fn focused(&self) -> Result<Element, CmdError> {
        self.client.active_element().await
    }

    pub(crate) async fn focused_text(&self) -> Option<String> {
        self.focused().await.ok()?.text().await.ok()
    }

    /// What is at stake, as the page's head says it.
    pub(crate) async fn amount(&self) -> String {
        let said = self.until("an amount", || self.text_of(Locator::Css("main header .amount"))).await;
        let amount = said.lines().next().unwrap_or_default().trim().to_owned();
        let pence = amount.strip_prefix('£').and_then(|amount| amount.replace(',', "").parse::<f64>().ok());
        assert!(pence.is_some_and(|amount| amount > 0.0), "“{said}” is no amount of money");
        assert!(said.contains("at stake"), "{said}");
        amount
    }

    pub(crate) async fn screenshot(&self, name: &str) {
        let Some(folder) = &self.screenshots else { return };
        self.run("scrollTo(0, 0)").await;
        let png = self.client.screenshot().await.expect("a screenshot");
        fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(format!("{name}.png")), png)).expect("written");
    }

    /// What the browser complains about: scripts that fail, and what the security policy refuses.
    pub(crate) async fn complaints(&self) -> Vec<Value> {
        let session = self.client.session_id().await.expect("a session").expect("its name");
        let answer = reqwest::Client::new()
            .post(format!("{}/session/{session}/se/log", self.driver))
            .json(&json!({ "type": "browser" }))
            .send()
            .await
            .expect("the browser's log");
        let log: Value = answer.json().await.expect("JSON");
        let entries = log.get("value").and_then(Value::as_array).cloned().expect("entries");
        // A wrong sign-in is answered with 403, which the browser notes.
        entries
            .into_iter()
            .filter(|entry| {
                entry.get("level") == Some(&json!("SEVERE")) && entry.get("source") != Some(&json!("network"))
            })
            .collect()
    }
}

/// A browser with its driver; `None` where they are not installed, which is said.
pub(crate) async fn start(folder: &Path) -> Option<(Running, Browser)> {
    let driver = installed(&["chromedriver"]);
    let chromium = installed(&["chromium", "chromium-browser", "google-chrome", "chrome"]);
    let (Some(driver), Some(chromium)) = (driver, chromium) else {
        assert!(env::var_os("CI").is_none(), "chromium and chromedriver are needed where CI is set");
        eprintln!("skipped: chromium or chromedriver is not installed");
        return None;
    };
    let address = free_address();
    let driver = Running::start(
        Command::new(driver).arg(format!("--port={}", address.port())).stdout(Stdio::null()).stderr(Stdio::null()),
    );
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "chromedriver does not listen on {address}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let screenshots = env::var_os("INTERLOCK_SCREENSHOTS").map(PathBuf::from);
    let browser = Browser::open(address, &chromium, &folder.join("profile"), screenshots).await;
    Some((driver, browser))
}
