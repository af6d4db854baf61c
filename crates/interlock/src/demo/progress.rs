//! What a person sees while the demo runs: how far the orders are, how fast, and what the weather is like. On standard error,
//! so that standard output is the account alone.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::board::Counts;

const REDRAWS_PER_SECOND: u8 = 5;
/// Without a terminal, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The display.
pub(crate) struct Progress {
    bars: MultiProgress,
    head: ProgressBar,
    steps: [ProgressBar; 5],
    plain: bool,
    last_line: Option<Instant>,
    seen: Vec<(Instant, u64)>,
}

impl Progress {
    /// A display for so many orders.
    pub(crate) fn new(orders: u64) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND));
        let head = bars.add(ProgressBar::new_spinner());
        head.set_style(style("{spinner:.cyan} {msg}"));
        let step = |name: &'static str, color: &str| {
            let bar = bars.add(ProgressBar::new(orders.max(1)));
            bar.set_style(style(&format!("  {{prefix:<20}} {{bar:36.{color}/238}} {{pos:>7}}")).progress_chars("━━─"));
            bar.set_prefix(name);
            bar
        };
        let steps = [
            step("accepted in CRM", "blue"),
            step("in the ERP", "cyan"),
            step("invoiced", "green"),
            step("paid", "green"),
            step("waiting for a person", "yellow"),
        ];
        let plain = bars.is_hidden();
        Self { bars, head, steps, plain, last_line: None, seen: Vec::new() }
    }

    /// What happens before there are orders.
    pub(crate) fn say(&self, text: &str) {
        self.head.set_message(text.to_owned());
        self.head.tick();
        if self.plain {
            eprintln!("{text}");
        }
    }

    /// Something that should stay readable above the bars.
    pub(crate) fn print(&self, text: &str) {
        if self.plain || self.bars.println(text).is_err() {
            eprintln!("{text}");
        }
    }

    /// Shows how far the orders are.
    pub(crate) fn show(&mut self, counts: Counts, weather: &str) {
        let now = Instant::now();
        self.seen.push((now, counts.ordered));
        self.seen.retain(|(at, _)| now.duration_since(*at) < Duration::from_secs(4));
        let text = format!("{:.0} orders/s · {weather}", self.rate());
        if self.plain {
            if self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
                self.last_line = Some(now);
                let Counts { accepted, ordered, invoiced, paid, held, .. } = counts;
                eprintln!(
                    "{text} · accepted {accepted}, in ERP {ordered}, invoiced {invoiced}, paid {paid}, waiting {held}"
                );
            }
            return;
        }
        self.head.set_message(text);
        self.head.tick();
        let values = [counts.accepted, counts.ordered, counts.invoiced, counts.paid, counts.held];
        for (bar, value) in self.steps.iter().zip(values) {
            bar.set_position(value);
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn rate(&self) -> f64 {
        let (Some((first_at, first)), Some((last_at, last))) = (self.seen.first(), self.seen.last()) else {
            return 0.0;
        };
        let seconds = last_at.duration_since(*first_at).as_secs_f64();
        if seconds > 0.0 { last.saturating_sub(*first) as f64 / seconds } else { 0.0 }
    }

    /// Takes the bars away.
    pub(crate) fn finish(&self) {
        for bar in &self.steps {
            bar.finish_and_clear();
        }
        self.head.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
