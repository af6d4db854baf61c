//! What workflows reach without a connection, against real servers, files and processes.

mod asyncapi;
mod grpc;
mod http;
mod openapi;
mod processes;
mod redirects;
mod secrets;
mod support;
mod tokens;
