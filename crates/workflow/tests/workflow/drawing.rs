//! Pictures of workflows: golden files, and what must hold of every picture.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use quick_xml::events::Event;
use workflow::draw::{Drawing, Line, Mark, Marks, Outline, Placed, Rect};
use workflow::{Fault, FaultType, Permissions, Workflow};

use crate::any_document::{any_list, text_of};
use crate::support::{Run, document, load, load_with};

fn drawing(workflow: &Workflow) -> Drawing {
    Drawing::of(workflow, &Marks::default())
}

/// The pointers in a picture, which has to be well-formed.
fn pointers(svg: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(svg);
    let mut found = Vec::new();
    let mut depth = 0;
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Start(element) => {
                depth += 1;
                found.extend(pointer(&element));
            }
            Event::Empty(element) => found.extend(pointer(&element)),
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            Event::GeneralRef(name) => {
                assert!(["amp", "lt", "gt", "quot"].contains(&&*name), "&{};", &*name);
            }
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    found
}

fn pointer(element: &quick_xml::events::BytesStart<'_>) -> Option<String> {
    let mut found = None;
    for attribute in element.attributes() {
        let attribute = attribute.expect("an attribute that occurs once");
        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
        let value = value.expect("a value that is escaped");
        if attribute.key.as_ref() == "data-pointer" {
            found = Some(value.into_owned());
        }
    }
    found
}

/// The pointers of all tasks that can run.
fn tasks(workflow: &Workflow) -> BTreeSet<String> {
    workflow.tasks().map(|(pointer, _)| pointer.to_string()).collect()
}

fn overlap(one: &Rect, other: &Rect) -> bool {
    one.x < other.right() && other.x < one.right() && one.y < other.bottom() && other.y < one.bottom()
}

fn holds(outer: &Rect, inner: &Rect) -> bool {
    outer.x <= inner.x && outer.y <= inner.y && outer.right() >= inner.right() && outer.bottom() >= inner.bottom()
}

const fn surrounds(one: &Placed) -> bool {
    matches!(one.outline, Outline::Frame | Outline::Region)
}

/// What must hold of every picture, however the workflow looks.
#[track_caller]
fn is_sound(workflow: &Workflow, drawing: &Drawing) {
    let found = pointers(&drawing.to_svg());
    let set: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(set.len(), found.len(), "no task is drawn twice");
    assert_eq!(set, tasks(workflow), "every task is drawn");
    assert_eq!(set, pointers(&drawing.embedded("run")).into_iter().collect());
    is_tidy(drawing);
}

#[track_caller]
fn is_tidy(drawing: &Drawing) {
    let layout = drawing.layout();
    let whole = Rect { x: 0, y: 0, width: layout.size.0, height: layout.size.1 };
    for (index, one) in layout.boxes.iter().enumerate() {
        assert!(holds(&whole, &one.rect), "{one:?} is in the picture");
        for other in &layout.boxes[index + 1..] {
            let apart = !overlap(&one.rect, &other.rect);
            assert!(apart || (surrounds(one) && holds(&one.rect, &other.rect)), "{one:?} and {other:?}");
        }
    }
    let solid: Vec<&Placed> = layout.boxes.iter().filter(|one| !surrounds(one)).collect();
    for (line, points) in &layout.lines {
        for ends in points.windows(2) {
            let (from, to) = (ends[0], ends[1]);
            assert!(from.0 == to.0 || from.1 == to.1, "{line:?} is upright or level: {points:?}");
            let way = Rect {
                x: from.0.min(to.0),
                y: from.1.min(to.1),
                width: (from.0 - to.0).abs().max(1),
                height: (from.1 - to.1).abs().max(1),
            };
            assert!(holds(&whole, &way), "{line:?} {points:?} is in the picture");
            for one in &solid {
                let Rect { x, y, width, height } = one.rect;
                let inner = Rect { x: x + 1, y: y + 1, width: width - 2, height: height - 2 };
                assert!(!overlap(&way, &inner), "{line:?} {points:?} goes through {one:?}");
            }
        }
    }
    for (index, label) in layout.labels.iter().enumerate() {
        assert!(holds(&whole, label), "{label:?} is in the picture");
        for one in &solid {
            assert!(!overlap(label, &one.rect) || one.outline == Outline::Diamond, "{label:?} covers {one:?}");
        }
        for other in &layout.labels[index + 1..] {
            assert!(!overlap(label, other), "{label:?} and {other:?}");
        }
    }
}

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workflow/drawings")
}

