//! Comparing all records of an object in two systems: they are read through dispatchers, within each system's limits, turned into
//! canonical objects by the feeds' mappings, and held against each other. For the command line, and on a schedule.
//!
//! | file | holds |
//! |---|---|
//! | `subject.rs` | what is compared: sides, members, amounts |
//! | `keys.rs` | which record is which object: what a comparison asks for that |
//! | `reading.rs` | reading all records of a side, or some |
//! | `held.rs` | both sides, read and held against each other |
//! | `forms.rs` | differences that are only a system's own form of a value |

mod forms;
mod held;
mod keys;
mod reading;
mod subject;

pub use held::{Held, Sides};
pub use keys::{Keys, NoKeys};
pub use reading::{Read, Reader};
pub use subject::{Subject, Wanted};
