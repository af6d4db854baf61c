//! How long expressions of the reference integration take, by the engine and natively.
//!
//! `cargo run --release -p expr --example speed`

use std::hint::black_box;
use std::time::{Duration, Instant};

use expr::{Expression, Limits};
use model::Value;

#[path = "../tests/integration/data.rs"]
mod data;

/// What is measured: the expressions that an order meets, from small to large.
const EXPRESSIONS: [&str; 12] = [
    ".status == \"accepted\"",
    "$context.quote.customer.name",
    "$context | .decision = $output",
    "$context.orders[\"\\($context.quote.number)-\\($plant)\"].number",
    "\"\\($context.quote.customer.name): quoted \\($context.quote.total.amount), list \\($context.checked.net.amount)\"",
    "[$context.lines[] | {product, quantity, price: .price.amount, name}]",
    "$context | .checked = {net: $output.net, credit: $output.credit, plants: [$output.lines[].plant]} | del(.problem)",
    "[range($context.lines | length) as $i | select($context.checked.plants[$i] == $plant) | $context.lines[$i]
      | {product, quantity, plant: $plant, prices: [{kind: \"PPR0\", rate: .price.amount, currency: .price.currency}]}]",
    "$context | .orders[\"\\(.quote.number)-\\($plant)\"] =
      {number: $output.number, plant: $plant, net: $output.net.amount, invoices: {}, shipped: false, cancelled: false}",
    "all($context.orders[]; .cancelled or (([.invoices[] | select(.paid) | .net] | add // 0) >= .net))",
    "[$context.orders[] | ([.invoices[] | select(.paid) | .net] | add // 0) as $paid
      | if .cancelled then 3 elif $paid >= .net then 3 elif (.invoices | length) > 0 then 2 elif .shipped then 1 else 0 end]
      | min | [\"ordered\", \"shipped\", \"invoiced\", \"paid\"][.]",
    "($context.quote.customer.country // \"\" | test(\"^[A-Z]{2}$\")) | not",
];

fn main() {
    let (input, given) = data::inputs().swap_remove(0);
    let (mut by_engine, mut by_native) = (0.0, 0.0);
    println!("{:>10} {:>10} {:>7}  expression", "engine", "native", "times");
    for text in EXPRESSIONS {
        let names = data::names(text);
        let variables: Vec<Value> = names.iter().map(|name| given.get(name).clone()).collect();
        let measured = [Expression::compile_by_engine(text, &names), Expression::compile_with(text, &names)]
            .map(|expression| expression.map(|expression| nanoseconds(&expression, &input, &variables)));
        match measured {
            [Ok(engine), Ok(native)] => {
                by_engine += engine;
                by_native += native;
                let shown = text.split_whitespace().collect::<Vec<_>>().join(" ");
                println!("{engine:>7.0} ns {native:>7.0} ns {:>6.1}x  {shown:.90}", engine / native);
            }
            [Err(error), _] | [_, Err(error)] => println!("{text}: {error}"),
        }
    }
    println!("{by_engine:>7.0} ns {by_native:>7.0} ns {:>6.1}x  all", by_engine / by_native);
}

/// The best of some rounds, as other work on the machine only adds.
fn nanoseconds(expression: &Expression, input: &Value, variables: &[Value]) -> f64 {
    let round = || {
        let (started, mut times) = (Instant::now(), 0u32);
        while started.elapsed() < Duration::from_millis(20) {
            for _ in 0..100 {
                let _ = black_box(expression.evaluate(black_box(input), black_box(variables), Limits::default()));
            }
            times += 100;
        }
        started.elapsed().as_nanos() as f64 / f64::from(times)
    };
    (0..10).map(|_| round()).fold(f64::INFINITY, f64::min)
}
