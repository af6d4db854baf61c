//! An order desk: finding what is stuck, why, and what it is worth, and getting it moving.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::browser::{self, Browser, PATIENCE, Running, free_address};

/// With this seed the first orders bring an unknown product, a credit hold and a price difference.
const DEMO: [&str; 8] = ["--orders", "120", "--seed", "2", "--faults", "some", "--rate", "20"];

/// Starts a demo, and waits for the link that it prints.
fn demo(folder: &Path) -> (Running, String) {
    let (console, api) = (free_address().to_string(), free_address().to_string());
    let project = folder.join("demo");
    let mut demo = Running::start(
        Command::new(env!("CARGO_BIN_EXE_interlock"))
            .arg("demo")
            .args(DEMO)
            .args(["--console", &console, "--api", &api, "--dir"])
            .arg(&project)
            .stdout(Stdio::null())
            .stderr(Stdio::piped()),
    );
    let lines = BufReader::new(demo.0.stderr.take().expect("its messages")).lines();
    let (told, hear) = mpsc::channel();
    // Reads on to the end, so that the demo never waits for a reader.
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = told.send(line);
        }
    });
    let deadline = Instant::now() + PATIENCE;
    let mut said = Vec::new();
    while let Ok(line) = hear.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Some(link) = line.strip_prefix("Console").map(str::trim).filter(|link| link.contains("?token=")) {
            return (demo, link.to_owned());
        }
        said.push(line);
    }
    panic!("the demo printed no link to its console:\n{}", said.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_gets_stuck_orders_moving_by_mouse_and_by_keyboard() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((_driver, browser)) = browser::start(folder.path()).await else { return };
    // The browser is not of the driver's group: it is closed whatever happens.
    let place = folder.path().to_owned();
    let person = browser.clone();
    let outcome = tokio::spawn(async move {
        let (_demo, link) = demo(&place);
        signs_in(&person, &link).await;
        sees_it_live(&person).await;
        sees_that_it_is_not_current(&person).await;
        corrects_an_order_by_mouse(&person).await;
        releases_an_order_by_keyboard(&person).await;
        let complaints = person.complaints().await;
        assert!(complaints.is_empty(), "the browser complains: {complaints:?}");
    })
    .await;
    let closed = browser.client.close().await;
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
    closed.expect("the browser closes");
}

/// With a wrong token, then with the link that the demo prints.
async fn signs_in(browser: &Browser, link: &str) {
    let (console, _) = link.split_once("/?token=").expect("a link with a token");
    let answers = async || browser.client.goto(&format!("{console}/queues")).await.ok();
    browser.until("the console to answer", answers).await;
    browser.sees("Access token").await;
    browser.is_at("/sign-in").await;
    let ready = async || browser.focused().await.ok()?.attr("id").await.ok()?.filter(|id| id == "token");
    browser.until("the field to have the focus", ready).await;
    browser.press(None, "nobody-has-this-token".chars()).await;
    browser.click_button("Sign in").await;
    browser.sees("Nobody has this access token").await;

    browser.client.goto(link).await.expect("the console answers");
    browser.is_at("/").await;
    browser.sees("Work queues").await;
    let address = browser.client.current_url().await.expect("an address");
    assert!(!address.as_str().contains("token"), "the token stays in the address bar: {address}");
}

/// Counts change while the page is looked at, and it is still the same page.
async fn sees_it_live(browser: &Browser) {
    browser.run("window.stillHere = true").await;
    browser
        .until("the page to be live", async || {
            browser.text_of(Locator::Id("live-state")).await.filter(|text| text == "Live")
        })
        .await;
    let before = browser.text_of(Locator::Id("flow")).await.expect("counts");
    assert!(before.contains("In ERP") && before.contains("Paid"), "{before}");
    let changed = async || browser.text_of(Locator::Id("flow")).await.filter(|now| *now != before);
    let after = browser.until("counts to change", changed).await;
    assert!(after.contains('£'), "{after}");
    assert_eq!(browser.run("return window.stillHere").await, json!(true), "the page was loaded again");
}

/// A page whose newest state cannot be had says so, and since when; and that it is live again.
async fn sees_that_it_is_not_current(browser: &Browser) {
    let says = async |wanted: &str| {
        let found = async || browser.text_of(Locator::Id("live-state")).await.filter(|text| text.starts_with(wanted));
        browser.until(wanted, found).await
    };
    for failing in ["Promise.resolve(new Response('', { status: 503 }))", "Promise.reject(new TypeError('no network'))"]
    {
        browser.run(&format!("window.asks ??= window.fetch; window.fetch = () => {failing}")).await;
        let said = says("Not current since ").await;
        let time = said.trim_start_matches("Not current since ");
        assert!(time.len() == 5 && time.as_bytes()[2] == b':', "{said}");
        browser.run("window.fetch = window.asks").await;
        says("Live").await;
    }
}

