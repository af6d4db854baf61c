//! Projects from folders: the good one loads, the wrong one tells every mistake in its place, and no bytes make it panic.

mod functions;
mod mistakes;
mod odd_files;
mod release;
mod support;
