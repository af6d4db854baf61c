//! What expressions answer, and how they end.

use expr::{EvaluationError, Expression, Limits};
use model::{Value, json};
use proptest::prelude::*;

fn answer(text: &str, input: &str) -> Result<String, EvaluationError> {
    let input = json::parse(input.as_bytes()).expect("json");
    let outputs = Expression::compile(text).unwrap_or_else(|error| panic!("{text}: {error}")).evaluate_all(
        &input,
        &[],
        Limits::default(),
    )?;
    Ok(outputs.iter().map(Value::to_string).collect::<Vec<_>>().join(" "))
}

#[test]
fn answers_as_jq_does_but_exactly() {
    let cases = [
        (".", "{\"a\":1}", "{\"a\":1}"),
        (".a.b", "{\"a\":{\"b\":2}}", "2"),
        (".a.b", "{}", "null"),
        (".a + .b", "{\"a\":0.1,\"b\":0.2}", "0.3"),
        (".amount", "{\"amount\":250000.50}", "250000.50"),
        (".price * .quantity", "{\"price\":2.55,\"quantity\":6}", "15.30"),
        ("6 / 3, 1 / 4, 7 % 3", "null", "2 0.25 1"),
        ("[.[] | .q * .p] | sum", "[{\"q\":6,\"p\":2.55},{\"q\":1,\"p\":0.05}]", "15.35"),
        ("[] | sum", "null", "0"),
        ("2.345 | round_to(2)", "null", "2.35"),
        ("map(select(.x > 1))", "[{\"x\":1},{\"x\":2}]", "[{\"x\":2}]"),
        ("{b: .a, a: 1}", "{\"a\":7}", "{\"b\":7,\"a\":1}"),
        ("[.[] | tostring] | join(\"-\")", "[1,2]", "\"1-2\""),
        (
            "group_by(.k) | map({k: .[0].k, n: length})",
            "[{\"k\":2},{\"k\":1},{\"k\":2}]",
            "[{\"k\":1,\"n\":1},{\"k\":2,\"n\":2}]",
        ),
        ("sort_by(.a) | map(.a)", "[{\"a\":3},{\"a\":1}]", "[1,3]"),
        ("unique", "[2,1,2]", "[1,2]"),
        ("to_entries", "{\"a\":1}", "[{\"key\":\"a\",\"value\":1}]"),
        ("with_entries(.value += 1)", "{\"a\":1}", "{\"a\":2}"),
        ("del(.a)", "{\"a\":1,\"b\":2}", "{\"b\":2}"),
        (".a = 5 | .b |= . + 1", "{\"a\":1,\"b\":2}", "{\"a\":5,\"b\":3}"),
        (".a[1:]", "{\"a\":[1,2,3]}", "[2,3]"),
        (".[-1], .[9]", "[1,2]", "2 null"),
        ("if . > 1 then \"big\" else \"small\" end", "2", "\"big\""),
        (".a // \"none\"", "{}", "\"none\""),
        ("try error(\"x\") catch .", "null", "\"x\""),
        ("[.[]?]", "1", "[]"),
        ("test(\"^[A-Z]+$\")", "\"ABC\"", "true"),
        ("gsub(\"[^0-9]\"; \"\")", "\"a1b2\"", "\"12\""),
        ("split(\"-\")", "\"Q-1-1010\"", "[\"Q\",\"1\",\"1010\"]"),
        ("ltrimstr(\"Q-\")", "\"Q-1\"", "\"1\""),
        ("ascii_downcase, ascii_upcase", "\"Ab\"", "\"ab\" \"AB\""),
        ("tonumber, (\"2.50\" | tonumber)", "\"12\"", "12 2.50"),
        ("tojson | fromjson", "{\"a\":[1.50]}", "{\"a\":[1.50]}"),
        ("has(\"a\"), has(\"b\")", "{\"a\":null}", "true false"),
        ("contains({a: [1]})", "{\"a\":[1,2],\"b\":3}", "true"),
        ("index(\"b\")", "\"abc\"", "1"),
        ("[range(3)], [range(1; 10; 4)]", "null", "[0,1,2] [1,5,9]"),
        ("first(.[] | select(. > 1))", "[1,2,3]", "2"),
        ("reduce .[] as $x (0; . + $x)", "[1,2.5]", "3.5"),
        ("any(. > 2), all(. > 0)", "[1,3]", "true true"),
        ("min_by(.p).n, max_by(.p).n", "[{\"n\":1,\"p\":2},{\"n\":2,\"p\":1.5}]", "2 1"),
        ("flatten", "[1,[2,[3]]]", "[1,2,3]"),
        ("keys, length", "{\"b\":1,\"a\":2}", "[\"a\",\"b\"] 2"),
        ("[paths]", "{\"a\":{\"b\":1}}", "[[\"a\"],[\"a\",\"b\"]]"),
        ("\"\\(.a) of \\(.b)\"", "{\"a\":1,\"b\":\"x\"}", "\"1 of x\""),
        ("1 == 1.0, [1] < [2], {} > []", "null", "true true true"),
        ("12345678901234567890 + 1", "null", "12345678901234567891"),
        ("type", "1.5", "\"number\""),
        ("{a: 1} * {a: {b: 2}}", "null", "{\"a\":{\"b\":2}}"),
        ("floor, length", "-2.5", "-3 2.5"),
    ];
    for (text, input, expected) in cases {
        assert_eq!(answer(text, input).as_deref(), Ok(expected), "{text} of {input}");
    }
}

