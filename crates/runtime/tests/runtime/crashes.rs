//! A process that ends at any moment, again and again.

use std::sync::Arc;
use std::time::Duration;

use store::Store;

use crate::project::project;
use crate::world::{ALL, System, open, start, until};

const LIVES: u64 = 20;
const ORDERS_PER_LIFE: u64 = 12;

#[test]
fn whenever_the_process_ends_every_order_is_there_once_and_every_run_completes() {
    let folder = tempfile::tempdir().expect("a folder");
    let release = project(folder.path(), &[]);
    let system = System::new(7);
    system.invoice_at_once();
    system.set_weather(10, 15);
    for life in 0..=LIVES {
        let last = life == LIVES;
        let store = open(folder.path());
        let gone = Arc::downgrade(&store);
        let tasks = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tasks");
        tasks.block_on(async {
            let runtime = start(&release, store, &system).await;
            if last {
                until(&runtime, "end of all runs", |store| {
                    let matters = store.transactions("", ALL).expect("a read");
                    let all = matters.len() as u64 == LIVES * ORDERS_PER_LIFE;
                    (all && store.live_runs().expect("a read").is_empty()).then_some(())
                })
                .await;
                assert_eq!(runtime.store().intents(), Ok(vec![]));
                return;
            }
            for number in 0..ORDERS_PER_LIFE {
                system.quote(&format!("{life}-{number}"), 100, "accepted");
            }
            // The process ends at another moment in each life; what it was doing is different every time.
            tokio::time::sleep(Duration::from_millis(2 + (life * 11) % 47)).await;
        });
        tasks.shutdown_timeout(Duration::from_secs(60));
        assert!(gone.upgrade().is_none(), "nothing of the runtime is left");
    }
    let mut keys: Vec<String> = system.all("Order").iter().map(|order| order.get("Key").to_string()).collect();
    let created = keys.len() as u64;
    keys.sort();
    keys.dedup();
    assert_eq!((keys.len() as u64, created), (LIVES * ORDERS_PER_LIFE, LIVES * ORDERS_PER_LIFE));
    let store = open(folder.path());
    for matter in store.transactions("", ALL).expect("a read") {
        assert_eq!((&*matter.stage, matter.closed), ("invoiced", true), "{}", matter.key);
    }
    assert_eq!(store.listening_runs(None, 10), Ok(vec![]));
}
