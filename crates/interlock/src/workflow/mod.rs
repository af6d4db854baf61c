//! `interlock workflow`: one workflow document by itself.

mod run;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use definitions::{DirectCalls, LoadError, Purpose, Standalone};
use model::Problem;
use workflow::Environment;
use workflow::draw::Marks;

use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Runs a workflow to its end and prints its output, or the error that it ended with, as JSON.
    Run(RunArgs),
    /// Checks a workflow and shows every mistake with its place.
    Check {
        /// The workflow document, in YAML or JSON.
        file: PathBuf,
    },
    /// Draws a workflow as SVG.
    Draw {
        /// The workflow document, in YAML or JSON.
        file: PathBuf,
        /// Where the picture is written; standard output when not given.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The workflow document, in YAML or JSON; workflows that it runs are looked for in the same folder.
    pub(crate) file: PathBuf,
    /// The input, in YAML or JSON; `-` reads it from standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// A secret that the document names under `use.secrets`.
    #[arg(long, value_name = "NAME=env:VARIABLE|file:PATH", value_parser = secret)]
    pub(crate) secret: Vec<(String, String)>,
    /// Events that are told to the workflow once it runs, in their order: CloudEvents in a list, or one in each line.
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Writes what happens to the workflow and its tasks as CloudEvents, one in each line.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// A command that `run: shell` may start; `*` for any.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) allow_shell: Vec<String>,
    /// A language that `run: script` may use, and the command that runs a file of it.
    #[arg(long, value_name = "LANGUAGE=COMMAND", value_parser = language)]
    pub(crate) allow_script: Vec<(String, String)>,
    /// Certificates in PEM that are trusted besides the system's own.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl RunArgs {
    fn direct(&self) -> DirectCalls {
        let words = |command: &str| command.split_whitespace().map(Into::into).collect();
        DirectCalls {
            calls: true,
            shell: self.allow_shell.iter().map(|name| name.as_str().into()).collect(),
            scripts: self
                .allow_script
                .iter()
                .map(|(language, command)| (language.as_str().into(), words(command)))
                .collect(),
        }
    }
}

fn secret(text: &str) -> Result<(String, String), String> {
    let (name, reference) = text.split_once('=').ok_or("write NAME=env:VARIABLE or NAME=file:PATH")?;
    match connect::is_reference(reference) {
        true => Ok((name.to_owned(), reference.to_owned())),
        false => Err("the secret itself must not be given: write NAME=env:VARIABLE or NAME=file:PATH".to_owned()),
    }
}

fn language(text: &str) -> Result<(String, String), String> {
    let (language, command) = text.split_once('=').ok_or("write LANGUAGE=COMMAND, such as python=python3")?;
    match command.trim().is_empty() {
        true => Err("give the command that runs a file of this language, such as python=python3".to_owned()),
        false => Ok((language.to_owned(), command.to_owned())),
    }
}

/// `interlock workflow …`
///
/// # Errors
/// When the document has mistakes, or ended with an error.
pub(crate) async fn command(command: WorkflowCommand) -> Result<(), Failure> {
    match command {
        WorkflowCommand::Run(arguments) => run::run(arguments).await,
        WorkflowCommand::Check { file } => check(&file),
        WorkflowCommand::Draw { file, output } => draw(&file, output.as_deref()),
    }
}

fn check(file: &Path) -> Result<(), Failure> {
    let Standalone { release, workflow, .. } = load(file, Purpose::Check, any_call(), &Environment::default())?;
    let beside = match release.workflows.len() {
        1 => String::new(),
        others => format!(" It runs {} more.", others - 1),
    };
    let document = &workflow.workflow;
    let (namespace, name, version) = (document.namespace(), document.name(), document.version());
    println!("{}: no mistakes in {namespace}/{name}:{version}.{beside}", file.display());
    Ok(())
}

/// Draws a workflow as SVG, to a file or to standard output.
fn draw(file: &Path, output: Option<&Path>) -> Result<(), Failure> {
    let loaded = load(file, Purpose::Draw, any_call(), &Environment::default())?;
    let picture = loaded.workflow.workflow.draw(&Marks::default());
    match output {
        None => println!("{picture}"),
        Some(output) => std::fs::write(output, picture).map_err(|error| {
            let message = format!("{} cannot be written: {error}", output.display());
            Failure::Wrong(Problem::new("IL-WFR-009", message, "Check the path after --output"))
        })?,
    }
    Ok(())
}

/// Where a document is only looked at, nothing of it is refused.
fn any_call() -> DirectCalls {
    DirectCalls { calls: true, ..DirectCalls::default() }
}

/// Loads a document and shows its mistakes and warnings on standard error.
fn load(file: &Path, purpose: Purpose, direct: DirectCalls, environment: &Environment) -> Result<Standalone, Failure> {
    let color = std::io::stderr().is_terminal();
    match definitions::standalone(file, purpose, direct, environment) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                eprintln!("{}", loaded.release.sources.render(&loaded.warnings, color));
            }
            Ok(loaded)
        }
        Err(LoadError::Project(problem)) => Err(Failure::Wrong(problem)),
        Err(error @ LoadError::Definitions { .. }) => {
            eprintln!("{}", error.render(color));
            Err(Failure::Shown)
        }
    }
}
