//! The simulated org through its sockets, as any client of the vendor meets it.

mod bulk;
mod collections;
mod composite;
mod describe;
mod duplicates;
mod events;
mod faults;
mod price_book;
mod publishing;
mod queries;
mod records;
mod replication;
mod sign_in;
mod support;
