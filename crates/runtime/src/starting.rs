//! Putting a runtime together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use dispatch::{Dispatcher, Report};
use intake::{Intake, Sink};
use model::{ConnectionName, Problem};
use store::Mutation;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::core::{Core, PinnedTexts, ToIntake, compile};
use crate::correlation::{Correlations, Recent};
use crate::figures::Counters;
use crate::first_records::{self, Loading};
use crate::lane::LaneTask;
use crate::lane_id::LaneId;
use crate::launching::Waiters;
use crate::reconciliation::{self, Driver, Reconciliations};
use crate::routing::{self, Router};
use crate::starts::Starts;
use crate::store_trouble::StoreTrouble;
use crate::timers::{self, Timers};
use crate::waits::{self, Waits};
use crate::work::{Pinned, Work};
use crate::{Parts, Shared, match_keys, recovery, schedules, upkeep, watching};

/// How many tasks share the lanes.
const LANE_TASKS: usize = 4;
/// How many reports are sorted at once.
const REPORTS_AT_ONCE: usize = 256;

/// Told when all reports that were there are with their lanes.
pub(crate) type Sorted = oneshot::Sender<()>;

pub(crate) async fn start(parts: Parts) -> Result<Shared, Problem> {
    let Parts { release, store, connections, clock, direct, watch, folder } = parts;
    if let Some(problem) = recovery::missing(release.connections.keys(), |name| connections.contains_key(name)) {
        return Err(problem);
    }
    let texts = release.workflows.values().map(|definition| {
        let pinned = Pinned::new(Arc::clone(definition));
        Mutation::PutDefinition { hash: pinned.hash, text: Arc::clone(&definition.text) }
    });
    store.commit(texts.collect()).durable().await.map_err(|error| error.problem_at_start())?;
    let (opened, reading) = (Arc::clone(&release), Arc::clone(&store));
    let begun = clock.now();
    let (pinned, remembered, loading) = tokio::task::spawn_blocking(move || {
        let pinned = compile(&opened, &*reading)?;
        let remembered = recovery::read(&opened, &*reading).map_err(|error| error.problem())?;
        match_keys::renew(&opened, &*reading, begun)?;
        let loading = intake::loading(&opened, &*reading).map_err(|error| error.problem())?;
        first_records::begin_anew(&loading, &*reading, begun).map_err(|error| error.problem())?;
        Ok::<_, Problem>((pinned, remembered, loading))
    })
    .await
    .unwrap_or_else(|_| Err(routing::stopping()))?;

    let now = clock.now();
    let interests = pinned.values().flat_map(|pinned| pinned.definition.workflow.interests());
    let documents = || pinned.values().map(|pinned| &pinned.definition.workflow);
    let life_cycle_is_heard = documents().any(watching::hears_life_cycle);
    let correlations = Correlations::new(interests);
    let starts = Starts::new(release.workflows.values().map(|one| Pinned::new(Arc::clone(one))));
    let (lanes, inboxes): (Vec<_>, Vec<_>) =
        (0..LANE_TASKS).map(|_| mpsc::unbounded_channel::<(LaneId, Work)>()).unzip();
    let (to_intake, for_intake) = mpsc::unbounded_channel();
    let counters = Counters::default();
    Counters::add(&counters.live, remembered.live);
    let core = Arc::new(Core {
        release: Arc::clone(&release),
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        pinned: PinnedTexts::new(pinned),
        starts,
        correlations,
        recent: Recent::new(now),
        timers: Timers::default(),
        counters,
        once: crate::once::Once::default(),
        damaged: Default::default(),
        asked: remembered.asked,
        waits: Waits::default(),
        identity: Arc::default(),
        loading: Loading::new(loading),
        reconciliations: Reconciliations::default(),
        unreadable: Mutex::new(remembered.unreadable.into_iter().collect()),
        lanes,
        to_intake,
        trouble: StoreTrouble::default(),
        changed: Notify::new(),
        direct,
        direct_under_way: Arc::default(),
        waiters: Waiters::default(),
        watch,
        life_cycle_is_heard,
    });

    let (reports, told) = mpsc::unbounded_channel();
    let dispatchers: HashMap<ConnectionName, Dispatcher> = connections
        .into_iter()
        .filter_map(|(name, open)| {
            let definition = Arc::clone(release.connections.get(&name)?);
            Some((name, Dispatcher::start(definition, open, Arc::clone(&clock), reports.clone())))
        })
        .collect();
    drop(reports);
    let mut tasks: Vec<LaneTask> =
        (0..LANE_TASKS).map(|place| LaneTask::new(place, Arc::clone(&core), dispatchers.clone())).collect();
    recovery::take_up(&core, &mut tasks, &dispatchers, remembered.intents, &remembered.matters);
    recovery::take_up_hooks(&core, &mut tasks, &remembered.hooks, &remembered.not_needed);
    for (task, inbox) in tasks.into_iter().zip(inboxes) {
        tokio::spawn(task.work(inbox));
    }

    let (sorting, asked) = mpsc::channel(1);
    let (changes, watched) = watch::channel(0);
    let mut running = vec![
        tokio::spawn(sort_reports(Arc::clone(&core), told, asked)),
        tokio::spawn(timers::run(Arc::clone(&core))),
        tokio::spawn(schedules::run(Arc::clone(&core))),
        tokio::spawn(upkeep::tell_changes(Arc::clone(&core), changes)),
        tokio::spawn(upkeep::remove_what_is_old(Arc::clone(&core))),
    ];
    let sink: Arc<dyn Sink> = Arc::new(Router(Arc::clone(&core)));
    let intake = Intake::start(release, store, dispatchers.clone(), clock, sink).await?;
    running.push(tell_intake(intake.clone(), for_intake));
    running.push(tokio::spawn(waits::look(Arc::clone(&core))));
    running.push(tokio::spawn(routing::resume(Arc::clone(&core))));
    running.push(tokio::spawn(first_records::make(Arc::clone(&core), dispatchers.clone())));
    reconciliation::remove(&folder).await;
    let (comparing, stop) = watch::channel(false);
    let driver = Driver { core: Arc::clone(&core), dispatchers: dispatchers.clone(), folder, stop };
    let comparisons = Mutex::new(Some(tokio::spawn(driver.run())));
    let tasks = Mutex::new(running);
    Ok(Shared { core, dispatchers, intake, sorting, changes: watched, comparing, comparisons, tasks })
}

/// Gives each report to the lane of its intent. Who asks is told when all that was there is given.
async fn sort_reports(core: Arc<Core>, mut told: mpsc::UnboundedReceiver<Report>, mut asked: mpsc::Receiver<Sorted>) {
    let mut reports = Vec::with_capacity(REPORTS_AT_ONCE);
    loop {
        tokio::select! {
            // Reports come first, so that an answer means that none is left.
            biased;
            count = told.recv_many(&mut reports, REPORTS_AT_ONCE) => {
                if count == 0 {
                    return;
                }
            }
            Some(sorted) = asked.recv() => {
                let _ = sorted.send(());
            }
        }
        for report in reports.drain(..) {
            let intent = match &report {
                Report::Delayed { intent, .. } => *intent,
                Report::Done(outcome) => outcome.intent,
            };
            core.send(LaneId::of(intent.uuid()), Work::Report(report));
        }
    }
}

fn tell_intake(intake: Intake, mut told: mpsc::UnboundedReceiver<ToIntake>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(message) = told.recv().await {
            match message {
                ToIntake::Referenced { connection, object, key, record } => {
                    intake.referenced(&connection, &object, &key, &record);
                }
                ToIntake::Look { row } => intake.look(&row),
            }
        }
    })
}