/// `UPDATE_EXPECTED=1` writes what is drawn now, to be looked at before it is kept.
#[track_caller]
fn is_as_kept(name: &str, svg: &str) {
    let file = golden_folder().join(name).with_extension("svg");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, svg).expect("written");
    }
    let kept = fs::read_to_string(&file).expect("the picture that is kept");
    if kept != svg {
        let at = kept.bytes().zip(svg.bytes()).take_while(|(one, other)| one == other).count();
        let from = at.saturating_sub(120);
        let part = |text: &str| String::from_utf8_lossy(&text.as_bytes()[from..text.len().min(at + 120)]).into_owned();
        panic!("{name} differs:\n{}\nwas\n{}", part(svg), part(&kept));
    }
}

#[test]
fn small_documents_are_drawn_as_they_were() {
    let mut drawn = 0;
    let mut files: Vec<PathBuf> = fs::read_dir(golden_folder())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let workflow = load(&document(&fs::read_to_string(&file).expect("a text")));
        let drawing = drawing(&workflow);
        is_sound(&workflow, &drawing);
        is_as_kept(&name, &drawing.to_svg());
        drawn += 1;
    }
    assert!(drawn >= 6, "{drawn}");
}

/// Pictures of these files; with `DRAWINGS` set, they are written into that folder, for who wants to look at them.
fn draw_all(folder: &Path) -> u32 {
    let mut drawn = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let Ok((workflow, _)) = load_with(&fs::read_to_string(&path).expect("a text"), Permissions::all()) else {
            panic!("{} loads", path.display());
        };
        let drawing = drawing(&workflow);
        if let Some(folder) = std::env::var_os("DRAWINGS") {
            let file = path.with_extension("svg");
            fs::write(Path::new(&folder).join(file.file_name().expect("a name")), drawing.to_svg()).expect("written");
        }
        is_sound(&workflow, &drawing);
        drawn += 1;
    }
    drawn
}

#[test]
fn every_example_of_the_standard_is_drawn() {
    let Some(folder) = crate::standard::folder("examples") else { return };
    assert!(draw_all(&folder) > 50);
}

#[test]
fn the_workflows_of_quote_to_cash_are_drawn() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integrations/quote-to-cash/workflows");
    assert!(draw_all(&folder) >= 4);
}

#[test]
fn texts_are_escaped_and_cut_ones_are_whole_in_their_titles() {
    let long = "x".repeat(300);
    let workflow = load(&document(&format!(
        r#"
do:
  - "a<b>&\"c\"":
      call: "f-{long}:1.0.0@erp"
      if: '.a < 1 and .b > 2 and "</title>" != "]]>"'
  - tell: {{ emit: {{ event: {{ with: {{ source: a, type: "bell\x01" }} }} }} }}
  - choose:
      switch:
        - "<script>": {{ when: '.x == "<{long}>"', then: end }}
        - rest: {{ then: continue }}
"#
    )));
    let drawing = drawing(&workflow);
    is_sound(&workflow, &drawing);
    let svg = drawing.to_svg();
    assert!(!svg.contains("<script") && !svg.contains("\u{1}"));
    assert!(svg.contains("&lt;script&gt;") && svg.contains("a&lt;b&gt;&amp;&quot;c&quot;"));
    assert!(svg.contains("bell\u{fffd}"));
    assert!(svg.contains(&format!("f-{long}:1.0.0@erp")), "the whole name is in the title");
    assert!(svg.contains(&format!("&lt;{long}&gt;")), "the whole condition is in the title");
    assert!(svg.contains('…'));
}

