//! Recognising objects on first contact.

use model::{Path, Value};
use proptest::prelude::*;
use sync::matching::{
    Block, BlockPart, Candidate, ExactRule, Form, Judged, Known, LegalForms, Likeness, MatchDefinition, MatchError,
    Matcher, Measure, Recognised, Score, WeighedField, Why, jaro_winkler, token_set,
};

fn path(text: &str) -> Path {
    text.parse().expect("a path")
}

fn score(ten_thousandths: u16) -> Score {
    Score::new(ten_thousandths).expect("a score")
}

fn weighed(field: &str, form: Form, measure: Measure, weight: u32) -> WeighedField {
    WeighedField { path: path(field), form, measure, weight }
}

fn part(field: &str, form: Form, characters: Option<usize>) -> BlockPart {
    BlockPart { path: path(field), form, characters }
}

fn likeness() -> Likeness {
    Likeness {
        fields: vec![
            weighed("name", Form::Name, Measure::TokenSet, 5),
            weighed("city", Form::Text, Measure::JaroWinkler, 2),
            weighed("postalCode", Form::PostalCode, Measure::Equal, 2),
            weighed("phone", Form::Phone, Measure::Equal, 1),
        ],
        threshold: score(9_000),
        stretch: score(1_500),
        compared: score(5_000),
        blocks: vec![
            Block { parts: vec![part("name", Form::Name, Some(3)), part("country", Form::Exact, None)] },
            Block { parts: vec![part("postalCode", Form::PostalCode, None)] },
        ],
    }
}

fn definition() -> MatchDefinition {
    MatchDefinition {
        rules: vec![
            ExactRule { fields: vec![(path("taxId"), Form::TaxId)], identifies: true },
            ExactRule {
                fields: vec![(path("name"), Form::Name), (path("postalCode"), Form::PostalCode)],
                identifies: false,
            },
        ],
        likeness: Some(likeness()),
        legal_forms: LegalForms::default(),
    }
}

fn matcher() -> Matcher {
    Matcher::compile(&definition()).expect("a matcher")
}

fn company(text: &str) -> Value {
    model::json::parse(text.as_bytes()).expect("JSON")
}

/// What becomes of a company when these are known, the first one under `a`, and so on.
fn recognise(subject: &str, known: &[&str]) -> Recognised {
    let matcher = matcher();
    let known: Vec<Known> = known.iter().map(|text| matcher.know(&company(text))).collect();
    let ids = ["a", "b", "c"];
    let candidates = known.iter().zip(ids).map(|(known, id)| Candidate { id: id.into(), known, taken: false });
    matcher.recognise(&matcher.know(&company(subject)), candidates)
}

fn asked(recognised: Recognised) -> Vec<Judged> {
    match recognised {
        Recognised::Ask { candidates, .. } => candidates,
        other => panic!("not asked: {other:?}"),
    }
}

const ACME: &str = r#"{"name": "ACME Ltd.", "taxId": "GB 123.456.789", "postalCode": "ls1 4ap", "city": "Leeds",
    "phone": "+44 (0)113 496 0000", "country": "GB"}"#;

#[test]
fn values_are_compared_in_their_form() {
    let cases = [
        (Form::Exact, " Ab-1 ", Some("Ab-1")),
        (Form::Text, "  Café  Zoë, S.A. ", Some("cafe zoe sa")),
        (Form::Text, "Straße", Some("strasse")),
        (Form::Text, "STRASSE", Some("strasse")),
        (Form::Text, "Łódź Ørsted Æther", Some("lodz orsted aether")),
        (Form::Text, "ΟΔΟΣ οδος", Some("οδοσ οδοσ")),
        (Form::Text, "ACME", Some("acme")),
        (Form::Text, "O'Neill & Sons", Some("oneill and sons")),
        // Without its marks it would be another word.
        (Form::Text, "हिन्दी", Some("हिन्दी")),
        (Form::Text, "—", None),
        (Form::Name, "Marks and Spencer plc", Some("marks and spencer")),
        (Form::Name, "Müller Maschinenbau GmbH & Co. KG", Some("muller maschinenbau")),
        (Form::Name, "Foo S.A. de C.V.", Some("foo")),
        (Form::Name, "Foo Sp. z o.o.", Some("foo")),
        (Form::Name, "Foo Co., Ltd.", Some("foo")),
        // A name that is nothing but a legal form is a name.
        (Form::Name, "Limited", Some("limited")),
        (Form::Name, "Company Ltd", Some("company")),
        (Form::Name, "Incorporated Ideas", Some("incorporated ideas")),
        (Form::Phone, "+44 (0)20 7946 0000", Some("442079460000")),
        (Form::Phone, "0044 20 7946-0000", Some("442079460000")),
        (Form::Phone, "(020) 7946 0000", Some("2079460000")),
        (Form::Phone, "none", None),
        (Form::Email, " Ada@Example.COM ", Some("ada@example.com")),
        (Form::TaxId, "de 123/456-789", Some("DE123456789")),
        (Form::PostalCode, "ls1 4ap", Some("LS14AP")),
    ];
    let legal = LegalForms::default();
    for (form, given, wanted) in cases {
        assert_eq!(form.of(&Value::from(given), &legal).as_deref(), wanted, "{form:?} of {given}");
    }
    assert_eq!(Form::Exact.of(&Value::from(12), &legal).as_deref(), Some("12"));
    assert_eq!(Form::Exact.of(&Value::array([1]), &legal), None);
    assert_eq!(Form::Name.of(&Value::from("Foo Ltd"), &LegalForms::new(["GmbH"])).as_deref(), Some("foo ltd"));
}

