//! The native plans answer what the engine answers: on random expressions, and on everything that the reference integration says.

mod integration;

use expr::{EvaluationError, Expression, Limits};
use model::{Value, json};
use proptest::prelude::*;

const LIMITS: Limits = Limits { fuel: 300_000, outputs: 500 };

/// What an evaluation gave, so that `1`, `1.0` and another order of members are told apart.
fn shown(result: Result<Vec<Value>, EvaluationError>) -> Result<Vec<String>, String> {
    result
        .map(|outputs| outputs.iter().map(|output| format!("{output} {output:?}")).collect())
        .map_err(|error| format!("{error:?}"))
}

/// An expression in both ways.
struct Both {
    text: String,
    native: Expression,
    engine: Expression,
}

impl Both {
    fn compile(text: &str, names: &[&str]) -> Option<Self> {
        let native = Expression::compile_with(text, names).ok()?;
        let engine = Expression::compile_by_engine(text, names).expect("compiles");
        Some(Self { text: text.to_owned(), native, engine })
    }

    /// Evaluates both ways and compares, unless one was stopped: they count differently.
    fn compare(&self, input: &Value, variables: &[Value]) {
        let Self { text, native, engine } = self;
        let expected = engine.evaluate_all(input, variables, LIMITS);
        let found = native.evaluate_all(input, variables, LIMITS);
        if [&expected, &found].iter().any(|result| matches!(result, Err(EvaluationError::OutOfFuel))) {
            return;
        }
        assert_eq!(shown(found), shown(expected), "all of {text} on {input} with {variables:?}");
        let first = |expression: &Expression| shown(expression.evaluate(input, variables, LIMITS).map(|one| vec![one]));
        assert_eq!(first(native), first(engine), "the first of {text} on {input} with {variables:?}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..4).prop_map(Value::from),
        prop_oneof![Just("0.5"), Just("2.50"), Just("-1.0"), Just("1e3"), Just("12345678901234567890.12")]
            .prop_map(|text| json::parse(text.as_bytes()).expect("json")),
        prop_oneof![Just(""), Just("a"), Just("b"), Just("A-b"), Just("12"), Just("é€")].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop_oneof![Just("a"), Just("b"), Just("key"), Just("value"), Just("A-b")];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..4).prop_map(Value::object),
        ]
    })
}

fn leaf() -> impl Strategy<Value = String> {
    let texts = [
        ".",
        ".",
        ".a",
        ".b",
        ".a.b",
        ".[\"a\"]",
        ".\"b\"",
        ".[0]",
        ".[-1]",
        ".[1:]",
        ".[:-1]",
        ".[0:1]",
        ".[]",
        ".[]?",
        ".a?",
        ".a[]?",
        ".a[]",
        ".[].a",
        "..?",
        "$v",
        "$v.a",
        "$w",
        "$w[0]",
        "$x",
        "$x.a",
        "$v[.a]",
        ".[$w]",
        ".[.b:]?",
        "1",
        "0",
        "2.50",
        "-1",
        "1e2",
        "\"a\"",
        "\"x y\\n\"",
        "\"é\"",
        "null",
        "true",
        "false",
        "[]",
        "{}",
        "empty",
        "error",
        "not",
        "length",
        "add",
        "min",
        "max",
        "unique",
        "to_entries",
        "from_entries",
        "keys",
        "tostring",
        "tonumber",
        "tojson",
        "fromjson",
        "type",
        "ascii_downcase",
        "ascii_upcase",
        "any",
        "all",
        "first",
        "last",
        "values",
        "floor",
        "sort",
        "reverse",
        "flatten",
        "sum",
        "digits",
        "text",
        "abs",
        "trim",
        "explode",
        "join(\"-\")",
        "test(\"^[a-z]\")",
        "startswith(\"a\")",
        "ltrimstr(\"a\")",
        "index(\"b\")",
        "@base64",
        "@json",
        "isstring",
        "split(\"-\")",
        "has(\"a\")",
        "has(0)",
        "{a, b}",
        "{a: 1, (.a): .b}",
        "{$v, \"b\": 2, a}",
        "{$x}",
        "del(.a)",
        "del(.a, .b)",
        "del(.[0])",
        ".a = 1",
        ".a |= .b",
        ".b += 1",
        ".a //= 2",
        "range(3)",
        "range(1; 4)",
        "range(0; .a; 2)",
        "round_to(1)",
        "indices(1)",
        "contains(\"a\")",
        "isempty(.[])",
        "first(.[])",
        "last(.[]?)",
    ];
    proptest::sample::select(Vec::from(texts)).prop_map(str::to_owned)
}

