//! Simulated vendor systems on real sockets: each speaks the vendor's protocol as it is, keeps state of its own, and has
//! faults that can be switched on while it runs. The middleware and its connectors meet them over the wire only.

pub mod faults;
pub mod http;
pub mod s4hana;
pub mod salesforce;
