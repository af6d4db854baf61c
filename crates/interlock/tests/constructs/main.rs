//! The whole language by construct: small documents run by the real program, each with the output or the error that it must end
//! with. `docs/workflow-language.md` names the cases by their file and name.
//!
//! | file | holds |
//! |---|---|
//! | `cases/` | the cases, one file for each group of constructs |
//! | `case.rs` | what a case may say |
//! | `play.rs` | runs a case and compares |
//! | `outside/` | the host that cases call |
//! | `table.rs` | the table in `docs/workflow-language.md` is complete, and names cases that there are |

mod case;
mod outside;
mod play;
mod table;
#[path = "../workflows/mod.rs"]
mod workflows;

/// A test for each file of cases, by its name.
macro_rules! groups {
    ($($group:ident)*) => {
        $(
            #[test]
            fn $group() {
                play::group(&stringify!($group).replace('_', "-"));
            }
        )*

        /// The names of the files.
        const GROUPS: &[&str] = &[$(stringify!($group)),*];
    };
}

groups! {
    call_asyncapi
    call_functions
    call_grpc
    call_http
    call_openapi
    authentication
    data_flow
    documents
    emit
    errors
    expressions
    extensions
    flow
    fork
    iteration
    listen
    numbers
    raise
    retry
    run_processes
    run_workflow
    schedule
    secrets
    set
    switch
    timeouts
    trace
    catching
    wait
}

#[test]
fn every_file_of_cases_is_played() {
    let mut files = case::files();
    files.sort();
    let mut groups: Vec<String> = GROUPS.iter().map(|group| group.replace('_', "-")).collect();
    groups.sort();
    assert_eq!(files, groups);
}
