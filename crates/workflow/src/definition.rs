//! A workflow as the machine runs it: all tasks in one table, names resolved, expressions compiled.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::SignedDuration;
use model::Value;

use crate::catalog::{FunctionReference, SchemaCheck};
use crate::code::{Code, Template};
use crate::duration::Duration;

/// Index of a task in the table of its workflow. Never stored: a state names tasks by pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskId(pub(crate) u32);

/// Tasks that run one after the other.
pub(crate) type List = Arc<[TaskId]>;

/// All tasks, and how to find them.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    pub(crate) all: Vec<Task>,
    pub(crate) by_pointer: HashMap<Arc<str>, TaskId>,
}

impl Tasks {
    pub(crate) fn get(&self, id: TaskId) -> Option<&Task> {
        self.all.get(id.0 as usize)
    }
}

/// One task.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) name: Arc<str>,
    pub(crate) pointer: Arc<str>,
    /// As it was written; only kept when some expression of the document reads `$task`.
    pub(crate) definition: Value,
    pub(crate) condition: Option<Code>,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    pub(crate) export: Shape,
    pub(crate) timeout: Option<Duration>,
    pub(crate) then: Flow,
    /// Whether something that runs after the task's work reads `$input`.
    pub(crate) keeps_input: bool,
    /// Whether something that runs after the task's work reads `$task`.
    pub(crate) keeps_raw: bool,
    pub(crate) kind: Kind,
}

/// How data is checked and changed on its way into or out of a task.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub(crate) schema: Option<Arc<dyn SchemaCheck>>,
    pub(crate) template: Option<Template>,
}

/// Where to go after a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) enum Flow {
    #[default]
    Continue,
    Exit,
    End,
    /// The task at this place of the same list.
    To(usize),
}

/// What a task does.
#[derive(Debug)]
pub(crate) enum Kind {
    Do(List),
    Set(Template),
    Switch(Box<[Case]>),
    For(Box<ForLoop>),
    Fork {
        branches: List,
        compete: bool,
    },
    Try(Box<TryCatch>),
    Raise(Box<ErrorTemplate>),
    Wait(Duration),
    Listen(Box<Listen>),
    Emit(Box<[(Arc<str>, Template)]>),
    Call {
        function: FunctionReference,
        arguments: Template,
    },
    /// A function of `use.functions`, compiled anew for each place that calls it.
    Function {
        arguments: Template,
        body: List,
    },
    Request {
        protocol: Protocol,
        call: Template,
        /// Whether what it gives is the task's output; otherwise that is its input.
        awaited: bool,
        /// `foreach` of a subscription: what is done with each of the messages that it gives, as with events.
        messages: Option<Box<Listen>>,
    },
    Subflow(Box<Subflow>),
    /// A task with the extensions that apply to it.
    Extended(Box<Extended>),
}

/// A way to reach something outside that is not in a catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `call: http`
    Http,
    /// `call: grpc`
    Grpc,
    /// `call: openapi`
    OpenApi,
    /// `call: asyncapi`
    AsyncApi,
    /// `call: a2a`
    A2a,
    /// `call: mcp`
    Mcp,
    /// `call: https://…/function.yaml`: a function that is loaded from its address.
    Function,
    /// `run: { container: … }`
    Container,
    /// `run: { script: … }`
    Script,
    /// `run: { shell: … }`
    Shell,
}

impl Protocol {
    const ALL: [Self; 10] = [
        Self::Http,
        Self::Grpc,
        Self::OpenApi,
        Self::AsyncApi,
        Self::A2a,
        Self::Mcp,
        Self::Function,
        Self::Container,
        Self::Script,
        Self::Shell,
    ];

    /// The protocol of this name in the DSL.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == word)
    }

    /// Its name in the DSL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::OpenApi => "openapi",
            Self::AsyncApi => "asyncapi",
            Self::A2a => "a2a",
            Self::Mcp => "mcp",
            Self::Function => "function",
            Self::Container => "container",
            Self::Script => "script",
            Self::Shell => "shell",
        }
    }
}

/// One case of a `switch`.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: Arc<str>,
    pub(crate) when: Option<Code>,
    pub(crate) then: Flow,
}

/// A `for`. Its item and index are the two innermost variables of the body.
#[derive(Debug)]
pub(crate) struct ForLoop {
    /// What the item is called.
    pub(crate) each: Arc<str>,
    pub(crate) items: Template,
    pub(crate) condition: Option<Code>,
    pub(crate) body: List,
}

/// A `try` with its `catch`. The error is the innermost variable of `when`, `except` and `handler`.
#[derive(Debug)]
pub(crate) struct TryCatch {
    pub(crate) body: List,
    pub(crate) filter: ErrorFilter,
    pub(crate) when: Option<Code>,
    pub(crate) except: Option<Code>,
    pub(crate) retry: Option<Retry>,
    pub(crate) handler: Option<List>,
    pub(crate) then: Option<Flow>,
}

