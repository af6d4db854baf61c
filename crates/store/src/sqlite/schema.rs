//! The tables. A change of schema is a new entry of [`MIGRATIONS`]; entries that were released are never edited.

/// Each entry brings the schema from its index to the next number.
pub(crate) const MIGRATIONS: [&str; 9] = [
    FIRST,
    RUN_PARTS,
    RUNS_LIVE,
    SYNCED,
    FOUND_BY_PEOPLE,
    LOG_APPLIED,
    INTENTS_BY_RUN,
    TRANSACTIONS_BY_STAGE,
    ANSWERS_BY_AGE,
];

const FIRST: &str = "
create table runs (
    id blob primary key, workflow text not null, definition text not null, key text not null,
    transaction_id blob not null, status integer not null, state blob not null,
    started_at integer not null, updated_at integer not null, in_doubt integer not null
) strict, without rowid;
create unique index runs_by_key on runs (workflow, key);
create index runs_live on runs (definition, id) where status in (0, 1, 3);

create table intents (
    id blob primary key, run_id blob not null, position blob not null, connection text not null,
    function text not null, business_key text, request text not null, state integer not null,
    attempts integer not null, last_error text, created_at integer not null
) strict, without rowid;
create unique index intents_by_business_key on intents (connection, function, business_key)
    where business_key is not null;

create table journal (
    transaction_id blob not null, at integer not null, sequence integer not null,
    kind text not null, connection text, title text not null, detail text not null,
    primary key (transaction_id, sequence)
) strict, without rowid;

create table transactions (
    id blob primary key, object text not null, key text not null, title text not null, stage text not null,
    closed integer not null, amount text, currency text, opened_at integer not null, updated_at integer not null
) strict, without rowid;
create unique index transactions_by_key on transactions (object, key);
create index transactions_by_update on transactions (updated_at);

create table record_references (
    object text not null, key text not null, connection text not null, record_id text not null,
    primary key (object, key, connection)
) strict, without rowid;
create index record_references_by_record on record_references (connection, record_id, object);

create table work_items (
    id blob primary key, queue text not null, transaction_id blob not null, run_id blob, position blob,
    status integer not null, title text not null, reason text not null, amount text, currency text,
    content text not null, opened_at integer not null, due_at integer not null, resolution text not null
) strict, without rowid;
create index work_items_open on work_items (queue, due_at) where status = 0;
create index work_items_by_transaction on work_items (transaction_id);

create table events (
    correlation blob not null, id blob not null, envelope text not null, at integer not null,
    primary key (id, correlation)
) strict, without rowid;
create index events_by_correlation on events (correlation, id);
create index events_by_age on events (at);

create table listeners (
    run_id blob not null, position blob not null, correlation blob not null,
    primary key (run_id, position, correlation)
) strict, without rowid;
create index listeners_by_correlation on listeners (correlation);

create table heard (
    run_id blob not null, event_id blob not null, primary key (run_id, event_id)
) strict, without rowid;

create table feed_positions (
    connection text not null, feed text not null, position blob not null, at integer not null,
    primary key (connection, feed)
) strict, without rowid;

create table inbox (
    connection text not null, id text not null, content text not null, at integer not null,
    primary key (connection, id)
) strict, without rowid;

create table record_versions (
    connection text not null, record text not null, id text not null, version text not null,
    primary key (connection, record, id)
) strict, without rowid;

create table timers (
    run_id blob not null, position blob not null, due_at integer not null, primary key (run_id, position)
) strict, without rowid;
create index timers_by_due on timers (due_at);

create table answers (
    api text not null, key text not null, answer text not null, at integer not null,
    primary key (api, key)
) strict, without rowid;

create table definitions (hash text primary key, text text not null) strict, without rowid;
";

const RUN_PARTS: &str = "
create table run_parts (
    run_id blob not null, number integer not null, content blob not null, primary key (run_id, number)
) strict, without rowid;
";

/// Without a list of statuses: SQLite builds a table for one each time a row is written.
const RUNS_LIVE: &str = "
drop index runs_live;
create index runs_live on runs (definition, id) where (status < 2 or status = 3);
";

const SYNCED: &str = "
create table synced (
    object text not null, key text not null, transaction_id blob not null, state text not null,
    updated_at integer not null, primary key (object, key)
) strict, without rowid;

create table match_keys (
    object text not null, value text not null, key text not null, primary key (object, value, key)
) strict, without rowid;
create index match_keys_by_key on match_keys (object, key);
";

/// What people find objects by, and which objects name which others.
const FOUND_BY_PEOPLE: &str = "
alter table synced add column title text not null default '';
update synced set title = coalesce((select title from transactions where id = synced.transaction_id), '');
create index synced_by_title on synced (object, title collate nocase, key);

create table synced_links (
    object text not null, member text not null, value text not null, key text not null,
    primary key (object, member, value, key)
) strict, without rowid;
create index synced_links_by_key on synced_links (object, key);
";

/// One row: which store this is, so that its log is known, and up to which record the log is in the tables.
const LOG_APPLIED: &str = "
create table log_applied (store blob not null, sequence integer not null) strict;
insert into log_applied values (randomblob(16), 0);
";

/// What a run waits for is asked for by each look at it, and the most intents are open while a system is down.
const INTENTS_BY_RUN: &str = "
create index intents_by_run on intents (run_id);
";

/// The list of one stage, the last changed first.
const TRANSACTIONS_BY_STAGE: &str = "
create index transactions_by_stage on transactions (stage, updated_at);
";

/// The remembered answers that nobody is told any more.
const ANSWERS_BY_AGE: &str = "
create index answers_by_age on answers (at);
";
