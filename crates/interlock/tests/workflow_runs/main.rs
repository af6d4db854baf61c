//! Runs of workflows by the real program: started, operated and counted through the ops API, killed and started again.

mod api;
mod command_line;
mod crashes;
mod operations;
