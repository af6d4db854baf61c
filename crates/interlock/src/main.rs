//! The command line of Interlock.

fn main() {}
