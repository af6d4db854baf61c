//! A driver without an outside: it keeps what is awaited and answers as a test says. After every step the state goes
//! through its stored form, so each step is also a crash point.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Diagnostics, Source, Value, json};
use workflow::{
    Catalog, Command, Fault, FunctionReference, FunctionSignature, Ignored, Input, Parts, Permissions, Position,
    RunContext, RunState, SchemaCheck, Status, StepError, Stepped, TraceEntry, TraceEvent, Workflow,
};

/// Every function of a catalog exists; `strict:1.0.0@erp` takes `a` and maybe `b`.
#[derive(Debug)]
pub(crate) struct Anything;

impl Catalog for Anything {
    fn look_up(&self, function: &FunctionReference) -> Option<FunctionSignature> {
        function.catalog.as_ref()?;
        Some(match &*function.name {
            "strict" => FunctionSignature { required: vec!["a".into()], known: Some(vec!["a".into(), "b".into()]) },
            "missing" => return None,
            _ => FunctionSignature::default(),
        })
    }

    fn suggestions(&self) -> Vec<String> {
        vec!["create-order:1.0.0@erp".into(), "strict:1.0.0@erp".into()]
    }

    fn has_workflow(&self, _: &str, name: &str, _: &str) -> bool {
        name != "nobody"
    }

    fn schema(&self, document: &Value) -> Result<Option<Arc<dyn SchemaCheck>>, String> {
        if document.as_object().is_none() {
            return Err("a schema is an object".into());
        }
        Ok(Some(Arc::new(Required(document.get("required").clone()))))
    }
}

/// As much of JSON Schema as these tests need.
#[derive(Debug)]
struct Required(Value);

impl SchemaCheck for Required {
    fn check(&self, value: &Value) -> Result<(), String> {
        match self.0.items().iter().filter_map(Value::as_str).find(|name| !value.has(name)) {
            Some(name) => Err(format!("`{name}` is missing")),
            None => Ok(()),
        }
    }
}

/// JSON, or YAML in flow style, as a value.
pub(crate) fn value(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("an instant")
}

pub(crate) fn load_with(text: &str, permissions: Permissions) -> Result<(Workflow, Diagnostics), Diagnostics> {
    Workflow::load(&Source { file: "workflows/test.yaml".into(), text: text.into() }, &Anything, permissions)
}

pub(crate) fn load(text: &str) -> Workflow {
    match load_with(text, Permissions::all()) {
        Ok((workflow, _)) => workflow,
        Err(problems) => {
            let problems: Vec<String> =
                problems.into_sorted().iter().map(|problem| problem.render(Some(text), false)).collect();
            panic!("{}", problems.join("\n"));
        }
    }
}

/// A document with this body of `do` and these other top-level members.
pub(crate) fn document(rest: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: test, version: '1.0.0' }}\n{rest}")
}

/// A run and what it awaits.
pub(crate) struct Run {
    pub(crate) workflow: Workflow,
    pub(crate) state: RunState,
    pub(crate) now: Timestamp,
    pub(crate) commands: Vec<Command>,
    pub(crate) trace: Vec<TraceEntry>,
    pub(crate) ignored: Option<Ignored>,
    parts: Parts,
    stored: BTreeMap<u32, Vec<u8>>,
}

impl Run {
    /// Starts a run of a document with this `do` (and more) on an input in JSON.
    pub(crate) fn of(rest: &str, input: &str) -> Self {
        Self::start(load(&document(rest)), value(input))
    }

    pub(crate) fn start(workflow: Workflow, input: Value) -> Self {
        let context = RunContext { run: "run-1".into(), started: at(0) };
        let (state, stepped) = workflow::start(&workflow, context, input, at(0));
        let mut run = Self {
            workflow,
            state,
            now: at(0),
            commands: Vec::new(),
            trace: Vec::new(),
            ignored: None,
            parts: Parts::default(),
            stored: BTreeMap::new(),
        };
        run.take(stepped);
        run
    }

    fn take(&mut self, stepped: Stepped) {
        assert_eq!(stepped.status, self.state.status());
        let stored = self.state.store(&mut self.parts).expect("a state is stored");
        for number in &stored.removed {
            assert!(self.stored.remove(number).is_some(), "only what was stored is removed");
        }
        self.stored.extend(stored.added);
        let parts = self.stored.iter().map(|(number, bytes)| (*number, &**bytes));
        let (back, parts) = RunState::restore(&stored.state, parts).expect("a state is read back");
        assert_eq!(back, self.state, "the stored state is the state");
        // Every other step is made by a process that has just started.
        if self.trace.len().is_multiple_of(2) {
            (self.state, self.parts) = (back, parts);
        }
        self.ignored = stepped.ignored;
        self.trace.extend(stepped.trace);
        for command in stepped.commands {
            match &command {
                Command::CancelSleep { position }
                | Command::StopListening { position }
                | Command::Abandon { position } => {
                    let before = self.commands.len();
                    self.commands.retain(|other| awaited(other) != Some(position));
                    assert!(self.commands.len() < before, "{command:?} takes back something that was asked for");
                }
                Command::Listen { position, .. } => {
                    self.commands.retain(|other| awaited(other) != Some(position));
                    self.commands.push(command);
                }
                _ => self.commands.push(command),
            }
        }
        for command in workflow::outstanding(&self.workflow, &self.state) {
            // What has been told and is held, or failed a run, may still stand in the state.
            let halted = self.state.status() != Status::Running;
            assert!(halted || self.commands.contains(&command), "{command:?} is asked for: {:#?}", self.commands);
        }
        let waiting = self.state.waiting().len();
        assert!(self.state.status().is_over() || waiting > 0);
    }

