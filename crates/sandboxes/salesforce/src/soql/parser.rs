//! From tokens to a query.

use super::ast::{Condition, FieldsGroup, Function, Literal, Misread, Operand, Operator, Order, Path, Query, Selected};
use super::dates;
use super::lexer::{Placed, Token, tokens};
use crate::time;

/// Longest text, by the vendor's rule.
const LENGTH_MAX: usize = 100_000;
/// How deep parentheses and queries may be nested.
const DEPTH_MAX: usize = 40;
/// Most rows that may be passed over.
const OFFSET_MAX: usize = 2000;

/// Reads a query.
pub(crate) fn parse(text: &str, now: i64) -> Result<Query, Misread> {
    if text.len() > LENGTH_MAX {
        return Err(Misread { code: "QUERY_TOO_COMPLICATED", at: 0, message: "the query is too long".to_owned() });
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, now };
    let query = parser.query()?;
    match parser.peek() {
        Token::End => Ok(query),
        _ => Err(parser.unexpected()),
    }
}

struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    depth: usize,
    now: i64,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |(_, at)| *at)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn unexpected(&self) -> Misread {
        let shown = match self.peek() {
            Token::End => "<EOF>".to_owned(),
            Token::Word(word) | Token::Number(word) => word.clone(),
            Token::Text(text) => text.clone(),
            Token::Symbol(symbol) => (*symbol).to_owned(),
        };
        Misread::malformed(self.at(), format!("unexpected token: '{shown}'"))
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Misread> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(found) if *found == symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Misread> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Whether `(` follows the next token.
    fn is_call(&self) -> bool {
        matches!(self.tokens.get(self.next + 1), Some((Token::Symbol("("), _)))
    }

    fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Misread>) -> Result<T, Misread> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Misread::malformed(self.at(), "the query is nested too deeply"));
        }
        let result = work(self);
        self.depth -= 1;
        result
    }

    fn path(&mut self) -> Result<Path, Misread> {
        let at = self.at();
        match self.peek() {
            Token::Word(word) => {
                let parts: Vec<String> = word.split('.').map(str::to_owned).collect();
                if parts.iter().any(String::is_empty) {
                    return Err(self.unexpected());
                }
                self.next += 1;
                Ok(Path { at, parts })
            }
            _ => Err(self.unexpected()),
        }
    }

    fn query(&mut self) -> Result<Query, Misread> {
        self.expect_word("SELECT")?;
        let mut selected = vec![self.selected()?];
        while self.symbol(",") {
            selected.push(self.selected()?);
        }
        self.expect_word("FROM")?;
        let from = self.path()?;
        self.word("AS");
        let mut query = Query {
            selected,
            from,
            alias: self.alias(),
            condition: None,
            group_by: Vec::new(),
            having: None,
            order_by: Vec::new(),
            limit: None,
            offset: 0,
            all_rows: false,
        };
        if self.word("USING") {
            self.expect_word("SCOPE")?;
            self.path()?;
        }
        if self.word("WHERE") {
            query.condition = Some(self.condition()?);
        }
        if self.word("WITH") {
            // Our one user may see everything.
            if !self.word("SECURITY_ENFORCED") && !self.word("USER_MODE") && !self.word("SYSTEM_MODE") {
                return Err(self.unexpected());
            }
        }
        if self.word("GROUP") {
            self.expect_word("BY")?;
            query.group_by.push(self.path()?);
            while self.symbol(",") {
                query.group_by.push(self.path()?);
            }
            if self.word("HAVING") {
                query.having = Some(self.condition()?);
            }
        }
        if self.word("ORDER") {
            self.expect_word("BY")?;
            query.order_by.push(self.order()?);
            while self.symbol(",") {
                query.order_by.push(self.order()?);
            }
        }
        if self.word("LIMIT") {
            query.limit = Some(self.whole()?);
        }
        if self.word("OFFSET") {
            let at = self.at();
            query.offset = self.whole()?;
            if query.offset > OFFSET_MAX {
                let message = format!("Maximum SOQL offset allowed is {OFFSET_MAX}");
                return Err(Misread { code: "NUMBER_OUTSIDE_VALID_RANGE", at, message });
            }
        }
        if self.word("FOR") {
            while ["VIEW", "REFERENCE", "UPDATE"].into_iter().any(|word| self.word(word)) {
                self.symbol(",");
            }
        }
        if self.word("ALL") {
            self.expect_word("ROWS")?;
            query.all_rows = true;
        }
        Ok(query)
    }

    /// A name behind the object or a selected field, unless it is a word that continues the query.
    fn alias(&mut self) -> Option<String> {
        const WORDS: [&str; 12] =
            ["FROM", "USING", "WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "ALL", "AS"];
        let Token::Word(word) = self.peek() else { return None };
        if word.contains('.') || WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            return None;
        }
        let word = word.clone();
        self.next += 1;
        Some(word)
    }

    fn selected(&mut self) -> Result<Selected, Misread> {
        let at = self.at();
        if self.symbol("(") {
            let query = Box::new(self.deeper(Self::query)?);
            self.expect(")")?;
            return Ok(Selected::Children { at, query });
        }
        if self.is_word("FIELDS") && self.is_call() {
            self.next += 2;
            let group = if self.word("ALL") {
                FieldsGroup::All
            } else if self.word("STANDARD") {
                FieldsGroup::Standard
            } else if self.word("CUSTOM") {
                FieldsGroup::Custom
            } else {
                return Err(self.unexpected());
            };
            self.expect(")")?;
            return Ok(Selected::Fields { at, group });
        }
        let operand = self.operand()?;
        Ok(Selected::Operand { operand, alias: self.alias() })
    }

    fn operand(&mut self) -> Result<Operand, Misread> {
        let at = self.at();
        if !self.is_call() {
            return Ok(Operand::Field(self.path()?));
        }
        let Token::Word(name) = self.take() else {
            self.next -= 1;
            return Err(self.unexpected());
        };
        let function = match name.to_ascii_uppercase().as_str() {
            "COUNT" => Function::Count,
            "COUNT_DISTINCT" => Function::CountDistinct,
            "SUM" => Function::Sum,
            "MIN" => Function::Min,
            "MAX" => Function::Max,
            "AVG" => Function::Avg,
            // What it means for a person who reads another language is what it is.
            "TOLABEL" => {
                self.expect("(")?;
                let path = self.path()?;
                self.expect(")")?;
                return Ok(Operand::Field(path));
            }
            _ => return Err(Misread::malformed(at, format!("Invalid function: {name}"))),
        };
        self.expect("(")?;
        if self.symbol(")") {
            if function != Function::Count {
                self.next -= 1;
                return Err(self.unexpected());
            }
            return Ok(Operand::Aggregate { at, function, of: None });
        }
        let of = Some(self.path()?);
        self.expect(")")?;
        Ok(Operand::Aggregate { at, function, of })
    }

    fn order(&mut self) -> Result<Order, Misread> {
        let operand = self.operand()?;
        let descending = !self.word("ASC") && self.word("DESC");
        let mut nulls_last = false;
        if self.word("NULLS") {
            nulls_last = self.word("LAST");
            if !nulls_last {
                self.expect_word("FIRST")?;
            }
        }
        Ok(Order { operand, descending, nulls_last })
    }

    fn whole(&mut self) -> Result<usize, Misread> {
        let number = match self.peek() {
            Token::Number(digits) => digits.parse::<usize>().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(number)
    }

    /// Terms joined with AND, or with OR: the vendor refuses a mixture without parentheses.
    fn condition(&mut self) -> Result<Condition, Misread> {
        self.deeper(|parser| {
            let mut terms = vec![parser.term()?];
            let word = if parser.is_word("OR") { "OR" } else { "AND" };
            while parser.word(word) {
                terms.push(parser.term()?);
            }
            if parser.is_word("AND") || parser.is_word("OR") {
                return Err(parser.unexpected());
            }
            Ok(match terms.len() {
                1 => terms.remove(0),
                _ if word == "OR" => Condition::Or(terms),
                _ => Condition::And(terms),
            })
        })
    }

    fn term(&mut self) -> Result<Condition, Misread> {
        if self.word("NOT") {
            return self.deeper(|parser| Ok(Condition::Not(Box::new(parser.term()?))));
        }
        if self.symbol("(") {
            let condition = self.condition()?;
            self.expect(")")?;
            return Ok(condition);
        }
        let operand = self.operand()?;
        if let Operand::Field(path) = &operand {
            let negated = self.is_word("NOT");
            if negated || self.is_word("IN") {
                self.next += usize::from(negated);
                self.expect_word("IN")?;
                return self.list(path.clone(), negated);
            }
            let excludes = self.is_word("EXCLUDES");
            if excludes || self.is_word("INCLUDES") {
                self.next += 1;
                let path = path.clone();
                return Ok(Condition::Includes { path, negated: excludes, values: self.texts()? });
            }
        }
        let operator = match self.peek() {
            Token::Symbol("=") => Operator::Equal,
            Token::Symbol("!=" | "<>") => Operator::NotEqual,
            Token::Symbol("<") => Operator::Less,
            Token::Symbol("<=") => Operator::LessOrEqual,
            Token::Symbol(">") => Operator::Greater,
            Token::Symbol(">=") => Operator::GreaterOrEqual,
            Token::Word(word) if word.eq_ignore_ascii_case("LIKE") => Operator::Like,
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        let at = self.at();
        Ok(Condition::Compare { operand, operator, at, literal: self.literal()? })
    }

    fn list(&mut self, path: Path, negated: bool) -> Result<Condition, Misread> {
        let at = self.at();
        self.expect("(")?;
        if self.is_word("SELECT") {
            let query = Box::new(self.deeper(Self::query)?);
            self.expect(")")?;
            return Ok(Condition::InQuery { path, negated, at, query });
        }
        let mut literals = vec![self.literal()?];
        while self.symbol(",") {
            literals.push(self.literal()?);
        }
        self.expect(")")?;
        Ok(Condition::In { path, negated, at, literals })
    }

    fn texts(&mut self) -> Result<Vec<String>, Misread> {
        self.expect("(")?;
        let mut texts = Vec::new();
        loop {
            match self.take() {
                Token::Text(text) => texts.push(text),
                _ => {
                    self.next -= 1;
                    return Err(self.unexpected());
                }
            }
            if !self.symbol(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(texts)
    }

    fn literal(&mut self) -> Result<Literal, Misread> {
        let literal = match self.peek() {
            Token::Text(text) => Some(Literal::Text(text.clone())),
            Token::Number(text) => number(text),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Some(Literal::Null),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Some(Literal::Bool(true)),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Some(Literal::Bool(false)),
            Token::Word(word) => {
                let word = word.clone();
                let n = match (self.tokens.get(self.next + 1), self.tokens.get(self.next + 2)) {
                    (Some((Token::Symbol(":"), _)), Some((Token::Number(digits), _))) => digits.parse::<i64>().ok(),
                    _ => None,
                };
                let span = dates::span_of(&word, n, self.now).map(|(from, to)| Literal::Span(from, to));
                if span.is_some() && n.is_some() {
                    self.next += 2;
                }
                span
            }
            _ => None,
        };
        let literal = literal.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(literal)
    }
}

/// A number, a date or an instant.
fn number(text: &str) -> Option<Literal> {
    if let Some(days) = time::parse_date(text) {
        return Some(Literal::Date(days));
    }
    if let Some(millis) = time::parse_instant(text) {
        return Some(Literal::Instant(millis));
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = whole.len() + fraction.len() <= 30 && fraction.len() <= 18 && !(whole.is_empty() && fraction.is_empty());
    if !fits || !digits(whole) || !digits(fraction) {
        return None;
    }
    let units: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = u8::try_from(fraction.len()).ok()?;
    Some(Literal::Number { units: if text.starts_with('-') { -units } else { units }, scale })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for text in [
            "SELECT Id, Account.Name FROM Quote q WHERE q.Status = 'O\\'Neil' AND (NOT Name LIKE 'A%') ORDER BY Name DESC NULLS LAST LIMIT 5 OFFSET 2",
            "select id,(select id from QuoteLineItems where Quantity > -1.5) from Quote where Id in ('a','b') and CreatedDate >= LAST_N_DAYS:3",
            "SELECT COUNT() FROM Quote WHERE CreatedDate > 2026-11-23T10:00:00Z OR CloseDate = TODAY",
            "SELECT Status, COUNT(Id) n FROM Quote GROUP BY Status HAVING COUNT(Id) > 1",
            "SELECT FIELDS(ALL) FROM Account LIMIT 200",
            "SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Order) FOR UPDATE",
        ] {
            assert!(parse(text, 0).is_ok(), "{text}: {:?}", parse(text, 0));
        }
    }

    #[test]
    fn says_where_it_stopped_understanding() {
        let text = "SELECT Id FROMM Quote";
        let refusal = parse(text, 0).expect_err("no query").refusal(text);
        assert_eq!(refusal.code, "MALFORMED_QUERY");
        assert_eq!(
            refusal.message,
            "\nSELECT Id FROMM Quote\n                ^\nERROR at Row:1:Column:17\nunexpected token: 'Quote'"
        );
        for text in [
            "SELECT",
            "SELECT Id FROM Q WHERE a = 'x",
            "SELECT Id FROM Q WHERE a=1 OR b=2 AND c=3",
            "SELECT Id FROM Q LIMIT x",
            "SELECT Id FROM Q WHERE a = %",
        ] {
            assert!(parse(text, 0).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_text_is_a_query_or_not(text in ".{0,200}") {
            if let Err(error) = parse(&text, 0) {
                error.refusal(&text);
            }
        }

        #[test]
        fn any_words_of_the_language_are_a_query_or_not(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "SELECT", "Id", "FROM", "Quote", "WHERE", "(", ")", ",", "AND", "OR", "NOT", "IN", "LIKE", "'x'", "5", "-1.5", "=", "<",
                "COUNT", "GROUP", "BY", "ORDER", "LIMIT", "OFFSET", "null", "TODAY", "LAST_N_DAYS", ":", "FIELDS", "ALL", "HAVING", "a.b",
            ]), 0..40),
        ) {
            let text = words.join(" ");
            if let Err(error) = parse(&text, 0) {
                error.refusal(&text);
            }
        }
    }
}
