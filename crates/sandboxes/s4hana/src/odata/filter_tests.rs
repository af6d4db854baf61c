//! The grammar of filters: any text is one or is refused, and what is one means what it says.

use proptest::prelude::*;

use super::super::edm::Catalog;
use super::super::fixed::Amount;
use super::*;

const TABLE: &str = "service S\n\nentity T Ts - | T\nkey Id\n  Id String(10) nU | Id\n  Name String(40) - | Name\n  \
                     Amount Decimal(15.3) - | Amount\n  Open Boolean - | Open\n  At DateTimeOffset(7) - | At\n  -> to_Parent T 0..1\n  -> to_Many T *\n";

fn catalog() -> Catalog {
    Catalog::read(&[TABLE]).expect("a catalog")
}

/// A row with a parent of the same values, which has none.
#[derive(Clone, Copy)]
struct Thing<'a> {
    kind: &'a EntityType,
    name: &'a str,
    amount: i64,
    open: bool,
    is_parent: bool,
}

impl<'a> Row<'a> for Thing<'a> {
    fn entity(self) -> &'a EntityType {
        self.kind
    }

    fn cell(self, property: usize) -> Cell<'a> {
        match property {
            0 => Cell::Number(4711),
            1 => Cell::Text(self.name),
            2 => Cell::Amount(Amount::from_units(self.amount)),
            3 => Cell::Bool(self.open),
            _ => Cell::Instant(0),
        }
    }

    fn related(self, navigation: usize, out: &mut Vec<Self>) {
        if navigation == 0 && !self.is_parent {
            out.push(Self { is_parent: true, ..self });
        }
    }
}

fn accepts(text: &str, name: &str, amount: i64, open: bool) -> Result<bool, Error> {
    let catalog = catalog();
    let service = &catalog.services[0];
    let filter = Filter::read(text, &service.types[0], service)?;
    Ok(filter.accepts(Thing { kind: &service.types[0], name, amount, open, is_parent: false }))
}

#[test]
fn precedence_functions_and_navigation() {
    for (text, wanted) in [
        ("Open or Open and not Open", true),
        ("not Open or Open", true),
        ("not (Open or Open)", false),
        ("Id eq '0000004711' and Amount eq 1.5", true),
        ("1.5M eq Amount and 2 gt Amount and 1.5d le Amount", true),
        ("Amount ne 1.500 or Name eq null", false),
        ("to_Parent/Name eq 'O''Neil' and to_Parent/to_Parent/Name eq ''", true),
        ("toupper(Name) eq 'O''NEIL' and length(trim(Name)) eq 6", false),
        ("toupper(Name) eq 'O''NEIL' and length(Name) eq 6", true),
        ("startswith(Name,'O''') and endswith(Name,'il') eq true and substringof('zz',Name) eq false", true),
        ("Name eq Name and (Open eq true)", true),
        ("At lt datetimeoffset'1970-01-01T00:00:00.001Z'", true),
    ] {
        let result = accepts(text, "O'Neil", 1500, true);
        match text.contains("trim(Name))") {
            true => assert!(result.is_err(), "{text}"),
            false => assert_eq!(result, Ok(wanted), "{text}"),
        }
    }
}

#[test]
fn refusals() {
    for text in [
        "",
        "and",
        "Id",
        "Name eq",
        "Name eq 'a' or",
        "Name eq 'a' Name",
        "(Open",
        "Open)",
        "eq 'a'",
        "Name lk 'a'",
        "Nothing eq 1",
        "Amount eq 'a'",
        "Open eq 1",
        "to_Many/Name eq 'a'",
        "concat(Name,'a') eq 'b'",
        "startswith('a',Name)",
        "Name eq 'unended",
    ] {
        assert!(accepts(text, "a", 0, true).is_err(), "{text}");
    }
    let deep = format!("{}Open{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(accepts(&deep, "a", 0, true).is_err());
    assert!(accepts(&"not ".repeat(10_000), "a", 0, true).is_err());
}

#[test]
fn indexes_are_asked_for_what_a_filter_pins() {
    let catalog = catalog();
    let service = &catalog.services[0];
    let pinned = |text: &str| {
        let filter = Filter::read(text, &service.types[0], service).expect("a filter");
        filter.pinned(1).map(|literals| literals.iter().filter_map(|one| one.as_text()).collect::<Vec<_>>().join("|"))
    };
    assert_eq!(pinned("Name eq 'a' and Amount gt 1"), Some("a".to_owned()));
    assert_eq!(pinned("(Name eq 'a' or Name eq 'b') and Open"), Some("a|b".to_owned()));
    assert_eq!(pinned("Name eq 'a' or Open"), None);
    assert_eq!(pinned("not (Name eq 'a')"), None);
    assert_eq!(pinned("tolower(Name) eq 'a' and to_Parent/Name eq 'a'"), None);
}

type Meaning = fn(&str, i64, bool) -> bool;

/// Expressions with what they mean for a row.
fn expression() -> impl Strategy<Value = (String, Meaning)> {
    prop_oneof![
        Just(("Open".to_owned(), (|_, _, open| open) as Meaning)),
        Just(("Amount gt 1".to_owned(), (|_, amount, _| amount > 1000) as Meaning)),
        Just(("Amount le -0.5M".to_owned(), (|_, amount, _| amount <= -500) as Meaning)),
        Just(("startswith(Name,'a')".to_owned(), (|name: &str, _, _| name.starts_with('a')) as Meaning)),
        Just(("Name ne 'b'".to_owned(), (|name: &str, _, _| name != "b") as Meaning)),
    ]
}

proptest! {
    #[test]
    fn any_text_is_a_filter_or_an_error(
        text in ".{0,80}",
        odd in "((Name|Id|Amount|Open|to_Parent/|eq|ne|and|or|not|startswith|substringof|length|null|true|datetime'[0-9T:-]{0,6}'|[(),']|[0-9.]{1,3}M?|é) ?){0,14}",
    ) {
        let _ = accepts(&text, "a", 0, true);
        let _ = accepts(&odd, "a", 0, true);
    }

    #[test]
    fn combinations_mean_what_they_say(
        terms in prop::collection::vec((expression(), any::<bool>(), any::<bool>()), 1..8),
        name in "[ab]{0,2}",
        amount in -2000i64..2000,
        open in any::<bool>(),
    ) {
        // Or of ands: the way that precedence wants it, without parentheses.
        let (mut text, mut any, mut all) = (String::new(), false, true);
        for (index, ((term, holds), negated, or)) in terms.iter().enumerate() {
            if index > 0 {
                text.push_str(if *or { " or " } else { " and " });
                if *or {
                    any |= all;
                    all = true;
                }
            }
            if *negated {
                text.push_str(&format!("not ({term})"));
            } else {
                text.push_str(term);
            }
            all &= holds(&name, amount, open) != *negated;
        }
        prop_assert_eq!(accepts(&text, &name, amount, open), Ok(any || all), "{}", text);
    }
}
