//! A simulated SAP S/4HANA: order to cash behind the vendor's OData V2 services, on a real socket.
//!
//! [`serve`] starts one. It keeps its own state, follows up on orders by itself (delivery, goods issue, billing document,
//! payment), tells of business events by webhook, and has faults that can be switched on while it runs. `odata` is the
//! protocol without any business, `erp` the business without any protocol, `server` puts both on the socket, and `catalog`
//! holds the services as data.

mod erp;
mod odata;
mod server;

pub use server::options::{EventTarget, Options, Organization, Timing};
pub use server::serve::{Running, serve};
