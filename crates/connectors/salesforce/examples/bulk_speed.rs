//! How fast accounts go into a simulated Salesforce and come back out of it in bulk, over a socket of this machine:
//!
//! ```sh
//! cargo run --release -p connector-salesforce --example bulk_speed -- 200000
//! ```

use std::time::{Duration, Instant};

use connect::bulk::{Bulk, BulkRead, Written};
use connect::{Action, Call, Secret, SecretError, Secrets, Settings};
use connector_salesforce::Salesforce;
use model::{Value, json};
use sandbox_salesforce::{Options, serve};

struct Password;

impl Secrets for Password {
    fn get(&self, _: &str) -> Result<Secret, SecretError> {
        Ok(Secret::new("sandbox".into()))
    }
}

fn speed(what: &str, count: usize, took: Duration) {
    let per_second = count as u128 * 1000 / took.as_millis().max(1);
    println!("{what}: {count} records in {took:.2?}, {per_second} a second");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(200_000), |count| count.parse())?;
    let running = serve(Options::default()).await.map_err(|problem| problem.message)?;
    let settings = format!(
        r#"{{"connector":"salesforce","url":"{}","auth":{{"flow":"client-credentials","clientId":"interlock","clientSecret":"env:S"}}}}"#,
        running.url
    );
    let settings = json::parse(settings.as_bytes())?;
    let settings = Settings { name: "crm".into(), settings: &settings, secrets: &Password };
    let crm = Salesforce.connection(&settings).map_err(|problem| problem.message)?;
    let account = |number: usize| Call {
        intent: None,
        action: Action::Create,
        record: "Account".into(),
        key: None,
        body: Value::object([
            ("Name", Value::from(format!("Account \"{number}\", Ltd"))),
            ("AccountNumber", Value::from(format!("A-{number:08}"))),
            ("Site", Value::from("main")),
            ("BillingCity", Value::from("Leeds")),
            ("BillingCountry", Value::from("United Kingdom")),
            ("NumberOfEmployees", Value::from(i64::try_from(number % 1000).unwrap_or(0))),
        ]),
        select: Default::default(),
        probe: Vec::new(),
        insist: false,
    };
    let calls: Vec<Call> = (0..count).map(account).collect();
    let begun = Instant::now();
    let all: Vec<&Call> = calls.iter().collect();
    let (mut from, mut saved) = (0, 0);
    while let Some(waiting) = all.get(from..).filter(|waiting| !waiting.is_empty()) {
        let at = Instant::now();
        let opened = crm.open_write(waiting).await?;
        let taken = waiting.get(..opened.taken.len()).unwrap_or_default();
        let place = opened.place.filter(|_| !taken.is_empty()).ok_or("no call was taken")?;
        let chosen = at.elapsed();
        crm.send(&place, taken).await?;
        let sent = at.elapsed();
        let outcomes = loop {
            if let Written::Done(outcomes) = crm.outcomes(&place, taken).await? {
                break outcomes;
            }
        };
        let told = at.elapsed();
        saved += outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        from += taken.len();
        let (sending, working) = (sent.saturating_sub(chosen), told.saturating_sub(sent));
        println!("a job of {}: chosen in {chosen:.2?}, sent in {sending:.2?}, told in {working:.2?}", taken.len());
    }
    speed("written", saved, begun.elapsed());

    let names =
        ["Name", "AccountNumber", "Site", "BillingCity", "BillingCountry", "NumberOfEmployees", "SystemModstamp"];
    let fields = names.iter().map(|name| (*name).into()).collect();
    let read = BulkRead { record: "Account".into(), fields, since: None, before: None, deleted: false };
    let begun = Instant::now();
    let mut place = Some(crm.start_read(&read).await?.place);
    let (mut records, mut pages) = (0, Duration::ZERO);
    while let Some(at) = place {
        let asked = Instant::now();
        let page = crm.read_page(&read, &at).await?;
        if records > 0 {
            pages += asked.elapsed();
        }
        records += page.records.len();
        place = page.next;
    }
    speed("read", records, begun.elapsed());
    println!("of that, pages after the first: {pages:.2?}");
    Ok(())
}
