//! The messages and service stubs of the Salesforce Pub/Sub API (`eventbus.v1`), generated from
//! `proto/pubsub_api.proto`. The sandbox's server and the connector's client share nothing but this interface.
#![allow(missing_docs, clippy::all, unreachable_pub)]

tonic::include_proto!("eventbus.v1");