#[test]
fn letters_are_compared_as_jaro_and_winkler_have_it() {
    // The examples of Winkler's papers.
    let cases = [
        ("MARTHA", "MARHTA", 9_611),
        ("DWAYNE", "DUANE", 8_400),
        ("DIXON", "DICKSONX", 8_133),
        ("JONES", "JOHNSON", 8_323),
        ("ABROMS", "ABRAMS", 9_222),
        ("ab", "ab", 10_000),
        ("abc", "xyz", 0),
        ("", "abc", 0),
    ];
    for (one, other, wanted) in cases {
        assert_eq!(jaro_winkler(one, other).ten_thousandths(), wanted, "{one} and {other}");
    }
}

#[test]
fn words_are_compared_in_any_order_and_missing_ones_count() {
    assert_eq!(token_set("acme trading leeds", "leeds acme trading"), Score::FULL);
    assert_eq!(token_set("acme acme", "acme"), Score::FULL);
    assert_eq!(token_set("", ""), Score::NONE);
    assert_eq!(token_set("acme", ""), Score::NONE);
    let part = token_set("acme trading", "acme");
    assert!(part > score(3_000) && part < score(8_000), "{part}");
    assert!(token_set("acme tradign", "trading acme") > score(9_000));
}

#[test]
fn a_rule_that_holds_links() {
    // The tax number alone, though everything else differs.
    let other = r#"{"name": "Something else", "taxId": "GB123456789", "postalCode": "M1", "country": "GB"}"#;
    let Recognised::Linked(judged) = recognise(ACME, &[r#"{"name": "Foo"}"#, other]) else { panic!("not linked") };
    assert_eq!((&*judged.id, judged.score, judged.why), ("b", Score::FULL, vec![Why::Same("taxId".into())]));
    // The name and the postal code, as this one has no tax number.
    let other = r#"{"name": "Acme Limited", "postalCode": "LS1 4AP"}"#;
    let Recognised::Linked(judged) = recognise(ACME, &[other]) else { panic!("not linked") };
    assert_eq!(judged.why, vec![Why::Same("name, postalCode".into())]);
    // One that fits by a rule outweighs one that is alike.
    let alike = r#"{"name": "Acme", "city": "Leeds", "phone": "+44 113 496 0000"}"#;
    assert!(matches!(recognise(ACME, &[alike]), Recognised::Linked(_)));
    let Recognised::Linked(judged) = recognise(ACME, &[alike, other]) else { panic!("not linked") };
    assert_eq!(&*judged.id, "b");
    // Two that have no tax number do not have it in common.
    assert_eq!(recognise(r#"{"name": "Foo"}"#, &[r#"{"name": "Bar"}"#]), Recognised::New);
}

#[test]
fn rules_that_only_name_their_fields_compare_them_in_their_usual_form() {
    let rules = vec![vec![path("taxId")], vec![path("name"), path("billing.postalCode")], vec![path("contact.email")]];
    let by_name = MatchDefinition::of_rules(rules);
    let told: Vec<_> = by_name.rules.iter().map(|rule| (rule.identifies, rule.fields[0].1)).collect();
    assert_eq!(told, [(true, Form::TaxId), (false, Form::Name), (false, Form::Email)]);
    let matcher = Matcher::compile(&by_name).expect("a matcher");
    let know = |text: &str| matcher.know(&company(text));
    let known = know(r#"{"name": "ACME Ltd", "billing": {"postalCode": "LS1 4AP"}}"#);
    let candidate = || Candidate { id: "a".into(), known: &known, taken: false };
    let same = know(r#"{"name": "Acme", "billing": {"postalCode": "ls14ap"}}"#);
    assert!(matches!(matcher.recognise(&same, [candidate()]), Recognised::Linked(_)));
    let other = know(r#"{"name": "Acme", "billing": {"postalCode": "ls14aq"}}"#);
    assert_eq!(matcher.recognise(&other, [candidate()]), Recognised::New);
}

#[test]
fn two_that_fit_exactly_are_for_a_person() {
    let twin = r#"{"name": "Acme", "taxId": "GB123456789"}"#;
    let judged = asked(recognise(ACME, &[twin, twin]));
    assert_eq!(judged.iter().map(|one| &*one.id).collect::<Vec<_>>(), ["a", "b"]);
    // By different rules as well.
    let namesake = r#"{"name": "Acme", "postalCode": "LS14AP"}"#;
    assert_eq!(asked(recognise(ACME, &[namesake, twin])).len(), 2);
}

#[test]
fn who_fits_by_one_rule_and_contradicts_what_identifies_is_for_a_person() {
    let group = r#"{"name": "Acme", "postalCode": "LS1 4AP", "taxId": "GB999999999"}"#;
    let judged = asked(recognise(ACME, &[group]));
    assert_eq!(judged[0].why, vec![Why::Differs("taxId".into()), Why::Same("name, postalCode".into())]);
    // Only alike and contradicting: below the threshold it is not worth a thought.
    let near = r#"{"name": "Acme", "city": "London", "postalCode": "N1", "phone": "0113 4960000", "taxId": "GB9"}"#;
    assert_eq!(recognise(ACME, &[near]), Recognised::New);
    let (same, other) = (r#"{"name": "Acme", "city": "Leeds", "postalCode": "N1""#, r#", "taxId": "GB9"}"#);
    assert_eq!(asked(recognise(ACME, &[&format!("{same}}}")])).len(), 1);
    assert_eq!(recognise(ACME, &[&format!("{same}{other}")]), Recognised::New);
}

#[test]
fn who_has_a_record_of_that_side_already_is_for_a_person() {
    let matcher = matcher();
    let known = matcher.know(&company(r#"{"taxId": "GB123456789"}"#));
    let candidate = |taken| Candidate { id: "a".into(), known: &known, taken };
    let subject = matcher.know(&company(ACME));
    assert!(matches!(matcher.recognise(&subject, [candidate(false)]), Recognised::Linked(_)));
    let judged = asked(matcher.recognise(&subject, [candidate(true)]));
    assert_eq!(judged[0].why, vec![Why::Same("taxId".into()), Why::Taken]);
}

#[test]
fn likeness_links_above_the_threshold_asks_in_the_stretch_and_is_silent_below() {
    let sure = r#"{"name": "Acme", "city": "Leeds", "postalCode": "LS1 4AQ", "phone": "0113 4960000"}"#;
    let like = r#"{"name": "Akme", "city": "Leeds", "postalCode": "LS1 4AP", "phone": "+44 113 4960000"}"#;
    let far = r#"{"name": "Zenith", "city": "York", "postalCode": "LS1 4AP"}"#;
    let Recognised::Linked(judged) = recognise(ACME, &[like, far]) else { panic!("not linked") };
    assert_eq!(&*judged.id, "a");
    assert!(judged.score >= score(9_000) && judged.score < Score::FULL, "{}", judged.score);
    assert!(judged.why.contains(&Why::Alike("city".into(), Score::FULL)), "{:?}", judged.why);
    // The same name but for a letter in the same town; nothing else is known.
    let judged = asked(recognise(r#"{"name": "Acme", "city": "Leeds"}"#, &[like]));
    assert!(judged[0].score >= score(7_500) && judged[0].score < score(9_000), "{}", judged[0].score);
    assert_eq!(recognise(ACME, &[far]), Recognised::New);
    // Sure of one, but another one is possible.
    let judged = asked(recognise(r#"{"name": "Acme", "city": "Leeds", "phone": "0113 4960000"}"#, &[sure, like]));
    assert_eq!(judged.iter().map(|one| &*one.id).collect::<Vec<_>>(), ["a", "b"]);
    // One field in common says too little.
    assert_eq!(recognise(r#"{"city": "Leeds"}"#, &[sure]), Recognised::New);
}

#[test]
fn too_many_to_compare_are_for_a_person() {
    let matcher = matcher();
    let (subject, other) = (matcher.know(&company(ACME)), matcher.know(&company(r#"{"name": "Foo"}"#)));
    let candidate = |_| Candidate { id: "a".into(), known: &other, taken: false };
    assert_eq!(matcher.recognise(&subject, (0..1_000).map(candidate)), Recognised::New);
    let asked = Recognised::Ask { candidates: Vec::new(), more: 1 };
    assert_eq!(matcher.recognise(&subject, (0..1_001).map(candidate)), asked);
    let likely = (0..30).map(|place| Candidate { id: place.to_string().into(), known: &subject, taken: false });
    let Recognised::Ask { candidates, more } = matcher.recognise(&subject, likely) else { panic!("not asked") };
    assert_eq!((candidates.len(), more), (10, 20));
}

#[test]
fn objects_are_found_again_by_their_keys() {
    let matcher = matcher();
    let keys = |text: &str| matcher.keys(&matcher.know(&company(text)));
    let shown: Vec<String> = keys(ACME).iter().map(|key| key.replace('\u{1f}', "|")).collect();
    let wanted = ["=taxId|GB123456789", "=name, postalCode|acme|LS14AP", "~name, country|acm|GB", "~postalCode|LS14AP"];
    assert_eq!(shown, wanted);
    // A rule or block of which something is missing has no key.
    assert_eq!(keys(r#"{"name": "Foo"}"#).len(), 0);
    // Values cannot run into each other.
    assert_ne!(keys(r#"{"name": "ab", "postalCode": "c"}"#), keys(r#"{"name": "a", "postalCode": "bc"}"#));
}

#[test]
fn every_mistake_of_a_definition_is_told() {
    let (none, nothing) = (ExactRule { fields: vec![], identifies: false }, Block { parts: vec![] });
    let wrong = MatchDefinition {
        rules: vec![none],
        likeness: Some(Likeness {
            fields: vec![weighed("name", Form::Name, Measure::Equal, 0)],
            stretch: score(9_000),
            blocks: vec![nothing, Block { parts: vec![part("name", Form::Name, Some(0))] }],
            ..likeness()
        }),
        ..definition()
    };
    let errors = vec![
        MatchError::Empty("match rule", 1),
        MatchError::Stretch,
        MatchError::Weight(path("name"), 0),
        MatchError::Empty("block", 1),
        MatchError::NoCharacters(path("name")),
    ];
    assert_eq!(Matcher::compile(&wrong).expect_err("wrong"), errors);
    assert_eq!(errors[2].to_string(), "`name` has the weight 0. Give it a weight from 1 to 1000. [IL-SYNC-003]");
    let without = MatchDefinition { likeness: Some(Likeness { blocks: vec![], ..likeness() }), ..definition() };
    assert_eq!(Matcher::compile(&without).expect_err("wrong"), vec![MatchError::NoBlocks]);
    let rule = definition().rules.remove(0);
    let many = MatchDefinition { rules: vec![rule; 33], ..definition() };
    assert_eq!(Matcher::compile(&many).expect_err("wrong"), vec![MatchError::TooMany("match rules")]);
}

fn any_company() -> impl Strategy<Value = Value> {
    let text = |pattern: &'static str| prop_oneof![1 => Just(Value::Null), 5 => pattern.prop_map(Value::from)];
    (text("[Aa]c[mk]e( (Ltd|Trading|Foo))?"), text("GB[1-3]"), text("LS[1-2]"), text("Le{1,2}ds"), text("[0-9]{2}"))
        .prop_map(|(name, tax, postal, city, phone)| {
            let members = [("name", name), ("taxId", tax), ("postalCode", postal), ("city", city), ("phone", phone)];
            let mut company = Value::object(members);
            company.set("country", "GB");
            company
        })
}

proptest! {
    #[test]
    fn it_does_not_matter_which_of_two_is_named_first(one in any_company(), other in any_company()) {
        let matcher = matcher();
        let (one, other) = (matcher.know(&one), matcher.know(&other));
        prop_assert_eq!(matcher.compare(&one, &other), matcher.compare(&other, &one));
    }

    #[test]
    fn likeness_has_no_direction_and_is_full_for_the_same(one in "[a-c ]{0,12}", other in "[a-c ]{0,12}") {
        prop_assert_eq!(jaro_winkler(&one, &other), jaro_winkler(&other, &one));
        prop_assert_eq!(token_set(&one, &other), token_set(&other, &one));
        prop_assert_eq!(jaro_winkler(&one, &one), Score::FULL);
        prop_assert_eq!(jaro_winkler(&one, &other) == Score::FULL, one == other);
    }

    #[test]
    fn the_order_of_candidates_does_not_matter(
        subject in any_company(),
        others in prop::collection::vec(any_company(), 0..6),
        turn in 0usize..6,
    ) {
        let matcher = matcher();
        let known: Vec<Known> = others.iter().map(|other| matcher.know(other)).collect();
        let candidate = |(place, known)| Candidate { id: format!("{place}").into(), known, taken: place == 3 };
        let mut candidates: Vec<Candidate<'_>> = known.iter().enumerate().map(candidate).collect();
        let subject = matcher.know(&subject);
        let first = matcher.recognise(&subject, candidates.clone());
        if !candidates.is_empty() {
            let turn = turn % candidates.len();
            candidates.rotate_left(turn);
            candidates.reverse();
        }
        prop_assert_eq!(matcher.recognise(&subject, candidates), first);
    }

    /// Nothing that would be linked by a rule is missed by looking for keys.
    #[test]
    fn what_fits_a_rule_has_a_key_in_common(one in any_company(), other in any_company()) {
        let matcher = matcher();
        let (one, other) = (matcher.know(&one), matcher.know(&other));
        let fits = matcher.compare(&one, &other).1.iter().any(|why| matches!(why, Why::Same(_)));
        let keys = matcher.keys(&other);
        let exact = |key: &std::sync::Arc<str>| key.starts_with('=') && keys.contains(key);
        prop_assert_eq!(fits, matcher.keys(&one).iter().any(exact));
    }

    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        let legal = LegalForms::default();
        let forms = [Form::Exact, Form::Text, Form::Name, Form::Phone, Form::Email, Form::TaxId, Form::PostalCode];
        for form in forms {
            if let Some(once) = form.of(&Value::from(text.as_str()), &legal) {
                prop_assert!(!once.is_empty());
                prop_assert_eq!(jaro_winkler(&once, &once), Score::FULL);
            }
        }
    }

    /// Case and accents do not matter to names.
    #[test]
    fn case_and_accents_do_not_matter(text in "[a-zäöüéèñçøłæ .&'-]{1,20}") {
        let legal = LegalForms::default();
        let small = Form::Name.of(&Value::from(text.as_str()), &legal);
        prop_assert_eq!(&small, &Form::Name.of(&Value::from(text.to_uppercase()), &legal));
        if let Some(small) = small {
            prop_assert_eq!(Form::Text.of(&Value::from(small.as_str()), &legal), Some(small));
        }
    }
}

#[test]
fn the_key_of_a_rule_says_what_the_rule_compares() {
    let matcher = matcher();
    let known = matcher.know(&company(r#"{"name": "ACME Ltd", "postalCode": "ls1 4ap", "taxId": "GB 123"}"#));
    let same = matcher.know(&company(r#"{"name": "Acme", "postalCode": "LS1 4AP"}"#));
    let other = matcher.know(&company(r#"{"name": "Acme", "postalCode": "LS2"}"#));
    let keys = matcher.keys(&known);
    let by_rule: Vec<Known> = keys.iter().filter_map(|key| matcher.know_by(key)).collect();
    assert_eq!(by_rule.len(), 2, "one for each rule and none for a block: {keys:?}");
    let linked = |subject: &Known| {
        let candidates = by_rule.iter().map(|known| Candidate { id: "a".into(), known, taken: false });
        matches!(matcher.recognise(subject, candidates.take(2)), Recognised::New)
    };
    assert!(!linked(&same) && linked(&other));
    assert_eq!(matcher.know_by("=no such rule\u{1f}x"), None);
}

#[test]
fn what_a_system_has_already_is_only_asked_about_when_a_rule_holds() {
    let matcher = matcher();
    let subject = matcher.know(&company(r#"{"name": "Acme Trading", "city": "Leeds", "postalCode": "LS1"}"#));
    let alike = matcher.know(&company(r#"{"name": "Acme Tradings", "city": "Leeds", "postalCode": "LS1"}"#));
    let same = matcher.know(&company(r#"{"name": "Acme Trading Ltd", "city": "Hull", "postalCode": "LS1"}"#));
    let recognised = |known| matcher.recognise(&subject, [Candidate { id: "a".into(), known, taken: true }]);
    assert_eq!(recognised(&alike), Recognised::New);
    assert!(matches!(recognised(&same), Recognised::Ask { .. }));
}
