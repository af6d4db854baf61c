//! `run: script` and `run: shell`: processes that the deployment allows by name.

mod child;
mod command;

use std::sync::Arc;

use model::Value;
use workflow::FaultType;

use crate::Failure;
use crate::call::Attempt;
use crate::http::text_of;

use child::{Ended, Prepared};
use command::{Allowed, find_program, script_file, shell_words};

/// How much of a failed process's output goes into the fault, in bytes.
const TOLD_MAX: usize = 64 * 1024;
/// Most arguments, and as many variables of the environment.
const ARGUMENTS_MAX: usize = 1000;

/// What a process gives to the workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Return {
    Stdout,
    Stderr,
    Code,
    All,
    Nothing,
}

impl Return {
    fn read(value: &Value) -> Result<Self, Failure> {
        match (value, value.as_str()) {
            (Value::Null, _) | (_, Some("stdout")) => Ok(Self::Stdout),
            (_, Some("stderr")) => Ok(Self::Stderr),
            (_, Some("code")) => Ok(Self::Code),
            (_, Some("all")) => Ok(Self::All),
            (_, Some("none")) => Ok(Self::Nothing),
            _ => Err(Failure::configuration("`return` is `stdout`, `stderr`, `code`, `all` or `none`")),
        }
    }
}

impl Attempt<'_> {
    pub(crate) async fn script(&self, call: &Value) -> Result<Value, Failure> {
        let direct = self.direct;
        let script = call.get("script");
        let language = script.get("language").as_str().unwrap_or_default().to_ascii_lowercase();
        let words = Allowed(&direct.options.processes).script(&language)?;
        let code = match (script.get("code").as_str(), script.get("source").get("endpoint")) {
            (Some(code), _) => direct.options.secrets.fill_text(code),
            (None, Value::Null) => return Err(Failure::configuration("a script needs `code` or `source`")),
            (None, source) => self.text(source).await?.text.to_string(),
        };
        let file = script_file(&language, code).await?;
        let mut arguments: Vec<String> = words[1..].to_vec();
        arguments.push(file.path.display().to_string());
        arguments.extend(self.arguments(script.get("arguments"))?);
        let what = format!("the script in {language}");
        let prepared = Prepared { _script: Some(file), ..self.prepare(what, &words[0], arguments, script)? };
        self.run(prepared, call).await
    }

    pub(crate) async fn shell(&self, call: &Value) -> Result<Value, Failure> {
        let shell = call.get("shell");
        let command = shell.get("command").as_str().unwrap_or_default();
        let allowed = Allowed(&self.direct.options.processes);
        let more = self.arguments(shell.get("arguments"))?;
        let prepared = match allowed.interpreter() {
            Some(interpreter) => {
                let command = self.direct.options.secrets.fill_text(command);
                // What stands behind the command is `$0` and the arguments.
                let mut arguments = vec!["-c".to_owned(), command, interpreter.to_owned()];
                arguments.extend(more);
                self.prepare(format!("the command of `{interpreter}`"), interpreter, arguments, shell)?
            }
            None => {
                let mut words = shell_words(command)?.into_iter();
                let program = words.next().unwrap_or_default();
                allowed.command(&program)?;
                // Filled when it has been taken apart, so that no secret becomes two words.
                let arguments = words.map(|word| self.direct.options.secrets.fill_text(&word)).chain(more).collect();
                self.prepare(format!("the command `{program}`"), &program, arguments, shell)?
            }
        };
        self.run(prepared, call).await
    }

    fn prepare(
        &self,
        what: String,
        program: &str,
        arguments: Vec<String>,
        process: &Value,
    ) -> Result<Prepared, Failure> {
        let secrets = &self.direct.options.secrets;
        let stdin = process.get("stdin");
        Ok(Prepared {
            program: find_program(program)?,
            what,
            arguments,
            environment: self.environment(process.get("environment"))?,
            stdin: (!stdin.is_null()).then(|| text_of(&secrets.fill(stdin))),
            folder: self.direct.options.folder.clone(),
            timeout: self.direct.options.processes.timeout,
            output_max: self.direct.options.processes.output_max,
            _script: None,
        })
    }

    /// A list goes as it is. Of a mapping, as earlier generations of the DSL have it, each member becomes `--name=value`.
    fn arguments(&self, value: &Value) -> Result<Vec<String>, Failure> {
        let filled = self.direct.options.secrets.fill(value);
        let arguments: Vec<String> = match &filled {
            Value::Null => Vec::new(),
            Value::Array(items) => items.iter().map(text_of).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| match value {
                    Value::Null => format!("--{name}"),
                    value => format!("--{name}={}", text_of(value)),
                })
                .collect(),
            other => {
                return Err(Failure::configuration(format!(
                    "`arguments` is a list, not a value of type {}",
                    other.kind()
                )));
            }
        };
        let whole = arguments.len() <= ARGUMENTS_MAX && !arguments.iter().any(|argument| argument.contains('\0'));
        whole.then_some(arguments).ok_or_else(|| {
            Failure::configuration(format!(
                "a process takes at most {ARGUMENTS_MAX} arguments, without zero bytes in them"
            ))
        })
    }

    fn environment(&self, value: &Value) -> Result<Vec<(String, String)>, Failure> {
        let members = match value {
            Value::Null => return Ok(Vec::new()),
            Value::Object(members) => members,
            other => {
                let detail = format!("`environment` is a mapping, not a value of type {}", other.kind());
                return Err(Failure::configuration(detail));
            }
        };
        let mut environment = Vec::with_capacity(members.len());
        for (name, value) in members.iter().take(ARGUMENTS_MAX) {
            // The loader of the system takes these as programs of its own.
            if name.starts_with("LD_") || name.starts_with("DYLD_") {
                let detail = format!("a workflow may not set `{name}`, which decides what code a process loads");
                return Err(Failure::new(FaultType::Authorization, detail));
            }
            let text = text_of(&self.direct.options.secrets.fill(value));
            if name.is_empty() || name.contains(['=', '\0']) || text.contains('\0') {
                return Err(Failure::configuration(format!("`{name}` cannot be a variable of the environment")));
            }
            environment.push((name.to_string(), text));
        }
        Ok(environment)
    }

    async fn run(&self, prepared: Prepared, call: &Value) -> Result<Value, Failure> {
        let wanted = Return::read(call.get("return"))?;
        // It closes only with this `Direct`.
        let turn = Arc::clone(&self.direct.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Failure::new(FaultType::Runtime, "processes are no longer started"))?;
        if call.get("await").as_bool() == Some(false) {
            child::start(prepared, turn)?;
            return Ok(Value::Null);
        }
        let what = prepared.what.clone();
        let ended = child::run(prepared).await?;
        drop(turn);
        given(&what, wanted, &ended)
    }
}

fn given(what: &str, wanted: Return, ended: &Ended) -> Result<Value, Failure> {
    let all = |most: usize| {
        Value::object([
            ("code", Value::from(ended.code)),
            ("stdout", Value::from(text(&ended.stdout, most))),
            ("stderr", Value::from(text(&ended.stderr, most))),
        ])
    };
    match wanted {
        Return::Code => Ok(Value::from(ended.code)),
        Return::All => Ok(all(usize::MAX)),
        _ if ended.code != 0 => {
            let last = text(&ended.stderr, TOLD_MAX);
            let last = last.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let colon = if last.is_empty() { "" } else { ": " };
            let detail = format!("{what} ended with the code {}{colon}{last}", ended.code);
            Err(Failure::new(FaultType::Runtime, detail).with_data(all(TOLD_MAX)))
        }
        Return::Stdout => Ok(Value::from(text(&ended.stdout, usize::MAX))),
        Return::Stderr => Ok(Value::from(text(&ended.stderr, usize::MAX))),
        Return::Nothing => Ok(Value::Null),
    }
}

/// Output as a text, without the line break at its end.
fn text(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(most)]);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    text.strip_suffix('\r').unwrap_or(text).to_owned()
}