#[test]
fn addresses_are_drawn_without_the_credentials_in_them() {
    let workflow = load(&document(
        r"
do:
  - fetch:
      call: http
      with:
        method: get
        endpoint:
          uri: https://me:hunter2@example.com/orders/{id}
          authentication: { basic: { username: me, password: correct-horse } }",
    ));
    let svg = workflow.draw(&Marks::default());
    assert!(svg.contains("GET https://…@example.com/orders/{id}"), "{svg}");
    assert!(!svg.contains("hunter2") && !svg.contains("correct-horse"));
}

const STANDING: &str = r"
do:
  - first: { set: { a: 1 } }
  - never: { if: .nothing, set: { b: 1 } }
  - side:
      fork:
        branches:
          - ask: { call: ask:1.0.0@crm }
          - pause: { wait: PT5M }
          - hear: { listen: { to: { one: { with: { type: order.paid } } } } }
          - attempt:
              try: [ { send: { call: send:1.0.0@erp } } ]
              catch:
                errors: { with: { type: https://serverlessworkflow.io/spec/1.0.0/errors/communication, status: 503 } }
                retry: { delay: PT1M, limit: { attempt: { count: 3 } } }";

/// The classes of the node of a task.
fn classes<'a>(svg: &'a str, pointer: &str) -> &'a str {
    let at = svg.find(&format!("\" data-pointer=\"{pointer}\"")).unwrap_or_else(|| panic!("{pointer} is drawn"));
    let (_, classes) = svg[..at].rsplit_once("class=\"").expect("classes");
    classes
}

#[test]
fn a_run_is_shown_where_it_stands() {
    let mut run = Run::of(STANDING, "{}");
    let (position, _) = run.take_call("/do/2/side/fork/branches/3/attempt/try/0/send");
    let busy = Fault::new(FaultType::Communication, "busy").with_status(503);
    run.step(workflow::Input::Returned { position, result: Err(busy) });
    let mut marks = Marks::of(&run.state);
    for entry in run.trace.iter().filter(|entry| !entry.pointer.contains("/fork/")) {
        marks.follow(entry);
    }
    let drawing = Drawing::of(&run.workflow, &marks);
    is_sound(&run.workflow, &drawing);
    let svg = drawing.to_svg();
    let branches = "/do/2/side/fork/branches";
    assert_eq!(classes(&svg, "/do/0/first"), "node task kind-set is-done");
    assert_eq!(classes(&svg, "/do/1/never"), "node task kind-set is-skipped");
    assert_eq!(classes(&svg, "/do/2/side"), "node frame kind-fork has-current");
    assert_eq!(classes(&svg, &format!("{branches}/0/ask")), "node task kind-call is-current");
    assert_eq!(classes(&svg, &format!("{branches}/1/pause")), "node task kind-wait is-current");
    assert_eq!(classes(&svg, &format!("{branches}/2/hear")), "node task kind-listen is-current");
    assert_eq!(classes(&svg, &format!("{branches}/3/attempt")), "node frame kind-try is-retrying");
    assert!(svg.contains("Here now: waits for an event, since 2023-11-14 22:13 UTC"), "{svg}");
    assert!(svg.contains("retry 1 at 2023-11-14 22:14 UTC"), "{svg}");
    let entries = drawing.entries();
    let current = entries.iter().filter(|entry| entry.current).count();
    assert_eq!((current, entries.iter().map(|entry| entry.depth).max()), (4, Some(2)));
    assert_eq!(entries.len(), tasks(&run.workflow).len());
    let embedded = drawing.embedded("run-1");
    assert!(!embedded.contains("<style"));
    let ids: Vec<String> = entries.iter().filter_map(|entry| entry.id("run-1")).collect();
    assert!(ids.len() == 4 && ids.iter().all(|id| embedded.contains(&format!(" id=\"{id}\""))), "{ids:?}");
    is_as_kept("a-run", &svg);
}

