//! Carrying an ingest job out: chunk by chunk, each a transaction of its own, so that others get their turn between them.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use csv::StringRecord;

use super::dialect::names;
use super::job::{Ingest, Operation, Outcome, State, Work};
use super::rows::{Column, carry_out, columns};
use crate::id::RecordId;
use crate::org::Org;

/// Rows of one transaction, by the vendor's rule.
const CHUNK: usize = 200;

/// Works a job off in the background.
pub(super) fn start(org: Arc<Org>, id: RecordId) {
    tokio::spawn(async move {
        let error = work(&org, id).await.err();
        finish(&org, id, error);
    });
}

/// The error is the vendor's for a job that cannot go on.
async fn work(org: &Org, id: RecordId) -> Result<(), String> {
    let begun = org.jobs.with(&id.to_string(), false, |job| {
        if job.state == State::UploadComplete {
            job.enter(State::InProgress, false);
        }
        match &job.work {
            Work::Ingest(ingest) if job.state == State::InProgress => Some((ingest.clone(), job.dialect)),
            _ => None,
        }
    });
    let Some((ingest, dialect)) = begun.flatten() else { return Ok(()) };
    let data = ingest.data.clone().unwrap_or_default();
    if !dialect.fits(&data) {
        let word = dialect.line_ending_word();
        return Err(format!(
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {word}"
        ));
    }
    let mut reader = dialect.reader(data);
    let unreadable = |error: csv::Error| match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "InvalidBatch : The data is not UTF-8".to_owned(),
        _ => format!("InvalidBatch : The data cannot be read: {error}"),
    };
    let header = names(reader.headers().map_err(unreadable)?);
    let columns = columns(&org.schema, &ingest, &header)?;
    let mut rows = Vec::with_capacity(CHUNK);
    loop {
        rows.clear();
        let mut broken = None;
        for row in reader.records().take(CHUNK) {
            match row {
                Ok(row) if row.len() == header.len() => rows.push(row),
                Ok(row) => {
                    let line = row.position().map_or(0, csv::Position::line);
                    let (wanted, found) = (header.len(), row.len());
                    broken =
                        Some(format!("InvalidBatch : The row in line {line} has {found} columns, the header {wanted}"));
                    break;
                }
                Err(error) => {
                    broken = Some(unreadable(error));
                    break;
                }
            }
        }
        if !rows.is_empty() && !chunk(org, id, &ingest, &columns, &rows) {
            return Ok(());
        }
        match broken {
            Some(error) => return Err(error),
            None if rows.len() < CHUNK => return Ok(()),
            None => tokio::task::yield_now().await,
        }
    }
}

/// One transaction. Answers whether the job is to go on: it may have been aborted or deleted meanwhile.
fn chunk(org: &Org, id: RecordId, ingest: &Ingest, columns: &[Column], rows: &[StringRecord]) -> bool {
    let is_wanted = || org.jobs.with(&id.to_string(), false, |job| job.state == State::InProgress).unwrap_or(false);
    if !is_wanted() {
        return false;
    }
    let mut seen = HashSet::new();
    let (outcomes, _) = org.write(&ingest.origin, |writer| {
        rows.iter().map(|row| carry_out(writer, ingest, columns, row, &mut seen)).collect::<Vec<_>>()
    });
    if ingest.operation == Operation::HardDelete {
        let mut store = org.store.write().unwrap_or_else(PoisonError::into_inner);
        for outcome in &outcomes {
            if let Outcome::Saved(id, _) = outcome {
                store.purge(*id);
            }
        }
    }
    org.jobs
        .with(&id.to_string(), false, |job| {
            job.processed += outcomes.len();
            job.failed += outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Refused(..))).count();
            if let Work::Ingest(ingest) = &mut job.work {
                ingest.outcomes.extend(outcomes);
            }
            job.state == State::InProgress
        })
        .unwrap_or(false)
}

fn finish(org: &Org, id: RecordId, error: Option<String>) {
    let rows = org.jobs.with(&id.to_string(), false, |job| {
        if !job.state.is_final() {
            job.enter(if error.is_some() { State::Failed } else { State::JobComplete }, false);
            job.error = error;
        }
        job.processed
    });
    org.jobs.count_batches(rows.unwrap_or(0));
}