/// From the overview to an order whose product the ERP does not know, and on with a product that it knows.
async fn corrects_an_order_by_mouse(browser: &Browser) {
    browser.sees("for a person, worth £").await;
    browser.screenshot("overview").await;
    browser.click("//nav//a[starts-with(normalize-space(), 'Data')]").await;
    browser.is_at("/queues/data").await;
    browser.sees("at stake in").await;
    browser.screenshot("queue").await;
    let row = "(//main//tr[contains(., 'is not defined')])[1]";
    let listed = browser.until("an unknown product", async || browser.text_of(Locator::XPath(row)).await).await;
    browser.click(&format!("{row}//a")).await;

    browser.sees("Why it waits").await;
    let item = browser.path().await;
    assert!(item.starts_with("/items/"), "{item}");
    let amount = browser.amount().await;
    assert!(listed.contains(&amount), "{listed} does not say {amount}");
    let reason = browser.text_of(Locator::Id("reason")).await.expect("a reason");
    let unknown = reason.split_once("Material ").and_then(|(_, rest)| rest.split(' ').next()).expect("a product");
    browser.screenshot("work-item").await;
    let item = sees_where_it_is(browser).await;

    // Rejecting asks for a reason, and does nothing without one.
    browser.click_button("Reject").await;
    browser.sees("“Reject” needs a note").await;
    assert_eq!(browser.path().await, item);
    assert!(!browser.text().await.contains("This is resolved"));

    let products =
        "return [...document.querySelectorAll('#record input[aria-label=Product]')].map(input => input.value)";
    let products = browser.run(products).await;
    let products: Vec<&str> = products.as_array().expect("products").iter().filter_map(Value::as_str).collect();
    let known = products.iter().find(|product| **product != unknown).expect("a product that the ERP knows");
    // Only the row in question is to be seen at first; the same product may be in several.
    for place in 0..products.iter().filter(|product| **product == unknown).count() {
        let rows = browser.client.find_all(Locator::Css("tr.named input[aria-label=Product]")).await.expect("rows");
        let field = rows.get(place).expect("the row that the reason names");
        field.clear().await.expect("cleared");
        field.send_keys(known).await.expect("written");
    }
    browser.click_button("Correct and retry").await;
    browser.sees("“Correct and retry” is done for").await;
    browser.sees("This is resolved").await;
    moves_on(browser).await;

    browser.click("//main//a[normalize-space()='Open the transaction']").await;
    browser.sees("Closed: nothing more is expected").await;
    let told = browser.text().await;
    assert!(told.contains("Salesforce") && told.contains("S/4HANA order") && told.contains("Decided"), "{told}");
    browser.screenshot("timeline").await;
    browser.click("//main//a[starts-with(@href, '/workflows/quote-to-cash?run=')]").await;
    browser.sees("The workflow by itself").await;
    let done = "return document.querySelectorAll('.picture .is-done').length";
    assert!(browser.run(done).await.as_u64().is_some_and(|done| done > 5), "what was done is marked");
    browser.screenshot("workflow").await;
    browser.click("//nav//a[starts-with(normalize-space(), 'Data')]").await;
    browser.is_at("/queues/data").await;
    is_gone(browser, &item).await;

    browser.click("//nav//a[starts-with(normalize-space(), 'Connections')]").await;
    browser.sees("Covered until").await;
    browser.screenshot("connections").await;
}