fn place() -> impl Strategy<Value = String> {
    let texts = [
        ".",
        ".a",
        ".b.a",
        ".[0]",
        ".[-1]",
        ".[5]",
        ".[]",
        ".[]?",
        ".a[]",
        ".a?",
        ".[$w]",
        ".[$v].a",
        ".[\"b\"]",
        ".[1:]",
        "(.a, .b)",
        "(.a | .b)",
        "(.[] | select(.a))",
        "(.a | select(. == 1))",
        ".[.a]",
        ".[]?.b",
        "(.a.b)[0]",
    ];
    proptest::sample::select(Vec::from(texts)).prop_map(str::to_owned)
}

fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 24, 3, |inner| {
        let one = inner.clone();
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner.clone());
        let operator = proptest::sample::select(&[
            "|", "|", "|", ",", "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or", "//", "//",
        ][..]);
        let of_one = proptest::sample::select(&[
            "[#]", "[#]", "select(#)", "map(#)", "(#)?", "try (#) catch .", "-(#)", "add(#)", "any(#)", "all(#)",
            "isempty(#)", "first(#)", "last(#)", "min_by(#)", "max_by(#)", "unique_by(#)", "\"\\(#)\"", "\"<\\(#)>\"",
            "error(#)", "has(#)", "contains(#)", "split(#)", "{a: (#)}", "{(#): 1}", "{\"a\\(#)\": .}", ".[#]", ".a[#]",
            "(#).a", "(#)[]", "(#)[0]?", "range(#)", "with_entries(#)", "not | #", "join(#)", "indices(#)", "test(#)",
            "round_to(#)", "startswith(#)", "index(#)", "inside(#)", "in(#)", ".[(#):]", "[limit(2; #)]", "isvalid(#)",
        ][..]);
        let of_two = proptest::sample::select(&[
            "{a: (#), b: (%)}", "{a: (#), (%): 1, b}", "{b, a: (#), (%): (#), c: 2}", "(#) as $x | (%)", "\"\\(#)-\\(%)\"",
            "reduce (#) as $x (0; . + $x) | (%)", "reduce (#) as $x ({}; (%))", "reduce (#) as $x (.; (%))",
            "all(#; %)", "any(#; %)", "if (#) then (%) end", "[(#), (%)]", "(#) as $x | (#) as $v | (%)",
            "range(#; %)", "try (#) catch (%)", "(#)[%]", ".[(#):(%)]", "first((#), (%))", "{(#): (%)}",
        ][..]);
        let of_three = proptest::sample::select(&[
            "if (#) then (%) else (&) end", "if (#) then (%) elif (&) then 1 else 2 end", "range(#; %; &)",
            "{a: (#), b: (%), c: (&)}", "\"\\(#)\\(%)\\(&)\"", "reduce (#) as $x ((%); (&))", "(#) // (%) // (&)",
        ][..]);
        let change = proptest::sample::select(&["|=", "=", "+=", "-=", "*=", "//="][..]);
        prop_oneof![
            3 => (two.clone(), operator).prop_map(|((left, right), operator)| format!("(({left}) {operator} ({right}))")),
            3 => (one.clone(), of_one).prop_map(|(of, form)| format!("({})", form.replace('#', &of))),
            2 => (two.clone(), of_two)
                .prop_map(|((left, right), form)| format!("({})", form.replace('#', &left).replace('%', &right))),
            1 => (three, of_three).prop_map(|((a, b, c), form)| {
                format!("({})", form.replace('#', &a).replace('%', &b).replace('&', &c))
            }),
            1 => (place(), change, one.clone()).prop_map(|(place, change, by)| format!("({place} {change} ({by}))")),
            1 => (place(), one).prop_map(|(place, of)| format!("(({of}) | del({place}))")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("NATIVE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
    ))]

    #[test]
    fn the_native_plan_answers_as_the_engine_does(
        text in expression(),
        inputs in proptest::collection::vec((value(), value()), 3),
    ) {
        let Some(both) = Both::compile(&text, &["v", "w", "x"]) else { return Ok(()) };
        for (input, other) in inputs {
            // Variables share what the input holds, so that a change in one place would show in the other.
            let variables = [other, input.clone(), Value::array([input.clone(), Value::from(1)])];
            both.compare(&input, &variables);
        }
    }
}

