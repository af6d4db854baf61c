//! Bulk API 2.0: jobs that take or give many records as CSV, under `/services/data/vNN.0/jobs`.
//!
//! | part | holds |
//! |---|---|
//! | `door` | which request asks for what, and its answer |
//! | `job`, `jobs` | one job and what it says about itself; all of them, with their bounds |
//! | `dialect` | the CSV that a job speaks |
//! | `ingest`, `rows` | carrying an ingest job out; one row of it |
//! | `query` | carrying a query job out |
//! | `results` | what a job has to show, page by page or row by row |
//! | `multipart` | a job and its data in one request |
//!
//! A job is worked on at once, 200 rows in one transaction as the vendor does, but who polls sees its states in their order:
//! `InProgress` at least once between `UploadComplete` and the end.

mod dialect;
mod door;
mod ingest;
mod job;
mod jobs;
mod multipart;
mod query;
mod results;
mod rows;

pub(crate) use door::{Answer, Request, answer};
pub(crate) use jobs::{DAILY_BATCHES, DAILY_QUERY_JOBS, DAILY_QUERY_STORAGE_MB, Jobs};