/// The picture of the workflow begins where the run waits, can be moved by keyboard, is there as a list too, and changes
/// while it is looked at. The order is tried again meanwhile, so that another item of it waits: where that is.
async fn sees_where_it_is(browser: &Browser) -> String {
    browser.click("//main//a[@id='matter-link']").await;
    browser.sees("Where it is: quote to cash").await;
    let now = "const window = document.querySelector('.picture').getBoundingClientRect();
        const now = document.querySelector('.picture .is-current'), at = now.getBoundingClientRect();
        return at.top >= window.top && at.bottom <= window.bottom && at.left >= window.left && at.right <= window.right
            ? [...now.querySelectorAll('text')].map(text => text.textContent).join(' ') : null";
    let found = async || browser.client.execute(now, Vec::new()).await.ok()?.as_str().map(str::to_owned);
    let said = browser.until("the place where it waits", found).await;
    assert!(said.starts_with("ask data:1.0.0@queue waits for a person: Data"), "{said}");
    browser.run("document.querySelector('.picture').focus()").await;
    let top = async || browser.run("return document.querySelector('.picture').scrollTop").await;
    let before = top().await;
    browser.screenshot("whereabouts").await;
    browser.press(None, [char::from(Key::Down)]).await;
    browser.until("the picture to move", async || (top().await != before).then_some(())).await;
    browser.click("//main//summary[normalize-space()='The same as a list']").await;
    browser.sees("ask (call) · data:1.0.0@queue · Here now: waits for a person").await;
    let retry = "window.stillHere = true;
        const form = document.querySelector('form.stuck-do'), fields = new URLSearchParams(new FormData(form));
        fields.set('action', 'retry');
        fetch(form.getAttribute('action'), { method: 'POST', body: fields })";
    browser.run(retry).await;
    let again = "return document.querySelector('.picture .is-current .badge') !== null";
    let again = async || (browser.client.execute(again, Vec::new()).await.ok()? == json!(true)).then_some(());
    browser.until("the run to have come to the same place again", again).await;
    let said = browser.until("the picture to have followed the run", found).await;
    assert!(said.starts_with("ask data:1.0.0@queue waits for a person: Data"), "{said}");
    let kept = browser.run("return window.stillHere && document.querySelector('.as-list').open").await;
    assert_eq!(kept, json!(true), "the page stays as it was looked at");
    browser.click("//main//a[normalize-space()='Look at the details']").await;
    browser.sees("Why it waits").await;
    browser.path().await
}

/// The order is in the ERP, and the timeline says so without the page being loaded again.
async fn moves_on(browser: &Browser) {
    let created = async || {
        let timeline = browser.text_of(Locator::Id("timeline")).await?.to_lowercase();
        timeline.contains("created order").then_some(())
    };
    browser.until("the order to be created in the ERP", created).await;
}

async fn is_gone(browser: &Browser, item: &str) {
    let row = format!("main a[href='{item}']");
    let gone = async || browser.client.find_all(Locator::Css(&row)).await.ok().filter(Vec::is_empty);
    browser.until("the item to be gone from its queue", gone).await;
}

/// From anywhere to an order that waits for credit or for a price, without touching the mouse.
async fn releases_an_order_by_keyboard(browser: &Browser) {
    let held = |queue: &str| format!("//nav//a[starts-with(normalize-space(), '{queue}') and .//*[@class='count']]");
    let waiting = browser
        .until("a credit hold or a price difference", async || {
            for queue in ["Credit hold", "Price difference"] {
                if browser.client.find(Locator::XPath(&held(queue))).await.is_ok() {
                    return Some(queue);
                }
            }
            None
        })
        .await;

    browser.press(None, ['?']).await;
    browser.sees("Next and previous row").await;
    browser.press(None, [char::from(Key::Escape)]).await;
    opens_queue_by_keyboard(browser, waiting).await;
    browser.press(None, ['j']).await;
    // The live page may replace it in between.
    let link = || async { browser.focused().await.ok()?.attr("href").await.ok().flatten() };
    let row = browser.until("a row", link).await;
    browser.press(None, [char::from(Key::Enter)]).await;
    browser.is_at(&row).await;
    browser.sees("Why it waits").await;
    browser.amount().await;

    // To the actions, one back to the note, and on again.
    browser.press(None, ['a']).await;
    let action = browser.focused_text().await.expect("an action");
    browser.press(Some(Key::Shift), [char::from(Key::Tab)]).await;
    assert_eq!(browser.focused().await.expect("the note").tag_name().await.expect("its tag"), "textarea");
    browser.press(None, "Agreed by telephone".chars()).await;
    browser.press(None, [char::from(Key::Tab)]).await;
    assert_eq!(browser.focused_text().await.as_ref(), Some(&action));
    browser.press(None, [char::from(Key::Enter)]).await;
    browser.sees(&format!("“{action}” is done for")).await;
    browser.sees("Agreed by telephone").await;
    moves_on(browser).await;
    opens_queue_by_keyboard(browser, waiting).await;
    is_gone(browser, &row).await;
}

async fn opens_queue_by_keyboard(browser: &Browser, title: &str) {
    browser.press(None, ['g', 'q']).await;
    browser.is_at("/queues").await;
    let card = async || {
        browser.press(None, ['j']).await;
        browser.focused_text().await.filter(|text| text.starts_with(title))
    };
    browser.until("the queue's card to have the focus", card).await;
    browser.press(None, [char::from(Key::Enter)]).await;
    browser.until("the queue", async || browser.path().await.starts_with("/queues/").then_some(())).await;
    browser.sees("at stake in").await;
}
