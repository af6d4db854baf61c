//! What workflows reach without a connection, against real servers, files and processes.

mod http;
mod openapi;
mod redirects;
mod secrets;
mod support;
mod tokens;