#[test]
fn variables_are_given_in_order() {
    let expression = Expression::compile_with("$input.a + $context.b", &["input", "$context"]).expect("compiles");
    let variables = [Value::object([("a", 1)]), Value::object([("b", 2)])];
    assert_eq!(expression.evaluate(&Value::Null, &variables, Limits::default()), Ok(Value::from(3)));
    assert!(matches!(
        expression.evaluate(&Value::Null, &[], Limits::default()),
        Err(EvaluationError::Variables { expected: 2, given: 0 })
    ));
}

#[test]
fn mistakes_have_a_place_and_a_suggestion() {
    let error = Expression::compile(".a | slect(.b)").expect_err("unknown");
    assert_eq!((error.offset, &*error.message), (5, "unknown filter `slect`; did you mean `select`?"));
    assert!(Expression::compile(".a | ").is_err());
    assert!(Expression::compile("$contxt").expect_err("unknown").message.contains("unknown variable"));
    assert!(Expression::compile("def f: f; f").expect_err("refused").message.contains("not allowed"));
    assert!(Expression::compile(&"(".repeat(5_000)).is_err());
}

#[test]
fn what_is_not_deterministic_is_refused() {
    for text in ["now", "env", "input", "halt", "debug", "\"%Y\" as $f | 0 | strflocaltime($f)"] {
        assert!(matches!(answer(text, "null"), Err(EvaluationError::Raised(_))), "{text}");
    }
}

#[test]
fn large_data_is_built_as_long_as_it_is_not_too_large() {
    let rows: Vec<Value> =
        (0..5000).map(|n| Value::object([("n", Value::from(n)), ("l", Value::array([1, 2, 3]))])).collect();
    let rows = Value::from(rows).to_string();
    for (text, length) in [
        ("[.[] | select(.n >= 0)] | length", "5000"),
        ("reduce .[] as $x ([]; . + [$x]) | length", "5000"),
        ("reduce .[] as $x ({}; .[$x.n | tostring] = $x) | length", "5000"),
        ("map({n, l, again: .}) | map(.again) | length", "5000"),
        ("group_by(.n % 10) | map(length) | add", "5000"),
        ("reduce range(400) as $x (0; [.]) | length", "1"),
        ("[limit(5000; repeat([1]))] | length", "5000"),
    ] {
        assert_eq!(answer(text, &rows).as_deref(), Ok(length), "{text}");
    }
}

#[test]
fn what_is_large_takes_no_more_than_its_size() {
    // Each of these would not end if it compared or counted everything with everything.
    for (text, length) in [
        ("[range(100000)] - [range(50000; 200000)] | length", "50000"),
        ("\"a\" * 1000000 | indices(\"a\") | length", "1000000"),
        ("reduce range(100000) as $x ([]; . + [$x]) | length", "100000"),
        ("\"ab\" * 20000 | gsub(\"a\"; \"c\") | length", "40000"),
    ] {
        assert_eq!(answer(text, "null").as_deref(), Ok(length), "{text}");
    }
    assert_eq!(answer("indices(\"é\")", "\"éaéé\"").as_deref(), Ok("[0,2,3]"));
    assert_eq!(answer(". - [1, \"b\", [2]]", "[1, 2, \"b\", [2], 1.0]").as_deref(), Ok("[2]"));
}

