//! Looks for expressions that panic, take long or take much memory.
//!
//! `cargo run --release -p expr --example fuzz_expressions -- --seconds 600`
//!
//! Every expression that compiles is evaluated, by the engine and natively, and both have to say the same.

use std::process::ExitCode;

use expr::{EvaluationError, Expression, Limits};
use model::{Value, json};

mod fuzzing;

use fuzzing::{Corpus, Options, Outcome};

/// Expressions to begin with, beside those of the tests.
const TEXTS: &[&str] = &[
    ".",
    ".a",
    ".a.b.c",
    ".list[1:3]",
    ".list[-1]",
    ".[\"a b\"]?",
    "$x.a + $y",
    ".list | map(. * 2) | add",
    "[.list[] | select(. > 1)]",
    "{a, b: .a, (.name): 1, \"c\": [.list[]]}",
    "if .a then 1 elif .b then 2 else 3 end",
    "\"\\(.name) has \\(.list | length)\"",
    ".a // \"none\"",
    "reduce .list[] as $i (0; . + $i)",
    "foreach .list[] as $i (0; . + $i; [., $i])",
    "try error(\"x\") catch .",
    ".list | sort_by(-.) | first",
    "[range(0; 10; 3)]",
    "[limit(3; repeat(1))]",
    "to_entries | map(.key) | join(\",\")",
    "paths",
    "[paths(type == \"number\")]",
    ".a |= . + 1",
    ".list[0] = 5",
    "del(.a, .list[0])",
    "with_entries(.value |= tostring)",
    ".name | test(\"^[A-Z]\"; \"i\")",
    ".name | gsub(\"a\"; \"b\")",
    ".name | split(\", *\"; null)",
    "tojson | fromjson",
    "@base64 \"\\(.name)\"",
    ".name | @uri",
    "\"1.5\" | tonumber | round_to(0)",
    ".date | fromdateiso8601 | todateiso8601",
    "group_by(.a) | unique_by(.b)",
    "[.. | numbers] | sum",
    "walk(if type == \"object\" then del(.a) else . end)",
    "limit(5; recurse(.a?))",
    "input_line_number",
    ".a as {b: $c, d: [$e, $f]} | $c + $e",
];

const WORDS: &[&str] = &[
    ".",
    "..",
    ".a",
    ".list",
    ".name",
    ".[]",
    ".[0]",
    ".[-1]",
    ".[1:]",
    "[]",
    "{}",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|",
    ",",
    ":",
    ";",
    "?",
    "//",
    "+",
    "-",
    "*",
    "/",
    "%",
    "=",
    "|=",
    "+=",
    "//=",
    "==",
    "!=",
    "<",
    "<=",
    "and",
    "or",
    "not",
    "if",
    "then",
    "elif",
    "else",
    "end",
    "reduce",
    "foreach",
    "as",
    "$x",
    "$y",
    "$i",
    "try",
    "catch",
    "error",
    "def f: .;",
    "label $out |",
    "break $out",
    "length",
    "keys",
    "keys_unsorted",
    "values",
    "map(.)",
    "map_values(.)",
    "select(.)",
    "recurse",
    "recurse(.[]?)",
    "env",
    "now",
    "input",
    "range(3)",
    "range(1e9)",
    "range(0;10;0)",
    "limit(3;.)",
    "first(.)",
    "last(.)",
    "until(.;.)",
    "while(.;.)",
    "repeat(.)",
    "floor",
    "sqrt",
    "pow(.;2)",
    "log",
    "tostring",
    "tonumber",
    "tojson",
    "fromjson",
    "type",
    "add",
    "any",
    "all",
    "flatten",
    "flatten(1e9)",
    "sort",
    "sort_by(.a)",
    "group_by(.)",
    "unique",
    "min",
    "max",
    "reverse",
    "contains(.)",
    "inside(.)",
    "has(\"a\")",
    "in(.)",
    "index(\"a\")",
    "indices(1)",
    "startswith(\"a\")",
    "ltrimstr(\"a\")",
    "split(\",\")",
    "join(\",\")",
    "ascii_downcase",
    "explode",
    "implode",
    "test(\"(a*)*b\")",
    "match(\".\";\"g\")",
    "capture(\"(?<a>.)\")",
    "scan(\"\")",
    "splits(\"a\")",
    "sub(\"a\";\"b\")",
    "gsub(\"\";\"x\")",
    "@json",
    "@csv",
    "@base64d",
    "@html",
    "paths",
    "getpath([\"a\"])",
    "setpath([\"a\",5];1)",
    "delpaths([[\"a\"]])",
    "to_entries",
    "from_entries",
    "with_entries(.)",
    "splits(\"\")",
    "strptime(\"%Y\")",
    "\"a\" * 1000000",
];

fn main() -> ExitCode {
    let options = match Options::of_command_line() {
        Ok(options) => options,
        Err(status) => return status,
    };
    let input = json::parse(
        br#"{"a":{"b":{"c":1.50,"d":[1,2]}},"list":[3,1,2,12345678901234567890],"name":"Ada, b","date":"2026-01-02T03:04:05Z"}"#,
    )
    .unwrap_or_default();
    let variables = [input.get("a").clone(), Value::from(5)];
    let texts = TEXTS.iter().map(|text| (*text).to_owned()).chain(of_the_standard()).collect();
    fuzzing::search(&options, Corpus::new(texts, WORDS, true), move |text| {
        let Ok(usual) = Expression::compile_with(text, &["x", "y"]) else { return Outcome::Refused };
        let by_engine = match usual.is_native() {
            true => Expression::compile_by_engine(text, &["x", "y"]).ok(),
            false => None,
        };
        for input in [&input, &Value::Null] {
            let native = usual.evaluate(input, &variables, Limits::default());
            if let Some(by_engine) = &by_engine {
                let engine = by_engine.evaluate(input, &variables, Limits::default());
                let spent = |result: &Result<Value, EvaluationError>| {
                    matches!(
                        result,
                        Err(EvaluationError::OutOfFuel
                            | EvaluationError::TooManyOutputs
                            | EvaluationError::TooDeep
                            | EvaluationError::TooLarge)
                    )
                };
                // What a step costs differs; what it gives does not.
                assert!(
                    spent(&native) || spent(&engine) || native.is_ok() == engine.is_ok() && native.ok() == engine.ok(),
                    "the native plan differs from the engine"
                );
            }
        }
        Outcome::Taken
    })
}

/// The expressions within the standard's example documents, where they are at hand.
fn of_the_standard() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../interlock/tests/conformance/examples");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let documents = paths.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    documents
        .flat_map(|text| {
            text.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect::<Vec<_>>()
        })
        .collect()
}
