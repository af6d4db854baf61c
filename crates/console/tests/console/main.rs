//! The console by HTTP, over a store on disk.

mod lists;
mod pictures;
mod world;