/// The errors a `catch` is for; what is absent does not matter.
#[derive(Debug, Default)]
pub(crate) struct ErrorFilter {
    pub(crate) fault_type: Option<Arc<str>>,
    pub(crate) status: Option<i64>,
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) title: Option<Arc<str>>,
    pub(crate) detail: Option<Arc<str>>,
}

/// A retry policy.
#[derive(Clone, Debug)]
pub(crate) struct Retry {
    pub(crate) when: Option<Code>,
    pub(crate) except: Option<Code>,
    pub(crate) delay: Option<Duration>,
    pub(crate) backoff: Backoff,
    pub(crate) count: Option<u32>,
    pub(crate) attempt_duration: Option<Duration>,
    pub(crate) duration: Option<Duration>,
    pub(crate) jitter: Option<(Duration, Duration)>,
}

/// How the delay grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Backoff {
    #[default]
    Constant,
    Linear,
    Exponential,
}

impl Backoff {
    /// The delay before the retry of this number, counted from 1.
    pub(crate) fn delay(self, base: SignedDuration, retry: u32) -> SignedDuration {
        let times = match self {
            Self::Constant => 1,
            Self::Linear => i32::try_from(retry).unwrap_or(i32::MAX),
            Self::Exponential => {
                1_i32.checked_shl(retry.saturating_sub(1)).filter(|times| *times > 0).unwrap_or(i32::MAX)
            }
        };
        base.checked_mul(times).unwrap_or(SignedDuration::MAX)
    }
}

/// An error that is raised.
#[derive(Clone, Debug)]
pub(crate) struct ErrorTemplate {
    pub(crate) fault_type: Template,
    pub(crate) status: i64,
    pub(crate) title: Option<Template>,
    pub(crate) detail: Option<Template>,
    pub(crate) instance: Option<Template>,
}

/// What `listen` waits for. In `each`, the event and its index are the two innermost variables.
#[derive(Debug)]
pub(crate) struct Listen {
    pub(crate) mode: Mode,
    pub(crate) filters: Box<[Filter]>,
    pub(crate) read: Read,
    pub(crate) each: Option<Each>,
    /// After this long it is over with what has come.
    pub(crate) lasts: Option<Duration>,
}

/// When listening is over.
#[derive(Debug)]
pub(crate) enum Mode {
    One,
    /// One of the filters, once.
    Any,
    /// Every filter, once.
    All,
    /// Any number of events, until this holds.
    Until(Code),
    /// Any number of events, until the last filters, from this index on, are satisfied; all of them or one.
    UntilConsumed {
        from: usize,
        all: bool,
    },
}

/// What of an event is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Read {
    /// Its data.
    #[default]
    Data,
    /// The whole CloudEvents envelope.
    Envelope,
    /// Its data, untouched.
    Raw,
    /// A message of AsyncAPI: `payload` is its data, `headers` are its other attributes, `correlationId` is that of `correlationid`.
    Message,
}

impl Read {
    /// The part of an event that is handed on.
    #[must_use]
    pub fn of(self, event: &Value) -> Value {
        match self {
            Self::Envelope => event.clone(),
            Self::Data | Self::Raw => event.get("data").clone(),
            Self::Message => {
                let mut headers = event.clone();
                headers.remove("data");
                let members = [
                    ("payload", event.get("data").clone()),
                    ("headers", headers),
                    ("correlationId", event.get("correlationid").clone()),
                ];
                Value::object(members.into_iter().filter(|(_, value)| !value.is_null()))
            }
        }
    }
}

/// `foreach` of a subscription.
#[derive(Debug)]
pub(crate) struct Each {
    pub(crate) body: List,
    pub(crate) output: Shape,
    pub(crate) export: Shape,
}

/// An event filter as written.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Attributes and what they must equal.
    pub(crate) attributes: Box<[(Arc<str>, Template)]>,
    pub(crate) data: Option<DataTest>,
    pub(crate) correlations: Box<[Correlate]>,
}

/// A condition on an event's data.
#[derive(Debug)]
pub(crate) enum DataTest {
    Holds(Code),
    Equals(Template),
    /// On the event as a message.
    Message(Code),
}

/// A correlation as written.
#[derive(Debug)]
pub(crate) struct Correlate {
    pub(crate) name: Arc<str>,
    pub(crate) from: Code,
    pub(crate) expect: Option<Template>,
}

/// Another workflow that is run.
#[derive(Debug)]
pub(crate) struct Subflow {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) input: Option<Template>,
    pub(crate) awaited: bool,
}

/// A task between the tasks of the extensions that apply to it.
#[derive(Debug)]
pub(crate) struct Extended {
    pub(crate) extensions: Box<[Extension]>,
    pub(crate) task: TaskId,
}

/// What one extension adds to a task.
#[derive(Debug)]
pub(crate) struct Extension {
    pub(crate) when: Option<Code>,
    pub(crate) before: Option<List>,
    pub(crate) after: Option<List>,
}