    pub(crate) fn step(&mut self, input: Input) -> &mut Self {
        self.try_step(input).expect("a step");
        self
    }

    pub(crate) fn try_step(&mut self, input: Input) -> Result<(), StepError> {
        let before = self.state.clone();
        let stepped = workflow::step(&self.workflow, &mut self.state, input, self.now)?;
        if stepped.ignored.is_some() {
            assert!(stepped.commands.is_empty(), "an ignored input commands nothing: {stepped:?}");
            assert_eq!(before, self.state, "an ignored input changes nothing");
        }
        self.take(stepped);
        Ok(())
    }

    /// How many bytes its state takes in a store.
    pub(crate) fn stored_size(&self) -> usize {
        let stored = self.state.store(&mut Parts::default()).expect("a state is stored");
        stored.state.len() + stored.added.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
    }

    /// The oldest thing awaited of a kind, taken from the list.
    fn pop(&mut self, wanted: impl Fn(&Command) -> bool) -> Command {
        let index = self.commands.iter().position(wanted);
        let index = index.unwrap_or_else(|| panic!("nothing such is awaited: {:#?}", self.commands));
        self.commands.remove(index)
    }

    /// Takes the oldest call, request or workflow: its position and input.
    pub(crate) fn call(&mut self) -> (Position, Value) {
        let command = self.pop(|command| {
            matches!(command, Command::Call { .. } | Command::Request { .. } | Command::StartRun { .. })
        });
        match command {
            Command::Call { position, input, .. }
            | Command::Request { position, call: input, .. }
            | Command::StartRun { position, input, .. } => (position, input),
            _ => unreachable!(),
        }
    }

    /// Takes the call of the task at this place: its position and input.
    pub(crate) fn take_call(&mut self, pointer: &str) -> (Position, Value) {
        match self.pop(|command| matches!(command, Command::Call { position, .. } if &*position.pointer == pointer)) {
            Command::Call { position, input, .. } => (position, input),
            _ => unreachable!(),
        }
    }

    /// Answers the oldest call and gives its input.
    pub(crate) fn answer(&mut self, answer: &str) -> Value {
        let (position, input) = self.call();
        self.step(Input::Returned { position, result: Ok(value(answer)) });
        input
    }

    pub(crate) fn answer_fault(&mut self, fault: Fault) -> &mut Self {
        let (position, _) = self.call();
        self.step(Input::Returned { position, result: Err(fault) })
    }

    /// Lets time pass to the earliest sleep and fires it; how long it was, in milliseconds.
    pub(crate) fn sleep(&mut self) -> i64 {
        let earliest = self.commands.iter().filter_map(|command| match command {
            Command::Sleep { until, position } => Some((*until, position.clone())),
            _ => None,
        });
        let (until, position) = earliest.min().expect("something sleeps");
        self.commands.retain(|command| awaited(command) != Some(&position));
        let slept = until.duration_since(self.now);
        self.now = self.now.max(until);
        self.step(Input::Fired { position });
        i64::try_from(slept.as_millis()).expect("a sleep")
    }

    /// The position of the only listening task.
    pub(crate) fn listening(&self) -> Position {
        let positions: Vec<Position> = self
            .commands
            .iter()
            .filter_map(|command| match command {
                Command::Listen { position, .. } => Some(position.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(positions.len(), 1, "{:#?}", self.commands);
        positions[0].clone()
    }

    pub(crate) fn hear(&mut self, event: &str) -> &mut Self {
        let position = self.listening();
        self.step(Input::Heard { position, event: value(event) })
    }

    #[track_caller]
    pub(crate) fn output(&self) -> Value {
        assert_eq!(self.state.status(), Status::Completed, "{:?} {:#?}", self.state.fault(), self.commands);
        let outputs: Vec<&Value> = self
            .commands
            .iter()
            .filter_map(|command| match command {
                Command::Complete { output } => Some(output),
                _ => None,
            })
            .collect();
        assert_eq!(outputs.len(), 1);
        assert!(!self.commands.iter().any(|command| awaited(command).is_some()), "{:#?}", self.commands);
        outputs[0].clone()
    }

    #[track_caller]
    pub(crate) fn fault(&self) -> Fault {
        assert_eq!(self.state.status(), Status::Failed);
        self.state.fault().expect("a fault").clone()
    }

    #[track_caller]
    pub(crate) fn gives(&self, output: &str) {
        assert_eq!(self.output(), value(output), "{} is not {output}", self.output());
    }

    /// The names of the tasks that began, in order.
    pub(crate) fn began(&self) -> Vec<&str> {
        let began = self.trace.iter().filter(|entry| entry.event == TraceEvent::Started && !entry.pointer.is_empty());
        began.map(|entry| entry.pointer.rsplit('/').next().unwrap_or_default()).collect()
    }
}

/// The position that a command awaits something at.
pub(crate) fn awaited(command: &Command) -> Option<&Position> {
    match command {
        Command::Call { position, .. }
        | Command::Request { position, .. }
        | Command::Sleep { position, .. }
        | Command::Listen { position, .. }
        | Command::StartRun { position, await_result: true, .. } => Some(position),
        _ => None,
    }
}
