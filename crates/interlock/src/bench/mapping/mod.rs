//! `interlock bench mapping`: how many records one core maps, in memory and from bytes to bytes, and where the time goes.

mod table;

use std::hint::black_box;
use std::time::{Duration, Instant};

use model::{Problem, Value, json};

use crate::failure::Failure;
use table::{FIELDS, RECORD, table};

/// Records between two looks at the clock.
const BATCH: u32 = 512;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MappingBench {
    /// How often each part is measured; the best counts, as anything else on the machine only makes it slower.
    pub(crate) rounds: usize,
    /// How long a round of a part takes, in milliseconds.
    pub(crate) milliseconds: u64,
    /// Whether the result is printed as JSON.
    pub(crate) json: bool,
}

/// Nanoseconds for a record: the best of the rounds, and the middle one.
#[derive(Debug, Clone, Copy)]
struct Took {
    best: f64,
    middle: f64,
}

impl Took {
    fn per_second(self) -> f64 {
        1e9 / self.best.max(f64::MIN_POSITIVE)
    }
}

/// Measures the mapping of a record in both directions.
///
/// # Errors
/// When the record does not come back as it was: figures of something that is wrong are worth nothing.
pub(crate) fn mapping(bench: MappingBench) -> Result<(), Failure> {
    let failed = |what: &dyn std::fmt::Display| {
        let message = format!("the mapping cannot be measured: {what}");
        Problem::new("IL-BENCH-001", message, "Build Interlock again from unchanged sources")
    };
    let mapping = table().map_err(|error| failed(&error))?;
    let record = json::parse(RECORD.as_bytes()).map_err(|error| failed(&error))?;
    let object = mapping.read(&record).map_err(|error| failed(&error))?;
    let written = mapping.write(&object).map_err(|error| failed(&error))?;
    if mapping.read(&written).map_err(|error| failed(&error))? != object {
        return Err(Failure::Problem(failed(&"what is written does not read the same")));
    }
    let (record_bytes, object_bytes) = (RECORD.as_bytes(), json::to_vec(&object));
    // All of it once before the clock runs.
    let mut parts: Vec<(&'static str, &'static str, Vec<f64>)> = Vec::new();
    let within = Duration::from_millis(bench.milliseconds);
    for _ in 0..bench.rounds {
        let mut note = |direction: &'static str, part: &'static str, took: f64| match parts
            .iter_mut()
            .find(|(of, name, _)| (*of, *name) == (direction, part))
        {
            Some((_, _, all)) => all.push(took),
            None => parts.push((direction, part, vec![took])),
        };
        note("read", "map", each(within, || mapping.read(black_box(&record)).is_ok()));
        note("read", "parse", each(within, || json::parse(black_box(record_bytes)).is_ok()));
        note("read", "print", each(within, || !json::to_vec(black_box(&object)).is_empty()));
        note(
            "read",
            "bytes",
            each(within, || {
                let Ok(record) = json::parse(black_box(record_bytes)) else { return false };
                mapping.read(&record).is_ok_and(|object| !black_box(json::to_vec(&object)).is_empty())
            }),
        );
        note("write", "map", each(within, || mapping.write(black_box(&object)).is_ok()));
        note("write", "parse", each(within, || json::parse(black_box(&object_bytes)).is_ok()));
        note("write", "print", each(within, || !json::to_vec(black_box(&written)).is_empty()));
        note(
            "write",
            "bytes",
            each(within, || {
                let Ok(object) = json::parse(black_box(&object_bytes)) else { return false };
                mapping.write(&object).is_ok_and(|record| !black_box(json::to_vec(&record)).is_empty())
            }),
        );
    }
    let took = |direction: &str, part: &str| {
        let found = parts.iter().find(|(of, name, _)| (*of, *name) == (direction, part));
        let mut all = found.map(|(_, _, all)| all.clone()).unwrap_or_default();
        all.sort_by(f64::total_cmp);
        let (best, middle) = (all.first().copied(), all.get(all.len() / 2).copied());
        Took { best: best.unwrap_or(f64::INFINITY), middle: middle.unwrap_or(f64::INFINITY) }
    };
    let sizes = Sizes { record: record_bytes.len(), object: object_bytes.len() };
    match bench.json {
        true => println!("{}", json::to_string_pretty(&to_value(sizes, took))),
        false => print!("{}", text(bench, sizes, took)),
    }
    Ok(())
}

/// Bytes of both texts.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    record: usize,
    object: usize,
}

/// Nanoseconds for one, done again and again for so long. What fails is infinitely slow, so that it cannot pass unnoticed.
fn each(within: Duration, mut once: impl FnMut() -> bool) -> f64 {
    let (begun, mut done) = (Instant::now(), 0_u64);
    loop {
        let fine = (0..BATCH).fold(true, |fine, _| black_box(once()) && fine);
        if !fine {
            return f64::INFINITY;
        }
        done += u64::from(BATCH);
        let elapsed = begun.elapsed();
        if elapsed >= within {
            return elapsed.as_secs_f64() * 1e9 / done as f64;
        }
    }
}

const DIRECTIONS: [(&str, &str); 2] = [("read", "record to object"), ("write", "object to record")];

fn text(bench: MappingBench, sizes: Sizes, took: impl Fn(&str, &str) -> Took) -> String {
    let Sizes { record, object } = sizes;
    let mut text = format!(
        "{FIELDS} fields of a record of {record} bytes (the object has {object}), one core, the best of {} rounds of {} ms.\n\n\
         {:<34} {:>10} {:>12} {:>12}\n",
        bench.rounds, bench.milliseconds, "", "ns/record", "middle ns", "records/s"
    );
    let row = |name: &str, took: Took| {
        format!("{name:<34} {:>10.0} {:>12.0} {:>12.0}\n", took.best, took.middle, took.per_second())
    };
    for (direction, name) in DIRECTIONS {
        text.push_str(&row(&format!("{name}, in memory"), took(direction, "map")));
        text.push_str(&row(&format!("{name}, bytes to bytes"), took(direction, "bytes")));
    }
    text.push_str("\nOf bytes to bytes:\n");
    for (direction, name) in DIRECTIONS {
        let whole = took(direction, "bytes").best;
        let share = |part| took(direction, part).best * 100.0 / whole;
        text.push_str(&format!(
            "{name}: {:.0} % reading JSON, {:.0} % mapping, {:.0} % writing JSON.\n",
            share("parse"),
            share("map"),
            share("print")
        ));
    }
    text
}

fn to_value(sizes: Sizes, took: impl Fn(&str, &str) -> Took) -> Value {
    let number = |number: f64| json::parse(format!("{number:.1}").as_bytes()).unwrap_or_default();
    let directions = DIRECTIONS.map(|(direction, _)| {
        let parts = ["map", "bytes", "parse", "print"].map(|part| {
            let took = took(direction, part);
            let told = [("ns", took.best), ("middle_ns", took.middle), ("per_second", took.per_second())];
            (part, Value::object(told.map(|(name, value)| (name, number(value)))))
        });
        (direction, Value::object(parts))
    });
    let mut value = Value::object([
        ("fields", Value::from(FIELDS)),
        ("record_bytes", Value::from(sizes.record)),
        ("object_bytes", Value::from(sizes.object)),
    ]);
    for (direction, parts) in directions {
        value.set(direction, parts);
    }
    value
}