#[test]
fn random_expressions_are_mostly_native() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut native, mut compiled) = (0, 0);
    for _ in 0..300 {
        let text = expression().new_tree(&mut runner).expect("a tree").current();
        if let Ok(expression) = Expression::compile_with(&text, &["v", "w", "x"]) {
            compiled += 1;
            native += usize::from(expression.is_native());
        }
    }
    assert!(native * 2 > compiled, "{native} of {compiled}");
}

#[test]
fn what_is_not_asked_for_cannot_fail() {
    for text in [
        "1, error(\"late\")",
        "first(1, error(\"late\"))",
        "any((1, error(\"late\")); . == 1)",
        "all((1, error(\"late\")); . == 2)",
        "try (1, error(\"late\")) catch .",
        "(error(\"swallowed\") + empty), 2",
        "{a: error(\"swallowed\"), b: empty}, 3",
        "(try error(\"caught\") catch .) | error",
        "try (1 | try error(\"inner\") catch error(\"outer\")) catch .",
        "(.a?, .b) | error",
        "[.[]?] | .[error(\"index\")].b.c",
        "(.a | .b) = 1",
        "{} | .a.b.c |= (. // 4)",
        "{a: 1} | .a.b = 1",
        "[1, 2, 3] | .[1:] = [9]",
        "[1, 2, 3] | .[5] = 9",
        "[[1], [2]] | .[][0] += 1",
        "[1, 2] | .[] |= error(\"inside\")",
        "reduce (1, 2, error(\"third\")) as $x (0; if . > 0 then error(\"second\") else $x end)",
    ] {
        let both = Both::compile(text, &[]).expect(text);
        assert!(both.native.is_native(), "{text}");
        for input in ["null", "{\"a\":{\"b\":1},\"b\":2}", "[1]", "\"text\""] {
            both.compare(&json::parse(input.as_bytes()).expect("json"), &[]);
        }
    }
}

#[test]
fn functions_of_the_engine_are_called_as_they_are() {
    let none = "@base64 @base64d @html @json @text @uri abs ascii ceil explode fabs flatten floor fromdate fromdateiso8601 \
        gmtime implode isarray isnumber isobject isstring reverse round sort sqrt todate transpose trim keys type length";
    let one = "endswith flatten in index inside join ltrimstr rindex rtrimstr split startswith strftime strptime test has \
        contains indices round_to error";
    let two = "pow split test range";
    let arguments = [".", "1", "\"-\"", "\"[a-z]+\"", "[\"a\"]", "error(\"argument\")", "\"g\"", ".[0]?", "{a: 1}"];
    let mut texts: Vec<String> = none.split_whitespace().map(str::to_owned).collect();
    for first in arguments {
        texts.extend(one.split_whitespace().map(|name| format!("{name}({first})")));
        for second in ["1", "\"g\"", ".", "error(\"argument\")"] {
            texts.extend(two.split_whitespace().map(|name| format!("{name}({first}; {second})")));
        }
    }
    let inputs = [
        "null",
        "true",
        "5",
        "-2.50",
        "1e9",
        "\"a-b\"",
        "\"YS1i\"",
        "\"2026-03-04T05:06:07Z\"",
        "[]",
        "[\"a\",\"b\"]",
        "[[1,2],[3]]",
        "[97,98]",
        "[3,1,null]",
        "{}",
        "{\"a\":1,\"key\":[2]}",
    ];
    let inputs = inputs.map(|input| json::parse(input.as_bytes()).expect("json"));
    for text in texts {
        let both = Both::compile(&text, &[]).expect(&text);
        for input in &inputs {
            both.compare(input, &[]);
        }
    }
}

