//! Carrying a query job out: which records, then their lines, some at a time so that others get their turn.

use std::sync::{Arc, PoisonError};

use super::job::{Rows, State, Work};
use crate::id::RecordId;
use crate::org::Org;

/// Lines that are written before others get their turn.
const CHUNK: usize = 2_000;
/// Most bytes that one result may have.
const RESULT_MAX: usize = 512 * 1024 * 1024;

/// Works a job off in the background.
pub(super) fn start(org: Arc<Org>, id: RecordId) {
    tokio::spawn(async move {
        let done = work(&org, id).await;
        org.jobs.with(&id.to_string(), true, |job| {
            if job.state.is_final() {
                return;
            }
            match (done, &mut job.work) {
                (Ok(rows), Work::Query(query)) => {
                    org.jobs.count_query_bytes(rows.text.len());
                    query.rows = Arc::new(rows);
                    job.enter(State::JobComplete, false);
                }
                (Err(error), _) => {
                    job.error = Some(error);
                    job.enter(State::Failed, false);
                }
                (Ok(_), Work::Ingest(_)) => {}
            }
        });
    });
}

async fn work(org: &Org, id: RecordId) -> Result<Rows, String> {
    let begun = org.jobs.with(&id.to_string(), true, |job| {
        if job.state == State::UploadComplete {
            job.enter(State::InProgress, false);
        }
        match &job.work {
            Work::Query(query) if job.state == State::InProgress => Some((Arc::clone(&query.table), job.dialect)),
            _ => None,
        }
    });
    let mut rows = Rows::default();
    let Some((table, dialect)) = begun.flatten() else { return Ok(rows) };
    dialect.write(table.names(), &mut rows.header);
    let serials = table.select(&org.store.read().unwrap_or_else(PoisonError::into_inner));
    let mut values = Vec::new();
    for chunk in serials.chunks(CHUNK) {
        {
            let store = org.store.read().unwrap_or_else(PoisonError::into_inner);
            for serial in chunk {
                if table.values(&store, *serial, &mut values) {
                    rows.starts.push(rows.text.len());
                    dialect.write(values.iter().map(String::as_str), &mut rows.text);
                }
            }
        }
        if rows.text.len() > RESULT_MAX {
            return Err(format!("The result is larger than {} MB", RESULT_MAX / 1024 / 1024));
        }
        let goes_on = org.jobs.with(&id.to_string(), true, |job| {
            job.processed = rows.starts.len();
            job.state == State::InProgress
        });
        if goes_on != Some(true) {
            return Ok(rows);
        }
        tokio::task::yield_now().await;
    }
    Ok(rows)
}
