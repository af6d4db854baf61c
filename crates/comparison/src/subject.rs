//! What is compared: the object, its two sides, the members that both have, and the amounts.

use std::sync::Arc;

use definitions::{Feed, Release, Synchronised};
use indexmap::IndexSet;
use model::{ConnectionName, ObjectName, Path, Problem, Value, nearest};
use reconcile::{Amount, Judge, Member, Pair, Shape, Side};

/// The system's own id.
const OWN: &str = "id";
/// How deeply the schema is looked through for amounts.
const DEPTH_MAX: usize = 4;

/// What is compared.
pub struct Subject {
    /// The object.
    pub object: ObjectName,
    /// The two systems.
    pub sides: Pair<ConnectionName>,
    /// The feeds of the object on each side.
    pub feeds: Pair<Vec<Arc<Feed>>>,
    /// What is declared of keeping it the same, if anything is.
    pub synchronised: Option<Arc<Synchronised>>,
    /// The members and amounts that are compared.
    pub shape: Arc<Shape>,
    /// What ownership makes of differences.
    pub judge: Judge,
}

/// What a person says of it.
pub struct Wanted<'a> {
    /// The object.
    pub object: &'a str,
    /// One of the connections.
    pub left: Option<&'a str>,
    /// The other one.
    pub right: Option<&'a str>,
    /// The member by whose month amounts are summed; the first date of the object without one.
    pub month: Option<&'a str>,
}

impl Subject {
    /// Finds it in the definitions.
    ///
    /// # Errors
    /// When there is no such object, connection or member, or the sides have to be named.
    pub fn of(release: &Release, wanted: &Wanted<'_>) -> Result<Self, Problem> {
        let Some((object, definition)) = release.objects.get_key_value(wanted.object) else {
            let names = release.objects.keys().map(ObjectName::as_str);
            let message = format!("there is no object `{}`", wanted.object);
            return Err(Problem::new("IL-REC-020", message, suggestion(wanted.object, names)));
        };
        let synchronised = release.synchronised.get(object).cloned();
        let sides = sides(release, object, synchronised.as_deref(), wanted)?;
        let feeds = Pair { left: feeds(release, &sides.left, object), right: feeds(release, &sides.right, object) };
        let members = members(&feeds);
        if members.is_empty() {
            let message = format!("{} and {} have no member of {object} in common", sides.left, sides.right);
            return Err(Problem::new("IL-REC-023", message, "Let the mappings of both feeds read the same members"));
        }
        let list =
            |name: &str| synchronised.as_ref().and_then(|synchronised| synchronised.policy.lists.get(name).cloned());
        let month = month(&definition.document, wanted.month, &feeds, &sides)?;
        // An amount that one side does not read would be a difference that is none.
        let read =
            |amount: &Amount| [&amount.amount, &amount.currency].iter().all(|path| is_read_by_both(path, &feeds));
        let amounts = amounts(&definition.document, month.as_ref()).into_iter().filter(read).collect();
        let members = members.iter().filter_map(|name| Member::new(name, list(name)).ok()).collect();
        let shape = Arc::new(Shape { members, amounts });
        let policy = synchronised.as_ref().map(|synchronised| synchronised.policy.clone());
        let judge = Judge::new(sides.left.clone(), sides.right.clone(), policy);
        Ok(Self { object: object.clone(), sides, feeds, synchronised, shape, judge })
    }

    /// `customer: crm and erp`
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}: {} and {}", self.object, self.sides.left, self.sides.right)
    }

    /// The stage of a record.
    #[must_use]
    pub fn stage_of(&self, object: &Value) -> Option<Arc<str>> {
        self.synchronised.as_ref().filter(|synchronised| synchronised.stage.is_some())?.stage_of(object)
    }
}

fn suggestion<'a>(wanted: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(wanted, names.clone()) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("Use one of: {}", names.collect::<Vec<_>>().join(", ")),
    }
}

fn feeds(release: &Release, connection: &ConnectionName, object: &ObjectName) -> Vec<Arc<Feed>> {
    let feeds = release.connections.get(connection).map(|definition| definition.feeds.values());
    feeds.into_iter().flatten().filter(|feed| feed.object == *object).cloned().collect()
}

fn sides(
    release: &Release,
    object: &ObjectName,
    synchronised: Option<&Synchronised>,
    wanted: &Wanted<'_>,
) -> Result<Pair<ConnectionName>, Problem> {
    let able: Vec<&ConnectionName> =
        release.connections.keys().filter(|name| !feeds(release, name, object).is_empty()).collect();
    let declared = |name: &&&ConnectionName| {
        synchronised.is_none_or(|synchronised| synchronised.policy.sides.contains_key(**name))
    };
    let usual: Vec<&ConnectionName> = able.iter().filter(declared).copied().collect();
    let names = || able.iter().map(|name| name.as_str());
    let named = |given: &str| {
        able.iter().find(|name| name.as_str() == given).map(|name| (*name).clone()).ok_or_else(|| {
            let message = format!("no connection `{given}` has a feed of {object}");
            Problem::new("IL-REC-021", message, suggestion(given, names()))
        })
    };
    let (left, right) = match (wanted.left, wanted.right, usual.as_slice()) {
        (Some(left), Some(right), _) => (named(left)?, named(right)?),
        (None, None, [left, right]) => ((*left).clone(), (*right).clone()),
        (given, other, [one, two]) => {
            let given = named(given.or(other).unwrap_or_default())?;
            let rest = if given == **one { (*two).clone() } else { (*one).clone() };
            if other.is_some() { (rest, given) } else { (given, rest) }
        }
        _ => {
            let message = match able.len() {
                0 | 1 => format!("{object} comes from {} only", able.first().map_or("nowhere", |name| name.as_str())),
                _ => format!("it has to be said which two of {} are compared", names().collect::<Vec<_>>().join(", ")),
            };
            let remedy = "Name two connections that have a feed of it: --left CONNECTION --right CONNECTION";
            return Err(Problem::new("IL-REC-022", message, remedy));
        }
    };
    if left == right {
        let message = format!("{left} is not compared with itself");
        return Err(Problem::new("IL-REC-022", message, "Name two connections: --left and --right"));
    }
    Ok(Pair { left, right })
}

