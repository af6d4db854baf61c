//! What simulated vendor systems share: faults that can be switched on while they run, and serving on a real socket. The
//! simulators themselves are in `sandboxes/`, one crate each; the middleware and its connectors meet them over the wire only.

pub mod calendar;
pub mod faults;
pub mod http;