#[test]
fn hostile_expressions_end() {
    for text in [
        "repeat(.)",
        "[recurse(.)]",
        "until(false; .)",
        "[range(1e15)]",
        "[range(0; 1; 0)]",
        "\"x\" * 1e12",
        "reduce range(1000000) as $x (\"xxxxxxxx\"; . + .)",
        "reduce range(60) as $x ([1]; . + .)",
        "last(range(1000000) | range(1000000))",
        "repeat(.) = 1",
        "repeat(.) |= .",
        "reduce range(200000) as $x (0; [.])",
        "reduce range(200000) as $x (0; {a: .}) | tojson",
        "reduce range(200000) as $x ({}; .a = .)",
        "reduce range(200000) as $x ([1]; to_entries)",
        "last(limit(200000; recurse([.])))",
        "reduce range(60) as $x (0; [., .]) | tojson | length",
        "reduce range(60) as $x ({}; {a: ., b: .})",
        "reduce range(60) as $x ({}; .a = . | .b = .)",
        "reduce range(60) as $x ({}; . + {a: ., b: .})",
        "last(limit(60; recurse([., .])))",
        "[limit(2; repeat(reduce range(60) as $x (0; [., .])))] | .[0] == .[1]",
        "reduce range(60) as $x ([1]; [.[], .])",
        "reduce range(60) as $x (0; [., .]) | \"\\(.)\"",
        "reduce range(20) as $x (\"x\" * 1000000; [., .]) | tojson | length",
        "[range(100000)] | del(.[range(0; 100000; 2)])",
        "[range(100000)] | inside([range(100000)])",
    ] {
        let result = answer(text, "null");
        assert!(result.is_err(), "{text}");
    }
}

/// What one term searches or compiles is bounded, too: these took from seconds to minutes.
#[test]
fn hostile_regular_expressions_end_within_a_second() {
    for text in [
        "\"a\" * 1000000 | gsub(\"a\"; \"b\")",
        "\"a\" * 100000 | gsub(\"a.*z|a\"; \"b\")",
        "\"x\" * 100000 | [match(\"((x{0,100}){0,20}y|x)\"; \"g\")] | length",
        "\"a\" * 1000 | test(\"((a{100}){100}){100}\")",
        "[range(20000) as $i | \"x\" | test(\"(\\\\w\\\\d\\($i)){3}$\")?] | error",
        "[range(20000) as $i | \"x\" | test(\"(\\\\w\\\\d\\($i)){10}$\")?] | error",
        "\"a\" | test(\"a\" * 5000)",
    ] {
        let started = std::time::Instant::now();
        let result = answer(text, "null");
        assert!(result.is_err(), "{text} gave {result:?}");
        let took = started.elapsed();
        // Unoptimised, everything takes ten times as long.
        let most = std::time::Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });
        assert!(took < most, "{text} took {took:?}");
    }
}

#[test]
fn regular_expressions_find_what_those_of_jq_find() {
    for (text, input, expected) in [
        ("[gsub(\"\\\\w\"; \"x\"), gsub(\"\"; \"-\")]", "\"éß b\"", r#"["xx x","-é-ß- -b-"]"#),
        ("[gsub(\"\\\\b\"; \"|\"), gsub(\"\\\\B\"; \"|\")]", "\"ab é\"", r#"["|ab| é","a|b |é|"]"#),
        (
            "[match(\"(?<a>.) (b)?\"; \"g\")]",
            "\"éß bc d\"",
            r#"[{"offset":1,"length":3,"string":"ß b","captures":[{"offset":1,"length":1,"string":"ß","name":"a"},{"offset":3,"length":1,"string":"b"}]},{"offset":4,"length":2,"string":"c ","captures":[{"offset":4,"length":1,"string":"c","name":"a"}]}]"#,
        ),
        ("[scan(\"x?\")] | length", "\"aé\"", "3"),
        ("[match(\"x?\"; \"gn\")] | length", "\"axé\"", "1"),
        ("[splits(\"X\"; \"i\")]", "\"aXbxc\"", r#"["a","b","c"]"#),
        ("sub(\"(?<x>b)\"; \"[\\(.x)]\")", "\"abcb\"", r#""a[b]cb""#),
        ("[match(\"^\"; \"gm\").offset]", "\"a\\nb\"", "[0,2]"),
        ("[test(\"a.b\"), test(\"a.b\"; \"s\"), test(\"a b\"; \"x\")]", "\"a\\nb\"", "[false,true,false]"),
        ("[match(\"a+\").string, match(\"a+\"; \"l\").string]", "\"aaa\"", r#"["aaa","a"]"#),
    ] {
        assert_eq!(answer(text, input).as_deref(), Ok(expected), "{text}");
    }
    assert!(answer("test(\"a\"; \"q\")", "\"a\"").is_err_and(|told| told.to_string().contains("flag")));
    assert!(answer("test(\"(\")", "\"a\"").is_err_and(|told| told.to_string().contains("unclosed")));
}

proptest! {
    #[test]
    fn any_text_is_an_error_or_an_answer(text in "[.a-c|()\\[\\]{}:,\"$ 0-9+*/<=?-]{0,24}") {
        if let Ok(expression) = Expression::compile(&text) {
            let _ = expression.evaluate(&Value::object([("a", 1)]), &[], Limits { fuel: 10_000, outputs: 100 });
        }
    }
}
