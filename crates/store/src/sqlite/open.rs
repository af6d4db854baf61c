//! Opening the file, with the durability it must have.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use uuid::Uuid;

use super::resolve::Resolver;
use super::schema::MIGRATIONS;
use super::tables::Tables;
use super::write::write_layer;
use crate::StoreError;
use crate::log;
use crate::overlay::Layer;

/// `synchronous = FULL`: every commit is synced before it is acknowledged.
const SYNCHRONOUS_FULL: i64 = 2;
const STATEMENTS_KEPT: usize = 64;

/// Pages in the log before they are moved into the database: 64 MB. A page that changes often meanwhile is moved once.
const CHECKPOINT_PAGES: i64 = 16_000;

/// What SQLite keeps of the tables in memory, in KB: for who writes them, and for each who reads. A reader's is worth nothing as soon as
/// something is written, which is all the time.
const WRITER_CACHE_KB: i64 = 8_192;
const READER_CACHE_KB: i64 = 512;

/// Statements keep the plan they were compiled with; otherwise some would be compiled again for each new value that is bound.
fn keep_plans(connection: &Connection, name: &str) -> Result<(), StoreError> {
    connection
        .set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map(|_| ())
        .map_err(|error| database_error(name, &error))
}

/// Gives statements `small(text)`: the text in small letters of all alphabets, where SQLite's own `lower` knows A to Z only.
fn teach(connection: &Connection, name: &str) -> Result<(), StoreError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection
        .create_scalar_function("small", 1, flags, |context| Ok(context.get_raw(0).as_str()?.to_lowercase()))
        .map_err(|error| database_error(name, &error))
}

/// Takes the lock that says that this process is the only writer; it is held until the file is dropped, or the process ends.
pub(super) fn lock(file: &Path) -> Result<File, StoreError> {
    let open_error = |error: std::io::Error| match (file.display().to_string(), error.kind()) {
        (file, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => StoreError::DiskFull { file },
        (file, _) => StoreError::Open { file, cause: error.to_string() },
    };
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(open_error)?;
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let lock = File::options().create(true).write(true).truncate(false).open(&name).map_err(open_error)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { file: file.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(open_error(error)),
    }
}

pub(super) fn writer(file: &Path) -> Result<Connection, StoreError> {
    let name = file.display().to_string();
    let open_error = |cause: String| StoreError::Open { file: name.clone(), cause };
    let mut connection = Connection::open(file).map_err(|error| open_error(error.to_string()))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    let failed = |error: rusqlite::Error| database_error(&name, &error);
    connection.busy_timeout(Duration::from_millis(500)).map_err(failed)?;
    keep_plans(&connection, &name)?;
    teach(&connection, &name)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KB).map_err(failed)?;
    check_durability(&connection, &name)?;
    migrate(&mut connection, &name)?;
    Ok(connection)
}

pub(super) fn reader(file: &Path) -> Result<Connection, StoreError> {
    let name = file.display().to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)
        .map_err(|error| StoreError::Open { file: name.clone(), cause: error.to_string() })?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    let failed = |error: rusqlite::Error| database_error(&name, &error);
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    keep_plans(&connection, &name)?;
    teach(&connection, &name)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KB).map_err(failed)?;
    Ok(connection)
}

/// How much memory is used at most for what is read back from a log before it is written to the tables.
const TAKEN_IN_BYTES: usize = 16 << 20;

/// Writes what a process left in the log to the tables and removes its files. Tells which store this is, and up to which record its
/// log is in the tables.
pub(super) fn take_in_log(connection: &mut Connection, file: &Path) -> Result<(Uuid, u64), StoreError> {
    let name = file.display().to_string();
    let failed = |error: rusqlite::Error| database_error(&name, &error);
    let sql = "select store, sequence from log_applied";
    let (store, applied) = connection
        .query_row(sql, [], |row| Ok((Uuid::from_bytes(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned())))
        .map_err(failed)?;
    let mut layer = Layer::default();
    let last = log::replay(file, store, applied, |number, mutations| {
        let below = [&layer];
        let mut resolver = Resolver::new(&below, Tables::new(connection, &name));
        let encoded = log::encode(&mutations)?;
        mutations.iter().zip(encoded.each()).try_for_each(|(mutation, logged)| resolver.apply(mutation, logged))?;
        let newer = resolver.into_layer();
        layer.absorb(newer);
        if layer.bytes() > TAKEN_IN_BYTES {
            write_layer(connection, &std::mem::take(&mut layer), number).map_err(failed)?;
        }
        Ok(())
    })?;
    if last > applied {
        write_layer(connection, &layer, last).map_err(failed)?;
    }
    for (_, file) in log::files(file).map_err(|error| log::io_error(file, &error))? {
        std::fs::remove_file(&file).map_err(|error| log::io_error(&file, &error))?;
    }
    Ok((store, last))
}

fn check_durability(connection: &Connection, name: &str) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| database_error(name, &error);
    let weak = |setting, found, wanted| StoreError::Durability { file: name.to_owned(), setting, found, wanted };
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(failed)?;
    if journal != "wal" {
        return Err(weak("journal_mode", journal, "wal"));
    }
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(failed)?;
    if synchronous < SYNCHRONOUS_FULL {
        return Err(weak("synchronous", synchronous.to_string(), "FULL"));
    }
    Ok(())
}

fn migrate(connection: &mut Connection, name: &str) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| database_error(name, &error);
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::TooNew { file: name.to_owned(), found, known });
    }
    for (number, statements) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(statements).map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", u32::try_from(number + 1).unwrap_or(u32::MAX))
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

pub(super) fn database_error(file: &str, error: &rusqlite::Error) -> StoreError {
    let file = file.to_owned();
    // The index of the log is made longer in a way that tells no more than that it could not be.
    if error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE) {
        return StoreError::DiskFull { file };
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull { file },
        Some(ErrorCode::SystemIoFailure) => {
            let code = error.sqlite_error().map(ToString::to_string).unwrap_or_default();
            StoreError::Disk { file, cause: format!("{error} ({code})") }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse { file },
        Some(ErrorCode::NotADatabase | ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreError::Open { file, cause: error.to_string() }
        }
        _ => StoreError::Database(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_disk_does_wrong_is_told_apart() {
        let of = |code| database_error("store.db", &rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
            assert_eq!(of(code), StoreError::DiskFull { file: "store.db".into() });
        }
        let failing = of(ffi::SQLITE_IOERR_FSYNC);
        assert!(matches!(&failing, StoreError::Disk { cause, .. } if cause.contains("1034")), "{failing}");
        assert!(failing.heals() && of(ffi::SQLITE_FULL).heals() && of(ffi::SQLITE_BUSY).heals());
        assert!(!of(ffi::SQLITE_CONSTRAINT).heals() && !of(ffi::SQLITE_NOTADB).heals());
        let full = of(ffi::SQLITE_FULL);
        assert!(full.problem().remedy.contains("goes on by itself"));
        assert!(full.problem_at_start().remedy.contains("start Interlock again"));
    }
}
