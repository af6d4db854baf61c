//! The connector over real sockets against a scripted ERP whose answers are shaped as the vendor's.

mod changes;
mod failures;
mod reads;
mod server;
mod writes;
