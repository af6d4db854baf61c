//! What the fuzz programs share: inputs made from a corpus by a seed, and the search for those that panic, take long or take
//! much memory. The same seed and number give the same input, on every machine.

mod mutation;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use mutation::Corpus;

/// More time of a processor than this for one input is a finding.
const SLOW: Duration = Duration::from_secs(1);
/// After this long an input is taken for one that never ends.
const STUCK: Duration = Duration::from_secs(30);
/// More memory than this for one input, in kilobytes, is a finding.
const MEMORY: u64 = 128 * 1024;
/// The stack of the threads that run workflows.
const STACK: usize = 2 * 1024 * 1024;
/// How much of an input is shown, in bytes.
const SHOWN_MAX: usize = 3_000;

/// What was asked for on the command line.
pub(crate) struct Options {
    seconds: u64,
    seed: u64,
    /// The number of the first input: to go on where a run was interrupted, or to have one again.
    from: u64,
    /// How many inputs at most.
    count: u64,
    /// Where the number of the input in hand is written, for those that end the whole process, as a stack that overflows does.
    mark: Option<String>,
    /// The number of an input that is only to be shown.
    show: Option<u64>,
}

impl Options {
    /// Reads `--seconds N --seed N --from N --count N --mark FILE --show N`.
    ///
    /// # Errors
    /// When the arguments are wrong, which has been told.
    pub(crate) fn of_command_line() -> Result<Self, ExitCode> {
        Self::read().map_err(|wrong| {
            eprintln!("{wrong}");
            ExitCode::from(2)
        })
    }

    fn read() -> Result<Self, String> {
        let mut options = Self { seconds: 60, seed: 1, from: 0, count: u64::MAX, mark: None, show: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_default();
            let number = || value.parse().map_err(|_| format!("{name} needs a number"));
            match &*name {
                "--seconds" => options.seconds = number()?,
                "--seed" => options.seed = number()?,
                "--from" => options.from = number()?,
                "--count" => options.count = number()?,
                "--mark" => options.mark = Some(value),
                "--show" => options.show = Some(number()?),
                _ => {
                    return Err(format!(
                        "there is no {name}: --seconds, --seed, --from, --count, --mark and --show are"
                    ));
                }
            }
        }
        Ok(options)
    }
}

/// What the program did with an input.
pub(crate) enum Outcome {
    /// It was understood.
    Taken,
    /// It was refused with an error.
    Refused,
}

/// The input in hand: its number, its text and when it began.
type InHand = Mutex<Option<(u64, Arc<str>, Instant)>>;

#[derive(Default)]
struct Found {
    /// By what makes it another finding: the first input of each.
    findings: BTreeMap<String, (u64, String)>,
    inputs: u64,
    taken: u64,
    slowest: Duration,
}