/// What both sides read, without ids: what only one system has cannot be compared.
fn members(feeds: &Pair<Vec<Arc<Feed>>>) -> Vec<Arc<str>> {
    let reads =
        |side: Side| -> IndexSet<&str> { feeds.of(side).iter().flat_map(|feed| feed.mapping.members(true)).collect() };
    let (left, right) = (reads(Side::Left), reads(Side::Right));
    left.into_iter().filter(|member| *member != OWN && right.contains(member)).map(Arc::from).collect()
}

/// Whether the feeds of a side read a member, part of it, or what it is part of.
fn is_read(path: &Path, feeds: &[Arc<Feed>]) -> bool {
    let path = path.to_string();
    let within = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
    let meets = |member: &str| member == path || within(member, &path) || within(&path, member);
    feeds.iter().any(|feed| feed.mapping.members(true).any(meets))
}

fn is_read_by_both(path: &Path, feeds: &Pair<Vec<Arc<Feed>>>) -> bool {
    is_read(path, &feeds.left) && is_read(path, &feeds.right)
}

/// The member by whose month amounts are summed: the wanted one, or the first date that both sides read.
fn month(
    document: &Value,
    wanted: Option<&str>,
    feeds: &Pair<Vec<Arc<Feed>>>,
    sides: &Pair<ConnectionName>,
) -> Result<Option<Path>, Problem> {
    let Some(wanted) = wanted else { return Ok(dates(document).find(|path| is_read_by_both(path, feeds))) };
    let refused =
        |message| Problem::new("IL-REC-024", message, "Name a member with a date that both read: --month orderedOn");
    let path: Path = wanted.parse().map_err(|error: model::PathError| refused(error.to_string()))?;
    for side in [Side::Left, Side::Right] {
        if !is_read(&path, feeds.of(side)) {
            return Err(refused(format!(
                "{} does not read `{wanted}`, so that amounts have no month there",
                sides.of(side)
            )));
        }
    }
    Ok(Some(path))
}

/// Members of the object that hold a date.
fn dates(document: &Value) -> impl Iterator<Item = Path> {
    let is_date = |member: &Value| matches!(member.get("format").as_str(), Some("date" | "date-time"));
    let properties = document.get("properties").as_object().into_iter().flatten();
    properties.filter(move |(_, member)| is_date(member)).filter_map(|(name, _)| name.parse().ok())
}

/// Members that are amounts with a currency, as the schema says.
fn amounts(document: &Value, month: Option<&Path>) -> Vec<Amount> {
    let mut found = Vec::new();
    look(document, document, "", 0, &mut |name: &str| {
        let path = |member: &str| format!("{name}.{member}").parse().ok();
        if let (Some(amount), Some(currency)) = (path("amount"), path("currency")) {
            found.push(Amount { name: name.into(), amount, currency, date: month.cloned() });
        }
    });
    found
}

fn look(document: &Value, schema: &Value, name: &str, depth: usize, found: &mut impl FnMut(&str)) {
    if depth > DEPTH_MAX {
        return;
    }
    let schema = match schema.get("$ref").as_str().and_then(|reference| reference.strip_prefix("#/")) {
        Some(place) => place.split('/').fold(document, |value, part| value.get(part)),
        None => schema,
    };
    let properties = schema.get("properties");
    if !name.is_empty() && properties.has("amount") && properties.has("currency") {
        found(name);
        return;
    }
    for (member, inner) in properties.as_object().into_iter().flatten() {
        let name = if name.is_empty() { member.to_string() } else { format!("{name}.{member}") };
        look(document, inner, &name, depth + 1, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_their_month_are_found_in_the_schema() {
        let document = br##"{
            "properties": {
                "number": {"type": "string"},
                "orderedOn": {"type": ["string", "null"], "format": "date"},
                "net": {"$ref": "#/$defs/money"},
                "totals": {"properties": {"tax": {"$ref": "#/$defs/money"}, "again": {"$ref": "#"}}},
                "broken": {"$ref": "#/$defs/nothing"}
            },
            "$defs": {"money": {"properties": {"amount": {"type": "number"}, "currency": {"type": "string"}}}}
        }"##;
        let document = model::json::parse(document).expect("JSON");
        let date = dates(&document).next();
        let found = amounts(&document, date.as_ref());
        // A schema that contains itself is followed only so far.
        let names: Vec<&str> = found.iter().map(|amount| &*amount.name).take(2).collect();
        assert_eq!(names, ["net", "totals.tax"]);
        assert!(found.len() < 20, "{}", found.len());
        let object = br#"{"orderedOn": "2026-11-27", "net": {"amount": 2.50, "currency": "EUR"}}"#;
        let object = model::json::parse(object).expect("JSON");
        let net = found.first().expect("an amount");
        assert_eq!(net.amount.get(&object).to_string(), "2.50");
        assert_eq!(net.currency.get(&object).as_str(), Some("EUR"));
        assert_eq!(net.date.as_ref().and_then(|date| date.get(&object).as_str()), Some("2026-11-27"));
    }
}
