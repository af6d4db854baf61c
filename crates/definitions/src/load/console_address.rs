//! Where a project's console listens, from `interlock.yaml` alone: who operates a running project needs nothing else of it.

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;

use model::{Problem, Source};
use workflow::yaml;

use super::environment::{Unfilled, replace};
use super::files;

/// Reads where the console of a project listens; `None` when it has none. Nothing else of the project is read or checked.
///
/// # Errors
/// `IL-DEF-000` when there is no project in this folder, the file cannot be read, or the address cannot be understood.
pub fn console_address(
    folder: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<SocketAddr>, Problem> {
    let file = folder.join(files::PROJECT_FILE);
    let wrong = |message: String, remedy: &'static str| Problem::new("IL-DEF-000", message, remedy);
    if !file.is_file() {
        let message = format!("{} holds no {}, so it is no project", folder.display(), files::PROJECT_FILE);
        return Err(wrong(message, "Name the project's folder"));
    }
    let mut text = String::new();
    let read = File::open(&file).and_then(|opened| opened.take(files::FILE_MAX).read_to_string(&mut text));
    read.map_err(|error| {
        wrong(format!("{} cannot be read: {error}", file.display()), "Check the file and who may read it")
    })?;
    let source = Source { file: file.to_string_lossy().into(), text: text.into() };
    let node = yaml::parse(&source).map_err(|_| {
        wrong(format!("{} cannot be understood", file.display()), "Run `interlock check` for its mistakes")
    })?;
    let address = node.get("listeners").and_then(|listeners| listeners.get("console")?.get("address")?.text().cloned());
    let Some(address) = address else { return Ok(None) };
    let filled = replace(&address, environment).map_err(|unfilled| match unfilled {
        Unfilled::Unset(name) => wrong(
            format!(
                "the address of the console in {} names the environment variable {name}, which is not set",
                file.display()
            ),
            "Set it as it is set for the running project",
        ),
        Unfilled::Malformed => wrong(
            format!("the address of the console in {} names no environment variable", file.display()),
            "Write `${NAME}` or `${NAME:-default}`",
        ),
    })?;
    match filled.parse() {
        Ok(address) => Ok(Some(address)),
        Err(_) => Err(wrong(
            format!("`{filled}`, the console's in {}, is no address to listen on", file.display()),
            "Write an IP address and a port, such as `127.0.0.1:8081`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_address_is_found_without_the_rest_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let environment = |name: &str| (name == "CONSOLE").then(|| "127.0.0.1:7000".to_owned());
        let read = |text: &str| {
            fs::write(folder.path().join("interlock.yaml"), text).expect("written");
            console_address(folder.path(), &environment).map_err(|problem| problem.message)
        };
        assert!(console_address(folder.path(), &environment).is_err_and(|told| told.message.contains("is no project")));
        let listens = |address: &str| format!("listeners: {{ console: {{ address: '{address}' }} }}\nrubbish: 1\n");
        let right = "127.0.0.1:7000".parse().expect("an address");
        assert_eq!(read(&listens("${CONSOLE}")), Ok(Some(right)));
        assert_eq!(read(&listens("${OTHER:-127.0.0.1:7000}")), Ok(Some(right)));
        assert_eq!(read("name: none\n"), Ok(None));
        assert!(read(&listens("${OTHER}")).is_err_and(|told| told.contains("OTHER, which is not set")));
        assert!(read(&listens("here")).is_err_and(|told| told.contains("`here`")));
        assert!(read("name: [\n").is_err_and(|told| told.contains("cannot be understood")));
    }
}
