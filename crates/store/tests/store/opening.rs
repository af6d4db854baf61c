//! What can be opened, and what is refused.

use super::*;

#[test]
fn two_processes_cannot_write_one_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = open(folder.path());
    let second = SqliteStore::open(&folder.path().join("data/interlock.db"));
    let error = second.err().expect("refused");
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.problem().to_string().contains("Stop the other Interlock"));
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("notes.txt");
    let text = "these are my notes ".repeat(200);
    std::fs::write(&file, &text).expect("written");
    assert!(matches!(SqliteStore::open(&file).err(), Some(StoreError::Open { .. })));
    assert_eq!(std::fs::read_to_string(&file).expect("read"), text);
}

#[test]
fn a_schema_of_the_future_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("future.db");
    drop(SqliteStore::open(&file).expect("a store"));
    let connection = rusqlite::Connection::open(&file).expect("the file");
    connection.pragma_update(None, "user_version", 99).expect("a number");
    drop(connection);
    assert!(matches!(SqliteStore::open(&file).err(), Some(StoreError::TooNew { found: 99, .. })));
}

#[tokio::test]
async fn a_store_that_is_closed_is_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.commit(vec![Mutation::PutRun(a_run("Q-1"))]).durable().await.expect("durable");
    assert_eq!(store.live_runs().expect("read").len(), 1);
    drop(store);
    let mut files: Vec<_> = std::fs::read_dir(folder.path().join("data")).expect("a folder").flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let names: Vec<_> = files.iter().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["interlock.db", "interlock.db.lock"]);
}