#[test]
fn a_failed_run_shows_what_failed_and_why() {
    let mut run = Run::of("do: [ { send: { call: send:1.0.0@erp } }, { after: { set: { a: 1 } } } ]", "{}");
    run.answer_fault(Fault::new(FaultType::Communication, "the <ERP> is down"));
    let mut marks = Marks::of(&run.state);
    let after: Arc<str> = "/do/1/after".into();
    marks.add(&after, Mark::Done(2));
    marks.add(&after, Mark::Done(3));
    marks.add(&"/do/9/nobody".into(), Mark::Current("nowhere".into()));
    let svg = run.workflow.draw(&marks);
    assert_eq!(classes(&svg, "/do/0/send"), "node task kind-call is-failed");
    assert!(svg.contains("Failed: Communication Error: the &lt;ERP&gt; is down (/do/0/send, status 500)"), "{svg}");
    assert!(svg.contains("Done 5 times") && svg.contains("5×") && !svg.contains("nowhere"));
}

#[test]
fn what_is_graver_hides_what_is_less() {
    let mut marks = Marks::default();
    let pointer: Arc<str> = "/do/0/a".into();
    marks.add(&pointer, Mark::Current("waits".into()));
    marks.add(&pointer, Mark::Current("has time".into()));
    marks.add(&pointer, Mark::Skipped);
    let svg = |marks: &Marks| load(&document("do: [ { a: { set: { a: 1 } } } ]")).draw(marks);
    assert!(svg(&marks).contains("Here now: waits; has time"));
    marks.add(&pointer, Mark::Failed("broken".into()));
    marks.add(&pointer, Mark::Retrying("later".into()));
    let svg = svg(&marks);
    assert!(svg.contains("Failed: broken") && !svg.contains("later") && !svg.contains("Here now"));
}

#[test]
fn a_large_workflow_is_folded_but_not_where_something_goes_on() {
    let inner: String = (0..40).map(|number| format!("        - t{number}: {{ set: {{ a: {number} }} }}\n")).collect();
    let part = |number: usize| format!("  - part{number}:\n      do:\n{inner}");
    let parts: String = (0..60).map(part).collect();
    let workflow = load(&document(&format!("do:\n{parts}")));
    let mut marks = Marks::default();
    let busy = "/do/59/part59/do/39/t39";
    marks.add(&busy.into(), Mark::Current("waits".into()));
    let drawing = Drawing::of(&workflow, &marks);
    is_tidy(&drawing);
    let svg = drawing.to_svg();
    let found = pointers(&svg);
    assert!(found.len() <= 600, "{}", found.len());
    assert!(found.contains(&busy.to_owned()));
    assert!(svg.contains(">40 tasks<"), "{svg}");
}

#[test]
fn a_very_long_list_is_drawn_by_its_ends() {
    let list: String = (0..5_000).map(|number| format!("  - t{number}: {{ set: {{ a: 1 }} }}\n")).collect();
    let workflow = load(&document(&format!("do:\n{list}  - back: {{ set: {{ a: 1 }}, then: t2500 }}")));
    let mut marks = Marks::default();
    marks.add(&"/do/2500/t2500".into(), Mark::Current("waits".into()));
    let drawing = Drawing::of(&workflow, &marks);
    is_tidy(&drawing);
    let svg = drawing.to_svg();
    assert_eq!(pointers(&svg).len(), 260);
    assert!(svg.contains("4,741 more tasks") && svg.contains("node folded kind-rest has-current"));
    assert!(drawing.layout().lines.iter().any(|(line, _)| *line == Line::Jump), "the jump leads into the rest");
}

