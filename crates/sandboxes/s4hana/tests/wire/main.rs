//! The simulated S/4HANA as its clients meet it: over the socket only.

mod addresses;
mod batches;
mod faults;
mod grammar;
mod metadata;
mod partners;
mod prices;
mod process;
mod sessions;
mod support;
mod writes;