/// Tries inputs for as long as asked, and tells what it found. A finding makes the exit status 1.
pub(crate) fn search(
    options: &Options,
    corpus: Corpus,
    attempt: impl Fn(&str) -> Outcome + Send + Sync + 'static,
) -> ExitCode {
    if let Some(number) = options.show {
        print!("{}", corpus.input(options.seed, number));
        return ExitCode::SUCCESS;
    }
    let panicked: Arc<Mutex<String>> = Arc::default();
    let place = Arc::clone(&panicked);
    std::panic::set_hook(Box::new(move |told| {
        *place.lock().unwrap_or_else(PoisonError::into_inner) = told.to_string();
    }));
    let in_hand: Arc<InHand> = Arc::default();
    let found: Arc<Mutex<Found>> = Arc::default();
    let over = Arc::new(AtomicBool::new(false));
    let (seed, from, count, mark) = (options.seed, options.from, options.count, options.mark.clone());
    let worker = {
        let (in_hand, found, over) = (Arc::clone(&in_hand), Arc::clone(&found), Arc::clone(&over));
        std::thread::Builder::new().stack_size(STACK).spawn(move || {
            let mut peak = peak_memory();
            for number in from..from.saturating_add(count) {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let text: Arc<str> = corpus.input(seed, number).into();
                if let Some(mark) = &mark {
                    // Who cannot write it finds the number in another way.
                    let _ = std::fs::write(mark, number.to_string());
                }
                let (begun, worked) = (Instant::now(), work());
                *in_hand.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, Arc::clone(&text), begun));
                let outcome = catch_unwind(AssertUnwindSafe(|| attempt(&text)));
                // What others do on the machine meanwhile does not count, where the system tells it apart.
                let took = match (worked, work()) {
                    (Some(before), Some(after)) => after.saturating_sub(before),
                    _ => begun.elapsed(),
                };
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.inputs += 1;
                found.slowest = found.slowest.max(took);
                match outcome {
                    Ok(Outcome::Taken) => found.taken += 1,
                    Ok(Outcome::Refused) => {}
                    Err(_) => {
                        let told = panicked.lock().unwrap_or_else(PoisonError::into_inner).clone();
                        found.tell(format!("panic: {told}"), number, &text);
                    }
                }
                if took > SLOW {
                    found.tell(format!("slow: {} s", took.as_secs()), number, &text);
                }
                // Memory takes time to be filled.
                if took > Duration::from_millis(2) {
                    let now = peak_memory();
                    if now > peak + MEMORY {
                        found.tell(format!("memory: {} MB", (now - peak) / 1024), number, &text);
                    }
                    peak = now;
                }
            }
            over.store(true, Ordering::Relaxed);
        })
    };
    let Ok(worker) = worker else { return ExitCode::from(2) };
    watch(options, &in_hand, &found, &over);
    // A worker that is stuck is not waited for.
    if !stuck(&in_hand) {
        drop(worker.join());
    }
    let found = found.lock().unwrap_or_else(PoisonError::into_inner);
    for (what, (number, text)) in &found.findings {
        println!("\n{what}\n  again: --seed {seed} --from {number} --count 1\n  {}", shown(text));
    }
    println!(
        "\n{} inputs, {} taken, the slowest {:?}, {} findings",
        found.inputs,
        found.taken,
        found.slowest,
        found.findings.len()
    );
    if found.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Waits for the end, says every ten seconds how far it is, and notices an input that never ends.
fn watch(options: &Options, in_hand: &InHand, found: &Mutex<Found>, over: &AtomicBool) {
    let begun = Instant::now();
    let mut next = Duration::from_secs(10);
    while begun.elapsed() < Duration::from_secs(options.seconds) && !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(200));
        if begun.elapsed() > next {
            next += Duration::from_secs(10);
            let found = found.lock().unwrap_or_else(PoisonError::into_inner);
            let each = found.inputs as f64 / begun.elapsed().as_secs_f64();
            let at = options.from + found.inputs;
            println!("{each:.0} inputs/s, now at {at}, {} findings, {} MB", found.findings.len(), peak_memory() / 1024);
        }
        if stuck(in_hand) {
            let in_hand = in_hand.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((number, text, _)) = &*in_hand {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.tell("it does not end".to_owned(), *number, text);
            }
            break;
        }
    }
    over.store(true, Ordering::Relaxed);
}

fn stuck(in_hand: &InHand) -> bool {
    let in_hand = in_hand.lock().unwrap_or_else(PoisonError::into_inner);
    in_hand.as_ref().is_some_and(|(_, _, begun)| begun.elapsed() > STUCK)
}

impl Found {
    fn tell(&mut self, what: String, number: u64, text: &str) {
        if self.findings.len() < 50 {
            self.findings.entry(what).or_insert_with(|| (number, text.to_owned()));
        }
    }
}

/// How long this thread has had a processor until now, where the system tells.
fn work() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn shown(text: &str) -> String {
    let mut end = text.len().min(SHOWN_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let more = if end < text.len() { format!(" … and {} bytes more", text.len() - end) } else { String::new() };
    format!("{:?}{more}", &text[..end])
}

/// The most memory that this process has had at once, in kilobytes; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