/// What a run has completed, by its trace.
fn completed(run: &Run) -> BTreeSet<&str> {
    let completed = run.trace.iter().filter(|entry| entry.event == workflow::TraceEvent::Completed);
    completed.map(|entry| &*entry.pointer).collect()
}

/// The tasks that a picture says are done.
fn drawn_done(workflow: &Workflow, marks: &Marks) -> BTreeSet<String> {
    let entries = Drawing::of(workflow, marks).entries();
    let done = entries.into_iter().filter(|entry| entry.lines.iter().any(|line| line == "Done"));
    done.filter_map(|entry| entry.pointer.map(|pointer| pointer.to_string())).collect()
}

#[test]
fn what_a_run_must_have_done_is_reckoned_from_where_it_is() {
    let rest = r"
do:
  - first: { do: [ { a: { set: { a: 1 } } }, { b: { if: .a, set: { a: 2 } } } ] }
  - which: { switch: [ { left: { when: .a == 9, then: left } }, { right: { then: right } } ] }
  - left: { set: { a: 3 }, then: join }
  - right: { set: { a: 4 } }
  - join: { fork: { branches: [ { one: { set: { b: 1 } } }, { two: { set: { b: 2 } } } ] } }
  - loop: { for: { in: '[1]' }, do: [ { once: { set: { c: 1 } } } ] }
  - ask: { call: ask:1.0.0@crm }
  - last: { set: { a: 5 } }";
    let mut run = Run::of(rest, "{}");
    let mut marks = Marks::of(&run.state);
    marks.reckon(&run.workflow);
    let fork = "/do/4/join/fork/branches";
    let known = ["/do/0/first", "/do/0/first/do/0/a", "/do/1/which", "/do/4/join", "/do/5/loop"];
    let known: BTreeSet<String> =
        known.into_iter().map(str::to_owned).chain([format!("{fork}/0/one"), format!("{fork}/1/two")]).collect();
    assert_eq!(drawn_done(&run.workflow, &marks), known);
    run.answer("{}");
    let mut marks = Marks::of(&run.state);
    marks.reckon(&run.workflow);
    assert!(marks.is_empty(), "the run is nowhere any more");
    marks.reckon_completed(&run.workflow);
    assert!(drawn_done(&run.workflow, &marks).is_superset(&known));
    assert!(drawn_done(&run.workflow, &marks).contains("/do/7/last"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_drawn_is_whole_and_tidy(list in any_list(3)) {
        let text = text_of(&list);
        let workflow = load(&document(&text));
        let marks = Marks::default();
        let drawing = Drawing::of(&workflow, &marks);
        if workflow.tasks().count() <= 600 {
            is_sound(&workflow, &drawing);
        } else {
            is_tidy(&drawing);
        }
        prop_assert_eq!(drawing.to_svg(), workflow.draw(&marks), "the same workflow gives the same picture");
    }

}

proptest! {
    // A document that jumps in a circle is stepped until the machine pauses, each time.
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn what_is_reckoned_to_be_done_was_done(list in any_list(2)) {
        let text = text_of(&list);
        let mut run = Run::of(&text, r#"{"all": [1, 2], "value": "2", "some": 1}"#);
        for _ in 0..3 {
            let mut marks = Marks::of(&run.state);
            marks.reckon(&run.workflow);
            if run.state.status() == workflow::Status::Completed {
                marks.reckon_completed(&run.workflow);
            }
            let completed = completed(&run);
            for pointer in drawn_done(&run.workflow, &marks) {
                prop_assert!(completed.contains(&*pointer), "{pointer} of {text}");
            }
            let sleeps = |command: &workflow::Command| matches!(command, workflow::Command::Sleep { .. });
            if run.state.status() != workflow::Status::Running || !run.commands.iter().any(sleeps) {
                break;
            }
            run.sleep();
        }
    }
}