#[test]
fn hostile_native_expressions_end() {
    for text in [
        "[range(1000000) | range(1000000)]",
        "[range(1e15)]",
        "\"x\" * 1e12",
        "reduce range(1000000) as $x (\"xxxxxxxx\"; . + .)",
        "reduce range(60) as $x ([1]; [.[], .[]])",
        "reduce range(60) as $x (\"x\"; \"\\(.)\\(.)\")",
        "last(range(1000000) | range(1000000))",
        "reduce range(1000000) as $x ([range(1000)]; to_entries | from_entries)",
        "[range(100000)] | contains([range(99999; 50000; -1)])",
        "[range(100000) | 0] | indices([range(50000) | 0])",
        "reduce range(100000) as $x ([]; [$x] + .)",
        "reduce range(1000) as $x ([range(100000)]; if index(99999) then . else . end)",
    ] {
        let expression = Expression::compile(text).expect("compiles");
        assert!(expression.is_native(), "{text}");
        assert!(expression.evaluate(&Value::Null, &[], Limits::default()).is_err(), "{text}");
    }
    let many = Expression::compile("range(1000)").expect("compiles");
    let limits = Limits { fuel: 100_000, outputs: 10 };
    assert_eq!(many.evaluate_all(&Value::Null, &[], limits), Err(EvaluationError::TooManyOutputs));
    let limits = Limits { fuel: 100, outputs: 10 };
    assert_eq!(many.evaluate(&Value::Null, &[], limits), Ok(Value::from(0)));
    let none = Limits { fuel: 0, outputs: 10 };
    assert_eq!(many.evaluate(&Value::Null, &[], none), Err(EvaluationError::OutOfFuel));
}

#[test]
fn long_expressions_fit_on_the_stack() {
    // The longest and deepest that are not left to the engine, evaluated on half of what a thread has.
    let mut texts = Vec::new();
    for (part, join) in [("1", "+"), (".", "|"), ("(1, 2)", "|"), (".", ","), (". as $x", "|"), ("[.]", "|"), ("-", "")]
    {
        for count in [20, 50, 55, 58, 59, 60, 61, 200] {
            texts.push(format!("{} | 1", vec![part; count].join(join)));
            texts.push(format!("{}1", vec![part; count].join(join)));
        }
    }
    let stream = format!("({})", ["(1, empty)"; 12].join("|"));
    for count in 1..20 {
        texts.push(vec![&*stream; count].join("|"));
    }
    let compiled = texts.iter().filter_map(|text| Expression::compile(text).ok());
    let native: Vec<Expression> = compiled.filter(Expression::is_native).collect();
    assert!(native.len() > 40, "{} of {}", native.len(), texts.len());
    let evaluate = move || {
        for expression in native {
            let _ = expression.evaluate_all(&Value::from(1), &[], LIMITS);
        }
    };
    std::thread::Builder::new().stack_size(1024 * 1024).spawn(evaluate).expect("a thread").join().expect("it ends");
}

#[test]
fn the_reference_integration_is_answered_without_the_engine() {
    let texts = integration::expressions();
    let (mut native, mut left) = (0, Vec::new());
    for text in &texts {
        let names = integration::names(text);
        let both = Both::compile(text, &names).unwrap_or_else(|| panic!("{text} does not compile"));
        if both.native.is_native() {
            native += 1;
        } else {
            left.push(text);
        }
        for (input, other) in integration::inputs() {
            let variables: Vec<Value> = names.iter().map(|name| other.get(name).clone()).collect();
            both.compare(&input, &variables);
        }
    }
    println!("{native} of {} expressions are native; left to the engine: {left:#?}", texts.len());
    assert!(texts.len() >= 150, "only {} expressions were found", texts.len());
    assert!(left.is_empty(), "left to the engine: {left:#?}");
}
