//! Environment variables and secrets: from the process, and from a file that is given.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use connect::{Secret, SecretError, Secrets};
use model::Problem;

/// Largest secret or environment file.
const FILE_MAX: u64 = 1024 * 1024;

/// Variables by name: those of a file win over those of the process.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    given: HashMap<String, String>,
}

impl Environment {
    /// With these variables besides the process's own.
    pub(crate) fn with(given: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { given: given.into_iter().collect() }
    }

    /// Reads a file of lines `NAME=VALUE`; empty lines and those that begin with `#` are left out.
    ///
    /// # Errors
    /// When it cannot be read, or a line is something else.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, Problem> {
        let Some(file) = file else { return Ok(Self::default()) };
        let text = read_bounded(file).map_err(|cause| {
            let message = format!("the environment file {} cannot be read: {cause}", file.display());
            Problem::new("IL-ENV-001", message, "Check the path after --environment")
        })?;
        let mut given = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                let message = format!("{}:{}: this line is not NAME=VALUE", file.display(), number + 1);
                return Err(Problem::new(
                    "IL-ENV-002",
                    message,
                    "Write one variable per line, such as CRM_URL=https://…",
                ));
            };
            given.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        Ok(Self { given })
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.given.get(name).cloned().or_else(|| std::env::var(name).ok())
    }

    /// As a file's text, sorted by name.
    pub(crate) fn to_text(&self) -> String {
        let mut lines: Vec<String> = self.given.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        lines.sort();
        lines.concat()
    }
}

/// Secrets of a project: `env:NAME` from the environment, `file:path` relative to the project's folder.
pub(crate) struct ProjectSecrets {
    pub(crate) folder: PathBuf,
    pub(crate) environment: Environment,
}

impl Secrets for ProjectSecrets {
    fn get(&self, reference: &str) -> Result<Secret, SecretError> {
        let missing = |cause: String| SecretError::new(reference, cause);
        if let Some(name) = reference.strip_prefix("env:") {
            return match self.environment.get(name) {
                Some(value) if !value.is_empty() => Ok(Secret::new(value)),
                Some(_) => Err(missing(format!("the environment variable {name} is empty"))),
                None => Err(missing(format!("the environment variable {name} is not set"))),
            };
        }
        if let Some(path) = reference.strip_prefix("file:") {
            let text = read_bounded(&self.folder.join(path)).map_err(missing)?;
            let text = text.trim_end_matches(['\n', '\r']);
            return if text.is_empty() {
                Err(missing("the file is empty".to_owned()))
            } else {
                Ok(Secret::new(text.to_owned()))
            };
        }
        Err(missing("it is neither `env:NAME` nor `file:path`".to_owned()))
    }
}

fn read_bounded(file: &Path) -> Result<String, String> {
    let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > FILE_MAX {
        return Err(format!("it is larger than {FILE_MAX} bytes"));
    }
    fs::read_to_string(file).map_err(|error| error.to_string())
}

/// Writes a text that only its owner may read.
pub(crate) fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = fs::File::options();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_variables_and_files_and_say_what_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("key"), "from a file\n").expect("written");
        let environment =
            Environment::with([("TOKEN".to_owned(), "given".to_owned()), ("NONE".to_owned(), String::new())]);
        let secrets = ProjectSecrets { folder: folder.path().to_owned(), environment };
        assert_eq!(secrets.get("env:TOKEN").expect("there").expose(), "given");
        assert_eq!(secrets.get("file:key").expect("there").expose(), "from a file");
        let cause = |reference: &str| secrets.get(reference).expect_err("missing").to_string();
        assert!(cause("env:INTERLOCK_NO_SUCH_NAME").contains("is not set"));
        assert!(cause("env:NONE").contains("is empty"));
        assert!(cause("file:nothing").contains("No such file"));
        assert!(cause("plain").contains("neither"));
    }

    #[test]
    fn an_environment_file_says_which_line_is_wrong() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("environment");
        fs::write(&file, "# comment\n\nA = 1=2 \n").expect("written");
        assert_eq!(Environment::read(Some(&file)).expect("right").get("A").as_deref(), Some("1=2"));
        fs::write(&file, "A=1\nB\n").expect("written");
        let error = Environment::read(Some(&file)).err().expect("wrong").to_string();
        assert!(error.contains("environment:2:"), "{error}");
    }
}
