//! What is run: which names are allowed, the words of a command, the file of a script, the program behind a name.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use workflow::FaultType;

use crate::{Failure, Processes};

/// Longest command or script, in bytes.
const CODE_MAX: usize = 1024 * 1024;
/// Where programs are when the environment does not say.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "zsh", "ksh"];
/// Words that only a shell understands.
const OPERATORS: [&str; 10] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>"];

/// The processes that are allowed.
pub(super) struct Allowed<'a>(pub(super) &'a Processes);

impl<'a> Allowed<'a> {
    /// The words that run scripts of a language.
    pub(super) fn script(&self, language: &str) -> Result<&'a [String], Failure> {
        let other = match language {
            "js" => "javascript",
            "javascript" => "js",
            "py" => "python",
            "python" => "py",
            same => same,
        };
        let words = self.0.scripts.get(language).or_else(|| self.0.scripts.get(other));
        words.map(Vec::as_slice).filter(|words| !words.is_empty()).ok_or_else(|| {
            let detail = format!(
                "this deployment runs no scripts in `{language}`: add the language with its command to the allowed scripts \
                 (`direct.scripts` in interlock.yaml)"
            );
            Failure::new(FaultType::Authorization, detail)
        })
    }

    /// The shell that commands are given to, where one is allowed by name.
    pub(super) fn interpreter(&self) -> Option<&'a str> {
        self.0.shell.iter().map(String::as_str).find(|name| {
            let base = Path::new(name).file_name().and_then(|base| base.to_str()).unwrap_or_default();
            SHELLS.contains(&base)
        })
    }

    pub(super) fn command(&self, name: &str) -> Result<(), Failure> {
        if self.0.shell.iter().any(|allowed| allowed == "*" || allowed == name) {
            return Ok(());
        }
        let detail = format!(
            "this deployment does not run the command `{name}`: add its name to the allowed commands (`direct.shell` in interlock.yaml)"
        );
        Err(Failure::new(FaultType::Authorization, detail))
    }
}

/// The words of a command, taken apart as a shell would. No shell sees it, so what only a shell can do is refused.
pub(super) fn shell_words(command: &str) -> Result<Vec<String>, Failure> {
    if command.len() > CODE_MAX || command.contains('\0') {
        return Err(Failure::configuration("the command is too long or holds a zero byte"));
    }
    let words = shlex::split(command)
        .filter(|words| !words.is_empty())
        .ok_or_else(|| Failure::configuration("`command` is empty or has a quote that is not closed"))?;
    let needs_shell = words.iter().any(|word| OPERATORS.contains(&word.as_str()) || word.contains("$("))
        || words.first().is_some_and(|word| word.contains('='));
    if needs_shell {
        let detail = "the command uses pipes, redirections or other things of a shell: allow a shell such as `sh` \
                      (`direct.shell` in interlock.yaml), or name one program with its arguments";
        return Err(Failure::new(FaultType::Authorization, detail));
    }
    Ok(words)
}

/// A script in a file that only this user can read and that goes when it is dropped.
#[derive(Debug)]
pub(super) struct ScriptFile {
    pub(super) path: PathBuf,
    _folder: TempDir,
}

pub(super) async fn script_file(language: &str, code: String) -> Result<ScriptFile, Failure> {
    if code.len() > CODE_MAX {
        return Err(Failure::configuration(format!("the script is longer than {CODE_MAX} bytes")));
    }
    let ending = match language {
        "js" | "javascript" if is_module(&code) => "mjs".to_owned(),
        "js" | "javascript" => "js".to_owned(),
        "python" | "py" => "py".to_owned(),
        other => other.chars().filter(char::is_ascii_alphanumeric).collect(),
    };
    let written = tokio::task::spawn_blocking(move || {
        let folder = tempfile::Builder::new().prefix("interlock-script-").tempdir()?;
        let path = folder.path().join(format!("script.{ending}"));
        std::fs::write(&path, code)?;
        Ok(ScriptFile { path, _folder: folder })
    });
    let written: std::io::Result<ScriptFile> = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    written
        .map_err(|error| Failure::new(FaultType::Runtime, format!("the script cannot be written to a file: {error}")))
}

/// Whether a script in JavaScript is a module, which its file has to say by its name.
fn is_module(code: &str) -> bool {
    code.lines().map(str::trim_start).any(|line| line.starts_with("import ") || line.starts_with("export "))
}

/// The path of a program. Our own `PATH` decides, never one that a workflow sets: otherwise a name would allow anything.
pub(super) fn find_program(name: &str) -> Result<PathBuf, Failure> {
    let missing = || Failure::configuration(format!("there is no program `{name}` on this machine"));
    if name.contains('/') {
        return Path::new(name).canonicalize().ok().filter(|path| path.is_file()).ok_or_else(missing);
    }
    let path = own_path();
    let mut folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders.find_map(|folder| Some(folder.join(name)).filter(|path| is_program(path))).ok_or_else(missing)
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

pub(super) fn own_path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into())
}
