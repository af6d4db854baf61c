//! Starting: which topics are followed and which kinds of record swept, from where, and what the inbox still holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use connect::Position;
use definitions::{FeedSource, Release};
use dispatch::{Clock, Dispatcher};
use jiff::Timestamp;
use model::{ConnectionName, Problem};
use store::{FeedPositionRow, InboxRow, Store, StoreError};
use tokio::sync::{mpsc, watch};

use crate::line::Line;
use crate::parking::Parking;
use crate::references::References;
use crate::sweep::{self, Group};
use crate::topic::Topic;
use crate::{Intake, Running, Shared, Sink};

/// Chunks of readings that may wait to be handed over.
const WAITING_MAX: usize = 64;

/// The feeds, and what the store says of them.
struct Stored {
    lines: Vec<Line>,
    topics: Vec<Topic>,
    groups: Vec<Group>,
    inbox: Vec<InboxRow>,
}

/// Builds an intake and starts its tasks.
pub(crate) async fn start(
    release: &Release,
    store: Arc<dyn Store>,
    dispatchers: HashMap<ConnectionName, Dispatcher>,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn Sink>,
) -> Result<Intake, Problem> {
    let feeds = release.connections.values().flat_map(|connection| connection.feeds.values());
    let lines: Vec<Line> = feeds.map(|feed| Line::new(Arc::clone(feed))).collect();
    if let Some(line) = lines.iter().find(|line| !dispatchers.contains_key(&line.feed.connection)) {
        let message = format!("the connection {} has feeds and is not open", line.connection);
        return Err(Problem::new("IL-FEED-002", message, "Open every connection of the release before its feeds"));
    }
    let stored = {
        let (store, now) = (Arc::clone(&store), clock.now());
        tokio::task::spawn_blocking(move || read(&*store, lines, now)).await
    };
    let Stored { lines, topics, groups, inbox } = match stored {
        Ok(stored) => stored.map_err(|error| error.problem())?,
        Err(_) => return Err(StoreError::Closed.problem()),
    };
    let (finished, to_hand_over) = mpsc::channel(WAITING_MAX);
    let (parking, references) = (Parking::default(), References::new());
    let shared =
        Arc::new(Shared { store, dispatchers, clock, sink, lines, topics, groups, parking, references, finished });
    shared.begin_coverage().await?;

    let (stop, stopped) = watch::channel(false);
    let handover = tokio::spawn(Arc::clone(&shared).hand_over(to_hand_over, stopped));
    let tasks = Mutex::default();
    let running = Running { shared: Arc::clone(&shared), stop, tasks, handover: Mutex::new(Some(handover)) };
    let intake = Intake { running: Arc::new(running) };
    shared.take_up(inbox).await;
    let mut tasks = vec![tokio::spawn(Arc::clone(&shared).look_after_parked())];
    for place in 0..shared.lines.len() {
        tasks.push(tokio::spawn(Arc::clone(&shared).work_off(place, shared.finished.clone())));
    }
    for (number, topic) in shared.topics.iter().enumerate() {
        if let Some(dispatcher) = shared.dispatchers.get(&topic.connection) {
            tasks.push(tokio::spawn(Arc::clone(&shared).follow(number, dispatcher.clone())));
        }
    }
    for (number, group) in shared.groups.iter().enumerate() {
        if let Some(dispatcher) = shared.dispatchers.get(&*group.connection) {
            tasks.push(tokio::spawn(Arc::clone(&shared).sweep(number, dispatcher.clone())));
        }
    }
    *intake.running.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = tasks;
    Ok(intake)
}

/// Feeds of one topic share its subscription; feeds of one kind of record share its sweeps.
fn read(store: &dyn Store, lines: Vec<Line>, now: Timestamp) -> Result<Stored, StoreError> {
    let mut followed: Vec<(ConnectionName, Arc<str>, Vec<usize>)> = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let feed = &line.feed;
        if let FeedSource::Topic(name) = &feed.source {
            match followed.iter_mut().find(|(connection, topic, _)| *connection == feed.connection && topic == name) {
                Some((_, _, lines)) => lines.push(place),
                None => followed.push((feed.connection.clone(), Arc::clone(name), vec![place])),
            }
        } else if feed.sweep.is_none() {
            continue;
        }
        let is_same = |group: &Group| group.connection == line.connection && group.record == feed.record;
        let row = store.feed_position(&line.connection, &sweep::row_name(&feed.name))?;
        let known = groups.iter().position(is_same).unwrap_or_else(|| {
            groups.push(Group::new(Arc::clone(&line.connection), Arc::clone(&feed.record), now));
            groups.len() - 1
        });
        groups[known].add(place, feed.sweep, row);
    }
    let mut topics = Vec::with_capacity(followed.len());
    for (connection, name, lines) in followed {
        let row = store.feed_position(connection.as_str(), &name)?;
        let stored = row.map(|FeedPositionRow { position, at, .. }| (Position(position), at));
        topics.push(Topic::new(connection, name, lines, stored));
    }
    Ok(Stored { lines, topics, groups, inbox: store.inbox()? })
}
