//! Bad input, as the person who made the mistake meets it: the real program between simulated systems, over real sockets.
//! One clear message says what to do, nothing is lost, and nothing panics.
//!
//! | file | holds |
//! |---|---|
//! | `definitions.rs` | files that are no YAML, unknown fields, jq that is none |
//! | `credentials.rs` | secrets that a system refuses, before and while it runs |
//! | `places.rs` | ports, certificates and stores that cannot be had |
//! | `disk.rs` | a disk that fills up |
//! | `records.rs` | records that the mapping cannot read or write |
//! | `again.rs` | quotes that are accepted again after they were rejected or taken back |
//! | `ends.rs` | Ctrl-C and power cuts |
//! | `program.rs`, `systems.rs`, `world.rs`, `http.rs` | the program, the systems it runs between, and the way into them |

mod again;
mod codes;
mod credentials;
mod definitions;
mod disk;
mod ends;
mod http;
mod places;
mod program;
mod records;
mod systems;
mod world;
