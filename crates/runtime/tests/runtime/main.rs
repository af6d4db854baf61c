//! The runtime through its door: a project of files, a store on disk, and a system in memory.

mod crashes;
mod events;
mod failures;
mod obstacles;
mod occasions;
mod parents;
mod people;
mod project;
mod records;
mod trouble;
mod world;
