//! The wrong project: every mistake, exactly as a user sees it.

use std::fs;

use connect::{Connector, Follows};
use definitions::LoadError;

use crate::support::{Following, Paper, changed, environment, load, project};

/// `UPDATE_EXPECTED=1` writes what is told now into the expected file, to be read before it is kept.
#[test]
fn every_mistake_is_told_in_its_place() {
    let Err(error) = load(&project("wrong")) else { panic!("the project is wrong") };
    let told = error.render(false) + "\n";
    let file = project("wrong").with_extension("expected.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, &told).expect("written");
    }
    let expected = fs::read_to_string(&file).expect("the expected messages");
    for (index, (told, expected)) in told.lines().zip(expected.lines()).enumerate() {
        assert_eq!(told, expected, "line {}", index + 1);
    }
    assert_eq!(told.lines().count(), expected.lines().count());
}

#[test]
fn secrets_in_files_are_not_shown() {
    let Err(error) = load(&project("wrong")) else { panic!("the project is wrong") };
    let LoadError::Definitions { diagnostics, sources } = &error else { panic!("it is a project") };
    assert!(diagnostics.has_errors());
    for text in [error.render(true), error.render(false), error.to_string(), format!("{sources:?}")] {
        for secret in ["hunter2", "correct-horse"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// What is told of the good project with one file changed, for a connector.
fn told(file: &str, text: &str, connector: &dyn Connector) -> String {
    let folder = changed([(file, text.as_bytes())]);
    match definitions::load(folder.path(), &[connector], &environment) {
        Ok((release, warnings)) => release.sources.render(&warnings, false),
        Err(error) => error.render(false),
    }
}

#[test]
fn a_secret_in_a_file_reaches_no_message() {
    let erp = |settings: &str| format!("connector: paper\nurl: https://erp.example.com\n{settings}\n");
    let connections = [
        "auth: { user: x, password: hunter2 }",
        "auth: { user: x, passwort: hunter2 }",
        "auth: { user: x, password: [hunter2] }",
        "auth: { user: x, password: '${NONE:-hunter2}' }",
        "auth: { user: ${NONE}, password: hunter2 }",
        "auth: { user: x, password: vault:hunter2 }\nlimts: { x: 1 }",
        "auth: { user: x, password: env:P }\nclientSecret: hunter2",
        // No YAML at all.
        "auth: { user: x, password: hunter2",
        "password: hunter2: x",
    ];
    for settings in connections {
        let told = told("connections/erp.yaml", &erp(settings), &Paper);
        assert!(told.contains("error[") && !told.contains("hunter2"), "{settings}\n{told}");
    }
    let address = "connector: paper\nurl: http://me:hunter2@erp.example.com\nauth: { user: x, password: env:P }\n";
    let told_of_address = told("connections/erp.yaml", address, &Paper);
    assert!(told_of_address.contains("error[") && !told_of_address.contains("hunter2"), "{told_of_address}");
    let projects = [
        "name: x\nevents: { token: hunter2 }\n",
        "name: x\nevents: { tokn: hunter2 }\n",
        "name: x\nclients:\n  - { name: a, keys: hunter2, apis: [] }\n",
        "name: x\nclients:\n  - { name: a, key: hunter2: x }\n",
    ];
    for project in projects {
        let told = told("interlock.yaml", project, &Paper);
        assert!(told.contains("error[") && !told.contains("hunter2"), "{project}\n{told}");
    }
}

#[test]
fn a_feed_that_the_connector_cannot_follow_is_refused() {
    let erp = fs::read_to_string(project("good").join("connections/erp.yaml")).expect("the file");
    let both = Follows { topics: true, pushes: true };
    assert_eq!(told("connections/erp.yaml", &erp, &Following(both)), "");
    let said = told("connections/erp.yaml", &erp, &Following(Follows { pushes: false, ..both }));
    for part in ["connections/erp.yaml:", "cannot take what a system pushes", "write `topic` instead of `push`"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("connections/crm.yaml"), "{said}");
    let said = told("connections/erp.yaml", &erp, &Following(Follows { topics: false, ..both }));
    for part in ["connections/crm.yaml:", "cannot subscribe to topics", "write `push` instead of `topic`"] {
        assert!(said.contains(part), "{said}");
    }
    let said = told("connections/erp.yaml", &erp, &Following(Follows::default()));
    assert_eq!(said.matches("remove the feed").count(), 2, "{said}");
}

#[test]
fn a_workflow_is_started_by_the_clock_at_times_that_there_are() {
    let workflow = fs::read_to_string(project("good").join("workflows/order.yaml")).expect("the file");
    let scheduled =
        |schedule: &str| told("workflows/order.yaml", &format!("{workflow}schedule:\n  {schedule}\n"), &Paper);
    for right in ["every: { hours: 1 }", "cron: '0 3 * * *'", "after: { minutes: 5 }"] {
        assert_eq!(scheduled(right), "", "{right}");
    }
    let said = scheduled("cron: '0 25 * * *'");
    assert!(said.contains("error[IL-WF-009]: `0 25 * * *` is no cron expression"), "{said}");
    assert_eq!(said.matches("error[").count(), 1, "{said}");
}

#[test]
fn a_secret_that_nobody_gives_is_told_where_a_workflow_names_it() {
    let workflow = fs::read_to_string(project("good").join("workflows/order.yaml")).expect("the file");
    let text = format!("{workflow}use: {{ secrets: [shop] }}\n");
    let said = told("workflows/order.yaml", &text, &Paper);
    let line = text.lines().count();
    assert!(said.contains("error[IL-DEF-006]: interlock.yaml gives workflows no secret `shop`"), "{said}");
    assert!(said.contains(&format!("workflows/order.yaml:{line}:18")), "{said}");
}

#[test]
fn a_work_item_may_name_the_fields_that_can_be_changed() {
    let workflow = fs::read_to_string(project("good").join("workflows/order.yaml")).expect("the file");
    let item = "{ title: Credit, allow: [release, reject]";
    let with = |more: &str| workflow.replace(item, &format!("{item}, {more}"));
    assert_eq!(told("workflows/order.yaml", &with("record: { a: 1, b: 2 }, fields: [a]"), &Paper), "");
    assert!(told("workflows/order.yaml", &with("feilds: [a]"), &Paper).contains("IL-WF-002"));
}

#[test]
fn what_an_object_says_of_others_and_of_its_functions_is_checked() {
    let order = fs::read_to_string(project("good").join("objects/order.yaml")).expect("the file");
    let agreed = |update: &str, references: &str| {
        let sides = format!("sides:\n  crm: {{}}\n  erp:\n    update: {update}\n");
        told("objects/order.yaml", &format!("{order}{sides}references: {references}\n"), &Paper)
    };
    let right = "{ function: create-order, members: [key], when: .there.parent != null }";
    assert_eq!(agreed(right, "{ parent: order }"), "");
    assert_eq!(agreed("{ function: create-order, members: [key], each: .lines }", "{ parent: order }"), "");
    let line = order.lines().count() + 4;
    for (update, references, place, parts) in [
        (
            "{ function: create-order, members: [key] }",
            "{ parent: order }",
            format!("{line}:13"),
            [
                "error[IL-DEF-011]: `create-order` is to create something with every change",
                "when: '.current.number == null'",
            ],
        ),
        (
            "create-order",
            "{ parent: order }",
            format!("{line}:13"),
            ["error[IL-DEF-011]: `create-order` is to create something with every change", "members: […]"],
        ),
        (
            "{ function: create-order, members: [key], when: '.there |' }",
            "{ parent: order }",
            format!("{line}:"),
            ["error[IL-DEF-007]: `when` is no jq that can run", "objects/order.yaml"],
        ),
        (
            "{ function: create-order, members: [key], each: '.lines |' }",
            "{ parent: order }",
            format!("{line}:"),
            ["error[IL-DEF-007]: `each` is no jq that can run", "objects/order.yaml"],
        ),
        (
            "{ function: create-order, members: [key], when: .id, wenn: .id }",
            "{ parent: order }",
            format!("{line}:"),
            ["error[IL-DEF-003]", "did you mean `when`?"],
        ),
        (
            right,
            "{ paren: order }",
            format!("{}:15", line + 1),
            ["error[IL-DEF-006]: no side has a member `paren`", "did you mean `parent`?"],
        ),
        (
            right,
            "{ parent: oder }",
            format!("{}:23", line + 1),
            ["error[IL-DEF-006]: there is no object `oder`", "`order`"],
        ),
    ] {
        let said = agreed(update, references);
        assert!(said.contains(&format!("objects/order.yaml:{place}")), "{place}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
        assert!(said.contains("1 mistake") || said.matches("error[").count() == 1, "{said}");
    }
    let sides = "sides:\n  crm: {}\n  erp:\n    create: { function: create-order, members: [key], each: .lines }\n";
    let said = told("objects/order.yaml", &format!("{order}{sides}"), &Paper);
    assert!(
        said.contains("error[IL-DEF-011]: `create` makes one record") && said.contains(&format!("{line}:55")),
        "{said}"
    );
    let erp = fs::read_to_string(project("good").join("connections/erp.yaml")).expect("the file");
    let feed = |from: &str, to: &str| told("connections/erp.yaml", &erp.replace(from, to), &Paper);
    let resolve = "as: parent, object: order, id: .number }";
    assert_eq!(feed(resolve, "as: parent, object: order, id: .number, unknown: wait }"), "");
    let said = feed(resolve, "as: parent, object: order, id: .number, unknown: nmae }");
    assert!(said.contains("`unknown` cannot be `nmae`") && said.contains("did you mean `name`?"), "{said}");
    let said = feed(resolve, "as: parent, object: order, id: .number, at: crm, unknown: name }");
    assert!(said.contains("error[IL-DEF-011]: `name` is for keys") && said.contains("leave out `at`"), "{said}");
    assert_eq!(feed("sweep: { every: 60s }", "sweep: { every: 60s, with: { A_Partner: .SalesOrder } }"), "");
    let said = feed("sweep: { every: 60s }", "sweep: { every: 60s, with: { A_Partner: .SalesOrder | } }");
    assert!(said.contains("error[IL-DEF-007]: the id of the record that it belongs to is no jq"), "{said}");
    let swept = "sweep: { every: 60s, withEvery: 5m, with: { A_Partner: .SalesOrder } }";
    assert_eq!(feed("sweep: { every: 60s }", swept), "");
    let said = feed("sweep: { every: 60s }", "sweep: { every: 60s, withEvery: 5m }");
    assert!(said.contains("error[IL-DEF-011]: `withEvery` says how often"), "{said}");
}

#[test]
fn occasions_are_counted_in_a_member_of_their_own() {
    let erp = fs::read_to_string(project("good").join("connections/erp.yaml")).expect("the file");
    let with = |occasion: &str| {
        let text = format!("occasion: {occasion}\n    sweep: {{ every: 60s }}");
        told("connections/erp.yaml", &erp.replace("sweep: { every: 60s }", &text), &Paper)
    };
    let line = erp.lines().count();
    assert_eq!(with("{ of: .net, as: number }"), "");
    for (occasion, place, part) in [
        ("{ of: .net, as: numbre }", format!("{line}:31"), "error[IL-DEF-006]: the object's schema has no `numbre`"),
        ("{ of: .net |, as: number }", format!("{line}:"), "error[IL-DEF-007]"),
        ("{ as: number }", format!("{line}:5"), "error[IL-DEF-004]: `occasion` needs `of`"),
        ("{ of: .net }", format!("{line}:5"), "error[IL-DEF-004]: `occasion` needs `as`"),
        (
            "{ of: .net, as: parent }",
            format!("{line}:31"),
            "error[IL-DEF-011]: `parent` gets the key of another record",
        ),
        ("{ of: .net, as: number, per: key }", format!("{line}:39"), "error[IL-DEF-003]"),
    ] {
        let said = with(occasion);
        assert!(
            said.contains(part) && said.contains(&format!("connections/erp.yaml:{place}")),
            "{place} {part}: {said}"
        );
    }
}

#[test]
fn a_hook_names_a_workflow_that_there_is() {
    let order = fs::read_to_string(project("good").join("objects/order.yaml")).expect("the file");
    let told = |rest: &str| told("objects/order.yaml", &format!("{order}{rest}"), &Paper);
    let sides = "sides: { crm: {}, erp: {} }\n";
    let with = |hooks: &str| told(&format!("{sides}hooks:\n  {hooks}\n"));
    let right = "{ workflow: sales/order, version: 1.0.0 }";
    assert_eq!(with(&format!("conflict: {right}\n  deleted: {right}\n  refused: {right}")), "");
    assert_eq!(with("refused: { workflow: sales/order, version: latest }"), "");
    let line = order.lines().count() + 3;
    for (hooks, column, parts) in [
        ("conflcit: {}", 3, ["IL-DEF-003]: `hooks` has no member `conflcit`", "did you mean `conflict`?"]),
        ("conflict: sales/order", 13, ["IL-DEF-002]: the hook `conflict` is a mapping", "order.yaml"]),
        ("conflict: { workflow: sales/order }", 3, ["IL-DEF-004]: the hook `conflict` needs `version`", "order.yaml"]),
        ("conflict: { workflow: sales/order, versoin: 1.0.0 }", 38, ["IL-DEF-003]", "did you mean `version`?"]),
        (
            "conflict: { workflow: sales/ordre, version: 1.0.0 }",
            25,
            ["IL-DEF-006]: there is no workflow `sales/ordre`", "did you mean `sales/order`?"],
        ),
        (
            "conflict: { workflow: sales/order, version: 1.0.1 }",
            47,
            ["IL-DEF-006]: there is no version `1.0.1` of `sales/order`", "did you mean `1.0.0`?"],
        ),
        (
            "conflict: { workflow: order, version: 1.0.0 }",
            25,
            ["IL-DEF-005]: `order` does not say which namespace", "as in `sales/order`"],
        ),
    ] {
        let said = with(hooks);
        assert!(said.contains(&format!("objects/order.yaml:{line}:{column}")), "{hooks}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
    }
    let said = told(&format!("{sides}conflict: newest\nhooks:\n  conflict: {right}\n"));
    assert!(said.contains("warning[IL-DEF-020]: this is never asked") && said.contains("`conflict: queue`"), "{said}");
    let said = told(&format!("hooks: {{ conflict: {right} }}\n"));
    assert!(said.contains("IL-DEF-011]: `hooks` is for an object that systems are kept in agreement about"), "{said}");
    // A file that is no YAML is told once, not where it is named.
    let files = [
        ("objects/order.yaml", format!("{order}{sides}hooks:\n  conflict: {right}\n")),
        ("workflows/order.yaml", "document: {".to_owned()),
    ];
    let folder = changed([(files[0].0, files[0].1.as_bytes()), (files[1].0, files[1].1.as_bytes())]);
    let Err(error) = definitions::load(folder.path(), &[&Paper as &dyn Connector], &environment) else {
        panic!("the workflow is no YAML")
    };
    let said = error.render(false);
    assert!(said.contains("workflows/order.yaml") && !said.contains("objects/order.yaml"), "{said}");
}

#[test]
fn lists_that_are_merged_item_by_item_are_lists_and_their_items_have_what_they_are_known_by() {
    let order = fs::read_to_string(project("good").join("objects/order.yaml")).expect("the file");
    let schema =
        order.replace("    net: {", "    tags: { type: [array, 'null'], items: { type: string } }\n    net: {");
    let mapping = fs::read_to_string(project("good").join("mappings/order.crm.yaml")).expect("the file");
    let mapping =
        mapping.replace("fields:\n", "fields:\n  tags: { field: Tags__c, read: '[.Tags__c]', write: '.tags[0]' }\n");
    let with = |lists: &str| {
        let object = format!("{schema}sides: {{ crm: {{}}, erp: {{}} }}\nlists:\n{lists}");
        let folder =
            changed([("objects/order.yaml", object.as_bytes()), ("mappings/order.crm.yaml", mapping.as_bytes())]);
        match definitions::load(folder.path(), &[&Paper as &dyn Connector], &environment) {
            Ok((release, warnings)) => {
                (Some(release.synchronised["order"].policy.lists.clone()), release.sources.render(&warnings, false))
            }
            Err(error) => (None, error.render(false)),
        }
    };
    let (lists, said) = with("  lines: { key: product }\n  tags: {}\n");
    let lists = lists.expect(&said);
    assert_eq!(lists["lines"], sync::ListKey::new(vec!["product".parse().expect("a path")]));
    assert_eq!(lists["tags"], sync::ListKey::new(Vec::new()));
    assert_eq!(with("  lines: { key: [product, quantity] }\n").1, "");

    // All at once, each at its place.
    let (_, said) = with(
        "  line: { key: [product] }\n  number: {}\n  tags: { key: [name] }\n  lines: { key: [prodct, quantity, quantity], by: x }\n  \
         net.amount: { key: [] }\n",
    );
    let first = schema.lines().count() + 3;
    for (line, column, parts) in [
        (0, 3, ["IL-DEF-006]: no side has a member `line`", "did you mean `lines`?"]),
        (1, 3, ["IL-DEF-011]: `number` is no list, as the schema says", "`type` is `array`"]),
        (2, 17, ["IL-DEF-011]: items of `tags` have no members", "leave out `key`"]),
        (3, 18, ["IL-DEF-006]: items of `lines` have no member `prodct`", "did you mean `product`?"]),
        (3, 36, ["IL-DEF-011]: `quantity` stands twice in this `key`", "remove one of them"]),
        (3, 47, ["IL-DEF-003]: the list `lines` has no member `by`", "did you mean `key`?"]),
        (4, 3, ["IL-DEF-006]: no side has a member `net.amount`", "there are tags"]),
    ] {
        assert!(said.contains(&format!("objects/order.yaml:{}:{column}", first + line)), "{line}:{column}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
    }
    assert_eq!(said.matches("error[").count(), 7, "{said}");

    for (lists, parts) in [
        ("  lines: {}\n", ["IL-DEF-004]: items of `lines` have members", "`lines: { key: [product] }`"]),
        ("  lines: { key: [] }\n", ["IL-DEF-002]: `key` names at least one member", "leave out `key`"]),
        ("  lines: [product]\n", ["IL-DEF-002]: the list `lines` is a mapping", "order.yaml"]),
        ("  lines: { key: [product..x] }\n", ["IL-DEF-005]", "order.yaml"]),
        ("  lines: { key: [product] }\n  lines: { key: [quantity] }\n", ["`lines` stands twice", "order.yaml"]),
    ] {
        let said = with(lists).1;
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
        assert_eq!(said.matches("error[").count(), 1, "{said}");
    }
    // What one side does not read of the items cannot tell them apart.
    let erp = fs::read_to_string(project("good").join("mappings/order.erp.yaml")).expect("the file");
    let erp = erp.replace("      product: Material\n", "");
    let object = format!("{schema}sides: {{ crm: {{}}, erp: {{}} }}\nlists: {{ lines: {{ key: product }} }}\n");
    let folder = changed([
        ("objects/order.yaml", object.as_bytes()),
        ("mappings/order.crm.yaml", mapping.as_bytes()),
        ("mappings/order.erp.yaml", erp.as_bytes()),
    ]);
    let Err(error) = load(folder.path()) else { panic!("items without their key are taken") };
    let said = error.render(false);
    assert!(said.contains("IL-DEF-011]: the mapping `order.erp` reads no `product` of the items of `lines`"), "{said}");
    assert!(said.contains(&format!("objects/order.yaml:{}:24", first - 1)), "{said}");
}
